"""The single writer: stamp, catch up, decide, append, apply, and only then answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from wattbay.core.commands import Command
from wattbay.core.events import Event
from wattbay.core.exchange import Exchange
from wattbay.errors import JournalError, ensure
from wattbay.kernel.clock import Clock
from wattbay.kernel.codec import Entry, decode, encode
from wattbay.kernel.journal import Journal
from wattbay.kernel.requests import MEMORY_ENTRIES_MAX, Requests, refusal_of_reuse, request_of
from wattbay.periods import Instant
from wattbay.units import SAFE_INTEGER_MAX

ENTRIES_PER_WRITE_MAX = 256
BYTES_PER_WRITE_MAX = 4_000_000
"""How much of what fell due is written at once."""

EARLIEST = Instant(-SAFE_INTEGER_MAX)
"""Before every entry."""


class Answer(NamedTuple):
    """What came of a command."""

    seq: int
    """Number of its entry."""
    events: tuple[Event, ...]


class Reader(Protocol):
    """Whoever folds history into something to look at."""

    def fold(self, entry: Entry) -> None:
        """Take the next entry, which is written for good."""


class Kernel:
    """Makes history of commands, one at a time, in one place.

    Whatever goes wrong while commands are at work (a write that fails, a bug in a rule) stops the
    kernel for good: its state may then be ahead of the journal. Starting again is reading.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        readers: Iterable[Reader] = (),
        exchange: Exchange | None = None,
    ) -> None:
        """Take a journal up where it ends.

        Parameters
        ----------
        readers
            Hear every entry from now on, in this order.
        exchange
            The state at the end of the journal, as `wattbay.kernel.replay.rebuild` returns it;
            may be left out where the journal is empty.

        Raises
        ------
        InvariantBroken
            If the journal has a past and `exchange` is missing.
        JournalError
            If the end of the journal cannot be read.
        """
        ensure(
            exchange is not None or journal.last_seq == 0,
            "a kernel is given the exchange as rebuilt from its journal, unless that is empty",
        )
        self.exchange = Exchange() if exchange is None else exchange
        self._journal = journal
        self._clock = clock
        self._readers = tuple(readers)
        self._requests = Requests()
        self._seq = journal.last_seq
        self._at = EARLIEST
        self._entries: list[Entry] = []
        self._bytes: list[bytes] = []
        self._stopped = ""
        for seq, data, _ in journal.rows(max(1, self._seq - MEMORY_ENTRIES_MAX + 1)):
            entry = decode(data, seq=seq)
            self._requests.recall(entry)
            self._at = entry.at

    @property
    def is_stopped(self) -> bool:
        """Tell whether something went wrong: the state may then be ahead of the journal."""
        return bool(self._stopped)

    def submit(self, command: Command) -> Answer:
        """Let the exchange decide a command; answer once that is history.

        Raises
        ------
        JournalError
            If it could not be written, or the kernel was stopped before.
        """
        return self.submit_many((command,))[0]

    def submit_many(self, commands: Sequence[Command]) -> list[Answer]:
        """Let the exchange decide commands in this order, with one durable write.

        All are stamped with the same instant, never earlier than the last entry. What fell due by
        then goes first, and what falls due by what they come to goes last. A command that repeats
        a request gets the first answer and makes no entry.

        Raises
        ------
        JournalError
            If they could not be written, or the kernel was stopped before. None is answered.
        """
        self._begin()
        at = max(self._clock.now(), self._at)
        answers = []
        for command in commands:
            self._catch_up(at)
            key = request_of(command)
            first = None if key is None else self._requests.first(key, self._seq + 1)
            if first is None:
                entry = self._enter(command, at, tuple(self.exchange.decide(command, at)))
                if key is not None:
                    self._requests.remember(key, entry)
            elif first.command == command:
                entry = first
            else:
                entry = self._enter(command, at, refusal_of_reuse(first))
            answers.append(Answer(entry.seq, entry.events))
        # What they caused is done before anybody is answered: a stop that was reached acts.
        self._catch_up(at)
        self._write()
        self._stopped = ""
        return answers

    def advance(self, to: Instant) -> None:
        """Let it be `to`: do everything that falls due until then and at it, each at its instant.

        A clock that is not told the time decides itself how far that is: what falls due later
        than it says is left.

        Raises
        ------
        JournalError
            If that could not be written, or the kernel was stopped before.
        ValueError
            If `to` is past, for a clock that is told the time.
        """
        self._clock.advance(to)
        self._begin()
        self._catch_up(min(to, self._clock.now()))
        self._write()
        self._stopped = ""

    def _begin(self) -> None:
        """Refuse to work after a failure; whoever comes to the end takes the mark away."""
        if self._stopped:
            raise JournalError(self._stopped)
        self._stopped = "the kernel is stopped: a command before was begun and not finished"

    def _catch_up(self, until: Instant) -> None:
        """Do what fell due, each at its own instant."""
        exchange = self.exchange
        due, size_bytes = exchange.due(), 0
        while due is not None and due[0] <= until:
            at, command = max(due[0], self._at), due[1]
            self._enter(command, at, tuple(exchange.decide(command, at)))
            size_bytes += len(self._bytes[-1])
            if len(self._entries) >= ENTRIES_PER_WRITE_MAX or size_bytes >= BYTES_PER_WRITE_MAX:
                self._write()
                size_bytes = 0
            done, due = due, exchange.due()
            ensure(due != done, "what fell due is over once it was asked for")

    def _enter(self, command: Command, at: Instant, events: tuple[Event, ...]) -> Entry:
        """Make the next entry and let it be so."""
        self._seq += 1
        self._at = at
        entry = Entry(self._seq, at, command, events)
        self._bytes.append(encode(entry))
        self._entries.append(entry)
        self.exchange.apply_all(events)
        return entry

    def _write(self) -> None:
        """Make what was decided durable; then let the readers hear of it."""
        if not self._entries:
            return
        entries, self._entries = self._entries, []
        batch, self._bytes = self._bytes, []
        self._journal.append(batch)
        for entry in entries:
            for reader in self._readers:
                reader.fold(entry)
