"""The block auction: what is accepted, at which prices, and how it looks for them."""

from __future__ import annotations

import pytest

from benchmarks.blocks import an_auction
from wattbay.clearing.blocks import BUY, SELL, Block, CurveOrder, clear
from wattbay.clearing.blocks.acceptance import Acceptance
from wattbay.clearing.blocks.model import market_of
from wattbay.clearing.blocks.prices import PriceSearch
from wattbay.clearing.blocks.repair import add_back, best_of_all, drop_losers
from wattbay.core.market.blocks import Claim, verify
from wattbay.errors import InvariantBroken

CURVES = [CurveOrder(0, BUY, 10, 6), CurveOrder(1, BUY, 6, 6)]
MORNING = Block(SELL, 7, (4, 4))


def test_block_is_accepted_by_what_its_periods_pay_together() -> None:
    found = clear(CURVES, [MORNING], 2)
    assert (found.prices, found.fills, found.steps) == ([10, 6], [4, 4], [4])
    assert (found.volumes, found.welfare, found.bound, found.gap_nano) == ([4, 4], 8, 8, 0)


def test_block_that_would_lose_by_its_own_size_is_paradoxically_rejected() -> None:
    curves = [CurveOrder(0, BUY, 9, 10), CurveOrder(0, BUY, 5, 20), CurveOrder(0, SELL, 8, 4)]
    found = clear(curves, [Block(SELL, 6, (15,))], 1)
    assert (found.steps, found.paradoxically_rejected) == ([0], [0])
    assert (found.welfare, found.bound, found.gap_nano) == (4, 25, 840_000_000)


def test_exact_sums_hold_beyond_64_bits() -> None:
    large = 2**53 - 1
    curves = [CurveOrder(0, BUY, large, large), CurveOrder(1, BUY, large - 2, large)]
    block = Block(SELL, 1, (large, large))
    found = clear(curves, [block], 2)
    claim = Claim(found.prices, found.fills, found.steps, found.welfare)
    assert verify(claim, curves, [block], 2) == []
    assert (found.prices, found.steps) == ([large, large - 2], [large])
    assert found.welfare == large * (large - 1) + large * (large - 3)


def test_wide_markets_break_no_rule() -> None:
    curves, blocks = an_auction(400, 60, 24)
    found = clear(curves, blocks, 24)
    claim = Claim(found.prices, found.fills, found.steps, found.welfare)
    assert verify(claim, curves, blocks, 24) == []
    assert found == clear(curves, blocks, 24)
    assert found.gap_nano < 10**7


def test_thin_markets_break_no_rule_though_periods_hardly_balance() -> None:
    curves, blocks = an_auction(40, 60, 12)
    found = clear(curves, blocks, 12)
    claim = Claim(found.prices, found.fills, found.steps, found.welfare)
    assert verify(claim, curves, blocks, 12) == []


def test_single_node_is_enough_for_some_result() -> None:
    curves, blocks = an_auction(100, 40, 12)
    found = clear(curves, blocks, 12, node_limit=1)
    claim = Claim(found.prices, found.fills, found.steps, found.welfare)
    assert verify(claim, curves, blocks, 12) == []


def test_bounds_off_the_tick_are_moved_inwards() -> None:
    curves = [CurveOrder(0, BUY, 20, 5), CurveOrder(0, SELL, 20, 2)]
    found = clear(curves, [], 1, price_min=15, price_max=24, price_tick=10)
    assert (found.prices, found.fills) == ([20], [2, 2])


@pytest.mark.parametrize(
    ("curves", "blocks"),
    [
        ([CurveOrder(2, BUY, 1, 1)], []),
        ([CurveOrder(-1, BUY, 1, 1)], []),
        ([CurveOrder(0, 0, 1, 1)], []),
        ([CurveOrder(0, BUY, 1, 0)], []),
        ([CurveOrder(0, BUY, 3, 1)], []),
        ([CurveOrder(0, BUY, -8, 1)], []),
        ([CurveOrder(0, BUY, 8, 1)], []),
        ([], [Block(SELL, 2, (1,))]),
        ([], [Block(SELL, 2, (0, 0))]),
        ([], [Block(SELL, 2, (-1, 0))]),
        ([], [Block(2, 2, (1, 1))]),
        ([], [Block(SELL, 3, (1, 1))]),
        ([], [Block(SELL, 2, (2, 2), steps_min=3)]),
        ([], [Block(SELL, 2, (2, 2), steps_min=0)]),
        ([], [Block(SELL, 2, (2, 2), parent=0)]),
        ([], [Block(SELL, 2, (2, 2), parent=1), Block(SELL, 2, (2, 2), parent=0)]),
    ],
)
def test_order_that_is_not_well_formed_is_a_bug_of_the_caller(
    curves: list[CurveOrder], blocks: list[Block]
) -> None:
    with pytest.raises(InvariantBroken):
        clear(curves, blocks, 2, price_min=-6, price_max=6, price_tick=2)


def test_what_the_solver_says_is_taken_only_as_far_as_it_keeps_the_rules() -> None:
    blocks = [
        Block(SELL, 1, (2,), group=0),
        Block(SELL, 1, (2,), group=0),
        Block(SELL, 1, (6,), steps_min=3),
        Block(SELL, 1, (4,), steps_min=1, parent=2),
        Block(SELL, 1, (50,)),
    ]
    market = market_of([CurveOrder(0, BUY, 9, 20)], blocks, 1, None, None)
    taken = Acceptance(market, [2, 2, 3, 4, 50])
    assert taken.steps == [2, 0, 3, 2, 0]
    assert taken.welfare == 9 * 7 - 7
    assert Acceptance(market, [0, 0, 2, 4, 0]).steps == [0] * 5


def test_losers_are_dropped_and_gainers_added_back_exactly() -> None:
    curves = [CurveOrder(0, BUY, 9, 10), CurveOrder(0, BUY, 5, 20)]
    blocks = [Block(SELL, 6, (15,)), Block(SELL, 6, (8,)), Block(SELL, 8, (20,), steps_min=1)]
    market = market_of(curves, blocks, 1, None, None)
    acceptance, search = Acceptance(market, [15, 0, 0]), PriceSearch(market)
    assert drop_losers(acceptance, search) == [(0,)]
    assert acceptance.steps == [0, 0, 0]
    add_back(acceptance, search)
    assert acceptance.steps == [0, 8, 2]
    assert acceptance.welfare == 9 * 10 - 6 * 8 - 8 * 2
    assert best_of_all(acceptance, search) is acceptance
