"""The measures of a comparison, each on figures that can be checked by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbay.simulation.comparison.figures import Savings, gini, quantile, savings, spread
from wattbay.simulation.comparison.figures import figures as measured
from wattbay.simulation.comparison.outcome import Outcome
from wattbay.simulation.comparison.rules import BY_NAME, Ground
from wattbay.simulation.comparison.sums import Sums
from wattbay.simulation.scenario import load_scenario


def test_quantiles_are_linear_between_neighbours_and_rounded_down() -> None:
    assert quantile([0, 100], 25) == 25
    assert quantile([-3, 0], 50) == -2
    assert quantile([7], 95) == 7


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=40).map(sorted))
def test_quantiles_rise_and_stay_between_worst_and_best(ordered: list[int]) -> None:
    found = [quantile(ordered, percent) for percent in (0, 5, 25, 50, 75, 95, 100)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (ordered[0], ordered[-1])


def test_gini_of_equals_is_nothing_and_of_one_for_all_is_nearly_one() -> None:
    assert gini([4, 4, 4]) == 0
    assert gini([1, 1, 10**9]) == pytest.approx(2 / 3, abs=1e-6)


def test_gini_is_left_out_where_a_home_gains_nothing() -> None:
    assert gini([0, 5]) is None
    assert gini([-1, 5]) is None


def test_homes_that_change_nothing_are_neither_better_nor_worse_off() -> None:
    found = savings([5, 0, -2, 0])
    assert found == Savings(
        total=3,
        quantiles={"p05": -2, "p25": -1, "p50": 0, "p75": 1, "p95": 4},
        worst=-2,
        best=5,
        homes_better_off=1,
        homes_worse_off=1,
        gini=None,
    )


def test_spread_of_prices_weighs_by_energy_and_leaves_out_deliveries_without() -> None:
    mean, deviation = spread(np.array([300, 90, 7]), np.array([30, 10, 0]))
    assert mean == pytest.approx(9.75)
    assert deviation == pytest.approx(float(Fraction(3, 16)) ** 0.5)
    assert spread(np.array([7]), np.array([0])) == (None, None)


def test_measures_of_a_shared_day_add_up() -> None:
    scenario = load_scenario("street", days=1)
    ground = Ground(scenario)
    alone = ground.alone().outcome
    found = BY_NAME["mid_market"].run(ground)
    assert isinstance(found, Outcome)
    told = measured(scenario, alone, found)
    nothing = measured(scenario, alone, alone)
    assert nothing.savings.total == 0
    assert nothing.energy.shared_wh == 0
    assert told.energy.shared_wh == told.energy.shareable_wh == told.energy.traded_wh > 0
    assert told.savings.total == nothing.cost_nano - told.cost_nano > 0
    paid = told.revenue_nano
    assert told.cost_nano == (paid.supplier + paid.network + paid.levy + paid.service + paid.market)
    assert told.bill_nano == told.cost_nano + paid.standing + paid.tax
    assert told.energy.peak_export_w < nothing.energy.peak_export_w
    sufficient, before = told.energy.self_sufficiency, nothing.energy.self_sufficiency
    assert sufficient is not None
    assert before is not None
    assert sufficient > before
    assert nothing.price.deviation == 0


def test_sums_of_nothing_are_zeros() -> None:
    assert not any(table.any() for table in Sums([], []).table().values())
