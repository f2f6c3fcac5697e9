"""The call auction: all orders at once, one price, and what each order gets of the volume.

A pure function on columns of integers: `clear` takes and gives lists, `cross` columns. The live
exchange and the market file both call it.

Prices inside are in the sellers' terms: what a seller receives. A buyer pays the network fee on
top, so a buy limit, which is all-in, counts as `limit - network_fee`.

The two sides are mirror images, so each is kept by *rank*: a sell order's limit, a buy order's
limit with the opposite sign. On both sides the lower rank trades first, and two orders cross
where their ranks sum to zero or less.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, repeat
from operator import mul
from typing import NamedTuple

from wattbay.core.facts import Margin, Pricing
from wattbay.core.market.sides import (
    FIRST,
    column,
    fill_before,
    levels,
    line_up,
    listed,
    places_of,
    ranks,
)
from wattbay.core.market.unboxed import i64, vec
from wattbay.units import share

Match = tuple[int, int, int, int, int]
"""A trade: buy index, sell index, quantity, what the buyer pays, what the seller gets a unit."""


class Orders(NamedTuple):
    """One side of the book, in order of arrival. Shape of both columns: (n_orders,)."""

    limits: Sequence[int | None]
    """The worst price each accepts; None for a market order. [price units]"""
    quantities: Sequence[int]
    """How much each wants; above zero. [quantity units]"""


class Rules(NamedTuple):
    """What of the auction a product may choose. Limits, reference and fee are on the tick."""

    pricing: Pricing = Pricing.UNIFORM
    margin: Margin = Margin.PRO_RATA
    reference: int | None = None
    """Chooses between equally good prices; in the sellers' terms. [price units]"""
    price_tick: int = 1
    network_fee: int = 0
    """Added once to what a buyer pays; no part of the price. [price units]"""


class Clearing(NamedTuple):
    """What an auction came to.

    What buyers pay = what sellers get + `market_keeps` + volume x network fee.
    """

    price: int | None
    """What a seller gets a unit under uniform pricing; None where nothing trades."""
    volume: int
    buy_fills: list[int]
    """What each buy order got. Shape: (n_buys,). [quantity units]"""
    sell_fills: list[int]
    """What each sell order got. Shape: (n_sells,). [quantity units]"""
    trades: list[Match]
    """Head to head: by limit, best first, market orders before all; then by arrival."""
    market_keeps: int
    """What buyers pay beyond what sellers get and the network fee. [price x quantity units]"""
    surplus_buyers: int
    """What buyers pay less than their limits; nothing for market orders."""
    surplus_sellers: int
    """What sellers get more than their limits; nothing for market orders."""
    surplus_maximum: int
    """The largest sum of the two by any rule, a market order being worth the clearing price."""


class Columns(NamedTuple):
    """One side of the book as columns, in order of arrival. Shape of both: (n_orders,)."""

    ranks: vec[i64]
    """Lower trades first; `FIRST` for a market order. [price units]"""
    quantities: vec[i64]
    """[quantity units]"""


class Crossing(NamedTuple):
    """What each order gets; as in `Clearing`, but for the trades."""

    price: int | None
    volume: int
    buy_fills: vec[i64]
    sell_fills: vec[i64]
    market_keeps: int
    surplus_buyers: int
    surplus_sellers: int
    surplus_maximum: int


class _Line(NamedTuple):
    """One side by levels, in the order in which they trade."""

    ranks: list[int]
    """Each once, lowest first. Shape: (n_levels,)."""
    quantities: list[int]
    """At each. Shape: (n_levels,)."""
    sums: list[int]
    """Quantity of the first 0, 1, 2, … levels. Shape: (n_levels + 1,)."""

    def before(self, rank: int) -> int:
        """Return how many levels stand before `rank`."""
        return bisect_left(self.ranks, rank)

    def up_to(self, rank: int) -> int:
        """Return how many levels stand at `rank` or before it."""
        return bisect_right(self.ranks, rank)


class _Queue(NamedTuple):
    """Those of one side that got something, in the order in which they trade."""

    places: Sequence[int]
    fills: Iterable[int]
    prices: Iterable[int]


def buy_columns(buys: Orders, network_fee: int) -> Columns:
    """Return buy orders as columns: dearest first, in the sellers' terms."""
    return Columns(ranks(buys.limits, -1, network_fee), column(buys.quantities))


def sell_columns(sells: Orders) -> Columns:
    """Return sell orders as columns: cheapest first."""
    return Columns(ranks(sells.limits, 1, 0), column(sells.quantities))


def clear(buys: Orders, sells: Orders, rules: Rules) -> Clearing:
    r"""Clear an auction: most volume, least surplus, pressure, then the reference or the middle.

    Parameters
    ----------
    buys, sells
        Limits and quantities within ±(2**53 - 1); quantities above zero.
    rules
        Limits, reference and network fee are multiples of `price_tick`.

    Notes
    -----
    With :math:`D(p)` the quantity of buy orders at :math:`p` or better and :math:`S(p)` that of
    sell orders, the volume is :math:`V = \max_p \min(D(p), S(p))` over the limits :math:`p`
    present. Letting best meet best until limits no longer cross comes to the same volume, and
    every price between the limits of the last pair, and no other, trades it.

    Under `Pricing.PAY_AS_BID` a market order pays or gets the clearing price: it names no other.
    """
    bought, sold = buy_columns(buys, rules.network_fee), sell_columns(sells)
    found = cross(bought, sold, rules)
    if found.price is None:
        return Clearing(None, 0, listed(found.buy_fills), listed(found.sell_fills), [], 0, 0, 0, 0)
    bought_wh, sold_wh = listed(found.buy_fills), listed(found.sell_fills)
    buyers = line_up(bought.ranks, found.buy_fills, rules.price_tick)
    sellers = line_up(sold.ranks, found.sell_fills, rules.price_tick)
    buy_prices: Iterable[int] = repeat(found.price + rules.network_fee)
    sell_prices: Iterable[int] = repeat(found.price)
    if rules.pricing is Pricing.PAY_AS_BID:
        buy_prices = _own_prices(buyers, buys, found.price + rules.network_fee)
        sell_prices = _own_prices(sellers, sells, found.price)
    trades = _pair(
        _Queue(buyers, map(bought_wh.__getitem__, buyers), buy_prices),
        _Queue(sellers, map(sold_wh.__getitem__, sellers), sell_prices),
    )
    return Clearing(
        found.price,
        found.volume,
        bought_wh,
        sold_wh,
        trades,
        found.market_keeps,
        found.surplus_buyers,
        found.surplus_sellers,
        found.surplus_maximum,
    )


def cross(buys: Columns, sells: Columns, rules: Rules) -> Crossing:
    """Say what each order gets, without pairing buyers and sellers."""
    tick = rules.price_tick
    demand = _line(*levels(buys.ranks, buys.quantities, tick))
    supply = _line(*levels(sells.ranks, sells.quantities, tick))
    volume = _volume(demand, supply)
    price = _price(demand, supply, volume, rules) if volume else None
    if price is None:
        return Crossing(None, 0, _nothing(buys), _nothing(sells), 0, 0, 0, 0)
    surplus_buyers = _surplus(demand, volume, -price)
    surplus_sellers = _surplus(supply, volume, price)
    maximum = surplus_buyers + surplus_sellers
    if demand.sums[demand.before(-price)] > volume or supply.sums[supply.before(price)] > volume:
        maximum = _surplus_maximum(demand, supply, price)
    market_keeps = 0
    if rules.pricing is Pricing.PAY_AS_BID:
        # Nobody pays or gets other than its limit, so what would have been gained is kept.
        market_keeps, surplus_buyers, surplus_sellers = surplus_buyers + surplus_sellers, 0, 0
    return Crossing(
        price,
        volume,
        _fills(buys, demand, volume, rules.margin),
        _fills(sells, supply, volume, rules.margin),
        market_keeps,
        surplus_buyers,
        surplus_sellers,
        maximum,
    )


def _nothing(side: Columns) -> vec[i64]:
    return column([0] * len(side.quantities))


def _own_prices(queue: Sequence[int], orders: Orders, price: int) -> list[int]:
    """List what each in the queue pays or gets for itself: its limit, or the price."""
    limits = map(orders.limits.__getitem__, queue)
    return [price if limit is None else limit for limit in limits]


def _line(found: list[int], quantities: list[int]) -> _Line:
    """Return levels as a line."""
    return _Line(found, quantities, list(accumulate(quantities, initial=0)))


def _volume(demand: _Line, supply: _Line) -> int:
    """Return the most that can be traded at one price."""
    return min(demand.sums[_reach(demand, supply)], supply.sums[_reach(supply, demand)])


def _reach(line: _Line, other: _Line) -> int:
    """Return how many in line trade when best meets best for as long as they cross."""

    def gap(place: int) -> int:
        """Return the distance of the limits where this level's first unit trades; it widens."""
        facing = bisect_right(other.sums, line.sums[place]) - 1
        return 1 if facing == len(other.ranks) else line.ranks[place] + other.ranks[facing]

    return bisect_right(range(len(line.ranks)), 0, key=gap)


def _price(demand: _Line, supply: _Line, volume: int, rules: Rules) -> int | None:
    """Choose among the limits at which the volume is traded."""
    prices = _candidates(demand, supply, volume)
    if not prices:
        return rules.reference  # Only market orders meet, and none of them names a price.

    def excess(price: int) -> int:
        """Return supply minus demand. It never falls as the price rises."""
        return supply.sums[supply.up_to(price)] - demand.sums[demand.up_to(-price)]

    # So the surplus is least beside the price at which demand turns into supply.
    turn = bisect_right(prices, 0, key=excess)
    least = min(abs(excess(price)) for price in prices[max(turn - 1, 0) : turn + 1])
    low = prices[bisect_left(prices, -least, key=excess)]
    high = prices[bisect_right(prices, least, key=excess) - 1]
    if excess(high) < 0:
        return high
    if excess(low) > 0:
        return low
    if rules.reference is not None:
        return max(low, min(rules.reference, high))
    tick = rules.price_tick
    return (low + high) // (2 * tick) * tick  # divides: the middle, down to the tick


def _candidates(demand: _Line, supply: _Line, volume: int) -> list[int]:
    """List the limits present at which the volume is traded, lowest first."""
    last_buy = bisect_left(demand.sums, volume) - 1
    last_sell = bisect_left(supply.sums, volume) - 1
    lowest, highest = supply.ranks[last_sell], -demand.ranks[last_buy]
    prices = {-rank for rank in demand.ranks[last_buy : demand.up_to(-lowest)]}
    prices.update(supply.ranks[last_sell : supply.up_to(highest)])
    return sorted(prices - {FIRST, -FIRST})


def _fills(side: Columns, line: _Line, volume: int, margin: Margin) -> vec[i64]:
    """Fill better limits whole, and share what is left of the volume at the last one."""
    place = bisect_left(line.sums, volume) - 1
    last = line.ranks[place]
    fills = fill_before(side.ranks, side.quantities, last)
    level = places_of(side.ranks, last)
    wanted = [side.quantities[index] for index in level]
    parts = _shared(volume - line.sums[place], wanted, margin)
    for index, part in zip(level, parts, strict=True):
        fills[index] = part
    return fills


def _shared(left: int, wanted: Sequence[int], margin: Margin) -> list[int]:
    """Share `left`, at most what is wanted, among the orders at one limit."""
    if margin is Margin.PRO_RATA:
        return share(left, list(wanted))
    parts = []
    for quantity in wanted:
        parts.append(min(quantity, left))
        left -= parts[-1]
    return parts


def _surplus(line: _Line, volume: int, rank: int) -> int:
    """Return how far the limits stand before the price, given by its rank, times quantity."""
    last = bisect_left(line.sums, volume) - 1
    begin = line.up_to(FIRST)
    left = volume - line.sums[last]
    if last < begin:
        return 0  # Only market orders trade, and they name no limit.
    whole: int = sum(map(mul, line.ranks[begin:last], line.quantities[begin:last]))
    return rank * (volume - line.sums[begin]) - whole - line.ranks[last] * left


def _surplus_maximum(demand: _Line, supply: _Line, price: int) -> int:
    """Return the largest surplus when market orders are worth the price.

    Best against best is worth most, by worth alone. The auction differs only where market orders,
    which go first whatever they are worth, stand before a limit that would have gained more.
    """
    demand, supply = _priced(demand, -price), _priced(supply, price)
    volume = _volume(demand, supply)
    return _surplus(demand, volume, -price) + _surplus(supply, volume, price)


def _priced(line: _Line, rank: int) -> _Line:
    """Return a line in which market orders stand at a rank."""
    if line.ranks[:1] != [FIRST]:
        return line
    table = dict(zip(line.ranks[1:], line.quantities[1:], strict=True))
    table[rank] = table.get(rank, 0) + line.quantities[0]
    found = sorted(table)
    return _line(found, [table[one] for one in found])


def _pair(buyers: _Queue, sellers: _Queue) -> list[Match]:
    """Pair buyers and sellers head to head."""
    trades: list[Match] = []
    others = zip(*sellers, strict=False)
    seller = seller_left = sell_price = 0
    for buyer, bought, buy_price in zip(*buyers, strict=False):
        left = bought
        while left > seller_left:
            if seller_left:
                trades.append((buyer, seller, seller_left, buy_price, sell_price))
                left -= seller_left
            seller, seller_left, sell_price = next(others)
        trades.append((buyer, seller, left, buy_price, sell_price))
        seller_left -= left
    return trades
