"""How much to order: the rule of the newsvendor, by hand and against what it promises."""

import numpy as np
import pytest

from wattbay.agents.quantity import (
    LEVELS,
    SHARE_MAX,
    Alternatives,
    quantile,
    share_to_buy,
    share_to_sell,
)

WITHOUT = Alternatives(buy=92_000, sell=46_000, fees=42_750, pool=58_000)


def test_share_to_buy_weighs_what_is_saved_against_what_is_lost() -> None:
    assert share_to_buy(85_200, WITHOUT) == pytest.approx(0.2)
    assert share_to_buy(75_000, WITHOUT) == pytest.approx(0.5)


def test_share_to_sell_weighs_what_is_earned_against_what_is_lost() -> None:
    assert share_to_sell(48_400, WITHOUT) == pytest.approx(0.2)
    assert share_to_sell(52_000, WITHOUT) == pytest.approx(0.5)


def test_no_price_is_so_good_that_a_home_bets_on_it() -> None:
    assert share_to_buy(40_000, WITHOUT) == share_to_buy(-1_000, WITHOUT) == SHARE_MAX
    assert share_to_sell(58_000, WITHOUT) == share_to_sell(999_000, WITHOUT) == SHARE_MAX


def test_price_that_is_no_better_than_the_supplier_s_brings_no_order() -> None:
    assert share_to_buy(92_000, WITHOUT) == share_to_buy(100_000, WITHOUT) == 0
    assert share_to_sell(46_000, WITHOUT) == share_to_sell(0, WITHOUT) == 0


def test_pool_outside_the_alternatives_breaks_nothing() -> None:
    odd = WITHOUT._replace(pool=99_000)
    assert share_to_buy(91_999, odd) == SHARE_MAX
    assert share_to_sell(46_001, WITHOUT._replace(pool=40_000)) == SHARE_MAX


def test_quantile_lies_on_straight_lines_between_the_levels() -> None:
    values = [level * level for level in LEVELS]
    for level, value in zip(LEVELS, values, strict=True):
        assert quantile(values, level) == pytest.approx(value)
    assert quantile(values, 0.25) == pytest.approx((0.04 + 0.09) / 2)
    assert quantile(values, 0.0) == values[0]
    assert quantile(values, 1.0) == values[-1]


@pytest.mark.parametrize("price", [76_000, 80_000, 84_000, 88_000])
def test_share_to_buy_costs_least_of_all_quantities(price: int) -> None:
    needs = np.random.default_rng(1).gamma(2.0, 100.0, 20_000)

    def cost(quantity: float) -> float:
        used = np.minimum(needs, quantity)
        left = quantity - used
        missing = needs - used
        paid = quantity * price + missing * WITHOUT.buy - left * WITHOUT.pool
        return float(paid.mean())

    chosen = float(np.quantile(needs, share_to_buy(price, WITHOUT)))
    assert cost(chosen) <= min(cost(q) for q in range(0, 600, 5)) + 1
