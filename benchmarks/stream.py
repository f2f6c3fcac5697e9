"""What the stream costs: many clients of one topic, and a reading from the meter to a client.

The server is this process, with uvicorn as it is set for the stream. The clients are another one:
they speak the protocol over sockets of their own and look no further into most messages. CPU time
is the server's, and what counts: how late messages are depends on what else the machine does.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import uvicorn
import uvloop

from benchmarks.machine import description
from tests.api_node import LOGINS, TOWN, Bench, a_node
from tests.builders import EVE
from tests.servers import free_port, mosquitto, until_async
from wattbay.adapters.api.stream.hub import Hub
from wattbay.adapters.api.stream.route import UVICORN, attach
from wattbay.adapters.api.stream.sources import Sources
from wattbay.adapters.api.stream.streams import Streams
from wattbay.adapters.api.stream.topics import EVERYBODY, Kind
from wattbay.adapters.mqtt.embedded import EmbeddedBroker, Listener
from wattbay.adapters.mqtt.ingest import Community, Ingest
from wattbay.adapters.mqtt.keys import Ed25519Signer
from wattbay.adapters.mqtt.readings import sign, topic
from wattbay.adapters.mqtt.service import Address, GmqttClient
from wattbay.adapters.stores.sqlite import SqliteReadingStore
from wattbay.ids import MeterId
from wattbay.kernel.clock import SystemClock
from wattbay.kernel.evidence import Reading
from wattbay.periods import instant

CLIENTS = 1_000
UPDATES = 100
UPDATES_PER_S = 10.0
DEVICES = 1_000
READINGS_PER_S = 1_000
READINGS_S = 8.0
SETTLING_S = 2.0
"""Of which the first are not counted."""
ATTEMPTS = 3
WAIT_S = 120.0
MICRO, MILLI = 1e6, 1e3
PLAIN = """
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 100000
"""


class Heard(NamedTuple):
    """What clients heard."""

    messages: int
    late_ms: list[float]


class Fanned(NamedTuple):
    """What telling everybody took."""

    cpu_us: float
    """Of the server, a message of one client. [µs]"""
    cpu_share: float
    """Of one core, at this pace."""
    p50_ms: float
    p99_ms: float
    """How late a client has a message. [ms]"""
    delivered: int


class Told(NamedTuple):
    """How long readings took from the meter to a client. [ms]"""

    p99_ms: float
    p50_ms: float
    cpu_us: float
    """Of the server and what else runs in its process, a reading. [µs]"""
    readings: int


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of all is."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# --- the server ------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def serving(port: int) -> AsyncIterator[tuple[Bench, Hub, Streams]]:
    """Serve a small community with its stream."""
    bench = a_node()
    node = bench.node
    hub = Hub(Sources(state=node.state, history=node.history, latest=node.latest), "e", EVE)
    streams = attach(bench.app, hub)
    config = uvicorn.Config(
        bench.app, host="127.0.0.1", port=port, log_level="warning", loop="none", backlog=4_096,
        **UVICORN,
    )  # fmt: skip
    server = uvicorn.Server(config)
    tasks = [asyncio.create_task(server.serve()), asyncio.create_task(streams.run())]
    await until_async(lambda: server.started, "the server starts")
    yield bench, hub, streams
    tasks[1].cancel()
    server.should_exit = True
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def program(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a part of this file as a program of its own."""
    command = [sys.executable, "-m", "benchmarks.stream", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        try:
            yield started
        finally:
            started.kill()


def _update(hub: Hub, number: int) -> None:
    """Tell everybody some 390 bytes."""
    body = {"sent_us": time.time_ns() // 1_000, "filler": "x" * 245}
    key = "halfhour/2013-06-10T00:00Z"
    hub.board.say(Kind.PRICES, EVERYBODY, "price", lambda: body, at=EVE, entry=number, key=key)


async def fan_out() -> Fanned:
    """Tell a thousand clients ten updates a second."""
    port = free_port()
    async with serving(port) as (bench, hub, streams):
        tokens = ",".join(bench.token(login) for login in LOGINS)
        arguments = ("listen", str(port), str(CLIENTS), str(UPDATES), "prices", tokens)
        with program(*arguments) as clients:
            await until_async(lambda: len(streams) == CLIENTS, "all have come", wait_s=WAIT_S)
            await until_async(
                lambda: all(len(one.topics) == 1 for one in streams.sessions), "all listen"
            )
            loop = asyncio.get_running_loop()
            await asyncio.sleep(1.0)
            start_s, start_cpu_s = loop.time(), time.process_time()
            for number in range(UPDATES):
                await asyncio.sleep(max(0.0, start_s + number / UPDATES_PER_S - loop.time()))
                _update(hub, number)
            await asyncio.sleep(max(0.0, start_s + UPDATES / UPDATES_PER_S - loop.time()))
            took_s, took_cpu_s = loop.time() - start_s, time.process_time() - start_cpu_s
            said = await asyncio.to_thread(_answer, clients)
    return Fanned(
        MICRO * took_cpu_s / max(1, said.messages),
        took_cpu_s / took_s,
        percentile(said.late_ms, 0.5),
        percentile(said.late_ms, 0.99),
        said.messages,
    )


def _answer(clients: subprocess.Popen[bytes]) -> Heard:
    """Return what a program of clients says once all have heard all."""
    said = json.loads(clients.stdout.readline()) if clients.stdout else {}
    return Heard(said["messages"], said["late_ms"])


async def meter_to_client(broker_port: int, *, is_embedded: bool) -> Told:
    """Let a thousand meters publish once a second each, and one client hear all of them."""
    signers = {MeterId(f"m{number:04d}"): signer(number) for number in range(DEVICES)}
    keys = {device: one.public_key for device, one in signers.items()}
    total = int(READINGS_PER_S * READINGS_S)
    port = free_port()
    with tempfile.TemporaryDirectory() as scratch:
        store = SqliteReadingStore(Path(scratch) / "readings.sqlite")
        async with serving(port) as (bench, hub, _), _broker(broker_port, is_wanted=is_embedded):

            def accepted(readings: Sequence[Reading]) -> None:
                for reading in readings:  # Each is told, though one of its device follows.
                    bench.latest.readings[reading.device] = reading
                    hub.readings((reading,))

            community = Community(
                community=TOWN, key_of=keys.get, accepted=accepted, acknowledge_every_s=1.0
            )
            ingest = Ingest(community, store, GmqttClient(Address(port=broker_port)))
            await ingest.open()
            listener = ("listen", str(port), "1", str(total), "readings", bench.token("boss"))
            with program(*listener) as client:
                await until_async(lambda: hub.board.has_any(Kind.READINGS), "somebody listens")
                start_cpu_s = time.process_time()
                with program("publish", str(broker_port), str(total)):
                    said = await asyncio.to_thread(_answer, client)
                took_cpu_s = time.process_time() - start_cpu_s
            await ingest.close()
        store.close()
    late_ms = said.late_ms[int(READINGS_PER_S * SETTLING_S) :]
    return Told(
        percentile(late_ms, 0.99),
        percentile(late_ms, 0.5),
        MICRO * took_cpu_s / max(1, said.messages),
        said.messages,
    )


@contextlib.asynccontextmanager
async def _broker(port: int, *, is_wanted: bool) -> AsyncIterator[None]:
    if not is_wanted:
        yield
        return
    broker = EmbeddedBroker(Listener(port=port))
    await broker.open()
    yield
    await broker.close()


def fanned() -> Fanned:
    """Return the cheapest of some attempts at telling everybody: the rest was other work."""
    return min(uvloop.run(fan_out()) for _ in range(ATTEMPTS))


def told() -> Iterator[tuple[str, Told]]:
    """Yield how long readings took by broker: the best of some attempts."""
    yield (
        "embedded broker",
        min(uvloop.run(meter_to_client(free_port(), is_embedded=True)) for _ in range(ATTEMPTS)),
    )
    with mosquitto(lambda _, port: PLAIN.format(port=port)) as (_, port, _):
        yield (
            "Mosquitto",
            min(uvloop.run(meter_to_client(port, is_embedded=False)) for _ in range(ATTEMPTS)),
        )


# --- the meters, a program of their own ------------------------------------------------------


def signer(number: int) -> Ed25519Signer:
    """Return the key of a meter."""
    return Ed25519Signer(number.to_bytes(32, "big"))


def packet(device: MeterId, one: Ed25519Signer, number: int, mark: int) -> bytes:
    """Return a reading of this moment, signed, as it is published."""
    at = SystemClock().now()
    reading = Reading(TOWN, device, at, number, at, 48_000 + number, 9_120, 0, -400, None, b"")
    name = topic(TOWN, device)
    body = len(name).to_bytes(2, "big") + name.encode() + mark.to_bytes(2, "big")
    body += sign(reading, one)
    size = len(body)
    length = bytes((size,)) if size < 128 else bytes((size & 127 | 128, size >> 7))
    whole: bytes = b"\x32" + length + body
    return whole


async def publish(port: int, total: int) -> None:
    """Publish readings at their pace, whatever the broker says to it."""
    devices = [(MeterId(f"m{number:04d}"), signer(number)) for number in range(DEVICES)]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    name = b"meters"
    hello = b"\x00\x04MQTT\x04\x02\x00\x00" + len(name).to_bytes(2, "big") + name
    writer.write(b"\x10" + bytes((len(hello),)) + hello)
    await reader.readexactly(4)
    drained = asyncio.create_task(reader.read(-1))
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    for number in range(total):
        wait_s = start_s + number / READINGS_PER_S - loop.time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        device, one = devices[number % DEVICES]
        writer.write(packet(device, one, number // DEVICES + 1, number % 60_000 + 1))
    # Some brokers forget what a client said that is gone: it stays until it is told to go.
    await asyncio.to_thread(sys.stdin.read)
    drained.cancel()


# --- clients, a program of their own ---------------------------------------------------------


class Client(asyncio.BufferedProtocol):
    """Speaks as much of the protocol as is needed to count messages."""

    def __init__(self, request: bytes, wish: bytes, *, is_looking: bool) -> None:
        """Ask for one topic.

        Parameters
        ----------
        is_looking
            Whether messages are read, and not only counted.
        """
        self._request = request
        self._wish = wish
        self._is_looking = is_looking
        self._received = bytearray(65_536)
        self._buffer = b""
        self._is_up = False
        self.messages = 0
        self.late_ms: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Shake hands."""
        self._transport = transport
        transport.write(self._request)  # type: ignore[attr-defined] # of every TCP transport

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where to put what comes."""
        del sizehint
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        """Count what came."""
        now_us = time.time_ns() // 1_000
        buffer = self._buffer + self._received[:nbytes]
        if not self._is_up:
            head, found, buffer = buffer.partition(b"\r\n\r\n")
            if not found:
                self._buffer = head
                return
            if b" 101 " not in head[:20]:
                raise SystemExit(head.decode())
            self._is_up = True
            self._transport.write(self._wish)  # type: ignore[attr-defined] # likewise
        at = 0
        while len(buffer) - at >= 2:
            size, begins = buffer[at + 1] & 127, at + 2
            if size == 126:
                size, begins = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, begins = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
            if len(buffer) < begins + size:
                break
            if buffer[at] & 15 == 1:
                self._text(buffer[begins : begins + size], now_us)
            at = begins + size
        self._buffer = buffer[at:]

    def _text(self, text: bytes, now_us: int) -> None:
        if b'"type":"price"' in text[:160]:
            self.messages += 1
            if self._is_looking:
                sent_us = json.loads(text)["data"]["sent_us"]
                self.late_ms.append((now_us - sent_us) / MILLI)
        elif b'"type":"reading"' in text[:160]:
            self.messages += 1
            sent_us = instant(json.loads(text)["data"]["measured_at"])
            self.late_ms.append((now_us - sent_us) / MILLI)


def framed(text: bytes) -> bytes:
    """Return a client's text frame, with a mask that changes nothing."""
    size = len(text)
    length = bytes((128 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + text


def request(port: int, token: str) -> bytes:
    """Return a client's handshake."""
    key = base64.b64encode(bytes(16)).decode()
    return (
        f"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()


def _given(client: Client) -> Client:
    return client


async def listen(port: int, count: int, messages: int, name: str, tokens: Sequence[str]) -> None:
    """Let clients hear a topic until each has so many messages; then tell how it was."""
    loop = asyncio.get_running_loop()
    wish = framed(json.dumps({"op": "subscribe", "topics": [{"topic": name}]}).encode())
    clients: list[Client] = []
    for number in range(count):
        client = Client(
            request(port, tokens[number % len(tokens)]), wish, is_looking=number % 20 == 0
        )
        await loop.create_connection(partial(_given, client), "127.0.0.1", port)
        clients.append(client)
    deadline_s = loop.time() + WAIT_S
    await until_async(
        lambda: loop.time() > deadline_s or all(one.messages >= messages for one in clients),
        "everybody has heard all",
        wait_s=2 * WAIT_S,
    )
    late_ms = [late for one in clients for late in one.late_ms]
    total = sum(one.messages for one in clients)
    print(json.dumps({"messages": total, "late_ms": late_ms}), flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["listen", port, count, messages, name, tokens]:
            uvloop.run(listen(int(port), int(count), int(messages), name, tokens.split(",")))
        case ["publish", port, total]:
            uvloop.run(publish(int(port), int(total)))
        case _:
            print(description())
            print(f"{CLIENTS} clients, {UPDATES_PER_S:.0f} updates a second: {fanned()}")
            for what, how in told():
                print(f"{READINGS_PER_S} readings a second, {what}: {how}")
