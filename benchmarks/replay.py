"""What reading history again costs: its parts, then rebuilding and verifying a day of orders.

`python -m benchmarks.replay` prints thousands of entries per CPU second.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks.journal import per_cpu_s
from tests.builders import EVE, ISP_US, MIDNIGHT, a_town, an_order, entries_of
from wattbay.core.exchange import Exchange
from wattbay.core.facts import Side
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.codec import Entry
from wattbay.kernel.journal import Journal, MemoryJournal, SqliteJournal
from wattbay.kernel.kernel import Kernel
from wattbay.kernel.replay import rebuild, restore, snapshot, verify

PODS = 60
ORDERS = 8 * 48 * PODS


def fill(journal: Journal) -> None:
    """Let a community place eight orders a pod for every half-hour of a day."""
    kernel = Kernel(journal, SimulatedClock(EVE))
    kernel.submit_many(a_town(PODS))
    orders = [
        an_order(
            f"h{n % PODS + 1:02d}",
            side=Side.SELL if n % 3 else Side.BUY,
            quantity_wh=100 + n % 400,
            limit=60_000 + 10 * (n % 1_000),
            delivery=MIDNIGHT + n // (8 * PODS) * ISP_US,
        )
        for n in range(ORDERS)
    ]
    kernel.submit_many(orders)


def apply_all(entries: list[Entry]) -> None:
    """Apply the events of entries that are in memory already."""
    apply = Exchange().apply
    for entry in entries:
        for event in entry.events:
            apply(event)


def run() -> dict[str, float]:
    """Measure; return how many entries are done in a CPU second."""
    memory = MemoryJournal()
    fill(memory)
    count, entries = memory.last_seq, entries_of(memory)
    figures = {
        "rows, memory": per_cpu_s(count, lambda: list(memory.rows())),
        "apply alone": per_cpu_s(count, lambda: apply_all(entries)),
        "rebuild, memory": per_cpu_s(count, lambda: rebuild(memory)),
        "verify, memory": per_cpu_s(count, lambda: verify(memory)),
    }
    taken = snapshot(rebuild(memory), memory.last_seq, memory.head)
    figures["restore a snapshot of as many"] = per_cpu_s(count, lambda: restore(taken))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "journal.sqlite"
        with closing(SqliteJournal(path)) as journal:
            journal.append([data for _, data, _ in memory.rows()])
        with closing(SqliteJournal(path, read_only=True)) as journal:
            figures["rows, SQLite"] = per_cpu_s(count, lambda: list(journal.rows()))
            figures["rebuild, SQLite"] = per_cpu_s(count, lambda: rebuild(journal))
            figures["verify, SQLite"] = per_cpu_s(count, lambda: verify(journal))
    return figures


if __name__ == "__main__":
    for what, value in run().items():
        print(f"{what:<40}{value / 1_000:>10,.1f} k/CPU s")
