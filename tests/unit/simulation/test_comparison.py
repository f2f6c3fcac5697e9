"""Rules compared: the same meters under each, nothing lost, and no rule flatters itself."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from msgspec import structs

from wattbay.clearing.allocation import Rule as Key
from wattbay.clearing.allocation import Terms, allocate
from wattbay.clearing.community import Basis, Energies, Tariff, bill_sharing, mid_market
from wattbay.clearing.retail.models import Component, TimeOfUse, Window
from wattbay.clearing.retail.prices import Sources
from wattbay.core.facts import Deviations, Mechanism, SelfTrade
from wattbay.errors import ConfigError
from wattbay.ids import TariffId
from wattbay.simulation.baseline import run_baseline
from wattbay.simulation.comparison import retail
from wattbay.simulation.comparison.lived import with_product
from wattbay.simulation.comparison.outcome import Outcome, Unfit
from wattbay.simulation.comparison.rules import (
    BY_NAME,
    RULES,
    Found,
    Ground,
    by_community,
    chosen,
    lived,
)
from wattbay.simulation.comparison.settled import Delivery, Given, nobody
from wattbay.simulation.comparison.sums import AMOUNTS, cost_nano
from wattbay.simulation.scenario import load_scenario

NAMES = tuple(BY_NAME)


@pytest.fixture(scope="module")
def ground() -> Ground:
    return Ground(load_scenario("street", days=1))


@pytest.fixture(scope="module")
def found(ground: Ground) -> dict[str, Found]:
    return {rule.name: rule.run(ground) for rule in RULES}


def outcome(found: dict[str, Found], name: str) -> Outcome:
    """Return what a rule came to that every scenario can be lived by."""
    came = found[name]
    assert isinstance(came, Outcome)
    return came


@pytest.mark.parametrize("name", NAMES)
def test_meters_are_the_same_under_every_rule(found: dict[str, Found], name: str) -> None:
    alone, other = outcome(found, "none").table, outcome(found, name).table
    assert np.array_equal(alone["import_wh"], other["import_wh"])
    assert np.array_equal(alone["export_wh"], other["export_wh"])


def test_meters_are_those_of_the_life_without_a_market(
    ground: Ground, found: dict[str, Found]
) -> None:
    alone = run_baseline(load_scenario("street", days=1))
    table = outcome(found, "none").table
    assert table["import_wh"].sum(axis=0).tolist() == alone.import_wh.tolist()
    assert table["export_wh"].sum(axis=0).tolist() == alone.export_wh.tolist()
    assert cost_nano(table).sum(axis=0).tolist() == alone.cost_nano.tolist()
    assert all(home.battery is None for home in ground.scenario.homes)


@pytest.mark.parametrize("name", NAMES)
def test_what_homes_pay_is_what_others_get(found: dict[str, Found], name: str) -> None:
    came = outcome(found, name)
    sums = {column: int(came.table[column].sum()) for column in AMOUNTS}
    kept = sum(deal.quantity_wh * (deal.buy_price - deal.sell_price) for deal in came.deals)
    if name == "bill_sharing":
        kept = 0  # Its prices hold for all that homes draw and inject, not for shared energy alone.
    assert sums["trades_nano"] + sums["pool_nano"] == kept
    got = sum(sums[f"{who}_nano"] for who in ("supplier", "network", "levy", "service"))
    assert int(cost_nano(came.table).sum()) == got + kept
    assert sum(came.bill_nano) == got + kept + sum(came.standing_nano) + sum(came.tax_nano)


@pytest.mark.parametrize("name", NAMES)
def test_energy_is_neither_made_nor_lost(found: dict[str, Found], name: str) -> None:
    table = outcome(found, name).table
    net = (table["export_wh"] - table["import_wh"]).sum(axis=1)
    assert table["residual_wh"].sum(axis=1).tolist() == net.tolist()
    assert not table["pooled_wh"].sum(axis=1).any()


def test_settling_anew_without_sharing_is_the_life_alone_to_the_nano(
    ground: Ground, found: dict[str, Found]
) -> None:
    again, alone = ground.books().settle(nobody), outcome(found, "none")
    for name in AMOUNTS:
        assert np.array_equal(again.table[name], alone.table[name]), name
    assert again.bill_nano == alone.bill_nano
    assert again.tax_nano == alone.tax_nano


def test_monthly_charges_and_responses_are_settled_anew_to_the_nano() -> None:
    ground = Ground(load_scenario("london-tariffs"))
    alone, again = ground.alone(), ground.books().settle(nobody)
    assert any(alone.response_nano)
    assert again.bill_nano == alone.outcome.bill_nano
    assert again.standing_nano == alone.outcome.standing_nano


def test_mid_market_is_the_same_lived_through_and_settled_afterwards(
    ground: Ground, found: dict[str, Found]
) -> None:
    prices = {
        deal.place: (deal.buy_price, deal.sell_price) for deal in outcome(found, "mid_market").deals
    }

    def sharing(known: Delivery) -> list[Given]:
        energies = Energies(known.import_wh, known.export_wh)
        given = allocate(Key.MID_MARKET, energies, Tariff(1, 0), Terms()).trades
        # The price is the operator's, fees counted; who had whose energy is found again.
        return [Given(*trade, *prices[known.place]) for trade in given]

    again = ground.books().settle(sharing)
    for name in AMOUNTS:
        assert np.array_equal(again.table[name], outcome(found, "mid_market").table[name]), name
    assert again.bill_nano == outcome(found, "mid_market").bill_nano


def test_pool_of_the_exchange_is_the_mid_market_rate_within_rounding(ground: Ground) -> None:
    # Nobody orders, so all energy is deviation; the pool nets it at the middle price.
    scenario = with_product(
        ground.scenario,
        mechanism=Mechanism.COMMUNITY,
        rule=Key.DYNAMIC_KEY.value,
        deviations=Deviations.POOLED,
    )
    table = lived(scenario, quiet=True).outcome.table
    energy = table["trades_nano"] + table["pool_nano"] + table["supplier_nano"]
    for known in ground.books().deliveries():
        tariff = Tariff(known.tariffs[0].energy, known.tariffs[0].export)
        energies = Energies(known.import_wh, known.export_wh)
        exact = mid_market(energies, tariff, Basis.NET)
        assert int(energy[known.place].sum()) == exact.bill
        for paid, owed in zip(energy[known.place].tolist(), exact.owed, strict=True):
            # A whole Wh goes to one or to the other, at the pool's price or at the supplier's.
            assert abs(paid - owed) <= tariff.retail - tariff.export


def test_shared_bill_is_owed_to_the_nano(ground: Ground, found: dict[str, Found]) -> None:
    known = ground.books().deliveries()
    tariffs = [Tariff(one.tariffs[0].energy, one.tariffs[0].export) for one in known]
    settled = bill_sharing([Energies(one.import_wh, one.export_wh) for one in known], tariffs)
    table = outcome(found, "bill_sharing").table
    assert table["supplier_nano"].sum(axis=0).tolist() == settled.owed


@pytest.mark.parametrize("name", ["fixed", "time_of_use", "dynamic"])
def test_retail_prices_leave_the_supplier_its_revenue(found: dict[str, Found], name: str) -> None:
    alone, other = (outcome(found, one).table for one in ("none", name))
    before, after = int(alone["supplier_nano"].sum()), int(other["supplier_nano"].sum())
    assert abs(before - after) <= int(alone["import_wh"].sum())


def test_prices_by_time_of_use_are_the_same_published_and_settled_afterwards(
    ground: Ground, found: dict[str, Found]
) -> None:
    scenario, books = ground.scenario, ground.books()
    known = books.deliveries()
    shape = retail.time_of_use(scenario)
    prices = retail.neutral(known, [shape(one) for one in known], shifted=False)
    (name,) = prices
    at = {scenario.calendar.local(one.start).hour: prices[name][one.place] for one in known}
    windows = (Window(at[0], 0, 7 * 60), Window(at[16], 16 * 60, 20 * 60))
    model = TimeOfUse(Component.ENERGY, windows, at[12])
    published = replace(by_community(scenario, Key.DYNAMIC_KEY), models={name: (model,)})
    came = lived(published, quiet=True).outcome
    told = outcome(found, "time_of_use")
    assert sorted(set(prices[name])) == [at[0], at[12], at[16]]
    for amount in AMOUNTS:
        assert np.array_equal(came.table[amount], told.table[amount]), amount
    assert came.bill_nano == told.bill_nano


def test_neutral_prices_of_a_shape_and_of_a_series() -> None:
    known = [a_delivery(0, 300), a_delivery(1, 100)]
    shapes = [Fraction(1), Fraction(5)]
    # 400 Wh cost 400 x 100; weighed they are 800.
    assert retail.neutral(known, shapes, shifted=False) == {"flat": [50, 250]}
    # The series comes to 800 over 400 Wh, so 98 is added.
    assert retail.neutral(known, shapes, shifted=True) == {"flat": [99, 103]}


def a_delivery(place: int, import_wh: int) -> Delivery:
    """Return a delivery of one home on a flat tariff of 100."""
    scenario = load_scenario("street", days=1)
    tariff = structs.replace(scenario.tariffs[0], energy=100)
    return Delivery(place, scenario.start, [import_wh], [0], [tariff], [scenario.homes[0].zone])


def test_nobody_loses_by_sharing_or_by_the_middle_price(found: dict[str, Found]) -> None:
    before = cost_nano(outcome(found, "none").table).sum(axis=0)
    for name in ("mid_market", "supply_demand_ratio", "static_key", "dynamic_key",
                 "hierarchical_key"):  # fmt: skip
        assert (cost_nano(outcome(found, name).table).sum(axis=0) <= before).all(), name


def test_auctions_reach_the_surplus_that_they_claim(found: dict[str, Found]) -> None:
    for name in ("uniform", "pay_as_bid", "continuous", "huang", "muda"):
        surplus = outcome(found, name).surplus
        assert surplus is not None
        assert 0 <= surplus.reached <= surplus.most
    uniform = outcome(found, "uniform").surplus
    assert uniform is not None
    assert uniform.reached == uniform.most > 0
    assert outcome(found, "mid_market").surplus is None


def test_network_fee_of_a_market_is_no_gain() -> None:
    ground = Ground(with_product(load_scenario("street", days=1), network_fee=1_000))
    for name in ("uniform", "huang"):
        came = BY_NAME[name].run(ground)
        assert isinstance(came, Outcome)
        assert came.surplus is not None
        assert came.deals
        if name == "uniform":
            assert {deal.buy_price - deal.sell_price for deal in came.deals} == {1_000}
            assert came.surplus.reached == came.surplus.most > 0
        assert 0 <= came.surplus.reached <= came.surplus.most


def test_scenario_that_trades_continuously_is_compared_like_any_other() -> None:
    scenario = load_scenario("street", days=1)
    opening_us = scenario.product.opens_before_us
    traded = with_product(
        scenario,
        mechanism=Mechanism.CONTINUOUS,
        self_trade=SelfTrade.NEWEST,
        opening_before_us=opening_us,
    )
    came = {name: BY_NAME[name].run(Ground(traded)) for name in ("none", "uniform", "muda")}
    assert all(isinstance(one, Outcome) for one in came.values())
    plain = BY_NAME["uniform"].run(Ground(scenario))
    assert isinstance(plain, Outcome)
    assert outcome(came, "uniform").bill_nano == plain.bill_nano


def test_dynamic_price_is_a_series_or_carbon_or_cannot_be() -> None:
    scenario = load_scenario("street", days=1)
    silent = replace(scenario, sources=Sources())
    bare = replace(silent, series=replace(scenario.series, carbon_g_per_kwh=None))
    by_series, by_carbon = (BY_NAME["dynamic"].run(Ground(one)) for one in (scenario, silent))
    assert isinstance(by_series, Outcome)
    assert isinstance(by_carbon, Outcome)
    assert by_series.bill_nano != by_carbon.bill_nano
    assert isinstance(BY_NAME["dynamic"].run(Ground(bare)), Unfit)


def test_bill_sharing_needs_one_tariff() -> None:
    scenario = load_scenario("street", days=1)
    flat = scenario.tariffs[0]
    name = TariffId("other")
    other = structs.replace(flat, tariff=name, energy=flat.energy + 10)
    homes = (replace(scenario.homes[0], tariff=name), *scenario.homes[1:])
    mixed = replace(scenario, tariffs=(flat, other), homes=homes)
    assert isinstance(BY_NAME["bill_sharing"].run(Ground(mixed)), Unfit)


def test_first_rule_is_always_taken_and_the_table_keeps_its_order() -> None:
    assert [rule.name for rule in chosen(["uniform", "mid_market"])] == [
        "none",
        "mid_market",
        "uniform",
    ]


def test_unknown_rules_are_all_told_with_what_is_near() -> None:
    with pytest.raises(ConfigError) as raised:
        chosen(["unifrom", "huang", "magic"])
    said = [str(fault) for fault in raised.value.faults]
    assert len(said) == 2
    assert "uniform" in said[0]
    assert "magic" in said[1]
