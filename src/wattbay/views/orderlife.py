"""What becomes of orders: each from its entry until it is filled, has expired or was withdrawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from wattbay.core import events as e
from wattbay.core.commands import PlaceOrder
from wattbay.core.facts import Mechanism
from wattbay.core.terms import Ended, Kind
from wattbay.ids import OrderId, PodId, ProductId
from wattbay.kernel.codec import Entry
from wattbay.kernel.requests import request_of
from wattbay.periods import Instant
from wattbay.views.remarks import remark_of

OPEN = "open"
"""The state of an order that may still trade; every other one is its last."""
_ONE_BY_ONE = frozenset({Mechanism.CONTINUOUS, Mechanism.BILATERAL})
"""Mechanisms by which orders are filled before their gate closes."""
_BY_LIMIT = frozenset({Kind.LIMIT, Kind.MARKET})
_RAN_OUT = frozenset({Ended.EXPIRED, Ended.GATE_CLOSED})
"""How an order ends by the clock."""


class LiveOrder(Struct):
    """An order as it stands now."""

    seq: int
    """Of the entry by which it came."""
    at: Instant
    order: OrderId | None
    """None of one that was refused."""
    product: ProductId
    delivery: Instant
    pod: PodId
    side: str
    quantity_wh: int
    limit: int | None
    kind: str = ""
    """What it is besides a limit order, or one without a limit: those go by their limit."""
    request: str | None = None
    state: str = OPEN
    filled_wh: int = 0
    reason: str = ""
    """Why it ended so; while it is open, what is to be remarked of it."""
    number: int = 0
    """For whoever keeps it under one."""

    @property
    def type(self) -> str:
        """What it is called."""
        return self.kind or ("market" if self.limit is None else "limit")


Changing = e.OrderAmended | e.OrderCancelled | e.OrderCurtailed
"""Events by which an order changes or ends before its auction."""


class Orders:
    """All orders that are open. Each question returns the orders that it changed."""

    def __init__(self, standing: Iterable[LiveOrder] = ()) -> None:
        """Begin with the orders that stand."""
        self._books: dict[tuple[ProductId, Instant], dict[OrderId, LiveOrder]] = {}
        self._blocks: dict[OrderId, LiveOrder] = {}
        for one in standing:
            self._stand(one)

    def standing(self) -> Iterator[LiveOrder]:
        """Yield the orders that are open, by delivery in order of first listing."""
        for book in self._books.values():
            yield from book.values()

    def place(self, entry: Entry, event: e.OrderPlaced) -> LiveOrder:
        """Let an order stand; a block trades in other deliveries, too, than where it stands."""
        terms = event.terms
        kind = "" if terms is None or terms.kind in _BY_LIMIT else terms.kind.value
        if terms is not None and terms.block is not None:
            kind = "block"
        key = request_of(entry.command)
        placed = LiveOrder(
            entry.seq,
            entry.at,
            event.order,
            event.product,
            event.delivery,
            event.pod,
            event.side.value,
            event.quantity_wh,
            event.limit,
            kind,
            # Of a sale it is the seller's: its other order is somebody else's.
            key[1] if key is not None and key[0] == event.pod else None,
            reason=remark_of(event),
        )
        self._stand(placed)
        return placed

    def fill(self, trade: e.Traded, mechanism: Mechanism) -> list[LiveOrder]:
        """Let two orders be filled; where each is traded by itself, it ends when it is full."""
        book = self._books.get((trade.product, trade.delivery), {})
        changed = []
        for number, side in ((trade.buy_order, "buy"), (trade.sell_order, "sell")):
            row = book[number] if number in book else self._blocks[number]
            # A block with a store's profile trades on the other side, too.
            row.filled_wh += trade.quantity_wh if row.side == side else 0
            if mechanism in _ONE_BY_ONE and row.filled_wh == row.quantity_wh:
                del book[number]
                _end(row, "filled", "")
            changed.append(row)
        return changed

    def clear(self, product: ProductId, delivery: Instant) -> list[LiveOrder]:
        """Let the orders of an auction end: what was not filled has expired."""
        ended = list(self._books.pop((product, delivery), {}).values())
        for row in ended:
            if row.order is not None:
                self._blocks.pop(row.order, None)
            if row.filled_wh == 0:
                _end(row, "expired", "")
            else:
                _end(row, "partly_filled" if row.filled_wh < row.quantity_wh else "filled", "")
        return ended

    def close(self, product: ProductId, delivery: Instant) -> None:
        """Let go of a delivery in which, by now, no order is open."""
        self._books.pop((product, delivery), None)

    def change(self, event: Changing) -> LiveOrder:
        """Let an order change or end before its auction."""
        book = self._books[event.product, event.delivery]
        row = book[event.order]
        match event:
            case e.OrderAmended():
                row.quantity_wh, row.limit = event.quantity_wh, event.limit
            case e.OrderCancelled(is_over=False):
                row.quantity_wh -= event.quantity_wh or 0
            case e.OrderCancelled() if event.reason in _RAN_OUT:
                state = "partly_filled" if row.filled_wh else "expired"
                _end(row, state, row.reason or event.reason.value)
            case e.OrderCancelled():
                _end(row, "cancelled", event.reason.value)
            case e.OrderCurtailed() if event.quantity_wh <= row.filled_wh:
                _end(row, "curtailed", event.reason)
            case e.OrderCurtailed():
                row.quantity_wh = event.quantity_wh
        if row.state != OPEN:
            del book[event.order]
            self._blocks.pop(event.order, None)
        return row

    def remark(self, event: e.OrderReleased | e.OrderSuspended) -> LiveOrder:
        """Let another remark hold of an order."""
        row = self._books[event.product, event.delivery][event.order]
        row.reason = remark_of(event)
        return row

    def _stand(self, one: LiveOrder) -> None:
        if one.order is None:
            return
        self._books.setdefault((one.product, one.delivery), {})[one.order] = one
        if one.kind == "block":
            self._blocks[one.order] = one


def refused_order(seq: int, at: Instant, command: PlaceOrder, reason: str) -> LiveOrder:
    """Return an order that never stood."""
    return LiveOrder(
        seq,
        at,
        None,
        command.product,
        command.delivery,
        command.pod,
        command.side.value,
        command.quantity_wh,
        command.limit,
        request=command.request,
        state="rejected",
        reason=reason,
    )


def _end(row: LiveOrder, state: str, reason: str) -> None:
    """Let an order end; where nothing else is to be said, its last remark stays."""
    row.state = state
    row.reason = reason or row.reason
