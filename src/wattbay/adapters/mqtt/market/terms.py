"""What somebody who orders must know of each product, and what suppliers pay and take beside it."""

from __future__ import annotations

from wattbay.adapters.mqtt.market.messages import ProductTerms
from wattbay.core.exchange import State

PRODUCTS_MAX = 32
"""Products whose terms are told."""


def product_terms(state: State) -> list[ProductTerms]:
    """Return what somebody who orders must know of each product."""
    registry = state.registry
    tariffs = registry.tariffs.values()
    energy = min((tariff.energy for tariff in tariffs), default=None)
    export = max((tariff.export for tariff in tariffs), default=None)
    return [
        ProductTerms(
            product=name,
            mechanism=product.mechanism.value,
            delivery_us=registry.isp_us,
            price_tick=product.price_tick,
            energy_tick=product.energy_tick,
            price_min=product.price_min,
            price_max=product.price_max,
            quantity_max_wh=product.quantity_max_wh,
            opens_before_us=product.opens_before_us,
            closes_before_us=product.closes_before_us,
            retail_energy=energy,
            retail_export=export,
        )
        for name, product in list(registry.products.items())[:PRODUCTS_MAX]
    ]
