"""An exchange whose clock a test moves by hand: given events, when a command, then events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from msgspec import structs

from tests.builders import EVE
from wattbay.core.commands import Command, OpenCommunity, SettlePeriod, SubmitReading
from wattbay.core.events import (
    AuctionCleared,
    EnergyMetered,
    Event,
    ReceiptIssued,
    Rejected,
    StatementIssued,
    Traded,
)
from wattbay.core.exchange import Exchange
from wattbay.core.facts import Receipt, SettlementRun, Statement
from wattbay.core.reasons import Reason
from wattbay.ids import MeterId, RunName
from wattbay.kernel.codec import Entry
from wattbay.periods import Instant

E = TypeVar("E")


def of(kind: type[E], events: Iterable[Event]) -> list[E]:
    """Return the events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def reason(events: list[Event]) -> Reason | None:
    """Return why a command was refused; None where it was not."""
    match events:
        case [Rejected(reason=why)]:
            return why
        case _:
            return None


def energies(events: Iterable[Event]) -> list[tuple[int, int, str]]:
    """Return import, export and quality of what was metered, in order."""
    return [
        (event.import_wh, event.export_wh, event.quality.value)
        for event in of(EnergyMetered, events)
    ]


def receipts(events: Iterable[Event]) -> dict[str, Receipt]:
    """Return the receipts issued last, by pod."""
    return {event.receipt.pod: event.receipt for event in of(ReceiptIssued, events)}


def statements(events: Iterable[Event]) -> dict[str, Statement]:
    """Return the statements issued, by account."""
    return {
        f"{told.pod}/{told.party}": told
        for told in (event.statement for event in of(StatementIssued, events))
    }


def lines(statement: Statement) -> dict[str, int]:
    """Return the lines of a statement that are not zero."""
    return {line.component: line.amount_nano for line in statement.lines if line.amount_nano}


def with_runs(commands: Iterable[Command], **after_us: int) -> list[Command]:
    """Return commands that found a community with other settlement runs, named by keyword."""
    runs = tuple(
        SettlementRun(name=RunName(name), after_us=delay) for name, delay in after_us.items()
    )
    return [
        structs.replace(command, runs=runs) if isinstance(command, OpenCommunity) else command
        for command in commands
    ]


class Play:
    """An exchange and its instant. What falls due is done before what is asked."""

    def __init__(self, commands: Iterable[Command] = (), *, at: int = EVE) -> None:
        self.exchange = Exchange()
        self.at = at
        self.history: list[Event] = []
        self.entries: list[Entry] = []
        for command in commands:
            self.do(command)

    def submit(self, command: Command, at: int | None = None) -> list[Event]:
        """Submit a command at an instant (or now); refusals are answers, too."""
        if at is not None:
            self.until(at)
        return self._enter(command)

    def do(self, command: Command, at: int | None = None) -> list[Event]:
        """Submit a command that is not refused."""
        events = self.submit(command, at)
        assert reason(events) is None, events
        return events

    def until(self, at: int) -> list[Event]:
        """Let everything happen that falls due until an instant, and at it."""
        assert at >= self.at, "time goes on"
        found: list[Event] = []
        while (due := self.exchange.due()) is not None and due[0] <= at:
            self.at = max(self.at, due[0])
            found += self._enter(due[1])
        self.at = at
        return found

    def _enter(self, command: Command) -> list[Event]:
        events = self.exchange.decide(command, Instant(self.at))
        self.exchange.apply_all(events)
        self.history += events
        seq = len(self.entries) + 1
        self.entries.append(Entry(seq, Instant(self.at), command, tuple(events)))
        return events

    def read(
        self,
        meter: str,
        measured_at: int,
        import_register: int,
        export_register: int = 0,
        seq: int | None = None,
        at: int | None = None,
    ) -> list[Event]:
        """Submit a reading, by default when it is stamped; its number is its instant."""
        return self.submit(
            SubmitReading(
                meter=MeterId(meter),
                boot=1,
                seq=(measured_at - EVE) // 1_000_000 if seq is None else seq,
                measured_at=Instant(measured_at),
                import_register=import_register,
                export_register=export_register,
                proof=b"",
            ),
            max(self.at, measured_at) if at is None else at,
        )

    def step(self) -> tuple[int, Command, list[Event]]:
        """Let the next thing happen that falls due; return its instant, it, and its events."""
        due = self.exchange.due()
        assert due is not None, "nothing falls due any more"
        self.at = max(self.at, due[0])
        return self.at, due[1], self._enter(due[1])

    def settle(self, delivery: int, run: str) -> list[Event]:
        """Let everything happen until a delivery is settled in a run; return that entry."""
        wanted = SettlePeriod(delivery=Instant(delivery), run=RunName(run))
        while True:
            _, command, events = self.step()
            if command == wanted:
                return events

    def clear(self, delivery: int) -> list[Event]:
        """Let everything happen until a delivery is cleared; return that entry."""
        while True:
            _, _, events = self.step()
            if any(done.delivery == delivery for done in of(AuctionCleared, events)):
                return events

    def trades(self) -> list[Traded]:
        """Return all trades so far."""
        return of(Traded, self.history)

    def balance(self, name: str) -> int:
        """Return the balance of an account of money."""
        return self.exchange.state.ledger.money.get(name, 0)

    def held(self, name: str) -> int:
        """Return what is held of an account of money."""
        return self.exchange.state.ledger.held.get(name, 0)
