"""Bad input against a running service: counted, answered where that can be, and stored nowhere."""

from __future__ import annotations

import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tests.fleet import STREET, Keyed, Member, administrator, fleet_of, join, now_of
from tests.servers import mosquitto, until
from tests.serving import Service, serving
from wattbay.adapters.mqtt.keys import Ed25519Signer
from wattbay.adapters.mqtt.market.signed import SignedOrder, sign_order
from wattbay.adapters.mqtt.readings import Form, sign
from wattbay.adapters.stores.sqlite import SqliteReadingStore
from wattbay.core.facts import Side
from wattbay.ids import MeterId, ProductId, RequestId
from wattbay.kernel.evidence import Reading
from wattbay.kernel.journal import SqliteJournal
from wattbay.kernel.replay import verify
from wattbay.periods import DAY, HOUR, MINUTE, SECOND, Instant, Period

PLAIN = """
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 100000
"""
EMBEDDED = {
    "WATTBAY_HTTP__REQUESTS_PER_MINUTE": "1000000",
    "WATTBAY_HTTP__SIGN_INS_PER_MINUTE": "1000000",
}
SETTINGS = {**EMBEDDED, "WATTBAY_MQTT__BROKER": "outside"}
ROUNDS = 5_000
"""Messages of a round; there are two."""
GROWTH_MAX_KB = 12_000
"""How much more memory may be in use after a second round than after the first: the street lives
on meanwhile."""
STRANGER = Ed25519Signer(b"a stranger's key".ljust(32, b"."))


class Said(NamedTuple):
    """A message that no service should believe."""

    topic: str
    payload: bytes
    family: str
    """Which of the service's counters counts it; empty where it does not hear it."""
    outcome: str = ""
    """As what it is counted."""


def rss_kb(service: Service) -> int:
    """Return how much memory a service has in use. [KiB]"""
    status = Path(f"/proc/{service.pid}/status").read_text(encoding="ascii")
    (line,) = (one for one in status.splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1])


def a_reading(member: Member, seq: int, at: Instant) -> Reading:
    return Reading(STREET, member.device, 1, seq, at, 7, 0, 0, None, None, b"")


def strangers(member: Member, stored: Reading, order: bytes) -> Iterator[Said]:
    """Yield messages without end that are wrong, each in another way."""
    chance = random.Random(1)
    own = f"em/v1/street/{member.device}"
    orders = f"em/v1/street/market/order/{member.device}"
    number = 1_000_000
    while True:
        number += 1
        later = Instant(stored.measured_at + number * SECOND)
        forged = sign(a_reading(member, number, later), STRANGER)
        forged_jws = sign(a_reading(member, number, later), STRANGER, Form.JWS)
        noise = chance.randbytes(chance.randrange(1, 300))
        broken = bytearray(stored.proof)
        broken[chance.randrange(1, len(broken))] ^= 1 << chance.randrange(8)
        yield Said(f"{own}/data", b"\x00" + noise, "readings", "wrong form")
        yield Said(f"{own}/data", b"", "readings", "wrong form")
        yield Said(f"{own}/data", b"\xd2" + noise, "readings", "wrong form")
        yield Said(f"{own}/data", bytes(broken), "readings")
        yield Said(f"{own}/data", forged, "readings", "bad signature")
        yield Said(f"{own}/data", forged_jws, "readings", "bad signature")
        yield Said(f"{own}/data", stored.proof, "readings", "repeated")
        yield Said("em/v1/street/h01-m1/data", stored.proof, "readings", "wrong key id")
        yield Said(f"em/v1/street/nobody-{number}/data", forged, "readings", "unknown meter")
        yield Said("em/v1/street/a b/data", forged, "readings", "wrong topic")
        yield Said(f"em/v1/elsewhere/{member.device}/data", stored.proof, "")
        yield Said(f"em/v2/street/{member.device}/data", stored.proof, "")
        yield Said(f"{own}/status", noise, "device_messages", "wrong form")
        yield Said(f"{own}/evt", noise, "device_messages", "wrong form")
        yield Said(f"em/v1/street/nobody-{number}/status", b"online", "device_messages")
        yield Said(orders, noise, "market_messages")
        yield Said(orders, order, "market_messages", "repeated")
        yield Said("em/v1/street/market/order/h01-m1", order, "market_messages")
        yield Said(f"em/v1/street/market/order/nobody-{number}", order, "market_messages")
        if number % 10 == 0:
            yield Said(f"{own}/data", b"\xd2" + bytes(70_000), "readings")
            yield Said(orders, b"\xd2" + bytes(70_000), "market_messages", "too long")


class Teller:
    """Says things to a broker, and knows when it has heard all of them."""

    def __init__(self, port: int) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="stranger")
        self._client.max_inflight_messages_set(500)
        self._heard = threading.Semaphore(0)
        self._client.on_publish = lambda *_: self._heard.release()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def say(self, messages: list[Said]) -> None:
        for one in messages:
            self._client.publish(one.topic, one.payload, qos=1)
        for _ in messages:
            assert self._heard.acquire(timeout=30.0)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def counted(service: Service) -> Counter[tuple[str, str]]:
    """Return how often each outcome was counted, by family; but what the street does well."""
    found = Counter[tuple[str, str]]()
    _, told = service.call("/metrics")
    for line in str(told).splitlines():
        name, _, rest = line.partition('_total{outcome="')
        outcome, _, count = rest.partition('"} ')
        if count and outcome not in {"stored", "status", "accepted"}:
            found[name.removeprefix("wattbay_"), outcome] = int(float(count))
    return found


def heard(service: Service, before: Counter[tuple[str, str]]) -> Counter[str]:
    """Return how many messages were refused since, by family."""
    found = Counter[str]()
    for (family, _), count in (counted(service) - before).items():
        found[family] += count
    return found


def place_order(service: Service, member: Member, port: int) -> bytes:
    """Let a member place an order by its meter; return its signed bytes."""
    now = now_of(service, member.keyed)
    delivery = Instant((now + 6 * HOUR) // (30 * MINUTE) * (30 * MINUTE))
    order = SignedOrder(
        v=1, request=RequestId("one"), product=ProductId("half-hour"), delivery=delivery,
        side=Side.BUY, quantity_wh=100, limit=80_000, expires_at=Instant(now + DAY),
    )  # fmt: skip
    signed = sign_order(order, STREET, member.device, member.signer)
    teller = Teller(port)
    teller.say([Said(f"em/v1/street/market/order/{member.device}", signed, "")])
    teller.close()
    accepted = 'wattbay_market_messages_total{outcome="accepted"}'
    until(lambda: service.metric(accepted) == 1, "the order is accepted")
    return signed


def orders_of(service: Service, who: Keyed) -> list[object]:
    """Return the orders of a member."""
    status, told = service.call("/api/v1/orders", headers=who.headers)
    assert status == 200, told
    return list(told["items"])


@pytest.mark.mosquitto
def test_ten_thousand_messages_of_strangers_are_counted_and_change_nothing(tmp_path: Path) -> None:
    with (
        mosquitto(lambda _, port: PLAIN.format(port=port)) as (_, port, _),
        serving(
            tmp_path, "--folder", "kept", "--speed", "60",
            **{**SETTINGS, "WATTBAY_MQTT__PORT": str(port)},
        ) as service,
    ):  # fmt: skip
        member = join(service, administrator(service), "anna")
        with fleet_of(service, [member], tmp_path, port) as fleet:
            at = Instant(now_of(service, member.keyed) // MINUTE * MINUTE)
            device = fleet.meters[0].device
            fleet.meters[0].measure(at)
            until(lambda: not fleet.waiting, "one reading is stored")
            signed = sign(a_reading(member, 1, at)._replace(import_register=0), member.signer)
            stored = a_reading(member, 1, at)._replace(import_register=0, proof=signed)
            order = place_order(service, member, port)
            teller, told = Teller(port), strangers(member, stored, order)
            memory_kb = []
            for _ in range(2):
                before, messages = counted(service), [next(told) for _ in range(ROUNDS)]
                wanted = Counter(one.family for one in messages if one.family)
                teller.say(messages)
                until(
                    lambda: heard(service, before) >= wanted,  # noqa: B023 - it is called here
                    "all are counted",
                )
                rise = counted(service) - before
                assert Counter(heard(service, before)) == wanted
                for one in messages:
                    assert not one.outcome or rise[one.family, one.outcome], one
                memory_kb.append(rss_kb(service))
            teller.close()
            assert memory_kb[1] - memory_kb[0] < GROWTH_MAX_KB
            until(lambda: device.refused.get("bad signature"), "its device hears of it")
            assert service.call("/readyz")[0] == 200
            fleet.meters[0].measure(Instant(at + MINUTE))
            until(lambda: not fleet.waiting, "its next reading is stored")
            assert len(orders_of(service, member.keyed)) == 1
        assert service.stop() == 0
    store = SqliteReadingStore(tmp_path / "kept" / "readings.sqlite")
    span = Period(Instant(at - DAY), Instant(at + 1_000 * DAY))
    assert [one.seq for one in store.of_device(STREET, member.device, span)] == [1, 2]
    assert list(store.of_device(STREET, MeterId("nobody-1000001"), span)) == []
    assert list(store.alarms(STREET)) == []
    store.close()
    journal = SqliteJournal(tmp_path / "kept" / "journal.sqlite", read_only=True)
    verify(journal)
    journal.close()


# --- over HTTP -------------------------------------------------------------------------------


def requests(who: Keyed) -> Iterator[tuple[bytes, bool]]:
    """Yield requests without end that are wrong, and whether they can be read as a request."""
    chance = random.Random(2)
    key = f"X-API-Key: {who.headers['X-API-Key']}\r\n"
    json = "Content-Type: application/json\r\n"

    def made(head: str, body: bytes = b"", more: str = "") -> bytes:
        length = f"Content-Length: {len(body)}\r\n"
        text = f"{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{length}{more}\r\n"
        return text.encode("latin-1") + body

    number = 0
    while True:
        number += 1
        noise = chance.randbytes(chance.randrange(1, 400))
        word = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=12))
        yield noise + b"\r\n\r\n", False
        yield b"GET / HTTP/9.9\r\n\r\n", False
        yield b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", False
        yield b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", False
        yield made(f"GET /{word}"), True
        yield made(f"{word.upper()} /api/v1/orders", more=key), False
        yield made("DELETE /api/v1/community", more=key), True
        yield made("GET /api/v1/../../etc/passwd"), True
        yield made(f"GET /api/v1/parties/%00{word}", more=key), True
        yield made("GET /api/v1/community"), True
        yield made("GET /api/v1/community", more=f"X-API-Key: wb_{word}_{word}\r\n"), True
        yield made("GET /api/v1/community", more=f"Authorization: Bearer {word}.x.y\r\n"), True
        yield made("GET /api/v1/community", more="Authorization: Bearer \xff\xfe\r\n"), True
        yield made("POST /api/v1/orders", noise, key + json), True
        yield made("POST /api/v1/orders", b"[" * 5_000, key + json), True
        yield made("POST /api/v1/orders", b'{"pod":' + b"9" * 5_000 + b"}", key + json), True
        yield made("POST /api/v1/orders", b'{"pod":"pod-anna"}', key + json), True
        yield made("POST /api/v1/members", b"{}", key + json), True
        yield made("GET /api/v1/orders?limit=-1&cursor=%ff", more=key), True
        yield made(f"GET /api/v1/receipts?cursor={word}", more=key), True
        yield made("GET /request/" + "9" * 3_000, more=key), True
        if number % 10 == 0:
            yield made("POST /api/v1/orders", b'"' + b"x" * 2_000_000 + b'"', key + json), True
            yield made("GET /", more=f"X-Long: {'x' * 100_000}\r\n"), False


def status_of(port: int, request: bytes) -> int:
    """Return the status that a request was answered with; 0 where the connection was closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10.0) as wire:
        try:
            wire.sendall(request)
            answered = wire.recv(64)
        except ConnectionError:
            return 0
    return int(answered.split()[1]) if answered.startswith(b"HTTP/1.1 ") else 0


def test_two_thousand_malformed_requests_are_refused_and_change_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, "--folder", "kept", "--speed", "60", **EMBEDDED) as service:
        member = join(service, administrator(service), "anna")
        port = int(service.url.rpartition(":")[2])
        told, memory_kb, found = requests(member.keyed), [], Counter[int]()
        for _ in range(2):
            for _ in range(1_000):
                request, is_request = next(told)
                status = status_of(port, request)
                assert 400 <= status < 500 or (status == 0 and not is_request), request[:200]
                found[status] += 1
            memory_kb.append(rss_kb(service))
        assert memory_kb[1] - memory_kb[0] < GROWTH_MAX_KB
        assert {400, 401, 403, 404, 405, 413, 422} <= set(found), found
        _, metrics = service.call("/metrics")
        assert "wattbay_http_errors_total 0.0" in str(metrics)
        assert (
            len([line for line in str(metrics).splitlines() if "http_requests_total" in line]) < 60
        )
        assert orders_of(service, member.keyed) == []
        assert service.call("/healthz")[0] == 200


def test_malformed_messages_of_the_stream_end_it_and_nobody_else_hears(tmp_path: Path) -> None:
    with serving(tmp_path, "--folder", "kept", "--speed", "600", **EMBEDDED) as service:
        member = join(service, administrator(service), "anna")
        memory_kb = []
        with listening(service, member.keyed) as steady:
            steady.send('{"op":"subscribe","topics":[{"topic":"clock"}]}')
            for _ in range(2):
                for place in range(10):
                    with listening(service, member.keyed) as one:
                        babble(one, place)
                memory_kb.append(rss_kb(service))
            assert memory_kb[1] - memory_kb[0] < GROWTH_MAX_KB
            steady.send('{"op":"ping"}')
            while '"pong"' not in str(steady.recv(timeout=10.0)):
                pass


def listening(service: Service, who: Keyed) -> Connection:
    """Open a stream; whatever comes is kept until it is read."""
    address = service.url.replace("http", "ws", 1) + "/api/v1/stream"
    return connect(address, additional_headers=who.headers, max_queue=None, ping_interval=None)


def babble(one: Connection, place: int) -> None:
    """Say what is no message until the connection is ended."""
    with pytest.raises(ConnectionClosed) as end:  # noqa: PT012 - which message ends it is open
        for number in range(2_000):
            one.send(_NONSENSE[(place + number) % len(_NONSENSE)])
        while True:
            one.recv(timeout=10.0)
    assert end.value.rcvd is not None
    assert end.value.rcvd.code in {1007, 1008, 1009}


_NONSENSE = (
    "{", "", "null", "[" * 10_000, '{"op":"subscribe"}', '{"op":"subscribe","topics":[{}]}',
    '{"op":"subscribe","topics":[{"topic":"orders/../x","last_seq":-1}]}', b"\x00\xff", "é" * 9_000,
    '{"op":"fly"}',
)  # fmt: skip
