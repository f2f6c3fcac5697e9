"""`wattbay clear`: from a file or standard input to a file or standard output."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from wattbay.adapters.market_file.clearing import clear_document
from wattbay.adapters.market_file.result import render
from wattbay.adapters.market_file.source import DOCUMENT_CHARACTERS_MAX
from wattbay.adapters.market_file.tables import tables
from wattbay.errors import AdapterError, ConfigError, Fault

STANDARD_INPUT = "-"


def clear_file(file: str, out: Path | None = None, *, pretty: bool = False) -> None:
    """Clear a market file, and write the result.

    Parameters
    ----------
    file
        Path of the document; ``-`` for standard input.
    out
        Where the JSON goes; standard output if None.
    pretty
        Print tables on standard output. Then the JSON is written only where `out` names a file.

    Raises
    ------
    ConfigError
        If the document cannot be read or is malformed: exit status 2. Nothing is written.
    AdapterError
        If the result cannot be written.
    """
    result = clear_document(_document(file))
    if out is not None:
        try:
            out.write_text(render(result), encoding="utf-8")
        except OSError as error:
            raise AdapterError(f"{out} cannot be written: {error.strerror}") from error
    if pretty:
        console = Console()
        for table in tables(result):
            console.print(table)
    elif out is None:
        sys.stdout.write(render(result))


def _document(file: str) -> bytes:
    """Read the bytes of a document; of one that is too long, enough to tell."""
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read(DOCUMENT_CHARACTERS_MAX + 1)
    try:
        with Path(file).open("rb") as source:
            return source.read(DOCUMENT_CHARACTERS_MAX + 1)
    except OSError as error:
        raise ConfigError(Fault(file, f"cannot be read: {error.strerror}")) from error
