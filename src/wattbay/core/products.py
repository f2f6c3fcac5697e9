"""What a product may say of how it is traded."""

from __future__ import annotations

from wattbay.core.facts import Mechanism, Product
from wattbay.ids import is_id

BLOCK = "block"
"""The rule of a product with blocks, whichever solver finds the result."""
FEES_MAX = 10_000
"""Of a matrix of network fees: one for each pair of a hundred zones."""


def trading_fault(product: Product) -> str | None:
    """Return what is wrong with how a product is traded; None if nothing is."""
    most = product.position_max_wh
    if most is not None and most <= 0:
        return "position_max_wh is positive"
    if product.rule == BLOCK and (most is not None or product.network_fee):
        return "a product with blocks has no position_max_wh and no network_fee"
    if product.mechanism is not Mechanism.CONTINUOUS:
        if (product.self_trade, product.opening_before_us) != (None, None) or product.network_fees:
            return "self_trade, an opening and network_fees are of continuous trading alone"
        return None
    opens = product.opening_before_us
    if opens is not None and not product.closes_before_us < opens <= product.opens_before_us:
        return "trading opens after the gate opens and before it closes"
    return _fees_fault(product)


def _fees_fault(product: Product) -> str | None:
    """Return what is wrong with a matrix of network fees."""
    fees = product.network_fees
    if len(fees) > FEES_MAX:
        return f"{FEES_MAX} network fees are the most"
    if fees and product.network_fee:
        return "network_fees exclude a network_fee"
    if any(not (is_id(fee.from_zone) and is_id(fee.to_zone)) for fee in fees):
        return "network fees name zones by their ids"
    if len({(fee.from_zone, fee.to_zone) for fee in fees}) < len(fees):
        return "a pair of zones has one network fee"
    if any(fee.nano_per_wh < 0 or fee.nano_per_wh % product.price_tick for fee in fees):
        return "network fees are multiples of price_tick, and not negative"
    return None
