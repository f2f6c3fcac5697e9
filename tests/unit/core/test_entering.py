"""Batches of orders: what is refused, where they end, and what readers see of them."""

from __future__ import annotations

import pytest

from tests.batches import Step, a_batch
from tests.builders import MIDNIGHT
from tests.continuous import DSO, a_street, buy, check_books, enter, fills, resting, sell
from tests.play import Play, of, reason
from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.batches import AMEND, CANCEL, NEW, NEW_IOC, OrdersEntered
from wattbay.core.entered import told
from wattbay.core.reasons import Reason
from wattbay.core.terms import Kind, OrderTerms
from wattbay.ids import OrderId, PartyId, TariffId, TradeId
from wattbay.kernel.requests import request_of
from wattbay.periods import HOUR
from wattbay.views.tables import Tables

BUY, SELL = 1, -1
SEQUENCE = (
    Step(NEW, 0, 0, BUY, 120_000, 250),
    Step(NEW, 1, 0, SELL, 110_000, 100),
    Step(NEW, 2, 0, SELL, 110_005, 100),
    Step(NEW_IOC, 2, 0, SELL, 120_000, 400),
    Step(NEW, 3, 0, SELL, 130_000, 90),
    Step(AMEND, 3, 4, 0, 130_000, 60),
    Step(CANCEL, 0, 77, 0, 0, 0),
    Step(NEW, 1, 0, BUY, 125_000, 50),
    Step(CANCEL, 1, 2, 0, 0, 0),
)


def entered(street: Play, *steps: Step) -> OrdersEntered:
    """Enter a batch that is taken; return what came of it."""
    (found,) = street.do(a_batch(steps))
    assert isinstance(found, OrdersEntered)
    return found


def test_batch_trades_as_its_steps_would_and_says_which_were_refused() -> None:
    street = a_street()

    batch = entered(street, *SEQUENCE)

    assert fills(told([batch])) == [(1, 2, 100, 120_000), (1, 3, 150, 120_000)]
    assert [(one.step, one.reason) for one in batch.refused] == [
        (2, Reason.OFF_TICK),
        (6, Reason.UNKNOWN_ORDER),
        (8, Reason.UNKNOWN_ORDER),
    ]
    assert resting(street) == [("buy", 5, 50), ("sell", 4, 60)]
    check_books(street)


def test_single_commands_find_orders_and_trades_that_came_by_a_batch() -> None:
    street = a_street()
    entered(street, *SEQUENCE)

    street.do(Step(AMEND, 3, 4, 0, 130_000, 40).command())
    enter(street, buy("h01", 10, 140_000))
    street.do(Step(CANCEL, 1, 5, 0, 0, 0).command())

    assert resting(street) == [("sell", 4, 30)]
    check_books(street)
    street.until(MIDNIGHT + 200 * HOUR)
    assert street.exchange.state.ledger.held == {}


def test_batch_ends_where_a_stop_is_reached_so_that_it_acts_before_the_next_step() -> None:
    street = a_street()
    stop = OrderTerms(kind=Kind.STOP_LIMIT, stop=120_000)
    enter(street, buy("h01", 70, 130_000, stop), sell("h02", 100, 120_000))

    batch = entered(street, Step(NEW, 2, 0, BUY, 120_000, 10), Step(NEW, 3, 0, BUY, 120_000, 90))
    released = street.until(street.at)

    assert batch.steps == 1
    assert fills(released) == [(1, 2, 70, 120_000)]
    assert street.exchange.due() is not None


def test_batch_knows_no_order_of_another_delivery() -> None:
    street = a_street()
    enter(street, buy("h01", 70, 130_000))

    (found,) = street.do(a_batch([Step(CANCEL, 0, 1, 0, 0, 0)], delivery=MIDNIGHT + HOUR))

    assert isinstance(found, OrdersEntered)
    assert [one.reason for one in found.refused] == [Reason.UNKNOWN_ORDER]
    assert OrderId(1) in street.exchange.state.market.places


@pytest.mark.parametrize(
    ("rows", "pods"),
    [
        pytest.param([], ("h01",), id="no steps"),
        pytest.param([(NEW, 0, 0, 1, 120_000)], ("h01",), id="a row that is too short"),
        pytest.param([(5, 0, 0, 1, 120_000, 10)], ("h01",), id="an unknown kind"),
        pytest.param([(NEW, 1, 0, 1, 120_000, 10)], ("h01",), id="a pod that is not there"),
        pytest.param([(NEW, -1, 0, 1, 120_000, 10)], ("h01",), id="a pod before the first"),
        pytest.param([(NEW, 0, 0, 0, 120_000, 10)], ("h01",), id="no side"),
        pytest.param([(NEW, 0, 0, 1, 120_000, 10)], ("h01", "h01"), id="a pod named twice"),
        pytest.param([(CANCEL, 0, 1, 0, 0, 0)] * 4_097, ("h01",), id="too many steps"),
    ],
)
def test_batch_of_bad_form_is_refused_whole(rows: list[Step], pods: tuple[str, ...]) -> None:
    street = a_street()

    assert reason(street.submit(a_batch(rows, pods=pods))) is Reason.BAD_VALUE


def test_batch_after_gate_closure_is_refused_whole() -> None:
    street = a_street()
    street.until(MIDNIGHT)

    assert reason(street.submit(a_batch(SEQUENCE))) is Reason.GATE_CLOSED


def test_tables_show_the_steps_of_a_batch_as_if_they_had_come_alone() -> None:
    one, whole = a_street(), a_street()
    for step in SEQUENCE:
        one.submit(step.command())
    entered(whole, *SEQUENCE)

    found = []
    for street in (one, whole):
        street.until(MIDNIGHT + 200 * HOUR)
        tables = Tables()
        for entry in street.entries:
            tables.fold(entry)
        tables.finish()
        rows = tables.take()
        found.append({name: [row[1:] for row in rows[name]] for name in ("orders", "postings")})
        assert len(rows["trades"]) == 2
        assert of(e.Traded, told(street.history))

    assert found[0] == found[1]


def test_request_of_a_batch_is_known_by_its_first_pod() -> None:
    batch = a_batch(SEQUENCE, request="r1")
    assert request_of(batch) == ("h01", "r1")
    assert request_of(a_batch([], pods=(), request="r1")) is None
    assert request_of(a_batch(SEQUENCE)) is None


def test_trade_of_a_batch_that_puts_nothing_at_risk_can_be_undone() -> None:
    street = a_street()
    prices = c.PublishPrices(
        publisher=PartyId("supplier"), tariff=TariffId("flat"), start=MIDNIGHT, energy=(-10_000,)
    )
    street.do(prices)
    entered(street, Step(NEW, 0, 0, BUY, 120_000, 50), Step(NEW, 1, 0, SELL, 120_000, 50))

    street.do(c.CancelTrade(operator=DSO, delivery=MIDNIGHT, trade=TradeId(1), reason="cable"))

    assert street.exchange.state.ledger.held == {}
    check_books(street)
