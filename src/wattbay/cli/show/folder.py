"""A run folder as `show` reads it: documents, tables, and what people type for them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import msgspec
import polars as pl
from msgspec import Struct, structs

from wattbay.adapters.files.run_folder import SUMMARY, read_json, read_table
from wattbay.cli.show.figures import Place, Purse, instants_of
from wattbay.errors import AdapterError, ConfigError, Fault
from wattbay.periods import Calendar, Instant, from_datetime, instant, to_datetime
from wattbay.views.receipt_lines import Rules, TariffParts

NAMES_SHOWN_MAX = 12
"""More names than this are not listed in an answer."""

ALL_ZONES = "all"
"""Stands for every zone, where a price is the same in each."""

_Form = TypeVar("_Form")
_Row = TypeVar("_Row", bound=Struct)


class RunPlan(Struct, frozen=True):
    """A settlement run."""

    name: str


class Gate(Struct, frozen=True):
    """When orders are taken, before the start of a delivery."""

    opens_before_minutes: int
    closes_before_minutes: int


class Scenario(Struct, frozen=True):
    """What `scenario.json` says of a run."""

    id: str
    title: str
    time_zone: str
    currency: str
    minor_digits: int
    start: str
    end: str
    isp_minutes: int
    description: str = ""
    days: int = 0
    attribution: tuple[str, ...] = ()
    runs: tuple[RunPlan, ...] = ()
    gate: Gate | None = None


class Home(Struct, frozen=True):
    """What `pods.json` says of a pod."""

    pod: str
    pv_kwp: float | None = None
    battery_wh: float | None = None
    strategy: str = ""


class PublishedRow(Struct, frozen=True):
    """What was published of a tariff in a delivery; None where the tariff's own price holds."""

    delivery_start: int
    tariff: str
    zone: str
    energy_nano_per_wh: int | None = None
    export_nano_per_wh: int | None = None
    levy_nano_per_wh: int | None = None
    network_adder_nano_per_wh: int | None = None

    def of(self, flat: TariffParts) -> TariffParts:
        """Return a tariff as it holds with these prices."""
        adder = self.network_adder_nano_per_wh or 0
        energy, export, levy = (
            own if published is None else published
            for own, published in (
                (flat.energy, self.energy_nano_per_wh),
                (flat.export, self.export_nano_per_wh),
                (flat.levy, self.levy_nano_per_wh),
            )
        )
        return structs.replace(
            flat,
            energy=energy,
            export=export,
            levy=levy,
            network_regional=flat.network_regional + adder,
            network_local={way: fee + adder for way, fee in flat.network_local.items()},
        )


class Facts(Struct, frozen=True):
    """What holds of a pod from an instant on."""

    since: str
    party: str
    zone: str
    supplier: str
    brp: str
    tariff: str


class Tariffs(Struct, frozen=True):
    """What `tariffs.json` says."""

    tariffs: Mapping[str, TariffParts]
    pods: Mapping[str, tuple[Facts, ...]]
    settlement: Rules = Rules()


class Run:
    """A finished run on disk."""

    def __init__(self, path: Path) -> None:
        """Open a run folder.

        Raises
        ------
        ConfigError
            If there is none at `path`.
        """
        if not path.is_dir():
            raise ConfigError(Fault(str(path), "there is no such run folder", _remedy(path)))
        if not (path / "scenario.json").is_file() and not any(path.glob("*.parquet")):
            remedy = (
                f"it goes on, or was broken off: `wattbay run SCENARIO --out {path} --resume`"
                if (path / "journal.sqlite").is_file()
                else _remedy(path)
            )
            raise ConfigError(Fault(str(path), "is not the folder of a run that ended", remedy))
        self.path = path
        self.scenario = self._document("scenario", Scenario)
        self.place = Place(Calendar(self.scenario.time_zone), self.scenario.isp_minutes)
        self.purse = Purse(self.scenario.currency, self.scenario.minor_digits)
        self.start = instant(self.scenario.start)
        self.end = instant(self.scenario.end)

    # --- documents and tables ---

    @cached_property
    def tariffs(self) -> Tariffs:
        """Tariffs, and the dated facts of every pod."""
        return self._document("tariffs", Tariffs)

    @cached_property
    def published(self) -> Mapping[tuple[str, Instant], Mapping[str, PublishedRow]]:
        """What was published, by tariff and delivery, then zone; nothing in older runs."""
        found: dict[tuple[str, Instant], dict[str, PublishedRow]] = {}
        if self.has("retail_prices"):
            for row in self.read("retail_prices", PublishedRow):
                key = row.tariff, Instant(row.delivery_start)
                found.setdefault(key, {})[row.zone] = row
        return found

    @cached_property
    def homes(self) -> Mapping[str, Home]:
        """What is known of the devices behind each pod; empty where nobody wrote it down."""
        if not (self.path / "pods.json").is_file():
            return {}
        return {home.pod: home for home in self._document("pods", tuple[Home, ...])}

    @cached_property
    def summary(self) -> Mapping[str, object]:
        """The run's totals; empty where they are missing."""
        return read_json(self.path / SUMMARY) if (self.path / SUMMARY).is_file() else {}

    def has(self, table: str) -> bool:
        """Tell whether the run left a table."""
        return (self.path / f"{table}.parquet").is_file()

    def read(self, table: str, form: type[_Row], *where: pl.Expr) -> list[_Row]:
        """Return the rows of a table that all conditions hold of, in order, as records.

        Raises
        ------
        AdapterError
            If the table is missing, or is not what a run writes.
        """
        frame = read_table(self.path, table)
        try:
            schema = frame.collect_schema()
            names = [name for name in form.__struct_encode_fields__ if name in schema]
            columns = [
                pl.col(name).dt.epoch("us") if isinstance(schema[name], pl.Datetime) else name
                for name in names
            ]
            found = (frame.filter(*where) if where else frame).select(columns).collect()
            return [msgspec.convert(row, form) for row in found.iter_rows(named=True)]
        except (pl.exceptions.PolarsError, msgspec.ValidationError, OSError) as fault:
            msg = f"{self.path / table}.parquet is not what a run writes: {fault}"
            raise AdapterError(msg) from fault

    def _document(self, name: str, form: type[_Form]) -> _Form:
        file = self.path / f"{name}.json"
        try:
            return msgspec.json.decode(file.read_bytes(), type=form)
        except FileNotFoundError:
            msg = f"{file} is missing; is {self.path} the folder of a run that ended?"
            raise AdapterError(msg) from None
        except (msgspec.MsgspecError, OSError) as fault:
            raise AdapterError(f"{file} is not what a run writes: {fault}") from fault

    # --- what people type ---

    def pod(self, typed: str) -> str:
        """Return the pod that is meant.

        Raises
        ------
        ConfigError
            If the run has none of that name; bears those it has.
        """
        pods = self.tariffs.pods
        if typed in pods:
            return typed
        for pod in pods:
            if pod.lower() == typed.lower():
                return pod
        near = difflib.get_close_matches(typed, pods, n=3, cutoff=0.5)
        if near:
            remedy = f"did you mean {' or '.join(near)}?"
        else:
            names = ", ".join(list(pods)[:NAMES_SHOWN_MAX])
            more = len(pods) - NAMES_SHOWN_MAX
            remedy = f"it has {names}" + (f" and {more} more" if more > 0 else "")
        raise ConfigError(Fault(typed, f"the run has no pod of this name; {remedy}"))

    def facts(self, pod: str, at: Instant) -> Facts:
        """Return what held of a pod at an instant.

        Raises
        ------
        ConfigError
            If it was not connected then.
        """
        history = self.tariffs.pods[pod]
        held = [facts for facts in history if instant(facts.since) <= at]
        if not held:
            since = self.place.moment(instant(history[0].since))
            raise ConfigError(Fault(pod, f"is connected since {since}, not before"))
        return held[-1]

    def tariff(self, pod: str, at: Instant) -> TariffParts:
        """Return the tariff of a pod as it holds in the delivery that starts at an instant."""
        facts = self.facts(pod, at)
        name = facts.tariff
        try:
            flat = self.tariffs.tariffs[name]
        except KeyError:
            msg = f"{self.path / 'tariffs.json'} names tariff {name}, and lacks it"
            raise AdapterError(msg) from None
        by_zone = self.published.get((name, at), {})
        found = by_zone.get(facts.zone, by_zone.get(ALL_ZONES))
        return flat if found is None else found.of(flat)

    def instant(self, typed: str) -> Instant:
        """Read a time: local to the place, or with an offset.

        Raises
        ------
        ConfigError
            If it is none, or the clock showed it never, or twice.
        """
        example = f"write it as {self.place.typed(self.start)}, local time, or with Z for UTC"
        try:
            wall = read_wall(typed)
        except ValueError:
            raise ConfigError(Fault(typed, "is not a time", example)) from None
        if wall.tzinfo is not None:
            return from_datetime(wall)
        found = instants_of(wall, self.place.calendar)
        if len(found) == 1:
            return found[0]
        zone = self.place.calendar.zone
        if not found:
            what = f"the clock of {zone} jumped over this time"
            raise ConfigError(Fault(typed, what, "name the offset, or use UTC with Z"))
        both = " or ".join(self.place.typed(at) for at in found)
        raise ConfigError(
            Fault(typed, f"the clock of {zone} showed this time twice", f"write {both}")
        )

    def delivery(self, typed: str) -> tuple[Instant, str]:
        """Return the delivery that holds a time, and a remark where the time is not its start.

        Raises
        ------
        ConfigError
            If the run has none then; bears the nearest.
        """
        at = self.instant(typed)
        if not self.start <= at < self.end:
            first, last = (
                self.place.typed(self.start),
                self.place.typed(Instant(self.end - self.place.isp_us)),
            )
            where = f"the run goes from {first} to {self.place.typed(self.end)}"
            near = f"the {'first' if at < self.start else 'last'} {self.place.span_name} is"
            remedy = f"{near} {first if at < self.start else last}"
            raise ConfigError(Fault(typed, where, remedy))
        start = Instant(at - (at - self.start) % self.place.isp_us)
        if start == at:
            return start, ""
        span = self.place.delivery(start)
        return start, f"{typed} lies inside the {self.place.span_name} {span}: this is it."

    def command(self, *words: object) -> str:
        """Write the command that shows something else of this run."""
        return " ".join(["wattbay show", str(self.path), *map(str, words)])


def at_delivery(start: Instant) -> pl.Expr:
    """Return the condition that a row belongs to a delivery."""
    return pl.col("delivery_start") == to_datetime(start)


def read_wall(typed: str) -> datetime:
    """Read a time as typed, with an offset or without."""
    return datetime.fromisoformat(typed)


def _remedy(path: Path) -> str:
    """Say which run folders there are, near a path that is none."""
    tops = dict.fromkeys(top for top in (path, path.parent, Path("runs")) if top.is_dir())
    there = [str(found.parent) for top in tops for found in sorted(top.glob("*/receipts.parquet"))]
    if there:
        near = difflib.get_close_matches(str(path), there, n=1, cutoff=0.3)
        names = ", ".join(dict.fromkeys([*near, *there[:NAMES_SHOWN_MAX]]))
        return f"there is {names}"
    return "`wattbay run street` makes one in runs/street"
