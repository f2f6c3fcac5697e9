"""Orders that wait: when they act, and when they end."""

from __future__ import annotations

from msgspec import structs

from tests.builders import (
    EVE,
    MIDNIGHT,
    an_order,
    list_deliveries,
)
from tests.play import Play, of
from tests.waiting import (
    GATE,
    HALF_HOUR,
    NEXT,
    a_charge,
    a_signal,
    a_street,
    from_on,
    on_charge,
    on_price,
    on_signal,
    on_surplus,
    once,
    that,
    until,
)
from wattbay.core import commands as c
from wattbay.core.events import (
    AuctionCleared,
    EnergyMetered,
    Event,
    GateClosed,
    OrderAmended,
    OrderCancelled,
    OrderPlaced,
    OrderReleased,
    SignalGiven,
    Traded,
)
from wattbay.core.facts import Quality, Side
from wattbay.core.market import standby
from wattbay.core.market.standby import Standby
from wattbay.core.terms import (
    Ended,
    OrderTerms,
    TimeInForce,
)
from wattbay.ids import OrderId, PodId
from wattbay.periods import DAY, HOUR, MINUTE, Instant


def an_offer(pod: str = "h02", *, delivery: int = MIDNIGHT) -> c.PlaceOrder:
    return an_order(pod, side=Side.SELL, limit=100_000, delivery=delivery)


def ends(events: list[Event]) -> list[tuple[int, Ended]]:
    return [(event.order, event.reason) for event in of(OrderCancelled, events)]


def releases(events: list[Event]) -> list[int]:
    return [event.order for event in of(OrderReleased, events)]


# --- by the clock ----------------------------------------------------------------------------


def test_order_that_is_valid_later_waits_and_acts_at_its_instant() -> None:
    street = a_street()
    (placed,) = of(OrderPlaced, street.do(that(from_on(EVE + HOUR))))
    assert placed.waits
    assert street.until(EVE + HOUR - 1) == []
    assert street.until(EVE + HOUR) == [
        OrderReleased(order=OrderId(1), product=HALF_HOUR, delivery=MIDNIGHT)
    ]
    assert street.exchange.state.market.standby.orders == {}


def test_order_whose_instant_has_come_acts_at_once() -> None:
    street = a_street()
    (placed,) = of(OrderPlaced, street.do(that(from_on(EVE)), at=EVE))
    assert not placed.waits


def test_what_is_held_for_an_order_stands_while_it_waits() -> None:
    street = a_street()
    street.do(that(from_on(EVE + HOUR)))
    assert street.held("h01/p01") == 250 * 120_000
    street.do(c.CancelOrder(order=OrderId(1), pod=PodId("h01")))
    assert street.held("h01/p01") == 0
    assert (street_standby(street).orders, street_standby(street).times) == ({}, [])


def street_standby(street: Play) -> Standby:
    return street.exchange.state.market.standby


def test_order_that_was_released_takes_part_in_the_auction() -> None:
    street = a_street()
    street.do(that(from_on(EVE + HOUR)))
    street.do(an_offer())
    assert [trade.quantity_wh for trade in of(Traded, street.clear(MIDNIGHT))] == [250]


def test_place_in_time_of_a_released_order_is_that_of_its_release() -> None:
    street = a_street()
    street.do(that(from_on(EVE + HOUR)))
    street.do(an_order("h03"))
    street.until(EVE + HOUR)
    assert list(street.exchange.state.market.books[HALF_HOUR][MIDNIGHT].orders) == [2, 1]


def test_order_that_still_waits_at_gate_closure_takes_no_part_and_says_why() -> None:
    street = a_street()
    street.do(that(once(on_signal())))
    street.do(an_offer())
    events = street.clear(MIDNIGHT)
    assert [type(event) for event in events] == [GateClosed, OrderCancelled, AuctionCleared]
    assert ends(events) == [(1, Ended.GATE_CLOSED)]
    assert street.held("h01/p01") == 0


def test_order_ends_at_its_expiry_and_takes_no_part() -> None:
    street = a_street()
    street.do(that(until(GATE)))
    street.do(that(until(EVE + 1), "h03"))
    street.do(an_offer())
    assert ends(street.until(EVE + 1)) == [(2, Ended.EXPIRED)]
    # It expires at the instant, and an auction at that instant comes too late for it.
    events = street.until(GATE)
    assert ends(events) == [(1, Ended.EXPIRED)]
    assert of(AuctionCleared, events)[0].volume_wh == 0


def test_order_that_expires_after_gate_closure_takes_part() -> None:
    street = a_street()
    street.do(that(until(GATE + 1)))
    street.do(an_offer())
    assert of(Traded, street.clear(MIDNIGHT))
    assert street.until(MIDNIGHT) != []


def test_order_that_waits_expires_too() -> None:
    street = a_street()
    terms = structs.replace(until(EVE + MINUTE), condition=on_signal())
    street.do(that(terms))
    assert ends(street.until(EVE + MINUTE)) == [(1, Ended.EXPIRED)]
    assert releases(street.do(a_signal(5))) == []
    assert street_standby(street).topics == {}


def test_orders_expire_before_others_begin_and_before_gates_close() -> None:
    street = a_street()
    street.do(that(from_on(GATE - 1)))
    street.do(that(until(GATE - 1), "h02"))
    street.do(that(until(GATE), "h03"))
    asked = [type(street.step()[1]) for _ in range(4)]
    assert asked == [c.ExpireOrder, c.ReleaseOrder, c.ExpireOrder, c.CloseGate]


def test_day_order_ends_with_the_local_day_in_which_it_was_placed() -> None:
    street = a_street()
    street.do(list_deliveries(day="2013-06-11", start=MIDNIGHT + DAY))
    terms = OrderTerms(time_in_force=TimeInForce.DAY)
    late = MIDNIGHT + 12 * HOUR
    (placed,) = of(OrderPlaced, street.do(that(terms, delivery=late)))
    assert placed.terms is not None
    assert placed.terms.expires == MIDNIGHT
    assert ends(street.until(MIDNIGHT)) == [(1, Ended.EXPIRED)]
    (placed,) = of(OrderPlaced, street.do(that(terms, delivery=late)))
    assert placed.terms is not None
    assert placed.terms.expires == MIDNIGHT + DAY


def test_day_order_stands_until_gate_closure_where_no_later_day_is_listed() -> None:
    street = a_street()
    street.until(MIDNIGHT)
    terms = OrderTerms(time_in_force=TimeInForce.DAY)
    (placed,) = of(OrderPlaced, street.do(that(terms, delivery=MIDNIGHT + 12 * HOUR)))
    assert placed.terms == terms


def test_day_that_two_products_list_begins_with_the_earlier() -> None:
    found = Standby()
    standby.list_day(found, "2013-06-10", Instant(MIDNIGHT + HOUR))
    standby.list_day(found, "2013-06-10", MIDNIGHT)
    assert standby.day_ends(found, EVE) == MIDNIGHT
    assert standby.day_ends(found, MIDNIGHT) is None
    for number in range(standby.DAYS_MAX):
        standby.list_day(found, f"day {number}", Instant(MIDNIGHT + number * DAY))
    assert len(found.days) == standby.DAYS_MAX
    assert "2013-06-10" not in found.days


# --- conditions ------------------------------------------------------------------------------


def test_order_acts_once_a_signal_reaches_its_level() -> None:
    street = a_street()
    street.do(that(once(on_signal(3))))
    street.do(a_signal(2))
    assert street.until(street.at) == []
    assert of(SignalGiven, street.do(a_signal(3)))
    assert releases(street.until(street.at)) == [1]
    street.do(a_signal(0))
    street.do(an_offer())
    assert of(Traded, street.clear(MIDNIGHT))


def test_order_acts_at_once_where_its_condition_is_met_already() -> None:
    street = a_street()
    street.do(a_signal(3))
    (placed,) = of(OrderPlaced, street.do(that(once(on_signal(3, is_at_least=False)))))
    assert not placed.waits
    (placed,) = of(OrderPlaced, street.do(that(once(on_signal(4)))))
    assert placed.waits


def test_order_waits_for_a_signal_that_was_never_given() -> None:
    street = a_street()
    (placed,) = of(OrderPlaced, street.do(that(once(on_signal(0, is_at_least=False)))))
    assert placed.waits


def test_orders_that_one_signal_releases_act_in_order_of_arrival_before_anything_else() -> None:
    street = a_street()
    for level in (3, 2, 9, 1):
        street.do(that(once(on_signal(level))))
    street.until(GATE - 1)
    street.do(a_signal(3))
    asked = [street.step()[:2] for _ in range(4)]
    assert [at for at, _ in asked] == [GATE - 1, GATE - 1, GATE - 1, GATE]
    assert [one.order for _, one in asked if isinstance(one, c.ReleaseOrder)] == [1, 2, 4]


def test_order_acts_once_its_pod_is_charged() -> None:
    street = a_street()
    street.do(that(once(on_charge(5_000)), side=Side.SELL))
    street.do(a_charge(9_000, "h02", "p02"))
    street.do(a_charge(4_999))
    assert street.until(street.at) == []
    street.do(a_charge(5_000))
    assert releases(street.until(street.at)) == [1]
    assert not of(OrderPlaced, street.do(that(once(on_charge(5_000)))))[0].waits


def test_order_acts_once_an_earlier_auction_is_cheap_enough() -> None:
    street = a_street()
    street.do(an_order("h03"))
    street.do(an_offer())
    street.do(that(once(on_price(110_000)), delivery=NEXT))
    street.do(that(once(on_price(109_999)), delivery=NEXT))
    events = street.clear(MIDNIGHT)
    assert of(AuctionCleared, events)[0].price == 110_000
    assert releases(street.until(street.at)) == [3]
    # The price is known from now on.
    again = street.do(that(once(on_price(110_000, is_at_least=True)), delivery=NEXT))
    assert not of(OrderPlaced, again)[0].waits


def test_order_waits_in_vain_for_the_price_of_an_auction_in_which_nothing_traded() -> None:
    street = a_street()
    street.do(that(once(on_price(-500_000, is_at_least=True)), delivery=NEXT))
    street.clear(MIDNIGHT)
    assert releases(street.until(street.at)) == []
    assert ends(street.clear(NEXT)) == [(1, Ended.GATE_CLOSED)]


def test_order_acts_once_its_pod_had_a_surplus() -> None:
    street = a_street()
    later = MIDNIGHT + 4 * HOUR
    street.do(that(once(on_surplus(300)), delivery=later, side=Side.SELL))
    street.do(that(once(on_surplus(301)), delivery=later, side=Side.SELL))
    for pod in ("h01", "h02"):
        street.read(f"m-{pod}", MIDNIGHT, 0, 0)
    street.read("m-h02", NEXT, 0, 900)
    assert releases(street.until(street.at)) == []
    street.read("m-h01", NEXT, 100, 400)
    assert releases(street.until(street.at)) == [1]
    again = street.do(that(once(on_surplus(300)), delivery=later))
    assert not of(OrderPlaced, again)[0].waits


def test_an_estimate_is_no_surplus() -> None:
    street = a_street()
    street.do(list_deliveries(day="2013-06-11", start=MIDNIGHT + DAY))
    street.until(MIDNIGHT)
    late = MIDNIGHT + DAY + 4 * HOUR
    street.do(that(once(on_surplus(-(10**9))), delivery=late))
    estimated = of(EnergyMetered, street.until(late - HOUR - 1))
    assert (estimated[0].pod, estimated[0].quality) == ("h01", Quality.ESTIMATED)
    assert releases(street.history) == []


def test_condition_that_was_met_stays_met_while_the_order_waits_for_its_instant() -> None:
    street = a_street()
    terms = structs.replace(from_on(EVE + HOUR), condition=on_signal(3))
    street.do(that(terms))
    street.do(a_signal(3))
    assert street.until(EVE + HOUR - 1) == []
    street.do(a_signal(0))
    assert releases(street.until(EVE + HOUR)) == [1]


def test_order_whose_instant_came_goes_on_waiting_for_its_condition() -> None:
    street = a_street()
    street.do(that(structs.replace(from_on(EVE + HOUR), condition=on_signal(3))))
    assert street.until(EVE + 2 * HOUR) == []
    street.do(a_signal(3))
    assert releases(street.until(street.at)) == [1]


def test_order_that_waits_may_be_amended_and_goes_on_waiting() -> None:
    street = a_street()
    street.do(that(once(on_signal(3))))
    change = c.AmendOrder(order=OrderId(1), pod=PodId("h01"), quantity_wh=100, limit=130_000)
    assert of(OrderAmended, street.do(change))
    assert street.held("h01/p01") == 100 * 130_000
    street.do(a_signal(3))
    assert releases(street.until(street.at)) == [1]


def test_condition_on_own_money_is_held_exactly_through_release_and_trade() -> None:
    street = a_street()
    street.do(that(once(on_signal(3))))
    street.do(an_offer())
    street.do(a_signal(3))
    street.clear(MIDNIGHT)
    assert street.held("h01/p01") == 0


def test_waiting_order_that_loses_its_place_acts_after_the_others() -> None:
    street = a_street()
    for lasting in (None, Instant(GATE - 1)):
        terms = once(on_signal(3))
        if lasting is not None:
            terms = structs.replace(terms, time_in_force=TimeInForce.GTD, expires=lasting)
        street.do(that(terms))
    street.do(that(structs.replace(from_on(EVE + HOUR), expires=None)))
    for order, quantity in ((1, 300), (3, 300), (2, 300), (1, 200)):
        street.do(
            c.AmendOrder(
                order=OrderId(order), pod=PodId("h01"), quantity_wh=quantity, limit=120_000
            )
        )
    street.do(a_signal(3))
    assert releases(street.until(street.at)) == [1, 2]
    assert releases(street.until(EVE + HOUR)) == [3]
    assert ends(street.until(GATE - 1)) == [(2, Ended.EXPIRED)]


def test_orders_that_were_changed_last_begin_last() -> None:
    street = a_street()
    for _ in range(2):
        street.do(that(from_on(EVE + HOUR)))
    street.do(c.AmendOrder(order=OrderId(1), pod=PodId("h01"), quantity_wh=300, limit=120_000))
    assert releases(street.until(EVE + HOUR)) == [2, 1]


def test_order_that_is_withdrawn_leaves_the_others_waiting() -> None:
    street = a_street()
    for _ in range(3):
        street.do(that(once(on_signal(3))))
    street.do(c.CancelOrder(order=OrderId(2), pod=PodId("h01")))
    street.do(a_signal(3))
    assert releases(street.until(street.at)) == [1, 3]
