"""From an acceptance of most welfare to one that has prices: drop who loses, add back who gains."""

from __future__ import annotations

from itertools import product
from math import prod

from wattbay.clearing.blocks.acceptance import Acceptance, Move
from wattbay.clearing.blocks.prices import PriceSearch
from wattbay.clearing.blocks.welfare import most

MEND_NODES = 10
"""Nodes of branch and bound to find what goes with a block that is dropped."""
MEND_GAP = 1e-3
"""How near to the best that need be."""
MENDS_MAX = 10
"""Blocks of which that is looked for, each time that losers are dropped."""
PASSES_MAX = 3
"""Over all blocks, to add back."""
FAILURES_MAX = 100
"""Blocks that would raise welfare but have no prices, before a pass ends."""

ALL_MAX = 1_000
"""Acceptances, of which all are looked at where that may pay."""


def drop_losers(acceptance: Acceptance, search: PriceSearch) -> list[tuple[int, ...]]:
    """Drop blocks until there are prices at which none that is accepted loses.

    Of those that cannot all be accepted the one goes that costs least welfare, with all below it;
    equals: the later block. Where periods balance without none of them, more goes with each.
    It ends, for without blocks nobody loses.

    Returns
    -------
    list[tuple[int, ...]]
        The sets of blocks that could not all be accepted, as they were met.
    """
    conflicts: list[tuple[int, ...]] = []
    mends = MENDS_MAX
    while losers := search.find(acceptance).losers:
        conflicts.append(tuple(losers))
        moves = [(place, acceptance.without(place)) for place in losers]
        if all(acceptance.gain(move) is None for _, move in moves):
            mends -= len(moves)
            moves = [
                (place, _mended(acceptance, move, is_sought=mends >= 0)) for place, move in moves
            ]
        worths = [(acceptance.gain(move), place, move) for place, move in moves]
        best = max((gain, place) for gain, place, _ in worths if gain is not None)
        acceptance.make(next(move for gain, place, move in worths if (gain, place) == best))
    return conflicts


def _mended(acceptance: Acceptance, move: Move, *, is_sought: bool) -> Move:
    """Return a move that drops what another one does, and more, so that every period balances.

    The solver says what else goes, if that is sought; else whatever is in the way.
    """
    highest = [move.get(place, steps) for place, steps in enumerate(acceptance.steps)]
    market = acceptance.market
    if is_sought:
        highest = most(market, node_limit=MEND_NODES, gap=MEND_GAP, highest=highest).steps
    pairs = enumerate(zip(acceptance.steps, Acceptance(market, highest).steps, strict=True))
    return {place: after for place, (before, after) in pairs if before != after}


def add_back(acceptance: Acceptance, search: PriceSearch) -> None:
    """Accept more, most gain in welfare first, wherever that raises welfare and has prices."""
    for _ in range(PASSES_MAX):
        moves = [
            (gain, move) for move in _additions(acceptance) if (gain := _worth(acceptance, move))
        ]
        moves.sort(key=lambda found: -found[0])
        made, failures = 0, 0
        for _, move in moves:
            if (
                failures == FAILURES_MAX
                or not _is_open(acceptance, move)
                or not _worth(acceptance, move)
            ):
                continue
            back = acceptance.make(move)
            if search.find(acceptance).losers:
                acceptance.make(back)
                failures += 1
            else:
                made += 1
        if not made:
            return


def _worth(acceptance: Acceptance, move: Move) -> int:
    """Return what a move gains in welfare, 0 if it gains nothing or does not balance."""
    return max(acceptance.gain(move) or 0, 0)


def _is_open(acceptance: Acceptance, move: Move) -> bool:
    """Tell whether a move keeps least steps, groups and parents, after others have been made."""
    market, steps = acceptance.market, acceptance.steps
    for place, got in move.items():
        if got == 0:
            if any(move.get(child, steps[child]) for child in market.children[place]):
                return False
            continue
        mates = market.groups[place]
        if any(move.get(mate, steps[mate]) for mate in mates if mate != place):
            return False
        whole = market.wholes[place]
        if got > acceptance.cap(place, move) or any(
            move.get(child, steps[child]) * whole > got * market.wholes[child]
            for child in market.children[place]
        ):
            return False
    return True


def _additions(acceptance: Acceptance) -> list[Move]:
    """Return moves that accept a block, or more of it, with what that asks for.

    A block comes alone, in place of the one that its group has, with the parents that it needs, and
    with its children.
    """
    market, steps = acceptance.market, acceptance.steps
    moves: list[Move] = []
    for place, got in enumerate(steps):
        whole = market.wholes[place]
        if got == whole:
            if market.leasts[place] < whole:
                moves += acceptance.tuned(place, {})
            continue
        move = _asked(acceptance, place)
        moves += acceptance.tuned(place, move)
        rejected = [child for child in market.children[place] if not steps[child]]
        if rejected:
            family = {child: market.wholes[child] for child in rejected}
            moves.append(move | {place: whole} | family)
    return [move for move in moves if _is_open(acceptance, move)]


def _asked(acceptance: Acceptance, place: int) -> Move:
    """Return what must be so that a block can be accepted: its parents are, and no other mate."""
    market, steps = acceptance.market, acceptance.steps
    move: Move = {}
    line = [place]
    while (above := market.parents[line[-1]]) is not None and not steps[above]:
        line.append(above)
    for wanted in line:
        for mate in market.groups[wanted]:
            if steps[mate] and mate != wanted:
                move |= acceptance.without(mate)
    return move | {wanted: market.wholes[wanted] for wanted in line[1:]}


def best_of_all(acceptance: Acceptance, search: PriceSearch) -> Acceptance:
    """Return the best acceptance that has prices, by looking at all where they are few.

    Returns
    -------
    Acceptance
        The one given, if there are more than `ALL_MAX` or none is better.
    """
    market = acceptance.market
    choices = [
        [0, *range(least, whole + 1)]
        for least, whole in zip(market.leasts, market.wholes, strict=True)
    ]
    if prod(map(len, choices)) > ALL_MAX:
        return acceptance
    others = []
    for steps in product(*choices):
        other = Acceptance(market, steps)
        if other.steps == list(steps) and other.welfare > acceptance.welfare:
            others.append(other)
    others.sort(key=lambda other: -other.welfare)
    return next((other for other in others if not search.find(other).losers), acceptance)
