"""Batches of orders as tests make them, and the single commands that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import structs

from tests.builders import MIDNIGHT, an_order
from tests.continuous import HALF_HOUR, amendment, cancellation
from wattbay.core import commands as c
from wattbay.core.batches import AMEND, CANCEL, NEW_IOC, packed
from wattbay.core.commands import Command
from wattbay.core.entered import AT_ONCE
from wattbay.core.facts import Side
from wattbay.ids import PodId, RequestId
from wattbay.periods import Instant

PODS = ("h01", "h02", "h03", "h04")


class Step(NamedTuple):
    """A step of a batch: of which pod, and what its row says."""

    kind: int
    pod: int
    order: int
    side: int
    limit: int
    quantity_wh: int

    def command(self, delivery: int = MIDNIGHT) -> Command:
        """Return the single command that it stands for."""
        pod = PODS[self.pod]
        if self.kind == CANCEL:
            return cancellation(self.order, pod)
        if self.kind == AMEND:
            return amendment(self.order, pod, self.quantity_wh, self.limit)
        order = an_order(
            pod,
            side=Side.BUY if self.side > 0 else Side.SELL,
            quantity_wh=self.quantity_wh,
            limit=self.limit,
            delivery=delivery,
        )
        return structs.replace(order, terms=AT_ONCE if self.kind == NEW_IOC else None)


def a_batch(
    steps: Sequence[Sequence[int]],
    *,
    delivery: int = MIDNIGHT,
    pods: Sequence[str] = PODS,
    request: str | None = None,
) -> c.EnterOrders:
    """Return a batch of steps, each six numbers."""
    return c.EnterOrders(
        product=HALF_HOUR,
        delivery=Instant(delivery),
        pods=tuple(map(PodId, pods)),
        steps=packed([number for step in steps for number in step]),
        request=None if request is None else RequestId(request),
    )
