"""`run`, `scenarios` and `new`: simulating a community, and making one of one's own meters."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from wattbay.adapters.files.totals import Total
from wattbay.assembly.simulated import SimulatedRun
from wattbay.cli.show.figures import MONEY_DIGITS, Purse, counted, decimal, kwh
from wattbay.errors import ConfigError, Fault
from wattbay.simulation.new import new_scenario
from wattbay.simulation.scenario import load_scenario, scenarios
from wattbay.units import round_half_even

BROKEN_OFF = 130
"""Exit status after Ctrl-C, as shells have it."""


def run_scenario(  # noqa: PLR0913 - one keyword an option
    name: str,
    *,
    days: int | None,
    pods: int | None,
    seed: int | None,
    out: Path | None,
    in_memory: bool,
    force: bool,
    resume: bool,
    csv: bool,
    as_json: bool,
) -> None:
    """Simulate a scenario with a progress bar, and print what it came to."""
    if force and resume:
        raise ConfigError(Fault("--force", "contradicts --resume", "one of the two"))
    if in_memory and resume:
        raise ConfigError(Fault("--resume", "a journal in memory ended with its run", "--force"))
    console = Console(stderr=True)
    scenario = load_scenario(name, days=days, pods=pods, seed=seed)
    folder = out if out is not None else Path("runs") / scenario.id
    if not as_json:
        console.print(
            f"[bold]{escape(scenario.title)}[/]: {counted(len(scenario.homes), 'home')},"
            f" {counted(len(scenario.days), 'day')}, seed {scenario.seed}"
        )
    simulated = SimulatedRun(
        scenario, folder, in_memory=in_memory, force=force, resume=resume, csv=csv
    )
    try:
        with _bar(console, quiet=as_json) as bar:
            task = bar.add_task("trading", total=None)
            for progress in simulated.steps():
                bar.update(task, completed=progress.done, total=progress.total)
            bar.update(task, description="writing the report", total=None)
            summary = simulated.finish()
    except KeyboardInterrupt:
        kept = (
            "Nothing was kept" if in_memory else f"Its journal is in {folder}: go on with --resume"
        )
        console.print(f"Broken off. {kept}.", soft_wrap=True)
        sys.exit(BROKEN_OFF)
    if as_json:
        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
        return
    purse = Purse(scenario.currency, scenario.minor_digits)
    Console().print(summary_table(summary, purse))
    print(f"report  {folder / 'report.html'}")
    if not in_memory:
        print(f"verify  wattbay verify {folder}")
    print(f"head    {summary['journal_head']}")


def _bar(console: Console, *, quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("deliveries"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet,
    )


def summary_table(summary: dict[str, Total], purse: Purse) -> Table:
    """Return what a run came to, for a terminal of 80 columns."""
    totals = _mapping(summary["totals"])
    money, baseline = _mapping(totals["money_nano"]), _mapping(totals["on_baseline"])
    price, machine = _mapping(totals["price_nano_per_wh"]), _mapping(summary["machine"])
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")
    low, high = _price(purse, price["low"]), _price(purse, price["high"])
    most, has_traded = _int(totals["surplus_maximum_nano"]), price["mean"] is not None
    share = _int(totals["surplus_nano"]) / max(1, most)
    worst = _money(purse, money["saved_worst_home"])
    best = _money(purse, money["saved_best_home"])
    peak = f"{machine['peak_memory_mb']:.0f} MB"
    rows = (
        ("traded", kwh(_int(totals["traded_wh"])), f"{totals['trades']:,} trades"),
        ("of it delivered", kwh(_int(totals["delivered_wh"])), ""),
        ("mean price", _mean(purse, price["mean"]), f"{low} to {high}" if has_traded else ""),
        *([("surplus", f"{share:.1%}", "of the largest possible")] if most else []),
        ("drawn", kwh(_int(totals["import_wh"])), "from the grid"),
        ("fed in", kwh(_int(totals["export_wh"])), "to the grid"),
        ("saved in all", _money(purse, money["saved"]), "with the same meters"),
        ("  median home", _money(purse, money["saved_median_home"]), f"{worst} to {best}"),
        ("  better off", f"{totals['homes_better_off']:,}", f"{totals['homes_worse_off']} worse"),
        ("saved in all", _money(purse, baseline["saved_nano"]), "against a life without market"),
        (
            "  better off",
            f"{baseline['homes_better_off']:,}",
            f"{baseline['homes_worse_off']} worse",
        ),
        (
            "receipts",
            f"{totals['receipts']:,}",
            f"{totals['receipts_corrected']:,} corrected later",
        ),
        ("entries", f"{summary['entries']:,}", "every watt-hour and every cent conserved"),
        (
            "CPU time",
            f"{machine['cpu_seconds']:.1f} s",
            f"{machine['cpu_ms_per_home_day']:.1f} ms a home-day, {peak} at most",
        ),
    )
    for row in rows:
        table.add_row(*row)
    return table


def _mapping(value: Total) -> dict[str, Total]:
    return dict(value) if isinstance(value, dict) else {}


def _int(value: Total) -> int:
    return value if isinstance(value, int) else 0


def _price(purse: Purse, value: Total) -> str:
    return "none" if value is None else purse.price(_int(value))


def _mean(purse: Purse, value: Total) -> str:
    return "none" if value is None else purse.mean_price(_int(value), 1)


def _money(purse: Purse, value: Total) -> str:
    nano = _int(value)
    if nano and abs(nano) < purse.nano_per_minor and purse.minor_digits:
        # A home that lost a tenth of a penny did lose, and is counted below.
        return f"{decimal(nano, MONEY_DIGITS - purse.minor_digits, 2)} {purse.minor_name}"
    return purse.payable(round_half_even(_int(value), purse.nano_per_minor))


def list_scenarios(*, as_json: bool) -> None:
    """Print the scenarios that come with the program."""
    found = scenarios()
    if as_json:
        sys.stdout.write(msgspec.json.encode([one._asdict() for one in found]).decode() + "\n")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("scenario", no_wrap=True, style="bold")
    table.add_column("homes", justify="right")
    table.add_column("days", justify="right")
    table.add_column("what it is")
    for one in found:
        table.add_row(one.name, str(one.homes), str(one.days), one.description)
    Console().print(table)


def new_from_meters(folder: Path, meters: Path, timezone: str, currency: str) -> None:
    """Make a scenario of a CSV of meters, and say what to do next."""
    made = new_scenario(folder, meters, timezone=timezone, currency=currency)
    Console().print(str(made), soft_wrap=True)
    print(f"next    wattbay run {folder}")
