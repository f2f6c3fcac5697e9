"""The models of a retail price: frozen records that are checked when they are made.

Each model speaks of one component of the price and says what it adds to it in a delivery; a
component is the sum of its models. Prices are before tax, in nano-currency per Wh, and may be
negative. Times of day are local, and a delivery belongs to the window that its start lies in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import combinations

from wattbay.clearing.retail.grid import Step
from wattbay.errors import ConfigError, Fault
from wattbay.ids import ZoneId
from wattbay.periods import Instant, Period, to_text
from wattbay.units import PPM

PRICE_MOST = 1_000_000_000
"""No component is dearer, or further below zero: 1 currency per Wh. [nano-currency per Wh]"""
FACTOR_MOST_PPM = 1_000 * PPM
WINDOWS_MAX = 200
EVENTS_MAX = 10_000
STEPS_MAX = 100
DAY_MINUTES = 24 * 60
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALL_WEEKDAYS = (0, 1, 2, 3, 4, 5, 6)
ALL_MONTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)


class Component(StrEnum):
    """What a price is for; each is added up by itself."""

    ENERGY = "energy"
    """What the supplier charges for energy."""
    EXPORT = "export"
    """What the supplier pays for surplus."""
    NETWORK = "network"
    """What is added to every network fee, regional or local."""
    LEVY = "levy"
    """Levies on metered import."""


def _check(where: str, *claims: tuple[bool, str, str]) -> None:
    """Raise all that does not hold of a record: claim, what is wrong, what would be right."""
    faults = [Fault(where, what, remedy) for holds, what, remedy in claims if not holds]
    if faults:
        raise ConfigError(*faults)


def _priced(nano_per_wh: int, what: str = "the price") -> tuple[bool, str, str]:
    """Return the claim that a price is in range."""
    return (
        -PRICE_MOST <= nano_per_wh <= PRICE_MOST,
        f"{what} {nano_per_wh} is out of range",
        f"{-PRICE_MOST} to {PRICE_MOST} nano-currency per Wh",
    )


@dataclass(frozen=True, slots=True)
class Fixed:
    """One price at all times.

    Raises
    ------
    ConfigError
        If the price is out of range.
    """

    component: Component
    nano_per_wh: int
    """[nano-currency per Wh]"""

    def __post_init__(self) -> None:
        """Check the record."""
        _check(f"fixed {self.component}", _priced(self.nano_per_wh))


@dataclass(frozen=True, slots=True)
class Window:
    """Times of the local day, on some weekdays, in some months, and the price in them.

    One that ends before it starts, or when, goes over midnight: from 23:00 to 06:00 holds before
    six and from eleven on, each on the weekdays that are named.

    Raises
    ------
    ConfigError
        If a time, weekday or month is none, is there twice, or the price is out of range.
    """

    nano_per_wh: int
    """[nano-currency per Wh]"""
    from_minute: int = 0
    """Of the local day, as the clock on the wall shows it."""
    to_minute: int = DAY_MINUTES
    """The first minute that no longer belongs to it."""
    weekdays: tuple[int, ...] = ALL_WEEKDAYS
    """From 0 for Monday."""
    months: tuple[int, ...] = ALL_MONTHS

    def __post_init__(self) -> None:
        """Check the record."""
        times = 0 <= self.from_minute < DAY_MINUTES and 0 <= self.to_minute <= DAY_MINUTES
        _check(
            "time of use",
            _priced(self.nano_per_wh),
            (times, "a window is outside the day", "00:00 to 24:00"),
            (_some_of(self.weekdays, ALL_WEEKDAYS), "its weekdays are wrong", "each once, 0 to 6"),
            (_some_of(self.months, ALL_MONTHS), "its months are wrong", "each once, 1 to 12"),
        )

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Its times within one day, ``[from, to)``. [minutes]"""
        if self.from_minute < self.to_minute:
            return ((self.from_minute, self.to_minute),)
        return ((0, self.to_minute), (self.from_minute, DAY_MINUTES))

    def holds(self, local: datetime) -> bool:
        """Tell whether a local time lies in it."""
        minute = 60 * local.hour + local.minute
        return (
            local.month in self.months
            and local.weekday() in self.weekdays
            and any(start <= minute < end for start, end in self.spans)
        )

    def meets(self, other: Window) -> bool:
        """Tell whether some time lies in both."""
        return (
            not set(self.months).isdisjoint(other.months)
            and not set(self.weekdays).isdisjoint(other.weekdays)
            and any(
                max(first, begin) < min(last, end)
                for first, last in self.spans
                for begin, end in other.spans
            )
        )


def _some_of(chosen: Sequence[int], options: Sequence[int]) -> bool:
    """Tell whether something is chosen, each once, and nothing but options."""
    return bool(chosen) and len(set(chosen)) == len(chosen) and set(chosen) <= set(options)


@dataclass(frozen=True, slots=True)
class TimeOfUse:
    """A price by time of the local day, weekday and month.

    Raises
    ------
    ConfigError
        If there is no window, two hold at once, or a price is out of range.
    """

    component: Component
    windows: tuple[Window, ...]
    otherwise: int = 0
    """Outside all windows. [nano-currency per Wh]"""

    def __post_init__(self) -> None:
        """Check the record."""
        where = f"time of use of {self.component}"
        some = 1 <= len(self.windows) <= WINDOWS_MAX
        _check(
            where,
            _priced(self.otherwise),
            (some, f"{len(self.windows)} windows", f"1 to {WINDOWS_MAX}"),
        )
        _check(
            where,
            *(
                (False, f"windows {i + 1} and {j + 1} hold at the same time", "part them")
                for (i, one), (j, other) in combinations(enumerate(self.windows), 2)
                if one.meets(other)
            ),
        )

    def at(self, local: datetime) -> int:
        """Return the price at a local time. [nano-currency per Wh]"""
        for window in self.windows:
            if window.holds(local):
                return window.nano_per_wh
        return self.otherwise


@dataclass(frozen=True, slots=True)
class Indexed:
    """A price that follows a series: ``series x factor + adder``, within floor and cap.

    The product is rounded to the nearest nano-currency, halves to even. Negative prices pass, as
    long as no floor says otherwise.

    Raises
    ------
    ConfigError
        If a price or the factor is out of range, or the floor is above the cap.
    """

    component: Component
    series: str
    """Name of the price series."""
    factor_ppm: int = PPM
    adder: int = 0
    """[nano-currency per Wh]"""
    floor: int | None = None
    cap: int | None = None

    def __post_init__(self) -> None:
        """Check the record."""
        floor = -PRICE_MOST if self.floor is None else self.floor
        cap = PRICE_MOST if self.cap is None else self.cap
        _check(
            f"{self.component} indexed to {self.series}",
            _priced(self.adder, "the adder"),
            _priced(floor, "the floor"),
            _priced(cap, "the cap"),
            (floor <= cap, f"the floor {floor} is above the cap {cap}", "lower the floor"),
            (
                -FACTOR_MOST_PPM <= self.factor_ppm <= FACTOR_MOST_PPM,
                f"the factor {self.factor_ppm} is out of range",
                f"{-FACTOR_MOST_PPM} to {FACTOR_MOST_PPM} ppm",
            ),
        )


@dataclass(frozen=True, slots=True)
class CriticalPeak:
    """Another price in called events: added to the component's other models, or in their place.

    Raises
    ------
    ConfigError
        If events overlap or are not in order, there are more than may be called, or the price is
        out of range.
    """

    component: Component
    events: tuple[Period, ...]
    """By time."""
    nano_per_wh: int
    """[nano-currency per Wh]"""
    replaces: bool = False
    """Whether it holds in place of all other models of the component, not on top of them."""
    calls_max: int | None = None
    """How many events the contract allows; None for any number."""

    def __post_init__(self) -> None:
        """Check the record."""
        most = EVENTS_MAX if self.calls_max is None else min(self.calls_max, EVENTS_MAX)
        count = len(self.events)
        overlaps = [
            later
            for event, later in zip(self.events, self.events[1:], strict=False)
            if later.start < event.end
        ]
        told = f"the event of {to_text(overlaps[0].start)} begins" if overlaps else ""
        _check(
            f"critical peak of {self.component}",
            _priced(self.nano_per_wh),
            (count <= most, f"{count} events are called", f"at most {most}"),
            (not overlaps, f"{told} before the one before it ends", "by time, without overlap"),
        )

    def holds(self, delivery: Instant) -> bool:
        """Tell whether a delivery that starts then lies in an event."""
        return any(delivery in event for event in self.events)


@dataclass(frozen=True, slots=True)
class GridStability:
    """An adder per zone that rises in steps with how strained the zone is.

    How much of a zone's limit is used, the port `wattbay.clearing.retail.grid.GridSignal` tells.

    Raises
    ------
    ConfigError
        If there is no step, steps are not in order, or an adder is out of range.
    """

    component: Component
    steps: tuple[Step, ...]
    """By strain; below the first nothing is added."""
    zones: tuple[ZoneId, ...] = ()
    """Where it holds; empty for every zone."""

    def __post_init__(self) -> None:
        """Check the record."""
        strains = [step.from_ppm for step in self.steps]
        some = 1 <= len(strains) <= STEPS_MAX
        _check(
            f"grid stability of {self.component}",
            *(_priced(step.nano_per_wh, "the adder") for step in self.steps),
            (some, f"{len(strains)} steps", f"1 to {STEPS_MAX}"),
            (
                strains == sorted(set(strains)) and min(strains, default=0) >= 0,
                "steps are not in order",
                "by strain from 0 ppm, each once",
            ),
        )

    def at(self, zone: ZoneId, strain_ppm: int) -> int:
        """Return what a zone pays on top at a strain. [nano-currency per Wh]"""
        adder = 0
        if not self.zones or zone in self.zones:
            for step in self.steps:
                if step.from_ppm <= strain_ppm:
                    adder = step.nano_per_wh
        return adder


Model = Fixed | TimeOfUse | Indexed | CriticalPeak | GridStability
"""Any model of a component."""
