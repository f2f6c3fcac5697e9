"""EnergyNet's grid: what is reported of it, and what the grid operator does about it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from math import trunc

from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.roles import Permission
from wattbay.adapters.api.aggregates import HOMES_MIN
from wattbay.adapters.api.answers import answer, read
from wattbay.adapters.api.callers import node_of
from wattbay.adapters.api.energynet import examples
from wattbay.adapters.api.energynet.amounts import as_written, energy_inward_wh
from wattbay.adapters.api.energynet.grid_models import (
    ActivationTold,
    ActivationWanted,
    BalanceTold,
    BalanceWanted,
    GridStatus,
    LimitWanted,
    Stability,
    ViolationTold,
    VoltagesTold,
    ZoneTold,
)
from wattbay.adapters.api.energynet.measured import boundary_before
from wattbay.adapters.api.energynet.own import (
    GridOperator,
    GridReader,
    Span,
    done,
    isp_of,
    party_for,
    seconds,
    wrong,
)
from wattbay.adapters.api.forms import instant_of, maybe_instant
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.problems import not_found, refused
from wattbay.adapters.api.repeats import recorded
from wattbay.adapters.api.sections import Section
from wattbay.core.commands import ActivateEnergy, SubmitLimit
from wattbay.core.events import Rejected
from wattbay.core.facts import LimitTerm, NetworkLimit, Role
from wattbay.core.registry import facts_at
from wattbay.ids import MeterId, PartyId, PodId, ZoneId
from wattbay.kernel.evidence import Reading
from wattbay.periods import DAY, HOUR, MINUTE, Instant, to_text
from wattbay.views.grid import (
    NOWHERE,
    Steadiness,
    Voltages,
    ZoneNow,
    band_of,
    places,
    zones_now,
)

section = Section(
    "EnergyNet: grid",
    "What meters and sensors report of the grid, and what the grid operator does about it.",
)

SILENT_SHOWN_MAX = 100
INSTANTS_MAX = 96
"""Instants of a span at which stored voltages are looked up."""
STEPS_US = (MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR)
"""How far apart those are: the shortest that does."""
SPAN_MAX_US = 4 * DAY
NO_FREQUENCY = "Frequency: no device here measures it."
FEW_HOMES = "Power of fewer than five homes, and which of them are silent: not told to you."
NO_FLOW = "Power flow: not computed; voltages stand where a device measured them, and only there."


# --- status ----------------------------------------------------------------------------------


@section.get(
    "/grid/status",
    needs=(Permission.READ_GRID,),
    answer=GridStatus,
    gives=examples.GRID,
)
async def grid_status(request: Request, identity: GridReader) -> Response:
    """Tell what meters and sensors report of the grid, zone by zone.

    A reading counts for fifteen minutes. Nothing is computed from a model of the network; what
    nobody reports is null, and `notKnown` names it. Who does not operate the grid is told no power
    of fewer than five homes, and none of their names.
    """
    node = node_of(request)
    state, at = node.state(), node.clock.now()
    zones = zones_now(state, node.latest.all(), at)
    sees_homes = identity.may(Permission.OPERATE_GRID) or identity.may(Permission.READ_ALL)
    if not sees_homes:
        zones = [_without_homes(one) for one in zones]
    measured = [
        (one.voltages.mean_mv, one.voltages.samples) for one in zones if one.voltages is not None
    ]
    samples = sum(count for _, count in measured)
    mean_mv = sum(mean * count for mean, count in measured) // samples if samples else None
    told = GridStatus(
        at=to_text(at),
        frequency=None,
        voltage=None if mean_mv is None else _volts(mean_mv),
        demand=_kilowatts([one.import_w for one in zones]),
        supply=_kilowatts([one.export_w for one in zones]),
        zones=tuple(_zone_told(one, at, is_named=sees_homes) for one in zones),
        limits=sum(limit.until > at for limit in state.market.limits),
        not_known=(
            *_not_known(zones),
            *(() if sees_homes else (FEW_HOMES,)),
            NO_FREQUENCY,
            NO_FLOW,
        ),
    )
    return answer(told)


def _without_homes(one: ZoneNow) -> ZoneNow:
    """Return a zone by which no home is recognised."""
    if one.pods_heard < HOMES_MIN:
        return one._replace(import_w=None, export_w=None)
    return one


def _volts(voltage_mv: int) -> float:
    return voltage_mv / 1_000


def _kilowatts(powers_w: list[int | None]) -> float | None:
    """Return the sum of what is known; None where nothing is. [kW]"""
    known = [one for one in powers_w if one is not None]
    return sum(known) / 1_000 if known else None


def _not_known(zones: list[ZoneNow]) -> list[str]:
    """Say what zones do not report."""
    found = []
    for one in zones:
        name = one.zone or "Sensors without a zone"
        if one.pods_heard < one.pods:
            silent = one.pods - one.pods_heard
            found.append(f"{name}: {silent} of {one.pods} pods told no power lately.")
        if one.voltages is None:
            found.append(f"{name}: no device told a voltage lately.")
    return found


def _zone_told(one: ZoneNow, at: Instant, *, is_named: bool) -> ZoneTold:
    """Return a zone as it is told."""
    return ZoneTold(
        zone=_zone(one.zone),
        pods=one.pods,
        pods_heard=one.pods_heard,
        import_w=one.import_w,
        export_w=one.export_w,
        sensor_power_w=one.sensor_power_w,
        voltage=_voltages_told(one.voltages),
        oldest_age_s=None if one.oldest is None else seconds(max(0, at - one.oldest)),
        newest_age_s=None if one.newest is None else seconds(max(0, at - one.newest)),
        silent=one.silent[:SILENT_SHOWN_MAX] if is_named else (),
        silent_count=len(one.silent),
    )


def _zone(zone: ZoneId) -> str | None:
    return None if zone == NOWHERE else zone


def _voltages_told(found: Voltages | None) -> VoltagesTold | None:
    if found is None:
        return None
    return VoltagesTold(
        lowest=_volts(found.lowest_mv),
        mean=_volts(found.mean_mv),
        highest=_volts(found.highest_mv),
        count=found.samples,
    )


# --- balance ---------------------------------------------------------------------------------


@section.post(
    "/grid/balance",
    needs=(Permission.OPERATE_GRID,),
    body=BalanceWanted,
    sends=examples.BALANCE,
    answer=BalanceTold,
    gives=examples.BALANCED,
    refuses=(404, 409),
    is_repeatable=True,
)
async def balance_grid(request: Request, identity: GridOperator) -> Response:
    """Tell pods to give or draw energy in a delivery, or bound what its auctions may trade.

    For the party that is the grid operator. Obeying costs a pod nothing: activated energy is no
    deviation. A limit binds all auctions of the deliveries that begin in its span.
    """
    wanted = await read(request, BalanceWanted)

    async def act() -> Response:
        node = node_of(request)
        operator = party_for(node.state(), identity, wanted.operator, Role.GRID_OPERATOR)
        if wanted.limit is not None and not wanted.activations:
            return await _limit(node, operator, wanted.limit, wanted.reason)
        if wanted.activations and wanted.limit is None:
            return await _activate(node, operator, wanted)
        raise wrong("/activations", "send activations or a limit, and not both")

    return await recorded(request, identity, act)


async def _limit(node: Node, operator: PartyId, wanted: LimitWanted, reason: str) -> Response:
    """Let a limit stand."""
    bound_wh = energy_inward_wh(wanted.bound, 1)
    limit = NetworkLimit(
        since=instant_of(wanted.since),
        until=instant_of(wanted.until),
        terms=tuple(
            LimitTerm(
                coefficient=term.coefficient,
                pod=None if term.pod is None else PodId(term.pod),
                zone=None if term.zone is None else ZoneId(term.zone),
            )
            for term in wanted.terms
        ),
        bound_wh=bound_wh,
        reason=reason,
    )
    seq, _ = await done(node, SubmitLimit(operator=operator, limit=limit))
    told = BalanceTold(delivery=None, activations=(), limit_entry=seq, limit_bound_wh=bound_wh)
    return answer(told, entry=seq)


async def _activate(node: Node, operator: PartyId, wanted: BalanceWanted) -> Response:
    """Let pods be told what to do; all of them must be there before any is."""
    state = node.state()
    isp_us = isp_of(state)
    named = maybe_instant(wanted.delivery)
    delivery = boundary_before(node.clock.now(), isp_us) if named is None else named
    energies = [_energy(place, one) for place, one in enumerate(wanted.activations)]
    for one in wanted.activations:
        if facts_at(state.registry, PodId(one.pod), delivery) is None:
            raise not_found(f"pod {one.pod} in that delivery")
    told: list[ActivationTold] = []
    first: tuple[Rejected, int] | None = None
    for one, energy_wh in zip(wanted.activations, energies, strict=True):
        command = ActivateEnergy(
            operator=operator,
            pod=PodId(one.pod),
            delivery=delivery,
            energy_wh=energy_wh,
            reason=wanted.reason,
        )
        found = await node.submit(command)
        event = found.events[0]
        why = ""
        if isinstance(event, Rejected):
            first = (event, found.seq) if first is None else first
            why = f"{event.reason.value}: {event.detail}"
        told.append(ActivationTold(pod=one.pod, energy_wh=energy_wh, entry=found.seq, refused=why))
    if first is not None and all(one.refused for one in told):
        raise refused(*first)
    balance = BalanceTold(
        delivery=to_text(delivery), activations=tuple(told), limit_entry=None, limit_bound_wh=None
    )
    return answer(balance, entry=told[-1].entry)


def _energy(place: int, wanted: ActivationWanted) -> int:
    """Return the whole watt-hours of an activation, towards none. [Wh]"""
    energy_wh = trunc(as_written(wanted.energy) * 1_000)
    if energy_wh == 0:
        raise wrong(f"/activations/{place}/energy", "less than 1 Wh")
    return energy_wh


# --- stability -------------------------------------------------------------------------------


@section.get(
    "/grid/stability",
    needs=(Permission.READ_GRID,),
    answer=Stability,
    gives=examples.STABILITY,
)
async def grid_stability(request: Request, identity: GridReader, *, span: Span) -> Response:
    """Tell how measured voltages kept to their band, in the last hour or in a span.

    Stored readings count that are stamped at regular instants (each minute of a span of up to one
    and a half hours, further apart in longer ones), and the last reading of each device. The band
    is 230 V ± 10 %, as EN 50160 has it.
    """
    del identity
    node = node_of(request)
    state, now = node.state(), node.clock.now()
    end = now if span.until is None else min(span.until, now)
    start = Instant(end - HOUR) if span.since is None else span.since
    if start >= end or end - start > SPAN_MAX_US:
        raise wrong("query/since", "before `until`, and four days at most")
    band = band_of()
    found = Steadiness(places(state, end), band)
    step_us = next(one for one in STEPS_US if (end - start) // one <= INSTANTS_MAX)
    for at in range(start + -start % step_us, end, step_us):
        for reading in node.readings.at(node.community, Instant(at)):
            found.add(reading)
        await asyncio.sleep(0)
    _add_latest(found, node.latest.all(), start, end)
    samples = found.samples
    missing = found.devices - found.devices_heard
    told = Stability(
        start=to_text(start),
        end=to_text(end),
        stability=round(1 - found.violations / samples, 6) if samples else None,
        band=(_volts(band.low_mv), _volts(band.high_mv)),
        samples=samples,
        violations=found.violations,
        worst=tuple(
            ViolationTold(
                device=one.device,
                zone=_zone(one.zone),
                at=to_text(one.measured_at),
                voltage=_volts(one.voltage_mv),
            )
            for one in found.worst()
        ),
        frequency=None,
        devices=found.devices,
        devices_heard=found.devices_heard,
        missing_share=round(missing / found.devices, 6) if found.devices else None,
        not_known=(NO_FREQUENCY, NO_FLOW),
    )
    return answer(told)


def _add_latest(
    found: Steadiness, latest: Mapping[MeterId, Reading], start: Instant, end: Instant
) -> None:
    """Count the last readings that were measured in a span."""
    for reading in latest.values():
        if start <= reading.measured_at < end:
            found.add(reading)
