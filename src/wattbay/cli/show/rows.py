"""Rows of a run folder's tables: energies in Wh, money in nano-currency, prices per Wh."""

from __future__ import annotations

from msgspec import Struct

from wattbay.periods import Instant
from wattbay.views.receipt_lines import ReceiptRow


class MeterRow(Struct, frozen=True):
    """What a version of a receipt rests on."""

    pod: str
    import_wh: int
    export_wh: int
    quality: str
    run: str
    version: int


class OrderRow(Struct, frozen=True):
    """An order and what became of it."""

    seq: int
    at: Instant
    delivery_start: Instant
    pod: str
    side: str
    quantity_wh: int
    limit_nano_per_wh: int | None
    state: str
    filled_wh: int
    reason: str | None = None


class PriceRow(Struct, frozen=True):
    """An auction's result, and the pool price of its delivery."""

    delivery_start: Instant
    product: str
    price_nano_per_wh: int | None
    volume_wh: int
    surplus_nano: int
    surplus_maximum_nano: int
    pool_price_nano_per_wh: int | None
    rule: str | None = None
    """By which the market operator cleared or allocated it; none where the exchange did."""


class RefusalRow(Struct, frozen=True):
    """A command that was refused."""

    seq: int
    at: Instant
    command: str
    subject: str
    reason: str
    detail: str


class ImbalanceRow(Struct, frozen=True):
    """What a balance responsible party was long (positive) or short in a run."""

    brp: str
    run: str
    energy_wh: int


def latest(receipts: list[ReceiptRow]) -> list[ReceiptRow]:
    """Return the last version of each receipt, in order of first issue."""
    found: dict[tuple[Instant, str], ReceiptRow] = {}
    for receipt in receipts:
        found[receipt.delivery_start, receipt.pod] = receipt
    return list(found.values())
