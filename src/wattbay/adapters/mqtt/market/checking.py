"""The grid operator's check between gate closure and delivery: last on, first off.

While what is placed would breach a network limit that the operator set, the latest of what makes
it worse is dropped: orders where an auction is still to come, trades where they are made already.
What is dropped bears the limit's reason and by how much it was breached.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from wattbay.core.commands import CancelTrade, CurtailOrder
from wattbay.core.events import Traded
from wattbay.core.exchange import State
from wattbay.core.facts import Mechanism, NetworkLimit, Product, Role
from wattbay.core.market import network
from wattbay.core.registry import Registry, facts_at
from wattbay.ids import PartyId, PodId, TradeId, ZoneId
from wattbay.periods import Instant


class Dropped(NamedTuple):
    """A trade that has to go, and why."""

    trade: TradeId
    reason: str


def grid_operator(registry: Registry) -> PartyId | None:
    """Return who checks the network: the first party that was registered with that role."""
    return next(
        (name for name, one in registry.parties.items() if Role.GRID_OPERATOR in one.roles), None
    )


def check(
    state: State, product: Product, delivery: Instant, now: Instant
) -> list[CurtailOrder | CancelTrade]:
    """Return what the grid operator drops of a delivery whose gate is closed.

    Of an auction that is still to come: the orders that would have to go for it to keep all limits.
    Of continuous and bilateral trading: trades, the latest first. Nothing once the auction is over,
    or the delivery has begun.
    """
    operator = grid_operator(state.registry)
    if operator is None or now >= delivery:
        return []
    book = state.market.books.get(product.product, {}).get(delivery)
    if product.mechanism is Mechanism.CALL_AUCTION:
        if book is None or book.clears_at is None:
            return []
        outcome = network.clear_within(state.registry, state.market, product, delivery)
        return [
            CurtailOrder(operator=operator, order=cut.order.order, quantity_wh=0, reason=cut.reason)
            for cut in outcome.cuts
        ]
    if product.mechanism not in {Mechanism.CONTINUOUS, Mechanism.BILATERAL}:
        return []
    found = state.deliveries.open.get(delivery)
    trades = [] if found is None else found.trades.values()
    return [
        CancelTrade(operator=operator, delivery=delivery, trade=one.trade, reason=one.reason)
        for one in trades_to_drop(state.registry, state.market.limits, trades, delivery)
    ]


def trades_to_drop(
    registry: Registry, limits: Iterable[NetworkLimit], trades: Iterable[Traded], delivery: Instant
) -> list[Dropped]:
    """Return the trades that have to go so that no limit is breached, latest first.

    The first limit that was set goes first. Dropping for one may breach another, which is then
    looked at again; as each step drops a trade, it ends.
    """
    standing = sorted(trades, key=lambda one: one.trade)
    binding = [limit for limit in limits if limit.since <= delivery < limit.until]
    dropped: list[Dropped] = []
    while True:
        found = _next_drop(registry, binding, standing, delivery)
        if found is None:
            return dropped
        dropped.append(found)
        standing = [one for one in standing if one.trade != found.trade]


def _next_drop(
    registry: Registry, limits: Iterable[NetworkLimit], trades: list[Traded], delivery: Instant
) -> Dropped | None:
    """Return the latest trade that makes the first breached limit worse; None if all are kept."""
    for limit in limits:
        weights = _Weights(registry, limit, delivery)
        loads = [one.quantity_wh * (weights[one.seller] - weights[one.buyer]) for one in trades]
        if sum(loads) <= limit.bound_wh:
            continue
        for one, load in zip(reversed(trades), reversed(loads), strict=True):
            if load > 0:
                reason = f"{limit.reason}: {sum(loads)} Wh; {limit.bound_wh} Wh is the most"
                return Dropped(one.trade, reason)
    return None


class _Weights:
    """What an injection of each pod counts in a limit: its own coefficient, or its zone's."""

    def __init__(self, registry: Registry, limit: NetworkLimit, delivery: Instant) -> None:
        self._registry, self._delivery = registry, delivery
        terms = limit.terms
        self._pods: Mapping[PodId, int] = {
            one.pod: one.coefficient for one in terms if one.pod is not None
        }
        self._zones: Mapping[ZoneId, int] = {
            one.zone: one.coefficient for one in terms if one.zone is not None
        }

    def __getitem__(self, pod: PodId) -> int:
        own = self._pods.get(pod)
        if own is not None:
            return own
        facts = facts_at(self._registry, pod, self._delivery)
        return 0 if facts is None else self._zones.get(facts.zone, 0)
