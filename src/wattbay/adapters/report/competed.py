"""The study of competing aggregators as its file holds it; prices in cents per kWh."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

from wattbay.errors import AdapterError

FORMAT = 1


class Estimate(Struct, frozen=True):
    """A mean over seeds."""

    mean: float
    half_width: float | None
    """Of its 95 % confidence interval; None where there is one seed alone."""

    @property
    def sign(self) -> int:
        """1 or -1 where the whole interval is above or below zero, else 0."""
        if self.half_width is None or abs(self.mean) <= self.half_width:
            return 0
        return 1 if self.mean > 0 else -1


class Owners(Struct, frozen=True):
    """How owners fare apart, of all seeds; quantiles are of 5, 25, 50, 75 and 95 of 100."""

    net: list[float]
    """Of a kWh of surplus, fees, losses and wear taken off. [c/kWh]"""
    worst: float
    gain: list[float]
    """Against the utility. [c/kWh]"""
    worst_gain: float
    better_than_utility: float
    better_than_home: float
    """Shares, 0 to 1."""


class Sales(Struct, frozen=True):
    """What aggregators bought, per kWh sold. [c/kWh]"""

    paid: Estimate
    worth: Estimate
    """At wholesale, when it was delivered: the most that could have been paid out of it."""
    spikes: Estimate
    """Of that, what it was worth beyond the highest bid."""
    margin: Estimate
    """Worth less paid."""
    margin_with_extra: Estimate
    """With what aggregators earn besides, by assumption."""
    improvement: Estimate
    """By how much more was paid than the sellers' feed-in tariffs. [%]"""


class Band(Struct, frozen=True):
    """What owners gain against the utility whose feed-in tariffs lie between two bounds."""

    low: float
    high: float
    gain: Estimate | None


class Figures(Struct, frozen=True):
    """All figures of a regime."""

    net: Estimate
    """What owners have of a kWh of surplus. [c/kWh]"""
    most: Estimate
    """What they would have if aggregators paid all that the energy turned out worth. [c/kWh]"""
    gain: Estimate
    """How much more than under the utility. [c/kWh]"""
    gain_on_home: Estimate
    """How much more than by use at home. [c/kWh]"""
    sold_kwh: Estimate
    """By auction, a battery and day."""
    home_kwh: Estimate
    """From a battery to its home, a day."""
    utility_margin: Estimate | None
    """What a kWh fed in was worth at wholesale, less the tariff. [c/kWh]"""
    owners: Owners
    sales: Sales | None
    bands: list[Band]


class Told(Struct, frozen=True):
    """A regime and what it came to."""

    name: str
    title: str
    use: str
    kind: str
    bidders: int
    has_extras: bool
    figures: Figures
    against_one: Estimate | None
    """What owners have more than with one aggregator of the kind alone. [c/kWh]"""


class Variant(Struct, frozen=True):
    """What changes when something else is assumed. [c/kWh of surplus]"""

    name: str
    title: str
    utility: Estimate
    home: Estimate
    """What owners have so."""
    gains: dict[str, Estimate]
    """What they have more than under the utility with ten aggregators, by kind."""


class Span(Struct, frozen=True):
    """What a seed drew, and what its regimes came to. [c/kWh of surplus]"""

    seed: int
    prices_from: str
    homes_from: str
    extras: list[float]
    """What each aggregator earns besides. [c/kWh]"""
    net: dict[str, float]


class Helps(StrEnum):
    """Whether a finding says that owners surely have more by competition."""

    YES = "yes"
    """Under every strategy."""
    PARTLY = "partly"
    """Under some."""
    NO = "no"
    """Under none."""
    NOTE = "note"
    """It is told for scale."""


HEADINGS: Final = MappingProxyType(
    {
        Helps.YES: "Owners surely have more",
        Helps.PARTLY: "Surely more by some strategies, not by others",
        Helps.NO: "Not more, or not surely",
        Helps.NOTE: "For scale",
    }
)
"""What findings of a sort are told under."""


class Finding(Struct, frozen=True):
    """A result in words."""

    about: str
    text: str
    helps: Helps


class Document(Struct, frozen=True):
    """All of it."""

    format: int
    study: str
    seeds: int
    first_seed: int
    days: int
    owners: int
    terms: dict[str, float]
    """Prices in c/kWh, shares in %."""
    attribution: list[str]
    verdict: list[Finding]
    regimes: list[Told]
    variants: list[Variant]
    spans: list[Span]

    def regime(self, name: str) -> Told:
        """Return a regime by its name.

        Raises
        ------
        KeyError
            If it was not studied.
        """
        for one in self.regimes:
            if one.name == name:
                return one
        raise KeyError(name)


def read(path: Path) -> Document:
    """Read a study from its file.

    Raises
    ------
    AdapterError
        If it is not readable, or no such study.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Document)
    except (OSError, msgspec.MsgspecError) as fault:
        raise AdapterError(f"{path}: {fault}") from fault
    if found.format != FORMAT:
        raise AdapterError(f"{path}: format {found.format}; this program reads {FORMAT}")
    return found
