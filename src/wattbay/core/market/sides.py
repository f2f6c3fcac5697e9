"""The loops of a call auction: over every order of a side, in columns of whole numbers.

Compiled into the wheel where there was a compiler. Interpreted, they go by the ways that are quick
there. Nothing is decided here: `wattbay.core.market.auction` says what trades at which price.
"""

from __future__ import annotations

from collections.abc import Sequence

from wattbay.core.market.unboxed import append, i64, vec

FIRST = -(2**60)
"""The rank of a market order: before any limit, even with a fee, for those fit in 54 bits."""

IS_COMPILED = not __file__.endswith(".py")
"""Whether this module runs as machine code."""

_SPARSE = 4
"""Ranks that spread over more than so many ticks an order are sorted, not counted."""

_ALWAYS_COUNTED = 65_536


def column(values: Sequence[int]) -> vec[i64]:
    """Return numbers as a column."""
    return vec[i64](values)


def ranks(limits: Sequence[int | None], sign: int, shift: int) -> vec[i64]:
    """Return the rank of each limit, ``shift + sign * limit``; None is a market order."""
    return vec[i64]([FIRST if limit is None else shift + sign * limit for limit in limits])


def listed(values: vec[i64]) -> list[int]:
    """Return a column as a list."""
    return list(values)


def _zeros(count: i64) -> vec[i64]:
    return vec[i64]([0] * int(count))


def _span(side: vec[i64]) -> tuple[i64, i64, i64]:
    """Return the lowest and highest rank of a limit, and how many limits there are."""
    low: i64 = 2**62
    high: i64 = -(2**62)
    limits: i64 = 0
    count: i64 = len(side)
    first: i64 = FIRST
    i: i64 = 0
    while i < count:
        rank = side[i]
        if rank != first:
            limits += 1
            low = min(low, rank)
            high = max(high, rank)
        i += 1
    return low, high, limits


def levels(side: vec[i64], quantities: vec[i64], tick: i64) -> tuple[list[int], list[int]]:
    """Return the ranks present, lowest first, and the quantity at each.

    Parameters
    ----------
    side
        Ranks of orders; those of limits differ by multiples of `tick`.
    """
    if not IS_COMPILED:
        return _sorted_levels(side, quantities)
    low, high, limits = _span(side)
    steps: i64 = 0
    if limits:
        steps = (high - low) // tick + 1  # divides: exactly, limits are on the tick
    most: i64 = max(_SPARSE * limits, _ALWAYS_COUNTED)
    if steps > most:
        return _sorted_levels(side, quantities)
    table = _zeros(steps)
    count: i64 = len(side)
    markets: i64 = 0
    first: i64 = FIRST
    i: i64 = 0
    while i < count:
        rank = side[i]
        if rank == first:
            markets += quantities[i]
        else:
            place = rank - low
            if tick != 1:
                place //= tick  # divides: exactly, limits are on the tick
            table[place] = table[place] + quantities[i]
        i += 1
    found: list[int] = []
    sums: list[int] = []
    if markets:
        found.append(first)
        sums.append(markets)
    i = 0
    while i < steps:
        quantity = table[i]
        if quantity:
            found.append(low + i * tick)
            sums.append(quantity)
        i += 1
    return found, sums


def _sorted_levels(side: vec[i64], quantities: vec[i64]) -> tuple[list[int], list[int]]:
    """Return the levels of ranks that lie far apart."""
    table: dict[int, int] = {}
    for rank, quantity in zip(side, quantities, strict=True):
        table[rank] = table.get(rank, 0) + quantity
    found = sorted(table)
    return found, [table[rank] for rank in found]


def fill_before(side: vec[i64], quantities: vec[i64], last: i64) -> vec[i64]:
    """Return what each gets where all before rank `last` are filled whole, and no other."""
    if not IS_COMPILED:
        both = zip(side, quantities, strict=True)
        return vec[i64]([quantity if rank < last else 0 for rank, quantity in both])
    count: i64 = len(side)
    found = _zeros(count)
    i: i64 = 0
    while i < count:
        if side[i] < last:
            found[i] = quantities[i]
        i += 1
    return found


def places_of(side: vec[i64], rank: i64) -> list[int]:
    """Return the places of those of a rank, in order."""
    if not IS_COMPILED:
        return [place for place, one in enumerate(side) if one == rank]
    found: list[int] = []
    count: i64 = len(side)
    i: i64 = 0
    while i < count:
        if side[i] == rank:
            found.append(i)
        i += 1
    return found


def line_up(side: vec[i64], fills: vec[i64], tick: i64) -> list[int]:
    """Return the places of those that got something: lowest rank first, then by arrival."""
    if not IS_COMPILED:
        return _by_rank(side, [place for place, fill in enumerate(fills) if fill])
    count: i64 = len(side)
    filled = vec[i64]()
    low: i64 = 2**62
    high: i64 = -(2**62)
    limits: i64 = 0
    first: i64 = FIRST
    i: i64 = 0
    while i < count:
        if fills[i]:
            filled = append(filled, i)
            rank = side[i]
            if rank != first:
                limits += 1
                low = min(low, rank)
                high = max(high, rank)
        i += 1
    if not limits:
        return list(filled)
    steps = (high - low) // tick + 1  # divides: exactly, limits are on the tick
    most: i64 = max(_SPARSE * limits, _ALWAYS_COUNTED)
    if steps > most:
        return _by_rank(side, list(filled))
    return list(_counted(side, filled, low, tick, steps))


def _counted(side: vec[i64], places: vec[i64], low: i64, tick: i64, steps: i64) -> vec[i64]:
    """Sort places by rank, keeping those of a rank as they come: by counting."""
    total: i64 = len(places)
    first: i64 = FIRST
    starts = _zeros(steps + 2)
    keys = _zeros(total)
    i: i64 = 0
    while i < total:
        rank = side[places[i]]
        key: i64 = 0
        if rank != first:
            key = (rank - low) // tick + 1  # divides: exactly, limits are on the tick
        keys[i] = key
        starts[key + 1] = starts[key + 1] + 1
        i += 1
    i = 1
    while i < steps + 2:
        starts[i] = starts[i] + starts[i - 1]
        i += 1
    queue = _zeros(total)
    i = 0
    while i < total:
        key = keys[i]
        queue[starts[key]] = places[i]
        starts[key] = starts[key] + 1
        i += 1
    return queue


def _by_rank(side: vec[i64], places: list[int]) -> list[int]:
    """Sort places by rank, keeping those of a rank as they come."""
    places.sort(key=lambda place: side[place])
    return places
