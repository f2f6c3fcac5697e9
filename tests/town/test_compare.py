"""`wattbay compare` as a person calls it: tables, files, and what it says to who means runs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from wattbay.assembly.simulated import SimulatedComparison
from wattbay.cli.compare_tables import tables
from wattbay.cli.show.figures import Purse
from wattbay.simulation.comparison.rules import BY_NAME, RULES
from wattbay.simulation.scenario import load_scenario

Ran = subprocess.CompletedProcess[str]


def wattbay(*words: str | Path) -> Ran:
    """Call the command line on a terminal of 100 columns."""
    return subprocess.run(
        [sys.executable, "-m", "wattbay", *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"},
    )


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    """Return what was said of a day of six homes, and the folder that was written."""
    folder = tmp_path_factory.mktemp("compared") / "rules"
    ran = wattbay("compare", "street", "--days", "1", "--out", folder)
    assert ran.returncode == 0, ran.stderr
    return ran, folder


def test_three_tables_of_every_rule_fit_a_hundred_columns(compared: tuple[Ran, Path]) -> None:
    lines = compared[0].stdout.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 100
    for rule in RULES:
        assert sum(line.startswith(f"{rule.title} ") for line in lines) == 3, rule.title
    text = compared[0].stdout
    for words in ("What homes save", "Who gets what homes pay", "Energy (kWh)", "meters are the"):
        assert words in text


def test_tables_go_on_below_where_the_terminal_is_narrow() -> None:
    comparison = SimulatedComparison(load_scenario("street", days=1), ["uniform"])
    rows = list(comparison.steps())
    printed = Console(width=60, file=io.StringIO(), record=True)
    for table in tables(rows, comparison.cpu_seconds, Purse("GBP", 2), 60):
        printed.print(table)
    text = printed.export_text()
    headings = [
        word for line in text.splitlines() if line.startswith("   ") for word in line.split()
    ]
    for word in ("median", "Gini", "supplier", "standing", "bills", "surplus", "paid", "CPU"):
        assert word in headings, word
    assert text.count("…") == text.count("… and") > 0
    assert "1.28" in text


def test_documents_and_tables_say_the_same(compared: tuple[Ran, Path]) -> None:
    folder = compared[1]
    document = json.loads((folder / "compare.json").read_text(encoding="utf-8"))
    assert [one["rule"] for one in document["rules"]] == list(BY_NAME)
    assert set(document["machine"]["cpu_seconds"]) == set(BY_NAME)
    homes = pl.read_parquet(folder / "compare-homes.parquet")
    assert homes.equals(pl.read_csv(folder / "compare-homes.csv"))
    prices = pl.read_parquet(folder / "compare-prices.parquet")
    for one in document["rules"]:
        mine = homes.filter(pl.col("rule") == one["rule"])
        figures = one["figures"]
        assert mine.height == document["pods"]
        assert mine["saved_nano"].sum() == figures["savings"]["total"]
        assert mine["cost_nano"].sum() == figures["cost_nano"]
        assert mine["bill_nano"].sum() == figures["bill_nano"]
        traded = prices.filter(pl.col("rule") == one["rule"])["traded_wh"]
        assert (traded.len(), traded.sum()) == (48, figures["energy"]["traded_wh"])
    assert (folder / "compare.html").stat().st_size > 10_000


def test_second_time_is_the_same_but_for_the_machine(compared: tuple[Ran, Path]) -> None:
    ran = wattbay("compare", "street", "--days", "1", "--json")
    again = json.loads(ran.stdout)
    before = json.loads((compared[1] / "compare.json").read_text(encoding="utf-8"))
    assert again.pop("machine") is not None
    before.pop("machine")
    assert again == before


def test_some_rules_are_chosen_by_name_with_hyphens_or_not(compared: tuple[Ran, Path]) -> None:
    ran = wattbay("compare", "street", "--days", "1", "--json", "--rules", "mid-market, fixed")
    told = [one["rule"] for one in json.loads(ran.stdout)["rules"]]
    assert told == ["none", "fixed", "mid_market"]
    assert compared[0].returncode == 0


def test_rule_that_does_not_fit_says_why_below_the_tables() -> None:
    ran = wattbay("compare", "london-tariffs", "--days", "1", "--pods", "3",
                  "--rules", "bill_sharing")  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "several tariffs" in ran.stdout


def test_comparison_that_is_there_stays_without_force(compared: tuple[Ran, Path]) -> None:
    ran = wattbay("compare", "street", "--days", "1", "--out", compared[1])
    assert ran.returncode == 2
    assert "--force" in ran.stderr


def test_unknown_rule_is_told_with_what_is_near() -> None:
    ran = wattbay("compare", "street", "--rules", "unifrom")
    assert ran.returncode == 2
    assert "did you mean uniform?" in ran.stderr


def test_runs_are_compared_by_diff_which_is_told(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, seed in ((one, "1"), (other, "2")):
        words = ("run", "street", "--days", "1", "--pods", "2", "--seed", seed, "--out", folder)
        assert wattbay(*words).returncode == 0
    same, parted = wattbay("diff", one, one), wattbay("diff", one, other)
    assert (same.returncode, parted.returncode) == (0, 1)
    assert "They part at entry" in parted.stdout
    as_before = wattbay("compare", one, other)
    assert (as_before.returncode, as_before.stdout) == (1, parted.stdout)
    assert "wattbay diff" in as_before.stderr
    alone, mixed = wattbay("compare", one), wattbay("compare", "street", other)
    assert (alone.returncode, mixed.returncode) == (2, 2)
    assert "wattbay diff" in alone.stderr
