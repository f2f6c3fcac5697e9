"""What was written down: an entry of the journal, with the names of its fields."""

from __future__ import annotations

import types
from functools import cache
from typing import Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from wattbay.adapters.files.run_folder import JOURNAL
from wattbay.cli.show.folder import Run
from wattbay.cli.show.page import Page
from wattbay.errors import AdapterError, ConfigError, Fault
from wattbay.kernel.codec import Entry, decode
from wattbay.kernel.journal import SqliteJournal
from wattbay.kernel.singles import singles
from wattbay.periods import Instant, instant, to_text


def tell(run: Run, number: int) -> dict[str, object]:
    """Return an entry as a mapping.

    Raises
    ------
    AdapterError
        If the run kept no journal.
    ConfigError
        If the journal has no such entry.
    JournalError
        If the entry cannot be read.
    """
    path = run.path / JOURNAL
    if not path.is_file():
        msg = f"{path} is missing; a run with --journal memory keeps no journal"
        raise AdapterError(msg)
    journal = SqliteJournal(path, read_only=True)
    try:
        if not 1 <= number <= journal.last_seq:
            where = f"the journal has entries 1 to {journal.last_seq:,}"
            raise ConfigError(Fault(f"entry {number}", where))
        _, data, digest = next(journal.rows(number))
    finally:
        journal.close()
    entry = decode(data, seq=number)
    return written(entry) | {"hash": digest.hex(), "bytes": len(data)}


def written(entry: Entry) -> dict[str, object]:
    """Return an entry as a mapping; of a batch its steps, too, as if they had come alone."""
    steps = [
        {"command": named(one.command), "events": [named(event) for event in one.events]}
        for one in singles(entry)
        if one is not entry
    ]
    return {
        "seq": entry.seq,
        "at": to_text(entry.at),
        "command": named(entry.command),
        "events": [named(event) for event in entry.events],
    } | ({"steps": steps} if steps else {})


def named(record: Struct) -> dict[str, object]:
    """Return a command or event as a mapping: its name first, then its fields by name."""
    return {"is": type(record).__name__, **_fields(record)}


def _fields(record: Struct) -> dict[str, object]:
    hints = _hints(type(record))
    return {
        name: _value(getattr(record, name), is_instant=_holds_instant(hints[name]))
        for name in record.__struct_fields__
    }


def _value(value: object, *, is_instant: bool) -> object:
    """Return what a field holds as JSON can: instants as RFC 3339, bytes as hex digits."""
    if is_instant and isinstance(value, int):
        return to_text(Instant(value))
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Struct):
        return _fields(value)
    if isinstance(value, tuple):
        return [_value(item, is_instant=is_instant) for item in value]
    return value


@cache
def _hints(form: type[Struct]) -> dict[str, object]:
    return get_type_hints(form)


def _holds_instant(hint: object) -> bool:
    """Tell whether a field holds an instant, or may."""
    if get_origin(hint) in {Union, types.UnionType}:
        return any(_holds_instant(part) for part in get_args(hint))
    return hint is Instant


def page(run: Run, number: int, told: dict[str, object]) -> Page:
    """Write the page of an entry."""
    at = instant(str(told["at"]))
    shown = Page(f"Entry {number:,} of the journal", run.place.moment(at))
    shown.json(told)
    shown.say(
        "The journal holds this as an array without names; the hash is of those bytes and of the"
        " hash before. Instants are shown in UTC, bytes as hex digits.",
        style="dim",
    )
    return shown
