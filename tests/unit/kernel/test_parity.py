"""The same code, live and simulated: only who moves the clock differs."""

from __future__ import annotations

from msgspec import structs

from tests.builders import (
    a_meter,
    a_party,
    a_product,
    a_tariff,
    an_order,
    list_deliveries,
    open_community,
    pod_facts,
)
from wattbay.core.commands import (
    ClearAuction,
    CloseGate,
    Command,
    DefineProduct,
    DefineTariff,
    RegisterParty,
    RegisterPod,
    SettlePeriod,
)
from wattbay.kernel.clock import SimulatedClock, SystemClock
from wattbay.kernel.codec import decode
from wattbay.kernel.journal import MemoryJournal
from wattbay.kernel.kernel import Kernel
from wattbay.periods import SECOND, Instant

MILLISECOND = 1_000
DELIVERIES = 20
ORDERS_MAX = 2_000


def a_hurried_town(start: Instant) -> list[Command]:
    """Found a community that trades milliseconds, the first of them at `start`."""
    product = a_product(opens_before_us=10 * SECOND, closes_before_us=MILLISECOND)
    runs = open_community(first_run_us=2 * MILLISECOND).runs
    final = structs.replace(runs[1], after_us=5 * MILLISECOND)
    return [
        structs.replace(open_community(isp_us=MILLISECOND), runs=(runs[0], final)),
        RegisterParty(party=a_party("supplier")),
        RegisterParty(party=a_party("alice")),
        DefineTariff(tariff=a_tariff()),
        RegisterPod(facts=pod_facts(since=start), meter=a_meter()),
        DefineProduct(product=product),
        list_deliveries(start=start, count=DELIVERIES),
    ]


def test_commands_of_a_run_under_the_system_clock_make_the_same_history_when_simulated() -> None:
    clock, live = SystemClock(), MemoryJournal()
    kernel = Kernel(live, clock)
    start = Instant((clock.now() // MILLISECOND + 150) * MILLISECOND)
    kernel.submit_many(a_hurried_town(start))
    delivery = start
    for _ in range(10):
        kernel.submit_many([an_order(delivery=delivery), an_order(delivery=delivery, limit=None)])
    while kernel.exchange.due() is not None:
        now = clock.now()
        if now >= start and live.last_seq < ORDERS_MAX:
            delivery = Instant(now // MILLISECOND * MILLISECOND)
            kernel.submit(an_order(delivery=delivery + 2 * MILLISECOND))
        kernel.advance(now)

    simulated, recorded = MemoryJournal(), [decode(data) for _, data, _ in live.rows()]
    again = Kernel(simulated, SimulatedClock(Instant(0)))
    closed = 0
    for entry in recorded:
        again.advance(entry.at)
        match entry.command:
            case CloseGate() | ClearAuction() | SettlePeriod():
                closed += isinstance(entry.command, CloseGate)
            case command:
                again.submit(command)
    assert closed == DELIVERIES
    assert simulated.head == live.head
