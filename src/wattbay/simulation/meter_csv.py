"""One's own meters from a CSV file: read, checked, short gaps filled. Energies in Wh a period.

Two forms are read. Long, a row for each home and period: ``home,start,import_kwh`` and, where
there are panels, ``export_kwh``. Wide, a row for each period: ``start``, then a column of kWh
imported for each home. ``start`` is the start of a period, with its offset (``2024-05-01T00:30Z``)
or in local time. An empty cell is a missing value.
"""

from __future__ import annotations

import csv
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from wattbay.errors import ConfigError, Fault
from wattbay.periods import HOUR, MINUTE, Calendar, Instant, from_datetime, to_text
from wattbay.simulation.homes import HOME_CHARACTERS_MAX, HOMES_MAX, is_home

Array = NDArray[np.float64]

FAULTS_MAX = 50
"""So many faults are told; the rest is counted."""
ALIKE_MAX = 3
"""So many faults of one kind are told: a wrong decimal sign is wrong in every cell."""
HEADER_CHARACTERS = 60
"""Of a header that is not known, what is told."""
FILL_US_MAX = 2 * HOUR
"""Longer gaps are not filled. [µs]"""
POWER_MAX_KW = 100.0
"""More than this through a home's meter, on average over a period, is a mistake. [kW]"""


class MeterTable(NamedTuple):
    """What meters measured, gapless, over the time that all of them cover."""

    start: Instant
    step_us: int
    homes: tuple[str, ...]
    import_wh: Array
    """Shape (n_rows, n_homes). [Wh]"""
    export_wh: Array
    """Shape (n_rows, n_homes); zero where the file tells none. [Wh]"""
    filled: tuple[tuple[str, int], ...]
    """Homes with gaps, and how many of their values were filled."""
    left_out: int
    """Periods that only some of the homes cover, and that were left out."""


class _Faults:
    """What is wrong with a file so far; bounded."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: list[tuple[int, Fault]] = []
        self._first: dict[str, tuple[int, str]] = {}
        self._counts: Counter[str] = Counter()

    def add(self, line: int, what: str, remedy: str = "") -> None:
        """Note a fault of a line."""
        # Faults are alike that have one remedy, or differ in quoted texts and numbers only.
        kind = remedy or re.sub(r"'[^']*'|[0-9]+", "", what)
        self._counts[kind] += 1
        if self._counts[kind] <= ALIKE_MAX and len(self._found) < FAULTS_MAX:
            self._first.setdefault(kind, (line, remedy))
            self._found.append((line, Fault(f"{self._path}:{line}", what, remedy)))

    def stop_if_any(self) -> None:
        """Raise everything noted so far as one ConfigError."""
        if not self._counts:
            return
        told = [fault for _, fault in sorted(self._found, key=itemgetter(0))]
        untold = self._counts.total() - len(told)
        for kind, (line, remedy) in self._first.items():
            more = self._counts[kind] - ALIKE_MAX
            if more > 0:
                told.append(Fault(str(self._path), f"and {more:,} more like line {line}", remedy))
                untold -= more
        if untold:
            told.append(Fault(str(self._path), f"and {untold:,} more faults"))
        raise ConfigError(*told)


class _Column(NamedTuple):
    """The values of one home as they are read; NaN where a cell is empty."""

    starts: array[int]
    lines: array[int]
    import_kwh: array[float]
    export_kwh: array[float]


def read_meters(path: Path, calendar: Calendar) -> MeterTable:
    """Read a CSV file of meters, in either form.

    Parameters
    ----------
    calendar
        Whose local time is meant where a start bears no offset. An hour that the clocks repeat
        is taken as the first when it is first met, as the second when it comes again.

    Raises
    ------
    ConfigError
        Bears what is wrong, by line and column; at most `FAULTS_MAX` faults, the rest counted.
    """
    faults = _Faults(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as fault:
        raise ConfigError(Fault(str(path), f"cannot be read: {fault.strerror}")) from None
    except UnicodeDecodeError as fault:
        what = f"cannot be read: byte {fault.start + 1} is no UTF-8"
        raise ConfigError(Fault(str(path), what, "save it as UTF-8")) from None
    lines = text.splitlines()
    header = lines[0] if lines else ""
    delimiter = ";" if ";" in header and "," not in header else ","
    rows = csv.reader(lines, delimiter=delimiter)
    names = [name.strip() for name in next(rows, [])]
    if names[:1] == ["start"]:
        columns = _read_wide(rows, names, _Starts(calendar), faults)
    elif {"home", "start", "import_kwh"} <= set(names):
        columns = _read_long(rows, names, _Starts(calendar), faults)
    else:
        remedy = "home,start,import_kwh[,export_kwh] or start,<home>,<home>,..."
        what = f"the header is of neither form: {header[:HEADER_CHARACTERS]!r}"
        raise ConfigError(Fault(f"{path}:1", what, remedy))
    faults.stop_if_any()
    if not columns:
        raise ConfigError(Fault(str(path), "there is no home in it"))
    return _table(columns, faults)


class _Starts:
    """Reads starts of periods; remembers which local times have come once already."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._zone = ZoneInfo(calendar.zone)
        self._read: dict[str, tuple[Instant, Instant]] = {}
        self._met: set[tuple[str, str]] = set()

    def read(self, text: str, home: str) -> Instant:
        """Return the instant of a text.

        Raises
        ------
        ValueError
            If it is none, or a local time that the clocks leave out.
        """
        known = self._read.get(text)
        if known is None:
            known = self._read[text] = self._both(text)
        first, second = known
        if first == second or (home, text) not in self._met:
            self._met.add((home, text)) if first != second else None
            return first
        return second

    def _both(self, text: str) -> tuple[Instant, Instant]:
        """Return what a text means where it comes first, and where it comes again."""
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text!r} is no time; write 2024-05-01T00:30 or with Z") from None
        if moment.tzinfo is not None:
            at = from_datetime(moment)
            return at, at
        first = moment.replace(tzinfo=self._zone, fold=0)
        second = moment.replace(tzinfo=self._zone, fold=1)
        returned = first.astimezone(UTC).astimezone(self._zone).replace(tzinfo=None)
        if returned != moment:
            raise ValueError(f"{text} never occurs in {self._calendar.zone}: clocks go forward")
        return from_datetime(first), from_datetime(second)


def _energy(text: str, column: str, line: int, faults: _Faults) -> float:
    """Read kWh; NaN where the cell is empty or wrong."""
    text = text.strip()
    if not text:
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        remedy = "with a point, as 0.25" if "," in text else "a number, or nothing"
        faults.add(line, f"column {column}: {text!r} is no number", remedy)
        return float("nan")
    if not 0 <= value < float("inf"):
        remedy = "energy is not negative; what is injected is export_kwh in the long form"
        faults.add(line, f"column {column}: {text} is out of range", remedy)
        return float("nan")
    return value


def _home(name: str, line: int, column: str, faults: _Faults) -> bool:
    if is_home(name):
        return True
    near = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")
    remedy = f"1 to {HOME_CHARACTERS_MAX} letters, digits, _ or -"
    remedy = f"{near}?" if is_home(near) else remedy
    faults.add(line, f"column {column}: {name!r} is no identifier of a home", remedy)
    return False


def _read_wide(
    rows: Iterator[list[str]], names: Sequence[str], starts: _Starts, faults: _Faults
) -> dict[str, _Column]:
    columns: dict[str, _Column] = {}
    all_starts, all_lines = array("q"), array("q")
    for name in names[1:]:
        if _home(name, 1, name, faults) and name in columns:
            faults.add(1, f"column {name} is there twice")
        columns[name] = _Column(all_starts, all_lines, array("d"), array("d"))
    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) != len(names):
            faults.add(line, f"{len(row)} cells, the header has {len(names)}")
            continue
        try:
            start = starts.read(row[0].strip(), "")
        except ValueError as fault:
            faults.add(line, f"column start: {fault}")
            continue
        all_starts.append(start)
        all_lines.append(line)
        for name, cell in zip(names[1:], row[1:], strict=True):
            columns[name].import_kwh.append(_energy(cell, name, line, faults))
            columns[name].export_kwh.append(0.0)
    return columns


def _read_long(
    rows: Iterator[list[str]], names: Sequence[str], starts: _Starts, faults: _Faults
) -> dict[str, _Column]:
    columns: dict[str, _Column] = {}
    place = {name: at for at, name in enumerate(names)}
    unknown = sorted(set(names) - {"home", "start", "import_kwh", "export_kwh"})
    if unknown or len(place) != len(names):
        what = f"column {unknown[0]} is not known" if unknown else "a column is there twice"
        faults.add(1, what, "home, start, import_kwh, export_kwh")
    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) != len(names):
            faults.add(line, f"{len(row)} cells, the header has {len(names)}")
            continue
        home = row[place["home"]].strip()
        if home not in columns:
            if not _home(home, line, "home", faults):
                continue
            columns[home] = _Column(array("q"), array("q"), array("d"), array("d"))
        try:
            start = starts.read(row[place["start"]].strip(), home)
        except ValueError as fault:
            faults.add(line, f"column start: {fault}")
            continue
        bought = _energy(row[place["import_kwh"]], "import_kwh", line, faults)
        sold = 0.0
        if "export_kwh" in place:
            sold = _energy(row[place["export_kwh"]], "export_kwh", line, faults)
        column = columns[home]
        column.starts.append(start)
        column.lines.append(line)
        column.import_kwh.append(bought)
        column.export_kwh.append(sold)
    return columns


def _table(columns: dict[str, _Column], faults: _Faults) -> MeterTable:
    """Bring the homes onto common periods, over the time that all of them cover."""
    if len(columns) > HOMES_MAX:
        faults.add(1, f"{len(columns)} homes; at most {HOMES_MAX}")
    for home, column in columns.items():
        if np.isnan(np.array(column.import_kwh)).all():
            faults.add(1, f"column {home} has no values")
    step_us = _step(columns, faults)
    faults.stop_if_any()
    first, end, left_out = _overlap(columns, step_us, faults)
    grid = (first, step_us)
    checked: list[array[int]] = []
    for home, column in columns.items():
        # In the wide form all homes have the same starts: what is wrong there is told once.
        if not any(column.starts is one for one in checked[-1:]):
            _check_starts(home, column, grid, faults)
            checked.append(column.starts)
    rows = (end - first) // step_us
    import_wh = np.empty((rows, len(columns)))
    export_wh = np.empty_like(import_wh)
    filled: list[tuple[str, int]] = []
    for at, (home, column) in enumerate(columns.items()):
        count = _place(home, column, grid, (import_wh[:, at], export_wh[:, at]), faults)
        if count:
            filled.append((home, count))
    faults.stop_if_any()
    return MeterTable(first, step_us, tuple(columns), import_wh, export_wh, tuple(filled), left_out)


def _overlap(
    columns: dict[str, _Column], step_us: int, faults: _Faults
) -> tuple[Instant, Instant, int]:
    """Return the time that all homes cover, and how many periods only some of them cover."""
    spans = {
        home: (min(column.starts), max(column.starts) + step_us) for home, column in columns.items()
    }
    first = max(start for start, _ in spans.values())
    end = min(end for _, end in spans.values())
    if first >= end:
        late = max(spans, key=lambda home: spans[home][0])
        early = min(spans, key=lambda home: spans[home][1])
        what = f"{late} begins when {early} has ended: no time is covered by all homes"
        faults.add(1, what, "leave out the homes that do not overlap")
        faults.stop_if_any()
    whole = max(end for _, end in spans.values()) - min(start for start, _ in spans.values())
    return Instant(first), Instant(end), (whole - (end - first)) // step_us


def _step(columns: dict[str, _Column], faults: _Faults) -> int:
    """Return the length of a period: the most frequent distance of neighbours. [µs]"""
    distances: Counter[int] = Counter()
    for column in columns.values():
        gaps = np.diff(np.sort(np.array(column.starts, dtype=np.int64)))
        values, counts = np.unique(gaps[gaps > 0], return_counts=True)
        distances.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    if not distances:
        faults.add(2, "fewer than two periods")
        return HOUR
    step_us = max(sorted(distances), key=lambda gap: distances[gap])
    if HOUR % step_us or step_us < MINUTE:
        what = f"periods are {step_us / MINUTE:g} minutes apart, as a rule"
        faults.add(2, what, "periods must divide an hour: 60, 30, 15, 10 or 5 minutes")
        return HOUR
    return step_us


def _check_starts(home: str, column: _Column, grid: tuple[Instant, int], faults: _Faults) -> None:
    """Note periods that are off the grid, or there twice."""
    first, step_us = grid
    starts = np.array(column.starts, dtype=np.int64)
    lines = np.array(column.lines, dtype=np.int64)
    for index in np.flatnonzero((starts - first) % step_us).tolist():
        what = f"{home} at {to_text(Instant(int(starts[index])))} is off the periods of the rest"
        faults.add(int(lines[index]), what, f"every {step_us // MINUTE} minutes")
    order = np.argsort(starts, kind="stable")
    for index in np.flatnonzero(np.diff(starts[order]) == 0).tolist():
        again, before = int(lines[order[index + 1]]), int(lines[order[index]])
        when = to_text(Instant(int(starts[order[index]])))
        faults.add(again, f"{home} at {when} stands in line {before} already")


def _place(
    home: str,
    column: _Column,
    grid: tuple[Instant, int],
    tables: tuple[Array, Array],
    faults: _Faults,
) -> int:
    """Put the values of a home into its columns, short gaps filled; return how many periods."""
    first, step_us = grid
    lines = np.array(column.lines, dtype=np.int64)
    row = (np.array(column.starts, dtype=np.int64) - first) // step_us
    inside = (row >= 0) & (row < tables[0].size)
    line_of = np.ones(tables[0].size, dtype=np.int64)
    line_of[row[inside]] = lines[inside]
    most = POWER_MAX_KW * step_us / HOUR
    exported = np.array(column.export_kwh)
    if np.isnan(exported).all():
        exported = np.zeros_like(exported)  # a home without panels may leave them empty
    for table, energy in zip(tables, (np.array(column.import_kwh), exported), strict=True):
        for index in np.flatnonzero(energy > most).tolist():
            what = f"{home} has {energy[index]:g} kWh in {step_us // MINUTE} minutes"
            faults.add(int(lines[index]), what, "kWh, not Wh? a period's energy, no register?")
        table[:] = np.nan
        table[row[inside]] = energy[inside] * 1000
    missing = np.isnan(tables[0]) | np.isnan(tables[1])
    if missing.any():
        _check_gaps(home, missing, grid, line_of, faults)
        for table in tables:
            _fill(table)
    return int(missing.sum())


def _check_gaps(
    home: str,
    missing: NDArray[np.bool_],
    grid: tuple[Instant, int],
    line_of: NDArray[np.int64],
    faults: _Faults,
) -> None:
    """Note the gaps that are too long to be filled, each with the line before it."""
    first, step_us = grid
    edges = np.flatnonzero(np.diff(np.concatenate([[0], missing.astype(np.int8), [0]])))
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if (end - start) * step_us > FILL_US_MAX:
            since, until = (to_text(Instant(first + row * step_us)) for row in (start, end))
            what = f"{home} lacks {end - start} periods, from {since} to {until}"
            line = int(line_of[max(start - 1, 0)])
            faults.add(line, what, f"gaps of up to {FILL_US_MAX // HOUR} hours are filled")


def _fill(values: Array) -> None:
    """Fill gaps linearly, in place; at an end with the nearest value."""
    missing = np.isnan(values)
    known = np.flatnonzero(~missing)
    if known.size and missing.any():
        values[missing] = np.interp(np.flatnonzero(missing), known, values[known])
