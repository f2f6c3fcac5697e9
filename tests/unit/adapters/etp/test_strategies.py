"""How an aggregator finds its price, and spreads a need.

The first assertions restate what the tests of the protocol's first implementation say, in our
units. One of them cannot be met: a prediction between a reserve of 20 and a cap of 15. Here nothing
is bid where the cap is below the reserve; otherwise a prediction lies between the two.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbay.adapters.etp.strategies import (
    HISTORY_MAX,
    RECENT,
    STEP,
    History,
    Row,
    Share,
    Strategy,
    Supply,
    bid_price,
    spread,
)

CENT = 10_000
"""1 ¢/kWh. [nano-currency per Wh]"""
KWH = 1_000
RESERVE, CAP = 15 * CENT, 20 * CENT


def a_row(cents: float = 15.0, kwh: float = 10.0, is_accepted: bool = True) -> Row:
    return Row(123, round(cents * CENT), round(kwh * KWH), is_accepted)


def a_price(
    strategy: Strategy,
    energy_wh: int = 10 * KWH,
    reserve: int = RESERVE,
    cap: int = CAP,
    history: History | None = None,
    seed: int = 1,
) -> int:
    price = bid_price(
        strategy, energy_wh, reserve=reserve, cap=cap, history=history or History(),
        rng=Random(seed),
    )  # fmt: skip
    assert price is not None
    return price


# --- as the first implementation ---------------------------------------------------------------


def test_random_bids_differ_and_lie_between_reserve_and_cap() -> None:
    rng, history = Random(1), History()
    bids = {
        bid_price(Strategy.RANDOM, KWH, reserve=RESERVE, cap=CAP, history=history, rng=rng)
        for _ in range(2)
    }
    assert len(bids) == 2
    assert all(bid is not None and RESERVE <= bid <= CAP for bid in bids)


def test_the_careful_bid_a_little_above_the_reserve() -> None:
    assert a_price(Strategy.CONSERVATIVE) == RESERVE + STEP <= 16 * CENT


def test_the_bold_bid_a_little_below_the_cap() -> None:
    assert 19 * CENT <= a_price(Strategy.AGGRESSIVE) == CAP - STEP


def test_a_history_predicts_and_is_counted() -> None:
    history = History((a_row(15.5), a_row(16, 8), a_row(14.8, 12, is_accepted=False)))
    assert RESERVE <= a_price(Strategy.INTELLIGENT, history=history) <= CAP
    assert history.success == pytest.approx(2 / 3)


def test_prices_and_successes_of_four_bids() -> None:
    history = History((a_row(15), a_row(16), a_row(17), a_row(18, is_accepted=False)))
    assert 15 * CENT < history.mean_price < 18 * CENT
    assert history.mean_price == 16.5 * CENT
    assert history.success == 0.75


def test_a_need_of_20_kwh_is_met_by_one_or_two_batteries() -> None:
    supplies = [Supply(1, 50 * KWH, 15 * CENT), Supply(2, 60 * KWH, 16 * CENT)]
    shares = spread(20 * KWH, supplies)
    assert 1 <= len(shares) <= 2
    assert sum(share.energy_wh for share in shares) == 20 * KWH


def test_a_need_of_100_kwh_over_three_batteries_is_met_exactly() -> None:
    supplies = [Supply(n, 40 * KWH, (14 + n) * CENT) for n in (1, 2, 3)]
    shares = spread(100 * KWH, supplies)
    assert sum(share.energy_wh for share in shares) == 100 * KWH
    cost_cents = sum(share.energy_wh * share.reserve for share in shares) / KWH / CENT
    assert cost_cents < 1_800


def test_no_batteries_means_no_bids() -> None:
    assert spread(20 * KWH, []) == []


def test_strategies_may_change_between_bids() -> None:
    prices = {strategy: a_price(strategy) for strategy in Strategy}
    assert prices[Strategy.CONSERVATIVE] < prices[Strategy.AGGRESSIVE]


def test_nothing_is_known_without_a_history() -> None:
    assert len(History()) == 0
    assert History().success == 0
    assert History().mean_price == 0


@pytest.mark.parametrize("strategy", Strategy)
def test_nothing_is_bid_where_the_cap_is_below_the_reserve(strategy: Strategy) -> None:
    price = bid_price(
        strategy, KWH, reserve=20 * CENT, cap=15 * CENT, history=History(), rng=Random(1)
    )
    assert price is None


# --- predictions -------------------------------------------------------------------------------


def test_without_a_history_the_middle_is_bid() -> None:
    assert a_price(Strategy.INTELLIGENT) == 17.5 * CENT


def test_rejected_and_small_purchases_do_not_count() -> None:
    history = History((a_row(20, is_accepted=False), a_row(20, 7.999)))
    assert history.similar(10 * KWH) == []
    assert a_price(Strategy.INTELLIGENT, history=history) == 17.5 * CENT
    assert History((a_row(20, 8),)).similar(10 * KWH) == [20 * CENT]


def test_the_ten_newest_count_newest_first() -> None:
    history = History(a_row(number) for number in range(1, 21))
    assert history.similar(KWH) == [number * CENT for number in range(20, 20 - RECENT, -1)]


def test_the_oldest_is_forgotten() -> None:
    history = History()
    for number in range(HISTORY_MAX + 1):
        history.add(a_row(number))
    assert len(history) == HISTORY_MAX
    assert history.mean_price == (HISTORY_MAX + 1) / 2 * CENT


@given(st.integers(0, 2**64))
def test_a_prediction_is_off_by_a_step_at_most(seed: int) -> None:
    history = History((a_row(17), a_row(18)))
    price = a_price(Strategy.INTELLIGENT, history=history, seed=seed)
    assert abs(price - 17.5 * CENT) <= STEP


# --- laws --------------------------------------------------------------------------------------

prices = st.integers(-(10**6), 10**6)
rows = st.builds(
    Row, st.integers(0, 3), prices, st.integers(0, 10**6), st.booleans()
)  # fmt: skip


@given(
    st.sampled_from(Strategy), st.integers(0, 10**6), prices, prices, st.lists(rows, max_size=20),
    st.integers(0, 2**32),
)  # fmt: skip
def test_a_bid_lies_between_reserve_and_cap(
    strategy: Strategy, energy_wh: int, reserve: int, cap: int, rows: list[Row], seed: int
) -> None:
    price = bid_price(
        strategy, energy_wh, reserve=reserve, cap=cap, history=History(rows), rng=Random(seed)
    )
    if cap < reserve:
        assert price is None
    else:
        assert price is not None
        assert reserve <= price <= cap


@given(
    st.integers(0, 10**6),
    st.lists(
        st.builds(Supply, st.integers(1, 10), st.integers(0, 10**5), st.integers(0, 50)),
        max_size=12, unique_by=lambda one: one.bess,
    ),
)  # fmt: skip
def test_a_need_is_met_as_far_as_can_be_the_cheapest_first(
    need_wh: int, supplies: list[Supply]
) -> None:
    shares = spread(need_wh, supplies)
    there_wh = sum(supply.energy_wh for supply in supplies)
    assert sum(share.energy_wh for share in shares) == min(need_wh, there_wh)
    assert all(share.energy_wh > 0 for share in shares)
    order = [(share.reserve, share.bess) for share in shares]
    assert order == sorted(order)
    taken = {share.bess: share.energy_wh for share in shares}
    for dear in shares:
        for cheap in supplies:
            if (cheap.reserve, cheap.bess) < (dear.reserve, dear.bess):
                assert taken.get(cheap.bess, 0) == cheap.energy_wh


def test_ties_go_to_the_lower_device_id() -> None:
    supplies = [Supply(9, 500, 7), Supply(3, 500, 7), Supply(5, 500, 6)]
    assert spread(1_200, supplies) == [Share(5, 500, 6), Share(3, 500, 7), Share(9, 200, 7)]
