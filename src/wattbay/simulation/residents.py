"""The agents of a simulated community, and what each of them sees of its home and the market."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import numpy as np
from numpy.typing import NDArray

from wattbay.agents.agent import Agent, Ahead, Charge, Desk, Outcome, Sight
from wattbay.agents.battery import BatteryProsumer, Store
from wattbay.agents.prices import RecentPrices
from wattbay.agents.prosumer import Prosumer
from wattbay.agents.quantity import LEVELS, Alternatives
from wattbay.agents.strategies import strategy
from wattbay.core.commands import Command
from wattbay.core.facts import Tariff
from wattbay.forecasting.analogs import Analogs
from wattbay.forecasting.models import Forecaster, FourWeekMean, History
from wattbay.ids import PodId
from wattbay.periods import DAY, HOUR, Instant
from wattbay.simulation.baseline import stored_price
from wattbay.simulation.dwellings import Leave
from wattbay.simulation.retail import held
from wattbay.simulation.scenario_facts import Battery, Home, Scenario

AHEAD_US = DAY
"""How far a home with a battery looks ahead. [µs]"""


class Residents:
    """One agent a home, in the order of the homes."""

    __slots__ = (
        "_agents",
        "_ahead",
        "_forecaster",
        "_homes",
        "_isp_us",
        "_net",
        "_net_with_battery",
        "_outlook",
        "_prices",
        "_product",
        "_seats",
        "_tariffs",
        "_varies",
        "_with_battery",
    )

    def __init__(self, scenario: Scenario, forecaster: Forecaster | None = None) -> None:
        """Let everybody move in, with the forecast by `Analogs`, unless another is given.

        What the homes measured themselves is their history: the series up to the present. The hours
        ahead, for which batteries plan, are forecast by the mean of four weeks.

        Parameters
        ----------
        forecaster
            Of the delivery to order for; it answers the quantiles at `LEVELS`.
        """
        series = scenario.series
        self._isp_us = scenario.isp_us
        self._forecaster = Analogs(LEVELS, None) if forecaster is None else forecaster
        self._outlook = FourWeekMean(levels=())
        pool = stored_price(scenario)
        tariffs = held(scenario)
        means = {tariff.tariff: tariffs.mean(tariff.tariff) for tariff in scenario.tariffs}
        self._agents = [_agent(home, scenario, means[home.tariff], pool) for home in scenario.homes]
        self._homes = scenario.homes
        self._varies = [home.tariff in scenario.models for home in scenario.homes]
        self._product = scenario.product
        self._tariffs = tariffs
        self._prices = RecentPrices(scenario.isp_us)
        net = series.pv_wh - series.load_wh
        self._net = History(series.start, series.isp_us, net)
        self._with_battery = np.array(
            [place for place, home in enumerate(scenario.homes) if home.battery is not None], int
        )
        self._seats = {int(place): seat for seat, place in enumerate(self._with_battery)}
        self._net_with_battery = History(series.start, series.isp_us, net[:, self._with_battery])
        self._ahead = AHEAD_US // scenario.isp_us

    def act(
        self,
        now: Instant,
        delivery: Instant,
        known_until: Instant,
        soc_wh: NDArray[np.float64],
        solar_wh: NDArray[np.float64],
    ) -> list[Command]:
        """Return what all agents do about a delivery.

        Parameters
        ----------
        known_until
            Until when the charge of the batteries is known.
        soc_wh, solar_wh
            That charge, and what of it came from the home's panels. Shape (n_homes,). [Wh]
        """
        expected = self._forecaster.forecast(now, self._net, [delivery])
        mean = expected.mean[0].tolist()
        net = expected.quantiles[:, 0].T.tolist()
        ahead = self._look_ahead(now, delivery)
        price = self._prices.expected(delivery, self._ahead)
        socs, solars = soc_wh.tolist(), solar_wh.tolist()
        alone = self._alternatives(delivery)
        found: list[Command] = []
        for place, agent in enumerate(self._agents):
            seat = self._seats.get(place)
            without = alone[place]
            if seat is None:
                sight = Sight(now, delivery, net[place], price[0], without=without)
            else:
                charge = Charge(known_until, socs[place], solars[place])
                plans = Ahead([mean[place], *ahead[seat][1:]], price)
                sight = Sight(now, delivery, net[place], price[0], plans, charge, without)
            found += agent.act(sight)
        return found

    def _alternatives(self, delivery: Instant) -> list[Alternatives | None]:
        """Return what each home does without the market in a delivery; None if it never changes."""
        if not any(self._varies):
            return [None] * len(self._agents)
        then = [self._tariffs.at(home.tariff, home.zone, delivery) for home in self._homes]
        pool = self._product.pool_price
        if pool is None:
            twice = min(one.energy for one in then) + max(one.export for one in then)
            pool = twice // (2 * self._product.price_tick) * self._product.price_tick
        return [
            alternatives(home, tariff, pool) if varies else None
            for home, tariff, varies in zip(self._homes, then, self._varies, strict=True)
        ]

    def bounds(self, delivery: Instant) -> Leave:
        """Return what batteries may do for others than their homes in the delivery."""
        leave = Leave.none(len(self._agents))
        for place in self._seats:
            agent = self._agents[place]
            if isinstance(agent, BatteryProsumer):
                keep, fill, give = agent.bounds(delivery)
                leave.keep_wh[place], leave.fill_wh[place], leave.give_wh[place] = keep, fill, give
        return leave

    def learn(
        self,
        delivery: Instant,
        price: int | None,
        pods: list[PodId],
        positions: Mapping[PodId, int],
    ) -> None:
        """Tell all agents how an auction went, each its own position alone."""
        self._prices.learn(delivery, price)
        nothing = Outcome(delivery, price, 0)
        for pod, agent in zip(pods, self._agents, strict=True):
            position = positions.get(pod)
            agent.learn(Outcome(delivery, price, position) if position else nothing)

    def _look_ahead(self, now: Instant, delivery: Instant) -> list[list[float]]:
        """Return the forecast nets of homes with batteries for the hours ahead. [Wh]"""
        if not len(self._with_battery):
            return []
        starts = [Instant(delivery + i * self._isp_us) for i in range(self._ahead)]
        mean = self._outlook.forecast(now, self._net_with_battery, starts).mean
        found: list[list[float]] = mean.T.tolist()
        return found


def agent_of(home: Home, scenario: Scenario) -> Agent:
    """Return the agent of a home. Its chance is its own: nobody else's draws change it."""
    return _agent(home, scenario, held(scenario).mean(home.tariff), stored_price(scenario))


def _agent(home: Home, scenario: Scenario, tariff: Tariff, pool: int) -> Agent:
    """Return the agent of a home that usually pays a tariff, and nets deviations at a price."""
    rng = Random(f"{scenario.seed}/{home.pod}")
    without = alternatives(home, tariff, pool)
    desk = Desk(
        home.pod,
        scenario.product,
        strategy(home.strategy, scenario.product, rng),
        without,
        buy_limit=home.buy_limit,
        sell_limit=home.sell_limit,
    )
    if home.battery is None:
        return Prosumer(desk)
    return BatteryProsumer(desk, store_of(home.battery, scenario.isp_us), without)


def alternatives(home: Home, tariff: Tariff, pool: int) -> Alternatives:
    """Return what a home does without the market, where it would trade within its zone."""
    local = tariff.network_regional
    for fee in tariff.network_local:
        if fee.from_zone == home.zone == fee.to_zone:
            local = fee.nano_per_wh
    return Alternatives(
        buy=tariff.energy + tariff.network_regional - local,
        sell=tariff.export,
        fees=local + tariff.levy,
        pool=pool,
    )


def store_of(battery: Battery, isp_us: int) -> Store:
    """Return what a battery can do within one delivery of a length. [µs]"""
    return Store(
        capacity_wh=battery.capacity_wh,
        reserve_wh=battery.reserve_wh,
        energy_max_wh=battery.power_w * isp_us / HOUR,
        efficiency=battery.efficiency,
        wear_nano_per_wh=battery.wear_nano_per_wh,
    )
