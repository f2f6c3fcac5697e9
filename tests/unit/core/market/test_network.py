"""Network limits: what is refused, which auctions they bind, and who gives way."""

from __future__ import annotations

import pytest
from msgspec import msgpack, structs

from tests.builders import (
    ISP_US,
    MIDNIGHT,
    a_meter,
    a_party,
    a_product,
    a_town,
    an_order,
    list_deliveries,
    pod_facts,
)
from tests.play import Play, of, reason
from wattbay.core import commands as c
from wattbay.core.events import AuctionCleared, OrderCurtailed, Rejected
from wattbay.core.exchange import State
from wattbay.core.facts import LimitTerm, NetworkLimit, Role, Side
from wattbay.core.market.network import LIMITS_MAX, TERMS_MAX
from wattbay.core.reasons import Reason
from wattbay.ids import PartyId, PodId, ZoneId
from wattbay.periods import DAY, Instant
from wattbay.units import SAFE_INTEGER_MAX

DSO = PartyId("dso")
END = Instant(MIDNIGHT + ISP_US)


def a_street(pods: int = 4, *, deliveries: int = 2) -> Play:
    operator = c.RegisterParty(party=a_party(DSO, roles=(Role.GRID_OPERATOR,)))
    return Play([*a_town(pods, deliveries=deliveries), operator])


def of_pod(pod: str, coefficient: int = 1) -> LimitTerm:
    return LimitTerm(pod=PodId(pod), coefficient=coefficient)


def of_zone(zone: str, coefficient: int = 1) -> LimitTerm:
    return LimitTerm(zone=ZoneId(zone), coefficient=coefficient)


def a_limit(
    *terms: LimitTerm, bound_wh: int = 0, since: int = MIDNIGHT, until: int = END
) -> c.SubmitLimit:
    limit = NetworkLimit(
        since=Instant(since),
        until=Instant(until),
        terms=terms or (of_pod("h01"),),
        bound_wh=bound_wh,
        reason="cable N4",
    )
    return c.SubmitLimit(operator=DSO, limit=limit)


def move(street: Play, pod: str, zone: str, since: int) -> None:
    party = f"p{pod[1:]}"
    street.do(c.ChangePod(facts=pod_facts(pod, party=party, zone=zone, since=since)))


def trade(street: Play, *sellers: str, delivery: int = MIDNIGHT, product: str = "halfhour") -> None:
    """Let the first pod buy 200 Wh of each seller."""
    wanted = 200 * len(sellers)
    street.do(an_order("h01", quantity_wh=wanted, delivery=delivery, product=product))
    for pod in sellers:
        order = an_order(pod, side=Side.SELL, quantity_wh=200, limit=100_000, delivery=delivery)
        street.do(structs.replace(order, product=product))


def curtailed(street: Play, delivery: int = MIDNIGHT) -> list[int]:
    return [one.order for one in of(OrderCurtailed, street.clear(Instant(delivery)))]


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (structs.replace(a_limit(), operator=PartyId("p01")), Reason.NOT_ALLOWED),
        (a_limit(since=MIDNIGHT + DAY, until=MIDNIGHT + 2 * DAY), Reason.UNKNOWN_DELIVERY),
        (a_limit(since=MIDNIGHT - DAY, until=MIDNIGHT), Reason.UNKNOWN_DELIVERY),
        (a_limit(since=MIDNIGHT, until=MIDNIGHT), Reason.BAD_VALUE),
        (a_limit(bound_wh=-1), Reason.BAD_VALUE),
        (a_limit(of_pod("nobody")), Reason.UNKNOWN_POD),
        (a_limit(of_zone("no zone")), Reason.BAD_ID),
        (a_limit(LimitTerm(coefficient=1)), Reason.BAD_VALUE),
        (
            a_limit(LimitTerm(pod=PodId("h01"), zone=ZoneId("z1"), coefficient=1)),
            Reason.BAD_VALUE,
        ),
        (a_limit(of_pod("h01", 1), of_pod("h01", 2)), Reason.BAD_VALUE),
        (a_limit(of_pod("h01", -SAFE_INTEGER_MAX - 1)), Reason.OUT_OF_RANGE),
        (a_limit(bound_wh=SAFE_INTEGER_MAX + 1), Reason.OUT_OF_RANGE),
        (a_limit(*[of_pod("h01")] * (TERMS_MAX + 1)), Reason.TOO_MANY),
    ],
)
def test_a_network_limit_that_cannot_be_is_refused(command: c.SubmitLimit, why: Reason) -> None:
    assert reason(a_street().submit(command)) is why


def test_limits_are_bounded() -> None:
    street = a_street()
    street.exchange.state.market.limits = [a_limit().limit] * LIMITS_MAX
    assert reason(street.submit(a_limit())) is Reason.TOO_MANY


# --- pods and zones --------------------------------------------------------------------------


def test_the_coefficient_of_a_zone_holds_for_each_pod_in_it() -> None:
    street = a_street(deliveries=1)
    for pod in ("h02", "h04"):
        move(street, pod, "z2", END)
    street.do(list_deliveries(start=END, count=1))
    trade(street, "h02", "h03", "h04", delivery=END)
    street.do(a_limit(of_zone("z2"), bound_wh=300, since=END, until=END + ISP_US))
    assert curtailed(street, END) == [4]


def test_the_own_coefficient_of_a_pod_overrides_that_of_its_zone() -> None:
    street = a_street()
    trade(street, "h02", "h03", "h04")
    street.do(a_limit(of_pod("h04", 0), of_pod("h01", 0), of_zone("z1"), bound_wh=200))
    assert curtailed(street) == [3]


def test_a_pod_counts_in_the_zone_in_which_it_is_at_the_delivery() -> None:
    street = a_street(deliveries=1)
    move(street, "h02", "z2", END)
    street.do(a_limit(of_zone("z2"), until=END + ISP_US))
    street.do(list_deliveries(start=END, count=1))
    for delivery in (MIDNIGHT, END):
        trade(street, "h02", delivery=delivery)
    assert (curtailed(street), curtailed(street, END)) == ([], [4])


def test_a_newcomer_counts_in_its_zone_once_the_limit_stands() -> None:
    street = a_street(2)
    street.do(a_limit(of_zone("z3")))
    street.do(c.RegisterParty(party=a_party("p03")))
    facts = pod_facts("h03", party="p03", zone="z3", since=MIDNIGHT - DAY)
    street.do(c.RegisterPod(facts=facts, meter=a_meter("m-h03")))
    trade(street, "h03")
    assert curtailed(street) == [2]


# --- the span --------------------------------------------------------------------------------


def test_a_limit_binds_the_deliveries_that_start_in_its_half_open_span() -> None:
    street = a_street(2, deliveries=3)
    street.do(a_limit(of_pod("h02"), since=MIDNIGHT + 1, until=END + ISP_US))
    for delivery in (MIDNIGHT, END, END + ISP_US):
        trade(street, "h02", delivery=delivery)
    assert curtailed(street) == []
    assert curtailed(street, END) == [4]
    assert curtailed(street, END + ISP_US) == []


def test_a_limit_binds_a_delivery_that_is_listed_later() -> None:
    street = a_street(2)
    street.do(a_limit(of_pod("h02"), until=MIDNIGHT + 2 * DAY))
    tomorrow = Instant(MIDNIGHT + DAY)
    street.do(list_deliveries(day="2013-06-11", start=tomorrow, count=1))
    trade(street, "h02", delivery=tomorrow)
    assert curtailed(street, tomorrow) == [2]


def test_a_limit_binds_the_delivery_in_every_product() -> None:
    street = a_street(2)
    street.do(c.DefineProduct(product=a_product("late", closes_before_us=0)))
    street.do(a_limit(of_pod("h02")))
    street.do(list_deliveries(product="late", count=1))
    for product in ("halfhour", "late"):
        trade(street, "h02", product=product)
    events = street.until(MIDNIGHT)
    assert [one.order for one in of(OrderCurtailed, events)] == [2, 4]


def test_a_limit_stands_until_no_product_can_auction_its_span() -> None:
    street = a_street(2, deliveries=8)
    street.do(c.DefineProduct(product=a_product("late", closes_before_us=0)))
    street.do(a_limit())
    market = street.exchange.state.market
    street.until(Instant(END - 1))
    assert len(market.limits) == 1
    # When the span ends, the gate of the delivery an hour later closes.
    street.until(END)
    assert market.limits == []


def test_limits_are_kept_by_a_snapshot() -> None:
    street = a_street()
    street.do(a_limit(of_pod("h01", -2), of_zone("z2", 3), bound_wh=7))
    snapshot = msgpack.encode(street.exchange.state)
    assert msgpack.decode(snapshot, type=State).market.limits == street.exchange.state.market.limits


# --- who gives way ---------------------------------------------------------------------------


def test_two_limits_of_which_relieving_one_breaches_the_other_are_both_kept() -> None:
    street = a_street()
    street.do(an_order("h01", quantity_wh=200))
    street.do(an_order("h02", side=Side.SELL, quantity_wh=200, limit=100_000))
    street.do(an_order("h03", side=Side.SELL, quantity_wh=200, limit=90_000))
    street.do(an_order("h04", side=Side.SELL, quantity_wh=200, limit=80_000))
    for pod in ("h02", "h03", "h04"):
        street.do(a_limit(of_pod(pod), bound_wh=100))
    events = street.clear(Instant(MIDNIGHT))
    # The cheapest trades first; with it gone the next does, up to the limits' own refusal.
    assert [one.order for one in of(OrderCurtailed, events)] == [4, 3, 2]
    assert of(AuctionCleared, events)[0].volume_wh == 0
    assert not of(Rejected, events)
