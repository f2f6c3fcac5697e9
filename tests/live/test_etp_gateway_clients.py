"""Clients of the gateway: slow ones, lost ones and talkative ones, none of which hold others up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.etp_gateway import LOOPBACK, Client, looking
from tests.servers import until_async
from wattbay.adapters.etp.board import Board
from wattbay.adapters.etp.gateway import WAITING_MAX, Gateway
from wattbay.adapters.etp.node import Address
from wattbay.adapters.etp.telling import BESSNodeStatus, BidRejected
from wattbay.kernel.clock import MonotonicClock


@asynccontextmanager
async def a_gateway() -> AsyncIterator[tuple[Board, Address]]:
    """Open a gateway of a board that nothing happens on by itself."""
    board = Board(MonotonicClock())
    gateway = Gateway(board, list)
    address = await gateway.open(LOOPBACK, 0)
    try:
        yield board, address
    finally:
        await gateway.close()


def a_status(entry: int) -> BESSNodeStatus:
    return BESSNodeStatus(
        entry=entry, device_id=101, energy_available=1.0, percentage_for_sale=50.0,
        battery_health=0, battery_voltage=48.0, is_online=True,
    )  # fmt: skip


def a_rejection(number: int, letters: int = 4_000) -> BidRejected:
    return BidRejected(entry=number, aggregator_id=201, bess_id=101, reason="x" * letters)


def numbers(client: Client) -> list[int]:
    return [one.entry for one in client.heard if one.name == "BidRejected"]


def has_heard(client: Client, number: int) -> bool:
    return number in numbers(client)[-1:]


def test_slow_client_is_given_a_snapshot_again_and_holds_nobody_up() -> None:
    asyncio.run(_slow_and_quick())


async def _slow_and_quick() -> None:
    async with a_gateway() as (board, address):
        board.tell(a_status(1))
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
        uri = f"ws://{address.host}:{address.port}/ws"
        async with looking(address) as quick, connect(uri, sock=sock, max_queue=1) as slow:
            await quick.has("SystemMetrics")
            told = 0
            # What the system holds for a slow client, and then more than may wait for it.
            while told < 6 * WAITING_MAX:
                for _ in range(WAITING_MAX // 2):
                    told += 1
                    board.tell(a_rejection(told))
                await until_async(partial(has_heard, quick, told), "the quick one hears all")
            assert numbers(quick) == list(range(1, told + 1))
            behind = Client(slow)
            await until_async(lambda: behind.count("BESSNodeStatus") == 2, "a snapshot again")
            board.tell(a_rejection(told + 1, 1))
            await until_async(lambda: told + 1 in numbers(behind), "what happens after it")
            early = numbers(behind)[:-1]
            assert early == list(range(1, len(early) + 1))
            assert len(early) < told
            # In place of what was left out stands the state of everybody.
            names = [one.name for one in behind.heard if one.name != "AggregatorStatus"]
            left_out = names[names.index("BidRejected") + len(early) :]
            assert left_out[0] == "BESSNodeStatus"
            await behind.leave()


def test_client_is_let_in_on_one_path_alone() -> None:
    asyncio.run(_paths())


async def _paths() -> None:
    async with a_gateway() as (board, address):
        board.tell(a_status(1))
        for path in ("/", "/events", "/ws/", "/ws2", "/WS"):
            with pytest.raises(InvalidStatus) as caught:
                await connect(f"ws://{address.host}:{address.port}{path}")
            assert caught.value.response.status_code == 404
            assert b"/ws" in caught.value.response.body
        async with looking(address, "/ws?from=here") as client:
            await client.has("BESSNodeStatus")


def test_what_a_client_says_changes_nothing() -> None:
    asyncio.run(_talking())


async def _talking() -> None:
    async with a_gateway() as (board, address):
        board.tell(a_status(1))
        async with looking(address) as talker, looking(address) as other:
            await talker.connection.send('{"subscribe": "everything"}')
            await talker.connection.send(b"\0" * 100)
            await other.has("SystemMetrics")
            board.tell(a_rejection(2, 1))
            for client in (talker, other):
                await until_async(partial(has_heard, client, 2), "both hear it")
            await talker.connection.send("x" * 5_000)
            await until_async(
                lambda: talker.connection.close_code is not None, "too much is said, it is let go"
            )
            board.tell(a_rejection(3, 1))
            await until_async(lambda: numbers(other) == [2, 3], "the other one hears on")
