"""What a run comes to, from its tables: the totals of `summary.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from wattbay.adapters.files.run_folder import read_table

Total = int | float | str | bool | None | Mapping[str, "Total"]


def totals(path: Path) -> dict[str, Total]:
    """Return the totals of a finished run. Energies in Wh, money in nano-currency, before tax."""
    last = last_receipts(path)
    homes = per_home(path)
    saved = homes["saved_nano"]
    against_baseline = homes["saved_on_baseline_nano"]
    return {
        **_trading(path),
        **_energy(last),
        "money_nano": {
            "total": _int(homes["total_nano"].sum()),
            "same_meters": _int(homes["same_meters_nano"].sum()),
            "saved": _int(saved.sum()),
            "saved_median_home": _int(saved.median()),
            "saved_worst_home": _int(saved.min()),
            "saved_best_home": _int(saved.max()),
        },
        "homes_better_off": int((saved > 0).sum()),
        "homes_worse_off": int((saved < 0).sum()),
        "on_baseline": {
            "saved_nano": _int(against_baseline.sum()),
            "saved_worst_home_nano": _int(against_baseline.min()),
            "saved_best_home_nano": _int(against_baseline.max()),
            "homes_better_off": int((against_baseline > 0).sum()),
            "homes_worse_off": int((against_baseline < 0).sum()),
        },
        **_metering(path, last),
        "refusals": _counts(read_table(path, "refusals"), "reason"),
    }


def last_receipts(path: Path) -> pl.DataFrame:
    """Return the last version of every receipt."""
    return (
        read_table(path, "receipts")
        .select(
            "delivery_start",
            "pod",
            "version",
            "import_wh",
            "export_wh",
            "bought_wh",
            "delivered_in_wh",
            "pooled_wh",
            "residual_wh",
            "deviation_wh",
            "total_nano",
            "same_meters_nano",
        )
        .sort("version", maintain_order=True)
        .unique(["delivery_start", "pod"], keep="last", maintain_order=False)
        .collect()
    )


def per_home(path: Path) -> pl.DataFrame:
    """Return what each home paid, and what it saved both ways. [nano-currency, before tax]"""
    homes = (
        last_receipts(path)
        .group_by("pod")
        .agg(pl.col("total_nano").sum(), pl.col("same_meters_nano").sum())
    )
    baseline = read_table(path, "baseline").collect()
    return (
        homes.join(baseline, on="pod", how="left")
        .with_columns(
            saved_nano=pl.col("same_meters_nano") - pl.col("total_nano"),
            saved_on_baseline_nano=(pl.col("baseline_nano") - pl.col("baseline_charge_nano"))
            - (pl.col("total_nano") - pl.col("market_charge_nano")),
        )
        .sort("pod")
    )


def _trading(path: Path) -> dict[str, Total]:
    """Return counts, volumes and prices of the market."""
    prices = read_table(path, "prices").filter(pl.col("volume_wh") > 0)
    price = pl.col("price_nano_per_wh")
    found = prices.select(
        low=price.min(),
        high=price.max(),
        mean=(price * pl.col("volume_wh")).sum() / pl.col("volume_wh").sum(),
        volume=pl.col("volume_wh").sum(),
        auctions=pl.len(),
        surplus=pl.col("surplus_nano").sum(),
    ).collect()
    most = read_table(path, "prices").select(pl.col("surplus_maximum_nano").sum()).collect().item()
    trades = read_table(path, "trades").select(
        count=pl.len(), delivered=pl.col("delivered_wh").sum()
    )
    traded = trades.collect()
    mean = found["mean"][0]
    return {
        "orders": _counts(read_table(path, "orders"), "state"),
        "trades": int(traded["count"][0]),
        "traded_wh": _int(found["volume"][0]),
        "delivered_wh": _int(traded["delivered"][0]),
        "auctions_that_crossed": int(found["auctions"][0]),
        "price_nano_per_wh": {
            "low": found["low"][0],
            "mean": None if mean is None else round(mean),
            "high": found["high"][0],
        },
        "surplus_nano": _int(found["surplus"][0]),
        "surplus_maximum_nano": _int(most),
    }


def _energy(last: pl.DataFrame) -> dict[str, Total]:
    """Return metered energies and what became of deviations."""
    deviation = last["deviation_wh"]
    return {
        "import_wh": _int(last["import_wh"].sum()),
        "export_wh": _int(last["export_wh"].sum()),
        "deviation_absolute_wh": _int(deviation.abs().sum()),
        "pooled_absolute_wh": _int(last["pooled_wh"].abs().sum()),
        "residual_absolute_wh": _int(last["residual_wh"].abs().sum()),
    }


def _metering(path: Path, last: pl.DataFrame) -> dict[str, Total]:
    """Return how well the receipts are founded."""
    newest = (
        read_table(path, "meters")
        .select("delivery_start", "pod", "version", "quality")
        .sort("version", maintain_order=True)
        .unique(["delivery_start", "pod"], keep="last")
    )
    return {
        "receipts": last.height,
        "receipts_corrected": int((last["version"] > 1).sum()),
        "quality": _counts(newest, "quality"),
        "runs": _counts(read_table(path, "meters"), "run"),
    }


def _counts(table: pl.LazyFrame, column: str) -> dict[str, Total]:
    """Return how often each value occurs, by name."""
    counted = table.group_by(column).len().sort(column).collect()
    return dict(zip(counted[column].to_list(), counted["len"].to_list(), strict=True))


def _int(value: object) -> int:
    """Return a sum as an integer; nothing sums to 0."""
    return int(value) if isinstance(value, int | float) else 0
