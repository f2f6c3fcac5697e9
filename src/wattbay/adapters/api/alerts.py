"""Alerts: what is odd about a device, seen by somebody, and closed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer, read
from wattbay.adapters.api.callers import Who, check, node_of
from wattbay.adapters.api.devices import sees_device
from wattbay.adapters.api.forms import DeviceQuery, NumberPath, maybe_text
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.pages import Page, Paged, cursor_of, next_path, read_cursor
from wattbay.adapters.api.problems import not_found
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.sight import pod_behind, sight_of
from wattbay.adapters.api.stream.route import tell_alert
from wattbay.ids import MeterId
from wattbay.periods import to_text
from wattbay.watch.alerts import NOTE_CHARACTERS_MAX, Alert

alerts = Section(
    "alerts",
    "What is odd about a device: a bad signature, a register that went back, energy at night. Hard"
    " findings never settle; soft ones settle as suspect until somebody confirms them.",
)

_SEE = (Permission.READ_OWN, Permission.READ_ALL, Permission.READ_GRID)
_ACT = (Permission.TRADE_OWN, Permission.MANAGE_DEVICES)
SEEKS_MAX = 20
SEEN_AT_ONCE = 500


class Note(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be said of an alert."""

    note: Annotated[str, msgspec.Meta(max_length=NOTE_CHARACTERS_MAX)] = ""


class AlertTold(msgspec.Struct, frozen=True, kw_only=True):
    """An alert: a finding, how often it was found, and who has seen it."""

    number: int
    device: str
    anomaly: str
    severity: str
    """``notice``, ``soft`` or ``hard``."""
    detail: str
    """What was found last, in a sentence."""
    boot: int | None
    seq: int | None
    measured_at: str | None
    """Of the reading in which it was found last."""
    opened_at: str
    last_at: str
    count: int
    acknowledged_by: str | None
    acknowledged_at: str | None
    closed_by: str | None
    closed_at: str | None
    note: str


_ALERT = AlertTold(
    number=3,
    device="m-h01",
    anomaly="night-solar",
    severity="soft",
    detail="made 120 Wh while the sun was 8 degrees below the horizon",
    boot=1,
    seq=4_120,
    measured_at="2026-05-01T02:00Z",
    opened_at="2026-05-01T02:00:01Z",
    last_at="2026-05-01T02:30:01Z",
    count=2,
    acknowledged_by=None,
    acknowledged_at=None,
    closed_by=None,
    closed_at=None,
    note="",
)


def _told(alert: Alert, *, is_staff: bool) -> AlertTold:
    """Return an alert as it is told; who acted on it is for those who manage devices."""
    return AlertTold(
        number=alert.number,
        device=alert.device,
        anomaly=alert.anomaly.value,
        severity=alert.severity.value,
        detail=alert.detail,
        boot=alert.boot,
        seq=alert.seq,
        measured_at=maybe_text(alert.measured_at),
        opened_at=to_text(alert.opened_at),
        last_at=to_text(alert.last_at),
        count=alert.count,
        acknowledged_by=alert.acknowledged_by if is_staff else None,
        acknowledged_at=maybe_text(alert.acknowledged_at),
        closed_by=alert.closed_by if is_staff else None,
        closed_at=maybe_text(alert.closed_at),
        note=alert.note,
    )


def _is_staff(who: Identity) -> bool:
    return who.may(Permission.MANAGE_DEVICES) or who.may(Permission.READ_ALL)


@alerts.get(
    "/alerts",
    needs=_SEE,
    answer=Page[AlertTold],
    gives={"items": [_ALERT], "next": None},
)
async def list_alerts(
    request: Request,
    who: Who,
    paged: Paged,
    device: DeviceQuery = None,
    *,
    open_only: Annotated[bool, Query(description="Leave out what is closed.")] = False,
) -> Response:
    """List alerts of your devices, those that were opened last first."""
    check(request, who, *_SEE)
    node = node_of(request)
    what = f"alerts {device} {open_only} {who.login}"
    after = read_cursor(node, what, paged.cursor)
    place = after if isinstance(after, int) else None
    seen: list[Alert] = []
    for _ in range(SEEKS_MAX):
        found = node.alerts.find(
            None if device is None else MeterId(device),
            open_only=open_only,
            after=place,
            limit=SEEN_AT_ONCE,
        )
        seen += [alert for alert in found if _sees(node, who, alert)]
        place = found[-1].number if len(found) == SEEN_AT_ONCE else None
        if len(seen) > paged.limit or place is None:
            break
    if len(seen) > paged.limit:
        place = seen[paged.limit - 1].number
    link = next_path(request, None if place is None else cursor_of(node, what, place))
    told = [_told(alert, is_staff=_is_staff(who)) for alert in seen[: paged.limit]]
    return answer({"items": told, "next": link})


def _sees(node: Node, who: Identity, alert: Alert) -> bool:
    """Tell whether an alert is seen: it is whose the pod was when it was found last."""
    state = node.state()
    pod = pod_behind(state, alert.device)
    if pod is None or _is_staff(who):
        return sees_device(node, who, alert.device)
    at = max(alert.last_at, state.registry.pods[pod][0].since)
    return sight_of(node, who).sees_pod(state, pod, at)


def _seen(node: Node, who: Identity, number: int) -> Alert:
    found = node.alerts.of(number)
    if found is None or not _sees(node, who, found):
        raise not_found(f"alert {number}")
    return found


@alerts.get("/alerts/{number}", needs=_SEE, answer=AlertTold, gives=_ALERT, refuses=(404,))
async def get_alert(request: Request, who: Who, number: NumberPath) -> Response:
    """Tell one alert."""
    check(request, who, *_SEE)
    found = _seen(node_of(request), who, number)
    return answer(_told(found, is_staff=_is_staff(who)))


@alerts.post(
    "/alerts/{number}/acknowledge",
    needs=_ACT,
    body=Note,
    sends=Note(note="we look at it tomorrow"),
    answer=AlertTold,
    gives=_ALERT,
    refuses=(404,),
)
async def acknowledge_alert(request: Request, who: Who, number: NumberPath) -> Response:
    """Say that you have seen an alert. Who was first stays."""
    check(request, who, *_ACT)
    told = await read(request, Note)
    node = node_of(request)
    _seen(node, who, number)
    found = node.alerts.acknowledge(number, who.login, node.clock.now(), told.note)
    if found is None:
        raise not_found(f"alert {number}")
    tell_alert(request, found, "acknowledged")
    return answer(_told(found, is_staff=_is_staff(who)))


@alerts.post(
    "/alerts/{number}/close",
    needs=(Permission.MANAGE_DEVICES,),
    body=Note,
    sends=Note(note="the meter was replaced"),
    answer=AlertTold,
    gives=_ALERT,
    refuses=(404,),
)
async def close_alert(request: Request, who: Who, number: NumberPath) -> Response:
    """Close an alert: what is found from now on opens another."""
    check(request, who, Permission.MANAGE_DEVICES)
    told = await read(request, Note)
    node = node_of(request)
    found = node.alerts.close(number, who.login, node.clock.now(), told.note)
    if found is None:
        raise not_found(f"alert {number}")
    node.health.closed(found.device, found.anomaly)
    tell_alert(request, found, "closed")
    return answer(_told(found, is_staff=True))
