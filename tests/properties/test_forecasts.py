"""Laws of forecasts: nobody peeks, quantiles rise, what repeats is foreseen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbay.forecasting.analogs import Analogs
from wattbay.forecasting.models import Forecaster, FourWeekMean, History, LastWeek
from wattbay.forecasting.scores import crps, mean_absolute_error, pinball_loss
from wattbay.periods import DAY, HOUR, WEEK, Calendar, Instant, instant

START = instant("2013-02-01T00:00Z")
MODELS: tuple[Forecaster, ...] = (
    LastWeek(),
    FourWeekMean(),
    LastWeek(calendar=Calendar("Europe/London"), not_below=None),
    FourWeekMean(calendar=Calendar("Europe/London"), not_below=None),
    Analogs(),
    Analogs(not_below=None, days=9),
)
models = st.sampled_from(MODELS)
seeds = st.integers(0, 2**32 - 1)


def a_history(seed: int, rows: int, homes: int = 2) -> History:
    """Return hourly energies of homes, drawn by seed."""
    values = np.random.default_rng(seed).uniform(0, 1000, (rows, homes))
    return History(START, HOUR, values)


@given(
    models,
    seeds,
    st.integers(0, 60 * 24),
    st.integers(0, 60 * 24 * 60),
    st.lists(st.integers(-48, 24 * 15), min_size=1, max_size=5),
)
def test_what_had_not_ended_when_a_forecast_was_made_does_not_change_it(
    model: Forecaster, seed: int, rows: int, minute: int, ahead: list[int]
) -> None:
    history = a_history(seed, rows)
    issued_at = Instant(START + minute * 60_000_000)
    first = issued_at - issued_at % HOUR
    starts = [Instant(first + number * HOUR) for number in ahead]
    ended = (issued_at - START) // HOUR
    other = history.values.copy()
    other[ended:] = np.nan
    before = model.forecast(issued_at, history, starts)
    after = model.forecast(issued_at, History(START, HOUR, other), starts)
    assert np.array_equal(before.mean, after.mean)
    assert np.array_equal(before.quantiles, after.quantiles)
    cut = History(START, HOUR, history.values[: max(ended, 0)])
    assert np.array_equal(model.forecast(issued_at, cut, starts).mean, before.mean)


@given(models, seeds, st.integers(0, 40 * 24), st.integers(0, 45 * 24), st.integers(0, 48))
def test_answers_are_finite_rise_by_level_and_have_their_shapes(
    model: Forecaster, seed: int, rows: int, hour: int, ahead: int
) -> None:
    issued_at = Instant(START + hour * HOUR)
    starts = [Instant(issued_at + number * HOUR) for number in range(ahead, ahead + 3)]
    forecast = model.forecast(issued_at, a_history(seed, rows), starts)
    assert forecast.mean.shape == (3, 2)
    assert forecast.quantiles.shape == (5, 3, 2)
    assert np.isfinite(forecast.mean).all()
    assert (np.diff(forecast.quantiles, axis=0) >= 0).all()


@given(models, seeds, st.integers(0, 14 * 24))
def test_week_that_repeats_is_foreseen_exactly(model: Forecaster, seed: int, ahead: int) -> None:
    week = a_history(seed, 7 * 24).values
    # In winter: no clock changes within.
    history = History(START, HOUR, np.tile(week, (5, 1))[: 27 * 24])
    issued_at = Instant(START + 27 * DAY)
    start = Instant(issued_at + ahead * HOUR)
    if isinstance(model, LastWeek | FourWeekMean) and model.calendar is None:
        forecast = model.forecast(issued_at, history, [start])
        expected = week[(start - START) % WEEK // HOUR]
        assert forecast.mean[0] == pytest.approx(expected)


@given(seeds, st.integers(2, 6))
def test_homes_are_forecast_as_if_each_were_alone(seed: int, homes: int) -> None:
    history = a_history(seed, 30 * 24, homes)
    issued_at = Instant(START + 30 * DAY)
    starts = [Instant(issued_at + number * HOUR) for number in range(4)]
    for model in MODELS:
        together = model.forecast(issued_at, history, starts)
        for home in range(homes):
            alone = History(START, HOUR, history.values[:, home : home + 1])
            assert np.allclose(
                model.forecast(issued_at, alone, starts).mean[:, 0], together.mean[:, home]
            )


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(-1e6, 1e6))
def test_pinball_of_the_median_is_half_the_absolute_error(
    observed: list[float], quantile: float
) -> None:
    was = np.array(observed)
    told = np.full_like(was, quantile)
    assert pinball_loss(told, was, 0.5) == pytest.approx(mean_absolute_error(told, was) / 2)


@given(seeds)
def test_crps_of_a_point_at_evenly_spread_levels_is_its_absolute_error(seed: int) -> None:
    was = np.random.default_rng(seed).normal(size=50)
    told = np.zeros((9, 50))
    levels = [level / 10 for level in range(1, 10)]
    assert crps(told, was, levels) == pytest.approx(mean_absolute_error(told[0], was))
