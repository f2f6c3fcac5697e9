"""Where a delivery is traded continuously: its order book, and who stands behind its numbers.

The book knows orders, parties and pools by number. A venue gives parties their numbers as they
come, and opens a pool for each kind of order that may meet others than the rest may: by zone, by
origin, by being local. Pools are linked where their orders may meet, with the network fee between.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct, field

from wattbay.core.facts import PodFacts, Product, SelfTrade, Side, TradingPhase
from wattbay.core.market.book import Book
from wattbay.core.market.codes import NEW
from wattbay.core.market.columns import Column, column_of
from wattbay.core.market.steps import (
    BUY,
    PLAIN,
    SELL,
    BookPhase,
    BookRules,
    Phased,
    Terms,
)
from wattbay.core.terms import Kind, OrderTerms, TimeInForce
from wattbay.ids import PartyId, ZoneId

VENUE_POOLS_MAX = 1_024
"""Kinds of orders of one delivery that may meet others than the rest may: a new one is linked with
all before it."""

MARKET = OrderTerms(kind=Kind.MARKET)
"""What an order says that names no limit, and nothing else."""

_PHASES: Mapping[TradingPhase, BookPhase] = MappingProxyType(
    {
        TradingPhase.PRE_OPEN: BookPhase.PRE_OPEN,
        TradingPhase.CONTINUOUS: BookPhase.OPEN,
        TradingPhase.HALTED: BookPhase.HALTED,
        TradingPhase.CLOSED: BookPhase.CLOSED,
    }
)


_SELF_TRADE = (None, *SelfTrade)
"""By their numbers in a snapshot."""


PoolKey = tuple[int, ZoneId, str, bool]
"""What orders of one pool have in common.

`BUY` or `SELL`; the zone; what a sell order is, or what a buy order wants (empty for anything);
and whether it is local.
"""


class Venue(Struct):
    """Where a delivery is traded continuously."""

    book: Book
    phase: TradingPhase
    pools: dict[PoolKey, int] = field(default_factory=dict)
    """Their numbers in the book."""
    parties: dict[PartyId, int] = field(default_factory=dict)
    """Their numbers in the book, from 1."""
    has_stops: bool = False
    """Whether a stop order ever came in: else none can be reached."""


def book_to_numbers(book: object) -> list[int]:
    """Return all that an order book is, for a snapshot.

    Raises
    ------
    NotImplementedError
        If it is none: this is a hook of msgspec's, which asks for what it does not know.
    """
    if not isinstance(book, Book):
        raise NotImplementedError(f"{type(book).__name__} is no part of a state")
    return [_SELF_TRADE.index(book.rules.self_trade), *book.dump()]


def book_from_numbers(kind: type, numbers: list[int]) -> Book:
    """Return the order book that a snapshot tells of.

    Raises
    ------
    NotImplementedError
        If something else is wanted.
    """
    if kind is not Book:
        raise NotImplementedError(f"{kind.__name__} is no part of a state")
    book = Book(BookRules(self_trade=_SELF_TRADE[numbers[0]]))
    book.load(numbers[1:])
    return book


def open_venue(product: Product) -> Venue:
    """Return a venue for a delivery of a product."""
    venue = Venue(Book(BookRules(self_trade=product.self_trade)), TradingPhase.CONTINUOUS)
    if product.opening_before_us is not None:
        change_phase(venue, TradingPhase.PRE_OPEN)
    return venue


def change_phase(venue: Venue, phase: TradingPhase) -> None:
    """Let trading be in another phase."""
    venue.phase = phase
    venue.book.fold([Phased(_PHASES[phase])])


def key_of(side: Side, zone: ZoneId, terms: OrderTerms | None) -> PoolKey:
    """Return which pool an order belongs to."""
    sign = BUY if side is Side.BUY else SELL
    if terms is None:
        return (sign, zone, "", False)
    origin = terms.wants if sign == BUY else terms.origin
    return (sign, zone, origin or "", terms.is_local)


def is_full(venue: Venue, key: PoolKey) -> bool:
    """Tell whether there is no room for the pool of an order.

    There is always for those that say nothing besides: who names many origins keeps nobody out.
    """
    _, _, origin, is_local = key
    says_more = bool(origin) or is_local
    return says_more and key not in venue.pools and len(venue.pools) >= VENUE_POOLS_MAX


def open_pool(book: Book, pools: Mapping[PoolKey, int], key: PoolKey, product: Product) -> int:
    """Make a pool in a book, link it with those it may meet, and return its number."""
    side = key[0]
    number = book.open_pool(side)
    for other, its_number in pools.items():
        if other[0] == side:
            continue
        if side == BUY:
            buy, sell, buyers, sellers = key, other, number, its_number
        else:
            buy, sell, buyers, sellers = other, key, its_number, number
        fee = fee_between(product, buy, sell)
        if fee is not None:
            book.link(buyers, sellers, fee)
    return number


def fee_between(product: Product, buy: PoolKey, sell: PoolKey) -> int | None:
    """Return the network fee between orders of two pools; None where they cannot meet.

    A buy order accepts the origin that it wants and all below it. A local order, of either side,
    meets those of its own zone.
    """
    _, buyer, wanted, is_buyer_local = buy
    _, seller, origin, is_seller_local = sell
    if (is_buyer_local or is_seller_local) and buyer != seller:
        return None
    if wanted and origin != wanted and not origin.startswith(wanted + "/"):
        return None
    return network_fee(product, seller, buyer)


def network_fee(product: Product, seller: ZoneId, buyer: ZoneId) -> int | None:
    """Return the fee for energy from one zone to another; None where that cannot be traded.

    [nano-currency per Wh]
    """
    if not product.network_fees:
        return product.network_fee
    for fee in product.network_fees:
        if fee.from_zone == seller and fee.to_zone == buyer:
            return fee.nano_per_wh
    return None


def plan_plain(
    venue: Venue, facts: PodFacts, order: int, side: Side, limit: int, quantity_wh: int
) -> Column | None:
    """Return what the book says to an order with nothing but a limit, in rows.

    None where its party or its pool has no number yet.
    """
    sign = BUY if side is Side.BUY else SELL
    party = venue.parties.get(facts.party)
    pool = venue.pools.get((sign, facts.zone, "", False))
    if party is None or pool is None:
        return None
    return venue.book.plan_packed(column_of((NEW, order, party, pool, limit, quantity_wh, 0, 0)))


class Numbers(NamedTuple):
    """By which numbers the book knows an order's party, partner and pool."""

    party: int
    partner: int
    """0 where it names none."""
    pool: int
    """0 where there is none yet."""


def numbers_of(venue: Venue, facts: PodFacts, side: Side, terms: OrderTerms | None) -> Numbers:
    """Return the numbers that an order has, or gets as it comes in."""
    known = venue.parties
    party = known.get(facts.party, 0)
    partner = 0
    if terms is not None and terms.partner is not None:
        newest = len(known) + (not party) + 1
        partner = known.get(terms.partner, newest)
        if terms.partner == facts.party:
            partner = party or len(known) + 1
    return Numbers(
        party or len(known) + 1, partner, venue.pools.get(key_of(side, facts.zone, terms), 0)
    )


def admit(
    venue: Venue, product: Product, facts: PodFacts, side: Side, terms: OrderTerms | None
) -> Numbers:
    """Give an order that comes in those of its numbers that nobody had before."""
    found = numbers_of(venue, facts, side, terms)
    venue.parties[facts.party] = found.party
    if terms is not None and terms.partner is not None:
        venue.parties[terms.partner] = found.partner
    if found.pool:
        return found
    key = key_of(side, facts.zone, terms)
    pool = venue.pools[key] = open_pool(venue.book, venue.pools, key, product)
    return found._replace(pool=pool)


def terms_of(terms: OrderTerms | None, partner: int) -> Terms:
    """Return what the book is told of what an order says besides.

    Of instants and conditions it is told nothing: an order that waits for one is not in it.
    """
    if terms is None:
        return PLAIN
    lasting = terms.time_in_force
    if lasting is TimeInForce.GTD or lasting is TimeInForce.DAY:
        lasting = TimeInForce.GTC
    return Terms(
        kind=terms.kind,
        time_in_force=lasting,
        stop=terms.stop,
        protection=terms.protection,
        min_quantity=terms.min_quantity_wh,
        post_only=terms.post_only,
        peak=terms.peak_wh,
        partner=partner,
    )


def kept_terms(limit: int | None, terms: OrderTerms | None) -> OrderTerms | None:
    """Return what an order says besides; of one without a limit at least that it has none."""
    return MARKET if terms is None and limit is None else terms
