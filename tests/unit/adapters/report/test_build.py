"""The page: the same bytes each time, bounded, closed to the outside, and true to the files."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from tests.made_run import MadeRun, make_run
from tests.report_page import numbers, read_number, tables
from wattbay.adapters.report import build
from wattbay.errors import AdapterError, ConfigError

c = pl.col


@pytest.fixture(scope="module")
def page(week: Path) -> str:
    return build(week).read_text(encoding="utf-8")


def test_same_folder_gives_the_same_bytes(week: Path) -> None:
    first = build(week).read_bytes()
    assert build(week).read_bytes() == first


def test_moment_of_making_is_printed_only_when_given(week: Path, page: str, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(week, folder)
    dated = build(folder, now_text="20 November 2026").read_text(encoding="utf-8")
    assert "Made 20 November 2026." in dated
    assert dated.replace("<p>Made 20 November 2026.</p>", "") == page


def test_page_may_load_nothing(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy[1]
    without_words = re.sub(r"http://www\.w3\.org/2000/svg", "", page)
    assert "http://" not in without_words
    assert "https://" not in without_words
    assert "style=" not in page


def test_every_heading_of_every_table_has_a_scope(page: str) -> None:
    found = tables(page)
    assert len(found) > 10
    for table in found.values():
        assert set(table.scopes) <= {"col", "row"}, table.caption
        assert all(len(row) == len(table.heads) for row in table.rows), table.caption


def test_table_of_prices_equals_the_file(page: str, week: Path) -> None:
    table = tables(page)["Price and volume of every half-hour"]
    prices = pl.read_parquet(week / "prices.parquet").sort("delivery_start")
    shown = table.column("Price [p/kWh]")
    for text, price in zip(shown, prices["price_nano_per_wh"], strict=True):
        assert text == "none" if price is None else round(read_number(text) * 10_000) == price
    volumes = [round(read_number(text) * 1_000) for text in table.column("Traded [kWh]")]
    assert volumes == prices["volume_wh"].to_list()
    starts = prices["delivery_start"].dt.to_string("%Y-%m-%dT%H:%MZ").to_list()
    assert table.column("Start, UTC") == starts
    assert table.rows[0][0] == "Mon 10 Jun 2013, 00:00 BST"


def test_table_of_homes_equals_the_files_to_the_nano(page: str, week: Path) -> None:
    table = tables(page)["Every home"]
    receipts = pl.read_parquet(week / "receipts.parquet").sort("version")
    sums = (
        receipts.group_by("delivery_start", "pod", maintain_order=True)
        .last()
        .group_by("pod")
        .agg(c("import_wh", "sold_wh", "total_nano", "same_meters_nano").sum())
        .join(pl.read_parquet(week / "baseline.parquet"), on="pod")
        .sort("pod")
    )
    assert table.column("Home") == sums["pod"].to_list()
    assert table.exactly("Import [kWh]") == sums["import_wh"].to_list()
    assert table.exactly("Sold [kWh]") == sums["sold_wh"].to_list()
    assert table.exactly("With the market") == sums["total_nano"].to_list()
    same = (sums["same_meters_nano"] - sums["total_nano"]).to_list()
    assert table.exactly("Saved, on the same meters") == same
    baseline = sums["baseline_nano"] - sums["total_nano"] - sums["baseline_charge_nano"]
    assert (
        table.exactly("Saved, against the same week without the market")
        == (baseline + sums["market_charge_nano"]).to_list()
    )
    for text, nano in zip(
        table.column("With the market"), table.exactly("With the market"), strict=True
    ):
        assert nano is not None
        word = "pays" if nano > 0 else "earns"
        assert text.startswith((word, "nothing"))


def test_curves_hold_every_order_that_took_part(page: str, week: Path) -> None:
    orders = pl.read_parquet(week / "orders.parquet").filter(c.state != "rejected")
    by_start = orders.group_by("delivery_start", "side").agg(c.quantity_wh.sum(), pl.len())
    expected = {(s, side): (q, n) for s, side, q, n in by_start.iter_rows()}
    prices = pl.read_parquet(week / "prices.parquet").sort("delivery_start")
    auctions = numbers(page)["auctions"]["auctions"]
    assert len(auctions) == prices.height
    for row, auction in zip(prices.iter_rows(named=True), auctions, strict=True):
        _, price, volume, bids, offers, n_bids, n_offers = auction
        assert (price, volume) == (row["price_nano_per_wh"], row["volume_wh"])
        for side, (limits, quantities), n in (("buy", bids, n_bids), ("sell", offers, n_offers)):
            assert (sum(quantities), n) == expected.get((row["delivery_start"], side), (0, 0))
            limited = [limit for limit in limits if limit is not None]
            assert limited == sorted(limited, reverse=side == "buy")
            assert None not in limits[1:]


def test_couples_of_traders_sum_to_the_trades(page: str, week: Path) -> None:
    pairs = numbers(page)["pairs"]
    trades = pl.read_parquet(week / "trades.parquet")
    sums = trades.group_by("seller_pod", "buyer_pod").agg(c("quantity_wh", "delivered_wh").sum())
    expected = {(s, b): (q, d) for s, b, q, d in sums.iter_rows()}
    found = {
        (pairs["rows"][r], pairs["columns"][b]): (q, d) for r, b, q, d in pairs["cells"]
    }  # fmt: skip
    assert found == expected


def test_long_run_is_told_by_days_and_chosen_weeks(three_weeks: Path) -> None:
    page = build(three_weeks).read_text(encoding="utf-8")
    views = numbers(page)["prices"]["views"]
    assert views[0]["label"] == "Day by day"
    assert len(views[0]["t"]) == 21
    assert any("most traded" in view["label"] for view in views[1:])
    assert any("the last whole week" in view["label"] for view in views[1:])
    assert all(len(view["t"]) == 336 for view in views[1:])
    volumes = pl.read_parquet(three_weeks / "prices.parquet")["volume_wh"].sum()
    assert sum(views[0]["series"]["volume"]) == volumes
    assert len(numbers(page)["auctions"]["auctions"]) <= 336
    assert "of 1,008 auctions can be looked at" in page


def test_many_homes_are_told_in_groups(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "many", MadeRun(homes=520, days=1, estimated=0, silent=0))
    page = build(folder).read_text(encoding="utf-8")
    found = tables(page)
    assert "Every home" not in found
    groups = found["Groups of homes"]
    assert sum(read_number(text) for text in groups.column("Homes")) == 520
    assert len(numbers(page)["pairs"]["rows"]) <= 4
    assert len(numbers(page)["savings"]["sets"][0]["bars"]) == 51
    assert len(page) < 1_000_000


def test_shared_report_names_no_home_and_no_small_group(week: Path) -> None:
    path = build(week, share=True)
    assert path.name == "report-shared.html"
    page = path.read_text(encoding="utf-8")
    for pod in pl.read_parquet(week / "baseline.parquet")["pod"]:
        assert not re.search(rf"\b{pod}\b", page), pod
    for auction in numbers(page)["auctions"]["auctions"]:
        for side, orders in ((auction[3], auction[5]), (auction[4], auction[6])):
            assert orders >= 5
            assert len(side[1]) <= orders // 5
    homes = [read_number(text) for text in tables(page)["Groups of homes"].column("Homes")]
    assert min(homes) >= 5


def test_shared_report_of_four_homes_is_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "few", MadeRun(homes=4, days=1))
    with pytest.raises(ConfigError, match="4 homes are too few"):
        build(folder, share=True)


def test_missing_table_is_named(week: Path, tmp_path: Path) -> None:
    folder = tmp_path / "torn"
    shutil.copytree(week, folder)
    (folder / "receipts.parquet").unlink()
    with pytest.raises(AdapterError, match=r"receipts\.parquet is missing"):
        build(folder)


def test_document_of_another_form_is_named(week: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bent"
    shutil.copytree(week, folder)
    (folder / "scenario.json").write_text('{"id": 1}', encoding="utf-8")
    with pytest.raises(AdapterError, match=r"scenario\.json is not what a run writes"):
        build(folder)


def test_live_community_without_simulated_truth_has_a_report(week: Path, tmp_path: Path) -> None:
    folder = tmp_path / "live"
    shutil.copytree(week, folder)
    for name in ("devices", "baseline", "signals", "imbalances"):
        (folder / f"{name}.parquet").unlink()
    (folder / "summary.json").unlink()
    page = build(folder).read_text(encoding="utf-8")
    assert 'id="flows"' not in page
    assert 'id="carbon"' not in page
    assert "on the same meters" in page
    assert "Prices and volumes" in page


def test_run_in_which_nobody_traded_has_a_report(week: Path, tmp_path: Path) -> None:
    folder = tmp_path / "quiet"
    shutil.copytree(week, folder)
    for name in ("orders", "trades"):
        file = folder / f"{name}.parquet"
        pl.read_parquet(file).clear().write_parquet(file)
    prices = pl.read_parquet(folder / "prices.parquet").with_columns(
        price_nano_per_wh=pl.lit(None, dtype=pl.Int64),
        volume_wh=pl.lit(0, dtype=pl.Int64),
        surplus_nano=pl.lit(0, dtype=pl.Int64),
        surplus_maximum_nano=pl.lit(0, dtype=pl.Int64),
    )
    prices.write_parquet(folder / "prices.parquet")
    page = build(folder).read_text(encoding="utf-8")
    assert "In none of the 336 half-hours did a bid meet an offer." in page
    assert "Nobody traded." in page


def test_report_tells_no_carbon_where_nobody_knows_the_intensity(
    week: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "unknown"
    shutil.copytree(week, folder)
    signals = pl.read_parquet(folder / "signals.parquet")
    nothing = signals.with_columns(carbon_g_per_kwh=pl.lit(None, dtype=pl.Float64))
    nothing.write_parquet(folder / "signals.parquet")
    assert 'id="carbon"' not in build(folder).read_text(encoding="utf-8")


def test_without_batteries_the_market_takes_no_credit_for_what_flows(
    week: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "plain"
    shutil.copytree(week, folder)
    pods = json.loads((folder / "pods.json").read_text(encoding="utf-8"))
    plain = [pod | {"battery_wh": None} for pod in pods]
    (folder / "pods.json").write_text(json.dumps(plain), encoding="utf-8")
    page = build(folder).read_text(encoding="utf-8")
    assert "Without a market it is the same: no home has a battery." in page
    assert "Without a market, the same homes would have drawn" not in page


def test_text_from_a_scenario_is_escaped(week: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sly"
    shutil.copytree(week, folder)
    text = (folder / "scenario.json").read_text(encoding="utf-8")
    sly = text.replace("A made-up street", "</title><script>alert(1)</script>")
    (folder / "scenario.json").write_text(sly, encoding="utf-8")
    page = build(folder).read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
