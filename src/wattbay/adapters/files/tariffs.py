"""`tariffs.json`: with the tables beside it, all that a stranger needs to recompute a receipt."""

from __future__ import annotations

from wattbay.core.facts import Product, Tariff
from wattbay.core.registry import Registry
from wattbay.periods import MINUTE, to_text

FORMAT = 1


def tariffs_document(registry: Registry, product: Product) -> dict[str, object]:
    """Return the document: settlement rules, tariffs, and the dated facts of every pod."""
    community = registry.community
    return {
        "format": FORMAT,
        "currency": community.currency if community is not None else "",
        "minor_digits": community.minor_digits if community is not None else 0,
        "isp_minutes": registry.isp_us // MINUTE,
        "settlement": {
            "deviations": product.deviations.value,
            "pool_price": product.pool_price,
            "single_price": product.single_price,
            "short_price": product.short_price,
            "long_price": product.long_price,
            "netting": product.netting.value,
            "price_tick": product.price_tick,
        },
        "auction": {
            "pricing": product.pricing.value,
            "margin": product.margin.value,
            "reference": product.reference,
            "network_fee": product.network_fee,
        },
        "tariffs": {name: _tariff(tariff) for name, tariff in registry.tariffs.items()},
        "sales_taxed_since": {
            name: to_text(party.tax_from)
            for name, party in registry.parties.items()
            if party.tax_from is not None
        },
        "pods": {
            pod: [
                {
                    "since": to_text(facts.since),
                    "party": facts.party,
                    "zone": facts.zone,
                    "supplier": facts.supplier,
                    "brp": facts.brp,
                    "tariff": facts.tariff,
                }
                for facts in history
            ]
            for pod, history in registry.pods.items()
        },
    }


def _tariff(tariff: Tariff) -> dict[str, object]:
    """Return one tariff. Prices are nano-currency per Wh."""
    document: dict[str, object] = {
        "energy": tariff.energy,
        "network_regional": tariff.network_regional,
        "network_local": {
            f"{fee.from_zone}>{fee.to_zone}": fee.nano_per_wh for fee in tariff.network_local
        },
        "levy": tariff.levy,
        "export": tariff.export,
        "service": tariff.service,
        "standing_nano_per_day": tariff.standing_nano_per_day,
        "tax": [{"since": to_text(step.since), "ppm": step.ppm} for step in tariff.tax],
    }
    monthly = tariff.monthly
    if monthly is not None:
        document["monthly"] = {
            "tiers": [
                {"from_wh": tier.from_wh, "nano_per_wh": tier.nano_per_wh} for tier in monthly.tiers
            ],
            "capacity_nano_per_w": monthly.capacity_nano_per_w,
            "minimum_nano": monthly.minimum_nano,
        }
    return document
