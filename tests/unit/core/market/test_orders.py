"""The life of an order: what is refused, what is held for it, and how it ends."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import (
    EVE,
    ISP_US,
    MIDNIGHT,
    a_deposit,
    a_meter,
    a_party,
    a_product,
    a_tariff,
    a_town,
    an_order,
    pod_facts,
)
from tests.play import Play, of, reason
from wattbay.core import commands as c
from wattbay.core.events import OrderAmended, OrderCancelled, OrderCurtailed, OrderPlaced
from wattbay.core.facts import Funding, Mechanism, Product, Role, Side
from wattbay.core.market.orders import (
    ORDERS_PER_DELIVERY_MAX,
    short_price,
    worst_case,
)
from wattbay.core.reasons import Reason
from wattbay.ids import OrderId, PartyId, PodId, ProductId
from wattbay.periods import DAY, HOUR, Instant

GATE = Instant(MIDNIGHT - HOUR)
DSO = PartyId("dso")
H01, H02 = PodId("h01"), PodId("h02")


def a_street(product: Product | None = None) -> Play:
    operator = c.RegisterParty(party=a_party(DSO, roles=(Role.GRID_OPERATOR,)))
    return Play([*a_town(2, product=product), operator])


def placed(street: Play, command: c.PlaceOrder | None = None) -> OrderPlaced:
    (event,) = of(OrderPlaced, street.do(an_order() if command is None else command))
    return event


def amendment(quantity_wh: int, limit: int | None, **changed: object) -> c.AmendOrder:
    command = c.AmendOrder(order=OrderId(1), pod=H01, quantity_wh=quantity_wh, limit=limit)
    return structs.replace(command, **changed)


def cancellation(pod: PodId = H01, order: int = 1) -> c.CancelOrder:
    return c.CancelOrder(order=OrderId(order), pod=pod)


def curtailment(quantity_wh: int, order: int = 1, operator: PartyId = DSO) -> c.CurtailOrder:
    return c.CurtailOrder(
        operator=operator, order=OrderId(order), quantity_wh=quantity_wh, reason="cable N4"
    )


def in_line(street: Play) -> list[tuple[int, int, int | None]]:
    """Return what stands for the first delivery, by place in time."""
    book = street.exchange.state.market.books[ProductId("halfhour")][MIDNIGHT]
    return [(order.order, order.quantity_wh, order.limit) for order in book.orders.values()]


# --- placing ---------------------------------------------------------------------------------


def test_orders_are_numbered_as_they_come() -> None:
    street = a_street()
    assert [placed(street).order, placed(street, an_order("h02")).order] == [1, 2]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (an_order(product="none"), Reason.UNKNOWN_PRODUCT),
        (an_order(delivery=MIDNIGHT + DAY), Reason.UNKNOWN_DELIVERY),
        (an_order(delivery=MIDNIGHT + 1), Reason.UNKNOWN_DELIVERY),
        (an_order(delivery=EVE), Reason.GATE_CLOSED),
        (an_order("h99"), Reason.UNKNOWN_POD),
        (an_order(quantity_wh=0), Reason.BAD_QUANTITY),
        (an_order(quantity_wh=100_010), Reason.BAD_QUANTITY),
        (an_order(quantity_wh=255), Reason.OFF_TICK),
        (an_order(limit=500_010), Reason.PRICE_LIMIT),
        (an_order(limit=-500_010), Reason.PRICE_LIMIT),
        (an_order(limit=120_005), Reason.OFF_TICK),
    ],
)
def test_an_order_that_cannot_be_is_refused(command: c.PlaceOrder, why: Reason) -> None:
    assert reason(a_street(structs.replace(a_product(), energy_tick=10)).submit(command)) is why


def test_an_action_stamped_at_gate_closure_is_late() -> None:
    street = a_street()
    placed(street)
    street.do(an_order(), GATE - 1)
    assert reason(street.submit(an_order(), GATE)) is Reason.GATE_CLOSED


def test_while_the_grid_operator_checks_the_gate_is_closed() -> None:
    street = a_street(structs.replace(a_product(), network_check_us=HOUR))
    placed(street)
    for late in (an_order(), amendment(100, 100_000), cancellation()):
        assert reason(street.submit(late, GATE)) is Reason.GATE_CLOSED


def test_before_its_gate_opens_no_order_is_taken() -> None:
    street = a_street(a_product(opens_before_us=2 * HOUR))
    assert reason(street.submit(an_order(), GATE - HOUR - 1)) is Reason.GATE_NOT_OPEN
    street.do(an_order(), GATE - HOUR)


def test_a_pod_that_is_connected_later_cannot_order_for_before() -> None:
    street = a_street()
    facts = pod_facts("h09", party="p01", since=MIDNIGHT + ISP_US)
    street.do(c.RegisterPod(facts=facts, meter=a_meter("m-h09")))
    assert reason(street.submit(an_order("h09"))) is Reason.UNKNOWN_POD
    street.do(an_order("h09", delivery=MIDNIGHT + ISP_US))


def test_a_pod_has_as_many_open_orders_for_a_delivery_as_the_product_allows() -> None:
    street = a_street(a_product(orders_per_pod_max=2))
    placed(street)
    placed(street)
    assert reason(street.submit(an_order())) is Reason.TOO_MANY
    placed(street, an_order(delivery=MIDNIGHT + ISP_US))
    placed(street, an_order("h02"))
    street.do(cancellation())
    placed(street)


def test_a_book_is_bounded() -> None:
    street = a_street()
    placed(street)
    book = street.exchange.state.market.books[ProductId("halfhour")][MIDNIGHT]
    book.orders = dict.fromkeys(
        map(OrderId, range(ORDERS_PER_DELIVERY_MAX)), book.orders[OrderId(1)]
    )
    assert reason(street.submit(an_order("h02"))) is Reason.TOO_MANY


# --- what is held ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "limit", "held"),
    [
        (Side.BUY, 120_000, 120_000),
        (Side.BUY, 0, 0),
        (Side.BUY, -50, 0),
        (Side.BUY, None, 500_000),  # a market order may pay the highest price
        (Side.SELL, 100_000, 40_000),  # bought back at 140,000
        (Side.SELL, 140_000, 0),
        (Side.SELL, -10_000, 150_000),
        (Side.SELL, None, 640_000),  # sold at the lowest price and bought back
    ],
)
def test_the_worst_case_of_an_order_is_held_to_the_nano(
    side: Side, limit: int | None, held: int
) -> None:
    assert worst_case(a_product(), a_tariff(), side, 3, limit) == 3 * held
    street = a_street()
    assert placed(street, an_order(side=side, limit=limit)).hold_nano == 250 * held
    assert street.held("h01/p01") == 250 * held


@pytest.mark.parametrize("mechanism", [Mechanism.CALL_AUCTION, Mechanism.CONTINUOUS])
@pytest.mark.parametrize("side", [*Side])
def test_what_a_market_order_comes_to_with_the_network_fee_was_held_for_it(
    mechanism: Mechanism, side: Side
) -> None:
    product = structs.replace(a_product(), mechanism=mechanism, network_fee=10_000)
    street = Play(a_town(2, product=product))
    other, worst = (Side.SELL, 500_000) if side is Side.BUY else (Side.BUY, -500_000)
    street.do(an_order("h01", side=other, limit=worst))
    events = street.do(an_order("h02", side=side, limit=None))
    (order,) = of(OrderPlaced, events)
    street.until(MIDNIGHT)
    (trade,) = street.trades()
    paid = trade.buy_price if side is Side.BUY else trade.hold_nano // 250 - trade.sell_price
    assert order.hold_nano >= 250 * paid == -street.balance("h02/p02") + street.held("h02/p02")


def test_being_short_costs_the_dearest_of_the_prices_that_may_apply() -> None:
    tariff = a_tariff(energy=-5)
    assert short_price(a_product(), tariff) == -5
    assert short_price(structs.replace(a_product(), single_price=0), tariff) == 0
    named = structs.replace(a_product(), single_price=7, short_price=9, pool_price=8)
    assert short_price(named, tariff) == 9


def test_an_order_beyond_the_credit_limit_is_refused() -> None:
    street = a_street()
    street.do(c.RegisterParty(party=a_party("p01", credit_limit_nano=250 * 120_000)))
    placed(street)
    assert reason(street.submit(an_order(quantity_wh=1))) is Reason.NO_COLLATERAL
    placed(street, an_order(limit=0))


def test_a_prepaid_party_orders_what_it_has_paid_for() -> None:
    street = a_street()
    prepaid = a_party("p01", funding=Funding.PREPAID, credit_limit_nano=10**12)
    street.do(c.RegisterParty(party=prepaid))
    assert reason(street.submit(an_order(quantity_wh=1))) is Reason.NO_COLLATERAL
    street.do(a_deposit(party="p01", amount_nano=250 * 120_000 + 7))
    placed(street)
    assert reason(street.submit(an_order(quantity_wh=1))) is Reason.NO_COLLATERAL
    street.do(cancellation())
    assert street.held("h01/p01") == 0


def test_the_pods_of_a_party_share_its_credit() -> None:
    street = a_street()
    street.do(c.RegisterPod(facts=pod_facts("h03", party="p01"), meter=a_meter("m-h03")))
    street.do(c.RegisterParty(party=a_party("p01", credit_limit_nano=250 * 120_000)))
    placed(street)
    assert reason(street.submit(an_order("h03", quantity_wh=1))) is Reason.NO_COLLATERAL


# --- amending --------------------------------------------------------------------------------


def test_an_order_that_stays_as_it_is_keeps_its_place() -> None:
    street = a_street()
    placed(street)
    placed(street)
    street.do(amendment(250, 120_000))
    assert in_line(street) == [(1, 250, 120_000), (2, 250, 120_000)]


def test_less_of_an_order_keeps_its_place_and_releases_what_it_risks_less() -> None:
    street = a_street()
    placed(street)
    placed(street)
    (event,) = of(OrderAmended, street.do(amendment(200, 120_000)))
    assert (event.keeps_place, event.hold_nano) == (True, 200 * 120_000)
    assert in_line(street) == [(1, 200, 120_000), (2, 250, 120_000)]
    assert street.held("h01/p01") == 450 * 120_000


@pytest.mark.parametrize(
    ("quantity_wh", "limit"), [(251, 120_000), (250, 120_010), (100, 110_000), (250, None)]
)
def test_more_of_an_order_or_another_limit_loses_its_place(
    quantity_wh: int, limit: int | None
) -> None:
    street = a_street()
    placed(street)
    placed(street)
    street.do(amendment(quantity_wh, limit))
    assert in_line(street) == [(2, 250, 120_000), (1, quantity_wh, limit)]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (amendment(100, 120_000, order=OrderId(9)), Reason.UNKNOWN_ORDER),
        (amendment(100, 120_000, pod=H02), Reason.UNKNOWN_ORDER),
        (amendment(0, 120_000), Reason.BAD_QUANTITY),
        (amendment(100, 120_001), Reason.OFF_TICK),
        (amendment(260, 120_000), Reason.NO_COLLATERAL),
    ],
)
def test_an_amendment_that_cannot_be_is_refused(command: c.AmendOrder, why: Reason) -> None:
    street = a_street()
    street.do(c.RegisterParty(party=a_party("p01", credit_limit_nano=250 * 120_000)))
    placed(street)
    assert reason(street.submit(command)) is why


def test_who_has_no_credit_left_may_still_risk_less() -> None:
    street = a_street()
    placed(street)
    street.do(c.RegisterParty(party=a_party("p01", credit_limit_nano=0)))
    assert reason(street.submit(amendment(249, 121_000))) is Reason.NO_COLLATERAL
    street.do(amendment(249, 120_000))
    assert street.held("h01/p01") == 249 * 120_000


# --- cancelling ------------------------------------------------------------------------------


def test_a_cancelled_order_is_gone_and_holds_nothing() -> None:
    street = a_street()
    placed(street)
    placed(street)
    assert of(OrderCancelled, street.do(cancellation()))[0].order == 1
    assert in_line(street) == [(2, 250, 120_000)]
    assert street.held("h01/p01") == 250 * 120_000
    assert reason(street.submit(cancellation())) is Reason.UNKNOWN_ORDER


def test_nobody_cancels_the_order_of_another() -> None:
    street = a_street()
    placed(street)
    assert reason(street.submit(cancellation(H02))) is Reason.UNKNOWN_ORDER


def test_orders_of_another_product_are_found_as_well() -> None:
    street = a_street()
    street.do(c.DefineProduct(product=a_product("other")))
    listed = c.ListDeliveries(product=ProductId("other"), day="2013-06-10", start=MIDNIGHT, count=2)
    street.do(listed)
    placed(street, an_order(product="other", delivery=MIDNIGHT + ISP_US))
    (event,) = of(OrderCancelled, street.do(cancellation()))
    assert (event.product, event.delivery) == ("other", MIDNIGHT + ISP_US)


# --- the grid operator -----------------------------------------------------------------------


def test_a_curtailed_order_keeps_its_place_and_holds_less() -> None:
    street = a_street()
    placed(street)
    placed(street)
    (event,) = of(OrderCurtailed, street.do(curtailment(100)))
    assert (event.reason, event.hold_nano) == ("cable N4", 100 * 120_000)
    assert in_line(street) == [(1, 100, 120_000), (2, 250, 120_000)]
    assert street.held("h01/p01") == 350 * 120_000


def test_an_order_curtailed_to_zero_is_gone() -> None:
    street = a_street()
    placed(street)
    street.do(curtailment(0))
    assert in_line(street) == []
    assert street.held("h01/p01") == 0


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (curtailment(100, operator=PartyId("p01")), Reason.NOT_ALLOWED),
        (curtailment(100, order=9), Reason.UNKNOWN_ORDER),
        (curtailment(-10), Reason.BAD_QUANTITY),
        (curtailment(250), Reason.BAD_QUANTITY),
        (curtailment(95), Reason.OFF_TICK),
    ],
)
def test_a_curtailment_that_cannot_be_is_refused(command: c.CurtailOrder, why: Reason) -> None:
    street = a_street(structs.replace(a_product(), energy_tick=10))
    placed(street)
    assert reason(street.submit(command)) is why
