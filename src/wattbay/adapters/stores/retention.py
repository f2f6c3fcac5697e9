"""Readings that have been kept for long enough: to Parquet files, and only then forgotten.

Whole weeks go, from Monday to Monday, UTC, a file for each community (`export`). A file is never
written over: what comes late for a week whose file is there gets a file of its own, numbered. So
one reading may stand in two files of a week, byte for byte the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import polars as pl

from wattbay.adapters.stores.durable import UNFINISHED, finish
from wattbay.adapters.stores.export import SCHEMA, frame, name_of, week_of
from wattbay.errors import AdapterError
from wattbay.ids import CommunityId
from wattbay.kernel.evidence import Reading
from wattbay.periods import DAY, Instant, Period
from wattbay.units import SAFE_INTEGER_MAX

READINGS_PER_PART = 50_000
"""Readings of a community that wait in memory before they are written."""
ATTEMPTS_MAX = 5
"""How often a week is written anew because more came in for it meanwhile."""
_FIRST = Instant(-SAFE_INTEGER_MAX)


class RetiringStore(Protocol):
    """A store of readings from which what is old can be taken."""

    def within(self, span: Period) -> Iterator[Reading]:
        """Yield all readings of a span, by instant."""

    def count(self, span: Period) -> int:
        """Return how many readings were measured in a span."""

    def forget(self, before: Instant) -> int:
        """Take away the readings measured before an instant; return how many they were."""


class Retired(NamedTuple):
    """A week that is no longer in the store."""

    week: Period
    files: tuple[Path, ...]
    readings: int


def cutoff(now: Instant, days: int) -> Instant:
    """Return the instant before which readings are older than so many days."""
    return Instant(now - days * DAY)


def retire(store: RetiringStore, folder: Path, before: Instant) -> Iterator[Retired | None]:
    """Write the weeks that ended by an instant to files, and forget each once its files are sound.

    A generator, so that a service can do something else in between: it yields each week when it
    is done, and None now and then. What is added to the store meanwhile is not lost.

    Raises
    ------
    AdapterError
        If a file cannot be written or does not read back, or the store does not answer. What was
        not written is still in the store.
    """
    limit = week_of(before).start
    attempts = 0
    while (first := next(store.within(Period(_FIRST, limit)), None)) is not None:
        week = week_of(first.measured_at)
        with tempfile.TemporaryDirectory(prefix="retire-", dir=_made(folder)) as scratch:
            parts = _Parts(Path(scratch))
            for reading in store.within(week):
                if parts.add(reading):
                    yield None
            files = tuple(parts.join(folder, week))
        # Late readings may have come in between: then nothing is forgotten yet.
        if store.count(Period(_FIRST, week.end)) != parts.count:
            attempts += 1
            if attempts >= ATTEMPTS_MAX:
                msg = f"readings of {name_of(first.community, week)} and before still come in"
                raise AdapterError(msg)
            continue
        store.forget(week.end)
        attempts = 0
        yield Retired(week, files, parts.count)


class _Parts:
    """The readings of a week on their way to its files: a few in memory, the rest in pieces."""

    def __init__(self, scratch: Path) -> None:
        self.count = 0
        self._scratch = scratch
        self._waiting: dict[CommunityId, list[Reading]] = {}
        self._parts: dict[CommunityId, list[Path]] = {}

    def add(self, reading: Reading) -> bool:
        """Take a reading; tell whether that was some work."""
        self.count += 1
        waiting = self._waiting.setdefault(reading.community, [])
        waiting.append(reading)
        if len(waiting) < READINGS_PER_PART:
            return False
        self._flush(reading.community)
        return True

    def join(self, folder: Path, week: Period) -> Iterator[Path]:
        """Make one file of each community's pieces; yield them."""
        for community in sorted(self._waiting):
            self._flush(community)
            yield _join(self._parts[community], folder, community, week)

    def _flush(self, community: CommunityId) -> None:
        readings, self._waiting[community] = self._waiting[community], []
        if not readings:
            return
        parts = self._parts.setdefault(community, [])
        part = self._scratch / f"{community}-{len(parts):06}.parquet"
        table = frame(readings)
        try:
            table.write_parquet(part)
            is_whole = pl.read_parquet(part).equals(table)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise _broken(part, error) from error
        if not is_whole:
            raise _broken(part, "it does not read back as it was written")
        parts.append(part)


def _join(parts: Sequence[Path], folder: Path, community: CommunityId, week: Period) -> Path:
    """Write pieces as one file, unless a file of that week holds just them already."""
    first = folder / name_of(community, week)
    number = 0
    while True:
        number += 1
        path = first if number == 1 else first.with_stem(f"{first.stem}-{number}")
        try:
            if not path.exists():
                unfinished = path.with_name(path.name + UNFINISHED)
                pl.scan_parquet(list(parts)).sink_parquet(unfinished)
                if not _holds(unfinished, parts):
                    raise _broken(path, "it does not read back as it was written")
                finish(unfinished, path)
                return path
            if _holds(path, parts):
                return path
        except (OSError, pl.exceptions.PolarsError) as error:
            raise _broken(path, error) from error


def _holds(path: Path, parts: Sequence[Path]) -> bool:
    """Tell whether a file holds these pieces and nothing else, one after the other."""
    whole = pl.scan_parquet(path)
    if whole.collect_schema() != SCHEMA:
        return False
    at = 0
    for part in parts:
        table = pl.read_parquet(part)
        if not whole.slice(at, table.height).collect().equals(table):
            return False
        at += table.height
    return bool(whole.select(pl.len()).collect().item() == at)


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _broken(folder, error) from error
    return folder


def _broken(path: Path, why: Exception | str) -> AdapterError:
    return AdapterError(f"{path} cannot be written: {why}")
