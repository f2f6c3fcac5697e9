"""All channels, and who hears them. It knows topics and audiences, and nothing of the market."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable

from wattbay.adapters.api.stream.channel import RING_MAX, Channel, Form, Whole
from wattbay.adapters.api.stream.mailbox import Mailbox
from wattbay.adapters.api.stream.topics import FORMS, STAFF, Kind, Topic
from wattbay.periods import Instant

CHANNELS_IDLE_MAX = 1_000
"""Channels that nobody hears any more and that are kept for who comes back."""
RINGS_BYTES_MAX = 64_000_000
"""What all kept messages come to."""


class Board:
    """All channels."""

    def __init__(
        self,
        whole: Callable[[Topic, str], Whole],
        *,
        idle_max: int = CHANNELS_IDLE_MAX,
        rings_bytes_max: int = RINGS_BYTES_MAX,
    ) -> None:
        """Begin without channels.

        Parameters
        ----------
        whole
            Returns what makes the snapshots of a topic for an audience.
        """
        self._whole = whole
        self._idle_max = idle_max
        self._rings_bytes_max = rings_bytes_max
        self._channels: dict[str, dict[str, Channel]] = {}
        self._kinds: Counter[str] = Counter()
        self._idle: OrderedDict[Channel, tuple[Topic, str]] = OrderedDict()
        """Channels that nobody hears, the longest first."""
        self._known: dict[Channel, tuple[Topic, str]] = {}
        self._first_seq = 0
        """No message of a channel that is gone had a higher number."""
        self._ring_bytes = 0

    def __len__(self) -> int:
        """Return how many channels there are."""
        return len(self._known)

    def has(self, name: str) -> bool:
        """Tell whether a topic has a channel."""
        return name in self._channels

    def has_any(self, kind: Kind) -> bool:
        """Tell whether any topic of a kind has a channel."""
        return self._kinds[kind] > 0

    def open(self, topic: Topic, heard_as: str) -> Channel:
        """Return the channel of a topic and an audience; it is made where there is none."""
        by_audience = self._channels.setdefault(topic.name, {})
        found = by_audience.get(heard_as)
        if found is None:
            form = FORMS[topic.kind]
            kept_max = 1 if form is Form.WHOLE else RING_MAX
            whole = self._whole(topic, heard_as)
            found = Channel(topic.name, form, whole, self._first_seq, kept_max)
            by_audience[heard_as] = found
            self._known[found] = (topic, heard_as)
            self._kinds[topic.kind] += 1
        return found

    def join(self, mailbox: Mailbox, channel: Channel, last_seq: int | None = None) -> bool:
        """Let a mailbox have what a channel tells, from a number on or else from a snapshot.

        Returns
        -------
        bool
            Whether it goes on after `last_seq`, without a snapshot.
        """
        self._idle.pop(channel, None)
        missed = None if last_seq is None else channel.after(last_seq)
        channel.hearers[mailbox] = None
        if missed is None:
            mailbox.put_snapshot(channel)
            return False
        mailbox.forget(channel)
        for message in missed:
            mailbox.put(message)
        return True

    def leave(self, mailbox: Mailbox, channel: Channel) -> None:
        """Let a mailbox have no more of a channel."""
        channel.hearers.pop(mailbox, None)
        mailbox.forget(channel)
        if channel.hearers or channel not in self._known:
            return
        self._idle[channel] = self._known[channel]
        if len(self._idle) > self._idle_max:
            self._close(self._idle.popitem(last=False)[0])

    def _close(self, channel: Channel) -> None:
        """Forget a channel; whoever comes back gets numbers above all that were given."""
        topic, heard_as = self._known.pop(channel)
        self._first_seq = max(self._first_seq, channel.seq)
        self._ring_bytes -= channel.ring_bytes
        self._kinds[topic.kind] -= 1
        by_audience = self._channels[topic.name]
        del by_audience[heard_as]
        if not by_audience:
            del self._channels[topic.name]

    def say(
        self,
        name: str,
        heard_as: str,
        kind: str,
        body: Callable[[], object],
        *,
        at: Instant,
        entry: int | None = None,
        key: str | None = None,
    ) -> None:
        """Tell something on a topic.

        Parameters
        ----------
        heard_as
            `EVERYBODY`, or the party whose it is; who sees all parties hears it besides.
        body
            Makes what is told; not asked where nobody hears it.
        """
        by_audience = self._channels.get(name)
        if by_audience is None:
            return
        made: object = None
        for each in (heard_as, STAFF) if heard_as != STAFF else (STAFF,):
            channel = by_audience.get(each)
            if channel is None:
                continue
            if made is None:
                made = body()
            before = channel.ring_bytes
            channel.publish(kind, at, entry, made, key)
            self._ring_bytes += channel.ring_bytes - before
        if self._ring_bytes > self._rings_bytes_max:
            self._forget_rings()

    def _forget_rings(self) -> None:
        """Keep no messages any more: who comes back gets a snapshot."""
        for channel in self._known:
            channel.forget()
        self._ring_bytes = 0
