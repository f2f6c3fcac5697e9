"""Which stores a service stands on: files, or a database of its own."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from wattbay.access.people import People
from wattbay.adapters.stores.alerts import (
    PostgresAlertStore,
    SqliteAlertStore,
)
from wattbay.adapters.stores.people import SqlPeople
from wattbay.adapters.stores.postgres import PostgresReadingStore
from wattbay.adapters.stores.postgres_journal import PostgresJournal
from wattbay.adapters.stores.sqlite import SqliteReadingStore
from wattbay.config import Settings, StoreKind
from wattbay.errors import ConfigError, Fault
from wattbay.kernel.evidence import ReadingStore
from wattbay.kernel.journal import Journal, SqliteJournal
from wattbay.watch.alerts import AlertStore

JOURNAL = "journal.sqlite"
READINGS = "readings.sqlite"
ALERTS = "alerts.sqlite"
PEOPLE = "people.sqlite"
HISTORY = "history.sqlite"
SNAPSHOTS = "snapshots"
WORLD = "street.json"
WATCH = "watch.state"
SECRETS = "secrets.json"
RETIRED = "readings"
"""Readings that are older than the store keeps them, in Parquet."""


def folder_of(settings: Settings) -> Path:
    """Return the folder of a service; make it where there is none, for its owner alone.

    Raises
    ------
    ConfigError
        If it cannot be made.
    """
    folder = settings.storage.folder
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        fault = Fault("storage.folder", f"{folder} cannot be made: {error.strerror}")
        raise ConfigError(fault) from error
    return folder


def dsn(settings: Settings) -> str:
    """Return how to connect to PostgreSQL.

    Raises
    ------
    ConfigError
        If the file that says so cannot be read.
    """
    file = settings.storage.dsn_file
    if file is None:
        return settings.storage.dsn
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(Fault("storage.dsn_file", f"{file} cannot be read: {error}")) from error


def open_journal(settings: Settings, *, wait_s: float | None = 0.0) -> Journal:
    """Open the journal as its one writer.

    Parameters
    ----------
    wait_s
        How long to wait for the lease of another writer, on PostgreSQL; None: for ever. [s]

    Raises
    ------
    JournalError
        If it is in use, broken, or of another format.
    """
    if settings.storage.journal is StoreKind.SQLITE:
        return SqliteJournal(folder_of(settings) / JOURNAL)
    holder = f"{socket.gethostname()}/{os.getpid()}"
    ttl_s = settings.storage.lease_ttl_s
    return PostgresJournal(dsn(settings), holder=holder, ttl_s=ttl_s, wait_s=wait_s)


def open_readings(settings: Settings) -> ReadingStore:
    """Open the store of verified readings.

    Raises
    ------
    AdapterError
        If it cannot be written to.
    """
    if settings.storage.readings is StoreKind.SQLITE:
        return SqliteReadingStore(folder_of(settings) / READINGS)
    return PostgresReadingStore(dsn(settings))


def open_alerts(settings: Settings) -> AlertStore:
    """Open the store of alerts, beside the readings.

    Raises
    ------
    AdapterError
        If it cannot be written to.
    """
    if settings.storage.readings is StoreKind.SQLITE:
        return SqliteAlertStore(folder_of(settings) / ALERTS)
    return PostgresAlertStore(dsn(settings))


def open_people(settings: Settings) -> People:
    """Open what is kept of people, with its tables brought up to date.

    Raises
    ------
    AdapterError
        If it cannot be written to, or was made by a newer version.
    """
    if settings.storage.people is StoreKind.SQLITE:
        return SqlPeople(f"sqlite:///{folder_of(settings) / PEOPLE}")
    return SqlPeople(f"postgresql+psycopg://?{_query(dsn(settings))}")


def _query(conninfo: str) -> str:
    """Return a connection string of libpq as the query of an address of SQLAlchemy's."""
    from urllib.parse import urlencode  # noqa: PLC0415 - nobody else needs it

    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - likewise

    return urlencode({name: value for name, value in conninfo_to_dict(conninfo).items() if value})
