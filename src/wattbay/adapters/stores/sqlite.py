"""Verified readings in one SQLite file: what a community on one machine needs.

Rows stand in the order of (instant, device): what was measured at an instant, or over a span, is
found by seeking; what one device measured over a span, by walking through that span. That each
number of a device is taken once is kept by a small table of stretches, in the same transaction; an
index over the numbers, or over devices, would cost more than all the rest.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from wattbay.errors import AdapterError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import (
    ALARMS_PER_DEVICE_MAX,
    Outcome,
    Reading,
    Runs,
    Source,
    judge,
)
from wattbay.periods import Instant, Period

APPLICATION_ID = 0x57425244
"""``WBRD``: what the file says of itself."""
FORMAT = 1
CACHE_KIB = 32_768
LOG_PAGES = 4_096
"""Pages of the write-ahead log before it is written back."""
RUNS_CACHED_MAX = 100_000
"""Starts of devices whose numbers are kept in memory; the rest is read when it is needed."""
WRITER_WAITS_S = 5.0
"""How long a writer waits for another one's transaction to end. [s]"""

_TABLES = """
CREATE TABLE devices (
  number INTEGER PRIMARY KEY, community TEXT NOT NULL, device TEXT NOT NULL,
  UNIQUE (community, device)
);
CREATE TABLE readings (
  measured_at INTEGER NOT NULL, device INTEGER NOT NULL, boot INTEGER NOT NULL,
  seq INTEGER NOT NULL, import_register INTEGER NOT NULL, export_register INTEGER NOT NULL,
  flags INTEGER NOT NULL, power_w INTEGER, voltage_mv INTEGER, proof BLOB NOT NULL,
  PRIMARY KEY (measured_at, device)
) WITHOUT ROWID;
CREATE TABLE runs (
  device INTEGER NOT NULL, boot INTEGER NOT NULL, runs BLOB NOT NULL,
  PRIMARY KEY (device, boot)
) WITHOUT ROWID;
CREATE TABLE alarms (
  number INTEGER PRIMARY KEY, measured_at INTEGER NOT NULL, device INTEGER NOT NULL,
  boot INTEGER NOT NULL, seq INTEGER NOT NULL, import_register INTEGER NOT NULL,
  export_register INTEGER NOT NULL, flags INTEGER NOT NULL, power_w INTEGER, voltage_mv INTEGER,
  proof BLOB NOT NULL, UNIQUE (device, proof)
);
CREATE TABLE state (forgotten_before INTEGER NOT NULL, epoch INTEGER NOT NULL);
INSERT INTO state VALUES (0, 0);
"""
_COLUMNS = (
    "measured_at, device, boot, seq, import_register, export_register,"
    " flags, power_w, voltage_mv, proof"
)
# What is put into the texts are our own names, never values: so S608 has nothing to warn of.
_INSERT = f"INSERT INTO readings ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - see above
_ALARM = f"INSERT OR IGNORE INTO alarms ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - see above
_RUNS = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?)"
_SELECT = (
    "SELECT community, devices.device, boot, seq, measured_at, import_register, export_register,"
    " flags, power_w, voltage_mv, proof FROM {table} AS rows JOIN devices ON number = rows.device"
)
_PAGE = (
    "SELECT community, devices.device, boot, seq, measured_at, import_register, export_register,"
    " flags, power_w, voltage_mv, proof, number"
    " FROM readings AS rows JOIN devices ON number = rows.device"
    " WHERE (measured_at, rows.device) > (?, ?) AND measured_at < ?"
    " ORDER BY measured_at, rows.device LIMIT ?"
)
_STORED, _REPEATED, _ALTERED = Outcome.STORED, Outcome.REPEATED, Outcome.ALTERED
PAGE_ROWS = 5_000
"""Readings that are read at once where there is no end to them."""

_pairs = msgspec.msgpack.Decoder(list[tuple[int, int]])
_pack = msgspec.msgpack.Encoder().encode


class SqliteReadingStore:
    """Readings in a file of their own.

    One writer: whoever opened it last. Each opening counts an epoch up, and each transaction begins
    by comparing it, so that a writer that was given up for dead changes nothing when it wakes.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises
        ------
        AdapterError
            If it is something else, or cannot be written to.
        """
        self._path = path
        self._numbers: dict[tuple[CommunityId, MeterId], int] = {}
        self._runs: dict[tuple[int, int], Runs] = {}
        self._latest: dict[int, Instant] = {}
        self._db = sqlite3.connect(path, isolation_level=None, timeout=WRITER_WAITS_S)
        try:
            self._open()
            self._db.execute("UPDATE state SET epoch = epoch + 1")
            (self._epoch,) = self._db.execute("SELECT epoch FROM state").fetchone()
        except sqlite3.Error as error:
            self._db.close()
            msg = f"{path} is no store of readings that can be written to: {error}"
            raise AdapterError(msg) from error

    def _open(self) -> None:
        db = self._db
        (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            msg = f"no write-ahead log, but {mode}"
            raise sqlite3.OperationalError(msg)
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        db.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables == 0:
            settings = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};"
            db.executescript(f"BEGIN IMMEDIATE; {_TABLES} {settings} COMMIT;")
        found = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in _HEADERS]
        if found != [APPLICATION_ID, FORMAT]:
            msg = f"application and format are {found}, not {[APPLICATION_ID, FORMAT]}"
            raise sqlite3.DatabaseError(msg)
        for number, community, device in db.execute("SELECT * FROM devices"):
            self._numbers[CommunityId(community), MeterId(device)] = number
        (before,) = db.execute("SELECT forgotten_before FROM state").fetchone()
        self._forgotten_before = Instant(before)
        self._latest.clear()
        (last,) = db.execute("SELECT ifnull(max(measured_at), 0) FROM readings").fetchone()
        self._last = Instant(last)

    def add(self, batch: Sequence[Reading]) -> list[Outcome]:
        """Store readings with one durable write.

        Raises
        ------
        AdapterError
            If they do not stand for certain: none of them does, and the batch may come again.
        """
        if len(self._runs) > RUNS_CACHED_MAX:
            self._runs.clear()
        try:
            self._begin()
            outcomes = self._add(batch)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            # What was accounted for in memory does not stand: it is read again.
            self._runs.clear()
            self._numbers.clear()
            with suppress(sqlite3.Error):
                self._open()
            msg = f"{self._path} cannot be written: {error}"
            raise AdapterError(msg) from error
        return outcomes

    def _begin(self) -> None:
        """Begin a transaction, unless another writer has taken over."""
        self._db.execute("BEGIN IMMEDIATE")
        (epoch,) = self._db.execute("SELECT epoch FROM state").fetchone()
        if epoch != self._epoch:
            msg = "another program opened it since, and writes to it now"
            raise sqlite3.OperationalError(msg)

    def _add(self, batch: Sequence[Reading]) -> list[Outcome]:
        latest, last, before = self._latest, self._last, self._forgotten_before
        held: dict[tuple[Instant, int], bytes] = {}
        touched: set[tuple[int, int]] = set()
        new: list[tuple[object, ...]] = []
        outcomes: list[Outcome] = []
        for reading in batch:
            number = self._number_of(reading)
            measured_at, proof, source = reading.measured_at, reading.proof, (number, reading.boot)
            runs = self._runs.get(source) or self._runs_of(*source)
            # An instant after the device's last, or the last of all when the file was opened, is
            # not taken: most readings need no look.
            is_later = measured_at > latest.get(number, last)
            there = None if is_later else self._held(measured_at, number, held)
            outcome = judge(reading, runs, there, before)
            outcomes.append(outcome)
            if outcome is _REPEATED:
                continue
            touched.add(source)
            row = (measured_at, number, *reading[2:4], *reading[5:])
            if outcome is _STORED:
                held[measured_at, number] = proof
                new.append(row)
                if is_later:
                    latest[number] = measured_at
            elif outcome is _ALTERED:
                self._raise_alarm(number, row)
        self._db.executemany(_INSERT, new)
        self._db.executemany(
            _RUNS, [(*key, _pack(list(self._runs[key]))) for key in sorted(touched)]
        )
        return outcomes

    def _number_of(self, reading: Reading) -> int:
        """Return the number of a reading's device; a new device gets one."""
        name = (reading.community, reading.device)
        number = self._numbers.get(name)
        if number is None:
            cursor = self._db.execute("INSERT INTO devices (community, device) VALUES (?, ?)", name)
            number = self._numbers[name] = cursor.lastrowid or 0
        return number

    def _held(
        self, measured_at: Instant, number: int, batch: dict[tuple[Instant, int], bytes]
    ) -> bytes | None:
        """Return the proof that a batch or the file holds of a device at an instant."""
        found = batch.get((measured_at, number))
        if found is None:
            row = self._db.execute(
                "SELECT proof FROM readings WHERE measured_at = ? AND device = ?",
                (measured_at, number),
            ).fetchone()
            found = None if row is None else row[0]
        return found

    def _runs_of(self, number: int, boot: int) -> Runs:
        key = (number, boot)
        runs = self._runs.get(key)
        if runs is None:
            row = self._db.execute(
                "SELECT runs FROM runs WHERE device = ? AND boot = ?", key
            ).fetchone()
            runs = self._runs[key] = Runs(_pairs.decode(row[0]) if row else ())
        return runs

    def _raise_alarm(self, number: int, row: tuple[object, ...]) -> None:
        (known,) = self._db.execute(
            "SELECT count(*) FROM alarms WHERE device = ?", (number,)
        ).fetchone()
        if known < ALARMS_PER_DEVICE_MAX:
            self._db.execute(_ALARM, row)

    def runs(self, source: Source) -> Runs:
        """Return which numbers of a device's start are accounted for."""
        number = self._numbers.get((source.community, source.device))
        try:
            return Runs() if number is None else Runs(self._runs_of(number, source.boot))
        except sqlite3.Error as error:
            raise self._unread(error) from error

    def of_device(
        self, community: CommunityId, device: MeterId, within: Period
    ) -> Iterator[Reading]:
        """Yield a device's readings of a span, by instant."""
        number = self._numbers.get((community, device))
        yield from self._rows(
            _SELECT.format(table="readings")
            + " WHERE measured_at >= ? AND measured_at < ? AND rows.device = ?"
            " ORDER BY measured_at",
            (within.start, within.end, number),
        )

    def at(self, community: CommunityId, measured_at: Instant) -> Iterator[Reading]:
        """Yield all readings of a community at an instant, by device."""
        yield from self._rows(
            _SELECT.format(table="readings")
            + " WHERE measured_at = ? AND community = ? ORDER BY devices.device",
            (measured_at, community),
        )

    def within(self, span: Period) -> Iterator[Reading]:
        """Yield all readings of a span, by instant; what is added meanwhile may be among them."""
        after: tuple[int, int] = (span.start, -1)
        while rows := self._db.execute(_PAGE, (*after, span.end, PAGE_ROWS)).fetchall():
            for row in rows:
                yield Reading(*row[:-1])
            after = (rows[-1][4], rows[-1][-1])

    def count(self, span: Period) -> int:
        """Return how many readings were measured in a span."""
        (found,) = self._db.execute(
            "SELECT count(*) FROM readings WHERE measured_at >= ? AND measured_at < ?",
            (span.start, span.end),
        ).fetchone()
        return int(found)

    def alarms(self, community: CommunityId) -> Iterator[Reading]:
        """Yield what came under counters or an instant that were taken, oldest first."""
        yield from self._rows(
            _SELECT.format(table="alarms").replace("number = ", "devices.number = ")
            + " WHERE community = ? ORDER BY rows.number",
            (community,),
        )

    def _rows(self, query: str, values: tuple[object, ...]) -> Iterator[Reading]:
        try:
            for row in self._db.execute(query, values):
                yield Reading(*row)
        except sqlite3.Error as error:
            raise self._unread(error) from error

    def _unread(self, error: sqlite3.Error) -> AdapterError:
        return AdapterError(f"{self._path} cannot be read: {error}")

    def forget(self, before: Instant) -> int:
        """Take away the readings measured before an instant; return how many they were."""
        try:
            self._begin()
            gone = self._db.execute(
                "DELETE FROM readings WHERE measured_at < ?", (before,)
            ).rowcount
            self._db.execute(
                "UPDATE state SET forgotten_before = max(forgotten_before, ?)", (before,)
            )
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            msg = f"{self._path} cannot be written: {error}"
            raise AdapterError(msg) from error
        self._forgotten_before = max(self._forgotten_before, before)
        return gone

    def close(self) -> None:
        """Close the file."""
        self._db.close()


_HEADERS = ("application_id", "user_version")
