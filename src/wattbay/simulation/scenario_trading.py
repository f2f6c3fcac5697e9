"""How a scenario's product is traded continuously: who gives way, how it opens, what is charged."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import structs

from wattbay.core.facts import LocalFee, Mechanism, Product, SelfTrade
from wattbay.ids import ZoneId
from wattbay.simulation.scenario_file import Table

_NONE = "none"
_OF_CONTINUOUS = ("self_trade", "opening_before_minutes", "network_fees")


def read_trading(table: Table, product: Product, zones: Collection[str]) -> Product:
    """Read position limits and the rules of continuous trading, from ``[product]``."""
    most: int | None = None
    if "position_max_wh" in table:
        most = table.integer("position_max_wh", least=1)
    table.known("position_max_wh")
    product = structs.replace(product, position_max_wh=most)
    if product.mechanism is not Mechanism.CONTINUOUS:
        for name in _OF_CONTINUOUS:
            if name in table:
                what = f"{table.key(name)} is of continuous trading, and this a"
                what += f" {product.mechanism} market"
                table.fault(name, what, "leave it out")
            table.known(name)
        return product
    mode = table.choice("self_trade", (_NONE, *SelfTrade), _NONE)
    opens: int | None = None
    if "opening_before_minutes" in table:
        opens = table.minutes("opening_before_minutes", least=-(10**12))
        if not product.closes_before_us < opens <= product.opens_before_us:
            remedy = "between opens_before_hours and closes_before_minutes"
            table.fault("opening_before_minutes", "trading opens while the gate is open", remedy)
    table.known("opening_before_minutes")
    return structs.replace(
        product,
        self_trade=None if mode == _NONE else SelfTrade(mode),
        opening_before_us=opens,
        network_fees=_read_fees(table, product, zones),
    )


def _read_fees(table: Table, product: Product, zones: Collection[str]) -> tuple[LocalFee, ...]:
    """Read ``[[product.network_fees]]``; a pair of zones that is missing cannot trade."""
    fees: dict[tuple[str, str], LocalFee] = {}
    for fee in table.tables("network_fees"):
        before = len(fee.source.faults)
        pair = (fee.choice("from", sorted(zones)), fee.choice("to", sorted(zones)))
        price = fee.price("cents_per_kwh", tick=product.price_tick)
        if len(fee.source.faults) > before:
            continue
        if pair in fees:
            fee.fault("from", f"the fee from {pair[0]} to {pair[1]} is there twice", "one a pair")
        fees[pair] = LocalFee(from_zone=ZoneId(pair[0]), to_zone=ZoneId(pair[1]), nano_per_wh=price)
    if fees and product.network_fee:
        remedy = "leave out network_fee_cents_per_kwh"
        table.fault("network_fees", "there is one fee for all zones already", remedy)
    return tuple(fees.values())
