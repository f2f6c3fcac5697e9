"""How much to order of a delivery that nobody knows for sure: the rule of the newsvendor.

Who buys too little pays the supplier for the rest, who buys too much leaves it to the pool. The
best quantity is the quantile of what will be needed at which one Wh more costs as much as one Wh
less. [1]_ But no home orders more than an even chance bears out, however good the price.

References
----------
.. [1] K. J. Arrow, T. Harris, J. Marschak, "Optimal Inventory Policy," *Econometrica*, vol. 19,
   no. 3, pp. 250-272, 1951, doi:10.2307/1906813.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""The quantiles of its net that a home is told."""
SHARE_MAX = 0.5
"""No home orders more than it will exceed with an even chance. Where the price is better than the
pool's, the rule alone says to order without end: that is a bet against the pool, which somebody
loses, and no energy flows for it. It also makes one order enough: no home has a reason to buy and
to sell at once."""


class Alternatives(NamedTuple):
    """What a home does without the market. [nano-currency per Wh]"""

    buy: int
    """The price of the market at which the supplier is as cheap, all fees considered."""
    sell: int
    """What the supplier pays for surplus."""
    fees: int
    """Network fee and levy on what is drawn after a trade."""
    pool: int
    """The price at which deviations are netted in the community."""


def share_to_buy(price: float, without: Alternatives) -> float:
    """Return with which chance the need of a buyer should be covered: ``(V - p) / (V - s)``.

    Each Wh that is bought and used saves V - p, V being `Alternatives.buy`; each that is bought and
    not used costs p - s, s being what the pool gives. At a price of V or more nothing is bought;
    one of s or less is safe to buy at, up to `SHARE_MAX`.
    """
    worth = without.buy
    if price >= worth:
        return 0.0
    return min((worth - price) / max(worth - without.pool, worth - price), SHARE_MAX)


def share_to_sell(price: float, without: Alternatives) -> float:
    """Return with which chance what a seller sells may exceed its surplus: ``(p - e) / (c - e)``.

    Each Wh that is there and sold earns p - e, e being the export price; each that is sold and not
    there costs c - p, c being the pool price. Nothing is sold at e or less; a price of c or more is
    safe to sell at, up to `SHARE_MAX`.
    """
    least = without.sell
    if price <= least:
        return 0.0
    return min((price - least) / max(without.pool - least, price - least), SHARE_MAX)


def quantile(values: Sequence[float], level: float) -> float:
    """Return a quantile of any level, between those at `LEVELS` by straight lines.

    Beyond the outermost of `LEVELS` their own quantile holds.
    """
    place = min(max(level * 10 - 1, 0.0), len(LEVELS) - 1.0)
    below = int(place)
    if below == place:
        return values[below]
    return values[below] + (place - below) * (values[below + 1] - values[below])
