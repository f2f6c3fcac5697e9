from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.show.conftest import Show
from wattbay.errors import ConfigError

FIRST, SECOND = "2013-06-10T00:00", "2013-06-10T00:30"
THIRD, FOURTH = "2013-06-10T01:00", "2013-06-10T01:30"


def test_an_order_shared_at_the_margin_is_told_with_the_arithmetic(
    village: Path, show: Show
) -> None:
    said = show(village, "order", "h03", FIRST).words
    assert "buy 300 Wh at 9.000 p/kWh at most. The gate closed at 23:00." in said
    assert "It was filled in part: 200 Wh of 300 Wh bought at 9.000 p/kWh." in said
    assert "400 Wh were left for the 2 bids at your limit of 9.000 p/kWh" in said
    assert "400 × 300 / 600 Wh is 200 Wh for you" in said


def test_an_order_beaten_by_the_price_is_told_by_how_much(village: Path, show: Show) -> None:
    said = show(village, "order", 17).words
    assert "Order 17 of h04, a bid" in said
    assert "It was not filled." in said
    assert "The price came to 9.000 p/kWh, 4.000 p/kWh above your limit" in said


def test_a_refused_order_is_told_why_and_what_would_be_right(village: Path, show: Show) -> None:
    said = show(village, "order", 18).words
    assert "It was refused, and changed nothing." in said
    assert "The reason: the limit or quantity lies between two steps" in said
    assert "limits are multiples of 10 nano per Wh" in said
    assert "What would be right: round it to a step of the product." in said


def test_a_filled_order_is_told_how_much_better_than_its_limit(village: Path, show: Show) -> None:
    said = show(village, "order", "h02", FIRST).words
    assert "It was filled whole: 400 Wh sold at 9.000 p/kWh." in said
    assert "That is 3.000 p/kWh above your limit: better than you had asked." in said
    said = show(village, "order", "h01", SECOND).words
    assert "100 Wh bought at 7.000 p/kWh. That is 1.000 p/kWh below your limit" in said


def test_an_order_that_was_withdrawn_is_told_so(village: Path, show: Show) -> None:
    assert "Its own party withdrew it" in show(village, "order", "h04", SECOND).words


def test_an_order_that_nobody_faced_is_told_so(village: Path, show: Show) -> None:
    said = show(village, "order", "h02", THIRD).words
    assert "Nobody bid for anything; there was 1 offer." in said


def test_orders_that_did_not_meet_are_told_the_gap(village: Path, show: Show) -> None:
    said = show(village, "order", "h01", FOURTH).words
    assert "best bid, 5.000 p/kWh, was below the cheapest offer, 6.000 p/kWh" in said


def test_several_orders_of_a_home_are_told_one_by_one(village: Path, show: Show) -> None:
    said = show(village, "order", "h04", FIRST).words
    assert "2 orders of h04" in said
    assert said.index("Order 17, a bid") < said.index("Order 18, a bid")


def test_json_bears_order_price_and_reasons(village: Path, show: Show) -> None:
    (told,) = json.loads(show(village, "order", 17, "--json").output)
    assert told["order"]["limit_nano_per_wh"] == 50_000
    assert told["order"]["delivery_start"] == "2013-06-09T23:00Z"
    assert told["price_nano_per_wh"] == 90_000
    assert told["why"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((1,), "this entry of the journal is no order (the next orders are"),
        ((99_999,), "there is no later one either"),
        (("h01",), "name the delivery, too"),
        (("h01", THIRD), "the nearest are for 2013-06-10T00:00, 2013-06-10T00:30"),
    ],
)
def test_an_order_that_is_not_there_is_answered_with_those_that_are(
    village: Path, show: Show, words: tuple[object, ...], told: str
) -> None:
    error = show(village, "order", *words).error
    assert isinstance(error, ConfigError)
    assert told in str(error)
