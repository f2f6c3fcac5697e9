"""How devices do, what they told, and what they are told."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from heapq import nsmallest
from typing import Annotated, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer, read
from wattbay.adapters.api.callers import Who, check, node_of
from wattbay.adapters.api.devices import changeable, devices, seen_device, seen_devices
from wattbay.adapters.api.forms import (
    DevicePath,
    InstantText,
    Number,
    Span,
    Spanned,
    instant_of,
    local_text,
    maybe_text,
    whole,
)
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.pages import Page, Paged, cursor_of, next_path, read_cursor
from wattbay.adapters.api.problems import Flaw, Problem, not_found
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.sight import Sight, pod_behind, sight_of
from wattbay.ids import MeterId
from wattbay.kernel.evidence import Reading
from wattbay.periods import DAY, HOUR, MINUTE, Instant, Period, to_text
from wattbay.watch.health import DeviceHealth

device_life = Section(devices.tag, devices.about)

EVIDENCE_SPAN_MAX_US = DAY
"""Devices may tell something every few seconds: more is not looked through at once. [µs]"""
LOOKED_THROUGH_US = 15 * MINUTE
"""At once, before others have their turn. [µs]"""
PRICES_MAX = 200
POWER_W_MAX = 10_000_000
COMMAND_LASTS_US = HOUR
_SEE = (Permission.READ_OWN, Permission.READ_ALL, Permission.READ_GRID)

PowerW = Annotated[int, msgspec.Meta(ge=-POWER_W_MAX, le=POWER_W_MAX)]


class HealthTold(msgspec.Struct, frozen=True, kw_only=True):
    """How a device does."""

    device: str
    pod: str | None
    kind: str
    status: str
    """``ok``, ``attention``, ``faulty``, ``silent`` or ``unseen``."""
    reasons: tuple[str, ...]
    """Why it is not ok, each in words."""
    last_seen: str | None
    is_online: bool | None
    """What its broker said last; null where it said nothing."""
    latency_us: int | None
    """From the stamp of its last reading until it came."""
    clock_offset_us: int
    """How far its clock is ahead at least; negative: behind."""
    period_us: int | None
    """Between two of its readings, usually."""
    missing: int
    """Readings that are missing among its latest."""
    refusals: Mapping[str, int]
    """Messages in its name that were refused, by kind."""
    findings: tuple[str, ...]
    """What is odd and not closed."""
    is_tampered: bool
    is_battery_low: bool


class ReadingTold(msgspec.Struct, frozen=True, kw_only=True):
    """A verified reading, with the bytes as signed: check them with the device's public key."""

    device: str
    boot: int
    """How often the device was started."""
    seq: int
    """Which of its readings since."""
    measured_at: str
    measured_at_local: str
    import_register: int
    """In the register's units."""
    export_register: int
    power_w: int | None
    """At that instant; into the grid is positive."""
    voltage_mv: int | None
    flags: int
    """1: tampered with; 2: battery low; their sum."""
    proof: str
    """The bytes as signed, in base64."""


class Ping(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag="ping",
    tag_field="cmd",
):
    """Let a device answer, to show that it is there."""

    expires_at: InstantText | None = None
    """From when on it is not carried out any more; an hour from now, if nothing is said."""


class SetPoint(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag="set_point",
    tag_field="cmd",
):
    """Let a device inject or draw so much, from an instant until another."""

    power_w: PowerW
    """Into the grid is positive."""
    start: InstantText
    end: InstantText
    expires_at: InstantText | None = None


class PriceShown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a kilowatt-hour costs in a span."""

    start: InstantText
    end: InstantText
    import_nano_per_wh: Number
    export_nano_per_wh: Number


class ShowTariff(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag="tariff",
    tag_field="cmd",
):
    """Let a display show what energy costs."""

    currency: Annotated[str, whole(r"^[A-Z]{3}$")]
    prices: Annotated[tuple[PriceShown, ...], msgspec.Meta(min_length=1, max_length=PRICES_MAX)]
    expires_at: InstantText | None = None


DeviceOrder = Ping | SetPoint | ShowTariff


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A command is on its way; the device answers on its `evt` topic."""

    device: str
    number: int
    """Rises from command to command of a device."""


_HEALTH = HealthTold(
    device="m-h01",
    pod="h01",
    kind="meter",
    status="attention",
    reasons=("low-battery: the device says so",),
    last_seen="2026-05-01T09:12:04.218Z",
    is_online=True,
    latency_us=180_000,
    clock_offset_us=0,
    period_us=60_000_000,
    missing=0,
    refusals={},
    findings=("low-battery",),
    is_tampered=False,
    is_battery_low=True,
)
_READING = ReadingTold(
    device="m-h01",
    boot=1,
    seq=4_120,
    measured_at="2026-05-01T09:12Z",
    measured_at_local="2026-05-01T10:12:00+01:00",
    import_register=48_120,
    export_register=9_120,
    power_w=-412,
    voltage_mv=231_400,
    flags=0,
    proof="0oRDoQEnoF...",
)


def _health_told(found: DeviceHealth) -> HealthTold:
    return HealthTold(
        device=found.device,
        pod=found.pod,
        kind=found.kind,
        status=found.status.value,
        reasons=found.reasons,
        last_seen=maybe_text(found.last_seen),
        is_online=found.is_online,
        latency_us=found.latency_us,
        clock_offset_us=found.clock_offset_us,
        period_us=found.period_us,
        missing=found.missing,
        refusals=dict(found.refusals),
        findings=tuple(one.anomaly.value for one in found.findings),
        is_tampered=found.is_tampered,
        is_battery_low=found.is_battery_low,
    )


@device_life.get(
    "/device-health",
    needs=_SEE,
    answer=Page[HealthTold],
    gives={"items": [_HEALTH], "next": None},
)
async def list_health(request: Request, who: Who, paged: Paged) -> Response:
    """Tell how your devices do, by name."""
    check(request, who, *_SEE)
    node = node_of(request)
    after = str(read_cursor(node, "health", paged.cursor) or "")
    found = (name for name in seen_devices(node, who) if name > after)
    names = nsmallest(paged.limit + 1, found)
    told = [
        _health_told(health)
        for name in names[: paged.limit]
        if (health := node.health.of(name)) is not None
    ]
    last = names[paged.limit - 1] if len(names) > paged.limit else None
    link = next_path(request, None if last is None else cursor_of(node, "health", last))
    return answer({"items": told, "next": link})


@device_life.get(
    "/devices/{device}/health",
    needs=_SEE,
    answer=HealthTold,
    gives=_HEALTH,
    refuses=(404,),
)
async def get_health(request: Request, who: Who, device: DevicePath) -> Response:
    """Tell how a device does: one word, and why."""
    check(request, who, *_SEE)
    node = node_of(request)
    seen_device(node, who, device)
    found = node.health.of(MeterId(device))
    if found is None:
        raise not_found(f"health of {device}")
    return answer(_health_told(found))


# --- what they told --------------------------------------------------------------------------


def _reading_told(node: Node, reading: Reading) -> ReadingTold:
    return ReadingTold(
        device=reading.device,
        boot=reading.boot,
        seq=reading.seq,
        measured_at=to_text(reading.measured_at),
        measured_at_local=local_text(node.calendar, reading.measured_at),
        import_register=reading.import_register,
        export_register=reading.export_register,
        power_w=reading.power_w,
        voltage_mv=reading.voltage_mv,
        flags=reading.flags,
        proof=b64encode(reading.proof).decode(),
    )


def _sees_reading(node: Node, who: Identity, sight: Sight, reading: Reading) -> bool:
    """Tell whether a reading is seen: it is whose the pod was when it was measured."""
    if sight.is_whole:
        return True
    pod = pod_behind(node.state(), reading.device)
    if pod is None:
        return who.may(Permission.READ_GRID)
    return sight.sees_pod(node.state(), pod, reading.measured_at)


@device_life.get(
    "/devices/{device}/reading",
    needs=_SEE,
    answer=ReadingTold,
    gives=_READING,
    refuses=(404,),
)
async def get_last_reading(request: Request, who: Who, device: DevicePath) -> Response:
    """Tell the last verified reading of a device."""
    check(request, who, *_SEE)
    node = node_of(request)
    found = node.latest.of(MeterId(device))
    if found is None or not _sees_reading(node, who, sight_of(node, who), found):
        raise not_found(f"reading of {device}")
    return answer(_reading_told(node, found))


@device_life.get(
    "/devices/{device}/readings",
    needs=_SEE,
    answer=Page[ReadingTold],
    gives={"items": [_READING], "next": None},
    refuses=(404, 409),
)
async def list_evidence(
    request: Request, who: Who, device: DevicePath, span: Spanned, paged: Paged
) -> Response:
    """List what a device told within a day, newest first, each with the bytes as signed.

    So a household can check that what was settled is what its meter measured. `since` and `until`
    are at most a day apart; without them it is the last day.
    """
    check(request, who, *_SEE)
    node = node_of(request)
    if pod_behind(node.state(), MeterId(device)) is None:
        seen_device(node, who, device)
    within = _within(node, span)
    what = f"evidence {device} {span}"
    before = read_cursor(node, what, paged.cursor)
    if isinstance(before, int):
        within = Period(within.start, Instant(max(before, within.start + 1)))
    seen = await _newest(node, who, MeterId(device), within, paged.limit + 1)
    told = seen[: paged.limit]
    has_more = len(seen) > paged.limit
    link = next_path(request, cursor_of(node, what, told[-1].measured_at) if has_more else None)
    return answer({"items": [_reading_told(node, one) for one in told], "next": link})


async def _newest(
    node: Node, who: Identity, device: MeterId, within: Period, wanted: int
) -> list[Reading]:
    """Return readings that are seen, newest first, and at least so many where there are.

    Part by part: a day may hold a hundred thousand, and others are to have their turn.
    """
    sight = sight_of(node, who)
    seen: list[Reading] = []
    end = within.end
    while end > within.start and len(seen) < wanted:
        begin = max(within.start, Instant(end - LOOKED_THROUGH_US))
        part = list(node.readings.of_device(node.community, device, Period(begin, end)))
        seen += [one for one in reversed(part) if _sees_reading(node, who, sight, one)]
        end = begin
        await asyncio.sleep(0)
    return seen


def _within(node: Node, span: Span) -> Period:
    """Return the day that is looked through."""
    until = span.until
    if until is None:
        is_first = span.since is not None
        until = Instant((span.since or 0) + DAY) if is_first else Instant(node.clock.now() + 1)
    since = Instant(until - DAY) if span.since is None else span.since
    if not 0 < until - since <= EVIDENCE_SPAN_MAX_US:
        flaw = Flaw(pointer="query/until", detail="after since, and at most a day after it")
        raise Problem(409, "wrong-span", "a day is the most at once", (flaw,))
    return Period(since, until)


# --- what they are told ----------------------------------------------------------------------


@device_life.post(
    "/devices/{device}/commands",
    needs=(Permission.TRADE_OWN, Permission.MANAGE_DEVICES),
    body=DeviceOrder,
    sends=SetPoint(power_w=2_000, start="2026-05-01T12:00Z", end="2026-05-01T12:30Z"),
    answer=Sent,
    gives=Sent(device="b-h01", number=7),
    status=202,
    refuses=(404, 409),
)
async def command_device(request: Request, who: Who, device: DevicePath) -> Response:
    """Tell a device of yours something: a ping, a set-point, what energy costs.

    It is on its way when this answers; what became of it, the device says. A command that comes
    late or again changes nothing.
    """
    changeable(request, who, device)
    told: DeviceOrder = await read(request, cast("type[DeviceOrder]", DeviceOrder))
    node = node_of(request)
    if MeterId(device) in node.state().registry.revoked:
        raise not_found(f"device {device}")
    number = await node.wire.tell_device(MeterId(device), _plain(node, told))
    return answer(Sent(device=device, number=number), 202)


def _plain(node: Node, told: DeviceOrder) -> dict[str, object]:
    """Return a command as it is on the wire, but for its number."""
    now = node.clock.now()
    expires = now + COMMAND_LASTS_US if told.expires_at is None else instant_of(told.expires_at)
    match told:
        case Ping():
            return {"cmd": "ping", "expires_at": expires}
        case SetPoint():
            span = _span(told.start, told.end, "/end")
            return {
                "cmd": "set_point",
                "expires_at": expires,
                "power_w": told.power_w,
                "start": span.start,
                "end": span.end,
            }
        case ShowTariff():
            prices = [
                (*_plain_span(price, place), price.import_nano_per_wh, price.export_nano_per_wh)
                for place, price in enumerate(told.prices)
            ]
            return {
                "cmd": "tariff",
                "expires_at": expires,
                "currency": told.currency,
                "prices": prices,
            }


def _plain_span(price: PriceShown, place: int) -> tuple[Instant, Instant]:
    span = _span(price.start, price.end, f"/prices/{place}/end")
    return span.start, span.end


def _span(start: str, end: str, pointer: str) -> Period:
    """Return a span that ends after it starts."""
    first, last = instant_of(start), instant_of(end)
    if first >= last:
        flaw = Flaw(pointer=pointer, detail="after the start")
        raise Problem(409, "wrong-span", f"{pointer}: it ends after it starts", (flaw,))
    return Period(first, last)
