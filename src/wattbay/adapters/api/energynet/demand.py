"""EnergyNet's demand response: a call to draw less for a compensation, or prices that say so."""

from __future__ import annotations

from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer, read
from wattbay.adapters.api.callers import node_of
from wattbay.adapters.api.energynet import examples
from wattbay.adapters.api.energynet.amounts import nano_exactly
from wattbay.adapters.api.energynet.grid import section
from wattbay.adapters.api.energynet.grid_models import DemandTold, DemandWanted, PricesWanted
from wattbay.adapters.api.energynet.own import Caller, done, isp_of, party_for, wrong
from wattbay.adapters.api.forms import instant_of
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.problems import Problem
from wattbay.adapters.api.repeats import recorded
from wattbay.core.commands import CallResponse, PublishPrices
from wattbay.core.exchange import State
from wattbay.core.facts import ResponseCall, Role
from wattbay.ids import PartyId, PodId, TariffId, ZoneId
from wattbay.periods import SECOND, WEEK, Calendar, Instant, from_datetime, to_text


@section.put(
    "/grid/demand",
    needs=(Permission.OPERATE_GRID, Permission.TRADE_OWN),
    body=DemandWanted,
    sends=examples.DEMAND,
    answer=DemandTold,
    gives=examples.DEMANDED,
    refuses=(404, 409),
    is_repeatable=True,
)
async def demand_response(request: Request, identity: Caller) -> Response:
    """Call pods to draw less in a window, for a compensation; or publish prices of a tariff.

    For the grid operator, and for suppliers: those call pods that they supply, and publish prices
    of their tariffs. What a pod would have drawn is the mean of the same local time of the days
    before; days with another call do not count. It is paid with each delivery's final run.
    """
    wanted = await read(request, DemandWanted)

    async def act() -> Response:
        node = node_of(request)
        if wanted.prices is not None:
            return await _publish(node, identity, wanted, wanted.prices)
        return await _call(node, identity, wanted)

    return await recorded(request, identity, act)


def _roles(identity: Identity) -> list[Role]:
    """Return the roles in which somebody may call for response."""
    found = []
    if identity.may(Permission.OPERATE_GRID):
        found.append(Role.GRID_OPERATOR)
    if identity.may(Permission.TRADE_OWN):
        found.append(Role.SUPPLIER)
    return found


# --- calls -----------------------------------------------------------------------------------


async def _call(node: Node, identity: Identity, wanted: DemandWanted) -> Response:
    """Call pods for response."""
    state = node.state()
    caller = party_for(state, identity, wanted.party, *_roles(identity))
    for name in ("start", "duration", "compensation"):
        if getattr(wanted, name) is None:
            raise wrong(f"/{name}", "a call names start, duration and compensation")
    call = _call_of(state, node.calendar, caller, wanted)
    if not call.baseline:
        detail = "each day of the week before has another call: there is nothing to compare with"
        raise Problem(409, "no-baseline", detail)
    seq, _ = await done(node, CallResponse(call=call))
    told = DemandTold(
        request_id=f"call-{seq}",
        entry=seq,
        start=to_text(call.start),
        deliveries=call.count,
        baseline=tuple(map(to_text, call.baseline)),
        rebate_nano_per_wh=call.rebate,
        penalty_nano_per_wh=call.penalty,
        remark="Paid with the final run of each delivery, by what was measured below the baseline.",
    )
    return answer(told, entry=seq)


def _call_of(
    state: State, calendar: Calendar, caller: PartyId, wanted: DemandWanted
) -> ResponseCall:
    """Return the call that is meant."""
    isp_us = isp_of(state)
    length_us = (wanted.duration or 0) * SECOND
    if not length_us or length_us % isp_us:
        raise wrong("/duration", f"whole deliveries of {isp_us // SECOND} s")
    start, hoped = instant_of(wanted.start or ""), wanted.reduction
    words = [wanted.reason, "" if hoped is None else f"{hoped} kWh are hoped for"]
    return ResponseCall(
        caller=caller,
        start=start,
        count=length_us // isp_us,
        baseline=_baseline(state, calendar, start, length_us, wanted.baseline_days),
        rebate=nano_exactly(wanted.compensation or 0, "/compensation"),
        penalty=nano_exactly(wanted.penalty, "/penalty"),
        tariff=None if wanted.tariff is None else TariffId(wanted.tariff),
        pods=tuple(map(PodId, wanted.pods)),
        reason="; ".join(word for word in words if word),
    )


def _baseline(
    state: State, calendar: Calendar, start: Instant, length_us: int, days: int
) -> tuple[Instant, ...]:
    """Return the starts of the same window of the days before, by local time, latest first."""
    isp_us = state.registry.isp_us
    local = calendar.local(start)
    found = []
    for back in range(1, days + 1):
        day = local.date() - timedelta(days=back)
        at = from_datetime(datetime.combine(day, local.timetz().replace(fold=0)))
        if not start - WEEK <= at <= start - length_us:
            continue  # Clocks were changed in between.
        is_called = any(
            one.start < at + length_us and at < one.start + one.count * isp_us
            for one in state.responses.calls
        )
        if not is_called:
            found.append(at)
    return tuple(found)


# --- prices ----------------------------------------------------------------------------------


async def _publish(
    node: Node, identity: Identity, wanted: DemandWanted, prices: PricesWanted
) -> Response:
    """Publish prices of a supplier's tariff."""
    for name in ("start", "duration", "compensation", "reduction", "tariff"):
        if getattr(wanted, name) is not None:
            raise wrong(f"/{name}", "prices say that themselves; send a call or prices")
    if wanted.pods:
        raise wrong("/pods", "prices are of a tariff")
    publisher = party_for(node.state(), identity, wanted.party, Role.SUPPLIER)
    count = max(len(prices.energy), len(prices.export))
    command = PublishPrices(
        publisher=publisher,
        tariff=TariffId(prices.tariff),
        start=instant_of(prices.start),
        energy=tuple(nano_exactly(one, "/prices/energy") for one in prices.energy),
        export=tuple(nano_exactly(one, "/prices/export") for one in prices.export),
        zone=None if prices.zone is None else ZoneId(prices.zone),
    )
    seq, _ = await done(node, command)
    told = DemandTold(
        request_id=None,
        entry=seq,
        start=to_text(command.start),
        deliveries=count,
        baseline=(),
        rebate_nano_per_wh=None,
        penalty_nano_per_wh=None,
        remark="The prices stand, and never change: homes on the tariff can act on them.",
    )
    return answer(told, entry=seq)
