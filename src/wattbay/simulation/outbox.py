"""What the meters of a made-up street have sent and nobody has acknowledged yet.

One connection stands for all of them, as that of a concentrator in the cellar would.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from wattbay.adapters.mqtt.broker import BrokerClient, Message
from wattbay.adapters.mqtt.ingest import Acknowledgement
from wattbay.adapters.mqtt.readings import topic
from wattbay.adapters.mqtt.topics import Channel, channel_filter, parse_device_topic
from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Reading

WAITING_MAX = 100_000
"""Readings kept; the oldest are given up first."""
RESEND_AFTER = 3
"""How many rounds a reading waits for its acknowledgement before it is sent again."""

_Key = tuple[MeterId, int, int]


class StreetOutbox:
    """Sends readings until the service says that they are stored."""

    def __init__(self, community: CommunityId, client: BrokerClient) -> None:
        """Belong to a connection that is not open yet."""
        self._community = community
        self._client = client
        self._waiting: dict[_Key, tuple[Reading, int]] = {}
        self._decoder = msgspec.json.Decoder(Acknowledgement)

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    async def open(self) -> None:
        """Connect, and listen to acknowledgements."""
        await self._client.open([channel_filter(self._community, Channel.ACKNOWLEDGED)], self._take)

    async def close(self) -> None:
        """Disconnect. What waits is lost: the registers tell all of it the next time."""
        await self._client.close()

    def put(self, readings: Iterable[Reading]) -> None:
        """Send a round of readings, and again what waited for long."""
        for key, (reading, rounds) in list(self._waiting.items()):
            if rounds >= RESEND_AFTER:
                self._send(reading)
            self._waiting[key] = reading, 0 if rounds >= RESEND_AFTER else rounds + 1
        for reading in readings:
            while len(self._waiting) >= WAITING_MAX:
                del self._waiting[next(iter(self._waiting))]
            self._waiting[reading.device, reading.boot, reading.seq] = reading, 0
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
            stored = [(0, said.seq), *said.above]
            for first, last in stored:
                gone = [
                    key
                    for key in self._waiting
                    if key[0] == device and key[1] == said.boot and first <= key[2] <= last
                ]
                for key in gone:
                    del self._waiting[key]
        self._client.acknowledge(messages)
