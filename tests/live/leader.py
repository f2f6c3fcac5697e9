"""A program that leads a journal in PostgreSQL until it is killed: of its own, for tests.

Arguments: how to connect, the name under which it leads, for how long its lease lasts, and whether
it tries `again` after a failure. It prints `leads EPOCH`, the number of each entry that it
answered, and `stopped` with the reason.
"""

from __future__ import annotations

import random
import sys
from contextlib import closing

from tests.crash.writer import continue_history
from wattbay.adapters.stores.postgres_journal import PostgresJournal
from wattbay.errors import JournalError


def lead(conninfo: str, holder: str, ttl_s: float) -> None:
    """Wait for the lease, and make history for as long as it is ours."""
    try:
        journal = PostgresJournal(conninfo, holder=holder, ttl_s=ttl_s, wait_s=None)
        with closing(journal):
            print("leads", journal.epoch, flush=True)  # noqa: T201
            for seq in continue_history(journal, random.Random(journal.epoch)):
                print(seq, flush=True)  # noqa: T201
    except JournalError as error:
        print("stopped", error, flush=True)  # noqa: T201


def main(conninfo: str, holder: str, ttl_s: str, again: str = "") -> None:
    """Lead once, or again and again."""
    lead(conninfo, holder, float(ttl_s))
    while again:
        lead(conninfo, holder, float(ttl_s))


if __name__ == "__main__":
    main(*sys.argv[1:])
