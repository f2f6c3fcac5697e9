"""Where the sun stands: when it is dark at a place.

Notes
-----
The low-precision formulas of the Astronomical Almanac [1]_ give the sun to 0.01° between 1950 and
2050, without refraction. A few seconds of time are neither here nor there: what is asked for is a
sun six degrees below the horizon, some half an hour after it has set in London.

References
----------
.. [1] U.S. Naval Observatory, *The Astronomical Almanac for the Year 2013*, p. C5, "Low precision
   formulas for the Sun's coordinates and the equation of time."
"""

from __future__ import annotations

from math import acos, asin, atan2, cos, degrees, radians, sin
from typing import NamedTuple

from wattbay.periods import DAY, HOUR, Instant, instant

DARK_BELOW_DEG = -6.0
"""Civil dusk: the sun's elevation below which nothing is made of its light. [°]"""
_J2000 = instant("2000-01-01T12:00Z")
_DEG_PER_HOUR = 15.041
"""How fast the sun's hour angle grows, nearly. [°/h]"""


class Night(NamedTuple):
    """The hours around a solar midnight, and the dark among them."""

    start: Instant
    end: Instant
    """From here on, another night is asked for."""
    dark_from: Instant
    dark_until: Instant
    """Not after `dark_from` where it does not get dark."""


def _coordinates(at: Instant) -> tuple[float, float]:
    """Return the sun's declination, and its hour angle at Greenwich. [rad, °]"""
    days = (at - _J2000) / DAY
    mean_longitude = 280.460 + 0.9856474 * days
    anomaly = radians((357.528 + 0.9856003 * days) % 360)
    ecliptic = radians((mean_longitude + 1.915 * sin(anomaly) + 0.020 * sin(2 * anomaly)) % 360)
    obliquity = radians(23.439 - 0.0000004 * days)
    ascension = degrees(atan2(cos(obliquity) * sin(ecliptic), cos(ecliptic)))
    sidereal = 15 * ((18.697374558 + 24.06570982441908 * days) % 24)
    return asin(sin(obliquity) * sin(ecliptic)), (sidereal - ascension) % 360


def elevation_deg(at: Instant, latitude_deg: float, longitude_deg: float) -> float:
    """Return how far the centre of the sun stands above the horizon, without refraction. [°]

    Parameters
    ----------
    latitude_deg, longitude_deg
        North and east are positive. [°]
    """
    declination, angle = _coordinates(at)
    hour = radians(angle + longitude_deg)
    latitude = radians(latitude_deg)
    sine = sin(latitude) * sin(declination) + cos(latitude) * cos(declination) * cos(hour)
    return degrees(asin(max(-1.0, min(1.0, sine))))


def night_of(at: Instant, latitude_deg: float, longitude_deg: float) -> Night:
    """Return the night whose solar midnight is nearest to an instant.

    Parameters
    ----------
    latitude_deg, longitude_deg
        North and east are positive. [°]
    """
    _, angle = _coordinates(at)
    to_midnight_deg = 180 - (angle + longitude_deg) % 360
    midnight = at + round(to_midnight_deg / _DEG_PER_HOUR * HOUR)
    declination, _ = _coordinates(Instant(midnight))
    latitude = radians(latitude_deg)
    cosine = (sin(radians(DARK_BELOW_DEG)) - sin(latitude) * sin(declination)) / max(
        cos(latitude) * cos(declination), 1e-9
    )
    # The hour angle of dusk: 180° where it stays light, 0° where it stays dark.
    dusk_deg = degrees(acos(max(-1.0, min(1.0, cosine))))
    half = round((180 - dusk_deg) / _DEG_PER_HOUR * HOUR)
    start, end = Instant(midnight - DAY // 2), Instant(midnight + DAY // 2)
    return Night(start, end, Instant(midnight - half), Instant(midnight + half))
