"""The other ends of `etp_links`: who asks a battery, who listens, and a hundred batteries."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from functools import partial
from itertools import count
from random import Random
from typing import cast

import uvloop

from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.auctions import Rules
from wattbay.adapters.etp.bess import Bess
from wattbay.adapters.etp.envelope import Identity, Key, Opener, Scheme, Sealer, key_of
from wattbay.adapters.etp.frames import Frames, framed
from wattbay.adapters.etp.link import Guard
from wattbay.adapters.etp.messages import Kind, RejectCode, decode, encode
from wattbay.adapters.etp.node import BessNode, NoDesk
from wattbay.adapters.etp.seller import Seller
from wattbay.kernel.clock import MonotonicClock, SystemClock
from wattbay.periods import Instant

BATTERY, FLEET, BUYERS = 100, 1_000, 10_000
"""The device ids of the battery that is asked, of a fleet, and of those who ask, from here on."""
DEVICES_MAX = 300
"""So many of each have keys."""
TICK_S = 0.02


def an_identity(device: int, scheme: Scheme) -> Identity:
    """Return who a device is."""
    return Identity(device, scheme, device.to_bytes(32, "big"))


def keys(scheme: Scheme) -> dict[int, Key]:
    """Return everybody's keys."""
    devices = [BATTERY]
    devices += [first + place for first in (FLEET, BUYERS) for place in range(DEVICES_MAX)]
    return {device: key_of(an_identity(device, scheme)) for device in devices}


def a_guard(device: int, scheme: Scheme | None, known: dict[int, Key] | None = None) -> Guard:
    """Return how a device proves itself; plain where there is no scheme."""
    if scheme is None:
        return Guard(allows_plain=True)
    utc = SystemClock().now
    opener = Opener(device, keys(scheme) if known is None else known, utc)
    return Guard(opener, Sealer(an_identity(device, scheme), utc))


def scheme_of(name: str) -> Scheme | None:
    """Return the scheme of a name."""
    return None if name == "plain" else Scheme[name]


def say(what: object) -> None:
    """Tell whoever started us."""
    print(json.dumps(what), flush=True)


# --- who asks -------------------------------------------------------------------------------------


class Asker(asyncio.Protocol):
    """Asks and bids by turns, so many times, and counts the answers; looks at none of them."""

    def __init__(self, device: int, scheme: Scheme | None, total: int, window: int) -> None:
        """Begin with the Register that a link in envelopes needs."""
        self._device, self._total, self._window = device, total, window
        self._sealer = a_guard(device, scheme, {}).sealer
        self._frames = Frames()
        self._sent = self.answers = -1
        self.is_up = asyncio.get_running_loop().create_future()
        self.is_done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register."""
        # uvloop's transports speak like asyncio's, and do not descend from them.
        self._transport = cast("asyncio.Transport", transport)
        self._write(m.register(1, self._device))

    def _write(self, *messages: m.Message) -> None:
        sealer = self._sealer
        frames = [encode(one) for one in messages]
        if sealer is not None:
            frames = [sealer.seal(one, BATTERY) for one in frames]
        self._transport.write(b"".join(map(framed, frames)))
        self._sent += len(messages)

    def go(self) -> None:
        """Send as much as may be on its way."""
        left = min(self._window - (self._sent - self.answers), self._total - self._sent)
        if left > 0:
            self._write(*(self._message(self._sent + place) for place in range(left)))

    def _message(self, number: int) -> m.Message:
        if number % 2:
            # Too little for that battery: its refusal is remembered.
            return m.bid(number + 2, self._device, 10, 1)
        return m.query(number + 2, self._device)

    def data_received(self, data: bytes) -> None:
        """Count answers, and go on."""
        for _ in self._frames.feed(data):
            self.answers += 1
        if self.answers == 0 and not self.is_up.done():
            self.is_up.set_result(None)
        elif self._sent - self.answers <= self._window // 2:
            self.go()
        if self.answers == self._total and not self.is_done.done():
            self.is_done.set_result(None)


def _itself(asker: Asker) -> Asker:
    return asker


async def question(port: int, scheme: Scheme | None, total: int, links: int, window: int) -> None:
    """Let some callers ask, each so many times."""
    loop = asyncio.get_running_loop()
    askers = []
    for place in range(links):
        asker = Asker(BUYERS + place, scheme, total, window)
        await loop.create_connection(partial(_itself, asker), "127.0.0.1", port)
        askers.append(asker)
    await asyncio.gather(*(one.is_up for one in askers))
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    for one in askers:
        one.go()
    await asyncio.gather(*(one.is_done for one in askers))
    say({"answers": sum(one.answers for one in askers)})


# --- who listens ----------------------------------------------------------------------------------


async def listen(port: int) -> None:
    """Say hello, read nothing until told, and tell when a failure is heard, and behind how many."""
    loop, frames, before = asyncio.get_running_loop(), Frames(), 0
    with socket.socket() as sock:
        # What the system takes for us cannot be overtaken.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.connect(("127.0.0.1", port))
        sock.sendall(framed(encode(m.query(1, BUYERS))))
        sock.settimeout(0)
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        while True:
            for payload in frames.feed(await loop.sock_recv(sock, 65_536)):
                kind = decode(payload).message_type
                if kind == Kind.DEVICE_FAILURE:
                    say({"heard_us": time.monotonic_ns() // 1_000, "before": before})
                    await asyncio.to_thread(sys.stdin.readline)
                    return
                before += kind == Kind.BESS_STATUS


# --- a fleet --------------------------------------------------------------------------------------


def refused(bidder: int, price: int, energy_wh: int) -> RejectCode | None:
    """Let the market refuse some bids, so that there are rejections as well."""
    del bidder, energy_wh
    return RejectCode.MARKET_REFUSED if price % 4_000 < 1_000 else None


class Fleet:
    """Batteries that sell, recharge, tell how they are, and fail now and then."""

    def __init__(self, batteries: int, scheme: Scheme | None) -> None:
        """Put them together."""
        self._clock, known = MonotonicClock(), {} if scheme is None else keys(scheme)
        self.nodes = [
            BessNode(
                Seller(
                    Bess(device_id=FLEET + place, capacity_wh=5_000, reserve_price=110_000),
                    Rules(), Random(place), count(1).__next__, refused,
                ),
                NoDesk(),
                a_guard(FLEET + place, scheme, known),
            )
            for place in range(batteries)
        ]  # fmt: skip
        self.failed_us: dict[int, list[Instant]] = {}

    async def live(self) -> None:
        """Let them be, each doing something once a second."""
        per_tick = max(1, round(len(self.nodes) * TICK_S))
        for tick in count():
            for node in self.nodes:
                node.seller.bess.level_wh = 4_000.0
            for place in range(per_tick):
                node = self.nodes[(tick * per_tick + place) % len(self.nodes)]
                node.seller.bess.is_online = True
                node.tell_status()
            if tick % 10 == 0 and list(node.linked):
                self.failed_us.setdefault(node.device_id, []).append(self._clock.now())
                node.fail(2)
                node.seller.bess.is_online = True
            await asyncio.sleep(TICK_S)

    def late(self) -> int:
        """Return how many answers were late."""
        return sum(sum(node.timings.late) for node in self.nodes)


async def at_work(batteries: int, scheme: Scheme | None) -> None:
    """Let a fleet sell until we are told that it is enough."""
    fleet = Fleet(batteries, scheme)
    say([(one.device_id, (await one.open("127.0.0.1")).port) for one in fleet.nodes])
    living = asyncio.create_task(fleet.live())
    await asyncio.to_thread(sys.stdin.readline)
    living.cancel()
    await asyncio.sleep(0.5)
    say({"late": fleet.late(), "failed_us": fleet.failed_us})
    await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["question", port, scheme, total, links, window]:
            uvloop.run(question(int(port), scheme_of(scheme), int(total), int(links), int(window)))
        case ["listen", port]:
            uvloop.run(listen(int(port)))
        case ["batteries", number, scheme]:
            uvloop.run(at_work(int(number), scheme_of(scheme)))
        case _:
            sys.exit(__doc__)
