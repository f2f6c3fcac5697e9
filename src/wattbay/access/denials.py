"""Denials in the audit log, so that a flood of them is counted and does not fill it."""

from __future__ import annotations

from wattbay.access.people import People
from wattbay.access.records import AuditEntry
from wattbay.periods import MINUTE, Instant

GATHERED_US = MINUTE
KINDS_MAX = 1_000
"""Kinds of denial within a minute that get a line of their own."""

Kind = tuple[str, str, str, str, str]
_OTHERS: Kind = ("", "any", "", "denied", "")


class Denials:
    """Writes the first denial of a kind at once; those that follow within a minute as one line."""

    def __init__(self, people: People) -> None:
        """Write to the log of these people."""
        self._people = people
        self._more: dict[Kind, int] = {}
        """How many came since the first, by kind."""
        self._since = Instant(0)

    def note(self, entry: AuditEntry, *, apart: str = "") -> None:
        """Keep a denial; it is of a kind with others that have all in common, and `apart`."""
        if not self._since <= entry.at < self._since + GATHERED_US:
            self.flush(entry.at)
        kind = (entry.login, entry.act, entry.subject, entry.outcome, apart)
        if kind not in self._more and len(self._more) >= KINDS_MAX:
            kind = _OTHERS
        if kind in self._more:
            self._more[kind] += 1
            return
        self._more[kind] = int(kind is _OTHERS)
        if kind is not _OTHERS:
            self._people.write_audit(entry)

    def flush(self, at: Instant) -> None:
        """Write how many came besides the first ones, and begin anew."""
        more, self._more, self._since = self._more, {}, at
        lines = [
            AuditEntry(at, login, act, subject, outcome, f"{count} more of the kind")
            for (login, act, subject, outcome, _), count in more.items()
            if count
        ]
        if lines:
            with self._people.one_write():
                for line in lines:
                    self._people.write_audit(line)
