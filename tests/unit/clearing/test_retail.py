"""Retail pricing models: what each adds, on days of 46, 48 and 50 half-hours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

import pytest

from wattbay.clearing.retail.grid import LoadsAndLimits, Step
from wattbay.clearing.retail.models import (
    PRICE_MOST,
    Component,
    CriticalPeak,
    Fixed,
    GridStability,
    Indexed,
    Model,
    TimeOfUse,
    Window,
)
from wattbay.clearing.retail.prices import DayPrices, PriceSeries, Sources, day_prices
from wattbay.clearing.retail.response import like_windows
from wattbay.errors import ConfigError
from wattbay.ids import ZoneId
from wattbay.periods import HOUR, MINUTE, Calendar, Instant, Period, instant

LONDON = Calendar("Europe/London")
HALF_HOUR = 30 * MINUTE
NORTH, SOUTH = ZoneId("north"), ZoneId("south")
ENERGY, EXPORT, NETWORK = Component.ENERGY, Component.EXPORT, Component.NETWORK
NIGHT = Window(30_000, 23 * 60, 6 * 60)
PEAK = Window(200_000, 16 * 60, 19 * 60, weekdays=(0, 1, 2, 3, 4))
TOU = TimeOfUse(ENERGY, (NIGHT, PEAK), otherwise=100_000)
MONDAY, SUNDAY = date(2013, 6, 10), date(2013, 6, 16)
SPRING, AUTUMN = date(2013, 3, 31), date(2013, 10, 27)
MIDNIGHT = LONDON.midnight(MONDAY)


def the_prices(
    *models: Model, day: date = MONDAY, sources: Sources | None = None, isp_us: int = HALF_HOUR
) -> DayPrices:
    return day_prices(models, LONDON, day, isp_us, [NORTH, SOUTH], sources)


def energy(*models: Model, day: date = MONDAY, sources: Sources | None = None) -> tuple[int, ...]:
    return the_prices(*models, day=day, sources=sources).nano_per_wh[ENERGY, NORTH]


def runs(prices: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return prices and for how many deliveries in a row each holds."""
    found: list[tuple[int, int]] = []
    for price in prices:
        if found and found[-1][0] == price:
            found[-1] = (price, found[-1][1] + 1)
        else:
            found.append((price, 1))
    return found


def test_fixed_price_holds_in_every_delivery_of_the_day() -> None:
    assert energy(Fixed(ENERGY, 70_000)) == (70_000,) * 48


def test_component_without_a_model_is_left_out() -> None:
    found = the_prices(Fixed(ENERGY, 70_000))
    assert set(found.nano_per_wh) == {(ENERGY, NORTH), (ENERGY, SOUTH)}
    assert not found.differ_by_zone()


def test_time_of_use_follows_the_clock_on_the_wall() -> None:
    peak = [(30_000, 12), (100_000, 20), (200_000, 6), (100_000, 8), (30_000, 2)]
    assert runs(energy(TOU)) == peak


def test_peak_of_weekdays_is_none_on_a_sunday() -> None:
    assert runs(energy(TOU, day=SUNDAY)) == [(30_000, 12), (100_000, 34), (30_000, 2)]


@pytest.mark.parametrize(("day", "night"), [(SPRING, 10), (AUTUMN, 14)])
def test_night_is_an_hour_shorter_or_longer_where_the_clocks_change(day: date, night: int) -> None:
    prices = energy(TOU, day=day)
    assert len(prices) == 36 + night
    assert runs(prices) == [(30_000, night), (100_000, 34), (30_000, 2)]


def test_hour_that_is_skipped_has_no_price_and_one_shown_twice_has_two() -> None:
    hour = TimeOfUse(ENERGY, (Window(1, 60, 120),))
    assert sum(energy(hour, day=SPRING)) == 0
    assert sum(energy(hour, day=MONDAY)) == 2
    autumn = the_prices(hour, day=AUTUMN)
    places = [i for i, price in enumerate(autumn.nano_per_wh[ENERGY, NORTH]) if price]
    assert places == [2, 3, 4, 5]
    assert autumn.deliveries[2] == instant("2013-10-27T00:00Z")


def test_window_of_some_months_holds_in_no_other() -> None:
    winter = TimeOfUse(ENERGY, (Window(5, months=(11, 12, 1, 2)),))
    assert sum(energy(winter)) == 0
    assert sum(energy(winter, day=date(2013, 12, 3))) == 5 * 48


def a_series(*nano_per_wh: int, step_us: int = HALF_HOUR, day: date = MONDAY) -> Sources:
    return Sources({"spot": PriceSeries(LONDON.midnight(day), step_us, nano_per_wh)})


def test_indexed_price_is_series_times_factor_plus_adder_and_may_be_negative() -> None:
    model = Indexed(ENERGY, "spot", factor_ppm=1_100_000, adder=-65_500)
    found = energy(model, sources=a_series(*[100_000, -50_000] * 24))
    assert found[:2] == (44_500, -120_500)


def test_indexed_price_rounds_to_the_nearest_halves_to_even() -> None:
    model = Indexed(ENERGY, "spot", factor_ppm=500_000)
    assert energy(model, sources=a_series(*[1, 3, -1, -3] * 12))[:4] == (0, 2, 0, -2)


def test_floor_and_cap_bound_an_indexed_price() -> None:
    model = Indexed(ENERGY, "spot", floor=-10_000, cap=350_000)
    assert energy(model, sources=a_series(*[-20_000, 400_000, 7] * 16))[:3] == (-10_000, 350_000, 7)


def test_hourly_series_holds_for_both_half_hours_and_a_finer_one_is_averaged() -> None:
    model = Indexed(ENERGY, "spot")
    assert energy(model, sources=a_series(*range(24), step_us=HOUR))[:4] == (0, 0, 1, 1)
    fine = a_series(*range(144), step_us=10 * MINUTE)
    assert energy(model, sources=fine)[:2] == (1, 4)


def test_indexed_price_of_a_day_with_fifty_half_hours_has_fifty() -> None:
    found = energy(Indexed(ENERGY, "spot"), day=AUTUMN, sources=a_series(*range(50), day=AUTUMN))
    assert found == tuple(range(50))


CALLED = Period(instant("2013-06-10T16:00Z"), instant("2013-06-10T18:00Z"))


def test_critical_peak_adds_to_the_price_in_its_event() -> None:
    critical = CriticalPeak(ENERGY, (CALLED,), 500_000)
    assert runs(energy(Fixed(ENERGY, 70_000), critical)) == [
        (70_000, 34),
        (570_000, 4),
        (70_000, 10),
    ]


def test_critical_peak_that_replaces_holds_alone_in_its_event() -> None:
    critical = CriticalPeak(ENERGY, (CALLED,), 500_000, replaces=True)
    assert runs(energy(TOU, critical))[3] == (500_000, 4)


def test_grid_stability_adds_in_steps_where_the_zone_is_strained() -> None:
    steps = (Step(800_000, 20_000), Step(1_000_000, 60_000))
    grid = LoadsAndLimits(
        LONDON.midnight(MONDAY),
        HALF_HOUR,
        {NORTH: 10_000, SOUTH: 10_000},
        {NORTH: [7_999, 8_000, 10_000, -9_000] * 12, SOUTH: [0] * 48},
    )
    found = the_prices(GridStability(NETWORK, steps), sources=Sources(grid=grid))
    assert found.nano_per_wh[NETWORK, NORTH][:4] == (0, 20_000, 60_000, 0)
    assert found.nano_per_wh[NETWORK, SOUTH] == (0,) * 48
    assert found.differ_by_zone()


def test_grid_stability_of_one_zone_leaves_the_other_alone() -> None:
    full = {NORTH: [10_000] * 48, SOUTH: [10_000] * 48}
    grid = LoadsAndLimits(LONDON.midnight(MONDAY), HALF_HOUR, {NORTH: 1, SOUTH: 1}, full)
    model = GridStability(NETWORK, (Step(0, 5),), zones=(SOUTH,))
    found = the_prices(model, sources=Sources(grid=grid)).nano_per_wh
    assert (found[NETWORK, NORTH][0], found[NETWORK, SOUTH][0]) == (0, 5)


def test_models_of_a_component_are_added_up_each_component_by_itself() -> None:
    found = the_prices(
        Fixed(ENERGY, 10),
        TOU,
        Fixed(EXPORT, -7),
        Indexed(EXPORT, "spot"),
        sources=a_series(*range(48)),
    ).nano_per_wh
    assert found[ENERGY, NORTH][0] == 30_010
    assert found[EXPORT, NORTH][:2] == (-7, -6)


FAULTS: Mapping[str, Callable[[], object]] = {
    "out of range": lambda: Fixed(ENERGY, PRICE_MOST + 1),
    "outside the day": lambda: Window(1, from_minute=24 * 60),
    "weekdays are wrong": lambda: Window(1, weekdays=(0, 0)),
    "months are wrong": lambda: Window(1, months=()),
    "0 windows": lambda: TimeOfUse(ENERGY, ()),
    "windows 1 and 2 hold at the same time": lambda: TimeOfUse(
        ENERGY, (NIGHT, Window(1, 0, 60, weekdays=(6,), months=(1,)))
    ),
    "the floor 2 is above the cap 1": lambda: Indexed(ENERGY, "spot", floor=2, cap=1),
    "the factor": lambda: Indexed(ENERGY, "spot", factor_ppm=10**12),
    "before the one before it ends": lambda: CriticalPeak(ENERGY, (CALLED, CALLED), 1),
    "2 events are called": lambda: CriticalPeak(
        ENERGY, (CALLED, Period(CALLED.end, Instant(CALLED.end + HOUR))), 1, calls_max=1
    ),
    "0 steps": lambda: GridStability(NETWORK, ()),
    "steps are not in order": lambda: GridStability(NETWORK, (Step(2, 1), Step(1, 1))),
    "its limit is 0 W": lambda: LoadsAndLimits(MIDNIGHT, HALF_HOUR, {NORTH: 0}, {}),
    "has loads and no limit": lambda: LoadsAndLimits(MIDNIGHT, HALF_HOUR, {}, {NORTH: []}),
    "no such price series": lambda: energy(Indexed(ENERGY, "spto"), sources=a_series(1)),
    "no price is known": lambda: energy(Indexed(ENERGY, "spot"), sources=a_series(1)),
    "a step ends inside a delivery": lambda: energy(
        Indexed(ENERGY, "spot"), sources=a_series(*range(96), step_us=20 * MINUTE)
    ),
    "nobody tells how strained": lambda: energy(GridStability(ENERGY, (Step(0, 1),))),
    "its load at": lambda: energy(
        GridStability(ENERGY, (Step(0, 1),)),
        sources=Sources(grid=LoadsAndLimits(MIDNIGHT, HALF_HOUR, {NORTH: 1}, {NORTH: [1]})),
    ),
    "window 1 begins or ends inside": lambda: energy(TimeOfUse(ENERGY, (Window(1, 15, 60),))),
    "begins or ends inside a delivery": lambda: energy(
        CriticalPeak(ENERGY, (Period(Instant(CALLED.start + 1), CALLED.end),), 1)
    ),
    "two prices replace": lambda: energy(*[CriticalPeak(ENERGY, (CALLED,), 1, replaces=True)] * 2),
    "its models sum to": lambda: energy(*[Fixed(ENERGY, PRICE_MOST)] * 2),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_a_model_is_named(fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        FAULTS[fault]()


# --- the days that a call is compared with ---------------------------------------------------


def test_like_windows_are_at_the_same_time_on_the_clock_on_the_wall() -> None:
    event = Period(instant("2013-10-28T17:00Z"), instant("2013-10-28T18:00Z"))
    found = like_windows(LONDON, event, days=7, calls=[])
    assert [LONDON.local(start).hour for start in found] == [17] * len(found)
    assert found[:2] == (instant("2013-10-27T17:00Z"), instant("2013-10-26T16:00Z"))
    # A week before, the clock was an hour ahead: that is more than a week of instants.
    assert len(found) == 6


def test_days_with_a_call_are_passed_over() -> None:
    event = Period(instant("2013-06-14T16:00Z"), instant("2013-06-14T18:00Z"))
    before = Period(instant("2013-06-13T17:00Z"), instant("2013-06-13T20:00Z"))
    found = like_windows(LONDON, event, days=2, calls=[before, event])
    assert found == (instant("2013-06-12T16:00Z"), instant("2013-06-11T16:00Z"))


@pytest.mark.parametrize(("day", "gone"), [("2013-04-01", 31), ("2013-10-28", 27)])
def test_day_on_which_the_clock_skipped_or_repeated_the_time_is_passed_over(
    day: str, gone: int
) -> None:
    start = LONDON.midnight(date.fromisoformat(day)) + HOUR + HALF_HOUR
    found = like_windows(LONDON, Period(Instant(start), Instant(start + HOUR)), days=3, calls=[])
    assert gone not in {LONDON.local(one).day for one in found}
    assert len(found) == 3


def test_baseline_without_a_day_is_a_fault() -> None:
    event = Period(instant("2013-06-14T16:00Z"), instant("2013-06-14T18:00Z"))
    week = Period(instant("2013-06-01T00:00Z"), instant("2013-06-14T00:00Z"))
    with pytest.raises(ConfigError, match="no day of the week before"):
        like_windows(LONDON, event, days=2, calls=[week])
    with pytest.raises(ConfigError, match="a baseline of 8 days"):
        like_windows(LONDON, event, days=8, calls=[])
