"""Frames on a stream: four bytes of length, little-endian, then a message or an envelope."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from wattbay.adapters.etp.envelope import SIZES
from wattbay.adapters.etp.messages import SIZE, Amiss, BadMessage

PREFIX = 4
"""Bytes of a length."""
PLAIN: Final = SIZE.to_bytes(PREFIX, "little")
LENGTHS: Final = frozenset({SIZE, *SIZES.values()})
"""What may come: a plain message, or an envelope by either scheme."""


def framed(payload: bytes) -> bytes:
    """Return a payload with its length before it."""
    return len(payload).to_bytes(PREFIX, "little") + payload


class Frames:
    """Cuts a stream into frames; holds less than one frame between two calls."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        """Begin with an empty stream."""
        self._held = b""

    @property
    def is_amid(self) -> bool:
        """Tell whether a frame has begun that is not whole."""
        return bool(self._held)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the payload of each frame that is whole now; to be gone through to its end.

        Raises
        ------
        BadMessage
            At a length that no message has. The stream is of no use after it: whatever else is
            fed raises the same again.
        """
        data = self._held + data if self._held else data
        at, end = 0, len(data)
        self._held = b""
        while end - at >= PREFIX:
            length = int.from_bytes(data[at : at + PREFIX], "little")
            if length not in LENGTHS:
                self._held = data[at : at + PREFIX]
                raise BadMessage(Amiss.SIZE, f"a frame of {length:,} bytes; {_lengths()} may come")
            if end - at - PREFIX < length:
                break
            at += PREFIX + length
            yield data[at - length : at]
        self._held = data[at:]


def _lengths() -> str:
    return _listed(sorted(LENGTHS))


def _listed(numbers: Iterable[int]) -> str:
    *first, last = [str(number) for number in numbers]
    return f"{', '.join(first)} or {last}"
