"""What stands in order books, as anybody may see it: by price, without names."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nsmallest

from wattbay.adapters.mqtt.market.messages import Item, Level
from wattbay.core.exchange import State
from wattbay.core.facts import Side
from wattbay.core.market.orders import Book, Order
from wattbay.ids import ProductId
from wattbay.periods import Instant

LEVELS_MAX = 100
"""Of each side of a book."""
ITEMS_MAX = 400
"""Of all books together."""


def shown_wh(order: Order) -> int:
    """Return what anybody may see of an order; 0 of one that is not for everybody's eyes. [Wh]

    Not shown are orders that wait, those for one partner, and blocks and baskets, which stand in
    several deliveries. Of an iceberg its peak is.
    """
    terms, open_wh = order.terms, order.open_wh
    if order.stands_by:
        return 0
    if terms is None:
        return open_wh
    if terms.partner is not None or terms.block is not None or terms.legs:
        return 0
    return open_wh if terms.peak_wh is None else min(open_wh, terms.peak_wh)


class Depth:
    """What stands on one side of a book."""

    def __init__(self, book: Book, side: Side) -> None:
        """Add the orders up by price."""
        self.orders = self.quantity_wh = 0
        sums: dict[int | None, tuple[int, int]] = {}
        for order in book.orders.values():
            shown = shown_wh(order)
            if order.side is side and shown:
                energy, count = sums.get(order.limit, (0, 0))
                sums[order.limit] = (energy + shown, count + 1)
                self.orders += 1
                self.quantity_wh += shown
        sign = -1 if side is Side.BUY else 1
        best = nsmallest(
            LEVELS_MAX, sums, key=lambda limit: (limit is not None, sign * (limit or 0))
        )
        self.levels = [
            Level(limit=limit, quantity_wh=sums[limit][0], orders=sums[limit][1]) for limit in best
        ]
        self.left_out = len(sums) - len(best)


def items(state: State, now: Instant) -> tuple[list[Item], int]:
    """Return what is offered and wanted, next delivery first, and how much did not fit."""
    found: list[Item] = []
    left_out = 0
    for product, delivery, book in _open(state, now):
        for order in book.orders.values():
            shown = shown_wh(order)
            if not shown:
                continue
            if len(found) == ITEMS_MAX:
                left_out += len(book.orders)
                break
            found.append(
                Item(
                    order=order.order,
                    product=product,
                    delivery=delivery,
                    side=order.side,
                    quantity_wh=shown,
                    limit=order.limit,
                )
            )
    return found, left_out


def _open(state: State, now: Instant) -> Iterator[tuple[ProductId, Instant, Book]]:
    """Yield the books with orders whose gates are open, next delivery first."""
    places = sorted(
        (delivery, name)
        for name, books in state.market.books.items()
        for delivery, book in books.items()
        if book.orders
    )
    for delivery, name in places:
        product, book = state.registry.products[name], state.market.books[name][delivery]
        if now < book.gate_of(delivery) - product.closes_before_us:
            yield name, delivery, book
