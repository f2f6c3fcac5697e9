"""Batteries and their peers on the loopback, for tests of links."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import count
from random import Random
from typing import Any, Self, TypeVar

import pytest
import uvloop

from tests.servers import WAIT_S
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.auctions import Conclude, Rules
from wattbay.adapters.etp.bess import Bess
from wattbay.adapters.etp.envelope import Identity, Key, Opener, Scheme, Sealer, key_of
from wattbay.adapters.etp.frames import Frames, framed
from wattbay.adapters.etp.link import Guard, Link
from wattbay.adapters.etp.messages import Message, decode, encode
from wattbay.adapters.etp.node import Address, BessNode, Desk, NoDesk
from wattbay.adapters.etp.seller import Seller
from wattbay.adapters.etp.telling import Happening
from wattbay.kernel.clock import Clock, SimulatedClock, SystemClock
from wattbay.periods import Instant

T = TypeVar("T")

BATTERY, BUYER, OTHER = 123, 201, 202
QUERY = m.query(456, 789)
BID = m.bid(457, 789, 18, 10)
CONFIRM = m.bid_confirm(457, 789, 18, 10)
Run = Callable[[Coroutine[Any, Any, None]], None]
PLAIN = Guard(allows_plain=True)
CALLERS: list[Peer] = []
"""Who is to leave at the end of a scene."""


async def _whole(scene: Coroutine[Any, Any, None]) -> None:
    """Play a scene to its end, and let everybody leave."""
    try:
        await scene
    finally:
        while CALLERS:
            await CALLERS.pop().leave()


LOOPS: dict[str, Run] = {
    "asyncio": lambda scene: asyncio.run(_whole(scene)),
    "uvloop": lambda scene: uvloop.run(_whole(scene)),
}
on_both_loops = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)
SEEDS = {device: bytes([device % 251]) * 32 for device in (BATTERY, BUYER, OTHER)}


def an_identity(device: int, scheme: Scheme = Scheme.ED25519) -> Identity:
    return Identity(device, scheme, SEEDS[device])


def keys(scheme: Scheme = Scheme.ED25519) -> dict[int, Key]:
    return {device: key_of(an_identity(device, scheme)) for device in SEEDS}


def a_guard(device: int, scheme: Scheme = Scheme.ED25519, *, allows_plain: bool = False) -> Guard:
    """Return what a device has that knows everybody's keys."""
    utc = SystemClock().now
    opener = Opener(device, keys(scheme), utc)
    return Guard(opener, Sealer(an_identity(device, scheme), utc), allows_plain)


def a_clock() -> SimulatedClock:
    return SimulatedClock(Instant(1_000_000_000))


def a_seller(
    device: int = BATTERY, rules: Rules | None = None, *, capacity_wh: int = 100_000
) -> Seller:
    """Return a battery that is four fifths full, half of it for sale at 15 ¢/kWh or more."""
    bess = Bess(device_id=device, capacity_wh=capacity_wh, reserve_price=150_000)
    return Seller(bess, rules or Rules(), Random(device), count(1).__next__)


def a_node(
    *,
    seller: Seller | None = None,
    desk: Desk | None = None,
    guard: Guard = PLAIN,
    clock: Clock | None = None,
    tell: Callable[[Happening], None] | None = None,
) -> BessNode:
    return BessNode(
        seller or a_seller(), desk or NoDesk(), guard, clock=clock, tell=tell
    )  # fmt: skip


class SlowDesk:
    """A market that answers when it is told to."""

    def __init__(self, *, takes: bool = True) -> None:
        self.told: list[Conclude] = []
        self.takes = takes
        self.may_answer = asyncio.Event()
        self.fault: Exception | None = None

    async def conclude(self, bess: int, sale: Conclude) -> int | None:
        del bess
        self.told.append(sale)
        number = len(self.told)
        await self.may_answer.wait()
        if self.fault is not None:
            raise self.fault
        return number if self.takes else None


class Peer:
    """Somebody who writes frames and reads them, as another implementation would."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._frames = Frames()
        self._heard: list[bytes] = []
        CALLERS.append(self)

    @classmethod
    async def at(cls, address: Address, *, takes_bytes: int | None = None) -> Self:
        """Call a node.

        Parameters
        ----------
        takes_bytes
            How much the system takes for a peer that does not read, about.
        """
        sock = socket.socket()
        sock.setblocking(False)
        if takes_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, takes_bytes)
        await asyncio.get_running_loop().sock_connect(sock, address)
        limit = 65_536 if takes_bytes is None else 1_024
        return cls(*await asyncio.open_connection(sock=sock, limit=limit))

    def say(self, *messages: Message | bytes) -> None:
        """Send messages, or what stands in their place."""
        for one in messages:
            self._writer.write(one if isinstance(one, bytes) else framed(encode(one)))

    async def drained(self) -> None:
        """Return once the system takes more of what is said."""
        await self._writer.drain()

    async def payload(self) -> bytes:
        """Return the next frame that comes, without its length."""
        while not self._heard:
            async with asyncio.timeout(WAIT_S):
                data = await self._reader.read(65_536)
            if not data:
                raise EOFError
            self._heard += self._frames.feed(data)
        return self._heard.pop(0)

    async def hear(self) -> Message:
        """Return the next message that comes."""
        return decode(await self.payload())

    async def asked(self, message: Message) -> Message:
        """Send a message, and return what comes next."""
        self.say(message)
        return await self.hear()

    async def is_let_go(self) -> bool:
        """Tell that the other end closed; whatever it said before is passed over."""
        try:
            while True:
                await self.payload()
        except (EOFError, ConnectionError):
            return True

    async def leave(self) -> None:
        """Go without a word."""
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()


class SealedPeer(Peer):
    """The same in envelopes."""

    def seal_as(self, guard: Guard, to: int = BATTERY) -> None:
        self._guard, self._to = guard, to

    def envelope(self, message: Message) -> bytes:
        """Return a message as it is sent."""
        assert self._guard.sealer
        return framed(self._guard.sealer.seal(encode(message), self._to))

    def say(self, *messages: Message | bytes) -> None:
        super().say(*(one if isinstance(one, bytes) else self.envelope(one) for one in messages))

    async def hear(self) -> Message:
        assert self._guard.opener
        return self._guard.opener.open(await self.payload()).message


async def a_sealed_peer(
    address: Address, device: int = BUYER, scheme: Scheme = Scheme.ED25519
) -> SealedPeer:
    """Call a node in envelopes, and wait until it has greeted."""
    peer = await SealedPeer.at(address)
    peer.seal_as(a_guard(device, scheme))
    assert (await peer.asked(m.register(1, device))).message_type == m.Kind.REGISTER
    return peer


def links_of(node: BessNode) -> list[Link]:
    """Return a node's links, for what is nobody else's business."""
    return list(node._links)  # noqa: SLF001 - what waits on a link is told to nobody
