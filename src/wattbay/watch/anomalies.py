"""What is odd about readings and devices, judged one reading at a time.

A reading is compared with the last few of its device, and with what the device usually does. Those
that come late are put where they belong by their stamp before they are compared; a missing number
is told only when it has not come late either. A reading with a hard finding teaches nothing: the
next is compared with the last good one.

The usual case has to be cheap, for every reading comes this way: it compares a dozen integers. What
an anomaly costs does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from wattbay.errors import ConfigError, Fault
from wattbay.ids import MeterId
from wattbay.kernel.evidence import Flag, Reading
from wattbay.periods import HOUR, MINUTE, SECOND, Instant
from wattbay.watch import track as tracks
from wattbay.watch.findings import (
    NOBODY,
    SEVERITY,
    Anomaly,
    DeviceFacts,
    Finding,
    Severity,
    is_hard,
    of_device,
    of_reading,
    span,
    suspicion,
)
from wattbay.watch.steps import ahead, is_possible, late, step
from wattbay.watch.track import (
    GAPS_MAX,
    RECENT_MAX,
    Bounds,
    Gap,
    Limits,
    Registers,
    Snapshot,
    Track,
    bounds_of,
    first_of,
    keep_time,
)

REFUSED_AS = MappingProxyType({"bad signature": Anomaly.BAD_SIGNATURE, "altered": Anomaly.REPLAY})
"""What the wire calls what it refused, where that is odd once; the rest is when it is a flood."""
PERIOD_UNKNOWN_US = 3 * HOUR
"""How often a device is taken to tell that has done so once. [µs]"""
_WORDS = MappingProxyType(
    {
        "bad signature": "messages in its name were not signed by its key",
        "altered": "readings came with other bytes than those stored under their counters",
    }
)


class Watch:
    """What is odd about the devices of a community."""

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008 - a constant
        """Know no device yet."""
        self._limits = limits
        self._tracks: dict[MeterId, Track] = {}
        self._bounds: dict[MeterId, Bounds] = {}
        self._refusals: dict[MeterId, tuple[Instant, int]] = {}
        self._ended: dict[tuple[MeterId, Anomaly], None] = {}
        self.unwatched = 0
        """Readings so far of devices that there was no place for."""

    # --- readings --------------------------------------------------------------------------

    def judge(
        self, reading: Reading, received_at: Instant, facts: DeviceFacts
    ) -> tuple[Finding, ...]:
        """Return what is odd about a verified reading, and learn from it.

        Parameters
        ----------
        reading
            As it was stored; each once. They may come in any order.
        received_at
            When it came, by our clock.
        facts
            Of its device. Pass the same object as long as nothing changed.
        """
        track = self._tracks.get(reading.device)
        if track is None:
            return self._begin(reading, received_at, facts)
        bounds = self._bounds[reading.device]
        if bounds.facts is not facts:
            bounds = self._bounds[reading.device] = bounds_of(facts, self._limits)
        _, _, boot, seq, at, import_register, export_register, flags, _, _, _ = reading
        limits = self._limits
        found: list[Finding] = []
        passed_us = at - track.at
        if seq == track.seq + 1 and passed_us > 0 and boot == track.boot:
            track.seq = seq
        else:
            self._count(track, reading, received_at, found)
        if flags or track.flags:
            self._flags(track, reading, received_at, found)
        track.seen_at = max(track.seen_at, received_at)
        if track.is_silent:
            track.is_silent = False
            self._end(reading.device, Anomaly.SILENT)
        if passed_us <= 0:
            late(track, reading, received_at, bounds, found)
            return tuple(found)
        drew = import_register - track.import_register
        made = export_register - track.export_register
        if (
            not 0 <= drew <= passed_us * bounds.import_per_us + bounds.import_slack
            or not 0 <= made <= passed_us * bounds.export_per_us + bounds.export_slack
        ):
            before = Registers(track.at, track.import_register, track.export_register)
            if not is_possible(before, reading, received_at, bounds, found):
                return tuple(found)
        latency_us = received_at - at
        if -limits.ahead_max_us <= latency_us <= limits.behind_max_us:
            track.lags = 0
        elif not self._drift(track, reading, received_at, found):
            return tuple(found)
        keep_time(track, passed_us, latency_us)
        recent = track.recent
        recent.append((track.at, track.import_register, track.export_register))
        if len(recent) > RECENT_MAX:
            del recent[0]
        track.at = at
        track.import_register, track.export_register = import_register, export_register
        if at // limits.step_us != track.step and step(
            track, reading, received_at, bounds, limits, found
        ):
            self._end(reading.device, Anomaly.FLAT_LINE)
        return tuple(found)

    def _begin(
        self, reading: Reading, received_at: Instant, facts: DeviceFacts
    ) -> tuple[Finding, ...]:
        """Begin to watch a device."""
        if len(self._tracks) >= self._limits.devices_max:
            self.unwatched += 1
            return ()
        found: list[Finding] = []
        track = first_of(reading, received_at, self._limits)
        if reading.flags:
            self._flags(track, reading, received_at, found)
        if track.latency_us < -self._limits.ahead_max_us:
            found.append(ahead(reading, received_at))
            if track.latency_us < -self._limits.ahead_refused_us:
                return tuple(found)
        self._tracks[reading.device] = track
        self._bounds[reading.device] = bounds_of(facts, self._limits)
        return tuple(found)

    def _count(
        self, track: Track, reading: Reading, received_at: Instant, found: list[Finding]
    ) -> None:
        """Keep the numbers of a device, where one does not simply follow the last."""
        boot, seq = reading.boot, reading.seq
        newest = (boot, seq) > (track.boot, track.seq)
        if newest:
            if reading.measured_at <= track.at:
                words = f"number {seq} is stamped {span(track.at - reading.measured_at)} before"
                words += f" number {track.seq}, which was made earlier"
                found.append(of_reading(Anomaly.CLOCK_DRIFT, reading, received_at, words))
            first = track.seq + 1 if boot == track.boot else 1
            if seq > first:
                wait_us = max(self._limits.gap_wait_us, 3 * track.period_us)
                due_at = Instant(received_at + wait_us)
                track.gaps.append(Gap(boot, first, seq - 1, due_at, is_told=False))
                if len(track.gaps) > GAPS_MAX:
                    del track.gaps[0]
            track.boot, track.seq = boot, seq
            return
        for place, gap in enumerate(track.gaps):
            if gap.boot == boot and gap.first <= seq <= gap.last:
                pieces = (gap._replace(last=seq - 1), gap._replace(first=seq + 1))
                left = [piece for piece in pieces if piece.first <= piece.last]
                track.gaps[place : place + 1] = left
                if gap.is_told and not any(one.is_told for one in track.gaps):
                    self._end(reading.device, Anomaly.SEQUENCE_GAP)
                break

    def _flags(
        self, track: Track, reading: Reading, received_at: Instant, found: list[Finding]
    ) -> None:
        """Tell what a device says of itself: tampering each time, its battery once."""
        if reading.flags & Flag.TAMPER:
            words = "the device says that its case was opened, or a magnet held to it"
            found.append(of_reading(Anomaly.TAMPER, reading, received_at, words))
        if reading.measured_at < track.at:
            return
        gained, lost = reading.flags & ~track.flags, track.flags & ~reading.flags
        if gained & Flag.LOW_BATTERY:
            words = "the device says that its battery is low"
            found.append(of_reading(Anomaly.LOW_BATTERY, reading, received_at, words))
        if lost & Flag.LOW_BATTERY:
            self._end(reading.device, Anomaly.LOW_BATTERY)
        if lost & Flag.TAMPER:
            self._end(reading.device, Anomaly.TAMPER)
        track.flags = reading.flags

    def _drift(
        self, track: Track, reading: Reading, received_at: Instant, found: list[Finding]
    ) -> bool:
        """Compare a device's clock with ours; tell whether its reading may teach anything."""
        limits = self._limits
        latency_us = received_at - reading.measured_at
        if latency_us < 0:
            found.append(ahead(reading, received_at))
            return latency_us >= -limits.ahead_refused_us
        # What an outbox held comes with a lag that shrinks; a clock that is slow keeps it.
        if track.lags and abs(latency_us - track.lag_us) <= limits.ahead_max_us:
            track.lags += 1
            lasts_us = received_at - track.lag_since
            if lasts_us >= limits.steady_us and track.lags >= limits.steady_readings:
                words = f"its stamps have been {span(latency_us)} behind our clock"
                words += f" for {span(lasts_us)}"
                found.append(of_reading(Anomaly.CLOCK_DRIFT, reading, received_at, words))
        else:
            track.lag_since, track.lag_us, track.lags = received_at, latency_us, 1
        return True

    # --- what comes by the clock, and from the wire ----------------------------------------

    def silent(self, now: Instant) -> tuple[Finding, ...]:
        """Return which devices fell silent, and which numbers did not come late either.

        To be called every minute or so. Devices that were not heard of for long are forgotten.
        """
        limits = self._limits
        found: list[Finding] = []
        gone: list[MeterId] = []
        for device, track in self._tracks.items():
            quiet_us = now - track.seen_at
            if track.gaps:
                self._overdue(device, track, now, found)
            if track.is_silent:
                if quiet_us > limits.forgotten_after_us:
                    gone.append(device)
                continue
            period_us = track.period_us or PERIOD_UNKNOWN_US
            if quiet_us > max(limits.silent_min_us, limits.silent_periods * period_us):
                track.is_silent = True
                words = f"no reading for {span(quiet_us)}"
                words += f"; usually one every {span(period_us)}" if track.period_us else ""
                found.append(of_device(Anomaly.SILENT, device, now, words))
        for device in gone:
            self.forget(device)
        return tuple(found)

    def _overdue(self, device: MeterId, track: Track, now: Instant, found: list[Finding]) -> None:
        """Tell of missing numbers that were waited for in vain, all in one."""
        overdue = [gap for gap in track.gaps if not gap.is_told and now >= gap.due_at]
        if not overdue:
            return
        track.gaps = [gap._replace(is_told=True) if gap in overdue else gap for gap in track.gaps]
        count = sum(gap.last - gap.first + 1 for gap in overdue)
        first, last = overdue[0], overdue[-1]
        words = f"{count} numbers from {first.first} of start {first.boot}"
        words += f" to {last.last} of start {last.boot} did not come"
        finding = of_device(Anomaly.SEQUENCE_GAP, device, now, words)
        found.append(finding._replace(boot=first.boot, seq=first.first))

    def refused(self, device: MeterId, kind: str, count: int, at: Instant) -> tuple[Finding, ...]:
        """Return what is odd about messages that the wire refused.

        Parameters
        ----------
        device
            In whose name they came; `NOBODY` where no device is known of that name.
        kind
            What was wrong with them, as the wire counts it: ``bad signature``, ``altered``, …
        count
            How many they were since the last time.
        """
        found: list[Finding] = []
        anomaly = REFUSED_AS.get(kind)
        if anomaly is not None and device != NOBODY:
            found.append(of_device(anomaly, device, at, f"{count} {_WORDS[kind]}"))
        since, total = self._refusals.pop(device, (at, 0))
        if not since <= at < since + MINUTE:
            since, total = at, 0
        limit = self._limits.flood_max
        if total < limit <= total + count:
            words = f"{total + count} messages were refused within {span(at - since + SECOND)}"
            found.append(of_device(Anomaly.FLOOD, device, at, f"{words}; the last for: {kind}"))
        self._refusals[device] = (since, total + count)
        if len(self._refusals) > self._limits.devices_max:
            del self._refusals[next(iter(self._refusals))]
        return tuple(found)

    def _end(self, device: MeterId, anomaly: Anomaly) -> None:
        self._ended[device, anomaly] = None
        if len(self._ended) > self._limits.devices_max:
            del self._ended[next(iter(self._ended))]

    def ended(self) -> list[tuple[MeterId, Anomaly]]:
        """Return what was odd and is no more, since this was last called: an alert may close."""
        ended, self._ended = list(self._ended), {}
        return ended

    # --- what is known ---------------------------------------------------------------------

    @property
    def tracks(self) -> Mapping[MeterId, Track]:
        """What is kept of each device; to be read only."""
        return MappingProxyType(self._tracks)

    def forget(self, device: MeterId) -> None:
        """Begin anew with a device: it was revoked, or its registers were set."""
        self._tracks.pop(device, None)
        self._bounds.pop(device, None)
        self._refusals.pop(device, None)

    def snapshot(self) -> bytes:
        """Return everything that a restart needs."""
        return tracks.encode(Snapshot(tracks=self._tracks, ended=list(self._ended)))

    @classmethod
    def restored(
        cls,
        snapshot: bytes,
        resumed_at: Instant,
        facts_of: Mapping[MeterId, DeviceFacts],
        limits: Limits = Limits(),  # noqa: B008 - a constant
    ) -> Watch:
        """Go on from a snapshot.

        Parameters
        ----------
        resumed_at
            Now. Nobody is held to have been silent while nobody listened.
        facts_of
            Of each device; those that are not among them are forgotten.

        Raises
        ------
        ConfigError
            If it is no snapshot of a watch.
        """
        try:
            known = tracks.decode(snapshot)
        except msgspec.DecodeError as error:
            raise ConfigError(Fault("snapshot of the watch", str(error))) from error
        if known.form != tracks.FORM:
            raise ConfigError(Fault("snapshot of the watch", f"{known.form}, not {tracks.FORM}"))
        watch = cls(limits)
        for device, track in known.tracks.items():
            facts = facts_of.get(device)
            if facts is not None and len(watch._tracks) < limits.devices_max:
                track.seen_at = max(track.seen_at, resumed_at)
                watch._tracks[device] = track
                watch._bounds[device] = bounds_of(facts, limits)
        watch._ended = dict.fromkeys(known.ended)
        return watch


__all__ = [
    "NOBODY",
    "SEVERITY",
    "Anomaly",
    "DeviceFacts",
    "Finding",
    "Limits",
    "Severity",
    "Watch",
    "is_hard",
    "suspicion",
]
