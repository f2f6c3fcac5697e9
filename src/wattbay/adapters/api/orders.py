"""Orders: placed, changed, withdrawn, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple, TypeGuard

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer, read
from wattbay.adapters.api.callers import Who, caller, check, node_of
from wattbay.adapters.api.forms import (
    DeliveryQuery,
    Id,
    InstantText,
    Number,
    NumberPath,
    Positive,
    instant_of,
    maybe_instant,
)
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.problems import Problem, not_found, refused
from wattbay.adapters.api.repeats import journaled
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.sight import own_pod
from wattbay.adapters.api.terms import TermsTold, terms_of
from wattbay.core import events as e
from wattbay.core.commands import AmendOrder, CancelOrder, CancelOrders, PlaceOrder, TakeOffer
from wattbay.core.facts import Side
from wattbay.core.registry import facts_at
from wattbay.core.terms import OrderTerms
from wattbay.errors import InvariantBroken
from wattbay.ids import OrderId, PodId, ProductId, RequestId
from wattbay.kernel.kernel import Answer
from wattbay.periods import Instant, to_text

orders = Section(
    "orders",
    "Bid for energy or offer it, in deliveries whose gates are open. An order stands until it is"
    " filled, withdrawn or its gate closes; what it can cost at worst is held meanwhile.",
)


class NewOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order to be placed."""

    pod: Id
    """For whom."""
    product: Id
    delivery: InstantText
    """Start of the delivery."""
    side: Side
    """``buy`` bids, ``sell`` offers."""
    quantity_wh: Positive
    """A multiple of the product's energy tick."""
    limit_nano_per_wh: Number | None = None
    """The worst price it accepts, a multiple of the product's price tick; none: a market order."""
    terms: TermsTold | None = None
    """Whatever else it says."""


class ChangedOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an order is to be."""

    quantity_wh: Positive
    """All of it, with what is filled."""
    limit_nano_per_wh: Number | None = None


class Taking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is taken of an offer, and for whom."""

    pod: Id
    quantity_wh: Positive


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """A trade of an order."""

    trade: int
    delivery: str
    quantity_wh: int
    price_nano_per_wh: int
    """What the order's own side pays or gets."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an order at once. What comes later, `GET` tells."""

    entry: int
    """The entry of the journal in which it stands."""
    order: int
    state: str
    """``open``, ``waiting``, ``filled``, ``partly_filled`` or ``cancelled``."""
    reason: str
    """Why it is over, if it is."""
    filled_wh: int
    """At once."""
    hold_nano: int
    """What is left of it can cost so much at worst; held until it is over."""
    fills: tuple[Fill, ...]


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """Orders that were withdrawn."""

    entry: int
    orders: tuple[int, ...]


_SENT = NewOrder(
    pod="h01",
    product="halfhour",
    delivery="2026-05-01T12:00Z",
    side=Side.BUY,
    quantity_wh=250,
    limit_nano_per_wh=120_000,
)
_DONE = Outcome(
    entry=4711,
    order=17,
    state="open",
    reason="",
    filled_wh=0,
    hold_nano=30_000_000,
    fills=(),
)
A_FILL = Fill(trade=9, delivery="2026-05-01T12:00Z", quantity_wh=250, price_nano_per_wh=98_000)


@orders.post(
    "/orders",
    needs=(Permission.TRADE_OWN,),
    body=NewOrder,
    sends=_SENT,
    answer=Outcome,
    gives=_DONE,
    status=201,
    refuses=(404, 409),
    is_repeatable=True,
)
async def place_order(request: Request) -> Response:
    """Bid for energy or offer it.

    In an auction the order waits for the gate to close. In continuous trading it meets what rests,
    and what is left of it rests. A product's gates, ticks and limits are told by
    `GET /api/v1/products`; a refusal says what would be right.
    """
    who = check(request, caller(request), Permission.TRADE_OWN)
    told = await read(request, NewOrder)
    node = node_of(request)
    delivery = instant_of(told.delivery)
    pod = PodId(told.pod)
    own_pod(node, who, pod, delivery)
    terms = None if told.terms is None else _own_terms(node, who, pod, delivery, told.terms)

    async def act(key: RequestId | None) -> Response:
        command = PlaceOrder(
            pod=pod,
            product=ProductId(told.product),
            delivery=delivery,
            side=told.side,
            quantity_wh=told.quantity_wh,
            limit=told.limit_nano_per_wh,
            request=key,
            terms=terms,
        )
        return _outcome(await node.submit(command), 201)

    return await journaled(request, who, act)


def _own_terms(
    node: Node, who: Identity, pod: PodId, delivery: Instant, told: TermsTold
) -> OrderTerms:
    """Return the terms of an order, once the pod is its owner's in all deliveries of it."""
    terms = terms_of(told)
    isp_us = node.state().registry.isp_us
    for leg in terms.legs:
        own_pod(node, who, pod, leg.delivery)
    if terms.block is not None:
        for place in range(1, len(terms.block.profile)):
            own_pod(node, who, pod, Instant(delivery + place * isp_us))
    return terms


@orders.patch(
    "/orders/{order}",
    needs=(Permission.TRADE_OWN,),
    body=ChangedOrder,
    sends=ChangedOrder(quantity_wh=200, limit_nano_per_wh=118_000),
    answer=Outcome,
    gives=_DONE,
    refuses=(404, 409),
    is_repeatable=True,
)
async def amend_order(request: Request, who: Who, order: NumberPath) -> Response:
    """Change an open order.

    A larger quantity or another limit loses its place in time. Made no larger than what is filled,
    the order is over.
    """
    check(request, who, Permission.TRADE_OWN)
    told = await read(request, ChangedOrder)
    node = node_of(request)
    pod = _pod_of_order(node, who, OrderId(order))

    async def act(key: RequestId | None) -> Response:
        command = AmendOrder(
            order=OrderId(order),
            pod=pod,
            quantity_wh=told.quantity_wh,
            limit=told.limit_nano_per_wh,
            request=key,
        )
        return _outcome(await node.submit(command), 200)

    return await journaled(request, who, act)


@orders.delete(
    "/orders/{order}",
    needs=(Permission.TRADE_OWN,),
    answer=Withdrawn,
    gives=Withdrawn(entry=4712, orders=(17,)),
    refuses=(404, 409),
    is_repeatable=True,
)
async def cancel_order(request: Request, who: Who, order: NumberPath) -> Response:
    """Withdraw an open order, or what is open of it. What was traded stays."""
    check(request, who, Permission.TRADE_OWN)
    node = node_of(request)
    pod = _pod_of_order(node, who, OrderId(order))

    async def act(key: RequestId | None) -> Response:
        command = CancelOrder(order=OrderId(order), pod=pod, request=key)
        return _withdrawn(await node.submit(command))

    return await journaled(request, who, act)


@orders.delete(
    "/orders",
    needs=(Permission.TRADE_OWN,),
    answer=Withdrawn,
    gives=Withdrawn(entry=4713, orders=(17, 21)),
    refuses=(404, 409),
    is_repeatable=True,
)
async def cancel_orders(
    request: Request,
    who: Who,
    pod: Annotated[str, Query(pattern=r"^[A-Za-z0-9_\-]{1,64}$", description="Whose orders.")],
    product: Annotated[str, Query(pattern=r"^[A-Za-z0-9_\-]{1,64}$", description="Of which.")],
    delivery: DeliveryQuery = None,
) -> Response:
    """Withdraw all open orders of a pod, of one delivery or of all."""
    check(request, who, Permission.TRADE_OWN)
    node = node_of(request)
    own_pod(node, who, pod, maybe_instant(delivery) or node.clock.now())
    if delivery is None:
        _check_all_own(node, who, PodId(pod), ProductId(product))

    async def act(key: RequestId | None) -> Response:
        command = CancelOrders(
            pod=PodId(pod),
            product=ProductId(product),
            delivery=maybe_instant(delivery),
            request=key,
        )
        return _withdrawn(await node.submit(command))

    return await journaled(request, who, act)


def _check_all_own(node: Node, who: Identity, pod: PodId, product: ProductId) -> None:
    """Make sure that nobody withdraws the orders of whoever moves in next.

    Raises
    ------
    Problem
        If some of a pod's open orders are another's.
    """
    state = node.state()
    if state.registry.pods[pod][-1].since <= node.clock.now():
        return
    for delivery, book in state.market.books.get(product, {}).items():
        facts = facts_at(state.registry, pod, delivery)
        is_own = facts is not None and who.may_trade_for(facts.party)
        if not is_own and any(order.pod == pod for order in book.orders.values()):
            detail = f"not all orders of {pod} are yours from here on: name a delivery"
            raise Problem(409, "not-all-own", detail)


@orders.post(
    "/orders/{order}/take",
    needs=(Permission.TRADE_OWN,),
    body=Taking,
    sends=Taking(pod="h01", quantity_wh=100),
    answer=Outcome,
    gives=msgspec.structs.replace(_DONE, state="filled", filled_wh=250, fills=(A_FILL,)),
    status=201,
    refuses=(404, 409),
    is_repeatable=True,
)
async def take_offer(request: Request, who: Who, order: NumberPath) -> Response:
    """Take a bilateral offer, wholly or in part, at its price.

    Of products whose mechanism is `bilateral`: `GET /api/v1/book/{product}/{delivery}` names the
    offers that stand.
    """
    check(request, who, Permission.TRADE_OWN)
    told = await read(request, Taking)
    node = node_of(request)
    place = node.state().market.places.get(OrderId(order))
    own_pod(node, who, told.pod, node.clock.now() if place is None else place[1])

    async def act(key: RequestId | None) -> Response:
        command = TakeOffer(
            order=OrderId(order),
            pod=PodId(told.pod),
            quantity_wh=told.quantity_wh,
            request=key,
        )
        return _outcome(await node.submit(command), 201)

    return await journaled(request, who, act)


# --- what came of it -------------------------------------------------------------------------


def accepted(found: Answer) -> Answer:
    """Return an answer of the exchange that is no refusal.

    Raises
    ------
    Problem
        If it is one.
    """
    first = found.events[0]
    if type(first) is e.Rejected:
        raise refused(first, found.seq)
    return found


class _Subject(NamedTuple):
    """The order that an entry is about."""

    order: OrderId
    hold_nano: int
    """Before what its trades release."""
    is_full: bool
    """Whether nothing of it is left once its trades are done."""
    waits: bool


def _outcome(found: Answer, status: int) -> Response:
    """Return the answer of an order that was placed, changed or taken."""
    events = accepted(found).events
    subject = _subject(events)
    order = subject.order
    fills = [one for one in events if type(one) is e.Traded and order in _orders_of(one)]
    over = next((one for one in events if _ends(one, order)), None)
    state, reason = "waiting" if subject.waits else "open", ""
    if over is not None:
        state, reason = "partly_filled" if fills else "cancelled", over.reason.value
    elif subject.is_full:
        state = "filled"
    is_over = over is not None or subject.is_full
    released = sum(
        one.buy_release_nano if one.buy_order == order else one.sell_release_nano for one in fills
    )
    told = Outcome(
        entry=found.seq,
        order=order,
        state=state,
        reason=reason,
        filled_wh=sum(one.quantity_wh for one in fills),
        hold_nano=0 if is_over else subject.hold_nano - released,
        fills=tuple(_fill(one, is_buyer=one.buy_order == order) for one in fills),
    )
    return answer(told, status, entry=found.seq)


def _subject(events: Sequence[e.Event]) -> _Subject:
    """Return the order that an entry is about: its first event says which."""
    match events[0]:
        case e.OrderPlaced() as event:
            traded_wh = sum(
                one.quantity_wh
                for one in events
                if type(one) is e.Traded and event.order in _orders_of(one)
            )
            is_full = traded_wh >= event.quantity_wh
            return _Subject(event.order, event.hold_nano, is_full, event.waits)
        case e.OrderAmended() as event:
            return _Subject(event.order, event.hold_nano, event.rests_wh == 0, waits=False)
        case e.OrderCancelled() as event:
            return _Subject(event.order, 0, is_full=False, waits=False)
        case event:
            raise InvariantBroken(f"{type(event).__name__} is about an order")


def _ends(event: e.Event, order: OrderId) -> TypeGuard[e.OrderCancelled]:
    """Tell whether an event ends an order before it is filled."""
    return type(event) is e.OrderCancelled and event.order == order and event.is_over


def _orders_of(event: e.Traded) -> tuple[OrderId, OrderId]:
    return event.buy_order, event.sell_order


def _fill(event: e.Traded, *, is_buyer: bool) -> Fill:
    return Fill(
        trade=event.trade,
        delivery=to_text(event.delivery),
        quantity_wh=event.quantity_wh,
        price_nano_per_wh=event.buy_price if is_buyer else event.sell_price,
    )


def _withdrawn(found: Answer) -> Response:
    events = accepted(found).events
    gone = tuple(event.order for event in events if type(event) is e.OrderCancelled)
    return answer(Withdrawn(entry=found.seq, orders=gone), entry=found.seq)


def _pod_of_order(node: Node, who: Identity, order: OrderId) -> PodId:
    """Return the pod of an order that is the caller's own, open or over."""
    market = node.state().market
    place = market.places.get(order)
    if place is not None:
        pod, delivery = market.books[place[0]][place[1]].orders[order].pod, place[1]
    else:
        row = node.history.one("orders", order=order)
        if row is None:
            raise not_found(f"order {order}")
        pod, delivery = PodId(str(row["pod"])), Instant(int(row["delivery_start"] or 0))
    try:
        own_pod(node, who, pod, delivery)
    except Problem as problem:
        raise not_found(f"order {order}") from problem
    return pod
