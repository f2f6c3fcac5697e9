"""How an agent chooses the limit of an order, given what the energy is worth to it.

Every limit lies on the tick and inside the product's range, and where that holds the home's own
valuation, the limit is never worse: a buyer bids at most that, a seller offers at least that.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple, Protocol

from msgspec import Struct

from wattbay.core.facts import Product, Side


class Allowed(NamedTuple):
    """The limits that a product allows: multiples of a tick in a range. [nano-currency per Wh]"""

    tick: int
    least: int
    most: int

    @classmethod
    def of(cls, product: Product) -> Allowed:
        """Return the limits that a product allows."""
        tick = product.price_tick
        return cls(tick, -(-product.price_min // tick) * tick, product.price_max // tick * tick)

    def fit(self, side: Side, price: float) -> int:
        """Return the nearest allowed limit that is no worse than `price` for its side."""
        ticks = price // self.tick if side is Side.BUY else -(-price // self.tick)
        return min(max(int(ticks) * self.tick, self.least), self.most)


class Strategy(Protocol):
    """A way of choosing limits. It sees what its home saw, and no more."""

    def limit(self, side: Side, valuation: int) -> int:
        """Return the limit of an order for energy that is worth `valuation`."""

    def learn(self, price: int | None) -> None:
        """Take in the clearing price of an auction in which the home had orders; None: no trade."""


class Truthful:
    """Says what the energy is worth to it."""

    __slots__ = ("_allowed",)

    def __init__(self, allowed: Allowed) -> None:
        """Keep what is allowed."""
        self._allowed = allowed

    def limit(self, side: Side, valuation: int) -> int:
        """Return the valuation itself, on the tick."""
        return self._allowed.fit(side, valuation)

    def learn(self, price: int | None) -> None:
        """Learn nothing."""


class ZeroIntelligence:
    """Draws limits by chance, but never trades at a loss: ZI-C.

    A buyer bids uniformly between the lowest allowed price and its valuation, a seller offers
    between its valuation and the highest. [1]_

    References
    ----------
    .. [1] D. K. Gode, S. Sunder, "Allocative Efficiency of Markets with Zero-Intelligence Traders:
       Market as a Partial Substitute for Individual Rationality," *Journal of Political Economy*,
       vol. 101, no. 1, pp. 119-137, 1993, doi:10.1086/261868.
    """

    __slots__ = ("_allowed", "_rng")

    def __init__(self, allowed: Allowed, rng: Random) -> None:
        """Keep what is allowed, and the home's own chance."""
        self._allowed = allowed
        self._rng = rng

    def limit(self, side: Side, valuation: int) -> int:
        """Draw a limit between the bound of the market and the valuation."""
        bound = self._allowed.least if side is Side.BUY else self._allowed.most
        return self._allowed.fit(side, bound + (valuation - bound) * self._rng.random())

    def learn(self, price: int | None) -> None:
        """Learn nothing."""


class Quote(Struct):
    """What an adaptive trader quotes on one side, and how fast that moves."""

    margin: float
    """Of the quote over the valuation, relative: not negative when selling, -1 to 0 when buying."""
    change: float = 0.0
    """Of the last update, for the momentum. [nano-currency per Wh]"""
    valuation: int = 0
    price: float = 0.0
    """The last quote. [nano-currency per Wh]"""
    is_open: bool = False
    """Whether it was quoted since the last lesson."""


class Adaptive:
    """Moves its profit margin towards what the market pays: ZIP, "zero intelligence plus". [1]_

    The quote is ``valuation * (1 + margin)``. After each auction it moves by the rule of Widrow and
    Hoff with momentum towards a target a little beyond the clearing price: on towards more profit,
    where the quote was good enough to trade; back towards less, where it was not.

    Cliff's rules are for shouts one after another. In a call auction the clearing price stands for
    the accepted shout; where nothing crossed, the own quote stands for the refused one. Whoever
    had no order learns nothing. A valuation of zero or less bears no relative margin and is quoted
    as it is.

    References
    ----------
    .. [1] D. Cliff, "Minimal-Intelligence Agents for Bargaining Behaviors in Market-Based
       Environments," Hewlett-Packard Laboratories, HPL-97-91, 1997.
    """

    __slots__ = ("_allowed", "_momentum", "_quotes", "_rng", "_speed")

    _MARGIN = (0.05, 0.35)
    """Range of the first margin (as those below: Cliff's)."""
    _SPEED = (0.1, 0.5)
    """Range of the learning rate, beta."""
    _MOMENTUM = (0.0, 0.1)
    """Range of the momentum, gamma."""
    _RELATIVE = 0.05
    """How far the target lies beyond the price at most, relative to it."""
    _TICKS = 5
    """How far it lies beyond it at most besides; five ticks for Cliff's five hundredths."""

    def __init__(self, allowed: Allowed, rng: Random) -> None:
        """Draw first margins and the speed of learning from the home's own chance."""
        self._allowed = allowed
        self._rng = rng
        self._speed = rng.uniform(*self._SPEED)
        self._momentum = rng.uniform(*self._MOMENTUM)
        self._quotes = {
            Side.BUY: Quote(margin=-rng.uniform(*self._MARGIN)),
            Side.SELL: Quote(margin=rng.uniform(*self._MARGIN)),
        }

    def limit(self, side: Side, valuation: int) -> int:
        """Return the valuation with the present margin."""
        quote = self._quotes[side]
        quote.valuation = valuation
        quote.price = valuation * (1 + quote.margin) if valuation > 0 else valuation
        quote.is_open = True
        return self._allowed.fit(side, quote.price)

    def learn(self, price: int | None) -> None:
        """Move the margins of the sides on which it quoted."""
        for side, quote in self._quotes.items():
            if quote.is_open:
                quote.is_open = False
                if quote.valuation > 0:
                    self._move(side, quote, price)

    def _move(self, side: Side, quote: Quote, price: int | None) -> None:
        """Move one margin towards the target that an auction sets."""
        seen = quote.price if price is None else price
        if side is Side.SELL:
            upwards = price is not None and quote.price <= price
        else:
            upwards = price is None or quote.price < price
        beyond = abs(seen) * self._RELATIVE * self._rng.random()
        beyond += self._TICKS * self._allowed.tick * self._rng.random()
        target = seen + beyond if upwards else seen - beyond
        step = self._speed * (target - quote.price)
        quote.change = self._momentum * quote.change + (1 - self._momentum) * step
        margin = (quote.price + quote.change) / quote.valuation - 1
        quote.margin = max(margin, 0.0) if side is Side.SELL else min(max(margin, -1.0), 0.0)


def strategy(name: str, product: Product, rng: Random) -> Strategy:
    """Return a strategy by its name: ``truthful``, ``zero_intelligence`` or ``adaptive``.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    allowed = Allowed.of(product)
    match name:
        case "truthful":
            return Truthful(allowed)
        case "zero_intelligence":
            return ZeroIntelligence(allowed, rng)
        case "adaptive":
            return Adaptive(allowed, rng)
        case _:
            raise ValueError(f"no strategy is called {name!r}")
