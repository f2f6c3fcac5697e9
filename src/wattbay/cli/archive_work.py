"""What `archive` does: journals and stores are opened, and what was done is told."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from wattbay.adapters.stores import archive
from wattbay.adapters.stores.archive import ArchivedJournal, PrunableJournal
from wattbay.adapters.stores.archive_file import name_of
from wattbay.adapters.stores.retention import cutoff, retire
from wattbay.adapters.stores.sqlite import SqliteReadingStore
from wattbay.cli.check import HEAD_FORM, verify_journal
from wattbay.errors import ConfigError, Fault
from wattbay.kernel.clock import SystemClock
from wattbay.kernel.journal import SqliteJournal
from wattbay.kernel.snapshots import Snapshots
from wattbay.periods import Instant, instant

if TYPE_CHECKING:
    from wattbay.adapters.stores.postgres import PostgresReadingStore

JOURNAL = "journal.sqlite"
READINGS = "readings.sqlite"
SNAPSHOTS = "snapshots"
HOLDER = "wattbay archive"


def write_months(place: str, schema: str, out: Path, until: str | None, *, as_json: bool) -> None:
    """Archive closed months, and tell which files there are now."""
    if until is not None and archive.MONTH.fullmatch(until) is None:
        raise ConfigError(Fault("--until", f"{until!r} is no month", "2013-07 is one"))
    with closing(_journal(place, schema, read_only=True)) as journal:
        written = archive.archive(journal, out, month=until)
    if as_json:
        _print_json([msgspec.to_builtins(header) for header in written])
        return
    for header in written:
        name = name_of(header.first_seq, header.last_seq)
        _print(f"{out / name}  {header.last_seq - header.first_seq + 1:,} entries")
    if not written:
        _print("No month is closed that was not archived before.")


def verify_archive(
    archives: Path, place: str | None, schema: str, head: str | None, *, as_json: bool
) -> None:
    """Verify an archive, and the journal that goes on from it."""
    if head is not None and HEAD_FORM.fullmatch(head) is None:
        raise ConfigError(Fault("--head", f"{head!r} is no head", "it has 64 hex digits"))
    wanted = None if head is None else bytes.fromhex(head)
    found = archive.check_archive(archives)
    if not found.files:
        raise ConfigError(Fault(str(archives), "holds no file of an archive"))
    journal = None if place is None else _journal(place, schema, read_only=True)
    with closing(ArchivedJournal(archives, journal)) as whole:
        if not as_json:
            _print(f"{found.files} files of {found.community}: every byte is as it was written.")
        verify_journal(whole, wanted, as_json=as_json)


def prune_journal(
    place: str, schema: str, archives: Path, snapshots: Path | None, *, as_json: bool
) -> None:
    """Write a snapshot, take away what can be spared, and tell how much that was."""
    if snapshots is None:
        if _is_address(place):
            what = "are not beside a journal in PostgreSQL"
            raise ConfigError(Fault("snapshots", what, "say where: --snapshots data/snapshots"))
        snapshots = _file(place, JOURNAL).parent / SNAPSHOTS
    with closing(_journal(place, schema, read_only=False)) as journal:
        whole = ArchivedJournal(archives, journal)
        kept = Snapshots(snapshots, every=1)
        path = kept.write(kept.exchange(whole), journal.last_seq, journal.head)
        gone = archive.prune(journal, archives, path.read_bytes())
        first, last = journal.base.seq + 1, journal.last_seq
    if as_json:
        _print_json({"pruned": gone, "first_seq": first, "last_seq": last})
    elif gone:
        _print(f"{gone:,} entries were taken away; {first:,} to {last:,} are in the journal.")
    else:
        _print(f"Nothing can be spared: entries {first:,} to {last:,} are in the journal.")


def retire_readings(
    place: str, schema: str, out: Path, before: str | None, days: int | None, *, as_json: bool
) -> None:
    """Export old readings and forget them, and tell week by week."""
    limit = _limit(before, days)
    total = 0
    with closing(_readings(place, schema)) as store:
        for week in retire(store, out, limit):
            if week is None:
                continue
            total += week.readings
            if not as_json:
                names = ", ".join(file.name for file in week.files)
                _print(f"{names}  {week.readings:,} readings")
    if as_json:
        _print_json({"readings": total})
    else:
        _print(f"{total:,} readings are in {out}, and no longer in the store.")


def _limit(before: str | None, days: int | None) -> Instant:
    if (before is None) == (days is None):
        raise ConfigError(Fault("readings", "how old?", "say either --before or --days"))
    if days is not None:
        if days < 0:
            raise ConfigError(Fault("--days", f"{days} is less than none"))
        return cutoff(SystemClock().now(), days)
    try:
        return instant(f"{before}T00:00Z")
    except ValueError as error:
        raise ConfigError(Fault("--before", f"{before!r} is no day", "2013-08-01 is")) from error


def _is_address(place: str) -> bool:
    return place.startswith(("postgresql://", "postgres://"))


def _file(place: str, name: str) -> Path:
    path = Path(place)
    return path / name if path.is_dir() else path


def _journal(place: str, schema: str, *, read_only: bool) -> PrunableJournal:
    if not _is_address(place):
        path = _file(place, JOURNAL)
        if not path.exists():
            raise ConfigError(Fault(place, "holds no journal.sqlite"))
        return SqliteJournal(path, read_only=read_only)
    _need_driver()
    from wattbay.adapters.stores.postgres_journal import PostgresJournal

    return PostgresJournal(place, schema=schema, holder=HOLDER, read_only=read_only)


def _readings(place: str, schema: str) -> SqliteReadingStore | PostgresReadingStore:
    if not _is_address(place):
        path = _file(place, READINGS)
        if not path.exists():
            raise ConfigError(Fault(place, "holds no readings.sqlite"))
        return SqliteReadingStore(path)
    _need_driver()
    from wattbay.adapters.stores.postgres import PostgresReadingStore

    return PostgresReadingStore(place, schema=schema)


def _need_driver() -> None:
    try:
        import psycopg
    except ImportError as error:
        remedy = "pip install 'wattbay[live]'"
        raise ConfigError(Fault("PostgreSQL", "psycopg is not installed", remedy)) from error
    del psycopg


def _print(line: str) -> None:
    Console().print(line, soft_wrap=True, highlight=False)


def _print_json(document: object) -> None:
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
