"""Where a confirmed sale becomes a command of the exchange, and its parts in time.

A sale runs from its confirmation on, at the battery's discharge rate, behind whatever the battery
sold before: it cannot give twice its power. What falls into each delivery is traded there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from wattbay.adapters.etp.auctions import Conclude, Key
from wattbay.adapters.etp.messages import RejectCode
from wattbay.core.commands import Command
from wattbay.core.events import Event, Rejected
from wattbay.core.facts import Product
from wattbay.core.sales import SALE_PARTS_MAX, ConcludeSale, SalePart
from wattbay.ids import PartyId, PodId, RequestId
from wattbay.kernel.clock import Clock
from wattbay.kernel.kernel import Answer
from wattbay.periods import HOUR, Instant
from wattbay.units import share
from wattbay.views.sales import Sale

Submit = Callable[[Command], Awaitable[Answer]]
Decide = Callable[[Command, Instant], list[Event]]
"""What the exchange would say; changes nothing."""


class Member(NamedTuple):
    """Who a device trades for, and where that is accounted."""

    device: int
    party: PartyId
    pod: PodId


class Terms(NamedTuple):
    """What is traded, and by whom."""

    product: Product
    isp_us: int
    """How long a delivery is. [µs]"""
    members: Sequence[Member]
    not_before: Instant
    """From when on the members have pods."""


class Delivery(NamedTuple):
    """What a battery is to give, and when."""

    bess: int
    start: Instant
    end: Instant
    energy_wh: int
    bidder: int
    entry: int


def request_of(bess: int, key: Key) -> RequestId:
    """Return the name under which a sale is brought: the same again gets its first answer."""
    return RequestId(f"etp-{bess:x}-{key[0]:x}-{key[1]:x}")


def key_in(request: RequestId | None) -> tuple[int, Key] | None:
    """Return the battery and the bid that a sale was brought for; None if it is no sale of ours."""
    match (request or "").split("-"):
        case ["etp", bess, bidder, message]:
            try:
                return int(bess, 16), (int(bidder, 16), int(message, 16))
            except ValueError:
                return None
        case _:
            return None


def parts(start: Instant, end: Instant, energy_wh: int, isp_us: int) -> tuple[SalePart, ...]:
    """Return what of an amount falls into each delivery from `start` to `end`, losing nothing.

    In proportion to time, by the method of largest remainders; deliveries that get less than a
    watt-hour get none.
    """
    firsts = range(start // isp_us * isp_us, end, isp_us)
    spans = [min(end, first + isp_us) - max(start, first) for first in firsts]
    return tuple(
        SalePart(delivery=Instant(first), quantity_wh=quantity_wh)
        for first, quantity_wh in zip(firsts, share(energy_wh, spans), strict=True)
        if quantity_wh
    )


class MarketDesk:
    """Brings sales to the exchange as trades of an immediate product."""

    def __init__(
        self,
        *,
        submit: Submit,
        decide: Decide,
        clock: Clock,
        terms: Terms,
        past: Mapping[RequestId, Sale],
    ) -> None:
        """Stand between nodes and the one door.

        Parameters
        ----------
        clock
            That of the exchange.
        past
            The sales of the journal, kept up by whoever owns them.
        """
        self._submit, self._decide, self._clock = submit, decide, clock
        self._product, self._isp_us = terms.product, terms.isp_us
        self._members = {member.device: member for member in terms.members}
        self._not_before, self._past = terms.not_before, past
        self._busy_until: dict[int, Instant] = {}
        self.discharge_w: dict[int, int] = {}
        """How fast each battery gives. [W]"""
        self.listeners: list[Callable[[Delivery], None]] = []
        """Hear what a battery is to give."""
        self.refused: dict[str, int] = {}
        """Confirmed sales that the exchange refused, by reason."""

    def span(self, bess: int, energy_wh: int) -> tuple[Instant, Instant]:
        """Return from when to when a battery would give an amount that is sold now."""
        start = max(self._clock.now(), self._busy_until.get(bess, self._not_before))
        length_us = -(-energy_wh * HOUR // self.discharge_w[bess])
        return Instant(start), Instant(start + length_us)

    def _sale(
        self, bess: int, bidder: int, price: int, energy_wh: int, span: tuple[Instant, Instant]
    ) -> ConcludeSale | None:
        """Return the command of a sale; None where it is of a stranger, or has too many parts."""
        seller, buyer = self._members.get(bess), self._members.get(bidder)
        if seller is None or buyer is None:
            return None
        # Looked at before they are made: whoever bids may name any amount. The first and the last
        # delivery may be too short for a watt-hour.
        deliveries = (span[1] - span[0]) // self._isp_us
        if min(deliveries, energy_wh) > SALE_PARTS_MAX:
            return None
        return ConcludeSale(
            product=self._product.product, seller=seller.pod, buyer=buyer.pod,
            # The bid is all that the buyer pays: the fee comes out of it.
            price=price - self._product.network_fee,
            parts=parts(*span, energy_wh, self._isp_us),
        )  # fmt: skip

    def fault(self, bess: int, bidder: int, price: int, energy_wh: int) -> RejectCode | None:
        """Return why the exchange would not take a sale now; None if it would."""
        sale = self._sale(bess, bidder, price, energy_wh, self.span(bess, energy_wh))
        if sale is None:
            return RejectCode.MARKET_REFUSED
        events = self._decide(sale, self._clock.now())
        return RejectCode.MARKET_REFUSED if type(events[0]) is Rejected else None

    async def conclude(self, bess: int, sale: Conclude) -> int | None:
        """Bring a confirmed sale to the exchange; return its entry, or None where it is refused.

        Raises
        ------
        JournalError
            If the exchange stopped: the sale may or may not be history.
        """
        bidder = sale.key[0]
        request = request_of(bess, sale.key)
        if (known := self._past.get(request)) is not None:
            # Told again by a battery that has forgotten it. Once sold, it is not given twice.
            price = known.price + self._product.network_fee
            is_same = (price, known.energy_wh) == (sale.price, sale.energy_wh)
            return known.entry if is_same else None
        start, end = self.span(bess, sale.energy_wh)
        command = self._sale(bess, bidder, sale.price, sale.energy_wh, (start, end))
        if command is None:
            self._count("unknown device, or too long")
            return None
        # Held at once: a sale that is confirmed meanwhile goes behind this one.
        before = self._busy_until.get(bess)
        self._busy_until[bess] = end
        named = _named(command, request, sale.proof)
        answer = await self._submit(named)
        match answer.events[0]:
            case Rejected(reason=reason):
                # Not heard, because too many wait, is as good as refused: it never will be.
                self._count(reason.value)
                if self._busy_until[bess] == end:
                    self._free(bess, before)
                return None
            case _:
                delivery = Delivery(bess, start, end, sale.energy_wh, bidder, answer.seq)
                for listener in self.listeners:
                    listener(delivery)
                return answer.seq

    def _count(self, why: str) -> None:
        self.refused[why] = self.refused.get(why, 0) + 1

    def _free(self, bess: int, before: Instant | None) -> None:
        """Let a battery be busy as long as it was before a sale that takes no time."""
        if before is None:
            del self._busy_until[bess]
        else:
            self._busy_until[bess] = before

    def take_up(self, bess: int, until: Instant) -> None:
        """Know until when a battery gives what it sold before a restart."""
        self._busy_until[bess] = max(until, self._busy_until.get(bess, until))


def _named(command: ConcludeSale, request: RequestId, proof: tuple[bytes, ...]) -> ConcludeSale:
    return ConcludeSale(
        product=command.product, seller=command.seller, buyer=command.buyer, price=command.price,
        parts=command.parts, proof=proof, request=request,
    )  # fmt: skip
