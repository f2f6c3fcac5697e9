"""What a run comes to, from its tables: the totals of `summary.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from wattbay.adapters.files.run_folder import read_table
from wattbay.units import round_half_even

Total = int | float | str | bool | None | Mapping[str, "Total"]


def totals(path: Path) -> dict[str, Total]:
    """Return the totals of a finished run. Energies in Wh, money in nano-currency, before tax."""
    homes = per_home(path)
    saved = homes["saved_nano"]
    against_baseline = homes["saved_on_baseline_nano"]
    return {
        **_trading(path),
        **_energy(path),
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
        **_metering(path),
        "refusals": _counts(read_table(path, "refusals"), "reason"),
    }


def last_versions(path: Path, name: str) -> pl.LazyFrame:
    """Return the rows of `receipts` or `meters` that no later version replaces, not read yet."""
    table = read_table(path, name)
    key = ["delivery_start", "pod", "version"]
    # Corrections are few, so what they replace is struck out and the rest need not be sorted.
    replaced = table.filter(pl.col("version") > 1).select(key).with_columns(pl.col("version") - 1)
    return table.join(replaced, on=key, how="anti")


def per_home(path: Path) -> pl.DataFrame:
    """Return what each home paid, and what it saved both ways. [nano-currency, before tax]"""
    homes = (
        last_versions(path, "receipts")
        .group_by("pod")
        .agg(pl.col("total_nano").sum(), pl.col("same_meters_nano").sum())
    )
    return (
        homes.join(read_table(path, "baseline"), on="pod", how="left")
        .with_columns(
            saved_nano=pl.col("same_meters_nano") - pl.col("total_nano"),
            saved_on_baseline_nano=(pl.col("baseline_nano") - pl.col("baseline_charge_nano"))
            - (pl.col("total_nano") - pl.col("market_charge_nano")),
        )
        .sort("pod")
        .collect(engine="streaming")
    )


def _trading(path: Path) -> dict[str, Total]:
    """Return counts, volumes and prices of the market."""
    prices = read_table(path, "prices").filter(pl.col("volume_wh") > 0)
    price = pl.col("price_nano_per_wh")
    found = prices.select(
        low=price.min(),
        high=price.max(),
        paid=(price * pl.col("volume_wh")).sum(),
        volume=pl.col("volume_wh").sum(),
        auctions=pl.len(),
        surplus=pl.col("surplus_nano").sum(),
    ).collect()
    most = read_table(path, "prices").select(pl.col("surplus_maximum_nano").sum()).collect().item()
    trades = read_table(path, "trades").select(
        count=pl.len(), delivered=pl.col("delivered_wh").sum()
    )
    traded = trades.collect()
    volume = _int(found["volume"][0])
    return {
        "orders": _counts(read_table(path, "orders"), "state"),
        "trades": int(traded["count"][0]),
        "traded_wh": volume,
        "delivered_wh": _int(traded["delivered"][0]),
        "auctions_that_crossed": int(found["auctions"][0]),
        "price_nano_per_wh": {
            "low": found["low"][0],
            "mean": round_half_even(_int(found["paid"][0]), volume) if volume else None,
            "high": found["high"][0],
        },
        "surplus_nano": _int(found["surplus"][0]),
        "surplus_maximum_nano": _int(most),
    }


def _energy(path: Path) -> dict[str, Total]:
    """Return metered energies, what became of deviations, and how many receipts there are."""
    found = (
        last_versions(path, "receipts")
        .select(
            import_wh=pl.col("import_wh").sum(),
            export_wh=pl.col("export_wh").sum(),
            deviation_absolute_wh=pl.col("deviation_wh").abs().sum(),
            pooled_absolute_wh=pl.col("pooled_wh").abs().sum(),
            residual_absolute_wh=pl.col("residual_wh").abs().sum(),
            receipts=pl.len(),
            receipts_corrected=(pl.col("version") > 1).sum(),
        )
        .collect(engine="streaming")
    )
    return {name: _int(found[name][0]) for name in found.columns}


def _metering(path: Path) -> dict[str, Total]:
    """Return how well the receipts are founded."""
    return {
        "quality": _counts(last_versions(path, "meters"), "quality"),
        "runs": _counts(read_table(path, "meters"), "run"),
    }


def _counts(table: pl.LazyFrame, column: str) -> dict[str, Total]:
    """Return how often each value occurs, by name."""
    counted = table.group_by(column).len().sort(column).collect(engine="streaming")
    return dict(zip(counted[column].to_list(), counted["len"].to_list(), strict=True))


def _int(value: object) -> int:
    """Return a sum as an integer; nothing sums to 0."""
    return int(value) if isinstance(value, int | float) else 0
