"""From a market file to its result, through an auction in which honesty is the best strategy.

What differs from a call auction: every order names a limit, the rule is `huang` or `muda`, and
there is no network fee, reference or margin to choose.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from wattbay.adapters.market_file.document import Intake, Order, take_orders
from wattbay.adapters.market_file.exact import ONE, Exact, plain, times
from wattbay.adapters.market_file.fields import TICKS_MAX, Bounds, prices_of, rules_of, ticks_of
from wattbay.adapters.market_file.result import (
    HalfMarket,
    Rejection,
    Surplus,
    Trade,
    TruthfulResult,
)
from wattbay.adapters.market_file.source import Doubled, Faults, kind, members_of
from wattbay.clearing.truthful import Orders, Outcome, huang, muda
from wattbay.core.facts import Side

_FOREIGN_RULES = MappingProxyType(
    {
        "pricing": "call_auction",
        "margin": "call_auction",
        "reference": "call_auction",
        "network_fee": "call_auction and continuous",
        "self_trade_prevention": "continuous",
        "network_fees": "continuous",
        "node_limit": "block_auction",
    }
)
_PRICES = ("price_min", "price_max")
_OWN = frozenset({"rule", "seed"})
_TOP_REQUIRED = frozenset({"mechanism", "orders"})
_TOP_OPTIONAL = frozenset({"ticks", "rules"}) | _OWN


class Rule(StrEnum):
    """How a truthful auction is cleared; see `wattbay.clearing.truthful`."""

    HUANG = "huang"
    MUDA = "muda"


class TruthfulDocument(NamedTuple):
    """What a market file says. Prices and quantities are whole numbers of its ticks."""

    price_tick: Exact
    quantity_tick: Exact
    rule: Rule
    seed: int
    """Of the lots of `muda`."""
    intake: Intake


def read_truthful(raw: object, faults: Faults) -> TruthfulDocument:
    """Read a market file of a truthful auction.

    Raises
    ------
    ConfigError
        Bears every fault with its JSON pointer.
    """
    top = members_of(raw, (), _TOP_REQUIRED, _TOP_OPTIONAL, faults)
    price_tick, quantity_tick = ticks_of(top.get("ticks", {}), faults)
    rules = rules_of(top.get("rules", {}), _OWN | frozenset(_PRICES), _FOREIGN_RULES, faults)
    prices = prices_of(rules, _PRICES, price_tick, faults)
    bounds = Bounds(price_tick, quantity_tick, prices["price_min"], prices["price_max"])
    bounds.are_in_order(faults)
    rule, seed = _own_rules(top, rules, faults)
    orders = top.get("orders", [])
    _check_limits(orders, faults)
    intake = take_orders(orders, bounds, faults)
    faults.raise_any()
    return TruthfulDocument(price_tick or ONE, quantity_tick or ONE, rule, seed, intake)


def _own_rules(
    top: dict[str, object], rules: dict[str, object], faults: Faults
) -> tuple[Rule, int]:
    """Read rule and seed: at the top, or among the rules; not in both."""
    found: dict[str, object] = {"rule": Rule.HUANG.value, "seed": 0}
    where: dict[str, tuple[str, ...]] = {}
    for path, members in (((), top), (("rules",), rules)):
        for key in sorted(_OWN & members.keys()):
            if key in where:
                faults.add((*path, key), f"{key} stands at the top, too")
            found[key], where[key] = members[key], (*path, key)
    rule, seed = found["rule"], found["seed"]
    if rule not in tuple(Rule):
        faults.add(where["rule"], f"this is {kind(rule)}", 'expected "huang" or "muda"')
        rule = Rule.HUANG
    if type(seed) is not int or abs(seed) > TICKS_MAX:
        remedy = f"expected a whole number from -{TICKS_MAX} to {TICKS_MAX}"
        faults.add(where["seed"], f"this is {kind(seed)}", remedy)
        seed = 0
    return Rule(str(rule)), seed


def _check_limits(orders: object, faults: Faults) -> None:
    """Find orders without a limit: one that names none says nothing that could be true."""
    for place, order in enumerate(orders if isinstance(orders, list) else []):
        members = order.members if isinstance(order, Doubled) else order
        if isinstance(members, dict) and "limit" in members and members["limit"] is None:
            remedy = "expected a price: a truthful auction knows no market orders"
            faults.add(("orders", place, "limit"), "this is null", remedy)


def clear_truthful(document: TruthfulDocument) -> TruthfulResult:
    """Clear what a market file says."""
    buys = [order for order in document.intake.accepted if order.side is Side.BUY]
    sells = [order for order in document.intake.accepted if order.side is Side.SELL]
    traders = _traders(document.intake.accepted)
    columns = _columns(buys, traders), _columns(sells, traders)
    if document.rule is Rule.MUDA:
        found = muda(*columns, random.Random(document.seed))
    else:
        found = huang(*columns)
    return _result(document, buys, sells, found)


def _traders(orders: Sequence[Order]) -> dict[str, int]:
    """Give each trader a number, by first arrival; an order without a party is one by itself."""
    return {name: number for number, name in enumerate(dict.fromkeys(map(_trader, orders)))}


def _trader(order: Order) -> str:
    """Name the trader of an order."""
    return f"order {order.key}" if order.party is None else f"party {order.party}"


def _columns(orders: Sequence[Order], traders: dict[str, int]) -> Orders:
    """Return one side as the rules take it."""
    return Orders(
        [order.limit for order in orders if order.limit is not None],
        [order.quantity for order in orders],
        [traders[_trader(order)] for order in orders],
    )


def _result(
    document: TruthfulDocument, buys: Sequence[Order], sells: Sequence[Order], found: Outcome
) -> TruthfulResult:
    """Write what the rule found in the units of the document."""
    amount_tick = times(document.price_tick, document.quantity_tick)

    def price(ticks: int | None) -> str | None:
        return None if ticks is None else plain(ticks, document.price_tick)

    def quantity(ticks: int) -> str:
        return plain(ticks, document.quantity_tick)

    def amount(ticks: int) -> str:
        return plain(ticks, amount_tick)

    trades = [
        Trade(
            buys[buy].key,
            sells[sell].key,
            quantity(filled),
            plain(pays, document.price_tick),
            plain(gets, document.price_tick),
        )
        for buy, sell, filled, pays, gets in found.trades
    ]
    own_price = {trade.buy: trade.buy_price for trade in trades}
    own_price |= {trade.sell: trade.sell_price for trade in trades}
    orders = document.intake.accepted
    fills = {Side.BUY: iter(found.buy_fills), Side.SELL: iter(found.sell_fills)}
    halves = []
    for half in found.halves:
        members = {*(buys[i].key for i in half.buys), *(sells[i].key for i in half.sells)}
        keys = [order.key for order in orders if order.key in members]
        halves.append(HalfMarket(keys, price(half.price), quantity(half.volume)))
    one_price = found.buy_price if found.buy_price == found.sell_price else None
    return TruthfulResult(
        price=price(one_price),
        buy_price=price(found.buy_price),
        sell_price=price(found.sell_price),
        volume=quantity(found.volume),
        fills={str(order.key): quantity(next(fills[order.side])) for order in orders},
        order_price={
            str(order.key): own_price[order.key] for order in orders if order.key in own_price
        },
        trades=trades,
        market_keeps=amount(found.market_keeps),
        surplus=Surplus(
            buyers=amount(found.surplus_buyers),
            sellers=amount(found.surplus_sellers),
            maximum=amount(found.surplus_maximum),
        ),
        halves=halves,
        rejected=[Rejection(key, reason.value) for key, reason in document.intake.rejected],
    )
