"""A bot's battery: it buys cheap and sells dear by what the market published, and no more.

What it may buy is what it has room for if all that it bought before comes, what it may sell is what
it holds if all that it sold before goes. So its state of charge bears every order, whatever becomes
of the others.
"""

from __future__ import annotations

from collections import deque
from statistics import median, quantiles
from typing import NamedTuple

from wattbay.adapters.mqtt.market.messages import ProductTerms
from wattbay.agents.prices import RecentPrices
from wattbay.core.facts import Side
from wattbay.periods import HOUR, Instant

PRICES_MIN, PRICES_MAX = 4, 96
"""Published prices that are enough to judge by, and that are remembered."""
EMPTY, FULL = 0.2, 0.8
"""Shares of its capacity beyond which it buys or sells, whatever the time of day."""
MARGIN = 0.1
"""Of the distance between the retail prices, while no other prices are known."""


class Cell(NamedTuple):
    """What a battery can do."""

    capacity_wh: float = 5_000.0
    power_w: float = 2_500.0
    efficiency: float = 0.9
    """Round trip, applied when it gives."""
    reserve_wh: float = 0.0
    """Never sold."""


class Wish(NamedTuple):
    """What a battery would order."""

    side: Side
    quantity_wh: float
    worth: int
    """What a Wh is worth to it. [nano-currency per Wh]"""


class Store:
    """A battery that trades."""

    def __init__(self, cell: Cell, soc_wh: float) -> None:
        """Hold so much."""
        self.cell = cell
        self.soc_wh = min(max(soc_wh, 0.0), cell.capacity_wh)
        self._ordered: dict[Instant, tuple[Side, float]] = {}
        """Per delivery that is not over: what may come or go at most. [Wh]"""
        self._prices: deque[int] = deque(maxlen=PRICES_MAX)
        self._recent: RecentPrices | None = None

    def learn(self, delivery: Instant, price: int | None, delivery_us: int) -> None:
        """Take in what a delivery cleared at."""
        if self._recent is None:
            self._recent = RecentPrices(delivery_us)
        self._recent.learn(delivery, price)
        if price is not None:
            self._prices.append(price)

    def wish(self, delivery: Instant, terms: ProductTerms) -> Wish | None:
        """Return what to order for a delivery; None for nothing."""
        bounds = self._bounds(terms)
        if bounds is None:
            return None
        low, high = bounds
        most_wh = self.cell.power_w * terms.delivery_us / HOUR
        coming = sum(wh for side, wh in self._ordered.values() if side is Side.BUY)
        going = sum(wh for side, wh in self._ordered.values() if side is Side.SELL)
        room_wh = min(most_wh, self.cell.capacity_wh - self.soc_wh - coming)
        held_wh = (self.soc_wh - self.cell.reserve_wh) * self.cell.efficiency - going
        held_wh = min(most_wh, held_wh)
        if self._is_cheap(delivery):
            return Wish(Side.BUY, room_wh, low) if room_wh >= terms.energy_tick else None
        return Wish(Side.SELL, held_wh, high) if held_wh >= terms.energy_tick else None

    def ordered(self, delivery: Instant, side: Side, quantity_wh: float) -> None:
        """Note the most that an order may bring or take."""
        self._ordered[delivery] = (side, quantity_wh)

    def refused(self, delivery: Instant | None) -> None:
        """Note that an order came to nothing."""
        if delivery is not None:
            self._ordered.pop(delivery, None)

    def settle(self, delivery: Instant, position_wh: int) -> float:
        """Let a delivery be over; return what was injected (positive) or drawn. [Wh]

        Parameters
        ----------
        position_wh
            Sold minus bought.
        """
        self._ordered.pop(delivery, None)
        if position_wh <= 0:
            drawn = min(-float(position_wh), self.cell.capacity_wh - self.soc_wh)
            self.soc_wh += drawn
            return -drawn
        given = min(float(position_wh), self.soc_wh * self.cell.efficiency)
        self.soc_wh = max(0.0, self.soc_wh - given / self.cell.efficiency)
        return given

    def _is_cheap(self, delivery: Instant) -> bool:
        """Tell whether to buy rather than to sell."""
        share = self.soc_wh / self.cell.capacity_wh
        if not EMPTY <= share <= FULL or self._recent is None or len(self._prices) < PRICES_MIN:
            return share < (EMPTY + FULL) / 2
        (expected,) = self._recent.expected(delivery, 1)
        return (self._prices[-1] if expected is None else expected) <= median(self._prices)

    def _bounds(self, terms: ProductTerms) -> tuple[int, int] | None:
        """Return the price to buy at and the one to sell at: never at a loss, with what is lost."""
        if len(self._prices) >= PRICES_MIN:
            cuts = quantiles(self._prices, n=10)
            low, high = int(cuts[2]), int(cuts[6])
        elif terms.retail_energy is None or terms.retail_export is None:
            return None
        else:
            middle = (terms.retail_energy + terms.retail_export) // 2
            margin = int(MARGIN * abs(terms.retail_energy - terms.retail_export))
            low, high = middle - margin, middle + margin
        return low, max(high, int(low / self.cell.efficiency) + terms.price_tick)
