"""What is kept of meters: totals at boundaries, readings seen, energies of recent deliveries.

For each pod one account of what it has drawn and injected since it was connected ("totals"),
across rollovers and meter exchanges, at the delivery boundaries where a register is known. What
readings mean is decided in `wattbay.core.metering`.
"""

from __future__ import annotations

from bisect import bisect_right

from msgspec import Struct, field

from wattbay.core import events as e
from wattbay.core.events import EnergyMetered
from wattbay.core.facts import Meter, PodFacts, Quality
from wattbay.ids import MeterId, PodId
from wattbay.periods import WEEK, Instant

READINGS_REMEMBERED_MAX = 1_000
"""Readings of one meter whose boot and seq are known. What repeats an older one is refused, too:
the register at its boundary is known, or its delivery is final."""


class Total(Struct, frozen=True, gc=False):
    """What a pod has drawn and injected since it was connected, at a delivery boundary. [Wh]"""

    at: Instant
    import_wh: int
    export_wh: int
    quality: Quality


class MeterInUse(Struct):
    """A meter behind a pod, and the pod's totals when it was put in."""

    meter: Meter
    pod: PodId
    since: Instant
    until: Instant | None
    import_wh: int
    export_wh: int
    seen: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """By boot and seq: stamp and registers of each reading that was accepted."""


class PodMetering(Struct):
    """The totals of a pod that still matter."""

    meter: MeterId
    """The meter now in use."""
    totals: list[Total]
    """By boundary; the first is the last known one at or before the oldest open delivery."""
    final_import_wh: int = 0
    """Of the gap after the first total: what final deliveries took as estimates."""
    final_export_wh: int = 0


class Metering(Struct):
    """Meters, totals, and the energies of recent deliveries."""

    meters: dict[MeterId, MeterInUse] = field(default_factory=dict)
    pods: dict[PodId, PodMetering] = field(default_factory=dict)
    energy: dict[Instant, dict[PodId, EnergyMetered]] = field(default_factory=dict)
    """By delivery, for a week and until it is final: estimates look back."""
    final_until: Instant = Instant(-(2**53))
    """Deliveries that start before this are final."""
    seats: dict[Instant, tuple[int, int]] = field(default_factory=dict)
    """Of each listed delivery: its place in the local day, and how many the day has."""


def boundary_of(total: Total) -> Instant:
    """Return the boundary of a total."""
    return total.at


# --- changes ---------------------------------------------------------------------------------


def connect(metering: Metering, facts: PodFacts, meter: Meter) -> None:
    """Start the totals of a pod at zero."""
    use = MeterInUse(
        meter=meter, pod=facts.pod, since=facts.since, until=None, import_wh=0, export_wh=0
    )
    metering.meters[meter.meter] = use
    first = Total(facts.since, 0, 0, Quality.MEASURED)
    metering.pods[facts.pod] = PodMetering(meter=meter.meter, totals=[first])


def accept(metering: Metering, event: e.ReadingAccepted) -> None:
    """Keep a total and remember the reading."""
    use = metering.meters[event.meter]
    seen = use.seen
    if len(seen) >= READINGS_REMEMBERED_MAX:
        del seen[next(iter(seen))]
    seen[event.boot << 32 | event.seq] = (
        event.measured_at,
        event.import_register,
        event.export_register,
    )
    total = Total(event.boundary, event.import_wh, event.export_wh, event.quality)
    pod = metering.pods[event.pod]
    known = pod.totals
    if event.boundary > known[-1].at:
        known.append(total)
    else:
        known.insert(bisect_right(known, event.boundary, key=boundary_of), total)


def exchanged(metering: Metering, event: e.MeterExchanged) -> None:
    """Go on with the new meter from the totals at which the old one ended."""
    pod = metering.pods[event.pod]
    metering.meters[pod.meter].until = event.at
    metering.meters[event.meter.meter] = MeterInUse(
        meter=event.meter,
        pod=event.pod,
        since=event.at,
        until=None,
        import_wh=event.final_import,
        export_wh=event.final_export,
    )
    pod.meter = event.meter.meter


def meter_energy(metering: Metering, event: EnergyMetered) -> None:
    """Keep the energy of a period."""
    energies = metering.energy.get(event.delivery)
    if energies is None:
        energies = metering.energy[event.delivery] = {}
    energies[event.pod] = event
    if event.delivery < metering.final_until:
        pod = metering.pods[event.pod]
        if pod.totals[0].at <= event.delivery:  # A correction inside a gap that is still open.
            pod.final_import_wh += event.import_wh - event.before_import_wh
            pod.final_export_wh += event.export_wh - event.before_export_wh


def close_delivery(metering: Metering, delivery: Instant, isp_us: int) -> None:
    """Let a delivery be final: older totals go, and what a gap took as estimates is summed."""
    end = Instant(delivery + isp_us)
    energies = metering.energy.get(delivery, {})
    metering.final_until = end
    metering.seats.pop(delivery, None)
    for name, pod in metering.pods.items():
        totals = pod.totals
        while len(totals) > 1 and totals[1].at <= end:
            del totals[0]
            pod.final_import_wh = pod.final_export_wh = 0
        # The next known total may still lie before this delivery.
        if totals[0].at <= delivery and name in energies:
            pod.final_import_wh += energies[name].import_wh
            pod.final_export_wh += energies[name].export_wh
    old, energy = end - WEEK, metering.energy
    while energy and (first := next(iter(energy))) < old:
        del energy[first]
