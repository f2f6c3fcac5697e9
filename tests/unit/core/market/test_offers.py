"""Bilateral offers: posted, taken wholly or in part, amended, and over at gate closure."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import (
    EVE,
    MIDNIGHT,
    a_kernel,
    a_party,
    a_product,
    a_tariff,
    a_town,
    an_order,
)
from tests.play import Play, of, reason
from wattbay.core import commands as c
from wattbay.core.events import (
    GateClosed,
    OrderAmended,
    OrderCancelled,
    OrderPlaced,
    Rejected,
    Traded,
    TradingClosed,
)
from wattbay.core.facts import Mechanism, Product, Role, Side
from wattbay.core.market.offers import TAKING
from wattbay.core.reasons import Reason
from wattbay.core.terms import Condition, ConditionKind, Ended, OrderTerms, TimeInForce
from wattbay.ids import OrderId, PartyId, PodId, ProductId, RequestId, SignalId
from wattbay.periods import HOUR, Instant

DSO = PartyId("dso")
BULLETIN = ProductId("halfhour")
GATE = Instant(MIDNIGHT - HOUR)
SHORT = a_tariff().energy


def a_board(**changed: object) -> Product:
    return structs.replace(a_product(), mechanism=Mechanism.BILATERAL, **changed)


def a_street(product: Product | None = None, pods: int = 3) -> Play:
    operator = c.RegisterParty(party=a_party(DSO, roles=(Role.GRID_OPERATOR,)))
    return Play([*a_town(pods, product=a_board() if product is None else product), operator])


def an_offer(
    pod: str = "h01",
    *,
    side: Side = Side.SELL,
    quantity_wh: int = 300,
    limit: int | None = 90_000,
    terms: OrderTerms | None = None,
) -> c.PlaceOrder:
    order = an_order(pod, side=side, quantity_wh=quantity_wh, limit=limit)
    return structs.replace(order, terms=terms)


def taking(quantity_wh: int = 300, pod: str = "h02", order: int = 1) -> c.TakeOffer:
    return c.TakeOffer(order=OrderId(order), pod=PodId(pod), quantity_wh=quantity_wh)


# --- taking ----------------------------------------------------------------------------------


def test_offer_that_is_taken_whole_trades_at_its_price() -> None:
    street = a_street()
    street.do(an_offer())
    placed, traded = street.do(taking())
    assert isinstance(placed, OrderPlaced)
    assert (placed.order, placed.pod, placed.side, placed.limit) == (2, "h02", Side.BUY, 90_000)
    assert (placed.terms, placed.rests_wh) == (TAKING, 0)
    assert isinstance(traded, Traded)
    assert (traded.buyer, traded.seller, traded.quantity_wh) == ("h02", "h01", 300)
    assert (traded.buy_price, traded.sell_price) == (90_000, 90_000)
    assert (traded.buy_order, traded.sell_order, traded.maker) == (2, 1, 1)
    assert street.balance("h01/p01") == 300 * 90_000
    assert street.balance("h02/p02") == -300 * 90_000
    assert reason(street.submit(taking(1))) is Reason.UNKNOWN_ORDER


def test_offer_is_taken_in_parts_and_its_hold_goes_with_them() -> None:
    street = a_street()
    street.do(an_offer())
    own, sold = 300 * (SHORT - 90_000), 100 * SHORT
    assert street.held("h01/p01") == own
    street.do(taking(100))
    # What is sold may have to be bought back; what is open is held for as before.
    assert street.held("h01/p01") == own * 2 // 3 + sold
    assert street.held("h02/p02") == 0
    street.do(taking(200, "h03"))
    assert street.held("h01/p01") == 3 * sold
    assert [one.buyer for one in street.trades()] == ["h02", "h03"]


def test_offer_to_buy_is_taken_by_a_seller() -> None:
    street = a_street()
    street.do(an_offer(side=Side.BUY, limit=120_000))
    street.do(taking(100))
    (trade,) = street.trades()
    assert (trade.buyer, trade.seller, trade.buy_order, trade.sell_order) == ("h01", "h02", 1, 2)
    assert street.held("h01/p01") == 200 * 120_000
    assert street.held("h02/p02") == 100 * SHORT


def test_buyer_pays_the_network_fee_on_top_of_what_the_seller_gets() -> None:
    street = a_street(a_board(network_fee=5_000))
    street.do(an_offer())
    street.do(an_offer(side=Side.BUY, limit=120_000))
    street.do(taking(100))
    street.do(taking(100, order=2))
    prices = [(trade.buy_price, trade.sell_price) for trade in street.trades()]
    assert prices == [(95_000, 90_000), (120_000, 115_000)]
    assert street.balance("network") == 200 * 5_000


def test_least_that_may_be_taken_is_what_is_left_where_that_is_less() -> None:
    street = a_street()
    street.do(an_offer(terms=OrderTerms(min_quantity_wh=200)))
    assert reason(street.submit(taking(199))) is Reason.BAD_QUANTITY
    street.do(taking(200))
    assert reason(street.submit(taking(99))) is Reason.BAD_QUANTITY
    street.do(taking(100))


def test_offer_to_a_named_party_is_taken_by_that_party_alone() -> None:
    street = a_street()
    street.do(an_offer(terms=OrderTerms(partner=PartyId("p03"))))
    assert reason(street.submit(taking())) is Reason.NOT_ALLOWED
    street.do(taking(pod="h03"))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (taking(order=9), Reason.UNKNOWN_ORDER),
        (taking(pod="h09"), Reason.UNKNOWN_POD),
        (taking(pod="h01"), Reason.NOT_ALLOWED),
        (taking(0), Reason.BAD_QUANTITY),
        (taking(301), Reason.BAD_QUANTITY),
        (taking(-1), Reason.BAD_QUANTITY),
        (taking(15), Reason.OFF_TICK),
    ],
)
def test_what_cannot_be_taken_is_refused(command: c.TakeOffer, why: Reason) -> None:
    street = a_street(a_board(energy_tick=10))
    street.do(an_offer())
    assert reason(street.submit(command)) is why
    assert street.held("h02/p02") == 0


def test_taking_that_is_stamped_at_gate_closure_is_late() -> None:
    street = a_street()
    street.do(an_offer())
    (refused,) = of(Rejected, street.exchange.decide(taking(), GATE))
    assert refused.reason is Reason.GATE_CLOSED


def test_orders_of_other_markets_are_no_offers() -> None:
    street = Play(a_town(2))
    street.do(an_order())
    assert reason(street.submit(taking())) is Reason.UNKNOWN_ORDER


def test_who_cannot_pay_cannot_take() -> None:
    street = a_street()
    street.do(c.RegisterParty(party=a_party("p02", credit_limit_nano=100 * 90_000)))
    street.do(an_offer())
    assert reason(street.submit(taking(101))) is Reason.NO_COLLATERAL
    street.do(taking(100))
    assert reason(street.submit(taking(1))) is Reason.NO_COLLATERAL


def test_position_limit_counts_what_is_taken() -> None:
    street = a_street(a_board(position_max_wh=300))
    street.do(an_offer())
    street.do(taking(200))
    street.do(an_offer("h03"))
    assert reason(street.submit(taking(101, order=3))) is Reason.POSITION_LIMIT
    street.do(taking(100, order=3))


# --- posting ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offer", "why"),
    [
        (an_offer(limit=None), Reason.BAD_CONDITION),
        (an_offer(terms=OrderTerms(partner=PartyId("nobody"))), Reason.UNKNOWN_PARTY),
        (an_offer(terms=OrderTerms(partner=PartyId("p01"))), Reason.BAD_CONDITION),
        (an_offer(terms=OrderTerms(min_quantity_wh=301)), Reason.BAD_QUANTITY),
        (an_offer(terms=OrderTerms(post_only=True)), Reason.BAD_CONDITION),
        (an_offer(terms=OrderTerms(time_in_force=TimeInForce.IOC)), Reason.BAD_CONDITION),
    ],
)
def test_what_is_no_offer_is_refused(offer: c.PlaceOrder, why: Reason) -> None:
    assert reason(a_street().submit(offer)) is why


def test_two_offers_that_would_cross_stand_until_somebody_takes_them() -> None:
    street = a_street()
    street.do(an_offer())
    assert not of(Traded, street.do(an_offer("h02", side=Side.BUY, limit=120_000)))


def test_offer_expires_at_its_instant() -> None:
    street = a_street()
    terms = OrderTerms(time_in_force=TimeInForce.GTD, expires=Instant(EVE + HOUR))
    street.do(an_offer(terms=terms))
    (ended,) = of(OrderCancelled, street.until(EVE + HOUR))
    assert ended.reason is Ended.EXPIRED
    assert street.held("h01/p01") == 0
    assert reason(street.submit(taking())) is Reason.UNKNOWN_ORDER


def test_offer_that_waits_cannot_be_taken_before_it_is_released() -> None:
    street = a_street()
    wait = Condition(kind=ConditionKind.SIGNAL, is_at_least=True, level=1, signal=SignalId("sun"))
    street.do(an_offer(terms=OrderTerms(valid_from=Instant(EVE + HOUR))))
    street.do(an_offer(terms=OrderTerms(condition=wait)))
    assert reason(street.submit(taking())) is Reason.NOT_DUE
    assert reason(street.submit(taking(order=2))) is Reason.NOT_DUE
    street.do(c.GiveSignal(party=DSO, signal=SignalId("sun"), value=1))
    street.until(EVE + HOUR)
    street.do(taking())
    street.do(taking(order=2))


# --- amending, withdrawing, closing ----------------------------------------------------------


def change(quantity_wh: int, limit: int | None = 90_000) -> c.AmendOrder:
    return c.AmendOrder(order=OrderId(1), pod=PodId("h01"), quantity_wh=quantity_wh, limit=limit)


def test_amendment_names_the_whole_quantity_with_what_is_taken() -> None:
    street = a_street()
    street.do(an_offer())
    street.do(taking(100))
    assert of(OrderAmended, street.do(change(150, 80_000)))
    assert street.held("h01/p01") == 100 * SHORT + 50 * (SHORT - 80_000)
    assert reason(street.submit(taking(51))) is Reason.BAD_QUANTITY
    assert reason(street.submit(change(150, None))) is Reason.BAD_CONDITION
    (ended,) = of(OrderCancelled, street.do(change(100)))
    assert (ended.quantity_wh, ended.is_over) == (50, True)
    assert street.held("h01/p01") == 100 * SHORT


def test_offer_may_be_withdrawn_until_its_gate_closes() -> None:
    street = a_street()
    street.do(an_offer())
    street.do(an_offer())
    street.do(c.CancelOrder(order=OrderId(1), pod=PodId("h01")))
    assert reason(street.submit(taking())) is Reason.UNKNOWN_ORDER
    street.until(GATE)
    cancel = c.CancelOrder(order=OrderId(2), pod=PodId("h01"))
    assert reason(street.submit(cancel)) is Reason.UNKNOWN_ORDER
    assert reason(street.submit(taking(order=2))) is Reason.UNKNOWN_ORDER


def test_gate_closure_ends_what_nobody_took_and_says_what_was_traded() -> None:
    street = a_street()
    street.do(an_offer())
    street.do(an_offer(limit=60_000))
    street.do(an_offer(terms=OrderTerms(valid_from=Instant(GATE - 1))))
    street.do(taking(200))
    street.do(taking(100, order=2))
    street.until(GATE - 2)
    waiting = Condition(
        kind=ConditionKind.SIGNAL, is_at_least=True, level=1, signal=SignalId("sun")
    )
    street.do(an_offer(terms=OrderTerms(condition=waiting)))
    street.until(GATE - 1)
    _, _, events = street.step()
    assert isinstance(events[0], GateClosed)
    ended = [(one.order, one.quantity_wh, one.reason) for one in of(OrderCancelled, events)]
    assert sorted(ended) == [
        (1, 100, Ended.GATE_CLOSED),
        (2, 200, Ended.GATE_CLOSED),
        (3, 300, Ended.GATE_CLOSED),
        (6, 300, Ended.GATE_CLOSED),
    ]
    assert events[-1] == TradingClosed(
        product=BULLETIN, delivery=MIDNIGHT, price=80_000, volume_wh=300
    )
    assert street.held("h01/p01") == 300 * SHORT
    assert MIDNIGHT not in street.exchange.state.market.books[BULLETIN]
    assert street.exchange.state.market.standby.orders == {}
    assert reason(street.submit(taking())) is Reason.UNKNOWN_ORDER


def test_delivery_is_settled_with_what_was_taken() -> None:
    street = a_street()
    street.do(an_offer())
    street.do(taking())
    street.settle(MIDNIGHT, "final")
    ledger = street.exchange.state.ledger
    assert sum(ledger.money.values()) == 0
    assert MIDNIGHT not in ledger.energy


def test_taking_that_is_sent_twice_takes_once() -> None:
    kernel = a_kernel(*a_town(2, product=a_board()))
    kernel.submit(an_offer())
    command = structs.replace(taking(100), request=RequestId("r1"))
    first = kernel.submit(command)
    assert kernel.submit(command) == first
    assert kernel.exchange.state.market.next_trade == 2
