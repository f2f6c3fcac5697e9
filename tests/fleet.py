"""Members, meters and traders at the ends of a running service's wires, as tests need them.

They come in as people do: the first administrator changes the printed password, lets members join
with the requests that their meters signed, and each member makes an API key. Meters are the device
kit with its outbox; traders send every order again until it is answered, under one request.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.servers import WAIT_S
from tests.serving import Service
from wattbay.adapters.mqtt import enrolment
from wattbay.adapters.mqtt.device import Device, Link, Registers
from wattbay.adapters.mqtt.keys import Ed25519Signer, Signer
from wattbay.adapters.mqtt.market.signed import SignedOrder, sign_order
from wattbay.adapters.mqtt.market.topics import answer_topic, order_topic
from wattbay.adapters.mqtt.outbox import Outbox
from wattbay.core.facts import DeviceKind, Side
from wattbay.ids import CommunityId, MeterId, PodId, ProductId, RequestId
from wattbay.kernel.clock import SystemClock
from wattbay.periods import DAY, HOUR, MINUTE, Instant, instant, to_text

STREET = CommunityId("street")
HALF_HOUR = ProductId("half-hour")
ISP_US = 30 * MINUTE
STEP_US = 5 * MINUTE
"""How often a meter measures, by the exchange's clock. [µs]"""
ENERGY_WH = 7
"""What each measures in such a step: every register is then known. [Wh]"""
PATIENCE_S = 2.0
"""How long an answer is waited for before the order is sent again. [s]"""
PACE_S = 0.02
DELIVERIES = 32
"""Traders order for so many in turn: of one, eight orders of a pod may stand."""
PASSWORD = "a long sentence that nobody guesses, {}"  # noqa: S105 - of made-up people


# --- people ----------------------------------------------------------------------------------


class Keyed(NamedTuple):
    """Somebody with an API key."""

    login: str
    headers: Mapping[str, str]


def sign_up(service: Service, login: str, password: str) -> Keyed:
    """Change a password that was given, as must be done first; return a key that was made then."""
    origin = {"Origin": service.url}
    chosen = PASSWORD.format(login)
    with httpx.Client(base_url=service.url, headers=origin, timeout=30.0) as browser:
        told = browser.post("/api/v1/session", json={"login": login, "password": password})
        assert told.status_code == 201, told.text
        assert told.json()["must_change"]
        changed = {"old": password, "new": chosen}
        told = browser.put("/api/v1/session/password", json=changed)
        assert told.status_code == 200, told.text
        told = browser.post("/api/v1/keys", json={"name": "tests"})
        assert told.status_code == 201, told.text
        return Keyed(login, {"X-API-Key": told.json()["secret"]})


def administrator(service: Service) -> Keyed:
    """Come in as the first administrator, whose password was printed."""
    return sign_up(service, "admin", service.admin_password)


class Home(NamedTuple):
    """Where a member is to join: what the founding file names."""

    zone: str = "north"
    supplier: str = "supplier-a"
    tariff: str = "flat"
    community: CommunityId = STREET


ON_THE_STREET = Home()


def request_of(device: str, signer: Signer, community: CommunityId = STREET) -> dict[str, Any]:
    """Return the request with which a meter asks to be known."""
    made = enrolment.request(
        community, MeterId(device), DeviceKind.METER, signer, SystemClock().now()
    )
    return dict(msgspec.json.decode(enrolment.encode(made)))


class Member(NamedTuple):
    """A member that joined, with its pod and meter."""

    name: str
    signer: Signer
    since: Instant
    keyed: Keyed

    @property
    def pod(self) -> PodId:
        """Where it draws."""
        return PodId(f"pod-{self.name}")

    @property
    def device(self) -> MeterId:
        """What measures there."""
        return MeterId(f"m-{self.name}")


def now_of(service: Service, who: Keyed) -> Instant:
    """Return what time the exchange has."""
    status, told = service.call("/api/v1/community", headers=who.headers)
    assert status == 200, told
    return instant(told["now"])


def join(
    service: Service,
    admin: Keyed,
    name: str,
    *,
    home: Home = ON_THE_STREET,
    request: Mapping[str, Any] | None = None,
    signer: Signer | None = None,
    isp_us: int = ISP_US,
) -> Member:
    """Let a member join with the request of its meter; return it once it has a key."""
    signed = signer or Ed25519Signer(name.encode().ljust(32, b"."))
    now = now_of(service, admin)
    since = Instant((now + isp_us) // isp_us * isp_us + isp_us)
    told = {
        "party": {
            "party": name,
            "facts": {"roles": ["prosumer"], "credit_limit_nano": 10**15},
        },
        "pod": {
            "pod": f"pod-{name}", "since": to_text(since), "party": name, "zone": home.zone,
            "supplier": home.supplier, "brp": home.supplier, "tariff": home.tariff,
            "yearly_import_wh": 3_000_000,
            "meter": {"request": request or request_of(f"m-{name}", signed, home.community)},
        },
    }  # fmt: skip
    status, answer = service.call("/api/v1/members", told, headers=admin.headers)
    assert status == 201, answer
    login = {"login": name, "roles": ["prosumer"], "parties": [name]}
    status, answer = service.call("/api/v1/logins", login, headers=admin.headers)
    assert status == 201, answer
    keyed = sign_up(service, name, answer["one_time_password"])
    return Member(name, signed, since, keyed)


# --- meters ----------------------------------------------------------------------------------


class Meter:
    """A member's meter: its registers rise by the same in every step of the exchange's clock."""

    def __init__(self, member: Member, folder: Path, link: Link, community: CommunityId) -> None:
        self.member = member
        self._outbox = Outbox(folder / f"{member.device}.outbox")
        self.device = Device(
            community=community,
            device=member.device,
            signer=member.signer,
            outbox=self._outbox,
            clock=SystemClock(),
            link=link,
        )
        self.register = 0
        self.registers: dict[Instant, int] = {}
        """What it measured, by instant."""

    def measure(self, at: Instant) -> None:
        """Measure at an instant, for what passed since the step before."""
        if at > self.member.since:
            self.register += ENERGY_WH
        self.device.measured(
            Registers(measured_at=at, import_register=self.register, export_register=0)
        )
        self.registers[at] = self.register

    def close(self) -> None:
        """Stop; what waits stays in the outbox."""
        self.device.stop()
        self._outbox.close()


class Fleet:
    """Meters that follow the exchange's clock, for as long as somebody turns them."""

    def __init__(self, service: Service, meters: Sequence[Meter]) -> None:
        self._url = service.url
        self.meters = list(meters)
        self.at = min(one.member.since for one in meters)
        """The next step at which they measure."""
        self.first = self.at
        self.now = Instant(0)
        """What time the exchange had last."""
        self._client = httpx.Client(timeout=5.0)

    def turn(self, *, is_measuring: bool = True) -> bool:
        """Measure what is due by the exchange's clock; tell whether the exchange answered."""
        headers = self.meters[0].member.keyed.headers
        try:
            told = self._client.get(f"{self._url}/api/v1/community", headers=headers)
        except httpx.TransportError:
            return False
        if told.status_code != 200:
            return False
        self.now = instant(told.json()["now"])
        while is_measuring and self.at <= self.now:
            for meter in self.meters:
                meter.measure(self.at)
            self.at = Instant(self.at + STEP_US)
        return True

    def clock(self) -> Instant:
        """Return what time the exchange had last."""
        return self.now

    @property
    def acknowledged(self) -> int:
        """How many readings the devices were told to be stored."""
        return sum(one.device.acknowledged for one in self.meters)

    @property
    def waiting(self) -> int:
        """How many readings are not acknowledged yet."""
        return sum(one.device.waiting for one in self.meters)

    @property
    def boundaries(self) -> list[Instant]:
        """The delivery boundaries at which all meters measured, after the first of each pod."""
        first = max(one.member.since for one in self.meters)
        return [Instant(at) for at in range(first + ISP_US, self.at, ISP_US)]

    def close(self) -> None:
        """Stop all meters."""
        self._client.close()
        for meter in self.meters:
            meter.close()


@contextmanager
def fleet_of(
    service: Service,
    members: Iterable[Member],
    folder: Path,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    community: CommunityId = STREET,
) -> Iterator[Fleet]:
    """Let the meters of members work until the end of the block."""
    link = Link(port=port, tls=tls, pause_first_s=0.05, resend_s=PATIENCE_S)
    made = Fleet(service, [Meter(one, folder, link, community) for one in members])
    for meter in made.meters:
        meter.device.start()
    try:
        yield made
    finally:
        made.close()


# --- traders ---------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What came of an order, as it was answered."""

    entry: int
    order: int | None
    """None of one that was refused."""


class Trader:
    """Sends orders of a member, one after another, each until it is answered."""

    def __init__(self, member: Member, service: Service, now: Callable[[], Instant]) -> None:
        """Trade for a member.

        Parameters
        ----------
        now
            Returns what time the exchange has, about.
        """
        self.member, self.now = member, now
        self.url = service.url
        """To be the same after a start: the service is given its port."""
        self.outcomes: dict[str, set[Outcome]] = {}
        """By request: what was answered; more than one would be a fault."""
        self.again = 0
        """How often an order was sent again."""
        self.is_given_up = False
        """Whether an order was given up without an answer: whoever should answer is gone."""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def answered(self) -> int:
        """How many orders were answered."""
        return len(self.outcomes)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name=self.member.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send no more; wait for the answer that is under way."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(WAIT_S)
            self.is_given_up = True
            self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stopping.wait(PACE_S):
            number += 1
            ahead_us = 2 * HOUR + number % DELIVERIES * ISP_US
            self.trade(f"r{number}", Instant((self.now() + ahead_us) // ISP_US * ISP_US), number)

    def trade(self, request: str, delivery: Instant, number: int) -> None:
        """Send one order until it is answered."""
        raise NotImplementedError

    def note(self, request: str, outcome: Outcome) -> None:
        """Keep what was answered."""
        self.outcomes.setdefault(request, set()).add(outcome)


class RestTrader(Trader):
    """Orders over REST, each under an `Idempotency-Key`."""

    def __init__(self, member: Member, service: Service, now: Callable[[], Instant]) -> None:
        Trader.__init__(self, member, service, now)
        self._client = httpx.Client(timeout=PATIENCE_S)

    def stop(self) -> None:
        Trader.stop(self)
        self._client.close()

    def trade(self, request: str, delivery: Instant, number: int) -> None:
        told = {
            "pod": self.member.pod, "product": HALF_HOUR, "delivery": to_text(delivery),
            "side": "buy", "quantity_wh": 10 + number % 90, "limit_nano_per_wh": 80_000,
        }  # fmt: skip
        headers = {**self.member.keyed.headers, "Idempotency-Key": request}
        is_sure = number % 5 != 0  # Now and then an order that was answered is sent again.
        while not self.is_given_up and not (self._stopping.is_set() and request in self.outcomes):
            try:
                answer = self._client.post(
                    f"{self.url}/api/v1/orders", json=told, headers=headers,
                    timeout=PATIENCE_S,
                )  # fmt: skip
            except httpx.TransportError:
                self.again += 1
                self._stopping.wait(PACE_S)
                continue
            body = answer.json()
            if answer.status_code == 201:
                self.note(request, Outcome(body["entry"], body["order"]))
            elif body.get("entry"):
                self.note(request, Outcome(body["entry"], None))
            else:
                self.again += 1
                self._stopping.wait(PACE_S)
                continue
            if is_sure:
                return
            is_sure = True


class MqttTrader(Trader):
    """Signed orders over MQTT, each sent again until an answer names its request."""

    def __init__(
        self, member: Member, service: Service, now: Callable[[], Instant], port: int
    ) -> None:
        Trader.__init__(self, member, service, now)
        self.port, self.community = port, STREET
        self._heard = threading.Condition()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"{member.device}-trader", clean_session=False
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message

    def trade(self, request: str, delivery: Instant, number: int) -> None:
        member = self.member
        order = SignedOrder(
            v=1, request=RequestId(request), product=HALF_HOUR, delivery=delivery, side=Side.BUY,
            quantity_wh=10 + number % 90, limit=80_000, expires_at=Instant(self.now() + DAY),
        )  # fmt: skip
        payload = sign_order(order, self.community, member.device, member.signer)
        topic = order_topic(self.community, member.device)
        while not self.is_given_up and request not in self.outcomes:
            self._client.publish(topic, payload, qos=1)
            with self._heard:
                if not self._heard.wait_for(lambda: request in self.outcomes, PATIENCE_S):
                    self.again += 1

    def start(self) -> None:
        self._client.connect("127.0.0.1", self.port)
        self._client.loop_start()
        Trader.start(self)

    def stop(self) -> None:
        Trader.stop(self)
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe(answer_topic(self.community, self.member.device), 1)

    def _on_message(self, _client: object, _context: object, message: paho.MQTTMessage) -> None:
        told = msgspec.json.decode(message.payload)
        if told.get("is") != "answer" or not told["seq"]:
            return  # At the door, or of something else: it is sent again.
        with self._heard:
            self.note(told["request"], Outcome(told["seq"], told.get("order")))
            self._heard.notify_all()


@contextmanager
def trading(traders: Iterable[Trader]) -> Iterator[list[Trader]]:
    """Let traders trade until the end of the block."""
    with ExitStack() as stack:
        made = list(traders)
        for one in made:
            one.start()
            stack.callback(one.stop)
        yield made
