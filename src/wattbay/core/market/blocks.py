"""Verifies what a block auction claims: whole numbers alone, and no solver.

A block auction is cleared by a solver outside the core (`wattbay.clearing.blocks`). What it found
enters as a claim, and is taken only if `verify` finds no breach. Prices that let no accepted block
lose are looked for outside, too: to see that they do takes one pass of multiplications.

Signs: into the market is positive. A sell block gives what its profile says and a buy block takes
it; where a profile is negative the block does the opposite in that period, as a store does.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

BUY = -1
SELL = 1
"""The sign of a flow into the market."""

CurveOrder = tuple[int, int, int, int]
"""A divisible order: period, counted from 0; `BUY` or `SELL`; limit; quantity, above zero."""

Block = tuple[int, int, tuple[int, ...], int | None, int | None, int | None]
"""A block: `BUY` or `SELL`; limit; profile, shape (n_periods,), with a positive quantity somewhere;
steps of which it takes at least so many, None for all; exclusive group; place of its parent.

The limit counts for the quantities on the block's own side, the positive ones of its profile.
"""


class Claim(NamedTuple):
    """What a block auction is said to have come to."""

    prices: Sequence[int]
    """One a period. Shape: (n_periods,). [price units]"""
    fills: Sequence[int]
    """What each curve order got. Shape: (n_curve_orders,). [quantity units]"""
    steps: Sequence[int]
    """How many of its steps each block got, 0 if it is rejected; see `steps_of`.
    Shape: (n_blocks,)."""
    welfare: int
    """What buyers accept to pay at most, less what sellers want at least, of all that trades.
    [price x quantity units]"""


class Rule(StrEnum):
    """What a claim can be at fault against, in the order in which it is looked at."""

    SHAPE = "shape"
    """There is one price a period, one fill a curve order and one number of steps a block."""
    PRICE_LIMIT = "price_limit"
    """Prices are within their bounds and on the tick."""
    FILL = "fill"
    """A curve order gets from nothing to its quantity."""
    LIMIT = "limit"
    """A curve order beyond whose limit the price is gets nothing; one for which the price is
    better than its limit gets all."""
    STEPS = "steps"
    """A block is rejected, or accepted with at least as many steps as it asks for."""
    GROUP = "group"
    """At most one block of an exclusive group is accepted."""
    PARENT = "parent"
    """A block is accepted to no larger part than its parent."""
    BALANCE = "balance"
    """What is given into a period is taken out of it."""
    LOSS = "loss"
    """No accepted block loses, counted with all that is accepted below it: gains of children
    carry their parent, and never the reverse."""
    WELFARE = "welfare"
    """The welfare claimed is what fills and steps come to."""


class Breach(NamedTuple):
    """A rule that a claim breaks, and where."""

    rule: Rule
    place: int
    """Of the period (`PRICE_LIMIT`, `BALANCE`), of the curve order (`FILL`, `LIMIT`) or of the
    block (`STEPS`, `GROUP`, `PARENT`, `LOSS`); else 0."""


def steps_of(profile: Sequence[int]) -> int:
    """Return in how many equal steps a block can be accepted with whole quantities in each period.

    That is the greatest common divisor of its quantities: a profile of 30, 20, 20 has ten steps of
    3, 2, 2. By Euclid.
    """
    steps = 0
    for quantity in profile:
        rest = abs(quantity)
        while rest:
            steps, rest = rest, steps % rest
    return steps


def verify(
    claim: Claim,
    curves: Sequence[CurveOrder],
    blocks: Sequence[Block],
    periods: int,
    *,
    price_min: int | None = None,
    price_max: int | None = None,
    price_tick: int = 1,
) -> list[Breach]:
    """Return every rule that a claim breaks; none if the claim may be taken.

    Parameters
    ----------
    claim
        Whatever somebody says. Shapes and values are looked at, types are not.
    curves, blocks
        The orders as they were accepted: well formed, and no block below itself.
    periods
        How many there are.
    price_min, price_max
        What prices are within, where there is such a bound. [price units]
    price_tick
        Prices are multiples of it. [price units]

    Notes
    -----
    Welfare is not compared with what else could be reached, nor are rejected blocks looked at: a
    block may be rejected though it would gain.
    """
    sizes = (len(claim.prices), len(claim.fills), len(claim.steps))
    if sizes != (periods, len(curves), len(blocks)):
        return [Breach(Rule.SHAPE, 0)]
    breaches = [
        Breach(Rule.PRICE_LIMIT, period)
        for period, price in enumerate(claim.prices)
        if (price_min is not None and price < price_min)
        or (price_max is not None and price > price_max)
        or price % price_tick
    ]
    net = [0] * periods
    welfare = _of_curves(claim, curves, net, breaches)
    parts = [steps_of(block[2]) for block in blocks]
    _of_links(claim.steps, blocks, parts, breaches)
    losses: list[Breach] = []
    welfare += _of_blocks(claim, blocks, parts, net, losses)
    breaches += [Breach(Rule.BALANCE, period) for period, left in enumerate(net) if left]
    breaches += losses
    if claim.welfare != welfare:
        breaches.append(Breach(Rule.WELFARE, 0))
    return breaches


def _of_curves(
    claim: Claim, curves: Sequence[CurveOrder], net: list[int], breaches: list[Breach]
) -> int:
    """Look at curve orders; add up what they give into each period, and return their welfare."""
    welfare = 0
    beyond: list[Breach] = []
    for place, ((period, side, limit, quantity), fill) in enumerate(
        zip(curves, claim.fills, strict=True)
    ):
        if not 0 <= fill <= quantity:
            breaches.append(Breach(Rule.FILL, place))
        better = side * (claim.prices[period] - limit)
        if (better > 0 and fill < quantity) or (better < 0 and fill > 0):
            beyond.append(Breach(Rule.LIMIT, place))
        net[period] += side * fill
        welfare -= side * limit * fill
    breaches += beyond
    return welfare


def _of_links(
    steps: Sequence[int], blocks: Sequence[Block], parts: Sequence[int], breaches: list[Breach]
) -> None:
    """Look at how far blocks are accepted, alone, in their groups and below their parents."""
    taken: set[int] = set()
    groups: list[Breach] = []
    parents: list[Breach] = []
    for place, (block, got, whole) in enumerate(zip(blocks, steps, parts, strict=True)):
        _, _, _, least, group, parent = block
        if got != 0 and not (whole if least is None else least) <= got <= whole:
            breaches.append(Breach(Rule.STEPS, place))
        if got != 0 and group is not None:
            if group in taken:
                groups.append(Breach(Rule.GROUP, place))
            taken.add(group)
        # got / whole <= steps[parent] / parts[parent], without a division.
        if parent is not None and got * parts[parent] > steps[parent] * whole:
            parents.append(Breach(Rule.PARENT, place))
    breaches += groups + parents


def _of_blocks(
    claim: Claim,
    blocks: Sequence[Block],
    parts: Sequence[int],
    net: list[int],
    breaches: list[Breach],
) -> int:
    """Look at what blocks gain; add up what they give into each period, return their welfare."""
    welfare = 0
    gains = [0] * len(blocks)
    for place, ((side, limit, profile, *_), got) in enumerate(
        zip(blocks, claim.steps, strict=True)
    ):
        if got == 0:
            continue
        whole = parts[place]
        own, paid = 0, 0
        for period, quantity in enumerate(profile):
            if quantity:
                part = quantity // whole * got  # divides: steps are whole by their making
                net[period] += side * part
                paid += part * claim.prices[period]
                own += max(part, 0)
        gains[place] = side * (paid - limit * own)
        welfare -= side * limit * own
    carried = list(gains)
    for place in _children_first(blocks):
        parent = blocks[place][5]
        if parent is not None:
            carried[parent] += carried[place]
    breaches += [
        Breach(Rule.LOSS, place)
        for place, got in enumerate(claim.steps)
        if got != 0 and carried[place] < 0
    ]
    return welfare


def _children_first(blocks: Sequence[Block]) -> list[int]:
    """Return the places of blocks, each after all below it."""
    depths = [-1] * len(blocks)
    for place in range(len(blocks)):
        path: list[int] = []
        at: int | None = place
        while at is not None and depths[at] < 0:
            depths[at] = 0  # For the time being: nobody is gone through twice.
            path.append(at)
            at = blocks[at][5]
        depth = -1 if at is None else depths[at]
        for below in reversed(path):
            depth += 1
            depths[below] = depth
    return sorted(range(len(blocks)), key=lambda place: -depths[place])
