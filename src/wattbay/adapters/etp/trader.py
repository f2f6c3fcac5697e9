"""What an aggregator wants, and what it bids for it. Pure: chance and news are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from wattbay.adapters.etp.amounts import energy_down
from wattbay.adapters.etp.auctions import Ended, Stage
from wattbay.adapters.etp.messages import Message, RejectCode
from wattbay.adapters.etp.strategies import (
    STEP,
    History,
    Row,
    Strategy,
    Supply,
    bid_price,
    spread,
)


class Plan(NamedTuple):
    """What an aggregator is told by whoever runs it."""

    device_id: int
    strategy: Strategy
    cap: int
    """The most that it pays. [nano-currency per Wh]"""
    floor: int = 10_000
    """What it thinks at first that a battery wants at least. [nano-currency per Wh]"""
    need_wh: int = 50_000
    """What it wants in all. [Wh]"""
    lot_wh: int = 5_000
    """What it bids for at once, over all batteries. [Wh]"""
    budget_nano: int | None = None
    """What it spends in all; None: what its need costs at its cap. [nano-currency]"""


class Wanted(NamedTuple):
    """A bid to be made."""

    bess: int
    price: int
    energy_wh: int


@dataclass(slots=True)
class Figures:
    """How an aggregator fares."""

    bids: int = 0
    settled: int = 0
    bought_wh: int = 0
    spent_nano: int = 0


@dataclass(slots=True)
class Trader:
    """Decides what is bid, by what batteries told and what became of earlier bids."""

    plan: Plan
    rng: Random
    history: History = field(default_factory=History)
    figures: Figures = field(default_factory=Figures)
    _for_sale: dict[int, int] = field(default_factory=dict)
    _reserves: dict[int, int] = field(default_factory=dict)
    _at_stake_wh: int = 0
    _at_stake_nano: int = 0
    _is_short: bool = False

    @property
    def budget_nano(self) -> int:
        """What it may spend in all. [nano-currency]"""
        plan = self.plan
        return plan.need_wh * plan.cap if plan.budget_nano is None else plan.budget_nano

    @property
    def is_done(self) -> bool:
        """Tell whether it has what it wants, or cannot pay for another watt-hour of it."""
        left = self.budget_nano - self.figures.spent_nano
        has_all = self.figures.bought_wh >= self.plan.need_wh
        return has_all or left < self.plan.floor or (self._is_short and not self.is_waiting)

    @property
    def is_waiting(self) -> bool:
        """Tell whether bids are without an outcome."""
        return self._at_stake_wh > 0

    def forget_supplies(self) -> None:
        """Begin a round: what batteries told before does not count any more."""
        self._for_sale.clear()

    def told(self, bess: int, message: Message) -> None:
        """Hear what a battery has for sale."""
        share = message.energy_total * message.percentage_for_sale / 100
        self._for_sale[bess] = energy_down(share)

    def reserve_of(self, bess: int) -> int:
        """Return what it thinks that a battery wants at least. [nano-currency per Wh]"""
        return self._reserves.get(bess, self.plan.floor)

    def bids(self) -> list[Wanted]:
        """Return what is to be bid now, within need, lot, cap and budget; it is at stake then."""
        plan = self.plan
        missing = plan.need_wh - self.figures.bought_wh - self._at_stake_wh
        supplies = [
            Supply(bess, energy_wh, self.reserve_of(bess))
            for bess, energy_wh in self._for_sale.items()
            if self.reserve_of(bess) <= plan.cap
        ]
        found = []
        self._is_short = False
        for share in spread(min(missing, plan.lot_wh), supplies):
            price = bid_price(
                plan.strategy, share.energy_wh,
                reserve=share.reserve, cap=plan.cap, history=self.history, rng=self.rng,
            )  # fmt: skip
            left = self.budget_nano - self.figures.spent_nano - self._at_stake_nano
            if price is None or price <= 0:
                continue
            energy_wh = min(share.energy_wh, left // price)
            self._is_short |= energy_wh <= 0
            if energy_wh > 0:
                self._at_stake_wh += energy_wh
                self._at_stake_nano += energy_wh * price
                self.figures.bids += 1
                found.append(Wanted(share.bess, price, energy_wh))
        return found

    def take_back(self, wanted: Wanted) -> None:
        """Let a bid be nothing that could not be made."""
        self.figures.bids -= 1
        self._free(wanted.energy_wh, wanted.price)

    def restored(self, energy_wh: int, price: int) -> None:
        """Know of a bid from before a restart that is at stake still."""
        self._at_stake_wh += energy_wh
        self._at_stake_nano += energy_wh * price

    def _free(self, energy_wh: int, price: int) -> None:
        self._at_stake_wh -= energy_wh
        self._at_stake_nano -= energy_wh * price

    def ended(self, ended: Ended, bid_price_nano: int) -> None:
        """Hear what became of a bid.

        Parameters
        ----------
        bid_price_nano
            What was bid; it is sold for that or less. [nano-currency per Wh]
        """
        self._free(ended.energy_wh, bid_price_nano)
        is_settled = ended.stage is Stage.SETTLED
        row = Row(ended.bess, ended.price, ended.energy_wh, is_settled)
        self.history.add(row)
        known = self.reserve_of(ended.bess)
        if is_settled:
            self.figures.settled += 1
            self.figures.bought_wh += ended.energy_wh
            self.figures.spent_nano += ended.energy_wh * ended.price
            # It may have sold for less: the next bid finds out, a little lower.
            self._reserves[ended.bess] = max(self.plan.floor, min(known, ended.price - 2 * STEP))
        elif ended.code in {RejectCode.PRICE_TOO_LOW, RejectCode.OUTBID}:
            # A quarter of the way to the cap at a time: found in a few bids, wherever it is.
            higher = ended.price + max(STEP, (self.plan.cap - ended.price) // 4)
            self._reserves[ended.bess] = max(known, min(self.plan.cap, higher))
