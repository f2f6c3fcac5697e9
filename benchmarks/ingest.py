"""What a signed reading costs on its way in: broker, signature, store, acknowledgement.

A program of its own publishes readings that were signed before, of a thousand devices, with
quality of service 1; this process is the service. Its CPU time is what counts: how many a second
go through depends on what else the machine does.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import cpu_s
from tests.servers import free_port, mosquitto, postgres
from wattbay.adapters.mqtt.embedded import EmbeddedBroker, Listener
from wattbay.adapters.mqtt.ingest import Community, Ingest
from wattbay.adapters.mqtt.keys import Ed25519Signer
from wattbay.adapters.mqtt.readings import read, sign, topic
from wattbay.adapters.mqtt.service import Address, GmqttClient
from wattbay.adapters.stores.postgres import PostgresReadingStore
from wattbay.adapters.stores.sqlite import SqliteReadingStore
from wattbay.assembly.memory import settle_memory
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Reading, ReadingStore
from wattbay.periods import MINUTE, instant

LONDON = CommunityId("london")
DEVICES = 1_000
ROUNDS = 20
WINDOW = 500
"""Messages that the publisher has under way without an acknowledgement."""
ATTEMPTS = 3
WAIT_S = 120.0
MICRO = 1e6
PLAIN = """
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 100000
"""

Published = tuple[str, bytes]


class Cost(NamedTuple):
    """What so many readings took."""

    cpu_us: float
    """Of the service, a message. [µs]"""
    per_s: float
    """Readings a second, by the clock on the wall."""


def signed(rounds: int, attempt: int) -> tuple[dict[MeterId, bytes], list[Published]]:
    """Return the keys of all devices, and what they publish."""
    signers = {
        MeterId(f"m{number:04d}"): Ed25519Signer(number.to_bytes(32, "big"))
        for number in range(DEVICES)
    }
    start = instant("2026-05-01T00:00Z")
    found = []
    for number in range(1, rounds + 1):
        at = type(start)(start + number * MINUTE)
        for device, signer in signers.items():
            reading = Reading(
                LONDON, device, attempt, number, at, 48_000 + number, 9_120, 0, None, None, b""
            )
            found.append((topic(LONDON, device), sign(reading, signer)))
    return {device: signer.public_key for device, signer in signers.items()}, found


# --- the publisher, a program of its own -----------------------------------------------------


def _length(number: int) -> bytes:
    found = bytearray()
    while True:
        number, rest = divmod(number, 128)
        found.append(rest | (128 if number else 0))
        if not number:
            return bytes(found)


def write_packets(path: Path, published: list[Published]) -> None:
    """Write what the publisher sends, packet by packet."""
    packets = []
    for number, (where, payload) in enumerate(published):
        name = where.encode()
        mark = struct.pack("!H", number % 60_000 + 1)
        body = struct.pack("!H", len(name)) + name + mark + payload
        packet = b"\x32" + _length(len(body)) + body
        packets.append(struct.pack("!I", len(packet)) + packet)
    path.write_bytes(b"".join(packets))


def publish(port: int, path: Path) -> None:
    """Send packets, so many at a time, until the broker has acknowledged all of them."""
    packets = path.read_bytes()
    name = b"publisher"
    variable = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack("!H", len(name)) + name
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.sendall(b"\x10" + _length(len(variable)) + variable)
        wire.recv(4)
        at, under_way, rest = 0, 0, 0
        while at < len(packets) or under_way:
            batch = []
            while at < len(packets) and under_way < WINDOW:
                size = int.from_bytes(packets[at : at + 4], "big")
                batch.append(packets[at + 4 : at + 4 + size])
                at += 4 + size
                under_way += 1
            if batch:
                wire.sendall(b"".join(batch))
            # Each acknowledgement of the broker has four bytes.
            done, rest = divmod(rest + len(wire.recv(65_536)), 4)
            under_way -= done
        # Some brokers forget what a client said that is gone: it stays until it is told to go.
        sys.stdin.read()


# --- the service -----------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _embedded(port: int, *, is_wanted: bool) -> AsyncIterator[None]:
    if not is_wanted:
        yield
        return
    broker = EmbeddedBroker(Listener(port=port))
    await broker.open()
    yield
    await broker.close()


def _started(program: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(program, stdin=subprocess.PIPE)


async def _ingest(
    port: int, store: ReadingStore, rounds: int, attempt: int, *, is_embedded: bool
) -> Cost:
    """Let readings come in until all are stored."""
    keys, published = signed(rounds, attempt)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "packets"
        write_packets(path, published)
        done = asyncio.Event()
        count = 0

        def accepted(readings: Sequence[Reading]) -> None:
            nonlocal count
            count += len(readings)
            if count == len(published):
                done.set()

        community = Community(
            community=LONDON, key_of=keys.get, accepted=accepted, acknowledge_every_s=1.0
        )
        async with _embedded(port, is_wanted=is_embedded):
            ingest = Ingest(community, store, GmqttClient(Address(port=port)))
            await ingest.open()
            settle_memory()  # As a service does once it is open.
            start_s, start_cpu_s = time.monotonic(), time.process_time()
            program = [sys.executable, "-m", "benchmarks.ingest", str(port), str(path)]
            with _started(program) as publisher:
                try:
                    async with asyncio.timeout(WAIT_S):
                        await done.wait()
                    took_cpu_s = time.process_time() - start_cpu_s
                    took_s = time.monotonic() - start_s
                finally:
                    publisher.communicate(timeout=WAIT_S)
            await ingest.close()
    return Cost(MICRO * took_cpu_s / len(published), len(published) / took_s)


def best(work: Callable[[int], Cost]) -> Cost:
    """Return the cheapest of some attempts: what else the machine did is not our cost."""
    return min(work(attempt) for attempt in range(1, ATTEMPTS + 1))


def _sqlite(port: int, *, rounds: int = ROUNDS, is_embedded: bool = False) -> Cost:
    def once(attempt: int) -> Cost:
        with tempfile.TemporaryDirectory() as scratch:
            store = SqliteReadingStore(Path(scratch) / "readings.sqlite")
            found = asyncio.run(_ingest(port, store, rounds, attempt, is_embedded=is_embedded))
            store.close()
        return found

    return best(once)


def _postgres(port: int, conninfo: str) -> Cost:
    def once(attempt: int) -> Cost:
        store = PostgresReadingStore(conninfo, schema=f"attempt_{attempt}")
        found = asyncio.run(_ingest(port, store, ROUNDS, attempt, is_embedded=False))
        store.close()
        return found

    return best(once)


def verification_us() -> float:
    """Return what verifying and reading one message costs alone. [µs]"""
    keys, published = signed(2, 1)

    def work() -> None:
        for where, payload in published:
            read(payload, where, keys.get)

    return MICRO * min(cpu_s(work)[0] for _ in range(ATTEMPTS)) / len(published)


def costs() -> Iterator[tuple[str, float]]:
    """Yield what a reading costs on each broker and store, the cheapest of three. [CPU µs]"""
    yield "embedded, SQLite", _sqlite(free_port(), rounds=3, is_embedded=True).cpu_us
    with mosquitto(lambda _, port: PLAIN.format(port=port)) as (_, port, _):
        yield "Mosquitto, SQLite", _sqlite(port).cpu_us
        with postgres() as (_, conninfo):
            yield "Mosquitto, PostgreSQL", _postgres(port, conninfo).cpu_us


if __name__ == "__main__":
    publish(int(sys.argv[1]), Path(sys.argv[2]))
