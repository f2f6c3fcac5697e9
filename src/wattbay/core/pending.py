"""What batches changed and nobody has looked at yet: orders and trades that stand in rows.

A batch of plain orders changes its order book, the money and the positions at once. Its orders and
trades are unfolded when somebody asks for them by name, and no sooner: most are filled or withdrawn
by then. What is unfolded is the same whenever that is.
"""

from __future__ import annotations

from bisect import bisect_right

from wattbay.core import events as e
from wattbay.core.batches import (
    CHANGE_WIDTH,
    ORDER_WIDTH,
    TRADE_WIDTH,
    OrdersEntered,
    PodMoved,
    unpacked,
)
from wattbay.core.entered import Rooms, Telling
from wattbay.core.facts import Side
from wattbay.core.ledger import account_at, hold
from wattbay.core.market.columns import column_of
from wattbay.core.market.orders import Book, Order, Stake
from wattbay.core.market.venue import Venue, admit
from wattbay.core.registry import facts_then
from wattbay.errors import InvariantBroken
from wattbay.ids import OrderId, PodId, ProductId
from wattbay.periods import Instant

Place = tuple[ProductId, Instant]

ALOOF = frozenset({e.Rejected, e.ReadingAccepted, e.EnergyMetered})
"""Events that touch no order and no trade."""


class Pending:
    """Batches whose orders or trades nobody has asked for yet."""

    __slots__ = ("_orders", "_trades")

    def __init__(self) -> None:
        """Begin with none."""
        self._orders: dict[Place, list[OrdersEntered]] = {}
        self._trades: dict[Instant, list[OrdersEntered]] = {}

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._orders or self._trades)

    def fold(self, rooms: Rooms, event: OrdersEntered) -> None:
        """Let a batch of plain orders be so, and keep its orders and trades in rows."""
        registry, market, _, ledger = rooms
        place = (event.product, event.delivery)
        book = market.books[event.product][event.delivery]
        venue = venue_of(book)
        product = registry.products[event.product]
        for pod, side in zip(event.arrivals[::2], event.arrivals[1::2], strict=True):
            facts = facts_then(registry, event.pods[pod], event.delivery)
            admit(venue, product, facts, Side.BUY if side > 0 else Side.SELL, None)
        venue.book.fold_packed(column_of(unpacked(event.rows)))
        orders = len(event.orders) // (ORDER_WIDTH * 8)  # divides: exactly, rows of whole numbers
        trades = len(event.trades) // (TRADE_WIDTH * 8)  # divides: likewise
        market.next_order = OrderId(event.first_order + orders)
        market.next_trade += trades
        book.volume_wh += event.volume_wh
        book.value_nano += event.value_nano
        for moved in event.accounts:
            if moved.money_nano or moved.is_new:
                ledger.money[moved.account] = ledger.money.get(moved.account, 0) + moved.money_nano
            hold(ledger, moved.account, moved.held_nano)
        for stake in event.positions:
            _move(book, stake)
        if event.rows:
            self._orders.setdefault(place, []).append(event)
        if trades:
            self._trades.setdefault(event.delivery, []).append(event)
            _note_trades(rooms, event)
            if venue.has_stops:
                market.reached[place] = None

    def settle(self, rooms: Rooms) -> None:
        """Unfold all."""
        for place in tuple(self._orders):
            self.settle_orders(rooms, place)
        trades, self._trades = self._trades, {}
        for delivery, events in trades.items():
            kept = rooms.deliveries.open[delivery].trades
            for event in events:
                for trade in Telling(event).trades():
                    kept[trade.trade] = trade

    def settle_orders(self, rooms: Rooms, place: Place) -> None:
        """Unfold the orders of a delivery."""
        events = self._orders.pop(place, None)
        if events is not None:
            _unfold(rooms, place, events)


def venue_of(book: Book) -> Venue:
    """Return where a delivery is traded.

    Raises
    ------
    InvariantBroken
        If it is not traded continuously.
    """
    if book.venue is None:
        raise InvariantBroken("batches are of continuous trading")
    return book.venue


def _move(book: Book, moved: PodMoved) -> None:
    """Change what a pod has at stake."""
    stake = book.stakes.get(moved.pod)
    if stake is None:
        stake = book.stakes[moved.pod] = Stake()
    stake.orders += moved.orders
    stake.buying_wh += moved.buying_wh
    stake.selling_wh += moved.selling_wh
    stake.bought_wh += moved.bought_wh
    stake.sold_wh += moved.sold_wh


def _note_trades(rooms: Rooms, event: OrdersEntered) -> None:
    """Move the energy of trades, and note what sellers may lose by being short."""
    energy = rooms.ledger.energy.setdefault(event.delivery, {})
    for moved in event.positions:
        if moved.bought_wh or moved.sold_wh:
            net_wh = moved.bought_wh - moved.sold_wh
            energy[moved.pod] = energy.get(moved.pod, 0) + net_wh
    holds = rooms.deliveries.open[event.delivery].holds
    for one in event.accounts:
        if one.short_nano:
            holds[one.account] = holds.get(one.account, 0) + one.short_nano


def _unfold(rooms: Rooms, place: Place, events: list[OrdersEntered]) -> None:
    """Let the orders of a delivery be what its order book says they are."""
    registry, market, _, _ = rooms
    product, delivery = place
    book = market.books[product][delivery]
    kernel = venue_of(book).book
    changed = _changes_of(events)
    firsts = [event.first_order for event in events]
    columns = [unpacked(event.orders) for event in events]
    accounts: dict[PodId, str] = {}
    lives = kernel.lines()
    orders = book.orders
    for number, order in tuple(orders.items()):
        if order.stands_by or kernel.is_known(number):
            continue
        del orders[number]
        del market.places[number]
    for raw, side, limit, total, left in lives:
        number = OrderId(raw)
        change = changed.get(number)
        known = orders.get(number)
        if known is None:
            at = bisect_right(firsts, number) - 1
            event, column = events[at], columns[at]
            row = (number - event.first_order) * ORDER_WIDTH
            pod = event.pods[column[row]]
            name = accounts.get(pod)
            if name is None:
                name = accounts[pod] = account_at(registry, pod, delivery)
            each = change[0] if change is not None else column[row + 1]
            sign = Side.BUY if side > 0 else Side.SELL
            orders[number] = Order(number, pod, sign, total, limit, each * left, name, total - left)
            market.places[number] = place
        elif known.terms is None and (change is not None or known.open_wh != left):
            each = known.hold_nano // known.open_wh  # divides: exactly, each open Wh holds as much
            each = each if change is None else change[0]
            known.quantity_wh, known.filled_wh = total, total - left
            known.limit, known.hold_nano = limit, each * left
            if change is not None and change[1]:
                del orders[number]
                orders[number] = known


def _changes_of(events: list[OrdersEntered]) -> dict[int, tuple[int, bool]]:
    """Return of orders that were changed what each Wh holds, and whether they lost their place."""
    found: dict[int, tuple[int, bool]] = {}
    for event in events:
        rows = unpacked(event.changes)
        for at in range(0, len(rows), CHANGE_WIDTH):
            number, keeps, each = rows[at], rows[at + 4], rows[at + 6]
            _, has_lost = found.get(number, (0, False))
            found[number] = (each, has_lost or not keeps)
    return found
