"""Questions to the tables of a history, in SQL; names come from the port, never from outside."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from heapq import nlargest, nsmallest

from wattbay.adapters.stores.history.schema import FINDING, TIMED, index_of
from wattbay.views.history import COLUMNS, PODS, ROWS_MAX, SEQ_TOO, TIMES, Answered, Found, Want
from wattbay.views.retail import Cell

PODS_APART_MAX = 64
"""Of so many pods each is looked up by itself; of more, all rows are gone through by number."""

Filter = tuple[str, list[Cell]]
"""A condition and its values."""


def find(db: sqlite3.Connection, want: Want, values: Sequence[str]) -> Found:
    """Return the rows that are wanted.

    Parameters
    ----------
    values
        What the columns of pods may hold, where pods are named.
    """
    condition, bound = _conditions(db, want)
    if want.after is not None:
        condition.append("number < ?" if want.newest_first else "number > ?")
        bound.append(want.after)
    numbers = _numbers(db, want, (condition, bound), values)
    rows = list(_rows(db, want.table, numbers[: want.limit]))
    if not want.newest_first:
        rows.sort(key=_number_of)
    is_more = len(numbers) > want.limit
    return Found(rows, numbers[want.limit - 1] if is_more else None)


def every(db: sqlite3.Connection, want: Want, values: Sequence[str]) -> Iterator[Answered]:
    """Yield all rows that are wanted, by time and number, a page at a time."""
    table, time = want.table, f'"{TIMES[want.table]}"'
    condition, bound = _conditions(db, want)
    hint = f"INDEXED BY {index_of(table, TIMES[table])}" if table in TIMED else "NOT INDEXED"
    if want.pods is not None:
        _among(table, condition, bound, values)
    order = f"{time}, number" if table in TIMED else "number"
    at: list[Cell] = []
    while True:
        where = [*condition]
        if at:
            where.append(f"{time} >= ? AND ({time} > ? OR number > ?)")
        page = db.execute(
            _select(table, f"FROM {table} {hint}", where, f"ORDER BY {order} LIMIT {ROWS_MAX}"),
            (*bound, *at),
        ).fetchall()
        for row in page:
            yield _answered(table, row)
        if len(page) < ROWS_MAX:
            return
        last = _answered(table, page[-1])
        at = [last[TIMES[table]], last[TIMES[table]], last["number"]]


def _conditions(db: sqlite3.Connection, want: Want) -> tuple[list[str], list[Cell]]:
    """Return what is asked of the rows, but for pods and the place to go on from."""
    table = want.table
    condition: list[str] = []
    bound: list[Cell] = []
    for name, value in want.equals.items():
        column = "entry" if name == "seq" and table in SEQ_TOO else name
        condition.append(f'"{column}" IS ?')
        bound.append(value)
        if column == "entry" and isinstance(value, int):
            condition.append("number >= ? AND number < ?")
            bound += [_first(db, table, "entry", value), _first(db, table, "entry", value + 1)]
    time = TIMES[table]
    for edge, sign in ((want.since, ">="), (want.until, "<")):
        if edge is not None:
            condition.append(f'"{time}" {sign} ?')
            bound.append(edge)
            if table not in TIMED:
                condition.append(f"number {sign} ?")
                bound.append(_first(db, table, time, edge))
    return condition, bound


def _first(db: sqlite3.Connection, table: str, column: str, least: int) -> int:
    """Return the number of the first row in which a column is no less; it rises with the number.

    Numbers have no gap, so that halving finds it without an index.
    """
    (low,) = db.execute(f"SELECT ifnull(min(number), 1) FROM {table}").fetchone()  # noqa: S608 - our own names
    (high,) = db.execute(f"SELECT ifnull(max(number), 0) + 1 FROM {table}").fetchone()  # noqa: S608 - our own names
    while low < high:
        middle = (low + high) // 2
        (found,) = db.execute(
            f'SELECT "{column}" FROM {table} WHERE number >= ? ORDER BY number LIMIT 1',  # noqa: S608 - our own names
            (middle,),
        ).fetchone()
        low, high = (middle + 1, high) if found < least else (low, middle)
    return int(low)


def _numbers(
    db: sqlite3.Connection,
    want: Want,
    conditions: tuple[list[str], list[Cell]],
    values: Sequence[str],
) -> list[int]:
    """Return the numbers of the rows that are wanted, one more than the limit where there is."""
    table, (condition, bound) = want.table, conditions
    order = f"ORDER BY number {'DESC' if want.newest_first else 'ASC'} LIMIT {want.limit + 1}"
    is_found = any(name in want.equals for name in FINDING.get(table, ()))
    if want.pods is None or is_found or len(values) > PODS_APART_MAX:
        condition, bound = [*condition], [*bound]
        if want.pods is not None:
            _among(table, condition, bound, values)
        is_span = want.since is not None and want.until is not None and table in TIMED
        hint = f"INDEXED BY {index_of(table, TIMES[table])}" if is_span and not is_found else ""
        return _column(db, _select("", f"FROM {table} {hint}", condition, order), bound)
    found: set[int] = set()
    for column in PODS[table]:
        source = f"FROM {table} INDEXED BY {index_of(table, column)}"
        query = _select("", source, [f'"{column}" = ?', *condition], order)
        for value in values:
            found.update(_column(db, query, [value, *bound]))
    best = nlargest if want.newest_first else nsmallest
    return best(want.limit + 1, found)


def _among(table: str, condition: list[str], bound: list[Cell], values: Sequence[str]) -> None:
    """Let one of the columns of pods hold one of the values."""
    one_of = "IN (SELECT value FROM json_each(?))"
    condition.append("(" + " OR ".join(f'"{name}" {one_of}' for name in PODS[table]) + ")")
    bound += [json.dumps(list(values))] * len(PODS[table])


def _rows(db: sqlite3.Connection, table: str, numbers: Sequence[int]) -> Iterator[Answered]:
    """Yield rows by their numbers, newest first."""
    condition = ["number IN (SELECT value FROM json_each(?))"]
    query = _select(table, f"FROM {table}", condition, "ORDER BY number DESC")
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


def _number_of(row: Answered) -> int:
    number = row["number"]
    return number if isinstance(number, int) else 0
