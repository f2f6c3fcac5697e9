"""Entries of a journal by their number, also of one whose beginning was pruned."""

from __future__ import annotations

from pathlib import Path

from wattbay.adapters.api.node import Head, KeptEntry
from wattbay.assembly.kept import entries_in, head_of
from wattbay.kernel.codec import GENESIS, chain
from wattbay.kernel.journal import MemoryJournal, SqliteJournal

ROWS = [b'[%d,0,["SettlePeriod",0,"initial"],[]]' % number for number in range(1, 5)]


def test_entry_is_found_with_its_hash_and_the_one_before() -> None:
    journal = MemoryJournal()
    find, head = entries_in(journal), head_of(journal)
    assert (find(1), head()) == (None, Head(0, GENESIS))
    journal.append(ROWS)
    first = chain(GENESIS, ROWS[0])
    assert find(1) == KeptEntry(GENESIS, ROWS[0], first)
    assert find(2) == KeptEntry(first, ROWS[1], chain(first, ROWS[1]))
    assert [find(number) for number in (0, -1, 5)] == [None, None, None]
    assert head() == Head(4, journal.head)


def test_entry_that_was_pruned_is_not_found_and_the_next_one_names_its_hash(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    journal.append(ROWS)
    find = entries_in(journal)
    whole = [find(number) for number in (3, 4)]
    journal.prune(2)
    assert [find(number) for number in (1, 2)] == [None, None]
    assert [find(number) for number in (3, 4)] == whole
    journal.close()
