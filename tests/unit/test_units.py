"""Integers that multiply exactly, and the one function that divides."""

from __future__ import annotations

import pytest

from wattbay.units import Energy, Money, Power, Price, round_half_even, share


def test_price_times_energy_is_money_without_rounding() -> None:
    assert Price(92_300) * Energy(250) == Money(23_075_000)


def test_quantities_of_one_kind_add_subtract_negate_and_compare() -> None:
    assert Energy(300) + Energy(-50) == Energy(250)
    assert Power(300) - Power(50) == Power(250)
    assert -Money(7) == Money(-7)
    assert Energy(1) < Energy(2)


def test_quantities_of_two_kinds_do_not_add() -> None:
    with pytest.raises(TypeError, match="Energy and Money do not add"):
        Energy(1) + Money(1)  # type: ignore[operator]
    with pytest.raises(TypeError, match="Power and Energy do not add"):
        Power(1) - Energy(1)  # type: ignore[operator]


def test_price_times_anything_but_energy_has_no_meaning() -> None:
    with pytest.raises(TypeError, match="has no meaning"):
        Price(1) * Power(1)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (1_000, [1, 1, 1], [334, 333, 333]),
        (10, [1, 2, 3], [2, 3, 5]),  # 1.67, 3.33, 5: the largest fraction gets the unit
        (5, [2, 2], [3, 2]),  # a tie goes to the earlier
        (7, [0, 3], [0, 7]),
        (3, [0, 0], [2, 1]),  # where all weights are zero, they count as equal
        (-5, [2, 2], [-3, -2]),
        (0, [4, 4], [0, 0]),
        (6, [1, 2, 3], [1, 2, 3]),
    ],
)
def test_share_gives_what_is_left_to_the_largest_fraction(
    total: int, weights: list[int], parts: list[int]
) -> None:
    assert share(total, weights) == parts


@pytest.mark.parametrize("weights", [[], [1, -1]])
def test_share_needs_weights_that_are_not_negative(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="not negative"):
        share(1, weights)


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [(5, 2, 2), (7, 2, 4), (-5, 2, -2), (-7, 2, -4), (4, 3, 1), (5, 3, 2), (-4, 3, -1), (6, 3, 2)],
)
def test_halves_are_rounded_to_even(numerator: int, denominator: int, rounded: int) -> None:
    assert round_half_even(numerator, denominator) == rounded
