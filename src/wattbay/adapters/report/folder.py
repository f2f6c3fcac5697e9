"""The files of a run folder, read lazily and a window of time at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import polars as pl
from msgspec import Struct

from wattbay.errors import AdapterError
from wattbay.periods import instant, to_datetime

WINDOW_ROWS_MAX = 150_000
"""Home-deliveries held in memory at a time; a year of 60 homes is read in seven windows."""

_Document = TypeVar("_Document")


class Scenario(Struct, frozen=True):
    """What `scenario.json` says of the run."""

    id: str
    title: str
    time_zone: str
    currency: str
    minor_digits: int
    start: str
    end: str
    isp_minutes: int
    description: str = ""
    seed: int | None = None
    pool_price_nano_per_wh: int | None = None
    attribution: tuple[str, ...] = ()


class Home(Struct, frozen=True):
    """A pod and the devices behind it, from `pods.json`."""

    pod: str
    zone: str
    pv_kwp: float | None = None
    battery_wh: float | None = None

    @property
    def has_pv(self) -> bool:
        """Whether there is a solar panel behind the meter."""
        return bool(self.pv_kwp)

    @property
    def has_battery(self) -> bool:
        """Whether there is a battery behind the meter."""
        return bool(self.battery_wh)

    @property
    def kind(self) -> str:
        """What it has, in words; every home falls in one of four kinds."""
        if self.has_pv:
            return "Solar and battery" if self.has_battery else "Solar"
        return "Battery" if self.has_battery else "No solar"


KINDS = ("Solar and battery", "Solar", "Battery", "No solar")


class TaxRate(Struct, frozen=True):
    """A rate of tax and since when. [ppm]"""

    since: str
    ppm: int


class Tariff(Struct, frozen=True):
    """The components of a retail price, before tax. [nano-currency per Wh unless named]"""

    energy: int
    network_regional: int
    levy: int
    export: int
    network_local: dict[str, int] = {}
    service: int = 0
    standing_nano_per_day: int = 0
    tax: tuple[TaxRate, ...] = ()


class Varied(NamedTuple):
    """Lowest and highest published prices of a tariff. [nano-currency per Wh]"""

    energy: tuple[int, int]
    export: tuple[int, int]
    levy: tuple[int, int]
    network_adder: tuple[int, int]


class PodTariff(Struct, frozen=True):
    """Which tariff a pod has since when."""

    since: str
    tariff: str


class Settlement(Struct, frozen=True):
    """How deviations were settled."""

    deviations: str = "pooled"
    pool_price: int | None = None


class Auction(Struct, frozen=True):
    """How the auctions of the product price trades."""

    pricing: str = "uniform"


class Tariffs(Struct, frozen=True):
    """What `tariffs.json` says."""

    tariffs: dict[str, Tariff] = {}
    pods: dict[str, tuple[PodTariff, ...]] = {}
    settlement: Settlement = Settlement()
    auction: Auction = Auction()


class Totals(Struct, frozen=True):
    """What the wires refused before it became history."""

    refused_at_wire: dict[str, int] = {}


class Summary(Struct, frozen=True):
    """What the report takes from `summary.json`; its machine part is left alone."""

    journal_head: str = ""
    entries: int = 0
    totals: Totals = Totals()


@dataclass(frozen=True)
class RunFolder:
    """A finished run on disk.

    Raises
    ------
    AdapterError
        On first use of a file that is missing or cannot be read.
    """

    path: Path

    def has(self, name: str) -> bool:
        """Tell whether the folder holds `name`.parquet; some files are optional."""
        return (self.path / f"{name}.parquet").is_file()

    def scan(self, name: str) -> pl.LazyFrame:
        """Return `name`.parquet, not yet read."""
        file = self.path / f"{name}.parquet"
        if not file.is_file():
            raise AdapterError(f"{file} is missing: this is no complete run folder")
        return pl.scan_parquet(file)

    def within(self, name: str, window: tuple[datetime, datetime]) -> pl.LazyFrame:
        """Return the rows of `name`.parquet whose delivery starts in the window."""
        inside = pl.col("delivery_start").is_between(*window, closed="left")
        return self.scan(name).filter(inside)

    @cached_property
    def scenario(self) -> Scenario:
        """What was run."""
        return self._document("scenario", Scenario)

    @cached_property
    def homes(self) -> tuple[Home, ...]:
        """Every pod, by id."""
        homes = self._document("pods", tuple[Home, ...])
        return tuple(sorted(homes, key=lambda home: home.pod))

    @cached_property
    def tariffs(self) -> Tariffs:
        """Every tariff and who had it."""
        return self._document("tariffs", Tariffs)

    @cached_property
    def varied(self) -> dict[str, Varied]:
        """Of each tariff whose prices were published: between what they varied."""
        if not self.has("retail_prices"):
            return {}
        found: dict[str, Varied] = {}
        columns = ("energy", "export", "levy", "network_adder")
        frame = (
            self.scan("retail_prices")
            .group_by("tariff")
            .agg(
                *(pl.col(f"{name}_nano_per_wh").min().alias(f"{name}_min") for name in columns),
                *(pl.col(f"{name}_nano_per_wh").max().alias(f"{name}_max") for name in columns),
            )
        )
        for row in frame.collect().iter_rows(named=True):
            flat = self.tariffs.tariffs.get(row["tariff"])
            if flat is not None:
                own = {"energy": flat.energy, "export": flat.export, "levy": flat.levy}
                found[row["tariff"]] = Varied(
                    *(
                        (own.get(name, 0), own.get(name, 0))
                        if row[f"{name}_min"] is None
                        else (row[f"{name}_min"], row[f"{name}_max"])
                        for name in columns
                    )
                )
        return found

    @cached_property
    def summary(self) -> Summary:
        """The journal's head and length, where the summary is already written."""
        if not (self.path / "summary.json").is_file():
            return Summary()
        return self._document("summary", Summary)

    @property
    def start(self) -> datetime:
        """First instant of the run. [UTC]"""
        return to_datetime(instant(self.scenario.start))

    @property
    def end(self) -> datetime:
        """End of the last delivery. [UTC]"""
        return to_datetime(instant(self.scenario.end))

    @property
    def isp(self) -> timedelta:
        """Length of a delivery."""
        return timedelta(minutes=self.scenario.isp_minutes)

    @cached_property
    def starts(self) -> pl.Series:
        """The start of every delivery, in order; a run may leave days out. [UTC]"""
        prices = self.scan("prices").select(pl.col("delivery_start").unique().sort())
        return prices.collect()["delivery_start"]

    def windows(self) -> Iterator[tuple[datetime, datetime]]:
        """Yield windows ``[start, end)`` that hold every delivery and fit in memory."""
        length = max(1, WINDOW_ROWS_MAX // max(1, len(self.homes)))
        for first in range(0, len(self.starts), length):
            part = self.starts.slice(first, length)
            yield part[0], part[-1] + self.isp

    def _document(self, name: str, form: type[_Document]) -> _Document:
        file = self.path / f"{name}.json"
        try:
            return msgspec.json.decode(file.read_bytes(), type=form)
        except OSError as error:
            raise AdapterError(f"{file} cannot be read: {error.strerror}") from error
        except msgspec.MsgspecError as error:
            raise AdapterError(f"{file} is not what a run writes: {error}") from error
