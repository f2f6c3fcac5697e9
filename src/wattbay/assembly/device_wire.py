"""What devices were told and answered, for those who ask over REST and listen to the stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from wattbay.adapters.api.node import ToldCommand
from wattbay.adapters.api.stream.hub import Hub
from wattbay.adapters.mqtt.line import DeviceLine, Told
from wattbay.ids import MeterId
from wattbay.periods import to_text


class DeviceWire:
    """The line to devices, as the interface knows it."""

    def __init__(self, line: DeviceLine) -> None:
        """Speak over a line."""
        self._line = line

    async def tell_device(self, device: MeterId, order: object) -> int:
        """Send a command without its number; return that."""
        return await self._line.tell_device(device, order)

    def told(self, device: MeterId) -> Sequence[ToldCommand]:
        """Return the last commands of a device and their answers, oldest first."""
        return [_plain(one) for one in self._line.told(device)]

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish on a topic that is no device's."""
        self._line.publish(topic, payload)


def answers_to(hub: Hub) -> Callable[[MeterId, Told], None]:
    """Return what tells a hub of each answer."""

    def tell(device: MeterId, told: Told) -> None:
        plain = _plain(told)
        at = plain.sent_at if plain.answered_at is None else plain.answered_at
        hub.device(device, "answer", {"answer": _row(plain)}, at)

    return tell


def _plain(told: Told) -> ToldCommand:
    return ToldCommand(
        number=told.command.number,
        what=str(told.command.__struct_config__.tag),
        sent_at=told.sent_at,
        expires_at=told.command.expires_at,
        answered_at=told.answered_at,
        refused="" if told.answer is None else told.answer.refused,
    )


def _row(told: ToldCommand) -> Mapping[str, object]:
    return {
        "number": told.number,
        "what": told.what,
        "answered_at": None if told.answered_at is None else to_text(told.answered_at),
        "refused": told.refused or None,
    }
