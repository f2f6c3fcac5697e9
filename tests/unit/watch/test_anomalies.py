"""What is told of a reading, and what is not: late, doubled by nothing, or lost on the way."""

from __future__ import annotations

import pytest

from tests.watched import HOME, METER, MIDNIGHT, a_reading, after, begun, history, judged, told
from wattbay.errors import ConfigError
from wattbay.ids import MeterId
from wattbay.kernel.evidence import Flag
from wattbay.periods import DAY, HOUR, MINUTE, SECOND, Instant
from wattbay.watch.anomalies import (
    NOBODY,
    SEVERITY,
    Anomaly,
    Finding,
    Limits,
    Severity,
    Watch,
    is_hard,
    suspicion,
)

# --- registers -------------------------------------------------------------------------------


def test_register_that_fell_is_hard_and_teaches_nothing() -> None:
    watch = begun()
    back = a_reading(4, drew=10_100)
    (found,) = watch.judge(back, after(back), HOME)
    assert found == Finding(
        Anomaly.REGISTER_WENT_BACK, Severity.HARD, METER, 1, 4, back.measured_at, after(back),
        "its import register fell by 200 Wh",
    )  # fmt: skip
    assert told(watch, a_reading(5)) == []


def test_register_that_begins_again_at_zero_is_no_fault() -> None:
    facts = HOME._replace(digits=5)
    watch = Watch()
    assert told(watch, a_reading(1, drew=99_900), a_reading(2, drew=40), facts=facts) == []


def test_register_that_is_set_to_zero_went_back_though_digits_could_have_rolled_over() -> None:
    watch = Watch()
    readings = a_reading(1, drew=500_000_000), a_reading(2, drew=0)
    assert told(watch, *readings) == [Anomaly.REGISTER_WENT_BACK]


def test_more_than_the_device_can_draw_is_hard() -> None:
    watch = begun()
    much = a_reading(4, drew=a_reading(3).import_register + 15_000)
    (found,) = watch.judge(much, after(much), HOME)
    assert (found.anomaly, found.severity) == (Anomaly.IMPOSSIBLE_ENERGY, Severity.HARD)
    assert found.detail == "its import register rose by 15000 Wh in 30 min; 14856 Wh is the most"
    assert told(watch, a_reading(5)) == []


def test_as_much_as_fuses_bear_for_a_while_is_possible() -> None:
    assert told(begun(), a_reading(4, drew=a_reading(3).import_register + 14_000)) == []


def test_nothing_is_impossible_where_nobody_knows_what_the_device_can() -> None:
    unknown = HOME._replace(power_max_w=None)
    watch = begun(facts=unknown)
    assert told(watch, a_reading(4, drew=9_000_000), facts=unknown) == []


def test_home_without_a_source_cannot_inject() -> None:
    facts = HOME._replace(is_exporting_allowed=False)
    assert told(begun(facts=facts), a_reading(4, made=300), facts=facts) == [
        Anomaly.IMPOSSIBLE_ENERGY
    ]


def test_register_units_are_taken_into_account() -> None:
    facts = HOME._replace(unit_wh=10)
    watch = begun(facts=facts)
    much = a_reading(4, drew=a_reading(3).import_register + 1_600)
    (found,) = watch.judge(much, after(much), facts)
    assert found.detail.startswith("its import register rose by 16000 Wh")


def test_facts_that_change_count_from_then_on() -> None:
    weak = HOME._replace(power_max_w=200)
    assert told(begun(), a_reading(4), facts=weak) == []
    assert told(begun(), a_reading(4, drew=10_700), facts=weak) == [Anomaly.IMPOSSIBLE_ENERGY]


# --- order -----------------------------------------------------------------------------------


def test_readings_in_any_order_are_not_odd() -> None:
    watch = begun(1)
    for seq in (4, 2, 3, 8, 7, 5, 6, 9):
        assert watch.judge(a_reading(seq), Instant(MIDNIGHT + 5 * HOUR), HOME) == ()
    assert watch.silent(Instant(MIDNIGHT + 6 * HOUR)) == ()
    assert watch.tracks[METER].gaps == []


def test_late_reading_below_an_earlier_one_went_back() -> None:
    watch = begun(2)
    assert told(watch, a_reading(5), a_reading(4)) == []
    assert told(watch, a_reading(3, drew=10_150)) == [Anomaly.REGISTER_WENT_BACK]


def test_late_reading_above_a_later_one_went_back() -> None:
    watch = begun(2)
    assert told(watch, a_reading(4)) == []
    late = a_reading(3, drew=10_900)
    (found,) = watch.judge(late, after(late, HOUR), HOME)
    assert found.detail == "its import register fell by 499 Wh until a later reading"


def test_other_registers_at_a_known_instant_are_a_replay() -> None:
    watch = begun(4)
    assert told(watch, a_reading(2)) == []
    assert told(watch, a_reading(2, drew=10_250)) == [Anomaly.REPLAY]


def test_reading_from_before_all_that_is_kept_is_compared_with_the_oldest() -> None:
    watch = begun(60)
    assert told(watch, a_reading(0)) == []
    assert told(watch, a_reading(0, at=MIDNIGHT - HOUR, drew=20_000)) == [
        Anomaly.REGISTER_WENT_BACK
    ]


# --- numbers ---------------------------------------------------------------------------------


def test_missing_numbers_are_told_once_and_only_after_a_wait() -> None:
    watch = begun()
    assert told(watch, a_reading(7)) == []
    came = after(a_reading(7))
    assert watch.silent(came) == ()
    (found,) = watch.silent(Instant(came + 2 * HOUR))
    assert (found.anomaly, found.severity, found.boot, found.seq) == (
        Anomaly.SEQUENCE_GAP, Severity.NOTICE, 1, 4,
    )  # fmt: skip
    assert found.detail == "3 numbers from 4 of start 1 to 6 of start 1 did not come"
    assert watch.silent(Instant(came + 3 * HOUR)) == ()


def test_gap_that_was_told_ends_when_its_numbers_come() -> None:
    watch = begun()
    told(watch, a_reading(7))
    watch.silent(Instant(after(a_reading(7)) + 2 * HOUR))
    for seq in (5, 4):
        told(watch, a_reading(seq))
        assert watch.ended() == []
    told(watch, a_reading(6))
    assert watch.ended() == [(METER, Anomaly.SEQUENCE_GAP)]
    assert watch.ended() == []


def test_start_anew_counts_from_one() -> None:
    watch = begun()
    later = a_reading(4).measured_at
    assert told(watch, a_reading(1, boot=2, at=later, drew=10_500)) == []
    assert watch.tracks[METER].gaps == []
    told(watch, a_reading(4, boot=3, at=later + HOUR, drew=10_600))
    (gap,) = watch.tracks[METER].gaps
    assert (gap.boot, gap.first, gap.last) == (3, 1, 3)


def test_gaps_that_are_kept_are_bounded() -> None:
    watch = begun()
    told(watch, *(a_reading(2 * number) for number in range(2, 300)))
    assert len(watch.tracks[METER].gaps) == 32


# --- clocks ----------------------------------------------------------------------------------


def test_stamp_ahead_of_our_clock_is_soft() -> None:
    watch = begun()
    one = a_reading(4)
    (found,) = watch.judge(one, Instant(one.measured_at - 60 * SECOND), HOME)
    assert (found.anomaly, found.severity) == (Anomaly.CLOCK_DRIFT, Severity.SOFT)
    assert found.detail == "stamped 60 s ahead of our clock"


def test_stamp_far_ahead_does_not_make_later_ones_late() -> None:
    watch = begun()
    wild = a_reading(4, at=MIDNIGHT + 400 * DAY)
    (found,) = watch.judge(wild, Instant(MIDNIGHT + 2 * HOUR), HOME)
    assert found.anomaly is Anomaly.CLOCK_DRIFT
    assert told(watch, a_reading(5), a_reading(6)) == []


def test_device_whose_first_stamp_is_far_ahead_is_not_begun_with() -> None:
    watch = Watch()
    (found,) = watch.judge(a_reading(1), Instant(MIDNIGHT - DAY), HOME)
    assert found.anomaly is Anomaly.CLOCK_DRIFT
    assert watch.tracks == {}


def test_clock_that_was_set_back_is_told() -> None:
    assert told(begun(6), a_reading(7, at=a_reading(4).measured_at + MINUTE, drew=10_403)) == [
        Anomaly.CLOCK_DRIFT
    ]


def test_clock_that_is_steadily_behind_is_told() -> None:
    watch = begun()
    found = judged(watch, *(a_reading(seq) for seq in range(4, 10)), delay=10 * MINUTE)
    assert [one.anomaly for one in found] == [Anomaly.CLOCK_DRIFT] * 3
    assert found[0].detail == "its stamps have been 10 min behind our clock for 90 min"


def test_outbox_that_is_emptied_is_no_slow_clock() -> None:
    watch = begun()
    come = Instant(MIDNIGHT + 3 * DAY)
    for seq in range(4, 140):
        assert watch.judge(a_reading(seq), Instant(come + seq * SECOND), HOME) == ()


# --- flags, silence, floods ------------------------------------------------------------------


def test_tampering_is_told_with_each_reading_and_a_low_battery_once() -> None:
    watch = begun()
    both = Flag.TAMPER | Flag.LOW_BATTERY
    found = told(watch, a_reading(4, flags=both), a_reading(5, flags=both))
    assert found == [Anomaly.TAMPER, Anomaly.LOW_BATTERY, Anomaly.TAMPER]
    assert told(watch, a_reading(6)) == []
    assert watch.ended() == [(METER, Anomaly.LOW_BATTERY), (METER, Anomaly.TAMPER)]


def test_flag_of_the_first_reading_is_told() -> None:
    assert told(Watch(), a_reading(1, flags=Flag.LOW_BATTERY)) == [Anomaly.LOW_BATTERY]


def test_late_reading_with_an_old_flag_changes_nothing_about_the_device() -> None:
    watch = begun(2)
    told(watch, a_reading(4))
    assert told(watch, a_reading(3, flags=Flag.LOW_BATTERY)) == []
    assert watch.tracks[METER].flags == 0


def test_device_is_silent_after_ten_of_its_periods_and_until_it_tells_again() -> None:
    watch = begun(8)
    last = after(a_reading(8))
    assert watch.silent(Instant(last + 5 * HOUR)) == ()
    (found,) = watch.silent(Instant(last + 5 * HOUR + 1))
    assert found.detail == "no reading for 5 h; usually one every 30 min"
    assert watch.silent(Instant(last + 6 * HOUR)) == ()
    assert told(watch, a_reading(9)) == []
    assert watch.ended() == [(METER, Anomaly.SILENT)]


def test_one_quick_reading_does_not_make_a_slow_device_silent() -> None:
    watch = begun(8)
    told(watch, a_reading(9, at=a_reading(8).measured_at + SECOND, drew=10_803))
    assert watch.silent(Instant(a_reading(8).measured_at + 2 * HOUR)) == ()


def test_device_that_told_once_is_silent_after_more_than_a_day() -> None:
    watch = begun(1)
    assert watch.silent(Instant(MIDNIGHT + DAY)) == ()
    (found,) = watch.silent(Instant(MIDNIGHT + 2 * DAY))
    assert found.detail == "no reading for 47 h"


def test_device_that_is_silent_for_long_gives_its_place_up() -> None:
    watch = begun()
    watch.silent(Instant(MIDNIGHT + 10 * DAY))
    watch.silent(Instant(MIDNIGHT + 70 * DAY))
    assert watch.tracks == {}


@pytest.mark.parametrize(
    ("kind", "anomaly"),
    [("bad signature", Anomaly.BAD_SIGNATURE), ("altered", Anomaly.REPLAY)],
)
def test_what_the_wire_refused_is_told(kind: str, anomaly: Anomaly) -> None:
    (found,) = Watch().refused(METER, kind, 2, MIDNIGHT)
    assert (found.anomaly, found.severity, found.seq) == (anomaly, Severity.HARD, None)
    assert found.detail.startswith("2 ")


def test_what_anybody_may_send_in_no_devices_name_is_no_forgery() -> None:
    assert Watch().refused(NOBODY, "bad signature", 2, MIDNIGHT) == ()


def test_many_refused_messages_within_a_minute_are_one_flood() -> None:
    watch = Watch()
    found = [
        one
        for second in range(50)
        for one in watch.refused(METER, "wrong form", 3, Instant(MIDNIGHT + second * SECOND))
    ]
    assert [one.anomaly for one in found] == [Anomaly.FLOOD]
    assert found[0].detail == "60 messages were refused within 20 s; the last for: wrong form"
    again = Instant(MIDNIGHT + 2 * MINUTE)
    assert [one.anomaly for one in watch.refused(METER, "wrong form", 99, again)] == [Anomaly.FLOOD]


def test_refused_messages_now_and_then_are_no_flood() -> None:
    watch = Watch()
    for minute in range(200):
        assert watch.refused(METER, "wrong form", 30, Instant(MIDNIGHT + minute * MINUTE)) == ()


# --- what is kept ----------------------------------------------------------------------------


def test_watch_that_is_restored_goes_on_as_if_nothing_happened() -> None:
    readings = history(20, until=40)
    whole, part = Watch(), Watch()
    told(whole, *readings)
    told(part, *readings[:500])
    resumed = Watch.restored(part.snapshot(), after(readings[499]), {METER: HOME})
    assert told(resumed, *readings[500:]) == []
    assert resumed.snapshot() == whole.snapshot()


def test_nobody_was_silent_while_nobody_listened() -> None:
    resumed_at = Instant(MIDNIGHT + 9 * DAY)
    watch = Watch.restored(begun().snapshot(), resumed_at, {METER: HOME})
    assert watch.silent(Instant(resumed_at + HOUR)) == ()
    assert len(watch.silent(Instant(resumed_at + 6 * HOUR))) == 1


def test_device_that_is_enrolled_no_more_is_not_restored() -> None:
    assert Watch.restored(begun().snapshot(), MIDNIGHT, {}).tracks == {}


@pytest.mark.parametrize("snapshot", [b"", b"\xc1", b"\x82\xa4form\xa1x\xa6tracks\x80"])
def test_what_is_no_snapshot_is_refused(snapshot: bytes) -> None:
    with pytest.raises(ConfigError, match="snapshot of the watch"):
        Watch.restored(snapshot, MIDNIGHT, {})


def test_devices_beyond_the_bound_are_counted_and_not_watched() -> None:
    watch = Watch(Limits(devices_max=1))
    told(watch, a_reading(1))
    other = a_reading(1)._replace(device=MeterId("m08"))
    assert watch.judge(other, after(other), HOME._replace(device=MeterId("m08"))) == ()
    assert (watch.unwatched, list(watch.tracks)) == (1, [METER])
    watch.forget(METER)
    watch.judge(other, after(other), HOME._replace(device=MeterId("m08")))
    assert list(watch.tracks) == ["m08"]


def test_refusals_that_are_remembered_are_bounded() -> None:
    watch = Watch(Limits(devices_max=1, flood_max=3))
    watch.refused(METER, "wrong form", 2, MIDNIGHT)
    watch.refused(MeterId("m08"), "wrong form", 2, MIDNIGHT)
    assert watch.refused(METER, "wrong form", 2, MIDNIGHT) == ()


# --- words -----------------------------------------------------------------------------------


def a_finding(anomaly: Anomaly) -> Finding:
    return Finding(anomaly, SEVERITY[anomaly], METER, 1, 1, MIDNIGHT, MIDNIGHT, "so it is")


def test_every_anomaly_has_a_severity() -> None:
    assert set(SEVERITY) == set(Anomaly)


def test_suspicion_names_what_is_soft_and_nothing_else() -> None:
    found = [
        a_finding(one)
        for one in (Anomaly.TAMPER, Anomaly.LOW_BATTERY, Anomaly.NIGHT_SOLAR, Anomaly.TAMPER)
    ]
    assert suspicion(found) == "night-solar, tamper"
    assert suspicion([a_finding(Anomaly.LOW_BATTERY)]) == suspicion([]) == ""
    assert len(suspicion(map(a_finding, Anomaly))) <= 200


def test_hard_is_what_must_not_settle() -> None:
    assert is_hard([a_finding(Anomaly.TAMPER), a_finding(Anomaly.REPLAY)])
    assert not is_hard([a_finding(Anomaly.TAMPER), a_finding(Anomaly.FLOOD)])
