"""Devices: enrolled with a proof, rotated, revoked; how they do, and what they are told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import nsmallest
from types import MappingProxyType
from typing import Annotated

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.chance import secret_text
from wattbay.access.identity import Identity
from wattbay.access.records import Challenge
from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer, read
from wattbay.adapters.api.callers import Who, check, node_of
from wattbay.adapters.api.enrolments import Algorithm, EnrolmentTold, admitted
from wattbay.adapters.api.forms import (
    WORDS_PATTERN,
    DevicePath,
    Id,
    Positive,
    maybe_text,
)
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.orders import accepted
from wattbay.adapters.api.pages import Page, Paged, cursor_of, next_path, read_cursor
from wattbay.adapters.api.problems import Problem, forbidden, not_found
from wattbay.adapters.api.repeats import recorded
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.sight import own_pod, pod_behind, pods_of
from wattbay.core.devices import RegisterDevice, RevokeDevice, RotateKey
from wattbay.core.enrolment import key_of
from wattbay.core.exchange import State
from wattbay.core.facts import Device, DeviceKind
from wattbay.core.registry import facts_at
from wattbay.ids import MeterId, PodId, ZoneId
from wattbay.periods import MINUTE, Instant, to_text

devices = Section(
    "devices",
    "Meters, and everything else that signs: inverters, batteries, displays, sensors. A device"
    " is enrolled by a request that its own key signs; what no known key signed is ignored.",
)

CHALLENGE_LASTS_US = 10 * MINUTE
ED25519_BYTES = 32


class ChallengeWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For which device a challenge is wanted."""

    device: Id


class ChallengeGiven(msgspec.Struct, frozen=True, kw_only=True):
    """What the device signs, once."""

    device: str
    challenge: str
    expires_at: str


class NewDevice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device that is no meter, and where it stands. A meter comes with its pod."""

    request: EnrolmentTold
    pod: Id | None = None
    """Behind which it stands; none for a sensor of the grid."""
    zone: Id | None = None
    """Of a sensor of the grid: what it watches."""
    power_max_w: Positive = 100_000
    """More than this is impossible."""


class KeyRotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device's request with its new key."""

    request: EnrolmentTold


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """A device is known, signs with another key, or is believed nothing more."""

    entry: int
    device: str


class DeviceTold(msgspec.Struct, frozen=True, kw_only=True):
    """A device or meter."""

    device: str
    kind: str
    pod: str | None
    zone: str | None
    algorithm: str | None
    """Null of one that is revoked: it has no key any more."""
    public_key: str | None
    """In hexadecimal digits."""
    unit_wh: int
    power_max_w: int
    since: str | None
    """Of a meter: when it was put in."""
    until: str | None
    """Of a meter: when it was taken out."""
    revoked: str | None
    """Why it is believed nothing more."""


_DEVICE = DeviceTold(
    device="m-h01",
    kind="meter",
    pod="h01",
    zone=None,
    algorithm="ed25519",
    public_key="3b" * 32,
    unit_wh=1,
    power_max_w=100_000,
    since="2026-05-01T00:00Z",
    until=None,
    revoked=None,
)
_REQUEST: Mapping[str, object] = MappingProxyType(
    {
        "form": "wattbay-enrolment/1",
        "community": "town",
        "device": "b-h01",
        "kind": "battery",
        "algorithm": "ed25519",
        "public_key": "3b" * 32,
        "unit_wh": 1,
        "made_at": 1_777_626_724_218_000,
        "challenge": "wq3Jm2...",
        "proof": "7f" * 64,
    }
)
DEVICES_PER_POD_MAX = 50
"""That a household enrols itself: there is room for so many devices in all. Revoked ones count."""
_SEE = (Permission.READ_OWN, Permission.READ_ALL, Permission.READ_GRID)
_OWN = (Permission.TRADE_OWN, Permission.MANAGE_DEVICES)


# --- what there is ---------------------------------------------------------------------------


def device_told(state: State, device: MeterId) -> DeviceTold | None:
    """Return a device or meter as it is told; None where it is unknown."""
    key = key_of(state.registry, state.metering, device)
    revoked = state.registry.revoked.get(device)
    algorithm = None
    if key is not None:
        algorithm = Algorithm.ED25519 if len(key) == ED25519_BYTES else Algorithm.P256
    public_key = None if key is None else key.hex()
    use = state.metering.meters.get(device)
    if use is not None:
        return DeviceTold(
            device=device,
            kind=DeviceKind.METER,
            pod=use.pod,
            zone=None,
            algorithm=algorithm,
            public_key=public_key,
            unit_wh=use.meter.unit_wh,
            power_max_w=use.meter.power_max_w,
            since=to_text(use.since),
            until=maybe_text(use.until),
            revoked=revoked,
        )
    known = state.registry.devices.get(device)
    if known is None:
        return None
    return DeviceTold(
        device=device,
        kind=known.kind.value,
        pod=known.pod,
        zone=known.zone,
        algorithm=algorithm,
        public_key=public_key,
        unit_wh=known.unit_wh,
        power_max_w=known.power_max_w,
        since=None,
        until=None,
        revoked=revoked,
    )


def sees_device(node: Node, who: Identity, device: MeterId) -> bool:
    """Tell whether somebody sees a device as it is now: theirs, a sensor of the grid, or all."""
    if who.may(Permission.READ_ALL) or who.may(Permission.MANAGE_DEVICES):
        return True
    state = node.state()
    pod = pod_behind(state, device)
    if pod is None:
        return who.may(Permission.READ_GRID) and device in state.registry.devices
    return who.may(Permission.READ_OWN) and _is_own(state, who, pod, node.clock.now())


def _is_own(state: State, who: Identity, pod: PodId, at: Instant) -> bool:
    """Tell whether a pod is somebody's now, or, where it joins only later, then."""
    history = state.registry.pods[pod]
    facts = facts_at(state.registry, pod, max(at, history[0].since))
    return facts is not None and facts.party in who.parties


def seen_device(node: Node, who: Identity, device: str) -> DeviceTold:
    """Return a device that the caller sees.

    Raises
    ------
    Problem
        If there is none of that name that they see.
    """
    found = device_told(node.state(), MeterId(device))
    if found is None or not sees_device(node, who, MeterId(device)):
        raise not_found(f"device {device}")
    return found


def seen_devices(node: Node, who: Identity) -> Iterator[MeterId]:
    """Yield the names of all devices and meters that somebody sees."""
    state = node.state()
    if who.may(Permission.READ_ALL) or who.may(Permission.MANAGE_DEVICES):
        yield from state.metering.meters
        yield from state.registry.devices
        return
    own = pods_of(state, who.parties)
    names = [name for name, use in state.metering.meters.items() if use.pod in own]
    names += [
        name for name, one in state.registry.devices.items() if one.pod is None or one.pod in own
    ]
    yield from (name for name in names if sees_device(node, who, name))


@devices.get(
    "/devices",
    needs=_SEE,
    answer=Page[DeviceTold],
    gives={"items": [_DEVICE], "next": None},
    is_tagged=True,
)
async def list_devices(request: Request, who: Who, paged: Paged) -> Response:
    """List your devices and meters; the grid operator's are the sensors. By name."""
    check(request, who, *_SEE)
    node = node_of(request)
    state = node.state()
    after = str(read_cursor(node, "devices", paged.cursor) or "")
    found = (name for name in seen_devices(node, who) if name > after)
    names = nsmallest(paged.limit + 1, found)
    told = [device_told(state, name) for name in names[: paged.limit]]
    has_more = len(names) > paged.limit
    last = names[paged.limit - 1] if has_more else None
    link = next_path(request, None if last is None else cursor_of(node, "devices", last))
    return answer({"items": told, "next": link})


@devices.get(
    "/devices/{device}",
    needs=_SEE,
    answer=DeviceTold,
    gives=_DEVICE,
    refuses=(404,),
)
async def get_device(request: Request, who: Who, device: DevicePath) -> Response:
    """Tell one device: what it is, where it stands, and with which key it signs."""
    check(request, who, *_SEE)
    return answer(seen_device(node_of(request), who, device))


# --- enrolling, rotating, revoking -----------------------------------------------------------


@devices.post(
    "/devices/challenge",
    needs=_OWN,
    body=ChallengeWanted,
    sends=ChallengeWanted(device="b-h01"),
    answer=ChallengeGiven,
    gives=ChallengeGiven(
        device="b-h01", challenge="wq3Jm2...", expires_at="2026-05-01T09:22:04.218Z"
    ),
    status=201,
    refuses=(409,),
)
async def challenge_device(request: Request, who: Who) -> Response:
    """Get what a device is to sign with its key, within ten minutes and once.

    Give it to the device: `wattbay device register` writes the request that `POST
    /api/v1/devices` takes.
    """
    check(request, who, *_OWN)
    told = await read(request, ChallengeWanted)
    node = node_of(request)
    now = node.wall.now()
    given = Challenge(secret_text(), MeterId(told.device), Instant(now + CHALLENGE_LASTS_US))
    node.people.add_challenge(given, now)
    return answer(
        ChallengeGiven(
            device=given.device,
            challenge=given.challenge,
            expires_at=to_text(given.expires_at),
        ),
        201,
    )


@devices.post(
    "/devices",
    needs=_OWN,
    body=NewDevice,
    sends={"request": _REQUEST, "pod": "h01", "power_max_w": 5_000},
    answer=Enrolled,
    gives=Enrolled(entry=41, device="b-h01"),
    status=201,
    refuses=(404, 409),
    is_repeatable=True,
)
async def enrol_device(request: Request, who: Who) -> Response:
    """Enrol a device that shows that it holds its key: your own, behind a pod of yours.

    A meter comes with its pod (`POST /api/v1/pods`) or takes the place of another
    (`POST /api/v1/pods/{pod}/meter`); a sensor of the grid is enrolled by who manages devices.
    """
    check(request, who, *_OWN)
    told = await read(request, NewDevice)
    node = node_of(request)
    if told.request.kind is DeviceKind.METER:
        detail = "a meter comes with its pod: POST /api/v1/pods, or /api/v1/pods/{pod}/meter"
        raise Problem(409, "a-meter", detail)
    _check_place(node, who, told.pod)

    async def act() -> Response:
        admission = await admitted(node, who, told.request)
        device = Device(
            device=admission.device,
            kind=told.request.kind,
            key=admission.public_key,
            pod=None if told.pod is None else PodId(told.pod),
            zone=None if told.zone is None else ZoneId(told.zone),
            unit_wh=admission.unit_wh,
            power_max_w=told.power_max_w,
        )
        found = accepted(await node.submit(RegisterDevice(device=device)))
        return answer(Enrolled(entry=found.seq, device=told.request.device), 201, entry=found.seq)

    return await recorded(request, who, act)


def _check_place(node: Node, who: Identity, pod: str | None) -> None:
    """Make sure that somebody may let a device stand behind a pod, or behind none."""
    if who.may(Permission.MANAGE_DEVICES):
        return
    if pod is None:
        raise Problem(403, "forbidden", "say behind which pod of yours it stands")
    history = node.state().registry.pods.get(PodId(pod))
    since = node.clock.now() if not history else max(node.clock.now(), history[0].since)
    facts = own_pod(node, who, pod, since)
    known = sum(one.pod == facts.pod for one in node.state().registry.devices.values())
    if known >= DEVICES_PER_POD_MAX:
        detail = f"{DEVICES_PER_POD_MAX} devices behind a pod are the most that a household enrols"
        raise Problem(409, "too-many", detail)


@devices.put(
    "/devices/{device}/key",
    needs=_OWN,
    body=KeyRotation,
    sends={"request": _REQUEST},
    answer=Enrolled,
    gives=Enrolled(entry=42, device="b-h01"),
    refuses=(404, 409),
    is_repeatable=True,
)
async def rotate_key(request: Request, who: Who, device: DevicePath) -> Response:
    """Let a device sign with another key from now on. What the old one signed stays good.

    A meter's key is rotated by who manages devices.
    """
    told = await read(request, KeyRotation)
    node = node_of(request)
    changeable(request, who, device)
    _check_no_meter(node, who, device)
    if told.request.device != device:
        raise Problem(409, "not-admitted", f"the request is of {told.request.device}")

    async def act() -> Response:
        admission = await admitted(node, who, told.request)
        command = RotateKey(device=MeterId(device), key=admission.public_key)
        found = accepted(await node.submit(command))
        return answer(Enrolled(entry=found.seq, device=device), entry=found.seq)

    return await recorded(request, who, act)


def _check_no_meter(node: Node, who: Identity, device: str) -> None:
    """Make sure that a household does nothing to what measures it.

    Who chose the key of its meter could sign what no meter measured; who revoked it would be
    estimated instead.
    """
    if MeterId(device) in node.state().metering.meters and not who.may(Permission.MANAGE_DEVICES):
        raise forbidden("a meter's key is rotated and revoked by who manages devices")


def changeable(request: Request, who: Identity, device: str) -> None:
    """Make sure that somebody may change a device: their own, or any that they manage."""
    check(request, who, *_OWN)
    node = node_of(request)
    if who.may(Permission.MANAGE_DEVICES):
        seen_device(node, who, device)
        return
    pod = pod_behind(node.state(), MeterId(device))
    if pod is None or not _is_own(node.state(), who, pod, node.clock.now()):
        raise not_found(f"device {device}")


@devices.delete(
    "/devices/{device}",
    needs=_OWN,
    answer=Enrolled,
    gives=Enrolled(entry=43, device="b-h01"),
    refuses=(404, 409),
    is_repeatable=True,
)
async def revoke_device(
    request: Request,
    who: Who,
    device: DevicePath,
    reason: Annotated[
        str,
        Query(
            min_length=1,
            max_length=200,
            pattern=WORDS_PATTERN,
            description="Why, in words.",
            examples=["its key was lost"],
        ),
    ],
) -> Response:
    """Believe a device nothing more, from now on and for good.

    A meter is revoked by who manages devices. Its pod has no reading then: put another one in.
    """
    changeable(request, who, device)
    node = node_of(request)
    _check_no_meter(node, who, device)

    async def act() -> Response:
        found = accepted(await node.submit(RevokeDevice(device=MeterId(device), reason=reason)))
        node.health.forget(MeterId(device))
        return answer(Enrolled(entry=found.seq, device=device), entry=found.seq)

    return await recorded(request, who, act)
