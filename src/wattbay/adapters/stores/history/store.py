"""A history in an SQLite file: rows written in transactions, each with the entry it is as of.

The file is one that can be deleted: whatever is wrong with it, the journal is there. It is kept by
one program at a time. What was folded is written when so many entries have come, or somebody asks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import astuple

from wattbay.adapters.stores.history import schema
from wattbay.adapters.stores.history.questions import every, find
from wattbay.core.events import Event
from wattbay.errors import AdapterError, JournalError, ensure
from wattbay.kernel.codec import Entry, decode
from wattbay.kernel.journal import Journal
from wattbay.views.changes import Changes, Kept, LiveDelivery
from wattbay.views.history import COLUMNS, Answered, Found, Want, check
from wattbay.views.live_rows import LiveRows
from wattbay.views.orderlife import LiveOrder
from wattbay.views.rows import Cells, trade_state

ENTRIES_PER_WRITE = 256
ENTRIES_PER_WRITE_MAX = 2_048
"""However many entries come with one write of the journal; and while catching up."""
ENTRIES_PER_REPORT = 1_000
"""How often progress is told."""
CACHE_KIB = 32_768
LOG_PAGES = 1_000
"""Pages of the write-ahead log before it is written back."""

MEMORY = ":memory:"
_FILE_HEADER = b"SQLite format 3\x00"
_MARK_END = 72
"""Where in a file the mark of its application ends. [bytes]"""
_HEADERS = ("application_id", "user_version")
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_encode = msgspec.json.Encoder().encode
_decode: Callable[[bytes], Event] = msgspec.json.Decoder(Event).decode


class SqliteHistory:
    """The past in a file of its own.

    Faults of the file never reach whoever folds: the history stops, and goes on from what stands in
    the file, or is folded anew, when it is next asked.
    """

    def __init__(self, path: Path | str) -> None:
        """Open the file, or make it; one of another form of ours is made anew.

        Raises
        ------
        AdapterError
            If it is something else, or in use, or cannot be written to.
        """
        self._path = str(path)
        self._journal: Journal | None = None
        self._stopped = ""
        self._seq = self._written = 0
        """Up to which entry is folded, and written."""
        self._seen = b""
        """Hash of the last entry that was written."""
        self._last: tuple[int, bytes] = (0, b"")
        """Of the last entry that was read of a journal: number and hash."""
        self._orders = self._deliveries = 0
        """Numbers of the last rows that were written."""
        self._rows = LiveRows({})
        self._open()

    @property
    def seq(self) -> int:
        """Number of the last entry folded."""
        return self._seq

    def fold(self, entry: Entry) -> None:
        """Take the next entry; one that was taken before passes by."""
        if self._stopped or entry.seq <= self._seq:
            return
        ensure(entry.seq == self._seq + 1, "entries are folded one after the other")
        self._rows.fold(entry)
        self._seq = entry.seq
        waiting = self._seq - self._written
        if waiting < ENTRIES_PER_WRITE:
            return
        # Mostly the journal's last entry is reached soon, whose hash is known.
        if waiting >= ENTRIES_PER_WRITE_MAX or self._journal_ends():
            with suppress(AdapterError):
                self.flush()

    def find(self, want: Want) -> Found:
        """Return the rows that are wanted, what was folded last included.

        Raises
        ------
        ValueError
            If there is no such table or column, or the table concerns no pods and some are named.
        AdapterError
            If the file cannot be read or written.
        """
        check(want)
        self._be_ready()
        try:
            return find(self._db, want, self._rows.isp_us)
        except sqlite3.Error as error:
            raise self._stop("cannot be read", error) from error

    def all(self, want: Want) -> Iterator[Answered]:
        """Yield all rows that are wanted, by time and then number, whatever the limit.

        Raises
        ------
        ValueError, AdapterError
            As of `find`.
        """
        check(want)
        self._be_ready()
        try:
            yield from every(self._db, want)
        except sqlite3.Error as error:
            raise self._stop("cannot be read", error) from error

    def one(self, table: str, **key: str | int | None) -> Answered | None:
        """Return the newest row in which each column of `key` is so; None where there is none.

        Raises
        ------
        ValueError, AdapterError
            As of `find`.
        """
        rows = self.find(Want(table, key, limit=1)).rows
        return rows[0] if rows else None

    def flush(self) -> None:
        """Write what was folded, together with up to where that is.

        Raises
        ------
        AdapterError
            If it cannot be written.
        """
        if self._stopped:
            raise AdapterError(self._stopped)
        if self._seq == self._written:
            return
        try:
            seen = self._hash_of(self._seq)
            self._db.execute("BEGIN IMMEDIATE")
            self._write(self._rows.take())
            self._db.execute("UPDATE watermark SET seq = ?, hash = ?", (self._seq, seen))
            self._db.execute("COMMIT")
        except (sqlite3.Error, JournalError) as error:
            raise self._stop("cannot be written", error) from error
        self._written, self._seen = self._seq, seen

    def catch_up(self, journal: Journal, progress: Callable[[int], None] | None = None) -> int:
        """Fold what a journal has beyond the last entry folded; return how many that were.

        A history of another journal is folded anew, from the first entry. From now on, rows are
        written as of this journal.

        Parameters
        ----------
        progress
            Hears now and then which entry is reached.

        Raises
        ------
        AdapterError
            If the file cannot be read or written.
        JournalError
            If the journal cannot be read.
        """
        if not self._stopped:
            self.flush()
        self._journal = journal
        if self._stopped:
            self._open()
            self._stopped = ""
        if not self._is_of(journal):
            self._delete()
            self._open()
        before = self._seq
        for seq, data, seen in journal.rows(self._seq + 1):
            self._rows.fold(decode(data, seq=seq))
            self._seq, self._last = seq, (seq, seen)
            if seq - self._written >= ENTRIES_PER_WRITE_MAX:
                self.flush()
            if progress is not None and seq % ENTRIES_PER_REPORT == 0:
                progress(seq)
        self.flush()
        return self._seq - before

    def close(self) -> None:
        """Write what was folded, fold the write-ahead log into the file and let go of it.

        Raises
        ------
        AdapterError
            If it cannot be written. Nothing is lost: the journal is there.
        """
        try:
            if not self._stopped:
                self.flush()
        finally:
            self._stopped = f"{self._path} is closed"
            self._journal = None
            self._db.close()

    # --- the file ---

    def _open(self) -> None:
        """Open the file and go on from where its rows stand.

        Raises
        ------
        AdapterError
            If it is something else, or in use, or cannot be written to.
        """
        for is_last in (False, True):
            try:
                self._db = sqlite3.connect(self._path, isolation_level=None, timeout=0)
                if self._has_form():
                    self._prepare()
                    self._restore()
                    return
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorcode", None)
                self._db.close()
                if is_last or code not in _DAMAGED or not self._bears_our_mark():
                    what = "is in use by another program" if code == sqlite3.SQLITE_BUSY else error
                    raise AdapterError(f"history {self._path}: {what}") from error
            except msgspec.DecodeError:
                ensure(not is_last, "a history that was just made can be read")
            self._delete()

    def _has_form(self) -> bool:
        """Tell whether the file is new or of our form; False where it is of another one of ours."""
        found = [self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in _HEADERS]
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables and not any(found):
            return True
        if found[0] != schema.APPLICATION_ID:
            self._db.close()
            raise AdapterError(f"{self._path} is something else than a history")
        return bool(found[1] == schema.VERSION)

    def _bears_our_mark(self) -> bool:
        """Tell whether a file that cannot be read was a history once."""
        with Path(self._path).open("rb") as file:
            header = file.read(_MARK_END)
        mark = schema.APPLICATION_ID.to_bytes(4, "big")
        return header.startswith(_FILE_HEADER) and header.endswith(mark)

    def _prepare(self) -> None:
        """Set the file up; make the tables where there are none, before the log begins."""
        db = self._db
        db.create_function("trade_state", 2, _trade_state, deterministic=True)
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables == 0:
            settings = (
                f"PRAGMA application_id = {schema.APPLICATION_ID};"
                f" PRAGMA user_version = {schema.VERSION};"
            )
            db.executescript(f"BEGIN IMMEDIATE; {schema.TABLES} {settings} COMMIT;")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        db.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")

    def _restore(self) -> None:
        """Make the fold go on from the rows."""
        db = self._db
        self._seq, self._seen = db.execute("SELECT seq, hash FROM watermark").fetchone()
        self._written, self._last = self._seq, (0, b"")
        ends = {
            table: db.execute(f"SELECT ifnull(max(number), 0) FROM {table}").fetchone()[0]  # noqa: S608 - our own names
            for table in COLUMNS
        }
        self._orders, self._deliveries = ends["orders"], ends["deliveries"]
        kept = [_decode(event) for (event,) in db.execute(schema.KEPT)]
        orders = [_order(row) for row in db.execute(schema.OPEN_ORDERS)]
        deliveries = [LiveDelivery(*row) for row in db.execute(schema.LIVE_DELIVERIES)]
        self._rows = LiveRows(
            ends,
            [event for event in kept if isinstance(event, Kept)],
            sorted(orders, key=attrgetter("number")),
            sorted(deliveries, key=attrgetter("number")),
        )

    def _delete(self) -> None:
        """Delete the file."""
        self._db.close()
        if self._path != MEMORY:
            for suffix in ("", "-wal", "-shm", "-journal"):
                Path(self._path + suffix).unlink(missing_ok=True)

    # --- as of which entry ---

    def _is_of(self, journal: Journal) -> bool:
        """Tell whether the rows are those of a journal."""
        if self._seq == 0:
            return True
        if journal.last_seq < self._seq:
            return False
        row = next(journal.rows(self._seq), None)
        return row is not None and row[2] == self._seen

    def _hash_of(self, seq: int) -> bytes:
        """Return the hash of an entry; empty where no journal is known."""
        if self._last[0] == seq:
            return self._last[1]
        journal = self._journal
        if journal is None:
            return b""
        return journal.head if journal.last_seq == seq else next(journal.rows(seq))[2]

    def _journal_ends(self) -> bool:
        return self._journal is None or self._journal.last_seq == self._seq

    def _be_ready(self) -> None:
        """Write what was folded; after a fault, go on from what stands in the file."""
        if self._stopped and self._journal is not None:
            self.catch_up(self._journal)
        self.flush()

    def _stop(self, what: str, error: Exception) -> AdapterError:
        """Forget what was not written, and fold nothing until somebody asks again."""
        self._stopped = f"history {self._path} {what}: {error}"
        with suppress(sqlite3.Error):
            self._db.execute("ROLLBACK")
        code = getattr(error, "sqlite_errorcode", None)
        if code in _DAMAGED:
            self._delete()
        else:
            self._db.close()
        return AdapterError(self._stopped)

    # --- rows ---

    def _write(self, changes: Changes) -> None:
        """Write rows that are new, then what changed in others."""
        db = self._db
        for table, rows in changes.new.items():
            if rows:
                db.executemany(schema.INSERTS[table], rows)
        orders = changes.orders.values()
        new = [_order_row(one) for one in orders if one.number > self._orders]
        db.executemany(schema.INSERTS["orders"], new)
        db.executemany(
            schema.ORDERS,
            [(*_changing(one), one.number) for one in orders if one.number <= self._orders],
        )
        deliveries = changes.deliveries.values()
        new = [astuple(one) for one in deliveries if one.number > self._deliveries]
        db.executemany(schema.INSERTS["deliveries"], new)
        db.executemany(
            schema.DELIVERIES,
            [
                (one.state, one.run, one.price, one.volume_wh, one.pool_price, one.number)
                for one in deliveries
                if one.number <= self._deliveries
            ],
        )
        self._orders = max(self._orders, *changes.orders, 0)
        self._deliveries = max(self._deliveries, *changes.deliveries, 0)
        for name, query in schema.UPDATES.items():
            values = getattr(changes, name)
            if values:
                db.executemany(query, values)
        db.executemany(
            "INSERT INTO kept (event) VALUES (?)", [(_encode(event),) for event in changes.kept]
        )


def memory_history() -> SqliteHistory:
    """Return a history that ends with the process."""
    return SqliteHistory(MEMORY)


def _trade_state(quantity_wh: int, delivered_wh: int) -> str:
    """Return how a trade stands once its delivery is settled."""
    return trade_state(quantity_wh, delivered_wh, is_cancelled=False)


def _order(row: tuple[Any, ...]) -> LiveOrder:
    """Return an order as its row tells it."""
    one = LiveOrder(*row)
    if one.kind in {"limit", "market"}:
        one.kind = ""
    return one


def _changing(one: LiveOrder) -> Cells:
    """Return what of an order's row may change."""
    return (one.quantity_wh, one.limit, one.type, one.state, one.filled_wh, one.reason)


def _order_row(one: LiveOrder) -> Cells:
    """Return an order's row."""
    return (
        one.number,
        one.seq,
        one.at,
        one.order,
        one.request,
        one.product,
        one.delivery,
        one.pod,
        one.side,
        *_changing(one),
    )
