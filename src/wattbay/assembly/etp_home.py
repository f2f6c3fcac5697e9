"""A battery at home that sells by the Energy Trading Protocol into a live community."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from wattbay.adapters.etp.auctions import Rules
from wattbay.adapters.etp.bess import Bess
from wattbay.adapters.etp.link import Guard
from wattbay.adapters.etp.node import Address, BessNode
from wattbay.adapters.etp.seller import Seller
from wattbay.adapters.etp.telling import AuctionCompleted, Happening
from wattbay.adapters.rest.client import RestClient
from wattbay.assembly.rest_desk import Market, RestDesk, sold_before
from wattbay.assembly.sale_log import SaleLog
from wattbay.errors import AdapterError

TELL_EVERY_S = 10.0
"""How often it is looked whether the service answers, and knows how full the battery is. [s]"""
TELL_PAUSE_S = 1.0
"""Between two sales of which each changes that, at least. [s]"""


class Home(NamedTuple):
    """A battery, and how it sells."""

    bess: Bess
    rules: Rules
    folder: Path
    """Where it keeps what it is about to bring."""


class HomeBattery:
    """The node of a battery whose sales become those of a community; from `begin` to `close`."""

    def __init__(
        self,
        home: Home,
        client: RestClient,
        market: Market,
        guard: Guard,
        say: Callable[[str], None],
        listener: Callable[[Happening], None],
    ) -> None:
        """Take a battery up where its folder leaves it.

        Parameters
        ----------
        say
            Hears, in words, what whoever runs it should know.
        listener
            Hears what happens in auctions.

        Raises
        ------
        AdapterError
            If its folder cannot be used.
        """
        self._home, self._client, self._market = home, client, market
        self._guard, self._listener = guard, listener
        try:
            home.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            msg = f"{home.folder} cannot be made: {error.strerror}"
            raise AdapterError(msg) from error
        file = home.folder / f"sales-{home.bess.device_id}.jsonl"
        self._log = SaleLog(file, home.bess.level_wh)
        self.desk = RestDesk(client, market, self._log, home.bess.discharge_w, say)
        self._sold = asyncio.Event()
        self._told_wh: int | None = None
        self.node: BessNode | None = None

    async def begin(self) -> BessNode:
        """Learn from the service what was sold before; return the node, which nobody hears yet.

        Raises
        ------
        AdapterError
            If the service does not tell.
        """
        await self.desk.finish_pending()
        bess, rules = self._home.bess, self._home.rules
        bess.level_wh = min(self._log.level_wh, float(bess.capacity_wh))
        before = await asyncio.to_thread(
            lambda: list(sold_before(self._client, self._market, bess.device_id))
        )
        numbers = itertools.count(len(before) + 1).__next__
        rules = rules._replace(price_tick=self._market.price_tick)
        rng = Random(str(bess.device_id))
        seller = Seller(bess, rules, rng, numbers, self.desk.fault)
        for sale in before:
            seller.restore(sale.key, sale.price, sale.energy_wh, sale.entry)
            self.desk.take_up(sale.until)
        self.node = BessNode(seller, self.desk, self._guard, tell=self._hear)
        return self.node

    def _hear(self, happening: Happening) -> None:
        if isinstance(happening, AuctionCompleted):
            self.desk.finished(happening.entry, self._home.bess.level_wh)
            self._sold.set()
        self._listener(happening)

    async def open(self, host: str, port: int) -> Address:
        """Let aggregators in; return where.

        Raises
        ------
        AdapterError
            If the address is taken.
        """
        node = self.node or await self.begin()
        try:
            return await node.open(host, port)
        except OSError as error:
            msg = f"battery {node.device_id} cannot listen at {host}:{port}: {error}"
            raise AdapterError(msg) from error

    async def run(self) -> None:
        """Work until cancelled, or until something that cannot be done without fails."""
        if self.node is None:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self.node.run())
            group.create_task(self._tell(self.node))

    async def _tell(self, node: BessNode) -> None:
        """Let the service, and whoever watches, know how full the battery is."""
        seller = node.seller
        while True:
            level_wh = int(seller.bess.level_wh)
            # While a sale is under way the level is about to change.
            if level_wh != self._told_wh and not seller.is_concluding:
                entry = await self.desk.tell_charge(level_wh)
                if entry is not None:
                    self._told_wh = level_wh
                    seller.told_entry = max(seller.told_entry, entry)
            else:
                await self.desk.look()
            node.tell_status()
            await asyncio.sleep(TELL_PAUSE_S)
            await self._until_sold()

    async def _until_sold(self) -> None:
        """Wait for the next sale, or until it is time to look again."""
        try:
            await asyncio.wait_for(self._sold.wait(), TELL_EVERY_S)
        except TimeoutError:
            return
        self._sold.clear()

    async def close(self) -> None:
        """Sell no more. What the service has not answered is brought again at the next start."""
        self.desk.stop()
        if self.node is not None:
            await self.node.close()
        self._log.close()
