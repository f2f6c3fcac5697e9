"""Bilateral trading: offers that stand until somebody takes them, wholly or in part.

An offer sells or buys at its own price, and trades with nobody by itself. Who takes it places an
order that trades whole at once, with that offer and no other. The price is what the seller gets;
the buyer pays the network fee on top. So of an offer to buy, whose price is all-in, the seller gets
that price less the fee.

A sale that was agreed elsewhere is an offer to sell and its taking at once, in each delivery: all
of it in one entry, or nothing.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from msgspec import structs

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.facts import Mechanism, PodFacts, Product, Side
from wattbay.core.ledger import Ledger, account, available
from wattbay.core.market import orders
from wattbay.core.market.orders import Book, Entrant, Market, Order, released_nano
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, facts_at, facts_then, refuse, tariff_at
from wattbay.core.sales import (
    SALE_PARTS_MAX,
    SALE_PROOF_BYTES_MAX,
    SALE_PROOFS_MAX,
    ConcludeSale,
    SalePart,
)
from wattbay.core.terms import OrderTerms, TimeInForce
from wattbay.ids import OrderId, PartyId, TradeId
from wattbay.periods import Instant, to_text

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
    """A taking of an offer that nothing speaks against, if its party can pay for it."""

    product: Product
    delivery: Instant
    offer: Order
    facts: PodFacts
    """Of the pod that takes it."""
    quantity_wh: int
    side: Side
    """Of who takes it."""
    buy_price: int
    sell_price: int
    hold_nano: int = 0
    """Of who takes it: its worst case."""

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
    deal = _deal(registry, product, delivery, book, offer, facts, command.quantity_wh)
    if not isinstance(deal, _Deal):
        return deal
    left = available(registry, ledger, facts.party)
    if deal.hold_nano > max(0, left):
        return refuse(Reason.NO_COLLATERAL, f"needs {deal.hold_nano}, available {left} nano")
    return _taken(registry, deal, OrderId(market.next_order), TradeId(market.next_trade))


def _deal(
    registry: Registry,
    product: Product,
    delivery: Instant,
    book: Book,
    offer: Order,
    taker: PodFacts,
    quantity_wh: int,
) -> _Deal | list[e.Event]:
    """Return what is known of a taking, or the refusal of one that may not be."""
    fault = (
        _not_for(registry, offer, taker, delivery)
        or _bad_size(product, offer, quantity_wh)
        or orders.position_fault(
            product, book.stakes.get(taker.pod), _other(offer.side), quantity_wh
        )
    )
    if fault is not None:
        return fault
    limit = 0 if offer.limit is None else offer.limit  # An offer always names its price.
    fee = product.network_fee
    prices = (limit + fee, limit) if offer.side is Side.SELL else (limit, limit - fee)
    deal = _Deal(product, delivery, offer, taker, quantity_wh, _other(offer.side), *prices)
    tariff = tariff_at(registry, taker, delivery)
    at_risk = orders.worst_case(product, tariff, deal.side, quantity_wh, deal.price)
    return deal._replace(hold_nano=at_risk)


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


def _taken(registry: Registry, deal: _Deal, number: OrderId, trade: TradeId) -> list[e.Event]:
    """Return the events of an offer that is taken: the order that takes it, and the trade."""
    product, offer, delivery = deal.product, deal.offer, deal.delivery
    quantity_wh, at_risk = deal.quantity_wh, deal.hold_nano
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
        trade=trade,
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


# --- sales that were agreed elsewhere --------------------------------------------------------


class _Met(NamedTuple):
    """A part of a sale that nothing speaks against, if both parties can pay for it."""

    placed: e.OrderPlaced
    """The offer of the seller."""
    seller: PartyId
    deal: _Deal
    """Of the buyer, who takes it whole."""


def conclude(
    registry: Registry, market: Market, ledger: Ledger, command: ConcludeSale, at: Instant
) -> list[e.Event]:
    """Let a sale be so that was agreed elsewhere: all its parts; or none, and say why not."""
    fault = _bad_sale(registry, command)
    if fault is not None:
        return fault
    decided: list[e.Event] = []
    left: dict[PartyId, int] = {}
    for place, part in enumerate(command.parts):
        met = _met(registry, market, command, place, at)
        if isinstance(met, _Met):
            met = _paid(registry, ledger, left, met)
        if not isinstance(met, _Met):
            return _of(_name(place, part), met)
        number, trade = OrderId(met.placed.order + 1), TradeId(market.next_trade + place)
        decided += [met.placed, *_taken(registry, met.deal, number, trade)]
    return decided


def _bad_sale(registry: Registry, command: ConcludeSale) -> list[e.Event] | None:
    """Refuse a sale of another market, or one that is of no good form."""
    product, parts, proof = registry.products.get(command.product), command.parts, command.proof
    if product is None:
        return refuse(Reason.UNKNOWN_PRODUCT, f"product {command.product}")
    if product.mechanism is not Mechanism.BILATERAL:
        return refuse(Reason.NOT_ALLOWED, "sales are concluded in bilateral products alone")
    if not parts:
        return refuse(Reason.BAD_VALUE, "a sale has at least one part")
    if len(parts) > SALE_PARTS_MAX:
        return refuse(Reason.TOO_MANY, f"{SALE_PARTS_MAX} parts of a sale are the most")
    if len(proof) > SALE_PROOFS_MAX:
        return refuse(Reason.TOO_MANY, f"{SALE_PROOFS_MAX} messages of a proof are the most")
    if any(len(message) > SALE_PROOF_BYTES_MAX for message in proof):
        return refuse(
            Reason.BAD_VALUE, f"a message of a proof has at most {SALE_PROOF_BYTES_MAX} bytes"
        )
    for place, (before, part) in enumerate(pairwise(parts), start=1):
        if part.delivery <= before.delivery:
            detail = f"{_name(place, part)}: each is of a later delivery than the one before"
            return refuse(Reason.BAD_VALUE, detail)
    return None


def _met(
    registry: Registry, market: Market, command: ConcludeSale, place: int, at: Instant
) -> _Met | list[e.Event]:
    """Return what is known of a part that may be, or the refusal of one that may not."""
    part = command.parts[place]
    order = c.PlaceOrder(
        pod=command.seller,
        product=command.product,
        delivery=part.delivery,
        side=Side.SELL,
        quantity_wh=part.quantity_wh,
        limit=command.price,
    )
    entrant = orders.entrant_of(registry, market, order, at)
    if not isinstance(entrant, Entrant):
        return entrant
    buyer = facts_at(registry, command.buyer, part.delivery)
    if buyer is None:
        return refuse(Reason.UNKNOWN_POD, f"pod {command.buyer} at that delivery")
    seller = entrant.facts.party
    if buyer.party == seller:
        return refuse(Reason.NOT_ALLOWED, "seller and buyer are of one party")
    # Each part before took two numbers: of the offer, and of the order that takes it.
    placed = orders.standing(OrderId(market.next_order + 2 * place), entrant)
    offer = orders.order_of(placed, account(command.seller, seller))
    product, book = entrant.product, entrant.book
    deal = _deal(registry, product, part.delivery, book, offer, buyer, part.quantity_wh)
    return _Met(placed, seller, deal) if isinstance(deal, _Deal) else _of("the buyer", deal)


def _paid(
    registry: Registry, ledger: Ledger, left: dict[PartyId, int], met: _Met
) -> _Met | list[e.Event]:
    """Return a part that both parties can pay for, or refuse it.

    What it takes is not left for the parts to come; what it brings in does not count. Neither
    party is told how much the other has.
    """
    seller, buyer = met.placed.hold_nano, met.deal.hold_nano
    for who, party, at_risk in (
        ("seller", met.seller, seller),
        ("buyer", met.deal.facts.party, buyer),
    ):
        if party not in left:
            left[party] = max(0, available(registry, ledger, party))
        if at_risk > left[party]:
            detail = f"the {who} needs {at_risk} nano, and has less left of what is available"
            return refuse(Reason.NO_COLLATERAL, detail)
        left[party] -= at_risk
    return met


def _name(place: int, part: SalePart) -> str:
    return f"part {place + 1}, {to_text(part.delivery)}"


def _of(what: str, fault: list[e.Event]) -> list[e.Event]:
    """Return a refusal that says what it is of."""
    return [
        structs.replace(one, detail=f"{what}: {one.detail}")
        for one in fault
        if isinstance(one, e.Rejected)
    ]
