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
from wattbay.adapters.market_file.waiting import Lobby
from wattbay.core.market.book import Book
from wattbay.core.market.steps import BUY, SELL, Cancelled, Entered, Refused, Released, Trade


def trade(document: TradingDocument) -> TradingResult:
    """Let the steps of a document happen, and say what came of them in its units."""
    book = Book(document.rules)
    document.pools.lay(book)
    lobby = Lobby(book)
    if document.events:
        outcomes = lobby.enter(document.steps, document.events)
    else:
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

    stops: set[int] = set()
    result = TradingResult([], ladder(BUY), ladder(SELL), [], [], [], [], [], [], [])
    for outcome in outcomes:
        match outcome:
            case Trade(maker, taker, ticks, lots):
                meeting = Meeting(keys[maker], keys[taker], price(ticks), quantity(lots))
                result.trades.append(meeting)
            case Cancelled(order, lots, reason):
                ended = Cancellation(keys[order], quantity(lots), reason.value)
                result.cancelled.append(ended)
            case Refused(op, order, refusal, _, _):
                result.rejected.append(StepRejection(op, keys[order], refusal.value))
            case Entered(order, _, _, _, _, terms, _, _):
                (stops.discard if terms.stop is None else stops.add)(order)
            case Released(order, _):
                if order in stops:
                    result.triggered.append(keys[order])
            case _:
                pass
    result.stops.extend(keys[order] for order in book.stops())
    result.released.extend(keys[order] for order in lobby.released)
    result.waiting.extend(keys[order] for order in lobby.waiting())
    result.suspended.extend(keys[order] for order in lobby.suspended())
    return result
