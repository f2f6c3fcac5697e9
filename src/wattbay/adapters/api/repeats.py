"""What is sent twice happens once: requests that bear an `Idempotency-Key`.

Commands that have a request of their own (orders, deposits) bear the key into the journal: the
exchange gives them their first answer again, after any restart, as long as it remembers. Here their
answers are kept in memory, to know a repetition when it comes. All other answers are kept with the
people's records for a day.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import sha256
from types import MappingProxyType
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.identity import Identity
from wattbay.access.records import StoredAnswer
from wattbay.adapters.api.answers import JSON
from wattbay.adapters.api.callers import node_of
from wattbay.adapters.api.problems import PROBLEM_JSON, Flaw, Problem, tell
from wattbay.ids import PartyId, RequestId

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = MappingProxyType({"Idempotency-Replayed": "true"})
KEY_PATTERN: Final = r"^[A-Za-z0-9_\-:.]{1,64}$"
KEPT_MAX: Final = 10_000
"""Answers that are kept in memory; with one more, the oldest goes."""
_KEY = re.compile(KEY_PATTERN)


class _Kept(NamedTuple):
    body_hash: bytes
    response: Response | None
    """None while it is being answered."""


class Repeats:
    """The answers of one process that may be wanted again."""

    def __init__(self) -> None:
        """Keep none."""
        self.kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()


def key_of(request: Request) -> RequestId | None:
    """Return the key of a request; None where it bears none.

    Raises
    ------
    Problem
        If it cannot be one.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if _KEY.match(key) is None:
        flaw = Flaw(pointer=f"header/{HEADER}", detail="1 to 64 letters, digits, _ - : or .")
        raise Problem(422, "wrong-form", "the Idempotency-Key cannot be one", (flaw,))
    return RequestId(key)


async def journaled(
    request: Request,
    identity: Identity,
    act: Callable[[RequestId | None], Awaitable[Response]],
) -> Response:
    """Return the answer of an act whose command bears the request, once or again."""
    key = key_of(request)
    if key is None:
        return await act(None)
    repeats: Repeats = request.app.state.repeats
    place = (identity.login, str(key))
    body_hash = await _hash_of(request)
    there = repeats.kept.get(place)
    if there is not None:
        return _again(there.body_hash, body_hash, there.response)
    repeats.kept[place] = _Kept(body_hash, None)
    if len(repeats.kept) > KEPT_MAX:
        repeats.kept.popitem(last=False)
    try:
        response = await act(key)
    except Problem as problem:
        if problem.entry is None:
            repeats.kept.pop(place, None)
            raise
        response = tell(request, problem)
    except BaseException:
        repeats.kept.pop(place, None)
        raise
    repeats.kept[place] = _Kept(body_hash, response)
    return response


async def recorded(
    request: Request,
    identity: Identity,
    act: Callable[[], Awaitable[Response]],
    *,
    about: PartyId | None = None,
) -> Response:
    """Return the answer of any other act, once or again.

    Parameters
    ----------
    about
        Whose particulars the answer bears: it goes when they are erased.
    """
    key = key_of(request)
    if key is None:
        return await act()
    node = node_of(request)
    started = StoredAnswer(
        owner=identity.login,
        key=str(key),
        body_hash=await _hash_of(request),
        created_at=node.wall.now(),
        about=about,
    )
    there = node.people.start_answer(started)
    if there is not None:
        media = JSON if there.status < 400 else PROBLEM_JSON  # noqa: PLR2004 - a status
        kept = Response(there.body, there.status, media_type=media) if there.status else None
        return _again(there.body_hash, started.body_hash, kept)
    try:
        response = await act()
    except Problem as problem:
        if problem.entry is None:
            node.people.drop_answer(started.owner, started.key)
            raise
        response = tell(request, problem)
    except BaseException:
        node.people.drop_answer(started.owner, started.key)
        raise
    node.people.finish_answer(
        StoredAnswer(
            owner=started.owner,
            key=started.key,
            body_hash=started.body_hash,
            created_at=started.created_at,
            status=response.status_code,
            body=bytes(response.body),
            about=about,
        )
    )
    return response


async def _hash_of(request: Request) -> bytes:
    """Return the hash of what is wanted: method, path and body."""
    wanted = f"{request.method} {request.url.path}\n".encode()
    return sha256(wanted + await request.body()).digest()


def _again(kept: bytes, now: bytes, response: Response | None) -> Response:
    """Return an answer that was given before."""
    if kept != now:
        detail = "this Idempotency-Key belongs to another request: use a new one"
        raise Problem(422, "request-reused", detail, reason="request_reused")
    if response is None:
        detail = "the same request is being answered: come again in a moment"
        raise Problem(409, "in-flight", detail, headers={"Retry-After": "1"})
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return Response(response.body, response.status_code, {**headers, **REPLAYED})
