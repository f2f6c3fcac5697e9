"""What waits in a book: stops for the last price, and instants at which something falls due."""

from __future__ import annotations

from heapq import heappop, heappush

from wattbay.core.market.levels import Order
from wattbay.core.market.steps import BUY

EXPIRES = 0
"""At one instant, orders expire before others begin."""
BEGINS = 1


class Stops:
    """Stop orders that wait, on both sides."""

    __slots__ = ("_buys", "_sells", "count")

    def __init__(self) -> None:
        """Begin empty."""
        self._buys: list[tuple[int, int, Order]] = []
        self._sells: list[tuple[int, int, Order]] = []
        self.count = 0
        """How many may wait: those that ended are in it until their stop is reached."""

    def add(self, order: Order) -> None:
        """Let a stop order wait."""
        side, stop = order.pool.side, order.terms.stop or 0
        order.stops = True
        self.count += 1
        heappush(self._buys if side == BUY else self._sells, (side * stop, order.arrival, order))

    def reached(self, last: int) -> list[Order]:
        """Take out those that the last price reaches, by arrival."""
        found: list[Order] = []
        for side, line in ((BUY, self._buys), (-BUY, self._sells)):
            while line and line[0][0] <= side * last:
                order = heappop(line)[2]
                self.count -= 1
                # Those that ended stay behind in the line, and are passed over here.
                if order.stops:
                    order.stops = False
                    found.append(order)
        found.sort(key=lambda order: order.arrival)
        return found


class Agenda:
    """What falls due, by instant; then expiries before beginnings; then by arrival."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        """Begin empty."""
        self._entries: list[tuple[int, int, int, Order]] = []

    def add(self, instant: int, what: int, order: Order) -> None:
        """Note that something falls due."""
        heappush(self._entries, (instant, what, order.arrival, order))

    def take(self, at: int) -> tuple[int, int, int, Order] | None:
        """Take out the first that is due at an instant or before: when, what, arrival, who."""
        if not self._entries or self._entries[0][0] > at:
            return None
        return heappop(self._entries)
