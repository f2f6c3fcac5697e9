"""Archives of what stands in PostgreSQL: a journal that is pruned, and readings that are old."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from tests.builders import EVE, a_deposit, a_kernel, a_town
from tests.servers import postgres
from wattbay.adapters.stores import postgres_journal, retention
from wattbay.adapters.stores.archive import ArchivedJournal, archive, prune
from wattbay.adapters.stores.export import read_week
from wattbay.adapters.stores.postgres import PostgresReadingStore
from wattbay.adapters.stores.postgres_journal import PostgresJournal
from wattbay.adapters.stores.retention import retire
from wattbay.cli.archive import app
from wattbay.errors import JournalError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.evidence import Reading
from wattbay.kernel.kernel import Kernel
from wattbay.kernel.replay import rebuild, snapshot, state_digest, verify
from wattbay.kernel.requests import MEMORY_ENTRIES_MAX
from wattbay.periods import HOUR, WEEK, Instant, Period, instant

pytestmark = pytest.mark.postgres

MONDAY = instant("2026-04-27T00:00Z")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres("fsync=off") as (_, found):
        yield found


@pytest.fixture
def conninfo(server: str) -> str:
    """Return the address of a database in which there is nothing of ours."""
    with psycopg.connect(server, autocommit=True) as db:
        db.execute("DROP SCHEMA IF EXISTS wattbay CASCADE")
    folder = server.split(maxsplit=1)[0].removeprefix("host=")
    return f"postgresql://wattbay@/postgres?host={folder}"


def live_on(conninfo: str, deposits: int, last: int = 5) -> None:
    """Let a town live from June to August, with so many deposits in July and in August."""
    with closing(PostgresJournal(conninfo, holder="town")) as journal:
        clock = SimulatedClock(EVE)
        kernel = a_kernel(*a_town(), journal=journal, clock=clock)
        for month, count in (("2013-07", deposits), ("2013-08", last)):
            kernel.advance(instant(f"{month}-05T00:00Z"))
            kernel.submit_many([a_deposit(request=f"{month}-{n}") for n in range(count)])


def call(*words: str | Path) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_pruned_journal_goes_on_and_is_whole_with_its_archive(
    conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_journal, "ROWS_PER_PRUNING_MAX", 1_000)
    live_on(conninfo, 3_000, MEMORY_ENTRIES_MAX)
    with closing(PostgresJournal(conninfo, holder="pruner")) as journal:
        before, head = list(journal.rows()), journal.head
        exchange = rebuild(journal)
        digest, taken = state_digest(exchange), snapshot(exchange, journal.last_seq, head)
        archive(journal, tmp_path)
        gone = prune(journal, tmp_path, taken)
        assert 3_000 < gone == journal.base.seq
        with pytest.raises(JournalError, match="were pruned"):
            next(journal.rows(gone))
    with psycopg.connect(conninfo) as db:
        ends = db.execute("SELECT min(seq), max(seq) FROM wattbay.entries").fetchone()
    assert ends == (gone + 1, len(before))
    with closing(PostgresJournal(conninfo, holder="next")) as journal:
        assert (journal.base, journal.head) == ((gone, before[gone - 1][2]), head)
        assert list(journal.rows(gone + 1)) == before[gone:]
        whole = ArchivedJournal(tmp_path, journal)
        assert verify(whole, head=head).entries == len(before)
        exchange = rebuild(journal, snapshot=taken)
        assert state_digest(exchange) == digest
        kernel = Kernel(journal, SimulatedClock(instant("2013-08-05T00:00Z")), exchange=exchange)
        assert kernel.submit(a_deposit(request="new")).seq == len(before) + 1


def test_pruning_that_was_broken_off_is_gone_on_with(conninfo: str) -> None:
    live_on(conninfo, 5)
    with psycopg.connect(conninfo) as db:
        db.execute(
            "UPDATE wattbay.journal SET base_seq = seq, base_hash = hash"
            " FROM wattbay.entries WHERE seq = 10"
        )
    with closing(PostgresJournal(conninfo, holder="next")) as journal:
        assert journal.base.seq == 10
        assert next(journal.rows(11))[0] == 11
        journal.prune(10)
    with psycopg.connect(conninfo) as db:
        assert db.execute("SELECT min(seq) FROM wattbay.entries").fetchone() == (11,)


def test_journal_is_archived_and_verified_beside_its_writer_and_pruned_without(
    conninfo: str, tmp_path: Path
) -> None:
    live_on(conninfo, 5)
    out = tmp_path / "archive"
    with closing(PostgresJournal(conninfo, holder="service", ttl_s=60.0)) as journal:
        written = json.loads(call("write", conninfo, "--out", out, "--json"))
        assert len(written) == 2
        said = call("verify", out, "--journal", conninfo, "--head", journal.head.hex(), "--json")
        assert json.loads(said)["entries"] == journal.last_seq
        with pytest.raises(JournalError, match="in use by service"):
            call("prune", conninfo, out, "--snapshots", tmp_path / "snapshots")
    said = call("prune", conninfo, out, "--snapshots", tmp_path / "snapshots")
    assert "Nothing can be spared" in said


def test_old_readings_go_to_files_and_out_of_their_partitions(
    conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "READINGS_PER_PART", 10)
    monkeypatch.setattr("wattbay.adapters.stores.postgres.PAGE_ROWS", 7)
    whole = Period(Instant(0), Instant(MONDAY + 9 * WEEK))
    with closing(PostgresReadingStore(conninfo)) as store:
        store.add(
            [
                Reading(
                    CommunityId("london"), MeterId(device), 1, n, Instant(MONDAY + n * 7 * HOUR),
                    n, 0, 0, None, 230_100, b"%d" % n,
                )
                for n in range(1, 60)
                for device in ("m08", "m07")
            ]
        )  # fmt: skip
        held = list(store.within(whole))
        assert len(held) == store.count(whole) == 118
        weeks = [one for one in retire(store, tmp_path, Instant(MONDAY + 2 * WEEK)) if one]
        assert [week.readings for week in weeks] == [46, 48]
        gone = [one for week in weeks for file in week.files for one in read_week(file)]
        assert gone + list(store.within(whole)) == held
    said = call("readings", conninfo, "--before", "2026-12-01", "--out", tmp_path, "--json")
    assert json.loads(said) == {"readings": 24}
