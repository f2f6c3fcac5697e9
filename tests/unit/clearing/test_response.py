"""Demand response to the supply-demand ratio, on the published examples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wattbay.clearing.response import Answer, Homes, ratio_price, respond

RETAIL, EXPORT = 14.57, 5.03  # [p/kWh]


def heater_and_panels(step_limit_wh: float, *, iterations_max: int = 100) -> Answer:
    """Answer of appendix B of Zhou, Wu and Long 2018: 6 kWh of heat in two hours, 0 to 4 kW."""
    homes = Homes(
        consumed=np.array([[2_000.0, 4_000.0], [0.0, 0.0]]),
        generated=np.array([[0.0, 0.0], [3_000.0, 3_000.0]]),
        lowest=np.zeros((2, 2)),
        highest=np.array([[4_000.0, 4_000.0], [0.0, 0.0]]),
    )
    limits = {"step_limit": step_limit_wh, "iterations_max": iterations_max}
    return respond(homes, RETAIL, EXPORT, **limits)  # type: ignore[arg-type]


def test_response_without_limit_flips_for_ever() -> None:
    for steps, hours in ((0, [2_000, 4_000]), (1, [4_000, 2_000]), (2, [2_000, 4_000])):
        found = heater_and_panels(math.inf, iterations_max=steps)
        assert found.consumed[0].tolist() == hours
        assert sorted(found.buy.round(2).tolist()) == [5.03, 8.15]
    assert not heater_and_panels(math.inf).settled


def test_response_by_a_tenth_of_a_kilowatt_settles_in_ten_steps() -> None:
    found = heater_and_panels(100)
    assert (found.settled, found.steps) == (True, 10)
    assert found.consumed[0] == pytest.approx([3_000, 3_000])
    assert found.buy == pytest.approx([EXPORT, EXPORT])


def test_home_with_energy_to_spare_moves_to_where_it_forgoes_least() -> None:
    homes = Homes(
        consumed=np.array([[1_000.0, 0.0], [3_000.0, 1_000.0]]),
        generated=np.array([[2_000.0, 2_000.0], [0.0, 0.0]]),
        lowest=np.array([[0.0, 0.0], [3_000.0, 1_000.0]]),
        highest=np.array([[2_000.0, 2_000.0], [3_000.0, 1_000.0]]),
    )
    found = respond(homes, RETAIL, EXPORT, step_limit=100)
    assert found.consumed.sum(axis=1) == pytest.approx([1_000, 4_000])
    assert found.consumed[0, 1] > found.consumed[0, 0]


def test_published_pair_of_prices_is_found_again() -> None:
    # Liu et al. 2017, figure 5, printed with four digits of its prices but not of its ratio.
    buy, sell = ratio_price(0.5459, 1, 1.0, 0.4)
    assert sell == pytest.approx(0.5498, abs=5e-5)
    assert buy == pytest.approx(0.7543, abs=1e-4)
