"""From the steps of a market file to its result, through the order book of the core."""

from __future__ import annotations

from wattbay.adapters.market_file.exact import plain
from wattbay.adapters.market_file.result import (
    Cancellation,
    Ladder,
    Meeting,
    StepRejection,
    TradingResult,
)
from wattbay.adapters.market_file.steps import TradingDocument
from wattbay.core.market.book import Book
from wattbay.core.market.steps import BUY, SELL, Cancelled, Refused, Trade, Triggered


def trade(document: TradingDocument) -> TradingResult:
    """Let the steps of a document happen, and say what came of them in its units."""
    book = Book(document.rules)
    outcomes = book.enter(document.steps)
    keys = document.keys

    def price(ticks: int) -> str:
        return plain(ticks, document.price_tick)

    def quantity(ticks: int) -> str:
        return plain(ticks, document.quantity_tick)

    def ladder(side: int) -> Ladder:
        return [
            (price(limit), [(keys[order], quantity(left)) for order, left in orders])
            for limit, orders in book.side(side)
        ]

    result = TradingResult([], ladder(BUY), ladder(SELL), [], [], [], [])
    for outcome in outcomes:
        match outcome:
            case Trade(maker, taker, ticks, lots):
                meeting = Meeting(keys[maker], keys[taker], price(ticks), quantity(lots))
                result.trades.append(meeting)
            case Cancelled(order, lots, reason):
                ended = Cancellation(keys[order], quantity(lots), reason.value)
                result.cancelled.append(ended)
            case Refused(op, order, refusal):
                result.rejected.append(StepRejection(op, keys[order], refusal.value))
            case Triggered(order):
                result.triggered.append(keys[order])
    result.stops.extend(keys[order] for order in book.stops())
    return result
