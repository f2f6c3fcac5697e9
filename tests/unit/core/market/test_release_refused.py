"""Orders that wait: what is refused of them, and the kernel at their very instants."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import (
    EVE,
    ISP_US,
    MIDNIGHT,
    a_deposit,
    a_kernel,
    a_meter,
    a_product,
    a_town,
    an_order,
    entries_of,
    list_deliveries,
    pod_facts,
)
from tests.play import of, reason
from tests.waiting import (
    DSO,
    GATE,
    HALF_HOUR,
    NEXT,
    PEAK,
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
    OrderCancelled,
    OrderReleased,
    Rejected,
)
from wattbay.core.facts import Mechanism
from wattbay.core.market import standby
from wattbay.core.market.standby import PRICES_MAX, SIGNALS_MAX, Standby
from wattbay.core.reasons import Reason
from wattbay.core.terms import (
    Block,
    GridBalance,
    Kind,
    OrderTerms,
    TimeInForce,
)
from wattbay.ids import OrderId, ProductId, SignalId
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.journal import MemoryJournal
from wattbay.periods import DAY, HOUR, MINUTE, Instant

# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        (until(EVE), Reason.ALREADY_EXPIRED),
        (from_on(GATE), Reason.BAD_CONDITION),
        (once(structs.replace(on_signal(), signal=SignalId("no id!"))), Reason.BAD_CONDITION),
        (once(structs.replace(on_signal(), signal=None)), Reason.BAD_CONDITION),
        (once(structs.replace(on_signal(), product=HALF_HOUR)), Reason.BAD_CONDITION),
        (once(structs.replace(on_charge(1), delivery=MIDNIGHT)), Reason.BAD_CONDITION),
        (once(on_price(1, EVE)), Reason.BAD_CONDITION),
        (once(on_price(1, MIDNIGHT)), Reason.BAD_CONDITION),
        (once(on_price(1, NEXT)), Reason.BAD_CONDITION),
        (once(on_price(1, EVE + 1)), Reason.BAD_CONDITION),
        (once(on_price(1, EVE, product="unheard")), Reason.BAD_CONDITION),
        (once(structs.replace(on_price(1), product=None)), Reason.BAD_CONDITION),
        (once(structs.replace(on_price(1), delivery=None)), Reason.BAD_CONDITION),
        (once(on_surplus(1, GATE - ISP_US)), Reason.BAD_CONDITION),
        (once(on_surplus(1, EVE - ISP_US)), Reason.BAD_CONDITION),
        (once(on_surplus(1, EVE + ISP_US)), None),
    ],
)
def test_what_cannot_be_waited_for_is_refused(terms: OrderTerms, why: Reason | None) -> None:
    street = a_street()
    street.until(EVE + MINUTE)
    assert reason(street.submit(that(terms))) is why


def test_price_of_an_auction_without_one_is_refused_once_that_is_known() -> None:
    street = a_street()
    street.clear(MIDNIGHT)
    wanted = that(once(on_price(1)), delivery=NEXT)
    (refused,) = of(Rejected, street.submit(wanted))
    assert refused == Rejected(reason=Reason.BAD_CONDITION, detail="that auction came to no price")


def test_surplus_that_is_not_kept_any_more_is_refused() -> None:
    street = a_street()
    street.do(list_deliveries(day="2013-07-10", start=MIDNIGHT + 30 * DAY, count=1))
    street.until(MIDNIGHT + 29 * DAY)
    late = that(once(on_surplus(1)), delivery=MIDNIGHT + 30 * DAY)
    (refused,) = of(Rejected, street.submit(late))
    assert refused.detail == "the energy of that delivery is not kept any more"


def test_price_of_a_product_without_auctions_is_refused() -> None:
    street = a_street()
    shared = structs.replace(a_product("shared"), mechanism=Mechanism.COMMUNITY, rule="mid")
    street.do(c.DefineProduct(product=shared))
    (refused,) = of(Rejected, street.submit(that(once(on_price(1, product="shared")))))
    assert refused.detail == "product shared has no auction"


def test_what_the_desk_refuses_is_refused_for_its_own_reason_first() -> None:
    street = a_street()
    foreign = structs.replace(that(until(EVE)), product=ProductId("unheard"))
    assert reason(street.submit(foreign)) is Reason.UNKNOWN_PRODUCT
    assert reason(street.submit(that(until(EVE), "h09"))) is Reason.UNKNOWN_POD
    assert reason(street.submit(that(until(GATE)), at=GATE)) is Reason.GATE_CLOSED


def test_stop_waits_for_nothing_but_the_last_price() -> None:
    street = a_street(mechanism=Mechanism.CONTINUOUS)
    terms = OrderTerms(kind=Kind.STOP_LIMIT, stop=110_000, condition=on_signal())
    (refused,) = of(Rejected, street.submit(that(terms)))
    assert refused.reason is Reason.BAD_CONDITION


def test_order_is_grid_balanced_only_where_limits_bind_as_they_come() -> None:
    street = a_street(mechanism=Mechanism.SUBMITTED)
    wanted = that(OrderTerms(grid=GridBalance.KEEPS))
    assert reason(street.submit(wanted)) is Reason.BAD_CONDITION


@pytest.mark.parametrize("terms", [from_on(EVE + HOUR), once(on_signal())])
def test_block_waits_for_its_auction_alone(terms: OrderTerms) -> None:
    street = a_street(mechanism=Mechanism.SUBMITTED)
    wanted = that(structs.replace(terms, block=Block(profile=(250,))))
    assert reason(street.submit(wanted)) is Reason.BAD_CONDITION


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (a_signal(1, party="p01"), Reason.NOT_ALLOWED),
        (a_signal(1, "no id!"), Reason.BAD_ID),
        (a_charge(1, "h09"), Reason.UNKNOWN_POD),
        (a_charge(1, party="p02"), Reason.NOT_ALLOWED),
        (a_charge(1, party=DSO), Reason.NOT_ALLOWED),
        (a_charge(-1), Reason.BAD_VALUE),
        (structs.replace(a_charge(1), signal=PEAK), Reason.BAD_VALUE),
    ],
)
def test_signal_that_is_not_one_s_to_give_is_refused(command: c.GiveSignal, why: Reason) -> None:
    assert reason(a_street().submit(command)) is why


def test_more_signals_than_are_kept_are_refused() -> None:
    street = a_street()
    signals = street.exchange.state.market.standby.signals
    signals.update({SignalId(f"s{number}"): 0 for number in range(SIGNALS_MAX)})
    assert reason(street.submit(a_signal(1))) is Reason.TOO_MANY
    street.do(a_signal(1, "s7"))


def test_prices_beyond_the_latest_are_forgotten() -> None:
    found = Standby()
    for number in range(PRICES_MAX + 1):
        standby.clear_at(found, HALF_HOUR, Instant(number), number)
    assert next(iter(found.prices[HALF_HOUR])) == 1


def test_orders_begin_and_expire_by_the_clock_alone() -> None:
    street = a_street()
    street.do(that(from_on(EVE + HOUR)))
    street.do(that(until(EVE + HOUR)))
    street.do(an_order())
    begin = c.ReleaseOrder(order=OrderId(1), product=HALF_HOUR, delivery=MIDNIGHT)
    end = c.ExpireOrder(order=OrderId(2), product=HALF_HOUR, delivery=MIDNIGHT)
    for command in (
        begin,
        end,
        structs.replace(begin, order=OrderId(2)),
        structs.replace(begin, order=OrderId(3)),
    ):
        assert reason(street.submit(command)) is Reason.NOT_DUE
    assert reason(street.submit(structs.replace(end, delivery=NEXT))) is Reason.UNKNOWN_ORDER
    assert reason(street.submit(structs.replace(end, order=OrderId(9)))) is Reason.UNKNOWN_ORDER


# --- through the kernel, at exact instants ---------------------------------------------------


def test_kernel_releases_and_expires_at_the_very_instant() -> None:
    journal, clock = MemoryJournal(), SimulatedClock(EVE)
    kernel = a_kernel(*a_town(2), journal=journal, clock=clock)
    kernel.submit(that(from_on(EVE + HOUR)))
    kernel.submit(that(until(EVE + 2 * HOUR), "h02"))
    kernel.advance(Instant(EVE + 3 * HOUR))
    begun, ended = entries_of(journal)[-2:]
    assert (begun.at, type(begun.events[0])) == (EVE + HOUR, OrderReleased)
    assert (ended.at, type(ended.events[0])) == (EVE + 2 * HOUR, OrderCancelled)


def test_order_stamped_at_its_own_expiry_or_at_gate_closure_is_late() -> None:
    clock = SimulatedClock(EVE)
    kernel = a_kernel(*a_town(2), clock=clock)
    kernel.advance(GATE)
    answer = kernel.submit(that(until(GATE + HOUR)))
    assert reason(list(answer.events)) is Reason.GATE_CLOSED
    answer = kernel.submit(that(until(GATE), delivery=NEXT))
    assert reason(list(answer.events)) is Reason.ALREADY_EXPIRED


def test_deposit_between_changes_nothing_of_what_waits() -> None:
    street = a_street()
    street.do(that(once(on_signal())))
    before = street.exchange.due()
    street.do(a_deposit("h01", party="p01"))
    assert street.exchange.due() == before


def test_pod_that_was_not_there_then_has_no_surplus() -> None:
    street = a_street()
    facts = pod_facts("h09", party="p01", since=MIDNIGHT + ISP_US)
    street.do(c.RegisterPod(facts=facts, meter=a_meter("m-h09")))
    late = that(once(on_surplus(1)), "h09", delivery=MIDNIGHT + 4 * HOUR)
    (refused,) = of(Rejected, street.submit(late))
    assert refused.detail == "the pod was not connected then"


def test_refusal_says_what_would_be_right() -> None:
    street = a_street()
    (late,) = of(Rejected, street.submit(that(from_on(GATE))))
    assert late.detail == "it would begin too late: its gate closes at 2013-06-09T23:00Z"
    (priced,) = of(Rejected, street.submit(that(once(on_price(1, MIDNIGHT)))))
    assert priced.detail.endswith("before the gate closes, at 2013-06-09T23:00Z")
    far = OrderTerms(time_in_force=TimeInForce.GTD, expires=Instant(-(2**53) + 1))
    assert reason(street.submit(that(far))) is Reason.ALREADY_EXPIRED
