"""Verified readings as they were signed: what is kept of them, and what every store promises.

Readings are evidence, not history: meters may publish every few seconds, and only the registers
that a delivery needs become commands and enter the journal. What was signed is kept beside it, so
that it can be checked again. The port `ReadingStore` stands here, where what stores and what is
stored by a wire can both see it; a store stands in `wattbay.adapters.stores`.

A reading is known by its device and by two counters: how often the device was started (`boot`),
and how many readings it has made since (`seq`). A store takes each pair once. Bytes that come
again change nothing; other bytes under a pair or an instant that is taken are an alarm.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from wattbay.ids import CommunityId, MeterId
from wattbay.periods import Instant, Period

RUNS_MAX = 256
"""Stretches of numbers without a gap that are kept for one start of a device."""
ALARMS_PER_DEVICE_MAX = 100
"""Alarms whose bytes are kept; more are counted by whoever is told of them."""


class Flag(IntEnum):
    """What a device says of itself; a reading bears their sum."""

    TAMPER = 1
    """Its case was opened, or a magnet held to it."""
    LOW_BATTERY = 2


class Reading(NamedTuple):
    """The registers of a device at an instant, with the bytes that prove it."""

    community: CommunityId
    device: MeterId
    boot: int
    seq: int
    measured_at: Instant
    import_register: int
    """[register units]"""
    export_register: int
    """[register units]"""
    flags: int
    """A sum of `Flag`."""
    power_w: int | None
    """At that instant; into the grid is positive. [W]"""
    voltage_mv: int | None
    """At that instant, first phase. [mV]"""
    proof: bytes
    """The bytes as signed."""


class Outcome(IntEnum):
    """What became of a reading that was to be stored."""

    STORED = 0
    REPEATED = 1
    """The very same bytes are stored already."""
    ALTERED = 2
    """Other bytes are stored under its counters or its instant: an alarm, nothing changed."""
    TOO_MANY_GAPS = 3
    """So many numbers before it are missing that it cannot be kept track of; nothing changed."""


class Runs:
    """Which numbers of one start of a device are accounted for, as stretches without a gap."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, runs: Iterable[tuple[int, int]] = ()) -> None:
        """Begin with stretches: the first and last number of each, in order."""
        pairs = list(runs)
        self._starts = [first for first, _ in pairs]
        self._ends = [last for _, last in pairs]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the stretches in order, first and last number of each."""
        return iter(zip(self._starts, self._ends, strict=True))

    def __contains__(self, seq: int) -> bool:
        """Tell whether a number is accounted for."""
        place = bisect_right(self._starts, seq) - 1
        return place >= 0 and seq <= self._ends[place]

    @property
    def contiguous(self) -> int:
        """The highest number up to which none is missing; 0 while the first is."""
        if self._starts and self._starts[0] <= 1:
            return self._ends[0]
        return 0

    def add(self, seq: int) -> bool:
        """Account for a number that is not yet; tell whether there was room for it."""
        starts, ends = self._starts, self._ends
        if ends and ends[-1] == seq - 1:  # nearly always
            ends[-1] = seq
            return True
        place = bisect_right(starts, seq)
        joins_left = place > 0 and ends[place - 1] == seq - 1
        joins_right = place < len(starts) and starts[place] == seq + 1
        if joins_left and joins_right:
            ends[place - 1] = ends.pop(place)
            del starts[place]
        elif joins_left:
            ends[place - 1] = seq
        elif joins_right:
            starts[place] = seq
        elif len(starts) >= RUNS_MAX:
            return False
        else:
            starts.insert(place, seq)
            ends.insert(place, seq)
        return True


class Source(NamedTuple):
    """One start of one device: what a sequence of numbers belongs to."""

    community: CommunityId
    device: MeterId
    boot: int


class ReadingStore(Protocol):
    """Verified readings, whatever holds them. One writer; each batch is one durable write."""

    def add(self, batch: Sequence[Reading]) -> list[Outcome]:
        """Store readings; what is told as stored stands for good when this returns.

        Raises
        ------
        AdapterError
            If they do not stand for certain. None of the batch does, then, or all.
        """

    def runs(self, source: Source) -> Runs:
        """Return which numbers of a device's start are accounted for."""

    def of_device(
        self, community: CommunityId, device: MeterId, within: Period
    ) -> Iterator[Reading]:
        """Yield a device's readings of a span, by instant."""

    def within(self, span: Period) -> Iterator[Reading]:
        """Yield all readings of a span, by instant; what is added meanwhile may be among them."""

    def at(self, community: CommunityId, measured_at: Instant) -> Iterator[Reading]:
        """Yield all readings of a community at an instant, by device."""

    def alarms(self, community: CommunityId) -> Iterator[Reading]:
        """Yield what came under counters or an instant that were taken, oldest first."""

    def forget(self, before: Instant) -> int:
        """Take away the readings measured before an instant; return how many they were.

        Their numbers stay accounted for, so that none of them can come again.
        """

    def close(self) -> None:
        """Let go of what holds them."""


class MemoryReadingStore:
    """Readings in memory, gone with the process: for tests, and towns that need none."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._readings: dict[tuple[Instant, CommunityId, MeterId], Reading] = {}
        self._runs: dict[Source, Runs] = {}
        self._alarms: list[Reading] = []
        self._forgotten_before = Instant(0)

    def add(self, batch: Sequence[Reading]) -> list[Outcome]:
        """Store readings; see `ReadingStore.add`."""
        return [self._add(reading) for reading in batch]

    def _add(self, reading: Reading) -> Outcome:
        runs = self.runs(source_of(reading))
        key = (reading.measured_at, reading.community, reading.device)
        held = self._readings.get(key)
        outcome = judge(reading, runs, None if held is None else held.proof, self._forgotten_before)
        if outcome is Outcome.STORED:
            self._readings[key] = reading
        elif outcome is Outcome.ALTERED:
            known = sum(one.device == reading.device for one in self._alarms)
            if known < ALARMS_PER_DEVICE_MAX and reading not in self._alarms:
                self._alarms.append(reading)
        return outcome

    def runs(self, source: Source) -> Runs:
        """Return which numbers of a device's start are accounted for."""
        return self._runs.setdefault(source, Runs())

    def of_device(
        self, community: CommunityId, device: MeterId, within: Period
    ) -> Iterator[Reading]:
        """Yield a device's readings of a span, by instant."""
        for key in sorted(self._readings):
            if key[0] in within and key[1:] == (community, device):
                yield self._readings[key]

    def within(self, span: Period) -> Iterator[Reading]:
        """Yield all readings of a span, by instant."""
        yield from (self._readings[key] for key in sorted(self._readings) if key[0] in span)

    def at(self, community: CommunityId, measured_at: Instant) -> Iterator[Reading]:
        """Yield all readings of a community at an instant, by device."""
        for key in sorted(self._readings):
            if key[:2] == (measured_at, community):
                yield self._readings[key]

    def alarms(self, community: CommunityId) -> Iterator[Reading]:
        """Yield what came under counters or an instant that were taken, oldest first."""
        return (reading for reading in self._alarms if reading.community == community)

    def forget(self, before: Instant) -> int:
        """Take away the readings measured before an instant; return how many they were."""
        gone = [key for key in self._readings if key[0] < before]
        for key in gone:
            del self._readings[key]
        self._forgotten_before = max(self._forgotten_before, before)
        return len(gone)

    def close(self) -> None:
        """Do nothing."""


def source_of(reading: Reading) -> Source:
    """Return what the number of a reading belongs to."""
    return Source(reading.community, reading.device, reading.boot)


def judge(reading: Reading, runs: Runs, held: bytes | None, forgotten_before: Instant) -> Outcome:
    """Return what becomes of a reading, and account for its number.

    Parameters
    ----------
    runs
        What is accounted for of its device's start; the number is added to it.
    held
        The proof that is stored of this device at this instant; None where there is none.
    forgotten_before
        Readings that were measured earlier may have been stored and taken away since.

    Notes
    -----
    A number that is accounted for without a reading at its instant was another reading's.
    """
    if held == reading.proof:
        return Outcome.REPEATED
    if reading.seq in runs:
        is_forgotten = held is None and reading.measured_at < forgotten_before
        return Outcome.REPEATED if is_forgotten else Outcome.ALTERED
    if not runs.add(reading.seq):
        return Outcome.TOO_MANY_GAPS
    return Outcome.STORED if held is None else Outcome.ALTERED
