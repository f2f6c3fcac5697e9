"""Which product an offer goes to, and which offers somebody can take: read from the state, no more.

An order of an auction is nobody's to see before its gate closes. What can be taken are offers of
bilateral products, and what rests in an order book.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from wattbay.core.exchange import State
from wattbay.core.facts import Mechanism, PodFacts, Product, Side, TradingPhase
from wattbay.core.market.orders import Book, Order, find
from wattbay.core.market.product import gate_closes, gate_opens
from wattbay.core.registry import facts_at
from wattbay.ids import OrderId, PodId, ProductId
from wattbay.periods import Instant

AUCTIONS = frozenset({Mechanism.CALL_AUCTION, Mechanism.SUBMITTED})
TAKEABLE = frozenset({Mechanism.BILATERAL, Mechanism.CONTINUOUS})


class Gate(NamedTuple):
    """A delivery of a product that takes orders now."""

    product: Product
    delivery: Instant
    closes: Instant


class Taken(NamedTuple):
    """An offer as somebody sees it who could take it."""

    order: Order
    gate: Gate
    open_wh: int
    """What can be taken of it; of an iceberg, at most what it shows at a time. [Wh]"""
    price: int
    """What who takes it pays or gets, network fee included. [nano-currency per Wh]"""

    @property
    def side(self) -> Side:
        """Of who takes it."""
        return Side.BUY if self.order.side is Side.SELL else Side.SELL


def gates(
    state: State,
    at: Instant,
    product: ProductId | None = None,
    delivery: Instant | None = None,
) -> Iterator[Gate]:
    """Yield the deliveries that take orders now: by product, in order of definition; by delivery.

    Parameters
    ----------
    product, delivery
        Only of this one.
    """
    for name, known in state.registry.products.items():
        if product is not None and name != product:
            continue
        books = state.market.books.get(name, {})
        wanted = sorted(books) if delivery is None else [delivery] if delivery in books else []
        for start in wanted:
            gate = _gate(known, start, books[start], at)
            if gate is not None:
                yield gate


def _next_gates(
    state: State, at: Instant, product: ProductId | None, delivery: Instant | None
) -> Iterator[Gate]:
    """Yield of each product the gate that closes next: later deliveries close later, or with it."""
    named = state.registry.products if product is None else (product,)
    for name in named:
        gate = next(gates(state, at, name, delivery), None)
        if gate is not None:
            yield gate


def _gate(product: Product, delivery: Instant, book: Book, at: Instant) -> Gate | None:
    """Return the gate of a delivery while it is open, and trading is not halted."""
    first = book.gate_of(delivery)
    closes = gate_closes(product, first)
    if not gate_opens(product, first) <= at < closes:
        return None
    if book.venue is not None and book.venue.phase in {TradingPhase.HALTED, TradingPhase.CLOSED}:
        return None
    return Gate(product, delivery, closes)


def gate_for_offer(
    state: State, at: Instant, product: ProductId | None, delivery: Instant | None
) -> Gate | None:
    """Return where an offer goes: where offers stand to be taken, else to the next gate.

    Parameters
    ----------
    product, delivery
        Named by who offers; None where it does not matter to them.
    """
    found = list(_next_gates(state, at, product, delivery))
    boards = [one for one in found if one.product.mechanism is Mechanism.BILATERAL]
    return min(boards or found, key=lambda one: (one.closes, one.delivery), default=None)


def gate_for_auction(
    state: State, at: Instant, product: ProductId | None, delivery: Instant | None
) -> Gate | None:
    """Return the auction whose gate closes next, of those that are meant."""
    found = (
        one
        for one in _next_gates(state, at, product, delivery)
        if one.product.mechanism in AUCTIONS
    )
    return min(found, key=lambda one: (one.closes, one.delivery), default=None)


def takeable(
    state: State,
    pod: PodId,
    at: Instant,
    product: ProductId | None = None,
    delivery: Instant | None = None,
) -> Iterator[Taken]:
    """Yield the offers that a pod can take now, delivery by delivery; dearest to sell to first."""
    for gate in gates(state, at, product, delivery):
        if gate.product.mechanism not in TAKEABLE:
            continue
        taker = facts_at(state.registry, pod, gate.delivery)
        if taker is None:
            continue
        book = state.market.books[gate.product.product][gate.delivery]
        rest = _resting(book)
        found = [
            seen
            for order in book.orders.values()
            if (rest is None or order.order in rest)
            and (seen := _seen(state, gate, order, taker)) is not None
        ]
        found.sort(key=_best_first)
        yield from found


def _best_first(seen: Taken) -> tuple[int, int, OrderId]:
    """Return by what offers are sorted: who buys first, and what is best for who takes it."""
    is_bought = seen.side is Side.BUY
    return (int(is_bought), seen.price if is_bought else -seen.price, seen.order.order)


def offer_of(state: State, pod: PodId, at: Instant, number: OrderId) -> Taken | None:
    """Return an offer if a pod can take it now; None for what is not there, or not to be seen."""
    place = find(state.market, number)
    if place is None:
        return None
    name, delivery, book = place
    product = state.registry.products[name]
    gate = _gate(product, delivery, book, at)
    taker = facts_at(state.registry, pod, delivery)
    if gate is None or taker is None or product.mechanism not in TAKEABLE:
        return None
    rest = _resting(book)
    if rest is not None and number not in rest:
        return None
    return _seen(state, gate, book.orders[number], taker)


def _resting(book: Book) -> frozenset[OrderId] | None:
    """Return which orders rest in an order book; None where there is none."""
    if book.venue is None:
        return None
    return frozenset(
        OrderId(number)
        for side in (1, -1)
        for _, orders in book.venue.book.side(side)
        for number, _ in orders
    )


def _seen(state: State, gate: Gate, order: Order, taker: PodFacts) -> Taken | None:
    """Return an order as a pod sees it that could take it; None for one that it could not."""
    owner = facts_at(state.registry, order.pod, gate.delivery)
    if order.limit is None or order.stands_by or owner is None or owner.party == taker.party:
        return None
    terms, shown_wh = order.terms, order.open_wh
    if terms is not None:
        is_foreign = terms.partner is not None and terms.partner != taker.party
        is_far = terms.is_local and owner.zone != taker.zone
        if is_foreign or is_far or terms.wants is not None:
            return None
        if terms.peak_wh is not None:
            shown_wh = min(shown_wh, terms.peak_wh)
    fee = _fee(gate.product, order.side, owner, taker)
    if fee is None or shown_wh <= 0:
        return None
    price = order.limit + fee if order.side is Side.SELL else order.limit - fee
    return Taken(order, gate, shown_wh, price)


def _fee(product: Product, side: Side, owner: PodFacts, taker: PodFacts) -> int | None:
    """Return the network fee between two pods; None where they cannot trade."""
    if not product.network_fees:
        return product.network_fee
    zones = (owner.zone, taker.zone) if side is Side.SELL else (taker.zone, owner.zone)
    for fee in product.network_fees:
        if (fee.from_zone, fee.to_zone) == zones:
            return fee.nano_per_wh
    return None
