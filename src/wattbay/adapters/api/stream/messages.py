"""The words of the stream: what a client may say, and how what is said to it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from wattbay.errors import WireError
from wattbay.periods import Instant, to_text

CLIENT_BYTES_MAX = 16_384
"""Of one message of a client."""
SUBSCRIPTIONS_MAX = 256
"""Topics of one client."""

_INSTANTS = frozenset(
    {"at", "boundary", "clears_at", "delivery", "measured_at", "since", "start", "until"}
)
"""Fields of events that bear an instant: it is written as text."""

T = TypeVar("T")


class Wish(Struct, frozen=True, forbid_unknown_fields=True):
    """A topic that a client wants to hear."""

    topic: str
    last_seq: int | None = None
    """The last number that it has of the topic, where it goes on."""


class Subscribe(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="subscribe"):
    """Let me hear topics."""

    topics: tuple[Wish, ...]
    epoch: str | None = None
    """Of the server that gave the last numbers; without it they mean nothing."""


class Unsubscribe(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="unsubscribe"
):
    """Let me hear topics no more."""

    topics: tuple[str, ...]


class Ping(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="ping"):
    """Are you there? For clients that cannot send a ping of the protocol, as browsers."""


class ShowTicket(Struct, frozen=True, forbid_unknown_fields=True):
    """Here is my ticket: the first message of a client that showed nothing before."""

    ticket: str


Said = Subscribe | Unsubscribe | Ping
"""What a client may say once it is known."""

_encoder = msgspec.json.Encoder()
_said: msgspec.json.Decoder[Said] = msgspec.json.Decoder(Said)
_ticket = msgspec.json.Decoder(ShowTicket)


def read(text: str | bytes) -> Said:
    """Return what a client says.

    Raises
    ------
    WireError
        If it is no message, or too long.
    """
    said: Said = _decoded(_said, text)
    return said


def read_ticket(text: str | bytes) -> str:
    """Return the ticket that a client shows.

    Raises
    ------
    WireError
        If it shows none.
    """
    return _decoded(_ticket, text).ticket


def _decoded(decoder: msgspec.json.Decoder[T], text: str | bytes) -> T:
    if len(text) > CLIENT_BYTES_MAX:
        raise WireError(f"a message has {CLIENT_BYTES_MAX} bytes at most")
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"this is no message: {error}") from error


def written(message: Mapping[str, object]) -> str:
    """Return a message as it goes out."""
    return _encoder.encode(message).decode()


def plain(value: object) -> object:
    """Return an event or record as JSON objects: fields by name, instants as text."""
    if isinstance(value, Struct):
        return {name: _field(name, getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    return value


def _field(name: str, value: object) -> object:
    if name in _INSTANTS and isinstance(value, int):
        return to_text(Instant(value))
    return plain(value)
