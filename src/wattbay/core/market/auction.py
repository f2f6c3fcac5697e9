"""The call auction: all orders at once, one price, and what each order gets of the volume.

A pure function on columns of integers. The live exchange and the market file both call it.

Prices inside are in the sellers' terms: what a seller receives. A buyer pays the network fee on
top, so a buy limit, which is all-in, counts as `limit - network_fee`.

The two sides are mirror images, so each is kept by *rank*: a sell order's limit, a buy order's
limit with the opposite sign. On both sides the lower rank trades first, and two orders cross
where their ranks sum to zero or less.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, repeat
from operator import mul
from typing import NamedTuple

from wattbay.core.facts import Margin, Pricing
from wattbay.units import share

_FIRST = -(2**60)
"""The rank of a market order: before any limit, even with a fee, for those fit in 54 bits."""

_CROWD = 8
"""With more orders a rank than this, gathering them by rank is faster than sorting them."""

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


class _Line(NamedTuple):
    """One side in the order in which it trades."""

    ranks: list[int]
    """By index of the order. Shape: (n_orders,)."""
    order: list[int]
    """Indices: lowest rank first, then by arrival. Shape: (n_orders,)."""
    sums: list[int]
    """Quantity of the first 0, 1, 2, … in line. Shape: (n_orders + 1,)."""

    def rank(self, place: int) -> int:
        """Return the rank of the one at `place`, from 0."""
        return self.ranks[self.order[place]]

    def before(self, rank: int) -> int:
        """Return how many stand before `rank`."""
        return bisect_left(self.order, rank, key=self.ranks.__getitem__)

    def up_to(self, rank: int) -> int:
        """Return how many stand at `rank` or before it."""
        return bisect_right(self.order, rank, key=self.ranks.__getitem__)


class _Portion(NamedTuple):
    """What of one side trades."""

    fills: list[int]
    """By index of the order. Shape: (n_orders,)."""
    queue: list[int]
    """Indices of those that got something, in the order in which they trade."""
    ends: list[int]
    """What each in the queue and all before it got. Shape: that of `queue`."""


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
    demand = _line(_buy_ranks(buys, rules.network_fee), buys.quantities)
    supply = _line(_sell_ranks(sells), sells.quantities)
    volume = _volume(demand, supply)
    price = _price(demand, supply, volume, rules) if volume else None
    if price is None:
        return Clearing(None, 0, [0] * len(buys.limits), [0] * len(sells.limits), [], 0, 0, 0, 0)
    bought = _portion(demand, volume, buys.quantities, rules.margin)
    sold = _portion(supply, volume, sells.quantities, rules.margin)
    surplus_buyers = _surplus(demand, bought, -price)
    surplus_sellers = _surplus(supply, sold, price)
    maximum = surplus_buyers + surplus_sellers
    if demand.sums[demand.before(-price)] > volume or supply.sums[supply.before(price)] > volume:
        maximum = _surplus_maximum(buys, sells, price, rules.network_fee)
    buy_prices: Iterable[int] = repeat(price + rules.network_fee)
    sell_prices: Iterable[int] = repeat(price)
    market_keeps = 0
    if rules.pricing is Pricing.PAY_AS_BID:
        buy_prices = _own_prices(bought, buys, price + rules.network_fee)
        sell_prices = _own_prices(sold, sells, price)
        # Nobody pays or gets other than its limit, so what would have been gained is kept.
        market_keeps, surplus_buyers, surplus_sellers = surplus_buyers + surplus_sellers, 0, 0
    return Clearing(
        price,
        volume,
        bought.fills,
        sold.fills,
        _pair(bought, buy_prices, sold, sell_prices),
        market_keeps,
        surplus_buyers,
        surplus_sellers,
        maximum,
    )


def _own_prices(portion: _Portion, orders: Orders, price: int) -> list[int]:
    """List what each in the queue pays or gets for itself: its limit, or the price."""
    limits = map(orders.limits.__getitem__, portion.queue)
    return [price if limit is None else limit for limit in limits]


def _buy_ranks(buys: Orders, fee: int) -> list[int]:
    """Rank buy orders: dearest first, in the sellers' terms."""
    return [_FIRST if limit is None else fee - limit for limit in buys.limits]


def _sell_ranks(sells: Orders) -> list[int]:
    """Rank sell orders: cheapest first."""
    return [_FIRST if limit is None else limit for limit in sells.limits]


def _line(ranks: list[int], quantities: Sequence[int]) -> _Line:
    """Line up one side by rank, then by arrival."""
    if len(set(ranks)) * _CROWD < len(ranks):
        crowds: defaultdict[int, list[int]] = defaultdict(list)
        for index, rank in enumerate(ranks):
            crowds[rank].append(index)
        order = list(chain.from_iterable(map(crowds.__getitem__, sorted(crowds))))
    else:
        order = sorted(range(len(ranks)), key=ranks.__getitem__)
    return _Line(ranks, order, list(accumulate(map(quantities.__getitem__, order), initial=0)))


def _volume(demand: _Line, supply: _Line) -> int:
    """Return the most that can be traded at one price."""
    return min(demand.sums[_reach(demand, supply)], supply.sums[_reach(supply, demand)])


def _reach(line: _Line, other: _Line) -> int:
    """Return how many in line trade when best meets best for as long as they cross."""

    def gap(place: int) -> int:
        """Return the distance of the limits where this order's first unit trades; it widens."""
        facing = bisect_right(other.sums, line.sums[place]) - 1
        return 1 if facing == len(other.order) else line.rank(place) + other.rank(facing)

    return bisect_right(range(len(line.order)), 0, key=gap)


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
    lowest, highest = supply.rank(last_sell), -demand.rank(last_buy)
    prices = {-demand.ranks[i] for i in demand.order[last_buy : demand.up_to(-lowest)]}
    prices.update(supply.ranks[i] for i in supply.order[last_sell : supply.up_to(highest)])
    return sorted(prices - {_FIRST, -_FIRST})


def _portion(line: _Line, volume: int, quantities: Sequence[int], margin: Margin) -> _Portion:
    """Fill better limits whole, and share what is left of the volume at the last one."""
    last = line.rank(bisect_left(line.sums, volume) - 1)
    start, end = line.before(last), line.up_to(last)
    queue, ends = line.order[:start], line.sums[1 : start + 1]
    fills = [0] * len(quantities)
    for index in queue:
        fills[index] = quantities[index]
    level = line.order[start:end]
    filled = line.sums[start]
    parts = _shared(volume - filled, [quantities[index] for index in level], margin)
    for index, part in zip(level, parts, strict=True):
        if part:
            filled += part
            fills[index] = part
            queue.append(index)
            ends.append(filled)
    return _Portion(fills, queue, ends)


def _shared(left: int, wanted: list[int], margin: Margin) -> list[int]:
    """Share `left`, at most what is wanted, among the orders at one limit."""
    if margin is Margin.PRO_RATA:
        return share(left, wanted)
    parts = []
    for quantity in wanted:
        parts.append(min(quantity, left))
        left -= parts[-1]
    return parts


def _surplus(line: _Line, portion: _Portion, rank: int) -> int:
    """Return how far the limits stand before the price, given by its rank, times quantity."""
    volume = portion.ends[-1]
    of_markets = min(line.sums[line.up_to(_FIRST)], volume)
    of_all: int = rank * volume - sum(map(mul, line.ranks, portion.fills))
    return of_all - (rank - _FIRST) * of_markets


def _surplus_maximum(buys: Orders, sells: Orders, price: int, fee: int) -> int:
    """Return the largest surplus when market orders are worth the price.

    Best against best is worth most, by worth alone. The auction differs only where market orders,
    which go first whatever they are worth, stand before a limit that would have gained more.
    """
    demand = _line(
        [-price if rank == _FIRST else rank for rank in _buy_ranks(buys, fee)], buys.quantities
    )
    supply = _line(
        [price if rank == _FIRST else rank for rank in _sell_ranks(sells)], sells.quantities
    )
    volume = _volume(demand, supply)
    bought = _portion(demand, volume, buys.quantities, Margin.TIME)
    sold = _portion(supply, volume, sells.quantities, Margin.TIME)
    return _surplus(demand, bought, -price) + _surplus(supply, sold, price)


def _pair(
    bought: _Portion, buy_prices: Iterable[int], sold: _Portion, sell_prices: Iterable[int]
) -> list[Match]:
    """Pair buyers and sellers head to head; prices are by place in the queue."""
    trades: list[Match] = []
    sellers = zip(sold.queue, sold.ends, sell_prices, strict=False)
    seller = seller_end = sell_price = traded = 0
    for buyer, buyer_end, buy_price in zip(bought.queue, bought.ends, buy_prices, strict=False):
        while seller_end < buyer_end:
            if seller_end > traded:
                trades.append((buyer, seller, seller_end - traded, buy_price, sell_price))
                traded = seller_end
            seller, seller_end, sell_price = next(sellers)
        trades.append((buyer, seller, buyer_end - traded, buy_price, sell_price))
        traded = buyer_end
    return trades
