"""A kernel under any mixture of commands, repetitions, restarts and passing time."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.builders import (
    EVE,
    ISP_US,
    MIDNIGHT,
    CountedJournal,
    Listener,
    a_deposit,
    a_reading,
    a_town,
    an_order,
    entries_of,
)
from wattbay.core.commands import Command
from wattbay.core.events import Rejected
from wattbay.core.facts import Side
from wattbay.core.reasons import Reason
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.codec import Entry
from wattbay.kernel.intake import Intake
from wattbay.kernel.kernel import Answer, Kernel
from wattbay.kernel.replay import rebuild, restore, snapshot, state_digest, verify
from wattbay.kernel.requests import request_of
from wattbay.periods import HOUR, MINUTE, Instant

PODS = ("h01", "h02", "h03")
DELIVERIES = 4
STEPS_MAX = 30

orders = st.builds(
    an_order,
    st.sampled_from((*PODS, "h99")),
    side=st.sampled_from(Side),
    quantity_wh=st.integers(0, 500),
    limit=st.one_of(st.none(), st.integers(3_000, 16_000).map(lambda tens: 10 * tens)),
    delivery=st.integers(-1, DELIVERIES).map(lambda n: MIDNIGHT + n * ISP_US),
    request=st.one_of(st.none(), st.sampled_from(("r1", "r2", "r3"))),
)
deposits = st.builds(
    a_deposit, st.sampled_from(PODS), party=st.just("p01"), request=st.sampled_from((None, "r1"))
)
readings = st.builds(
    a_reading,
    st.sampled_from(tuple(f"m-{pod}" for pod in PODS)),
    seq=st.integers(1, 20),
    measured_at=st.integers(0, DELIVERIES).map(lambda n: MIDNIGHT + n * ISP_US),
    import_register=st.integers(0, 2_000),
)
batches = st.lists(st.one_of(orders, deposits, readings), min_size=1, max_size=6)


class KernelMachine(RuleBasedStateMachine):
    """A kernel, and what a bystander knows of it."""

    @initialize()
    def found(self) -> None:
        self.journal = CountedJournal()
        self.clock = SimulatedClock(EVE)
        self.listener = Listener()
        self.answers: dict[tuple[str, str], tuple[Command, Answer]] = {}
        self.kernel = Kernel(self.journal, self.clock, [self.listener])
        self.kernel.submit_many(a_town(pods=len(PODS), deliveries=DELIVERIES))

    def note(self, commands: list[Command], answers: list[Answer], last: int) -> None:
        """Compare answers with what is written, and with those to earlier requests."""
        assert len(answers) == len(commands)
        for command, answer in zip(commands, answers, strict=True):
            key = request_of(command)
            if key is not None and key in self.answers:
                first_command, first = self.answers[key]
                if first_command == command:
                    assert answer == first
                    continue
                assert isinstance(answer.events[0], Rejected)
                assert answer.events[0].reason is Reason.REQUEST_REUSED
            elif key is not None:
                self.answers[key] = (command, answer)
            assert answer.seq > last
            last = answer.seq
            entry = entries_of(self.journal)[answer.seq - 1]
            assert (entry.command, entry.events) == (command, answer.events)

    @rule(commands=batches)
    def submit_together(self, commands: list[Command]) -> None:
        last, writes = self.journal.last_seq, len(self.journal.sizes)
        self.note(commands, self.kernel.submit_many(commands), last)
        assert len(self.journal.sizes) - writes <= 1

    @rule(commands=batches)
    def submit_one_by_one(self, commands: list[Command]) -> None:
        for command in commands:
            last = self.journal.last_seq
            self.note([command], [self.kernel.submit(command)], last)

    @rule(commands=batches, waiting_max=st.integers(1, 6))
    def submit_at_the_door(self, commands: list[Command], waiting_max: int) -> None:
        last, intake = self.journal.last_seq, Intake(self.kernel, waiting_max)
        tickets = [intake.offer(command) for command in commands]
        assert intake.drain() == tickets[:waiting_max]
        answers = [ticket.answer for ticket in tickets if ticket.answer is not None]
        assert all(answer.seq == 0 for answer in answers[waiting_max:])
        self.note(commands[:waiting_max], answers[:waiting_max], last)

    @rule(pod=st.sampled_from(PODS), request=st.sampled_from(("r1", "r2", "r3")))
    def repeat(self, pod: str, request: str) -> None:
        if (pod, request) in self.answers:
            command, first = self.answers[pod, request]
            head = self.journal.head
            assert self.kernel.submit(command) == first
            assert self.journal.head == head or self.kernel.exchange.due() is not None

    @rule(by_us=st.one_of(st.integers(0, HOUR), st.integers(0, 200).map(lambda h: h * HOUR)))
    def let_time_pass(self, by_us: int) -> None:
        to = Instant(self.clock.now() + by_us)
        self.kernel.advance(to)
        due = self.kernel.exchange.due()
        assert due is None or due[0] > to
        assert self.clock.now() == to

    @rule(early_us=st.sampled_from((0, 1)))
    def wait_for_what_falls_due(self, early_us: int) -> None:
        if (due := self.kernel.exchange.due()) is not None and due[0] > self.clock.now():
            last = self.journal.last_seq
            self.kernel.advance(Instant(due[0] - early_us))
            assert (self.journal.last_seq > last) == (early_us == 0)

    @rule(minutes=st.integers(0, 90))
    def let_the_clock_run_ahead(self, minutes: int) -> None:
        self.clock.advance(Instant(self.clock.now() + minutes * MINUTE))

    @rule(through_snapshot=st.booleans())
    def restart(self, through_snapshot: bool) -> None:
        taken = None
        if through_snapshot:
            taken = snapshot(self.kernel.exchange, self.journal.last_seq, self.journal.head)
            assert state_digest(restore(taken).exchange) == state_digest(self.kernel.exchange)
        exchange = rebuild(self.journal, snapshot=taken)
        assert state_digest(exchange) == state_digest(self.kernel.exchange)
        self.kernel = Kernel(self.journal, self.clock, [self.listener], exchange)

    @invariant()
    def history_goes_forward(self) -> None:
        entries = entries_of(self.journal)
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
        assert self.listener.entries == entries

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            assert verify(self.journal, head=self.journal.head).entries == self.journal.last_seq
            assert resimulated(entries_of(self.journal)).head == self.journal.head


def resimulated(entries: list[Entry]) -> CountedJournal:
    """Feed the commands from outside to a new kernel at their instants, one by one."""
    journal = CountedJournal()
    kernel = Kernel(journal, SimulatedClock(EVE))
    for entry in entries:
        kernel.advance(entry.at)
        if entry.seq > journal.last_seq:
            kernel.submit(entry.command)
    return journal


TestKernel = KernelMachine.TestCase
TestKernel.settings = settings(stateful_step_count=STEPS_MAX)
