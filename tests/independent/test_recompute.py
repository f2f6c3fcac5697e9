"""The independent script agrees with a whole run, and sees what is wrong in an altered one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

SCRIPT = Path(__file__).parent / "recompute.py"


def run(scenario: str, folder: Path) -> Path:
    made = [sys.executable, "-m", "wattbay", "run", scenario, "--out", str(folder)]
    subprocess.run(made, check=True, capture_output=True, timeout=240)
    return folder


def recompute(folder: Path) -> tuple[int, str]:
    asked = [sys.executable, str(SCRIPT), str(folder)]
    answer = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=60)
    return answer.returncode, answer.stdout


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run("street", tmp_path_factory.mktemp("street") / "run")


@pytest.fixture
def altered(street: Path, tmp_path: Path) -> Callable[[str, pl.Expr], Path]:
    def alter(name: str, change: pl.Expr) -> Path:
        folder = shutil.copytree(street, tmp_path / "run")
        file = folder / f"{name}.parquet"
        pl.read_parquet(file).with_columns(change).write_parquet(file)
        return folder

    return alter


def in_row(row: int, column: str, more: int) -> pl.Expr:
    """Add something to one value of a column."""
    return pl.col(column) + pl.when(pl.int_range(pl.len()) == row).then(more).otherwise(0)


def test_every_receipt_and_statement_of_the_street_is_recomputed(street: Path) -> None:
    status, told = recompute(street)
    assert (status, "all equal to the nano" in told) == (0, True), told


def test_every_receipt_and_statement_of_the_london_week_is_recomputed(tmp_path: Path) -> None:
    status, told = recompute(run("london-week", tmp_path / "run"))
    assert (status, "all equal to the nano" in told) == (0, True), told


def test_receipts_at_prices_that_vary_are_recomputed_and_an_altered_price_is_found(
    tmp_path: Path,
) -> None:
    folder = run("london-tariffs", tmp_path / "run")
    status, told = recompute(folder)
    assert (status, "all equal to the nano" in told) == (0, True), told
    file = folder / "retail_prices.parquet"
    altered = pl.read_parquet(file).with_columns(in_row(30, "energy_nano_per_wh", 1))
    altered.write_parquet(file)
    status, told = recompute(folder)
    assert status == 1, told
    assert "supplier_nano says" in told


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("receipts", "network_nano"),
        ("receipts", "version"),
        ("meters", "import_wh"),
        ("trades", "price_nano_per_wh"),
        ("trades", "quantity_wh"),
        ("statements", "amount_nano"),
        ("statements", "payable_minor"),
    ],
)
def test_one_altered_value_is_found(
    altered: Callable[[str, pl.Expr], Path], name: str, column: str
) -> None:
    status, told = recompute(altered(name, in_row(7, column, 1)))
    assert status == 1, told
    assert "differences" in told


def test_a_missing_correction_is_found(street: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(street, tmp_path / "run")
    file = folder / "receipts.parquet"
    receipts = pl.read_parquet(file).with_row_index()
    later = receipts.filter(pl.col("version") == 2)["index"][0]
    receipts.filter(pl.col("index") != later).drop("index").write_parquet(file)
    status, told = recompute(folder)
    assert status == 1, told


def test_another_tariff_is_found(street: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(street, tmp_path / "run")
    contracts = json.loads((folder / "tariffs.json").read_text())
    contracts["tariffs"]["flat"]["levy"] += 1
    (folder / "tariffs.json").write_text(json.dumps(contracts))
    status, told = recompute(folder)
    assert status == 1, told
    assert "levy_nano says" in told


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    assert recompute(tmp_path)[0] == 2


def test_a_market_without_tax_and_standing_charge_is_recomputed(tmp_path: Path) -> None:
    packaged = Path(__file__).parents[2] / "src" / "wattbay" / "scenarios"
    text = (packaged / "street.toml").read_text(encoding="utf-8")
    text = text.replace('"data/', f'"{packaged.as_posix()}/data/')
    for line in ("standing_cents_per_day = 16.000", "tax = [{ since = 1997-09-01, ppm = 50_000 }]"):
        assert line in text
        text = text.replace(line, "")
    (tmp_path / "untaxed.toml").write_text(text, encoding="utf-8")
    status, told = recompute(run(str(tmp_path / "untaxed.toml"), tmp_path / "run"))
    assert (status, "6 statements" in told) == (0, True), told
