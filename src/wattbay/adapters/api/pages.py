"""Lists by the page: newest first, with a cursor that says where the next page begins.

A cursor is signed, and belongs to the list that gave it: nobody makes one up to see what is not
theirs, and one of another list is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Generic, NamedTuple, TypeVar

import msgspec
from fastapi import Depends, Query
from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request

from wattbay.adapters.api.node import Node
from wattbay.adapters.api.problems import Flaw, Problem

LIMIT_MAX = 500
LIMIT_USUAL = 100
CURSOR_CHARACTERS_MAX = 512

Item = TypeVar("Item")

Limit = Annotated[
    int, Query(ge=1, le=LIMIT_MAX, description="How many at most.", examples=[LIMIT_USUAL])
]
Cursor = Annotated[
    str | None,
    Query(
        max_length=CURSOR_CHARACTERS_MAX,
        pattern=r"^[A-Za-z0-9_.\-]+$",
        description="Where to go on: `next` of the page before.",
    ),
]


class Paging(NamedTuple):
    """How much of a list is wanted, and from where on."""

    limit: int
    cursor: str | None


async def paging(limit: Limit = LIMIT_USUAL, cursor: Cursor = None) -> Paging:
    """Return what a query says, as a dependency."""
    return Paging(limit, cursor)


Paged = Annotated[Paging, Depends(paging)]


class Page(msgspec.Struct, Generic[Item], frozen=True, kw_only=True):
    """Some of a list, newest first."""

    items: Sequence[Item]
    next: str | None = None
    """Path of the next page; null on the last."""


def cursor_of(node: Node, what: str, at: object) -> str:
    """Return the cursor of a list.

    Parameters
    ----------
    what
        Which list: its operation, and what was wanted of it.
    at
        Where the next page begins: plain values.
    """
    return str(_serializer(node, what).dumps(at))


def read_cursor(node: Node, what: str, cursor: str | None) -> object:
    """Return where a page begins; None for the first.

    Raises
    ------
    Problem
        If the cursor is none of this list.
    """
    if cursor is None:
        return None
    try:
        found: object = _serializer(node, what).loads(cursor)
    except BadSignature as error:
        flaw = Flaw(pointer="query/cursor", detail="use `next` of the page before as it is")
        detail = "the cursor is none that this list gave"
        raise Problem(404, "bad-cursor", detail, (flaw,)) from error
    return found


def next_path(request: Request, cursor: str | None) -> str | None:
    """Return the path of the next page: this one's, with another cursor."""
    if cursor is None:
        return None
    url = request.url.include_query_params(cursor=cursor)
    return f"{url.path}?{url.query}"


def _serializer(node: Node, what: str) -> URLSafeSerializer:
    return URLSafeSerializer(node.cursor_key, salt=f"cursor:{what}")
