"""Writing and reading a run folder: Parquet tables, CSV on request, and a few JSON documents."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import polars as pl

from wattbay.errors import AdapterError, ConfigError, Fault
from wattbay.kernel.journal import is_in_use
from wattbay.views.tables import Column, Row

FORMAT = 1
"""Of `summary.json` and `tariffs.json`."""
JOURNAL = "journal.sqlite"
SUMMARY = "summary.json"
PARTS = "parts"
DOCUMENTS = frozenset(
    {
        JOURNAL,
        f"{JOURNAL}-wal",
        f"{JOURNAL}-shm",
        f"{JOURNAL}-journal",
        SUMMARY,
        "scenario.json",
        "pods.json",
        "tariffs.json",
        "report.html",
        "report-shared.html",
    }
)
"""What a run leaves beside its tables."""
INSTANT = pl.Datetime("us", "UTC")
ROWS_PER_PART = 10_000
"""Rows that wait in memory before they are written."""


def prepare(path: Path, *, force: bool, resume: bool) -> None:
    """Make a run folder, or make room in one.

    Raises
    ------
    ConfigError
        If it holds a run and neither `force` nor `resume` says what to do, if what it holds is
        no run, or if it cannot be made.
    """
    try:
        if path.exists():
            _make_room(path, force=force, resume=resume)
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"cannot be made or written: {error.strerror}"
        raise ConfigError(Fault(str(path), what, "choose another --out")) from error


def _make_room(path: Path, *, force: bool, resume: bool) -> None:
    """Let a run that is there be continued or replaced; what no run left stays where it is."""
    found = sorted(path.iterdir()) if path.is_dir() else [path]
    if not found:
        return
    if not ((path / JOURNAL).exists() or (path / SUMMARY).exists()):
        raise ConfigError(Fault(str(path), "is not a run folder", "choose another --out"))
    if not (force or resume):
        raise ConfigError(
            Fault(
                str(path),
                "holds a run already",
                "--force writes it anew, --resume continues it, --out DIR goes elsewhere",
            )
        )
    if force:
        if is_in_use(path / JOURNAL):
            what = "holds a run that is at work"
            raise ConfigError(Fault(str(path), what, "let it end, or choose another --out"))
        tables = {file.stem for file in found if file.suffix == ".parquet"}
        for file in found:
            is_table = file.suffix in {".parquet", ".csv"} and file.stem in tables
            if file.name in DOCUMENTS or is_table:
                file.unlink()
        shutil.rmtree(path / PARTS, ignore_errors=True)


class TableWriter:
    """Writes tables piece by piece, and joins the pieces when a run is over."""

    def __init__(self, path: Path, tables: Mapping[str, Sequence[Column]]) -> None:
        """Write below `path`; `tables` names the columns of each table."""
        self._path = path
        self._tables = tables
        self._waiting: dict[str, list[Row]] = {name: [] for name in tables}
        self._parts: dict[str, list[Path]] = {name: [] for name in tables}
        # What a run that was broken off left; only now is it certain that none is at work here.
        shutil.rmtree(path / PARTS, ignore_errors=True)

    def write(self, rows: Mapping[str, Iterable[Row]]) -> None:
        """Add rows; long tables go to disk as they come.

        Raises
        ------
        AdapterError
            If they cannot be written.
        """
        for name, more in rows.items():
            waiting = self._waiting[name]
            waiting.extend(more)
            if len(waiting) >= ROWS_PER_PART:
                self._flush(name)

    def _flush(self, name: str) -> None:
        parts = self._parts[name]
        part = self._path / PARTS / f"{name}-{len(parts):05}.parquet"
        part.parent.mkdir(exist_ok=True)
        with _on_disk(part):
            frame(self._tables[name], self._waiting[name]).write_parquet(part)
        parts.append(part)
        self._waiting[name] = []

    def finish(self) -> None:
        """Leave one Parquet file a table.

        Raises
        ------
        AdapterError
            If one cannot be written.
        """
        for name in self._tables:
            target = self._path / f"{name}.parquet"
            if not self._parts[name]:
                with _on_disk(target):
                    frame(self._tables[name], self._waiting[name]).write_parquet(target)
                continue
            if self._waiting[name]:
                self._flush(name)
            with _on_disk(target):
                pl.scan_parquet(self._parts[name]).sink_parquet(target)
        shutil.rmtree(self._path / PARTS, ignore_errors=True)


@contextmanager
def _on_disk(target: Path) -> Iterator[None]:
    """Say of a table that cannot be written which it is; a full disk looks like many things."""
    try:
        yield
    except (OSError, pl.exceptions.ComputeError) as error:
        msg = f"{target} cannot be written: {error}"
        raise AdapterError(msg) from error


def frame(columns: Sequence[Column], rows: Sequence[Row]) -> pl.DataFrame:
    """Return rows as a data frame with the types that the formats promise."""
    types: dict[str, type[pl.DataType] | pl.DataType] = {
        "instant": INSTANT,
        "int": pl.Int64,
        "float": pl.Float64,
        "text": pl.String,
        "bool": pl.Boolean,
    }
    by_column: Sequence[Sequence[int | float | str | bool | None]] = (
        list(zip(*rows, strict=True)) if rows else [[] for _ in columns]
    )
    series = []
    for column, values in zip(columns, by_column, strict=True):
        if column.holds == "instant":
            series.append(pl.Series(column.name, values, dtype=pl.Int64).cast(INSTANT))
        else:
            series.append(pl.Series(column.name, values, dtype=types[column.holds], strict=True))
    return pl.DataFrame(series)


def write_csv(path: Path, zone: str) -> None:
    """Write each table as CSV, too, with local times beside UTC.

    Parameters
    ----------
    zone
        IANA name of the place; each instant gets a second column ``…_local`` with its offset.
    """
    for parquet in sorted(path.glob("*.parquet")):
        table = pl.scan_parquet(parquet)
        schema = table.collect_schema()
        instants = [name for name, kind in schema.items() if kind == INSTANT]
        utc = [pl.col(name).dt.to_string("%Y-%m-%dT%H:%M:%SZ") for name in instants]
        local = [
            pl.col(name)
            .dt.convert_time_zone(zone)
            .dt.to_string("%Y-%m-%dT%H:%M:%S%:z")
            .alias(f"{name}_local")
            for name in instants
        ]
        table.with_columns(local).with_columns(utc).collect().write_csv(parquet.with_suffix(".csv"))


def write_json(path: Path, document: object) -> None:
    """Write a JSON document that people may read: indented, keys as given."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")


def read_json(path: Path) -> dict[str, object]:
    """Read a JSON document of a run folder.

    Raises
    ------
    AdapterError
        If it is missing or is no JSON object.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    except FileNotFoundError:
        msg = f"{path} is missing; is {path.parent} the folder of a run that ended?"
        raise AdapterError(msg) from None
    except msgspec.DecodeError as fault:
        msg = f"{path} cannot be read: {fault}"
        raise AdapterError(msg) from None


def read_table(path: Path, name: str) -> pl.LazyFrame:
    """Return a table of a run folder, not read yet.

    Raises
    ------
    AdapterError
        If the run left no such table.
    """
    file = path / f"{name}.parquet"
    if not file.exists():
        msg = f"{file} is missing; is {path} the folder of a run that ended?"
        raise AdapterError(msg)
    return pl.scan_parquet(file)
