"""The tables of a history in SQLite, and how what was folded changes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
        "statements": ("month",),
        "parties": ("party",),
        "pods": ("pod",),
    }
)
"""Columns by which few rows are found."""
TIMED = tuple(name for name, column in TIMES.items() if column != "at")
"""Tables whose time does not rise with their number: they have indexes of it."""
STRETCH_BITS = 12
"""A stretch is so many rows that their numbers differ in these last bits alone.

Indexes of pods begin with the stretch or the time, never with the pod: so what is written together
stands together. An index that begins with the pod is written on as many pages as there are pods.
"""
STRETCH = f"(number >> {STRETCH_BITS})"

_TYPES: Mapping[str, str] = MappingProxyType(
    {"instant": "INTEGER", "int": "INTEGER", "text": "TEXT", "bool": "INTEGER"}
)


def by_pod(table: str, column: str) -> str:
    """Return the name of the index that finds rows of a pod, stretch by stretch."""
    return f'"{table} by {column}"'


def by_value(table: str, column: str) -> str:
    """Return the name of the index that finds rows by a column's value."""
    return f'"{table} with {column}"'


def by_time(table: str) -> str:
    """Return the name of an index of a table's time."""
    columns = PODS.get(table, ())
    return by_time_and_pod(table, columns[0]) if columns else f'"{table} by {TIMES[table]}"'


def by_time_and_pod(table: str, column: str) -> str:
    """Return the name of the index that finds rows of a pod at a time."""
    return f'"{table} by {TIMES[table]} and {column}"'


def _indexes(table: str) -> Iterator[str]:
    """Yield the statements that make the indexes of a table."""
    time = f'"{TIMES[table]}"'
    if table in TIMED and table not in PODS:
        yield f"CREATE INDEX {by_time(table)} ON {table} ({time});"
    for column in PODS.get(table, ()):
        where = f'WHERE "{column}" IS NOT NULL'
        yield f'CREATE INDEX {by_pod(table, column)} ON {table} ({STRETCH}, "{column}") {where};'
        if table in TIMED:
            name = by_time_and_pod(table, column)
            yield f'CREATE INDEX {name} ON {table} ({time}, "{column}");'
    for column in FINDING.get(table, ()):
        where = f'WHERE "{column}" IS NOT NULL'
        yield f'CREATE INDEX {by_value(table, column)} ON {table} ("{column}") {where};'


def _tables() -> str:
    """Return the statements that make the tables."""
    made = [
        "CREATE TABLE watermark (seq INTEGER NOT NULL, hash BLOB NOT NULL);",
        "INSERT INTO watermark VALUES (0, x'');",
        "CREATE TABLE kept (number INTEGER PRIMARY KEY, event BLOB NOT NULL);",
    ]
    for table, columns in COLUMNS.items():
        rest = ", ".join(f'"{one.name}" {_TYPES[one.holds]}' for one in columns[1:])
        made += [f"CREATE TABLE {table} (number INTEGER PRIMARY KEY, {rest});", *_indexes(table)]
    made.append("CREATE INDEX live_deliveries ON deliveries (state) WHERE state <> 'final';")
    made.append("CREATE INDEX open_orders ON orders (number) WHERE state = 'open';")
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
    "UPDATE deliveries SET state = ?, run = ?, price_nano_per_wh = ?, volume_wh = ?,"
    " pool_price_nano_per_wh = ? WHERE number = ?"
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
"""By field of `wattbay.views.changes.Changes`; they come after the rows that are new."""

KEPT = "SELECT event FROM kept ORDER BY number"
LIVE_SPAN = (
    "SELECT ifnull(min(delivery_start), 0), ifnull(max(delivery_start), -1) + 1"
    " FROM deliveries INDEXED BY live_deliveries WHERE state <> 'final'"
)
"""Between which starts of deliveries, half-open, anything is open."""
OPEN_ORDERS = (
    'SELECT entry, at, "order", product, delivery_start, pod, side, quantity_wh,'
    " limit_nano_per_wh, type, request, state, filled_wh, reason, number FROM orders"
    " INDEXED BY open_orders WHERE state = 'open'"
)
LIVE_DELIVERIES = (
    "SELECT number, entry, at, delivery_start, delivery_end, product, day, state, run, gate_opens,"
    " gate_closes, price_nano_per_wh, volume_wh, pool_price_nano_per_wh FROM deliveries"
    " INDEXED BY live_deliveries WHERE state <> 'final'"
)
