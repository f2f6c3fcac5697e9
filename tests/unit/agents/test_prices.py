"""The naive forecast of clearing prices."""

from tests.builders import ISP_US, MIDNIGHT
from wattbay.agents.prices import DAYS, RecentPrices
from wattbay.periods import DAY, Instant


def test_nothing_is_expected_before_anything_cleared() -> None:
    assert RecentPrices(ISP_US).expected(MIDNIGHT, 3) == [None, None, None]


def test_mean_of_the_same_time_of_the_last_days_is_expected() -> None:
    prices = RecentPrices(ISP_US)
    prices.learn(MIDNIGHT, 60_000)
    prices.learn(Instant(MIDNIGHT + ISP_US), None)
    prices.learn(Instant(MIDNIGHT + DAY), 70_000)
    expected = prices.expected(Instant(MIDNIGHT + 2 * DAY), 49)
    assert expected[0] == expected[48] == 65_000
    assert expected[1:48] == [None] * 47


def test_prices_of_more_than_a_week_ago_are_forgotten() -> None:
    prices = RecentPrices(ISP_US)
    for day in range(DAYS + 2):
        prices.learn(Instant(MIDNIGHT + day * DAY), 10_000 * day)
    # Of days 0 to 8 the last is learnt at day 8: a week before it is day 1.
    assert prices.expected(MIDNIGHT, 1) == [45_000]
