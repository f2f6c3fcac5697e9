"""Who is calling: a token, an API key, or a session of a browser on our own pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends
from starlette.requests import HTTPConnection, Request

from wattbay.access.denial import AccessDenied, Denial
from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.problems import Problem, forbidden
from wattbay.adapters.api.rates import Pace, network_of
from wattbay.periods import SECOND

SESSION_COOKIE: Final = "wattbay_session"
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_STATUS: Final[Mapping[Denial, int]] = MappingProxyType(
    {
        Denial.LOCKED: 429,
        Denial.BUSY: 503,
        Denial.DISABLED: 403,
        Denial.MUST_CHANGE: 403,
        Denial.NOT_PERMITTED: 403,
        Denial.WEAK_PASSWORD: 409,
    }
)
"""Everything else is 401: nobody is known."""


def node_of(connection: HTTPConnection) -> Node:
    """Return what the interface stands on."""
    found: Node = connection.app.state.node
    return found


def address_of(connection: HTTPConnection) -> str:
    """Return whence somebody calls."""
    return connection.client.host if connection.client is not None else ""


def is_local(connection: HTTPConnection) -> bool:
    """Tell whether a call comes from this machine, and through nobody."""
    if any(name in connection.headers for name in _FORWARDED):
        return False
    try:
        return ip_address(address_of(connection)).is_loopback
    except ValueError:
        return False


def request_id_of(connection: HTTPConnection) -> str:
    """Return the name of a request, as the log and the audit log have it."""
    return str(getattr(connection.state, "request_id", ""))


def denied(denial: AccessDenied) -> Problem:
    """Return the problem of somebody who is not let in, or may not."""
    status = _STATUS.get(denial.reason, 401)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}  # noqa: PLR2004 - a status
    if denial.retry_after_us:
        headers["Retry-After"] = str(-(-denial.retry_after_us // SECOND))
    kind = denial.reason.value.replace("_", "-")
    return Problem(status, kind, denial.what, headers=headers)


def identify(connection: HTTPConnection, *, is_safe: bool) -> Identity:
    """Return who is calling. Of several credentials the most deliberate counts.

    Parameters
    ----------
    is_safe
        Whether nothing is changed. A session that changes something must come from a page of ours:
        a browser sends its cookie whoever made it call.

    Raises
    ------
    Problem
        If nobody is known by that.
    """
    headers = connection.headers
    node = node_of(connection)
    api_key = headers.get("x-api-key")
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else None
    session = None
    if api_key is None and bearer is None:
        session = connection.cookies.get(SESSION_COOKIE)
        if session is not None and not is_safe:
            check_origin(connection, node)
    try:
        return node.door.identify(
            bearer=bearer,
            api_key=api_key,
            session=session,
            request_id=request_id_of(connection),
        )
    except AccessDenied as denial:
        raise denied(denial) from denial


def check_origin(connection: HTTPConnection, node: Node) -> None:
    """Make sure that a call by a session comes from a page of ours.

    Raises
    ------
    Problem
        If it comes from elsewhere, or does not say whence.
    """
    origin = connection.headers.get("origin")
    if origin is None:
        is_ours = connection.headers.get("sec-fetch-site") == "same-origin"
    else:
        is_ours = origin in node.origins or urlsplit(origin).netloc == connection.headers.get(
            "host"
        )
    if not is_ours:
        raise forbidden("a session is heard from its own pages only; use a token elsewhere")


def caller(request: Request) -> Identity:
    """Return who is calling, and count the call.

    Raises
    ------
    Problem
        401 if nobody is known, 429 if they call too often.
    """
    pace: Pace = request.app.state.pace
    try:
        found = identify(request, is_safe=request.method in _SAFE)
    except Problem:
        pace.call(network_of(address_of(request)))
        raise
    request.state.login = found.login
    pace.call(found.login)
    return found


async def known(request: Request) -> Identity:
    """Return who is calling, as a dependency."""
    return caller(request)


def needs(*permissions: Permission) -> Callable[[Request], Awaitable[Identity]]:
    """Return a dependency: who is calling, once it is sure that one of these is allowed to them."""

    async def permitted(request: Request) -> Identity:
        return check(request, caller(request), *permissions)

    return permitted


def check(connection: HTTPConnection, identity: Identity, *permissions: Permission) -> Identity:
    """Return who is calling, if one of these is allowed to them. If not, the audit log says so.

    Raises
    ------
    Problem
        If none is.
    """
    if any(identity.may(one) for one in permissions):
        return identity
    wanted = " or ".join(permissions)
    reason = Denial.MUST_CHANGE if identity.must_change else Denial.NOT_PERMITTED
    try:
        node_of(connection).door.deny(
            wanted,
            reason,
            login=identity.login,
            subject=connection.url.path,
            request_id=request_id_of(connection),
        )
    except AccessDenied as denial:
        problem = denied(denial)
        if reason is Denial.MUST_CHANGE:
            problem.detail = "change the password first: PUT /api/v1/session/password"
        else:
            problem.detail = f"this needs the permission {wanted}"
        raise problem from denial


Who = Annotated[Identity, Depends(known)]
"""Anybody who is known."""
