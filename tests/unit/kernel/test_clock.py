from __future__ import annotations

import pytest

from tests.builders import EVE
from wattbay.kernel.clock import MonotonicClock, SimulatedClock, SteadyClock, SystemClock
from wattbay.periods import SECOND, Instant, instant


def test_simulated_clock_stands_until_it_is_told() -> None:
    clock = SimulatedClock(EVE)
    assert clock.now() == clock.now() == EVE
    clock.advance(Instant(EVE + SECOND))
    assert clock.now() == EVE + SECOND


def test_simulated_clock_may_be_told_the_instant_at_which_it_stands() -> None:
    clock = SimulatedClock(EVE)
    clock.advance(EVE)
    assert clock.now() == EVE


def test_simulated_clock_never_goes_back() -> None:
    clock = SimulatedClock(EVE)
    with pytest.raises(ValueError, match="2013-06-09T00:00Z, told 1970-01-01T00:00Z"):
        clock.advance(Instant(0))


def test_system_clock_counts_microseconds_since_1970_and_cannot_be_told() -> None:
    clock = SystemClock()
    before = clock.now()
    clock.advance(instant("2200-01-01T00:00Z"))
    assert instant("2024-01-01T00:00Z") < before <= clock.now() < instant("2200-01-01T00:00Z")


class SetClock:
    """A wall clock that somebody sets."""

    def __init__(self, at: Instant) -> None:
        self.at = at

    def now(self) -> Instant:
        return self.at

    def advance(self, to: Instant) -> None:
        """Pass by itself."""


def test_steady_clock_passes_on_where_the_wall_clock_is_set_back_and_follows_it_ahead() -> None:
    wall, passing = SetClock(EVE), SimulatedClock(Instant(0))
    clock = SteadyClock(wall, passing)
    assert clock.now() == EVE
    wall.at = Instant(EVE - 100 * SECOND)
    assert clock.now() == EVE
    passing.advance(Instant(3 * SECOND))
    assert clock.now() == EVE + 3 * SECOND
    wall.at = Instant(EVE + 10 * SECOND)
    assert clock.now() == clock.now() == EVE + 10 * SECOND


def test_steady_clock_is_that_of_the_wall_and_cannot_be_told() -> None:
    wall, clock = SystemClock(), SteadyClock()
    before = wall.now()
    clock.advance(instant("2200-01-01T00:00Z"))
    assert before <= clock.now() <= wall.now() + SECOND
    assert MonotonicClock().now() <= MonotonicClock().now()
