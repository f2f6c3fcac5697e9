"""How continuous trading opens: orders come before, and meet at one price."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import ISP_US, MIDNIGHT, pod_facts
from tests.continuous import (
    HALF_HOUR,
    a_continuous,
    a_street,
    amendment,
    buy,
    cancellation,
    check_books,
    ended,
    enter,
    fills,
    resting,
    sell,
    venue_of,
)
from tests.play import Play, of, reason
from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.facts import LocalFee, Mechanism, SelfTrade, TradingPhase
from wattbay.core.reasons import Reason
from wattbay.core.terms import Kind, OrderTerms, TimeInForce
from wattbay.ids import OrderId, OriginId, PartyId, ProductId, ZoneId
from wattbay.periods import HOUR, Instant

OPENS = Instant(MIDNIGHT - 12 * HOUR)
OPENING = c.OpenTrading(product=HALF_HOUR, delivery=MIDNIGHT)


def an_early_street(**changed: object) -> Play:
    return a_street(a_continuous(opening_before_us=12 * HOUR, **changed), deliveries=1)


def opened(street: Play) -> list[e.Event]:
    """Let trading open; return what that came to."""
    street.until(OPENS)
    (entry,) = [one for one in street.entries if one.command == OPENING]
    check_books(street)
    return list(entry.events)


def test_before_the_opening_orders_rest_change_and_go() -> None:
    street = an_early_street()
    events = enter(street, buy("h01", 100, 100_000), sell("h02", 100, 80_000))
    assert fills(events) == []
    street.do(amendment(1, "h01", 200, 110_000))
    street.do(cancellation(2, "h02"))
    assert resting(street) == [("buy", 1, 200)]
    assert venue_of(street).phase is TradingPhase.PRE_OPEN


@pytest.mark.parametrize(
    "terms",
    [
        OrderTerms(time_in_force=TimeInForce.IOC),
        OrderTerms(time_in_force=TimeInForce.FOK),
        OrderTerms(min_quantity_wh=10),
    ],
)
def test_before_the_opening_no_order_acts_at_once(terms: OrderTerms) -> None:
    street = an_early_street()
    assert reason(street.submit(buy("h01", 100, 100_000, terms))) is Reason.BAD_CONDITION
    assert reason(street.submit(buy("h01", 100, None))) is Reason.BAD_CONDITION


def test_trading_opens_at_one_price() -> None:
    street = an_early_street(network_fee=1_000)
    enter(
        street,
        buy("h01", 100, 110_000),
        buy("h02", 100, 91_000),
        sell("h03", 150, 80_000),
        sell("h04", 100, 100_000),
    )
    events = opened(street)
    assert [(one.buy_price, one.sell_price) for one in of(e.Traded, events)] == [
        (91_000, 90_000),
        (91_000, 90_000),
    ]
    assert fills(events) == [(1, 3, 100, 90_000), (2, 3, 50, 90_000)]
    assert of(e.PhaseChanged, events) == [
        e.PhaseChanged(
            product=HALF_HOUR,
            delivery=MIDNIGHT,
            phase=TradingPhase.CONTINUOUS,
            reason="opening",
        )
    ]
    assert resting(street) == [("buy", 2, 50), ("sell", 4, 100)]
    assert fills(enter(street, sell("h03", 50, 90_000))) == [(2, 5, 50, 90_000)]


def test_the_opening_price_releases_stops() -> None:
    street = an_early_street()
    stop = OrderTerms(kind=Kind.STOP, stop=90_000)
    enter(
        street,
        buy("h04", 50, None, stop),
        buy("h01", 100, 90_000),
        sell("h02", 100, 90_000),
        sell("h03", 100, 95_000),
    )
    opened(street)
    assert fills(street.entries[-1].events) == [(1, 4, 50, 95_000)]


def test_orders_that_want_an_origin_act_when_the_auction_is_over() -> None:
    street = an_early_street()
    enter(
        street,
        buy("h01", 100, 110_000, OrderTerms(wants=OriginId("solar"))),
        sell("h02", 100, 80_000),
        buy("h03", 100, 85_000),
        sell("h04", 100, 90_000, OrderTerms(origin=OriginId("solar/pv"))),
    )
    events = opened(street)
    assert fills(events) == [(3, 2, 100, 82_500), (1, 4, 100, 90_000)]
    assert resting(street) == []


def test_one_that_meets_nobody_after_the_auction_keeps_its_place() -> None:
    street = an_early_street()
    enter(
        street,
        buy("h01", 100, 100_000, OrderTerms(partner=PartyId("p04"))),
        buy("h03", 100, 100_000),
    )
    assert of(e.OrderAmended, opened(street)) == []
    assert fills(enter(street, sell("h04", 150, 90_000))) == [
        (1, 3, 100, 100_000),
        (2, 3, 50, 100_000),
    ]


@pytest.mark.parametrize("mode", list(SelfTrade))
def test_nobody_meets_itself_when_trading_opens(mode: SelfTrade) -> None:
    street = an_early_street(self_trade=mode)
    enter(
        street,
        sell("h01", 100, 80_000),
        buy("h01", 150, 100_000),
        sell("h02", 100, 90_000),
        buy("h03", 60, 95_000),
    )
    events = opened(street)
    assert all(one.buyer != one.seller for one in of(e.Traded, events))
    assert {why for _, why, _ in ended(events)} == {"self_trade"}


def test_with_several_fees_orders_meet_one_by_one() -> None:
    fees = tuple(
        LocalFee(from_zone=ZoneId(start), to_zone=ZoneId("z1"), nano_per_wh=fee)
        for start, fee in (("z1", 1_000), ("z2", 4_000))
    )
    street = an_early_street(network_fees=fees)
    later = Instant(MIDNIGHT + ISP_US)
    street.do(c.ChangePod(facts=pod_facts("h02", party="p02", since=later, zone="z2")))
    street.do(c.ListDeliveries(product=HALF_HOUR, day="2013-06-10", start=later, count=1))
    enter(
        street,
        sell("h02", 100, 80_000, delivery=later),
        sell("h03", 100, 80_000, delivery=later),
        buy("h01", 150, 90_000, delivery=later),
    )
    street.until(later - 12 * HOUR)
    trades = [(one.sell_order, one.buy_price, one.sell_price) for one in street.trades()]
    assert trades == [(1, 90_000, 86_000), (2, 90_000, 89_000)]
    check_books(street)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (structs.replace(OPENING, product=ProductId("none")), Reason.UNKNOWN_PRODUCT),
        (structs.replace(OPENING, delivery=Instant(MIDNIGHT + ISP_US)), Reason.UNKNOWN_DELIVERY),
        (OPENING, Reason.NOT_DUE),
    ],
)
def test_trading_opens_by_the_clock_alone(command: c.OpenTrading, why: Reason) -> None:
    assert reason(an_early_street().submit(command)) is why


def test_trading_opens_once() -> None:
    street = an_early_street()
    opened(street)
    assert reason(street.submit(OPENING)) is Reason.NOT_DUE
    assert reason(a_street().submit(OPENING)) is Reason.NOT_ALLOWED


def test_an_auction_does_not_open() -> None:
    street = a_street(a_continuous(mechanism=Mechanism.CALL_AUCTION))
    assert reason(street.submit(OPENING)) is Reason.NOT_ALLOWED


def test_one_that_another_met_first_does_not_act_again() -> None:
    street = an_early_street()
    enter(
        street,
        buy("h01", 100, 100_000, OrderTerms(is_local=True)),
        sell("h02", 150, 90_000, OrderTerms(is_local=True)),
        buy("h03", 50, 95_000, OrderTerms(wants=OriginId("wind"))),
    )
    events = opened(street)
    assert fills(events) == [(1, 2, 100, 90_000)]
    assert [one.order for one in of(e.OrderAmended, events)] == [OrderId(1)]
    assert resting(street) == [("buy", 3, 50), ("sell", 2, 50)]
