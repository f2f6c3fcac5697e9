"""Which key each device signs with: what a wire asks before it believes a reading."""

from __future__ import annotations

from wattbay.core.commands import ExchangeMeter, OpenCommunity, RegisterPod
from wattbay.core.devices import (
    DeviceRegistered,
    DeviceRevoked,
    KeyRotated,
    RegisterDevice,
    RevokeDevice,
    RotateKey,
)
from wattbay.core.events import CommunityOpened, MeterExchanged, PodRegistered
from wattbay.core.facts import FormerKey
from wattbay.core.meters import Metering
from wattbay.core.registry import Registry
from wattbay.ids import CommunityId, MeterId, PodId
from wattbay.kernel.codec import Entry

_TOLD_BY = (
    RegisterPod,
    ExchangeMeter,
    OpenCommunity,
    RegisterDevice,
    RotateKey,
    RevokeDevice,
)


class MeterKeys:
    """The public keys of all devices that were ever in use: readings of an old one may be late."""

    __slots__ = ("_former", "_keys", "_pods", "community")

    def __init__(self) -> None:
        """Know no device."""
        self.community: CommunityId | None = None
        """Whose devices they are; None before it is founded."""
        self._keys: dict[MeterId, bytes] = {}
        self._former: dict[MeterId, FormerKey] = {}
        self._pods: dict[MeterId, PodId] = {}

    @classmethod
    def of(cls, registry: Registry, metering: Metering) -> MeterKeys:
        """Return the keys that a state knows, so that nothing need be read from the first entry."""
        keys = cls()
        if registry.community is not None:
            keys.community = registry.community.community
        for name, use in metering.meters.items():
            keys._keys[name], keys._pods[name] = use.meter.key, use.pod
        for name, device in registry.devices.items():
            keys._keys[name] = device.key
            if device.pod is not None:
                keys._pods[name] = device.pod
        keys._keys.update(registry.keys)
        keys._former.update(registry.former_keys)
        for name in registry.revoked:
            keys._keys.pop(name, None)
            keys._former.pop(name, None)
        return keys

    def fold(self, entry: Entry) -> None:
        """Take the next entry of history."""
        if not isinstance(entry.command, _TOLD_BY):
            return
        for event in entry.events:
            match event:
                case PodRegistered(facts=facts, meter=meter):
                    self._keys[meter.meter], self._pods[meter.meter] = meter.key, facts.pod
                case MeterExchanged(pod=pod, meter=meter):
                    self._keys[meter.meter], self._pods[meter.meter] = meter.key, pod
                case DeviceRegistered(device=device):
                    self._keys[device.device] = device.key
                    if device.pod is not None:
                        self._pods[device.device] = device.pod
                case KeyRotated(device=name, key=key, since=since):
                    self._former[name] = FormerKey(key=self._keys[name], until=since)
                    self._keys[name] = key
                case DeviceRevoked(device=name):
                    self._keys.pop(name, None)
                    self._former.pop(name, None)
                case CommunityOpened():
                    self.community = event.community
                case _:
                    pass

    def key_of(self, device: MeterId) -> bytes | None:
        """Return the public key of a device or meter; None for an unknown or revoked one.

        Its length tells the algorithm. [32 bytes Ed25519, 33 bytes P-256]
        """
        return self._keys.get(device)

    def former_key_of(self, device: MeterId) -> FormerKey | None:
        """Return the key before the last rotation: what waits in an outbox is signed with it."""
        return self._former.get(device)

    def pod_of(self, device: MeterId) -> PodId | None:
        """Return the pod behind which a device stands; None for a sensor, or an unknown one."""
        return self._pods.get(device)
