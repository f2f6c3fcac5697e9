"""What waits for one client: bounded, so that who reads slowly costs nobody else anything."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from wattbay.adapters.api.stream.channel import Channel, Message

MESSAGES_MAX = 1_024
BYTES_MAX = 1_048_576
REPLIES_MAX = 64
"""Answers to the client that may wait before it is heard again."""


class Because(StrEnum):
    """Why a client is given a snapshot."""

    SUBSCRIBED = ""
    """It asked for the topic."""
    OVERFLOW = "overflow"
    """It read too slowly, and what waited was dropped."""


class Due(NamedTuple):
    """A snapshot that a client is to get; it is made when its turn comes, not before."""

    channel: Channel
    because: Because


class Reply(NamedTuple):
    """An answer to this client alone."""

    text: str


Waiting = Message | Due | Reply


class Mailbox:
    """What waits for one client.

    Messages of a state take the place of older ones under the same key. Where more comes than may
    wait, all waiting messages are dropped, and for each topic that lost some, a snapshot is due.
    """

    def __init__(
        self,
        wake: Callable[[], None],
        messages_max: int = MESSAGES_MAX,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        """Begin empty.

        Parameters
        ----------
        wake
            Called when something waits, and before nothing did.
        """
        self._wake = wake
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._waiting: OrderedDict[object, Waiting] = OrderedDict()
        self._bytes = 0
        self.replies = 0
        """How many answers wait."""
        self.overflows = 0
        """How often messages were dropped."""

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._waiting)

    @property
    def size_bytes(self) -> int:
        """Return how long the waiting messages are together. [byte]"""
        return self._bytes

    def put(self, message: Message) -> None:
        """Let a message wait, unless its topic's snapshot is due, which will bear it."""
        waiting = self._waiting
        if message.channel in waiting:
            return
        if waiting:
            # The later one goes behind, so that numbers rise.
            older = waiting.pop(message.place, None)
            if type(older) is Message:
                self._bytes -= older.size_bytes
        else:
            self._wake()
        waiting[message.place] = message
        self._bytes += message.size_bytes
        if self._bytes > self._bytes_max or len(waiting) > self._messages_max:
            self._overflow()

    def put_snapshot(self, channel: Channel, because: Because = Because.SUBSCRIBED) -> None:
        """Let a snapshot be due, in place of what waits of its topic."""
        self.forget(channel)
        if not self._waiting:
            self._wake()
        self._waiting[channel] = Due(channel, because)

    def reply(self, text: str) -> None:
        """Let an answer wait."""
        if not self._waiting:
            self._wake()
        reply = Reply(text)
        self._waiting[id(reply)] = reply
        self.replies += 1

    def take(self) -> Waiting | None:
        """Return what waited longest; None where nothing waits."""
        if not self._waiting:
            return None
        _, taken = self._waiting.popitem(last=False)
        if type(taken) is Message:
            self._bytes -= taken.size_bytes
        elif type(taken) is Reply:
            self.replies -= 1
        return taken

    def forget(self, channel: Channel) -> None:
        """Drop what waits of a topic."""
        self._waiting.pop(channel, None)
        gone = [
            place
            for place, one in self._waiting.items()
            if type(one) is Message and one.channel is channel
        ]
        for place in gone:
            del self._waiting[place]
        self._bytes = sum(one.size_bytes for one in self._waiting.values() if type(one) is Message)

    def _overflow(self) -> None:
        """Drop all messages; answers and snapshots stay."""
        self.overflows += 1
        lost: dict[Channel, None] = {}
        kept: OrderedDict[object, Waiting] = OrderedDict()
        for place, one in self._waiting.items():
            if type(one) is Message:
                lost[one.channel] = None
            else:
                kept[place] = one
        for channel in lost:
            kept[channel] = Due(channel, Because.OVERFLOW)
        self._waiting, self._bytes = kept, 0
