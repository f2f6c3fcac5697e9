"""What a home used, traded and owed over a span, added up from the last version of each receipt."""

from __future__ import annotations

import polars as pl
from msgspec import Struct

from wattbay.adapters.files.run_folder import read_table
from wattbay.cli.show.folder import Run
from wattbay.periods import Instant, to_datetime

c = pl.col


class Usage(Struct, frozen=True):
    """Sums over a span. Energies in Wh, money in nano-currency before tax."""

    receipts: int
    corrected: int
    """Receipts that were issued more than once."""
    estimated: int
    """Receipts that still rest on an estimate."""
    once_estimated: int
    """Receipts whose first version rested on one."""
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int
    delivered_in_wh: int
    delivered_out_wh: int
    pool_short_wh: int
    pool_long_wh: int
    supplier_short_wh: int
    supplier_long_wh: int
    paid_nano: int
    """For what was bought."""
    earned_nano: int
    """For what was sold."""
    pool_paid_nano: int
    pool_earned_nano: int
    supplier_paid_nano: int
    supplier_earned_nano: int
    network_nano: int
    levy_nano: int
    service_nano: int
    total_nano: int
    same_meters_nano: int

    @property
    def saved_nano(self) -> int:
        """What the same meters would have cost more without a market."""
        return self.same_meters_nano - self.total_nano

    @property
    def bought_for_nano(self) -> int:
        """All that the home pays, without what it earns: what tax falls on."""
        return (
            self.paid_nano
            + self.pool_paid_nano
            + self.supplier_paid_nano
            + self.network_nano
            + self.levy_nano
            + self.service_nano
        )


def receipts_of(run: Run, pod: str, start: Instant, end: Instant) -> pl.DataFrame:
    """Return the last version of a home's receipts in a span, by time."""
    inside = c("delivery_start").is_between(to_datetime(start), to_datetime(end), closed="left")
    issued = read_table(run.path, "receipts").filter(c("pod") == pod, inside).collect()
    counted = issued.group_by("delivery_start", maintain_order=True).agg(
        pl.all().exclude("estimated").last(),
        c("estimated").last(),
        once_estimated=c("estimated").first(),
    )
    saved = c("same_meters_nano") - c("total_nano")
    return counted.with_columns(saved_nano=saved).sort("delivery_start")


def usage(run: Run, pod: str, receipts: pl.DataFrame, start: Instant, end: Instant) -> Usage:
    """Add up the receipts of a span."""
    bought, sold = _traded(run, pod, start, end)

    def total(expression: pl.Expr) -> int:
        return int(receipts.select(expression.sum()).item() or 0)

    def part(column: str, of: str, sign: int) -> int:
        """Add up a column where a home is short (-1) or long (1), with the sign of that."""
        return sign * total(c(column).filter(c(of) * sign > 0))

    def amount(name: str) -> int:
        return total(c(name))

    return Usage(
        receipts=receipts.height,
        corrected=total(c("version") > 1),
        estimated=amount("estimated"),
        once_estimated=amount("once_estimated"),
        import_wh=amount("import_wh"),
        export_wh=amount("export_wh"),
        bought_wh=amount("bought_wh"),
        sold_wh=amount("sold_wh"),
        delivered_in_wh=amount("delivered_in_wh"),
        delivered_out_wh=amount("delivered_out_wh"),
        pool_short_wh=part("pooled_wh", "pooled_wh", -1),
        pool_long_wh=part("pooled_wh", "pooled_wh", 1),
        supplier_short_wh=part("residual_wh", "residual_wh", -1),
        supplier_long_wh=part("residual_wh", "residual_wh", 1),
        paid_nano=bought,
        earned_nano=sold,
        pool_paid_nano=-part("pool_nano", "pooled_wh", -1),
        pool_earned_nano=-part("pool_nano", "pooled_wh", 1),
        supplier_paid_nano=-part("supplier_nano", "residual_wh", -1),
        supplier_earned_nano=-part("supplier_nano", "residual_wh", 1),
        network_nano=amount("network_nano"),
        levy_nano=amount("levy_nano"),
        service_nano=amount("service_nano"),
        total_nano=amount("total_nano"),
        same_meters_nano=amount("same_meters_nano"),
    )


def _traded(run: Run, pod: str, start: Instant, end: Instant) -> tuple[int, int]:
    """Return what a home paid for what it bought, and earned for what it sold. [nano-currency]"""
    inside = c("delivery_start").is_between(to_datetime(start), to_datetime(end), closed="left")
    trades = read_table(run.path, "trades").filter(inside, c("state") != "cancelled")
    own = "seller_price_nano_per_wh"
    earning = own if own in trades.collect_schema() else "price_nano_per_wh"
    sums = trades.select(
        bought=(c("quantity_wh") * c("price_nano_per_wh")).filter(c("buyer_pod") == pod).sum(),
        sold=(c("quantity_wh") * c(earning)).filter(c("seller_pod") == pod).sum(),
    ).collect()
    return int(sums["bought"][0]), int(sums["sold"][0])
