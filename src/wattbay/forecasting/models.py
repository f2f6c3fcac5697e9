"""Forecasts of energy or price: the port, and the naive models that any better one has to beat.

A forecast is asked for with the instant at which it is made, the history, and the periods wanted;
it answers a mean and quantiles, for all homes at once. One rule holds for every model: **only rows
that had ended when the forecast is made count**. The history may hold more; `History.known` cuts it
off, and every model here begins with that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from wattbay.periods import DAY, WEEK, Calendar, Instant

Array = NDArray[np.float64]
_Integers = NDArray[np.int64]

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Quantiles that a forecast tells, unless others are asked for."""


class History(NamedTuple):
    """What was, period by period without gaps: energies of homes, or prices of zones."""

    start: Instant
    """Start of row 0."""
    step_us: int
    """Length of a period. [µs]"""
    values: Array
    """Finite. Shape (n_rows, n_homes). [any one unit]"""

    def known(self, at: Instant) -> Array:
        """Return the rows that had ended at an instant. Shape (n_known, n_homes)."""
        ended = (at - self.start) // self.step_us
        return self.values[: max(0, min(ended, self.values.shape[0]))]


class Forecast(NamedTuple):
    """What is expected, in the unit of the history."""

    mean: Array
    """Shape (n_periods, n_homes)."""
    quantiles: Array
    """By level, rising. Shape (n_levels, n_periods, n_homes)."""


class Forecaster(Protocol):
    """Whatever forecasts."""

    def forecast(self, issued_at: Instant, history: History, starts: Sequence[Instant]) -> Forecast:
        """Forecast the periods that begin at `starts`, each as long as a row of the history.

        Parameters
        ----------
        issued_at
            When the forecast is made. No row that ends later may change the answer.
        history
            What was; possibly with rows that nobody can know yet.
        starts
            Starts of the periods wanted, on the rows of the history. Shape (n_periods,).
        """
        ...  # pragma: no cover


@dataclass(frozen=True, slots=True)
class LastWeek:
    """The same time of the latest week that is known: the seasonal naive forecast.

    Its spread is the root mean square of its own errors at that time of the three weeks before,
    taken as normal. Where no week is known, the latest day counts; where no day, the last row.

    References
    ----------
    .. [1] Hyndman and Athanasopoulos, *Forecasting: Principles and Practice*, 3rd ed., 2021, 5.2
       (seasonal naive method).
    """

    levels: tuple[float, ...] = LEVELS
    not_below: float | None = 0.0
    """Quantiles are cut there: energies are not negative. None for prices."""
    calendar: Calendar | None = None
    """Whose local time is meant by the same time; None for UTC, as the sun has it."""

    def forecast(self, issued_at: Instant, history: History, starts: Sequence[Instant]) -> Forecast:
        """Forecast as `Forecaster.forecast` says."""
        past = _same_times(issued_at, history, starts, self.calendar)
        mean = _or_recent(past.values[0], past.there[0], issued_at, history, starts)
        errors = past.values[:-1] - past.values[1:]
        both = past.there[:-1] & past.there[1:]
        squares = (np.where(both[..., None], errors, 0.0) ** 2).sum(axis=0)
        spread = np.sqrt(squares / np.maximum(both.sum(axis=0), 1)[:, None])
        return _with_spread(mean, spread, self.levels, self.not_below)


@dataclass(frozen=True, slots=True)
class FourWeekMean:
    """The mean of the same time of the latest four weeks that are known.

    Its spread is their sample standard deviation, widened for the mean's own error by
    sqrt(1 + 1/n), taken as normal. With fewer weeks it takes those; where none is known, the
    latest day counts; where no day, the last row.

    References
    ----------
    .. [1] Hyndman and Athanasopoulos, *Forecasting: Principles and Practice*, 3rd ed., 2021, 5.5
       (prediction interval of the mean method: standard deviation times sqrt(1 + 1/n)).
    """

    levels: tuple[float, ...] = LEVELS
    not_below: float | None = 0.0
    """Quantiles are cut there: energies are not negative. None for prices."""
    calendar: Calendar | None = None
    """Whose local time is meant by the same time; None for UTC, as the sun has it."""

    def forecast(self, issued_at: Instant, history: History, starts: Sequence[Instant]) -> Forecast:
        """Forecast as `Forecaster.forecast` says."""
        past = _same_times(issued_at, history, starts, self.calendar)
        weeks = past.there.sum(axis=0)
        divisor = np.maximum(weeks, 1)[:, None]
        there = past.there[..., None]
        mean = np.where(there, past.values, 0.0).sum(axis=0) / divisor
        squares = (np.where(there, past.values - mean, 0.0) ** 2).sum(axis=0)
        variance = squares / np.maximum(divisor - 1, 1)
        spread = np.sqrt(variance * (1 + 1 / divisor))
        mean = _or_recent(mean, weeks > 0, issued_at, history, starts)
        return _with_spread(mean, spread, self.levels, self.not_below)


_WEEKS = 4


class _Past(NamedTuple):
    """The same time of the latest weeks, the latest first."""

    values: Array
    """Shape (_WEEKS, n_periods, n_homes); of no meaning where not there."""
    there: NDArray[np.bool_]
    """Whether history reaches so far. Shape (_WEEKS, n_periods)."""


def _same_times(
    issued_at: Instant, history: History, starts: Sequence[Instant], calendar: Calendar | None
) -> _Past:
    known = history.known(issued_at)
    at = np.asarray(starts, dtype=np.int64)
    # A period further ahead than a week has its latest known counterpart more than a week before.
    least = np.maximum(-(-(at + history.step_us - issued_at) // WEEK), 1)
    then = at - (least + np.arange(_WEEKS)[:, None]) * WEEK
    if calendar is not None:
        then = then + _clock_changes(calendar, at, then)
    return _pick(known, history, then)


def _pick(known: Array, history: History, then: _Integers) -> _Past:
    """Return the known rows that start at instants; of no meaning where there is none."""
    row = (then - history.start) // history.step_us
    there = (row >= 0) & (row < known.shape[0])
    if not known.shape[0]:
        return _Past(np.zeros((*then.shape, known.shape[1])), there)
    return _Past(known[np.where(there, row, 0)], there)


def _clock_changes(calendar: Calendar, at: _Integers, then: _Integers) -> _Integers:
    """Return by how much clocks were set forward between earlier instants and later ones. [µs]"""
    ends = _offsets(calendar, np.array([then.min(), at.max()]))
    if ends[0] == ends[1] and at.max() - then.min() < 20 * WEEK:
        # Clocks that agree at both ends of a few weeks were not changed between: the usual case.
        return np.zeros_like(then)
    return _offsets(calendar, at) - _offsets(calendar, then)


def _offsets(calendar: Calendar, at: _Integers) -> _Integers:
    """Return how far local time is ahead of UTC. [µs]"""
    found = np.empty(at.size, dtype=np.int64)
    for index, moment in enumerate(at.ravel().tolist()):
        offset = calendar.local(Instant(moment)).utcoffset()
        found[index] = 0 if offset is None else round(offset.total_seconds()) * 1_000_000
    return found.reshape(at.shape)


def _or_recent(
    mean: Array,
    there: NDArray[np.bool_],
    issued_at: Instant,
    history: History,
    starts: Sequence[Instant],
) -> Array:
    """Fill in what is recent where no week is known: the latest day, the last row, or zero."""
    if there.all():
        return mean
    known = history.known(issued_at)
    at = np.asarray(starts, dtype=np.int64)
    least = np.maximum(-(-(at + history.step_us - issued_at) // DAY), 1)
    yesterday = _pick(known, history, at - least * DAY)
    last = known[-1] if known.shape[0] else np.zeros(history.values.shape[1])
    recent = np.where(yesterday.there[:, None], yesterday.values, last)
    return np.where(there[:, None], mean, recent)


def _with_spread(
    mean: Array, spread: Array, levels: Sequence[float], not_below: float | None
) -> Forecast:
    """Add normal quantiles to a mean."""
    normal = NormalDist()
    steps = np.array([normal.inv_cdf(level) for level in levels])
    quantiles = mean + steps[:, None, None] * spread
    if not_below is not None:
        quantiles = np.maximum(quantiles, not_below)
    return Forecast(mean, quantiles)
