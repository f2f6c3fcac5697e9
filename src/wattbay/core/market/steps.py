"""What can be asked of an order book, what it answers, and what it may be told to keep to.

Whole numbers throughout: orders and parties are numbers given by the caller, from 1; 0 is none.
Prices and quantities are in ticks, within ±(2**53 - 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from wattbay.core.facts import SelfTrade
from wattbay.core.terms import Ended, Kind, TimeInForce

BUY = 1
SELL = -1


class Refusal(StrEnum):
    """Why a step is refused, in the order in which it is looked at."""

    OFF_TICK = "off_tick"
    BAD_QUANTITY = "bad_quantity"
    PRICE_LIMIT = "price_limit"
    DUPLICATE_ID = "duplicate_id"
    UNKNOWN_ORDER = "unknown_order"
    ALREADY_EXPIRED = "already_expired"
    GATE_CLOSED = "gate_closed"
    HALTED = "halted"
    BAD_CONDITION = "bad_condition"


class BookPhase(StrEnum):
    """What a book lets happen."""

    PRE_OPEN = "pre_open"
    """Orders rest and do not meet."""
    OPEN = "open"
    HALTED = "halted"
    """Orders can be cancelled or made smaller, and expire."""
    CLOSED = "closed"
    """Everything open was cancelled, and nothing new comes in."""


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
    request: int = 0
    """Repeated by its party, it changes nothing."""
    partner: int = 0
    """Trades with this party alone."""


PLAIN = Terms()
"""A limit order until gate closure."""


class New(NamedTuple):
    """Place an order."""

    order: int
    party: int
    pool: int
    """`BUY` or `SELL`, or another pool that the book has: its sign is the side."""
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


class CancelAll(NamedTuple):
    """End all orders of a party; 0 is every party."""

    party: int


class Phase(NamedTuple):
    """Let a book come into another phase."""

    to: BookPhase


class Release(NamedTuple):
    """Let the stop order act that `Book.released` names."""

    order: int


class TurnAway(NamedTuple):
    """Keep in its place what was refused at the door, such as a price off the tick."""

    step: str
    order: int
    reason: Refusal
    party: int = 0
    request: int = 0


Step = New | Amend | Cancel | Time | Close | TurnAway | CancelAll | Phase | Release


# --- what is answered ------------------------------------------------------------------------


class Entered(NamedTuple):
    """An order came in."""

    order: int
    party: int
    pool: int
    limit: int | None
    quantity: int
    terms: Terms
    rests: int
    """What of it rests when the step is complete."""
    waits: bool
    """Until it is valid, or until its stop is reached."""


class Trade(NamedTuple):
    """Two orders trade. What is left of the one that came was said by what rests of it."""

    maker: int
    """The one that rested."""
    taker: int
    price: int
    """What the seller gets a unit; the buyer pays the network fee of the pair on top."""
    quantity: int


class Crossed(NamedTuple):
    """Two orders that rested trade, in an auction: at a price that came from outside."""

    buy: int
    sell: int
    price: int
    quantity: int


class Moved(NamedTuple):
    """An order was changed, and is behind all others now."""

    order: int
    limit: int | None
    quantity: int
    """Its new total, with what was filled before this step."""
    rests: int
    """What of it rests when the step is complete; 0 where it waits, too."""


class Reduced(NamedTuple):
    """An order was made smaller, in its place."""

    order: int
    quantity: int
    """Its new total, with what is filled."""


class Released(NamedTuple):
    """An order acted that had waited for its stop, or until it was valid."""

    order: int
    rests: int


class Armed(NamedTuple):
    """A stop order is valid now, and waits for its stop."""

    order: int


class Cancelled(NamedTuple):
    """Open quantity left unfilled."""

    order: int
    quantity: int
    reason: Ended


class Refused(NamedTuple):
    """A step changed nothing, but that its request is known."""

    step: str
    order: int
    reason: Refusal
    party: int = 0
    """Whose request it was, where the step bore one."""
    request: int = 0


class Passed(NamedTuple):
    """Time passed."""

    at: int


class Phased(NamedTuple):
    """A book came into another phase."""

    to: BookPhase


Outcome = (
    Entered
    | Trade
    | Crossed
    | Moved
    | Reduced
    | Released
    | Armed
    | Cancelled
    | Refused
    | Passed
    | Phased
)


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
