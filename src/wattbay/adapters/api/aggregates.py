"""Figures over many homes, without any: for analysts, and for whoever wants to see the whole."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import settled
from wattbay.adapters.api.callers import Who, check, node_of
from wattbay.adapters.api.forms import Span, Spanned, local_text
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.problems import Flaw, Problem
from wattbay.adapters.api.sections import Section
from wattbay.periods import DAY, Instant, Period, to_text
from wattbay.views.history import Answered, Want

aggregates = Section(
    "aggregates",
    "Figures over all homes of the community. A delivery of which fewer than five are known is"
    " left out, so that nobody is recognised in a sum.",
)

HOMES_MIN = 5
SPAN_MAX_US = 7 * DAY


class DeliverySum(msgspec.Struct, frozen=True, kw_only=True):
    """What all homes did in one delivery."""

    delivery: str
    delivery_local: str
    homes: int
    """Whose energy is known: five or more."""
    import_wh: int
    export_wh: int
    traded_wh: int
    """Volume of all products."""
    estimated_homes: int
    """Of these, whose energy is an estimate."""


_SUM = DeliverySum(
    delivery="2026-05-01T12:00Z",
    delivery_local="2026-05-01T13:00:00+01:00",
    homes=60,
    import_wh=14_210,
    export_wh=31_870,
    traded_wh=12_400,
    estimated_homes=1,
)


@aggregates.get(
    "/aggregates",
    needs=(Permission.READ_AGGREGATES, Permission.READ_ALL),
    answer=tuple[DeliverySum, ...],
    gives=(_SUM,),
    refuses=(409,),
    is_tagged=True,
)
async def list_aggregates(request: Request, who: Who, span: Spanned) -> Response:
    """List what all homes did together, delivery by delivery, newest first.

    `since` and `until` are at most a week apart; without them it is the last day.
    """
    check(request, who, Permission.READ_AGGREGATES, Permission.READ_ALL)
    node = node_of(request)
    within = _within(node, span)
    traded: dict[int, int] = {}
    for row in node.history.all(Want("prices", since=within.start, until=within.end)):
        start = int(row["delivery_start"] or 0)
        traded[start] = traded.get(start, 0) + int(row["volume_wh"] or 0)
    told = []
    for one in _sums(node, within, traded):
        told.append(one)
        # A week of a thousand homes is a third of a million rows: others have their turn.
        await asyncio.sleep(0)
    return settled(request, told[::-1])


def _within(node: Node, span: Span) -> Period:
    until = node.clock.now() if span.until is None else span.until
    since = Instant(until - DAY) if span.since is None else span.since
    if not 0 < until - since <= SPAN_MAX_US:
        flaw = Flaw(pointer="query/until", detail="after since, and at most a week after it")
        raise Problem(409, "wrong-span", "a week is the most at once", (flaw,))
    return Period(since, until)


def _sums(node: Node, within: Period, traded: dict[int, int]) -> Iterator[DeliverySum]:
    """Yield the sum of each delivery of which enough homes are known."""
    want = Want("meters", {"newest": 1}, since=within.start, until=within.end)
    for start, group in groupby(node.history.all(want), key=itemgetter("delivery_start")):
        rows: list[Answered] = list(group)
        if len(rows) < HOMES_MIN or not isinstance(start, int):
            continue
        yield DeliverySum(
            delivery=to_text(Instant(start)),
            delivery_local=local_text(node.calendar, Instant(start)),
            homes=len(rows),
            import_wh=sum(int(row["import_wh"] or 0) for row in rows),
            export_wh=sum(int(row["export_wh"] or 0) for row in rows),
            traded_wh=traded.get(start, 0),
            estimated_homes=sum(row["quality"] == "estimated" for row in rows),
        )
