"""Orders and trades as EnergyNet's trade model tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from wattbay.access.identity import Identity
from wattbay.adapters.api.energynet.amounts import kwh, per_kwh
from wattbay.adapters.api.energynet.models import Executes, GridMetrics, Rounded, TradeTold
from wattbay.adapters.api.energynet.offers import AUCTIONS, Gate, Taken
from wattbay.adapters.api.energynet.own import fresh
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.problems import refused
from wattbay.core import events as e
from wattbay.core.commands import PlaceOrder
from wattbay.core.events import Event
from wattbay.core.facts import Mechanism, Side
from wattbay.core.reasons import Reason
from wattbay.core.registry import facts_at
from wattbay.ids import PartyId, PodId, ProductId
from wattbay.periods import Instant, to_text
from wattbay.views.grid import band_of, places
from wattbay.views.history import ROWS_MAX, Answered, Want
from wattbay.views.orderlife import OPEN

Named = tuple[float | None, float | None]
"""Amount and price as they were named; None for what was not. [kWh, currency per kWh]"""

_REMARKS: Mapping[Executes, str] = MappingProxyType(
    {
        Executes.WHEN_TAKEN: "The offer stands: it becomes a trade when somebody takes it.",
        Executes.AT_ONCE: "What did not trade at once rests in the order book.",
        Executes.AT_GATE_CLOSURE: (
            "The order stands: it is executed when its gate has closed, at the auction's price, if"
            " that is no worse than its own."
        ),
    }
)
_NO_METRICS = GridMetrics()


def executes(mechanism: Mechanism) -> Executes:
    """Return when orders of a mechanism become trades."""
    if mechanism in AUCTIONS:
        return Executes.AT_GATE_CLOSURE
    return Executes.WHEN_TAKEN if mechanism is Mechanism.BILATERAL else Executes.AT_ONCE


# --- the grid --------------------------------------------------------------------------------


def metrics_of(node: Node, pod: PodId, *, with_zone: bool = False) -> GridMetrics:
    """Return what is measured of the grid at a pod.

    Parameters
    ----------
    with_zone
        Whether to look at all devices of its zone, too, for the stability.
    """
    state, at = node.state(), node.clock.now()
    metering = state.metering.pods.get(pod)
    reading = None if metering is None else fresh(node.latest.of(metering.meter), at)
    voltage_mv = None if reading is None else reading.voltage_mv
    stability = _stability(node, pod) if with_zone else None
    return GridMetrics(
        voltage=None if voltage_mv is None else voltage_mv / 1_000, stability=stability
    )


def _stability(node: Node, pod: PodId) -> float | None:
    """Return the share of the last voltages in a pod's zone that are within their band."""
    state, at = node.state(), node.clock.now()
    facts, band = facts_at(state.registry, pod, at), band_of()
    if facts is None:
        return None
    measured = [
        reading.voltage_mv
        for place in places(state, at)
        if place.zone == facts.zone
        and (reading := fresh(node.latest.of(place.device), at)) is not None
        and reading.voltage_mv is not None
    ]
    if not measured:
        return None
    return sum(one in band for one in measured) / len(measured)


# --- who -------------------------------------------------------------------------------------


def _party(node: Node, pod: str, delivery: Instant) -> str | None:
    """Return whose a pod is in a delivery."""
    facts = facts_at(node.state().registry, PodId(pod), delivery)
    return None if facts is None else facts.party


def _named(node: Node, identity: Identity, pod: str, delivery: Instant) -> str | None:
    """Return whose a pod is, if the caller stands for that party or it consents to be named."""
    party = _party(node, pod, delivery)
    if party is not None and identity.owns(PartyId(party)):
        return party
    known = None if party is None else node.state().registry.parties.get(PartyId(party))
    return party if known is not None and known.named else None


# --- what was just done ----------------------------------------------------------------------


def offer_told(
    node: Node, command: PlaceOrder, gate: Gate, seq: int, events: Sequence[Event], named: Named
) -> TradeTold:
    """Return an order that was just placed."""
    placed = next(event for event in events if isinstance(event, e.OrderPlaced))
    trades = [event for event in events if isinstance(event, e.Traded)]
    filled_wh = sum(trade.quantity_wh for trade in trades)
    kind = executes(gate.product.mechanism)
    is_selling = command.side is Side.SELL
    own = _party(node, command.pod, gate.delivery)
    status = "waiting" if placed.waits else _status(command.quantity_wh, filled_wh)
    return TradeTold(
        trade_id=f"order-{placed.order}",
        seller=own if is_selling else None,
        buyer=None if is_selling else own,
        amount=kwh(command.quantity_wh),
        price=None if command.limit is None else per_kwh(command.limit),
        timestamp=to_text(node.clock.now()),
        status=status,
        grid_metrics=metrics_of(node, command.pod),
        is_selling=is_selling,
        offer_id=placed.order,
        pod=command.pod,
        product=command.product,
        delivery=to_text(command.delivery),
        gate_closes=to_text(gate.closes),
        executes=kind,
        energy_wh=command.quantity_wh,
        price_nano_per_wh=command.limit,
        entry=seq,
        trades=tuple(f"trade-{trade.trade}" for trade in trades),
        rounded=_rounded(named, command.quantity_wh, command.limit),
        remark=_REMARKS[kind] if filled_wh < command.quantity_wh else "All of it was traded.",
    )


def _status(quantity_wh: int, filled_wh: int) -> str:
    """Return how an order stands that was just placed."""
    if filled_wh == quantity_wh:
        return "filled"
    return "partly_filled" if filled_wh else "open"


def _rounded(named: Named, energy_wh: int, price: int | None) -> Rounded:
    """Return what was made of numbers that were named."""
    return Rounded(
        amount_named=named[0],
        amount_made=kwh(energy_wh),
        price_named=named[1],
        price_made=None if price is None else per_kwh(price),
    )


def taken_told(
    node: Node,
    identity: Identity,
    pod: PodId,
    gate: Gate,
    seq: int,
    events: Sequence[Event],
    named: Named,
) -> TradeTold:
    """Return what came of taking an offer: mostly one trade; in an order book several, or none."""
    placed = next(event for event in events if isinstance(event, e.OrderPlaced))
    trades = [event for event in events if isinstance(event, e.Traded)]
    is_selling = placed.side is Side.SELL
    energy_wh = sum(trade.quantity_wh for trade in trades)
    own = _party(node, pod, gate.delivery)
    others = {
        _named(node, identity, trade.buyer if is_selling else trade.seller, gate.delivery)
        for trade in trades
    }
    other = others.pop() if len(others) == 1 else None
    prices = {trade.sell_price if is_selling else trade.buy_price for trade in trades}
    price = prices.pop() if len(prices) == 1 else None
    is_one = len(trades) == 1
    return TradeTold(
        trade_id=f"trade-{trades[0].trade}" if is_one else f"order-{placed.order}",
        seller=own if is_selling else other,
        buyer=other if is_selling else own,
        amount=kwh(energy_wh),
        price=None if price is None else per_kwh(price),
        timestamp=to_text(node.clock.now()),
        status="open" if trades else "cancelled",
        grid_metrics=metrics_of(node, pod),
        is_selling=is_selling,
        offer_id=placed.order,
        pod=pod,
        product=placed.product,
        delivery=to_text(gate.delivery),
        gate_closes=to_text(gate.closes),
        executes=Executes.AT_ONCE,
        energy_wh=energy_wh,
        price_nano_per_wh=price,
        entry=seq,
        trades=tuple(f"trade-{trade.trade}" for trade in trades),
        rounded=_rounded(named, placed.quantity_wh, placed.limit),
        remark=_taken_remark(placed.quantity_wh, energy_wh, is_one=is_one),
    )


def _taken_remark(wanted_wh: int, energy_wh: int, *, is_one: bool) -> str:
    """Say what came of taking an offer."""
    if not energy_wh:
        return "Somebody else was quicker: nothing was traded, and the order is over."
    if energy_wh < wanted_wh:
        return "Less than was wanted was left: the rest of the order is over."
    if not is_one:
        return "Several orders were met: `trades` names each trade, GET /trades/history its price."
    return "Traded; receipts follow when its delivery is settled."


# --- what stands, and what was ---------------------------------------------------------------


def placed_at(node: Node, offers: Sequence[Taken]) -> dict[int, int]:
    """Return when offers were placed, by order, as far as one answer of history tells a delivery's.

    One question a delivery, however many stand in it.
    """
    found: dict[int, int] = {}
    for product, delivery in sorted(
        {(one.gate.product.product, one.gate.delivery) for one in offers}
    ):
        where: dict[str, str | int | None] = {
            "product": product,
            "delivery_start": delivery,
            "state": OPEN,
        }
        for row in node.history.find(Want("orders", where, limit=ROWS_MAX)).rows:
            order, at = row["order"], row["at"]
            if isinstance(order, int) and isinstance(at, int):
                found[order] = at
    return found


def available_told(
    node: Node,
    identity: Identity,
    offer: Taken,
    metrics: GridMetrics,
    placed: Mapping[int, int],
) -> TradeTold:
    """Return an offer that can be taken; `placed` tells when orders were."""
    order, gate = offer.order, offer.gate
    is_selling = order.side is Side.SELL
    owner = _named(node, identity, order.pod, gate.delivery)
    kind = executes(gate.product.mechanism)
    return TradeTold(
        trade_id=f"order-{order.order}",
        seller=owner if is_selling else None,
        buyer=None if is_selling else owner,
        amount=kwh(offer.open_wh),
        price=per_kwh(offer.price),
        timestamp=_moment(placed.get(order.order)),
        status="open",
        grid_metrics=metrics,
        is_selling=is_selling,
        offer_id=order.order,
        product=gate.product.product,
        delivery=to_text(gate.delivery),
        gate_closes=to_text(gate.closes),
        executes=Executes.AT_ONCE,
        energy_wh=offer.open_wh,
        price_nano_per_wh=offer.price,
        remark="Trades at once when it is taken."
        if kind is Executes.WHEN_TAKEN
        else "Whoever takes it meets the best order of the book, this one or a better one.",
    )


def trade_row_told(node: Node, identity: Identity, row: Answered, side: Side) -> TradeTold:
    """Return a trade of history, as the one on a side of it sees it."""
    delivery = Instant(_number(row, "delivery_start"))
    is_selling = side is Side.SELL
    own_pod, other_pod = str(row["buyer_pod"]), str(row["seller_pod"])
    if is_selling:
        own_pod, other_pod = other_pod, own_pod
    own = _party(node, own_pod, delivery)
    other = _named(node, identity, other_pod, delivery)
    energy_wh = _number(row, "quantity_wh")
    price = _number(row, "seller_price_nano_per_wh" if is_selling else "price_nano_per_wh")
    delivered = row["delivered_wh"]
    return TradeTold(
        trade_id=f"trade-{row['trade']}",
        seller=own if is_selling else other,
        buyer=other if is_selling else own,
        amount=kwh(energy_wh),
        price=per_kwh(price),
        timestamp=_moment(row["at"]),
        status=str(row["state"]),
        grid_metrics=_NO_METRICS,
        is_selling=is_selling,
        offer_id=_number(row, "sell_order" if is_selling else "buy_order") or None,
        pod=own_pod,
        product=str(row["product"]),
        delivery=to_text(delivery),
        energy_wh=energy_wh,
        price_nano_per_wh=price,
        delivered_wh=delivered if isinstance(delivered, int) else None,
        entry=_number(row, "entry"),
    )


def order_row_told(node: Node, row: Answered) -> TradeTold:
    """Return an order of history as it stands now.

    Raises
    ------
    Problem
        If the exchange refused it.
    """
    order, delivery = row["order"], Instant(_number(row, "delivery_start"))
    if order is None:
        rejected = e.Rejected(reason=Reason(str(row["reason"])))
        raise refused(rejected, _number(row, "entry"))
    pod, product = str(row["pod"]), str(row["product"])
    is_selling = row["side"] == Side.SELL
    own = _party(node, pod, delivery)
    limit, energy_wh = row["limit_nano_per_wh"], _number(row, "quantity_wh")
    known = node.state().registry.products[ProductId(product)]
    return TradeTold(
        trade_id=f"order-{order}",
        seller=own if is_selling else None,
        buyer=None if is_selling else own,
        amount=kwh(energy_wh),
        price=per_kwh(limit) if isinstance(limit, int) else None,
        timestamp=_moment(row["at"]),
        status=str(row["state"]),
        grid_metrics=metrics_of(node, PodId(pod)),
        is_selling=is_selling,
        offer_id=_number(row, "order"),
        pod=pod,
        product=product,
        delivery=to_text(delivery),
        executes=executes(known.mechanism),
        energy_wh=energy_wh,
        price_nano_per_wh=limit if isinstance(limit, int) else None,
        entry=_number(row, "entry"),
        remark="Placed before, by the same request: this is how it stands now.",
    )


def _number(row: Answered, column: str) -> int:
    """Return the number in a column that always holds one."""
    found = row[column]
    return found if isinstance(found, int) else 0


def _moment(at: object) -> str | None:
    """Return an instant as text."""
    return to_text(Instant(at)) if isinstance(at, int) else None
