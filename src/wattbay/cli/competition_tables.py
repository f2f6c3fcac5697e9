"""What the study of competing aggregators came to: tables for people, files for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from wattbay.adapters.report.competed import HEADINGS, Document, Estimate, Told
from wattbay.adapters.report.competition import write_page
from wattbay.errors import ConfigError, Fault
from wattbay.simulation.competition.figures import Drawn
from wattbay.simulation.competition.regimes import BARE, HOME, KINDS, MIXED, UTILITY, Use, auctions
from wattbay.simulation.competition.verdict import shown
from wattbay.simulation.competition.world import AGGREGATORS_MAX, DAYS_MAX
from wattbay.simulation.study_competition import SEEDS_MAX, Plan, document, study, write_rows

COUNTS = (1, 2, 10)
"""Numbers of aggregators that the tables show; files have all."""
WIDTH = 80
TABLES = (".csv", ".parquet")


def tell_competition(
    seeds: int,
    first_seed: int,
    days: int,
    *,
    json: Path | None,
    html: Path | None,
    table: Path | None,
) -> None:
    """Run the study with a progress bar, and print what it came to.

    Raises
    ------
    ConfigError
        If the numbers make no sense, or a file cannot be written where it is to be.
    """
    faults = []
    if not 1 <= seeds <= SEEDS_MAX:
        faults.append(Fault("--seeds", f"is {seeds}", f"1 to {SEEDS_MAX:,}"))
    if first_seed < 0:
        faults.append(Fault("--seed", f"is {first_seed}", "0 or more"))
    if not 1 <= days <= DAYS_MAX:
        faults.append(Fault("--days", f"is {days}", f"1 to {DAYS_MAX}"))
    for option, path in (("--json", json), ("--html", html), ("--table", table)):
        if path is not None and not path.parent.is_dir():
            faults.append(Fault(option, f"{path.parent} is no folder"))
        elif path is not None and path.is_dir():
            faults.append(Fault(option, f"{path} is a folder, and no file"))
    if table is not None and table.suffix not in TABLES:
        faults.append(Fault("--table", f"{table} has another ending", "ends in .csv or .parquet"))
    if faults:
        raise ConfigError(*faults)
    plan = Plan(seeds, first_seed, days)
    drawn = _run(plan)
    found = document(plan, drawn)
    written = []
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
        written.append(("figures", json))
    if html is not None:
        write_page(found, html)
        written.append(("report", html))
    if table is not None:
        write_rows(drawn, table)
        written.append(("owners", table))
    console = Console()
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    tell(found, console)
    for name, path in written:
        console.print(f"{name:<8}{path}", soft_wrap=True, highlight=False, markup=False)


def _run(plan: Plan) -> list[Drawn]:
    """Live through all seeds, with a bar."""
    drawn = []
    columns = TextColumn("bidding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        for one in bar.track(study(plan), total=plan.seeds):
            drawn.append(one)  # noqa: PERF402 - the bar moves with each
    return drawn


def tell(found: Document, console: Console) -> None:
    """Print tables, and what they mean."""
    drawings = owners_table, sales_table, tariffs_table, variants_table
    for drawing in (draw(found) for draw in drawings):
        console.print(drawing)
        console.print()
    for finding in findings(found):
        console.print(finding, highlight=False)
    console.print()
    for line in assumptions(found):
        console.print(line, style="dim", highlight=False)


def chosen(found: Document) -> Iterator[tuple[str, Told]]:
    """Yield what the tables show, under the heading of its part; "" goes on below the last one."""
    by_name = {one.name: one for one in found.regimes}
    parts: list[tuple[str, list[str]]] = [("", [UTILITY.name, HOME.name])]
    parts += [(kind, [auctions(kind, count).name for count in COUNTS]) for kind in KINDS]
    parts += [
        ("all four", [f"{MIXED}-8"]),
        ("home first", [auctions(kind, AGGREGATORS_MAX, Use.BOTH).name for kind in KINDS]),
        ("bare", [one.name for one in BARE if len(one.bidders) == AGGREGATORS_MAX]),
    ]
    for heading, names in parts:
        for name in names:
            if name in by_name:
                yield heading, by_name[name]


def _label(heading: str, one: Told) -> str:
    """Return how a row is called: ``10 random``, ``home, 10 random``."""
    if not one.bidders:
        return one.title
    many = f"{one.bidders:>2} {one.kind}"
    return {"home first": f"home, {many}", "bare": f"bare, {many}"}.get(heading, many)


def _table(title: str, caption: str, columns: Sequence[str]) -> Table:
    table = Table(
        title=title,
        caption=caption,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("", no_wrap=True)
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _share(share: float) -> str:
    return f"{100 * share:.0f} %"


def owners_table(found: Document) -> Table:
    """Draw what owners have of a kWh of surplus."""
    table = _table(
        f"What owners have of a kWh of surplus [dim](cents; {found.seeds} x {found.days} days)",
        "Losses, wear and fee taken off; ± is the 95 % confidence interval over the seeds. worst:"
        " the owner who fares worst against the utility; > utility, > home: owners who have more"
        " than so. home, …: the home first, the rest to auctions. bare, …: aggregators earn nothing"
        " but the wholesale price.",
        ("net", "more than utility", "worst", "> utility", "> home"),
    )
    last = ""
    for heading, one in chosen(found):
        if heading != last:
            table.add_row()
            last = heading
        figures = one.figures
        table.add_row(
            _label(heading, one),
            shown(figures.net),
            "" if one.name == UTILITY.name else shown(figures.gain, signed=True),
            "" if one.name == UTILITY.name else f"{figures.owners.worst_gain:+.2f}",
            "" if one.name == UTILITY.name else _share(figures.owners.better_than_utility),
            "" if one.name == HOME.name else _share(figures.owners.better_than_home),
        )
    return table


def sales_table(found: Document) -> Table:
    """Draw what aggregators bought, per kWh."""
    table = _table(
        "What aggregators buy [dim](sold: kWh a battery and day; the rest: cents per kWh sold)",
        "Worth: at wholesale when it was delivered, the most that could have been paid. Margin:"
        " worth less paid; with extra: with what they earn besides, by assumption.",
        ("sold", "paid", "worth", "margin", "with extra"),
    )
    for heading, one in chosen(found):
        sales = one.figures.sales
        if sales is not None:
            table.add_row(
                _label(heading, one),
                f"{one.figures.sold_kwh.mean:.2f}",
                f"{sales.paid.mean:.2f}",
                shown(sales.worth),
                shown(sales.margin, signed=True),
                f"{sales.margin_with_extra.mean:+.2f}",
            )
    return table


def tariffs_table(found: Document) -> Table:
    """Draw what owners gain by their feed-in tariff."""
    shares = found.regimes[0].figures.bands
    table = _table(
        "More than under the utility, by feed-in tariff [dim](cents)",
        "",
        [f"{band.low:.1f} to {band.high:.1f} c" for band in shares],
    )
    for heading, one in chosen(found):
        if heading != "home first" and (one.bidders == AGGREGATORS_MAX or one.name == HOME.name):
            gains = [band.gain for band in one.figures.bands]
            table.add_row(_label(heading, one), *(_or_nothing(gain) for gain in gains))
    return table


def variants_table(found: Document) -> Table:
    """Draw what comes of other assumptions."""
    kinds = list(found.variants[0].gains) if found.variants else []
    table = _table(
        "With other assumptions [dim](cents; ten of a kind: more than under the utility)",
        "",
        ("utility", "home", *kinds),
    )
    for one in found.variants:
        table.add_row(
            one.title,
            f"{one.utility.mean:.1f}",
            f"{one.home.mean:.1f}",
            *(shown(gain, signed=True) for gain in one.gains.values()),
        )
    return table


def _or_nothing(found: Estimate | None) -> str:
    return "-" if found is None else shown(found, signed=True)


def findings(found: Document) -> Iterator[Text | Padding]:
    """Yield the findings under their headings."""
    for helps, heading in HEADINGS.items():
        here = [finding for finding in found.verdict if finding.helps is helps]
        if here:
            yield Text(heading, style="bold")
            for finding in here:
                yield Padding(Text(f"{finding.about}: {finding.text}"), (0, 0, 0, 2))


def assumptions(found: Document) -> Iterator[str]:
    """Yield what was assumed, and where prices and homes are from."""
    terms = found.terms
    yield (
        f"Assumed, per kWh: retail price {terms['retail']:g} c, tariffs {terms['tariff_low']:g} to"
        f" {terms['tariff_high']:g} c, bids {terms['bid_low']:g} to {terms['bid_high']:g} c, fee"
        f" {terms['fee']:g} c, wear {terms['wear']:g} c; round trip"
        f" {terms['efficiency_percent']:g} %. An aggregator pays at most the wholesale price it"
        f" knows and what it earns besides, 0 to {terms['extra_high']:g} c by the seed."
    )
    yield (
        "Prices: New South Wales, January and February 2025, five minutes. Homes: Fontana,"
        " California, summer 2017, real load and panels; batteries are put in. Two places and two"
        " years: a hot day of the ones is none of the others."
    )
    yield " ".join(found.attribution)
