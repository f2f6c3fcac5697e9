"""What a fold adds to the rows of a history and changes in them, before anything keeps it."""

from __future__ import annotations

from msgspec import Struct, field

from wattbay.core import events as e
from wattbay.ids import MeterId, PodId, ProductId
from wattbay.periods import Instant
from wattbay.views.orderlife import LiveOrder
from wattbay.views.rows import Cells

Kept = (
    e.CommunityOpened
    | e.PartyRegistered
    | e.TariffDefined
    | e.ProfileDefined
    | e.ProductDefined
    | e.PodRegistered
    | e.PodChanged
    | e.MeterExchanged
    | e.DeliveriesListed
)
"""Events that later rows rest on, none of them often: folded again when a history is opened."""


class LiveDelivery(Struct):
    """A delivery of a product as it stands now."""

    number: int
    entry: int
    at: Instant
    start: Instant
    end: Instant
    product: ProductId
    day: str
    state: str
    run: str | None
    gate_opens: Instant
    gate_closes: Instant
    price: int | None = None
    volume_wh: int | None = None
    pool_price: int | None = None


class Changes(Struct):
    """What was folded since the last time: rows that are new, and what changes in older ones."""

    new: dict[str, list[Cells]] = field(default_factory=dict)
    """By table."""
    kept: list[Kept] = field(default_factory=list)
    orders: dict[int, LiveOrder] = field(default_factory=dict)
    """By number: placed, or changed since."""
    deliveries: dict[int, LiveDelivery] = field(default_factory=dict)
    delivered: list[tuple[int, int]] = field(default_factory=list)
    """Energy and trade."""
    cancelled: list[tuple[int]] = field(default_factory=list)
    """Trades."""
    receipts: list[tuple[PodId, Instant, int]] = field(default_factory=list)
    """Pod, delivery and version: those below it are replaced."""
    meters: list[tuple[PodId, Instant, int]] = field(default_factory=list)
    """Pod, delivery and number: likewise."""
    imbalances: list[tuple[Instant, int]] = field(default_factory=list)
    """Delivery and number: likewise."""
    pool_prices: list[tuple[int, Instant]] = field(default_factory=list)
    """Price and delivery, of its first run."""
    facts: list[tuple[Instant, PodId, int]] = field(default_factory=list)
    """Until when the facts of a pod held that bear a number below the last."""
    exchanged: list[tuple[MeterId, PodId]] = field(default_factory=list)
    parties: list[Cells] = field(default_factory=list)
    """What is so of a party from now on, and last which."""
