"""What can be asked of an order book, what it answers, and what it may be told to keep to.

Whole numbers throughout: orders, parties, zones and categories are numbers given by the caller,
from 1; 0 is none. Prices and quantities are in ticks, within ±(2**53 - 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

BUY = 1
SELL = -1

CLIPS_MAX = 10_000
"""Of one iceberg order: its quantity is at most so many times its peak."""


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
    IOC = "IOC"
    """Not at all: what does not trade at once is cancelled."""
    FOK = "FOK"
    """Not at all: it trades whole at once, or is cancelled whole."""


class SelfTrade(StrEnum):
    """Who gives way where an order meets one of its own party."""

    NEWEST = "newest"
    OLDEST = "oldest"
    BOTH = "both"
    DECREMENT = "decrement"
    """Both, by the smaller of the two quantities."""


class Refusal(StrEnum):
    """Why a step is refused, in the order in which it is looked at."""

    OFF_TICK = "off_tick"
    BAD_QUANTITY = "bad_quantity"
    PRICE_LIMIT = "price_limit"
    DUPLICATE_ID = "duplicate_id"
    UNKNOWN_ORDER = "unknown_order"
    ALREADY_EXPIRED = "already_expired"
    GATE_CLOSED = "gate_closed"
    BAD_CONDITION = "bad_condition"


class Ended(StrEnum):
    """Why open quantity left unfilled."""

    USER = "user"
    IOC = "ioc"
    FOK = "fok"
    NO_LIQUIDITY = "no_liquidity"
    MIN_QUANTITY = "min_quantity"
    POST_ONLY = "post_only"
    SELF_TRADE = "self_trade"
    EXPIRED = "expired"
    GATE_CLOSED = "gate_closed"


# --- what is asked ---------------------------------------------------------------------------


class Terms(NamedTuple):
    """What an order may say besides its side, limit and quantity."""

    kind: Kind = Kind.LIMIT
    time_in_force: TimeInForce = TimeInForce.GTC
    stop: int | None = None
    """Acts once the last price is there: a buy order at or above it, a sell order at or below."""
    protection: int | None = None
    """The worst price of an order that names no limit."""
    min_quantity: int = 0
    """Trades at least so much on entry, or is cancelled."""
    post_only: bool = False
    """Rests, or is cancelled: never the one that comes second."""
    peak: int | None = None
    """Shows so much at a time; each further clip queues again behind its price."""
    valid_from: int | None = None
    expires: int | None = None
    zone: int = 0
    origin: int = 0
    """What a sell order is: a category."""
    wants: int = 0
    """What a buy order accepts: a category with all below it; 0 is anything."""
    request: int = 0
    """Repeated by its party, it changes nothing."""


PLAIN = Terms()
"""A limit order until gate closure."""


class New(NamedTuple):
    """Place an order."""

    order: int
    party: int
    side: int
    """`BUY` or `SELL`."""
    limit: int | None
    """Worst price it accepts; of a buyer with the network fee."""
    quantity: int
    terms: Terms = PLAIN


class Amend(NamedTuple):
    """Change an order. What is None stays."""

    order: int
    party: int = 0
    """Whose it must be; 0 asks nothing."""
    limit: int | None = None
    quantity: int | None = None
    """The new total, with what is filled."""


class Cancel(NamedTuple):
    """End an order."""

    order: int
    party: int = 0
    """Whose it must be; 0 asks nothing."""


class Time(NamedTuple):
    """Let time pass; what falls due happens at its own instant. Never back."""

    at: int


class Close(NamedTuple):
    """Close the gate: everything open is cancelled, and nothing new comes in."""


class TurnAway(NamedTuple):
    """Keep in its place what was refused at the door, such as a price off the tick."""

    step: str
    order: int
    reason: Refusal
    party: int = 0
    request: int = 0


Step = New | Amend | Cancel | Time | Close | TurnAway


# --- what is answered ------------------------------------------------------------------------


class Trade(NamedTuple):
    """Two orders trade."""

    maker: int
    """The one that rested."""
    taker: int
    price: int
    """What the seller gets a unit; the buyer pays the network fee of the pair on top."""
    quantity: int


class Cancelled(NamedTuple):
    """Open quantity left unfilled."""

    order: int
    quantity: int
    reason: Ended


class Refused(NamedTuple):
    """A step changed nothing."""

    step: str
    order: int
    reason: Refusal


class Triggered(NamedTuple):
    """A stop order was released."""

    order: int


Outcome = Trade | Cancelled | Refused | Triggered


# --- what is kept to -------------------------------------------------------------------------


class BookRules(NamedTuple):
    """What a market may choose."""

    self_trade: SelfTrade | None = None
    """None lets a party meet itself. An order without a party meets nobody of its own."""
    price_min: int | None = None
    price_max: int | None = None
    network_fee: int = 0
    """Between any two orders, unless there is a matrix."""
    network_fees: Mapping[tuple[int, int], int] | None = None
    """By zone of the seller and of the buyer. A pair without a fee does not trade."""
    parents: Sequence[int] = (0,)
    """By category: the one above it, with a smaller number; 0 is none."""


def refusal_of(new: New, rules: BookRules) -> Refusal | None:
    """Return what is wrong with an order in itself, in quantity and price."""
    terms = new.terms
    if new.quantity <= 0 or not 0 <= terms.min_quantity <= new.quantity:
        return Refusal.BAD_QUANTITY
    if terms.peak is not None and not is_peak(terms.peak, new.quantity):
        return Refusal.BAD_QUANTITY
    for price in (new.limit, terms.stop, terms.protection):
        if price is not None and not is_within(price, rules):
            return Refusal.PRICE_LIMIT
    return None


def is_peak(peak: int, quantity: int) -> bool:
    """Tell whether a quantity can be shown in clips of a peak."""
    return peak > 0 and quantity <= peak * CLIPS_MAX


def is_within(price: int, rules: BookRules) -> bool:
    """Tell whether a price is within the bounds of the market."""
    low, high = rules.price_min, rules.price_max
    return (low is None or price >= low) and (high is None or price <= high)


def is_contradictory(new: New, zones: frozenset[int] | None) -> bool:
    """Tell whether an order says what cannot be meant. Zones: those known to the matrix."""
    terms = new.terms
    kind = terms.kind
    has_limit = kind is Kind.LIMIT or kind is Kind.STOP_LIMIT
    has_stop = kind is Kind.STOP or kind is Kind.STOP_LIMIT
    never_rests = not has_limit or terms.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}
    return (
        has_limit != (new.limit is not None)
        or has_stop != (terms.stop is not None)
        or (has_limit and terms.protection is not None)
        or (terms.time_in_force is TimeInForce.GTD) != (terms.expires is not None)
        or (terms.post_only and (never_rests or terms.min_quantity > 0))
        or (terms.peak is not None and never_rests)
        or (
            terms.valid_from is not None
            and terms.expires is not None
            and terms.expires <= terms.valid_from
        )
        or (terms.origin > 0 and new.side == BUY)
        or (terms.wants > 0 and new.side == SELL)
        or (zones is not None and terms.zone not in zones)
    )
