"""Finite games: payoffs of every combination, and the pure equilibria among them.

A game is an array of shape (n_players, m_1, ..., m_n): ``payoffs[i, s_1, ..., s_n]`` is what player
i gets where player k plays its strategy s_k. A combination is a row of strategies, one a player; a
mixture is a tuple of probability vectors, one a player.

References
----------
.. [1] J. Nash, "Non-Cooperative Games," *Annals of Mathematics*, vol. 54, no. 2, pp. 286-295, 1951,
       doi:10.2307/1969529.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Combinations = NDArray[np.int64]
"""Strategies of all players, a row a combination. Shape (n_found, n_players)."""
Mixture = tuple[Floats, ...]
"""With what chance each player plays each of its strategies. Shapes (m_i,)."""

COMBINATIONS_MAX = 65_536
"""More than these are not enumerated: sixteen players with two strategies each."""
TOLERANCE = 1e-12
"""A gain smaller than this, relative to the payoff, is a rounding error and no gain."""
EXCHANGE_DIGITS = 9
"""Exchanges with the grid that agree to so many decimals are equal: rounding selects nobody."""


def check(payoffs: Floats) -> tuple[int, ...]:
    """Return how many strategies each player has. Shape (n_players,).

    Raises
    ------
    ValueError
        If the array is no game, too large, or has payoffs that are not finite.
    """
    counts = payoffs.shape[1:]
    if payoffs.ndim == 0 or not counts or payoffs.shape[0] != len(counts) or 0 in counts:
        raise ValueError(f"{payoffs.shape} is not the shape of a game: (n, m_1, ..., m_n)")
    if payoffs[0].size > COMBINATIONS_MAX:
        raise ValueError(f"{payoffs[0].size:,} combinations; at most {COMBINATIONS_MAX:,}")
    if not np.isfinite(payoffs).all():
        raise ValueError("a payoff is not finite")
    return counts


def pure_equilibria(payoffs: Floats) -> Combinations:
    """Return every combination in which no player gains by changing its own strategy alone. [1]_

    Parameters
    ----------
    payoffs
        Shape (n_players, m_1, ..., m_n).

    Returns
    -------
    Combinations
        In lexicographic order. Shape (n_found, n_players); n_found may be 0.

    Raises
    ------
    ValueError
        As `check`.

    Notes
    -----
    By enumeration: each payoff is compared with the best along its player's own axis. A player that
    is indifferent has no reason to change, so ties are equilibria.
    """
    check(payoffs)
    stays = np.ones(payoffs.shape[1:], dtype=np.bool_)
    for player, own in enumerate(payoffs):
        best = own.max(axis=player, keepdims=True)
        stays &= own >= best - TOLERANCE * np.abs(best)
    return np.argwhere(stays)


def select(equilibria: Combinations, exchange: Floats, peers: Sequence[str]) -> tuple[int, ...]:
    """Return the equilibrium to play where there are several.

    The one with the least exchange with the grid, in absolute value. Of equals the first one in
    lexicographic order, players taken by identifier: the first player in which two of them differ
    plays the strategy of the lower number.

    Parameters
    ----------
    equilibria
        As `pure_equilibria` returns them; at least one.
    exchange
        Energy that all peers together give to the grid, of every combination. Shape (m_1, ...).
    peers
        Identifiers of the players, each its own. Shape (n_players,).

    Raises
    ------
    ValueError
        If there is nothing to select from.
    """
    if not len(equilibria):
        raise ValueError("no equilibrium to select from")
    amounts = np.round(np.abs(exchange[tuple(equilibria.T)]), EXCHANGE_DIGITS)
    order = sorted(range(len(peers)), key=peers.__getitem__)
    least = equilibria[amounts == amounts.min()]
    chosen = min(least.tolist(), key=lambda row: [row[player] for player in order])
    return tuple(chosen)


def pure(combination: Sequence[int], counts: Sequence[int]) -> Mixture:
    """Return a combination as a mixture: each player plays its strategy for certain."""
    return tuple(np.eye(count)[chosen] for chosen, count in zip(combination, counts, strict=True))


def deviations(payoffs: Floats, mixture: Mixture) -> tuple[Floats, ...]:
    """Return what each player expects of each of its strategies while the others mix.

    ``u_i(sigma_-i, s_ij)``, by player i. Shapes (m_i,).
    """
    found = []
    for player, own in enumerate(payoffs):
        left = own
        # From the last axis to the first, so that the axes yet to go keep their places.
        for other in range(len(mixture) - 1, -1, -1):
            if other != player:
                left = np.tensordot(left, mixture[other], axes=([other], [0]))
        found.append(left)
    return tuple(found)


def expected(payoffs: Floats, mixture: Mixture) -> Floats:
    """Return what each player expects where all mix: ``u_i(sigma)``. Shape (n_players,)."""
    by_strategy = deviations(payoffs, mixture)
    return np.array([chance @ gains for chance, gains in zip(mixture, by_strategy, strict=True)])


def regrets(payoffs: Floats, mixture: Mixture) -> Floats:
    """Return the most that each player could gain by deviating alone. Shape (n_players,).

    All zero, and only then, in a Nash equilibrium. [1]_ Their sum is the objective of the program
    in `wattbay.clearing.game.mixed`.
    """
    by_strategy = deviations(payoffs, mixture)
    best = np.array([gains.max() for gains in by_strategy])
    mean = np.array([chance @ gains for chance, gains in zip(mixture, by_strategy, strict=True)])
    found: Floats = np.maximum(best - mean, 0.0)
    return found
