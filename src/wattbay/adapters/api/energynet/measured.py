"""What own devices did, delivery by delivery: of meters as history has it, of others as stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from wattbay.access.identity import Identity
from wattbay.adapters.api.node import Node
from wattbay.core.exchange import State
from wattbay.core.facts import DeviceKind
from wattbay.core.registry import facts_at
from wattbay.ids import PodId
from wattbay.kernel.evidence import Reading
from wattbay.periods import Instant
from wattbay.views.history import ROWS_MAX, Want
from wattbay.views.production import Source, advance, reading_at

READS_AT_ONCE = 4
"""Readings that are looked up before others have their turn."""
NOT_KNOWN = "not_known"
MEASURED = "measured"


class Known(NamedTuple):
    """What a device counted in a delivery. [Wh]"""

    import_wh: int
    export_wh: int
    quality: str


def boundary_before(at: int, isp_us: int) -> Instant:
    """Return the last delivery boundary up to an instant."""
    return Instant(at - at % isp_us)


def is_own(state: State, identity: Identity, pod: PodId, delivery: Instant) -> bool:
    """Tell whether a pod belonged to the caller in a delivery."""
    facts = facts_at(state.registry, pod, delivery)
    return facts is not None and identity.owns(facts.party)


async def measured(node: Node, source: Source, start: Instant, count: int) -> dict[Instant, Known]:
    """Return what a device counted in each of some deliveries that is known.

    Parameters
    ----------
    start
        Of the first delivery.
    count
        How many deliveries.
    """
    isp_us = node.state().registry.isp_us
    starts = [Instant(start + place * isp_us) for place in range(count)]
    if not starts:
        return {}
    if source.kind is DeviceKind.METER:
        return await _of_pod(node, source.pod, starts[0], Instant(starts[-1] + isp_us))
    return await _of_device(node, source, starts, isp_us)


async def _of_pod(node: Node, pod: PodId, start: Instant, end: Instant) -> dict[Instant, Known]:
    """Return a pod's energies, as the newest versions of history have them."""
    found: dict[Instant, Known] = {}
    after: int | None = None
    while True:
        want = Want("meters", {"newest": True}, frozenset({str(pod)}), start, end, after, ROWS_MAX)
        rows = node.history.find(want)
        for row in rows.rows:
            begins, imported, exported = (
                row["delivery_start"],
                row["import_wh"],
                row["export_wh"],
            )
            if isinstance(begins, int) and isinstance(imported, int) and isinstance(exported, int):
                found[Instant(begins)] = Known(imported, exported, str(row["quality"]))
        if rows.next is None:
            return found
        after = rows.next
        await asyncio.sleep(0)


async def _of_device(
    node: Node, source: Source, starts: Sequence[Instant], isp_us: int
) -> dict[Instant, Known]:
    """Return what a device's own registers rose by, where both readings are stored."""
    found: dict[Instant, Known] = {}
    before: Reading | None = None
    for place, boundary in enumerate([*starts, Instant(starts[-1] + isp_us)]):
        if place % READS_AT_ONCE == READS_AT_ONCE - 1:
            await asyncio.sleep(0)
        after = reading_at(node.readings, node.community, source.device, boundary)
        if before is not None and after is not None:
            energy = advance(source, before, after)
            if energy is not None:
                start = Instant(boundary - isp_us)
                found[start] = Known(energy.import_wh, energy.export_wh, MEASURED)
        before = after
    return found
