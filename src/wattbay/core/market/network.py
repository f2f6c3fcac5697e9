"""Network limits: what the grid operator lets an auction trade, and who gives way.

A limit binds every auction of a delivery that starts in its span, whichever product and whenever
it is listed. So limits stand with the market, and an auction takes those that apply to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.facts import NetworkLimit, Product, Role, Side
from wattbay.core.market.auction import Clearing, Orders, Rules, clear
from wattbay.core.market.orders import Market, Order
from wattbay.core.market.product import clears_latest, gate_closes
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, facts_then, has_role, refuse
from wattbay.ids import PodId, ProductId, ZoneId, is_id
from wattbay.periods import Instant
from wattbay.units import SAFE_INTEGER_MAX

LIMITS_MAX = 1_000
TERMS_MAX = 100_000
TRIALS_MAX = 100
"""Auctions held to find how many orders must go, before that is no longer looked for closely."""

_STRIDE = 16
"""How fast the search widens: mostly few orders must go, at times nearly all."""


# --- limits come and go ----------------------------------------------------------------------


def submit(registry: Registry, market: Market, command: c.SubmitLimit) -> list[e.Event]:
    """Let a network limit bind the auctions of its span, of which one at least must wait."""
    if not has_role(registry, command.operator, Role.GRID_OPERATOR):
        return refuse(Reason.NOT_ALLOWED, "only the grid operator sets limits")
    limit = command.limit
    if limit.until <= limit.since:
        return refuse(Reason.BAD_VALUE, "a limit ends after it begins")
    waiting = (delivery for books in market.books.values() for delivery in books)
    if not any(limit.since <= delivery < limit.until for delivery in waiting):
        return refuse(Reason.UNKNOWN_DELIVERY, "no delivery in its span waits for its auction")
    if len(market.limits) >= LIMITS_MAX:
        return refuse(Reason.TOO_MANY, f"{LIMITS_MAX} limits are the most")
    if limit.bound_wh < 0:
        return refuse(Reason.BAD_VALUE, "a bound below zero could not be kept by trading nothing")
    return _terms(registry, limit) or [e.LimitSubmitted(limit=limit)]


def _terms(registry: Registry, limit: NetworkLimit) -> list[e.Event] | None:
    """Refuse terms that name nothing, too much, or one thing twice."""
    terms = limit.terms
    if len(terms) > TERMS_MAX:
        return refuse(Reason.TOO_MANY, f"{TERMS_MAX} terms are the most")
    if any((term.pod is None) == (term.zone is None) for term in terms):
        return refuse(Reason.BAD_VALUE, "a term names a pod or a zone, and not both")
    if any(term.pod is not None and term.pod not in registry.pods for term in terms):
        return refuse(Reason.UNKNOWN_POD, "a limit names registered pods")
    # A zone is wherever a pod is said to be: it may have none yet, and get some within the span.
    if any(term.zone is not None and not is_id(term.zone) for term in terms):
        return refuse(Reason.BAD_ID, "a limit names zones by their ids")
    if len({(term.pod, term.zone) for term in terms}) < len(terms):
        return refuse(Reason.BAD_VALUE, "a limit names a pod or zone once")
    largest = max([limit.bound_wh, *(abs(term.coefficient) for term in terms)])
    if largest > SAFE_INTEGER_MAX:
        return refuse(Reason.OUT_OF_RANGE, f"coefficients and bound up to {SAFE_INTEGER_MAX}")
    return None


def submitted(market: Market, event: e.LimitSubmitted) -> None:
    """Let a limit stand."""
    market.limits.append(event.limit)


def drop_passed(registry: Registry, market: Market, product: ProductId, delivery: Instant) -> None:
    """Drop the limits that can bind no auction any more, when the gate of a delivery closes.

    It is that instant at least. A limit has passed when every product defined by now would have
    closed its gate and checked the network for a delivery at the end of the limit's span: then
    each delivery in the span was cleared before, and none can be listed. A product that is defined
    later and trades after that is not bound.
    """
    if not market.limits:
        return
    now = gate_closes(registry.products[product], delivery)
    market.limits = [
        limit
        for limit in market.limits
        if any(clears_latest(other, limit.until) > now for other in registry.products.values())
    ]


# --- an auction within its limits ------------------------------------------------------------


class Cut(NamedTuple):
    """An order that had to go, and why."""

    order: Order
    reason: str


class Outcome(NamedTuple):
    """What an auction within its limits came to."""

    buys: list[Order]
    sells: list[Order]
    result: Clearing
    """Its indices are those of `buys` and `sells`."""
    cuts: list[Cut]
    """In the order in which they went."""


class _Load(NamedTuple):
    """A limit and what each order counts in it."""

    limit: NetworkLimit
    weights: list[tuple[int, int]]
    """Order and coefficient, negative where filling it relieves; by place in time."""

    def of(self, fills: Sequence[int]) -> int:
        """Return the sum that the limit bounds. [Wh]"""
        return sum(weight * fills[index] for index, weight in self.weights)


def limited(
    registry: Registry, market: Market, orders: Sequence[Order], delivery: Instant
) -> list[Order]:
    """Return the orders for a delivery that make some network limit worse when they trade."""
    loads = _loads(registry, market, orders, delivery)
    places = {place for load in loads for place, weight in load.weights if weight > 0}
    return [orders[place] for place in sorted(places)]


class Breach(NamedTuple):
    """A network limit that fills would breach."""

    what: str
    worsening: list[int]
    """Places of the orders that got something and make it worse, latest first."""


def breach(
    registry: Registry,
    market: Market,
    orders: Sequence[Order],
    fills: Sequence[int],
    delivery: Instant,
) -> Breach | None:
    """Return the first network limit of a delivery that fills would breach; None if all are kept.

    Parameters
    ----------
    orders
        Those that stand for the delivery.
    fills
        What each would get. Shape: that of `orders`. [Wh]
    """
    for load in _loads(registry, market, orders, delivery):
        if load.of(fills) > load.limit.bound_wh:
            worse = [place for place, weight in load.weights if weight > 0 and fills[place]]
            return Breach(_breach(load.limit, load.of(fills)), worse[::-1])
    return None


def clear_within(
    registry: Registry, market: Market, product: Product, delivery: Instant
) -> Outcome:
    """Clear a book so that no network limit is breached.

    While a limit is breached (the first submitted goes first), the latest of the orders that
    worsen it are taken out, filled or not (last on, first off): so many that it is kept, where one
    fewer would breach it. That number is found by bisection, in some twenty auctions for 100,000
    orders. As a rule no smaller number would do. Where taking out an order lets another one in
    that worsens more, a smaller number may do as well, and is not looked for.

    Relieving one limit can breach another again. So that the work is bounded, after `TRIALS_MAX`
    auctions held in search a limit that is breached takes out as many again as went for it so far,
    or one. Without orders none is breached.
    """
    standing = market.books[product.product][delivery].orders.values()
    orders = [order for order in standing if not order.stands_by]
    rules = _rules(product)
    loads = _loads(registry, market, orders, delivery)
    gone = [0] * len(loads)
    stands = bytearray(b"\x01") * len(orders)
    cuts: list[Cut] = []
    trials = 0
    while True:
        buys, sells = _sides(orders, stands)
        result = _auction(orders, buys, sells, rules)
        fills = _fills(len(orders), buys, sells, result) if loads else []
        breached = next((n for n, it in enumerate(loads) if it.of(fills) > it.limit.bound_wh), None)
        if breached is None:
            return Outcome([orders[i] for i in buys], [orders[i] for i in sells], result, cuts)
        load = loads[breached]
        worsening = [i for i, weight in reversed(load.weights) if weight > 0 and stands[i]]
        enough = max(1, gone[breached])
        if trials < TRIALS_MAX:
            enough, tried = _enough(orders, stands, load, worsening, rules)
            trials += tried
        gone[breached] += enough
        reason = _breach(load.limit, load.of(fills))
        for index in worsening[:enough]:
            stands[index] = 0
            cuts.append(Cut(orders[index], reason))


def _enough(
    orders: Sequence[Order], stands: bytearray, load: _Load, worsening: Sequence[int], rules: Rules
) -> tuple[int, int]:
    """Return how many of the worsening orders must go for a limit, and how often was tried."""
    # With `breaching` gone it is breached; with `enough` gone it is kept: what is left when all
    # have gone only relieves, and the bound is not below zero.
    breaching, enough, trials, widening = 0, len(worsening), 0, 1
    while enough - breaching > 1:
        trials += 1
        middle = (breaching + enough) // 2  # divides: a place between, down
        if widening < enough:
            middle = widening
        widening *= _STRIDE
        left = bytearray(stands)
        for index in worsening[:middle]:
            left[index] = 0
        buys, sells = _sides(orders, left)
        result = _auction(orders, buys, sells, rules)
        if load.of(_fills(len(orders), buys, sells, result)) > load.limit.bound_wh:
            breaching = middle
        else:
            enough = middle
    return enough, trials


def _loads(
    registry: Registry, market: Market, orders: Sequence[Order], delivery: Instant
) -> list[_Load]:
    """Return the limits that bind a delivery, with what each order counts in them."""
    limits = [limit for limit in market.limits if limit.since <= delivery < limit.until]
    if not limits:
        return []
    placed: dict[PodId, list[tuple[int, int]]] = {}
    for index, order in enumerate(orders):
        sign = -1 if order.side is Side.BUY else 1
        placed.setdefault(order.pod, []).append((index, sign))
    zones: dict[ZoneId, list[PodId]] = {}
    for pod in placed:
        zones.setdefault(facts_then(registry, pod, delivery).zone, []).append(pod)
    loads = []
    for limit in limits:
        coefficients = _coefficients(limit, zones)
        weights = [
            (index, sign * coefficient)
            for pod, coefficient in coefficients.items()
            if coefficient
            for index, sign in placed.get(pod, ())
        ]
        loads.append(_Load(limit, sorted(weights, key=itemgetter(0))))
    return loads


def _coefficients(limit: NetworkLimit, zones: dict[ZoneId, list[PodId]]) -> dict[PodId, int]:
    """Return the coefficient of each pod: its own, else that of the zone in which it is."""
    coefficients: dict[PodId, int] = {}
    for term in limit.terms:
        if term.zone is not None:
            coefficients.update(dict.fromkeys(zones.get(term.zone, ()), term.coefficient))
    for term in limit.terms:
        if term.pod is not None:
            coefficients[term.pod] = term.coefficient
    return coefficients


def _sides(orders: Sequence[Order], stands: bytearray) -> tuple[list[int], list[int]]:
    """Return the buy and the sell orders that stand, by place in time."""
    sides: tuple[list[int], list[int]] = ([], [])
    for index, order in enumerate(orders):
        if stands[index]:
            sides[order.side is Side.SELL].append(index)
    return sides


def _auction(
    orders: Sequence[Order], buys: Sequence[int], sells: Sequence[int], rules: Rules
) -> Clearing:
    return clear(_columns(orders, buys), _columns(orders, sells), rules)


def _columns(orders: Sequence[Order], side: Sequence[int]) -> Orders:
    return Orders([orders[i].limit for i in side], [orders[i].quantity_wh for i in side])


def _fills(count: int, buys: Sequence[int], sells: Sequence[int], result: Clearing) -> list[int]:
    """Return what each order got, by place in time; 0 for those that are out. [Wh]"""
    fills = [0] * count
    for side, filled in ((buys, result.buy_fills), (sells, result.sell_fills)):
        for index, quantity in zip(side, filled, strict=True):
            fills[index] = quantity
    return fills


def _rules(product: Product) -> Rules:
    return Rules(
        pricing=product.pricing,
        margin=product.margin,
        reference=product.reference,
        price_tick=product.price_tick,
        network_fee=product.network_fee,
    )


def _breach(limit: NetworkLimit, load: int) -> str:
    return f"{limit.reason}: {load} Wh; {limit.bound_wh} Wh is the most"
