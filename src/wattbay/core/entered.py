"""What a batch of orders changed: told as single commands would have told it, and let be so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple

from wattbay.core import commands as c
from wattbay.core import deliveries as dl
from wattbay.core import events as e
from wattbay.core import ledger
from wattbay.core.batches import (
    AMEND,
    CANCEL,
    CHANGE_WIDTH,
    NEW_IOC,
    ORDER_WIDTH,
    STEP_WIDTH,
    TRADE_WIDTH,
    OrdersEntered,
    unpacked,
)
from wattbay.core.deliveries import Deliveries
from wattbay.core.facts import Side
from wattbay.core.ledger import Ledger
from wattbay.core.market import folding, standby
from wattbay.core.market.codes import (
    BY_USER,
    CANCELLED,
    ENTERED,
    HAS_TERMS,
    MOVED,
    NEW_WIDTH,
    REDUCED,
    TERMS_WIDTH,
    TRADE,
)
from wattbay.core.market.orders import Market
from wattbay.core.market.packed import ENDS
from wattbay.core.registry import Registry
from wattbay.core.terms import OrderTerms, TimeInForce
from wattbay.ids import OrderId, TradeId

AT_ONCE = OrderTerms(time_in_force=TimeInForce.IOC)
"""What an order says of which nothing rests."""


_WIDTHS: Mapping[int, int] = MappingProxyType({CANCELLED: 4, MOVED: 5, REDUCED: 3})
"""Of rows that are neither trades nor orders that come in."""

Single = c.PlaceOrder | c.AmendOrder | c.CancelOrder
"""What a step stands for."""


class Rooms(NamedTuple):
    """What the steps of a batch change."""

    registry: Registry
    market: Market
    deliveries: Deliveries
    ledger: Ledger


# --- one by one ------------------------------------------------------------------------------


def single(command: c.EnterOrders, step: Sequence[int]) -> Single:
    """Return the single command that a step of a batch stands for; the step is of good form."""
    code, place, order, side, limit, quantity = step
    pod = command.pods[place]
    if code == CANCEL:
        return c.CancelOrder(order=OrderId(order), pod=pod)
    if code == AMEND:
        return c.AmendOrder(order=OrderId(order), pod=pod, quantity_wh=quantity, limit=limit)
    return c.PlaceOrder(
        pod=pod,
        product=command.product,
        delivery=command.delivery,
        side=Side.BUY if side > 0 else Side.SELL,
        quantity_wh=quantity,
        limit=limit,
        terms=AT_ONCE if code == NEW_IOC else None,
    )


def taken(command: c.EnterOrders, event: OrdersEntered) -> Iterator[tuple[Single, list[e.Event]]]:
    """Yield the steps of a batch that were taken, as single commands, and what came of each."""
    steps = unpacked(command.steps)
    for place, events in enumerate(Telling(event).steps()):
        yield single(command, steps[place * STEP_WIDTH : (place + 1) * STEP_WIDTH]), events


def told(events: Iterable[e.Event]) -> Iterator[e.Event]:
    """Yield the events of an entry, those of batches as single commands would have told them."""
    for event in events:
        if type(event) is OrdersEntered:
            yield from chain.from_iterable(Telling(event).steps())
        else:
            yield event


class Telling:
    """Tells what came of a batch, event by event."""

    def __init__(self, event: OrdersEntered) -> None:
        """Begin with the first step."""
        self._event = event
        self._rows = unpacked(event.rows)
        self._orders = unpacked(event.orders)
        self._trades = unpacked(event.trades)
        self._changes = unpacked(event.changes)
        self._at = self._came_in = self._traded = self._changed = self._ended = 0

    def steps(self) -> Iterator[list[e.Event]]:
        """Yield the events of each step that was taken, in order."""
        refused = {one.step: one for one in self._event.refused}
        for step in range(self._event.steps):
            why = refused.get(step)
            if why is None:
                yield self._taken()
            else:
                yield [e.Rejected(reason=why.reason, detail=why.detail)]

    def trades(self) -> Iterator[e.Traded]:
        """Yield the trades alone, of a telling that is not begun."""
        rows, at, end = self._rows, 0, len(self._rows)
        while at < end:
            code = rows[at]
            if code == TRADE:
                yield self._trade(at)
                at += 5
            elif code == ENTERED:
                at += NEW_WIDTH + (TERMS_WIDTH if rows[at + 7] & HAS_TERMS else 0)
            else:
                at += _WIDTHS[code]

    def _taken(self) -> list[e.Event]:
        """Return the events of the next step that was not refused."""
        found: list[e.Event] = []
        rows, end = self._rows, len(self._rows)
        while self._at < end:
            at = self._at
            code = rows[at]
            begins = code != TRADE and (code != CANCELLED or rows[at + 3] == BY_USER)
            if begins and found:
                break
            if code == TRADE:
                found.append(self._trade(at))
                self._at += 5
            elif code == ENTERED:
                found.append(self._order(at))
                self._at += NEW_WIDTH + (TERMS_WIDTH if rows[at + 7] & HAS_TERMS else 0)
            elif code == CANCELLED:
                found.append(self._cancellation(at))
                self._at += _WIDTHS[code]
            else:
                found.append(self._change())
                self._at += _WIDTHS[code]
        return found

    def _order(self, at: int) -> e.OrderPlaced:
        rows, place = self._rows, self._came_in * ORDER_WIDTH
        self._came_in += 1
        return e.OrderPlaced(
            order=OrderId(rows[at + 1]),
            pod=self._event.pods[self._orders[place]],
            product=self._event.product,
            delivery=self._event.delivery,
            side=Side.BUY if rows[at + 3] > 0 else Side.SELL,
            quantity_wh=rows[at + 5],
            limit=rows[at + 4],
            hold_nano=self._orders[place + 1] * rows[at + 5],
            terms=AT_ONCE if rows[at + 7] else None,
            rests_wh=rows[at + 6],
        )

    def _trade(self, at: int) -> e.Traded:
        rows, event = self._rows, self._event
        first = self._traded * TRADE_WIDTH
        buyer, seller, price, hold, from_buy, from_sell, is_buy = self._trades[
            first : first + TRADE_WIDTH
        ]
        maker, taker = OrderId(rows[at + 1]), OrderId(rows[at + 2])
        number = TradeId(event.first_trade + self._traded)
        self._traded += 1
        return e.Traded(
            trade=number,
            product=event.product,
            delivery=event.delivery,
            buyer=event.pods[buyer],
            seller=event.pods[seller],
            buy_order=maker if is_buy else taker,
            sell_order=taker if is_buy else maker,
            quantity_wh=rows[at + 4],
            buy_price=price,
            sell_price=rows[at + 3],
            hold_nano=hold,
            maker=maker,
            buy_release_nano=from_buy,
            sell_release_nano=from_sell,
        )

    def _cancellation(self, at: int) -> e.OrderCancelled:
        rows = self._rows
        place = self._ended
        self._ended += 1
        return e.OrderCancelled(
            order=OrderId(rows[at + 1]),
            product=self._event.product,
            delivery=self._event.delivery,
            reason=ENDS[rows[at + 3] - 1],
            quantity_wh=rows[at + 2],
            is_over=place not in self._event.parts,
        )

    def _change(self) -> e.OrderAmended:
        first = self._changed * CHANGE_WIDTH
        self._changed += 1
        order, quantity, limit, hold, keeps, rests, _ = self._changes[first : first + CHANGE_WIDTH]
        return e.OrderAmended(
            order=OrderId(order),
            product=self._event.product,
            delivery=self._event.delivery,
            quantity_wh=quantity,
            limit=limit,
            hold_nano=hold,
            keeps_place=keeps == 1,
            rests_wh=rests,
        )


# --- changes ---------------------------------------------------------------------------------


def let(rooms: Rooms, event: e.Event) -> None:
    """Let one event of an order or a trade be so."""
    registry, market, _, book = rooms
    match event:
        case e.OrderPlaced():
            folding.placed(registry, market, book, event)
        case e.OrderCancelled():
            folding.cancelled(market, book, event)
        case e.Traded():
            traded(rooms, event)
        case e.OrderAmended():
            folding.amended(market, book, event)
            standby.amend(market.standby, event)
        case _:
            pass


def traded(rooms: Rooms, event: e.Traded) -> None:
    """Let a trade be so: money, energy, what its seller may lose, and the orders that it fills."""
    registry, market, deliveries, book = rooms
    ledger.post(book, ledger.traded(registry, event))
    seller = ledger.account_at(registry, event.seller, event.delivery)
    market.next_trade = event.trade + 1
    dl.traded(deliveries, book, event, seller)
    folding.traded(market, book, event)


def untraded(rooms: Rooms, event: e.TradeCancelled) -> None:
    """Let a trade that the grid operator undid be as if it had never been."""
    registry, market, deliveries, book = rooms
    ledger.post(book, ledger.postings(registry, event))
    seller = ledger.account_at(registry, event.traded.seller, event.traded.delivery)
    dl.untraded(deliveries, book, event.traded, seller)
    folding.untraded(market, event.traded)


def fold(rooms: Rooms, event: OrdersEntered) -> None:
    """Let all that came of a batch be so."""
    for one in told((event,)):
        let(rooms, one)
