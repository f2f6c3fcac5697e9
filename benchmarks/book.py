"""The order book alone: a flow of new, cancelled and marketable limit orders.

Of a million messages 60 % are limit orders that do not cross when they come, 30 % cancellations, of
which 2 % are of orders that are gone, and 10 % orders that cross. Limits lie within 250 ticks of a
middle on either side, so that 250 to 350 levels stand; orders that cross are larger the more rests,
so that about 5,000 orders do.
"""

from __future__ import annotations

import gc
import json
import os
import random
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from statistics import median

from benchmarks.machine import cpu_s
from hatch_build import VARIABLE, can_compile
from wattbay.core.market.book import Book
from wattbay.core.market.codes import CANCEL, CANCELLED, ENTERED, NEW, REFUSED, TRADE
from wattbay.core.market.columns import IS_COMPILED, Column, column_of
from wattbay.core.market.steps import BUY, SELL, BookRules

ROOT = Path(__file__).parents[1]
MESSAGES = 1_000_000
BATCH = 4_096
SEED = 7
MIDDLE = 50_000
AWAY = 250
RESTING = 5_000
PARTIES = 60
RUNS = 5
WIDTHS = {ENTERED: 8, TRADE: 5, CANCELLED: 4, REFUSED: 6}


class Flow:
    """Draws messages, and lets a book tell which orders live."""

    def __init__(self, seed: int) -> None:
        """Begin with an empty book."""
        self.draw = random.Random(seed)
        self.book = Book(BookRules())
        self.living: list[int] = []
        self.places: dict[int, int] = {}
        """Where in that list an order is, for those that live."""
        self.gone = 0
        self.count = 0
        self.trades = 0

    def message(self) -> list[int]:
        """Draw a message, and let it happen."""
        chance = self.draw.random()
        if chance < 0.3 and self.living:
            row = [CANCEL, self._whom(), 0]
        else:
            self.count += 1
            row = self._order(is_crossing=chance >= 0.9)
        self._follow(self.book.enter_packed(column_of(row)))
        return row

    def _whom(self) -> int:
        """Draw an order to cancel."""
        if self.draw.random() < 0.02 and self.gone:
            return self.gone
        return self.draw.choice(self.living)

    def _order(self, *, is_crossing: bool) -> list[int]:
        """Draw an order. One that does not cross lies behind the best of the other side."""
        draw = self.draw
        side = BUY if draw.random() < 0.5 else SELL
        away = draw.randint(1, AWAY)
        quantity = draw.randint(1, 1_000)
        if is_crossing:
            away = -away
            quantity *= 2 + 3 * len(self.living) // RESTING
        limit = MIDDLE - side * away
        return [NEW, self.count, draw.randint(1, PARTIES), side, limit, quantity, 0, 0]

    def _follow(self, rows: Column) -> None:
        """Note which orders live."""
        at = 0
        while at < len(rows):
            code = rows[at]
            if code == ENTERED and rows[at + 6]:
                self.places[rows[at + 1]] = len(self.living)
                self.living.append(rows[at + 1])
            elif code == TRADE:
                self.trades += 1
                if not self.book.is_known(rows[at + 1]):
                    self._forget(rows[at + 1])
            elif code == CANCELLED:
                self._forget(rows[at + 1])
            at += WIDTHS[code]

    def _forget(self, number: int) -> None:
        """Note that an order is gone."""
        place = self.places.pop(number, None)
        if place is None:
            return
        last = self.living.pop()
        if last != number:
            self.living[place] = last
            self.places[last] = place
        self.gone = number


def a_flow(messages: int = MESSAGES, seed: int = SEED) -> list[list[int]]:
    """Draw a flow, a row of numbers each message."""
    flow = Flow(seed)
    return [flow.message() for _ in range(messages)]


def batches(flow: list[list[int]]) -> list[Column]:
    """Return a flow cut into batches."""
    return [
        column_of([number for row in flow[start : start + BATCH] for number in row])
        for start in range(0, len(flow), BATCH)
    ]


def entered_s(flow: list[Column]) -> float:
    """Send a flow through a new book, and let go what comes of it; return the CPU time."""
    book = Book(BookRules())

    def enter() -> None:
        for batch in flow:
            book.enter_packed(batch)

    return cpu_s(enter)[0]


def outcomes_of(flow: list[Column]) -> list[Column]:
    """Return what comes of each batch of a flow."""
    book = Book(BookRules())
    return [book.enter_packed(batch) for batch in flow]


def folded_s(outcomes: list[Column]) -> float:
    """Make a book again out of what came of a flow; return the CPU time."""
    book = Book(BookRules())

    def fold() -> None:
        for batch in outcomes:
            book.fold_packed(batch)

    return cpu_s(fold)[0]


def speeds(messages: int = MESSAGES) -> dict[str, float]:
    """Measure messages a CPU second: entering a flow, and folding what came of it; the median."""
    flow = batches(a_flow(messages))
    gc.collect()
    gc.freeze()  # The flow, made beforehand, is not for the collector to walk through.
    enter_s = median(entered_s(flow) for _ in range(RUNS))
    outcomes = outcomes_of(flow)
    fold_s = median(folded_s(outcomes) for _ in range(RUNS))
    gc.unfreeze()
    return {"enter": messages / enter_s, "fold": messages / fold_s}


def compiled_speeds(module: str = "benchmarks.book") -> dict[str, float] | None:
    """Measure the same of a wheel that is built for it; None where it cannot be compiled.

    Parameters
    ----------
    module
        What measures there, and prints its figures.
    """
    if not can_compile():
        return None
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", scratch]
        environment = {**os.environ, VARIABLE: "1"}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
        site = Path(scratch) / "site"
        zipfile.ZipFile(next(Path(scratch).glob("*.whl"))).extractall(site)
        environment["PYTHONPATH"] = os.pathsep.join((str(site), str(ROOT)))
        done = subprocess.run(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
        )
    found: dict[str, float] = json.loads(done.stdout)
    return found if found.pop("is_compiled") else None


def main() -> None:
    """Print what is measured, for a program."""
    print(json.dumps({"is_compiled": IS_COMPILED, **speeds()}))


if __name__ == "__main__":
    main()
