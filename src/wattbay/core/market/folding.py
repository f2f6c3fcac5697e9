"""What events change in the books of a market; no rule is asked here.

Orders, holds and positions change and, where a product is traded continuously, the order book.
"""

from __future__ import annotations

from wattbay.core import events as e
from wattbay.core.facts import PodFacts, Product, Side
from wattbay.core.ledger import Ledger
from wattbay.core.market import orders
from wattbay.core.market.codes import BY_USER, CANCELLED, ENTERED, TRADE
from wattbay.core.market.columns import column_of
from wattbay.core.market.orders import Book, Market, Order
from wattbay.core.market.steps import (
    BUY,
    SELL,
    Cancelled,
    Crossed,
    Entered,
    Moved,
    Reduced,
    Released,
)
from wattbay.core.market.venue import Venue, admit, change_phase, kept_terms, terms_of
from wattbay.core.registry import Registry, facts_then
from wattbay.core.terms import Ended
from wattbay.ids import OrderId, ProductId
from wattbay.periods import Instant


def placed(registry: Registry, market: Market, ledger: Ledger, event: e.OrderPlaced) -> None:
    """Let an order stand, and come into its order book."""
    facts = orders.placed(registry, market, ledger, event)
    book = market.books[event.product][event.delivery]
    if book.venue is None:
        return
    order = book.orders[event.order]
    if not order.stands_by:
        product = registry.products[event.product]
        _enter(book.venue, product, facts, order, event.rests_wh or 0)


def _enter(venue: Venue, product: Product, facts: PodFacts, order: Order, rests_wh: int) -> None:
    """Let an order come into the order book."""
    limit, terms = order.limit, order.terms
    if terms is None and limit is not None:
        # What `admit` does, where party and pool are known: so with nearly all.
        party = venue.parties.get(facts.party, 0)
        sign = BUY if order.side is Side.BUY else SELL
        pool = venue.pools.get((sign, facts.zone, "", False), 0)
        if not party or not pool:
            party, _, pool = admit(venue, product, facts, order.side, None)
        row = (ENTERED, order.order, party, pool, limit, order.quantity_wh, rests_wh, 0)
        venue.book.fold_packed(column_of(row))
        return
    terms = kept_terms(limit, terms)
    party, partner, pool = admit(venue, product, facts, order.side, terms)
    waits = terms is not None and terms.stop is not None
    venue.has_stops = venue.has_stops or waits
    venue.book.fold(
        (
            Entered(
                order.order,
                party,
                pool,
                limit,
                order.quantity_wh,
                terms_of(terms, partner),
                rests_wh,
                waits,
            ),
        )
    )


def amended(market: Market, ledger: Ledger, event: e.OrderAmended) -> None:
    """Change an order; one that loses its place goes to the end."""
    orders.amended(market, ledger, event)
    venue = market.books[event.product][event.delivery].venue
    if venue is None or not venue.book.is_known(event.order):
        return
    if event.keeps_place:
        venue.book.fold((Reduced(event.order, event.quantity_wh),))
    else:
        rests = event.rests_wh or 0
        venue.book.fold((Moved(event.order, event.limit, event.quantity_wh, rests),))


def cancelled(market: Market, ledger: Ledger, event: e.OrderCancelled) -> None:
    """Let an order end, or be smaller by what was cancelled of it."""
    book = market.books[event.product][event.delivery]
    order = book.orders[event.order]
    part = order.open_wh if event.quantity_wh is None else event.quantity_wh
    if book.venue is not None and book.venue.book.is_known(event.order):
        if event.reason is Ended.USER:
            book.venue.book.fold_packed(column_of((CANCELLED, event.order, part, BY_USER)))
        else:
            book.venue.book.fold((Cancelled(event.order, part, event.reason),))
    if event.is_over:
        orders.gone(market, ledger, event.product, event.delivery, event.order)
        return
    left = order.hold_nano - orders.released_nano(order, part)
    orders.resize(book, ledger, order, order.quantity_wh - part, left)


def curtailed(market: Market, ledger: Ledger, event: e.OrderCurtailed) -> None:
    """Reduce an order in its place; to what is filled of it: it goes."""
    book = market.books[event.product][event.delivery]
    order = book.orders[event.order]
    if book.venue is not None and book.venue.book.is_known(event.order):
        if event.quantity_wh <= order.filled_wh:
            book.venue.book.fold((Cancelled(event.order, order.open_wh, Ended.USER),))
        else:
            book.venue.book.fold((Reduced(event.order, event.quantity_wh),))
    orders.curtailed(market, ledger, event)


def released(registry: Registry, market: Market, event: e.OrderReleased) -> None:
    """Let an order act in its order book that waited: there, or without the book knowing."""
    book = market.books[event.product][event.delivery]
    venue = book.venue
    if venue is None:
        return
    if venue.book.is_known(event.order):
        venue.book.fold((Released(event.order, event.rests_wh or 0),))
        _touch(market, event.product, event.delivery)
    else:
        order = book.orders[event.order]
        facts = facts_then(registry, order.pod, event.delivery)
        _enter(venue, registry.products[event.product], facts, order, event.rests_wh or 0)


def suspended(market: Market, event: e.OrderSuspended) -> None:
    """Let an order leave its order book without ending."""
    book = market.books[event.product][event.delivery]
    if book.venue is not None and book.venue.book.is_known(event.order):
        left = book.orders[event.order].open_wh
        book.venue.book.fold((Cancelled(event.order, left, Ended.USER),))


def traded(market: Market, ledger: Ledger, event: e.Traded) -> None:
    """Let the two orders of a trade be filled, where their book keeps them still."""
    book = market.books[event.product].get(event.delivery)
    if book is None:
        return
    book.volume_wh += event.quantity_wh
    book.value_nano += event.quantity_wh * event.sell_price
    if book.venue is not None:
        if event.maker is None:
            cross = Crossed(event.buy_order, event.sell_order, event.sell_price, event.quantity_wh)
            book.venue.book.fold((cross,))
        else:
            is_buy = event.maker == event.buy_order
            taker = event.sell_order if is_buy else event.buy_order
            row = (TRADE, event.maker, taker, event.sell_price, event.quantity_wh)
            book.venue.book.fold_packed(column_of(row))
        if book.venue.has_stops:
            _touch(market, event.product, event.delivery)
    _fill(market, ledger, book, event.buy_order, event, event.buy_release_nano)
    _fill(market, ledger, book, event.sell_order, event, event.sell_release_nano)


def _fill(
    market: Market,
    ledger: Ledger,
    book: Book,
    number: OrderId,
    event: e.Traded,
    release_nano: int,
) -> None:
    """Let an order be filled by a trade; one that is filled whole goes."""
    order = book.orders.get(number)
    if order is None:
        return
    orders.filled(book, ledger, order, event.quantity_wh, release_nano)
    if not order.open_wh:
        orders.gone(market, ledger, event.product, event.delivery, number)


def untraded(market: Market, trade: e.Traded) -> None:
    """Let a trade that the grid operator undid count no longer."""
    book = market.books[trade.product].get(trade.delivery)
    if book is None:
        return
    book.volume_wh -= trade.quantity_wh
    book.value_nano -= trade.quantity_wh * trade.sell_price
    book.stakes[trade.buyer].bought_wh -= trade.quantity_wh
    book.stakes[trade.seller].sold_wh -= trade.quantity_wh


def phase_changed(market: Market, event: e.PhaseChanged) -> None:
    """Let the trading of a delivery be in another phase."""
    venue = market.books[event.product][event.delivery].venue
    if venue is not None:
        change_phase(venue, event.phase)
        _touch(market, event.product, event.delivery)


def closed(market: Market, event: e.TradingClosed) -> None:
    """Let the books of a delivery go: nothing stands in them any more."""
    del market.books[event.product][event.delivery]
    market.reached.pop((event.product, event.delivery), None)


# --- stops -----------------------------------------------------------------------------------


def _touch(market: Market, product: ProductId, delivery: Instant) -> None:
    """Note that stops may have been reached."""
    market.reached[product, delivery] = None


def complete(market: Market) -> None:
    """Now that an entry is complete, keep those deliveries alone in which a stop was reached."""
    market.reached = {
        place: None for place in market.reached if released_stop(market, *place) is not None
    }


def released_stop(market: Market, product: ProductId, delivery: Instant) -> OrderId | None:
    """Return the stop order of a delivery that acts next; None if the last price reaches none."""
    book = market.books[product].get(delivery)
    number = 0 if book is None or book.venue is None else book.venue.book.released()
    return OrderId(number) if number else None
