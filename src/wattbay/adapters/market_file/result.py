"""What a market file came to, in the units of its document, and how that is written as JSON."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from wattbay.adapters.market_file.fields import OrderKey


class Trade(Struct, frozen=True):
    """A pair of orders that trade. Numbers are plain decimals."""

    buy: OrderKey
    sell: OrderKey
    quantity: str
    buy_price: str
    """What the buyer pays a unit, network fee included."""
    sell_price: str
    """What the seller gets a unit."""


class Surplus(Struct, frozen=True):
    """What traders gained against their limits, and the most they could have under any rule."""

    buyers: str
    sellers: str
    maximum: str


class Rejection(Struct, frozen=True):
    """An order that the market refused."""

    id: OrderKey
    reason: str


class Result(Struct, frozen=True):
    """The result of a market file. Its fields are the keys of the JSON, in this order."""

    price: str | None
    """What a seller gets a unit under uniform pricing; None where nothing trades."""
    volume: str
    fills: dict[str, str]
    """By id: how much each accepted order got, zeros included, in order of arrival."""
    order_price: dict[str, str]
    """By id: what each order that got something pays or gets a unit."""
    trades: list[Trade]
    market_keeps: str
    surplus: Surplus
    rejected: list[Rejection]


class HalfMarket(Struct, frozen=True):
    """One of the two markets into which MUDA divides traders by lot."""

    orders: list[OrderKey]
    """Those in it, by arrival."""
    price: str | None
    """What it trades at, found in the other one; None where the other one has no price."""
    volume: str


class TruthfulResult(Struct, frozen=True):
    """The result of a truthful auction. Its fields are the keys of the JSON, in this order."""

    price: str | None
    """What all who trade pay and get a unit; None where that is no single price."""
    buy_price: str | None
    """What every buyer pays a unit; None where nothing trades, or halves at two prices."""
    sell_price: str | None
    """What every seller gets a unit; None where nothing trades, or halves at two prices."""
    volume: str
    fills: dict[str, str]
    order_price: dict[str, str]
    trades: list[Trade]
    market_keeps: str
    surplus: Surplus
    halves: list[HalfMarket]
    """The two markets of MUDA; empty under Huang's rule."""
    rejected: list[Rejection]


class Meeting(Struct, frozen=True):
    """Two orders trade, in continuous trading. Numbers are plain decimals."""

    maker: OrderKey
    """The one that rested."""
    taker: OrderKey
    price: str
    """What the seller gets a unit; the buyer pays the network fee of the pair on top."""
    quantity: str


class Cancellation(Struct, frozen=True):
    """Open quantity that left unfilled."""

    id: OrderKey
    quantity: str
    reason: str


class StepRejection(Struct, frozen=True):
    """A step that the market refused."""

    op: str
    id: OrderKey
    reason: str


Ladder = list[tuple[str, list[tuple[OrderKey, str]]]]
"""One side of a book: limits, best first, each with its orders in priority and what is open."""


class TradingResult(Struct, frozen=True, omit_defaults=True):
    """The result of continuous trading. Its fields are the keys of the JSON, in this order.

    The last three are left out where they are empty.
    """

    trades: list[Meeting]
    bids: Ladder
    asks: Ladder
    cancelled: list[Cancellation]
    rejected: list[StepRejection]
    stops: list[OrderKey]
    """Stop orders that still wait, by arrival."""
    triggered: list[OrderKey]
    """Stop orders that were released, in order."""
    released: list[OrderKey] = []
    """Orders that waited for a number or the network, and act, in order."""
    waiting: list[OrderKey] = []
    """Those that still wait for a number, by place in time."""
    suspended: list[OrderKey] = []
    """Those that still wait for the network, by place in time."""


class BlockResult(Struct, frozen=True):
    """The result of a block auction. Its fields are the keys of the JSON, in this order."""

    accepted: list[OrderKey]
    """Blocks that are accepted, wholly or in part, by arrival."""
    acceptance: dict[str, str]
    """By id: which part of each block is accepted, from 0 to 1."""
    prices: list[str]
    """One a period."""
    volumes: list[str]
    """What is bought in each period."""
    fills: dict[str, str]
    """By id, or by pointer where it has none: what each divisible order got."""
    welfare: str
    bound: str
    gap: str
    """How far welfare may be from its bound, as a part of that."""
    paradoxically_rejected: list[OrderKey]
    """Blocks that are rejected though they would gain at the prices."""
    rejected: list[Rejection]


AnyResult = Result | TruthfulResult | TradingResult | BlockResult


def render(result: AnyResult) -> str:
    """Write a result as JSON, readable, ending in a line break."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2).decode() + "\n"
