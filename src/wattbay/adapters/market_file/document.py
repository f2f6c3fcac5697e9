"""What a market file says: checked whole, every fault at once, numbers as exact ticks.

A fault is a document that does not say what it means; then nothing is cleared. An order that the
market refuses is no fault of the document: it is kept with the reason.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

from wattbay.adapters.market_file.exact import ONE, Exact
from wattbay.adapters.market_file.fields import (
    Bounds,
    OrderKey,
    choice_of,
    count_of,
    key_of,
    prices_of,
    rules_of,
    side_of,
    ticks_of,
)
from wattbay.adapters.market_file.source import Faults, Path, kind, members_of
from wattbay.core.facts import Margin, Pricing, Side
from wattbay.core.market.auction import Rules
from wattbay.core.market.steps import Refusal

ORDERS_MAX = 1_000_000

_FOREIGN_RULES = MappingProxyType(
    {
        "self_trade_prevention": "continuous",
        "network_fees": "continuous",
        "node_limit": "block_auction",
    }
)
_PRICES = ("reference", "price_min", "price_max", "network_fee")
_TOP_REQUIRED = frozenset({"mechanism", "orders"})
_TOP_OPTIONAL = frozenset({"ticks", "rules"})
_RULES = frozenset({"pricing", "margin", *_PRICES})
_ORDER_REQUIRED = frozenset({"id", "side", "limit", "quantity"})
_ORDER_OPTIONAL = frozenset({"party", "zone"})


class Order(NamedTuple):
    """An accepted order, in ticks."""

    key: OrderKey
    side: Side
    limit: int | None
    quantity: int
    party: OrderKey | None = None


class Document(NamedTuple):
    """What a market file says. Prices and quantities are whole numbers of its ticks."""

    price_tick: Exact
    quantity_tick: Exact
    rules: Rules
    orders: list[Order]
    """Those accepted, in order of arrival."""
    rejected: list[tuple[OrderKey, Refusal]]


def read(raw: object, faults: Faults) -> Document:
    """Read a market file of a call auction.

    Raises
    ------
    ConfigError
        Bears every fault with its JSON pointer.
    """
    top = members_of(raw, (), _TOP_REQUIRED, _TOP_OPTIONAL, faults)
    price_tick, quantity_tick = ticks_of(top.get("ticks", {}), faults)
    rules, terms = _rules(top.get("rules", {}), price_tick, quantity_tick, faults)
    intake = take_orders(top.get("orders", []), terms, faults)
    faults.raise_any()
    return Document(
        price_tick or ONE, quantity_tick or ONE, rules, intake.accepted, intake.rejected
    )


def _rules(
    raw: object, price_tick: Exact | None, quantity_tick: Exact | None, faults: Faults
) -> tuple[Rules, Bounds]:
    """Read the rules."""
    members = rules_of(raw, _RULES, _FOREIGN_RULES, faults)
    prices = prices_of(members, _PRICES, price_tick, faults)
    low, high, reference = prices["price_min"], prices["price_max"], prices["reference"]
    terms = Bounds(price_tick, quantity_tick, low, high)
    if terms.are_in_order(faults) and reference is not None and not terms.allow(reference):
        faults.add(("rules", "reference"), "this is outside price_min and price_max")
    rules = Rules(
        pricing=choice_of(members, "pricing", Pricing.UNIFORM, faults),
        margin=choice_of(members, "margin", Margin.PRO_RATA, faults),
        reference=reference,
        network_fee=prices["network_fee"] or 0,
    )
    return rules, terms


def take_orders(orders: object, terms: Bounds, faults: Faults) -> Intake:
    """Take the orders of a document, one by one."""
    intake = Intake(terms, faults)
    if not isinstance(orders, list):
        faults.add(("orders",), f"this is {kind(orders)}", "expected a list")
    elif len(orders) > ORDERS_MAX:
        faults.add(("orders",), f"{len(orders)} orders", f"at most {ORDERS_MAX}")
    else:
        for place, order in enumerate(orders):
            intake.take(("orders", place), order)
    return intake


class Intake:
    """Takes orders one by one, in order of arrival."""

    def __init__(self, terms: Bounds, faults: Faults) -> None:
        """Begin with an empty book."""
        self.accepted: list[Order] = []
        self.rejected: list[tuple[OrderKey, Refusal]] = []
        self._living: set[str] = set()
        self._terms = terms
        self._faults = faults

    def take(self, path: Path, raw: object) -> None:
        """Accept an order, or keep why it is refused; a malformed one is a fault."""
        faults = self._faults
        members = members_of(raw, path, _ORDER_REQUIRED, _ORDER_OPTIONAL, faults)
        party, _ = (
            key_of(members[name], path, name, faults) if members.get(name) is not None else None
            for name in ("party", "zone")
        )
        key = key_of(members["id"], path, "id", faults) if "id" in members else None
        side = side_of(members["side"], path, "side", faults) if "side" in members else None
        limit: int | Refusal | None = None
        if members.get("limit") is not None:
            limit = count_of(members["limit"], path, "limit", self._terms.price_tick, faults)
        quantity: int | Refusal | None = None
        if "quantity" in members:
            tick = self._terms.quantity_tick
            quantity = count_of(members["quantity"], path, "quantity", tick, faults)
        if key is None or side is None or quantity is None:
            return  # A fault, which has been told.

        if isinstance(limit, Refusal) or isinstance(quantity, Refusal):
            self.rejected.append((key, Refusal.OFF_TICK))
        elif quantity <= 0:
            self.rejected.append((key, Refusal.BAD_QUANTITY))
        elif limit is not None and not self._terms.allow(limit):
            self.rejected.append((key, Refusal.PRICE_LIMIT))
        elif str(key) in self._living:
            self.rejected.append((key, Refusal.DUPLICATE_ID))
        else:
            self._living.add(str(key))
            self.accepted.append(Order(key, side, limit, quantity, party))
