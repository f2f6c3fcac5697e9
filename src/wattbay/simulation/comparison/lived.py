"""Rules that the exchange itself trades by: a variant of the scenario, lived through in memory.

Every reading is signed, sent, decoded, decided and settled as in any run; only the journal is kept
in memory and forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from msgspec import structs

from wattbay.core import events as e
from wattbay.core.commands import Command, PlaceOrder, SubmitAllocation
from wattbay.core.entered import told
from wattbay.core.facts import Mechanism, Product, Side
from wattbay.core.market.auction import Orders, Rules, clear
from wattbay.core.registry import Registry
from wattbay.ids import OrderId, PodId
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.codec import Entry
from wattbay.kernel.intake import SimulatedIntake
from wattbay.kernel.journal import MemoryJournal
from wattbay.kernel.kernel import Answer, Kernel, Reader
from wattbay.periods import Instant, tile
from wattbay.simulation.comparison.outcome import Deal, Outcome, Surplus
from wattbay.simulation.comparison.sums import Billed, Sums, billed
from wattbay.simulation.founding import founded_at
from wattbay.simulation.scenario_facts import Scenario
from wattbay.simulation.town import Door, Progress, Town, operator_desk
from wattbay.views.market import Auctions
from wattbay.views.meters import MeterKeys

COMMANDS_WAITING_MAX = 1_000_000
"""At one instant every home may publish and order."""


class Book(NamedTuple):
    """The orders of a delivery, each side in order of arrival."""

    buys: list[e.OrderPlaced]
    sells: list[e.OrderPlaced]


class Life(NamedTuple):
    """What is kept of a life."""

    outcome: Outcome
    registry: Registry
    """As it was at the end."""
    response_nano: list[int]
    """By home: what its statements say of responses that were called."""


def deliveries_of(scenario: Scenario) -> list[Instant]:
    """Return the starts of all deliveries, in order."""
    return [delivery.start for _, day in scenario.days for delivery in tile(day, scenario.isp_us)]


class Witness:
    """Reads the journal as it is written, and keeps what a comparison needs."""

    def __init__(self, scenario: Scenario) -> None:
        """Watch a life of this scenario."""
        starts = deliveries_of(scenario)
        pods = [home.pod for home in scenario.homes]
        self._product = scenario.product
        self._places = {start: place for place, start in enumerate(starts)}
        self._homes = {pod: place for place, pod in enumerate(pods)}
        self._sums = Sums(pods, starts)
        self._bills = [[0] * len(Billed._fields) for _ in pods]
        self._traded: dict[int, list[e.Traded]] = {}
        self.books: dict[Instant, Book] = {}
        """All orders that were placed, by delivery."""

    def fold(self, entry: Entry) -> None:
        """Take the next entry of history."""
        for event in told(entry.events):
            match event:
                case e.ReceiptIssued():
                    self._sums.add(event.receipt, event.corrects)
                case e.Traded():
                    self._traded.setdefault(self._places[event.delivery], []).append(event)
                case e.TradeCancelled(traded=traded):
                    self._traded[self._places[traded.delivery]].remove(traded)
                case e.OrderPlaced():
                    book = self.books.setdefault(event.delivery, Book([], []))
                    (book.buys if event.side is Side.BUY else book.sells).append(event)
                case e.StatementIssued():
                    self._state(event)
                case _:
                    pass

    def _state(self, event: e.StatementIssued) -> None:
        """Add a statement to the bill of its pod, less what it carries over and what was paid."""
        bill = self._bills[self._homes[event.statement.pod]]
        for place, amount in enumerate(billed(event.statement)):
            bill[place] += amount

    def outcome(self) -> Outcome:
        """Return what it all came to."""
        deals = [
            Deal(place, trade.quantity_wh, trade.buy_price, trade.sell_price)
            for place, trades in sorted(self._traded.items())
            for trade in trades
        ]
        surplus = self._surplus() if self.books else None
        bill, standing, tax, _ = (list(column) for column in zip(*self._bills, strict=True))
        return Outcome(self._sums.table(), bill, standing, tax, deals, surplus)

    @property
    def response_nano(self) -> list[int]:
        """What each home's statements say of responses that were called. [nano-currency]"""
        return [Billed(*bill).response for bill in self._bills]

    def _surplus(self) -> Surplus:
        """Weigh trades, and the most that any rule could have made of the orders, by limits."""
        limits: dict[OrderId, int | None] = {
            order.order: order.limit
            for book in self.books.values()
            for order in (*book[0], *book[1])
        }
        reached = 0
        for trades in self._traded.values():
            for trade in trades:
                buy, sell = limits[trade.buy_order], limits[trade.sell_order]
                # A market order names no worth: it counts as what it pays or gets.
                worth = trade.buy_price if buy is None else buy
                cost = trade.sell_price if sell is None else sell
                reached += trade.quantity_wh * (worth - cost - self._fee(trade))
        most = sum(best_surplus(self._product, book) for book in self.books.values())
        return Surplus(reached, most)

    def _fee(self, trade: e.Traded) -> int:
        """Return what the network gets of a trade's price; that is no gain. [nano per Wh]"""
        if self._product.mechanism is Mechanism.CONTINUOUS:
            return trade.buy_price - trade.sell_price
        return self._product.network_fee


def columns(orders: Sequence[e.OrderPlaced]) -> Orders:
    """Return one side of a book as an auction takes it."""
    return Orders([order.limit for order in orders], [order.quantity_wh for order in orders])


def best_surplus(product: Product, book: Book) -> int:
    """Return the most that could be gained of the orders of a delivery. [nano-currency]

    Where fees differ by zone, as in continuous trading, none is counted: it is a bound then.
    """
    fee = 0 if product.mechanism is Mechanism.CONTINUOUS else product.network_fee
    rules = Rules(reference=product.reference, price_tick=product.price_tick, network_fee=fee)
    return clear(columns(book.buys), columns(book.sells), rules).surplus_maximum


class QuietDoor:
    """A door through which nothing comes that trades: the market is closed."""

    def __init__(self, door: Door) -> None:
        """Stand before a door."""
        self._door = door

    def submit_many(self, commands: Sequence[Command]) -> list[Answer]:
        """Let everything through but what trades."""
        kept = [one for one in commands if not isinstance(one, PlaceOrder | SubmitAllocation)]
        return self._door.submit_many(kept) if kept else []

    def advance(self, to: Instant) -> None:
        """Let it be `to`."""
        self._door.advance(to)


class Living:
    """A variant of a scenario while it is lived through."""

    def __init__(self, scenario: Scenario, *, quiet: bool = False) -> None:
        """Found nothing yet; nobody trades where it is `quiet`."""
        self._witness = Witness(scenario)
        auctions, keys = Auctions(scenario.product.product), MeterKeys()
        desks = operator_desk(scenario)
        readers: list[Reader] = [self._witness, auctions, keys, *desks]
        self._kernel = Kernel(MemoryJournal(), SimulatedClock(founded_at(scenario)), readers)
        door: Door = SimulatedIntake(self._kernel, COMMANDS_WAITING_MAX)
        self._town = Town(scenario, QuietDoor(door) if quiet else door, auctions, keys, *desks)

    def steps(self) -> Iterator[Progress]:
        """Live through all deliveries; tell after each how far it has come."""
        yield from self._town.run()

    def life(self) -> Life:
        """Return what is kept once all is over."""
        registry = self._kernel.exchange.state.registry
        return Life(self._witness.outcome(), registry, self._witness.response_nano)


def with_product(scenario: Scenario, **changes: object) -> Scenario:
    """Return a scenario with another product."""
    return replace(scenario, product=structs.replace(scenario.product, **changes))


def pods_of(scenario: Scenario) -> list[PodId]:
    """Return the pods of all homes, in order."""
    return [home.pod for home in scenario.homes]
