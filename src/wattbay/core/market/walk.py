"""Who an order meets, one after the other, without changing anything."""

from __future__ import annotations

from wattbay.core.market.codes import (
    ARRIVAL,
    KEY,
    LATER,
    NONE,
    OPEN,
    PARTNER,
    PARTY,
    PEAK,
    SHOWN,
)
from wattbay.core.market.columns import Column, Int
from wattbay.core.market.levels import Pool, Queues


class Walk:
    """Walks through the other side as one order would take it: by price, then time.

    Price is what it comes to for the one that walks, network fee included. A clip that is used up
    queues again behind its price, so it is met again when all others there have been.
    """

    def __init__(self, queues: Queues, pool: Pool, key: Int, party: Int, partner: Int) -> None:
        """Stand before the best order of each pool that may be met."""
        self.order: Int = 0
        """Who is met now."""
        self.fee: Int = 0
        """Between the two."""
        self.shown: Int = 0
        """What of it can be taken now."""
        self.left: Int = 0
        """All that is open of it."""
        self._queues = queues
        self._key: Int = key
        self._party: Int = party
        self._partner: Int = partner
        self._is_choosy = partner != 0 or queues.partnered != 0
        self._fees: Column = pool.fees
        self._pools: list[Pool] = []
        self._places: list[int] = []
        self._heads: list[int] = []
        for number in pool.others:
            other = queues.pool(number)
            self._pools.append(other)
            self._places.append(len(other.keys))
            self._heads.append(0)
        for link in range(len(self._pools)):
            self._descend(link)
        self._again: list[tuple[int, int, int]] = []
        """Clips that queue again: order, what is open, fee."""
        self._worth: Int = NONE
        """What the price came to where those clips queue."""

    def _descend(self, link: int) -> None:
        """Go to the first order of the next level at which somebody may be met."""
        pool = self._pools[link]
        head: Int = 0
        while not head and self._places[link] > 0:
            self._places[link] -= 1
            key = pool.keys[self._places[link]]
            head = self._passing(self._queues.head(pool, key))
        self._heads[link] = head

    def _passing(self, order: Int) -> Int:
        """Return an order, or the next one in its queue that may be met; 0 if there is none."""
        if not self._is_choosy:
            return order
        orders = self._queues.orders
        while order:
            partner = orders[order + PARTNER]
            if (not self._partner or self._partner == orders[order + PARTY]) and (
                not partner or partner == self._party
            ):
                return order
            order = orders[order + LATER]
        return 0

    def advance(self) -> bool:
        """Come to the next order that is met; tell whether there is one."""
        orders = self._queues.orders
        best: int = -1
        found: Int = NONE
        for link in range(len(self._heads)):
            head: Int = self._heads[link]
            if not head:
                continue
            key = orders[head + KEY]
            fee = self._fees[link]
            if self._key + key < fee:
                continue
            worth = key - fee
            if (
                best < 0
                or worth > found
                or (worth == found and orders[head + ARRIVAL] < orders[self._heads[best] + ARRIVAL])
            ):
                best, found = link, worth
        if self._again and (best < 0 or found < self._worth):
            order, left, fee = self._again.pop(0)
            self._meet(order, left, min(left, orders[order + PEAK]), fee)
            return True
        if best < 0:
            return False
        order = self._heads[best]
        self._worth = found
        self._meet(order, orders[order + OPEN], orders[order + SHOWN], self._fees[best])
        later = self._passing(orders[order + LATER])
        self._heads[best] = later
        if not later:
            self._descend(best)
        return True

    def _meet(self, order: Int, left: Int, shown: Int, fee: Int) -> None:
        """Stand before an order."""
        self.order = order
        self.left = left
        self.shown = shown
        self.fee = fee

    def take(self, quantity: Int) -> None:
        """Take a quantity off what is shown of the order that is met."""
        if quantity == self.shown and quantity < self.left:
            self._again.append((self.order, self.left - quantity, self.fee))
