"""Backups of a service that stands on files: made while it runs, and checked before they are used.

The journal is copied entry by entry, with its hashes; what stands beside it is copied by SQLite
itself, from a connection of its own. The journal goes first: what was stored and not submitted by
then is found again at the next start. A manifest says what a backup consists of. History and
snapshots are left out: they follow from the journal.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from hashlib import sha256
from itertools import islice
from pathlib import Path

import msgspec

from wattbay import __version__
from wattbay.assembly import stores
from wattbay.errors import AdapterError, JournalError
from wattbay.kernel.journal import Journal, SqliteJournal
from wattbay.kernel.replay import verify
from wattbay.periods import Instant, to_datetime

MANIFEST = "manifest.json"
FORMAT = 1
ENTRIES_AT_ONCE = 500
"""Copied before others have their turn."""
BLOCK_BYTES = 1 << 20
UNFINISHED = ".unfinished"
_TABLES = (stores.READINGS, stores.ALERTS, stores.PEOPLE)
_FILES = (stores.SECRETS, stores.WATCH, stores.WORLD)
_NAMES = frozenset((stores.JOURNAL, *_TABLES, *_FILES))


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a backup."""

    name: str
    size_bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup consists of."""

    format: int = FORMAT
    wattbay: str = __version__
    community: str
    made_at: Instant
    entries: int
    head: str
    """Hash of the last entry. [64 hex digits]"""
    files: list[Copied]


async def back_up(
    folder: Path, out: Path, journal: Journal, community: str, at: Instant
) -> tuple[Path, Manifest]:
    """Copy everything that a service needs to a new folder below `out`, while it runs.

    Parameters
    ----------
    folder
        The service's own.
    journal
        As the service has it open: nobody else can read it meanwhile.

    Raises
    ------
    AdapterError
        If it cannot be written; nothing that looks like a backup is left behind.
    """
    name = f"{to_datetime(at):%Y%m%dT%H%M%SZ}-{journal.last_seq:012d}"
    beside, target = out / f"{name}{UNFINISHED}", out / name
    if target.exists():
        raise AdapterError(f"{target} is there already")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True, mode=0o700)
        head, entries = await _copy_journal(journal, beside / stores.JOURNAL)
        await asyncio.to_thread(_copy_rest, folder, beside)
        # Digests of gigabytes take seconds.
        files = await asyncio.to_thread(lambda: [_copied(one) for one in sorted(beside.iterdir())])
        manifest = Manifest(
            community=community, made_at=at, entries=entries, head=head.hex(), files=files
        )
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        (beside / MANIFEST).write_bytes(text + b"\n")
        beside.replace(target)
    except (OSError, sqlite3.Error, JournalError) as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise AdapterError(f"no backup could be made in {out}: {error}") from error
    return target, manifest


async def _copy_journal(journal: Journal, path: Path) -> tuple[bytes, int]:
    """Copy the entries that stand now; return the hash of the last and their number."""
    last, head = journal.last_seq, journal.head
    copy = SqliteJournal(path)
    try:
        while copy.last_seq < last:
            wanted = min(ENTRIES_AT_ONCE, last - copy.last_seq)
            rows = islice(journal.rows(copy.last_seq + 1), wanted)
            copy.append([data for _, data, _ in rows])
            await asyncio.sleep(0)
        if copy.head != head:
            raise JournalError("the copy does not end as the journal does")
    finally:
        copy.close()
    return head, last


def _copy_rest(folder: Path, beside: Path) -> None:
    """Copy what stands beside the journal."""
    for name in _TABLES:
        source = folder / name
        if source.exists():
            address = f"{source.absolute().as_uri()}?mode=ro"
            with (
                closing(sqlite3.connect(address, uri=True)) as db,
                closing(sqlite3.connect(beside / name)) as copy,
            ):
                db.backup(copy)
    for name in _FILES:
        if (folder / name).exists():
            shutil.copy2(folder / name, beside / name)


def _copied(path: Path) -> Copied:
    return Copied(name=path.name, size_bytes=path.stat().st_size, sha256=_digest(path))


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def backups(out: Path) -> list[Path]:
    """Return the finished backups in a folder, oldest first."""
    return sorted(path.parent for path in out.glob(f"*/{MANIFEST}"))


def forget(out: Path, kept: int) -> Sequence[Path]:
    """Remove all but the last so many backups, and what a kill left; return those that are gone."""
    for path in out.glob(f"*{UNFINISHED}"):
        shutil.rmtree(path)
    gone = backups(out)[:-kept] if kept else []
    for path in gone:
        shutil.rmtree(path)
    return gone


def check(backup: Path, progress: Callable[[int], None] | None = None) -> Manifest:
    """Make sure that a backup is whole, and that its journal is what the rules make of it.

    Raises
    ------
    AdapterError
        If it is no backup, or a file of it is missing or altered.
    JournalError
        At the first entry that is not so.
    """
    try:
        manifest = msgspec.json.decode((backup / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise AdapterError(f"{backup} is no backup: {error}") from error
    if manifest.format != FORMAT:
        what = f"{backup} has format {manifest.format}; this program knows {FORMAT}"
        raise AdapterError(what)
    if strange := sorted({one.name for one in manifest.files} - _NAMES):
        raise AdapterError(f"{backup} names {strange[0]!r}, which is no file of a service")
    for one in manifest.files:
        path = backup / one.name
        if not path.exists():
            raise AdapterError(f"{path} is missing")
        if _digest(path) != one.sha256:
            raise AdapterError(f"{path} is not what the manifest says")
    journal = SqliteJournal(backup / stores.JOURNAL, read_only=True)
    try:
        verify(journal, head=bytes.fromhex(manifest.head), progress=progress)
    finally:
        journal.close()
    return manifest


def restore(backup: Path, folder: Path, progress: Callable[[int], None] | None = None) -> Manifest:
    """Make a service's folder of a backup that was checked.

    Raises
    ------
    AdapterError
        If the folder holds something already, the backup is not whole, or nothing can be written.
    JournalError
        If its journal is not sound.
    """
    if folder.exists() and any(folder.iterdir()):
        raise AdapterError(f"{folder} holds something already: restore to an empty folder")
    manifest = check(backup, progress)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for one in manifest.files:
            shutil.copy2(backup / one.name, folder / one.name)
    except OSError as error:
        raise AdapterError(f"{folder} cannot be written: {error}") from error
    return manifest
