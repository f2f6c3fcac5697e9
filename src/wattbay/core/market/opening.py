"""How continuous trading of a delivery opens: with an auction of what came before.

From gate opening on orders come, change and go, and none trades. Then all that rest meet at one
price, by price and then time. What this leaves does not cross, and continuous trading goes on
from it.

Some orders cannot meet all others: those that want an origin, are local or name a partner; those
of a party that stands on both sides where it must not meet itself; and all where the network fee
is not the same between all zones. They take no part in the auction. When it is over each of them
acts once, by place in time, as if it came in then.
"""

from __future__ import annotations

from msgspec import structs

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.facts import Margin, Product, Side, TradingPhase
from wattbay.core.market import auction
from wattbay.core.market.auction import Orders, Rules
from wattbay.core.market.book import Book as Kernel
from wattbay.core.market.orders import Book, Market, Order, released_nano, short_price
from wattbay.core.market.steps import (
    BookPhase,
    Cancelled,
    Crossed,
    Entered,
    New,
    Outcome,
    Phased,
    Terms,
    Trade,
)
from wattbay.core.market.trading import Telling, venue_of
from wattbay.core.market.venue import Venue, kept_terms, network_fee, numbers_of, terms_of
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, facts_then, refuse, tariff_at
from wattbay.core.terms import Ended, OrderTerms, TimeInForce
from wattbay.errors import InvariantBroken
from wattbay.ids import PartyId, TradeId
from wattbay.periods import Instant

_PROBE = 2**52
"""A number that no order has, for one that comes in on trial."""


def open_trading(
    registry: Registry, market: Market, command: c.OpenTrading, at: Instant
) -> list[e.Event]:
    """Open the trading of a delivery when it is due."""
    product = registry.products.get(command.product)
    if product is None:
        return refuse(Reason.UNKNOWN_PRODUCT, f"product {command.product}")
    delivery = command.delivery
    book = market.books[command.product].get(delivery)
    if book is None:
        return refuse(Reason.UNKNOWN_DELIVERY, "no such delivery is traded")
    if product.opening_before_us is None or book.venue is None:
        return refuse(Reason.NOT_ALLOWED, f"{product.product} has no opening")
    is_early = at < delivery - product.opening_before_us
    if is_early or book.venue.phase is not TradingPhase.PRE_OPEN:
        return refuse(Reason.NOT_DUE, "trading opens once, by the clock")
    resting = [
        order
        for order in book.orders.values()
        if not order.stands_by and (order.terms is None or order.terms.stop is None)
    ]
    meeting = _meeting(registry, product, delivery, resting)
    trades = _auction(registry, market, product, delivery, meeting)
    opened = e.PhaseChanged(
        product=product.product,
        delivery=delivery,
        phase=TradingPhase.CONTINUOUS,
        reason="opening",
    )
    apart = {order.order for order in meeting}
    late = [order for order in resting if order.order not in apart]
    followed = _act_late(registry, market, product, delivery, late, trades) if late else []
    return [*trades, opened, *followed]


# --- the auction -----------------------------------------------------------------------------


def _meeting(
    registry: Registry, product: Product, delivery: Instant, resting: list[Order]
) -> list[Order]:
    """Return the orders that can meet all others."""
    if _fee(registry, product, delivery, resting) is None:
        return []
    free = [order for order in resting if not _is_choosy(order.terms)]
    if product.self_trade is None:
        return free
    sides: dict[PartyId, set[Side]] = {}
    parties = [facts_then(registry, order.pod, delivery).party for order in free]
    for order, party in zip(free, parties, strict=True):
        sides.setdefault(party, set()).add(order.side)
    return [order for order, party in zip(free, parties, strict=True) if len(sides[party]) == 1]


def _is_choosy(terms: OrderTerms | None) -> bool:
    """Tell whether an order says whom it does not meet."""
    return terms is not None and (
        terms.wants is not None or terms.is_local or terms.partner is not None
    )


def _fee(
    registry: Registry, product: Product, delivery: Instant, resting: list[Order]
) -> int | None:
    """Return the one network fee between all who rest; None where there is no one fee."""
    if not product.network_fees:
        return product.network_fee
    zones = {order.order: facts_then(registry, order.pod, delivery).zone for order in resting}
    buyers = {zones[order.order] for order in resting if order.side is Side.BUY}
    sellers = {zones[order.order] for order in resting if order.side is Side.SELL}
    fees = {
        network_fee(product, seller, buyer)
        for seller in sorted(sellers)
        for buyer in sorted(buyers)
    }
    return fees.pop() if len(fees) == 1 else None


def _auction(
    registry: Registry, market: Market, product: Product, delivery: Instant, meeting: list[Order]
) -> list[e.Traded]:
    """Return the trades of the opening auction."""
    buys = [order for order in meeting if order.side is Side.BUY]
    sells = [order for order in meeting if order.side is Side.SELL]
    if not buys or not sells:
        return []
    fee = _fee(registry, product, delivery, meeting) or 0
    rules = Rules(
        margin=Margin.TIME,
        reference=product.reference,
        price_tick=product.price_tick,
        network_fee=fee,
    )
    result = auction.clear(_columns(buys), _columns(sells), rules)
    traded: list[e.Traded] = []
    for number, (buy, sell, quantity, buy_price, sell_price) in enumerate(
        result.trades, market.next_trade
    ):
        buyer, seller = buys[buy], sells[sell]
        facts = facts_then(registry, seller.pod, delivery)
        risk = short_price(product, tariff_at(registry, facts, delivery))
        traded.append(
            e.Traded(
                trade=TradeId(number),
                product=product.product,
                delivery=delivery,
                buyer=buyer.pod,
                seller=seller.pod,
                buy_order=buyer.order,
                sell_order=seller.order,
                quantity_wh=quantity,
                buy_price=buy_price,
                sell_price=sell_price,
                hold_nano=quantity * max(0, risk),
                buy_release_nano=released_nano(buyer, quantity),
                sell_release_nano=released_nano(seller, quantity),
            )
        )
    return traded


def _columns(orders: list[Order]) -> Orders:
    return Orders([order.limit for order in orders], [order.open_wh for order in orders])


# --- those that took no part -----------------------------------------------------------------


def _act_late(
    registry: Registry,
    market: Market,
    product: Product,
    delivery: Instant,
    late: list[Order],
    trades: list[e.Traded],
) -> list[e.Event]:
    """Let the orders act, one by one, that took no part in the auction."""
    book = market.books[product.product][delivery]
    kernel = _after(venue_of(book), trades)
    next_trade = market.next_trade + len(trades)
    left = {int(order.order): kernel.open_of(order.order) for order in book.orders.values()}
    told: list[e.Event] = []
    for order in late:
        # Another one may have met it by now, or made it give way.
        now = _now(order, left[order.order], told)
        if not left[order.order] or not _meets(registry, book, delivery, now, kernel):
            continue
        kernel.fold((Cancelled(order.order, left[order.order], Ended.USER),))
        outcomes = kernel.plan(_step(registry, book, delivery, now, is_trial=False))
        kernel.fold(outcomes)
        told.append(_moved(product, delivery, now, outcomes[0]))
        telling = Telling(registry, market, product, delivery, now)
        telling.next_trade, telling.left = next_trade, left
        told += telling.tell(outcomes)
        next_trade = telling.next_trade
    return told


def _after(venue: Venue, trades: list[e.Traded]) -> Kernel:
    """Return the order book as it is after the auction."""
    kernel = venue.book.copy()
    kernel.fold(
        Crossed(one.buy_order, one.sell_order, one.sell_price, one.quantity_wh) for one in trades
    )
    kernel.fold((Phased(BookPhase.OPEN),))
    return kernel


def _now(order: Order, left_wh: int, told: list[e.Event]) -> Order:
    """Return an order as it is after what was told."""
    cut = sum(
        one.quantity_wh or 0
        for one in told
        if isinstance(one, e.OrderCancelled) and one.order == order.order
    )
    total = order.quantity_wh - cut
    return structs.replace(
        order,
        quantity_wh=total,
        filled_wh=total - left_wh,
        hold_nano=released_nano(order, left_wh),
        terms=kept_terms(order.limit, order.terms),
    )


def _step(
    registry: Registry, book: Book, delivery: Instant, order: Order, *, is_trial: bool
) -> New:
    """Return an order as it comes in: in earnest, or to see whether it would meet anybody."""
    facts = facts_then(registry, order.pod, delivery)
    numbers = numbers_of(venue_of(book), facts, order.side, order.terms)
    terms = terms_of(order.terms, numbers.partner)
    if is_trial:
        terms = Terms(time_in_force=TimeInForce.IOC, partner=terms.partner)
    number = _PROBE if is_trial else order.order
    return New(number, numbers.party, numbers.pool, order.limit, order.open_wh, terms)


def _meets(registry: Registry, book: Book, delivery: Instant, order: Order, kernel: Kernel) -> bool:
    """Tell whether an order would meet anybody, be it one of its own party."""
    outcomes = kernel.plan(_step(registry, book, delivery, order, is_trial=True))
    return any(
        isinstance(one, Trade) or (isinstance(one, Cancelled) and one.reason is not Ended.IOC)
        for one in outcomes
    )


def _moved(product: Product, delivery: Instant, order: Order, entered: Outcome) -> e.OrderAmended:
    """Return the event of an order that acts: it is behind all others now."""
    if not isinstance(entered, Entered):
        raise InvariantBroken("an order that rested comes in when trading opens")
    return e.OrderAmended(
        order=order.order,
        product=product.product,
        delivery=delivery,
        quantity_wh=order.quantity_wh,
        limit=order.limit,
        hold_nano=order.hold_nano,
        keeps_place=False,
        rests_wh=entered.rests,
    )
