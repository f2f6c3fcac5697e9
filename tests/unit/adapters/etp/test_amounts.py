"""Floats of the wire become whole numbers, never better than a peer offered."""

from __future__ import annotations

from decimal import Decimal
from math import inf, nextafter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wattbay.adapters.etp.amounts import cents, energy_down, kwh, price_down, price_up
from wattbay.units import SAFE_INTEGER_MAX

CENTS_MAX = 1e9
on_the_wire = st.floats(-CENTS_MAX, CENTS_MAX)
ticks = st.sampled_from((1, 10, 100, 7))


def test_a_price_of_the_wire_in_our_units() -> None:
    assert price_down(15.5) == 155_000
    assert price_up(15.5) == 155_000
    assert cents(155_000) == 15.5
    assert energy_down(13.5) == 13_500
    assert kwh(13_500) == 13.5


def test_a_buyer_is_rounded_down_and_a_seller_up() -> None:
    assert price_down(15.000_09) == 150_000
    assert price_up(15.000_01) == 150_001
    assert energy_down(0.000_999) == 0
    assert price_down(15.123_4, tick=10) == 151_230
    assert price_up(15.123_4, tick=10) == 151_240


def test_a_negative_price_is_rounded_the_same_way() -> None:
    assert price_down(-0.000_05) == -1
    assert price_up(-0.000_05) == 0
    assert price_down(-0.000_1) == price_up(-0.000_1) == -1


@given(st.integers(0, 10**12))
@example(83_000)  # 8.3 x 10,000 is 83,000.00000000001
@example(3_000)  # the float nearest to 0.3 is less than it
def test_every_price_of_four_decimals_is_exact(price: int) -> None:
    wire = float(Decimal(price) / 10_000)
    assert wire == cents(price)
    assert price_down(wire) == price_up(wire) == price
    assert cents(price_down(wire)) == wire


@given(st.integers(0, 10**12))
def test_every_amount_of_three_decimals_is_exact(energy_wh: int) -> None:
    wire = float(Decimal(energy_wh) / 1_000)
    assert wire == kwh(energy_wh)
    assert energy_down(wire) == energy_wh


@given(on_the_wire, ticks)
@example(nextafter(29.8427, 0), 1)  # times 10,000 it is 298,427 as a float, and is less
def test_a_buyers_price_is_never_raised_nor_lowered_by_a_tick(wire: float, tick: int) -> None:
    price = price_down(wire, tick)
    assert price % tick == 0
    assert cents(price) <= wire < cents(price + tick)


@given(on_the_wire, ticks)
@example(nextafter(29.8427, inf), 1)
def test_a_sellers_price_is_never_lowered_nor_raised_by_a_tick(wire: float, tick: int) -> None:
    price = price_up(wire, tick)
    assert price % tick == 0
    assert cents(price - tick) < wire <= cents(price)


@given(st.floats(0, 1e9))
@example(nextafter(0.3, 0))
@example(nextafter(298.427, 0))
def test_an_amount_is_never_raised(wire: float) -> None:
    assert kwh(energy_down(wire)) <= wire < kwh(energy_down(wire) + 1)


@pytest.mark.parametrize("wire", [1e300, 1.7e308, 9.1e15, SAFE_INTEGER_MAX / 1_000])
def test_what_is_beyond_all_measure_is_held_to_what_is_exact(wire: float) -> None:
    assert energy_down(wire) == SAFE_INTEGER_MAX
    assert price_down(wire, tick=10) == SAFE_INTEGER_MAX // 10 * 10
    assert price_down(-wire) == -SAFE_INTEGER_MAX
    assert price_up(-wire) == -SAFE_INTEGER_MAX


@pytest.mark.parametrize("wire", [0.0, -0.0, 5e-324, 1e-12])
def test_next_to_nothing_is_nothing(wire: float) -> None:
    assert price_down(wire) == 0
    assert energy_down(wire) == 0
