"""What regimes came to over all seeds: means with their uncertainty, and how owners fare apart.

Prices are in cents per kWh from here on: figures are for people, the books are in integers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from wattbay.adapters.report.competed import Band, Estimate, Figures, Owners, Sales
from wattbay.simulation.competition.market import Account, Lived
from wattbay.simulation.competition.regimes import HOME, UTILITY
from wattbay.simulation.competition.world import STEPS_PER_DAY, Owner, World
from wattbay.simulation.study_game import estimate
from wattbay.units import NANO_PER_WH_IN_CENT_PER_KWH

CENT = NANO_PER_WH_IN_CENT_PER_KWH
BANDS = 3
"""Feed-in tariffs are told apart in so many parts of their span."""
QUANTILES = (5, 25, 50, 75, 95)
WH_PER_KWH = 1_000


class Drawn(NamedTuple):
    """What a seed came to."""

    world: World
    lived: Mapping[str, Lived]
    """By the name of the regime."""
    variants: Mapping[str, Drawn] = MappingProxyType({})
    """The same draws under other terms, by the name of what was changed."""


def over(drawn: Sequence[Drawn], value: Callable[[Drawn], float | None]) -> Estimate | None:
    """Return the mean over the seeds that have a value; None where none has."""
    values = [found for one in drawn if (found := value(one)) is not None]
    return Estimate(*estimate(values)) if values else None


def per_surplus(accounts: Sequence[Account]) -> float:
    """Return what owners have of a kWh of surplus, fees, losses and wear taken off. [c/kWh]

    Raises
    ------
    ZeroDivisionError
        If there was no surplus.
    """
    return sum(each.net for each in accounts) / sum(each.surplus_wh for each in accounts) / CENT


def net(name: str) -> Callable[[Drawn], float]:
    """Return the measure of what owners have of a kWh of surplus under a regime. [c/kWh]"""
    return lambda one: per_surplus(one.lived[name].accounts)


def gain(name: str, against: str) -> Callable[[Drawn], float]:
    """Return the measure of what owners have more than under another regime. [c/kWh]"""
    return lambda one: net(name)(one) - net(against)(one)


def most(name: str) -> Callable[[Drawn], float]:
    """Return the measure of what owners had if no aggregator kept, or lost, anything. [c/kWh]"""

    def value(one: Drawn) -> float:
        lived = one.lived[name]
        surplus_wh = sum(each.surplus_wh for each in lived.accounts)
        return per_surplus(lived.accounts) + sum(lived.books.margins) / surplus_wh / CENT

    return value


def per_sold(name: str, nano: Callable[[Lived], int]) -> Callable[[Drawn], float | None]:
    """Return a measure per kWh that was sold by auction; None where none was. [c/kWh]"""

    def value(one: Drawn) -> float | None:
        lived = one.lived[name]
        sold_wh = sum(each.sold_wh for each in lived.accounts)
        return nano(lived) / sold_wh / CENT if sold_wh else None

    return value


def each_owner(drawn: Sequence[Drawn], name: str, against: str | None = None) -> list[float]:
    """Return what each owner has of a kWh of surplus, or by how much more, of all seeds. [c/kWh]

    Who had no surplus at all is left out: there is nothing to share by.
    """
    found = []
    for one in drawn:
        base = one.lived[against].accounts if against else (None,) * len(one.world.owners)
        for account, other in zip(one.lived[name].accounts, base, strict=True):
            if account.surplus_wh:
                more = account.net - (other.net if other else 0)
                found.append(more / account.surplus_wh / CENT)
    return sorted(found)


def quantile(ordered: Sequence[float], percent: int) -> float:
    """Return a quantile of ordered values, between neighbours by their distance."""
    at = (len(ordered) - 1) * percent / 100
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def owners(drawn: Sequence[Drawn], name: str) -> Owners:
    """Return how owners fare apart."""
    alone, more = each_owner(drawn, name), each_owner(drawn, name, UTILITY.name)
    home = each_owner(drawn, name, HOME.name)
    return Owners(
        net=[quantile(alone, percent) for percent in QUANTILES],
        worst=alone[0],
        gain=[quantile(more, percent) for percent in QUANTILES],
        worst_gain=more[0],
        better_than_utility=sum(each > 0 for each in more) / len(more),
        better_than_home=sum(each > 0 for each in home) / len(home),
    )


def sales(drawn: Sequence[Drawn], name: str) -> Sales | None:
    """Return what aggregators bought; None where there was none."""

    def paid(lived: Lived) -> int:
        return sum(each.sold for each in lived.accounts)

    def improvement(one: Drawn) -> float | None:
        pairs = list(zip(one.lived[name].accounts, one.world.owners, strict=True))
        tariffs = sum(account.sold_wh * owner.tariff for account, owner in pairs)
        return 100 * (paid(one.lived[name]) / tariffs - 1) if tariffs else None

    def margin(lived: Lived) -> int:
        return sum(lived.books.margins)

    measures = (
        per_sold(name, paid),
        per_sold(name, lambda lived: lived.books.sold_worth),
        per_sold(name, lambda lived: lived.books.spikes),
        per_sold(name, margin),
        per_sold(name, lambda lived: margin(lived) + lived.books.extra),
        improvement,
    )
    found = [over(drawn, measure) for measure in measures]
    whole = [each for each in found if each is not None]
    return Sales(*whole) if len(whole) == len(found) else None


def sold_kwh(name: str) -> Callable[[Drawn], float]:
    """Return the measure of what a battery sells by auction in a day. [kWh]"""
    return lambda one: _a_day(one, sum(each.sold_wh for each in one.lived[name].accounts))


def home_kwh(name: str) -> Callable[[Drawn], float]:
    """Return the measure of what a battery gives its home in a day. [kWh]"""
    return lambda one: _a_day(one, sum(each.home_wh for each in one.lived[name].accounts))


def _a_day(one: Drawn, energy_wh: int) -> float:
    days = len(one.world.wholesale) / STEPS_PER_DAY
    return energy_wh / WH_PER_KWH / len(one.world.owners) / days


def utility_margin(name: str) -> Callable[[Drawn], float | None]:
    """Return the measure of what the utility has of a kWh that is fed in. [c/kWh]"""

    def value(one: Drawn) -> float | None:
        lived = one.lived[name]
        fed_wh = sum(each.fed_in_wh for each in lived.accounts)
        return lived.books.utility / fed_wh / CENT if fed_wh else None

    return value


def band_of(owner: Owner, low: int, high: int) -> int:
    """Return in which part of the span a feed-in tariff lies, from 0."""
    return min((owner.tariff - low) * BANDS // max(high - low, 1), BANDS - 1)


def bands(drawn: Sequence[Drawn], name: str, low: int, high: int) -> list[Band]:
    """Return what owners gain against the utility, by their feed-in tariffs."""

    def within(place: int) -> Callable[[Drawn], float | None]:
        def value(one: Drawn) -> float | None:
            here = [
                at
                for at, owner in enumerate(one.world.owners)
                if band_of(owner, low, high) == place
            ]
            found, base = (
                [one.lived[regime].accounts[at] for at in here] for regime in (name, UTILITY.name)
            )
            if not sum(each.surplus_wh for each in found):
                return None
            return per_surplus(found) - per_surplus(base)

        return value

    edges = [(low + (high - low) * place / BANDS) / CENT for place in range(BANDS + 1)]
    return [
        Band(edges[place], edges[place + 1], over(drawn, within(place))) for place in range(BANDS)
    ]


def figures(drawn: Sequence[Drawn], name: str, low: int, high: int) -> Figures:
    """Return all figures of a regime.

    Parameters
    ----------
    low, high
        Between what feed-in tariffs lie. [nano-currency per Wh]
    """

    def sure(value: Callable[[Drawn], float]) -> Estimate:
        return Estimate(*estimate([value(one) for one in drawn]))

    return Figures(
        net=sure(net(name)),
        most=sure(most(name)),
        gain=sure(gain(name, UTILITY.name)),
        gain_on_home=sure(gain(name, HOME.name)),
        sold_kwh=sure(sold_kwh(name)),
        home_kwh=sure(home_kwh(name)),
        utility_margin=over(drawn, utility_margin(name)),
        owners=owners(drawn, name),
        sales=sales(drawn, name),
        bands=bands(drawn, name, low, high),
    )
