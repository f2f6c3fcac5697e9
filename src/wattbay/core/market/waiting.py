"""What waits in a book: stops for the last price, and instants at which something falls due.

An entry names the row of an order and when that order was born, since rows are used again. One
whose order has ended, or changed since, stays in its line and is passed over when its turn comes.
"""

from __future__ import annotations

from heapq import heappop, heappush

from wattbay.core.market.codes import (
    ARRIVAL,
    BORN,
    EXPIRES,
    LINED,
    ORDER_SHIFT,
    POOL,
    SLEEPS,
    STATE,
    STOP_AT,
    STOPS,
    VALID_FROM,
)
from wattbay.core.market.columns import Int
from wattbay.core.market.levels import Queues


class Waiting:
    """Stop orders and instants of one book."""

    def __init__(self) -> None:
        """Begin empty."""
        self.count: Int = 0
        """How many stops may wait."""
        self._buys: list[tuple[int, int, int, int]] = []
        self._sells: list[tuple[int, int, int, int]] = []
        self._expiries: list[tuple[int, int, int, int]] = []
        self._beginnings: list[tuple[int, int, int, int]] = []
        self._line: list[tuple[int, int]] = []
        """Stops that were reached and have not acted, in order."""

    # --- filing ------------------------------------------------------------------------------

    def file(self, queues: Queues, order: Int) -> None:
        """Let an order that lives wait for whatever it says."""
        orders, extras = queues.orders, queues.extras
        extra = order >> ORDER_SHIFT
        state = orders[order + STATE]
        arrival, born = orders[order + ARRIVAL], orders[order + BORN]
        if state == SLEEPS:
            entry = (extras[extra + VALID_FROM], arrival, order, born)
            heappush(self._beginnings, entry)
        elif state == STOPS:
            is_buy = orders[order + POOL] > 0
            stop = extras[extra + STOP_AT] if is_buy else -extras[extra + STOP_AT]
            heappush(self._buys if is_buy else self._sells, (stop, arrival, order, born))
            self.count += 1
        elif state == LINED:
            self._line.append((order, born))

    def expire(self, queues: Queues, order: Int) -> None:
        """Note that an order expires."""
        born = queues.orders[order + BORN]
        heappush(
            self._expiries, (queues.extras[(order >> ORDER_SHIFT) + EXPIRES], born, order, born)
        )

    # --- stops -------------------------------------------------------------------------------

    def reach(self, queues: Queues, last: Int) -> None:
        """Put those stops in line that the last price reaches, by arrival."""
        orders = queues.orders
        found: list[tuple[int, int, int]] = []
        for sign, waiting in ((1, self._buys), (-1, self._sells)):
            while waiting and waiting[0][0] <= sign * last:
                _, _, order, born = heappop(waiting)
                self.count -= 1
                if orders[order + BORN] == born and orders[order + STATE] == STOPS:
                    orders[order + STATE] = LINED
                    found.append((orders[order + ARRIVAL], order, born))
        found.sort()
        self._line.extend((order, born) for _, order, born in found)

    def first(self, queues: Queues) -> Int:
        """Return the order that is first in line; 0 if there is none."""
        orders = queues.orders
        while self._line:
            order, born = self._line[0]
            if orders[order + BORN] == born and orders[order + STATE] == LINED:
                return order
            del self._line[0]
        return 0

    def line(self, queues: Queues) -> list[int]:
        """Return the orders in line."""
        orders = queues.orders
        return [
            order
            for order, born in self._line
            if orders[order + BORN] == born and orders[order + STATE] == LINED
        ]

    # --- instants ----------------------------------------------------------------------------

    def first_expiry(self, queues: Queues) -> tuple[int, int]:
        """Return the first instant at which an order expires, and the order; it is 0 if none."""
        orders, expiries = queues.orders, self._expiries
        while expiries:
            instant, _, order, born = expiries[0]
            if orders[order + BORN] == born:
                return instant, order
            heappop(expiries)
        return 0, 0

    def expiring(self, queues: Queues, before: Int) -> list[tuple[int, int, int]]:
        """List what expires before an instant: when, when born, which."""
        orders = queues.orders
        return sorted(
            (instant, born, order)
            for instant, _, order, born in self._expiries
            if instant < before and orders[order + BORN] == born
        )

    def first_beginning(self, queues: Queues) -> tuple[int, int]:
        """Return the first instant at which an order begins, and the order; it is 0 if none."""
        orders, beginnings = queues.orders, self._beginnings
        while beginnings:
            instant, arrival, order, born = beginnings[0]
            if (
                orders[order + BORN] == born
                and orders[order + STATE] == SLEEPS
                and orders[order + ARRIVAL] == arrival
            ):
                return instant, order
            heappop(beginnings)
        return 0, 0

    def copy(self) -> Waiting:
        """Return one of its own that holds the same."""
        other = Waiting()
        other.count = self.count
        other._buys = self._buys[:]
        other._sells = self._sells[:]
        other._expiries = self._expiries[:]
        other._beginnings = self._beginnings[:]
        other._line = self._line[:]
        return other
