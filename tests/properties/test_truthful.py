"""Laws of the truthful auctions: nobody loses, the market never pays, and lying gains nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbay.clearing.truthful import Orders, Outcome, huang, muda
from wattbay.core.market import auction

Rule = Callable[[Orders, Orders, int], Outcome]

WIDTH = 6
limits = st.integers(-WIDTH, WIDTH)
seeds = st.integers(0, 2**32)


def by_huang(buys: Orders, sells: Orders, seed: int) -> Outcome:
    del seed
    return huang(buys, sells)


def by_muda(buys: Orders, sells: Orders, seed: int) -> Outcome:
    return muda(buys, sells, random.Random(seed))


RULES = pytest.mark.parametrize("rule", [by_huang, by_muda])


@st.composite
def sides(draw: st.DrawFn, size: int = 8) -> Orders:
    rows = draw(st.lists(st.tuples(limits, st.integers(1, 9)), max_size=size))
    return Orders([limit for limit, _ in rows], [quantity for _, quantity in rows])


def gain(found: Outcome, limits: list[int], side: int) -> list[int]:
    """Return what each order of a side (0 buys, 1 sells) gains by its true limit."""
    gains = [0] * len(limits)
    for trade in found.trades:
        mine, quantity, price = trade[side], trade[2], trade[3 + side]
        gains[mine] += quantity * (limits[mine] - price) * (1 - 2 * side)
    return gains


@RULES
@given(buys=sides(30), sells=sides(30), seed=seeds)
def test_fills_balance_and_trades_sum_to_them(
    rule: Rule, buys: Orders, sells: Orders, seed: int
) -> None:
    found = rule(buys, sells, seed)
    assert sum(found.buy_fills) == sum(found.sell_fills) == found.volume
    for side, orders, fills in ((0, buys, found.buy_fills), (1, sells, found.sell_fills)):
        traded = [0] * len(fills)
        for trade in found.trades:
            assert trade[2] > 0
            traded[trade[side]] += trade[2]
        assert traded == fills
        for fill, quantity in zip(fills, orders.quantities, strict=True):
            assert 0 <= fill <= quantity


@RULES
@given(buys=sides(30), sells=sides(30), seed=seeds)
def test_nobody_trades_beyond_its_limit_and_the_market_never_pays(
    rule: Rule, buys: Orders, sells: Orders, seed: int
) -> None:
    found = rule(buys, sells, seed)
    for buy, sell, _, pays, gets in found.trades:
        assert sells.limits[sell] <= gets <= pays <= buys.limits[buy]
    kept = sum(quantity * (pays - gets) for _, _, quantity, pays, gets in found.trades)
    assert found.market_keeps == kept >= 0


@RULES
@given(buys=sides(30), sells=sides(30), seed=seeds)
def test_surplus_is_what_traders_gain_and_at_most_what_any_rule_reaches(
    rule: Rule, buys: Orders, sells: Orders, seed: int
) -> None:
    found = rule(buys, sells, seed)
    assert found.surplus_buyers == sum(gain(found, list(buys.limits), 0))
    assert found.surplus_sellers == sum(gain(found, list(sells.limits), 1))
    largest = auction.clear(
        auction.Orders(buys.limits, buys.quantities),
        auction.Orders(sells.limits, sells.quantities),
        auction.Rules(),
    ).surplus_maximum
    assert found.surplus_maximum == largest
    assert found.surplus_buyers + found.surplus_sellers + found.market_keeps <= largest


@RULES
@given(buys=sides(), sells=sides(), seed=seeds)
def test_no_other_limit_than_the_true_one_gains_anything(
    rule: Rule, buys: Orders, sells: Orders, seed: int
) -> None:
    honest = rule(buys, sells, seed)
    for side, orders in ((0, buys), (1, sells)):
        true = list(orders.limits)
        for liar, honest_gain in enumerate(gain(honest, true, side)):
            for said in range(-WIDTH - 1, WIDTH + 2):
                lie = orders._replace(limits=[*true[:liar], said, *true[liar + 1 :]])
                books = (lie, sells) if side == 0 else (buys, lie)
                assert gain(rule(*books, seed), true, side)[liar] <= honest_gain


@given(st.data(), seeds)
def test_no_other_limits_of_a_trader_with_several_orders_gain_anything_by_halving(
    data: st.DataObject, seed: int
) -> None:
    buys, sells = data.draw(sides()), data.draw(sides())
    side = data.draw(st.sampled_from((0, 1)))
    whose = st.integers(0, 3)
    buys = buys._replace(traders=[data.draw(whose) for _ in buys.limits])
    sells = sells._replace(traders=[4 + data.draw(whose) for _ in sells.limits])
    orders = (buys, sells)[side]
    for trader in sorted(set(orders.traders)):
        mine = [i for i, owner in enumerate(orders.traders) if owner == trader]
        true = list(orders.limits)
        said = list(true)
        for index in mine:
            said[index] = data.draw(limits)
        lie = orders._replace(limits=said)
        honest = gain(by_muda(buys, sells, seed), true, side)
        lying = by_muda(*((lie, sells) if side == 0 else (buys, lie)), seed)
        # Units are worth what the best of the trader's limits say, whichever order got them.
        best = sorted((true[i] * (1 - 2 * side), orders.quantities[i]) for i in mine)[::-1]
        ends = [0, *accumulate(quantity for _, quantity in best)]
        got = sum(trade[2] for trade in lying.trades if trade[side] in mine)
        paid = sum(
            trade[2] * trade[3 + side] * (1 - 2 * side)
            for trade in lying.trades
            if trade[side] in mine
        )
        worth = sum(
            value * max(0, min(quantity, got - start))
            for (value, quantity), start in zip(best, ends, strict=False)
        )
        assert worth - paid <= sum(honest[i] for i in mine)


@given(buys=sides(), sells=sides(), seed=seeds)
def test_halving_is_the_same_for_the_same_seed_whatever_the_limits(
    buys: Orders, sells: Orders, seed: int
) -> None:
    found = by_muda(buys, sells, seed)
    assert found == by_muda(buys, sells, seed)
    other = by_muda(buys._replace(limits=[0] * len(buys.limits)), sells, seed)
    assert [half[:2] for half in found.halves] == [half[:2] for half in other.halves]


@given(buys=sides(30), sells=sides(30), seed=seeds)
def test_each_half_trades_what_its_shorter_side_has_at_the_price(
    buys: Orders, sells: Orders, seed: int
) -> None:
    found = by_muda(buys, sells, seed)
    for half in found.halves:
        if half.price is None:
            assert half.volume == 0
            continue
        wanted = sum(buys.quantities[i] for i in half.buys if buys.limits[i] >= half.price)
        offered = sum(sells.quantities[i] for i in half.sells if sells.limits[i] <= half.price)
        assert half.volume == min(wanted, offered)


@given(buys=sides(30), sells=sides(30))
def test_trade_reduction_leaves_out_no_more_than_the_last_pair(buys: Orders, sells: Orders) -> None:
    found = huang(buys, sells)
    efficient = auction.clear(
        auction.Orders(buys.limits, buys.quantities),
        auction.Orders(sells.limits, sells.quantities),
        auction.Rules(),
    ).volume
    largest = max([*buys.quantities, *sells.quantities], default=0)
    assert efficient - largest <= found.volume <= efficient
