"""What the watch is told of each device: from the registry, and from the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wattbay.config import Watching
from wattbay.core.exchange import State
from wattbay.core.facts import DeviceKind
from wattbay.ids import MeterId
from wattbay.periods import MINUTE
from wattbay.views.devices import Devices, KnownDevice
from wattbay.watch.findings import DeviceFacts
from wattbay.watch.track import Limits

METER_DIGITS = 9


class Facts:
    """The facts of all devices, made anew when something was registered."""

    def __init__(self, devices: Devices, state: Callable[[], State], watching: Watching) -> None:
        """Look at the devices of a community."""
        self._devices = devices
        self._state = state
        self._watching = watching
        self._made_of: Mapping[MeterId, KnownDevice] | None = None
        self._facts: dict[MeterId, DeviceFacts] = {}
        self.limits = Limits(silent_min_us=watching.silent_after_minutes * MINUTE)

    def all(self) -> Mapping[MeterId, DeviceFacts]:
        """Return the facts of every device; the same records as long as nothing changed."""
        known = self._devices.all()
        if known is not self._made_of:
            before = self._facts
            made = {name: self._of(device) for name, device in known.items()}
            # Whoever compares by identity sees a change only where there is one.
            self._facts = {
                name: old if (old := before.get(name)) == facts else facts
                for name, facts in made.items()
            }
            self._made_of = known
        return self._facts

    def _of(self, device: KnownDevice) -> DeviceFacts:
        return DeviceFacts(
            device=device.device,
            pod=device.pod,
            kind=device.kind,
            unit_wh=device.unit_wh,
            digits=device.digits or METER_DIGITS,
            power_max_w=device.power_max_w,
            is_solar=device.kind is DeviceKind.PV_INVERTER,
            latitude_deg=self._watching.latitude,
            longitude_deg=self._watching.longitude,
        )
