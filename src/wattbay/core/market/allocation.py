"""Metered energy that is allocated after the fact: verified so that nobody loses by it.

A community product has no orders. Once a delivery is over and its energy is known, the market
operator says who is taken to have had whose energy, and at which price. That is accepted if no pod
gets more than it drew, none gives more than it injected, and nobody is worse off than with its
supplier alone, fees and all. The rest of each pod's energy is settled as the product says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.commands import AllocatedTrade
from wattbay.core.facts import Netting, PodFacts, Product, Tariff
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, facts_then, refuse, tariff_at
from wattbay.ids import OrderId, PodId, TradeId

NO_ORDER = OrderId(0)
"""What the trades of an allocation name: orders are numbered from 1."""


class Metered(NamedTuple):
    """What is known of a delivery that is over."""

    energies: Mapping[PodId, e.EnergyMetered]
    """Of each pod whose energy is known; nothing is estimated yet."""
    trades: Iterable[e.Traded]
    """Those that stand already, of other products."""


def allocate(
    registry: Registry,
    product: Product,
    command: c.SubmitAllocation,
    metered: Metered,
    first_trade: int,
) -> list[e.Event]:
    """Return the trades of an allocation, or what is wrong with it."""
    fault = _verify(registry, product, command, metered)
    if fault is not None:
        return refuse(Reason.NOT_VERIFIED, fault)
    volume = sum(trade.quantity_wh for trade in command.trades)
    earned = sum(trade.quantity_wh * trade.sell_price for trade in command.trades)
    accepted = e.AllocationAccepted(
        product=product.product,
        delivery=command.delivery,
        rule=command.rule,
        price=earned // volume if volume else None,  # divides: a mean, down
        volume_wh=volume,
    )
    return [
        accepted,
        *(
            e.Traded(
                trade=TradeId(number),
                product=product.product,
                delivery=command.delivery,
                buyer=trade.buyer,
                seller=trade.seller,
                buy_order=NO_ORDER,
                sell_order=NO_ORDER,
                quantity_wh=trade.quantity_wh,
                buy_price=trade.buy_price,
                sell_price=trade.sell_price,
                # It flowed before it was sold: there is nothing left to be short of.
                hold_nano=0,
            )
            for number, trade in enumerate(command.trades, first_trade)
        ),
    ]


def _verify(
    registry: Registry, product: Product, command: c.SubmitAllocation, metered: Metered
) -> str | None:
    """Return the first fault of an allocation; None where there is none."""
    if command.rule != product.rule:
        return f"rule {command.rule!r}; {product.product} is allocated by {product.rule!r}"
    most = 2 * len(metered.energies)
    if len(command.trades) > most:
        return f"{len(command.trades)} trades; with both sides of each pod {most} are enough"
    for number, trade in enumerate(command.trades, 1):
        fault = _trade_fault(registry, product, command, trade, metered)
        if fault is not None:
            return f"trade {number}: {fault}"
    bought: dict[PodId, int] = {}
    sold: dict[PodId, int] = {}
    every: list[e.Traded | AllocatedTrade] = [*metered.trades, *command.trades]
    for allocated in every:
        buyer, seller = allocated.buyer, allocated.seller
        bought[buyer] = bought.get(buyer, 0) + allocated.quantity_wh
        sold[seller] = sold.get(seller, 0) + allocated.quantity_wh
    for trade in command.trades:
        drawn, _ = _settled(product, metered.energies[trade.buyer])
        if bought[trade.buyer] > drawn:
            return f"pod {trade.buyer} would have {bought[trade.buyer]} Wh; it drew {drawn} Wh"
        _, injected = _settled(product, metered.energies[trade.seller])
        if sold[trade.seller] > injected:
            sells = sold[trade.seller]
            return f"pod {trade.seller} would give {sells} Wh; it injected {injected} Wh"
    return None


def _settled(product: Product, energy: e.EnergyMetered) -> tuple[int, int]:
    """Return import and export as they will be settled. [Wh]"""
    drawn, injected = energy.import_wh, energy.export_wh
    if product.netting is Netting.PERIOD:
        return max(drawn - injected, 0), max(injected - drawn, 0)
    return drawn, injected


def _trade_fault(
    registry: Registry,
    product: Product,
    command: c.SubmitAllocation,
    trade: AllocatedTrade,
    metered: Metered,
) -> str | None:
    """Return what is wrong with one trade by itself; None where nothing is."""
    if trade.quantity_wh <= 0:
        return f"{trade.quantity_wh} Wh"
    if trade.buyer == trade.seller:
        return f"pod {trade.buyer} with itself"
    if not product.price_min <= trade.sell_price <= trade.buy_price <= product.price_max:
        return f"prices rise from {product.price_min} over seller and buyer to {product.price_max}"
    if trade.buy_price < trade.sell_price + product.network_fee:
        return f"the buyer pays {trade.buy_price}: less than seller and network are owed"
    for pod in (trade.buyer, trade.seller):
        if pod not in metered.energies:
            return f"the energy of pod {pod} is not known"
    facts = facts_then(registry, trade.buyer, command.delivery)
    other = facts_then(registry, trade.seller, command.delivery)
    return _loss(
        trade,
        most_to_pay(tariff_at(registry, facts, command.delivery), facts, other),
        least_to_get(tariff_at(registry, other, command.delivery)),
    )


def _loss(trade: AllocatedTrade, most: int, least: int) -> str | None:
    """Say who would be worse off than with its supplier; None where nobody is."""
    if trade.buy_price > most:
        return f"pod {trade.buyer} would pay {trade.buy_price}; with its supplier it pays {most}"
    if trade.sell_price < least:
        return f"pod {trade.seller} would get {trade.sell_price}; its supplier leaves it {least}"
    return None


def most_to_pay(tariff: Tariff, buyer: PodFacts, seller: PodFacts) -> int:
    """Return the price at which a buyer is as well off as with its supplier. [nano per Wh]

    The energy component, more by what the local network fee is below the regional one, and less
    by the service charge. The levy is due either way.
    """
    way = (seller.zone, buyer.zone)
    regional = tariff.network_regional
    local = next(
        (fee.nano_per_wh for fee in tariff.network_local if (fee.from_zone, fee.to_zone) == way),
        regional,
    )
    return tariff.energy + regional - local - tariff.service


def least_to_get(tariff: Tariff) -> int:
    """Return the price at which a seller is as well off as with its supplier. [nano per Wh]"""
    return tariff.export + tariff.service
