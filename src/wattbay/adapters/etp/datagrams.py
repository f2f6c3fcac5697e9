"""Datagrams of a group (IPv4 multicast): who may be heard, how much of it, and the sockets for it.

A datagram is one message: its bare 84 bytes, or an envelope with them. There are no lengths and no
halves.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import sys
from collections import Counter
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address
from types import MappingProxyType
from typing import Final, NamedTuple

from wattbay.adapters.etp.envelope import EVERYBODY, head_of
from wattbay.adapters.etp.link import Guard
from wattbay.adapters.etp.messages import SIZE, Amiss, BadMessage, Message, decode, encode
from wattbay.adapters.etp.node import Address
from wattbay.errors import ConfigError, Fault
from wattbay.kernel.clock import Clock
from wattbay.periods import SECOND

GROUP = "239.192.84.1"
"""Of the addresses that an organisation gives as it likes (RFC 2365)."""
PORT = 8888
TTL = 1
"""Networks that a datagram may cross: none but our own."""
ANY = "0.0.0.0"  # noqa: S104 - what an address is called that leaves the choice to the system
DATAGRAM_BYTES = 256
"""What is read of a datagram: more than any message has, so that none is cut down to one."""
HEARD_PER_S, HEARD_AT_ONCE = 1_000, 2_000
"""Datagrams that are looked at, whoever sent them: in a second, and after a silence."""
REST_S = 0.1
"""How long nothing is read once there were too many. [s]"""
TURN_MAX = 64
"""Datagrams that are read in one turn of the loop."""
_PORT_MAX, _TTL_MAX = 65_535, 255
_MULTICAST_ALL: Final = 49 if sys.platform == "linux" else None
"""Linux: whether a socket hears what others of this machine have joined."""


class Group(NamedTuple):
    """Where devices look for each other."""

    address: str = GROUP
    port: int = PORT
    interface: str = ""
    """The address or the name of one of ours. Otherwise a battery is found on that of its address,
    and an aggregator looks on all of them."""
    ttl: int = TTL


def check_group(group: Group) -> None:
    """Do nothing if a group can be one.

    Raises
    ------
    ConfigError
        If it cannot; lists everything that is wrong.
    """
    faults = []
    if not _is_multicast(group.address):
        what = f"{group.address!r} is no multicast address"
        faults.append(Fault("group", what, f"one of 224.0.0.0 to 239.255.255.255, such as {GROUP}"))
    if not 0 < group.port <= _PORT_MAX:
        faults.append(Fault("port", f"{group.port} is no port", f"1 to {_PORT_MAX}"))
    if not 0 <= group.ttl <= _TTL_MAX:
        faults.append(Fault("ttl", f"{group.ttl} is no time to live", f"0 to {_TTL_MAX}"))
    if faults:
        raise ConfigError(*faults)


def _is_multicast(text: str) -> bool:
    try:
        return IPv4Address(text).is_multicast
    except AddressValueError:
        return False


# --- without a socket ------------------------------------------------------------------------


class Allowance:
    """How much is looked at: so much a second, and what was saved up in silence."""

    __slots__ = ("_at", "_left_us", "_most_us", "_step_us")

    def __init__(self, per_second: int = HEARD_PER_S, at_once: int = HEARD_AT_ONCE) -> None:
        """Begin with all that may be saved up."""
        self._step_us = SECOND // per_second
        self._most_us = self._left_us = self._step_us * at_once
        self._at: int | None = None

    def take(self, now: int) -> bool:
        """Take one, if there is one. [µs]"""
        passed = 0 if self._at is None else max(0, now - self._at)
        self._at = now
        self._left_us = min(self._most_us, self._left_us + passed)
        if self._left_us < self._step_us:
            return False
        self._left_us -= self._step_us
        return True


class Heard(NamedTuple):
    """What was said to a group or to us."""

    message: Message
    is_sealed: bool


class Datagrams:
    """Reads datagrams and writes them, by a guard: what is taken is whole, and authentic."""

    def __init__(self, guard: Guard, counts: Counter[str]) -> None:
        """Read by a guard that no link has: links and datagrams overtake each other."""
        self._guard, self._counts = guard, counts

    def read(self, datagram: bytes) -> Heard | None:
        """Return what a datagram says; None if it says nothing, and why is counted."""
        try:
            heard = self._read(datagram)
        except BadMessage as error:
            self._counts[error.amiss.value] += 1
            return None
        self._counts["heard"] += 1
        return heard

    def _read(self, datagram: bytes) -> Heard:
        opener = self._guard.opener
        if len(datagram) != SIZE and opener is not None:
            if head_of(datagram).recipient != EVERYBODY:
                # From a link, most likely: whoever took it there could let it come from anywhere.
                raise BadMessage(Amiss.FORGED, "an envelope to one device is no datagram")
            return Heard(opener.open(datagram, is_group=True).message, is_sealed=True)
        message = decode(datagram)
        is_known = opener is not None and opener.knows(message.device_id)
        if is_known or not self._guard.allows_plain:
            raise BadMessage(Amiss.UNSIGNED, "a plain message where an envelope is asked for")
        return Heard(message, is_sealed=False)

    def write(self, message: Message, *, plain: bool = False) -> bytes:
        """Return a message as it is sent: in an envelope where we have one, unless plainly.

        An envelope is to everybody, an answer's too: so none of a link can be told for it.
        """
        sealer, frame = self._guard.sealer, encode(message)
        return frame if sealer is None or plain else sealer.seal(frame, EVERYBODY)


# --- sockets ---------------------------------------------------------------------------------


class Sockets:
    """Two sockets: one hears the group, as many others do; with the other one speaks.

    What is answered comes back to the one that spoke.
    """

    def __init__(
        self,
        group: Group,
        hear: Callable[[bytes, Address], None],
        clock: Clock,
        counts: Counter[str],
        allowance: Allowance | None = None,
    ) -> None:
        """Be about to hear a group.

        Parameters
        ----------
        clock
            Never goes back.
        counts
            Is told what was sent, what could not be, and when there was too much to read.

        Raises
        ------
        ConfigError
            If that can be no group.
        """
        check_group(group)
        self.group = group
        self.fault: OSError | None = None
        """Why the last datagram was not sent, if it was not."""
        self._hear, self._clock, self._counts = hear, clock, counts
        self._allowance = Allowance() if allowance is None else allowance
        self._ear: socket.socket | None = None
        self._voice: socket.socket | None = None
        self._is_everywhere = False
        self._joined_on: set[int] = set()
        self._rest: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind(self, voice: Address, *, everywhere: bool = False) -> Address:
        """Have both sockets; return from where we speak. Port 0 is any that is free.

        Parameters
        ----------
        everywhere
            On all interfaces, the loopback too, where the group names none. Otherwise on that of
            the address, or where the system's routes lead.

        Raises
        ------
        ConfigError
            If there is no such interface, or no way to the group, or the address is taken.
        """
        where = f"group {self.group.address}:{self.group.port}"
        if self.group.interface:
            where += f" on {self.group.interface}"
        try:
            at = _interface(self.group.interface or voice.host)
            self._ear = _ear(self.group)
            self._is_everywhere = everywhere and not self.group.interface
            if not self._is_everywhere:
                _join(self._ear, self.group, at)
            where = f"UDP {voice.host}:{voice.port}"
            self._voice = _voice(self.group, at, voice)
        except OSError as error:
            self.close()
            what = f"cannot be opened: {error.strerror or error}"
            raise ConfigError(
                Fault(where, what, _REMEDIES.get(error.errno or errno.ENXIO, ""))
            ) from error
        host, port = self._voice.getsockname()
        return Address(host, port)

    def start(self) -> None:
        """Hear, from now on."""
        self._loop, self._rest = asyncio.get_running_loop(), None
        for one in (self._ear, self._voice):
            if one is not None:
                self._loop.add_reader(one, self._read, one)

    def say(self, datagram: bytes, to: Address | None = None) -> None:
        """Send a datagram to the group, or to somebody; what cannot be sent is counted."""
        if self._voice is None:
            return
        try:
            if to is None and self._is_everywhere:
                self._say_everywhere(self._voice, datagram)
            else:
                self._voice.sendto(datagram, to or (self.group.address, self.group.port))
        except OSError as error:
            self.fault = error
            self._counts["not sent"] += 1
        else:
            self._counts["sent"] += 1

    def _say_everywhere(self, voice: socket.socket, datagram: bytes) -> None:
        """Send a datagram to the group on every interface, those too that have come since."""
        said, fault = 0, OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        for number, _ in socket.if_nameindex():
            try:
                request = self._joined(number)
                voice.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
                voice.sendto(datagram, (self.group.address, self.group.port))
                said += 1
            except OSError as error:
                fault = error  # Some are down, and some know no groups.
        if not said:
            raise fault

    def _joined(self, number: int) -> bytes:
        """Return how the voice chooses an interface on which the ear hears."""
        at = IPv4Address(ANY), number
        if self._ear is not None and number not in self._joined_on:
            _join(self._ear, self.group, at)
            self._joined_on.add(number)
        return _request(ANY, at)

    def close(self) -> None:
        """Hear and say no more."""
        self._pause()
        if self._rest is not None:
            self._rest.cancel()
        for one in (self._ear, self._voice):
            if one is not None:
                one.close()
        self._ear = self._voice = self._rest = None
        self._joined_on.clear()

    def _read(self, one: socket.socket) -> None:
        """Read what has come to a socket, as far as we may."""
        for _ in range(TURN_MAX):
            if one.fileno() < 0:
                return  # It was closed by what it said.
            try:
                datagram, (host, port) = one.recvfrom(DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError:
                # What came cannot be told, such as that nobody heard an answer.
                self._counts["unreadable"] += 1
                return
            if not self._allowance.take(self._clock.now()):
                # The system keeps a few, and drops the others for us, at no cost to the market.
                self._counts["too many"] += 1
                self._pause()
                self._rest = asyncio.get_running_loop().call_later(REST_S, self.start)
                return
            self._hear(datagram, Address(host, port))

    def _pause(self) -> None:
        for one in (self._ear, self._voice):
            if one is not None and self._loop is not None:
                self._loop.remove_reader(one)


_REMEDIES: Final = MappingProxyType(
    {
        errno.ENODEV: "name an interface, or make a route: ip route add 239.0.0.0/8 dev eth0",
        errno.ENXIO: "the address or the name of an interface of this machine",
        errno.EADDRINUSE: "another port",
        errno.EADDRNOTAVAIL: "an address of this machine",
    }
)
"""What helps against the usual faults."""


def _interface(named: str) -> tuple[IPv4Address, int]:
    """Return an interface by address and number: zero where any will do."""
    try:
        return IPv4Address(named), 0
    except AddressValueError:
        return IPv4Address(ANY), socket.if_nametoindex(named)


def _join(ear: socket.socket, group: Group, at: tuple[IPv4Address, int]) -> None:
    request = _request(group.address, at)
    ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)


def _ear(group: Group) -> socket.socket:
    """Return a socket that hears a group, beside any others of this machine that do."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.settimeout(0)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if _MULTICAST_ALL is not None:
            made.setsockopt(socket.IPPROTO_IP, _MULTICAST_ALL, 0)
        # Bound to the group, it hears nothing else of that port; not every system can.
        made.bind((group.address if os.name == "posix" else ANY, group.port))
    except OSError:
        made.close()
        raise
    return made


def _voice(group: Group, at: tuple[IPv4Address, int], address: Address) -> socket.socket:
    """Return a socket that speaks to a group from an address, and to itself as well."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.settimeout(0)
        made.bind(address)
        if at != (IPv4Address(ANY), 0):
            request = _request(ANY, at)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, group.ttl)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    except OSError:
        made.close()
        raise
    return made


def _request(address: str, at: tuple[IPv4Address, int]) -> bytes:
    """Return a `struct ip_mreqn`: a group, and an interface by its address or number."""
    interface, number = at
    return struct.pack("4s4si", IPv4Address(address).packed, interface.packed, number)
