"""Prices at which no accepted block loses: a small linear program beside the exact intervals.

For a fixed acceptance each period clears at an interval of whole prices. Within these, each
accepted block, with all that is accepted below it, must gain. Rows of blocks that lose nowhere
are left out: a block enters the program when it is first seen to lose. What the program answers is
rounded to whole prices and looked at exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wattbay.clearing.blocks.acceptance import Acceptance
from wattbay.clearing.blocks.model import Market
from wattbay.clearing.blocks.solver import INFINITY, Floats, Program, solve
from wattbay.units import SAFE_INTEGER_MAX

ROUNDS_MAX = 200
"""Programs solved for one acceptance, each with the blocks that lost at the prices of the last."""
WHOLE_NODES_MAX = 200
"""Nodes of branch and bound where rounding to whole prices fails."""

_INT64_MAX = 2**62
_TOLERANCE = 1e-6
_MARGIN_COST = 0.1
"""What a margin is worth against a loss; below a half, so that no loss is bought with it."""

Exact = NDArray[Any]
"""Whole numbers, of 64 bits or of Python's."""
Interval = tuple[int | None, int | None]


class Found(NamedTuple):
    """Prices for an acceptance, and who loses at them."""

    prices: list[int]
    losers: list[int]
    """Those of whom one must go; empty where nobody loses."""


class PriceSearch:
    """Looks for prices, for one acceptance after the other."""

    def __init__(self, market: Market) -> None:
        """Begin with no block seen to lose."""
        self._market = market
        self._periods = len(market.ladders)
        self._sizes = max(
            [
                sum(abs(flow) for _, flow in flows) * whole
                for flows, whole in zip(market.flows, market.wholes, strict=True)
            ],
            default=0,
        )
        largest = [abs(w) * whole for w, whole in zip(market.worths, market.wholes, strict=True)]
        self._worth = max(largest, default=0)
        fits = (self._sizes + self._worth) * max(1, len(largest)) < _INT64_MAX
        kind = np.int64 if fits else object
        self._fits = fits
        self._flows: Exact = np.zeros((len(market.flows), self._periods), dtype=kind)
        for place, flows in enumerate(market.flows):
            for period, flow in flows:
                self._flows[place, period] = flow
        self._worths: Exact = np.array(market.worths, dtype=kind)
        self._upwards = [
            (place, parent)
            for place in market.line
            if (parent := market.parents[place]) is not None
        ]
        self._seen: set[int] = set()
        self._last: list[int] | None = None

    def find(self, acceptance: Acceptance) -> Found:
        """Look for prices at which no accepted block loses."""
        intervals = self._intervals(acceptance)
        for start in (self._last, self.middles(acceptance)):
            if start is not None:
                prices = _within(start, intervals)
                losers = self.losers(acceptance.steps, prices)
                if not losers:
                    return self._answer(prices, [])
        for _ in range(ROUNDS_MAX):
            self._seen.update(losers)
            program, rows, free = self._program(acceptance, prices, intervals)
            solution = solve(program)
            if solution.values is None:
                break
            if solution.values[free.size : -1].sum() > _TOLERANCE:
                duals = zip(rows, solution.duals.tolist(), strict=True)
                conflict = [place for place, dual in duals if dual > _TOLERANCE]
                return self._answer(prices, conflict or losers)
            start, prices = prices, _moved(prices, free, solution.values, intervals)
            losers = self.losers(acceptance.steps, prices)
            if losers and self._seen.issuperset(losers):
                prices = _moved(start, free, _whole(program, free.size), intervals)
                losers = self.losers(acceptance.steps, prices)
            if not losers or self._seen.issuperset(losers):
                break
        return self._answer(prices, losers)

    def settle(self, acceptance: Acceptance, found: Sequence[int]) -> list[int]:
        """Return such prices near the middles of the intervals, all distances summed.

        Where none of them are found, those that are known: prices at which nobody loses.
        """
        middles = self.middles(acceptance)
        if not self.losers(acceptance.steps, middles):
            return middles
        for margin in (0.0, 1.0):
            prices = self._near(acceptance, middles, margin)
            if not self.losers(acceptance.steps, prices):
                return prices
        return list(found)

    def _near(self, acceptance: Acceptance, middles: list[int], margin: float) -> list[int]:
        """Return the prices nearest to the middles, with a part of the margin for rounding."""
        intervals, prices = self._intervals(acceptance), middles
        self._seen.clear()
        for _ in range(ROUNDS_MAX):
            losers = self.losers(acceptance.steps, prices)
            if self._seen.issuperset(losers):
                break
            self._seen.update(losers)
            program, rows, free = self._program(acceptance, middles, intervals)
            values = solve(_nearest(program, free.size, len(rows), margin)).values
            if values is None:
                break
            prices = _moved(middles, free, values[: free.size], intervals)
        return prices

    def middles(self, acceptance: Acceptance) -> list[int]:
        """Return the middle of each period's interval."""
        ladders = self._market.ladders
        return [ladder.middle(net) for ladder, net in zip(ladders, acceptance.nets, strict=True)]

    def losers(self, steps: Sequence[int], prices: Sequence[int]) -> list[int]:
        """Return the accepted blocks that lose, with all that is accepted below them; exact."""
        gains = self.gains(prices) * np.array(steps, dtype=self._worths.dtype)
        carried = gains.tolist()
        for place, parent in self._upwards:
            carried[parent] += carried[place]
        return [place for place, gain in enumerate(carried) if gain < 0 and steps[place]]

    def gains(self, prices: Sequence[int]) -> Exact:
        """Return what one step of each block gains at some prices. Shape: (n_blocks,)."""
        highest = max(map(abs, prices), default=0)
        flows, worths = self._flows, self._worths
        if self._fits and self._sizes * highest * max(1, len(worths)) >= _INT64_MAX:
            flows, worths = flows.astype(object), worths.astype(object)
        found: Exact = flows @ np.array(prices, dtype=flows.dtype) + worths
        return found

    def _answer(self, prices: list[int], losers: list[int]) -> Found:
        """Keep prices at which nobody loses for the next acceptance, which mostly is much alike.

        Whoever goes back to this acceptance thus finds them again.
        """
        if not losers:
            self._last = prices
        return Found(prices, losers)

    def _intervals(self, acceptance: Acceptance) -> list[Interval]:
        """Return the prices at which each period clears."""
        ladders = self._market.ladders
        return [ladder.interval(net) for ladder, net in zip(ladders, acceptance.nets, strict=True)]

    def _families(self, acceptance: Acceptance, places: Sequence[int]) -> tuple[Exact, Exact]:
        """Return what each accepted block and all accepted below it put into each period.

        And what it is worth to them. Shapes: (n_places, n_periods), (n_places,).
        """
        steps = acceptance.steps
        flows, worths = [], []
        for place in places:
            family = [*acceptance.without(place)]
            got = np.array([steps[member] for member in family], dtype=self._flows.dtype)
            flows.append(got @ self._flows[family])
            worths.append(got @ self._worths[family])
        return np.array(flows), np.array(worths)

    def _program(
        self, acceptance: Acceptance, prices: Sequence[int], intervals: Sequence[Interval]
    ) -> tuple[Program, list[int], NDArray[np.intp]]:
        """Return the program, the blocks of its rows, and the periods whose prices can move.

        Its variables are: by how much each price moves; how much each block still loses; the part
        of a margin that all keep, with which rounding harms nobody. Losses are made as small as
        can be, then the margin large. A row is scaled by its largest flow.
        """
        rows = [place for place in sorted(self._seen) if acceptance.steps[place]]
        exact_flows, worths = self._families(acceptance, rows)
        gains = exact_flows @ np.array(prices, dtype=object) + worths
        low = np.array([-INFINITY if low is None else low for low, _ in intervals], dtype=float)
        high = np.array([INFINITY if high is None else high for _, high in intervals], dtype=float)
        free = np.flatnonzero((low < high) & (exact_flows != 0).any(axis=0))
        start = np.array(prices, dtype=float)
        flows: Floats = exact_flows[:, free].astype(float)
        scale = np.maximum(1.0, np.abs(flows).max(axis=1, initial=0.0))
        flows /= scale[:, None]
        margins = np.abs(flows).sum(axis=1) / 2
        table = np.hstack([flows, np.eye(len(rows)), -margins[:, None]])
        at, columns = np.nonzero(table)
        count = len(rows)
        program = Program(
            cost=np.concatenate([np.zeros(free.size), np.ones(count), [-_MARGIN_COST]]),
            lower=np.concatenate([(low - start)[free], np.zeros(count + 1)]),
            upper=np.concatenate([(high - start)[free], np.full(count, INFINITY), [1.0]]),
            row_lower=-(gains.astype(float) / scale),
            row_upper=np.full(count, INFINITY),
            starts=np.searchsorted(at, np.arange(count)).astype(np.int32),
            columns=columns.astype(np.int32),
            entries=table[at, columns],
            whole=np.zeros(table.shape[1], dtype=np.bool_),
        )
        return program, rows, free


def _nearest(program: Program, free: int, count: int, margin: float) -> Program:
    """Return the program that moves prices as little as can be, where nobody loses.

    Its further variables are the distances: no less than a move, either way.
    """
    width = len(program.cost)
    moves, distances = np.arange(free), np.arange(width, width + free)
    upper = program.upper.copy()
    upper[free : free + count] = 0.0
    lower = program.lower.copy()
    lower[-1] = upper[-1] = margin
    pairs = np.column_stack([moves, distances]).ravel()
    entries = len(program.entries)
    return Program(
        cost=np.concatenate([np.zeros(width), np.ones(free)]),
        lower=np.concatenate([lower, np.zeros(free)]),
        upper=np.concatenate([upper, np.full(free, INFINITY)]),
        row_lower=np.concatenate([program.row_lower, np.zeros(2 * free)]),
        row_upper=np.concatenate([program.row_upper, np.full(2 * free, INFINITY)]),
        starts=np.concatenate([program.starts, entries + 2 * np.arange(2 * free)]).astype(np.int32),
        columns=np.concatenate([program.columns, pairs, pairs]).astype(np.int32),
        entries=np.concatenate(
            [program.entries, np.tile([-1.0, 1.0], free), np.tile([1.0, 1.0], free)]
        ),
        whole=np.zeros(width + free, dtype=np.bool_),
    )


def _whole(program: Program, free: int) -> Floats:
    """Return whole moves of prices with the least losses, where rounding harms somebody."""
    upper = program.upper.copy()
    upper[-1] = 0.0
    whole = np.arange(len(program.cost)) < free
    values = solve(replace(program, upper=upper, whole=whole), node_limit=WHOLE_NODES_MAX).values
    return np.zeros(free) if values is None else values


def _moved(
    start: Sequence[int], free: NDArray[np.intp], values: Floats, intervals: Sequence[Interval]
) -> list[int]:
    """Return prices moved by what the solver says, whole and within their intervals."""
    prices = list(start)
    for period, value in zip(free.tolist(), values[: free.size].tolist(), strict=True):
        prices[period] += round(value)
    return _within(prices, intervals)


def _within(prices: Sequence[int], intervals: Sequence[Interval]) -> list[int]:
    """Return prices moved into their intervals."""
    return [
        max(
            -SAFE_INTEGER_MAX if low is None else low,
            min(SAFE_INTEGER_MAX if high is None else high, price),
        )
        for price, (low, high) in zip(prices, intervals, strict=True)
    ]
