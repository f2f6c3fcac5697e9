"""A battery on the network: a TCP server for many aggregators, around its auctions."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NamedTuple, Protocol

from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.amounts import kwh
from wattbay.adapters.etp.auctions import Broadcast, Conclude, Effect, Send, Told
from wattbay.adapters.etp.link import Guard, Link, Timings, finish_all
from wattbay.adapters.etp.messages import Message
from wattbay.adapters.etp.seller import Seller
from wattbay.adapters.etp.telling import Happening
from wattbay.kernel.clock import Clock, MonotonicClock
from wattbay.periods import SECOND

LINKS_MAX = 1_000
"""Links of a battery, at most."""
DEVICES_MAX = 100
"""Devices that speak over one of them: on a plain link anybody may say to be anybody."""
SWEEP_S = 1.0
"""How often links are looked through for half frames. [s]"""


class Desk(Protocol):
    """Where confirmed sales become history."""

    async def conclude(self, bess: int, sale: Conclude) -> int | None:
        """Return the entry of a sale; None if the market does not take it.

        Raises
        ------
        JournalError, AdapterError
            If it cannot be known what became of it.
        """


class NoDesk:
    """A desk without a market: it counts sales, and takes them all."""

    def __init__(self) -> None:
        """Begin with no sale."""
        self.sold: list[tuple[int, Conclude]] = []

    async def conclude(self, bess: int, sale: Conclude) -> int | None:
        """Take a sale as the next one."""
        self.sold.append((bess, sale))
        return len(self.sold)


class Address(NamedTuple):
    """Where a node listens."""

    host: str
    port: int


class BessNode:
    """A battery that sells over TCP, from `open` to `close`."""

    def __init__(
        self,
        seller: Seller,
        desk: Desk,
        guard: Guard,
        *,
        clock: Clock | None = None,
        tell: Callable[[Happening], None] | None = None,
    ) -> None:
        """Put a node together; nobody is heard yet.

        Parameters
        ----------
        clock
            Never goes back; otherwise the machine's.
        tell
            Hears what happens in auctions.
        """
        self.seller = seller
        self._desk, self._guard = desk, guard
        self._clock = MonotonicClock() if clock is None else clock
        self._tell = tell
        self._links: dict[Link, set[int]] = {}
        self._by_device: dict[int, Link] = {}
        self._server: asyncio.Server | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at: int | None = None
        self._concluding: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._ids = 0
        self.counts: Counter[str] = Counter()
        self.timings = Timings()

    @property
    def device_id(self) -> int:
        """Which battery it is."""
        return self.seller.bess.device_id

    @property
    def linked(self) -> Iterable[int]:
        """The devices that speak with it now."""
        return self._by_device.keys()

    # --- opening and closing -------------------------------------------------------------------

    async def open(self, host: str, port: int = 0) -> Address:
        """Listen; return where. Port 0 is any that is free.

        Raises
        ------
        OSError
            If the address is taken.
        """
        loop = asyncio.get_running_loop()
        self._failed = loop.create_future()
        self._server = await loop.create_server(self._link, host, port, backlog=LINKS_MAX)
        self._sweeper = loop.call_later(SWEEP_S, self._sweep)
        found = self._server.sockets[0].getsockname()
        return Address(found[0], found[1])

    async def run(self) -> None:
        """Return never; raise what the market's desk failed with, or a fault of our own."""
        if self._failed is not None:
            await self._failed

    async def close(self) -> None:
        """Stop selling: what the market was told of is waited for, everything else ends."""
        self._is_closed = True
        for effect in self.seller.stop():
            self._do(effect)
        if self._server is not None:
            self._server.close()
        while self._concluding:
            await asyncio.wait(self._concluding)
        await finish_all(self._links)
        for alarm in (self._alarm, self._sweeper):
            if alarm is not None:
                alarm.cancel()
        if self._failed is not None and not self._failed.done():
            self._failed.cancel()

    def _link(self) -> Link:
        return Link(self, self._guard, self._clock, self.counts, self.timings)

    def _sweep(self) -> None:
        now = self._clock.now()
        for link in list(self._links):
            link.check(now)
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    # --- links speak ---------------------------------------------------------------------------

    def opened(self, link: Link) -> None:
        """Take a link, unless there are as many as may be."""
        if self._is_closed or len(self._links) >= LINKS_MAX:
            self.counts["too many links"] += 1
            link.close()
            return
        self._links[link] = set()

    def closed(self, link: Link) -> None:
        """Forget a link. What was bid on it goes on: its bidder may come again."""
        for device in self._links.pop(link, ()):
            if self._by_device.get(device) is link:
                del self._by_device[device]

    def heard(self, link: Link, message: Message, raw: bytes, now: int) -> None:
        """Let the auctions hear a message; answers go to the device's newest link."""
        known = self._by_device.get(message.device_id)
        if known is not link and not self._meet(link, message.device_id, known):
            return
        try:
            self._do_all(self.seller.hear(message, raw, now))
        except Exception as error:
            self._distrust(error)
            raise

    def _meet(self, link: Link, device: int, known: Link | None) -> bool:
        """Let a link be the way to a device from now on; False if it speaks for too many."""
        devices = self._links[link]
        if len(devices) >= DEVICES_MAX:
            self.counts["too many devices"] += 1
            link.close()
            return False
        if known is not None and link.is_sealed and known.is_sealed:
            # It proved that it is the same: the other link is one that it lost.
            self.counts["replaced"] += 1
            known.close()
        devices.add(device)
        self._by_device[device] = link
        return True

    # --- effects -------------------------------------------------------------------------------

    def _do_all(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            self._do(effect)
        due = self.seller.due()
        if due is not None and (self._alarm_at is None or due < self._alarm_at):
            self._wake_at(due)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Send(to=to, message=message, answers=answers):
                link = self._by_device.get(to)
                if link is None:
                    self.counts["nobody there"] += 1
                else:
                    link.send(message, answers)
            case Told(happening=happening):
                if self._tell is not None:
                    self._tell(happening)
            case Conclude():
                self._start(self._conclude(effect))
            case Broadcast(message=message):
                for link in self._links:
                    # Before it is heard, nobody knows whether it speaks in envelopes.
                    if link.has_heard:
                        link.send(message)
            case _:
                pass

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._concluding.add(task)
        task.add_done_callback(self._concluded)

    def _concluded(self, task: asyncio.Task[None]) -> None:
        self._concluding.discard(task)
        # Nobody knows what became of the sale: the journal does, once it is read again.
        if not task.cancelled() and (error := task.exception()) is not None:
            self._distrust(error)

    def _distrust(self, error: BaseException) -> None:
        """Let whoever runs the node know that it is not to be trusted any more."""
        self.counts["faults"] += 1
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _conclude(self, sale: Conclude) -> None:
        entry = await self._desk.conclude(self.device_id, sale)
        self._do_all(self.seller.concluded(sale.key, entry, self._clock.now()))

    def _wake_at(self, due: int) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = due
        delay_s = max(0, due - self._clock.now()) / SECOND
        self._alarm = asyncio.get_running_loop().call_later(delay_s, self._woken)

    def _woken(self) -> None:
        self._alarm = self._alarm_at = None
        try:
            self._do_all(self.seller.tick(self._clock.now()))
        except Exception as error:
            self._distrust(error)
            raise

    # --- the battery itself speaks ---------------------------------------------------------------

    def status(self) -> Message:
        """Return how the battery is, as it is told to whoever watches."""
        bess = self.seller.bess
        self._ids += 1
        return m.bess_status(
            self._ids, bess.device_id, kwh(bess.level_wh), bess.health, bess.voltage_v,
            kwh(bess.discharge_w),
        )  # fmt: skip

    def tell_status(self) -> None:
        """Tell every peer how the battery is."""
        self._do(Broadcast(self.status()))

    def fail(self, code: int) -> None:
        """Let the battery fail: what it promised is released, and every peer is told first."""
        self._do_all(self.seller.fail(code))


def free_port(host: str) -> int:
    """Return a port that is free for TCP and UDP alike: a node has the same number in both."""
    while True:
        with socket.create_server((host, 0)) as stream:
            port = int(stream.getsockname()[1])
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
                try:
                    datagrams.bind((host, port))
                except OSError:
                    continue
                return port
