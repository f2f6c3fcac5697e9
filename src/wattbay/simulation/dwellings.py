"""What flows behind the meters of all homes in a delivery: demand, panels, batteries.

During a delivery a battery serves its home: it stores what is over and gives what is missing, as
without a market. Besides, it gives what was sold from it and takes what was bought for it, within
the leave that the home's agent gives. Where the home deviates otherwise from what it traded, the
battery lets it: see `wattbay.agents.battery`. Of its charge, what came from the home's panels is
counted apart, and only that is ever exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wattbay.ids import PodId
from wattbay.periods import Instant
from wattbay.simulation.battery import batteries_of, operate
from wattbay.simulation.scenario_facts import Home

Array = NDArray[np.float64]


class Flows(NamedTuple):
    """What flows in one delivery. Shapes (n_homes,). [Wh]"""

    load_wh: Array
    pv_wh: Array
    charge_wh: Array
    discharge_wh: Array
    soc_wh: Array
    """State of charge at its end."""
    solar_wh: Array
    """What of that came from the home's own panels."""

    @property
    def import_wh(self) -> Array:
        """What the homes draw from the grid."""
        return np.maximum(-self._net_wh(), 0.0)

    @property
    def export_wh(self) -> Array:
        """What the homes inject into the grid."""
        return np.maximum(self._net_wh(), 0.0)

    def _net_wh(self) -> Array:
        return self.pv_wh + self.discharge_wh - self.load_wh - self.charge_wh


class Leave(NamedTuple):
    """What batteries may do for others than their homes in a delivery. Shapes (n_homes,). [Wh]"""

    keep_wh: Array
    """Below this charge nothing is given to others, and own surplus is stored first."""
    fill_wh: Array
    """Above this charge nothing is drawn from the grid."""
    give_wh: Array
    """The most that is given to others."""

    @classmethod
    def none(cls, homes: int) -> Leave:
        """Return leave for nothing."""
        return cls(np.zeros(homes), np.zeros(homes), np.zeros(homes))


class Dwellings:
    """The batteries of all homes, from delivery to delivery."""

    __slots__ = ("_batteries", "_energies", "_pods", "soc_wh", "solar_wh")

    def __init__(self, homes: Sequence[Home], isp_us: int) -> None:
        """Begin with the batteries as they stand. Of what they hold, nothing counts as solar."""
        self._batteries = batteries_of(homes, isp_us)
        self._pods = [home.pod for home in homes]
        self._energies = np.zeros((4, len(homes)))
        self.soc_wh: Array = self._batteries.start_wh.copy()
        """State of charge at the end of the last delivery. Shape (n_homes,). [Wh]"""
        self.solar_wh: Array = np.zeros(len(homes))
        """What of it came from the home's own panels. Shape (n_homes,). [Wh]"""

    def flows(self, load_wh: Array, pv_wh: Array, position_wh: Array, leave: Leave) -> Flows:
        """Return what flows in the next delivery; changes nothing.

        Parameters
        ----------
        load_wh, pv_wh
            Demand, and output of the panels. Shape (n_homes,). [Wh]
        position_wh
            What each home has sold minus what it has bought. Shape (n_homes,). [Wh]
        leave
            What their batteries may do for others.
        """
        batteries, soc, solar = self._batteries, self.soc_wh, self.solar_wh
        surplus = pv_wh - load_wh
        wanted = surplus - position_wh
        own = np.maximum(-surplus, 0.0)
        spare = np.maximum(np.minimum(solar, soc - leave.keep_wh), 0.0) * batteries.efficiency
        spare = np.minimum(spare, leave.give_wh)
        over = np.maximum(surplus, 0.0)
        short = np.maximum(leave.fill_wh - soc - over, 0.0)
        first = np.minimum(np.maximum(leave.keep_wh - soc, 0.0), over)
        wanted = np.where(first > 0, np.maximum(wanted, first), wanted)
        flow = operate(batteries, soc, np.clip(wanted, -(own + spare), over + short))
        stored_solar = np.minimum(flow.charge_wh, over)
        served = np.minimum(flow.discharge_wh, own)
        exported = flow.discharge_wh - served
        # What the home itself takes from its battery is bought energy first, solar then.
        bought = np.maximum(soc - solar, 0.0)
        taken = np.maximum(served / batteries.efficiency - bought, 0.0)
        left = solar + stored_solar - exported / batteries.efficiency - taken
        solar_after = np.minimum(np.maximum(left, 0.0), flow.soc_wh)
        return Flows(load_wh, pv_wh, flow.charge_wh, flow.discharge_wh, flow.soc_wh, solar_after)

    def settle(self, flows: Flows) -> None:
        """Let a delivery be over."""
        self.soc_wh = flows.soc_wh
        self.solar_wh = flows.solar_wh

    def rows(
        self, delivery: Instant, flows: Flows
    ) -> list[tuple[Instant, PodId, int, int, int, int, int]]:
        """Return what flowed in a delivery in whole Wh, a row a home; rounding never accumulates.

        Columns: delivery, pod, load, pv, charge, discharge, state of charge at its end.
        """
        before = np.rint(self._energies)
        self._energies += (flows.load_wh, flows.pv_wh, flows.charge_wh, flows.discharge_wh)
        whole = (np.rint(self._energies) - before).astype(np.int64).tolist()
        soc = np.rint(flows.soc_wh).astype(np.int64).tolist()
        return list(zip([delivery] * len(soc), self._pods, *whole, soc, strict=True))
