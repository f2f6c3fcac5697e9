"""What a tariff charges by the local month: tiers, capacity, a minimum. All on the statement alone.

A receipt knows one delivery; these know a month. Amounts are exact, and each goes to somebody: the
tiers and the minimum to the supplier, the capacity charge to the network.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from wattbay.core.facts import EnergyTier, MonthlyCharges, Receipt
from wattbay.ids import PartyId
from wattbay.periods import HOUR, Instant
from wattbay.units import SAFE_INTEGER_MAX, round_half_even

TIERS_MAX = 20
PRICE_MOST = 1_000_000_000
"""Of a tier per Wh, and of capacity per W. [nano-currency]"""


class Contract(Struct):
    """What a pod bought from a supplier on one tariff within a month."""

    supplier: PartyId
    tiers: tuple[EnergyTier, ...]
    bought_wh: int = 0


class Month(Struct):
    """What the charges of a month need to know of an account."""

    contracts: dict[str, Contract] = field(default_factory=dict)
    """By tariff and supplier."""
    import_wh: dict[Instant, int] = field(default_factory=dict)
    """Of each delivery on a tariff that charges capacity. [Wh]"""


def fault(monthly: MonthlyCharges) -> str | None:
    """Return what is wrong with the charges of a tariff; None where all is well."""
    bounds = [tier.from_wh for tier in monthly.tiers]
    if bounds != sorted(set(bounds)) or min(bounds, default=0) < 0 or len(bounds) > TIERS_MAX:
        return f"up to {TIERS_MAX} tiers, by energy, each once"
    if any(not -PRICE_MOST <= tier.nano_per_wh <= PRICE_MOST for tier in monthly.tiers):
        return f"a tier adds {-PRICE_MOST} to {PRICE_MOST} nano per Wh"
    if not 0 <= monthly.capacity_nano_per_w <= PRICE_MOST:
        return f"capacity costs 0 to {PRICE_MOST} nano per W"
    if not 0 <= monthly.minimum_nano <= SAFE_INTEGER_MAX:
        return "minimum_nano is 0 to 2^53 - 1"
    return None


def note(
    month: Month,
    contract: tuple[str, PartyId],
    monthly: MonthlyCharges,
    receipt: Receipt,
    old: Receipt | None,
) -> None:
    """Take a receipt, or what it corrects, into the month of its account.

    Parameters
    ----------
    contract
        Name of the tariff, and the supplier.
    """
    if monthly.tiers:
        name, supplier = contract
        key = f"{name}/{supplier}"
        found = month.contracts.get(key)
        if found is None:
            found = month.contracts[key] = Contract(supplier, monthly.tiers)
        found.bought_wh += max(0, -receipt.residual_wh)
        if old is not None:
            found.bought_wh -= max(0, -old.residual_wh)
    if monthly.capacity_nano_per_w:
        month.import_wh[receipt.delivery] = receipt.import_wh


def tiers_nano(tiers: Sequence[EnergyTier], bought_wh: int) -> int:
    """Return what tiers add to the energy component of what was bought. [nano-currency]

    A tier holds from its bound to the next; below the first nothing is added.
    """
    amount = 0
    for place, tier in enumerate(tiers):
        end = tiers[place + 1].from_wh if place + 1 < len(tiers) else bought_wh
        amount += max(0, min(bought_wh, end) - tier.from_wh) * tier.nano_per_wh
    return amount


def capacity_nano(month: Month, nano_per_w: int, isp_us: int) -> int:
    """Return what the highest import of a month costs. [nano-currency]

    Its mean power is ``energy x hour / length of the delivery``; the amount is rounded once, halves
    to even, and exact where deliveries divide an hour.
    """
    peak_wh = max(month.import_wh.values(), default=0)
    return round_half_even(max(0, peak_wh) * nano_per_w * HOUR, isp_us)
