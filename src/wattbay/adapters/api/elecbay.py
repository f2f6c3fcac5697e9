"""open-elecbay's REST: requests are drafted here, and submitted to the topic of their type.

Drafts are kept in memory, bounded, and gone after a day or when the service starts again: what was
submitted is on the broker, and what was not, nobody relied on. Errors are ``{"error": "…"}``, as
there, and no problems.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any

import msgspec
from fastapi import Path
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import JSON, answer, encoded, understood
from wattbay.adapters.api.callers import caller, check, node_of
from wattbay.adapters.api.forms import ID_PATTERN, whole
from wattbay.adapters.api.problems import Problem, not_found
from wattbay.adapters.api.sections import Section
from wattbay.errors import AdapterError
from wattbay.periods import DAY, SECOND, Instant

section = Section(
    "open-elecbay",
    "Requests to the market as open-elecbay has them: drafted, changed, and submitted over MQTT.",
    prefix="",
)

RECORDS_PER_LOGIN_MAX = 50
RECORDS_MAX = 10_000
"""Of all logins together."""
MESSAGE_BYTES_MAX = 8_192
LASTS_US = DAY
"""How long a draft is kept after its last change. [µs]"""
_WORDS: Mapping[int, str] = MappingProxyType(
    {
        400: "Misunderstood",
        401: "Unauthorised",
        403: "Forbidden",
        404: "Not found",
        409: "Full",
        413: "Too large",
        429: "Too many requests",
        503: "Not reachable",
    }
)
"""What `error` says, by status."""

RecordPath = Annotated[str, Path(description="The id that was given.", examples=["64b5f1-1"])]
Said = str | dict[str, Any]


# --- what is heard and answered --------------------------------------------------------------


class RecordWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A request to the market."""

    type: Annotated[str, whole(ID_PATTERN, examples=["BID"])]
    """The topic to which it goes: BID, OFFER, INFO, or another name on one level."""
    message: Annotated[Said, Meta(examples=['{"customerID": "h01", "kW": 1.5}'])]
    """Text, or an object."""


class RecordTold(msgspec.Struct, frozen=True, kw_only=True):
    """A request that waits to be submitted, or was."""

    type: str
    message: Said
    timestamp: float
    """When it was made or changed, by the exchange's clock. [s since 1970]"""


class IdTold(msgspec.Struct, frozen=True, kw_only=True):
    """The id of a request."""

    id: str


class FaultTold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why the answer is not what was wanted."""

    error: str
    """One of a few words, as open-elecbay has them."""
    detail: str = ""
    """What would be right."""


_WANTED = RecordWanted(type="BID", message='{"customerID": "h01", "kW": 1.5}')
_TOLD = RecordTold(
    type="BID", message='{"customerID": "h01", "kW": 1.5}', timestamp=1_777_628_467.25
)


# --- drafts ----------------------------------------------------------------------------------


class Drafts:
    """The requests of one process that wait to be submitted, each its login's own."""

    def __init__(self, begun_at: Instant) -> None:
        """Keep none; ids begin with when that was."""
        self._boot = f"{begun_at:x}"
        self._number = 0
        self._kept: OrderedDict[str, tuple[str, Instant, RecordTold]] = OrderedDict()
        """By id, in order of their last change: whose, when, and what."""
        self._counts: dict[str, int] = {}

    def add(self, login: str, record: RecordTold, at: Instant) -> str:
        """Keep a draft; return its id.

        Raises
        ------
        Problem
            If there is no room for more.
        """
        self._forget(at)
        if self._counts.get(login, 0) >= RECORDS_PER_LOGIN_MAX:
            detail = f"{RECORDS_PER_LOGIN_MAX} requests are the most: submit or delete one"
            raise Problem(409, "full", detail)
        if len(self._kept) >= RECORDS_MAX:
            raise Problem(503, "full", "too many requests wait: come again later")
        self._number += 1
        name = f"{self._boot}-{self._number:x}"
        self._kept[name] = (login, at, record)
        self._counts[login] = self._counts.get(login, 0) + 1
        return name

    def of(self, login: str, at: Instant) -> dict[str, RecordTold]:
        """Return the drafts of a login, by id."""
        self._forget(at)
        return {name: record for name, (whose, _, record) in self._kept.items() if whose == login}

    def get(self, login: str, name: str, at: Instant) -> RecordTold:
        """Return a draft.

        Raises
        ------
        Problem
            If it is another's, or none at all.
        """
        self._forget(at)
        kept = self._kept.get(name)
        if kept is None or kept[0] != login:
            raise not_found("request")
        return kept[2]

    def change(self, login: str, name: str, record: RecordTold, at: Instant) -> None:
        """Replace a draft.

        Raises
        ------
        Problem
            As of `get`.
        """
        self.get(login, name, at)
        self._kept[name] = (login, at, record)
        self._kept.move_to_end(name)

    def remove(self, login: str, name: str, at: Instant) -> RecordTold:
        """Take a draft away, and return it.

        Raises
        ------
        Problem
            As of `get`.
        """
        record = self.get(login, name, at)
        self._drop(name)
        return record

    def _drop(self, name: str) -> None:
        login = self._kept.pop(name)[0]
        self._counts[login] -= 1
        if not self._counts[login]:
            del self._counts[login]

    def _forget(self, at: Instant) -> None:
        """Drop what is too old; the oldest come first."""
        while self._kept:
            name, (_, changed_at, _) = next(iter(self._kept.items()))
            if changed_at > at - LASTS_US:
                return
            self._drop(name)


def drafts_of(request: Request) -> Drafts:
    """Return the drafts that this process keeps."""
    kept: Drafts | None = getattr(request.app.state, "elecbay_drafts", None)
    if kept is None:
        kept = request.app.state.elecbay_drafts = Drafts(node_of(request).wall.now())
    return kept


# --- the endpoints ---------------------------------------------------------------------------


async def _answered(
    request: Request, act: Callable[[Drafts, str, Instant], Awaitable[Response]]
) -> Response:
    """Return the answer of an act for who is calling; of whatever is wrong, the fault."""
    try:
        identity: Identity = check(request, caller(request), Permission.TRADE_OWN)
        # Drafts last by the clock of people, however fast the exchange's is.
        return await act(drafts_of(request), identity.login, node_of(request).wall.now())
    except Problem as problem:
        status = 400 if problem.status in {415, 422} else problem.status
        fault = FaultTold(error=_WORDS.get(status, "Server error"), detail=problem.detail)
        return Response(encoded(fault), status, problem.headers, JSON)


async def _record(request: Request) -> RecordTold:
    """Return the record that is sent, stamped.

    Raises
    ------
    Problem
        If it is none, or too large.
    """
    body = await request.body()
    wanted = understood(body, RecordWanted)
    if len(encoded(wanted.message)) > MESSAGE_BYTES_MAX:
        raise Problem(413, "too-large", f"a message has at most {MESSAGE_BYTES_MAX} bytes")
    at = node_of(request).clock.now()
    return RecordTold(type=wanted.type, message=wanted.message, timestamp=at / SECOND)


_OFTEN: Mapping[str, Any] = MappingProxyType({"needs": (Permission.TRADE_OWN,), "fault": FaultTold})


@section.get("/request", answer=dict[str, RecordTold], gives={"64b5f1-1": _TOLD}, **_OFTEN)
async def list_requests(request: Request) -> Response:
    """Return your requests that wait to be submitted, by id."""

    async def act(drafts: Drafts, login: str, at: Instant) -> Response:
        return answer(drafts.of(login, at))

    return await _answered(request, act)


@section.post(
    "/request",
    body=RecordWanted,
    sends=_WANTED,
    answer=IdTold,
    gives=IdTold(id="64b5f1-1"),
    status=201,
    refuses=(400, 409),
    **_OFTEN,
)
async def draft_request(request: Request) -> Response:
    """Draft a request to the market. It is submitted by its id."""

    async def act(drafts: Drafts, login: str, at: Instant) -> Response:
        return answer(IdTold(id=drafts.add(login, await _record(request), at)), 201)

    return await _answered(request, act)


@section.get("/request/{record}", answer=RecordTold, gives=_TOLD, refuses=(404,), **_OFTEN)
async def read_request(request: Request, record: RecordPath) -> Response:
    """Return one of your requests."""

    async def act(drafts: Drafts, login: str, at: Instant) -> Response:
        return answer(drafts.get(login, record, at))

    return await _answered(request, act)


@section.put(
    "/request/{record}",
    body=RecordWanted,
    sends=_WANTED,
    answer=RecordTold,
    gives=_TOLD,
    refuses=(400, 404),
    **_OFTEN,
)
async def change_request(request: Request, record: RecordPath) -> Response:
    """Replace one of your requests; it is stamped anew."""

    async def act(drafts: Drafts, login: str, at: Instant) -> Response:
        drafts.get(login, record, at)
        changed = await _record(request)
        drafts.change(login, record, changed, at)
        return answer(changed)

    return await _answered(request, act)


@section.delete("/request/{record}", status=204, refuses=(404,), **_OFTEN)
async def delete_request(request: Request, record: RecordPath) -> Response:
    """Take one of your requests away."""

    async def act(drafts: Drafts, login: str, at: Instant) -> Response:
        drafts.remove(login, record, at)
        return Response(status_code=204)

    return await _answered(request, act)


@section.post("/submit/{record}", answer=RecordTold, gives=_TOLD, refuses=(404, 503), **_OFTEN)
async def submit_request(request: Request, record: RecordPath) -> Response:
    """Submit one of your requests: publish it on the MQTT topic of its type, and return it.

    It is published as JSON with type, message and timestamp, and then gone from here. Where the
    broker cannot be reached it stays.
    """

    async def act(drafts: Drafts, login: str, at: Instant) -> Response:
        told = drafts.get(login, record, at)
        try:
            node_of(request).wire.publish(told.type, encoded(told))
        except AdapterError as error:
            raise Problem(503, "not-reachable", str(error)) from error
        drafts.remove(login, record, at)
        return answer(told)

    return await _answered(request, act)


@section.get("/swagger", is_public=True, status=307)
async def swagger(request: Request) -> Response:
    """Lead to the page in which everything can be tried."""
    return _to_docs(request)


@section.get("/swagger/", is_public=True, status=307)
async def swagger_page(request: Request) -> Response:
    """Lead to the page in which everything can be tried: the path that open-elecbay names."""
    return _to_docs(request)


def _to_docs(request: Request) -> Response:
    """Return where the page of the document is."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}/docs")
