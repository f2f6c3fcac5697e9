"""The first entries of a simulated community: how a scenario becomes commands."""

from __future__ import annotations

from collections.abc import Sequence

from wattbay.core.commands import (
    Command,
    DefineProduct,
    DefineProfile,
    DefineTariff,
    DepositMoney,
    ListDeliveries,
    OpenCommunity,
    RegisterParty,
    RegisterPod,
)
from wattbay.core.facts import Meter, PodFacts
from wattbay.periods import DAY, HOUR, Instant
from wattbay.simulation.retail import called, publications
from wattbay.simulation.scenario_facts import Scenario

LISTED_BEFORE_US = HOUR
"""How long before the first gate of a day opens its deliveries are listed. [µs]"""
FOUNDED_BEFORE_US = DAY
"""How long before the first listing a community is founded. [µs]"""


def founded_at(scenario: Scenario) -> Instant:
    """Return when a community is founded: a day before anything can be traded."""
    return Instant(listed_at(scenario, scenario.start) - FOUNDED_BEFORE_US)


def listed_at(scenario: Scenario, day_start: Instant) -> Instant:
    """Return when the deliveries of a local day are listed: before their gates open."""
    return Instant(day_start - scenario.product.opens_before_us - LISTED_BEFORE_US)


def founding(
    scenario: Scenario, meters: Sequence[Meter], since: Instant | None = None
) -> list[Command]:
    """Return the commands that found a community, in the order in which they can be decided.

    Parameters
    ----------
    meters
        One a home, as they are put in.
    since
        Pods are connected from then on; otherwise from the first delivery on.
    """
    found: list[Command] = [
        OpenCommunity(
            community=scenario.community,
            currency=scenario.currency,
            minor_digits=scenario.minor_digits,
            isp_us=scenario.isp_us,
            runs=scenario.runs,
        )
    ]
    found += [RegisterParty(party=party) for party in scenario.parties]
    found += [DefineTariff(tariff=tariff) for tariff in scenario.tariffs]
    found += [DefineProfile(profile=name, weights=weights) for name, weights in scenario.profiles]
    found.append(DefineProduct(product=scenario.product))
    for home, meter in zip(scenario.homes, meters, strict=True):
        facts = PodFacts(
            pod=home.pod,
            since=scenario.start if since is None else since,
            party=home.party,
            zone=home.zone,
            supplier=home.supplier,
            brp=home.brp,
            tariff=home.tariff,
            import_profile=home.import_profile,
            export_profile=home.export_profile,
            yearly_import_wh=home.yearly_import_wh,
            yearly_export_wh=home.yearly_export_wh,
        )
        found.append(RegisterPod(facts=facts, meter=meter))
    parties = {home.pod: home.party for home in scenario.homes}
    found += [
        DepositMoney(pod=pod, party=parties[pod], amount_nano=amount_nano)
        for pod, amount_nano in scenario.deposits
    ]
    return found


def listings(scenario: Scenario) -> list[tuple[Instant, list[Command]]]:
    """Return when each local day is listed, and by which commands; by instant.

    What varying tariffs cost on that day is published first, and called for what is called for, so
    that everybody orders knowing it.
    """
    return [
        (
            listed_at(scenario, period.start),
            [
                *prices,
                *calls,
                ListDeliveries(
                    product=scenario.product.product,
                    day=day.isoformat(),
                    start=period.start,
                    count=period.length_us // scenario.isp_us,
                ),
            ],
        )
        for (day, period), prices, calls in zip(
            scenario.days, publications(scenario), called(scenario), strict=True
        )
    ]
