"""What devices counted, from their stored readings.

Energy of an inverter or a turbine is the advance of its own register between two stored readings;
where one of the two is missing, it is not known, and nothing is put in its place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from wattbay.core.exchange import State
from wattbay.core.facts import DeviceKind
from wattbay.ids import CommunityId, MeterId, PodId
from wattbay.kernel.evidence import Reading, ReadingStore
from wattbay.periods import SECOND, Instant, Period

MAKERS = frozenset({DeviceKind.PV_INVERTER, DeviceKind.WIND_TURBINE, DeviceKind.POWER_UNIT})
"""Devices whose export register counts what they make."""
NEAR_US = 30 * SECOND
"""How far from a boundary a reading may be stamped and still tell of it. [µs]"""


class Source(NamedTuple):
    """A device behind a pod, and what its registers mean."""

    device: MeterId
    kind: DeviceKind
    pod: PodId
    unit_wh: int
    """Energy of one register unit. [Wh]"""
    digits: int | None
    """After which a register rolls over; None where it is not known to."""
    power_max_w: int

    @property
    def is_maker(self) -> bool:
        """Whether its export register counts what it makes."""
        return self.kind in MAKERS


class Energy(NamedTuple):
    """What a device counted in a period. [Wh]"""

    import_wh: int
    export_wh: int


def sources(state: State, pods: Collection[PodId]) -> Iterator[Source]:
    """Yield the meters in use of some pods and the devices behind them; revoked ones not."""
    known = state.registry
    for pod in sorted(pods):
        metering = state.metering.pods.get(pod)
        if metering is not None and metering.meter not in known.revoked:
            meter = state.metering.meters[metering.meter].meter
            yield Source(
                meter.meter, DeviceKind.METER, pod, meter.unit_wh, meter.digits, meter.power_max_w
            )
    for name, device in known.devices.items():
        pod_of = device.pod
        if pod_of is not None and pod_of in pods and name not in known.revoked:
            yield Source(name, device.kind, pod_of, device.unit_wh, None, device.power_max_w)


def is_maker_behind(state: State, pod: PodId) -> bool:
    """Tell whether something behind a pod counts what it makes."""
    known = state.registry
    return any(
        device.pod == pod and device.kind in MAKERS and name not in known.revoked
        for name, device in known.devices.items()
    )


def reading_at(
    store: ReadingStore, community: CommunityId, device: MeterId, at: Instant
) -> Reading | None:
    """Return the reading that tells of a boundary: at it, else the nearest within `NEAR_US`."""
    exact = Period(at, Instant(at + 1))
    for reading in store.of_device(community, device, exact):
        return reading
    about = Period(Instant(at - NEAR_US), Instant(at + NEAR_US + 1))
    near = store.of_device(community, device, about)
    return min(near, key=lambda one: (abs(one.measured_at - at), one.measured_at), default=None)


def advance(source: Source, before: Reading, after: Reading) -> Energy | None:
    """Return what a device counted between two readings; None where a register went back."""
    counted = [
        _advance(source, before.import_register, after.import_register),
        _advance(source, before.export_register, after.export_register),
    ]
    imported, exported = counted
    if imported is None or exported is None:
        return None
    return Energy(imported * source.unit_wh, exported * source.unit_wh)


def _advance(source: Source, before: int, after: int) -> int | None:
    """Return by how much a register rose, over its rollover where it has one."""
    if after >= before:
        return after - before
    if source.digits is None:
        return None
    risen = after - before + 10**source.digits
    # Half the register in one go is no rollover: the register was set back.
    return risen if 2 * risen < 10**source.digits else None
