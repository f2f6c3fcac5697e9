"""What falls due by the clock, in which order, and what follows in the same entry."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import ISP_US, MIDNIGHT, a_party, a_product, a_town, list_deliveries
from tests.play import Play, of, with_runs
from wattbay.core import commands as c
from wattbay.core import flow
from wattbay.core.deliveries import next_run
from wattbay.core.events import GateClosed, OrderCancelled, PeriodSettled
from wattbay.core.exchange import Exchange
from wattbay.core.facts import Role
from wattbay.core.flow import Agenda
from wattbay.core.registry import Registry
from wattbay.errors import InvariantBroken
from wattbay.ids import OrderId, ProductId, RunName
from wattbay.periods import HOUR, Instant

HALF_HOUR = ProductId("halfhour")
FIRST, SECOND = RunName("first"), RunName("second")
LATER = Instant(MIDNIGHT + ISP_US)


def a_street(*, check_us: int = 0) -> Play:
    product = structs.replace(a_product(), network_check_us=check_us)
    commands = with_runs(a_town(1, product=product, deliveries=2), first=0, second=HOUR)
    operator = a_party("dso", roles=(Role.GRID_OPERATOR,))
    return Play([*commands, c.RegisterParty(party=operator)])


def test_an_exchange_to_which_nothing_was_said_waits_for_nothing() -> None:
    assert Exchange().due() is None
    assert next_run(Registry(), MIDNIGHT, 0) is None


def test_gates_auctions_and_runs_fall_due_in_order() -> None:
    street = a_street(check_us=HOUR)
    happened: list[tuple[int, c.Command]] = []
    while street.exchange.due() is not None:
        at, command, _ = street.step()
        happened.append(((at - MIDNIGHT) // ISP_US, command))
    assert happened == [
        (-2, c.CloseGate(product=HALF_HOUR, delivery=MIDNIGHT)),
        (-1, c.CloseGate(product=HALF_HOUR, delivery=LATER)),
        (0, c.ClearAuction(product=HALF_HOUR, delivery=MIDNIGHT)),
        (1, c.ClearAuction(product=HALF_HOUR, delivery=LATER)),
        (1, c.SettlePeriod(delivery=MIDNIGHT, run=FIRST)),
        (2, c.SettlePeriod(delivery=LATER, run=FIRST)),
        (3, c.SettlePeriod(delivery=MIDNIGHT, run=SECOND)),
        (4, c.SettlePeriod(delivery=LATER, run=SECOND)),
    ]


def test_a_delivery_listed_by_two_products_is_settled_once() -> None:
    street = a_street()
    street.do(c.DefineProduct(product=a_product("other")))
    street.do(list_deliveries(product="other", count=2))
    street.until(MIDNIGHT + 4 * ISP_US)
    settled = [(one.delivery, one.run) for one in of(PeriodSettled, street.history)]
    assert settled == [
        (MIDNIGHT, "first"),
        (LATER, "first"),
        (MIDNIGHT, "second"),
        (LATER, "second"),
    ]


def test_what_is_due_first_is_done_first() -> None:
    state = a_street().exchange.state
    gate = GateClosed(product=HALF_HOUR, delivery=LATER, clears_at=None)
    with pytest.raises(InvariantBroken, match="done first"):
        flow.schedule(state.registry, state.agenda, state.deliveries, gate, [])


def test_an_auction_that_comes_early_is_struck_from_among_what_is_due() -> None:
    dues = [
        (Instant(MIDNIGHT + n), flow.CLEAR_AUCTION, Instant(MIDNIGHT + n), HALF_HOUR)
        for n in range(9)
    ]
    agenda = Agenda(dues=list(dues))
    flow.cleared(agenda, HALF_HOUR, dues[4][2], dues[4][0])
    assert sorted(agenda.dues) == [due for due in dues if due != dues[4]]
    assert agenda.dues[0] == dues[0]
    with pytest.raises(InvariantBroken, match="was due"):
        flow.cleared(agenda, HALF_HOUR, dues[4][2], dues[4][0])


def test_other_events_change_nothing_in_the_agenda_and_nothing_follows_them() -> None:
    state = a_street().exchange.state
    before = list(state.agenda.dues)
    waits = GateClosed(product=HALF_HOUR, delivery=MIDNIGHT, clears_at=MIDNIGHT)
    assert flow.follow(state.registry, state.market, waits) == []
    gone = OrderCancelled(order=OrderId(1), product=HALF_HOUR, delivery=MIDNIGHT)
    flow.schedule(state.registry, state.agenda, state.deliveries, gone, [])
    assert state.agenda.dues == before
