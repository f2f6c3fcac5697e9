"""The four periods of a delivery, and what an agent of each is asked to do.

Bidding, gate closure, exchange, settlement: each has an agent of its own, and each can be another
one. An agent sees the exchange's state and the market's time, and returns what is to be said and
what is to be asked of the exchange. It has no other way to act: what it asks is a command like
anybody's, and may be refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol

from wattbay.adapters.mqtt.market.messages import Public
from wattbay.core.commands import Command
from wattbay.core.events import PeriodSettled
from wattbay.core.exchange import State
from wattbay.core.facts import Product
from wattbay.ids import ProductId
from wattbay.periods import Instant


class Sight(NamedTuple):
    """What an agent sees when it is asked."""

    state: State
    """To be read and never changed. It may know more than what the agent is asked about."""
    now: Instant
    """The market's time."""
    seq: int
    """Number of the last entry that `state` knows of."""


class Say(NamedTuple):
    """A message on a topic below ``em/v1/{community}/market``."""

    parts: tuple[str, ...]
    """One to four identifiers."""
    message: Public | None
    """None takes a retained message away."""
    retain: bool = False


Act = Say | Command
Place = tuple[ProductId, Instant]
"""A delivery of a product."""


class BiddingAgent(Protocol):
    """From gate opening to gate closure: who offers what, to whom, is told to all."""

    def opened(self, sight: Sight, product: Product, delivery: Instant) -> Sequence[Act]:
        """Act once orders for a delivery may be placed."""

    def closed(self, sight: Sight, product: Product, delivery: Instant) -> Sequence[Act]:
        """Act once no order for it is taken any more."""

    def changed(self, sight: Sight, places: Sequence[Place]) -> Sequence[Act]:
        """Act on orders that came, changed or went; at most once a second of real time."""


class GateAgent(Protocol):
    """From gate closure to delivery: what the network bears is checked, and trades are firm."""

    def closed(self, sight: Sight, product: Product, delivery: Instant) -> Sequence[Act]:
        """Act once the gate of a delivery is closed, before an auction that waits for a check."""

    def cleared(
        self, sight: Sight, place: Place, price: int | None, volume_wh: int
    ) -> Sequence[Act]:
        """Act once it is known what a delivery came to. [nano-currency per Wh, Wh]"""


class ExchangeAgent(Protocol):
    """While energy flows, and until it is metered."""

    def began(self, sight: Sight, delivery: Instant) -> Sequence[Act]:
        """Act once a delivery begins."""

    def ended(self, sight: Sight, delivery: Instant) -> Sequence[Act]:
        """Act once a delivery is over."""

    def metered(self, sight: Sight, deliveries: Sequence[Instant]) -> Sequence[Act]:
        """Act on energy that is known, or known better; at most once a second of real time."""


class Run(NamedTuple):
    """A settlement run that was held."""

    settled: PeriodSettled
    receipts: int
    is_final: bool


class SettlementAgent(Protocol):
    """From the bill date on."""

    def settled(self, sight: Sight, run: Run) -> Sequence[Act]:
        """Act once a delivery was settled in a run."""


class Build(NamedTuple):
    """What an agent may want to know when it is made."""

    community: str
    options: Mapping[str, str] = MappingProxyType({})
    """Whatever was configured for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """One agent a period."""

    bidding: BiddingAgent
    gate_closure: GateAgent
    exchange: ExchangeAgent
    settlement: SettlementAgent
