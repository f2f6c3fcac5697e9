"""`run`, `scenarios` and `new`: simulating a community, and making one of one's own meters."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
from rich.console import Console
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
from wattbay.assembly import SimulatedRun
from wattbay.simulation.new import new_scenario
from wattbay.simulation.scenario import load_scenario, scenarios
from wattbay.units import NANO, NANO_PER_WH_IN_CENT_PER_KWH

WH_PER_KWH = 1_000


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
    console = Console(stderr=True)
    scenario = load_scenario(name, days=days, pods=pods, seed=seed)
    folder = out if out is not None else Path("runs") / scenario.id
    if not as_json:
        console.print(
            f"[bold]{scenario.title}[/]: {len(scenario.homes):,} homes, {len(scenario.days)} days,"
            f" seed {scenario.seed}"
        )
    simulated = SimulatedRun(
        scenario, folder, in_memory=in_memory, force=force, resume=resume, csv=csv
    )
    with _bar(console, quiet=as_json) as bar:
        task = bar.add_task("trading", total=None)
        for progress in simulated.steps():
            bar.update(task, completed=progress.done, total=progress.total)
        bar.update(task, description="writing the report", total=None)
        summary = simulated.finish()
    if as_json:
        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
        return
    Console().print(summary_table(summary, scenario.currency))
    print(f"report  {folder / 'report.html'}")
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


def summary_table(summary: dict[str, Total], currency: str) -> Table:
    """Return what a run came to, for a terminal."""
    totals = _mapping(summary["totals"])
    money, baseline = _mapping(totals["money_nano"]), _mapping(totals["on_baseline"])
    price = _mapping(totals["price_nano_per_wh"])
    quality = _mapping(totals["quality"])
    machine = _mapping(summary["machine"])
    table = Table(title=None, show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")

    def row(name: str, value: str, remark: str = "") -> None:
        table.add_row(name, value, remark)

    row("traded", _kwh(totals["traded_wh"]), f"{totals['trades']:,} trades")
    row("of it delivered", _kwh(totals["delivered_wh"]))
    row("price", _cents(price["mean"]), f"from {_cents(price['low'])} to {_cents(price['high'])}")
    surplus = _number(totals["surplus_nano"]) / max(1.0, _number(totals["surplus_maximum_nano"]))
    row("surplus", f"{surplus:.1%}", "of the largest possible")
    row("drawn / injected", f"{_kwh(totals['import_wh'])} / {_kwh(totals['export_wh'])}")
    row("saved in all", _money(money["saved"], currency), "against the same meters, no market")
    row(
        "saved per home",
        _money(money["saved_median_home"], currency),
        f"worst {_money(money['saved_worst_home'], currency)},"
        f" best {_money(money['saved_best_home'], currency)}",
    )
    row("homes better off", f"{totals['homes_better_off']:,}", f"worse {totals['homes_worse_off']}")
    row(
        "against no market",
        _money(baseline["saved_nano"], currency),
        f"batteries on self-consumption; better {baseline['homes_better_off']},"
        f" worse {baseline['homes_worse_off']}",
    )
    row("receipts", f"{totals['receipts']:,}", f"{totals['receipts_corrected']:,} corrected later")
    row("readings", ", ".join(f"{count:,} {name}" for name, count in quality.items()))
    row("entries", f"{summary['entries']:,}", "every watt-hour and every cent conserved")
    row(
        "CPU",
        f"{_number(machine['cpu_seconds']):.1f} s",
        f"{_number(machine['cpu_ms_per_home_day']):.1f} ms a home-day,"
        f" {_number(machine['peak_memory_mb']):.0f} MB at most",
    )
    return table


def _mapping(value: Total) -> dict[str, Total]:
    return dict(value) if isinstance(value, dict) else {}


def _number(value: Total) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _kwh(value: Total) -> str:
    return f"{_number(value) / WH_PER_KWH:,.1f} kWh"


def _cents(value: Total) -> str:
    if value is None:
        return "none"
    return f"{_number(value) / NANO_PER_WH_IN_CENT_PER_KWH:.3f} c/kWh"


def _money(value: Total, currency: str) -> str:
    amount = round(_number(value) / NANO, 2)
    return f"{amount + 0.0:,.2f} {currency}"


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
