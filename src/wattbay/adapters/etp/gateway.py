"""The gateway: a WebSocket on which whoever connects sees the auctions as they happen."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from http import HTTPStatus

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from wattbay.adapters.etp.board import Board
from wattbay.adapters.etp.node import Address
from wattbay.adapters.etp.telling import Happening, text_of

PATH = "/ws"
WAITING_MAX = 1_000
"""Events that wait for one client; beyond, it is given a snapshot in their place."""
CLIENTS_MAX = 1_000
CLIENT_BYTES_MAX = 4_096
"""Of a message of a client, which nobody heeds."""
STATUS_S = 2.0
"""How often the state of aggregators and the figures are told. [s]"""


class _Client:
    """What waits for one client."""

    def __init__(self) -> None:
        self.waiting: deque[str] = deque()
        self.news = asyncio.Event()
        self.is_behind = True
        """Whether it is to be given a snapshot first."""

    def put(self, text: str) -> None:
        if self.is_behind:
            return
        if len(self.waiting) >= WAITING_MAX:
            self.waiting.clear()
            self.is_behind = True
        else:
            self.waiting.append(text)
        self.news.set()


class Gateway:
    """A WebSocket server, from `open` to `close`."""

    def __init__(self, board: Board, linked: Callable[[], Iterable[int]]) -> None:
        """Tell what a board hears.

        Parameters
        ----------
        linked
            Tells which aggregators batteries speak with now.
        """
        self._board, self._linked = board, linked
        self._clients: set[_Client] = set()
        self._server: Server | None = None
        self._teller: asyncio.Task[None] | None = None
        board.listeners.append(self._heard)

    def _heard(self, happening: Happening) -> None:
        if self._clients:
            text = text_of(happening)
            for client in self._clients:
                client.put(text)

    async def open(self, host: str, port: int) -> Address:
        """Let clients in; return where.

        Raises
        ------
        OSError
            If the address is taken.
        """
        self._server = await serve(
            self._serve, host, port, process_request=_check_path,
            max_size=CLIENT_BYTES_MAX, compression=None,
        )  # fmt: skip
        self._teller = asyncio.create_task(self._tell())
        found = next(iter(self._server.sockets)).getsockname()
        return Address(found[0], found[1])

    async def close(self) -> None:
        """Let everybody go."""
        if self._teller is not None:
            self._teller.cancel()
            await asyncio.gather(self._teller, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _tell(self) -> None:
        """Tell now and then how everybody fares."""
        while True:
            await asyncio.sleep(STATUS_S)
            linked = list(self._linked())
            for status in self._board.aggregators(linked):
                self._board.tell(status)
            self._board.tell(self._board.metrics(linked, len(self._clients)))

    async def _serve(self, connection: ServerConnection) -> None:
        """Tell one client everything, from a snapshot on, until it is gone."""
        if len(self._clients) >= CLIENTS_MAX:
            await connection.close(1013, "as many as may be are here")
            return
        client = _Client()
        self._clients.add(client)
        reader = asyncio.create_task(_listen(connection))
        try:
            while not reader.done():
                if client.is_behind:
                    client.is_behind = False
                    for one in self._board.snapshot(self._linked(), len(self._clients)):
                        await connection.send(text_of(one))
                while client.waiting:
                    await connection.send(client.waiting.popleft())
                if client.is_behind:
                    continue
                client.news.clear()
                waiting = asyncio.create_task(client.news.wait())
                await asyncio.wait({reader, waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
        except ConnectionClosed:
            pass
        finally:
            self._clients.discard(client)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)


async def _listen(connection: ServerConnection) -> None:
    """Hear a client out, and heed nothing: it is there to look."""
    try:
        async for _ in connection:
            pass
    except ConnectionClosed:
        return


def _check_path(connection: ServerConnection, request: Request) -> Response | None:
    """Let in whoever comes to the one path."""
    if request.path.partition("?")[0] == PATH:
        return None
    return connection.respond(HTTPStatus.NOT_FOUND, f"the events are told on {PATH}\n")
