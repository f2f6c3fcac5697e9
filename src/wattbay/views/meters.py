"""Which key each meter signs with: what a wire asks before it believes a reading."""

from __future__ import annotations

from wattbay.core.commands import ExchangeMeter, OpenCommunity, RegisterPod
from wattbay.core.events import CommunityOpened, MeterExchanged, PodRegistered
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.codec import Entry


class MeterKeys:
    """The public keys of all meters that were ever in use: readings of an old one may be late."""

    __slots__ = ("_keys", "community")

    def __init__(self) -> None:
        """Know no meter."""
        self.community: CommunityId | None = None
        """Whose meters they are; None before it is founded."""
        self._keys: dict[MeterId, bytes] = {}

    def fold(self, entry: Entry) -> None:
        """Take the next entry of history."""
        if not isinstance(entry.command, RegisterPod | ExchangeMeter | OpenCommunity):
            return
        for event in entry.events:
            if isinstance(event, PodRegistered | MeterExchanged):
                self._keys[event.meter.meter] = event.meter.key
            elif isinstance(event, CommunityOpened):
                self.community = event.community

    def key_of(self, meter: MeterId) -> bytes | None:
        """Return the public key of a meter; None for an unknown one. [32 bytes]"""
        return self._keys.get(meter)
