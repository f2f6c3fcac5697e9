"""Who measures and who leaves: devices are admitted and revoked, keys rotate, pods go."""

from __future__ import annotations

from collections.abc import Container

from wattbay.core import devices as d
from wattbay.core.events import Event
from wattbay.core.facts import Device, FormerKey
from wattbay.core.meters import Metering
from wattbay.core.reasons import Reason
from wattbay.core.registry import KEY_BYTES, Registry, refuse
from wattbay.errors import ensure
from wattbay.ids import MeterId, is_id
from wattbay.periods import Instant

DEVICES_MAX = 200_000
"""Devices that are no meters."""
REASON_CHARACTERS_MAX = 200

Refused = tuple[Reason, str]
"""Why not, and the detail."""


# --- decisions -------------------------------------------------------------------------------


def decide(
    registry: Registry, metering: Metering, command: d.DeviceCommand, at: Instant, listed: Instant
) -> list[Event]:
    """Return what a command comes to, or why it is refused.

    Parameters
    ----------
    listed
        Until when deliveries are listed.
    """
    found: d.DeviceEvent
    match command:
        case d.RegisterDevice(device=device):
            fault = _register_fault(registry, metering, device)
            found = d.DeviceRegistered(device=device)
        case d.RotateKey(device=name, key=key):
            fault = _known_fault(registry, metering, name) or _key_fault(key)
            if fault is None and key == key_of(registry, metering, name):
                fault = (Reason.ALREADY_KNOWN, "it signs with that key already")
            found = d.KeyRotated(device=name, key=key, since=at)
        case d.RevokeDevice(device=name, reason=reason):
            fault = _known_fault(registry, metering, name)
            if len(reason) > REASON_CHARACTERS_MAX:
                fault = (Reason.BAD_VALUE, f"a reason has at most {REASON_CHARACTERS_MAX} letters")
            found = d.DeviceRevoked(device=name, reason=reason)
        case d.DisconnectPod():
            fault = _leaving_fault(registry, command, at, listed)
            found = d.PodDisconnected(pod=command.pod, until=command.until)
    return [found] if fault is None else refuse(*fault)


def key_of(registry: Registry, metering: Metering, device: MeterId) -> bytes | None:
    """Return the key with which a device or meter signs; None where it is unknown or revoked."""
    if device in registry.revoked:
        return None
    if (rotated := registry.keys.get(device)) is not None:
        return rotated
    if (use := metering.meters.get(device)) is not None:
        return use.meter.key
    known = registry.devices.get(device)
    return None if known is None else known.key


def _register_fault(registry: Registry, metering: Metering, device: Device) -> Refused | None:
    """Return what is wrong with a device that is to be admitted."""
    if not is_id(device.device):
        return Reason.BAD_ID, f"device {device.device!r}"
    if device.device in registry.devices or device.device in metering.meters:
        return Reason.ALREADY_KNOWN, f"device {device.device}"
    if device.pod is not None and device.pod not in registry.pods:
        return Reason.UNKNOWN_POD, f"pod {device.pod}"
    if device.power_max_w <= 0 or device.unit_wh <= 0:
        return Reason.BAD_VALUE, "power_max_w and unit_wh are positive"
    if len(registry.devices) >= DEVICES_MAX:
        return Reason.TOO_MANY, f"{DEVICES_MAX} devices are the most"
    return _key_fault(device.key)


def _known_fault(registry: Registry, metering: Metering, device: MeterId) -> Refused | None:
    """Return why a device cannot be changed: it is unknown, or revoked."""
    known: tuple[Container[MeterId], ...] = (registry.devices, metering.meters)
    if not any(device in one for one in known):
        return Reason.UNKNOWN_METER, f"device {device}"
    if device in registry.revoked:
        return Reason.NOT_ALLOWED, f"device {device} is revoked; register another"
    return None


def _key_fault(key: bytes) -> Refused | None:
    """Return why a key cannot be one."""
    if len(key) in KEY_BYTES:
        return None
    return Reason.BAD_VALUE, "a public key has 32 bytes (Ed25519) or 33 (P-256)"


def _leaving_fault(
    registry: Registry, command: d.DisconnectPod, at: Instant, listed: Instant
) -> Refused | None:
    """Return why a pod cannot leave then."""
    history = registry.pods.get(command.pod)
    if history is None:
        return Reason.UNKNOWN_POD, f"pod {command.pod}"
    if command.pod in registry.left:
        return Reason.ALREADY_KNOWN, f"pod {command.pod} leaves already"
    if command.until % registry.isp_us:
        return Reason.BAD_VALUE, "a pod leaves at a delivery boundary"
    if command.until <= history[-1].since or command.until < max(at, listed):
        return Reason.NOT_IN_SEQUENCE, "a pod leaves from when nothing is listed yet"
    return None


# --- changes ---------------------------------------------------------------------------------


def apply(registry: Registry, metering: Metering, event: d.DeviceEvent) -> None:
    """Take up a device, a key, or that a pod leaves."""
    match event:
        case d.DeviceRegistered():
            registry.devices[event.device.device] = event.device
        case d.KeyRotated():
            former = key_of(registry, metering, event.device)
            ensure(former is not None, "a key that is rotated is known")
            registry.former_keys[event.device] = FormerKey(key=former or b"", until=event.since)
            registry.keys[event.device] = event.key
        case d.DeviceRevoked():
            registry.revoked[event.device] = event.reason
        case d.PodDisconnected():
            registry.left[event.pod] = event.until
            use = metering.meters[metering.pods[event.pod].meter]
            ensure(use.until is None, "the meter in use has no end")
            use.until = event.until
