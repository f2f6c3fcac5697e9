"""Which blocks to accept for the most welfare, whatever the prices: a mixed integer program.

Curve orders at one period and price are one variable in quantity units, a block is one whole
number, and a period has one row that balances it. So the number of orders leaves the program, and
for whole numbers of steps the curve orders come out whole by themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import floor, isfinite
from typing import NamedTuple

import numpy as np

from wattbay.clearing.blocks.model import Market
from wattbay.clearing.blocks.solver import INFINITY, Program, solve

GAP = 5e-5
"""How near to the bound is near enough, unless the caller says so."""

_FLOAT_ERROR = 1e-9
"""What the solver's bound is loosened by, relatively: it is a sum of floats."""


class Welfare(NamedTuple):
    """What the solver found."""

    steps: list[int]
    """How many of its steps each block gets; nothing where it found nothing. May be off by what
    floats are off: whoever reads it checks."""
    bound: int
    """No acceptance reaches more; but for conflicts that are none at other prices."""
    nodes: int
    """Of branch and bound that were looked at."""


class _Rows:
    """The rows of a program, one after the other."""

    def __init__(self) -> None:
        """Begin without rows."""
        self.starts: list[int] = []
        self.columns: list[int] = []
        self.entries: list[float] = []
        self.lower: list[float] = []
        self.upper: list[float] = []

    def add(self, entries: list[tuple[int, float]], lower: float, upper: float) -> None:
        """Add a row: `lower` <= sum of entry x variable <= `upper`."""
        self.starts.append(len(self.columns))
        self.columns.extend(column for column, _ in entries)
        self.entries.extend(entry for _, entry in entries)
        self.lower.append(lower)
        self.upper.append(upper)


def most(
    market: Market,
    *,
    node_limit: int,
    gap: float = GAP,
    conflicts: Collection[Sequence[int]] = (),
    highest: Sequence[int] | None = None,
) -> Welfare:
    """Look for the acceptance of most welfare.

    Parameters
    ----------
    node_limit
        Nodes of branch and bound after which the best so far is taken.
    gap
        Relative distance of welfare and bound at which it need not look further.
    conflicts
        Sets of blocks; of each at least one stays rejected.
    highest
        Steps of which each block gets no more; as many as it has, where they are not given.
    """
    program, scale = _program(market, conflicts)
    if highest is not None:
        limits = zip(highest, _units(market), strict=True)
        program.upper[: len(highest)] = [steps // unit for steps, unit in limits]
    solution = solve(program, node_limit=node_limit, gap=gap)
    steps = [0] * len(market.wholes)
    if solution.values is not None:
        found = solution.values[: len(steps)].tolist()
        steps = [round(value) * unit for value, unit in zip(found, _units(market), strict=True)]
    return Welfare(steps, _bound(market, -solution.bound, scale), solution.nodes)


def _bound(market: Market, bound: float, scale: int) -> int:
    """Return the solver's bound in whole numbers; where it has none, one without any balance."""
    if isfinite(bound):
        bound += _FLOAT_ERROR * max(1.0, abs(bound))
        return floor(bound * scale)
    curves = sum(max([0, *ladder.sums]) - ladder.cost for ladder in market.ladders)
    worths = zip(market.worths, market.wholes, strict=True)
    return curves + sum(max(0, worth * whole) for worth, whole in worths)


def _units(market: Market) -> list[int]:
    """Return the steps that one unit of each block's variable stands for: one, or all."""
    return [
        1 if least < whole else whole
        for least, whole in zip(market.leasts, market.wholes, strict=True)
    ]


def _program(market: Market, conflicts: Collection[Sequence[int]]) -> tuple[Program, int]:
    """Return the program, and the unit of its cost.

    Its variables are: for each block the units that it gets; for each block that can be accepted
    partly whether it is; for each rung of each period what is given away on it.
    """
    units = _units(market)
    sizes = [whole // unit for whole, unit in zip(market.wholes, units, strict=True)]
    partly = [place for place, size in enumerate(sizes) if size > 1]
    is_taken = {place: len(units) + turn for turn, place in enumerate(partly)}
    first_rung = len(units) + len(partly)
    prices = [price for ladder in market.ladders for price in ladder.prices]
    worths = [worth * unit for worth, unit in zip(market.worths, units, strict=True)]
    scale = max([1, *map(abs, prices)])
    cost = np.array([*worths, *([0] * len(partly)), *prices], dtype=np.float64) / -scale
    rungs = [size for ladder in market.ladders for size in ladder.sizes()]
    upper = np.array([*sizes, *([1] * len(partly)), *rungs], dtype=np.float64)
    rows = _Rows()
    _add_balance(market, units, first_rung, rows)
    _add_links(market, sizes, is_taken, rows)
    for conflict in conflicts:
        entries = [(is_taken.get(place, place), 1.0) for place in conflict]
        rows.add(entries, -INFINITY, len(conflict) - 1.0)
    whole = np.arange(len(cost)) < first_rung
    program = Program(
        cost=cost,
        lower=np.zeros(len(cost)),
        upper=upper,
        row_lower=np.array(rows.lower),
        row_upper=np.array(rows.upper),
        starts=np.array(rows.starts, dtype=np.int32),
        columns=np.array(rows.columns, dtype=np.int32),
        entries=np.array(rows.entries),
        whole=whole,
        offset=sum(ladder.cost for ladder in market.ladders) / scale,
    )
    return program, scale


def _add_balance(market: Market, units: list[int], first_rung: int, rows: _Rows) -> None:
    """Let rungs give away what sell orders have and what blocks put into each period."""
    entries: list[list[tuple[int, float]]] = [[] for _ in market.ladders]
    for place, unit in enumerate(units):
        for period, flow in market.flows[place]:
            entries[period].append((place, -float(flow * unit)))
    at = first_rung
    for ladder, of_period in zip(market.ladders, entries, strict=True):
        of_period += [(at + rung, 1.0) for rung in range(len(ladder.prices))]
        at += len(ladder.prices)
        if of_period:
            rows.add(of_period, float(ladder.offered), float(ladder.offered))


def _add_links(market: Market, sizes: list[int], is_taken: dict[int, int], rows: _Rows) -> None:
    """Let blocks keep their least steps, their exclusive groups, and to their parents."""
    for place, taken in is_taken.items():
        least = float(market.leasts[place])
        rows.add([(place, 1.0), (taken, -float(sizes[place]))], -INFINITY, 0.0)
        rows.add([(place, 1.0), (taken, -least)], 0.0, INFINITY)
    for place, group in enumerate(market.groups):
        if group and group[0] == place:
            rows.add([(is_taken.get(mate, mate), 1.0) for mate in group], -INFINITY, 1.0)
    for place, parent in enumerate(market.parents):
        if parent is not None:
            part = (place, 1 / sizes[place])
            rows.add([part, (parent, -1 / sizes[parent])], -INFINITY, 0.0)
