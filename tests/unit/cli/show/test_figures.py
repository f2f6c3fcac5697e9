from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbay.cli.show.figures import (
    Place,
    Purse,
    Scale,
    counted,
    decimal,
    instants_of,
    listed,
    percent,
)
from wattbay.periods import Calendar, Instant, instant
from wattbay.units import round_half_even

POUNDS = Purse("GBP", 2)
LONDON = Place(Calendar("Europe/London"), 30)
PENNY = 10_000_000
amounts = st.integers(-(10**13), 10**13)


def test_a_number_is_rounded_halves_to_even() -> None:
    assert decimal(28_935, 4, 3) == "2.894"
    assert decimal(28_945, 4, 3) == "2.894"
    assert decimal(1_234_567, 0, 0) == "1,234,567"


def test_what_rounds_to_zero_bears_no_sign() -> None:
    assert decimal(-4, 4, 3) == "0.000"
    assert Scale("", " p", 7, 3).signed(400) == "0.000 p"
    assert Scale("", " p", 7, 3).flow(-400) == "nothing"


def test_the_sign_stands_before_the_currency() -> None:
    assert Scale("£", "", 9, 3).text(-1_204_000_000) == "-£1.204"
    assert Scale("£", "", 9, 3).signed(1_204_000_000) == "+£1.204"


def test_a_price_is_written_exactly_with_three_decimals_at_least() -> None:
    assert POUNDS.price(92_750) == "9.275 p/kWh"
    assert POUNDS.price(50_005) == "5.0005 p/kWh"
    assert POUNDS.price(-100) == "-0.010 p/kWh"
    assert Purse("JPY", 0).price(25_000_000) == "25.000 JPY/kWh"
    assert Purse("EUR", 2).price(92_750) == "9.275 ct/kWh"


def test_a_mean_price_is_rounded_to_three_decimals() -> None:
    assert POUNDS.mean_price(28_938_001, 312) == "9.275 p/kWh"


def test_small_amounts_are_pence_and_large_ones_pounds() -> None:
    assert POUNDS.scale([[28_938_000]]).text(28_938_000) == "2.894 p"
    assert POUNDS.scale([[999 * PENNY]]).text(999 * PENNY) == "999.000 p"
    assert POUNDS.scale([[1_000 * PENNY]]).text(1_000 * PENNY) == "£10.000"
    assert Purse("JPY", 0).scale([[1_000_000_000]]).text(1_000_000_000) == "JPY 1.000"


def test_a_currency_without_symbol_is_named() -> None:
    purse = Purse("SEK", 2)
    assert purse.price(100_000) == "10.000 SEK/100/kWh"
    assert purse.payable(-1_250) == "-SEK 12.50"


def test_exact_amounts_show_every_digit() -> None:
    sums = [[1_965_581_0, 3]]
    assert POUNDS.scale(sums, exact=True).text(19_655_813) == "1.9655813 p"
    assert POUNDS.scale([[28_938_000]], exact=True).text(28_938_000) == "2.8938 p"


@given(st.lists(st.lists(amounts, max_size=8), max_size=3))
def test_shown_parts_come_to_the_shown_sum(sums: list[list[int]]) -> None:
    scale = POUNDS.scale(sums)
    for parts in sums:
        shown = [int(scale.number(part).replace(",", "").replace(".", "")) for part in parts]
        total = int(scale.number(sum(parts)).replace(",", "").replace(".", ""))
        assert sum(shown) == total


@given(amounts, amounts)
def test_a_difference_is_that_of_the_amounts_shown(first: int, second: int) -> None:
    scale = POUNDS.scale([[first], [second]])
    unit = 10 ** (scale.digits - scale.decimals)
    shown = round_half_even(first, unit) - round_half_even(second, unit)
    assert scale.difference(first, second) == shown * unit


def test_nouns_are_counted_and_words_are_listed() -> None:
    assert counted(1, "trade") == "1 trade"
    assert counted(2_000, "trade") == "2,000 trades"
    assert counted(2, "delivery", "deliveries") == "2 deliveries"
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_a_share_of_tax_has_as_many_decimals_as_it_needs() -> None:
    assert percent(50_000) == "5 %"
    assert percent(175_000) == "17.5 %"


def test_a_delivery_is_written_in_local_time_with_its_zone() -> None:
    start = instant("2013-06-12T17:30Z")
    assert LONDON.delivery(start) == "Wed 12 June 2013, 18:30 to 19:00 BST"
    assert LONDON.typed(start) == "2013-06-12T18:30"


def test_a_delivery_across_a_change_of_the_clock_names_both_zones() -> None:
    start = instant("2013-10-27T00:30Z")
    assert LONDON.delivery(start) == "Sun 27 October 2013, 01:30 BST to 01:00 GMT"


def test_a_time_that_the_clock_shows_twice_is_typed_with_its_offset() -> None:
    assert LONDON.typed(instant("2013-10-27T00:30Z")) == "2013-10-27T01:30+01:00"
    assert LONDON.typed(instant("2013-10-27T01:30Z")) == "2013-10-27T01:30+00:00"


@pytest.mark.parametrize(
    ("wall", "found"),
    [
        ("2013-06-12T18:30", ["2013-06-12T17:30Z"]),
        ("2013-10-27T01:30", ["2013-10-27T00:30Z", "2013-10-27T01:30Z"]),
        ("2013-10-27T12:00", ["2013-10-27T12:00Z"]),
        ("2013-03-31T01:30", []),
    ],
)
def test_a_clock_shows_a_time_never_once_or_twice(wall: str, found: list[str]) -> None:
    calendar = Calendar("Europe/London")
    shown = instants_of(datetime.fromisoformat(wall), calendar)
    assert shown == [instant(text) for text in found]


@given(st.integers(1_300_000_000, 1_500_000_000))
def test_every_instant_is_among_those_of_its_own_wall_time(second: int) -> None:
    at = Instant(second // 60 * 60 * 1_000_000)
    for zone in ("Europe/London", "America/Los_Angeles", "Australia/Lord_Howe"):
        calendar = Calendar(zone)
        assert at in instants_of(calendar.local(at).replace(tzinfo=None), calendar)


def test_spans_of_whole_days_are_written_as_days() -> None:
    monday, tuesday = instant("2013-06-09T23:00Z"), instant("2013-06-10T23:00Z")
    assert LONDON.span(monday, tuesday) == "Mon 10 June 2013"
    wednesday = instant("2013-06-11T23:00Z")
    assert LONDON.span(monday, wednesday) == "Mon 10 June 2013 to Tue 11 June 2013"
    noon = instant("2013-06-10T11:00Z")
    assert LONDON.span(monday, noon) == (
        "Mon 10 June 2013, 00:00 BST, up to Mon 10 June 2013, 12:00 BST"
    )
