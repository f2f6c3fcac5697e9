"""Snapshots in a folder, so that a start reads the end of the journal and not all of it.

A snapshot can always be done without. It is written beside its place and moved there, so that none
is ever half there; the last ones are kept, and one that cannot be used is passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from wattbay.core.exchange import Exchange
from wattbay.errors import JournalError
from wattbay.kernel.codec import Entry
from wattbay.kernel.journal import Journal
from wattbay.kernel.kernel import Reader
from wattbay.kernel.replay import rebuild, restore, snapshot

SUFFIX = ".snapshot"
KEPT = 3
SEQ_DIGITS = 16


class Snapshots:
    """The snapshots of one journal."""

    def __init__(self, folder: Path, every: int) -> None:
        """Keep them in a folder of their own.

        Parameters
        ----------
        every
            After how many entries the next is due.
        """
        self._folder = folder
        self._every = every
        self.last_seq = 0
        """Of the newest that was written or used; 0 where there is none."""

    def exchange(self, journal: Journal, readers: Iterable[Reader] = ()) -> Exchange:
        """Return the state at the end of a journal, from the newest snapshot that is of it.

        Raises
        ------
        JournalError
            If the journal itself is not sound from there on.
        """
        for path in sorted(self._folder.glob(f"*{SUFFIX}"), reverse=True):
            try:
                held = path.read_bytes()
                begin = restore(held)
            except (OSError, JournalError):
                continue
            row = next(journal.rows(begin.seq), None) if begin.seq <= journal.last_seq else None
            if row is not None and row[2] == begin.head:
                self.last_seq = begin.seq
                return rebuild(journal, readers, held)
        return rebuild(journal, readers)

    def is_due(self, seq: int) -> bool:
        """Tell whether there are so many entries that another is to be written."""
        return seq - self.last_seq >= self._every

    def write(self, exchange: Exchange, seq: int, head: bytes) -> Path:
        """Write a snapshot of the state after entry `seq`, and forget the oldest.

        Raises
        ------
        OSError
            If it cannot be written: nothing is lost.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{seq:0{SEQ_DIGITS}d}{SUFFIX}"
        beside = path.with_suffix(".new")
        with beside.open("wb") as file:
            file.write(snapshot(exchange, seq, head))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        self.last_seq = seq
        for old in sorted(self._folder.glob(f"*{SUFFIX}"))[:-KEPT]:
            with suppress(OSError):
                old.unlink()
        return path


class Tail:
    """Which entry was the last that is written for good."""

    def __init__(self, seq: int) -> None:
        """Begin where a journal ends."""
        self.seq = seq

    def fold(self, entry: Entry) -> None:
        """Take the next entry."""
        self.seq = entry.seq
