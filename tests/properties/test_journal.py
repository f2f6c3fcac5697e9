from __future__ import annotations

from contextlib import closing
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from wattbay.errors import JournalError
from wattbay.kernel.codec import Entry, encode
from wattbay.kernel.journal import Journal, MemoryJournal, SqliteJournal

places = st.lists(st.integers(0, 11), max_size=4)
histories = st.lists(strategies.entries, min_size=1, max_size=12)


def append_in_pieces(journal: Journal, data: list[bytes], cuts: list[int]) -> None:
    bounds = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    for start, end in pairwise(bounds):
        journal.append(data[start:end])


@given(
    histories, st.lists(st.integers(0, 11), max_size=4), st.lists(st.integers(0, 11), max_size=4)
)
def test_head_depends_on_the_entries_alone(
    history: list[Entry], cuts: list[int], other_cuts: list[int]
) -> None:
    data = [encode(entry) for entry in history]
    memory = MemoryJournal()
    append_in_pieces(memory, data, cuts)
    with TemporaryDirectory() as folder:
        with closing(SqliteJournal(Path(folder) / "journal.sqlite")) as journal:
            append_in_pieces(journal, data, other_cuts)
            assert list(journal.rows()) == list(memory.rows())
        with closing(SqliteJournal(Path(folder) / "journal.sqlite")) as journal:
            assert (journal.last_seq, journal.head) == (len(data), memory.head)


@given(histories, st.integers(0, 12), places)
def test_resumed_run_ends_as_the_unbroken_one(
    history: list[Entry], broken_after: int, cuts: list[int]
) -> None:
    data = [encode(entry) for entry in history]
    memory = MemoryJournal()
    memory.append(data)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        with closing(SqliteJournal(path)) as journal:
            journal.append(data[:broken_after])
        with closing(SqliteJournal(path, resume=True)) as journal:
            append_in_pieces(journal, data, cuts)
            assert journal.head == memory.head
            assert list(journal.rows()) == list(memory.rows())


@given(histories, histories, st.integers(1, 12))
def test_resumed_run_is_stopped_where_it_differs(
    history: list[Entry], other: list[Entry], kept: int
) -> None:
    held = [encode(entry) for entry in history]
    again = held[:kept] + [encode(entry) for entry in other]
    pairs = zip(held, again, strict=False)
    differs = next((seq for seq, (a, b) in enumerate(pairs, 1) if a != b), None)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        with closing(SqliteJournal(path)) as journal:
            journal.append(held)
        with closing(SqliteJournal(path, resume=True)) as resumed:
            if differs is None:
                resumed.append(again)
                assert resumed.last_seq == len(again)
            else:
                with pytest.raises(JournalError) as caught:
                    resumed.append(again)
                assert caught.value.seq == differs
