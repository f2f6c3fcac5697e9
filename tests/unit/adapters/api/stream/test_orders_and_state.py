"""What the stream says of orders is what the exchange knows of them, after any day of trading."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.batches import Step, a_batch
from tests.builders import EVE, ISP_US, MIDNIGHT, an_order
from tests.continuous import DSO, HALF_HOUR, a_continuous, a_street
from wattbay.adapters.api.stream.orders import Orders, Standing, Status, row
from wattbay.core import commands as c
from wattbay.core.batches import AMEND, CANCEL, NEW, NEW_IOC
from wattbay.core.facts import LimitTerm, Mechanism, NetworkLimit, Product, SelfTrade, Side
from wattbay.core.market.steps import BUY, SELL
from wattbay.core.terms import GridBalance, Kind, OrderTerms, TimeInForce
from wattbay.ids import OrderId, PodId, ZoneId
from wattbay.periods import HOUR, Instant

PODS = ("h01", "h02", "h03", "h04")

quantities = st.integers(1, 9).map(lambda n: 10 * n)
limits = st.integers(8, 13).map(lambda n: 10_000 * n)
deliveries = st.integers(0, 1).map(lambda n: Instant(MIDNIGHT + n * ISP_US))
instants = st.integers(1, 24).map(lambda hours: Instant(EVE + hours * HOUR))
orders = st.integers(1, 20).map(OrderId)
pods = st.sampled_from(PODS).map(PodId)
terms = st.one_of(
    st.none(),
    st.none(),
    st.builds(OrderTerms, peak_wh=quantities),
    st.builds(OrderTerms, post_only=st.just(True)),
    st.builds(OrderTerms, time_in_force=st.just(TimeInForce.GTD), expires=instants),
    st.builds(OrderTerms, valid_from=instants),
    st.builds(OrderTerms, grid=st.sampled_from(GridBalance)),
    st.builds(OrderTerms, time_in_force=st.sampled_from((TimeInForce.IOC, TimeInForce.FOK))),
    st.builds(OrderTerms, kind=st.just(Kind.STOP_LIMIT), stop=limits),
)
placements = st.builds(
    lambda terms, **more: structs.replace(an_order(**more), terms=terms),
    terms,
    pod=pods,
    side=st.sampled_from(Side),
    quantity_wh=quantities,
    limit=limits,
    delivery=deliveries,
)
network_limits = st.builds(
    lambda coefficient: c.SubmitLimit(
        operator=DSO,
        limit=NetworkLimit(
            since=MIDNIGHT,
            until=Instant(MIDNIGHT + ISP_US),
            terms=(LimitTerm(coefficient=coefficient, zone=ZoneId("z1")),),
            bound_wh=100,
            reason="cable",
        ),
    ),
    st.sampled_from((1, -1)),
)
steps = st.one_of(
    st.builds(Step, st.sampled_from((NEW, NEW_IOC)), st.integers(0, 3), st.just(0),
              st.sampled_from((1, -1)), limits, quantities),
    st.builds(Step, st.just(AMEND), st.integers(0, 3), st.integers(1, 20), st.just(0), limits,
              quantities),
    st.builds(Step, st.just(CANCEL), st.integers(0, 3), st.integers(1, 20), st.just(0),
              st.just(0), st.just(0)),
)  # fmt: skip
batches = st.lists(steps, min_size=1, max_size=12).map(a_batch)
anything = st.one_of(
    placements,
    placements,
    batches,
    st.builds(c.AmendOrder, order=orders, pod=pods, quantity_wh=quantities, limit=limits),
    st.builds(c.CancelOrder, order=orders, pod=pods),
    st.builds(
        c.CancelOrders,
        pod=pods,
        product=st.just(HALF_HOUR),
        delivery=st.one_of(st.none(), deliveries),
    ),
    st.builds(
        c.CurtailOrder,
        operator=st.just(DSO),
        order=orders,
        quantity_wh=st.sampled_from((0, 10, 20)),
        reason=st.just("cable"),
    ),
    network_limits,
    st.sampled_from((HOUR, 11 * HOUR)),
)
products = st.builds(
    a_continuous,
    mechanism=st.sampled_from((Mechanism.CONTINUOUS, Mechanism.CONTINUOUS, Mechanism.CALL_AUCTION)),
    self_trade=st.sampled_from((None, *SelfTrade)),
)


@given(products, st.lists(anything, max_size=25))
def test_orders_as_told_are_the_orders_that_stand(
    product: Product, taken: list[c.Command | int]
) -> None:
    if product.mechanism is Mechanism.CALL_AUCTION:
        product = structs.replace(product, self_trade=None)
    street = a_street(product, pods=len(PODS), deliveries=2)
    told, done = Orders(), 0
    for each in taken:
        if isinstance(each, int):
            street.until(street.at + each)
        else:
            street.submit(each)
            street.until(street.at)
        for entry in street.entries[done:]:
            told.fold(entry.events)
        done = len(street.entries)
    state = street.exchange.state
    found = Orders()
    found.begin(state)
    for delivery in (MIDNIGHT, Instant(MIDNIGHT + ISP_US)):
        place = (HALF_HOUR, delivery)
        assert told.depth(place) == found.depth(place)
        book = state.market.books.get(HALF_HOUR, {}).get(delivery)
        if book is not None and book.venue is not None:
            for side, name in ((BUY, "buy"), (SELL, "sell")):
                rests = {number for _, level in book.venue.book.side(side) for number, _ in level}
                shown = {
                    one.order
                    for pod in PODS
                    for one in told.of(PodId(pod))
                    if one.delivery == delivery and one.side == name and one.status is Status.OPEN
                }
                assert shown == rests
    for pod in PODS:
        assert [_known(one) for one in told.of(PodId(pod))] == [
            _known(one) for one in found.of(PodId(pod))
        ]


def _known(standing: Standing) -> dict[str, object]:
    """Return an order without why it waits, which the exchange does not keep."""
    return {**row(standing), "reason": ""}
