"""Scenarios: which there are, and one of them read, checked and drawn by its seed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from wattbay.core.facts import Party, Product
from wattbay.errors import ConfigError, Fault
from wattbay.ids import ProfileId, ZoneId
from wattbay.periods import WEEK, Period
from wattbay.simulation import scenario_file, scenario_homes, scenario_parts, scenario_series
from wattbay.simulation.homes import draw_homes, home_party, pod_ids
from wattbay.simulation.retail import called, publications
from wattbay.simulation.scenario_facts import Battery, FaultPlan, Home, Profiles, Scenario
from wattbay.simulation.scenario_file import Table
from wattbay.simulation.series import Series

__all__ = [
    "Battery",
    "FaultPlan",
    "Home",
    "Listing",
    "Scenario",
    "Series",
    "load_scenario",
    "scenarios",
]

FORMAT = 1
"""The only format of a scenario file so far."""
PODS_MAX = 100_000
"""More homes than this are a mistake."""
SEED_MAX = 2**53 - 1
PACKAGED = Path(__file__).resolve().parent.parent / "scenarios"
"""Where the scenarios stand that come with the program."""


class Listing(NamedTuple):
    """A packaged scenario, in a line."""

    name: str
    title: str
    homes: int
    days: int
    description: str


def scenarios() -> tuple[Listing, ...]:
    """Return the packaged scenarios, by name."""
    listed: list[Listing] = []
    for name in _packaged():
        _, root = scenario_file.read(PACKAGED / f"{name}.toml")
        time = root.table("time")
        days = scenario_parts.read_days(time, scenario_parts.read_calendar(time))
        homes = scenario_series.read_home_rows(root.table("data"), root.table("homes"))
        listed.append(
            Listing(name, root.text("title"), len(homes), len(days), root.text("description"))
        )
    return tuple(listed)


def _packaged() -> list[str]:
    return sorted(path.stem for path in PACKAGED.glob("*.toml"))


def load_scenario(
    name_or_path: str | Path,
    *,
    days: int | None = None,
    pods: int | None = None,
    seed: int | None = None,
) -> Scenario:
    """Read a scenario, check all of it, and draw what its seed draws.

    Parameters
    ----------
    name_or_path
        A packaged scenario (see `scenarios`), a TOML file, or a folder with a ``scenario.toml``.
    days
        Only the first so many of its days.
    pods
        So many homes: the first of its homes, or more of them, whose load is shifted by weeks.
    seed
        Another seed than the file's.

    Raises
    ------
    ConfigError
        Bears everything that is wrong, each with file and line.
    """
    source, root = scenario_file.read(_path(name_or_path))
    scenario = _read(root, days, pods, seed)
    root.finish()
    if scenario is None or source.faults:
        raise ConfigError(*sorted(source.faults, key=_by_line))
    called(scenario)
    publications(scenario)  # Tells here, and not in the middle of a run, what does not fit.
    return scenario


def _by_line(fault: Fault) -> tuple[str, int]:
    file, _, line = fault.where.rpartition(":")
    return (file, int(line)) if line.isdigit() else (fault.where, 0)


def _path(name_or_path: str | Path) -> Path:
    """Find the file that is meant; the name of a packaged scenario comes first."""
    names = _packaged()
    if str(name_or_path) in names:
        return PACKAGED / f"{name_or_path}.toml"
    path = Path(name_or_path)
    if path.is_dir():
        path /= "scenario.toml"
    if path.is_file():
        return path
    near = difflib.get_close_matches(str(name_or_path), names, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"packaged are {', '.join(names)}"
    raise ConfigError(Fault(str(name_or_path), "there is no such scenario", remedy))


def _read(root: Table, days: int | None, pods: int | None, seed: int | None) -> Scenario | None:
    """Read every part; None where faults leave nothing to make a scenario of."""
    _check_format(root)
    _check_options(root, pods, seed)
    time, files, homes = root.table("time"), root.table("data"), root.table("homes")
    calendar, isp_us = scenario_parts.read_calendar(time), scenario_parts.read_isp(time)
    history_us = time.integer("history_weeks", 5, most=52) * WEEK
    all_days = scenario_parts.read_days(time, calendar)
    market = scenario_parts.read_market(root, calendar, isp_us)
    rows = scenario_series.read_home_rows(files, homes)
    names = [row.home for row in rows]
    file_seed = root.integer("seed", most=SEED_MAX)
    draw = scenario_homes.read_draw(homes, file_seed if seed is None else seed, market)
    payment = scenario_homes.read_payment(homes, calendar)
    choices = scenario_homes.read_choices(homes, names, market, payment, calendar)
    battery = scenario_parts.read_battery(root.table("battery"))
    faults = scenario_parts.read_faults(root.table("faults"), calendar, names, all_days)
    profiles = scenario_series.read_profile_file(files, isp_us)
    head = scenario_parts.read_head(root)
    order_lead_us = _order_lead(root.table("orders"), market.product)
    last = _last_day(root, days, len(all_days))
    count = len(rows) if pods is None else pods
    others = scenario_parts.merged((*market.community.operators, *market.suppliers))
    _check_names(root, names, min(count, PODS_MAX), others)
    series = scenario_series.read_series(files, rows, count, isp_us, all_days, last, history_us)
    sources = scenario_series.read_sources(files, market, isp_us, all_days)
    if series is None or isp_us is None or root.source.faults:
        return None
    ways = _profiles_of_homes(profiles)
    made = draw_homes(rows, count, draw, battery, choices, market.brps, ways)
    chosen = tuple(all_days[:last])
    span = Period(chosen[0][1].start, chosen[-1][1].end)
    return Scenario(
        id=head.id,
        title=head.title,
        description=head.description,
        seed=draw.seed,
        community=market.community.id,
        currency=market.community.currency,
        minor_digits=market.community.minor_digits,
        calendar=calendar,
        isp_us=isp_us,
        days=chosen,
        tariffs=market.retail.tariffs,
        profiles=profiles,
        product=market.product,
        runs=market.runs,
        parties=(*others, *scenario_homes.home_parties(made, payment, choices)),
        homes=made,
        deposits=scenario_homes.deposits(made, payment, choices),
        faults=scenario_parts.cut_faults(faults, [home.pod for home in made], span),
        series=series,
        order_lead_us=order_lead_us,
        attribution=head.attribution,
        zones=tuple(map(ZoneId, market.zones)),
        models=market.retail.models,
        calls=market.retail.calls,
        sources=sources,
        rule_terms=market.rule_terms,
    )


def _profiles_of_homes(profiles: Profiles) -> tuple[ProfileId | None, ProfileId | None]:
    """Return the profiles of import and export, where there are such."""
    known = dict(profiles)
    import_profile, export_profile = ProfileId("import"), ProfileId("export")
    return (
        import_profile if import_profile in known else None,
        export_profile if export_profile in known else None,
    )


def _check_format(root: Table) -> None:
    version = root.integer("format")
    if "format" in root and version != FORMAT:
        root.fault("format", f"format {version} is unknown", f"this program reads {FORMAT}")


def _last_day(root: Table, days: int | None, known: int) -> int:
    """Return how many of the days are wanted; note where there are not so many."""
    last = known if days is None else days
    if known and not 1 <= last <= known:
        what = f"{last} days are wanted, the scenario has {known}"
        root.source.faults.append(Fault("--days", what, f"1 to {known}"))
    return last


def _check_options(root: Table, pods: int | None, seed: int | None) -> None:
    """Note what the caller, not the file, has wrong."""
    for option, value, least, most in (
        ("--pods", pods, 1, PODS_MAX),
        ("--seed", seed, 0, SEED_MAX),
    ):
        if value is not None and not least <= value <= most:
            what = f"{value} is out of range"
            root.source.faults.append(Fault(option, what, f"{least} to {most}"))


def _order_lead(table: Table, product: Product) -> int:
    """Read how long before gate closure agents order; the gate must be open by then. [µs]"""
    lead_us = table.minutes("lead_minutes", 0)
    if lead_us > product.opens_before_us - product.closes_before_us:
        table.fault("lead_minutes", "orders would be placed before the gate opens", "less")
    return lead_us


def _check_names(root: Table, names: Sequence[str], count: int, others: Sequence[Party]) -> None:
    """Note where homes, their copies and other parties would have the same name."""
    pods = [pod for pod, _, _ in pod_ids(names, count)] if names else []
    known = set(names)
    twice = [pod for pod in pods[len(names) :] if pod in known]
    if twice:
        what = f"the copy {twice[0]} would be named as a home of the file is"
        root.source.faults.append(Fault("--pods", what, f"at most {len(names)}"))
    parties = {home_party(pod) for pod in pods}
    for party in others:
        if party.party in parties:
            what = f"{party.party} is the party of a home already"
            root.fault("supplier", what, "another identifier")
