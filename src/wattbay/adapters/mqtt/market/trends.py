"""The shared trend that bots draw their generation and consumption from.

Panels follow the height of the sun [1]_ and a cloudiness that is drawn anew each day; homes follow
a curve with a morning and an evening. Whoever knows better gives the market agent trends of their
own: all that is asked of them is two lists.

References
----------
.. [1] P. I. Cooper, "The absorption of radiation in solar stills," *Solar Energy*, vol. 12, no. 3,
   pp. 333-346, 1969, doi:10.1016/0038-092X(69)90047-4 (declination).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Protocol

from wattbay.periods import DAY, HOUR, Instant, to_datetime
from wattbay.units import PPM, share

HOURS_A_DAY = 24
PERFORMANCE = 0.85
"""Of panels, against what the sun's height alone would give."""


class Trends(Protocol):
    """What is shared by all: the sun of a place, and the habits of its people."""

    def solar_wh_per_kwp(self, start: Instant, delivery_us: int, count: int) -> list[int]:
        """Return what one kilowatt-peak makes in so many deliveries. [Wh]"""

    def consumption_share_ppm(self, start: Instant, delivery_us: int, count: int) -> list[int]:
        """Return the share of a day's energy that a home draws in each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardTrends:
    """Trends of a place on Earth."""

    latitude_deg: float = 51.5
    longitude_deg: float = 0.0
    """East of Greenwich."""
    seed: int = 1
    """Of the weather."""

    def solar_wh_per_kwp(self, start: Instant, delivery_us: int, count: int) -> list[int]:
        """Return what one kilowatt-peak makes, by the sun's height in the middle of each. [Wh]"""
        found = []
        for place in range(count):
            middle = Instant(start + place * delivery_us + delivery_us // 2)
            sky = Random(f"{self.seed}/{middle // DAY}").uniform(0.35, 1.0)
            power = 1_000 * PERFORMANCE * sky * max(0.0, self._height(middle))
            found.append(round(power * delivery_us / HOUR))
        return found

    def consumption_share_ppm(self, start: Instant, delivery_us: int, count: int) -> list[int]:
        """Return the shares of equal days: those of one day sum to a million."""
        periods = max(1, DAY // delivery_us)
        weights = [
            round(1_000 * _habit(self._hour(Instant(place * delivery_us + delivery_us // 2))))
            for place in range(periods)
        ]
        shares = share(PPM, weights)
        first = start % DAY // delivery_us
        return [shares[(first + place) % periods] for place in range(count)]

    def _hour(self, at: Instant) -> float:
        """Return the solar time of day. [h]"""
        return (at % DAY / HOUR + self.longitude_deg / 15) % HOURS_A_DAY

    def _height(self, at: Instant) -> float:
        """Return the sine of the sun's elevation; negative at night."""
        day = to_datetime(at).timetuple().tm_yday
        declination = math.radians(23.44) * math.sin(math.tau * (284 + day) / 365)
        latitude = math.radians(self.latitude_deg)
        angle = math.tau * (self._hour(at) - 12) / HOURS_A_DAY
        return math.sin(latitude) * math.sin(declination) + (
            math.cos(latitude) * math.cos(declination) * math.cos(angle)
        )


def _habit(hour: float) -> float:
    """Return what a home draws at an hour, relative to its nights: a morning and an evening."""
    morning = 0.9 * math.exp(-(((hour - 7.5) / 1.5) ** 2))
    evening = 2.0 * math.exp(-(((hour - 19.0) / 2.5) ** 2))
    return 1.0 + morning + evening
