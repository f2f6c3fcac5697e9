"""The sun against an almanac."""

from __future__ import annotations

import pytest

from wattbay.periods import HOUR, MINUTE, Instant, instant
from wattbay.watch.sun import DARK_BELOW_DEG, elevation_deg, night_of

# Culminations: 90° less latitude plus declination, of the Astronomical Almanac.
NOONS = (
    ("2013-06-21T12:02Z", 51.4769, 0.0, 61.96),
    ("2013-12-21T11:58Z", 51.4769, 0.0, 15.09),
    ("2013-03-20T12:07Z", 0.0, 0.0, 90.0),
    ("2024-12-21T02:13Z", -33.8688, 151.2093 - 4.4, 79.6),
)


@pytest.mark.parametrize(("at", "latitude_deg", "longitude_deg", "wanted_deg"), NOONS)
def test_sun_stands_at_noon_where_the_almanac_says(
    at: str, latitude_deg: float, longitude_deg: float, wanted_deg: float
) -> None:
    assert elevation_deg(instant(at), latitude_deg, longitude_deg) == pytest.approx(
        wanted_deg, abs=0.6
    )


# Civil dusk and dawn at Greenwich, to the minute.
NIGHTS = (
    ("2013-06-21T00:00Z", "2013-06-20T21:10Z", "2013-06-21T02:54Z"),
    ("2013-12-21T00:00Z", "2013-12-20T16:33Z", "2013-12-21T07:23Z"),
)


@pytest.mark.parametrize(("at", "dusk", "dawn"), NIGHTS)
def test_night_is_as_long_as_civil_twilight_leaves_it(at: str, dusk: str, dawn: str) -> None:
    night = night_of(instant(at), 51.4769, 0.0)
    assert abs(night.dark_from - instant(dusk)) < 4 * MINUTE
    assert abs(night.dark_until - instant(dawn)) < 4 * MINUTE
    for edge in (night.dark_from, night.dark_until):
        assert elevation_deg(edge, 51.4769, 0.0) == pytest.approx(DARK_BELOW_DEG, abs=0.2)


@pytest.mark.parametrize("hours", range(0, 24, 3))
def test_every_instant_has_the_night_next_to_it(hours: int) -> None:
    at = Instant(instant("2013-09-01T00:00Z") + hours * HOUR)
    night = night_of(at, 40.0, -105.0)
    assert night.start - 5 * MINUTE <= at <= night.end + 5 * MINUTE


def test_it_does_not_get_dark_in_summer_beyond_the_polar_circle() -> None:
    summer = night_of(instant("2013-06-21T00:00Z"), 70.0, 20.0)
    assert summer.dark_until <= summer.dark_from
    winter = night_of(instant("2013-12-21T00:00Z"), 80.0, 20.0)
    assert winter.dark_until - winter.dark_from > 23 * HOUR
