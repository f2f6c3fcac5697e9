"""What the service asks of a broker, whichever it is, and a broker in memory.

A message is acknowledged by whoever took it, once what came of it stands for good: until then the
broker keeps it, and brings it again after a break. No acknowledgement of a broker is ever taken
as proof that something is stored; devices wait for ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

PAYLOAD_BYTES_MAX = 65_536
"""Longer messages are not taken from a broker at all."""


class Message(NamedTuple):
    """A message as a broker brought it."""

    topic: str
    payload: bytes
    mark: tuple[int, int] | None = None
    """By what it is acknowledged: the connection, and the number on it. None: not at all."""


Take = Callable[[list[Message]], None]
"""Takes what came in one go; the messages are acknowledged later, all of them."""


class BrokerClient(Protocol):
    """The service's connection to a broker. It comes back by itself after a break."""

    async def open(self, filters: Sequence[str], take: Take) -> None:
        """Connect and subscribe.

        Raises
        ------
        AdapterError
            If the broker does not answer, or lets us in or subscribe not.
        """

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Tell the broker that messages are dealt with."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 0) -> None:
        """Publish a message. While there is no connection, one with `qos` 0 is lost."""

    async def close(self) -> None:
        """Disconnect."""


def matches(topic: str, pattern: str) -> bool:
    """Tell whether a topic is one that a filter names, with ``+`` and ``#`` (MQTT 3.1.1, 4.7)."""
    parts, wanted = topic.split("/"), pattern.split("/")
    for place, want in enumerate(wanted):
        if want == "#":
            return True
        if place >= len(parts) or want not in {"+", parts[place]}:
            return False
    return len(parts) == len(wanted)


class MemoryBroker:
    """A broker in memory that keeps what was not acknowledged: for tests and towns.

    Nothing happens by itself: what is published waits until `deliver` brings it to all.
    """

    def __init__(self) -> None:
        """Begin with no client and nothing said."""
        self._clients: list[tuple[MemoryClient, tuple[str, ...], Take]] = []
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._count = 0
        self.unacknowledged: dict[tuple[int, int], Message] = {}
        """What was delivered and is not acknowledged yet, by its mark."""
        self.retained: dict[str, bytes] = {}
        self.published: list[tuple[str, bytes]] = []
        """Everything that was ever said, in order."""

    def client(self) -> MemoryClient:
        """Return a connection that is not open yet."""
        return MemoryClient(self)

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish a message."""
        self.published.append((topic, payload))
        self._waiting.append((topic, payload))
        if retain:
            self.retained[topic] = payload

    def deliver(self) -> None:
        """Bring what waits to whoever subscribed to it, in one go."""
        waiting, self._waiting = list(self._waiting), deque()
        for client, filters, take in list(self._clients):
            found = []
            for topic, payload in waiting:
                if any(matches(topic, pattern) for pattern in filters):
                    self._count += 1
                    found.append(Message(topic, payload, (id(client), self._count)))
            self.unacknowledged |= {one.mark: one for one in found if one.mark}
            if found:
                take(found)

    def again(self) -> None:
        """Bring what was not acknowledged once more, as after a break."""
        for client, _, take in list(self._clients):
            found = [
                one for mark, one in sorted(self.unacknowledged.items()) if mark[0] == id(client)
            ]
            if found:
                take(found)

    def _join(self, client: MemoryClient, filters: Sequence[str], take: Take) -> None:
        self._clients.append((client, tuple(filters), take))

    def _leave(self, client: MemoryClient) -> None:
        self._clients = [one for one in self._clients if one[0] is not client]


class MemoryClient:
    """A connection to a broker in memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        """Belong to a broker."""
        self._broker = broker

    async def open(self, filters: Sequence[str], take: Take) -> None:
        """Subscribe."""
        self._broker._join(self, filters, take)  # noqa: SLF001 - two halves of one thing

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Let the broker forget messages."""
        for message in messages:
            if message.mark is not None:
                self._broker.unacknowledged.pop(message.mark, None)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 0) -> None:
        """Publish a message."""
        del qos
        self._broker.say(topic, payload, retain=retain)

    async def close(self) -> None:
        """Leave; what was not acknowledged stays with the broker."""
        self._broker._leave(self)  # noqa: SLF001 - two halves of one thing
