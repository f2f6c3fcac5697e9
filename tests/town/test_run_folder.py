"""A whole run through the command line: its folder, and what `verify` sees in an altered one."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest

from wattbay.views.tables import TABLES

Ran = subprocess.CompletedProcess[str]


def wattbay(*words: str | Path) -> Ran:
    """Call the command line as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "wattbay", *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("street") / "run"
    ran = wattbay("run", "street", "--out", folder, "--csv")
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.fixture
def altered(street: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a copy of the run after a statement of SQL."""

    def alter(statement: str, *values: int) -> Path:
        folder = shutil.copytree(street, tmp_path / "run")
        with closing(sqlite3.connect(folder / "journal.sqlite")) as file, file:
            file.execute(statement, values)
        return folder

    return alter


def test_a_run_leaves_every_file_that_the_formats_promise(street: Path) -> None:
    for name, columns in TABLES.items():
        schema = pl.scan_parquet(street / f"{name}.parquet").collect_schema()
        assert schema.names() == [column.name for column in columns]
        for column in columns:
            if column.holds == "instant":
                assert schema[column.name] == pl.Datetime("us", "UTC")
    summary = json.loads((street / "summary.json").read_text())
    assert list(summary) == [
        *("format", "scenario", "seed", "pods", "days", "journal_head", "entries"),
        *("totals", "machine"),
    ]
    assert json.loads((street / "scenario.json").read_text())["community"] == "street"
    assert (street / "report.html").stat().st_size > 10_000
    assert not (street / "journal.sqlite-wal").exists()


def test_csv_bears_local_times_with_their_offset(street: Path) -> None:
    table = pl.read_csv(street / "receipts.csv", infer_schema=False)
    assert table["delivery_start"][0].endswith("Z")
    assert table["delivery_start_local"][0].endswith("+01:00")
    assert table.height == pl.read_parquet(street / "receipts.parquet").height


def test_two_runs_differ_in_the_machine_alone(street: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert wattbay("run", "street", "--out", again, "--journal", "memory").returncode == 0
    first, second = (
        json.loads((folder / "summary.json").read_text()) for folder in (street, again)
    )
    assert first.pop("machine")
    assert second.pop("machine")
    assert first == second
    for name in TABLES:
        file = f"{name}.parquet"
        assert pl.read_parquet(street / file).equals(pl.read_parquet(again / file))


def test_a_sound_journal_verifies(street: Path) -> None:
    found = wattbay("verify", street, "--json")
    summary = json.loads((street / "summary.json").read_text())
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["journal_head"] == summary["journal_head"]


@pytest.mark.parametrize("seq", [1, 40, 700, 1_300])
def test_one_changed_byte_of_an_entry_is_seen_and_the_entry_named(
    altered: Callable[..., Path], seq: int
) -> None:
    folder = altered(
        "update entries set bytes = cast(substr(bytes, 1, 30) || 'x' || substr(bytes, 32) as blob)"
        " where seq = ?",
        seq,
    )
    found = wattbay("verify", folder)
    assert found.returncode == 1
    assert f"entry {seq}:" in found.stderr


def test_one_changed_byte_of_a_hash_is_seen_and_the_entry_named(
    altered: Callable[..., Path],
) -> None:
    found = wattbay("verify", altered("update entries set hash = zeroblob(32) where seq = 500"))
    assert found.returncode == 1
    assert "entry 500:" in found.stderr


def test_a_journal_that_was_cut_short_is_seen(altered: Callable[..., Path]) -> None:
    folder = altered("delete from entries where seq > 1000")
    found = wattbay("verify", folder)
    assert found.returncode == 1
    assert "entry 1000:" in found.stderr


def test_an_altered_order_in_a_rehashed_chain_is_seen_and_the_entry_named(
    street: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(street, tmp_path / "run")
    with closing(sqlite3.connect(folder / "journal.sqlite")) as file, file:
        rows = file.execute("select seq, bytes from entries order by seq").fetchall()
        previous, target = bytes(32), 0
        for seq, data in rows:
            entry = json.loads(data)
            written = data
            if not target and entry[2][0] == "PlaceOrder" and entry[3][0][0] == "OrderPlaced":
                target = seq
                entry[2][5] += 100
                written = json.dumps(entry, separators=(",", ":")).encode()
            previous = sha256(previous + written).digest()
            file.execute(
                "update entries set bytes = ?, hash = ? where seq = ?", (written, previous, seq)
            )
    found = wattbay("verify", folder, "--head", previous.hex())
    assert found.returncode == 1
    assert f"entry {target}:" in found.stderr
    assert "OrderPlaced" in found.stderr or "quantity" in found.stderr


def test_what_precedes_a_torn_entry_stays_readable(altered: Callable[..., Path]) -> None:
    folder = altered("update entries set bytes = x'7b' where seq = 1200")
    shown = wattbay("show", folder, "entry", "40")
    assert shown.returncode == 0, shown.stderr


def test_every_fault_of_a_scenario_is_listed_and_nothing_is_run(tmp_path: Path) -> None:
    scenario = tmp_path / "bad.toml"
    scenario.write_text('format = 1\nid = "b d"\nsed = 3\n[community]\nid = "x"\n')
    ran = wattbay("run", scenario, "--out", tmp_path / "run")
    assert ran.returncode == 2
    told = ran.stderr.splitlines()
    assert len([line for line in told if f"{scenario}:" in line]) > 3
    assert any(f"{scenario}:3" in line and "seed" in line for line in told)
    assert not (tmp_path / "run").exists()


def test_a_flipped_bit_is_counted_estimated_and_later_corrected(street: Path) -> None:
    totals = json.loads((street / "summary.json").read_text())["totals"]
    assert sum(totals["refused_at_wire"].values()) == totals["faults_injected"]["flipped"] > 0
    meters = pl.read_parquet(street / "meters.parquet")
    first = meters.filter(pl.col("version") == 1)
    assert "estimated" in first["quality"].to_list()
    last = meters.sort("version").unique(["delivery_start", "pod"], keep="last")
    assert "estimated" not in last["quality"].to_list()
    # Everyone was settled in the initial run, whoever was missing.
    assert first.filter(pl.col("run") == "initial").height == 6 * 96


def test_a_run_compares_with_itself_and_parts_from_an_altered_one(
    street: Path, altered: Callable[..., Path]
) -> None:
    assert json.loads(wattbay("compare", street, street, "--json").stdout)["same"] is True
    shorter = altered("delete from entries where seq > 700")
    found = wattbay("compare", street, shorter, "--json")
    assert (found.returncode, json.loads(found.stdout)["entry"]) == (1, 701)
