"""One pass over the long files: what every delivery and every home came to.

Receipts, meters, orders and devices have a row for each home and delivery. They are read a window
of time at a time and folded into two small tables, so that a year costs no more memory than a week.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import polars as pl

from wattbay.adapters.report.folder import RunFolder

ENERGIES = (
    "bought_wh", "sold_wh", "delivered_in_wh", "delivered_out_wh", "import_wh", "export_wh",
    "deviation_wh", "pooled_wh", "residual_wh",
)  # fmt: skip
AMOUNTS = (
    "trades_nano", "pool_nano", "supplier_nano", "network_nano", "levy_nano", "service_nano",
    "total_nano", "same_meters_nano",
)  # fmt: skip
DEVICES = ("load_wh", "pv_wh", "charge_wh", "discharge_wh")
FLOWS = (
    "pv_load_wh", "pv_charge_wh", "pv_export_wh", "discharge_load_wh", "discharge_export_wh",
    "import_load_wh", "import_charge_wh",
)  # fmt: skip
TRADING = ("filled", "partly_filled", "expired")
"""States of orders that took part in an auction."""

c = pl.col
KEY = ("delivery_start", "pod")


class Counts(NamedTuple):
    """What the pass found."""

    deliveries: pl.DataFrame
    """A row for every delivery of the run, in order, whether settled or not."""
    pods: pl.DataFrame
    """A row for every pod, by id."""
    qualities: pl.DataFrame
    """quality, count: of the readings that stand."""
    runs: pl.DataFrame
    """run, receipts, estimated: what each settlement run issued."""
    estimates: pl.DataFrame
    """pod, ever, still, first, last: home-deliveries that were estimated, and still are."""
    corrections: pl.DataFrame
    """delivery_start, pod, version, change_nano: receipts issued again."""
    meters_differ_wh: int
    """Sum over homes of what receipts and meters disagree on; none is right."""


def fold(folder: RunFolder) -> Counts:
    """Read the long files once, a window at a time."""
    parts = [_window(folder, window) for window in folder.windows()]
    starts = folder.starts.to_frame()
    deliveries = starts.join(_stack(p.deliveries for p in parts), on="delivery_start", how="left")
    sums = [name for name in deliveries.columns if name != "delivery_start"]
    pods = pl.DataFrame({"pod": [home.pod for home in folder.homes]}, schema={"pod": pl.String})
    seen = _stack(p.pods for p in parts).group_by("pod").sum()
    estimates = _stack(p.estimates for p in parts).group_by("pod").agg(
        c("ever", "still").sum(), c.first.min(), c.last.max()
    )  # fmt: skip
    return Counts(
        deliveries=deliveries.with_columns(c(sums).fill_null(0)).sort("delivery_start"),
        pods=pods.join(seen, on="pod", how="left").fill_null(0).sort("pod"),
        qualities=_total(parts, "qualities", "quality"),
        runs=_total(parts, "runs", "run"),
        estimates=estimates.sort("ever", "pod", descending=[True, False]),
        corrections=_stack(p.corrections for p in parts).sort(KEY),
        meters_differ_wh=sum(p.meters_differ_wh for p in parts),
    )


def _stack(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(list(frames))


def _total(parts: list[Counts], name: str, key: str) -> pl.DataFrame:
    """Add up a table of counts over the windows, in order of first appearance."""
    whole = _stack(getattr(part, name) for part in parts)
    return whole.group_by(key, maintain_order=True).sum()


def _window(folder: RunFolder, window: tuple[datetime, datetime]) -> Counts:
    columns = [*KEY, "run", "version", *ENERGIES, *AMOUNTS, "estimated"]
    issued = folder.within("receipts", window).select(columns).collect()
    receipts = _latest(issued)
    meters = folder.within("meters", window).select(
        *KEY, "import_wh", "export_wh", "quality", "version"
    ).collect()  # fmt: skip
    standing = _latest(meters)
    deliveries = receipts.group_by("delivery_start").agg(*_sums(), *_imbalance_sums())
    pods = receipts.group_by("pod").agg(
        c(ENERGIES).sum(), c(AMOUNTS).sum(), missed_wh=c.deviation_wh.abs().sum()
    )
    deliveries = deliveries.join(_order_error(folder, window, receipts), "delivery_start", "left")
    if folder.has("devices"):
        by_delivery, by_pod = _devices(folder, window)
        deliveries = deliveries.join(by_delivery, on="delivery_start", how="full", coalesce=True)
        pods = pods.join(by_pod, on="pod", how="full", coalesce=True)
    return Counts(
        deliveries=deliveries,
        pods=pods,
        qualities=standing.group_by("quality").agg(count=pl.len().cast(pl.Int64)),
        runs=issued.group_by("run", maintain_order=True).agg(
            receipts=pl.len().cast(pl.Int64), estimated=c.estimated.sum().cast(pl.Int64)
        ),
        estimates=_estimates(meters, standing),
        corrections=_corrections(issued),
        meters_differ_wh=_difference(receipts, standing),
    )


def _latest(issued: pl.DataFrame) -> pl.DataFrame:
    """Keep the last version of each home's delivery; most have but one."""
    again = issued.filter(c.version > 1)
    if again.is_empty():
        return issued
    newest = again.group_by(KEY).agg(newest=c.version.max())
    joined = issued.join(newest, on=KEY, how="left", maintain_order="left")
    return joined.filter(c.newest.is_null() | (c.version == c.newest)).drop("newest")


def _sums() -> list[pl.Expr]:
    return [c(ENERGIES).sum(), c(AMOUNTS).sum()]


def _imbalance_sums() -> list[pl.Expr]:
    """Return what the deviations of a delivery came to, and what must be zero in it."""
    parts = pl.sum_horizontal(AMOUNTS[:6])
    return [
        c.deviation_wh.abs().sum().alias("missed_wh"),
        c.pooled_wh.abs().sum().alias("pooled_both_wh"),
        c.residual_wh.clip(lower_bound=0).sum().alias("residual_long_wh"),
        (-c.residual_wh).clip(lower_bound=0).sum().alias("residual_short_wh"),
        (c.deviation_wh - c.pooled_wh - c.residual_wh).abs().sum().alias("unexplained_wh"),
        (c.total_nano - parts).abs().sum().alias("unexplained_nano"),
        pl.len().cast(pl.Int64).alias("receipts"),
    ]


def _order_error(
    folder: RunFolder, window: tuple[datetime, datetime], receipts: pl.DataFrame
) -> pl.DataFrame:
    """Return by how much homes' meters missed what they had ordered, per delivery. [Wh]

    ordered = bids - offers that took part in the auction; metered = import - export.
    """
    bid = pl.when(c.side == "buy").then(c.quantity_wh).otherwise(-c.quantity_wh)
    ordered = (
        folder.within("orders", window)
        .filter(c.state.is_in(TRADING))
        .select(*KEY, ordered_wh=bid)
        .collect()
        .group_by(KEY)
        .agg(c.ordered_wh.sum())
    )
    metered = receipts.select(*KEY, metered_wh=c.import_wh - c.export_wh)
    return (
        ordered.join(metered, on=KEY)
        .group_by("delivery_start")
        .agg(
            order_error_wh=(c.ordered_wh - c.metered_wh).abs().sum(),
            order_metered_wh=c.metered_wh.abs().sum(),
        )
    )


def _devices(
    folder: RunFolder, window: tuple[datetime, datetime]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split each home's energy behind the meter by where it came from and went.

    Solar serves the home first, then its battery, then the meter; the battery serves the home,
    then the meter; what is still wanted is imported, for the home first.
    """
    rows = folder.within("devices", window).select(*KEY, *DEVICES).collect()
    rows = rows.with_columns(
        pv_load_wh=pl.min_horizontal("pv_wh", "load_wh"),
    ).with_columns(
        pv_charge_wh=pl.min_horizontal(c.pv_wh - c.pv_load_wh, "charge_wh"),
        discharge_load_wh=pl.min_horizontal("discharge_wh", c.load_wh - c.pv_load_wh),
    ).with_columns(
        pv_export_wh=c.pv_wh - c.pv_load_wh - c.pv_charge_wh,
        discharge_export_wh=c.discharge_wh - c.discharge_load_wh,
        import_load_wh=c.load_wh - c.pv_load_wh - c.discharge_load_wh,
        import_charge_wh=c.charge_wh - c.pv_charge_wh,
    )  # fmt: skip
    by_delivery = rows.group_by("delivery_start").agg(c(DEVICES).sum(), c(FLOWS).sum())
    return by_delivery, rows.group_by("pod").agg(c("load_wh", "pv_wh").sum())


def _estimates(meters: pl.DataFrame, standing: pl.DataFrame) -> pl.DataFrame:
    estimated = c.quality == "estimated"
    ever = meters.filter(estimated).group_by("pod").agg(
        ever=c.delivery_start.n_unique().cast(pl.Int64),
        first=c.delivery_start.min(),
        last=c.delivery_start.max(),
    )  # fmt: skip
    still = standing.filter(estimated).group_by("pod").agg(still=pl.len().cast(pl.Int64))
    joined = ever.join(still, on="pod", how="left").with_columns(c.still.fill_null(0))
    return joined.select("pod", "ever", "still", "first", "last")


def _corrections(issued: pl.DataFrame) -> pl.DataFrame:
    """Return each receipt that was issued again, with what that changed. [nano-currency]"""
    again = issued.filter(c.version > 1).select(KEY).unique()
    versions = issued.join(again, on=KEY, how="semi").sort(*KEY, "version")
    return versions.group_by(KEY, maintain_order=True).agg(
        version=c.version.last().cast(pl.Int64),
        change_nano=c.total_nano.last() - c.total_nano.first(),
    )


def _difference(receipts: pl.DataFrame, standing: pl.DataFrame) -> int:
    registers = ("import_wh", "export_wh")
    one = receipts.group_by("pod").agg(c(registers).sum())
    other = standing.group_by("pod").agg(c(registers).sum())
    both = pl.concat([one, other.with_columns(-c(registers))]).group_by("pod").agg(
        c(registers).sum()
    )  # fmt: skip
    return int(both.select(pl.sum_horizontal(c(registers).abs()).sum()).item() or 0)
