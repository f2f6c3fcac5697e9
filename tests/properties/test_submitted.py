"""Whatever is submitted: what is accepted wrongs nobody, and what is refused changes nothing."""

from __future__ import annotations

from collections import Counter

from hypothesis import event, given
from hypothesis import strategies as st
from msgspec import json, structs

from tests.builders import ISP_US, MIDNIGHT, an_order
from tests.play import Play, of, receipts
from tests.submitting import (
    CLEARS_AT,
    GATE,
    OPERATOR,
    a_community_product,
    a_market,
    a_result,
    a_share,
    a_submitted_product,
    a_trade,
    an_allocation,
    metered,
)
from wattbay.agents.operator import MarketOperator, RuleTerms
from wattbay.clearing.allocation import Rule
from wattbay.core import commands as c
from wattbay.core.events import AuctionCleared, OrderPlaced, Rejected, Traded
from wattbay.core.exchange import Exchange
from wattbay.core.facts import LimitTerm, NetworkLimit, Side
from wattbay.core.terms import Block, OrderTerms
from wattbay.ids import PartyId, PodId
from wattbay.kernel.codec import Entry
from wattbay.periods import HOUR, Instant
from wattbay.views.operator import OperatorDesk

PODS = 4
ticks = st.integers(3, 12).map(lambda n: n * 10_000)
energies = st.integers(1, 300)
orders = st.lists(
    st.tuples(st.sampled_from(Side), energies, st.one_of(st.none(), ticks)), min_size=2, max_size=6
)
crossing = st.tuples(
    st.lists(st.tuples(st.just(Side.BUY), energies, st.integers(7, 12)), min_size=3, max_size=3),
    st.lists(st.tuples(st.just(Side.SELL), energies, st.integers(3, 9)), min_size=3, max_size=3),
).map(lambda sides: [(side, wh, n * 10_000) for side, wh, n in (*sides[0], *sides[1])])
"""Orders 1 to 3 buy and 4 to 6 sell; most of them cross."""
likely = st.builds(
    a_trade,
    buy=st.integers(1, 3),
    sell=st.integers(4, 6),
    wh=st.integers(1, 100),
    pays=st.integers(7, 9).map(lambda n: n * 10_000),
)
trades = st.builds(
    a_trade,
    buy=st.integers(1, 6),
    sell=st.integers(1, 6),
    wh=st.integers(-1, 300),
    pays=ticks,
    gets=st.one_of(st.none(), ticks),
)
said = st.one_of(st.lists(likely, min_size=1, max_size=2), st.lists(trades, max_size=5))
coefficients = st.lists(st.integers(-2, 2), min_size=PODS, max_size=PODS)


def a_book(
    placed: list[tuple[Side, int, int | None]],
    limit: tuple[list[int], int],
    rule: str = "huang",
) -> Play:
    """Return a market after gate closure, with a network limit."""
    market = a_market(a_submitted_product(rule), pods=PODS, deliveries=1)
    for number, (side, wh, price) in enumerate(placed):
        market.do(an_order(f"h0{number % PODS + 1}", side=side, quantity_wh=wh, limit=price))
    terms = tuple(
        LimitTerm(coefficient=factor, pod=PodId(f"h0{number}"))
        for number, factor in enumerate(limit[0], 1)
    )
    binding = NetworkLimit(
        since=MIDNIGHT,
        until=Instant(MIDNIGHT + ISP_US),
        terms=terms,
        bound_wh=limit[1],
        reason="cable",
    )
    market.do(c.SubmitLimit(operator=PartyId("dso"), limit=binding))
    market.until(GATE)
    return market


def assert_nobody_is_wronged(market: Play, factors: list[int], bound_wh: int) -> None:
    """Look at the trades as only their orders and the limit know them."""
    placed = dict(enumerate(_orders_of(market), 1))
    filled: Counter[int] = Counter()
    load = 0
    for trade in market.trades():
        buy, sell = placed[trade.buy_order], placed[trade.sell_order]
        assert (buy.side, sell.side) == (Side.BUY, Side.SELL)
        assert trade.buy_price <= (500_000 if buy.limit is None else buy.limit)
        assert trade.sell_price >= (-500_000 if sell.limit is None else sell.limit)
        assert trade.buy_price >= trade.sell_price
        assert trade.quantity_wh > 0
        filled.update({trade.buy_order: trade.quantity_wh, trade.sell_order: trade.quantity_wh})
        of_buyer, of_seller = int(trade.buyer[1:]) - 1, int(trade.seller[1:]) - 1
        load += trade.quantity_wh * (factors[of_seller] - factors[of_buyer])
    assert all(energy <= placed[number].quantity_wh for number, energy in filled.items())
    assert load <= bound_wh


def _orders_of(market: Play) -> list[c.PlaceOrder]:
    return [entry.command for entry in market.entries if isinstance(entry.command, c.PlaceOrder)]


def assert_the_end_is_whole(market: Play) -> None:
    """Let everything happen that is left: nothing is held, owed or open at the end."""
    market.until(MIDNIGHT + 10 * HOUR)
    state = market.exchange.state
    assert sum(state.ledger.money.values()) == 0
    assert not state.ledger.held
    assert not state.deliveries.open
    assert not state.agenda.dues
    assert state_of(replayed(market.entries)) == state_of(market.exchange)


@given(st.one_of(crossing, orders), said, coefficients, st.integers(0, 300))
def test_what_is_accepted_wrongs_nobody_and_what_is_refused_changes_nothing(
    placed: list[tuple[Side, int, int | None]],
    said: list[c.SubmittedTrade],
    factors: list[int],
    bound_wh: int,
) -> None:
    market = a_book(placed, (factors, bound_wh))
    before = json.encode(market.exchange.state.agenda)
    answer = market.submit(a_result(*said))
    if isinstance(answer[0], Rejected):
        assert json.encode(market.exchange.state.agenda) == before
        market.until(CLEARS_AT)
    cleared = of(AuctionCleared, market.history)
    assert [one.volume_wh for one in cleared] == [sum(one.quantity_wh for one in market.trades())]
    assert cleared[0].surplus_nano <= cleared[0].surplus_maximum_nano
    assert_nobody_is_wronged(market, factors, bound_wh)
    assert_the_end_is_whole(market)
    event("accepted" if market.trades() else "refused")


@given(orders, st.sampled_from(["huang", "muda", "uniform"]))
def test_what_the_operators_agent_clears_is_accepted(
    placed: list[tuple[Side, int, int | None]], rule: str
) -> None:
    market = a_market(a_submitted_product(rule), pods=PODS, deliveries=1)
    for number, (side, wh, price) in enumerate(placed):
        market.do(an_order(f"h0{number % PODS + 1}", side=side, quantity_wh=wh, limit=price))
    market.until(GATE)
    desk = desk_of(market)
    for command in MarketOperator(OPERATOR, desk.product, RuleTerms()).clear(
        MIDNIGHT, desk.orders(MIDNIGHT)
    ):
        market.do(command)
    assert [one.rule for one in of(AuctionCleared, market.history)] == [rule]
    assert_nobody_is_wronged(market, [0] * PODS, 0)
    assert_the_end_is_whole(market)


@given(
    st.one_of(crossing, orders),
    st.sampled_from(["huang", "muda", "uniform"]),
    coefficients,
    st.integers(0, 200),
)
def test_what_the_operators_agent_clears_keeps_the_limits_of_the_network(
    placed: list[tuple[Side, int, int | None]], rule: str, factors: list[int], bound_wh: int
) -> None:
    market = a_book(placed, (factors, bound_wh), rule)
    desk = desk_of(market)
    operator = MarketOperator(OPERATOR, desk.product, RuleTerms())
    for command in operator.clear(MIDNIGHT, desk.orders(MIDNIGHT), desk.worsening):
        market.do(command)
    event("traded" if market.trades() else "nothing")
    assert_nobody_is_wronged(market, factors, bound_wh)
    assert_the_end_is_whole(market)


def desk_of(market: Play) -> OperatorDesk:
    """Return what the operator sees of everything so far."""
    product = next(iter(market.exchange.state.registry.products))
    desk = OperatorDesk(product)
    for entry in market.entries:
        desk.fold(entry)
    return desk


meters = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=PODS, max_size=PODS)
pods = st.integers(1, PODS).map(lambda n: f"h0{n}")
shares = st.builds(
    a_share, buyer=pods, seller=pods, wh=st.integers(1, 150), pays=ticks, gets=st.none()
)


@given(meters, st.lists(shares, max_size=4))
def test_nobody_loses_by_an_allocation_that_is_accepted(
    flowed: list[tuple[int, int]], said: list[c.AllocatedTrade]
) -> None:
    community = metered(a_market(a_community_product(), pods=PODS, deliveries=1), flowed)
    event(type(community.submit(an_allocation(*said))[0]).__name__)
    assert_nobody_lost(community)


@given(
    meters,
    st.sampled_from(Rule),
    st.one_of(st.none(), st.integers(0, 200_000)),
    st.lists(st.integers(0, 3), min_size=PODS, max_size=PODS),
)
def test_what_the_operators_agent_allocates_is_accepted_and_nobody_loses(
    flowed: list[tuple[int, int]], rule: Rule, price: int | None, numbers: list[int]
) -> None:
    product = a_community_product(rule)
    community = metered(a_market(product, pods=PODS, deliveries=1), flowed)
    desk = desk_of(community)
    by_pod = {PodId(f"h0{place}"): number for place, number in enumerate(numbers, 1)}
    operator = MarketOperator(OPERATOR, product, RuleTerms(by_pod, by_pod, price))
    for command in operator.allocate(MIDNIGHT, desk.metered(MIDNIGHT)):
        community.do(command)
    traded = of(Traded, community.history)
    buyers, sellers = {one.buyer for one in traded}, {one.seller for one in traded}
    assert not buyers & sellers
    assert len(traded) <= max(0, len(buyers) + len(sellers) - 1)
    assert_nobody_lost(community)


def assert_nobody_lost(community: Play) -> None:
    """Settle, and compare each pod with the same meters without a market."""
    issued = receipts(community.settle(MIDNIGHT, "first"))
    assert len(issued) == PODS
    for receipt in issued.values():
        assert receipt.total_nano <= receipt.same_meters_nano
    assert_the_end_is_whole(community)


def replayed(entries: list[Entry]) -> Exchange:
    """Return an exchange that was told the events alone, and would decide the same again."""
    exchange = Exchange()
    for entry in entries:
        assert tuple(exchange.decide(entry.command, entry.at)) == entry.events
        exchange.apply_all(entry.events)
    return exchange


def state_of(exchange: Exchange) -> bytes:
    return json.encode(structs.asdict(exchange.state.ledger))


profiles = st.lists(st.integers(-2, 3).map(lambda n: 30 * n), min_size=1, max_size=3)
"""Of stores, too: what is below zero goes the other way."""
bundles = st.lists(
    st.tuples(
        st.sampled_from(Side),
        profiles.filter(lambda profile: max(profile) > 0),
        ticks,
        st.sampled_from([1, 300_000, 1_000_000]),
        st.sampled_from([None, "either"]),
        st.booleans(),
    ),
    max_size=5,
)


@given(
    st.lists(st.tuples(st.sampled_from(Side), energies, ticks, st.integers(0, 2)), max_size=8),
    bundles,
    st.one_of(st.none(), st.integers(0, 200)),
)
def test_what_the_operators_agent_clears_with_blocks_is_accepted(
    placed: list[tuple[Side, int, int, int]],
    bundled: list[tuple[Side, list[int], int, int, str | None, bool]],
    bound_wh: int | None,
) -> None:
    market = a_market(a_submitted_product("block"), pods=PODS, deliveries=3)
    for number, (side, wh, price, place) in enumerate(placed):
        delivery = MIDNIGHT + place * ISP_US
        pod = f"h0{number % PODS + 1}"
        market.do(an_order(pod, side=side, quantity_wh=wh, limit=price, delivery=delivery))
    before = None
    for side, profile, price, ratio_ppm, group, is_child in bundled:
        block = Block(
            profile=tuple(profile),
            min_ratio_ppm=ratio_ppm,
            group=group,
            parent=before if is_child else None,
        )
        quantity = sum(max(0, energy) for energy in profile)
        order = an_order("h01", side=side, quantity_wh=quantity, limit=price)
        (answer,) = market.do(structs.replace(order, terms=OrderTerms(block=block)))
        before = answer.order if isinstance(answer, OrderPlaced) else None
    if bound_wh is not None:
        limit = NetworkLimit(
            since=MIDNIGHT,
            until=Instant(MIDNIGHT + 3 * ISP_US),
            terms=(LimitTerm(coefficient=1, pod=PodId("h01")),),
            bound_wh=bound_wh,
            reason="cable",
        )
        market.do(c.SubmitLimit(operator=PartyId("dso"), limit=limit))
    market.until(GATE)
    desk = desk_of(market)
    operator = MarketOperator(OPERATOR, desk.product, RuleTerms())
    for command in operator.clear_day(desk.day(MIDNIGHT), desk.worsening):
        market.do(command)
    cleared = of(AuctionCleared, market.history)
    assert [one.rule for one in cleared] == ["block"] * 3
    assert sum(one.surplus_nano for one in cleared) <= (cleared[0].bound_nano or 0)
    injected: Counter[int] = Counter()
    for trade in market.trades():
        of_h01 = (trade.seller == "h01") - (trade.buyer == "h01")
        injected[trade.delivery] += of_h01 * trade.quantity_wh
    assert bound_wh is None or max(injected.values(), default=0) <= bound_wh
    assert not market.exchange.state.market.places
    assert_the_end_is_whole(market)
