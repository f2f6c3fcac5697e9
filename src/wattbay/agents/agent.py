"""What an agent is: it sees the market and its home, and returns commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from wattbay.agents.quantity import Alternatives, quantile, share_to_buy, share_to_sell
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
    net_wh: Sequence[float]
    """Forecast of own generation minus own demand in that delivery, by `quantity.LEVELS`. [Wh]"""
    price: float | None = None
    """Clearing price that is expected of it. [nano-currency per Wh]"""
    ahead: Ahead | None = None
    """None where nobody plans ahead."""
    charge: Charge | None = None
    """None without a battery."""
    without: Alternatives | None = None
    """What the home does without the market in this delivery; None where that never changes."""


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

    __slots__ = ("_buy_limit", "_pod", "_product", "_sell_limit", "_strategy", "_without")

    def __init__(
        self,
        pod: PodId,
        product: Product,
        strategy: Strategy,
        without: Alternatives,
        *,
        buy_limit: int,
        sell_limit: int,
    ) -> None:
        """Keep what all orders of the home have in common.

        Parameters
        ----------
        without
            What the home does without the market.
        buy_limit, sell_limit
            The home's own valuations. [nano-currency per Wh]
        """
        self._pod = pod
        self._product = product
        self._strategy = strategy
        self._without = without
        self._buy_limit = buy_limit
        self._sell_limit = sell_limit

    def orders(
        self,
        delivery: Instant,
        net_wh: Sequence[float],
        price: float | None,
        *,
        stored_wh: float = 0.0,
        room_wh: float = 0.0,
        without: Alternatives | None = None,
    ) -> list[Command]:
        """Return the order of a home for the delivery, if it has one.

        It is one order: a home that might lack energy and might have some over orders what is more
        likely. How much, `wattbay.agents.quantity` says for the price at which it can trade: the
        expected one, or its limit where that one is beyond it. The quantity is rounded to the tick
        of the product; nothing is ordered for less.

        Parameters
        ----------
        net_wh
            Forecast of own generation minus own demand, by `LEVELS`. [Wh]
        price
            The expected one; None where nobody knows one, and the limit alone counts.
        stored_wh, room_wh
            Demand that a battery will serve, surplus that it will store. [Wh]
        without
            What the home does without the market in this delivery; None for what it always does.
            The home's own valuations move with it: what they lie above or below its usual
            alternatives, they lie above or below those of this delivery.
        """
        buy_limit, sell_limit = self._buy_limit, self._sell_limit
        if without is None:
            without = self._without
        else:
            buy_limit += without.buy - self._without.buy
            sell_limit += without.sell - self._without.sell
        middle = net_wh[len(net_wh) // 2]
        if middle > room_wh or (middle >= -stored_wh and net_wh[-1] > room_wh):
            limit = sell_limit
            share = share_to_sell(limit if price is None else max(price, limit), without)
            over = quantile(net_wh, share) - room_wh if share > 0 else 0.0
            return self.order(delivery, Side.SELL, over, limit)
        limit = buy_limit
        share = share_to_buy(limit if price is None else min(price, limit), without)
        short = -quantile(net_wh, 1 - share) - stored_wh if share > 0 else 0.0
        return self.order(delivery, Side.BUY, short, limit)

    def order(
        self, delivery: Instant, side: Side, quantity_wh: float, valuation: int
    ) -> list[Command]:
        """Return an order for a quantity whose worth to the home is `valuation`, if it is one."""
        product = self._product
        tick = product.energy_tick
        if quantity_wh <= 0:
            return []
        quantity = min(round(quantity_wh / tick) * tick, product.quantity_max_wh)
        if not quantity:
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
