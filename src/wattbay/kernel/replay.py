"""Reading history again: rebuild, verify, snapshot, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from itertools import islice, zip_longest
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from wattbay.core.commands import SubmitReading
from wattbay.core.events import Rejected
from wattbay.core.exchange import Exchange, State
from wattbay.core.market.venue import book_from_numbers, book_to_numbers
from wattbay.core.sales import ConcludeSale
from wattbay.errors import JournalError, WireError
from wattbay.kernel.codec import FORMAT, GENESIS, Entry, chain, decode, decode_events, is_canonical
from wattbay.kernel.differences import difference, difference_of_bytes
from wattbay.kernel.journal import HASH_FAULT, MISSING_FAULT, Journal, Row
from wattbay.kernel.kernel import EARLIEST, Reader
from wattbay.kernel.requests import Requests, refusal_of_reuse, request_of
from wattbay.periods import to_text

ENTRIES_PER_BATCH = 256
"""How many entries are read, decoded and applied at once."""
ENTRIES_PER_REPORT = 1_000
"""How often progress is told."""


# --- rebuild ---------------------------------------------------------------------------------


def rebuild(
    journal: Journal, readers: Iterable[Reader] = (), snapshot: bytes | None = None
) -> Exchange:
    """Return the state at the end of a journal: its facts applied, no rule asked again.

    Parameters
    ----------
    readers
        Hear every entry from the first on, whatever the snapshot.
    snapshot
        A state to begin with, as `snapshot` made it.

    Raises
    ------
    JournalError
        If an entry is missing, cannot be read, or is not what its hash says; or if the snapshot
        is damaged, or of another history.
    """
    listeners = tuple(readers)
    begin = Restored(Exchange(), 0, GENESIS) if snapshot is None else restore(snapshot)
    if begin.seq:
        anchor = next(journal.rows(begin.seq), None)
        if anchor is None or anchor[2] != begin.head:
            raise JournalError("the snapshot is not of this history", seq=begin.seq)
    first = 1 if listeners else begin.seq + 1
    previous = GENESIS if first == 1 else begin.head
    apply_all = begin.exchange.apply_all
    rows = journal.rows(first)
    # With nobody listening, the same is done to many entries at once: a tenth quicker.
    while not listeners and (batch := list(islice(rows, ENTRIES_PER_BATCH))):
        for seq, data, stored in batch:
            if sha256(previous + data).digest() != stored:  # `chain`, without the price of a call
                raise JournalError(HASH_FAULT, seq=seq)
            previous = stored
        for events in [decode_events(data, seq=seq) for seq, data, _ in batch]:
            apply_all(events)
    for seq, data, stored in rows:
        if chain(previous, data) != stored:
            raise JournalError(HASH_FAULT, seq=seq)
        previous = stored
        entry = decode(data, seq=seq)
        if seq > begin.seq:
            apply_all(entry.events)
        for reader in listeners:
            reader.fold(entry)
    return begin.exchange


# --- verify ----------------------------------------------------------------------------------


class Verified(NamedTuple):
    """What was found sound."""

    entries: int
    readings: int
    """How many bore a proof that was checked."""
    head: bytes
    exchange: Exchange
    """The state at the end."""
    sales: int = 0
    """Concluded ones that were checked; what their proofs show is for whoever checked them."""


Proven = TypeVar("Proven", SubmitReading, ConcludeSale)


def verify(
    journal: Journal,
    *,
    head: bytes | None = None,
    check_reading: Callable[[SubmitReading], None] | None = None,
    check_sale: Callable[[ConcludeSale], None] | None = None,
    readers: Iterable[Reader] = (),
    progress: Callable[[int], None] | None = None,
) -> Verified:
    """Make sure that a journal is whole, unaltered, and what the rules make of its commands.

    Of every entry: its number, hash, canonical bytes and instant; that nothing had fallen due
    before it; that the same events are decided again; and the proof of its reading, or of its sale.

    Parameters
    ----------
    head
        What the last hash must be. Without it, a journal that was cut short, or whose every hash
        was made anew, cannot be told from a shorter or another history.
    check_reading
        Raises `WireError` where the proof of a reading does not hold.
    check_sale
        Raises `WireError` where the proof of a concluded sale does not say what its command says.
        One that was refused came to nothing, whatever it bears.
    readers
        Hear every entry once it is found sound, before its proof is checked.
    progress
        Hears now and then how many entries are done.

    Raises
    ------
    JournalError
        At the first entry that is not so; says what differs.
    """
    audit = _Audit()
    listeners = tuple(readers)
    readings = sales = 0
    for row in journal.rows():
        entry = audit.check(row)
        for reader in listeners:
            reader.fold(entry)
        command = entry.command
        if check_reading is not None and isinstance(command, SubmitReading):
            readings += 1
            _prove(check_reading, command, "reading", row[0])
        elif (
            check_sale is not None
            and isinstance(command, ConcludeSale)
            and not isinstance(entry.events[0], Rejected)
        ):
            sales += 1
            _prove(check_sale, command, "sale", row[0])
        if progress is not None and row[0] % ENTRIES_PER_REPORT == 0:
            progress(row[0])
    if head is not None and head != audit.head:
        raise JournalError(
            f"the last hash is {audit.head.hex()}, and should be {head.hex()}:"
            " entries are missing at the end, or were written anew",
            seq=audit.seq,
        )
    if progress is not None:
        progress(audit.seq)
    return Verified(audit.seq, readings, audit.head, audit.exchange, sales)


def _prove(check: Callable[[Proven], None], command: Proven, what: str, seq: int) -> None:
    """Check the proof that a command bears; raise with its entry where it fails."""
    try:
        check(command)
    except WireError as error:
        raise JournalError(f"the proof of its {what} fails: {error}", seq=seq) from error


class _Audit:
    """A kernel that writes nothing, and finds in each entry what it would have written."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.head = GENESIS
        self.seq = 0
        self._at = EARLIEST
        self._requests = Requests()

    def check(self, row: Row) -> Entry:
        """Go on to the next entry, if it is sound."""
        seq, data, stored = row
        if seq != self.seq + 1:
            raise JournalError(MISSING_FAULT, seq=self.seq + 1)
        if chain(self.head, data) != stored:
            raise JournalError(HASH_FAULT, seq=seq)
        entry = decode(data, seq=seq)
        if entry.seq != seq:
            raise JournalError(f"its bytes say that it is entry {entry.seq}", seq=seq)
        if not is_canonical(data, entry):
            raise JournalError("its bytes are not the canonical ones", seq=seq)
        self._check_time(entry)
        self._check_events(entry)
        self.exchange.apply_all(entry.events)
        self.head, self.seq, self._at = stored, seq, entry.at
        return entry

    def _check_time(self, entry: Entry) -> None:
        if entry.at < self._at:
            raise JournalError(
                f"its instant {to_text(entry.at)} is before {to_text(self._at)}, that of the"
                " entry before",
                seq=entry.seq,
            )
        due = self.exchange.due()
        if due is None or due[0] > entry.at:
            return
        instant, command = due
        if command != entry.command or entry.at != max(instant, self._at):
            raise JournalError(
                f"{type(command).__name__} fell due at {to_text(instant)} and was not done first",
                seq=entry.seq,
            )

    def _check_events(self, entry: Entry) -> None:
        key = request_of(entry.command)
        first = None if key is None else self._requests.first(key, entry.seq)
        if first is None:
            decided = tuple(self.exchange.decide(entry.command, entry.at))
            if key is not None:
                self._requests.remember(key, entry)
        elif first.command == entry.command:
            raise JournalError(f"it repeats the request of entry {first.seq}", seq=entry.seq)
        else:
            decided = refusal_of_reuse(first)
        found = difference(entry.events, decided, "events")
        if found is not None:
            raise JournalError(
                f"{type(entry.command).__name__}: {found.where} is {found.first} in the journal;"
                f" the rules make it {found.second}",
                seq=entry.seq,
            )


# --- snapshots -------------------------------------------------------------------------------


class Restored(NamedTuple):
    """A state, and the entry after which it was so."""

    exchange: Exchange
    seq: int
    head: bytes


class _Header(Struct, frozen=True, array_like=True):
    format: int


class _Snapshot(Struct, frozen=True, array_like=True):
    format: int
    seq: int
    head: bytes
    state: State


def snapshot(exchange: Exchange, seq: int, head: bytes) -> bytes:
    """Return the bytes of a state as it is after entry `seq`, whose hash is `head`."""
    state = _Snapshot(FORMAT, seq, head, exchange.state)
    body = msgspec.msgpack.encode(state, enc_hook=book_to_numbers)
    return sha256(body).digest() + body


def restore(data: bytes) -> Restored:
    """Return the state of a snapshot.

    Raises
    ------
    JournalError
        If `data` is damaged, or was made by a program with another form of state. A snapshot can
        always be done without: the journal is what counts.
    """
    digest, body = data[:32], data[32:]
    if sha256(body).digest() != digest:
        raise JournalError("the snapshot is damaged")
    try:
        found = msgspec.msgpack.decode(body, type=_Header).format
        if found != FORMAT:
            raise JournalError(f"the snapshot has format {found}; this program knows {FORMAT}")
        stored = msgspec.msgpack.decode(body, type=_Snapshot, dec_hook=book_from_numbers)
    except msgspec.DecodeError as error:
        raise JournalError(f"the snapshot is of another version: {error}") from error
    return Restored(Exchange(stored.state), stored.seq, stored.head)


def state_digest(exchange: Exchange) -> str:
    """Return the SHA-256 of a state, the order of its mappings included. [64 hex digits]"""
    state = msgspec.msgpack.encode(exchange.state, enc_hook=book_to_numbers)
    return sha256(state).hexdigest()


# --- compare ---------------------------------------------------------------------------------


class Divergence(NamedTuple):
    """The first entry at which two journals differ."""

    seq: int
    what: str
    """In words: what stands there in the first, and what in the second."""


def compare(first: Journal, second: Journal) -> Divergence | None:
    """Find the first entry at which two journals differ; None where they are the same.

    Raises
    ------
    JournalError
        Where one of them cannot be read.
    """
    for one, other in zip_longest(first.rows(), second.rows()):
        if one is None:
            return Divergence(other[0], "the first journal ends before it")
        if other is None:
            return Divergence(one[0], "the second journal ends before it")
        if one[1] != other[1]:
            found = difference_of_bytes(one[1], other[1])
            what = f"{found.where} is {found.first} in the first, {found.second} in the second"
            return Divergence(one[0], what)
        if one[2] != other[2]:
            return Divergence(one[0], "its bytes are the same and its hashes differ")
    return None
