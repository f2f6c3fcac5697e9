"""Questions to the tables of a history, in SQL; names come from the port, never from outside."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from wattbay.adapters.stores.history.schema import (
    FINDING,
    LIVE_SPAN,
    STRETCH,
    STRETCH_BITS,
    TIMED,
    by_pod,
    by_time,
    by_time_and_pod,
    by_value,
)
from wattbay.views.history import COLUMNS, PODS, ROWS_MAX, SEQ_TOO, TIMES, Answered, Found, Want
from wattbay.views.retail import Cell

UNEVEN = ("statements", "pods")
"""Tables whose times are not the starts of deliveries."""
NUMBERS: Mapping[str, tuple[str, ...]] = MappingProxyType({"trades": ("number", "trade")})
"""Columns that say the same as the number, where there are others."""
_ONE_OF = "IN (SELECT value FROM json_each(?))"
_STARTS = "(SELECT value AS wanted_start FROM json_each(?))"
SEEKS_MAX = 5_000
"""Of so many deliveries and pods each is looked up by itself."""


class Asked(NamedTuple):
    """A want, as SQL has it."""

    table: str
    condition: tuple[str, ...]
    bound: tuple[Cell, ...]
    low: int
    high: int
    """No number is below `low`, or `high` or above."""
    times: tuple[int, int] | None
    """Of the table's time, half-open, where both are given."""
    pods: tuple[str, ...] | None


def find(db: sqlite3.Connection, want: Want, isp_us: int) -> Found:
    """Return the rows that are wanted.

    Parameters
    ----------
    isp_us
        Length of a delivery; 0 where nobody knows. [µs]
    """
    told = _asked(db, want)
    if want.after is not None and want.newest_first:
        told = told._replace(high=min(told.high, want.after))
    elif want.after is not None:
        told = told._replace(low=max(told.low, want.after + 1))
    finding = [name for name in FINDING.get(want.table, ()) if want.equals.get(name) is not None]
    if told.pods is None or finding:
        numbers = _at_once(db, want, told, finding)
    elif (starts := _starts(told, isp_us)) is not None:
        numbers = _by_time(db, want, told, starts)
    else:
        numbers = _by_stretch(db, want, told)
    rows = list(_rows(db, want.table, numbers[: want.limit]))
    if not want.newest_first:
        rows.reverse()
    return Found(rows, numbers[want.limit - 1] if len(numbers) > want.limit else None)


def every(db: sqlite3.Connection, want: Want) -> Iterator[Answered]:
    """Yield all rows that are wanted, by time and number, a page at a time."""
    table, told = want.table, _among(_asked(db, want))
    is_timed, name = table in TIMED, TIMES[table]
    hint = f"INDEXED BY {by_time(table)}" if is_timed else "NOT INDEXED"
    order = f'ORDER BY "{name}", number' if is_timed else "ORDER BY number"
    place: list[Cell] = []
    while True:
        condition, bound = _bounded(told)
        if place and is_timed:
            condition = (*condition, f'"{name}" >= ? AND ("{name}" > ? OR number > ?)')
        query = _select(table, f"FROM {table} {hint}", condition, f"{order} LIMIT {ROWS_MAX}")
        page = [_answered(table, row) for row in db.execute(query, (*bound, *place))]
        yield from page
        if len(page) < ROWS_MAX:
            return
        last = page[-1]["number"]
        if is_timed:
            place = [page[-1][name], page[-1][name], last]
        elif isinstance(last, int):
            told = told._replace(low=last + 1)


# --- what is asked ---


def _asked(db: sqlite3.Connection, want: Want) -> Asked:
    """Return what is asked of the rows, but for the place to go on from."""
    table, time = want.table, TIMES[want.table]
    condition: list[str] = []
    bound: list[Cell] = []
    low, high = _ends(db, table)
    for name, value in want.equals.items():
        column = "entry" if name == "seq" and table in SEQ_TOO else name
        if value is None:
            condition.append(f'"{column}" IS NULL')
            continue
        condition.append(f'"{column}" = ?')
        bound.append(value)
        if column in NUMBERS.get(table, ("number",)) and isinstance(value, int):
            low, high = max(low, value), min(high, value + 1)
        if column == "entry" and isinstance(value, int):
            low = max(low, _first(db, table, "entry", value))
            high = min(high, _first(db, table, "entry", value + 1))
    since, until = _span(db, want)
    for edge, sign in ((since, ">="), (until, "<")):
        if edge is not None:
            condition.append(f'"{time}" {sign} ?')
            bound.append(edge)
    if table not in TIMED and since is not None:
        low = max(low, _first(db, table, time, since))
    if table not in TIMED and until is not None:
        high = min(high, _first(db, table, time, until))
    times = None
    if table in TIMED and since is not None and until is not None:
        times = (since, until)
    pods = None if want.pods is None else tuple(sorted(want.pods))
    return Asked(table, tuple(condition), tuple(bound), low, high, times, pods)


def _span(db: sqlite3.Connection, want: Want) -> tuple[int | None, int | None]:
    """Return between which times the rows stand that are wanted, as far as that is known."""
    since: int | None = want.since
    until: int | None = want.until
    exactly = want.equals.get(TIMES[want.table])
    if isinstance(exactly, int):
        return max(exactly, exactly if since is None else since), min(
            exactly + 1, exactly + 1 if until is None else until
        )
    if want.table in ("orders", "trades") and want.equals.get("state") == "open":
        first, last = db.execute(LIVE_SPAN).fetchone()
        since = first if since is None else max(since, first)
        until = last if until is None else until
    return since, until


def _ends(db: sqlite3.Connection, table: str) -> tuple[int, int]:
    """Return the first number and the one after the last."""
    (low,) = db.execute(f"SELECT ifnull(min(number), 1) FROM {table}").fetchone()  # noqa: S608 - our own names
    (last,) = db.execute(f"SELECT ifnull(max(number), 0) FROM {table}").fetchone()  # noqa: S608 - our own names
    return low, last + 1


def _first(db: sqlite3.Connection, table: str, column: str, least: int) -> int:
    """Return the number of the first row in which a column is no less; it rises with the number.

    Halving finds it without an index.
    """
    low, high = _ends(db, table)
    query = f'SELECT "{column}" FROM {table} WHERE number >= ? ORDER BY number LIMIT 1'  # noqa: S608 - our own names
    while low < high:
        middle = (low + high) // 2
        (found,) = db.execute(query, (middle,)).fetchone()
        low, high = (middle + 1, high) if found < least else (low, middle)
    return low


def _starts(told: Asked, isp_us: int) -> list[int] | None:
    """Return the deliveries that are asked for; None where there are too many to look up each."""
    if told.times is None or told.table in UNEVEN or not isp_us:
        return None
    since, until = told.times
    starts = range(-(-since // isp_us) * isp_us, until, isp_us)
    return list(starts) if len(starts) * len(told.pods or ()) <= SEEKS_MAX else None


# --- ways to the numbers of rows: one more than the limit, where there is ---


def _at_once(db: sqlite3.Connection, want: Want, told: Asked, finding: Sequence[str]) -> list[int]:
    """Find rows of everybody, or by a value that few rows have."""
    hint = ""
    if finding:
        hint = f"INDEXED BY {by_value(told.table, finding[0])}"
    elif told.times is not None:
        hint = f"INDEXED BY {by_time(told.table)}"
    condition, bound = _bounded(_among(told))
    return _column(db, _select("", f"FROM {told.table} {hint}", condition, _order(want)), bound)


def _by_time(db: sqlite3.Connection, want: Want, told: Asked, starts: Sequence[int]) -> list[int]:
    """Find rows of pods in some deliveries, looking each up."""
    table, found = told.table, set[int]()
    condition, bound = _bounded(told)
    for column in PODS[table]:
        hint = f"INDEXED BY {by_time_and_pod(table, column)}"
        source = f"FROM {_STARTS} CROSS JOIN {table} {hint}"
        where = (f'"{TIMES[table]}" = wanted_start', f'"{column}" {_ONE_OF}', *condition)
        query = _select("", source, where, _order(want))
        found.update(_column(db, query, (json.dumps(starts), json.dumps(told.pods), *bound)))
    return _best(want, found)


def _by_stretch(db: sqlite3.Connection, want: Want, told: Asked) -> list[int]:
    """Find rows of pods stretch by stretch, until there are enough."""
    table, found = told.table, set[int]()
    if told.low >= told.high:
        return []
    condition, bound = _bounded(told)
    queries = [
        _select(
            "",
            f"FROM {table} INDEXED BY {by_pod(table, column)}",
            (f"{STRETCH} = ?", f'"{column}" {_ONE_OF}', *condition),
            _order(want),
        )
        for column in PODS[table]
    ]
    pods = json.dumps(told.pods)
    stretches = range(told.low >> STRETCH_BITS, (told.high - 1 >> STRETCH_BITS) + 1)
    for stretch in reversed(stretches) if want.newest_first else stretches:
        for query in queries:
            found.update(_column(db, query, (stretch, pods, *bound)))
        if len(found) > want.limit:
            break
    return _best(want, found)


def _best(want: Want, found: Iterable[int]) -> list[int]:
    """Return the numbers that come first."""
    return sorted(found, reverse=want.newest_first)[: want.limit + 1]


def _order(want: Want) -> str:
    return f"ORDER BY number {'DESC' if want.newest_first else 'ASC'} LIMIT {want.limit + 1}"


def _bounded(told: Asked) -> tuple[tuple[str, ...], tuple[Cell, ...]]:
    """Return conditions and their values, with the bounds of numbers."""
    return (*told.condition, "number >= ? AND number < ?"), (*told.bound, told.low, told.high)


def _among(told: Asked) -> Asked:
    """Let one of the columns of pods name a pod that is wanted, where pods are."""
    if told.pods is None:
        return told
    names = PODS[told.table]
    condition = "(" + " OR ".join(f'"{name}" {_ONE_OF}' for name in names) + ")"
    bound = (json.dumps(told.pods),) * len(names)
    return told._replace(
        condition=(*told.condition, condition), bound=(*told.bound, *bound), pods=None
    )


# --- rows ---


def _rows(db: sqlite3.Connection, table: str, numbers: Sequence[int]) -> Iterator[Answered]:
    """Yield rows by their numbers, newest first."""
    query = _select(table, f"FROM {table}", [f"number {_ONE_OF}"], "ORDER BY number DESC")
    for row in db.execute(query, (json.dumps(list(numbers)),)):
        yield _answered(table, row)


def _select(table: str, source: str, condition: Sequence[str], order: str) -> str:
    """Return a question for all columns of a table, or else for numbers."""
    names = ", ".join(f'"{one.name}"' for one in COLUMNS[table]) if table else "number"
    where = f"WHERE {' AND '.join(condition)}" if condition else ""
    return f"SELECT {names} {source} {where} {order}"


def _column(db: sqlite3.Connection, query: str, bound: Sequence[Cell]) -> list[int]:
    """Return a column of numbers."""
    return [number for (number,) in db.execute(query, bound)]


def _answered(table: str, row: Sequence[Cell]) -> Answered:
    """Return a row by column."""
    found: Answered = {}
    for (name, holds), value in zip(COLUMNS[table], row, strict=True):
        found[name] = bool(value) if holds == "bool" else value
    if table in SEQ_TOO:
        found["seq"] = found["entry"]
    return found
