"""What a block auction is about: its orders, its result, and the market that they make.

Signs: into the market is positive. A sell block gives what its profile says and a buy block takes
it; where a profile is negative the block does the opposite in that period, as a store does. Its
limit counts for the quantities on its own side, the positive ones.

A block is accepted in equal steps of which each is whole in every period, so it has as many as the
greatest common divisor of its quantities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import NamedTuple

from wattbay.clearing.blocks.ladder import Ladder, ladders
from wattbay.errors import ensure

BUY = -1
SELL = 1
"""The sign of a flow into the market."""

NANO = 1_000_000_000


class CurveOrder(NamedTuple):
    """A divisible order of one period."""

    period: int
    """Counted from 0."""
    side: int
    """`BUY` or `SELL`."""
    price: int
    """Its limit. [price units]"""
    quantity: int
    """Above zero. [quantity units]"""


class Block(NamedTuple):
    """An order that is accepted in all its periods alike, or in none."""

    side: int
    """`BUY` or `SELL`."""
    price: int
    """Its limit, for each unit on its own side. [price units]"""
    profile: tuple[int, ...]
    """What it trades in each period, one quantity positive at least; a negative one goes the other
    way, at the price of the market. Shape: (n_periods,). [quantity units]"""
    steps_min: int | None = None
    """It is accepted with at least so many of its steps; None for all of them or nothing."""
    group: int | None = None
    """Of blocks with the same number at most one is accepted."""
    parent: int | None = None
    """Place of the block to whose part this one is accepted at most."""


class BlockClearing(NamedTuple):
    """What a block auction came to."""

    prices: list[int]
    """One a period, for all that trades in it. Shape: (n_periods,). [price units]"""
    volumes: list[int]
    """What is bought in each period. Shape: (n_periods,). [quantity units]"""
    fills: list[int]
    """What each curve order got. Shape: (n_curve_orders,). [quantity units]"""
    steps: list[int]
    """How many of its steps each block got. Shape: (n_blocks,)."""
    welfare: int
    """What buyers accept to pay at most, less what sellers want at least. [price x quantity]"""
    bound: int
    """No acceptance whatever reaches more welfare, prices or none: the solver's dual bound."""
    paradoxically_rejected: list[int]
    """Places of blocks that are rejected, would gain, and whose parent and group would let them."""

    @property
    def gap_nano(self) -> int:
        """Return how far welfare may be from its bound, in billionths of that, rounded up."""
        return 0 if self.bound <= 0 else -((self.welfare - self.bound) * NANO // self.bound)


Flow = tuple[int, int]
"""A period, and what goes into it."""


@dataclass(frozen=True, slots=True)
class Market:
    """The orders of an auction, as its search needs them. Columns of blocks are by place."""

    ladders: list[Ladder]
    """What curve orders make of each period."""
    sides: list[int]
    flows: list[list[Flow]]
    """What one step puts into each period that it touches."""
    worths: list[int]
    """The welfare of one step by itself: a buyer's limit, less a seller's."""
    wholes: list[int]
    """How many steps there are."""
    leasts: list[int]
    """At least so many are accepted, or none."""
    parents: list[int | None]
    children: list[list[int]]
    groups: list[list[int]]
    """All blocks of the exclusive group, itself among them; empty where there is none."""
    line: list[int]
    """All places, children before their parents."""


def market_of(
    curves: Sequence[CurveOrder],
    blocks: Sequence[Block],
    periods: int,
    price_min: int | None,
    price_max: int | None,
) -> Market:
    """Make the market of some orders.

    Raises
    ------
    InvariantBroken
        If an order is not well formed: the caller has let it pass.
    """
    for order in curves:
        ensure(0 <= order.period < periods, "a curve order names a period that there is")
        ensure(order.side in {BUY, SELL} and order.quantity > 0, "an order trades something")
        is_high_enough = price_min is None or order.price >= price_min
        is_low_enough = price_max is None or order.price <= price_max
        ensure(is_high_enough and is_low_enough, "the limit of a curve order is a possible price")
    wholes = [gcd(*block.profile) for block in blocks]
    members: dict[int, list[int]] = {}
    children: list[list[int]] = [[] for _ in blocks]
    for place, block in enumerate(blocks):
        ensure(len(block.profile) == periods, "a profile has one quantity a period")
        ensure(block.side in {BUY, SELL} and max(block.profile) > 0, "a block trades on its side")
        least = block.steps_min
        ensure(least is None or 0 < least <= wholes[place], "a block asks for steps that it has")
        if block.group is not None:
            members.setdefault(block.group, []).append(place)
        if block.parent is not None:
            children[block.parent].append(place)
    return Market(
        ladders=ladders(curves, periods, price_min, price_max),
        sides=[block.side for block in blocks],
        flows=[
            [
                (period, block.side * (quantity // whole))
                for period, quantity in enumerate(block.profile)
                if quantity
            ]
            for block, whole in zip(blocks, wholes, strict=True)
        ],
        worths=[
            -block.side * block.price * (sum(filter(_is_own, block.profile)) // whole)
            for block, whole in zip(blocks, wholes, strict=True)
        ],
        wholes=wholes,
        leasts=[
            whole if block.steps_min is None else block.steps_min
            for block, whole in zip(blocks, wholes, strict=True)
        ],
        parents=[block.parent for block in blocks],
        children=children,
        groups=[[] if block.group is None else members[block.group] for block in blocks],
        line=_children_first(children, [block.parent for block in blocks]),
    )


def _is_own(quantity: int) -> bool:
    """Tell whether a quantity is on the block's own side."""
    return quantity > 0


def _children_first(children: Sequence[Sequence[int]], parents: Sequence[int | None]) -> list[int]:
    """Return all places, each after all below it."""
    line = [place for place, parent in enumerate(parents) if parent is None]
    for place in line:
        line.extend(children[place])  # The list grows while it is gone through: level by level.
    ensure(len(line) == len(parents), "no block is below itself")
    return line[::-1]
