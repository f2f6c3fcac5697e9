"""What the gateway tells of auctions: the events of the protocol, and the entry each rests on.

Field names and units are those of the protocol: ¢/kWh, kWh, per cent. Each event names an entry of
the journal. That of a finished auction is the sale itself; that of anything else is the last entry
that it rests on: how full the battery told to be, or the last sale that a figure counts. Before the
first such entry, it is the one by which the battery or the aggregator came to be a member.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What every event bears."""

    entry: int = 0
    """Of the journal; 0 where nothing is written of it: whoever bids need be no member."""


class AuctionStarted(Event, frozen=True, kw_only=True):
    """A battery began to sell."""

    auction_id: int
    total_energy: float
    reserve_price: float
    bess_id: int


class QuerySent(Event, frozen=True, kw_only=True):
    """An aggregator asked a battery what it has."""

    aggregator_id: int
    bess_id: int


class QueryResponse(Event, frozen=True, kw_only=True):
    """A battery told what it has."""

    bess_id: int
    energy_available: float
    percentage_for_sale: float


class BidPlaced(Event, frozen=True, kw_only=True):
    """An aggregator bid."""

    auction_id: int
    aggregator_id: int
    bess_id: int
    bid_price: float
    energy_amount: float


class BidAccepted(Event, frozen=True, kw_only=True):
    """A battery promised its energy to a bid."""

    auction_id: int
    aggregator_id: int
    bess_id: int
    final_price: float
    energy_amount: float


class BidRejected(Event, frozen=True, kw_only=True):
    """A battery refused a bid."""

    aggregator_id: int
    bess_id: int
    reason: str


class AuctionCompleted(Event, frozen=True, kw_only=True):
    """A sale is in the journal."""

    auction_id: int
    winner_aggregator_id: int
    seller_bess_id: int
    energy_sold: float
    final_price: float
    total_value: float
    """[¢]"""
    auction_duration_ms: int


class EnergyDepleted(Event, frozen=True, kw_only=True):
    """A battery has next to nothing left for sale."""

    bess_id: int
    final_energy: float
    energy_percentage: float


class EnergyRecharged(Event, frozen=True, kw_only=True):
    """A battery took energy in."""

    bess_id: int
    energy_added: float
    new_total: float
    energy_percentage: float


class BESSNodeStatus(Event, frozen=True, kw_only=True):
    """How a battery is."""

    device_id: int
    energy_available: float
    percentage_for_sale: float
    battery_health: int
    battery_voltage: float
    is_online: bool


class AggregatorStatus(Event, frozen=True, kw_only=True):
    """How an aggregator fares."""

    device_id: int
    strategy: str
    success_rate: float
    """[%]"""
    total_bids: int
    successful_bids: int
    total_energy_bought: float
    average_bid_price: float
    is_online: bool


class SystemMetrics(Event, frozen=True, kw_only=True):
    """How the market fares."""

    total_auctions: int
    total_bids: int
    avg_price_improvement_percent: float
    """Of the highest bid over the reserve price, never below 0, over all finished auctions."""
    active_bess_nodes: int
    active_aggregators: int
    total_events_broadcast: int = 0
    connected_clients: int = 0
    average_events_per_second: float = 0.0
    """Over the last minute."""


Happening = (
    AuctionStarted | QuerySent | QueryResponse | BidPlaced | BidAccepted | BidRejected
    | AuctionCompleted | EnergyDepleted | EnergyRecharged | BESSNodeStatus | AggregatorStatus
    | SystemMetrics
)  # fmt: skip
"""Any event."""


def text_of(event: Happening) -> str:
    """Return an event as the gateway sends it: an object whose one key is its name."""
    return msgspec.json.encode({type(event).__name__: event}).decode()


def fields_of(event: Happening) -> dict[str, Any]:
    """Return an event's fields by name."""
    return msgspec.structs.asdict(event)
