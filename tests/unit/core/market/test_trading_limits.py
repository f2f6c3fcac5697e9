"""Continuous trading: position limits, baskets, phases, and terms that cannot be."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import EVE, ISP_US, MIDNIGHT, a_party
from tests.continuous import (
    DSO,
    HALF_HOUR,
    OPERATOR,
    a_continuous,
    a_street,
    amendment,
    book_of,
    buy,
    cancellation,
    check_books,
    ended,
    enter,
    fills,
    resting,
    sell,
    venue_of,
)
from tests.play import of, reason
from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.facts import Mechanism, Side, TradingPhase
from wattbay.core.market.steps import SELL
from wattbay.core.market.venue import VENUE_POOLS_MAX
from wattbay.core.reasons import Reason
from wattbay.core.terms import Kind, Leg, OrderTerms, TimeInForce
from wattbay.ids import OriginId, PartyId, TradeId, ZoneId
from wattbay.periods import HOUR, Instant

GATE = Instant(MIDNIGHT - HOUR)
NEXT = Instant(MIDNIGHT + ISP_US)
SHORT = 140_000
"""At which energy that was sold and not made is bought back, by the tariff of `a_town`."""

IOC = OrderTerms(time_in_force=TimeInForce.IOC)
FOK = OrderTerms(time_in_force=TimeInForce.FOK)
MARKET = OrderTerms(kind=Kind.MARKET)
PROTECTED = OrderTerms(kind=Kind.MARKET, protection=80_000)


def stop(level: int, **more: object) -> OrderTerms:
    return structs.replace(OrderTerms(kind=Kind.STOP, stop=level), **more)


# --- positions -------------------------------------------------------------------------------


def test_a_pod_can_neither_buy_nor_sell_beyond_its_position_limit() -> None:
    street = a_street(a_continuous(position_max_wh=500))
    enter(street, buy("h01", 300, 100_000), sell("h02", 200, 90_000))
    assert reason(street.submit(buy("h01", 201, 100_000))) is Reason.POSITION_LIMIT
    assert reason(street.submit(amendment(1, "h01", 501, 100_000))) is Reason.POSITION_LIMIT
    enter(street, buy("h01", 200, 100_000), sell("h01", 500, 300_000))
    assert reason(street.submit(sell("h01", 1, 300_000))) is Reason.POSITION_LIMIT


def test_a_trade_that_was_undone_is_no_position() -> None:
    street = a_street(a_continuous(position_max_wh=500))
    enter(street, buy("h01", 500, 100_000), sell("h02", 500, 90_000))
    street.do(c.CancelTrade(operator=DSO, delivery=MIDNIGHT, trade=TradeId(1), reason="cable"))
    enter(street, buy("h01", 500, 100_000))
    assert book_of(street).volume_wh == 0
    check_books(street)


def test_position_limits_hold_in_auctions_too() -> None:
    product = a_continuous(position_max_wh=500, mechanism=Mechanism.CALL_AUCTION)
    street = a_street(product)
    street.do(buy("h01", 400, 100_000))
    assert reason(street.submit(buy("h01", 101, 100_000))) is Reason.POSITION_LIMIT


# --- baskets ---------------------------------------------------------------------------------


def _basket(pod: str = "h01", quantity_wh: int = 100) -> c.PlaceOrder:
    leg = Leg(delivery=NEXT, side=Side.SELL, quantity_wh=quantity_wh, limit=90_000)
    terms = OrderTerms(time_in_force=TimeInForce.FOK, legs=(leg,))
    return buy(pod, quantity_wh, 100_000, terms)


def test_a_basket_trades_whole_in_all_its_deliveries() -> None:
    street = a_street()
    enter(street, sell("h02", 100, 95_000), buy("h03", 150, 95_000, delivery=NEXT))
    events = enter(street, _basket())
    assert [(one.order, one.delivery) for one in of(e.OrderPlaced, events)] == [
        (3, MIDNIGHT),
        (4, NEXT),
    ]
    assert [(one.trade, one.delivery) for one in of(e.Traded, events)] == [(1, MIDNIGHT), (2, NEXT)]
    assert resting(street, NEXT) == [("buy", 2, 50)]
    check_books(street)


def test_a_basket_of_which_one_order_cannot_trade_whole_does_not_trade() -> None:
    street = a_street()
    enter(street, sell("h02", 100, 95_000), buy("h03", 50, 95_000, delivery=NEXT))
    events = enter(street, _basket())
    assert ended(events) == [(3, "basket", 100), (4, "fok", 100)]
    assert fills(events) == []
    assert resting(street) == [("sell", 1, 100)]
    assert street.held("h01/p01") == 0
    check_books(street)


def test_a_basket_needs_collateral_for_all_of_it() -> None:
    street = a_street()
    poor = a_party("p01", credit_limit_nano=100 * 100_000 + 100 * 50_000 - 1)
    street.do(c.RegisterParty(party=poor))
    assert reason(street.submit(_basket())) is Reason.NO_COLLATERAL


def test_a_basket_that_could_not_trade_at_once_is_refused() -> None:
    street, basket = a_street(), _basket()
    terms = basket.terms
    assert terms is not None
    patient = structs.replace(terms, time_in_force=TimeInForce.GTC)
    twice = structs.replace(terms, legs=terms.legs * 2)
    many = structs.replace(terms, legs=terms.legs * 100)
    assert reason(street.submit(structs.replace(basket, terms=patient))) is Reason.BAD_CONDITION
    assert reason(street.submit(structs.replace(basket, terms=twice))) is Reason.BAD_CONDITION
    assert reason(street.submit(structs.replace(basket, terms=many))) is Reason.TOO_MANY
    elsewhere = structs.replace(terms.legs[0], delivery=Instant(MIDNIGHT + 40 * ISP_US))
    lost = structs.replace(basket, terms=structs.replace(terms, legs=(elsewhere,)))
    assert reason(street.submit(lost)) is Reason.UNKNOWN_DELIVERY


# --- phases ----------------------------------------------------------------------------------


def _phase(phase: TradingPhase, operator: PartyId = OPERATOR) -> c.ChangePhase:
    return c.ChangePhase(
        operator=operator, product=HALF_HOUR, delivery=MIDNIGHT, phase=phase, reason="a fault"
    )


def test_while_trading_is_halted_orders_can_be_withdrawn_and_made_smaller_alone() -> None:
    street = a_street()
    enter(street, buy("h01", 500, 100_000), buy("h02", 500, 100_000))
    street.do(_phase(TradingPhase.HALTED))
    assert reason(street.submit(sell("h03", 100, 90_000))) is Reason.HALTED
    assert reason(street.submit(amendment(1, "h01", 600, 100_000))) is Reason.HALTED
    street.do(amendment(1, "h01", 400, 100_000))
    street.do(cancellation(2, "h02"))
    street.do(_phase(TradingPhase.CONTINUOUS, DSO))
    assert fills(enter(street, sell("h03", 100, 90_000))) == [(1, 3, 100, 100_000)]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (_phase(TradingPhase.HALTED, PartyId("p01")), Reason.NOT_ALLOWED),
        (_phase(TradingPhase.CONTINUOUS), Reason.BAD_VALUE),
        (_phase(TradingPhase.PRE_OPEN), Reason.BAD_VALUE),
        (structs.replace(_phase(TradingPhase.HALTED), product="none"), Reason.UNKNOWN_PRODUCT),
        (structs.replace(_phase(TradingPhase.HALTED), delivery=EVE), Reason.UNKNOWN_DELIVERY),
    ],
)
def test_a_change_of_phase_that_cannot_be_is_refused(command: c.ChangePhase, why: Reason) -> None:
    assert reason(a_street().submit(command)) is why


def test_one_whose_instant_comes_while_trading_is_halted_waits_until_it_goes_on() -> None:
    street = a_street()
    later = Instant(street.at + HOUR)
    enter(street, sell("h02", 100, 90_000), buy("h01", 100, 100_000, OrderTerms(valid_from=later)))
    street.do(_phase(TradingPhase.HALTED))
    (suspended,) = of(e.OrderSuspended, street.until(later))
    assert suspended.reason == "trading is in the phase halted"
    street.do(_phase(TradingPhase.CONTINUOUS))
    assert fills(street.until(later)) == [(2, 1, 100, 90_000)]
    check_books(street)


def test_there_is_room_for_so_many_origins_and_always_for_orders_that_name_none() -> None:
    street = a_street()
    venue = venue_of(street)
    for number in range(VENUE_POOLS_MAX):
        key = (SELL, ZoneId("z1"), f"o{number}", False)
        venue.pools[key] = venue.book.open_pool(SELL)
    solar = OrderTerms(origin=OriginId("solar"))
    assert reason(street.submit(sell("h01", 1, 90_000, solar))) is Reason.TOO_MANY
    assert fills(enter(street, sell("h01", 1, 90_000), buy("h02", 1, 90_000))) == [
        (2, 1, 1, 90_000)
    ]


def test_an_auction_has_no_phases() -> None:
    street = a_street(structs.replace(a_continuous(), mechanism=Mechanism.CALL_AUCTION))
    assert reason(street.submit(_phase(TradingPhase.HALTED))) is Reason.NOT_ALLOWED


def test_at_gate_closure_a_halted_delivery_closes_like_any_other() -> None:
    street = a_street()
    enter(street, buy("h01", 500, 100_000))
    street.do(_phase(TradingPhase.HALTED))
    (closed,) = of(e.TradingClosed, street.until(GATE))
    assert (closed.price, closed.volume_wh) == (None, 0)
    assert reason(street.submit(_phase(TradingPhase.CONTINUOUS))) is Reason.UNKNOWN_DELIVERY


def test_after_the_gate_only_the_grid_operator_changes_anything() -> None:
    street = a_street(a_continuous(network_check_us=HOUR))
    enter(street, buy("h01", 500, 100_000), sell("h02", 200, 90_000))
    street.until(GATE)
    assert reason(street.submit(buy("h01", 1, 100_000))) is Reason.GATE_CLOSED
    assert reason(street.submit(cancellation(1, "h01"))) is Reason.UNKNOWN_ORDER
    street.do(c.CancelTrade(operator=DSO, delivery=MIDNIGHT, trade=TradeId(1), reason="cable"))
    assert street.exchange.state.ledger.held == {}


# --- terms that cannot be --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (buy("h01", 100, None, IOC), Reason.BAD_CONDITION),
        (buy("h01", 100, 100_000, MARKET), Reason.BAD_CONDITION),
        (buy("h01", 100, None, OrderTerms(kind=Kind.STOP)), Reason.BAD_CONDITION),
        (buy("h01", 100, 100_000, OrderTerms(stop=100_000)), Reason.BAD_CONDITION),
        (buy("h01", 100, 100_000, OrderTerms(protection=100_000)), Reason.BAD_CONDITION),
        (
            buy("h01", 100, 100_000, OrderTerms(time_in_force=TimeInForce.GTD)),
            Reason.BAD_CONDITION,
        ),
        (buy("h01", 100, 100_000, structs.replace(IOC, post_only=True)), Reason.BAD_CONDITION),
        (buy("h01", 100, 100_000, structs.replace(IOC, peak_wh=10)), Reason.BAD_CONDITION),
        (buy("h01", 100, 100_000, OrderTerms(origin=OriginId("wind"))), Reason.BAD_CONDITION),
        (sell("h01", 100, 100_000, OrderTerms(wants=OriginId("wind"))), Reason.BAD_CONDITION),
        (sell("h01", 100, 100_000, OrderTerms(origin=OriginId("wind/"))), Reason.BAD_CONDITION),
        (buy("h01", 100, 100_000, OrderTerms(min_quantity_wh=101)), Reason.BAD_QUANTITY),
        (buy("h01", 100, 100_000, OrderTerms(peak_wh=0)), Reason.BAD_QUANTITY),
        (buy("h01", 100, None, stop(500_010)), Reason.PRICE_LIMIT),
        (buy("h01", 100, None, stop(100_005)), Reason.OFF_TICK),
    ],
)
def test_terms_that_cannot_be_meant_are_refused(command: c.PlaceOrder, why: Reason) -> None:
    street = a_street()
    assert reason(street.submit(command)) is why
    assert street.exchange.state.market.next_order == 1


def test_an_auction_knows_no_terms_of_an_order_book() -> None:
    street = a_street(structs.replace(a_continuous(), mechanism=Mechanism.CALL_AUCTION))
    for terms in (
        IOC,
        OrderTerms(post_only=True),
        OrderTerms(peak_wh=10),
        OrderTerms(is_local=True),
    ):
        assert reason(street.submit(buy("h01", 100, 100_000, terms))) is Reason.BAD_CONDITION
    assert reason(street.submit(buy("h01", 100, None, stop(10)))) is Reason.BAD_CONDITION
