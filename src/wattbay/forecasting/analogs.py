"""A forecast from the days that began like today: what followed then, weighed by likeness.

The spread of a household's half-hour is skewed: mostly little, sometimes an oven. So quantiles are
taken from what was, not from a normal curve around a mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wattbay.forecasting.models import LEVELS, Forecast, FourWeekMean, History
from wattbay.periods import DAY, Instant

Array = NDArray[np.float64]
_LIKE = 0.3
"""How far a day may differ from today and still count much, in root mean squares of how far days
differ."""
_UNLIKE = 0.02
"""What a day counts at least, whatever it was like: nothing that was is impossible."""
_FADING = 0.03
"""By what share a day counts less for each day that it is further back."""
_WEEKDAY = 1.5
"""How many times the same day of the week counts."""
_BESIDE = np.array([-1, 0, 1])
"""The periods before and after count as well: nobody cooks by the clock."""


@dataclass(frozen=True, slots=True)
class Analogs:
    """Weighted quantiles of the same time of the last days, by how alike they were. [1]_

    A day is alike where its value at the time of the latest known row was near that row: that tells
    cloud from sun, and a home that is lived in from one that is empty. Its value at the time wanted
    counts, and so do those of the periods beside it. Where not one day is known, it answers as
    `FourWeekMean` does. The length of a row divides a day.

    References
    ----------
    .. [1] Delle Monache, Eckel, Rife, Nagarajan, Searight, "Probabilistic weather prediction with
       an analog ensemble," *Monthly Weather Review*, vol. 141, pp. 3498-3516, 2013,
       doi:10.1175/MWR-D-12-00281.1. (Weights fall with distance here, where theirs choose the
       nearest.)
    """

    levels: tuple[float, ...] = LEVELS
    not_below: float | None = 0.0
    """Quantiles are cut there: energies are not negative. None for prices and nets."""
    days: int = 21
    """How many days back are looked at."""

    def forecast(self, issued_at: Instant, history: History, starts: Sequence[Instant]) -> Forecast:
        """Forecast as `Forecaster.forecast` says. Times of day are UTC's, as the sun has them."""
        known = history.known(issued_at)
        fallback = FourWeekMean(self.levels, self.not_below)
        last, day = known.shape[0] - 1, DAY // history.step_us
        back = np.arange(1, self.days + 1)
        back = back[last - day * back >= 0] if last >= 0 else back[:0]
        if not back.size:
            return fallback.forecast(issued_at, history, starts)
        at = (np.asarray(starts, dtype=np.int64) - history.start) // history.step_us
        rows = (at[:, None] - day * back)[:, :, None] + _BESIDE
        there = (rows >= 0) & (rows <= last)
        # Shape (n_periods, n_homes, n_days, 3): the days of a home lie side by side to be sorted.
        values = known.T[:, np.where(there, rows, 0)].swapaxes(0, 1)
        weights = _likeness(known, last, day, back)[:, :, None] * there[:, None]
        flat = (*values.shape[:2], there[0].size)
        values, weights = values.reshape(flat), weights.reshape(flat)
        total = weights.sum(axis=2)
        mean = (values * weights).sum(axis=2) / np.where(total > 0, total, 1.0)
        quantiles = _quantiles(values, weights, self.levels)
        if self.not_below is not None:
            quantiles = np.maximum(quantiles, self.not_below)
        blind = ~there.any(axis=(1, 2))
        if blind.any():
            plain = fallback.forecast(issued_at, history, starts)
            mean[blind], quantiles[:, blind] = plain.mean[blind], plain.quantiles[:, blind]
        return Forecast(mean, quantiles)


def _likeness(known: Array, last: int, day: int, back: NDArray[np.int64]) -> Array:
    """Return how much each day back counts. Shape (n_homes, n_days)."""
    apart = (known[last - day * back] - known[last]).T
    typical = np.sqrt((apart * apart).mean(axis=1, keepdims=True))
    near = np.exp(-0.5 * (apart / np.where(typical > 0, _LIKE * typical, 1.0)) ** 2)
    counted: Array = (near + _UNLIKE) * (1 - _FADING) ** (back - 1)
    counted *= np.where(back % 7 == 0, _WEEKDAY, 1.0)
    return counted


def _quantiles(values: Array, weights: Array, levels: Sequence[float]) -> Array:
    """Return the least values that so much of the weight does not exceed.

    Shapes of values and weights (n_periods, n_homes, n_samples), of the answer (n_levels,
    n_periods, n_homes).
    """
    if not levels:
        return np.empty((0, *values.shape[:2]))
    order = np.argsort(values, axis=2)
    heights = np.cumsum(np.take_along_axis(weights, order, axis=2), axis=2)
    least = heights[..., -1:] * np.array(levels)
    # Of the first that reaches a level, argmax tells the place.
    place = (heights[:, :, None, :] >= least[:, :, :, None]).argmax(axis=3)
    found: Array = np.take_along_axis(values, np.take_along_axis(order, place, axis=2), axis=2)
    return np.moveaxis(found, 2, 0)
