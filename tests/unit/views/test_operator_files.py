from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.builders import ISP_US, MIDNIGHT, a_kernel, a_reading, a_town, an_order
from wattbay.adapters.stores.history import memory_history
from wattbay.core import commands as c
from wattbay.core.facts import Side
from wattbay.kernel.kernel import Kernel
from wattbay.periods import DAY, WEEK, Instant, to_text
from wattbay.views import operator_files
from wattbay.views.history import History, Want
from wattbay.views.operator_files import Sheet

END = Instant(MIDNIGHT + 2 * ISP_US)


@pytest.fixture
def history() -> Iterator[History]:
    made = memory_history()
    yield made
    made.close()


def cells(sheet: Sheet, *names: str) -> list[tuple[object, ...]]:
    """Return some columns of a sheet."""
    places = [sheet.header.index(name) for name in names]
    return [tuple(row[place] for place in places) for row in sheet.rows]


def a_day(history: History) -> Kernel:
    """Return a town of two deliveries; the second pod, which sold, is silent in the latter."""
    kernel = a_kernel(*a_town(deliveries=2), readers=[history])
    kernel.submit_many([an_order("h01"), an_order("h02", side=Side.SELL, limit=80_000)])
    for seq in range(3):
        at = MIDNIGHT + seq * ISP_US
        kernel.advance(Instant(at))
        kernel.submit(a_reading("m-h01", seq=seq + 1, measured_at=at, import_register=300 * seq))
        if seq < 2:
            kernel.submit(
                a_reading("m-h02", seq=seq + 1, measured_at=at, export_register=200 * seq)
            )
    return kernel


def test_allocation_tells_each_pods_energy_by_zone_and_what_was_delivered(history: History) -> None:
    kernel = a_day(history)
    names = ("delivery_start", "zone", "pod", "import_wh", "export_wh", "delivered_in_wh")
    first = to_text(MIDNIGHT)
    before = cells(operator_files.allocation(history, MIDNIGHT, END), *names)
    assert before[:2] == [
        (first, "z1", "h01", 300, 0, None),
        (first, "z1", "h02", 0, 200, None),
    ]
    kernel.advance(Instant(MIDNIGHT + 2 * DAY))
    after = cells(operator_files.allocation(history, MIDNIGHT, END), *names)
    assert after[:2] == [(first, "z1", "h01", 300, 0, 200), (first, "z1", "h02", 0, 200, 0)]
    assert len(after) == 4
    assert cells(operator_files.allocation(history, END, Instant(END + DAY)), *names) == []


def test_missing_readings_are_told_before_and_after_they_are_estimated(history: History) -> None:
    kernel = a_day(history)
    second = to_text(Instant(MIDNIGHT + ISP_US))
    names = ("delivery_start", "pod", "meter", "quality", "import_wh")
    # The delivery is just over: nothing is known of it.
    missing = operator_files.missing_readings(history, MIDNIGHT, END)
    assert cells(missing, *names) == [(second, "h02", "m-h02", "missing", None)]
    kernel.advance(Instant(MIDNIGHT + 2 * DAY))
    missing = operator_files.missing_readings(history, MIDNIGHT, END)
    ((start, pod, meter, quality, energy_wh),) = cells(missing, *names)
    assert (start, pod, meter, quality) == (second, "h02", "m-h02", "estimated")
    assert isinstance(energy_wh, int)
    kernel.submit(a_reading("m-h02", seq=3, measured_at=END, export_register=400))
    assert cells(operator_files.missing_readings(history, MIDNIGHT, END), *names) == []


def test_what_is_not_over_is_not_missing(history: History) -> None:
    a_kernel(*a_town(), readers=[history])
    assert cells(operator_files.missing_readings(history, MIDNIGHT, END), "pod") == []


def test_imbalances_are_those_of_the_newest_run(history: History) -> None:
    kernel = a_day(history)
    kernel.advance(Instant(MIDNIGHT + 2 * DAY))
    kernel.submit(a_reading("m-h02", seq=3, measured_at=END, export_register=400))
    kernel.advance(Instant(MIDNIGHT + WEEK))
    told = cells(
        operator_files.imbalances(history, MIDNIGHT, END),
        "delivery_start",
        "brp",
        "run",
        "energy_wh",
    )
    second = to_text(Instant(MIDNIGHT + ISP_US))
    assert told == [
        (to_text(MIDNIGHT), "supplier", "initial", -100),
        (second, "supplier", "final", -100),
    ]


def test_ledger_is_every_posting_of_its_span_in_order(history: History) -> None:
    kernel = a_day(history)
    kernel.advance(Instant(MIDNIGHT + WEEK))
    sheet = operator_files.ledger(history, Instant(MIDNIGHT - WEEK), Instant(MIDNIGHT + 2 * WEEK))
    told = cells(sheet, "number", "asset", "debit", "credit", "amount", "at")
    assert [row[0] for row in told] == list(range(1, len(told) + 1))
    balances: dict[object, int] = {}
    for _, asset, debit, credit, amount, at in told:
        assert isinstance(amount, int)
        assert str(at).endswith("Z")
        if asset == "GBP":
            balances[debit] = balances.get(debit, 0) + amount
            balances[credit] = balances.get(credit, 0) - amount
    money = kernel.exchange.state.ledger.money
    assert {name: sum_ for name, sum_ in balances.items() if sum_} == {
        name: balance for name, balance in money.items() if balance
    }
    later = operator_files.ledger(history, Instant(MIDNIGHT + WEEK), Instant(MIDNIGHT + 2 * WEEK))
    assert list(later.rows) == []


def test_tax_summary_tells_charges_and_tax_of_each_statement(history: History) -> None:
    kernel = a_day(history)
    kernel.advance(Instant(MIDNIGHT + WEEK))
    kernel.submit(c.IssueStatements(month="2013-06"))
    sheet = operator_files.tax_summary(history, "2013-06")
    names = ("party", "pod", "charges_nano", "tax_nano", "gross_nano", "payable_minor")
    rows = cells(sheet, *names)
    assert [row[:2] for row in rows] == [("p01", "h01"), ("p02", "h02")]
    for _, pod, charges, tax, gross, payable in rows:
        lines = {
            str(row["component"]): row["amount_nano"]
            for row in history.all(Want("statements", {"pod": str(pod)}))
        }
        assert (charges, tax) == (lines["closing"], lines["tax"])
        assert gross == charges
        assert isinstance(gross, int)
        assert payable == round(gross / 10_000_000)
    taxable = cells(operator_files.tax_summary(history, "2013-06"), "receipts_taxable_nano")
    receipts = history.all(Want("receipts", {"newest": True, "pod": "h01"}))
    assert taxable[0] == (sum(int(row["taxable_nano"] or 0) for row in receipts),)
    assert list(operator_files.tax_summary(history, "2013-07").rows) == []
