"""What flows in and out of a battery, by its definitions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from wattbay.periods import HOUR, MINUTE
from wattbay.simulation.battery import (
    Batteries,
    batteries_of,
    charge_room_wh,
    discharge_room_wh,
    net_wh,
    operate,
    self_consume,
)
from wattbay.simulation.scenario import load_scenario


def wh(*values: float) -> NDArray[np.float64]:
    return np.array(values)


def a_battery(
    capacity_wh: float = 5000,
    energy_max_wh: float = 1000,
    efficiency: float = 0.8,
    reserve_wh: float = 500,
) -> Batteries:
    return Batteries(
        wh(capacity_wh), wh(energy_max_wh), wh(efficiency), wh(reserve_wh), wh(capacity_wh / 2)
    )


def test_charge_is_stored_whole_and_discharge_costs_the_round_trip() -> None:
    battery = a_battery()
    assert operate(battery, wh(2000), wh(600)).soc_wh == 2600
    flow = operate(battery, wh(2000), wh(-600))
    assert np.array(flow).ravel().tolist() == [0, 600, 2000 - 600 / 0.8]


def test_power_bounds_what_flows_in_a_delivery() -> None:
    battery = a_battery(energy_max_wh=1000)
    assert operate(battery, wh(2000), wh(9000)).charge_wh == 1000
    assert operate(battery, wh(4000), wh(-9000)).discharge_wh == 1000


def test_full_battery_takes_nothing_and_the_reserve_is_kept() -> None:
    battery = a_battery(capacity_wh=5000, efficiency=0.8, reserve_wh=500)
    assert operate(battery, wh(4900), wh(300)).soc_wh == 5000
    flow = operate(battery, wh(1000), wh(-900))
    assert flow.discharge_wh == pytest.approx(400)  # 500 above the reserve, times 0.8
    assert flow.soc_wh == pytest.approx(500)
    assert operate(battery, wh(300), wh(-900)).discharge_wh == 0  # below the reserve already


def test_rooms_are_never_negative() -> None:
    battery = a_battery()
    assert charge_room_wh(battery, wh(5000.1)) == 0
    assert discharge_room_wh(battery, wh(100)) == 0


def test_self_consumption_stores_surplus_and_serves_demand() -> None:
    battery = a_battery()
    sunny = self_consume(battery, wh(2000), load_wh=wh(200), pv_wh=wh(900))
    assert np.array(sunny).ravel().tolist() == [700, 0, 2700]
    assert net_wh(wh(200), wh(900), sunny) == 0
    evening = self_consume(battery, wh(2000), load_wh=wh(1500), pv_wh=wh(0))
    assert np.array(evening).ravel().tolist() == [0, 1000, 2000 - 1000 / 0.8]
    assert net_wh(wh(1500), wh(0), evening) == -500


def test_batteries_of_homes_are_columns_with_zeros_where_there_is_none() -> None:
    homes = load_scenario("street").homes
    batteries = batteries_of(homes, 30 * MINUTE)
    assert batteries.capacity_wh.tolist() == [7000, 0, 5000, 0, 0, 0]
    assert batteries.energy_max_wh.tolist() == [1800, 0, 1800, 0, 0, 0]
    assert batteries.efficiency.tolist() == [0.9, 1, 0.9, 1, 1, 1]
    assert batteries_of(homes, HOUR).energy_max_wh[0] == 3600
    none = np.zeros(6)
    flow = operate(batteries, none, np.full(6, 100.0))
    assert flow.charge_wh.tolist() == [100, 0, 100, 0, 0, 0]
