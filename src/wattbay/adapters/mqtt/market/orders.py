"""Orders come in over MQTT: verified, decided, durable, answered, and only then acknowledged.

A message that is no authentic order of a known device is counted by what is wrong with it, told to
the device where there is one to tell, and leaves nothing else. What is authentic waits its turn at
the exchange's door; how many may wait is bounded, for all and for each device.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from wattbay.adapters.mqtt.broker import BrokerClient, Message
from wattbay.adapters.mqtt.jws import READING_BYTES_MAX
from wattbay.adapters.mqtt.market.messages import (
    ACCEPTED,
    REJECTED,
    Answered,
    OrderRefused,
    ToDevice,
    encode,
)
from wattbay.adapters.mqtt.market.signed import SignedOrder, check_expiry, read_order, to_command
from wattbay.adapters.mqtt.market.topics import answer_topic, parse_order_topic
from wattbay.adapters.mqtt.readings import kind
from wattbay.core import events as e
from wattbay.core.commands import Command
from wattbay.core.exchange import State
from wattbay.core.reasons import Reason
from wattbay.core.registry import facts_at
from wattbay.errors import JournalError, WireError
from wattbay.ids import CommunityId, MeterId, OrderId, PodId, ProductId
from wattbay.kernel.clock import Clock
from wattbay.kernel.intake import NOT_IN_HISTORY
from wattbay.kernel.kernel import Answer
from wattbay.periods import Instant

WAITING_MAX = 10_000
"""Orders that wait for the exchange, at most."""
WAITING_PER_DEVICE_MAX = 100
"""Of one device."""
ORDER_BYTES_MAX = READING_BYTES_MAX
"""Of a signed order, as of a reading; what is longer is not looked at."""
TELL_EVERY_S = 1.0
"""How often a device hears of what was refused. [s]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """The exchange as the market agent is given it."""

    community: CommunityId
    submit: Callable[[Command], Awaitable[Answer]]
    """The one door, `wattbay.kernel.intake.LiveIntake.submit`."""
    state: Callable[[], State]
    """What the exchange knows; to be read and never changed."""
    clock: Clock
    """That of the exchange."""
    speed: float = 1.0
    """How many seconds of the exchange's clock pass in one of real time."""
    key_of: Callable[[MeterId], bytes | None]
    """Public key of a device; None for an unknown or revoked one."""
    pod_of: Callable[[MeterId], PodId | None]
    """For which pod a device may order; None for none."""


Placed = Callable[[MeterId, OrderId, ProductId, Instant], None]
"""Hears of every order that a device placed."""


class OrderDesk:
    """The way of a community's orders from the broker to the exchange, and of answers back."""

    def __init__(self, market: Market, client: BrokerClient, placed: Placed) -> None:
        """Be ready to take orders."""
        self._of = market
        self._client = client
        self._placed = placed
        self._counts: Counter[str] = Counter()
        self._waiting: Counter[MeterId] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused: dict[MeterId, Counter[str]] = {}
        self._telling: asyncio.TimerHandle | None = None
        self._newest = 0
        """The highest number of an entry that an answer bore."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many messages there were so far, by what became of them."""
        return MappingProxyType(self._counts)

    @property
    def waiting(self) -> int:
        """How many orders wait for their answer."""
        return len(self._tasks)

    def take(self, messages: Sequence[Message]) -> None:
        """Take what came in one go, in order."""
        for message in messages:
            try:
                self._take_one(message)
            except WireError as error:
                self._refuse(message, kind(error))

    async def close(self) -> None:
        """Wait for the answers that are under way, and tell what was refused."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._telling is not None:
            self._telling.cancel()
            self.tell()

    def _take_one(self, message: Message) -> None:
        """Let one order wait its turn.

        Raises
        ------
        WireError
            If it is none.
        """
        if len(message.payload) > ORDER_BYTES_MAX:
            msg = f"too long: {len(message.payload)} bytes; at most {ORDER_BYTES_MAX}"
            raise WireError(msg)
        community, now = self._of.community, self._of.clock.now()
        device, order = read_order(message.payload, message.topic, community, self._of.key_of)
        check_expiry(order, now)
        pod = self._of.pod_of(device)
        if pod is None:
            detail = f"{device} orders for no point of delivery"
            self._refusal(message, device, order, (Reason.NOT_ALLOWED, detail))
            return
        if _is_of_the_next(self._of.state(), pod, order, now):
            detail = f"{pod} is another party's then"
            self._refusal(message, device, order, (Reason.NOT_ALLOWED, detail))
            return
        if len(self._tasks) >= WAITING_MAX or self._waiting[device] >= WAITING_PER_DEVICE_MAX:
            detail = f"{self._waiting[device]} orders of {device} wait, {len(self._tasks)} in all"
            self._refusal(message, device, order, (Reason.TOO_MANY, detail))
            return
        self._waiting[device] += 1
        work = self._submit(message, device, order, to_command(order, pod))
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _submit(
        self, message: Message, device: MeterId, order: SignedOrder, command: Command
    ) -> None:
        """Let the exchange decide; answer, and let the broker forget the message."""
        try:
            answer = await self._of.submit(command)
        except JournalError:
            # Not acknowledged: the broker brings it again to whoever takes over.
            self._counts["exchange does not answer"] += 1
            return
        except WireError as error:
            self._refuse(message, kind(error))
            return
        finally:
            self._waiting[device] -= 1
            if not self._waiting[device]:
                del self._waiting[device]
        # Answers come in the order of their entries, but those that were given before.
        is_repeated = NOT_IN_HISTORY < answer.seq <= self._newest
        self._newest = max(self._newest, answer.seq)
        said = answered(order, answer, self._of.clock.now())
        self._counts["repeated" if is_repeated else said.status] += 1
        if said.status == ACCEPTED and said.order is not None and order.product is not None:
            self._placed(device, said.order, order.product, order.delivery or Instant(0))
        self.answer(device, said)
        self._client.acknowledge([message])

    def answer(self, device: MeterId, said: ToDevice) -> None:
        """Tell a device something about its orders."""
        topic = answer_topic(self._of.community, device)
        self._client.publish(topic, encode(said), qos=1)

    def _refusal(
        self, message: Message, device: MeterId, order: SignedOrder, why: tuple[Reason, str]
    ) -> None:
        """Answer an authentic order that is not brought to the exchange."""
        reason, detail = why
        rejected = e.Rejected(reason=reason, detail=detail)
        said = answered(order, Answer(NOT_IN_HISTORY, (rejected,)), self._of.clock.now())
        self._counts[reason.value.replace("_", " ")] += 1
        self.answer(device, said)
        self._client.acknowledge([message])

    def _refuse(self, message: Message, what: str) -> None:
        """Count a message that is no order; its device hears of it soon, if it is one of ours."""
        self._counts[what] += 1
        self._client.acknowledge([message])
        try:
            device = parse_order_topic(message.topic, self._of.community)
        except WireError:
            return
        if self._of.key_of(device) is None:
            return
        self._refused.setdefault(device, Counter())[what] += 1
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(TELL_EVERY_S, self.tell)

    def tell(self) -> None:
        """Tell devices what was refused since the last time."""
        self._telling = None
        refused, self._refused = self._refused, {}
        now = self._of.clock.now()
        for device in sorted(refused):
            told = OrderRefused(seq=self._newest, at=now, refused=dict(refused[device]))
            self.answer(device, told)


def _is_of_the_next(state: State, pod: PodId, order: SignedOrder, now: Instant) -> bool:
    """Tell whether an order is for a time when its pod is another party's than now.

    The device behind a pod stays when somebody moves out; until then it binds nobody else.
    """
    history = state.registry.pods.get(pod)
    if not history or history[-1].since <= now:
        return False
    delivery = order.delivery
    if order.cancel is not None:
        place = state.market.places.get(order.cancel)
        delivery = None if place is None else place[1]
    if delivery is None:
        return False
    present = facts_at(state.registry, pod, max(now, history[0].since))
    then = facts_at(state.registry, pod, delivery)
    return present is not None and then is not None and present.party != then.party


def answered(order: SignedOrder, answer: Answer, now: Instant) -> Answered:
    """Return what a device is told of what came of its order."""
    named = order.cancel
    traded_wh, rejected = 0, None
    for event in answer.events:
        match event:
            case e.Rejected():
                rejected = event
            case e.OrderPlaced() if named is None:
                named = event.order
            case e.Traded() if named in {event.buy_order, event.sell_order}:
                traded_wh += event.quantity_wh
            case _:
                pass
    return Answered(
        seq=answer.seq,
        at=now,
        request=order.request,
        status=ACCEPTED if rejected is None else REJECTED,
        order=named,
        traded_wh=traded_wh,
        reason=None if rejected is None else rejected.reason,
        detail="" if rejected is None else rejected.detail,
    )
