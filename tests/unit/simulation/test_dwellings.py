"""What flows behind the meters of homes with batteries."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.builders import ISP_US, MIDNIGHT
from wattbay.ids import MeterId, PartyId, PodId, TariffId, ZoneId
from wattbay.simulation.dwellings import Dwellings, Flows, Leave
from wattbay.simulation.scenario_facts import Battery, Home

BATTERY = Battery(
    capacity_wh=5_000,
    power_w=2_000,
    efficiency=0.8,
    wear_nano_per_wh=5_000,
    reserve_wh=500,
    start_wh=2_500,
)


def a_home(pod: str = "h01", *, battery: Battery | None = BATTERY) -> Home:
    return Home(
        pod=PodId(pod),
        party=PartyId(f"party-{pod}"),
        meter=MeterId(f"{pod}-m1"),
        zone=ZoneId("z1"),
        tariff=TariffId("flat"),
        supplier=PartyId("supplier"),
        brp=PartyId("supplier"),
        pv_kwp=3.0,
        battery=battery,
        strategy="truthful",
        buy_limit=90_000,
        sell_limit=50_000,
        yearly_import_wh=3_000_000,
        yearly_export_wh=0,
        import_profile=None,
        export_profile=None,
    )


def column(value: float) -> NDArray[np.float64]:
    return np.array([value], dtype=np.float64)


def lived(
    dwellings: Dwellings,
    *,
    load: float = 0,
    pv: float = 0,
    position: float = 0,
    keep: float = 0,
    fill: float = 5_000,
    give: float = 5_000,
) -> Flows:
    """One home lives through a delivery."""
    leave = Leave(column(keep), column(fill), column(give))
    flows = dwellings.flows(column(load), column(pv), column(position), leave)
    dwellings.settle(flows)
    return flows


def a_dwelling(*, solar_wh: float = 0, battery: Battery | None = BATTERY) -> Dwellings:
    dwellings = Dwellings([a_home(battery=battery)], ISP_US)
    dwellings.solar_wh = column(solar_wh)
    return dwellings


def test_home_without_a_battery_draws_and_injects_what_it_must() -> None:
    dwellings = a_dwelling(battery=None)
    flows = lived(dwellings, load=300, pv=100, position=-500)
    assert (flows.import_wh[0], flows.export_wh[0]) == (200, 0)
    flows = lived(dwellings, load=100, pv=300, position=-500)
    assert (flows.import_wh[0], flows.export_wh[0]) == (0, 200)


def test_battery_serves_its_home_where_nothing_was_traded() -> None:
    dwellings = a_dwelling()
    flows = lived(dwellings, load=400)
    assert (flows.discharge_wh[0], flows.import_wh[0]) == (400, 0)
    assert dwellings.soc_wh[0] == 2_000
    flows = lived(dwellings, pv=300, fill=0)
    assert (flows.charge_wh[0], flows.export_wh[0]) == (300, 0)


def test_battery_follows_what_was_sold() -> None:
    dwellings = a_dwelling(solar_wh=1_000)
    flows = lived(dwellings, pv=300, position=700)
    assert (flows.export_wh[0], flows.discharge_wh[0]) == (700, 400)
    assert dwellings.soc_wh[0] == 2_000
    assert dwellings.solar_wh[0] == 500


def test_battery_gives_no_more_than_was_to_be_sold_from_it() -> None:
    dwellings = a_dwelling(solar_wh=1_000)
    flows = lived(dwellings, pv=300, position=700, give=100)
    assert (flows.export_wh[0], flows.discharge_wh[0]) == (400, 100)


def test_own_sun_that_the_home_will_need_is_stored_before_it_is_delivered() -> None:
    dwellings = a_dwelling()
    flows = lived(dwellings, pv=300, position=300, keep=2_700)
    assert (flows.charge_wh[0], flows.export_wh[0]) == (200, 100)
    flows = lived(dwellings, pv=300, position=300, keep=2_700)
    assert (flows.charge_wh[0], flows.export_wh[0]) == (0, 300)


def test_battery_follows_what_was_bought() -> None:
    dwellings = a_dwelling()
    flows = lived(dwellings, load=100, position=-700)
    assert (flows.import_wh[0], flows.charge_wh[0]) == (700, 600)
    assert (dwellings.soc_wh[0], dwellings.solar_wh[0]) == (3_100, 0)


def test_bought_energy_never_leaves_the_home() -> None:
    dwellings = a_dwelling(solar_wh=100)
    flows = lived(dwellings, load=200, position=500)
    assert (flows.discharge_wh[0], flows.export_wh[0]) == (280, 80)
    assert dwellings.solar_wh[0] == 0
    flows = lived(dwellings, position=500)
    assert (flows.discharge_wh[0], flows.export_wh[0]) == (0, 0)


def test_home_uses_up_what_it_bought_first() -> None:
    dwellings = a_dwelling(solar_wh=2_200)
    lived(dwellings, load=400)
    assert dwellings.soc_wh[0] == 2_000
    assert dwellings.solar_wh[0] == 2_000  # 300 bought, 200 solar


def test_what_the_home_will_need_is_not_given_away() -> None:
    dwellings = a_dwelling(solar_wh=2_500)
    flows = lived(dwellings, pv=100, position=900, keep=2_000)
    assert flows.discharge_wh[0] == pytest.approx(400)
    assert flows.export_wh[0] == pytest.approx(500)
    flows = lived(dwellings, load=300, keep=5_000)
    assert (flows.discharge_wh[0], flows.import_wh[0]) == (300, 0)


def test_nothing_is_drawn_from_the_grid_above_what_will_surely_be_needed() -> None:
    dwellings = a_dwelling()
    flows = lived(dwellings, position=-800, fill=2_700)
    assert (flows.charge_wh[0], flows.import_wh[0]) == (200, 200)
    flows = lived(dwellings, pv=500, position=-300, fill=3_000)
    assert (flows.charge_wh[0], flows.import_wh[0]) == (500, 0)


def test_own_sun_in_the_battery_is_counted_as_solar() -> None:
    dwellings = a_dwelling()
    lived(dwellings, pv=500, position=-300)
    assert dwellings.soc_wh[0] == 3_300
    assert dwellings.solar_wh[0] == 500


def test_rows_sum_to_what_flowed() -> None:
    dwellings = a_dwelling()
    flows = Flows(column(0.4), column(1.4), column(0), column(0), column(2_500), column(0))
    rows = [dwellings.rows(MIDNIGHT, flows)[0] for _ in range(5)]
    assert rows[0] == (MIDNIGHT, "h01", 0, 1, 0, 0, 2_500)
    assert sum(row[2] for row in rows) == 2
    assert sum(row[3] for row in rows) == 7
