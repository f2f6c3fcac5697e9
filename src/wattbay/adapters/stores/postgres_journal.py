"""A journal in PostgreSQL: one durable write a batch, one writer at a time, wherever it runs.

The writer holds a lease, and every batch is one statement that compares the lease's epoch and the
last entry and adds the entries, or does nothing. So a writer that was given up for dead adds
nothing when it wakes, nor one whose database was set back to a backup; and one that freezes holds
no lock, for a statement is heard whole before it begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256

import psycopg

from wattbay.adapters.stores.journal_tables import connect, in_one_line, is_made, read_base
from wattbay.adapters.stores.lease import TTL_S, Lease
from wattbay.errors import JournalError
from wattbay.kernel.codec import GENESIS, chain
from wattbay.kernel.journal import (
    HASH_FAULT,
    MISSING_FAULT,
    ROWS_PER_READ_MAX,
    TAIL_ROWS_MAX,
    Base,
    Row,
    pruned_fault,
)

ROWS_PER_PRUNING_MAX = 10_000
"""Entries that are taken away in one transaction."""

# The fence locks the lease's row, and leaves no dead version of it as an update does: those would
# pile up under a long backup. Now and then the batch that is written renews the lease as well.
_FENCE = "WITH fence AS (SELECT epoch FROM lease WHERE epoch = %(epoch)s FOR NO KEY UPDATE)"
_RENEWING = (
    "WITH fence AS (UPDATE lease SET expires_at = clock_timestamp() + make_interval(secs =>"
    " %(ttl_s)s) WHERE epoch = %(epoch)s RETURNING epoch)"
)
_APPEND = (
    ", added AS (INSERT INTO entries SELECT %(last)s + row.number, row.bytes, row.hash"
    " FROM fence, unnest(%(bytes)b::bytea[], %(hashes)b::bytea[])"
    " WITH ORDINALITY AS row(bytes, hash, number) WHERE %(last)s = %(base)s"
    " OR EXISTS (SELECT FROM entries WHERE seq = %(last)s AND hash = %(head)b)"
    " RETURNING 1) SELECT count(*) FROM added"
)
_PRUNE = (
    f"{_RENEWING} UPDATE journal SET base_seq = entries.seq, base_hash = entries.hash"  # noqa: S608 - our own names
    " FROM fence, entries WHERE entries.seq = %(seq)s"
)
_PAGE = "SELECT seq, bytes, hash FROM entries WHERE seq BETWEEN %s AND %s ORDER BY seq LIMIT %s"
_ENDS = "SELECT min(seq), max(seq) FROM entries WHERE seq > %s"
_SWEEP = "DELETE FROM entries WHERE seq BETWEEN %s AND %s"


class PostgresJournal:
    """A journal in a schema of its own.

    What stands there is found good before anything is added, as in `SqliteJournal`. After a write
    whose end is not known nothing can be appended: opening again finds out.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        schema: str = "wattbay",
        holder: str = "",
        ttl_s: float = TTL_S,
        wait_s: float | None = 0.0,
        is_wanted: Callable[[], bool] | None = None,
        read_only: bool = False,
    ) -> None:
        """Open a journal as its writer, or make one.

        Parameters
        ----------
        conninfo
            As libpq takes it, such as ``host=db dbname=wattbay``.
        holder
            Who writes, for whoever wants to and is told to wait.
        ttl_s
            How long the lease lasts; `renew` is to be called every third of that. [s]
        wait_s
            How long to wait for the lease; None: for as long as it takes. [s]
        is_wanted
            Consulted while waiting; false ends it.
        read_only
            Want no lease, change nothing and forgive a broken end; what is appended by others
            after it was opened is not seen.

        Raises
        ------
        JournalError
            If the schema holds something else, a format that this program does not know or a
            journal that is broken at its end; if the database does not answer; or if another
            program writes it, and does so until the time is over.
        """
        self._conninfo = conninfo
        self._schema = schema
        self._name = f"the journal in schema {schema}"
        self._stopped = "the journal was opened for reading" if read_only else ""
        self._is_closed = False
        self._db: psycopg.Connection | None = None
        self._ttl_s = ttl_s
        self.base = Base(0, GENESIS)
        """Where it goes on, if its beginning was pruned."""
        self.head = GENESIS
        self.last_seq = 0
        self._lease: Lease | None = None
        try:
            if not read_only:
                self._lease = Lease(conninfo, schema=schema, holder=holder, ttl_s=ttl_s)
                self._acquire(self._lease, wait_s, is_wanted)
            self._open(is_forgiving=read_only)
        except psycopg.Error as error:
            self.close()
            what = f"{self._name} is not a readable journal: {in_one_line(error)}"
            raise JournalError(what) from error
        except JournalError:
            self.close()
            raise

    @property
    def epoch(self) -> int:
        """The how manieth lease this journal is written under; 0 for a reader."""
        return 0 if self._lease is None else self._lease.epoch

    def append(self, batch: Sequence[bytes]) -> None:
        """Add entries with one durable write, unless another program holds the lease since.

        Raises
        ------
        JournalError
            If they do not stand for certain. Nothing can be appended from then on.
        """
        if self._stopped:
            raise JournalError(self._stopped)
        if not batch:
            return
        head, first = self.head, self.last_seq
        hashes = []
        for data in batch:
            head = sha256(head + data).digest()  # `chain`, without the price of a call
            hashes.append(head)
        try:
            row = self._write(first, batch, hashes)
        except psycopg.Error as error:
            self._stopped = f"{self._name} cannot be written: {in_one_line(error)}"
            raise JournalError(self._stopped, seq=first + 1) from error
        if row != (len(batch),):
            self._stopped = self._why_refused()
            raise JournalError(self._stopped, seq=first + 1)
        self.head, self.last_seq = head, first + len(batch)

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
            begun = seq
            for number, data, stored in self._page(seq):
                if number != seq:
                    break
                yield seq, data, stored
                seq += 1
            if seq == begun:
                raise JournalError(MISSING_FAULT, seq=seq)

    def renew(self) -> None:
        """Let the lease last anew. May be called from another thread, and while something is added.

        Raises
        ------
        AdapterError
            If the database does not answer. It may be tried again.
        JournalError
            If the lease is lost, or the journal was stopped before: nothing can be appended.
        """
        if self._stopped or self._lease is None:
            raise JournalError(self._stopped)
        try:
            self._lease.renew()
        except JournalError as error:
            self._stopped = str(error)
            raise

    def prune(self, until_seq: int) -> None:
        """Take the entries up to a number away; what follows stays chained to their last hash.

        Use `wattbay.adapters.stores.archive.prune`, which makes sure that they can be spared.

        Raises
        ------
        JournalError
            If that cannot be done; the next time goes on with it.
        """
        if self._stopped:
            raise JournalError(self._stopped)
        try:
            db = self._connected()
            if until_seq > self.base.seq:
                values = {"ttl_s": self._ttl_s, "epoch": self.epoch, "seq": until_seq}
                if db.execute(_PRUNE, values).rowcount != 1:
                    raise JournalError(f"{self._name} could not be pruned", seq=until_seq)
                self.base = Base(*read_base(db, self._name))
            # What is before the base counts no more: whoever comes next may go on with it.
            row = db.execute("SELECT min(seq) FROM entries").fetchone()
            first = (row and row[0]) or self.base.seq + 1
            while first <= self.base.seq:
                last = min(first + ROWS_PER_PRUNING_MAX - 1, self.base.seq)
                db.execute(_SWEEP, (first, last))
                first = last + 1
        except psycopg.Error as error:
            what = f"{self._name} cannot be pruned: {in_one_line(error)}"
            raise JournalError(what) from error

    def close(self) -> None:
        """Give the lease back and let go of the database."""
        if not self._is_closed:
            self._is_closed = True
            self._stopped = self._stopped or "the journal is closed"
            if self._lease is not None:
                self._lease.close()
            self._drop()

    def _write(
        self, last: int, batch: Sequence[bytes], hashes: Sequence[bytes]
    ) -> tuple[int] | None:
        """Add entries in one statement; return how many that were."""
        lease = self._lease
        is_due = lease is not None and lease.is_due()
        values = {
            "ttl_s": self._ttl_s,
            "epoch": self.epoch,
            "base": self.base.seq,
            "last": last,
            "head": self.head,
            "bytes": list(batch),
            "hashes": hashes,
        }
        query = f"{_RENEWING if is_due else _FENCE}{_APPEND}"
        row = self._connected().execute(query.encode(), values, prepare=True).fetchone()
        if lease is not None and is_due:
            lease.renewed()
        return row

    def _why_refused(self) -> str:
        """Say why a batch was not added, though nothing failed."""
        with suppress(psycopg.Error):
            row = self._connected().execute("SELECT epoch FROM lease").fetchone()
            if row == (self.epoch,):
                return f"{self._name} was set back: it does not end at entry {self.last_seq}"
        return "another program holds the lease on the journal since"

    def _acquire(
        self, lease: Lease, wait_s: float | None, is_wanted: Callable[[], bool] | None
    ) -> None:
        if lease.acquire(wait_s, is_wanted):
            return
        holder, left_s = lease.held()
        raise JournalError(
            f"{self._name} is in use by {holder or 'another program'}, whose lease lasts"
            f" {max(0.0, left_s):.1f} s more; a journal has one writer"
        )

    def _open(self, *, is_forgiving: bool) -> None:
        """Find the end, once it is known to be sound."""
        db = self._connected()
        if not is_made(db, self._schema):
            raise JournalError(f"there is no journal in schema {self._schema}")
        self.base = Base(*read_base(db, self._name))
        self.last_seq, self.head = self.base
        row = db.execute(_ENDS, (self.base.seq,)).fetchone()
        first, last = row or (None, None)
        if last is None:
            return
        self.last_seq = last
        if is_forgiving:
            for _, _, stored in self._page(last):
                self.head = stored
            return
        if first != self.base.seq + 1:
            raise JournalError(MISSING_FAULT, seq=self.base.seq + 1)
        begin = max(first, last - TAIL_ROWS_MAX)
        previous = self.base.head if begin == first else None
        for seq, data, stored in self.rows(begin):
            # Of the first row of a longer journal the hash is taken as it stands.
            if previous is not None and chain(previous, data) != stored:
                raise JournalError(HASH_FAULT, seq=seq)
            previous = stored
            self.head = stored

    def _page(self, seq: int) -> list[Row]:
        try:
            cursor = self._connected().cursor(binary=True)
            return cursor.execute(_PAGE, (seq, self.last_seq, ROWS_PER_READ_MAX)).fetchall()
        except psycopg.Error as error:
            what = f"the entry cannot be read: {in_one_line(error)}"
            raise JournalError(what, seq=seq) from error

    def _connected(self) -> psycopg.Connection:
        """Return the session. One that is gone is made anew: the fence is in the statements."""
        if self._is_closed:
            raise JournalError("the journal is closed")
        if self._db is None or self._db.closed:
            self._db = connect(self._conninfo, self._schema, patience_s=self._ttl_s)
        return self._db

    def _drop(self) -> None:
        if self._db is not None:
            with suppress(psycopg.Error):
                self._db.close()
        self._db = None
