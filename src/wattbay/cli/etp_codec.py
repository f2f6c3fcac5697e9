"""`etp encode` and `etp decode`: messages as lines of JSON, and as lines of bytes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from wattbay.adapters.etp.envelope import SIZES, head_of, inner
from wattbay.adapters.etp.frames import PREFIX
from wattbay.adapters.etp.messages import (
    FIELDS,
    IS_INTEGER,
    NAMES,
    SIZE,
    Kind,
    Message,
    check,
    from_text,
    to_text,
)
from wattbay.adapters.etp.messages import decode as read
from wattbay.adapters.etp.messages import encode as written
from wattbay.errors import ConfigError, Fault, WireError

LINE_BYTES_MAX = 4_096
"""Of a line: far more than a message takes in any form."""
STANDARD_INPUT = "-"

_KINDS: Final = MappingProxyType({name: kind for kind, name in NAMES.items()})
_PAYLOADS: Final = frozenset({SIZE, *SIZES.values()})


def encode_lines(file: str, *, text: bool) -> int:
    """Print messages as hex, or as text; return the exit status."""
    return _through(file, lambda line: _written(line, text=text))


def decode_lines(file: str, *, text: bool) -> int:
    """Print messages as JSON; return the exit status."""
    return _through(file, lambda line: _read_text(line) if text else _read_hex(line))


def _through(file: str, turned: Callable[[bytes], str]) -> int:
    """Print each line turned, or why it cannot be; return the exit status."""
    faults = 0
    for number, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        try:
            print(turned(_bounded(line)))
        except WireError as error:
            faults += 1
            print(f"line {number}: {error}", file=sys.stderr)
    return 1 if faults else 0


def _bounded(line: bytes) -> bytes:
    """Return a line that is not too long."""
    if len(line) > LINE_BYTES_MAX:
        raise WireError(f"longer than {LINE_BYTES_MAX:,} bytes")
    return line


def _lines(file: str) -> Iterator[bytes]:
    """Yield the lines of a file; of one that is too long, enough to tell.

    Raises
    ------
    ConfigError
        If the file cannot be read.
    """
    try:
        is_input = file == STANDARD_INPUT
        with nullcontext(sys.stdin.buffer) if is_input else Path(file).open("rb") as source:
            while line := source.readline(LINE_BYTES_MAX + 1):
                rest = line
                while len(rest) > LINE_BYTES_MAX and not rest.endswith(b"\n"):
                    rest = source.readline(LINE_BYTES_MAX + 1)
                yield line
    except OSError as error:
        raise ConfigError(Fault(file, f"cannot be read: {error.strerror}")) from error


# --- from JSON -------------------------------------------------------------------------------


def _written(line: bytes, *, text: bool) -> str:
    """Return the message of a line of JSON as hex, or as text."""
    message = _from_json(line)
    check(message)
    return to_text(message).decode() if text else written(message).hex()


def _from_json(line: bytes) -> Message:
    """Return the message that a line of JSON says.

    Raises
    ------
    WireError
        If it says none; names the field.
    """
    try:
        said = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"no JSON: {error}") from error
    if not isinstance(said, dict):
        raise WireError("an object with the fields of a message is wanted")
    for name in said:
        if name not in FIELDS:
            raise WireError(_unknown(name))
    if "message_type" not in said:
        raise WireError("message_type is missing")
    values = dict(said, message_type=_kind(said["message_type"]))
    for name, is_integer in zip(FIELDS, IS_INTEGER, strict=True):
        if name in values:
            values[name] = _number(name, values[name], is_integer=is_integer)
    return Message(**{"message_id": 0, "device_id": 0} | values)


def _unknown(name: str) -> str:
    """Return why a field is not one."""
    if name == "envelope":
        return "an envelope needs a key; only plain messages are written here"
    near = get_close_matches(name[:80], FIELDS, n=1)
    hint = f"; is {near[0]} meant?" if near else ""
    return f"{name[:80]!r} is no field of a message{hint}"


def _kind(said: object) -> object:
    """Return the type that a name means; of anything else, itself."""
    if not isinstance(said, str):
        return said
    if said not in _KINDS:
        near = get_close_matches(said[:80], _KINDS, n=1)
        hint = f"; is {near[0]} meant?" if near else f"; there are {', '.join(_KINDS)}"
        raise WireError(f"message_type is {said[:80]!r}{hint}")
    return int(_KINDS[said])


def _number(name: str, value: object, *, is_integer: bool) -> int | float:
    """Return a field's value, if it is a number of its kind."""
    wanted = int if is_integer else int | float
    if isinstance(value, wanted) and not isinstance(value, bool):
        return value
    what = "a whole number" if is_integer else "a number"
    shown = json.dumps(value)[:80]
    raise WireError(f"{name} is {shown}; {what} is wanted")


# --- to JSON ---------------------------------------------------------------------------------


def _read_hex(line: bytes) -> str:
    """Return what the bytes of a line of hex say: a message, framed or not, sealed or not."""
    try:
        found = bytes.fromhex(line.decode("ascii"))
    except ValueError as error:
        raise WireError("hex digits are wanted, two a byte") from error
    prefix = int.from_bytes(found[:PREFIX], "little")
    if prefix in _PAYLOADS and len(found) == PREFIX + prefix:
        found = found[PREFIX:]
    if len(found) in _PAYLOADS - {SIZE}:
        head = head_of(found)
        seal = head._asdict() | {"scheme": head.scheme.name.lower(), "is_checked": False}
        return _as_json(read(inner(found)), envelope=seal)
    return _as_json(read(found))


def _read_text(line: bytes) -> str:
    """Return what a line of text says."""
    return _as_json(from_text(line.rstrip(b"\r\n")))


def _as_json(message: Message, **more: object) -> str:
    """Return a message as a line of JSON, its type by name."""
    said = message._asdict() | {"message_type": NAMES[Kind(message.message_type)]}
    return json.dumps(said | more)
