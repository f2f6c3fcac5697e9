"""Devices that are watched: what they tell, and what is odd about it."""

from __future__ import annotations

from wattbay.core.facts import DeviceKind
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Reading
from wattbay.periods import MINUTE, SECOND, Instant, instant
from wattbay.watch.anomalies import Anomaly, DeviceFacts, Finding, Watch

MIDNIGHT = instant("2013-06-10T00:00Z")
HALF_HOUR = 30 * MINUTE
METER = MeterId("m07")
HOME = DeviceFacts(METER, power_max_w=23_000)
INVERTER = DeviceFacts(
    METER, kind=DeviceKind.PV_INVERTER, is_solar=True, power_max_w=4_000,
    latitude_deg=51.5, longitude_deg=-0.1,
)  # fmt: skip


def a_reading(
    seq: int,
    *,
    every: int = HALF_HOUR,
    at: int | None = None,
    boot: int = 1,
    drew: int | None = None,
    made: int = 0,
    flags: int = 0,
) -> Reading:
    return Reading(
        community=CommunityId("london"),
        device=METER,
        boot=boot,
        seq=seq,
        measured_at=Instant(MIDNIGHT + seq * every if at is None else at),
        import_register=10_000 + 100 * seq + seq % 3 if drew is None else drew,
        export_register=made,
        flags=flags,
        power_w=None,
        voltage_mv=None,
        proof=b"",
    )


def after(reading: Reading, delay: int = 5 * SECOND) -> Instant:
    return Instant(reading.measured_at + delay)


def judged(
    watch: Watch, *readings: Reading, facts: DeviceFacts = HOME, delay: int = 5 * SECOND
) -> list[Finding]:
    """Return what is odd about readings that come so long after they were made."""
    return [
        one for reading in readings for one in watch.judge(reading, after(reading, delay), facts)
    ]


def told(watch: Watch, *readings: Reading, facts: DeviceFacts = HOME) -> list[Anomaly]:
    """Return the same in a word each."""
    return [one.anomaly for one in judged(watch, *readings, facts=facts)]


def begun(last: int = 3, facts: DeviceFacts = HOME) -> Watch:
    """Return a watch that has seen some readings, and nothing odd."""
    watch = Watch()
    assert told(watch, *(a_reading(seq) for seq in range(1, last + 1)), facts=facts) == []
    return watch


def history(days: int, *, until: int = 0, at_night: int = 50, by_day: int = 300) -> list[Reading]:
    """Return half-hours of so many days, and then some that are asked for."""
    drew, found = 10_000, []
    for seq in range(1, 48 * days + until + 1):
        hour = seq % 48 / 2
        drew += (by_day if 7 < hour < 23 else at_night) + seq * 7 % 23
        found.append(a_reading(seq, drew=drew))
    return found
