"""Who is in a made-up world of batteries, aggregators and a market, and what is known of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from wattbay.adapters.etp.auctions import NEXT, Conclude, Key, Rules, Stage
from wattbay.adapters.etp.bess import Bess
from wattbay.adapters.etp.buyer import NEXT as NEXT_OF_BUYER
from wattbay.adapters.etp.buyer import Buyer
from wattbay.adapters.etp.messages import RejectCode
from wattbay.adapters.etp.seller import Seller


def reachable(arrows: Mapping[Stage, frozenset[Stage]]) -> dict[Stage, set[Stage]]:
    """Return which stages can follow each, in any number of steps, itself included."""
    found = {stage: {stage} for stage in Stage}
    for _ in Stage:
        for stage, nexts in arrows.items():
            for following in nexts:
                found[stage] |= found[following]
    return found


AFTER = reachable(NEXT)
AFTER_OF_BUYER = reachable(NEXT_OF_BUYER)


STRANGER = 902
"""A device that the market does not know."""


def fault_of(bidder: int, price: int, energy_wh: int) -> RejectCode | None:
    """Tell why the market would not take a sale before it is agreed."""
    del price, energy_wh
    return RejectCode.MARKET_REFUSED if bidder == STRANGER else None


class Sale(NamedTuple):
    """What the market wrote down."""

    entry: int
    price: int
    energy_wh: int

    @property
    def money(self) -> int:
        return self.price * self.energy_wh


@dataclass
class Conclusion:
    """A sale that the market was told of, and has not answered."""

    bess: int
    told: Conclude
    entry: int | None = None
    is_decided: bool = False


class Market:
    """Remembers sales by battery and bid; a repeated one has its first entry."""

    def __init__(self) -> None:
        self.sales: dict[tuple[int, Key], Sale] = {}
        self.waiting: deque[Conclusion] = deque()
        self.refuses = False
        self.is_slow = False
        self._entries = count(1)

    def decide(self, one: Conclusion) -> None:
        if one.is_decided:
            return
        one.is_decided = True
        place = one.bess, one.told.key
        if place not in self.sales and not self.refuses:
            self.sales[place] = Sale(next(self._entries), one.told.price, one.told.energy_wh)
        sale = self.sales.get(place)
        one.entry = None if sale is None else sale.entry

    def forget(self, bess: int) -> None:
        """Let go of what a battery that crashed told and was not decided, and of its answers."""
        self.waiting = deque(one for one in self.waiting if one.bess != bess)

    def sales_of(self, bess: int) -> dict[Key, Sale]:
        return {key: sale for (at, key), sale in self.sales.items() if at == bess}


@dataclass
class Line:
    """A connection: in each direction, order is kept."""

    buyer: int
    bess: int
    up: deque[bytes] = field(default_factory=deque)
    """To the battery."""
    down: deque[bytes] = field(default_factory=deque)
    is_up: bool = True


@dataclass
class Battery:
    """A battery and its sessions, with what a bystander knows of it."""

    bess: Bess
    rules: Rules
    start_wh: float
    seller: Seller
    recharged_wh: float = 0.0
    crash_after: int | None = None
    """It crashes when it has done so many of the things that it wants done, and not the next."""
    heard: list[bytes] = field(default_factory=list)
    """By this life."""
    heard_before: list[bytes] = field(default_factory=list)
    stages: dict[Key, Stage] = field(default_factory=dict)
    known_wh: int = 0
    """Sold, as far as this life heard of it. [Wh]"""


@dataclass
class Aggregator:
    """An aggregator and its sessions, with what is written down for it."""

    buyer: Buyer
    does_register: bool
    crash_after: int | None = None
    heard: list[tuple[int, bytes]] = field(default_factory=list)
    stages: dict[Key, Stage] = field(default_factory=dict)


class BatteryPlan(NamedTuple):
    """How a battery is and sells."""

    capacity_wh: int = 20_000
    reserve_price: int = 150_000
    percentage: float = 50.0
    rules: Rules = Rules()
