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
    FLAGS,
    HAS_TERMS,
    HEAD,
    IN_OPEN,
    LARGE,
    NEW,
    NEWEST,
    NUMBER,
    OLDEST,
    OPEN,
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
)
from wattbay.core.market.columns import (
    Column,
    Int,
    column_of,
    cut,
    put_4,
    put_5,
    put_8,
    widened,
)
from wattbay.core.market.levels import Pool, Queues
from wattbay.core.market.planning import Plan
from wattbay.core.market.standing import Standing
from wattbay.core.market.waiting import Waiting

ROOM: Final = 64
"""So many numbers are written at most before room is looked for again, where steps trade."""


class Batch:
    """Enters steps into one book."""

    def __init__(self, standing: Standing, plan: Plan) -> None:
        """Enter into what stands, by a plan of it."""
        self._standing = standing
        self._queues: Queues = standing.queues
        self._waiting: Waiting = standing.waiting
        self._plan = plan
        self._price_min: Int = plan.price_min
        self._price_max: Int = plan.price_max
        self._out: Column = column_of([])
        """What is written; the room is used again from batch to batch."""
        self._end: Int = 0
        """How much of it is written."""
        self._size: Int = 0
        self._reserve: Int = ROOM
        """What must be left of it before anything is written that steps do not bound."""
        self._ended: Int = 0
        """What left of the order at hand, as a party met itself."""

    def enter(self, steps: Column) -> Column:
        """Take steps in rows one by one, and return what came of them, in rows and in order."""
        self._end = 0
        at: Int = 0
        end: Int = len(steps)
        # A step that trades nothing comes to no more than twice its own length.
        self._reserve = 2 * end + ROOM
        if self._reserve > self._size:
            self._make_room(end)
        queues = self._queues
        is_roomy = not queues.is_full(end)
        while at < end:
            code = steps[at]
            if code == NEW:
                if steps[at + 7] == 0 and is_roomy and self._new(steps, at):
                    at += 8
                else:
                    self._enter_long(steps, at)
                    at += 16 if steps[at + 7] & HAS_TERMS else 8
            elif code == CANCEL:
                number, party = steps[at + 1], steps[at + 2]
                order = queues.where.get(number, 0)
                if order and (not party or queues.orders[order + PARTY] == party):
                    row = (CANCELLED, number, queues.orders[order + OPEN], BY_USER)
                    put_4(self._out, self._end, row)
                    self._end += 4
                    queues.remove(order)
                else:
                    self._refuse_to_cancel(number)
                at += 3
            else:
                self._enter_long(steps, at)
                at += width_of(code)
        return cut(self._out, self._end)

    def _make_room(self, more: Int) -> None:
        """Let more numbers be written."""
        self._size = 2 * self._size + more + self._reserve
        self._out = widened(self._out, self._size)

    # --- the plain way -----------------------------------------------------------------------

    def _new(self, steps: Column, at: Int) -> bool:
        """Take in an order that says nothing besides, if nothing else is special either."""
        queues, standing = self._queues, self._standing
        number, pool_number = steps[at + 1], steps[at + 3]
        limit, quantity = steps[at + 4], steps[at + 5]
        if pool_number == 1:
            pool, key = queues.buy, limit
        elif pool_number == -1:
            pool, key = queues.sell, -limit
        elif queues.has_pool(pool_number):
            pool, key = queues.pool(pool_number), limit if pool_number > 0 else -limit
        else:
            return False
        if (
            quantity <= 0
            or quantity > LARGE
            or limit < self._price_min
            or limit > self._price_max
            or standing.phase != IN_OPEN
            or (number <= queues.highest and queues.where.get(number, 0) != 0)
        ):
            return False
        sole = pool.sole
        if (sole is None or queues.partnered) and queues.crosses(pool, key):
            return False
        left, party, place = quantity, steps[at + 2], self._end
        self._end = place + 8
        if sole is not None and key + sole.best >= pool.sole_fee:
            left = self._trade(number, party, key, quantity, pool)
        row = (ENTERED, number, party, pool_number, limit, quantity, left, 0)
        put_8(self._out, place, row)
        if left:
            order = queues.rest(number, party, pool, key, left)
            if left != quantity:
                queues.orders[order + TOTAL] = quantity - self._ended
        if left != quantity and self._waiting.count:
            self._release_all()
        return True

    def _trade(self, number: Int, party: Int, key: Int, quantity: Int, pool: Pool) -> Int:
        """Trade as far as limits cross, with the only pool there is to meet."""
        queues, fee, other = self._queues, pool.sole_fee, pool.sole
        if other is None:
            return quantity
        rule: Int = self._plan.self_trade if party else 0
        is_buy = other.number < 0
        orders, out, end = queues.orders, self._out, self._end
        self._ended = 0
        if self._waiting.count:
            self._standing.catch_up()
        left = quantity
        while left and key + other.best >= fee:
            if end + self._reserve > self._size:
                self._make_room(0)
                out = self._out
            level = other.best_level
            maker = queues.levels[level + HEAD]
            if rule and orders[maker + PARTY] == party:
                self._end = end
                left = self._give_way(number, left, maker, rule)
                end = self._end
                continue
            shown = orders[maker + SHOWN]
            traded = left if left < shown else shown  # noqa: FURB136 - a call of min takes longer
            price: Int = -other.best if is_buy else other.best - fee
            put_5(out, end, (TRADE, orders[maker + NUMBER], number, price, traded))
            self._standing.last = price
            end += 5
            left -= traded
            if orders[maker + FLAGS]:
                queues.reduce(maker, traded)
            elif traded == shown:
                queues.remove_first(level, maker, other)
            else:
                orders[maker + SHOWN] = shown - traded
                orders[maker + OPEN] = shown - traded
        self._end = end
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

    def _refuse_to_cancel(self, number: Int) -> None:
        """Say that no order that lives has a number, or that it is another party's."""
        self._write(REFUSED, CANCEL, number, UNKNOWN_ORDER)
        self._out[self._end] = 0
        self._out[self._end + 1] = 0
        self._end += 2

    def _write(self, code: Int, one: Int, two: Int, three: Int) -> None:
        """Write four numbers."""
        put_4(self._out, self._end, (code, one, two, three))
        self._end += 4

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
        if self._end + len(rows) + self._reserve > self._size:
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
