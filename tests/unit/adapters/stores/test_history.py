from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import MIDNIGHT, a_deposit, a_kernel, a_town, an_order, entries_of
from wattbay.adapters.stores.history import SqliteHistory, memory_history, store
from wattbay.errors import AdapterError, InvariantBroken
from wattbay.kernel.journal import Journal, MemoryJournal, SqliteJournal
from wattbay.periods import Instant
from wattbay.views.history import Want

ROOT = Path(__file__).parents[4]

DEPOSITS = 600


def a_journal(
    deposits: int = DEPOSITS, *, first: int = 1, journal: Journal | None = None
) -> Journal:
    """Return the journal of a town, to which money is paid in again and again."""
    journal = MemoryJournal() if journal is None else journal
    paid = [a_deposit(party="p01", amount_nano=first + place) for place in range(deposits)]
    a_kernel(*a_town(), *paid, journal=journal)
    return journal


def amounts(history: SqliteHistory) -> list[object]:
    return [row["amount"] for row in history.all(Want("postings", {"kind": "deposit"}))]


def test_catching_up_folds_what_is_missing_and_nothing_twice(tmp_path: Path) -> None:
    journal, heard = a_journal(), list[int]()
    history = SqliteHistory(tmp_path / "h.sqlite")
    for entry in entries_of(journal)[:100]:
        history.fold(entry)
    history.close()
    history = SqliteHistory(tmp_path / "h.sqlite")
    assert history.seq == 100
    # It never saw the journal whose entries it was given, so that it is made anew.
    assert history.catch_up(journal, heard.append) == journal.last_seq
    assert heard == list(range(1_000, journal.last_seq + 1, 1_000))
    assert history.catch_up(journal) == 0
    history.close()
    history = SqliteHistory(tmp_path / "h.sqlite")
    assert history.catch_up(journal) == 0
    assert amounts(history) == list(range(1, DEPOSITS + 1))
    history.close()


def test_it_is_a_reader_of_the_kernel_that_goes_on_where_it_was(tmp_path: Path) -> None:
    path, journal = tmp_path / "h.sqlite", MemoryJournal()
    history = SqliteHistory(path)
    history.catch_up(journal)
    kernel = a_kernel(*a_town(), journal=journal, readers=[history])
    kernel.submit(an_order())
    history.close()
    kernel.submit(an_order("h02"))  # While nobody listens.
    history = SqliteHistory(path)
    assert history.catch_up(journal) == 1
    assert [row["pod"] for row in history.find(Want("orders")).rows] == ["h02", "h01"]
    history.close()


@pytest.mark.parametrize("deposits", [DEPOSITS - 1, DEPOSITS, DEPOSITS + 1])
def test_a_history_of_another_journal_is_made_anew(tmp_path: Path, deposits: int) -> None:
    history = SqliteHistory(tmp_path / "h.sqlite")
    history.catch_up(a_journal())
    other = a_journal(deposits, first=7)
    assert history.catch_up(other) == other.last_seq
    assert amounts(history) == list(range(7, deposits + 7))
    history.close()


def test_a_file_of_another_form_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    history = SqliteHistory(path)
    history.catch_up(a_journal(3))
    history.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 7")
    db.close()
    history = SqliteHistory(path)
    assert (history.seq, history.find(Want("entries")).rows) == (0, [])
    history.close()


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    history = SqliteHistory(path)
    history.catch_up(a_journal(3))
    history.close()
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 20_000)
    history = SqliteHistory(path)
    assert history.seq == 0
    history.close()


def test_a_file_that_is_damaged_while_it_is_read_is_made_anew(tmp_path: Path) -> None:
    path, journal = tmp_path / "h.sqlite", a_journal()
    history = SqliteHistory(path)
    history.catch_up(journal)
    history.close()
    content = path.read_bytes()
    history = SqliteHistory(path)
    history.catch_up(journal)
    path.write_bytes(content[:4_096] + b"\xff" * (len(content) - 4_096))
    with pytest.raises(AdapterError, match="cannot be read"):
        history.find(Want("postings"))
    assert amounts(history) == list(range(1, DEPOSITS + 1))
    history.close()


@pytest.mark.parametrize("content", [b"something else", b"SQLite format 3\x00" + bytes(84)])
def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "h.sqlite"
    path.write_bytes(content)
    with pytest.raises(AdapterError):
        SqliteHistory(path)
    assert path.read_bytes() == content


def test_another_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    a_journal(1, journal=SqliteJournal(path)).close()
    content = path.read_bytes()
    with pytest.raises(AdapterError, match="something else than a history"):
        SqliteHistory(path)
    assert path.read_bytes() == content


def test_a_history_is_kept_by_one_program_at_a_time(tmp_path: Path) -> None:
    history = SqliteHistory(tmp_path / "h.sqlite")
    history.catch_up(a_journal(1))
    with pytest.raises(AdapterError, match="in use by another program"):
        SqliteHistory(tmp_path / "h.sqlite")
    history.close()


def test_a_full_disk_stops_the_history_alone_until_there_is_room(tmp_path: Path) -> None:
    journal = MemoryJournal()
    history = SqliteHistory(tmp_path / "h.sqlite")
    history.catch_up(journal)
    kernel = a_kernel(*a_town(), journal=journal, readers=[history])
    history.flush()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, before[1]))
    try:
        for place in range(3 * store.ENTRIES_PER_WRITE):
            kernel.submit(a_deposit(party="p01", amount_nano=1 + place))
        assert history.seq < journal.last_seq
        with pytest.raises(AdapterError, match="cannot be written"):
            history.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert amounts(history) == list(range(1, 3 * store.ENTRIES_PER_WRITE + 1))
    kernel.submit(an_order())
    assert history.find(Want("orders")).rows != []
    history.close()


PROGRAM = """
import os, signal, sys
from pathlib import Path
from tests.builders import a_deposit, a_kernel, a_town
from wattbay.adapters.stores.history import SqliteHistory
from wattbay.kernel.journal import SqliteJournal

journal, history = SqliteJournal(Path(sys.argv[1])), SqliteHistory(Path(sys.argv[2]))
history.catch_up(journal)
kernel = a_kernel(*a_town(), journal=journal, readers=[history])
for amount in range(1, int(sys.argv[3]) + 1):
    kernel.submit(a_deposit(party="p01", amount_nano=amount))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_written_survives_a_kill(tmp_path: Path) -> None:
    paths = tmp_path / "j.sqlite", tmp_path / "h.sqlite"
    arguments = [sys.executable, "-c", PROGRAM, *map(str, paths), str(DEPOSITS)]
    killed = subprocess.run(arguments, check=False, timeout=60, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    journal, history = SqliteJournal(paths[0]), SqliteHistory(paths[1])
    assert 0 < history.catch_up(journal) < store.ENTRIES_PER_WRITE
    assert amounts(history) == list(range(1, DEPOSITS + 1))
    history.close()
    journal.close()


def test_entries_are_folded_without_a_gap() -> None:
    history = memory_history()
    first, second, *_ = entries_of(a_journal(1))
    with pytest.raises(InvariantBroken):
        history.fold(second)
    history.fold(first)
    history.fold(first)
    assert history.seq == 1
    history.close()


def test_a_closed_history_says_so(tmp_path: Path) -> None:
    history = SqliteHistory(tmp_path / "h.sqlite")
    history.close()
    with pytest.raises(AdapterError, match="is closed"):
        history.find(Want("orders"))
    with pytest.raises(AdapterError, match="is closed"):
        history.flush()


def test_open_orders_are_known_after_a_restart_in_the_midst(tmp_path: Path) -> None:
    path, journal = tmp_path / "h.sqlite", MemoryJournal()
    history = SqliteHistory(path)
    history.catch_up(journal)
    kernel = a_kernel(*a_town(), journal=journal, readers=[history])
    kernel.submit(an_order())
    history.close()
    history = SqliteHistory(path)
    kernel.advance(Instant(MIDNIGHT))
    assert [row["state"] for row in history.find(Want("orders")).rows] == ["open"]
    history.catch_up(journal)
    assert [row["state"] for row in history.find(Want("orders")).rows] == ["expired"]
    history.close()
