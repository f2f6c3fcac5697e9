"""What flows behind the meters of all homes in a delivery: demand, panels, batteries.

During a delivery a battery follows what its home has traded: it takes what is over and gives what
is missing, so that the home deviates from its position only where the battery cannot help, or where
the home would have to give away what it needs itself. Where nothing was traded, that is plain
self-consumption. Of its charge, what came from the home's panels is counted apart, and only that is
ever exported.
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

    def flows(
        self,
        load_wh: Array,
        pv_wh: Array,
        position_wh: Array,
        keep_wh: Array,
        fill_wh: Array,
    ) -> Flows:
        """Return what flows in the next delivery; changes nothing.

        Parameters
        ----------
        load_wh, pv_wh
            Demand, and output of the panels. Shape (n_homes,). [Wh]
        position_wh
            What each home has sold minus what it has bought. Shape (n_homes,). [Wh]
        keep_wh, fill_wh
            Below the one nothing is given to others, above the other nothing is drawn from the
            grid. Shape (n_homes,). [Wh]
        """
        batteries, soc, solar = self._batteries, self.soc_wh, self.solar_wh
        surplus = pv_wh - load_wh
        wanted = surplus - position_wh
        own = np.maximum(-surplus, 0.0)
        spare = np.maximum(np.minimum(solar, soc - keep_wh), 0.0) * batteries.efficiency
        over = np.maximum(surplus, 0.0)
        short = np.maximum(fill_wh - soc - over, 0.0)
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
