"""Who says what time it is: the only place that reads the wall clock."""

from __future__ import annotations

import time
from typing import Protocol

from wattbay.periods import Instant, to_text


class Clock(Protocol):
    """What the kernel stamps commands by."""

    def now(self) -> Instant:
        """Return the present instant."""

    def advance(self, to: Instant) -> None:
        """Let the time be `to`, as far as this clock can be told."""


class SystemClock:
    """The wall clock. It may be set back; the kernel never stamps earlier than the last entry."""

    def now(self) -> Instant:
        """Return the present instant, as the machine has it."""
        return Instant(time.time_ns() // 1_000)

    def advance(self, to: Instant) -> None:
        """Do nothing: this time passes by itself."""


class SteadyClock:
    """The wall clock as long as it goes on; where that is set back, time passes from where it was.

    For whatever ends by time and must not begin again: sessions, tokens, rests after wrong
    passwords. Where the wall clock is ahead again, it is followed.
    """

    def __init__(self, wall: Clock | None = None, passing: Clock | None = None) -> None:
        """Begin with what the wall clock says.

        Parameters
        ----------
        passing
            Tells how much time passed, whatever date it is.
        """
        self._wall = SystemClock() if wall is None else wall
        self._passing = MonotonicClock() if passing is None else passing
        self._at = self._wall.now()
        self._passed = self._passing.now()

    def now(self) -> Instant:
        """Return the present instant: never one before what it told last."""
        passed = self._passing.now()
        self._at = max(self._wall.now(), Instant(self._at + passed - self._passed))
        self._passed = passed
        return self._at

    def advance(self, to: Instant) -> None:
        """Do nothing: this time passes by itself."""


class SimulatedClock:
    """A clock that stands until it is told, and never goes back."""

    def __init__(self, at: Instant) -> None:
        """Stand at `at`."""
        self._at = at

    def now(self) -> Instant:
        """Return the instant at which it stands."""
        return self._at

    def advance(self, to: Instant) -> None:
        """Stand at `to` from now on.

        Raises
        ------
        ValueError
            If `to` is past already.
        """
        if to < self._at:
            msg = f"a clock does not go back; it is {to_text(self._at)}, told {to_text(to)}"
            raise ValueError(msg)
        self._at = to


class ScaledClock:
    """A clock that goes faster than the day, for a made-up world at the ends of real wires."""

    def __init__(self, at: Instant, speed: int, day: Clock | None = None) -> None:
        """Begin at an instant, now.

        Parameters
        ----------
        speed
            How many seconds pass in one of the day.
        day
            What it follows; otherwise the machine's clock that is never set.
        """
        self.speed = speed
        self._at = at
        self._day = MonotonicClock() if day is None else day
        self._begun = self._day.now()

    def now(self) -> Instant:
        """Return the instant at which it has arrived."""
        return Instant(self._at + (self._day.now() - self._begun) * self.speed)

    def advance(self, to: Instant) -> None:
        """Do nothing: this time passes by itself, too."""


class MonotonicClock:
    """Time since the machine was started: it tells no date, and is never set back."""

    def now(self) -> Instant:
        """Return how long the machine has been running. [µs]"""
        return Instant(time.monotonic_ns() // 1_000)

    def advance(self, to: Instant) -> None:
        """Do nothing."""
