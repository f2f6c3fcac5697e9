"""A history says what a run folder says, however often it is taken up again; and finds it all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from random import Random

import pytest

from tests.builders import EVE, Listener
from tests.every_way import (
    BEGIN,
    BY_OPERATOR,
    DELIVERIES,
    FINAL_US,
    OPERATOR,
    OVER,
    PODS,
    a_command,
    an_allocation,
    founding,
)
from wattbay.adapters.stores.history import SqliteHistory, memory_history
from wattbay.agents.operator import MarketOperator, RuleTerms
from wattbay.core import commands as c
from wattbay.core.exchange import Exchange
from wattbay.core.products import BLOCK
from wattbay.ids import PodId, ProductId
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.codec import Entry
from wattbay.kernel.journal import MemoryJournal
from wattbay.kernel.kernel import Kernel, Reader
from wattbay.periods import HOUR, MINUTE, Instant
from wattbay.views.explained import explained
from wattbay.views.history import COLUMNS, SEQ_TOO, TIMES, Answered, History, Want
from wattbay.views.history import PODS as POD_COLUMNS
from wattbay.views.operator import OperatorDesk
from wattbay.views.tables import TABLES, Row, Tables

STEPS = 250
SEEDS = range(6)


class Street:
    """A community in which anything is asked, and what came of it."""

    def __init__(self, seed: int) -> None:
        self.journal, self.heard = MemoryJournal(), Listener()
        self.desks = [OperatorDesk(ProductId(name)) for name in BY_OPERATOR]
        clock, self.exchange = SimulatedClock(EVE), Exchange()
        readers: list[Reader] = [self.heard, *self.desks]
        self._kernel = Kernel(self.journal, clock, readers, self.exchange)
        self.at = EVE
        self._live(Random(seed))

    def _until(self, at: int) -> None:
        self.at = Instant(at)
        self._kernel.advance(self.at)

    def _live(self, chance: Random) -> None:
        self._kernel.submit_many(founding(chance))
        self._until(BEGIN)
        for _ in range(STEPS):
            self._until(self.at + chance.choice((0,) * 12 + (5, 5, 10)) * MINUTE)
            self._kernel.submit(a_command(chance, self))
            self._clear(chance)
            if self.at >= OVER and chance.random() < 0.2:
                self._kernel.submit(an_allocation(self, chance, chance.choice(DELIVERIES)))
        self._until(max(self.at, OVER))
        for delivery in DELIVERIES:
            self._kernel.submit(an_allocation(self, chance, delivery))
        self._until(max(self.at, OVER + FINAL_US))
        self._kernel.submit(c.IssueStatements(month="2013-06"))

    def _clear(self, chance: Random) -> None:
        """Let the operator bring most results that are waited for."""
        for desk in self.desks:
            product = desk.product
            books = self.exchange.state.market.books[product.product]
            for delivery, book in sorted(books.items()):
                if book.clears_at is None or chance.random() < 0.7:
                    continue
                operator = MarketOperator(OPERATOR, product, RuleTerms())
                if product.rule != BLOCK:
                    commands = operator.clear(delivery, desk.orders(delivery), desk.worsening)
                elif book.first == delivery:
                    commands = operator.clear_day(desk.day(delivery), desk.worsening)
                else:
                    continue
                self._kernel.submit_many(list(commands))


@cache
def street(seed: int) -> Street:
    return Street(seed)


def told(history: History) -> dict[str, list[Answered]]:
    """Return all rows of a history, by table and number."""
    rows = {table: list(history.all(Want(table))) for table in COLUMNS}
    return {
        table: sorted(found, key=lambda row: int(row["number"] or 0))
        for table, found in rows.items()
    }


def folded(history: History, entries: list[Entry]) -> History:
    for entry in entries:
        history.fold(entry)
    return history


def of_run_folder(entries: list[Entry]) -> Mapping[str, list[Row]]:
    tables = Tables()
    for entry in entries:
        tables.fold(entry)
    tables.finish()
    return tables.take()


def chosen(table: str, rows: list[Answered]) -> list[tuple[object, ...]]:
    """Return rows with the columns of a run folder, in any order."""
    names = [column.name for column in TABLES[table]]
    return sorted((tuple(row[name] for name in names) for row in rows), key=repr)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_it_comes_to_is_what_the_run_folder_says(seed: int) -> None:
    entries = street(seed).heard.entries
    rows, expected = told(folded(memory_history(), entries)), of_run_folder(entries)
    for table in TABLES:
        if table != "meters":  # Here each version of a receipt, there of what is known.
            assert chosen(table, rows[table]) == sorted(expected[table], key=repr), table
    assert len(rows["entries"]) == len(entries)
    assert {row["state"] for row in rows["deliveries"]} == {"final"}


@pytest.mark.parametrize("seed", SEEDS)
def test_it_goes_on_from_the_file_alone(seed: int, tmp_path: Path) -> None:
    entries, chance, path = street(seed).heard.entries, Random(seed), tmp_path / "h.sqlite"
    expected = told(folded(memory_history(), entries))
    history = SqliteHistory(path)
    for entry in entries:
        history.fold(entry)
        if chance.random() < 0.05:
            history.close()
            history = SqliteHistory(path)
        elif chance.random() < 0.1:
            history.flush()
    assert told(history) == expected
    history.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_newest_of_each_receipt_and_energy_is_marked(seed: int) -> None:
    rows = told(folded(memory_history(), street(seed).heard.entries))
    for table in ("receipts", "meters"):
        last = {(row["pod"], row["delivery_start"]): row["number"] for row in rows[table]}
        assert {row["number"] for row in rows[table] if row["newest"]} == set(last.values())


def matches(want: Want, row: Answered) -> bool:
    time = row[TIMES[want.table]]
    assert isinstance(time, int)
    return (
        all(row[name] == value for name, value in want.equals.items())
        and (want.pods is None or bool({row[one] for one in POD_COLUMNS[want.table]} & want.pods))
        and (want.since is None or time >= want.since)
        and (want.until is None or time < want.until)
    )


def a_want(chance: Random, rows: Mapping[str, list[Answered]]) -> Want:
    table = chance.choice([name for name in COLUMNS if rows[name]])
    row = chance.choice(rows[table])
    names = [column.name for column in COLUMNS[table]] + ["seq"] * (table in SEQ_TOO)
    equals = {name: row[name] for name in chance.sample(names, chance.choice((0, 0, 1, 1, 2)))}
    if "state" in names and chance.random() < 0.2:
        equals["state"] = "open"
    pods = None
    if table in POD_COLUMNS and chance.random() < 0.6:
        pods = frozenset(map(str, chance.sample(PODS, chance.randint(0, 5))))
    time = row[TIMES[table]]
    assert isinstance(time, int)
    since = until = None
    if chance.random() < 0.5:
        since = Instant(time - chance.choice((0, 0, 1, HOUR)))
    if chance.random() < 0.5:
        until = Instant(time + chance.choice((0, 1, HOUR)))
    limit, newest_first = chance.choice((1, 3, 500)), chance.random() < 0.5
    return Want(table, equals, pods, since, until, None, limit, newest_first)  # type: ignore[arg-type]  # no table has floats


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_wanted_is_found_page_by_page(seed: int) -> None:
    chance, entries = Random(seed), street(seed).heard.entries
    # Of every other one something is open yet.
    history = folded(memory_history(), entries[: len(entries) // (1 + seed % 2)])
    rows = told(history)
    for _ in range(300):
        want = a_want(chance, rows)
        expected = [row for row in rows[want.table] if matches(want, row)]
        found: list[Answered] = []
        page = want
        while True:
            answer = history.find(page)
            assert len(answer.rows) <= want.limit
            found += answer.rows
            if answer.next is None:
                break
            assert answer.next == answer.rows[-1]["number"]
            page = page._replace(after=answer.next)
        assert found == (expected[::-1] if want.newest_first else expected), want
        in_time = sorted(expected, key=lambda row: (row[TIMES[want.table]], row["number"]))
        assert list(history.all(want)) == in_time, want


@pytest.mark.parametrize("seed", SEEDS)
def test_every_version_of_every_receipt_can_be_explained(seed: int) -> None:
    lived = street(seed)
    history = folded(memory_history(), lived.heard.entries)
    registry = lived.exchange.state.registry
    for row in list(history.all(Want("receipts"))):
        pod, start, version = row["pod"], row["delivery_start"], row["version"]
        assert isinstance(pod, str)
        assert isinstance(start, int)
        assert isinstance(version, int)
        why = explained(history, registry, PodId(pod), Instant(start), version)
        assert why is not None
        assert why.receipt == row
        assert why.disagreements == {}, why
        assert sum(line.amount_nano for line in why.lines) == row["total_nano"]
