"""How the tables about people are reached: connections, transactions, and their migrations."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DataError, SQLAlchemyError

from wattbay.access.records import PeopleError
from wattbay.adapters.stores.dead_lines import DEAD_LINES, with_dead_lines
from wattbay.adapters.stores.people.tables import VERSION_TABLE
from wattbay.errors import AdapterError, ensure

APPLICATION_ID = 0x57425045
"""``WBPE``: what the file says of itself."""
WRITER_WAITS_S = 5.0
"""How long a writer waits for another one's transaction to end. [s]"""
ERASER_WAITS_MS = 1_000
"""How long whoever removes traces waits for readers. [ms]"""
POOL = 4
_PATIENCE = "-c lock_timeout=5s -c statement_timeout=10s -c idle_in_transaction_session_timeout=5s"
_MIGRATION_LOCK = 0x57425045
"""Two programs that start at once migrate one after the other."""
_OWNER_ONLY = 0o600
_TRACES_LEFT = "somebody uses the store of people, so that traces are left in it; erase once more"


class Database:
    """A database and its transactions; every fault of it is an `AdapterError`."""

    def __init__(self, url: str, *, schema: str = "wattbay") -> None:
        """Connect, and migrate the tables to what this version knows.

        Parameters
        ----------
        url
            ``sqlite:///people.db``, ``postgresql://…``, or how libpq takes it: ``host=db …``.
        schema
            Where the tables stand in PostgreSQL.

        Raises
        ------
        AdapterError
            If it does not answer, is something else, or was written by a newer version.
        """
        self.is_sqlite = url.startswith("sqlite:")
        self._here = threading.local()
        try:
            self._engine = _sqlite(url) if self.is_sqlite else _postgres(url, schema)
            self._writing = self._engine.execution_options(is_write=True)
        except (ArgumentError, OSError, psycopg.ProgrammingError) as error:
            msg = f"the store of people cannot be opened: {error}"
            raise AdapterError(msg) from error
        try:
            self._migrate(schema)
        except AdapterError:
            self.close()
            raise

    def _migrate(self, schema: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        known = {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}
        with self.write() as connection:
            if not self.is_sqlite:
                lock = text("SELECT pg_advisory_xact_lock(:number)")
                connection.execute(lock, {"number": _MIGRATION_LOCK})
                quoted = connection.dialect.identifier_preparer.quote(schema)
                connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {quoted}"))
            options = {"version_table": VERSION_TABLE}
            found = set(MigrationContext.configure(connection, opts=options).get_current_heads())
            if self.is_sqlite:
                _claim(connection, is_new=not found)
            if unknown := sorted(found - known):
                raise AdapterError(
                    f"the tables about people are at revision {unknown[0]}, which this version does"
                    " not know: a newer one wrote them; run that, or restore a backup"
                )
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                msg = f"the tables about people cannot be migrated: {error}"
                raise AdapterError(msg) from error

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """Return an insertion that can give way to a row that is there."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    @property
    def held(self) -> Connection | None:
        """The connection of the transaction that this thread is in; None outside of one."""
        connection: Connection | None = getattr(self._here, "connection", None)
        return connection

    @contextmanager
    def read(self, *, is_snapshot: bool = False) -> Iterator[Connection]:
        """Lend a connection to read by: that of the transaction, where this thread is in one.

        In a snapshot several queries see one state. On SQLite they always do.
        """
        if self.held is not None:
            yield self.held
            return
        with _told(), self._engine.connect() as connection:
            if is_snapshot and not self.is_sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Lend a connection to write by; all that is written within stands together or not."""
        if self.held is not None:
            yield self.held
            return
        with _told(), self._writing.begin() as connection:
            self._here.connection = connection
            try:
                yield connection
            finally:
                self._here.connection = None

    def scrub(self, tables: tuple[str, ...]) -> None:
        """Leave no trace of what was deleted from tables in the files.

        A database leaves what was deleted, or moved, where it was. On SQLite the whole file is
        written anew, and the log beside it emptied; `secure_delete` alone leaves what was moved.
        On PostgreSQL the tables are written anew. Its own log, and backups, are the operator's.

        Raises
        ------
        AdapterError
            If it cannot be done now, for somebody reads or writes: it is to be tried again.
        """
        ensure(self.held is None, "traces are removed after the transaction")
        if self.is_sqlite:
            self._write_anew()
            return
        with _told(), self._engine.connect() as connection:
            free = connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in tables:
                free.execute(text(f"VACUUM (FULL) {table}"))

    def _write_anew(self) -> None:
        with _told():
            pooled = self._engine.raw_connection()
        try:
            cursor = pooled.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {ERASER_WAITS_MS}")
            cursor.execute("VACUUM")
            busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            cursor.execute(f"PRAGMA busy_timeout = {int(WRITER_WAITS_S * 1_000)}")
        except sqlite3.Error as error:
            pooled.invalidate()
            msg = f"{_TRACES_LEFT}: {error}"
            raise AdapterError(msg) from error
        finally:
            pooled.close()
        if busy:
            raise AdapterError(_TRACES_LEFT)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


@contextmanager
def _told() -> Iterator[None]:
    """Tell a fault of the database as one of ours. Never with values: they may be somebody's."""
    try:
        yield
    except (DataError, UnicodeError) as error:
        raise PeopleError("no text of this kind can be kept") from error
    except SQLAlchemyError as error:
        origin = getattr(error, "orig", None) or error
        first, *_ = str(origin).splitlines() or [""]  # The others may bear a row.
        msg = f"the store of people does not do as it is told: {type(origin).__name__}: {first}"
        raise AdapterError(msg) from error


def _sqlite(url: str) -> Engine:
    path = make_url(url).database
    if not path or path == ":memory:":
        raise ArgumentError("name a file, or use MemoryPeople")
    # Made before SQLite makes it, so that it is nobody else's from the first byte on.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY))
    engine = create_engine(
        url, hide_parameters=True, pool_size=POOL,
        connect_args={"timeout": WRITER_WAITS_S, "isolation_level": None},
    )  # fmt: skip
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, record: object) -> None:
    del record
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    """Begin as we mean to go on: a reader that becomes a writer could meet another one."""
    is_write = connection.get_execution_options().get("is_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


def _claim(connection: Connection, *, is_new: bool) -> None:
    """Refuse a file that is something else; say what this one is."""
    tables = connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one()
    application = connection.execute(text("PRAGMA application_id")).scalar_one()
    if is_new and not tables and application == 0:
        connection.execute(text(f"PRAGMA application_id = {APPLICATION_ID}"))
    elif application != APPLICATION_ID:
        raise AdapterError("the file is no store of people: it is something else")


def _postgres(url: str, schema: str) -> Engine:
    options = f"{_PATIENCE} -c search_path={schema}"
    if "://" not in url:
        connect = partial(psycopg.connect, with_dead_lines(url, options=options))
        return create_engine(
            "postgresql+psycopg://", creator=connect,
            hide_parameters=True, pool_size=POOL, pool_pre_ping=True,
        )  # fmt: skip
    made = make_url(url)
    if made.get_backend_name() != "postgresql":
        raise ArgumentError(f"{made.get_backend_name()} is neither sqlite nor postgresql")
    made = made.set(drivername="postgresql+psycopg")
    return create_engine(
        made, connect_args={**DEAD_LINES, "options": options},
        hide_parameters=True, pool_size=POOL, pool_pre_ping=True,
    )  # fmt: skip
