"""Demand response: called windows in which a pod is paid for drawing less than it would have.

What it would have drawn is its baseline: the mean of what it drew in the same window on earlier
days that the caller names, for the core knows no local time. Settled once, with a delivery's final
run, on what that knows; a later correction does not change it. Where the baseline or the energy is
not known but estimated, nothing is paid either way.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.deliveries import COUNT_MAX
from wattbay.core.events import EnergyMetered, ResponseCalled, ResponseSettled
from wattbay.core.facts import Quality, ResponseCall, Role
from wattbay.core.meters import Metering
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, facts_at, has_role, refuse
from wattbay.core.tariffs import PRICE_MOST
from wattbay.ids import PodId
from wattbay.periods import WEEK, Instant
from wattbay.units import round_half_even

CALLS_MAX = 10_000
"""Calls that are kept; one is forgotten once deliveries are final that end two weeks later."""
DAYS_MAX = 7
"""Days that a baseline is the mean of: energies are kept for a week."""
PODS_MAX = 100_000


class Responses(Struct):
    """The calls that still matter."""

    calls: list[ResponseCall] = field(default_factory=list)
    """In order of the call."""


def call(
    registry: Registry,
    responses: Responses,
    metering: Metering,
    command: c.CallResponse,
    at: Instant,
) -> list[e.Event]:
    """Let a supplier or the grid operator call for response before its window begins."""
    wanted = command.call
    fault = _fault(registry, wanted, at)
    if fault is not None:
        return refuse(*fault)
    length = wanted.count * registry.isp_us
    kept = [one for one in responses.calls if not _is_over(registry, metering, one)]
    for one in kept:
        if not _may_share_pods(one, wanted):
            continue
        other = one.count * registry.isp_us
        if _overlap(one.start, other, wanted.start, length):
            return refuse(Reason.ALREADY_KNOWN, "one call at a time for a pod")
        if any(_overlap(one.start, other, start, length) for start in wanted.baseline):
            return refuse(Reason.BAD_VALUE, "a day with a call is no baseline")
    if len(kept) >= CALLS_MAX:
        return refuse(Reason.TOO_MANY, f"{CALLS_MAX} calls are the most")
    return [ResponseCalled(call=wanted)]


def _fault(registry: Registry, call: ResponseCall, at: Instant) -> tuple[Reason, str] | None:
    """Return why a call by itself cannot be."""
    isp, start, windows = registry.isp_us, call.start, call.baseline
    if not any(
        has_role(registry, call.caller, role) for role in (Role.SUPPLIER, Role.GRID_OPERATOR)
    ):
        return Reason.NOT_ALLOWED, "suppliers and the grid operator call for response"
    if (call.tariff is None) != bool(call.pods) or len(call.pods) > PODS_MAX:
        return Reason.BAD_VALUE, "a call is for the pods of a tariff, or for named pods"
    if call.tariff is not None and call.tariff not in registry.tariffs:
        return Reason.UNKNOWN_TARIFF, f"tariff {call.tariff}"
    unknown = [pod for pod in call.pods if pod not in registry.pods]
    if unknown or len(set(call.pods)) < len(call.pods):
        return Reason.UNKNOWN_POD, f"pods are registered, each named once: {unknown}"
    if not has_role(registry, call.caller, Role.GRID_OPERATOR) and any(
        (facts := facts_at(registry, pod, start)) is not None and facts.supplier != call.caller
        for pod in call.pods
    ):
        return Reason.NOT_ALLOWED, "a supplier calls the pods that it supplies"
    if start % isp or not 1 <= call.count <= COUNT_MAX:
        return Reason.BAD_VALUE, f"1 to {COUNT_MAX} deliveries, from a boundary on"
    if start <= at:
        return Reason.NOT_IN_SEQUENCE, "a call comes before its window begins"
    last = start - call.count * isp
    if not 1 <= len(set(windows)) == len(windows) <= DAYS_MAX or any(
        one % isp or not start - WEEK <= one <= last for one in windows
    ):
        return Reason.BAD_VALUE, f"a baseline is 1 to {DAYS_MAX} windows of the week before"
    if not (0 <= call.rebate <= PRICE_MOST and 0 <= call.penalty <= PRICE_MOST):
        return Reason.OUT_OF_RANGE, f"rebate and penalty are 0 to {PRICE_MOST} nano per Wh"
    return None


def _overlap(first: int, length: int, second: int, other: int) -> bool:
    """Tell whether two windows have a delivery in common."""
    return first < second + other and second < first + length


def _may_share_pods(one: ResponseCall, other: ResponseCall) -> bool:
    """Tell whether a pod may be meant by both calls."""
    if one.tariff is not None and other.tariff is not None:
        return one.tariff == other.tariff
    return not (one.pods and other.pods) or not set(one.pods).isdisjoint(other.pods)


def _is_over(registry: Registry, metering: Metering, one: ResponseCall) -> bool:
    """Tell whether a call is settled, and too old to matter to one that may still be made."""
    return one.start + one.count * registry.isp_us + 2 * WEEK <= metering.final_until


def called(
    registry: Registry, responses: Responses, metering: Metering, event: ResponseCalled
) -> None:
    """Keep a call, and forget those that no longer matter."""
    responses.calls = [one for one in responses.calls if not _is_over(registry, metering, one)]
    responses.calls.append(event.call)


def settle(
    registry: Registry, responses: Responses, metering: Metering, events: Sequence[e.Event]
) -> list[e.Event]:
    """Return what pods responded in a delivery whose final run these are the events of.

    Parameters
    ----------
    events
        Of the run; nothing comes of one that is not final.
    """
    if not responses.calls:
        return []
    final = next((event for event in events if isinstance(event, e.DeliveryFinal)), None)
    if final is None:
        return []
    isp, delivery = registry.isp_us, final.delivery
    found: list[e.Event] = []
    for one in responses.calls:
        place, rest = divmod(delivery - one.start, isp)  # divides: a place among deliveries
        if rest or not 0 <= place < one.count:
            continue
        energies = metering.energy.get(delivery, {})
        is_grid = has_role(registry, one.caller, Role.GRID_OPERATOR)
        days = _days(registry, responses, one, place)
        for pod in one.pods or registry.pods:
            facts = facts_at(registry, pod, delivery)
            if facts is None or (one.tariff is not None and facts.tariff != one.tariff):
                continue
            if not is_grid and facts.supplier != one.caller:
                continue
            used, baseline = _known(energies, pod), _baseline(registry, metering, days, pod)
            if used is None or baseline is None:
                continue
            saved = max(0, baseline - used) * one.rebate
            found.append(
                ResponseSettled(
                    delivery=delivery,
                    pod=pod,
                    party=facts.party,
                    supplier=None if is_grid else one.caller,
                    baseline_wh=baseline,
                    import_wh=used,
                    amount_nano=max(0, used - baseline) * one.penalty - saved,
                )
            )
    return found


def _known(energies: dict[PodId, EnergyMetered], pod: PodId) -> int | None:
    """Return what a pod drew; None where that is not known, or only estimated. [Wh]"""
    energy = energies.get(pod)
    if energy is None or energy.quality is Quality.ESTIMATED:
        return None
    return max(0, energy.import_wh)


def _days(
    registry: Registry, responses: Responses, one: ResponseCall, place: int
) -> list[tuple[Instant, list[ResponseCall]]]:
    """Return the deliveries of a baseline, and the calls that were made for each in the meantime.

    When the call was made there was none for them.
    """
    isp = registry.isp_us
    starts = [Instant(start + place * isp) for start in one.baseline]
    return [
        (
            start,
            [
                other
                for other in responses.calls
                if _overlap(other.start, other.count * isp, start, isp)
            ],
        )
        for start in starts
    ]


def _is_meant(registry: Registry, one: ResponseCall, pod: PodId, delivery: Instant) -> bool:
    """Tell whether a call means a pod in a delivery."""
    if one.tariff is None:
        return pod in one.pods
    facts = facts_at(registry, pod, delivery)
    return facts is not None and facts.tariff == one.tariff


def _baseline(
    registry: Registry,
    metering: Metering,
    days: Sequence[tuple[Instant, Sequence[ResponseCall]]],
    pod: PodId,
) -> int | None:
    """Return the mean of what a pod drew in the same place of the baseline's windows. [Wh]

    Of those windows of which it is known, and for which the pod was not called; None where it is of
    none. Rounded, halves to even.
    """
    drawn = [
        _known(metering.energy.get(start, {}), pod)
        for start, calls in days
        if not any(_is_meant(registry, other, pod, start) for other in calls)
    ]
    known = [energy for energy in drawn if energy is not None]
    return round_half_even(sum(known), len(known)) if known else None
