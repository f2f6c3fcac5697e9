"""How a receipt comes about: each of its amounts as Wh times a price, from trades and tariff.

Nothing is copied from the receipt that can be recomputed, so that what does not add up is seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from wattbay.core.facts import Product, Tariff
from wattbay.periods import Instant, instant, to_text

# --- what it rests on ---


class ReceiptRow(Struct, frozen=True):
    """A version of a pod's receipt. Positive money: the party pays."""

    delivery_start: Instant
    pod: str
    party: str
    run: str
    version: int
    bought_wh: int
    sold_wh: int
    delivered_in_wh: int
    delivered_out_wh: int
    import_wh: int
    export_wh: int
    deviation_wh: int
    pooled_wh: int
    residual_wh: int
    trades_nano: int
    pool_nano: int
    supplier_nano: int
    network_nano: int
    levy_nano: int
    service_nano: int
    total_nano: int
    same_meters_nano: int

    @property
    def activated_wh(self) -> int:
        """What the grid operator instructed; into the grid is positive. [Wh]"""
        position = self.sold_wh - self.bought_wh
        return self.export_wh - self.import_wh - position - self.deviation_wh

    @property
    def saved_nano(self) -> int:
        """What the same meters would have cost more without a market. [nano-currency]"""
        return self.same_meters_nano - self.total_nano


class TradeRow(Struct, frozen=True):
    """A trade; the two prices differ where each side pays as it bid, or the market keeps a fee."""

    buyer_pod: str
    seller_pod: str
    quantity_wh: int
    price_nano_per_wh: int
    state: str
    delivered_wh: int | None = None
    seller_price_nano_per_wh: int | None = None

    @property
    def seller_price(self) -> int:
        """What the seller gets. [nano-currency per Wh]"""
        own = self.seller_price_nano_per_wh
        return self.price_nano_per_wh if own is None else own


class TaxStep(Struct, frozen=True):
    """A share of tax and since when it holds."""

    since: str
    ppm: int


class TariffParts(Struct, frozen=True):
    """The components of a retail price, before tax. [nano-currency per Wh unless named]"""

    energy: int
    network_regional: int
    levy: int
    export: int
    network_local: Mapping[str, int] = {}
    service: int = 0
    standing_nano_per_day: int = 0
    tax: tuple[TaxStep, ...] = ()

    @property
    def retail(self) -> int:
        """What a kWh from the grid costs without a market. [nano-currency per Wh]"""
        return self.energy + self.network_regional + self.levy

    def tax_ppm(self, at: Instant) -> int:
        """Return the tax on a delivery. [ppm]"""
        return max(
            ((instant(step.since), step.ppm) for step in self.tax if instant(step.since) <= at),
            default=(0, 0),
        )[1]


class Rules(Struct, frozen=True):
    """How deviations were settled. [nano-currency per Wh]"""

    deviations: str = "pooled"
    single_price: int | None = None
    short_price: int | None = None
    long_price: int | None = None
    netting: str = "none"
    price_tick: int = 1


def parts_of(tariff: Tariff) -> TariffParts:
    """Return the parts of a tariff of the core."""
    return TariffParts(
        energy=tariff.energy,
        network_regional=tariff.network_regional,
        levy=tariff.levy,
        export=tariff.export,
        network_local={
            f"{fee.from_zone}>{fee.to_zone}": fee.nano_per_wh for fee in tariff.network_local
        },
        service=tariff.service,
        standing_nano_per_day=tariff.standing_nano_per_day,
        tax=tuple(TaxStep(to_text(step.since), step.ppm) for step in tariff.tax),
    )


def rules_of(product: Product) -> Rules:
    """Return how deviations from what was traded of a product are settled."""
    return Rules(
        product.deviations.value,
        product.single_price,
        product.short_price,
        product.long_price,
        product.netting.value,
        product.price_tick,
    )


# --- lines ---


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


def prices_of(rules: Rules, tariff: TariffParts, pool_price: int) -> Prices:
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


class Ground(NamedTuple):
    """What a receipt rests on besides the trades of its delivery."""

    tariff: TariffParts
    """As it holds in the delivery."""
    rules: Rules
    pool_price: int
    """[nano-currency per Wh]"""
    supplier: str
    receipts: Mapping[str, ReceiptRow]
    """As they stood at the end of the same run, of the pod and of whoever sold to it."""
    zones: Mapping[str, str]
    """Of those pods."""


def explain(receipt: ReceiptRow, trades: Sequence[TradeRow], ground: Ground) -> list[Line]:
    """Return why a receipt comes to what it does, each amount as energy times price.

    Parameters
    ----------
    trades
        All of the delivery in which the pod, or whoever sold to it, has a part, in their order;
        others and cancelled ones pass by.
    """
    standing = [trade for trade in trades if trade.state != "cancelled"]
    prices = prices_of(ground.rules, ground.tariff, ground.pool_price)
    local = delivered_by_zones(receipt.pod, standing, ground.receipts, ground.zones)
    return [
        *trade_lines(receipt.pod, standing),
        *deviation_lines(receipt, prices, ground.supplier),
        *fee_lines(receipt, ground.tariff, local),
    ]


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
    tariff: TariffParts,
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
    sold and fed in likewise; a trade delivered the smaller of what its two sides gave it. With
    itself a pod delivers nothing.
    """
    drawn = {name: min(r.bought_wh, r.import_wh) for name, r in receipts.items()}
    fed_in = {name: min(r.sold_wh, r.export_wh) for name, r in receipts.items()}
    found: dict[tuple[str, str], int] = {}
    for trade in trades:
        if trade.buyer_pod == trade.seller_pod:
            continue
        taken = min(trade.quantity_wh, drawn.get(trade.buyer_pod, 0))
        given = min(trade.quantity_wh, fed_in.get(trade.seller_pod, 0))
        drawn[trade.buyer_pod] = drawn.get(trade.buyer_pod, 0) - taken
        fed_in[trade.seller_pod] = fed_in.get(trade.seller_pod, 0) - given
        delivered = min(taken, given)
        if trade.buyer_pod == pod and delivered:
            way = (zones.get(trade.seller_pod, ""), zones.get(pod, ""))
            found[way] = found.get(way, 0) + delivered
    return found


def without_market(receipt: ReceiptRow, tariff: TariffParts) -> list[Line]:
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
