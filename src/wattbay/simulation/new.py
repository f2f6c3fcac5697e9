"""A scenario of one's own: a folder made from a CSV file of meters, ready to run and to edit."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from string import Template
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import polars as pl

from wattbay.errors import ConfigError, Fault
from wattbay.ids import is_id
from wattbay.periods import DAY, HOUR, MINUTE, Calendar, Instant, to_text
from wattbay.simulation.meter_csv import Array, MeterTable, read_meters
from wattbay.simulation.profiles import FIRST_COLUMN
from wattbay.simulation.scenario import PACKAGED
from wattbay.simulation.series import START

DAYS = 7
"""A new scenario is the last so many whole local days of its data."""
HISTORY_DAYS = 7
"""Below so many days of history there is not one day like the one to be forecast."""
YEAR_US = 365 * DAY + 6 * HOUR
WEIGHTS = 10_000
"""What the weights of a profile sum to, about."""
TEMPLATE = PACKAGED / "new_scenario.toml.txt"
"""What a new scenario file is made of."""


class NewScenario(NamedTuple):
    """What was made, for whoever tells it."""

    path: Path
    """The scenario file."""
    homes: int
    first_day: date
    last_day: date
    history_days: int
    """Whole days before the first, for forecasts."""
    isp_minutes: int
    filled: tuple[tuple[str, int], ...]
    """Homes with gaps, and how many of their values were filled."""
    left_out: int
    """Periods that only some of the homes cover, and that were left out."""
    has_export: bool
    """Whether any home injects, and so has something to sell."""

    def __str__(self) -> str:
        """Tell what was made, in a few lines."""
        history = _count(self.history_days, "day")
        lines = [
            f"{self.path}: {_count(self.homes, 'home')}, {self.first_day} to {self.last_day},",
            f"{history} of history, periods of {self.isp_minutes} minutes",
        ]
        lines += [f"{home}: {_count(many, 'missing period')} filled" for home, many in self.filled]
        if self.left_out:
            lines.append(f"{_count(self.left_out, 'period')} left out, not covered by all homes")
        if self.history_days < HISTORY_DAYS:
            lines.append("note    with little history homes forecast poorly; five weeks are enough")
        if not self.has_export:
            lines.append(
                "note    no home exports, so nobody has energy to sell (export_kwh, long form)"
            )
        return "\n".join(lines)


def new_scenario(
    folder: Path,
    meters: Path,
    *,
    timezone: str = "UTC",
    currency: str = "EUR",
    title: str | None = None,
    days: int = DAYS,
) -> NewScenario:
    """Make a scenario from a CSV file of meters (see `wattbay.simulation.meter_csv`).

    What a home imported is taken as its load, what it exported as the surplus of panels: what
    happens behind a meter cannot be seen from it, and for the market it makes no difference.

    Parameters
    ----------
    folder
        Where it goes; must be empty or not there yet.
    meters
        The CSV file.
    timezone
        IANA name. Starts without offset are local times of it, and so are the scenario's days.
    days
        The scenario is the last so many whole local days of the data; what is before is history.

    Raises
    ------
    ConfigError
        Bears everything that is wrong; nothing was written then.
    """
    calendar = _checked(folder, timezone, currency, days)
    table = read_meters(meters, calendar)
    first, count = _days(table, calendar, days, meters)
    name = folder.resolve().name
    name = name if is_id(name) else "my-community"
    inside = folder / "data"
    inside.mkdir(parents=True, exist_ok=True)
    _write_energies(inside / "load_wh.parquet", table, table.import_wh)
    has_export = bool(table.export_wh.any())
    if has_export:
        _write_energies(inside / "pv_wh.parquet", table, table.export_wh)
    (inside / "homes.csv").write_text(_homes_csv(table), encoding="utf-8")
    (inside / "profiles.csv").write_text(_profiles_csv(table, calendar), encoding="utf-8")
    last = first + timedelta(days=count - 1)
    named = json.dumps(title or f"{len(table.homes)} homes of my own", ensure_ascii=False)
    text = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        id=name,
        title=named,
        source=json.dumps(f"Meter readings: {meters.name}.", ensure_ascii=False),
        homes=len(table.homes),
        currency=currency,
        zone=timezone,
        isp=table.step_us // MINUTE,
        first=first,
        last=last,
        pv='pv_file = "data/pv_wh.parquet"' if has_export else '# pv_file = "data/pv_wh.parquet"',
    )
    (folder / "scenario.toml").write_text(text, encoding="utf-8")
    (folder / "SOURCES.md").write_text(_sources(table, meters), encoding="utf-8")
    history = (calendar.midnight(first) - table.start) // DAY
    return NewScenario(
        path=folder / "scenario.toml",
        homes=len(table.homes),
        first_day=first,
        last_day=last,
        history_days=history,
        isp_minutes=table.step_us // MINUTE,
        filled=table.filled,
        left_out=table.left_out,
        has_export=has_export,
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _checked(folder: Path, timezone: str, currency: str, days: int) -> Calendar:
    """Check what the caller chose, all of it at once."""
    faults: list[Fault] = []
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        faults.append(Fault(str(folder), "is there already, and not empty", "another folder"))
    elif (PACKAGED / f"{folder}.toml").is_file():
        remedy = f"{folder}-2, for instance"
        faults.append(Fault(str(folder), "is the name of a packaged scenario", remedy))
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        remedy = "an IANA name, as Europe/London"
        faults.append(Fault("--timezone", f"{timezone!r} is no time zone", remedy))
    if not (len(currency) == len("EUR") and currency.isascii() and currency.isupper()):
        faults.append(Fault("--currency", f"{currency!r} is no currency", "as EUR"))
    if days < 1:
        faults.append(Fault("--days", f"{days} is out of range", "at least 1"))
    if faults:
        raise ConfigError(*faults)
    return Calendar(timezone)


def _days(table: MeterTable, calendar: Calendar, days: int, meters: Path) -> tuple[date, int]:
    """Return the first day of the scenario and how many there are: the last whole local days."""
    end = table.start + table.step_us * table.import_wh.shape[0]
    first = calendar.local(table.start).date()
    if calendar.midnight(first) < table.start:
        first += timedelta(days=1)
    last = calendar.local(Instant(end)).date() - timedelta(days=1)
    whole = (last - first).days + 1
    covered = f"{to_text(table.start)} to {to_text(Instant(end))}"
    if whole < 1:
        what = f"no whole local day is covered by all homes: {covered}"
        raise ConfigError(Fault(str(meters), what, f"a day of {calendar.zone} at least"))
    if (calendar.midnight(first) - table.start) % table.step_us:
        what = f"periods do not begin at midnight of {calendar.zone}"
        raise ConfigError(Fault(str(meters), what, "the right --timezone"))
    count = min(days, whole)
    return last - timedelta(days=count - 1), count


def _write_energies(path: Path, table: MeterTable, energy_wh: Array) -> None:
    starts = table.start + table.step_us * np.arange(energy_wh.shape[0], dtype=np.int64)
    frame = pl.DataFrame({START: starts}).with_columns(
        pl.col(START).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    )
    columns = [
        pl.Series(home, np.round(energy_wh[:, at], 1).astype(np.float32))
        for at, home in enumerate(table.homes)
    ]
    frame.with_columns(columns).write_parquet(path, compression="zstd", compression_level=12)


def _homes_csv(table: MeterTable) -> str:
    """Return the homes; who exported is taken to have panels as strong as it ever exported."""
    hours = table.step_us / HOUR
    years = table.step_us * table.import_wh.shape[0] / YEAR_US
    lines = ["home,pv_kwp,battery_kwh,battery_kw,yearly_import_kwh,yearly_export_kwh"]
    for at, home in enumerate(table.homes):
        export_wh = table.export_wh[:, at]
        strongest_kw = float(export_wh.max()) / 1000 / hours
        kwp = f"{max(strongest_kw, 0.1):.1f}" if strongest_kw > 0 else ""
        yearly = [
            float(column.sum()) / 1000 / years for column in (table.import_wh[:, at], export_wh)
        ]
        lines.append(f"{home},{kwp},,,{yearly[0]:.0f},{yearly[1]:.0f}")
    return "\n".join(lines) + "\n"


def _profiles_csv(table: MeterTable, calendar: Calendar) -> str:
    """Return the mean day of import, and of export where there is some, as whole weights."""
    periods = DAY // table.step_us
    place = np.empty(table.import_wh.shape[0], dtype=np.int64)
    for row in range(place.size):
        local = calendar.local(Instant(table.start + row * table.step_us))
        place[row] = (local.hour * 60 + local.minute) * MINUTE // table.step_us
    names, columns = ["import"], [_weights(table.import_wh, place, periods)]
    if table.export_wh.any():
        names.append("export")
        columns.append(_weights(table.export_wh, place, periods))
    lines = [",".join([FIRST_COLUMN, *names])]
    for at in range(periods):
        minutes = at * table.step_us // MINUTE
        weights = ",".join(str(column[at]) for column in columns)
        lines.append(f"{minutes // 60:02d}:{minutes % 60:02d},{weights}")
    return "\n".join(lines) + "\n"


def _weights(energy_wh: Array, place: np.ndarray, periods: int) -> list[int]:
    total = np.zeros(periods)
    np.add.at(total, place, energy_wh.mean(axis=1))
    mean = total / np.maximum(np.bincount(place, minlength=periods), 1)
    if not mean.sum():
        return [1] * periods
    weights: list[int] = np.rint(mean / mean.sum() * WEIGHTS).astype(int).tolist()
    return weights if any(weights) else [1] * periods


def _sources(table: MeterTable, meters: Path) -> str:
    filled = ", ".join(f"{home} ({count})" for home, count in table.filled) or "none"
    end = Instant(table.start + table.step_us * table.import_wh.shape[0])
    return f"""# Where the data of this scenario come from

Made by `wattbay new` from `{meters.name}`: {len(table.homes)} homes, periods of
{table.step_us // MINUTE} minutes, {to_text(table.start)} to {to_text(end)}.

- Import is taken as load, export as the surplus of panels.
- Values filled in gaps of at most two hours, linearly, by home: {filled}.
- Periods left out because not all homes cover them: {table.left_out}.
- `data/homes.csv`: yearly energies are the sums, scaled to a year; `pv_kwp` is the highest mean
  export of a period, not the size of the panels. Correct both where you know better.
- `data/profiles.csv`: the mean day of all homes, as weights.

Energies of a household, period by period, are personal data even under a pseudonym. Write here
where they come from, who agreed to their use, and under which licence they may be passed on.
"""
