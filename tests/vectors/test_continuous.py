"""Continuous trading as data: a market file and its result, each with its origin."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.slow_book import SlowBook
from wattbay.adapters.market_file import clear_document, render
from wattbay.adapters.market_file.source import Faults, parse
from wattbay.adapters.market_file.steps import read_steps
from wattbay.core.market.book import Book
from wattbay.core.market.steps import Passed

FOLDER = Path(__file__).parent / "continuous"
PATHS = sorted(FOLDER.glob("*.json"))


class Vector(msgspec.Struct, forbid_unknown_fields=True):
    """A case. The document stays as it is written, for its numbers are exact decimals."""

    origin: str
    document: msgspec.Raw
    result: dict[str, object]


def vector_of(path: Path) -> Vector:
    return msgspec.json.decode(path.read_bytes(), type=Vector)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_document_trades_to_its_result(path: Path) -> None:
    vector = vector_of(path)
    assert len(vector.origin) > 80
    result = render(clear_document(bytes(vector.document)))
    assert msgspec.json.decode(result) == vector.result


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_slow_book_says_the_same(path: Path) -> None:
    faults = Faults()
    document = read_steps(parse(bytes(vector_of(path).document), faults), faults)
    slow = SlowBook(document.rules, document.pools)
    said = [outcome for step in document.steps for outcome in slow.enter(step)]
    book = Book(document.rules)
    document.pools.lay(book)
    found = book.enter(document.steps)
    assert [outcome for outcome in found if not isinstance(outcome, Passed)] == said


def test_there_are_documents() -> None:
    assert len(PATHS) >= 30
