"""One period's curve orders as a ladder of prices: what a flow of blocks into it is worth.

Blocks put `net` into a period (or take it out, below zero), and curve orders make up for it. Think
of all sell orders as filled, and of each as wanting its energy back at its own limit: then the
period has `offered + net` to give away, and gives it to the highest prices first, whoever named
them. What is given away is worth the more the more it is, at falling prices: the worth is concave
in `net`, its slope is the clearing price, and all of it is whole numbers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from wattbay.units import share

_Order = tuple[int, int, int, int]
"""Period, side, price, quantity."""


class Ladder(NamedTuple):
    """The curve orders of a period, one rung a price, highest first."""

    offered: int
    """All that sell orders have. [quantity units]"""
    cost: int
    """What sell orders want for all of it, at least."""
    prices: list[int]
    ends: list[int]
    """What has been given away when a rung is full. [quantity units]"""
    sums: list[int]
    """What it is worth then. [price x quantity units]"""
    wanted: list[int]
    """What buy orders have on each rung; the rest is what sell orders have."""
    price_min: int | None
    price_max: int | None

    def sizes(self) -> list[int]:
        """Return what each rung holds. [quantity units]"""
        return [end - start for start, end in zip([0, *self.ends], self.ends, strict=False)]

    def worth(self, net: int) -> int | None:
        """Return the largest welfare of the curve orders; None if they cannot make up for `net`."""
        given = self.offered + net
        if not self.ends:
            return None if given else 0
        if not 0 <= given <= self.ends[-1]:
            return None
        rung = bisect_left(self.ends, given)
        return self.sums[rung] - (self.ends[rung] - given) * self.prices[rung] - self.cost

    def imbalance(self, net: int) -> int:
        """Return how far `net` is beyond what curve orders can make up for; 0 if it is not."""
        given = self.offered + net
        return min(given, 0) or max(given - (self.ends[-1] if self.ends else 0), 0)

    def interval(self, net: int) -> tuple[int | None, int | None]:
        """Return the lowest and the highest price at which the period clears; None is no bound."""
        low, high = self._between(net)
        return self.price_min if low is None else low, self.price_max if high is None else high

    def middle(self, net: int) -> int:
        """Return the middle of the orders that bound the price, rounded down.

        Where only one order does, its price; where none does, 0, or the bound next to it.
        """
        low, high = self._between(net)
        if low is not None and high is not None:
            return (low + high) // 2
        if low is not None or high is not None:
            return (low or 0) + (high or 0)
        price = 0 if self.price_max is None else min(0, self.price_max)
        return price if self.price_min is None else max(price, self.price_min)

    def _between(self, net: int) -> tuple[int | None, int | None]:
        """Return the orders' prices between which the period clears; None where no order is."""
        given = self.offered + net
        rung = bisect_left(self.ends, given)
        if not self.ends:
            return None, None
        if given == 0:
            return self.prices[0], None
        if given < self.ends[rung]:
            return self.prices[rung], self.prices[rung]
        return (self.prices[rung + 1] if rung + 1 < len(self.prices) else None), self.prices[rung]

    def filled(self, net: int) -> tuple[list[int], list[int]]:
        """Return what buy and sell orders get on each rung; buyers first where a rung is cut."""
        bought, sold = [], []
        left = self.offered + net
        for size, wanted in zip(self.sizes(), self.wanted, strict=True):
            part = max(0, min(left, size))
            bought.append(min(part, wanted))
            sold.append(size - wanted - (part - bought[-1]))
            left -= part
        return bought, sold


def ladders(
    orders: Iterable[_Order], periods: int, price_min: int | None, price_max: int | None
) -> list[Ladder]:
    """Return the ladder of each period."""
    rungs: list[dict[int, tuple[int, int]]] = [{} for _ in range(periods)]
    for period, side, price, quantity in orders:
        wanted, offered = rungs[period].get(price, (0, 0))
        if side > 0:
            rungs[period][price] = (wanted, offered + quantity)
        else:
            rungs[period][price] = (wanted + quantity, offered)
    made = []
    for of_period in rungs:
        prices = sorted(of_period, reverse=True)
        ends, sums, end, value = [], [], 0, 0
        for price in prices:
            end += sum(of_period[price])
            value += price * sum(of_period[price])
            ends.append(end)
            sums.append(value)
        made.append(
            Ladder(
                offered=sum(offered for _, offered in of_period.values()),
                cost=sum(price * offered for price, (_, offered) in of_period.items()),
                prices=prices,
                ends=ends,
                sums=sums,
                wanted=[of_period[price][0] for price in prices],
                price_min=price_min,
                price_max=price_max,
            )
        )
    return made


def fills(orders: Sequence[_Order], made: Sequence[Ladder], nets: Sequence[int]) -> list[int]:
    """Return what each order gets; a rung that is cut is shared pro rata, by largest remainder."""
    rungs: dict[tuple[int, int, int], list[int]] = {}
    for place, (period, side, price, _) in enumerate(orders):
        rungs.setdefault((period, price, side), []).append(place)
    found = [0] * len(orders)
    for period, (ladder, net) in enumerate(zip(made, nets, strict=True)):
        for price, bought, sold in zip(ladder.prices, *ladder.filled(net), strict=True):
            for side, total in ((-1, bought), (1, sold)):
                places = rungs.get((period, price, side), [])
                if total:
                    parts = share(total, [orders[place][3] for place in places])
                    for place, part in zip(places, parts, strict=True):
                        found[place] = part
    return found
