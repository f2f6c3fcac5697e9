"""What varying tariffs cost in the deliveries of a scenario: published each day, and looked up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from wattbay.clearing.retail.models import Component
from wattbay.clearing.retail.prices import DayPrices, day_prices
from wattbay.clearing.retail.response import like_windows
from wattbay.core.commands import CallResponse, PublishPrices
from wattbay.core.facts import ResponseCall, Role, Tariff
from wattbay.core.tariffs import effective
from wattbay.errors import ConfigError, Fault
from wattbay.ids import TariffId, ZoneId
from wattbay.periods import Instant, to_text
from wattbay.simulation.scenario_facts import Scenario


def publications(scenario: Scenario) -> list[list[PublishPrices]]:
    """Return what the market operator publishes of each local day, by tariff.

    Where prices are the same in all zones, one command says so; else one a zone.

    Raises
    ------
    ConfigError
        If the models of a tariff do not fit the days, the series or each other.
    """
    if not scenario.models:
        return [[] for _ in scenario.days]
    roles = ((party.party, party.roles) for party in scenario.parties)
    publisher = next(party for party, held in roles if Role.MARKET_OPERATOR in held)
    found: list[list[PublishPrices]] = []
    for day, period in scenario.days:
        mine = []
        for tariff, prices in _day(scenario, day):
            by_zone = prices.differ_by_zone()
            for zone in scenario.zones if by_zone else scenario.zones[:1]:
                columns = {
                    component: prices.nano_per_wh.get((component, zone), ())
                    for component in Component
                }
                mine.append(
                    PublishPrices(
                        publisher=publisher,
                        tariff=tariff,
                        start=period.start,
                        energy=columns[Component.ENERGY],
                        export=columns[Component.EXPORT],
                        levy=columns[Component.LEVY],
                        network=columns[Component.NETWORK],
                        zone=zone if by_zone else None,
                    )
                )
        found.append(mine)
    return found


def _day(scenario: Scenario, day: date) -> Iterator[tuple[TariffId, DayPrices]]:
    """Yield the prices of a local day of each tariff that varies."""
    for tariff, models in scenario.models.items():
        prices = day_prices(
            models, scenario.calendar, day, scenario.isp_us, scenario.zones, scenario.sources
        )
        yield tariff, prices


def called(scenario: Scenario) -> list[list[CallResponse]]:
    """Return what is called for on each local day: the windows that begin on it.

    Raises
    ------
    ConfigError
        If a window does not fit the deliveries, or has no day to be compared with.
    """
    found: list[list[CallResponse]] = [[] for _ in scenario.days]
    faults: list[Fault] = []
    for plan in scenario.calls:
        window, isp = plan.window, scenario.isp_us
        days = [i for i, (_, day) in enumerate(scenario.days) if window.start in day]
        where = f"response called at {to_text(window.start)}"
        if window.start % isp or window.length_us % isp:
            faults.append(Fault(where, "begins or ends inside a delivery"))
            continue
        if not days:  # Some days of a scenario may be left out by those who run it.
            continue
        mine = [one.window for one in scenario.calls if one.tariff == plan.tariff]
        baseline = like_windows(scenario.calendar, window, days=plan.days, calls=mine)
        call = ResponseCall(
            caller=plan.caller,
            start=window.start,
            count=window.length_us // isp,
            baseline=baseline,
            rebate=plan.rebate,
            penalty=plan.penalty,
            tariff=plan.tariff,
        )
        found[days[0]].append(CallResponse(call=call))
    if faults:
        raise ConfigError(*faults)
    return found


class Held(NamedTuple):
    """The tariffs of a scenario as they hold in each of its deliveries."""

    flat: dict[TariffId, Tariff]
    varying: dict[tuple[TariffId, ZoneId], dict[Instant, Tariff]]
    """Of each tariff that varies and each zone; equal ones of a day are one record."""

    def at(self, tariff: TariffId, zone: ZoneId, delivery: Instant) -> Tariff:
        """Return a tariff in a zone and a delivery."""
        dated = self.varying.get((tariff, zone))
        return self.flat[tariff] if dated is None else dated[delivery]

    def mean(self, tariff: TariffId) -> Tariff:
        """Return a tariff with its mean prices over deliveries and zones, each rounded down."""
        flat = self.flat[tariff]
        dated = [then for (name, _), then in self.varying.items() if name == tariff]
        every = [one for then in dated for one in then.values()]
        if not every:
            return flat
        count = len(every)
        return effective(
            flat,
            sum(one.energy for one in every) // count,
            sum(one.export for one in every) // count,
            sum(one.levy for one in every) // count,
            sum(one.network_regional for one in every) // count - flat.network_regional,
        )


def retail_of(tariff: Tariff) -> int:
    """Return what a drawn Wh costs without a market, before tax. [nano-currency per Wh]"""
    return tariff.energy + tariff.network_regional + tariff.levy


def held(scenario: Scenario) -> Held:
    """Return every tariff as it holds in each delivery of the scenario."""
    found = Held({tariff.tariff: tariff for tariff in scenario.tariffs}, {})
    for day, _ in scenario.days:
        for tariff, prices in _day(scenario, day):
            for zone in scenario.zones:
                dated = found.varying.setdefault((tariff, zone), {})
                dated.update(_dated(found.flat[tariff], zone, prices))
    return found


def _dated(flat: Tariff, zone: ZoneId, prices: DayPrices) -> Iterator[tuple[Instant, Tariff]]:
    """Yield a tariff as it holds in each delivery of a day."""
    count = len(prices.deliveries)
    energy, export, levy, network = (
        prices.nano_per_wh.get((component, zone), (default,) * count)
        for component, default in (
            (Component.ENERGY, flat.energy),
            (Component.EXPORT, flat.export),
            (Component.LEVY, flat.levy),
            (Component.NETWORK, 0),
        )
    )
    made: dict[tuple[int, int, int, int], Tariff] = {}
    for start, key in zip(
        prices.deliveries, zip(energy, export, levy, network, strict=True), strict=True
    ):
        if key not in made:
            made[key] = effective(flat, *key)
        yield start, made[key]
