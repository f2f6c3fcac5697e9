"""How often somebody may call: a sliding minute."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wattbay.adapters.api.rates import CALLERS_MAX, Window, network_of
from wattbay.periods import MINUTE, SECOND, Instant


def test_so_many_calls_a_minute_and_no_more() -> None:
    window = Window(3)
    assert [window.hit("a", Instant(0)) for _ in range(3)] == [0, 0, 0]
    assert window.hit("a", Instant(0)) > 0
    assert window.hit("b", Instant(0)) == 0


def test_a_minute_that_is_over_fades_out() -> None:
    window = Window(10)
    for _ in range(10):
        assert window.hit("a", Instant(59 * SECOND)) == 0
    assert window.hit("a", Instant(MINUTE)) > 0
    half = Instant(MINUTE + 30 * SECOND)
    assert [window.hit("a", half) for _ in range(5)] == [0] * 5
    assert window.hit("a", half) > 0
    assert window.hit("a", Instant(3 * MINUTE)) == 0


@given(
    calls_max=st.integers(1, 40),
    steps=st.lists(st.integers(0, 20 * SECOND), min_size=1, max_size=150),
)
def test_who_waits_as_long_as_is_said_is_let_in(calls_max: int, steps: list[int]) -> None:
    window, at = Window(calls_max), 0
    for step in steps:
        at += step
        wait_us = window.hit("a", Instant(at))
        assert 0 <= wait_us <= 2 * MINUTE
        if wait_us:
            at += wait_us
            assert window.hit("a", Instant(at)) == 0


@given(
    calls_max=st.integers(1, 20),
    steps=st.lists(st.integers(0, 10 * SECOND), min_size=1, max_size=200),
)
def test_no_minute_of_the_clock_has_more_calls_than_allowed(
    calls_max: int, steps: list[int]
) -> None:
    window, at = Window(calls_max), 0
    counts: dict[int, int] = {}
    for step in steps:
        at += step
        if window.hit("a", Instant(at)) == 0:
            counts[at // MINUTE] = counts.get(at // MINUTE, 0) + 1
    assert max(counts.values()) <= calls_max


def test_a_clock_that_is_set_back_forgives_and_does_not_break() -> None:
    window = Window(1)
    assert window.hit("a", Instant(10 * MINUTE)) == 0
    assert window.hit("a", Instant(0)) == 0
    assert window.hit("a", Instant(0)) > 0


def test_callers_beyond_count_share_one_and_memory_does_not_grow() -> None:
    window = Window(2)
    for number in range(CALLERS_MAX):
        window.hit(str(number), Instant(0))
    assert [window.hit(f"more-{number}", Instant(0)) > 0 for number in range(4)] == [
        False, False, True, True,
    ]  # fmt: skip


def test_addresses_of_one_network_are_one_caller() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::2:3") == "2001:db8::/64"
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of("203.0.113.9") == "203.0.113.9"
    assert network_of("") == ""
    assert network_of("testclient") == "testclient"
