"""How uvicorn speaks WebSocket for the stream: as it does by itself, and a wire can be cut.

A client that reads nothing cannot be told that it is over: what would tell it waits behind what it
does not read. So the transport's `abort` is passed along, as an extension of the scope.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

ABORT: Final = "wattbay.abort"
"""Under which name the extension is found."""


def stream_protocol(**given: Any) -> asyncio.Protocol:  # noqa: ANN401 - what uvicorn gives its own
    """Return what speaks WebSocket on one connection, with a wire that can be cut."""
    made = WebSocketsSansIOProtocol(**given)
    app = cast("ASGIApp", made.app)

    async def with_abort(scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"][ABORT] = {"abort": made.transport.abort}
        await app(scope, receive, send)

    made.app = with_abort
    return made
