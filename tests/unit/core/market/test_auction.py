from __future__ import annotations

import random

import pytest

from benchmarks.auction import a_book
from wattbay.core.facts import Margin, Pricing
from wattbay.core.market.auction import Clearing, Orders, Rules, clear

Row = tuple[int | None, int]


def side(*rows: Row) -> Orders:
    """Return orders from pairs of limit and quantity; None is a market order."""
    return Orders([limit for limit, _ in rows], [quantity for _, quantity in rows])


def cleared(
    *,
    buys: tuple[Row, ...] = (),
    sells: tuple[Row, ...] = (),
    pricing: Pricing = Pricing.UNIFORM,
    margin: Margin = Margin.PRO_RATA,
    reference: int | None = None,
    price_tick: int = 1,
    network_fee: int = 0,
) -> Clearing:
    rules = Rules(pricing, margin, reference, price_tick, network_fee)
    return clear(side(*buys), side(*sells), rules)


def test_empty_book_clears_nothing() -> None:
    assert cleared() == Clearing(None, 0, [], [], [], 0, 0, 0, 0)


@pytest.mark.parametrize("book", ["buys", "sells"])
def test_one_sided_book_clears_nothing(book: str) -> None:
    rows = ((10, 5), (None, 3))
    result = cleared(buys=rows) if book == "buys" else cleared(sells=rows)
    assert (result.price, result.volume, result.trades) == (None, 0, [])
    assert sorted([result.buy_fills, result.sell_fills]) == [[], [0, 0]]


def test_limits_that_do_not_cross_clear_nothing() -> None:
    result = cleared(buys=((9, 5),), sells=((10, 5),))
    assert result == Clearing(None, 0, [0], [0], [], 0, 0, 0, 0)


def test_equal_limits_cross_at_that_price() -> None:
    result = cleared(buys=((0, 5),), sells=((0, 5),))
    assert (result.price, result.volume) == (0, 5)
    assert result.trades == [(0, 0, 5, 0, 0)]


def test_price_that_trades_most_wins() -> None:
    # 20 trade at 5 only; 10 at 4 or 6.
    result = cleared(buys=((6, 10), (5, 10)), sells=((4, 10), (5, 10)))
    assert (result.price, result.volume) == (5, 20)


def test_of_equal_volumes_the_least_surplus_wins() -> None:
    # 10 trade anywhere in [3, 8]. Wanted at 3: 30, at 5: 20, at 8: 10; offered 10.
    result = cleared(buys=((8, 10), (5, 10), (3, 10)), sells=((2, 10),), reference=0)
    assert (result.price, result.volume) == (8, 10)


def test_buy_surplus_everywhere_gives_the_highest_price() -> None:
    result = cleared(buys=((9, 20),), sells=((5, 10),), reference=0)
    assert result.price == 9


def test_sell_surplus_everywhere_gives_the_lowest_price() -> None:
    result = cleared(buys=((9, 10),), sells=((5, 20),), reference=100)
    assert result.price == 5


def test_reference_inside_the_range_is_the_price() -> None:
    assert cleared(buys=((9, 10),), sells=((5, 10),), reference=8).price == 8


@pytest.mark.parametrize(("reference", "price"), [(4, 5), (5, 5), (9, 9), (10, 9), (0, 5)])
def test_reference_outside_the_range_is_moved_into_it(reference: int, price: int) -> None:
    assert cleared(buys=((9, 10),), sells=((5, 10),), reference=reference).price == price


@pytest.mark.parametrize(
    ("low", "high", "tick", "price"),
    [
        (5, 9, 1, 7),
        (5, 8, 1, 6),
        (-8, -5, 1, -7),
        (-1, 0, 1, -1),
        (10, 40, 10, 20),
        (-30, 0, 10, -20),
    ],
)
def test_without_reference_the_middle_is_rounded_down_to_the_tick(
    low: int, high: int, tick: int, price: int
) -> None:
    assert cleared(buys=((high, 1),), sells=((low, 1),), price_tick=tick).price == price


def test_pressure_both_ways_leaves_the_choice_to_the_reference() -> None:
    # Five trade at 10, 11 and 12; five buyers are left at 10 and 11, five sellers at 12.
    buys, sells = ((12, 5), (11, 5)), ((10, 5), (12, 5))
    assert cleared(buys=buys, sells=sells, reference=11).price == 11
    assert cleared(buys=buys, sells=sells, reference=20).price == 12
    assert cleared(buys=buys, sells=sells).price == 11


def test_pressure_both_ways_may_price_below_a_buyer_who_gets_nothing() -> None:
    # The rule takes the reference wherever it falls in the range. Better limits still go first.
    result = cleared(buys=((12, 5), (11, 5)), sells=((10, 5), (12, 5)), reference=10)
    assert (result.price, result.volume) == (10, 5)
    assert result.buy_fills == [5, 0]
    assert result.surplus_buyers + result.surplus_sellers == result.surplus_maximum == 10


def test_better_limits_are_filled_whole_before_the_last_is_shared() -> None:
    result = cleared(buys=((7, 4), (6, 10), (7, 3), (6, 10)), sells=((1, 17),))
    assert result.buy_fills == [4, 5, 3, 5]
    assert result.price == 6


def test_margin_is_shared_in_proportion_the_odd_unit_to_the_largest_remainder() -> None:
    # 10 x 6/17, 10 x 8/17, 10 x 3/17 = 3.53, 4.71, 1.76.
    result = cleared(buys=((6, 6), (6, 8), (6, 3)), sells=((1, 10),))
    assert result.buy_fills == [3, 5, 2]


def test_margin_ties_go_to_the_earlier_order() -> None:
    result = cleared(sells=((6, 2), (6, 2), (6, 2)), buys=((9, 4),))
    assert result.sell_fills == [2, 1, 1]


def test_margin_by_time_fills_in_order_of_arrival() -> None:
    result = cleared(sells=((6, 2), (6, 2), (6, 2)), buys=((9, 3),), margin=Margin.TIME)
    assert result.sell_fills == [2, 1, 0]
    assert result.trades == [(0, 0, 2, 6, 6), (0, 1, 1, 6, 6)]


def test_two_equal_orders_are_filled_whole_by_one_that_is_large_enough() -> None:
    result = cleared(buys=((5, 5), (5, 5)), sells=((5, 10),))
    assert result.buy_fills == [5, 5]
    assert result.volume == 10


def test_trades_pair_head_to_head_by_limit_then_arrival() -> None:
    result = cleared(
        buys=((5, 3), (8, 2), (5, 1)), sells=((4, 2), (1, 1), (4, 3)), margin=Margin.TIME
    )
    assert [trade[:3] for trade in result.trades] == [
        (1, 1, 1),
        (1, 0, 1),
        (0, 0, 1),
        (0, 2, 2),
        (2, 2, 1),
    ]


def test_market_order_comes_before_every_limit_and_counts_as_no_surplus() -> None:
    result = cleared(buys=((100, 5), (None, 5)), sells=((3, 5), (4, 5)))
    # Ten trade from 4 to 100, with nobody left over: the middle.
    assert (result.price, result.buy_fills) == (52, [5, 5])
    assert result.trades == [(1, 0, 5, 52, 52), (0, 1, 5, 52, 52)]
    assert result.surplus_buyers == 5 * 48
    assert result.surplus_sellers == 5 * 49 + 5 * 48


def test_market_buyer_pays_the_price_that_sellers_set() -> None:
    result = cleared(buys=((None, 10),), sells=((5, 5), (8, 5), (9, 5)))
    # At 8 nobody is left over; at 9 five sellers are.
    assert (result.price, result.volume) == (8, 10)
    assert result.surplus_maximum == result.surplus_sellers == 15
    assert result.surplus_buyers == 0


def test_market_seller_takes_the_price_that_buyers_set() -> None:
    result = cleared(sells=((None, 10),), buys=((5, 5), (8, 5), (4, 5)))
    assert (result.price, result.volume) == (5, 10)
    assert result.surplus_buyers == 15


def test_only_market_orders_trade_at_the_reference() -> None:
    result = cleared(buys=((None, 5), (None, 5)), sells=((None, 6),), reference=0)
    assert result == Clearing(0, 6, [3, 3], [6], [(0, 0, 3, 0, 0), (1, 0, 3, 0, 0)], 0, 0, 0, 0)


def test_only_market_orders_without_reference_trade_nothing() -> None:
    result = cleared(buys=((None, 5),), sells=((None, 6),))
    assert result == Clearing(None, 0, [0], [0], [], 0, 0, 0, 0)


def test_maximum_counts_what_market_orders_displace() -> None:
    # The market order takes what the buyer at 11 would have gained one unit from.
    result = cleared(
        buys=((None, 5), (12, 5), (11, 5)), sells=((None, 5), (10, 5), (12, 5)), reference=10
    )
    assert (result.price, result.volume) == (10, 10)
    assert result.buy_fills == [5, 5, 0]
    # Best by worth: buyers at 12 and 11 from sellers worth 10.
    assert result.surplus_maximum == 15
    assert result.surplus_buyers + result.surplus_sellers == 10


def test_pay_as_bid_charges_limits_and_keeps_the_gap() -> None:
    result = cleared(buys=((9, 4), (7, 4)), sells=((3, 4), (5, 4)), pricing=Pricing.PAY_AS_BID)
    assert result.price == 6
    assert result.trades == [(0, 0, 4, 9, 3), (1, 1, 4, 7, 5)]
    assert result.market_keeps == 4 * 6 + 4 * 2 == result.surplus_maximum
    assert (result.surplus_buyers, result.surplus_sellers) == (0, 0)


def test_pay_as_bid_market_orders_pay_and_get_the_price() -> None:
    result = cleared(
        buys=((None, 4), (9, 4)),
        sells=((None, 4), (3, 4)),
        pricing=Pricing.PAY_AS_BID,
        reference=5,
        network_fee=1,
    )
    assert result.price == 5
    assert result.trades == [(0, 0, 4, 6, 5), (1, 1, 4, 9, 3)]
    # The network has 8 of the 24 between what buyers pay and what sellers get.
    assert result.market_keeps == 4 * (9 - 1 - 3)


def test_network_fee_is_paid_once_by_the_buyer_on_top_of_the_price() -> None:
    result = cleared(buys=((10, 5),), sells=((6, 5),), network_fee=2)
    # All-in 10 is 8 for the seller: the middle of [6, 8].
    assert result.price == 7
    assert result.trades == [(0, 0, 5, 9, 7)]
    assert (result.surplus_buyers, result.surplus_sellers) == (5, 5)
    assert (result.market_keeps, result.surplus_maximum) == (0, 10)


def test_network_fee_larger_than_the_gain_prevents_the_trade() -> None:
    assert cleared(buys=((10, 5),), sells=((6, 5),), network_fee=5).volume == 0
    assert cleared(buys=((10, 5),), sells=((6, 5),), network_fee=4).price == 6


def test_negative_prices_are_prices() -> None:
    result = cleared(buys=((-3, 5),), sells=((-8, 10),))
    assert (result.price, result.volume, result.surplus_buyers) == (-8, 5, 25)


def test_largest_numbers_stay_exact() -> None:
    most = 2**53 - 1
    result = cleared(
        buys=((most, most), (None, most)), sells=((-most, most), (None, most)), network_fee=most
    )
    assert result.volume == 2 * most
    assert result.surplus_maximum == most * most  # 0 in the sellers' terms against -most


def test_crowded_limits_clear_as_scattered_ones() -> None:
    draw = random.Random(7)
    rows = [(draw.randint(1, 3), draw.randint(1, 9)) for _ in range(200)]
    others = [(draw.randint(1, 3), draw.randint(1, 9)) for _ in range(200)]
    crowded = cleared(buys=tuple(rows), sells=tuple(others), margin=Margin.TIME)
    # The same order of trade with limits that are all different.
    scattered = cleared(
        buys=tuple((limit * 1_000 - at, q) for at, (limit, q) in enumerate(rows)),
        sells=tuple((limit * 1_000 + at - 500, q) for at, (limit, q) in enumerate(others)),
        margin=Margin.TIME,
    )
    assert crowded.volume == scattered.volume
    assert crowded.buy_fills == scattered.buy_fills
    assert crowded.sell_fills == scattered.sell_fills


@pytest.mark.parametrize(
    ("orders", "volume", "prices"),
    [(1_000, 720_800, range(2_020, 2_024)), (10_000, 7_068_951, range(500, 3_501))],
)
def test_drawn_book_clears_what_other_programs_cleared(
    orders: int, volume: int, prices: range
) -> None:
    # HAMLET, ASSUME and lemlab traded these volumes, at prices from 2,020 to 2,023.
    buys, sells = a_book(orders)
    result = clear(buys, sells, Rules())
    assert result.volume == volume
    assert result.price in prices
