"""Results from solvers: the market operator brings them, and the core verifies them.

A product that is cleared by submitted results has a rule of its own, which may need floats, chance
or minutes of search. None of that is done here, and none of it is believed. What comes in are whole
numbers: which orders trade, how much, and at which prices. They are accepted if nobody is wronged
by its own terms, and refused with the first fault otherwise; then nothing has changed. Whether the
rule was followed is not verified: with what the journal holds, anybody can clear again and compare.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.commands import SubmittedTrade
from wattbay.core.facts import Mechanism, Product, Role, Side
from wattbay.core.market.auction import Orders, Rules, clear
from wattbay.core.market.network import breach
from wattbay.core.market.orders import Book, Market, Order, short_price
from wattbay.core.market.orders import worst_price as own_price
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, facts_then, has_role, refuse, tariff_at
from wattbay.ids import OrderId, TradeId
from wattbay.periods import Instant


def submit(
    registry: Registry, market: Market, command: c.SubmitClearing, at: Instant
) -> list[e.Event]:
    """Take the result of an auction whose gate is closed, or say what is wrong with it."""
    product = registry.products.get(command.product)
    if product is None:
        return refuse(Reason.UNKNOWN_PRODUCT, f"product {command.product}")
    if not has_role(registry, command.operator, Role.MARKET_OPERATOR):
        return refuse(Reason.NOT_ALLOWED, "only the market operator submits results")
    if product.mechanism is not Mechanism.SUBMITTED:
        return refuse(Reason.NOT_ALLOWED, f"{product.product} is not cleared by submitted results")
    book = market.books[product.product].get(command.delivery)
    if book is None:
        return refuse(Reason.UNKNOWN_DELIVERY, "no such delivery waits for a result")
    if book.clears_at is None:
        return refuse(Reason.NOT_DUE, "a result follows gate closure")
    if at < book.clears_at - product.clearing_us:
        return refuse(Reason.NOT_DUE, "a result follows the network check")
    if at >= book.clears_at:
        return refuse(Reason.GATE_CLOSED, "the time for a result is over")
    fault = _verify(registry, market, product, book, command)
    if fault is not None:
        return refuse(Reason.NOT_VERIFIED, fault)
    return _accept(registry, market, product, book, command)


def expire(market: Market, product: Product, delivery: Instant) -> list[e.Event]:
    """Let all orders of a delivery expire: no valid result came in time."""
    orders = standing(market.books[product.product][delivery])
    return [
        e.AuctionCleared(
            product=product.product,
            delivery=delivery,
            price=None,
            volume_wh=0,
            surplus_nano=0,
            surplus_maximum_nano=_surplus_maximum(product, orders.values()),
        )
    ]


def standing(book: Book) -> dict[OrderId, Order]:
    """Return the orders that may trade, by place in time: none that waits for anything."""
    return {name: order for name, order in book.orders.items() if not order.stands_by}


def worst_price(product: Product, order: Order) -> int:
    """Return the worst price that an order accepts; that of the product, where it names none."""
    named = own_price(order.limit, order.terms)
    if named is not None:
        return named
    return product.price_max if order.side is Side.BUY else product.price_min


def mean_price(trades: Iterable[SubmittedTrade]) -> int | None:
    """Return what sellers get a Wh in the mean, rounded down; None where nothing trades."""
    trades = list(trades)
    volume = sum(trade.quantity_wh for trade in trades)
    if not volume:
        return None
    earned = sum(trade.quantity_wh * trade.sell_price for trade in trades)
    return earned // volume  # divides: a mean, down


# --- what is verified ------------------------------------------------------------------------


def _verify(
    registry: Registry, market: Market, product: Product, book: Book, command: c.SubmitClearing
) -> str | None:
    """Return the first fault of a result; None where there is none."""
    orders = standing(book)
    if command.rule != product.rule:
        return f"rule {command.rule!r}; {product.product} is cleared by {product.rule!r}"
    if len(command.prices) != 1:
        return f"{len(command.prices)} prices for one delivery"
    if len(command.trades) > len(orders):
        return f"{len(command.trades)} trades; {len(orders)} orders need no more"
    filled: dict[OrderId, int] = {}
    for number, trade in enumerate(command.trades, 1):
        if trade.delivery != command.delivery:
            return f"trade {number}: another delivery"
        fault = _trade_fault(product, orders, trade)
        if fault is not None:
            return f"trade {number}: {fault}"
        for order in (trade.buy_order, trade.sell_order):
            filled[order] = filled.get(order, 0) + trade.quantity_wh
    for name, quantity in filled.items():
        if quantity > orders[name].quantity_wh:
            return f"order {name}: {quantity} Wh; it is for {orders[name].quantity_wh} Wh"
    price = mean_price(command.trades)
    if command.prices[0] != price:
        return f"price {command.prices[0]}; its trades come to {price}"
    surplus = _surplus(product, orders, command.trades)
    if command.bound_nano is not None and command.bound_nano < surplus:
        return f"a bound of {command.bound_nano} nano; the result itself reaches {surplus}"
    fills = [filled.get(name, 0) for name in orders]
    return breach(registry, market, list(orders.values()), fills, command.delivery)


def _trade_fault(
    product: Product, orders: dict[OrderId, Order], trade: SubmittedTrade
) -> str | None:
    """Return what is wrong with one trade by itself; None where nothing is."""
    if trade.quantity_wh <= 0:
        return f"{trade.quantity_wh} Wh"
    for name, side in ((trade.buy_order, Side.BUY), (trade.sell_order, Side.SELL)):
        order = orders.get(name)
        if order is None:
            return f"order {name} does not stand for this delivery"
        if order.side is not side:
            return f"order {name} is no {side.value} order"
    if trade.buy_price % product.price_tick or trade.sell_price % product.price_tick:
        return f"prices are multiples of {product.price_tick} nano per Wh"
    most = worst_price(product, orders[trade.buy_order])
    if trade.buy_price > most:
        return f"order {trade.buy_order} would pay {trade.buy_price}; {most} is its limit"
    least = worst_price(product, orders[trade.sell_order])
    if trade.sell_price < least:
        return f"order {trade.sell_order} would get {trade.sell_price}; {least} is its limit"
    if trade.buy_price < trade.sell_price + product.network_fee:
        return f"the buyer pays {trade.buy_price}: less than seller and network are owed"
    return None


def _surplus(
    product: Product, orders: dict[OrderId, Order], trades: Sequence[SubmittedTrade]
) -> int:
    """Return by how much trades are better than limits, and what the market keeps. [nano]

    An order without a limit gains nothing, as in the core's own auction.
    """
    total = 0
    for trade in trades:
        most, least = orders[trade.buy_order].limit, orders[trade.sell_order].limit
        gained = trade.buy_price - trade.sell_price - product.network_fee
        gained += 0 if most is None else most - trade.buy_price
        gained += 0 if least is None else trade.sell_price - least
        total += gained * trade.quantity_wh
    return total


def _surplus_maximum(product: Product, orders: Iterable[Order]) -> int:
    """Return the largest surplus of any rule, orders without a limit at the auction's price."""
    sides: tuple[list[Order], list[Order]] = ([], [])
    for order in orders:
        sides[order.side is Side.SELL].append(order)
    buys, sells = (
        Orders([order.limit for order in side], [order.quantity_wh for order in side])
        for side in sides
    )
    rules = Rules(
        reference=product.reference,
        price_tick=product.price_tick,
        network_fee=product.network_fee,
    )
    return clear(buys, sells, rules).surplus_maximum


# --- what follows ----------------------------------------------------------------------------


def _accept(
    registry: Registry, market: Market, product: Product, book: Book, command: c.SubmitClearing
) -> list[e.Event]:
    """Return the events of a result that was verified."""
    orders = standing(book)
    surplus = _surplus(product, orders, command.trades)
    cleared = e.AuctionCleared(
        product=product.product,
        delivery=command.delivery,
        price=command.prices[0],
        volume_wh=sum(trade.quantity_wh for trade in command.trades),
        surplus_nano=surplus,
        # One that meets orders without a limit otherwise than the auction may come to more.
        surplus_maximum_nano=max(surplus, _surplus_maximum(product, orders.values())),
        rule=command.rule,
        bound_nano=command.bound_nano,
    )
    return [cleared, *_traded(registry, market, product, orders, command.trades)]


def _traded(
    registry: Registry,
    market: Market,
    product: Product,
    orders: dict[OrderId, Order],
    trades: Sequence[SubmittedTrade],
) -> list[e.Event]:
    """Return the trades of a result, each with what its seller now has at risk."""
    found: list[e.Event] = []
    for number, trade in enumerate(trades, market.next_trade):
        buyer, seller = orders[trade.buy_order].pod, orders[trade.sell_order].pod
        facts = facts_then(registry, seller, trade.delivery)
        risk = short_price(product, tariff_at(registry, facts, trade.delivery))
        found.append(
            e.Traded(
                trade=TradeId(number),
                product=product.product,
                delivery=trade.delivery,
                buyer=buyer,
                seller=seller,
                buy_order=trade.buy_order,
                sell_order=trade.sell_order,
                quantity_wh=trade.quantity_wh,
                buy_price=trade.buy_price,
                sell_price=trade.sell_price,
                hold_nano=trade.quantity_wh * max(0, risk),
            )
        )
    return found
