"""The store of readings in SQLite, where something is wrong with its file."""

from __future__ import annotations

import resource
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wattbay.adapters.stores.sqlite import SqliteReadingStore
from wattbay.errors import AdapterError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Outcome, Reading, Source
from wattbay.periods import MINUTE, Instant, Period, instant

LONDON = CommunityId("london")
NOON = instant("2026-05-01T12:00Z")


def some(first: int, count: int) -> list[Reading]:
    return [
        Reading(
            LONDON, MeterId("m07"), 1, seq, Instant(NOON + seq * MINUTE), seq, 0, 0, None, None,
            bytes((seq % 251,)) * 150,
        )
        for seq in range(first, first + count)
    ]  # fmt: skip


@contextmanager
def a_full_disk(size_bytes: int) -> Iterator[None]:
    """Let no file grow beyond a size."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, ignored)


def test_full_disk_is_told_and_nothing_of_the_batch_stands(tmp_path: Path) -> None:
    store = SqliteReadingStore(tmp_path / "readings.sqlite")
    store.add(some(1, 100))
    new = some(101, 2_000)
    new.append(new[0]._replace(device=MeterId("m08")))
    with a_full_disk(200_000), pytest.raises(AdapterError, match="cannot be written"):
        store.add(new)
    assert list(store.runs(Source(LONDON, MeterId("m07"), 1))) == [(1, 100)]
    assert list(store.runs(Source(LONDON, MeterId("m08"), 1))) == []
    assert set(store.add(new)) == {Outcome.STORED}
    assert list(store.runs(Source(LONDON, MeterId("m07"), 1))) == [(1, 2_100)]
    store.close()


def test_file_that_cannot_be_read_is_told_as_any_store_tells_it(tmp_path: Path) -> None:
    store = SqliteReadingStore(tmp_path / "readings.sqlite")
    store.add(some(1, 10))
    store._runs.clear()  # noqa: SLF001 - as after a fault
    store._db.close()  # noqa: SLF001 - as a disk that is gone
    span = Period(NOON, Instant(NOON + MINUTE))
    for asked in (
        lambda: list(store.of_device(LONDON, MeterId("m07"), span)),
        lambda: list(store.at(LONDON, NOON)),
        lambda: list(store.alarms(LONDON)),
        lambda: list(store.runs(Source(LONDON, MeterId("m07"), 1))),
    ):
        with pytest.raises(AdapterError, match="cannot be read"):
            asked()


def test_other_database_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE other (one INTEGER)")
    db.close()
    with pytest.raises(AdapterError, match="is no store of readings"):
        SqliteReadingStore(path)


def test_file_that_is_no_database_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "readings.sqlite"
    path.write_bytes(b"something else, longer than a header" * 100)
    with pytest.raises(AdapterError, match="is no store of readings"):
        SqliteReadingStore(path)


def test_readings_are_read_while_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "readings.sqlite"
    store = SqliteReadingStore(path)
    store.add(some(1, 10))
    other = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    assert other.execute("SELECT count(*) FROM readings").fetchone() == (10,)
    store.add(some(11, 10))
    assert other.execute("SELECT count(*) FROM readings").fetchone() == (20,)
    other.close()
    store.close()
