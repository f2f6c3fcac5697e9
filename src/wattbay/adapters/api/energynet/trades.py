"""EnergyNet's trades: an offer is an order here, and a trade ends in receipts as every one does."""

from __future__ import annotations

from itertools import islice

from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer, read
from wattbay.adapters.api.callers import node_of
from wattbay.adapters.api.energynet import examples
from wattbay.adapters.api.energynet.amounts import energy_inward_wh, limit_inward_nano_per_wh
from wattbay.adapters.api.energynet.models import (
    Available,
    ExecutionWanted,
    OfferWanted,
    OpenGate,
    TradesTold,
    TradeTold,
)
from wattbay.adapters.api.energynet.offers import (
    AUCTIONS,
    Gate,
    Taken,
    gate_for_auction,
    gate_for_offer,
    gates,
    offer_of,
    takeable,
)
from wattbay.adapters.api.energynet.own import (
    Reader,
    Span,
    Trader,
    done,
    pod_for,
    pods_of,
    wrong,
)
from wattbay.adapters.api.energynet.told import (
    available_told,
    metrics_of,
    offer_told,
    order_row_told,
    placed_at,
    taken_told,
    trade_row_told,
)
from wattbay.adapters.api.forms import DeliveryQuery, PodQuery, ProductQuery, maybe_instant
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.pages import (
    LIMIT_USUAL,
    Cursor,
    Limit,
    cursor_of,
    next_path,
    read_cursor,
)
from wattbay.adapters.api.problems import Problem, forbidden, not_found
from wattbay.adapters.api.repeats import journaled
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.sight import pods_of as ever_of
from wattbay.core.commands import PlaceOrder, TakeOffer
from wattbay.core.facts import Mechanism, Side
from wattbay.core.registry import facts_at
from wattbay.core.terms import OrderTerms, TimeInForce
from wattbay.ids import OrderId, PartyId, PodId, ProductId, RequestId
from wattbay.periods import SECOND, Instant, to_text
from wattbay.views.history import Answered, Want

section = Section(
    "EnergyNet: trades",
    "Offers and trades by EnergyNet's trade model: amounts in kWh, prices in currency per kWh.",
)

OFFERS_MAX = 500
AUCTIONS_SHOWN_MAX = 48


# --- offer -----------------------------------------------------------------------------------


@section.post(
    "/trades/offer",
    needs=(Permission.TRADE_OWN,),
    body=OfferWanted,
    sends=examples.OFFER,
    answer=TradeTold,
    gives=examples.OFFERED,
    status=201,
    refuses=(404, 409),
    is_repeatable=True,
)
async def offer_energy(request: Request, identity: Trader) -> Response:
    """Offer energy, or offer to buy some.

    The offer stands in a bilateral product until somebody takes it, wholly or in part; where the
    community has none, it is an order of the product whose gate closes next. Amount and price are
    rounded to the product's ticks, never to your disadvantage; `rounded` tells what was made of
    them.
    """
    wanted = await read(request, OfferWanted)

    async def act(key: RequestId | None) -> Response:
        node = node_of(request)
        if key is not None and (again := _earlier(node, identity, key)) is not None:
            return again
        return await _offer(node, identity, wanted, key)

    return await journaled(request, identity, act)


async def _offer(
    node: Node, identity: Identity, wanted: OfferWanted, key: RequestId | None
) -> Response:
    state, at = node.state(), node.clock.now()
    delivery = maybe_instant(wanted.delivery)
    product = None if wanted.product is None else ProductId(wanted.product)
    gate = gate_for_offer(state, at, product, delivery)
    if gate is None:
        raise _no_gate(product, delivery)
    pod = pod_for(state, identity, wanted.pod, gate.delivery)
    side, partner = _sides(node, wanted, pod, gate.delivery)
    command = PlaceOrder(
        pod=pod,
        product=gate.product.product,
        delivery=gate.delivery,
        side=side,
        quantity_wh=_energy(wanted.amount, gate),
        limit=limit_inward_nano_per_wh(wanted.price, side, gate.product.price_tick),
        request=key,
        terms=_terms(wanted.duration, partner, gate, at),
    )
    seq, events = await done(node, command)
    told = offer_told(node, command, gate, seq, events, (wanted.amount, wanted.price))
    return answer(told, 201, entry=seq)


def _no_gate(product: ProductId | None, delivery: Instant | None) -> Problem:
    """Return the problem of an offer that has nowhere to go."""
    which = "any product" if product is None else f"product {product}"
    when = "" if delivery is None else f" for the delivery at {to_text(delivery)}"
    detail = f"no gate of {which} is open now{when}: GET /api/v1/deliveries lists those that are"
    return Problem(409, "gate-closed", detail)


def _energy(amount_kwh: float, gate: Gate) -> int:
    """Return the whole ticks of an amount. [Wh]"""
    tick_wh = gate.product.energy_tick
    energy_wh = energy_inward_wh(amount_kwh, tick_wh)
    if energy_wh == 0:
        raise wrong("/amount", f"less than the smallest quantity of {tick_wh} Wh")
    return energy_wh


def _sides(
    node: Node, wanted: OfferWanted, pod: PodId, delivery: Instant
) -> tuple[Side, PartyId | None]:
    """Return which side is meant, and the one party that may take the offer, if one is named."""
    facts = facts_at(node.state().registry, pod, delivery)
    own = None if facts is None else facts.party
    is_selling = wanted.is_selling
    if is_selling is None:
        is_selling = not (wanted.seller is None and wanted.buyer == own)
    mine, other = ("seller", "buyer") if is_selling else ("buyer", "seller")
    named = getattr(wanted, mine)
    if named is not None and named != own:
        raise forbidden(f"the {mine} is whoever owns the pod: leave it out, or name your own party")
    partner = getattr(wanted, other)
    return (
        Side.SELL if is_selling else Side.BUY,
        None if partner is None else PartyId(partner),
    )


def _terms(
    duration_s: int | None, partner: PartyId | None, gate: Gate, at: Instant
) -> OrderTerms | None:
    """Return what an offer says besides; None for nothing."""
    expires = None if duration_s is None else Instant(at + duration_s * SECOND)
    if expires is not None and expires >= gate.closes:
        expires = None  # Its gate ends it before.
    if expires is None and partner is None:
        return None
    in_force = TimeInForce.GTC if expires is None else TimeInForce.GTD
    return OrderTerms(time_in_force=in_force, expires=expires, partner=partner)


# --- available -------------------------------------------------------------------------------


@section.get(
    "/trades/available",
    needs=(Permission.TRADE_OWN,),
    answer=Available,
    gives=examples.AVAILABLE,
    refuses=(404,),
)
async def available_offers(
    request: Request,
    identity: Trader,
    pod: PodQuery = None,
    product: ProductQuery = None,
    delivery: DeliveryQuery = None,
) -> Response:
    """Tell which offers a pod can take now.

    With `price` as who takes them pays or gets it, network fee included. Parties are named if they
    consent to it. Orders of auctions are nobody's to see before their gate closes: `auctions` tells
    for which of them an order can be placed now.
    """
    node = node_of(request)
    state, at = node.state(), node.clock.now()
    taker = pod_for(state, identity, pod, at)
    only = None if product is None else ProductId(product)
    start = maybe_instant(delivery)
    found = list(islice(takeable(state, taker, at, only, start), OFFERS_MAX + 1))
    shown = found[:OFFERS_MAX]
    metrics, placed = metrics_of(node, taker, with_zone=True), placed_at(node, shown)
    auctions = [
        OpenGate(
            product=one.product.product,
            delivery=to_text(one.delivery),
            gate_closes=to_text(one.closes),
        )
        for one in gates(state, at, only, start)
        if one.product.mechanism in AUCTIONS
    ]
    told = Available(
        offers=tuple(available_told(node, identity, one, metrics, placed) for one in shown),
        auctions=tuple(auctions[:AUCTIONS_SHOWN_MAX]),
        is_complete=len(found) <= OFFERS_MAX and len(auctions) <= AUCTIONS_SHOWN_MAX,
    )
    return answer(told)


# --- execute ---------------------------------------------------------------------------------


@section.put(
    "/trades/execute",
    needs=(Permission.TRADE_OWN,),
    body=ExecutionWanted,
    sends=examples.EXECUTION,
    answer=TradeTold,
    gives=examples.EXECUTED,
    refuses=(404, 409),
    is_repeatable=True,
)
async def execute_trade(request: Request, identity: Trader) -> Response:
    """Take an offer, wholly or in part; or place an order that crosses in the next auction.

    Of a bilateral offer a trade comes at once. In an order book the order that is placed meets
    whoever is best, at the offer's price or better, and what does not trade is cancelled. Where no
    offer is named, the order goes to an auction, and whether it trades is known when its gate has
    closed: `executes` says which of these it was.
    """
    wanted = await read(request, ExecutionWanted)
    number = _number_of(wanted)

    async def act(key: RequestId | None) -> Response:
        node = node_of(request)
        if key is not None and (again := _earlier(node, identity, key)) is not None:
            return again
        if number is None:
            return await _cross(node, identity, wanted, key)
        return await _take(node, identity, number, wanted, key)

    return await journaled(request, identity, act)


def _number_of(wanted: ExecutionWanted) -> OrderId | None:
    """Return the number of the offer that is named; None where none is."""
    kind, _, number = (wanted.trade_id or "").partition("-")
    if kind == "trade":
        raise Problem(409, "executed", f"{wanted.trade_id} is a trade already: it was executed")
    if not number:
        return None if wanted.offer_id is None else OrderId(wanted.offer_id)
    if wanted.offer_id not in {None, int(number)}:
        raise wrong("/offerId", f"tradeId names offer {number}")
    return OrderId(int(number))


async def _take(
    node: Node,
    identity: Identity,
    number: OrderId,
    wanted: ExecutionWanted,
    key: RequestId | None,
) -> Response:
    """Take an offer."""
    said = {
        "product": wanted.product,
        "delivery": wanted.delivery,
        "isSelling": wanted.is_selling,
        "price": wanted.price,
    }
    for name, value in said.items():
        if value is not None:
            raise wrong(f"/{name}", "the offer says that; leave it out where an offer is named")
    state, at = node.state(), node.clock.now()
    place = state.market.places.get(number)
    if place is None:
        raise not_found("offer")
    pod = pod_for(state, identity, wanted.pod, place[1])
    offer = offer_of(state, pod, at, number)
    if offer is None:
        raise _not_to_be_taken(node, identity, number)
    energy_wh = offer.open_wh if wanted.amount is None else _energy(wanted.amount, offer.gate)
    command = _taking(offer, pod, energy_wh, key)
    seq, events = await done(node, command)
    told = taken_told(node, identity, pod, offer.gate, seq, events, (wanted.amount, None))
    return answer(told, entry=seq)


def _not_to_be_taken(node: Node, identity: Identity, number: OrderId) -> Problem:
    """Return the problem of an offer that cannot be taken: one's own, or not there to be seen."""
    state = node.state()
    product, delivery = state.market.places[number]
    order = state.market.books[product][delivery].orders[number]
    facts = facts_at(state.registry, order.pod, delivery)
    if facts is not None and identity.owns(facts.party):
        return Problem(409, "own-offer", "nobody takes its own offer: withdraw it instead")
    return not_found("offer")


def _taking(
    offer: Taken, pod: PodId, energy_wh: int, key: RequestId | None
) -> TakeOffer | PlaceOrder:
    """Return the command by which an offer is taken."""
    if offer.gate.product.mechanism is Mechanism.BILATERAL:
        return TakeOffer(order=offer.order.order, pod=pod, quantity_wh=energy_wh, request=key)
    return PlaceOrder(
        pod=pod,
        product=offer.gate.product.product,
        delivery=offer.gate.delivery,
        side=offer.side,
        quantity_wh=energy_wh,
        limit=offer.price,
        request=key,
        terms=OrderTerms(time_in_force=TimeInForce.IOC),
    )


async def _cross(
    node: Node, identity: Identity, wanted: ExecutionWanted, key: RequestId | None
) -> Response:
    """Place an order in the auction that is meant."""
    if wanted.amount is None:
        raise wrong("/amount", "name an offer by tradeId, or an amount for the next auction")
    state, at = node.state(), node.clock.now()
    delivery = maybe_instant(wanted.delivery)
    product = None if wanted.product is None else ProductId(wanted.product)
    gate = gate_for_auction(state, at, product, delivery)
    if gate is None:
        raise _no_auction(node, product, delivery)
    side = Side.SELL if wanted.is_selling else Side.BUY
    price, tick = wanted.price, gate.product.price_tick
    command = PlaceOrder(
        pod=pod_for(state, identity, wanted.pod, gate.delivery),
        product=gate.product.product,
        delivery=gate.delivery,
        side=side,
        quantity_wh=_energy(wanted.amount, gate),
        limit=None if price is None else limit_inward_nano_per_wh(price, side, tick),
        request=key,
    )
    seq, events = await done(node, command)
    told = offer_told(node, command, gate, seq, events, (wanted.amount, price))
    return answer(told, entry=seq)


def _no_auction(node: Node, product: ProductId | None, delivery: Instant | None) -> Problem:
    """Return the problem of an execution that names no offer where there is no auction."""
    known = None if product is None else node.state().registry.products.get(product)
    if known is not None and known.mechanism not in AUCTIONS:
        detail = f"{product} has no auction: name the offer to take by tradeId"
        return Problem(409, "no-auction", detail)
    return _no_gate(product, delivery)


def _earlier(node: Node, identity: Identity, key: RequestId) -> Response | None:
    """Return how an order stands that was placed with the same request before a restart."""
    state = node.state()
    own = pods_of(state, identity, node.clock.now())
    want = Want("orders", {"request": str(key)}, frozenset(own), limit=100, newest_first=False)
    for row in node.history.find(want).rows:
        start = Instant(int(row["delivery_start"] or 0))
        facts = facts_at(state.registry, PodId(str(row["pod"])), start)
        # Who had the pod before may have used the same request.
        if facts is not None and identity.owns(facts.party):
            told = order_row_told(node, row)
            return answer(told, entry=told.entry)
    return None


# --- history ---------------------------------------------------------------------------------


@section.get(
    "/trades/history",
    needs=(Permission.READ_OWN,),
    answer=TradesTold,
    gives=examples.TRADES,
    refuses=(404,),
)
async def trade_history(
    request: Request,
    identity: Reader,
    pod: PodQuery = None,
    product: ProductQuery = None,
    *,
    span: Span,
    limit: Limit = LIMIT_USUAL,
    cursor: Cursor = None,
) -> Response:
    """Tell own trades and how they stand, newest first.

    A trade is `open` until its delivery is settled; `deliveredWh` tells then what of it was
    delivered. What it comes to in money stands on the receipts: `GET /api/v1/receipts`.
    """
    node = node_of(request)
    what = f"energynet-trades:{identity.login}:{pod}:{product}"
    own = _own_pods(node, identity, pod)
    begin = read_cursor(node, what, cursor)
    want = Want(
        "trades",
        {} if product is None else {"product": product},
        own,
        span.since,
        span.until,
        begin if isinstance(begin, int) else None,
        limit,
    )
    found = node.history.find(want)
    told = [
        trade_row_told(node, identity, row, side)
        for row in found.rows
        for side in _own_sides(node, identity, row, own)
    ]
    after = None if found.next is None else cursor_of(node, what, found.next)
    return answer(TradesTold(trades=tuple(told), next=next_path(request, after)))


def _own_pods(node: Node, identity: Identity, named: str | None) -> frozenset[str]:
    """Return the pods that are or were the caller's, or the one that is named."""
    own = frozenset[str](ever_of(node.state(), identity.parties))
    if named is None:
        return own
    if named not in own:
        raise not_found("pod")
    return frozenset({named})


def _own_sides(node: Node, identity: Identity, row: Answered, pods: frozenset[str]) -> list[Side]:
    """Return on which sides of a trade the caller is: by whose the pods were in its delivery."""
    sides = []
    for side, column in ((Side.BUY, "buyer_pod"), (Side.SELL, "seller_pod")):
        pod, delivery = row[column], row["delivery_start"]
        if not isinstance(pod, str) or not isinstance(delivery, int) or pod not in pods:
            continue
        facts = facts_at(node.state().registry, PodId(pod), Instant(delivery))
        if facts is not None and identity.owns(facts.party):
            sides.append(side)
    return sides
