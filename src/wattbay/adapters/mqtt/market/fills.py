"""What devices hear of their orders after the first answer: trades, and what others cut.

Which device placed an order is known until its delivery begins. It is not history: after a restart
an order that still stands is taken for that of the meter of its pod.
"""

from __future__ import annotations

from collections.abc import Iterator

from wattbay.adapters.mqtt.market.messages import OrderEnded, OrderTraded, ToDevice
from wattbay.adapters.mqtt.market.orders import Market
from wattbay.adapters.mqtt.market.periods import Place
from wattbay.core import events as e
from wattbay.core.batches import OrdersEntered
from wattbay.core.entered import told
from wattbay.core.exchange import State
from wattbay.core.facts import Side
from wattbay.core.terms import Ended
from wattbay.ids import MeterId, OrderId, ProductId
from wattbay.periods import Instant

PLACED_MAX = 200_000
"""Orders whose device is known; of more, the oldest delivery is forgotten first."""


class Fills:
    """Whose orders are whose."""

    def __init__(self, market: Market) -> None:
        """Know of no order."""
        self._of = market
        self._placed: dict[Place, dict[OrderId, MeterId]] = {}
        self._count = 0

    def placed(
        self, device: MeterId, order: OrderId, product: ProductId, delivery: Instant
    ) -> None:
        """Remember who placed an order."""
        known = self._placed.setdefault((product, delivery), {})
        self._count += order not in known
        known[order] = device
        while self._count > PLACED_MAX:
            self.forget(min(self._placed, key=_by_delivery))

    def __contains__(self, place: Place) -> bool:
        """Tell whether a device placed an order for a delivery."""
        return place in self._placed

    def forget(self, place: Place) -> None:
        """Forget the orders for a delivery."""
        self._count -= len(self._placed.pop(place, {}))

    def recall(self, state: State) -> None:
        """Take orders that stand for those of the meters of their pods."""
        for name, books in state.market.books.items():
            for delivery, book in books.items():
                for order in book.orders.values():
                    metered = state.metering.pods.get(order.pod)
                    if metered is not None and self._of.key_of(metered.meter) is not None:
                        self.placed(metered.meter, order.order, name, delivery)

    def told(self, seq: int, now: Instant, event: object) -> Iterator[tuple[MeterId, ToDevice]]:
        """Yield what devices are told of an event, and which."""
        match event:
            case OrdersEntered():
                if (event.product, event.delivery) in self._placed:
                    for one in told((event,)):
                        if isinstance(one, e.Traded | e.OrderCancelled):
                            yield from self.told(seq, now, one)
            case e.Traded():
                yield from self._traded(seq, now, event, is_undone=False)
            case e.TradeCancelled():
                yield from self._traded(seq, now, event.traded, is_undone=True)
            case e.OrderCurtailed():
                yield from self._ended(seq, now, event, event.reason)
            case e.OrderCancelled() if event.reason is not Ended.USER:
                yield from self._ended(seq, now, event, event.reason.value)
            case _:
                pass

    def _traded(
        self, seq: int, now: Instant, event: e.Traded, *, is_undone: bool
    ) -> Iterator[tuple[MeterId, ToDevice]]:
        known = self._placed.get((event.product, event.delivery), {})
        for side, order, price in (
            (Side.BUY, event.buy_order, event.buy_price),
            (Side.SELL, event.sell_order, event.sell_price),
        ):
            device = known.get(order)
            if device is not None:
                yield (
                    device,
                    OrderTraded(
                        seq=seq,
                        at=now,
                        order=order,
                        trade=event.trade,
                        product=event.product,
                        delivery=event.delivery,
                        side=side,
                        quantity_wh=event.quantity_wh,
                        price=price,
                        is_undone=is_undone,
                    ),
                )

    def _ended(
        self, seq: int, now: Instant, event: e.OrderCurtailed | e.OrderCancelled, reason: str
    ) -> Iterator[tuple[MeterId, ToDevice]]:
        device = self._placed.get((event.product, event.delivery), {}).get(event.order)
        if device is None:
            return
        left_wh = event.quantity_wh if isinstance(event, e.OrderCurtailed) else 0
        yield (
            device,
            OrderEnded(
                seq=seq,
                at=now,
                order=event.order,
                product=event.product,
                delivery=event.delivery,
                quantity_wh=left_wh,
                reason=reason,
            ),
        )


def _by_delivery(place: Place) -> Instant:
    return place[1]
