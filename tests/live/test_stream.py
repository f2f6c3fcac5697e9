"""The stream over real sockets: uvicorn as it is set for it, and the client library of others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.api_node import PASSWORD, Bench, a_node
from tests.builders import EVE, MIDNIGHT
from tests.listeners import Follower
from tests.servers import free_port, until_async
from wattbay.adapters.api.callers import SESSION_COOKIE
from wattbay.adapters.api.node import Limits
from wattbay.adapters.api.stream.hub import Hub
from wattbay.adapters.api.stream.route import UVICORN, attach
from wattbay.adapters.api.stream.sources import Sources
from wattbay.adapters.api.stream.streams import Streams
from wattbay.adapters.api.stream.topics import EVERYBODY, Kind, parse
from wattbay.core.commands import PlaceOrder
from wattbay.core.facts import Side
from wattbay.ids import CommunityId, MeterId, PodId, ProductId
from wattbay.kernel.codec import Entry
from wattbay.kernel.evidence import Reading
from wattbay.periods import DAY, HOUR, Instant
from wattbay.watch.findings import Anomaly, Finding, Severity

PRIVATE = ("orders/{0}", "receipts/{0}", "statements/{0}", "readings/{0}", "readings/m-{0}")
OF_PARTY = ("alerts/{0}", "devices/{0}")


class Relay:
    """A reader that is there before the hub is."""

    hub: Hub | None = None

    def fold(self, entry: Entry) -> None:
        if self.hub is not None:
            self.hub.fold(entry)


class Live(NamedTuple):
    """A server, and all that stands behind it."""

    bench: Bench
    hub: Hub
    streams: Streams
    port: int

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/api/v1/stream"

    @contextlib.asynccontextmanager
    async def listening(self, login: str, *topics: str) -> AsyncIterator[Listener]:
        headers = {"Authorization": f"Bearer {self.bench.token(login)}"}
        async with connect(self.url, additional_headers=headers) as wire:
            listener = Listener(wire)
            await listener.until(lambda: listener.follower.epoch != "")
            if topics:
                await listener.subscribe(*topics)
            yield listener


class Listener:
    """A client that follows the protocol over a socket."""

    def __init__(self, wire: ClientConnection, follower: Follower | None = None) -> None:
        self.wire = wire
        self.follower = Follower() if follower is None else follower

    async def subscribe(self, *topics: str) -> None:
        """Ask for topics, and wait until each is there or refused."""
        wanted = len(self.follower.other) + len(topics)
        await self.wire.send(self.follower.wish(*topics))
        await self.until(lambda: len(self.follower.other) >= wanted)
        allowed = [one["topic"] for one in self.follower.other if one["type"] == "subscribed"]
        await self.until(lambda: all(name in self.follower.known for name in allowed))

    async def until(self, holds: Callable[[], object]) -> None:
        """Hear messages until a condition holds."""
        while not holds():
            async with asyncio.timeout(30):
                self.follower.hear(str(await self.wire.recv()))

    async def until_pong(self) -> None:
        """Hear all that was sent before now."""
        await self.wire.send('{"op":"ping"}')
        before = len(self.pongs())
        await self.until(lambda: len(self.pongs()) > before)

    def pongs(self) -> list[dict[str, Any]]:
        return [one for one in self.follower.other if one["type"] == "pong"]


@contextlib.asynccontextmanager
async def serving(*, slow_s: float = 30.0, **parts: Any) -> AsyncIterator[Live]:  # noqa: ANN401 - of `a_node`
    relay = Relay()
    bench = a_node(readers=(relay,), **parts)
    node = bench.node
    sources = Sources(
        state=node.state, history=node.history, latest=node.latest, alerts=node.alerts
    )
    relay.hub = hub = Hub(sources, "e1", node.clock.now())
    streams = attach(bench.app, hub)
    streams.slow_s = slow_s
    port = free_port()
    config = uvicorn.Config(bench.app, host="127.0.0.1", port=port, log_level="critical", **UVICORN)
    server = uvicorn.Server(config)
    serve = asyncio.create_task(server.serve())
    beat = asyncio.create_task(streams.run())
    await until_async(lambda: server.started, "the server starts")
    try:
        yield Live(bench, hub, streams, port)
    finally:
        server.should_exit = True
        await serve
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)


def live(test: Callable[[Live], Awaitable[None]], **options: Any) -> None:  # noqa: ANN401 - of `serving`
    async def run() -> None:
        async with asyncio.timeout(120), serving(**options) as made:
            await test(made)

    asyncio.run(run())


def order(pod: str, side: Side = Side.BUY, limit: int = 90_000) -> PlaceOrder:
    return PlaceOrder(
        pod=PodId(pod),
        product=ProductId("halfhour"),
        delivery=MIDNIGHT,
        side=side,
        quantity_wh=500,
        limit=limit,
    )


def a_reading(device: str) -> Reading:
    return Reading(
        CommunityId("town"), MeterId(device), 1, 1, MIDNIGHT, 100, 5, 0, -400, None, b"p"
    )


async def closing_code(wire: ClientConnection) -> int:
    """Read until the connection ends; return how it did."""
    async with asyncio.timeout(30):
        try:
            while True:
                await wire.recv()
        except ConnectionClosed as closed:
            return 0 if closed.rcvd is None else closed.rcvd.code


# --- what is heard ---------------------------------------------------------------------------


def test_a_street_that_trades_is_heard_from_order_to_receipt() -> None:
    async def test(made: Live) -> None:
        topics = ("orders/h01", "receipts/h01", "trades", "market", "deliveries")
        async with made.listening("p01", *topics) as one:
            made.bench.submit(order("h01"), order("h02", Side.SELL, 50_000))
            made.bench.kernel.advance(Instant(MIDNIGHT + 2 * DAY))
            await one.until(lambda: len(one.follower.known["receipts/h01"]) == 48)
            assert one.follower.known["orders/h01"]["1"]["status"] == "filled"
            assert one.follower.known["trades"][0]["data"]["price_nano_per_wh"] == 70_000
            assert one.follower.gaps == []

    live(test)


def test_two_parties_hear_their_own_and_nothing_of_each_other() -> None:
    async def test(made: Live) -> None:
        def names(pod: str, party: str) -> list[str]:
            return [each.format(pod) for each in PRIVATE] + [
                each.format(party) for each in OF_PARTY
            ]

        first, second = names("h01", "p01"), names("h02", "p02")
        staff = ["readings", "alerts", "devices", "grid"]
        async with (
            made.listening("p01", *first, *second, *staff) as one,
            made.listening("p02", *first, *second, *staff) as other,
        ):
            for listener, own, theirs in ((one, first, second), (other, second, first)):
                assert sorted(listener.follower.known) == sorted(own)
                refused = [error["topic"] for error in listener.follower.errors()]
                assert refused == [
                    name for name in (*first, *second, *staff) if name in theirs or name in staff
                ]
            made.bench.submit(order("h01", Side.SELL))
            came = [a_reading("m-h01"), a_reading("m-h03")]
            made.bench.latest.readings.update({one.device: one for one in came})
            made.hub.readings(came)
            made.hub.device(MeterId("m-h01"), "status", {"status": "online"}, MIDNIGHT)
            made.bench.kernel.advance(Instant(MIDNIGHT + 2 * DAY))
            await one.until(lambda: len(one.follower.known["receipts/h01"]) == 48)
            await other.until_pong()
            told = json.dumps({**other.follower.known, "devices/p02": {}})
            assert not any(name in told for name in ("h01", "p01", "h03", "p03"))
            assert one.follower.known["readings/h01"]["m-h01"]["power_w"] == -400

    live(test)


def test_an_alert_that_is_seen_over_rest_is_told() -> None:
    async def test(made: Live) -> None:
        finding = Finding(
            Anomaly.TAMPER, Severity.SOFT, MeterId("m-h01"), 1, 1, EVE, EVE, "its case was opened"
        )
        made.hub.alert(made.bench.alerts.add(finding))
        async with (
            made.listening("p01", "alerts/p01") as one,
            made.bench.client("p01") as client,
        ):
            answer = await client.post("/api/v1/alerts/1/acknowledge", json={"note": "we look"})
            assert answer.status_code == 200
            await one.until(lambda: one.follower.known["alerts/p01"]["1"]["note"] == "we look")
            told = one.follower.known["alerts/p01"]["1"]
            assert told["number"] == 1
            assert "acknowledged_by" not in told

    live(test)


def test_who_comes_back_goes_on_without_loss_or_repetition() -> None:
    async def test(made: Live) -> None:
        topics = ("trades", "market", "orders/h01", "prices")
        follower = Follower()
        headers = {"Authorization": f"Bearer {made.bench.token('p01')}"}
        async with made.listening("p01", *topics) as constant:
            for attempt in range(6):
                async with connect(made.url, additional_headers=headers) as wire:
                    listener = Listener(wire, follower)
                    await listener.subscribe(*topics)
                    made.bench.submit(order("h01"), order("h02", Side.SELL, 50_000))
                    if attempt % 2:
                        await listener.until_pong()
                    wire.transport.abort()
                made.bench.submit(order("h01", limit=1_000 * attempt))
                made.bench.kernel.advance(Instant(MIDNIGHT - 2 * HOUR + attempt * HOUR // 2))
            async with connect(made.url, additional_headers=headers) as wire:
                listener = Listener(wire, follower)
                await listener.subscribe(*topics)
                await listener.until_pong()
                await constant.until_pong()
                assert follower.known == constant.follower.known
                assert follower.snapshots == len(topics)
                assert follower.known["market"]

    live(test)


def test_a_client_that_does_not_read_delays_nobody_and_is_cut_off() -> None:
    async def test(made: Live) -> None:
        wire = socket.socket()
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        wire.connect(("127.0.0.1", made.port))
        wire.setblocking(False)
        loop = asyncio.get_running_loop()
        token = made.bench.token("p02")
        await loop.sock_sendall(
            wire,
            f"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer {token}\r\n\r\n".encode(),
        )
        assert (await loop.sock_recv(wire, 12)).endswith(b"101")
        wish = b'{"op":"subscribe","topics":[{"topic":"trades"}]}'
        await loop.sock_sendall(wire, b"\x81" + bytes((128 | len(wish),)) + bytes(4) + wish)
        await until_async(
            lambda: any(one.topics for one in made.streams.sessions), "the slow one listens"
        )
        (slow,) = made.streams.sessions
        async with made.listening("p01", "trades") as quick:
            body = {"filler": "x" * 2_000}
            for _ in range(80):
                for _ in range(50):
                    made.hub.board.say(
                        Kind.TRADES, EVERYBODY, "trade", lambda: body, at=MIDNIGHT, entry=1
                    )
                await quick.until(lambda: quick.follower.seqs["trades"] == made_seq(made))
                assert slow.mailbox.size_bytes <= 1_048_576
            assert len(quick.follower.known["trades"]) == 4_000
            assert slow.mailbox.overflows > 0
            await until_async(lambda: len(made.streams) == 1, "the slow one is cut off")
            assert quick.follower.gaps == []
        wire.close()

    live(test, slow_s=0.5)


def made_seq(made: Live) -> int:
    return made.hub.board.open(parse("trades"), EVERYBODY).seq


def test_ten_thousand_messages_that_are_none_end_the_connection_and_leave_nothing() -> None:
    async def test(made: Live) -> None:
        async with made.listening("p01") as one, made.listening("p02", "trades") as other:
            with contextlib.suppress(ConnectionClosed):
                for number in range(10_000):
                    await one.wire.send("{" * (1 + number % 60))
            assert await closing_code(one.wire) == 1008
            await other.until_pong()
            assert len(made.streams) == 1

    live(test)


def test_a_message_that_is_too_long_ends_the_connection() -> None:
    async def test(made: Live) -> None:
        async with made.listening("p01") as one:
            with contextlib.suppress(ConnectionClosed):
                await one.wire.send("x" * 100_000)
            assert await closing_code(one.wire) == 1009

    live(test)


# --- who is heard ----------------------------------------------------------------------------


async def status_of(url: str, **options: Any) -> int:  # noqa: ANN401 - of `connect`
    try:
        async with connect(url, **options) as wire:
            return await closing_code(wire)
    except InvalidStatus as refused:
        return refused.response.status_code


async def epoch_of(url: str, first: str | None = None, **options: Any) -> str:  # noqa: ANN401 - of `connect`
    async with connect(url, **options) as wire:
        if first is not None:
            await wire.send(first)
        told: dict[str, str] = json.loads(await wire.recv())
        return told["epoch"]


def test_a_token_an_api_key_and_a_session_of_our_own_pages_come_in() -> None:
    async def test(made: Live) -> None:
        token = made.bench.token("p01")
        assert await epoch_of(made.url, additional_headers={"Authorization": f"Bearer {token}"})
        session = await made.bench.door.sign_in("p01", PASSWORD)
        cookie = {"Cookie": f"{SESSION_COOKIE}={session.token}"}
        own = f"http://127.0.0.1:{made.port}"
        assert await epoch_of(made.url, additional_headers=cookie, origin=own)
        assert (
            await status_of(made.url, additional_headers=cookie, origin="https://evil.test") == 403
        )
        assert await status_of(made.url, additional_headers=cookie) == 403
        wrong = {"Authorization": f"Bearer {token}x"}
        assert await status_of(made.url, additional_headers=wrong) == 401
        assert await status_of(made.url, additional_headers={"X-API-Key": "wb_no_no"}) == 401

    live(test)


def test_a_ticket_lets_one_in_once_and_for_a_short_time() -> None:
    async def test(made: Live) -> None:
        async def ticket() -> str:
            async with made.bench.client("p01") as client:
                answer = await client.post("/api/v1/stream/ticket")
                assert answer.status_code == 200
                return json.dumps({"ticket": answer.json()["ticket"]})

        first = await ticket()
        assert await epoch_of(made.url, first, origin="https://elsewhere.test") == "e1"
        for shown in (first, '{"ticket":"made up"}', '{"op":"ping"}'):
            async with connect(made.url) as wire:
                await wire.send(shown)
                assert await closing_code(wire) == 4401
        late = await ticket()
        made.bench.wall.advance(Instant(made.bench.wall.now() + 31_000_000))
        async with connect(made.url) as wire:
            await wire.send(late)
            assert await closing_code(wire) == 4401
        async with made.bench.client() as client:
            assert (await client.post("/api/v1/stream/ticket")).status_code == 401

    live(test)


def test_a_token_in_the_address_is_worth_nothing() -> None:
    async def test(made: Live) -> None:
        url = f"{made.url}?token={made.bench.token('boss')}&ticket=x"
        async with connect(url) as wire:
            await wire.send('{"op":"subscribe","topics":[{"topic":"readings"}]}')
            assert await closing_code(wire) == 4401

    live(test)


def test_whose_token_ends_is_told_so() -> None:
    async def test(made: Live) -> None:
        async with made.listening("p01", "trades") as one:
            made.bench.wall.advance(Instant(made.bench.wall.now() + 2 * HOUR))
            await made.streams.look_again()
            assert await closing_code(one.wire) == 4401

    live(test)


def test_there_are_no_more_clients_than_there_may_be() -> None:
    async def test(made: Live) -> None:
        headers = {"Authorization": f"Bearer {made.bench.token('p03')}"}
        async with made.listening("p01"), made.listening("p02"):
            assert await status_of(made.url, additional_headers=headers) == 1013
        await until_async(lambda: len(made.streams) == 0, "both are gone")
        assert await epoch_of(made.url, additional_headers=headers)

    live(test, limits=Limits(streams_max=2))


def test_nothing_is_compressed() -> None:
    async def test(made: Live) -> None:
        async with made.listening("p01") as one:
            assert one.wire.protocol.extensions == []

    live(test)


@pytest.mark.parametrize("path", ["/api/v1/stream/x", "/api/v1/trades"])
def test_elsewhere_there_is_no_stream(path: str) -> None:
    async def test(made: Live) -> None:
        assert await status_of(f"ws://127.0.0.1:{made.port}{path}") == 403

    live(test)
