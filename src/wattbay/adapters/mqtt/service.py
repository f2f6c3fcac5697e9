"""The service's connection to a real broker, on gmqtt.

gmqtt reads the socket and comes back after a break. Of its packets one is taken over: PUBLISH. The
library would make a task of each message to acknowledge it alone; here what came within a few
milliseconds goes on together, and is acknowledged together once it is stored. That is less than
half the work. It stands on names of the library that are not public; a test against each broker
holds them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any, NamedTuple

import gmqtt  # type: ignore[import-untyped] # brings no types
from gmqtt.mqtt.constants import MQTTv311  # type: ignore[import-untyped] # likewise

from wattbay.adapters.mqtt.broker import PAYLOAD_BYTES_MAX, Message, Take
from wattbay.errors import AdapterError

KEEPALIVE_S = 30
RECONNECT_S = 1
"""Pause before the connection is tried again. [s]"""
SUBSCRIBED_S = 10.0
"""How long a broker may take to answer. [s]"""
GATHER_S = 0.005
"""How long messages are gathered before they are handed on: one durable write is for all. [s]"""
WAITING_MAX = 1_000
"""Messages that are handed on at once, at most."""

_PUBLISH = 0x30
_QOS = 0x06
_PUBACK = b"\x40\x02"
_REFUSED = 128


class Address(NamedTuple):
    """Where a broker is, and as whom the service comes to it."""

    host: str = "127.0.0.1"
    port: int = 1883
    client_id: str = "wattbay-service"
    """The broker keeps what was not acknowledged under this name."""
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None


class GmqttClient:
    """A connection to Mosquitto, the embedded broker, or any other that speaks MQTT 3.1.1."""

    def __init__(self, address: Address) -> None:
        """Belong to a broker that need not be there yet. Within a running event loop."""
        self._address = address
        self._client = gmqtt.Client(
            address.client_id, clean_session=False, optimistic_acknowledgement=False
        )
        if address.username is not None:
            self._client.set_auth_credentials(address.username, address.password)
        # gmqtt makes a task of every message, and has no other way around that: 26 µs each, not 11.
        self._client._package_handler._handler_cache[_PUBLISH] = self._on_publish  # noqa: SLF001 - see above
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._filters: tuple[str, ...] = ()
        self._take: Take | None = None
        self._waiting: list[Message] = []
        self._leaving: list[bytes] = []
        self._connection = 0
        self._answered = asyncio.Event()
        self._refused = False
        self.oversized = 0
        """Messages so far that were longer than `PAYLOAD_BYTES_MAX`."""

    @property
    def is_connected(self) -> bool:
        """Tell whether the broker is there, and has let us in and listen."""
        is_ours = self._take is not None and not self._refused
        return is_ours and bool(self._client.is_connected)

    async def open(self, filters: Sequence[str], take: Take) -> None:
        """Connect and subscribe.

        Raises
        ------
        AdapterError
            If the broker does not answer, or lets us in or subscribe not.
        """
        self._filters, self._take = tuple(filters), take
        # What an earlier attempt left is not this one's: it gave up, or was refused.
        self._client.set_config({"reconnect_delay": RECONNECT_S, "reconnect_retries": -1})
        self._answered.clear()
        self._refused = False
        address = self._address
        where = f"the broker at {address.host}:{address.port}"
        try:
            async with asyncio.timeout(SUBSCRIBED_S):
                await self._client.connect(
                    address.host, address.port, ssl=address.tls or False,
                    keepalive=KEEPALIVE_S, version=MQTTv311,
                )  # fmt: skip
                if self._filters:
                    await self._answered.wait()
        except (OSError, TimeoutError, gmqtt.MQTTConnectError) as error:
            self._client.stop_reconnect()
            msg = f"{where} does not let us in: {error or type(error).__name__}"
            raise AdapterError(msg) from error
        if self._refused:
            await self.close()
            msg = f"{where} refused a subscription to {', '.join(self._filters)}"
            raise AdapterError(msg)

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Tell the broker that messages of this connection are dealt with.

        Those of an earlier one it brings again: their numbers may mean other messages by now.
        """
        numbers = [
            one.mark[1].to_bytes(2, "big")
            for one in messages
            if one.mark is not None and one.mark[0] == self._connection
        ]
        if numbers and self._client.is_connected:
            self._client._connection.send_package(  # noqa: SLF001 - many in one go
                b"".join(_PUBACK + number for number in numbers)
            )

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 0) -> None:
        """Publish a message. While there is no connection, one with `qos` 0 is lost."""
        if not self.is_connected:
            return
        if qos:
            self._client.publish(topic, payload, qos=qos, retain=retain)
            return
        name = topic.encode()
        head = bytes((_PUBLISH | retain,)) + _length(2 + len(name) + len(payload))
        if not self._leaving:
            asyncio.get_running_loop().call_soon(self._leave)
        self._leaving += (head, len(name).to_bytes(2, "big"), name, payload)

    def _leave(self) -> None:
        """Send what is to leave, in one go."""
        leaving, self._leaving = self._leaving, []
        if self._client.is_connected:
            self._client._connection.send_package(b"".join(leaving))  # noqa: SLF001 - likewise

    async def close(self) -> None:
        """Disconnect; the broker keeps what was not acknowledged."""
        self._take = None
        self._leave()
        self._client.stop_reconnect()
        if self._client._connection is not None:  # noqa: SLF001 - it fails without one
            await self._client.disconnect()

    def _on_connect(self, client: Any, *_: object) -> None:  # noqa: ANN401 - untyped library
        self._connection += 1
        self._waiting = []
        if self._filters:
            client.subscriptions.clear()
            client.subscribe([gmqtt.Subscription(one, qos=1) for one in self._filters])

    def _on_disconnect(self, *_: object) -> None:
        self._connection += 1
        self._waiting = []

    def _on_subscribe(self, _client: object, _mid: int, granted: Sequence[int], *_: object) -> None:
        self._refused = any(one >= _REFUSED for one in granted)
        self._answered.set()

    def _on_publish(self, command: int, packet: bytes) -> None:
        """Take a PUBLISH packet apart (MQTT 3.1.1, 3.3), and put it with those of this read."""
        after = int.from_bytes(packet[:2], "big") + 2
        mark = None
        topic = packet[2:after].decode("utf-8", errors="replace")
        if command & _QOS:
            mark = (self._connection, int.from_bytes(packet[after : after + 2], "big"))
            after += 2
        payload = packet[after:]
        if len(payload) > PAYLOAD_BYTES_MAX:
            self.oversized += 1
            payload = payload[:PAYLOAD_BYTES_MAX]
        if not self._waiting:
            asyncio.get_running_loop().call_later(GATHER_S, self._hand_on)
        self._waiting.append(Message(topic, payload, mark))
        if len(self._waiting) >= WAITING_MAX:
            self._hand_on()

    def _hand_on(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting and self._take is not None:
            self._take(waiting)


def _length(number: int) -> bytes:
    """Return a length as MQTT writes it, seven bits a byte (MQTT 3.1.1, 2.2.3)."""
    found = bytearray()
    while True:
        number, rest = divmod(number, 128)
        found.append(rest | (128 if number else 0))
        if not number:
            return bytes(found)
