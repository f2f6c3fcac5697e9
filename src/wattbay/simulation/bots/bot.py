"""A bot: it hears what the market says, and returns what it does. No socket, no clock of its own.

For each delivery it places one order, as soon as its gate is the next to close. At each boundary of
deliveries it reads its own meter. An order that nobody answered is sent again, under the same
request, until its gate closes.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from random import Random
from typing import NamedTuple, TypeVar

import msgspec

from wattbay.adapters.mqtt.market.messages import (
    Answered,
    Cleared,
    ClockTold,
    Gate,
    HourlyMarketState,
    OrderEnded,
    OrderRefused,
    OrderTraded,
    ProductTerms,
    SolarOutput,
    ToDevice,
    TypicalConsumptionCurve,
    decode,
    decode_answer,
)
from wattbay.adapters.mqtt.market.signed import SignedOrder
from wattbay.adapters.mqtt.market.topics import Subject
from wattbay.agents.agent import Desk, Outcome, Sight
from wattbay.agents.prices import RecentPrices
from wattbay.agents.prosumer import Prosumer
from wattbay.agents.quantity import Alternatives
from wattbay.agents.strategies import strategy
from wattbay.core.commands import PlaceOrder
from wattbay.core.facts import Mechanism, Product, Side
from wattbay.ids import MeterId, PodId, ProductId, RequestId
from wattbay.periods import Instant
from wattbay.simulation.bots.household import Household, Size
from wattbay.simulation.bots.store import Cell, Store

RESEND_AFTER = 5
"""So many times the clock is heard before an order without an answer is sent again."""
KEPT_MAX = 500
"""Deliveries that are remembered."""


class BotKind(StrEnum):
    """What a bot is."""

    PV = "pv"
    CONSUMER = "consumer"
    PROSUMER = "prosumer"
    BATTERY = "battery"


class Traits(NamedTuple):
    """How a bot is made."""

    kind: BotKind
    device: MeterId
    size: Size = Size()
    cell: Cell = Cell()
    strategy: str = "truthful"
    seed: int = 1
    product: ProductId | None = None
    """What it trades; None for the first product that takes orders."""


class Meter(msgspec.Struct, kw_only=True):
    """What a bot's meter and battery hold, and what outlives its program."""

    import_wh: float = 0.0
    export_wh: float = 0.0
    soc_wh: float = 0.0


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An action, as it is told on the screen."""

    at: Instant
    action: str
    delivery: Instant | None = None
    side: Side | None = None
    quantity_wh: int | None = None
    price: int | None = None
    outcome: str = ""


class Shown(NamedTuple):
    """What the bot's meter shows at a boundary."""

    at: Instant
    import_register: int
    export_register: int


Deed = SignedOrder | Shown | Line
"""What a bot does: order, read its meter, or tell."""

V = TypeVar("V")


class Bot:
    """One bot."""

    def __init__(self, traits: Traits, meter: Meter) -> None:
        """Draw its habits from its seed; know nothing of the market yet."""
        self._traits = traits
        self.meter = meter
        self._household = Household(traits.size, traits.device, traits.seed)
        self._store = Store(traits.cell, meter.soc_wh) if traits.kind is BotKind.BATTERY else None
        self._terms: ProductTerms | None = None
        self._desk: Desk | None = None
        self._prices: RecentPrices | None = None
        self._now: Instant | None = None
        self._boundary: Instant | None = None
        """Until when its meter knows what it measured."""
        self._is_read = False
        self._heard = 0
        self._orders: dict[Instant, SignedOrder] = {}
        self._unanswered: dict[RequestId, tuple[SignedOrder, int]] = {}
        self._positions: dict[Instant, int] = {}
        """Sold minus bought. [Wh]"""
        self._hearing: dict[str, Callable[[bytes], list[Deed]]] = {
            Subject.CLOCK: lambda payload: self._on_clock(decode(ClockTold, payload)),
            Subject.STATE: lambda payload: self._on_state(decode(HourlyMarketState, payload)),
            Subject.SOLAR: lambda payload: self._on_trend(decode(SolarOutput, payload)),
            Subject.CURVE: lambda payload: self._on_trend(decode(TypicalConsumptionCurve, payload)),
            Subject.CLEAR: lambda payload: self._on_cleared(decode(Cleared, payload)),
            Subject.ANSWER: lambda payload: self._on_answer(decode_answer(payload)),
        }

    @property
    def now(self) -> Instant:
        """The market's time as it was last heard; 0 before."""
        return Instant(0) if self._now is None else self._now

    def hear(self, subject: str, payload: bytes) -> list[Deed]:
        """Take in a message of the market, and return what to do.

        Raises
        ------
        WireError
            If it is no message of that subject.
        """
        on = self._hearing.get(subject)
        return [] if on is None or not payload else on(payload)

    # --- the market ------------------------------------------------------------------------------

    def _on_clock(self, told: ClockTold) -> list[Deed]:
        """Read the meter at each boundary that has passed, and order for the next gate."""
        self._heard += 1
        if told.at < self.now:
            return []
        self._now = told.at
        if self._terms is None:
            return []
        deeds: list[Deed] = list(self._read_meter(told.at, self._terms.delivery_us))
        if told.next_gate is not None and told.next_gate.product == self._terms.product:
            deeds += self._order(told.next_gate)
        for request, (order, heard) in list(self._unanswered.items()):
            if order.expires_at <= told.at:
                del self._unanswered[request]
            elif self._heard - heard >= RESEND_AFTER:
                self._unanswered[request] = (order, self._heard)
                deeds.append(order)
        return deeds

    def _on_state(self, told: HourlyMarketState) -> list[Deed]:
        """Find the product to trade, once."""
        if self._terms is not None:
            return []
        wanted = self._traits.product
        for terms in told.products:
            takes_orders = terms.mechanism != Mechanism.COMMUNITY
            if takes_orders and wanted in {None, terms.product}:
                self._terms = terms
                self._prices = RecentPrices(terms.delivery_us)
                self._desk = self._new_desk(terms)
                return [Line(at=told.at, action="trade", outcome=terms.product)]
        return []

    def _new_desk(self, terms: ProductTerms) -> Desk:
        """Return where orders are written: limits between what suppliers pay and what they take."""
        traits, chance = self._traits, Random(f"{self._traits.seed}/{self._traits.device}/limits")
        product = Product(
            product=terms.product,
            price_tick=terms.price_tick,
            energy_tick=terms.energy_tick,
            price_min=terms.price_min,
            price_max=terms.price_max,
            quantity_max_wh=terms.quantity_max_wh,
            opens_before_us=terms.opens_before_us,
            closes_before_us=terms.closes_before_us,
        )
        dear = terms.price_max if terms.retail_energy is None else terms.retail_energy
        cheap = terms.price_min if terms.retail_export is None else terms.retail_export
        middle, reach = (dear + cheap) / 2, (dear - cheap) / 2
        # Within the half on their own side of the middle, so that homes which meet can agree.
        buy_limit = round(middle + reach * chance.uniform(0.2, 0.9))
        sell_limit = round(middle - reach * chance.uniform(0.2, 0.9))
        without = Alternatives(buy=dear, sell=cheap, fees=0, pool=round(middle))
        chosen = strategy(traits.strategy, product, chance)
        return Desk(
            PodId(traits.device), product, chosen, without,
            buy_limit=buy_limit, sell_limit=sell_limit,
        )  # fmt: skip

    def _on_trend(self, told: SolarOutput | TypicalConsumptionCurve) -> list[Deed]:
        self._household.learn(told)
        return []

    def _on_cleared(self, told: Cleared) -> list[Deed]:
        """Learn from a price, and tell it where the bot had an order."""
        if self._terms is None or told.product != self._terms.product or self._prices is None:
            return []
        self._prices.learn(told.delivery, told.price)
        if self._store is not None:
            self._store.learn(told.delivery, told.price, self._terms.delivery_us)
        order = self._orders.get(told.delivery)
        if order is None or self._desk is None:
            return []
        position = self._positions.get(told.delivery, 0)
        Prosumer(self._desk).learn(Outcome(told.delivery, told.price, position))
        outcome = "nothing was traded" if told.price is None else f"{told.volume_wh} Wh in all"
        return [
            Line(
                at=told.at, action="cleared", delivery=told.delivery, price=told.price,
                outcome=outcome,
            )
        ]  # fmt: skip

    # --- orders ----------------------------------------------------------------------------------

    def _order(self, gate: Gate) -> list[Deed]:
        """Order for a delivery, once."""
        if gate.delivery in self._orders or gate.closes_at <= self.now:
            return []
        placed = self._wanted(gate.delivery)
        if placed is None:
            return []
        order = SignedOrder(
            v=1,
            # One a delivery and device: a bot that starts again orders nothing twice.
            request=RequestId(f"bot-{gate.delivery}"),
            product=placed.product,
            delivery=placed.delivery,
            side=placed.side,
            quantity_wh=placed.quantity_wh,
            limit=placed.limit,
            expires_at=gate.closes_at,
        )
        _keep(self._orders, gate.delivery, order)
        if self._store is not None:
            self._store.ordered(gate.delivery, placed.side, placed.quantity_wh)
        self._unanswered[order.request] = (order, self._heard)
        return [order, self._line("order", order)]

    def _wanted(self, delivery: Instant) -> PlaceOrder | None:
        """Return the order for a delivery, if there is one to place."""
        if self._desk is None or self._terms is None or self._prices is None:
            return None
        if self._store is not None:
            wish = self._store.wish(delivery, self._terms)
            if wish is None:
                return None
            found = self._desk.order(delivery, wish.side, wish.quantity_wh, wish.worth)
        else:
            net_wh = self._household.net_wh(delivery)
            if net_wh is None:
                return None
            (price,) = self._prices.expected(delivery, 1)
            found = Prosumer(self._desk).act(Sight(self.now, delivery, net_wh, price))
        return next((one for one in found if isinstance(one, PlaceOrder)), None)

    def _on_answer(self, told: ToDevice) -> list[Deed]:
        """Take in what became of an order."""
        match told:
            case Answered():
                known = self._unanswered.pop(told.request, None)
                if known is None:
                    return []
                if told.status != "accepted" and self._store is not None:
                    self._store.refused(known[0].delivery)
                why = f": {told.reason} ({told.detail})" if told.reason is not None else ""
                return [self._line("answer", known[0], f"{told.status}{why}", at=told.at)]
            case OrderTraded():
                sign = 1 if told.side is Side.SELL else -1
                sign = -sign if told.is_undone else sign
                position = self._positions.get(told.delivery, 0) + sign * told.quantity_wh
                _keep(self._positions, told.delivery, position)
                return [
                    Line(
                        at=told.at, action="undone" if told.is_undone else "traded",
                        delivery=told.delivery, side=told.side, quantity_wh=told.quantity_wh,
                        price=told.price, outcome=f"trade {told.trade}",
                    )
                ]  # fmt: skip
            case OrderEnded():
                return [
                    Line(
                        at=told.at, action="cut", delivery=told.delivery,
                        quantity_wh=told.quantity_wh, outcome=told.reason,
                    )
                ]  # fmt: skip
            case OrderRefused():
                what = ", ".join(f"{count} {name}" for name, count in told.refused.items())
                return [Line(at=told.at, action="refused", outcome=what)]

    def _line(
        self, action: str, order: SignedOrder, outcome: str = "", at: Instant | None = None
    ) -> Line:
        return Line(
            at=self.now if at is None else at,
            action=action,
            delivery=order.delivery,
            side=order.side,
            quantity_wh=order.quantity_wh,
            price=order.limit,
            outcome=outcome,
        )

    # --- the meter -------------------------------------------------------------------------------

    def _read_meter(self, now: Instant, delivery_us: int) -> list[Deed]:
        """Let deliveries that are over have been lived, and read the meter at each boundary."""
        newest = Instant(now - now % delivery_us)
        if self._boundary is None:
            # What came before it was there, it does not know: the meter stands as it stood.
            self._boundary = Instant(newest + delivery_us)
            return []
        deeds: list[Deed] = []
        if self._boundary <= newest and not self._is_read:
            self._is_read = True
            deeds += self._shown(self._boundary)
        while self._boundary < newest:
            delivery = self._boundary
            self._live(delivery)
            self._boundary = Instant(delivery + delivery_us)
            deeds += self._shown(self._boundary)
        return deeds

    def _live(self, delivery: Instant) -> None:
        """Let a delivery have been lived."""
        if self._store is None:
            net_wh = self._household.live(delivery)
        else:
            net_wh = self._store.settle(delivery, self._positions.get(delivery, 0))
            self.meter.soc_wh = self._store.soc_wh
        self.meter.export_wh += max(0.0, net_wh)
        self.meter.import_wh += max(0.0, -net_wh)

    def _shown(self, at: Instant) -> list[Deed]:
        shown = Shown(at, int(self.meter.import_wh), int(self.meter.export_wh))
        drawn, given = shown.import_register, shown.export_register
        outcome = f"drawn {drawn} Wh, injected {given} Wh"
        if self._store is not None:
            outcome += f", holds {self._store.soc_wh:.0f} Wh"
        return [shown, Line(at=at, action="reading", outcome=outcome)]


def _keep(kept: dict[Instant, V], key: Instant, value: V) -> None:
    """Remember something of a delivery, and forget the oldest."""
    kept[key] = value
    while len(kept) > KEPT_MAX:
        del kept[min(kept)]
