"""What a bot's home makes and draws: the shared trend, with its own size, habits and chance."""

from __future__ import annotations

from random import Random
from statistics import NormalDist
from typing import NamedTuple

from wattbay.adapters.mqtt.market.messages import SolarOutput, TypicalConsumptionCurve
from wattbay.agents.quantity import LEVELS
from wattbay.periods import Instant
from wattbay.units import PPM

SPREAD = 0.15
"""Standard deviation of what comes, relative to what was expected."""
_BEYOND = tuple(NormalDist().inv_cdf(level) for level in LEVELS)


class Size(NamedTuple):
    """How large a home is."""

    kwp: float = 0.0
    """Of its panels."""
    kwh_per_day: float = 0.0
    """What it draws."""


class Household:
    """A home that draws and makes energy."""

    def __init__(self, size: Size, name: str, seed: int) -> None:
        """Draw its habits: how much of the trend's sun and curve it really has."""
        self._name, self._seed = name, seed
        chance = Random(f"{seed}/{name}")
        self._wh_per_wh_kwp = size.kwp * chance.uniform(0.85, 1.0)
        self._day_wh = 1_000 * size.kwh_per_day * chance.uniform(0.85, 1.15)
        self._solar: SolarOutput | None = None
        self._curve: TypicalConsumptionCurve | None = None

    def learn(self, trend: SolarOutput | TypicalConsumptionCurve) -> None:
        """Take in a shared trend."""
        if isinstance(trend, SolarOutput):
            self._solar = trend
        else:
            self._curve = trend

    def made_wh(self, delivery: Instant) -> float | None:
        """Return what the panels are expected to make; None while nobody knows. [Wh]"""
        if not self._wh_per_wh_kwp:
            return 0.0
        trend = self._solar
        if trend is None:
            return None
        found = _at(trend.start, trend.delivery_us, trend.wh_per_kwp, delivery)
        return None if found is None else found * self._wh_per_wh_kwp

    def drawn_wh(self, delivery: Instant) -> float | None:
        """Return what the home is expected to draw; None while nobody knows. [Wh]"""
        if not self._day_wh:
            return 0.0
        trend = self._curve
        if trend is None:
            return None
        found = _at(trend.start, trend.delivery_us, trend.share_ppm, delivery)
        return None if found is None else found * self._day_wh / PPM

    def net_wh(self, delivery: Instant) -> list[float] | None:
        """Return what is left over, by `LEVELS` of chance; None while nobody knows. [Wh]"""
        made, drawn = self.made_wh(delivery), self.drawn_wh(delivery)
        if made is None or drawn is None:
            return None
        deviation = SPREAD * (made**2 + drawn**2) ** 0.5
        return [made - drawn + deviation * beyond for beyond in _BEYOND]

    def live(self, delivery: Instant) -> float:
        """Return what was really left over in a delivery: the same whenever it is asked. [Wh]"""
        chance = Random(f"{self._seed}/{self._name}/{delivery}")
        made = (self.made_wh(delivery) or 0.0) * max(0.0, chance.gauss(1.0, SPREAD))
        drawn = (self.drawn_wh(delivery) or 0.0) * max(0.0, chance.gauss(1.0, SPREAD))
        return made - drawn


def _at(start: Instant, delivery_us: int, values: list[int], delivery: Instant) -> int | None:
    """Return the value of a delivery; None where the trend does not reach."""
    place = (delivery - start) // delivery_us if delivery_us > 0 else -1
    return values[place] if 0 <= place < len(values) else None
