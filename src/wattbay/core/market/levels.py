"""Orders in a queue at each price, prices sorted with the best last.

Both sides are kept alike, by *key*: a buy order's limit, a sell order's limit with the opposite
sign. The higher key trades first, and two orders cross where their keys sum to the network fee
between them or more.

Orders that the same others may meet are in one *pool* of one side. Buy pools are numbered 1, 2, 3…
and sell pools -1, -2, -3…, so the sign of a pool is its side.

An order is a row of one column, known by where the row begins; so is a level. 0 is none.
"""

from __future__ import annotations

from typing import Final

from wattbay.core.market.codes import (
    ARRIVAL,
    BORN,
    EARLIER,
    EXTRA_WIDTH,
    FLAGS,
    HEAD,
    KEY,
    LATER,
    LEVEL,
    LEVEL_KEY,
    LEVEL_WIDTH,
    NUMBER,
    OPEN,
    ORDER_SHIFT,
    ORDER_WIDTH,
    PARTNER,
    PEAK,
    POOL,
    SHOWN,
    STATE,
    TAIL,
)
from wattbay.core.market.columns import (
    Column,
    Index,
    Int,
    column_of,
    copied,
    copied_index,
    grown,
    inserted,
    new_index,
    put_12,
    removed,
    shortened,
)
from wattbay.errors import ensure

POOLS_MAX: Final = 4_096
"""Of one book."""
ORDERS_MAX: Final = 2**22
"""Orders of one book that live."""
LEVELS_ENOUGH: Final = 2**14
NOBODY_THERE: Final = -(2**63) + 2**54
"""The best key of a pool in which nobody rests: it crosses with none."""


class Pool:
    """What rests on one side for the same others to meet."""

    def __init__(self, number: Int) -> None:
        """Begin empty, meeting nobody."""
        self.number: Int = number
        self.side: Int = 1 if number > 0 else -1
        self.keys: Column = column_of([])
        """Of the levels that hold orders, the best last."""
        self.levels: Index = new_index()
        """By key, those in which nobody rests for now among them."""
        self.fees: Column = column_of([])
        """Network fee to each pool that it meets."""
        self.others: Column = column_of([])
        """Those pools."""
        self.sole: Pool | None = None
        """The one that it meets, where it is just one."""
        self.sole_fee: Int = 0
        self.best: Int = NOBODY_THERE
        """The best key, and its level."""
        self.best_level: Int = 0


class Queues:
    """All orders of a book that live, and the queues of those that rest."""

    def __init__(self) -> None:
        """Begin empty, with a pool on each side."""
        self.orders: Column = column_of([0] * ORDER_WIDTH)
        self.extras: Column = column_of([0] * EXTRA_WIDTH)
        self.levels: Column = column_of([0] * LEVEL_WIDTH)
        self.where: Index = new_index()
        """Rows of orders by number."""
        self.highest: Int = 0
        """No order has lived with a number above this."""
        self.free_order: Int = 0
        self.free_level: Int = 0
        """Rows that are free again, each naming the next in its first field."""
        self.levels_enough: Int = LEVELS_ENOUGH
        """So long that it is worth while to look for levels that are empty."""
        self.arrivals: Int = 0
        self.buy = Pool(1)
        self.sell = Pool(-1)
        """The first pool of each side, which each book has."""
        self.buys: list[Pool] = [self.buy]
        self.sells: list[Pool] = [self.sell]
        self.partnered: Int = 0
        """How many orders name a partner."""

    # --- pools -------------------------------------------------------------------------------

    def open_pool(self, side: Int) -> Int:
        """Make a pool and return its number."""
        ensure(len(self.buys) + len(self.sells) < POOLS_MAX, "a book has 4,096 pools at most")
        pools = self.buys if side > 0 else self.sells
        number: Int = side * (len(pools) + 1)
        pools.append(Pool(number))
        return number

    def set_pools(self, buys: list[Pool], sells: list[Pool]) -> None:
        """Have other pools."""
        self.buys, self.sells = buys, sells
        self.buy, self.sell = buys[0], sells[0]

    def pool(self, number: Int) -> Pool:
        """Return a pool by number."""
        if number == 1:
            return self.buy
        if number == -1:
            return self.sell
        return self.buys[number - 1] if number > 0 else self.sells[-number - 1]

    def has_pool(self, number: Int) -> bool:
        """Tell whether a pool was made."""
        return number != 0 and (
            number <= len(self.buys) if number > 0 else -number <= len(self.sells)
        )

    def link(self, buy: Int, sell: Int, fee: Int) -> None:
        """Let two pools meet."""
        ensure(buy > 0 > sell, "a buy pool meets a sell pool")
        for one, other in ((buy, sell), (sell, buy)):
            pool = self.pool(one)
            count: Int = len(pool.others)
            pool.fees = grown(pool.fees, count + 1)
            pool.others = grown(pool.others, count + 1)
            pool.fees[count] = fee
            pool.others[count] = other
            pool.sole = self.pool(other) if count == 0 else None
            pool.sole_fee = fee

    def crosses(self, pool: Pool, key: Int) -> bool:
        """Tell whether an order of a pool with a key crosses with anybody's."""
        sole = pool.sole
        if sole is not None:
            return key + sole.best >= pool.sole_fee
        others, fees = pool.others, pool.fees
        link: Int = len(others) - 1
        while link >= 0 and key + self.pool(others[link]).best < fees[link]:
            link -= 1
        return link >= 0

    # --- orders ------------------------------------------------------------------------------

    def rest(self, number: Int, party: Int, pool: Pool, key: Int, left: Int) -> Int:
        """Let an order live that says nothing besides, and rest; return its row."""
        level = pool.levels.get(key, 0)
        if not level or not self.levels[level + HEAD]:
            level = self.open_level(level, pool, key)
        order = self.free_order
        if not order:
            order = self.more_orders()
        orders, levels = self.orders, self.levels
        self.free_order = orders[order]
        arrival = self.arrivals + 1
        # One for its birth, one for its place in the queue.
        self.arrivals = arrival + 1
        last = levels[level + TAIL]
        levels[level + TAIL] = order
        if last:
            orders[last + LATER] = order
        else:
            levels[level + HEAD] = order
        behind = arrival + 1
        row = (number, party, pool.number, key, left, left, 0, last, level, left, behind, arrival)
        put_12(orders, order, row)
        self.where[number] = order
        if number > self.highest:  # noqa: PLR1730 - a call of max takes longer
            self.highest = number
        return order

    def more_orders(self) -> Int:
        """Return a row for an order at the end of all."""
        order: Int = len(self.orders)
        self.orders = grown(self.orders, order + ORDER_WIDTH)
        self.extras = grown(self.extras, (order + ORDER_WIDTH) >> ORDER_SHIFT)
        return order

    def add(self, number: Int, party: Int, pool: Int, key: Int, flags: Int) -> Int:
        """Make the row of an order that begins to live, in no queue and with nothing open.

        What only terms say is 0 in a row that is free.
        """
        order = self.free_order
        if not order:
            order = self.more_orders()
        self.free_order = self.orders[order]
        orders = self.orders
        self.arrivals += 1
        arrival = self.arrivals
        put_12(orders, order, (number, party, pool, key, 0, 0, 0, 0, 0, 0, arrival, arrival))
        orders[order + FLAGS] = flags
        self.where[number] = order
        if number > self.highest:  # noqa: PLR1730 - a call of max takes longer
            self.highest = number
        return order

    def remove(self, order: Int) -> None:
        """Let an order end."""
        orders = self.orders
        level = orders[order + LEVEL]
        if level:
            # What `unlink` does, without a call.
            earlier = orders[order + EARLIER]
            later = orders[order + LATER]
            if earlier:
                orders[earlier + LATER] = later
            else:
                self.levels[level + HEAD] = later
            if later:
                orders[later + EARLIER] = earlier
            else:
                self.levels[level + TAIL] = earlier
                if not earlier:
                    self.close_level(level, self.pool(orders[order + POOL]))
        if orders[order + FLAGS]:
            self._forget_terms(order)
        del self.where[orders[order + NUMBER]]
        orders[order] = self.free_order
        self.free_order = order

    def _forget_terms(self, order: Int) -> None:
        """Leave a row as one of an order that says nothing besides."""
        orders = self.orders
        if orders[order + PARTNER]:
            self.partnered -= 1
        orders[order + BORN] = 0
        orders[order + PEAK] = 0
        orders[order + FLAGS] = 0
        orders[order + PARTNER] = 0
        orders[order + STATE] = 0

    def arrive(self, order: Int) -> None:
        """Put an order behind all others in time."""
        self.arrivals += 1
        self.orders[order + ARRIVAL] = self.arrivals

    # --- queues ------------------------------------------------------------------------------

    def push(self, order: Int) -> None:
        """Put an order at the end of the queue at its price, and show of it what may be shown."""
        orders = self.orders
        left = orders[order + OPEN]
        peak = orders[order + PEAK]
        orders[order + SHOWN] = peak if 0 < peak < left else left
        self.arrive(order)
        pool = self.pool(orders[order + POOL])
        key = orders[order + KEY]
        level = pool.levels.get(key, 0)
        if not level or not self.levels[level + HEAD]:
            level = self.open_level(level, pool, key)
        levels = self.levels
        last = levels[level + TAIL]
        orders[order + LEVEL] = level
        orders[order + EARLIER] = last
        orders[order + LATER] = 0
        levels[level + TAIL] = order
        if last:
            orders[last + LATER] = order
        else:
            levels[level + HEAD] = order

    def open_level(self, level: Int, pool: Pool, key: Int) -> Int:
        """Let a level be in a pool in which nobody rests yet; make it if there is none."""
        if not level:
            level = self._add_level(pool, key)
        pool.keys = inserted(pool.keys, key)
        if key > pool.best:
            pool.best = key
            pool.best_level = level
        return level

    def _add_level(self, pool: Pool, key: Int) -> Int:
        """Make an empty level."""
        if not self.free_level and len(self.levels) >= self.levels_enough:
            self._forget_empty_levels()
        level = self.free_level
        if not level:
            level = len(self.levels)
            self.levels = grown(self.levels, level + LEVEL_WIDTH)
        levels = self.levels
        self.free_level = levels[level]
        levels[level + HEAD] = 0
        levels[level + TAIL] = 0
        levels[level + LEVEL_KEY] = key
        pool.levels[key] = level
        return level

    def _forget_empty_levels(self) -> None:
        """Let the rows of levels in which nobody rests be free."""
        levels = self.levels
        for pool in [*self.buys, *self.sells]:
            old, pool.levels = pool.levels, new_index()
            for level in old.values():
                if levels[level + HEAD]:
                    pool.levels[levels[level + LEVEL_KEY]] = level
                else:
                    levels[level] = self.free_level
                    self.free_level = level
        self.levels_enough = 2 * len(levels)

    def unlink(self, order: Int) -> None:
        """Take an order out of its queue."""
        orders, levels = self.orders, self.levels
        level = orders[order + LEVEL]
        earlier = orders[order + EARLIER]
        later = orders[order + LATER]
        orders[order + LEVEL] = 0
        if earlier:
            orders[earlier + LATER] = later
        else:
            levels[level + HEAD] = later
        if later:
            orders[later + EARLIER] = earlier
        else:
            levels[level + TAIL] = earlier
            if not earlier:
                self.close_level(level, self.pool(orders[order + POOL]))

    def close_level(self, level: Int, pool: Pool) -> None:
        """Take a level out of a pool in which nobody rests any more. Its row stays for the next."""
        key = self.levels[level + LEVEL_KEY]
        if key == pool.best:
            self.close_best(pool)
        else:
            pool.keys = removed(pool.keys, key)

    def close_best(self, pool: Pool) -> None:
        """Take the best level out of a pool in which nobody rests any more."""
        pool.keys = shortened(pool.keys)
        count: Int = len(pool.keys)
        if count:
            pool.best = pool.keys[count - 1]
            pool.best_level = pool.levels.get(pool.best, 0)
        else:
            pool.best = NOBODY_THERE
            pool.best_level = 0

    def reduce(self, order: Int, quantity: Int) -> None:
        """Take a quantity off what an order shows; a clip that is used up queues again."""
        orders = self.orders
        shown = orders[order + SHOWN] - quantity
        left = orders[order + OPEN] - quantity
        if not left:
            self.remove(order)
            return
        orders[order + OPEN] = left
        orders[order + SHOWN] = shown
        # An auction takes from what is hidden, too.
        if shown <= 0:
            self.unlink(order)
            self.push(order)

    def head(self, pool: Pool, key: Int) -> Int:
        """Return the first order of a level."""
        return self.levels[pool.levels.get(key, 0) + HEAD]

    # --- reading -----------------------------------------------------------------------------

    def living(self) -> list[int]:
        """Return the rows of all orders that live, by birth."""
        orders = self.orders
        return sorted(self.where.values(), key=lambda order: orders[order + BORN])

    def resting(self, side: Int) -> list[int]:
        """Return the rows of orders that rest on a side: by limit, the best first, then time."""
        orders = self.orders
        found = [
            (-orders[order + KEY], orders[order + ARRIVAL], order)
            for order in self.where.values()
            if orders[order + LEVEL] and orders[order + POOL] * side > 0
        ]
        return [order for _, _, order in sorted(found)]

    def is_full(self, more: Int) -> bool:
        """Tell whether there may be no room for so many more orders."""
        return len(self.orders) + more * ORDER_WIDTH > ORDERS_MAX * ORDER_WIDTH

    def open_sum(self, side: Int) -> int:
        """Return what is open on a side."""
        orders = self.orders
        return sum(
            orders[order + OPEN] for order in self.where.values() if orders[order + POOL] * side > 0
        )

    def copy(self) -> Queues:
        """Return queues of their own that hold the same."""
        other = Queues()
        other.orders = copied(self.orders)
        other.extras = copied(self.extras)
        other.levels = copied(self.levels)
        other.where = copied_index(self.where)
        other.highest = self.highest
        other.free_order = self.free_order
        other.free_level = self.free_level
        other.levels_enough = self.levels_enough
        other.arrivals = self.arrivals
        other.partnered = self.partnered
        other.set_pools(
            [_copied(pool) for pool in self.buys],
            [_copied(pool) for pool in self.sells],
        )
        for pool in (*other.buys, *other.sells):
            if len(pool.others) == 1:
                pool.sole, pool.sole_fee = other.pool(pool.others[0]), pool.fees[0]
        return other


def _copied(pool: Pool) -> Pool:
    """Return a pool of its own that holds the same."""
    other = Pool(pool.number)
    other.keys = copied(pool.keys)
    other.levels = copied_index(pool.levels)
    other.fees = copied(pool.fees)
    other.others = copied(pool.others)
    other.best = pool.best
    other.best_level = pool.best_level
    return other
