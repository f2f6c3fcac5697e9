"""What the gateway knows: the last state of everybody, and figures over all auctions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from wattbay.adapters.etp.telling import (
    AggregatorStatus,
    AuctionCompleted,
    AuctionStarted,
    BESSNodeStatus,
    BidPlaced,
    Happening,
    SystemMetrics,
)
from wattbay.kernel.clock import Clock
from wattbay.periods import MINUTE

AUCTIONS_KEPT = 10
"""Finished auctions that a snapshot has, as the dashboard shows."""
OPEN_MAX = 10_000
"""Auctions that have begun and not ended."""
Listener = Callable[[Happening], None]


@dataclass(slots=True)
class _Bidder:
    """How an aggregator fares, as far as batteries see."""

    strategy: str = ""
    bids: int = 0
    won: int = 0
    bought_kwh: float = 0.0
    bid_sum: float = 0.0
    entry: int = 0
    is_online: bool = True


@dataclass(slots=True)
class _Open:
    """An auction that has begun."""

    started: AuctionStarted
    highest: float = 0.0


@dataclass(slots=True)
class Board:
    """Hears what happens, tells it on, and knows what a newcomer has to know."""

    clock: Clock
    """Never goes back."""
    listeners: list[Listener] = field(default_factory=list)
    _statuses: dict[int, BESSNodeStatus] = field(default_factory=dict)
    _bidders: dict[int, _Bidder] = field(default_factory=dict)
    _open: dict[int, _Open] = field(default_factory=dict)
    _finished: deque[tuple[AuctionStarted | None, AuctionCompleted]] = field(
        default_factory=lambda: deque(maxlen=AUCTIONS_KEPT)
    )
    _times: deque[int] = field(default_factory=deque)
    _auctions: int = 0
    _bids: int = 0
    _improvement: float = 0.0
    _completed: int = 0
    _told: int = 0
    entry: int = 0
    """The last entry that anything rested on."""

    def know(self, device: int, strategy: str, entry: int = 0) -> None:
        """Know how an aggregator bids, where somebody says, and by which entry it came."""
        bidder = self._bidders.setdefault(device, _Bidder())
        bidder.strategy, bidder.entry = strategy, max(bidder.entry, entry)
        self.entry = max(self.entry, entry)

    def tell(self, happening: Happening) -> None:
        """Hear what happened, and tell it on."""
        self.entry = max(self.entry, happening.entry)
        self._fold(happening)
        self._told += 1
        now = self.clock.now()
        self._times.append(now)
        while self._times[0] < now - MINUTE:
            self._times.popleft()
        for listener in self.listeners:
            listener(happening)

    def _fold(self, happening: Happening) -> None:
        match happening:
            case AuctionStarted(auction_id=number):
                self._auctions += 1
                self._open[number] = _Open(happening)
                if len(self._open) > OPEN_MAX:
                    self._open.pop(next(iter(self._open)))
            case BidPlaced(auction_id=number, aggregator_id=device, bid_price=price):
                self._bids += 1
                bidder = self._bidders.setdefault(device, _Bidder())
                bidder.bids += 1
                bidder.bid_sum += price
                if number in self._open:
                    self._open[number].highest = max(price, self._open[number].highest)
            case AuctionCompleted():
                self._complete(happening)
            case BESSNodeStatus(device_id=device):
                self._statuses[device] = happening
            case _:
                pass

    def _complete(self, done: AuctionCompleted) -> None:
        bidder = self._bidders.setdefault(done.winner_aggregator_id, _Bidder())
        bidder.won += 1
        bidder.bought_kwh += done.energy_sold
        bidder.entry = max(bidder.entry, done.entry)
        begun = self._open.pop(done.auction_id, None)
        self._finished.append((None if begun is None else begun.started, done))
        if begun is not None and begun.started.reserve_price > 0:
            reserve = begun.started.reserve_price
            self._improvement += max(0.0, 100 * (begun.highest - reserve) / reserve)
            self._completed += 1

    # --- for a newcomer, and now and then for everybody ------------------------------------------

    def aggregators(self, linked: Iterable[int]) -> list[AggregatorStatus]:
        """Return how each aggregator fares; `linked` are those that a battery speaks with now."""
        online = set(linked)
        return [
            AggregatorStatus(
                entry=one.entry, device_id=device, strategy=one.strategy,
                success_rate=100 * one.won / one.bids if one.bids else 0.0,
                total_bids=one.bids, successful_bids=one.won,
                total_energy_bought=one.bought_kwh,
                average_bid_price=one.bid_sum / one.bids if one.bids else 0.0,
                is_online=device in online,
            )
            for device, one in sorted(self._bidders.items())
        ]  # fmt: skip

    def metrics(self, linked: Iterable[int], clients: int) -> SystemMetrics:
        """Return how the market fares."""
        return SystemMetrics(
            entry=self.entry, total_auctions=self._auctions, total_bids=self._bids,
            avg_price_improvement_percent=(
                self._improvement / self._completed if self._completed else 0.0
            ),
            active_bess_nodes=sum(one.is_online for one in self._statuses.values()),
            active_aggregators=len(set(linked)),
            total_events_broadcast=self._told, connected_clients=clients,
            average_events_per_second=len(self._times) / 60,
        )  # fmt: skip

    def snapshot(self, linked: Iterable[int], clients: int) -> list[Happening]:
        """Return what a newcomer has to know, in the words of the events themselves.

        The state of everybody, the last finished auctions and those that run, the figures. Of each
        battery one runs: what it began before that and is not finished never will be, or soon.
        """
        online = list(linked)
        found: list[Happening] = [*self._statuses.values(), *self.aggregators(online)]
        for begun, done in self._finished:
            found += [done] if begun is None else [begun, done]
        found += {one.started.bess_id: one.started for one in self._open.values()}.values()
        return [*found, self.metrics(online, clients)]
