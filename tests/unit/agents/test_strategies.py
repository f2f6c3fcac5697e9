"""How agents choose their limits."""

from random import Random

import pytest

from tests.builders import a_product
from wattbay.agents.strategies import Adaptive, Allowed, Truthful, ZeroIntelligence, strategy
from wattbay.core.facts import Side

ALLOWED = Allowed.of(a_product())


def test_limits_stay_inside_the_range_of_the_product_and_on_its_tick() -> None:
    allowed = Allowed(tick=10, least=-50, most=100)
    assert allowed.fit(Side.BUY, 19.9) == 10
    assert allowed.fit(Side.SELL, 10.1) == 20
    assert allowed.fit(Side.BUY, 1_000) == 100
    assert allowed.fit(Side.SELL, -1_000) == -50


def test_range_that_is_off_the_tick_is_narrowed_to_it() -> None:
    product = a_product()
    assert Allowed.of(product) == (10, -500_000, 500_000)


def test_truthful_trader_says_its_valuation() -> None:
    trader = Truthful(ALLOWED)
    trader.learn(1)
    assert trader.limit(Side.BUY, 92_750) == 92_750
    assert trader.limit(Side.SELL, 46_400) == 46_400


def test_zero_intelligence_draws_between_the_bound_and_the_valuation() -> None:
    trader = ZeroIntelligence(ALLOWED, Random(1))
    bids = [trader.limit(Side.BUY, 90_000) for _ in range(2_000)]
    offers = [trader.limit(Side.SELL, 40_000) for _ in range(2_000)]
    assert -500_000 <= min(bids) < -480_000
    assert 75_000 < max(bids) <= 90_000
    assert 40_000 <= min(offers) < 50_000
    assert 490_000 < max(offers) <= 500_000
    assert abs(sum(bids) / len(bids) - (-500_000 + 90_000) / 2) < 10_000


def test_adaptive_seller_whose_offer_was_good_asks_for_more() -> None:
    trader = Adaptive(ALLOWED, Random(1))
    first = trader.limit(Side.SELL, 40_000)
    trader.learn(80_000)
    assert trader.limit(Side.SELL, 40_000) > first


def test_adaptive_seller_who_was_too_dear_comes_down() -> None:
    trader = Adaptive(ALLOWED, Random(1))
    first = trader.limit(Side.SELL, 40_000)
    trader.learn(40_000)
    assert 40_000 <= trader.limit(Side.SELL, 40_000) < first


def test_adaptive_buyer_whose_bid_was_good_bids_less() -> None:
    trader = Adaptive(ALLOWED, Random(1))
    first = trader.limit(Side.BUY, 90_000)
    trader.learn(50_000)
    assert trader.limit(Side.BUY, 90_000) < first


def test_adaptive_buyer_who_was_outbid_goes_up_but_not_above_its_valuation() -> None:
    trader = Adaptive(ALLOWED, Random(1))
    first = trader.limit(Side.BUY, 90_000)
    trader.learn(150_000)
    second = trader.limit(Side.BUY, 90_000)
    assert first < second <= 90_000
    for _ in range(50):
        trader.limit(Side.BUY, 90_000)
        trader.learn(150_000)
    assert trader.limit(Side.BUY, 90_000) == 90_000


def test_adaptive_traders_come_together_where_nothing_crossed() -> None:
    trader = Adaptive(ALLOWED, Random(1))
    bids, offers = [], []
    for _ in range(20):
        bids.append(trader.limit(Side.BUY, 90_000))
        offers.append(trader.limit(Side.SELL, 40_000))
        trader.learn(None)
    assert bids[-1] > bids[0]
    assert offers[-1] < offers[0]


def test_adaptive_traders_find_the_price_that_others_make() -> None:
    seller = Adaptive(ALLOWED, Random(3))
    for _ in range(200):
        seller.limit(Side.SELL, 40_000)
        seller.learn(70_000)
    assert 60_000 < seller.limit(Side.SELL, 40_000) < 75_000


def test_adaptive_trader_who_had_no_order_learns_nothing() -> None:
    trader = Adaptive(ALLOWED, Random(1))
    first = trader.limit(Side.SELL, 40_000)
    trader.learn(first)
    taught = trader.limit(Side.SELL, 40_000)
    trader = Adaptive(ALLOWED, Random(1))
    trader.learn(first)
    assert trader.limit(Side.SELL, 40_000) == first != taught


@pytest.mark.parametrize("valuation", [0, -20_000])
def test_valuation_without_a_relative_margin_is_quoted_as_it_is(valuation: int) -> None:
    trader = Adaptive(ALLOWED, Random(1))
    assert trader.limit(Side.SELL, valuation) == valuation
    trader.learn(50_000)
    assert trader.limit(Side.SELL, valuation) == valuation


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("truthful", Truthful),
        ("zero_intelligence", ZeroIntelligence),
        ("adaptive", Adaptive),
    ],
)
def test_strategies_are_found_by_name(name: str, kind: type) -> None:
    assert isinstance(strategy(name, a_product(), Random(1)), kind)


def test_strategy_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="no strategy is called 'greedy'"):
        strategy("greedy", a_product(), Random(1))
