"""What a session is made of: stages, bids, auctions, and what a session wants done.

A session hears messages and the time, and returns effects; it opens no socket and asks no clock.
Whoever holds the sockets does the effects, in their order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from wattbay.adapters.etp.bess import Bess, Verdict, judge
from wattbay.adapters.etp.messages import Message, RejectCode
from wattbay.adapters.etp.telling import Happening
from wattbay.periods import SECOND


class Stage(StrEnum):
    """Where an auction, or a bid in one, has come to."""

    IDLE = "idle"
    """No auction runs: the battery pauses, or nobody asked yet."""
    QUERIED = "queried"
    """Somebody asked what is for sale; no bid waits."""
    OPEN = "open"
    """A bid waits to be judged."""
    EVALUATING = "evaluating"
    """Bids are being judged."""
    ACCEPTED = "accepted"
    """Energy is reserved until the bidder confirms, or the time for it is over."""
    CONFIRMED = "confirmed"
    """The bidder confirmed; the market is told, and has not answered."""
    SETTLED = "settled"
    """The sale is in the journal. The one end with a sale."""
    REJECTED = "rejected"
    EXPIRED = "expired"
    """Accepted, and not confirmed in time."""
    TERMINATED = "terminated"
    """Given up by either side, or refused by the market."""
    FAILED = "failed"
    """A device failed."""


ENDS: Final = frozenset(
    {Stage.SETTLED, Stage.REJECTED, Stage.EXPIRED, Stage.TERMINATED, Stage.FAILED}
)
"""Of a bid: in exactly one of them it ends, and it never leaves it."""

NEXT: Final = MappingProxyType(
    {
        Stage.OPEN: frozenset({Stage.EVALUATING, Stage.TERMINATED, Stage.FAILED}),
        Stage.EVALUATING: frozenset({Stage.ACCEPTED, Stage.REJECTED}),
        Stage.ACCEPTED: frozenset({Stage.CONFIRMED, Stage.EXPIRED, Stage.TERMINATED, Stage.FAILED}),
        Stage.CONFIRMED: frozenset({Stage.SETTLED, Stage.TERMINATED}),
    }
)
"""Where a bid may go from a stage. What the market was told of ends by its answer alone."""

Key = tuple[int, int]
"""Of a bid: the device that sent it, and its message id."""
MarketFault = Callable[[int, int, int], RejectCode | None]
"""Tells why the market would not take a sale: of bidder, price and energy; None if it would."""
Judge = Callable[[Bess, int, float, int], Verdict]


class Rules(NamedTuple):
    """By which a battery sells."""

    window_us: int = 0
    """How long bids are collected before the best wins; 0: the first acceptable one wins. [µs]"""
    confirm_us: int = SECOND // 2
    """How long energy stays reserved without a confirmation. [µs]"""
    pause_us: tuple[int, int] = (0, 0)
    """Between two auctions, drawn by the seed. [µs]"""
    price_tick: int = 10
    """[nano-currency per Wh]"""
    judge: Judge = judge
    bids_max: int = 64
    """Bids that wait in an auction."""
    promised_max: int = 64
    """Bids that are accepted or confirmed at a time."""
    remembered_max: int = 16_384
    """Bids that were rejected, and bids that were accepted without a sale, that are remembered, so
    that a repeated message changes nothing."""
    settled_max: int = 4_096
    """Sales to one bidder that are remembered."""
    bidders_max: int = 10_000
    """Bidders that are told of outcomes, because they registered."""


@dataclass(slots=True)
class Bid:
    """A bid, as the battery knows it."""

    key: Key
    price: int
    """In whole ticks, rounded down. [nano-currency per Wh]"""
    energy_wh: int
    raw: bytes
    """As it came, envelope and all."""
    arrived_us: int
    auction: int = 0
    stage: Stage = Stage.OPEN
    code: int = 0
    """Why it ended, where it was not settled."""
    entry: int = 0
    """Of the journal, once it is settled."""
    after_entry: int = 0
    """Of the journal, the highest known when it was confirmed."""
    until_us: int = 0
    """When its reservation ends."""
    others: tuple[bytes, ...] = ()
    """The other bids of its auction, where it won."""

    @property
    def bidder(self) -> int:
        """Who sent it."""
        return self.key[0]


@dataclass(slots=True)
class Auction:
    """An auction of one battery."""

    number: int
    opened_us: int
    stage: Stage = Stage.QUERIED
    closes_us: int | None = None
    """When the window for bids ends; None before the first."""
    bids: list[Bid] = field(default_factory=list)


# --- what is to be done ----------------------------------------------------------------------


class Send(NamedTuple):
    """Send a message to a device, if it is linked."""

    to: int
    message: Message
    answers: tuple[int, int] | None = None
    """Type of the message that it answers, and when that arrived. [µs]"""


class Broadcast(NamedTuple):
    """Send a message to every linked device."""

    message: Message


class Conclude(NamedTuple):
    """Tell the market of a confirmed sale; `Seller.concluded` hears what it says."""

    key: Key
    price: int
    """[nano-currency per Wh]"""
    energy_wh: int
    proof: tuple[bytes, ...]
    """The bid and its confirmation, then the other bids of the auction, as they came."""


class Keep(NamedTuple):
    """Write down for good that a bid is about to be confirmed, before anything that follows."""

    bess: int
    message_id: int
    price: int
    energy_wh: int


class Ended(NamedTuple):
    """A bid of ours came to its end."""

    bess: int
    message_id: int
    stage: Stage
    code: int
    price: int
    energy_wh: int


class Told(NamedTuple):
    """Let whoever watches know."""

    happening: Happening


Effect = Send | Broadcast | Conclude | Keep | Ended | Told
