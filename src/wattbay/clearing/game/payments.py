"""Prices that come from games: NRG-X-Change, Shapley values, a storage that leads.

References
----------
.. [1] Mihaylov et al., "NRG-X-Change: a novel mechanism for trading of renewable energy in
       smart grids," *SMARTGREENS*, 2014; the payment functions as in the simulations around
       open-elecbay.
.. [2] Shapley, "A Value for n-Person Games," *Contributions to the Theory of Games II*,
       Princeton University Press, 1953.
.. [3] Mediwaththe et al., "Competitive Energy Trading Framework for Demand-side Management
       in Neighborhood Area Networks," arXiv:1512.03440.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

PLAYERS_MAX = 16
"""Coalitions are listed one by one: twice as many with each player."""


def injection_payment(
    injected: float, produced: float, consumed: float, *, most: float, scale: float
) -> float:
    """Return what is paid for energy that was injected: ``x q / exp((tp - tc)^2 / a)``. [1]_

    Parameters
    ----------
    injected
        By this peer, x.
    produced, consumed
        By all in the period, tp and tc. [the unit of `injected`]
    most
        Paid for a unit where production and consumption agree, q.
    scale
        How fast it falls where they do not, a. [that unit squared]
    """
    return injected * most / math.exp((produced - consumed) ** 2 / scale)


def withdrawal_payment(withdrawn: float, produced: float, consumed: float, *, most: float) -> float:
    """Return what is charged for energy that was withdrawn: ``y r tc / (tc + tp)``. [1]_

    Parameters
    ----------
    withdrawn
        By this peer, y.
    produced, consumed
        By all in the period, tp and tc. Where both are zero nothing is charged.
    most
        Charged for a unit where nobody produces, r.
    """
    total = produced + consumed
    return withdrawn * most * consumed / total if total else 0.0


def shapley(worth: Sequence[float]) -> list[float]:
    """Return what each player adds to a coalition, averaged over all orders of joining. [2]_

    Parameters
    ----------
    worth
        Of every coalition: the one of players i, j, ... at index 2^i + 2^j + ...; that of nobody,
        at index 0, is 0. Shape (2^n_players,).

    Returns
    -------
    list
        They sum to the worth of all together. Shape (n_players,).

    Raises
    ------
    ValueError
        If the number of coalitions is no power of two, more than `PLAYERS_MAX` play, or nobody is
        worth something.
    """
    players = len(worth).bit_length() - 1
    if len(worth) != 1 << max(players, 0):
        raise ValueError(f"{len(worth)} coalitions; with n players there are 2^n")
    if players > PLAYERS_MAX:
        raise ValueError(f"{players} players; at most {PLAYERS_MAX}")
    if worth[0]:
        raise ValueError("a coalition of nobody is worth 0")
    weights = [1 / (players * math.comb(players - 1, size)) for size in range(players)]
    return [
        sum(
            weights[coalition.bit_count()] * (worth[coalition | 1 << player] - worth[coalition])
            for coalition in range(len(worth))
            if not coalition >> player & 1
        )
        for player in range(players)
    ]


class Neighbourhood(NamedTuple):
    """What homes know that sell to a shared storage. [3]_"""

    slope: float
    """Of the grid's price in what all draw, phi; above zero. [price per unit]"""
    base: float
    """Price of the grid where nobody draws, delta."""
    others: float
    """What those draw who do not take part, E_N."""
    homes: int
    """How many take part, I."""


def sold_to_storage(
    surplus: float, price: float, storage_drawn: float, around: Neighbourhood
) -> float:
    """Return what a home sells to the storage in the equilibrium of identical homes.

    ``x = s + ((a - delta) / phi - l - E_N) / (I + 1)``

    A home with surplus s sells x and draws x - s from the grid, at a price that grows with what all
    draw. Derived by us from the costs in [3]_; the storage's own best price is not.

    Parameters
    ----------
    surplus
        Of this home, s; below zero where it lacks energy.
    price
        That the storage pays, a.
    storage_drawn
        What the storage itself draws from the grid, l.
    """
    level = (price - around.base) / around.slope
    return surplus + (level - storage_drawn - around.others) / (around.homes + 1)
