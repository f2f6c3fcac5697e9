"""How the trading of a delivery halts, goes on and ends."""

from __future__ import annotations

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.facts import Product, Role, TradingPhase
from wattbay.core.market.orders import Market, gate_fault
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, has_role, refuse
from wattbay.core.terms import Ended
from wattbay.periods import Instant

_CHANGES = frozenset(
    {
        (TradingPhase.CONTINUOUS, TradingPhase.HALTED),
        (TradingPhase.HALTED, TradingPhase.CONTINUOUS),
    }
)
"""Of phases, that an operator may ask for."""


def change_phase(
    registry: Registry, market: Market, command: c.ChangePhase, at: Instant
) -> list[e.Event]:
    """Let an operator halt the trading of a delivery, or let it go on."""
    roles = (Role.MARKET_OPERATOR, Role.GRID_OPERATOR)
    if not any(has_role(registry, command.operator, role) for role in roles):
        return refuse(Reason.NOT_ALLOWED, "only the market operator and the grid operator halt")
    product = registry.products.get(command.product)
    if product is None:
        return refuse(Reason.UNKNOWN_PRODUCT, f"product {command.product}")
    book = market.books[command.product].get(command.delivery)
    if book is None:
        return refuse(Reason.UNKNOWN_DELIVERY, "no such delivery is traded")
    if book.venue is None:
        return refuse(Reason.NOT_ALLOWED, f"{command.product} is not traded continuously")
    fault = gate_fault(product, command.delivery, at)
    if fault is not None:
        return fault
    if (book.venue.phase, command.phase) not in _CHANGES:
        now = book.venue.phase.value
        return refuse(
            Reason.BAD_VALUE, f"it is {now}: continuous trading is halted, and goes on after"
        )
    return [
        e.PhaseChanged(
            product=command.product,
            delivery=command.delivery,
            phase=command.phase,
            reason=command.reason,
        )
    ]


def close(market: Market, product: Product, delivery: Instant) -> list[e.Event]:
    """Cancel what is open of a delivery whose gate closes, and say what it was traded at."""
    book = market.books[product.product][delivery]
    cancelled: list[e.Event] = [
        e.OrderCancelled(
            order=order.order,
            product=product.product,
            delivery=delivery,
            reason=Ended.GATE_CLOSED,
            quantity_wh=order.open_wh,
        )
        for order in book.orders.values()
        if not order.stands_by
    ]
    volume = book.volume_wh
    price = book.value_nano // volume if volume else None  # divides: the mean, rounded down
    closed = e.TradingClosed(
        product=product.product, delivery=delivery, price=price, volume_wh=volume
    )
    return [*cancelled, closed]
