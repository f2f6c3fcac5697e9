"""What every journal promises, whatever it stands on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.builders import a_kernel, a_town, an_entry, an_order
from tests.servers import postgres
from wattbay.errors import JournalError
from wattbay.kernel.codec import GENESIS, chain, encode
from wattbay.kernel.journal import ROWS_PER_READ_MAX, Journal, MemoryJournal, SqliteJournal

Make = Callable[[], Journal]


@pytest.fixture(scope="module")
def conninfo() -> Iterator[str]:
    with postgres("fsync=off") as (_, found):
        yield found


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    made: list[Journal] = []

    def one() -> Journal:
        if request.param == "memory":
            return MemoryJournal()
        if request.param == "sqlite":
            return SqliteJournal(tmp_path / f"{len(made)}.sqlite")
        from wattbay.adapters.stores.postgres_journal import PostgresJournal  # noqa: PLC0415

        schema = f"{tmp_path.name}_{len(made)}"
        return PostgresJournal(request.getfixturevalue("conninfo"), schema=schema, holder="test")

    def new() -> Journal:
        made.append(one())
        return made[-1]

    yield new
    for journal in made:
        journal.close()


def some(count: int) -> list[bytes]:
    return [encode(an_entry(seq)) for seq in range(1, count + 1)]


def test_new_journal_ends_at_genesis(make: Make) -> None:
    journal = make()
    assert (journal.last_seq, journal.head) == (0, GENESIS)
    assert list(journal.rows()) == []


def test_entries_stand_in_a_chain_from_genesis(make: Make) -> None:
    journal, data = make(), some(5)
    journal.append(data)
    rows = list(journal.rows())
    assert [(seq, stored) for seq, stored, _ in rows] == list(enumerate(data, 1))
    hashes = [GENESIS, *(row[2] for row in rows)]
    assert [chain(h, d) for h, d in zip(hashes, data, strict=False)] == hashes[1:]
    assert (journal.last_seq, journal.head) == (5, hashes[-1])


def test_head_does_not_depend_on_how_many_are_written_at_once(make: Make) -> None:
    at_once, one_by_one, empty = make(), make(), make()
    at_once.append(some(7))
    for data in some(7):
        one_by_one.append([data])
    empty.append([])
    assert at_once.head == one_by_one.head
    assert list(at_once.rows()) == list(one_by_one.rows())
    assert empty.head == GENESIS


def test_every_byte_of_every_entry_counts(make: Make) -> None:
    journal, other = make(), make()
    journal.append(some(3))
    first, *rest = some(3)
    other.append([first.replace(b"250", b"251"), *rest])
    assert all(a[2] != b[2] for a, b in zip(journal.rows(), other.rows(), strict=True))


@pytest.mark.parametrize("from_seq", [1, 2, ROWS_PER_READ_MAX + 1, ROWS_PER_READ_MAX + 9])
def test_rows_begin_where_told_and_miss_nothing(make: Make, from_seq: int) -> None:
    journal = make()
    count = ROWS_PER_READ_MAX + 8
    journal.append(some(count))
    assert [row[0] for row in journal.rows(from_seq)] == list(range(from_seq, count + 1))


def test_rows_go_on_with_what_is_appended_meanwhile(make: Make) -> None:
    journal = make()
    data = some(4)
    journal.append(data[:2])
    rows = journal.rows()
    seen = [next(rows), next(rows)]
    journal.append(data[2:])
    seen.extend(rows)
    assert [row[1] for row in seen] == data


def test_closed_journal_takes_nothing_more(make: Make) -> None:
    journal = make()
    journal.append(some(1))
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.append(some(2)[1:])
    assert journal.last_seq == 1


def test_kernel_makes_the_same_history_on_every_journal(make: Make) -> None:
    journal, memory = make(), MemoryJournal()
    for one in (journal, memory):
        a_kernel(*a_town(), an_order(), an_order("h09"), journal=one)
    assert journal.head == memory.head
    assert list(journal.rows()) == list(memory.rows())
    assert all(a[0] + 1 == b[0] for a, b in pairwise(journal.rows()))
