"""Forecasts that are kept, made, and compared with what was measured since.

They are kept in memory, the last few of each device, and gone when the service starts again: they
are opinions, not history.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from wattbay.adapters.api.energynet.amounts import kwh
from wattbay.adapters.api.energynet.models import ForecastError
from wattbay.forecasting.analogs import Analogs
from wattbay.forecasting.models import Array, History
from wattbay.forecasting.scores import crps, mean_absolute_error, mean_error
from wattbay.ids import MeterId
from wattbay.periods import DAY, Instant

KEPT_PER_DEVICE_MAX = 32
DEVICES_MAX = 10_000
"""Devices whose forecasts are kept; with one more, those that were longest silent go."""
CALLER = "caller"
"""Source of a forecast that somebody sent."""
MODEL = "analogs"
"""Source of one that was made here."""


class Expected(NamedTuple):
    """What is expected of one delivery."""

    start: Instant
    mean_kwh: float
    quantiles: tuple[tuple[float, float], ...]
    """Level and energy, by level, rising. [kWh]"""


class Kept(NamedTuple):
    """A forecast that is kept."""

    device: MeterId
    issued_at: Instant
    source: str
    periods: tuple[Expected, ...]
    known_periods: int | None
    """How many measured deliveries a model had."""


class Forecasts:
    """The forecasts of one process."""

    def __init__(self) -> None:
        """Keep none."""
        self._kept: OrderedDict[MeterId, deque[Kept]] = OrderedDict()

    def keep(self, forecast: Kept) -> None:
        """Keep a forecast; of one device the oldest goes when there are too many."""
        kept = self._kept.pop(forecast.device, None)
        if kept is None:
            kept = deque(maxlen=KEPT_PER_DEVICE_MAX)
        kept.append(forecast)
        self._kept[forecast.device] = kept
        if len(self._kept) > DEVICES_MAX:
            self._kept.popitem(last=False)

    def of(self, device: MeterId) -> tuple[Kept, ...]:
        """Return the forecasts of a device, oldest first."""
        return tuple(self._kept.get(device, ()))


# --- made here -------------------------------------------------------------------------------


def gapless(energies: Mapping[Instant, int], isp_us: int) -> History | None:
    """Return what was measured, from the last gap on; None where nothing was.

    Parameters
    ----------
    energies
        By delivery. [Wh]
    """
    if not energies:
        return None
    last = start = max(energies)
    while start - isp_us in energies:
        start = Instant(start - isp_us)
    rows = [[kwh(energies[Instant(at)])] for at in range(start, last + 1, isp_us)]
    return History(start, isp_us, np.array(rows, dtype=np.float64))


def make(device: MeterId, at: Instant, history: History, starts: Sequence[Instant]) -> Kept:
    """Forecast deliveries from days that began alike; at least one whole day is to be known.

    Raises
    ------
    ValueError
        If less is known: then nothing can be told.
    """
    known = len(history.known(at))
    if known * history.step_us < DAY:
        raise ValueError(f"{known} deliveries are known without a gap; a whole day is needed")
    model = Analogs()
    made = model.forecast(at, history, starts)
    periods = tuple(
        Expected(
            start,
            round(max(0.0, float(made.mean[place, 0])), 6),
            tuple(
                (level, round(float(made.quantiles[row, place, 0]), 6))
                for row, level in enumerate(model.levels)
            ),
        )
        for place, start in enumerate(starts)
    )
    return Kept(device, at, MODEL, periods, known)


# --- compared --------------------------------------------------------------------------------


def errors(kept: Sequence[Kept], measured: Mapping[Instant, int]) -> tuple[ForecastError, ...]:
    """Return how good forecasts were, by source; each delivery counts once, as last foretold.

    Parameters
    ----------
    kept
        Oldest first.
    measured
        Energy of each delivery that is known now. [Wh]
    """
    latest: dict[str, dict[Instant, Expected]] = {}
    for forecast in kept:
        for one in forecast.periods:
            # What is told after a delivery has begun is no forecast of it.
            if one.start >= forecast.issued_at:
                latest.setdefault(forecast.source, {})[one.start] = one
    found = []
    for source in sorted(latest):
        pairs = [
            (one, kwh(measured[start]))
            for start, one in sorted(latest[source].items())
            if start in measured
        ]
        if pairs:
            found.append(_error(source, pairs))
    return tuple(found)


def _error(source: str, pairs: Sequence[tuple[Expected, float]]) -> ForecastError:
    """Return the scores of forecasts and what was measured. [kWh]"""
    mean = np.array([one.mean_kwh for one, _ in pairs])
    observed = np.array([energy for _, energy in pairs])
    return ForecastError(
        source=source,
        periods=len(pairs),
        mean_absolute_error=round(mean_absolute_error(mean, observed), 6),
        mean_error=round(mean_error(mean, observed), 6),
        crps=_crps([one for one, _ in pairs], observed),
    )


def _crps(expected: Sequence[Expected], observed: Array) -> float | None:
    """Return the score of quantiles; None where forecasts tell none, or not of the same levels."""
    levels = [tuple(level for level, _ in one.quantiles) for one in expected]
    if not levels[0] or any(one != levels[0] for one in levels):
        return None
    quantiles = np.array([[energy for _, energy in one.quantiles] for one in expected]).T
    return round(crps(quantiles, observed, levels[0]), 6)
