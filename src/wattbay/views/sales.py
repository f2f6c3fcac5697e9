"""Sales that were agreed elsewhere, and how far they were kept: batteries, buyers, reputations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from wattbay.core.commands import GiveSignal
from wattbay.core.events import ReceiptIssued, Rejected
from wattbay.core.facts import Receipt
from wattbay.core.sales import ConcludeSale, SalePart
from wattbay.ids import PodId, ProductId, RequestId
from wattbay.kernel.codec import Entry
from wattbay.periods import Instant


class Sale(NamedTuple):
    """A concluded sale."""

    entry: int
    at: Instant
    seller: PodId
    buyer: PodId
    price: int
    """[nano-currency per Wh]"""
    energy_wh: int
    parts: tuple[SalePart, ...]
    request: RequestId | None


@dataclass(slots=True)
class Kept:
    """What a pod promised in settled deliveries, and what of it came to be. [Wh]"""

    sold_wh: int = 0
    given_wh: int = 0
    """Of what it sold, what its meter sent into the grid."""
    bought_wh: int = 0
    taken_wh: int = 0
    """Of what it bought, what its meter drew."""

    @property
    def reputation(self) -> float | None:
        """Kept of promised, 0 to 1; None before anything was settled."""
        promised = self.sold_wh + self.bought_wh
        return (self.given_wh + self.taken_wh) / promised if promised else None

    def add(self, receipt: Receipt, sign: int) -> None:
        """Count a receipt, or take one back that was corrected."""
        self.sold_wh += sign * receipt.sold_wh
        self.given_wh += sign * min(receipt.sold_wh, receipt.export_wh)
        self.bought_wh += sign * receipt.bought_wh
        self.taken_wh += sign * min(receipt.bought_wh, receipt.import_wh)


class Sales:
    """The sales of one product, in a journal read from its first entry on.

    Reputations count a pod's receipts, whatever product it traded: a meter knows no product.
    """

    def __init__(self, product: ProductId) -> None:
        """Follow a product."""
        self._product = product
        self.sales: dict[RequestId, Sale] = {}
        """Those that bear a request, in the order of the journal."""
        self.levels: dict[PodId, tuple[int, int]] = {}
        """How full each battery told to be, less what it sold since [Wh]; and by which entry."""
        self.kept: dict[PodId, Kept] = {}
        self.total_wh = 0
        self.total_nano = 0
        self.seq = 0
        """The last entry."""

    def fold(self, entry: Entry) -> None:
        """Take the next entry of history."""
        self.seq = entry.seq
        command = entry.command
        if isinstance(command, ConcludeSale):
            self._sale(command, entry)
        elif isinstance(command, GiveSignal):
            self._signal(command, entry)
        for event in entry.events:
            if type(event) is ReceiptIssued:
                self._receipt(event)

    def _signal(self, command: GiveSignal, entry: Entry) -> None:
        if command.pod is not None and not _is_refused(entry):
            self.levels[command.pod] = command.value, entry.seq

    def _sale(self, command: ConcludeSale, entry: Entry) -> None:
        if _is_refused(entry) or command.product != self._product:
            return
        energy_wh = sum(part.quantity_wh for part in command.parts)
        sale = Sale(
            entry.seq, entry.at, command.seller, command.buyer, command.price, energy_wh,
            command.parts, command.request,
        )  # fmt: skip
        if command.request is not None:
            self.sales[command.request] = sale
        if command.seller in self.levels:
            left = self.levels[command.seller][0] - energy_wh
            self.levels[command.seller] = max(0, left), entry.seq
        self.total_wh += energy_wh
        self.total_nano += energy_wh * command.price

    def _receipt(self, event: ReceiptIssued) -> None:
        kept = self.kept.setdefault(event.receipt.pod, Kept())
        if event.corrects is not None:
            kept.add(event.corrects, -1)
        kept.add(event.receipt, 1)


def _is_refused(entry: Entry) -> bool:
    return not entry.events or type(entry.events[0]) is Rejected
