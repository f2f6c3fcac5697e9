"""`wattbay study competition`: what it prints, what it writes, and what it refuses."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from wattbay.adapters.report.competed import read
from wattbay.cli.competition_tables import tell_competition
from wattbay.cli.study import app
from wattbay.errors import ConfigError
from wattbay.simulation.competition.verdict import shown


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("competition")
    files = [f"--{kind}={folder / name}" for kind, name in (
        ("json", "c.json"), ("html", "c.html"), ("table", "c.csv"))]  # fmt: skip
    run = CliRunner().invoke(app, ["competition", "--seeds", "2", "--days", "2", *files])
    assert run.exit_code == 0, run.output
    return folder, run.stdout


def test_it_fits_a_terminal_and_no_figure_is_cut_off(written: tuple[Path, str]) -> None:
    folder, printed = written
    for line in printed.splitlines():
        assert len(line.rstrip()) <= 80 or str(folder) in line
    assert "…" not in printed.replace("home, …", "").replace("bare, …", "")


def test_it_says_who_is_compared_where_it_does_not_help_and_whose_data_these_are(
    written: tuple[Path, str],
) -> None:
    printed = " ".join(written[1].split())
    for words in (
        "What owners have of a kWh of surplus",
        "10 conservative",
        "home, 10 random",
        "Not more, or not surely Ten aggregators against",
        "Ten aggregators against use at home",
        "The most that could have been paid",
        "Source: AEMO.",
        "Fontana, California",
    ):
        assert words in printed


def test_files_tell_the_same_figures_and_repeat(written: tuple[Path, str], tmp_path: Path) -> None:
    folder, printed = written
    found = read(folder / "c.json")
    net = found.regime("aggressive-10").figures.net
    assert f"10 aggressive {shown(net)}" in " ".join(printed.split())
    assert "<h1>Does competition pay" in (folder / "c.html").read_text(encoding="utf-8")
    again = tmp_path / "again.parquet"
    run = CliRunner().invoke(
        app,
        [
            "competition",
            "--seeds",
            "2",
            "--days",
            "2",
            f"--table={again}",
            f"--json={tmp_path / 'c.json'}",
        ],
    )
    assert run.exit_code == 0
    assert (tmp_path / "c.json").read_bytes() == (folder / "c.json").read_bytes()
    with (folder / "c.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    frame = pl.read_parquet(again)
    assert len(rows) == len(frame) == 2 * 13 * len(found.regimes)
    assert [int(row["net_nano"]) for row in rows] == frame["net_nano"].to_list()


def test_every_fault_of_the_options_is_told(tmp_path: Path) -> None:
    gone = tmp_path / "none"
    with pytest.raises(ConfigError) as refused:
        tell_competition(
            0, -1, 29, json=gone / "c.json", html=tmp_path, table=tmp_path / "owners.xlsx"
        )
    assert [fault.where for fault in refused.value.faults] == [
        "--seeds",
        "--seed",
        "--days",
        "--json",
        "--html",
        "--table",
    ]
