"""A client of a broker that is no device of ours, for tests that look at it from outside."""

from __future__ import annotations

import ssl
import threading

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion


class Client:
    """A client of a broker, and what it heard."""

    def __init__(
        self,
        port: int,
        tls: ssl.SSLContext | None,
        topic: str,
        name: str = "",
        *,
        wait_s: float = 30.0,
    ) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._subscribed = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name)
        if tls is not None:
            self.client.tls_set_context(tls)
        self._topic = topic
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        try:
            assert self._subscribed.wait(wait_s)
        except AssertionError:
            self.close()
            raise

    def _on_connect(self, *_: object) -> None:
        self.client.subscribe(self._topic, 1)

    def _on_subscribe(self, *_: object) -> None:
        self._subscribed.set()

    def _on_message(self, _client: object, _context: object, message: paho.MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
