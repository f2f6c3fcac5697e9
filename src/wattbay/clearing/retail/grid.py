"""How strained each zone of the grid is: the port, and the source that needs no power flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from wattbay.errors import ConfigError, Fault
from wattbay.ids import ZoneId
from wattbay.periods import Instant, to_text
from wattbay.units import PPM


class Step(NamedTuple):
    """What is paid on top from a strain on."""

    from_ppm: int
    """How much of the limit is used. [ppm]"""
    nano_per_wh: int
    """[nano-currency per Wh]"""


class GridSignal(Protocol):
    """Whoever knows how strained the grid is: limits and loads, or a power flow."""

    def strain_ppm(self, zone: ZoneId, delivery: Instant) -> int:
        """Return how much of a zone's limit is used in a delivery. [ppm]

        Raises
        ------
        ConfigError
            If it is not known of the zone or the delivery.
        """


@dataclass(frozen=True, slots=True)
class LoadsAndLimits:
    """Strain from what each zone draws and may draw, both given as integers: ``load / limit``.

    Who injects more than is drawn strains nothing here: the strain is never below zero. Quotients
    are rounded down.

    Raises
    ------
    ConfigError
        If a limit is not positive, or a zone has loads and no limit.
    """

    start: Instant
    """Of the first delivery that loads are given of."""
    isp_us: int
    limits_w: Mapping[ZoneId, int]
    """The most that a zone may draw. [W]"""
    loads_w: Mapping[ZoneId, Sequence[int]]
    """What it is expected to draw, delivery by delivery. Shape of each: (n_deliveries,). [W]"""

    def __post_init__(self) -> None:
        """Check the limits."""
        faults = [
            Fault(f"zone {zone}", f"its limit is {limit} W", "a positive limit")
            for zone, limit in sorted(self.limits_w.items())
            if limit <= 0
        ]
        faults += [
            Fault(f"zone {zone}", "has loads and no limit", "give its limit in W")
            for zone in sorted(self.loads_w.keys() - self.limits_w.keys())
        ]
        if faults:
            raise ConfigError(*faults)

    def strain_ppm(self, zone: ZoneId, delivery: Instant) -> int:
        """Return how much of a zone's limit is used in a delivery. [ppm]

        Raises
        ------
        ConfigError
            If no load is given of the zone or the delivery.
        """
        place, rest = divmod(delivery - self.start, self.isp_us)
        loads = self.loads_w.get(zone, ())
        if rest or not 0 <= place < len(loads):
            what = f"its load at {to_text(delivery)} is not known"
            raise ConfigError(Fault(f"zone {zone}", what, "give a load for each delivery"))
        return max(0, loads[place]) * PPM // self.limits_w[zone]
