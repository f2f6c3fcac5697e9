"""What every request goes through: a name, a bound, headers that protect, a line and a count.

Pure ASGI: it looks at the first and the last message and lets everything between pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, MutableMapping
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wattbay.adapters.api.counts import UNKNOWN_ROUTE, Counts
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.problems import Problem, told

METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
OTHER_METHOD: Final = "(other)"
PREFLIGHT_LASTS_S: Final = 600
ALLOWED_HEADERS: Final = (
    b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-API-Key"
)
EXPOSED_HEADERS: Final = b"ETag, Idempotency-Replayed, Retry-After, X-Journal-Entry, X-Request-ID"
_PROTECTING: Final = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""Said of every answer that says nothing else itself."""
_ENCRYPTED: Final = (b"strict-transport-security", b"max-age=31536000")
"""Said where the line is encrypted: it is to stay so for a year."""

Headers = list[tuple[bytes, bytes]]


class Wire:
    """The outermost part of the application."""

    def __init__(self, app: ASGIApp, *, node: Node, counts: Counts) -> None:
        """Stand before an application."""
        self._app = app
        self._counts = counts
        self._body_bytes_max = node.limits.body_bytes_max
        self._origins = frozenset(origin.encode() for origin in node.origins)
        self._boot = f"{node.wall.now():x}"
        self._number = 0
        self._log = structlog.get_logger("wattbay.api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through; a lifespan or a WebSocket passes with its name alone."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        self._number += 1
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["request_id"] = f"{self._boot}-{self._number:x}"
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(self, scope, receive, send, state["request_id"])
        counts, loop = self._counts, asyncio.get_running_loop()
        begun_s = loop.time()
        counts.under_way.inc()
        try:
            await self._answer(exchange, scope)
        finally:
            counts.under_way.dec()
            took_s = loop.time() - begun_s
            method = scope["method"] if scope["method"] in METHODS else OTHER_METHOD
            route = _route_of(scope)
            counts.count(method, route, exchange.status, took_s)
            self._log.info(
                "request",
                request_id=exchange.request_id,
                method=method,
                route=route,
                status=exchange.status,
                ms=round(took_s * 1e3, 3),
                login=state.get("login", ""),
            )

    async def _answer(self, exchange: _Exchange, scope: Scope) -> None:
        """Let the application answer; what it cannot is a problem, too."""
        path: str = scope["path"]
        preflight = self._preflight(scope)
        try:
            if preflight is not None:
                await exchange.send(
                    {"type": "http.response.start", "status": 204, "headers": preflight}
                )
                await exchange.send({"type": "http.response.body", "body": b""})
                return
            exchange.check_length()
            await self._app(scope, exchange.receive, exchange.send)
        except Problem as problem:
            if not exchange.is_begun:
                response = told(problem, path, exchange.request_id)
                await response(scope, exchange.receive, exchange.send)
        except Exception:
            # The server logs it and goes on; whoever called hears that it was no fault of theirs.
            self._counts.errors.inc()
            if not exchange.is_begun:
                detail = "something went wrong here; the operator finds it by request_id"
                response = told(Problem(500, "fault", detail), path, exchange.request_id)
                await response(scope, exchange.receive, exchange.send)
            raise

    def _preflight(self, scope: Scope) -> Headers | None:
        """Return what a browser is told that asks for a page of elsewhere; None of others."""
        if scope["method"] != "OPTIONS":
            return None
        headers = dict(scope["headers"])
        wanted = headers.get(b"access-control-request-method")
        if wanted is None or headers.get(b"origin") not in self._origins:
            return None
        return [
            (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
            (b"access-control-allow-headers", ALLOWED_HEADERS),
            (b"access-control-max-age", str(PREFLIGHT_LASTS_S).encode()),
        ]

    def dress(self, scope: Scope, headers: Headers, request_id: str) -> None:
        """Add to the headers of an answer what every answer bears."""
        said = {name.lower() for name, _ in headers}
        headers.extend(header for header in _PROTECTING if header[0] not in said)
        headers.append((b"x-request-id", request_id.encode()))
        if scope.get("scheme") == "https":
            headers.append(_ENCRYPTED)
        if not self._origins:
            return
        headers.append((b"vary", b"Origin"))
        origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
        if origin in self._origins and origin is not None:
            headers.append((b"access-control-allow-origin", origin))
            headers.append((b"access-control-expose-headers", EXPOSED_HEADERS))

    @property
    def body_bytes_max(self) -> int:
        """The largest body."""
        return self._body_bytes_max


class _Exchange:
    """One request and its answer."""

    __slots__ = (
        "_receive",
        "_scope",
        "_send",
        "_taken",
        "_wire",
        "is_begun",
        "request_id",
        "status",
    )

    def __init__(
        self, wire: Wire, scope: Scope, receive: Receive, send: Send, request_id: str
    ) -> None:
        self._wire = wire
        self._scope = scope
        self._receive = receive
        self._send = send
        self._taken = 0
        self.request_id = request_id
        self.status = 0
        """Of the answer; 0 while there is none, and of one whose caller went away."""
        self.is_begun = False

    def check_length(self) -> None:
        """Refuse a body that says itself that it is too large, before a byte of it is read."""
        length = _header(self._scope["headers"], b"content-length")
        if length is not None and length.isdigit() and int(length) > self._wire.body_bytes_max:
            raise self._too_large()

    async def receive(self) -> Message:
        """Take the next message, as long as there is room for it."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._taken += len(message.get("body", b""))
            if self._taken > self._wire.body_bytes_max:
                raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        """Send a message; the first bears the headers."""
        if message["type"] == "http.response.start":
            self.is_begun = True
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            self._wire.dress(self._scope, headers, self.request_id)
            message["headers"] = headers
        await self._send(message)

    def _too_large(self) -> Problem:
        detail = f"a body has at most {self._wire.body_bytes_max} bytes"
        return Problem(413, "too-large", detail, headers={"Connection": "close"})


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    return next((value for key, value in headers if key == name), None)


def _route_of(scope: Scope) -> str:
    """Return the template of the path that was called."""
    route = scope.get("route")
    found = getattr(route, "path", UNKNOWN_ROUTE)
    return found if isinstance(found, str) else UNKNOWN_ROUTE
