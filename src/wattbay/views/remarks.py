"""What is remarked of an order in the table of orders: that it waits, or that nothing bound it."""

from __future__ import annotations

from wattbay.core import events as e

WAITING = "waiting"
"""For its instant or its condition."""
SUSPENDED = "suspended"
"""A network limit forbids it, or its book takes no orders."""
NO_NETWORK_LIMIT = "no_network_limit"
"""It is grid-balanced, and no limit bound its delivery when it came."""


def remark_of(event: e.OrderPlaced | e.OrderReleased | e.OrderSuspended) -> str:
    """Return what is to be remarked of an order from now on; empty for nothing."""
    match event:
        case e.OrderSuspended():
            return SUSPENDED
        case e.OrderReleased():
            return ""
        case e.OrderPlaced(waits=True, rests_wh=None):
            return WAITING
        case _:
            return NO_NETWORK_LIMIT if event.limits_in_force == 0 else ""
