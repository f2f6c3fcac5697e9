"""Files that are whole or not there: written under another name, on disk, and then renamed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from wattbay.errors import AdapterError

UNFINISHED = ".part"
"""What a file's name ends in while it is being written."""


def write_durably(
    path: Path, pieces: Iterable[bytes], check: Callable[[Path], object] | None = None
) -> None:
    """Write a file that, once it bears its name, is on disk to the last byte.

    Parameters
    ----------
    check
        Reads what was written before it gets its name; whatever it raises, there is no file.

    Raises
    ------
    AdapterError
        If it cannot be written.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        with unfinished.open("wb") as file:
            file.writelines(pieces)
        finish(unfinished, path, check)
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror or error}"
        raise AdapterError(msg) from error
    finally:
        unfinished.unlink(missing_ok=True)


def finish(unfinished: Path, path: Path, check: Callable[[Path], object] | None = None) -> None:
    """Give a file its name once it is on disk and found good."""
    with unfinished.open("rb+") as file:
        os.fsync(file.fileno())
    if check is not None:
        check(unfinished)
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
