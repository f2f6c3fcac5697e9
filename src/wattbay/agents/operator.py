"""The market operator's agent: it clears what others may not, and brings results to be verified.

It sees the orders that stand when a gate has closed, and the energy that is known when a delivery
is over. What it returns are commands as anybody with its role could send them; the core believes
none of it. All chance is drawn from the names of product and delivery, so whoever has the journal
can clear again and compare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from random import Random
from types import MappingProxyType
from typing import NamedTuple

from wattbay.agents.day import Day, Worsening
from wattbay.clearing import allocation, truthful
from wattbay.clearing.community import Energies
from wattbay.clearing.community import Tariff as Bounds
from wattbay.core.commands import (
    AllocatedTrade,
    Command,
    SubmitAllocation,
    SubmitClearing,
    SubmittedTrade,
)
from wattbay.core.facts import Product, Side
from wattbay.core.market.allocation import least_to_get, most_to_pay
from wattbay.core.market.auction import Orders, Rules, clear
from wattbay.core.market.orders import worst_price
from wattbay.core.market.submitted import mean_price
from wattbay.core.products import BLOCK
from wattbay.ids import OrderId, PartyId, PodId
from wattbay.periods import Instant
from wattbay.views.operator import MeteredPod, StandingOrder

Match = tuple[int, int, int, int, int]
"""A trade: buy index, sell index, quantity, what the buyer pays, what the seller gets a unit."""


def _never(
    _delivery: Instant, _orders: Sequence[StandingOrder], _fills: Sequence[int]
) -> list[int]:
    """Find no network limit breached."""
    return []


class AuctionRule(StrEnum):
    """How the agent clears a product whose results are submitted."""

    HUANG = "huang"
    """Trade reduction: the last pair sets the prices, and does not trade."""
    MUDA = "muda"
    """Two halves by lot, each at the other's price."""
    UNIFORM = "uniform"
    """As the core's own auction, but brought from outside."""
    BLOCK = BLOCK
    """Over all deliveries of a day, with blocks, by a solver."""


class RuleTerms(NamedTuple):
    """What a rule of a community product asks for besides energies and tariffs."""

    weights: Mapping[PodId, int] = MappingProxyType({})
    """Of the static key; 1 for a pod that is not named, but 0 where others are."""
    levels: Mapping[PodId, int] = MappingProxyType({})
    """Of the hierarchical key, lowest first; 0 for a pod that is not named."""
    price: int | None = None
    """Of the keys; None for the middle. [nano-currency per Wh]"""


class MarketOperator:
    """Brings results for one product."""

    __slots__ = ("_party", "_product", "_terms")

    def __init__(self, party: PartyId, product: Product, terms: RuleTerms) -> None:
        """Take up the office.

        Raises
        ------
        ValueError
            If the product names a rule that this agent does not know.
        """
        known = [*AuctionRule, *allocation.Rule]
        if product.rule not in known:
            raise ValueError(f"no rule is called {product.rule!r}; {', '.join(known)}")
        self._party = party
        self._product = product
        self._terms = terms

    def clear(
        self, delivery: Instant, orders: Sequence[StandingOrder], worsening: Worsening = _never
    ) -> list[Command]:
        """Return the result of one delivery; one in which nothing trades is a result, too.

        As long as a network limit would be breached, the latest of the orders that worsen it are
        left out: one, then two, then four. The core's own auction looks closer.
        """
        standing, many = list(orders), 1
        while True:
            buys = [order for order in standing if order.side is Side.BUY]
            sells = [order for order in standing if order.side is Side.SELL]
            matches = self._matches(delivery, buys, sells)
            filled: Counter[OrderId] = Counter()
            for buy, sell, quantity, _, _ in matches:
                filled.update({buys[buy].order: quantity, sells[sell].order: quantity})
            worse = worsening(delivery, standing, [filled[one.order] for one in standing])
            if not worse:
                return [self._result(delivery, buys, sells, matches)]
            gone = set(worse[:many])
            standing = [one for place, one in enumerate(standing) if place not in gone]
            many *= 2

    def _result(
        self,
        delivery: Instant,
        buys: Sequence[StandingOrder],
        sells: Sequence[StandingOrder],
        matches: Sequence[Match],
    ) -> Command:
        """Return matches as the core is told of them."""
        trades = tuple(
            SubmittedTrade(
                delivery=delivery,
                buy_order=buys[buy].order,
                sell_order=sells[sell].order,
                quantity_wh=quantity,
                buy_price=buy_price,
                sell_price=sell_price,
            )
            for buy, sell, quantity, buy_price, sell_price in matches
        )
        return SubmitClearing(
            operator=self._party,
            product=self._product.product,
            delivery=delivery,
            rule=self._product.rule,
            prices=(mean_price(trades),),
            trades=trades,
        )

    def clear_day(
        self,
        orders: Mapping[Instant, Sequence[StandingOrder]],
        worsening: Worsening = _never,
    ) -> list[Command]:
        """Return the result of an auction over a day, with whatever blocks stand in it.

        Network limits are heeded as in `clear`.

        Parameters
        ----------
        orders
            By delivery, in order; a block stands with the first delivery of its profile.
        """
        left, many = dict(orders), 1
        while True:
            day = Day(self._product, left)
            found = day.clear()
            trades = tuple(day.trades(found))
            worse = day.worsening(trades, worsening)
            if not worse:
                break
            gone = set(worse[:many])
            left = {
                start: [one for one in standing if one.order not in gone]
                for start, standing in left.items()
            }
            many *= 2
        return [
            SubmitClearing(
                operator=self._party,
                product=self._product.product,
                delivery=day.deliveries[0],
                rule=self._product.rule,
                prices=tuple(found.prices),
                trades=trades,
                bound_nano=found.bound,
            )
        ]

    def _matches(
        self, delivery: Instant, buys: Sequence[StandingOrder], sells: Sequence[StandingOrder]
    ) -> list[Match]:
        """Clear by the rule of the product."""
        product = self._product
        fee = product.network_fee
        if product.rule == AuctionRule.UNIFORM:
            rules = Rules(
                product.pricing, product.margin, product.reference, product.price_tick, fee
            )
            return clear(_plain(buys), _plain(sells), rules).trades
        # In the sellers' terms: the network is paid by the buyer, on top of the price.
        pods = sorted({one.pod for one in (*buys, *sells)})
        traders = {pod: number for number, pod in enumerate(pods)}
        bids = _truthful(product, buys, traders, fee)
        offers = _truthful(product, sells, traders, 0)
        if product.rule == AuctionRule.HUANG:
            found = truthful.huang(bids, offers).trades
        else:
            lots = Random(f"{product.product}/{delivery}")
            found = truthful.muda(bids, offers, lots, price_tick=product.price_tick).trades
        return [(buy, sell, wh, pays + fee, gets) for buy, sell, wh, pays, gets in found]

    def allocate(self, delivery: Instant, metered: Sequence[MeteredPod]) -> list[Command]:
        """Return who had whose energy in a delivery; nobody had any is an allocation, too."""
        product = self._product
        energies = Energies([one.import_wh for one in metered], [one.export_wh for one in metered])
        found = allocation.allocate(
            allocation.Rule(product.rule),
            energies,
            _bounds(product, metered),
            self._known_terms(metered),
        )
        trades = tuple(
            AllocatedTrade(
                buyer=metered[buyer].facts.pod,
                seller=metered[seller].facts.pod,
                quantity_wh=quantity,
                buy_price=found.price + product.network_fee,
                sell_price=found.price,
            )
            for buyer, seller, quantity in found.trades
        )
        return [
            SubmitAllocation(
                operator=self._party,
                product=product.product,
                delivery=delivery,
                rule=product.rule,
                trades=trades,
            )
        ]

    def _known_terms(self, metered: Sequence[MeteredPod]) -> allocation.Terms:
        """Return the terms of the rule by place."""
        weights, levels, price = self._terms
        pods = [one.facts.pod for one in metered]
        return allocation.Terms(
            [weights.get(pod, 0) for pod in pods] if weights else (),
            [levels.get(pod, 0) for pod in pods],
            price,
        )


def _plain(side: Sequence[StandingOrder]) -> Orders:
    """Return one side as the core's auction takes it."""
    limits = [worst_price(one.limit, one.terms) for one in side]
    return Orders(limits, [one.quantity_wh for one in side])


def _truthful(
    product: Product, side: Sequence[StandingOrder], traders: Mapping[PodId, int], fee: int
) -> truthful.Orders:
    """Return one side as truthful auctions take it."""
    return truthful.Orders(
        [_limit(product, one) - fee for one in side],
        [one.quantity_wh for one in side],
        [traders[one.pod] for one in side],
    )


def _limit(product: Product, order: StandingOrder) -> int:
    """Return the worst price that an order accepts; that of the product, where it names none."""
    named = worst_price(order.limit, order.terms)
    if named is not None:
        return named
    return product.price_max if order.side is Side.BUY else product.price_min


def _bounds(product: Product, metered: Sequence[MeteredPod]) -> Bounds:
    """Return the highest price that costs no buyer more than its supplier, and the sellers' least.

    Network fees and service charges are counted, so that nobody loses by any pairing.
    """
    buyers = [one for one in metered if one.import_wh > one.export_wh]
    sellers = [one for one in metered if one.export_wh > one.import_wh]
    zones = {one.facts.zone: one.facts for one in sellers}
    most = [
        most_to_pay(one.tariff, one.facts, zones[zone]) - product.network_fee
        for one in buyers
        for zone in sorted(zones)
    ]
    least = [least_to_get(one.tariff) for one in sellers]
    return Bounds(
        min([product.price_max - product.network_fee, *most]), max([product.price_min, *least])
    )
