"""An auction over a day, as a solver takes it and as the exchange is told of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from wattbay.clearing import blocks
from wattbay.core.commands import SubmittedTrade
from wattbay.core.facts import Product, Side
from wattbay.core.market.blocks import steps_of
from wattbay.core.market.orders import worst_price
from wattbay.ids import OrderId, PartyId
from wattbay.periods import Instant
from wattbay.units import PPM
from wattbay.views.operator import StandingOrder

Worsening = Callable[[Instant, Sequence[StandingOrder], Sequence[int]], list[int]]
"""Of a delivery, its orders and what each would get: places of those that worsen a network limit
that is breached, latest first; none if all are kept."""
_Line = list[tuple[OrderId, int]]
"""Orders of one side in one delivery, and what each got, by place in time. [Wh]"""


class Day:
    """All orders of an auction over a day."""

    __slots__ = ("_blocks", "_curves", "_product", "_starts", "deliveries")

    def __init__(self, product: Product, orders: Mapping[Instant, Sequence[StandingOrder]]) -> None:
        """Sort the orders of each delivery into plain ones and blocks."""
        self._product = product
        self.deliveries = list(orders)
        self._curves: list[tuple[int, StandingOrder]] = []
        """With the place of their delivery."""
        self._blocks: list[StandingOrder] = []
        self._starts: dict[OrderId, int] = {}
        """Of each block, the place of the first delivery of its profile."""
        for place, (_, standing) in enumerate(orders.items()):
            for one in standing:
                if one.terms is None or one.terms.block is None:
                    self._curves.append((place, one))
                else:
                    self._blocks.append(one)
                    self._starts[one.order] = place
        self._drop_orphans()

    def worsening(self, trades: Sequence[SubmittedTrade], worsening: Worsening) -> list[OrderId]:
        """Return the orders that worsen the first network limit that is breached, latest first."""
        filled: Counter[tuple[Instant, OrderId]] = Counter()
        for trade in trades:
            for name in (trade.buy_order, trade.sell_order):
                filled[trade.delivery, name] += trade.quantity_wh
        for place, delivery in enumerate(self.deliveries):
            known = [one for _, one in self._curves]
            known += [
                one._replace(side=_side(one, self._profile(one)[place])) for one in self._blocks
            ]
            standing = sorted(
                (one for one in known if filled[delivery, one.order]), key=lambda one: one.order
            )
            fills = [filled[delivery, one.order] for one in standing]
            worse = worsening(delivery, standing, fills)
            if worse:
                return [standing[found].order for found in worse]
        return []

    def _drop_orphans(self) -> None:
        """Leave out blocks below one that no longer stands: they cannot be accepted."""
        while True:
            known = {one.order for one in self._blocks}
            left = [one for one in self._blocks if _parent(one) in {None, *known}]
            if len(left) == len(self._blocks):
                return
            self._blocks = left

    def clear(self) -> blocks.BlockClearing:
        """Let the solver find which blocks to accept, and the prices."""
        product = self._product
        places = {one.order: place for place, one in enumerate(self._blocks)}
        groups: dict[tuple[PartyId, str], int] = {}
        return blocks.clear(
            [
                blocks.CurveOrder(place, _sign(one), _limit(product, one), one.quantity_wh)
                for place, one in self._curves
            ],
            [self._block(one, places, groups) for one in self._blocks],
            len(self.deliveries),
            price_min=product.price_min,
            price_max=product.price_max,
            price_tick=product.price_tick,
        )

    def _block(
        self,
        one: StandingOrder,
        places: Mapping[OrderId, int],
        groups: dict[tuple[PartyId, str], int],
    ) -> blocks.Block:
        """Return a block as the solver takes it."""
        profile = self._profile(one)
        block = one.terms.block if one.terms is not None else None
        least_ppm, group, parent = PPM, None, None
        if block is not None:
            least_ppm, parent = block.min_ratio_ppm, block.parent
            if block.group is not None:
                group = groups.setdefault((one.party, block.group), len(groups))
        least = -(-least_ppm * steps_of(profile) // PPM)
        above = None if parent is None else places[parent]
        limit = _limit(self._product, one)
        return blocks.Block(_sign(one), limit, profile, least, group, above)

    def _profile(self, one: StandingOrder) -> tuple[int, ...]:
        """Return what a block trades in each delivery of the day. [Wh]"""
        block = one.terms.block if one.terms is not None else None
        profile = () if block is None else block.profile
        start = self._starts[one.order]
        after = len(self.deliveries) - start - len(profile)
        return (0,) * start + profile + (0,) * after

    def trades(self, found: blocks.BlockClearing) -> Iterator[SubmittedTrade]:
        """Pair buyers and sellers of each delivery head to head: plain orders, then blocks."""
        bought: list[_Line] = [[] for _ in self.deliveries]
        sold: list[_Line] = [[] for _ in self.deliveries]
        for (place, one), energy in zip(self._curves, found.fills, strict=True):
            if energy:
                (bought if one.side is Side.BUY else sold)[place].append((one.order, energy))
        for one, steps in zip(self._blocks, found.steps, strict=True):
            profile = self._profile(one)
            whole = steps_of(profile)
            for place, energy in enumerate(profile):
                if steps and energy:
                    line = (bought if _side(one, energy) is Side.BUY else sold)[place]
                    line.append((one.order, abs(energy) // whole * steps))
        for place, delivery in enumerate(self.deliveries):
            for buy, sell, energy in _pairs(bought[place], sold[place]):
                yield SubmittedTrade(
                    delivery=delivery,
                    buy_order=buy,
                    sell_order=sell,
                    quantity_wh=energy,
                    buy_price=found.prices[place],
                    sell_price=found.prices[place],
                )


def _parent(one: StandingOrder) -> OrderId | None:
    """Return the block that one needs; None where it needs none."""
    return None if one.terms is None or one.terms.block is None else one.terms.block.parent


def _side(one: StandingOrder, energy: int) -> Side:
    """Return the side of a block where its profile has an energy: below zero the other one."""
    if energy >= 0:
        return one.side
    return Side.SELL if one.side is Side.BUY else Side.BUY


def _sign(one: StandingOrder) -> int:
    """Return the sign of an order's flow into the market."""
    return blocks.BUY if one.side is Side.BUY else blocks.SELL


def _limit(product: Product, one: StandingOrder) -> int:
    """Return the worst price that an order accepts; that of the product, where it names none."""
    named = worst_price(one.limit, one.terms)
    if named is not None:
        return named
    return product.price_max if one.side is Side.BUY else product.price_min


def _pairs(bought: _Line, sold: _Line) -> Iterator[tuple[OrderId, OrderId, int]]:
    """Pair two lines head to head; both have the same energy in all."""
    sellers = iter(sold)
    seller, left = next(sellers, (OrderId(0), 0))
    for buyer, wanted in bought:
        open_wh = wanted
        while open_wh:
            if not left:
                seller, left = next(sellers)
            energy = min(open_wh, left)
            yield buyer, seller, energy
            open_wh -= energy
            left -= energy
