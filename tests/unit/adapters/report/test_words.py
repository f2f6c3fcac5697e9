from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from wattbay.adapters.report.words import (
    Place,
    Purse,
    count,
    dates,
    days_in_words,
    fixed,
    kwh,
    kwh_exact,
    offset,
    percent,
    same_days,
)

POUND = Purse("GBP", 2)


@pytest.mark.parametrize(
    ("value", "decimals", "written"),
    [
        (0, 2, "0.00"),
        (-4, 2, "0.00"),
        (-5, 2, "0.00"),
        (-6, 2, "\u22120.01"),
        (5, 2, "0.00"),
        (15, 2, "0.02"),
        (1_234_567, 0, "1,235"),
        (1_234_567, 3, "1,234.567"),
        (-1_234_567, 1, "\u22121,234.6"),
    ],
)
def test_number_is_rounded_half_even_and_a_zero_has_no_sign(
    value: int, decimals: int, written: str
) -> None:
    assert fixed(value, 1000, decimals) == written


def test_money_is_written_in_the_payable_unit() -> None:
    assert POUND.money(41_370_000_000) == "£41.37"
    assert POUND.money(-371_000_000) == "\u2212£0.37"
    assert POUND.money(-1) == "£0.00"
    assert Purse("JPY", 0).money(2_500_000_000) == "JPY 2"


def test_what_a_home_owes_is_said_in_words() -> None:
    assert POUND.owed(3_200_000_000) == "pays £3.20"
    assert POUND.owed(-420_000_000) == "earns £0.42"
    assert POUND.owed(-4_000_000) == "nothing"


def test_saving_is_said_in_words() -> None:
    assert POUND.saved(1_000_000_000) == "£1.00 less"
    assert POUND.saved(-1_000_000_000) == "£1.00 more"
    assert POUND.saved(-1_893_000) == "0.19\u202fp more"
    assert POUND.saved(1) == "no difference"


def test_what_is_less_than_a_payable_unit_is_written_in_hundredths_of_it() -> None:
    assert POUND.closely(10_000_000) == "£0.01"
    assert POUND.closely(-1_893_000) == "\u22120.19\u202fp"
    assert POUND.closely(-1) == "under 0.01\u202fp"
    assert POUND.closely(0) == "£0.00"
    assert Purse("JPY", 0).closely(2_500_000_000) == "JPY 2"


def test_price_is_written_per_kwh() -> None:
    assert POUND.price(92_750) == "9.28\u202fp/kWh"
    assert POUND.price(-10, 3, unit=False) == "\u22120.001"
    assert POUND.price_decimals == 3
    assert Purse("JPY", 0).price(12_345_678) == "12.35\u202fJPY/kWh"


def test_energy_is_scaled_at_a_fixed_threshold() -> None:
    assert kwh(9_999_900) == "9,999.9\u202fkWh"
    assert kwh(10_000_000) == "10.0\u202fMWh"
    assert kwh_exact(1) == "0.001"


def test_share_of_nothing_is_a_dash() -> None:
    assert percent(1, 0) == "—"
    assert percent(-0.0001, 1) == "0.0\u202f%"
    assert percent(1, 4) == "25.0\u202f%"


def test_one_thing_is_not_many() -> None:
    assert count(1, "home") == "1 home"
    assert count(2, "party", "parties") == "2 parties"


def test_days_with_a_gap_are_told_as_two_spans() -> None:
    days = [date(2013, 3, 30), date(2013, 3, 31), date(2013, 4, 1), date(2013, 10, 26)]
    assert dates(days) == "30 March to 1 April 2013, 26 October 2013"
    assert dates([date(2013, 6, d) for d in range(10, 17)]) == "10 to 16 June 2013"
    assert dates([date(2013, 12, 31), date(2014, 1, 1)]) == "31 December 2013 to 1 January 2014"


def test_delivery_is_told_in_local_time_with_its_zone() -> None:
    london = Place("Europe/London", 30)
    assert (
        london.delivery(datetime(2013, 6, 13, 12, tzinfo=UTC)) == "Thu 13 June, 13:00 to 13:30 BST"
    )
    assert london.moment(datetime(2013, 12, 24, 12, tzinfo=UTC)) == "Tue 24 December, 12:00 GMT"


def test_offsets_are_named() -> None:
    assert offset("BST", 60) == "BST, UTC+1"
    assert offset("NST", -210) == "NST, UTC\u22123:30"
    assert offset("GMT", 0) == "GMT, UTC+0"


def test_spans_have_names() -> None:
    assert [days_in_words(n) for n in (1, 7, 3, 365)] == [
        "one day",
        "one week",
        "3 days",
        "one year",
    ]
    assert same_days(7) == "the same week"
    assert Place("UTC", 5).span == "5-minute period"
