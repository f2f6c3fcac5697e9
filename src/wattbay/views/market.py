"""What trading came to: prices of the last days, and what each pod has traded."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from wattbay.core.batches import OrdersEntered
from wattbay.core.commands import (
    AmendOrder,
    CancelTrade,
    ClearAuction,
    CloseGate,
    EnterOrders,
    OpenTrading,
    PlaceOrder,
    ReleaseOrder,
    SubmitClearing,
    TakeOffer,
)
from wattbay.core.entered import Telling
from wattbay.core.events import AuctionCleared, TradeCancelled, Traded, TradingClosed
from wattbay.core.sales import ConcludeSale
from wattbay.ids import PodId, ProductId
from wattbay.kernel.codec import Entry
from wattbay.periods import DAY, WEEK, Instant

PRICES_KEPT_US = WEEK + DAY
"""How long a clearing price is kept after the start of its delivery. [µs]"""
POSITIONS_KEPT_US = DAY
"""How long positions are kept after the start of their delivery. [µs]"""
_TOLD_BY = frozenset(
    {
        PlaceOrder,
        AmendOrder,
        EnterOrders,
        ReleaseOrder,
        TakeOffer,
        ConcludeSale,
        OpenTrading,
        CloseGate,
        ClearAuction,
        SubmitClearing,
        CancelTrade,
    }
)
_NOTHING: Mapping[PodId, int] = MappingProxyType({})


class Auctions:
    """Prices and positions of one product. What is past is forgotten."""

    __slots__ = ("_positions", "_prices", "_product")

    def __init__(self, product: ProductId) -> None:
        """Follow a product."""
        self._product = product
        self._prices: dict[Instant, int | None] = {}
        self._positions: dict[Instant, dict[PodId, int]] = {}

    def fold(self, entry: Entry) -> None:
        """Take the next entry of history."""
        kind = type(entry.command)
        if kind not in _TOLD_BY or (kind is PlaceOrder and len(entry.events) == 1):
            return
        for event in entry.events:
            match event:
                case OrdersEntered(product=product) if product == self._product:
                    for traded in Telling(event).trades():
                        self._trade(traded, 1)
                case Traded(product=product) if product == self._product:
                    self._trade(event, 1)
                case TradeCancelled(traded=traded) if traded.product == self._product:
                    self._trade(traded, -1)
                case AuctionCleared() | TradingClosed() if event.product == self._product:
                    self._prices[event.delivery] = event.price
                    self._forget(entry.at)
                case _:
                    pass

    def prices(self) -> Mapping[Instant, int | None]:
        """Return what each delivery that was cleared or closed came to, in that order.

        The clearing price; of continuous trading and of offers, the mean of what sellers got.
        None where nothing was traded. [nano-currency per Wh]
        """
        return MappingProxyType(self._prices)

    def positions(self, delivery: Instant) -> Mapping[PodId, int]:
        """Return what each pod that traded a delivery sold minus what it bought. [Wh]"""
        return MappingProxyType(self._positions.get(delivery, {}))

    def _trade(self, traded: Traded, sign: int) -> None:
        """Book a trade, or take it back."""
        positions = self._positions.setdefault(traded.delivery, {})
        quantity = sign * traded.quantity_wh
        positions[traded.seller] = positions.get(traded.seller, 0) + quantity
        positions[traded.buyer] = positions.get(traded.buyer, 0) - quantity

    def _forget(self, at: Instant) -> None:
        """Drop what is past; the oldest come first."""
        for kept, length_us in (
            (self._prices, PRICES_KEPT_US),
            (self._positions, POSITIONS_KEPT_US),
        ):
            while kept and (oldest := next(iter(kept))) < at - length_us:
                del kept[oldest]
