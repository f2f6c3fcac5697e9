"""A run as its sections see it: the counted tables, and how this community names its units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple

import polars as pl

from wattbay.adapters.report.fold import Counts, fold
from wattbay.adapters.report.folder import KINDS, Home, RunFolder
from wattbay.adapters.report.rules import Way, way_of
from wattbay.adapters.report.words import Place, Purse, offset

GROUP_HOMES_MIN = 5
"""A shared report names no group of fewer homes."""
HOMES_SHOWN_MAX = 500
"""More homes than this are told by groups and quantiles."""
DETAIL_DELIVERIES_MAX = 700
"""Up to here every delivery is drawn and listed; a longer run is told by days and chosen weeks."""
WEEKS_MAX = 4

SIGNALS = ("carbon_g_per_kwh", "baseline_import_wh", "baseline_export_wh")
"""What may be known of each delivery beside the market: the grid's carbon intensity, and what all
homes together would have drawn and injected without a market. [g/kWh, Wh, Wh]"""

c = pl.col


class Week(NamedTuple):
    """Days of a long run that are told delivery by delivery."""

    label: str
    first: int
    """Row of its first delivery."""
    rows: int


@dataclass(frozen=True)
class Run:
    """Everything that the sections of a report are written from."""

    folder: RunFolder
    counts: Counts
    deliveries: pl.DataFrame
    """A row per delivery: `Counts.deliveries` with minute, day, label, price_nano_per_wh,
    volume_wh, surplus_nano, surplus_maximum_nano, and where known carbon_g_per_kwh,
    baseline_import_wh,
    baseline_export_wh."""
    weeks: tuple[Week, ...]
    purse: Purse
    place: Place
    shared: bool
    """Whether it may be given to others: no home stands alone in it."""

    @property
    def homes(self) -> tuple[Home, ...]:
        """Every pod, by id."""
        return self.folder.homes

    @cached_property
    def way(self) -> Way:
        """How orders, or meters alone, became trades."""
        return way_of(self.folder)

    @property
    def is_long(self) -> bool:
        """Whether the run is told by days."""
        return self.deliveries.height > DETAIL_DELIVERIES_MAX

    @cached_property
    def days(self) -> list[date]:
        """Every local day of the run, in order."""
        return self.deliveries["day"].unique().sort().to_list()

    @property
    def offsets(self) -> list[tuple[int, int, str]]:
        """From which minute of UTC the clock is how many minutes ahead, and what that is called."""
        clock = self.deliveries.select("minute", "ahead", "abbreviation")
        changed = clock.filter((c.ahead != c.ahead.shift(1)).fill_null(value=True))
        return [(int(m), int(a), str(z)) for m, a, z in changed.iter_rows()]

    @property
    def zone_in_words(self) -> str:
        """The offsets of the clock in this run: ``GMT, UTC+0; BST, UTC+1``."""
        return "; ".join(dict.fromkeys(offset(zone, ahead) for _, ahead, zone in self.offsets))

    @property
    def by_group(self) -> bool:
        """Whether homes are told in groups."""
        return self.shared or len(self.homes) > HOMES_SHOWN_MAX

    @property
    def isp_hours(self) -> float:
        """Length of a delivery. [h]"""
        return self.folder.scenario.isp_minutes / 60

    def total(self, column: str) -> int:
        """Sum a column of the deliveries."""
        return int(self.deliveries[column].sum() or 0)

    def outside(self) -> pl.DataFrame:
        """Return what the community as a whole drew and injected, per delivery. [Wh]

        import = max(sum of imports - sum of exports, 0); export is the other way.
        """
        net = c.import_wh - c.export_wh
        return self.deliveries.select(
            "minute",
            "day",
            "delivery_start",
            drawn_wh=net.clip(lower_bound=0),
            injected_wh=(-net).clip(lower_bound=0),
        )


def read(folder: RunFolder, *, shared: bool) -> Run:
    """Read and count a run folder."""
    counts = fold(folder)
    place = Place(folder.scenario.time_zone, folder.scenario.isp_minutes)
    deliveries = counts.deliveries.join(_prices(folder), on="delivery_start", how="left")
    if folder.has("signals"):
        signals = folder.scan("signals").collect()
        known = [name for name in SIGNALS if name in signals.columns]
        signals = signals.select("delivery_start", *known)
        deliveries = deliveries.join(signals, on="delivery_start", how="left")
    deliveries = _with_local_time(deliveries, place.zone)
    return Run(
        folder=folder,
        counts=counts,
        deliveries=deliveries,
        weeks=_weeks(deliveries),
        purse=Purse(folder.scenario.currency, folder.scenario.minor_digits),
        place=place,
        shared=shared,
    )


def groups(homes: tuple[Home, ...], *, group_min: int = 1) -> Mapping[str, str]:
    """Return the group of each pod: what it has behind the meter.

    Groups of fewer than `group_min` homes are joined, the smallest first, until none is left.
    """
    members = {kind: [home.pod for home in homes if home.kind == kind] for kind in KINDS}
    members = {kind: pods for kind, pods in members.items() if pods}
    while len(members) > 1:
        small = min(members, key=lambda kind: (len(members[kind]), kind))
        if len(members[small]) >= group_min:
            break
        pods = members.pop(small)
        into = min(members, key=lambda kind: (len(members[kind]), kind))
        joined = members.pop(into) + pods
        members["All homes" if not members else "Other homes"] = joined
    return {pod: kind for kind, pods in members.items() for pod in pods}


def _prices(folder: RunFolder) -> pl.DataFrame:
    """Return one row per delivery; several products or zones are added up."""
    weight = c.price_nano_per_wh * c.volume_wh
    volume = c.volume_wh.filter(c.price_nano_per_wh.is_not_null()).sum()
    mean = pl.when(volume > 0).then(weight.sum() // volume)
    one = pl.when(pl.len() == 1).then(c.price_nano_per_wh.first()).otherwise(mean)
    return (
        folder.scan("prices")
        .group_by("delivery_start")
        .agg(
            price_nano_per_wh=one,
            volume_wh=c.volume_wh.sum(),
            surplus_nano=c.surplus_nano.sum(),
            surplus_maximum_nano=c.surplus_maximum_nano.sum(),
        )
        .collect()
    )


def _with_local_time(deliveries: pl.DataFrame, zone: str) -> pl.DataFrame:
    local = c.delivery_start.dt.convert_time_zone(zone)
    wall = local.dt.replace_time_zone(None)
    ahead = (wall - c.delivery_start.dt.replace_time_zone(None)).dt.total_minutes()
    return deliveries.with_columns(
        c("volume_wh", "surplus_nano", "surplus_maximum_nano").fill_null(0),
        minute=c.delivery_start.dt.epoch("s") // 60,
        day=local.dt.date(),
        ahead=ahead,
        abbreviation=local.dt.to_string("%Z"),
        label=local.dt.to_string("%a %-d %b %Y, %H:%M %Z"),
        utc=c.delivery_start.dt.to_string("%Y-%m-%dT%H:%MZ"),
    )


def _weeks(deliveries: pl.DataFrame) -> tuple[Week, ...]:
    """Choose the calendar weeks (local, from Monday) of a long run that are told in detail."""
    if deliveries.height <= DETAIL_DELIVERIES_MAX:
        return ()
    value = (c.price_nano_per_wh * c.volume_wh).sum() / c.volume_wh.sum()
    weeks = (
        deliveries.with_row_index("row")
        .group_by(monday=c.day.dt.truncate("1w"), maintain_order=True)
        .agg(row=c.row.first(), rows=pl.len(), days=c.day.n_unique(), mean=value,
             traded=c.volume_wh.sum())
        .filter(c.days == 7)  # noqa: PLR2004 - a whole week
    )  # fmt: skip
    if weeks.is_empty():
        return ()
    traded = weeks.filter(c.traded > 0)
    picks = [("the last whole week", weeks.tail(1))]
    if not traded.is_empty():
        picks = [
            ("most traded", traded.sort("traded", "monday", descending=[True, False]).head(1)),
            ("dearest", traded.sort("mean", "monday", descending=[True, False]).head(1)),
            ("cheapest", traded.sort("mean", "monday").head(1)),
            *picks,
        ]
    reasons: dict[tuple[str, int, int], list[str]] = {}
    for reason, week in picks:
        monday, row, rows = week.select("monday", "row", "rows").row(0)
        name = f"Week of {monday.day} {monday:%B %Y}"
        reasons.setdefault((name, int(row), int(rows)), []).append(reason)
    named = [
        Week(f"{name}: {', '.join(why)}", row, rows) for (name, row, rows), why in reasons.items()
    ]
    return tuple(named[:WEEKS_MAX])
