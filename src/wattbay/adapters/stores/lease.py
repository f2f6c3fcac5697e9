"""The lease of a journal in PostgreSQL: who writes it, until when, and the how manieth that is.

One row holds it. It ends by the server's clock, so that the clocks of those who want it do not
count. Whoever takes it counts the epoch up; a writer compares the epoch in the transaction in
which it writes, and this fence, not the time, is what keeps out who was given up for dead.
"""

from __future__ import annotations

import time  # noqa: TID251 - how long somebody waits; nothing is stamped with it
from collections.abc import Callable
from contextlib import suppress
from threading import Event

import psycopg

from wattbay.adapters.stores.journal_tables import connect, in_one_line, make_tables
from wattbay.errors import AdapterError, JournalError

TTL_S = 2.0
"""How long a lease lasts that is not renewed. [s]"""
TTL_MIN_S = 0.1
RENEWALS = 3
"""How often it is renewed in its time."""
PAUSE_MIN_S = 0.01
PAUSE_MAX_S = 0.25
"""How long somebody who waits looks away: shorter when the lease is about to end. [s]"""

_AWAY = (psycopg.OperationalError, psycopg.InterfaceError)
"""What a database does that does not answer, or not now."""
_ENDS = "clock_timestamp() + make_interval(secs => %s)"
_TAKE = (
    f"UPDATE lease SET holder = %s, epoch = epoch + 1, expires_at = {_ENDS}"  # noqa: S608 - our own names
    " WHERE expires_at <= clock_timestamp() RETURNING epoch"
)
_RENEW = f"UPDATE lease SET expires_at = {_ENDS} WHERE epoch = %s"  # noqa: S608 - our own names
_RELEASE = "UPDATE lease SET expires_at = '-infinity' WHERE epoch = %s"
_HELD = "SELECT holder, extract(epoch FROM expires_at - clock_timestamp())::float8 FROM lease"


class Lease:
    """The right to write a journal, for as long as it is renewed.

    It has a connection of its own: renewing goes on while something large is written. Its methods
    may be called from another thread than the journal's.
    """

    def __init__(
        self, conninfo: str, *, schema: str = "wattbay", holder: str, ttl_s: float = TTL_S
    ) -> None:
        """Want the lease of the journal in a schema; `acquire` takes it.

        Parameters
        ----------
        holder
            Who wants it, for whoever waits to be told.
        ttl_s
            How long it lasts when it is not renewed. [s]
        """
        if ttl_s < TTL_MIN_S:
            msg = f"a lease lasts {TTL_MIN_S} s at least; got {ttl_s}"
            raise ValueError(msg)
        self.holder = holder
        self.ttl_s = ttl_s
        self.epoch = 0
        """The how manieth lease this is; 0 before it is taken."""
        self._conninfo = conninfo
        self._schema = schema
        self._bell = "wattbay_lease"
        self._db: psycopg.Connection | None = None
        self._wake = Event()
        self._renewed_s = 0.0

    def acquire(
        self, wait_s: float | None = None, is_wanted: Callable[[], bool] | None = None
    ) -> bool:
        """Take the lease once it is free; tell whether it was taken.

        Parameters
        ----------
        wait_s
            How long to wait; None: for as long as it takes, over restarts of the database. [s]
        is_wanted
            Consulted four times a second or more; whoever wants it no longer leaves without it.

        Raises
        ------
        JournalError
            If the database does not answer, and the time is over. A wrong address looks like that,
            too: who waits for ever had better look before whether somebody answers.
        psycopg.Error
            If it answers otherwise than the database of a journal does.
        """
        begun_s = time.monotonic()
        while is_wanted is None or is_wanted():
            left_s = None if wait_s is None else begun_s + wait_s - time.monotonic()
            is_over = left_s is not None and left_s <= 0.0
            pause_s = PAUSE_MAX_S
            try:
                if self._take():
                    return True
                _, ends_s = self.held()
                pause_s = min(max(ends_s, PAUSE_MIN_S), PAUSE_MAX_S)
                if not is_over:
                    self._await_bell(pause_s if left_s is None else min(pause_s, left_s))
            except _AWAY as error:
                self._drop()
                if is_over:
                    raise JournalError(_silent(error)) from error
                self._wake.wait(pause_s if left_s is None else min(pause_s, left_s))
            if is_over:
                break
        return False

    def held(self) -> tuple[str, float]:
        """Return who holds the lease, and for how long if it is not renewed. [s]"""
        row = self._connected().execute(_HELD).fetchone()
        return ("", 0.0) if row is None else (row[0], row[1])

    def renew(self) -> None:
        """Let the lease last anew; to be called every third of its time.

        Raises
        ------
        AdapterError
            If the database does not answer. It may be tried again.
        JournalError
            If another program holds the lease since: it is lost for good.
        """
        try:
            renewed = self._renew()
        except psycopg.Error:
            self._drop()
            try:
                renewed = self._renew()
            except psycopg.Error as error:
                self._drop()
                raise AdapterError(_silent(error)) from error
        if not renewed:
            raise JournalError("another program holds the lease on the journal since")

    def is_due(self) -> bool:
        """Tell whether a third of its time is over since it was taken or renewed."""
        return time.monotonic() - self._renewed_s >= self.ttl_s / RENEWALS

    def renewed(self) -> None:
        """Hear that the lease was renewed by who writes under it."""
        self._renewed_s = time.monotonic()

    def close(self) -> None:
        """Give the lease back, at once for whoever waits; where that fails, it ends by itself."""
        with suppress(psycopg.Error):
            if self.epoch and self._db is not None:
                self._db.execute(_RELEASE, (self.epoch,))
                self._db.execute("SELECT pg_notify(%s, '')", (self._bell,))
        self._drop()

    def _take(self) -> bool:
        try:
            row = self._connected().execute(_TAKE, (self.holder, self.ttl_s)).fetchone()
        except psycopg.errors.LockNotAvailable:
            return False  # its holder is writing
        if row is None:
            return False
        self.epoch = row[0]
        self.renewed()
        return True

    def _renew(self) -> bool:
        is_ours = self._connected().execute(_RENEW, (self.ttl_s, self.epoch)).rowcount == 1
        if is_ours:
            self.renewed()
        return is_ours

    def _await_bell(self, pause_s: float) -> None:
        """Return when somebody gives the lease back, or after a pause."""
        for _ in self._connected().notifies(timeout=pause_s, stop_after=1):
            pass

    def _connected(self) -> psycopg.Connection:
        if self._db is None or self._db.closed:
            db = connect(self._conninfo, self._schema, patience_s=self.ttl_s)
            self._db = db
            make_tables(db, self._schema)
            db.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(self._bell)))
        return self._db

    def _drop(self) -> None:
        if self._db is not None:
            with suppress(psycopg.Error):
                self._db.close()
        self._db = None


def _silent(error: psycopg.Error) -> str:
    return f"the database of the journal does not answer: {in_one_line(error)}"
