"""Mixed equilibria: of two players exactly, of more by a program that is solved numerically.

The program: minimise the sum of ``beta_i - u_i(sigma)`` over mixtures sigma and values beta, such
that no strategy is worth more than beta: ``u_i(sigma_-i, s_ij) <= beta_i``. Its least value is 0,
reached at the equilibria and nowhere else; beta is then what the players get. [1]_ It is linear in
each player's own mixture but not in all together: it is not convex, and a solver can end elsewhere.

References
----------
.. [1] C. Zhang, J. Wu, Y. Zhou, M. Cheng and C. Long, "Peer-to-Peer energy trading in a
       Microgrid," *Applied Energy*, vol. 220, pp. 1-12, 2018, section 4.2.
.. [2] A. Fischer, "A special Newton-type optimization method," *Optimization*, vol. 24,
       pp. 269-284, 1992.
.. [3] B. von Stengel, "Equilibrium Computation for Two-Player Games in Strategic and Extensive
       Form," *Algorithmic Game Theory*, Cambridge University Press, 2007, chapter 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations

import numpy as np

from wattbay.clearing.game.finite import Floats, Mixture, check, deviations, regrets
from wattbay.errors import NotConverged

REGRET_MAX = 1e-8
"""What a player may gain by deviating from what counts as an equilibrium, of its payoffs' span."""
STARTS = 60
STEPS_MAX = 200
CORNERS = 0.2
"""Of the Dirichlet distribution of starts: below 1 they lie near corners, where equilibria are."""
SUPPORT_PAIRS_MAX = 65_536
"""Pairs of supports that are tried of two players: eight strategies each."""
_DAMPING = (1e-3, 1e-12, 1e8)
"""Of the Newton steps: at first, at least, at most."""


def of_two(payoffs: Floats) -> list[Mixture]:
    """Return the equilibria of a game of two, pure ones included, by enumerating supports. [3]_

    For each pair of equally large sets of strategies: the mixtures that make the other side
    indifferent within its set, kept where nothing outside is worth more. These are all equilibria
    of a game that is not degenerate; of a degenerate one, where equilibria may form a continuum,
    they are some of it. By size of the supports, then lexicographic.

    Parameters
    ----------
    payoffs
        Shape (2, m_1, m_2).

    Raises
    ------
    ValueError
        As `check`, or if the game is not one of two players, or is too large.
    """
    counts = check(payoffs)
    if len(counts) != 2:  # noqa: PLR2004 - the name says it
        raise ValueError(f"a game of {len(counts)} players; supports are enumerated for two")
    if 2 ** sum(counts) > SUPPORT_PAIRS_MAX:
        raise ValueError(f"{counts[0]} by {counts[1]} strategies; too many supports")
    scaled = _scaled(payoffs)
    found: list[Mixture] = []
    for size in range(1, min(counts) + 1):
        for rows in combinations(range(counts[0]), size):
            for columns in combinations(range(counts[1]), size):
                second = _indifferent(scaled[0][np.ix_(rows, columns)], columns, counts[1])
                first = _indifferent(scaled[1][np.ix_(rows, columns)].T, rows, counts[0])
                if first is None or second is None:
                    continue
                if regrets(scaled, (first, second)).max() <= REGRET_MAX:
                    found.append((first, second))
    return found


def _indifferent(gains: Floats, support: tuple[int, ...], count: int) -> Floats | None:
    """Return the mixture over a support that makes the other player indifferent, if there is one.

    Parameters
    ----------
    gains
        Of the other player, over both supports; own strategies last. Shape (k, k).
    """
    size = len(support)
    system = np.zeros((size + 1, size + 1))
    system[:size, :size] = gains
    system[:size, size] = -1.0
    system[size, :size] = 1.0
    right = np.zeros(size + 1)
    right[size] = 1.0
    try:
        solved = np.linalg.solve(system, right)[:size]
    except np.linalg.LinAlgError:
        return None
    if solved.min() <= REGRET_MAX:
        # On the border of the support: a smaller one has it.
        return None
    mixture = np.zeros(count)
    mixture[list(support)] = solved
    return mixture


def by_program(payoffs: Floats, seed: int) -> Mixture:
    """Return one equilibrium of a game of any number of players, pure or mixed.

    The program's least value is reached exactly where every strategy has either no chance or no
    disadvantage: ``sigma_ij >= 0``, ``beta_i - u_ij >= 0``, and one of the two is 0. Written with
    the function of Fischer and Burmeister, ``a + b - sqrt(a^2 + b^2) = 0``, these conditions and
    the sums of the mixtures are as many equations as unknowns. They are solved by damped Newton
    steps (Levenberg and Marquardt's damping). [2]_ The program is not convex, so this starts anew
    from several points: the even mixture, then points drawn by `seed`. What comes out is accepted
    by the regrets of `wattbay.clearing.game.finite` alone.

    Parameters
    ----------
    payoffs
        Shape (n_players, m_1, ..., m_n).
    seed
        Of the starts. The same game and seed give the same mixture.

    Raises
    ------
    NotConverged
        If no start led to regrets within `REGRET_MAX`; bears the least of them, relative to the
        span of the player's payoffs.
    ValueError
        As `check`.
    """
    counts = check(payoffs)
    scaled = _scaled(payoffs)
    least = np.inf
    for start in _starts(counts, seed):
        mixture = _newton(scaled, start)
        regret = float(regrets(scaled, mixture).max())
        if regret <= REGRET_MAX:
            return mixture
        least = min(least, regret)
    raise NotConverged(f"no equilibrium from {STARTS} starts", mismatch=least)


def draw(mixture: Mixture, rng: np.random.Generator) -> tuple[int, ...]:
    """Draw a strategy for each player, in their order. Shape (n_players,)."""
    return tuple(int(rng.choice(len(chance), p=chance)) for chance in mixture)


def _scaled(payoffs: Floats) -> Floats:
    """Return the same game with each player's payoffs between 0 and 1: equilibria stay."""
    axes = tuple(range(1, payoffs.ndim))
    low = payoffs.min(axis=axes, keepdims=True)
    span = payoffs.max(axis=axes, keepdims=True) - low
    return np.asarray((payoffs - low) / np.where(span > 0, span, 1.0), dtype=np.float64)


def _starts(counts: tuple[int, ...], seed: int) -> Iterator[Mixture]:
    """Yield where to start from."""
    yield tuple(np.full(count, 1 / count) for count in counts)
    rng = np.random.default_rng(seed)
    for _ in range(STARTS - 1):
        yield tuple(rng.dirichlet(np.full(count, CORNERS)) for count in counts)


def _newton(payoffs: Floats, start: Mixture) -> Mixture:
    """Solve the conditions from a start, as far as that goes."""
    counts = [len(chance) for chance in start]
    values = [gains.max() for gains in deviations(payoffs, start)]
    at = np.concatenate([*start, values])
    off, slope = _conditions(payoffs, at, counts)
    damping, least, most = _DAMPING
    for _ in range(STEPS_MAX):
        if np.abs(off).max() <= REGRET_MAX * 1e-4 or damping > most:
            break
        normal = slope.T @ slope + damping * np.eye(len(at))
        tried = at - np.linalg.solve(normal, slope.T @ off)
        off_tried, slope_tried = _conditions(payoffs, tried, counts)
        if off_tried @ off_tried < off @ off:
            at, off, slope = tried, off_tried, slope_tried
            damping = max(damping / 10, least)
        else:
            damping *= 10
    return tuple(_chances(part) for part in _parts(at, counts))


def _chances(part: Floats) -> Floats:
    """Return numbers that are almost chances as chances."""
    clipped = np.where(part > REGRET_MAX, part, 0.0)
    total = clipped.sum()
    return clipped / total if total > 0 else np.full(len(part), 1 / len(part))


def _parts(at: Floats, counts: list[int]) -> Mixture:
    """Take the mixtures out of the unknowns."""
    ends = np.cumsum(counts)
    return tuple(at[end - count : end] for end, count in zip(ends, counts, strict=True))


def _conditions(payoffs: Floats, at: Floats, counts: list[int]) -> tuple[Floats, Floats]:
    """Return by how much each condition is missed, and how that changes with each unknown.

    Returns
    -------
    tuple
        The misses, shape (n_unknowns,), and their derivatives, shape (n_unknowns, n_unknowns).
        Unknowns are all chances, then the values.
    """
    mixture = _parts(at, counts)
    total, players = sum(counts), len(counts)
    owner = np.repeat(np.arange(players), counts)
    gains = np.fromiter(chain.from_iterable(deviations(payoffs, mixture)), np.float64, total)
    chance, slack = at[:total], at[total:][owner] - gains
    size = np.maximum(np.hypot(chance, slack), 1e-300)
    off = np.concatenate(
        [chance + slack - size, [part.sum() - 1.0 for part in mixture]], dtype=np.float64
    )
    by_chance, by_slack = 1 - chance / size, 1 - slack / size
    slope = np.zeros((total + players, total + players))
    slope[:total, :total] = np.diag(by_chance) - by_slack[:, None] * _cross(payoffs, mixture)
    slope[np.arange(total), total + owner] = by_slack
    slope[total + owner, np.arange(total)] = 1.0
    return off, slope


def _cross(payoffs: Floats, mixture: Mixture) -> Floats:
    """Return how what a strategy is worth changes with the chance of another's strategy.

    Shape (n_chances, n_chances); 0 within a player.
    """
    ends = np.cumsum([len(chance) for chance in mixture])
    found = np.zeros((int(ends[-1]), int(ends[-1])))
    spans = [slice(int(end) - len(own), int(end)) for end, own in zip(ends, mixture, strict=True)]
    for player, own in enumerate(payoffs):
        for other in range(len(mixture)):
            if other == player:
                continue
            left = own
            for third in range(len(mixture) - 1, -1, -1):
                if third not in {player, other}:
                    left = np.tensordot(left, mixture[third], axes=([third], [0]))
            found[spans[player], spans[other]] = left if player < other else left.T
    return found
