"""A town with a market agent, a broker in memory and a clock that is told the time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from tests.builders import EVE, MIDNIGHT, a_kernel, a_town
from tests.servers import until_async
from wattbay.adapters.mqtt.broker import MemoryBroker
from wattbay.adapters.mqtt.keys import Ed25519Signer, Signer
from wattbay.adapters.mqtt.market.agent import MarketAgent
from wattbay.adapters.mqtt.market.orders import Market
from wattbay.adapters.mqtt.market.periods import Periods
from wattbay.adapters.mqtt.market.signed import SignedOrder, sign_order
from wattbay.adapters.mqtt.market.topics import order_topic
from wattbay.adapters.mqtt.readings import Form
from wattbay.core.commands import Command
from wattbay.core.facts import Side
from wattbay.ids import CommunityId, MeterId, PodId, ProductId, RequestId
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.codec import Entry
from wattbay.kernel.intake import LiveIntake
from wattbay.kernel.kernel import Answer, Kernel
from wattbay.periods import HOUR, Instant

TOWN = CommunityId("town")
SIGNERS: dict[MeterId, Signer] = {
    MeterId(f"m-h0{number}"): Ed25519Signer(bytes((number,)) * 32) for number in (1, 2)
}
PODS = {MeterId(f"m-h0{number}"): PodId(f"h0{number}") for number in (1, 2)}
GATE = Instant(MIDNIGHT - HOUR)


def an_order(
    request: str = "r1",
    *,
    side: Side = Side.BUY,
    quantity_wh: int = 250,
    limit: int | None = 120_000,
    delivery: int = MIDNIGHT,
    expires_at: int = GATE,
) -> SignedOrder:
    return SignedOrder(
        v=1,
        request=RequestId(request),
        product=ProductId("halfhour"),
        delivery=Instant(delivery),
        side=side,
        quantity_wh=quantity_wh,
        limit=limit,
        expires_at=Instant(expires_at),
    )


def signed(order: SignedOrder, device: str = "m-h01", form: Form = Form.COSE) -> bytes:
    name = MeterId(device)
    return sign_order(order, TOWN, name, SIGNERS[name], form)


class Scene:
    """What a test of the market agent stands on."""

    def __init__(
        self,
        commands: Iterable[Command] = (),
        *,
        periods: Periods | None = None,
        waiting_max: int = 100_000,
    ) -> None:
        self.clock = SimulatedClock(EVE)
        self.broker = MemoryBroker()
        self.keys = {name: one.public_key for name, one in SIGNERS.items()}
        self.pods: dict[MeterId, PodId] = dict(PODS)
        self.kernel: Kernel = a_kernel(
            *(commands or a_town()), clock=self.clock, readers=[_Late(self)]
        )
        self.intake = LiveIntake(self.kernel, self.clock, waiting_max)
        self.market = Market(
            community=TOWN,
            submit=self._submit,
            state=lambda: self.kernel.exchange.state,
            clock=self.clock,
            speed=60.0,
            key_of=self.keys.get,
            pod_of=self.pods.get,
        )
        self._periods = periods
        self.agent: MarketAgent | None = None
        self.heard: list[Command] = []

    async def _submit(self, command: Command) -> Answer:
        self.heard.append(command)
        return await self.intake.submit(command)

    async def play(self, story: Callable[[Scene], Awaitable[None]]) -> None:
        """Let the agent be open while a story runs."""
        agent = MarketAgent(self.market, self.broker.client(), periods=self._periods)
        self.agent = agent
        serving = asyncio.create_task(self.intake.run())
        await agent.open()
        try:
            await story(self)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    @property
    def open_agent(self) -> MarketAgent:
        assert self.agent is not None
        return self.agent

    async def order(
        self, order: SignedOrder, device: str = "m-h01", form: Form = Form.COSE
    ) -> None:
        """Let a device order, and wait for its answer."""
        before = len(self.answers(device))
        self.broker.say(order_topic(TOWN, MeterId(device)), signed(order, device, form))
        self.broker.deliver()
        await until_async(lambda: len(self.answers(device)) > before, "it is answered")

    async def settled(self) -> None:
        """Wait until nothing waits at the exchange's door."""
        await until_async(lambda: not self.open_agent.waiting, "all is decided")

    def advance(self, to: int) -> None:
        """Let it be later, and the agent have its turn."""
        self.kernel.advance(Instant(to))
        self.open_agent.turn()

    def said(self, topic: str) -> list[Any]:
        """Return what was said on a topic of the market, oldest first."""
        full = f"em/v1/town/market/{topic}"
        return [json.loads(one) for where, one in self.broker.published if where == full and one]

    def answers(self, device: str = "m-h01") -> list[Any]:
        return self.said(f"answer/{device}")


class _Late:
    """Hears history for the agent, which is made later."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def fold(self, entry: Entry) -> None:
        agent = getattr(self._scene, "agent", None)
        if agent is not None:
            agent.fold(entry)


def play(story: Callable[[Scene], Awaitable[None]], scene: Scene | None = None) -> Scene:
    """Run a story on a scene, and return it."""
    scene = Scene() if scene is None else scene
    asyncio.run(scene.play(story))
    return scene
