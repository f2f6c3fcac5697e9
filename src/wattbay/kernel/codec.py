"""The bytes of history: one canonical form an entry, their chain, and what became of old forms.

The form is JSON without spaces: an entry is ``[seq,at,command,events]``, every command and event
``[name,field,...]`` with its fields in the order in which they are defined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from types import MappingProxyType

import msgspec
from msgspec import Struct, structs

from wattbay.core.commands import Command
from wattbay.core.events import Event
from wattbay.errors import JournalError, WireError
from wattbay.periods import Instant
from wattbay.units import SAFE_INTEGER_MAX

FORMAT = 1
"""Number of the form. Neither a new name nor a new optional last field changes it."""

GENESIS = bytes(32)
"""What the first entry is chained to."""


class Entry(Struct, frozen=True, array_like=True, gc=False):
    """One command and every event that came of it."""

    seq: int
    """From 1, gapless."""
    at: Instant
    command: Command
    events: tuple[Event, ...]


Upcaster = Callable[[list[object]], list[object]]
"""Makes of an old command or event, ``[name, field, ...]``, what it is called and bears today."""

UPCASTERS: Mapping[str, Upcaster] = MappingProxyType({})
"""By old name. Old names are never used again, so none of them is known without its upcaster."""

_Parts = tuple[int, int, list[object], list[list[object]]]
"""An entry of any version: sequence number, instant, command, events."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises at bytes that are not what they should be."""

_JSON = msgspec.json.Encoder()
_ENTRY = msgspec.json.Decoder(Entry)
_FACTS = msgspec.json.Decoder(tuple[int, int, msgspec.Raw, tuple[Event, ...]])
_COMMAND: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)


def encode(entry: Entry) -> bytes:
    """Return the canonical bytes of an entry."""
    return _JSON.encode(entry)


def decode(
    data: bytes, *, seq: int | None = None, upcasters: Mapping[str, Upcaster] = UPCASTERS
) -> Entry:
    """Read an entry, whatever released version wrote it.

    Raises
    ------
    JournalError
        If `data` is no entry; bears `seq`, where it is given.
    """
    try:
        return _ENTRY.decode(data)
    except _UNREADABLE as error:
        try:
            return _ENTRY.decode(_JSON.encode(_upcast_entry(data, upcasters)))
        except _UNREADABLE:
            raise JournalError(f"its bytes are not an entry: {error}", seq=seq) from error


def decode_events(data: bytes, *, seq: int | None = None) -> tuple[Event, ...]:
    """Read what came of an entry, and pass over what was asked: all that a replay needs.

    Raises
    ------
    JournalError
        If `data` is no entry; bears `seq`, where it is given.
    """
    try:
        return _FACTS.decode(data)[3]
    except _UNREADABLE:
        return decode(data, seq=seq).events


def is_canonical(
    data: bytes, entry: Entry, *, upcasters: Mapping[str, Upcaster] = UPCASTERS
) -> bool:
    """Tell whether `data`, from which `entry` was read, is the one way to write it.

    What an earlier version wrote may lack optional last fields and bear old names. Of that it is
    asked that no byte could be written otherwise, and that nothing in it is unknown today.
    """
    today = encode(entry)
    if data == today:
        return True
    as_written = msgspec.json.decode(data)
    if _JSON.encode(as_written) != data:
        return False
    return _is_older(_upcast_entry(data, upcasters), msgspec.json.decode(today))


def chain(previous_hash: bytes, data: bytes) -> bytes:
    """Return the hash of an entry: SHA-256 of the hash before it and its bytes."""
    return sha256(previous_hash + data).digest()


def check(command: Command) -> None:
    """Make sure that a command from outside can be written down and read again as it is.

    Records are not checked when they are made; this is where a text in a number's place, or a
    number that not every reader of JSON holds exactly, is stopped.

    Raises
    ------
    WireError
        If the command would not survive the journal.
    """
    try:
        again = _COMMAND.decode(_JSON.encode(command))
    except (*_UNREADABLE, TypeError, OverflowError, UnicodeEncodeError) as error:
        raise WireError(f"a command cannot be written down: {error}") from error
    if again != command:
        raise WireError(f"{command} reads back otherwise: {again}")
    _check_integers(command)


def _check_integers(record: Struct | tuple[object, ...]) -> None:
    """Refuse integers that some reader of JSON would round, however deep they stand."""
    for value in structs.astuple(record) if isinstance(record, Struct) else record:
        if type(value) is int:
            if not -SAFE_INTEGER_MAX <= value <= SAFE_INTEGER_MAX:
                raise WireError(f"{value} is beyond the integers that JSON carries exactly")
        elif isinstance(value, Struct | tuple):
            _check_integers(value)


def _upcast_entry(data: bytes, upcasters: Mapping[str, Upcaster]) -> list[object]:
    """Read the parts of an entry and bring its command and events to their present form."""
    seq, at, command, events = msgspec.json.decode(data, type=_Parts)
    return [seq, at, _upcast(command, upcasters), [_upcast(event, upcasters) for event in events]]


def _upcast(fields: list[object], upcasters: Mapping[str, Upcaster]) -> list[object]:
    """Bring a command or event to its present form, through as many versions as it takes."""
    while fields and isinstance(fields[0], str) and fields[0] in upcasters:
        fields = upcasters[fields[0]](fields)
    return fields


def _is_older(written: object, today: object) -> bool:
    """Tell whether `written` is `today` but for last fields that came later."""
    if isinstance(written, list) and isinstance(today, list):
        return len(written) <= len(today) and all(map(_is_older, written, today))
    return type(written) is type(today) and written == today
