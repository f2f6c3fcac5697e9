"""The ten peers of the Elecbay study, and a day of theirs as a seed draws it.

Ratings of homes, panels and turbines are printed. [1]_ The profiles are not: the study drew them
with a load model of its own (CREST) and shows them as charts alone. Ours are real half-hours of
London homes and panels of 2013, scaled to the printed ratings, and for what London lacks (shops,
wind, hot water) plain random models, each stated below. So absolute energies here are not those of
the study, and are not meant to be.

References
----------
.. [1] C. Zhang, J. Wu, Y. Zhou, M. Cheng and C. Long, "Peer-to-Peer energy trading in a
       Microgrid," *Applied Energy*, vol. 220, pp. 1-12, 2018; C. Zhang, *Peer-to-Peer Energy
       Trading in Electrical Distribution Networks*, PhD thesis, Cardiff University, 2018.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattbay.periods import DAY, HOUR, Instant, Period, instant
from wattbay.simulation.series import START, read_columns

Array = NDArray[np.float64]

HOMES = Path(__file__).resolve().parent.parent / "scenarios"
"""Where the London half-hours stand."""
PERIODS = 48
"""Half-hours of a day; days are UTC's."""
YEAR = Period(instant("2013-01-01T00:00Z"), instant("2014-01-01T00:00Z"))
SUMMER = Period(instant("2013-05-01T00:00Z"), instant("2013-09-01T00:00Z"))
"""May to August: panels matter."""
HEATER_KW = 3.0
"""The flexible part of every peer's rated load."""

# Shops and offices: parts of the rated load by night and by day, and how much that wavers.
NIGHT_SHARE, DAY_SHARE, WAVERING = 0.12, 0.35, 0.1
OPEN, SHUT = 16, 36
"""In half-hours: from eight to six."""

# Wind: Weibull-distributed speed [m/s] that changes slowly, and the curve of a turbine.
WIND_SCALE, WIND_SHAPE, WIND_MEMORY = 7.0, 2.0, 0.95
CUT_IN, RATED = 3.0, 12.0

# Hot water. With the study's heat capacity a litre takes 3.9 times the heat that it does in truth
# (0.8634 kWh/°C over 189.27 l, against 1.163 Wh/°C a litre), so 15 l a person stand for 60.
DRAWS_A_PERSON, DRAW_L = 6.0, 2.5
"""Draws a day, and how large they are on average. [l]"""
DRAW_L_MAX = 40.0
"""Drawn in one half-hour at most. [l]"""
PERSONS = (1, 2)
"""The study's homes are of one person or two."""
DRAW_HOURS = (1, 0, 0, 0, 1, 3, 8, 10, 8, 5, 3, 3, 4, 3, 2, 2, 3, 5, 8, 9, 8, 6, 4, 2)
"""How often hot water is drawn, by hour of the day."""


class Peer(NamedTuple):
    """One of the ten."""

    peer: str
    load_kw: float
    """Rated, heater included. [kW]"""
    source_kw: float
    """Of panels, or of a turbine. [kW]"""
    has_wind_in_case_2: bool = False
    is_commercial: bool = False


PEERS = (
    Peer("peer-01", 7, 5),
    Peer("peer-02", 7, 5),
    Peer("peer-03", 7, 5, has_wind_in_case_2=True),
    Peer("peer-04", 7, 0),
    Peer("peer-05", 5, 3),
    Peer("peer-06", 8, 5),
    Peer("peer-07", 8, 5),
    Peer("peer-08", 10, 15, has_wind_in_case_2=True),
    Peer("peer-09", 26, 10, is_commercial=True),
    Peer("peer-10", 26, 10, has_wind_in_case_2=True, is_commercial=True),
)
"""As printed. [1]_ That all ten have a heater of 3 kW is ours: it is printed of three."""


class Day(NamedTuple):
    """A day of all peers; the seed drew it."""

    start: Instant
    load_kw: Array
    """Demand without the heaters. Shape (PERIODS, n_peers). [kW]"""
    panels_kw: Array
    """What the panels of all would give. Shape (PERIODS, n_peers). [kW]"""
    wind_kw: Array
    """What turbines of the same size would give. Shape (PERIODS, n_peers). [kW]"""
    draws_l: Array
    """Hot water. Shape (PERIODS, n_peers). [l]"""
    begin_c: Array
    """How warm the tanks are at its start. Shape (n_peers,). [°C]"""

    def net_kw(self, *, has_wind: bool) -> Array:
        """Return generation minus demand without the heaters. Shape (PERIODS, n_peers). [kW]

        Parameters
        ----------
        has_wind
            Whether three of the peers have turbines in place of panels: case 2.
        """
        turbines = [peer.has_wind_in_case_2 and has_wind for peer in PEERS]
        made: Array = np.where(turbines, self.wind_kw, self.panels_kw)
        net: Array = made - self.load_kw
        return net


class London(NamedTuple):
    """What is drawn from: a year of half-hours of real homes and panels."""

    start: Instant
    load_kw: Array
    """Shape (n_rows, n_homes). [kW]"""
    panels: Array
    """Of each kW of panels. Shape (n_rows, n_homes_with_panels). [kW]"""

    @classmethod
    def read(cls, folder: Path = HOMES) -> London:
        """Read the half-hours that come with the program."""
        loads, made = (
            folder / "data" / f"london_2013_{name}_wh.parquet" for name in ("load", "pv")
        )
        homes = pl.read_csv(folder / "data" / "london_2013_homes.csv")
        peaks = dict(zip(homes["home"].to_list(), homes["pv_kwp"].to_list(), strict=True))
        with_panels = [name for name in pl.read_parquet_schema(made) if name != START]
        to_kw = PERIODS / 24 / 1_000
        panels = read_columns(made, with_panels) * to_kw
        names = [name for name in pl.read_parquet_schema(loads) if name != START]
        first = pl.read_parquet(loads, columns=[START])[START][0]
        return cls(
            Instant(int(first.timestamp()) * 1_000_000),
            read_columns(loads, names) * to_kw,
            panels / np.array([peaks[name] for name in with_panels]),
        )


def draw_day(london: London, seed: int, season: Period = YEAR) -> Day:
    """Draw a day of the ten peers; the same seed draws the same day, for both cases and controls.

    Parameters
    ----------
    seed
        Not negative. It draws the day of the year, which real home and panels stand for each peer,
        how many persons live there, when they draw hot water, how warm their tanks begin, the wind,
        and how shops waver.
    season
        Whole days of 2013 to draw from.
    """
    rng = np.random.default_rng(seed)
    start = Instant(season.start + int(rng.integers(season.length_us // DAY)) * DAY)
    first = (start - london.start) // (HOUR // 2)
    rows = slice(first, first + PERIODS)
    homes = rng.choice(london.load_kw.shape[1], len(PEERS), replace=False)
    roofs = rng.choice(london.panels.shape[1], len(PEERS), replace=False)
    size = np.array([peer.source_kw for peer in PEERS])
    persons = rng.choice(PERSONS, len(PEERS))
    return Day(
        start,
        np.column_stack(
            [
                _load(peer, london.load_kw[:, home], rows, rng)
                for peer, home in zip(PEERS, homes, strict=True)
            ]
        ),
        london.panels[rows][:, roofs] * size,
        wind(rng)[:, None] * size,
        np.column_stack([draws(int(count), rng) for count in persons]),
        rng.uniform(55.0, 65.0, len(PEERS)),
    )


def _load(peer: Peer, home: Array, rows: slice, rng: np.random.Generator) -> Array:
    """Return a peer's demand without its heater. Shape (PERIODS,). [kW]"""
    rated = peer.load_kw - HEATER_KW
    if peer.is_commercial:
        share = np.full(PERIODS, NIGHT_SHARE)
        share[OPEN:SHUT] = DAY_SHARE
        return np.minimum(rated * share * np.exp(rng.normal(0, WAVERING, PERIODS)), rated)
    # A home's largest half-hour of the year is what it is rated for.
    scaled: Array = home[rows] * (rated / home.max())
    return scaled


def wind(rng: np.random.Generator) -> Array:
    """Draw a day of wind, as the share of a turbine's size that it gives. Shape (PERIODS,).

    Speeds have a Weibull distribution and remember the half-hour before (an autoregressive normal
    behind them); power grows with the cube of speed from cut-in to rated. All turbines see the
    same wind.
    """
    at, shares = rng.normal(), np.empty(PERIODS)
    for period in range(PERIODS):
        at = WIND_MEMORY * at + math.sqrt(1 - WIND_MEMORY**2) * rng.normal()
        calm = 0.5 * math.erfc(at / math.sqrt(2))
        speed = WIND_SCALE * (-math.log(calm)) ** (1 / WIND_SHAPE)
        shares[period] = (speed**3 - CUT_IN**3) / (RATED**3 - CUT_IN**3)
    return np.clip(shares, 0.0, 1.0)


def draws(persons: int, rng: np.random.Generator) -> Array:
    """Draw the hot water that a home uses in a day. Shape (PERIODS,). [l]"""
    count = int(rng.poisson(DRAWS_A_PERSON * persons))
    weights = np.repeat(np.array(DRAW_HOURS, dtype=np.float64), PERIODS // 24)
    when = rng.choice(PERIODS, count, p=weights / weights.sum())
    found = np.bincount(when, rng.exponential(DRAW_L, count), PERIODS)
    return np.minimum(found, DRAW_L_MAX)
