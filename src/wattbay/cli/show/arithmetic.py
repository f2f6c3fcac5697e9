"""How a receipt comes about: each of its amounts as Wh times a price, from trades and tariff.

Nothing is copied from the receipt that can be recomputed, so that what does not add up is seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from wattbay.cli.show.folder import Rules, Tariff
from wattbay.cli.show.rows import ReceiptRow, TradeRow


class Line(Struct, frozen=True):
    """One product of a receipt. Positive amount: the home pays."""

    component: str
    what: str
    energy_wh: int
    price_nano_per_wh: int
    amount_nano: int


class Prices(NamedTuple):
    """At which prices a deviation was settled. [nano-currency per Wh]"""

    pool: int
    short: int
    """What a home pays for what it was short outside the pool."""
    long: int
    """What it gets for what it was long outside the pool."""


def pays(component: str, what: str, energy_wh: int, price: int) -> Line:
    """Return a line that the home pays."""
    return Line(component, what, energy_wh, price, energy_wh * price)


def earns(component: str, what: str, energy_wh: int, price: int) -> Line:
    """Return a line that the home earns."""
    return Line(component, what, energy_wh, price, -energy_wh * price)


def prices_of(rules: Rules, tariff: Tariff, pool_price: int) -> Prices:
    """Return the prices that hold for a pod's deviation, by the product's rules."""

    def named(price: int | None) -> int:
        return pool_price if price is None else price

    match rules.deviations:
        case "single":
            single = named(rules.single_price)
            return Prices(pool_price, single, single)
        case "dual":
            return Prices(pool_price, named(rules.short_price), named(rules.long_price))
        case _:
            return Prices(pool_price, tariff.energy, tariff.export)


def trade_lines(pod: str, trades: Sequence[TradeRow]) -> list[Line]:
    """Return what a pod bought and sold, price by price, dearest first."""
    bought: dict[int, list[int]] = {}
    sold: dict[int, list[int]] = {}
    for trade in trades:
        if trade.buyer_pod == pod:
            bought.setdefault(trade.price_nano_per_wh, []).append(trade.quantity_wh)
        if trade.seller_pod == pod:
            sold.setdefault(trade.seller_price, []).append(trade.quantity_wh)
    return [
        *(
            pays("trades", "Bought from the community", sum(bought[price]), price)
            for price in sorted(bought, reverse=True)
        ),
        *(
            earns("trades", "Sold to the community", sum(sold[price]), price)
            for price in sorted(sold, reverse=True)
        ),
    ]


def deviation_lines(receipt: ReceiptRow, prices: Prices, supplier: str) -> list[Line]:
    """Return how the deviation was settled: with the pool, then with the supplier."""
    lines = []
    if receipt.pooled_wh < 0:
        lines.append(pays("pool", "Short: from the pool", -receipt.pooled_wh, prices.pool))
    elif receipt.pooled_wh > 0:
        lines.append(earns("pool", "Left over: to the pool", receipt.pooled_wh, prices.pool))
    if receipt.residual_wh < 0:
        what = f"Short: from {supplier}"
        lines.append(pays("supplier", what, -receipt.residual_wh, prices.short))
    elif receipt.residual_wh > 0:
        what = f"Left over: to {supplier}"
        lines.append(earns("supplier", what, receipt.residual_wh, prices.long))
    return lines


def fee_lines(
    receipt: ReceiptRow,
    tariff: Tariff,
    local: Mapping[tuple[str, str], int],
) -> list[Line]:
    """Return network fees and levy on what the meter drew, and the charge on trades.

    Parameters
    ----------
    local
        What was delivered of the pod's purchases, by the zones of seller and buyer. [Wh]
    """
    lines = []
    for (seller_zone, buyer_zone), energy_wh in sorted(local.items()):
        way = f"{seller_zone}>{buyer_zone}"
        fee = tariff.network_local.get(way, tariff.network_regional)
        where = "inside your zone" if seller_zone == buyer_zone else f"from zone {seller_zone}"
        lines.append(pays("network", f"Network fee, {where}", energy_wh, fee))
    rest_wh = receipt.import_wh - receipt.delivered_in_wh
    what = "Network fee, on the rest" if local else "Network fee"
    lines.append(pays("network", what, rest_wh, tariff.network_regional))
    lines.append(pays("levy", "Levy", receipt.import_wh, tariff.levy))
    traded_wh = receipt.bought_wh + receipt.sold_wh
    lines.append(pays("service", "Service charge on trades", traded_wh, tariff.service))
    return [line for line in lines if line.energy_wh and line.price_nano_per_wh]


def delivered_by_zones(
    pod: str,
    trades: Sequence[TradeRow],
    receipts: Mapping[str, ReceiptRow],
    zones: Mapping[str, str],
) -> dict[tuple[str, str], int]:
    """Return what was delivered of a pod's purchases, by the zones of seller and buyer. [Wh]

    The smaller of bought and drawn is given to the trades in their order, and the smaller of
    sold and fed in likewise; a trade delivered the smaller of what its two sides gave it.
    """
    drawn = {name: min(r.bought_wh, r.import_wh) for name, r in receipts.items()}
    fed_in = {name: min(r.sold_wh, r.export_wh) for name, r in receipts.items()}
    found: dict[tuple[str, str], int] = {}
    for trade in trades:
        taken = min(trade.quantity_wh, drawn.get(trade.buyer_pod, 0))
        given = min(trade.quantity_wh, fed_in.get(trade.seller_pod, 0))
        drawn[trade.buyer_pod] = drawn.get(trade.buyer_pod, 0) - taken
        fed_in[trade.seller_pod] = fed_in.get(trade.seller_pod, 0) - given
        delivered = min(taken, given)
        if trade.buyer_pod == pod and delivered:
            way = (zones.get(trade.seller_pod, ""), zones.get(pod, ""))
            found[way] = found.get(way, 0) + delivered
    return found


def without_market(receipt: ReceiptRow, tariff: Tariff) -> list[Line]:
    """Return what the same meters would have come to without a market."""
    lines = [
        pays("import", "All you drew, from your supplier", receipt.import_wh, tariff.retail),
        earns("export", "All you fed in, to your supplier", receipt.export_wh, tariff.export),
    ]
    return [line for line in lines if line.energy_wh]


def disagreements(
    receipt: ReceiptRow, lines: Sequence[Line], without: Sequence[Line]
) -> dict[str, tuple[int, int]]:
    """Return each component whose lines do not come to what the receipt says: both amounts."""
    told = {
        "trades": receipt.trades_nano,
        "pool": receipt.pool_nano,
        "supplier": receipt.supplier_nano,
        "network": receipt.network_nano,
        "levy": receipt.levy_nano,
        "service": receipt.service_nano,
    }
    found = {}
    for component, amount in told.items():
        shown = sum(line.amount_nano for line in lines if line.component == component)
        if shown != amount:
            found[component] = (shown, amount)
    shown = sum(line.amount_nano for line in lines)
    if shown != receipt.total_nano and not found:
        found["total"] = (shown, receipt.total_nano)
    shown = sum(line.amount_nano for line in without)
    if shown != receipt.same_meters_nano:
        found["same_meters"] = (shown, receipt.same_meters_nano)
    return found
