"""Streets that trade continuously: what tests of the live exchange's order books begin with."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from tests.builders import MIDNIGHT, a_party, a_product, a_town, an_order
from tests.play import Play, of
from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.commands import Command
from wattbay.core.events import Event
from wattbay.core.facts import Mechanism, Product, Role, Side
from wattbay.core.ledger import available
from wattbay.core.market.orders import Book, worst_case, worst_price
from wattbay.core.market.steps import BUY, SELL
from wattbay.core.market.venue import Venue
from wattbay.core.registry import facts_then, tariff_at
from wattbay.core.terms import OrderTerms
from wattbay.ids import OrderId, PartyId, PodId, ProductId
from wattbay.periods import Instant

HALF_HOUR = ProductId("halfhour")
DSO, OPERATOR = PartyId("dso"), PartyId("operator")


def a_continuous(**changed: object) -> Product:
    """Return a product that is traded continuously."""
    return structs.replace(a_product(), **{"mechanism": Mechanism.CONTINUOUS, **changed})


def founding(
    product: Product | None = None, *, pods: int = 4, deliveries: int = 4
) -> list[Command]:
    """Return the commands that found a street whose pods ``h01``... trade continuously."""
    product = a_continuous() if product is None else product
    return [
        *a_town(pods, product=product, deliveries=deliveries),
        c.RegisterParty(party=a_party(DSO, roles=(Role.GRID_OPERATOR,))),
        c.RegisterParty(party=a_party(OPERATOR, roles=(Role.MARKET_OPERATOR,))),
    ]


def a_street(product: Product | None = None, *, pods: int = 4, deliveries: int = 4) -> Play:
    """Return a street whose pods ``h01``... trade continuously, with its operators."""
    return Play(founding(product, pods=pods, deliveries=deliveries))


def buy(
    pod: str, quantity_wh: int, limit: int | None, terms: OrderTerms | None = None, **more: object
) -> c.PlaceOrder:
    """Return a buy order for the first delivery."""
    command = an_order(pod, side=Side.BUY, quantity_wh=quantity_wh, limit=limit)
    return structs.replace(command, terms=terms, **more)


def sell(
    pod: str, quantity_wh: int, limit: int | None, terms: OrderTerms | None = None, **more: object
) -> c.PlaceOrder:
    """Return a sell order for the first delivery."""
    command = an_order(pod, side=Side.SELL, quantity_wh=quantity_wh, limit=limit)
    return structs.replace(command, terms=terms, **more)


def enter(street: Play, *commands: c.PlaceOrder) -> list[Event]:
    """Submit orders that are not refused, with what follows at once; return all events."""
    found: list[Event] = []
    for command in commands:
        found += street.do(command)
        found += street.until(street.at)
    return found


def fills(events: Iterable[Event]) -> list[tuple[int, int, int, int]]:
    """Return the trades among events: buy order, sell order, quantity, what the seller gets."""
    return [
        (one.buy_order, one.sell_order, one.quantity_wh, one.sell_price)
        for one in of(e.Traded, events)
    ]


def ended(events: Iterable[Event]) -> list[tuple[int, str, int | None]]:
    """Return the cancellations among events: order, reason, quantity."""
    return [(one.order, one.reason.value, one.quantity_wh) for one in of(e.OrderCancelled, events)]


def book_of(street: Play, delivery: int = MIDNIGHT) -> Book:
    """Return what stands for a delivery."""
    return street.exchange.state.market.books[HALF_HOUR][Instant(delivery)]


def venue_of(street: Play, delivery: int = MIDNIGHT) -> Venue:
    """Return where a delivery is traded."""
    venue = book_of(street, delivery).venue
    assert venue is not None
    return venue


def resting(street: Play, delivery: int = MIDNIGHT) -> list[tuple[str, int, int]]:
    """Return what rests, best first: side, order, open quantity."""
    kernel = venue_of(street, delivery).book
    return [
        (name, order, left)
        for name, side in (("buy", BUY), ("sell", SELL))
        for _, orders in kernel.side(side)
        for order, left in orders
    ]


def cancellation(order: int, pod: str) -> c.CancelOrder:
    """Return the withdrawal of an order."""
    return c.CancelOrder(order=OrderId(order), pod=PodId(pod))


def amendment(order: int, pod: str, quantity_wh: int, limit: int | None) -> c.AmendOrder:
    """Return a change of an order."""
    return c.AmendOrder(order=OrderId(order), pod=PodId(pod), quantity_wh=quantity_wh, limit=limit)


def left_of(street: Play, party: str) -> int:
    """Return what a party can still put at risk."""
    state = street.exchange.state
    return available(state.registry, state.ledger, PartyId(party))


def check_books(street: Play) -> None:
    """Assert what holds after every entry: what is held, what stands, and what the books say."""
    state = street.exchange.state
    expected: dict[str, int] = {}
    for name, books in state.market.books.items():
        for delivery, book in books.items():
            check_book(book)
            product = state.registry.products[name]
            for order in book.orders.values():
                facts = facts_then(state.registry, order.pod, delivery)
                tariff = tariff_at(state.registry, facts, delivery)
                price = worst_price(order.limit, order.terms)
                worst = worst_case(product, tariff, order.side, order.open_wh, price)
                assert order.hold_nano == worst
                expected[order.account] = expected.get(order.account, 0) + order.hold_nano
    for settled in state.deliveries.open.values():
        for account, amount in settled.holds.items():
            expected[account] = expected.get(account, 0) + amount
    held = {account: amount for account, amount in expected.items() if amount}
    assert held == state.ledger.held
    assert sum(state.ledger.money.values()) == 0
    assert all(sum(energy.values()) == 0 for energy in state.ledger.energy.values())


def check_book(book: Book) -> None:
    """Assert that a delivery's orders and its order book say the same, and that none cross."""
    assert all(order.open_wh > 0 for order in book.orders.values())
    if book.venue is None:
        return
    kernel = book.venue.book
    rests = {
        order: left
        for side in (BUY, SELL)
        for _, orders in kernel.side(side)
        for order, left in orders
    }
    stops = set(kernel.stops())
    known = {number: one.open_wh for number, one in book.orders.items() if not one.stands_by}
    assert {number: left for number, left in known.items() if number not in stops} == rests
    assert stops <= known.keys()
