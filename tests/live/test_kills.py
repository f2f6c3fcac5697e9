"""Service, broker and database killed in turn under load: what is acknowledged stands, once."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from tests.servers import mosquitto, postgres, until
from wattbay.adapters.mqtt.device import Device, Link, Registers
from wattbay.adapters.mqtt.keys import Ed25519Signer
from wattbay.adapters.mqtt.outbox import Outbox
from wattbay.adapters.mqtt.readings import read
from wattbay.adapters.stores.postgres import PostgresReadingStore
from wattbay.errors import AdapterError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.clock import SystemClock
from wattbay.kernel.evidence import Source
from wattbay.periods import DAY, MINUTE, Instant, Period, instant

pytestmark = [pytest.mark.mosquitto, pytest.mark.postgres]

LONDON = CommunityId("london")
NOON = instant("2026-05-01T12:00Z")
SIGNER = Ed25519Signer(bytes(32))
NAMES = ("m01", "m02", "m03")
READINGS = 60
"""Of each device, between a kill and the next."""
PLAIN = """
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 100000
"""


class Victim(Protocol):
    """What can be killed and started again."""

    def start(self) -> None: ...

    def kill(self) -> None: ...


class Service:
    """The service as a program that can be killed."""

    def __init__(self, port: int, conninfo: str) -> None:
        script = str(Path(__file__).with_name("service.py"))
        self._command = [sys.executable, script, str(port), conninfo, SIGNER.public_key.hex()]
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._running = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        if self._running is not None:
            self._running.kill()
            self._running.wait(30)
            self._running = None


@contextmanager
def devices(folder: Path, port: int) -> Iterator[list[Device]]:
    link = Link(port=port, pause_first_s=0.05, resend_s=2.0)
    with ExitStack() as stack:
        made = []
        for name in NAMES:
            outbox = Outbox(folder / name)
            stack.callback(outbox.close)
            device = Device(
                community=LONDON,
                device=MeterId(name),
                signer=SIGNER,
                outbox=outbox,
                clock=SystemClock(),
                link=link,
            )
            device.start()
            stack.callback(device.stop)
            made.append(device)
        yield made


def measure(made: list[Device], first: int) -> None:
    for number in range(first, first + READINGS):
        at = Instant(NOON + number * MINUTE)
        for device in made:
            device.measured(Registers(measured_at=at, import_register=number, export_register=0))


def has_risen(made: list[Device], before: int) -> bool:
    return sum(device.acknowledged for device in made) > before


def stored(conninfo: str) -> Counter[tuple[str, int]]:
    """Return how often each reading is stored, and verify every one again."""
    store = PostgresReadingStore(conninfo)
    whole = Period(NOON, Instant(NOON + DAY))
    found = Counter[tuple[str, int]]()
    for name in NAMES:
        for reading in store.of_device(LONDON, MeterId(name), whole):
            topic = f"em/v1/london/{name}/data"
            assert read(reading.proof, topic, lambda _: SIGNER.public_key) == reading
            found[name, reading.seq] += 1
        assert len(list(store.runs(Source(LONDON, MeterId(name), 1)))) == 1
    assert list(store.alarms(LONDON)) == []
    store.close()
    return found


def test_every_acknowledged_reading_is_stored_once(tmp_path: Path) -> None:
    with (
        mosquitto(lambda _, port: PLAIN.format(port=port)) as (broker, port, _),
        postgres() as (database, conninfo),
        devices(tmp_path, port) as made,
    ):
        service = Service(port, conninfo)
        service.start()
        victims: list[Victim] = [service, broker, database, service, database, broker]
        try:
            for turn, victim in enumerate(victims):
                before = sum(device.acknowledged for device in made)
                measure(made, 1 + turn * READINGS)
                until(partial(has_risen, made, before), "readings are acknowledged")
                victim.kill()
                victim.start()
            until(lambda: not any(one.waiting for one in made), "everything is acknowledged")
        finally:
            service.kill()
        assert sum(one.acknowledged for one in made) == len(NAMES) * READINGS * len(victims)
        expected = {(name, seq) for name in NAMES for seq in range(1, 6 * READINGS + 1)}
        assert stored(conninfo) == Counter(expected)


def test_store_that_went_away_says_so_and_comes_back() -> None:
    with postgres() as (database, conninfo):
        store = PostgresReadingStore(conninfo)
        database.kill()
        with pytest.raises(AdapterError, match="does not answer"):
            store.add([])
        database.start()
        assert store.add([]) == []
        store.close()
