"""The audit log's chain: each line is hashed with the one before it, so that a change shows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from wattbay.access.records import AuditEntry, AuditHead, AuditLine

BEFORE_ALL = AuditHead(0, "")
"""The head of a log without lines."""
FIELD_CHARACTERS_MAX = 500
"""Of each text in a line; what is longer is cut."""

_encode = msgspec.json.Encoder().encode


def next_line(head: AuditHead, entry: AuditEntry) -> AuditLine:
    """Return the line that an entry becomes after a head."""
    number = head.number + 1
    cut = AuditEntry(entry.at, *map(printable, entry[1:]))
    return AuditLine(number, *cut, _hash(head.line_hash, (number, *cut)))


def printable(text: str) -> str:
    """Return a text as it may stand in a line: cut, and with no character that hides another."""
    cut = text[:FIELD_CHARACTERS_MAX]
    return cut if cut.isprintable() else "".join(c if c.isprintable() else "?" for c in cut)


def _hash(before: str, fields: tuple[object, ...]) -> str:
    """Return the hash of a line's other fields after the hash of the line before. [hex]"""
    return hashlib.sha256(_encode((before, *fields))).hexdigest()


def chain_faults(
    lines: Iterable[AuditLine], head: AuditHead, known: AuditHead | None = None
) -> list[str]:
    """Return what shows that a log is not what it was; empty where nothing does.

    Parameters
    ----------
    lines
        All lines, in order.
    head
        The last line as it was noted beside the log.
    known
        A head that was noted elsewhere, earlier: the log still has to lead there. Without one,
        somebody who can write to all tables could write a whole new log.
    """
    last = BEFORE_ALL
    faults: list[str] = []
    is_met = known is None or known == BEFORE_ALL
    for line in lines:
        if line.number != last.number + 1:
            faults.append(f"line {last.number + 1} is missing before line {line.number}")
        elif line.line_hash != _hash(last.line_hash, line[:-1]):
            faults.append(f"line {line.number} is not what was written")
        last = AuditHead(line.number, line.line_hash)
        is_met = is_met or last == known
    if last != head:
        faults.append(f"the log ends with line {last.number}, not with line {head.number} as noted")
    if not is_met and known is not None:
        faults.append(f"line {known.number} is not the one that was noted elsewhere")
    return faults
