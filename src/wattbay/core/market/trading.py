"""Continuous trading of a delivery: what an order, a change or an opening comes to.

The order book decides which orders trade, how much and at which price. Here its answers become
events: who that was, what they pay, and what is held for it from now on.

A trade's price is what the seller gets: the limit of the order that rested, or that limit less the
network fee where it is a buy order. The buyer pays the fee between the two on top.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from msgspec import structs

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.facts import PodFacts, Product, Side
from wattbay.core.ledger import Ledger, available
from wattbay.core.market.codes import ENTERED
from wattbay.core.market.columns import Column
from wattbay.core.market.orders import (
    Book,
    Change,
    Entrant,
    Market,
    Order,
    released_nano,
    short_price,
)
from wattbay.core.market.packed import unpack
from wattbay.core.market.steps import (
    Amend,
    Cancelled,
    Entered,
    Moved,
    New,
    Outcome,
    Reduced,
    Refused,
    Release,
    Released,
    Trade,
)
from wattbay.core.market.venue import (
    VENUE_POOLS_MAX,
    Venue,
    is_full,
    kept_terms,
    key_of,
    network_fee,
    numbers_of,
    open_pool,
    plan_plain,
    terms_of,
)
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, facts_then, refuse, tariff_at
from wattbay.core.terms import Ended
from wattbay.errors import InvariantBroken
from wattbay.ids import OrderId, TradeId
from wattbay.periods import Instant

ENTERED_WIDTH = 8
"""Of the row of an order that came in and says nothing besides."""
_RESTS = 6
"""Where that row says what of it rests."""

_REMEDIES: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.HALTED: "trading is halted: orders can be withdrawn or made smaller",
        Reason.BAD_CONDITION: "before the opening orders rest: no order that acts at once",
    }
)


def venue_of(book: Book) -> Venue:
    """Return where a delivery is traded continuously.

    Raises
    ------
    InvariantBroken
        If its product is traded otherwise.
    """
    if book.venue is None:
        raise InvariantBroken("a continuous product has a venue for each delivery")
    return book.venue


# --- orders come in --------------------------------------------------------------------------


def place(registry: Registry, market: Market, entrant: Entrant) -> list[e.Event]:
    """Let an order into its book."""
    command, number = entrant.command, OrderId(market.next_order)
    rows: Column | None = None
    if command.terms is None and command.limit is not None:
        rows = plan_plain(
            venue_of(entrant.book),
            entrant.facts,
            number,
            command.side,
            command.limit,
            command.quantity_wh,
        )
        if rows is not None and len(rows) == ENTERED_WIDTH and rows[0] == ENTERED:
            # It comes in and meets nobody, as most do: nothing but that is to tell.
            return [_placed(entrant, number, rows[_RESTS], waits=False)]
    order = _order_of(number, entrant)
    if rows is None:
        outcomes = enter(entrant.book, entrant.product, entrant.facts, order)
    else:
        outcomes = unpack(rows)
    if not outcomes or isinstance(outcomes[0], Refused):
        return _refused(outcomes)
    telling = Telling(registry, market, entrant.product, command.delivery, order)
    return [_came_in(entrant, number, outcomes[0]), *telling.tell(outcomes)]


def place_basket(
    registry: Registry, market: Market, ledger: Ledger, entrants: list[Entrant]
) -> list[e.Event]:
    """Let the orders of a basket trade whole at once, each in its book, or none of them."""
    party = entrants[0].facts.party
    at_risk = sum(entrant.hold_nano for entrant in entrants)
    left = available(registry, ledger, party)
    if at_risk > max(0, left):
        return refuse(Reason.NO_COLLATERAL, f"needs {at_risk}, available {left} nano")
    placed: list[e.Event] = []
    told: list[e.Event] = []
    failed: list[bool] = []
    first_trade = market.next_trade
    for number, entrant in enumerate(entrants, market.next_order):
        order = _order_of(OrderId(number), entrant)
        outcomes = enter(entrant.book, entrant.product, entrant.facts, order)
        if not outcomes or isinstance(outcomes[0], Refused):
            return _refused(outcomes)
        telling = Telling(registry, market, entrant.product, entrant.command.delivery, order)
        telling.next_trade = first_trade
        told += telling.tell(outcomes)
        first_trade = telling.next_trade
        placed.append(_came_in(entrant, order.order, outcomes[0]))
        failed.append(telling.left[order.order] > 0 or _is_cut(outcomes))
    if not any(failed):
        return placed + told
    return placed + [
        e.OrderCancelled(
            order=OrderId(number),
            product=entrant.product.product,
            delivery=entrant.command.delivery,
            reason=Ended.FOK if has_failed else Ended.BASKET,
            quantity_wh=entrant.command.quantity_wh,
        )
        for number, (entrant, has_failed) in enumerate(
            zip(entrants, failed, strict=True), market.next_order
        )
    ]


def _is_cut(outcomes: list[Outcome]) -> bool:
    """Tell whether an order that came in did not trade whole."""
    first = outcomes[0]
    number = first.order if isinstance(first, Entered) else 0
    return any(isinstance(one, Cancelled) and one.order == number for one in outcomes)


def _order_of(number: OrderId, entrant: Entrant) -> Order:
    command = entrant.command
    return Order(
        number,
        command.pod,
        command.side,
        command.quantity_wh,
        command.limit,
        entrant.hold_nano,
        "",
        0,
        kept_terms(command.limit, command.terms),
    )


def enter(book: Book, product: Product, facts: PodFacts, order: Order) -> list[Outcome]:
    """Return what comes of an order that comes into the book; nothing where it has no room."""
    venue = venue_of(book)
    numbers = numbers_of(venue, facts, order.side, order.terms)
    kernel = venue.book
    if not numbers.pool:
        key = key_of(order.side, facts.zone, order.terms)
        if is_full(venue, key):
            return []
        kernel = kernel.copy()
        numbers = numbers._replace(pool=open_pool(kernel, venue.pools, key, product))
    return kernel.plan(
        New(
            order.order,
            numbers.party,
            numbers.pool,
            order.limit,
            order.quantity_wh,
            terms_of(order.terms, numbers.partner),
        )
    )


def _refused(outcomes: list[Outcome]) -> list[e.Event]:
    """Return the refusal of an order that the book does not take, or has no room for."""
    if not outcomes or not isinstance(outcomes[0], Refused):
        most = f"{VENUE_POOLS_MAX} kinds of origin, zone and place are the most of a delivery"
        return refuse(Reason.TOO_MANY, most)
    reason = Reason(outcomes[0].reason.value)
    return refuse(reason, _REMEDIES.get(reason, "the book does not take this"))


def _came_in(entrant: Entrant, number: OrderId, entered: Outcome) -> e.OrderPlaced:
    """Return the event of an order that came in."""
    if not isinstance(entered, Entered):
        raise InvariantBroken("an order that is not refused comes in")
    return _placed(entrant, number, entered.rests, waits=entered.waits)


def _placed(entrant: Entrant, number: OrderId, rests: int, *, waits: bool) -> e.OrderPlaced:
    """Return the event of an order that came in, of which so much rests."""
    command = entrant.command
    return e.OrderPlaced(
        order=number,
        pod=command.pod,
        product=command.product,
        delivery=command.delivery,
        side=command.side,
        quantity_wh=command.quantity_wh,
        limit=command.limit,
        hold_nano=entrant.hold_nano,
        terms=command.terms,
        rests_wh=rests,
        waits=waits,
    )


# --- orders that stand -----------------------------------------------------------------------


def amend(registry: Registry, market: Market, change: Change) -> list[e.Event]:
    """Change an order in its book; where that makes it cross, it trades."""
    command, order = change.command, change.order
    if (command.limit is None) != (order.limit is None):
        return refuse(Reason.BAD_CONDITION, "an order keeps its kind: with a limit, or without")
    step = Amend(order.order, 0, command.limit, command.quantity_wh)
    outcomes = venue_of(change.book).book.plan(step)
    first = outcomes[0]
    if isinstance(first, Refused):
        return _refused(outcomes)
    name, delivery = change.product.product, change.delivery
    if isinstance(first, Cancelled):
        return [
            e.OrderCancelled(
                order=order.order, product=name, delivery=delivery, quantity_wh=first.quantity
            )
        ]
    rests = first.rests if isinstance(first, Moved) else command.quantity_wh - order.filled_wh
    amended = e.OrderAmended(
        order=order.order,
        product=name,
        delivery=delivery,
        quantity_wh=command.quantity_wh,
        limit=command.limit,
        hold_nano=change.hold_nano,
        keeps_place=isinstance(first, Reduced),
        rests_wh=rests,
    )
    will_be = structs.replace(
        order, quantity_wh=command.quantity_wh, limit=command.limit, hold_nano=change.hold_nano
    )
    telling = Telling(registry, market, change.product, delivery, will_be)
    return [amended, *telling.tell(outcomes)]


def release(registry: Registry, market: Market, command: c.ReleaseOrder) -> list[e.Event]:
    """Let the stop order act that the last price reached first."""
    book = market.books[command.product][command.delivery]
    venue = venue_of(book)
    if venue.book.released() != command.order:
        return refuse(Reason.NOT_DUE, "a stop acts when the last price reaches it")
    return _act(registry, market, command, book, venue.book.plan(Release(command.order)))


def begin(registry: Registry, market: Market, command: c.ReleaseOrder) -> list[e.Event]:
    """Let an order into its book that stood by until now.

    Where the book does not take it (it has no room for its origin, for one) it is cancelled.
    """
    product = registry.products[command.product]
    book = market.books[command.product][command.delivery]
    order = book.orders[command.order]
    facts = facts_then(registry, order.pod, command.delivery)
    outcomes = enter(book, product, facts, _whole(order))
    return _act(registry, market, command, book, outcomes)


def _whole(order: Order) -> Order:
    """Return an order as if what is open of it were all of it."""
    left, terms = order.open_wh, order.terms
    if terms is not None and terms.min_quantity_wh:
        least = 0 if order.filled_wh else min(terms.min_quantity_wh, left)
        terms = structs.replace(terms, min_quantity_wh=least)
    terms = kept_terms(order.limit, terms)
    return structs.replace(order, quantity_wh=left, filled_wh=0, terms=terms)


def _act(
    registry: Registry,
    market: Market,
    command: c.ReleaseOrder,
    book: Book,
    outcomes: list[Outcome],
) -> list[e.Event]:
    """Tell what comes of an order that acts after it waited."""
    first = outcomes[0] if outcomes else None
    order = book.orders[command.order]
    if first is None or isinstance(first, Refused):
        return [
            e.OrderCancelled(
                order=command.order,
                product=command.product,
                delivery=command.delivery,
                reason=Ended.NO_LIQUIDITY,
                quantity_wh=order.open_wh,
            )
        ]
    if not isinstance(first, Released | Entered):
        raise InvariantBroken("an order that acts comes into the book")
    product = registry.products[command.product]
    telling = Telling(registry, market, product, command.delivery, order)
    released = e.OrderReleased(
        order=command.order,
        product=command.product,
        delivery=command.delivery,
        rests_wh=first.rests,
    )
    return [released, *telling.tell(outcomes)]


def is_stop(market: Market, command: c.ReleaseOrder) -> bool:
    """Tell whether an order waits in its book: for the last price, and nothing else."""
    book = market.books.get(command.product, {}).get(command.delivery)
    venue = None if book is None else book.venue
    return venue is not None and venue.book.is_known(command.order)


# --- from outcomes to events -----------------------------------------------------------------


class Telling:
    """Tells in events what came of an order that acts."""

    def __init__(
        self, registry: Registry, market: Market, product: Product, delivery: Instant, taker: Order
    ) -> None:
        """Begin with the order as it is before it trades."""
        self.next_trade = market.next_trade
        self.left = {int(taker.order): taker.open_wh}
        """What is open, by order."""
        self._registry = registry
        self._product = product
        self._delivery = delivery
        self._taker = taker
        self._standing = market.books[product.product][delivery].orders

    def tell(self, outcomes: Iterable[Outcome]) -> list[e.Event]:
        """Return the events of trades and cancellations, in order."""
        told: list[e.Event] = []
        for outcome in outcomes:
            if isinstance(outcome, Trade):
                told.append(self._traded(outcome))
            elif isinstance(outcome, Cancelled):
                told.append(self._cancelled(outcome))
        return told

    def _traded(self, trade: Trade) -> e.Traded:
        maker, taker, quantity = self._order(trade.maker), self._taker, trade.quantity
        buy, sell = (taker, maker) if taker.side is Side.BUY else (maker, taker)
        registry, product, delivery = self._registry, self._product, self._delivery
        seller = facts_then(registry, sell.pod, delivery)
        fee = product.network_fee
        if product.network_fees:
            zone = facts_then(registry, buy.pod, delivery).zone
            fee = network_fee(product, seller.zone, zone) or 0
        # The seller has the money of the sale; what it may lose is buying the energy back.
        risk = short_price(product, tariff_at(registry, seller, delivery))
        number = self.next_trade
        self.next_trade += 1
        self.left[taker.order] -= quantity
        self.left[maker.order] -= quantity
        return e.Traded(
            trade=TradeId(number),
            product=product.product,
            delivery=delivery,
            buyer=buy.pod,
            seller=sell.pod,
            buy_order=buy.order,
            sell_order=sell.order,
            quantity_wh=quantity,
            buy_price=trade.price + fee,
            sell_price=trade.price,
            hold_nano=quantity * max(0, risk),
            maker=maker.order,
            buy_release_nano=released_nano(buy, quantity),
            sell_release_nano=released_nano(sell, quantity),
        )

    def _cancelled(self, cancelled: Cancelled) -> e.OrderCancelled:
        order = self._order(cancelled.order)
        self.left[order.order] -= cancelled.quantity
        return e.OrderCancelled(
            order=order.order,
            product=self._product.product,
            delivery=self._delivery,
            reason=cancelled.reason,
            quantity_wh=cancelled.quantity,
            is_over=self.left[order.order] == 0,
        )

    def _order(self, number: int) -> Order:
        if number == self._taker.order:
            return self._taker
        order = self._standing[OrderId(number)]
        self.left.setdefault(number, order.open_wh)
        return order
