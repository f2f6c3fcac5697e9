"""The life of an order: place, amend, cancel, curtail; what is held for it until it is cleared."""

from __future__ import annotations

from msgspec import Struct, field

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.facts import NetworkLimit, Product, Role, Side, Tariff
from wattbay.core.ledger import Ledger, account_at, available, hold
from wattbay.core.market.product import gate_closes, gate_opens
from wattbay.core.reasons import Reason
from wattbay.core.registry import (
    Registry,
    facts_at,
    facts_then,
    has_role,
    refuse,
    tariff_at,
)
from wattbay.ids import OrderId, PodId, ProductId
from wattbay.periods import Instant

ORDERS_PER_DELIVERY_MAX = 1_000_000


class Order(Struct, gc=False):
    """An order that stands."""

    order: OrderId
    pod: PodId
    side: Side
    quantity_wh: int
    limit: int | None
    hold_nano: int
    account: str
    """On which its hold stands."""


class Book(Struct):
    """What stands for one delivery of a product, from its listing until it is cleared."""

    orders: dict[OrderId, Order] = field(default_factory=dict)
    """By place in time."""
    open_orders: dict[PodId, int] = field(default_factory=dict)
    """How many stand of each pod."""
    clears_at: Instant | None = None
    """Once its gate is closed and the network is checked."""


class Market(Struct, omit_defaults=True):
    """Books, the limits of the network, and the next numbers."""

    books: dict[ProductId, dict[Instant, Book]] = field(default_factory=dict)
    limits: list[NetworkLimit] = field(default_factory=list)
    """As submitted, until their spans have passed; where there are none, a snapshot has none."""
    next_order: int = 1
    next_trade: int = 1


# --- decisions -------------------------------------------------------------------------------


def place(
    registry: Registry, market: Market, ledger: Ledger, command: c.PlaceOrder, at: Instant
) -> list[e.Event]:
    """Let an order stand, or say why not."""
    product = registry.products.get(command.product)
    if product is None:
        return refuse(Reason.UNKNOWN_PRODUCT, f"product {command.product}")
    book = market.books[command.product].get(command.delivery)
    if book is None:
        return _no_book(registry, product, command.delivery, at)
    fault = _gate(product, command.delivery, at)
    if fault is not None:
        return fault
    pod = command.pod
    facts = facts_at(registry, pod, command.delivery)
    if facts is None:
        return refuse(Reason.UNKNOWN_POD, f"pod {pod} at that delivery")
    fault = _form(product, command.quantity_wh, command.limit)
    if fault is not None:
        return fault
    if book.open_orders.get(pod, 0) >= product.orders_per_pod_max:
        return refuse(Reason.TOO_MANY, f"{product.orders_per_pod_max} open orders are the most")
    if len(book.orders) >= ORDERS_PER_DELIVERY_MAX:
        return refuse(Reason.TOO_MANY, f"{ORDERS_PER_DELIVERY_MAX} orders are the most")
    tariff = tariff_at(registry, facts, command.delivery)
    at_risk = worst_case(product, tariff, command.side, command.quantity_wh, command.limit)
    if at_risk:
        left = available(registry, ledger, facts.party)
        if at_risk > left:
            return refuse(Reason.NO_COLLATERAL, f"needs {at_risk}, available {left} nano")
    return [
        e.OrderPlaced(
            order=OrderId(market.next_order),
            pod=pod,
            product=command.product,
            delivery=command.delivery,
            side=command.side,
            quantity_wh=command.quantity_wh,
            limit=command.limit,
            hold_nano=at_risk,
        )
    ]


def _no_book(registry: Registry, product: Product, delivery: Instant, at: Instant) -> list[e.Event]:
    """Say why a delivery has no book: never listed, or cleared."""
    if delivery % registry.isp_us == 0 and gate_closes(product, delivery) <= at:
        return refuse(Reason.GATE_CLOSED, "the gate of this delivery is closed")
    return refuse(Reason.UNKNOWN_DELIVERY, "no such delivery is listed")


def _gate(product: Product, delivery: Instant, at: Instant) -> list[e.Event] | None:
    """Refuse what comes before the gate opens or when it is closed."""
    if at >= gate_closes(product, delivery):
        return refuse(Reason.GATE_CLOSED, "an action stamped at gate closure is late")
    if at < gate_opens(product, delivery):
        return refuse(Reason.GATE_NOT_OPEN, "the gate of this delivery opens later")
    return None


def _form(product: Product, quantity_wh: int, limit: int | None) -> list[e.Event] | None:
    """Refuse a quantity or limit that the product does not know."""
    if not 0 < quantity_wh <= product.quantity_max_wh:
        return refuse(Reason.BAD_QUANTITY, f"1 to {product.quantity_max_wh} Wh")
    if quantity_wh % product.energy_tick:
        return refuse(Reason.OFF_TICK, f"quantities are multiples of {product.energy_tick} Wh")
    if limit is None:
        return None
    if not product.price_min <= limit <= product.price_max:
        return refuse(Reason.PRICE_LIMIT, f"{product.price_min} to {product.price_max} nano per Wh")
    if limit % product.price_tick:
        return refuse(Reason.OFF_TICK, f"limits are multiples of {product.price_tick} nano per Wh")
    return None


def worst_case(
    product: Product, tariff: Tariff, side: Side, quantity_wh: int, limit: int | None
) -> int:
    """Return the most that an order can cost its party. [nano-currency]

    A buyer pays its limit at most. A seller may have to pay a negative price, and may be short:
    then it buys back at the supplier's price what it sold at its limit.
    """
    if side is Side.BUY:
        return quantity_wh * max(0, product.price_max if limit is None else limit)
    price = product.price_min if limit is None else limit
    return quantity_wh * max(0, -price, short_price(product, tariff) - price)


def short_price(product: Product, tariff: Tariff) -> int:
    """Return the dearest price at which energy that was sold and not made is bought back."""
    named = [product.single_price, product.short_price, product.pool_price]
    return max([tariff.energy, *(price for price in named if price is not None)])


def find(market: Market, order: OrderId) -> tuple[ProductId, Instant, Book] | None:
    """Return where an order stands; None where it does not."""
    for product, books in market.books.items():
        for delivery, book in books.items():
            if order in book.orders:
                return product, delivery, book
    return None


def amend(
    registry: Registry, market: Market, ledger: Ledger, command: c.AmendOrder, at: Instant
) -> list[e.Event]:
    """Change an order before gate closure; a foreign or dead one is refused alike."""
    found = find(market, command.order)
    if found is None or found[2].orders[command.order].pod != command.pod:
        return refuse(Reason.UNKNOWN_ORDER, f"order {command.order}")
    name, delivery, book = found
    product = registry.products[name]
    fault = _gate(product, delivery, at) or _form(product, command.quantity_wh, command.limit)
    if fault is not None:
        return fault
    order = book.orders[command.order]
    facts = facts_then(registry, order.pod, delivery)
    tariff = tariff_at(registry, facts, delivery)
    at_risk = worst_case(product, tariff, order.side, command.quantity_wh, command.limit)
    left = available(registry, ledger, facts.party) + order.hold_nano
    # Who has nothing left may still risk less than before.
    if at_risk > max(left, order.hold_nano):
        return refuse(Reason.NO_COLLATERAL, f"needs {at_risk}, available {left} nano")
    return [
        e.OrderAmended(
            order=command.order,
            product=name,
            delivery=delivery,
            quantity_wh=command.quantity_wh,
            limit=command.limit,
            hold_nano=at_risk,
            keeps_place=command.limit == order.limit and command.quantity_wh <= order.quantity_wh,
        )
    ]


def cancel(
    registry: Registry, market: Market, command: c.CancelOrder, at: Instant
) -> list[e.Event]:
    """Withdraw an order before gate closure."""
    found = find(market, command.order)
    if found is None or found[2].orders[command.order].pod != command.pod:
        return refuse(Reason.UNKNOWN_ORDER, f"order {command.order}")
    name, delivery, _ = found
    fault = _gate(registry.products[name], delivery, at)
    if fault is not None:
        return fault
    return [e.OrderCancelled(order=command.order, product=name, delivery=delivery)]


def curtail(registry: Registry, market: Market, command: c.CurtailOrder) -> list[e.Event]:
    """Let the grid operator reduce an order until it is cleared."""
    if not has_role(registry, command.operator, Role.GRID_OPERATOR):
        return refuse(Reason.NOT_ALLOWED, "only the grid operator curtails")
    found = find(market, command.order)
    if found is None:
        return refuse(Reason.UNKNOWN_ORDER, f"order {command.order}")
    name, delivery, book = found
    order = book.orders[command.order]
    if not 0 <= command.quantity_wh < order.quantity_wh:
        return refuse(Reason.BAD_QUANTITY, f"0 to {order.quantity_wh - 1} Wh")
    product = registry.products[name]
    if command.quantity_wh % product.energy_tick:
        return refuse(Reason.OFF_TICK, f"quantities are multiples of {product.energy_tick} Wh")
    facts = facts_then(registry, order.pod, delivery)
    tariff = tariff_at(registry, facts, delivery)
    return [
        e.OrderCurtailed(
            order=command.order,
            product=name,
            delivery=delivery,
            quantity_wh=command.quantity_wh,
            hold_nano=worst_case(product, tariff, order.side, command.quantity_wh, order.limit),
            reason=command.reason,
        )
    ]


# --- changes ---------------------------------------------------------------------------------


def placed(registry: Registry, market: Market, ledger: Ledger, event: e.OrderPlaced) -> None:
    """Let an order stand, and hold its worst case."""
    book = market.books[event.product][event.delivery]
    name = account_at(registry, event.pod, event.delivery)
    book.orders[event.order] = Order(
        event.order,
        event.pod,
        event.side,
        event.quantity_wh,
        event.limit,
        event.hold_nano,
        name,
    )
    book.open_orders[event.pod] = book.open_orders.get(event.pod, 0) + 1
    market.next_order = event.order + 1
    hold(ledger, name, event.hold_nano)


def amended(market: Market, ledger: Ledger, event: e.OrderAmended) -> None:
    """Change an order; one that loses its place goes to the end."""
    book = market.books[event.product][event.delivery]
    order = book.orders[event.order]
    hold(ledger, order.account, event.hold_nano - order.hold_nano)
    order.quantity_wh, order.limit = event.quantity_wh, event.limit
    order.hold_nano = event.hold_nano
    if not event.keeps_place:
        del book.orders[event.order]
        book.orders[event.order] = order


def curtailed(market: Market, ledger: Ledger, event: e.OrderCurtailed) -> None:
    """Reduce an order in its place; to zero: it goes."""
    if event.quantity_wh == 0:
        gone(market, ledger, event.product, event.delivery, event.order)
        return
    order = market.books[event.product][event.delivery].orders[event.order]
    hold(ledger, order.account, event.hold_nano - order.hold_nano)
    order.quantity_wh, order.hold_nano = event.quantity_wh, event.hold_nano


def gone(
    market: Market, ledger: Ledger, product: ProductId, delivery: Instant, order: OrderId
) -> None:
    """Take an order out of its book and release its hold."""
    book = market.books[product][delivery]
    dead = book.orders.pop(order)
    hold(ledger, dead.account, -dead.hold_nano)
    left = book.open_orders[dead.pod] - 1
    if left:
        book.open_orders[dead.pod] = left
    else:
        del book.open_orders[dead.pod]


def cleared(market: Market, ledger: Ledger, product: ProductId, delivery: Instant) -> None:
    """Release what was held for the orders of a delivery, and close its book."""
    for order in market.books[product].pop(delivery).orders.values():
        hold(ledger, order.account, -order.hold_nano)
