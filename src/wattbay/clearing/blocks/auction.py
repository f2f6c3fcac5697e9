"""The block auction: most welfare, then prices at which no accepted block loses."""

from __future__ import annotations

from collections.abc import Sequence

from wattbay.clearing.blocks.acceptance import Acceptance
from wattbay.clearing.blocks.ladder import fills
from wattbay.clearing.blocks.model import Block, BlockClearing, CurveOrder, Market, market_of
from wattbay.clearing.blocks.prices import PriceSearch
from wattbay.clearing.blocks.repair import add_back, best_of_all, drop_losers
from wattbay.clearing.blocks.welfare import GAP, most
from wattbay.errors import ensure

NODE_LIMIT = 1_000
"""Nodes of branch and bound where the caller names no number."""

ROUNDS_MAX = 5
"""Times that the solver looks."""
IDLE_MAX = 2
"""Times in a row that it looks without finding more."""
ENOUGH = 1e-4
"""The solver does not look again where welfare is so near to its bound, relatively."""


def clear(
    curves: Sequence[CurveOrder],
    blocks: Sequence[Block],
    periods: int,
    *,
    node_limit: int = NODE_LIMIT,
    price_min: int | None = None,
    price_max: int | None = None,
    price_tick: int = 1,
) -> BlockClearing:
    r"""Clear a block auction.

    Parameters
    ----------
    curves
        Divisible orders, in order of arrival.
    blocks
        Blocks, in order of arrival; a parent may come after its child.
    periods
        How many there are.
    node_limit
        Nodes of branch and bound, all tries together, after which the best so far is taken.
    price_min, price_max
        What prices are within, and all limits of curve orders are. [price units]
    price_tick
        Prices are multiples of it, and all limits are. [price units]

    Returns
    -------
    BlockClearing
        The same for the same orders. Welfare need not be the largest that there is: `gap_nano`
        says how far from it it may be.

    Raises
    ------
    InvariantBroken
        If an order is not well formed.

    Notes
    -----
    With :math:`f_i` the fill of curve order :math:`i`, :math:`r_b` the accepted part of block
    :math:`b`, :math:`\sigma = 1` for sellers and -1 for buyers, the solver looks for the largest

    .. math:: W = -\sum_i \sigma_i p_i f_i - \sum_b \sigma_b p_b r_b \sum_t \max(q_{bt}, 0)

    with :math:`\sum_{i \in t} \sigma_i f_i + \sum_b \sigma_b r_b q_{bt} = 0` in each period [1]_.
    Its bound holds whether there are prices or not. If there are none for what it found, blocks
    are dropped until there are, then added back where that pays; all in whole numbers.

    References
    ----------
    .. [1] NEMO Committee, "EUPHEMIA public description: single price coupling algorithm," 2019.
    """
    ensure(price_tick > 0, "a step of prices is above zero")
    limits = [order.price for order in curves] + [block.price for block in blocks]
    ensure(not any(limit % price_tick for limit in limits), "limits are on the tick")
    in_ticks = [order._replace(price=order.price // price_tick) for order in curves]
    market = market_of(
        in_ticks,
        [block._replace(price=block.price // price_tick) for block in blocks],
        periods,
        None if price_min is None else -(-price_min // price_tick),
        None if price_max is None else price_max // price_tick,
    )
    search = PriceSearch(market)
    acceptance, known, bound = _best(market, search, node_limit)
    prices = search.settle(acceptance, known)
    return BlockClearing(
        prices=[price * price_tick for price in prices],
        volumes=_volumes(market, acceptance),
        fills=fills(in_ticks, market.ladders, acceptance.nets),
        steps=acceptance.steps,
        welfare=acceptance.welfare * price_tick,
        bound=max(bound, acceptance.welfare) * price_tick,
        paradoxically_rejected=_paradoxical(market, acceptance, search, prices),
    )


def _best(
    market: Market, search: PriceSearch, node_limit: int
) -> tuple[Acceptance, list[int], int]:
    """Return the best acceptance found, prices for it, and what bounds the welfare of all.

    The solver's acceptance is mended. Where that costs more than a little, the solver looks again,
    knowing which blocks could not all be accepted at its last try. That they cannot was seen at
    one acceptance and may not hold at others, so the bound is the one of its first try.
    """
    best = Acceptance(market, [0] * len(market.wholes))
    prices = search.find(best).prices
    if not market.wholes:
        return best, prices, best.welfare
    conflicts: dict[tuple[int, ...], None] = {}
    bound: int | None = None
    gap, idle = GAP, 0
    for _ in range(ROUNDS_MAX):
        tries_limit = max(1, node_limit // 2)  # What is left is for the next tries.
        found = most(market, node_limit=tries_limit, gap=gap, conflicts=conflicts)
        bound = found.bound if bound is None else bound
        node_limit -= found.nodes
        acceptance = Acceptance(market, found.steps)
        known = len(conflicts)
        conflicts |= dict.fromkeys(drop_losers(acceptance, search))
        add_back(acceptance, search)
        idle += 1
        if acceptance.welfare > best.welfare:
            idle = 0
            best, prices = acceptance, search.find(acceptance).prices
        missing = (bound - best.welfare) / max(1, bound)
        gap = max(GAP, missing / 4)  # Nearer than that a next try need not come.
        if missing <= ENOUGH or len(conflicts) == known or idle == IDLE_MAX or node_limit <= 0:
            break
    if bound is not None and bound > best.welfare:
        other = best_of_all(best, search)
        if other is not best:
            best, prices = other, search.find(other).prices
    return best, prices, best.welfare if bound is None else bound


def _volumes(market: Market, acceptance: Acceptance) -> list[int]:
    """Return what is bought in each period."""
    volumes = [
        sum(ladder.filled(net)[0])
        for ladder, net in zip(market.ladders, acceptance.nets, strict=True)
    ]
    for place, steps in enumerate(acceptance.steps):
        if steps:
            for period, flow in market.flows[place]:
                volumes[period] += max(0, -flow * steps)
    return volumes


def _paradoxical(
    market: Market, acceptance: Acceptance, search: PriceSearch, prices: Sequence[int]
) -> list[int]:
    """Return the rejected blocks that would gain, and that nothing of their own keeps out."""
    steps = acceptance.steps
    gains = search.gains(prices).tolist()
    return [
        place
        for place, gain in enumerate(gains)
        if gain > 0
        and not steps[place]
        and acceptance.cap(place, {}) >= market.leasts[place]
        and not any(steps[mate] for mate in market.groups[place])
    ]
