from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import MIDNIGHT
from wattbay.adapters.api.stream.orders import Orders, Status, row
from wattbay.core import events as e
from wattbay.core.facts import Side
from wattbay.core.terms import Ended, OrderTerms
from wattbay.ids import OrderId, PodId, ProductId, TradeId
from wattbay.periods import Instant

PRODUCT = ProductId("halfhour")
PLACE = (PRODUCT, MIDNIGHT)


def placed(
    order: int = 1,
    *,
    pod: str = "h01",
    side: Side = Side.BUY,
    quantity_wh: int = 100,
    limit: int | None = 50,
    **more: Any,  # noqa: ANN401 - fields of the event
) -> e.OrderPlaced:
    return e.OrderPlaced(
        order=OrderId(order),
        pod=PodId(pod),
        product=PRODUCT,
        delivery=MIDNIGHT,
        side=side,
        quantity_wh=quantity_wh,
        limit=limit,
        hold_nano=0,
        **more,
    )


def traded(buy: int, sell: int, quantity_wh: int) -> e.Traded:
    return e.Traded(
        trade=TradeId(1),
        product=PRODUCT,
        delivery=MIDNIGHT,
        buyer=PodId("h01"),
        seller=PodId("h02"),
        buy_order=OrderId(buy),
        sell_order=OrderId(sell),
        quantity_wh=quantity_wh,
        buy_price=50,
        sell_price=50,
        hold_nano=0,
    )


def cancelled(order: int, reason: Ended = Ended.USER, **more: Any) -> e.OrderCancelled:  # noqa: ANN401 - fields of the event
    return e.OrderCancelled(
        order=OrderId(order), product=PRODUCT, delivery=MIDNIGHT, reason=reason, **more
    )


CLEARED = e.AuctionCleared(
    product=PRODUCT,
    delivery=MIDNIGHT,
    price=50,
    volume_wh=0,
    surplus_nano=0,
    surplus_maximum_nano=0,
)


def told(orders: Orders, *events: e.Event) -> list[tuple[int, Status, int]]:
    """Return number, status and what is filled of each order that an entry touched."""
    return [(one.order, one.status, one.filled_wh) for one in orders.fold(events)]


def sides(orders: Orders) -> tuple[object, object]:
    depth = orders.depth(PLACE)
    return depth["buy"], depth["sell"]


def test_an_order_is_told_as_it_stands_once_an_entry() -> None:
    orders = Orders()
    assert told(orders, placed()) == [(1, Status.OPEN, 0)]
    more = placed(2, pod="h02", side=Side.SELL, quantity_wh=150)
    assert told(orders, more, traded(1, 2, 60), traded(1, 2, 40)) == [
        (2, Status.OPEN, 100),
        (1, Status.FILLED, 100),
    ]
    assert [one.order for one in orders.of(PodId("h01"))] == []
    assert [one.open_wh for one in orders.of(PodId("h02"))] == [50]
    assert sides(orders) == ([], [[50, 50]])


def test_what_an_auction_leaves_has_expired_though_trades_come_after_the_clearing() -> None:
    orders = Orders()
    orders.fold([placed(1), placed(2, limit=60), placed(3, pod="h02", side=Side.SELL)])
    assert told(orders, CLEARED, traded(2, 3, 100)) == [
        (2, Status.FILLED, 100),
        (3, Status.FILLED, 100),
        (1, Status.EXPIRED, 0),
    ]
    assert sides(orders) == ([], [])


def test_an_order_that_ends_says_how() -> None:
    orders = Orders()
    orders.fold([placed(number) for number in range(1, 5)])
    assert told(orders, cancelled(1)) == [(1, Status.CANCELLED, 0)]
    assert told(orders, cancelled(2, Ended.GATE_CLOSED)) == [(2, Status.EXPIRED, 0)]
    curtailed = e.OrderCurtailed(
        order=OrderId(3), product=PRODUCT, delivery=MIDNIGHT, quantity_wh=0, hold_nano=0,
        reason="cable",
    )  # fmt: skip
    assert told(orders, curtailed) == [(3, Status.CURTAILED, 0)]
    part = cancelled(4, Ended.SELF_TRADE, quantity_wh=30, is_over=False)
    assert told(orders, part) == [(4, Status.OPEN, 0)]
    assert sides(orders) == ([[50, 70]], [])
    assert told(orders, cancelled(99)) == []


def test_an_order_that_waits_is_not_in_the_book_until_it_acts() -> None:
    orders = Orders()
    assert told(orders, placed(waits=True)) == [(1, Status.WAITING, 0)]
    assert sides(orders) == ([], [])
    orders.fold([e.OrderReleased(order=OrderId(1), product=PRODUCT, delivery=MIDNIGHT)])
    assert sides(orders) == ([[50, 100]], [])
    suspended = e.OrderSuspended(
        order=OrderId(1), product=PRODUCT, delivery=MIDNIGHT, reason="limit"
    )
    assert told(orders, suspended) == [(1, Status.WAITING, 0)]
    assert sides(orders) == ([], [])


def test_no_more_of_an_order_is_shown_than_its_peak() -> None:
    orders = Orders()
    orders.fold([placed(quantity_wh=1_000, terms=OrderTerms(peak_wh=100))])
    assert sides(orders) == ([[50, 100]], [])
    orders.fold([traded(1, 9, 950)])
    assert sides(orders) == ([[50, 50]], [])


def test_an_amended_order_moves_to_its_new_limit() -> None:
    orders = Orders()
    orders.fold([placed()])
    amended = e.OrderAmended(
        order=OrderId(1), product=PRODUCT, delivery=MIDNIGHT, quantity_wh=80, limit=40,
        hold_nano=0, keeps_place=False,
    )  # fmt: skip
    orders.fold([amended])
    assert sides(orders) == ([[40, 80]], [])


def test_levels_are_told_best_first_and_nobody_is_named() -> None:
    orders = Orders()
    orders.fold(
        [placed(number, limit=number % 3 * 10) for number in range(1, 10)]
        + [
            placed(number, pod="h02", side=Side.SELL, limit=100 + number % 2)
            for number in range(10, 14)
        ]
        + [placed(20, limit=None)]
    )
    depth = orders.depth(PLACE)
    assert depth["buy"] == [[20, 300], [10, 300], [0, 300]]
    assert depth["sell"] == [[100, 200], [101, 200]]
    assert depth["buy_without_limit_wh"] == 100
    assert "h0" not in str(depth)


def test_a_row_names_everything_that_its_party_may_know() -> None:
    (standing,) = Orders().fold([placed()])
    assert row(standing) == {
        "order": 1,
        "pod": "h01",
        "product": "halfhour",
        "delivery": "2013-06-10T00:00Z",
        "side": Side.BUY,
        "quantity_wh": 100,
        "filled_wh": 0,
        "limit_nano_per_wh": 50,
        "status": Status.OPEN,
        "reason": "",
    }


Change = tuple[str, int, int]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["place", "fill", "cancel", "amend", "wait", "act", "clear"]),
            st.integers(1, 12),
            st.integers(1, 100),
        ),
        max_size=60,
    )
)
def test_levels_are_the_sums_of_what_stands_and_nothing_is_kept_of_what_is_over(
    changes: Iterable[Change],
) -> None:
    orders, known = Orders(), set[int]()
    for act, number, amount in changes:
        event = _event(act, number, amount, known)
        if event is not None:
            orders.fold([event])
    standing = [one for pod in ("h0", "h1", "h2") for one in orders.of(PodId(pod))]
    open_ones = [one for one in standing if one.status is Status.OPEN]
    assert all(one.status in {Status.OPEN, Status.WAITING} for one in standing)
    for side, name in ((Side.BUY, "buy"), (Side.SELL, "sell")):
        sums: dict[int, int] = {}
        for one in open_ones:
            if one.side is side and one.limit is not None:
                sums[one.limit] = sums.get(one.limit, 0) + one.open_wh
        ordered = sorted(sums.items(), reverse=side is Side.BUY)
        assert orders.depth(PLACE)[name] == [list(level) for level in ordered]


def _event(act: str, number: int, amount: int, known: set[int]) -> e.Event | None:
    order, at = OrderId(number), Instant(MIDNIGHT)
    if act == "place":
        if number in known:
            return None
        known.add(number)
        side = Side.BUY if number % 2 else Side.SELL
        return placed(number, pod=f"h{number % 3}", side=side, limit=amount % 5)
    match act:
        case "fill":
            return traded(number, 99, amount)
        case "cancel":
            return cancelled(number)
        case "amend":
            return e.OrderAmended(
                order=order, product=PRODUCT, delivery=at, quantity_wh=amount,
                limit=amount % 7, hold_nano=0, keeps_place=False,
            )  # fmt: skip
        case "wait":
            return e.OrderSuspended(order=order, product=PRODUCT, delivery=at, reason="x")
        case "act":
            return e.OrderReleased(order=order, product=PRODUCT, delivery=at)
        case _:
            return CLEARED
