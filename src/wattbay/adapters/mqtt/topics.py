"""The topics of the wire: where devices, the service and the market say what.

Everything lies below ``em/v1/{community}/``. The community is the shard key and always there; an
identifier bears no dot, space or slash; there are at most seven slashes, as some brokers demand.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId, is_id

PREFIX = "em/v1"
MARKET = "market"
"""Stands where a device would: no device may be called so."""
SLASHES_MAX = 7
TOPIC_BYTES_MAX = 256
TOPICS_KEPT_MAX = 65_536
"""Topics that need not be taken apart again."""


class Channel(StrEnum):
    """What a message to or from a device is about."""

    READINGS = "data"
    """Signed readings, from the device. Quality of service 1."""
    STATUS = "status"
    """``online`` or ``offline``, from the device or its last will. Retained."""
    ACKNOWLEDGED = "ack"
    """What is stored for good, to the device."""
    COMMANDS = "cmd"
    """Set-points, pings and tariffs, to the device. Quality of service 1."""
    EVENTS = "evt"
    """Answers to commands and what else happened, from the device. Quality of service 1."""


class DeviceTopic(NamedTuple):
    """A topic of one device."""

    community: CommunityId
    device: MeterId
    channel: Channel


_CHANNELS = frozenset(Channel)


def is_device(name: str) -> bool:
    """Tell whether a device may be called `name`."""
    return is_id(name) and name != MARKET


def device_topic(community: CommunityId, device: MeterId, channel: Channel) -> str:
    """Return the topic of a device on a channel."""
    return f"{PREFIX}/{community}/{device}/{channel}"


def market_topic(community: CommunityId, *parts: str) -> str:
    """Return a topic of the market, such as ``em/v1/london/market/clear``.

    Raises
    ------
    ValueError
        If a part is no identifier, or there are too many.
    """
    topic = "/".join((PREFIX, community, MARKET, *parts))
    if not parts or not all(map(is_id, parts)) or topic.count("/") > SLASHES_MAX:
        msg = f"a topic of the market has one to four parts that are identifiers; got {parts}"
        raise ValueError(msg)
    return topic


def channel_filter(community: CommunityId, channel: Channel) -> str:
    """Return the filter that a subscriber to one channel of all devices names."""
    return f"{PREFIX}/{community}/+/{channel}"


@lru_cache(maxsize=TOPICS_KEPT_MAX)
def parse_device_topic(topic: str) -> DeviceTopic:
    """Return which device a topic belongs to, and its channel.

    Raises
    ------
    WireError
        If it is no topic of a device.
    """
    match topic.split("/"):
        case ["em", "v1", community, device, channel] if (
            channel in _CHANNELS and is_id(community) and is_device(device)
        ):
            return DeviceTopic(CommunityId(community), MeterId(device), Channel(channel))
        case _:
            msg = f"wrong topic: {topic[:TOPIC_BYTES_MAX]!r}; not em/v1/{{community}}/{{device}}/…"
            raise WireError(msg)
