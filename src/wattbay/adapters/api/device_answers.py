"""What became of what devices were told."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer
from wattbay.adapters.api.callers import Who, check, node_of
from wattbay.adapters.api.devices import devices, seen_device
from wattbay.adapters.api.forms import DevicePath, maybe_text
from wattbay.adapters.api.node import Node, ToldCommand
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.sight import pod_behind, sight_of
from wattbay.ids import MeterId
from wattbay.periods import to_text

device_answers = Section(devices.tag, devices.about)

_SEE = (Permission.READ_OWN, Permission.READ_ALL, Permission.READ_GRID)


class CommandTold(msgspec.Struct, frozen=True, kw_only=True):
    """What a device was told, and what it answered."""

    number: int
    what: str
    """``ping``, ``set_point`` or ``tariff``."""
    sent_at: str
    expires_at: str
    """From when on it is not carried out any more."""
    answered_at: str | None
    """When its answer came; null while there is none."""
    refused: str | None
    """Why it was not carried out, in the device's words; null where it was, or is not known."""


_COMMAND = CommandTold(
    number=1_777_626_724_218_000,
    what="set_point",
    sent_at="2026-05-01T09:12:04.218Z",
    expires_at="2026-05-01T10:12:04.218Z",
    answered_at="2026-05-01T09:12:04.391Z",
    refused=None,
)


@device_answers.get(
    "/devices/{device}/commands",
    needs=_SEE,
    answer=tuple[CommandTold, ...],
    gives=(_COMMAND,),
    refuses=(404,),
)
async def list_commands(request: Request, who: Who, device: DevicePath) -> Response:
    """List what a device was told last and what it answered, newest first.

    The last twenty since the service was started. The stream tells each answer as it comes, on
    `devices/PARTY`.
    """
    check(request, who, *_SEE)
    node = node_of(request)
    seen_device(node, who, device)
    told = node.wire.told(MeterId(device))
    return answer([_told(one) for one in reversed(told) if _sees(node, who, device, one)])


def _sees(node: Node, who: Identity, device: str, told: ToldCommand) -> bool:
    """Tell whether a command is seen by somebody who sees the device: it was theirs then, too."""
    if who.may(Permission.MANAGE_DEVICES):
        return True
    state = node.state()
    pod = pod_behind(state, MeterId(device))
    if pod is None:
        return True
    joined = state.registry.pods[pod][0].since  # A device can be told something before that.
    return sight_of(node, who).sees_pod(state, pod, max(told.sent_at, joined))


def _told(told: ToldCommand) -> CommandTold:
    return CommandTold(
        number=told.number,
        what=told.what,
        sent_at=to_text(told.sent_at),
        expires_at=to_text(told.expires_at),
        answered_at=maybe_text(told.answered_at),
        refused=told.refused or None,
    )
