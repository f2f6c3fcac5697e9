"""Prices that come from games, on their published examples and by brute force."""

from __future__ import annotations

import math

import pytest

from wattbay.clearing.game.payments import (
    Neighbourhood,
    injection_payment,
    shapley,
    sold_to_storage,
    withdrawal_payment,
)


def test_injected_energy_is_paid_most_where_production_and_consumption_agree() -> None:
    assert injection_payment(2.0, 10.0, 10.0, most=0.1, scale=50.0) == pytest.approx(0.2)
    short = injection_payment(2.0, 5.0, 10.0, most=0.1, scale=50.0)
    assert short == pytest.approx(0.2 / math.exp(0.5))
    assert injection_payment(2.0, 15.0, 10.0, most=0.1, scale=50.0) == pytest.approx(short)


def test_withdrawn_energy_costs_most_where_nobody_produces() -> None:
    assert withdrawal_payment(2.0, 0.0, 10.0, most=0.3) == pytest.approx(0.6)
    assert withdrawal_payment(2.0, 10.0, 10.0, most=0.3) == pytest.approx(0.3)
    assert withdrawal_payment(0.0, 0.0, 0.0, most=0.3) == 0.0


def test_published_coalition_is_shared_by_what_each_adds() -> None:
    assert shapley([0.0, 0.77, 0.51, 1.04]) == pytest.approx([0.65, 0.39])


def test_gloves_are_shared_as_in_every_textbook() -> None:
    # Player 0 has a left glove, 1 and 2 a right one each; a pair is worth 1.
    worth = [1.0 if held & 1 and held & 6 else 0.0 for held in range(8)]
    assert shapley(worth) == pytest.approx([2 / 3, 1 / 6, 1 / 6])


def test_what_is_no_set_of_coalitions_is_refused() -> None:
    with pytest.raises(ValueError, match="3 coalitions"):
        shapley([0.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="0 coalitions"):
        shapley([])
    with pytest.raises(ValueError, match="nobody is worth 0"):
        shapley([1.0, 1.0])
    with pytest.raises(ValueError, match="17 players"):
        shapley([0.0] * 2**17)
    assert shapley([0.0]) == []


def test_no_home_gains_by_selling_the_storage_more_or_less() -> None:
    around = Neighbourhood(slope=0.5, base=2.0, others=3.0, homes=4)
    price, drawn, surplus = 9.0, 1.0, [5.0, 2.0, 0.0, -1.0]
    sold = [sold_to_storage(own, price, drawn, around) for own in surplus]
    from_grid = [x - s for x, s in zip(sold, surplus, strict=True)]

    def cost(home: int, more: float) -> float:
        total = sum(from_grid) + more + drawn + around.others
        own = from_grid[home] + more
        return (around.slope * total + around.base) * own - price * (sold[home] + more)

    for home in range(4):
        assert all(cost(home, 0.0) < cost(home, more) for more in (-0.5, -0.01, 0.01, 0.5))
