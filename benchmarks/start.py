"""How soon a service answers that was killed: with a journal of a million entries.

The journal is made by the exchange itself: orders that come and go. It is left as `kill -9` does
it, with a snapshot up to 20,000 entries old, and no file closed. Then the service is started as
people start it, and asked until it answers.
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

from tests.builders import a_meter, a_party, pod_facts
from tests.servers import free_port
from wattbay.agents.keeper import Keeper
from wattbay.assembly.exchange import LiveExchange
from wattbay.config import read_settings
from wattbay.core.commands import CancelOrder, Command, PlaceOrder, RegisterParty, RegisterPod
from wattbay.core.events import OrderPlaced
from wattbay.core.facts import Side
from wattbay.periods import HOUR, Instant

ENTRIES = 1_000_000
PODS = 24
AT_ONCE = 4 * PODS
"""Four of each pod; so many may stand."""
STARTS = 3
WAIT_S = 60.0
PAUSE_S = 0.005
FOUNDING = Path(__file__).resolve().parents[1] / "deploy" / "community.toml"


def write_settings(folder: Path, port: int, mqtt_port: int) -> Path:
    """Write the settings of a service on files; return where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "wattbay.toml"
    path.write_text(
        f'[community]\nfounding = "{FOUNDING}"\nzone = "Europe/Berlin"\n'
        f'[storage]\nfolder = "{folder}"\n[http]\nport = {port}\n[mqtt]\nport = {mqtt_port}\n'
    )
    return path


def members(since: Instant) -> list[Command]:
    """Return what lets some homes join."""
    found: list[Command] = []
    for number in range(1, PODS + 1):
        facts = pod_facts(f"h{number:02d}", party=f"p{number:02d}", since=since, zone="north")
        found += [
            RegisterParty(party=a_party(facts.party)),
            RegisterPod(facts=facts, meter=a_meter(f"m-{facts.pod}")),
        ]
    return found


def fill(folder: Path) -> None:
    """Make history until there are enough entries; then end as if killed."""
    exchange = LiveExchange(read_settings(write_settings(folder, 0, 0)))
    isp_us = exchange.state().registry.isp_us
    now = exchange.clock.now()
    exchange.kernel.submit_many(members(Instant((now // isp_us + 1) * isp_us)))
    for command in Keeper(exchange.calendar).act(exchange.state(), now):
        exchange.kernel.submit(command)
    (product,) = exchange.state().registry.products.values()
    pods = list(exchange.state().registry.pods)
    delivery = Instant((now // isp_us) * isp_us + 4 * HOUR)
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
        standing = [one for one in placed if isinstance(one, OrderPlaced)]
        exchange.kernel.submit_many([CancelOrder(order=one.order, pod=one.pod) for one in standing])
        exchange.history.flush()
        if exchange.snapshots.is_due(exchange.journal.last_seq):
            exchange.write_snapshot()
    os._exit(0)


def first_answer_s(folder: Path) -> float:
    """Return how long it takes from the start of the process to the first answer. [s]"""
    port = free_port()
    settings = write_settings(folder, port, free_port())
    command = [sys.executable, "-m", "wattbay", "serve", "--config", str(settings)]
    quiet = subprocess.DEVNULL
    begun_s = time.monotonic()
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as service:
        try:
            while time.monotonic() - begun_s < WAIT_S:
                try:
                    address = f"http://127.0.0.1:{port}/readyz"
                    urllib.request.urlopen(address, timeout=WAIT_S).close()
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
