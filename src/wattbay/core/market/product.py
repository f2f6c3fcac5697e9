"""When a product's gates open and close, and the phases of a delivery."""

from __future__ import annotations

from enum import StrEnum

from wattbay.core.facts import Product
from wattbay.periods import Instant


class Phase(StrEnum):
    """Where a delivery of a product stands."""

    LISTED = "listed"
    OPEN = "open"
    GATE_CLOSED = "gate_closed"
    NETWORK_CHECK = "network_check"
    CLEARED = "cleared"
    DELIVERING = "delivering"
    METERED = "metered"
    SETTLED = "settled"
    FINAL = "final"


def gate_opens(product: Product, delivery: Instant) -> Instant:
    """Return when orders for a delivery may first be placed."""
    return Instant(delivery - product.opens_before_us)


def gate_closes(product: Product, delivery: Instant) -> Instant:
    """Return from when on orders for a delivery are late: a gate is half-open."""
    return Instant(delivery - product.closes_before_us)


def check_ends(product: Product, delivery: Instant) -> Instant:
    """Return when the network check of a delivery ends."""
    return Instant(gate_closes(product, delivery) + product.network_check_us)


def clears_latest(product: Product, delivery: Instant) -> Instant:
    """Return by when a delivery is cleared at the latest, submitted results included."""
    return Instant(check_ends(product, delivery) + product.clearing_us)
