"""Old readings go to files, and only then out of the store."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import polars as pl
import pytest

from wattbay.adapters.stores import retention
from wattbay.adapters.stores.export import SCHEMA, export_week, read_week, week_of
from wattbay.adapters.stores.retention import Retired, cutoff, retire
from wattbay.adapters.stores.sqlite import SqliteReadingStore
from wattbay.errors import AdapterError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Outcome, Reading
from wattbay.periods import DAY, HOUR, WEEK, Instant, Period, instant

MONDAY = instant("2026-04-27T00:00Z")
ALL = Period(Instant(0), Instant(MONDAY + 100 * WEEK))


def a_reading(seq: int, at: int, device: str = "m07", community: str = "london") -> Reading:
    return Reading(
        CommunityId(community), MeterId(device), 1, seq, Instant(at), 48_000 + seq, 9_120, 3, None,
        230_100, b"\xd2" + seq.to_bytes(8, "big"),
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteReadingStore]:
    with closing(SqliteReadingStore(tmp_path / "readings.sqlite")) as made:
        made.add([a_reading(n, MONDAY + n * 7 * HOUR) for n in range(1, 100)])
        made.add([a_reading(n, MONDAY + n * 7 * HOUR, "m08", "leeds") for n in range(1, 30)])
        yield made


def done(store: SqliteReadingStore, folder: Path, before: Instant) -> list[Retired]:
    return [week for week in retire(store, folder, before) if week is not None]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_whole_weeks_go_to_files_and_out_of_the_store(
    store: SqliteReadingStore, tmp_path: Path
) -> None:
    held = list(store.within(ALL))
    folder = tmp_path / "out"
    found = done(store, folder, Instant(MONDAY + 2 * WEEK + 3 * DAY))
    assert [(week.week.start, week.readings) for week in found] == [
        (MONDAY, 46),
        (MONDAY + WEEK, 30),
    ]
    assert names(folder) == [
        "leeds-2026-04-27.parquet",
        "leeds-2026-05-04.parquet",
        "london-2026-04-27.parquet",
        "london-2026-05-04.parquet",
    ]
    kept = list(store.within(ALL))
    assert all(reading.measured_at >= MONDAY + 2 * WEEK for reading in kept)
    gone = [reading for path in folder.iterdir() for reading in read_week(path)]
    assert sorted([*gone, *kept]) == sorted(held)
    assert pl.read_parquet_schema(folder / "leeds-2026-04-27.parquet") == SCHEMA


def test_week_that_has_not_ended_by_then_stays(store: SqliteReadingStore, tmp_path: Path) -> None:
    assert done(store, tmp_path / "out", Instant(MONDAY + WEEK - 1)) == []
    assert store.count(ALL) == 128
    assert cutoff(Instant(MONDAY + 10 * DAY), 3) == MONDAY + WEEK


def test_many_readings_go_in_pieces_and_leave_the_caller_room(
    store: SqliteReadingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "READINGS_PER_PART", 10)
    held = list(store.within(Period(MONDAY, Instant(MONDAY + WEEK))))
    steps = list(retire(store, tmp_path / "out", Instant(MONDAY + WEEK)))
    assert [step is None for step in steps] == [True] * 4 + [False]
    assert names(tmp_path / "out") == ["leeds-2026-04-27.parquet", "london-2026-04-27.parquet"]
    for name in ("leeds", "london"):
        mine = [reading for reading in held if reading.community == name]
        assert read_week(tmp_path / "out" / f"{name}-2026-04-27.parquet") == mine


def test_what_comes_late_meanwhile_is_not_lost(
    store: SqliteReadingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "READINGS_PER_PART", 10)
    late = a_reading(1_000, MONDAY + 1)
    earlier = a_reading(1_001, MONDAY - 1)
    coming = iter([late, earlier])
    for step in retire(store, tmp_path / "out", Instant(MONDAY + WEEK)):
        if step is None and (reading := next(coming, None)):
            assert store.add([reading]) == [Outcome.STORED]
    found = {reading for path in (tmp_path / "out").iterdir() for reading in read_week(path)}
    assert {late, earlier} <= found
    assert store.count(Period(Instant(0), Instant(MONDAY + WEEK))) == 0


def test_store_into_which_old_readings_pour_keeps_them(
    store: SqliteReadingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "READINGS_PER_PART", 20)
    more = count(1_000)

    def pour() -> None:
        for _ in retire(store, tmp_path / "out", Instant(MONDAY + WEEK)):
            number = next(more)
            store.add([a_reading(number, MONDAY + number)])

    with pytest.raises(AdapterError, match="still come in"):
        pour()
    assert store.count(ALL) == 128 + next(more) - 1_000


def test_late_readings_of_a_week_that_is_gone_get_a_file_of_their_own(
    store: SqliteReadingStore, tmp_path: Path
) -> None:
    folder, end = tmp_path / "out", Instant(MONDAY + WEEK)
    done(store, folder, end)
    before = (folder / "london-2026-04-27.parquet").read_bytes()
    late = a_reading(1_000, MONDAY + 5)
    store.add([late])
    assert done(store, folder, end)[0].files == (folder / "london-2026-04-27-2.parquet",)
    assert read_week(folder / "london-2026-04-27-2.parquet") == [late]
    assert (folder / "london-2026-04-27.parquet").read_bytes() == before
    later = a_reading(1_001, MONDAY + 5, "m09")
    store.add([later])
    done(store, folder, end)
    assert read_week(folder / "london-2026-04-27-3.parquet") == [later]


def test_what_was_broken_off_is_taken_up_without_a_second_file(
    store: SqliteReadingStore, tmp_path: Path
) -> None:
    folder, end = tmp_path / "out", Instant(MONDAY + WEEK)
    with closing(SqliteReadingStore(tmp_path / "copy.sqlite")) as copy:
        copy.add(list(store.within(ALL)))
        done(copy, folder, end)  # as if nothing had been forgotten
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert done(store, folder, end)[0].readings == 46
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_file_of_another_making_is_never_written_over(
    store: SqliteReadingStore, tmp_path: Path
) -> None:
    folder, end = tmp_path / "out", Instant(MONDAY + WEEK)
    folder.mkdir()
    export_week(store, CommunityId("leeds"), [], week_of(MONDAY), folder)
    pl.DataFrame({"letter": ["a"]}).write_parquet(folder / "london-2026-04-27.parquet")
    done(store, folder, end)
    assert names(folder) == [
        "leeds-2026-04-27-2.parquet",
        "leeds-2026-04-27.parquet",
        "london-2026-04-27-2.parquet",
        "london-2026-04-27.parquet",
    ]


def test_nothing_is_forgotten_that_could_not_be_written(
    store: SqliteReadingStore, tmp_path: Path
) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(AdapterError, match="out cannot be written"):
        done(store, tmp_path / "out", Instant(MONDAY + WEEK))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "london-2026-04-27.parquet").write_bytes(b"damaged")
    with pytest.raises(AdapterError, match=r"london-2026-04-27.parquet cannot be written"):
        done(store, tmp_path / "folder", Instant(MONDAY + WEEK))
    assert store.count(ALL) == 128


def test_full_disk_is_told_and_nothing_is_forgotten(
    store: SqliteReadingStore, tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    try:
        with pytest.raises(AdapterError, match="cannot be written"):
            done(store, tmp_path / "out", Instant(MONDAY + WEEK))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.count(ALL) == 128
    assert names(tmp_path / "out") == []


def test_store_pages_through_what_has_no_end(
    store: SqliteReadingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(store.within(ALL))
    monkeypatch.setattr("wattbay.adapters.stores.sqlite.PAGE_ROWS", 7)
    assert list(store.within(ALL)) == whole
    assert [one.measured_at for one in whole] == sorted(one.measured_at for one in whole)
    assert store.count(Period(MONDAY, Instant(MONDAY + DAY))) == 6
