"""The whole exchange: it decides without changing, and is what its events made of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.builders import (
    EVE,
    ISP_US,
    MIDNIGHT,
    a_party,
    a_town,
    an_order,
    open_community,
)
from tests.play import Play, reason, with_runs
from wattbay.core import commands as c
from wattbay.core.commands import Command
from wattbay.core.exchange import Exchange, State
from wattbay.core.facts import Side
from wattbay.core.reasons import Reason
from wattbay.ids import OrderId, PartyId, PodId
from wattbay.periods import DAY, Instant

ROOT = Path(__file__).parents[3]


def a_lived_in_street() -> Play:
    """Return a street with orders, a trade, estimates and a final delivery behind it."""
    street = Play(with_runs(a_town(3, deliveries=6), initial=ISP_US, final=2 * ISP_US))
    for delivery in range(MIDNIGHT, MIDNIGHT + 6 * ISP_US, ISP_US):
        street.do(an_order("h01", delivery=delivery))
        street.do(an_order("h02", side=Side.SELL, limit=100_000, delivery=delivery))
    street.read("m-h01", MIDNIGHT, 0)
    street.read("m-h01", MIDNIGHT + 3 * ISP_US, 700)
    street.until(MIDNIGHT + 3 * ISP_US)
    return street


ANY: list[Command] = [
    open_community("other"),
    c.RegisterParty(party=a_party("p09")),
    an_order("h03", delivery=MIDNIGHT + 5 * ISP_US),
    c.AmendOrder(order=OrderId(11), pod=PodId("h01"), quantity_wh=10, limit=None),
    c.CancelOrder(order=OrderId(11), pod=PodId("h01")),
    c.DepositMoney(pod=PodId("h01"), party=PartyId("p01"), amount_nano=5),
    c.IssueStatements(month="2013-06"),
]


def bytes_of(exchange: Exchange) -> bytes:
    return msgspec.msgpack.encode(exchange.state)


@pytest.mark.parametrize("command", ANY, ids=lambda command: type(command).__name__)
def test_deciding_changes_nothing(command: Command) -> None:
    street = a_lived_in_street()
    before = bytes_of(street.exchange)
    street.exchange.decide(command, Instant(street.at))
    assert bytes_of(street.exchange) == before


def test_deciding_what_the_clock_wants_changes_nothing_either() -> None:
    street = Play(with_runs(a_town(2, deliveries=2), initial=ISP_US, final=2 * ISP_US))
    while (due := street.exchange.due()) is not None:
        before = bytes_of(street.exchange)
        first = street.exchange.decide(due[1], due[0])
        assert bytes_of(street.exchange) == before
        assert street.step()[2] == first


def test_an_exchange_from_a_snapshot_goes_on_like_the_one_it_was_taken_of() -> None:
    street = a_lived_in_street()
    again = Play()
    again.exchange = Exchange(msgspec.msgpack.decode(bytes_of(street.exchange), type=State))
    again.at = street.at
    assert again.until(MIDNIGHT + DAY) == street.until(MIDNIGHT + DAY)
    assert bytes_of(again.exchange) == bytes_of(street.exchange)


def test_events_one_by_one_come_to_the_same_as_the_events_of_an_entry_together() -> None:
    street = a_lived_in_street()
    one_by_one = Exchange()
    for event in street.history:
        one_by_one.apply(event)
    assert one_by_one.state == street.exchange.state


def test_a_refusal_changes_nothing() -> None:
    street = a_lived_in_street()
    before = bytes_of(street.exchange)
    assert reason(street.submit(open_community())) is Reason.COMMUNITY_OPEN
    assert bytes_of(street.exchange) == before
    assert street.at > EVE


def test_every_reason_for_refusal_is_met_in_a_test() -> None:
    told = "".join(path.read_text() for path in sorted((ROOT / "tests" / "unit").rglob("*.py")))
    assert [one.name for one in Reason if f"Reason.{one.name}" not in told] == []
