"""Continuous trading in the live exchange: who trades, what is held, and how orders end."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import ISP_US, MIDNIGHT, a_party, pod_facts
from tests.continuous import (
    DSO,
    HALF_HOUR,
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
    left_of,
    resting,
    sell,
    venue_of,
)
from tests.play import of, reason
from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.facts import LocalFee, SelfTrade
from wattbay.core.reasons import Reason
from wattbay.core.terms import Kind, OrderTerms, TimeInForce
from wattbay.ids import OrderId, OriginId, PartyId, PodId, ZoneId
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


# --- trading ---------------------------------------------------------------------------------


def test_an_order_that_crosses_nobody_rests() -> None:
    street = a_street()
    (placed,) = of(e.OrderPlaced, enter(street, buy("h01", 500, 100_000)))
    assert (placed.rests_wh, placed.waits, placed.hold_nano) == (500, False, 500 * 100_000)
    assert resting(street) == [("buy", 1, 500)]


def test_a_trade_is_at_the_limit_of_the_order_that_rested() -> None:
    street = a_street()
    events = enter(street, sell("h01", 500, 90_000), buy("h02", 300, 120_000))
    (traded,) = of(e.Traded, events)
    assert (traded.buyer, traded.seller) == ("h02", "h01")
    assert (traded.buy_price, traded.sell_price) == (90_000, 90_000)
    assert (traded.maker, traded.quantity_wh) == (1, 300)
    assert resting(street) == [("sell", 1, 200)]
    check_books(street)


def test_the_better_limit_trades_first_and_then_the_earlier_order() -> None:
    street = a_street()
    enter(street, sell("h01", 100, 90_000), sell("h02", 100, 80_000), sell("h03", 100, 80_000))
    events = enter(street, buy("h04", 250, 90_000))
    assert fills(events) == [(4, 2, 100, 80_000), (4, 3, 100, 80_000), (4, 1, 50, 90_000)]


def test_the_network_fee_is_all_of_the_gap_between_what_is_paid_and_what_is_got() -> None:
    street = a_street(a_continuous(network_fee=5_000))
    events = enter(street, buy("h01", 100, 100_000), sell("h02", 100, 80_000))
    (traded,) = of(e.Traded, events)
    assert (traded.buy_price, traded.sell_price) == (100_000, 95_000)
    assert street.balance("network") == 100 * 5_000
    assert street.balance("market") == 0


def test_network_fees_go_by_zone_and_a_missing_pair_does_not_trade() -> None:
    fees = (
        LocalFee(from_zone=ZoneId("z1"), to_zone=ZoneId("z1"), nano_per_wh=1_000),
        LocalFee(from_zone=ZoneId("z2"), to_zone=ZoneId("z1"), nano_per_wh=4_000),
    )
    street = a_street(a_continuous(network_fees=fees), deliveries=2)
    moved = pod_facts("h02", party="p02", since=MIDNIGHT + 2 * ISP_US, zone="z2")
    street.do(c.ChangePod(facts=moved))
    later = Instant(MIDNIGHT + 2 * ISP_US)
    street.do(c.ListDeliveries(product=HALF_HOUR, day="2013-06-10", start=later, count=1))
    events = enter(
        street,
        sell("h02", 100, 80_000, delivery=later),
        buy("h01", 100, 84_000, delivery=later),
        sell("h03", 100, 80_000, delivery=later),
        buy("h02", 100, 120_000, delivery=later),
    )
    (traded,) = of(e.Traded, events)
    assert (traded.buy_price, traded.sell_price) == (84_000, 80_000)
    assert street.balance("network") == 100 * 4_000
    assert resting(street, later) == [("buy", 4, 100), ("sell", 3, 100)]


# --- what is held ----------------------------------------------------------------------------


def test_what_is_held_for_an_order_shrinks_with_each_fill() -> None:
    street = a_street()
    enter(street, buy("h01", 500, 100_000))
    before = left_of(street, "p01")
    enter(street, sell("h02", 200, 90_000))
    assert street.held("h01/p01") == 300 * 100_000
    assert left_of(street, "p01") == before
    assert street.held("h02/p02") == 200 * SHORT
    check_books(street)


def test_a_better_price_than_the_limit_is_free_again() -> None:
    street = a_street()
    enter(street, sell("h02", 200, 90_000))
    before = left_of(street, "p01")
    enter(street, buy("h01", 200, 100_000))
    assert left_of(street, "p01") == before - 200 * 90_000
    assert street.held("h01/p01") == 0


def test_an_order_that_never_rests_holds_nothing_after_it() -> None:
    street = a_street()
    enter(
        street, buy("h01", 200, None), buy("h01", 200, 100_000, IOC), buy("h01", 200, 90_000, FOK)
    )
    assert street.held("h01/p01") == 0
    check_books(street)


def test_after_gate_closure_no_order_holds_anything() -> None:
    street = a_street()
    enter(street, buy("h01", 500, 100_000), sell("h02", 100, 80_000), buy("h03", 5, None, stop(10)))
    events = street.until(GATE)
    assert ended(events) == [(1, "gate_closed", 400), (3, "gate_closed", 5)]
    (closed,) = of(e.TradingClosed, events)
    assert (closed.price, closed.volume_wh) == (100_000, 100)
    assert street.exchange.state.ledger.held == {"h02/p02": 100 * SHORT}
    assert MIDNIGHT not in street.exchange.state.market.books[HALF_HOUR]


# --- how orders end --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "trades", "end"),
    [
        (buy("h02", 300, None), 100, (2, "no_liquidity", 200)),
        (buy("h02", 300, None, PROTECTED), 0, (2, "no_liquidity", 300)),
        (buy("h02", 300, 100_000, IOC), 100, (2, "ioc", 200)),
        (buy("h02", 300, 100_000, FOK), 0, (2, "fok", 300)),
        (buy("h02", 300, 100_000, OrderTerms(min_quantity_wh=150)), 0, (2, "min_quantity", 300)),
        (buy("h02", 300, 100_000, OrderTerms(post_only=True)), 0, (2, "post_only", 300)),
    ],
)
def test_an_order_that_may_not_rest_says_why_it_ended(
    command: c.PlaceOrder, trades: int, end: tuple[int, str, int]
) -> None:
    street = a_street()
    enter(street, sell("h01", 100, 90_000))
    events = enter(street, command)
    assert sum(one.quantity_wh for one in of(e.Traded, events)) == trades
    assert ended(events) == [end]
    assert OrderId(2) not in book_of(street).orders
    check_books(street)


def test_an_iceberg_shows_a_clip_and_queues_again_behind_its_price() -> None:
    street = a_street()
    enter(street, sell("h01", 300, 90_000, OrderTerms(peak_wh=100)), sell("h02", 100, 90_000))
    events = enter(street, buy("h03", 250, 90_000))
    assert [(one[1], one[2]) for one in fills(events)] == [(1, 100), (2, 100), (1, 50)]
    check_books(street)


def test_cancelling_withdraws_what_is_open() -> None:
    street = a_street()
    enter(street, buy("h01", 500, 100_000), sell("h02", 200, 90_000))
    assert ended(street.do(cancellation(1, "h01"))) == [(1, "user", 300)]
    assert street.held("h01/p01") == 0
    assert resting(street) == []
    assert reason(street.submit(cancellation(1, "h01"))) is Reason.UNKNOWN_ORDER


def test_all_orders_of_a_pod_can_be_withdrawn_at_once() -> None:
    street = a_street()
    enter(
        street,
        buy("h01", 500, 100_000),
        buy("h02", 500, 100_000),
        buy("h01", 100, None, stop(110_000)),
        buy("h01", 100, 90_000, delivery=NEXT),
    )
    one = c.CancelOrders(pod=PodId("h01"), product=HALF_HOUR, delivery=MIDNIGHT)
    assert ended(street.do(one)) == [(1, "user", 500), (3, "user", 100)]
    every = c.CancelOrders(pod=PodId("h01"), product=HALF_HOUR)
    assert ended(street.do(every)) == [(4, "user", 100)]
    assert street.held("h01/p01") == 0
    check_books(street)


def test_the_grid_operator_reduces_an_order_in_its_place() -> None:
    street = a_street()
    enter(street, buy("h01", 500, 100_000), buy("h02", 500, 100_000), sell("h03", 100, 90_000))
    curtailed = c.CurtailOrder(operator=DSO, order=OrderId(1), quantity_wh=150, reason="cable")
    street.do(curtailed)
    assert resting(street) == [("buy", 1, 50), ("buy", 2, 500)]
    street.do(structs.replace(curtailed, quantity_wh=0))
    assert resting(street) == [("buy", 2, 500)]
    check_books(street)


# --- changes ---------------------------------------------------------------------------------


def test_a_smaller_order_keeps_its_place() -> None:
    street = a_street()
    enter(street, buy("h01", 500, 100_000), buy("h02", 500, 100_000), sell("h03", 100, 90_000))
    (amended,) = of(e.OrderAmended, street.do(amendment(1, "h01", 300, 100_000)))
    assert (amended.keeps_place, amended.rests_wh, amended.hold_nano) == (True, 200, 20_000_000)
    assert resting(street) == [("buy", 1, 200), ("buy", 2, 500)]
    check_books(street)


def test_a_larger_order_goes_to_the_end() -> None:
    street = a_street()
    enter(street, buy("h01", 500, 100_000), buy("h02", 500, 100_000), sell("h03", 100, 90_000))
    (amended,) = of(e.OrderAmended, street.do(amendment(1, "h01", 600, 100_000)))
    assert (amended.keeps_place, amended.rests_wh) == (False, 500)
    assert resting(street) == [("buy", 2, 500), ("buy", 1, 500)]
    check_books(street)


def test_a_change_that_crosses_trades() -> None:
    street = a_street()
    enter(street, buy("h01", 500, 80_000), sell("h02", 200, 90_000))
    events = street.do(amendment(1, "h01", 500, 90_000))
    assert fills(events) == [(1, 2, 200, 90_000)]
    assert resting(street) == [("buy", 1, 300)]
    check_books(street)


def test_a_change_to_what_is_filled_ends_the_order() -> None:
    street = a_street()
    enter(street, buy("h01", 500, 100_000), sell("h02", 200, 90_000))
    assert ended(street.do(amendment(1, "h01", 150, 100_000))) == [(1, "user", 300)]
    check_books(street)


def test_an_order_keeps_its_kind() -> None:
    street = a_street()
    enter(street, buy("h01", 500, 100_000), buy("h01", 100, None, stop(110_000)))
    assert reason(street.submit(amendment(1, "h01", 500, None))) is Reason.BAD_CONDITION
    assert reason(street.submit(amendment(2, "h01", 100, 90_000))) is Reason.BAD_CONDITION


def test_a_change_needs_collateral_for_what_it_adds() -> None:
    street = a_street()
    enter(street, buy("h01", 100, 100_000))
    street.do(c.RegisterParty(party=a_party("p01", credit_limit_nano=15_000_000)))
    assert reason(street.submit(amendment(1, "h01", 151, 100_000))) is Reason.NO_COLLATERAL
    street.do(amendment(1, "h01", 150, 100_000))
    check_books(street)


# --- stops -----------------------------------------------------------------------------------


def test_a_stop_acts_in_an_entry_of_its_own_after_the_one_that_caused_it() -> None:
    street = a_street()
    enter(
        street,
        buy("h01", 100, None, stop(100_000)),
        sell("h02", 100, 100_000),
        sell("h03", 300, 110_000),
    )
    assert venue_of(street).book.stops() == [1]
    enter(street, buy("h04", 100, 100_000))
    assert isinstance(street.entries[-1].command, c.ReleaseOrder)
    assert fills(street.entries[-1].events) == [(1, 3, 100, 110_000)]
    assert street.exchange.state.market.reached == {}
    check_books(street)


def test_stops_cause_stops_each_in_its_turn() -> None:
    street = a_street()
    enter(
        street,
        buy("h01", 100, None, stop(100_000)),
        buy("h01", 100, None, stop(110_000)),
        buy("h01", 100, 130_000, OrderTerms(kind=Kind.STOP_LIMIT, stop=120_000)),
        sell("h02", 100, 100_000),
        sell("h02", 100, 110_000),
        sell("h03", 100, 120_000),
    )
    events = enter(street, buy("h04", 100, 100_000))
    assert [one.order for one in of(e.OrderReleased, events)] == [1, 2, 3]
    assert fills(events) == [(7, 4, 100, 100_000), (1, 5, 100, 110_000), (2, 6, 100, 120_000)]
    assert resting(street) == [("buy", 3, 100)]
    check_books(street)


def test_nobody_but_the_last_price_releases_a_stop() -> None:
    street = a_street()
    enter(street, buy("h01", 100, None, stop(100_000)))
    asked = c.ReleaseOrder(order=OrderId(1), product=HALF_HOUR, delivery=MIDNIGHT)
    assert reason(street.submit(asked)) is Reason.NOT_DUE


def test_a_stop_holds_its_worst_case_while_it_waits() -> None:
    street = a_street()
    enter(street, buy("h01", 100, None, stop(100_000, protection=130_000)))
    assert street.held("h01/p01") == 100 * 130_000
    enter(street, buy("h02", 100, None, stop(100_000)))
    assert street.held("h02/p02") == 100 * 500_000


# --- who meets whom --------------------------------------------------------------------------


def test_a_buyer_meets_the_origin_that_it_wants_and_all_below_it() -> None:
    street = a_street()
    enter(
        street,
        sell("h01", 100, 80_000),
        sell("h02", 100, 90_000, OrderTerms(origin=OriginId("solar/pv"))),
        sell("h02", 100, 85_000, OrderTerms(origin=OriginId("solarium"))),
    )
    events = enter(street, buy("h03", 150, 100_000, OrderTerms(wants=OriginId("solar"))))
    assert fills(events) == [(4, 2, 100, 90_000)]
    events = enter(street, buy("h04", 150, 100_000))
    assert [one[1] for one in fills(events)] == [1, 3]
    check_books(street)


def test_a_partner_meets_its_partner_alone() -> None:
    street = a_street()
    enter(
        street,
        sell("h01", 100, 80_000, OrderTerms(partner=PartyId("p03"))),
        sell("h02", 100, 90_000),
    )
    assert [one[1] for one in fills(enter(street, buy("h04", 100, 100_000)))] == [2]
    assert [one[1] for one in fills(enter(street, buy("h03", 100, 100_000)))] == [1]
    enter(street, buy("h03", 100, 100_000, OrderTerms(partner=PartyId("p01"))))
    assert fills(enter(street, sell("h02", 100, 70_000))) == []


def test_a_partner_nobody_knows_is_refused() -> None:
    command = buy("h01", 100, 100_000, OrderTerms(partner=PartyId("nobody")))
    assert reason(a_street().submit(command)) is Reason.UNKNOWN_PARTY


def test_a_local_order_meets_those_of_its_zone_alone() -> None:
    street = a_street(deliveries=2)
    later = Instant(MIDNIGHT + 2 * ISP_US)
    street.do(c.ChangePod(facts=pod_facts("h02", party="p02", since=later, zone="z2")))
    street.do(c.ListDeliveries(product=HALF_HOUR, day="2013-06-10", start=later, count=1))
    enter(street, sell("h02", 100, 80_000, delivery=later), sell("h03", 50, 90_000, delivery=later))
    local = buy("h01", 100, 100_000, OrderTerms(is_local=True), delivery=later)
    assert [one[1] for one in fills(enter(street, local))] == [2]
    assert resting(street, later) == [("buy", 3, 50), ("sell", 1, 100)]


@pytest.mark.parametrize(
    ("mode", "ends"),
    [
        (SelfTrade.NEWEST, [(2, "self_trade", 300)]),
        (SelfTrade.OLDEST, [(1, "self_trade", 100)]),
        (SelfTrade.BOTH, [(1, "self_trade", 100), (2, "self_trade", 300)]),
        (SelfTrade.DECREMENT, [(1, "self_trade", 100), (2, "self_trade", 100)]),
    ],
)
def test_a_party_does_not_meet_itself(mode: SelfTrade, ends: list[tuple[int, str, int]]) -> None:
    street = a_street(a_continuous(self_trade=mode))
    enter(street, sell("h01", 100, 90_000))
    events = enter(street, buy("h01", 300, 100_000))
    assert (fills(events), ended(events)) == ([], ends)
    check_books(street)


def test_where_the_larger_gives_way_in_part_the_rest_of_it_stands() -> None:
    street = a_street(a_continuous(self_trade=SelfTrade.DECREMENT))
    enter(street, sell("h01", 300, 90_000), buy("h01", 100, 100_000))
    order = book_of(street).orders[OrderId(1)]
    assert (order.quantity_wh, order.open_wh, order.hold_nano) == (200, 200, 200 * 50_000)
    enter(street, buy("h02", 50, 100_000))
    street.do(amendment(1, "h01", 150, 90_000))
    assert resting(street) == [("sell", 1, 100)]
    check_books(street)
