"""The sun, and what a device usually does."""

from __future__ import annotations

import pytest

from tests.watched import HOME, INVERTER, METER, a_reading, after, begun, history, judged, told
from wattbay.core.facts import DeviceKind
from wattbay.periods import SECOND
from wattbay.watch.anomalies import Anomaly, DeviceFacts, Severity, Watch


def test_sunshine_at_midnight_is_soft() -> None:
    watch = begun(1, INVERTER)
    night = a_reading(2, made=150)
    (found,) = watch.judge(night, after(night), INVERTER)
    assert (found.anomaly, found.severity) == (Anomaly.NIGHT_SOLAR, Severity.SOFT)
    assert found.detail == "it made 300 W while the sun stood 6° or more below the horizon"


def test_midsummer_morning_is_no_night() -> None:
    watch = Watch()
    early = [a_reading(seq, made=10 * max(seq - 6, 0)) for seq in range(1, 12)]
    assert told(watch, *early, facts=INVERTER) == []


@pytest.mark.parametrize(
    "facts",
    [INVERTER._replace(latitude_deg=None), INVERTER._replace(is_solar=False)],
    ids=["place unknown", "not of the sun"],
)
def test_night_is_not_asked_for_without_place_or_sun(facts: DeviceFacts) -> None:
    assert told(begun(1, facts), a_reading(2, made=150), facts=facts) == []


def test_line_is_flat_after_a_day_of_the_same_and_ends_with_a_change() -> None:
    watch = begun(10)
    stuck = [a_reading(seq, drew=a_reading(10).import_register) for seq in range(11, 62)]
    found = told(watch, *stuck)
    assert found == [Anomaly.FLAT_LINE] * 3
    assert told(watch, a_reading(62)) == []
    assert watch.ended() == [(METER, Anomaly.FLAT_LINE)]


def test_panel_is_flat_after_a_week_and_a_battery_may_be_idle_for_ever() -> None:
    still = [a_reading(seq, drew=0, made=7) for seq in range(1, 48 * 8)]
    assert set(told(Watch(), *still, facts=INVERTER)) == {Anomaly.FLAT_LINE}
    assert told(Watch(), *still[: 48 * 7], facts=INVERTER) == []
    battery = HOME._replace(kind=DeviceKind.BATTERY)
    assert told(Watch(), *still, facts=battery) == []


def test_device_that_was_flat_for_days_may_be_so_again() -> None:
    watch = begun(10)
    stuck = [a_reading(seq, drew=11_001) for seq in range(11, 110)]
    told(watch, *stuck, a_reading(110), a_reading(111))
    again = [a_reading(seq, drew=a_reading(111).import_register) for seq in range(112, 220)]
    assert told(watch, *again) == []


def test_energy_far_above_the_usual_for_hours_is_told_once() -> None:
    watch = Watch()
    before = history(30)
    assert told(watch, *before) == []
    last = before[-1]
    high = [a_reading(last.seq + n, drew=last.import_register + 330 * n) for n in range(1, 30)]
    found = judged(watch, *high)
    assert [one.anomaly for one in found] == [Anomaly.SUDDEN_CHANGE]
    assert found[0].detail == (
        "it drew 660 W, usually 121 W at this time of day; far above what is usual for hours"
    )


def test_peak_far_above_all_others_is_told_at_once() -> None:
    watch = Watch()
    before = history(30)
    told(watch, *before)
    last = before[-1]
    peak = a_reading(last.seq + 1, drew=last.import_register + 2_000)
    (found,) = watch.judge(peak, after(peak), HOME)
    assert found.detail == "it drew 4000 W, never above 638 W in the last months"


def test_days_far_below_the_usual_are_told() -> None:
    watch = Watch()
    before = history(30)
    told(watch, *before)
    last = before[-1]
    holiday = [
        a_reading(last.seq + number, drew=last.import_register + 20 * number + number % 2)
        for number in range(1, 48 * 6)
    ]
    found = judged(watch, *holiday)
    assert found
    assert {one.anomaly for one in found} == {Anomaly.SUDDEN_CHANGE}
    assert any("far below what is usual for days" in one.detail for one in found)


def test_nothing_is_odd_before_a_fortnight_was_seen() -> None:
    watch = Watch()
    before = history(10)
    told(watch, *before)
    last = before[-1]
    more = [
        a_reading(last.seq + n, drew=last.import_register + 3_000 * n + n % 5)
        for n in range(1, 90, 2)
    ]
    assert told(watch, *more, facts=HOME) == []


def test_readings_every_few_seconds_are_learned_from_by_half_hours() -> None:
    watch = Watch()
    every = 5 * SECOND
    assert (
        told(watch, *(a_reading(seq, every=every, drew=seq // 7) for seq in range(1, 3_000))) == []
    )
    draws = watch.tracks[METER].draws
    assert draws is not None
    assert sum(draws.seen) == 8
