"""A client of the gateway, and a market with its aggregators, for tests of what is told."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from tests.servers import WAIT_S, until_async
from wattbay.adapters.etp.aggregator import AggregatorNode, Pace
from wattbay.adapters.etp.envelope import Identity, Key, Opener, Scheme, Sealer, key_of
from wattbay.adapters.etp.link import Guard
from wattbay.adapters.etp.node import Address
from wattbay.adapters.etp.trader import Trader
from wattbay.assembly.etp import EtpMarket, Where
from wattbay.kernel.clock import SystemClock
from wattbay.simulation.etp_fleet import DEFAULT, Fleet, read_fleet

LOOPBACK = "127.0.0.1"
Fields = dict[str, Any]


class Heard(NamedTuple):
    """An event, as a client hears it."""

    name: str
    fields: Fields

    @property
    def entry(self) -> int:
        return int(self.fields["entry"])


class Client:
    """Whoever looks on: keeps all that is told."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.heard: list[Heard] = []
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        with suppress(ConnectionClosedError):
            async for text in self.connection:
                ((name, fields),) = json.loads(text).items()
                self.heard.append(Heard(name, fields))

    def count(self, name: str) -> int:
        return sum(one.name == name for one in self.heard)

    async def has(self, name: str, times: int = 1) -> None:
        await until_async(lambda: self.count(name) >= times, f"{name}, {times} times")

    async def leave(self) -> None:
        await self.connection.close()
        await self._listening


@asynccontextmanager
async def looking(address: Address, path: str = "/ws") -> AsyncIterator[Client]:
    connection = await connect(f"ws://{address.host}:{address.port}{path}", open_timeout=WAIT_S)
    client = Client(connection)
    try:
        yield client
    finally:
        await client.leave()


# --- a market that trades ----------------------------------------------------------------------


def a_fleet() -> Fleet:
    """Return the packaged one, whose batteries do not rest between two auctions."""
    fleet = read_fleet(DEFAULT)
    batteries = [
        one._replace(rules=one.rules._replace(window_us=50_000, pause_us=(0, 0)))
        for one in fleet.batteries
    ]
    return fleet._replace(batteries=batteries)


def identity(device: int) -> Identity:
    return Identity(device, Scheme.ED25519, bytes([device]) * 32)


def the_keys(fleet: Fleet) -> dict[int, Key]:
    return {member.device: key_of(identity(member.device)) for member in fleet.members}


@asynccontextmanager
async def a_market(folder: Path) -> AsyncIterator[EtpMarket]:
    """Run a market; nobody bids yet."""
    fleet = a_fleet()
    keys, utc = the_keys(fleet), SystemClock().now

    def guard(device: int) -> Guard:
        return Guard(Opener(device, keys, utc), Sealer(identity(device), utc))

    market = EtpMarket(fleet, folder, guard, keys)
    await market.open(Where(LOOPBACK, gateway_port=0))
    running = asyncio.create_task(market.run())
    try:
        yield market
        assert not running.done(), running.exception()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await market.close()


@asynccontextmanager
async def bidding(market: EtpMarket) -> AsyncIterator[None]:
    """Let the fleet's aggregators bid."""
    keys, utc = the_keys(market.fleet), SystemClock().now
    nodes = []
    for one in market.fleet.bidders:
        device = one.member.device
        guard = Guard(Opener(device, keys, utc), Sealer(identity(device), utc))
        trader = Trader(one.plan, Random(device))
        nodes.append(
            AggregatorNode(trader, guard, itertools.count(utc()).__next__, pace=Pace((0.1, 0.3)))
        )
    for node, battery in itertools.product(nodes, market.addresses.items()):
        node.call(*battery)
    rounds = [asyncio.create_task(node.run()) for node in nodes]
    try:
        yield
    finally:
        for one_round in rounds:
            one_round.cancel()
        await asyncio.gather(*rounds, return_exceptions=True)
        for node in nodes:
            await node.close()
