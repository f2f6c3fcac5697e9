"""The only time arithmetic: instants, half-open periods, and the days of a calendar.

An instant is an integer: microseconds of UTC since 1970. Every interval is ``[start, end)``,
so that neighbours share a boundary and none overlaps. Local time exists in `Calendar` and on
screens only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NewType
from zoneinfo import ZoneInfo

Instant = NewType("Instant", int)
"""Microseconds of UTC since 1970."""

MICROSECOND = 1
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE = timedelta(microseconds=1)


def instant(text: str) -> Instant:
    """Read an RFC 3339 text with an offset, such as ``2026-05-01T12:00Z``.

    Raises
    ------
    ValueError
        If the text is no instant, or names no offset.
    """
    return from_datetime(datetime.fromisoformat(text))


def from_datetime(moment: datetime) -> Instant:
    """Return the instant of an aware datetime.

    Raises
    ------
    ValueError
        If `moment` has no time zone: nobody knows when it is.
    """
    if moment.tzinfo is None:
        msg = f"{moment.isoformat()} names no offset; write Z for UTC"
        raise ValueError(msg)
    return Instant((moment - _EPOCH) // _ONE)


def to_datetime(at: Instant) -> datetime:
    """Return the UTC datetime of an instant, exactly."""
    return _EPOCH + timedelta(microseconds=at)


def to_text(at: Instant) -> str:
    """Write an instant as RFC 3339 with ``Z``, as short as is exact."""
    moment = to_datetime(at)
    spec = "minutes" if at % MINUTE == 0 else "seconds" if at % SECOND == 0 else "microseconds"
    return moment.isoformat(timespec=spec).removesuffix("+00:00") + "Z"


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A half-open interval of time, ``[start, end)``; never empty."""

    start: Instant
    end: Instant

    def __post_init__(self) -> None:
        """Refuse an empty or reversed period."""
        if self.start >= self.end:
            msg = f"a period ends after it starts; got {self.start} to {self.end}"
            raise ValueError(msg)

    def __contains__(self, at: Instant) -> bool:
        """Tell whether `at` lies inside; the end does not."""
        return self.start <= at < self.end

    @property
    def length_us(self) -> int:
        """How long it lasts. [µs]"""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Calendar:
    """The local days of a place, as runs of equal delivery periods.

    A day has 46, 48 or 50 half-hours; the clock changes are where the length comes from, and
    nothing else needs to know of them.
    """

    zone: str
    """IANA name, such as ``Europe/London``."""

    def midnight(self, day: date) -> Instant:
        """Return the instant at which a local day starts."""
        return from_datetime(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.zone)))

    def day(self, day: date) -> Period:
        """Return the whole local day, 23 to 25 hours long."""
        return Period(self.midnight(day), self.midnight(day + timedelta(days=1)))

    def days(self, first: date, count: int) -> Iterator[tuple[date, Period]]:
        """Yield `count` local days from `first`."""
        for offset in range(count):
            local = first + timedelta(days=offset)
            yield local, self.day(local)

    def local(self, at: Instant) -> datetime:
        """Return the local time of an instant, with its offset."""
        return to_datetime(at).astimezone(ZoneInfo(self.zone))


def tile(period: Period, length_us: int) -> Iterator[Period]:
    """Cut a period into equal pieces.

    Raises
    ------
    ValueError
        If the pieces do not fill it.
    """
    if period.length_us % length_us:
        msg = f"{period.length_us} µs do not divide into pieces of {length_us} µs"
        raise ValueError(msg)
    for start in range(period.start, period.end, length_us):
        yield Period(Instant(start), Instant(start + length_us))
