"""The embedded broker, as far as it can be tried without a connection."""

from __future__ import annotations

import asyncio
import logging

import pytest

from wattbay.adapters.mqtt.embedded import EmbeddedBroker


def test_client_that_left_is_no_fault_and_whatever_else_the_library_says_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def made() -> None:
        EmbeddedBroker()

    asyncio.run(made())
    library = logging.getLogger("amqtt.broker")
    library.error("Task failed and will be skipped: <Task …>")
    library.error("Broadcast loop stopped by exception")
    library.error("something else")
    assert [record.message for record in caplog.records] == ["something else"]
