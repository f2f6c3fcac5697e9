"""Where clients of the stream come in: ``/api/v1/stream``, and tickets for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from wattbay.access.chance import secret_text
from wattbay.access.denial import AccessDenied
from wattbay.access.identity import Identity
from wattbay.adapters.api.answers import answer
from wattbay.adapters.api.callers import SESSION_COOKIE, Who, identify, node_of
from wattbay.adapters.api.problems import Problem, told
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.stream.hub import Hub
from wattbay.adapters.api.stream.messages import read_ticket
from wattbay.adapters.api.stream.protocol import ABORT
from wattbay.adapters.api.stream.session import Code, GoneError, Session
from wattbay.adapters.api.stream.streams import Streams
from wattbay.adapters.api.stream.tickets import Shown
from wattbay.errors import WireError
from wattbay.periods import to_text
from wattbay.watch.alerts import Alert

TICKET_WAIT_S = 5.0
"""How long a client may take to show its ticket."""
UVICORN: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "ws": "wattbay.adapters.api.stream.protocol:stream_protocol",
        "ws_max_size": 65_536,
        "ws_ping_interval": 20.0,
        "ws_ping_timeout": 20.0,
        "ws_per_message_deflate": False,
    }
)
"""How uvicorn has to be set. Compressing costs twice the CPU time and thrice the memory."""

stream = Section("stream", "What happens, told over WebSocket as it happens.")


def attach(app: FastAPI, hub: Hub, *, speed: float = 1.0) -> Streams:
    """Let an application have a stream; whoever starts it runs `Streams.run` beside it.

    Parameters
    ----------
    hub
        A reader of the kernel's.
    speed
        How many times as fast as the day the exchange's clock goes.
    """
    node = app.state.node
    streams_max = node.limits.streams_max
    streams = Streams(hub, node.clock, speed=speed, streams_max=streams_max)
    app.state.streams = streams
    return streams


def _streams(connection: HTTPConnection) -> Streams:
    found: Streams | None = getattr(connection.app.state, "streams", None)
    if found is None:
        raise Problem(503, "no-stream", "this server has no stream")
    return found


def tell_alert(request: Request, alert: Alert, kind: str) -> None:
    """Tell the stream of an alert that was seen or closed over REST, where there is a stream."""
    streams: Streams | None = getattr(request.app.state, "streams", None)
    if streams is not None:
        streams.hub.alert(alert, kind)


# --- tickets ---------------------------------------------------------------------------------


class TicketHandedOut(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket for one connection to the stream."""

    ticket: str
    """The first message: ``{"ticket": …}``."""
    until: str
    """When it is over, as RFC 3339."""


@stream.post(
    "/stream/ticket",
    answer=TicketHandedOut,
    gives=TicketHandedOut(ticket="kE2Y…", until="2026-05-01T12:00:30Z"),
    refuses=(503,),
)
async def stream_ticket(request: Request, who: Who) -> Response:
    """Hand out a ticket for one connection to the stream.

    For pages from elsewhere, which have no cookie of ours: open the WebSocket and send
    ``{"ticket": …}`` first. It is good once, for half a minute, and never stands in an address.
    """
    del who  # It is enough that somebody is known.
    streams = _streams(request)
    ticket = secret_text()
    until = streams.tickets.hand_out(ticket, _shown(request), node_of(request).wall.now())
    return answer(TicketHandedOut(ticket=ticket, until=to_text(until)))


def _shown(connection: HTTPConnection) -> Shown:
    """Return what a caller shows; the most deliberate of several counts."""
    headers = connection.headers
    if (api_key := headers.get("x-api-key")) is not None:
        return Shown(api_key=api_key)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Shown(bearer=token.strip())
    return Shown(session=connection.cookies.get(SESSION_COOKIE))


# --- clients ---------------------------------------------------------------------------------


class AsgiConnection:
    """The wire to a client, as ASGI has it."""

    def __init__(self, socket: WebSocket) -> None:
        """Stand on a socket that was accepted."""
        self._socket = socket
        extension = socket.scope.get("extensions", {}).get(ABORT, {})
        self._abort: Callable[[], None] | None = extension.get("abort")

    async def receive(self) -> str | bytes:
        """Return the next message."""
        try:
            message = await self._socket.receive()
        except WebSocketDisconnected as error:
            raise GoneError from error
        if message["type"] == "websocket.disconnect":
            raise GoneError
        text: str | bytes | None = message.get("text")
        if text is None:
            text = message.get("bytes")
        return text or b""

    async def send(self, text: str) -> None:
        """Send a message."""
        try:
            await self._socket.send({"type": "websocket.send", "text": text})
        except (WebSocketDisconnect, WebSocketDisconnected, OSError) as error:
            raise GoneError from error

    async def close(self, code: int, reason: str) -> None:
        """Say that it is over."""
        try:
            await self._socket.close(code, reason)
        except (WebSocketDisconnect, WebSocketDisconnected, OSError, RuntimeError) as error:
            raise GoneError from error

    def abort(self) -> None:
        """Let go at once, where the server lets us."""
        if self._abort is not None:
            self._abort()


@stream.socket("/stream")
async def listen(socket: WebSocket) -> None:
    """Let a client hear what happens."""
    try:
        streams = _streams(socket)
        shown = _shown(socket)
        who = None if shown.is_nothing else identify(socket, is_safe=False)
    except Problem as problem:
        request_id = getattr(socket.state, "request_id", "")
        await socket.send_denial_response(told(problem, socket.url.path, request_id))
        return
    await socket.accept()
    connection = AsgiConnection(socket)
    try:
        if who is None:
            shown, who = await _show_ticket(socket, streams, connection)
        _check_room(streams, who)
    except _NotInError as refusal:
        await _refuse(connection, refusal)
        return
    except GoneError:
        return
    door = node_of(socket).door
    await streams.serve(
        Session(streams.hub, who, connection), lambda: door.identify(**shown._asdict())
    )


class _NotInError(Exception):
    """A client is not let in."""

    def __init__(self, code: Code, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


def _check_room(streams: Streams, who: Identity) -> None:
    if not streams.has_room(who.login):
        raise _NotInError(Code.TRY_LATER, "there are as many clients as there may be")


async def _refuse(connection: AsgiConnection, refusal: _NotInError) -> None:
    try:
        await connection.close(refusal.code, refusal.reason)
    except GoneError:
        return


async def _show_ticket(
    socket: WebSocket, streams: Streams, connection: AsgiConnection
) -> tuple[Shown, Identity]:
    """Return what a client's ticket stands for, and who it is by that."""
    if not streams.let_stranger_in():
        raise _NotInError(Code.TRY_LATER, "there are as many clients as there may be")
    try:
        async with asyncio.timeout(TICKET_WAIT_S):
            ticket = read_ticket(await connection.receive())
        node = node_of(socket)
        shown = streams.tickets.use(ticket, node.wall.now())
        if shown is None:
            raise _NotInError(Code.NOT_KNOWN, "the ticket is none, or is over: ask for another")
        return shown, node.door.identify(**shown._asdict())
    except (TimeoutError, WireError) as error:
        raise _NotInError(Code.NOT_KNOWN, "show a ticket first") from error
    except AccessDenied as denial:
        raise _NotInError(Code.NOT_KNOWN, denial.what) from denial
    finally:
        streams.stranger_is_over()
