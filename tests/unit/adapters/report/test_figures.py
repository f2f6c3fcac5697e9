"""The numbers of a report against the run folder's own files."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.made_run import MadeRun, make_run
from wattbay.adapters.report.flows import INTO_BATTERY, SHARED, TRADED, Link, links, sufficiency
from wattbay.adapters.report.folder import Home, RunFolder
from wattbay.adapters.report.prices import corridor, mean_price
from wattbay.adapters.report.run import Run, groups, read
from wattbay.adapters.report.savings import gini, level, spreads
from wattbay.adapters.report.settling import checks

c = pl.col
KEY = ["delivery_start", "pod"]


@pytest.fixture(scope="module")
def run(week: Path) -> Run:
    return read(RunFolder(week), shared=False)


def standing(folder: Path) -> pl.DataFrame:
    """Return the last version of every receipt, the plain way."""
    receipts = pl.read_parquet(folder / "receipts.parquet").sort("version")
    return receipts.group_by(KEY, maintain_order=True).last()


def test_only_the_last_version_of_a_receipt_counts(run: Run, week: Path) -> None:
    receipts = standing(week)
    assert pl.read_parquet(week / "receipts.parquet")["version"].max() == 2
    for column in ("import_wh", "pooled_wh", "total_nano", "same_meters_nano"):
        assert run.total(column) == receipts[column].sum()
        by_pod = receipts.group_by("pod").agg(c(column).sum()).sort("pod")
        assert run.counts.pods[column].to_list() == by_pod[column].to_list()


def test_every_delivery_has_a_row_in_order(run: Run) -> None:
    starts = run.deliveries["delivery_start"]
    assert starts.len() == 336
    assert starts.is_sorted()
    assert starts.is_unique().all()
    assert run.days == [date(2013, 6, 10) + timedelta(days=i) for i in range(7)]


def test_windows_change_nothing(week: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wattbay.adapters.report.folder.WINDOW_ROWS_MAX", 1_000)
    folder = RunFolder(week)
    assert len(list(folder.windows())) == 21
    small = read(folder, shared=False)
    assert small.deliveries.equals(run.deliveries)
    assert small.counts.pods.equals(run.counts.pods)
    assert small.counts.estimates.equals(run.counts.estimates)
    assert small.counts.corrections.equals(run.counts.corrections)


def through(flows: list[Link], node: str) -> tuple[int, int]:
    """Return what flows into a node, and out of it. [Wh]"""
    into = sum(link.energy_wh for link in flows if link.target == node)
    return into, sum(link.energy_wh for link in flows if link.source == node)


def test_flows_conserve_energy_at_every_node(run: Run) -> None:
    flows = links(run)
    # Each flow is rounded to a watt-hour once.
    for node in (TRADED, SHARED):
        into, out = through(flows, node)
        assert into == pytest.approx(out, abs=len(flows))
    assert through(flows, "solar")[1] == pytest.approx(run.total("pv_wh"), abs=len(flows))
    assert through(flows, "homes")[0] == pytest.approx(run.total("load_wh"), abs=len(flows))
    battery = through(flows, INTO_BATTERY)[0]
    assert battery == pytest.approx(run.total("charge_wh"), abs=len(flows))
    traded = through(flows, TRADED)[0]
    assert traded == pytest.approx(run.total("delivered_in_wh"), abs=len(flows))


def test_flows_from_outside_are_the_net_import_of_each_delivery(run: Run, week: Path) -> None:
    devices = pl.read_parquet(week / "devices.parquet")
    net = c.load_wh + c.charge_wh - c.pv_wh - c.discharge_wh
    sums = devices.group_by("delivery_start").agg(net=net.sum())["net"]
    flows = links(run)
    drawn, sent = through(flows, "supplier")[1], through(flows, "export")[0]
    assert drawn == pytest.approx(sums.filter(sums > 0).sum(), abs=len(flows))
    assert sent == pytest.approx(-sums.filter(sums < 0).sum(), abs=len(flows))


def test_self_sufficiency_counts_what_came_from_outside(run: Run, week: Path) -> None:
    receipts = standing(week).group_by("delivery_start").agg(c("import_wh", "export_wh").sum())
    net = receipts["import_wh"] - receipts["export_wh"]
    found = sufficiency(run)
    assert found is not None
    assert found.outside_import == net.filter(net > 0).sum()
    assert found.outside_export == -net.filter(net < 0).sum()
    assert found.local == receipts["import_wh"].sum() - found.outside_import
    baseline = pl.read_parquet(week / "baseline.parquet")
    assert found.alone_import == baseline["baseline_import_wh"].sum()
    assert found.load == pl.read_parquet(week / "devices.parquet")["load_wh"].sum()


def test_savings_are_counted_both_ways(run: Run, week: Path) -> None:
    paid = standing(week).group_by("pod").agg(c("total_nano", "same_meters_nano").sum())
    joined = paid.join(pl.read_parquet(week / "baseline.parquet"), on="pod").sort("pod")
    without, same = spreads(run)
    charged = joined["baseline_charge_nano"] - joined["market_charge_nano"]
    expected = joined["baseline_nano"] - joined["total_nano"] - charged
    assert without.values.sort("pod")["saved"].to_list() == expected.to_list()
    assert (
        same.values.sort("pod")["saved"].to_list()
        == (joined["same_meters_nano"] - joined["total_nano"]).to_list()
    )
    assert without.total == expected.sum()
    assert without.better + without.worse == 60
    assert without.gini is None
    assert same.gini is not None
    assert 0 < same.gini < 1


def test_middle_home_is_the_median_and_the_ends_are_homes(run: Run) -> None:
    for spread in spreads(run):
        saved = spread.values["saved"]
        median = saved.median()
        assert isinstance(median, float)
        assert level(run, spread, 50) == pytest.approx(median, abs=1)
        assert level(run, spread, 0) == saved.min()
        assert level(run, spread, 100) == saved.max()


def test_gini_is_told_only_where_all_values_are_positive() -> None:
    assert gini([5, 5, 5]) == 0
    assert gini([1, 0]) is None
    assert gini([]) is None
    assert gini([1, 3]) == pytest.approx(0.25)


def test_mean_price_weighs_what_was_traded(run: Run, week: Path) -> None:
    prices = pl.read_parquet(week / "prices.parquet").drop_nulls("price_nano_per_wh")
    value = (prices["price_nano_per_wh"] * prices["volume_wh"]).sum()
    assert mean_price(run.deliveries) == int(value) // int(prices["volume_wh"].sum())
    assert mean_price(run.deliveries.head(0)) is None


def test_corridor_lies_between_export_and_what_a_neighbour_is_worth(run: Run) -> None:
    assert corridor(run) == (46_400, 70_000 + 45_500 - 22_750, 70_000 + 45_500 + 20_000)


def test_all_checks_hold_on_a_run_that_conserves(run: Run) -> None:
    assert [check.difference for check in checks(run)] == [0] * 7


@pytest.mark.parametrize(
    ("column", "claim"),
    [
        ("bought_wh", "Energy bought is energy sold"),
        ("delivered_in_wh", "Energy delivered to buyers"),
        ("pooled_wh", "Each home: metered = traded + pooled"),
        ("import_wh", "Receipts and meters tell the same"),
        ("pool_nano", "The pool's money sums to zero"),
        ("levy_nano", "Each receipt's lines sum to its total"),
    ],
)
def test_an_altered_receipt_is_seen(week: Path, tmp_path: Path, column: str, claim: str) -> None:
    folder = tmp_path / "altered"
    shutil.copytree(week, folder)
    receipts = pl.read_parquet(folder / "receipts.parquet").with_row_index()
    altered = receipts.with_columns(c(column) + (c.index == 700).cast(pl.Int64)).drop("index")
    altered.write_parquet(folder / "receipts.parquet")
    failed = [check for check in checks(read(RunFolder(folder), shared=False)) if check.difference]
    assert any(check.claim.startswith(claim) and check.difference == 1 for check in failed)


def test_days_left_out_of_a_run_are_left_out_of_the_report(week: Path, tmp_path: Path) -> None:
    folder = tmp_path / "gap"
    shutil.copytree(week, folder)
    gone = c.delivery_start.dt.convert_time_zone("Europe/London").dt.day() == 12
    for name in ("prices", "receipts", "meters", "orders", "trades", "devices", "signals"):
        file = folder / f"{name}.parquet"
        pl.read_parquet(file).filter(~gone).write_parquet(file)
    run = read(RunFolder(folder), shared=False)
    assert run.deliveries.height == 6 * 48
    assert len(run.days) == 6


def test_clock_change_gives_a_day_of_46_half_hours(tmp_path: Path) -> None:
    made = MadeRun(homes=4, days=2, first_day=date(2013, 3, 30))
    run = read(RunFolder(make_run(tmp_path / "spring", made)), shared=False)
    assert run.deliveries.group_by("day").len().sort("day")["len"].to_list() == [48, 46]
    assert run.zone_in_words == "GMT, UTC+0; BST, UTC+1"


def homes(**kinds: int) -> tuple[Home, ...]:
    made = {"solar": (3.0, 0.0), "both": (3.0, 5_000.0), "none": (0.0, 0.0)}
    return tuple(
        Home(f"{kind}{i}", "z", *made[kind]) for kind, n in kinds.items() for i in range(n)
    )


def test_small_groups_are_joined_until_none_is_left() -> None:
    apart = groups(homes(solar=7, both=2, none=9))
    assert sorted(set(apart.values())) == ["No solar", "Solar", "Solar and battery"]
    joined = groups(homes(solar=7, both=2, none=9), group_min=5)
    assert sorted(set(joined.values())) == ["No solar", "Other homes"]
    assert set(groups(homes(solar=2, both=2, none=3), group_min=5).values()) == {"All homes"}
