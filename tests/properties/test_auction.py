"""Laws of the call auction, and a slow reference written from the words of the rule."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from hypothesis import assume, example, given
from hypothesis import strategies as st

from wattbay.core.facts import Margin, Pricing
from wattbay.core.market.auction import Clearing, Match, Orders, Rules, clear


class Book(NamedTuple):
    buys: Orders
    sells: Orders
    rules: Rules


@st.composite
def sides(draw: st.DrawFn, tick: int, *, markets: bool) -> Orders:
    width = draw(st.sampled_from((0, 2, 8, 40)))
    limits: st.SearchStrategy[int | None] = st.integers(-width, width).map(lambda n: n * tick)
    limit = st.one_of(limits, limits, limits, st.none()) if markets else limits
    rows = draw(st.lists(st.tuples(limit, st.integers(1, 9)), max_size=30))
    return Orders([limit for limit, _ in rows], [quantity for _, quantity in rows])


@st.composite
def books(draw: st.DrawFn, *, markets: bool = True) -> Book:
    tick = draw(st.sampled_from((1, 1, 10)))
    reference = draw(st.none() | st.integers(-10, 10).map(lambda n: n * tick))
    rules = Rules(
        draw(st.sampled_from(Pricing)),
        draw(st.sampled_from(Margin)),
        reference,
        tick,
        draw(st.sampled_from((0, 0, 1, 3, -2))) * tick,
    )
    return Book(draw(sides(tick, markets=markets)), draw(sides(tick, markets=markets)), rules)


# The reference: as slow and as near to the words as can be.


def is_willing(limit: int | None, price: int, sign: int) -> bool:
    """Tell whether an order trades at a price; `sign` is 1 for buyers, -1 for sellers."""
    return limit is None or sign * (limit - price) >= 0


def willing(orders: Orders, price: int, sign: int) -> int:
    return sum(
        quantity for limit, quantity in zip(*orders, strict=True) if is_willing(limit, price, sign)
    )


def rows_left(buys: Orders, sells: Orders) -> list[tuple[int, int, int]]:
    """Return price, demand and supply of each limit with the most volume and least surplus."""
    limits = {limit for limit in (*buys.limits, *sells.limits) if limit is not None}
    table = [(p, willing(buys, p, 1), willing(sells, p, -1)) for p in sorted(limits)]
    most = max((min(d, s) for _, d, s in table), default=0)
    table = [row for row in table if min(row[1:]) == most > 0]
    least = min((abs(d - s) for _, d, s in table), default=0)
    return [row for row in table if abs(row[1] - row[2]) == least]


def slow_price(buys: Orders, sells: Orders, rules: Rules) -> int | None:
    if {*buys.limits, *sells.limits} == {None} and buys.limits and sells.limits:
        return rules.reference
    rows = rows_left(buys, sells)
    if not rows:
        return None
    low, high = rows[0][0], rows[-1][0]
    if all(d > s for _, d, s in rows):
        return high
    if all(d < s for _, d, s in rows):
        return low
    if rules.reference is not None:
        return sorted((low, rules.reference, high))[1]
    ticks = Fraction(low + high, 2 * rules.price_tick)
    return ticks.numerator // ticks.denominator * rules.price_tick


def in_turn(orders: Orders, sign: int) -> list[int]:
    """Return the order in which a side trades."""

    def key(index: int) -> tuple[bool, int, int]:
        limit = orders.limits[index]
        return limit is not None, -sign * (limit or 0), index

    return sorted(range(len(orders.limits)), key=key)


def slow_fills(orders: Orders, volume: int, margin: Margin, sign: int) -> list[int]:
    fills = [0] * len(orders.limits)
    left = volume
    for _, level in groupby(in_turn(orders, sign), key=orders.limits.__getitem__):
        members = list(level)
        whole = sum(orders.quantities[i] for i in members)
        if margin is Margin.TIME or whole <= left:
            for i in members:
                fills[i] = min(left, orders.quantities[i])
                left -= fills[i]
        else:
            exact = [Fraction(left * orders.quantities[i], whole) for i in members]
            for i, part in zip(members, exact, strict=True):
                fills[i] = int(part)
            odd = left - sum(map(int, exact))
            for _shortfall, _place, i in sorted(
                (int(part) - part, place, i)
                for place, (part, i) in enumerate(zip(exact, members, strict=True))
            )[:odd]:
                fills[i] += 1
            left = 0
    return fills


def slow_maximum(buys: Orders, sells: Orders, price: int) -> int:
    """Return the largest surplus: units by worth, pair by pair; market orders worth the price."""

    def units(orders: Orders) -> list[int]:
        worths = [price if limit is None else limit for limit in orders.limits]
        return sorted(w for w, q in zip(worths, orders.quantities, strict=True) for _ in range(q))

    return sum(max(b - s, 0) for b, s in zip(reversed(units(buys)), units(sells), strict=False))


def slow_trades(
    buys: Orders, sells: Orders, buy_fills: Sequence[int], sell_fills: Sequence[int]
) -> list[tuple[int, int, int]]:
    units = zip(
        [i for i in in_turn(buys, 1) for _ in range(buy_fills[i])],
        [i for i in in_turn(sells, -1) for _ in range(sell_fills[i])],
        strict=True,
    )
    return [(*pair, len(list(same))) for pair, same in groupby(units)]


def net_of_fee(book: Book) -> Orders:
    """Return the buy orders in the sellers' terms."""
    fee = book.rules.network_fee
    limits = [None if limit is None else limit - fee for limit in book.buys.limits]
    return Orders(limits, book.buys.quantities)


def slow_clear(book: Book) -> Clearing:
    buys, sells, rules = book
    net = net_of_fee(book)
    price = slow_price(net, sells, rules)
    if price is None:
        return Clearing(None, 0, [0] * len(buys.limits), [0] * len(sells.limits), [], 0, 0, 0, 0)
    volume = min(willing(net, price, 1), willing(sells, price, -1))
    buy_fills = slow_fills(net, volume, rules.margin, 1)
    sell_fills = slow_fills(sells, volume, rules.margin, -1)

    def own(limit: int | None, clearing_price: int) -> int:
        return clearing_price if limit is None or rules.pricing is Pricing.UNIFORM else limit

    trades: list[Match] = []
    keeps = buyers = sellers = 0
    for buy, sell, quantity in slow_trades(net, sells, buy_fills, sell_fills):
        bid, offer = buys.limits[buy], sells.limits[sell]
        pays, gets = own(bid, price + rules.network_fee), own(offer, price)
        trades.append((buy, sell, quantity, pays, gets))
        keeps += quantity * (pays - gets - rules.network_fee)
        buyers += quantity * (0 if bid is None else bid - pays)
        sellers += quantity * (0 if offer is None else gets - offer)
    maximum = slow_maximum(net, sells, price)
    return Clearing(price, volume, buy_fills, sell_fills, trades, keeps, buyers, sellers, maximum)


BOTH_PRESSURES = Book(
    Orders([None, 12, 11], [5, 5, 5]), Orders([None, 10, 12], [5, 5, 5]), Rules(reference=10)
)


@given(books())
@example(BOTH_PRESSURES)
def test_clearing_is_what_the_slow_reference_says(book: Book) -> None:
    assert clear(*book) == slow_clear(book)


@given(books())
def test_no_price_trades_more(book: Book) -> None:
    demand, supply = net_of_fee(book), book.sells
    limits = [limit for limit in (*demand.limits, *supply.limits) if limit is not None]
    volume = clear(*book).volume
    for price in range(min(limits) - 1, max(limits) + 2) if limits else ():
        assert min(willing(demand, price, 1), willing(supply, price, -1)) <= volume


@given(books())
def test_fills_sum_to_the_volume_on_both_sides_and_trades_to_the_fills(book: Book) -> None:
    result = clear(*book)
    assert sum(result.buy_fills) == sum(result.sell_fills) == result.volume
    buy_fills, sell_fills = [0] * len(result.buy_fills), [0] * len(result.sell_fills)
    for buy, sell, quantity, _pays, _gets in result.trades:
        assert quantity > 0
        buy_fills[buy] += quantity
        sell_fills[sell] += quantity
    assert buy_fills == result.buy_fills
    assert sell_fills == result.sell_fills
    for fills, orders in ((buy_fills, book.buys), (sell_fills, book.sells)):
        assert all(0 <= f <= q for f, q in zip(fills, orders.quantities, strict=True))


@given(books())
def test_nobody_trades_beyond_its_limit(book: Book) -> None:
    for buy, sell, _quantity, pays, gets in clear(*book).trades:
        bid, offer = book.buys.limits[buy], book.sells.limits[sell]
        assert bid is None or pays <= bid
        assert offer is None or gets >= offer


@given(books())
def test_money_is_conserved(book: Book) -> None:
    result = clear(*book)
    paid = sum(quantity * pays for _, _, quantity, pays, _ in result.trades)
    got = sum(quantity * gets for _, _, quantity, _, gets in result.trades)
    assert paid == got + result.market_keeps + result.volume * book.rules.network_fee
    assert result.market_keeps >= 0
    if book.rules.pricing is Pricing.UNIFORM:
        assert result.market_keeps == 0


@given(books())
def test_surplus_is_at_most_the_maximum_and_equal_where_all_name_limits(book: Book) -> None:
    result = clear(*book)
    reached = result.surplus_buyers + result.surplus_sellers + result.market_keeps
    assert 0 <= reached <= result.surplus_maximum
    if None not in (*book.buys.limits, *book.sells.limits):
        assert reached == result.surplus_maximum


@given(books())
def test_a_better_limit_is_filled_whole_before_a_worse_one_trades(book: Book) -> None:
    result = clear(*book)
    for orders, fills, sign in (
        (book.buys, result.buy_fills, 1),
        (book.sells, result.sell_fills, -1),
    ):
        turn = in_turn(orders, sign)
        short = [i for i in turn if fills[i] < orders.quantities[i]]
        if short:
            first = orders.limits[short[0]]
            for i in turn[turn.index(short[0]) :]:
                assert not fills[i] or orders.limits[i] == first


@given(books())
def test_in_the_money_is_filled_whole_unless_pressure_is_both_ways(book: Book) -> None:
    result = clear(*book)
    rows = rows_left(net_of_fee(book), book.sells)
    both_ways = any(d > s for _, d, s in rows) and any(d < s for _, d, s in rows)
    assume(result.price is not None and not both_ways)
    price = result.price or 0
    for orders, fills, sign in (
        (net_of_fee(book), result.buy_fills, 1),
        (book.sells, result.sell_fills, -1),
    ):
        for limit, quantity, fill in zip(*orders, fills, strict=True):
            assert limit is None or sign * (limit - price) <= 0 or fill == quantity


@given(books(), st.randoms(use_true_random=False))
def test_arrival_matters_only_between_equal_limits(book: Book, chance: random.Random) -> None:
    buys, sells, rules = book
    distinct_buys, distinct_sells = distinct(buys), distinct(sells)
    result = clear(distinct_buys, distinct_sells, rules)
    mixed_buys, buy_at = shuffled(distinct_buys, chance)
    mixed_sells, sell_at = shuffled(distinct_sells, chance)
    mixed = clear(mixed_buys, mixed_sells, rules)
    assert mixed.price == result.price
    assert mixed.buy_fills == [result.buy_fills[i] for i in buy_at]
    assert mixed.sell_fills == [result.sell_fills[i] for i in sell_at]
    assert [(buy_at[b], sell_at[s], *rest) for b, s, *rest in mixed.trades] == result.trades


def distinct(orders: Orders) -> Orders:
    """Keep the first order of each limit."""
    rows = dict(zip(reversed(orders.limits), reversed(orders.quantities), strict=True))
    return Orders(list(rows), list(rows.values()))


def shuffled(orders: Orders, chance: random.Random) -> tuple[Orders, list[int]]:
    turn = list(range(len(orders.limits)))
    chance.shuffle(turn)
    return (
        Orders([orders.limits[i] for i in turn], [orders.quantities[i] for i in turn]),
        turn,
    )


@given(books(), st.randoms(use_true_random=False))
def test_price_volume_and_surplus_know_no_order_of_arrival(
    book: Book, chance: random.Random
) -> None:
    result = clear(*book)
    mixed = clear(shuffled(book.buys, chance)[0], shuffled(book.sells, chance)[0], book.rules)
    assert (mixed.price, mixed.volume, mixed.market_keeps) == (
        result.price,
        result.volume,
        result.market_keeps,
    )
    assert mixed[-3:] == result[-3:]


@given(books(), st.integers(-1_000, 1_000))
def test_all_prices_moved_by_one_amount_move_the_clearing_price_by_it(
    book: Book, steps: int
) -> None:
    by = steps * book.rules.price_tick

    def moved(orders: Orders) -> Orders:
        return Orders([None if p is None else p + by for p in orders.limits], orders.quantities)

    reference = book.rules.reference
    rules = book.rules._replace(reference=None if reference is None else reference + by)
    result = clear(*book)
    translated = clear(moved(book.buys), moved(book.sells), rules)
    assert translated.price == (None if result.price is None else result.price + by)
    assert translated[1:4] == result[1:4]
    assert [trade[:3] for trade in translated.trades] == [trade[:3] for trade in result.trades]
    assert translated[-4:] == result[-4:]


@given(books())
def test_mirrored_sides_trade_the_same_quantities(book: Book) -> None:
    buys, sells, rules = book
    fee = rules.network_fee

    def mirrored(orders: Orders, plus: int) -> Orders:
        return Orders([None if p is None else plus - p for p in orders.limits], orders.quantities)

    reference = rules.reference
    mirror = clear(
        mirrored(sells, fee),
        mirrored(buys, fee),
        rules._replace(reference=None if reference is None else -reference),
    )
    result = clear(*book)
    assert mirror.volume == result.volume
    assert (mirror.sell_fills, mirror.buy_fills) == (result.buy_fills, result.sell_fills)
    if result.price is not None and rules.reference is not None:
        assert mirror.price == -result.price


@given(books(), st.integers(1, 10**12))
def test_finer_units_of_quantity_change_nothing_without_a_margin_to_share(
    book: Book, times: int
) -> None:
    def finer(orders: Orders) -> Orders:
        return Orders(orders.limits, [quantity * times for quantity in orders.quantities])

    rules = book.rules._replace(margin=Margin.TIME)
    result = clear(book.buys, book.sells, rules)
    fine = clear(finer(book.buys), finer(book.sells), rules)
    assert fine.price == result.price
    assert fine.buy_fills == [fill * times for fill in result.buy_fills]
    assert fine.surplus_maximum == result.surplus_maximum * times
