"""Orders as they stand and as they ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer
from wattbay.adapters.api.callers import Who, check, node_of
from wattbay.adapters.api.forms import NumberPath, PodQuery, ProductQuery, Spanned
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.orders import A_FILL, Fill, orders
from wattbay.adapters.api.pages import Page, Paged
from wattbay.adapters.api.problems import not_found
from wattbay.adapters.api.rows import Keeps, fields_of, page, shown
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.sight import Sight, sight_of
from wattbay.periods import Instant, to_text
from wattbay.views.history import Answered, Want

order_lists = Section(orders.tag, orders.about)


class OrderTold(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it stands, or as it ended."""

    order: int | None
    """None of one that was refused."""
    entry: int
    at: str
    at_local: str
    pod: str
    product: str
    delivery: str
    delivery_local: str
    side: str
    quantity_wh: int
    limit_nano_per_wh: int | None
    """None of a market order."""
    type: str
    """``limit``, ``market``, ``stop``, ``stop_limit`` or ``block``."""
    state: str
    """``open``, ``filled``, ``partly_filled``, ``expired``, ``cancelled``, ``curtailed`` or
    ``rejected``."""
    filled_wh: int
    reason: str
    """Why it ended so; while it is open, what is to be remarked of it."""
    request: str | None
    """The Idempotency-Key that it was placed with."""


class OrderLife(msgspec.Struct, frozen=True, kw_only=True):
    """An order with all its trades."""

    order: OrderTold
    fills: tuple[Fill, ...]


_TOLD: Mapping[str, object] = MappingProxyType(
    {
        "order": 17,
        "entry": 4711,
        "at": "2026-05-01T09:12:04.218Z",
        "at_local": "2026-05-01T10:12:04.218000+01:00",
        "pod": "h01",
        "product": "halfhour",
        "delivery": "2026-05-01T12:00Z",
        "delivery_local": "2026-05-01T13:00:00+01:00",
        "side": "buy",
        "quantity_wh": 250,
        "limit_nano_per_wh": 120_000,
        "type": "limit",
        "state": "open",
        "filled_wh": 0,
        "reason": "",
        "request": None,
    }
)


@order_lists.get(
    "/orders",
    needs=(Permission.READ_OWN, Permission.READ_ALL),
    answer=Page[OrderTold],
    gives={"items": [_TOLD], "next": None},
    is_tagged=True,
)
async def list_orders(
    request: Request,
    who: Who,
    pod: PodQuery = None,
    product: ProductQuery = None,
    state: Annotated[
        str | None, Query(pattern="^[a-z_]{1,32}$", description="In this state alone.")
    ] = None,
    *,
    span: Spanned,
    paged: Paged,
) -> Response:
    """List your orders, by delivery, those that are over and those that were refused included."""
    check(request, who, Permission.READ_OWN, Permission.READ_ALL)
    node = node_of(request)
    sight = sight_of(node, who)
    named = {"pod": pod, "product": product, "state": state}
    want = Want(
        "orders",
        {name: value for name, value in named.items() if value is not None},
        None if sight.is_whole else frozenset(sight.pods or ()),
        span.since,
        span.until,
        limit=paged.limit,
    )
    what = f"orders {pod} {product} {state} {span} {who.login}"
    keeps = by_delivery(node, sight)
    return page(request, node, what, want, OrderTold, cursor=paged.cursor, keeps=keeps)


def by_delivery(node: Node, sight: Sight) -> Keeps | None:
    """Return which rows of a pod and a delivery are seen; None where all are."""
    if sight.is_whole:
        return None
    state = node.state()

    def keeps(row: Answered) -> bool:
        return sight.sees_pod(state, str(row["pod"]), Instant(int(row["delivery_start"] or 0)))

    return keeps


@order_lists.get(
    "/orders/{order}",
    needs=(Permission.READ_OWN, Permission.READ_ALL),
    answer=OrderLife,
    gives={"order": _TOLD, "fills": [A_FILL]},
    refuses=(404,),
)
async def get_order(request: Request, who: Who, order: NumberPath) -> Response:
    """Tell one order, and all its trades."""
    check(request, who, Permission.READ_OWN, Permission.READ_ALL)
    node = node_of(request)
    sight = sight_of(node, who)
    row = node.history.one("orders", order=order)
    if row is None or not sight.sees_pod(
        node.state(), str(row["pod"]), Instant(int(row["delivery_start"] or 0))
    ):
        raise not_found(f"order {order}")
    told = shown(node, "orders", row, fields_of(OrderTold))
    return answer({"order": told, "fills": _fills(node, order)})


def _fills(node: Node, order: int) -> list[Fill]:
    """Return the trades of an order, in order."""
    found: list[Fill] = []
    for column, price in (
        ("buy_order", "price_nano_per_wh"),
        ("sell_order", "seller_price_nano_per_wh"),
    ):
        found += _fills_by(
            node.history.find(Want("trades", {column: order}, limit=500)).rows, price
        )
    return sorted(found, key=lambda one: one.trade)


def _fills_by(rows: Iterable[Answered], price: str) -> list[Fill]:
    return [
        Fill(
            trade=int(row["trade"] or 0),
            delivery=to_text(Instant(int(row["delivery_start"] or 0))),
            quantity_wh=int(row["quantity_wh"] or 0),
            price_nano_per_wh=int(row[price] or 0),
        )
        for row in rows
    ]
