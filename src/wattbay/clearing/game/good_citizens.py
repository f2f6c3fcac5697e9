"""The bidding game of Elecbay: peers choose when to heat water, and all want a balanced community.

Everybody's payoff falls with the exchange of all with the grid, and grows with what the own home
injects, as long as its water stays warm. Into the grid is positive; powers are means of a
half-hour.

References
----------
.. [1] C. Zhang, J. Wu, Y. Zhou, M. Cheng and C. Long, "Peer-to-Peer energy trading in a
       Microgrid," *Applied Energy*, vol. 220, pp. 1-12, 2018, section 4.2 and table 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from wattbay.clearing.game import finite
from wattbay.clearing.game.finite import Floats, Mixture
from wattbay.clearing.game.mixed import by_program

OFF, ON = 0, 1
"""The strategies of a home with a water heater, and their numbers."""


class Declaration(NamedTuple):
    """What a player tells the others before a round."""

    peer: str
    injected_kw: tuple[float, ...]
    """What its home gives to the grid with each of its strategies. [kW]"""
    comfort: tuple[float, ...]
    """Whether its home is at ease with each: 1, or 0."""


class Rule(NamedTuple):
    """Constants of the payoff, as printed for ten peers. [1]_"""

    floor_kw: float = 26.0
    """L: what the largest home can draw, so that no payoff is negative. [kW]"""
    epsilon_kw: float = 0.01
    """Exchange that counts as balance: without it a balanced community divides by zero. [kW]"""


class Kind(StrEnum):
    """What sort of equilibrium a round came to."""

    PURE = "pure"
    MIXED = "mixed"


class Round(NamedTuple):
    """What a round of the game came to."""

    kind: Kind
    mixture: Mixture
    """What each player plays, in the order of the declarations; zeros and ones where it is pure."""
    equilibria: int
    """How many pure ones there were."""


def floor_kw(declarations: Sequence[Declaration]) -> float:
    """Return L as the paper defines it: the most that any player may draw, or 0. [kW] [1]_

    With exactly that, the payoff of the home that would draw it is 0 there whatever the others do.
    """
    least = min((min(declared.injected_kw) for declared in declarations), default=0.0)
    return max(-least, 0.0)


def exchange_kw(declarations: Sequence[Declaration], passive_kw: float) -> Floats:
    """Return what all peers together give to the grid, of every combination. [kW]

    Parameters
    ----------
    passive_kw
        What those give who do not play. [kW]

    Returns
    -------
    Floats
        Shape (m_1, ..., m_n).
    """
    total = np.full([len(declared.injected_kw) for declared in declarations], passive_kw)
    for player, declared in enumerate(declarations):
        total += _along(declared.injected_kw, player, len(declarations))
    return total


def payoffs(declarations: Sequence[Declaration], passive_kw: float, rule: Rule) -> Floats:
    """Return the payoffs of the game: ``(L + Eout) C / (|Emg| + epsilon)``. [1]_

    Returns
    -------
    Floats
        Shape (n_players, m_1, ..., m_n).

    Raises
    ------
    ValueError
        If L is less than a player may draw, epsilon is not positive, or combinations are too many.
    """
    if rule.epsilon_kw <= 0:
        raise ValueError("epsilon is above zero: a balanced community divides by it")
    if rule.floor_kw < floor_kw(declarations):
        raise ValueError(
            f"L is {rule.floor_kw:g} kW; a player may draw {floor_kw(declarations):g} kW"
        )
    combinations = np.prod(
        [len(declared.injected_kw) for declared in declarations], dtype=np.float64
    )
    if combinations > finite.COMBINATIONS_MAX:
        raise ValueError(f"{combinations:,.0f} combinations; at most {finite.COMBINATIONS_MAX:,}")
    shared = 1 / (np.abs(exchange_kw(declarations, passive_kw)) + rule.epsilon_kw)
    found = np.empty((len(declarations), *shared.shape))
    for player, declared in enumerate(declarations):
        own = (rule.floor_kw + np.array(declared.injected_kw)) * np.array(declared.comfort)
        found[player] = _along(own, player, len(declarations)) * shared
    return found


def play(declarations: Sequence[Declaration], passive_kw: float, rule: Rule, seed: int) -> Round:
    """Return the equilibrium that the players come to, each by itself and all to the same.

    Pure equilibria are enumerated and one is selected by the rule of
    `wattbay.clearing.game.finite`. Only where there is none, a mixed one is sought by
    `wattbay.clearing.game.mixed`.

    Raises
    ------
    NotConverged
        If there is no pure equilibrium and the program finds no mixed one.
    ValueError
        As `payoffs`.

    Notes
    -----
    There always is a pure one. Where nobody's payoff is zero, the logarithm of a payoff is a part
    of the own strategy alone plus a part that all share, so the sum of all own parts and the shared
    one is a potential: who gains by deviating raises it, and where it is greatest nobody does. A
    strategy of payoff zero is never better than another, whatever the others do, so a player keeps
    to those that are not, or is indifferent.
    """
    if not declarations:
        return Round(Kind.PURE, (), 1)
    found = payoffs(declarations, passive_kw, rule)
    equilibria = finite.pure_equilibria(found)
    if not len(equilibria):
        return Round(Kind.MIXED, by_program(found, seed), 0)
    exchange = exchange_kw(declarations, passive_kw)
    chosen = finite.select(equilibria, exchange, [declared.peer for declared in declarations])
    return Round(Kind.PURE, finite.pure(chosen, exchange.shape), len(equilibria))


def _along(values: Sequence[float] | Floats, axis: int, axes: int) -> Floats:
    """Return values as an array that varies along one of so many axes."""
    shape = [1] * axes
    shape[axis] = len(values)
    return np.asarray(values, dtype=np.float64).reshape(shape)
