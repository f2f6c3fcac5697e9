"""From a market file to its result, through a block auction.

A document has `periods`, `curves` (divisible orders of one period) and `blocks` (orders over many).
What the solver finds is verified by the core before it is told, as in the live market.
"""

from __future__ import annotations

from math import gcd
from types import MappingProxyType
from typing import NamedTuple

from wattbay.adapters.market_file.document import ORDERS_MAX
from wattbay.adapters.market_file.exact import ONE, Exact, plain, times
from wattbay.adapters.market_file.fields import (
    Bounds,
    OrderKey,
    count_of,
    key_of,
    number_of,
    prices_of,
    rules_of,
    side_of,
    ticks_of,
)
from wattbay.adapters.market_file.result import BlockResult, Rejection
from wattbay.adapters.market_file.source import Faults, Path, kind, members_of, pointer
from wattbay.clearing.blocks import BUY, NODE_LIMIT, SELL, Block, BlockClearing, CurveOrder, clear
from wattbay.core.facts import Side
from wattbay.core.market.blocks import Claim, verify
from wattbay.core.market.steps import Refusal
from wattbay.errors import ensure

PERIODS_MAX = 1_000
BLOCKS_MAX = 10_000
NODES_MAX = 1_000_000

_FOREIGN_RULES = MappingProxyType(
    {
        "pricing": "call_auction",
        "margin": "call_auction",
        "reference": "call_auction",
        "network_fee": "call_auction and continuous",
        "self_trade_prevention": "continuous",
        "network_fees": "continuous",
    }
)
_PRICES = ("price_min", "price_max")
_TOP_REQUIRED = frozenset({"mechanism", "periods"})
_TOP_OPTIONAL = frozenset({"ticks", "rules", "curves", "blocks"})
_CURVE_REQUIRED = frozenset({"period", "side", "price", "quantity"})
_CURVE_OPTIONAL = frozenset({"id"})
_BLOCK_REQUIRED = frozenset({"id", "side", "price", "profile"})
_BLOCK_OPTIONAL = frozenset({"mar", "group", "parent"})
_SIGNS = MappingProxyType({Side.BUY: BUY, Side.SELL: SELL})
_GAP_STEP = Exact(1, -9)


class BlockDocument(NamedTuple):
    """What a market file says. Prices and quantities are whole numbers of its ticks."""

    price_tick: Exact
    quantity_tick: Exact
    periods: int
    bounds: Bounds
    node_limit: int
    curves: list[CurveOrder]
    blocks: list[Block]
    curve_keys: list[OrderKey]
    block_keys: list[OrderKey]
    rejected: list[tuple[OrderKey, Refusal]]


def read_blocks(raw: object, faults: Faults) -> BlockDocument:
    """Read a market file of a block auction.

    Raises
    ------
    ConfigError
        Bears every fault with its JSON pointer.
    """
    top = members_of(raw, (), _TOP_REQUIRED, _TOP_OPTIONAL, faults)
    price_tick, quantity_tick = ticks_of(top.get("ticks", {}), faults)
    known = frozenset({"node_limit", *_PRICES})
    rules = rules_of(top.get("rules", {}), known, _FOREIGN_RULES, faults)
    prices = prices_of(rules, _PRICES, price_tick, faults)
    bounds = Bounds(price_tick, quantity_tick, prices["price_min"], prices["price_max"])
    bounds.are_in_order(faults)
    nodes = rules.get("node_limit", NODE_LIMIT)
    node_limit = _count(nodes, ("rules", "node_limit"), 1, NODES_MAX, faults)
    periods = None
    if "periods" in top:
        periods = _count(top["periods"], ("periods",), 1, PERIODS_MAX, faults)
    intake = _Intake(bounds, periods, faults)
    for place, order in enumerate(_listed(top, "curves", ORDERS_MAX, faults)):
        intake.take_curve(("curves", place), order)
    for place, order in enumerate(_listed(top, "blocks", BLOCKS_MAX, faults)):
        intake.take_block(("blocks", place), order)
    faults.raise_any()
    intake.link()
    return BlockDocument(
        price_tick or ONE,
        quantity_tick or ONE,
        periods or 1,
        bounds,
        node_limit or NODE_LIMIT,
        intake.curves,
        intake.blocks,
        intake.curve_keys,
        intake.block_keys,
        intake.rejected,
    )


def _listed(top: dict[str, object], name: str, count_max: int, faults: Faults) -> list[object]:
    """Return the orders of a kind; none where they are not given."""
    orders = top.get(name, [])
    if not isinstance(orders, list):
        faults.add((name,), f"this is {kind(orders)}", "expected a list")
    elif len(orders) > count_max:
        faults.add((name,), f"{len(orders)} orders", f"at most {count_max}")
    else:
        return orders
    return []


def _count(raw: object, path: Path, least: int, most: int, faults: Faults) -> int | None:
    """Read a whole number within bounds."""
    if type(raw) is int and least <= raw <= most:
        return raw
    faults.add(path, f"this is {kind(raw)}", f"expected a whole number from {least} to {most}")
    return None


class _Intake:
    """Takes orders one by one, in order of arrival."""

    def __init__(self, bounds: Bounds, periods: int | None, faults: Faults) -> None:
        """Begin without orders."""
        self.curves: list[CurveOrder] = []
        self.blocks: list[Block] = []
        self.curve_keys: list[OrderKey] = []
        self.block_keys: list[OrderKey] = []
        self.rejected: list[tuple[OrderKey, Refusal]] = []
        self._parents: list[OrderKey | None] = []
        self._groups: dict[str, int] = {}
        self._living: set[str] = set()
        self._bounds = bounds
        self._periods = periods
        self._faults = faults

    def take_curve(self, path: Path, raw: object) -> None:
        """Accept a divisible order, or keep why it is refused; a malformed one is a fault."""
        faults, bounds = self._faults, self._bounds
        members = members_of(raw, path, _CURVE_REQUIRED, _CURVE_OPTIONAL, faults)
        period = None
        if "period" in members:
            last = (self._periods or PERIODS_MAX) - 1
            period = _count(members["period"], (*path, "period"), 0, last, faults)
        key: OrderKey | None = pointer(path)
        if members.get("id") is not None:
            key = key_of(members["id"], path, "id", faults)
        side = side_of(members["side"], path, "side", faults) if "side" in members else None
        price = self._number(path, members, "price", bounds.price_tick)
        quantity = self._number(path, members, "quantity", bounds.quantity_tick)
        if key is None or period is None or side is None or price is None or quantity is None:
            return  # A fault, which has been told.
        if isinstance(price, Refusal) or isinstance(quantity, Refusal):
            self.rejected.append((key, Refusal.OFF_TICK))
        elif quantity <= 0:
            self.rejected.append((key, Refusal.BAD_QUANTITY))
        elif self._is_welcome(key, price):
            self.curves.append(CurveOrder(period, _SIGNS[side], price, quantity))
            self.curve_keys.append(key)

    def take_block(self, path: Path, raw: object) -> None:
        """Accept a block, or keep why it is refused; a malformed one is a fault."""
        faults = self._faults
        members = members_of(raw, path, _BLOCK_REQUIRED, _BLOCK_OPTIONAL, faults)
        key = key_of(members["id"], path, "id", faults) if "id" in members else None
        side = side_of(members["side"], path, "side", faults) if "side" in members else None
        price = self._number(path, members, "price", self._bounds.price_tick)
        profile = self._profile(path, members)
        mar: Exact | None = ONE
        if members.get("mar") is not None:
            mar = number_of(members["mar"], path, "mar", faults)
        group, parent = (
            key_of(members[name], path, name, faults) if members.get(name) is not None else None
            for name in ("group", "parent")
        )
        if key is None or side is None or price is None or profile is None or mar is None:
            return  # A fault, which has been told.
        if isinstance(price, Refusal) or isinstance(profile, Refusal):
            self.rejected.append((key, Refusal.OFF_TICK))
        elif max(profile) <= 0:
            self.rejected.append((key, Refusal.BAD_QUANTITY))
        elif self._is_welcome(key, price):
            steps_min = _steps_min(profile, mar)
            number = None
            if group is not None:
                number = self._groups.setdefault(str(group), len(self._groups))
            # A block of which not even all its steps are enough is refused with its links.
            self.blocks.append(Block(_SIGNS[side], price, profile, steps_min, number))
            self.block_keys.append(key)
            self._parents.append(parent)

    def link(self) -> None:
        """Find the parents of blocks; refuse whoever has none that is accepted, or is its own."""
        places = {str(key): place for place, key in enumerate(self.block_keys)}
        parents = [None if key is None else places.get(str(key)) for key in self._parents]
        reasons: dict[int, Refusal] = {}
        for place, block in enumerate(self.blocks):
            if self._parents[place] is not None and parents[place] is None:
                reasons[place] = Refusal.UNKNOWN_ORDER
            elif block.steps_min is not None and not 0 < block.steps_min <= gcd(*block.profile):
                reasons[place] = Refusal.BAD_CONDITION
        for place in _in_circles(parents):
            reasons.setdefault(place, Refusal.BAD_CONDITION)
        children: dict[int, list[int]] = {}
        for place, parent in enumerate(parents):
            if parent is not None:
                children.setdefault(parent, []).append(place)
        line = sorted(reasons)
        for place in line:
            for child in children.get(place, []):
                if child not in reasons:
                    reasons[child] = Refusal.UNKNOWN_ORDER
                    line.append(child)
        left = [place for place in range(len(self.blocks)) if place not in reasons]
        new = {place: turn for turn, place in enumerate(left)}
        refused = [(self.block_keys[place], reasons[place]) for place in sorted(reasons)]
        self.rejected += refused
        self.blocks = [
            self.blocks[place]._replace(parent=None if (up := parents[place]) is None else new[up])
            for place in left
        ]
        self.block_keys = [self.block_keys[place] for place in left]

    def _number(
        self, path: Path, members: dict[str, object], name: str, tick: Exact | None
    ) -> int | Refusal | None:
        """Read a number as whole ticks; None is a fault that has been told."""
        return count_of(members[name], path, name, tick, self._faults) if name in members else None

    def _profile(self, path: Path, members: dict[str, object]) -> tuple[int, ...] | Refusal | None:
        """Read one quantity a period."""
        if "profile" not in members:
            return None
        raw, path = members["profile"], (*path, "profile")
        if not isinstance(raw, list) or (self._periods and len(raw) != self._periods):
            what = f"{len(raw)} quantities" if isinstance(raw, list) else f"this is {kind(raw)}"
            self._faults.add(path, what, f"expected a list of {self._periods or 'as many'} numbers")
            return None
        tick = self._bounds.quantity_tick
        counts = [count_of(one, path, str(at), tick, self._faults) for at, one in enumerate(raw)]
        if None in counts:
            return None
        whole = tuple(count for count in counts if isinstance(count, int))
        return whole if len(whole) == len(raw) else Refusal.OFF_TICK

    def _is_welcome(self, key: OrderKey, price: int) -> bool:
        """Tell whether price and id are allowed; keep why not."""
        if not self._bounds.allow(price):
            self.rejected.append((key, Refusal.PRICE_LIMIT))
        elif str(key) in self._living:
            self.rejected.append((key, Refusal.DUPLICATE_ID))
        else:
            self._living.add(str(key))
            return True
        return False


def _steps_min(profile: tuple[int, ...], mar: Exact) -> int:
    """Return the least steps that are at least a part of all; 0 where the part is no part."""
    tens = 10 ** abs(mar.power)
    numerator, denominator = (mar.digits * tens, 1) if mar.power > 0 else (mar.digits, tens)
    if not 0 <= numerator <= denominator:
        return 0
    return max(1, -(-gcd(*profile) * numerator // denominator))


def _in_circles(parents: list[int | None]) -> list[int]:
    """Return the places of blocks that are above themselves."""
    found: list[int] = []
    seen: set[int] = set()
    for place in range(len(parents)):
        path: dict[int, None] = {}
        at: int | None = place
        while at is not None and at not in seen and at not in path:
            path[at] = None
            at = parents[at]
        if at is not None and at in path:
            line = list(path)
            found += line[line.index(at) :]
        seen.update(path)
    return sorted(found)


def clear_blocks(document: BlockDocument) -> BlockResult:
    """Clear what a market file says, and verify what was found."""
    bounds = document.bounds
    found = clear(
        document.curves,
        document.blocks,
        document.periods,
        node_limit=document.node_limit,
        price_min=bounds.price_min,
        price_max=bounds.price_max,
    )
    breaches = verify(
        Claim(found.prices, found.fills, found.steps, found.welfare),
        document.curves,
        document.blocks,
        document.periods,
        price_min=bounds.price_min,
        price_max=bounds.price_max,
    )
    ensure(not breaches, f"a block auction keeps its rules; it breaks {breaches[:3]}")
    return _result(document, found)


def _result(document: BlockDocument, found: BlockClearing) -> BlockResult:
    """Write what was found in the units of the document."""
    amount_tick = times(document.price_tick, document.quantity_tick)
    keys = document.block_keys
    steps = list(zip(keys, document.blocks, found.steps, strict=True))
    return BlockResult(
        accepted=[key for key, _, got in steps if got],
        acceptance={str(key): _part(got, gcd(*block.profile)) for key, block, got in steps},
        prices=[plain(price, document.price_tick) for price in found.prices],
        volumes=[plain(volume, document.quantity_tick) for volume in found.volumes],
        fills={
            str(key): plain(fill, document.quantity_tick)
            for key, fill in zip(document.curve_keys, found.fills, strict=True)
        },
        welfare=plain(found.welfare, amount_tick),
        bound=plain(found.bound, amount_tick),
        gap=plain(found.gap_nano, _GAP_STEP),
        paradoxically_rejected=[keys[place] for place in found.paradoxically_rejected],
        rejected=[Rejection(key, reason.value) for key, reason in document.rejected],
    )


def _part(steps: int, whole: int) -> str:
    """Write a part exactly: as a plain decimal, or as a fraction where that would not end."""
    steps, whole = steps // gcd(steps, whole), whole // gcd(steps, whole)
    places = whole.bit_length()  # Enough for each factor 2 or 5 of the denominator.
    digits, rest = divmod(steps * 10**places, whole)
    return f"{steps}/{whole}" if rest else plain(digits, Exact(1, -places))
