"""A battery that hears messages, and what it says to them."""

from __future__ import annotations

from itertools import count
from random import Random

from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.auctions import (
    Bid,
    Conclude,
    Effect,
    MarketFault,
    Rules,
    Send,
    Told,
)
from wattbay.adapters.etp.bess import Bess
from wattbay.adapters.etp.messages import Kind, Message
from wattbay.adapters.etp.seller import Seller, no_fault
from wattbay.adapters.etp.telling import (
    Happening,
)

BESS, BUYER, RIVAL = 101, 201, 202
NOON = 1_000_000_000
MS = 1_000
CENT = 10_000
FIRST_WINS = Rules()
WINDOW = Rules(window_us=200 * MS)


def a_bess(level_wh: float = 80_000.0, percentage: float = 50.0) -> Bess:
    """Return a battery of 100 kWh whose reserve price is 15 ¢/kWh, and 13.5 while it is full."""
    return Bess(
        device_id=BESS, capacity_wh=100_000, reserve_price=15 * CENT, level_wh=level_wh,
        percentage_for_sale=percentage,
    )  # fmt: skip


def a_seller(
    rules: Rules = FIRST_WINS,
    bess: Bess | None = None,
    market_fault: MarketFault = no_fault,
    seed: int = 1,
) -> Seller:
    numbers = count(1)
    return Seller(bess or a_bess(), rules, Random(seed), lambda: next(numbers), market_fault)


def say(seller: Seller, message: Message, now: int = NOON) -> list[Effect]:
    return seller.hear(message, m.encode(message), now)


def a_bid(number: int = 7, cents: float = 18.0, kwh: float = 10.0, of: int = BUYER) -> Message:
    return m.bid(number, of, cents, kwh)


def a_confirm(number: int = 7, cents: float = 18.0, kwh: float = 10.0, of: int = BUYER) -> Message:
    return m.bid_confirm(number, of, cents, kwh)


def sent(effects: list[Effect]) -> list[Message]:
    return [effect.message for effect in effects if isinstance(effect, Send)]


def told(effects: list[Effect]) -> list[Happening]:
    return [effect.happening for effect in effects if isinstance(effect, Told)]


def concludes(effects: list[Effect]) -> list[Conclude]:
    return [effect for effect in effects if isinstance(effect, Conclude)]


def bid_of(seller: Seller, number: int = 7, of: int = BUYER) -> Bid:
    return next(bid for bid in seller.bids if bid.key == (of, number))


def accepted(seller: Seller, message: Message, now: int = NOON) -> None:
    """Let a bid be accepted."""
    (answer,) = sent(say(seller, message, now))
    assert answer.message_type == Kind.BID_ACCEPT


def settled(seller: Seller, number: int = 7, entry: int = 5, of: int = BUYER) -> None:
    """Let a bid of one kilowatt-hour be sold."""
    accepted(seller, a_bid(number, kwh=1, of=of))
    (told_market,) = concludes(say(seller, a_confirm(number, kwh=1, of=of)))
    seller.concluded(told_market.key, entry, NOON)
