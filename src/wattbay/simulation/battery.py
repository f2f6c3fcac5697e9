"""Home batteries: what flows in and out of them within one delivery, for all homes at once.

Definitions, each in Wh and never negative:

- *charge* is what a battery takes from the home's wiring. All of it is stored.
- *discharge* is what it gives to the home's wiring. The store falls by discharge / efficiency: the
  round-trip efficiency is applied once, here.
- *soc*, the state of charge, is what is stored, at the end of a delivery.

So ``soc after = soc before + charge - discharge / efficiency``, and what is lost is
``discharge * (1 / efficiency - 1)``. Power is bounded at the wiring, on average over the delivery.
Within one delivery a battery charges or discharges, not both. Standing losses are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wattbay.periods import HOUR
from wattbay.simulation.scenario_facts import Home

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Batteries:
    """The batteries of homes, as columns. Homes without one have capacity 0. Shapes (n_homes,)."""

    capacity_wh: Array
    """[Wh]"""
    energy_max_wh: Array
    """The most that is taken or given in a delivery: power times its length. [Wh]"""
    efficiency: Array
    """Round trip, above 0 to 1."""
    reserve_wh: Array
    """Never discharged. [Wh]"""
    start_wh: Array
    """State of charge before the first delivery. [Wh]"""


class Flow(NamedTuple):
    """What batteries did in a delivery. Shapes (n_homes,)."""

    charge_wh: Array
    discharge_wh: Array
    soc_wh: Array
    """At the end of the delivery. [Wh]"""


def batteries_of(homes: Sequence[Home], isp_us: int) -> Batteries:
    """Return the batteries of homes for deliveries of a length. [µs]"""
    hours = isp_us / HOUR
    rows = [
        (
            home.battery.capacity_wh,
            home.battery.power_w * hours,
            home.battery.efficiency,
            home.battery.reserve_wh,
            home.battery.start_wh,
        )
        if home.battery is not None
        else (0.0, 0.0, 1.0, 0.0, 0.0)
        for home in homes
    ]
    columns = np.array(rows, dtype=np.float64).reshape(len(rows), 5)
    return Batteries(*columns.T.copy())


def charge_room_wh(batteries: Batteries, soc_wh: Array) -> Array:
    """Return the most that batteries can take in one delivery. Shape (n_homes,). [Wh]"""
    room = np.minimum(batteries.energy_max_wh, batteries.capacity_wh - soc_wh)
    return np.maximum(room, 0.0)


def discharge_room_wh(batteries: Batteries, soc_wh: Array) -> Array:
    """Return the most that batteries can give in one delivery, the reserve kept. [Wh]"""
    above = (soc_wh - batteries.reserve_wh) * batteries.efficiency
    return np.maximum(np.minimum(batteries.energy_max_wh, above), 0.0)


def operate(batteries: Batteries, soc_wh: Array, wanted_wh: Array) -> Flow:
    """Let batteries do what is wanted of them, as far as they can.

    Parameters
    ----------
    soc_wh
        State of charge at the start of the delivery. Shape (n_homes,). [Wh]
    wanted_wh
        What they are to take; negative, what they are to give. Shape (n_homes,). [Wh]

    Returns
    -------
    Flow
        What they took and gave, and what they hold then.
    """
    charge = np.minimum(np.maximum(wanted_wh, 0.0), charge_room_wh(batteries, soc_wh))
    discharge = np.minimum(np.maximum(-wanted_wh, 0.0), discharge_room_wh(batteries, soc_wh))
    return Flow(charge, discharge, soc_wh + charge - discharge / batteries.efficiency)


def self_consume(batteries: Batteries, soc_wh: Array, load_wh: Array, pv_wh: Array) -> Flow:
    """Let batteries store what a home has left of its PV, and serve what it lacks.

    Nothing is drawn from the grid to charge, nothing discharged is exported.

    Parameters
    ----------
    soc_wh
        State of charge at the start of the delivery. Shape (n_homes,). [Wh]
    load_wh, pv_wh
        Demand and output of the panels in the delivery. Shape (n_homes,). [Wh]
    """
    return operate(batteries, soc_wh, pv_wh - load_wh)


def net_wh(load_wh: Array, pv_wh: Array, flow: Flow) -> Array:
    """Return what homes inject into the grid in a delivery; negative, what they draw. [Wh]"""
    return pv_wh + flow.discharge_wh - load_wh - flow.charge_wh
