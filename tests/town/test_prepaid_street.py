"""A street with prepaid homes, taxed sellers and a supplier that charges for surplus."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from wattbay.simulation.scenario import PACKAGED

SCRIPT = Path(__file__).parents[1] / "independent" / "recompute.py"
CHANGES = (
    ("export_cents_per_kwh = 4.640", "export_cents_per_kwh = -1.500"),
    ("sell_limit_min_cents_per_kwh = 4.300", "sell_limit_min_cents_per_kwh = -2.000"),
    ("sell_limit_max_cents_per_kwh = 7.500", "sell_limit_max_cents_per_kwh = 2.000"),
    ("= 500_000", "= 500_000\ndeposit_cents = 10_000\nsales_taxed_since = 2013-06-15"),
    (
        "[battery]",
        """\
[[homes.set]]
home = "h11"
funding = "prepaid"
[[homes.set]]
home = "h03"
funding = "prepaid"
deposit_cents = 2.5
[battery]""",
    ),
)
"""Of the packaged street: h11 has panels and 100 pounds, h03 none and two and a half pence."""


def called(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Call Python as a person would."""
    return subprocess.run(
        [sys.executable, *map(str, words)], check=False, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepaid")
    text = (PACKAGED / "street.toml").read_text(encoding="utf-8")
    text = text.replace('"data/', f'"{PACKAGED.as_posix()}/data/')
    for old, new in CHANGES:
        assert old in text, old
        text = text.replace(old, new)
    (folder / "scenario.toml").write_text(text, encoding="utf-8")
    ran = called("-m", "wattbay", "run", folder, "--out", folder / "run")
    assert ran.returncode == 0, ran.stderr
    return folder / "run"


def test_a_prepaid_street_ends_and_verifies(run: Path) -> None:
    found = called("-m", "wattbay", "verify", run)
    assert found.returncode == 0, found.stderr
    receipts = pl.read_parquet(run / "receipts.parquet")
    assert receipts.filter(pl.col("run") == "initial").height == 6 * 96


def test_every_receipt_and_statement_of_a_prepaid_street_is_recomputed(run: Path) -> None:
    found = called(SCRIPT, run)
    assert (found.returncode, "all equal to the nano" in found.stdout) == (0, True), found.stdout


def test_only_whose_deposit_is_too_small_is_refused_and_still_gets_its_energy(run: Path) -> None:
    refusals = pl.read_parquet(run / "refusals.parquet")
    refused = refusals.filter(pl.col("reason") == "no_collateral")
    assert set(refused["subject"]) == {"h03"}
    orders = pl.read_parquet(run / "orders.parquet").filter(pl.col("pod") == "h03")
    assert refused.height == orders.filter(pl.col("state") == "rejected").height > 10
    # Once what it has is used up it trades no more, and its supplier serves it.
    last = refused["at"].max()
    receipts = pl.read_parquet(run / "receipts.parquet").filter(pl.col("pod") == "h03")
    late = receipts.filter(pl.col("delivery_start") > last)
    assert late.height
    assert late["import_wh"].sum() > 0
    traded = pl.read_parquet(run / "trades.parquet")["buyer_pod"].to_list()
    assert "h11" in traded


def test_money_is_conserved_and_each_account_closes_with_what_was_paid_in(run: Path) -> None:
    postings = pl.read_parquet(run / "postings.parquet").filter(pl.col("asset") == "GBP")
    paid_in = postings.filter(pl.col("kind") == "deposit")
    assert dict(paid_in.select("debit", "amount").iter_rows()) == {
        "h11/party-h11": 100_000_000_000,
        "h03/party-h03": 25_000_000,
    }
    gained = postings.select(account="debit", amount=pl.col("amount"))
    lost = postings.select(account="credit", amount=-pl.col("amount"))
    balances = pl.concat([gained, lost]).group_by("account").agg(pl.col("amount").sum())
    assert balances["amount"].sum() == 0
    owned = dict(balances.iter_rows())
    assert owned["bank"] == -100_025_000_000
    assert owned.get("pool", 0) == 0
    statements = pl.read_parquet(run / "statements.parquet")
    closing = statements.filter(pl.col("component") == "closing")
    assert closing.height == 6
    for pod, party, owed in closing.select("pod", "party", "amount_nano").iter_rows():
        assert owned[f"{pod}/{party}"] == -owed, pod
    # Who is prepaid has no credit to order with, and owes all the same what it drew.
    assert owned["h03/party-h03"] < 0 < owned["h11/party-h11"]


def test_a_supplier_that_charges_for_surplus_is_paid_and_energy_is_sold_below_zero(
    run: Path,
) -> None:
    receipts = pl.read_parquet(run / "receipts.parquet")
    assert json.loads((run / "tariffs.json").read_text())["tariffs"]["flat"]["export"] == -15_000
    assert receipts["supplier_nano"].min() == 0
    long = receipts.filter(pl.col("residual_wh") > 0)
    assert (long["supplier_nano"] == long["residual_wh"] * 15_000).all()
    assert long.height > 100
    prices = pl.read_parquet(run / "prices.parquet")["price_nano_per_wh"]
    assert prices.filter(prices < 0).len()


def test_sales_bear_tax_from_the_day_on_that_the_file_names(run: Path, tmp_path: Path) -> None:
    contracts = json.loads((run / "tariffs.json").read_text(encoding="utf-8"))
    assert set(contracts["sales_taxed_since"].values()) == {"2013-06-14T23:00Z"}
    assert len(contracts["sales_taxed_since"]) == 6
    # Were they untaxed, all would be the same but the tax of who sold on the second day.
    folder = shutil.copytree(run, tmp_path / "run")
    contracts["sales_taxed_since"] = {}
    (folder / "tariffs.json").write_text(json.dumps(contracts), encoding="utf-8")
    found = called(SCRIPT, folder)
    assert found.returncode == 1
    lines = [line for line in found.stdout.splitlines() if line.startswith("- ")]
    said = {line.rpartition(": ")[2].partition(" says")[0] for line in lines}
    assert {"tax", "closing"} <= said <= {"tax", "closing", "payable_minor"}, lines
    assert not [line for line in lines if "h03" in line]
