"""What a battery is about to bring to a service: kept in a file until its outcome is known.

A line is durable before the sale is sent. So whatever dies in between, the same sale is brought
again under the same name, and the service answers what it answered before. Beside it stands what
the battery holds: a sale is taken off it in the line that says how it ended.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from wattbay.errors import AdapterError

LINES_MAX = 10_000
"""Of a file, before it is written anew without the sales that have ended."""
_OWNER_ONLY = 0o600

if sys.platform != "win32":
    import fcntl


class Brought(msgspec.Struct, frozen=True, kw_only=True, tag="brought"):
    """A sale as it is sent."""

    request: str
    energy_wh: int
    body: dict[str, Any]


class _Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    request: str = ""
    level_wh: float | None = None
    """What the battery holds from then on; None: as before. [Wh]"""


_Line = Brought | _Ended
_decoder = msgspec.json.Decoder(_Line)


class SaleLog:
    """A file of lines, and what it comes to."""

    def __init__(self, file: Path, level_wh: float, lines_max: int = LINES_MAX) -> None:
        """Take a file up, and leave in it what has no outcome yet.

        Parameters
        ----------
        level_wh
            What the battery holds, where no file says so. [Wh]

        Raises
        ------
        AdapterError
            If it cannot be read or written.
        """
        self._file, self._lines_max = file, lines_max
        self._lock = self._locked()
        self.level_wh = level_wh
        self.pending: dict[str, Brought] = {}
        """By request, those without an outcome."""
        try:
            self._read()
            self._out = self._written_anew()
        except OSError as error:
            os.close(self._lock)
            raise self._fault("written", error) from error
        except AdapterError:
            os.close(self._lock)
            raise

    def _locked(self) -> int:
        """Return what keeps other programs off the file until it is closed, or we die."""
        beside = self._file.with_name(f"{self._file.name}.lock")
        try:
            lock = os.open(beside, os.O_WRONLY | os.O_CREAT, _OWNER_ONLY)
        except OSError as error:
            raise self._fault("written", error) from error
        if sys.platform != "win32":
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                msg = f"{self._file} is in use by another program: a battery has one node"
                raise AdapterError(msg) from None
        return lock

    def _read(self) -> None:
        try:
            text = self._file.read_bytes() if self._file.exists() else b""
        except OSError as error:
            raise self._fault("read", error) from error
        # After the end of the last line there may be half a line, at which its writer died.
        for place, each in enumerate(text.split(b"\n")[:-1], 1):
            try:
                self._take(_decoder.decode(each))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                msg = f"{self._file}:{place} is no sale: {error}"
                raise AdapterError(msg) from error

    def _take(self, line: _Line) -> None:
        match line:
            case Brought():
                self.pending[line.request] = line
            case _Ended():
                self.pending.pop(line.request, None)
                if line.level_wh is not None:
                    self.level_wh = line.level_wh

    def _written_anew(self) -> int:
        """Write what holds into a file of its own, put it in place, and open it."""
        beside = self._file.with_name(f"{self._file.name}.new")
        out = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, _OWNER_ONLY)
        try:
            _write(out, _Ended(level_wh=self.level_wh), *self.pending.values())
            os.fsync(out)
            beside.replace(self._file)
            _make_name_durable(self._file.parent)
        except OSError:
            os.close(out)
            raise
        self._lines = 1 + len(self.pending)
        return out

    def bring(self, brought: Brought) -> None:
        """Write down that a sale is about to be brought.

        Raises
        ------
        AdapterError
            If that cannot be made durable: then it must not be brought.
        """
        self._append(brought, is_durable=True)

    def end(self, request: str, level_wh: float | None = None) -> None:
        """Write down that a sale has its outcome. If that is lost, it is brought once more.

        Raises
        ------
        AdapterError
            If that cannot be written.
        """
        self._append(_Ended(request=request, level_wh=level_wh), is_durable=False)

    def _append(self, line: _Line, *, is_durable: bool) -> None:
        try:
            if self._lines >= max(self._lines_max, 2 * len(self.pending)):
                old, self._out = self._out, self._written_anew()
                os.close(old)
            _write(self._out, line)
            if is_durable:
                os.fsync(self._out)
        except OSError as error:
            raise self._fault("written", error) from error
        self._lines += 1
        self._take(line)

    def _fault(self, done: str, error: OSError) -> AdapterError:
        return AdapterError(f"{self._file} cannot be {done}: {error.strerror}")

    def close(self) -> None:
        """Let go of the file."""
        if self._out >= 0:
            os.close(self._out)
            os.close(self._lock)
        self._out = -1


def _write(out: int, *lines: _Line) -> None:
    """Write all of it: a disk that is almost full takes a part, and says nothing."""
    left = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    while left:
        left = left[os.write(out, left) :]


def _make_name_durable(folder: Path) -> None:
    """Let a file still be there after a loss of power."""
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
