"""The loop of a run: what happens when, and what the world at the ends of the wires does."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date
from itertools import pairwise

import numpy as np
import pytest

from wattbay.core.commands import (
    ExchangeMeter,
    IssueStatements,
    ListDeliveries,
    PlaceOrder,
    RegisterPod,
    SubmitReading,
)
from wattbay.core.events import EnergyMetered, MoneyDeposited, Rejected, StatementIssued
from wattbay.errors import InvariantBroken
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.codec import Entry
from wattbay.kernel.journal import MemoryJournal
from wattbay.kernel.kernel import Kernel
from wattbay.periods import HOUR, MINUTE, Instant, Period, to_datetime
from wattbay.simulation.battery import batteries_of
from wattbay.simulation.faults import LATENCY_US, RESEND_US
from wattbay.simulation.founding import founded_at
from wattbay.simulation.scenario import load_scenario
from wattbay.simulation.scenario_facts import FaultPlan, Scenario
from wattbay.simulation.town import Town, months
from wattbay.views.market import Auctions
from wattbay.views.meters import MeterKeys

CALM = FaultPlan(
    lost_ppm=0,
    late_ppm=0,
    doubled_ppm=0,
    reordered_ppm=0,
    flipped_ppm=0,
    exchanges=(),
    silences=(),
)


class Heard:
    """Everything that became history."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def fold(self, entry: Entry) -> None:
        self.entries.append(entry)

    def energy(self, pod: str) -> dict[int, tuple[int, int]]:
        """What a pod's meter told of each delivery, as last known."""
        return {
            event.delivery: (event.import_wh, event.export_wh)
            for entry in self.entries
            for event in entry.events
            if isinstance(event, EnergyMetered) and event.pod == pod
        }


def a_street(faults: FaultPlan = CALM, *, days: int = 1) -> Scenario:
    return replace(load_scenario("street", days=days), faults=faults)


def a_town(scenario: Scenario, heard: Heard) -> Town:
    auctions, keys = Auctions(scenario.product.product), MeterKeys()
    clock = SimulatedClock(founded_at(scenario))
    return Town(scenario, Kernel(MemoryJournal(), clock, [auctions, keys, heard]), auctions, keys)


def history(scenario: Scenario) -> Heard:
    heard = Heard()
    for _ in a_town(scenario, heard).run():
        pass
    return heard


def test_progress_is_told_after_each_delivery() -> None:
    scenario = a_street()
    told = list(a_town(scenario, Heard()).run())
    assert [progress.done for progress in told] == list(range(1, 49))
    assert {progress.total for progress in told} == {48}
    assert told[0].delivery == scenario.start
    assert any(progress.price is not None for progress in told)


def test_nothing_is_refused_where_nothing_goes_wrong() -> None:
    scenario = a_street()
    heard = Heard()
    town = a_town(scenario, heard)
    for _ in town.run():
        pass
    events = [event for entry in heard.entries for event in entry.events]
    assert not [event for event in events if isinstance(event, Rejected)]
    assert town.refused_at_wire == town.refused_readings == {}
    assert set(town.injected.values()) == {0}


def test_orders_come_before_their_gate_closes_and_days_before_theirs_open() -> None:
    scenario = a_street(days=2)
    before = scenario.product.closes_before_us + scenario.order_lead_us
    listed = []
    for entry in history(scenario).entries:
        match entry.command:
            case PlaceOrder(delivery=delivery):
                assert entry.at == delivery - before
            case ListDeliveries(day=day, start=start):
                listed.append(day)
                assert entry.at == start - scenario.product.opens_before_us - HOUR
            case _:
                pass
    assert listed == ["2013-06-14", "2013-06-15"]


def test_meters_tell_of_each_boundary_once_a_moment_later() -> None:
    scenario = a_street()
    heard = history(scenario)
    told: Counter[int] = Counter()
    for entry in heard.entries:
        if isinstance(entry.command, SubmitReading):
            assert entry.at == entry.command.measured_at + LATENCY_US
            told[entry.command.measured_at] += 1
    ends = range(scenario.start + 30 * MINUTE, scenario.end + 1, 30 * MINUTE)
    assert told == dict.fromkeys(ends, 6)


def test_meters_measure_what_flowed_behind_them() -> None:
    scenario = a_street()
    heard = Heard()
    town = a_town(scenario, heard)
    net: Counter[str] = Counter()
    for _ in town.run():
        for _, pod, load, pv, charge, discharge, _ in town.device_rows():
            net[pod] += pv + discharge - load - charge
    for home in scenario.homes:
        energies = heard.energy(home.pod).values()
        metered = sum(injected - drawn for drawn, injected in energies)
        assert metered == pytest.approx(net[home.pod], abs=3)
    assert town.device_rows() == []


def test_batteries_stay_within_their_limits_and_the_end_is_told() -> None:
    scenario = a_street(days=2)
    batteries = batteries_of(scenario.homes, scenario.isp_us)
    town = a_town(scenario, Heard())
    rows = [row for _ in town.run() for row in town.device_rows()]
    for place, home in enumerate(scenario.homes):
        socs = np.array([row[6] for row in rows if row[1] == home.pod])
        flows = np.array([row[4:6] for row in rows if row[1] == home.pod])
        assert socs.min() >= batteries.reserve_wh[place] - 1
        assert socs.max() <= batteries.capacity_wh[place] + 1
        assert flows.max() <= batteries.energy_max_wh[place] + 1
        assert socs[-1] == pytest.approx(town.charge_wh[place], abs=1)
    assert town.charge_start_wh.tolist() == batteries.start_wh.tolist()


def test_batteries_export_no_more_than_the_sun_gave() -> None:
    scenario = a_street(days=2)
    town = a_town(scenario, Heard())
    exported: Counter[str] = Counter()
    sun: Counter[str] = Counter()
    for _ in town.run():
        for _, pod, load, pv, charge, discharge, _ in town.device_rows():
            exported[pod] += max(pv + discharge - load - charge, 0)
            sun[pod] += pv
    assert all(exported[pod] <= sun[pod] + 48 for pod in exported)


def test_what_is_yet_to_come_changes_no_order() -> None:
    scenario = a_street(days=2)
    noon = Instant(scenario.start + 12 * HOUR)
    row = scenario.series.row(noon)
    load, pv = scenario.series.load_wh.copy(), scenario.series.pv_wh.copy()
    load[row:] += 500
    pv[row:] = 0
    other = replace(scenario, series=replace(scenario.series, load_wh=load, pv_wh=pv))
    orders = [
        [
            entry.command
            for entry in history(each).entries
            if isinstance(entry.command, PlaceOrder) and entry.at < noon
        ]
        for each in (scenario, other)
    ]
    assert orders[0] == orders[1] != []


def test_faults_between_meter_and_exchange_change_no_trade_of_the_next_hours() -> None:
    lost = replace(CALM, lost_ppm=500_000)
    orders = [
        [entry.command for entry in history(each).entries if isinstance(entry.command, PlaceOrder)]
        for each in (a_street(), a_street(lost))
    ]
    assert orders[0] == orders[1]


def test_flipped_readings_are_counted_at_the_wire_and_come_again() -> None:
    scenario = a_street(replace(CALM, flipped_ppm=1_000_000))
    heard = Heard()
    town = a_town(scenario, heard)
    for _ in town.run():
        pass
    assert sum(town.refused_at_wire.values()) == town.injected["flipped"] == 48 * 6
    assert set(town.refused_at_wire) <= {"bad signature", "wrong form", "wrong key id"}
    delays = {
        entry.at - entry.command.measured_at
        for entry in heard.entries
        if isinstance(entry.command, SubmitReading)
    }
    assert delays == {LATENCY_US + RESEND_US}


def test_doubled_readings_are_refused_once_and_counted() -> None:
    town = a_town(a_street(replace(CALM, doubled_ppm=1_000_000)), Heard())
    for _ in town.run():
        pass
    assert town.refused_readings == {"duplicate_reading": 48 * 6}


@pytest.mark.parametrize("minutes", [0, 12, 29])
def test_exchanged_meter_loses_no_energy(minutes: int) -> None:
    calm = a_street()
    at = Instant(calm.start + 6 * HOUR + minutes * MINUTE)
    changed = a_street(replace(CALM, exchanges=((calm.homes[1].pod, at),)))
    pod = calm.homes[1].pod
    heard = history(changed)
    (exchange,) = [e for e in heard.entries if isinstance(e.command, ExchangeMeter)]
    assert exchange.at == at
    before, after = history(calm).energy(pod), heard.energy(pod)
    assert sum(drawn for drawn, _ in after.values()) == pytest.approx(
        sum(drawn for drawn, _ in before.values()), abs=1
    )
    for delivery, (drawn, _) in before.items():
        assert after[delivery][0] == pytest.approx(drawn, abs=2)


def test_second_exchange_of_a_pod_brings_a_third_meter() -> None:
    calm = a_street()
    pod = calm.homes[0].pod
    at = [Instant(calm.start + hour * HOUR) for hour in (6, 7, 8)]
    exchanges = ((pod, at[0]), (calm.homes[1].pod, at[1]), (pod, at[2]))
    heard = history(a_street(replace(CALM, exchanges=exchanges)))
    names = [
        entry.command.meter.meter
        for entry in heard.entries
        if isinstance(entry.command, ExchangeMeter)
    ]
    assert names == [f"{pod}-m2", f"{calm.homes[1].pod}-m2", f"{pod}-m3"]


def test_silent_meter_speaks_again_and_nothing_of_its_energy_is_lost() -> None:
    calm = a_street()
    pod = calm.homes[1].pod
    silence = Period(Instant(calm.start + 3 * HOUR), Instant(calm.start + 9 * HOUR))
    heard = history(a_street(replace(CALM, silences=((pod, silence),))))
    whole = [sum(pair) for pair in zip(*history(calm).energy(pod).values(), strict=True)]
    assert [sum(pair) for pair in zip(*heard.energy(pod).values(), strict=True)] == whole


def test_statements_come_after_each_month_and_the_last_ones_at_the_very_end() -> None:
    scenario = load_scenario("london-dst", pods=2)
    assert [month for _, month in months(scenario)] == ["2013-03", "2013-04", "2013-10"]
    heard = history(scenario)
    stated = [
        (entry.command.month, entry.at, len(entry.events))
        for entry in heard.entries
        if isinstance(entry.command, IssueStatements)
    ]
    assert [month for month, _, _ in stated] == ["2013-03", "2013-04", "2013-10"]
    assert {count for _, _, count in stated} == {2}
    last = heard.entries[-1]
    assert all(isinstance(event, StatementIssued) for event in last.events)
    assert last.at == scenario.end + scenario.runs[-1].after_us


def test_days_that_are_left_out_are_jumped_over() -> None:
    scenario = load_scenario("london-dst", pods=2)
    heard = history(replace(scenario, faults=CALM))
    deliveries = sorted(heard.energy(scenario.homes[0].pod))
    assert len(deliveries) == 46 + 48 + 48 + 48 + 50 + 48
    gaps = [after - before for before, after in pairwise(deliveries)]
    assert sorted(set(gaps)) == [30 * MINUTE, max(gaps)]
    begin = scenario.days[3][1].start
    assert to_datetime(begin).astimezone(UTC).date() == date(2013, 10, 25)
    at_begin = [
        entry
        for entry in heard.entries
        if isinstance(entry.command, SubmitReading) and entry.command.measured_at == begin
    ]
    assert len(at_begin) == 2


def test_scenario_that_the_exchange_refuses_stops_the_run() -> None:
    scenario = a_street()
    twice = replace(scenario, homes=(scenario.homes[0], scenario.homes[0]))
    twice = replace(
        twice,
        series=replace(
            twice.series,
            load_wh=twice.series.load_wh[:, :2],
            pv_wh=twice.series.pv_wh[:, :2],
        ),
    )
    with pytest.raises(InvariantBroken, match=r"RegisterPod.* is refused: already_known"):
        history(twice)


def test_community_is_founded_in_an_order_that_can_be_decided() -> None:
    heard = history(a_street())
    pods = [entry for entry in heard.entries if isinstance(entry.command, RegisterPod)]
    assert len(pods) == 6
    assert {entry.at for entry in pods} == {founded_at(a_street())}


def test_deposits_are_paid_in_at_the_founding_once_their_pods_are_connected() -> None:
    scenario = a_street()
    pod, other = scenario.homes[1].pod, scenario.homes[0].pod
    heard = history(replace(scenario, deposits=((pod, 25_000_000), (other, 1))))
    paid = [
        (entry.at, event.pod, event.party, event.amount_nano)
        for entry in heard.entries
        for event in entry.events
        if isinstance(event, MoneyDeposited)
    ]
    at = founded_at(scenario)
    assert paid == [(at, pod, f"party-{pod}", 25_000_000), (at, other, f"party-{other}", 1)]
