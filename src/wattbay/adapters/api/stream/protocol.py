"""How uvicorn speaks WebSocket for the stream: as it does by itself, and a wire can be cut.

A client that reads nothing cannot be told that it is over: what would tell it waits behind what it
does not read. So the transport's `abort` is passed along, as an extension of the scope.
"""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

ABORT: Final = "wattbay.abort"
"""Under which name the extension is found."""


class StreamProtocol(WebSocketsSansIOProtocol):
    """WebSocket, with a wire that can be cut."""

    def handle_connect(self, event: Request) -> None:
        """Begin a connection."""
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"][ABORT] = {"abort": self.transport.abort}
