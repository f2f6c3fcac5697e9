"""Closed weeks of readings as Parquet files, for analysis and for the archive.

A week is from Monday to Monday, UTC. Its file holds every reading with the bytes as signed, so that
each can be verified again. A file is written whole, under another name, and then renamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Reading, ReadingStore
from wattbay.periods import WEEK, Instant, Period, to_datetime

MONDAY_US = -3 * WEEK // 7
"""1970-01-01 was a Thursday. [µs]"""
SCHEMA = pl.Schema(
    {
        "community": pl.String(),
        "device": pl.String(),
        "boot": pl.Int64(),
        "seq": pl.Int64(),
        "measured_at": pl.Datetime("us", "UTC"),
        "import_register": pl.Int64(),
        "export_register": pl.Int64(),
        "flags": pl.UInt8(),
        "power_w": pl.Int64(),
        "voltage_mv": pl.Int64(),
        "proof": pl.Binary(),
    }
)


def week_of(at: Instant) -> Period:
    """Return the week in which an instant lies."""
    start = (at - MONDAY_US) // WEEK * WEEK + MONDAY_US
    return Period(Instant(start), Instant(start + WEEK))


def name_of(community: CommunityId, week: Period) -> str:
    """Return the name of a week's file, such as ``london-2026-04-27.parquet``."""
    return f"{community}-{to_datetime(week.start).date().isoformat()}.parquet"


def export_week(
    store: ReadingStore,
    community: CommunityId,
    devices: Sequence[MeterId],
    week: Period,
    folder: Path,
) -> Path:
    """Write the readings of a week, by device and instant; return the file.

    A week that is still open has a file that is not the last word: export what is closed.
    """
    frames = [frame(store.of_device(community, device, week)) for device in sorted(devices)]
    path = folder / name_of(community, week)
    unfinished = path.with_suffix(".part")
    pl.concat([pl.DataFrame(schema=SCHEMA), *frames]).write_parquet(unfinished)
    unfinished.replace(path)
    return path


def read_week(path: Path) -> list[Reading]:
    """Read a week's file again."""
    frame = pl.read_parquet(path).with_columns(pl.col("measured_at").to_physical())
    return [Reading._make(row) for row in frame.select(SCHEMA.names()).iter_rows()]


def frame(readings: Iterable[Reading]) -> pl.DataFrame:
    """Return readings as a table."""
    return pl.DataFrame(list(readings), schema=SCHEMA, orient="row")
