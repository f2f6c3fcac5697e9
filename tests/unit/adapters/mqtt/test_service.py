"""What the service makes of a broker that lets it in, but listen only at times."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.servers import free_port, until_async
from wattbay.adapters.mqtt.service import Address, GmqttClient
from wattbay.errors import AdapterError

GRANTED, REFUSED = b"\x01", b"\x80"
CONNECT, SUBSCRIBE, DISCONNECT = 1, 8, 14


class ScriptedBroker:
    """As much of MQTT 3.1.1 as a subscription takes, which is answered as it is told to."""

    def __init__(self, answers: Iterator[bytes]) -> None:
        self._answers = answers
        self.answered = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind, length = await reader.readexactly(2)
                body = await reader.readexactly(length)
                if kind >> 4 == CONNECT:
                    writer.write(b"\x20\x02\x00\x00")
                elif kind >> 4 == SUBSCRIBE:
                    writer.write(b"\x90\x03" + body[:2] + next(self._answers))
                    self.answered += 1
                elif kind >> 4 == DISCONNECT:
                    break
        writer.close()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


def test_subscription_that_was_refused_is_granted_later_and_its_loss_is_seen() -> None:
    async def story() -> None:
        port = free_port()
        broker = ScriptedBroker(iter((REFUSED, GRANTED, REFUSED, GRANTED)))
        server = await asyncio.start_server(broker.serve, "127.0.0.1", port)
        client = GmqttClient(Address(port=port))
        with pytest.raises(AdapterError, match="refused a subscription"):
            await client.open(["em/v1/#"], lambda _: None)
        await client.open(["em/v1/#"], lambda _: None)
        assert client.is_connected
        broker.hang_up()
        await until_async(
            lambda: broker.answered == 3 and not client.is_connected, "it is refused, and says so"
        )
        broker.hang_up()
        await until_async(lambda: client.is_connected, "it is let in and listen again")
        await client.close()
        server.close()

    asyncio.run(story())
