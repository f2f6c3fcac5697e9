"""What a market file says: checked whole, every fault at once, numbers as exact ticks.

A fault is a document that does not say what it means; then nothing is cleared. An order that the
market refuses is no fault of the document: it is kept with the reason.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from wattbay.adapters.market_file.exact import (
    NUMBER_CHARACTERS_MAX,
    ONE,
    POWER_MAX,
    Exact,
    Numeral,
    exact,
    in_ticks,
)
from wattbay.adapters.market_file.source import (
    Doubled,
    Faults,
    Path,
    kind,
    members_of,
    parse,
)
from wattbay.core.facts import Margin, Pricing, Side
from wattbay.core.market.auction import Rules
from wattbay.units import SAFE_INTEGER_MAX

ORDERS_MAX = 1_000_000
ID_CHARACTERS_MAX = 128
"""Of an id, a party or a zone."""
TICKS_MAX = SAFE_INTEGER_MAX
"""Of a price or a quantity, either way of zero; ids that are numbers likewise."""

MECHANISM = "call_auction"
_LATER_MECHANISMS = frozenset({"continuous", "block_auction", "truthful"})
_FOREIGN_RULES = MappingProxyType(
    {
        "self_trade_prevention": "continuous",
        "network_fees": "continuous",
        "node_limit": "block_auction",
    }
)
_PRICES = ("reference", "price_min", "price_max", "network_fee")
_NONE: frozenset[str] = frozenset()
_TOP_REQUIRED = frozenset({"mechanism", "orders"})
_TOP_OPTIONAL = frozenset({"ticks", "rules"})
_TICKS = frozenset({"price", "quantity"})
_RULES = frozenset({"pricing", "margin", *_PRICES})
_ORDER_REQUIRED = frozenset({"id", "side", "limit", "quantity"})
_ORDER_OPTIONAL = frozenset({"party", "zone"})
_NUMBER = (
    f"expected a number of at most {NUMBER_CHARACTERS_MAX} characters,"
    f" no smaller or larger than 1e-{POWER_MAX} or 1e{POWER_MAX}"
)

OrderKey = int | str
"""The id of an order, as it was given."""
Choice = TypeVar("Choice", bound=StrEnum)


class Refusal(StrEnum):
    """Why the market refuses an order, in the order in which it looks."""

    OFF_TICK = "off_tick"
    BAD_QUANTITY = "bad_quantity"
    PRICE_LIMIT = "price_limit"
    DUPLICATE_ID = "duplicate_id"


class Order(NamedTuple):
    """An accepted order, in ticks."""

    key: OrderKey
    side: Side
    limit: int | None
    quantity: int


class Document(NamedTuple):
    """What a market file says. Prices and quantities are whole numbers of its ticks."""

    price_tick: Exact
    quantity_tick: Exact
    rules: Rules
    orders: list[Order]
    """Those accepted, in order of arrival."""
    rejected: list[tuple[OrderKey, Refusal]]


class _Terms(NamedTuple):
    """What an order is measured by."""

    price_tick: Exact | None
    """None where the document does not say it well; then nothing is measured."""
    quantity_tick: Exact | None
    price_min: int | None
    price_max: int | None

    def allow(self, price: int) -> bool:
        """Tell whether a price is within its bounds."""
        low, high = self.price_min, self.price_max
        return (low is None or price >= low) and (high is None or price <= high)


def read(text: bytes | str) -> Document:
    """Read a market file.

    Raises
    ------
    ConfigError
        Bears every fault with its JSON pointer, or with line and column where it is not JSON.
    """
    faults = Faults()
    raw = parse(text, faults)
    faults.raise_any()
    _check_mechanism(raw, faults)
    top = members_of(raw, (), _TOP_REQUIRED, _TOP_OPTIONAL, faults)
    price_tick, quantity_tick = _ticks(top.get("ticks", {}), faults)
    rules, terms = _rules(top.get("rules", {}), price_tick, quantity_tick, faults)
    intake = _Intake(terms, faults)
    orders = top.get("orders", [])
    if not isinstance(orders, list):
        faults.add(("orders",), f"this is {kind(orders)}", "expected a list")
    elif len(orders) > ORDERS_MAX:
        faults.add(("orders",), f"{len(orders)} orders", f"at most {ORDERS_MAX}")
    else:
        for place, order in enumerate(orders):
            intake.take(("orders", place), order)
    faults.raise_any()
    return Document(
        price_tick or ONE, quantity_tick or ONE, rules, intake.accepted, intake.rejected
    )


def _check_mechanism(raw: object, faults: Faults) -> None:
    """Stop at a document in a form that is not known here."""
    members = raw.members if isinstance(raw, Doubled) else raw
    if not isinstance(members, dict) or "mechanism" not in members:
        return
    mechanism = members["mechanism"]
    if mechanism != MECHANISM:
        faults.add(
            ("mechanism",), f"{kind(mechanism)} is not supported", f'supported: "{MECHANISM}"'
        )
    if isinstance(mechanism, str) and mechanism in _LATER_MECHANISMS:
        faults.raise_any()


def _ticks(raw: object, faults: Faults) -> tuple[Exact | None, Exact | None]:
    """Read the smallest steps of price and quantity."""
    members = members_of(raw, ("ticks",), _NONE, _TICKS, faults)
    found: list[Exact | None] = []
    for key in ("price", "quantity"):
        tick: Exact | None = ONE
        if key in members:
            tick = _number(members[key], ("ticks",), key, faults)
            if tick is not None and tick.digits <= 0:
                faults.add(
                    ("ticks", key), f"{kind(members[key])} is no step", "expected more than zero"
                )
                tick = None
        found.append(tick)
    return found[0], found[1]


def _rules(
    raw: object, price_tick: Exact | None, quantity_tick: Exact | None, faults: Faults
) -> tuple[Rules, _Terms]:
    """Read the rules."""
    if isinstance(raw, dict):
        for key in [key for key in raw if key in _FOREIGN_RULES]:
            faults.add(("rules", key), f"the rule is for {_FOREIGN_RULES[key]} only")
        raw = {key: value for key, value in raw.items() if key not in _FOREIGN_RULES}
    members = members_of(raw, ("rules",), _NONE, _RULES, faults)
    prices: dict[str, int | None] = dict.fromkeys(_PRICES)
    for key in [key for key in _PRICES if key in members]:
        value = members[key]
        if value is not None or key == "network_fee":
            count = _count(value, ("rules",), key, price_tick, faults)
            if isinstance(count, int):
                prices[key] = count
            elif count is Refusal.OFF_TICK:
                faults.add(
                    ("rules", key),
                    f"{kind(value)} is off the tick",
                    "expected a multiple of /ticks/price",
                )
    low, high, reference = prices["price_min"], prices["price_max"], prices["reference"]
    terms = _Terms(price_tick, quantity_tick, low, high)
    if low is not None and high is not None and low > high:
        faults.add(("rules", "price_min"), "this is above price_max")
    elif reference is not None and not terms.allow(reference):
        faults.add(("rules", "reference"), "this is outside price_min and price_max")
    rules = Rules(
        pricing=_choice(members, "pricing", Pricing.UNIFORM, faults),
        margin=_choice(members, "margin", Margin.PRO_RATA, faults),
        reference=reference,
        network_fee=prices["network_fee"] or 0,
    )
    return rules, terms


def _choice(members: dict[str, object], key: str, default: Choice, faults: Faults) -> Choice:
    """Read one of a few words."""
    value = members.get(key, default.value)
    for choice in type(default):
        if value == choice.value:
            return choice
    names = " or ".join(f'"{choice.value}"' for choice in type(default))
    faults.add(("rules", key), f"this is {kind(value)}", f"expected {names}")
    return default


class _Intake:
    """Takes orders one by one, in order of arrival."""

    def __init__(self, terms: _Terms, faults: Faults) -> None:
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
        for name in ("party", "zone"):
            if members.get(name) is not None:
                _key(members[name], path, name, faults)
        key = _key(members["id"], path, "id", faults) if "id" in members else None
        side = _side(members["side"], path, "side", faults) if "side" in members else None
        limit: int | Refusal | None = None
        if members.get("limit") is not None:
            limit = _count(members["limit"], path, "limit", self._terms.price_tick, faults)
        quantity: int | Refusal | None = None
        if "quantity" in members:
            tick = self._terms.quantity_tick
            quantity = _count(members["quantity"], path, "quantity", tick, faults)
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
            self.accepted.append(Order(key, side, limit, quantity))


def _side(raw: object, path: Path, name: str, faults: Faults) -> Side | None:
    """Read which way an order trades."""
    if raw == "buy":
        return Side.BUY
    if raw == "sell":
        return Side.SELL
    faults.add((*path, name), f"this is {kind(raw)}", 'expected "buy" or "sell"')
    return None


def _number(raw: object, path: Path, name: str, faults: Faults) -> Exact | None:
    """Read a number, given as one or as text."""
    number = None
    if isinstance(raw, int) and not isinstance(raw, bool):
        number = Exact(raw, 0)
    elif isinstance(raw, str):
        number = exact(raw)
    elif isinstance(raw, Numeral):
        number = exact(raw.text)
    if number is None:
        faults.add((*path, name), f"this is {kind(raw)}", _NUMBER)
    return number


def _count(
    raw: object, path: Path, name: str, tick: Exact | None, faults: Faults
) -> int | Refusal | None:
    """Read a number as whole ticks; None is a fault that has been told."""
    number = _number(raw, path, name, faults)
    if number is None or tick is None:
        return None
    count = in_ticks(number, tick)
    if count is None:
        return Refusal.OFF_TICK
    if abs(count) > TICKS_MAX:
        faults.add((*path, name), f"{kind(raw)} is too large", f"at most {TICKS_MAX} ticks")
        return None
    return count


def _key(raw: object, path: Path, name: str, faults: Faults) -> OrderKey | None:
    """Read an id: text or a whole number, kept as it was given."""
    match raw:
        case str() if 0 < len(raw) <= ID_CHARACTERS_MAX and raw.isprintable():
            return raw
        case int() if type(raw) is int and abs(raw) <= TICKS_MAX:
            return raw
        case _:
            remedy = f"expected a whole number, or 1 to {ID_CHARACTERS_MAX} printable characters"
            faults.add((*path, name), f"this is {kind(raw)}", remedy)
            return None
