"""A program that makes history and is killed: prints the number of each entry it answered.

Its history depends on nothing but how long it lives. With a limit it finds a disk that is full.
"""

from __future__ import annotations

import random
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.builders import EVE, ISP_US, MIDNIGHT, a_product, a_town, an_order
from wattbay.core.commands import Command, PlaceOrder
from wattbay.errors import JournalError
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.codec import decode
from wattbay.kernel.journal import Journal, SqliteJournal
from wattbay.kernel.kernel import Kernel
from wattbay.kernel.replay import rebuild
from wattbay.periods import SECOND, Instant

ORDERS_AT_ONCE = 16
STEP_US = 20 * SECOND
"""How much time passes between two groups of orders: gates close meanwhile."""
DELIVERIES = 480


def town() -> list[Command]:
    return a_town(pods=3, product=a_product(orders_per_pod_max=1_000_000), deliveries=DELIVERIES)


def order(number: int) -> PlaceOrder:
    """Return an order that is known by its number alone."""
    return an_order(
        f"h{number % 3 + 1:02d}",
        quantity_wh=100 + number % 400,
        limit=10_000 + 10 * (number % 9_000),
        delivery=MIDNIGHT + (number // 200 + number % 7) % DELIVERIES * ISP_US,
        request=f"r{number}",
    )


def continue_history(journal: Journal, chance: random.Random) -> Iterator[int]:
    """Make history from where a journal ends, in groups of any size; yield what is answered.

    Groups never reach over a step of the clock, so that their sizes leave no trace.
    """
    clock = SimulatedClock(EVE)
    kernel = Kernel(journal, clock, exchange=rebuild(journal))
    number = 0
    for _, data, _ in journal.rows():
        command = decode(data).command
        if isinstance(command, PlaceOrder):
            number = int((command.request or "r0")[1:])
    if journal.last_seq < len(town()):
        for command in town()[journal.last_seq :]:
            yield kernel.submit(command).seq
    while True:
        step, place = divmod(number, ORDERS_AT_ONCE)
        kernel.advance(Instant(EVE + step * STEP_US))
        count = chance.randint(1, ORDERS_AT_ONCE - place)
        group = [order(number + n + 1) for n in range(count)]
        for answer in kernel.submit_many(group):
            yield answer.seq
        number += count


def main(path: str, seed: str, bytes_max: str = "") -> None:
    journal = SqliteJournal(Path(path))
    if bytes_max:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(bytes_max), resource.RLIM_INFINITY))
    answered = continue_history(journal, random.Random(seed))
    try:
        for seq in answered:
            print(seq, flush=True)  # noqa: T201
    except JournalError as error:
        print(error, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
