"""Receipts, standing charges and tax of a month, rounded once, the remainder carried."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import (
    ISP_US,
    MIDNIGHT,
    a_deposit,
    a_meter,
    a_party,
    a_tariff,
    a_town,
    an_order,
    list_deliveries,
    pod_facts,
)
from tests.play import Play, lines, of, reason, receipts, statements, with_runs
from wattbay.core import commands as c
from wattbay.core.events import DeliveryFinal, ReceiptIssued
from wattbay.core.facts import Role, Side, TaxRate
from wattbay.core.reasons import Reason
from wattbay.core.settlement import archive
from wattbay.ids import PartyId, PodId, ProductId
from wattbay.periods import DAY, Instant, instant

PENNY = 10_000_000
STANDING = 160_000_000
FIRST_OF_JULY = instant("2013-07-01T00:00Z")
MDR = PartyId("mdr")
H01 = PodId("h01")
JUNE, JULY = c.IssueStatements(month="2013-06"), c.IssueStatements(month="2013-07")


def a_street(
    *, standing: int = STANDING, tax: tuple[TaxRate, ...] = (TaxRate(since=Instant(0), ppm=50_000),)
) -> Play:
    """Return two pods with two deliveries on 10 June, settled at once and again after 40 days."""
    tariff = structs.replace(a_tariff(), standing_nano_per_day=standing, tax=tax)
    commands = [
        c.DefineTariff(tariff=tariff) if isinstance(command, c.DefineTariff) else command
        for command in a_town(2, deliveries=2)
    ]
    street = Play(with_runs(commands, initial=ISP_US, r1=40 * DAY, final=41 * DAY))
    street.do(c.RegisterParty(party=a_party(MDR, roles=(Role.METERED_DATA_RESPONSIBLE,))))
    return street


def use(street: Play, import_wh: int, export_wh: int = 0, *, start: int = MIDNIGHT) -> None:
    """Let h01 draw and h02 inject in the first delivery of a day, and let the day be settled."""
    drawn, injected = _registers(street)
    for at, more in ((start, 0), (start + ISP_US, 1), (start + 2 * ISP_US, 1)):
        street.read("m-h01", at, drawn + more * import_wh, at=max(street.at, at))
        street.read("m-h02", at, 0, injected + more * export_wh, at=max(street.at, at))
    street.until(start + 5 * ISP_US)


def _registers(street: Play) -> tuple[int, int]:
    pods = street.exchange.state.metering.pods
    return pods[H01].totals[-1].import_wh, pods[PodId("h02")].totals[-1].export_wh


def july(street: Play) -> None:
    """List 1 July, in time."""
    later = list_deliveries(day="2013-07-01", start=FIRST_OF_JULY, count=2)
    street.do(later, FIRST_OF_JULY - DAY)


def substitution(import_wh: int) -> c.SubstituteEnergy:
    return c.SubstituteEnergy(
        responsible=MDR,
        pod=H01,
        delivery=MIDNIGHT,
        import_wh=import_wh,
        export_wh=0,
        reason="read by hand",
    )


# --- one month -------------------------------------------------------------------------------


def test_a_statement_lists_receipts_standing_charge_and_tax_and_rounds_once() -> None:
    street = a_street()
    use(street, 300)
    told = statements(street.do(JUNE))["h01/p01"]
    assert lines(told) == {
        "supplier": 300 * 140_000,
        "network": 300 * 30_000,
        "levy": 300 * 10_000,
        "standing": STANDING,
        "tax": 10_700_000,  # 5 % of 214,000,000
        "closing": 224_700_000,
    }
    assert (told.payable_minor, told.carried_nano) == (22, 4_700_000)
    assert street.balance("h01/p01") == -224_700_000
    assert street.balance("tax") == 10_700_000 + 8_000_000  # that of h02 as well
    assert street.balance("supplier:supplier") == 42_000_000 + 2 * STANDING


def test_every_line_is_listed_even_where_it_is_zero() -> None:
    street = a_street(standing=0)
    use(street, 0)
    told = statements(street.do(JUNE))["h01/p01"]
    assert [line.component for line in told.lines] == [
        "opening",
        "trades",
        "pool",
        "supplier",
        "network",
        "levy",
        "service",
        "corrections",
        "standing",
        "tax",
        "payments",
        "closing",
    ]
    assert told.payable_minor == told.carried_nano == 0


def test_who_is_owed_gets_a_credit_note() -> None:
    street = a_street(standing=0)
    use(street, 0, 1_100)
    told = statements(street.do(JUNE))["h02/p02"]
    assert lines(told) == {"supplier": -44_000_000, "closing": -44_000_000}
    # Its sales bear no tax. 4.4 pence are paid out as 4; 0.4 stay on the account.
    assert (told.payable_minor, told.carried_nano) == (-4, -4_000_000)


def test_trades_and_pool_stand_apart() -> None:
    street = a_street(standing=0)
    street.do(an_order("h01"))
    street.do(an_order("h02", side=Side.SELL, limit=100_000))
    use(street, 300, 300)
    told = statements(street.do(JUNE))
    assert lines(told["h02/p02"]) == {
        "trades": -250 * 110_000,
        "pool": -50 * 90_000,
        "closing": -32_000_000,
    }
    assert lines(told["h01/p01"])["pool"] == 50 * 90_000


def test_a_correction_of_trades_and_pool_within_its_month_takes_the_old_ones_back() -> None:
    street = a_street(standing=0, tax=())
    street.do(an_order("h01"))
    street.do(an_order("h02", side=Side.SELL, limit=100_000))
    use(street, 300, 300)
    street.do(substitution(250))
    street.settle(MIDNIGHT, "r1")
    told = lines(statements(street.do(JUNE))["h02/p02"])
    assert told == {
        "trades": -250 * 110_000,
        "supplier": -50 * 40_000,
        "closing": -29_500_000,
    }


@pytest.mark.parametrize(("standing", "tax"), [(10, 0), (30, 2), (50, 2), (70, 4)])
def test_tax_is_rounded_half_to_even(standing: int, tax: int) -> None:
    street = a_street(standing=standing)
    use(street, 0)
    assert lines(statements(street.do(JUNE))["h01/p01"]).get("tax", 0) == tax


@pytest.mark.parametrize(
    ("standing", "payable", "carried"),
    [(5_000_000, 0, 5_000_000), (15_000_000, 2, -5_000_000), (25_000_000, 2, 5_000_000)],
)
def test_what_is_payable_is_rounded_half_to_even_and_the_remainder_carried(
    standing: int, payable: int, carried: int
) -> None:
    street = a_street(standing=standing, tax=())
    use(street, 0)
    told = statements(street.do(JUNE))["h01/p01"]
    assert (told.payable_minor, told.carried_nano) == (payable, carried)


def test_tax_is_rounded_once_for_each_of_its_rates() -> None:
    steps = (
        TaxRate(since=Instant(0), ppm=50_000),
        TaxRate(since=Instant(MIDNIGHT + DAY), ppm=200_000),
    )
    street = a_street(standing=30, tax=steps)
    street.do(list_deliveries(day="2013-06-11", start=MIDNIGHT + DAY, count=2))
    use(street, 0)
    use(street, 7, start=MIDNIGHT + DAY)
    told = lines(statements(street.do(JUNE))["h01/p01"])
    # 1.5 of 30, to even 2; 20 % of 30 + 7 x 180,000.
    assert told["tax"] == 2 + 252_006


@pytest.mark.parametrize("count", [46, 50])
def test_a_day_of_a_clock_change_has_one_standing_charge(count: int) -> None:
    street = Play(with_runs(a_town(1, deliveries=1), initial=ISP_US, final=DAY))
    tariff = structs.replace(a_tariff("long"), standing_nano_per_day=STANDING)
    street.do(c.DefineTariff(tariff=tariff))
    facts = pod_facts("h09", party="p01", tariff="long", since=MIDNIGHT + DAY)
    street.do(c.RegisterPod(facts=facts, meter=a_meter("m-h09")))
    street.do(list_deliveries(day="2013-06-11", start=MIDNIGHT + DAY, count=count))
    street.until(MIDNIGHT + 4 * DAY)
    told = lines(statements(street.do(JUNE))["h09/p01"])
    assert told["standing"] == STANDING
    # The yearly energy is spread over the periods that the day has.
    assert told["levy"] == 10_000 * count * (3_000_000 // (365 * count))


# --- month after month -----------------------------------------------------------------------


def test_a_statement_opens_with_the_closing_of_the_one_before_and_carries_the_remainder() -> None:
    street = a_street()
    use(street, 300)
    june = statements(street.do(JUNE))["h01/p01"]
    street.do(a_deposit(party="p01", amount_nano=june.payable_minor * PENNY))
    july(street)
    use(street, 0, start=FIRST_OF_JULY)
    told = lines(statements(street.do(JULY))["h01/p01"])
    assert told["opening"] == 224_700_000
    assert told["payments"] == -220_000_000
    assert told["opening"] + told["payments"] == june.carried_nano
    assert told["closing"] == june.carried_nano + STANDING + STANDING // 20
    assert street.balance("h01/p01") == -told["closing"]


def test_a_correction_of_a_stated_month_stands_on_the_next_statement_with_its_tax() -> None:
    street = a_street()
    use(street, 300)
    street.do(JUNE)
    july(street)
    street.do(substitution(340))
    use(street, 0, start=FIRST_OF_JULY)
    assert receipts(street.settle(MIDNIGHT, "r1"))["h01"].version == 2
    told = lines(statements(street.do(JULY))["h01/p01"])
    assert told["corrections"] == 40 * 180_000
    assert told["tax"] == (STANDING + 40 * 180_000) // 20
    assert told["closing"] == 224_700_000 + 40 * 180_000 + STANDING + told["tax"]
    assert street.balance("h01/p01") == -told["closing"]


def test_a_correction_within_its_own_month_is_no_correction_on_the_statement() -> None:
    street = a_street()
    use(street, 300)
    street.do(substitution(340))
    street.settle(MIDNIGHT, "r1")
    told = lines(statements(street.do(JUNE))["h01/p01"])
    assert told == {
        "supplier": 340 * 140_000,
        "network": 340 * 30_000,
        "levy": 340 * 10_000,
        "standing": STANDING,
        "tax": (340 * 180_000 + STANDING) // 20,
        "closing": (340 * 180_000 + STANDING) * 21 // 20,
    }


def test_a_correction_after_the_final_run_stands_on_the_next_statement() -> None:
    street = a_street()
    use(street, 300)
    street.do(JUNE)
    july(street)
    use(street, 0, start=FIRST_OF_JULY)
    street.do(JULY)
    street.until(FIRST_OF_JULY + 60 * DAY)
    told = of(ReceiptIssued, street.history)
    last = {one.receipt.pod: one.receipt for one in told if one.receipt.delivery == MIDNIGHT}
    record = archive(MIDNIGHT, [ProductId("halfhour")], last.values(), [])
    corrected = c.CorrectDelivery(
        responsible=MDR, record=record, pod=H01, import_wh=290, export_wh=0, reason="slow meter"
    )
    assert of(DeliveryFinal, street.do(corrected))
    september = instant("2013-09-01T00:00Z")
    street.do(list_deliveries(day="2013-09-01", start=september, count=1), september - DAY)
    street.until(september + DAY)
    stated = lines(statements(street.do(c.IssueStatements(month="2013-09")))["h01/p01"])
    assert stated["corrections"] == -10 * 180_000


# --- tenants ---------------------------------------------------------------------------------


def a_change_of_tenant() -> Play:
    """Return a street in which p09 moves in at h01 on 11 June."""
    street = a_street()
    street.do(c.RegisterParty(party=a_party("p09")))
    street.do(c.ChangePod(facts=pod_facts(party="p09", since=MIDNIGHT + DAY)))
    street.do(list_deliveries(day="2013-06-11", start=MIDNIGHT + DAY, count=2))
    return street


def test_two_tenants_of_one_month_have_two_statements() -> None:
    street = a_change_of_tenant()
    use(street, 300)
    use(street, 100, start=MIDNIGHT + DAY)
    told = statements(street.do(JUNE))
    assert list(told) == ["h01/p01", "h01/p09", "h02/p02"]
    assert lines(told["h01/p01"])["levy"] == 300 * 10_000
    assert lines(told["h01/p09"])["levy"] == 100 * 10_000
    assert lines(told["h01/p01"])["standing"] == lines(told["h01/p09"])["standing"] == STANDING
    assert lines(told["h02/p02"])["standing"] == 2 * STANDING


def test_a_standing_charge_goes_to_whoever_supplied_the_pod_on_that_day() -> None:
    street = a_street()
    street.do(c.RegisterParty(party=a_party("rival")))
    facts = pod_facts(party="p01", since=MIDNIGHT + DAY)
    change = structs.replace(facts, supplier=PartyId("rival"))
    street.do(c.ChangePod(facts=change))
    street.do(list_deliveries(day="2013-06-11", start=MIDNIGHT + DAY, count=2))
    use(street, 300)
    use(street, 100, start=MIDNIGHT + DAY)
    told = statements(street.do(JUNE))["h01/p01"]
    assert lines(told)["standing"] == 2 * STANDING
    assert [(one.supplier, one.amount_nano) for one in told.standing] == [
        ("rival", STANDING),
        ("supplier", STANDING),
    ]


def test_who_has_left_is_told_of_later_corrections_and_payments() -> None:
    street = a_change_of_tenant()
    use(street, 300)
    use(street, 100, start=MIDNIGHT + DAY)
    stated = statements(street.do(JUNE))
    opening = lines(stated["h01/p01"])["closing"]
    july(street)
    street.do(substitution(310))
    use(street, 0, start=FIRST_OF_JULY)
    street.settle(MIDNIGHT, "r1")
    street.do(a_deposit(party="p01", amount_nano=9))
    told = statements(street.do(JULY))
    # Who left pays no standing charge; who came is not told of what was before.
    assert lines(told["h01/p01"]) == {
        "opening": opening,
        "corrections": 1_800_000,
        "tax": 90_000,
        "payments": -9,
        "closing": opening + 1_890_000 - 9,
    }
    assert "corrections" not in lines(told["h01/p09"])


def test_who_has_left_and_owes_nothing_new_gets_no_statement() -> None:
    street = a_change_of_tenant()
    use(street, 300)
    use(street, 100, start=MIDNIGHT + DAY)
    street.do(JUNE)
    july(street)
    use(street, 0, start=FIRST_OF_JULY)
    assert list(statements(street.do(JULY))) == ["h01/p09", "h02/p02"]


# --- refusals --------------------------------------------------------------------------------


def test_months_are_stated_in_order_and_once() -> None:
    street = a_street()
    use(street, 300)
    july(street)
    use(street, 0, start=FIRST_OF_JULY)
    assert reason(street.submit(JULY)) is Reason.NOT_IN_SEQUENCE
    street.do(JUNE)
    assert reason(street.submit(JUNE)) is Reason.BAD_VALUE
    street.do(JULY)
    assert reason(street.submit(c.IssueStatements(month="2013-08"))) is Reason.BAD_VALUE


def test_a_month_waits_for_the_first_run_of_each_of_its_deliveries() -> None:
    street = a_street()
    street.until(MIDNIGHT + 2 * ISP_US)
    assert reason(street.submit(JUNE)) is Reason.NOT_DUE
    street.do(JUNE, MIDNIGHT + 3 * ISP_US)


def test_after_its_statements_a_month_has_no_more_deliveries() -> None:
    street = a_street()
    use(street, 300)
    street.do(JUNE)
    more = list_deliveries(day="2013-06-12", start=MIDNIGHT + 2 * DAY, count=2)
    assert reason(street.submit(more)) is Reason.BAD_VALUE


def test_a_month_in_which_nobody_had_a_pod_has_no_statements_and_blocks_no_other() -> None:
    commands = [one for one in a_town(1, deliveries=2) if not isinstance(one, c.RegisterPod)]
    street = Play(with_runs(commands, initial=ISP_US, final=DAY))
    street.until(MIDNIGHT + DAY)
    assert reason(street.submit(JUNE)) is Reason.BAD_VALUE
    late = pod_facts("h01", party="p01", since=FIRST_OF_JULY)
    street.do(c.RegisterPod(facts=late, meter=a_meter()))
    july(street)
    street.until(FIRST_OF_JULY + DAY)
    assert list(statements(street.do(JULY))) == ["h01/p01"]
    assert reason(street.submit(JUNE)) is Reason.BAD_VALUE


def test_who_left_and_pays_gets_a_statement_without_receipts() -> None:
    street = a_street()
    use(street, 300)
    street.do(JUNE)
    street.do(c.RegisterParty(party=a_party("a09")))
    street.do(c.ChangePod(facts=pod_facts("h02", party="a09", since=FIRST_OF_JULY)))
    july(street)
    use(street, 0, start=FIRST_OF_JULY)
    street.do(a_deposit("h02", party="p02", amount_nano=9))
    told = statements(street.do(JULY))
    assert list(told) == ["h01/p01", "h02/a09", "h02/p02"]
    assert lines(told["h02/p02"])["payments"] == -9
