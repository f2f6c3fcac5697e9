"""What stands in a journal, for those who want to check it themselves."""

from __future__ import annotations

from collections.abc import Callable

from wattbay.adapters.api.node import Head, KeptEntry
from wattbay.kernel.codec import GENESIS
from wattbay.kernel.journal import Base, Journal


def entries_in(journal: Journal) -> Callable[[int], KeptEntry | None]:
    """Return what finds entries by their number, among those that were not pruned."""

    def find(seq: int) -> KeptEntry | None:
        base = getattr(journal, "base", Base(0, GENESIS))
        if not base.seq < seq <= journal.last_seq:
            return None
        previous_hash = base.head
        for number, data, found in journal.rows(max(seq - 1, base.seq + 1)):
            if number == seq:
                return KeptEntry(previous_hash, data, found)
            previous_hash = found
        return None

    return find


def head_of(journal: Journal) -> Callable[[], Head]:
    """Return what tells where a journal ends."""
    return lambda: Head(journal.last_seq, journal.head)
