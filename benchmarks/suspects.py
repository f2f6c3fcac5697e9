"""How often honest meters are suspected, and how many faults are found: a year of sixty real homes.

Three kinds of device are made of the half-hours of London in 2013: meters of homes that only draw,
meters of homes with panels (what is left of load and sun in each half-hour), and inverters. Their
readings come a few seconds late, some by hours, some after the next. Every device is watched for a
year without a fault; then each fault is put in at a day drawn for each device, after at least
sixty days of honest readings, and watched for a fortnight.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from wattbay.core.facts import DeviceKind
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Flag, Reading
from wattbay.periods import DAY, HOUR, MINUTE, SECOND, Instant, instant
from wattbay.watch.anomalies import SEVERITY, Anomaly, DeviceFacts, Finding, Severity, Watch

SEED = 2013
YEAR = instant("2013-01-01T00:00Z")
STEP_US = 30 * MINUTE
STEPS_A_DAY = 48
DAYS_BEFORE, DAYS_AFTER = 60, 14
FUSE_W = 23_000
"""Of a single-phase connection of 100 A. [W]"""
LATITUDE_DEG, LONGITUDE_DEG = 51.5, -0.1
SOURCES = Path(__file__).parents[1] / "src" / "wattbay" / "scenarios" / "data"

Energies = list[tuple[float, float]]
"""What a device drew and injected in each half-hour. [Wh]"""


class Device(NamedTuple):
    """What is watched, and what it measured."""

    facts: DeviceFacts
    energies: Energies


class Arrival(NamedTuple):
    """A reading on its way."""

    at: Instant
    seq: int
    reading: Reading


# --- who is watched --------------------------------------------------------------------------


def devices() -> dict[str, list[Device]]:
    """Return the devices of each kind."""
    load = pl.read_parquet(SOURCES / "london_2013_load_wh.parquet")
    sun = pl.read_parquet(SOURCES / "london_2013_pv_wh.parquet")
    homes = pl.read_csv(SOURCES / "london_2013_homes.csv")
    kwp = dict(zip(homes["home"], homes["pv_kwp"], strict=True))
    found: dict[str, list[Device]] = {"meters": [], "meters with panels": [], "inverters": []}
    for home in load.columns[1:]:
        drawn = load[home].to_list()
        facts = DeviceFacts(MeterId(home), power_max_w=FUSE_W, is_exporting_allowed=False)
        found["meters"].append(Device(facts, [(wh, 0.0) for wh in drawn]))
        if home not in sun.columns:
            continue
        made = sun[home].to_list()
        net = [(max(a - b, 0.0), max(b - a, 0.0)) for a, b in zip(drawn, made, strict=True)]
        facts = DeviceFacts(MeterId(f"{home}-net"), power_max_w=FUSE_W)
        found["meters with panels"].append(Device(facts, net))
        facts = DeviceFacts(
            MeterId(f"{home}-pv"), kind=DeviceKind.PV_INVERTER, is_solar=True,
            power_max_w=round(1_000 * kwp[home]), latitude_deg=LATITUDE_DEG,
            longitude_deg=LONGITUDE_DEG,
        )  # fmt: skip
        found["inverters"].append(Device(facts, [(0.0, wh) for wh in made]))
    return found


def readings(device: MeterId, energies: Energies, first: int = 0) -> Iterator[Reading]:
    """Yield what a meter tells at the end of each half-hour, in order.

    Parameters
    ----------
    first
        Which half-hour of the year is the first that is told; earlier ones count.
    """
    drew = made = 0.0
    for number, (import_wh, export_wh) in enumerate(energies, 1):
        drew += import_wh
        made += export_wh
        if number > first:
            yield Reading(
                CommunityId("london"), device, 1, number, Instant(YEAR + number * STEP_US),
                round(drew), round(made), 0, None, None, b"",
            )  # fmt: skip


def arrivals(told: Iterable[Reading], rng: random.Random) -> list[Arrival]:
    """Return readings in the order in which they come.

    Of a hundred, one is hours late, and one comes after the next.
    """
    found: list[Arrival] = []
    for reading in told:
        chance = rng.random()
        late_us = round(rng.uniform(1, 20) * SECOND)
        if chance < 0.01:
            late_us += round(rng.uniform(1, 24) * HOUR)
        elif chance < 0.02:
            late_us += STEP_US
        heapq.heappush(found, Arrival(Instant(reading.measured_at + late_us), reading.seq, reading))
    return [heapq.heappop(found) for _ in range(len(found))]


def watched(watch: Watch, facts: DeviceFacts, coming: Iterable[Arrival]) -> Iterator[Finding]:
    """Yield what is odd about readings that come, and about the time between them."""
    for at, _, reading in coming:
        yield from watch.judge(reading, at, facts)
        yield from watch.silent(at)


# --- honest devices --------------------------------------------------------------------------


class Honest(NamedTuple):
    """What a year without a fault brought."""

    kind: str
    device_months: int
    findings: Counter[Anomaly]
    alerts: Counter[Anomaly]
    """The same, but what is found again within a day counts once."""

    def soft(self, counts: Counter[Anomaly]) -> float:
        """Return how many soft ones there were for each device and month."""
        soft = (counts[one] for one in Anomaly if SEVERITY[one] is Severity.SOFT)
        return sum(soft) / self.device_months


def honest(kind: str, group: list[Device]) -> Honest:
    """Watch devices without a fault for a year."""
    result = Honest(kind, 12 * len(group), Counter(), Counter())
    for device in group:
        rng = random.Random(f"{SEED}/{device.facts.device}")
        coming = arrivals(readings(device.facts.device, device.energies), rng)
        last: dict[Anomaly, Instant] = {}
        for one in watched(Watch(), device.facts, coming):
            result.findings[one.anomaly] += 1
            if one.found_at - last.get(one.anomaly, YEAR) > DAY:
                result.alerts[one.anomaly] += 1
            last[one.anomaly] = one.found_at
    return result


# --- faults ----------------------------------------------------------------------------------


class Fault(NamedTuple):
    """What is done to a device from a day on, and what shall be found."""

    name: str
    wanted: Anomaly
    spoil: Callable[[list[Reading], Device], list[Reading]]
    """Of the readings from that day on."""
    kinds: tuple[str, ...] = ("meters", "meters with panels")


def _scaled(factor: float, add_w: float = 0.0) -> Callable[[list[Reading], Device], list[Reading]]:
    """Return what lets the registers run faster or slower."""

    def spoil(told: list[Reading], _: Device) -> list[Reading]:
        first = told[0]
        return [
            one._replace(
                import_register=first.import_register
                + round(
                    factor * (one.import_register - first.import_register) + number * add_w / 2
                ),
                export_register=first.export_register
                + round(factor * (one.export_register - first.export_register)),
            )
            for number, one in enumerate(told)
        ]

    return spoil


def _one(change: Callable[[Reading], Reading]) -> Callable[[list[Reading], Device], list[Reading]]:
    """Return what changes one reading."""

    def spoil(told: list[Reading], _: Device) -> list[Reading]:
        return [*told[:5], change(told[5]), *told[6:]]

    return spoil


def _shifted(shift_us: int) -> Callable[[list[Reading], Device], list[Reading]]:
    """Return what lets the device's clock be ahead."""

    def spoil(told: list[Reading], _: Device) -> list[Reading]:
        return [one._replace(measured_at=Instant(one.measured_at + shift_us)) for one in told]

    return spoil


def _stuck(told: list[Reading], _: Device) -> list[Reading]:
    rise = max(told[1].import_register - told[0].import_register, 1)
    return [
        one._replace(import_register=told[0].import_register + number * rise)
        for number, one in enumerate(told)
    ]


def _peak(told: list[Reading], device: Device) -> list[Reading]:
    """Let one half-hour be three times the largest of the year."""
    extra = round(3 * max(wh for wh, _ in device.energies))
    return [
        one._replace(import_register=one.import_register + (extra if number >= 5 else 0))
        for number, one in enumerate(told)
    ]


def _lamp(told: list[Reading], device: Device) -> list[Reading]:
    """Let an inverter make a tenth of its most, night and day."""
    extra_wh = (device.facts.power_max_w or 0) / 20
    return [
        one._replace(export_register=one.export_register + round(number * extra_wh))
        for number, one in enumerate(told)
    ]


ALL = ("meters", "meters with panels", "inverters")
FAULTS = (
    Fault("nothing at all", Anomaly.SUDDEN_CHANGE, lambda told, _: told, ALL),
    Fault("import register set to zero", Anomaly.REGISTER_WENT_BACK,
          _one(lambda one: one._replace(import_register=0))),
    Fault("import register 10 kWh back", Anomaly.REGISTER_WENT_BACK,
          _one(lambda one: one._replace(import_register=one.import_register - 10_000))),
    Fault("50 kWh in half an hour", Anomaly.IMPOSSIBLE_ENERGY,
          _one(lambda one: one._replace(import_register=one.import_register + 50_000))),
    Fault("makes a tenth of its most at night", Anomaly.NIGHT_SOLAR, _lamp, ("inverters",)),
    Fault("clock 60 s ahead", Anomaly.CLOCK_DRIFT, _shifted(60 * SECOND), ALL),
    Fault("clock 1 h behind", Anomaly.CLOCK_DRIFT, _shifted(-HOUR), ALL),
    Fault("registers stand still", Anomaly.FLAT_LINE, _scaled(0.0)),
    Fault("the same in each half-hour", Anomaly.FLAT_LINE, _stuck, ("meters",)),
    Fault("makes nothing", Anomaly.FLAT_LINE, _scaled(0.0), ("inverters",)),
    Fault("energy × 10", Anomaly.SUDDEN_CHANGE, _scaled(10.0)),
    Fault("energy × 3", Anomaly.SUDDEN_CHANGE, _scaled(3.0)),
    Fault("energy × 2", Anomaly.SUDDEN_CHANGE, _scaled(2.0)),
    Fault("energy × 1/2", Anomaly.SUDDEN_CHANGE, _scaled(0.5)),
    Fault("energy × 1/3", Anomaly.SUDDEN_CHANGE, _scaled(1 / 3)),
    Fault("energy × 1/10", Anomaly.SUDDEN_CHANGE, _scaled(0.1)),
    Fault("2 kW more, day and night", Anomaly.SUDDEN_CHANGE, _scaled(1.0, 2_000.0)),
    Fault("one half-hour at three times the peak", Anomaly.SUDDEN_CHANGE, _peak),
    Fault("makes half", Anomaly.SUDDEN_CHANGE, _scaled(0.5), ("inverters",)),
    Fault("makes a third", Anomaly.SUDDEN_CHANGE, _scaled(1 / 3), ("inverters",)),
    Fault("makes a tenth", Anomaly.SUDDEN_CHANGE, _scaled(0.1), ("inverters",)),
    Fault("three numbers lost", Anomaly.SEQUENCE_GAP, lambda told, _: told[:5] + told[8:], ALL),
    Fault("tells nothing more", Anomaly.SILENT, lambda told, _: told[:5], ALL),
    Fault("its case is opened", Anomaly.TAMPER,
          _one(lambda one: one._replace(flags=int(Flag.TAMPER))), ALL),
    Fault("its battery is low", Anomaly.LOW_BATTERY,
          _one(lambda one: one._replace(flags=int(Flag.LOW_BATTERY))), ALL),
)  # fmt: skip


class Found(NamedTuple):
    """How often a fault was found, and how soon."""

    fault: str
    kind: str
    share: float
    """Of the devices, within a fortnight."""
    median_h: float
    """Until it was told, where it was. [h]"""


def faulty(kind: str, group: list[Device], faults: Iterable[Fault]) -> Iterator[Found]:
    """Put each fault into each device of a kind."""
    wanted = [fault for fault in faults if kind in fault.kinds]
    delays: dict[str, list[float]] = {fault.name: [] for fault in wanted}
    for device in group:
        name = device.facts.device
        rng = random.Random(f"{SEED}/fault/{name}")
        start = STEPS_A_DAY * rng.randrange(DAYS_BEFORE, 365 - DAYS_AFTER)
        watch = Watch()
        honest_part = device.energies[: start + STEPS_A_DAY * DAYS_AFTER]
        told = list(readings(name, honest_part))
        for _ in watched(watch, device.facts, arrivals(told[:start], rng)):
            pass
        before = watch.snapshot()
        begins = told[start].measured_at
        comes = {
            one.seq: Instant(one.measured_at + rng.randrange(1, 20) * SECOND)
            for one in told[start:]
        }
        for fault in wanted:
            again = Watch.restored(before, Instant(begins - STEP_US), {name: device.facts})
            spoilt = fault.spoil(told[start:], device)
            coming = [Arrival(comes[one.seq], one.seq, one) for one in spoilt]
            found = [*watched(again, device.facts, coming)]
            for hour in range(DAYS_AFTER * 24):
                found += again.silent(Instant(begins + hour * HOUR))
            first = next((one.found_at for one in found if one.anomaly is fault.wanted), None)
            if first is not None:
                delays[fault.name].append((first - begins) / HOUR)
    for fault in wanted:
        found_h = sorted(delays[fault.name])
        median_h = found_h[len(found_h) // 2] if found_h else float("nan")
        yield Found(fault.name, kind, len(found_h) / len(group), median_h)


def main() -> None:
    """Print what an honest year brought, and how many faults were found."""
    groups = devices()
    print(f"{'a year without a fault':<24}{'device-months':>14}{'findings':>10}{'alerts':>8}")
    for kind, group in groups.items():
        year = honest(kind, group)
        findings, alerts = year.soft(year.findings), year.soft(year.alerts)
        print(f"{kind:<24}{year.device_months:>14}{findings:>10.2f}{alerts:>8.2f}")
        for anomaly, count in sorted(year.findings.items()):
            print(f"  {SEVERITY[anomaly]:<8}{anomaly:<20}{count:>8}{year.alerts[anomaly]:>10}")
    print(f"\n{'a fault, within a fortnight':<42}{'of':<22}{'found':>6}{'after':>10}")
    for kind, group in groups.items():
        for one in faulty(kind, group, FAULTS):
            print(f"{one.fault:<42}{one.kind:<22}{one.share:>6.0%}{one.median_h:>8.1f} h")


if __name__ == "__main__":
    main()
