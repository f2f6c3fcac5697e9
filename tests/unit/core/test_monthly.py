"""Charges by the local month: tiers, capacity and a minimum, each with whom it goes to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.builders import (
    ISP_US,
    MIDNIGHT,
    a_party,
    a_product,
    a_tariff,
    a_town,
    pod_facts,
)
from tests.play import Play, lines, reason, statements, with_runs
from wattbay.core import commands as c
from wattbay.core.facts import (
    Deviations,
    EnergyTier,
    MonthlyCharges,
    Role,
    StatementCharge,
    TaxRate,
)
from wattbay.core.monthly import PRICE_MOST, TIERS_MAX, tiers_nano
from wattbay.core.reasons import Reason
from wattbay.ids import PartyId, PodId
from wattbay.periods import DAY, Instant

JUNE = c.IssueStatements(month="2013-06")
MDR, SUPPLIER = PartyId("mdr"), PartyId("supplier")
TIERS = (EnergyTier(from_wh=500, nano_per_wh=10_000), EnergyTier(from_wh=800, nano_per_wh=-5_000))


def a_street(monthly: MonthlyCharges | None, *, standing: int = 0, ppm: int = 0) -> Play:
    """Return two pods with two deliveries on 10 June, each with its supplier for deviations."""
    tariff = structs.replace(
        a_tariff(),
        standing_nano_per_day=standing,
        tax=(TaxRate(since=Instant(0), ppm=ppm),),
        monthly=monthly,
    )
    product = structs.replace(a_product(), deviations=Deviations.INDIVIDUAL)
    commands = [
        c.DefineTariff(tariff=tariff) if isinstance(command, c.DefineTariff) else command
        for command in a_town(2, product=product, deliveries=2)
    ]
    street = Play(with_runs(commands, initial=ISP_US, r1=2 * DAY, final=40 * DAY))
    street.do(c.RegisterParty(party=a_party(MDR, roles=(Role.METERED_DATA_RESPONSIBLE,))))
    return street


def use(street: Play, first_wh: int, second_wh: int, export_wh: int = 0) -> None:
    """Let h01 draw in two deliveries and h02 inject in the first, and settle both."""
    for i, drawn in enumerate((0, first_wh, first_wh + second_wh)):
        at = MIDNIGHT + i * ISP_US
        street.read("m-h01", at, drawn)
        street.read("m-h02", at, 0, export_wh if i else 0)
    street.until(MIDNIGHT + 5 * ISP_US)


def june(street: Play, account: str = "h01/p01") -> tuple[dict[str, int], list[StatementCharge]]:
    """Return the lines of a statement that are not zero, and its charges; postings balance."""
    told = statements(street.do(JUNE))[account]
    assert sum(street.exchange.state.ledger.money.values()) == 0
    assert street.balance(account) == -told.lines[-1].amount_nano
    return lines(told), list(told.charges)


# --- tiers -----------------------------------------------------------------------------------


def test_tiers_add_to_the_energy_component_of_what_is_above_their_bounds() -> None:
    street = a_street(MonthlyCharges(tiers=TIERS))
    use(street, 600, 300)
    told, charges = june(street)
    tiers = 300 * 10_000 - 100 * 5_000
    assert told["tiers"] == tiers
    assert told["supplier"] == 900 * 140_000
    assert charges == [StatementCharge(component="tiers", supplier=SUPPLIER, amount_nano=tiers)]
    assert street.balance("supplier:supplier") == 900 * 140_000 + tiers


def test_what_the_supplier_buys_counts_for_no_tier() -> None:
    street = a_street(MonthlyCharges(tiers=(EnergyTier(from_wh=0, nano_per_wh=7),)))
    use(street, 10, 0, 600)
    told = statements(street.do(JUNE))
    assert "tiers" not in lines(told["h02/p02"])
    assert lines(told["h01/p01"])["tiers"] == 70


def test_correction_within_the_month_counts_in_place_of_what_it_corrects() -> None:
    street = a_street(MonthlyCharges(tiers=TIERS, capacity_nano_per_w=1))
    use(street, 600, 300)
    street.do(
        c.SubstituteEnergy(
            responsible=MDR,
            pod=PodId("h01"),
            delivery=MIDNIGHT,
            import_wh=100,
            export_wh=0,
            reason="read by hand",
        )
    )
    street.settle(MIDNIGHT, "r1")
    told, _ = june(street)
    assert "tiers" not in told  # 400 of 500
    assert told["capacity"] == 600


@given(
    st.lists(
        st.tuples(st.integers(0, 10_000), st.integers(-99, 99)),
        max_size=6,
        unique_by=lambda t: t[0],
    ),
    st.integers(0, 20_000),
)
def test_tiers_are_the_sum_over_every_watt_hour(
    bounds: list[tuple[int, int]], bought_wh: int
) -> None:
    tiers = [EnergyTier(from_wh=start, nano_per_wh=price) for start, price in sorted(bounds)]
    slow = 0
    for tier, end in zip(tiers, [*(one.from_wh for one in tiers[1:]), 20_000], strict=False):
        slow += len(range(tier.from_wh, min(end, bought_wh))) * tier.nano_per_wh
    assert tiers_nano(tiers, bought_wh) == slow


# --- capacity --------------------------------------------------------------------------------


def test_capacity_is_the_highest_mean_import_of_a_delivery_and_goes_to_the_network() -> None:
    street = a_street(MonthlyCharges(capacity_nano_per_w=30_000))
    use(street, 600, 700)
    told, charges = june(street)
    assert told["capacity"] == 1_400 * 30_000  # 700 Wh in half an hour
    assert charges == [
        StatementCharge(component="capacity", supplier=None, amount_nano=1_400 * 30_000)
    ]
    assert street.balance("network") == 1_300 * 30_000 + 1_400 * 30_000


def test_pod_that_only_injects_has_no_peak() -> None:
    street = a_street(MonthlyCharges(capacity_nano_per_w=30_000))
    use(street, 0, 0, 500)
    told, charges = june(street, "h02/p02")
    assert "capacity" not in told
    assert charges[0].amount_nano == 0


# --- minimum ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("minimum", "added"), [(60_000_000, 6_000_000), (54_000_000, 0), (1, 0)])
def test_minimum_adds_what_the_charges_of_the_month_lack(minimum: int, added: int) -> None:
    street = a_street(MonthlyCharges(minimum_nano=minimum), standing=36_000_000)
    use(street, 100, 0)
    told, charges = june(street)
    # 100 Wh at 140,000 + 30,000 + 10,000, and the standing charge.
    assert told.get("minimum", 0) == added
    assert charges[-1] == StatementCharge(component="minimum", supplier=SUPPLIER, amount_nano=added)


def test_minimum_counts_tiers_and_capacity_and_is_taxed() -> None:
    monthly = MonthlyCharges(
        tiers=(EnergyTier(from_wh=0, nano_per_wh=10_000),),
        capacity_nano_per_w=1_000,
        minimum_nano=100_000_000,
    )
    street = a_street(monthly, ppm=50_000)
    use(street, 100, 0)
    told, charges = june(street)
    due = 100 * 180_000 + 100 * 10_000 + 200 * 1_000
    assert [one.amount_nano for one in charges] == [1_000_000, 200_000, 100_000_000 - due]
    assert told["tax"] == 5_000_000
    assert told["closing"] == 105_000_000


def test_two_suppliers_in_a_month_have_their_own_tiers() -> None:
    street = a_street(MonthlyCharges(tiers=(EnergyTier(from_wh=100, nano_per_wh=1_000),)))
    street.do(c.RegisterParty(party=a_party("other", roles=(Role.SUPPLIER,))))
    later = Instant(MIDNIGHT + 2 * ISP_US)
    street.do(c.ChangePod(facts=pod_facts("h01", party="p01", supplier="other", since=later)))
    street.do(c.ListDeliveries(product=a_product().product, day="2013-06-11", start=later, count=1))
    for i, register in enumerate((0, 150, 150, 400)):
        street.read("m-h01", MIDNIGHT + i * ISP_US, register)
        street.read("m-h02", MIDNIGHT + i * ISP_US, 0)
    street.until(MIDNIGHT + 12 * ISP_US)
    told, charges = june(street)
    assert [(one.supplier, one.amount_nano) for one in charges] == [
        ("supplier", 50_000),
        ("other", 150_000),
    ]
    assert told["tiers"] == 200_000


def test_tariff_without_monthly_charges_has_no_such_lines() -> None:
    street = a_street(None)
    use(street, 600, 0)
    told, charges = june(street)
    assert not {"tiers", "capacity", "minimum"} & told.keys()
    assert not charges


@pytest.mark.parametrize(
    "monthly",
    [
        MonthlyCharges(tiers=TIERS[::-1]),
        MonthlyCharges(tiers=(EnergyTier(from_wh=-1, nano_per_wh=1),)),
        MonthlyCharges(
            tiers=tuple(EnergyTier(from_wh=i, nano_per_wh=1) for i in range(TIERS_MAX + 1))
        ),
        MonthlyCharges(tiers=(EnergyTier(from_wh=0, nano_per_wh=PRICE_MOST + 1),)),
        MonthlyCharges(capacity_nano_per_w=-1),
        MonthlyCharges(minimum_nano=-1),
    ],
)
def test_charges_that_cannot_be_are_refused(monthly: MonthlyCharges) -> None:
    street = a_street(None)
    tariff = structs.replace(a_tariff("other"), monthly=monthly)
    assert reason(street.submit(c.DefineTariff(tariff=tariff))) is Reason.BAD_VALUE
