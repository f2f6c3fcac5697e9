"""Rows of a run folder's tables: energies in Wh, money in nano-currency, prices per Wh."""

from __future__ import annotations

from msgspec import Struct

from wattbay.periods import Instant


class ReceiptRow(Struct, frozen=True):
    """A version of a pod's receipt. Positive money: the party pays."""

    delivery_start: Instant
    pod: str
    party: str
    run: str
    version: int
    bought_wh: int
    sold_wh: int
    delivered_in_wh: int
    delivered_out_wh: int
    import_wh: int
    export_wh: int
    deviation_wh: int
    pooled_wh: int
    residual_wh: int
    trades_nano: int
    pool_nano: int
    supplier_nano: int
    network_nano: int
    levy_nano: int
    service_nano: int
    total_nano: int
    same_meters_nano: int

    @property
    def activated_wh(self) -> int:
        """What the grid operator instructed; into the grid is positive. [Wh]"""
        position = self.sold_wh - self.bought_wh
        return self.export_wh - self.import_wh - position - self.deviation_wh

    @property
    def saved_nano(self) -> int:
        """What the same meters would have cost more without a market. [nano-currency]"""
        return self.same_meters_nano - self.total_nano


class TradeRow(Struct, frozen=True):
    """A trade; the two prices differ where each side pays as it bid, or the market keeps a fee."""

    buyer_pod: str
    seller_pod: str
    quantity_wh: int
    price_nano_per_wh: int
    state: str
    delivered_wh: int | None = None
    seller_price_nano_per_wh: int | None = None

    @property
    def seller_price(self) -> int:
        """What the seller gets. [nano-currency per Wh]"""
        own = self.seller_price_nano_per_wh
        return self.price_nano_per_wh if own is None else own


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
