"""Where history stands: entries in a hash chain, appended by one writer and never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Protocol

from wattbay.errors import JournalError, WattbayError, ensure
from wattbay.kernel.codec import FORMAT, GENESIS, chain
from wattbay.kernel.differences import difference_of_bytes

Row = tuple[int, bytes, bytes]
"""Sequence number, bytes and hash of an entry."""

APPLICATION_ID = 0x57424A4C
"""Marks an SQLite file as a journal of ours ("WBJL"), in its header."""

MISSING_FAULT = "the entry is missing"
HASH_FAULT = "its hash is not that of its bytes and of the entry before"

TAIL_ROWS_MAX = 1_000
"""How many of the last entries are checked against their hashes when a file is opened."""

ROWS_PER_READ_MAX = 256
"""How many entries are read from a file at once. The largest have megabytes."""

LOG_PAGES = 256
"""When SQLite folds the write-ahead log into the file. A short log stays in the cache and is
written over instead of growing: measured, a tenth less time a write than with 1,000."""


class Base(NamedTuple):
    """Where a journal goes on whose beginning was pruned; entry 0 and `GENESIS` otherwise."""

    seq: int
    """The last entry that is no longer in it."""
    head: bytes
    """Hash of that entry. [32 bytes]"""


def pruned_fault(base: Base) -> str:
    """Say where entries are that a journal no longer holds."""
    return f"entries up to {base.seq} were pruned; they stand in the archive of this journal"


class Journal(Protocol):
    """History as rows of bytes, whatever holds it."""

    @property
    def head(self) -> bytes:
        """Hash of the last entry; `GENESIS` where there is none. [32 bytes]"""

    @property
    def last_seq(self) -> int:
        """Number of the last entry; 0 where there is none."""

    def append(self, batch: Sequence[bytes]) -> None:
        """Add entries with one durable write: afterwards all of them stand, or else none.

        Raises
        ------
        JournalError
            If they do not stand for certain. Nothing can be appended from then on.
        """

    def rows(self, from_seq: int = 1) -> Iterator[Row]:
        """Yield the entries from a number on, with their hashes as they stand.

        Raises
        ------
        JournalError
            Where an entry is missing or cannot be read, after those before it.
        """

    def close(self) -> None:
        """Let go of what it stands on."""


class MemoryJournal:
    """A journal that ends with the process."""

    def __init__(self) -> None:
        """Begin at genesis."""
        self.head = GENESIS
        self.last_seq = 0
        self._entries: list[bytes] = []
        self._hashes: list[bytes] = []
        self._is_closed = False

    def append(self, batch: Sequence[bytes]) -> None:
        """Add entries.

        Raises
        ------
        JournalError
            If the journal is closed.
        """
        if self._is_closed:
            raise JournalError("the journal is closed")
        head = self.head
        for data in batch:
            head = sha256(head + data).digest()  # `chain`, without the price of a call
            self._hashes.append(head)
        self._entries.extend(batch)
        self.head = head
        self.last_seq = len(self._entries)

    def rows(self, from_seq: int = 1) -> Iterator[Row]:
        """Yield the entries from a number on, with their hashes."""
        seq = from_seq
        while seq <= self.last_seq:
            yield seq, self._entries[seq - 1], self._hashes[seq - 1]
            seq += 1

    def close(self) -> None:
        """Take nothing more; what is written stays readable."""
        self._is_closed = True


def is_in_use(path: Path) -> bool:
    """Tell whether another program writes the journal in a file."""
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=0)) as db:
            db.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error as error:
        # Whatever else is wrong with it, nobody is at work.
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
    return False


class SqliteJournal:
    """A journal in an SQLite file: one durable write a batch, one writer at a time.

    What stands in the file is found good before anything is added. An unbroken file is one in
    which the sequence has no gap and the hashes of the last entries are those of their bytes;
    that everything before is as it was is for `wattbay.kernel.replay.verify` to say.
    """

    def __init__(self, path: Path | str, *, resume: bool = False, read_only: bool = False) -> None:
        """Open a journal, or make one.

        Parameters
        ----------
        path
            The file.
        resume
            Begin at genesis again: what is appended must be, byte for byte, what the file holds
            already, and only what is new is written.
        read_only
            Change nothing and forgive a broken end, so that what precedes it can be read.

        Raises
        ------
        JournalError
            If the file is no journal, has a format that this program does not know, is broken at
            its end, or is in use by another program.
        """
        self._path = Path(path)
        self._is_writer = not read_only
        self._stopped = "" if self._is_writer else "the journal was opened for reading"
        self._held_seq = 0
        self.base = Base(0, GENESIS)
        """Where it goes on, if its beginning was pruned."""
        self.head = GENESIS
        self.last_seq = 0
        self._db = self._connect()
        try:
            self._open(resume=resume)
        except WattbayError:
            self._db.close()
            raise

    def append(self, batch: Sequence[bytes]) -> None:
        """Add entries with one durable write; with ``resume``, only those that the file lacks.

        Raises
        ------
        JournalError
            If they do not stand for certain, or the file holds other ones. Nothing can be
            appended from then on.
        """
        if self._stopped:
            raise JournalError(self._stopped)
        if not batch:
            return
        head, seq = self.head, self.last_seq
        rows: list[Row] = []
        for data in batch:
            head = sha256(head + data).digest()  # `chain`, without the price of a call
            seq += 1
            rows.append((seq, data, head))
        new = rows if self.last_seq >= self._held_seq else self._compare(rows)
        if new:
            self._write(new)
        self.head, self.last_seq = head, seq

    def rows(self, from_seq: int = 1) -> Iterator[Row]:
        """Yield the entries from a number on, with their hashes as they stand.

        Raises
        ------
        JournalError
            Where an entry is missing, was pruned or cannot be read, after those before it.
        """
        seq = from_seq
        if seq <= self.base.seq:
            raise JournalError(pruned_fault(self.base), seq=seq)
        while seq <= self.last_seq:
            found: list[Row] = []
            fault = ""
            try:
                # Text is read as bytes, so that an entry edited by hand is judged by its hash.
                found.extend(
                    self._db.execute(
                        "SELECT seq, CAST(bytes AS BLOB), CAST(hash AS BLOB) FROM entries"
                        " WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
                        (seq, self.last_seq, ROWS_PER_READ_MAX),
                    )
                )
            except sqlite3.Error as error:
                fault = f"the entry cannot be read: {error}"
            if [row[0] for row in found] == list(range(seq, seq + len(found))):
                yield from found
                seq += len(found)
            else:
                for row in found:
                    if row[0] != seq:
                        raise JournalError(MISSING_FAULT, seq=seq)
                    yield row
                    seq += 1
            if fault or not found:
                raise JournalError(fault or MISSING_FAULT, seq=seq)

    def prune(self, until_seq: int) -> None:
        """Take the entries up to a number away; what follows stays chained to their last hash.

        Use `wattbay.adapters.stores.archive.prune`, which makes sure that they can be spared.

        Raises
        ------
        JournalError
            If that cannot be done. All of them are there, then.
        """
        if self._stopped:
            raise JournalError(self._stopped)
        row = next(self.rows(until_seq), None)
        if row is None:
            raise JournalError(MISSING_FAULT, seq=until_seq)
        base = Base(row[0], row[2])
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("CREATE TABLE IF NOT EXISTS base (seq INTEGER, hash BLOB)")
            self._db.execute("DELETE FROM base")
            self._db.execute("INSERT INTO base VALUES (?, ?)", base)
            self._db.execute("DELETE FROM entries WHERE seq <= ?", (base.seq,))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise JournalError(f"{self._path} cannot be pruned: {error}", seq=base.seq) from error
        self.base = base

    def close(self) -> None:
        """Fold the write-ahead log into the file, which then stands alone.

        Raises
        ------
        JournalError
            If that fails. Nothing is lost: the next opening repeats it.
        """
        if not self._is_writer:
            self._db.close()
            return
        self._is_writer = False
        was_sound = not self._stopped
        self._stopped = "the journal is closed"
        try:
            if was_sound:
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._db.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as error:
            raise JournalError(f"{self._path} could not be closed cleanly: {error}") from error
        finally:
            self._db.close()

    def _connect(self) -> sqlite3.Connection:
        mode = "rwc" if self._is_writer else "ro"
        if not self._is_writer and not self._path.exists():
            raise JournalError(f"there is no journal at {self._path}")
        try:
            return sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode={mode}",
                uri=True,
                isolation_level=None,
                timeout=0,
            )
        except sqlite3.Error as error:
            raise JournalError(f"{self._path} cannot be opened: {error}") from error

    def _open(self, *, resume: bool) -> None:
        """Prepare the file and find out where it ends."""
        try:
            if self._is_writer:
                self._become_writer()
                self._check_tail()
            else:
                # Lets a file be read that is shorter than its header says.
                self._db.execute("PRAGMA writable_schema = ON")
                self._check_format()
                self._find_end()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                what = "is in use by another program; a journal has one writer"
            else:
                what = f"is not a readable journal: {error}"
            raise JournalError(f"{self._path} {what}") from error
        if resume and self.base.seq:
            raise JournalError(f"{self._path} cannot be resumed: {pruned_fault(self.base)}")
        if resume:
            self._held_seq = self.last_seq
            self.last_seq, self.head = 0, GENESIS

    def _become_writer(self) -> None:
        """Lock the file for as long as it is open; make the table where there is none."""
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("BEGIN IMMEDIATE")
        if self._is_new():
            self._db.execute(
                "CREATE TABLE entries"
                " (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL, hash BLOB NOT NULL)"
            )
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._db.execute(f"PRAGMA user_version = {FORMAT}")
        self._check_format()
        self._db.execute("COMMIT")
        (mode,) = self._db.execute("PRAGMA journal_mode = WAL").fetchone()
        self._db.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        ensure(mode == "wal", "SQLite keeps a write-ahead log")

    def _is_new(self) -> bool:
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return bool(tables == 0 and self._header("application_id") == 0)

    def _header(self, name: str) -> int:
        (value,) = self._db.execute(f"PRAGMA {name}").fetchone()
        return int(value)

    def _check_format(self) -> None:
        if self._header("application_id") != APPLICATION_ID:
            raise JournalError(f"{self._path} is not a journal of Wattbay")
        found = self._header("user_version")
        if found != FORMAT:
            raise JournalError(
                f"{self._path} has journal format {found}; this program knows format {FORMAT}"
            )
        (bases,) = self._db.execute(
            "SELECT count(*) FROM sqlite_master WHERE name = 'base'"
        ).fetchone()
        if bases:
            for row in self._db.execute("SELECT seq, CAST(hash AS BLOB) FROM base"):
                self.base = Base._make(row)
            self.last_seq, self.head = self.base

    def _check_tail(self) -> None:
        """Find the end, once it is known to be sound."""
        first, last = self._db.execute("SELECT min(seq), max(seq) FROM entries").fetchone()
        if last is None:
            return
        if first != self.base.seq + 1:
            raise JournalError(MISSING_FAULT, seq=self.base.seq + 1)
        self.last_seq = last
        begin = max(first, last - TAIL_ROWS_MAX)
        # Of the first row of a longer journal the hash is taken as it stands.
        previous = self.base.head if begin == first else None
        for seq, data, stored in self.rows(begin):
            if previous is not None and chain(previous, data) != stored:
                raise JournalError(HASH_FAULT, seq=seq)
            previous = self.head = stored

    def _find_end(self) -> None:
        """Find the last entry that can be read, or else the first that cannot."""
        try:
            (last,) = self._db.execute(
                "SELECT ifnull(max(seq), ?) FROM entries", (self.base.seq,)
            ).fetchone()
            self.last_seq = last
        except sqlite3.Error:
            with suppress(sqlite3.Error):
                for (seq,) in self._db.execute("SELECT seq FROM entries ORDER BY seq"):
                    self.last_seq = seq
            self.last_seq += 1
        with suppress(sqlite3.Error):
            for (end,) in self._db.execute(
                "SELECT CAST(hash AS BLOB) FROM entries WHERE seq = ?", (self.last_seq,)
            ):
                self.head = end

    def _compare(self, rows: list[Row]) -> list[Row]:
        """Make sure that the file holds these entries as far as it goes; return the rest."""
        first = rows[0][0]
        stored = self._db.execute(
            "SELECT seq, CAST(bytes AS BLOB), CAST(hash AS BLOB) FROM entries"
            " WHERE seq BETWEEN ? AND ? ORDER BY seq",
            (first, rows[-1][0]),
        ).fetchall()
        for held, row in zip(stored, rows, strict=False):
            if held == row:
                continue
            self._stopped = "what was appended is not what the file holds"
            if held[1] == row[1]:
                raise JournalError(HASH_FAULT, seq=row[0])
            found = difference_of_bytes(held[1], row[1])
            raise JournalError(
                f"the run does not repeat what {self._path} holds: {found.where} is"
                f" {found.first} there and {found.second} now",
                seq=row[0],
            )
        return rows[len(stored) :]

    def _write(self, rows: list[Row]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT INTO entries VALUES (?, ?, ?)", rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._stopped = f"{self._path} cannot be written: {error}"
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise JournalError(self._stopped, seq=rows[0][0]) from error
