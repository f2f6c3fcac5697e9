"""Killed at any moment: what was answered is history, and history is a prefix."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from tests.crash.writer import continue_history
from wattbay.errors import JournalError
from wattbay.kernel.journal import MemoryJournal, Row, SqliteJournal
from wattbay.kernel.replay import compare, verify

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("WATTBAY_KILLS") or 25)
ANSWERS_MAX = 120
"""How many answers a program may give at most before it is killed."""


def start(path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.crash.writer", str(path), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def run_until_killed(path: Path, seed: int, answers: int) -> int:
    """Let a program live until it has given some answers; return the last that was heard."""
    with start(path, str(seed)) as program:
        assert program.stdout is not None
        heard = [int(line) for line in islice(program.stdout, answers)]
        program.kill()
        heard += [int(line) for line in program.stdout if line.endswith("\n")]
    assert program.returncode == -9
    return heard[-1]


def unbroken(last_seq: int) -> MemoryJournal:
    """Return the history of a program that was never killed, at least that long."""
    journal = MemoryJournal()
    for seq in continue_history(journal, random.Random(0)):
        if seq >= last_seq and journal.last_seq >= last_seq:
            return journal
    raise AssertionError


def check_prefix(journal: SqliteJournal) -> None:
    """Make sure that a history is the beginning of the unbroken one."""
    found = compare(journal, unbroken(journal.last_seq))
    assert found is None or found == (journal.last_seq + 1, "the first journal ends before it")


def go_on(journal: SqliteJournal, entries: int) -> None:
    """Continue a history by some entries; it is still the beginning of the unbroken one."""
    until = journal.last_seq + entries
    for seq in continue_history(journal, random.Random(until)):
        if seq >= until:
            break
    check_prefix(journal)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a program that was killed, as it was left."""
    folder = tmp_path_factory.mktemp("killed")
    run_until_killed(folder / "journal.sqlite", seed=1, answers=ANSWERS_MAX)
    assert (folder / "journal.sqlite-wal").stat().st_size > 0
    return folder


def test_no_answered_command_is_lost_whenever_the_program_is_killed(tmp_path: Path) -> None:
    path, chance, last = tmp_path / "journal.sqlite", random.Random(7), 0
    for kill in range(KILLS):
        heard = run_until_killed(path, kill, answers=chance.randint(1, ANSWERS_MAX))
        assert heard > last
        with closing(SqliteJournal(path)) as journal:
            last = journal.last_seq
            assert last >= heard
            check_prefix(journal)
    with closing(SqliteJournal(path)) as journal:
        assert verify(journal, head=journal.head).entries == last


def test_interrupted_run_is_resumed_to_the_head_of_an_unbroken_one(
    killed: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(killed, tmp_path / "copy")
    with closing(SqliteJournal(folder / "journal.sqlite", read_only=True)) as journal:
        last_seq = journal.last_seq
    with closing(SqliteJournal(folder / "journal.sqlite", resume=True)) as journal:
        go_on(journal, entries=last_seq + 100)


def test_killed_journal_can_be_read_before_it_is_taken_up(killed: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(killed, tmp_path / "copy")
    with closing(SqliteJournal(folder / "journal.sqlite", read_only=True)) as journal:
        assert journal.last_seq > 100
        check_prefix(journal)


@pytest.mark.parametrize("seed", range(12))
def test_torn_end_is_left_out_and_what_precedes_it_is_taken_up(
    killed: Path, tmp_path: Path, seed: int
) -> None:
    folder = shutil.copytree(killed, tmp_path / "copy")
    log, chance = folder / "journal.sqlite-wal", random.Random(seed)
    data = bytearray(log.read_bytes())
    at = chance.randrange(len(data))
    if seed % 2:
        data[at] ^= 1 << chance.randrange(8)
    else:
        del data[at:]
    log.write_bytes(data)
    with closing(SqliteJournal(folder / "journal.sqlite")) as journal:
        check_prefix(journal)
        go_on(journal, entries=100)
    assert not log.exists()


@pytest.mark.parametrize("seed", range(6))
def test_file_that_lost_its_end_is_refused_and_what_precedes_it_stays_readable(
    killed: Path, tmp_path: Path, seed: int
) -> None:
    folder = shutil.copytree(killed, tmp_path / "copy")
    path = folder / "journal.sqlite"
    SqliteJournal(path).close()
    pages = path.stat().st_size // 4096
    with path.open("r+b") as file:
        file.truncate(4096 * random.Random(seed).randrange(3, pages))
    with pytest.raises(JournalError):
        SqliteJournal(path)
    seen: list[Row] = []
    with (
        closing(SqliteJournal(path, read_only=True)) as journal,
        pytest.raises(JournalError) as caught,
    ):
        seen.extend(journal.rows())
    assert caught.value.seq == len(seen) + 1
    assert seen == list(islice(unbroken(len(seen)).rows(), len(seen)))


def test_full_disk_stops_the_kernel_before_an_answer_is_given(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with start(path, "3", "200000") as program:
        assert program.stdout is not None
        *answered, error = program.stdout.read().splitlines()
    assert program.returncode == 0
    assert "cannot be written" in error
    with closing(SqliteJournal(path)) as journal:
        assert journal.last_seq == int(answered[-1])
        check_prefix(journal)
        go_on(journal, entries=100)
