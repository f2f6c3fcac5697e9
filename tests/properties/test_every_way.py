"""All mechanisms as products over the same deliveries, and whatever can be asked, at any time."""

from __future__ import annotations

from random import Random

import pytest
from msgspec import structs

from tests.builders import (
    EVE,
)
from tests.continuous import check_book
from tests.every_way import (
    BEGIN,
    BY_OPERATOR,
    DELIVERIES,
    FINAL_US,
    METERING,
    OPERATOR,
    OVER,
    PARTY_OF,
    PODS,
    a_command,
    an_allocation,
    founding,
)
from wattbay.agents.operator import MarketOperator, RuleTerms
from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.entered import told
from wattbay.core.exchange import Exchange
from wattbay.core.facts import (
    ArchivedDelivery,
    Mechanism,
    Side,
)
from wattbay.core.market.orders import Book, Order
from wattbay.core.products import BLOCK
from wattbay.core.settlement import archive
from wattbay.ids import (
    OrderId,
    ProductId,
)
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.codec import Entry
from wattbay.kernel.journal import MemoryJournal
from wattbay.kernel.kernel import Kernel
from wattbay.kernel.replay import rebuild, restore, snapshot, state_digest, verify
from wattbay.periods import MINUTE, Instant
from wattbay.views.operator import OperatorDesk

STEPS = 300
SEEDS = range(10)


# --- the street ------------------------------------------------------------------------------


class Street:
    """An exchange beside one that only hears what happened, and is at times taken up again."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.exchange = Exchange()
        self.again = Exchange()
        self.at = EVE
        self.asked: list[tuple[Instant, c.Command]] = []
        self.archived: dict[Instant, ArchivedDelivery] = {}
        self.events: list[e.Event] = []
        self.digest = state_digest(self.exchange)
        self.desks = [OperatorDesk(ProductId(name)) for name in BY_OPERATOR]

    def submit(self, command: c.Command) -> list[e.Event]:
        self.asked.append((self.at, command))
        return self._enter(command)

    def until(self, at: int) -> None:
        while (due := self.exchange.due()) is not None and due[0] <= at:
            self.at = max(self.at, due[0])
            events = self._enter(due[1])
            assert not any(isinstance(event, e.Rejected) for event in events), (due, events)
        self.at = Instant(max(self.at, at))

    def _enter(self, command: c.Command) -> list[e.Event]:
        events = self.exchange.decide(command, self.at)
        assert state_digest(self.exchange) == self.digest, f"decided {command}"
        self._archive(command, events)
        self.exchange.apply_all(events)
        self.again.apply_all(events)
        self.digest = state_digest(self.exchange)
        assert state_digest(self.again) == self.digest, command
        if self.chance.random() < 0.05:
            self.again = restore(snapshot(self.again, 1, b"")).exchange
            assert state_digest(self.again) == self.digest, command
        assert self.again.due() == self.exchange.due()
        self.events += events
        check(self.exchange)
        check_trades(self.exchange, events)
        for desk in self.desks:
            desk.fold(Entry(len(self.asked), self.at, command, tuple(events)))
        return events

    def clear(self) -> None:
        """Let the operator bring the result of what waits for one; now and then it is late."""
        for desk in self.desks:
            product = desk.product
            for delivery, book in sorted(self.exchange.state.market.books[product.product].items()):
                left = None if book.clears_at is None else book.clears_at - self.at
                if left is None or left > product.clearing_us or self.chance.random() < 0.7:
                    continue
                operator = MarketOperator(OPERATOR, product, RuleTerms())
                if product.rule != BLOCK:
                    commands = operator.clear(delivery, desk.orders(delivery), desk.worsening)
                elif book.first == delivery:
                    commands = operator.clear_day(desk.day(delivery), desk.worsening)
                else:
                    continue
                for command in commands:
                    assert not isinstance(self.submit(command)[0], e.Rejected), self.events[-1]

    def _archive(self, command: c.Command, events: list[e.Event]) -> None:
        """Keep the record of what becomes final."""
        for event in events:
            if not isinstance(event, e.DeliveryFinal):
                continue
            issued = {
                one.receipt.pod: one.receipt for one in events if isinstance(one, e.ReceiptIssued)
            }
            if isinstance(command, c.CorrectDelivery):
                record = command.record
                receipts = {one.pod: one for one in record.receipts} | issued
                kept = structs.replace(record, receipts=tuple(receipts.values()))
            else:
                found = self.exchange.state.deliveries.open[event.delivery]
                receipts = found.receipts | issued
                trades = found.trades.values()
                kept = archive(event.delivery, found.products, receipts.values(), trades)
            self.archived[event.delivery] = kept


def check(exchange: Exchange) -> None:
    """Assert what holds after every entry."""
    state = exchange.state
    expected: dict[str, int] = {}
    places: dict[OrderId, tuple[ProductId, Instant]] = {}
    for name, books in state.market.books.items():
        for delivery, book in books.items():
            check_book(book)
            check_stakes(book)
            for order in book.orders.values():
                assert order.hold_nano >= 0
                places[order.order] = (name, delivery)
                expected[order.account] = expected.get(order.account, 0) + order.hold_nano
    assert places == state.market.places
    for settled in state.deliveries.open.values():
        for account, amount in settled.holds.items():
            assert amount >= 0
            expected[account] = expected.get(account, 0) + amount
    assert {account: amount for account, amount in expected.items() if amount} == state.ledger.held
    assert sum(state.ledger.money.values()) == 0
    assert all(sum(energy.values()) == 0 for energy in state.ledger.energy.values())
    standing = state.market.standby
    waiting = {order for order, one in standing.orders.items() if one.waits}
    assert standing.orders.keys() <= places.keys()
    by_book = [
        order
        for books in state.market.books.values()
        for b in books.values()
        for order in b.orders.values()
    ]
    assert waiting == {order.order for order in by_book if order.stands_by}


def check_trades(exchange: Exchange, events: list[e.Event]) -> None:
    """Assert that what a trade costs was held, and that nobody met itself where it must not."""
    known = exchange.state.registry
    for event in told(events):
        if isinstance(event, e.Traded):
            product = known.products[event.product]
            assert event.buy_price - event.sell_price >= product.network_fee
            if product.mechanism in (Mechanism.CONTINUOUS, Mechanism.BILATERAL):
                assert event.buy_release_nano >= event.quantity_wh * event.buy_price
                assert event.sell_release_nano >= -event.quantity_wh * event.sell_price
            if product.self_trade is not None or product.mechanism is Mechanism.BILATERAL:
                assert PARTY_OF[event.buyer] != PARTY_OF[event.seller]


def check_stakes(book: Book) -> None:
    """Assert that what pods have at stake is what their orders say."""
    for pod, stake in book.stakes.items():
        mine = [order for order in book.orders.values() if order.pod == pod]
        assert stake.orders == len(mine)
        assert stake.buying_wh == _open(mine, Side.BUY)
        assert stake.selling_wh == _open(mine, Side.SELL)
        assert min(stake.bought_wh, stake.sold_wh) >= 0


def _open(orders: list[Order], side: Side) -> int:
    return sum(order.open_wh for order in orders if order.side is side)


def played(seed: int) -> Street:
    """Return a street after all that was asked, and all that fell due."""
    chance = Random(seed)
    street = Street(chance)
    for command in founding(chance):
        assert not isinstance(street.submit(command)[0], e.Rejected)
    street.until(BEGIN)
    for _ in range(STEPS):
        street.until(street.at + chance.choice((0,) * 12 + (5, 5, 10)) * MINUTE)
        street.submit(a_command(chance, street))
        street.until(street.at)
        street.clear()
        if street.at >= OVER and chance.random() < 0.2:
            street.submit(an_allocation(street, chance, chance.choice(DELIVERIES)))
    street.until(max(street.at, OVER))
    for delivery in DELIVERIES:
        street.submit(an_allocation(street, chance, delivery))
    street.until(max(street.at, OVER + FINAL_US))
    for _ in range(6):
        pod, delivery = chance.choice(PODS), chance.choice(DELIVERIES)
        energies = 10 * chance.randint(0, 30), 10 * chance.randint(0, 30)
        correction = c.CorrectDelivery(
            responsible=METERING,
            record=street.archived[delivery],
            pod=pod,
            import_wh=energies[0],
            export_wh=energies[1],
            reason="read wrongly",
        )
        assert not isinstance(street.submit(correction)[0], e.Rejected), street.events[-1]
        if chance.random() < 0.3:
            street.submit(c.IssueStatements(month="2013-06"))
    street.submit(c.IssueStatements(month="2013-06"))
    return street


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_balances_after_every_entry_whatever_is_asked(seed: int) -> None:
    street = played(seed)
    state = street.exchange.state
    assert state.ledger.held == {}
    assert state.ledger.energy == {}
    assert not any(state.market.books.values())
    assert state.deliveries.open == {}
    check_statements(street)


def check_statements(street: Street) -> None:
    """Assert that statements sum, and say what stands on the account."""
    stated = [event.statement for event in street.events if isinstance(event, e.StatementIssued)]
    assert {one.pod for one in stated} == set(PODS)
    known = street.exchange.state
    for statement in stated:
        amounts = [line.amount_nano for line in statement.lines]
        assert sum(amounts[:-1]) == amounts[-1]
        name = f"{statement.pod}/{statement.party}"
        late = known.statements.corrections.get(name)
        moved = 0 if late is None else late.corrections
        assert known.ledger.money.get(name, 0) == -amounts[-1] - moved


@pytest.mark.parametrize("seed", [*SEEDS][:3])
def test_kernel_comes_to_the_same_and_its_journal_verifies(seed: int) -> None:
    street = played(seed)
    journal, clock = MemoryJournal(), SimulatedClock(EVE)
    kernel = Kernel(journal, clock)
    for at, command in street.asked:
        kernel.advance(at)
        kernel.submit(command)
    assert state_digest(kernel.exchange) == street.digest
    assert state_digest(rebuild(journal)) == street.digest
    assert state_digest(verify(journal).exchange) == street.digest
