"""The text of a market file: JSON with numbers as they are written, and faults with pointers."""

from __future__ import annotations

import json
from typing import NamedTuple

from wattbay.adapters.market_file.exact import NUMBER_CHARACTERS_MAX, Numeral
from wattbay.errors import ConfigError, Fault

DOCUMENT_CHARACTERS_MAX = 256 * 2**20
"""Of a whole document."""
SHOWN_CHARACTERS_MAX = 60
"""Of what somebody else wrote, in a fault."""

Path = tuple[str | int, ...]
"""Where in a document: keys and places, from the top."""


class Doubled(NamedTuple):
    """A JSON object that gives keys more than once."""

    members: dict[str, object]
    keys: tuple[str, ...]


class Faults:
    """What is wrong with a document, so far."""

    def __init__(self) -> None:
        """Begin without a fault."""
        self.found: list[Fault] = []

    def add(self, path: Path, what: str, remedy: str = "") -> None:
        """Add a fault at a path."""
        self.found.append(Fault(pointer(path), what, remedy))

    def raise_any(self) -> None:
        """Stop if there is a fault.

        Raises
        ------
        ConfigError
            Bears all of them.
        """
        if self.found:
            raise ConfigError(*self.found)


def pointer(path: Path) -> str:
    """Write a path as a JSON pointer (RFC 6901); the whole document is empty text."""
    return "".join("/" + shown(part).replace("~", "~0").replace("/", "~1") for part in path)


def shown(part: str | int) -> str:
    """Return what somebody else wrote as it can stand in a line on a screen."""
    text = str(part)
    return text if text.isprintable() else ascii(text)[1:-1]


def kind(raw: object) -> str:
    """Say what a JSON value is, shortly."""
    match raw:
        case None:
            return "null"
        case bool():
            return str(raw).lower()
        case int():
            return str(raw)
        case str():
            return f'"{_shortened(raw)}"'
        case Numeral():
            return _shortened(raw.text)
        case list():
            return "a list"
        case _:
            return "an object"


def _shortened(text: str) -> str:
    """Cut off what would fill a screen."""
    return shown(text if len(text) <= SHOWN_CHARACTERS_MAX else text[:SHOWN_CHARACTERS_MAX] + "…")


def parse(text: bytes | str, faults: Faults) -> object:
    """Parse JSON; a text that is none is one fault, with its line and column.

    Whole numbers that are short become integers; all others stay as they are written, in a
    `Numeral`. An object becomes a dict, or `Doubled`.
    """
    if len(text) > DOCUMENT_CHARACTERS_MAX:
        faults.add((), f"the document is longer than {DOCUMENT_CHARACTERS_MAX} characters")
        return None
    try:
        return json.loads(
            text if isinstance(text, str) else text.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=Numeral,
            parse_constant=Numeral,  # NaN and Infinity, which are found to be no numbers later.
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        faults.found.append(Fault(where, f"not JSON: {error.msg}"))
    except UnicodeDecodeError as error:
        faults.add((), f"the document is not UTF-8 at byte {error.start}")
    except RecursionError:
        faults.add((), "the document is nested too deeply")
    return None


def _integer(text: str) -> int | Numeral:
    """Read a whole number, unless it is too long to be worth it."""
    return int(text) if len(text) <= NUMBER_CHARACTERS_MAX else Numeral(text)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object] | Doubled:
    """Keep the members of an object, and which keys come more than once."""
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    keys = [key for key, _ in pairs]
    return Doubled(members, tuple(key for key in members if keys.count(key) > 1))


def members_of(
    raw: object, path: Path, required: frozenset[str], optional: frozenset[str], faults: Faults
) -> dict[str, object]:
    """Return the members of an object; a missing, unknown or doubled key is a fault."""
    if isinstance(raw, Doubled):
        for key in raw.keys:
            faults.add((*path, key), "the key comes more than once")
        raw = raw.members
    if not isinstance(raw, dict):
        faults.add(
            path, f"{'this' if path else 'the document'} is {kind(raw)}", "expected an object"
        )
        return {}
    if missing := required - raw.keys():
        for key in sorted(missing):
            faults.add((*path, key), "the key is missing")
    if unknown := raw.keys() - required - optional:
        known = ", ".join(sorted(required | optional))
        for key in sorted(unknown):
            faults.add((*path, key), "the key is unknown", f"known: {known}")
    return raw
