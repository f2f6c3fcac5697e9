"""EnergyNet: its twelve endpoints as its documents name them, on this market."""

from __future__ import annotations

from wattbay.adapters.api.energynet import demand, grid, production, trades
from wattbay.adapters.api.sections import Section

modules = (trades, production, grid, demand)
"""In which the endpoints stand; the demand response is of the section of the grid."""
sections: tuple[Section, ...] = (trades.section, production.section, grid.section)
"""What is offered."""
