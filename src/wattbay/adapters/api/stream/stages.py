"""Where each delivery stands, from its listing to its final run: folded from history and the clock.

A gate opens without an event: it is open from its instant on, and whoever hears is told then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from heapq import heappop, heappush

from msgspec import Struct

from wattbay.core import events as e
from wattbay.core.exchange import State
from wattbay.core.facts import Product, TradingPhase
from wattbay.core.market.product import gate_closes, gate_opens
from wattbay.ids import ProductId, RunName
from wattbay.periods import DAY, Instant, to_text

BEFORE_US = DAY
AFTER_US = 2 * DAY
"""Deliveries from so long before now until so long after are told at once. [µs]"""
TOLD_MAX = 2_000
"""Of them."""

Place = tuple[ProductId, Instant]


class Stage(StrEnum):
    """Where a delivery of a product stands."""

    LISTED = "listed"
    OPEN = "open"
    HALTED = "halted"
    CLOSED = "closed"
    """Its gate is closed; its auction is still to come."""
    CLEARED = "cleared"
    SETTLED = "settled"
    FINAL = "final"


class Standing(Struct, gc=False):
    """A delivery of a product as it stands."""

    product: ProductId
    delivery: Instant
    opens_at: Instant
    closes_at: Instant
    stage: Stage = Stage.LISTED
    price: int | None = None
    volume_wh: int | None = None
    run: RunName | None = None


class Stages:
    """All deliveries that are not final."""

    def __init__(self) -> None:
        """Begin without deliveries."""
        self._of: dict[Instant, dict[ProductId, Standing]] = {}
        self._opening: list[tuple[Instant, ProductId, Instant]] = []

    def begin(self, state: State, at: Instant) -> None:
        """Take up the deliveries of a state, as they stand at an instant."""
        for delivery, known in sorted(state.deliveries.open.items()):
            for name in known.products:
                standing = self._list(state.registry.products[name], delivery)
                book = state.market.books.get(name, {}).get(delivery)
                if known.runs_done:
                    standing.stage = Stage.SETTLED
                elif book is None:
                    standing.stage = Stage.CLEARED
                elif book.clears_at is not None or standing.closes_at <= at:
                    standing.stage = Stage.CLOSED
                elif book.venue is not None and book.venue.phase is TradingPhase.HALTED:
                    standing.stage = Stage.HALTED
        for _ in self.opened(at):
            pass

    def fold(self, event: e.Event, state: State) -> list[Standing]:
        """Take an event; return the deliveries that stand otherwise now."""
        match event:
            case e.DeliveriesListed():
                isp_us, product = state.registry.isp_us, state.registry.products[event.product]
                starts = range(event.start, event.start + event.count * isp_us, isp_us)
                return [self._list(product, Instant(start)) for start in starts]
            case e.GateClosed():
                return self._stand((event.product, event.delivery), Stage.CLOSED)
            case e.PhaseChanged():
                is_halted = event.phase is TradingPhase.HALTED
                stage = Stage.HALTED if is_halted else Stage.OPEN
                return self._stand((event.product, event.delivery), stage)
            case e.AuctionCleared() | e.TradingClosed() | e.AllocationAccepted():
                found = self._stand((event.product, event.delivery), Stage.CLEARED)
                for standing in found:
                    standing.price, standing.volume_wh = event.price, event.volume_wh
                return found
            case e.PeriodSettled():
                found = list(self._of.get(event.delivery, {}).values())
                for standing in found:
                    standing.stage, standing.run = Stage.SETTLED, event.run
                return found
            case e.DeliveryFinal():
                found = list(self._of.pop(event.delivery, {}).values())
                for standing in found:
                    standing.stage = Stage.FINAL
                return found
            case _:
                return []

    def opened(self, at: Instant) -> Iterator[Standing]:
        """Yield the deliveries whose gates have opened since this was asked last, in order."""
        while self._opening and self._opening[0][0] <= at:
            _, product, delivery = heappop(self._opening)
            standing = self._of.get(delivery, {}).get(product)
            if standing is not None and standing.stage is Stage.LISTED:
                standing.stage = Stage.OPEN
                yield standing

    def price(self, place: Place, price: int | None, volume_wh: int | None) -> None:
        """Note what a delivery that is listed was cleared at before."""
        standing = self._of.get(place[1], {}).get(place[0])
        if standing is not None and standing.price is None:
            standing.price, standing.volume_wh = price, volume_wh

    def near(self, at: Instant) -> list[Standing]:
        """Return the deliveries around an instant, by start and product."""
        starts = sorted(start for start in self._of if at - BEFORE_US <= start < at + AFTER_US)
        found = [
            self._of[start][product] for start in starts for product in sorted(self._of[start])
        ]
        return found[:TOLD_MAX]

    def _list(self, product: Product, delivery: Instant) -> Standing:
        standing = Standing(
            product=product.product,
            delivery=delivery,
            opens_at=gate_opens(product, delivery),
            closes_at=gate_closes(product, delivery),
        )
        self._of.setdefault(delivery, {})[product.product] = standing
        heappush(self._opening, (standing.opens_at, product.product, delivery))
        return standing

    def _stand(self, place: Place, stage: Stage) -> list[Standing]:
        standing = self._of.get(place[1], {}).get(place[0])
        if standing is None:
            return []
        standing.stage = stage
        return [standing]


def key(standing: Standing) -> str:
    """Return under which key a delivery is told."""
    return f"{standing.product}/{to_text(standing.delivery)}"


def row(standing: Standing) -> Mapping[str, object]:
    """Return a delivery as it is told."""
    return {
        "product": standing.product,
        "delivery": to_text(standing.delivery),
        "opens_at": to_text(standing.opens_at),
        "closes_at": to_text(standing.closes_at),
        "stage": standing.stage,
        "price_nano_per_wh": standing.price,
        "volume_wh": standing.volume_wh,
        "run": standing.run,
    }
