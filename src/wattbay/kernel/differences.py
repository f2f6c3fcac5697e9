"""Where two entries differ, in words."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import NamedTuple

from msgspec import Struct

from wattbay.errors import JournalError
from wattbay.kernel.codec import decode

WORDS_MAX = 120
"""Longest value that is told whole. [characters]"""

_NOTHING = "nothing"


class Difference(NamedTuple):
    """The first place at which two records differ, and what stands there in each."""

    where: str
    """Such as ``events[0] OrderPlaced.hold_nano``."""
    first: str
    second: str


def difference(first: object, second: object, where: str = "") -> Difference | None:
    """Return the first difference of two records, tuples or plain values; None where there is none.

    Fields are compared in the order in which they are defined.
    """
    if first == second and type(first) is type(second):
        return None
    parts: Iterable[tuple[object, object, str]]
    if isinstance(first, Struct) and type(first) is type(second):
        name = f"{where} {type(first).__name__}".strip()
        parts = (
            (getattr(first, field), getattr(second, field), f"{name}.{field}")
            for field in first.__struct_fields__
        )
    elif isinstance(first, tuple) and isinstance(second, tuple):
        parts = (
            (one, other, f"{where}[{index}]")
            for index, (one, other) in enumerate(zip_longest(first, second))
        )
    else:
        return Difference(where, _words(first), _words(second))
    inner = (difference(one, other, place) for one, other, place in parts)
    return next(found for found in inner if found is not None)


def difference_of_bytes(first: bytes, second: bytes) -> Difference:
    """Return where two entries differ whose bytes differ, whether or not they can be read."""
    try:
        found = difference(decode(first), decode(second))
    except JournalError:
        found = None
    if found is None:
        at = next(
            (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
            min(len(first), len(second)),
        )
        return Difference(f"byte {at}", _around(first, at), _around(second, at))
    return found._replace(where=found.where.removeprefix("Entry."))


def _around(data: bytes, at: int) -> str:
    """Show a piece of bytes that begins shortly before a place."""
    return repr(data[max(0, at - 8) : at + 24]) if at < len(data) else _NOTHING


def _words(value: object) -> str:
    """Tell a value in at most `WORDS_MAX` characters."""
    told = _NOTHING if value is None else repr(value)
    return told if len(told) <= WORDS_MAX else told[: WORDS_MAX - 3] + "..."
