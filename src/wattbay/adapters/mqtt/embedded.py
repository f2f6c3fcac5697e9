"""The embedded broker: amqtt in our own process, for a community on one machine.

It speaks MQTT 3.1.1 and keeps nothing through a restart: what a device has had no acknowledgement
for, it sends again. It lets in everybody who reaches its address, which by default is the loopback;
whoever opens it to others gives it certificates, or takes Mosquitto.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path
from typing import Any, NamedTuple

from amqtt.broker import Broker  # type: ignore[import-untyped] # brings no types
from amqtt.contexts import BrokerConfig, ListenerConfig  # type: ignore[import-untyped] # likewise
from amqtt.errors import BrokerError  # type: ignore[import-untyped] # likewise

from wattbay.errors import AdapterError

CONNECTIONS_MAX = 2_000
_NO_REMARKS = ("Task failed and will be skipped", "Broadcast loop stopped by exception")


class Listener(NamedTuple):
    """Where the broker listens."""

    host: str = "127.0.0.1"
    port: int = 1883
    certificate: Path | None = None
    """PEM, with its chain; clients then come by TLS."""
    key: Path | None = None
    authority: Path | None = None
    """PEM of whoever signs the devices' certificates."""


class EmbeddedBroker:
    """A broker that lives as long as it is open."""

    def __init__(self, listener: Listener | None = None) -> None:
        """Be ready to listen. Within a running event loop."""
        self._listener = listener or Listener()
        logging.getLogger("amqtt").setLevel(logging.ERROR)
        logging.getLogger("transitions").setLevel(logging.ERROR)
        logging.getLogger("amqtt.broker").addFilter(_is_told)
        self._broker = Broker(_configuration(self._listener), loop=asyncio.get_running_loop())
        # The library brings whoever connects what is retained under everybody's subscriptions.
        self._retained = self._broker._publish_retained_messages_for_subscription  # noqa: SLF001 - see above
        self._broker._publish_retained_messages_for_subscription = self._own_retained  # noqa: SLF001 - see above

    async def open(self) -> None:
        """Listen.

        Raises
        ------
        AdapterError
            If the address is taken.
        """
        try:
            # Asked first: a broker that fails half-way leaves tasks behind.
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((self._listener.host, self._listener.port))
            await self._broker.start()
        except (OSError, BrokerError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            where = f"{self._listener.host}:{self._listener.port}"
            msg = f"no MQTT broker can listen at {where}: {why} (another port: [mqtt] port)"
            raise AdapterError(msg) from error

    async def _own_retained(self, subscription: tuple[str, int], session: Any) -> None:  # noqa: ANN401 - the library's
        """Bring a client what is retained under a subscription, if that is its own."""
        subscribed = self._broker._subscriptions.get(subscription[0], ())  # noqa: SLF001 - see above
        if any(one is session for one, _ in subscribed):
            await self._retained(subscription, session)

    async def close(self) -> None:
        """Let everybody go and stop listening."""
        await self._broker.shutdown()


def _is_told(record: logging.LogRecord) -> bool:
    """Tell whether the library's remark is one: that a client left is not, nor that it ends."""
    return not str(record.msg).startswith(_NO_REMARKS)


def _configuration(listener: Listener) -> BrokerConfig:
    """Return how the library is set up: no statistics, no files, one address."""
    tls: dict[str, Any] = {}
    if listener.certificate is not None:
        tls = {
            "ssl": True,
            "certfile": listener.certificate,
            "keyfile": listener.key,
            "cafile": listener.authority,
        }
    return BrokerConfig(
        listeners={
            "default": ListenerConfig(
                bind=f"{listener.host}:{listener.port}", max_connections=CONNECTIONS_MAX, **tls
            )
        },
        plugins={
            "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
        },
    )
