"""What can be asked of the past: rows folded from the journal, visible at once.

A row comes with the entry that tells of it and changes with later ones: a trade is open until its
delivery is settled, an order until it is filled, has expired or was withdrawn. Of receipts, meters
and imbalances every version stays, and the newest is marked. Columns bear the names of the run
folder's tables (`wattbay.views.tables`): instants in µs of UTC, energies in Wh, money in
nano-currency, prices in nano-currency per Wh.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from wattbay.kernel.codec import Entry
from wattbay.periods import Instant
from wattbay.views.retail import Cell
from wattbay.views.tables import TABLES, Column, columns

ROWS_MAX = 500
"""Rows of one answer."""

Answered = dict[str, Cell]
"""A row, by column."""

_EVERY = columns("number:int entry:int at:instant")
"""The columns that every table begins with; see `Want`."""


def _columns(first: str, table: str = "", last: str = "") -> tuple[Column, ...]:
    """Return the columns of a table: ours, those of the run folder's, and some more."""
    shared = [one for one in TABLES.get(table, ()) if one.name not in {"seq", "at"}]
    return (*_EVERY, *columns(first), *shared, *columns(last))


COLUMNS: Mapping[str, tuple[Column, ...]] = MappingProxyType(
    {
        "orders": _columns("order:int request:text product:text", "orders"),
        "trades": _columns("trade:int buy_order:int sell_order:int", "trades"),
        "prices": _columns("", "prices"),
        "deliveries": _columns(
            "delivery_start:instant delivery_end:instant product:text day:text state:text run:text"
            " gate_opens:instant gate_closes:instant price_nano_per_wh:int volume_wh:int"
            " pool_price_nano_per_wh:int"
        ),
        "meters": _columns(
            "delivery_start:instant delivery_end:instant pod:text import_wh:int export_wh:int"
            " quality:text newest:bool"
        ),
        "receipts": _columns(
            "",
            "receipts",
            "activated_wh:int taxable_nano:int quality:text corrects:int newest:bool",
        ),
        "statements": _columns("month:text", "statements"),
        "postings": _columns("", "postings", "debit_pod:text credit_pod:text"),
        "refusals": _columns("pod:text", "refusals"),
        "readings": _columns(
            "pod:text meter:text boot:int seq:int measured_at:instant boundary:instant"
            " import_register:int export_register:int import_wh:int export_wh:int quality:text"
        ),
        "parties": _columns(
            "party:text roles:text funding:text credit_limit_nano:int named:bool tax_from:instant"
        ),
        "pods": _columns(
            "pod:text since:instant until:instant party:text zone:text supplier:text brp:text"
            " tariff:text import_profile:text export_profile:text yearly_import_wh:int"
            " yearly_export_wh:int meter:text"
        ),
        "entries": _columns("command:text pod:text subject:text reason:text events:int"),
        "imbalances": _columns("", "imbalances", "newest:bool"),
        "retail_prices": _columns("", "retail_prices"),
        "responses": _columns("", "responses"),
    }
)
"""The tables and their columns.

`number` rises from row to row and never changes; `entry` is the number of the journal's entry that
tells of the row first, `at` its instant. In the tables that call it `seq` in the run folder, the
entry stands under that name as well.
"""

SEQ_TOO = frozenset(
    name
    for name in (*TABLES, "entries")
    if name == "entries" or any(column.name == "seq" for column in TABLES[name])
)
"""Tables in which `seq` is another name of `entry`."""

TIMES: Mapping[str, str] = MappingProxyType(
    {
        "orders": "delivery_start",
        "trades": "delivery_start",
        "prices": "delivery_start",
        "deliveries": "delivery_start",
        "meters": "delivery_start",
        "receipts": "delivery_start",
        "statements": "from",
        "postings": "at",
        "refusals": "at",
        "readings": "boundary",
        "parties": "at",
        "pods": "since",
        "entries": "at",
        "imbalances": "delivery_start",
        "retail_prices": "delivery_start",
        "responses": "delivery_start",
    }
)
"""By which column `since` and `until` go, of each table."""

PODS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "orders": ("pod",),
        "trades": ("buyer_pod", "seller_pod"),
        "meters": ("pod",),
        "receipts": ("pod",),
        "statements": ("pod",),
        "postings": ("debit_pod", "credit_pod"),
        "refusals": ("pod",),
        "readings": ("pod",),
        "pods": ("pod",),
        "entries": ("pod",),
        "responses": ("pod",),
    }
)
"""Which columns tell whom a row concerns; tables that are missing here concern no pod."""


class Want(NamedTuple):
    """What rows are wanted of a table."""

    table: str
    equals: Mapping[str, str | int | None] = MappingProxyType({})
    """By column."""
    pods: frozenset[str] | None = None
    """Rows that concern one of these (of trades: buyer or seller); None for all."""
    since: Instant | None = None
    until: Instant | None = None
    """Of the table's time, half-open."""
    after: int | None = None
    """Number of the last row that was seen."""
    limit: int = 100
    newest_first: bool = True


class Found(NamedTuple):
    """Rows, by number, and after which one to go on."""

    rows: list[Answered]
    next: int | None
    """None where there are no more."""


class History(Protocol):
    """The past, as far as it is folded."""

    @property
    def seq(self) -> int:
        """Number of the last entry folded."""

    def fold(self, entry: Entry) -> None:
        """Take the next entry; one that was taken before passes by."""

    def find(self, want: Want) -> Found:
        """Return the rows that are wanted, what was folded last included.

        Raises
        ------
        ValueError
            If there is no such table or column, or the table concerns no pods and some are named.
        """

    def all(self, want: Want) -> Iterator[Answered]:
        """Yield all rows that are wanted, by time and then number, whatever the limit.

        Raises
        ------
        ValueError
            As of `find`.
        """

    def one(self, table: str, **key: str | int | None) -> Answered | None:
        """Return the newest row in which each column of `key` is so; None where there is none.

        Raises
        ------
        ValueError
            As of `find`.
        """

    def flush(self) -> None:
        """Make what was folded durable."""

    def close(self) -> None:
        """Make it durable and let go."""


def check(want: Want) -> None:
    """Make sure that a table has what is wanted of it.

    Raises
    ------
    ValueError
        If not; says what there is.
    """
    if want.table not in COLUMNS:
        known = ", ".join(COLUMNS)
        raise ValueError(f"there is no table {want.table!r}, but {known}")
    names = {column.name for column in COLUMNS[want.table]}
    if want.table in SEQ_TOO:
        names.add("seq")
    unknown = sorted(set(want.equals) - names)
    if unknown:
        known = ", ".join(sorted(names))
        raise ValueError(f"{want.table} have no column {unknown[0]!r}, but {known}")
    if want.pods is not None and want.table not in PODS:
        raise ValueError(f"{want.table} concern no pods")
    if not 1 <= want.limit <= ROWS_MAX:
        raise ValueError(f"1 to {ROWS_MAX} rows at once, not {want.limit}")
