"""A run that is killed goes on with --resume, to the head of one that never stopped."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.towns import lived
from wattbay.kernel.journal import SqliteJournal
from wattbay.simulation.scenario import load_scenario

COMMAND = (sys.executable, "-m", "wattbay", "run", "street", "--json", "--out")


@pytest.fixture(scope="module")
def unbroken() -> str:
    """The head of a run that nobody kills."""
    return lived(load_scenario("street")).head


def _written(folder: Path) -> int:
    """Return how much of a journal stands that somebody else is writing. [byte]"""
    size = 0
    for name in ("journal.sqlite", "journal.sqlite-wal"):
        with suppress(FileNotFoundError):
            size += (folder / name).stat().st_size
    return size


@pytest.mark.parametrize("seed", range(5))
def test_a_killed_run_resumes_to_the_head_of_an_unbroken_one(
    tmp_path: Path, unbroken: str, seed: int
) -> None:
    folder = tmp_path / "run"
    stop_at = random.Random(seed).randint(100_000, 900_000)
    run = subprocess.Popen([*COMMAND, str(folder)], stdout=subprocess.PIPE)
    while run.poll() is None and _written(folder) < stop_at:
        pass  # the size of its journal tells how far it is
    run.send_signal(signal.SIGKILL)
    run.communicate()
    journal = SqliteJournal(folder / "journal.sqlite")
    assert journal.last_seq > 0
    journal.close()
    again = subprocess.run(
        [*COMMAND, str(folder), "--resume"], stdout=subprocess.PIPE, check=True, text=True
    )
    assert json.loads(again.stdout)["journal_head"] == unbroken


def test_a_run_folder_is_not_overwritten_unasked(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "journal.sqlite").write_bytes(b"")
    run = subprocess.run([*COMMAND, str(folder)], stderr=subprocess.PIPE, check=False, text=True)
    assert run.returncode == 2
    assert "--force" in run.stderr
    assert "--resume" in run.stderr
