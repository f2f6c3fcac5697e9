"""Devices, their keys, and pods that leave: what can be asked, and what can have happened.

A meter is registered with its pod (`RegisterPod`, `ExchangeMeter`); what else stands behind a pod,
and what belongs to no pod, such as a sensor of the grid, is registered by itself. Both share one
space of names, since their topics do. Which key signs is told here, so that history says with
which key a reading was signed.
"""

from __future__ import annotations

from wattbay.core.facts import Device, Message
from wattbay.ids import MeterId, PodId
from wattbay.periods import Instant

# --- what can be asked -----------------------------------------------------------------------


class RegisterDevice(Message, kw_only=True):
    """Admit a device that is no meter."""

    device: Device


class RotateKey(Message, kw_only=True):
    """Let a device or meter sign with another key from now on."""

    device: MeterId
    key: bytes
    """Public key. [32 bytes Ed25519, 33 bytes P-256]"""


class RevokeDevice(Message, kw_only=True):
    """Believe a device or meter nothing more: its key is no longer known."""

    device: MeterId
    reason: str


class DisconnectPod(Message, kw_only=True):
    """Let a pod leave the community at an instant from which nothing is listed yet."""

    pod: PodId
    until: Instant
    """The first delivery in which it has no part."""


DeviceCommand = RegisterDevice | RotateKey | RevokeDevice | DisconnectPod


# --- what can have happened ------------------------------------------------------------------


class DeviceRegistered(Message, kw_only=True):
    """A device was admitted."""

    device: Device


class KeyRotated(Message, kw_only=True):
    """A device or meter signs with another key."""

    device: MeterId
    key: bytes
    since: Instant
    """What was measured earlier may bear the key before: it waited to be sent."""


class DeviceRevoked(Message, kw_only=True):
    """A device or meter is believed nothing more."""

    device: MeterId
    reason: str


class PodDisconnected(Message, kw_only=True):
    """A pod leaves."""

    pod: PodId
    until: Instant


DeviceEvent = DeviceRegistered | KeyRotated | DeviceRevoked | PodDisconnected
