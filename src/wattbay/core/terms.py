"""What an order may say besides its side, limit and quantity. Values, never code."""

from __future__ import annotations

from enum import StrEnum

from wattbay.core.facts import Record, Side
from wattbay.ids import OrderId, OriginId, PartyId, ProductId, SignalId
from wattbay.periods import Instant


class Kind(StrEnum):
    """How an order names its price, and when it acts."""

    LIMIT = "limit"
    MARKET = "market"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"


class TimeInForce(StrEnum):
    """How long an order may rest."""

    GTC = "GTC"
    """Until gate closure."""
    GTD = "GTD"
    """Until an instant."""
    DAY = "DAY"
    """Until the local day ends in which it was placed."""
    IOC = "IOC"
    """Not at all: what does not trade at once is cancelled."""
    FOK = "FOK"
    """Not at all: it trades whole at once, or is cancelled whole."""


class Ended(StrEnum):
    """Why open quantity of an order left unfilled."""

    USER = "user"
    IOC = "ioc"
    FOK = "fok"
    NO_LIQUIDITY = "no_liquidity"
    MIN_QUANTITY = "min_quantity"
    POST_ONLY = "post_only"
    SELF_TRADE = "self_trade"
    EXPIRED = "expired"
    GATE_CLOSED = "gate_closed"
    BASKET = "basket"
    """Another leg of its basket could not trade whole."""


class ConditionKind(StrEnum):
    """What a conditional order waits for."""

    CLEARING_PRICE = "clearing_price"
    """The price of an auction of an earlier delivery. [nano-currency per Wh]"""
    SURPLUS = "surplus"
    """Its own pod's metered export less import in an earlier delivery. [Wh]"""
    CHARGE = "charge"
    """Its own pod's last told state of charge. [Wh]"""
    SIGNAL = "signal"
    """A signal that the grid operator gives."""


class GridBalance(StrEnum):
    """When a grid-balanced order may trade, as long as network limits bind its delivery."""

    KEEPS = "keeps"
    """While it makes no such limit worse."""
    RELIEVES = "relieves"
    """While it makes one of them better and none worse."""


class Condition(Record, kw_only=True):
    """What an order waits for: a number that reaches a level. A value, never code."""

    kind: ConditionKind
    is_at_least: bool
    """Met at the level or above it; else at it or below."""
    level: int
    product: ProductId | None = None
    """Of a clearing price."""
    delivery: Instant | None = None
    """Of a clearing price or a surplus."""
    signal: SignalId | None = None


class Block(Record, kw_only=True):
    """What makes an order a block: accepted in all its deliveries alike, or not at all."""

    profile: tuple[int, ...]
    """Energy in each delivery, from the order's on; its side is the order's. [Wh]"""
    min_ratio_ppm: int = 1_000_000
    """The least share of it that may be accepted. [ppm]"""
    group: str | None = None
    """Of all blocks of its party in a group one at most is accepted."""
    parent: OrderId | None = None
    """It is accepted only if that block is."""


class Leg(Record, kw_only=True):
    """One order of a basket: all legs trade whole at once, or none does."""

    delivery: Instant
    side: Side
    quantity_wh: int
    limit: int


class OrderTerms(Record, kw_only=True):
    """What an order may say besides its side, limit and quantity."""

    kind: Kind = Kind.LIMIT
    time_in_force: TimeInForce = TimeInForce.GTC
    stop: int | None = None
    """Acts once the last price is there: a buy order at or above it, a sell order at or below."""
    protection: int | None = None
    """The worst price of an order that names no limit."""
    min_quantity_wh: int = 0
    """Trades at least so much on entry, or is cancelled."""
    post_only: bool = False
    """Rests, or is cancelled: never the one that comes second."""
    peak_wh: int | None = None
    """Shows so much at a time; each further clip queues again behind its price."""
    valid_from: Instant | None = None
    expires: Instant | None = None
    origin: OriginId | None = None
    """What a sell order is, such as ``solar/pv``."""
    wants: OriginId | None = None
    """What a buy order accepts: that origin, and all below it."""
    is_local: bool = False
    """Trades within its own zone alone."""
    partner: PartyId | None = None
    """Trades with this party alone."""
    condition: Condition | None = None
    grid: GridBalance | None = None
    block: Block | None = None
    legs: tuple[Leg, ...] = ()
    """Of a basket: the other legs; the order itself is the first."""
