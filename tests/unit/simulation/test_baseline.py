"""The run without a market: each home alone with its supplier."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from wattbay.simulation.baseline import (
    charge_value_nano,
    day_rows,
    injections_wh,
    run_baseline,
    stored_price,
)
from wattbay.simulation.battery import batteries_of, net_wh, self_consume
from wattbay.simulation.scenario import load_scenario


def test_home_without_battery_pays_its_meters_at_the_tariff() -> None:
    street = load_scenario("street")
    rows = day_rows(street)
    at = next(i for i, home in enumerate(street.homes) if home.battery is None and home.pv_kwp)
    net = street.series.pv_wh[rows, at] - street.series.load_wh[rows, at]
    import_wh = round(float(np.maximum(-net, 0).sum()))
    export_wh = round(float(np.maximum(net, 0).sum()))
    baseline = run_baseline(street)
    assert (baseline.import_wh[at], baseline.export_wh[at]) == (import_wh, export_wh)
    assert baseline.cost_nano[at] == import_wh * 135_500 - export_wh * 46_400
    assert baseline.charge_nano[at] == 0


def test_home_with_battery_lives_through_its_days_one_delivery_after_another() -> None:
    street = load_scenario("street")
    rows = day_rows(street)
    batteries = batteries_of(street.homes, street.isp_us)
    soc = batteries.start_wh
    net = []
    for row in rows:
        load, pv = street.series.load_wh[row], street.series.pv_wh[row]
        flow = self_consume(batteries, soc, load, pv)
        net.append(net_wh(load, pv, flow))
        soc = flow.soc_wh
    baseline = run_baseline(street)
    assert np.allclose(baseline.soc_end_wh, soc)
    assert baseline.export_wh.tolist() == np.rint(np.maximum(net, 0).sum(axis=0)).tolist()


def test_battery_lowers_both_import_and_export() -> None:
    week = load_scenario("london-week")
    alone = run_baseline(week)
    bare = run_baseline(
        replace(week, homes=tuple(replace(home, battery=None) for home in week.homes))
    )
    having = np.array([home.battery is not None for home in week.homes])
    assert (alone.import_wh[having] <= bare.import_wh[having]).all()
    assert (alone.export_wh[having] <= bare.export_wh[having]).all()
    assert (alone.import_wh[~having] == bare.import_wh[~having]).all()


def test_charge_is_valued_at_the_pool_price_as_far_as_it_can_be_given() -> None:
    street = load_scenario("street")
    assert stored_price(street) == (70_000 + 46_400) // 2
    start = np.array([home.battery.start_wh if home.battery else 0.0 for home in street.homes])
    value = charge_value_nano(street, start, start + 1000)
    assert value[0] == 900 * 58_200  # efficiency 0.9
    assert charge_value_nano(street, start, start).tolist() == [0] * 6
    assert charge_value_nano(street, start + 1000, start)[0] == -900 * 58_200


def test_price_that_the_product_names_values_charge() -> None:
    street = load_scenario("street")
    product = msgspec.structs.replace(street.product, pool_price=50_000)
    assert stored_price(replace(street, product=product)) == 50_000


def test_middle_off_the_tick_is_rounded_down() -> None:
    street = load_scenario("street")
    assert stored_price(street) % street.product.price_tick == 0


def test_days_with_a_gap_between_are_joined() -> None:
    changes = load_scenario("london-dst")
    rows = day_rows(changes)
    assert len(rows) == 46 + 50 + 4 * 48
    assert int((np.diff(rows) > 1).sum()) == 1


def test_homes_without_any_battery_need_no_history_of_charge() -> None:
    fontana = load_scenario("fontana-week")
    rows = day_rows(fontana)
    batteries = batteries_of(fontana.homes, fontana.isp_us)
    load, pv = fontana.series.load_wh[rows], fontana.series.pv_wh[rows]
    net, soc = injections_wh(batteries, load, pv)
    assert net == pytest.approx(pv - load)
    assert not soc.any()
