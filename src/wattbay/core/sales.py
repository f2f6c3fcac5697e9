"""Sales that two parties agreed on elsewhere, and bring to be kept: what can be asked.

They met outside the books, over a protocol of their own. Here a sale becomes history whole, in one
entry, or not at all; what it comes to is said by `wattbay.core.market.offers`.
"""

from __future__ import annotations

from wattbay.core.facts import Message, Record
from wattbay.ids import PodId, ProductId, RequestId
from wattbay.periods import Instant

SALE_PARTS_MAX = 100
SALE_PROOFS_MAX = 128
SALE_PROOF_BYTES_MAX = 512
"""Of each message."""


class SalePart(Record, kw_only=True):
    """What of a sale falls into one delivery."""

    delivery: Instant
    quantity_wh: int


class ConcludeSale(Message, kw_only=True):
    """Let a sale be so that seller and buyer agreed on elsewhere: all its parts, or none."""

    product: ProductId
    """A bilateral one."""
    seller: PodId
    buyer: PodId
    price: int
    """What the seller gets; the buyer pays the network fee on top. [nano-currency per Wh]"""
    parts: tuple[SalePart, ...]
    """By delivery, each later than the one before."""
    proof: tuple[bytes, ...] = ()
    """The messages as received by which they agreed, those of bidders that lost included."""
    request: RequestId | None = None
    """Known as one of the seller's."""
