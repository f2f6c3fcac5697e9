"""The days that a called window is compared with: the same time on the clock on the wall."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from wattbay.errors import ConfigError, Fault
from wattbay.periods import WEEK, Calendar, Instant, Period, from_datetime, to_text

DAYS_MAX = 7
"""The exchange keeps energies for a week."""


def like_windows(
    calendar: Calendar, window: Period, *, days: int, calls: Sequence[Period]
) -> tuple[Instant, ...]:
    """Return where the same window began on the last days before it that had no call.

    The latest first. Days on which the clock never showed the time, or showed it twice, are passed
    over, and so are those on which the window met a call; fewer than wanted may be left.

    Parameters
    ----------
    days
        How many are wanted, 1 to `DAYS_MAX`.
    calls
        Called windows of the same pods.

    Raises
    ------
    ConfigError
        If so many days cannot be wanted, or none is left.
    """
    where = f"called window of {to_text(window.start)}"
    if not 1 <= days <= DAYS_MAX:
        raise ConfigError(Fault(where, f"a baseline of {days} days", f"1 to {DAYS_MAX}"))
    zone = ZoneInfo(calendar.zone)
    local = calendar.local(window.start).replace(tzinfo=None)
    found: list[Instant] = []
    for back in range(1, DAYS_MAX + 1):
        start = _instant(local - timedelta(days=back), zone)
        if len(found) == days or start is None or start < window.start - WEEK:
            continue
        end = start + window.length_us
        met = any(start < call.end and call.start < end for call in (*calls, window))
        if not met:
            found.append(start)
    if not found:
        raise ConfigError(Fault(where, "no day of the week before is without a call"))
    return tuple(found)


def _instant(local: datetime, zone: ZoneInfo) -> Instant | None:
    """Return the instant of a local time; None where there is none, or two."""
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    return from_datetime(first) if first.utcoffset() == second.utcoffset() else None
