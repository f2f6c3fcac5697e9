"""When orders that wait act, are suspended, and end.

An order that says when it acts is looked at here first, and then like any other at the desk. What
it waits for is kept in `wattbay.core.market.standby`, which says when it is due.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import structs

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.facts import Mechanism, NetworkLimit, Product, Role, TradingPhase
from wattbay.core.ledger import Ledger
from wattbay.core.market import balance, desk, network, standby, trading
from wattbay.core.market.orders import Book, Market, Order
from wattbay.core.market.product import clears_latest, gate_closes
from wattbay.core.market.standby import BEGINS, EXPIRES, Standing
from wattbay.core.meters import Metering
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, facts_at, facts_then, has_role, refuse
from wattbay.core.terms import Condition, ConditionKind, Ended, Kind, OrderTerms, TimeInForce
from wattbay.ids import OrderId, PodId, ProductId, SignalId, is_id
from wattbay.periods import Instant, to_text

CHARGE = SignalId("charge")
"""The name under which a pod's own party tells its state of charge."""

_STOPS = frozenset({Kind.STOP, Kind.STOP_LIMIT})
_BALANCED = frozenset({Mechanism.CALL_AUCTION, Mechanism.CONTINUOUS})
"""Mechanisms that keep to network limits as they come."""
_NAMES = frozenset({"product", "delivery", "signal"})
_NEEDED: Mapping[ConditionKind, frozenset[str]] = MappingProxyType(
    {
        ConditionKind.CLEARING_PRICE: frozenset({"product", "delivery"}),
        ConditionKind.SURPLUS: frozenset({"delivery"}),
        ConditionKind.CHARGE: frozenset(),
        ConditionKind.SIGNAL: frozenset({"signal"}),
    }
)
"""What a condition names, by its kind."""


# --- entry -----------------------------------------------------------------------------------


def place(
    registry: Registry,
    market: Market,
    ledger: Ledger,
    metering: Metering,
    command: c.PlaceOrder,
    at: Instant,
) -> list[e.Event]:
    """Let an order into the market of its product, at once or once it has what it waits for."""
    terms = command.terms
    if terms is None or not _is_timed(terms):
        return desk.place(registry, market, ledger, command, at)
    product = registry.products.get(command.product)
    fault = None
    waits, obstacle, limits = False, "", None
    if product is not None and facts_at(registry, command.pod, command.delivery) is not None:
        fault = _fault(registry, market, metering, product, command, terms, at)
        if fault is None:
            waits = _waits(market, metering, command.pod, terms, at)
        if fault is None and terms.grid is not None:
            binding = balance.scales(market.limits, command.delivery)
            limits = len(binding)
            zone = facts_then(registry, command.pod, command.delivery).zone
            obstacle = balance.objection(terms.grid, binding, command.pod, zone, command.side)
            obstacle = "" if waits else obstacle
    stands_by = waits or bool(obstacle) or fault is not None
    decided = desk.place(registry, market, ledger, command, at, stands_by=stands_by)
    placed = decided[0]
    if type(placed) is not e.OrderPlaced:
        return decided
    if fault is not None:
        return fault
    if terms.time_in_force is TimeInForce.DAY:
        terms = structs.replace(terms, expires=standby.day_ends(market.standby, at))
    decided[0] = structs.replace(placed, terms=terms, limits_in_force=limits)
    if obstacle:
        decided.append(_suspended(placed.order, command, obstacle))
    return decided


def _is_timed(terms: OrderTerms) -> bool:
    """Tell whether an order says anything about when it acts or ends."""
    return (
        terms.valid_from is not None
        or terms.expires is not None
        or terms.condition is not None
        or terms.grid is not None
        or terms.time_in_force is TimeInForce.DAY
    )


def _waits(market: Market, metering: Metering, pod: PodId, terms: OrderTerms, at: Instant) -> bool:
    """Tell whether an order waits for its instant or its condition."""
    if terms.valid_from is not None and terms.valid_from > at:
        return True
    condition = terms.condition
    return condition is not None and not standby.is_met(market.standby, metering, pod, condition)


def _suspended(order: OrderId, what: c.PlaceOrder | Standing, reason: str) -> e.OrderSuspended:
    return e.OrderSuspended(
        order=order, product=what.product, delivery=what.delivery, reason=reason
    )


# --- what is refused -------------------------------------------------------------------------


def _fault(
    registry: Registry,
    market: Market,
    metering: Metering,
    product: Product,
    command: c.PlaceOrder,
    terms: OrderTerms,
    at: Instant,
) -> list[e.Event] | None:
    """Refuse an order that is over, can never act, or waits for what cannot be."""
    closes = _closes(market, product, command.delivery)
    if terms.expires is not None and terms.expires <= at:
        return refuse(Reason.ALREADY_EXPIRED, f"it is over: {to_text(terms.expires)}")
    if terms.valid_from is not None and terms.valid_from >= closes:
        return _bad(f"it would begin too late: its gate closes at {to_text(closes)}")
    if terms.grid is not None and product.mechanism not in _BALANCED:
        return _bad("network limits bind auctions and continuous trading alone")
    if terms.kind in _STOPS and (terms.valid_from, terms.condition, terms.grid) != (None,) * 3:
        return _bad("a stop waits for the last price, and for nothing else")
    if terms.block is not None and (terms.valid_from, terms.condition) != (None, None):
        return _bad("a block waits for its auction, and for nothing else")
    if terms.condition is None:
        return None
    return _bad_condition(registry, market, metering, command, terms.condition, at)


def _closes(market: Market, product: Product, delivery: Instant) -> Instant:
    """Return when the gate of a delivery closes: with blocks, before the first of its day."""
    book = market.books[product.product].get(delivery)
    return gate_closes(product, delivery if book is None else book.gate_of(delivery))


def _bad(detail: str) -> list[e.Event]:
    return refuse(Reason.BAD_CONDITION, detail)


def _bad_condition(
    registry: Registry,
    market: Market,
    metering: Metering,
    command: c.PlaceOrder,
    condition: Condition,
    at: Instant,
) -> list[e.Event] | None:
    """Refuse a condition that names too little, too much, or what does not come before."""
    needed = _NEEDED[condition.kind]
    if {name for name in _NAMES if getattr(condition, name) is not None} != needed:
        wanted = " and ".join(sorted(needed)) or "nothing"
        return _bad(f"a condition on a {condition.kind.value} names {wanted}, and no more")
    if condition.signal is not None and not is_id(condition.signal):
        return _bad("a signal is named by an id: 1 to 64 letters, digits, _ or -")
    delivery = condition.delivery
    if delivery is None:
        return None
    if delivery % registry.isp_us:
        return _bad("a delivery begins at a boundary")
    closes = _closes(market, registry.products[command.product], command.delivery)
    if condition.product is not None:
        return _bad_price(registry, market, condition.product, delivery, closes, at)
    if delivery + registry.isp_us >= closes:
        return _bad(f"that delivery does not end before the gate closes, at {to_text(closes)}")
    if facts_at(registry, command.pod, delivery) is None:
        return _bad("the pod was not connected then")
    if (
        delivery < metering.final_until
        and standby.known(market.standby, metering, command.pod, condition) is None
    ):
        return _bad("the energy of that delivery is not kept any more")
    return None


def _bad_price(
    registry: Registry,
    market: Market,
    product: ProductId,
    delivery: Instant,
    closes: Instant,
    at: Instant,
) -> list[e.Event] | None:
    """Refuse a clearing price that will not be known in time, or never."""
    other = registry.products.get(product)
    if other is None:
        return _bad(f"product {product} is not known; name one that is")
    if other.mechanism is Mechanism.COMMUNITY:
        return _bad(f"product {product} has no auction")
    comes = clears_latest(other, delivery)
    if comes >= closes:
        return _bad(f"that price does not come before the gate closes, at {to_text(closes)}")
    prices = market.standby.prices.get(product, {})
    if delivery in prices:
        return _bad("that auction came to no price") if prices[delivery] is None else None
    if comes <= at:
        return _bad("the price of that auction is not known any more, or there was none")
    return None


# --- by the clock ----------------------------------------------------------------------------


def release(
    registry: Registry, market: Market, command: c.ReleaseOrder, at: Instant
) -> list[e.Event]:
    """Let an order act that has all it waited for, unless the network forbids it now."""
    found = _found(market, command, BEGINS, at)
    if not isinstance(found, Order):
        return found
    standing = market.standby.orders[command.order]
    if standing.grid is not None:
        zone = facts_then(registry, found.pod, command.delivery).zone
        binding = balance.scales(market.limits, command.delivery)
        obstacle = balance.objection(standing.grid, binding, found.pod, zone, found.side)
        if obstacle:
            return [_suspended(command.order, standing, obstacle)]
    if registry.products[command.product].mechanism is Mechanism.CONTINUOUS:
        return _begin(registry, market, command, standing)
    return _act(command)


def _act(command: c.ReleaseOrder) -> list[e.Event]:
    return [
        e.OrderReleased(order=command.order, product=command.product, delivery=command.delivery)
    ]


def _begin(
    registry: Registry, market: Market, command: c.ReleaseOrder, standing: Standing
) -> list[e.Event]:
    """Let an order into its order book; while that takes none it waits on."""
    decided = trading.begin(registry, market, command)
    venue = trading.venue_of(market.books[command.product][command.delivery])
    is_taken = type(decided[0]) is not e.OrderCancelled
    if is_taken or venue.phase is TradingPhase.CONTINUOUS:
        return decided
    return [_suspended(command.order, standing, f"trading is in the phase {venue.phase.value}")]


def expire(market: Market, command: c.ExpireOrder, at: Instant) -> list[e.Event]:
    """End an order whose time is over."""
    found = _found(market, command, EXPIRES, at)
    if not isinstance(found, Order):
        return found
    return [_ended(command.order, market.standby.orders[command.order], found, Ended.EXPIRED)]


def _found(
    market: Market, command: c.ReleaseOrder | c.ExpireOrder, what: int, at: Instant
) -> Order | list[e.Event]:
    """Return the order that the clock speaks of, or a refusal where it does not."""
    place = market.places.get(command.order)
    if place is None or place != (command.product, command.delivery):
        return refuse(Reason.UNKNOWN_ORDER, f"order {command.order}")
    if not standby.is_due(market.standby, command.order, what, at):
        return refuse(Reason.NOT_DUE, "orders begin and expire by the clock")
    return market.books[command.product][command.delivery].orders[command.order]


def _ended(number: OrderId, standing: Standing, order: Order, reason: Ended) -> e.OrderCancelled:
    return e.OrderCancelled(
        order=number,
        product=standing.product,
        delivery=standing.delivery,
        reason=reason,
        quantity_wh=order.open_wh,
    )


def close(market: Market, product: Product, delivery: Instant) -> list[e.Event]:
    """End the orders of a delivery that still wait when its gate closes: they take no part.

    What waits for the network alone stands on until the auction, where there is one: until then
    another limit may come that it relieves.
    """
    book = market.books[product.product][delivery]
    ended = _ends(market, book, is_suspended=False)
    if product.mechanism is not Mechanism.CALL_AUCTION:
        ended += _ends(market, book, is_suspended=True)
    return ended


def leave_out(market: Market, product: Product, delivery: Instant) -> list[e.Event]:
    """End the orders of a delivery that wait for the network when its auction is held."""
    return _ends(market, market.books[product.product][delivery], is_suspended=True)


def _ends(market: Market, book: Book, *, is_suspended: bool) -> list[e.Event]:
    known = market.standby.orders
    if not known:
        return []
    return [
        _ended(number, standing, order, Ended.GATE_CLOSED)
        for number, order in book.orders.items()
        if order.stands_by
        and (standing := known.get(number)) is not None
        and standing.is_suspended is is_suspended
    ]


# --- signals and limits ----------------------------------------------------------------------


def give_signal(
    registry: Registry, market: Market, command: c.GiveSignal, at: Instant
) -> list[e.Event]:
    """Let the grid operator give a signal, or a party tell its pod's state of charge."""
    if not is_id(command.signal):
        return refuse(Reason.BAD_ID, f"signal {command.signal!r}")
    if command.pod is not None:
        facts = facts_at(registry, command.pod, at)
        if facts is None:
            return refuse(Reason.UNKNOWN_POD, f"pod {command.pod}")
        if facts.party != command.party:
            return refuse(Reason.NOT_ALLOWED, "only its own party tells of a pod")
        if command.signal != CHARGE or command.value < 0:
            return refuse(Reason.BAD_VALUE, f"of a pod: {CHARGE}, not below zero")
    elif not has_role(registry, command.party, Role.GRID_OPERATOR):
        return refuse(Reason.NOT_ALLOWED, "only the grid operator gives signals")
    else:
        signals = market.standby.signals
        if command.signal not in signals and len(signals) >= standby.SIGNALS_MAX:
            return refuse(Reason.TOO_MANY, f"{standby.SIGNALS_MAX} signals are the most")
    return [
        e.SignalGiven(
            party=command.party, signal=command.signal, value=command.value, pod=command.pod
        )
    ]


def submit_limit(registry: Registry, market: Market, command: c.SubmitLimit) -> list[e.Event]:
    """Let a network limit bind, and suspend the grid-balanced orders that it forbids."""
    decided = network.submit(registry, market, command)
    if type(decided[0]) is not e.LimitSubmitted or not market.standby.balanced:
        return decided
    limits = [*market.limits, command.limit]
    for delivery, order, standing, obstacle in _judged(registry, market, command.limit, limits):
        if obstacle and not standing.waits:
            decided.append(
                e.OrderSuspended(
                    order=order, product=standing.product, delivery=delivery, reason=obstacle
                )
            )
    return decided


def limit_submitted(registry: Registry, market: Market, event: e.LimitSubmitted) -> None:
    """Let the orders fall due again that waited for the network and may trade now."""
    if not market.standby.balanced:
        return
    judged = _judged(registry, market, event.limit, market.limits)
    for _, order, standing, obstacle in judged:
        if standing.is_suspended and not obstacle:
            standby.resume(market.standby, order)


def phase_changed(registry: Registry, market: Market, event: e.PhaseChanged) -> None:
    """Let the orders fall due that waited for trading to open, or to go on."""
    if event.phase is not TradingPhase.CONTINUOUS:
        return
    binding = balance.scales(market.limits, event.delivery)
    for number, order in market.books[event.product][event.delivery].orders.items():
        standing = market.standby.orders.get(number) if order.stands_by else None
        if standing is not None and standing.is_suspended:
            zone = facts_then(registry, order.pod, event.delivery).zone
            grid, pod, side = standing.grid, order.pod, order.side
            if grid is None or not balance.objection(grid, binding, pod, zone, side):
                standby.resume(market.standby, number)


def _judged(
    registry: Registry, market: Market, limit: NetworkLimit, limits: list[NetworkLimit]
) -> list[tuple[Instant, OrderId, Standing, str]]:
    """Return the grid-balanced orders in the span of a limit, and what now speaks against each."""
    found: list[tuple[Instant, OrderId, Standing, str]] = []
    for delivery in sorted(market.standby.balanced):
        if not limit.since <= delivery < limit.until:
            continue
        binding = balance.scales(limits, delivery)
        for order in market.standby.balanced[delivery]:
            standing = market.standby.orders[order]
            zone = facts_then(registry, standing.pod, delivery).zone
            grid, pod, side = standing.grid, standing.pod, standing.side
            obstacle = "" if grid is None else balance.objection(grid, binding, pod, zone, side)
            found.append((delivery, order, standing, obstacle))
    return found


# --- changes ---------------------------------------------------------------------------------


def placed(registry: Registry, market: Market, metering: Metering, event: e.OrderPlaced) -> None:
    """Keep what an order waits for, if it waits or may expire."""
    terms = event.terms
    if terms is None or not _is_timed(terms):
        return
    closes = _closes(market, registry.products[event.product], event.delivery)
    condition = terms.condition
    is_met = condition is not None and standby.is_met(
        market.standby, metering, event.pod, condition
    )
    standby.file(market.standby, event, terms, closes, is_met=is_met)


def released(market: Market, event: e.OrderReleased) -> None:
    """Let an order act: it has its place in time from now on."""
    standby.release(market.standby, event.order)
    book = market.books[event.product][event.delivery]
    order = book.orders.get(event.order)
    if order is not None and order.stands_by:
        order.stands_by = False
        del book.orders[event.order]
        book.orders[event.order] = order


def suspended(market: Market, event: e.OrderSuspended) -> None:
    """Let an order wait for the network: its market knows it no longer."""
    standby.suspend(market.standby, event.order)
    market.books[event.product][event.delivery].orders[event.order].stands_by = True
