"""The market over real brokers: orders, bots as programs of their own, and whoever means ill."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.live.market_node import MORNING, TOWN, Node, a_node, pod_of
from tests.live.test_brokers import PLAIN, Secured, peak_bytes
from tests.servers import WAIT_S, Server, free_port, mosquitto, until_async
from wattbay.adapters.mqtt import certificates
from wattbay.adapters.mqtt.broker import Message
from wattbay.adapters.mqtt.embedded import EmbeddedBroker, Listener
from wattbay.adapters.mqtt.keys import Algorithm, Ed25519Signer, Signer, write_key
from wattbay.adapters.mqtt.market.signed import SignedOrder, sign_order
from wattbay.adapters.mqtt.market.topics import answer_topic, order_topic
from wattbay.adapters.mqtt.service import Address, GmqttClient
from wattbay.core.facts import Quality, Receipt, Side
from wattbay.ids import MeterId, ProductId, RequestId
from wattbay.periods import HOUR, Instant

FIRST, SECOND = MeterId("m-h01"), MeterId("m-h02")
METERS: dict[MeterId, Signer] = {
    name: Ed25519Signer(bytes((number,)) * 32) for number, name in enumerate((FIRST, SECOND), 1)
}
AFTERNOON = Instant(MORNING + 4 * HOUR)


def an_order(
    request: str = "r1", *, side: Side = Side.BUY, limit: int = 120_000, quantity_wh: int = 250
) -> SignedOrder:
    return SignedOrder(
        v=1,
        request=RequestId(request),
        product=ProductId("halfhour"),
        delivery=AFTERNOON,
        side=side,
        quantity_wh=quantity_wh,
        limit=limit,
        expires_at=Instant(AFTERNOON - HOUR),
    )


def signed(order: SignedOrder, device: MeterId = FIRST) -> bytes:
    return sign_order(order, TOWN, device, METERS[device])


def addresses(port: int) -> list[Address]:
    return [Address(port=port, client_id=name) for name in ("wattbay-market", "wattbay-service")]


@asynccontextmanager
async def a_client(
    port: int, *filters: str, name: str = "somebody", tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[GmqttClient, list[Message]]]:
    heard: list[Message] = []
    client = GmqttClient(Address(port=port, client_id=name, tls=tls))
    await client.open(filters, heard.extend)
    try:
        yield client, heard
    finally:
        await client.close()


def is_longer(found: list[Message], length: int) -> bool:
    return len(found) >= length


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


@pytest.fixture
def plain() -> Iterator[tuple[Server, int]]:
    with mosquitto(lambda _, port: PLAIN.format(port=port)) as (server, port, _):
        yield server, port


@pytest.fixture
def port(plain: tuple[Server, int]) -> int:
    return plain[1]


async def _order_and_hear(port: int) -> None:
    """Order, be altered, and order again; hear the market meanwhile."""
    answers, market = answer_topic(TOWN, FIRST), "em/v1/town/market"
    async with (
        a_node(addresses(port), METERS, speed=1.0) as node,
        a_client(port, answers, f"{market}/clock", f"{market}/orders/#") as (client, heard),
    ):
        topic, order = order_topic(TOWN, FIRST), signed(an_order())
        client.publish(topic, order, qos=1)
        await until_async(lambda: told(heard, answers), "the order is answered")
        client.publish(topic, order[:-1] + bytes((order[-1] ^ 1,)), qos=1)
        client.publish(topic, order, qos=1)
        await until_async(lambda: len(told(heard, answers)) >= 3, "the rest is answered")
        await until_async(lambda: node.agent.counts.get("repeated"), "the replay is seen")
        first, *others = told(heard, answers)
        repeated = next(one for one in others if one["is"] == "answer")
        refused = next(one for one in others if one["is"] == "refused")
        assert (first["status"], first["order"]) == ("accepted", 1)
        assert (repeated["seq"], repeated["order"]) == (first["seq"], 1)
        assert refused["refused"] == {"bad signature": 1}
        assert node.agent.counts == {"accepted": 1, "bad signature": 1, "repeated": 1}
        assert list(node.kernel.exchange.state.market.places) == [1]
        book = "em/v1/town/market/orders/halfhour/2013-06-10T1400Z"
        await until_async(lambda: told(heard, book), "the book is told")
        assert told(heard, book)[-1]["buy"] == [[120_000, 250, 1]]
        assert told(heard, f"{market}/clock")[-1]["speed"] == 1.0


def told(heard: list[Message], topic: str) -> list[Any]:
    return [json.loads(one.payload) for one in heard if one.topic == topic and one.payload]


@pytest.mark.mosquitto
def test_order_is_answered_a_forged_one_counted_and_a_replay_gets_the_first_answer(
    port: int,
) -> None:
    run(_order_and_hear(port))


def test_order_is_answered_through_the_embedded_broker() -> None:
    async def story() -> None:
        port = free_port()
        broker = EmbeddedBroker(Listener(port=port))
        await broker.open()
        try:
            await _order_and_hear(port)
        finally:
            await broker.close()

    run(story())


@pytest.mark.mosquitto
def test_whoever_comes_later_finds_the_state_of_the_market(port: int) -> None:
    async def story() -> None:
        async with a_node(addresses(port), METERS, speed=60.0):
            retained = ("clock", "state", "solar", "curve", "slot")
            topics = [f"em/v1/town/market/{one}" for one in retained]
            async with a_client(port, *topics) as (_, heard):
                await until_async(
                    lambda: all(told(heard, topic) for topic in topics), "all of it is there"
                )
            clock, state, solar, curve, exchanged = (told(heard, one)[0] for one in topics)
        assert clock["next_gate"]["delivery"] == MORNING + 1.5 * HOUR
        phases = {one["delivery"]: one["phase"] for one in state["deliveries"]}
        assert phases[MORNING] == "exchanging"
        assert phases[MORNING + HOUR] == "gate_closed"
        assert phases[AFTERNOON] == "bidding"
        assert len(solar["wh_per_kwp"]) == len(curve["share_ppm"]) == 96
        assert sum(curve["share_ppm"]) == 2_000_000
        assert exchanged["current"]["delivery"] == MORNING

    run(story())


@pytest.mark.mosquitto
def test_a_thousand_malformed_messages_leave_nothing(port: int) -> None:
    good = signed(an_order())
    topic = order_topic(TOWN, FIRST)
    bad = [
        (topic, b"no order"),
        (topic, b"\xd2" + bytes(4_000)),
        (topic, good[:-1] + bytes((good[-1] ^ 1,))),
        (order_topic(TOWN, SECOND), good),
        (order_topic(TOWN, MeterId("stranger")), good),
        ("INFO", b"{"),
    ]

    async def story() -> None:
        async with (
            a_node(addresses(port), METERS, speed=1.0) as node,
            a_client(port) as (client, _),
        ):
            held = []
            for turn in (1, 2):
                for number in range(1_000):
                    client.publish(*bad[number % len(bad)], qos=1)
                await until_async(partial(has_counted, node, 1_000 * turn), "all are counted")
                held.append(peak_bytes())
            assert set(node.agent.counts) == {
                "wrong form", "too long", "bad signature", "wrong key id", "unknown device",
                "INFO of wrong form",
            }  # fmt: skip
            assert not node.kernel.exchange.state.market.places
            assert not node.agent.waiting
            assert held[1] - held[0] < 5_000_000

    run(story())


def has_counted(node: Node, count: int) -> bool:
    return sum(node.agent.counts.values()) >= count


@pytest.mark.mosquitto
def test_what_is_said_on_info_is_passed_on(port: int) -> None:
    async def story() -> None:
        async with (
            a_node(addresses(port), METERS, speed=1.0),
            a_client(port, "METRICS") as (client, heard),
        ):
            for said in ('{"customerID": 7, "kW": 1.5}', {"kW": 2}):
                record = {"type": "INFO", "message": said, "timestamp": 1_370_820_600}
                client.publish("INFO", json.dumps(record).encode(), qos=1)
            await until_async(partial(is_longer, heard, 2), "both are passed on")
            assert [one.payload for one in heard] == [
                b'{"customerID": 7, "kW": 1.5}', b'{"kW":2}',
            ]  # fmt: skip

    run(story())


# --- access rules as we ship them ------------------------------------------------------------


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Secured, int]]:
    made = Secured(tmp_path_factory.mktemp("certificates"))
    made.issue(str(FIRST))
    made.issue(str(SECOND))
    with mosquitto(made.configuration) as (_, port, _):
        yield made, port


@pytest.mark.mosquitto
def test_device_orders_on_its_own_topic_alone_and_hears_no_other_ones_answers(
    secured: tuple[Secured, int],
) -> None:
    made, port = secured

    async def story() -> None:
        service = made.context(certificates.SERVICE_NAME)
        where = [one._replace(tls=service) for one in addresses(port)]
        async with (
            a_node(where, METERS, speed=1.0) as node,
            a_client(port, "em/v1/town/market/#", name="thief", tls=made.context(str(SECOND))) as (
                thief,
                tapped,
            ),
            a_client(
                port, answer_topic(TOWN, FIRST), name="first", tls=made.context(str(FIRST))
            ) as (first, heard),
        ):
            # It was overheard somehow, and is authentic: the broker must not take it from another.
            thief.publish(order_topic(TOWN, FIRST), signed(an_order("stolen")), qos=1)
            thief.publish(answer_topic(TOWN, FIRST), b"forged", qos=1)
            thief.publish("em/v1/town/market/clock", b"forged", qos=1)
            thief.publish("INFO", b'{"message": "forged"}', qos=1)
            thief.publish(order_topic(TOWN, SECOND), signed(an_order("own"), SECOND), qos=1)
            first.publish(order_topic(TOWN, FIRST), signed(an_order()), qos=1)
            await until_async(lambda: told(heard, answer_topic(TOWN, FIRST)), "it is answered")
            own = answer_topic(TOWN, SECOND)
            await until_async(lambda: told(tapped, own), "its own answer comes")
            clock = "em/v1/town/market/clock"
            await until_async(lambda: told(tapped, clock), "what is for everybody comes")
            assert node.agent.counts == {"accepted": 2}
            assert [one["request"] for one in told(heard, answer_topic(TOWN, FIRST))] == ["r1"]
            assert all(one.payload != b"forged" for one in [*heard, *tapped])
            private = {one.topic for one in tapped if "/order/" in one.topic}
            private |= {one.topic for one in tapped if "/answer/" in one.topic}
            assert private == {own}

    run(story())


# --- bots ------------------------------------------------------------------------------------


class RunningBot:
    """A bot as a program of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._out = folder / f"{arguments[0]}.lines"
        self._err = folder / f"{arguments[0]}.errors"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.running = subprocess.Popen(
                [sys.executable, "-m", "wattbay", "bot", *arguments], stdout=out, stderr=err
            )

    def lines(self, action: str = "") -> list[Any]:
        whole = self._out.read_text().rpartition("\n")[0].splitlines()
        found = [json.loads(line) for line in whole]
        return [one for one in found if action in {"", one["action"]}]

    async def stop(self, number: int) -> int | None:
        self.running.send_signal(number)
        await until_async(lambda: self.running.poll() is not None, "it stops")
        assert self._err.read_text() == ""
        return self.running.returncode


@contextmanager
def bots(folder: Path, port: int, *kinds: tuple[str, MeterId, str]) -> Iterator[list[RunningBot]]:
    begun = []
    try:
        for kind, device, options in kinds:
            begun.append(
                RunningBot(
                    folder, kind, str(folder / f"{device}.pem"), TOWN, device, "--json",
                    "--broker", f"127.0.0.1:{port}", "--folder", str(folder), *options.split(),
                )
            )  # fmt: skip
        yield begun
    finally:
        for one in begun:
            one.running.kill()
            one.running.wait(WAIT_S)


def keys(folder: Path, *names: MeterId) -> dict[MeterId, Signer]:
    return {name: write_key(folder / f"{name}.pem", Algorithm.ED25519) for name in names}


def receipts(node: Node, meter: MeterId) -> list[Receipt]:
    open_ones = node.kernel.exchange.state.deliveries.open.values()
    return [one.receipts[pod_of(meter)] for one in open_ones if pod_of(meter) in one.receipts]


async def _trade_and_settle(port: int, folder: Path) -> None:
    meters = keys(folder, FIRST, SECOND)
    async with a_node(addresses(port), meters, speed=1_800.0) as node:
        with bots(
            folder, port,
            ("pv", FIRST, "--kwp 5 --seed 3"), ("consumer", SECOND, "--kwh-per-day 20 --seed 4"),
        ) as (pv, consumer):  # fmt: skip
            for one in (pv, consumer):
                await until_async(partial(one.lines, "traded"), "both trade")
            for meter in meters:
                await until_async(
                    partial(has_settled, node, meter), "what was traded is settled by readings"
                )
            assert await pv.stop(signal.SIGINT) == 0
            assert await consumer.stop(signal.SIGTERM) == 0
            assert {one["side"] for one in pv.lines("traded")} == {"sell"}
            assert {one["side"] for one in consumer.lines("traded")} == {"buy"}
            bought = {one["outcome"]: one["quantity_wh"] for one in consumer.lines("traded")}
            sold = {one["outcome"]: one["quantity_wh"] for one in pv.lines("traded")}
            both = bought.keys() & sold.keys()
            assert both
            assert all(bought[trade] == sold[trade] for trade in both)
        assert node.agent.counts["accepted"] >= 2


def has_settled(node: Node, meter: MeterId) -> bool:
    return any(map(is_settled, receipts(node, meter)))


def is_settled(receipt: Receipt) -> bool:
    traded = receipt.bought_wh + receipt.sold_wh
    return bool(traded) and receipt.quality is Quality.MEASURED


@pytest.mark.mosquitto
def test_bots_trade_with_each_other_and_settle_by_their_readings(port: int, tmp_path: Path) -> None:
    run(_trade_and_settle(port, tmp_path))


@pytest.mark.mosquitto
def test_bot_that_was_killed_goes_on_and_orders_nothing_twice(port: int, tmp_path: Path) -> None:
    async def story() -> None:
        meters = keys(tmp_path, FIRST)
        async with a_node(addresses(port), meters, speed=1_200.0) as node:
            for _ in range(2):
                with bots(tmp_path, port, ("battery", FIRST, "--capacity-kwh 20")) as (bot,):
                    await until_async(partial(has, bot.lines, 2), "it orders")
            await until_async(lambda: node.ingest.counts.get("stored"), "its readings are stored")
        assert set(node.agent.counts) <= {"accepted", "repeated", "rejected"}
        books = node.kernel.exchange.state.market.books[ProductId("halfhour")].values()
        assert all(len(book.orders) <= 1 for book in books)

    run(story())


@pytest.mark.mosquitto
def test_bot_trades_through_the_broker_as_we_ship_it(
    secured: tuple[Secured, int], tmp_path: Path
) -> None:
    made, port = secured
    meters = keys(tmp_path, FIRST)
    options = (
        f"--authority {made.folder}/authority.pem --certificate {made.folder}/{FIRST}.pem"
        f" --certificate-key {made.folder}/{FIRST}.key"
    )

    async def story() -> None:
        service = made.context(certificates.SERVICE_NAME)
        where = [one._replace(tls=service) for one in addresses(port)]
        async with a_node(where, meters, speed=1_200.0) as node:
            with bots(tmp_path, port, ("battery", FIRST, options)) as (bot,):
                await until_async(partial(has, bot.lines, 1), "it orders")
                await until_async(
                    lambda: node.ingest.counts.get("stored"), "its readings are stored"
                )
                assert await bot.stop(signal.SIGTERM) == 0

    run(story())


@pytest.mark.mosquitto
def test_bot_waits_for_its_broker_and_comes_back_after_a_break(
    plain: tuple[Server, int], tmp_path: Path
) -> None:
    server, port = plain

    async def story() -> None:
        meters = keys(tmp_path, FIRST)
        server.kill()
        with bots(tmp_path, port, ("consumer", FIRST, "--kwh-per-day 20")) as (bot,):
            await until_async(partial(bot.lines, "wait"), "it says that it waits")
            await asyncio.to_thread(server.start)
            async with a_node(addresses(port), meters, speed=1_200.0) as node:
                await until_async(partial(has, bot.lines, 1), "it orders")
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
                before = len(bot.lines("answer"))
                await until_async(partial(has, bot.lines, before + 2), "it orders again")
                stored = node.ingest.counts.get("stored", 0)
                await until_async(
                    lambda: node.ingest.counts.get("stored", 0) > stored, "its meter is heard"
                )
                assert await bot.stop(signal.SIGTERM) == 0
                told = [one["outcome"] for one in bot.lines("wait")][-2:]
                assert told == ["the broker is gone", "the broker is there again"]

    run(story())


def has(lines: Callable[[str], list[Any]], count: int) -> bool:
    return len(lines("answer")) >= count
