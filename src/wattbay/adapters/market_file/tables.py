"""A result as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from wattbay.adapters.market_file.result import (
    AnyResult,
    BlockResult,
    Ladder,
    Result,
    TradingResult,
    TruthfulResult,
)

ROWS_SHOWN_MAX = 200
"""Of a table; people who want more read the JSON."""


def tables(result: AnyResult) -> list[Table]:
    """Return what a result says as tables for a terminal; the JSON has every row."""
    if isinstance(result, TradingResult):
        return _of_trading(result)
    if isinstance(result, BlockResult):
        return _of_blocks(result)
    title, prices = _heading(result)
    shown = [
        _table(
            title,
            ("", "#amount"),
            [
                *prices,
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


def _heading(result: Result | TruthfulResult) -> tuple[str, list[tuple[str, str]]]:
    """Say which auction it was and at what price; rows where that is more than one."""
    if isinstance(result, Result):
        found = "nothing trades" if result.price is None else f"price {result.price}"
        return f"Call auction: {found}", []
    if not result.trades:
        return "Truthful auction: nothing trades", []
    pays = dict.fromkeys(trade.buy_price for trade in result.trades)
    gets = dict.fromkeys(trade.sell_price for trade in result.trades)
    prices = [("buyers pay", " or ".join(pays)), ("sellers get", " or ".join(gets))]
    return "Truthful auction", prices


def _of_trading(result: TradingResult) -> list[Table]:
    """Return what continuous trading came to; the book always, the rest where there is any."""
    trades = [
        (str(trade.maker), str(trade.taker), trade.price, trade.quantity) for trade in result.trades
    ]
    count = "1 trade" if len(trades) == 1 else f"{len(trades):,} trades"
    found = count if trades else "nothing trades"
    shown = [
        _table(
            f"Continuous trading: {found}", ("resting", "incoming", "#price", "#quantity"), trades
        ),
        _table("Bids that rest", ("#limit", "id", "#open"), _rows(result.bids)),
        _table("Offers that rest", ("#limit", "id", "#open"), _rows(result.asks)),
    ]
    if result.cancelled:
        ended = [(str(order.id), order.quantity, order.reason) for order in result.cancelled]
        shown.append(_table("Cancelled", ("id", "#quantity", "reason"), ended))
    if result.rejected:
        refused = [(step.op, str(step.id), step.reason) for step in result.rejected]
        shown.append(_table("Rejected", ("step", "id", "reason"), refused))
    if result.triggered or result.stops:
        stops = [(str(key), "triggered") for key in result.triggered]
        stops += [(str(key), "waits") for key in result.stops]
        shown.append(_table("Stops", ("id", "state"), stops))
    if result.released or result.waiting or result.suspended:
        waits = [(str(key), "released") for key in result.released]
        waits += [(str(key), "waits") for key in result.waiting]
        waits += [(str(key), "suspended") for key in result.suspended]
        shown.append(_table("Orders that waited", ("id", "state"), waits))
    return shown


def _of_blocks(result: BlockResult) -> list[Table]:
    """Return what a block auction came to: its sum, its periods, its blocks and curve orders."""
    taken = len(result.accepted)
    found = f"{taken:,} of {len(result.acceptance):,} blocks accepted"
    sums = [("welfare", result.welfare), ("bound", result.bound), ("gap", result.gap)]
    missed = {str(key) for key in result.paradoxically_rejected}
    blocks = [
        (key, part, "would gain" if key in missed else "")
        for key, part in result.acceptance.items()
    ]
    periods = [
        (str(period), price, volume)
        for period, (price, volume) in enumerate(zip(result.prices, result.volumes, strict=True))
    ]
    shown = [
        _table(f"Block auction: {found}", ("", "#amount"), sums),
        _table("Periods", ("#period", "#price", "#volume"), periods),
        _table("Blocks", ("id", "#part", "rejected"), blocks),
        _table("Divisible orders", ("id", "#filled"), list(result.fills.items())),
    ]
    if result.rejected:
        reasons = [(str(order.id), order.reason) for order in result.rejected]
        shown.append(_table("Rejected", ("id", "reason"), reasons))
    return shown


def _rows(side: Ladder) -> list[tuple[str, str, str]]:
    """Return one side of a book as rows, each limit written once."""
    return [
        (limit if place == 0 else "", str(key), left)
        for limit, orders in side
        for place, (key, left) in enumerate(orders)
    ]


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
