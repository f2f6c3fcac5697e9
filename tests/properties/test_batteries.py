"""Laws of batteries: energy is conserved, charge stays in bounds, the grid is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbay.simulation.baseline import injections_wh
from wattbay.simulation.battery import Batteries, net_wh, operate, self_consume

SMALL = 1e-6
"""Floats of thousands of Wh agree to a millionth."""

energies = st.floats(0, 20_000)


@st.composite
def batteries(draw: st.DrawFn, homes: int = 3) -> Batteries:
    """Return batteries of any size, some homes without one; their start above their reserve."""
    rows = []
    for _ in range(homes):
        capacity = draw(st.one_of(st.just(0.0), st.floats(100, 20_000)))
        reserve = capacity * draw(st.floats(0, 1))
        start = reserve + (capacity - reserve) * draw(st.floats(0, 1))
        rows.append((capacity, draw(st.floats(0, 5000)), draw(st.floats(0.1, 1)), reserve, start))
    return Batteries(*np.array(rows).T.copy())


def columns(homes: int = 3) -> st.SearchStrategy[list[list[float]]]:
    return st.lists(st.lists(energies, min_size=homes, max_size=homes), min_size=1, max_size=30)


@given(batteries(), st.lists(st.lists(st.floats(-20_000, 20_000), min_size=3, max_size=3)))
def test_charge_stays_between_reserve_and_capacity_and_energy_is_conserved(
    store: Batteries, wanted: list[list[float]]
) -> None:
    soc = store.start_wh
    for row in wanted:
        flow = operate(store, soc, np.array(row))
        assert (flow.soc_wh >= store.reserve_wh - SMALL).all()
        assert (flow.soc_wh <= store.capacity_wh + SMALL).all()
        lost = flow.discharge_wh * (1 / store.efficiency - 1)
        taken_and_given = flow.charge_wh - flow.discharge_wh - lost
        assert flow.soc_wh - soc == pytest.approx(taken_and_given, abs=SMALL)
        soc = flow.soc_wh


@given(batteries(), st.lists(st.floats(-20_000, 20_000), min_size=3, max_size=3))
def test_battery_does_no_more_than_is_wanted_nor_than_its_power(
    store: Batteries, wanted: list[float]
) -> None:
    flow = operate(store, store.start_wh, np.array(wanted))
    assert (flow.charge_wh <= np.maximum(wanted, 0)).all()
    assert (flow.discharge_wh <= np.maximum(-np.array(wanted), 0)).all()
    assert (flow.charge_wh + flow.discharge_wh <= store.energy_max_wh).all()
    assert not (flow.charge_wh * flow.discharge_wh).any()
    assert (np.minimum(flow.charge_wh, flow.discharge_wh) >= 0).all()


@given(batteries(), columns(), columns())
def test_self_consumption_never_imports_to_charge_nor_exports_to_discharge(
    store: Batteries, loads: list[list[float]], suns: list[list[float]]
) -> None:
    soc = store.start_wh
    for load, pv in zip(map(np.array, loads), map(np.array, suns), strict=False):
        flow = self_consume(store, soc, load, pv)
        before, after = pv - load, net_wh(load, pv, flow)
        assert (np.abs(after) <= np.abs(before) + SMALL).all()
        assert (before * after >= -SMALL).all()
        soc = flow.soc_wh


@given(batteries(), columns(), columns())
def test_homes_alone_conserve_energy_over_all_their_days(
    store: Batteries, loads: list[list[float]], suns: list[list[float]]
) -> None:
    rows = min(len(loads), len(suns))
    load, pv = np.array(loads[:rows]), np.array(suns[:rows])
    net, soc_end = injections_wh(store, load, pv)
    kept = pv.sum(axis=0) - load.sum(axis=0) - net.sum(axis=0)
    # What went in and neither came out nor is held was lost, and never gained.
    lost = kept - (soc_end - store.start_wh)
    assert (lost >= -SMALL).all()
    most = rows * store.energy_max_wh * (1 / store.efficiency - 1)
    assert (lost <= most + SMALL).all()
