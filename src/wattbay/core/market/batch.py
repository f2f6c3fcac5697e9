"""Steps entered by the batch: planned and folded one by one, or both at once where it is plain.

The plain way is for limit orders until gate closure and for cancellations, which are most of what
comes. It does what planning and folding do, without saying first what it will do; a property test
holds the two equal. Whatever is not plain goes the long way.
"""

from __future__ import annotations

from typing import Final

from wattbay.core.market.codes import (
    AMEND,
    BOTH,
    BY_SELF_TRADE,
    BY_USER,
    CANCEL,
    CANCELLED,
    DECREMENT,
    ENTERED,
    HAS_TERMS,
    HEAD,
    IN_OPEN,
    KEY,
    NEW,
    NEWEST,
    NUMBER,
    OLDEST,
    OPEN,
    OPEN_MAX,
    PARTY,
    PASSED,
    REFUSED,
    RELEASE,
    SHOWN,
    TIME,
    TOTAL,
    TRADE,
    TURN_AWAY,
    UNKNOWN_ORDER,
    VALUE_MAX,
)
from wattbay.core.market.columns import Column, Int, column_of, cut, widened
from wattbay.core.market.levels import Pool, Queues
from wattbay.core.market.planning import Plan
from wattbay.core.market.standing import Standing

ROOM: Final = 64
"""So many numbers a step writes at most before it looks for room again."""


class Batch:
    """Enters steps into one book."""

    def __init__(self, standing: Standing, plan: Plan) -> None:
        """Enter into what stands, by a plan of it."""
        self._standing = standing
        self._queues: Queues = standing.queues
        self._plan = plan
        self._out: Column = column_of([])
        """What is written; the room is used again from batch to batch."""
        self._end: Int = 0
        """How much of it is written."""
        self._size: Int = 0
        self._ended: Int = 0
        """What left of the order at hand, as a party met itself."""

    def enter(self, steps: Column) -> Column:
        """Take steps in rows one by one, and return what came of them, in rows and in order."""
        self._end = 0
        at: Int = 0
        end: Int = len(steps)
        while at < end:
            if self._end + ROOM > self._size:
                self._make_room(end - at)
            code = steps[at]
            if code == NEW:
                if steps[at + 7] == 0 and self._new(steps, at):
                    at += 8
                else:
                    self._enter_long(steps, at)
                    at += 16 if steps[at + 7] & HAS_TERMS else 8
            elif code == CANCEL:
                self._cancel(steps[at + 1], steps[at + 2])
                at += 3
            else:
                self._enter_long(steps, at)
                at += width_of(code)
        return cut(self._out, self._end)

    def _make_room(self, more: Int) -> None:
        """Let more numbers be written."""
        self._size = 2 * self._size + more + ROOM
        self._out = widened(self._out, self._size)

    # --- the plain way -----------------------------------------------------------------------

    def _new(self, steps: Column, at: Int) -> bool:
        """Take in an order that says nothing besides, if nothing else is special either."""
        queues, standing = self._queues, self._standing
        number, party, pool_number = steps[at + 1], steps[at + 2], steps[at + 3]
        limit, quantity = steps[at + 4], steps[at + 5]
        if (
            quantity <= 0
            or quantity > VALUE_MAX
            or limit < self._plan.price_min
            or limit > self._plan.price_max
            or standing.phase != IN_OPEN
            or (number <= queues.highest and queues.where.get(number, 0) != 0)
            or not queues.has_pool(pool_number)
        ):
            return False
        pool = queues.pool(pool_number)
        if pool.sums.open + quantity > OPEN_MAX:
            return False
        key: Int = limit if pool_number > 0 else -limit
        left = quantity
        if standing.waiting.count:
            standing.catch_up()
        standing.taker = number
        place = self._end
        self._end = place + 8
        self._ended = 0
        if queues.crosses(pool, key):
            if pool.sole is None or queues.partnered:
                self._end = place
                return False
            left = self._trade(number, party, key, quantity, pool)
        out = self._out
        out[place] = ENTERED
        out[place + 1] = number
        out[place + 2] = party
        out[place + 3] = pool_number
        out[place + 4] = limit
        out[place + 5] = quantity
        out[place + 6] = left
        out[place + 7] = 0
        if left:
            order = queues.rest(number, party, pool, key, left)
            if left != quantity:
                queues.orders[order + TOTAL] = quantity - self._ended
        if standing.waiting.count:
            self._release_all()
        return True

    def _trade(self, number: Int, party: Int, key: Int, quantity: Int, pool: Pool) -> Int:
        """Trade as far as limits cross, with the only pool there is to meet."""
        queues, fee, other = self._queues, pool.sole_fee, pool.sole
        if other is None:
            return quantity
        rule: Int = self._plan.self_trade if party else 0
        is_buy = other.number < 0
        left = quantity
        while left and key + other.best >= fee:
            orders = queues.orders
            maker = queues.levels[other.best_level + HEAD]
            if self._end + ROOM > self._size:
                self._make_room(0)
            if rule and orders[maker + PARTY] == party:
                left = self._give_way(number, left, maker, rule)
                continue
            shown = orders[maker + SHOWN]
            traded = min(left, shown)
            price: Int = -orders[maker + KEY] if is_buy else orders[maker + KEY] - fee
            self._write(TRADE, orders[maker + NUMBER], number, price)
            self._out[self._end] = traded
            self._end += 1
            self._standing.last = price
            left -= traded
            queues.reduce(maker, traded)
        return left

    def _give_way(self, number: Int, left: Int, maker: Int, rule: Int) -> Int:
        """Keep two orders of one party apart; return what is left of the one that came second."""
        queues = self._queues
        orders = queues.orders
        other = orders[maker + NUMBER]
        if rule == DECREMENT:
            quantity = min(left, orders[maker + SHOWN])
            self._write(CANCELLED, other, quantity, BY_SELF_TRADE)
            self._write(CANCELLED, number, quantity, BY_SELF_TRADE)
            orders[maker + TOTAL] -= quantity
            queues.reduce(maker, quantity)
            self._ended += quantity
            return left - quantity
        if rule in (OLDEST, BOTH):
            self._write(CANCELLED, other, orders[maker + OPEN], BY_SELF_TRADE)
            queues.remove(maker)
        if rule in (NEWEST, BOTH):
            self._write(CANCELLED, number, left, BY_SELF_TRADE)
            return 0
        return left

    def _cancel(self, number: Int, party: Int) -> None:
        """End an order."""
        queues = self._queues
        order = queues.where.get(number, 0)
        if order and (not party or queues.orders[order + PARTY] == party):
            out, end = self._out, self._end
            out[end] = CANCELLED
            out[end + 1] = number
            out[end + 2] = queues.orders[order + OPEN]
            out[end + 3] = BY_USER
            self._end = end + 4
            queues.remove(order)
            return
        self._write(REFUSED, CANCEL, number, UNKNOWN_ORDER)
        self._out[self._end] = 0
        self._out[self._end + 1] = 0
        self._end += 2

    def _write(self, code: Int, one: Int, two: Int, three: Int) -> None:
        """Write four numbers."""
        out, end = self._out, self._end
        out[end] = code
        out[end + 1] = one
        out[end + 2] = two
        out[end + 3] = three
        self._end = end + 4

    # --- the long way ------------------------------------------------------------------------

    def _enter_long(self, steps: Column, at: Int) -> None:
        """Plan a step and fold what comes of it, with what follows from it."""
        is_time = steps[at] == TIME
        while True:
            rows = self._plan.plan(steps, at)
            self._fold(rows)
            self._release_all()
            if not is_time or (len(rows) == 2 and rows[0] == PASSED):  # noqa: PLR2004
                return

    def _release_all(self) -> None:
        """Let stops act that were reached, and those that they cause, until none is.

        Each acts when the one before is complete. It ends: an order is released once.
        """
        while True:
            order = self._standing.released()
            if not order:
                return
            number = self._queues.orders[order + NUMBER]
            self._fold(self._plan.plan(column_of([RELEASE, number]), 0))

    def _fold(self, rows: list[int]) -> None:
        """Let planned outcomes be so, and write them."""
        self._standing.fold(column_of(rows))
        if self._end + len(rows) + ROOM > self._size:
            self._make_room(len(rows))
        out, end = self._out, self._end
        for number in rows:
            out[end] = number
            end += 1
        self._end = end


def width_of(code: Int) -> Int:
    """Return how many numbers a step takes that is no order that comes in."""
    if code == AMEND:
        return 5
    return 6 if code == TURN_AWAY else 2
