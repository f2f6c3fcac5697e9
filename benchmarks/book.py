"""The order book alone: a flow of new, cancelled and marketable limit orders, interpreted."""

from __future__ import annotations

import gc
import random

from benchmarks.machine import cpu_s
from wattbay.core.market.book import Book
from wattbay.core.market.steps import BUY, SELL, BookRules, Cancel, New, Outcome, Step

STEPS = 200_000
BATCH = 4_096
CROSSING = 6
"""How much larger orders that cross are, so that what rests does not grow without end."""
RUNS = 3


def a_flow(steps_count: int, seed: int = 7) -> list[Step]:
    """Draw a flow: 60 % limit orders, 30 % cancellations, 10 % orders that cross.

    Limits lie within 150 ticks of a middle on either side, so about 300 levels stand. Of the
    cancellations, those of orders that are gone already are refused.
    """
    draw = random.Random(seed)
    steps: list[Step] = []
    living: list[int] = []
    number = 0
    for _ in range(steps_count):
        chance = draw.random()
        if chance < 0.3 and living:
            place = draw.randrange(len(living))
            living[place], living[-1] = living[-1], living[place]
            steps.append(Cancel(living.pop()))
            continue
        number += 1
        side = BUY if draw.random() < 0.5 else SELL
        away = draw.randint(1, 150) if chance < 0.9 else -draw.randint(1, 150)
        quantity = draw.randint(1, 1_000) * (1 if chance < 0.9 else CROSSING)
        steps.append(New(number, draw.randint(1, 60), side, 50_000 - side * away, quantity))
        if chance < 0.9:
            living.append(number)
    return steps


def trade_all(steps: list[Step]) -> list[Outcome]:
    """Send a flow through a new book, batch by batch."""
    book = Book(BookRules())
    found: list[Outcome] = []
    for start in range(0, len(steps), BATCH):
        found += book.enter(steps[start : start + BATCH])
    return found


def run() -> dict[str, float]:
    """Return how many steps a book takes in a second of CPU, the best of three, interpreted."""
    steps = a_flow(STEPS)
    gc.collect()
    gc.freeze()  # The flow, made beforehand, is not for the collector to walk through.
    best_s = min(cpu_s(lambda: trade_all(steps))[0] for _ in range(RUNS))
    gc.unfreeze()
    return {"book_interpreted_steps_per_cpu_s": len(steps) / best_s}
