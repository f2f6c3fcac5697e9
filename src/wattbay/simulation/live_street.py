"""A made-up street at the ends of real wires: what `wattbay serve` shows without a config.

Homes draw and make what real ones did; their meters sign and publish over the broker, their agents
order at the one door. Nothing of the service knows that they are made up. The exchange's clock runs
faster than the day, and the street follows it, minute by minute.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from wattbay.adapters.mqtt.broker import BrokerClient
from wattbay.adapters.mqtt.keys import Ed25519Signer
from wattbay.adapters.mqtt.readings import sign
from wattbay.core.commands import Command
from wattbay.core.events import Rejected
from wattbay.core.exchange import State
from wattbay.core.market.product import gate_closes
from wattbay.errors import ConfigError, Fault
from wattbay.ids import PodId
from wattbay.kernel.clock import Clock
from wattbay.kernel.evidence import Reading
from wattbay.kernel.kernel import Answer
from wattbay.periods import HOUR, MINUTE, Instant
from wattbay.simulation.dwellings import Dwellings, Flows
from wattbay.simulation.founding import founding
from wattbay.simulation.meters import meter_seed, new_meter
from wattbay.simulation.outbox import StreetOutbox
from wattbay.simulation.residents import Residents
from wattbay.simulation.scenario_facts import Scenario
from wattbay.views.market import Auctions

BEGINS_AFTER_US = 12 * HOUR
"""The first gate that is seen to close is that at noon of the first day. [µs]"""
LEAD_S = 10
"""How long before that gate the street begins, of whoever looks. [s]"""
VOLTAGE_MV = 230_000
MV_PER_W = 0.4
"""How much a home's own power lifts its voltage, about, at the end of a cable. [mV/W]"""

Submit = Callable[[Command], Awaitable[Answer]]


class World(msgspec.Struct):
    """What of the street is not in the journal: kept in a file, so that it goes on."""

    at: Instant
    """The last minute at which its meters published."""
    boot: int
    import_wh: list[float]
    export_wh: list[float]
    """Through each meter since it was put in, up to `at`. [Wh]"""
    soc_wh: list[float]
    solar_wh: list[float]


class Ends(NamedTuple):
    """The ends of the wires that a street holds."""

    clock: Clock
    submit: Submit
    state: Callable[[], State]
    client: BrokerClient
    pause: Callable[[Instant], Awaitable[None]]
    """Returns once the clock has come to an instant."""


def begins(scenario: Scenario, speed: int) -> Instant:
    """Return when a street begins: so long before a gate closes that people see it close."""
    gate = scenario.start + BEGINS_AFTER_US
    return Instant(gate - LEAD_S * speed * 1_000_000)


class LiveStreet:
    """A street that lives until it is cancelled, or its data end."""

    def __init__(self, scenario: Scenario, file: Path, auctions: Auctions) -> None:
        """Take up a street where it was left, if it was.

        Parameters
        ----------
        file
            Where the world is kept.
        auctions
            A view of the street's product that the kernel tells of every entry.

        Raises
        ------
        ConfigError
            If the file is of another street.
        """
        self._scenario = scenario
        self._file = file
        self._auctions = auctions
        self._pods = [home.pod for home in scenario.homes]
        self._meters = [new_meter(scenario.seed, home.meter) for home in scenario.homes]
        self._signers = [
            Ed25519Signer(meter_seed(scenario.seed, meter.meter)) for meter in self._meters
        ]
        self._residents = Residents(scenario)
        self._dwellings = Dwellings(scenario.homes, scenario.isp_us)
        self._flows: Flows | None = None
        self._seq = 0
        self._learnt: set[Instant] = set()
        self._import_wh = np.zeros(len(self._pods))
        self._export_wh = np.zeros(len(self._pods))
        self._boot = 1
        self.refused = 0
        """Orders so far that were refused."""
        self.resumes_at: Instant | None = None
        """Where it was left; None at the first start."""
        if file.exists():
            self._take_up(file)

    @property
    def scenario(self) -> Scenario:
        """What it is made of."""
        return self._scenario

    def founding(self, at: Instant) -> list[Command]:
        """Return the commands that found the community at an instant; pods from a boundary on."""
        isp_us = self._scenario.isp_us
        since = Instant(-(-at // isp_us) * isp_us)
        return founding(self._scenario, self._meters, since)

    async def run(self, ends: Ends) -> None:
        """Live, minute by minute: energy flows, meters publish, agents order before gates."""
        outbox = StreetOutbox(self._scenario.community, ends.client)
        await outbox.open()
        try:
            at = self.resumes_at
            if at is None:
                isp_us = self._scenario.isp_us
                now = ends.clock.now()
                await self._order_between(ends, Instant(now - isp_us), now)
                at = Instant(-(-now // isp_us) * isp_us)
                await ends.pause(at)
                outbox.put(self._told(at))
            while self._is_known(at):
                at = await self._minute(ends, at, outbox)
        finally:
            await outbox.close()

    async def _minute(self, ends: Ends, begun: Instant, outbox: StreetOutbox) -> Instant:
        """Live through a minute; return its end."""
        at, isp_us = Instant(begun + MINUTE), self._scenario.isp_us
        delivery = Instant(begun // isp_us * isp_us)
        if self._flows is None:
            self._flows = self._begin(ends.state(), delivery)
        await ends.pause(at)
        self._import_wh += self._flows.import_wh * (MINUTE / isp_us)
        self._export_wh += self._flows.export_wh * (MINUTE / isp_us)
        outbox.put(self._told(at))
        await self._order_between(ends, begun, at)
        return at

    def _is_known(self, at: Instant) -> bool:
        """Tell whether the data say what is drawn at an instant."""
        series = self._scenario.series
        return series.start <= at < series.start + series.rows * series.isp_us

    def _begin(self, state: State, start: Instant) -> Flows:
        """Return what will flow in a delivery, by what was traded for it."""
        series = self._scenario.series
        row = series.row(start)
        positions = _positions(state, start)
        position_wh = np.array([positions.get(pod, 0) for pod in self._pods], np.float64)
        return self._dwellings.flows(
            series.load_wh[row], series.pv_wh[row], position_wh, self._residents.bounds(start)
        )

    async def _order_between(self, ends: Ends, after: Instant, until: Instant) -> None:
        """Let agents order for the gates whose time to order came since `after`."""
        scenario = self._scenario
        product = scenario.product
        first = gate_closes(product, Instant(0)) - scenario.order_lead_us
        start = Instant((after - first) // scenario.isp_us * scenario.isp_us + scenario.isp_us)
        while (at := start + first) <= until:
            known = ends.state().deliveries.open.get(start)
            if at > after and known is not None and product.product in known.products:
                await self._order(ends, start)
            start = Instant(start + scenario.isp_us)

    async def _order(self, ends: Ends, delivery: Instant) -> None:
        """Let agents learn what was cleared, and order for a delivery."""
        prices = self._auctions.prices()
        for known in [one for one in prices if one not in self._learnt]:
            positions = self._auctions.positions(known)
            self._residents.learn(known, prices[known], self._pods, positions)
        self._learnt = set(prices)
        dwellings = self._dwellings
        isp_us = self._scenario.isp_us
        now = ends.clock.now()
        known_until = Instant(now // isp_us * isp_us)
        commands = self._residents.act(
            Instant(min(now, delivery)), delivery, known_until, dwellings.soc_wh, dwellings.solar_wh
        )
        for command in commands:
            answer = await ends.submit(command)
            if isinstance(answer.events[0], Rejected):
                self.refused += 1

    def _told(self, at: Instant) -> list[Reading]:
        """Return what every meter publishes, once the world is written down as it is then.

        In this order: a street that is killed in between has lost a minute's readings. In the other
        it would tell other things of that minute, and its meters would be thought tampered with.
        """
        readings = self._publish(at)
        if self._flows is not None and at % self._scenario.isp_us == 0:
            self._dwellings.settle(self._flows)
            self._flows = None
        self._keep(at)
        return readings

    def _publish(self, at: Instant) -> list[Reading]:
        """Return what every meter publishes at an instant, signed."""
        self._seq += 1
        power = self._power_w()
        found = []
        for place, (meter, signer) in enumerate(zip(self._meters, self._signers, strict=True)):
            width = 10**meter.digits
            power_w = int(power[place])
            reading = Reading(
                self._scenario.community, meter.meter, self._boot, self._seq, at,
                (meter.import_register + round(self._import_wh[place])) % width,
                (meter.export_register + round(self._export_wh[place])) % width,
                flags=0, power_w=power_w,
                voltage_mv=VOLTAGE_MV + round(MV_PER_W * power_w), proof=b"",
            )  # fmt: skip
            found.append(reading._replace(proof=sign(reading, signer)))
        return found

    def _power_w(self) -> NDArray[np.float64]:
        """Return the power of each home into the grid. Shape (n_homes,). [W]"""
        flows = self._flows
        if flows is None:
            return np.zeros(len(self._pods))
        return np.rint((flows.export_wh - flows.import_wh) * HOUR / self._scenario.isp_us)

    def _keep(self, at: Instant) -> None:
        """Write the world down as it is at an instant."""
        world = World(
            at, self._boot, self._import_wh.tolist(), self._export_wh.tolist(),
            self._dwellings.soc_wh.tolist(), self._dwellings.solar_wh.tolist(),
        )  # fmt: skip
        beside = self._file.with_suffix(".new")
        beside.write_bytes(msgspec.json.encode(world))
        beside.replace(self._file)

    def _take_up(self, file: Path) -> None:
        """Go on with the world as it was written down."""
        try:
            world = msgspec.json.decode(file.read_bytes(), type=World)
        except msgspec.DecodeError as error:
            what = f"is no world of a street: {error}"
            raise ConfigError(Fault(str(file), what, "begin in another folder")) from error
        if len(world.soc_wh) != len(self._pods):
            raise ConfigError(Fault(str(file), "is of another street", "begin in another folder"))
        self._boot = world.boot + 1
        self._import_wh, self._export_wh = np.array(world.import_wh), np.array(world.export_wh)
        self._dwellings.soc_wh = np.array(world.soc_wh)
        self._dwellings.solar_wh = np.array(world.solar_wh)
        self.resumes_at = world.at


def _positions(state: State, delivery: Instant) -> dict[PodId, int]:
    """Return what each pod has sold minus what it has bought of a delivery. [Wh]"""
    known = state.deliveries.open.get(delivery)
    found: dict[PodId, int] = {}
    for trade in known.trades.values() if known is not None else ():
        found[trade.seller] = found.get(trade.seller, 0) + trade.quantity_wh
        found[trade.buyer] = found.get(trade.buyer, 0) - trade.quantity_wh
    return found
