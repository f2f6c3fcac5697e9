"""What a battery sells for, and what an aggregator bids."""

from __future__ import annotations

from random import Random

import pytest

from wattbay.adapters.etp import bess, strategies
from wattbay.simulation.competition.market import DEPLETED_WH, equilibrium_bid
from wattbay.simulation.competition.rules import (
    RECENT,
    STEP,
    Strategy,
    best,
    bid,
    effective_reserve,
    similar,
)

RESERVE, CAP = 150_000, 200_000
"""15 and 20 cents per kWh."""


def a_bid(
    strategy: Strategy,
    *,
    reserve: int = RESERVE,
    cap: int = CAP,
    history: tuple[int, ...] = (),
    seed: int = 1,
) -> int | None:
    return bid(strategy, reserve, cap, history, Random(seed))


@pytest.mark.parametrize(
    ("level_share", "expected"),
    [
        (0.0, 300_000),
        (0.099, 300_000),
        (0.1, 225_000),
        (0.249, 225_000),
        (0.25, 150_000),
        (0.749, 150_000),
        (0.75, 135_000),
        (1.0, 135_000),
    ],
)
def test_reserve_follows_how_full_a_battery_is(level_share: float, expected: int) -> None:
    assert effective_reserve(RESERVE, level_share) == expected


def test_reserve_is_rounded_up() -> None:
    assert effective_reserve(5, 0.8) == 5
    assert effective_reserve(5, 0.2) == 8


@pytest.mark.parametrize("strategy", Strategy)
def test_nobody_bids_whose_cap_is_below_the_reserve(strategy: Strategy) -> None:
    assert a_bid(strategy, cap=RESERVE - 1) is None


def test_careful_bids_stay_five_hundredths_of_a_cent_from_their_bounds() -> None:
    assert a_bid(Strategy.CONSERVATIVE) == RESERVE + STEP
    assert a_bid(Strategy.AGGRESSIVE) == CAP - STEP


@pytest.mark.parametrize("strategy", Strategy)
def test_bid_lies_between_reserve_and_cap_however_near_they_are(strategy: Strategy) -> None:
    for room in (0, 1, STEP // 2):
        found = a_bid(strategy, cap=RESERVE + room, history=(1, 10**9))
        assert found is not None
        assert RESERVE <= found <= RESERVE + room


def test_random_bids_reach_both_ends() -> None:
    rng = Random(1)
    found = {bid(Strategy.RANDOM, 10, 12, (), rng) for _ in range(100)}
    assert found == {10, 11, 12}


def test_intelligent_bid_without_history_is_the_midpoint() -> None:
    assert a_bid(Strategy.INTELLIGENT) == (RESERVE + CAP) // 2


def test_intelligent_bid_wavers_about_the_mean_of_its_purchases() -> None:
    rng = Random(1)
    found = [bid(Strategy.INTELLIGENT, RESERVE, CAP, (170_000, 180_000), rng) for _ in range(500)]
    assert all(price is not None and abs(price - 175_000) <= STEP for price in found)
    assert len(set(found)) > 200


def test_only_purchases_of_four_fifths_and_the_newest_ten_count() -> None:
    purchases = [(1, 79), (2, 80), *((price, 500) for price in range(3, 30))]
    assert similar(purchases, 100) == list(range(2, 2 + RECENT))
    assert similar([], 100) == []


def test_highest_bid_wins_and_ties_go_to_the_earlier() -> None:
    assert best([None, 5, 7, 7, 6]) == 2
    assert best([None, None]) is None
    assert best([]) is None
    assert best([0]) == 0


def test_rational_bidder_alone_pays_the_reserve_and_rivals_pay_more_the_more_they_are() -> None:
    # Worth 20 c: 16 c at wholesale, and 4 c of at most 5 besides.
    found = [equilibrium_bid(RESERVE, CAP, 160_000, 50_000, rivals) for rivals in (1, 2, 3, 10)]
    assert found[0] == RESERVE
    # Two whose worths are uniform shade half of what they are above the least worth.
    assert found[1] == 180_000
    assert found == sorted(found, key=lambda price: price or 0)
    assert equilibrium_bid(CAP + 1, CAP, 160_000, 50_000, 3) is None


def test_rational_bidders_shade_less_where_the_reserve_cuts_low_worths_off() -> None:
    # Nobody below 18 c bids: v - ((v - a)^2 - (r - a)^2) / (2 (v - a)), a = 16, r = 18, v = 20.
    assert equilibrium_bid(180_000, CAP, 160_000, 50_000, 2) == 185_000


def test_rivals_of_one_known_worth_leave_nothing_to_themselves() -> None:
    assert equilibrium_bid(RESERVE, CAP, CAP, 0, 2) == CAP
    assert equilibrium_bid(RESERVE, CAP, CAP, 0, 1) == RESERVE


@pytest.mark.parametrize("level_wh", range(0, 10_001, 250))
def test_reserve_is_that_of_the_nodes_that_speak_the_protocol(level_wh: int) -> None:
    status = bess.energy_status(level_wh, 10_000)
    for reserve in (0, 7, 141_111, 203_333):
        assert effective_reserve(reserve, level_wh / 10_000) == bess.effective_reserve(
            reserve, status
        )
    assert DEPLETED_WH == bess.DEPLETED_WH


@pytest.mark.parametrize("cap", [RESERVE - 1, RESERVE, RESERVE + 300, CAP])
def test_bids_are_those_of_the_aggregators_that_speak_the_protocol(cap: int) -> None:
    assert [each.value for each in Strategy] == [each.value for each in strategies.Strategy]
    purchases = [(170_000 + place, 300 + 10 * place) for place in range(20)]
    history = strategies.History(
        strategies.Row(1, price, energy_wh, is_accepted=True) for price, energy_wh in purchases
    )
    newest = list(reversed(purchases))
    assert similar(newest, 500) == history.similar(500)
    for strategy in Strategy:
        own, theirs = Random(1), Random(2)
        for _ in range(200):
            ours = bid(strategy, RESERVE, cap, similar(newest, 500), own)
            other = strategies.bid_price(
                strategies.Strategy(strategy.value),
                500,
                reserve=RESERVE,
                cap=cap,
                history=history,
                rng=theirs,
            )
            assert (ours is None) == (other is None)
            if ours is not None and other is not None:
                drawn = {
                    Strategy.RANDOM: cap - RESERVE,
                    Strategy.INTELLIGENT: 2 * STEP,
                }.get(strategy, 0)
                assert abs(ours - other) <= drawn
