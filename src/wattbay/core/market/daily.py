"""Auctions over a whole day: which deliveries they span, and the blocks that stand in them.

A product whose rule is `BLOCK` closes all gates of a listed day before its first delivery. Beside
plain orders for one delivery there are blocks: they stand with their first delivery and trade in
all of theirs, alike. The result is submitted, for all deliveries at once.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from msgspec import structs

from wattbay.core import events as e
from wattbay.core.facts import Product, Side
from wattbay.core.ledger import Ledger, available
from wattbay.core.market import blocks, orders
from wattbay.core.market.orders import Change, Entrant, Market, Order
from wattbay.core.products import BLOCK
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, facts_then, refuse
from wattbay.core.terms import Block, OrderTerms
from wattbay.errors import ensure
from wattbay.ids import OrderId, PartyId, is_id
from wattbay.periods import Instant
from wattbay.units import PPM

_OF_CURVES = frozenset({blocks.Rule.FILL, blocks.Rule.LIMIT})
_OF_BLOCKS = frozenset({blocks.Rule.STEPS, blocks.Rule.GROUP, blocks.Rule.PARENT, blocks.Rule.LOSS})


class Part(NamedTuple):
    """An order, and what of it may trade in one delivery."""

    order: Order
    """As it trades there: where a block's profile is below zero, on the other side."""
    quantity_wh: int
    is_own: bool = True
    """Whether it trades on its own side, for which its limit counts."""


Parts = Mapping[OrderId, Part]
"""All that may trade in one delivery: plain orders by place in time, then blocks."""


def block_of(terms: OrderTerms | None) -> Block | None:
    """Return what makes an order a block; None if it is none."""
    return None if terms is None else terms.block


def span(market: Market, product: Product, first: Instant, isp_us: int) -> list[Instant]:
    """Return the deliveries of the auction that begins with one: that alone, without blocks."""
    books = market.books[product.product]
    found = [first]
    if product.rule == BLOCK:
        following = Instant(first + isp_us)
        while following in books and books[following].first == first:
            found.append(following)
            following = Instant(following + isp_us)
    return found


def parts_of(
    market: Market,
    product: Product,
    deliveries: Sequence[Instant],
    isp_us: int,
    *,
    alone: bool = False,
) -> dict[Instant, dict[OrderId, Part]]:
    """Return what may trade in each delivery of an auction whose gate is closed.

    Parameters
    ----------
    alone
        Leave blocks out.
    """
    books = market.books[product.product]
    found: dict[Instant, dict[OrderId, Part]] = {delivery: {} for delivery in deliveries}
    standing: list[tuple[Instant, Order, Block]] = []
    for delivery in deliveries:
        for name, order in books[delivery].orders.items():
            block = block_of(order.terms)
            ensure(not order.stands_by, "what still waits when its gate closes is cancelled")
            if block is None:
                found[delivery][name] = Part(order, order.quantity_wh)
            elif not alone:
                standing.append((delivery, order, block))
    for delivery, order, block in standing:
        for place, energy in enumerate(block.profile):
            if energy:
                there = found[Instant(delivery + place * isp_us)]
                way = order if energy > 0 else structs.replace(order, side=_other(order.side))
                there[order.order] = Part(way, abs(energy), energy > 0)
    return found


def _other(side: Side) -> Side:
    """Return the side against one."""
    return Side.SELL if side is Side.BUY else Side.BUY


# --- blocks come and change ------------------------------------------------------------------


def stand(registry: Registry, market: Market, ledger: Ledger, entrant: Entrant) -> list[e.Event]:
    """Let an order stand, once its block, if it is one, is found to be one of its auction."""
    block = block_of(entrant.command.terms)
    if block is None:
        return orders.stand(market, entrant)
    fault = _form(entrant, block) or _place(registry, market, entrant, block)
    if fault is not None:
        return refuse(Reason.BAD_CONDITION, fault)
    at_risk = entrant.hold_nano + _more_at_risk(entrant, block)
    left = available(registry, ledger, entrant.facts.party)
    if at_risk > max(left, entrant.hold_nano):
        return refuse(Reason.NO_COLLATERAL, f"needs {at_risk}, available {left} nano")
    return orders.stand(market, structs.replace(entrant, hold_nano=at_risk))


def _more_at_risk(entrant: Entrant, block: Block) -> int:
    """Return what a block can cost beyond its own side. [nano-currency]

    Over all its deliveries it pays no more, and gets no less, than its limit says for its own side.
    What a buyer sells besides, it may have to buy back.
    """
    if entrant.command.side is Side.SELL:
        return 0
    sold_wh = sum(max(0, -energy) for energy in block.profile)
    return sold_wh * max(0, orders.short_price(entrant.product, entrant.tariff))


def amend(change: Change) -> list[e.Event]:
    """Change an order; of a block, its limit alone, and nothing where it trades both ways."""
    block = block_of(change.order.terms)
    if block is not None:
        command = change.command
        keeps = command.quantity_wh == change.order.quantity_wh and command.limit is not None
        if not keeps or min(block.profile) < 0:
            return refuse(Reason.BAD_CONDITION, "a block keeps its profile; place another one")
    return orders.amend(change)


def _form(entrant: Entrant, block: Block) -> str | None:
    """Say what is wrong with a block by itself; None where nothing is."""
    product, command = entrant.product, entrant.command
    if product.rule != BLOCK:
        return "this product has no blocks"
    if sum(max(0, energy) for energy in block.profile) != command.quantity_wh:
        return "quantity_wh is the sum of what a profile has above zero"
    if max(map(abs, block.profile)) > product.quantity_max_wh:
        return f"{product.quantity_max_wh} Wh is the most in a delivery"
    if any(energy % product.energy_tick for energy in block.profile):
        return f"quantities are multiples of {product.energy_tick} Wh"
    if not 1 <= block.min_ratio_ppm <= PPM:
        return f"min_ratio_ppm is 1 to {PPM}"
    if block.group is not None and not is_id(block.group):
        return "a group is named by an identifier"
    return None


def _place(registry: Registry, market: Market, entrant: Entrant, block: Block) -> str | None:
    """Say what is wrong with where a block stands; None where nothing is."""
    command, first = entrant.command, entrant.book.first
    books = market.books[command.product]
    for place in range(len(block.profile)):
        book = books.get(Instant(command.delivery + place * registry.isp_us))
        if book is None or book.first != first:
            return "a profile ends with the deliveries of its day"
    if block.parent is None:
        return None
    found = orders.find(market, block.parent)
    if found is None or found[0] != command.product or found[2].first != first:
        return f"order {block.parent} does not stand in this auction"
    parent = found[2].orders[block.parent]
    if parent.pod != command.pod or block_of(parent.terms) is None:
        return f"order {block.parent} is no block of this pod"
    return None


# --- what a result claims --------------------------------------------------------------------


class Result(NamedTuple):
    """What was submitted, by delivery and order."""

    prices: Sequence[int]
    """Shape: (n_deliveries,)."""
    filled: Mapping[tuple[Instant, OrderId], int]
    welfare: int
    """What buyers accept to pay at most, less what sellers want at least."""
    limited: Container[tuple[Instant, OrderId]]
    """Plain orders that the network may keep from trading although the price is good for them."""


def fault_of(
    registry: Registry,
    product: Product,
    deliveries: Sequence[Instant],
    parts: Mapping[Instant, Parts],
    result: Result,
) -> str | None:
    """Return the first rule of block auctions that a result breaks; None where it breaks none."""
    curves: list[blocks.CurveOrder] = []
    fills: list[int] = []
    curve_names: list[OrderId] = []
    standing: dict[OrderId, tuple[int, Order, Block]] = {}
    for period, delivery in enumerate(deliveries):
        for name, (order, quantity, is_own) in parts[delivery].items():
            block = block_of(order.terms)
            if block is not None:
                side = order.side if is_own else _other(order.side)
                own = structs.replace(order, side=side)
                standing.setdefault(name, (period - _lead(block), own, block))
                continue
            fill = result.filled.get((delivery, name), 0)
            most = fill if (delivery, name) in result.limited else quantity
            curves.append((period, _sign(order), worst_price(product, order), most))
            fills.append(fill)
            curve_names.append(name)
    places = {name: place for place, name in enumerate(standing)}
    groups: dict[tuple[PartyId, str], int] = {}
    claimed: list[blocks.Block] = []
    steps: list[int] = []
    for name, (period, order, block) in standing.items():
        got = _steps(deliveries[period:], block, name, result.filled)
        if got is None:
            return f"order {name}: a block is accepted alike in all its deliveries"
        if got and block.parent is not None and block.parent not in places:
            return f"order {name}: its parent no longer stands"
        steps.append(got)
        party = facts_then(registry, order.pod, deliveries[0]).party
        claimed.append(_claimed(deliveries, period, order, block, places, groups, party))
    claim = blocks.Claim(result.prices, fills, steps, result.welfare)
    for breach in blocks.verify(
        claim,
        curves,
        claimed,
        len(deliveries),
        price_min=product.price_min,
        price_max=product.price_max,
        price_tick=product.price_tick,
    ):
        return _told(breach, curve_names, list(standing))
    return None


def _lead(block: Block) -> int:
    """Return how many deliveries of a block come before the first in which it trades."""
    return next(place for place, energy in enumerate(block.profile) if energy)


def _steps(
    deliveries: Sequence[Instant],
    block: Block,
    name: OrderId,
    filled: Mapping[tuple[Instant, OrderId], int],
) -> int | None:
    """Return how many of its steps a block got; None where it got no whole step everywhere."""
    whole = blocks.steps_of(block.profile)
    got: int | None = None
    for delivery, energy in zip(deliveries, block.profile, strict=False):
        if not energy:
            continue
        traded = filled.get((delivery, name), 0)
        if got is None:
            got = traded * whole // abs(energy)  # divides: checked in the next line
        if traded * whole != got * abs(energy):
            return None
    return got


def _claimed(
    deliveries: Sequence[Instant],
    period: int,
    order: Order,
    block: Block,
    places: Mapping[OrderId, int],
    groups: dict[tuple[PartyId, str], int],
    party: PartyId,
) -> blocks.Block:
    """Return a block as the verifier takes it."""
    whole = blocks.steps_of(block.profile)
    least = -(-block.min_ratio_ppm * whole // PPM)  # divides: steps, rounded up
    after = len(deliveries) - period - len(block.profile)
    profile = (0,) * period + block.profile + (0,) * after
    group = None
    if block.group is not None:
        group = groups.setdefault((party, block.group), len(groups))
    parent = None if block.parent is None else places.get(block.parent)
    limit = 0 if order.limit is None else order.limit
    return _sign(order), limit, profile, least, group, parent


def _told(breach: blocks.Breach, curves: Sequence[OrderId], named: Sequence[OrderId]) -> str:
    """Say which rule is broken, and by whom."""
    rule, place = breach
    what = rule.value.replace("_", " ")
    if rule in _OF_BLOCKS:
        return f"order {named[place]}: {what}"
    if rule in _OF_CURVES:
        return f"order {curves[place]}: {what}"
    return f"delivery {place + 1} of the day: {what}"


def _sign(order: Order) -> int:
    """Return the sign of an order's flow into the market."""
    return blocks.BUY if order.side is Side.BUY else blocks.SELL


def worth(product: Product, part: Part) -> int:
    """Return what a Wh counts in welfare: nothing where a block trades against its own side."""
    return worst_price(product, part.order) if part.is_own else 0


def worst_price(product: Product, order: Order) -> int:
    """Return the worst price that an order accepts; that of the product, where it names none."""
    named = orders.worst_price(order.limit, order.terms)
    if named is not None:
        return named
    return product.price_max if order.side is Side.BUY else product.price_min
