"""Forecasts from days that began alike: by hand, and against the naive ones on real homes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from wattbay.forecasting.analogs import Analogs
from wattbay.forecasting.models import LEVELS, Forecaster, FourWeekMean, History, LastWeek
from wattbay.forecasting.scores import coverage, crps, mean_absolute_error, skill
from wattbay.periods import DAY, HOUR, MINUTE, Instant, instant, tile
from wattbay.simulation.scenario import load_scenario

START = instant("2013-05-06T00:00Z")


def days(*values: float, begins: int) -> History:
    """Return hours that are 0 before noon of a day, but for one that tells what follows."""
    rows = np.zeros((24 * len(values), 1))
    for day, value in enumerate(values):
        rows[24 * day + begins] = value
        rows[24 * day + 12 : 24 * day + 24] = value
    return History(START, HOUR, rows)


def test_days_that_began_alike_tell_what_follows() -> None:
    # Sunny days begin with 800 at ten o'clock, dull ones with 100.
    history = days(*([800, 100] * 10), 800, begins=10)
    issued_at = Instant(START + 20 * DAY + 11 * HOUR)
    forecast = Analogs().forecast(issued_at, history, [Instant(issued_at + 2 * HOUR)])
    assert forecast.quantiles[1:, 0, 0].tolist() == [800, 800, 800, 800]
    assert forecast.mean[0, 0] == pytest.approx(800, rel=0.05)


def test_nothing_that_was_is_impossible() -> None:
    history = days(*([800, 100] * 10), 800, begins=10)
    issued_at = Instant(START + 20 * DAY + 11 * HOUR)
    told = Analogs(levels=(0.001,)).forecast(issued_at, history, [Instant(issued_at + 2 * HOUR)])
    assert told.quantiles[0, 0, 0] == 100


def test_days_that_cannot_be_told_apart_count_nearly_alike() -> None:
    values = np.repeat(np.arange(1.0, 12.0), 24)[:, None]
    values[10::24] = 5
    issued_at = Instant(START + 10 * DAY + 11 * HOUR)
    forecast = Analogs().forecast(issued_at, History(START, HOUR, values), [issued_at])
    # The five at ten o'clock is one of three neighbours; later days count a little more.
    assert forecast.quantiles[2, 0, 0] == 5
    assert 5 < forecast.mean[0, 0] < 6.5


def test_without_a_day_the_plain_mean_answers() -> None:
    history = History(START, HOUR, np.array([[7.0], [8.0], [9.0]]))
    issued_at, starts = Instant(START + 3 * HOUR), [Instant(START + 5 * HOUR)]
    plain = FourWeekMean().forecast(issued_at, history, starts)
    for there in (history, History(START, HOUR, history.values[:0])):
        told = Analogs().forecast(issued_at, there, starts)
        expected = FourWeekMean().forecast(issued_at, there, starts)
        assert np.array_equal(told.mean, expected.mean)
        assert np.array_equal(told.quantiles, expected.quantiles)
    assert plain.mean.tolist() == [[9]]


def test_period_further_ahead_than_the_days_looked_at_is_forecast_plainly() -> None:
    values = np.arange(24.0 * 30)[:, None]
    history, issued_at = History(START, HOUR, values), Instant(START + 30 * DAY)
    near, far = Instant(issued_at + DAY), Instant(issued_at + 12 * DAY)
    told = Analogs(days=9).forecast(issued_at, history, [near, far])
    plain = FourWeekMean().forecast(issued_at, history, [near, far])
    assert told.mean[1] == plain.mean[1]
    assert told.mean[0] != plain.mean[0]


def test_no_home_and_no_level_are_answered() -> None:
    history = History(START, HOUR, np.zeros((24 * 8, 0)))
    issued_at = Instant(START + 8 * DAY)
    assert Analogs().forecast(issued_at, history, [issued_at]).quantiles.shape == (5, 1, 0)
    some = History(START, HOUR, np.ones((24 * 8, 2)))
    assert Analogs(levels=()).forecast(issued_at, some, [issued_at]).quantiles.shape == (0, 1, 2)


class Scores(NamedTuple):
    """How well a model foresaw the nets of homes. Shape of `by_home`: (n_homes,)."""

    crps: float
    mean_absolute_error: float
    by_home: list[float]
    covered: list[float]


def scores(model: Forecaster, name: str) -> Scores:
    """Let a model foresee each delivery of a scenario, 70 minutes before."""
    scenario = load_scenario(name)
    series = scenario.series
    history = History(series.start, series.isp_us, series.pv_wh - series.load_wh)
    starts = [one.start for _, day in scenario.days for one in tile(day, scenario.isp_us)]
    told = [model.forecast(Instant(at - 70 * MINUTE), history, [at]) for at in starts]
    was = history.values[[series.row(at) for at in starts]]
    mean = np.concatenate([one.mean for one in told])
    quantiles = np.concatenate([one.quantiles for one in told], axis=1)
    return Scores(
        crps(quantiles, was, LEVELS),
        mean_absolute_error(mean, was),
        [crps(quantiles[..., home], was[:, home], LEVELS) for home in range(was.shape[1])],
        [coverage(quantile, was) for quantile in quantiles],
    )


@pytest.mark.parametrize(("name", "least"), [("london-week", 0.15), ("fontana-week", 0.1)])
def test_real_homes_are_foreseen_better_than_by_the_naive_models(name: str, least: float) -> None:
    found = scores(Analogs(not_below=None), name)
    for naive in (FourWeekMean(not_below=None), LastWeek(not_below=None)):
        beaten = scores(naive, name)
        assert skill(found.crps, beaten.crps) > least
        assert skill(found.mean_absolute_error, beaten.mean_absolute_error) > least / 2
        better = [mine < theirs for mine, theirs in zip(found.by_home, beaten.by_home, strict=True)]
        assert sum(better) > 0.8 * len(better)


def test_quantiles_of_real_homes_are_about_as_often_exceeded_as_they_say() -> None:
    found = scores(Analogs(not_below=None), "london-week")
    assert found.covered == pytest.approx(LEVELS, abs=0.06)
