"""Devices, brokers and stores as they really are: sockets, certificates, kills."""

from __future__ import annotations

import asyncio
import resource
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from tests.servers import Server, free_port, mosquitto, until_async
from wattbay.adapters.mqtt import certificates
from wattbay.adapters.mqtt.broker import Message
from wattbay.adapters.mqtt.commands import Command, Ping, SetPoint, decode_answer, encode_command
from wattbay.adapters.mqtt.device import Device, Link, Registers
from wattbay.adapters.mqtt.embedded import EmbeddedBroker, Listener
from wattbay.adapters.mqtt.ingest import Community, Ingest
from wattbay.adapters.mqtt.keys import Ed25519Signer
from wattbay.adapters.mqtt.outbox import Outbox
from wattbay.adapters.mqtt.readings import sign
from wattbay.adapters.mqtt.service import Address, GmqttClient
from wattbay.adapters.stores.sqlite import SqliteReadingStore
from wattbay.errors import AdapterError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.clock import SystemClock
from wattbay.kernel.evidence import Reading, Source
from wattbay.periods import MINUTE, Instant, instant

LONDON = CommunityId("london")
NOON = instant("2026-05-01T12:00Z")
SIGNER = Ed25519Signer(bytes(32))
SHIPPED = Path(certificates.__file__).parent / "mosquitto"
PLAIN = """
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 100000
"""


@asynccontextmanager
async def a_service(
    address: Address, store: SqliteReadingStore, *devices: str
) -> AsyncIterator[tuple[Ingest, list[Reading]]]:
    accepted: list[Reading] = []
    known = {MeterId(device): SIGNER.public_key for device in devices or ("m07",)}
    community = Community(
        community=LONDON, key_of=known.get, accepted=accepted.extend, acknowledge_every_s=0.02
    )
    ingest = Ingest(community, store, GmqttClient(address))
    await ingest.open()
    try:
        yield ingest, accepted
    finally:
        await ingest.close()


@contextmanager
def a_device(folder: Path, link: Link, name: str = "m07") -> Iterator[Device]:
    outbox = Outbox(folder / f"{name}.outbox")
    device = Device(
        community=LONDON,
        device=MeterId(name),
        signer=SIGNER,
        outbox=outbox,
        clock=SystemClock(),
        link=link,
        obey=lambda command: "" if isinstance(command, SetPoint) else "no display here",
    )
    device.start()
    try:
        yield device
    finally:
        device.stop()
        outbox.close()


def measure(device: Device, count: int, first: int = 1) -> None:
    for number in range(first, first + count):
        at = Instant(NOON + number * MINUTE)
        device.measured(
            Registers(measured_at=at, import_register=number, export_register=0, power_w=-250)
        )


def is_longer(found: list[Reading], length: int) -> bool:
    return len(found) > length


def quick(port: int) -> Link:
    return Link(port=port, pause_first_s=0.05, resend_s=2.0)


async def _round_trip(port: int, folder: Path) -> None:
    store = SqliteReadingStore(folder / "readings.sqlite")
    async with a_service(Address(port=port), store) as (ingest, accepted):
        with a_device(folder, quick(port)) as device:
            measure(device, 50)
            await until_async(lambda: device.waiting == 0, "everything is acknowledged")
            assert device.acknowledged == 50
        assert sorted(reading.seq for reading in accepted) == list(range(1, 51))
        assert ingest.counts["stored"] == 50
        assert store.runs(Source(LONDON, MeterId("m07"), 1)).contiguous == 50
    store.close()


def test_readings_reach_the_store_through_the_embedded_broker(tmp_path: Path) -> None:
    async def story() -> None:
        port = free_port()
        broker = EmbeddedBroker(Listener(port=port))
        await broker.open()
        await _round_trip(port, tmp_path)
        await broker.close()

    asyncio.run(story())


def test_embedded_broker_brings_nobody_what_is_retained_for_others() -> None:
    async def story() -> None:
        port = free_port()
        broker = EmbeddedBroker(Listener(port=port))
        await broker.open()
        heard: dict[str, list[Message]] = {"market": [], "data": [], "late": []}
        first, second, third = (
            GmqttClient(Address(port=port, client_id=f"client-{name}")) for name in heard
        )
        await first.open(["em/v1/london/market/#"], heard["market"].extend)
        await second.open(["em/v1/london/+/data"], heard["data"].extend)
        second.publish("em/v1/london/market/clear", b"{}", retain=True, qos=1)
        await until_async(lambda: heard["market"], "the subscriber hears what is published")
        await third.open(["em/v1/london/+/ack"], heard["late"].extend)
        third.publish("em/v1/london/m07/ack", b"own", qos=1)
        await until_async(lambda: heard["late"], "the late one hears what it asked for")
        assert [one.payload for one in heard["late"]] == [b"own"]
        assert heard["data"] == []
        for client in (first, second, third):
            await client.close()
        await broker.close()

    asyncio.run(story())


def test_address_that_is_taken_is_told() -> None:
    async def story() -> None:
        port = free_port()
        first, second = (EmbeddedBroker(Listener(port=port)) for _ in range(2))
        await first.open()
        with pytest.raises(AdapterError, match="no MQTT broker can listen at"):
            await second.open()
        await first.close()

    asyncio.run(story())


def test_service_without_a_broker_says_so() -> None:
    async def story() -> None:
        client = GmqttClient(Address(port=free_port()))
        with pytest.raises(AdapterError, match="does not let us in"):
            await client.open(["em/v1/#"], lambda _: None)

    asyncio.run(story())


@pytest.mark.mosquitto
def test_service_that_began_without_a_broker_comes_back_after_each_break() -> None:
    async def story(server: Server, client: GmqttClient) -> None:
        server.kill()
        with pytest.raises(AdapterError, match="does not let us in"):
            await client.open(["em/v1/#"], lambda _: None)
        server.start()
        await client.open(["em/v1/#"], lambda _: None)
        server.kill()
        attempts = client._client._connection_state  # noqa: SLF001 - nothing public counts them
        await until_async(lambda: attempts.failed_connections >= 2, "it was tried twice")
        server.start()
        await until_async(lambda: client.is_connected, "it is back")
        await client.close()

    async def all_of_it(server: Server, port: int) -> None:
        await story(server, GmqttClient(Address(port=port)))

    with mosquitto(lambda _, port: PLAIN.format(port=port)) as (server, port, _):
        asyncio.run(all_of_it(server, port))


@pytest.fixture
def plain() -> Iterator[tuple[Server, int]]:
    with mosquitto(lambda _, port: PLAIN.format(port=port)) as (server, port, _):
        yield server, port


@pytest.mark.mosquitto
def test_readings_reach_the_store_through_mosquitto(
    plain: tuple[Server, int], tmp_path: Path
) -> None:
    asyncio.run(_round_trip(plain[1], tmp_path))


@pytest.mark.mosquitto
def test_broker_that_is_killed_and_service_that_leaves_in_turn_lose_no_reading(
    plain: tuple[Server, int], tmp_path: Path
) -> None:
    server, port = plain
    accepted: list[Reading] = []

    async def story() -> None:
        with a_device(tmp_path, quick(port)) as device:
            for turn in range(3):
                store = SqliteReadingStore(tmp_path / "readings.sqlite")
                async with a_service(Address(port=port), store) as (_, heard):
                    measure(device, 100, first=200 * turn + 1)
                    await until_async(partial(is_longer, heard, 5), "readings come in")
                    server.kill()
                    measure(device, 100, first=200 * turn + 101)
                    server.start()
                    await until_async(partial(is_longer, heard, 20), "readings come in again")
                    accepted.extend(heard)
                # The service went away in the middle, and left what it had not stored.
                store.close()
            store = SqliteReadingStore(tmp_path / "readings.sqlite")
            async with a_service(Address(port=port), store) as (_, heard):
                await until_async(lambda: device.waiting == 0, "everything is acknowledged")
                accepted.extend(heard)
            runs = list(store.runs(Source(LONDON, MeterId("m07"), 1)))
            store.close()
        assert runs == [(1, 600)]
        assert sorted(reading.seq for reading in accepted) == list(range(1, 601))

    asyncio.run(story())


@pytest.mark.mosquitto
def test_device_that_lost_power_goes_on_with_what_it_kept(
    plain: tuple[Server, int], tmp_path: Path
) -> None:
    _, port = plain

    async def story() -> None:
        with a_device(tmp_path, quick(free_port())) as device:
            measure(device, 5)
            assert device.waiting == 5
        store = SqliteReadingStore(tmp_path / "readings.sqlite")
        async with a_service(Address(port=port), store) as (_, accepted):
            with a_device(tmp_path, quick(port)) as device:
                measure(device, 2, first=6)
                await until_async(lambda: device.waiting == 0, "everything is acknowledged")
        store.close()
        found = [(reading.boot, reading.seq) for reading in accepted]
        assert sorted(found) == [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (2, 1), (2, 2)]

    asyncio.run(story())


@pytest.mark.mosquitto
def test_command_is_carried_out_once_and_answered(
    plain: tuple[Server, int], tmp_path: Path
) -> None:
    _, port = plain
    heard: list[Message] = []
    later = Instant(SystemClock().now() + 10 * MINUTE)
    set_point = SetPoint(number=2, expires_at=later, power_w=-1_500, start=NOON, end=later)
    said: list[Command] = [
        Ping(number=1, expires_at=later),
        set_point,
        set_point,
        Ping(number=3, expires_at=NOON),
    ]

    async def story() -> None:
        client = GmqttClient(Address(port=port, client_id="commands"))
        await client.open(["em/v1/london/+/evt", "em/v1/london/+/status"], heard.extend)
        with a_device(tmp_path, quick(port)):
            await until_async(
                lambda: any(one.payload == b"online" for one in heard), "it is online"
            )
            for command in said:
                client.publish("em/v1/london/m07/cmd", encode_command(command), qos=1)
            await until_async(lambda: len(heard) >= 1 + len(said), "all are answered")
        await until_async(lambda: heard[-1].payload == b"offline", "it says goodbye")
        await client.close()

    asyncio.run(story())
    answers = [decode_answer(one.payload) for one in heard if one.topic.endswith("/evt")]
    assert [(one.number, one.refused) for one in answers] == [
        (1, ""), (2, ""), (2, "repeated"), (3, "expired"),
    ]  # fmt: skip


def peak_bytes() -> int:
    """Return the most memory that this process ever held; macOS counts bytes, Linux kibibytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1_024 * peak


@pytest.mark.mosquitto
def test_ten_thousand_bad_messages_are_counted_and_leave_nothing(
    plain: tuple[Server, int], tmp_path: Path
) -> None:
    _, port = plain
    good = sign(
        Reading(LONDON, MeterId("m07"), 1, 1, NOON, 1, 0, 0, None, None, b""), SIGNER
    )  # fmt: skip
    bad = [
        ("em/v1/london/m07/data", b"no reading"),
        ("em/v1/london/m07/data", b"\xd2" + bytes(2_000)),
        ("em/v1/london/m07/data", good[:-1] + bytes((good[-1] ^ 1,))),
        ("em/v1/london/m08/data", good),
        ("em/v1/london/stranger/data", good),
        ("em/v1/london/market/data", good),
        ("em/v1/lon don/m07/data", good),
    ]

    async def story() -> None:
        store = SqliteReadingStore(tmp_path / "readings.sqlite")
        async with a_service(Address(port=port), store, "m07", "m08") as (ingest, accepted):
            client = GmqttClient(Address(port=port, client_id="nuisance"))
            await client.open([], lambda _: None)
            held = []
            for round_ in (1, 2):
                for number in range(5_000):
                    client.publish(*bad[number % len(bad)], qos=1)
                # The last is of a topic that the service does not listen to.
                heard = round_ * sum(number % len(bad) != 6 for number in range(5_000))
                await until_async(partial(has_counted, ingest, heard), "all are counted", wait_s=60)
                held.append(peak_bytes())
            assert set(ingest.counts) == {
                "wrong form", "bad signature", "wrong key id", "unknown meter", "wrong topic",
            }  # fmt: skip
            assert accepted == []
            assert held[1] - held[0] < 10_000_000
            await client.close()
        assert list(store.at(LONDON, NOON)) == []
        store.close()

    asyncio.run(story())


def has_counted(ingest: Ingest, count: int) -> bool:
    return sum(ingest.counts.values()) >= count


# --- the configuration that we ship ----------------------------------------------------------


class Secured:
    """Mosquitto as we ship it, and certificates of everybody."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = datetime.now(UTC)
        self.authority = certificates.new_authority("Test", self.now)
        self.authority.write(folder, "authority")
        self.issue("server", hosts=("127.0.0.1",))
        self.issue(certificates.SERVICE_NAME)
        self.issue("m07")
        gone = self.issue("m08")
        certificates.new_authority("Stranger", self.now).write(folder, "stranger")
        revoked = certificates.revoked_list(self.authority, [gone.certificate], self.now)
        (folder / "revoked.pem").write_bytes(revoked)

    def issue(self, name: str, hosts: tuple[str, ...] = ()) -> certificates.Certificate:
        made = certificates.issue(self.authority, name, self.now, hosts=hosts)
        made.write(self.folder, name)
        return made

    def configuration(self, folder: Path, port: int) -> str:
        for path in self.folder.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        rules = (SHIPPED / "wattbay.acl").read_text(encoding="utf-8")
        (folder / "wattbay.acl").write_text(rules, encoding="utf-8")
        shipped = (SHIPPED / "wattbay.conf").read_text(encoding="utf-8")
        return (
            shipped.replace("listener 8883", f"listener {port} 127.0.0.1")
            .replace("/etc/mosquitto/wattbay", str(folder))
            .replace("/var/lib/mosquitto/", f"{folder}/")
        )

    def context(self, name: str, key: str | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.folder / "authority.pem"))
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{key or name}.key")
        return context


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Secured, int]]:
    made = Secured(tmp_path_factory.mktemp("certificates"))
    with mosquitto(made.configuration) as (_, port, _):
        yield made, port


def with_secured(
    secured: tuple[Secured, int], story: Callable[[Secured, int], Awaitable[None]]
) -> None:
    async def run() -> None:
        await story(*secured)

    asyncio.run(run())


@pytest.mark.mosquitto
def test_device_with_its_certificate_delivers_readings(
    secured: tuple[Secured, int], tmp_path: Path
) -> None:
    async def story(made: Secured, port: int) -> None:
        store = SqliteReadingStore(tmp_path / "readings.sqlite")
        address = Address(port=port, tls=made.context(certificates.SERVICE_NAME))
        async with a_service(address, store) as (ingest, _):
            link = Link(port=port, tls=made.context("m07"), pause_first_s=0.05)
            with a_device(tmp_path, link) as device:
                measure(device, 3)
                await until_async(lambda: device.waiting == 0, "everything is acknowledged")
            assert ingest.counts == {"stored": 3}
        store.close()

    with_secured(secured, story)


@pytest.mark.mosquitto
@pytest.mark.parametrize("name", ["m08", "stranger"])
def test_revoked_and_foreign_certificates_are_let_in_nowhere(
    secured: tuple[Secured, int], tmp_path: Path, name: str
) -> None:
    async def story(made: Secured, port: int) -> None:
        link = Link(port=port, tls=made.context(name), pause_first_s=0.05, resend_s=1.0)
        with a_device(tmp_path, link, name="m08") as device:
            await until_async(lambda: device.fault, "the broker refuses")
            assert not device.is_connected

    with_secured(secured, story)


@pytest.mark.mosquitto
def test_device_cannot_write_or_read_another_ones_topics(secured: tuple[Secured, int]) -> None:
    heard: list[Message] = []

    async def story(made: Secured, port: int) -> None:
        service = GmqttClient(Address(port=port, tls=made.context(certificates.SERVICE_NAME)))
        await service.open(["em/v1/london/#"], heard.extend)
        tapped: list[Message] = []
        thief = GmqttClient(Address(port=port, client_id="thief", tls=made.context("m07")))
        await thief.open(["em/v1/london/#"], tapped.extend)
        for topic in ("m09/data", "m09/ack", "m07/ack", "m07/cmd", "market/clear", "m07/data"):
            thief.publish(f"em/v1/london/{topic}", b"said by m07", qos=1)
        service.publish("em/v1/london/m09/ack", b"for m09", qos=1)
        service.publish("em/v1/london/m07/ack", b"for m07", qos=1)
        service.publish("em/v1/london/market/clear", b"for all", qos=1)
        await until_async(lambda: len(tapped) >= 2, "what it may read has come")
        await until_async(lambda: len(heard) >= 4, "what it may write has come")
        assert {one.payload for one in tapped} == {b"for m07", b"for all"}
        assert [one.topic for one in heard if one.payload == b"said by m07"] == [
            "em/v1/london/m07/data"
        ]
        await thief.close()
        await service.close()

    with_secured(secured, story)
