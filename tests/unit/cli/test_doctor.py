"""The doctor says what is missing, and only what is needed makes it fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wattbay.cli.doctor import Finding, examine, is_healthy, numbers, report, to_json
from wattbay.core.market.columns import IS_COMPILED


def test_machine_that_passes_its_tests_is_healthy(tmp_path: Path) -> None:
    findings = examine(tmp_path)
    assert [finding for finding in findings if finding.is_needed and not finding.is_right] == []
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_hold_a_journal_is_found(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder", encoding="utf-8")
    journal = next(finding for finding in examine(file) if finding.what == "Journal")
    assert not journal.is_right
    assert not is_healthy([journal])


def test_missing_advice_leaves_a_machine_healthy() -> None:
    assert is_healthy([Finding("Browser", "none", is_right=False, is_needed=False)])
    assert not is_healthy([Finding("Python", "3.10", is_right=False)])


def test_versions_compare_by_number() -> None:
    assert numbers("0.22.0") >= numbers("0.20")
    assert numbers("10.1") > numbers("9.9")
    assert numbers("2.0.0rc1") == (2, 0, 0)


def test_answer_for_a_program_bears_the_same_findings(tmp_path: Path) -> None:
    findings = examine(tmp_path)
    read = json.loads(to_json(findings))
    assert read["healthy"] is is_healthy(findings)
    assert [row["what"] for row in read["findings"]] == [finding.what for finding in findings]


def test_exit_status_says_whether_something_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(tmp_path, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["healthy"] is True


def test_doctor_says_whether_the_order_book_is_compiled(tmp_path: Path) -> None:
    book = next(finding for finding in examine(tmp_path) if finding.what == "Order book")
    assert book.found == ("compiled" if IS_COMPILED else "interpreted")
    assert is_healthy([book])
