"""The form of batches: many plain steps of one delivery in, and all that came of them out.

Steps and what comes of them are rows of whole numbers of a fixed width, packed as 64-bit
little-endian integers. A row of a step is

    ==============  ==================================================================
    place           number
    ==============  ==================================================================
    0               `NEW`, `NEW_IOC`, `AMEND` or `CANCEL`
    1               place of the pod among the command's `pods`, from 0
    2               the order; 0 of a new one
    3               of a new order 1 to buy and -1 to sell; else 0
    4               limit [nano-currency per Wh]; 0 of `CANCEL`
    5               quantity [Wh], for `AMEND` all of it; 0 of `CANCEL`
    ==============  ==================================================================
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from sys import byteorder
from typing import Final

from wattbay.core.facts import Message, Record
from wattbay.core.reasons import Reason
from wattbay.ids import OrderId, PodId, ProductId, TradeId
from wattbay.periods import Instant

NEW: Final = 1
NEW_IOC: Final = 2
"""A new order of which nothing rests: what does not trade at once is cancelled."""
AMEND: Final = 3
CANCEL: Final = 4

STEP_WIDTH: Final = 6
STEPS_MAX: Final = 4_096
PODS_MAX: Final = 4_096
"""Of one batch."""
ORDER_WIDTH: Final = 2
"""Of each order that came in: place of its pod, and what each Wh of it holds."""
TRADE_WIDTH: Final = 7
"""Places of buyer and seller, what the buyer pays a Wh, the seller's hold, what of the buy order's
and of the sell order's hold is released; and whether it was the buy order that rested."""
CHANGE_WIDTH: Final = 7
"""Order, quantity, limit, hold, whether it keeps its place, what rests, what each Wh holds."""
INTEGER_BYTES: Final = 8


class StepRefused(Record, kw_only=True):
    """A step of a batch that came to nothing."""

    step: int
    """Its place in the batch, from 0."""
    reason: Reason
    detail: str


class AccountMoved(Record, kw_only=True):
    """What a batch changes on a money account. [nano-currency]"""

    account: str
    money_nano: int
    """What was debited less what was credited."""
    held_nano: int
    """Held for orders and sales together."""
    short_nano: int
    """What of that is held for sales, until the delivery is settled."""
    is_new: bool = False
    """Whether nothing was ever paid on it before."""


class PodMoved(Record, kw_only=True):
    """What a batch changes in the orders and the position of a pod."""

    pod: PodId
    orders: int
    buying_wh: int
    selling_wh: int
    bought_wh: int
    sold_wh: int


class OrdersEntered(Message, kw_only=True):
    """Many orders of a delivery came in, changed, traded and went, one after the other.

    `wattbay.core.entered.told` says it as the events of single commands would.
    """

    product: ProductId
    delivery: Instant
    first_order: OrderId
    first_trade: TradeId
    pods: tuple[PodId, ...]
    """All that are named by their places; those of the command come first."""
    steps: int
    """How many of the batch's steps were taken; the rest is cut off, since a stop acts first."""
    rows: bytes
    """What the order book folds: the rows of `wattbay.core.market.codes`."""
    orders: bytes
    """Rows of what the book does not know of each order that came in, in their order."""
    trades: bytes
    """Likewise of each trade."""
    changes: bytes
    """Likewise of each change."""
    refused: tuple[StepRefused, ...]
    parts: tuple[int, ...] = ()
    """Which of the cancellations, from 0, leave a part of their order open."""
    arrivals: tuple[int, ...] = ()
    """Of orders that brought a party or a pool that is new: place of the pod, then the side."""
    volume_wh: int = 0
    """Traded."""
    value_nano: int = 0
    """What sellers got for it."""
    accounts: tuple[AccountMoved, ...] = ()
    positions: tuple[PodMoved, ...] = ()
    is_plain: bool = False
    """Whether no order has a part in it that says more than its limit."""


def packed(numbers: Sequence[int]) -> bytes:
    """Return whole numbers as bytes."""
    column = array("q", numbers)
    if byteorder == "big":
        column.byteswap()
    return column.tobytes()


def unpacked(numbers: bytes) -> array[int]:
    """Return the whole numbers that bytes are; their length is a multiple of eight."""
    column = array("q")
    column.frombytes(numbers)
    if byteorder == "big":
        column.byteswap()
    return column
