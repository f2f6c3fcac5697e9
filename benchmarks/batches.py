"""What batches of orders cost in the exchange, end to end, and what reading them again costs.

`python -m benchmarks.batches` prints figures for a program; with `steps`, what each part of a step
takes. The flow is 60 % new limit orders that rest, 30 % withdrawals and 10 % orders that
trade, in batches of one delivery each, over the deliveries of a day.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks.machine import cpu_s
from benchmarks.trading import DELIVERIES, LEVELS, MIDDLE, PODS, town
from tests.batches import Step, a_batch
from tests.builders import EVE, ISP_US, MIDNIGHT
from tests.continuous import a_continuous
from wattbay.core.batches import CANCEL, NEW, STEPS_MAX
from wattbay.core.commands import EnterOrders
from wattbay.core.exchange import Exchange
from wattbay.core.market.columns import IS_COMPILED
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.codec import Entry, encode
from wattbay.kernel.journal import SqliteJournal
from wattbay.kernel.kernel import Kernel
from wattbay.kernel.replay import rebuild
from wattbay.periods import Instant
from wattbay.views.market import Auctions

COUNT = 200_000
SEED = 42
NAMES = tuple(f"h{number:02d}" for number in range(1, PODS + 1))


class Flow:
    """Draws steps, batch by batch."""

    def __init__(self, seed: int) -> None:
        """Begin with empty books."""
        self._draw = random.Random(seed)
        self._resting: list[list[tuple[int, int]]] = [[] for _ in range(DELIVERIES)]
        self._orders = 0

    def batch(self, turn: int, count: int) -> EnterOrders:
        """Draw the steps of one delivery."""
        place = turn % DELIVERIES
        steps = [self._step(self._resting[place]) for _ in range(count)]
        return a_batch(steps, delivery=MIDNIGHT + ISP_US * place, pods=NAMES)

    def _step(self, resting: list[tuple[int, int]]) -> Step:
        draw = self._draw
        kind = draw.random()
        if kind < 0.3 and resting:
            place = draw.randrange(len(resting))
            resting[place], resting[-1] = resting[-1], resting[place]
            order, pod = resting.pop()
            return Step(CANCEL, pod, order, 0, 0, 0)
        self._orders += 1
        pod, side = draw.randrange(PODS), draw.choice((1, -1))
        if kind >= 0.9:
            return Step(NEW, pod, 0, side, MIDDLE + side * 100 * LEVELS, 100)
        resting.append((self._orders, pod))
        limit = MIDDLE - side * 100 * draw.randrange(1, LEVELS)
        return Step(NEW, pod, 0, side, limit, draw.randrange(100, 1_000))


def flow(count: int = COUNT, seed: int = SEED) -> list[EnterOrders]:
    """Return batches that trade, in the order in which they come."""
    drawn = Flow(seed)
    return [
        drawn.batch(turn, min(STEPS_MAX, count - first))
        for turn, first in enumerate(range(0, count, STEPS_MAX))
    ]


def speeds(count: int = COUNT) -> dict[str, float]:
    """Measure steps a CPU second: end to end, each batch written durably, and replayed."""
    batches = flow(count)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "batches.sqlite"
        with closing(SqliteJournal(path)) as journal:
            kernel = Kernel(journal, SimulatedClock(EVE), [Auctions(a_continuous().product)])
            kernel.submit_many(town())
            entered_s, _ = cpu_s(lambda: [kernel.submit(batch) for batch in batches])
        with closing(SqliteJournal(path, read_only=True)) as journal:
            replayed_s, exchange = cpu_s(lambda: rebuild(journal))
            unfolded_s, _ = cpu_s(lambda: exchange.state)
    return {
        "enter": count / entered_s,
        "replay": count / replayed_s,
        "replay and unfold": count / (replayed_s + unfolded_s),
    }


def steps(count: int = COUNT) -> list[tuple[str, float]]:
    """Return what each part takes for a step. [µs]"""
    exchange = Exchange()
    for command in town():
        exchange.apply_all(exchange.decide(command, EVE))
    took = dict.fromkeys(("decide", "encode", "apply"), 0.0)
    for batch in flow(count):
        spent, events = cpu_s(partial(exchange.decide, batch, EVE))
        took["decide"] += spent
        entry = Entry(1, Instant(EVE), batch, tuple(events))
        spent, _ = cpu_s(partial(encode, entry))
        took["encode"] += spent
        spent, _ = cpu_s(partial(exchange.apply_all, events))
        took["apply"] += spent
    return [(name, spent / count * 1e6) for name, spent in took.items()]


def main() -> None:
    """Print what is measured."""
    if sys.argv[1:] == ["steps"]:
        for name, spent in steps():
            print(f"{spent:10.2f} µs a step: {name}")
    else:
        print(json.dumps({"is_compiled": IS_COMPILED, **speeds()}))


if __name__ == "__main__":
    main()
