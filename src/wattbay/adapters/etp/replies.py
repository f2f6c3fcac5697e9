"""What a battery says to its bidders, and what it tells those who watch."""

from __future__ import annotations

from types import MappingProxyType

from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.amounts import cents, kwh
from wattbay.adapters.etp.auctions import Auction, Bid, Send, Stage
from wattbay.adapters.etp.bess import Bess
from wattbay.adapters.etp.messages import Kind, RejectCode, TerminateCode
from wattbay.adapters.etp.telling import (
    AuctionCompleted,
    AuctionStarted,
    BidAccepted,
    BidPlaced,
    BidRejected,
    EnergyDepleted,
)

MS = 1_000
"""Microseconds in a millisecond."""
Answers = tuple[int, int] | None
"""Type of the message that is answered, and when it arrived. [µs]"""


def acceptance(device: int, bid: Bid, answers: Answers) -> Send:
    """Promise a bid its energy."""
    message = m.bid_accept(bid.key[1], device, cents(bid.price), kwh(bid.energy_wh))
    return Send(bid.bidder, message, answers)


def rejection(device: int, bid: Bid, answers: Answers) -> Send:
    """Refuse a bid."""
    return Send(bid.bidder, m.bid_reject(bid.key[1], device, bid.code), answers)


def settlement(device: int, bid: Bid, answers: Answers) -> Send:
    """Tell a bidder that its sale is in the journal: its confirmation comes back."""
    message = m.bid_confirm(bid.key[1], device, cents(bid.price), kwh(bid.energy_wh))
    return Send(bid.bidder, message, answers)


def termination(device: int, bid: Bid, answers: Answers) -> Send:
    """Tell a bidder that nothing came of its bid."""
    code = TerminateCode.NORMAL if bid.stage is Stage.FAILED else bid.code
    return Send(bid.bidder, m.terminate(bid.key[1], device, code), answers)


def again(device: int, bid: Bid, answers: Answers) -> list[Send]:
    """Repeat what was said to a bid; nothing where it waits, for its answer will come."""
    match bid.stage:
        case Stage.ACCEPTED:
            return [acceptance(device, bid, answers)]
        case Stage.REJECTED:
            return [rejection(device, bid, answers)]
        case Stage.SETTLED:
            return [settlement(device, bid, answers)]
        case Stage.EXPIRED | Stage.TERMINATED | Stage.FAILED:
            return [termination(device, bid, answers)]
        case _:
            return []


def arrived(bid: Bid, kind: Kind = Kind.BID) -> Answers:
    """Return what an answer to a bid, or to its confirmation, answers."""
    return kind, bid.arrived_us


# --- for those who watch -----------------------------------------------------------------------


def started(auction: Auction, bess: Bess, free_wh: float, entry: int) -> AuctionStarted:
    """Return that an auction began."""
    return AuctionStarted(
        entry=entry, auction_id=auction.number, bess_id=bess.device_id,
        total_energy=kwh(free_wh), reserve_price=cents(bess.reserve),
    )  # fmt: skip


def placed(device: int, bid: Bid, entry: int) -> BidPlaced:
    """Return that a bid came."""
    return BidPlaced(
        entry=entry, auction_id=bid.auction, aggregator_id=bid.bidder, bess_id=device,
        bid_price=cents(bid.price), energy_amount=kwh(bid.energy_wh),
    )  # fmt: skip


def accepted(device: int, bid: Bid, entry: int) -> BidAccepted:
    """Return that a bid was promised its energy."""
    return BidAccepted(
        entry=entry, auction_id=bid.auction, aggregator_id=bid.bidder, bess_id=device,
        final_price=cents(bid.price), energy_amount=kwh(bid.energy_wh),
    )  # fmt: skip


_WORDS = MappingProxyType(
    {
        RejectCode.OUTBID: "Bid not competitive enough",
        RejectCode.NO_AUCTION: "No auction is open",
        RejectCode.MARKET_REFUSED: "The market would not take the sale",
        RejectCode.TOO_MANY: "Too many bids wait",
        RejectCode.NOTHING_ASKED: "Less than a watt-hour is asked for",
        RejectCode.ID_REUSED: "Another bid had this id",
        RejectCode.OFFLINE: "BESS is offline",
    }
)


def rejected(device: int, bid: Bid, words: str, entry: int) -> BidRejected:
    """Return that a bid was refused, and why in words."""
    reason = words or _WORDS.get(RejectCode(bid.code), "Bid price below reserve price")
    return BidRejected(entry=entry, aggregator_id=bid.bidder, bess_id=device, reason=reason)


def completed(device: int, bid: Bid, opened_us: int, now: int) -> AuctionCompleted:
    """Return that a sale is in the journal."""
    return AuctionCompleted(
        entry=bid.entry, auction_id=bid.auction, winner_aggregator_id=bid.bidder,
        seller_bess_id=device, energy_sold=kwh(bid.energy_wh), final_price=cents(bid.price),
        total_value=cents(bid.price) * kwh(bid.energy_wh),
        auction_duration_ms=(now - opened_us) // MS,
    )  # fmt: skip


def depleted(bess: Bess, entry: int) -> EnergyDepleted:
    """Return that a battery has next to nothing left for sale."""
    return EnergyDepleted(
        entry=entry, bess_id=bess.device_id, final_energy=kwh(bess.level_wh),
        energy_percentage=100 * bess.level_wh / bess.capacity_wh,
    )  # fmt: skip
