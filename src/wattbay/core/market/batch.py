"""Steps entered by the batch: planned and folded one by one, or both at once where it is plain.

The plain way is for limit orders until gate closure and for cancellations, which are most of what
comes. It does what planning and folding do, without saying first what it will do; a property test
holds the two equal. Whatever is not plain goes the long way.
"""

from __future__ import annotations

from typing import Final

from wattbay.core.market.codes import (
    AMEND,
    ARRIVAL,
    BORN,
    BOTH,
    BY_SELF_TRADE,
    BY_USER,
    CANCEL,
    CANCELLED,
    DECREMENT,
    EARLIER,
    ENTERED,
    FLAGS,
    HAS_TERMS,
    HEAD,
    IN_OPEN,
    KEY,
    LARGE,
    LATER,
    LEVEL,
    NEW,
    NEWEST,
    NUMBER,
    OLDEST,
    OPEN,
    PARTY,
    PASSED,
    POOL,
    REFUSED,
    RELEASE,
    SHOWN,
    TAIL,
    TIME,
    TOTAL,
    TRADE,
    TURN_AWAY,
    UNKNOWN_ORDER,
)
from wattbay.core.market.columns import (
    UNBOXED,
    Column,
    Int,
    column_of,
    cut,
    put_4,
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
        is_paired = is_roomy and queues.buy.sole is queues.sell and queues.sell.sole is queues.buy
        while at < end:
            if is_paired:
                at = self._enter_plain(steps, at, end)
                if at >= end:
                    break
            at = self._enter_one(steps, at, is_roomy=is_roomy)
        return cut(self._out, self._end)

    def _enter_one(self, steps: Column, at: Int, *, is_roomy: bool) -> Int:
        """Take one step, and return where the next begins."""
        code = steps[at]
        if code == NEW:
            if steps[at + 7] == 0 and is_roomy and self._new(steps, at):
                return at + 8
            self._enter_long(steps, at)
            return at + 16 if steps[at + 7] & HAS_TERMS else at + 8
        if code == CANCEL:
            queues = self._queues
            number, party = steps[at + 1], steps[at + 2]
            order = queues.where.get(number, 0)
            if order and (not party or queues.orders[order + PARTY] == party):
                self._write(CANCELLED, number, queues.orders[order + OPEN], BY_USER)
                queues.remove(order)
            else:
                self._refuse_to_cancel(number)
            return at + 3
        self._enter_long(steps, at)
        return at + width_of(code)

    def _make_room(self, more: Int) -> None:
        """Let more numbers be written."""
        self._size = 2 * self._size + more + self._reserve
        self._out = widened(self._out, self._size)

    # --- the plain way -----------------------------------------------------------------------

    def _enter_plain(self, steps: Column, at: Int, end: Int) -> Int:
        """Take steps of the first two pools, which meet each other alone, as long as all is plain.

        Return where the first step is that is not. Columns stay in variables: reading one from
        its owner costs as much as ten numbers of it. For the same reason `rest` and `remove` of
        the queues are written out here.
        """
        queues, place = self._queues, self._end
        if self._standing.phase != IN_OPEN or queues.partnered:
            return at
        where, out = queues.where, self._out
        orders, levels = queues.orders, queues.levels
        buy, sell, fee = queues.buy, queues.sell, queues.buy.sole_fee
        low, high = self._price_min, self._price_max
        while at < end:
            code, number = steps[at], steps[at + 1]
            if code == NEW:
                if UNBOXED:
                    party, pool_number = steps[at + 2], steps[at + 3]
                    limit, quantity, flags = steps[at + 4], steps[at + 5], steps[at + 7]
                else:
                    party, pool_number, limit, quantity, _, flags = steps[at + 2 : at + 8]
                if (
                    flags
                    or not 0 < quantity <= LARGE
                    or not low <= limit <= high
                    or (number <= queues.highest and where.get(number, 0))
                ):
                    break
                if pool_number == 1:
                    pool, key, best = buy, limit, sell.best
                elif pool_number == -1:
                    pool, key, best = sell, -limit, buy.best
                else:
                    break
                if key + best >= fee:
                    self._end = place
                    self._cross(steps, at, key, pool)
                    at += 8
                    place, out, orders, levels = self._end, self._out, queues.orders, queues.levels
                    continue
                if UNBOXED:
                    out[place] = ENTERED
                    out[place + 1] = number
                    out[place + 2] = party
                    out[place + 3] = pool_number
                    out[place + 4] = limit
                    out[place + 5] = quantity
                    out[place + 6] = quantity
                    out[place + 7] = 0
                else:
                    row = (ENTERED, number, party, pool_number, limit, quantity, quantity, 0)
                    out[place : place + 8] = row
                place += 8
                at += 8
                level = pool.levels.get(key, 0)
                if not level or not levels[level + HEAD]:
                    level = queues.open_level(level, pool, key)
                    levels = queues.levels
                order = queues.free_order
                if not order:
                    order = queues.more_orders()
                    orders = queues.orders
                queues.free_order = orders[order]
                born = queues.arrivals + 1
                queues.arrivals = born + 1
                last = levels[level + TAIL]
                levels[level + TAIL] = order
                if last:
                    orders[last + LATER] = order
                else:
                    levels[level + HEAD] = order
                if UNBOXED:
                    orders[order] = number
                    orders[order + PARTY] = party
                    orders[order + POOL] = pool_number
                    orders[order + KEY] = key
                    orders[order + OPEN] = quantity
                    orders[order + SHOWN] = quantity
                    orders[order + LATER] = 0
                    orders[order + EARLIER] = last
                    orders[order + LEVEL] = level
                    orders[order + TOTAL] = quantity
                    orders[order + ARRIVAL] = born + 1
                    orders[order + BORN] = born
                else:
                    stand = (quantity, quantity, 0, last, level, quantity, born + 1, born)
                    orders[order : order + 12] = (number, party, pool_number, key, *stand)
                where[number] = order
                if number > queues.highest:  # noqa: PLR1730 - a call would cost more than all else
                    queues.highest = number
            elif code == CANCEL:
                order, party = where.get(number, 0), steps[at + 2]
                if not order or (party and orders[order + PARTY] != party):
                    self._end = place
                    self._refuse_to_cancel(number)
                    place += 6
                    at += 3
                    continue
                level = orders[order + LEVEL]
                if not level or orders[order + FLAGS]:
                    break
                if UNBOXED:
                    out[place] = CANCELLED
                    out[place + 1] = number
                    out[place + 2] = orders[order + OPEN]
                    out[place + 3] = BY_USER
                else:
                    out[place : place + 4] = (CANCELLED, number, orders[order + OPEN], BY_USER)
                place += 4
                at += 3
                earlier, later = orders[order + EARLIER], orders[order + LATER]
                if earlier:
                    orders[earlier + LATER] = later
                else:
                    levels[level + HEAD] = later
                if later:
                    orders[later + EARLIER] = earlier
                else:
                    levels[level + TAIL] = earlier
                    if not earlier:
                        queues.close_level(level, queues.pool(orders[order + POOL]))
                del where[number]
                orders[order] = queues.free_order
                queues.free_order = order
            else:
                break
        self._end = place
        return at

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
        self._cross(steps, at, key, pool)
        return True

    def _cross(self, steps: Column, at: Int, key: Int, pool: Pool) -> None:
        """Take in a plain order: trade as far as limits cross, and rest what is left."""
        number, party, quantity, place = steps[at + 1], steps[at + 2], steps[at + 5], self._end
        self._end = place + 8
        left = self._trade(number, party, key, quantity, pool)
        row = (ENTERED, number, party, steps[at + 3], steps[at + 4], quantity, left, 0)
        put_8(self._out, place, row)
        if left:
            queues = self._queues
            order = queues.rest(number, party, pool, key, left)
            if left != quantity:
                queues.orders[order + TOTAL] = quantity - self._ended
        if left != quantity and self._waiting.count:
            self._release_all()

    def _trade(self, number: Int, party: Int, key: Int, quantity: Int, pool: Pool) -> Int:
        """Trade as far as limits cross, with the only pool there is to meet."""
        queues, fee, other = self._queues, pool.sole_fee, pool.sole
        if other is None or key + other.best < fee:
            return quantity
        rule: Int = self._plan.self_trade if party else 0
        is_buy = other.number < 0
        orders, levels, where = queues.orders, queues.levels, queues.where
        out, end, full = self._out, self._end, self._size - self._reserve
        self._ended = 0
        if self._waiting.count:
            self._standing.catch_up()
        left, price = quantity, self._standing.last
        while left and key + other.best >= fee:
            if end > full:
                self._make_room(0)
                out, full = self._out, self._size - self._reserve
            level = other.best_level
            maker = levels[level + HEAD]
            if rule and orders[maker + PARTY] == party:
                self._end = end
                left = self._give_way(number, left, maker, rule)
                end, levels = self._end, queues.levels
                continue
            shown = orders[maker + SHOWN]
            traded = left if left < shown else shown  # noqa: FURB136 - a call of min takes longer
            price = -other.best if is_buy else other.best - fee
            named = orders[maker + NUMBER]
            if UNBOXED:
                out[end] = TRADE
                out[end + 1] = named
                out[end + 2] = number
                out[end + 3] = price
                out[end + 4] = traded
            else:
                out[end : end + 5] = (TRADE, named, number, price, traded)
            end += 5
            left -= traded
            if orders[maker + FLAGS]:
                queues.reduce(maker, traded)
                levels = queues.levels
            elif traded != shown:
                orders[maker + SHOWN] = shown - traded
                orders[maker + OPEN] = shown - traded
            else:
                # What `remove` does to the first of the best level.
                del where[named]
                orders[maker] = queues.free_order
                queues.free_order = maker
                later = orders[maker + LATER]
                levels[level + HEAD] = later
                if later:
                    orders[later + EARLIER] = 0
                else:
                    levels[level + TAIL] = 0
                    queues.close_best(other)
        self._standing.last = price
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
