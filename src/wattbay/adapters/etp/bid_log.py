"""Bids that were about to be confirmed: kept in a file, so that a restart asks after them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

import msgspec

from wattbay.adapters.etp.auctions import Ended, Keep, Key
from wattbay.errors import AdapterError

LINES_MAX = 100_000
"""Of a file, before it is written anew without the bids that have ended."""


class _Line(msgspec.Struct, array_like=True):
    """A line: a bid, and whether it has ended."""

    bess: int
    message_id: int
    price: int
    energy_wh: int
    is_ended: bool


class BidLog:
    """A file of lines. Bids in it are durable once `sync` has returned."""

    def __init__(self, file: Path, lines_max: int = LINES_MAX) -> None:
        """Take a file up, and leave in it what has no outcome yet.

        Raises
        ------
        AdapterError
            If it cannot be read or written.
        """
        self._file, self._lines_max = file, lines_max
        self.open_bids = self._read()
        """Bids of the time before that have no outcome."""
        self._kept: dict[Key, Keep] = {(one.bess, one.message_id): one for one in self.open_bids}
        self._is_broken = False
        self._writing_anew = Lock()
        try:
            self._out = self._written_anew()
        except OSError as error:
            raise self._fault("written", error) from error

    def _read(self) -> list[Keep]:
        try:
            text = self._file.read_bytes() if self._file.exists() else b""
        except OSError as error:
            raise self._fault("read", error) from error
        found: dict[Key, Keep] = {}
        # After the last line's end there is nothing, or what whoever wrote it died at: nothing
        # that followed from it was done.
        for place, each in enumerate(text.split(b"\n")[:-1]):
            try:
                line = msgspec.json.decode(each, type=_Line)
            except msgspec.DecodeError as error:
                msg = f"{self._file}:{place + 1} is no bid: {error}"
                raise AdapterError(msg) from error
            key = line.bess, line.message_id
            if line.is_ended:
                found.pop(key, None)
            else:
                found[key] = Keep(line.bess, line.message_id, line.price, line.energy_wh)
        return list(found.values())

    def _written_anew(self) -> int:
        """Write the bids that are open into a file of their own, put it in place, and open it."""
        beside = self._file.with_name(self._file.name + ".new")
        out = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            _write(out, _lines(self._kept.values()))
            os.fsync(out)
            beside.replace(self._file)
            _make_name_durable(self._file.parent)
        except OSError:
            os.close(out)
            raise
        self._count = len(self._kept)
        return out

    def keep(self, kept: Keep) -> None:
        """Write down that a bid is about to be confirmed, which it may be after `sync`.

        Raises
        ------
        AdapterError
            If that cannot be written: then it must not be confirmed.
        """
        self._append(kept, is_ended=False)
        self._kept[kept.bess, kept.message_id] = kept

    def sync(self) -> None:
        """Make durable what is written, for good; may be called from another thread.

        Raises
        ------
        AdapterError
            If that cannot be: then nothing of it must be confirmed.
        """
        self._check()
        try:
            with self._writing_anew:
                os.fsync(self._out)
        except OSError as error:
            self._is_broken = True
            raise self._fault("written", error) from error

    def end(self, ended: Ended) -> None:
        """Write down that a bid has its outcome, if it was kept.

        If that is lost, the battery is asked once more.

        Raises
        ------
        AdapterError
            If that cannot be written.
        """
        kept = self._kept.pop((ended.bess, ended.message_id), None)
        if kept is not None:
            self._append(kept, is_ended=True)

    def _check(self) -> None:
        if self._is_broken:
            msg = f"{self._file} cannot be written any more"
            raise AdapterError(msg)

    def _append(self, kept: Keep, *, is_ended: bool) -> None:
        self._check()
        try:
            if self._count >= max(self._lines_max, 2 * len(self._kept)):
                with self._writing_anew:
                    old, self._out = self._out, self._written_anew()
                    os.close(old)
            _write(self._out, _lines([kept], is_ended=is_ended))
        except OSError as error:
            # There may be half a line now, and whatever came after it would be read by nobody.
            self._is_broken = True
            raise self._fault("written", error) from error
        self._count += 1

    def _fault(self, done: str, error: OSError) -> AdapterError:
        return AdapterError(f"{self._file} cannot be {done}: {error.strerror}")

    def close(self) -> None:
        """Let go of the file."""
        if self._out >= 0:
            os.close(self._out)
        self._out, self._is_broken = -1, True


def _lines(bids: Iterable[Keep], *, is_ended: bool = False) -> bytes:
    return b"".join(msgspec.json.encode(_Line(*kept, is_ended)) + b"\n" for kept in bids)


def _write(out: int, lines: bytes) -> None:
    """Write all of it: a disk that is almost full takes a part, and says nothing."""
    while lines:
        lines = lines[os.write(out, lines) :]


def _make_name_durable(folder: Path) -> None:
    """Let a file still be there after a loss of power."""
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
