"""The market agent: it keeps the market's time, and runs the four periods of each delivery.

It hears every entry of history once that is durable, and the clock; what each comes to, the agents
of the periods say (`wattbay.adapters.mqtt.market.periods`). Hearing an entry only notes what
happened. A turn of its own, some milliseconds later, says it: so the exchange never waits for the
market's voice, and what changes many times a second is told once.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from wattbay.adapters.mqtt.broker import BrokerClient, Message
from wattbay.adapters.mqtt.market import phases
from wattbay.adapters.mqtt.market.fills import Fills
from wattbay.adapters.mqtt.market.loading import load_periods
from wattbay.adapters.mqtt.market.messages import (
    Alert,
    ClockTold,
    HourlyMarketState,
    Severity,
    SolarOutput,
    TypicalConsumptionCurve,
)
from wattbay.adapters.mqtt.market.orders import Market, OrderDesk
from wattbay.adapters.mqtt.market.periods import Act, Build, Periods, Place, Run, Say, Sight
from wattbay.adapters.mqtt.market.phases import Edge
from wattbay.adapters.mqtt.market.retained import Voice
from wattbay.adapters.mqtt.market.terms import product_terms
from wattbay.adapters.mqtt.market.topics import (
    PASSED_ON,
    REMARKS,
    Subject,
    delivery_part,
    order_filter,
)
from wattbay.adapters.mqtt.market.trends import StandardTrends, Trends
from wattbay.adapters.mqtt.topics import market_topic
from wattbay.core import events as e
from wattbay.core.batches import OrdersEntered
from wattbay.core.commands import Command
from wattbay.errors import JournalError, WireError
from wattbay.ids import TradeId
from wattbay.kernel.codec import Entry
from wattbay.periods import DAY, SECOND, WEEK, Instant, to_text

SAY_EVERY_S = 1.0
"""How often the clock, the books and what is metered are told at most. [s]"""
REPEAT_EVERY_S = 60.0
"""How often what is retained is said again. [s]"""
PAUSE_MIN_S = 0.02
"""Between two turns: what happens in one go is told in one go. [s]"""
BOOKS_PER_TURN = 50
"""Books whose orders are told of at once; the rest has its turn a second later."""
HAPPENED_MAX = 100_000
"""Events that wait to be told; beyond, the oldest are not."""
REMARK_BYTES_MAX = 16_384
SUBMITTED_MAX = 1_000
"""Commands of period agents that wait for the exchange, at most."""
DAYS_TOLD = 2
FORGOTTEN_MAX = 1_000
"""Deliveries of a product, within a week, whose books of an earlier start are taken away."""

_BOOK = (
    e.OrderPlaced
    | e.OrderAmended
    | e.OrderCancelled
    | e.OrderCurtailed
    | e.OrderReleased
    | e.OrderSuspended
    | OrdersEntered
)
"""Change what stands for a delivery."""
_LATER = (
    e.GateClosed
    | e.AuctionCleared
    | e.TradingClosed
    | e.TradeCancelled
    | e.LimitSubmitted
    | e.PhaseChanged
    | e.ProductDefined
    | e.DeliveriesListed
)
"""Are told of as they are."""


class MarketAgent:
    """The market agent of a community."""

    def __init__(
        self,
        market: Market,
        client: BrokerClient,
        *,
        periods: Periods | None = None,
        trends: Trends | None = None,
    ) -> None:
        """Put an agent together; it says and takes nothing before `open`.

        Parameters
        ----------
        client
            A connection of its own, which nobody else uses.
        periods
            The agents of the four periods; None for the standard ones.
        trends
            What bots draw from; None for those of a place at Greenwich.
        """
        self._of = market
        self._client = client
        self._periods = periods or load_periods({}, Build(market.community))
        self._trends = StandardTrends() if trends is None else trends
        self._voice = Voice(market.community, client)
        self._fills = Fills(market)
        self._desk = OrderDesk(market, client, self._fills.placed)
        self._happened: deque[tuple[int, Any]] = deque(maxlen=HAPPENED_MAX)
        self._changed: dict[Place, None] = {}
        self._metered: dict[Instant, None] = {}
        self._counts: Counter[str] = Counter()
        self._wake = asyncio.Event()
        self._submitting: set[asyncio.Task[None]] = set()
        self._seq = 0
        self._until = Instant(0)
        """Until when what the clock changes was told."""
        self._day = -1
        self._due = dict.fromkeys(("clock", "books", "metered", "repeat"), 0.0)
        self._is_state_old = True
        self.fault = ""
        """What went wrong last in an agent of a period."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many messages and commands there were so far, by what became of them."""
        return MappingProxyType({**self._desk.counts, **self._counts})

    @property
    def waiting(self) -> int:
        """How many orders and commands wait for the exchange's answer."""
        return self._desk.waiting + len(self._submitting)

    # --- hearing ---------------------------------------------------------------------------------

    def fold(self, entry: Entry) -> None:
        """Note what happened; it is told in the next turn."""
        self._seq = entry.seq
        run: e.PeriodSettled | None = None
        receipts, is_final = 0, False
        for event in entry.events:
            match event:
                case e.ReadingAccepted() | e.Rejected():
                    continue
                case e.ReceiptIssued():
                    receipts += 1
                case e.EnergyMetered():
                    self._metered[event.delivery] = None
                case e.PeriodSettled():
                    run = event
                case e.DeliveryFinal():
                    is_final = True
                case _:
                    self._note(entry.seq, event)
        if run is not None:
            self._happened.append((entry.seq, Run(run, receipts, is_final)))
        if self._happened:
            # What changes many times a second waits for the next second.
            self._wake.set()

    def _note(self, seq: int, event: e.Event) -> None:
        """Note an event of trading."""
        if isinstance(event, _BOOK):
            place = (event.product, event.delivery)
            self._changed[place] = None
            is_cut = isinstance(event, e.OrderCancelled | e.OrderCurtailed)
            # A batch is looked into only where it may have met an order of a device.
            if is_cut or (isinstance(event, OrdersEntered) and place in self._fills):
                self._happened.append((seq, event))
        elif isinstance(event, e.Traded):
            self._changed[event.product, event.delivery] = None
            self._happened.append((seq, event))
        elif isinstance(event, _LATER):
            self._happened.append((seq, event))

    def alert(
        self,
        what: str,
        detail: str,
        *,
        severity: Severity = Severity.NOTICE,
        place: Place | None = None,
        trade: TradeId | None = None,
    ) -> None:
        """Tell all participants something, where given about a delivery of a product, or a trade.

        Parameters
        ----------
        what
            In two or three words, fit to be counted by.
        """
        message = Alert(
            seq=self._seq,
            at=self._of.clock.now(),
            what=what,
            detail=detail,
            severity=severity,
            product=None if place is None else place[0],
            delivery=None if place is None else place[1],
            trade=trade,
        )
        self._voice.tell(Subject.ALERT, message=message, retain=False)

    # --- at work ---------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect, take orders from now on, and tell how the market stands.

        Raises
        ------
        AdapterError
            If the broker does not let us.
        """
        await self._client.open([order_filter(self._of.community), REMARKS], self._take)
        self._begin()

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            pause_s = self.turn()
            alarm = loop.call_later(max(pause_s, PAUSE_MIN_S), self._wake.set)
            await self._wake.wait()
            alarm.cancel()
            # Whatever comes within a few milliseconds is told in one go.
            await asyncio.sleep(PAUSE_MIN_S)
            self._wake.clear()

    async def close(self) -> None:
        """Answer what is under way, tell what happened, and leave."""
        await self._desk.close()
        if self._submitting:
            await asyncio.wait(self._submitting)
        self.turn()
        await self._client.close()

    def turn(self) -> float:
        """Say what there is to say; return how long nothing falls due. [s of real time]"""
        now_s = asyncio.get_running_loop().time()
        sight = self._sight()
        changes = phases.changes(sight.state, self._until, sight.now)
        self._until = max(self._until, sight.now)
        self._tell_trends(sight)
        for change in changes:
            self._is_state_old = True
            self._clock_made(sight, change)
        while self._happened:
            seq, event = self._happened.popleft()
            self._followed(sight, seq, event)
        if self._metered and self._is_due("metered", now_s):
            deliveries, self._metered = list(self._metered), {}
            self._let(self._periods.exchange.metered, sight, deliveries)
        if self._changed and self._is_due("books", now_s):
            places = list(self._changed)[:BOOKS_PER_TURN]
            for place in places:
                del self._changed[place]
            self._let(self._periods.bidding.changed, sight, places)
        if self._is_state_old or self._is_due("clock", now_s):
            self._due["clock"] = now_s + SAY_EVERY_S
            self._tell_clock(sight)
        if self._is_state_old:
            self._is_state_old = False
            self._tell_state(sight)
        if self._is_due("repeat", now_s, REPEAT_EVERY_S):
            self._voice.repeat()
        return self._pause_s(sight, now_s)

    def _begin(self) -> None:
        """Take away what an earlier start left behind, and let all that stands be told."""
        sight = self._sight()
        self._until = sight.now
        self._due["repeat"] = asyncio.get_running_loop().time() + REPEAT_EVERY_S
        state, isp_us = sight.state, sight.state.registry.isp_us
        if not isp_us:
            return
        for name, product in state.registry.products.items():
            books = state.market.books.get(name, {})
            current = sight.now - sight.now % isp_us
            first = current - min(WEEK, FORGOTTEN_MAX * isp_us)
            last = current + max(0, product.closes_before_us) + 1
            for start in range(first, last, isp_us):
                if Instant(start) not in books:
                    parts = (Subject.ORDERS, name, delivery_part(Instant(start)))
                    self._voice.forget(market_topic(self._of.community, *parts))
            for delivery, book in books.items():
                if book.orders:
                    self._changed[name, delivery] = None
        self._fills.recall(state)
        flowing = Instant(sight.now - sight.now % isp_us)
        if any(phases.is_listed(state, name, flowing) for name in state.registry.products):
            self._let(self._periods.exchange.began, sight, flowing)

    def _sight(self) -> Sight:
        return Sight(self._of.state(), self._of.clock.now(), self._seq)

    def _is_due(self, what: str, now_s: float, every_s: float = SAY_EVERY_S) -> bool:
        """Tell whether something may be said again; if so, it is said now."""
        if now_s < self._due[what]:
            return False
        self._due[what] = now_s + every_s
        return True

    def _pause_s(self, sight: Sight, now_s: float) -> float:
        """Return how long nothing falls due. [s]"""
        pause_s = SAY_EVERY_S
        following = phases.next_change(sight.state, sight.now)
        if following is not None and self._of.speed > 0:
            pause_s = min(pause_s, (following - sight.now) / SECOND / self._of.speed)
        waits = [
            self._due[what]
            for what, waiting in (("books", self._changed), ("metered", self._metered))
            if waiting
        ]
        waits.append(self._due["clock"])
        return max(0.0, min(pause_s, *(due_s - now_s for due_s in waits)))

    # --- what follows from what ------------------------------------------------------------------

    def _clock_made(self, sight: Sight, change: phases.Change) -> None:
        """Let a period's agent act on a change that the clock has made."""
        product = sight.state.registry.products[change.product]
        match change.edge:
            case Edge.OPENS:
                self._let(self._periods.bidding.opened, sight, product, change.delivery)
            case Edge.BEGINS:
                self._fills.forget((change.product, change.delivery))
                self._let(self._periods.exchange.began, sight, change.delivery)
            case Edge.ENDS:
                self._let(self._periods.exchange.ended, sight, change.delivery)

    def _followed(self, sight: Sight, seq: int, event: object) -> None:
        """Let a period's agent act on an event; tell devices about their orders."""
        for device, said in self._fills.told(seq, sight.now, event):
            self._desk.answer(device, said)
        products, periods = sight.state.registry.products, self._periods
        self._is_state_old |= isinstance(event, _LATER | Run)
        match event:
            case e.GateClosed():
                product, delivery = products[event.product], event.delivery
                self._let(periods.bidding.closed, sight, product, delivery)
                self._let(periods.gate_closure.closed, sight, product, delivery)
            case e.AuctionCleared() | e.TradingClosed():
                place = (event.product, event.delivery)
                self._changed[place] = None
                came_to = (event.price, event.volume_wh)
                self._let(periods.gate_closure.cleared, sight, place, *came_to)
            case Run():
                self._let(periods.settlement.settled, sight, event)
            case e.LimitSubmitted():
                detail = f"{event.limit.reason}: {event.limit.bound_wh} Wh is the most"
                self.alert("network limit set", detail)
            case e.PhaseChanged():
                place = (event.product, event.delivery)
                self.alert(f"trading {event.phase.value}", event.reason, place=place)
            case e.TradeCancelled():
                traded = event.traded
                self.alert(
                    "trade undone",
                    event.reason,
                    severity=Severity.WARNING,
                    place=(traded.product, traded.delivery),
                    trade=traded.trade,
                )
            case _:
                pass

    def _let(self, agent: Callable[..., Sequence[Act]], *about: object) -> None:
        """Let an agent act. One that fails is told of; the market goes on without it."""
        try:
            acts = agent(*about)
        except Exception as error:  # noqa: BLE001 - agents may be somebody else's code
            self._counts["faults of agents"] += 1
            where = f"{getattr(agent, '__qualname__', agent)}: {type(error).__name__}"
            is_new = not self.fault.startswith(where)
            self.fault = f"{where}: {error}"
            if is_new:
                self.alert("fault of an agent", self.fault, severity=Severity.WARNING)
            return
        self._act(acts)

    def _act(self, acts: Sequence[Act]) -> None:
        """Say what is to be said, and bring commands to the exchange."""
        for act in acts:
            if isinstance(act, Say):
                self._voice.say(act)
            elif len(self._submitting) >= SUBMITTED_MAX:
                self._counts["commands left out"] += 1
            else:
                task = asyncio.get_running_loop().create_task(self._submit(act))
                self._submitting.add(task)
                task.add_done_callback(self._submitting.discard)

    async def _submit(self, command: Command) -> None:
        """Bring a command of a period's agent to the exchange, and count what came of it."""
        try:
            answer = await self._of.submit(command)
        except (JournalError, WireError):
            self._counts["commands unanswered"] += 1
            return
        refused = any(isinstance(event, e.Rejected) for event in answer.events)
        self._counts["commands refused" if refused else "commands done"] += 1

    # --- what is told by the clock ---------------------------------------------------------------

    def _tell_clock(self, sight: Sight) -> None:
        message = ClockTold(
            seq=sight.seq,
            at=sight.now,
            utc=to_text(sight.now),
            speed=self._of.speed,
            next_gate=phases.next_gate(sight.state, sight.now),
        )
        self._voice.tell(Subject.CLOCK, message=message)

    def _tell_state(self, sight: Sight) -> None:
        deliveries, left_out = phases.around(sight.state, sight.now)
        message = HourlyMarketState(
            seq=sight.seq,
            at=sight.now,
            products=product_terms(sight.state),
            deliveries=deliveries,
            left_out=left_out,
        )
        self._voice.tell(Subject.STATE, message=message)

    def _tell_trends(self, sight: Sight) -> None:
        """Tell sun and habits of today and tomorrow, once a day."""
        isp_us, day = sight.state.registry.isp_us, sight.now // DAY
        if not isp_us or day == self._day:
            return
        self._day = day
        start, count = Instant(day * DAY), DAYS_TOLD * DAY // isp_us
        solar = SolarOutput(
            seq=sight.seq,
            at=sight.now,
            start=start,
            delivery_us=isp_us,
            wh_per_kwp=self._trends.solar_wh_per_kwp(start, isp_us, count),
        )
        self._voice.tell(Subject.SOLAR, message=solar)
        curve = TypicalConsumptionCurve(
            seq=sight.seq,
            at=sight.now,
            start=start,
            delivery_us=isp_us,
            share_ppm=self._trends.consumption_share_ppm(start, isp_us, count),
        )
        self._voice.tell(Subject.CURVE, message=curve)

    # --- what others say -------------------------------------------------------------------------

    def _take(self, messages: list[Message]) -> None:
        """Bring orders to the desk; pass on what is said on INFO."""
        orders = [message for message in messages if message.topic != REMARKS]
        if orders:
            self._desk.take(orders)
        for message in messages:
            if message.topic == REMARKS:
                self._pass_on(message)

    def _pass_on(self, message: Message) -> None:
        """Say on METRICS what the field `message` of an INFO bears, as open-elecbay does."""
        try:
            if len(message.payload) > REMARK_BYTES_MAX:
                raise ValueError("too long")
            said = msgspec.json.decode(message.payload)["message"]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, *_NO_FIELD):
            self._counts["INFO of wrong form"] += 1
        else:
            text = said.encode() if isinstance(said, str) else msgspec.json.encode(said)
            self._client.publish(PASSED_ON, text)
            self._counts["INFO passed on"] += 1
        self._client.acknowledge([message])


_NO_FIELD = (KeyError, TypeError, ValueError, IndexError)


__all__ = ["Market", "MarketAgent"]
