"""Where a run may write: what is made, what is refused, and what is never taken away."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from wattbay.adapters.files.run_folder import PARTS, TableWriter, prepare
from wattbay.errors import AdapterError, ConfigError
from wattbay.kernel.journal import SqliteJournal
from wattbay.views.tables import columns

ONE = {"one": columns("wh:int")}


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """Return the folder of a run, with what its owner put beside it."""
    folder = tmp_path / "run"
    (folder / "notes").mkdir(parents=True)
    (folder / PARTS).mkdir()
    for name in ("summary.json", "journal.sqlite", "trades.parquet", "trades.csv"):
        (folder / name).write_text("{}")
    for name in ("meters-of-mine.csv", "notes/thesis.txt"):
        (folder / name).write_text("mine")
    return folder


def test_an_empty_folder_may_hold_a_run(tmp_path: Path) -> None:
    prepare(tmp_path, force=False, resume=False)
    assert tmp_path.is_dir()


def test_a_run_that_is_there_is_refused(held: Path) -> None:
    with pytest.raises(ConfigError, match="holds a run already"):
        prepare(held, force=False, resume=False)


def test_a_folder_that_holds_no_run_is_refused_even_by_force(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not a run folder"):
        prepare(tmp_path, force=True, resume=False)


def test_force_takes_away_what_a_run_left_and_nothing_else(held: Path) -> None:
    prepare(held, force=True, resume=False)
    left = sorted(path.relative_to(held).as_posix() for path in held.rglob("*"))
    assert left == ["meters-of-mine.csv", "notes", "notes/thesis.txt"]


def test_force_spares_a_run_that_is_at_work(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    with pytest.raises(ConfigError, match="is at work"):
        prepare(tmp_path, force=True, resume=False)
    journal.append([b"[]"])
    journal.close()
    prepare(tmp_path, force=True, resume=False)
    assert not any(tmp_path.iterdir())


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made"):
        prepare(tmp_path / "file" / "run", force=False, resume=False)


def test_parts_of_a_run_that_was_broken_off_are_not_joined(tmp_path: Path) -> None:
    (tmp_path / PARTS).mkdir()
    (tmp_path / PARTS / "one-00000.parquet").write_text("half")
    writer = TableWriter(tmp_path, ONE)
    writer.write({"one": [(5,)]})
    writer.finish()
    assert pl.read_parquet(tmp_path / "one.parquet")["wh"].to_list() == [5]
    assert not (tmp_path / PARTS).exists()


def test_a_disk_that_is_full_is_named_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "one.parquet").symlink_to("/dev/full")
    writer = TableWriter(tmp_path, ONE)
    writer.write({"one": [(5,)] * 100})
    with pytest.raises(AdapterError, match=r"one\.parquet cannot be written: .*No space left"):
        writer.finish()
