from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.unit.cli.show.conftest import PODS, Show
from wattbay.errors import ConfigError


def test_an_issued_statement_is_told_line_by_line(village: Path, show: Show) -> None:
    said = show(village, "statement", "h01", "2013-06").words
    for words in (
        "Statement of h01, June 2013",
        "You drew 0.550 kWh from the grid and fed nothing into it.",
        "Bought from the community 0.300 kWh at 8.333 p/kWh = 2.500 p",
        "Standing charge 1 day × 16.000 p = 16.000 p",
        "Tax on what you buy 5 % of",
        "Closing balance",
        "Rounded once, to £0.",
    ):
        assert words in said


@pytest.mark.parametrize("pod", PODS)
def test_a_month_added_up_from_receipts_is_the_month_as_issued(
    village: Path, show: Show, pod: str
) -> None:
    (issued,) = json.loads(show(village, "statement", pod, "2013-06", "--json").output)
    span = ("--from", "2013-06-10", "--to", "2013-06-11")
    (computed,) = json.loads(show(village, "statement", pod, *span, "--json").output)
    assert issued["is_issued"]
    assert not computed["is_issued"]
    for name, amount in computed["amounts_nano"].items():
        assert issued["amounts_nano"][name] == amount, name
    assert computed["payable_minor"] == issued["payable_minor"]
    assert computed["carried_nano"] == issued["carried_nano"]
    assert issued["corrected_since_nano"] == 0


def test_an_issued_statement_says_what_the_table_says(village: Path, show: Show) -> None:
    (told,) = json.loads(show(village, "statement", "h02", "--json").output)
    table = pl.read_parquet(village / "statements.parquet").filter(pl.col("pod") == "h02")
    rows = dict(zip(table["component"], table["amount_nano"], strict=True))
    assert told["amounts_nano"] == rows
    assert told["payable_minor"] == table["payable_minor"][0]


def test_a_credit_is_told_as_earned(village: Path, show: Show) -> None:
    span = ("--from", "2013-06-10T00:30", "--to", "2013-06-10T01:00")
    said = show(village, "statement", "h02", *span).words
    assert "You would earn £0.01: a credit note." in said
    assert "Sold to the community 0.100 kWh at 7.000 p/kWh = -0.700 p" in said


def test_days_add_up_to_the_week(week: Path, show: Show) -> None:
    def amounts(since: str, until: str) -> dict[str, int]:
        span = ("--from", since, "--to", until, "--json")
        (told,) = json.loads(show(week, "statement", "h07", *span).output)
        found: dict[str, int] = told["amounts_nano"]
        return found

    days = [amounts(f"2013-06-{day}", f"2013-06-{day + 1}") for day in range(10, 17)]
    whole = amounts("2013-06-10", "2013-06-17")
    for name in set(whole) - {"tax", "closing"}:
        assert sum(day[name] for day in days) == whole[name]
    assert whole["standing"] == 7 * 150_000_000
    assert abs(sum(day["tax"] for day in days) - whole["tax"]) <= len(days)


def test_a_run_without_statements_is_added_up_whole(week: Path, show: Show) -> None:
    said = show(week, "statement", "h07").words
    assert "Account of h07 Mon 10 June 2013 to Sun 16 June 2013" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("2013-07",), "h01 has no statement of this month (there is one of 2013-06"),
        (("2013-06", "--from", "2013-06-10"), "name a month, or --from and --to, not both"),
        (("--from", "2013-07-01"), "there is nothing in between"),
        (("--to", "someday"), "is not a time"),
    ],
)
def test_a_span_that_is_not_there_is_answered_with_what_is(
    village: Path, show: Show, words: tuple[str, ...], told: str
) -> None:
    error = show(village, "statement", "h01", *words).error
    assert isinstance(error, ConfigError)
    assert told in str(error)
