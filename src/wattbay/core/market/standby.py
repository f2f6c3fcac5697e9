"""Orders that wait: for an instant, for a number to reach a level, or for the network.

What is kept is what such orders wait for, by what it is: an event that brings a number touches the
orders alone that wait for that very number and have it now. An order acts when it has all that it
waits for. It then falls due at once, before anything by the clock, and acts in an entry of its own.
A condition that was met once stays met: an order with an instant as well waits for the instant
alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

from msgspec import Struct, field

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.commands import Command
from wattbay.core.facts import Quality, Side
from wattbay.core.meters import Metering
from wattbay.core.terms import Condition, ConditionKind, GridBalance, OrderTerms
from wattbay.ids import OrderId, PodId, ProductId, SignalId
from wattbay.periods import Instant
from wattbay.units import SAFE_INTEGER_MAX

AT_ONCE = Instant(-SAFE_INTEGER_MAX)
"""When an order falls due that has all it waited for: before all that the clock asks for."""
EXPIRES, BEGINS = 0, 1
"""At one instant orders expire before others begin; each by place in time."""

_RISES, _FALLS = "up", "down"
_LAST = OrderId(SAFE_INTEGER_MAX)

PRICES_MAX = 1_000
"""Of each product: so many clearing prices are kept, the latest."""
SIGNALS_MAX = 10_000
DAYS_MAX = 1_000
"""Local days that are listed: the latest so many are known."""


class Standing(Struct):
    """An order that may wait or expire, for as long as it stands."""

    pod: PodId
    product: ProductId
    delivery: Instant
    side: Side
    begins: Instant
    """`AT_ONCE`, or its ``valid_from``."""
    expires: Instant | None
    """None where its gate closes first."""
    condition: Condition | None
    grid: GridBalance | None
    place: int = 0
    """In time: at one instant the lower goes first."""
    topic: str = ""
    """What its condition waits for."""
    is_due: bool = False
    """Whether it has all it waited for but its instant."""
    is_suspended: bool = False
    """Whether it waits for the network."""

    @property
    def waits(self) -> bool:
        """Tell whether it cannot trade yet."""
        return bool(self.topic) or self.is_due or self.is_suspended


class Standby(Struct, omit_defaults=True):
    """Who waits for what, and the numbers that may be waited for."""

    orders: dict[OrderId, Standing] = field(default_factory=dict)
    times: list[tuple[Instant, int, int, OrderId]] = field(default_factory=list)
    """When which order expires or begins, soonest first: instant, which of the two, place, it."""
    topics: dict[str, list[tuple[int, OrderId]]] = field(default_factory=dict)
    """Orders by the number that they wait for, up or down: those first that it reaches first."""
    balanced: dict[Instant, dict[OrderId, None]] = field(default_factory=dict)
    """Grid-balanced orders by delivery, by place in time."""
    prices: dict[ProductId, dict[Instant, int | None]] = field(default_factory=dict)
    """What auctions came to. [nano-currency per Wh]"""
    signals: dict[SignalId, int] = field(default_factory=dict)
    charges: dict[PodId, int] = field(default_factory=dict)
    """States of charge as told last. [Wh]"""
    days: dict[str, Instant] = field(default_factory=dict)
    """When each local day begins, as far as it is listed."""
    places: int = 0
    """How many places in time were given."""


# --- questions -------------------------------------------------------------------------------


def due(standby: Standby) -> tuple[Instant, Command] | None:
    """Return what an order is due to do next, and when."""
    if not standby.times:
        return None
    at, what, _, order = standby.times[0]
    standing = standby.orders[order]
    product, delivery = standing.product, standing.delivery
    if what == EXPIRES:
        return at, c.ExpireOrder(order=order, product=product, delivery=delivery)
    return at, c.ReleaseOrder(order=order, product=product, delivery=delivery)


def is_reached(value: int | None, level: int, *, is_at_least: bool) -> bool:
    """Tell whether a number is known, and at a level or beyond it."""
    if value is None:
        return False
    return value >= level if is_at_least else value <= level


def is_met(standby: Standby, metering: Metering, pod: PodId, condition: Condition) -> bool:
    """Tell whether a condition is met by what is known now."""
    value = known(standby, metering, pod, condition)
    return is_reached(value, condition.level, is_at_least=condition.is_at_least)


def known(standby: Standby, metering: Metering, pod: PodId, condition: Condition) -> int | None:
    """Return the number that a condition names, in its unit; None while it is not known."""
    product, delivery, signal = condition.product, condition.delivery, condition.signal
    match condition.kind:
        case ConditionKind.SIGNAL:
            return None if signal is None else standby.signals.get(signal)
        case ConditionKind.CHARGE:
            return standby.charges.get(pod)
        case ConditionKind.CLEARING_PRICE:
            prices = None if product is None else standby.prices.get(product)
            return None if prices is None or delivery is None else prices.get(delivery)
        case _:
            energies = None if delivery is None else metering.energy.get(delivery)
            metered = None if energies is None else energies.get(pod)
            return None if metered is None else surplus(metered)


def surplus(metered: e.EnergyMetered) -> int | None:
    """Return metered export less import; None for what is but estimated. [Wh]"""
    if metered.quality is Quality.ESTIMATED:
        return None
    return metered.export_wh - metered.import_wh


def topic_of(pod: PodId, condition: Condition) -> str:
    """Return a name of what a condition of a pod's order waits for: a number, up or down."""
    direction = _RISES if condition.is_at_least else _FALLS
    match condition.kind:
        case ConditionKind.SIGNAL:
            return f"signal {condition.signal} {direction}"
        case ConditionKind.CHARGE:
            return f"charge {pod} {direction}"
        case ConditionKind.CLEARING_PRICE:
            return f"price {condition.product} {condition.delivery} {direction}"
        case _:
            return f"surplus {pod} {condition.delivery} {direction}"


def _place_of(condition: Condition, order: OrderId) -> tuple[int, OrderId]:
    """Return the place of an order among those that wait for the same number."""
    return (condition.level if condition.is_at_least else -condition.level, order)


def day_ends(standby: Standby, at: Instant) -> Instant | None:
    """Return when the local day of an instant ends; None where no later day is listed.

    The core knows local days by their deliveries alone: a day ends where the next one that is
    listed begins.
    """
    return min((start for start in standby.days.values() if start > at), default=None)


def is_due(standby: Standby, order: OrderId, what: int, at: Instant) -> bool:
    """Tell whether an order is to expire, or to begin, at an instant or before."""
    standing = standby.orders.get(order)
    if standing is None:
        return False
    if what == EXPIRES:
        return standing.expires is not None and standing.expires <= at
    return standing.is_due and standing.begins <= at


# --- changes: orders come and go -------------------------------------------------------------


def file(
    standby: Standby, event: e.OrderPlaced, terms: OrderTerms, closes: Instant, *, is_met: bool
) -> None:
    """Keep an order that may wait or expire; pass over any other.

    Parameters
    ----------
    closes
        When the gate of its delivery closes.
    is_met
        Whether its condition, if it has one, is met already.
    """
    waits = event.waits and terms.stop is None  # A stop waits in its book, for the last price.
    expires = None if terms.expires is None or terms.expires > closes else terms.expires
    if not waits and expires is None and terms.grid is None:
        return
    order = event.order
    begins = AT_ONCE if terms.valid_from is None else terms.valid_from
    standing = standby.orders[order] = Standing(
        event.pod,
        event.product,
        event.delivery,
        event.side,
        begins,
        expires,
        terms.condition,
        terms.grid,
    )
    standing.place = _next_place(standby)
    if expires is not None:
        insort(standby.times, (expires, EXPIRES, standing.place, order))
    if terms.grid is not None:
        standby.balanced.setdefault(event.delivery, {})[order] = None
    if not waits:
        return
    if terms.condition is not None and not is_met:
        standing.topic = topic_of(event.pod, terms.condition)
        insort(standby.topics.setdefault(standing.topic, []), _place_of(terms.condition, order))
    else:
        _schedule(standby, order, standing)


def release(standby: Standby, order: OrderId) -> None:
    """Let an order have acted: it waits no longer."""
    standing = standby.orders.get(order)
    if standing is None:
        return
    _stop_waiting(standby, order, standing)
    if standing.expires is None and standing.grid is None:
        del standby.orders[order]


def suspend(standby: Standby, order: OrderId) -> None:
    """Let an order wait for the network."""
    standing = standby.orders[order]
    _stop_waiting(standby, order, standing)
    standing.is_suspended = True


def resume(standby: Standby, order: OrderId) -> None:
    """Let an order that waited for the network fall due."""
    standing = standby.orders[order]
    standing.is_suspended = False
    standing.begins = AT_ONCE
    _schedule(standby, order, standing)


def amend(standby: Standby, event: e.OrderAmended) -> None:
    """Let an order that loses its place come after all others at its instant."""
    order = event.order
    standing = standby.orders.get(order)
    if standing is None or event.keeps_place:
        return
    before, standing.place = standing.place, _next_place(standby)
    if standing.expires is not None:
        _strike(standby, (standing.expires, EXPIRES, before, order))
        insort(standby.times, (standing.expires, EXPIRES, standing.place, order))
    if standing.is_due:
        _strike(standby, (standing.begins, BEGINS, before, order))
        insort(standby.times, (standing.begins, BEGINS, standing.place, order))


def forget(standby: Standby, order: OrderId) -> None:
    """Let go of an order that stands no more."""
    standing = standby.orders.pop(order, None)
    if standing is None:
        return
    _stop_waiting(standby, order, standing)
    if standing.expires is not None:
        _strike(standby, (standing.expires, EXPIRES, standing.place, order))
    if standing.grid is not None:
        _leave(standby.balanced, standing.delivery, order)


def _schedule(standby: Standby, order: OrderId, standing: Standing) -> None:
    """Note that an order has all it waited for but its instant."""
    standing.is_due = True
    insort(standby.times, (standing.begins, BEGINS, standing.place, order))


def _stop_waiting(standby: Standby, order: OrderId, standing: Standing) -> None:
    if standing.is_due:
        _strike(standby, (standing.begins, BEGINS, standing.place, order))
    if standing.topic and standing.condition is not None:
        line = standby.topics[standing.topic]
        del line[bisect_left(line, _place_of(standing.condition, order))]
        if not line:
            del standby.topics[standing.topic]
    standing.is_due = standing.is_suspended = False
    standing.topic = ""


def _next_place(standby: Standby) -> int:
    """Give the next place in time."""
    standby.places += 1
    return standby.places


def _strike(standby: Standby, time: tuple[Instant, int, int, OrderId]) -> None:
    """Take out what will not fall due any more."""
    del standby.times[bisect_left(standby.times, time)]


def _leave(index: dict[Instant, dict[OrderId, None]], delivery: Instant, order: OrderId) -> None:
    """Take an order out of an index, and the delivery with the last of them."""
    orders = index[delivery]
    del orders[order]
    if not orders:
        del index[delivery]


# --- changes: numbers come -------------------------------------------------------------------


def give_signal(standby: Standby, event: e.SignalGiven) -> None:
    """Let a number be known: of a pod its state of charge, else a signal of the grid operator."""
    if event.pod is None:
        standby.signals[event.signal] = event.value
        _tell(standby, f"signal {event.signal}", event.value)
    else:
        standby.charges[event.pod] = event.value
        _tell(standby, f"charge {event.pod}", event.value)


def clear_at(standby: Standby, product: ProductId, delivery: Instant, price: int | None) -> None:
    """Let the price be known that a delivery of a product came to. [nano-currency per Wh]"""
    prices = standby.prices.setdefault(product, {})
    prices[delivery] = price
    if len(prices) > PRICES_MAX:
        del prices[next(iter(prices))]
    if standby.topics:
        _tell(standby, f"price {product} {delivery}", price)


def meter(standby: Standby, event: e.EnergyMetered) -> None:
    """Let a pod's energy be known, or known better."""
    if standby.topics:
        _tell(standby, f"surplus {event.pod} {event.delivery}", surplus(event))


def list_day(standby: Standby, day: str, start: Instant) -> None:
    """Let it be known when a local day begins."""
    days = standby.days
    days[day] = min(start, days.get(day, start))
    if len(days) > DAYS_MAX:
        del days[next(iter(days))]


def _tell(standby: Standby, number: str, value: int | None) -> None:
    """Let the orders fall due whose condition a number meets."""
    if value is None:
        return
    for direction, reach in ((_RISES, value), (_FALLS, -value)):
        topic = f"{number} {direction}"
        line = standby.topics.get(topic, [])
        count = bisect_right(line, (reach, _LAST))
        for _, order in line[:count]:
            standing = standby.orders[order]
            standing.topic = ""
            _schedule(standby, order, standing)
        del line[:count]
        if count and not line:
            del standby.topics[topic]
