"""Auctions within network limits, against taking out one order at a time."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tests.builders import MIDNIGHT, a_product, pod_facts
from wattbay.core.facts import LimitTerm, NetworkLimit, Side
from wattbay.core.market import auction
from wattbay.core.market.network import TRIALS_MAX, clear_within
from wattbay.core.market.orders import Book, Market, Order
from wattbay.core.registry import Registry
from wattbay.ids import OrderId, PodId
from wattbay.periods import Instant

PRODUCT = a_product()
PODS = [PodId(f"h{number}") for number in range(4)]

orders_of_books = st.lists(
    st.builds(
        Order,
        order=st.just(OrderId(0)),
        pod=st.sampled_from(PODS),
        side=st.sampled_from(Side),
        quantity_wh=st.integers(1, 20),
        limit=st.none() | st.integers(0, 6).map(lambda ticks: ticks * 10),
        hold_nano=st.just(0),
        account=st.just(""),
    ),
    max_size=14,
)
limits_of_networks = st.builds(
    NetworkLimit,
    since=st.just(MIDNIGHT),
    until=st.just(Instant(MIDNIGHT + 1)),
    terms=st.lists(st.integers(-2, 2), min_size=4, max_size=4).map(
        lambda numbers: tuple(
            LimitTerm(pod=pod, coefficient=number)
            for pod, number in zip(PODS, numbers, strict=True)
        )
    ),
    bound_wh=st.integers(0, 30),
    reason=st.just("cable"),
)


def the_market(orders: list[Order], limits: list[NetworkLimit]) -> tuple[Registry, Market]:
    book = Book()
    for number, order in enumerate(orders, 1):
        order.order = OrderId(number)
        book.orders[order.order] = order
    registry = Registry(products={PRODUCT.product: PRODUCT})
    registry.pods = {pod: [pod_facts(pod)] for pod in PODS}
    return registry, Market(books={PRODUCT.product: {MIDNIGHT: book}}, limits=limits)


def clear(orders: list[Order]) -> dict[OrderId, int]:
    """Return what each order gets, positive where it injects."""
    buys = [order for order in orders if order.side is Side.BUY]
    sells = [order for order in orders if order.side is Side.SELL]
    rules = auction.Rules(
        PRODUCT.pricing, PRODUCT.margin, PRODUCT.reference, PRODUCT.price_tick, PRODUCT.network_fee
    )
    columns = [
        auction.Orders([one.limit for one in side], [one.quantity_wh for one in side])
        for side in (buys, sells)
    ]
    result = auction.clear(columns[0], columns[1], rules)
    bought = {one.order: -fill for one, fill in zip(buys, result.buy_fills, strict=True)}
    sold = {one.order: fill for one, fill in zip(sells, result.sell_fills, strict=True)}
    return bought | sold


def load(orders: list[Order], limit: NetworkLimit) -> int:
    of_pod = {term.pod: term.coefficient for term in limit.terms}
    fills = clear(orders)
    return sum(of_pod[order.pod] * fills[order.order] for order in orders)


def worsens(order: Order, limit: NetworkLimit) -> bool:
    sign = -1 if order.side is Side.BUY else 1
    return any(term.pod == order.pod and term.coefficient * sign > 0 for term in limit.terms)


def loads_one_by_one(orders: list[Order], limit: NetworkLimit) -> list[int]:
    """Return the load with 0, 1, 2, … of the latest worsening orders out."""
    left = list(orders)
    loads = [load(left, limit)]
    for order in reversed([order for order in orders if worsens(order, limit)]):
        left.remove(order)
        loads.append(load(left, limit))
    return loads


@given(orders_of_books, limits_of_networks)
def test_bisection_takes_out_what_one_by_one_does(orders: list[Order], limit: NetworkLimit) -> None:
    outcome = clear_within(*the_market(orders, [limit]), PRODUCT, MIDNIGHT)
    gone = [cut.order.order for cut in outcome.cuts]
    latest = [order.order for order in reversed(orders) if worsens(order, limit)]
    assert gone == latest[: len(gone)]
    loads = loads_one_by_one(orders, limit)
    kept = [amount <= limit.bound_wh for amount in loads]
    assert kept[len(gone)]
    assert not gone or not kept[len(gone) - 1]
    # Where keeping it with some gone means keeping it with more gone, the two are the same.
    if kept == sorted(kept):
        assert len(gone) == kept.index(True)


@given(orders_of_books, st.lists(limits_of_networks, max_size=4))
@example([], [])
def test_no_limit_is_breached_and_only_who_worsens_one_gives_way(
    orders: list[Order], limits: list[NetworkLimit]
) -> None:
    outcome = clear_within(*the_market(orders, limits), PRODUCT, MIDNIGHT)
    gone = {cut.order.order for cut in outcome.cuts}
    left = [order for order in orders if order.order not in gone]
    assert len(gone) == len(outcome.cuts)
    assert {order.order for order in (*outcome.buys, *outcome.sells)} == {o.order for o in left}
    assert all(load(left, limit) <= limit.bound_wh for limit in limits)
    assert all(any(worsens(cut.order, limit) for limit in limits) for cut in outcome.cuts)
    fills = clear(left)
    assert sum(outcome.result.buy_fills) == -sum(min(0, fill) for fill in fills.values())


def test_when_the_search_took_too_long_limits_are_kept_all_the_same() -> None:
    seller = PODS[0]
    orders = [Order(OrderId(0), seller, Side.SELL, 10, 40, 0, "") for _ in range(100)]
    orders.append(Order(OrderId(0), PODS[1], Side.BUY, 1_000, 40, 0, ""))
    # Each is breached by two orders, which are found in five trials.
    limits = [
        NetworkLimit(
            since=MIDNIGHT,
            until=Instant(MIDNIGHT + 1),
            terms=(LimitTerm(pod=seller, coefficient=1),),
            bound_wh=bound,
            reason="cable",
        )
        for bound in range(980, -1, -20)
    ]
    assert 5 * len(limits) > TRIALS_MAX
    outcome = clear_within(*the_market(orders, limits), PRODUCT, MIDNIGHT)
    assert [cut.order.order for cut in outcome.cuts] == list(range(100, 0, -1))
    assert outcome.result.volume == 0
