"""Closing a gate and clearing a book: orders become trades, within the network's limits."""

from __future__ import annotations

from collections.abc import Sequence

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.facts import Mechanism, Product
from wattbay.core.market import release, submitted
from wattbay.core.market.auction import Clearing
from wattbay.core.market.network import clear_within
from wattbay.core.market.orders import Book, Market, Order, short_price
from wattbay.core.market.product import check_ends, gate_closes
from wattbay.core.market.venue import open_venue
from wattbay.core.products import BLOCK
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, facts_then, refuse, tariff_at
from wattbay.ids import TradeId
from wattbay.periods import Instant


def open_books(market: Market, product: Product, event: e.DeliveriesListed, isp_us: int) -> None:
    """Open the books of a day; what is allocated after the fact has none."""
    if product.mechanism is Mechanism.COMMUNITY:
        return
    books = market.books[event.product]
    is_continuous = product.mechanism is Mechanism.CONTINUOUS
    for i in range(event.count):
        books[Instant(event.start + i * isp_us)] = Book(
            venue=open_venue(product) if is_continuous else None,
            first=event.start if product.rule == BLOCK else None,
        )


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
    gate = book.gate_of(command.delivery)
    if at < gate_closes(product, gate) or book.clears_at is not None:
        return refuse(Reason.NOT_DUE, "gates close by the clock")
    has_auction = product.mechanism in {Mechanism.CALL_AUCTION, Mechanism.SUBMITTED}
    checked = has_auction and product.network_check_us > 0 and registry.grid_operators > 0
    clears_at = check_ends(product, gate) if checked else None
    if product.mechanism is Mechanism.SUBMITTED:
        after = gate_closes(product, gate) if clears_at is None else clears_at
        clears_at = Instant(after + product.clearing_us)
    return [e.GateClosed(product=command.product, delivery=command.delivery, clears_at=clears_at)]


def clear_auction(
    registry: Registry, market: Market, command: c.ClearAuction, at: Instant
) -> list[e.Event]:
    """Clear a delivery when its network check is over, or the time for a submitted result."""
    book = market.books.get(command.product, {}).get(command.delivery)
    if book is None:
        return refuse(Reason.UNKNOWN_DELIVERY, "no such delivery waits for its auction")
    if book.clears_at is None or at < book.clears_at:
        return refuse(Reason.NOT_DUE, "the auction follows the network check")
    product = registry.products[command.product]
    if product.mechanism is Mechanism.SUBMITTED:
        return submitted.expire(registry, market, product, command.delivery)
    return clear_book(registry, market, product, command.delivery)


def clear_book(
    registry: Registry, market: Market, product: Product, delivery: Instant
) -> list[e.Event]:
    """Clear all that stands for a delivery, within the network's limits."""
    buys, sells, result, cuts = clear_within(registry, market, product, delivery)
    curtailed = [
        e.OrderCurtailed(
            order=cut.order.order,
            product=product.product,
            delivery=delivery,
            quantity_wh=0,
            hold_nano=0,
            reason=cut.reason,
        )
        for cut in cuts
    ]
    cleared = e.AuctionCleared(
        product=product.product,
        delivery=delivery,
        price=result.price,
        volume_wh=result.volume,
        surplus_nano=result.surplus_buyers + result.surplus_sellers + result.market_keeps,
        surplus_maximum_nano=result.surplus_maximum,
    )
    trades = _trades(registry, market.next_trade, product, delivery, buys, sells, result)
    left_out = release.leave_out(market, product, delivery)
    return [*left_out, *curtailed, cleared, *trades]


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
        tariff = tariff_at(registry, facts_then(registry, seller.pod, delivery), delivery)
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
