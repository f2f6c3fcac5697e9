"""What a single order costs over REST: a real server, real sockets, logs and metrics, a journal.

The service is a program of its own: uvicorn with uvloop and httptools, the intake, a journal in
SQLite that is durable, a history in memory; each request is checked and counted, and leaves a line
of JSON in a log file. This process sends orders over kept-alive connections and asks the service
for its CPU time before and after.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog
import uvicorn

from tests.api_node import MIDNIGHT, a_node
from tests.builders import a_product
from tests.servers import free_port, is_open, until
from wattbay.adapters.api.app import create_app
from wattbay.kernel.intake import LiveIntake
from wattbay.kernel.journal import SqliteJournal
from wattbay.periods import MINUTE, Instant, to_text

ORDERS = 4_000
WARM_UP = 500
WAITING_MAX = 10_000
MICRO = 1e6
PODS = 6
DELIVERIES = 48
ATTEMPTS = 3
CONNECTIONS = 16


class Cost(NamedTuple):
    """What so many orders took."""

    cpu_us: float
    """Of the service, an order. [µs]"""
    per_s: float
    """Orders a second, by the clock on the wall."""


# --- the service, a program of its own -------------------------------------------------------


async def serve(port: int, folder: Path) -> None:
    """Serve until this program is ended."""
    log = (folder / "service.log").open("w", encoding="utf-8")
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_serialized),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=log),
        cache_logger_on_first_use=True,
    )
    product = a_product(orders_per_pod_max=1_000_000)
    bench = a_node(journal=SqliteJournal(folder / "journal.sqlite"), product=product)
    intake = LiveIntake(bench.kernel, bench.clock, WAITING_MAX)
    app = create_app(replace(bench.node, submit=intake.submit))
    (folder / "keys").write_text(
        "\n".join(bench.token(f"p{number:02d}") for number in range(1, PODS + 1)), encoding="utf-8"
    )
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
    )
    running = asyncio.create_task(intake.run())
    threading.Thread(target=_tell_cpu, daemon=True).start()
    await uvicorn.Server(config).serve()
    running.cancel()


def _serialized(event: object, **_: object) -> str:
    return msgspec.json.encode(event).decode()


def _tell_cpu() -> None:
    """Say how much CPU time this program took, whenever a line comes."""
    for _ in sys.stdin:
        print(time.process_time(), flush=True)


# --- who orders ------------------------------------------------------------------------------


def requests(count: int, keys: list[str], port: int, *, is_keyed: bool) -> list[bytes]:
    """Return so many orders, as they are sent."""
    found = []
    for number in range(count):
        pod = number % PODS + 1
        body = msgspec.json.encode(
            {
                "pod": f"h{pod:02d}",
                "product": "halfhour",
                "delivery": to_text(Instant(MIDNIGHT + 30 * MINUTE * (number % DELIVERIES))),
                "side": "buy" if number % 2 else "sell",
                "quantity_wh": 100 + number % 50,
                "limit_nano_per_wh": 100_000 + 10 * (number % 1_000),
            }
        )
        key = f"Idempotency-Key: order-{number}\r\n" if is_keyed else ""
        head = (
            f"POST /api/v1/orders HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {keys[pod - 1]}\r\n{key}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        found.append(head.encode() + body)
    return found


async def _send(port: int, waiting: Iterator[bytes]) -> None:
    """Send orders one after the other over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in waiting:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 201"):
            raise RuntimeError(head.decode())
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
    writer.close()
    await writer.wait_closed()


async def _order(port: int, sent: list[bytes], connections: int) -> None:
    waiting = iter(sent)
    await asyncio.gather(*(_send(port, waiting) for _ in range(connections)))


def cost(connections: int, *, is_keyed: bool = True) -> Cost:
    """Return what an order costs the service, the cheapest of some attempts."""
    return min(_attempt(connections, is_keyed=is_keyed) for _ in range(ATTEMPTS))


def _attempt(connections: int, *, is_keyed: bool) -> Cost:
    port = free_port()
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "benchmarks.api", str(port), scratch]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as service:
            until(lambda: is_open(port), "the service listens")
            keys = (Path(scratch) / "keys").read_text(encoding="utf-8").split()
            sent = requests(WARM_UP + ORDERS, keys, port, is_keyed=is_keyed)
            asyncio.run(_order(port, sent[:WARM_UP], connections))
            before_s, start_s = _cpu_of(service), time.monotonic()
            asyncio.run(_order(port, sent[WARM_UP:], connections))
            took_cpu_s = _cpu_of(service) - before_s
            took_s = time.monotonic() - start_s
            service.terminate()
            service.communicate(timeout=30)
    return Cost(MICRO * took_cpu_s / ORDERS, ORDERS / took_s)


def costs() -> Iterator[tuple[str, Cost]]:
    """Yield what an order costs where many connections share a durable write, and alone."""
    yield f"{CONNECTIONS} connections", cost(CONNECTIONS)
    yield "one connection", cost(1)


def _cpu_of(service: subprocess.Popen[str]) -> float:
    if service.stdin is None or service.stdout is None:
        raise RuntimeError("the service has no pipes")
    service.stdin.write("\n")
    service.stdin.flush()
    return float(service.stdout.readline())


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
