"""What an agent is: it sees the market and its home, and returns commands."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from wattbay.agents.strategies import Strategy
from wattbay.core.commands import Command, PlaceOrder
from wattbay.core.facts import Product, Side
from wattbay.ids import PodId
from wattbay.periods import Instant


class Ahead(NamedTuple):
    """What is expected of the delivery to order for and of those after it, in order."""

    net_wh: list[float]
    """Own generation minus own demand. [Wh]"""
    price: list[float | None]
    """Clearing price; None where none is expected. [nano-currency per Wh]"""


class Charge(NamedTuple):
    """What a battery held when it was last looked at."""

    at: Instant
    """The start of the delivery since which it is not known."""
    soc_wh: float
    """State of charge. [Wh]"""
    solar_wh: float
    """What of it came from the home's own panels. [Wh]"""


class Sight(NamedTuple):
    """All that an agent sees when it acts."""

    now: Instant
    delivery: Instant
    """The delivery to order for."""
    net_wh: float
    """Forecast of own generation minus own demand in that delivery. [Wh]"""
    ahead: Ahead | None = None
    """None where nobody plans ahead."""
    charge: Charge | None = None
    """None without a battery."""


class Outcome(NamedTuple):
    """What an agent is told of an auction."""

    delivery: Instant
    price: int | None
    """Clearing price; None where nothing crossed. [nano-currency per Wh]"""
    position_wh: int
    """What it sold minus what it bought. [Wh]"""


class Agent(Protocol):
    """Whoever trades for a pod."""

    def act(self, sight: Sight) -> list[Command]:
        """Return what to do about a delivery."""

    def learn(self, outcome: Outcome) -> None:
        """Take in how an auction went."""


class Desk:
    """Where one home's orders are written: its pod, the product, its valuations, its strategy."""

    __slots__ = ("_buy_limit", "_pod", "_product", "_sell_limit", "_strategy")

    def __init__(
        self,
        pod: PodId,
        product: Product,
        strategy: Strategy,
        *,
        buy_limit: int,
        sell_limit: int,
    ) -> None:
        """Keep what all orders of the home have in common.

        Parameters
        ----------
        buy_limit, sell_limit
            The home's own valuations. [nano-currency per Wh]
        """
        self._pod = pod
        self._product = product
        self._strategy = strategy
        self._buy_limit = buy_limit
        self._sell_limit = sell_limit

    def orders(self, delivery: Instant, net_wh: float) -> list[Command]:
        """Return the order of a home that expects `net_wh`: sell what is over, buy what is short.

        The quantity is rounded to the tick of the product; nothing is ordered for less.
        """
        if net_wh >= 0:
            return self.order(delivery, Side.SELL, net_wh, self._sell_limit)
        return self.order(delivery, Side.BUY, -net_wh, self._buy_limit)

    def order(
        self, delivery: Instant, side: Side, quantity_wh: float, valuation: int
    ) -> list[Command]:
        """Return an order for a quantity whose worth to the home is `valuation`, if it is one."""
        product = self._product
        tick = product.energy_tick
        quantity = min(round(quantity_wh / tick) * tick, product.quantity_max_wh)
        if quantity <= 0:
            return []
        limit = self._strategy.limit(side, valuation)
        return [
            PlaceOrder(
                pod=self._pod,
                product=product.product,
                delivery=delivery,
                side=side,
                quantity_wh=quantity,
                limit=limit,
            )
        ]

    def at_least(self, valuation: float) -> int:
        """Return the least that the home sells for, where a Wh is worth `valuation` to it."""
        return max(self._sell_limit, -int(-valuation // 1))

    def learn(self, price: int | None) -> None:
        """Tell the strategy how an auction cleared."""
        self._strategy.learn(price)
