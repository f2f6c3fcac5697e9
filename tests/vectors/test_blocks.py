"""Block auctions as data: a market file and its result, each with its origin."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from wattbay.adapters.market_file import clear_document, render

FOLDER = Path(__file__).parent / "blocks"


class Vector(msgspec.Struct, forbid_unknown_fields=True):
    """A case. The document stays as it is written, for its numbers are exact decimals."""

    origin: str
    document: msgspec.Raw
    result: dict[str, object]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_block_document_clears_to_its_result(path: Path) -> None:
    vector = msgspec.json.decode(path.read_bytes(), type=Vector)
    assert len(vector.origin) > 20
    result = render(clear_document(bytes(vector.document)))
    assert msgspec.json.decode(result) == vector.result


def test_there_are_block_documents() -> None:
    assert len(list(FOLDER.glob("*.json"))) >= 25
