"""Grid-balanced orders: when network limits let them trade, suspend them, and let them again."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import (
    EVE,
    ISP_US,
    MIDNIGHT,
    a_meter,
    a_party,
    a_product,
    a_town,
    an_order,
    pod_facts,
)
from tests.play import Play, of
from wattbay.core import commands as c
from wattbay.core.events import (
    AuctionCleared,
    LimitSubmitted,
    OrderCancelled,
    OrderPlaced,
    OrderReleased,
    OrderSuspended,
    Traded,
)
from wattbay.core.facts import LimitTerm, NetworkLimit, Role, Side
from wattbay.core.market import balance
from wattbay.core.terms import Condition, ConditionKind, Ended, GridBalance, OrderTerms
from wattbay.ids import OrderId, PartyId, PodId, ProductId, SignalId, ZoneId
from wattbay.periods import HOUR, Instant

DSO = PartyId("dso")
HALF_HOUR = ProductId("halfhour")
GATE = Instant(MIDNIGHT - HOUR)
NEXT = Instant(MIDNIGHT + ISP_US)
KEEPS, RELIEVES = GridBalance.KEEPS, GridBalance.RELIEVES
FREE = ""
WORSE = "cable N4: it would be made worse"
NO_RELIEF = "none of the network limits in force would be relieved"


def a_street(*, check_us: int = 0) -> Play:
    operator = c.RegisterParty(party=a_party(DSO, roles=(Role.GRID_OPERATOR,)))
    product = structs.replace(a_product(), network_check_us=check_us)
    return Play([*a_town(3, product=product), operator])


def a_limit(
    pods: dict[str, int] | None = None,
    zones: dict[str, int] | None = None,
    *,
    since: int = MIDNIGHT,
    until: int = NEXT,
) -> NetworkLimit:
    of_pods = tuple(
        LimitTerm(pod=PodId(pod), coefficient=number) for pod, number in (pods or {}).items()
    )
    of_zones = tuple(
        LimitTerm(zone=ZoneId(zone), coefficient=number) for zone, number in (zones or {}).items()
    )
    return NetworkLimit(
        since=Instant(since),
        until=Instant(until),
        terms=of_pods + of_zones,
        bound_wh=1_000,
        reason="cable N4",
    )


def limit(street: Play, one: NetworkLimit) -> list[OrderSuspended]:
    return of(OrderSuspended, street.do(c.SubmitLimit(operator=DSO, limit=one)))


def balanced(
    grid: GridBalance = KEEPS, pod: str = "h01", *, side: Side = Side.SELL, delivery: int = MIDNIGHT
) -> c.PlaceOrder:
    order = an_order(pod, side=side, limit=100_000, delivery=delivery)
    return structs.replace(order, terms=OrderTerms(grid=grid))


# --- the rule --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grid", "side", "limits", "verdict"),
    [
        (KEEPS, Side.SELL, [], FREE),
        (RELIEVES, Side.SELL, [], FREE),
        (KEEPS, Side.SELL, [a_limit({"h01": 1})], WORSE),
        (KEEPS, Side.BUY, [a_limit({"h01": 1})], FREE),
        (KEEPS, Side.SELL, [a_limit({"h01": -2})], FREE),
        (KEEPS, Side.BUY, [a_limit({"h01": -2})], WORSE),
        (KEEPS, Side.SELL, [a_limit({"h02": 1})], FREE),
        (RELIEVES, Side.SELL, [a_limit({"h02": 1})], NO_RELIEF),
        (RELIEVES, Side.BUY, [a_limit({"h01": 1})], FREE),
        (RELIEVES, Side.BUY, [a_limit({"h01": 1}), a_limit({"h02": 1})], FREE),
        (RELIEVES, Side.BUY, [a_limit({"h01": 1}), a_limit({"h01": -1})], WORSE),
        (KEEPS, Side.SELL, [a_limit(zones={"z1": 1})], WORSE),
        (KEEPS, Side.SELL, [a_limit(zones={"z2": 1})], FREE),
        (KEEPS, Side.SELL, [a_limit({"h01": 0}, {"z1": 1})], FREE),
        (KEEPS, Side.SELL, [a_limit({"h01": 1}, since=NEXT, until=NEXT + 1)], FREE),
        (KEEPS, Side.SELL, [a_limit({"h01": 1}, since=MIDNIGHT - 1, until=MIDNIGHT)], FREE),
    ],
)
def test_order_may_trade_by_what_it_does_to_each_limit_in_force(
    grid: GridBalance, side: Side, limits: list[NetworkLimit], verdict: str
) -> None:
    binding = balance.scales(limits, MIDNIGHT)
    assert balance.objection(grid, binding, PodId("h01"), ZoneId("z1"), side) == verdict


# --- in the market ---------------------------------------------------------------------------


def test_order_without_limits_is_like_any_other_and_says_so() -> None:
    street = a_street()
    (placed,) = of(OrderPlaced, street.do(balanced()))
    assert (placed.limits_in_force, placed.waits) == (0, False)
    street.do(an_order("h02"))
    assert of(Traded, street.clear(MIDNIGHT))


def test_order_that_says_nothing_of_the_grid_is_told_nothing_of_it() -> None:
    (placed,) = of(OrderPlaced, a_street().do(an_order()))
    assert placed.limits_in_force is None


def test_order_that_a_limit_forbids_is_suspended_at_entry_and_keeps_its_hold() -> None:
    street = a_street()
    limit(street, a_limit({"h01": 1}))
    placed, suspended = street.do(balanced())
    assert isinstance(placed, OrderPlaced)
    assert (placed.limits_in_force, placed.waits) == (1, True)
    assert suspended == OrderSuspended(
        order=OrderId(1), product=HALF_HOUR, delivery=MIDNIGHT, reason=WORSE
    )
    assert street.held("h01/p01") > 0
    assert street.exchange.due() == street.exchange.due()


def test_limit_that_comes_suspends_the_orders_that_it_forbids_in_its_own_entry() -> None:
    street = a_street()
    street.do(balanced())
    street.do(balanced(pod="h02"))
    street.do(balanced(side=Side.BUY))
    street.do(balanced(delivery=NEXT))
    street.do(an_order("h03"))
    events = street.do(c.SubmitLimit(operator=DSO, limit=a_limit({"h01": 1})))
    assert isinstance(events[0], LimitSubmitted)
    assert [event.order for event in of(OrderSuspended, events)] == [1]
    # A second limit says nothing again of what is suspended already.
    assert limit(street, a_limit({"h01": 1})) == []


def test_suspended_order_takes_no_part_in_the_auction_and_ends_with_it() -> None:
    street = a_street()
    street.do(balanced())
    street.do(an_order("h02"))
    limit(street, a_limit({"h01": 1}))
    events = street.clear(MIDNIGHT)
    (ended,) = of(OrderCancelled, events)
    assert (ended.order, ended.reason) == (1, Ended.GATE_CLOSED)
    assert of(AuctionCleared, events)[0].volume_wh == 0
    assert street.held("h01/p01") == 0
    assert street.exchange.state.market.standby.orders == {}
    assert street.exchange.state.market.standby.balanced == {}


def test_order_acts_again_once_a_limit_comes_that_it_relieves() -> None:
    street = a_street()
    street.do(balanced(RELIEVES, side=Side.BUY))
    (suspended,) = limit(street, a_limit({"h02": 1}))
    assert suspended.reason == NO_RELIEF
    limit(street, a_limit({"h01": 1}))
    assert of(OrderReleased, street.until(street.at))
    street.do(an_order("h03", side=Side.SELL, limit=90_000))
    assert of(Traded, street.clear(MIDNIGHT))


def test_limit_that_comes_in_the_network_check_suspends_and_releases_too() -> None:
    street = a_street(check_us=HOUR // 2)
    street.do(balanced(RELIEVES, side=Side.BUY))
    street.do(balanced(KEEPS, "h02"))
    street.until(GATE)
    assert [one.order for one in limit(street, a_limit({"h02": 1}))] == [1, 2]
    limit(street, a_limit({"h01": 1}))
    assert [one.order for one in of(OrderReleased, street.until(street.at))] == [1]
    events = street.clear(MIDNIGHT)
    assert [one.order for one in of(OrderCancelled, events)] == [2]


def test_order_that_its_condition_releases_is_suspended_where_a_limit_forbids_it_now() -> None:
    street = a_street()
    wait = Condition(kind=ConditionKind.SIGNAL, is_at_least=True, level=1, signal=SignalId("sun"))
    order = balanced()
    street.do(structs.replace(order, terms=OrderTerms(grid=KEEPS, condition=wait)))
    assert limit(street, a_limit({"h01": 1})) == []
    street.do(c.GiveSignal(party=DSO, signal=SignalId("sun"), value=1))
    assert [type(event) for event in street.until(street.at)] == [OrderSuspended]
    assert street.exchange.due() is not None
    due = street.exchange.due()
    assert due is not None
    assert isinstance(due[1], c.CloseGate)


def test_zone_is_that_of_the_pod_at_the_delivery() -> None:
    street = a_street()
    facts = pod_facts("h09", party="p01", zone="z9")
    street.do(c.RegisterPod(facts=structs.replace(facts, since=EVE), meter=a_meter("m-h09")))
    limit(street, a_limit(zones={"z9": 1}))
    assert of(OrderSuspended, street.do(balanced(pod="h09")))
    assert not of(OrderSuspended, street.do(balanced(pod="h01")))


def test_suspended_order_may_be_withdrawn() -> None:
    street = a_street()
    limit(street, a_limit({"h01": 1}))
    street.do(balanced())
    street.do(c.CancelOrder(order=OrderId(1), pod=PodId("h01")))
    assert street.held("h01/p01") == 0
    assert street.exchange.state.market.standby.balanced == {}
