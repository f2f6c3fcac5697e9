from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from tests.unit.cli.show.conftest import Show
from wattbay.errors import ConfigError

FIRST = "2013-06-10T00:00"


def test_a_buyer_reads_every_amount_with_what_it_is_the_product_of(
    village: Path, show: Show
) -> None:
    said = show(village, "receipt", "h01", FIRST).words
    for sentence in (
        "Receipt of h01: Mon 10 June 2013, 00:00 to 00:30 BST",
        "You pay 3.3042 p for this half-hour.",
        "You drew 250 Wh from the grid and fed nothing into it (measured).",
        "You had bought 200 Wh from the community at 9.000 p/kWh, in 1 trade",
        "and all of it was delivered.",
        "You drew 50 Wh more than you had bought: you were short.",
        "24 Wh came from neighbours who were long, at the pool price.",
        "The other 26 Wh came from your supplier supplier at its energy price.",
        "200 Wh × 9.000 p/kWh = 1.8000 p",
        "24 Wh × 5.820 p/kWh = 0.1397 p",
        "26 Wh × 7.000 p/kWh = 0.1820 p",
        "Network fee, inside your zone 200 Wh × 2.275 p/kWh = 0.4550 p",
        "Network fee, on the rest 50 Wh × 4.550 p/kWh = 0.2275 p",
        "Levy 250 Wh × 2.000 p/kWh = 0.5000 p",
        "Together: you pay 3.3042 p",
        "250 Wh × 13.550 p/kWh = 3.3875 p",
        "13.550 p/kWh = energy 7.000 + network 4.550 + levy 2.000",
        "3.3875 p; with it you pay 3.3042 p: 0.0833 p better for you.",
        "Tax of 5 % is worked out once, on the statement.",
    ):
        assert sentence in said


def test_a_seller_reads_what_it_earns(village: Path, show: Show) -> None:
    said = show(village, "receipt", "h02", FIRST).words
    assert "You earn 3.471 p for this half-hour." in said
    assert "You had sold 400 Wh to the community at 9.000 p/kWh, in 2 trades" in said
    assert "330 Wh of it were delivered" in said
    assert "400 Wh × 9.000 p/kWh = -3.600 p" in said
    assert "you would earn 1.763 p" in said


def test_counterparties_are_not_named(village: Path, show: Show) -> None:
    said = show(village, "receipt", "h01", FIRST).output
    assert not re.search(r"h0[234]", said)


def test_an_estimate_and_its_correction_are_told_version_by_version(
    village: Path, show: Show
) -> None:
    said = show(village, "receipt", "h03", FIRST).words
    assert "split: your meter was silent for a while" in said
    assert "1 (initial): 28.025 p; drawn 2,054 Wh, fed in 0 Wh (estimated)." in said
    assert (
        "2 (final): 2.095 p, -25.930 p; drawn 130 Wh, fed in 0 Wh (split)"
        " instead of drawn 2,054 Wh, fed in 0 Wh (estimated)." in said
    )


def test_an_earlier_version_is_explained_with_what_was_delivered_then(
    village: Path, show: Show
) -> None:
    said = show(village, "receipt", "h03", FIRST, "--version", 1).words
    assert "This is version 1; 2 replaced it." in said
    assert "You drew 2,054 Wh from the grid" in said
    assert "estimated: no reading had arrived" in said
    assert "Network fee, from zone north 180 Wh × 3.400 p/kWh" in said
    assert show(village, "receipt", "h03", FIRST, "--version", 1).status == 0


def test_who_was_corrected_by_a_neighbours_reading_is_told_so(village: Path, show: Show) -> None:
    said = show(village, "receipt", "h04", FIRST).words
    assert "a corrected reading of somebody else" in said
    assert "settled with the pool 37 Wh instead of 0" in said


def test_a_loss_is_told_with_its_reason(village: Path, show: Show) -> None:
    said = show(village, "receipt", "h03", FIRST).words
    assert "worse for you, because you had bought more than you drew" in said


def test_a_home_that_traded_nothing_reads_what_became_of_its_orders(
    village: Path, show: Show
) -> None:
    said = show(village, "receipt", "h04", FIRST).words
    assert "your bid of 100 Wh was not filled, and your bid of 100 Wh was refused" in said
    assert f"wattbay show {village} order 17" in said


def test_exact_amounts_bear_every_digit(village: Path, show: Show) -> None:
    said = show(village, "receipt", "h01", FIRST, "--exact").words
    assert "24 Wh × 5.820 p/kWh = 0.13968 p" in said


def test_a_time_inside_a_delivery_shows_it_and_says_so(village: Path, show: Show) -> None:
    said = show(village, "receipt", "h01", "2013-06-10T00:10").words
    assert "00:10 lies inside the half-hour Mon 10 June 2013, 00:00 to 00:30 BST" in said


def test_times_are_local_or_bear_an_offset(village: Path, show: Show) -> None:
    local = show(village, "receipt", "h01", "2013-06-10T00:30").output
    assert show(village, "receipt", "h01", "2013-06-09T23:30Z").output == local
    assert show(village, "receipt", "h01", "2013-06-10T00:30+01:00").output == local
    assert show(village, "receipt", "H01", "2013-06-10 00:30").output == local


def test_json_bears_integers_with_units_that_add_up(village: Path, show: Show) -> None:
    told = json.loads(show(village, "receipt", "h01", FIRST, "--json").output)
    assert told["delivery"] == "2013-06-09T23:00Z"
    assert told["total_nano"] == 33_041_800
    assert sum(line["amount_nano"] for line in told["lines"]) == told["total_nano"]
    for line in told["lines"]:
        assert abs(line["amount_nano"]) == line["energy_wh"] * line["price_nano_per_wh"]
    assert told["saved_nano"] == told["same_meters_nano"] - told["total_nano"]
    assert [version["run"] for version in told["versions"]] == ["initial", "final"]
    assert told["disagreements"] == {}


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_every_receipt_of_a_week_is_recomputed_to_the_nano(
    week: Path, show: Show, hour: int
) -> None:
    for pod in ("h01", "h07", "h30", "h60"):
        answer = show(week, "receipt", pod, f"2013-06-12T{hour:02}:00", "--json")
        assert json.loads(answer.output)["disagreements"] == {}
        assert answer.status == 0


def test_a_receipt_that_was_altered_is_found(village: Path, show: Show, tmp_path: Path) -> None:
    altered = tmp_path / "altered"
    shutil.copytree(village, altered)
    table = pl.read_parquet(altered / "receipts.parquet")
    cheaper = pl.col("levy_nano") - 1_000_000
    table.with_columns(levy_nano=cheaper).write_parquet(altered / "receipts.parquet")
    answer = show(altered, "receipt", "h01", FIRST)
    assert answer.status == 1
    assert "These files do not agree" in answer.words
    assert "Levy: comes to 0.5000 p by trades and tariff, and the receipt says 0.4000 p." in (
        answer.words
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("h1", FIRST), "the run has no pod of this name; did you mean h01"),
        (("roof", FIRST), "it has h01, h02, h03, h04"),
        (("h01", "tomorrow"), "is not a time (write it as 2013-06-10T00:00"),
        (("h01", "2013-06-12T00:00"), "the last half-hour is 2013-06-10T01:30"),
        (("h01", "2013-06-09T00:00"), "the first half-hour is 2013-06-10T00:00"),
        (("h01", "2013-10-27T01:30"), "showed this time twice"),
        (("h01", "2013-03-31T01:30"), "jumped over this time"),
        (("h01", FIRST, "--version", 9), "the receipt has version 1 and 2"),
    ],
)
def test_what_cannot_be_meant_is_answered_with_what_exists(
    village: Path, show: Show, words: tuple[str, ...], told: str
) -> None:
    error = show(village, "receipt", *words).error
    assert isinstance(error, ConfigError)
    assert told in str(error)
