"""The exchange of a service: from its journal to the door before its kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wattbay.adapters.stores.archive import ArchivedJournal
from wattbay.adapters.stores.history import SqliteHistory
from wattbay.adapters.stores.postgres_journal import PostgresJournal
from wattbay.assembly import stores
from wattbay.config import Settings
from wattbay.core.commands import Command
from wattbay.core.events import Rejected
from wattbay.core.exchange import Exchange, State
from wattbay.errors import AdapterError, ConfigError, Fault
from wattbay.ids import CommunityId
from wattbay.kernel.clock import Clock, ScaledClock, SystemClock
from wattbay.kernel.codec import Entry, decode
from wattbay.kernel.intake import LiveIntake
from wattbay.kernel.journal import Journal, SqliteJournal
from wattbay.kernel.kernel import Kernel, Reader
from wattbay.kernel.snapshots import Snapshots, Tail
from wattbay.periods import Calendar, Instant
from wattbay.views.devices import Devices
from wattbay.views.market import Auctions
from wattbay.views.meters import MeterKeys

if TYPE_CHECKING:
    from wattbay.simulation.founding_file import Founding
    from wattbay.simulation.live_street import LiveStreet


class Made(NamedTuple):
    """A community whose ends are made up, so that its time may pass faster than the day."""

    community: CommunityId
    calendar: Calendar
    founding: Callable[[Instant], Sequence[Command]]
    """Returns what founds it at an instant."""
    speed: int
    """How many seconds pass in one."""


WAITING_MAX = 100_000
"""Commands that wait at the door, at most."""


@dataclass(slots=True)
class Readers:
    """Whoever hears every entry; more may join once the exchange stands."""

    joined: list[Reader] = field(default_factory=list)

    def fold(self, entry: Entry) -> None:
        """Take the next entry, which is written for good."""
        for reader in self.joined:
            reader.fold(entry)


class LiveExchange:
    """A journal, the state that it makes, and the one door."""

    def __init__(
        self,
        settings: Settings,
        *,
        wait_s: float | None = 0.0,
        progress: Callable[[int], None] | None = None,
        made: Made | None = None,
    ) -> None:
        """Take up the journal where it ends, or found the community that the settings name.

        Parameters
        ----------
        wait_s
            How long to wait for another writer to give up; None: for ever. [s]
        progress
            Hears which entry is reached while history is made ready.
        made
            A community that founds itself, in place of what the settings name.

        Raises
        ------
        ConfigError
            If there is no community and nothing to found one by.
        JournalError, AdapterError
            If what it stands on cannot be used.
        """
        self.folder = stores.folder_of(settings)
        self._made = made
        self.journal: Journal = stores.open_journal(settings, wait_s=wait_s)
        try:
            self._open(settings, progress)
        except BaseException:
            self.journal.close()
            raise

    def _open(self, settings: Settings, progress: Callable[[int], None] | None) -> None:
        self.snapshots = Snapshots(self.folder / stores.SNAPSHOTS, settings.storage.snapshot_every)
        whole = self._whole(settings.storage.archive)
        self.exchange: Exchange = self.snapshots.exchange(whole)
        self.street, watching = self._street(settings)
        self._check_is_the_street()
        founding = self._founding(settings)
        self.calendar = self._calendar(settings, founding)
        self.speed = self._speed(settings)
        self.clock: Clock = self._clock()
        self.keys = MeterKeys.of(self.state().registry, self.state().metering)
        self.devices = Devices(self.state)
        self.tail = Tail(self.journal.last_seq)
        self.readers = Readers()
        self.history = SqliteHistory(self.folder / stores.HISTORY)
        self.history.catch_up(whole, progress)
        self._all_of_it = whole
        own: list[Reader] = [self.history, self.keys, self.devices, self.tail, self.readers]
        self.kernel = Kernel(self.journal, self.clock, [*watching, *own], self.exchange)
        if self.journal.last_seq == 0:
            self._found(self._commands(founding))
        self.community = self._community()
        self.intake = LiveIntake(self.kernel, self.clock, WAITING_MAX, self.speed)

    def state(self) -> State:
        """Return what the exchange knows now; to be read and never changed."""
        return self.exchange.state

    def write_snapshot(self) -> None:
        """Write a snapshot of the present state, unless that may be ahead of the journal.

        Raises
        ------
        OSError
            If it cannot be written: nothing is lost.
        """
        if not self.kernel.is_stopped:
            self.snapshots.write(self.exchange, self.journal.last_seq, self.journal.head)

    def keep_history(self) -> None:
        """Write down what was folded; after a fault, go on from what stands in the file.

        Raises
        ------
        AdapterError, JournalError
            If it cannot be written now: the journal has it.
        """
        try:
            self.history.flush()
        except AdapterError:
            self.history.catch_up(self._all_of_it)

    def close(self) -> None:
        """Let go of everything.

        Raises
        ------
        AdapterError, JournalError
            If something cannot be closed cleanly. Nothing is lost.
        """
        try:
            self.history.close()
        finally:
            self.journal.close()

    def _whole(self, archive: Path | None) -> Journal:
        """Return the journal with its beginning, if that was archived and pruned."""
        if archive is None:
            return self.journal
        if not isinstance(self.journal, SqliteJournal | PostgresJournal):
            raise ConfigError(Fault("storage.archive", "this journal cannot be pruned"))
        return ArchivedJournal(archive, self.journal)

    # --- who stands at the ends of the wires -----------------------------------------------

    def _street(self, settings: Settings) -> tuple[LiveStreet | None, list[Reader]]:
        """Return the made-up street, if one is wanted, and the views that it looks at."""
        if not settings.street.scenario:
            return None, []
        # Numbers and solvers take a third of a start, and real homes need none of them.
        from wattbay.simulation.live_street import LiveStreet  # noqa: PLC0415 - see above
        from wattbay.simulation.scenario import load_scenario  # noqa: PLC0415 - likewise

        scenario = load_scenario(settings.street.scenario)
        auctions = Auctions(scenario.product.product)
        return LiveStreet(scenario, self.folder / stores.WORLD, auctions), [auctions]

    def _check_is_the_street(self) -> None:
        """Refuse to let a made-up street go on with the journal of another community.

        Raises
        ------
        ConfigError
            If it would; nothing was written.
        """
        if self.journal.last_seq == 0 or (self.street is None and self._made is None):
            return
        kept = self._community()
        if self._made is not None:
            if kept != self._made.community:
                what = f"{self.folder} is kept for {kept}, and not for {self._made.community}"
                raise ConfigError(Fault("--folder", what, "another folder"))
            return
        made_up = kept if self.street is None else self.street.scenario.community
        if kept != made_up:
            what = f"{self.folder} is kept for {kept}, which is not the made-up {made_up}"
            remedy = "serve it by its own settings: wattbay serve --config FILE"
            raise ConfigError(Fault("street.scenario", what, remedy))

    def _speed(self, settings: Settings) -> int:
        if self._made is not None:
            return self._made.speed
        return settings.street.speed if self.street is not None else 1

    def _clock(self) -> Clock:
        """Return the clock: that of the day, or a faster one that goes on where it was."""
        day, last = SystemClock(), self._last_at()
        if self._made is not None and (self.speed > 1 or (last or 0) > day.now()):
            # What went faster before may be ahead of the day: it goes on from there.
            return ScaledClock(last or day.now(), self.speed)
        if self.street is None:
            return day
        if last is None:
            from wattbay.simulation.live_street import begins  # noqa: PLC0415 - as above

            at = begins(self.street.scenario, self.speed)
        else:
            at = max(last, self.street.resumes_at or last)
        return ScaledClock(at, self.speed)

    def _last_at(self) -> Instant | None:
        """Return the instant of the last entry; None where there is none."""
        seq = self.journal.last_seq
        row = next(self.journal.rows(seq), None) if seq else None
        return None if row is None else decode(row[1], seq=seq).at

    # --- how it begins -----------------------------------------------------------------------

    def _founding(self, settings: Settings) -> Founding | None:
        path = settings.community.founding
        if path is None or (self.journal.last_seq and settings.community.zone):
            return None
        from wattbay.simulation.founding_file import read_founding  # noqa: PLC0415 - as above

        return read_founding(path)

    def _calendar(self, settings: Settings, founding: Founding | None) -> Calendar:
        if self._made is not None:
            return self._made.calendar
        if self.street is not None:
            return self.street.scenario.calendar
        if settings.community.zone or founding is None:
            return Calendar(settings.community.zone or "UTC")
        return founding.calendar

    def _commands(self, founding: Founding | None) -> Sequence[Command]:
        """Return what founds the community.

        Raises
        ------
        ConfigError
            If nothing says how.
        """
        if self._made is not None:
            return self._made.founding(self.clock.now())
        if self.street is not None:
            return self.street.founding(self.clock.now())
        if founding is None:
            what = "there is no community yet, and nothing says how to found one"
            remedy = "name a file: how-to/deploy shows one"
            raise ConfigError(Fault("community.founding", what, remedy))
        return founding.commands

    def _found(self, commands: Sequence[Command]) -> None:
        """Found the community in one go.

        Raises
        ------
        ConfigError
            If a command is refused: the file says what cannot be.
        """
        for command, answer in zip(commands, self.kernel.submit_many(commands), strict=True):
            match answer.events[0]:
                case Rejected(reason=reason, detail=detail):
                    what = f"{type(command).__name__} is refused: {reason.value}, {detail}"
                    raise ConfigError(Fault("community.founding", what))
                case _:
                    pass

    def _community(self) -> CommunityId:
        """Return whose exchange this is."""
        known = self.state().registry.community
        if known is None:
            raise ConfigError(Fault("community.founding", "the journal founds no community"))
        return known.community
