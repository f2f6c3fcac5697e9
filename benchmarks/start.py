"""How soon a service answers that was killed: with a journal of a million entries.

The journal is made by the exchange itself: orders that come and go. It is left as `kill -9` does
it, with a snapshot up to 20,000 entries old, and no file closed. Then the service is started
as people start it, and asked until it answers.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.servers import free_port
from wattbay.agents.keeper import Keeper
from wattbay.assembly.exchange import LiveExchange
from wattbay.config import Settings, read_settings
from wattbay.core.commands import CancelOrder, Command, PlaceOrder
from wattbay.core.events import OrderPlaced
from wattbay.core.facts import Side
from wattbay.periods import HOUR

ENTRIES = 1_000_000
AT_ONCE = 96
"""Four of each home; so many may stand."""
STARTS = 3
WAIT_S = 60.0
PAUSE_S = 0.005
ZONE = "Europe/London"


def settings_in(folder: Path) -> Settings:
    """Return the settings of a street, which founds a community at once."""
    return read_settings(None, street={"scenario": "live-street"}, storage={"folder": folder})


def fill(folder: Path) -> None:
    """Make history until there are enough entries; then end as if killed."""
    exchange = LiveExchange(settings_in(folder))
    for command in Keeper(exchange.calendar).act(exchange.state(), exchange.clock.now()):
        exchange.kernel.submit(command)
    (product,) = exchange.state().registry.products.values()
    pods = list(exchange.state().registry.pods)
    (delivery, *_) = (
        start
        for start in sorted(exchange.state().deliveries.open)
        if start - product.opens_before_us <= exchange.clock.now() < start - 2 * HOUR
    )
    while exchange.journal.last_seq < ENTRIES:
        orders: list[Command] = [
            PlaceOrder(
                pod=pods[number % len(pods)],
                product=product.product,
                delivery=delivery,
                side=Side.BUY if number % 2 else Side.SELL,
                quantity_wh=10 + number % 50,
                limit=60_000 + 10 * (number % 100),
            )
            for number in range(AT_ONCE)
        ]
        placed = [answer.events[0] for answer in exchange.kernel.submit_many(orders)]
        exchange.kernel.submit_many(
            [
                CancelOrder(order=one.order, pod=one.pod)
                for one in placed
                if isinstance(one, OrderPlaced)
            ]
        )
        exchange.history.flush()
        if exchange.snapshots.is_due(exchange.journal.last_seq):
            exchange.write_snapshot()
    os._exit(0)


def first_answer_s(folder: Path) -> float:
    """Return how long it takes from the start of the process to the first answer. [s]"""
    port = free_port()
    settings = folder / "wattbay.toml"
    settings.write_text(
        f'[community]\nzone = "{ZONE}"\n[storage]\nfolder = "{folder}"\n'
        f"[http]\nport = {port}\n[mqtt]\nport = {free_port()}\n"
    )
    begun_s = time.monotonic()
    command = [sys.executable, "-m", "wattbay", "serve", "--config", str(settings)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as service:
        try:
            while time.monotonic() - begun_s < WAIT_S:
                try:
                    address = f"http://127.0.0.1:{port}/readyz"
                    urllib.request.urlopen(address, timeout=1).close()
                except urllib.error.HTTPError:
                    break  # It answers that it is not ready yet: that is an answer.
                except OSError:
                    time.sleep(PAUSE_S)
                    continue
                break
            return time.monotonic() - begun_s
        finally:
            service.kill()


def first_answers_s() -> list[float]:
    """Return how long some starts took, each after a kill. [s]"""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "kept"
        subprocess.run([sys.executable, "-m", "benchmarks.start", str(folder)], check=True)
        return [first_answer_s(folder) for _ in range(STARTS)]


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
