"""Which blocks are accepted, how far, and what that is worth: exact, and changed by moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wattbay.clearing.blocks.model import Market

_CLOSE_BY = 2
"""Steps more or less than the best that are tried, too."""

Move = dict[int, int]
"""Places of blocks, and the steps that each gets."""


class Acceptance:
    """An acceptance of blocks that keeps groups, parents and least steps."""

    def __init__(self, market: Market, steps: Sequence[int]) -> None:
        """Begin with as much of some steps as keeps the rules and balances every period."""
        self.market = market
        self.steps = [0] * len(market.wholes)
        self.nets = [0] * len(market.ladders)
        self._worths: list[int | None] = [ladder.worth(0) for ladder in market.ladders]
        self.welfare = sum(worth or 0 for worth in self._worths)
        wanted: Move = {}
        for place in reversed(market.line):
            got = min(steps[place], self.cap(place, wanted))
            taken = any(wanted.get(mate) for mate in market.groups[place])
            if got >= market.leasts[place] and not taken:
                wanted[place] = got
        for place, got in self._balanced(wanted).items():
            self._put(place, got)
        self._weigh(range(len(self.nets)))

    def cap(self, place: int, move: Mapping[int, int]) -> int:
        """Return how many steps a block may get at most, for the part that its parent has."""
        market = self.market
        parent, whole = market.parents[place], market.wholes[place]
        if parent is None:
            return whole
        return move.get(parent, self.steps[parent]) * whole // market.wholes[parent]

    def without(self, place: int) -> Move:
        """Return the move that drops a block and all that is accepted below it."""
        move: Move = {place: 0}
        line = [place]
        for above in line:
            for child in self.market.children[above]:
                if self.steps[child]:
                    move[child] = 0
                    line.append(child)
        return move

    def gain(self, move: Mapping[int, int]) -> int | None:
        """Return by how much a move raises welfare; None if a period would not balance."""
        market = self.market
        flows: dict[int, int] = {}
        gain = 0
        for place, steps in move.items():
            more = steps - self.steps[place]
            gain += more * market.worths[place]
            for period, flow in market.flows[place]:
                flows[period] = flows.get(period, 0) + more * flow
        for period, flow in flows.items():
            if flow:
                worth = market.ladders[period].worth(self.nets[period] + flow)
                before = self._worths[period]
                if worth is None or before is None:
                    return None
                gain += worth - before
        return gain

    def make(self, move: Mapping[int, int]) -> Move:
        """Make a move, and return the one that takes it back."""
        back = {place: self.steps[place] for place in move}
        touched: set[int] = set()
        for place, steps in move.items():
            self._put(place, steps)
            touched.update(period for period, _ in self.market.flows[place])
        self._weigh(sorted(touched))
        return back

    def tuned(self, place: int, move: Move) -> list[Move]:
        """Return moves in which a block gets steps as well: those that are worth most, and others.

        Welfare is concave in the steps of one block, so the best number is where one more step
        begins to cost. For that there may be no prices while there are for a number close by, or
        for the least or the most.
        """
        low, high = least, most = self._room(place, move)
        while low < high:
            middle = (low + high) // 2
            gain = self.gain(move | {place: middle})
            more = self.gain(move | {place: middle + 1})
            if gain is None or more is None:
                return []
            low, high = (middle + 1, high) if more > gain else (low, middle)
        tried = {least, most, *range(low - _CLOSE_BY, low + _CLOSE_BY + 1)}
        return [move | {place: steps} for steps in sorted(tried) if least <= steps <= most]

    def _room(self, place: int, move: Move) -> tuple[int, int]:
        """Return the least and most steps of a block with which rules and balance are kept."""
        market, whole = self.market, self.market.wholes[place]
        low, high = market.leasts[place], self.cap(place, move)
        for child in market.children[place]:
            needs = move.get(child, self.steps[child]) * whole
            low = max(low, -(-needs // market.wholes[child]))
        nets = {period: self.nets[period] for period, _ in market.flows[place]}
        for other, steps in (move | {place: 0}).items():
            for period, flow in market.flows[other]:
                if period in nets:
                    nets[period] += flow * (steps - self.steps[other])
        for period, flow in market.flows[place]:
            ladder = market.ladders[period]
            least = -ladder.offered - nets[period]
            most = least + (ladder.ends[-1] if ladder.ends else 0)
            ends = (least, most) if flow > 0 else (-most, -least)
            low, high = max(low, -(-ends[0] // abs(flow))), min(high, ends[1] // abs(flow))
        return low, high

    def _put(self, place: int, steps: int) -> None:
        """Let a block have steps."""
        more = steps - self.steps[place]
        self.steps[place] = steps
        self.welfare += more * self.market.worths[place]
        for period, flow in self.market.flows[place]:
            self.nets[period] += more * flow

    def _weigh(self, periods: Sequence[int]) -> None:
        """Weigh periods anew."""
        for period in periods:
            worth = self.market.ladders[period].worth(self.nets[period])
            self.welfare += (worth or 0) - (self._worths[period] or 0)
            self._worths[period] = worth

    def _balanced(self, wanted: Move) -> Move:
        """Return what is left of blocks when so many are dropped that every period balances.

        One by one, with all below it: the block whose going leaves the least imbalance, equals:
        the earlier. It ends, for without blocks every period balances. Floats look for the
        block, whole numbers say when it is enough.
        """
        market = self.market
        kept = {place: steps for place, steps in sorted(wanted.items()) if steps}
        nets = [0] * len(market.ladders)
        for place, steps in kept.items():
            for period, flow in market.flows[place]:
                nets[period] += flow * steps
        places = np.array(list(kept), dtype=np.intp)
        flows = np.zeros((len(kept), len(nets)))
        for row, (place, steps) in enumerate(kept.items()):
            for period, flow in market.flows[place]:
                flows[row, period] = flow * steps
        low = np.array([-ladder.offered for ladder in market.ladders], dtype=np.float64)
        high = low + [ladder.ends[-1] if ladder.ends else 0 for ladder in market.ladders]
        while any(ladder.imbalance(net) for ladder, net in zip(market.ladders, nets, strict=True)):
            after = np.array(nets, dtype=np.float64) - flows
            beyond = np.maximum(low - after, 0.0) + np.maximum(after - high, 0.0)
            line = [int(places[beyond.sum(axis=1).argmin()])]
            for place in line:
                line.extend(child for child in market.children[place] if child in kept)
                steps = kept.pop(place)
                for period, flow in market.flows[place]:
                    nets[period] -= flow * steps
            left = ~np.isin(places, line)
            places, flows = places[left], flows[left]
        return kept
