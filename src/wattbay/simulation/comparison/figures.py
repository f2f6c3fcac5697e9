"""What a comparison tells of each rule: the measures of docs/explanation/comparing-rules.md.

Money and energy are exact sums; floats are only what is a mean or a share.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from wattbay.periods import HOUR
from wattbay.simulation.baseline import day_rows
from wattbay.simulation.comparison.outcome import Outcome
from wattbay.simulation.comparison.sums import Integers, cost_nano, energy_nano
from wattbay.simulation.scenario_facts import Scenario

QUANTILES = (5, 25, 50, 75, 95)
"""Of savings over homes. [per cent of homes]"""


class Savings(Struct, kw_only=True, frozen=True):
    """What homes pay less than alone, before tax and standing charges. [nano-currency]"""

    total: int
    quantiles: dict[str, int]
    """``p05`` to ``p95``: what so many of 100 homes saved less than."""
    worst: int
    best: int
    homes_better_off: int
    homes_worse_off: int
    gini: float | None
    """0: all save alike; 1: one saves all. None unless every home saves."""


class Revenue(Struct, kw_only=True, frozen=True):
    """Who gets what the homes pay. [nano-currency]"""

    supplier: int
    """For energy, less what suppliers pay for surplus."""
    network: int
    levy: int
    service: int
    market: int
    """What buyers pay for trades beyond what sellers get."""
    standing: int
    """Standing and monthly charges, less what is paid for a response that was called."""
    tax: int


class Energy(Struct, kw_only=True, frozen=True):
    """What energy went where."""

    traded_wh: int
    """As agreed, whether delivered or not."""
    shared_wh: int
    """Drawn by homes and not from suppliers."""
    shareable_wh: int
    """The most that neighbours could have had of each other."""
    self_sufficiency: float | None
    """Share of demand that did not come from suppliers."""
    peak_import_w: int
    """The most that suppliers delivered in a period, as mean power."""
    peak_export_w: int
    """The most that suppliers took."""


class Price(Struct, kw_only=True, frozen=True):
    """What energy cost. [nano-currency per Wh]"""

    between_neighbours: float | None
    """Mean of what buyers paid for what was traded; None where nothing was."""
    paid: float | None
    """Mean of what homes paid for what they drew, from whomever."""
    deviation: float | None
    """Standard deviation of that, delivery by delivery."""


class Figures(Struct, kw_only=True, frozen=True):
    """All measures of a rule."""

    cost_nano: int
    """What all homes pay before tax and standing charges."""
    bill_nano: int
    """What they pay with both."""
    savings: Savings
    revenue_nano: Revenue
    energy: Energy
    price: Price
    surplus_nano: int | None
    surplus_maximum_nano: int | None


def figures(scenario: Scenario, alone: Outcome, found: Outcome) -> Figures:
    """Measure a rule.

    Parameters
    ----------
    scenario
        As it was given: its batteries and what flows behind the meters.
    alone
        The life without a market.
    """
    table = found.table
    cost = cost_nano(table)
    saved = (cost_nano(alone.table) - cost).sum(axis=0)
    sums = {name: int(table[name].sum()) for name in table}
    return Figures(
        cost_nano=int(cost.sum()),
        bill_nano=sum(found.bill_nano),
        savings=savings([int(one) for one in saved]),
        revenue_nano=Revenue(
            supplier=sums["supplier_nano"],
            network=sums["network_nano"],
            levy=sums["levy_nano"],
            service=sums["service_nano"],
            market=sums["trades_nano"] + sums["pool_nano"],
            standing=sum(found.standing_nano),
            tax=sum(found.tax_nano),
        ),
        energy=_energy(scenario, found),
        price=_price(found),
        surplus_nano=None if found.surplus is None else found.surplus.reached,
        surplus_maximum_nano=None if found.surplus is None else found.surplus.most,
    )


def savings(saved: Sequence[int]) -> Savings:
    """Measure how savings are spread over homes."""
    ordered = sorted(saved)
    return Savings(
        total=sum(ordered),
        quantiles={f"p{percent:02}": quantile(ordered, percent) for percent in QUANTILES},
        worst=ordered[0],
        best=ordered[-1],
        homes_better_off=sum(one > 0 for one in ordered),
        homes_worse_off=sum(one < 0 for one in ordered),
        gini=gini(ordered),
    )


def quantile(ordered: Sequence[int], percent: int) -> int:
    """Return the value that `percent` of 100 lie below: linear between neighbours, rounded down.

    Parameters
    ----------
    ordered
        In ascending order; at least one.
    """
    place, rest = divmod(percent * (len(ordered) - 1), 100)
    lower, upper = ordered[place], ordered[min(place + 1, len(ordered) - 1)]
    return lower + (upper - lower) * rest // 100


def gini(ordered: Sequence[int]) -> float | None:
    """Return Gini's coefficient of values in ascending order, or None unless all are positive.

    G = sum_i (2 i - n - 1) x_i / (n sum x), i from 1.

    References
    ----------
    .. [1] C. Dagum, "Gini Ratio," *The New Palgrave*, 1987.
    """
    if not ordered or ordered[0] <= 0:
        return None
    n = len(ordered)
    weighted = sum((2 * i - n - 1) * x for i, x in enumerate(ordered, 1))
    return weighted / (n * sum(ordered))


def _net(table: dict[str, Integers]) -> tuple[Integers, Integers]:
    """Return what homes drew and injected on balance. Shape of both: (n_deliveries, n_homes)."""
    net = table["export_wh"] - table["import_wh"]
    return np.maximum(-net, 0), np.maximum(net, 0)


def _energy(scenario: Scenario, found: Outcome) -> Energy:
    """Say how much neighbours had of each other, and what suppliers had to do."""
    drawn, injected = (side.sum(axis=1) for side in _net(found.table))
    residual = found.table["residual_wh"]
    # A seller who is short by more than all homes drew did not make anybody draw more.
    short = np.minimum(np.maximum(-residual, 0).sum(axis=1), drawn)
    long = np.minimum(np.maximum(residual, 0).sum(axis=1), injected)
    load = float(scenario.series.load_wh[day_rows(scenario)].sum())
    return Energy(
        traded_wh=sum(deal.quantity_wh for deal in found.deals),
        shared_wh=int((drawn - short).sum()),
        shareable_wh=int(np.minimum(drawn, injected).sum()),
        self_sufficiency=1 - float(short.sum()) / load if load else None,
        peak_import_w=round(int(short.max()) * HOUR / scenario.isp_us),
        peak_export_w=round(int(long.max()) * HOUR / scenario.isp_us),
    )


def _price(found: Outcome) -> Price:
    """Say what energy cost, network and levies apart."""
    traded = sum(deal.quantity_wh for deal in found.deals)
    value = sum(deal.quantity_wh * deal.buy_price for deal in found.deals)
    mean, deviation = spread(*paid(found))
    return Price(
        between_neighbours=value / traded if traded else None,
        paid=mean,
        deviation=deviation,
    )


def paid(found: Outcome) -> tuple[Integers, Integers]:
    """Return what homes paid for the energy that they drew, and that energy, by delivery.

    Of homes that drew more than they injected. Shape of both: (n_deliveries,). [nano-currency, Wh]
    """
    drawn, _ = _net(found.table)
    return np.where(drawn > 0, energy_nano(found.table), 0).sum(axis=1), drawn.sum(axis=1)


def paid_by_delivery(found: Outcome) -> list[float | None]:
    """Return what homes paid on average for what they drew; None where nobody drew anything."""
    return [
        int(nano) / int(energy) if energy else None
        for nano, energy in zip(*paid(found), strict=True)
    ]


def traded_by_delivery(found: Outcome, deliveries: int) -> list[tuple[int, float | None]]:
    """Return what was traded, and at which mean price for buyers, by delivery."""
    volume, value = [0] * deliveries, [0] * deliveries
    for deal in found.deals:
        volume[deal.place] += deal.quantity_wh
        value[deal.place] += deal.quantity_wh * deal.buy_price
    return [
        (energy, nano / energy if energy else None)
        for energy, nano in zip(volume, value, strict=True)
    ]


def spread(paid_nano: Integers, energy_wh: Integers) -> tuple[float | None, float | None]:
    """Return mean and standard deviation of prices, each weighing as much as its energy.

    Parameters
    ----------
    paid_nano, energy_wh
        What was paid for which energy. Shape (n,). [nano-currency, Wh]
    """
    some = energy_wh > 0
    if not some.any():
        return None, None
    weight: NDArray[np.float64] = energy_wh[some].astype(np.float64)
    price = paid_nano[some] / weight
    mean = float((weight * price).sum() / weight.sum())
    square = float((weight * (price - mean) ** 2).sum() / weight.sum())
    return mean, square**0.5
