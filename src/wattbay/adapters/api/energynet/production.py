"""EnergyNet's production: what own devices do now, did, and are expected to do."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer, read
from wattbay.adapters.api.callers import node_of
from wattbay.adapters.api.energynet import examples
from wattbay.adapters.api.energynet.amounts import energy_nearest_wh, kwh
from wattbay.adapters.api.energynet.analysis import Figures, analytics_told, figures_of
from wattbay.adapters.api.energynet.forecasts import (
    CALLER,
    KEPT_PER_DEVICE_MAX,
    Expected,
    Forecasts,
    Kept,
    gapless,
    make,
)
from wattbay.adapters.api.energynet.measured import (
    NOT_KNOWN,
    Known,
    boundary_before,
    is_own,
    measured,
)
from wattbay.adapters.api.energynet.models import (
    KNOWN_PERIODS_MAX,
    Analytics,
    DeviceNow,
    ForecastPeriodTold,
    ForecastTold,
    ForecastWanted,
    PeriodForecast,
    ProductionHistory,
    ProductionNow,
    ProductionPeriod,
    QuantileTold,
)
from wattbay.adapters.api.energynet.own import (
    Between,
    Reader,
    Span,
    Trader,
    fresh,
    isp_of,
    seconds,
    source_named,
    sources_of,
    wrong,
)
from wattbay.adapters.api.forms import ID_PATTERN, instant_of
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.pages import (
    LIMIT_USUAL,
    Cursor,
    Limit,
    cursor_of,
    next_path,
    read_cursor,
)
from wattbay.adapters.api.problems import Problem, not_found
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.sight import pods_of as ever_of
from wattbay.core.facts import DeviceKind
from wattbay.periods import DAY, HOUR, Instant, to_text
from wattbay.views.production import Source, advance, is_maker_behind, reading_at, sources

DeviceQuery = Annotated[
    str | None, Query(pattern=ID_PATTERN, description="Of this device or meter alone.")
]
section = Section(
    "EnergyNet: production",
    "What own meters, inverters and turbines do, did and are expected to do. Energies in kWh.",
)

_COUNTED = frozenset(DeviceKind) - {
    DeviceKind.HOME_DISPLAY,
    DeviceKind.GRID_SENSOR,
    DeviceKind.AGGREGATOR,
}
"""Devices whose registers tell of energy."""
PAGE_DELIVERIES_MAX = 96
TRAINING_US = 21 * DAY
"""How far back a forecast that is made here looks. [µs]"""
PERIODS_MAX = 1_500
"""Deliveries that one analysis looks at."""
USUAL_SPAN_US = 7 * DAY


# --- current ---------------------------------------------------------------------------------


@section.get(
    "/production/current",
    needs=(Permission.READ_OWN,),
    answer=ProductionNow,
    gives=examples.PRODUCTION_NOW,
)
async def current_production(request: Request, identity: Reader) -> Response:
    """Tell what own devices told last, and their energy since local midnight.

    From the last verified readings, which may be newer than what the market has taken in. Of a
    pod without an inverter or turbine that reports, nobody knows what is made behind its meter:
    there the meter's export stands alone.
    """
    node = node_of(request)
    state, at = node.state(), node.clock.now()
    own = [one for one in sources_of(state, identity, at) if one.kind in _COUNTED]
    midnight = node.calendar.midnight(node.calendar.local(at).date())
    devices = tuple(_device_now(node, one, midnight, at) for one in own)
    powers: list[int] = []
    not_known: list[str] = []
    for source, device in zip(own, devices, strict=True):
        counts = source.is_maker or (
            source.kind is DeviceKind.METER and not is_maker_behind(state, source.pod)
        )
        if device.age_s is None:
            not_known.append(f"{source.device} never sent a reading.")
        elif fresh(node.latest.of(source.device), at) is None:
            not_known.append(f"{source.device} is silent since {device.measured_at}.")
        elif counts and device.power_w is not None:
            powers.append(max(0, device.power_w))
        elif counts:
            not_known.append(f"{source.device} tells registers, and no power.")
    told = ProductionNow(
        at=to_text(at),
        devices=devices,
        power_w=sum(powers) if powers else None,
        not_known=tuple(not_known),
    )
    return answer(told)


def _device_now(node: Node, source: Source, midnight: Instant, at: Instant) -> DeviceNow:
    """Return what a device told last."""
    last = node.latest.of(source.device)
    energy = None
    if last is not None and last.measured_at >= midnight:
        before = reading_at(node.readings, node.community, source.device, midnight)
        energy = None if before is None else advance(source, before, last)
    is_maker = source.is_maker
    out = None if energy is None else kwh(energy.export_wh)
    return DeviceNow(
        device=source.device,
        kind=source.kind.value,
        pod=source.pod,
        measured_at=None if last is None else to_text(last.measured_at),
        age_s=None if last is None else seconds(max(0, at - last.measured_at)),
        power_w=None if last is None else last.power_w,
        voltage=None if last is None or last.voltage_mv is None else last.voltage_mv / 1_000,
        produced_today=out if is_maker else None,
        exported_today=None if is_maker else out,
        imported_today=None if is_maker or energy is None else kwh(energy.import_wh),
    )


# --- forecast --------------------------------------------------------------------------------


@section.post(
    "/production/forecast",
    needs=(Permission.TRADE_OWN,),
    body=ForecastWanted,
    sends=examples.FORECAST,
    answer=ForecastTold,
    gives=examples.FORECAST_KEPT,
    status=201,
    refuses=(404, 409),
)
async def forecast_production(request: Request, identity: Trader) -> Response:
    """Keep a forecast of what a device will make, or make one.

    Without `periods` one is made from the days that began alike, with quantiles; a whole day
    without a gap is to be known for it. Either is kept in memory, the last of each device, and
    `GET /production/analytics` tells later how good it was.
    """
    wanted = await read(request, ForecastWanted)
    node = node_of(request)
    state, at = node.state(), node.clock.now()
    source = source_named(sources_of(state, identity, at), wanted.device)
    if source.kind not in _COUNTED or source.kind is DeviceKind.BATTERY:
        raise wrong("/device", f"a {source.kind.value} makes no energy")
    if wanted.periods:
        periods = _named_periods(wanted.periods, source, at, isp_of(state))
        forecast = Kept(source.device, at, CALLER, periods, None)
    else:
        forecast = await _made(node, identity, source, wanted.hours, at)
    forecasts_of(request).keep(forecast)
    return answer(_forecast_told(source, forecast), 201)


def forecasts_of(request: Request) -> Forecasts:
    """Return the forecasts that this process keeps."""
    kept: Forecasts | None = getattr(request.app.state, "energynet_forecasts", None)
    if kept is None:
        kept = request.app.state.energynet_forecasts = Forecasts()
    return kept


def _named_periods(
    periods: tuple[PeriodForecast, ...], source: Source, at: Instant, isp_us: int
) -> tuple[Expected, ...]:
    """Return a caller's forecast, once it is one."""
    most_wh = source.power_max_w * isp_us // HOUR + 1
    found: list[Expected] = []
    for place, one in enumerate(periods):
        where, start = f"/periods/{place}", instant_of(one.start)
        if start % isp_us or start < at:
            raise wrong(f"{where}/start", "deliveries that have not begun, from a boundary on")
        if found and start <= found[-1].start:
            raise wrong(f"{where}/start", "deliveries are named in order, each once")
        pairs = tuple((quantile.level, quantile.amount) for quantile in one.quantiles)
        if any(after[0] <= before[0] or after[1] < before[1] for before, after in pairwise(pairs)):
            raise wrong(f"{where}/quantiles", "levels rise, and amounts do not fall")
        largest = max([one.amount, *(amount for _, amount in pairs)])
        if energy_nearest_wh(largest) > most_wh:
            raise wrong(where, f"{source.device} can make {kwh(most_wh)} kWh at most")
        found.append(Expected(start, one.amount, pairs))
    return tuple(found)


async def _made(node: Node, identity: Identity, source: Source, hours: int, at: Instant) -> Kept:
    """Return a forecast that is made here."""
    state = node.state()
    isp_us = isp_of(state)
    first = Instant(boundary_before(at + isp_us - 1, isp_us))
    count = hours * HOUR // isp_us
    if not 1 <= count <= KNOWN_PERIODS_MAX:
        most = KNOWN_PERIODS_MAX * isp_us // HOUR
        raise wrong("/hours", f"{KNOWN_PERIODS_MAX} deliveries at most, that is {most} hours")
    rows = min(TRAINING_US // isp_us, PERIODS_MAX)
    begin = Instant(boundary_before(at, isp_us) - rows * isp_us)
    known = await measured(node, source, begin, rows)
    energies = {
        start: max(0, one.export_wh)
        for start, one in known.items()
        if is_own(state, identity, source.pod, start)
    }
    history = gapless(energies, isp_us)
    if history is None:
        raise _too_little(source, 0)
    starts = [Instant(first + place * isp_us) for place in range(count)]
    try:
        return make(source.device, at, history, starts)
    except ValueError as error:
        raise _too_little(source, len(history.known(at))) from error


def _too_little(source: Source, known: int) -> Problem:
    """Return the problem of a device of which not one day is known."""
    detail = (
        f"of {source.device} {known} deliveries are known without a gap up to now; a whole day is"
        " needed: send your own forecast, or wait"
    )
    return Problem(409, "too-little-known", detail)


def _forecast_told(source: Source, forecast: Kept) -> ForecastTold:
    """Return a forecast as it is told."""
    return ForecastTold(
        device=forecast.device,
        issued_at=to_text(forecast.issued_at),
        source=forecast.source,
        basis="produced" if source.is_maker else "exported",
        periods=tuple(
            ForecastPeriodTold(
                start=to_text(one.start),
                amount=one.mean_kwh,
                quantiles=tuple(
                    QuantileTold(level=level, amount=amount) for level, amount in one.quantiles
                ),
            )
            for one in forecast.periods
        ),
        known_periods=forecast.known_periods,
        remark=(
            f"Kept in memory, the last {KEPT_PER_DEVICE_MAX} of a device; analytics compare it with"
            " what is measured."
        ),
    )


# --- history ---------------------------------------------------------------------------------


@section.get(
    "/production/history",
    needs=(Permission.READ_OWN,),
    answer=ProductionHistory,
    gives=examples.PRODUCTION,
    refuses=(404,),
)
async def production_history(
    request: Request,
    identity: Reader,
    device: DeviceQuery = None,
    *,
    span: Span,
    limit: Limit = LIMIT_USUAL,
    cursor: Cursor = None,
) -> Response:
    """Tell what own devices did, delivery by delivery, newest first.

    Of a meter as history has it, estimates and substitutes included (`quality` says so); of an
    inverter or turbine from its stored readings, where both that bound the delivery are there.
    """
    node = node_of(request)
    own = _ever_own(node, identity, device)
    what = f"energynet-production:{identity.login}:{device}"
    first, end = _page(node, own, span, read_cursor(node, what, cursor))
    isp_us = isp_of(node.state())
    count = min(max(1, limit // max(1, len(own))), PAGE_DELIVERIES_MAX, (end - first) // isp_us)
    begin = Instant(end - count * isp_us)
    told: list[tuple[Instant, ProductionPeriod]] = []
    for source in own:
        known = await measured(node, source, begin, count)
        for place in range(count):
            start = Instant(begin + place * isp_us)
            if is_own(node.state(), identity, source.pod, start):
                told.append((start, _period_told(source, start, isp_us, known.get(start))))
    told.sort(key=lambda one: -one[0])
    after = cursor_of(node, what, begin) if first < begin and count else None
    page = ProductionHistory(
        periods=tuple(period for _, period in told), next=next_path(request, after)
    )
    return answer(page)


def _ever_own(node: Node, identity: Identity, device: str | None) -> list[Source]:
    """Return the devices behind pods that are or were the caller's, or the one that is named."""
    state = node.state()
    found = [
        one
        for one in sources(state, ever_of(state, identity.parties))
        if one.kind in _COUNTED and device in {None, one.device}
    ]
    if device is not None and not found:
        raise not_found("device")
    return found


def _page(node: Node, own: list[Source], span: Between, begin: object) -> tuple[Instant, Instant]:
    """Return from which boundary to which one history may be told."""
    state, now = node.state(), node.clock.now()
    isp_us = isp_of(state)
    connected = [state.registry.pods[one.pod][0].since for one in own]
    first = min(connected, default=now)
    if span.since is not None:
        first = max(first, span.since)
    first = Instant(boundary_before(first + isp_us - 1, isp_us))
    end = now if span.until is None else min(span.until, now)
    if isinstance(begin, int):
        end = min(end, Instant(begin))
    return first, max(first, boundary_before(end, isp_us))


def _period_told(
    source: Source, start: Instant, isp_us: int, known: Known | None
) -> ProductionPeriod:
    """Return what a device did in a delivery."""
    is_maker = source.is_maker
    out = None if known is None else kwh(known.export_wh)
    return ProductionPeriod(
        start=to_text(start),
        end=to_text(Instant(start + isp_us)),
        device=source.device,
        pod=source.pod,
        produced=out if is_maker else None,
        exported=None if is_maker else out,
        imported=None if is_maker or known is None else kwh(known.import_wh),
        quality=NOT_KNOWN if known is None else known.quality,
    )


# --- analytics -------------------------------------------------------------------------------


@section.get(
    "/production/analytics",
    needs=(Permission.READ_OWN,),
    answer=Analytics,
    gives=examples.ANALYTICS,
    refuses=(404,),
)
async def production_analytics(
    request: Request, identity: Reader, device: DeviceQuery = None, *, span: Span
) -> Response:
    """Tell yield, use of one's own energy, and how good forecasts were.

    Over the last seven days, unless a span is named. What is not known is left out of the figures,
    and named.
    """
    node = node_of(request)
    isp_us = isp_of(node.state())
    end = boundary_before(node.clock.now() if span.until is None else span.until, isp_us)
    begin = end - USUAL_SPAN_US if span.since is None else span.since
    start = boundary_before(begin + isp_us - 1, isp_us)
    count = max(0, (end - start) // isp_us)
    if count > PERIODS_MAX:
        raise wrong("query/since", f"{PERIODS_MAX} deliveries at most; name a shorter span")
    kept = forecasts_of(request)
    figures: list[Figures] = []
    for source in _ever_own(node, identity, device):
        known = {
            at: one
            for at, one in (await measured(node, source, start, count)).items()
            if is_own(node.state(), identity, source.pod, at)
        }
        figures.append(figures_of(source, known, kept.of(source.device)))
    return answer(analytics_told(start, max(start, end), count, figures))
