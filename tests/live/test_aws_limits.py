"""What service, devices and traders say on the wire keeps AWS IoT Core's limits, packet by packet.

A proxy before Mosquitto listens, with TLS ended nowhere: the broker is a plain one of the loopback.
The limits are those of docs/how-to/aws-iot-core.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import chaos
from tests.fleet import MqttTrader, administrator, fleet_of, join, trading
from tests.servers import mosquitto, until
from tests.serving import serving
from wattbay.adapters.mqtt.keys import Ed25519Signer
from wattbay.periods import Instant

PLAIN = """
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 100
message_size_limit 131072
"""
SLASHES_MAX = 7
TOPIC_BYTES_MAX = 256
MESSAGE_BYTES_MAX = 128 * 1_024
TOPICS_A_SUBSCRIBE_MAX = 8
SUBSCRIPTIONS_MAX = 50
UNDER_WAY_MAX = 100
CLIENT_BYTES_MAX = 128
CONNECT, PUBLISH, PUBACK, SUBSCRIBE = 1, 3, 4, 8


class Listener:
    """Takes the packets of all connections apart (MQTT 3.1.1), and notes what was the most."""

    def __init__(self) -> None:
        self._rest: defaultdict[tuple[int, bool], bytes] = defaultdict(bytes)
        self._under_way: defaultdict[int, set[bytes]] = defaultdict(set)
        self._subscribed: defaultdict[int, set[bytes]] = defaultdict(set)
        self.most: defaultdict[str, int] = defaultdict(int)
        self.topics: set[bytes] = set()
        self.clients: set[bytes] = set()

    def hear(self, number: int, is_client: bool, said: bytes) -> None:
        """Take what passed on a connection."""
        place = (number, is_client)
        rest = self._rest[place] + said
        while (found := _first(rest)) is not None:
            head, body, rest = found
            if is_client:
                self._said(number, head, body)
            elif head >> 4 == PUBACK:
                self._under_way[number].discard(body[:2])
        self._rest[place] = rest

    def _said(self, number: int, head: int, body: bytes) -> None:
        """Note what a client said."""
        kind = head >> 4
        if kind == CONNECT:
            client, _ = _text(body[10:])
            self.clients.add(client)
            self._note("client", len(client))
        elif kind == PUBLISH:
            topic, rest = _text(body)
            self.topics.add(topic)
            assert (head & 6) in {0, 2}, "quality of service 0 or 1"
            self._note("slashes", topic.count(b"/"))
            self._note("topic", len(topic))
            self._note("message", len(rest))
            if head & 6:
                self._under_way[number].add(rest[:2])
                self._note("under way", len(self._under_way[number]))
        elif kind == SUBSCRIBE:
            filters = list(_filters(body[2:]))
            self._subscribed[number].update(filters)
            self._note("topics", len(filters))
            self._note("subscriptions", len(self._subscribed[number]))
            self._note("slashes", max(one.count(b"/") for one in filters))

    def _note(self, what: str, count: int) -> None:
        self.most[what] = max(self.most[what], count)


def _first(said: bytes) -> tuple[int, bytes, bytes] | None:
    """Return the first packet's head and body, and the rest; None while it is incomplete."""
    length, shift = 0, 0
    for place, byte in enumerate(said[1:5], start=1):
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:  # The last of a length (MQTT 3.1.1, 2.2.3).
            end = place + 1 + length
            return (said[0], said[place + 1 : end], said[end:]) if len(said) >= end else None
    return None


def _text(said: bytes) -> tuple[bytes, bytes]:
    """Return a text that stands first, and the rest."""
    end = 2 + int.from_bytes(said[:2], "big")
    return said[2:end], said[end:]


def _filters(said: bytes) -> Iterator[bytes]:
    while said:
        one, rest = _text(said)
        yield one
        said = rest[1:]


@pytest.mark.mosquitto
def test_what_is_said_on_the_wire_keeps_the_limits_of_aws(tmp_path: Path) -> None:
    heard = Listener()
    with mosquitto(lambda _, port: PLAIN.format(port=port)) as (_, port, _), chaos(port) as wire:
        wire.listener = heard.hear
        settings = {"WATTBAY_MQTT__BROKER": "outside", "WATTBAY_MQTT__PORT": str(wire.port)}
        with serving(tmp_path, "--folder", "kept", "--speed", "600", **settings) as service:
            member = join(
                service, administrator(service), "a" * 60, signer=Ed25519Signer(bytes(32))
            )
            with fleet_of(service, [member], tmp_path, wire.port) as fleet:
                until(fleet.turn, "the exchange says what time it is")
                trader = MqttTrader(member, service, fleet.clock, wire.port)
                wire.stall()
                for number in range(300):  # More than may be under way.
                    fleet.meters[0].measure(Instant(member.since - number))
                wire.heal()
                with trading([trader]):
                    until(
                        lambda: (
                            fleet.turn(is_measuring=False)
                            and trader.answered > 20
                            and any(b"/market/clear/" in one for one in heard.topics)
                        ),
                        "orders are answered, and a delivery is cleared",
                    )
                until(lambda: not fleet.waiting, "all is acknowledged")
            assert service.stop() == 0
    most = heard.most
    assert sum(one.startswith(b"wattbay-service") for one in heard.clients) >= 3
    assert any(b"/market/order/" in one for one in heard.topics)
    assert 0 < most["slashes"] <= SLASHES_MAX
    assert most["topic"] <= TOPIC_BYTES_MAX
    assert most["message"] <= MESSAGE_BYTES_MAX
    assert most["topics"] <= TOPICS_A_SUBSCRIBE_MAX
    assert most["subscriptions"] <= SUBSCRIPTIONS_MAX
    assert most["client"] <= CLIENT_BYTES_MAX
    assert 10 < most["under way"] <= UNDER_WAY_MAX, most
