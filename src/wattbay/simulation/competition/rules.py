"""What a battery sells for and what an aggregator bids: the rules of a public design, as functions.

Prices are integers, in nano-currency per Wh: 1 cent per kWh is 10,000. Chance is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from random import Random

STEP = 500
"""How near to its bound a careful bid stays, and how far a prediction wavers. [0.05 cents/kWh]"""
SIMILAR_TENTHS = 8
"""A purchase tells of another one that is at most so much larger: 0.8 of the amount."""
RECENT = 10
"""So many of the newest similar purchases make a prediction."""
SCARCITY = ((0.10, 20), (0.25, 15), (0.75, 10))
"""Below so full, a reserve counts so much. [share, tenths]"""
PLENTY_TENTHS = 9
"""What it counts above."""


class Strategy(StrEnum):
    """How an aggregator finds its price."""

    RANDOM = "random"
    CONSERVATIVE = "conservative"
    AGGRESSIVE = "aggressive"
    INTELLIGENT = "intelligent"


def effective_reserve(reserve: int, level_share: float) -> int:
    """Return the least that a battery sells for, by how full it is. [nano-currency per Wh]

    Below a tenth (critical) twice its reserve, below a quarter (low) one and a half times, below
    three quarters (normal) the reserve, else (high) nine tenths of it. Rounded up.
    """
    counts = PLENTY_TENTHS
    for below, tenths in SCARCITY:
        if level_share < below:
            counts = tenths
            break
    return -(-reserve * counts // 10)


def bid(
    strategy: Strategy, reserve: int, cap: int, history: Sequence[int], rng: Random
) -> int | None:
    """Return what an aggregator bids; None where the reserve is beyond its cap.

    Parameters
    ----------
    reserve
        The least that the battery sells for now. [nano-currency per Wh]
    cap
        The most that the aggregator pays. [nano-currency per Wh]
    history
        Prices of its newest similar purchases, `RECENT` at most: see `similar`.
    """
    if cap < reserve:
        return None
    match strategy:
        case Strategy.RANDOM:
            return reserve + int(rng.random() * (cap - reserve + 1))
        case Strategy.CONSERVATIVE:
            return min(cap, reserve + STEP)
        case Strategy.AGGRESSIVE:
            return max(reserve, cap - STEP)
        case Strategy.INTELLIGENT:
            if not history:
                return (reserve + cap) // 2
            noise = int(rng.random() * (2 * STEP + 1)) - STEP
            return max(reserve, min(cap, sum(history) // len(history) + noise))


def similar(purchases: Iterable[tuple[int, int]], energy_wh: int) -> list[int]:
    """Return the prices of the newest purchases of at least 0.8 of an amount.

    Parameters
    ----------
    purchases
        Price and energy of each, newest first. [nano-currency per Wh, Wh]
    """
    found: list[int] = []
    for price, bought_wh in purchases:
        if 10 * bought_wh >= SIMILAR_TENTHS * energy_wh:
            found.append(price)
            if len(found) == RECENT:
                break
    return found


def best(bids: Sequence[int | None]) -> int | None:
    """Return the place of the highest bid, ties to the earlier; None where nobody bids."""
    found: int | None = None
    highest = 0
    for place, price in enumerate(bids):
        if price is not None and (found is None or price > highest):
            found, highest = place, price
    return found
