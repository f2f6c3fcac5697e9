"""Closing a gate and clearing a book: orders become trades, within the network's limits."""

from __future__ import annotations

from collections.abc import Sequence

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.events import Reason
from wattbay.core.facts import NetworkLimit, Product, Side
from wattbay.core.market.auction import Clearing, Orders, Rules, clear
from wattbay.core.market.orders import Book, Market, Order, short_price
from wattbay.core.market.product import check_ends, gate_closes
from wattbay.core.registry import Registry, facts_then, refuse
from wattbay.ids import TradeId
from wattbay.periods import Instant


def close_gate(
    registry: Registry, market: Market, command: c.CloseGate, at: Instant
) -> list[e.Event]:
    """Close the gate of a delivery when it is due; the auction follows where nobody checks."""
    product = registry.products.get(command.product)
    if product is None:
        return refuse(Reason.UNKNOWN_PRODUCT, f"product {command.product}")
    book = market.books[command.product].get(command.delivery)
    if book is None:
        return refuse(Reason.UNKNOWN_DELIVERY, "no such delivery is open")
    if at < gate_closes(product, command.delivery) or book.clears_at is not None:
        return refuse(Reason.NOT_DUE, "gates close by the clock")
    checked = product.network_check_us > 0 and registry.grid_operators > 0
    clears_at = check_ends(product, command.delivery) if checked else None
    return [e.GateClosed(product=command.product, delivery=command.delivery, clears_at=clears_at)]


def clear_auction(
    registry: Registry, market: Market, command: c.ClearAuction, at: Instant
) -> list[e.Event]:
    """Clear a delivery when its network check is over."""
    book = market.books.get(command.product, {}).get(command.delivery)
    if book is None:
        return refuse(Reason.UNKNOWN_DELIVERY, "no such delivery waits for its auction")
    if book.clears_at is None or at < book.clears_at:
        return refuse(Reason.NOT_DUE, "the auction follows the network check")
    return clear_book(registry, market, registry.products[command.product], command.delivery)


def clear_book(
    registry: Registry, market: Market, product: Product, delivery: Instant
) -> list[e.Event]:
    """Clear all that stands for a delivery.

    Where the result would breach a network limit, the order placed last among those that worsen
    the breach is taken out and the auction is held again (last on, first off), until no limit is
    breached. Without orders none is.
    """
    book = market.books[product.product][delivery]
    orders = list(book.orders.values())
    curtailed: list[e.Event] = []
    while True:
        buys = [order for order in orders if order.side is Side.BUY]
        sells = [order for order in orders if order.side is Side.SELL]
        result = clear(_columns(buys), _columns(sells), _rules(product))
        last = _to_curtail(book, buys, sells, result)
        if last is None:
            break
        order, reason = last
        orders.remove(order)
        curtailed.append(
            e.OrderCurtailed(
                order=order.order,
                product=product.product,
                delivery=delivery,
                quantity_wh=0,
                hold_nano=0,
                reason=reason,
            )
        )
    cleared = e.AuctionCleared(
        product=product.product,
        delivery=delivery,
        price=result.price,
        volume_wh=result.volume,
        surplus_nano=result.surplus_buyers + result.surplus_sellers + result.market_keeps,
        surplus_maximum_nano=result.surplus_maximum,
    )
    trades = _trades(registry, market.next_trade, product, delivery, buys, sells, result)
    return [*curtailed, cleared, *trades]


def _columns(orders: Sequence[Order]) -> Orders:
    return Orders([order.limit for order in orders], [order.quantity_wh for order in orders])


def _rules(product: Product) -> Rules:
    return Rules(
        pricing=product.pricing,
        margin=product.margin,
        reference=product.reference,
        price_tick=product.price_tick,
        network_fee=product.network_fee,
    )


def _trades(
    registry: Registry,
    first: int,
    product: Product,
    delivery: Instant,
    buys: Sequence[Order],
    sells: Sequence[Order],
    result: Clearing,
) -> list[e.Event]:
    """Return the events of the trades, each with what the seller now has at risk."""
    traded: list[e.Event] = []
    for number, (buy, sell, quantity, buy_price, sell_price) in enumerate(result.trades, first):
        seller = sells[sell]
        tariff = registry.tariffs[facts_then(registry, seller.pod, delivery).tariff]
        # The seller has the money of the sale; what it may lose is buying the energy back.
        risk = short_price(product, tariff)
        traded.append(
            e.Traded(
                trade=TradeId(number),
                product=product.product,
                delivery=delivery,
                buyer=buys[buy].pod,
                seller=seller.pod,
                buy_order=buys[buy].order,
                sell_order=seller.order,
                quantity_wh=quantity,
                buy_price=buy_price,
                sell_price=sell_price,
                hold_nano=quantity * max(0, risk),
            )
        )
    return traded


def _to_curtail(
    book: Book, buys: Sequence[Order], sells: Sequence[Order], result: Clearing
) -> tuple[Order, str] | None:
    """Return the order that must go for a network limit, and why; None where all are kept."""
    places = {number: place for place, number in enumerate(book.orders)}
    for limit in book.limits:
        coefficients = {term.pod: term.coefficient for term in limit.terms}
        load = 0
        worsening: list[Order] = []
        for orders, fills, sign in ((buys, result.buy_fills, -1), (sells, result.sell_fills, 1)):
            for order, filled in zip(orders, fills, strict=True):
                part = coefficients.get(order.pod, 0) * sign * filled
                load += part
                if part > 0:
                    worsening.append(order)
        if load > limit.bound_wh and worsening:
            return max(worsening, key=lambda order: places[order.order]), _breach(limit, load)
    return None


def _breach(limit: NetworkLimit, load: int) -> str:
    return f"{limit.reason}: {load} Wh; {limit.bound_wh} Wh is the most"
