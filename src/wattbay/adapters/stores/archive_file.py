"""One file of an archive: a run of entries as gzipped lines, which proves that it is whole.

The first line is a header (`Header`) in JSON; then each entry is a line of its own, the canonical
bytes as they stand in the journal. The hashes follow from the one before the first, so a file holds
none but the two at its ends. The same entries make the same content, byte for byte; how it is
compressed is zlib's business.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from wattbay.adapters.stores.durable import UNFINISHED, write_durably
from wattbay.errors import AdapterError, JournalError
from wattbay.kernel.codec import FORMAT as JOURNAL_FORMAT
from wattbay.kernel.journal import HASH_FAULT, MISSING_FAULT, Row

FORMAT = 1
NAME = re.compile(r"journal-(\d{9,})-(\d{9,})\.jsonl\.gz")
LINE_BYTES_MAX = 256_000_000
"""How long a line may be: the largest entries have megabytes."""
ENTRIES_PER_PIECE = 256
COPY_BYTES = 1 << 20
LEVEL = 6
"""Of zlib: more costs much and saves little."""


class Header(Struct, frozen=True, forbid_unknown_fields=True):
    """What a file says of itself, in its first line."""

    format: int
    journal_format: int
    """Of the entries."""
    community: str
    first_seq: int
    last_seq: int
    head_before: str
    """Hash that the first entry is chained to. [64 hex digits]"""
    head_after: str
    """Hash of the last entry. [64 hex digits]"""
    sha256: str
    """Of the content: every line after this one, with its end. [64 hex digits]"""


_header = msgspec.json.Decoder(Header)
_BROKEN = (EOFError, OSError, zlib.error)
"""What reading a damaged file raises; a gzip file that is none is an `OSError`."""


def name_of(first_seq: int, last_seq: int) -> str:
    """Return the name of a file, such as ``journal-000000001-000031337.jsonl.gz``."""
    return f"journal-{first_seq:09}-{last_seq:09}.jsonl.gz"


def write(folder: Path, rows: Iterable[Row], community: str, head_before: bytes) -> Header:
    """Write a run of entries to a file, read it back, and only then give it its name.

    Raises
    ------
    JournalError
        If an entry is not what its hash says, or the file does not read back.
    AdapterError
        If it cannot be written.
    """
    body = folder / f"journal{UNFINISHED}"
    try:
        with body.open("wb") as file:
            header = _write_body(file, rows, community, head_before)
        path = folder / name_of(header.first_seq, header.last_seq)
        first_line = msgspec.json.encode(header) + b"\n"

        def pieces() -> Iterator[bytes]:
            yield gzip.compress(first_line, LEVEL, mtime=0)
            with body.open("rb") as file:
                while piece := file.read(COPY_BYTES):
                    yield piece

        def check_written(written: Path) -> None:
            if check(written) != header:
                raise JournalError(f"{path} does not read back as it was written")

        write_durably(path, pieces(), check_written)
    except OSError as error:
        msg = f"{body} cannot be written: {error.strerror or error}"
        raise AdapterError(msg) from error
    finally:
        with suppress(OSError):
            body.unlink(missing_ok=True)
    return header


def _write_body(file: BinaryIO, rows: Iterable[Row], community: str, before: bytes) -> Header:
    """Write the entries as lines; return the header that belongs to them."""
    content, head = sha256(), before
    first_seq = last_seq = 0
    remaining = iter(rows)
    with gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as lines:
        while batch := list(islice(remaining, ENTRIES_PER_PIECE)):
            first_seq = first_seq or batch[0][0]
            last_seq = last_seq or first_seq - 1
            for seq, data, stored in batch:
                if seq != last_seq + 1:
                    raise JournalError(MISSING_FAULT, seq=last_seq + 1)
                head = sha256(head + data).digest()
                if head != stored:
                    raise JournalError(HASH_FAULT, seq=seq)
                if b"\n" in data:
                    raise JournalError("its bytes are more than a line", seq=seq)
                last_seq = seq
            piece = b"".join(data + b"\n" for _, data, _ in batch)
            content.update(piece)
            lines.write(piece)
    return Header(
        format=FORMAT,
        journal_format=JOURNAL_FORMAT,
        community=community,
        first_seq=first_seq,
        last_seq=last_seq,
        head_before=before.hex(),
        head_after=head.hex(),
        sha256=content.hexdigest(),
    )


def read_header(path: Path) -> Header:
    """Return what a file says of itself.

    Raises
    ------
    JournalError
        If it cannot be read, or has a format that this program does not know.
    """
    try:
        with gzip.open(path) as lines:
            return _read_header(path, lines.readline(LINE_BYTES_MAX))
    except _BROKEN as error:
        raise JournalError(f"{path} cannot be read: {error}") from error


def _read_header(path: Path, line: bytes) -> Header:
    try:
        header = _header.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JournalError(f"{path} is no file of an archive: {error}") from error
    found, known = (header.format, header.journal_format), (FORMAT, JOURNAL_FORMAT)
    if found != known:
        raise JournalError(
            f"{path} has archive format {found[0]} of journal format {found[1]};"
            f" this program knows {known[0]} of {known[1]}"
        )
    return header


def read(path: Path) -> Iterator[Row]:
    """Yield the entries of a file, each with the hash that follows from those before it.

    Raises
    ------
    JournalError
        Where it cannot be read; at the end, if it does not hold what its header says.
    """
    seq = 0
    try:
        with gzip.open(path) as lines:
            header = _read_header(path, lines.readline(LINE_BYTES_MAX))
            content, seq = sha256(), header.first_seq
            head = _bytes_of(path, header.head_before)
            while line := lines.readline(LINE_BYTES_MAX):
                content.update(line)
                if not line.startswith(b"[%d," % seq) or not line.endswith(b"]\n"):
                    raise JournalError(f"{path} holds something else in its place", seq=seq)
                data = line[:-1]
                head = sha256(head + data).digest()
                yield seq, data, head
                seq += 1
    except _BROKEN as error:
        raise JournalError(f"{path} cannot be read: {error}", seq=seq or None) from error
    if seq != header.last_seq + 1:
        raise JournalError(f"{path} ends before entry {header.last_seq}", seq=seq)
    if (content.hexdigest(), head.hex()) != (header.sha256, header.head_after):
        what = f"{path} was altered: its content is not that of its header"
        raise JournalError(what, seq=header.last_seq)


def check(path: Path) -> Header:
    """Read a file whole and return its header.

    Raises
    ------
    JournalError
        If it does not hold what its header says.
    """
    for _ in read(path):
        pass
    return read_header(path)


def _bytes_of(path: Path, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise JournalError(f"{path} is no file of an archive: {error}") from error
