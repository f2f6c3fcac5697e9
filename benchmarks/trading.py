"""What continuous trading costs in the exchange, end to end: decide, write down, apply, publish.

`python -m benchmarks.trading` prints what each step takes. The flow is 60 % new limit orders that
rest, 30 % withdrawals and 10 % orders that trade, over the deliveries of a day.
"""

from __future__ import annotations

import random
import tempfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import cpu_s
from tests.builders import EVE, MIDNIGHT, a_town, an_order
from tests.continuous import a_continuous
from wattbay.core.commands import CancelOrder, Command
from wattbay.core.events import Rejected
from wattbay.core.exchange import Exchange
from wattbay.core.facts import Side
from wattbay.core.market.columns import IS_COMPILED
from wattbay.ids import OrderId, PodId
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.codec import Entry, decode_events, encode
from wattbay.kernel.journal import Journal, MemoryJournal, SqliteJournal
from wattbay.kernel.kernel import Kernel
from wattbay.kernel.replay import rebuild
from wattbay.periods import MINUTE, Instant
from wattbay.views.market import Auctions

GROUP = 64
"""Commands that share a durable write."""
PODS = 60
DELIVERIES = 48
COUNT = 60_000
REFUSED_MAX = 0.02
"""Of the flow: withdrawals of orders that were filled in the meantime."""
MIDDLE = 100_000
LEVELS = 150
"""On each side."""


def town() -> list[Command]:
    """Return the commands that found a town whose pods trade continuously and much."""
    product = a_continuous(orders_per_pod_max=1_000_000)
    return a_town(PODS, product=product, deliveries=DELIVERIES)


def flow(count: int = COUNT, seed: int = 42) -> list[Command]:
    """Return commands that trade, in the order in which they come."""
    chance = random.Random(seed)
    commands: list[Command] = []
    resting: list[tuple[int, str]] = []
    order = 0
    while len(commands) < count:
        kind = chance.random()
        if kind < 0.3 and resting:
            place = chance.randrange(len(resting))
            resting[place], resting[-1] = resting[-1], resting[place]
            number, pod = resting.pop()
            commands.append(CancelOrder(order=OrderId(number), pod=PodId(pod)))
            continue
        order += 1
        pod = f"h{chance.randrange(1, PODS + 1):02d}"
        sign = chance.choice((1, -1))
        trades = kind >= 0.9
        away = -LEVELS if trades else chance.randrange(1, LEVELS)
        commands.append(
            an_order(
                pod,
                side=Side.BUY if sign > 0 else Side.SELL,
                quantity_wh=100 if trades else chance.randrange(100, 1_000),
                limit=MIDDLE - sign * 100 * away,
                delivery=MIDNIGHT + 30 * MINUTE * chance.randrange(DELIVERIES),
            )
        )
        if not trades:
            resting.append((order, pod))
    return commands


class Took(NamedTuple):
    """What trading came to."""

    commands_per_cpu_s: float
    refused: float
    """Share of the commands."""


def end_to_end(journal: Journal, commands: list[Command]) -> Took:
    """Return how many commands a kernel on a journal does in a CPU second, readers told."""
    reader = Auctions(a_continuous().product)
    kernel = Kernel(journal, SimulatedClock(EVE), [reader])
    kernel.submit_many(town())

    def trade() -> int:
        refused = 0
        for first in range(0, len(commands), GROUP):
            answers = kernel.submit_many(commands[first : first + GROUP])
            refused += sum(type(answer.events[0]) is Rejected for answer in answers)
        return refused

    took_s, refused = cpu_s(trade)
    if refused > REFUSED_MAX * len(commands):
        raise RuntimeError(f"{refused} of {len(commands)} commands were refused")
    return Took(len(commands) / took_s, refused / len(commands))


def on_disk(count: int = COUNT) -> tuple[float, float]:
    """Return commands per CPU second, written durably in groups, and entries replayed in one."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "trading.sqlite"
        journal = SqliteJournal(path)
        took = end_to_end(journal, flow(count))
        journal.close()
        again = SqliteJournal(path, read_only=True)
        replay_s, _ = cpu_s(lambda: rebuild(again))
        entries = again.last_seq
        again.close()
    return took.commands_per_cpu_s, entries / replay_s


def steps(count: int = COUNT) -> list[tuple[str, float]]:
    """Return what each step takes for a command. [µs]"""
    exchange = Exchange()
    for command in town():
        exchange.apply_all(exchange.decide(command, EVE))
    commands = flow(count)
    took = dict.fromkeys(("ask what is due", "decide", "encode", "apply"), 0.0)
    encoded: list[bytes] = []
    for first in range(0, count, GROUP):
        for seq, command in enumerate(commands[first : first + GROUP], first + 1):
            spent, _ = cpu_s(exchange.due)
            took["ask what is due"] += spent
            spent, events = cpu_s(partial(exchange.decide, command, EVE))
            took["decide"] += spent
            entry = Entry(seq, Instant(EVE), command, tuple(events))
            spent, row = cpu_s(partial(encode, entry))
            took["encode"] += spent
            encoded.append(row)
            spent, _ = cpu_s(partial(exchange.apply_all, events))
            took["apply"] += spent
    took["decode, at replay"], _ = cpu_s(lambda: [decode_events(row) for row in encoded])
    return [(name, spent / count * 1e6) for name, spent in took.items()]


def main() -> None:
    """Print what is measured."""
    print(f"order book {'compiled' if IS_COMPILED else 'interpreted'}")
    memory = end_to_end(MemoryJournal(), flow()).commands_per_cpu_s
    disk, replayed = on_disk()
    print(f"{memory:10,.0f} commands a CPU s, in memory")
    print(f"{disk:10,.0f} commands a CPU s, SQLite, {GROUP} an fsync")
    print(f"{replayed:10,.0f} entries a CPU s, replayed")
    for name, spent in steps():
        print(f"{spent:10.2f} µs a command: {name}")


if __name__ == "__main__":
    main()
