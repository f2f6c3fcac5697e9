"""What the report says of how a run traded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from wattbay.adapters.report import build


def told(week: Path, folder: Path, rule: str, pricing: str = "uniform") -> str:
    """Return the report of a week as if it had traded by a rule."""
    shutil.copytree(week, folder)
    prices = folder / "prices.parquet"
    pl.read_parquet(prices).with_columns(rule=pl.lit(rule)).write_parquet(prices)
    tariffs = folder / "tariffs.json"
    known = json.loads(tariffs.read_text(encoding="utf-8")) | {"auction": {"pricing": pricing}}
    tariffs.write_text(json.dumps(known), encoding="utf-8")
    return build(folder).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("rule", "pricing", "words"),
    [
        ("", "uniform", "everyone trades at one price"),
        ("", "pay_as_bid", "each at its own limit"),
        ("continuous", "uniform", "Orders met one by one, each at the limit"),
        ("bilateral", "uniform", "where somebody took it, at its own price"),
        ("huang", "uniform", "was cleared by the rule huang"),
        ("mid_market", "uniform", "what was metered was divided by the rule mid_market"),
    ],
)
def test_report_tells_the_rule_that_was_traded_by(
    week: Path, tmp_path: Path, rule: str, pricing: str, words: str
) -> None:
    page = told(week, tmp_path / "run", rule, pricing)
    assert words in page
    assert ("everyone trades at one price" in page) == (not rule and pricing == "uniform")


def test_report_of_a_community_without_orders_shows_no_auctions(week: Path, tmp_path: Path) -> None:
    page = told(week, tmp_path / "run", "static_key")
    assert "How a price is found" not in page
    assert "Prices and volumes" in page
