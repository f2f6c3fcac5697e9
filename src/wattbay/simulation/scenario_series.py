"""The files that a scenario names: found, checked against its days and homes, read as arrays."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wattbay.clearing.retail.grid import LoadsAndLimits
from wattbay.clearing.retail.prices import PriceSeries, Sources
from wattbay.ids import ZoneId
from wattbay.periods import DAY, MINUTE, Instant, Period, to_text
from wattbay.simulation.homes import HomeRow, pod_ids, read_homes, weeks_of_copy
from wattbay.simulation.profiles import read_profiles
from wattbay.simulation.scenario_facts import Profiles
from wattbay.simulation.scenario_file import Table
from wattbay.simulation.scenario_parts import Market
from wattbay.simulation.series import CARBON, Series, Span, read_columns, shift_weeks, span
from wattbay.units import NANO_PER_WH_IN_CENT_PER_KWH

MOST = 1e9
"""No value of a series is further from zero."""
_NAMED_MAX = 5
"""So many missing columns are named; the rest is counted."""


def find_file(files: Table, key: str, *, needed: bool) -> Path | None:
    """Return the file that a key names, relative to the folder of the scenario."""
    text = files.text(key, None if needed else "")
    if not text:
        return None
    folder = files.source.path.parent
    if (folder / text).is_file():
        return folder / text
    files.fault(key, f"there is no file {text}", f"looked in {folder}")
    return None


def read_home_rows(files: Table, homes: Table) -> list[HomeRow]:
    """Read the homes of the file, or those of them that are included."""
    path = find_file(files, "homes_file", needed=True)
    every, faults = read_homes(path) if path else ({}, [])
    files.source.faults.extend(faults)
    names = homes.texts("include", list(every))
    for at, name in enumerate(names):
        key = f"{homes.key('include')}[{at}]"
        if every and name not in every:
            near = difflib.get_close_matches(name, every, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"see {path}"
            files.source.fault(key, f"home {name} is unknown", remedy)
        elif name in names[:at]:
            files.source.fault(key, f"home {name} is there twice")
    if path and not faults and not names:
        homes.fault("include", "a community without homes", "name at least one")
    return [every[name] for name in dict.fromkeys(names) if name in every]


def read_profile_file(files: Table, isp_us: int | None) -> Profiles:
    """Read the standard profiles, where the scenario has some."""
    path = find_file(files, "profiles_file", needed=False)
    if path is None or isp_us is None:
        return ()
    profiles, faults = read_profiles(path, DAY // isp_us)
    files.source.faults.extend(faults)
    return profiles


class _Columns(NamedTuple):
    """Columns of a file, and when its rows are."""

    span: Span
    values: NDArray[np.float64]

    def rows(self, wanted: Period) -> slice:
        """Return the rows of a period that the file covers."""
        first = (wanted.start - self.span.start) // self.span.step_us
        return slice(first, first + wanted.length_us // self.span.step_us)


def _read(
    files: Table,
    key: str,
    names: Sequence[str],
    isp_us: int | None,
    days: Sequence[tuple[date, Period]],
    *,
    least: float = 0.0,
) -> _Columns | None:
    """Read columns of the file that a key names; None, and a fault, if it does not fit."""
    path = find_file(files, key, needed=True)
    if path is None:
        return None
    try:
        covered = span(path)
        misfit = _misfit(covered, names, isp_us, days)
        if misfit is None:
            return _Columns(covered, read_columns(path, names, least))
        files.fault(key, f"{path.name} {misfit[0]}", misfit[1])
    except ValueError as fault:
        files.fault(key, f"{path.name} {fault}")
    return None


def _misfit(
    covered: Span, names: Sequence[str], isp_us: int | None, days: Sequence[tuple[date, Period]]
) -> tuple[str, str] | None:
    """Return in which way a file does not fit, and what would; None if it fits."""
    missing = [name for name in names if name not in covered.columns]
    if missing:
        more = "" if len(missing) <= _NAMED_MAX else f" and {len(missing) - _NAMED_MAX} more"
        return f"has no column {', '.join(missing[:_NAMED_MAX])}{more}", "a column for each"
    if isp_us is not None and covered.step_us != isp_us:
        minutes = covered.step_us // MINUTE
        return f"has periods of {minutes} minutes", f"isp_minutes = {minutes}"
    outside = [day for day, period in days if not _covers(covered.period, period)]
    if outside:
        more = f" and {len(outside) - 1} other days" if len(outside) > 1 else ""
        span_text = f"{to_text(covered.period.start)} to {to_text(covered.period.end)}"
        return f"does not cover {outside[0]}{more}", f"it covers {span_text}"
    if days and isp_us is not None and (days[0][1].start - covered.start) % isp_us:
        return f"has no period that starts at midnight of {days[0][0]}", "the right time zone"
    return None


def _covers(whole: Period, part: Period) -> bool:
    return whole.start <= part.start and part.end <= whole.end


def read_series(
    files: Table,
    rows: Sequence[HomeRow],
    count: int,
    isp_us: int | None,
    days: Sequence[tuple[date, Period]],
    last: int,
    history_us: int,
) -> Series | None:
    """Read what the homes draw and make, from the first row of their history to the last day.

    Copies of homes draw what the originals drew whole weeks earlier or later. Their panels stand
    under the same sun, so PV is not shifted.

    Parameters
    ----------
    count
        So many homes, copies included.
    days
        All days of the scenario, checked against the files.
    last
        So many of them are wanted.
    history_us
        As much before the first day is wanted; what the files have is given.

    Returns
    -------
    Series or None
        None, and faults, if the files do not fit.
    """
    sunny = [row.home for row in rows if row.pv_kwp > 0]
    load = _read(files, "load_file", [row.home for row in rows], isp_us, days)
    pv = _read(files, "pv_file", sunny, isp_us, days) if sunny else None
    signals = None
    if "signals_file" in files:
        signals = _read(files, "signals_file", [CARBON], isp_us, days)
    for optional in ("pv_file", "signals_file"):
        files.known(optional)
    if files.source.faults or load is None or isp_us is None or not days:
        return None
    wanted = _wanted([load, pv, signals], days, last, history_us, isp_us)
    load_wh = np.empty((wanted.length_us // isp_us, count))
    for first in range(0, count, len(rows)):
        width = min(len(rows), count - first)
        weeks = weeks_of_copy(first // len(rows))
        load_wh[:, first : first + width] = shift_weeks(
            load.values[:, :width], weeks, isp_us, load.rows(wanted)
        )
    pv_wh = np.zeros_like(load_wh)
    if pv is not None:
        inside = pv.values[pv.rows(wanted)]
        column = {home: at for at, home in enumerate(sunny)}
        for at, (_, index, _) in enumerate(pod_ids([row.home for row in rows], count)):
            if rows[index].home in column:
                pv_wh[:, at] = inside[:, column[rows[index].home]]
    carbon = None if signals is None else signals.values[signals.rows(wanted), 0]
    return Series(wanted.start, isp_us, load_wh, pv_wh, carbon)


def read_sources(
    files: Table,
    market: Market,
    isp_us: int | None,
    days: Sequence[tuple[date, Period]],
) -> Sources:
    """Read what the tariffs refer to, from the signals file, and price series named besides.

    Price series are in cents per kWh and may be negative; what zones are expected to draw is in W.
    """
    grid = market.grid
    series = list(dict.fromkeys((*market.retail.series, *files.texts("price_series", ()))))
    prices = _read(files, "signals_file", series, isp_us, days, least=-MOST) if series else None
    columns = list(grid.load_series.values())
    loads = _read(files, "signals_file", columns, isp_us, days) if columns else None
    found: dict[str, PriceSeries] = {}
    if prices is not None:
        nano = np.rint(prices.values * NANO_PER_WH_IN_CENT_PER_KWH).astype(np.int64)
        for at, name in enumerate(series):
            found[name] = PriceSeries(
                prices.span.start, prices.span.step_us, tuple(nano[:, at].tolist())
            )
    signal = None
    if loads is not None:
        watts = np.rint(loads.values).astype(np.int64)
        signal = LoadsAndLimits(
            loads.span.start,
            loads.span.step_us,
            {ZoneId(zone): limit for zone, limit in grid.limits_w.items()},
            {ZoneId(zone): watts[:, at].tolist() for at, zone in enumerate(grid.load_series)},
        )
    return Sources(found, signal)


def _wanted(
    files: Sequence[_Columns | None],
    days: Sequence[tuple[date, Period]],
    last: int,
    history_us: int,
    isp_us: int,
) -> Period:
    """Return the rows wanted: as much history as every file has, then the days."""
    start = days[0][1].start
    covered = max(one.span.start for one in files if one is not None)
    history = min(history_us, start - covered) // isp_us
    return Period(Instant(start - history * isp_us), days[last - 1][1].end)
