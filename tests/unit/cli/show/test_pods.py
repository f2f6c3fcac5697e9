from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from tests.unit.cli.show.conftest import Show


def test_a_home_reads_what_it_used_traded_and_saved(village: Path, show: Show) -> None:
    said = show(village, "pod", "h01").words
    for words in (
        "party p-h01, zone north, supplier supplier, tariff flat",
        "drawn from the grid 0.550 kWh",
        "bought from the community 0.300 kWh 8.333 p/kWh 0.300 kWh",
        "Mon 10 Jun 0.550 0.000 0.300",
        "3 orders: 1 not filled, 1 filled whole and 1 filled in part.",
        "Best half-hours",
        f"wattbay show {village} receipt h01 2013-06-10T00:30",
    ):
        assert words in said


def test_refusals_and_estimates_are_counted(village: Path, show: Show) -> None:
    said = show(village, "pod", "h04").words
    assert "the limit or quantity lies between two steps (1 time)" in said
    said = show(village, "pod", "h03").words
    assert "4 receipts: 4 estimated at first, 0 still" in said


def test_savings_both_ways_are_those_of_the_tables(week: Path, show: Show) -> None:
    told = json.loads(show(week, "pod", "h07", "--json").output)
    receipts = (
        pl.read_parquet(week / "receipts.parquet")
        .filter(pl.col("pod") == "h07")
        .sort("version")
        .unique("delivery_start", keep="last")
    )
    total, same = sum(receipts["total_nano"].to_list()), sum(receipts["same_meters_nano"].to_list())
    assert told["used"]["total_nano"] == total
    assert told["saved_nano"] == same - total
    row = pl.read_parquet(week / "baseline.parquet").filter(pl.col("pod") == "h07").to_dicts()[0]
    alone = row["baseline_nano"] - row["baseline_charge_nano"]
    assert told["saved_on_baseline_nano"] == alone - (total - row["market_charge_nano"])


def test_parts_of_what_was_used_come_to_the_total(week: Path, show: Show) -> None:
    for pod in ("h01", "h02", "h03"):
        used = json.loads(show(week, "pod", pod, "--json").output)["used"]
        parts = used["paid_nano"] - used["earned_nano"]
        parts += used["pool_paid_nano"] - used["pool_earned_nano"]
        parts += used["supplier_paid_nano"] - used["supplier_earned_nano"]
        parts += used["network_nano"] + used["levy_nano"] + used["service_nano"]
        assert parts == used["total_nano"]


def test_the_best_and_worst_moments_are_the_extremes(week: Path, show: Show) -> None:
    told = json.loads(show(week, "pod", "h07", "--json").output)
    best = [moment["saved_nano"] for moment in told["best"]]
    worst = [moment["saved_nano"] for moment in told["worst"]]
    assert best == sorted(best, reverse=True)
    assert worst == sorted(worst)
    receipts = (
        pl.read_parquet(week / "receipts.parquet")
        .filter(pl.col("pod") == "h07")
        .sort("version")
        .unique("delivery_start", keep="last")
    )
    saved = receipts["same_meters_nano"] - receipts["total_nano"]
    assert best[0] == saved.max()


def test_a_week_is_told_day_by_day(week: Path, show: Show) -> None:
    said = show(week, "pod", "h07").words
    assert "Day by day" in said
    days = ("Mon 10", "Tue 11", "Wed 12", "Thu 13", "Fri 14", "Sat 15", "Sun 16")
    assert all(f"{day} Jun" in said for day in days)
