"""Allocation keys of European energy sharing: who is counted as using the community's energy.

What members of a community generate in a period is allocated to its consumers; nobody is allocated
more than it consumed, and what nobody can take goes to the grid. All in whole Wh.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wattbay.units import share


class Allocation(NamedTuple):
    """Energy of a period by consumer, and what is left of it."""

    shares: list[int]
    """By pod; none more than it consumed. [Wh]"""
    spare: int
    """What goes to the grid. [Wh]"""


def static(generated: int, consumed: Sequence[int], weights: Sequence[int]) -> Allocation:
    """Allocate by weights agreed beforehand; who cannot use its part leaves it to the grid.

    Parameters
    ----------
    generated
        Of all members in the period. [Wh]
    consumed
        By pod. Shape: (n_pods,). [Wh]
    weights
        Not negative. Shape: (n_pods,). All zero counts as equal.

    Raises
    ------
    ValueError
        If an energy or a weight is negative, or nobody is there to share.
    """
    _check(generated, consumed)
    parts = share(generated, weights)
    return _allocation(
        generated, [min(part, own) for part, own in zip(parts, consumed, strict=True)]
    )


def by_consumption(generated: int, consumed: Sequence[int]) -> Allocation:
    """Allocate in proportion to what each consumed in the period: the dynamic key.

    Raises
    ------
    ValueError
        If an energy is negative, or nobody is there to share.
    """
    _check(generated, consumed)
    return _allocation(generated, share(min(generated, sum(consumed)), consumed))


def hierarchical(generated: int, consumed: Sequence[int], levels: Sequence[int]) -> Allocation:
    """Allocate level by level, lowest number first; within a level by consumption.

    A level gets what the ones before it could not use, as a building's common parts do before its
    flats, or members before guests.

    Parameters
    ----------
    levels
        By pod. Shape: (n_pods,).

    Raises
    ------
    ValueError
        If an energy is negative.
    """
    _check(generated, consumed)
    shares = [0] * len(consumed)
    spare = generated
    places = list(zip(levels, range(len(consumed)), strict=True))
    for level in sorted(set(levels)):
        members = [place for own, place in places if own == level]
        allocated = by_consumption(spare, [consumed[place] for place in members])
        for place, part in zip(members, allocated.shares, strict=True):
            shares[place] = part
        spare = allocated.spare
    return _allocation(generated, shares)


def _check(generated: int, consumed: Sequence[int]) -> None:
    """Refuse energies that are none."""
    if generated < 0 or min(consumed, default=0) < 0:
        msg = "energies of a community are not negative"
        raise ValueError(msg)


def _allocation(generated: int, shares: list[int]) -> Allocation:
    """Add what is left over."""
    return Allocation(shares, generated - sum(shares))
