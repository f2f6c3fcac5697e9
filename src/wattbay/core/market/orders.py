"""What every order goes through, whatever its market; and its life where it waits for an auction.

Who may order, how much, and what is held for it; then: stand, amend, cancel, curtail, be cleared.
"""

from __future__ import annotations

from msgspec import Struct, field

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.facts import Mechanism, NetworkLimit, PodFacts, Product, Side, Tariff
from wattbay.core.ledger import Ledger, account, available, hold
from wattbay.core.market import form
from wattbay.core.market.product import gate_closes
from wattbay.core.market.standby import Standby, forget
from wattbay.core.market.venue import Venue
from wattbay.core.reasons import Reason
from wattbay.core.registry import (
    Registry,
    facts_at,
    facts_then,
    refuse,
    tariff_at,
)
from wattbay.core.terms import OrderTerms
from wattbay.ids import OrderId, PodId, ProductId
from wattbay.periods import Instant

ORDERS_PER_DELIVERY_MAX = 1_000_000


class Order(Struct, gc=False):
    """An order that stands."""

    order: OrderId
    pod: PodId
    side: Side
    quantity_wh: int
    """All of it, with what is filled."""
    limit: int | None
    hold_nano: int
    """The worst case of what is open of it."""
    account: str
    """On which its hold stands."""
    filled_wh: int = 0
    terms: OrderTerms | None = None
    stands_by: bool = False
    """Waits for a condition or an instant: its market does not know it yet."""

    @property
    def open_wh(self) -> int:
        """What of it can still trade."""
        return self.quantity_wh - self.filled_wh


class Stake(Struct, gc=False):
    """What a pod has at stake in a delivery of a product."""

    orders: int = 0
    """How many stand."""
    buying_wh: int = 0
    """Open in its buy orders."""
    selling_wh: int = 0
    bought_wh: int = 0
    sold_wh: int = 0


class Book(Struct):
    """What stands for one delivery of a product, from its listing until trading is over."""

    orders: dict[OrderId, Order] = field(default_factory=dict)
    """By place in time."""
    stakes: dict[PodId, Stake] = field(default_factory=dict)
    """Of each pod that ordered."""
    clears_at: Instant | None = None
    """Once its gate is closed and the network is checked."""
    volume_wh: int = 0
    """Traded before the gate closed."""
    value_nano: int = 0
    """What sellers got for it."""
    venue: Venue | None = None
    """Of a product that is traded continuously."""
    first: Instant | None = None
    """Of an auction with blocks: the first delivery of its day, before which all gates close."""

    def gate_of(self, delivery: Instant) -> Instant:
        """Return the delivery before which the gate of this one closes."""
        return delivery if self.first is None else self.first


class Market(Struct, omit_defaults=True):
    """Books, the limits of the network, and the next numbers."""

    books: dict[ProductId, dict[Instant, Book]] = field(default_factory=dict)
    limits: list[NetworkLimit] = field(default_factory=list)
    """As submitted, until their spans have passed; where there are none, a snapshot has none."""
    next_order: int = 1
    next_trade: int = 1
    places: dict[OrderId, tuple[ProductId, Instant]] = field(default_factory=dict)
    """Where each order stands."""
    reached: dict[tuple[ProductId, Instant], None] = field(default_factory=dict)
    """Deliveries in which a stop may have been reached that has not acted yet."""
    standby: Standby = field(default_factory=Standby)
    """Who waits for what."""


# --- decisions -------------------------------------------------------------------------------


class Entrant(Struct, frozen=True, gc=False):
    """An order that nothing speaks against, and what was looked up to know."""

    command: c.PlaceOrder
    product: Product
    book: Book
    facts: PodFacts
    tariff: Tariff
    hold_nano: int


def check(
    registry: Registry, market: Market, ledger: Ledger, command: c.PlaceOrder, at: Instant
) -> Entrant | list[e.Event]:
    """Return what is known of an order that may stand, or the refusal of one that may not."""
    found = entrant_of(registry, market, command, at)
    if isinstance(found, Entrant) and found.hold_nano:
        left = available(registry, ledger, found.facts.party)
        if found.hold_nano > left:
            detail = f"needs {found.hold_nano}, available {left} nano"
            return refuse(Reason.NO_COLLATERAL, detail)
    return found


def entrant_of(
    registry: Registry, market: Market, command: c.PlaceOrder, at: Instant
) -> Entrant | list[e.Event]:
    """Return what is known of an order that may stand if its party can pay, or its refusal."""
    product = registry.products.get(command.product)
    if product is None:
        return refuse(Reason.UNKNOWN_PRODUCT, f"product {command.product}")
    if product.mechanism is Mechanism.COMMUNITY:
        return refuse(Reason.NOT_ALLOWED, "this product is settled without orders")
    book = market.books[command.product].get(command.delivery)
    if book is None:
        return no_book(registry, product, command.delivery, at)
    fault = gate_fault(product, book.gate_of(command.delivery), at)
    if fault is not None:
        return fault
    pod = command.pod
    facts = facts_at(registry, pod, command.delivery)
    if facts is None:
        return refuse(Reason.UNKNOWN_POD, f"pod {pod} at that delivery")
    terms, price, quantity = command.terms, command.limit, command.quantity_wh
    fault = size_fault(product, quantity, price)
    if fault is not None:
        return fault
    if terms is not None or price is None:
        wrong = form.fault_of(product, command)
        if wrong is not None:
            return refuse(*wrong)
        price = worst_price(price, terms)
    if terms is not None and terms.partner is not None and terms.partner not in registry.parties:
        return refuse(Reason.UNKNOWN_PARTY, f"party {terms.partner}")
    fault = _room(product, book, command)
    if fault is not None:
        return fault
    tariff = tariff_at(registry, facts, command.delivery)
    at_risk = worst_case(product, tariff, command.side, quantity, price)
    return Entrant(command, product, book, facts, tariff, at_risk)


def stand(market: Market, entrant: Entrant, *, stands_by: bool = False) -> list[e.Event]:
    """Let an order stand that trades with nobody yet."""
    return [standing(OrderId(market.next_order), entrant, stands_by=stands_by)]


def standing(number: OrderId, entrant: Entrant, *, stands_by: bool = False) -> e.OrderPlaced:
    """Return the event by which an order stands under a number."""
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
        waits=stands_by,
    )


def _room(product: Product, book: Book, command: c.PlaceOrder) -> list[e.Event] | None:
    """Refuse more orders, or a larger position, than a pod or a delivery may have."""
    stake = book.stakes.get(command.pod)
    if stake is not None and stake.orders >= product.orders_per_pod_max:
        return refuse(Reason.TOO_MANY, f"{product.orders_per_pod_max} open orders are the most")
    if len(book.orders) >= ORDERS_PER_DELIVERY_MAX:
        return refuse(Reason.TOO_MANY, f"{ORDERS_PER_DELIVERY_MAX} orders are the most")
    if product.position_max_wh is None:
        return None
    return position_fault(product, stake, command.side, command.quantity_wh)


def position_fault(
    product: Product, stake: Stake | None, side: Side, more_wh: int
) -> list[e.Event] | None:
    """Refuse what could lead a pod beyond the product's position limit."""
    most = product.position_max_wh
    if most is None or more_wh <= 0:
        return None
    before = 0
    if stake is not None and side is Side.BUY:
        before = stake.buying_wh + stake.bought_wh
    elif stake is not None:
        before = stake.selling_wh + stake.sold_wh
    if before + more_wh <= most:
        return None
    return refuse(Reason.POSITION_LIMIT, f"{most} Wh is the most; {max(0, most - before)} are left")


def no_book(registry: Registry, product: Product, delivery: Instant, at: Instant) -> list[e.Event]:
    """Say why a delivery has no book: never listed, or cleared."""
    if delivery % registry.isp_us == 0 and gate_closes(product, delivery) <= at:
        return refuse(Reason.GATE_CLOSED, "the gate of this delivery is closed")
    return refuse(Reason.UNKNOWN_DELIVERY, "no such delivery is listed")


def gate_fault(product: Product, delivery: Instant, at: Instant) -> list[e.Event] | None:
    """Refuse what comes before the gate opens or when it is closed."""
    # What `gate_closes` and `gate_opens` say: asked of every order, so without the calls.
    if at >= delivery - product.closes_before_us:
        return refuse(Reason.GATE_CLOSED, "an action stamped at gate closure is late")
    if at < delivery - product.opens_before_us:
        return refuse(Reason.GATE_NOT_OPEN, "the gate of this delivery opens later")
    return None


def size_fault(product: Product, quantity_wh: int, limit: int | None) -> list[e.Event] | None:
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


def worst_price(limit: int | None, terms: OrderTerms | None) -> int | None:
    """Return the worst price that an order accepts; None where it names none."""
    return terms.protection if limit is None and terms is not None else limit


def worst_case(
    product: Product, tariff: Tariff, side: Side, quantity_wh: int, limit: int | None
) -> int:
    """Return the most that an order can cost its party. [nano-currency]

    A buyer pays its limit at most. A seller may have to pay a negative price, and may be short:
    then it buys back at the supplier's price what it sold at its limit. A limit is all-in; who
    names none may meet the last price of the product, and the network fee comes on top.
    """
    if side is Side.BUY:
        price = product.price_max + _dearest_fee(product) if limit is None else limit
        return quantity_wh * price if price > 0 else 0
    price = product.price_min - _dearest_fee(product) if limit is None else limit
    return quantity_wh * max(0, -price, short_price(product, tariff) - price)


def _dearest_fee(product: Product) -> int:
    """Return the most that the network may take a Wh, where prices are not verified all-in."""
    if product.mechanism is Mechanism.SUBMITTED:
        return 0
    return max((fee.nano_per_wh for fee in product.network_fees), default=product.network_fee)


def released_nano(order: Order, energy_wh: int) -> int:
    """Return what is no longer held for an order once a part of what is open is over."""
    each = order.hold_nano // order.open_wh  # divides: exactly, each Wh that is open holds as much
    return each * energy_wh


def short_price(product: Product, tariff: Tariff) -> int:
    """Return the dearest price at which energy that was sold and not made is bought back."""
    dearest = tariff.energy
    for price in (product.single_price, product.short_price, product.pool_price):
        if price is not None and price > dearest:
            dearest = price
    return dearest


def find(market: Market, order: OrderId) -> tuple[ProductId, Instant, Book] | None:
    """Return where an order stands; None where it does not."""
    place = market.places.get(order)
    if place is None:
        return None
    product, delivery = place
    return product, delivery, market.books[product][delivery]


class Change(Struct, frozen=True, gc=False):
    """A change that nothing speaks against, and what was looked up to know."""

    command: c.AmendOrder
    product: Product
    delivery: Instant
    book: Book
    order: Order
    hold_nano: int
    """The worst case of what will be open."""


def check_change(
    registry: Registry, market: Market, ledger: Ledger, command: c.AmendOrder, at: Instant
) -> Change | list[e.Event]:
    """Return what is known of a change that may be, or its refusal.

    A foreign order and a dead one are refused alike. The quantity is all of it, with what is
    filled: so it means the same whatever trades in the meantime.
    """
    found = find(market, command.order)
    if found is None or found[2].orders[command.order].pod != command.pod:
        return refuse(Reason.UNKNOWN_ORDER, f"order {command.order}")
    name, delivery, book = found
    product = registry.products[name]
    fault = gate_fault(product, book.gate_of(delivery), at) or size_fault(
        product, command.quantity_wh, command.limit
    )
    if fault is not None:
        return fault
    order = book.orders[command.order]
    more = command.quantity_wh - order.quantity_wh
    fault = position_fault(product, book.stakes[order.pod], order.side, more)
    if fault is not None:
        return fault
    facts = facts_then(registry, order.pod, delivery)
    tariff = tariff_at(registry, facts, delivery)
    left_wh = max(0, command.quantity_wh - order.filled_wh)
    price = worst_price(command.limit, order.terms)
    at_risk = worst_case(product, tariff, order.side, left_wh, price)
    left = available(registry, ledger, facts.party) + order.hold_nano
    # Who has nothing left may still risk less than before.
    if at_risk > max(left, order.hold_nano):
        return refuse(Reason.NO_COLLATERAL, f"needs {at_risk}, available {left} nano")
    return Change(command, product, delivery, book, order, at_risk)


def amend(change: Change) -> list[e.Event]:
    """Change an order that no order book knows; made no larger than what is filled, it is over."""
    command, order = change.command, change.order
    if command.quantity_wh <= order.filled_wh:
        return [
            e.OrderCancelled(
                order=command.order,
                product=change.product.product,
                delivery=change.delivery,
                quantity_wh=order.open_wh,
            )
        ]
    keeps = command.limit == order.limit and command.quantity_wh <= order.quantity_wh
    return [
        e.OrderAmended(
            order=command.order,
            product=change.product.product,
            delivery=change.delivery,
            quantity_wh=command.quantity_wh,
            limit=command.limit,
            hold_nano=change.hold_nano,
            keeps_place=keeps,
        )
    ]


# --- changes ---------------------------------------------------------------------------------


def placed(registry: Registry, market: Market, ledger: Ledger, event: e.OrderPlaced) -> PodFacts:
    """Let an order stand, and hold its worst case; return what holds of its pod."""
    book = market.books[event.product][event.delivery]
    facts = facts_then(registry, event.pod, event.delivery)
    name = account(event.pod, facts.party)
    book.orders[event.order] = order_of(event, name)
    market.places[event.order] = (event.product, event.delivery)
    stake = book.stakes.get(event.pod)
    if stake is None:
        stake = book.stakes[event.pod] = Stake()
    stake.orders += 1
    _open(stake, event.side, event.quantity_wh)
    market.next_order = event.order + 1
    hold(ledger, name, event.hold_nano)
    return facts


def order_of(event: e.OrderPlaced, name: str) -> Order:
    """Return the order that an event lets stand, with its hold on an account."""
    return Order(
        event.order,
        event.pod,
        event.side,
        event.quantity_wh,
        event.limit,
        event.hold_nano,
        name,
        0,
        event.terms,
        # In a book it is known where it waits for its stop: then it says what rests of it.
        event.waits and event.rests_wh is None,
    )


def _open(stake: Stake, side: Side, energy_wh: int) -> None:
    """Count what came to be open, or ceased to be."""
    if side is Side.BUY:
        stake.buying_wh += energy_wh
    else:
        stake.selling_wh += energy_wh


def resize(book: Book, ledger: Ledger, order: Order, quantity_wh: int, hold_nano: int) -> None:
    """Let an order be of another quantity, and hold its other worst case."""
    _open(book.stakes[order.pod], order.side, quantity_wh - order.quantity_wh)
    hold(ledger, order.account, hold_nano - order.hold_nano)
    order.quantity_wh, order.hold_nano = quantity_wh, hold_nano


def filled(book: Book, ledger: Ledger, order: Order, energy_wh: int, release_nano: int) -> None:
    """Let a part of an order be traded, and release what was held for it."""
    stake = book.stakes[order.pod]
    if order.side is Side.BUY:
        stake.buying_wh -= energy_wh
        stake.bought_wh += energy_wh
    else:
        stake.selling_wh -= energy_wh
        stake.sold_wh += energy_wh
    order.filled_wh += energy_wh
    order.hold_nano -= release_nano
    hold(ledger, order.account, -release_nano)


def amended(market: Market, ledger: Ledger, event: e.OrderAmended) -> None:
    """Change an order; one that loses its place goes to the end."""
    book = market.books[event.product][event.delivery]
    order = book.orders[event.order]
    resize(book, ledger, order, event.quantity_wh, event.hold_nano)
    order.limit = event.limit
    if not event.keeps_place:
        del book.orders[event.order]
        book.orders[event.order] = order


def curtailed(market: Market, ledger: Ledger, event: e.OrderCurtailed) -> None:
    """Reduce an order in its place; to what is filled of it: it goes."""
    book = market.books[event.product][event.delivery]
    order = book.orders[event.order]
    if event.quantity_wh <= order.filled_wh:
        gone(market, ledger, event.product, event.delivery, event.order)
        return
    resize(book, ledger, order, event.quantity_wh, event.hold_nano)


def gone(
    market: Market, ledger: Ledger, product: ProductId, delivery: Instant, order: OrderId
) -> None:
    """Take an order out of its book and release its hold."""
    book = market.books[product][delivery]
    dead = book.orders.pop(order)
    del market.places[order]
    forget(market.standby, order)
    hold(ledger, dead.account, -dead.hold_nano)
    stake = book.stakes[dead.pod]
    stake.orders -= 1
    _open(stake, dead.side, -dead.open_wh)


def cleared(market: Market, ledger: Ledger, product: ProductId, delivery: Instant) -> None:
    """Release what was held for the orders of a delivery, and close its book."""
    for order in market.books[product].pop(delivery).orders.values():
        hold(ledger, order.account, -order.hold_nano)
        del market.places[order.order]
        forget(market.standby, order.order)
