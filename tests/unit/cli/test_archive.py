"""The commands of `archive`, on a community that lived through four months."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.builders import EVE, a_deposit, a_kernel, a_town
from wattbay.adapters.stores.sqlite import SqliteReadingStore
from wattbay.cli.archive import app
from wattbay.errors import ConfigError, Fault, JournalError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.evidence import Reading
from wattbay.kernel.journal import SqliteJournal
from wattbay.kernel.requests import MEMORY_ENTRIES_MAX
from wattbay.periods import DAY, Instant, instant

MAY = instant("2026-05-01T00:00Z")


def call(*words: str | Path) -> str:
    """Run a command, and return what it printed; what it raises is raised."""
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "kept"
    folder.mkdir()
    live(folder, 3)
    return folder


def live(folder: Path, deposits: int) -> None:
    with closing(SqliteJournal(folder / "journal.sqlite")) as journal:
        clock = SimulatedClock(EVE)
        kernel = a_kernel(*a_town(), journal=journal, clock=clock)
        for month in ("2013-07", "2013-08", "2013-09"):
            kernel.advance(instant(f"{month}-05T00:00Z"))
            kernel.submit_many([a_deposit(request=f"{month}-{n}") for n in range(deposits)])


def test_months_are_written_as_far_as_told_and_verified(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "archive"
    said = call("write", folder, "--out", out, "--until", "2013-07")
    assert said.count(".jsonl.gz") == 2
    written = json.loads(call("write", folder / "journal.sqlite", "--out", out, "--json"))
    assert [header["community"] for header in written] == ["town"]
    assert "No month is closed" in call("write", folder, "--out", out)
    said = call("verify", out)
    assert said.startswith("3 files of town: every byte is as it was written.")
    assert f"{written[0]['last_seq']:,} entries: every hash" in said
    head = written[0]["head_after"]
    assert json.loads(call("verify", out, "--head", head, "--json"))["journal_head"] == head
    with closing(SqliteJournal(folder / "journal.sqlite", read_only=True)) as journal:
        head = journal.head.hex()
    said = call("verify", out, "--journal", folder, "--head", head, "--json")
    assert json.loads(said)["head_compared"] is True


def test_archive_that_was_altered_does_not_verify(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "archive"
    call("write", folder, "--out", out)
    path = min(out.iterdir())
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(JournalError, match="cannot be read"):
        call("verify", out)
    path.unlink()
    with pytest.raises(JournalError, match="has no entry 1"):
        call("verify", out, "--journal", folder)


def test_short_journal_is_not_pruned(folder: Path, tmp_path: Path) -> None:
    call("write", folder, "--out", tmp_path / "archive")
    assert "Nothing can be spared" in call("prune", folder, tmp_path / "archive")
    assert len(list((folder / "snapshots").iterdir())) == 1


def test_long_journal_is_pruned_and_verifies_with_its_archive(tmp_path: Path) -> None:
    live(tmp_path, MEMORY_ENTRIES_MAX // 2 + 1_000)
    archive = tmp_path / "archive"
    call("write", tmp_path, "--out", archive)
    kept = tmp_path / "elsewhere"
    found = json.loads(call("prune", tmp_path, archive, "--snapshots", kept, "--json"))
    assert found["pruned"] == found["first_seq"] - 1 > 30_000
    assert "Nothing can be spared" in call("prune", tmp_path, archive, "--snapshots", kept)
    with closing(SqliteJournal(tmp_path / "journal.sqlite", read_only=True)) as journal:
        assert journal.base.seq == found["pruned"]
        assert len(list(journal.rows(found["first_seq"]))) > MEMORY_ENTRIES_MAX
    said = json.loads(call("verify", archive, "--journal", tmp_path, "--json"))
    assert said["entries"] == found["last_seq"]
    assert "are in the journal" in call("prune", tmp_path, archive)


def test_old_readings_go_to_files(tmp_path: Path) -> None:
    with closing(SqliteReadingStore(tmp_path / "readings.sqlite")) as store:
        store.add(
            [
                Reading(
                    CommunityId("london"), MeterId("m07"), 1, seq, Instant(MAY + seq * DAY), seq, 0,
                    0, None, None, b"%d" % seq,
                )
                for seq in range(1, 40)
            ]
        )  # fmt: skip
    out = tmp_path / "archive"
    said = call("readings", tmp_path, "--before", "2026-05-19", "--out", out)
    assert "london-2026-04-27.parquet  2 readings" in said
    assert "16 readings are in" in said
    assert json.loads(call("readings", tmp_path, "--days", "1", "--out", out, "--json"))


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("write", "HERE", "--out", "out", "--until", "July"), "'July' is no month"),
        (("write", "nowhere", "--out", "out"), r"nowhere: holds no journal.sqlite"),
        (("verify", "HERE"), "holds no file of an archive"),
        (("verify", "HERE", "--head", "12"), "'12' is no head"),
        (("prune", "postgresql://nowhere", "HERE"), "are not beside a journal in PostgreSQL"),
        (("readings", "HERE", "--out", "out", "--days", "3"), r"holds no readings.sqlite"),
        (("readings", "HERE", "--out", "out"), "say either --before or --days"),
        (("readings", "HERE", "--out", "out", "--days", "-3"), "less than none"),
        (("readings", "HERE", "--out", "out", "--before", "May"), "'May' is no day"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_words(
    folder: Path, words: tuple[str, ...], what: str
) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        call(*(str(folder) if word == "HERE" else word for word in words))
    assert isinstance(caught.value.faults[0], Fault)
