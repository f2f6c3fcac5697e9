"""From registers to the energy of a period; late, missing, split and substituted readings.

Meters hold rising registers; a lost reading costs resolution, never energy. Energy of a period
is the difference of two of its pod's totals (`wattbay.core.meters`). Where the register between
is missing, the period is estimated; once a later register arrives, the exact advance is split
over the missing periods: their sum always equals the advance.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from types import MappingProxyType

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.events import EnergyMetered
from wattbay.core.facts import PodFacts, Quality, Role
from wattbay.core.meters import Metering, MeterInUse, Total, boundary_of
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, check_meter, facts_at, facts_then, has_role, refuse
from wattbay.core.registry import register_pod as connected
from wattbay.ids import PodId, ProfileId
from wattbay.periods import DAY, HOUR, MINUTE, WEEK, Instant
from wattbay.units import PPM, share

DRIFT_MAX_US = 2 * MINUTE
"""A reading may be stamped this much ahead of our clock, or before the boundary it tells of."""
SUSPECT_TIMES_MEAN = 60
"""An import this many times the pod's yearly mean is settled as suspect."""
SUSPICION_CHARACTERS_MAX = 200
SCALE_MIN_PPM, SCALE_MAX_PPM = PPM // 2, 2 * PPM  # divides: a constant
"""How far this week may differ from the last in an estimate."""
BOOT_MAX, SEQ_MAX = 2**20, 2**32
_NONE: Mapping[PodId, EnergyMetered] = MappingProxyType({})


# --- estimates -------------------------------------------------------------------------------


def week_scale(metering: Metering, delivery: Instant) -> tuple[int, int]:
    """Return how the metered community compares with a week before. [ppm, import and export]

    The ratio of the pods that are known in both weeks, held between one half and two; where
    nothing can be compared, one.
    """
    now = metering.energy.get(delivery, {})
    then = metering.energy.get(Instant(delivery - WEEK), {})
    sums = [0, 0, 0, 0]
    for pod, energy in now.items():
        before = then.get(pod)
        if before is not None and energy.quality is not Quality.ESTIMATED:
            sums[0] += energy.import_wh
            sums[1] += before.import_wh
            sums[2] += energy.export_wh
            sums[3] += before.export_wh
    return _scale(sums[0], sums[1]), _scale(sums[2], sums[3])


def _scale(now: int, before: int) -> int:
    """Return now over before within its bounds. [ppm]"""
    if before <= 0 or now < 0:
        return PPM
    return min(max(now * PPM // before, SCALE_MIN_PPM), SCALE_MAX_PPM)  # divides: an estimate


def estimate(
    registry: Registry,
    metering: Metering,
    facts: PodFacts,
    delivery: Instant,
    scale: tuple[int, int] = (PPM, PPM),
) -> tuple[int, int]:
    """Estimate a pod's import and export in a delivery. [Wh]

    The same delivery a week before, scaled; else the pod's yearly energy by its profile.
    """
    before = metering.energy.get(Instant(delivery - WEEK), {}).get(facts.pod)
    if before is not None:
        return (
            max(0, before.import_wh) * scale[0] // PPM,  # divides: an estimate
            max(0, before.export_wh) * scale[1] // PPM,  # divides: an estimate
        )
    return (
        _by_profile(registry, metering, facts.import_profile, facts.yearly_import_wh, delivery),
        _by_profile(registry, metering, facts.export_profile, facts.yearly_export_wh, delivery),
    )


def _by_profile(
    registry: Registry,
    metering: Metering,
    profile: ProfileId | None,
    yearly_wh: int,
    delivery: Instant,
) -> int:
    """Return the energy that a profile gives one delivery. [Wh]"""
    if yearly_wh == 0:
        return 0
    seat, of = metering.seats.get(delivery, (0, DAY // registry.isp_us))  # divides: count
    weights = registry.profiles.get(profile) if profile is not None else None
    if weights is None:
        return yearly_wh // (365 * of)  # divides: an estimate
    weight = weights[seat * len(weights) // of]  # divides: an index
    return yearly_wh * weight // (365 * sum(weights))  # divides: an estimate


# --- readings --------------------------------------------------------------------------------


def submit_reading(
    registry: Registry, metering: Metering, command: c.SubmitReading, at: Instant
) -> list[e.Event]:
    """Accept a register value and say what energy is known by it, or refuse it."""
    use = metering.meters.get(command.meter)
    if use is None:
        return refuse(Reason.UNKNOWN_METER, f"meter {command.meter}")
    if not (0 <= command.boot < BOOT_MAX and 0 <= command.seq < SEQ_MAX):
        return refuse(Reason.OUT_OF_RANGE, "boot below 2^20, seq below 2^32")
    stamp = command.measured_at
    fault = _repeated(use, command) or _mistimed(use, stamp, at)
    if fault is not None:
        return fault
    boundary = _boundary(stamp, registry.isp_us)
    known = metering.pods[use.pod].totals
    place = bisect_left(known, boundary, key=boundary_of)
    if boundary <= metering.final_until:
        return refuse(Reason.STAMP_TOO_OLD, "its delivery is final; it can be corrected")
    # A meter is read from when its pod was connected on, where the first total stands.
    before = known[max(place - 1, 0)]
    total, fault = _total(use, command, before, boundary)
    if total is None:
        return fault
    if len(command.suspicion) > SUSPICION_CHARACTERS_MAX:
        return refuse(Reason.BAD_VALUE, f"a suspicion has {SUSPICION_CHARACTERS_MAX} letters most")
    if command.suspicion:
        total = Total(boundary, total.import_wh, total.export_wh, Quality.SUSPECT)
    after = known[place] if place < len(known) else None
    if after is not None:
        if after.at == boundary:
            return _known_already(after, total)
        total = _below(total, after)
        if total is None:
            return refuse(Reason.REGISTER_WENT_BACK, "a later register is lower")
    accepted = e.ReadingAccepted(
        pod=use.pod,
        meter=command.meter,
        boot=command.boot,
        seq=command.seq,
        measured_at=stamp,
        boundary=boundary,
        import_register=command.import_register,
        export_register=command.export_register,
        import_wh=total.import_wh,
        export_wh=total.export_wh,
        quality=total.quality,
    )
    found: list[e.Event] = [accepted]
    found += _between(registry, metering, use.pod, before, total, first=place == 1)
    if after is not None:
        found += _between(registry, metering, use.pod, total, after, first=False)
    return found


def _boundary(stamp: Instant, isp_us: int) -> Instant:
    """Return the delivery boundary that a reading tells of.

    The last one at its stamp, or the next where it is hardly early. So a register is always
    interpolated between two that were read, and what is read inside a period waits for nobody.
    """
    early = min(DRIFT_MAX_US, isp_us // 2)  # divides: a bound
    return Instant((stamp + early) // isp_us * isp_us)  # divides: a boundary


def _known_already(known: Total, told: Total) -> list[e.Event]:
    """Refuse a second register at a boundary; only two that were read at it can conflict."""
    exact = known.quality is told.quality is Quality.MEASURED
    if exact and (known.import_wh, known.export_wh) != (told.import_wh, told.export_wh):
        return refuse(Reason.CONFLICTING_READING, "another register is known at this boundary")
    return refuse(Reason.DUPLICATE_READING, "the register at this boundary is known")


def _below(total: Total, after: Total) -> Total | None:
    """Return a total that is not above a later one; None where it cannot be.

    A later total that was interpolated may be somewhat low: it stands, and the earlier one, which
    came later, is held below it.
    """
    if total.import_wh <= after.import_wh and total.export_wh <= after.export_wh:
        return total
    if after.quality is not Quality.INTERPOLATED:
        return None
    import_wh = min(total.import_wh, after.import_wh)
    export_wh = min(total.export_wh, after.export_wh)
    return Total(total.at, import_wh, export_wh, Quality.INTERPOLATED)


def _repeated(use: MeterInUse, command: c.SubmitReading) -> list[e.Event] | None:
    """Refuse a reading whose boot and seq are known: the same again, or another under its name."""
    seen = use.seen.get(command.boot << 32 | command.seq)
    if seen is None:
        return None
    same = seen == (command.measured_at, command.import_register, command.export_register)
    if same:
        return refuse(Reason.DUPLICATE_READING, "already accepted")
    return refuse(Reason.CONFLICTING_READING, "another reading bears this boot and seq")


def _mistimed(use: MeterInUse, stamp: Instant, at: Instant) -> list[e.Event] | None:
    """Refuse a stamp from the future, or from when the meter was not in use."""
    if stamp > at + DRIFT_MAX_US:
        return refuse(Reason.STAMP_IN_FUTURE, f"stamped {stamp - at} µs ahead")
    if stamp < use.since or (use.until is not None and stamp > use.until):
        return refuse(Reason.METER_NOT_IN_USE, "the meter did not measure this pod then")
    return None


def _total(
    use: MeterInUse, command: c.SubmitReading, before: Total, boundary: Instant
) -> tuple[Total | None, list[e.Event]]:
    """Return the pod's total that a reading tells of, or why it cannot be."""
    meter = use.meter
    width = 10**meter.digits
    if not (0 <= command.import_register < width and 0 <= command.export_register < width):
        return None, refuse(Reason.OUT_OF_RANGE, f"registers of {meter.digits} digits")
    stamp = command.measured_at
    # Twice the time and an hour more: a stamp may be off, and power is a limit of fuses.
    most = meter.power_max_w * (2 * (stamp - before.at) + HOUR) // HOUR  # divides: a bound
    sums = []
    for register, initial, base, known in (
        (command.import_register, meter.import_register, use.import_wh, before.import_wh),
        (command.export_register, meter.export_register, use.export_wh, before.export_wh),
    ):
        turn = width * meter.unit_wh
        advance = (base + (register - initial) * meter.unit_wh - known) % turn
        if advance > most:
            if 2 * advance > turn:
                return None, refuse(Reason.REGISTER_WENT_BACK, "and it did not roll over")
            return None, refuse(Reason.IMPOSSIBLE_ENERGY, f"{advance} Wh; {most} Wh is the most")
        if stamp > boundary:
            advance = advance * (boundary - before.at) // (stamp - before.at)  # divides: a share
        sums.append(known + advance)
    quality = Quality.MEASURED if stamp == boundary else Quality.INTERPOLATED
    return Total(boundary, sums[0], sums[1], quality), []


def _between(
    registry: Registry,
    metering: Metering,
    pod: PodId,
    start: Total,
    end: Total,
    *,
    first: bool,
    told: EnergyMetered | None = None,
) -> list[e.Event]:
    """Return the energies of the periods between two totals that were not known so before.

    A gap is split by what would be estimated without any reading, so that the order in which
    readings arrive changes nothing in the end.

    Parameters
    ----------
    first
        Whether `start` is the first total that is kept: final deliveries may follow it.
    told
        An energy that is being substituted now.
    """
    isp = registry.isp_us
    advance_import = end.import_wh - start.import_wh
    advance_export = end.export_wh - start.export_wh
    if end.at - start.at == isp:
        facts = facts_then(registry, pod, start.at)
        quality = _quality(registry, facts, start, end, advance_import)
        return _changed(metering, pod, start.at, advance_import, advance_export, quality)
    open_from = max(start.at, metering.final_until)
    if first:
        advance_import -= metering.pods[pod].final_import_wh
        advance_export -= metering.pods[pod].final_export_wh
    if not any(open_from <= delivery < end.at for delivery in metering.seats):
        return []
    periods: list[Instant] = []
    weights: tuple[list[int], list[int]] = ([], [])
    for moment in range(open_from, end.at, isp):
        delivery = Instant(moment)
        known = metering.energy.get(delivery, _NONE).get(pod)
        if told is not None and delivery == told.delivery:
            known = told
        if known is not None and known.quality is Quality.SUBSTITUTED:
            advance_import -= known.import_wh
            advance_export -= known.export_wh
            continue
        guess = estimate(registry, metering, facts_then(registry, pod, delivery), delivery)
        periods.append(delivery)
        weights[0].append(guess[0])
        weights[1].append(guess[1])
    if not periods:
        return []
    found: list[e.Event] = []
    imports = share(advance_import, weights[0])
    exports = share(advance_export, weights[1])
    for delivery, import_wh, export_wh in zip(periods, imports, exports, strict=True):
        found += _changed(metering, pod, delivery, import_wh, export_wh, Quality.SPLIT)
    return found


def _quality(
    registry: Registry, facts: PodFacts, start: Total, end: Total, import_wh: int
) -> Quality:
    """Return the quality of the difference of two neighbouring totals."""
    yearly = facts.yearly_import_wh
    if yearly and import_wh * 365 * DAY > SUSPECT_TIMES_MEAN * yearly * registry.isp_us:
        return Quality.SUSPECT
    qualities = (start.quality, end.quality)
    if Quality.SUSPECT in qualities:
        return Quality.SUSPECT
    if Quality.INTERPOLATED in qualities:
        return Quality.INTERPOLATED
    return Quality.MEASURED


def _changed(
    metering: Metering,
    pod: PodId,
    delivery: Instant,
    import_wh: int,
    export_wh: int,
    quality: Quality,
) -> list[e.Event]:
    """Return the event of an energy, where the delivery is listed and it says anything new."""
    if delivery not in metering.seats:
        return []
    before = metering.energy.get(delivery, _NONE).get(pod)
    if before is not None:
        same = before.import_wh == import_wh and before.export_wh == export_wh
        if (same and before.quality is quality) or before.quality is Quality.SUBSTITUTED:
            return []
    return [energy_event(metering, pod, delivery, import_wh, export_wh, quality)]


def energy_event(
    metering: Metering,
    pod: PodId,
    delivery: Instant,
    import_wh: int,
    export_wh: int,
    quality: Quality,
) -> EnergyMetered:
    """Return the event that a pod's energy is now known so."""
    before = metering.energy.get(delivery, _NONE).get(pod)
    return EnergyMetered(
        pod=pod,
        delivery=delivery,
        import_wh=import_wh,
        export_wh=export_wh,
        quality=quality,
        before_import_wh=before.import_wh if before is not None else 0,
        before_export_wh=before.export_wh if before is not None else 0,
    )


# --- meters ----------------------------------------------------------------------------------


def register_pod(
    registry: Registry, metering: Metering, command: c.RegisterPod, at: Instant
) -> list[e.Event]:
    """Connect a pod whose meter is new, from now on or later."""
    if command.meter.meter in metering.meters:
        return refuse(Reason.ALREADY_KNOWN, f"meter {command.meter.meter}")
    if command.facts.since < at:
        return refuse(Reason.NOT_IN_SEQUENCE, "a pod is connected from now on or later")
    return connected(registry, command)


def exchange_meter(metering: Metering, command: c.ExchangeMeter, at: Instant) -> list[e.Event]:
    """Replace a meter: its final registers continue in the new one's initial ones."""
    pod = metering.pods.get(command.pod)
    if pod is None:
        return refuse(Reason.UNKNOWN_POD, f"pod {command.pod}")
    fault = check_meter(command.meter)
    if fault is not None:
        return fault
    if command.meter.meter in metering.meters:
        return refuse(Reason.ALREADY_KNOWN, f"meter {command.meter.meter}")
    use = metering.meters[pod.meter]
    last = pod.totals[-1]
    if command.at > at + DRIFT_MAX_US:
        return refuse(Reason.STAMP_IN_FUTURE, "an exchange is told when it is done")
    if command.at < max(use.since, last.at):
        return refuse(Reason.NOT_IN_SEQUENCE, "a later register is known already")
    final = c.SubmitReading(
        meter=pod.meter,
        boot=0,
        seq=0,
        measured_at=command.at,
        import_register=command.final_import,
        export_register=command.final_export,
        proof=b"",
    )
    total, fault = _total(use, final, last, command.at)
    if total is None:
        return fault
    return [
        e.MeterExchanged(
            pod=command.pod,
            at=command.at,
            final_import=total.import_wh,
            final_export=total.export_wh,
            meter=command.meter,
        )
    ]


def substitute(
    registry: Registry, metering: Metering, command: c.SubstituteEnergy
) -> list[e.Event]:
    """Set or confirm the energy of a pod's period by the metered data responsible.

    Inside a gap between two registers the other periods share what is left of the advance.
    """
    if not has_role(registry, command.responsible, Role.METERED_DATA_RESPONSIBLE):
        return refuse(Reason.NOT_ALLOWED, "only the metered data responsible substitutes")
    if facts_at(registry, command.pod, command.delivery) is None:
        return refuse(Reason.UNKNOWN_POD, f"pod {command.pod} at that delivery")
    if command.delivery < metering.final_until:
        return refuse(Reason.DELIVERY_FINAL, "correct the archived record")
    if command.delivery not in metering.seats:
        return refuse(Reason.UNKNOWN_DELIVERY, "no such delivery is listed")
    fault = check_energy(registry, metering, command.pod, command.import_wh, command.export_wh)
    if fault is not None:
        return fault
    told = energy_event(
        metering,
        command.pod,
        command.delivery,
        command.import_wh,
        command.export_wh,
        Quality.SUBSTITUTED,
    )
    found: list[e.Event] = [told]
    known = metering.pods[command.pod].totals
    place = bisect_right(known, command.delivery, key=boundary_of)
    if 0 < place < len(known) and known[place].at - known[place - 1].at > registry.isp_us:
        start, end = known[place - 1], known[place]
        found += _between(registry, metering, command.pod, start, end, first=place == 1, told=told)
    return found


def check_energy(
    registry: Registry, metering: Metering, pod: PodId, import_wh: int, export_wh: int
) -> list[e.Event] | None:
    """Refuse an energy of one period that no meter of a pod could measure; None where it could."""
    meter = metering.meters[metering.pods[pod].meter].meter
    most = meter.power_max_w * (2 * registry.isp_us + HOUR) // HOUR  # divides: a bound
    if 0 <= import_wh <= most and 0 <= export_wh <= most:
        return None
    return refuse(Reason.IMPOSSIBLE_ENERGY, f"0 to {most} Wh")
