"""How each device does: what was heard of it, what is odd about it, and one word for all that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from wattbay.ids import MeterId, PodId
from wattbay.kernel.evidence import Flag, Reading
from wattbay.periods import MINUTE, SECOND, Instant
from wattbay.watch.anomalies import Watch
from wattbay.watch.findings import Anomaly, DeviceFacts, Finding, Severity

CLOCK_OFFSET_MAX_US = 30 * SECOND
"""A clock that is further off gets attention. [µs]"""
LATENCY_MAX_US = 15 * MINUTE
"""A reading that took longer gets attention. [µs]"""
LAGS_MIN = 4
"""So many readings in a row with the same lag make it a clock's."""
KINDS_MAX = 16
"""Kinds of refused messages that are counted apart."""


class Status(StrEnum):
    """One word for how a device does."""

    OK = "ok"
    ATTENTION = "attention"
    """Somebody should look at it; what it tells may be settled, as suspect where it says so."""
    FAULTY = "faulty"
    """What it tells is not settled."""
    SILENT = "silent"
    UNSEEN = "unseen"
    """It has told nothing yet."""


class DeviceHealth(NamedTuple):
    """How a device does."""

    device: MeterId
    pod: PodId | None
    kind: str
    status: Status
    reasons: tuple[str, ...]
    """Why it is not ok, each in words."""
    last_seen: Instant | None
    """When its last reading came."""
    last_reading: Reading | None
    """The latest by its stamp; None since a restart."""
    is_online: bool | None
    """What its broker said last; None where it said nothing."""
    latency_us: int | None
    """From the stamp of its last reading until it came. [µs]"""
    clock_offset_us: int
    """How far its clock is ahead of ours at least; negative where it is behind. [µs]"""
    period_us: int | None
    """Between two of its readings, usually. [µs]"""
    missing: int
    """Numbers that are missing among its latest."""
    refusals: Mapping[str, int]
    """Messages in its name that were refused, by kind."""
    findings: tuple[Finding, ...]
    """What is odd and not closed, by anomaly."""
    is_tampered: bool
    is_battery_low: bool


class Healths:
    """How the devices of a community do."""

    def __init__(self, watch: Watch, facts: Callable[[], Mapping[MeterId, DeviceFacts]]) -> None:
        """Know of devices what a watch keeps, and what is told here.

        Parameters
        ----------
        facts
            Returns the facts of all devices that are enrolled.
        """
        self._watch = watch
        self._facts = facts
        self._latest: dict[MeterId, Reading] = {}
        self._online: dict[MeterId, bool] = {}
        self._refusals: dict[MeterId, Counter[str]] = {}
        self._open: dict[MeterId, dict[Anomaly, Finding]] = {}

    # --- what happened ---------------------------------------------------------------------

    def heard(self, reading: Reading) -> None:
        """Keep a reading that was stored, if it is the device's latest."""
        known = self._latest.get(reading.device)
        if known is None or known.measured_at <= reading.measured_at:
            self._latest[reading.device] = reading

    def said(self, device: MeterId, *, is_online: bool) -> None:
        """Keep what came on a device's status topic."""
        if device in self._facts():
            self._online[device] = is_online

    def refused(self, device: MeterId, kind: str, count: int) -> None:
        """Count messages in a device's name that the wire refused."""
        if device not in self._facts():
            return
        counts = self._refusals.setdefault(device, Counter())
        counts[kind if kind in counts or len(counts) < KINDS_MAX else "other"] += count

    def found(self, findings: Iterable[Finding]) -> None:
        """Keep what is odd, until it is closed."""
        for one in findings:
            self._open.setdefault(one.device, {})[one.anomaly] = one

    def closed(self, device: MeterId, anomaly: Anomaly) -> None:
        """Drop what somebody closed, or what ended by itself."""
        known = self._open.get(device)
        if known is not None:
            known.pop(anomaly, None)
            if not known:
                del self._open[device]

    def forget(self, device: MeterId) -> None:
        """Drop everything about a device that was revoked."""
        for known in (self._latest, self._online, self._refusals, self._open):
            known.pop(device, None)

    # --- how they do -----------------------------------------------------------------------

    def all(self) -> list[DeviceHealth]:
        """Return how all devices do, by device."""
        facts = self._facts()
        return [self._health(facts[device]) for device in sorted(facts)]

    def of(self, device: MeterId) -> DeviceHealth | None:
        """Return how a device does; None where none of that name is enrolled."""
        facts = self._facts().get(device)
        return None if facts is None else self._health(facts)

    def _health(self, facts: DeviceFacts) -> DeviceHealth:
        device = facts.device
        track = self._watch.tracks.get(device)
        known = self._open.get(device, {})
        findings = tuple(known[anomaly] for anomaly in Anomaly if anomaly in known)
        is_online = self._online.get(device)
        offset_us = _offset_us(track.least_us, is_lagging=track.lags >= LAGS_MIN) if track else 0
        flags = track.flags if track else 0
        reasons = [f"{one.anomaly}: {one.detail}" for one in findings]
        if is_online is False:
            reasons.append("it is offline")
        if abs(offset_us) > CLOCK_OFFSET_MAX_US and Anomaly.CLOCK_DRIFT not in known:
            direction = "ahead of" if offset_us > 0 else "behind"
            reasons.append(f"its clock is {abs(offset_us) // SECOND} s {direction} ours")
        elif track is not None and track.latency_us > LATENCY_MAX_US:
            reasons.append(f"its last reading took {track.latency_us // MINUTE} min to come")
        if track is None:
            reasons.append("no reading came yet")
        return DeviceHealth(
            device=device,
            pod=facts.pod,
            kind=facts.kind,
            status=_status(
                findings,
                reasons,
                is_seen=track is not None,
                is_silent=bool(track and track.is_silent),
            ),
            reasons=tuple(reasons),
            last_seen=track.seen_at if track else None,
            last_reading=self._latest.get(device),
            is_online=is_online,
            latency_us=track.latency_us if track else None,
            clock_offset_us=offset_us,
            period_us=(track.period_us or None) if track else None,
            missing=sum(gap.last - gap.first + 1 for gap in track.gaps) if track else 0,
            refusals=MappingProxyType(dict(self._refusals.get(device, {}))),
            findings=findings,
            is_tampered=bool(flags & Flag.TAMPER),
            is_battery_low=bool(flags & Flag.LOW_BATTERY),
        )


def _offset_us(least_us: int, *, is_lagging: bool) -> int:
    """Return how far a clock is off at least, by how long readings take. [µs]

    No reading comes before it was made: one that seems to has a clock that is ahead. One that is
    late may have waited; a clock is behind only where the lag is steady.
    """
    return -least_us if least_us < 0 or is_lagging else 0


def _status(
    findings: Iterable[Finding], reasons: list[str], *, is_seen: bool, is_silent: bool
) -> Status:
    """Return the one word."""
    if any(one.severity is Severity.HARD for one in findings):
        return Status.FAULTY
    if is_silent:
        return Status.SILENT
    if not is_seen:
        return Status.UNSEEN
    return Status.ATTENTION if reasons else Status.OK
