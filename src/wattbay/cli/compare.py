"""`compare`: one community under many rules, in three tables and, on request, a page."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from wattbay.adapters.files import comparison as files
from wattbay.adapters.files.run_folder import JOURNAL, SUMMARY
from wattbay.assembly.simulated import SimulatedComparison
from wattbay.cli.check import diff_runs
from wattbay.cli.compare_tables import notes, tables
from wattbay.cli.show.figures import Purse, counted
from wattbay.errors import ConfigError, Fault
from wattbay.simulation.comparison.document import Compared
from wattbay.simulation.comparison.rules import RULES
from wattbay.simulation.scenario import load_scenario

BROKEN_OFF = 130
"""Exit status after Ctrl-C, as shells have it."""

IN_A_FILE = 100
"""Columns where no terminal says how many there are."""


def compare_rules(  # noqa: PLR0913 - one keyword an option
    name: str,
    *,
    rules: str | None,
    days: int | None,
    pods: int | None,
    seed: int | None,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Compare rules on a scenario, and print what each came to."""
    if _is_run(Path(name)):
        what = "is a run; rules are compared on a scenario"
        raise ConfigError(Fault(name, what, "wattbay diff RUN RUN compares two journals"))
    names = [rule.name for rule in RULES] if rules is None else _names(rules)
    scenario = load_scenario(name, days=days, pods=pods, seed=seed)
    comparison = SimulatedComparison(scenario, names)
    if out is not None:
        files.prepare(out, force=force)
    console = Console(stderr=True)
    if not as_json:
        console.print(
            f"[bold]{escape(scenario.title)}[/]: {counted(len(scenario.homes), 'home')},"
            f" {counted(len(scenario.days), 'day')}, seed {scenario.seed}"
        )
    rows = _run(comparison, console, quiet=as_json)
    page = None if out is None else comparison.write(out)
    if as_json:
        sys.stdout.write(msgspec.json.encode(comparison.document()).decode() + "\n")
        return
    printed = Console()
    purse = Purse(scenario.currency, scenario.minor_digits)
    width = printed.width if printed.is_terminal else max(IN_A_FILE, printed.width)
    printed.width = width
    for table in tables(rows, comparison.cpu_seconds, purse, width):
        printed.print(table)
        printed.print()
    for note in notes(rows):
        printed.print(note, highlight=False)
    print(f"page    {page or '--out FOLDER writes one, and what every home pays as tables'}")


def compare_runs(first: Path, second: Path, *others: Path, as_json: bool) -> None:
    """Compare two runs, as `diff` does, and tell whoever asked so of its name.

    Raises
    ------
    ConfigError
        If they are no two runs: rules are compared on one scenario.
    """
    if others or not (_is_run(first) and _is_run(second)):
        what = "is one word too many: rules are compared on one scenario"
        raise ConfigError(Fault(str(second), what, "wattbay compare SCENARIO"))
    Console(stderr=True).print("Two runs: `wattbay diff` is what compares their journals.")
    diff_runs(first, second, as_json=as_json)


def _is_run(path: Path) -> bool:
    return (path / JOURNAL).exists() or (path / SUMMARY).exists()


def _names(rules: str) -> list[str]:
    return [name.strip().replace("-", "_") for name in rules.split(",") if name.strip()]


def _run(comparison: SimulatedComparison, console: Console, *, quiet: bool) -> list[Compared]:
    """Take all rules, with a bar."""
    rows: list[Compared] = []
    steps = [*(rule.title for rule in comparison.rules), "writing"]
    try:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("rules"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=quiet,
        ) as bar:
            task = bar.add_task(steps[0], total=len(comparison.rules))
            for row in comparison.steps():
                rows.append(row)
                bar.update(task, advance=1, description=steps[len(rows)])
    except KeyboardInterrupt:
        console.print("Broken off. Nothing was kept.")
        sys.exit(BROKEN_OFF)
    return rows
