"""Auctions over a day, with blocks: what may stand, what is verified, and what follows."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import ISP_US, MIDNIGHT, a_party, an_order, list_deliveries
from tests.play import Play, of, reason
from tests.submitting import CLEARS_AT, GATE, PRODUCT, a_market, a_submitted_product
from wattbay.core import commands as c
from wattbay.core.commands import SubmittedTrade
from wattbay.core.events import AuctionCleared, GateClosed, OrderCancelled, Rejected, Traded
from wattbay.core.facts import LimitTerm, NetworkLimit, Side
from wattbay.core.reasons import Reason
from wattbay.core.terms import Block, OrderTerms, TimeInForce
from wattbay.ids import OrderId, PartyId, PodId
from wattbay.kernel.replay import restore, snapshot
from wattbay.periods import HOUR, MINUTE, Instant

NEXT = Instant(MIDNIGHT + ISP_US)


def a_block(
    pod: str = "h02",
    *profile: int,
    side: Side = Side.SELL,
    limit: int | None = 60_000,
    delivery: int = MIDNIGHT,
    **more: object,
) -> c.PlaceOrder:
    block = Block(profile=profile, **more)  # type: ignore[arg-type]
    quantity = sum(max(0, energy) for energy in profile)
    order = an_order(pod, side=side, quantity_wh=quantity, limit=limit, delivery=delivery)
    return structs.replace(order, terms=OrderTerms(block=block))


def a_day(*orders: c.PlaceOrder, deliveries: int = 3) -> Play:
    """Return a market with a day of three deliveries; 1 and 2 buy 100 Wh in the first and second.

    Further orders are numbered from 3.
    """
    market = a_market(a_submitted_product("block"), deliveries=deliveries)
    market.do(an_order("h01", quantity_wh=100, limit=100_000))
    market.do(an_order("h01", quantity_wh=100, limit=80_000, delivery=NEXT))
    for order in orders:
        market.do(order)
    return market


def a_trade(delivery: Instant, buy: int, sell: int, wh: int, price: int) -> SubmittedTrade:
    return SubmittedTrade(
        delivery=delivery,
        buy_order=OrderId(buy),
        sell_order=OrderId(sell),
        quantity_wh=wh,
        buy_price=price,
        sell_price=price,
    )


def a_result(
    *trades: SubmittedTrade,
    prices: tuple[int | None, ...] = (70_000, 60_000, 0),
    bound_nano: int | None = None,
) -> c.SubmitClearing:
    return c.SubmitClearing(
        operator=PartyId("operator"),
        product=PRODUCT,
        delivery=MIDNIGHT,
        rule="block",
        prices=prices,
        trades=trades,
        bound_nano=bound_nano,
    )


WHOLE = (a_trade(MIDNIGHT, 1, 3, 100, 70_000), a_trade(NEXT, 2, 3, 100, 60_000))


def fault(market: Play, command: c.SubmitClearing) -> str:
    """Return why a result is refused; nothing has changed then."""
    match market.submit(command):
        case [Rejected(reason=Reason.NOT_VERIFIED, detail=detail)]:
            return detail
        case other:
            raise AssertionError(other)


def test_all_gates_of_the_day_close_before_its_first_delivery() -> None:
    market = a_day()
    market.until(GATE - 1)
    assert not of(GateClosed, market.history)
    market.until(GATE)
    closed = of(GateClosed, market.history)
    assert [one.delivery for one in closed] == [MIDNIGHT, NEXT, MIDNIGHT + 2 * ISP_US]
    assert {one.clears_at for one in closed} == {CLEARS_AT}
    late = an_order(delivery=MIDNIGHT + 2 * ISP_US)
    assert reason(market.submit(late)) is Reason.GATE_CLOSED
    cancelled = c.CancelOrder(order=OrderId(2), pod=late.pod)
    assert reason(market.submit(cancelled)) is Reason.GATE_CLOSED
    everything = c.CancelOrders(pod=late.pod, product=PRODUCT)
    assert market.submit(everything) == []


def test_a_block_trades_in_all_its_deliveries_alike() -> None:
    market = a_day(a_block("h02", 100, 100))
    assert market.held("h02/p02") == 200 * 80_000
    market.until(GATE)
    *cleared, first, second = market.do(a_result(*WHOLE, bound_nano=7_000_000))
    assert [
        (one.delivery, one.price, one.volume_wh, one.surplus_nano, one.bound_nano)
        for one in of(AuctionCleared, cleared)
    ] == [
        (MIDNIGHT, 70_000, 100, 4_000_000, 7_000_000),
        (NEXT, 60_000, 100, 2_000_000, None),
        (MIDNIGHT + 2 * ISP_US, None, 0, 0, None),
    ]
    assert sum(one.surplus_maximum_nano for one in of(AuctionCleared, cleared)) == 7_000_000
    assert [one.delivery for one in of(Traded, [first, second])] == [MIDNIGHT, NEXT]
    assert market.held("h02/p02") == 200 * 140_000
    market.until(MIDNIGHT + 10 * HOUR)
    assert not market.exchange.state.agenda.dues
    assert sum(market.exchange.state.ledger.money.values()) == 0


def test_blocks_expire_where_no_result_came() -> None:
    market = a_day(a_block("h02", 0, 100, 100))
    market.until(CLEARS_AT)
    assert [one.price for one in of(AuctionCleared, market.history)] == [None] * 3
    assert not market.exchange.state.ledger.held
    assert not market.exchange.state.market.places


@pytest.mark.parametrize(
    ("result", "what"),
    [
        (a_result(WHOLE[0]), "order 3: a block is accepted alike"),
        (a_result(*WHOLE, prices=(70_000, 60_000)), "2 prices for 3 deliveries"),
        (a_result(*WHOLE, prices=(70_000, 60_000, None)), "with blocks each delivery has a price"),
        (a_result(*WHOLE, prices=(70_000, 60_000, 5)), "delivery 3 of the day: price limit"),
        (a_result(*WHOLE, prices=(70_000, 60_010, 0)), "trade 2: another price"),
        (
            a_result(
                a_trade(MIDNIGHT, 1, 3, 50, 70_000),
                a_trade(NEXT, 2, 3, 50, 60_000),
            ),
            "order 1: limit",
        ),
        (
            a_result(
                a_trade(MIDNIGHT, 1, 3, 100, 60_000),
                a_trade(NEXT, 2, 3, 100, 50_000),
                prices=(60_000, 50_000, 0),
            ),
            "order 3: loss",
        ),
        (a_result(*WHOLE, bound_nano=5_999_999), "a bound of 5999999 nano"),
        (
            a_result(*WHOLE, a_trade(Instant(MIDNIGHT + 2 * ISP_US), 1, 3, 1, 0)),
            "trade 3: order 1 does not stand",
        ),
    ],
)
def test_a_result_that_breaks_a_rule_of_block_auctions_is_refused(
    result: c.SubmitClearing, what: str
) -> None:
    market = a_day(a_block("h02", 100, 100))
    market.until(GATE)
    assert fault(market, result).startswith(what)
    market.do(a_result(*WHOLE))


def test_a_block_may_lose_in_one_delivery_what_it_gains_in_another() -> None:
    market = a_day(a_block("h02", 100, 100))
    market.until(GATE)
    result = a_result(
        a_trade(MIDNIGHT, 1, 3, 100, 90_000),
        a_trade(NEXT, 2, 3, 100, 30_000),
        prices=(90_000, 30_000, 0),
    )
    assert market.do(result)


def test_a_block_is_accepted_to_its_least_part_at_least() -> None:
    market = a_day(a_block("h02", 200, 200, min_ratio_ppm=500_001), deliveries=2)
    market.until(GATE)
    result = a_result(*WHOLE, prices=(70_000, 60_000))
    assert fault(market, result) == "order 3: steps"
    market = a_day(a_block("h02", 200, 200, min_ratio_ppm=500_000), deliveries=2)
    market.until(GATE)
    market.do(result)


def test_of_a_group_one_block_of_the_party_is_accepted() -> None:
    twice = [a_block("h02", 50, 50, group="either"), a_block("h02", 50, 50, group="either")]
    trades = [
        a_trade(delivery, buy, sell, 50, price)
        for delivery, buy, price in ((MIDNIGHT, 1, 70_000), (NEXT, 2, 60_000))
        for sell in (3, 4)
    ]
    market = a_day(*twice)
    market.until(GATE)
    assert fault(market, a_result(*trades)) == "order 4: group"
    others = a_day(twice[0], structs.replace(twice[1], pod=an_order("h03").pod))
    others.until(GATE)
    others.do(a_result(*trades))


def test_a_block_needs_its_parent() -> None:
    market = a_day(
        a_block("h02", 50, 50),
        a_block("h02", 100, 100, parent=OrderId(3)),
    )
    market.until(GATE)
    alone = [structs.replace(trade, sell_order=OrderId(4)) for trade in WHOLE]
    assert fault(market, a_result(*alone)) == "order 4: parent"


def test_a_block_whose_parent_is_gone_is_not_accepted() -> None:
    market = a_day(a_block("h02", 50, 50), a_block("h02", 100, 100, parent=OrderId(3)))
    market.do(c.CancelOrder(order=OrderId(3), pod=an_order("h02").pod))
    market.until(GATE)
    alone = [structs.replace(trade, sell_order=OrderId(4)) for trade in WHOLE]
    assert fault(market, a_result(*alone)) == "order 4: its parent no longer stands"


@pytest.mark.parametrize(
    ("block", "what"),
    [
        (a_block("h02", 100, limit=None), "an order of kind limit"),
        (structs.replace(a_block("h02", 100), quantity_wh=101), "quantity_wh is the sum"),
        (structs.replace(a_block("h02", -100), quantity_wh=100), "quantity_wh is the sum"),
        (a_block("h02", 100, -100_001), "100000 Wh is the most in a delivery"),
        (a_block("h02", 100, min_ratio_ppm=0), "min_ratio_ppm"),
        (a_block("h02", 100, min_ratio_ppm=1_000_001), "min_ratio_ppm"),
        (a_block("h02", 100, group="not an id"), "a group"),
        (a_block("h02", 1, 1, 1, 1), "a profile ends with the deliveries of its day"),
        (a_block("h02", 100, parent=OrderId(99)), "order 99 does not stand"),
        (a_block("h01", 100, parent=OrderId(1)), "order 1 is no block of this pod"),
        (a_block("h02", 100, parent=OrderId(3)), "order 3 is no block of this pod"),
    ],
)
def test_a_block_that_cannot_be_meant_is_refused(block: c.PlaceOrder, what: str) -> None:
    market = a_day(a_block("h03", 100))
    match market.submit(block):
        case [Rejected(reason=Reason.BAD_CONDITION, detail=detail)]:
            assert detail.startswith(what)
        case other:
            raise AssertionError(other)


def test_a_block_says_nothing_else_and_stands_in_no_other_market() -> None:
    waits = structs.replace(
        a_block("h02", 100),
        terms=OrderTerms(block=Block(profile=(100,)), valid_from=Instant(MIDNIGHT - 2 * HOUR)),
    )
    assert reason(a_day().submit(waits)) is Reason.BAD_CONDITION
    other = a_market(a_submitted_product("huang"))
    assert reason(other.submit(a_block("h02", 100))) is Reason.BAD_CONDITION


def test_a_block_ends_with_its_own_day() -> None:
    market = a_day()
    tomorrow = list_deliveries(day="2013-06-11", start=MIDNIGHT + 3 * ISP_US, count=2)
    market.do(tomorrow)
    assert reason(market.submit(a_block("h02", 1, 1, 1, 1))) is Reason.BAD_CONDITION
    market.do(a_block("h02", 1, 1, delivery=MIDNIGHT + 3 * ISP_US))


def test_of_a_block_the_limit_alone_is_amended_and_it_is_curtailed_whole() -> None:
    market = a_day(a_block("h02", 100, 100))
    pod = an_order("h02").pod
    larger = c.AmendOrder(order=OrderId(3), pod=pod, quantity_wh=300, limit=60_000)
    assert reason(market.submit(larger)) is Reason.BAD_CONDITION
    market.do(c.AmendOrder(order=OrderId(3), pod=pod, quantity_wh=200, limit=50_000))
    market.until(GATE)
    half = c.CurtailOrder(operator=PartyId("dso"), order=OrderId(3), quantity_wh=100, reason="fuse")
    assert reason(market.submit(half)) is Reason.BAD_QUANTITY
    market.do(structs.replace(half, quantity_wh=0))
    assert fault(market, a_result(*WHOLE)).startswith("trade 1: order 3 does not stand")


def test_a_result_of_a_day_names_its_first_delivery() -> None:
    market = a_day(a_block("h02", 100, 100))
    market.until(GATE)
    wrong = structs.replace(a_result(*WHOLE), delivery=NEXT)
    assert reason(market.submit(wrong)) is Reason.UNKNOWN_DELIVERY


def test_a_product_with_blocks_has_no_network_fee_and_no_position_limit() -> None:
    for product in (
        structs.replace(a_submitted_product("block"), network_fee=10),
        structs.replace(a_submitted_product("block"), position_max_wh=10),
    ):
        other = structs.replace(product, product=structs.replace(product).product + "-2")
        assert reason(a_day().submit(c.DefineProduct(product=other))) is Reason.BAD_VALUE


def test_quantities_of_a_profile_are_on_the_tick() -> None:
    product = structs.replace(a_submitted_product("block"), energy_tick=10)
    market = a_market(product, deliveries=2)
    assert reason(market.submit(a_block("h02", 15, 15))) is Reason.BAD_CONDITION
    market.do(a_block("h02", 10, 20))


def test_the_network_may_keep_a_plain_order_from_trading_at_a_good_price() -> None:
    market = a_day(a_block("h02", 100, 100), an_order("h03", quantity_wh=10, limit=90_000))
    market.until(GATE)
    assert fault(market, a_result(*WHOLE)) == "order 4: limit"
    limit = NetworkLimit(
        since=MIDNIGHT,
        until=NEXT,
        terms=(LimitTerm(coefficient=-1, pod=PodId("h03")),),
        bound_wh=5,
        reason="cable 3",
    )
    market.do(c.SubmitLimit(operator=PartyId("dso"), limit=limit))
    market.do(a_result(*WHOLE))


def test_a_snapshot_between_gate_and_result_goes_on_with_the_same_result() -> None:
    market = a_day(a_block("h02", 100, 100))
    market.until(GATE)
    taken = restore(snapshot(market.exchange, len(market.entries), bytes(32))).exchange
    assert taken.decide(a_result(*WHOLE), GATE) == market.do(a_result(*WHOLE))
    assert taken.due() == (CLEARS_AT, c.ClearAuction(product=PRODUCT, delivery=MIDNIGHT))


def a_store(*, side: Side, profile: tuple[int, int], limit: int) -> Play:
    """Return a day on which 3 sells 100 Wh in the first delivery, and 4 trades both ways."""
    return a_day(
        an_order("h03", side=Side.SELL, quantity_wh=100, limit=20_000),
        a_block("h02", *profile, side=side, limit=limit),
        deliveries=2,
    )


STORED = (a_trade(MIDNIGHT, 4, 3, 100, 30_000), a_trade(NEXT, 2, 4, 90, 80_000))


def test_a_store_buys_in_one_delivery_what_it_sells_in_another() -> None:
    market = a_store(side=Side.SELL, profile=(-100, 90), limit=20_000)
    market.do(c.CancelOrder(order=OrderId(1), pod=an_order("h01").pod))
    assert market.held("h02/p02") == 90 * 120_000
    market.until(GATE)
    result = a_result(*STORED, prices=(30_000, 80_000))
    cleared = of(AuctionCleared, market.do(result))
    # Its limit counts for the 90 Wh that it gives: 90 x 60,000 less 100 x 30,000 is its gain.
    assert sum(one.surplus_nano for one in cleared) == 100 * 10_000 + 90 * 60_000 - 100 * 30_000
    assert market.balance("h02/p02") == 90 * 80_000 - 100 * 30_000
    assert market.held("h02/p02") == 90 * 140_000


def test_a_store_that_would_lose_is_refused() -> None:
    market = a_store(side=Side.SELL, profile=(-100, 90), limit=50_000)
    market.do(c.CancelOrder(order=OrderId(1), pod=an_order("h01").pod))
    market.until(GATE)
    assert fault(market, a_result(*STORED, prices=(30_000, 80_000))) == "order 4: loss"


def test_what_a_buyer_sells_besides_is_held_at_once_and_its_block_is_not_amended() -> None:
    market = a_store(side=Side.BUY, profile=(100, -90), limit=50_000)
    assert market.held("h02/p02") == 100 * 50_000 + 90 * 140_000
    amended = c.AmendOrder(order=OrderId(4), pod=an_order("h02").pod, quantity_wh=100, limit=60_000)
    assert reason(market.submit(amended)) is Reason.BAD_CONDITION
    poor = a_party("p03", credit_limit_nano=100 * 50_000 + 90 * 140_000 - 1)
    market.do(c.RegisterParty(party=poor))
    market.do(c.CancelOrder(order=OrderId(3), pod=an_order("h03").pod))
    block = a_block("h03", 100, -90, side=Side.BUY, limit=50_000)
    assert reason(market.submit(block)) is Reason.NO_COLLATERAL


def test_order_does_not_expire_between_the_gate_of_its_day_and_the_result() -> None:
    soon = OrderTerms(time_in_force=TimeInForce.GTD, expires=Instant(GATE + MINUTE))
    late = OrderTerms(valid_from=Instant(GATE + MINUTE))
    market = a_day(structs.replace(an_order("h03", delivery=NEXT), terms=soon))
    assert reason(market.submit(structs.replace(an_order(delivery=NEXT), terms=late))) is (
        Reason.BAD_CONDITION
    )
    market.until(CLEARS_AT - 1)
    assert OrderId(3) in market.exchange.state.market.places
    assert of(OrderCancelled, market.history) == []
