"""Publishing what a tariff costs, delivery by delivery, before the deliveries begin.

The core knows no time zone: who knows the local day says its prices, and they never change. They
are kept for `PRICES_MAX` deliveries, tariffs and zones, the oldest forgotten first: so long can a
final delivery be corrected at its own prices.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.deliveries import COUNT_MAX, Deliveries
from wattbay.core.facts import Role, Tariff
from wattbay.core.reasons import Reason
from wattbay.core.registry import EVERYWHERE, Registry, facts_at, has_role, refuse
from wattbay.ids import is_id
from wattbay.periods import Instant

PRICE_MOST = 1_000_000_000
"""No price is above this, or further below zero. [nano-currency per Wh]"""
PRICES_MAX = 1_000_000
"""Tariffs of deliveries and zones that are kept: 57 years of half-hours of one tariff."""


def publish(
    registry: Registry, deliveries: Deliveries, command: c.PublishPrices, at: Instant
) -> list[e.Event]:
    """Let prices hold of a tariff in deliveries that have not begun, once and for all.

    Orders that stand already keep what is held for them; from now on holds go by these prices.
    """
    roles = (Role.SUPPLIER, Role.MARKET_OPERATOR)
    if not any(has_role(registry, command.publisher, role) for role in roles):
        return refuse(Reason.NOT_ALLOWED, "suppliers and the market operator publish prices")
    if command.tariff not in registry.tariffs:
        return refuse(Reason.UNKNOWN_TARIFF, f"tariff {command.tariff}")
    if not has_role(registry, command.publisher, Role.MARKET_OPERATOR) and _is_shared(
        registry, command
    ):
        what = "others supply pods on this tariff; its prices are the market operator's to publish"
        return refuse(Reason.NOT_ALLOWED, what)
    if command.zone is not None and not is_id(command.zone):
        return refuse(Reason.BAD_ID, f"zone {command.zone!r}")
    columns = (command.energy, command.export, command.levy, command.network)
    counts = {len(prices) for prices in columns if prices}
    if len(counts) != 1 or max(counts) > COUNT_MAX or command.start % registry.isp_us:
        what = f"one price each of 1 to {COUNT_MAX} deliveries, from a boundary on"
        return refuse(Reason.BAD_VALUE, what)
    if command.start <= at:
        return refuse(Reason.NOT_IN_SEQUENCE, "prices are published before deliveries begin")
    if any(not -PRICE_MOST <= price <= PRICE_MOST for prices in columns for price in prices):
        return refuse(Reason.OUT_OF_RANGE, f"{-PRICE_MOST} to {PRICE_MOST} nano per Wh")
    zone = EVERYWHERE if command.zone is None else command.zone
    for start in _starts(registry, command):
        known = registry.prices.get(start, {}).get(command.tariff)
        if known and (zone == EVERYWHERE or zone in known or EVERYWHERE in known):
            return refuse(Reason.ALREADY_KNOWN, "published prices never change")
    for start in _outdated(registry, max(counts)):
        if start >= at or start in deliveries.open:
            return refuse(Reason.TOO_MANY, f"{PRICES_MAX} prices are the most")
    return [
        e.PricesPublished(
            publisher=command.publisher,
            tariff=command.tariff,
            start=command.start,
            energy=command.energy,
            export=command.export,
            levy=command.levy,
            network=command.network,
            zone=command.zone,
        )
    ]


def _is_shared(registry: Registry, command: c.PublishPrices) -> bool:
    """Tell whether another supplier has a pod on the tariff when the prices begin to hold."""
    dated = (facts_at(registry, pod, command.start) for pod in registry.pods)
    return any(
        facts is not None and facts.tariff == command.tariff and facts.supplier != command.publisher
        for facts in dated
    )


def published(registry: Registry, event: e.PricesPublished) -> None:
    """Keep a tariff as it holds in each delivery; equal ones are one record."""
    starts = list(_starts(registry, event))
    for start in list(_outdated(registry, len(starts))):
        registry.priced -= sum(map(len, registry.prices.pop(start).values()))
        registry.prices_since = max(registry.prices_since, Instant(start + registry.isp_us))
    flat = registry.tariffs[event.tariff]
    zone = EVERYWHERE if event.zone is None else event.zone
    found: dict[tuple[int, int, int, int], Tariff] = {}
    for i, start in enumerate(starts):
        energy = event.energy[i] if event.energy else flat.energy
        export = event.export[i] if event.export else flat.export
        levy = event.levy[i] if event.levy else flat.levy
        adder = event.network[i] if event.network else 0
        key = (energy, export, levy, adder)
        tariff = found.get(key)
        if tariff is None:
            tariff = found[key] = effective(flat, energy, export, levy, adder)
        registry.prices.setdefault(start, {}).setdefault(event.tariff, {})[zone] = tariff
    registry.priced += len(starts)


def effective(flat: Tariff, energy: int, export: int, levy: int, adder: int) -> Tariff:
    """Return a tariff with other prices; the adder falls on every network fee.

    All in nano-currency per Wh.
    """
    return structs.replace(
        flat,
        energy=energy,
        export=export,
        levy=levy,
        network_regional=flat.network_regional + adder,
        network_local=tuple(
            structs.replace(fee, nano_per_wh=fee.nano_per_wh + adder) for fee in flat.network_local
        ),
    )


def _starts(registry: Registry, told: c.PublishPrices | e.PricesPublished) -> Iterator[Instant]:
    """Yield the deliveries that prices are told of."""
    count = max(map(len, (told.energy, told.export, told.levy, told.network)))
    for i in range(count):
        yield Instant(told.start + i * registry.isp_us)


def _outdated(registry: Registry, count: int) -> Iterator[Instant]:
    """Yield the deliveries that must be forgotten before so many prices can be kept."""
    over = registry.priced + count - PRICES_MAX
    for start, priced in registry.prices.items():
        if over <= 0:
            return
        over -= sum(map(len, priced.values()))
        yield start
