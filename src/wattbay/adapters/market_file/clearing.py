"""From a market file to its result, through whatever rule it is for."""

from __future__ import annotations

from collections.abc import Sequence

from wattbay.adapters.market_file.blocks import clear_blocks, read_blocks
from wattbay.adapters.market_file.document import Document, Order, read
from wattbay.adapters.market_file.exact import plain, times
from wattbay.adapters.market_file.result import (
    AnyResult,
    Rejection,
    Result,
    Surplus,
    Trade,
)
from wattbay.adapters.market_file.source import Doubled, Faults, kind, parse
from wattbay.adapters.market_file.steps import read_steps
from wattbay.adapters.market_file.trading import trade
from wattbay.adapters.market_file.truthful import clear_truthful, read_truthful
from wattbay.core.facts import Side
from wattbay.core.market.auction import Clearing, Orders, clear

CALL_AUCTION = "call_auction"
CONTINUOUS = "continuous"
TRUTHFUL = "truthful"
BLOCK_AUCTION = "block_auction"
_MECHANISMS = (CALL_AUCTION, CONTINUOUS, TRUTHFUL, BLOCK_AUCTION)


def clear_document(text: bytes | str) -> AnyResult:
    """Clear a market file.

    Raises
    ------
    ConfigError
        If the document is malformed; bears every fault with its JSON pointer, or with line and
        column where it is not JSON. Nothing is cleared.
    """
    faults = Faults()
    raw = parse(text, faults)
    faults.raise_any()
    mechanism = _mechanism(raw, faults)
    if mechanism == CONTINUOUS:
        return trade(read_steps(raw, faults))
    if mechanism == TRUTHFUL:
        return clear_truthful(read_truthful(raw, faults))
    if mechanism == BLOCK_AUCTION:
        return clear_blocks(read_blocks(raw, faults))
    document = read(raw, faults)
    buys = [order for order in document.orders if order.side is Side.BUY]
    sells = [order for order in document.orders if order.side is Side.SELL]
    cleared = clear(_columns(buys), _columns(sells), document.rules)
    return _result(document, buys, sells, cleared)


def _mechanism(raw: object, faults: Faults) -> str:
    """Return the mechanism that a document is for."""
    members = raw.members if isinstance(raw, Doubled) else raw
    if not isinstance(members, dict) or "mechanism" not in members:
        return CALL_AUCTION
    mechanism = members["mechanism"]
    if isinstance(raw, Doubled) and "mechanism" in raw.keys:
        faults.add(("mechanism",), "the key comes more than once")
        faults.raise_any()
    for known in _MECHANISMS:
        if mechanism == known:
            return known
    remedy = "supported: " + ", ".join(f'"{known}"' for known in _MECHANISMS)
    faults.add(("mechanism",), f"{kind(mechanism)} is not supported", remedy)
    return CALL_AUCTION


def _columns(orders: Sequence[Order]) -> Orders:
    """Return one side as the core takes it."""
    return Orders([order.limit for order in orders], [order.quantity for order in orders])


def _result(
    document: Document, buys: Sequence[Order], sells: Sequence[Order], cleared: Clearing
) -> Result:
    """Write what the core found in the units of the document."""
    amount_tick = times(document.price_tick, document.quantity_tick)

    def price(ticks: int) -> str:
        return plain(ticks, document.price_tick)

    def quantity(ticks: int) -> str:
        return plain(ticks, document.quantity_tick)

    def amount(ticks: int) -> str:
        return plain(ticks, amount_tick)

    trades = [
        Trade(buys[buy].key, sells[sell].key, quantity(filled), price(pays), price(gets))
        for buy, sell, filled, pays, gets in cleared.trades
    ]
    own_price = {trade.buy: trade.buy_price for trade in trades}
    own_price |= {trade.sell: trade.sell_price for trade in trades}
    fills = {
        Side.BUY: iter(cleared.buy_fills),
        Side.SELL: iter(cleared.sell_fills),
    }
    return Result(
        price=None if cleared.price is None else price(cleared.price),
        volume=quantity(cleared.volume),
        fills={str(order.key): quantity(next(fills[order.side])) for order in document.orders},
        order_price={
            str(order.key): own_price[order.key]
            for order in document.orders
            if order.key in own_price
        },
        trades=trades,
        market_keeps=amount(cleared.market_keeps),
        surplus=Surplus(
            buyers=amount(cleared.surplus_buyers),
            sellers=amount(cleared.surplus_sellers),
            maximum=amount(cleared.surplus_maximum),
        ),
        rejected=[Rejection(key, reason.value) for key, reason in document.rejected],
    )
