"""Community energy as trades: by each rule, and at the same cost as the community prices."""

from __future__ import annotations

from fractions import Fraction

import pytest

from wattbay.clearing.allocation import Allocated, Rule, Terms, allocate
from wattbay.clearing.community import Basis, Energies, Tariff, mid_market, supply_demand_ratio

TARIFF = Tariff(retail=100, export=40)
SHORT = Energies([300, 500, 0, 10], [0, 0, 400, 30])
"""By net positions 800 Wh are drawn and 420 Wh injected."""
LONG = Energies([100, 0, 50], [0, 400, 250])


def owed(found: Allocated, energies: Energies, tariff: Tariff) -> list[Fraction]:
    """Return what each pod pays, at the exact price and with the rest at the supplier."""
    pays = [Fraction(0)] * len(energies.consumed)
    left = [a - b for a, b in zip(energies.consumed, energies.generated, strict=True)]
    for buyer, seller, energy in found.trades:
        value = energy * (found.price + found.rounded)
        pays[buyer] += value
        pays[seller] -= value
        left[buyer] -= energy
        left[seller] += energy
    return [
        paid + (tariff.retail if rest > 0 else tariff.export) * rest
        for paid, rest in zip(pays, left, strict=True)
    ]


@pytest.mark.parametrize("energies", [SHORT, LONG])
def test_allocated_mid_market_costs_what_the_mid_market_rate_says(energies: Energies) -> None:
    found = allocate(Rule.MID_MARKET, energies, TARIFF)
    settled = mid_market(energies, TARIFF, Basis.NET)
    for ours, theirs in zip(owed(found, energies, TARIFF), settled.owed, strict=True):
        assert abs(ours - theirs) < TARIFF.retail - TARIFF.export
    assert found.price == 70


@pytest.mark.parametrize("energies", [SHORT, LONG])
def test_allocated_by_ratio_costs_what_the_supply_demand_ratio_says(energies: Energies) -> None:
    found = allocate(Rule.SUPPLY_DEMAND_RATIO, energies, TARIFF)
    settled = supply_demand_ratio(energies, TARIFF)
    for ours, theirs in zip(owed(found, energies, TARIFF), settled.owed, strict=True):
        assert abs(ours - theirs) < TARIFF.retail - TARIFF.export
    assert 0 <= found.rounded < 1


def test_what_is_left_is_stated() -> None:
    short, long = allocate(Rule.MID_MARKET, SHORT, TARIFF), allocate(Rule.MID_MARKET, LONG, TARIFF)
    assert (short.volume, short.spare, short.short) == (420, 0, 380)
    assert (long.volume, long.spare, long.short) == (100, 500, 0)


def test_static_key_allocates_by_weight_and_leaves_the_rest() -> None:
    found = allocate(Rule.STATIC_KEY, SHORT, TARIFF, Terms(weights=[1, 1, 0, 0]))
    assert found.trades == [(0, 2, 210), (1, 2, 190), (1, 3, 20)]
    tight = allocate(Rule.STATIC_KEY, SHORT, TARIFF, Terms(weights=[3, 1, 0, 0]))
    assert tight.trades == [(0, 2, 300), (1, 2, 86), (1, 3, 19)]
    assert tight.spare == 15


def test_hierarchical_key_serves_the_lowest_level_first() -> None:
    found = allocate(Rule.HIERARCHICAL_KEY, SHORT, TARIFF, Terms(levels=[2, 1, 0, 0]))
    assert found.trades == [(1, 2, 400), (1, 3, 20)]


@pytest.mark.parametrize(("price", "held"), [(55, 55), (10, 40), (200, 100), (None, 70)])
def test_the_price_of_a_key_is_held_between_export_and_retail(price: int | None, held: int) -> None:
    assert allocate(Rule.DYNAMIC_KEY, SHORT, TARIFF, Terms(price=price)).price == held


@pytest.mark.parametrize(
    ("energies", "tariff"),
    [
        (SHORT, Tariff(retail=30, export=40)),
        (Energies([100, 200], [0, 0]), TARIFF),
        (Energies([0, 0], [100, 200]), TARIFF),
        (Energies([], []), TARIFF),
    ],
)
@pytest.mark.parametrize("rule", list(Rule))
def test_nothing_is_allocated_where_nobody_could_gain(
    energies: Energies, tariff: Tariff, rule: Rule
) -> None:
    found = allocate(rule, energies, tariff)
    assert (found.trades, found.volume) == ([], 0)


def test_the_ratio_has_no_meaning_at_a_negative_export_price() -> None:
    below = Tariff(retail=100, export=-10)
    assert allocate(Rule.SUPPLY_DEMAND_RATIO, SHORT, below).volume == 0
    assert allocate(Rule.MID_MARKET, SHORT, below).price == 45


def test_negative_energies_are_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        allocate(Rule.MID_MARKET, Energies([-1], [0]), TARIFF)
