"""Orders in a queue at each price, prices sorted with the best last.

Both sides are kept alike, by *key*: a buy order's limit, a sell order's limit with the opposite
sign. The higher key trades first, and two orders cross where their keys sum to the network fee
between them or more.

Orders that the same others may meet are in one `Pool`: one zone and one category of one side.
Where neither plays a part each side has a single pool.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence

from wattbay.core.market.steps import BUY, Terms

ANY_PRICE = 2**62
"""The key of an order that names no limit: it crosses with every other."""


class Order:
    """An order that lives: it rests, or waits for its instant or its stop."""

    __slots__ = (
        "arrival",
        "earlier",
        "filled",
        "key",
        "later",
        "number",
        "open",
        "party",
        "pool",
        "rests",
        "shown",
        "stops",
        "terms",
    )

    shown: int
    """What of it may be met now; set where it rests."""
    earlier: Order | None
    later: Order | None
    """Its neighbours in the queue; set where it rests."""

    def __init__(
        self,
        number: int,
        party: int,
        pool: Pool,
        key: int,
        quantity: int,
        terms: Terms,
        arrival: int,
    ) -> None:
        """Begin unfilled, in no queue."""
        self.number = number
        self.party = party
        self.pool = pool
        self.key = key
        self.open = quantity
        """Neither filled nor cancelled, shown or not."""
        self.filled = 0
        self.terms = terms
        self.arrival = arrival
        """Place in time: among equal prices the lower comes first."""
        self.rests = False
        """Whether it stands in a queue."""
        self.stops = False
        """Whether it waits for its stop."""


class Level:
    """The orders at one price of a pool, first come first."""

    __slots__ = ("first", "last")

    def __init__(self) -> None:
        """Begin empty."""
        self.first: Order | None = None
        self.last: Order | None = None

    def __iter__(self) -> Iterator[Order]:
        """Walk the queue."""
        order = self.first
        while order is not None:
            yield order
            order = order.later


class Pool:
    """What rests on one side in one zone and category, and whom it may meet."""

    __slots__ = ("category", "keys", "levels", "reach", "side", "zone")

    def __init__(self, side: int, zone: int, category: int) -> None:
        """Begin empty."""
        self.side = side
        self.zone = zone
        self.category = category
        self.keys: list[int] = []
        """Of the levels that hold orders, the best last."""
        self.levels: dict[int, Level] = {}
        self.reach: list[tuple[int, Pool]] = []
        """Pools of the other side that may be met, with the network fee between."""

    def append(self, order: Order) -> None:
        """Put an order at the end of the queue at its price."""
        key = order.key
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = Level()
            insort(self.keys, key)
        last = level.last
        order.rests = True
        order.earlier = last
        order.later = None
        level.last = order
        if last is None:
            level.first = order
        else:
            last.later = order

    def remove(self, order: Order) -> None:
        """Take an order out of its queue."""
        key = order.key
        level = self.levels[key]
        earlier = order.earlier
        later = order.later
        if earlier is not None:
            earlier.later = later
        else:
            level.first = later
        if later is not None:
            later.earlier = earlier
        else:
            level.last = earlier
        order.rests = False
        if level.first is None:
            del self.levels[key]
            keys = self.keys
            if keys[-1] == key:
                keys.pop()
            else:
                del keys[bisect_left(keys, key)]


class Pools:
    """All of a book."""

    __slots__ = ("_fee", "_fees", "_parents", "_pools")

    def __init__(
        self, fee: int, fees: Mapping[tuple[int, int], int] | None, parents: Sequence[int]
    ) -> None:
        """Begin empty. Fee between any two orders, or `fees` by zone of seller and buyer."""
        self._fee = fee
        self._fees = fees
        self._parents = parents
        self._pools: dict[tuple[int, int, int], Pool] = {}

    def get(self, side: int, zone: int, category: int) -> Pool:
        """Return a pool, made where there is none yet."""
        name = (side, zone if self._fees is not None else 0, category)
        pool = self._pools.get(name)
        if pool is None:
            pool = Pool(*name)
            for other in self._pools.values():
                fee = self._between(pool, other) if other.side != side else None
                if fee is not None:
                    pool.reach.append((fee, other))
                    other.reach.append((fee, pool))
            self._pools[name] = pool
        return pool

    def _between(self, one: Pool, other: Pool) -> int | None:
        """Return the network fee between two pools; None where they may not meet."""
        buy, sell = (one, other) if one.side == BUY else (other, one)
        origin = sell.category
        while buy.category and origin and origin != buy.category:
            origin = self._parents[origin]
        if buy.category and not origin:
            return None
        if self._fees is None:
            return self._fee
        return self._fees.get((sell.zone, buy.zone))

    def side(self, side: int) -> list[tuple[int, list[Order]]]:
        """List what rests on a side: limits, best first, each with its orders in priority."""
        found: dict[int, list[Order]] = {}
        for pool in self._pools.values():
            if pool.side == side:
                for key, level in pool.levels.items():
                    found.setdefault(key, []).extend(level)
        return [
            (side * key, sorted(found[key], key=lambda order: order.arrival))
            for key in sorted(found, reverse=True)
        ]


def best(taker: Order) -> tuple[Order, int] | None:
    """Return whom an order meets first, and the network fee between them; None if nobody.

    Best price to the one that comes second, network fee included; then earliest.
    """
    found: Order | None = None
    found_fee = found_worth = 0
    for fee, other in taker.pool.reach:
        if not other.keys:
            continue
        key = other.keys[-1]
        if taker.key + key < fee:
            continue
        worth = key - fee
        if found is None or worth >= found_worth:
            first = other.levels[key].first
            if first is not None and (
                found is None or worth > found_worth or first.arrival < found.arrival
            ):
                found, found_fee, found_worth = first, fee, worth
    return None if found is None else (found, found_fee)


def crossing(taker: Order) -> Iterator[list[Order]]:
    """Yield all whom an order crosses, price by price from the best, each in priority."""
    reach = taker.pool.reach
    cursors = [[len(other.keys) - 1, fee] for fee, other in reach]
    others = [other for _, other in reach]
    while True:
        worths = [
            others[place].keys[cursor] - fee if cursor >= 0 else None
            for place, (cursor, fee) in enumerate(cursors)
        ]
        top = max((worth for worth in worths if worth is not None), default=None)
        if top is None or taker.key + top < 0:
            return
        found: list[Order] = []
        for place, worth in enumerate(worths):
            if worth == top:
                other = others[place]
                found.extend(other.levels[other.keys[cursors[place][0]]])
                cursors[place][0] -= 1
        yield sorted(found, key=lambda order: order.arrival)
