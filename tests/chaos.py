"""A TCP proxy that misbehaves as networks do: it delays, cuts, stalls half-open, or is slow."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from tests.servers import WAIT_S, free_port

T = TypeVar("T")

CHUNK_BYTES = 65_536

Listener = Callable[[int, bool, bytes], None]


class Chaos:
    """Stands between clients and a server on the loopback, in a thread of its own."""

    def __init__(self, target_port: int, port: int = 0) -> None:
        """Stand before a port; nobody comes in before `open`."""
        self.port = port or free_port()
        self.target_port = target_port
        self.delay_s = 0.0
        """How much later everything arrives. [s]"""
        self.bytes_per_s = 0
        """How much passes in each direction of a connection; 0: as much as comes."""
        self.listener: Listener | None = None
        """Hears what passes: the number of the connection, whether its client said it, and what."""
        self._connections = 0
        self._is_cut = False
        self._flows = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    # --- what goes wrong ---------------------------------------------------------------------

    def cut(self) -> None:
        """End every connection, and let nobody in."""
        self._do(self._cut())

    def stall(self) -> None:
        """Let nothing through, and say nothing: connections stay, half-open."""
        self._do(self._stall())

    def answer(self) -> None:
        """Let clients in again; whether anything passes is another matter."""
        self._do(self._answer())

    def heal(self) -> None:
        """Let everything through again."""
        self._do(self._heal())

    # --- its life ----------------------------------------------------------------------------

    def open(self) -> None:
        """Let clients in."""
        self._thread.start()
        self._do(self._open())

    def close(self) -> None:
        """Let everybody go."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    async def _open(self) -> None:
        self._flows.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _cut(self) -> None:
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    async def _stall(self) -> None:
        self._flows.clear()

    async def _answer(self) -> None:
        self._is_cut = False

    async def _heal(self) -> None:
        self._is_cut = False
        self._flows.set()

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a client to the server, for as long as both are there."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if not self._is_cut:
                await self._connect(reader, writer)
        except asyncio.CancelledError:
            pass  # It is closed: nobody waits for this task.
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner, outer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            return
        self._writers.add(outer)
        self._connections += 1
        number = self._connections
        ways = [
            asyncio.ensure_future(self._pass(reader, outer, number, is_client=True)),
            asyncio.ensure_future(self._pass(inner, writer, number, is_client=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            outer.transport.abort()
            self._writers.discard(outer)

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
        *,
        is_client: bool,
    ) -> None:
        """Pass on what comes, as the network is just now."""
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if self.bytes_per_s:
                    await asyncio.sleep(len(data) / self.bytes_per_s)
                await self._flows.wait()
                writer.write(data)
                if self.listener is not None:
                    self.listener(number, is_client, data)
                await writer.drain()


@contextmanager
def chaos(target_port: int) -> Iterator[Chaos]:
    """Stand before a port until the end of the block."""
    made = Chaos(target_port)
    made.open()
    try:
        yield made
    finally:
        made.close()
