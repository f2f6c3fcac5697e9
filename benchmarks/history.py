"""What readers of the past cost: folding a week into the file, and asking it.

`python -m benchmarks.history` prints what each part takes, on the journal of ``london-week``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.machine import cpu_s, run
from wattbay.adapters.stores.history import SqliteHistory
from wattbay.kernel.codec import Entry, decode
from wattbay.kernel.journal import Journal, SqliteJournal
from wattbay.periods import DAY, Instant
from wattbay.views.history import Want

ATTEMPTS = 3
ANSWERS = 200
MICRO, MILLI = 1e6, 1e3
POD = frozenset({"h30"})


def figures() -> dict[str, float]:
    """Return what an entry takes to fold [CPU µs], and opening and answers [CPU ms]."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        run("run", "london-week", "--out", str(folder / "week"))
        journal = SqliteJournal(folder / "week" / "journal.sqlite", read_only=True)
        entries = [decode(data, seq=seq) for seq, data, _ in journal.rows()]
        folded = min(_folded_s(folder / f"{attempt}", entries) for attempt in range(ATTEMPTS))
        found = {"fold": folded / len(entries) * MICRO}
        found |= _asked(folder / "asked", journal)
        journal.close()
    return found


def _folded_s(path: Path, entries: list[Entry]) -> float:
    """Return what folding entries takes that are in memory already. [CPU s]"""
    history = SqliteHistory(path)

    def fold() -> None:
        for entry in entries:
            history.fold(entry)
        history.flush()

    took_s = cpu_s(fold)[0]
    history.close()
    return took_s


def _asked(path: Path, journal: Journal) -> dict[str, float]:
    """Return what opening a file and some answers take. [CPU ms]"""
    history = SqliteHistory(path)
    history.catch_up(journal)
    history.close()

    def opened() -> SqliteHistory:
        again = SqliteHistory(path)
        again.catch_up(journal)
        again.find(Want("orders"))
        return again

    took_s, history = cpu_s(opened)
    last = history.one("receipts")
    end = 0 if last is None else int(last["delivery_end"] or 0)
    since, until = Instant(end - DAY), Instant(end)
    within = Want("receipts", pods=POD, since=since, until=until, limit=48)
    wants = {
        "a pod's last receipts": Want("receipts", pods=POD),
        "a pod's day of receipts": within,
        "a pod's last postings": Want("postings", pods=POD),
        "an order": Want("orders", {"order": 8_000}),
    }
    found = {"open and answer": took_s * MILLI}
    found |= {what: _mean_ms(history, want) for what, want in wants.items()}
    history.close()
    return found


def _mean_ms(history: SqliteHistory, want: Want) -> float:
    def find_often() -> None:
        for _ in range(ANSWERS):
            history.find(want)

    return cpu_s(find_often)[0] / ANSWERS * MILLI


if __name__ == "__main__":
    for what, value in figures().items():
        print(f"{what:<26}{value:>8.3f} {'CPU µs an entry' if what == 'fold' else 'CPU ms'}")
