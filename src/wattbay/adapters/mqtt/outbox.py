"""What a device has measured and nobody has acknowledged yet, kept through loss of power.

The counters live in the same file: how often the device was started, how many readings it has made
since, and the last command that it carried out. A reading is written durably before it is sent, and
taken away when the service says that it is stored; no broker's word counts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from wattbay.errors import AdapterError

READINGS_MAX = 100_000
"""About a year of quarter-hours three times over; beyond, the oldest readings are lost."""
FORMAT = 1

_TABLES = """
CREATE TABLE outbox (
  boot INTEGER NOT NULL, seq INTEGER NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (boot, seq)
) WITHOUT ROWID;
CREATE TABLE counters (
  boot INTEGER NOT NULL, seq INTEGER NOT NULL, command INTEGER NOT NULL, lost INTEGER NOT NULL
);
INSERT INTO counters VALUES (0, 0, 0, 0);
"""


class Waiting(NamedTuple):
    """A signed reading that waits for its acknowledgement."""

    boot: int
    seq: int
    payload: bytes


class Outbox:
    """The file of one device. Opening it is a start of the device, and counted."""

    def __init__(self, path: Path, *, readings_max: int = READINGS_MAX) -> None:
        """Open the file, or make it, and count a start.

        Raises
        ------
        AdapterError
            If it cannot be written, or another program has it open.
        """
        self._max = readings_max
        self._db = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
        try:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("BEGIN EXCLUSIVE")
            (found,) = self._db.execute("PRAGMA user_version").fetchone()
            if found == 0:
                for statement in filter(str.strip, _TABLES.split(";")):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {FORMAT}")
            elif found != FORMAT:
                msg = f"format {found} is not known here"
                raise sqlite3.DatabaseError(msg)
            self._db.execute("UPDATE counters SET boot = boot + 1, seq = 0")
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._db.close()
            msg = f"{path} is no outbox of a device that is free to be opened: {error}"
            raise AdapterError(msg) from error
        self.boot, self.seq, self.command, self.lost = self._db.execute(
            "SELECT boot, seq, command, lost FROM counters"
        ).fetchone()

    def put(self, seq: int, payload: bytes) -> None:
        """Keep the next reading of this start durably; the oldest goes where there is no room.

        Raises
        ------
        AdapterError
            If it does not stand for certain; its number is used again.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT INTO outbox VALUES (?, ?, ?)", (self.boot, seq, payload))
            gone = 0
            if len(self) > self._max:
                gone = self._db.execute(
                    "DELETE FROM outbox WHERE (boot, seq) ="
                    " (SELECT boot, seq FROM outbox ORDER BY boot, seq LIMIT 1)"
                ).rowcount
            self._db.execute("UPDATE counters SET seq = ?, lost = lost + ?", (seq, gone))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            msg = f"the outbox cannot be written: {error}"
            raise AdapterError(msg) from error
        self.seq = seq
        self.lost += gone

    def after(self, boot: int, seq: int, count: int) -> list[Waiting]:
        """Return what waits, from a number on that is not itself meant, oldest first."""
        rows = self._db.execute(
            "SELECT boot, seq, payload FROM outbox WHERE (boot, seq) > (?, ?)"
            " ORDER BY boot, seq LIMIT ?",
            (boot, seq, count),
        )
        return [Waiting(*row) for row in rows]

    def acknowledged(self, boot: int, runs: Sequence[tuple[int, int]]) -> int:
        """Take away what is stored for good; return how many readings that were."""
        return sum(
            self._db.execute(
                "DELETE FROM outbox WHERE boot = ? AND seq BETWEEN ? AND ?", (boot, *run)
            ).rowcount
            for run in runs
        )

    def carried_out(self, command: int) -> None:
        """Remember the last command, so that it is carried out once.

        Raises
        ------
        AdapterError
            If that cannot be remembered.
        """
        try:
            self._db.execute("UPDATE counters SET command = ?", (command,))
        except sqlite3.Error as error:
            msg = f"the outbox cannot be written: {error}"
            raise AdapterError(msg) from error
        self.command = command

    def __len__(self) -> int:
        """How many readings wait."""
        (count,) = self._db.execute("SELECT count(*) FROM outbox").fetchone()
        return int(count)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
