"""Grid-balanced orders: they trade only while that leaves the network no worse, or better.

A network limit bounds a sum over what is sold less what is bought, each watt-hour with the
coefficient of its pod or zone. So what an order does to a limit is known before it trades: a sell
order adds its coefficient, a buy order takes it off. It worsens the limit where that is above zero,
and relieves it where it is below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from wattbay.core.facts import NetworkLimit, Side
from wattbay.core.terms import GridBalance
from wattbay.ids import PodId, ZoneId
from wattbay.periods import Instant


class Scale(NamedTuple):
    """A limit, and what a watt-hour that is sold counts in it."""

    name: str
    pods: dict[PodId, int]
    zones: dict[ZoneId, int]
    """For the pods in it that have no coefficient of their own."""

    def effect(self, pod: PodId, zone: ZoneId, side: Side) -> int:
        """Return what a watt-hour of an order adds to the sum that the limit bounds."""
        own = self.pods.get(pod)
        coefficient = self.zones.get(zone, 0) if own is None else own
        return coefficient if side is Side.SELL else -coefficient


def scales(limits: Iterable[NetworkLimit], delivery: Instant) -> list[Scale]:
    """Return the limits that bind a delivery, in the order in which they were submitted."""
    return [
        Scale(
            limit.reason,
            {term.pod: term.coefficient for term in limit.terms if term.pod is not None},
            {term.zone: term.coefficient for term in limit.terms if term.zone is not None},
        )
        for limit in limits
        if limit.since <= delivery < limit.until
    ]


def objection(
    grid: GridBalance, binding: Sequence[Scale], pod: PodId, zone: ZoneId, side: Side
) -> str:
    """Return why a grid-balanced order may not trade; empty if it may.

    Where no limit binds its delivery it is an order like any other.
    """
    relieves = False
    for scale in binding:
        effect = scale.effect(pod, zone, side)
        if effect > 0:
            return f"{scale.name}: it would be made worse"
        relieves = relieves or effect < 0
    if grid is GridBalance.RELIEVES and binding and not relieves:
        return "none of the network limits in force would be relieved"
    return ""
