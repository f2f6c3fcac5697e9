"""A market for the Energy Trading Protocol: a fleet of batteries around an exchange of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Final, NamedTuple

from wattbay.adapters.etp.amounts import kwh
from wattbay.adapters.etp.auctions import MarketFault
from wattbay.adapters.etp.board import Board
from wattbay.adapters.etp.desk import MarketDesk, Member, Terms, key_in
from wattbay.adapters.etp.envelope import Key
from wattbay.adapters.etp.gateway import Gateway
from wattbay.adapters.etp.link import Guard
from wattbay.adapters.etp.node import Address, BessNode
from wattbay.adapters.etp.seller import Seller
from wattbay.adapters.etp.telling import BESSNodeStatus, EnergyRecharged
from wattbay.agents.keeper import Keeper
from wattbay.assembly.exchange import LiveExchange, Made
from wattbay.config import Settings, Storage
from wattbay.core.commands import Command, GiveSignal, RegisterPod
from wattbay.core.devices import RegisterDevice, RotateKey
from wattbay.core.enrolment import key_of
from wattbay.core.events import Rejected
from wattbay.core.market.release import CHARGE
from wattbay.errors import AdapterError, ConfigError, Fault
from wattbay.ids import PodId
from wattbay.kernel.clock import MonotonicClock
from wattbay.kernel.codec import decode
from wattbay.periods import Instant
from wattbay.simulation.etp_fleet import Battery, Fleet
from wattbay.simulation.etp_plant import Known, Plant
from wattbay.views.sales import Sales

TURN_S = 0.2
"""How often energy flows on. [s]"""
STATUS_TURNS = 10
"""After so many turns each battery tells how full it is."""
KEEP_TURNS = 5
"""After so many turns days are listed, and history written down."""
NO_KEYS: Final[Mapping[int, Key]] = MappingProxyType({})


class Where(NamedTuple):
    """Where a market is reached."""

    host: str = "127.0.0.1"
    ports: tuple[int, ...] = ()
    """Of the batteries, in their order; otherwise any that are free."""
    gateway_port: int | None = None
    """None: no gateway."""


class EtpMarket:
    """Batteries, their auctions, their exchange and its plant; from `open` to `close`."""

    def __init__(
        self,
        fleet: Fleet,
        folder: Path,
        guard_of: Callable[[int], Guard],
        keys: Mapping[int, Key] = NO_KEYS,
    ) -> None:
        """Take a market up where its journal ends, or found it.

        Parameters
        ----------
        folder
            Where its journal is kept.
        guard_of
            Tells how each battery proves who it is.
        keys
            By which members' messages are checked. Those that prove something to a third are kept
            in the journal, so that a stranger can check its sales.

        Raises
        ------
        ConfigError
            If the folder is of another community.
        JournalError, AdapterError
            If what it stands on cannot be used.
        """
        self.fleet = fleet
        made = Made(
            fleet.community, fleet.calendar, lambda at: fleet.founding(at, keys), fleet.speed
        )
        settings = Settings(storage=Storage(folder=folder))
        self.exchange = LiveExchange(settings, made=made)
        try:
            self._check_fleet()
            self._know(keys)
            self._take_up(guard_of)
        except BaseException:
            self.exchange.close()
            raise

    # --- putting together ------------------------------------------------------------------------

    def _take_up(self, guard_of: Callable[[int], Guard]) -> None:
        """Put everything together, as history leaves it."""
        fleet, exchange = self.fleet, self.exchange
        self.sales = Sales(fleet.product.product)
        joined: dict[PodId, int] = {}
        for seq, data, _ in exchange.journal.rows(1):
            entry = decode(data, seq=seq)
            self.sales.fold(entry)
            if isinstance(entry.command, RegisterPod):
                joined[entry.command.facts.pod] = seq
        self._joined = joined
        exchange.readers.joined.append(self.sales)
        self._keeper = Keeper(fleet.calendar)
        self._clock = MonotonicClock()
        self.board = Board(self._clock)
        self.desk = self._desk()
        self.plant = self._plant()
        self.desk.listeners.append(self.plant.deliver)
        self._numbers = itertools.count(len(self.sales.sales) + 1).__next__
        self.nodes = [self._node(battery, guard_of) for battery in fleet.batteries]
        self.addresses: dict[int, Address] = {}
        for bidder in fleet.bidders:
            member = bidder.member
            self.board.know(member.device, bidder.plan.strategy.value, joined[member.pod])
        self._told: dict[int, tuple[int, int]] = {}
        """How full each battery told to be [Wh], and by which entry."""
        self._added_wh: dict[int, float] = defaultdict(float)
        self.gateway: Gateway | None = None
        self.gateway_address: Address | None = None

    def _check_fleet(self) -> None:
        """Refuse a fleet that is not the one of which history speaks.

        Raises
        ------
        ConfigError
            Says who or what is another.
        """
        state, fleet, folder = self.exchange.state(), self.fleet, self.exchange.folder
        faults = []
        if state.registry.products.get(fleet.product.product) != fleet.product:
            faults.append(f"{folder} is kept for another product {fleet.product.product}")
        if state.registry.isp_us != fleet.isp_us:
            faults.append(f"{folder} is kept for deliveries of another length")
        for member, meter in zip(fleet.members, fleet.meters(), strict=True):
            facts, use = state.registry.pods.get(member.pod), state.metering.meters.get(meter.meter)
            if facts is None or use is None or use.pod != member.pod:
                faults.append(f"device {member.device} is no member of the market in {folder}")
            elif facts[-1].party != member.party or use.meter.key != meter.key:
                faults.append(f"device {member.device} is somebody else in {folder}")
        if faults:
            raise ConfigError(*(Fault("--folder", what, "another folder") for what in faults))

    def _know(self, keys: Mapping[int, Key]) -> None:
        """Let history say who signs with which key from now on, where that is news.

        Raises
        ------
        ConfigError
            If the exchange refuses a key.
        """
        state = self.exchange.state()
        news: list[Command] = []
        for device in self.fleet.signers(keys):
            known = key_of(state.registry, state.metering, device.device)
            if device.device not in state.registry.devices:
                news.append(RegisterDevice(device=device))
            elif known != device.key:
                news.append(RotateKey(device=device.device, key=device.key))
        for answer in self.exchange.kernel.submit_many(news):
            match answer.events[0]:
                case Rejected(reason=reason, detail=detail):
                    raise ConfigError(Fault("keys", f"{reason.value}, {detail}"))
                case _:
                    pass

    def _desk(self) -> MarketDesk:
        exchange, fleet = self.exchange, self.fleet
        pods = exchange.state().registry.pods
        since = max((facts[0].since for facts in pods.values()), default=Instant(0))
        desk = MarketDesk(
            submit=exchange.intake.submit, decide=exchange.exchange.decide, clock=exchange.clock,
            terms=Terms(fleet.product, fleet.isp_us, fleet.members, since), past=self.sales.sales,
        )  # fmt: skip
        for battery in fleet.batteries:
            desk.discharge_w[battery.member.device] = battery.bess.discharge_w
        return desk

    def _plant(self) -> Plant:
        """Return what flows, going on where the meters told last."""
        state, fleet = self.exchange.state(), self.fleet
        known, at = [], None
        for member in fleet.members:
            metering = state.metering.pods[member.pod]
            total = metering.totals[-1]
            seen = state.metering.meters[metering.meter].seen
            boot = max(seen, default=0) >> 32
            known.append(Known(total.import_wh, total.export_wh, boot, total.at))
            at = total.at if at is None else min(at, total.at)
        plant = Plant(fleet, self.exchange.clock.now() if at is None else at)
        plant.take_up(known, self.sales.sales.values())
        return plant

    def _node(self, battery: Battery, guard_of: Callable[[int], Guard]) -> BessNode:
        """Return the node of a battery, which knows its sales again."""
        member, bess = battery.member, battery.bess
        if member.pod in self.sales.levels:
            bess.level_wh = float(min(self.sales.levels[member.pod][0], bess.capacity_wh))
        else:
            # It stopped before it could tell how full it is, and may have sold before that.
            sold = (sale for sale in self.sales.sales.values() if sale.seller == member.pod)
            bess.level_wh = max(0.0, bess.level_wh - sum(sale.energy_wh for sale in sold))
        rng = Random(f"{self.fleet.seed}/{member.device}")
        seller = Seller(bess, battery.rules, rng, self._numbers, self._fault_of(member.device))
        seller.told_entry = self.sales.levels.get(member.pod, (0, self._joined[member.pod]))[1]
        for request, sale in self.sales.sales.items():
            brought = key_in(request)
            if brought is not None and brought[0] == member.device:
                price = sale.price + self.fleet.product.network_fee
                seller.restore(brought[1], price, sale.energy_wh, sale.entry)
                until = Instant(sale.parts[-1].delivery + self.fleet.isp_us)
                self.desk.take_up(member.device, until)
        return BessNode(
            seller, self.desk, guard_of(member.device), clock=self._clock, tell=self.board.tell
        )

    def _fault_of(self, bess: int) -> MarketFault:
        desk = self.desk
        return lambda bidder, price, energy_wh: desk.fault(bess, bidder, price, energy_wh)

    # --- from open to close ----------------------------------------------------------------------

    async def open(self, where: Where) -> None:
        """Let everybody in.

        Raises
        ------
        AdapterError
            If an address is taken.
        """
        ports = where.ports or (0,) * len(self.nodes)
        for node, port in zip(self.nodes, ports, strict=True):
            try:
                self.addresses[node.device_id] = await node.open(where.host, port)
            except OSError as error:
                msg = f"battery {node.device_id} cannot listen at {where.host}:{port}: {error}"
                raise AdapterError(msg) from error
        if where.gateway_port is not None:
            self.gateway = Gateway(self.board, self.linked)
            try:
                self.gateway_address = await self.gateway.open(where.host, where.gateway_port)
            except OSError as error:
                what = f"{where.host}:{where.gateway_port}"
                msg = f"the gateway cannot listen at {what}: {error}"
                raise AdapterError(msg) from error

    def linked(self) -> set[int]:
        """Return the aggregators that speak with a battery now."""
        return {device for node in self.nodes for device in node.linked}

    async def run(self) -> None:
        """Work until cancelled, or until something that cannot be done without fails.

        At the end batteries stop selling before the door closes: what was confirmed is answered.
        """
        intake = asyncio.create_task(self.exchange.intake.run())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_as_long_as(intake))
                group.create_task(self._live())
                for node in self.nodes:
                    group.create_task(node.run())
        finally:
            for node in self.nodes:
                await node.close()
            intake.cancel()
            await asyncio.gather(intake, return_exceptions=True)

    async def close(self) -> None:
        """Let go of everybody, and leave everything so that the next start is quick."""
        for node in self.nodes:
            await node.close()
        if self.gateway is not None:
            await self.gateway.close()
        with suppress(OSError):
            self.exchange.write_snapshot()
        self.exchange.close()

    # --- living ----------------------------------------------------------------------------------

    async def _live(self) -> None:
        """Let energy flow, meters tell, batteries say how full they are, and days be listed."""
        turn = 0
        while True:
            if turn % KEEP_TURNS == 0:
                await self._keep()
            await self._flow()
            if turn % STATUS_TURNS == 0:
                await self._tell()
            turn += 1
            await asyncio.sleep(TURN_S)

    async def _keep(self) -> None:
        """List days in time, and write history down."""
        exchange = self.exchange
        for command in self._keeper.act(exchange.state(), exchange.clock.now()):
            await exchange.intake.submit(command)
        with suppress(AdapterError):
            exchange.keep_history()

    async def _flow(self) -> None:
        """Let energy flow until now; meters tell at each boundary."""
        isp_us, now = self.fleet.isp_us, self.exchange.clock.now()
        boundary = Instant((self.plant.at // isp_us + 1) * isp_us)
        while boundary <= now:
            self.plant.advance(boundary)
            for reading in self.plant.readings(boundary):
                await self.exchange.intake.submit(reading)
            boundary = Instant(boundary + isp_us)
        self.plant.advance(now)

    async def _tell(self) -> None:
        """Let each battery tell how full it is, and what it took in; to the journal first."""
        for one in self.plant.charged():
            self._added_wh[one.bess.device_id] += one.added_wh
        for node, battery in zip(self.nodes, self.fleet.batteries, strict=True):
            bess, member = battery.bess, battery.member
            if node.seller.is_concluding:
                # The level is about to change: written now, it would stand behind the sale.
                continue
            is_written = await self._write_level(node, member)
            # Meanwhile something may have been sold: then its entry says how full it is.
            entry, level = node.seller.told_entry, kwh(int(bess.level_wh))
            if is_written and (added_wh := self._added_wh.pop(member.device, 0.0)):
                self.board.tell(
                    EnergyRecharged(
                        entry=entry, bess_id=member.device, energy_added=kwh(added_wh),
                        new_total=level, energy_percentage=100 * bess.level_wh / bess.capacity_wh,
                    )
                )  # fmt: skip
            self.board.tell(
                BESSNodeStatus(
                    entry=entry, device_id=member.device, energy_available=level,
                    percentage_for_sale=bess.percentage_for_sale, battery_health=bess.health,
                    battery_voltage=bess.voltage_v, is_online=bess.is_online,
                )
            )  # fmt: skip
            node.tell_status()

    async def _write_level(self, node: BessNode, member: Member) -> bool:
        """Let the journal say how full a battery is; False if its pod is not connected yet."""
        seller = node.seller
        level_wh = int(seller.bess.level_wh)
        if self._told.get(member.device) == (level_wh, seller.told_entry):
            return True
        answer = await self.exchange.intake.submit(
            GiveSignal(party=member.party, signal=CHARGE, value=level_wh, pod=member.pod)
        )
        if type(answer.events[0]) is Rejected:
            return False
        self._told[member.device] = level_wh, answer.seq
        seller.told_entry = max(seller.told_entry, answer.seq)
        return True


async def _as_long_as(work: asyncio.Task[None]) -> None:
    """Return never, as long as a task does not fail; whoever waits no more does not end it."""
    await asyncio.shield(work)
