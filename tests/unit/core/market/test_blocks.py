"""What a block auction claims is verified in whole numbers: each rule, kept and broken."""

from __future__ import annotations

import pytest

from wattbay.core.market.blocks import BUY, SELL, Block, Breach, Claim, Rule, steps_of, verify

# Buyers of 6 at 10 in the first period and of 6 at 6 in the second; a block sells 4 in each.
CURVES = [(0, BUY, 10, 6), (1, BUY, 6, 6)]
MORNING: Block = (SELL, 7, (4, 4), None, None, None)
CLEARED = Claim(prices=[10, 6], fills=[4, 4], steps=[4], welfare=8)


def rules(claim: Claim, blocks: list[Block], curves: list[tuple[int, int, int, int]]) -> set[Rule]:
    return {breach.rule for breach in verify(claim, curves, blocks, len(claim.prices))}


def test_claim_that_keeps_all_rules_has_no_breach() -> None:
    assert verify(CLEARED, CURVES, [MORNING], 2) == []


def test_nothing_claimed_of_nothing_is_well() -> None:
    assert verify(Claim([], [], [], 0), [], [], 0) == []


@pytest.mark.parametrize(
    "claim",
    [
        CLEARED._replace(prices=[10]),
        CLEARED._replace(prices=[10, 6, 0]),
        CLEARED._replace(fills=[4]),
        CLEARED._replace(steps=[]),
    ],
)
def test_claim_of_another_shape_is_looked_at_no_further(claim: Claim) -> None:
    assert verify(claim, CURVES, [MORNING], 2) == [Breach(Rule.SHAPE, 0)]


@pytest.mark.parametrize(
    ("low", "high", "tick", "places"),
    [(7, None, 1, [1]), (None, 9, 1, [0]), (6, 10, 1, []), (None, None, 4, [0, 1])],
)
def test_prices_keep_their_bounds_and_tick(
    low: int | None, high: int | None, tick: int, places: list[int]
) -> None:
    found = verify(CLEARED, CURVES, [MORNING], 2, price_min=low, price_max=high, price_tick=tick)
    assert found == [Breach(Rule.PRICE_LIMIT, place) for place in places]


def test_fill_below_nothing_or_above_the_quantity_is_a_breach() -> None:
    found = verify(CLEARED._replace(fills=[-1, 7]), CURVES, [MORNING], 2)
    assert found[:2] == [Breach(Rule.FILL, 0), Breach(Rule.FILL, 1)]


@pytest.mark.parametrize(
    ("prices", "places"),
    [([10, 6], []), ([9, 6], [0]), ([11, 6], [0]), ([11, 5], [0, 1])],
)
def test_price_off_the_limit_asks_for_all_or_nothing(prices: list[int], places: list[int]) -> None:
    found = verify(CLEARED._replace(prices=prices), CURVES, [MORNING], 2)
    assert [breach.place for breach in found if breach.rule is Rule.LIMIT] == places


def test_sellers_limit_binds_the_other_way() -> None:
    claim = Claim(prices=[5], fills=[2, 2], steps=[], welfare=6)
    assert verify(claim, [(0, BUY, 8, 2), (0, SELL, 5, 3)], [], 1) == []
    assert rules(claim._replace(prices=[6]), [], [(0, BUY, 8, 2), (0, SELL, 5, 3)]) == {Rule.LIMIT}
    assert rules(claim._replace(prices=[4]), [], [(0, BUY, 8, 2), (0, SELL, 5, 3)]) == {Rule.LIMIT}


@pytest.mark.parametrize("got", [-1, 1, 3, 5])
def test_block_is_accepted_with_steps_that_it_has_and_asks_for(got: int) -> None:
    found = rules(CLEARED._replace(steps=[got]), [MORNING], CURVES)
    assert Rule.STEPS in found


def test_block_that_can_be_cut_is_accepted_from_its_least_steps() -> None:
    cut: Block = (SELL, 7, (4, 4), 2, None, None)
    claim = Claim(prices=[10, 6], fills=[2, 2], steps=[2], welfare=4)
    assert rules(claim, [cut], CURVES) == set()
    lower = Claim(prices=[10, 6], fills=[1, 1], steps=[1], welfare=2)
    assert rules(lower, [cut], CURVES) == {Rule.STEPS}


def test_second_block_of_a_group_is_a_breach() -> None:
    half: Block = (SELL, 7, (2, 2), None, 1, None)
    claim = CLEARED._replace(steps=[2, 2])
    assert verify(claim, CURVES, [half, half], 2) == [Breach(Rule.GROUP, 1)]
    other: Block = (SELL, 7, (2, 2), None, 2, None)
    assert verify(claim, CURVES, [half, other], 2) == []


def test_child_is_accepted_to_no_larger_part_than_its_parent() -> None:
    parent: Block = (SELL, 5, (4, 0), 1, None, None)
    child: Block = (SELL, 5, (0, 2), 1, None, 0)
    claim = Claim(prices=[10, 6], fills=[2, 1], steps=[2, 1], welfare=11)
    assert verify(claim, CURVES, [parent, child], 2) == []
    more = Claim(prices=[10, 6], fills=[2, 2], steps=[2, 2], welfare=12)
    assert verify(more, CURVES, [parent, child], 2) == [Breach(Rule.PARENT, 1)]


def test_period_that_does_not_balance_is_a_breach() -> None:
    claim = CLEARED._replace(fills=[4, 3], welfare=2)
    assert verify(claim, CURVES, [MORNING], 2) == [Breach(Rule.BALANCE, 1)]


def test_losing_block_is_a_breach() -> None:
    dear: Block = (SELL, 9, (4, 4), None, None, None)
    assert verify(CLEARED._replace(welfare=-8), CURVES, [dear], 2) == [Breach(Rule.LOSS, 0)]


@pytest.mark.parametrize("turned", [False, True])
def test_gain_of_children_carries_their_parent_and_not_the_reverse(*, turned: bool) -> None:
    curves = [(0, BUY, 5, 9), (1, BUY, 9, 9)]
    losing, gaining = (SELL, 8, (2, 0)), (SELL, 5, (0, 2))
    above: Block = (*(gaining if turned else losing), None, None, None)
    below: Block = (*(losing if turned else gaining), None, None, 0)
    claim = Claim(prices=[5, 9], fills=[2, 2], steps=[2, 2], welfare=2)
    assert verify(claim, curves, [above, below], 2) == ([Breach(Rule.LOSS, 1)] if turned else [])


def test_gain_of_a_grandchild_carries_all_above_it_wherever_they_stand() -> None:
    curves = [(0, BUY, 5, 9), (1, BUY, 9, 9)]
    blocks: list[Block] = [
        (SELL, 5, (0, 2), None, None, 2),
        (SELL, 7, (2, 0), None, None, None),
        (SELL, 6, (2, 0), None, None, 1),
    ]
    claim = Claim(prices=[5, 9], fills=[4, 2], steps=[2, 2, 2], welfare=2)
    assert verify(claim, curves, blocks, 2) == []
    without = Claim(prices=[5, 9], fills=[4, 0], steps=[0, 2, 2], welfare=-6)
    assert verify(without, curves, blocks, 2) == [Breach(Rule.LOSS, 1), Breach(Rule.LOSS, 2)]


def test_store_pays_for_what_it_takes() -> None:
    curves = [(0, SELL, 2, 30), (1, BUY, 8, 30)]
    claim = Claim(prices=[2, 8], fills=[10, 9], steps=[1], welfare=7)
    assert verify(claim, curves, [(SELL, 5, (-10, 9), None, None, None)], 2) == []
    dear = claim._replace(welfare=-2)
    found = verify(dear, curves, [(SELL, 6, (-10, 9), None, None, None)], 2)
    assert found == [Breach(Rule.LOSS, 0)]


def test_welfare_that_is_not_what_trades_is_a_breach() -> None:
    claim = CLEARED._replace(welfare=9)
    assert verify(claim, CURVES, [MORNING], 2) == [Breach(Rule.WELFARE, 0)]


def test_steps_are_the_greatest_divisor() -> None:
    assert steps_of((30, 20, 20)) == 10
    assert steps_of((-6, 0, 9)) == 3
    assert steps_of((7, 11)) == 1
