"""A result as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from wattbay.adapters.market_file.result import Result

ROWS_SHOWN_MAX = 200
"""Of a table; people who want more read the JSON."""


def tables(result: Result) -> list[Table]:
    """Return what a result says as tables for a terminal; the JSON has every row."""
    found = "nothing trades" if result.price is None else f"price {result.price}"
    shown = [
        _table(
            f"Call auction: {found}",
            ("", "#amount"),
            [
                ("volume", result.volume),
                ("surplus of buyers", result.surplus.buyers),
                ("surplus of sellers", result.surplus.sellers),
                ("kept by the market", result.market_keeps),
                ("largest surplus possible", result.surplus.maximum),
            ],
        ),
        _table(
            "Orders",
            ("id", "#filled", "#price"),
            [(key, fill, result.order_price.get(key, "")) for key, fill in result.fills.items()],
        ),
    ]
    if result.trades:
        rows = [
            (str(trade.buy), str(trade.sell), trade.quantity, trade.buy_price, trade.sell_price)
            for trade in result.trades
        ]
        columns = ("buyer", "seller", "#quantity", "#buyer pays", "#seller gets")
        shown.append(_table("Trades", columns, rows))
    if result.rejected:
        reasons = [(str(order.id), order.reason) for order in result.rejected]
        shown.append(_table("Rejected", ("id", "reason"), reasons))
    return shown


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Make a table; numbers, in columns marked ``#``, stand right."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column.lstrip("#"), justify="right" if column[:1] == "#" else "left")
    for row in rows[:ROWS_SHOWN_MAX]:
        table.add_row(*map(Text, row))  # As text, so that an id is never read as markup.
    if len(rows) > ROWS_SHOWN_MAX:
        table.caption = f"and {len(rows) - ROWS_SHOWN_MAX:,} more"
    return table
