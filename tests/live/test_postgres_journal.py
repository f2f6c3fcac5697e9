"""The journal in PostgreSQL, with leaders that die, freeze and wake, and a database that is killed.

How quick a take-over is stands in the benchmarks; here is only that it happens, and in which order.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from threading import Barrier, Thread

import psycopg
import pytest

from tests.builders import an_entry
from tests.crash.writer import continue_history
from tests.servers import Server, postgres, until
from wattbay.adapters.stores.lease import Lease
from wattbay.adapters.stores.postgres_journal import PostgresJournal
from wattbay.errors import AdapterError, JournalError
from wattbay.kernel.codec import encode
from wattbay.kernel.journal import TAIL_ROWS_MAX, MemoryJournal
from wattbay.kernel.replay import compare, verify

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[2]
LONG_S = 600.0
"""Of a lease that does not end while a test runs. [s]"""


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Server, str]]:
    # It is not killed, and need not wait for a disk: those that are have their own.
    with postgres("fsync=off") as found:
        yield found


@pytest.fixture
def conninfo(server: tuple[Server, str]) -> str:
    """Return how to connect to a database in which there is no journal."""
    with psycopg.connect(server[1], autocommit=True) as db:
        db.execute("DROP SCHEMA IF EXISTS wattbay CASCADE")
    return server[1]


def some(count: int, first: int = 1) -> list[bytes]:
    return [encode(an_entry(seq)) for seq in range(first, first + count)]


def write(conninfo: str, count: int) -> bytes:
    """Make a journal of some entries; return its head."""
    with closing(PostgresJournal(conninfo, holder="first")) as journal:
        journal.append(some(count))
        return journal.head


# --- leaders ---------------------------------------------------------------------------------


class Leader:
    """A program that leads, and what it said."""

    def __init__(self, conninfo: str, holder: str, ttl_s: float, again: str = "") -> None:
        self._running = subprocess.Popen(
            [sys.executable, "-m", "tests.live.leader", conninfo, holder, str(ttl_s), again],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self._listening = Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        assert self._running.stdout is not None
        for line in self._running.stdout:
            if line.endswith("\n"):
                self.said.append(line.strip())

    def answered(self) -> list[int]:
        return [int(line) for line in self.said if line.isdigit()]

    def has_said(self, word: str) -> bool:
        return any(line.startswith(word) for line in self.said)

    def send(self, what: signal.Signals) -> None:
        self._running.send_signal(what)

    def end(self) -> None:
        """Kill it, wherever it is, and hear what it said to the last."""
        with suppress(ProcessLookupError):
            self._running.send_signal(signal.SIGCONT)
        self._running.kill()
        self._running.wait(30)
        self._listening.join(30)
        assert self._running.stdout is not None
        self._running.stdout.close()


def has_answered(leader: Leader, count: int) -> bool:
    return len(leader.answered()) >= count


def check_history(conninfo: str, *leaders: Leader) -> None:
    """Nothing answered is lost, nothing stands twice, and the whole is as the rules make it."""
    with closing(PostgresJournal(conninfo, read_only=True)) as journal:
        answered = [seq for leader in leaders for seq in leader.answered()]
        assert len(answered) == len(set(answered))
        assert max(answered) <= journal.last_seq
        unbroken = MemoryJournal()
        for _ in continue_history(unbroken, random.Random(0)):
            if unbroken.last_seq >= journal.last_seq:
                break
        found = compare(journal, unbroken)
        assert found is None or found.what == "the first journal ends before it"
        assert verify(journal, head=journal.head).entries == journal.last_seq


def test_who_waits_takes_over_from_a_leader_that_was_killed(conninfo: str) -> None:
    first = Leader(conninfo, "first", 1.0)
    until(partial(has_answered, first, 50), "the first leads")
    second = Leader(conninfo, "second", 1.0)
    try:
        until(partial(has_answered, first, 200), "the first goes on")
        assert not second.said
        first.end()
        until(partial(has_answered, second, 50), "the second leads", wait_s=15.0)
    finally:
        first.end()
        second.end()
    assert (first.said[0], second.said[0]) == ("leads 1", "leads 2")
    assert second.answered()[0] > first.answered()[-1]
    check_history(conninfo, first, second)


def test_leader_that_froze_appends_nothing_when_it_wakes(conninfo: str) -> None:
    frozen, second = Leader(conninfo, "frozen", 1.0), Leader(conninfo, "second", 1.0)
    try:
        until(lambda: frozen.said or second.said, "somebody leads")
        if second.said:
            frozen, second = second, frozen
        until(partial(has_answered, frozen, 100), "it leads")
        frozen.send(signal.SIGSTOP)
        until(partial(has_answered, second, 50), "another takes over", wait_s=15.0)
        frozen.send(signal.SIGCONT)
        until(partial(frozen.has_said, "stopped"), "the one that froze wakes")
        until(partial(has_answered, second, len(second.answered()) + 50), "the other goes on")
    finally:
        frozen.end()
        second.end()
    assert "another program holds the lease" in frozen.said[-1]
    assert second.answered()[0] > frozen.answered()[-1]
    check_history(conninfo, frozen, second)


def test_database_that_is_killed_under_a_leader_loses_nothing_and_holds_nothing_twice() -> None:
    with postgres() as (database, conninfo):
        leader = Leader(conninfo, "leader", 1.0, "again")
        try:
            for _ in range(3):
                count = len(leader.answered())
                until(partial(has_answered, leader, count + 150), "it leads")
                database.kill()
                database.start()
            until(partial(has_answered, leader, len(leader.answered()) + 50), "it leads again")
        finally:
            leader.end()
        assert sum(line.startswith("leads") for line in leader.said) == 4
        check_history(conninfo, leader)


# --- one writer ------------------------------------------------------------------------------


def test_second_writer_is_refused_in_words(conninfo: str) -> None:
    with closing(PostgresJournal(conninfo, holder="first")) as journal:
        with pytest.raises(JournalError, match=r"in use by first, whose lease lasts .* more"):
            PostgresJournal(conninfo, holder="second")
        with pytest.raises(JournalError, match="in use by first"):
            PostgresJournal(conninfo, holder="second", wait_s=0.3)
        journal.append(some(1))


def test_of_many_that_come_at_once_one_writes(conninfo: str) -> None:
    barrier = Barrier(8)
    said: list[str] = []

    def come(number: int) -> PostgresJournal | None:
        barrier.wait()
        try:
            return PostgresJournal(conninfo, holder=f"writer {number}")
        except JournalError as error:
            said.append(error.what)
            return None

    with ThreadPoolExecutor(8) as pool:
        opened = [journal for journal in pool.map(come, range(8)) if journal is not None]
    assert len(opened) == 1
    assert all("is in use by writer" in one for one in said)
    opened[0].append(some(2))
    opened[0].close()


def test_lease_that_is_given_back_is_free_at_once(conninfo: str) -> None:
    first = PostgresJournal(conninfo, holder="first", ttl_s=LONG_S)
    first.append(some(3))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(PostgresJournal, conninfo, holder="second", wait_s=None)
        until(partial(somebody_listens, conninfo, 2), "the second waits")
        assert not waiting.done()
        first.close()
        with closing(waiting.result(timeout=10)) as second:
            assert (second.epoch, second.last_seq, second.head) == (2, 3, first.head)
            second.append(some(1, first=4))


def somebody_listens(conninfo: str, count: int) -> bool:
    """Tell whether so many have looked at the lease."""
    with psycopg.connect(conninfo, autocommit=True) as db:
        rows = db.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE '%extract(epoch FROM expires_at%'"
            " AND pid <> pg_backend_pid()"
        ).fetchone()
    return rows is not None and rows[0] >= count - 1


def test_who_is_not_wanted_any_more_stops_waiting(conninfo: str) -> None:
    wanted = iter([True, True, False])
    with (
        closing(PostgresJournal(conninfo, holder="first", ttl_s=LONG_S)),
        pytest.raises(JournalError, match="in use by first"),
    ):
        PostgresJournal(conninfo, holder="second", wait_s=None, is_wanted=lambda: next(wanted))


def test_lease_that_is_renewed_outlasts_its_time(conninfo: str) -> None:
    with closing(PostgresJournal(conninfo, holder="first", ttl_s=0.5)) as journal:
        other = Lease(conninfo, holder="second", ttl_s=0.5)

        def renewed() -> bool:
            journal.renew()
            return other.acquire(0.0)

        with pytest.raises(AssertionError, match="in vain"):
            until(renewed, "a renewed lease ends", wait_s=1.5)
        journal.append(some(1))
        other.close()


def test_writer_that_lost_its_lease_hears_of_it_and_stops_for_good(conninfo: str) -> None:
    journal = PostgresJournal(conninfo, holder="first", ttl_s=0.2)
    journal.append(some(2))
    with closing(PostgresJournal(conninfo, holder="second", wait_s=10.0)) as other:
        with pytest.raises(JournalError, match="another program holds the lease"):
            journal.renew()
        with pytest.raises(JournalError, match="another program holds the lease"):
            journal.append(some(1, first=3))
        with pytest.raises(JournalError, match="another program holds the lease"):
            journal.prune(1)
        journal.close()
        assert [row[0] for row in other.rows()] == [1, 2]
        other.append(some(1, first=3))  # giving back what is lost changes nothing


def test_writer_that_does_not_know_of_its_loss_is_kept_out_by_the_fence(conninfo: str) -> None:
    journal = PostgresJournal(conninfo, holder="first", ttl_s=0.2)
    journal.append(some(2))
    with closing(PostgresJournal(conninfo, holder="second", wait_s=10.0)) as other:
        with pytest.raises(JournalError, match="entry 3: another program holds the lease"):
            journal.append(some(5, first=3))
        with pytest.raises(JournalError, match="another program"):
            journal.append(some(5, first=3))
        assert (journal.last_seq, other.last_seq) == (2, 2)
        journal.close()


def test_lease_that_ended_unnoticed_still_writes(conninfo: str) -> None:
    with closing(PostgresJournal(conninfo, holder="first", ttl_s=0.1)) as journal:
        looker = Lease(conninfo, holder="nobody")
        until(lambda: looker.held()[1] < 0.0, "the lease ends")
        journal.append(some(1))
        assert looker.held()[1] > 0.0
        looker.close()


def test_database_that_was_set_back_takes_nothing_more(conninfo: str) -> None:
    with closing(PostgresJournal(conninfo, holder="first")) as journal:
        journal.append(some(3))
        with psycopg.connect(conninfo, autocommit=True) as db:
            db.execute("DELETE FROM wattbay.entries WHERE seq = 3")
        with pytest.raises(JournalError, match=r"entry 4: .* set back: it does not end at entry 3"):
            journal.append(some(1, first=4))
    with closing(PostgresJournal(conninfo, holder="next")) as journal:
        journal.append(some(1, first=3))
        with psycopg.connect(conninfo, autocommit=True) as db:
            db.execute("UPDATE wattbay.entries SET hash = 'x' WHERE seq = 3")
        with pytest.raises(JournalError, match="set back"):
            journal.append(some(1, first=4))


def test_too_short_a_lease_is_refused(conninfo: str) -> None:
    with pytest.raises(ValueError, match=r"0\.1 s at least; got 0\.05"):
        PostgresJournal(conninfo, holder="first", ttl_s=0.05)


# --- a database that goes away ---------------------------------------------------------------


def test_database_that_is_gone_is_told_and_who_waits_outlasts_it() -> None:
    with postgres("fsync=off") as (database, conninfo), ThreadPoolExecutor(1) as pool:
        journal = PostgresJournal(conninfo, holder="first", ttl_s=1.0)
        journal.append(some(1))
        waiting = pool.submit(PostgresJournal, conninfo, holder="second", wait_s=None)
        until(partial(somebody_listens, conninfo, 2), "the second waits")
        database.kill()
        with pytest.raises(AdapterError, match="does not answer"):
            journal.renew()
        with pytest.raises(JournalError, match="does not answer"):
            PostgresJournal(conninfo, holder="third", wait_s=0.2)
        with pytest.raises(JournalError, match="entry 1: the entry cannot be read"):
            list(journal.rows())
        with pytest.raises(JournalError, match=r"entry 2: .* cannot be written"):
            journal.append(some(1, first=2))
        with pytest.raises(JournalError, match="cannot be written"):
            journal.append(some(1, first=2))
        journal.close()
        database.start()
        with closing(waiting.result(timeout=30)) as second:
            assert second.last_seq == 1


def test_address_of_nobody_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="does not answer"):
        PostgresJournal(f"host={tmp_path} dbname=none", holder="first")
    with pytest.raises(JournalError, match="not a readable journal"):
        PostgresJournal("this is no conninfo", read_only=True)


# --- what stands there -----------------------------------------------------------------------


def test_journal_is_taken_up_where_it_ended(conninfo: str) -> None:
    head = write(conninfo, 3)
    with closing(PostgresJournal(conninfo, holder="second")) as journal:
        assert (journal.last_seq, journal.head, journal.epoch) == (3, head, 2)
        journal.append(some(2, first=4))
        whole = journal.head
    memory = MemoryJournal()
    memory.append(some(5))
    assert whole == memory.head


def test_reader_reads_beside_a_writer_and_changes_nothing(conninfo: str) -> None:
    with closing(PostgresJournal(conninfo, holder="first")) as journal:
        journal.append(some(3))
        with closing(PostgresJournal(conninfo, read_only=True)) as reader:
            journal.append(some(1, first=4))
            assert [row[0] for row in reader.rows()] == [1, 2, 3]
            assert reader.epoch == 0
            for act in (partial(reader.append, some(1)), reader.renew, partial(reader.prune, 1)):
                with pytest.raises(JournalError, match="opened for reading"):
                    act()


def test_reader_makes_no_journal(conninfo: str) -> None:
    with pytest.raises(JournalError, match="there is no journal in schema wattbay"):
        PostgresJournal(conninfo, read_only=True)


def test_server_that_is_set_not_to_wait_for_its_disk_is_overruled(conninfo: str) -> None:
    journal = PostgresJournal(f"{conninfo} options='-c synchronous_commit=off'", holder="first")
    db = journal._connected()  # noqa: SLF001 - nothing else tells
    assert db.execute("SHOW synchronous_commit").fetchone() == ("on",)
    assert db.execute("SHOW lock_timeout").fetchone() == ("2s",)
    journal.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_unknown_format_is_refused_with_its_number(conninfo: str, read_only: bool) -> None:
    write(conninfo, 1)
    with psycopg.connect(conninfo, autocommit=True) as db:
        db.execute("UPDATE wattbay.journal SET format = 99")
    with pytest.raises(JournalError, match="journal format 99; this program knows format 1"):
        PostgresJournal(conninfo, holder="first", read_only=read_only)


def test_other_tables_are_no_journal_and_stay_as_they_are(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as db:
        db.execute("CREATE SCHEMA wattbay")
        db.execute("CREATE TABLE wattbay.journal (letter text)")
    with pytest.raises(JournalError, match="not a readable journal"):
        PostgresJournal(conninfo, holder="first")
    with pytest.raises(JournalError, match="not a readable journal"):
        PostgresJournal(conninfo, read_only=True)


@pytest.mark.parametrize(
    ("edit", "seq", "what"),
    [
        ("UPDATE entries SET bytes = bytes || 'x' WHERE seq = 4", 4, "hash"),
        ("UPDATE entries SET hash = 'x' WHERE seq = 5", 5, "hash"),
        ("UPDATE entries SET bytes = '' WHERE seq = 1", 1, "hash"),
        ("DELETE FROM entries WHERE seq = 3", 3, "missing"),
        ("DELETE FROM entries WHERE seq = 1", 1, "missing"),
        ("UPDATE entries SET seq = 7 WHERE seq = 5", 5, "missing"),
    ],
)
def test_edited_journal_is_refused_with_the_entry_and_what_precedes_it_stays_readable(
    conninfo: str, edit: str, seq: int, what: str
) -> None:
    write(conninfo, 5)
    with psycopg.connect(conninfo, autocommit=True) as db:
        db.execute("SET search_path TO wattbay")
        db.execute(edit)
    with pytest.raises(JournalError, match=what) as caught:
        PostgresJournal(conninfo, holder="second")
    assert caught.value.seq == seq
    seen: list[int] = []
    with closing(PostgresJournal(conninfo, read_only=True)) as reader, suppress(JournalError):
        seen.extend(row[0] for row in reader.rows())
    assert seen[: seq - 1] == list(range(1, seq))


def test_only_the_end_of_a_long_journal_is_checked_when_it_is_opened(conninfo: str) -> None:
    write(conninfo, TAIL_ROWS_MAX + 10)
    edit = "UPDATE wattbay.entries SET bytes = bytes || 'x' WHERE seq = %s"
    with psycopg.connect(conninfo, autocommit=True) as db:
        db.execute(edit, (9,))
        PostgresJournal(conninfo, holder="second").close()
        db.execute(edit, (11,))
    with pytest.raises(JournalError, match="entry 11"):
        PostgresJournal(conninfo, holder="third")
