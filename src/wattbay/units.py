"""The only unit arithmetic: energy, power, price and money as exact integers.

Units are chosen so that price x energy = money needs no division: energy in Wh, price in
nano-currency per Wh, money in nano-currency. One function divides: `share`.

Into the grid is positive, everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

SAFE_INTEGER_MAX = 2**53 - 1
"""Any JSON reader holds integers up to here exactly; every amount on a wire is checked."""

PPM = 1_000_000
NANO = 1_000_000_000
NANO_PER_WH_IN_CENT_PER_KWH = 10_000
"""1 cent (or penny) per kWh is 10,000 nano-currency per Wh."""


@dataclass(frozen=True, slots=True, order=True)
class _Quantity:
    """What the four value types share: an integer that adds only to its own kind."""

    value: int

    def __add__(self, other: Self) -> Self:
        self._check(other)
        return type(self)(self.value + other.value)

    def __sub__(self, other: Self) -> Self:
        self._check(other)
        return type(self)(self.value - other.value)

    def __neg__(self) -> Self:
        return type(self)(-self.value)

    def _check(self, other: object) -> None:
        if type(other) is not type(self):
            msg = f"{type(self).__name__} and {type(other).__name__} do not add"
            raise TypeError(msg)


class Energy(_Quantity):
    """Energy. [Wh]"""

    __slots__ = ()


class Power(_Quantity):
    """Power. [W]"""

    __slots__ = ()


class Money(_Quantity):
    """Money. [nano-currency]"""

    __slots__ = ()


class Price(_Quantity):
    """Price of energy. [nano-currency per Wh], that is 0.001 currency/MWh."""

    __slots__ = ()

    def __mul__(self, energy: Energy) -> Money:
        """Return the value of `energy` at this price, exactly."""
        if type(energy) is not Energy:
            msg = f"Price times {type(energy).__name__} has no meaning; Price times Energy is Money"
            raise TypeError(msg)
        return Money(self.value * energy.value)


def share(total: int, weights: Sequence[int]) -> list[int]:
    """Share `total` in proportion to `weights`, losing nothing.

    Each part is rounded towards zero; what is left goes one by one to the largest fractions,
    ties to the earlier (the method of largest remainders, Hare and Hamilton). The parts sum to
    `total`. Where all weights are zero, they count as equal.

    Parameters
    ----------
    total
        What is shared; may be negative.
    weights
        Not negative; at least one.

    Raises
    ------
    ValueError
        If there is nobody to share among, or a weight is negative.
    """
    if not weights or min(weights) < 0:
        msg = f"share needs weights that are not negative, and at least one; got {list(weights)}"
        raise ValueError(msg)
    whole = sum(weights)
    if whole == 0:
        weights, whole = [1] * len(weights), len(weights)
    size = abs(total)
    parts = [size * weight // whole for weight in weights]  # divides: the one place
    left = size - sum(parts)
    if left:
        # The remainder is below the number of parts, so nobody gets two.
        by_fraction = sorted(range(len(weights)), key=lambda i: -(size * weights[i] % whole))
        for i in by_fraction[:left]:
            parts[i] += 1
    return parts if total >= 0 else [-part for part in parts]


def round_half_even(numerator: int, denominator: int) -> int:
    """Return `numerator` / `denominator` rounded to the nearest integer, halves to even.

    For what is rounded once by rule: tax, and the payable unit of a statement.
    """
    whole, rest = divmod(numerator, denominator)  # divides: rounding by rule
    twice = 2 * rest
    return whole + (twice > denominator or (twice == denominator and whole % 2 == 1))
