"""What is kept of a device between two readings, and how that outlives the process."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from wattbay.core.facts import DeviceKind
from wattbay.ids import MeterId
from wattbay.kernel.evidence import Reading
from wattbay.periods import DAY, HOUR, MINUTE, SECOND, Instant
from wattbay.watch.findings import Anomaly, DeviceFacts
from wattbay.watch.history import Pattern
from wattbay.watch.sun import Night

RECENT_MAX = 16
"""Registers before the last that are kept, for what comes late."""
GAPS_MAX = 32
"""Stretches of missing numbers that are kept of a device; older ones are given up."""
UNITS_SLACK = 2
FORM = "wattbay-watch/1"


class Limits(NamedTuple):
    """What is borne before it is told. Times are those of the market: faster in a simulation."""

    step_us: int = 30 * MINUTE
    """Habits are learned by such steps of a day. [µs]"""
    gap_wait_us: int = 15 * MINUTE
    """So long a missing number may come late, and three of the device's periods. [µs]"""
    ahead_max_us: int = 30 * SECOND
    """So far a stamp may be ahead of our clock. [µs]"""
    ahead_refused_us: int = 2 * MINUTE
    """A stamp that is further ahead teaches nothing: the exchange refuses it, too. [µs]"""
    behind_max_us: int = 5 * MINUTE
    """So far stamps may be behind our clock steadily. [µs]"""
    steady_us: int = 20 * MINUTE
    """What lasts so long, and for so many readings, is steady. [µs]"""
    steady_readings: int = 4
    silent_periods: int = 10
    """A device is silent after so many of its usual periods ..."""
    silent_min_us: int = 15 * MINUTE
    """... and not before. [µs]"""
    flat_min_us: int = 24 * HOUR
    """A meter's line is flat after so long, and twice the longest that it ever told ..."""
    flat_source_us: int = 7 * DAY
    """... and that of a panel or turbine: there are days without sun or wind. [µs]"""
    power_margin: float = 1.25
    """More than this times the device's most is impossible; fuses bear somewhat more."""
    flood_max: int = 60
    """So many refused messages within a minute are a flood."""
    devices_max: int = 50_000
    """Devices that are watched; more are not, and counted."""
    forgotten_after_us: int = 60 * DAY
    """A device that was not heard of for so long gives its place up. [µs]"""


class Gap(NamedTuple):
    """Missing numbers of a start of a device."""

    boot: int
    first: int
    last: int
    due_at: Instant
    """Until then they are waited for."""
    is_told: bool


class Registers(NamedTuple):
    """What a device told at an instant."""

    at: Instant
    import_register: int
    export_register: int


class Track(msgspec.Struct, kw_only=True):
    """The last of a device, and its habits."""

    boot: int
    seq: int
    """The highest number of that start."""
    at: Instant
    """The latest stamp."""
    import_register: int
    export_register: int
    seen_at: Instant
    """When it was last heard of, by our clock."""
    period_us: int = 0
    """Between two of its readings, usually; 0 while that is unknown. [µs]"""
    latency_us: int = 0
    """Of the last reading, from its stamp to our clock. [µs]"""
    least_us: int = 0
    """The least that this was lately. [µs]"""
    lags: int = 0
    """How many readings in a row came with the same lag; 0 while none is behind."""
    lag_us: int = 0
    lag_since: Instant = Instant(0)
    flags: int = 0
    is_silent: bool = False
    recent: list[tuple[Instant, int, int]] = []
    """`Registers` before the last, by stamp."""
    gaps: list[Gap] = []
    step: int = 0
    """Number of the step in which the last one that was learned from ended."""
    step_at: Instant = Instant(0)
    step_import: int = 0
    step_export: int = 0
    last_import: int = -1
    """What the registers rose by in the last step."""
    last_export: int = -1
    flat_us: int = 0
    longest_flat_us: int = 0
    is_flat: bool = False
    draws: Pattern | None = None
    makes: Pattern | None = None
    night: Night | None = None


class Bounds(NamedTuple):
    """What follows from the facts of a device, worked out once."""

    facts: DeviceFacts
    width: int
    """How many register units until it begins again at zero."""
    import_per_us: float
    export_per_us: float
    """Most that a register can rise by. [register units/µs]"""
    import_slack: float
    export_slack: float
    """What rounding and stamps may add. [register units]"""
    w_per_unit_per_us: float
    """Power of a register unit a microsecond. [W·µs]"""
    is_placed: bool
    """Whether it is solar, and where it stands is known."""
    flat_us: int | None
    """How long its registers may stand still; None for what may be idle for ever. [µs]"""


class Snapshot(msgspec.Struct, kw_only=True):
    """Everything that outlives the process."""

    form: str = FORM
    tracks: dict[MeterId, Track]
    ended: list[tuple[MeterId, Anomaly]] = []


def bounds_of(facts: DeviceFacts, limits: Limits) -> Bounds:
    """Return what follows from the facts of a device."""
    most_w = facts.power_max_w
    per_us = float("inf")
    if most_w is not None:
        per_us = limits.power_margin * most_w / (HOUR * facts.unit_wh)
    export_per_us = per_us if facts.is_exporting_allowed else 0.0
    return Bounds(
        facts=facts,
        width=10**facts.digits,
        import_per_us=per_us,
        export_per_us=export_per_us,
        # A stamp may be off by seconds, and power is a limit of minutes.
        import_slack=UNITS_SLACK + per_us * MINUTE,
        export_slack=UNITS_SLACK + export_per_us * MINUTE,
        w_per_unit_per_us=float(facts.unit_wh * HOUR),
        is_placed=facts.is_solar
        and facts.latitude_deg is not None
        and facts.longitude_deg is not None,
        flat_us=_flat_us(facts.kind, limits),
    )


def _flat_us(kind: str, limits: Limits) -> int | None:
    """Return how long the registers of a kind of device may stand still. [µs]"""
    if kind == DeviceKind.METER:
        return limits.flat_min_us
    if kind in {DeviceKind.PV_INVERTER, DeviceKind.WIND_TURBINE}:
        return limits.flat_source_us
    return None


def first_of(reading: Reading, received_at: Instant, limits: Limits) -> Track:
    """Return the track of a device that begins with a reading: what was before is not known."""
    return Track(
        boot=reading.boot,
        seq=reading.seq,
        at=reading.measured_at,
        import_register=reading.import_register,
        export_register=reading.export_register,
        seen_at=received_at,
        latency_us=received_at - reading.measured_at,
        least_us=received_at - reading.measured_at,
        recent=[],
        gaps=[],
        step=reading.measured_at // limits.step_us,
        step_at=reading.measured_at,
        step_import=reading.import_register,
        step_export=reading.export_register,
    )


def keep_time(track: Track, passed_us: int, latency_us: int) -> None:
    """Keep how long a device's latest reading took, and how long after the one before it was made.

    One that is odd moves what is usual by a factor of two at most, and the next one back.
    """
    track.latency_us = latency_us
    least_us = track.least_us
    track.least_us = (
        latency_us if latency_us < least_us else least_us + (latency_us - least_us) // 64
    )
    period_us = track.period_us
    if passed_us != period_us:
        track.period_us = min(max(passed_us, period_us // 2), 2 * period_us or passed_us)


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Snapshot).decode
