"""Rows of single events, for the files of a run and for whoever reads a live system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wattbay.core import events as e
from wattbay.core.commands import Command
from wattbay.core.facts import Device, Party, PodFacts, Product, Quality, Receipt
from wattbay.kernel.codec import Entry
from wattbay.periods import Instant
from wattbay.views.retail import Cell

Cells = tuple[Cell, ...]
"""One row: instants and amounts as integers, floats only for what is estimated."""

Priced = e.AuctionCleared | e.AllocationAccepted | e.TradingClosed
"""Events by which the price of a delivery is known."""


def receipt_row(receipt: Receipt, end: Instant) -> Cells:
    """Return a receipt; `end` is that of its delivery."""
    return (
        receipt.delivery,
        end,
        receipt.pod,
        receipt.party,
        receipt.run,
        receipt.version,
        receipt.bought_wh,
        receipt.sold_wh,
        receipt.delivered_in_wh,
        receipt.delivered_out_wh,
        receipt.import_wh,
        receipt.export_wh,
        receipt.deviation_wh,
        receipt.pooled_wh,
        receipt.residual_wh,
        receipt.trades_nano,
        receipt.pool_nano,
        receipt.supplier_nano,
        receipt.network_nano,
        receipt.levy_nano,
        receipt.service_nano,
        receipt.total_nano,
        receipt.same_meters_nano,
        receipt.quality is Quality.ESTIMATED,
    )


def statement_rows(seq: int, event: e.StatementIssued, start: Instant, end: Instant) -> list[Cells]:
    """Return the lines of a statement; its month is `start` to `end`."""
    statement = event.statement
    return [
        (
            statement.pod,
            statement.party,
            start,
            end,
            line.component,
            line.amount_nano,
            statement.payable_minor,
            seq,
        )
        for line in statement.lines
    ]


def imbalance_rows(delivery: Instant, run: str, told: Sequence[e.Imbalance]) -> Iterator[Cells]:
    """Yield what each balance responsible party was long or short."""
    for one in told:
        yield (delivery, one.brp, run, one.energy_wh)


def subject_of(command: Command) -> str:
    """Return whom or what a command concerns; empty where it names nobody."""
    for name in ("pod", "facts", "meter", "device", "order", "party", "seller", "product"):
        match getattr(command, name, None):
            case str() | int() as found:
                return str(found)
            case PodFacts(pod=found) | Device(device=found):
                return found
            case Party(party=found) | Product(product=found):
                return found
            case _:
                pass
    return ""


def refusal_row(entry: Entry, event: e.Rejected) -> Cells:
    """Return a refusal, with whom or what it concerns."""
    return (
        entry.seq,
        entry.at,
        type(entry.command).__name__,
        subject_of(entry.command),
        event.reason.value,
        event.detail,
    )


def price_row(event: Priced, product: Product, zone: str, pool_price: int | None) -> Cells:
    """Return the price of a delivery, and by what it came to be.

    That is empty where it was the exchange's own auction.
    """
    rule = product.mechanism.value if isinstance(event, e.TradingClosed) else event.rule
    return (
        event.delivery,
        event.product,
        zone,
        event.price,
        event.volume_wh,
        *_gains(event),
        pool_price,
        rule,
    )


def _gains(event: Priced) -> tuple[int, int]:
    """Return gains by limits, and the most there were; none where nobody named a limit to all."""
    if not isinstance(event, e.AuctionCleared):
        return 0, 0
    return event.surplus_nano, event.surplus_maximum_nano


def trade_state(quantity_wh: int, delivered_wh: int | None, *, is_cancelled: bool) -> str:
    """Return how a trade stands; it is open until its delivery is settled."""
    if is_cancelled:
        return "cancelled"
    if delivered_wh is None:
        return "open"
    if delivered_wh == 0:
        return "undelivered"
    return "delivered" if delivered_wh == quantity_wh else "partly_delivered"


class Months:
    """From when to when each month's listed days last, as far as is listed."""

    def __init__(self) -> None:
        """Know no month."""
        self._spans: dict[str, tuple[Instant, Instant]] = {}

    def listed(self, event: e.DeliveriesListed, isp_us: int) -> None:
        """Take in a day."""
        month = event.day[:7]
        end = Instant(event.start + event.count * isp_us)
        start, last = self._spans.get(month, (event.start, end))
        self._spans[month] = (min(start, event.start), max(last, end))

    def span(self, month: str) -> tuple[Instant, Instant]:
        """Return start and end of a month of which a day is listed."""
        return self._spans[month]
