"""Retail prices without a market: flat, by time of use, by an index; neutral in revenue.

A supplier that changed the shape of its price alone would charge the community as much as before:
each tariff's price of energy is a shape times one factor, so that what its homes draw together
costs what it did. Nobody shifts demand here; the export price stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from msgspec import structs

from wattbay.clearing.retail.prices import PriceSeries
from wattbay.core.facts import Tariff
from wattbay.ids import TariffId
from wattbay.periods import Instant, Period
from wattbay.simulation.comparison.outcome import Outcome
from wattbay.simulation.comparison.settled import Afterwards, Delivery, nobody
from wattbay.simulation.scenario_facts import Scenario

Shape = Callable[[Delivery], Fraction]
"""What a Wh costs in a delivery, in proportion to other deliveries. Above zero."""

NIGHT_ENDS, PEAK_STARTS, PEAK_ENDS = 7, 16, 20
"""Of the local day, in hours, where a scenario names no times of use."""
NIGHT_PPM, DAY_PPM, PEAK_PPM = 600_000, 1_000_000, 1_600_000
"""Prices at night, by day and at the peak, against each other."""
PPM = 1_000_000


def flat(_: Delivery) -> Fraction:
    """Shape the price of a fixed tariff."""
    return Fraction(1)


def time_of_use(scenario: Scenario) -> Shape:
    """Shape a price with a cheap night and a dear evening, by the local clock."""

    def shape(known: Delivery) -> Fraction:
        hour = scenario.calendar.local(known.start).hour
        if hour < NIGHT_ENDS:
            return Fraction(NIGHT_PPM, PPM)
        return Fraction(PEAK_PPM if PEAK_STARTS <= hour < PEAK_ENDS else DAY_PPM, PPM)

    return shape


def by_carbon(scenario: Scenario) -> Shape | None:
    """Shape a price as the carbon intensity of the grid runs; None where nobody knows it."""
    series = scenario.series
    carbon = series.carbon_g_per_kwh
    if carbon is None:
        return None

    def shape(known: Delivery) -> Fraction:
        # To whole grams, so that the price is exact; never nothing.
        return Fraction(max(1, round(float(carbon[series.row(known.start)]))))

    return shape


def by_series(scenario: Scenario) -> Shape | None:
    """Return the first price series that the scenario names; None where it names none."""
    for prices in scenario.sources.series.values():

        def shape(known: Delivery, prices: PriceSeries = prices) -> Fraction:
            end = Instant(known.start + scenario.isp_us)
            return Fraction(prices.over(Period(known.start, end)))

        return shape
    return None


def repriced(books: Afterwards, shape: Shape, *, shifted: bool = False) -> Outcome:
    """Let each home pay its supplier prices of a shape, alone.

    Parameters
    ----------
    shifted
        Add to the shape what makes it neutral, where otherwise it is multiplied: a price series has
        a size of its own, and may be negative.
    """
    known = books.deliveries()
    prices = neutral(known, [shape(one) for one in known], shifted=shifted)

    def repricing(one: Delivery) -> list[Tariff]:
        return [
            structs.replace(tariff, energy=prices[tariff.tariff][one.place])
            for tariff in one.tariffs
        ]

    return books.settle(nobody, repricing=repricing)


def neutral(
    known: Sequence[Delivery], shapes: Sequence[Fraction], *, shifted: bool
) -> dict[TariffId, list[int]]:
    """Return the price of energy by tariff and delivery, in whole nano-currency per Wh.

    Its mean over what the homes of the tariff draw is that of the tariff, but for rounding, which
    is at most half a nano-currency per Wh.
    """
    energy: dict[TariffId, int] = {}
    cost: dict[TariffId, int] = {}
    weighed: dict[TariffId, Fraction] = {}
    for one, weight in zip(known, shapes, strict=True):
        drawn: dict[TariffId, int] = {}
        columns = zip(one.tariffs, one.import_wh, one.export_wh, strict=True)
        for tariff, import_wh, export_wh in columns:
            name = tariff.tariff
            # Of a home that did both in a delivery, suppliers price what is left.
            energy_wh = max(import_wh - export_wh, 0)
            drawn[name] = drawn.get(name, 0) + energy_wh
            cost[name] = cost.get(name, 0) + energy_wh * tariff.energy
        for name, energy_wh in drawn.items():
            energy[name] = energy.get(name, 0) + energy_wh
            weighed[name] = weighed.get(name, Fraction(0)) + energy_wh * weight
    found: dict[TariffId, list[int]] = {}
    for name, whole in weighed.items():
        if shifted:
            shift = (cost[name] - whole) / energy[name] if energy[name] else Fraction(0)
            found[name] = [round(one + shift) for one in shapes]
        else:
            factor = cost[name] / whole if whole else Fraction(0)
            found[name] = [round(factor * one) for one in shapes]
    return found
