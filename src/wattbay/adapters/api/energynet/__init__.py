"""EnergyNet: its twelve endpoints as its documents name them, on this market."""

from __future__ import annotations

from wattbay.adapters.api.energynet.production import section as production
from wattbay.adapters.api.energynet.trades import section as trades
from wattbay.adapters.api.sections import Section

sections: tuple[Section, ...] = (trades, production)
"""What is offered."""
