"""The file that founds a live community: the market's part of a scenario, without homes or days."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from wattbay.core.commands import (
    Command,
    DefineProduct,
    DefineTariff,
    OpenCommunity,
    RegisterParty,
)
from wattbay.errors import ConfigError
from wattbay.ids import CommunityId
from wattbay.periods import Calendar
from wattbay.simulation import scenario_file, scenario_parts


class Founding(NamedTuple):
    """A community that is to be founded."""

    community: CommunityId
    calendar: Calendar
    commands: list[Command]
    """In the order in which they can be decided."""


def read_founding(path: Path) -> Founding:
    """Read a file with the tables community, time, zone, supplier, tariff, product and run.

    Raises
    ------
    ConfigError
        Bears everything that is wrong, each with file and line.
    """
    source, root = scenario_file.read(path)
    time = root.table("time")
    calendar, isp_us = scenario_parts.read_calendar(time), scenario_parts.read_isp(time)
    market = scenario_parts.read_market(root, calendar, isp_us)
    root.finish()
    if isp_us is None or source.faults:
        raise ConfigError(*source.faults)
    community = market.community
    commands: list[Command] = [
        OpenCommunity(
            community=community.id,
            currency=community.currency,
            minor_digits=community.minor_digits,
            isp_us=isp_us,
            runs=market.runs,
        )
    ]
    parties = scenario_parts.merged((*community.operators, *market.suppliers))
    commands += [RegisterParty(party=party) for party in parties]
    commands += [DefineTariff(tariff=tariff) for tariff in market.retail.tariffs]
    commands.append(DefineProduct(product=market.product))
    return Founding(community.id, calendar, commands)
