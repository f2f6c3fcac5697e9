"""What can be odd about a reading or a device, how grave that is, and one finding of it.

Hard is what no settlement may stand on: it never becomes a command. Soft is what may be true:
its energy settles as suspect until the metered data responsible confirms or substitutes it. A
notice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from wattbay.core.facts import DeviceKind
from wattbay.ids import MeterId, PodId
from wattbay.kernel.evidence import Reading
from wattbay.periods import SECOND, Instant

NOBODY = MeterId("")
"""Stands in a finding for senders that no device is known of."""


class Severity(StrEnum):
    """What a finding does to the reading in which it was found."""

    NOTICE = "notice"
    """Nothing."""
    SOFT = "soft"
    """Its energy settles as suspect until it is confirmed or substituted."""
    HARD = "hard"
    """It never settles."""


class Anomaly(StrEnum):
    """What can be odd."""

    BAD_SIGNATURE = "bad-signature"
    """Messages came in a device's name that its key did not sign."""
    REPLAY = "replay"
    """Other bytes came under counters or an instant that are taken."""
    SEQUENCE_GAP = "sequence-gap"
    """Numbers are missing, and did not come late either."""
    REGISTER_WENT_BACK = "register-went-back"
    IMPOSSIBLE_ENERGY = "impossible-energy"
    """More than the device can draw or make."""
    NIGHT_SOLAR = "night-solar"
    """What lives by the sun alone made energy in the dark."""
    CLOCK_DRIFT = "clock-drift"
    """Its stamps are ahead of our clock, steadily behind it, or went back."""
    FLAT_LINE = "flat-line"
    """It has told the same for longer than it ever did."""
    SUDDEN_CHANGE = "sudden-change"
    """Its energy is far from what its own history makes likely."""
    TAMPER = "tamper"
    """The device says that its case was opened, or a magnet held to it."""
    LOW_BATTERY = "low-battery"
    """The device says so."""
    SILENT = "silent"
    """No reading for many times as long as it usually takes."""
    FLOOD = "flood"
    """Too many messages were refused in a short time."""


SEVERITY = MappingProxyType(
    {
        Anomaly.BAD_SIGNATURE: Severity.HARD,
        Anomaly.REPLAY: Severity.HARD,
        Anomaly.SEQUENCE_GAP: Severity.NOTICE,
        Anomaly.REGISTER_WENT_BACK: Severity.HARD,
        Anomaly.IMPOSSIBLE_ENERGY: Severity.HARD,
        Anomaly.NIGHT_SOLAR: Severity.SOFT,
        Anomaly.CLOCK_DRIFT: Severity.SOFT,
        Anomaly.FLAT_LINE: Severity.SOFT,
        Anomaly.SUDDEN_CHANGE: Severity.SOFT,
        Anomaly.TAMPER: Severity.SOFT,
        Anomaly.LOW_BATTERY: Severity.NOTICE,
        Anomaly.SILENT: Severity.NOTICE,
        Anomaly.FLOOD: Severity.NOTICE,
    }
)
"""How grave each is. A lost reading costs resolution, never energy: so a gap is a notice."""


class DeviceFacts(NamedTuple):
    """What is known of a device from its enrolment and the registry."""

    device: MeterId
    pod: PodId | None = None
    kind: str = DeviceKind.METER
    """A word of `DeviceKind`."""
    unit_wh: int = 1
    """What one unit of its registers means. [Wh]"""
    digits: int = 9
    """Decimal digits of its registers, which begin again at zero after them."""
    power_max_w: int | None = None
    """Most that it can draw or make; None where nobody knows. [W]"""
    is_solar: bool = False
    """Whether all that it injects comes from the sun at once: no battery, no other source."""
    is_exporting_allowed: bool = True
    """Whether it can inject anything: a home without a source cannot."""
    latitude_deg: float | None = None
    """North is positive. [°]"""
    longitude_deg: float | None = None
    """East is positive. [°]"""


class Finding(NamedTuple):
    """One thing that was odd, with the reading in which it showed, where it was one."""

    anomaly: Anomaly
    severity: Severity
    device: MeterId
    boot: int | None
    seq: int | None
    measured_at: Instant | None
    found_at: Instant
    detail: str
    """One sentence, with figures."""


def is_hard(findings: Iterable[Finding]) -> bool:
    """Tell whether a reading with these findings must not settle."""
    return any(one.severity is Severity.HARD for one in findings)


def suspicion(findings: Iterable[Finding]) -> str:
    """Return the words that are kept with a reading that settles as suspect; else nothing.

    The soft anomalies in the order of `Anomaly`, such as ``night-solar, tamper``.
    """
    soft = {one.anomaly for one in findings if one.severity is Severity.SOFT}
    return ", ".join(anomaly for anomaly in Anomaly if anomaly in soft) if soft else ""


def of_reading(anomaly: Anomaly, reading: Reading, found_at: Instant, detail: str) -> Finding:
    """Return a finding that showed in a reading."""
    return Finding(
        anomaly, SEVERITY[anomaly], reading.device, reading.boot, reading.seq,
        reading.measured_at, found_at, detail,
    )  # fmt: skip


def of_device(anomaly: Anomaly, device: MeterId, found_at: Instant, detail: str) -> Finding:
    """Return a finding about a device that showed in no reading."""
    return Finding(anomaly, SEVERITY[anomaly], device, None, None, None, found_at, detail)


def span(length_us: int) -> str:
    """Write a length of time with one unit, such as ``26 h``."""
    seconds = length_us / SECOND
    for name, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"
