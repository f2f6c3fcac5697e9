"""The one door: bounded and ordered; many commands, one durable write, then the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from wattbay.core.commands import Command
from wattbay.core.events import Rejected
from wattbay.core.reasons import Reason
from wattbay.errors import JournalError
from wattbay.kernel.clock import Clock
from wattbay.kernel.codec import check
from wattbay.kernel.kernel import Answer, Kernel
from wattbay.periods import SECOND, Instant

NOT_IN_HISTORY = 0
"""Sequence number of an answer that was given at the door."""

AT_ONCE_MAX = 1_000
"""Commands of one durable write, at most: then everybody else has a turn."""
PAUSE_MAX_S = 1.0
"""How long the live loop looks away at most: a wall clock may be set."""


_CLOSED = "the exchange stopped before it could answer"


class Ticket:
    """A place in the queue, and the answer once there is one."""

    __slots__ = ("answer", "command")

    def __init__(self, command: Command, answer: Answer | None = None) -> None:
        """Wait with a command, unless it is answered already."""
        self.command = command
        self.answer = answer
        """None until the command is history."""


class Intake:
    """The queue before the kernel."""

    def __init__(self, kernel: Kernel, waiting_max: int) -> None:
        """Let at most `waiting_max` commands wait."""
        self._kernel = kernel
        self._waiting: list[Ticket] = []
        self._waiting_max = waiting_max

    def offer(self, command: Command) -> Ticket:
        """Let a command wait its turn.

        When `waiting_max` wait already, the ticket bears a refusal at once (`Reason.TOO_MANY`,
        numbered `NOT_IN_HISTORY`): the command was not heard, and may be sent again.

        Raises
        ------
        WireError
            If the command cannot be written down, whatever the exchange would say to it.
        """
        check(command)
        if len(self._waiting) >= self._waiting_max:
            detail = f"{len(self._waiting)} commands wait; send it again later"
            refusal = Rejected(reason=Reason.TOO_MANY, detail=detail)
            return Ticket(command, Answer(NOT_IN_HISTORY, (refusal,)))
        ticket = Ticket(command)
        self._waiting.append(ticket)
        return ticket

    def drain(self, at_most: int | None = None) -> list[Ticket]:
        """Make history of what waits, with one durable write; return the answered tickets.

        Parameters
        ----------
        at_most
            So many, those that came first; all, if nothing is said.

        Raises
        ------
        JournalError
            If it could not be written. Nothing is answered, and never will be.
        """
        tickets = self._waiting[:at_most]
        del self._waiting[:at_most]
        if tickets:
            answers = self._kernel.submit_many([ticket.command for ticket in tickets])
            for ticket, answer in zip(tickets, answers, strict=True):
                ticket.answer = answer
        return tickets


class SimulatedIntake:
    """The door of a simulated exchange: one caller, who waits for answers and moves the clock."""

    def __init__(self, kernel: Kernel, waiting_max: int) -> None:
        """Stand before a kernel whose clock is told the time."""
        self._kernel = kernel
        self._intake = Intake(kernel, waiting_max)

    def submit_many(self, commands: Sequence[Command]) -> list[Answer]:
        """Return what came of commands, in their order, once all of them are history.

        Raises
        ------
        WireError
            If a command cannot be written down.
        JournalError
            If they could not be written.
        """
        tickets = [self._intake.offer(command) for command in commands]
        self._intake.drain()
        return [ticket.answer for ticket in tickets if ticket.answer is not None]

    def advance(self, to: Instant) -> None:
        """Let it be `to`, and everything that falls due until then be done."""
        self._kernel.advance(to)


class LiveIntake:
    """The door of a running exchange: many callers wait at once and share a durable write.

    What comes while the kernel is at work is the next batch. One task runs `run`; whoever has a
    command awaits `submit`.
    """

    def __init__(self, kernel: Kernel, clock: Clock, waiting_max: int, speed: int = 1) -> None:
        """Stand before a kernel, with the clock by which it stamps.

        Parameters
        ----------
        speed
            How many seconds that clock takes in one of the day.
        """
        self._kernel = kernel
        self._clock = clock
        self._speed = speed
        self._intake = Intake(kernel, waiting_max)
        self._waiting: list[tuple[Ticket, asyncio.Future[Answer]]] = []
        self._wake = asyncio.Event()
        self._is_open = True

    async def submit(self, command: Command) -> Answer:
        """Return what came of a command once it is history.

        A caller that stops waiting does not take the command back.

        Raises
        ------
        JournalError
            If the exchange stopped before an answer could be given: the command may or may not
            be history, and may be sent again with the same request.
        WireError
            If the command cannot be written down.
        """
        if not self._is_open:
            raise JournalError(_CLOSED)
        ticket = self._intake.offer(command)
        if ticket.answer is not None:
            return ticket.answer
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((ticket, answer))
        self._wake.set()
        return await answer

    async def run(self) -> None:
        """Serve until cancelled, or until the journal or a rule fails.

        Raises
        ------
        JournalError
            If something could not be written. Everybody who waits hears of it, too.
        """
        try:
            while True:
                await self._pause()
                self._kernel.advance(self._clock.now())
                count = len(self._intake.drain(AT_ONCE_MAX))
                for ticket, answer in self._waiting[:count]:
                    if ticket.answer is not None and not answer.done():
                        answer.set_result(ticket.answer)
                del self._waiting[:count]
                if self._waiting:
                    self._wake.set()
        finally:
            self._is_open = False
            for _, answer in self._waiting:
                if not answer.done():
                    answer.set_exception(JournalError(_CLOSED))
            self._waiting.clear()

    async def _pause(self) -> None:
        """Return when a command waits or the clock has something to ask, and now and then."""
        pause_s = PAUSE_MAX_S
        if (due := self._kernel.exchange.due()) is not None:
            pause_s = min(pause_s, max(0.0, (due[0] - self._clock.now()) / (SECOND * self._speed)))
        alarm = asyncio.get_running_loop().call_later(pause_s, self._wake.set)
        await self._wake.wait()
        alarm.cancel()
        await asyncio.sleep(0)  # whoever is ready joins this batch
        self._wake.clear()
