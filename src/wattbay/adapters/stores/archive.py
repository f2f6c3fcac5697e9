"""The archive of a journal: closed months as files that prove themselves, and what follows them.

An archive is a folder of files (`archive_file`), each chained to the one before, the first to
genesis. What stands in it may be taken from the journal itself, which then goes on from the hash
of the last entry that is gone; archive and journal together are the whole history again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from wattbay.adapters.stores import archive_file
from wattbay.adapters.stores.archive_file import NAME, Header, name_of
from wattbay.core.events import CommunityOpened
from wattbay.errors import AdapterError, JournalError
from wattbay.kernel.codec import GENESIS, decode
from wattbay.kernel.journal import MISSING_FAULT, Base, Row
from wattbay.kernel.replay import restore
from wattbay.kernel.requests import MEMORY_ENTRIES_MAX
from wattbay.periods import Instant, instant, to_datetime

MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
FOUNDING_ENTRIES_MAX = 1_000
"""Among how many entries the community is looked for that a journal is of."""


class PrunableJournal(Protocol):
    """A journal that may have lost its beginning to an archive."""

    @property
    def base(self) -> Base:
        """Where it goes on."""

    @property
    def head(self) -> bytes:
        """Hash of the last entry. [32 bytes]"""

    @property
    def last_seq(self) -> int:
        """Number of the last entry."""

    def append(self, batch: Sequence[bytes]) -> None:
        """Add entries; see `wattbay.kernel.journal.Journal`."""

    def rows(self, from_seq: int = 1) -> Iterator[Row]:
        """Yield the entries from a number on; see `wattbay.kernel.journal.Journal`."""

    def prune(self, until_seq: int) -> None:
        """Take the entries up to a number away."""

    def close(self) -> None:
        """Let go of what it stands on."""


class Archived(NamedTuple):
    """What an archive holds."""

    files: int
    entries: int
    community: str
    """Empty where there is no file."""
    head: bytes
    """Hash of the last entry. [32 bytes]"""


# --- months ----------------------------------------------------------------------------------


def month_after(at: Instant) -> Instant:
    """Return the instant at which the month ends in which another lies, UTC."""
    year, month = divmod(to_datetime(at).year * 12 + to_datetime(at).month, 12)
    return instant(f"{year:04}-{month + 1:02}-01T00:00Z")


def end_of(month: str) -> Instant:
    """Return the instant at which a month ends, UTC.

    Raises
    ------
    ValueError
        If the text is no month.
    """
    if MONTH.fullmatch(month) is None:
        msg = f"a month is written as 2013-07; got {month!r}"
        raise ValueError(msg)
    return month_after(instant(f"{month}-01T00:00Z"))


# --- what there is ---------------------------------------------------------------------------


def headers(folder: Path) -> list[Header]:
    """Return what the files of an archive say of themselves, in their order.

    Raises
    ------
    JournalError
        If one is missing, is of another community, or does not go on where the one before ends.
    """
    named = sorted(path for path in folder.glob("journal-*") if NAME.fullmatch(path.name))
    found = sorted((archive_file.read_header(path) for path in named), key=_first_seq)
    seq, head = 0, GENESIS.hex()
    for header in found:
        name = name_of(header.first_seq, header.last_seq)
        if header.first_seq != seq + 1 or header.last_seq <= seq:
            raise JournalError(f"the archive in {folder} has no entry {seq + 1}", seq=seq + 1)
        if header.head_before != head or header.community != found[0].community:
            raise JournalError(f"{name} does not go on from the file before", seq=seq + 1)
        if not (folder / name).exists():
            raise JournalError(f"{name} in {folder} bears another name", seq=seq + 1)
        seq, head = header.last_seq, header.head_after
    return found


def check_archive(folder: Path) -> Archived:
    """Make sure of every entry in an archive: its number, its hash, and the bytes as a whole.

    Raises
    ------
    JournalError
        At the first file that is not so.
    """
    found = headers(folder)
    for header in found:
        archive_file.check(folder / name_of(header.first_seq, header.last_seq))
    return summary(found)


def summary(found: Sequence[Header]) -> Archived:
    """Return in short what files hold."""
    if not found:
        return Archived(0, 0, "", GENESIS)
    last = found[-1]
    return Archived(len(found), last.last_seq, last.community, bytes.fromhex(last.head_after))


def _first_seq(header: Header) -> int:
    return header.first_seq


# --- writing ---------------------------------------------------------------------------------


def archive(
    journal: PrunableJournal,
    folder: Path,
    *,
    month: str | None = None,
    until_seq: int | None = None,
) -> list[Header]:
    """Write what is not archived yet, and return what was written.

    Parameters
    ----------
    month
        The last month to write, such as ``2013-07``; UTC. Each month gets a file. Only closed
        months are written: those after whose end something is in the journal.
    until_seq
        Write one file up to this entry instead.

    Raises
    ------
    JournalError
        If the journal is not the one that was archived, or cannot be read, or what was written
        does not read back.
    AdapterError
        If it cannot be written.
    ValueError
        If `month` is none.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder} cannot be made: {error.strerror}"
        raise AdapterError(msg) from error
    before = ArchivedJournal(folder, journal).archived
    community = before.community or _community_of(journal)
    written: list[Header] = []
    head = before.head
    for last_seq in _ends(journal, before.entries + 1, month, until_seq):
        first_seq = written[-1].last_seq + 1 if written else before.entries + 1
        rows = islice(journal.rows(first_seq), last_seq - first_seq + 1)
        written.append(archive_file.write(folder, rows, community, head))
        head = bytes.fromhex(written[-1].head_after)
    return written


def _ends(
    journal: PrunableJournal, first_seq: int, month: str | None, until_seq: int | None
) -> Iterator[int]:
    """Yield the last entry of each file that is to be written."""
    if until_seq is not None:
        if until_seq > journal.last_seq:
            raise JournalError(MISSING_FAULT, seq=until_seq)
        if until_seq >= first_seq:
            yield until_seq
        return
    limit = None if month is None else end_of(month)
    while first_seq <= journal.last_seq:
        end = month_after(_instant_of(journal, first_seq))
        next_seq = _first_at(journal, first_seq, end)
        if next_seq > journal.last_seq or (limit is not None and end > limit):
            return
        yield next_seq - 1
        first_seq = next_seq


def _first_at(journal: PrunableJournal, first_seq: int, end: Instant) -> int:
    """Return the first entry from a number on that is not before an instant."""
    low, high = first_seq, journal.last_seq + 1
    while low < high:
        middle = (low + high) // 2
        if _instant_of(journal, middle) < end:
            low = middle + 1
        else:
            high = middle
    return low


def _instant_of(journal: PrunableJournal, seq: int) -> Instant:
    for _, data, _ in journal.rows(seq):
        return decode(data, seq=seq).at
    raise JournalError(MISSING_FAULT, seq=seq)


def _community_of(journal: PrunableJournal) -> str:
    for seq, data, _ in journal.rows():
        for event in decode(data, seq=seq).events:
            if isinstance(event, CommunityOpened):
                return event.community
        if seq >= FOUNDING_ENTRIES_MAX:
            break
    raise JournalError("no community is opened in this journal: there is nothing to archive")


# --- reading ---------------------------------------------------------------------------------


class ArchivedJournal:
    """The whole history: what is in an archive, and the journal that goes on from it.

    A file is found sound as a whole before its first entry is told.
    """

    def __init__(self, folder: Path, journal: PrunableJournal | None = None) -> None:
        """Begin with the files in a folder; without a journal, they are all there is.

        Raises
        ------
        JournalError
            If the files are not in order, or are not of this journal.
        """
        self._folder = folder
        self._journal = journal
        self._headers = headers(folder)
        self._sound: set[int] = set()
        self.archived = summary(self._headers)
        """What the files hold."""
        self._base = Base(self.archived.entries, self.archived.head)
        if journal is not None:
            self._base = journal.base
            self._check_joint(journal)

    @property
    def head(self) -> bytes:
        """Hash of the last entry. [32 bytes]"""
        return self._base.head if self._journal is None else self._journal.head

    @property
    def last_seq(self) -> int:
        """Number of the last entry."""
        return self._base.seq if self._journal is None else self._journal.last_seq

    def append(self, batch: Sequence[bytes]) -> None:
        """Add entries to the journal.

        Raises
        ------
        JournalError
            If they do not stand for certain, or there is but an archive.
        """
        if self._journal is None:
            raise JournalError("an archive takes nothing more")
        self._journal.append(batch)

    def rows(self, from_seq: int = 1) -> Iterator[Row]:
        """Yield the entries from a number on, with their hashes.

        Raises
        ------
        JournalError
            Where an entry is missing or cannot be read, after those before it.
        """
        for header in self._headers:
            if header.first_seq > self._base.seq or header.last_seq < from_seq:
                continue
            path = self._folder / name_of(header.first_seq, header.last_seq)
            if header.first_seq not in self._sound:
                archive_file.check(path)
                self._sound.add(header.first_seq)
            for row in archive_file.read(path):
                if from_seq <= row[0] <= self._base.seq:
                    yield row
        if self._journal is not None:
            yield from self._journal.rows(max(from_seq, self._base.seq + 1))

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()

    def _check_joint(self, journal: PrunableJournal) -> None:
        """Make sure that archive and journal tell one history."""
        end, head = self.archived.entries, self.archived.head
        if self._base.seq > end:
            raise JournalError(
                f"the archive in {self._folder} ends at entry {end}, and the journal goes on after"
                f" entry {self._base.seq}",
                seq=end + 1,
            )
        if end > journal.last_seq:
            raise JournalError(
                f"the archive in {self._folder} holds more than the journal, which ends at entry"
                f" {journal.last_seq}",
                seq=journal.last_seq + 1,
            )
        if end > self._base.seq:
            stored = next((row[2] for row in journal.rows(end)), None)
        else:
            stored = self._base.head
        if stored != head:
            raise JournalError(f"the archive in {self._folder} is not of this journal", seq=end)
        if end > self._base.seq > 0 and self._hash_at(self._base.seq) != self._base.head:
            raise JournalError(f"the archive in {self._folder} is not of this journal", seq=end)

    def _hash_at(self, seq: int) -> bytes | None:
        """Return the hash of an entry in the archive."""
        for header in self._headers:
            if header.last_seq == seq:
                return bytes.fromhex(header.head_after)
        return next((row[2] for row in self.rows(seq)), None)


# --- pruning ---------------------------------------------------------------------------------


def prune(
    journal: PrunableJournal, folder: Path, snapshot: bytes, until_seq: int | None = None
) -> int:
    """Take from a journal what an archive holds and nobody needs; return how many entries went.

    The last `MEMORY_ENTRIES_MAX` entries stay, for a kernel looks there which requests were
    answered; so does whatever the snapshot does not cover.

    Parameters
    ----------
    snapshot
        A state of this journal, as `wattbay.kernel.replay.snapshot` made it: what a kernel is
        started from.
    until_seq
        Up to this entry; None: whole files, as many as can be spared.

    Raises
    ------
    JournalError
        If the archive does not verify, or is of another journal; if the snapshot is; or if
        `until_seq` cannot be spared.
    """
    check_archive(folder)
    whole = ArchivedJournal(folder, journal)
    covered = restore(snapshot)
    if next((row[2] for row in whole.rows(covered.seq)), None) != covered.head:
        raise JournalError("the snapshot is not of this journal", seq=covered.seq)
    spared = max(0, min(journal.last_seq - MEMORY_ENTRIES_MAX, covered.seq - 1))
    if until_seq is None:
        ends = [header.last_seq for header in headers(folder) if header.last_seq <= spared]
        until_seq = max(ends, default=0)
    elif until_seq > whole.archived.entries:
        raise JournalError("the entry is not archived, and cannot be pruned", seq=until_seq)
    elif until_seq > spared:
        raise JournalError(
            f"the entry cannot be pruned: the last {MEMORY_ENTRIES_MAX:,} entries stay, and what"
            f" follows the snapshot at entry {covered.seq}",
            seq=until_seq,
        )
    gone = until_seq - journal.base.seq
    if gone <= 0:
        return 0
    journal.prune(until_seq)
    return gone
