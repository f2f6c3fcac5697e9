"""Requests of devices to be known, as they come over this wire: with a proof, and a challenge."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.forms import Amount, Id, Positive, whole
from wattbay.adapters.api.node import Admission, Node
from wattbay.adapters.api.problems import Flaw, Problem
from wattbay.core.facts import DeviceKind, Meter
from wattbay.errors import WireError
from wattbay.ids import MeterId
from wattbay.units import SAFE_INTEGER_MAX

Hex = Annotated[str, whole(r"^(?:[0-9a-fA-F]{2})+$", max_length=512)]
Digits = Annotated[int, msgspec.Meta(ge=1, le=15)]


class Algorithm(StrEnum):
    """By what a device signs."""

    ED25519 = "ed25519"
    P256 = "p256"


class EnrolmentTold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `wattbay device register` writes: a public key, signed by its private one."""

    form: Annotated[str, whole(r"^wattbay-enrolment/1$")]
    community: Id
    device: Id
    kind: DeviceKind
    algorithm: Algorithm
    public_key: Hex
    """64 digits of Ed25519, 66 of P-256."""
    unit_wh: Positive = 1
    """What one unit of its registers means."""
    made_at: Annotated[int, msgspec.Meta(ge=0, le=SAFE_INTEGER_MAX)]
    """In µs of UTC."""
    challenge: Annotated[str, msgspec.Meta(max_length=128)] = ""
    """What `POST /api/v1/devices/challenge` gave for this device."""
    proof: Hex
    """Signature of everything else, by the key."""


class NewMeter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A meter that is put in."""

    request: EnrolmentTold
    import_register: Amount = 0
    """When it is put in."""
    export_register: Amount = 0
    digits: Digits = 9
    """Of its registers, which begin again at zero after them."""
    power_max_w: Positive = 100_000
    """More than this through the meter is impossible."""


async def admitted(node: Node, who: Identity, told: EnrolmentTold) -> Admission:
    """Return a device that showed that it holds its key, and that it is here.

    Raises
    ------
    Problem
        If not. A challenge is used up by the attempt; who manages devices may do without one.
    """
    if told.challenge:
        known = node.people.take_challenge(told.challenge, node.wall.now())
        if known != MeterId(told.device):
            raise _flawed("challenge", "it is none of this device's, or too old, or used: get one")
    elif not who.may(Permission.MANAGE_DEVICES):
        raise _flawed("challenge", "get one: POST /api/v1/devices/challenge, and sign it, too")
    if told.community != node.community:
        raise _flawed("community", f"this is {node.community}")
    try:
        return await node.admit_device(msgspec.json.encode(told))
    except WireError as error:
        raise _flawed("proof", str(error)) from error


def _flawed(field: str, what: str) -> Problem:
    flaw = Flaw(pointer=f"/request/{field}", detail=what)
    return Problem(409, "not-admitted", f"{flaw.pointer}: {what}", (flaw,))


def meter_of(told: NewMeter, admission: Admission) -> Meter:
    """Return a meter as the exchange takes it.

    Raises
    ------
    Problem
        If the device is no meter.
    """
    if admission.kind != DeviceKind.METER:
        raise _flawed("kind", f"a {admission.kind} is no meter: POST /api/v1/devices")
    return Meter(
        meter=admission.device,
        key=admission.public_key,
        import_register=told.import_register,
        export_register=told.export_register,
        digits=told.digits,
        unit_wh=admission.unit_wh,
        power_max_w=told.power_max_w,
    )
