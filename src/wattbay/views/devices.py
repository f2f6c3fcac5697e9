"""What is known of every device: from the state, made anew when something was registered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from wattbay.core import events as e
from wattbay.core.devices import DeviceRegistered, DeviceRevoked, PodDisconnected
from wattbay.core.exchange import State
from wattbay.core.facts import DeviceKind
from wattbay.ids import MeterId, PodId, ZoneId
from wattbay.kernel.codec import Entry

_CHANGED_BY = (
    e.PodRegistered,
    e.MeterExchanged,
    e.CommunityOpened,
    DeviceRegistered,
    DeviceRevoked,
    PodDisconnected,
)


class KnownDevice(NamedTuple):
    """A device or meter that is enrolled and not revoked."""

    device: MeterId
    kind: DeviceKind
    pod: PodId | None
    zone: ZoneId | None
    unit_wh: int
    digits: int | None
    """Of a meter's registers."""
    power_max_w: int
    is_in_use: bool
    """False of a meter that was replaced: late readings may still come."""


class Devices:
    """The devices of a community, as a reader of the kernel and of its state."""

    def __init__(self, state: Callable[[], State]) -> None:
        """Look at a state."""
        self._state = state
        self._known: Mapping[MeterId, KnownDevice] | None = None

    def fold(self, entry: Entry) -> None:
        """Take the next entry of history."""
        if any(isinstance(event, _CHANGED_BY) for event in entry.events):
            self._known = None

    def all(self) -> Mapping[MeterId, KnownDevice]:
        """Return every device; the same mapping as long as nothing changed."""
        if self._known is None:
            self._known = MappingProxyType(_read(self._state()))
        return self._known


def _read(state: State) -> dict[MeterId, KnownDevice]:
    """Return the devices of a state, meters first, in order of registration."""
    registry, found = state.registry, {}
    for name, use in state.metering.meters.items():
        meter = use.meter
        found[name] = KnownDevice(
            name, DeviceKind.METER, use.pod, None, meter.unit_wh, meter.digits, meter.power_max_w,
            use.until is None,
        )  # fmt: skip
    for name, one in registry.devices.items():
        found[name] = KnownDevice(
            name, one.kind, one.pod, one.zone, one.unit_wh, None, one.power_max_w, is_in_use=True
        )
    return {name: one for name, one in found.items() if name not in registry.revoked}
