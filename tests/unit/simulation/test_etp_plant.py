"""What flows behind the meters of a fleet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.etp_market import BESS, FOUNDED, Street, a_conclusion
from wattbay.adapters.etp.desk import Delivery
from wattbay.core.commands import SubmitReading
from wattbay.core.events import Rejected
from wattbay.periods import HOUR, MINUTE, Instant
from wattbay.simulation.etp_fleet import DEFAULT, Fleet, read_fleet
from wattbay.simulation.etp_plant import FULL_SHARE, Known, Plant

BEGINS = read_fleet(DEFAULT).begins(FOUNDED)


def a_fleet() -> Fleet:
    """Return a fleet of its own: plants change the charge of its batteries."""
    return read_fleet(DEFAULT)


def registers(plant: Plant, at: Instant) -> dict[str, tuple[int, int]]:
    return {one.meter: (one.import_register, one.export_register) for one in plant.readings(at)}


def advance(before: tuple[int, int], after: tuple[int, int]) -> tuple[int, int]:
    """Return what went through a meter; its registers may roll over."""
    return (after[0] - before[0]) % 10**9, (after[1] - before[1]) % 10**9


def steps(until: Instant, step_us: int) -> Iterator[Instant]:
    yield from (Instant(at) for at in range(BEGINS + step_us, until + 1, step_us))


@given(
    st.lists(
        st.tuples(st.sampled_from((101, 102, 103)), st.integers(1, 4_000), st.integers(0, 40)),
        max_size=6,
    ),
    st.sampled_from((MINUTE // 3, MINUTE, 7 * MINUTE)),
)
@settings(max_examples=40)
def test_meters_see_what_was_sold_and_what_was_charged(
    sales: list[tuple[int, int, int]], step_us: int
) -> None:
    fleet = a_fleet()
    plant = Plant(fleet, Instant(BEGINS - 1))
    plant.advance(BEGINS)
    plant.charged()
    levels = [one.bess.level_wh for one in fleet.batteries]
    before = registers(plant, BEGINS)
    for entry, (bess, energy_wh, minutes) in enumerate(sales):
        start = Instant(BEGINS + minutes * MINUTE)
        end = Instant(start + energy_wh * HOUR // 5_000)
        plant.deliver(Delivery(bess, start, end, energy_wh, 204, entry))
    until = Instant(BEGINS + 3 * HOUR)
    for at in steps(until, step_us):
        plant.advance(at)
    plant.advance(until)
    after = registers(plant, until)
    added = {one.bess.device_id: one.added_wh for one in plant.charged()}
    sold_in_all = sum(energy_wh for _, energy_wh, _ in sales)
    assert advance(before["meter-204"], after["meter-204"])[0] == pytest.approx(sold_in_all, abs=1)
    for place, one in enumerate(fleet.batteries):
        device = one.member.device
        drawn, given_wh = advance(before[f"meter-{device}"], after[f"meter-{device}"])
        sold = sum(energy_wh for bess, energy_wh, _ in sales if bess == device)
        assert given_wh == pytest.approx(sold * one.delivers_ppm / 1e6, abs=1)
        # What is charged is drawn with what is lost, once; it is what the level rose by.
        gained = one.bess.level_wh - levels[place]
        assert gained == pytest.approx(added.get(device, 0.0))
        assert drawn == pytest.approx(gained / 0.9, abs=1)
        assert one.bess.level_wh <= FULL_SHARE * one.bess.capacity_wh + 1e-6


def test_battery_takes_nothing_while_it_gives() -> None:
    fleet = a_fleet()
    plant = Plant(fleet, BEGINS)
    level = fleet.batteries[0].bess.level_wh
    end = Instant(BEGINS + 10 * MINUTE)
    plant.deliver(Delivery(BESS, BEGINS, end, 833, 203, 1))
    for minutes in range(1, 11):
        plant.advance(Instant(BEGINS + minutes * MINUTE))
    assert fleet.batteries[0].bess.level_wh == level
    plant.advance(Instant(end + MINUTE))
    assert fleet.batteries[0].bess.level_wh > level


def test_time_that_has_passed_does_not_pass_again() -> None:
    plant = Plant(a_fleet(), BEGINS)
    at = Instant(BEGINS + MINUTE)
    plant.advance(at)
    before = registers(plant, at)
    plant.advance(at)
    plant.advance(BEGINS)
    assert registers(plant, at) == before


def refused(street: Street, readings: list[SubmitReading]) -> list[str]:
    answers = [street.kernel.submit(one).events[0] for one in readings]
    return [one.detail for one in answers if isinstance(one, Rejected)]


def test_restart_goes_on_with_meters_and_with_what_is_under_way() -> None:
    street = Street()
    plant = Plant(street.fleet, street.begins)
    street.desk.listeners.append(plant.deliver)
    asyncio.run(street.desk.conclude(BESS, a_conclusion(2_000)))
    at = Instant(street.begins + 10 * MINUTE)
    plant.advance(at)
    street.kernel.advance(at)
    assert not refused(street, plant.readings(at))
    state = street.kernel.exchange.state
    known = []
    for member in street.fleet.members:
        metering = state.metering.pods[member.pod]
        total = metering.totals[-1]
        boot = max(state.metering.meters[metering.meter].seen) >> 32
        known.append(Known(total.import_wh, total.export_wh, boot, total.at))
    again = Plant(street.fleet, at)
    again.take_up(known, street.sales.sales.values())
    end = Instant(at + 20 * MINUTE)
    again.advance(end)
    street.kernel.advance(end)
    assert not refused(street, again.readings(end))
    total = state.metering.pods[street.fleet.members[0].pod].totals[-1]
    assert total.export_wh == pytest.approx(2_000, abs=2)
