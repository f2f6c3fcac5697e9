"""What a person may mistype or run out of: told in words, without a trace of Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wattbay.simulation.scenario import PACKAGED

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
def lone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a day of one home, which finds nobody to trade with."""
    folder = tmp_path_factory.mktemp("lone")
    ran = wattbay("run", "street", "--pods", "1", "--days", "1", "--out", folder)
    assert ran.returncode == 0, ran.stderr
    return folder


def told(ran: Ran, status: int) -> str:
    """Return what was said, once it is sure that it was said in words."""
    assert ran.returncode == status, ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stderr


def test_a_home_alone_never_trades_and_has_its_report(lone: Path) -> None:
    assert (lone / "report.html").stat().st_size > 10_000
    assert wattbay("verify", lone).returncode == 0


def test_force_contradicts_resume(lone: Path) -> None:
    ran = wattbay("run", "street", "--out", lone, "--force", "--resume")
    assert "--resume" in told(ran, 2)


def test_a_journal_in_memory_cannot_be_resumed(lone: Path) -> None:
    ran = wattbay("run", "street", "--out", lone, "--resume", "--journal", "memory")
    assert "--resume" in told(ran, 2)


def test_a_run_of_another_seed_is_not_continued_and_stays_whole(lone: Path) -> None:
    before = sorted(path.name for path in lone.iterdir())
    ran = wattbay(
        "run", "street", "--pods", "1", "--days", "1", "--seed", "7", "--out", lone, "--resume"
    )
    assert "does not repeat" in told(ran, 1)
    assert sorted(path.name for path in lone.iterdir()) == before
    assert wattbay("verify", lone).returncode == 0


def test_a_title_may_bear_what_a_terminal_or_a_page_takes_for_markup(tmp_path: Path) -> None:
    packaged = PACKAGED.as_posix()
    text = (PACKAGED / "street.toml").read_text(encoding="utf-8")
    text = text.replace('"data/', f'"{packaged}/data/')
    text = text.replace('"Six London homes, two days"', '"[bold]6[/x] & <script>alert(1)</script>"')
    (tmp_path / "scenario.toml").write_text(text, encoding="utf-8")
    run = tmp_path / "run"
    told(wattbay("run", tmp_path, "--days", "1", "--pods", "2", "--out", run), 0)
    shown = wattbay("show", run)
    assert "[bold]6[/x] & <script>alert(1)</script>" in shown.stdout, shown.stderr
    assert "<script>alert(1)" not in (run / "report.html").read_text(encoding="utf-8")


def test_an_empty_file_is_no_journal_and_stays_empty(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").touch()
    assert "is not a journal" in told(wattbay("verify", tmp_path), 1)
    assert (tmp_path / "journal.sqlite").stat().st_size == 0


def test_a_torn_file_is_refused_with_the_number_of_the_entry(lone: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(lone, tmp_path / "run")
    whole = (folder / "journal.sqlite").read_bytes()
    torn = whole[: len(whole) // 2]
    (folder / "journal.sqlite").write_bytes(torn)
    said = told(wattbay("verify", folder), 1)
    assert said.strip().startswith("entry ")
    assert (folder / "journal.sqlite").read_bytes() == torn


def test_a_summary_without_head_is_told(lone: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(lone, tmp_path / "run")
    (folder / "summary.json").write_text("{}")
    assert "summary.json" in told(wattbay("verify", folder), 1)


def test_a_report_that_finds_the_disk_full_says_so(lone: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(lone, tmp_path / "run")
    (folder / "report.html").unlink()
    (folder / "report.html").symlink_to("/dev/full")
    assert "No space left" in told(wattbay("report", folder), 1)
