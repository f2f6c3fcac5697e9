"""Alerts in a SQLite file, or in PostgreSQL: the same few statements on either."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from wattbay.adapters.stores.dead_lines import with_dead_lines
from wattbay.errors import AdapterError
from wattbay.ids import MeterId
from wattbay.periods import Instant
from wattbay.watch import alerts as life
from wattbay.watch.alerts import ALERTS_MAX, ITSELF, Alert
from wattbay.watch.findings import Anomaly, Finding, Severity

APPLICATION_ID = 0x57424154
"""``WBAT``: what the file says of itself."""
FORMAT = 1
WAITS_S = 5.0
"""How long a writer waits for another one's transaction to end. [s]"""
_PATIENCE = "-c lock_timeout=5s -c statement_timeout=30s"

_COLUMNS = (
    "number, device, anomaly, severity, boot, seq, measured_at, detail, opened_at, last_at, count,"
    " acknowledged_by, acknowledged_at, closed_by, closed_at, note"
)
_TABLE = """
CREATE TABLE IF NOT EXISTS alerts (
  number {number},
  device text NOT NULL, anomaly text NOT NULL, severity text NOT NULL,
  boot bigint, seq bigint, measured_at bigint, detail text NOT NULL,
  opened_at bigint NOT NULL, last_at bigint NOT NULL, count bigint NOT NULL,
  acknowledged_by text, acknowledged_at bigint, closed_by text, closed_at bigint,
  note text NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS alerts_open ON alerts (device, anomaly)
  WHERE closed_at IS NULL;
CREATE INDEX IF NOT EXISTS alerts_of_device ON alerts (device, number);
CREATE INDEX IF NOT EXISTS alerts_closed ON alerts (number) WHERE closed_at IS NOT NULL;
"""
# What is put into the texts are our own names, never values: so S608 has nothing to warn of.
_SELECT = f"SELECT {_COLUMNS} FROM alerts"  # noqa: S608 - see above
_OPEN = f"{_SELECT} WHERE device = ? AND anomaly = ? AND closed_at IS NULL"
_ONE = f"{_SELECT} WHERE number = ?"
_INSERT = (
    f"INSERT INTO alerts ({_COLUMNS.removeprefix('number, ')})"  # noqa: S608 - see above
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number"
)
_UPDATE = (
    "UPDATE alerts SET boot = ?, seq = ?, measured_at = ?, detail = ?, last_at = ?, count = ?,"
    " acknowledged_by = ?, acknowledged_at = ?, closed_by = ?, closed_at = ?, note = ?"
    " WHERE number = ?"
)
_DROP = "DELETE FROM alerts WHERE number IN (SELECT number FROM alerts{} ORDER BY number LIMIT ?)"
_DROPS = (_DROP.format(" WHERE closed_at IS NOT NULL"), _DROP.format(""))
"""What goes first where there are too many, and what then."""

Rows = list[tuple[Any, ...]]
Execute = Callable[[str, Sequence[object]], Rows]


class _Statements:
    """What is done within a transaction, on whatever executes statements."""

    def __init__(self, execute: Execute, alerts_max: int) -> None:
        self._execute = execute
        self._alerts_max = alerts_max

    def add_all(self, findings: Iterable[Finding]) -> list[Alert]:
        """Add findings, and keep the bound."""
        found = [self._add(finding) for finding in findings]
        if any(alert.count == 1 for alert in found):
            for drop in _DROPS:
                ((total,),) = self._execute("SELECT count(*) FROM alerts", ())
                if total <= self._alerts_max:
                    break
                self._execute(drop, (total - self._alerts_max,))
        return found

    def _add(self, finding: Finding) -> Alert:
        rows = self._execute(_OPEN, (finding.device, str(finding.anomaly)))
        if rows:
            return self._update(life.again(_alert(rows[0]), finding))
        alert = life.opened(0, finding)
        ((number,),) = self._execute(_INSERT, _values(alert)[1:])
        return life.opened(number, finding)

    def _update(self, alert: Alert) -> Alert:
        values = _values(alert)
        self._execute(_UPDATE, (*values[4:8], *values[9:], alert.number))
        return alert

    def change(self, number: int, change: Callable[[Alert], Alert]) -> Alert | None:
        rows = self._execute(_ONE, (number,))
        return self._update(change(_alert(rows[0]))) if rows else None

    def end(self, device: MeterId, anomaly: Anomaly, at: Instant, note: str) -> Alert | None:
        rows = self._execute(_OPEN, (device, str(anomaly)))
        return self._update(life.closed(_alert(rows[0]), ITSELF, at, note)) if rows else None

    def of(self, number: int) -> Alert | None:
        rows = self._execute(_ONE, (number,))
        return _alert(rows[0]) if rows else None

    def find(
        self, device: MeterId | None, after: int | None, limit: int, *, open_only: bool
    ) -> list[Alert]:
        terms, values = ["1 = 1"], list[object]()
        if device is not None:
            terms.append("device = ?")
            values.append(device)
        if after is not None:
            terms.append("number < ?")
            values.append(after)
        if open_only:
            terms.append("closed_at IS NULL")
        query = f"{_SELECT} WHERE {' AND '.join(terms)} ORDER BY number DESC LIMIT ?"
        return [_alert(row) for row in self._execute(query, (*values, limit))]


class SqliteAlertStore:
    """Alerts in a file of their own."""

    def __init__(self, path: Path, *, alerts_max: int = ALERTS_MAX) -> None:
        """Open the file, or make it.

        Raises
        ------
        AdapterError
            If it is something else, or cannot be written to.
        """
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None, timeout=WAITS_S)
        self._statements = _Statements(self._execute, alerts_max)
        try:
            self._open()
        except sqlite3.Error as error:
            self._db.close()
            msg = f"{path} is no store of alerts that can be written to: {error}"
            raise AdapterError(msg) from error

    def _open(self) -> None:
        db = self._db
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables == 0:
            settings = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};"
            table = _TABLE.format(number="integer PRIMARY KEY AUTOINCREMENT")
            db.executescript(f"BEGIN IMMEDIATE; {table} {settings} COMMIT;")
        found = [
            db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version")
        ]
        if found != [APPLICATION_ID, FORMAT]:
            msg = f"application and format are {found}, not {[APPLICATION_ID, FORMAT]}"
            raise sqlite3.DatabaseError(msg)

    def _execute(self, query: str, values: Sequence[object]) -> Rows:
        return self._db.execute(query, values).fetchall()

    @contextmanager
    def _within(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[_Statements]:
        """Run statements in one transaction."""
        try:
            self._db.execute(begin)
            yield self._statements
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            msg = f"{self._path} does not keep alerts: {error}"
            raise AdapterError(msg) from error

    def add(self, finding: Finding) -> Alert:
        """Open an alert, or count the finding to the one that is open."""
        return self.add_all([finding])[0]

    def add_all(self, findings: Iterable[Finding]) -> list[Alert]:
        """Do the same with many, in one durable write."""
        with self._within() as statements:
            return statements.add_all(findings)

    def acknowledge(self, number: int, by: str, at: Instant, note: str = "") -> Alert | None:
        """Say that somebody has seen an alert; None where there is none of that number."""
        with self._within() as statements:
            return statements.change(number, lambda one: life.acknowledged(one, by, at, note))

    def close(self, number: int, by: str, at: Instant, note: str = "") -> Alert | None:
        """Close an alert; None where there is none of that number."""
        with self._within() as statements:
            return statements.change(number, lambda one: life.closed(one, by, at, note))

    def end(self, device: MeterId, anomaly: Anomaly, at: Instant, note: str = "") -> Alert | None:
        """Close the open alert of a device and anomaly by itself; None where there is none."""
        with self._within() as statements:
            return statements.end(device, anomaly, at, note)

    def of(self, number: int) -> Alert | None:
        """Return an alert."""
        with self._within("BEGIN") as statements:
            return statements.of(number)

    def find(
        self,
        device: MeterId | None = None,
        *,
        open_only: bool = False,
        after: int | None = None,
        limit: int = 100,
    ) -> list[Alert]:
        """Return alerts, the one that was opened last first; see `AlertStore.find`."""
        with self._within("BEGIN") as statements:
            return statements.find(device, after, limit, open_only=open_only)

    def close_store(self) -> None:
        """Close the file."""
        self._db.close()


class PostgresAlertStore:
    """Alerts in a schema of PostgreSQL."""

    def __init__(
        self, conninfo: str, *, schema: str = "wattbay", alerts_max: int = ALERTS_MAX
    ) -> None:
        """Connect, and make the table where there is none.

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
        self._db: psycopg.Connection | None = None
        self._statements = _Statements(self._execute, alerts_max)
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
        db = self._db = psycopg.connect(wanted, autocommit=True)
        name = sql.Identifier(self._schema)
        with db.transaction():
            db.execute("SELECT pg_advisory_xact_lock(5760582)")
            db.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
            db.execute(sql.SQL("SET search_path TO {}").format(name))
            # Of the store of readings, which may share the schema, there is an `alarms`.
            number = "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
            db.execute(_TABLE.format(number=number).encode())
        return db

    def _execute(self, query: str, values: Sequence[object]) -> Rows:
        cursor = self._connected().execute(query.replace("?", "%s").encode(), values)
        return cursor.fetchall() if cursor.description else []

    def _drop(self) -> None:
        if self._db is not None:
            with suppress(psycopg.Error):
                self._db.close()
        self._db = None

    @contextmanager
    def _within(self) -> Iterator[_Statements]:
        """Run statements in one transaction."""
        try:
            with self._connected().transaction():
                yield self._statements
        except psycopg.Error as error:
            self._drop()
            raise _broken(error) from error

    def add(self, finding: Finding) -> Alert:
        """Open an alert, or count the finding to the one that is open."""
        return self.add_all([finding])[0]

    def add_all(self, findings: Iterable[Finding]) -> list[Alert]:
        """Do the same with many, in one durable write."""
        with self._within() as statements:
            return statements.add_all(findings)

    def acknowledge(self, number: int, by: str, at: Instant, note: str = "") -> Alert | None:
        """Say that somebody has seen an alert; None where there is none of that number."""
        with self._within() as statements:
            return statements.change(number, lambda one: life.acknowledged(one, by, at, note))

    def close(self, number: int, by: str, at: Instant, note: str = "") -> Alert | None:
        """Close an alert; None where there is none of that number."""
        with self._within() as statements:
            return statements.change(number, lambda one: life.closed(one, by, at, note))

    def end(self, device: MeterId, anomaly: Anomaly, at: Instant, note: str = "") -> Alert | None:
        """Close the open alert of a device and anomaly by itself; None where there is none."""
        with self._within() as statements:
            return statements.end(device, anomaly, at, note)

    def of(self, number: int) -> Alert | None:
        """Return an alert."""
        with self._within() as statements:
            return statements.of(number)

    def find(
        self,
        device: MeterId | None = None,
        *,
        open_only: bool = False,
        after: int | None = None,
        limit: int = 100,
    ) -> list[Alert]:
        """Return alerts, the one that was opened last first; see `AlertStore.find`."""
        with self._within() as statements:
            return statements.find(device, after, limit, open_only=open_only)

    def close_store(self) -> None:
        """Close the connection."""
        self._drop()


def _values(alert: Alert) -> tuple[object, ...]:
    """Return the row of an alert."""
    return tuple(
        str(value) if isinstance(value, str) else value for value in msgspec.structs.astuple(alert)
    )


def _alert(row: tuple[Any, ...]) -> Alert:
    """Return the alert of a row."""
    number, device, anomaly, severity, *rest = row
    return Alert(number, device, Anomaly(anomaly), Severity(severity), *rest)


def _broken(error: psycopg.Error) -> AdapterError:
    """Return what the database said, in one line."""
    return AdapterError(f"the store of alerts does not answer: {' '.join(str(error).split())}")
