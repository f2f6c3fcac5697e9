"""What meters and sensors report of the grid, by zone, and what nobody reports.

Nothing here is computed from a model of the network: voltages stand where a device measured one,
and what is silent is counted as silent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from heapq import heappop, heappush
from typing import NamedTuple

from wattbay.core.exchange import State
from wattbay.core.facts import DeviceKind
from wattbay.core.registry import facts_at
from wattbay.ids import MeterId, PodId, ZoneId
from wattbay.kernel.evidence import Reading
from wattbay.periods import MINUTE, Instant

NOWHERE = ZoneId("")
"""Stands for a sensor of which no zone is known."""
FRESH_US = 15 * MINUTE
"""A reading that is older than this says nothing about now. [µs]"""
NOMINAL_MV = 230_000
BAND_PPM = 100_000
"""How far a voltage may be from the nominal one, in either direction: EN 50160. [ppm]"""


class Place(NamedTuple):
    """Where a device stands."""

    device: MeterId
    kind: DeviceKind
    zone: ZoneId
    pod: PodId | None


class Band(NamedTuple):
    """Between which voltages a low-voltage grid is kept."""

    low_mv: int
    high_mv: int

    def __contains__(self, voltage_mv: object) -> bool:
        """Tell whether a voltage keeps to it; both ends do."""
        return isinstance(voltage_mv, int) and self.low_mv <= voltage_mv <= self.high_mv


def band_of(nominal_mv: int = NOMINAL_MV, width_ppm: int = BAND_PPM) -> Band:
    """Return the band about a nominal voltage."""
    width_mv = nominal_mv * width_ppm // 1_000_000
    return Band(nominal_mv - width_mv, nominal_mv + width_mv)


class Voltages(NamedTuple):
    """Voltages that were measured, of which there is at least one. [mV]"""

    lowest_mv: int
    mean_mv: int
    """Rounded down."""
    highest_mv: int
    samples: int


class ZoneNow(NamedTuple):
    """What is reported of a zone; None where nobody reports it."""

    zone: ZoneId
    pods: int
    """Connected now."""
    pods_heard: int
    """Of which a meter told its power lately."""
    import_w: int | None
    """What those together draw from the grid, set off against nothing. [W]"""
    export_w: int | None
    voltages: Voltages | None
    sensor_power_w: int | None
    """Sum of what sensors of the grid tell; into the grid is positive. [W]"""
    oldest: Instant | None
    """The oldest reading that counts here."""
    newest: Instant | None
    silent: tuple[MeterId, ...]
    """Devices that told nothing lately, or nothing ever; by name."""


def places(state: State, at: Instant) -> Iterator[Place]:
    """Yield the meters in use and the sensors of the grid, with their zones; revoked ones not."""
    known = state.registry
    for pod, metering in state.metering.pods.items():
        facts = facts_at(known, pod, at)
        if facts is not None and metering.meter not in known.revoked:
            yield Place(metering.meter, DeviceKind.METER, facts.zone, pod)
    for name, device in known.devices.items():
        if device.kind is DeviceKind.GRID_SENSOR and name not in known.revoked:
            facts = None if device.pod is None else facts_at(known, device.pod, at)
            zone = device.zone if facts is None else facts.zone
            yield Place(name, device.kind, NOWHERE if zone is None else zone, device.pod)


def zones_now(
    state: State, latest: Mapping[MeterId, Reading], at: Instant, fresh_us: int = FRESH_US
) -> list[ZoneNow]:
    """Return what is reported of each zone, by name.

    Parameters
    ----------
    latest
        The last reading of each device.
    fresh_us
        How old a reading may be and still count. [µs]
    """
    by_zone: defaultdict[ZoneId, list[Place]] = defaultdict(list)
    for place in places(state, at):
        by_zone[place.zone].append(place)
    return [_zone(zone, by_zone[zone], latest, at - fresh_us) for zone in sorted(by_zone)]


def _zone(
    zone: ZoneId, devices: Iterable[Place], latest: Mapping[MeterId, Reading], since: int
) -> ZoneNow:
    """Add up what the devices of a zone tell."""
    silent: list[MeterId] = []
    heard: list[Instant] = []
    powers: list[int] = []
    sensed: list[int] = []
    voltages: list[int] = []
    pods = 0
    for place in devices:
        pods += place.kind is DeviceKind.METER
        reading = latest.get(place.device)
        if reading is None or reading.measured_at < since:
            silent.append(place.device)
            continue
        heard.append(reading.measured_at)
        if reading.power_w is not None:
            (powers if place.kind is DeviceKind.METER else sensed).append(reading.power_w)
        if reading.voltage_mv is not None:
            voltages.append(reading.voltage_mv)
    return ZoneNow(
        zone=zone,
        pods=pods,
        pods_heard=len(powers),
        import_w=-sum(power for power in powers if power < 0) if powers else None,
        export_w=sum(power for power in powers if power > 0) if powers else None,
        voltages=voltages_of(voltages),
        sensor_power_w=sum(sensed) if sensed else None,
        oldest=min(heard, default=None),
        newest=max(heard, default=None),
        silent=tuple(sorted(silent)),
    )


def voltages_of(measured_mv: list[int]) -> Voltages | None:
    """Return lowest, mean and highest of measured voltages; None where there are none."""
    if not measured_mv:
        return None
    count = len(measured_mv)
    return Voltages(min(measured_mv), sum(measured_mv) // count, max(measured_mv), count)


WORST_MAX = 100
"""Violations that are told one by one."""


class Violation(NamedTuple):
    """A voltage outside its band, as it was measured."""

    device: MeterId
    zone: ZoneId
    measured_at: Instant
    voltage_mv: int


class Steadiness:
    """Counts how the voltages that devices measured kept to a band."""

    def __init__(self, devices: Iterable[Place], band: Band) -> None:
        """Begin without a voltage.

        Parameters
        ----------
        devices
            All that could have measured; readings of others do not count.
        """
        self._places = {place.device: place for place in devices}
        self._band = band
        self._seen: set[tuple[MeterId, Instant]] = set()
        self._heard: set[MeterId] = set()
        self._worst: list[tuple[int, Instant, MeterId, int]] = []
        """A heap, least bad first: how far beyond, when (later first), whose, and what. [mV]"""
        self.violations = 0

    @property
    def samples(self) -> int:
        """How many voltages were measured."""
        return len(self._seen)

    @property
    def devices(self) -> int:
        """How many devices could have measured."""
        return len(self._places)

    @property
    def devices_heard(self) -> int:
        """How many told at least one voltage."""
        return len(self._heard)

    def add(self, reading: Reading) -> None:
        """Count a reading once, if it tells a voltage."""
        voltage, key = reading.voltage_mv, (reading.device, reading.measured_at)
        if voltage is None or reading.device not in self._places or key in self._seen:
            return
        self._seen.add(key)
        self._heard.add(reading.device)
        if voltage in self._band:
            return
        self.violations += 1
        beyond = max(self._band.low_mv - voltage, voltage - self._band.high_mv)
        heappush(self._worst, (beyond, Instant(-reading.measured_at), reading.device, voltage))
        if len(self._worst) > WORST_MAX:
            heappop(self._worst)

    def worst(self) -> list[Violation]:
        """Return those furthest from the band, furthest first; of equals the earlier."""
        return [
            Violation(device, self._places[device].zone, Instant(-before), voltage)
            for _, before, device, voltage in sorted(self._worst, reverse=True)
        ]
