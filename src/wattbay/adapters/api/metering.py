"""What meters told the market: registers at delivery boundaries, and energies of deliveries."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.roles import Permission
from wattbay.adapters.api.callers import Who, check, node_of
from wattbay.adapters.api.forms import PodQuery, Spanned
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.order_lists import by_delivery
from wattbay.adapters.api.pages import Page, Paged
from wattbay.adapters.api.receipts import seen_pods
from wattbay.adapters.api.rows import Keeps, page
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.sight import Sight, sight_of
from wattbay.periods import Instant
from wattbay.views.history import Answered, Want

metering = Section(
    "readings",
    "What meters told the market: registers at delivery boundaries, and the energy of each"
    " delivery that follows. What a device told besides is evidence:"
    " `GET /api/v1/devices/{device}/readings`.",
)

_SEE = (Permission.READ_OWN, Permission.READ_ALL)


class RegisterTold(msgspec.Struct, frozen=True, kw_only=True):
    """A register value that stands in the journal."""

    pod: str
    meter: str
    boot: int
    seq: int
    measured_at: str
    measured_at_local: str
    boundary: str
    """The delivery boundary it tells of."""
    import_register: int
    """In the register's units."""
    export_register: int
    import_wh: int
    """The pod's since it was connected, whichever meters measured it."""
    export_wh: int
    quality: str
    entry: int


class EnergyTold(msgspec.Struct, frozen=True, kw_only=True):
    """A pod's energy of a delivery."""

    pod: str
    delivery: str
    delivery_local: str
    delivery_end: str
    import_wh: int
    export_wh: int
    quality: str
    """``measured``, ``interpolated``, ``split``, ``estimated``, ``suspect`` or ``substituted``."""
    newest: bool
    """Whether nothing better is known since."""
    entry: int


_REGISTER = RegisterTold(
    pod="h01",
    meter="m-h01",
    boot=1,
    seq=4_120,
    measured_at="2026-05-01T12:00Z",
    measured_at_local="2026-05-01T13:00:00+01:00",
    boundary="2026-05-01T12:00Z",
    import_register=48_120,
    export_register=9_120,
    import_wh=48_120,
    export_wh=9_120,
    quality="measured",
    entry=4_911,
)
_ENERGY = EnergyTold(
    pod="h01",
    delivery="2026-05-01T12:00Z",
    delivery_local="2026-05-01T13:00:00+01:00",
    delivery_end="2026-05-01T12:30Z",
    import_wh=300,
    export_wh=0,
    quality="measured",
    newest=True,
    entry=4_912,
)


@metering.get(
    "/readings",
    needs=_SEE,
    answer=Page[RegisterTold],
    gives={"items": [_REGISTER], "next": None},
    is_tagged=True,
)
async def list_readings(
    request: Request, who: Who, span: Spanned, paged: Paged, pod: PodQuery = None
) -> Response:
    """List registers of your meters as they stand in the journal, by boundary."""
    check(request, who, *_SEE)
    node = node_of(request)
    sight = sight_of(node, who)
    equals = {} if pod is None else {"pod": pod}
    want = Want("readings", equals, seen_pods(sight), span.since, span.until, limit=paged.limit)
    what = f"readings {pod} {span} {who.login}"
    keeps = _by_boundary(node, sight)
    return page(request, node, what, want, RegisterTold, cursor=paged.cursor, keeps=keeps)


def _by_boundary(node: Node, sight: Sight) -> Keeps | None:
    """Return which registers are seen: of boundaries from which, or until which, a pod was theirs.

    Who moves in sees the register with which it begins, and who moves out that with which it ends,
    unless it was read later: the registers as read would tell what the next one drew.
    """
    if sight.is_whole:
        return None
    state = node.state()

    def keeps(row: Answered) -> bool:
        pod, boundary = str(row["pod"]), int(row["boundary"] or 0)
        if sight.sees_pod(state, pod, Instant(boundary)):
            return True
        is_read_later = int(row["measured_at"] or 0) > boundary
        return not is_read_later and sight.sees_pod(state, pod, Instant(boundary - 1))

    return keeps


@metering.get(
    "/energies",
    needs=_SEE,
    answer=Page[EnergyTold],
    gives={"items": [_ENERGY], "next": None},
    is_tagged=True,
)
async def list_energies(
    request: Request, who: Who, span: Spanned, paged: Paged, pod: PodQuery = None
) -> Response:
    """List the energy of your pods, delivery by delivery, as far as it is known."""
    check(request, who, *_SEE)
    node = node_of(request)
    sight = sight_of(node, who)
    equals: dict[str, str | int | None] = {"newest": 1}
    if pod is not None:
        equals["pod"] = pod
    want = Want("meters", equals, seen_pods(sight), span.since, span.until, limit=paged.limit)
    what = f"energies {pod} {span} {who.login}"
    keeps = by_delivery(node, sight)
    return page(request, node, what, want, EnergyTold, cursor=paged.cursor, keeps=keeps)
