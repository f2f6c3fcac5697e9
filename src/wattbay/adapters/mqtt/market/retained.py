"""What the market keeps with the broker, said again now and then.

A broker that keeps nothing through a restart would leave whoever comes later without the state of
the market; nobody tells us that it was away. So what is retained is remembered here, within bounds,
and said again.
"""

from __future__ import annotations

from wattbay.adapters.mqtt.broker import BrokerClient
from wattbay.adapters.mqtt.market.messages import MESSAGE_BYTES_MAX, Public, encode
from wattbay.adapters.mqtt.market.periods import Say
from wattbay.adapters.mqtt.topics import market_topic
from wattbay.ids import CommunityId

RETAINED_MAX = 2_000
"""Topics with something retained; beyond, the oldest is taken away."""


class Voice:
    """What the market says, and what of it stands."""

    def __init__(self, community: CommunityId, client: BrokerClient) -> None:
        """Speak for a community."""
        self._community = community
        self._client = client
        self._retained: dict[str, bytes] = {}
        self.oversized = 0
        """Messages so far that were too long to be said."""

    def say(self, said: Say) -> None:
        """Publish a message, or take a retained one away."""
        topic = market_topic(self._community, *said.parts)
        if said.message is None:
            self.forget(topic)
            return
        payload = encode(said.message)
        if len(payload) > MESSAGE_BYTES_MAX:
            self.oversized += 1
            return
        if said.retain:
            self._retained.pop(topic, None)
            self._retained[topic] = payload
            if len(self._retained) > RETAINED_MAX:
                self.forget(next(iter(self._retained)))
        self._client.publish(topic, payload, retain=said.retain)

    def tell(self, *parts: str, message: Public, retain: bool = True) -> None:
        """Publish a message on a topic of the market."""
        self.say(Say(parts, message, retain))

    def forget(self, topic: str) -> None:
        """Take a retained message away, ours or that of an earlier start."""
        self._retained.pop(topic, None)
        self._client.publish(topic, b"", retain=True)

    def repeat(self) -> None:
        """Say again all that is retained."""
        for topic, payload in self._retained.items():
            self._client.publish(topic, payload, retain=True)
