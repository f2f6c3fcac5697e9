"""Verified readings in PostgreSQL: what a community with a database server of its own needs.

Readings stand in a table of weekly partitions, in the order of (instant, device). A batch is copied
in binary form into a table of the session and inserted from there, in one transaction with the
stretches of numbers that are accounted for. Plain SQL of PostgreSQL 13 and newer; no extension.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from wattbay.adapters.stores.dead_lines import with_dead_lines
from wattbay.adapters.stores.tables import INCOMING_TYPES, TABLES
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
from wattbay.periods import WEEK, Instant, Period

PARTITIONS_MAX = 1_024
"""Weeks with a partition of their own, some twenty years; what is beyond shares one."""
RUNS_CACHED_MAX = 100_000
"""Starts of devices whose numbers are kept in memory; the rest is read when it is needed."""
EPOCH_WEEK_STARTS_US = -3 * 24 * 3_600_000_000
"""Weeks begin on Mondays; 1970-01-01 was a Thursday. [µs]"""

_PATIENCE = "-c lock_timeout=5s -c statement_timeout=30s -c idle_in_transaction_session_timeout=2s"
"""A writer that freezes within a transaction holds the fence: the server ends its session, so that
the next one can begin."""
_COLUMNS = (
    "measured_at, device, boot, seq, import_register, export_register,"
    " flags, power_w, voltage_mv, proof"
)
_SELECT = (
    "SELECT community, devices.device, boot, seq, measured_at, import_register, export_register,"
    " flags, power_w, voltage_mv, proof"
)
_FROM = " FROM readings JOIN devices ON devices.number = readings.device"
_PAGE = (
    f"{_SELECT}, number{_FROM} WHERE (measured_at, readings.device) > (%s, %s)"
    " AND measured_at < %s ORDER BY measured_at, readings.device LIMIT %s"
)
PAGE_ROWS = 5_000
"""Readings that are read at once where there is no end to them."""
_Key = tuple[Instant, int]

_pairs = msgspec.msgpack.Decoder(list[tuple[int, int]])
_pack = msgspec.msgpack.Encoder().encode


def week_of(at: Instant) -> int:
    """Return the number of the week (from Monday, UTC) in which an instant lies."""
    return (at - EPOCH_WEEK_STARTS_US) // WEEK


class PostgresReadingStore:
    """Readings in a schema of their own.

    One writer: whoever opened it last. Each opening counts an epoch up, and each transaction begins
    by comparing it, so that a writer that was given up for dead changes nothing when it wakes.
    """

    def __init__(self, conninfo: str, *, schema: str = "wattbay") -> None:
        """Connect, and make the tables where there are none.

        Parameters
        ----------
        conninfo
            As libpq takes it, such as ``host=db dbname=wattbay``.

        Raises
        ------
        AdapterError
            If the server does not answer, or does not let us.
        """
        self._conninfo = conninfo
        self._schema = schema
        self._epoch: int | None = None
        self._numbers: dict[tuple[CommunityId, MeterId], int] = {}
        self._runs: dict[tuple[int, int], Runs] = {}
        self._weeks: set[int] = set()
        self._latest: dict[int, Instant] = {}
        self._last = Instant(0)
        self._forgotten_before = Instant(0)
        self._db: psycopg.Connection | None = None
        try:
            self._connected()
        except psycopg.Error as error:
            self._drop()
            raise _broken(error) from error

    def _connected(self) -> psycopg.Connection:
        """Return the connection; make it where it is gone."""
        if self._db is not None and not self._db.closed:
            return self._db
        wanted = with_dead_lines(self._conninfo, options=_PATIENCE)
        db = psycopg.connect(wanted, autocommit=True)
        self._db = db
        name = sql.Identifier(self._schema)
        db.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
        db.execute(sql.SQL("SET search_path TO {}").format(name))
        with db.transaction():
            db.execute("SELECT pg_advisory_xact_lock(5760580)")
            db.execute(TABLES)
            if self._epoch is None:
                row = db.execute("UPDATE state SET epoch = epoch + 1 RETURNING epoch").fetchone()
                self._epoch = row[0] if row else 0
        db.execute("CREATE TEMPORARY TABLE incoming (LIKE readings) ON COMMIT DELETE ROWS")
        self._remember(db)
        return db

    def _remember(self, db: psycopg.Connection) -> None:
        """Read what is kept in memory between batches."""
        self._runs.clear()
        self._latest.clear()
        self._numbers = {
            (CommunityId(community), MeterId(device)): number
            for number, community, device in db.execute("SELECT * FROM devices")
        }
        self._weeks = {
            int(name.removeprefix("readings_"))
            for (name,) in db.execute(
                "SELECT relname FROM pg_inherits JOIN pg_class ON inhrelid = pg_class.oid"
                " WHERE inhparent = 'readings'::regclass AND relname <> 'readings_other'"
            )
        }
        row = db.execute(
            "SELECT forgotten_before, (SELECT coalesce(max(measured_at), 0) FROM readings)"
            " FROM state"
        ).fetchone()
        if row:
            self._forgotten_before, self._last = Instant(row[0]), Instant(row[1])

    def _drop(self) -> None:
        """Give the connection up, and what was remembered with it."""
        if self._db is not None:
            with suppress(psycopg.Error):
                self._db.close()
        self._db = None

    def _fence(self, db: psycopg.Connection) -> None:
        """Begin a transaction by making sure that nobody else has taken over."""
        row = db.execute("SELECT epoch FROM state FOR NO KEY UPDATE").fetchone()
        if row is None or row[0] != self._epoch:
            msg = "another program opened the store since, and writes to it now"
            raise AdapterError(msg)

    def add(self, batch: Sequence[Reading]) -> list[Outcome]:
        """Store readings in one transaction.

        Raises
        ------
        AdapterError
            If they do not stand for certain: none of them does, or all. The batch may come again.
        """
        if len(self._runs) > RUNS_CACHED_MAX:
            self._runs.clear()
        try:
            db = self._connected()
            with db.transaction():
                self._fence(db)
                outcomes = self._add(db, batch)
        except psycopg.Error as error:
            self._drop()
            raise _broken(error) from error
        except AdapterError:
            self._drop()
            raise
        return outcomes

    def _add(self, db: psycopg.Connection, batch: Sequence[Reading]) -> list[Outcome]:
        numbers = self._numbers_of(db, batch)
        held = self._held(db, batch, numbers)
        self._load_runs(db, {(n, r.boot) for n, r in zip(numbers, batch, strict=True)})
        touched: set[tuple[int, int]] = set()
        new: list[tuple[object, ...]] = []
        outcomes: list[Outcome] = []
        for reading, number in zip(batch, numbers, strict=True):
            key = (reading.measured_at, number)
            source = (number, reading.boot)
            outcome = judge(reading, self._runs[source], held.get(key), self._forgotten_before)
            outcomes.append(outcome)
            if outcome is Outcome.REPEATED:
                continue
            touched.add(source)
            row = (reading.measured_at, number, *reading[2:4], *reading[5:])
            if outcome is Outcome.STORED:
                held[key] = reading.proof
                new.append(row)
                if reading.measured_at > self._latest.get(number, self._last):
                    self._latest[number] = reading.measured_at
            elif outcome is Outcome.ALTERED:
                _raise_alarm(db, number, row)
        self._insert(db, new)
        ordered = sorted(touched)
        db.execute(
            "INSERT INTO runs SELECT * FROM unnest(%b::integer[], %b::bigint[], %b::bytea[])"
            " ON CONFLICT (device, boot) DO UPDATE SET runs = excluded.runs",
            (
                [number for number, _ in ordered],
                [boot for _, boot in ordered],
                [_pack(list(self._runs[source])) for source in ordered],
            ),
        )
        return outcomes

    def _insert(self, db: psycopg.Connection, rows: list[tuple[object, ...]]) -> None:
        """Copy rows in, and make sure that each of them came to stand."""
        if not rows:
            return
        for week in sorted({week_of(Instant(int(str(row[0])))) for row in rows} - self._weeks):
            self._make_partition(db, week)
        with db.cursor() as cursor:
            with cursor.copy(f"COPY incoming ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(INCOMING_TYPES)
                for row in rows:
                    copy.write_row(row)
            cursor.execute(
                f"INSERT INTO readings ({_COLUMNS}) SELECT {_COLUMNS} FROM incoming"  # noqa: S608 - our own names
                " ON CONFLICT DO NOTHING"
            )
            if cursor.rowcount != len(rows):
                msg = "readings came to stand that nobody accounted for"
                raise AdapterError(msg)

    def _make_partition(self, db: psycopg.Connection, week: int) -> None:
        start = week * WEEK + EPOCH_WEEK_STARTS_US
        span = (start, start + WEEK)
        is_begun = db.execute(
            "SELECT 1 FROM readings_other WHERE measured_at >= %s AND measured_at < %s LIMIT 1",
            span,
        ).fetchone()
        if is_begun or len(self._weeks) >= PARTITIONS_MAX:
            return
        db.execute(
            sql.SQL(
                "CREATE TABLE IF NOT EXISTS {} PARTITION OF readings FOR VALUES FROM ({}) TO ({})"
            ).format(sql.Identifier(f"readings_{week}"), *span)
        )
        self._weeks.add(week)

    def _numbers_of(self, db: psycopg.Connection, batch: Sequence[Reading]) -> list[int]:
        """Return the number of each reading's device; new devices get one."""
        found = []
        for reading in batch:
            name = (reading.community, reading.device)
            number = self._numbers.get(name)
            if number is None:
                row = db.execute(
                    "INSERT INTO devices (community, device) VALUES (%s, %s) RETURNING number",
                    name,
                ).fetchone()
                number = self._numbers[name] = row[0] if row else 0
            found.append(number)
        return found

    def _held(
        self, db: psycopg.Connection, batch: Sequence[Reading], numbers: Sequence[int]
    ) -> dict[_Key, bytes]:
        """Return the proofs that are stored under the keys of a batch, where any can be."""
        keys = [
            (reading.measured_at, number)
            for reading, number in zip(batch, numbers, strict=True)
            if reading.measured_at <= self._latest.get(number, self._last)
        ]
        if not keys:
            return {}
        rows = db.execute(
            "SELECT measured_at, device, proof FROM readings"
            " WHERE (measured_at, device) IN (SELECT * FROM unnest(%s::bigint[], %s::integer[]))",
            ([at for at, _ in keys], [number for _, number in keys]),
        )
        return {(Instant(at), number): bytes(proof) for at, number, proof in rows}

    def _load_runs(self, db: psycopg.Connection, sources: set[tuple[int, int]]) -> None:
        """Read which numbers are accounted for, where that is not in memory."""
        missing = sorted(sources - self._runs.keys())
        if not missing:
            return
        for device, boot, runs in db.execute(
            "SELECT device, boot, runs FROM runs"
            " WHERE (device, boot) IN (SELECT * FROM unnest(%s::integer[], %s::bigint[]))",
            ([number for number, _ in missing], [boot for _, boot in missing]),
        ):
            self._runs[device, boot] = Runs(_pairs.decode(runs))
        for source in missing:
            self._runs.setdefault(source, Runs())

    def runs(self, source: Source) -> Runs:
        """Return which numbers of a device's start are accounted for."""
        try:
            db = self._connected()
            number = self._numbers.get((source.community, source.device))
            if number is None:
                return Runs()
            self._load_runs(db, {(number, source.boot)})
        except psycopg.Error as error:
            self._drop()
            raise _broken(error) from error
        return Runs(self._runs[number, source.boot])

    def of_device(
        self, community: CommunityId, device: MeterId, within: Period
    ) -> Iterator[Reading]:
        """Yield a device's readings of a span, by instant."""
        yield from self._rows(
            f"{_SELECT}{_FROM} WHERE measured_at >= %s AND measured_at < %s"
            " AND readings.device = %s ORDER BY measured_at",
            (within.start, within.end, self._numbers.get((community, device))),
        )

    def at(self, community: CommunityId, measured_at: Instant) -> Iterator[Reading]:
        """Yield all readings of a community at an instant, by device."""
        yield from self._rows(
            f"{_SELECT}{_FROM} WHERE measured_at = %s AND community = %s"
            ' ORDER BY devices.device COLLATE "C"',
            (measured_at, community),
        )

    def within(self, span: Period) -> Iterator[Reading]:
        """Yield all readings of a span, by instant; what is added meanwhile may be among them."""
        after: tuple[int, int] = (span.start, -1)
        while rows := self._fetch(_PAGE, (*after, span.end, PAGE_ROWS)):
            for row in rows:
                yield Reading(*row[:-1])
            after = (rows[-1][4], rows[-1][-1])

    def count(self, span: Period) -> int:
        """Return how many readings were measured in a span."""
        query = "SELECT count(*) FROM readings WHERE measured_at >= %s AND measured_at < %s"
        return int(self._fetch(query, (span.start, span.end))[0][0])

    def alarms(self, community: CommunityId) -> Iterator[Reading]:
        """Yield what came under counters or an instant that were taken, oldest first."""
        yield from self._rows(
            f"{_SELECT} FROM alarms JOIN devices ON devices.number = alarms.device"
            " WHERE community = %s ORDER BY alarms.number",
            (community,),
        )

    def _rows(self, query: str, values: tuple[object, ...]) -> Iterator[Reading]:
        for row in self._fetch(query, values):
            yield Reading(*row)

    def _fetch(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._connected().execute(query.encode(), values).fetchall()
        except psycopg.Error as error:
            self._drop()
            raise _broken(error) from error

    def forget(self, before: Instant) -> int:
        """Take away the readings measured before an instant; return how many they were.

        Whole weeks go with their partition, at once.
        """
        try:
            db = self._connected()
            with db.transaction():
                self._fence(db)
                row = db.execute(
                    "SELECT count(*) FROM readings WHERE measured_at < %s", (before,)
                ).fetchone()
                for week in sorted(w for w in self._weeks if w < week_of(before)):
                    db.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(f"readings_{week}")))
                db.execute("DELETE FROM readings WHERE measured_at < %s", (before,))
                db.execute(
                    "UPDATE state SET forgotten_before = greatest(forgotten_before, %s)", (before,)
                )
        except psycopg.Error as error:
            self._drop()
            raise _broken(error) from error
        self._weeks = {week for week in self._weeks if week >= week_of(before)}
        self._forgotten_before = max(self._forgotten_before, before)
        return int(row[0]) if row else 0

    def close(self) -> None:
        """Close the connection."""
        self._drop()


def _raise_alarm(db: psycopg.Connection, number: int, row: tuple[object, ...]) -> None:
    """Keep the bytes of an alarm, unless there are enough of that device."""
    db.execute(
        f"INSERT INTO alarms ({_COLUMNS}) SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, %s"  # noqa: S608 - our own names
        " WHERE (SELECT count(*) FROM alarms WHERE device = %s) < %s"
        " ON CONFLICT DO NOTHING",
        (*row, number, ALARMS_PER_DEVICE_MAX),
    )


def _broken(error: psycopg.Error) -> AdapterError:
    """Return what the database said, in one line."""
    return AdapterError(f"the store of readings does not answer: {' '.join(str(error).split())}")
