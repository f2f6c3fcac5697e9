"""What anybody may see of what stands; and the shared trends."""

from __future__ import annotations

from typing import Any

import pytest

from wattbay.adapters.mqtt.market.standing import LEVELS_MAX, Depth, shown_wh
from wattbay.adapters.mqtt.market.trends import StandardTrends
from wattbay.core.facts import Side
from wattbay.core.market.orders import Book, Order
from wattbay.core.terms import OrderTerms
from wattbay.ids import OrderId, PartyId, PodId
from wattbay.periods import DAY, HOUR, MINUTE, Instant, instant

SUMMER, WINTER = instant("2026-06-21T00:00Z"), instant("2026-12-21T00:00Z")


def standing(number: int, *, limit: int | None = 100, **more: Any) -> Order:  # noqa: ANN401
    side = more.pop("side", Side.SELL)
    return Order(OrderId(number), PodId("h01"), side, 250, limit, 0, "", **more)


@pytest.mark.parametrize(
    ("order", "shown"),
    [
        (standing(1), 250),
        (standing(1, filled_wh=100), 150),
        (standing(1, stands_by=True), 0),
        (standing(1, terms=OrderTerms(peak_wh=40)), 40),
        (standing(1, terms=OrderTerms(partner=PartyId("bob"))), 0),
    ],
)
def test_hidden_parts_of_orders_are_not_shown(order: Order, shown: int) -> None:
    assert shown_wh(order) == shown


def test_best_prices_come_first_and_what_does_not_fit_is_counted() -> None:
    orders = [standing(n, limit=n) for n in range(1, LEVELS_MAX + 11)]
    orders += [standing(n + 1_000, limit=n, side=Side.BUY) for n in (3, 9, 5)]
    orders.append(standing(2_000, limit=None, side=Side.BUY))
    book = Book(orders={one.order: one for one in orders})
    sell, buy = Depth(book, Side.SELL), Depth(book, Side.BUY)
    assert [level.limit for level in sell.levels[:3]] == [1, 2, 3]
    assert (len(sell.levels), sell.left_out, sell.orders) == (LEVELS_MAX, 10, LEVELS_MAX + 10)
    assert [level.limit for level in buy.levels] == [None, 9, 5, 3]


def test_sun_shines_by_day_and_more_in_summer() -> None:
    trends = StandardTrends()
    summer = trends.solar_wh_per_kwp(SUMMER, 30 * MINUTE, 48)
    winter = trends.solar_wh_per_kwp(WINTER, 30 * MINUTE, 48)
    assert summer[0] == summer[-1] == winter[0] == 0
    assert summer[24] > 3 * summer[9] > 0
    assert sum(summer) > 2 * sum(winter)
    assert sum(summer) < 8_000


def test_weather_is_of_the_day_and_its_seed() -> None:
    whole = StandardTrends(seed=3).solar_wh_per_kwp(SUMMER, HOUR, 48)
    later = StandardTrends(seed=3).solar_wh_per_kwp(Instant(SUMMER + DAY), HOUR, 24)
    assert whole[24:] == later
    assert whole != StandardTrends(seed=4).solar_wh_per_kwp(SUMMER, HOUR, 48)


def test_shares_of_a_day_sum_to_one_wherever_they_start() -> None:
    trends = StandardTrends()
    day = trends.consumption_share_ppm(SUMMER, 30 * MINUTE, 48)
    assert sum(day) == 1_000_000
    assert max(day) == day[38] or max(day) == day[37]
    shifted = trends.consumption_share_ppm(Instant(SUMMER + 6 * HOUR), 30 * MINUTE, 48)
    assert shifted == day[12:] + day[:12]
