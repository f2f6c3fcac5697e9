"""Community prices and keys: what is refused, and what nobody can take."""

from __future__ import annotations

from fractions import Fraction

import pytest

from wattbay.clearing.community import (
    Basis,
    Energies,
    Tariff,
    bill_sharing,
    mid_market,
    ratio_prices,
    rounded,
    supply_demand_ratio,
)
from wattbay.clearing.sharing import by_consumption, hierarchical, static

TARIFF = Tariff(retail=30, export=10)


@pytest.mark.parametrize("tariff", [Tariff(30, -1), Tariff(10, 30)])
def test_ratio_of_prices_that_make_no_sense_is_refused(tariff: Tariff) -> None:
    with pytest.raises(ValueError, match="0 <= export <= retail"):
        supply_demand_ratio(Energies([1], [0]), tariff)


def test_ratio_where_both_prices_are_zero_is_zero() -> None:
    assert list(ratio_prices(1, 2, Tariff(0, 0))) == [0, 0]


def test_free_export_makes_shared_energy_free_to_sell() -> None:
    assert list(ratio_prices(1, 2, Tariff(30, 0))) == [15, 0]


def test_negative_energy_is_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        mid_market(Energies([1, -1], [0, 0]), TARIFF, Basis.GROSS)
    with pytest.raises(ValueError, match="not negative"):
        by_consumption(-1, [1])
    with pytest.raises(ValueError, match="not negative"):
        static(1, [-1], [1])


def test_community_without_pods_owes_nothing() -> None:
    assert mid_market(Energies([], []), TARIFF, Basis.NET).owed == []
    assert bill_sharing([], []).bill == 0
    assert hierarchical(5, [], []) == ([], 5)


def test_where_nobody_buys_bill_sharing_has_no_price_to_buy() -> None:
    found = bill_sharing([Energies([0], [4])], [TARIFF])
    assert list(found.prices) == [None, 10]
    assert found.owed == [-40]


def test_remainder_goes_to_the_largest_fraction_then_to_the_earlier() -> None:
    third = Fraction(1, 3)
    assert rounded([third, third, third], 1) == [1, 0, 0]
    assert rounded([-third, -third, -third], -1) == [0, 0, -1]
    assert rounded([Fraction(-1, 2), Fraction(3, 2)], 1) == [0, 1]


def test_amounts_of_another_sum_are_refused() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        rounded([Fraction(1)], 2)
