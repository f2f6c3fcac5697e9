"""The same homes without a market: each alone with its supplier, batteries on self-consumption.

What a home pays then, before tax and standing charges, is what the market has to beat. A battery
may end fuller than it began, here or in the market; what it holds more (or less) is valued at one
price both times, so that nobody saves by emptying a battery.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wattbay.periods import tile
from wattbay.simulation.battery import Array, Batteries, batteries_of, net_wh, self_consume
from wattbay.simulation.retail import held, retail_of
from wattbay.simulation.scenario_facts import Scenario

Integers = NDArray[np.int64]


class Baseline(NamedTuple):
    """What homes paid and exchanged without a market, all days together. Shapes (n_homes,)."""

    cost_nano: Integers
    """Import at energy, regional network and levy, less export at its price; before tax and
    standing charges. Positive: the home pays. [nano-currency]"""
    import_wh: Integers
    export_wh: Integers
    charge_nano: Integers
    """Value of the batteries' charge at the end less that at the start; to be taken off the
    cost. [nano-currency]"""
    soc_end_wh: Array
    """State of charge at the end. [Wh]"""
    drawn_wh: Integers
    """What all homes drew together, delivery by delivery. Shape (n_deliveries,). [Wh]"""
    injected_wh: Integers
    """What all homes injected together. Shape (n_deliveries,). [Wh]"""


def injections_wh(batteries: Batteries, load_wh: Array, pv_wh: Array) -> tuple[Array, Array]:
    """Let homes run by themselves, batteries on self-consumption.

    Parameters
    ----------
    load_wh, pv_wh
        Demand and output of the panels. Shape (n_rows, n_homes). [Wh]

    Returns
    -------
    tuple
        What they inject into the grid, negative what they draw, shape (n_rows, n_homes) [Wh]; and
        the batteries' charge at the end, shape (n_homes,) [Wh].
    """
    net = pv_wh - load_wh
    soc_end = batteries.start_wh.copy()
    having = np.flatnonzero(batteries.capacity_wh > 0)
    if having.size:
        # Only a battery makes one period depend on the one before.
        mine = Batteries(
            batteries.capacity_wh[having],
            batteries.energy_max_wh[having],
            batteries.efficiency[having],
            batteries.reserve_wh[having],
            batteries.start_wh[having],
        )
        load, pv = load_wh[:, having], pv_wh[:, having]
        inside = np.empty_like(load)
        soc = mine.start_wh
        for row in range(load.shape[0]):
            flow = self_consume(mine, soc, load[row], pv[row])
            inside[row] = net_wh(load[row], pv[row], flow)
            soc = flow.soc_wh
        net[:, having] = inside
        soc_end[having] = soc
    return net, soc_end


def run_baseline(scenario: Scenario) -> Baseline:
    """Let all homes of a scenario live through its days without a market."""
    rows = day_rows(scenario)
    batteries = batteries_of(scenario.homes, scenario.isp_us)
    net, soc_end = injections_wh(
        batteries, scenario.series.load_wh[rows], scenario.series.pv_wh[rows]
    )
    # What a meter tells at the end is its rounded register: the sum needs no single period.
    import_wh = np.rint(np.maximum(-net, 0.0).sum(axis=0)).astype(np.int64)
    export_wh = np.rint(np.maximum(net, 0.0).sum(axis=0)).astype(np.int64)
    return Baseline(
        cost_nano=_cost_nano(scenario, net, import_wh, export_wh),
        import_wh=import_wh,
        export_wh=export_wh,
        charge_nano=charge_value_nano(scenario, batteries.start_wh, soc_end),
        soc_end_wh=soc_end,
        drawn_wh=np.rint(np.maximum(-net, 0.0).sum(axis=1)).astype(np.int64),
        injected_wh=np.rint(np.maximum(net, 0.0).sum(axis=1)).astype(np.int64),
    )


def _cost_nano(
    scenario: Scenario, net_wh: Array, import_wh: Integers, export_wh: Integers
) -> Integers:
    """Return what each home pays its supplier. Shape (n_homes,). [nano-currency]

    Where prices vary, each delivery's energy is what its meter would tell: the difference of the
    rounded registers.

    Parameters
    ----------
    net_wh
        What homes inject, negative what they draw. Shape (n_deliveries, n_homes). [Wh]
    import_wh, export_wh
        All deliveries together. Shape (n_homes,). [Wh]
    """
    tariffs = held(scenario)
    retail = np.array([retail_of(tariffs.flat[home.tariff]) for home in scenario.homes])
    export = np.array([tariffs.flat[home.tariff].export for home in scenario.homes])
    cost: Integers = import_wh * retail - export_wh * export
    starts = [one.start for _, day in scenario.days for one in tile(day, scenario.isp_us)]
    for place, home in enumerate(scenario.homes):
        if home.tariff in scenario.models:
            then = [tariffs.at(home.tariff, home.zone, start) for start in starts]
            drawn, injected = (
                np.diff(np.rint(np.cumsum(np.maximum(way, 0.0))).astype(np.int64), prepend=0)
                for way in (-net_wh[:, place], net_wh[:, place])
            )
            cost[place] = drawn @ np.array([retail_of(one) for one in then])
            cost[place] -= injected @ np.array([one.export for one in then])
    return cost


def day_rows(scenario: Scenario) -> Integers:
    """Return the rows of the series in which the scenario's days lie, in order."""
    series, isp_us = scenario.series, scenario.isp_us
    return np.concatenate(
        [
            np.arange(
                series.row(period.start), series.row(period.start) + period.length_us // isp_us
            )
            for _, period in scenario.days
        ]
    )


def stored_price(scenario: Scenario) -> int:
    """Return what a Wh that a battery can give is worth. [nano-currency per Wh]

    The pool price of the product; where it names none, the middle between the lowest retail energy
    component and the highest export price of the homes, rounded down to the tick. Of a tariff whose
    prices vary, the mean over all deliveries and zones counts, rounded down.
    """
    product = scenario.product
    if product.pool_price is not None:
        return product.pool_price
    tariffs = held(scenario)
    used = dict.fromkeys(home.tariff for home in scenario.homes)
    means = [tariffs.mean(name) for name in used]
    twice = min(one.energy for one in means) + max(one.export for one in means)
    return twice // (2 * product.price_tick) * product.price_tick


def charge_value_nano(scenario: Scenario, soc_start_wh: Array, soc_end_wh: Array) -> Integers:
    """Return what batteries hold more at the end than at the start, in money.

    Parameters
    ----------
    soc_start_wh, soc_end_wh
        States of charge. Shape (n_homes,). [Wh]

    Returns
    -------
    ndarray
        The energy that they could give more, in whole Wh, at `stored_price`; negative where they
        ended emptier. Shape (n_homes,). [nano-currency]
    """
    efficiency = batteries_of(scenario.homes, scenario.isp_us).efficiency
    more_wh = np.rint((soc_end_wh - soc_start_wh) * efficiency).astype(np.int64)
    return more_wh * stored_price(scenario)
