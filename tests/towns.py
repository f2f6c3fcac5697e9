"""Whole towns in memory: a scenario lived through, and what is left of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from wattbay.assembly.simulated import COMMANDS_WAITING_MAX
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.intake import SimulatedIntake
from wattbay.kernel.journal import Journal, MemoryJournal
from wattbay.kernel.kernel import Kernel, Reader
from wattbay.simulation.founding import founded_at
from wattbay.simulation.scenario_facts import Scenario
from wattbay.simulation.town import Town, operator_desk
from wattbay.views.market import Auctions
from wattbay.views.meters import MeterKeys
from wattbay.views.tables import Row, Tables


class Lived(NamedTuple):
    """A town after its last final run."""

    kernel: Kernel
    journal: Journal
    town: Town
    rows: dict[str, list[Row]]
    """Of each table of a run folder."""

    @property
    def head(self) -> str:
        """Hash of the last entry. [64 hex digits]"""
        return self.journal.head.hex()


def lived(scenario: Scenario, readers: Iterable[Reader] = ()) -> Lived:
    """Let a scenario be lived through in memory."""
    journal, tables = MemoryJournal(), Tables()
    auctions, keys = Auctions(scenario.product.product), MeterKeys()
    desks = operator_desk(scenario)
    kernel = Kernel(
        journal, SimulatedClock(founded_at(scenario)), [tables, auctions, keys, *desks, *readers]
    )
    town = Town(scenario, SimulatedIntake(kernel, COMMANDS_WAITING_MAX), auctions, keys, *desks)
    for _ in town.run():
        pass
    tables.finish()
    return Lived(kernel, journal, town, tables.take())
