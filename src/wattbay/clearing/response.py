"""Demand response to the supply-demand ratio: an estimate, in floats, of what homes would shift.

Prices follow demand and demand follows prices. Let loose, the two chase each other for ever: all
move into the cheap hour, which then is dear. With a limit on what a home moves in one step they
settle.

References
----------
.. [1] N. Liu et al., "Energy-sharing model with price-based demand response for microgrids of
       peer-to-peer prosumers," *IEEE Transactions on Power Systems*, vol. 32, no. 5, 2017.
.. [2] Y. Zhou, J. Wu and C. Long, "Evaluation of peer-to-peer energy sharing mechanisms based on a
       multiagent simulation framework," *Applied Energy*, vol. 222, 2018, appendix B.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ITERATIONS_MAX = 100
TOLERANCE = 1e-4
"""The largest change of a price that counts as none, as in [1]_. [unit of the prices]"""


class Homes(NamedTuple):
    """What homes consume and generate. Shape of each: (n_homes, n_periods). [Wh]"""

    consumed: Floats
    generated: Floats
    lowest: Floats
    """The least that each can consume; where it equals `highest`, nothing moves."""
    highest: Floats


class Answer(NamedTuple):
    """Where prices and demand came to rest, or not."""

    consumed: Floats
    """Shape: (n_homes, n_periods). [Wh]"""
    buy: Floats
    """What homes pay in each period. Shape: (n_periods,)."""
    sell: Floats
    """What homes get in each period. Shape: (n_periods,)."""
    steps: int
    """How often demand moved."""
    settled: bool
    """Whether prices and demand agree; False where they still chased each other at the end."""


def ratio_price(supply: float, demand: float, retail: float, export: float) -> tuple[float, float]:
    """Estimate the prices of the supply-demand ratio: to buy, to sell. [unit of the prices]

    The formula of `wattbay.clearing.community.ratio_prices`, in floats.
    """
    if demand <= 0 or supply > demand:
        return export, export
    if supply <= 0:
        return retail, retail
    ratio = supply / demand
    weight = (retail - export) * ratio + export
    sell = export * retail / weight if weight else 0.0
    return sell * ratio + retail * (1 - ratio), sell


def respond(
    homes: Homes,
    retail: float,
    export: float,
    *,
    step_limit: float = math.inf,
    iterations_max: int = ITERATIONS_MAX,
) -> Answer:
    """Let homes move demand to cheaper periods until prices rest.

    In each step every home, seeing the same prices, moves what it can from its dearest to its
    cheapest periods; its sum stays. A period in which it lacks energy costs it the price to buy,
    one in which it has some over the price to sell, which it then forgoes.

    Parameters
    ----------
    retail, export
        Of the supplier, 0 <= export <= retail. [any one unit of price]
    step_limit
        The most that a home's demand in a period changes in one step. [Wh]
    iterations_max
        Steps after which it ends unsettled.

    Notes
    -----
    Ends when no price changed by more than `TOLERANCE`; nobody moves for less than that.
    """
    consumed = homes.consumed.copy()
    buy, sell = _prices(consumed, homes.generated, retail, export)
    for step in range(iterations_max):
        moved = np.array(
            [
                _shifted(
                    own,
                    np.where(own >= generated, buy, sell),
                    np.maximum(lowest, own - step_limit),
                    np.minimum(highest, own + step_limit),
                )
                for own, generated, lowest, highest in zip(
                    consumed, homes.generated, homes.lowest, homes.highest, strict=True
                )
            ]
        ).reshape(consumed.shape)
        if np.array_equal(moved, consumed):
            return Answer(consumed, buy, sell, step, settled=True)
        before, consumed = (buy, sell), moved
        buy, sell = _prices(consumed, homes.generated, retail, export)
        if max(np.abs(buy - before[0]).max(), np.abs(sell - before[1]).max()) <= TOLERANCE:
            return Answer(consumed, buy, sell, step + 1, settled=True)
    return Answer(consumed, buy, sell, iterations_max, settled=False)


def _prices(
    consumed: Floats, generated: Floats, retail: float, export: float
) -> tuple[Floats, Floats]:
    """Return the prices of each period, by net positions."""
    net = consumed - generated
    demand, supply = np.maximum(net, 0).sum(axis=0), np.maximum(-net, 0).sum(axis=0)
    found = [
        ratio_price(float(s), float(d), retail, export) for s, d in zip(supply, demand, strict=True)
    ]
    return np.array([buy for buy, _ in found]), np.array([sell for _, sell in found])


def _shifted(own: Floats, price: Floats, lowest: Floats, highest: Floats) -> Floats:
    """Move a home's demand from dear periods to cheap ones, within bounds. Shape: (n_periods,)."""
    moved: Floats = own.copy()
    order: Sequence[int] = [int(i) for i in np.argsort(price, kind="stable")]
    cheap, dear = 0, len(order) - 1
    while cheap < dear and price[order[dear]] - price[order[cheap]] > TOLERANCE:
        into, out = order[cheap], order[dear]
        room, spare = highest[into] - moved[into], moved[out] - lowest[out]
        amount = max(min(room, spare), 0.0)
        moved[into] += amount
        moved[out] -= amount
        if room <= spare:
            cheap += 1
        else:
            dear -= 1
    return moved
