"""Where deliveries stand, told from the exchange's state and the time alone."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from wattbay.adapters.mqtt.market.messages import DeliveryState, Gate, MarketPhase
from wattbay.core.exchange import State
from wattbay.core.facts import Mechanism, Product
from wattbay.core.market.product import gate_closes, gate_opens
from wattbay.ids import ProductId, RunName
from wattbay.periods import Instant

BEHIND_MAX, AHEAD_MAX = 48, 96
"""Deliveries before and after now that are told of."""
STATES_MAX = 240
"""Deliveries that are told of, of all products together."""
EDGES_MAX = 500
"""Changes of phase that are told of at once; of more, the newest."""


class Edge(Enum):
    """What the clock alone changes; at one instant in this order."""

    ENDS = auto()
    BEGINS = auto()
    OPENS = auto()


class Change(NamedTuple):
    """A change of phase that the clock has made."""

    at: Instant
    edge: Edge
    product: ProductId
    delivery: Instant


def is_listed(state: State, product: ProductId, delivery: Instant) -> bool:
    """Tell whether a delivery of a product is known and not final yet."""
    found = state.deliveries.open.get(delivery)
    return found is not None and product in found.products


def gate_of(state: State, product: Product, delivery: Instant) -> Instant | None:
    """Return when the gate of a delivery closes; None where nobody orders.

    Of an auction over a day all gates close with the first one; once that is cleared, each is told
    to have closed before its own delivery.
    """
    if product.mechanism is Mechanism.COMMUNITY:
        return None
    book = state.market.books.get(product.product, {}).get(delivery)
    return gate_closes(product, delivery if book is None else book.gate_of(delivery))


def bill_date(state: State, delivery: Instant) -> Instant | None:
    """Return when the first settlement run of a delivery is due."""
    community = state.registry.community
    if community is None or not community.runs:
        return None
    return Instant(delivery + community.isp_us + community.runs[0].after_us)


def phase_of(
    state: State, product: Product, delivery: Instant, now: Instant
) -> tuple[MarketPhase, RunName | None]:
    """Return where a delivery stands, and the last settlement run that was held of it."""
    registry, found = state.registry, state.deliveries.open.get(delivery)
    runs = () if registry.community is None else registry.community.runs
    if found is None:
        return MarketPhase.FINAL, runs[-1].name if runs else None
    if found.runs_done:
        return MarketPhase.SETTLED, runs[found.runs_done - 1].name
    if now >= delivery + registry.isp_us:
        return MarketPhase.METERED, None
    if now >= delivery:
        return MarketPhase.EXCHANGING, None
    gate = gate_of(state, product, delivery)
    if gate is not None and now >= gate:
        return MarketPhase.GATE_CLOSED, None
    if gate is not None and now >= gate_opens(product, delivery):
        return MarketPhase.BIDDING, None
    return MarketPhase.LISTED, None


def around(state: State, now: Instant) -> tuple[list[DeliveryState], int]:
    """Return where each delivery around now stands, and how many did not fit."""
    isp_us = state.registry.isp_us
    if not isp_us:
        return [], 0
    current = now - now % isp_us
    found: list[DeliveryState] = []
    for step in range(-BEHIND_MAX, AHEAD_MAX + 1):
        delivery = Instant(current + step * isp_us)
        for name, product in state.registry.products.items():
            is_final = delivery in state.deliveries.final
            if not is_final and not is_listed(state, name, delivery):
                continue
            phase, run = phase_of(state, product, delivery, now)
            found.append(
                DeliveryState(
                    product=name,
                    delivery=delivery,
                    phase=phase,
                    gate_closes_at=gate_of(state, product, delivery),
                    bill_date=bill_date(state, delivery),
                    run=run,
                )
            )
    if len(found) <= STATES_MAX:
        return found, 0
    near = sorted(found, key=lambda one: abs(one.delivery - now))[:STATES_MAX]
    return sorted(near, key=lambda one: one.delivery), len(found) - STATES_MAX


def next_gate(state: State, now: Instant) -> Gate | None:
    """Return the open gate that closes next; None where none is listed soon."""
    isp_us = state.registry.isp_us
    gates = []
    for name, product in state.registry.products.items():
        if product.mechanism is Mechanism.COMMUNITY:
            continue
        first = now + min(product.closes_before_us, 0)
        first -= first % isp_us
        # Gates of equal deliveries close in their order, so the first one that is open is next.
        ahead = max(product.closes_before_us, 0) // isp_us + AHEAD_MAX
        for step in range(ahead):
            delivery = Instant(first + step * isp_us)
            if not is_listed(state, name, delivery):
                continue
            closes_at = gate_of(state, product, delivery)
            if closes_at is not None and closes_at > now:
                gates.append((closes_at, delivery, name))
                break
    if not gates:
        return None
    closes_at, delivery, name = min(gates)
    return Gate(product=name, delivery=delivery, closes_at=closes_at)


def changes(state: State, after: Instant, until: Instant) -> list[Change]:
    """Return what the clock changed after an instant and until another, in order."""
    isp_us = state.registry.isp_us
    if not isp_us or until <= after:
        return []
    found: list[Change] = []
    for name, product in state.registry.products.items():
        edges = [(Edge.BEGINS, 0), (Edge.ENDS, isp_us)]
        if product.mechanism is not Mechanism.COMMUNITY:
            edges.append((Edge.OPENS, -product.opens_before_us))
        for edge, offset_us in edges:
            found += [
                Change(Instant(delivery + offset_us), edge, name, delivery)
                for delivery in _starts(after - offset_us, until - offset_us, isp_us)
                if is_listed(state, name, delivery)
            ]
    found.sort(key=lambda one: (one.at, one.edge.value, one.product))
    return found[-EDGES_MAX:]


def next_change(state: State, now: Instant) -> Instant | None:
    """Return when the clock changes something next, gates that close included."""
    isp_us = state.registry.isp_us
    if not isp_us:
        return None
    found = [now - now % isp_us + isp_us]
    for product in state.registry.products.values():
        if product.mechanism is not Mechanism.COMMUNITY:
            for offset_us in (-product.opens_before_us, -product.closes_before_us):
                shifted = now - offset_us
                found.append(shifted - shifted % isp_us + isp_us + offset_us)
    return Instant(min(found))


def _starts(after: int, until: int, isp_us: int) -> Iterator[Instant]:
    """Yield the newest deliveries that start after an instant and until another, in order."""
    last = until - until % isp_us
    first = max(after - after % isp_us + isp_us, last - EDGES_MAX * isp_us)
    for start in range(first, last + 1, isp_us):
        yield Instant(start)
