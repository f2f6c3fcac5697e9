"""A battery or an aggregator in a process of its own; they find each other through a group.

`python -m tests.live.etp_peer battery|aggregator GROUP PORT INTERFACE HOST [DEVICE…]`: batteries
say where they listen, and sell until standard input ends; an aggregator ends once it has bought
what it wants. Both print their figures, a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from itertools import count
from random import Random
from typing import NamedTuple

from tests.servers import WAIT_S, until_async
from wattbay.adapters.etp.aggregator import AggregatorNode, Pace
from wattbay.adapters.etp.auctions import Rules
from wattbay.adapters.etp.bess import Bess
from wattbay.adapters.etp.datagrams import Group
from wattbay.adapters.etp.discovery import Beacon, Finder, open_found
from wattbay.adapters.etp.envelope import Identity, Key, Scheme, key_of
from wattbay.adapters.etp.key_file import Keys
from wattbay.adapters.etp.link import Guard
from wattbay.adapters.etp.node import Address, BessNode, NoDesk
from wattbay.adapters.etp.seller import Seller
from wattbay.adapters.etp.strategies import Strategy
from wattbay.adapters.etp.trader import Plan, Trader

BUYER = 201
NEED_WH = 12_000
"""More than two batteries have for sale."""
PLAIN = Guard(allows_plain=True)


def keys_of(device: int, *known: int) -> Keys:
    """Return the keys of a device, and of those that it knows."""
    seeds = {one: Identity(one, Scheme.ED25519, one.to_bytes(32, "big")) for one in known}
    peers: dict[int, Key] = {one: key_of(identity) for one, identity in seeds.items()}
    return Keys(Identity(device, Scheme.ED25519, device.to_bytes(32, "big")), peers)


class Battery(NamedTuple):
    """A battery with 5 kWh for sale, that can be found."""

    node: BessNode
    beacon: Beacon
    desk: NoDesk

    async def open(self, host: str, port: int = 0) -> Address:
        return await open_found(self.node, self.beacon, host, port)

    async def close(self) -> None:
        self.beacon.close()
        await self.node.close()


def a_battery(
    device: int, group: Group, *, keys: Keys | None = None, period_s: float = 1_000.0
) -> Battery:
    bess = Bess(device_id=device, capacity_wh=12_000, reserve_price=100_000, level_wh=10_000)
    seller = Seller(bess, Rules(), Random(device), count(1).__next__)
    desk = NoDesk()
    node = BessNode(seller, desk, PLAIN if keys is None else keys.guard())
    guard = PLAIN if keys is None else keys.guard()
    beacon = Beacon(seller, guard, count(1).__next__, group=group, period_s=period_s)
    return Battery(node, beacon, desk)


class Buying(NamedTuple):
    """An aggregator that looks for batteries, and buys what it finds."""

    node: AggregatorNode
    finder: Finder

    async def buy(self, batteries: int) -> dict[str, object]:
        """Find so many batteries, and buy all that is wanted; return the figures."""
        self.finder.open()
        try:
            await until_async(lambda: len(self.finder.seen) == batteries, "all are found")
            async with asyncio.timeout(WAIT_S):
                await self.node.run()
        finally:
            await self.close()
        figures = self.node.trader.figures
        return {
            "bought_wh": figures.bought_wh,
            "spent_nano": figures.spent_nano,
            "found": {device: seen.address for device, seen in self.finder.seen.items()},
            "counts": self.finder.counts,
        }

    async def close(self) -> None:
        self.finder.close()
        await self.node.close()


def an_aggregator(
    group: Group,
    *,
    keys: Keys | None = None,
    pauses_s: tuple[float, float] = (0.2, 0.5),
    need_wh: int = NEED_WH,
) -> Buying:
    plan = Plan(
        BUYER, Strategy.CONSERVATIVE, cap=300_000, floor=100_000, need_wh=need_wh, lot_wh=need_wh
    )
    guard = PLAIN if keys is None else keys.guard()
    ids = count(1).__next__
    node = AggregatorNode(Trader(plan, Random(1)), guard, ids, pace=Pace((0.01, 0.02)))
    guard = PLAIN if keys is None else keys.guard()
    finder = Finder(BUYER, guard, ids, node.call, group=group, pauses_s=pauses_s)
    return Buying(node, finder)


async def _sell(group: Group, host: str, devices: Sequence[int]) -> None:
    batteries = [a_battery(device, group, keys=keys_of(device, BUYER)) for device in devices]
    addresses = [await battery.open(host) for battery in batteries]
    _say(addresses)
    await asyncio.to_thread(sys.stdin.read)
    for battery in batteries:
        await battery.close()
    sold = [sum(sale.energy_wh for _, sale in battery.desk.sold) for battery in batteries]
    _say({"sold_wh": sold})


def _say(told: object) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def main(role: str, group: str, port: str, interface: str, host: str, *devices: str) -> None:
    where, known = Group(group, int(port), interface), [int(device) for device in devices]
    if role == "battery":
        asyncio.run(_sell(where, host, known))
    else:
        buying = an_aggregator(where, keys=keys_of(BUYER, *known))
        _say(asyncio.run(buying.buy(len(known))))


if __name__ == "__main__":
    main(*sys.argv[1:])
