"""What the market says: one record a topic, as JSON.

Each bears the number of the last journal entry that it knows of, and the market's time. Instants
are microseconds of UTC, energies Wh, prices nano-currency per Wh. No message names a pod or a
party, but the answers to a device. None is longer than `MESSAGE_BYTES_MAX`: lists have bounds, and
`left_out` says how much did not fit.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeVar, dataclass_transform

import msgspec
from msgspec import Struct

from wattbay.core.facts import Side
from wattbay.core.reasons import Reason
from wattbay.errors import WireError
from wattbay.ids import OrderId, ProductId, RequestId, RunName, TradeId
from wattbay.periods import Instant

MESSAGE_BYTES_MAX: Final = 65_536
"""Of any message: what brokers are set up for here, and half of what the narrowest takes."""


class MarketPhase(StrEnum):
    """Where a delivery stands, in the words of Elecbay."""

    LISTED = "listed"
    """Its gate is not open yet."""
    BIDDING = "bidding"
    GATE_CLOSED = "gate_closed"
    EXCHANGING = "exchanging"
    """Energy flows."""
    METERED = "metered"
    """It is over; readings come in, and the bill date is waited for."""
    SETTLED = "settled"
    """A settlement run was held, and another one follows."""
    FINAL = "final"


@dataclass_transform(frozen_default=True)
class Said(Struct, frozen=True, kw_only=True):
    """The form of every message of the market."""

    seq: int
    """Number of the last entry that it knows of."""
    at: Instant
    """The market's time when it was said."""


# --- for all ---------------------------------------------------------------------------------


class Gate(Struct, frozen=True, kw_only=True):
    """A gate that is open, and when it closes."""

    product: ProductId
    delivery: Instant
    closes_at: Instant


class ClockTold(Said, frozen=True, kw_only=True):
    """What time the market has: at least once a second of real time, and at every change."""

    utc: str
    """The same as `at`, to be read by people."""
    speed: float
    """How many seconds of the market pass in one of real time."""
    next_gate: Gate | None = None
    """The next one to close."""


class ProductTerms(Struct, frozen=True, kw_only=True):
    """What somebody who orders must know of a product."""

    product: ProductId
    mechanism: str
    delivery_us: int
    """Length of a delivery."""
    price_tick: int
    energy_tick: int
    price_min: int
    price_max: int
    quantity_max_wh: int
    opens_before_us: int
    closes_before_us: int
    retail_energy: int | None = None
    """The lowest price at which a supplier sells energy, fees and levies apart."""
    retail_export: int | None = None
    """The highest price at which a supplier buys it."""


class DeliveryState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a delivery of a product stands."""

    product: ProductId
    delivery: Instant
    phase: MarketPhase
    gate_closes_at: Instant | None = None
    """None where nobody orders."""
    bill_date: Instant | None = None
    """When the first settlement run is held, or was."""
    run: RunName | None = None
    """The last one that was held."""


class HourlyMarketState(Said, frozen=True, kw_only=True):
    """Where each delivery around now stands, in order of time."""

    products: list[ProductTerms]
    deliveries: list[DeliveryState]
    left_out: int = 0


class BiddingTold(Said, frozen=True, kw_only=True):
    """Bidding for a delivery is open or closed from now on."""

    product: ProductId
    delivery: Instant
    is_open: bool
    closes_at: Instant


class Level(Struct, frozen=True, kw_only=True, array_like=True):
    """What stands at a price: ``[limit, quantity_wh, orders]``; no limit takes any price."""

    limit: int | None
    quantity_wh: int
    orders: int


class Orders(Said, frozen=True, kw_only=True):
    """What stands for a delivery, best price first."""

    product: ProductId
    delivery: Instant
    phase: MarketPhase
    buy: list[Level]
    sell: list[Level]
    buy_orders: int
    sell_orders: int
    buy_wh: int
    sell_wh: int
    left_out: int = 0
    """Levels that did not fit."""


class Item(Struct, frozen=True, kw_only=True):
    """An offer to sell, or a request to buy."""

    order: OrderId
    product: ProductId
    delivery: Instant
    side: Side
    quantity_wh: int
    limit: int | None


class ItemList(Said, frozen=True, kw_only=True):
    """What is offered and wanted, next delivery first."""

    items: list[Item]
    left_out: int = 0


class SolarOutput(Said, frozen=True, kw_only=True):
    """What one kilowatt-peak makes in each delivery of today and tomorrow."""

    start: Instant
    delivery_us: int
    wh_per_kwp: list[int]


class TypicalConsumptionCurve(Said, frozen=True, kw_only=True):
    """What share of a day's energy a home draws in each delivery of today and tomorrow."""

    start: Instant
    delivery_us: int
    share_ppm: list[int]
    """Of the energy of one day."""


class Cleared(Said, frozen=True, kw_only=True):
    """What a delivery of a product came to."""

    product: ProductId
    delivery: Instant
    price: int | None
    """None where nothing was traded."""
    volume_wh: int


class Exchanged(Struct, frozen=True, kw_only=True):
    """What was traded for a delivery, and what was metered of it so far."""

    delivery: Instant
    ends_at: Instant
    phase: MarketPhase
    traded_wh: int
    metered_pods: int
    pods: int
    import_wh: int
    export_wh: int


class ExchangeTold(Said, frozen=True, kw_only=True):
    """The delivery in which energy flows, and the one before it."""

    current: Exchanged | None
    last: Exchanged | None


class Settled(Said, frozen=True, kw_only=True):
    """A delivery was settled in a run."""

    delivery: Instant
    run: RunName
    is_final: bool
    receipts: int
    """How many were issued, or issued anew."""
    pool_price: int
    bill_date: Instant
    """When the first run was due."""
    next_run_at: Instant | None = None


class Severity(StrEnum):
    """How much an alert is about."""

    NOTICE = "notice"
    WARNING = "warning"


class Alert(Said, frozen=True, kw_only=True, omit_defaults=True):
    """What the market's participants should know at once."""

    what: str
    """In two or three words, fit to be counted by."""
    detail: str
    severity: Severity = Severity.NOTICE
    product: ProductId | None = None
    delivery: Instant | None = None
    order: OrderId | None = None
    trade: TradeId | None = None


Public = (
    ClockTold
    | HourlyMarketState
    | BiddingTold
    | Orders
    | ItemList
    | SolarOutput
    | TypicalConsumptionCurve
    | Cleared
    | ExchangeTold
    | Settled
    | Alert
)
"""What everybody may read."""


# --- for one device --------------------------------------------------------------------------


class Answered(Said, frozen=True, kw_only=True, omit_defaults=True, tag="answer", tag_field="is"):
    """What became of an order or a withdrawal."""

    request: RequestId
    status: str
    """``accepted`` or ``rejected``."""
    order: OrderId | None = None
    traded_wh: int = 0
    """What of it was traded at once."""
    reason: Reason | None = None
    detail: str = ""


class OrderTraded(
    Said, frozen=True, kw_only=True, omit_defaults=True, tag="traded", tag_field="is"
):
    """An order of the device traded; or, with `is_undone`, the grid operator undid a trade."""

    order: OrderId
    trade: TradeId
    product: ProductId
    delivery: Instant
    side: Side
    quantity_wh: int
    price: int
    is_undone: bool = False


class OrderEnded(Said, frozen=True, kw_only=True, omit_defaults=True, tag="ended", tag_field="is"):
    """An order of the device was cut by somebody else: the grid operator, or the rules."""

    order: OrderId
    product: ProductId
    delivery: Instant
    quantity_wh: int
    """What is left of it."""
    reason: str


class OrderRefused(Said, frozen=True, kw_only=True, tag="refused", tag_field="is"):
    """Messages of the device that were no orders, since the last time, by what was wrong."""

    refused: dict[str, int]


ToDevice = Answered | OrderTraded | OrderEnded | OrderRefused
"""What a device hears of its own orders."""

M = TypeVar("M")

ACCEPTED, REJECTED = "accepted", "rejected"

_to_device: msgspec.json.Decoder[ToDevice] = msgspec.json.Decoder(ToDevice)


def encode(said: Public | ToDevice) -> bytes:
    """Return the bytes of a message."""
    return msgspec.json.encode(said)


def decode_answer(payload: bytes) -> ToDevice:
    """Read what the market told a device.

    Raises
    ------
    WireError
        If it is no such message.
    """
    return _read(_to_device, payload)


def decode(kind: type[M], payload: bytes) -> M:
    """Read a message of a kind.

    Raises
    ------
    WireError
        If it is none.
    """
    return _read(msgspec.json.Decoder(kind), payload)


def _read(decoder: msgspec.json.Decoder[M], payload: bytes) -> M:
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"wrong form: {error}"
        raise WireError(msg) from error
