"""A service that takes readings in until it is killed: a program of its own, for tests.

Arguments: port of the broker, how to connect to the store, and the public key of every device.
"""

from __future__ import annotations

import asyncio
import sys

from wattbay.adapters.mqtt.ingest import Community, Ingest
from wattbay.adapters.mqtt.service import Address, GmqttClient
from wattbay.adapters.stores.postgres import PostgresReadingStore
from wattbay.errors import AdapterError
from wattbay.ids import CommunityId


async def work(port: int, conninfo: str, key: bytes) -> None:
    """Take readings in for as long as this program lives."""
    store = PostgresReadingStore(conninfo)
    community = Community(
        community=CommunityId("london"), key_of=lambda _: key, acknowledge_every_s=0.02
    )
    while True:
        ingest = Ingest(community, store, GmqttClient(Address(port=port)))
        try:
            await ingest.open()
        except AdapterError:
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.1)
            continue
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(work(int(sys.argv[1]), sys.argv[2], bytes.fromhex(sys.argv[3])))
