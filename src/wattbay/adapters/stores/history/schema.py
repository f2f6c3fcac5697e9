"""The tables of a history in SQLite, and how what was folded changes them."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType

from wattbay.views.history import COLUMNS, PODS, TIMES

APPLICATION_ID = 0x57424853
"""``WBHS``: what the file says of itself."""
FORMAT = 1
"""Raised whenever other rows are folded from the same entries."""

FINDING: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "orders": ("order", "request"),
        "trades": ("buy_order", "sell_order"),
        "parties": ("party",),
    }
)
"""Columns by which few rows are found."""
TIMED = tuple(name for name, column in TIMES.items() if column != "at")
"""Tables whose time does not rise with their number: they have an index of it."""

_TYPES = MappingProxyType(
    {"instant": "INTEGER", "int": "INTEGER", "text": "TEXT", "bool": "INTEGER"}
)


def index_of(table: str, column: str) -> str:
    """Return the name of the index that leads with a column."""
    return f'"{table} by {column}"'


def _tables() -> str:
    """Return the statements that make the tables."""
    made = [
        "CREATE TABLE watermark (seq INTEGER NOT NULL, hash BLOB NOT NULL);",
        "INSERT INTO watermark VALUES (0, x'');",
        "CREATE TABLE kept (number INTEGER PRIMARY KEY, event BLOB NOT NULL);",
    ]
    for table, columns in COLUMNS.items():
        rest = ", ".join(f'"{one.name}" {_TYPES[one.holds]}' for one in columns[1:])
        made.append(f"CREATE TABLE {table} (number INTEGER PRIMARY KEY, {rest});")
        time = TIMES[table]
        if table in TIMED:
            made.append(f'CREATE INDEX {index_of(table, time)} ON {table} ("{time}");')
        for column in PODS.get(table, ()):
            behind = f', "{time}"' if table in TIMED else ""
            made.append(f'CREATE INDEX {index_of(table, column)} ON {table} ("{column}"{behind});')
        for column in FINDING.get(table, ()):
            where = f'WHERE "{column}" IS NOT NULL'
            made.append(f'CREATE INDEX {index_of(table, column)} ON {table} ("{column}") {where};')
    made.append("CREATE INDEX live_deliveries ON deliveries (state) WHERE state <> 'final';")
    return "\n".join(made)


TABLES = _tables()
VERSION = int.from_bytes(sha256(f"{FORMAT}{TABLES}".encode()).digest()[:4], "big") >> 1
"""Of the format and every table: a file with another one is folded anew."""

# What is put into the texts are our own names, never values: so S608 has nothing to warn of.
INSERTS: Mapping[str, str] = MappingProxyType(
    {
        table: f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - see above
        for table, columns in COLUMNS.items()
    }
)
ORDERS = (
    "UPDATE orders SET quantity_wh = ?, limit_nano_per_wh = ?, type = ?, state = ?,"
    " filled_wh = ?, reason = ? WHERE number = ?"
)
DELIVERIES = (
    "UPDATE deliveries SET state = ?, run = ?, price_nano_per_wh = ?, volume_wh = ?"
    " WHERE number = ?"
)
UPDATES: Mapping[str, str] = MappingProxyType(
    {
        "delivered": "UPDATE trades SET delivered_wh = ?1, state = trade_state(quantity_wh, ?1)"
        " WHERE number = ?2",
        "cancelled": "UPDATE trades SET state = 'cancelled' WHERE number = ?",
        "receipts": "UPDATE receipts SET newest = 0"
        " WHERE pod = ? AND delivery_start = ? AND version < ? AND newest",
        "meters": "UPDATE meters SET newest = 0"
        " WHERE pod = ? AND delivery_start = ? AND number < ? AND newest",
        "imbalances": "UPDATE imbalances SET newest = 0"
        " WHERE delivery_start = ? AND number < ? AND newest",
        "pool_prices": "UPDATE prices SET pool_price_nano_per_wh = ?"
        " WHERE delivery_start = ? AND pool_price_nano_per_wh IS NULL",
        "facts": "UPDATE pods SET until = ? WHERE pod = ? AND number < ? AND until IS NULL",
        "exchanged": "UPDATE pods SET meter = ? WHERE pod = ?",
        "parties": "UPDATE parties SET roles = ?, funding = ?, credit_limit_nano = ?, named = ?,"
        " tax_from = ? WHERE party = ?",
    }
)
"""By field of `wattbay.views.live_rows.Changes`; they come after the rows that are new."""

KEPT = "SELECT event FROM kept ORDER BY number"
OPEN_ORDERS = (
    'SELECT entry, at, "order", product, delivery_start, pod, side, quantity_wh,'
    " limit_nano_per_wh, type, request, state, filled_wh, reason, number FROM orders"
    " WHERE state = 'open' AND delivery_start >= (SELECT ifnull(min(delivery_start), 0)"
    " FROM deliveries WHERE state <> 'final') ORDER BY number"
)
LIVE_DELIVERIES = (
    "SELECT number, entry, at, delivery_start, delivery_end, product, day, state, run, gate_opens,"
    " gate_closes, price_nano_per_wh, volume_wh FROM deliveries WHERE state <> 'final'"
    " ORDER BY number"
)
