"""Laws of community prices and allocation keys: the bill is divided, nothing is lost."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from wattbay.clearing.community import (
    Basis,
    Energies,
    Settled,
    Tariff,
    bill_sharing,
    mid_market,
    ratio_prices,
    rounded,
    supply_demand_ratio,
)
from wattbay.clearing.response import ratio_price
from wattbay.clearing.sharing import by_consumption, hierarchical, static

watt_hours = st.integers(0, 5_000)
bases = st.sampled_from(Basis)


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    export = draw(st.integers(0, 100_000))
    return Tariff(export + draw(st.integers(0, 200_000)), export)


@st.composite
def energies(draw: st.DrawFn, pods: int | None = None) -> Energies:
    row = st.tuples(watt_hours, watt_hours)
    rows = draw(st.lists(row, min_size=pods or 0, max_size=12 if pods is None else pods))
    return Energies([a for a, _ in rows], [b for _, b in rows])


def alone(period: Energies, tariff: Tariff) -> list[Fraction]:
    """Return what each pod pays its supplier without a community."""
    return [
        Fraction(tariff.retail * max(a - b, 0) - tariff.export * max(b - a, 0))
        for a, b in zip(*period, strict=True)
    ]


def bill(period: Energies, tariff: Tariff) -> int:
    short = sum(period.consumed) - sum(period.generated)
    return tariff.retail * max(short, 0) - tariff.export * max(-short, 0)


def settled_by_all(period: Energies, tariff: Tariff) -> list[Settled]:
    return [
        mid_market(period, tariff, Basis.GROSS),
        mid_market(period, tariff, Basis.NET),
        supply_demand_ratio(period, tariff),
        bill_sharing([period], [tariff]),
    ]


@given(energies(), tariffs())
def test_what_pods_owe_sums_to_what_the_community_owes(period: Energies, tariff: Tariff) -> None:
    for found in settled_by_all(period, tariff):
        assert sum(found.owed) == found.bill == bill(period, tariff)


@given(energies(), tariffs())
def test_no_pod_is_worse_off_by_net_positions_than_alone(period: Energies, tariff: Tariff) -> None:
    # Under bill sharing sellers can be: what is used within costs nothing and brings nothing.
    for found in (mid_market(period, tariff, Basis.NET), supply_demand_ratio(period, tariff)):
        for owed, before in zip(found.owed, alone(period, tariff), strict=True):
            assert owed < before + 1


@given(energies(), tariffs(), bases)
def test_prices_lie_between_export_and_retail(
    period: Energies, tariff: Tariff, basis: Basis
) -> None:
    for found in (mid_market(period, tariff, basis), supply_demand_ratio(period, tariff)):
        assert found.prices.sell is not None
        assert found.prices.buy is not None
        assert tariff.export <= found.prices.sell <= found.prices.buy <= tariff.retail


@given(st.integers(0, 10**6), st.integers(0, 10**6), tariffs())
def test_estimate_of_the_ratio_price_is_that_of_the_exact_one(
    supply: int, demand: int, tariff: Tariff
) -> None:
    exact = ratio_prices(supply, demand, tariff)
    for one, other in zip(exact, ratio_price(supply, demand, *tariff), strict=True):
        assert one is not None
        assert abs(float(one) - other) <= 1e-9 * tariff.retail


@given(st.lists(st.tuples(energies(pods=4), tariffs()), min_size=1, max_size=5))
def test_bill_over_periods_is_divided_whole(rows: list[tuple[Energies, Tariff]]) -> None:
    found = bill_sharing([period for period, _ in rows], [tariff for _, tariff in rows])
    assert sum(found.owed) == found.bill == sum(bill(*row) for row in rows)


@given(st.lists(st.fractions(-100, 100, max_denominator=12), max_size=12))
def test_rounding_moves_no_amount_by_a_whole_unit(amounts: list[Fraction]) -> None:
    amounts = [*amounts, -sum(amounts, Fraction(0))]
    parts = rounded(amounts, 0)
    assert sum(parts) == 0
    assert all(abs(part - amount) < 1 for part, amount in zip(parts, amounts, strict=True))


@given(
    st.integers(0, 20_000),
    st.lists(st.tuples(watt_hours, st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=12),
)
def test_energy_is_allocated_whole_and_to_nobody_beyond_its_use(
    generated: int, rows: list[tuple[int, int, int]]
) -> None:
    consumed = [row[0] for row in rows]
    fixed = static(generated, consumed, [row[1] for row in rows])
    moving = by_consumption(generated, consumed)
    levelled = hierarchical(generated, consumed, [row[2] for row in rows])
    for found in (fixed, moving, levelled):
        assert sum(found.shares) + found.spare == generated
        assert all(0 <= part <= own for part, own in zip(found.shares, consumed, strict=True))
    # These two leave nothing that anybody could have used.
    assert moving.spare == levelled.spare == max(generated - sum(consumed), 0)


@given(
    st.integers(0, 20_000),
    st.lists(st.tuples(watt_hours, st.integers(0, 3)), min_size=1, max_size=12),
)
def test_lower_level_gets_something_only_where_higher_ones_are_served(
    generated: int, rows: list[tuple[int, int]]
) -> None:
    shares = hierarchical(generated, [own for own, _ in rows], [level for _, level in rows]).shares
    served = [level for (own, level), part in zip(rows, shares, strict=True) if part]
    for (own, level), part in zip(rows, shares, strict=True):
        assert part == own or level >= max(served, default=level)
