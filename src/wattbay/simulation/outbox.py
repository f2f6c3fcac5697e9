"""What the meters of a made-up street have sent and nobody has acknowledged yet.

One connection stands for all of them, as that of a concentrator in the cellar would.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from wattbay.adapters.mqtt.broker import BrokerClient, Message
from wattbay.adapters.mqtt.ingest import Acknowledgement
from wattbay.adapters.mqtt.readings import topic
from wattbay.adapters.mqtt.topics import Channel, channel_filter, parse_device_topic
from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Reading

WAITING_MAX = 10_000
"""Readings kept of each meter; the oldest are given up first."""
RESEND_AFTER, RESEND_AFTER_MAX = 3, 96
"""How many rounds a reading waits for its acknowledgement before it is sent again: twice as many
each time, so that a service which has much to catch up with is not given still more."""

_Number = tuple[int, int]
"""Start and sequence number."""


class _Sent(NamedTuple):
    """A reading that was sent."""

    reading: Reading
    due: int
    """The round in which it is sent again."""
    wait: int
    """How many rounds that was after the last time."""


class StreetOutbox:
    """Sends readings until the service says that they are stored."""

    def __init__(self, community: CommunityId, client: BrokerClient) -> None:
        """Belong to a connection that is not open yet."""
        self._community = community
        self._client = client
        self._round = 0
        self._waiting: dict[MeterId, dict[_Number, _Sent]] = {}
        self._decoder = msgspec.json.Decoder(Acknowledgement)

    def __len__(self) -> int:
        """Return how many wait."""
        return sum(map(len, self._waiting.values()))

    async def open(self) -> None:
        """Connect, and listen to acknowledgements."""
        await self._client.open([channel_filter(self._community, Channel.ACKNOWLEDGED)], self._take)

    async def close(self) -> None:
        """Disconnect. What waits is lost: the registers tell all of it the next time."""
        await self._client.close()

    def put(self, readings: Iterable[Reading]) -> None:
        """Send a round of readings, and again what waited for long."""
        self._round += 1
        for kept in self._waiting.values():
            for number, one in kept.items():
                if one.due <= self._round:
                    wait = min(2 * one.wait, RESEND_AFTER_MAX)
                    kept[number] = _Sent(one.reading, self._round + wait, wait)
                    self._send(one.reading)
        for reading in readings:
            kept = self._waiting.setdefault(reading.device, {})
            if len(kept) >= WAITING_MAX:
                del kept[next(iter(kept))]
            due = self._round + RESEND_AFTER
            kept[reading.boot, reading.seq] = _Sent(reading, due, RESEND_AFTER)
            self._send(reading)

    def _send(self, reading: Reading) -> None:
        self._client.publish(topic(reading.community, reading.device), reading.proof)

    def _take(self, messages: list[Message]) -> None:
        """Strike what is stored."""
        for message in messages:
            try:
                device = parse_device_topic(message.topic).device
                said = self._decoder.decode(message.payload)
            except (WireError, msgspec.DecodeError):
                continue
            if said.boot is None or said.seq is None:
                continue
            kept = self._waiting.get(device, {})
            for first, last in ((0, said.seq), *said.above):
                gone = [one for one in kept if one[0] == said.boot and first <= one[1] <= last]
                for number in gone:
                    del kept[number]
        self._client.acknowledge(messages)
