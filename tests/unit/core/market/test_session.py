"""Gates close, the network is checked, books are cleared: orders become trades."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import ISP_US, MIDNIGHT, a_party, a_product, a_town, an_order, pod_facts
from tests.play import Play, of, reason
from wattbay.core import commands as c
from wattbay.core.events import AuctionCleared, GateClosed, OrderCurtailed, Traded
from wattbay.core.facts import (
    LimitTerm,
    Margin,
    NetworkLimit,
    Pricing,
    Product,
    Role,
    Side,
)
from wattbay.core.market.product import check_ends, gate_closes, gate_opens
from wattbay.core.reasons import Reason
from wattbay.ids import OrderId, PartyId, PodId, ProductId
from wattbay.periods import DAY, HOUR, MINUTE, Instant

GATE = Instant(MIDNIGHT - HOUR)
CHECKED = Instant(GATE + 30 * MINUTE)
DSO = PartyId("dso")
HALF_HOUR = ProductId("halfhour")


def a_street(product: Product | None = None, *, pods: int = 4, operator: bool = False) -> Play:
    street = Play(a_town(pods, product=product, deliveries=2))
    if operator:
        street.do(c.RegisterParty(party=a_party(DSO, roles=(Role.GRID_OPERATOR,))))
    return street


def checked() -> Product:
    return structs.replace(a_product(), network_check_us=30 * MINUTE)


def bid(street: Play, pod: str, quantity_wh: int, limit: int | None) -> None:
    street.do(an_order(pod, quantity_wh=quantity_wh, limit=limit))


def offer(street: Play, pod: str, quantity_wh: int, limit: int | None) -> None:
    street.do(an_order(pod, side=Side.SELL, quantity_wh=quantity_wh, limit=limit))


def told(trades: list[Traded]) -> list[tuple[str, str, int, int]]:
    return [(one.buyer, one.seller, one.quantity_wh, one.buy_price) for one in trades]


def a_limit(bound_wh: int, **coefficients: int) -> c.SubmitLimit:
    terms = tuple(
        LimitTerm(pod=PodId(pod), coefficient=coefficient)
        for pod, coefficient in coefficients.items()
    )
    until = Instant(MIDNIGHT + ISP_US)
    limit = NetworkLimit(
        since=MIDNIGHT, until=until, terms=terms, bound_wh=bound_wh, reason="cable N4"
    )
    return c.SubmitLimit(operator=DSO, limit=limit)


# --- gates -----------------------------------------------------------------------------------


def test_gates_are_counted_from_the_start_of_the_delivery() -> None:
    product = checked()
    assert gate_opens(product, MIDNIGHT) == MIDNIGHT - 2 * DAY
    assert gate_closes(product, MIDNIGHT) == GATE
    assert check_ends(product, MIDNIGHT) == CHECKED


def test_a_gate_closes_by_the_clock_and_the_auction_follows_in_the_same_entry() -> None:
    street = a_street()
    bid(street, "h01", 300, 120_000)
    offer(street, "h02", 200, 100_000)
    closed, cleared, trade = street.until(GATE)
    assert closed == GateClosed(product=HALF_HOUR, delivery=MIDNIGHT, clears_at=None)
    assert isinstance(cleared, AuctionCleared)
    # Demand is left over, so the price is that of the buyer.
    assert (cleared.price, cleared.volume_wh) == (120_000, 200)
    assert (cleared.surplus_nano, cleared.surplus_maximum_nano) == (4_000_000, 4_000_000)
    assert isinstance(trade, Traded)
    assert (trade.trade, trade.buy_order, trade.sell_order) == (1, 1, 2)


def test_where_nothing_crosses_there_is_no_price_and_all_orders_expire() -> None:
    street = a_street()
    bid(street, "h01", 300, 90_000)
    offer(street, "h02", 200, 100_000)
    (cleared,) = of(AuctionCleared, street.until(GATE))
    assert (cleared.price, cleared.volume_wh) == (None, 0)
    assert street.exchange.state.ledger.held == {}
    assert MIDNIGHT not in street.exchange.state.market.books[HALF_HOUR]


def test_trades_are_numbered_through_all_auctions() -> None:
    street = a_street()
    for delivery in (MIDNIGHT, MIDNIGHT + ISP_US):
        street.do(an_order("h01", delivery=delivery))
        street.do(an_order("h02", side=Side.SELL, limit=100_000, delivery=delivery))
    street.until(MIDNIGHT)
    assert [trade.trade for trade in street.trades()] == [1, 2]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (c.CloseGate(product=ProductId("none"), delivery=MIDNIGHT), Reason.UNKNOWN_PRODUCT),
        (
            c.CloseGate(product=HALF_HOUR, delivery=Instant(MIDNIGHT + DAY)),
            Reason.UNKNOWN_DELIVERY,
        ),
        (c.CloseGate(product=HALF_HOUR, delivery=MIDNIGHT), Reason.NOT_DUE),
        (
            c.ClearAuction(product=ProductId("none"), delivery=MIDNIGHT),
            Reason.UNKNOWN_DELIVERY,
        ),
        (c.ClearAuction(product=HALF_HOUR, delivery=MIDNIGHT), Reason.NOT_DUE),
    ],
)
def test_nobody_hurries_the_clock(command: c.CloseGate | c.ClearAuction, why: Reason) -> None:
    assert reason(a_street().submit(command, GATE - 1)) is why


# --- the network check -----------------------------------------------------------------------


def test_who_has_no_grid_operator_waits_for_none() -> None:
    street = a_street(checked())
    (closed,) = of(GateClosed, street.until(GATE))
    assert closed.clears_at is None


def test_nothing_heard_means_accepted() -> None:
    street = a_street(checked(), operator=True)
    bid(street, "h01", 250, 120_000)
    offer(street, "h02", 250, 100_000)
    assert street.until(GATE) == [
        GateClosed(product=HALF_HOUR, delivery=MIDNIGHT, clears_at=CHECKED)
    ]
    again = c.CloseGate(product=HALF_HOUR, delivery=MIDNIGHT)
    assert reason(street.submit(again)) is Reason.NOT_DUE
    early = c.ClearAuction(product=HALF_HOUR, delivery=MIDNIGHT)
    assert reason(street.submit(early, CHECKED - 1)) is Reason.NOT_DUE
    assert told(of(Traded, street.until(CHECKED))) == [("h01", "h02", 250, 110_000)]
    assert street.exchange.state.ledger.held == {"h02/p02": 250 * 140_000}


def test_what_is_curtailed_during_the_check_trades_no_more() -> None:
    street = a_street(checked(), operator=True)
    bid(street, "h01", 250, 120_000)
    offer(street, "h02", 250, 100_000)
    curtailed = c.CurtailOrder(operator=DSO, order=OrderId(2), quantity_wh=100, reason="cable N4")
    street.do(curtailed, GATE)
    assert told(of(Traded, street.until(CHECKED))) == [("h01", "h02", 100, 120_000)]


def test_a_limit_takes_out_the_order_placed_last_among_those_that_worsen_it() -> None:
    street = a_street(checked(), operator=True)
    bid(street, "h01", 600, 120_000)
    for pod in ("h02", "h03", "h04"):
        offer(street, pod, 200, 100_000)
    # h02 and h04 inject behind one cable; h03 does not.
    street.do(a_limit(300, h02=1, h04=1), GATE)
    curtailed, cleared, *trades = street.clear(MIDNIGHT)
    assert isinstance(curtailed, OrderCurtailed)
    assert (curtailed.order, curtailed.quantity_wh) == (4, 0)
    assert curtailed.reason == "cable N4: 400 Wh; 300 Wh is the most"
    assert isinstance(cleared, AuctionCleared)
    assert cleared.volume_wh == 400
    assert {one.seller for one in of(Traded, trades)} == {"h02", "h03"}
    assert street.held("h04/p04") == 0


def test_a_limit_may_look_the_other_way_and_trade_within_it_relieves() -> None:
    street = a_street(checked(), operator=True)
    bid(street, "h01", 400, 120_000)
    bid(street, "h02", 100, 130_000)
    offer(street, "h03", 500, 100_000)
    # Drawing at h01 and h02 loads the cable; what h03 injects behind it relieves.
    street.do(a_limit(0, h01=-1, h02=-1, h03=-1), GATE)
    street.do(a_limit(450, h01=-1, h02=-1), GATE)
    events = street.until(CHECKED)
    assert [one.order for one in of(OrderCurtailed, events)] == [2]
    assert told(of(Traded, events)) == [("h01", "h03", 400, 100_000)]


def test_an_order_that_lost_its_place_counts_as_placed_later() -> None:
    street = a_street(checked(), operator=True)
    bid(street, "h01", 400, 120_000)
    offer(street, "h02", 200, 100_000)
    offer(street, "h03", 200, 100_000)
    amended = c.AmendOrder(order=OrderId(2), pod=PodId("h02"), quantity_wh=200, limit=100_010)
    street.do(amended)
    street.do(a_limit(200, h02=1, h03=1), GATE)
    assert [one.order for one in of(OrderCurtailed, street.until(CHECKED))] == [2]


def test_limits_that_leave_no_room_take_out_every_order_that_worsens_them() -> None:
    street = a_street(checked(), operator=True)
    bid(street, "h01", 400, 120_000)
    offer(street, "h02", 200, 100_000)
    offer(street, "h03", 200, 100_000)
    street.do(a_limit(0, h02=2, h03=3), GATE)
    events = street.until(CHECKED)
    assert [one.order for one in of(OrderCurtailed, events)] == [3, 2]
    assert of(AuctionCleared, events)[0].volume_wh == 0


def test_the_role_may_be_given_up_during_the_check() -> None:
    street = a_street(checked(), operator=True)
    street.until(GATE)
    street.do(c.RegisterParty(party=a_party(DSO, roles=(Role.SUPPLIER,))))
    assert of(AuctionCleared, street.until(CHECKED))


# --- what a product may choose ---------------------------------------------------------------


def test_pay_as_bid_pays_each_its_limit_and_a_market_order_the_clearing_price() -> None:
    street = a_street(structs.replace(a_product(), pricing=Pricing.PAY_AS_BID))
    bid(street, "h01", 100, None)
    bid(street, "h02", 100, 120_000)
    offer(street, "h03", 200, 100_000)
    trades = of(Traded, street.until(GATE))
    assert [(one.buy_price, one.sell_price) for one in trades] == [
        (110_000, 100_000),
        (120_000, 100_000),
    ]


def test_the_network_fee_is_paid_on_top_by_the_buyer() -> None:
    street = a_street(structs.replace(a_product(), network_fee=20_000))
    bid(street, "h01", 100, 130_000)
    offer(street, "h02", 200, 100_000)
    (trade,) = of(Traded, street.until(GATE))
    assert (trade.buy_price, trade.sell_price) == (120_000, 100_000)


@pytest.mark.parametrize(
    ("margin", "filled"),
    [(Margin.PRO_RATA, {"h02": 100, "h03": 200}), (Margin.TIME, {"h02": 150, "h03": 150})],
)
def test_the_margin_is_shared_as_the_product_says(margin: Margin, filled: dict[str, int]) -> None:
    street = a_street(structs.replace(a_product(), margin=margin))
    bid(street, "h01", 300, 120_000)
    offer(street, "h02", 150, 100_000)
    offer(street, "h03", 300, 100_000)
    trades = of(Traded, street.until(GATE))
    assert {one.seller: one.quantity_wh for one in trades} == filled


def test_two_products_trade_the_same_delivery_one_after_the_other() -> None:
    street = a_street()
    street.do(c.DefineProduct(product=a_product("late", closes_before_us=HOUR)))
    street.do(
        c.ListDeliveries(product=ProductId("late"), day="2013-06-10", start=MIDNIGHT, count=2)
    )
    for product in ("halfhour", "late"):
        street.do(an_order("h01", product=product))
        street.do(an_order("h02", side=Side.SELL, limit=100_000, product=product))
    cleared = of(AuctionCleared, street.until(GATE))
    assert [one.product for one in cleared] == ["halfhour", "late"]
    assert [trade.product for trade in street.trades()] == ["halfhour", "late"]


def test_a_newcomer_sells_at_its_own_tariff_at_risk() -> None:
    street = a_street(pods=2)
    assert pod_facts().tariff == "flat"
    bid(street, "h01", 250, 120_000)
    offer(street, "h02", 250, 100_000)
    (trade,) = of(Traded, street.until(GATE))
    # What it sold it may have to buy back at the energy price.
    assert trade.hold_nano == 250 * 140_000
