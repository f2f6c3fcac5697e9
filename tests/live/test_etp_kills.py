"""A battery's program killed in the midst of trading: every bid has one outcome, the journal's.

Battery and aggregator are programs of their own, as people start them. The battery is killed with
SIGKILL several times, and started again on the same port; the aggregator keeps in a folder what it
is about to confirm.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.servers import free_port, until
from wattbay.adapters.etp.bid_log import BidLog
from wattbay.adapters.files.run_folder import JOURNAL
from wattbay.cli.check import verify_journal
from wattbay.core.commands import SubmitReading
from wattbay.core.events import Rejected
from wattbay.core.reasons import Reason
from wattbay.ids import PodId, ProductId
from wattbay.kernel.codec import Entry, decode
from wattbay.kernel.journal import SqliteJournal
from wattbay.views.sales import Sales

WATTBAY = str(Path(sys.executable).with_name("wattbay"))
KILLS = 4
LOTS, LOT_WH = 30, 100
CAPACITY_WH = 15_000
WAIT_S = 90.0
NODE = ("--plain", "--no-discovery")


class Battery:
    """A battery's program."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._words = (
            "etp", "bess", "101", *NODE, "--bidder", "201", "--port", str(free_port()),
            "--window-ms", "0", "--speed", "600", "--folder", "battery",
        )  # fmt: skip
        self.address = f"101@127.0.0.1:{self._words[self._words.index('--port') + 1]}"
        self.told = folder / "battery.out"
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def sales(self) -> int:
        """How many were told, by all of its lives."""
        return self.told.read_text(encoding="utf-8").count(" sold ")

    def start(self) -> None:
        with self.told.open("ab") as out:
            self._running = subprocess.Popen(
                [WATTBAY, *self._words], cwd=self._folder, stdout=out, stderr=out
            )

    def end(self, how: signal.Signals) -> int:
        assert self._running is not None
        self._running.send_signal(how)
        return self._running.wait(WAIT_S)


@contextmanager
def an_aggregator(folder: Path, battery: Battery) -> Iterator[subprocess.Popen[str]]:
    words = (
        "etp", "aggregator", "201", *NODE, "--battery", battery.address, "--folder", "bids",
        "--need-kwh", str(LOTS * LOT_WH / 1_000), "--lot-kwh", str(LOT_WH / 1_000),
        "--pause-s", "0.02", "--json",
    )  # fmt: skip
    running = subprocess.Popen([WATTBAY, *words], cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def has_sold(battery: Battery, sales: int) -> bool:
    return battery.sales >= sales


def is_over(polls: Iterator[int]) -> bool:
    return next(polls, None) is None


def entries(folder: Path) -> list[Entry]:
    with closing(SqliteJournal(folder / JOURNAL, read_only=True)) as journal:
        verify_journal(journal, None, as_json=True)
        return [decode(data, seq=seq) for seq, data, _ in journal.rows()]


@pytest.mark.parametrize("seed", range(3))
def test_every_bid_has_one_outcome_however_often_its_battery_is_killed(
    seed: int, tmp_path: Path
) -> None:
    chance, battery = Random(seed), Battery(tmp_path)
    battery.start()
    with an_aggregator(tmp_path, battery) as aggregator:
        for _ in range(KILLS):
            # Somewhere between two sales, or in the midst of one: who knows.
            more, polls = chance.randint(1, LOTS // (2 * KILLS)), chance.randint(0, 15)
            until(partial(has_sold, battery, battery.sales + more), "it sells", wait_s=WAIT_S)
            until(partial(is_over, iter(range(polls))), "some time passes")
            assert battery.end(signal.SIGKILL) == -signal.SIGKILL
            battery.start()
        told, _ = aggregator.communicate(timeout=WAIT_S)
    assert battery.end(signal.SIGINT) == 0
    assert "Traceback" not in battery.told.read_text(encoding="utf-8")
    figures, market = json.loads(told), Sales(ProductId("immediate"))
    history = entries(tmp_path / "battery")
    for entry in history:
        market.fold(entry)
    assert aggregator.returncode == 0
    # The aggregator's total is the journal's, to the watt-hour and the nano-currency.
    assert figures["without_outcome"] == 0
    assert figures["settled"] == len(market.sales) == LOTS
    assert figures["bought_wh"] == market.total_wh == LOTS * LOT_WH
    assert figures["spent_nano"] == market.total_nano
    log = BidLog(tmp_path / "bids" / "bids-201.jsonl")
    assert not list(log.open_bids)
    log.close()
    # Meters went on where they were, and the battery never sold what it had not.
    refused = {
        entry.events[0].reason
        for entry in history
        if isinstance(entry.command, SubmitReading) and isinstance(entry.events[0], Rejected)
    }
    # Of a busy machine a reading may be late, and its delivery final.
    assert refused <= {Reason.STAMP_TOO_OLD}
    assert 0 <= market.levels[PodId("bess-101")][0] <= CAPACITY_WH
