"""What an auction did with its orders, and why its price is what it is, in words.

Recomputed from the orders alone by the rule that every product names: most volume, then least
left over, then pressure, then the reference or the middle.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from types import MappingProxyType
from typing import NamedTuple, Self

from wattbay.cli.show.figures import Purse, counted, wh
from wattbay.cli.show.rows import OrderRow
from wattbay.units import share

ONE_BY_ONE: Mapping[str, str] = MappingProxyType(
    {
        "continuous": (
            "Orders met one by one, each at the limit of the one that was there first. The price of"
            " the delivery is the mean of what sellers got."
        ),
        "bilateral": (
            "Buyers took the sellers' offers one by one, or agreed on sales elsewhere, each at its"
            " own price. The price of the delivery is the mean of what sellers got."
        ),
    }
)
"""How orders met, by the rule that their price is told with."""


class Book(NamedTuple):
    """The orders that stood when an auction was held, and what it came to."""

    orders: tuple[OrderRow, ...]
    price: int | None
    """What a seller gets under uniform pricing; None where nothing was traded."""
    fee: int
    """What a buyer pays on top. [nano-currency per Wh]"""
    price_tick: int = 1
    is_uniform: bool = True
    """Whether all pay one price; else each its own limit."""
    rule: str = ""
    """By which the market operator cleared it, or orders met one by one; empty where the exchange
    held an auction."""

    def side(self, side: str) -> list[OrderRow]:
        """Return one side, best limit first."""
        sign = -1 if side == "buy" else 1

        def rank(order: OrderRow) -> tuple[int, int, int]:
            limit = order.limit_nano_per_wh
            return (0, 0, order.seq) if limit is None else (1, sign * limit, order.seq)

        return sorted((order for order in self.orders if order.side == side), key=rank)

    def price_of(self, side: str) -> int | None:
        """Return what a side pays or gets; None where that is not one price.

        [nano-currency per Wh]
        """
        if self.price is None or self.rule in ONE_BY_ONE:
            return None
        return self.price + self.fee if side == "buy" else self.price

    def curves(self) -> Curves:
        """Return demand and supply, in the sellers' terms."""
        bids = [(o.limit_nano_per_wh, o.quantity_wh) for o in self.orders if o.side == "buy"]
        offers = [(o.limit_nano_per_wh, o.quantity_wh) for o in self.orders if o.side != "buy"]
        named = [(-(limit - self.fee), energy) for limit, energy in bids if limit is not None]
        return Curves(
            _Curve.of(named, sum(energy for limit, energy in bids if limit is None)),
            _Curve.of(
                [(limit, energy) for limit, energy in offers if limit is not None],
                sum(energy for limit, energy in offers if limit is None),
            ),
        )


class _Curve(NamedTuple):
    """One side: what it trades up to each limit. Bids stand with the opposite sign."""

    limits: list[int]
    """Ascending. [nano-currency per Wh]"""
    sums: list[int]
    """What the first 0, 1, 2, ... and all without a limit want together. [Wh]"""

    @classmethod
    def of(cls, orders: list[tuple[int, int]], without_limit: int) -> Self:
        """Make the curve of orders, given as limit and energy."""
        line = sorted(orders)
        sums = accumulate((energy for _, energy in line), initial=without_limit)
        return cls([limit for limit, _ in line], list(sums))

    def at(self, limit: int) -> int:
        """Return what is wanted at a limit or better. [Wh]"""
        return self.sums[bisect_right(self.limits, limit)]


class Curves(NamedTuple):
    """Demand and supply of an auction, by the price that sellers get."""

    demand: _Curve
    supply: _Curve

    def at(self, price: int) -> tuple[int, int]:
        """Return what is bid for, and what is offered, at a price. [Wh]"""
        return self.demand.at(-price), self.supply.at(price)

    def prices(self) -> list[int]:
        """Return every price that a limit names, ascending. [nano-currency per Wh]"""
        return sorted({*(-limit for limit in self.demand.limits), *self.supply.limits})


class Choice(NamedTuple):
    """How the rule arrives at a price. [nano-currency per Wh]"""

    lowest: int
    highest: int
    """Between these the most is traded."""
    low: int
    high: int
    """Between these the least is left over."""
    volume_wh: int
    pressure: int
    """1 where more is offered all along, -1 where more is bid for, else 0."""

    def price(self, price_tick: int) -> int:
        """Return the price by pressure; where there is none, the middle, down to the tick."""
        if self.pressure:
            return self.high if self.pressure < 0 else self.low
        return (self.low + self.high) // (2 * price_tick) * price_tick


def choose(book: Book) -> Choice | None:
    """Return how the rule chooses among the limits present; None where none of them trades."""
    curves = book.curves()
    volumes = {price: min(curves.at(price)) for price in curves.prices()}
    volume = max(volumes.values(), default=0)
    if volume == 0:
        return None
    most = [price for price, traded in volumes.items() if traded == volume]
    left = {price: offered - wanted for price in most for wanted, offered in [curves.at(price)]}
    least = min(map(abs, left.values()))
    best = [price for price in most if abs(left[price]) == least]
    low, high = best[0], best[-1]
    pressure = -1 if left[high] < 0 else 1 if left[low] > 0 else 0
    return Choice(most[0], most[-1], low, high, volume, pressure)


def why_price(book: Book, purse: Purse) -> list[str]:
    """Say why the price is what it is; or why there is none."""
    if book.rule:
        return [why_submitted(book)]
    if book.price is None:
        return [why_nothing(book, purse)]
    choice = choose(book)
    wanted, offered = book.curves().at(book.price)
    at = purse.price(book.price)
    so = f"so {wh(min(wanted, offered))} changed hands."
    said = [f"At {at} {wh(wanted)} were bid for and {wh(offered)} offered, {so}"]
    if choice is None or not choice.lowest <= book.price <= choice.highest:
        return said
    if choice.lowest == choice.highest:
        return [*said, "No other price that anybody named trades as much."]
    said.append(
        f"From {purse.price(choice.lowest)} to {purse.price(choice.highest)} the same is traded:"
        " the most there is at any price."
    )
    if (choice.low, choice.high) != (choice.lowest, choice.highest):
        where = (
            f"at {purse.price(choice.low)}"
            if choice.low == choice.high
            else f"from {purse.price(choice.low)} to {purse.price(choice.high)}"
        )
        said.append(f"The least is left over {where}.")
    said.append(_last_step(choice, book.price, book.price_tick, purse))
    return [words for words in said if words]


def _last_step(choice: Choice, price: int, price_tick: int, purse: Purse) -> str:
    """Say what chose among equally good prices."""
    if choice.low == choice.high:
        return ""
    if price != choice.price(price_tick):
        return "The product's reference price chose among them."
    if choice.pressure:
        more, which = (
            ("bid for than offered", "highest")
            if choice.pressure < 0
            else ("offered than bid for", "lowest")
        )
        return f"At each of these more was {more}, so the {which} of them counts."
    return (
        f"Neither side pressed, so the price is halfway between {purse.price(choice.low)} and"
        f" {purse.price(choice.high)}, down to the tick."
    )


def why_submitted(book: Book) -> str:
    """Say how energy was traded, where not by an auction of the exchange's own."""
    if book.rule in ONE_BY_ONE:
        return ONE_BY_ONE[book.rule]
    if not book.orders:
        return f"The market operator allocated what was metered by the rule {book.rule}."
    return (
        f"The market operator cleared it by the rule {book.rule}; the exchange verified that"
        " nobody got worse than its limit."
    )


def why_nothing(book: Book, purse: Purse) -> str:
    """Say why an auction traded nothing."""
    bids, offers = book.side("buy"), book.side("sell")
    were = "was" if len(bids) + len(offers) == 1 else "were"
    if not bids and not offers:
        return "Nobody had ordered anything."
    if not offers:
        return f"Nobody offered anything; there {were} {counted(len(bids), 'bid')}."
    if not bids:
        return f"Nobody bid for anything; there {were} {counted(len(offers), 'offer')}."
    best_bid, best_offer = bids[0].limit_nano_per_wh, offers[0].limit_nano_per_wh
    if best_bid is None or best_offer is None:
        return "Only orders without a limit met, and none of them names a price."
    return (
        f"The best bid, {purse.price(best_bid)}, was below the cheapest offer,"
        f" {purse.price(best_offer)}: no two orders met."
    )


def why_fill(order: OrderRow, book: Book, purse: Purse) -> list[str]:
    """Say why an order that stood in an auction got what it got."""
    if book.rule:
        return [why_submitted(book)]
    price = book.price_of(order.side)
    if price is None:
        return [why_nothing(book, purse)]
    limit = order.limit_nano_per_wh
    is_bid = order.side == "buy"
    if order.filled_wh == order.quantity_wh:
        return [_gained(order, price, purse)] if book.is_uniform else []
    if limit is not None and (limit < price if is_bid else limit > price):
        gap = purse.price(abs(price - limit))
        way, what = ("above", "most you would pay") if is_bid else ("below", "least you would take")
        came = f"The price came to {purse.price(price)}, {gap} {way} your limit:"
        return [f"{came} {purse.price(limit)} was the {what}."]
    return _shared(order, book, purse)


def _gained(order: OrderRow, price: int, purse: Purse) -> str:
    """Say how a filled order fared against its limit."""
    limit = order.limit_nano_per_wh
    if limit is None:
        return "Without a limit it went before all orders that had one."
    if limit == price:
        return "The price was exactly your limit."
    way = "below" if order.side == "buy" else "above"
    return f"That is {purse.price(abs(price - limit))} {way} your limit: better than you had asked."


def _shared(order: OrderRow, book: Book, purse: Purse) -> list[str]:
    """Say how the last price level was shared."""
    kind = "bid" if order.side == "buy" else "offer"
    limit = order.limit_nano_per_wh
    level = [other for other in book.side(order.side) if other.limit_nano_per_wh == limit]
    wanted = sum(other.quantity_wh for other in level)
    left = sum(other.filled_wh for other in level)
    where = "without a limit" if limit is None else f"at your limit of {purse.price(limit)}"
    other_side = "offered" if order.side == "buy" else "bid for"
    first = ": better ones went first" if book.side(order.side)[0] not in level else ""
    said = [f"Your {kind} was among the last that the volume reached{first}."]
    if len(level) == 1:
        said.append(f"Only {wh(left)} were left for it: no more was {other_side}.")
        return said
    said.append(
        f"{wh(left)} were left for the {counted(len(level), kind)} {where}, which wanted"
        f" {wh(wanted)} together."
    )
    if share(left, [other.quantity_wh for other in level]) == [o.filled_wh for o in level]:
        said.append(
            f"They share in proportion: {left:,} × {order.quantity_wh:,} / {wanted:,} Wh is"
            f" {wh(order.filled_wh)} for you, whole Wh by largest remainder."
        )
    else:
        said.append("They are served in order of time.")
    return said
