"""The market operator's agent: which rules it knows, and what its results look like."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec import structs

from tests.builders import ISP_US, MIDNIGHT, a_tariff, pod_facts
from tests.submitting import OPERATOR, a_community_product, a_submitted_product
from wattbay.agents.operator import MarketOperator, RuleTerms
from wattbay.core.commands import SubmitAllocation, SubmitClearing
from wattbay.core.facts import LocalFee, Product, Side
from wattbay.core.terms import Block, OrderTerms
from wattbay.ids import OrderId, PartyId, PodId, ZoneId
from wattbay.periods import Instant
from wattbay.views.operator import MeteredPod, StandingOrder


def an_order(order: int, side: Side, wh: int, limit: int | None) -> StandingOrder:
    name = f"h{order:02d}"
    return StandingOrder(
        OrderId(order), PodId(name), PartyId(f"p{order:02d}"), side, wh, limit, None
    )


CROSSING = [
    an_order(1, Side.BUY, 100, 120_000),
    an_order(2, Side.BUY, 100, 110_000),
    an_order(3, Side.SELL, 100, 50_000),
    an_order(4, Side.SELL, 100, 60_000),
]


def cleared(product: Product, orders: list[StandingOrder]) -> SubmitClearing:
    (command,) = MarketOperator(OPERATOR, product, RuleTerms()).clear(MIDNIGHT, orders)
    assert isinstance(command, SubmitClearing)
    return command


def allocated(product: Product, pods: list[MeteredPod], terms: RuleTerms) -> SubmitAllocation:
    (command,) = MarketOperator(OPERATOR, product, terms).allocate(MIDNIGHT, pods)
    assert isinstance(command, SubmitAllocation)
    return command


def test_a_rule_that_nobody_knows_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="no rule is called 'bill_sharing'"):
        MarketOperator(OPERATOR, a_community_product("bill_sharing"), RuleTerms())


def test_huang_keeps_the_last_pair_out() -> None:
    (trade,) = cleared(a_submitted_product("huang"), CROSSING).trades
    assert (trade.buy_order, trade.sell_order, trade.quantity_wh) == (1, 3, 100)
    assert (trade.buy_price, trade.sell_price) == (110_000, 60_000)


def test_the_network_fee_is_on_top_of_what_sellers_get() -> None:
    for rule in ("huang", "muda", "uniform"):
        product = structs.replace(a_submitted_product(rule), network_fee=20_000)
        for trade in cleared(product, CROSSING).trades:
            assert trade.buy_price >= trade.sell_price + 20_000


def test_lots_are_drawn_from_the_names_of_product_and_delivery() -> None:
    orders = [
        an_order(n, Side.BUY if n % 2 else Side.SELL, 100, 120_000 if n % 2 else 50_000)
        for n in range(1, 21)
    ]
    first = cleared(a_submitted_product("muda"), orders)
    assert first == cleared(a_submitted_product("muda"), orders)
    assert first.trades


def test_an_order_without_a_limit_is_taken_at_the_bound_of_the_product() -> None:
    market = [an_order(1, Side.BUY, 100, None), *CROSSING[1:]]
    (trade,) = cleared(a_submitted_product("huang"), market).trades
    assert trade.buy_order == 1
    assert len(cleared(a_submitted_product("uniform"), market).trades) == 2


def a_pod(
    name: str, drawn: int, injected: int, zone: str = "z1", energy: int = 140_000
) -> MeteredPod:
    fee = LocalFee(from_zone=ZoneId("z1"), to_zone=ZoneId("z1"), nano_per_wh=20_000)
    dear = LocalFee(from_zone=ZoneId("z2"), to_zone=ZoneId("z1"), nano_per_wh=45_000)
    tariff = structs.replace(a_tariff(energy=energy), network_local=(fee, dear))
    return MeteredPod(pod_facts(name, zone=zone), tariff, drawn, injected)


def test_the_price_costs_no_buyer_more_than_its_supplier_whatever_the_fees() -> None:
    near = [a_pod("h01", 400, 0), a_pod("h02", 0, 300)]
    (trade,) = allocated(a_community_product(), near, RuleTerms()).trades
    # 10,000 less network fee: up to 150,000 it is worth it, and from 40,000 on.
    assert (trade.buy_price, trade.sell_price) == (95_000, 95_000)
    far = [a_pod("h01", 400, 0), a_pod("h02", 0, 300, "z2")]
    (trade,) = allocated(a_community_product(), far, RuleTerms()).trades
    assert trade.buy_price == (140_000 - 15_000 + 40_000) // 2
    cheap = [a_pod("h01", 400, 0, energy=30_000), a_pod("h02", 0, 300, "z2")]
    assert not allocated(a_community_product(), cheap, RuleTerms()).trades


def test_the_network_fee_of_a_community_product_is_on_top() -> None:
    product = structs.replace(a_community_product(), network_fee=10_000)
    near = [a_pod("h01", 400, 0), a_pod("h02", 0, 300)]
    (trade,) = allocated(product, near, RuleTerms()).trades
    assert (trade.buy_price, trade.sell_price) == (100_000, 90_000)


def test_keys_go_by_the_names_of_pods() -> None:
    pods = [a_pod("h01", 400, 0), a_pod("h02", 0, 300), a_pod("h03", 400, 0)]
    static = RuleTerms(weights={PodId("h03"): 1})
    (trade,) = allocated(a_community_product("static_key"), pods, static).trades
    assert (trade.buyer, trade.quantity_wh) == ("h03", 300)
    levels = RuleTerms(levels={PodId("h01"): 1}, price=50_000)
    (trade,) = allocated(a_community_product("hierarchical_key"), pods, levels).trades
    assert (trade.buyer, trade.sell_price) == ("h03", 50_000)


def a_block(order: int, wh: int, parent: int | None = None) -> StandingOrder:
    """Return a block that sells in two deliveries."""
    block = Block(profile=(wh, wh), parent=None if parent is None else OrderId(parent))
    plain = an_order(order, Side.SELL, 2 * wh, 50_000)
    return plain._replace(terms=OrderTerms(block=block))


def test_a_block_whose_parent_is_gone_is_left_out_with_all_below_it() -> None:
    next_one = Instant(MIDNIGHT + ISP_US)
    day = {
        MIDNIGHT: [
            CROSSING[0],
            a_block(5, 20),
            a_block(6, 30, parent=99),
            a_block(7, 40, parent=6),
        ],
        next_one: [an_order(8, Side.BUY, 100, 90_000)],
    }
    operator = MarketOperator(OPERATOR, a_submitted_product("block"), RuleTerms())
    (command,) = operator.clear_day(day)
    assert isinstance(command, SubmitClearing)
    assert [(one.delivery, one.sell_order, one.quantity_wh) for one in command.trades] == [
        (MIDNIGHT, 5, 20),
        (next_one, 5, 20),
    ]
    assert command.bound_nano == 20 * (70_000 + 40_000)


def test_the_latest_order_that_worsens_a_network_limit_is_left_out() -> None:
    def worsening(
        _delivery: Instant, orders: Sequence[StandingOrder], fills: Sequence[int]
    ) -> list[int]:
        sold = [n for n, one in enumerate(orders) if one.side is Side.SELL and fills[n]]
        return sold[::-1] if sum(fills[n] for n in sold) > 100 else []

    operator = MarketOperator(OPERATOR, a_submitted_product("uniform"), RuleTerms())
    (command,) = operator.clear(MIDNIGHT, CROSSING, worsening)
    assert isinstance(command, SubmitClearing)
    assert [(one.sell_order, one.quantity_wh) for one in command.trades] == [(3, 100)]
