"""What became of my order, and why."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from msgspec import Struct

from wattbay.cli.show.auction import Book, why_fill
from wattbay.cli.show.figures import wh
from wattbay.cli.show.folder import Run, at_delivery
from wattbay.cli.show.page import Page
from wattbay.cli.show.rows import OrderRow, PriceRow, RefusalRow
from wattbay.cli.show.words import AUCTIONED, ENDINGS, ORDER_STATES, refusal
from wattbay.errors import ConfigError, Fault
from wattbay.periods import MINUTE, Instant
from wattbay.views.receipt_lines import TradeRow
from wattbay.views.remarks import NO_NETWORK_LIMIT, SUSPENDED, WAITING

SHOWN_NEAR = 3
_WAITED = frozenset({WAITING, SUSPENDED})
"""Why an order traded nothing, or no more."""


class Told(Struct, frozen=True):
    """An order and what became of it. [Wh, nano-currency per Wh]"""

    format: int
    order: OrderRow
    price_nano_per_wh: int | None
    """What its side paid or got in the auction; null where nothing was traded, or not at one
    price."""
    detail: str
    """What the exchange remarked when it refused."""
    why: tuple[str, ...]
    """In words."""


def book_of(run: Run, start: Instant) -> Book:
    """Return what stood when the auction of a delivery was held."""
    orders = run.read("orders", OrderRow, at_delivery(start))
    prices = run.read("prices", PriceRow, at_delivery(start))
    trades = run.read("trades", TradeRow, at_delivery(start))
    pairs = {(trade.price_nano_per_wh, trade.seller_price) for trade in trades}
    is_uniform = len(pairs) <= 1
    fee = next((paid - got for paid, got in pairs), 0) if is_uniform else 0
    return Book(
        tuple(order for order in orders if order.state in AUCTIONED),
        prices[0].price_nano_per_wh if prices else None,
        fee,
        run.tariffs.settlement.price_tick,
        is_uniform,
        (prices[0].rule or "") if prices else "",
    )


def find(run: Run, key: str, typed: str | None) -> tuple[list[Told], str]:
    """Return the orders that are meant, and a remark on the time.

    Raises
    ------
    ConfigError
        If there is none; bears those near it.
    """
    if typed is not None:
        pod = run.pod(key)
        start, remark = run.delivery(typed)
        mine = run.read("orders", OrderRow, at_delivery(start), pl.col("pod") == pod)
        if not mine:
            raise ConfigError(_no_order(run, pod, start))
        return _told(run, mine), remark
    if not key.isdecimal():
        pod = run.pod(key)
        example = run.command("order", pod, run.place.typed(run.start))
        raise ConfigError(Fault(f"order {pod}", "name the delivery, too", f"as in: {example}"))
    seq = int(key)
    found = run.read("orders", OrderRow, pl.col("seq") == seq)
    if not found:
        near = run.read("orders", OrderRow, pl.col("seq") > seq)[:SHOWN_NEAR]
        numbers = ", ".join(str(order.seq) for order in near)
        remedy = f"the next orders are {numbers}" if near else "there is no later one either"
        raise ConfigError(Fault(f"order {key}", "this entry of the journal is no order", remedy))
    return _told(run, found), ""


def _no_order(run: Run, pod: str, start: Instant) -> Fault:
    """Say which orders a pod placed about a time."""
    orders = run.read("orders", OrderRow, pl.col("pod") == pod)
    orders.sort(key=lambda order: abs(order.delivery_start - start))
    near = sorted({run.place.typed(order.delivery_start) for order in orders[:SHOWN_NEAR]})
    remedy = f"the nearest are for {', '.join(near)}" if near else "it placed none at all"
    if not near and not run.read("orders", OrderRow, pl.lit(True)):
        remedy = "nobody did: ask for the receipt, or the delivery"
    where = f"{pod} {run.place.typed(start)}"
    return Fault(where, f"no order was placed for this {run.place.span_name}", remedy)


def _told(run: Run, orders: Sequence[OrderRow]) -> list[Told]:
    """Gather what explains each order; those of one entry may be of several deliveries."""
    books: dict[Instant, Book] = {}
    found = []
    for order in sorted(orders, key=lambda order: (order.seq, order.delivery_start)):
        start = order.delivery_start
        book = books[start] = books.get(start) or book_of(run, start)
        detail = _detail(run, order) if order.state == "rejected" else ""
        found.append(
            Told(
                format=1,
                order=order,
                price_nano_per_wh=book.price_of(order.side),
                detail=detail,
                why=tuple(_why(run, order, book, detail)),
            )
        )
    return found


def _detail(run: Run, order: OrderRow) -> str:
    """Return what the exchange remarked when it refused an order."""
    if not run.has("refusals"):
        return ""
    found = run.read("refusals", RefusalRow, pl.col("seq") == order.seq)
    return found[0].detail if found else ""


def _why(run: Run, order: OrderRow, book: Book, detail: str) -> list[str]:
    """Say why an order ended as it did."""
    reason = order.reason or ""
    match order.state:
        case "rejected":
            words = refusal(reason)
            remark = f" (the exchange remarked: {detail})" if detail else ""
            remedy = f"What would be right: {words.remedy}." if words.remedy else ""
            return [f"The reason: {words.why}{remark}.", remedy]
        case "cancelled":
            return [ENDINGS.get(reason, f"The reason: {reason.replace('_', ' ')}.")]
        case "curtailed":
            why = f": {reason}" if reason else ""
            return [f"The grid operator took it out{why}. That carries no penalty."]
        case "open":
            return ["The run ended before its auction was held."]
        case _ if reason in _WAITED:
            return [ENDINGS[reason]]
        case _:
            remarks = [ENDINGS[reason]] if reason == NO_NETWORK_LIMIT else []
            return [*remarks, *why_fill(order, book, run.purse)]


def page(run: Run, told: Sequence[Told], remark: str) -> Page:
    """Write the page of one or several orders: of a pod for a delivery, or of an entry."""
    first = told[0].order
    name = f"{len(told)} orders of {first.pod}"
    if len(told) == 1:
        name = f"Order {first.seq} of {first.pod}, {_kind(first)}"
    is_one_place = len({(each.order.pod, each.order.delivery_start) for each in told}) == 1
    title = f"{name}: {run.place.delivery(first.delivery_start)}"
    if not is_one_place:
        title = f"{len(told)} orders of entry {first.seq}"
    shown = Page(title, run.scenario.title)
    shown.say(remark, style="yellow")
    for each in told:
        order = each.order
        if not is_one_place:
            where = run.place.delivery(order.delivery_start)
            shown.head(f"{order.pod}, {_kind(order)}: {where}")
        elif len(told) > 1:
            shown.head(f"Order {order.seq}, {_kind(order)}")
        shown.say(_wanted(run, order))
        shown.say(_result(run, each), style="bold")
        shown.say(*each.why)
    shown.commands(
        [
            run.command("delivery", run.place.typed(first.delivery_start)),
            run.command("receipt", first.pod, run.place.typed(first.delivery_start)),
            *(run.command("entry", seq) for seq in dict.fromkeys(each.order.seq for each in told)),
        ]
    )
    return shown


def _kind(order: OrderRow) -> str:
    return "a bid" if order.side == "buy" else "an offer"


def _wanted(run: Run, order: OrderRow) -> str:
    """Say what was ordered, and when."""
    verb = "buy" if order.side == "buy" else "sell"
    limit = order.limit_nano_per_wh
    bound = "most" if order.side == "buy" else "least"
    price = "at any price" if limit is None else f"at {run.purse.price(limit)} at {bound}"
    said = f"{run.place.moment(order.at)}: {verb} {wh(order.quantity_wh)} {price}."
    if run.scenario.gate is None:
        return said
    closes = Instant(order.delivery_start - run.scenario.gate.closes_before_minutes * MINUTE)
    return f"{said} The gate closed at {run.place.calendar.local(closes):%H:%M}."


def _result(run: Run, told: Told) -> str:
    """Say what became of an order."""
    order = told.order
    state = ORDER_STATES.get(order.state, order.state.replace("_", " "))
    price = told.price_nano_per_wh
    if order.state in {"filled", "partly_filled"}:
        verb = "bought" if order.side == "buy" else "sold"
        of = "" if order.state == "filled" else f" of {wh(order.quantity_wh)}"
        at = "" if price is None else f" at {run.purse.price(price)}"
        return f"It was {state}: {wh(order.filled_wh)}{of} {verb}{at}."
    return (
        f"It was {state}, and changed nothing." if order.state == "rejected" else f"It was {state}."
    )
