"""Multi-unit double auctions in which honesty is the best strategy: Huang's and MUDA.

Pure functions on columns of integers. No order's limit sets the price that the order itself pays
or gets, nor its place among those who share, so a limit other than the true one gains nothing.

References
----------
.. [1] P. Huang, A. Scheller-Wolf and K. Sycara, "Design of a multi-unit double auction e-market,"
       *Computational Intelligence*, vol. 18, no. 4, pp. 596-617, 2002.
.. [2] E. Segal-Halevi, A. Hassidim and Y. Aumann, "MUDA: a truthful multi-unit double-auction
       mechanism," *Proc. 32nd AAAI Conference on Artificial Intelligence*, 2018, arXiv:1712.06848.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from wattbay.units import share

Match = tuple[int, int, int, int, int]
"""A trade: buy index, sell index, quantity, what the buyer pays, what the seller gets a unit."""


class Orders(NamedTuple):
    """One side of the book, in order of arrival. Shape of each column: (n_orders,)."""

    limits: Sequence[int]
    """The worst price each accepts. [price units]"""
    quantities: Sequence[int]
    """How much each wants; above zero. [quantity units]"""
    traders: Sequence[int] = ()
    """Whose each is; empty where each is a trader's only one. Not negative. Only `muda` asks."""


class Half(NamedTuple):
    """One of the two markets of `muda`."""

    buys: list[int]
    """Indices of the buy orders in it, by arrival."""
    sells: list[int]
    """Indices of the sell orders in it, by arrival."""
    price: int | None
    """What it trades at, found in the other half; None where the other half has none."""
    volume: int


class Outcome(NamedTuple):
    """What an auction came to. What buyers pay = what sellers get + `market_keeps`."""

    buy_price: int | None
    """What every buyer pays a unit; None where nothing trades, or at two prices."""
    sell_price: int | None
    """What every seller gets a unit; None where nothing trades, or at two prices."""
    volume: int
    buy_fills: list[int]
    """What each buy order got. Shape: (n_buys,). [quantity units]"""
    sell_fills: list[int]
    """What each sell order got. Shape: (n_sells,). [quantity units]"""
    trades: list[Match]
    """Head to head: by limit, best first, then by arrival; one half after the other."""
    market_keeps: int
    """What buyers pay beyond what sellers get; never below zero. [price x quantity units]"""
    surplus_buyers: int
    """What buyers pay less than their limits."""
    surplus_sellers: int
    """What sellers get more than their limits."""
    surplus_maximum: int
    """The largest sum of the two by any rule, truthful or not."""
    halves: tuple[Half, ...] = ()
    """The two markets of `muda`; empty for `huang`."""


def huang(buys: Orders, sells: Orders) -> Outcome:
    r"""Clear by trade reduction: the last pair sets the prices, and does not trade.

    Parameters
    ----------
    buys, sells
        Each order of another trader; then a limit other than the true one gains nothing.

    Notes
    -----
    Buyers stand in line by limit, highest first, sellers by limit, lowest first, equals by
    arrival. Best meets best for as long as :math:`b \ge s`; buyer :math:`L` and seller :math:`K`
    are the last to meet. Buyers before :math:`L` pay :math:`b_L`, sellers before :math:`K` get
    :math:`s_K \le b_L` [1]_. With :math:`Y` wanted and :math:`X` offered by those, the shorter
    side trades all it has. On the longer side each bears the same part of :math:`|X - Y|`,
    whoever has less than that part gets nothing, and the others bear the rest alike (a footnote of
    [1]_). What does not divide falls on the later orders, one unit each: the largest remainder of
    equal parts. Arrival decides that, not the limit, so nobody can bid for it.
    """
    bought, sold = [0] * len(buys.limits), [0] * len(sells.limits)
    buy_line, sell_line = _line(buys.limits, sign=-1), _line(sells.limits, sign=1)
    met = _meet(buys, sells, buy_line, sell_line)
    maximum = _worth(buys, sells, met)
    if not met:
        return Outcome(None, None, 0, bought, sold, [], 0, 0, 0, maximum)
    last_buy, last_sell, _ = met[-1]
    buyers = sorted(buy_line[: buy_line.index(last_buy)])
    sellers = sorted(sell_line[: sell_line.index(last_sell)])
    wanted = [buys.quantities[index] for index in buyers]
    offered = [sells.quantities[index] for index in sellers]
    volume = min(sum(wanted), sum(offered))
    if volume == 0:
        return Outcome(None, None, 0, bought, sold, [], 0, 0, 0, maximum)
    for fills, line, parts in ((bought, buyers, wanted), (sold, sellers, offered)):
        for index, part in zip(line, _cut(parts, sum(parts) - volume), strict=True):
            fills[index] = part
    pays, gets = buys.limits[last_buy], sells.limits[last_sell]
    pairs = _pairs([(i, bought[i]) for i in buy_line], [(i, sold[i]) for i in sell_line])
    return Outcome(
        pays,
        gets,
        volume,
        bought,
        sold,
        [(buy, sell, quantity, pays, gets) for buy, sell, quantity in pairs],
        (pays - gets) * volume,
        sum(q * (buys.limits[i] - pays) for i, q in enumerate(bought)),
        sum(q * (gets - sells.limits[i]) for i, q in enumerate(sold)),
        maximum,
    )


def muda(buys: Orders, sells: Orders, chance: Random, *, price_tick: int = 1) -> Outcome:
    r"""Halve the market by lot; each half trades at the price found in the other one.

    Parameters
    ----------
    buys, sells
        Limits on the tick. A trader may have several orders on one side, which stay together;
        worth that falls with quantity is thus said in several limits.
    chance
        Draws a half for each trader, in order of trader, then one order of all traders. It draws
        the same whatever the limits are.
    price_tick
        The step of prices.

    Notes
    -----
    The price of a half is the one at which its own demand meets its own supply: of the range in
    which that is so the middle, rounded down to the tick. A half without a buy or without a sell
    order has none, and the other half then does not trade. At its price, a half trades
    :math:`\min(D, S)`; on the longer side traders take what they want one after the other by lot,
    each its own best order first (the lottery of [2]_). Orders whose limit is the price gain
    nothing and come after all others.
    """
    owners = _owners(buys, sells)
    traders = sorted({*owners[0], *owners[1]})
    place_of_half = {trader: chance.randrange(2) for trader in traders}
    chance.shuffle(traders)
    turn = {trader: place for place, trader in enumerate(traders)}
    within = [
        tuple(
            [index for index, owner in enumerate(side) if place_of_half[owner] == half]
            for side in owners
        )
        for half in (0, 1)
    ]
    prices = [_balance(buys, sells, half[0], half[1], price_tick) for half in within]
    bought, sold = [0] * len(buys.limits), [0] * len(sells.limits)
    halves: list[Half] = []
    trades: list[Match] = []
    for half, price in zip(within, reversed(prices), strict=True):
        volume = 0
        if price is not None:
            buyers = _takers(buys, owners[0], half[0], turn, price, sign=-1)
            sellers = _takers(sells, owners[1], half[1], turn, price, sign=1)
            volume = min(
                sum(buys.quantities[i] for i in buyers), sum(sells.quantities[i] for i in sellers)
            )
            _fill(bought, buyers, buys.quantities, volume)
            _fill(sold, sellers, sells.quantities, volume)
            buyers.sort(key=lambda i: (-buys.limits[i], i))
            sellers.sort(key=lambda i: (sells.limits[i], i))
            pairs = _pairs([(i, bought[i]) for i in buyers], [(i, sold[i]) for i in sellers])
            trades += [(buy, sell, quantity, price, price) for buy, sell, quantity in pairs]
        halves.append(Half(half[0], half[1], price, volume))
    met = _meet(buys, sells, _line(buys.limits, sign=-1), _line(sells.limits, sign=1))
    traded_at = {half.price for half in halves if half.volume}
    single = traded_at.pop() if len(traded_at) == 1 else None
    return Outcome(
        single,
        single,
        sum(half.volume for half in halves),
        bought,
        sold,
        trades,
        0,
        sum(quantity * (buys.limits[buy] - pays) for buy, _, quantity, pays, _ in trades),
        sum(quantity * (gets - sells.limits[sell]) for _, sell, quantity, _, gets in trades),
        _worth(buys, sells, met),
        tuple(halves),
    )


def _line(limits: Sequence[int], *, sign: int) -> list[int]:
    """Line up one side, best first, then by arrival; `sign` is -1 where highest is best."""
    return sorted(range(len(limits)), key=lambda index: sign * limits[index])


def _meet(
    buys: Orders, sells: Orders, buy_line: Sequence[int], sell_line: Sequence[int]
) -> list[tuple[int, int, int]]:
    """Let best meet best for as long as limits cross; buy index, sell index, quantity."""
    pairs = _pairs(
        [(index, buys.quantities[index]) for index in buy_line],
        [(index, sells.quantities[index]) for index in sell_line],
    )
    # The distance of the limits only widens along both lines.
    return [pair for pair in pairs if buys.limits[pair[0]] >= sells.limits[pair[1]]]


def _pairs(
    buyers: Sequence[tuple[int, int]], sellers: Sequence[tuple[int, int]]
) -> list[tuple[int, int, int]]:
    """Pair two lines of (index, quantity) head to head until one ends."""
    pairs: list[tuple[int, int, int]] = []
    place, left = -1, 0
    for buyer, wanted in buyers:
        open_quantity = wanted
        while open_quantity:
            while not left:
                place += 1
                if place == len(sellers):
                    return pairs
                left = sellers[place][1]
            quantity = min(open_quantity, left)
            pairs.append((buyer, sellers[place][0], quantity))
            open_quantity -= quantity
            left -= quantity
    return pairs


def _worth(buys: Orders, sells: Orders, met: Sequence[tuple[int, int, int]]) -> int:
    """Return what trades are worth to both sides together."""
    return sum(quantity * (buys.limits[buy] - sells.limits[sell]) for buy, sell, quantity in met)


def _cut(quantities: Sequence[int], burden: int) -> list[int]:
    """Take `burden` from quantities in equal parts; what has less than its part goes whole."""
    left = list(quantities)
    bearing = sorted(range(len(left)), key=lambda index: -left[index])
    while left[bearing[-1]] * len(bearing) < burden:
        smallest = bearing.pop()
        burden -= left[smallest]
        left[smallest] = 0
    bearing.sort(reverse=True)  # The first of these bear what does not divide.
    for index, part in zip(bearing, share(burden, [1] * len(bearing)), strict=True):
        left[index] -= part
    return left


def _owners(buys: Orders, sells: Orders) -> tuple[list[int], list[int]]:
    """Name the trader of each order; those that name none get numbers of their own."""
    number = max([*buys.traders, *sells.traders], default=-1) + 1
    found = []
    for side in (buys, sells):
        own = range(number, number + len(side.limits))
        found.append(list(side.traders) or list(own))
        number += len(side.limits)
    return found[0], found[1]


def _balance(
    buys: Orders, sells: Orders, buyers: Sequence[int], sellers: Sequence[int], tick: int
) -> int | None:
    """Return a price at which some orders' demand meets their supply; None where one is missing."""
    if not buyers or not sellers:
        return None
    buy_line = sorted(buyers, key=lambda index: -buys.limits[index])
    sell_line = sorted(sellers, key=lambda index: sells.limits[index])
    met = _meet(buys, sells, buy_line, sell_line)
    bought, sold = dict.fromkeys(buyers, 0), dict.fromkeys(sellers, 0)
    for buy, sell, quantity in met:
        bought[buy] += quantity
        sold[sell] += quantity
    # At the price all that traded is willing, and nothing that is left is eager.
    lows = [sells.limits[i] for i in sellers if sold[i]]
    lows += [buys.limits[i] for i in buyers if bought[i] < buys.quantities[i]]
    highs = [buys.limits[i] for i in buyers if bought[i]]
    highs += [sells.limits[i] for i in sellers if sold[i] < sells.quantities[i]]
    return (max(lows) + min(highs)) // (2 * tick) * tick  # divides: the middle, down to the tick


def _takers(
    side: Orders,
    owners: Sequence[int],
    members: Sequence[int],
    turn: dict[int, int],
    price: int,
    *,
    sign: int,
) -> list[int]:
    """List the orders that accept a price, as they take: who gains before who does not, by lot."""

    def key(index: int) -> tuple[bool, int, int, int]:
        limit = side.limits[index]
        return limit == price, turn[owners[index]], sign * limit, index

    return sorted((i for i in members if sign * (side.limits[i] - price) <= 0), key=key)


def _fill(fills: list[int], takers: Sequence[int], quantities: Sequence[int], volume: int) -> None:
    """Give the volume to one after the other."""
    for index in takers:
        fills[index] = min(quantities[index], volume)
        volume -= fills[index]
