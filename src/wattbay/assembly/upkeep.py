"""What a service does besides, so that it can go on: calendar, history, snapshots, backups, lease.

Whatever cannot be written now is told as amiss and tried again; the market goes on without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from wattbay.access.door import Door
from wattbay.adapters.api.node import BackedUp
from wattbay.agents.keeper import Keeper
from wattbay.assembly import backup, stores, watching
from wattbay.assembly.exchange import LiveExchange
from wattbay.config import Settings
from wattbay.core.commands import Command
from wattbay.core.events import Rejected
from wattbay.errors import AdapterError, JournalError
from wattbay.kernel.evidence import ReadingStore
from wattbay.kernel.intake import NOT_IN_HISTORY
from wattbay.kernel.kernel import Answer
from wattbay.periods import DAY, HOUR, SECOND
from wattbay.watch.anomalies import Watch

UPKEEP_S = 1.0
TIDY_TURNS = 60
"""After so many turns of upkeep what has expired is taken away, and the watch written down."""

log: structlog.stdlib.BoundLogger = structlog.get_logger("wattbay")


@dataclass(slots=True, kw_only=True)
class Upkeep:
    """Keeps a service going."""

    settings: Settings
    exchange: LiveExchange
    readings: ReadingStore
    door: Door
    watch: Watch
    watch_file: Path
    """Where the watch is written down."""
    amiss: dict[str, str] = field(default_factory=dict)
    """What is amiss, by part."""
    _backing_up: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep())
            group.create_task(self._keep_calendar())
            group.create_task(self._renew())
            group.create_task(self._back_up_now_and_then())
            group.create_task(self._retire())

    def end(self) -> None:
        """Leave everything so that the next start is quick."""
        watching.write_down(self.watch, self.watch_file)
        if self.exchange.tail.seq > self.exchange.snapshots.last_seq:
            self._snapshot()

    async def _keep_calendar(self) -> None:
        """List days and state months in time."""
        keeper = Keeper(self.exchange.calendar)
        while True:
            commands = keeper.act(self.exchange.state(), self.exchange.clock.now())
            for command in commands:
                answer = await self._submit(command)
                match answer.events[0]:
                    case Rejected(reason=reason, detail=detail):
                        what = type(command).__name__
                        log.warning("refused", what=what, reason=reason.value, detail=detail)
                    case _:
                        log.info("done by the calendar", what=type(command).__name__)
            await asyncio.sleep(UPKEEP_S)

    async def _submit(self, command: Command) -> Answer:
        """Return what came of a command, once there was room for it at the door."""
        answer = await self.exchange.intake.submit(command)
        while answer.seq == NOT_IN_HISTORY:
            await asyncio.sleep(UPKEEP_S)
            answer = await self.exchange.intake.submit(command)
        return answer

    async def _keep(self) -> None:
        """Write down what is kept beside the journal, and take away what has expired."""
        turn = 0
        while True:
            await asyncio.sleep(UPKEEP_S)
            turn += 1
            self._keep_down("history", self.exchange.keep_history)
            if self.exchange.snapshots.is_due(self.exchange.journal.last_seq):
                self._snapshot()
            if turn % TIDY_TURNS == 0:
                self._keep_down("people", self.door.upkeep)
                watching.write_down(self.watch, self.watch_file)

    def _keep_down(self, what: str, write: Callable[[], None]) -> None:
        """Write something down; the market goes on without it, and it is tried again."""
        try:
            write()
        except (AdapterError, JournalError) as error:
            if what not in self.amiss:
                log.warning("cannot be written now", what=what, error=str(error))
            self.amiss[what] = str(error)
        else:
            self.amiss.pop(what, None)

    async def _back_up_now_and_then(self) -> None:
        """Make a backup every so many hours, where one is wanted; forget the oldest."""
        backups = self.settings.backup
        while backups.folder is not None:
            await asyncio.sleep(backups.every_hours * HOUR / SECOND)
            try:
                await self.back_up()
                await asyncio.to_thread(backup.forget, backups.folder, backups.kept)
            except (AdapterError, OSError) as error:
                self.amiss["backup"] = str(error)
                log.warning("no backup could be made", error=str(error))
            else:
                self.amiss.pop("backup", None)

    async def backed_up(self) -> BackedUp:
        """Make a backup for whoever asked."""
        made, manifest = await self.back_up()
        size_bytes = sum(one.size_bytes for one in manifest.files)
        return BackedUp(made.name, manifest.entries, manifest.head, size_bytes)

    async def back_up(self) -> tuple[Path, backup.Manifest]:
        """Make a backup now; return where it is, and what it consists of.

        Raises
        ------
        AdapterError
            If none is wanted, or it cannot be made.
        """
        out = self.settings.backup.folder
        if out is None:
            raise AdapterError("no folder is set for backups: folder in [backup]")
        exchange = self.exchange
        async with self._backing_up:
            made, manifest = await backup.back_up(
                exchange.folder, out, exchange.journal, exchange.community, self.door.clock.now()
            )
        log.info("backed up", folder=str(made), entries=manifest.entries)
        return made, manifest

    async def _renew(self) -> None:
        """Keep the lease of the journal, where it has one."""
        renew = getattr(self.exchange.journal, "renew", None)
        while renew is not None:
            try:
                await asyncio.to_thread(renew)
            except AdapterError as error:  # The lease is not lost yet.
                log.warning("the lease could not be renewed", error=str(error))
            await asyncio.sleep(self.settings.storage.lease_ttl_s / 3)

    async def _retire(self) -> None:
        """Let readings that are older than wanted go to files, once a day."""
        days = self.settings.storage.readings_kept_days
        if not days:
            return
        # Parquet takes its time to load, and most services never need it.
        from wattbay.adapters.stores.postgres import PostgresReadingStore  # noqa: PLC0415 - above
        from wattbay.adapters.stores.retention import cutoff, retire  # noqa: PLC0415 - likewise
        from wattbay.adapters.stores.sqlite import SqliteReadingStore  # noqa: PLC0415 - likewise

        while isinstance(self.readings, SqliteReadingStore | PostgresReadingStore):
            before = cutoff(self.exchange.clock.now(), days)
            folder = self.exchange.folder / stores.RETIRED
            try:
                for retired in retire(self.readings, folder, before):
                    if retired is not None:
                        log.info("readings went to files", readings=retired.readings)
                    await asyncio.sleep(0)
            except AdapterError as error:
                self.amiss["retention"] = str(error)
                log.warning("readings could not go to files", error=str(error))
            else:
                self.amiss.pop("retention", None)
            await asyncio.sleep(DAY / SECOND / self.exchange.speed)

    def _snapshot(self) -> None:
        try:
            self.exchange.write_snapshot()
        except OSError as error:
            self.amiss["snapshot"] = str(error)
            log.warning("no snapshot could be written", error=str(error))
        else:
            self.amiss.pop("snapshot", None)
