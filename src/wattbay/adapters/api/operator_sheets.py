"""The operator's files: imbalances, allocation, tax, exposure, gaps and the ledger, as streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import JSON
from wattbay.adapters.api.callers import Who, check, node_of
from wattbay.adapters.api.forms import BrpQuery, MonthPath, Span, Spanned
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.problems import Flaw, Problem, forbidden
from wattbay.adapters.api.rows import CSV, csv_line, heads_of, moments
from wattbay.adapters.api.sections import Section
from wattbay.core.ledger import available
from wattbay.periods import DAY, Instant, instant
from wattbay.views import operator_files
from wattbay.views.operator_files import Sheet
from wattbay.views.retail import Cell

operator_sheets = Section(
    "operator's files",
    "What the operator hands on, as CSV or JSON, row by row: a year needs no more memory than a"
    " delivery. Instants stand in UTC, in local time, and with the offset between them.",
)

SPAN_USUAL_US = 31 * DAY
SPAN_MAX_US = 366 * DAY
ROWS_PER_CHUNK = 500
_INSTANTS = frozenset({"delivery_start", "delivery_end", "at"})
_ALL = (Permission.READ_ALL,)
_GRID = (Permission.READ_ALL, Permission.OPERATE_GRID)

Form = Annotated[Literal["csv", "json"], Query(description="In which form.", examples=["csv"])]
_CSV_GIVEN: Mapping[str, str] = MappingProxyType(
    {CSV: "delivery_start_utc,delivery_start_local,delivery_start_offset,brp,...\r\n"}
)


def _exporting(request: Request, who: Identity, *permissions: Permission) -> Node:
    """Return the node, once it is sure that somebody may take a table away."""
    check(request, who, *permissions)
    check(request, who, Permission.EXPORT)
    return node_of(request)


def _within(node: Node, span: Span) -> tuple[Instant, Instant]:
    """Return the span that is wanted; the last month, if nothing is said."""
    until = node.clock.now() if span.until is None else span.until
    since = Instant(until - SPAN_USUAL_US) if span.since is None else span.since
    if not 0 < until - since <= SPAN_MAX_US:
        flaw = Flaw(pointer="query/until", detail="after since, and at most 366 days after it")
        raise Problem(409, "wrong-span", "a year is the most at once", (flaw,))
    return since, until


@operator_sheets.get(
    "/files/imbalances",
    needs=(Permission.READ_ALL, Permission.READ_OWN),
    answer=tuple[dict[str, Cell], ...],
    gives=({"delivery_start": "2026-05-01T12:00Z", "brp": "supplier", "energy_wh": -420},),
    media=_CSV_GIVEN,
    refuses=(409,),
)
async def get_imbalances(
    request: Request, who: Who, span: Spanned, brp: BrpQuery = None, form: Form = "csv"
) -> Response:
    """Take away what each balance responsible party was long or short, delivery by delivery.

    A balance responsible party sees its own.
    """
    node = _exporting(request, who, Permission.READ_ALL, Permission.READ_OWN)
    seen = None if who.may(Permission.READ_ALL) else frozenset(map(str, who.parties))
    if seen is not None and brp is not None and brp not in seen:
        raise forbidden("these are another's imbalances")
    sheet = operator_files.imbalances(node.history, *_within(node, span))
    place = sheet.header.index("brp")

    def told() -> Iterator[tuple[Cell, ...]]:
        for row in sheet.rows:
            is_wanted = (brp is None or row[place] == brp) and (seen is None or row[place] in seen)
            yield row if is_wanted else ()

    return _sent(node, sheet._replace(rows=told()), "imbalances", form)


@operator_sheets.get(
    "/files/allocation",
    needs=_GRID,
    answer=tuple[dict[str, Cell], ...],
    gives=({"delivery_start": "2026-05-01T12:00Z", "zone": "z1", "pod": "h01", "import_wh": 300},),
    media=_CSV_GIVEN,
    refuses=(409,),
)
async def get_allocation(request: Request, who: Who, span: Spanned, form: Form = "csv") -> Response:
    """Take away the energy of each pod in each delivery, with zone, supplier and BRP.

    It is the grid operator's: what was metered, what was delivered of trades, what was instructed.
    """
    node = _exporting(request, who, *_GRID)
    sheet = operator_files.allocation(node.history, *_within(node, span))
    return _sent(node, sheet, "allocation", form)


@operator_sheets.get(
    "/files/missing-readings",
    needs=_GRID,
    answer=tuple[dict[str, Cell], ...],
    gives=({"delivery_start": "2026-05-01T12:00Z", "pod": "h01", "quality": "missing"},),
    media=_CSV_GIVEN,
    refuses=(409,),
)
async def get_missing_readings(
    request: Request, who: Who, span: Spanned, form: Form = "csv"
) -> Response:
    """Take away the periods of which no reading tells: estimated, or not known at all."""
    node = _exporting(request, who, *_GRID)
    sheet = operator_files.missing_readings(node.history, *_within(node, span))
    return _sent(node, sheet, "missing-readings", form)


@operator_sheets.get(
    "/files/tax/{month}",
    needs=_ALL,
    answer=tuple[dict[str, Cell], ...],
    gives=({"month": "2026-05", "party": "p01", "pod": "h01", "tax_nano": 412_000_000},),
    media={CSV: "month,party,pod,charges_nano,...\r\n"},
)
async def get_tax_summary(
    request: Request, who: Who, month: MonthPath, form: Form = "csv"
) -> Response:
    """Take away what each statement of a month comes to: charges, and tax on them."""
    node = _exporting(request, who, *_ALL)
    return _sent(node, operator_files.tax_summary(node.history, month), f"tax-{month}", form)


@operator_sheets.get(
    "/files/exposure",
    needs=_ALL,
    answer=tuple[dict[str, Cell], ...],
    gives=({"party": "p01", "balance_nano": 12_500_000_000, "held_nano": 30_000_000},),
    media={CSV: "party,funding,credit_limit_nano,balance_nano,...\r\n"},
)
async def get_exposure(request: Request, who: Who, form: Form = "csv") -> Response:
    """Take away what each party has, has at risk, and may still put at risk, as it is now."""
    node = _exporting(request, who, *_ALL)
    header = (
        *("party", "funding", "credit_limit_nano", "balance_nano", "held_nano"),
        "available_nano",
    )
    return _sent(node, Sheet(header, _exposed(node)), "exposure", form)


def _exposed(node: Node) -> Iterator[tuple[Cell, ...]]:
    state = node.state()
    ledger = state.ledger
    for name in sorted(ledger.accounts):
        party = state.registry.parties[name]
        accounts = ledger.accounts[name]
        yield (
            name,
            party.funding.value,
            party.credit_limit_nano,
            sum(ledger.money.get(one, 0) for one in accounts),
            sum(ledger.held.get(one, 0) for one in accounts),
            available(state.registry, ledger, name),
        )


@operator_sheets.get(
    "/files/ledger",
    needs=_ALL,
    answer=tuple[dict[str, Cell], ...],
    gives=({"entry": 5120, "asset": "GBP", "debit": "h02/p02", "credit": "h01/p01"},),
    media={CSV: "number,entry,at_utc,at_local,at_offset,...\r\n"},
    refuses=(409,),
)
async def get_ledger(request: Request, who: Who, span: Spanned, form: Form = "csv") -> Response:
    """Take away all postings of a span, in their order, of money and energy alike."""
    node = _exporting(request, who, *_ALL)
    sheet = operator_files.ledger(node.history, *_within(node, span))
    return _sent(node, sheet, "ledger", form)


# --- how they are sent -----------------------------------------------------------------------


def _sent(node: Node, sheet: Sheet, name: str, form: str) -> Response:
    """Return a sheet as it is streamed; what is wrong at once is told as a problem."""
    is_json = form == "json"
    chunks = _json(sheet) if is_json else _csv(node, sheet)
    first = next(chunks)
    headers = {} if is_json else {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    media = JSON if is_json else CSV
    return StreamingResponse(_in_turn(first, chunks), media_type=media, headers=headers)


async def _in_turn(first: bytes, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield chunks, and let everybody else have a turn between them."""
    yield first
    for chunk in chunks:
        if chunk:
            yield chunk
        await asyncio.sleep(0)


def _json(sheet: Sheet) -> Iterator[bytes]:
    """Yield a sheet as one list of objects; rows that are empty are left out, and counted."""
    chunk, mark = bytearray(b"["), b""
    for count, row in enumerate(sheet.rows, 1):
        if row:
            chunk += mark + msgspec.json.encode(dict(zip(sheet.header, row, strict=True)))
            mark = b",\n"
        if count % ROWS_PER_CHUNK == 0:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk + b"]\n")


def _csv(node: Node, sheet: Sheet) -> Iterator[bytes]:
    """Yield a sheet as CSV, likewise."""
    heads: list[str] = []
    for name in sheet.header:
        is_instant = name in _INSTANTS
        heads += heads_of(name) if is_instant else [name]
    chunk = bytearray(csv_line(heads))
    for count, row in enumerate(sheet.rows, 1):
        cells: list[Cell] = []
        for name, cell in zip(sheet.header, row, strict=bool(row)):
            cells += _moments(node, cell) if name in _INSTANTS else [cell]
        if cells:
            chunk += csv_line(cells)
        if count % ROWS_PER_CHUNK == 0:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)


def _moments(node: Node, cell: Cell) -> list[Cell]:
    return moments(node, instant(cell) if isinstance(cell, str) else None)
