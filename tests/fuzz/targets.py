"""What is done with any bytes at all: each target raises only where a promise is broken."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from wattbay.adapters.etp.envelope import BODY, HEAD, Key, Opener, Scheme, head_of
from wattbay.adapters.etp.frames import LENGTHS, Frames
from wattbay.adapters.etp.messages import (
    SIZE,
    TEXT_BYTES_MAX,
    BadMessage,
    Message,
    decode,
    encode,
    from_text,
    to_text,
)
from wattbay.errors import ensure

T = TypeVar("T")

VECTORS = Path(__file__).parents[1] / "vectors" / "etp"
SECRET = bytes(range(32))
NOON = 1_777_636_800_000_000
KEYS = {
    201: Key(Scheme.HMAC, SECRET),
    202: Key(Scheme.ED25519, SECRET),
}


def _read(turn: Callable[[bytes], T], data: bytes) -> T | None:
    """Return what bytes are, or None where they are refused; anything else is raised."""
    try:
        return turn(data)
    except BadMessage:
        return None


def _is_right(message: Message) -> None:
    """Make sure of what holds for every message that was read."""
    ensure(_read(decode, encode(message)) == message, "what is written is read")
    text = to_text(message)
    if len(text) <= TEXT_BYTES_MAX:
        again = _read(from_text, text)
        ensure(again is not None and to_text(again) == text, "text is read as it was written")


def etp_message(data: bytes) -> None:
    """Read a message of 84 bytes."""
    _read(decode, data)
    whole = data[:SIZE].ljust(SIZE, b"\x01")
    if message := _read(decode, whole):
        ensure(encode(message) == whole, "a message has one form")
        _is_right(message)


def etp_text(data: bytes) -> None:
    """Read a message as text."""
    if message := _read(from_text, data):
        _is_right(message)


def _fed(pieces: Iterator[bytes]) -> tuple[list[bytes], str]:
    """Return the payloads that come out of pieces, and why they end."""
    frames, found = Frames(), list[bytes]()
    try:
        for piece in pieces:
            for payload in frames.feed(piece):
                ensure(len(payload) in LENGTHS, "a payload has a length that may be")
                found.append(payload)
    except BadMessage as error:
        return found, str(error)
    return found, ""


def etp_frames(data: bytes) -> None:
    """Cut a stream whose first byte says into what pieces it comes."""
    step, stream = (data[0] or 1, data[1:]) if data else (1, b"")
    whole = _fed(iter([stream]))
    pieces = (stream[at : at + step] for at in range(0, len(stream), step))
    ensure(_fed(pieces) == whole, "a stream is the same wherever it is cut")


def etp_envelope(data: bytes) -> None:
    """Open an envelope; then one with the tag that it should have."""
    _read(head_of, data)
    _read(Opener(101, KEYS, lambda: NOON).open, data)
    if len(data) < BODY:
        return
    body = b"\x01\x01" + (201).to_bytes(8, "little") + data[10:BODY]
    sealed = body + hmac.digest(SECRET, body, "sha256")
    opener = Opener(101, KEYS, lambda: NOON)
    if found := _read(opener.open, sealed):
        ensure(found.sender == found.message.device_id == 201, "nobody speaks for another")
        ensure(encode(found.message) == sealed[HEAD.size : BODY], "what is inside is the message")
        ensure(_read(opener.open, sealed) is None, "an envelope is opened once")
        _is_right(found.message)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "etp-message": etp_message,
    "etp-text": etp_text,
    "etp-frames": etp_frames,
    "etp-envelope": etp_envelope,
}


def seeds(name: str) -> list[bytes]:
    """Return bytes to begin with: those of the vectors, for the target that they are made for."""
    file, field = {
        "etp-message": ("messages", "bytes"),
        "etp-text": ("messages", "text"),
        "etp-frames": ("frames", "pieces"),
        "etp-envelope": ("envelopes", "bytes"),
    }[name]
    found = json.loads((VECTORS / f"{file}.json").read_text(encoding="utf-8"))["vectors"]
    told = [one[field] for one in found if field in one]
    if name == "etp-text":
        return [text.encode() for text in told]
    if name == "etp-frames":
        return [bytes([SIZE]) + bytes.fromhex("".join(pieces)) for pieces in told]
    return [bytes.fromhex(one) for one in told]
