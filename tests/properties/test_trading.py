"""Continuous trading in the live exchange under any mixture of commands and passing time."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import structs

from tests.builders import EVE, ISP_US, MIDNIGHT, an_order
from tests.continuous import (
    DSO,
    HALF_HOUR,
    OPERATOR,
    a_continuous,
    a_street,
    check_books,
    founding,
)
from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.exchange import Exchange
from wattbay.core.facts import (
    LimitTerm,
    NetworkLimit,
    Product,
    SelfTrade,
    Side,
    TradingPhase,
)
from wattbay.core.terms import GridBalance, Kind, Leg, OrderTerms, TimeInForce
from wattbay.ids import OrderId, OriginId, PartyId, PodId, TradeId, ZoneId
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.journal import MemoryJournal
from wattbay.kernel.kernel import Kernel
from wattbay.kernel.replay import rebuild, restore, snapshot, state_digest, verify
from wattbay.periods import HOUR, MINUTE, Instant

PODS = ("h01", "h02", "h03", "h04")
DELIVERIES = 2
STEPS_MAX = 40

quantities = st.integers(1, 9).map(lambda n: 10 * n)
limits = st.integers(8, 13).map(lambda n: 10_000 * n)
deliveries = st.integers(0, DELIVERIES - 1).map(lambda n: Instant(MIDNIGHT + n * ISP_US))
resting_terms = st.one_of(
    st.none(),
    st.builds(OrderTerms, peak_wh=quantities),
    st.builds(OrderTerms, post_only=st.just(True)),
    st.builds(OrderTerms, is_local=st.just(True)),
    st.builds(OrderTerms, partner=st.sampled_from((PartyId("p01"), PartyId("p02")))),
)
instants = st.integers(1, 24).map(lambda hours: Instant(EVE + hours * HOUR))
waiting_terms = st.one_of(
    st.builds(OrderTerms, time_in_force=st.just(TimeInForce.DAY)),
    st.builds(OrderTerms, time_in_force=st.just(TimeInForce.GTD), expires=instants),
    st.builds(OrderTerms, valid_from=instants),
    st.builds(OrderTerms, valid_from=instants, min_quantity_wh=quantities),
    st.builds(OrderTerms, valid_from=instants, time_in_force=st.just(TimeInForce.IOC)),
    st.builds(OrderTerms, grid=st.sampled_from(GridBalance)),
)
hasty_terms = st.one_of(
    st.builds(OrderTerms, time_in_force=st.sampled_from((TimeInForce.IOC, TimeInForce.FOK))),
    st.builds(OrderTerms, min_quantity_wh=quantities),
)
stop_limits = st.builds(OrderTerms, kind=st.just(Kind.STOP_LIMIT), stop=limits)
stops = st.builds(
    OrderTerms, kind=st.just(Kind.STOP), stop=limits, protection=st.one_of(st.none(), limits)
)
markets = st.builds(OrderTerms, kind=st.just(Kind.MARKET), protection=st.one_of(st.none(), limits))
baskets = st.builds(
    lambda leg: OrderTerms(time_in_force=TimeInForce.FOK, legs=(leg,)),
    st.builds(
        Leg,
        delivery=deliveries,
        side=st.sampled_from(Side),
        quantity_wh=quantities,
        limit=limits,
    ),
)


@st.composite
def placements(draw: st.DrawFn) -> c.PlaceOrder:
    """Return an order of any kind, most of them with a limit."""
    side = draw(st.sampled_from(Side))
    priced = draw(st.sampled_from((True, True, True, False)))
    if priced:
        kinds = (resting_terms, resting_terms, waiting_terms, hasty_terms, stop_limits, baskets)
        terms = draw(st.one_of(*kinds))
    else:
        terms = draw(st.one_of(st.none(), markets, stops))
    origin = draw(st.sampled_from((None, None, OriginId("solar"), OriginId("solar/pv"))))
    if terms is not None and origin is not None and not terms.legs:
        name = "wants" if side is Side.BUY else "origin"
        terms = structs.replace(terms, **{name: origin})
    command = an_order(
        draw(st.sampled_from(PODS)),
        side=side,
        quantity_wh=draw(quantities),
        limit=draw(limits) if priced else None,
        delivery=draw(deliveries),
    )
    return structs.replace(command, terms=terms)


amendments = st.builds(
    c.AmendOrder,
    order=st.integers(1, 20).map(OrderId),
    pod=st.sampled_from(PODS).map(PodId),
    quantity_wh=quantities,
    limit=st.one_of(st.none(), limits, limits, limits),
)
withdrawals = st.builds(
    c.CancelOrder, order=st.integers(1, 20).map(OrderId), pod=st.sampled_from(PODS).map(PodId)
)
mass_withdrawals = st.builds(
    c.CancelOrders,
    pod=st.sampled_from(PODS).map(PodId),
    product=st.just(HALF_HOUR),
    delivery=st.one_of(st.none(), deliveries),
)
curtailments = st.builds(
    c.CurtailOrder,
    operator=st.just(DSO),
    order=st.integers(1, 20).map(OrderId),
    quantity_wh=st.sampled_from((0, 10, 20)),
    reason=st.just("cable"),
)
phases = st.builds(
    c.ChangePhase,
    operator=st.just(OPERATOR),
    product=st.just(HALF_HOUR),
    delivery=deliveries,
    phase=st.sampled_from(TradingPhase),
    reason=st.just("a fault"),
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
undone = st.builds(
    c.CancelTrade,
    operator=st.just(DSO),
    delivery=deliveries,
    trade=st.integers(1, 9).map(TradeId),
    reason=st.just("cable"),
)
products = st.builds(
    a_continuous,
    self_trade=st.sampled_from((None, *SelfTrade)),
    network_fee=st.sampled_from((0, 10_000)),
    position_max_wh=st.sampled_from((None, 200)),
    opening_before_us=st.sampled_from((None, 12 * HOUR)),
)
anything = st.one_of(
    placements(),
    placements(),
    placements(),
    amendments,
    withdrawals,
    mass_withdrawals,
    curtailments,
    phases,
    network_limits,
    undone,
)


class StreetMachine(RuleBasedStateMachine):
    """A street that trades, and what a bystander knows of its orders."""

    @initialize(product=products)
    def found(self, product: Product) -> None:
        self.product = product
        self.street = a_street(product, pods=len(PODS), deliveries=DELIVERIES)
        self.first = len(self.street.history)

    @rule(command=anything)
    def submit(self, command: c.Command) -> None:
        self.street.submit(command)
        self.street.until(self.street.at)

    @rule(by_us=st.sampled_from((MINUTE, HOUR, 11 * HOUR, 12 * HOUR)))
    def let_time_pass(self, by_us: int) -> None:
        self.street.until(self.street.at + by_us)

    @invariant()
    def books_and_holds_agree(self) -> None:
        check_books(self.street)

    @invariant()
    def every_watt_hour_of_an_order_is_accounted_for(self) -> None:
        total: dict[OrderId, int] = {}
        gone: dict[OrderId, int] = {}
        for event in self.street.history[self.first :]:
            match event:
                case e.OrderPlaced():
                    total[event.order], gone[event.order] = event.quantity_wh, 0
                case e.OrderAmended():
                    cut = total[event.order]
                    total[event.order] = event.quantity_wh
                    assert event.rests_wh is None or event.rests_wh <= event.quantity_wh, cut
                case e.OrderCancelled():
                    total[event.order] -= event.quantity_wh or 0
                case e.OrderCurtailed():
                    total[event.order] = max(event.quantity_wh, gone[event.order])
                case e.Traded():
                    gone[event.buy_order] += event.quantity_wh
                    gone[event.sell_order] += event.quantity_wh
                case _:
                    pass
        standing = {
            number: order
            for books in self.street.exchange.state.market.books.values()
            for book in books.values()
            for number, order in book.orders.items()
        }
        for number, quantity in total.items():
            left = standing[number].open_wh if number in standing else 0
            assert gone[number] + left == quantity

    @invariant()
    def nobody_trades_against_its_will(self) -> None:
        limits_of: dict[OrderId, int | None] = {}
        for event in self.street.history[self.first :]:
            match event:
                case e.OrderPlaced() | e.OrderAmended():
                    limits_of[event.order] = event.limit
                case e.Traded():
                    highest, lowest = limits_of[event.buy_order], limits_of[event.sell_order]
                    assert highest is None or event.buy_price <= highest
                    assert lowest is None or event.sell_price >= lowest
                    assert event.buy_price - event.sell_price == self.product.network_fee
                    if self.product.self_trade is not None:
                        assert event.buyer != event.seller
                case _:
                    pass

    @invariant()
    def nobody_has_more_than_the_position_limit(self) -> None:
        most = self.product.position_max_wh
        for books in self.street.exchange.state.market.books.values():
            for book in books.values():
                for pod, stake in book.stakes.items():
                    mine = [order for order in book.orders.values() if order.pod == pod]
                    buying = sum(order.open_wh for order in mine if order.side is Side.BUY)
                    selling = sum(order.open_wh for order in mine if order.side is Side.SELL)
                    counted = (stake.orders, stake.buying_wh, stake.selling_wh)
                    assert counted == (len(mine), buying, selling)
                    if most is not None:
                        assert buying + stake.bought_wh <= most
                        assert selling + stake.sold_wh <= most

    def teardown(self) -> None:
        if not hasattr(self, "street"):
            return
        again = Exchange()
        for entry in self.street.entries:
            again.apply_all(entry.events)
        assert state_digest(again) == state_digest(self.street.exchange)
        self.street.until(max(self.street.at, MIDNIGHT + DELIVERIES * ISP_US))
        assert self.street.exchange.state.market.books == {HALF_HOUR: {}}
        assert self.street.exchange.state.market.places == {}
        check_books(self.street)


TestStreet = StreetMachine.TestCase
TestStreet.settings = settings(max_examples=60, stateful_step_count=STEPS_MAX, deadline=None)


def run(
    commands: list[c.Command], cuts: list[int], product: Product
) -> tuple[Kernel, MemoryJournal]:
    """Return a kernel that took commands in batches."""
    journal = MemoryJournal()
    kernel = Kernel(journal, SimulatedClock(EVE))
    kernel.submit_many(founding(product, deliveries=DELIVERIES))
    if product.opening_before_us is not None:
        kernel.advance(Instant(MIDNIGHT - 12 * HOUR))
    places = sorted({0, len(commands), *(cut % (len(commands) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        kernel.submit_many(commands[start:end])
    return kernel, journal


@given(
    commands=st.lists(anything, max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=5),
    product=products,
    taken=st.integers(0, 60),
)
@settings(max_examples=60, deadline=None)
def test_cutting_into_batches_changes_nothing_and_a_replay_comes_to_the_same(
    commands: list[c.Command], cuts: list[int], product: Product, taken: int
) -> None:
    kernel, journal = run(commands, cuts, product)
    whole, other = run(commands, [], product)
    assert journal.head == other.head
    digest = state_digest(kernel.exchange)
    assert digest == state_digest(whole.exchange)
    assert state_digest(rebuild(journal)) == digest
    assert state_digest(verify(journal).exchange) == digest
    seq = min(taken, journal.last_seq)
    early = MemoryJournal()
    early.append([data for number, data, _ in journal.rows() if number <= seq])
    kept = snapshot(rebuild(early), seq, early.head)
    assert state_digest(restore(kept).exchange) == state_digest(rebuild(early))
    assert state_digest(rebuild(journal, snapshot=kept)) == digest
