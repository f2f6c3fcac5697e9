"""Scores, by hand."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from wattbay.forecasting.scores import (
    coverage,
    crps,
    mean_absolute_error,
    mean_error,
    pinball_loss,
    root_mean_square_error,
    skill,
)

TOLD = np.array([1.0, 2.0, 6.0])
WAS = np.array([2.0, 2.0, 4.0])


def test_errors_of_the_mean() -> None:
    assert mean_absolute_error(TOLD, WAS) == 1
    assert root_mean_square_error(TOLD, WAS) == pytest.approx(np.sqrt(5 / 3))
    assert mean_error(TOLD, WAS) == pytest.approx(1 / 3)


def test_pinball_weighs_what_is_above_by_the_level_and_below_by_the_rest() -> None:
    assert pinball_loss(np.array([0.0]), np.array([10.0]), 0.9) == pytest.approx(9)
    assert pinball_loss(np.array([10.0]), np.array([0.0]), 0.9) == pytest.approx(1)
    with pytest.raises(ValueError, match="a level lies between 0 and 1"):
        pinball_loss(TOLD, WAS, 1)


def test_crps_of_a_normal_forecast_comes_near_its_closed_form() -> None:
    # CRPS of N(0, 1) at 0 is (sqrt(2) - 1) / sqrt(pi) (Gneiting and Raftery 2007, section 4.2).
    levels = [(2 * at + 1) / 400 for at in range(200)]
    quantiles = np.array([[NormalDist().inv_cdf(level)] for level in levels])
    expected = (np.sqrt(2) - 1) / np.sqrt(np.pi)
    assert crps(quantiles, np.array([0.0]), levels) == pytest.approx(expected, rel=1e-3)


def test_crps_needs_a_rising_level_for_each_quantile() -> None:
    with pytest.raises(ValueError, match="rising levels"):
        crps(np.zeros((2, 3)), WAS, [0.5])
    with pytest.raises(ValueError, match="rising levels"):
        crps(np.zeros((2, 3)), WAS, [0.9, 0.1])


def test_coverage_is_the_share_at_or_below() -> None:
    assert coverage(TOLD, WAS) == pytest.approx(2 / 3)


def test_skill_is_one_when_perfect_zero_when_no_better_and_negative_when_worse() -> None:
    assert skill(0, 5) == 1
    assert skill(5, 5) == 0
    assert skill(10, 5) == -1
    with pytest.raises(ValueError, match="must be positive"):
        skill(1, 0)
