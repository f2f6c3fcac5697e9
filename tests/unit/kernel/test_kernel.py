from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from tests.builders import (
    EVE,
    ISP_US,
    MIDNIGHT,
    CountedJournal,
    Listener,
    a_deposit,
    a_kernel,
    a_product,
    a_town,
    an_order,
    entries_of,
)
from wattbay.core.commands import CloseGate, Command, SettlePeriod
from wattbay.core.events import Event, GateClosed, OrderPlaced, Rejected
from wattbay.core.exchange import Exchange
from wattbay.core.reasons import Reason
from wattbay.errors import InvariantBroken, JournalError
from wattbay.ids import ProductId
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.codec import Entry
from wattbay.kernel.journal import MemoryJournal
from wattbay.kernel.kernel import ENTRIES_PER_WRITE_MAX, Answer, Kernel
from wattbay.kernel.replay import rebuild, state_digest, verify
from wattbay.periods import DAY, HOUR, MINUTE, SECOND, Instant

GATE = MIDNIGHT - HOUR
"""When the gate of the first delivery closes."""


CLOSING = CloseGate(product=ProductId("halfhour"), delivery=MIDNIGHT)


class Diary:
    """An exchange that knows nothing but what the clock will ask for."""

    def __init__(self, *dues: tuple[Instant, Command]) -> None:
        self.dues = list(dues)

    def decide(self, command: Command, _at: Instant) -> list[Event]:
        return [Rejected(reason=Reason.NOT_DUE)] if isinstance(command, CloseGate) else []

    def apply_all(self, events: Sequence[Event]) -> None:
        del self.dues[: len(events)]

    def due(self) -> tuple[Instant, Command] | None:
        return self.dues[0] if self.dues else None


def reasons(answer: Answer) -> list[Reason]:
    return [event.reason for event in answer.events if isinstance(event, Rejected)]


def test_command_becomes_an_entry_with_its_events_and_the_answer_bears_them() -> None:
    journal = MemoryJournal()
    kernel = a_kernel(*a_town(), journal=journal)
    answer = kernel.submit(an_order())
    last = entries_of(journal)[-1]
    assert last == Entry(journal.last_seq, EVE, an_order(), answer.events)
    assert answer.seq == journal.last_seq == len(a_town()) + 1
    assert [type(event) for event in answer.events] == [OrderPlaced]


def test_refused_command_is_an_entry_too() -> None:
    journal = MemoryJournal()
    kernel = a_kernel(*a_town(), journal=journal)
    answer = kernel.submit(an_order(quantity_wh=0))
    assert reasons(answer) == [Reason.BAD_QUANTITY]
    assert entries_of(journal)[-1].events == answer.events


def test_commands_of_a_batch_see_each_other_and_share_one_write() -> None:
    journal = CountedJournal()
    town = a_town(product=a_product(orders_per_pod_max=1))
    kernel = a_kernel(*town, journal=journal)
    answers = kernel.submit_many([an_order(), an_order(), an_order("h02")])
    assert [reasons(answer) for answer in answers] == [[], [Reason.TOO_MANY], []]
    assert [answer.seq for answer in answers] == [len(town) + n for n in (1, 2, 3)]
    assert journal.sizes == [len(town), 3]


def test_no_commands_make_no_write() -> None:
    journal = CountedJournal()
    assert a_kernel(journal=journal).submit_many([]) == []
    assert journal.sizes == []


def test_entries_are_never_stamped_earlier_than_the_last() -> None:
    journal = MemoryJournal()
    a_kernel(*a_town(), journal=journal, clock=SimulatedClock(Instant(EVE + SECOND)))
    kernel = Kernel(journal, SimulatedClock(EVE), exchange=rebuild(journal))
    kernel.submit(an_order())
    assert entries_of(journal)[-1].at == EVE + SECOND


def test_what_fell_due_goes_first_at_its_own_instant() -> None:
    journal, clock = MemoryJournal(), SimulatedClock(EVE)
    kernel = a_kernel(*a_town(), journal=journal, clock=clock)
    clock.advance(Instant(GATE + MINUTE))
    answer = kernel.submit(an_order())
    closing, order = entries_of(journal)[-2:]
    assert isinstance(closing.command, CloseGate)
    assert closing.at == GATE
    assert (order.command, order.at, order.seq) == (an_order(), GATE + MINUTE, answer.seq)
    assert reasons(answer) == [Reason.GATE_CLOSED]


def test_command_stamped_at_the_instant_of_what_falls_due_comes_after_it() -> None:
    clock = SimulatedClock(EVE)
    kernel = a_kernel(*a_town(), clock=clock)
    clock.advance(Instant(GATE))
    assert reasons(kernel.submit(an_order())) == [Reason.GATE_CLOSED]


def test_command_before_what_falls_due_is_in_time() -> None:
    clock = SimulatedClock(EVE)
    kernel = a_kernel(*a_town(), clock=clock)
    clock.advance(Instant(GATE - 1))
    assert reasons(kernel.submit(an_order())) == []


def test_what_fell_due_before_the_last_entry_is_stamped_with_it() -> None:
    journal = MemoryJournal()
    diary = Diary((Instant(EVE - HOUR), CLOSING), (EVE, CLOSING), (Instant(EVE + 1), CLOSING))
    kernel = Kernel(journal, SimulatedClock(EVE), exchange=cast("Exchange", diary))
    kernel._at = Instant(EVE - MINUTE)  # noqa: SLF001 # our exchange makes nothing due in the past
    kernel.submit(an_order())
    assert [(entry.at, entry.command) for entry in entries_of(journal)] == [
        (EVE - MINUTE, CLOSING),
        (EVE, CLOSING),
        (EVE, an_order()),
    ]


def test_advance_does_all_that_falls_due_until_then_and_at_it() -> None:
    journal, clock = MemoryJournal(), SimulatedClock(EVE)
    kernel = a_kernel(*a_town(), journal=journal, clock=clock)
    kernel.advance(Instant(GATE + 3 * ISP_US))
    assert clock.now() == GATE + 3 * ISP_US
    due = [entry for entry in entries_of(journal) if isinstance(entry.command, CloseGate)]
    assert [entry.at for entry in due] == [GATE + n * ISP_US for n in range(4)]
    assert all(isinstance(entry.events[0], GateClosed) for entry in due)


def test_advance_to_the_same_instant_in_one_step_or_many_makes_the_same_history() -> None:
    heads = set()
    for step_us in (DAY, HOUR, 7 * MINUTE):
        journal = MemoryJournal()
        kernel = a_kernel(*a_town(), an_order(), journal=journal)
        for at in range(EVE, MIDNIGHT + 3 * DAY, step_us):
            kernel.advance(Instant(at))
        kernel.advance(Instant(MIDNIGHT + 3 * DAY))
        heads.add(journal.head)
    assert len(heads) == 1


def test_what_fell_due_long_ago_is_written_in_pieces() -> None:
    journal = CountedJournal()
    days = 8
    town = a_town(deliveries=48 * days)
    kernel = a_kernel(*town, journal=journal)
    kernel.advance(Instant(MIDNIGHT + (days + 7) * DAY))
    assert sum(journal.sizes) == len(town) + 3 * 48 * days
    assert journal.sizes[1] == ENTRIES_PER_WRITE_MAX
    assert max(journal.sizes) == ENTRIES_PER_WRITE_MAX


def test_settlement_falls_due_by_the_clock() -> None:
    journal = MemoryJournal()
    kernel = a_kernel(*a_town(deliveries=1), journal=journal)
    kernel.advance(Instant(MIDNIGHT + 7 * DAY))
    commands = [entry.command for entry in entries_of(journal)]
    runs = [command.run for command in commands if isinstance(command, SettlePeriod)]
    assert runs == ["initial", "final"]
    assert kernel.exchange.due() is None


def test_clock_that_is_told_to_go_back_does_no_harm() -> None:
    kernel = a_kernel(*a_town())
    with pytest.raises(ValueError, match="does not go back"):
        kernel.advance(Instant(EVE - 1))
    assert reasons(kernel.submit(an_order())) == []


# --- requests --------------------------------------------------------------------------------


def test_repeated_request_gets_its_first_answer_and_makes_no_entry() -> None:
    journal = MemoryJournal()
    kernel = a_kernel(*a_town(), journal=journal)
    first = kernel.submit(an_order(request="r1"))
    after = journal.head
    assert kernel.submit(an_order(request="r1")) == first
    assert kernel.submit_many([an_order(request="r1")] * 3) == [first] * 3
    assert journal.head == after


def test_request_repeated_within_a_batch_gets_its_first_answer() -> None:
    journal = MemoryJournal()
    kernel = a_kernel(*a_town(), journal=journal)
    first, other, again = kernel.submit_many(
        [an_order(request="r1"), an_order("h02"), an_order(request="r1")]
    )
    assert again == first != other
    assert journal.last_seq == other.seq


def test_repeated_request_that_was_refused_is_refused_again_without_an_entry() -> None:
    journal, clock = MemoryJournal(), SimulatedClock(EVE)
    kernel = a_kernel(*a_town(), journal=journal, clock=clock)
    first = kernel.submit(an_order(quantity_wh=0, request="r1"))
    assert kernel.submit(an_order(quantity_wh=0, request="r1")) == first
    assert journal.last_seq == first.seq


def test_request_reused_for_another_command_is_refused_and_that_is_an_entry() -> None:
    journal = MemoryJournal()
    kernel = a_kernel(*a_town(), journal=journal)
    first = kernel.submit(an_order(request="r1"))
    answer = kernel.submit(a_deposit(request="r1"))
    assert reasons(answer) == [Reason.REQUEST_REUSED]
    assert answer.seq == journal.last_seq == first.seq + 1
    assert kernel.submit(an_order(request="r1")) == first


def test_two_pods_may_use_the_same_request() -> None:
    kernel = a_kernel(*a_town())
    answers = [kernel.submit(an_order(pod, request="r1")) for pod in ("h01", "h02")]
    assert answers[0].seq + 1 == answers[1].seq


def test_commands_without_a_request_are_never_repetitions() -> None:
    kernel = a_kernel(*a_town())
    assert kernel.submit(an_order()).seq + 1 == kernel.submit(an_order()).seq


def test_requests_are_remembered_through_a_restart() -> None:
    journal = MemoryJournal()
    kernel = a_kernel(*a_town(), journal=journal)
    first = kernel.submit(an_order(request="r1"))
    kernel.submit(a_deposit(request="r1"))
    again = Kernel(journal, SimulatedClock(EVE), exchange=rebuild(journal))
    assert again.submit(an_order(request="r1")) == first
    assert reasons(again.submit(a_deposit(request="r1"))) == [Reason.REQUEST_REUSED]


# --- readers ---------------------------------------------------------------------------------


def test_readers_hear_every_entry_in_order_once_it_is_written() -> None:
    journal, book = MemoryJournal(), Listener()
    kernel = a_kernel(*a_town(), journal=journal, readers=[book])
    kernel.submit(an_order())
    kernel.advance(Instant(MIDNIGHT))
    assert book.entries == entries_of(journal)


def test_readers_do_not_hear_of_what_could_not_be_written() -> None:
    journal, book = MemoryJournal(), Listener()
    kernel = a_kernel(*a_town(), journal=journal, readers=[book])
    journal.close()
    with pytest.raises(JournalError):
        kernel.submit(an_order())
    assert book.entries == entries_of(journal)


# --- failures --------------------------------------------------------------------------------


def test_failed_write_stops_the_kernel_for_good() -> None:
    journal = MemoryJournal()
    kernel = a_kernel(*a_town(), journal=journal)
    last = journal.last_seq
    journal.close()
    with pytest.raises(JournalError, match="the journal is closed"):
        kernel.submit(an_order())
    for attempt in (
        lambda: kernel.submit(an_order("h02")),
        lambda: kernel.submit_many([]),
        lambda: kernel.advance(Instant(MIDNIGHT)),
    ):
        with pytest.raises(JournalError, match="the kernel is stopped"):
            attempt()
    assert journal.last_seq == last
    assert verify(journal).entries == last


def test_reader_that_submits_is_refused() -> None:
    class Meddler:
        def fold(self, entry: Entry) -> None:
            kernel.submit(entry.command)

    kernel = Kernel(MemoryJournal(), SimulatedClock(EVE), [Meddler()])
    with pytest.raises(JournalError, match="the kernel is stopped"):
        kernel.submit(a_town()[0])


def test_what_stays_due_though_it_was_done_is_a_bug_and_stops_the_kernel() -> None:
    journal = MemoryJournal()
    kernel = Kernel(
        journal,
        SimulatedClock(EVE),
        exchange=cast("Exchange", Diary((EVE, CLOSING), (EVE, CLOSING))),
    )
    with pytest.raises(InvariantBroken, match="what fell due is over"):
        kernel.advance(EVE)
    assert journal.last_seq == 0
    with pytest.raises(JournalError, match="the kernel is stopped"):
        kernel.submit(an_order())


def test_journal_with_a_past_needs_its_exchange() -> None:
    journal = MemoryJournal()
    a_kernel(*a_town(), journal=journal)
    with pytest.raises(InvariantBroken, match="as rebuilt from its journal"):
        Kernel(journal, SimulatedClock(EVE))


def test_kernel_taken_up_after_a_restart_goes_on_as_if_it_had_never_stopped() -> None:
    unbroken, broken = MemoryJournal(), MemoryJournal()
    one = a_kernel(*a_town(), an_order(), journal=unbroken)
    a_kernel(*a_town(), an_order(), journal=broken)
    other = Kernel(broken, SimulatedClock(EVE), exchange=rebuild(broken))
    for kernel in (one, other):
        kernel.submit(an_order("h02"))
        kernel.advance(Instant(MIDNIGHT + 7 * DAY))
    assert unbroken.head == broken.head
    assert state_digest(one.exchange) == state_digest(other.exchange)
