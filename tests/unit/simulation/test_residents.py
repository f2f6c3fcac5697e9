"""The agents of a town, and what they see."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from msgspec.structs import replace as with_changes

from tests.builders import a_tariff
from wattbay.agents.battery import BatteryProsumer
from wattbay.agents.prosumer import Prosumer
from wattbay.core.commands import PlaceOrder
from wattbay.core.facts import LocalFee, Side
from wattbay.forecasting.models import Forecast, History
from wattbay.ids import ZoneId
from wattbay.periods import HOUR, Instant
from wattbay.simulation.residents import Residents, agent_of, alternatives, store_of
from wattbay.simulation.scenario import load_scenario


class Flat:
    """Expects 1,000 Wh of whatever it is asked for, and remembers when it was asked."""

    def __init__(self) -> None:
        self.issued: list[Instant] = []

    def forecast(self, issued_at: Instant, history: History, starts: Sequence[Instant]) -> Forecast:
        self.issued.append(issued_at)
        mean = np.full((len(starts), history.values.shape[1]), 1_000.0)
        return Forecast(mean, np.repeat(mean[None], 9, axis=0))


def test_without_the_market_the_supplier_sets_what_energy_is_worth() -> None:
    home = replace(load_scenario("street").homes[0], zone=ZoneId("z1"))
    fees = (
        LocalFee(from_zone=ZoneId("z2"), to_zone=ZoneId("z1"), nano_per_wh=25_000),
        LocalFee(from_zone=ZoneId("z1"), to_zone=ZoneId("z1"), nano_per_wh=20_000),
    )
    tariff = with_changes(a_tariff(), network_local=fees)
    local = (140_000 + 30_000 - 20_000, 40_000, 20_000 + 10_000, 90_000)
    assert alternatives(home, tariff, pool=90_000) == local
    regional = (140_000, 40_000, 30_000 + 10_000, 90_000)
    assert alternatives(home, a_tariff(), pool=90_000) == regional


def test_homes_with_a_battery_plan_with_it() -> None:
    scenario = load_scenario("street")
    with_one, without = scenario.homes[0], scenario.homes[1]
    assert isinstance(agent_of(with_one, scenario), BatteryProsumer)
    assert isinstance(agent_of(without, scenario), Prosumer)
    assert with_one.battery is not None
    assert store_of(with_one.battery, HOUR // 2).energy_max_wh == with_one.battery.power_w / 2


def test_any_forecast_behind_the_port_will_do() -> None:
    scenario = load_scenario("street")
    flat = Flat()
    residents = Residents(scenario, flat)
    nothing = np.zeros(len(scenario.homes))
    now = Instant(scenario.start - 2 * HOUR)
    commands = residents.act(now, scenario.start, scenario.start, nothing, nothing)
    orders = [command for command in commands if isinstance(command, PlaceOrder)]
    assert {order.side for order in orders} == {Side.SELL}
    assert {order.quantity_wh for order in orders} <= set(range(1_001))
    assert set(flat.issued) == {now}
