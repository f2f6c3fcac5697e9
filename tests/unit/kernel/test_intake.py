from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import pytest

from tests.builders import EVE, MIDNIGHT, CountedJournal, a_kernel, a_town, an_order
from wattbay.core.commands import CloseGate
from wattbay.core.events import OrderPlaced, Rejected
from wattbay.core.reasons import Reason
from wattbay.errors import JournalError, WireError
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.codec import Entry
from wattbay.kernel.intake import AT_ONCE_MAX, NOT_IN_HISTORY, Intake, LiveIntake
from wattbay.kernel.journal import MemoryJournal
from wattbay.kernel.kernel import Answer
from wattbay.periods import HOUR, Instant

GATE = Instant(MIDNIGHT - HOUR)
R = TypeVar("R")


def test_commands_wait_until_they_are_drained_as_one_write() -> None:
    journal = CountedJournal()
    intake = Intake(a_kernel(*a_town(), journal=journal), waiting_max=10)
    tickets = [intake.offer(an_order()) for _ in range(3)]
    assert [ticket.answer for ticket in tickets] == [None, None, None]
    assert intake.drain() == tickets
    first = len(a_town()) + 1
    assert [ticket.answer and ticket.answer.seq for ticket in tickets] == [
        first,
        first + 1,
        first + 2,
    ]
    assert journal.sizes == [first - 1, 3]


def test_nothing_waiting_is_drained_without_a_write() -> None:
    journal = CountedJournal()
    assert Intake(a_kernel(journal=journal), waiting_max=10).drain() == []
    assert journal.sizes == []


def test_command_at_a_full_door_is_refused_at_once_and_is_not_history() -> None:
    journal = MemoryJournal()
    intake = Intake(a_kernel(*a_town(), journal=journal), waiting_max=2)
    for _ in range(2):
        assert intake.offer(an_order()).answer is None
    answer = intake.offer(an_order()).answer
    assert answer is not None
    assert answer.seq == NOT_IN_HISTORY
    assert isinstance(answer.events[0], Rejected)
    assert answer.events[0].reason is Reason.TOO_MANY
    assert len(intake.drain()) == 2
    assert journal.last_seq == len(a_town()) + 2
    assert intake.offer(an_order()).answer is None


def test_command_that_cannot_be_written_down_does_not_get_in() -> None:
    intake = Intake(a_kernel(*a_town()), waiting_max=2)
    with pytest.raises(WireError):
        intake.offer(an_order(quantity_wh=2**60))
    assert intake.drain() == []


def test_nothing_is_answered_when_the_write_fails() -> None:
    journal = MemoryJournal()
    intake = Intake(a_kernel(*a_town(), journal=journal), waiting_max=2)
    ticket = intake.offer(an_order())
    journal.close()
    with pytest.raises(JournalError):
        intake.drain()
    assert ticket.answer is None


# --- live ------------------------------------------------------------------------------------


def serve(intake: LiveIntake, work: Coroutine[None, None, R]) -> R:
    """Run some callers beside the loop that answers them."""

    async def both() -> R:
        loop = asyncio.create_task(intake.run())
        try:
            async with asyncio.timeout(10):
                return await work
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)

    return asyncio.run(both())


class Bell:
    """A reader that lets somebody wait for the next entry."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()
        self.last: Entry | None = None

    def fold(self, entry: Entry) -> None:
        self.last = entry
        self.heard.set()

    async def next(self) -> Entry:
        self.heard.clear()
        await self.heard.wait()
        assert self.last is not None
        return self.last


def a_door(
    journal: MemoryJournal, clock: SimulatedClock | None = None, waiting_max: int = 1_000
) -> LiveIntake:
    clock = SimulatedClock(EVE) if clock is None else clock
    return LiveIntake(a_kernel(*a_town(), journal=journal, clock=clock), clock, waiting_max)


def test_many_callers_share_one_write_and_each_gets_its_own_answer() -> None:
    journal = CountedJournal()
    door = a_door(journal)

    async def callers() -> list[Answer]:
        return await asyncio.gather(*(door.submit(an_order("h01")) for _ in range(8)))

    answers = serve(door, callers())
    assert [answer.seq for answer in answers] == list(
        range(len(a_town()) + 1, journal.last_seq + 1)
    )
    assert all(isinstance(answer.events[0], OrderPlaced) for answer in answers)
    assert journal.sizes == [len(a_town()), 8]


def test_crowd_at_the_door_is_let_in_by_parts_and_others_have_their_turn() -> None:
    journal = CountedJournal()
    kernel = a_kernel(*a_town(), journal=journal)
    intake = LiveIntake(kernel, SimulatedClock(EVE), waiting_max=10_000)
    turns = 0

    async def crowd() -> list[Answer]:
        nonlocal turns
        callers = [asyncio.create_task(intake.submit(an_order("none"))) for _ in range(2_500)]
        serving = asyncio.create_task(intake.run())
        while not all(caller.done() for caller in callers):
            turns += 1
            await asyncio.sleep(0)
        serving.cancel()
        return [caller.result() for caller in callers]

    answers = asyncio.run(crowd())
    assert journal.sizes == [len(a_town()), AT_ONCE_MAX, AT_ONCE_MAX, 500]
    assert [one.seq for one in answers] == list(range(len(a_town()) + 1, len(a_town()) + 2_501))
    assert turns > 3


def test_callers_one_after_another_are_answered_one_after_another() -> None:
    journal = CountedJournal()
    door = a_door(journal)

    async def caller() -> list[int]:
        return [(await door.submit(an_order())).seq for _ in range(3)]

    first = len(a_town()) + 1
    assert serve(door, caller()) == [first, first + 1, first + 2]
    assert journal.sizes[1:] == [1, 1, 1]


def test_what_falls_due_is_done_though_nobody_submits() -> None:
    clock = SimulatedClock(EVE)
    bell = Bell()
    door = LiveIntake(a_kernel(*a_town(), clock=clock, readers=[bell]), clock, waiting_max=1)
    clock.advance(GATE)
    closing = serve(door, bell.next())
    assert isinstance(closing.command, CloseGate)
    assert closing.at == GATE


def test_caller_at_a_full_door_is_refused_at_once() -> None:
    journal = MemoryJournal()
    door = a_door(journal, waiting_max=2)

    async def callers() -> list[Answer]:
        return await asyncio.gather(*(door.submit(an_order()) for _ in range(3)))

    answers = serve(door, callers())
    assert [answer.seq == NOT_IN_HISTORY for answer in answers] == [False, False, True]


def test_caller_that_stops_waiting_does_not_take_its_command_back() -> None:
    journal = MemoryJournal()
    door = a_door(journal)

    async def impatient() -> Answer:
        call = asyncio.create_task(door.submit(an_order()))
        await asyncio.sleep(0)
        call.cancel()
        return await door.submit(an_order())

    assert serve(door, impatient()).seq == journal.last_seq == len(a_town()) + 2


def test_everybody_who_waits_hears_that_the_journal_failed() -> None:
    journal = MemoryJournal()
    door = a_door(journal)
    journal.close()

    async def callers() -> list[Answer | BaseException]:
        calls = (door.submit(an_order()) for _ in range(3))
        return await asyncio.gather(*calls, return_exceptions=True)

    assert [str(answer) for answer in serve(door, callers())] == [
        "the exchange stopped before it could answer"
    ] * 3


def test_failure_ends_the_loop_and_later_callers_are_refused() -> None:
    journal = MemoryJournal()
    door = a_door(journal)
    journal.close()

    async def live() -> None:
        loop = asyncio.create_task(door.run())
        with pytest.raises(JournalError, match="stopped before it could answer"):
            await door.submit(an_order())
        with pytest.raises(JournalError, match="the journal is closed"):
            await loop
        with pytest.raises(JournalError, match="stopped before it could answer"):
            await door.submit(an_order())

    asyncio.run(live())


def test_failure_is_told_to_nobody_who_stopped_waiting() -> None:
    journal = MemoryJournal()
    clock = SimulatedClock(EVE)
    door = LiveIntake(a_kernel(journal=journal, clock=clock), clock, waiting_max=2)
    journal.close()

    async def live() -> None:
        call = asyncio.create_task(door.submit(an_order()))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(JournalError, match="the journal is closed"):
            await door.run()
        assert call.cancelled()

    asyncio.run(live())


def test_caller_with_a_command_that_cannot_be_written_down_is_told() -> None:
    async def caller() -> None:
        with pytest.raises(WireError):
            await door.submit(an_order(quantity_wh=2**60))

    door = a_door(MemoryJournal())
    serve(door, caller())
