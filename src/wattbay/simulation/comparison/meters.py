"""The same meters for every rule: what flows behind them is decided before any rule is.

Batteries serve their homes alone, as without a market, so nothing that is traded changes a meter.
Their work is put into the load and the output of the panels; the homes of the variant have none.
Readings arrive whole and in time, so that no rule is judged by what its operator did not know yet.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wattbay.simulation.baseline import day_rows, injections_wh
from wattbay.simulation.battery import batteries_of
from wattbay.simulation.scenario_facts import FaultPlan, Scenario

CALM = FaultPlan(
    lost_ppm=0,
    late_ppm=0,
    doubled_ppm=0,
    reordered_ppm=0,
    flipped_ppm=0,
    exchanges=(),
    silences=(),
)
"""Nothing goes wrong between the meters and the exchange."""


def with_fixed_meters(scenario: Scenario) -> Scenario:
    """Return the scenario with its batteries on self-consumption, whatever is traded.

    What a home draws in a period stands as its load, what it injects as its panels' output, so
    that the difference, which its meter sees and its agent forecasts, is that of the home with its
    battery. The history before the first day is treated alike, each from the scenario's charge.
    """
    series = scenario.series
    batteries = batteries_of(scenario.homes, scenario.isp_us)
    net, _ = injections_wh(batteries, series.load_wh, series.pv_wh)
    rows = day_rows(scenario)
    net[rows], _ = injections_wh(batteries, series.load_wh[rows], series.pv_wh[rows])
    fixed = replace(series, load_wh=np.maximum(-net, 0.0), pv_wh=np.maximum(net, 0.0))
    homes = tuple(replace(home, battery=None) for home in scenario.homes)
    return replace(scenario, homes=homes, series=fixed, faults=CALM)
