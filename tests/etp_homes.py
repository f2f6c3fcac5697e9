"""Two homes of a running community, one with a battery that sells, one with an aggregator.

All of it as people do it: a founding file, members that join with their meters, keys drawn and
enrolled on the command line, nodes as programs of their own.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.deployment import DEPLOY
from tests.fleet import Home, Keyed, Member, administrator, join, now_of
from tests.servers import WAIT_S, free_port, until
from tests.serving import Service
from wattbay.adapters.mqtt.device import Device, Link, Registers
from wattbay.adapters.mqtt.outbox import Outbox
from wattbay.ids import CommunityId
from wattbay.kernel.clock import SystemClock
from wattbay.periods import MINUTE, Instant, instant

ISP_US = 5 * MINUTE
SPEED = "60"
BESS, BUYER = 101, 201
PRODUCT = "immediate"
HOME = Home("north", "supplier", "flat", CommunityId("elm-street"))
BILATERAL = """[product]
id = "immediate"
mechanism = "bilateral"
price_tick_nano_per_wh = 10
price_min_cents_per_kwh = 0
price_max_cents_per_kwh = 100
quantity_max_wh = 50_000
opens_before_hours = 12
closes_before_minutes = -5
deviations = "pooled"
"""
RUNS = """[[run]]
name = "initial"
after_hours = 0.05

[[run]]
name = "final"
after_hours = 0.10
"""


def a_founding(folder: Path) -> Path:
    """Return the example's founding file with a product in which batteries sell."""
    text = (DEPLOY / "community.toml").read_text(encoding="utf-8")
    before, _, after = text.partition("[product]")
    _, _, rest = after.partition("[[run]]")
    assert rest
    text = before.replace("isp_minutes = 15", "isp_minutes = 5") + BILATERAL + RUNS
    path = folder / "community.toml"
    path.write_text(text, encoding="utf-8")
    return path


def a_service(folder: Path) -> Service:
    """Return a service of such a community, a minute of it a second; it is to be started."""
    arguments = [str(a_founding(folder)), str(folder / "kept"), SPEED]
    settings = {
        "WATTBAY_HTTP__PORT": str(free_port()), "PYTHONPATH": str(DEPLOY.parent),
        "WATTBAY_HTTP__REQUESTS_PER_MINUTE": "1000000",
    }  # fmt: skip
    return Service(arguments, folder, settings, program=("tests.live.fast_community",))


class Homes(NamedTuple):
    """Who trades, and where their files are."""

    service: Service
    folder: Path
    admin: Keyed
    seller: Member
    buyer: Member
    nodes: list[Node]
    """Programs that trade; they end with the community."""

    def node(self, name: str, *arguments: str) -> Node:
        """Return a program that trades; it is to be started."""
        self.nodes.append(Node(self.folder, name, *arguments))
        return self.nodes[-1]

    def wattbay(self, *arguments: str) -> str:
        """Return what a command prints; it must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "wattbay", *arguments], cwd=self.folder, env=_environment(),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"$ wattbay {arguments}\n{done.stdout}{done.stderr}"
        return done.stdout

    def items(self, path: str, member: Member) -> list[dict[str, Any]]:
        """Return what a list of a member holds."""
        status, told = self.service.call(f"/api/v1{path}", headers=member.keyed.headers)
        assert status == 200, told
        found: list[dict[str, Any]] = told["items"]
        return found


@contextmanager
def two_homes(folder: Path) -> Iterator[Homes]:
    """Run a community in which two homes joined and enrolled, until the end of the block."""
    service = a_service(folder)
    service.start()
    nodes: list[Node] = []
    try:
        admin = administrator(service)
        seller, buyer = (
            join(service, admin, name, home=HOME, isp_us=ISP_US) for name in ("anna", "ben")
        )
        homes = Homes(service, folder, admin, seller, buyer, nodes)
        _enrol(homes)
        yield homes
    finally:
        for node in nodes:
            node.kill()
        service.kill()
    assert "Traceback" not in service.log, service.log


def _enrol(homes: Homes) -> None:
    """Draw keys, let both know each other, and enrol them as devices of their pods."""
    folder = homes.folder
    mine = homes.wattbay("etp", "keys", str(BESS), "--out", "battery.toml")
    theirs = homes.wattbay("etp", "keys", str(BUYER), "--out", "aggregator.toml")
    for file, peer in (("battery.toml", theirs), ("aggregator.toml", mine)):
        with (folder / file).open("a", encoding="utf-8") as out:
            out.write(peer)
    for file, device, kind, member in (
        ("battery.toml", BESS, "battery", homes.seller),
        ("aggregator.toml", BUYER, "aggregator", homes.buyer),
    ):
        key = folder / f"{member.name}.key"
        key.write_text(member.keyed.headers["X-API-Key"], encoding="utf-8")
        homes.wattbay(
            "device", "register", file, HOME.community, f"etp-{device}", "--kind", kind,
            "--pod", member.pod, "--to", homes.service.url, "--key-file", str(key),
        )  # fmt: skip


def _environment() -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1", "COLUMNS": "100", "TERM": "dumb"}


class Node:
    """A program that trades, and what it printed."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self._command = [sys.executable, "-m", "wattbay", "etp", *arguments]
        self._folder, self._file = folder, folder / f"{name}.txt"
        self._running: subprocess.Popen[bytes] | None = None

    def start(self, said: str = "") -> None:
        """Start it, and wait until it prints something."""
        self._file.write_bytes(b"")
        with self._file.open("ab") as out:
            self._running = subprocess.Popen(
                self._command, cwd=self._folder, env=_environment(), stdout=out, stderr=out
            )
        if said:
            until(lambda: said in self.printed or self.is_over, f"it says {said}")
            assert not self.is_over, self.printed

    @property
    def is_over(self) -> bool:
        """Tell whether it runs no more."""
        return self._running is None or self._running.poll() is not None

    @property
    def printed(self) -> str:
        """What it printed."""
        return self._file.read_text(encoding="utf-8")

    def kill(self) -> None:
        """End it at once, without a chance to tidy up."""
        if self._running is not None:
            self._running.kill()
            self._running.wait(WAIT_S)

    def stop(self) -> int:
        """Ask it to end; return its exit status."""
        assert self._running is not None
        if not self.is_over:
            self._running.send_signal(signal.SIGTERM)
        return self._running.wait(WAIT_S)


def a_battery(homes: Homes, port: int, url: str | None = None, *more: str) -> Node:
    """Return the node of the seller's battery."""
    return homes.node(
        "battery", "bess", str(BESS), "--keys", "battery.toml",
        "--service", url or homes.service.url, "--api-key-file", "anna.key",
        "--pod", homes.seller.pod, "--product", PRODUCT, "--port", str(port),
        "--level-kwh", "10", "--window-ms", "0", "--no-discovery", *more,
    )  # fmt: skip


def a_bidder(homes: Homes, port: int, *more: str) -> Node:
    """Return an aggregator that wants 400 Wh, and then ends."""
    return homes.node(
        "bidder", "aggregator", str(BUYER), "--keys", "aggregator.toml",
        "--battery", f"{BESS}@127.0.0.1:{port}", "--need-kwh", "0.4", "--lot-kwh", "0.4",
        "--pause-s", "0.5", "--folder", "bids", "--no-discovery", "--json", *more,
    )  # fmt: skip


# --- meters ----------------------------------------------------------------------------------


class Meters:
    """The meters of both homes, as devices on the service's broker."""

    def __init__(self, homes: Homes) -> None:
        link = Link(port=homes.service.mqtt_port, pause_first_s=0.05, resend_s=2.0)
        self._homes = homes
        self._outboxes, self.devices = [], []
        for member in (homes.seller, homes.buyer):
            outbox = Outbox(homes.folder / f"{member.device}.outbox")
            device = Device(
                community=HOME.community, device=member.device, signer=member.signer,
                outbox=outbox, clock=SystemClock(), link=link,
            )  # fmt: skip
            device.start()
            self._outboxes.append(outbox)
            self.devices.append(device)
        self._at = homes.seller.since

    def measure(self, sold_wh: dict[Instant, int], last: Instant) -> bool:
        """Measure what is due: the battery gives what it sold, and the buyer draws it.

        Return whether `last` was measured.
        """
        now = now_of(self._homes.service, self._homes.admin)
        while self._at <= min(now, last):
            through_wh = sum(
                quantity_wh for delivery, quantity_wh in sold_wh.items() if delivery < self._at
            )
            for device, registers in zip(
                self.devices, ((0, through_wh), (through_wh, 0)), strict=True
            ):
                device.measured(
                    Registers(
                        measured_at=self._at, import_register=registers[0],
                        export_register=registers[1],
                    )
                )  # fmt: skip
            self._at = Instant(self._at + ISP_US)
        return self._at > last

    def close(self) -> None:
        """Stop both."""
        for device, outbox in zip(self.devices, self._outboxes, strict=True):
            device.stop()
            outbox.close()


def sold_in(orders: list[dict[str, Any]]) -> dict[Instant, int]:
    """Return what was sold in each delivery, by the seller's orders."""
    found: Counter[Instant] = Counter()
    for order in orders:
        found[instant(order["delivery"])] += order["filled_wh"]
    return dict(found)


# --- what may die in between -----------------------------------------------------------------


class Between:
    """Stands between a node and its service, sees each request, and may keep back its answer."""

    def __init__(self, port: int, passes: Callable[[bytes, bytes], bool]) -> None:
        """Stand before a port of the loopback.

        Parameters
        ----------
        passes
            Hears the request and its answer, and tells whether that is passed on.
        """
        self._port, self._passes = port, passes
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller, suppress(OSError):
            request = _message(caller)
            with socket.create_connection(("127.0.0.1", self._port), WAIT_S) as there:
                there.sendall(request)
                answer = _message(there)
            if answer and self._passes(request, answer):
                caller.sendall(answer)

    def close(self) -> None:
        """Let nobody in any more."""
        self._socket.close()


def _message(source: socket.socket) -> bytes:
    """Return one whole message of HTTP/1.1 with a length."""
    found = b""
    while b"\r\n\r\n" not in found:
        if not (more := source.recv(65_536)):
            return b""
        found += more
    head, _, body = found.partition(b"\r\n\r\n")
    lengths = [
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    while len(body) < sum(lengths):
        if not (more := source.recv(65_536)):
            return b""
        body += more
    return head + b"\r\n\r\n" + body
