"""What is the same for everybody: the community, what can be traded, and what it came to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer, settled
from wattbay.adapters.api.callers import Who, check, node_of
from wattbay.adapters.api.forms import (
    DeliveryPath,
    ProductPath,
    ProductQuery,
    Spanned,
    instant_of,
    local_text,
)
from wattbay.adapters.api.pages import Page, Paged
from wattbay.adapters.api.problems import not_found
from wattbay.adapters.api.rows import page
from wattbay.adapters.api.sections import Section
from wattbay.core.facts import Side
from wattbay.core.market.orders import Book
from wattbay.core.market.orders import Order as Standing
from wattbay.core.market.steps import BUY, SELL
from wattbay.ids import OrderId, ProductId
from wattbay.periods import to_text
from wattbay.views.history import Want

market = Section(
    "market",
    "What is the same for everybody: the community, its products, the deliveries that can be"
    " traded, what rests in their books, and the results of auctions.",
)


class RunTold(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement run."""

    run: str
    after_us: int
    """How long after the end of a delivery."""


class CommunityTold(msgspec.Struct, frozen=True, kw_only=True):
    """The community, and what time it is in its market."""

    community: str
    currency: str
    """ISO 4217."""
    minor_digits: int
    """Decimals of the payable unit."""
    isp_us: int
    """Length of every delivery: the imbalance settlement period."""
    runs: tuple[RunTold, ...]
    """By date; the last is final."""
    zone: str
    """IANA name of the community's own time."""
    now: str
    """By which the market goes; may run faster than the day."""
    now_local: str
    entry: int
    """The last entry of the journal that the lists here know of."""


class DeliveryTold(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery of a product, and where it stands."""

    product: str
    delivery: str
    delivery_local: str
    delivery_end: str
    day: str
    """The local date."""
    state: str
    run: str | None
    """The last settlement run that is done."""
    gate_opens: str
    gate_closes: str
    gate_closes_local: str
    price_nano_per_wh: int | None
    volume_wh: int | None


class AuctionTold(msgspec.Struct, frozen=True, kw_only=True):
    """What a delivery came to: the result of its auction, or the mean of its trades."""

    product: str
    delivery: str
    delivery_local: str
    zone: str
    """``all`` where one price holds everywhere."""
    price_nano_per_wh: int | None
    """None where nothing was traded."""
    volume_wh: int
    surplus_nano: int
    """What buyers and sellers gained together, by their limits."""
    surplus_maximum_nano: int
    """The most there was to gain."""
    pool_price_nano_per_wh: int | None
    """At which deviations are netted, once the first run has settled them."""
    rule: str
    """By what a result was found; empty for the exchange's own auction."""
    entry: int


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at a limit."""

    limit_nano_per_wh: int | None
    """None: at any price."""
    quantity_wh: int
    orders: int


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A bilateral offer that can be taken."""

    order: int
    side: Side
    limit_nano_per_wh: int | None
    quantity_wh: int
    """Open of it."""


class BookTold(msgspec.Struct, frozen=True, kw_only=True):
    """What stands for a delivery, without names; hidden parts of icebergs are not told."""

    product: str
    delivery: str
    phase: str
    """Of continuous trading; else ``auction`` or ``bilateral``."""
    last_nano_per_wh: int | None
    """Price of the last trade, in continuous trading."""
    bids: tuple[Level, ...]
    """Best, that is highest, first."""
    offers: tuple[Level, ...]
    """Best, that is lowest, first."""
    takeable: tuple[Offer, ...]
    """Of a bilateral product: each offer by its number."""


_COMMUNITY = CommunityTold(
    community="town",
    currency="GBP",
    minor_digits=2,
    isp_us=1_800_000_000,
    runs=(RunTold(run="initial", after_us=86_400_000_000),),
    zone="Europe/London",
    now="2026-05-01T09:12:04.218Z",
    now_local="2026-05-01T10:12:04.218000+01:00",
    entry=4711,
)
_DELIVERY = DeliveryTold(
    product="halfhour",
    delivery="2026-05-01T12:00Z",
    delivery_local="2026-05-01T13:00:00+01:00",
    delivery_end="2026-05-01T12:30Z",
    day="2026-05-01",
    state="open",
    run=None,
    gate_opens="2026-04-29T12:00Z",
    gate_closes="2026-05-01T11:00Z",
    gate_closes_local="2026-05-01T12:00:00+01:00",
    price_nano_per_wh=None,
    volume_wh=None,
)
_AUCTION = AuctionTold(
    product="halfhour",
    delivery="2026-05-01T12:00Z",
    delivery_local="2026-05-01T13:00:00+01:00",
    zone="all",
    price_nano_per_wh=98_000,
    volume_wh=4_200,
    surplus_nano=91_200_000,
    surplus_maximum_nano=91_200_000,
    pool_price_nano_per_wh=None,
    rule="",
    entry=4802,
)
_BOOK = BookTold(
    product="halfhour",
    delivery="2026-05-01T12:00Z",
    phase="auction",
    last_nano_per_wh=None,
    bids=(Level(limit_nano_per_wh=120_000, quantity_wh=250, orders=1),),
    offers=(Level(limit_nano_per_wh=90_000, quantity_wh=600, orders=2),),
    takeable=(),
)


@market.get(
    "/community",
    needs=(Permission.READ_MARKET,),
    answer=CommunityTold,
    gives=_COMMUNITY,
    refuses=(404,),
)
async def get_community(request: Request, who: Who) -> Response:
    """Tell what the community is founded on, and what time it is in its market."""
    check(request, who, Permission.READ_MARKET)
    node = node_of(request)
    known = node.state().registry.community
    if known is None:
        raise not_found("community yet")
    now = node.clock.now()
    told = CommunityTold(
        community=known.community,
        currency=known.currency,
        minor_digits=known.minor_digits,
        isp_us=known.isp_us,
        runs=tuple(RunTold(run=run.name, after_us=run.after_us) for run in known.runs),
        zone=node.calendar.zone,
        now=to_text(now),
        now_local=local_text(node.calendar, now),
        entry=node.history.seq,
    )
    return answer(told)


@market.get(
    "/deliveries",
    needs=(Permission.READ_MARKET,),
    answer=Page[DeliveryTold],
    gives={"items": [_DELIVERY], "next": None},
    is_tagged=True,
)
async def list_deliveries(
    request: Request,
    who: Who,
    span: Spanned,
    paged: Paged,
    product: ProductQuery = None,
    state: Annotated[
        str | None, Query(pattern=r"^[a-z_]{1,32}$", description="In this state alone.")
    ] = None,
) -> Response:
    """List deliveries with their gates and states; those that were listed last come first."""
    check(request, who, Permission.READ_MARKET)
    equals = {"product": product, "state": state}
    want = Want(
        "deliveries",
        {name: value for name, value in equals.items() if value is not None},
        since=span.since,
        until=span.until,
        limit=paged.limit,
    )
    what = f"deliveries {product} {state} {span}"
    return page(request, node_of(request), what, want, DeliveryTold, cursor=paged.cursor)


@market.get(
    "/auctions",
    needs=(Permission.READ_MARKET,),
    answer=Page[AuctionTold],
    gives={"items": [_AUCTION], "next": None},
    is_tagged=True,
)
async def list_auctions(
    request: Request, who: Who, span: Spanned, paged: Paged, product: ProductQuery = None
) -> Response:
    """List what deliveries came to, newest first: clearing prices, volumes, what was gained."""
    check(request, who, Permission.READ_MARKET)
    want = Want(
        "prices",
        {} if product is None else {"product": product},
        since=span.since,
        until=span.until,
        limit=paged.limit,
    )
    what = f"auctions {product} {span}"
    return page(request, node_of(request), what, want, AuctionTold, cursor=paged.cursor)


@market.get(
    "/auctions/{product}/{delivery}",
    needs=(Permission.READ_MARKET,),
    answer=Page[AuctionTold],
    gives={"items": [_AUCTION], "next": None},
    refuses=(404,),
    is_tagged=True,
)
async def get_auction(
    request: Request, who: Who, product: ProductPath, delivery: DeliveryPath
) -> Response:
    """Tell what one delivery came to; several lines where its zones have prices of their own."""
    check(request, who, Permission.READ_MARKET)
    node = node_of(request)
    want = Want("prices", {"product": product, "delivery_start": instant_of(delivery)})
    if not node.history.find(want._replace(limit=1)).rows:
        raise not_found(f"result of {product} at {delivery}")
    return page(request, node, f"auction {product} {delivery}", want, AuctionTold, cursor=None)


# --- books -----------------------------------------------------------------------------------


@market.get(
    "/book/{product}/{delivery}",
    needs=(Permission.READ_MARKET,),
    answer=BookTold,
    gives=_BOOK,
    refuses=(404,),
    is_tagged=True,
)
async def get_book(
    request: Request, who: Who, product: ProductPath, delivery: DeliveryPath
) -> Response:
    """Tell what stands for a delivery, by limit.

    Of a delivery that is traded no more, there is no book: `GET /api/v1/auctions` tells what came
    of it.
    """
    check(request, who, Permission.READ_MARKET)
    state = node_of(request).state()
    start = instant_of(delivery)
    book = state.market.books.get(ProductId(product), {}).get(start)
    if book is None:
        raise not_found(f"book of {product} at {delivery}")
    resting = _resting(book)
    is_bilateral = state.registry.products[ProductId(product)].mechanism.value == "bilateral"
    phase = "bilateral" if is_bilateral else "auction"
    told = BookTold(
        product=product,
        delivery=to_text(start),
        phase=phase if book.venue is None else book.venue.phase.value,
        last_nano_per_wh=None if book.venue is None else book.venue.book.last,
        bids=_levels(resting, Side.BUY),
        offers=_levels(resting, Side.SELL),
        takeable=tuple(map(_offer, resting)) if is_bilateral else (),
    )
    return settled(request, told)


def _resting(book: Book) -> list[Standing]:
    """Return the orders that may trade now: what waits for a stop or a condition stays unseen."""
    if book.venue is None:
        return [order for order in book.orders.values() if not order.stands_by]
    numbers = [
        number
        for side in (BUY, SELL)
        for _, orders in book.venue.book.side(side)
        for number, _ in orders
    ]
    return [book.orders[OrderId(number)] for number in numbers]


def _shown_wh(order: Standing) -> int:
    """Return what an order shows of what is open: an iceberg its peak at most. [Wh]"""
    peak = None if order.terms is None else order.terms.peak_wh
    return order.open_wh if peak is None else min(peak, order.open_wh)


def _levels(orders: Iterable[Standing], side: Side) -> tuple[Level, ...]:
    """Return what a side shows at each limit, best first."""
    found: dict[int | None, list[int]] = {}
    for order in orders:
        if order.side is side:
            found.setdefault(order.limit, []).append(_shown_wh(order))
    sign = -1 if side is Side.BUY else 1

    def place(limit: int | None) -> tuple[bool, int]:
        return limit is not None, 0 if limit is None else sign * limit

    return tuple(
        Level(limit_nano_per_wh=limit, quantity_wh=sum(found[limit]), orders=len(found[limit]))
        for limit in sorted(found, key=place)
    )


def _offer(order: Standing) -> Offer:
    return Offer(
        order=order.order,
        side=order.side,
        limit_nano_per_wh=order.limit,
        quantity_wh=_shown_wh(order),
    )
