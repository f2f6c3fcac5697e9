"""Orders as they stand, by pod, and what rests at each price: folded from history.

Every event tells one thing of an order; here stands what it all comes to. An order that is over is
told once more, as it ended, and forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from wattbay.core import events as e
from wattbay.core.entered import told
from wattbay.core.exchange import State
from wattbay.core.facts import Side
from wattbay.core.terms import Ended
from wattbay.ids import OrderId, PodId, ProductId
from wattbay.periods import Instant, to_text

LEVELS_MAX = 50
"""Prices of each side that are told of a book."""

Place = tuple[ProductId, Instant]
"""Where an order stands: product and delivery."""


class Status(StrEnum):
    """How an order stands."""

    OPEN = "open"
    WAITING = "waiting"
    """For its stop, its condition or its instant, or suspended by a limit of the network."""
    FILLED = "filled"
    CANCELLED = "cancelled"
    CURTAILED = "curtailed"
    EXPIRED = "expired"


class Standing(Struct, gc=False):
    """An order as it stands."""

    order: OrderId
    pod: PodId
    product: ProductId
    delivery: Instant
    side: Side
    quantity_wh: int
    limit: int | None
    peak_wh: int | None
    filled_wh: int = 0
    status: Status = Status.OPEN
    reason: str = ""
    counted_wh: int = 0
    """What of it is counted ..."""
    counted_at: int | None = None
    """... at which limit."""

    @property
    def open_wh(self) -> int:
        """What of it can still trade. [Wh]"""
        return self.quantity_wh - self.filled_wh

    def shown_wh(self) -> int:
        """Return what of it everybody may see. [Wh]"""
        if self.status is not Status.OPEN:
            return 0
        return self.open_wh if self.peak_wh is None else min(self.open_wh, self.peak_wh)


Levels = dict[int | None, int]
"""What rests on a side, by limit; None for orders without one. [Wh]"""


class Orders:
    """All orders that stand."""

    def __init__(self) -> None:
        """Begin without orders."""
        self._at: dict[Place, dict[OrderId, Standing]] = {}
        self._where: dict[OrderId, Standing] = {}
        self._of: dict[PodId, dict[OrderId, Standing]] = {}
        self._levels: dict[Place, tuple[Levels, Levels]] = {}

    def begin(self, state: State) -> None:
        """Take up the orders of a state."""
        for product in sorted(state.market.books):
            for delivery, book in sorted(state.market.books[product].items()):
                stops = set() if book.venue is None else set(book.venue.book.stops())
                for order in book.orders.values():
                    waits = order.stands_by or order.order in stops
                    standing = Standing(
                        order=order.order,
                        pod=order.pod,
                        product=product,
                        delivery=delivery,
                        side=order.side,
                        quantity_wh=order.quantity_wh,
                        limit=order.limit,
                        peak_wh=None if order.terms is None else order.terms.peak_wh,
                        filled_wh=order.filled_wh,
                        status=Status.WAITING if waits else Status.OPEN,
                    )
                    self._take_up(standing)
                    self._count(standing)

    def fold(self, events: Iterable[e.Event]) -> list[Standing]:
        """Take the events of an entry; return the orders of which anything changed.

        Each once, as it stands now, in the order in which they were touched.
        """
        touched: dict[OrderId, Standing] = {}
        over: list[Place] = []
        for event in told(events):
            match event:
                case e.OrderPlaced():
                    touched[event.order] = self._take_up(_placed(event))
                case e.Traded():
                    for number in (event.buy_order, event.sell_order):
                        if (filled := self._where.get(number)) is not None:
                            filled.filled_wh += event.quantity_wh
                            touched[number] = filled
                case e.AuctionCleared() | e.TradingClosed():
                    over.append((event.product, event.delivery))
                case (
                    e.OrderAmended()
                    | e.OrderCancelled()
                    | e.OrderCurtailed()
                    | e.OrderReleased()
                    | e.OrderSuspended()
                ):
                    if (changed := self._where.get(event.order)) is not None:
                        _change(changed, event)
                        touched[event.order] = changed
                case _:
                    pass
        for place in over:
            # Trades come after the clearing in its entry: only now is it known what was left.
            for number, standing in self._at.get(place, {}).items():
                if standing.status in {Status.OPEN, Status.WAITING} and standing.open_wh > 0:
                    standing.status = Status.EXPIRED
                    touched[number] = standing
        for standing in touched.values():
            if standing.open_wh <= 0 and standing.status in {Status.OPEN, Status.WAITING}:
                standing.status = Status.FILLED
            self._count(standing)
            if standing.status not in {Status.OPEN, Status.WAITING}:
                self._forget(standing)
        for place in over:
            self._at.pop(place, None)
            self._levels.pop(place, None)
        return list(touched.values())

    def of(self, pod: PodId) -> Iterator[Standing]:
        """Yield the orders of a pod that stand, by number."""
        standing = self._of.get(pod, {})
        for number in sorted(standing):
            yield standing[number]

    def depth(self, place: Place) -> Mapping[str, object]:
        """Return what rests for a delivery: limits and energies, the best first.

        Of an order with a peak, no more than that is counted.
        """
        buys, sells = self._levels.get(place, ({}, {}))
        best_buys = sorted((limit for limit in buys if limit is not None), reverse=True)
        best_sells = sorted(limit for limit in sells if limit is not None)
        return {
            "product": place[0],
            "delivery": to_text(place[1]),
            "buy": [[limit, buys[limit]] for limit in best_buys[:LEVELS_MAX]],
            "sell": [[limit, sells[limit]] for limit in best_sells[:LEVELS_MAX]],
            "buy_without_limit_wh": buys.get(None, 0),
            "sell_without_limit_wh": sells.get(None, 0),
        }

    def _take_up(self, standing: Standing) -> Standing:
        place = (standing.product, standing.delivery)
        self._at.setdefault(place, {})[standing.order] = standing
        self._where[standing.order] = standing
        self._of.setdefault(standing.pod, {})[standing.order] = standing
        return standing

    def _forget(self, standing: Standing) -> None:
        self._at.get((standing.product, standing.delivery), {}).pop(standing.order, None)
        self._where.pop(standing.order, None)
        of_pod = self._of.get(standing.pod, {})
        of_pod.pop(standing.order, None)
        if not of_pod:
            self._of.pop(standing.pod, None)

    def _count(self, standing: Standing) -> None:
        """Let the levels bear what everybody may see of an order now."""
        shown_wh = standing.shown_wh()
        if shown_wh == standing.counted_wh and standing.limit == standing.counted_at:
            return
        place = (standing.product, standing.delivery)
        sides = self._levels.setdefault(place, ({}, {}))
        levels = sides[0] if standing.side is Side.BUY else sides[1]
        _add(levels, standing.counted_at, -standing.counted_wh)
        _add(levels, standing.limit, shown_wh)
        standing.counted_wh, standing.counted_at = shown_wh, standing.limit


def _add(levels: Levels, limit: int | None, more_wh: int) -> None:
    left_wh = levels.get(limit, 0) + more_wh
    if left_wh:
        levels[limit] = left_wh
    else:
        levels.pop(limit, None)


def row(standing: Standing) -> Mapping[str, object]:
    """Return an order as its party is told of it."""
    return {
        "order": standing.order,
        "pod": standing.pod,
        "product": standing.product,
        "delivery": to_text(standing.delivery),
        "side": standing.side,
        "quantity_wh": standing.quantity_wh,
        "filled_wh": standing.filled_wh,
        "limit_nano_per_wh": standing.limit,
        "status": standing.status,
        "reason": standing.reason,
    }


def _placed(event: e.OrderPlaced) -> Standing:
    return Standing(
        order=event.order,
        pod=event.pod,
        product=event.product,
        delivery=event.delivery,
        side=event.side,
        quantity_wh=event.quantity_wh,
        limit=event.limit,
        peak_wh=None if event.terms is None else event.terms.peak_wh,
        status=Status.WAITING if event.waits else Status.OPEN,
    )


_Change = e.OrderAmended | e.OrderCancelled | e.OrderCurtailed | e.OrderReleased | e.OrderSuspended


def _change(standing: Standing, event: _Change) -> None:
    """Let what is told of one order be so."""
    match event:
        case e.OrderAmended():
            standing.quantity_wh = event.quantity_wh
            standing.limit = event.limit
        case e.OrderCancelled(is_over=False):
            standing.quantity_wh -= event.quantity_wh or 0
        case e.OrderCancelled():
            standing.status = (
                Status.EXPIRED
                if event.reason in {Ended.EXPIRED, Ended.GATE_CLOSED}
                else Status.CANCELLED
            )
            standing.reason = event.reason
        case e.OrderCurtailed():
            standing.quantity_wh = event.quantity_wh
            standing.reason = event.reason
            if event.quantity_wh <= standing.filled_wh:
                standing.status = Status.CURTAILED
        case e.OrderReleased():
            standing.status = Status.OPEN
        case e.OrderSuspended():
            standing.status = Status.WAITING
            standing.reason = event.reason
