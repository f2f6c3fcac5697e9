"""Called response: who may call, the baseline, what is paid, and where it stands."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import ISP_US, MIDNIGHT, a_party, a_tariff, a_town, list_deliveries, pod_facts
from tests.play import Play, lines, of, reason, statements, with_runs
from wattbay.core import commands as c
from wattbay.core import response
from wattbay.core.events import ResponseCalled, ResponseSettled
from wattbay.core.facts import ResponseCall, Role
from wattbay.core.ledger import postings
from wattbay.core.reasons import Reason
from wattbay.ids import PartyId, PodId, TariffId
from wattbay.periods import DAY, WEEK, Instant

H01, H02 = PodId("h01"), PodId("h02")
SUPPLIER, DSO, MDR = PartyId("supplier"), PartyId("dso"), PartyId("mdr")
TOMORROW = Instant(MIDNIGHT + DAY)
CALL = ResponseCall(
    caller=SUPPLIER,
    start=TOMORROW,
    count=1,
    baseline=(MIDNIGHT,),
    rebate=200_000,
    penalty=50_000,
    pods=(H01,),
)
FINAL = 6 * ISP_US


def a_street() -> Play:
    """Return two pods with two deliveries on each of two days, final after three hours."""
    street = Play(with_runs(a_town(2, deliveries=2), initial=ISP_US, final=FINAL))
    street.do(list_deliveries(day="2013-06-11", start=TOMORROW, count=2))
    street.do(c.RegisterParty(party=a_party(DSO, roles=(Role.GRID_OPERATOR,))))
    street.do(c.RegisterParty(party=a_party(MDR, roles=(Role.METERED_DATA_RESPONSIBLE,))))
    return street


def use(street: Play, *drawn: tuple[int, int], pod: str = "h01", start: int = MIDNIGHT) -> None:
    """Let a pod draw on days, in the first and the second delivery of each."""
    register = 0
    for day, (first, second) in enumerate(drawn):
        for i, more in enumerate((0, first, second)):
            register += more
            street.read(f"m-{pod}", start + day * DAY + i * ISP_US, register)


def called(street: Play, **changes: object) -> list[Reason | None]:
    """Return why a call was refused, if it was."""
    return [reason(street.submit(c.CallResponse(call=structs.replace(CALL, **changes))))]


def settled(street: Play) -> list[ResponseSettled]:
    street.until(TOMORROW + 2 * ISP_US + FINAL)
    assert sum(street.exchange.state.ledger.money.values()) == 0
    return of(ResponseSettled, street.history)


# --- calling ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"caller": PartyId("p01")}, Reason.NOT_ALLOWED),
        ({"pods": ()}, Reason.BAD_VALUE),
        ({"tariff": TariffId("flat")}, Reason.BAD_VALUE),
        ({"tariff": TariffId("none"), "pods": ()}, Reason.UNKNOWN_TARIFF),
        ({"pods": (PodId("h09"),)}, Reason.UNKNOWN_POD),
        ({"pods": (H01, H01)}, Reason.UNKNOWN_POD),
        ({"start": TOMORROW + 1}, Reason.BAD_VALUE),
        ({"count": 0}, Reason.BAD_VALUE),
        ({"start": MIDNIGHT - DAY}, Reason.NOT_IN_SEQUENCE),
        ({"baseline": ()}, Reason.BAD_VALUE),
        ({"baseline": (MIDNIGHT, MIDNIGHT)}, Reason.BAD_VALUE),
        ({"baseline": (MIDNIGHT + 1,)}, Reason.BAD_VALUE),
        ({"baseline": (TOMORROW,)}, Reason.BAD_VALUE),
        ({"baseline": (Instant(TOMORROW - WEEK - ISP_US),)}, Reason.BAD_VALUE),
        ({"rebate": -1}, Reason.OUT_OF_RANGE),
        ({"penalty": 10**9 + 1}, Reason.OUT_OF_RANGE),
    ],
)
def test_call_that_cannot_be_is_refused(changes: dict[str, object], why: Reason) -> None:
    assert called(a_street(), **changes) == [why]


def test_pod_is_called_once_at_a_time_and_a_day_with_a_call_is_no_baseline() -> None:
    street = a_street()
    assert called(street) == [None]
    assert called(street) == [Reason.ALREADY_KNOWN]
    assert called(street, tariff=TariffId("flat"), pods=()) == [Reason.ALREADY_KNOWN]
    assert called(street, pods=(H02,)) == [None]
    later = Instant(TOMORROW + DAY)
    assert called(street, start=later, baseline=(TOMORROW,)) == [Reason.BAD_VALUE]
    assert called(street, start=later) == [None]
    assert called(street, start=Instant(TOMORROW + ISP_US), tariff=None) == [None]
    assert len(of(ResponseCalled, street.history)) == 4


def test_calls_are_bounded_and_old_ones_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response, "CALLS_MAX", 1)
    street = a_street()
    assert called(street) == [None]
    soon = Instant(TOMORROW + WEEK)
    assert called(street, start=soon, baseline=(soon - DAY,)) == [Reason.TOO_MANY]
    street.do(list_deliveries(day="2013-06-25", start=TOMORROW + 2 * WEEK, count=1))
    street.until(TOMORROW + 2 * WEEK + ISP_US + FINAL)
    later = Instant(TOMORROW + 3 * WEEK)
    assert called(street, start=later, baseline=(Instant(later - DAY),)) == [None]
    assert [one.start for one in street.exchange.state.responses.calls] == [later]


def test_call_for_a_far_day_does_not_forget_one_that_is_still_to_come() -> None:
    street = a_street()
    called(street)
    later = Instant(TOMORROW + 9 * WEEK)
    assert called(street, start=later, baseline=(Instant(later - DAY),)) == [None]
    use(street, (500, 0), (300, 0))
    assert [one.amount_nano for one in settled(street)] == [-40_000_000]


def test_supplier_calls_the_pods_that_it_supplies_and_no_others() -> None:
    street = a_street()
    rival = PartyId("rival")
    street.do(c.RegisterParty(party=a_party(rival, roles=(Role.SUPPLIER,))))
    assert called(street, caller=rival) == [Reason.NOT_ALLOWED]
    assert called(street, caller=rival, pods=(), tariff=TariffId("flat")) == [None]
    use(street, (500, 0), (900, 0))
    assert settled(street) == []
    assert street.balance("supplier:rival") == 0


def test_day_that_was_called_after_all_does_not_count_in_a_baseline() -> None:
    street = a_street()
    third = Instant(TOMORROW + DAY)
    street.do(list_deliveries(day="2013-06-12", start=third, count=2))
    called(street, start=third, baseline=(MIDNIGHT, TOMORROW))
    called(street, pods=(), tariff=TariffId("flat"))
    use(street, (500, 0), (100, 0), (400, 0))
    street.until(third + 2 * ISP_US + FINAL)
    found = {one.delivery: one for one in of(ResponseSettled, street.history)}
    assert found[third].baseline_wh == 500


# --- settling --------------------------------------------------------------------------------


@pytest.mark.parametrize(("drawn", "amount"), [(300, -40_000_000), (700, 10_000_000), (500, 0)])
def test_less_than_the_baseline_earns_the_rebate_and_more_costs_the_penalty(
    drawn: int, amount: int
) -> None:
    street = a_street()
    called(street)
    use(street, (500, 0), (drawn, 900))
    (told,) = settled(street)
    assert (told.delivery, told.baseline_wh, told.import_wh) == (TOMORROW, 500, drawn)
    assert (told.amount_nano, told.supplier) == (amount, SUPPLIER)
    plain = a_street()
    use(plain, (500, 0), (drawn, 900))
    settled(plain)
    assert plain.balance("h01/p01") - street.balance("h01/p01") == amount


def test_baseline_is_the_mean_of_the_days_on_which_the_energy_is_known() -> None:
    street = a_street()
    third = Instant(TOMORROW + DAY)
    street.do(list_deliveries(day="2013-06-12", start=third, count=2))
    days = (MIDNIGHT, TOMORROW, Instant(MIDNIGHT - DAY))
    called(street, start=third, baseline=days, count=2)
    use(street, (500, 10), (401, 20), (100, 100))
    street.until(third + 2 * ISP_US + FINAL)
    told = of(ResponseSettled, street.history)
    assert [one.baseline_wh for one in told] == [450, 15]  # 450.5, to even


def test_pods_of_a_tariff_are_called_and_the_grid_operator_pays() -> None:
    street = a_street()
    called(street, tariff=TariffId("flat"), pods=(), caller=DSO)
    for i in range(3):
        at = MIDNIGHT + i * ISP_US
        street.read("m-h01", at, 100 * min(i, 1))
        street.read("m-h02", at, 300 * min(i, 1))
    for i in range(3):
        at = TOMORROW + i * ISP_US
        street.read("m-h01", at, 100)
        street.read("m-h02", at, 300 + 200 * min(i, 1))
    found = settled(street)
    assert [(one.pod, one.amount_nano, one.supplier) for one in found] == [
        ("h01", -20_000_000, None),
        ("h02", -20_000_000, None),
    ]


@pytest.mark.parametrize("missing", [0, 1])
def test_estimate_neither_earns_nor_costs(missing: int) -> None:
    street = a_street()
    called(street)
    day = MIDNIGHT + (1 - missing) * DAY
    for i in range(3):
        street.read("m-h01", day + i * ISP_US, 100 * i)
    assert not settled(street)


def test_response_is_a_line_of_the_statement_without_tax() -> None:
    street = a_street()
    called(street)
    use(street, (500, 0), (300, 0))
    settled(street)
    told = statements(street.do(c.IssueStatements(month="2013-06")))
    assert lines(told["h01/p01"])["response"] == -40_000_000
    assert "response" not in lines(told["h02/p02"])
    closing = told["h01/p01"].lines[-1].amount_nano
    assert street.balance("h01/p01") == -closing


def test_response_that_is_settled_after_its_statement_stands_on_the_next() -> None:
    street = a_street()
    called(street)
    use(street, (500, 0), (300, 0))
    street.until(TOMORROW + 4 * ISP_US)
    june = statements(street.do(c.IssueStatements(month="2013-06")))["h01/p01"]
    assert "response" not in lines(june)
    first = Instant(MIDNIGHT + 21 * DAY)
    street.do(list_deliveries(day="2013-07-01", start=first, count=1))
    street.until(first + ISP_US + FINAL)
    july = statements(street.do(c.IssueStatements(month="2013-07")))["h01/p01"]
    assert lines(july)["corrections"] == -40_000_000
    assert street.balance("h01/p01") == -july.lines[-1].amount_nano


def test_calls_of_two_tariffs_meet_no_pod_in_common() -> None:
    street = a_street()
    street.do(c.DefineTariff(tariff=a_tariff("green")))
    green = pod_facts("h02", party="p02", tariff="green", since=TOMORROW + 2 * ISP_US)
    street.do(c.ChangePod(facts=green))
    assert called(street, tariff=TariffId("green"), pods=()) == [None]
    assert called(street, tariff=TariffId("flat"), pods=()) == [None]
    use(street, (500, 0), (300, 0))
    assert [one.pod for one in settled(street)] == ["h01"]


def test_postings_of_a_response_are_what_it_moves() -> None:
    street = a_street()
    called(street)
    use(street, (500, 0), (300, 0))
    (told,) = settled(street)
    moved = postings(street.exchange.state.registry, told)
    assert moved == [("GBP", TOMORROW, "h01/p01", "supplier:supplier", 40_000_000, "response")]
    nothing = structs.replace(told, amount_nano=0)
    assert postings(street.exchange.state.registry, nothing) == []
