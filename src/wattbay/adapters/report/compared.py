"""A comparison of rules as its files hold it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec
import polars as pl
from msgspec import Struct

from wattbay.adapters.report.folder import KINDS
from wattbay.adapters.report.words import Place, Purse
from wattbay.errors import AdapterError

DOCUMENT = "compare.json"
HOMES = "compare-homes.parquet"
PRICES = "compare-prices.parquet"
MINUTES_PER_DAY = 24 * 60

c = pl.col


class Savings(Struct, frozen=True):
    """What homes pay less than alone. [nano-currency]"""

    total: int
    quantiles: dict[str, int]
    worst: int
    best: int
    homes_better_off: int
    homes_worse_off: int
    gini: float | None


class Revenue(Struct, frozen=True):
    """Who gets what homes pay. [nano-currency]"""

    supplier: int
    network: int
    levy: int
    service: int
    market: int
    standing: int
    tax: int


class Energy(Struct, frozen=True):
    """What energy went where."""

    traded_wh: int
    shared_wh: int
    shareable_wh: int
    self_sufficiency: float | None
    peak_import_w: int
    peak_export_w: int


class Price(Struct, frozen=True):
    """What energy cost. [nano-currency per Wh]"""

    between_neighbours: float | None
    paid: float | None
    deviation: float | None


class Figures(Struct, frozen=True):
    """All measures of a rule."""

    cost_nano: int
    bill_nano: int
    savings: Savings
    revenue_nano: Revenue
    energy: Energy
    price: Price
    surplus_nano: int | None
    surplus_maximum_nano: int | None


class RuleTold(Struct, frozen=True):
    """A rule, and what it came to."""

    rule: str
    title: str
    about: str
    way: str
    unfit: str | None
    figures: Figures | None


class Machine(Struct, frozen=True):
    """What it took."""

    cpu_seconds: dict[str, float]


class Document(Struct, frozen=True):
    """What `compare.json` says."""

    title: str
    description: str
    pods: int
    days: tuple[date, ...]
    time_zone: str
    isp_minutes: int
    currency: str
    minor_digits: int
    attribution: tuple[str, ...]
    rules: tuple[RuleTold, ...]
    machine: Machine


@dataclass(frozen=True, slots=True)
class Told:
    """A rule that the scenario can be lived by."""

    name: str
    title: str
    figures: Figures
    saved: list[tuple[str, int]]
    """Pod and what it saved. [nano-currency]"""
    cpu_seconds: float


class Compared:
    """A comparison, read."""

    def __init__(self, folder: Path) -> None:
        """Read the files of a comparison.

        Raises
        ------
        AdapterError
            If one is missing or unreadable.
        """
        self.document = _document(folder / DOCUMENT)
        self.purse = Purse(self.document.currency, self.document.minor_digits)
        self.place = Place(self.document.time_zone, self.document.isp_minutes)
        homes, self.prices = _table(folder / HOMES), _table(folder / PRICES)
        self._homes = homes
        grouped = homes.group_by("rule", maintain_order=True).agg("pod", "saved_nano")
        saved = {
            rule: list(zip(pods, nanos, strict=True)) for rule, pods, nanos in grouped.iter_rows()
        }
        seconds = self.document.machine.cpu_seconds
        self.rules = [
            Told(one.rule, one.title, one.figures, saved[one.rule], seconds[one.rule])
            for one in self.document.rules
            if one.figures is not None
        ]

    def saved_by_kind(self) -> dict[str, dict[str, tuple[int, int]]]:
        """Return how many homes there are of each kind, and what they saved, by rule.

        A kind is what stands behind the meter. [nano-currency]
        """
        kind = (
            pl.when((c.pv_kwp > 0) & (c.battery_wh > 0))
            .then(pl.lit("Solar and battery"))
            .when(c.pv_kwp > 0)
            .then(pl.lit("Solar"))
            .when(c.battery_wh > 0)
            .then(pl.lit("Battery"))
            .otherwise(pl.lit("No solar"))
        )
        sums = self._homes.group_by("rule", kind=kind).agg(homes=pl.len(), saved=c.saved_nano.sum())
        found: dict[str, dict[str, tuple[int, int]]] = {}
        for rule, name, homes, saved in sums.iter_rows():
            found.setdefault(name, {})[rule] = homes, saved
        return {name: found[name] for name in KINDS if name in found}

    def paid_over_the_day(self, rule: str) -> list[float | None]:
        """Return what homes paid for energy by time of the local day, on average.

        Shape (n_deliveries of a day,). [nano-currency per Wh]
        """
        steps = MINUTES_PER_DAY // self.document.isp_minutes
        local = c.delivery_start.dt.convert_time_zone(self.document.time_zone)
        minute = local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute().cast(pl.Int64)
        means = (
            self.prices.filter(c.rule == rule)
            .group_by(step=minute // self.document.isp_minutes)
            .agg(c.paid_nano_per_wh.mean())
        )
        found: dict[int, float | None] = dict(means.iter_rows())
        return [found.get(step) for step in range(steps)]


def _document(path: Path) -> Document:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Document)
    except FileNotFoundError:
        msg = f"{path} is missing; is {path.parent} the folder of a comparison?"
        raise AdapterError(msg) from None
    except msgspec.DecodeError as fault:
        msg = f"{path} cannot be read: {fault}"
        raise AdapterError(msg) from None


def _table(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.ComputeError) as fault:
        msg = f"{path} cannot be read: {fault}"
        raise AdapterError(msg) from fault
