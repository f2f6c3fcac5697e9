"""What a seed draws: a span of real prices, homes, their batteries and tariffs, and aggregators.

The prices are those of New South Wales in January and February 2025. The homes stand in Fontana,
California, in June and July 2017: both are summers at 34 degrees of latitude, and at both places
the sun stands highest about ten to one by the clock. Local hours and weekdays are laid on each
other. A hot day here is no hot day there, so a dear evening does not find more demand than another.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattbay.periods import DAY, HOUR, Instant, instant, to_text
from wattbay.simulation.series import read_columns, span
from wattbay.units import PPM

Wh = NDArray[np.int64]

FILES = Path(__file__).resolve().parent.parent.parent / "scenarios" / "data"
ATTRIBUTION = ("Source: AEMO.", "CityLearn Challenge 2022, MIT.")
STEP_MINUTES = 5
STEPS_PER_HOUR = 12
STEPS_PER_DAY = 288
DAYS_MAX = 28
AGGREGATORS_MAX = 10
BEGIN_HOUR = 6
"""A span begins and ends at six in the morning, when batteries are emptiest."""

# Homes whose load or panels are recorded oddly are left out: see SOURCES.md of the scenarios.
ODD = frozenset({"f07", "f12", "f14", "f15"})
HOMES_START = instant("2017-05-29T07:00Z")
"""Monday 00:00 where the homes stand."""
PRICES_START = instant("2025-01-01T13:00Z")
"""Thursday 2 January 00:00 in Sydney, which keeps summer time then."""
PRICE_DAYS, HOME_DAYS = 58, 63
"""Whole local days of prices and of homes."""

BATTERIES = ((10_000, 5_000), (12_000, 4_500), (14_000, 6_000))
"""The three batteries of the design: usable capacity and power. [Wh, W]"""


class Terms(NamedTuple):
    """What is assumed, the same for everybody. Prices in nano-currency per Wh."""

    efficiency_ppm: int = 900_000
    """Of a battery, round trip. [ppm]"""
    wear: int = 30_000
    """What a Wh out of a battery costs its owner in wear: 3 cents a kWh."""
    fee: int = 5_000
    """What an owner pays for a Wh that is sold by auction: 0.5 cents a kWh."""
    retail: int = 320_000
    """What a home saves by a Wh that it does not draw: 32 cents a kWh."""
    tariff_low: int = 50_000
    tariff_high: int = 150_000
    """Feed-in tariffs: 5 to 15 cents a kWh."""
    bid_low: int = 50_000
    bid_high: int = 300_000
    """Bids: 5 to 30 cents a kWh."""
    extra_high: int = 50_000
    """What aggregators earn besides by a Wh: from nothing to 5 cents a kWh."""
    markup: int = 0
    """By how much owners' reserves exceed what breaks even with the feed-in tariff."""
    panels_percent: int = 100
    """What panels make, of what they made in truth. [%]"""

    def reserve(self, tariff: int) -> int:
        """Return the price by auction that breaks even with feeding in, markup added; rounded up.

        A Wh at the panels is paid at the tariff at once. Stored first, less of it can be sold, and
        what is sold bears wear and fee.
        """
        return -(-tariff * PPM // self.efficiency_ppm) + self.wear + self.fee + self.markup


class Owner(NamedTuple):
    """A home with panels and a battery. Lists have an element a step. [Wh]"""

    home: str
    capacity_wh: int
    step_wh: int
    """The most that the battery takes or gives in a step."""
    tariff: int
    """Its feed-in tariff. [nano-currency per Wh]"""
    reserve: int
    """What it wants at least from an auction. [nano-currency per Wh]"""
    surplus_wh: list[int]
    """What the panels make and the home does not use."""
    lack_wh: list[int]
    """What the home uses and the panels do not make."""
    kept_wh: list[int]
    """What the battery had to hold a day ago to serve the home since, panels helping."""


class World(NamedTuple):
    """What a seed drew; every regime is lived in it."""

    seed: int
    prices_from: str
    """Start of the first step, in UTC, by the clock of the prices."""
    homes_from: str
    """The same, by that of the homes."""
    owners: tuple[Owner, ...]
    wholesale: list[int]
    """By step. [nano-currency per Wh]"""
    known: list[int]
    """The price of the step before, the newest that is known. [nano-currency per Wh]"""
    caps: list[list[int]]
    """The most that each aggregator pays, by step; below the lowest bid it pays nothing."""
    extras: tuple[int, ...]
    """What each aggregator earns besides. [nano-currency per Wh]"""


class Places(NamedTuple):
    """What is drawn from."""

    prices: list[int]
    """Of each step from the start of the file. [nano-currency per Wh]"""
    prices_start: Instant
    homes: tuple[str, ...]
    load_wh: Wh
    pv_wh: Wh
    """Of each home and hour. Shapes (n_homes, n_hours). [Wh]"""

    @classmethod
    def read(cls, folder: Path = FILES) -> Places:
        """Read what comes with the program."""
        path = folder / "nsw_2025_prices.parquet"
        prices = pl.read_parquet(path)["nsw1_nano_per_wh"].to_list()
        files = [folder / f"fontana_2017_{name}_wh.parquet" for name in ("load", "pv")]
        homes = tuple(name for name in span(files[0]).columns if name not in ODD)
        load, pv = (np.rint(read_columns(file, homes)).T.astype(np.int64) for file in files)
        return cls(prices, span(path).period.start, homes, load, pv)


def by_step(hourly_wh: Wh) -> Wh:
    """Spread the energy of hours over their steps, evenly, earlier steps taking the remainder.

    Parameters
    ----------
    hourly_wh
        Not negative. Shape (n_hours,). [Wh]
    """
    whole, rest = np.divmod(hourly_wh, STEPS_PER_HOUR)
    early = np.arange(STEPS_PER_HOUR) < rest[:, None]
    return (whole[:, None] + early).ravel()


def kept(lack_wh: Wh, surplus_wh: Wh, capacity_wh: int, step_wh: int, terms: Terms) -> list[int]:
    """Return what a battery had to hold a day before each step to serve its home until then. [Wh]

    Walking back from the step through a day, what the home lacks adds to it, losses included, and
    what the panels had over takes from it, each as far as the battery's power goes. Looking back a
    day in place of ahead, it is what an owner knows who expects today to be as yesterday was.

    Parameters
    ----------
    lack_wh, surplus_wh
        Of each step, a day more than steps are wanted. Shape (n_steps + a day,). [Wh]
    """
    served = np.minimum(lack_wh, step_wh)
    needed = -(-served * PPM // terms.efficiency_ppm)
    stored = np.minimum(surplus_wh, step_wh)
    steps = len(lack_wh) - STEPS_PER_DAY
    held = np.zeros(steps, dtype=np.int64)
    for back in range(STEPS_PER_DAY - 1, -1, -1):
        rows = slice(back, back + steps)
        held = np.clip(held + needed[rows] - stored[rows], 0, capacity_wh)
    return [int(each) for each in held]


def draw(places: Places, seed: int, days: int, terms: Terms) -> World:
    """Draw a world; the same seed draws the same one.

    Parameters
    ----------
    seed
        Not negative. It draws the span of the prices, that of the homes among those that begin on
        the same weekday, which of three batteries each home has, its feed-in tariff, and what each
        aggregator earns besides.
    days
        How long it lasts, 1 to `DAYS_MAX`.

    Notes
    -----
    Tariffs are stratified: of n homes, one has its tariff in each nth of the span.
    """
    rng = np.random.default_rng(seed)
    price_day = int(rng.integers(PRICE_DAYS - days))
    # 2 January 2025 was a Thursday, 29 May 2017 a Monday; a day before is needed, and a morning.
    home_days = [day for day in range(1, HOME_DAYS - days) if day % 7 == (price_day + 3) % 7]
    home_day = int(rng.choice(home_days))
    begin = BEGIN_HOUR * HOUR
    prices_from = Instant(PRICES_START + price_day * DAY + begin)
    homes_from = Instant(HOMES_START + home_day * DAY + begin)
    steps = days * STEPS_PER_DAY
    first = (prices_from - places.prices_start) // (HOUR // STEPS_PER_HOUR)
    wholesale = places.prices[first : first + steps]
    known = places.prices[first - 1 : first + steps - 1]
    owners = tuple(_owners(places, home_day * 24 + BEGIN_HOUR, days, terms, rng))
    extras = tuple(int(extra) for extra in rng.integers(terms.extra_high + 1, size=AGGREGATORS_MAX))
    world = World(
        seed, to_text(prices_from), to_text(homes_from), owners, wholesale, known, [], extras
    )
    return world._replace(caps=_caps(world, terms))


def without_extras(world: World, terms: Terms) -> World:
    """Return the same world with aggregators that earn nothing but the wholesale price."""
    bare = world._replace(extras=(0,) * AGGREGATORS_MAX)
    return bare._replace(caps=_caps(bare, terms))


def _caps(world: World, terms: Terms) -> list[list[int]]:
    return [[_cap(price + extra, terms) for extra in world.extras] for price in world.known]


def _cap(worth: int, terms: Terms) -> int:
    return min(worth, terms.bid_high) if worth >= terms.bid_low else 0


def _owners(
    places: Places, first_hour: int, days: int, terms: Terms, rng: np.random.Generator
) -> list[Owner]:
    count = len(places.homes)
    kinds = rng.integers(len(BATTERIES), size=count)
    places_in_span = (rng.permutation(count) + rng.random(count)) / count
    tariffs = terms.tariff_low + places_in_span * (terms.tariff_high - terms.tariff_low)
    owners = []
    for at, home in enumerate(places.homes):
        capacity_wh, power_w = BATTERIES[kinds[at]]
        tariff = int(tariffs[at])
        hours = slice(first_hour - 24, first_hour + days * 24)
        made = places.pv_wh[at, hours] * terms.panels_percent // 100
        net = made - places.load_wh[at, hours]
        surplus, lack = by_step(np.maximum(net, 0)), by_step(np.maximum(-net, 0))
        owners.append(
            Owner(
                home,
                capacity_wh,
                power_w // STEPS_PER_HOUR,
                tariff,
                terms.reserve(tariff),
                surplus[STEPS_PER_DAY:].tolist(),
                lack[STEPS_PER_DAY:].tolist(),
                kept(lack, surplus, capacity_wh, power_w // STEPS_PER_HOUR, terms),
            )
        )
    return owners
