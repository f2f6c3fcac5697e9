"""Results from solvers: the market operator brings them, and the core verifies them.

A product that is cleared by submitted results has a rule of its own, which may need floats, chance
or minutes of search. None of that is done here, and none of it is believed. What comes in are whole
numbers: which orders trade, how much, and at which prices. They are accepted if nobody is wronged
by its own terms, and refused with the first fault otherwise; then nothing has changed. Whether the
rule was followed is not verified: with what the journal holds, anybody can clear again and compare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.commands import SubmittedTrade
from wattbay.core.facts import Mechanism, Product, Role, Side
from wattbay.core.market import daily, network
from wattbay.core.market.auction import Orders, Rules, clear
from wattbay.core.market.daily import Part, Parts, worst_price, worth
from wattbay.core.market.orders import Market, short_price
from wattbay.core.products import BLOCK
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, facts_then, has_role, refuse, tariff_at
from wattbay.ids import OrderId, TradeId
from wattbay.periods import Instant


class Auction(NamedTuple):
    """What waits for a result."""

    product: Product
    deliveries: Sequence[Instant]
    """One, or with blocks all of a day."""
    parts: Mapping[Instant, Parts]


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
    if book is None or book.first not in (None, command.delivery):
        return refuse(Reason.UNKNOWN_DELIVERY, "no auction that waits for a result begins with it")
    if book.clears_at is None:
        return refuse(Reason.NOT_DUE, "a result follows gate closure")
    if at < book.clears_at - product.clearing_us:
        return refuse(Reason.NOT_DUE, "a result follows the network check")
    if at >= book.clears_at:
        return refuse(Reason.GATE_CLOSED, "the time for a result is over")
    auction = _auction(registry, market, product, command.delivery)
    fault = _verify(registry, market, auction, command)
    if fault is not None:
        return refuse(Reason.NOT_VERIFIED, fault)
    return _accept(registry, market, auction, command)


def expire(
    registry: Registry, market: Market, product: Product, delivery: Instant
) -> list[e.Event]:
    """Let all orders of a delivery expire: no valid result came in time."""
    parts = daily.parts_of(market, product, [delivery], registry.isp_us, alone=True)
    return [
        e.AuctionCleared(
            product=product.product,
            delivery=delivery,
            price=None,
            volume_wh=0,
            surplus_nano=0,
            surplus_maximum_nano=_surplus_maximum(product, parts[delivery].values()),
        )
    ]


def mean_price(trades: Iterable[SubmittedTrade]) -> int | None:
    """Return what sellers get a Wh in the mean, rounded down; None where nothing trades."""
    trades = list(trades)
    volume = sum(trade.quantity_wh for trade in trades)
    if not volume:
        return None
    earned = sum(trade.quantity_wh * trade.sell_price for trade in trades)
    return earned // volume  # divides: a mean, down


def _auction(registry: Registry, market: Market, product: Product, first: Instant) -> Auction:
    """Return what waits for a result from a delivery on."""
    deliveries = daily.span(market, product, first, registry.isp_us)
    parts = daily.parts_of(market, product, deliveries, registry.isp_us)
    return Auction(product, deliveries, parts)


# --- what is verified ------------------------------------------------------------------------


def _verify(
    registry: Registry, market: Market, auction: Auction, command: c.SubmitClearing
) -> str | None:
    """Return the first fault of a result; None where there is none."""
    product, deliveries, parts = auction
    if command.rule != product.rule:
        return f"rule {command.rule!r}; {product.product} is cleared by {product.rule!r}"
    if len(command.prices) != len(deliveries):
        return f"{len(command.prices)} prices for {len(deliveries)} deliveries"
    most = sum(map(len, parts.values()))
    if len(command.trades) > most:
        return f"{len(command.trades)} trades; {most} orders need no more"
    filled: dict[tuple[Instant, OrderId], int] = {}
    for number, trade in enumerate(command.trades, 1):
        if trade.delivery not in parts:
            return f"trade {number}: another delivery"
        fault = _trade_fault(product, parts[trade.delivery], trade)
        if fault is not None:
            return f"trade {number}: {fault}"
        for order in (trade.buy_order, trade.sell_order):
            key = trade.delivery, order
            filled[key] = filled.get(key, 0) + trade.quantity_wh
    for (delivery, name), energy in filled.items():
        if energy > parts[delivery][name].quantity_wh:
            return f"order {name}: {energy} Wh; it is for {parts[delivery][name].quantity_wh} Wh"
    surplus = sum(_surplus(product, parts[one.delivery], [one]) for one in command.trades)
    if command.bound_nano is not None and command.bound_nano < surplus:
        return f"a bound of {command.bound_nano} nano; the result itself reaches {surplus}"
    fault = _price_fault(registry, market, auction, command, filled)
    if fault is not None:
        return fault
    for delivery in deliveries:
        standing = [part.order for part in parts[delivery].values()]
        fills = [filled.get((delivery, name), 0) for name in parts[delivery]]
        breached = network.breach(registry, market, standing, fills, delivery)
        if breached is not None:
            return breached.what
    return None


def _trade_fault(product: Product, parts: Parts, trade: SubmittedTrade) -> str | None:
    """Return what is wrong with one trade by itself; None where nothing is."""
    if trade.quantity_wh <= 0:
        return f"{trade.quantity_wh} Wh"
    for name, side in ((trade.buy_order, Side.BUY), (trade.sell_order, Side.SELL)):
        part = parts.get(name)
        if part is None:
            return f"order {name} does not stand for this delivery"
        if part.order.side is not side:
            return f"order {name} is no {side.value} order"
    if trade.buy_price % product.price_tick or trade.sell_price % product.price_tick:
        return f"prices are multiples of {product.price_tick} nano per Wh"
    if trade.buy_price < trade.sell_price + product.network_fee:
        return f"the buyer pays {trade.buy_price}: less than seller and network are owed"
    buy, sell = parts[trade.buy_order].order, parts[trade.sell_order].order
    most, least = worst_price(product, buy), worst_price(product, sell)
    # A block may lose in one delivery what it gains in another.
    if trade.buy_price > most and daily.block_of(buy.terms) is None:
        return f"order {trade.buy_order} would pay {trade.buy_price}; {most} is its limit"
    if trade.sell_price < least and daily.block_of(sell.terms) is None:
        return f"order {trade.sell_order} would get {trade.sell_price}; {least} is its limit"
    return None


def _price_fault(
    registry: Registry,
    market: Market,
    auction: Auction,
    command: c.SubmitClearing,
    filled: Mapping[tuple[Instant, OrderId], int],
) -> str | None:
    """Return what is wrong with the prices; with blocks, with whatever their rules ask for."""
    product, deliveries, parts = auction
    if product.rule != BLOCK:
        price = mean_price(command.trades)
        if command.prices[0] != price:
            return f"price {command.prices[0]}; its trades come to {price}"
        return None
    prices = [price for price in command.prices if price is not None]
    if len(prices) < len(deliveries):
        return "with blocks each delivery has a price"
    by_delivery = dict(zip(deliveries, prices, strict=True))
    for number, trade in enumerate(command.trades, 1):
        if not trade.buy_price == trade.sell_price == by_delivery[trade.delivery]:
            return f"trade {number}: another price than that of its delivery"
    welfare = 0
    for trade in command.trades:
        both = parts[trade.delivery]
        most = worth(product, both[trade.buy_order])
        welfare += trade.quantity_wh * (most - worth(product, both[trade.sell_order]))
    limited = {
        (delivery, order.order)
        for delivery in deliveries
        for order in network.limited(
            registry, market, [part.order for part in parts[delivery].values()], delivery
        )
    }
    result = daily.Result(prices, filled, welfare, limited)
    return daily.fault_of(registry, product, deliveries, parts, result)


def _surplus(product: Product, parts: Parts, trades: Iterable[SubmittedTrade]) -> int:
    """Return by how much trades are better than limits, and what the market keeps. [nano]

    An order without a limit gains nothing, as in the core's own auction.
    """
    total = 0
    for trade in trades:
        most, least = _limit(parts[trade.buy_order]), _limit(parts[trade.sell_order])
        gained = trade.buy_price - trade.sell_price - product.network_fee
        gained += 0 if most is None else most - trade.buy_price
        gained += 0 if least is None else trade.sell_price - least
        total += gained * trade.quantity_wh
    return total


def _limit(part: Part) -> int | None:
    """Return the limit for which a part gains; 0 where a block trades against its own side."""
    return part.order.limit if part.is_own else 0


def _surplus_maximum(product: Product, parts: Iterable[Part]) -> int:
    """Return the largest surplus of any rule, orders without a limit at the auction's price."""
    sides: tuple[list[Part], list[Part]] = ([], [])
    for part in parts:
        sides[part.order.side is Side.SELL].append(part)
    buys, sells = (
        Orders([part.order.limit for part in side], [part.quantity_wh for part in side])
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
    registry: Registry, market: Market, auction: Auction, command: c.SubmitClearing
) -> list[e.Event]:
    """Return the events of a result that was verified."""
    product, deliveries, parts = auction
    traded: dict[Instant, list[SubmittedTrade]] = {delivery: [] for delivery in deliveries}
    for trade in command.trades:
        traded[trade.delivery].append(trade)
    surplus = {one: _surplus(product, parts[one], traded[one]) for one in deliveries}
    # One that meets orders without a limit otherwise than the auction may come to more than it.
    most = surplus
    if len(deliveries) == 1:
        (only,) = deliveries
        most = {only: max(surplus[only], _surplus_maximum(product, parts[only].values()))}
    elif command.bound_nano is not None:
        # No delivery has a bound of its own: what all might have gained more stands with the first.
        more = command.bound_nano - sum(surplus.values())
        most = {**surplus, deliveries[0]: surplus[deliveries[0]] + more}
    cleared: list[e.Event] = [
        e.AuctionCleared(
            product=product.product,
            delivery=delivery,
            price=price if traded[delivery] else None,
            volume_wh=sum(trade.quantity_wh for trade in traded[delivery]),
            surplus_nano=surplus[delivery],
            surplus_maximum_nano=most[delivery],
            rule=command.rule,
            bound_nano=command.bound_nano if delivery == command.delivery else None,
        )
        for delivery, price in zip(deliveries, command.prices, strict=True)
    ]
    return [*cleared, *_traded(registry, market, auction, command.trades)]


def _traded(
    registry: Registry, market: Market, auction: Auction, trades: Sequence[SubmittedTrade]
) -> list[e.Event]:
    """Return the trades of a result, each with what its seller now has at risk."""
    product, _, parts = auction
    found: list[e.Event] = []
    for number, trade in enumerate(trades, market.next_trade):
        both = parts[trade.delivery]
        buyer, seller = both[trade.buy_order].order.pod, both[trade.sell_order].order.pod
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
