"""Closed months of a journal as files, what is pruned after that, and the whole history again."""

from __future__ import annotations

import gzip
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from tests.builders import EVE, Listener, a_deposit, a_kernel, a_town, an_entry
from wattbay.adapters.stores import archive_file
from wattbay.adapters.stores.archive import (
    ArchivedJournal,
    archive,
    check_archive,
    end_of,
    headers,
    month_after,
    prune,
)
from wattbay.errors import AdapterError, InvariantBroken, JournalError
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.codec import GENESIS, encode
from wattbay.kernel.journal import Journal, SqliteJournal
from wattbay.kernel.kernel import Kernel
from wattbay.kernel.replay import rebuild, snapshot, state_digest, verify
from wattbay.kernel.requests import MEMORY_ENTRIES_MAX
from wattbay.periods import instant

MONTHS = ("2013-07", "2013-08", "2013-09")


def live_on(journal: Journal, deposits: int, last: int | None = None) -> None:
    """Let a town be founded in June and live until September, with deposits in each month."""
    clock = SimulatedClock(EVE)
    kernel = a_kernel(*a_town(), journal=journal, clock=clock)
    for month in MONTHS:
        kernel.advance(instant(f"{month}-05T00:00Z"))
        count = last if last is not None and month == MONTHS[-1] else deposits
        kernel.submit_many([a_deposit(request=f"{month}-{number}") for number in range(count)])


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    with closing(SqliteJournal(tmp_path / "journal.sqlite")) as made:
        live_on(made, 10)
        yield made


@pytest.fixture(scope="module")
def long_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a journal that remembers more than a kernel does, and its archive."""
    folder = tmp_path_factory.mktemp("long")
    with closing(SqliteJournal(folder / "journal.sqlite")) as journal:
        live_on(journal, 1_000, last=MEMORY_ENTRIES_MAX - 500)
        archive(journal, folder / "archive")
        state = snapshot(rebuild(journal), journal.last_seq, journal.head)
    (folder / "snapshot").write_bytes(state)
    return folder


@pytest.fixture
def long(long_folder: Path, tmp_path: Path) -> Path:
    """Return a copy of that folder."""
    return shutil.copytree(long_folder, tmp_path / "long")


def alter(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change what a file holds, as somebody would who knows how it is made."""
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes())), mtime=0))


def file_of(folder: Path, number: int) -> Path:
    return sorted(folder.iterdir())[number]


# --- writing ---------------------------------------------------------------------------------


def test_each_closed_month_gets_a_file_and_the_open_one_none(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    written = archive(journal, tmp_path / "archive")
    assert [header.community for header in written] == ["town"] * 3
    assert written == headers(tmp_path / "archive")
    rows = list(journal.rows())
    ends = [0, *(header.last_seq for header in written)]
    for month, header, before in zip(("2013-06", *MONTHS), written, ends, strict=False):
        assert header.first_seq == before + 1
        assert header.head_after == rows[header.last_seq - 1][2].hex()
        last = msgspec.json.decode(rows[header.last_seq - 1][1])
        following = msgspec.json.decode(rows[header.last_seq][1])
        assert last[1] < end_of(month) <= following[1]


def test_file_is_what_its_reference_says(journal: SqliteJournal, tmp_path: Path) -> None:
    (header,) = archive(journal, tmp_path, until_seq=12)
    path = tmp_path / "journal-000000001-000000012.jsonl.gz"
    first, _, content = gzip.decompress(path.read_bytes()).partition(b"\n")
    assert msgspec.json.decode(first) == msgspec.to_builtins(header)
    assert content.splitlines() == [data for seq, data, _ in journal.rows() if seq <= 12]
    assert header.sha256 == sha256(content).hexdigest()
    assert header.head_before == GENESIS.hex()
    assert path.read_bytes()[4:8] == bytes(4)  # no time of writing


def test_same_entries_make_the_same_files(journal: SqliteJournal, tmp_path: Path) -> None:
    archive(journal, tmp_path / "one")
    archive(journal, tmp_path / "two", month="2013-07")
    archive(journal, tmp_path / "two")
    for one, two in zip((tmp_path / "one").iterdir(), (tmp_path / "two").iterdir(), strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_month_says_how_far_to_go(journal: SqliteJournal, tmp_path: Path) -> None:
    assert archive(journal, tmp_path / "archive", month="2013-05") == []
    assert len(archive(journal, tmp_path / "archive", month="2013-07")) == 2
    assert archive(journal, tmp_path / "archive", month="2013-07") == []
    assert len(archive(journal, tmp_path / "archive", month="2099-12")) == 1


def test_months_are_of_utc() -> None:
    assert month_after(instant("2013-12-31T23:59:59.999999Z")) == instant("2014-01-01T00:00Z")
    assert month_after(instant("2014-01-01T00:00Z")) == instant("2014-02-01T00:00Z")
    assert end_of("2013-11") == instant("2013-12-01T00:00Z")
    for text in ("2013", "2013-13", "2013-7", "july"):
        with pytest.raises(ValueError, match="a month is written as 2013-07"):
            end_of(text)


def test_what_is_not_in_the_journal_is_not_archived(journal: SqliteJournal, tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="missing"):
        archive(journal, tmp_path / "archive", until_seq=journal.last_seq + 1)
    with closing(SqliteJournal(tmp_path / "other.sqlite")) as other:
        other.append([encode(an_entry())])
        with pytest.raises(JournalError, match="no community is opened"):
            archive(other, tmp_path / "archive", until_seq=1)
    assert list((tmp_path / "archive").iterdir()) == []


def test_altered_journal_is_not_archived(journal: SqliteJournal, tmp_path: Path) -> None:
    journal._db.execute("UPDATE entries SET bytes = bytes || ' ' WHERE seq = 5")  # noqa: SLF001
    with pytest.raises(JournalError, match="entry 5: its hash"):
        archive(journal, tmp_path / "archive", until_seq=8)
    assert list((tmp_path / "archive").iterdir()) == []


def test_archive_of_another_journal_is_not_continued(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    archive(journal, tmp_path / "archive", month="2013-07")
    with closing(SqliteJournal(tmp_path / "other.sqlite")) as other:
        live_on(other, 9)
        with pytest.raises(JournalError, match="is not of this journal"):
            archive(other, tmp_path / "archive")
    with closing(SqliteJournal(tmp_path / "short.sqlite")) as short:
        short.append([row[1] for row in journal.rows() if row[0] <= 5])
        with pytest.raises(JournalError, match="holds more than the journal"):
            ArchivedJournal(tmp_path / "archive", short)


def test_folder_that_cannot_be_written_is_told(journal: SqliteJournal, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AdapterError, match="cannot be made"):
        archive(journal, tmp_path / "file" / "archive")
    (tmp_path / "archive" / "journal.part").mkdir(parents=True)
    with pytest.raises(AdapterError, match="cannot be written"):
        archive(journal, tmp_path / "archive")


@pytest.mark.parametrize("bytes_max", [0, 500, 1_200])
def test_full_disk_is_told_and_leaves_no_file_that_counts(
    journal: SqliteJournal, tmp_path: Path, bytes_max: int
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, hard))
    try:
        with pytest.raises(AdapterError, match="cannot be written: File too large"):
            archive(journal, tmp_path / "archive")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert headers(tmp_path / "archive") == []
    assert len(archive(journal, tmp_path / "archive")) == 3
    assert len(list((tmp_path / "archive").iterdir())) == 3


# --- reading ---------------------------------------------------------------------------------


def test_archive_and_journal_are_the_whole_history(journal: SqliteJournal, tmp_path: Path) -> None:
    archive(journal, tmp_path / "archive")
    whole = ArchivedJournal(tmp_path / "archive", journal)
    assert list(whole.rows()) == list(journal.rows())
    assert verify(whole, head=journal.head).entries == whole.last_seq == journal.last_seq
    whole.append([b"[]"])
    assert (whole.head, whole.last_seq) == (journal.head, journal.last_seq)


def test_archive_alone_is_a_history_that_verifies(journal: SqliteJournal, tmp_path: Path) -> None:
    written = archive(journal, tmp_path / "archive")
    alone = ArchivedJournal(tmp_path / "archive")
    found = verify(alone, head=bytes.fromhex(written[-1].head_after))
    assert found.entries == alone.last_seq == written[-1].last_seq
    with pytest.raises(JournalError, match="takes nothing more"):
        alone.append([b"[]"])
    alone.close()


def test_empty_archive_is_nothing(tmp_path: Path) -> None:
    assert check_archive(tmp_path) == (0, 0, "", GENESIS)
    empty = ArchivedJournal(tmp_path / "nowhere")
    assert (list(empty.rows()), empty.head, empty.last_seq) == ([], GENESIS, 0)


@pytest.mark.parametrize("from_seq", [1, 7, 12, 13, 14, 30, 41, 46, 47])
def test_rows_begin_where_told(journal: SqliteJournal, tmp_path: Path, from_seq: int) -> None:
    archive(journal, tmp_path / "archive")
    alone = ArchivedJournal(tmp_path / "archive")
    wanted = [row for row in journal.rows() if from_seq <= row[0] <= alone.last_seq]
    assert list(alone.rows(from_seq)) == wanted


# --- faults ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda all_of_it: all_of_it.replace(b"DepositMoney", b"DepositMonex", 1), "was altered"),
        (lambda all_of_it: all_of_it[: all_of_it.rindex(b"\n[") + 1], "ends before entry"),
        (lambda all_of_it: all_of_it + b"x\n", "something else in its place"),
        (lambda all_of_it: all_of_it[:-1], "something else in its place"),
        (lambda all_of_it: all_of_it.replace(b'"format":1', b'"format":2', 1), "format 2"),
        (lambda all_of_it: all_of_it.replace(b'"sha256"', b'"sha255"', 1), "no file of an"),
        (lambda all_of_it: all_of_it.replace(b'"sha256":"', b'"sha256":"0', 1), "was altered"),
        (
            lambda all_of_it: all_of_it.replace(b'"head_after":"', b'"head_after":"0', 1),
            "not go on",
        ),
        (lambda all_of_it: all_of_it.replace(b'fore":"', b'fore":"z', 1), "not go on|no file of"),
        (lambda _: b"\n", "no file of an archive"),
    ],
)
def test_altered_file_is_refused_before_any_of_it_is_told(
    journal: SqliteJournal, tmp_path: Path, change: Callable[[bytes], bytes], what: str
) -> None:
    archive(journal, tmp_path / "archive")
    alter(file_of(tmp_path / "archive", 1), change)
    with pytest.raises(JournalError, match=what):
        check_archive(tmp_path / "archive")
    first = headers_of_first(tmp_path / "archive")
    seen: list[int] = []
    with pytest.raises(JournalError, match=what):
        seen.extend(row[0] for row in ArchivedJournal(tmp_path / "archive").rows())
    assert seen in ([], list(range(1, first.last_seq + 1)))


def headers_of_first(folder: Path) -> archive_file.Header:
    return archive_file.read_header(file_of(folder, 0))


def test_file_cut_short_or_with_a_flipped_bit_cannot_be_read(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    archive(journal, tmp_path / "archive")
    path = file_of(tmp_path / "archive", 1)
    whole = path.read_bytes()
    half = len(whole) // 2
    flipped = whole[:half] + bytes([whole[half] ^ 16]) + whole[half + 1 :]
    for damaged in (whole[:-5], whole[:half], flipped, b"no"):
        path.write_bytes(damaged)
        with pytest.raises(JournalError, match=r"journal-\d+-\d+.jsonl.gz "):
            check_archive(tmp_path / "archive")


def test_missing_file_is_named_by_its_first_entry(journal: SqliteJournal, tmp_path: Path) -> None:
    first, second, _ = archive(journal, tmp_path / "archive")
    file_of(tmp_path / "archive", 1).unlink()
    with pytest.raises(JournalError, match=f"has no entry {second.first_seq}"):
        check_archive(tmp_path / "archive")
    file_of(tmp_path / "archive", 0).unlink()
    with pytest.raises(JournalError, match="has no entry 1"):
        ArchivedJournal(tmp_path / "archive", journal)
    assert first.first_seq == 1


def test_file_of_another_history_or_with_another_name_is_refused(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    archive(journal, tmp_path / "archive")
    path = file_of(tmp_path / "archive", 1)
    renamed = path.with_name("journal-000000001-000000002.jsonl.gz")
    path.rename(renamed)
    with pytest.raises(JournalError, match="bears another name"):
        check_archive(tmp_path / "archive")
    renamed.rename(path)
    alter(path, lambda whole: whole.replace(b'"community":"town"', b'"community":"city"', 1))
    with pytest.raises(JournalError, match="does not go on from the file before"):
        check_archive(tmp_path / "archive")


def test_archive_that_does_not_reach_the_journal_is_refused(long: Path) -> None:
    with closing(SqliteJournal(long / "journal.sqlite")) as journal:
        prune(journal, long / "archive", (long / "snapshot").read_bytes())
        for header in headers(long / "archive"):
            if header.last_seq >= journal.base.seq:
                (
                    long / "archive" / archive_file.name_of(header.first_seq, header.last_seq)
                ).unlink()
        with pytest.raises(JournalError, match="and the journal goes on after entry"):
            ArchivedJournal(long / "archive", journal)


# --- pruning ---------------------------------------------------------------------------------


def test_pruned_journal_and_its_archive_are_the_whole_history(long: Path) -> None:
    with closing(SqliteJournal(long / "journal.sqlite")) as journal:
        before, head, last_seq = list(journal.rows()), journal.head, journal.last_seq
        gone = prune(journal, long / "archive", (long / "snapshot").read_bytes())
        assert 0 < gone == journal.base.seq <= last_seq - MEMORY_ENTRIES_MAX
        assert prune(journal, long / "archive", (long / "snapshot").read_bytes()) == 0
        assert list(journal.rows(gone + 1)) == before[gone:]
        with pytest.raises(JournalError, match=f"up to {gone} were pruned.* archive") as caught:
            list(journal.rows())
        assert caught.value.seq == 1
    with closing(SqliteJournal(long / "journal.sqlite")) as journal:
        assert (journal.head, journal.last_seq) == (head, last_seq)
        assert journal.base == (gone, before[gone - 1][2])
        whole = ArchivedJournal(long / "archive", journal)
        assert list(whole.rows()) == before
        assert verify(whole, head=head).entries == last_seq


def test_kernel_starts_on_a_pruned_journal_with_a_snapshot(long: Path) -> None:
    taken = (long / "snapshot").read_bytes()
    with closing(SqliteJournal(long / "journal.sqlite")) as journal:
        unpruned = state_digest(rebuild(journal))
        prune(journal, long / "archive", taken)
        exchange = rebuild(journal, snapshot=taken)
        assert state_digest(exchange) == unpruned
        clock = SimulatedClock(instant("2013-09-05T00:00Z"))
        kernel = Kernel(journal, clock, exchange=exchange)
        again = kernel.submit(a_deposit(request="2013-09-0"))
        assert again.seq <= journal.last_seq - 60_000  # what was answered is answered alike
        assert kernel.submit(a_deposit(request="new")).seq == journal.last_seq
        listener = Listener()
        whole = ArchivedJournal(long / "archive", journal)
        rebuild(whole, [listener], snapshot=taken)
        assert len(listener.entries) == journal.last_seq


def test_kernel_without_a_snapshot_needs_the_archive(long: Path) -> None:
    with closing(SqliteJournal(long / "journal.sqlite")) as journal:
        before = state_digest(rebuild(journal))
        prune(journal, long / "archive", (long / "snapshot").read_bytes())
        with pytest.raises(JournalError, match="stand in the archive"):
            rebuild(journal)
        assert state_digest(rebuild(ArchivedJournal(long / "archive", journal))) == before
        with pytest.raises(InvariantBroken, match="as rebuilt from its journal"):
            Kernel(journal, SimulatedClock(EVE))


def test_any_archived_entry_that_can_be_spared_may_be_the_last_to_go(long: Path) -> None:
    with closing(SqliteJournal(long / "journal.sqlite")) as journal:
        before = list(journal.rows())
        assert prune(journal, long / "archive", (long / "snapshot").read_bytes(), 50) == 50
        assert list(ArchivedJournal(long / "archive", journal).rows()) == before
        assert prune(journal, long / "archive", (long / "snapshot").read_bytes(), 90) == 40
        assert list(ArchivedJournal(long / "archive", journal).rows(80)) == before[79:]


def test_what_a_kernel_looks_at_or_no_snapshot_covers_is_not_pruned(long: Path) -> None:
    taken = (long / "snapshot").read_bytes()
    with closing(SqliteJournal(long / "journal.sqlite")) as journal:
        last_seq = journal.last_seq
        archive(journal, long / "archive", until_seq=last_seq - 10)
        with pytest.raises(JournalError, match="the last 65,536 entries stay"):
            prune(journal, long / "archive", taken, last_seq - MEMORY_ENTRIES_MAX + 1)
        with pytest.raises(JournalError, match="not archived"):
            prune(journal, long / "archive", taken, last_seq - 9)
        early = early_snapshot(long, 100)
        with pytest.raises(JournalError, match="follows the snapshot at entry 100"):
            prune(journal, long / "archive", early, 100)
        assert prune(journal, long / "archive", early, 99) == 99
        assert state_digest(rebuild(journal, snapshot=early)) == state_digest(
            rebuild(journal, snapshot=taken)
        )


def early_snapshot(folder: Path, seq: int) -> bytes:
    """Return a snapshot of the state after an entry."""
    with closing(SqliteJournal(folder / "early.sqlite")) as early:
        rows = ArchivedJournal(folder / "archive").rows()
        early.append([data for number, data, _ in rows if number <= seq])
        return snapshot(rebuild(early), early.last_seq, early.head)


def test_nothing_is_pruned_on_the_word_of_a_broken_archive_or_a_foreign_snapshot(
    long: Path, journal: SqliteJournal
) -> None:
    taken = (long / "snapshot").read_bytes()
    foreign = snapshot(rebuild(journal), journal.last_seq, journal.head)
    with closing(SqliteJournal(long / "journal.sqlite")) as pruned:
        with pytest.raises(JournalError, match="the snapshot is not of this journal"):
            prune(pruned, long / "archive", foreign)
        with pytest.raises(JournalError, match="the snapshot is damaged"):
            prune(pruned, long / "archive", taken[:-1])
        alter(file_of(long / "archive", 0), lambda whole: whole.replace(b"penny", b"pence", 1)[:-9])
        with pytest.raises(JournalError, match=r"journal-000000001-"):
            prune(pruned, long / "archive", taken)
        assert pruned.base == (0, GENESIS)


def test_pruned_journal_is_not_resumed_from_its_beginning_and_reads_as_it_stands(
    long: Path,
) -> None:
    with closing(SqliteJournal(long / "journal.sqlite")) as journal:
        gone = prune(journal, long / "archive", (long / "snapshot").read_bytes())
        with pytest.raises(JournalError, match="is missing"):
            journal.prune(journal.last_seq + 1)
    with pytest.raises(JournalError, match="cannot be resumed: entries up to"):
        SqliteJournal(long / "journal.sqlite", resume=True)
    with closing(SqliteJournal(long / "journal.sqlite", read_only=True)) as reader:
        assert reader.base.seq == gone
        assert next(reader.rows(gone + 1))[0] == gone + 1
        with pytest.raises(JournalError, match="opened for reading"):
            reader.prune(gone + 1)


def test_journal_that_lost_more_than_was_pruned_is_refused(long: Path) -> None:
    with closing(SqliteJournal(long / "journal.sqlite")) as journal:
        gone = prune(journal, long / "archive", (long / "snapshot").read_bytes())
        journal._db.execute("DELETE FROM entries WHERE seq = ?", (gone + 1,))  # noqa: SLF001
    with pytest.raises(JournalError, match="missing") as caught:
        SqliteJournal(long / "journal.sqlite")
    assert caught.value.seq == gone + 1


def test_pruning_that_fails_leaves_all_entries(journal: SqliteJournal) -> None:
    trigger = "CREATE TRIGGER no BEFORE DELETE ON entries BEGIN SELECT raise(ABORT, 'no'); END"
    journal._db.execute(trigger)  # noqa: SLF001
    with pytest.raises(JournalError, match="cannot be pruned: no"):
        journal.prune(5)
    assert journal.base.seq == 0
    assert next(journal.rows())[0] == 1
