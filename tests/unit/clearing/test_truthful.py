"""Truthful auctions: rules, ties, and books in which little or nothing trades."""

from __future__ import annotations

import random

import pytest

from wattbay.clearing.truthful import Orders, huang, muda

NOBODY = Orders([], [])


def test_last_pair_sets_the_prices_and_does_not_trade() -> None:
    found = huang(Orders([9, 7, 4], [2, 2, 2]), Orders([1, 3, 6], [2, 2, 2]))
    assert (found.buy_price, found.sell_price, found.volume) == (7, 3, 2)
    assert found.buy_fills == [2, 0, 0]
    assert found.sell_fills == [2, 0, 0]
    assert found.trades == [(0, 0, 2, 7, 3)]
    assert found.market_keeps == 8
    assert (found.surplus_buyers, found.surplus_sellers, found.surplus_maximum) == (4, 4, 24)


def test_longer_side_bears_the_excess_in_equal_parts() -> None:
    found = huang(Orders([9, 8], [7, 9]), Orders([1, 2, 3, 4], [2, 4, 4, 9]))
    assert found.volume == 7
    assert found.sell_fills == [1, 3, 3, 0]


def test_what_has_less_than_its_part_goes_whole_and_the_others_bear_the_rest() -> None:
    # 11 offered, 4 wanted: of 7 each would bear 2 1/3, which the 1 has not; 6 are left for two.
    found = huang(Orders([9, 8], [4, 9]), Orders([1, 2, 3, 4], [1, 5, 5, 9]))
    assert found.sell_fills == [0, 2, 2, 0]


def test_what_does_not_divide_falls_on_the_later_order_whatever_its_limit() -> None:
    cheap_last = huang(Orders([9, 8], [7, 9]), Orders([2, 1, 4], [4, 4, 9]))
    cheap_first = huang(Orders([9, 8], [7, 9]), Orders([1, 2, 4], [4, 4, 9]))
    assert cheap_last.sell_fills == cheap_first.sell_fills == [4, 3, 0]


def test_buyers_bear_the_excess_where_more_is_wanted() -> None:
    found = huang(Orders([9, 8, 7], [5, 5, 9]), Orders([1, 2], [4, 30]))
    assert (found.volume, found.buy_fills, found.sell_fills) == (4, [2, 2, 0], [4, 0])


@pytest.mark.parametrize(
    ("buys", "sells"),
    [
        pytest.param(NOBODY, NOBODY, id="empty"),
        pytest.param(Orders([5], [1]), NOBODY, id="buyers only"),
        pytest.param(NOBODY, Orders([5], [1]), id="sellers only"),
        pytest.param(Orders([4, 3], [1, 1]), Orders([5, 6], [1, 1]), id="no cross"),
        pytest.param(Orders([9], [5]), Orders([1], [5]), id="the only pair is the last"),
        pytest.param(Orders([9], [2]), Orders([1, 2], [1, 1]), id="one buyer, who is the last"),
    ],
)
def test_nothing_trades_and_nothing_is_raised(buys: Orders, sells: Orders) -> None:
    found = huang(buys, sells)
    assert (found.buy_price, found.sell_price, found.volume) == (None, None, 0)
    assert (found.trades, found.market_keeps) == ([], 0)
    assert muda(buys, sells, random.Random(1)).volume == 0


def test_equal_limits_give_finite_prices_and_keep_arrival() -> None:
    found = huang(Orders([5, 5, 5], [2, 2, 2]), Orders([5, 5, 5], [2, 2, 2]))
    assert (found.buy_price, found.sell_price, found.market_keeps) == (5, 5, 0)
    assert found.buy_fills == found.sell_fills == [2, 2, 0]


def test_orders_of_one_trader_are_in_one_half() -> None:
    buys = Orders([9, 8, 7, 6], [1, 1, 1, 1], [0, 1, 0, 1])
    sells = Orders([1, 2, 3, 4], [1, 1, 1, 1], [2, 3, 2, 3])
    for seed in range(40):
        for half in muda(buys, sells, random.Random(seed)).halves:
            assert (0 in half.buys) == (2 in half.buys)
            assert (1 in half.sells) == (3 in half.sells)


def halved(*, buys: Orders, sells: Orders, left: tuple[list[int], list[int]]) -> int:
    """Return a seed that halves a book so that `left` are the orders of one half."""
    for seed in range(10_000):
        halves = muda(buys, sells, random.Random(seed)).halves
        if left in [(half.buys, half.sells) for half in halves]:
            return seed
    raise AssertionError


def test_each_half_trades_at_the_price_of_the_other() -> None:
    buys, sells = Orders([10, 20], [3, 2]), Orders([4, 8], [2, 5])
    seed = halved(buys=buys, sells=sells, left=([0], [0]))
    found = muda(buys, sells, random.Random(seed))
    by_buy = {half.buys[0]: half for half in found.halves}
    # 10 and 4 meet, 1 bought is left over: 10. 20 and 8 meet, 3 offered are left over: 8.
    assert (by_buy[0].price, by_buy[1].price) == (8, 10)
    assert (by_buy[0].volume, by_buy[1].volume) == (2, 2)
    assert (found.buy_price, found.sell_price, found.market_keeps) == (None, None, 0)


def test_half_without_a_price_in_the_other_does_not_trade() -> None:
    buys, sells = Orders([10, 20], [3, 2]), Orders([4], [2])
    seed = halved(buys=buys, sells=sells, left=([1], []))
    found = muda(buys, sells, random.Random(seed))
    assert found.volume == 0
    assert None in [half.price for half in found.halves]


def test_price_is_the_middle_rounded_down_to_the_tick() -> None:
    buys, sells = Orders([-10, 100], [1, 1]), Orders([-60, -100], [1, 1])
    seed = halved(buys=buys, sells=sells, left=([0], [0]))
    found = muda(buys, sells, random.Random(seed), price_tick=10)
    assert sorted(half.price or 0 for half in found.halves) == [-40, 0]


def test_order_that_gains_nothing_comes_after_those_that_gain() -> None:
    # The half of the first sell order gets its price, 5, from the last two orders.
    buys, sells = Orders([5, 9, 5], [2, 2, 1]), Orders([1, 5], [2, 1])
    seed = halved(buys=buys, sells=sells, left=([0, 1], [0]))
    for start in range(seed, seed + 400):
        found = muda(buys, sells, random.Random(start))
        if [0, 1] in [half.buys for half in found.halves] and found.volume:
            assert found.buy_fills[:2] == [0, 2]
