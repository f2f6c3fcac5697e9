"""Naive forecasts, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from wattbay.forecasting.models import Forecaster, FourWeekMean, History, LastWeek
from wattbay.periods import DAY, HOUR, WEEK, Calendar, Instant, instant

START = instant("2013-05-06T00:00Z")
MODELS: tuple[Forecaster, ...] = (LastWeek(), FourWeekMean())


def hourly(*weeks: float, start: Instant = START, homes: int = 1) -> History:
    """Return a history whose every hour is the value of its week."""
    values = np.repeat(np.array(weeks, dtype=np.float64), WEEK // HOUR)
    return History(start, HOUR, np.repeat(values[:, None], homes, axis=1))


def test_last_week_is_the_same_time_a_week_before() -> None:
    issued_at = Instant(START + 3 * WEEK)
    forecast = LastWeek().forecast(issued_at, hourly(1, 5, 3), [Instant(issued_at + HOUR)])
    assert forecast.mean.tolist() == [[3]]


def test_spread_of_last_week_is_that_of_its_own_errors() -> None:
    issued_at = Instant(START + 4 * WEEK)
    history = hourly(100, 103, 103, 107)
    forecast = LastWeek(levels=(0.5, 0.8413447)).forecast(issued_at, history, [issued_at])
    errors = np.array([4, 0, 3])
    assert forecast.quantiles[0, 0, 0] == 107
    assert forecast.quantiles[1, 0, 0] == pytest.approx(107 + np.sqrt((errors**2).mean()))


def test_four_week_mean_is_the_mean_and_its_spread_the_sample_deviation() -> None:
    issued_at = Instant(START + 5 * WEEK)
    history = hourly(9999, 100, 110, 120, 130)
    forecast = FourWeekMean(levels=(0.5, 0.8413447)).forecast(issued_at, history, [issued_at])
    deviation = np.std([100, 110, 120, 130], ddof=1)
    assert forecast.mean[0, 0] == 115
    assert forecast.quantiles[0, 0, 0] == 115
    expected = 115 + deviation * np.sqrt(1 + 1 / 4)
    assert forecast.quantiles[1, 0, 0] == pytest.approx(expected)


def test_with_fewer_weeks_the_mean_takes_those() -> None:
    issued_at = Instant(START + 2 * WEEK)
    forecast = FourWeekMean().forecast(issued_at, hourly(10, 20), [issued_at])
    assert forecast.mean.tolist() == [[15]]


@pytest.mark.parametrize("model", MODELS)
def test_period_more_than_a_week_ahead_takes_the_latest_week_that_is_known(
    model: Forecaster,
) -> None:
    issued_at = Instant(START + 2 * WEEK)
    far = Instant(issued_at + 10 * DAY)
    near = Instant(far - WEEK)
    told = model.forecast(issued_at, hourly(1, 2), [near, far]).mean
    assert told[0, 0] == told[1, 0]


@pytest.mark.parametrize("model", MODELS)
def test_without_a_week_the_latest_day_counts(model: Forecaster) -> None:
    values = np.arange(48.0)[:, None]
    issued_at = Instant(START + 2 * DAY)
    starts = [Instant(issued_at + 5 * HOUR), Instant(issued_at + DAY + 5 * HOUR)]
    forecast = model.forecast(issued_at, History(START, HOUR, values), starts)
    assert forecast.mean.tolist() == [[29], [29]]


@pytest.mark.parametrize("model", MODELS)
def test_without_a_day_the_last_row_counts_and_without_any_zero(model: Forecaster) -> None:
    history = History(START, HOUR, np.array([[7.0], [8.0], [9.0]]))
    starts = [Instant(START + 5 * HOUR)]
    assert model.forecast(Instant(START + 3 * HOUR), history, starts).mean.tolist() == [[9]]
    # Half an hour later than the second row's end, the third has not ended.
    assert model.forecast(Instant(START + 5 * HOUR // 2), history, starts).mean.tolist() == [[8]]
    assert model.forecast(START, history, starts).mean.tolist() == [[0]]
    assert model.forecast(Instant(START - DAY), history, starts).mean.tolist() == [[0]]


@pytest.mark.parametrize("model_of", [LastWeek, FourWeekMean])
def test_same_time_is_local_where_a_calendar_is_given(
    model_of: type[LastWeek | FourWeekMean],
) -> None:
    # Clocks in London went forward on 31 March 2013; a habit at seven o'clock moved in UTC.
    london = Calendar("Europe/London")
    start = instant("2013-03-04T00:00Z")
    starts = [Instant(start + row * HOUR) for row in range(29 * 24)]
    habit = np.array([[100.0 * (london.local(at).hour == 7)] for at in starts])
    history = History(start, HOUR, habit)
    issued_at = instant("2013-04-01T00:00Z")
    seven = instant("2013-04-01T07:00+01:00")
    eight = instant("2013-04-01T08:00+01:00")
    local = model_of(calendar=london).forecast(issued_at, history, [seven, eight]).mean
    assert local.tolist() == [[100], [0]]
    utc = model_of().forecast(issued_at, history, [seven, eight]).mean
    assert utc.tolist() == [[0], [100]]


def test_quantiles_are_cut_at_zero_unless_told_otherwise() -> None:
    issued_at = Instant(START + 4 * WEEK)
    history = hourly(0, 100, 0, 1)
    cut = FourWeekMean(levels=(0.01,)).forecast(issued_at, history, [issued_at])
    assert cut.quantiles.min() == 0
    free = FourWeekMean(levels=(0.01,), not_below=None).forecast(issued_at, history, [issued_at])
    assert free.quantiles.min() < 0
