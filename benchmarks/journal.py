"""What history costs: the kernel's own share of a command, and every way of writing it down.

`python -m benchmarks.journal` prints thousands per CPU second. The bounds that we promise to keep
are in `benchmarks.measures`; here the parts are apart, for whoever wants to make them faster.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

from benchmarks.machine import cpu_s
from tests.builders import EVE, an_entry, an_order, an_order_placed
from wattbay.core.commands import Command
from wattbay.core.events import Event
from wattbay.core.exchange import Exchange
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.codec import GENESIS, chain, check, decode, encode
from wattbay.kernel.intake import Intake
from wattbay.kernel.journal import Journal, MemoryJournal, SqliteJournal
from wattbay.kernel.kernel import Kernel
from wattbay.periods import Instant

COUNT = 50_000
SINGLES = 2_000
GROUPS = (1, 8, 64, 512)


class Nodding:
    """An exchange that lets every order stand and costs nothing, so that the kernel is measured."""

    def __init__(self) -> None:
        self._events: list[Event] = [an_order_placed()]

    def decide(self, _command: Command, _at: Instant) -> list[Event]:
        """Agree."""
        return self._events

    def apply(self, event: Event) -> None:
        """Forget it."""

    def due(self) -> tuple[Instant, Command] | None:
        """Let nothing fall due."""
        return None


def per_cpu_s(count: int, work: Callable[[], object]) -> float:
    """Return how many are done in a CPU second."""
    took_s, _ = cpu_s(work)
    return count / took_s


def kernel_on(journal: Journal) -> Kernel:
    """Return a kernel that has nothing to think about."""
    return Kernel(journal, SimulatedClock(EVE), exchange=cast("Exchange", Nodding()))


def submit(kernel: Kernel, count: int, group: int) -> None:
    """Let a kernel take one order many times, in groups."""
    commands = [an_order()] * group
    for _ in range(count // group):
        kernel.submit_many(commands)


def knock(intake: Intake, count: int, group: int) -> None:
    """Let one order come in at the door many times, in groups."""
    command = an_order()
    for _ in range(count // group):
        for _ in range(group):
            intake.offer(command)
        intake.drain()


def check_all(commands: list[Command]) -> None:
    """Look at commands as the door does."""
    for command in commands:
        check(command)


def run() -> dict[str, float]:
    """Measure; return how many of each are done in a CPU second."""
    entry = an_entry()
    data = encode(entry)
    many = range(COUNT)
    figures = {
        "encode": per_cpu_s(COUNT, lambda: [encode(entry) for _ in many]),
        "decode": per_cpu_s(COUNT, lambda: [decode(data) for _ in many]),
        "chain": per_cpu_s(COUNT, lambda: [chain(GENESIS, data) for _ in many]),
        "check at the door": per_cpu_s(COUNT, partial(check_all, [entry.command] * COUNT)),
    }
    for group in GROUPS:
        kernel = kernel_on(MemoryJournal())
        figures[f"kernel, memory, groups of {group}"] = per_cpu_s(
            COUNT, partial(submit, kernel, COUNT, group)
        )
    intake = Intake(kernel_on(MemoryJournal()), waiting_max=64)
    figures["kernel behind the door, groups of 64"] = per_cpu_s(
        COUNT, lambda: knock(intake, COUNT, 64)
    )
    for group in GROUPS:
        count = min(COUNT, SINGLES * group)
        with tempfile.TemporaryDirectory() as scratch:
            journal = SqliteJournal(Path(scratch) / "journal.sqlite")
            kernel = kernel_on(journal)
            figures[f"kernel, SQLite, groups of {group}"] = per_cpu_s(
                count, partial(submit, kernel, count, group)
            )
            journal.close()
    return figures


if __name__ == "__main__":
    for what, value in run().items():
        print(f"{what:<40}{value / 1_000:>10,.1f} k/CPU s")
