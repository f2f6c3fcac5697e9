"""What an order may say in which market, and what would be right where it says something else."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from wattbay.core import commands as c
from wattbay.core.facts import Mechanism, Product, Side
from wattbay.core.reasons import Reason
from wattbay.core.terms import Kind, OrderTerms, TimeInForce

CLIPS_MAX = 10_000
"""Of one iceberg order: its quantity is at most so many times its peak."""
LEGS_MAX = 100
"""Of one basket, the order itself included."""

PLAIN = OrderTerms()
"""What an order says that says nothing besides its side, limit and quantity."""

_TIMES = frozenset({"time_in_force", "valid_from", "expires"})
_WAITS = _TIMES | {"condition", "grid"}
_KNOWN: Mapping[Mechanism, frozenset[str]] = MappingProxyType(
    {
        Mechanism.CALL_AUCTION: _WAITS | {"kind"},
        Mechanism.SUBMITTED: _WAITS | {"kind", "block"},
        Mechanism.CONTINUOUS: frozenset(OrderTerms.__struct_fields__) - {"block"},
        Mechanism.BILATERAL: _TIMES | {"condition", "min_quantity_wh", "partner"},
        Mechanism.COMMUNITY: frozenset(),
    }
)
"""What an order may say, by the mechanism of its product."""
_AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_UNPRICED = frozenset({Kind.MARKET, Kind.STOP})
_STOPS = frozenset({Kind.STOP, Kind.STOP_LIMIT})
_OF_BASKETS = frozenset({"time_in_force", "legs"})

Fault = tuple[Reason, str]
"""Why an order is refused, and what would be right."""


def fault_of(product: Product, command: c.PlaceOrder) -> Fault | None:
    """Return what is wrong with the terms of an order; None where all is well."""
    terms = command.terms
    if terms is None:
        if command.limit is None and product.mechanism is Mechanism.BILATERAL:
            return Reason.BAD_CONDITION, "an offer names its price"
        return None
    said = {
        name
        for name in OrderTerms.__struct_fields__
        if getattr(terms, name) != getattr(PLAIN, name)
    }
    foreign = sorted(said - _KNOWN[product.mechanism])
    if foreign:
        market = product.mechanism.value
        return Reason.BAD_CONDITION, f"{', '.join(foreign)}: no order says so in a {market} market"
    if terms.block is not None and len(said) > 1:
        return Reason.BAD_CONDITION, "a block says nothing else"
    if product.mechanism is not Mechanism.CONTINUOUS:
        if terms.time_in_force in _AT_ONCE:
            return Reason.BAD_CONDITION, "nothing trades at once here: GTC, GTD or DAY"
        if terms.kind in _STOPS:
            return Reason.BAD_CONDITION, "there is no last price here: limit or market"
    return (
        _contradiction(command, terms)
        or _off_product(product, command.quantity_wh, terms)
        or (_basket(command, terms, said) if terms.legs else None)
    )


def _contradiction(command: c.PlaceOrder, terms: OrderTerms) -> Fault | None:
    """Refuse what cannot be meant."""
    never_rests = terms.kind in _UNPRICED or terms.time_in_force in _AT_ONCE
    if (terms.kind in _UNPRICED) != (command.limit is None):
        wrong = "an order of kind limit or stop_limit has a limit, and no other has"
    elif (terms.kind in _STOPS) != (terms.stop is not None):
        wrong = "an order of kind stop or stop_limit has a stop, and no other has"
    elif terms.protection is not None and command.limit is not None:
        wrong = "a limit is protection: only an order without one has another"
    elif (terms.time_in_force is TimeInForce.GTD) != (terms.expires is not None):
        wrong = "an order that is GTD says when it expires, and no other does"
    elif terms.post_only and (never_rests or terms.min_quantity_wh > 0):
        wrong = "an order that is post_only rests: it has a limit and no min_quantity_wh"
    elif terms.peak_wh is not None and never_rests:
        wrong = "an order that shows a peak rests: it has a limit, and is neither IOC nor FOK"
    elif (
        terms.valid_from is not None
        and terms.expires is not None
        and terms.expires <= terms.valid_from
    ):
        wrong = "an order is valid before it expires"
    elif terms.origin is not None and command.side is Side.BUY:
        wrong = "who sells has an origin; who buys wants one"
    elif terms.wants is not None and command.side is Side.SELL:
        wrong = "who buys wants an origin; who sells has one"
    elif not (_is_path(terms.origin) and _is_path(terms.wants)):
        wrong = "an origin is names with slashes between, such as solar/pv"
    else:
        return None
    return Reason.BAD_CONDITION, wrong


def _is_path(origin: str | None) -> bool:
    """Tell whether an origin, where there is one, names something at each of its levels."""
    return origin is None or "" not in origin.split("/")


def _off_product(product: Product, quantity_wh: int, terms: OrderTerms) -> Fault | None:
    """Refuse prices and quantities that the product does not know."""
    for price in (terms.stop, terms.protection):
        if price is None:
            continue
        if not product.price_min <= price <= product.price_max:
            bounds = f"{product.price_min} to {product.price_max} nano per Wh"
            return Reason.PRICE_LIMIT, f"stop and protection are {bounds}"
        if price % product.price_tick:
            tick = f"{product.price_tick} nano per Wh"
            return Reason.OFF_TICK, f"stop and protection are multiples of {tick}"
    if not 0 <= terms.min_quantity_wh <= quantity_wh:
        return Reason.BAD_QUANTITY, f"min_quantity_wh is 0 to {quantity_wh} Wh"
    if not is_peak(terms.peak_wh, quantity_wh):
        return Reason.BAD_QUANTITY, f"peak_wh is positive, and shown {CLIPS_MAX} times at most"
    if terms.min_quantity_wh % product.energy_tick or (terms.peak_wh or 0) % product.energy_tick:
        return Reason.OFF_TICK, f"quantities are multiples of {product.energy_tick} Wh"
    return None


def is_peak(peak_wh: int | None, quantity_wh: int) -> bool:
    """Tell whether a quantity can be shown in clips of a peak; without one it can."""
    return peak_wh is None or (peak_wh > 0 and quantity_wh <= peak_wh * CLIPS_MAX)


def _basket(command: c.PlaceOrder, terms: OrderTerms, said: set[str]) -> Fault | None:
    """Refuse a basket that could not trade whole at once."""
    if len(terms.legs) >= LEGS_MAX:
        return Reason.TOO_MANY, f"{LEGS_MAX} orders are the most of one basket"
    if terms.time_in_force is not TimeInForce.FOK or said - _OF_BASKETS or command.limit is None:
        return Reason.BAD_CONDITION, "a basket trades whole at once: FOK, each leg with a limit"
    return None
