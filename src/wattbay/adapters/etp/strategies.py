"""How an aggregator bids: four strategies, a prediction, and the spreading of a need.

Prices are in nano-currency per Wh, energy in Wh. Chance is given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from enum import StrEnum
from random import Random
from typing import NamedTuple

STEP = 500
"""How near to a bound the careful bid, and how far a prediction is off: 0.05 ¢/kWh."""
SIMILAR = 5, 4
"""What was bought counts for a need that is at most five quarters of it."""
RECENT = 10
"""So many of the newest similar purchases make a prediction."""
HISTORY_MAX = 1_000
"""Rows that are remembered."""


class Strategy(StrEnum):
    """How an aggregator finds its price."""

    RANDOM = "random"
    CONSERVATIVE = "conservative"
    AGGRESSIVE = "aggressive"
    INTELLIGENT = "intelligent"


class Row(NamedTuple):
    """A bid that came to an end."""

    bess: int
    price: int
    energy_wh: int
    is_accepted: bool


class History:
    """What an aggregator remembers of its bids, newest last."""

    def __init__(self, rows: Iterable[Row] = (), rows_max: int = HISTORY_MAX) -> None:
        """Begin with what is known; beyond `rows_max` the oldest is forgotten."""
        self._rows: deque[Row] = deque(rows, maxlen=rows_max)

    def __len__(self) -> int:
        """Return how many bids are remembered."""
        return len(self._rows)

    def add(self, row: Row) -> None:
        """Remember a bid, the oldest of too many in its place."""
        self._rows.append(row)

    @property
    def success(self) -> float:
        """The share of bids that were accepted; 0 where there is none."""
        if not self._rows:
            return 0.0
        return sum(row.is_accepted for row in self._rows) / len(self._rows)

    @property
    def mean_price(self) -> float:
        """The mean price of all bids; 0 where there is none. [nano-currency per Wh]"""
        if not self._rows:
            return 0.0
        return sum(row.price for row in self._rows) / len(self._rows)

    def similar(self, energy_wh: int) -> list[int]:
        """Return the prices of the newest accepted bids for at least 0.8 of an amount."""
        found: list[int] = []
        for row in reversed(self._rows):
            if row.is_accepted and SIMILAR[0] * row.energy_wh >= SIMILAR[1] * energy_wh:
                found.append(row.price)
                if len(found) == RECENT:
                    break
        return found


def bid_price(
    strategy: Strategy, energy_wh: int, *, reserve: int, cap: int, history: History, rng: Random
) -> int | None:
    """Return what an aggregator bids for an amount; None where the reserve is beyond its cap.

    Parameters
    ----------
    reserve
        What it thinks that the battery wants at least. [nano-currency per Wh]
    cap
        The most that it pays. [nano-currency per Wh]
    """
    if cap < reserve:
        return None
    match strategy:
        case Strategy.RANDOM:
            return _drawn(reserve, cap, rng)
        case Strategy.CONSERVATIVE:
            return min(cap, reserve + STEP)
        case Strategy.AGGRESSIVE:
            return max(reserve, cap - STEP)
        case Strategy.INTELLIGENT:
            return predicted(energy_wh, reserve=reserve, cap=cap, history=history, rng=rng)


def predicted(energy_wh: int, *, reserve: int, cap: int, history: History, rng: Random) -> int:
    """Return what a battery probably sells for: the mean of similar purchases, and a little noise.

    Within reserve and cap; the middle of the two where nothing is known.
    """
    known = history.similar(energy_wh)
    if not known:
        return (reserve + cap) // 2
    price = sum(known) // len(known) + _drawn(-STEP, STEP, rng)
    return max(reserve, min(cap, price))


def _drawn(least: int, most: int, rng: Random) -> int:
    """Return one of the whole numbers from `least` to `most`, each as likely."""
    return least + int(rng.random() * (most - least + 1))


class Supply(NamedTuple):
    """What a battery has for sale, as it told."""

    bess: int
    energy_wh: int
    reserve: int
    """[nano-currency per Wh]"""


class Share(NamedTuple):
    """How much of a need a battery is to serve."""

    bess: int
    energy_wh: int
    reserve: int


def spread(need_wh: int, supplies: Sequence[Supply]) -> list[Share]:
    """Spread a need over batteries: the cheapest first, ties to the lower device id.

    Where there is too little, all there is.
    """
    found = []
    for supply in sorted(supplies, key=lambda one: (one.reserve, one.bess)):
        part = min(need_wh, supply.energy_wh)
        if part > 0:
            found.append(Share(supply.bess, part, supply.reserve))
            need_wh -= part
    return found
