"""Who may meet whom in an order book: pools by side, zone and category, and the fees between."""

from __future__ import annotations

from wattbay.core.market.book import Book
from wattbay.core.market.levels import POOLS_MAX
from wattbay.core.market.steps import BUY, SELL, BookRules


class Pools:
    """Gives orders their pool, and lays the pools in a book.

    Zones and categories are numbers given by the caller, from 1; 0 is none. Zones count where
    there is a matrix of network fees, or where some orders are local.
    """

    def __init__(self, rules: BookRules, *, has_local: bool = False) -> None:
        """Begin with the two pools that each book has, of orders that say nothing."""
        self.rules = rules
        self._has_local = has_local
        fees = rules.network_fees
        self._zones = None if fees is None else frozenset(zone for pair in fees for zone in pair)
        self._names: dict[int, list[tuple[int, int]]] = {BUY: [(0, 0)], SELL: [(0, 0)]}
        """By side: zone and category of each pool, in order of their numbers."""
        self._numbers: dict[tuple[int, int, int, bool], int] = {
            (BUY, 0, 0, False): BUY,
            (SELL, 0, 0, False): SELL,
        }
        self._local: set[int] = set()

    def of(
        self, side: int, zone: int = 0, origin: int = 0, wants: int = 0, *, is_local: bool = False
    ) -> int:
        """Return the pool of an order; 0 where it says what cannot be meant.

        What a sell order is, its `origin`, and what a buy order `wants`, which accepts all below
        it, are categories. A local order meets those of its own zone alone.
        """
        if (origin and side == BUY) or (wants and side == SELL):
            return 0
        if self._zones is None:
            zone = zone if self._has_local else 0
        elif zone not in self._zones:
            return 0
        name = (side, zone, origin or wants, is_local)
        number = self._numbers.get(name)
        if number is None:
            names = self._names[side]
            names.append(name[1:3])
            number = self._numbers[name] = side * len(names)
            if is_local:
                self._local.add(number)
        return number

    def name(self, pool: int) -> tuple[int, int]:
        """Return zone and category of a pool."""
        side = BUY if pool > 0 else SELL
        return self._names[side][abs(pool) - 1]

    def is_local(self, pool: int) -> bool:
        """Tell whether the orders of a pool meet those of their own zone alone."""
        return pool in self._local

    @property
    def is_too_many(self) -> bool:
        """Tell whether there are more than a book can have."""
        return len(self._numbers) > POOLS_MAX

    def lay(self, book: Book) -> None:
        """Open those pools that a book has not yet, and link them to those that they may meet."""
        for side in (BUY, SELL):
            for place in range(book.pools_count(side), len(self._names[side])):
                book.open_pool(side)
                for other in range(book.pools_count(-side)):
                    self._link(book, side, place, other)

    def _link(self, book: Book, side: int, place: int, other: int) -> None:
        """Link two pools of a book, if they may meet."""
        buy, sell = (place, other) if side == BUY else (other, place)
        buyers, sellers = self._names[BUY][buy], self._names[SELL][sell]
        is_local = not self._local.isdisjoint((buy + 1, -sell - 1))
        fee = self._between(buyers, sellers)
        if fee is not None and not (is_local and buyers[0] != sellers[0]):
            book.link(buy + 1, -sell - 1, fee)

    def _between(self, buy: tuple[int, int], sell: tuple[int, int]) -> int | None:
        """Return the network fee between two pools; None where they may not meet."""
        wants, origin = buy[1], sell[1]
        while wants and origin and origin != wants:
            origin = self.rules.parents[origin]
        if wants and not origin:
            return None
        if self.rules.network_fees is None:
            return self.rules.network_fee
        return self.rules.network_fees.get((sell[0], buy[0]))
