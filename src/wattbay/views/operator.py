"""What the market operator needs to bring a result: orders that stand, and energy that is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wattbay.core import events as e
from wattbay.core import registry as rg
from wattbay.core import tariffs
from wattbay.core.entered import told
from wattbay.core.facts import PodFacts, Product, Side, Tariff
from wattbay.core.market import network
from wattbay.core.market.orders import Market, Order
from wattbay.core.registry import Registry, facts_at, facts_then, tariff_at
from wattbay.core.terms import OrderTerms
from wattbay.ids import OrderId, PartyId, PodId, ProductId
from wattbay.kernel.codec import Entry
from wattbay.periods import Instant


class StandingOrder(NamedTuple):
    """An order that takes part in its auction."""

    order: OrderId
    pod: PodId
    party: PartyId
    side: Side
    quantity_wh: int
    limit: int | None
    terms: OrderTerms | None


class MeteredPod(NamedTuple):
    """What one pod did in a delivery that is over, and what held of it."""

    facts: PodFacts
    tariff: Tariff
    import_wh: int
    export_wh: int


class OperatorDesk:
    """Follows one product until each of its deliveries is cleared or settled."""

    __slots__ = (
        "_days",
        "_energies",
        "_market",
        "_orders",
        "_product",
        "_registry",
        "_waiting",
    )

    def __init__(self, product: ProductId) -> None:
        """Follow a product."""
        self._product = product
        self._registry = Registry()
        self._days: dict[Instant, int] = {}
        """How many deliveries each day has that is not cleared, by its first."""
        self._market = Market()
        """Holds the limits of the network, and nothing else."""
        self._orders: dict[Instant, dict[OrderId, StandingOrder]] = {}
        self._waiting: set[OrderId] = set()
        self._energies: dict[Instant, dict[PodId, e.EnergyMetered]] = {}

    @property
    def product(self) -> Product:
        """The product as it was defined."""
        return self._registry.products[self._product]

    def fold(self, entry: Entry) -> None:
        """Take the next entry of history."""
        for event in told(entry.events):
            match event:
                case e.ReadingAccepted() | e.ReceiptIssued():
                    pass
                case e.EnergyMetered():
                    self._energies.setdefault(event.delivery, {})[event.pod] = event
                case e.PeriodSettled(delivery=delivery) | e.DeliveryFinal(delivery=delivery):
                    self._energies.pop(delivery, None)
                case e.DeliveriesListed() if event.product == self._product:
                    self._days[event.start] = event.count
                case e.LimitSubmitted():
                    network.submitted(self._market, event)
                case e.PricesPublished():
                    tariffs.published(self._registry, event)
                case (
                    e.OrderPlaced()
                    | e.OrderAmended()
                    | e.OrderCancelled()
                    | e.OrderCurtailed()
                    | e.OrderReleased()
                    | e.OrderSuspended()
                    | e.AuctionCleared()
                ):
                    if event.product == self._product:
                        self._order(event)
                case _:
                    rg.apply(self._registry, event)

    def orders(self, delivery: Instant) -> list[StandingOrder]:
        """Return the orders that stand for a delivery and may trade, by place in time."""
        waiting = self._waiting
        return [one for one in self._orders.get(delivery, {}).values() if one.order not in waiting]

    def day(self, first: Instant) -> dict[Instant, list[StandingOrder]]:
        """Return the orders of the day that begins with a delivery, by delivery, in order.

        A block stands with the first delivery of its profile.
        """
        isp_us = self._registry.isp_us
        deliveries = (Instant(first + i * isp_us) for i in range(self._days.get(first, 0)))
        return {delivery: self.orders(delivery) for delivery in deliveries}

    def worsening(
        self, delivery: Instant, orders: Sequence[StandingOrder], fills: Sequence[int]
    ) -> list[int]:
        """Return which orders worsen a network limit that is breached, latest first, by place.

        Parameters
        ----------
        fills
            What each would get. Shape: that of `orders`. [Wh]
        """
        standing = [
            Order(one.order, one.pod, one.side, one.quantity_wh, one.limit, 0, "") for one in orders
        ]
        breached = network.breach(self._registry, self._market, standing, fills, delivery)
        return [] if breached is None else breached.worsening

    def metered(self, delivery: Instant) -> list[MeteredPod]:
        """Return the pods whose energy of a delivery is known, in order of registration."""
        known = self._energies.get(delivery, {})
        found = []
        for pod in self._registry.pods:
            energy, facts = known.get(pod), facts_at(self._registry, pod, delivery)
            if energy is not None and facts is not None:
                tariff = tariff_at(self._registry, facts, delivery)
                found.append(MeteredPod(facts, tariff, energy.import_wh, energy.export_wh))
        return found

    def _order(
        self,
        event: e.OrderPlaced
        | e.OrderAmended
        | e.OrderCancelled
        | e.OrderCurtailed
        | e.OrderReleased
        | e.OrderSuspended
        | e.AuctionCleared,
    ) -> None:
        """Let an order stand, change or go."""
        book = self._orders.setdefault(event.delivery, {})
        match event:
            case e.OrderPlaced():
                party = facts_then(self._registry, event.pod, event.delivery).party
                book[event.order] = StandingOrder(
                    event.order,
                    event.pod,
                    party,
                    event.side,
                    event.quantity_wh,
                    event.limit,
                    event.terms,
                )
                if event.waits:
                    self._waiting.add(event.order)
            case e.OrderSuspended():
                self._waiting.add(event.order)
            case e.OrderReleased():
                # It has its place in time from now on, as in its book.
                self._waiting.discard(event.order)
                if event.order in book:
                    book[event.order] = book.pop(event.order)
            case e.OrderAmended():
                changed = book[event.order]._replace(
                    quantity_wh=event.quantity_wh, limit=event.limit
                )
                if not event.keeps_place:
                    del book[event.order]
                book[event.order] = changed
            case e.OrderCurtailed() if event.quantity_wh:
                book[event.order] = book[event.order]._replace(quantity_wh=event.quantity_wh)
            case e.OrderCancelled() | e.OrderCurtailed():
                del book[event.order]
                self._waiting.discard(event.order)
            case e.AuctionCleared():
                self._waiting.difference_update(book)
                del self._orders[event.delivery]
                self._days.pop(event.delivery, None)
                limits = self._market.limits
                self._market.limits = [one for one in limits if one.until > event.delivery]
