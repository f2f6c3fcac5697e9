"""What studies came to: tables for people, a file for programs."""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from wattbay.errors import ConfigError, Fault
from wattbay.simulation.study_game import (
    DAYS_BEFORE,
    DAYS_COUNTED,
    SEEDS_MAX,
    Drawn,
    Estimate,
    Found,
    Lived,
    Pair,
    Plan,
    estimate,
    reduction,
    study,
)
from wattbay.simulation.study_profiles import PEERS, PERIODS, SUMMER, YEAR

FORMAT = 1
CASES = ("case 1", "case 2")
PUBLISHED = ((9.19, 4.41), (42.49, 17.60))
"""Reductions of exchange and of peak as the study prints them, by case. [%]"""
PERCENT = 100


def cpu_s() -> float:
    """Return the CPU time that this program has taken. [s]"""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def tell_bidding_game(seeds: int, first_seed: int, *, summer: bool, out: Path | None) -> None:
    """Run the study of the bidding game with a progress bar, and print what it came to.

    Raises
    ------
    ConfigError
        If the seeds make no sense, or the file cannot be written where it is to be.
    """
    faults = []
    if not 1 <= seeds <= SEEDS_MAX:
        faults.append(Fault("--seeds", f"is {seeds}", f"1 to {SEEDS_MAX:,}"))
    if first_seed < 0:
        faults.append(Fault("--seed", f"is {first_seed}", "0 or more"))
    if out is not None and not out.parent.is_dir():
        faults.append(Fault("--json", f"{out.parent} is no folder"))
    if faults:
        raise ConfigError(*faults)
    plan = Plan(seeds, first_seed, SUMMER if summer else YEAR)
    drawn = []
    columns = TextColumn("playing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        for one in bar.track(study(plan, cpu_s), total=seeds):
            drawn.append(one)  # noqa: PERF402 - the bar moves with each
    if out is not None:
        document = game_document(plan, drawn)
        out.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    console = Console()
    console.print(game_table(drawn))
    console.print(game_verdict(drawn), soft_wrap=True)
    if out is not None:
        console.print(f"figures {out}", soft_wrap=True)


def pairs(drawn: Sequence[Drawn], case: int) -> list[Pair]:
    """Return what a case came to, by seed; cases count from 0."""
    return [one.wind if case else one.panels for one in drawn]


def exchange_reductions(drawn: Sequence[Drawn], case: int) -> list[float]:
    """Return by how much the game reduced the exchange with the grid, by seed. [%]"""
    return [
        PERCENT * reduction(pair.without.exchange_kwh, pair.played.exchange_kwh)
        for pair in pairs(drawn, case)
    ]


def peak_reductions(drawn: Sequence[Drawn], case: int) -> list[float]:
    """Return by how much the game reduced the largest exchange, by seed. [%]"""
    return [
        PERCENT * reduction(pair.without.peak_kw, pair.played.peak_kw)
        for pair in pairs(drawn, case)
    ]


def found_in(drawn: Sequence[Drawn], case: int) -> Found:
    """Return how many half-hours came to which equilibrium, over all seeds."""
    every = [pair.played.found for pair in pairs(drawn, case)]
    return Found(*(sum(counts) for counts in zip(*every, strict=True)))


def game_table(drawn: Sequence[Drawn]) -> Table:
    """Draw the figures of both cases, for a terminal of 80 columns."""
    table = Table(
        title=f"The bidding game: {len(drawn)} days, ten homes, half-hours",
        caption="Mean over the days ± its 95 % confidence interval.",
        title_justify="left",
        caption_justify="left",
        show_edge=False,
    )
    table.add_column("")
    table.add_column("case 1: panels", justify="right")
    table.add_column("case 2: panels, wind", justify="right")

    def row(name: str, unit: str, value: Callable[[Pair], float]) -> None:
        cells = [_shown([value(pair) for pair in pairs(drawn, case)]) for case in range(len(CASES))]
        table.add_row(f"{name} [dim]{unit}", *cells)

    def section(name: str, unit: str, value: Callable[[Lived], float]) -> None:
        row(f"{name}, thermostats", unit, lambda pair: value(pair.without))
        row("  the game", unit, lambda pair: value(pair.played))

    section("exchange", "kWh/day", lambda lived: lived.exchange_kwh)
    cases = range(len(CASES))
    table.add_row(
        "  [bold]reduction[/] [dim]%",
        *(f"[bold]{_shown(exchange_reductions(drawn, case))}" for case in cases),
    )
    table.add_row("  [dim]published", *(f"[dim]{exchange:.2f}" for exchange, _ in PUBLISHED))
    section("peak", "kW", lambda lived: lived.peak_kw)
    table.add_row(
        "  [bold]reduction[/] [dim]%",
        *(f"[bold]{_shown(peak_reductions(drawn, case))}" for case in cases),
    )
    table.add_row("  [dim]published", *(f"[dim]{peak:.2f}" for _, peak in PUBLISHED))
    section("heating", "kWh/day", lambda lived: lived.heating_kwh)
    section("mean tank", "°C", lambda lived: lived.mean_c)
    section("too cold", f"of {PERIODS * len(PEERS)} a day", lambda lived: lived.cold)
    section("too hot", f"of {PERIODS * len(PEERS)} a day", lambda lived: lived.hot)
    found = [found_in(drawn, case) for case in cases]
    for name, kind in (
        ("one pure equilibrium", "single"),
        ("several pure ones", "several"),
        ("mixed alone", "mixed"),
        ("none found", "none"),
    ):
        table.add_row(
            f"{name} [dim]half-hours", *(f"{getattr(counts, kind):,}" for counts in found)
        )
    days = DAYS_BEFORE + DAYS_COUNTED
    section("CPU time", "ms/day", lambda lived: 1_000 * lived.cpu_s / days)
    return table


def _shown(values: Sequence[float]) -> str:
    found = estimate(values)
    if found.half_width is None:
        return f"{found.mean:.2f}"
    return f"{found.mean:.2f} ± {found.half_width:.2f}"


def game_verdict(drawn: Sequence[Drawn]) -> str:
    """Say what of the published order of things is found again, and how surely."""
    told = []
    for case, name in enumerate(CASES):
        for what, values in (
            ("exchange", exchange_reductions(drawn, case)),
            ("peak", peak_reductions(drawn, case)),
        ):
            told.append(f"{name}, {what} falls: {_sure(estimate(values))}")
    for what, reductions in (("exchange", exchange_reductions), ("peak", peak_reductions)):
        more = [
            second - first
            for first, second in zip(reductions(drawn, 0), reductions(drawn, 1), strict=True)
        ]
        found = estimate(more)
        told.append(f"case 2 more than case 1, {what}: {_sure(found)} ({_shown(more)} points)")
    return "\n".join(told)


def _sure(found: Estimate) -> str:
    """Say whether a mean is above zero, and whether its interval is."""
    if found.half_width is None:
        return ("yes" if found.mean > 0 else "no") + ", on one day"
    if abs(found.mean) <= found.half_width:
        return f"{'yes' if found.mean > 0 else 'no'} on average, but zero lies in the interval"
    return "yes" if found.mean > 0 else "no"


def game_document(plan: Plan, drawn: Sequence[Drawn]) -> Mapping[str, object]:
    """Return every figure for a program to read; all but `machine` repeat with the seeds."""

    def figures(case: int) -> dict[str, object]:
        return {
            "exchange_reduction_percent": estimate(exchange_reductions(drawn, case))._asdict(),
            "peak_reduction_percent": estimate(peak_reductions(drawn, case))._asdict(),
            "equilibria": found_in(drawn, case)._asdict(),
        }

    def lived(one: Lived) -> dict[str, object]:
        return {
            name: value._asdict() if isinstance(value, Found) else value
            for name, value in one._asdict().items()
            if name != "cpu_s"
        }

    every = [pair for case in range(len(CASES)) for pair in pairs(drawn, case)]
    return {
        "format": FORMAT,
        "study": "bidding-game",
        "seeds": plan.seeds,
        "first_seed": plan.first_seed,
        "season": "summer" if plan.season == SUMMER else "year",
        "rule": plan.rule._asdict(),
        "tank": plan.tank._asdict(),
        "cases": {name: figures(case) for case, name in enumerate(CASES)},
        "days": [
            {
                "seed": one.seed,
                "day": one.day,
                **{
                    name: {"thermostats": lived(pair.without), "game": lived(pair.played)}
                    for name, pair in zip(CASES, (one.panels, one.wind), strict=True)
                },
            }
            for one in drawn
        ],
        "machine": {
            "cpu_s_thermostats": sum(pair.without.cpu_s for pair in every),
            "cpu_s_game": sum(pair.played.cpu_s for pair in every),
        },
    }
