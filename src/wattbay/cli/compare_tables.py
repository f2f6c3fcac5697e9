"""The tables that a comparison of rules prints; in a narrow terminal each goes on below itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from wattbay.cli.show.figures import KWH_DIGITS, MONEY_DIGITS, PRICE_DIGITS, Purse, decimal
from wattbay.simulation.comparison.document import Compared
from wattbay.simulation.comparison.figures import Figures

GAP = 2
"""Blanks between two columns."""

NOTHING = "-"
"""Where there is nothing to tell."""

Column = tuple[str, Callable[[Compared], str]]
"""A heading, and what stands below it."""

SAME = (
    "Under every rule the meters are the same: batteries serve their own homes alone, nobody"
    " shifts demand, and only the money differs."
)
MEANINGS = (
    ("5 % … 95 %", "so many of 100 homes saved less than this; worst: the one that saved least"),
    ("Gini", "0 where all save alike, 1 where one home saves all; - where a home saves nothing"),
    ("supplier", "energy, less what it pays for surplus; standing charges come on top"),
    ("market", "what buyers pay beyond what sellers get, and service charges"),
    ("traded", "agreed between neighbours, whether it was delivered or not"),
    ("had", "energy from neighbours, of what they could have had of each other at most"),
    ("surplus", "gain against the limits of the orders, of the largest gain possible"),
    ("price", "mean of what buyers pay for what is traded, fees apart"),
    ("paid", "mean for what is drawn, from whomever; ±: its standard deviation over deliveries"),
    ("own", "demand that did not come from suppliers; peaks: of what they deliver and take"),
)


def tables(
    rows: Sequence[Compared], cpu_seconds: Mapping[str, float], purse: Purse, width: int
) -> list[Table]:
    """Return what rules came to, in tables that fit a width [columns]."""
    homes = max(len(row.homes) for row in rows)
    unit = f"{purse.minor_name}/kWh"
    savings = (
        f"What homes save against no market [dim](in all {purse.currency}, each home"
        f" {purse.minor_name}; before tax)[/]"
    )
    return [
        *_fitting(savings, rows, _savings(purse, homes), width),
        *_fitting(
            f"Who gets what homes pay [dim]({purse.currency})[/]", rows, _revenue(purse), width
        ),
        *_fitting(
            f"Energy [dim](kWh)[/] and its price [dim]({unit})[/]",
            rows,
            [*_energy(purse), ("CPU s", lambda row: f"{cpu_seconds[row.rule.name]:.1f}")],
            width,
        ),
    ]


def notes(rows: Sequence[Compared]) -> list[str]:
    """Say what columns mean, what is the same in all rules, and why a rule is missing."""
    unfit = [f"{row.rule.title}: not here, for {escape(row.unfit)}." for row in rows if row.unfit]
    width = max(len(word) for word, _ in MEANINGS)
    meanings = [f"[dim]{word:{width}}  {meaning}[/]" for word, meaning in MEANINGS]
    return [*unfit, SAME, *meanings]


def _fitting(
    title: str, rows: Sequence[Compared], columns: Sequence[Column], width: int
) -> list[Table]:
    """Return a table with a row a rule, or several that share its columns: no figure is cut off."""
    first = max(len(row.rule.title) for row in rows)
    parts: list[list[tuple[str, list[str]]]] = [[]]
    taken = first
    for heading, write in columns:
        cells = [write(row) for row in rows]
        needed = GAP + max(len(heading), *map(len, cells))
        if parts[-1] and taken + needed > width:
            parts.append([])
            taken = first
        parts[-1].append((heading, cells))
        taken += needed
    found = []
    for place, part in enumerate(parts):
        table = _empty(title if place == 0 else "[dim]… and[/]")
        for heading, _ in part:
            table.add_column(heading, justify="right", no_wrap=True)
        for row, *cells in zip(rows, *(cells for _, cells in part), strict=True):
            table.add_row(row.rule.title, *cells, style="dim" if row.figures is None else None)
        found.append(table)
    return found


def _empty(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    return table


def _lived(columns: Sequence[tuple[str, Callable[[Figures], str]]]) -> list[Column]:
    """Return columns that have nothing to tell of a rule that the scenario cannot be lived by."""

    def cell(write: Callable[[Figures], str]) -> Callable[[Compared], str]:
        return lambda row: NOTHING if row.figures is None else write(row.figures)

    return [(heading, cell(write)) for heading, write in columns]


def _savings(purse: Purse, homes: int) -> list[Column]:
    def money(nano: int) -> str:
        # A home of a small community may save less than a penny in a day.
        return decimal(nano, MONEY_DIGITS - purse.minor_digits, 1)

    def at(key: str) -> Callable[[Figures], str]:
        return lambda one: money(one.savings.quantiles[key])

    columns: list[tuple[str, Callable[[Figures], str]]] = [
        ("in all", lambda one: decimal(one.savings.total, MONEY_DIGITS, purse.minor_digits)),
        ("worst", lambda one: money(one.savings.worst)),
        ("5 %", at("p05")),
        ("25 %", at("p25")),
        ("median", at("p50")),
        ("75 %", at("p75")),
        ("95 %", at("p95")),
        ("better off", lambda one: f"{100 * one.savings.homes_better_off / homes:.0f} %"),
        ("worse", lambda one: f"{100 * one.savings.homes_worse_off / homes:.0f} %"),
        ("Gini", lambda one: NOTHING if one.savings.gini is None else f"{one.savings.gini:.2f}"),
    ]
    return _lived(columns)


def _revenue(purse: Purse) -> list[Column]:
    def money(read: Callable[[Figures], int]) -> Callable[[Figures], str]:
        return lambda one: decimal(read(one), MONEY_DIGITS, purse.minor_digits)

    columns: list[tuple[str, Callable[[Figures], str]]] = [
        ("supplier", money(lambda one: one.revenue_nano.supplier)),
        ("network", money(lambda one: one.revenue_nano.network)),
        ("levy", money(lambda one: one.revenue_nano.levy)),
        ("market", money(lambda one: one.revenue_nano.market + one.revenue_nano.service)),
        ("before tax", money(lambda one: one.cost_nano)),
        ("standing", money(lambda one: one.revenue_nano.standing)),
        ("tax", money(lambda one: one.revenue_nano.tax)),
        ("all bills", money(lambda one: one.bill_nano)),
    ]
    return _lived(columns)


def _energy(purse: Purse) -> list[Column]:
    def price(value: float | None) -> str:
        digits = PRICE_DIGITS - purse.minor_digits
        return NOTHING if value is None else decimal(round(value), digits, 2)

    def kilowatts(power_w: int) -> str:
        return decimal(power_w, 3, 1)

    columns: list[tuple[str, Callable[[Figures], str]]] = [
        ("traded", lambda one: decimal(one.energy.traded_wh, KWH_DIGITS, 1)),
        ("had", lambda one: _share(one.energy.shared_wh, one.energy.shareable_wh)),
        ("surplus", lambda one: _share(one.surplus_nano or 0, one.surplus_maximum_nano or 0)),
        ("price", lambda one: price(one.price.between_neighbours)),
        ("paid", lambda one: price(one.price.paid)),
        ("±", lambda one: price(one.price.deviation)),
        ("own", lambda one: _percent(one.energy.self_sufficiency)),
        ("peak kW", lambda one: kilowatts(one.energy.peak_import_w)),
        ("out kW", lambda one: kilowatts(one.energy.peak_export_w)),
    ]
    return _lived(columns)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else NOTHING


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.1f} %"
