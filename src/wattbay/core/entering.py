"""Batches of plain steps: decided as one command, and each step as the command that it stands for.

A batch has no rules of its own. Its steps are decided one after the other by the desk that decides
single commands, on a copy of what they touch: the book of their delivery, and the money. What came
of each is let be so there, before the next. So how steps are cut into batches changes nothing.
"""

from __future__ import annotations

from msgspec import structs

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.batches import (
    AMEND,
    CANCEL,
    INTEGER_BYTES,
    NEW,
    NEW_IOC,
    PODS_MAX,
    STEP_WIDTH,
    STEPS_MAX,
    AccountMoved,
    OrdersEntered,
    PodMoved,
    StepRefused,
    packed,
    unpacked,
)
from wattbay.core.deliveries import Deliveries, Delivery
from wattbay.core.entered import AT_ONCE, Rooms, let, single
from wattbay.core.facts import Mechanism, Side
from wattbay.core.ledger import Ledger
from wattbay.core.market import desk, folding, orders
from wattbay.core.market.codes import CANCELLED, ENTERED, MOVED, REDUCED, TRADE
from wattbay.core.market.orders import Book, Market, Stake
from wattbay.core.market.packed import ENDS, pack_outcomes
from wattbay.core.market.steps import Entered
from wattbay.core.market.venue import Venue, key_of, terms_of
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, facts_then, refuse
from wattbay.ids import OrderId, PodId, TradeId
from wattbay.periods import Instant

_CODES = frozenset({NEW, NEW_IOC, AMEND, CANCEL})
_NOBODY = Stake()


def enter(
    registry: Registry, market: Market, ledger: Ledger, command: c.EnterOrders, at: Instant
) -> list[e.Event]:
    """Take the steps of a batch, or say why it is none."""
    product = registry.products.get(command.product)
    if product is None:
        return refuse(Reason.UNKNOWN_PRODUCT, f"product {command.product}")
    if product.mechanism is not Mechanism.CONTINUOUS:
        return refuse(Reason.NOT_ALLOWED, "batches are for continuous trading")
    book = market.books[command.product].get(command.delivery)
    if book is None:
        return orders.no_book(registry, product, command.delivery, at)
    fault = orders.gate_fault(product, book.gate_of(command.delivery), at)
    if fault is not None:
        return fault
    wrong = _malformed(command)
    if wrong:
        return refuse(Reason.BAD_VALUE, wrong)
    steps = unpacked(command.steps)
    batch = _Batch(registry, market, ledger, command)
    for place in range(0, len(steps), STEP_WIDTH):
        batch.take(steps[place : place + STEP_WIDTH].tolist(), at)
        if batch.has_reached_stop():
            break
    return [batch.outcome()]


def _malformed(command: c.EnterOrders) -> str:
    """Say what is wrong with the form of a batch; nothing where all is well."""
    size, row = len(command.steps), STEP_WIDTH * INTEGER_BYTES
    if size % row or not 0 < size <= STEPS_MAX * row:
        return f"1 to {STEPS_MAX} steps of {STEP_WIDTH} integers"
    pods = len(command.pods)
    if pods > PODS_MAX or len(set(command.pods)) < pods:
        return f"{PODS_MAX} pods are the most, and each is named once"
    steps = unpacked(command.steps)
    if not _CODES.issuperset(steps[::STEP_WIDTH]):
        return f"a step begins with a number from {NEW} to {CANCEL}"
    if not all(0 <= place < pods for place in steps[1::STEP_WIDTH]):
        return "a step names its pod by the place in the command's pods"
    sides = steps[3::STEP_WIDTH]
    kinds = steps[::STEP_WIDTH]
    if not all(
        side in (1, -1) for kind, side in zip(kinds, sides, strict=True) if kind in (NEW, NEW_IOC)
    ):
        return "a new order has side 1 or -1"
    return ""


class _Batch:
    """A batch that is being decided."""

    def __init__(
        self, registry: Registry, market: Market, ledger: Ledger, command: c.EnterOrders
    ) -> None:
        """Copy what its steps may touch."""
        self._command = command
        self._before = market.books[command.product][command.delivery]
        self._ledger = ledger
        book = _copy(self._before)
        place = (command.product, command.delivery)
        self._market = Market(
            books={command.product: {command.delivery: book}},
            next_order=market.next_order,
            next_trade=market.next_trade,
            places=dict.fromkeys(book.orders, place),
        )
        money = Ledger(money=dict(ledger.money), held=dict(ledger.held), accounts=ledger.accounts)
        listed = Deliveries(open={command.delivery: Delivery(day="")})
        self._rooms = Rooms(registry, self._market, listed, money)
        self._packing = _Packing(registry, command, book)
        self._first = (OrderId(market.next_order), TradeId(market.next_trade))
        self._steps = 0
        self._refused: list[StepRefused] = []

    def take(self, step: list[int], at: Instant) -> None:
        """Take a step, as the single command that it stands for."""
        decided = self._decide(step, at)
        first = decided[0]
        if isinstance(first, e.Rejected):
            refused = StepRefused(step=self._steps, reason=first.reason, detail=first.detail)
            self._refused.append(refused)
        else:
            packing = self._packing
            for event in decided:
                if type(event) is not e.OrderPlaced:
                    packing.note_touched(event)
                let(self._rooms, event)
                packing.take(event)
        self._steps += 1

    def _decide(self, step: list[int], at: Instant) -> list[e.Event]:
        registry, market, _, ledger = self._rooms
        command = single(self._command, step)
        match command:
            case c.PlaceOrder():
                return desk.place(registry, market, ledger, command, at)
            case c.CancelOrder():
                return desk.cancel(registry, market, command, at)
            case c.AmendOrder():
                return desk.amend(registry, market, ledger, command, at)

    def has_reached_stop(self) -> bool:
        """Tell whether a stop acts before the next step."""
        if self._market.reached:
            folding.complete(self._market)
        return bool(self._market.reached)

    def outcome(self) -> OrdersEntered:
        """Return all that came of the batch."""
        packing = self._packing
        book = self._market.books[self._command.product][self._command.delivery]
        return OrdersEntered(
            product=self._command.product,
            delivery=self._command.delivery,
            first_order=self._first[0],
            first_trade=self._first[1],
            pods=tuple(packing.places),
            steps=self._steps,
            rows=packed(packing.rows),
            orders=packed(packing.orders),
            trades=packed(packing.trades),
            changes=packed(packing.changes),
            refused=tuple(self._refused),
            parts=tuple(packing.parts),
            arrivals=tuple(packing.arrivals),
            volume_wh=book.volume_wh - self._before.volume_wh,
            value_nano=book.value_nano - self._before.value_nano,
            accounts=self._accounts(),
            positions=self._positions(book),
            is_plain=packing.is_plain,
        )

    def _accounts(self) -> tuple[AccountMoved, ...]:
        """Return what changed on money accounts."""
        before, after = self._ledger, self._rooms.ledger
        short = self._rooms.deliveries.open[self._command.delivery].holds
        found = []
        for name in {**after.money, **before.held, **after.held, **short}:
            money = after.money.get(name, 0) - before.money.get(name, 0)
            held = after.held.get(name, 0) - before.held.get(name, 0)
            is_new = name in after.money and name not in before.money
            if money or held or is_new or name in short:
                found.append(
                    AccountMoved(
                        account=name,
                        money_nano=money,
                        held_nano=held,
                        short_nano=short.get(name, 0),
                        is_new=is_new,
                    )
                )
        return tuple(found)

    def _positions(self, book: Book) -> tuple[PodMoved, ...]:
        """Return what changed in the pods' orders and positions."""
        known = self._before.stakes
        return tuple(
            PodMoved(
                pod=pod,
                orders=stake.orders - old.orders,
                buying_wh=stake.buying_wh - old.buying_wh,
                selling_wh=stake.selling_wh - old.selling_wh,
                bought_wh=stake.bought_wh - old.bought_wh,
                sold_wh=stake.sold_wh - old.sold_wh,
            )
            for pod, stake in book.stakes.items()
            if stake != (old := known.get(pod, _NOBODY)) or pod not in known
        )


def _copy(book: Book) -> Book:
    """Return a book of its own that holds the same."""
    venue = book.venue
    return structs.replace(
        book,
        orders={number: structs.replace(order) for number, order in book.orders.items()},
        stakes={pod: structs.replace(stake) for pod, stake in book.stakes.items()},
        venue=None
        if venue is None
        else Venue(
            venue.book.copy(),
            venue.phase,
            dict(venue.pools),
            dict(venue.parties),
            venue.has_stops,
        ),
    )


class _Packing:
    """Writes in rows what came of steps."""

    def __init__(self, registry: Registry, command: c.EnterOrders, book: Book) -> None:
        """Begin with nothing."""
        self.places: dict[PodId, int] = {pod: place for place, pod in enumerate(command.pods)}
        self.rows: list[int] = []
        self.orders: list[int] = []
        self.trades: list[int] = []
        self.changes: list[int] = []
        self.parts: list[int] = []
        self.arrivals: list[int] = []
        self.is_plain = True
        self._registry = registry
        self._delivery = command.delivery
        self._standing = book.orders
        self._venue = book.venue
        self._kinds = self._count_kinds()
        self._ended = 0

    def _count_kinds(self) -> int:
        """Return how many parties and pools the book knows."""
        venue = self._venue
        return 0 if venue is None else len(venue.parties) + len(venue.pools)

    def note_touched(self, event: e.Event) -> None:
        """Note whether an order that says more than its limit has a part in an event."""
        match event:
            case e.Traded(buy_order=buy, sell_order=sell):
                numbers: tuple[OrderId, ...] = (buy, sell)
            case e.OrderCancelled(order=order) | e.OrderAmended(order=order):
                numbers = (order,)
            case _:
                return
        for number in numbers:
            order_there = self._standing.get(number)
            if order_there is not None and (
                order_there.limit is None or order_there.terms not in (None, AT_ONCE)
            ):
                self.is_plain = False

    def take(self, event: e.Event) -> None:
        """Write what an event says, which is so by now."""
        match event:
            case e.OrderPlaced():
                self._came_in(event)
            case e.Traded():
                self._traded(event)
            case e.OrderCancelled():
                if not event.is_over:
                    self.parts.append(self._ended)
                self._ended += 1
                reason = ENDS.index(event.reason) + 1
                self.rows += (CANCELLED, event.order, event.quantity_wh or 0, reason)
            case e.OrderAmended():
                self._changed(event)
            case _:
                pass

    def _came_in(self, event: e.OrderPlaced) -> None:
        venue = self._venue
        limit = event.limit
        if venue is None or limit is None:
            return
        facts = facts_then(self._registry, event.pod, event.delivery)
        party = venue.parties[facts.party]
        pool = venue.pools[key_of(event.side, facts.zone, event.terms)]
        number, quantity, rests = event.order, event.quantity_wh, event.rests_wh or 0
        if event.terms is None:
            self.rows += (ENTERED, number, party, pool, limit, quantity, rests, 0)
        else:
            terms = terms_of(event.terms, 0)
            came = Entered(number, party, pool, limit, quantity, terms, rests, waits=False)
            self.rows += pack_outcomes((came,))
        each = event.hold_nano // quantity  # divides: exactly, each Wh holds as much
        place = self.places[event.pod]
        self.orders += (place, each)
        kinds = self._count_kinds()
        if kinds > self._kinds:
            self._kinds = kinds
            self.arrivals += (place, 1 if event.side is Side.BUY else -1)

    def _traded(self, event: e.Traded) -> None:
        is_buy = event.maker == event.buy_order
        maker, taker = event.buy_order, event.sell_order
        if not is_buy:
            maker, taker = taker, maker
        self.rows += (TRADE, maker, taker, event.sell_price, event.quantity_wh)
        places = self.places
        self.trades += (
            places.setdefault(event.buyer, len(places)),
            places.setdefault(event.seller, len(places)),
            event.buy_price,
            event.hold_nano,
            event.buy_release_nano,
            event.sell_release_nano,
            int(is_buy),
        )

    def _changed(self, event: e.OrderAmended) -> None:
        limit, rests = event.limit or 0, event.rests_wh or 0
        if event.keeps_place:
            self.rows += (REDUCED, event.order, event.quantity_wh)
        else:
            self.rows += (MOVED, event.order, limit, event.quantity_wh, rests)
        each = event.hold_nano // self._standing[event.order].open_wh  # divides: exactly, as above
        self.changes += (
            event.order,
            event.quantity_wh,
            limit,
            event.hold_nano,
            int(event.keeps_place),
            rests,
            each,
        )
