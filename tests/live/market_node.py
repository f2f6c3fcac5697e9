"""A small exchange behind a broker, with a market agent: what live tests of the market stand on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from tests.builders import EVE, MIDNIGHT, a_party, a_product, a_tariff, list_deliveries, pod_facts
from wattbay.adapters.mqtt.ingest import Community, Ingest
from wattbay.adapters.mqtt.keys import Signer
from wattbay.adapters.mqtt.market.agent import Market, MarketAgent
from wattbay.adapters.mqtt.readings import to_command
from wattbay.adapters.mqtt.service import Address, GmqttClient
from wattbay.core.commands import (
    Command,
    DefineProduct,
    DefineTariff,
    OpenCommunity,
    RegisterParty,
    RegisterPod,
)
from wattbay.core.facts import Meter, Role, SettlementRun
from wattbay.ids import CommunityId, MeterId, PodId, RunName
from wattbay.kernel.clock import SystemClock
from wattbay.kernel.evidence import MemoryReadingStore, Reading
from wattbay.kernel.intake import LiveIntake
from wattbay.kernel.journal import MemoryJournal
from wattbay.kernel.kernel import Kernel
from wattbay.periods import DAY, HOUR, MINUTE, Instant

TOWN = CommunityId("town")
MORNING = Instant(MIDNIGHT + 10 * HOUR)
FIRST_RUN_US = 30 * MINUTE


class ScaledClock:
    """A clock that stands until it is let go, and then is faster than the wall's."""

    def __init__(self, at: Instant) -> None:
        self._at, self._speed = at, 0.0
        self._since = SystemClock().now()

    def let_go(self, at: Instant, speed: float) -> None:
        self._at, self._speed, self._since = at, speed, SystemClock().now()

    def now(self) -> Instant:
        return Instant(self._at + int((SystemClock().now() - self._since) * self._speed))

    def advance(self, to: Instant) -> None:
        """Pass by itself."""


class Node(NamedTuple):
    """An exchange at work."""

    kernel: Kernel
    intake: LiveIntake
    clock: ScaledClock
    agent: MarketAgent
    ingest: Ingest


def founding(meters: dict[MeterId, Signer]) -> list[Command]:
    """Return the commands that found a town: a pod ``h01`` for each meter ``m-h01``."""
    runs = (
        SettlementRun(name=RunName("initial"), after_us=FIRST_RUN_US),
        SettlementRun(name=RunName("final"), after_us=5 * DAY),
    )
    return [
        OpenCommunity(
            community=TOWN, currency="GBP", minor_digits=2, isp_us=30 * MINUTE, runs=runs
        ),
        RegisterParty(party=a_party("supplier", roles=(Role.SUPPLIER, Role.BALANCE_RESPONSIBLE))),
        DefineTariff(tariff=a_tariff()),
        *(
            command
            for name, signer in meters.items()
            for command in (
                RegisterParty(party=a_party(f"p-{name}")),
                RegisterPod(
                    facts=pod_facts(str(pod_of(name)), party=f"p-{name}"),
                    meter=Meter(meter=name, key=signer.public_key),
                ),
            )
        ),
        DefineProduct(product=a_product()),
        list_deliveries(),
        list_deliveries(day="2013-06-11", start=MIDNIGHT + DAY),
    ]


def pod_of(meter: MeterId) -> PodId:
    return PodId(meter.removeprefix("m-"))


@asynccontextmanager
async def a_node(
    addresses: Sequence[Address], meters: dict[MeterId, Signer], *, speed: float
) -> AsyncIterator[Node]:
    """Let an exchange work behind a broker, from `MORNING` on.

    Parameters
    ----------
    addresses
        Of the broker: for the market agent, and for the readings.
    """
    clock = ScaledClock(EVE)
    keys = {name: signer.public_key for name, signer in meters.items()}
    heard: list[MarketAgent] = []
    kernel = Kernel(MemoryJournal(), clock, [_Readers(heard)])
    kernel.submit_many(founding(meters))
    clock.let_go(MORNING, speed)
    kernel.advance(MORNING)
    intake = LiveIntake(kernel, clock, 10_000)
    tasks: set[asyncio.Task[object]] = set()

    def accepted(readings: Sequence[Reading]) -> None:
        for reading in readings:
            task = asyncio.get_running_loop().create_task(_submit(intake, reading))
            tasks.add(task)

    ingest = Ingest(
        Community(community=TOWN, key_of=keys.get, accepted=accepted, acknowledge_every_s=0.02),
        MemoryReadingStore(),
        GmqttClient(addresses[1]),
    )
    market = Market(
        community=TOWN,
        submit=intake.submit,
        state=lambda: kernel.exchange.state,
        clock=clock,
        speed=speed,
        key_of=keys.get,
        pod_of=lambda meter: pod_of(meter) if meter in keys else None,
    )
    agent = MarketAgent(market, GmqttClient(addresses[0]))
    heard.append(agent)
    await agent.open()
    await ingest.open()
    serving = [asyncio.create_task(one) for one in (intake.run(), agent.run())]
    try:
        yield Node(kernel, intake, clock, agent, ingest)
    finally:
        serving[1].cancel()
        await asyncio.gather(serving[1], return_exceptions=True)
        await agent.close()
        await ingest.close()
        serving[0].cancel()
        found = await asyncio.gather(*serving, *tasks, return_exceptions=True)
        faults = [one for one in found if isinstance(one, Exception)]
        assert not faults, faults


async def _submit(intake: LiveIntake, reading: Reading) -> object:
    return await intake.submit(to_command(reading))


class _Readers:
    """Brings history to whoever came later."""

    def __init__(self, heard: list[MarketAgent]) -> None:
        self._heard = heard

    def fold(self, entry: object) -> None:
        for one in self._heard:
            one.fold(entry)  # type: ignore[arg-type] # an entry of the kernel's
