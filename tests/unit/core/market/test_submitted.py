"""Results of auctions that the market operator brings: what is verified, and what follows."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import ISP_US, MIDNIGHT, an_order
from tests.play import Play, of, reason
from tests.submitting import (
    CLEARS_AT,
    GATE,
    PRODUCT,
    a_market,
    a_result,
    a_submitted_product,
    a_trade,
)
from wattbay.core import commands as c
from wattbay.core.events import AuctionCleared, GateClosed, LimitSubmitted, Rejected, Traded
from wattbay.core.facts import LimitTerm, Mechanism, NetworkLimit, Side
from wattbay.core.reasons import Reason
from wattbay.core.terms import OrderTerms
from wattbay.ids import OrderId, PartyId, PodId, ProductId
from wattbay.periods import MINUTE, Instant


def a_book(*, check_us: int = 0, fee: int = 0) -> Play:
    """Return a market after gate closure: orders 1 and 3 buy, 2 and 4 sell; 5 is of the next."""
    product = structs.replace(a_submitted_product(), network_check_us=check_us, network_fee=fee)
    market = a_market(product, deliveries=3)
    market.do(an_order("h01", quantity_wh=300, limit=120_000))
    market.do(an_order("h02", side=Side.SELL, quantity_wh=250, limit=60_000))
    market.do(an_order("h03", quantity_wh=200, limit=90_000))
    market.do(an_order("h04", side=Side.SELL, quantity_wh=400, limit=80_000))
    market.do(an_order("h02", side=Side.SELL, delivery=MIDNIGHT + ISP_US, limit=10_000))
    market.until(GATE)
    return market


def refused(market: Play, command: c.SubmitClearing, at: int | None = None) -> Rejected:
    """Submit what must be refused and change nothing."""
    if at is not None:
        market.until(at)
    before = [*market.exchange.state.agenda.dues]
    match market.submit(command):
        case [Rejected() as refusal]:
            assert market.exchange.state.agenda.dues == before
            return refusal
        case other:
            raise AssertionError(other)


def test_the_gate_closes_and_the_auction_waits_for_a_result() -> None:
    market = a_book()
    (closed,) = of(GateClosed, market.history)
    assert closed.clears_at == CLEARS_AT
    assert not of(AuctionCleared, market.history)


def test_the_time_for_a_result_begins_after_the_network_check() -> None:
    market = a_book(check_us=20 * MINUTE)
    (closed,) = of(GateClosed, market.history)
    assert closed.clears_at == GATE + 30 * MINUTE
    assert refused(market, a_result()).reason is Reason.NOT_DUE
    assert market.do(a_result(), GATE + 20 * MINUTE)


def test_a_result_that_holds_is_cleared_and_traded_in_one_entry() -> None:
    market = a_book()
    trades = a_trade(1, 2, 250, 110_000, 70_000), a_trade(3, 4, 100, 90_000, 80_000)
    cleared, *traded = market.do(a_result(*trades))
    assert cleared == AuctionCleared(
        product=PRODUCT,
        delivery=MIDNIGHT,
        price=(250 * 70_000 + 100 * 80_000) // 350,
        volume_wh=350,
        surplus_nano=250 * 60_000 + 100 * 10_000,
        # Best meets best: 250 at 60,000, 50 at 40,000 and 200 at 10,000.
        surplus_maximum_nano=250 * 60_000 + 50 * 40_000 + 200 * 10_000,
        rule="huang",
    )
    assert [(one.buyer, one.seller, one.quantity_wh) for one in of(Traded, traded)] == [
        ("h01", "h02", 250),
        ("h03", "h04", 100),
    ]
    assert [one.hold_nano for one in of(Traded, traded)] == [250 * 140_000, 100 * 140_000]
    assert market.balance("market") == 250 * 40_000 + 100 * 10_000
    assert market.held("h01/p01") == 0


def test_a_result_strikes_the_auction_that_was_due() -> None:
    market = a_book()
    market.do(a_result(a_trade()))
    market.until(MIDNIGHT + 10 * ISP_US)
    assert [one.rule for one in of(AuctionCleared, market.history)] == ["huang", "", ""]


def test_nothing_trades_where_no_result_came() -> None:
    market = a_book()
    (cleared,) = market.until(CLEARS_AT)
    assert cleared == AuctionCleared(
        product=PRODUCT,
        delivery=MIDNIGHT,
        price=None,
        volume_wh=0,
        surplus_nano=0,
        surplus_maximum_nano=250 * 60_000 + 50 * 40_000 + 200 * 10_000,
    )
    assert not market.trades()
    assert market.held("h01/p01") == 0
    assert reason(market.submit(a_result(a_trade()))) is Reason.UNKNOWN_DELIVERY


def test_a_result_in_which_nothing_trades_is_one() -> None:
    (cleared,) = a_book().do(a_result())
    assert isinstance(cleared, AuctionCleared)
    assert (cleared.price, cleared.rule) == (None, "huang")


@pytest.mark.parametrize(
    ("trades", "fault"),
    [
        ([a_trade(1, 2, 251)], "order 2: 251 Wh; it is for 250 Wh"),
        ([a_trade(1, 2, 200), a_trade(1, 4, 101)], "order 1: 301 Wh; it is for 300 Wh"),
        ([a_trade(1, 2, 0)], "trade 1: 0 Wh"),
        ([a_trade(1, 2, -5)], "trade 1: -5 Wh"),
        ([a_trade(1, 2, 5, 120_010)], "trade 1: order 1 would pay 120010; 120000 is its limit"),
        ([a_trade(1, 4, 5, 79_990)], "trade 1: order 4 would get 79990; 80000 is its limit"),
        ([a_trade(1, 2, 5, 100_005)], "trade 1: prices are multiples of 10 nano per Wh"),
        ([a_trade(1, 2, 5, 70_000, 70_010)], "trade 1: the buyer pays 70000: less than"),
        ([a_trade(1, 5)], "trade 1: order 5 does not stand for this delivery"),
        ([a_trade(2, 1)], "trade 1: order 2 is no buy order"),
        ([a_trade(1, 3)], "trade 1: order 3 is no sell order"),
        ([a_trade(1, 2, 1)] * 5, "5 trades; 4 orders need no more"),
        (
            [structs.replace(a_trade(), delivery=Instant(MIDNIGHT + ISP_US))],
            "trade 1: another delivery",
        ),
    ],
)
def test_a_result_that_wrongs_somebody_is_refused_and_another_may_follow(
    trades: list[c.SubmittedTrade], fault: str
) -> None:
    market = a_book()
    refusal = refused(market, a_result(*trades))
    assert refusal.reason is Reason.NOT_VERIFIED
    assert refusal.detail.startswith(fault)
    market.do(a_result(a_trade()))
    assert len(market.trades()) == 1


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"rule": "muda"}, "rule 'muda'"),
        ({"prices": ()}, "0 prices"),
        ({"prices": (99_990,)}, "price 99990; its trades come to 100000"),
        ({"prices": (None,)}, "price None"),
        ({"bound_nano": 1}, "a bound of 1 nano"),
    ],
)
def test_what_a_result_says_of_itself_is_verified(changes: dict[str, object], fault: str) -> None:
    refusal = refused(a_book(), structs.replace(a_result(a_trade()), **changes))
    assert refusal.reason is Reason.NOT_VERIFIED
    assert refusal.detail.startswith(fault)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"operator": PartyId("p01")}, Reason.NOT_ALLOWED),
        ({"operator": PartyId("nobody")}, Reason.NOT_ALLOWED),
        ({"product": ProductId("other")}, Reason.UNKNOWN_PRODUCT),
        ({"delivery": Instant(MIDNIGHT + 1)}, Reason.UNKNOWN_DELIVERY),
        ({"delivery": Instant(MIDNIGHT + ISP_US)}, Reason.NOT_DUE),
    ],
)
def test_a_result_by_the_wrong_party_or_of_the_wrong_auction_is_refused(
    changes: dict[str, object], why: Reason
) -> None:
    assert refused(a_book(), structs.replace(a_result(), **changes)).reason is why


def test_a_result_of_a_product_that_the_core_clears_is_refused() -> None:
    product = structs.replace(
        a_submitted_product(), mechanism=Mechanism.CALL_AUCTION, rule="", clearing_us=0
    )
    assert refused(a_market(product), a_result()).reason is Reason.NOT_ALLOWED


def test_a_result_that_comes_twice_or_late_is_refused() -> None:
    market = a_book()
    late = market.exchange.decide(a_result(a_trade()), CLEARS_AT)
    assert reason(late) is Reason.GATE_CLOSED
    market.do(a_result(a_trade()))
    assert refused(market, a_result(a_trade())).reason is Reason.UNKNOWN_DELIVERY


def test_an_order_that_was_curtailed_since_is_not_overfilled() -> None:
    market = a_book()
    market.do(
        c.CurtailOrder(operator=PartyId("dso"), order=OrderId(2), quantity_wh=50, reason="fuse")
    )
    assert refused(market, a_result(a_trade(1, 2, 51))).reason is Reason.NOT_VERIFIED
    market.do(a_result(a_trade(1, 2, 50)))


def test_a_result_keeps_the_limits_of_the_network() -> None:
    market = a_book()
    limit = NetworkLimit(
        since=MIDNIGHT,
        until=Instant(MIDNIGHT + ISP_US),
        terms=(LimitTerm(coefficient=1, pod=PodId("h02")),),
        bound_wh=99,
        reason="cable 3",
    )
    market.do(c.SubmitLimit(operator=PartyId("dso"), limit=limit))
    assert of(LimitSubmitted, market.history)
    refusal = refused(market, a_result(a_trade(1, 2, 100)))
    assert (refusal.reason, refusal.detail) == (
        Reason.NOT_VERIFIED,
        "cable 3: 100 Wh; 99 Wh is the most",
    )
    market.do(a_result(a_trade(1, 2, 99)))
    market.until(MIDNIGHT + 10 * ISP_US)
    assert not market.exchange.state.market.limits, "it is dropped once it can bind nothing more"


def test_the_network_fee_is_the_buyers_on_top_and_goes_to_the_network() -> None:
    market = a_book(fee=5_000)
    assert refused(market, a_result(a_trade(1, 2, 10, 74_990, 70_000))).detail.startswith("trade 1")
    market.do(a_result(a_trade(1, 2, 10, 75_000, 70_000)))
    assert market.balance("network") == 10 * 5_000
    assert market.balance("market") == 0


def test_an_order_without_a_limit_trades_within_the_bounds_of_the_product() -> None:
    market = a_market(a_submitted_product())
    market.do(an_order("h01", quantity_wh=300, limit=None))
    market.do(an_order("h02", side=Side.SELL, quantity_wh=300, limit=None))
    market.until(GATE)
    for trade in (a_trade(1, 2, 10, 500_010), a_trade(1, 2, 10, 500_000, -500_010)):
        assert refused(market, a_result(trade)).reason is Reason.NOT_VERIFIED
    cleared, *_ = market.do(a_result(a_trade(1, 2, 10)))
    assert isinstance(cleared, AuctionCleared)
    assert cleared.surplus_nano == cleared.surplus_maximum_nano == 0


def test_an_order_that_still_waits_when_the_gate_closes_does_not_trade() -> None:
    market = a_market(a_submitted_product())
    market.do(an_order("h01"))
    terms = OrderTerms(valid_from=Instant(GATE + MINUTE))
    late = structs.replace(an_order("h02", side=Side.SELL, limit=60_000), terms=terms)
    market.submit(late)
    market.until(GATE)
    assert refused(market, a_result(a_trade())).reason is Reason.NOT_VERIFIED


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"rule": ""}, Reason.BAD_ID),
        ({"rule": "not an id"}, Reason.BAD_ID),
        ({"clearing_us": 0}, Reason.BAD_VALUE),
        ({"clearing_us": -1}, Reason.BAD_VALUE),
        ({"clearing_us": 4 * 60 * MINUTE}, Reason.BAD_VALUE),
        ({"mechanism": Mechanism.CALL_AUCTION}, Reason.BAD_VALUE),
        ({"mechanism": Mechanism.CALL_AUCTION, "rule": ""}, Reason.BAD_VALUE),
        ({"mechanism": Mechanism.COMMUNITY}, Reason.BAD_VALUE),
        ({"mechanism": Mechanism.COMMUNITY, "clearing_us": 0, "rule": ""}, Reason.BAD_ID),
    ],
)
def test_a_product_says_how_it_is_cleared_and_by_when(
    changes: dict[str, object], why: Reason
) -> None:
    product = structs.replace(a_submitted_product(), product=ProductId("other"), **changes)
    market = a_market(a_submitted_product())
    assert reason(market.submit(c.DefineProduct(product=product))) is why
