"""Bilateral trading: offers that stand until somebody takes them, wholly or in part.

An offer sells or buys at its own price, and trades with nobody by itself. Who takes it places an
order that trades whole at once, with that offer and no other. The price is what the seller gets;
the buyer pays the network fee on top. So of an offer to buy, whose price is all-in, the seller gets
that price less the fee.
"""

from __future__ import annotations

from typing import NamedTuple

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.facts import Mechanism, PodFacts, Product, Side
from wattbay.core.ledger import Ledger, available
from wattbay.core.market import orders
from wattbay.core.market.orders import Entrant, Market, Order, released_nano
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, facts_at, facts_then, refuse, tariff_at
from wattbay.core.terms import OrderTerms, TimeInForce
from wattbay.ids import OrderId, TradeId
from wattbay.periods import Instant

TAKING = OrderTerms(time_in_force=TimeInForce.FOK)
"""What the order says with which an offer is taken: whole at once, or not at all."""


def place(market: Market, entrant: Entrant, *, stands_by: bool = False) -> list[e.Event]:
    """Let an offer stand, or say why not."""
    terms = entrant.command.terms
    partner = None if terms is None else terms.partner
    if partner == entrant.facts.party:
        return refuse(
            Reason.BAD_CONDITION, "an offer is made to another party: nobody takes its own"
        )
    return orders.stand(market, entrant, stands_by=stands_by)


class _Deal(NamedTuple):
    """A taking of an offer, as far as it was looked up."""

    product: Product
    delivery: Instant
    offer: Order
    facts: PodFacts
    """Of the pod that takes it."""
    side: Side
    """Of who takes it."""
    buy_price: int
    sell_price: int

    @property
    def price(self) -> int:
        """What the taker pays or gets a Wh."""
        return self.buy_price if self.side is Side.BUY else self.sell_price


def take(
    registry: Registry, market: Market, ledger: Ledger, command: c.TakeOffer, at: Instant
) -> list[e.Event]:
    """Let a pod trade with an offer at its price, or say why not."""
    found = orders.find(market, command.order)
    if found is None or registry.products[found[0]].mechanism is not Mechanism.BILATERAL:
        return refuse(Reason.UNKNOWN_ORDER, f"offer {command.order}")
    name, delivery, book = found
    product, offer = registry.products[name], book.orders[command.order]
    fault = orders.gate_fault(product, delivery, at)
    if fault is not None:
        return fault
    facts = facts_at(registry, command.pod, delivery)
    if facts is None:
        return refuse(Reason.UNKNOWN_POD, f"pod {command.pod} at that delivery")
    fault = (
        _not_for(registry, offer, facts, delivery)
        or _bad_size(product, offer, command.quantity_wh)
        or orders.position_fault(
            product, book.stakes.get(command.pod), _other(offer.side), command.quantity_wh
        )
    )
    if fault is not None:
        return fault
    deal = _priced(product, delivery, offer, facts)
    tariff = tariff_at(registry, facts, delivery)
    quantity = command.quantity_wh
    at_risk = orders.worst_case(product, tariff, deal.side, quantity, deal.price)
    left = available(registry, ledger, facts.party)
    if at_risk > max(0, left):
        return refuse(Reason.NO_COLLATERAL, f"needs {at_risk}, available {left} nano")
    return _taken(registry, market, deal, quantity, at_risk)


def _not_for(
    registry: Registry, offer: Order, taker: PodFacts, delivery: Instant
) -> list[e.Event] | None:
    """Refuse who may not take an offer, or not now."""
    if offer.stands_by:
        return refuse(Reason.NOT_DUE, "this offer waits; it can be taken once it is released")
    if facts_then(registry, offer.pod, delivery).party == taker.party:
        return refuse(Reason.NOT_ALLOWED, "nobody takes its own offer; cancel it instead")
    partner = None if offer.terms is None else offer.terms.partner
    if partner is not None and partner != taker.party:
        return refuse(Reason.NOT_ALLOWED, "this offer is made to another party")
    return None


def _bad_size(product: Product, offer: Order, quantity_wh: int) -> list[e.Event] | None:
    """Refuse to take less than the offer's least, or more than is open of it."""
    terms = offer.terms
    # What is left of an offer may be less than its least: then it is taken whole.
    least = min(offer.open_wh, 1 if terms is None else max(1, terms.min_quantity_wh))
    if not least <= quantity_wh <= offer.open_wh:
        return refuse(Reason.BAD_QUANTITY, f"{least} to {offer.open_wh} Wh of this offer")
    if quantity_wh % product.energy_tick:
        return refuse(Reason.OFF_TICK, f"quantities are multiples of {product.energy_tick} Wh")
    return None


def _other(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY


def _priced(product: Product, delivery: Instant, offer: Order, taker: PodFacts) -> _Deal:
    """Return what buyer and seller pay and get, and who that is."""
    limit = 0 if offer.limit is None else offer.limit  # An offer always names its price.
    fee = product.network_fee
    prices = (limit + fee, limit) if offer.side is Side.SELL else (limit, limit - fee)
    return _Deal(product, delivery, offer, taker, _other(offer.side), *prices)


def _taken(
    registry: Registry, market: Market, deal: _Deal, quantity_wh: int, at_risk: int
) -> list[e.Event]:
    """Return the events of an offer that is taken: the order that takes it, and the trade."""
    product, offer, delivery = deal.product, deal.offer, deal.delivery
    number = OrderId(market.next_order)
    placed = e.OrderPlaced(
        order=number,
        pod=deal.facts.pod,
        product=product.product,
        delivery=delivery,
        side=deal.side,
        quantity_wh=quantity_wh,
        limit=deal.price,
        hold_nano=at_risk,
        terms=TAKING,
        rests_wh=0,
    )
    is_sold = offer.side is Side.SELL
    seller = facts_then(registry, offer.pod, delivery) if is_sold else deal.facts
    risk = orders.short_price(product, tariff_at(registry, seller, delivery))
    freed = released_nano(offer, quantity_wh)
    traded = e.Traded(
        trade=TradeId(market.next_trade),
        product=product.product,
        delivery=delivery,
        buyer=deal.facts.pod if is_sold else offer.pod,
        seller=seller.pod,
        buy_order=number if is_sold else offer.order,
        sell_order=offer.order if is_sold else number,
        quantity_wh=quantity_wh,
        buy_price=deal.buy_price,
        sell_price=deal.sell_price,
        # The seller has the money of the sale; what it may lose is buying the energy back.
        hold_nano=quantity_wh * max(0, risk),
        maker=offer.order,
        buy_release_nano=at_risk if is_sold else freed,
        sell_release_nano=freed if is_sold else at_risk,
    )
    return [placed, traded]
