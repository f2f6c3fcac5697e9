"""A block auction the slow way: every acceptance, and for each all prices. For small ones alone.

Nothing of it is taken from what it is compared with: where a price clears a period is seen by
counting what orders must and may trade at it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import gcd
from typing import NamedTuple

from wattbay.clearing.blocks import BUY, Block, CurveOrder


class Span(NamedTuple):
    """What curve orders take out of a period at a price, all in all."""

    least: int
    most: int
    worth: int
    """The welfare of taking the least."""


def span(curves: Sequence[CurveOrder], period: int, price: int) -> Span:
    """Count what the orders of a period must and may trade at a price."""
    least = most = worth = 0
    for order in curves:
        if order.period == period:
            better = order.side * (price - order.price)
            if better > 0:
                least -= order.side * order.quantity
                most -= order.side * order.quantity
                worth -= order.side * order.price * order.quantity
            elif better == 0 and order.side == BUY:
                most += order.quantity
            elif better == 0:
                least -= order.quantity
                worth -= order.price * order.quantity
    return Span(least, most, worth)


def acceptances(blocks: Sequence[Block]) -> Iterator[list[int]]:
    """Yield the steps of all acceptances that keep least steps, groups and parents."""
    wholes = [gcd(*block.profile) for block in blocks]
    choices = [
        [0, *range(whole if block.steps_min is None else block.steps_min, whole + 1)]
        for block, whole in zip(blocks, wholes, strict=True)
    ]
    for steps in map(list, product(*choices)):
        groups = [
            block.group
            for block, got in zip(blocks, steps, strict=True)
            if got and block.group is not None
        ]
        keeps_parents = all(
            block.parent is None
            or steps[place] * wholes[block.parent] <= steps[block.parent] * wholes[place]
            for place, block in enumerate(blocks)
        )
        if keeps_parents and len(groups) == len(set(groups)):
            yield steps


def carried(blocks: Sequence[Block], gains: Sequence[int], place: int) -> int:
    """Return what a block and all below it gain."""
    below = [child for child, block in enumerate(blocks) if block.parent == place]
    return gains[place] + sum(carried(blocks, gains, child) for child in below)


def gain(block: Block, got: int, prices: Sequence[int]) -> int:
    """Return what a block gains with some steps."""
    whole = gcd(*block.profile)
    paid = sum(price * quantity for price, quantity in zip(prices, block.profile, strict=True))
    return block.side * (paid - worth_of_limit(block)) * got // whole


def worth_of_limit(block: Block) -> int:
    """Return a block's limit times what it trades on its own side."""
    return block.price * sum(quantity for quantity in block.profile if quantity > 0)


def best(
    curves: Sequence[CurveOrder], blocks: Sequence[Block], periods: int, price_span: range
) -> tuple[int, int]:
    """Return the most welfare with prices in a span, and the most whatever the prices."""
    with_prices = whatever = 0
    spans = [[span(curves, period, price) for price in price_span] for period in range(periods)]
    for steps in acceptances(blocks):
        nets = [
            sum(
                block.side * block.profile[period] * got // gcd(*block.profile)
                for block, got in zip(blocks, steps, strict=True)
            )
            for period in range(periods)
        ]
        clear_at: list[list[int]] = []
        welfare = 0
        for net, found in zip(nets, spans, strict=True):
            fits = [
                (price, at)
                for price, at in zip(price_span, found, strict=True)
                if at.least <= net <= at.most
            ]
            clear_at.append([price for price, _ in fits])
            if fits:
                price, at = fits[0]
                welfare += at.worth + price * (net - at.least)
        if not all(clear_at):
            continue
        for block, got in zip(blocks, steps, strict=True):
            welfare -= block.side * worth_of_limit(block) * got // gcd(*block.profile)
        whatever = max(whatever, welfare)
        if welfare > with_prices and _has_prices(blocks, steps, clear_at):
            with_prices = welfare
    return with_prices, whatever


def _has_prices(
    blocks: Sequence[Block], steps: Sequence[int], clear_at: Sequence[Sequence[int]]
) -> bool:
    """Tell whether there are prices at which no accepted block loses."""
    for prices in product(*clear_at):
        gains = [gain(block, got, prices) for block, got in zip(blocks, steps, strict=True)]
        if all(carried(blocks, gains, place) >= 0 for place in range(len(blocks)) if steps[place]):
            return True
    return False
