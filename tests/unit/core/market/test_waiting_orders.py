"""Orders that wait, and those that the network suspends, in continuous trading."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import EVE, MIDNIGHT, a_party, a_product, a_town, an_order
from tests.play import Play, of, reason
from wattbay.core import commands as c
from wattbay.core.events import (
    Event,
    OrderAmended,
    OrderCancelled,
    OrderPlaced,
    OrderReleased,
    OrderSuspended,
    Traded,
    TradingClosed,
)
from wattbay.core.facts import LimitTerm, Mechanism, NetworkLimit, Role, Side, TradingPhase
from wattbay.core.reasons import Reason
from wattbay.core.terms import (
    Condition,
    ConditionKind,
    Ended,
    GridBalance,
    Kind,
    OrderTerms,
    TimeInForce,
)
from wattbay.ids import OrderId, PartyId, PodId, ProductId, SignalId
from wattbay.periods import HOUR, Instant

DSO = PartyId("dso")
HALF_HOUR = ProductId("halfhour")
GATE = Instant(MIDNIGHT - HOUR)
SUN = Condition(kind=ConditionKind.SIGNAL, is_at_least=True, level=1, signal=SignalId("sun"))
KEEPS, RELIEVES = GridBalance.KEEPS, GridBalance.RELIEVES


def a_street(pods: int = 3) -> Play:
    operator = c.RegisterParty(party=a_party(DSO, roles=(Role.GRID_OPERATOR,)))
    product = structs.replace(a_product(), mechanism=Mechanism.CONTINUOUS)
    return Play([*a_town(pods, product=product), operator])


def buy(
    pod: str = "h01",
    quantity_wh: int = 300,
    limit: int | None = 100_000,
    terms: OrderTerms | None = None,
) -> c.PlaceOrder:
    return structs.replace(an_order(pod, quantity_wh=quantity_wh, limit=limit), terms=terms)


def sell(
    pod: str = "h02",
    quantity_wh: int = 300,
    limit: int | None = 100_000,
    terms: OrderTerms | None = None,
) -> c.PlaceOrder:
    return structs.replace(buy(pod, quantity_wh, limit, terms), side=Side.SELL)


def shine(street: Play) -> list[Event]:
    street.do(c.GiveSignal(party=DSO, signal=SignalId("sun"), value=1))
    return street.until(street.at)


def bind(street: Play, pod: str, coefficient: int) -> list[OrderSuspended]:
    limit = NetworkLimit(
        since=MIDNIGHT,
        until=Instant(MIDNIGHT + HOUR),
        terms=(LimitTerm(pod=PodId(pod), coefficient=coefficient),),
        bound_wh=1_000,
        reason="cable N4",
    )
    return of(OrderSuspended, street.do(c.SubmitLimit(operator=DSO, limit=limit)))


def fills(events: list[Event]) -> list[tuple[int, int, int]]:
    return [(one.buy_order, one.sell_order, one.quantity_wh) for one in of(Traded, events)]


def test_order_that_waits_is_met_by_nobody_and_trades_as_it_is_released() -> None:
    street = a_street()
    street.do(buy(terms=OrderTerms(condition=SUN)))
    assert fills(street.do(sell(quantity_wh=200))) == []
    released, traded = shine(street)
    assert released == OrderReleased(
        order=OrderId(1), product=HALF_HOUR, delivery=MIDNIGHT, rests_wh=100
    )
    assert fills([traded]) == [(1, 2, 200)]
    # What is left of it rests, and is met by the next.
    assert fills(street.do(sell("h03", 100))) == [(1, 3, 100)]


def test_order_that_begins_at_its_instant_queues_behind_those_that_rest() -> None:
    street = a_street()
    street.do(buy(terms=OrderTerms(valid_from=Instant(EVE + HOUR))))
    street.do(buy("h02"))
    assert [one.rests_wh for one in of(OrderReleased, street.until(EVE + HOUR))] == [300]
    assert fills(street.do(sell("h03", 400))) == [(2, 3, 300), (1, 3, 100)]


@pytest.mark.parametrize(
    ("terms", "limit", "reason_why"),
    [
        (OrderTerms(condition=SUN, time_in_force=TimeInForce.IOC), 100_000, Ended.IOC),
        (OrderTerms(condition=SUN, time_in_force=TimeInForce.FOK), 100_000, Ended.FOK),
        (OrderTerms(condition=SUN, kind=Kind.MARKET), None, Ended.NO_LIQUIDITY),
        (OrderTerms(condition=SUN, min_quantity_wh=201), 100_000, Ended.MIN_QUANTITY),
        (OrderTerms(condition=SUN, post_only=True), 100_000, Ended.POST_ONLY),
    ],
)
def test_order_that_waited_acts_by_its_own_terms(
    terms: OrderTerms, limit: int | None, reason_why: Ended
) -> None:
    street = a_street()
    street.do(buy(terms=terms, limit=limit))
    street.do(sell(quantity_wh=200))
    (ended,) = of(OrderCancelled, shine(street))
    assert (ended.order, ended.reason) == (1, reason_why)
    assert street.held("h01/p01") == 0


def test_resting_order_expires_at_its_instant() -> None:
    street = a_street()
    street.do(buy(terms=OrderTerms(time_in_force=TimeInForce.GTD, expires=Instant(EVE + HOUR))))
    street.do(sell(quantity_wh=100))
    (ended,) = of(OrderCancelled, street.until(EVE + HOUR))
    assert (ended.quantity_wh, ended.reason) == (200, Ended.EXPIRED)
    assert fills(street.do(sell("h03", 100))) == []
    assert street.held("h01/p01") == 0
    assert street.exchange.state.market.standby.orders == {}


def test_order_that_is_filled_whole_is_not_waited_for_any_more() -> None:
    street = a_street()
    street.do(buy(terms=OrderTerms(time_in_force=TimeInForce.GTD, expires=Instant(EVE + HOUR))))
    street.do(sell())
    assert street.exchange.state.market.standby.times == []
    assert street.until(EVE + HOUR) == []


def test_stop_order_expires_while_it_waits_for_its_price() -> None:
    street = a_street()
    terms = OrderTerms(
        kind=Kind.STOP_LIMIT,
        stop=100_000,
        time_in_force=TimeInForce.GTD,
        expires=Instant(EVE + HOUR),
    )
    street.do(buy(terms=terms))
    (ended,) = of(OrderCancelled, street.until(EVE + HOUR))
    assert (ended.order, ended.reason) == (1, Ended.EXPIRED)


def test_clearing_price_of_a_continuous_delivery_is_its_mean() -> None:
    street = a_street()
    wait = Condition(
        kind=ConditionKind.CLEARING_PRICE,
        is_at_least=False,
        level=99_000,
        product=HALF_HOUR,
        delivery=MIDNIGHT,
    )
    later = Instant(MIDNIGHT + HOUR)
    street.do(structs.replace(buy(terms=OrderTerms(condition=wait)), delivery=later))
    street.do(buy())
    street.do(sell(limit=99_000))
    street.do(buy(limit=98_000))
    street.do(sell(limit=98_000))
    events = street.until(GATE)
    assert of(TradingClosed, events)[0].price == 99_000
    assert [one.order for one in of(OrderReleased, events)] == [1]


def test_what_waits_when_the_gate_closes_ends_there() -> None:
    street = a_street()
    street.do(buy(terms=OrderTerms(condition=SUN)))
    street.do(sell(terms=OrderTerms(grid=KEEPS)))
    bind(street, "h02", 1)
    street.do(buy("h03"))
    ended = of(OrderCancelled, street.until(GATE))
    assert sorted((one.order, one.reason) for one in ended) == [
        (order, Ended.GATE_CLOSED) for order in (1, 2, 3)
    ]
    assert street.exchange.state.ledger.held == {}
    assert street.exchange.state.market.standby.orders == {}


# --- grid-balanced ---------------------------------------------------------------------------


def test_suspended_order_leaves_the_book_and_comes_back_with_what_is_open() -> None:
    street = a_street()
    street.do(buy(terms=OrderTerms(grid=RELIEVES)))
    street.do(sell(quantity_wh=100))
    held = street.held("h01/p01")
    assert [one.order for one in bind(street, "h02", 1)] == [1]
    assert street.held("h01/p01") == held == 200 * 100_000
    assert fills(street.do(sell(quantity_wh=50))) == []
    bind(street, "h01", 1)
    events = street.until(street.at)
    assert [one.rests_wh for one in of(OrderReleased, events)] == [150]
    assert fills(events) == [(1, 3, 50)]
    # Its quantity is still all of it, with what is filled.
    change = c.AmendOrder(order=OrderId(1), pod=PodId("h01"), quantity_wh=200, limit=100_000)
    assert of(OrderAmended, street.do(change))
    assert fills(street.do(sell("h03", 100))) == [(1, 4, 50)]
    assert street.held("h01/p01") == 0


def test_order_that_a_limit_forbids_does_not_trade_on_entry() -> None:
    street = a_street()
    street.do(buy())
    bind(street, "h02", 1)
    placed, suspended = street.do(sell(terms=OrderTerms(grid=KEEPS)))
    assert isinstance(placed, OrderPlaced)
    assert isinstance(suspended, OrderSuspended)
    assert (placed.limits_in_force, placed.waits, placed.rests_wh) == (1, True, None)


def test_order_without_limits_trades_on_entry_and_says_that_none_binds() -> None:
    street = a_street()
    street.do(buy())
    placed, traded = street.do(sell(terms=OrderTerms(grid=KEEPS)))
    assert isinstance(placed, OrderPlaced)
    assert isinstance(traded, Traded)
    assert placed.limits_in_force == 0


def test_suspended_order_may_be_amended_and_withdrawn() -> None:
    street = a_street()
    street.do(buy(terms=OrderTerms(grid=RELIEVES)))
    street.do(sell(quantity_wh=100))
    bind(street, "h02", 1)
    change = c.AmendOrder(order=OrderId(1), pod=PodId("h01"), quantity_wh=250, limit=90_000)
    assert of(OrderAmended, street.do(change))
    assert street.held("h01/p01") == 150 * 90_000
    assert reason(street.submit(structs.replace(change, limit=None))) is Reason.BAD_CONDITION
    (ended,) = of(OrderCancelled, street.do(structs.replace(change, quantity_wh=100)))
    assert ended.quantity_wh == 150
    assert street.held("h01/p01") == 0


def test_iceberg_that_was_suspended_shows_its_clip_again() -> None:
    street = a_street()
    street.do(buy(terms=OrderTerms(grid=RELIEVES, peak_wh=100)))
    street.do(sell(quantity_wh=150))
    bind(street, "h02", 1)
    bind(street, "h01", 1)
    assert of(OrderReleased, street.until(street.at))
    street.do(buy("h03"))
    assert fills(street.do(sell(quantity_wh=150))) == [(1, 4, 100), (3, 4, 50)]


def test_order_of_least_quantity_that_traded_it_is_not_asked_for_it_again() -> None:
    street = a_street()
    street.do(sell("h03", 250))
    street.do(buy(terms=OrderTerms(grid=RELIEVES, min_quantity_wh=200)))
    bind(street, "h02", 1)
    bind(street, "h01", 1)
    assert [one.rests_wh for one in of(OrderReleased, street.until(street.at))] == [50]
    assert fills(street.do(sell(quantity_wh=50))) == [(2, 3, 50)]


# --- while the book takes no orders ----------------------------------------------------------


def turn(street: Play, phase: TradingPhase) -> None:
    street.do(
        c.ChangePhase(
            operator=DSO, product=HALF_HOUR, delivery=MIDNIGHT, phase=phase, reason="storm"
        )
    )


def test_order_that_falls_due_while_trading_is_halted_waits_until_it_goes_on() -> None:
    street = a_street()
    street.do(buy(terms=OrderTerms(condition=SUN)))
    street.do(sell())
    turn(street, TradingPhase.HALTED)
    assert [type(event) for event in shine(street)] == [OrderSuspended]
    turn(street, TradingPhase.CONTINUOUS)
    assert fills(street.until(street.at)) == [(1, 2, 300)]


def test_order_that_the_network_forbids_still_waits_when_trading_goes_on() -> None:
    street = a_street()
    street.do(buy(terms=OrderTerms(grid=RELIEVES)))
    bind(street, "h02", 1)
    turn(street, TradingPhase.HALTED)
    turn(street, TradingPhase.CONTINUOUS)
    assert street.until(street.at) == []
    turn(street, TradingPhase.HALTED)
    bind(street, "h01", 1)
    assert [type(event) for event in street.until(street.at)] == [OrderSuspended]
    turn(street, TradingPhase.CONTINUOUS)
    assert of(OrderReleased, street.until(street.at))


def test_while_trading_is_halted_no_order_begins_to_wait() -> None:
    street = a_street()
    street.do(buy(terms=OrderTerms(condition=SUN)))
    turn(street, TradingPhase.HALTED)
    wanted = buy(terms=OrderTerms(condition=SUN))
    assert reason(street.submit(wanted)) is Reason.HALTED
    change = c.AmendOrder(order=OrderId(1), pod=PodId("h01"), quantity_wh=200, limit=100_000)
    assert of(OrderAmended, street.do(change))
    larger = structs.replace(change, quantity_wh=300)
    assert reason(street.submit(larger)) is Reason.HALTED
    street.do(c.CancelOrder(order=OrderId(1), pod=PodId("h01")))


def test_market_order_that_falls_due_before_the_opening_waits_for_it() -> None:
    operator = c.RegisterParty(party=a_party(DSO, roles=(Role.GRID_OPERATOR,)))
    product = structs.replace(
        a_product(), mechanism=Mechanism.CONTINUOUS, opening_before_us=2 * HOUR
    )
    street = Play([*a_town(3, product=product), operator])
    street.do(buy(terms=OrderTerms(kind=Kind.MARKET, condition=SUN), limit=None))
    street.do(buy("h03", 100, terms=OrderTerms(condition=SUN)))
    events = shine(street)
    assert [type(event) for event in events] == [OrderSuspended, OrderReleased]
    street.do(sell(quantity_wh=200))
    events = street.until(MIDNIGHT - 2 * HOUR)
    assert fills(events) == [(2, 3, 100), (1, 3, 100)]
