from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.builders import an_entry, an_order
from wattbay.errors import JournalError
from wattbay.kernel.codec import FORMAT, GENESIS, encode
from wattbay.kernel.journal import TAIL_ROWS_MAX, MemoryJournal, SqliteJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def some(count: int, first: int = 1) -> list[bytes]:
    return [encode(an_entry(seq)) for seq in range(first, first + count)]


def write(path: Path, count: int) -> bytes:
    """Make a journal of some entries; return its head."""
    with closing(SqliteJournal(path)) as journal:
        journal.append(some(count))
        return journal.head


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file as a stranger would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        yield db


def readable(path: Path) -> tuple[list[int], JournalError | None]:
    """Return the numbers of what can be read, and the fault at its end."""
    seen: list[int] = []
    with closing(SqliteJournal(path, read_only=True)) as journal:
        try:
            seen.extend(row[0] for row in journal.rows())
        except JournalError as error:
            return seen, error
    return seen, None


def test_journal_is_taken_up_where_it_ended(path: Path) -> None:
    head = write(path, 3)
    with closing(SqliteJournal(path)) as journal:
        assert (journal.last_seq, journal.head) == (3, head)
        journal.append(some(2, first=4))
        whole = journal.head
    memory = MemoryJournal()
    memory.append(some(5))
    assert whole == memory.head


def test_closed_journal_is_one_file_that_a_stranger_can_read(path: Path) -> None:
    write(path, 3)
    assert [file.name for file in path.parent.iterdir()] == ["journal.sqlite"]
    with raw(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (FORMAT,)
        rows = db.execute("SELECT seq, bytes, length(hash) FROM entries ORDER BY seq").fetchall()
    assert rows == [(seq, data, 32) for seq, data in enumerate(some(3), 1)]


def test_journal_is_written_ahead_and_synchronised_at_each_write(path: Path) -> None:
    with closing(SqliteJournal(path)) as journal:
        journal.append(some(1))
        assert path.with_name("journal.sqlite-wal").stat().st_size > 0
        (synchronous,) = journal._db.execute("PRAGMA synchronous").fetchone()  # noqa: SLF001
    assert synchronous == 2  # FULL


def test_second_writer_is_refused_in_words(path: Path) -> None:
    write(path, 1)
    with (
        closing(SqliteJournal(path)) as journal,
        pytest.raises(JournalError, match="in use by another program; a journal has one writer"),
    ):
        SqliteJournal(path)
    assert journal.last_seq == 1


def test_reader_beside_a_writer_is_refused_in_words(path: Path) -> None:
    with (
        closing(SqliteJournal(path)),
        pytest.raises(JournalError, match="in use by another program"),
    ):
        SqliteJournal(path, read_only=True)


def test_two_readers_read_at_once(path: Path) -> None:
    head = write(path, 2)
    with (
        closing(SqliteJournal(path, read_only=True)) as one,
        closing(SqliteJournal(path, read_only=True)) as two,
    ):
        assert list(one.rows()) == list(two.rows())
        assert one.head == two.head == head


def test_journal_opened_for_reading_takes_nothing(path: Path) -> None:
    write(path, 1)
    with closing(SqliteJournal(path, read_only=True)) as journal:
        with pytest.raises(JournalError, match="opened for reading"):
            journal.append(some(1, first=2))
        assert journal.last_seq == 1


def test_empty_journal_is_read_as_empty(path: Path) -> None:
    write(path, 0)
    assert readable(path) == ([], None)


def test_missing_file_is_not_made_by_a_reader(path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal at"):
        SqliteJournal(path, read_only=True)
    assert not path.exists()


def test_folder_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="unable to open"):
        SqliteJournal(tmp_path / "nowhere" / "journal.sqlite")


@pytest.mark.parametrize("read_only", [False, True])
def test_unknown_format_is_refused_with_its_number(path: Path, read_only: bool) -> None:
    write(path, 1)
    with raw(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalError, match="journal format 99; this program knows format 1"):
        SqliteJournal(path, read_only=read_only)


def test_another_database_is_no_journal_and_stays_as_it_is(path: Path) -> None:
    with raw(path) as db:
        db.execute("CREATE TABLE letters (letter TEXT)")
    before = path.read_bytes()
    with pytest.raises(JournalError, match="is not a journal of Wattbay"):
        SqliteJournal(path)
    assert path.read_bytes() == before


def test_another_file_is_no_journal(path: Path) -> None:
    path.write_bytes(b"a letter to a friend, long enough to hold a header " * 20)
    with pytest.raises(JournalError, match="not a readable journal: file is not a database"):
        SqliteJournal(path)


@pytest.mark.parametrize(
    ("edit", "seq", "what"),
    [
        ("UPDATE entries SET bytes = replace(bytes, 250, 251) WHERE seq = 4", 4, "hash"),
        ("UPDATE entries SET hash = zeroblob(32) WHERE seq = 5", 5, "hash"),
        ("UPDATE entries SET bytes = '' WHERE seq = 1", 1, "hash"),
        ("DELETE FROM entries WHERE seq = 3", 3, "missing"),
        ("DELETE FROM entries WHERE seq = 1", 1, "missing"),
        ("UPDATE entries SET seq = 7 WHERE seq = 5", 5, "missing"),
    ],
)
def test_edited_journal_is_refused_with_the_entry_and_what_precedes_it_stays_readable(
    path: Path, edit: str, seq: int, what: str
) -> None:
    write(path, 5)
    with raw(path) as db:
        db.execute(edit)
    with pytest.raises(JournalError, match=what) as caught:
        SqliteJournal(path)
    assert caught.value.seq == seq
    seen, fault = readable(path)
    assert seen[: seq - 1] == list(range(1, seq))
    assert fault is None or fault.seq == seq


def test_only_the_end_of_a_long_journal_is_checked_when_it_is_opened(path: Path) -> None:
    write(path, TAIL_ROWS_MAX + 10)
    edit = "UPDATE entries SET bytes = replace(bytes, 250, 251) WHERE seq = ?"
    with raw(path) as db:
        db.execute(edit, (9,))
    SqliteJournal(path).close()
    with raw(path) as db:
        db.execute(edit, (11,))
    with pytest.raises(JournalError, match="entry 11"):
        SqliteJournal(path)


def test_file_cut_short_is_refused_and_its_beginning_stays_readable(path: Path) -> None:
    write(path, 2_000)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(JournalError, match="not a readable journal"):
        SqliteJournal(path)
    seen, fault = readable(path)
    assert seen == list(range(1, len(seen) + 1))
    assert 800 < len(seen) < 1_200
    assert fault is not None
    assert fault.seq == len(seen) + 1


def test_write_that_fails_stops_the_journal(path: Path) -> None:
    with closing(SqliteJournal(path)) as journal:
        journal.append(some(2))
        head = journal.head
        journal._db.execute("DROP TABLE entries")  # noqa: SLF001 # nothing honest breaks a disk
        with pytest.raises(JournalError, match=r"entry 3: .* cannot be written: no such table"):
            journal.append(some(1, first=3))
        with pytest.raises(JournalError, match="cannot be written"):
            journal.append(some(1, first=3))
        assert (journal.last_seq, journal.head) == (2, head)


def test_file_that_lost_pages_is_read_as_far_as_it_goes(path: Path) -> None:
    write(path, 2_000)
    with path.open("r+b") as file:
        file.truncate(40 * 4096)
    seen, fault = readable(path)
    assert seen == list(range(1, len(seen) + 1))
    assert fault is not None
    assert str(fault) == (
        f"entry {len(seen) + 1}: the entry cannot be read: database disk image is malformed"
    )


def test_journal_that_cannot_be_closed_cleanly_says_so_and_loses_nothing(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append(some(2))
    journal._db.execute("BEGIN IMMEDIATE")  # noqa: SLF001 # nothing honest hinders it
    with pytest.raises(JournalError, match="could not be closed cleanly"):
        journal.close()
    assert readable(path)[0] == [1, 2]


# --- resuming --------------------------------------------------------------------------------


def test_resumed_run_repeats_what_is_held_and_goes_on_to_the_same_head(path: Path) -> None:
    write(path, 5)
    with closing(SqliteJournal(path, resume=True)) as journal:
        assert (journal.last_seq, journal.head) == (0, GENESIS)
        assert list(journal.rows()) == []
        journal.append(some(3))
        assert [row[0] for row in journal.rows()] == [1, 2, 3]
        journal.append(some(4, first=4))
        journal.append(some(1, first=8))
        resumed = journal.head
    assert resumed == write(path.with_name("unbroken.sqlite"), 8)
    assert readable(path)[0] == list(range(1, 9))


def test_resumed_run_that_stops_early_leaves_the_file_as_it_was(path: Path) -> None:
    head = write(path, 5)
    with closing(SqliteJournal(path, resume=True)) as journal:
        journal.append(some(2))
    with closing(SqliteJournal(path)) as journal:
        assert (journal.last_seq, journal.head) == (5, head)


def test_resumed_run_that_differs_is_refused_with_the_entry_and_the_difference(path: Path) -> None:
    write(path, 5)
    other = encode(an_entry(3, command=an_order(quantity_wh=999)))
    with closing(SqliteJournal(path, resume=True)) as journal:
        journal.append(some(2))
        with pytest.raises(
            JournalError, match=r"entry 3: .*PlaceOrder\.quantity_wh is 250 there and 999 now"
        ):
            journal.append([other, *some(4, first=4)])
        with pytest.raises(JournalError, match="not what the file holds"):
            journal.append(some(1, first=3))
    assert readable(path)[0] == [1, 2, 3, 4, 5]


def test_resumed_run_finds_an_edited_hash(path: Path) -> None:
    write(path, TAIL_ROWS_MAX + 10)
    with raw(path) as db:
        db.execute("UPDATE entries SET hash = zeroblob(32) WHERE seq = 2")
    with (
        closing(SqliteJournal(path, resume=True)) as journal,
        pytest.raises(JournalError, match="entry 2: its hash"),
    ):
        journal.append(some(3))


def test_resuming_where_there_is_nothing_is_beginning(path: Path) -> None:
    with closing(SqliteJournal(path, resume=True)) as journal:
        journal.append(some(2))
    assert readable(path)[0] == [1, 2]
