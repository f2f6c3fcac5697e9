"""What the journal in PostgreSQL costs, and how soon another leads when its leader dies or freezes.

The leader is a program of its own that appends without a pause; it is killed, or stopped, and the
time is taken until who waits holds the lease. `python -m benchmarks.postgres_journal` prints what
is behind the figures that `benchmarks.measures` bounds.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from statistics import median
from typing import NamedTuple

from benchmarks.machine import cpu_s
from tests.builders import an_entry
from tests.servers import postgres
from wattbay.adapters.stores.lease import Lease
from wattbay.adapters.stores.postgres_journal import PostgresJournal
from wattbay.errors import JournalError
from wattbay.kernel.codec import encode

BATCH = 500
BATCHES = 100
SINGLES = 500
ROUNDS = 5
TTL_S = 1.0
WAIT_S = 30.0
MILLI = 1e3


class Appended(NamedTuple):
    """What appending took."""

    per_cpu_s: float
    """Entries a CPU second of ours, in batches of `BATCH`; the best of some attempts."""
    per_s: float
    """The same, by the clock on the wall."""
    single_ms: float
    """From one entry to its answer, the median. [ms]"""
    read_per_cpu_s: float
    """Entries read again a CPU second."""


def appended(conninfo: str) -> Appended:
    """Append small entries, many at once and one at a time, and read them again."""
    entry = encode(an_entry())
    batch = [entry] * BATCH
    count = BATCH * BATCHES
    with closing(PostgresJournal(conninfo, schema="appended", holder="benchmark")) as journal:

        def work() -> float:
            begun_s = time.monotonic()
            for _ in range(BATCHES):
                journal.append(batch)
            return time.monotonic() - begun_s

        took = [cpu_s(work) for _ in range(ROUNDS)]
        singles = []
        for _ in range(SINGLES):
            begun_s = time.monotonic()
            journal.append([entry])
            singles.append(time.monotonic() - begun_s)
        read_s, _ = cpu_s(lambda: sum(1 for _ in journal.rows()))
        return Appended(
            count / min(used for used, _ in took),
            count / min(wall for _, wall in took),
            MILLI * median(singles),
            journal.last_seq / read_s,
        )


@contextmanager
def _leader(conninfo: str, schema: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a leader that appends; yield it once it leads."""
    program = [sys.executable, "-m", "benchmarks.postgres_journal", conninfo, schema]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as leader:
        try:
            if leader.stdout is not None:
                leader.stdout.readline()
            yield leader
        finally:
            leader.send_signal(signal.SIGCONT)
            leader.kill()


def takeover_s(conninfo: str, schema: str, how: signal.Signals) -> float:
    """Return how long nobody leads after a leader got a signal, less its lease's time. [s]"""
    lease = Lease(conninfo, schema=schema, holder="standby", ttl_s=TTL_S)
    with _leader(conninfo, schema) as leader, closing(lease):
        if lease.acquire(0.2):
            raise RuntimeError("nobody leads")
        begun_s = time.monotonic()
        leader.send_signal(how)
        if not lease.acquire(WAIT_S):
            raise RuntimeError(f"nobody took over within {WAIT_S} s")
        return time.monotonic() - begun_s - TTL_S


def takeovers(conninfo: str) -> dict[str, list[float]]:
    """Kill some leaders and freeze some; return how long each was without a successor. [s]"""
    found = {}
    for what, how in (("killed", signal.SIGKILL), ("frozen", signal.SIGSTOP)):
        schemas = [f"{what}_{number}" for number in range(ROUNDS)]
        found[what] = [takeover_s(conninfo, schema, how) for schema in schemas]
    return found


def lead(conninfo: str, schema: str) -> None:
    """Append until killed, or until another leads."""
    entry = encode(an_entry())
    try:
        with closing(
            PostgresJournal(conninfo, schema=schema, holder="leader", ttl_s=TTL_S)
        ) as journal:
            journal.append([entry])
            print("leads", flush=True)
            while True:
                journal.append([entry] * 10)
    except JournalError as error:
        print(error, flush=True)


def main() -> None:
    """Print what is behind the figures."""
    with postgres() as (_, conninfo):
        cost = appended(conninfo)
        print(f"appended, batches of {BATCH}      {cost.per_cpu_s:>12,.0f} a CPU s")
        print(f"                             {cost.per_s:>12,.0f} a second")
        print(f"appended singly, the median  {cost.single_ms:>12.2f} ms")
        print(f"read again                   {cost.read_per_cpu_s:>12,.0f} a CPU s")
        for what, times_s in takeovers(conninfo).items():
            shown = ", ".join(f"{one:+.3f}" for one in sorted(times_s))
            print(f"taken over from the {what}, beyond {TTL_S} s: {shown} s")


if __name__ == "__main__":
    if sys.argv[1:]:
        lead(*sys.argv[1:])
    else:
        main()
