"""What a market file of continuous trading says: its steps, checked whole, in ticks and numbers.

The core knows orders, parties, zones and categories by number; here they get their numbers.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

from wattbay.adapters.market_file.exact import ONE, Exact
from wattbay.adapters.market_file.fields import (
    TICKS_MAX,
    Bounds,
    OrderKey,
    count_of,
    key_of,
    price_of,
    prices_of,
    rules_of,
    side_of,
    ticks_of,
)
from wattbay.adapters.market_file.source import Doubled, Faults, Path, kind, members_of
from wattbay.adapters.market_file.waiting import KEYS, Event, read_event, read_order
from wattbay.core.facts import SelfTrade, Side
from wattbay.core.market.pools import Pools
from wattbay.core.market.steps import (
    BUY,
    PLAIN,
    SELL,
    Amend,
    BookRules,
    Cancel,
    Close,
    New,
    Refusal,
    Step,
    Terms,
    Time,
    TurnAway,
)
from wattbay.core.terms import Kind, TimeInForce

STEPS_MAX = 1_000_000
ZONES_MAX = 100
"""Of a matrix of network fees."""
POOLS_MAX = 1_000
"""Pairs of zone and category that orders of a document may have."""

_PRICES = ("price_min", "price_max", "network_fee")
_RULES = frozenset({"self_trade_prevention", "network_fees", *_PRICES})
_FOREIGN_RULES = MappingProxyType(
    {
        "pricing": "call_auction",
        "margin": "call_auction",
        "reference": "call_auction",
        "node_limit": "block_auction",
    }
)
_TOP_REQUIRED = frozenset({"mechanism", "steps"})
_TOP_OPTIONAL = frozenset({"ticks", "rules"})
_NEW_PRICES = ("limit", "stop", "protection")
_NEW_QUANTITIES = ("quantity", "min_quantity", "peak")
_NEW_TIMES = ("valid_from", "expires")
_NEW_REQUIRED = frozenset({"op", "id", "side", "quantity"})
_NEW_OPTIONAL = (
    frozenset(
        {"party", "type", "time_in_force", "post_only", "request_id", "zone", "origin", "wants"}
        | {"partner", "local"}
        | {*_NEW_PRICES, *_NEW_QUANTITIES, *_NEW_TIMES, *KEYS}
    )
    - _NEW_REQUIRED
)
_PLAIN = frozenset({"op", "id", "party", "side", "limit", "quantity"})
"""With these alone an order is a limit order until gate closure."""
_KINDS = tuple(word.value for word in Kind)
_TIMES_IN_FORCE = ("GTC", "GTD", "IOC", "FOK")
_AMEND_OPTIONAL = frozenset({"party", "limit", "quantity"})
_REFERENCE = frozenset({"op", "id"})
_PARTY = frozenset({"party"})
_OPS = '"new", "amend", "cancel", "time", "close", "signal" or "limit"'


class TradingDocument(NamedTuple):
    """What a market file of continuous trading says."""

    price_tick: Exact
    quantity_tick: Exact
    rules: BookRules
    pools: Pools
    steps: list[Step]
    keys: list[OrderKey]
    """Ids as they were given first, by number of the order."""
    events: list[Event]
    """Orders that may have to wait, and what they wait for."""


def read_steps(raw: object, faults: Faults) -> TradingDocument:
    """Read a market file of continuous trading.

    Raises
    ------
    ConfigError
        Bears every fault with its JSON pointer.
    """
    top = members_of(raw, (), _TOP_REQUIRED, _TOP_OPTIONAL, faults)
    price_tick, quantity_tick = ticks_of(top.get("ticks", {}), faults)
    zones = Numbers()
    rules = _rules(top.get("rules", {}), price_tick, zones, faults)
    steps = top.get("steps", [])
    has_local = isinstance(steps, list) and any(
        isinstance(step, dict) and "local" in step for step in steps
    )
    bounds = Bounds(price_tick, quantity_tick, None, None)
    reader = _Reader(bounds, rules, zones, faults, has_local=has_local)
    if not isinstance(steps, list):
        faults.add(("steps",), f"this is {kind(steps)}", "expected a list")
    elif len(steps) > STEPS_MAX:
        faults.add(("steps",), f"{len(steps)} steps", f"at most {STEPS_MAX}")
    else:
        for place, step in enumerate(steps):
            reader.take(("steps", place), step)
    if len(reader.pairs) > POOLS_MAX:
        faults.add(("steps",), f"{len(reader.pairs)} pairs of zone and category", f"{POOLS_MAX}")
    faults.raise_any()
    ticks = (price_tick or ONE, quantity_tick or ONE)
    return TradingDocument(
        *ticks, rules, reader.pools, reader.steps, reader.orders.keys, reader.events
    )


class Numbers:
    """Gives numbers to names, from 1. A name is known by its text: 1 and "1" are one."""

    def __init__(self) -> None:
        """Begin without names."""
        self.keys: list[OrderKey] = [0]
        self._numbers: dict[str, int] = {}

    def of(self, key: OrderKey | None) -> int:
        """Return the number of a name; 0 is none."""
        if key is None:
            return 0
        number = self._numbers.get(str(key))
        if number is None:
            number = self._numbers[str(key)] = len(self.keys)
            self.keys.append(key)
        return number


class Categories:
    """Gives numbers to categories such as `solar/pv`, each below the one before its last slash."""

    def __init__(self) -> None:
        """Begin without categories."""
        self.parents = [0]
        self._numbers: dict[str, int] = {}

    def of(self, name: str | None) -> int:
        """Return the number of a category; 0 is none."""
        above, cut = 0, 0
        while name is not None and cut < len(name):
            slash = name.find("/", cut)
            end = len(name) if slash < 0 else slash
            path, cut = name[:end], end + 1
            number = self._numbers.get(path)
            if number is None:
                number = self._numbers[path] = len(self.parents)
                self.parents.append(above)
            above = number
        return above


def _rules(raw: object, price_tick: Exact | None, zones: Numbers, faults: Faults) -> BookRules:
    """Read the rules."""
    members = rules_of(raw, _RULES, _FOREIGN_RULES, faults)
    prices = prices_of(members, _PRICES, price_tick, faults)
    Bounds(price_tick, None, prices["price_min"], prices["price_max"]).are_in_order(faults)
    rule = members.get("self_trade_prevention")
    words = [choice.value for choice in SelfTrade]
    if rule is not None and rule not in words:
        remedy = "expected null, " + ", ".join(f'"{word}"' for word in words)
        faults.add(("rules", "self_trade_prevention"), f"this is {kind(rule)}", remedy)
    fees = None
    if members.get("network_fees") is not None:
        if "network_fee" in members:
            faults.add(("rules", "network_fees"), "this excludes network_fee")
        fees = _matrix(members["network_fees"], price_tick, zones, faults)
    return BookRules(
        self_trade=SelfTrade(rule) if isinstance(rule, str) and rule in words else None,
        price_min=prices["price_min"],
        price_max=prices["price_max"],
        network_fee=prices["network_fee"] or 0,
        network_fees=fees,
    )


def _matrix(
    raw: object, price_tick: Exact | None, zones: Numbers, faults: Faults
) -> dict[tuple[int, int], int]:
    """Read network fees by zone of seller and buyer."""
    path: Path = ("rules", "network_fees")
    fees: dict[tuple[int, int], int] = {}
    for start, row in _open(raw, path, faults).items():
        for end, fee in _open(row, (*path, start), faults).items():
            count = price_of(fee, (*path, start), end, price_tick, faults)
            pair = (
                zones.of(key_of(start, path, start, faults)),
                zones.of(key_of(end, (*path, start), end, faults)),
            )
            fees[pair] = count or 0
    if len(zones.keys) > ZONES_MAX + 1:
        faults.add(path, f"{len(zones.keys) - 1} zones", f"at most {ZONES_MAX}")
    return fees


def _open(raw: object, path: Path, faults: Faults) -> dict[str, object]:
    """Return the members of an object whose keys are names."""
    known = frozenset(raw) if isinstance(raw, dict) else frozenset()
    members = members_of(raw, path, frozenset(), known, faults)
    if isinstance(raw, dict) and not raw:
        faults.add(path, "there is no fee in it")
    return members


class _Reader:
    """Takes steps one by one."""

    def __init__(
        self, terms: Bounds, rules: BookRules, zones: Numbers, faults: Faults, *, has_local: bool
    ) -> None:
        """Begin without steps. Zones count where there is a matrix of fees, or a local order."""
        self._has_zones = has_local or rules.network_fees is not None
        self.steps: list[Step] = []
        self.events: list[Event] = []
        self.orders = Numbers()
        self.pairs: set[tuple[int, int]] = set()
        """Of zone and category."""
        self._categories = Categories()
        parents = self._categories.parents
        self.pools = Pools(rules._replace(parents=parents), has_local=has_local)
        self._parties = Numbers()
        self._requests = Numbers()
        self._zones = zones
        self._terms = terms
        self._faults = faults
        self._now = 0

    def take(self, path: Path, raw: object) -> None:
        """Read a step; a malformed one is a fault."""
        known = raw.members if isinstance(raw, Doubled) else raw
        op = known.get("op") if isinstance(known, dict) else None
        match op:
            case "amend":
                self._amend(path, raw)
            case "cancel":
                members = self._members(path, raw, _REFERENCE, _PARTY)
                order, party = self._names(path, members)
                self.steps.append(Cancel(order, party))
            case "time":
                self._time(path, raw)
            case "signal" | "limit":
                event = read_event(path, raw, op, len(self.steps), self._faults)
                if event is not None:
                    self.events.append(event)
            case "close":
                self._members(path, raw, frozenset({"op"}), frozenset())
                self.steps.append(Close())
            case _:
                members = self._members(path, raw, _NEW_REQUIRED, _NEW_OPTIONAL)
                if members and "op" in members and op != "new":
                    what = kind(members["op"])
                    self._faults.add((*path, "op"), f"this is {what}", f"expected {_OPS}")
                elif members:
                    self._new(path, members)

    def _members(
        self, path: Path, raw: object, required: frozenset[str], optional: frozenset[str]
    ) -> dict[str, object]:
        """Return the members of a step that are not null."""
        members = members_of(raw, path, required, optional, self._faults)
        return {
            key: value for key, value in members.items() if value is not None or key in required
        }

    def _names(self, path: Path, members: dict[str, object]) -> tuple[int, int]:
        """Return the numbers of a step's order and party."""
        return (
            self.orders.of(self._key(path, members, "id")),
            self._parties.of(self._key(path, members, "party")),
        )

    def _key(self, path: Path, members: dict[str, object], name: str) -> OrderKey | None:
        """Read a name, if it is given."""
        return key_of(members[name], path, name, self._faults) if name in members else None

    def _counts(
        self, path: Path, members: dict[str, object], names: tuple[str, ...], tick: Exact | None
    ) -> dict[str, int | Refusal | None]:
        """Read numbers as whole ticks; None where one is not given."""
        return {
            name: count_of(members[name], path, name, tick, self._faults)
            for name in names
            if name in members
        }

    def _time(self, path: Path, raw: object) -> None:
        """Read a step of time."""
        members = self._members(path, raw, frozenset({"op", "at"}), frozenset())
        at = self._instant(path, members, "at")
        if at is not None and at < self._now:
            self._faults.add((*path, "at"), f"{at} is before {self._now}", "time never goes back")
        elif at is not None:
            self._now = at
            self.steps.append(Time(at))

    def _instant(self, path: Path, members: dict[str, object], name: str) -> int | None:
        """Read a whole number of time, if it is given."""
        if name not in members:
            return None
        raw = members[name]
        if type(raw) is int and abs(raw) <= TICKS_MAX:
            return raw
        self._faults.add((*path, name), f"this is {kind(raw)}", "expected a whole number")
        return None

    def _amend(self, path: Path, raw: object) -> None:
        """Read a change."""
        members = self._members(path, raw, _REFERENCE, _AMEND_OPTIONAL)
        order, party = self._names(path, members)
        limit = self._counts(path, members, ("limit",), self._terms.price_tick).get("limit")
        quantity = self._counts(path, members, ("quantity",), self._terms.quantity_tick).get(
            "quantity"
        )
        if isinstance(limit, Refusal) or isinstance(quantity, Refusal):
            self.steps.append(TurnAway("amend", order, Refusal.OFF_TICK))
        else:
            self.steps.append(Amend(order, party, limit, quantity))

    def _new(self, path: Path, members: dict[str, object]) -> None:
        """Read an order."""
        order, party = self._names(path, members)
        faults = self._faults
        side = side_of(members["side"], path, "side", faults) if "side" in members else None
        prices = self._counts(path, members, _NEW_PRICES, self._terms.price_tick)
        quantities = self._counts(path, members, _NEW_QUANTITIES, self._terms.quantity_tick)
        terms, zone, origin, wants, is_local = PLAIN, 0, 0, 0, False
        if not members.keys() <= _PLAIN:
            terms = self._terms_of(path, members, prices | quantities)
            named = self._key(path, members, "zone")
            zone = self._zones.of(named) if self._has_zones else 0
            is_local = self._flag(path, members, "local")
            if is_local and named is None:
                faults.add((*path, "local"), "this order names no zone", "expected a zone")
            origin = self._category(path, members, "origin")
            wants = self._category(path, members, "wants")
        self.pairs.add((zone, origin or wants))
        counts = (*prices.values(), *quantities.values())
        if any(isinstance(count, Refusal) for count in counts):
            self.steps.append(TurnAway("new", order, Refusal.OFF_TICK, party, terms.request))
            return
        limit, quantity = prices.get("limit"), quantities.get("quantity")
        if side is not None and isinstance(quantity, int) and not isinstance(limit, Refusal):
            sign = BUY if side is Side.BUY else SELL
            pool = self.pools.of(sign, zone, origin, wants, is_local=is_local)
            new = New(order, party, pool, limit, quantity, terms)
            if members.keys() & KEYS:
                place = len(self.steps)
                self.events.append(read_order(path, members, new, place, faults))
            else:
                self.steps.append(new)

    def _terms_of(
        self, path: Path, members: dict[str, object], counts: dict[str, int | Refusal | None]
    ) -> Terms:
        """Read what an order says besides side, limit and quantity."""

        def count(name: str) -> int | None:
            found = counts.get(name)
            return found if isinstance(found, int) else None

        return Terms(
            kind=Kind(self._word(path, members, "type", _KINDS)),
            time_in_force=TimeInForce(self._word(path, members, "time_in_force", _TIMES_IN_FORCE)),
            stop=count("stop"),
            protection=count("protection"),
            min_quantity=count("min_quantity") or 0,
            post_only=self._flag(path, members, "post_only"),
            peak=count("peak"),
            valid_from=self._instant(path, members, "valid_from"),
            expires=self._instant(path, members, "expires"),
            request=self._requests.of(self._key(path, members, "request_id")),
            partner=self._parties.of(self._key(path, members, "partner")),
        )

    def _flag(self, path: Path, members: dict[str, object], name: str) -> bool:
        """Read whether something is so; it is not where nothing is said."""
        raw = members.get(name, False)
        if not isinstance(raw, bool):
            self._faults.add((*path, name), f"this is {kind(raw)}", "expected true or false")
        return raw is True

    def _word(
        self, path: Path, members: dict[str, object], name: str, words: tuple[str, ...]
    ) -> str:
        """Read one of a few words; the first where it is not given, or is none of them."""
        raw = members.get(name, words[0])
        if isinstance(raw, str) and raw in words:
            return raw
        expected = ", ".join(f'"{word}"' for word in words)
        self._faults.add((*path, name), f"this is {kind(raw)}", f"expected one of {expected}")
        return words[0]

    def _category(self, path: Path, members: dict[str, object], name: str) -> int:
        """Read a category, if it is given: names with slashes between."""
        key = self._key(path, members, name)
        if key is None:
            return 0
        text = str(key)
        if "" in text.split("/"):
            what = f"this is {kind(key)}"
            self._faults.add((*path, name), what, 'expected names, such as "solar/pv"')
            return 0
        return self._categories.of(text)
