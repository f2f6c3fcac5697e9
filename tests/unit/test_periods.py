"""Instants, half-open periods, and local days of 46, 48 and 50 half-hours."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from wattbay.periods import (
    HOUR,
    MINUTE,
    Calendar,
    Instant,
    Period,
    from_datetime,
    instant,
    tile,
    to_datetime,
    to_text,
)

LONDON = Calendar("Europe/London")
NOON = instant("2026-05-01T12:00Z")


def test_an_instant_is_microseconds_of_utc_whatever_the_offset() -> None:
    assert instant("1970-01-01T00:00:01Z") == 1_000_000
    assert instant("2026-05-01T14:00+02:00") == NOON
    assert to_datetime(NOON) == datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert from_datetime(to_datetime(Instant(NOON + 1))) == NOON + 1


def test_a_text_without_an_offset_is_no_instant() -> None:
    with pytest.raises(ValueError, match="names no offset"):
        instant("2026-05-01T12:00")


@pytest.mark.parametrize(
    "text", ["2026-05-01T12:00Z", "2026-05-01T12:00:07Z", "2026-05-01T12:00:07.000005Z"]
)
def test_an_instant_is_written_as_short_as_is_exact(text: str) -> None:
    assert to_text(instant(text)) == text


def test_neighbours_share_a_boundary_that_belongs_to_the_later() -> None:
    noon = Period(NOON, Instant(NOON + 15 * MINUTE))
    quarter_past = Period(noon.end, Instant(NOON + 30 * MINUTE))
    assert NOON in noon
    assert noon.end not in noon
    assert noon.end in quarter_past
    assert noon.length_us == 15 * MINUTE


@pytest.mark.parametrize("end", [NOON, NOON - 1])
def test_a_period_that_does_not_end_after_it_starts_is_none(end: int) -> None:
    with pytest.raises(ValueError, match="ends after it starts"):
        Period(NOON, Instant(end))


@pytest.mark.parametrize(
    ("day", "half_hours"),
    [(date(2013, 3, 31), 46), (date(2013, 6, 10), 48), (date(2013, 10, 27), 50)],
)
def test_a_local_day_has_as_many_half_hours_as_its_clock_changes_leave(
    day: date, half_hours: int
) -> None:
    assert len(list(tile(LONDON.day(day), 30 * MINUTE))) == half_hours


def test_local_days_follow_each_other_without_gap_or_overlap() -> None:
    days = [period for _, period in LONDON.days(date(2013, 3, 30), 3)]
    assert [one.length_us for one in days] == [24 * HOUR, 23 * HOUR, 24 * HOUR]
    assert [one.end for one in days[:-1]] == [one.start for one in days[1:]]


def test_local_time_bears_its_offset() -> None:
    assert LONDON.local(NOON).isoformat() == "2026-05-01T13:00:00+01:00"


def test_pieces_that_do_not_fill_a_period_are_refused() -> None:
    with pytest.raises(ValueError, match="do not divide"):
        list(tile(Period(NOON, Instant(NOON + 50 * MINUTE)), 15 * MINUTE))
