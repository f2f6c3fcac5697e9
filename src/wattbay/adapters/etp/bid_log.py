"""Bids that were about to be confirmed: kept in a file, so that a restart asks after them."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from wattbay.adapters.etp.auctions import Ended, Keep
from wattbay.errors import AdapterError


class _Line(msgspec.Struct, array_like=True):
    """A line: a bid, and whether it has ended."""

    bess: int
    message_id: int
    price: int
    energy_wh: int
    is_ended: bool


class BidLog:
    """A file of lines, each durable before whoever wrote it goes on."""

    def __init__(self, file: Path) -> None:
        """Take a file up, and leave in it what has no outcome yet.

        Raises
        ------
        AdapterError
            If it cannot be read or written.
        """
        self._file = file
        self.open_bids = self._read()
        """Bids of the time before that have no outcome."""
        try:
            beside = file.with_suffix(".new")
            beside.write_bytes(b"".join(_line(kept, is_ended=False) for kept in self.open_bids))
            beside.replace(file)
            self._out = file.open("ab", buffering=0)
        except OSError as error:
            msg = f"{file} cannot be written: {error.strerror}"
            raise AdapterError(msg) from error
        self._kept = {(one.bess, one.message_id) for one in self.open_bids}

    def _read(self) -> list[Keep]:
        try:
            lines = self._file.read_bytes().splitlines() if self._file.exists() else []
        except OSError as error:
            msg = f"{self._file} cannot be read: {error.strerror}"
            raise AdapterError(msg) from error
        found: dict[tuple[int, int], Keep] = {}
        for place, text in enumerate(lines):
            try:
                line = msgspec.json.decode(text, type=_Line)
            except msgspec.DecodeError as error:
                if place == len(lines) - 1:
                    break  # Whoever wrote it died: nothing that followed was done.
                msg = f"{self._file}:{place + 1} is no bid: {error}"
                raise AdapterError(msg) from error
            key = line.bess, line.message_id
            if line.is_ended:
                found.pop(key, None)
            else:
                found[key] = Keep(line.bess, line.message_id, line.price, line.energy_wh)
        return list(found.values())

    def keep(self, kept: Keep) -> None:
        """Write down that a bid is about to be confirmed.

        Raises
        ------
        AdapterError
            If that cannot be made durable: then it must not be confirmed.
        """
        self._write(_line(kept, is_ended=False))
        self._kept.add((kept.bess, kept.message_id))

    def end(self, ended: Ended) -> None:
        """Write down that a bid has its outcome, if it was kept.

        Raises
        ------
        AdapterError
            If that cannot be written.
        """
        key = ended.bess, ended.message_id
        if key in self._kept:
            self._kept.discard(key)
            kept = Keep(ended.bess, ended.message_id, ended.price, ended.energy_wh)
            self._write(_line(kept, is_ended=True))

    def _write(self, line: bytes) -> None:
        try:
            self._out.write(line)
            os.fsync(self._out.fileno())
        except OSError as error:
            msg = f"{self._file} cannot be written: {error.strerror}"
            raise AdapterError(msg) from error

    def close(self) -> None:
        """Let go of the file."""
        self._out.close()


def _line(kept: Keep, *, is_ended: bool) -> bytes:
    return msgspec.json.encode(_Line(*kept, is_ended)) + b"\n"
