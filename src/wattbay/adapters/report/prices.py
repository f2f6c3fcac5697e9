"""Prices and volumes over time, the curves of auctions, and the share of the possible gain."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import polars as pl
from msgspec import structs

from wattbay.adapters.report.fold import TRADING
from wattbay.adapters.report.run import GROUP_HOMES_MIN, Run
from wattbay.adapters.report.series import Json, chart_over_time
from wattbay.adapters.report.tags import Section, behind, chart, table
from wattbay.adapters.report.words import kwh_exact, percent

AUCTIONS_MAX = 336
"""Auctions whose curves are kept: all of a week of half-hours; of a longer run a choice."""
AUCTIONS_LATEST = 144
AUCTIONS_NOTABLE = 64
"""How many of the largest, of the dearest and of the cheapest auctions are chosen."""
LEVELS_MAX = 40_000
"""Price levels that all curves may have together; beyond, neighbours are drawn as one step."""
LEVELS_PER_SIDE_MIN = 20

SIDE = ("delivery_start", "side")

c = pl.col


class Side(NamedTuple):
    """Bids or offers of an auction, best first; a limit of None is a market order."""

    limits: list[int | None]
    """[nano-currency per Wh]"""
    quantities: list[int]
    """[Wh]"""
    orders: int


class Curves(NamedTuple):
    """Demand and supply of an auction."""

    bids: Side
    offers: Side


NOBODY = Side([], [], 0)


class Corridor(NamedTuple):
    """Between which prices trade is worth while. [nano-currency per Wh]"""

    export: int
    """What a supplier pays for export: the least a seller should take."""
    worth: int
    """What a neighbour's energy is worth to a buyer at most, local network fee deducted."""
    retail: int
    """What a supplier charges in all, before tax."""


def corridor(run: Run) -> Corridor | None:
    """Return the widest corridor over the tariffs in use; None where no tariff is known.

    worth = energy + regional network - the lowest local network fee. Of prices that vary, the
    lowest export and the highest energy count.
    """
    varied = run.folder.varied
    used = [
        tariff
        if name not in varied
        else structs.replace(tariff, energy=varied[name].energy[1], export=varied[name].export[0])
        for name, tariff in run.folder.tariffs.tariffs.items()
    ]
    if not used:
        return None
    return Corridor(
        export=min(t.export for t in used),
        worth=max(
            t.energy
            + t.network_regional
            - min(t.network_local.values(), default=t.network_regional)
            for t in used
        ),
        retail=max(t.energy + t.network_regional + t.levy for t in used),
    )


def mean_price(frame: pl.DataFrame) -> int | None:
    """Return the mean of clearing prices, weighted by volume. [nano-currency per Wh]"""
    priced = frame.filter(c.price_nano_per_wh.is_not_null() & (c.volume_wh > 0))
    if priced.is_empty():
        return None
    value, volume = priced.select((c.price_nano_per_wh * c.volume_wh).sum(), c.volume_wh.sum()).row(
        0
    )
    return int(value) // int(volume)


def prices(run: Run) -> tuple[Section, Json]:
    """Write the prices and volumes of every delivery, or day by day."""
    frame, purse, span = run.deliveries, run.purse, run.place.span
    crossed = frame.filter(c.price_nano_per_wh.is_not_null())
    mean = mean_price(frame)
    finding = f"In none of the {frame.height:,} {span}s did a bid meet an offer."
    if mean is not None:
        low, high = crossed.select(c.price_nano_per_wh.min(), high=c.price_nano_per_wh.max()).row(0)
        finding = (
            f"Neighbours traded in {crossed.height:,} of {frame.height:,} {span}s, at "
            f"{purse.price(low, unit=False)} to {purse.price(high)}; "
            f"{purse.price(mean)} on average over what was traded."
        )
    notes = [run.way.price.format(span=span)]
    limits = corridor(run)
    lines: list[Json] = []
    if limits is not None:
        notes.append(
            f"Trade pays between {purse.price(limits.export)}, what the supplier gives for "
            f"export, and {purse.price(limits.worth)}, what the supplier's energy and network "
            "cost less the fee of the local network."
        )
        lines = [
            {"at": limits.worth, "label": "most it is worth to a buyer"},
            {"at": limits.export, "label": "supplier pays for export"},
        ]
    panels: list[Json] = [
        {"title": "Price", "unit": purse.price_unit, "scale": purse.price_scale, "digits": 2,
         "draw": "step", "height": 210, "lines": lines, "ranges": ["low", "high"],
         "series": [{"name": "price", "label": "price", "look": "price"}]},
        {"title": "Traded", "unit": "kWh", "scale": 1000, "digits": 2, "draw": "bars",
         "height": 110, "series": [{"name": "volume", "label": "traded", "look": "community"}]},
    ]  # fmt: skip
    priced = c.price_nano_per_wh
    mean_of_day = (priced * c.volume_wh).sum() // c.volume_wh.filter(priced.is_not_null()).sum()
    numbers = chart_over_time(
        run, frame,
        {"price": priced, "volume": c.volume_wh},
        {"price": pl.when(c.volume_wh.sum() > 0).then(mean_of_day), "low": priced.min(),
         "high": priced.max(), "volume": c.volume_wh.sum()},
        panels,
    )  # fmt: skip
    body = chart("series", "prices", "Prices and volumes over time", height=360)
    body += behind("prices and volumes", _price_table(run), name="prices")
    return Section("prices", "Prices and volumes", finding, tuple(notes), body), numbers


def _price_table(run: Run) -> str:
    purse = run.purse

    def priced(value: int | None) -> str:
        if value is None:
            return "none"
        return purse.price(value, purse.price_decimals, unit=False)

    unit = purse.price_unit
    if run.is_long:
        days = run.deliveries.group_by("day", maintain_order=True).agg(
            c.price_nano_per_wh.min().alias("low"), c.price_nano_per_wh.max().alias("high"),
            c.volume_wh.sum(), c.price_nano_per_wh.count().alias("crossed"),
        )  # fmt: skip
        return table(
            "Prices and volumes by local day",
            ["Day", f"Lowest price [{unit}]", f"Highest price [{unit}]", "Traded [kWh]",
             "Auctions that crossed"],
            ((f"{day:%a} {day.day} {day:%b %Y}", priced(low), priced(high), kwh_exact(volume),
              f"{crossed:,}") for day, low, high, volume, crossed in days.iter_rows()),
        )  # fmt: skip
    columns = ("label", "utc", "price_nano_per_wh", "volume_wh")
    return table(
        f"Price and volume of every {run.place.span}",
        [f"Start, local time ({run.place.zone})", "Start, UTC", f"Price [{unit}]", "Traded [kWh]"],
        ((label, utc, priced(price), kwh_exact(volume))
         for label, utc, price, volume in run.deliveries.select(columns).iter_rows()),
        texts=2,
    )  # fmt: skip


def auctions(run: Run) -> tuple[Section, Json] | None:
    """Write the supply and demand curves of auctions, one at a time; None where nobody orders."""
    if not run.way.curves:
        return None
    picked, which = _picked(run)
    curves = _curves(run, picked)
    kept = [
        [minute, price, volume, list(b[:2]), list(o[:2]), b.orders, o.orders]
        for start, minute, price, volume in picked.iter_rows()
        if start in curves
        for b, o in [curves[start]]
    ]
    numbers: Json = {
        "purse": {"unit": run.purse.price_unit, "scale": run.purse.price_scale},
        "range": _range(run),
        "auctions": kept,
    }
    share = percent(run.total("surplus_nano"), run.total("surplus_maximum_nano"))
    finding = f"{run.way.curves} {which}"
    notes = (
        (
            "A step is the energy that homes would buy, or sell, at that limit or better. Orders "
            "without a limit, and limits far from any price, stand at the edge of the picture. "
            "Shaded is the gain against the limits."
        ),
        (
            f"All auctions together reached {share} of the largest gain that any rule could "
            f"have reached on the same orders: {run.purse.money(run.total('surplus_nano'))} of "
            f"{run.purse.money(run.total('surplus_maximum_nano'))}. Orders without a limit "
            "count as nothing on both sides."
        )
        if run.total("surplus_maximum_nano")
        else run.way.gain,
    )
    body = chart("curve", "auctions", "Supply and demand in one auction", height=360)
    body += behind("supply and demand of this auction", "", name="auctions")
    if not kept:
        body = '<p class="note">There is no auction whose orders can be shown.</p>'
    return Section("auctions", "How a price is found", finding, notes, body), numbers


def _range(run: Run) -> tuple[int, int]:
    """Return the prices between which curves are drawn: around prices and the suppliers'.

    A bid at the cap or an offer that nobody can want would flatten everything else.
    """
    prices = run.deliveries["price_nano_per_wh"].drop_nulls().to_list()
    limits = corridor(run)
    if limits is not None:
        prices += [limits.export, limits.worth]
    low, high = min(prices, default=0), max(prices, default=0)
    room = max(run.purse.price_scale, (high - low) // 3)
    return low - room, high + room


def _picked(run: Run) -> tuple[pl.DataFrame, str]:
    """Return the auctions whose curves are kept, in time, and say which."""
    frame = run.deliveries.select(
        "delivery_start", "minute", "price_nano_per_wh", "volume_wh"
    )  # fmt: skip
    if frame.height <= AUCTIONS_MAX:
        return frame, f"All {frame.height:,} auctions can be looked at."
    crossed = frame.filter(c.volume_wh > 0)
    sets = [
        frame.tail(AUCTIONS_LATEST),
        crossed.sort("volume_wh", "minute", descending=[True, False]).head(AUCTIONS_NOTABLE),
        crossed.sort("price_nano_per_wh", "minute", descending=[True, False]).head(
            AUCTIONS_NOTABLE
        ),
        crossed.sort("price_nano_per_wh", "minute").head(AUCTIONS_NOTABLE),
    ]
    picked = pl.concat(sets).unique(keep="first").sort("minute")
    return picked, (
        f"{picked.height} of {frame.height:,} auctions can be looked at: the latest "
        f"{AUCTIONS_LATEST} and the {AUCTIONS_NOTABLE} with the most energy, the highest and the "
        "lowest price."
    )


def _curves(run: Run, picked: pl.DataFrame) -> dict[datetime, Curves]:
    """Return the bids and offers of each auction.

    In a shared report each step holds five orders or more; an auction with fewer is left out.
    """
    starts = picked["delivery_start"]
    levels = (
        run.folder.scan("orders")
        .filter(c.state.is_in(TRADING) & c.delivery_start.is_in(starts.implode()))
        .group_by("delivery_start", "side", limit=c.limit_nano_per_wh)
        .agg(c.quantity_wh.sum(), orders=pl.len())
        .collect(engine="streaming")
    )
    best = pl.when(c.side == "buy").then(-c.limit).otherwise(c.limit)
    levels = levels.sort("delivery_start", "side", best, nulls_last=False)
    if run.shared:
        enough = c.orders.sum().over("delivery_start", "side") >= GROUP_HOMES_MIN
        levels = _stepped(levels.filter(enough), _by_orders())
    else:
        most = max(LEVELS_PER_SIDE_MIN, LEVELS_MAX // max(1, 2 * picked.height))
        levels = _stepped(levels, _by_rank(most))
    sides: dict[datetime, dict[str, Side]] = {start: {} for start in starts}
    grouped = levels.group_by("delivery_start", "side", maintain_order=True).agg(
        "limit", "quantity_wh", c.orders.sum()
    )
    for start, side, limits, quantities, orders in grouped.iter_rows():
        sides[start][side] = Side(limits, quantities, orders)
    return {
        start: Curves(both.get("buy", NOBODY), both.get("sell", NOBODY))
        for start, both in sides.items()
        if not run.shared or len(both) == 2  # noqa: PLR2004 - bids and offers
    }


def _by_rank(levels_max: int) -> pl.Expr:
    """Return the step of each level: its own, or one of `levels_max` where a side has more."""
    rank, size = pl.int_range(pl.len()).over(SIDE), pl.len().over(SIDE)
    joined = pl.when(size > levels_max).then(rank * levels_max // size).otherwise(rank)
    # A market order stays apart, before every limit.
    return pl.when(c.limit.is_null()).then(-1).otherwise(joined)


def _by_orders() -> pl.Expr:
    """Return the step of each level so that a step holds five orders or more.

    Market orders join the best step; what is left at the end joins the last whole one.
    """
    before = c.orders.cum_sum().over(SIDE) - c.orders
    whole = c.orders.sum().over(SIDE) // GROUP_HOMES_MIN
    return pl.min_horizontal(before // GROUP_HOMES_MIN, whole - 1)


def _stepped(levels: pl.DataFrame, step: pl.Expr) -> pl.DataFrame:
    """Join the levels of a step: quantities add up, the limit is their weighted mean."""
    limited = c.quantity_wh.filter(c.limit.is_not_null()).sum()
    return levels.group_by(*SIDE, step=step, maintain_order=True).agg(
        limit=pl.when(limited > 0).then((c.limit * c.quantity_wh).sum() // limited),
        quantity_wh=c.quantity_wh.sum(),
        orders=c.orders.sum(),
    )
