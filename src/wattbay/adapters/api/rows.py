"""Rows of the past as they are told: instants as texts, money beside what people read.

The form of an answer says which columns are told, by the names of its fields. A field is a column;
or, of an instant, `…_local`, the community's own time; or, of money, the decimal text of
`…_nano`. `delivery` is the start of a delivery.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wattbay.adapters.api.answers import answer, settled
from wattbay.adapters.api.forms import local_text, money_text
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.pages import cursor_of, next_path, read_cursor
from wattbay.periods import Instant, to_text
from wattbay.views.history import COLUMNS, Answered, Want
from wattbay.views.retail import Cell

Told = dict[str, Any]
Keeps = Callable[[Answered], bool]

_OTHER_NAMES: Mapping[str, str] = MappingProxyType({"delivery": "delivery_start"})
SEEKS_MAX = 20
"""Pages of the history that one page looks through, where most rows are another's."""


def instants_of(table: str) -> frozenset[str]:
    """Return the columns of a table that are instants."""
    return frozenset(one.name for one in COLUMNS[table] if one.holds == "instant")


def shown(node: Node, table: str, row: Answered, fields: Iterable[str]) -> Told:
    """Return a row as it is told."""
    instants = instants_of(table)
    return {field: _cell(node, row, field, instants) for field in fields}


def _cell(node: Node, row: Answered, field: str, instants: frozenset[str]) -> object:
    column = _OTHER_NAMES.get(field, field)
    if column in row:
        value = row[column]
        return to_text(Instant(int(value))) if column in instants and value is not None else value
    base = field.removesuffix("_local")
    if base != field:
        at = row[_OTHER_NAMES.get(base, base)]
        return None if at is None else local_text(node.calendar, Instant(int(at)))
    return money_text(int(row[f"{field}_nano"] or 0))


def page(
    request: Request,
    node: Node,
    what: str,
    want: Want,
    form: type,
    *,
    cursor: str | None,
    keeps: Keeps | None = None,
) -> Response:
    """Return a page of rows, newest first.

    Parameters
    ----------
    what
        Which list: cursors of one are none of another.
    keeps
        Which rows the caller may see; all, if nothing is said.
    """
    fields = fields_of(form)
    rows, after = seek(node, want._replace(after=_place(node, what, cursor)), keeps)
    told = [shown(node, want.table, row, fields) for row in rows]
    link = None if after is None else next_path(request, cursor_of(node, what, after))
    return settled(request, {"items": told, "next": link})


def seek(node: Node, want: Want, keeps: Keeps | None) -> tuple[list[Answered], int | None]:
    """Return rows that are seen, and after which number to go on; None where there are no more."""
    rows: list[Answered] = []
    for _ in range(SEEKS_MAX):
        found = node.history.find(want)
        for row in found.rows:
            if keeps is None or keeps(row):
                rows.append(row)
                if len(rows) == want.limit:
                    is_last = row is found.rows[-1] and found.next is None
                    return rows, None if is_last else int(row["number"] or 0)
        if found.next is None:
            return rows, None
        want = want._replace(after=found.next)
    return rows, want.after


def _place(node: Node, what: str, cursor: str | None) -> int | None:
    found = read_cursor(node, what, cursor)
    return found if isinstance(found, int) else None


def fields_of(form: type) -> tuple[str, ...]:
    """Return the names of the fields of an answer."""
    found: tuple[str, ...] = form.__struct_fields__  # type: ignore[attr-defined] # of every Struct
    return found


def single(node: Node, table: str, row: Answered, form: type, **more: object) -> Response:
    """Return one row as an answer, with more about it."""
    return answer({**shown(node, table, row, fields_of(form)), **more})


# --- tables to take away ---------------------------------------------------------------------

CSV = "text/csv"
CSV_ROWS_PER_CHUNK = 500
_FORMULA = frozenset("=+-@\t\r")
"""With these a spreadsheet takes a text for a formula."""
_OFFSET = re.compile(r"^[+-][0-9]{2}:[0-9]{2}$")


def csv_lines(node: Node, table: str, rows: Iterable[Answered]) -> Iterator[bytes]:
    """Yield a table as CSV: each instant in UTC, in local time, and the offset between them."""
    names = [one for one in COLUMNS[table] if one.name != "number"]
    heads: list[str] = []
    for one in names:
        heads += heads_of(one.name) if one.holds == "instant" else [one.name]
    yield csv_line(heads)
    chunk: list[bytes] = []
    for row in rows:
        cells: list[Cell] = []
        for one in names:
            value = row[one.name]
            cells += (
                moments(node, None if value is None else int(value))
                if one.holds == "instant"
                else [value]
            )
        chunk.append(csv_line(cells))
        if len(chunk) >= CSV_ROWS_PER_CHUNK:
            yield b"".join(chunk)
            chunk.clear()
    yield b"".join(chunk)


def heads_of(name: str) -> list[str]:
    """Return the three columns of an instant."""
    return [f"{name}_utc", f"{name}_local", f"{name}_offset"]


def moments(node: Node, value: int | None) -> list[Cell]:
    """Return an instant in UTC, in local time, and the offset between them."""
    if value is None:
        return ["", "", ""]
    at = Instant(value)
    local = node.calendar.local(at)
    return [to_text(at), local.replace(tzinfo=None).isoformat(), local.isoformat()[-6:]]


def csv_line(cells: Iterable[Cell]) -> bytes:
    """Return a line of CSV; no text in it is a formula to a spreadsheet."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow([_safe(cell) for cell in cells])
    return buffer.getvalue().encode()


def _safe(cell: Cell) -> Cell:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str) and cell[:1] in _FORMULA and not _OFFSET.match(cell) and cell:
        return f"'{cell}"
    return "" if cell is None else cell
