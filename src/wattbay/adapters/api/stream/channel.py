"""One topic as one audience hears it: numbered messages, the last of them kept for who comes back.

Topics have one of three forms. Of *events* every message counts: the numbers rise by one, and a gap
means that something is missing. Of a *state* each message says all there is to say under its key,
and of a *whole* all there is to say: whoever is slow may be told only the last, and gaps mean
nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from wattbay.adapters.api.stream.messages import written
from wattbay.periods import Instant, to_text

RING_MAX = 256
"""Messages of a channel that are kept."""


class Form(StrEnum):
    """What the messages of a topic are to each other."""

    EVENTS = "events"
    STATE = "state"
    WHOLE = "whole"


class Message:
    """A message of a channel, written once for all who hear it."""

    __slots__ = ("channel", "place", "seq", "size_bytes", "text")

    def __init__(self, channel: Channel, seq: int, key: str | None, text: str) -> None:
        """Keep a text.

        Parameters
        ----------
        key
            Of a state: what the message says all of.
        """
        self.channel = channel
        self.seq = seq
        self.text = text
        self.size_bytes = len(text)
        self.place: object = self if key is None else (channel, key)
        """Where it stands in a mailbox: another message at the same place takes it."""


class Hearer(Protocol):
    """Whoever hears a channel."""

    def put(self, message: Message) -> None:
        """Take a message; never waits."""


Whole = Callable[[], object]
"""Returns all there is to say of a topic at this moment."""


class Channel:
    """A topic as one audience hears it."""

    def __init__(
        self, topic: str, form: Form, whole: Whole, first_seq: int = 0, kept_max: int = RING_MAX
    ) -> None:
        """Begin without messages.

        Parameters
        ----------
        whole
            Makes what the snapshot bears.
        first_seq
            The number before the first message.
        kept_max
            Messages that are kept.
        """
        self.topic = topic
        self.form = form
        self.seq = first_seq
        self.hearers: dict[Hearer, None] = {}
        """Who hears it."""
        self.ring: deque[Message] = deque()
        self.ring_bytes = 0
        self._whole = whole
        self._kept_max = kept_max
        self._snapshot: tuple[int, Instant, str] | None = None

    def publish(
        self, kind: str, at: Instant, entry: int | None, body: object, key: str | None = None
    ) -> Message:
        """Tell everybody who hears it; return the message."""
        self.seq += 1
        told: dict[str, object] = {"topic": self.topic, "seq": self.seq, "ts": to_text(at)}
        if entry is not None:
            told["entry"] = entry
        told["type"] = kind
        if self.form is Form.STATE:
            told["key"] = key = key or ""
        elif self.form is Form.WHOLE:
            key = ""
        else:
            key = None
        told["data"] = body
        message = Message(self, self.seq, key, written(told))
        self.ring.append(message)
        self.ring_bytes += message.size_bytes
        if len(self.ring) > self._kept_max:
            self.ring_bytes -= self.ring.popleft().size_bytes
        for hearer in self.hearers:
            hearer.put(message)
        return message

    def after(self, last_seq: int) -> list[Message] | None:
        """Return what followed a number; None where not all of it is kept."""
        missing = self.seq - last_seq
        if not 0 <= missing <= len(self.ring):
            return None
        return list(self.ring)[len(self.ring) - missing :]

    def forget(self) -> None:
        """Keep no messages."""
        self.ring.clear()
        self.ring_bytes = 0

    def snapshot(self, at: Instant, because: str = "") -> str:
        """Return all there is to say of the topic, as a message with the present number.

        It is made once an instant, however many begin to listen at it.
        """
        kept = self._snapshot
        if kept is not None and kept[:2] == (self.seq, at) and not because:
            return kept[2]
        told: dict[str, object] = {
            "topic": self.topic,
            "seq": self.seq,
            "ts": to_text(at),
            "type": "snapshot",
        }
        if because:
            told["because"] = because
        told["data"] = self._whole()
        text = written(told)
        if not because:
            self._snapshot = (self.seq, at, text)
        return text
