"""The desk at which orders are placed, changed and withdrawn, whatever the market of their product.

What is common to all is looked at here, once; then the order goes to its market.
"""

from __future__ import annotations

from msgspec import structs

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.facts import Mechanism, Product, Role, TradingPhase
from wattbay.core.ledger import Ledger
from wattbay.core.market import daily, offers, orders, trading
from wattbay.core.market.orders import Book, Change, Entrant, Market, Order
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, facts_then, has_role, refuse, tariff_at
from wattbay.core.terms import OrderTerms, TimeInForce
from wattbay.periods import Instant

_AT_ONCE = OrderTerms(time_in_force=TimeInForce.FOK)
"""What the legs of a basket say."""
_HALTED = "trading is halted: orders can be withdrawn or made smaller"
_AT_ONE_INSTANT = (Mechanism.CALL_AUCTION, Mechanism.SUBMITTED)
"""Mechanisms by which no order is filled before all are."""


def place(
    registry: Registry,
    market: Market,
    ledger: Ledger,
    command: c.PlaceOrder,
    at: Instant,
    *,
    stands_by: bool = False,
) -> list[e.Event]:
    """Let an order into the market of its product, or say why not.

    Parameters
    ----------
    stands_by
        Whether it waits for a condition or an instant: then it stands without its market knowing.
    """
    if command.terms is not None and command.terms.legs:
        return _place_basket(registry, market, ledger, command, at)
    found = orders.check(registry, market, ledger, command, at)
    if not isinstance(found, Entrant):
        return found
    if found.product.mechanism is Mechanism.BILATERAL:
        return offers.place(market, found, stands_by=stands_by)
    if stands_by:
        if _is_halted(found.book):
            return refuse(Reason.HALTED, _HALTED)
        return orders.stand(market, found, stands_by=True)
    match found.product.mechanism:
        case Mechanism.CALL_AUCTION:
            return orders.stand(market, found)
        case Mechanism.SUBMITTED:
            return daily.stand(registry, market, ledger, found)
        case Mechanism.CONTINUOUS:
            return trading.place(registry, market, found)
        case _:
            return refuse(Reason.NOT_ALLOWED, "no product here is traded so")


def _is_halted(book: Book) -> bool:
    """Tell whether the trading of a delivery is halted."""
    return book.venue is not None and book.venue.phase is TradingPhase.HALTED


def _place_basket(
    registry: Registry, market: Market, ledger: Ledger, command: c.PlaceOrder, at: Instant
) -> list[e.Event]:
    """Let a basket trade, or say why not: each of its orders must be one that may stand."""
    entrants: list[Entrant] = []
    for leg in (command, *legs_of(command)):
        found = orders.check(registry, market, ledger, leg, at)
        if not isinstance(found, Entrant):
            return found
        entrants.append(found)
    if len({entrant.command.delivery for entrant in entrants}) < len(entrants):
        return refuse(Reason.BAD_CONDITION, "a basket has one order for each of its deliveries")
    return trading.place_basket(registry, market, ledger, entrants)


def legs_of(command: c.PlaceOrder) -> list[c.PlaceOrder]:
    """Return the other orders of a basket, each as if it stood alone."""
    legs = () if command.terms is None else command.terms.legs
    return [
        structs.replace(
            command,
            delivery=leg.delivery,
            side=leg.side,
            quantity_wh=leg.quantity_wh,
            limit=leg.limit,
            terms=_AT_ONCE,
        )
        for leg in legs
    ]


def amend(
    registry: Registry, market: Market, ledger: Ledger, command: c.AmendOrder, at: Instant
) -> list[e.Event]:
    """Change an order before gate closure, or say why not."""
    found = orders.check_change(registry, market, ledger, command, at)
    if not isinstance(found, Change):
        return found
    if found.product.mechanism is Mechanism.BILATERAL or found.order.stands_by:
        if (command.limit is None) != (found.order.limit is None):
            return refuse(Reason.BAD_CONDITION, "an order keeps its kind: with a limit, or without")
        is_smaller = command.quantity_wh <= found.order.quantity_wh
        if _is_halted(found.book) and not (is_smaller and command.limit == found.order.limit):
            return refuse(Reason.HALTED, _HALTED)
        return orders.amend(found)
    match found.product.mechanism:
        case Mechanism.CALL_AUCTION:
            return orders.amend(found)
        case Mechanism.SUBMITTED:
            return daily.amend(found)
        case Mechanism.CONTINUOUS:
            return trading.amend(registry, market, found)
        case _:
            return refuse(Reason.NOT_ALLOWED, "no product here is traded so")


def cancel(
    registry: Registry, market: Market, command: c.CancelOrder, at: Instant
) -> list[e.Event]:
    """Withdraw an order before gate closure; a foreign or dead one is refused alike."""
    found = orders.find(market, command.order)
    if found is None or found[2].orders[command.order].pod != command.pod:
        return refuse(Reason.UNKNOWN_ORDER, f"order {command.order}")
    name, delivery, book = found
    fault = orders.gate_fault(registry.products[name], book.gate_of(delivery), at)
    if fault is not None:
        return fault
    return [_cancelled(registry.products[name], delivery, book.orders[command.order])]


def curtail(registry: Registry, market: Market, command: c.CurtailOrder) -> list[e.Event]:
    """Let the grid operator reduce an order for as long as it stands."""
    if not has_role(registry, command.operator, Role.GRID_OPERATOR):
        return refuse(Reason.NOT_ALLOWED, "only the grid operator curtails")
    found = orders.find(market, command.order)
    if found is None:
        return refuse(Reason.UNKNOWN_ORDER, f"order {command.order}")
    name, delivery, book = found
    order = book.orders[command.order]
    if not 0 <= command.quantity_wh < order.quantity_wh:
        return refuse(Reason.BAD_QUANTITY, f"0 to {order.quantity_wh - 1} Wh")
    if daily.block_of(order.terms) is not None and command.quantity_wh:
        return refuse(Reason.BAD_QUANTITY, "a block stands as it is, or goes: 0 Wh")
    product = registry.products[name]
    if command.quantity_wh % product.energy_tick:
        return refuse(Reason.OFF_TICK, f"quantities are multiples of {product.energy_tick} Wh")
    tariff = tariff_at(registry, facts_then(registry, order.pod, delivery), delivery)
    price = orders.worst_price(order.limit, order.terms)
    left_wh = max(0, command.quantity_wh - order.filled_wh)
    return [
        e.OrderCurtailed(
            order=command.order,
            product=name,
            delivery=delivery,
            quantity_wh=command.quantity_wh,
            hold_nano=orders.worst_case(product, tariff, order.side, left_wh, price),
            reason=command.reason,
        )
    ]


def cancel_all(
    registry: Registry, market: Market, command: c.CancelOrders, at: Instant
) -> list[e.Event]:
    """Withdraw all orders of a pod, of one delivery or of all whose gates are open."""
    product = registry.products.get(command.product)
    if product is None:
        return refuse(Reason.UNKNOWN_PRODUCT, f"product {command.product}")
    if command.pod not in registry.pods:
        return refuse(Reason.UNKNOWN_POD, f"pod {command.pod}")
    books = market.books[command.product]
    wanted = sorted(books) if command.delivery is None else [command.delivery]
    withdrawn: list[e.Event] = []
    for delivery in wanted:
        book = books.get(delivery)
        if book is None:
            return refuse(Reason.UNKNOWN_DELIVERY, "no such delivery waits for its gate")
        fault = orders.gate_fault(product, book.gate_of(delivery), at)
        if fault is not None and command.delivery is not None:
            return fault
        stake = book.stakes.get(command.pod)
        if fault is None and stake is not None and stake.orders:
            withdrawn += [
                _cancelled(product, delivery, order)
                for order in book.orders.values()
                if order.pod == command.pod
            ]
    return withdrawn


def _cancelled(product: Product, delivery: Instant, order: Order) -> e.OrderCancelled:
    """Return the event of an order that its pod withdraws."""
    is_kept = product.mechanism not in _AT_ONE_INSTANT
    return e.OrderCancelled(
        order=order.order,
        product=product.product,
        delivery=delivery,
        quantity_wh=order.open_wh if is_kept else None,
    )
