"""Weeks of readings as Parquet files."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from wattbay.adapters.stores.export import export_week, name_of, read_week, week_of
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import MemoryReadingStore, Reading
from wattbay.periods import HOUR, WEEK, Instant, instant

LONDON = CommunityId("london")
MONDAY = instant("2026-04-27T00:00Z")


def a_reading(seq: int, at: int, device: str = "m07") -> Reading:
    return Reading(
        LONDON, MeterId(device), 1, seq, Instant(at), 48_000, 9_120, 3, None, 230_100, b"\xd2\x00"
    )


def test_week_is_from_monday_to_monday() -> None:
    for at in (MONDAY, Instant(MONDAY + 80 * HOUR), Instant(MONDAY + WEEK - 1)):
        assert week_of(at).start == MONDAY
    assert week_of(Instant(MONDAY - 1)).end == MONDAY
    assert name_of(LONDON, week_of(MONDAY)) == "london-2026-04-27.parquet"


def test_exported_week_holds_every_reading_as_signed(tmp_path: Path) -> None:
    store = MemoryReadingStore()
    inside = [
        a_reading(1, MONDAY, "m08"), a_reading(1, MONDAY), a_reading(2, MONDAY + WEEK - 1),
    ]  # fmt: skip
    outside = [a_reading(3, MONDAY + WEEK), a_reading(4, MONDAY - 1)]
    store.add([*inside, *outside])
    devices = [MeterId("m08"), MeterId("m07")]
    path = export_week(store, LONDON, devices, week_of(MONDAY), tmp_path)
    assert read_week(path) == [inside[1], inside[2], inside[0]]
    assert [one.name for one in tmp_path.iterdir()] == ["london-2026-04-27.parquet"]
    assert pl.read_parquet(path).schema["measured_at"] == pl.Datetime("us", "UTC")


def test_week_without_readings_has_an_empty_file(tmp_path: Path) -> None:
    path = export_week(MemoryReadingStore(), LONDON, [], week_of(MONDAY), tmp_path)
    assert read_week(path) == []
