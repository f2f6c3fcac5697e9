"""What each home saved, counted both ways, and how the savings are spread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from wattbay.adapters.report.run import GROUP_HOMES_MIN, Run, groups
from wattbay.adapters.report.series import Json
from wattbay.adapters.report.tags import Cell, Number, Section, behind, chart, table
from wattbay.adapters.report.words import count, fixed, percent, same_days

BARS_MAX = 120
"""More homes than this are drawn as percentiles."""
QUANTILES = (
    (0, "Worst off"), (10, "10 % of homes saved less than"), (25, "25 %"), (50, "50 %"),
    (75, "75 %"), (90, "90 %"), (100, "Best off"),
)  # fmt: skip

c = pl.col


class Spread(NamedTuple):
    """How savings are spread over homes. [nano-currency]"""

    key: str
    label: str
    values: pl.DataFrame
    """pod, saved: largest first."""
    total: int
    before: int
    """What all homes would have paid otherwise."""
    better: int
    worse: int
    gini: float | None
    """0: all save the same; 1: one saves all. None unless every home saves."""

    @property
    def homes(self) -> int:
        """How many homes are counted."""
        return self.values.height


def spreads(run: Run) -> list[Spread]:
    """Return the savings counted against a run without the market, where there is one, and on the
    same meters.

    baseline: baseline_nano - total_nano - (baseline_charge_nano - market_charge_nano);
    same meters: same_meters_nano - total_nano; each summed per pod, before tax.
    """  # noqa: D205 - the sentence needs two lines
    pods = run.counts.pods
    found = []
    if run.folder.has("baseline"):
        joined = pods.join(run.folder.scan("baseline").collect(), on="pod")
        before = joined.select(
            "pod", saved=c.baseline_nano - c.total_nano - c.baseline_charge_nano
            + c.market_charge_nano, before=c.baseline_nano - c.baseline_charge_nano,
        )  # fmt: skip
        label = f"Against {same_days(len(run.days))} without the market"
        found.append(_spread("baseline", label, before))
    same = pods.select("pod", saved=c.same_meters_nano - c.total_nano, before="same_meters_nano")
    found.append(_spread("same", "On the same meters", same))
    return found


def gini(values: list[int]) -> float | None:
    """Return Gini's coefficient, or None unless all values are positive.

    G = sum_i (2 i - n - 1) x_i / (n sum x), x in ascending order, i from 1.

    References
    ----------
    .. [1] C. Dagum, "Gini Ratio," *The New Palgrave*, 1987.
    """
    if not values or min(values) <= 0:
        return None
    n = len(values)
    weighted = sum((2 * i - n - 1) * x for i, x in enumerate(sorted(values), 1))
    return weighted / (n * sum(values))


def _spread(key: str, label: str, frame: pl.DataFrame) -> Spread:
    values = frame.sort("saved", "pod", descending=[True, False])
    saved = values["saved"]
    return Spread(
        key=key, label=label, values=values.select("pod", "saved"),
        total=int(saved.sum()), before=int(values["before"].sum()),
        better=int((saved > 0).sum()), worse=int((saved < 0).sum()), gini=gini(saved.to_list()),
    )  # fmt: skip


def savings(run: Run, found: list[Spread]) -> tuple[Section, Json]:
    """Write what homes saved: a bar each, or percentiles where they are many."""
    purse = run.purse
    main = found[0]
    worst, middle, best = (purse.saved(level(run, main, at)) for at in (0, 50, 100))
    finding = f"The home in the middle paid {middle}; the best off {best}; the worst off {worst}."
    notes = [
        (
            "On the same meters: the very registers of each home, priced as if its supplier had "
            "delivered and taken everything, less what it paid in the market."
        ),
        (
            "All amounts are before tax and standing charge. Gini's coefficient is 0 where all "
            "save alike and 1 where one home saves all; it is told only where every home saves."
        ),
    ]
    if main.key == "baseline":
        notes.insert(
            0,
            f"{main.label}: the same homes run again, each alone with its supplier, its battery "
            "serving only itself; energy left in a battery at the end counts as at the start.",
        )
    if run.shared:
        notes.append(
            "This report may be shared, so no home stands alone in it: where one is told of, it is "
            f"the mean of the {GROUP_HOMES_MIN} homes around it."
        )
    numbers: Json = {
        "purse": {"symbol": purse.symbol, "decimals": purse.minor_digits},
        "sets": [_bars(run, spread) for spread in found],
    }
    body = chart("bars", "savings", "What each home saved", height=360)
    heads = ["Over all homes", *(spread.label for spread in found)]
    body += table("Savings and their spread", heads, _spread_rows(run, found))
    body += behind("every home" if not run.by_group else "groups of homes", _homes(run, found))
    return Section("savings", "What each home saved", finding, tuple(notes), body), numbers


def level(run: Run, spread: Spread, percent_of_homes: int) -> int:
    """Return what that part of the homes saved less than: 0 worst off, 100 best off.

    Linear between the two nearest homes, rounded down. In a shared report it is the mean of the
    five homes around it. [nano-currency]
    """
    values = spread.values["saved"]
    n = values.len()
    if not n:
        return 0
    row, rest = divmod((100 - percent_of_homes) * (n - 1), 100)
    if run.shared:
        first = max(0, min(row - GROUP_HOMES_MIN // 2, n - GROUP_HOMES_MIN))
        around = values.slice(first, GROUP_HOMES_MIN)
        return int(around.sum()) // around.len()
    upper, lower = int(values[row]), int(values[min(row + 1, n - 1)])
    return upper + (lower - upper) * rest // 100


def _spread_rows(run: Run, found: list[Spread]) -> Iterator[list[Cell]]:
    """Write a row for each measure and a column for each way of counting."""

    def amount(nano: int) -> Number:
        return Number(nano, run.purse.closely(nano))

    def homes(number: int, of: int) -> Number:
        return Number(number, f"{number:,} ({percent(number, of, 0)})")

    yield ["Saved in all", *(amount(s.total) for s in found)]
    yield ["Homes better off", *(homes(s.better, s.homes) for s in found)]
    yield ["Homes worse off", *(homes(s.worse, s.homes) for s in found)]
    for at, name in QUANTILES:
        yield [name, *(amount(level(run, s, at)) for s in found)]
    yield ["Gini coefficient", *("—" if s.gini is None else f"{s.gini:.2f}" for s in found)]


def _bars(run: Run, spread: Spread) -> Json:
    """Return a bar per home, largest first, or a percentile each where homes are many."""
    many = run.shared or spread.homes > BARS_MAX
    bars: list[tuple[str, int, str]]
    if many:
        bars = [(f"{100 - p} of 100", level(run, spread, 100 - p), "") for p in range(0, 101, 2)]
    else:
        kinds = {home.pod: home.kind for home in run.homes}
        bars = [(pod, saved, kinds.get(pod, "")) for pod, saved in spread.values.iter_rows()]
    middle = level(run, spread, 50)
    return {"label": spread.label, "percentiles": many, "middle": middle, "bars": bars}


def _homes(run: Run, found: list[Spread]) -> str:
    """Write every home's energy and money, or the groups' where homes are many."""
    columns = ("import_wh", "export_wh", "bought_wh", "sold_wh", "same_meters_nano", "total_nano")
    frame = run.counts.pods.select("pod", *columns)
    for spread in found:
        frame = frame.join(spread.values.rename({"saved": spread.key}), on="pod", how="left")
    keys = [spread.key for spread in found]
    energies = ["Import [kWh]", "Export [kWh]", "Bought [kWh]", "Sold [kWh]"]
    saved = [f"Saved, {spread.label[0].lower()}{spread.label[1:]}" for spread in found]
    if not run.by_group:
        heads = ["Home", "Behind the meter", *energies, "Same meters, no market", "With the market",
                 *saved]  # fmt: skip
        return table("Every home", heads, _home_rows(run, frame, keys), texts=2)
    names = groups(run.homes, group_min=GROUP_HOMES_MIN if run.shared else 1)
    grouped = (
        frame.with_columns(group=c.pod.replace_strict(names, default="Other homes"))
        .group_by("group")
        .agg(
            c(*columns, *keys).sum(),
            homes=pl.len(),
            better=(c(keys[0]) > 0).sum(),
        )
        .sort("homes", "group", descending=[True, False])
    )
    heads = ["Group", "Homes", "Better off", *energies, "Same meters, no market", "With the market",
             *saved]  # fmt: skip
    return table("Groups of homes", heads, _group_rows(run, grouped, keys))


def _home_rows(run: Run, frame: pl.DataFrame, keys: list[str]) -> Iterator[list[Cell]]:
    homes = {home.pod: home for home in run.homes}
    for row in frame.iter_rows(named=True):
        home = homes[row["pod"]]
        has = []
        if home.pv_kwp:
            has.append(f"{home.pv_kwp:g} kWp solar")
        if home.battery_wh:
            has.append(f"{fixed(round(home.battery_wh), 1000, 1)} kWh battery")
        yield [row["pod"], ", ".join(has) or "—", *_figures(run, row, keys)]


def _group_rows(run: Run, frame: pl.DataFrame, keys: list[str]) -> Iterator[list[Cell]]:
    for row in frame.iter_rows(named=True):
        yield [row["group"], count(row["homes"], "home"), f"{row['better']:,}",
               *_figures(run, row, keys)]  # fmt: skip


def _figures(run: Run, row: dict[str, int], keys: list[str]) -> Iterator[Cell]:
    for name in ("import_wh", "export_wh", "bought_wh", "sold_wh"):
        yield Number(row[name], fixed(row[name], 1000, 3))
    for name in ("same_meters_nano", "total_nano"):
        yield Number(row[name], run.purse.owed(row[name]))
    for key in keys:
        yield Number(row[key], run.purse.closely(row[key]))
