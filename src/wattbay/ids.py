"""One identifier type a noun, so that a pod is never passed where a party is meant."""

from __future__ import annotations

from typing import NewType

CommunityId = NewType("CommunityId", str)
PartyId = NewType("PartyId", str)
"""A pseudonym; names live in a store that can forget."""
PodId = NewType("PodId", str)
MeterId = NewType("MeterId", str)
ProductId = NewType("ProductId", str)
TariffId = NewType("TariffId", str)
ProfileId = NewType("ProfileId", str)
ZoneId = NewType("ZoneId", str)
OriginId = NewType("OriginId", str)
"""Where energy comes from, as a path from the general to the particular: ``solar/pv``."""
SignalId = NewType("SignalId", str)
RunName = NewType("RunName", str)
OrderId = NewType("OrderId", int)
TradeId = NewType("TradeId", int)
RequestId = NewType("RequestId", str)

ID_CHARACTERS_MAX = 64
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def is_id(text: str) -> bool:
    """Tell whether `text` may be an identifier: 1 to 64 letters, digits, ``_`` or ``-``.

    The set is what MQTT topics, NATS subjects and URLs carry unescaped.
    """
    return 0 < len(text) <= ID_CHARACTERS_MAX and _LETTERS.issuperset(text)
