"""Foreign floats become ticks, never to the disadvantage of who named them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbay.adapters.api.energynet.amounts import (
    AMOUNT_KWH_MAX,
    PRICE_PER_KWH_MAX,
    energy_inward_wh,
    energy_nearest_wh,
    kwh,
    limit_inward_nano_per_wh,
    per_kwh,
)
from wattbay.core.facts import Side

amounts = st.floats(min_value=0, max_value=AMOUNT_KWH_MAX)
prices = st.floats(min_value=-PRICE_PER_KWH_MAX, max_value=PRICE_PER_KWH_MAX)
ticks = st.sampled_from([1, 10, 25, 100, 1_000])


@given(amounts, ticks)
def test_an_amount_becomes_the_most_whole_ticks_that_it_holds(amount: float, tick: int) -> None:
    energy = energy_inward_wh(amount, tick)
    exact_wh = Fraction(repr(amount)) * 1_000
    assert energy % tick == 0
    assert energy <= exact_wh < energy + tick


@given(prices, ticks)
def test_who_sells_gets_no_less_than_was_named(price: float, tick: int) -> None:
    limit = limit_inward_nano_per_wh(price, Side.SELL, tick)
    exact = Fraction(repr(price)) * 1_000_000
    assert limit % tick == 0
    assert limit - tick < exact <= limit


@given(prices, ticks)
def test_who_buys_pays_no_more_than_was_named(price: float, tick: int) -> None:
    limit = limit_inward_nano_per_wh(price, Side.BUY, tick)
    exact = Fraction(repr(price)) * 1_000_000
    assert limit % tick == 0
    assert limit <= exact < limit + tick


@given(st.integers(min_value=0, max_value=10**12))
def test_energy_that_went_out_comes_back_the_same(energy_wh: int) -> None:
    assert energy_inward_wh(kwh(energy_wh), 1) == energy_wh
    assert energy_nearest_wh(kwh(energy_wh)) == energy_wh


@given(st.integers(min_value=-(10**12), max_value=10**12), st.sampled_from(Side))
def test_a_price_that_went_out_comes_back_the_same(nano_per_wh: int, side: Side) -> None:
    assert limit_inward_nano_per_wh(per_kwh(nano_per_wh), side, 1) == nano_per_wh


@pytest.mark.parametrize(
    ("amount", "tick", "energy_wh"),
    [(0.1, 100, 100), (0.3, 100, 300), (1.25, 1, 1_250), (0.0009, 1, 0), (2.9999, 1_000, 2_000)],
)
def test_a_float_is_taken_as_it_is_written(amount: float, tick: int, energy_wh: int) -> None:
    assert energy_inward_wh(amount, tick) == energy_wh


@pytest.mark.parametrize(
    ("price", "side", "limit"),
    [
        (0.12, Side.SELL, 120_000),
        (0.12, Side.BUY, 120_000),
        (0.120004, Side.SELL, 120_010),
        (0.120004, Side.BUY, 120_000),
        (-0.120004, Side.SELL, -120_000),
        (-0.120004, Side.BUY, -120_010),
    ],
)
def test_a_price_between_two_ticks_goes_to_the_better_one(
    price: float, side: Side, limit: int
) -> None:
    assert limit_inward_nano_per_wh(price, side, 10) == limit
