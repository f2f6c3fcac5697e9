"""A whole node in memory, on a small founded community: what the interface is tested on.

`a_node` returns a `Bench`: the node, and all that stands behind it. Its `submit` goes straight to
the kernel, so that it works in any event loop; `clock` and `wall` stand until they are told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI

from tests.builders import (
    EVE,
    ISP_US,
    MIDNIGHT,
    a_meter,
    a_party,
    a_product,
    a_reading,
    a_tariff,
    an_order,
    entries_of,
    list_deliveries,
    open_community,
    pod_facts,
)
from wattbay.access.door import Door
from wattbay.access.identity import Identity, Means
from wattbay.access.passwords import Passwords
from wattbay.access.people import MemoryPeople, People
from wattbay.access.records import Login
from wattbay.access.roles import AccessRole
from wattbay.access.secret_keys import Secrets
from wattbay.adapters.api.app import create_app
from wattbay.adapters.api.node import Admission, Limits, Node, ToldCommand
from wattbay.adapters.mqtt.enrolment import decode
from wattbay.adapters.stores.history.store import SqliteHistory
from wattbay.assembly.consents import SaleConsents
from wattbay.assembly.kept import entries_in, head_of
from wattbay.core.commands import (
    Command,
    DefineProduct,
    DefineTariff,
    IssueStatements,
    RegisterParty,
    RegisterPod,
)
from wattbay.core.facts import Product, Role, Side
from wattbay.errors import AdapterError
from wattbay.ids import CommunityId, MeterId, PartyId
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.evidence import MemoryReadingStore, Reading, ReadingStore
from wattbay.kernel.journal import Journal, MemoryJournal
from wattbay.kernel.kernel import Answer, Kernel, Reader
from wattbay.kernel.replay import rebuild
from wattbay.periods import DAY, HOUR, Calendar, Instant, instant
from wattbay.views.history import History
from wattbay.views.meters import MeterKeys
from wattbay.watch.alerts import AlertStore, MemoryAlertStore
from wattbay.watch.anomalies import Watch
from wattbay.watch.findings import DeviceFacts
from wattbay.watch.health import Healths

TOWN = CommunityId("town")
HOMES = 6
JULY = instant("2013-07-01T00:00Z")
"""What can be traded once a day was lived."""
PASSWORD = "a long sentence that nobody guesses"  # noqa: S105 - of tests
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""A real hasher that takes no time."""
LOGINS: Mapping[str, tuple[AccessRole, tuple[str, ...]]] = {
    **{f"p{number:02d}": (AccessRole.PROSUMER, (f"p{number:02d}",)) for number in range(1, 7)},
    "fleet": (AccessRole.AGGREGATOR, ("p01", "p02")),
    "grid": (AccessRole.GRID_OPERATOR, ("dso",)),
    "analyst": (AccessRole.ANALYST, ()),
    "boss": (AccessRole.ADMINISTRATOR, ("operator",)),
}
"""Who can come in, by role and parties."""


class MemoryWire:
    """A wire that keeps what was said."""

    def __init__(self) -> None:
        self.sent: list[tuple[MeterId, object]] = []
        self.published: list[tuple[str, bytes]] = []
        self.answered: dict[MeterId, list[ToldCommand]] = {}
        """What `told` returns: a device has to be let answer."""
        self.is_cut = False

    async def tell_device(self, device: MeterId, order: object) -> int:
        if self.is_cut:
            raise AdapterError("the broker is gone")
        self.sent.append((device, order))
        return len(self.sent)

    def told(self, device: MeterId) -> list[ToldCommand]:
        return self.answered.get(device, [])

    def publish(self, topic: str, payload: bytes) -> None:
        self.published.append((topic, payload))


class MemoryLatest:
    """The last reading of each device."""

    def __init__(self) -> None:
        self.readings: dict[MeterId, Reading] = {}

    def of(self, device: MeterId) -> Reading | None:
        return self.readings.get(device)

    def all(self) -> Mapping[MeterId, Reading]:
        return self.readings


@dataclass(eq=False)
class Bench:
    """A node and all that stands behind it."""

    node: Node
    kernel: Kernel
    clock: SimulatedClock
    wall: SimulatedClock
    journal: Journal
    people: People
    door: Door
    history: History
    readings: ReadingStore
    latest: MemoryLatest
    alerts: AlertStore
    watch: Watch
    wire: MemoryWire
    amiss: dict[str, str]
    app: FastAPI = field(init=False)

    def __post_init__(self) -> None:
        self.app = create_app(self.node)

    def token(self, login: str) -> str:
        """Return a token of one of `LOGINS`."""
        known = self.people.login(login)
        assert known is not None
        identity = Identity(login, known.parties, known.roles, Means.PASSWORD)
        return self.door.issue_token(identity)

    def client(self, login: str | None = None, **headers: str) -> httpx.AsyncClient:
        """Return a client that shows a login's token, or nothing."""
        if login is not None:
            headers["Authorization"] = f"Bearer {self.token(login)}"
        transport = httpx.ASGITransport(app=self.app, client=("127.0.0.1", 9))
        return httpx.AsyncClient(transport=transport, base_url="http://town.test", headers=headers)

    def call(
        self,
        login: str | None,
        method: str,
        path: str,
        json: object = None,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Return the answer to one request of a login, or of nobody."""

        async def once() -> httpx.Response:
            async with self.client(login) as client:
                return await client.request(
                    method, path, json=json, content=content, headers=headers
                )

        return asyncio.run(once())

    def submit(self, *commands: Command) -> list[Answer]:
        """Let the exchange decide commands."""
        return self.kernel.submit_many(commands)

    def advance(self, to: int) -> None:
        """Let it be `to`, on both clocks."""
        self.kernel.advance(Instant(to))
        self.wall.advance(Instant(to))


def founding(homes: int = HOMES, product: Product | None = None) -> list[Command]:
    """Return the commands that found the community: homes, an operator, a supplier, a grid."""
    product = a_product() if product is None else product
    names = [f"{number:02d}" for number in range(1, homes + 1)]
    operator = (Role.MARKET_OPERATOR, Role.METERED_DATA_RESPONSIBLE)
    return [
        open_community(),
        RegisterParty(party=a_party("supplier", roles=(Role.SUPPLIER, Role.BALANCE_RESPONSIBLE))),
        RegisterParty(party=a_party("other", roles=(Role.SUPPLIER, Role.BALANCE_RESPONSIBLE))),
        RegisterParty(party=a_party("dso", roles=(Role.GRID_OPERATOR,))),
        RegisterParty(party=a_party("operator", roles=operator)),
        *(RegisterParty(party=a_party(f"p{name}")) for name in names),
        DefineTariff(tariff=a_tariff()),
        DefineTariff(tariff=a_tariff("green", energy=150_000)),
        *(
            RegisterPod(facts=pod_facts(f"h{name}", party=f"p{name}"), meter=a_meter(f"m-h{name}"))
            for name in names
        ),
        DefineProduct(product=product),
        list_deliveries(product=product.product),
    ]


def a_node(
    *,
    homes: int = HOMES,
    limits: Limits | None = None,
    origins: tuple[str, ...] = (),
    journal: Journal | None = None,
    people: People | None = None,
    secrets: Secrets | None = None,
    readers: Iterable[Reader] = (),
    product: Product | None = None,
    **parts: Any,  # noqa: ANN401 - fields of `Node`
) -> Bench:
    """Return a node at `EVE`, founded; or where its journal ends, if that has a past already."""
    journal = MemoryJournal() if journal is None else journal
    begins = max([EVE, *(entry.at for entry in entries_of(journal)[-1:])])
    clock, wall = SimulatedClock(begins), SimulatedClock(begins)
    history = SqliteHistory(":memory:")
    is_new = journal.last_seq == 0
    exchange = None if is_new else rebuild(journal)
    keys = MeterKeys()
    for entry in entries_of(journal):
        history.fold(entry)
        keys.fold(entry)
    kernel = Kernel(journal, clock, (history, keys, *readers), exchange)
    if is_new:
        kernel.submit_many(founding(homes, product))
    people = MemoryPeople() if people is None else people
    secrets = Secrets((b"s" * 32,), (b"p" * 32,)) if secrets is None else secrets
    door = Door(people, secrets, wall, community=TOWN, passwords=Passwords(QUICK))
    if not people.has_logins():
        _let_in(people, door)
    watch, wire, amiss = Watch(), MemoryWire(), dict[str, str]()
    readings, latest, alerts = MemoryReadingStore(), MemoryLatest(), MemoryAlertStore()
    node = Node(
        community=TOWN,
        calendar=Calendar("Europe/London"),
        clock=clock,
        wall=wall,
        submit=_submitting(kernel),
        state=lambda: kernel.exchange.state,
        entry=entries_in(journal),
        head=head_of(journal),
        history=history,
        readings=readings,
        latest=latest,
        alerts=alerts,
        health=Healths(watch, _facts(kernel)),
        people=people,
        door=door,
        wire=wire,
        admit_device=_admit,
        consents=SaleConsents(keys, lambda: kernel.exchange.state),
        is_ready=lambda: amiss,
        limits=Limits(requests_per_minute=100_000) if limits is None else limits,
        origins=origins,
        cursor_key=secrets.cursor_keys[0],
    )
    return Bench(
        replace(node, **parts), kernel, clock, wall, journal, people, door, history, readings,
        latest, alerts, watch, wire, amiss,
    )  # fmt: skip


def live_a_day(bench: Bench) -> None:
    """Let the day be lived: trades, readings, both settlement runs, and the month's statements.

    Odd homes inject 200 Wh in each half-hour and even ones draw 100; the first sells to the second.
    Then the first of July is listed, so that there is something to trade.
    """
    pods = sorted(bench.node.state().registry.pods)
    for place in range(4):
        delivery = MIDNIGHT + place * ISP_US
        bench.submit(
            an_order("h01", side=Side.SELL, quantity_wh=150, limit=80_000, delivery=delivery),
            an_order("h02", side=Side.BUY, quantity_wh=100, limit=120_000, delivery=delivery),
        )
    for boundary in range(49):
        at = Instant(MIDNIGHT + boundary * ISP_US)
        bench.advance(at)
        for number, pod in enumerate(pods, 1):
            drawn, injected = (0, 200 * boundary) if number % 2 else (100 * boundary, 0)
            meter = MeterId(f"m-{pod}")
            reading = Reading(
                TOWN, meter, 1, boundary + 1, at, drawn, injected, 0, None, None, b"signed"
            )
            bench.readings.add([reading])
            bench.latest.readings[meter] = reading
            bench.submit(
                a_reading(
                    meter,
                    seq=boundary + 1,
                    measured_at=at,
                    import_register=drawn,
                    export_register=injected,
                )
            )
    bench.advance(MIDNIGHT + 2 * DAY + HOUR)
    bench.submit(IssueStatements(month="2013-06"))
    bench.advance(JULY - DAY)
    bench.submit(list_deliveries(day="2013-07-01", start=JULY))


def _submitting(kernel: Kernel) -> Callable[[Command], Awaitable[Answer]]:
    """Return the way straight to a kernel."""

    async def submit(command: Command) -> Answer:
        return kernel.submit(command)

    return submit


async def _admit(document: bytes) -> Admission:
    """Check a device's request as its wire does."""
    found = decode(document)
    return Admission(
        device=found.device,
        kind=found.kind,
        algorithm=found.algorithm,
        public_key=bytes.fromhex(found.public_key),
        unit_wh=found.unit_wh,
    )


def _facts(kernel: Kernel) -> Callable[[], Mapping[MeterId, DeviceFacts]]:
    """Return who tells the facts of all meters."""
    return lambda: {
        name: DeviceFacts(name, use.pod)
        for name, use in kernel.exchange.state.metering.meters.items()
    }


def _let_in(people: People, door: Door) -> None:
    """Make the logins, with one password for all."""
    hashed = door.passwords.hash(PASSWORD)
    for login, (role, parties) in LOGINS.items():
        people.add_login(
            Login(
                login=login,
                password_hash=hashed,
                roles=frozenset({role}),
                parties=frozenset(map(PartyId, parties)),
                created_at=Instant(EVE),
            )
        )


__all__ = [
    "HOMES",
    "JULY",
    "LOGINS",
    "MIDNIGHT",
    "PASSWORD",
    "TOWN",
    "Bench",
    "MemoryWire",
    "a_node",
]
