"""How aggregators find batteries: by questions to a group, and by who comes and says so.

A message has no field for an address. So a battery sends its datagrams from the address and the
port number that its TCP server has: where a datagram comes from is where to call.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.amounts import kwh
from wattbay.adapters.etp.datagrams import ANY, Datagrams, Group, Sockets
from wattbay.adapters.etp.link import Guard
from wattbay.adapters.etp.messages import Kind, Message
from wattbay.adapters.etp.node import Address, BessNode, free_port
from wattbay.adapters.etp.seller import Seller
from wattbay.errors import ConfigError
from wattbay.kernel.clock import Clock, MonotonicClock

PERIOD_S = 30.0
"""How often a battery says that it is there, about. [s]"""
AGAIN_S, AGAIN_MAX_S = 1.0, 60.0
"""How long after a question it is put again: twice as long each time. [s]"""
DEVICES_MAX = 10_000
"""Batteries that an aggregator keeps in mind."""
TRIES_MAX = 10
"""Port numbers that are tried until one is free for TCP and UDP."""


class Offer(NamedTuple):
    """What a battery has for sale."""

    energy_kwh: float
    """All that it holds. [kWh]"""
    percentage: float
    """The share of it that is for sale and promised to nobody. [%]"""


def offer_of(seller: Seller) -> Offer | None:
    """Return what a battery has for sale; None if it is offline, or has nothing.

    It only looks: unlike a question over a link, it opens no auction.
    """
    bess = seller.bess
    free_wh = seller.free_wh
    if not bess.is_online or free_wh <= 0:
        return None
    percentage = bess.percentage_for_sale
    if seller.reserved_wh:
        # What is promised is not for sale.
        percentage = 100 * free_wh / bess.level_wh
    return Offer(kwh(bess.level_wh), percentage)


class Beacon:
    """A battery that lets itself be found."""

    def __init__(
        self,
        seller: Seller,
        guard: Guard,
        ids: Callable[[], int],
        *,
        group: Group | None = None,
        period_s: float = PERIOD_S,
        clock: Clock | None = None,
    ) -> None:
        """Speak for a battery; nobody hears it yet.

        Parameters
        ----------
        guard
            Of its own: links have another.
        ids
            Gives each message its id: none twice.
        clock
            Never goes back; otherwise the machine's.

        Raises
        ------
        ConfigError
            If the group can be none.
        """
        self.seller = seller
        self.counts: Counter[str] = Counter()
        self._ids, self._period_s = ids, period_s
        self._datagrams = Datagrams(guard, self.counts)
        clock = MonotonicClock() if clock is None else clock
        self.sockets = Sockets(Group() if group is None else group, self.heard, clock, self.counts)
        # Those who start at once do not speak at once for ever.
        self._rng = Random(self._id)
        self._next: asyncio.TimerHandle | None = None

    @property
    def _id(self) -> int:
        return self.seller.bess.device_id

    def bind(self, address: Address) -> None:
        """Take the address and the number of the node's TCP server, for datagrams.

        Raises
        ------
        ConfigError
            If that cannot be, or there is no way to the group.
        """
        self.sockets.bind(address)

    def start(self) -> None:
        """Answer from now on, and say that the battery is there: now, and now and then."""
        self.sockets.start()
        self._announce()

    def close(self) -> None:
        """Be found no more."""
        if self._next is not None:
            self._next.cancel()
        self.sockets.close()

    def _announce(self) -> None:
        self.sockets.say(self._datagrams.write(m.register(self._ids(), self._id)))
        pause_s = self._period_s * self._rng.uniform(0.75, 1.25)
        self._next = asyncio.get_running_loop().call_later(pause_s, self._announce)

    def heard(self, datagram: bytes, source: Address) -> None:
        """Hear a datagram; answer it, where it is a question."""
        answer = self.answer(datagram)
        if answer is not None:
            self.sockets.say(answer, source)

    def answer(self, datagram: bytes) -> bytes | None:
        """Return what is answered to a datagram; None where nothing is."""
        heard = self._datagrams.read(datagram)
        if heard is None:
            return None
        message, is_sealed = heard
        if message.message_type != Kind.QUERY or message.device_id == self._id:
            return None  # Another battery that comes, or our own voice.
        offer = offer_of(self.seller)
        if offer is None:
            self.counts["nothing for sale"] += 1
            return None
        self.counts["answered"] += 1
        response = m.query_response(self._ids(), self._id, *offer)
        return self._datagrams.write(response, plain=not is_sealed)


async def open_found(node: BessNode, beacon: Beacon, host: str, port: int = 0) -> Address:
    """Open a node where it can be called, and let it be found there; return where.

    Port 0 is any that is free for TCP and UDP alike.

    Raises
    ------
    ConfigError, OSError
        If the address is taken, or there is no way to the group.
    """
    for last in range(TRIES_MAX):
        address = Address(host, port or free_port(host))
        is_last = port != 0 or last == TRIES_MAX - 1
        try:
            beacon.bind(address)
            await node.open(*address)
        except (ConfigError, OSError):
            # Somebody else was quicker.
            beacon.close()
            if is_last:
                raise
        else:
            beacon.start()
            break
    return address


class Seen(NamedTuple):
    """A battery that was found."""

    address: Address
    """Where to call it."""
    response: Message | None
    """What it said last about what it has for sale; None before it did."""


class Finder:
    """An aggregator that looks for batteries, from `open` to `close`."""

    def __init__(
        self,
        device_id: int,
        guard: Guard,
        ids: Callable[[], int],
        found: Callable[[int, Address], None],
        *,
        group: Group | None = None,
        pauses_s: tuple[float, float] = (AGAIN_S, AGAIN_MAX_S),
        clock: Clock | None = None,
    ) -> None:
        """Look for batteries in somebody's name; nobody hears it yet.

        Parameters
        ----------
        guard
            Of its own: links have another.
        ids
            Gives each message its id: none twice.
        found
            Hears of a battery that is new, or has another address than before; such as
            `AggregatorNode.call`.
        pauses_s
            Between a question and the next, at first and at most. [s]
        clock
            Never goes back; otherwise the machine's.

        Raises
        ------
        ConfigError
            If the group can be none.
        """
        self.device_id = device_id
        self.seen: dict[int, Seen] = {}
        """The batteries that were found, by device."""
        self.counts: Counter[str] = Counter()
        self._ids, self._found = ids, found
        self._datagrams = Datagrams(guard, self.counts)
        self._pauses_s = pauses_s
        self._pause_s = pauses_s[0]
        clock = MonotonicClock() if clock is None else clock
        self.sockets = Sockets(Group() if group is None else group, self.heard, clock, self.counts)
        self._rng = Random(device_id)
        self._next: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Look for batteries from now on: now, and again with growing pauses.

        Raises
        ------
        ConfigError
            If there is no way to the group.
        """
        self.sockets.bind(Address(ANY, 0), everywhere=True)
        self.sockets.start()
        self._seek()

    def close(self) -> None:
        """Look no more."""
        if self._next is not None:
            self._next.cancel()
        self.sockets.close()

    def _seek(self) -> None:
        self.sockets.say(self._datagrams.write(m.query(self._ids(), self.device_id)))
        pause_s = self._pause_s * self._rng.uniform(0.75, 1.25)
        self._pause_s = min(2 * self._pause_s, self._pauses_s[1])
        self._next = asyncio.get_running_loop().call_later(pause_s, self._seek)

    def heard(self, datagram: bytes, source: Address) -> None:
        """Hear a datagram, and where it came from."""
        heard = self._datagrams.read(datagram)
        if heard is None or heard.message.device_id == self.device_id:
            return
        message = heard.message
        if message.message_type not in {Kind.REGISTER, Kind.QUERY_RESPONSE}:
            return  # Another aggregator that looks for batteries, too.
        device = message.device_id
        known = self.seen.get(device)
        if known is None and len(self.seen) >= DEVICES_MAX:
            self.counts["too many devices"] += 1
            return
        is_response = message.message_type == Kind.QUERY_RESPONSE
        told = message if is_response else known.response if known is not None else None
        self.seen[device] = Seen(source, told)
        if known is None or known.address != source:
            self.counts["found" if known is None else "moved"] += 1
            self._found(device, source)
