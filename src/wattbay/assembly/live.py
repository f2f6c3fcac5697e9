"""A live community: its exchange at work between brokers, devices, people and programs."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any, NamedTuple

import structlog

from wattbay.access.door import Door
from wattbay.access.first import first_administrator
from wattbay.access.people import People
from wattbay.access.secret_keys import secrets_from, secrets_in
from wattbay.adapters.api.node import Limits, Node
from wattbay.adapters.api.stream.hub import Hub
from wattbay.adapters.api.stream.sources import Sources
from wattbay.adapters.mqtt.embedded import EmbeddedBroker
from wattbay.adapters.mqtt.ingest import Community, Ingest
from wattbay.adapters.mqtt.line import DeviceLine
from wattbay.adapters.mqtt.market.agent import MarketAgent
from wattbay.adapters.mqtt.market.loading import load_periods
from wattbay.adapters.mqtt.market.orders import Market
from wattbay.adapters.mqtt.market.periods import Build
from wattbay.adapters.mqtt.market.trends import StandardTrends
from wattbay.adapters.mqtt.reception import Parts, Reader, Reception
from wattbay.adapters.mqtt.service import GmqttClient
from wattbay.assembly import brokers, stores, watching
from wattbay.assembly.admission import admit
from wattbay.assembly.consents import SaleConsents
from wattbay.assembly.device_wire import DeviceWire, answers_to
from wattbay.assembly.exchange import LiveExchange
from wattbay.assembly.facts import Facts
from wattbay.assembly.http import HttpServer
from wattbay.assembly.kept import entries_in, head_of
from wattbay.assembly.metrics import Gauges
from wattbay.assembly.upkeep import Upkeep
from wattbay.assembly.visitor import visitors_key
from wattbay.config import BrokerKind, Settings
from wattbay.errors import AdapterError
from wattbay.kernel.clock import SteadyClock
from wattbay.kernel.evidence import ReadingStore
from wattbay.periods import SECOND, Instant
from wattbay.watch.alerts import AlertStore
from wattbay.watch.health import Healths

AGAIN_S, AGAIN_MAX_S = 0.5, 30.0
"""How long after a broker that is gone is asked again: twice as long each time. [s]"""
PAUSE_MAX_S = 0.5
"""How long the street looks away at most. [s]"""

log: structlog.stdlib.BoundLogger = structlog.get_logger("wattbay")


class Addresses(NamedTuple):
    """Where a service is reached."""

    http: str
    host: str
    mqtt_port: int | None
    """None without a broker."""


class Live:
    """A service, from `open` to `close`. Within a running event loop."""

    def __init__(self, settings: Settings, exchange: LiveExchange) -> None:
        """Put a service together around its exchange; nobody is let in yet.

        Raises
        ------
        AdapterError
            If a store cannot be used.
        ConfigError
            If secrets or period agents cannot be.
        """
        self.settings = settings
        self.exchange = exchange
        self.wall = SteadyClock()
        self._stack = AsyncExitStack()
        self._amiss: dict[str, str] = {}
        self._clients: Mapping[str, GmqttClient] = {}
        self.readings: ReadingStore = self._keep(stores.open_readings(settings))
        self.alerts: AlertStore = stores.open_alerts(settings)
        self._stack.callback(self.alerts.close_store)
        self.people: People = self._keep(stores.open_people(settings))
        folder = exchange.folder
        secrets_file = settings.access.secrets_file or folder / stores.SECRETS
        self._secrets = secrets_from(os.environ) or secrets_in(secrets_file)
        self.door = Door(self.people, self._secrets, self.wall, community=exchange.community)
        self.facts = Facts(exchange.devices, exchange.state, settings.watching)
        watch_file = folder / stores.WATCH
        now, facts = exchange.clock.now(), self.facts
        self.watch = watching.taken_up(watch_file, now, facts.all(), facts.limits)
        self.upkeep = Upkeep(
            settings=settings, exchange=exchange, readings=self.readings, door=self.door,
            watch=self.watch, watch_file=watch_file, amiss=self._amiss,
        )  # fmt: skip
        self.health = Healths(self.watch, self.facts.all)
        self.reception = Reception(
            Parts(
                community=exchange.community, clock=exchange.clock, state=exchange.state,
                submit=exchange.intake.submit, store=self.readings, watch=self.watch,
                health=self.health, alerts=self.alerts, facts=self.facts.all,
            )
        )  # fmt: skip
        self.hub = Hub(
            Sources(
                state=exchange.state, history=exchange.history, latest=self.reception,
                alerts=self.alerts,
            ),
            f"{exchange.tail.seq}-{self.wall.now()}", exchange.clock.now(),
        )  # fmt: skip
        exchange.readers.joined.append(self.hub)
        self.reception.listen(Reader(readings=self.hub.readings, alert=self.hub.alert))
        self.admin_password: str | None = None
        """The first administrator's, at the first start: to be shown once."""

    def _keep(self, store: Any) -> Any:  # noqa: ANN401 - returns what it was given
        self._stack.callback(store.close)
        return store

    # --- opening -----------------------------------------------------------------------------

    async def open(self) -> Addresses:
        """Let everybody in; return where.

        Raises
        ------
        AdapterError, OSError
            If an address is taken.
        ConfigError
            If a certificate cannot be used.
        """
        port = await self._open_broker()
        self._port = port
        self._make_wires(port)
        caught_up = self.reception.catch_up()
        if caught_up:
            log.info("readings found that were stored and not submitted", readings=caught_up)
        self.http = HttpServer(
            self.settings.http, self._node(), self.hub, self._gauges(), self.exchange.speed
        )
        url = await self.http.open()
        # Last, for who cannot be let in is not shown a password that is drawn once.
        self.admin_password = await asyncio.to_thread(self._first_administrator)
        self._visitor = self._visitors_key()
        return Addresses(url, self.settings.mqtt.host, port)

    def _visitors_key(self) -> str | None:
        """Return a key of a neighbour, where the street is made up."""
        if self.exchange.street is None:
            return None
        homes = self.exchange.street.scenario.homes
        shown = next((home for home in homes if not home.pv_kwp), homes[0])
        return visitors_key(self.door, shown.party, self.wall.now())

    def _first_administrator(self) -> str | None:
        file = self.settings.access.admin_password_file
        return first_administrator(self.people, self.wall.now(), password_file=file)

    async def _open_broker(self) -> int | None:
        """Open the embedded broker, if that is wanted; return the port of whichever there is."""
        mqtt = self.settings.mqtt
        if mqtt.broker is BrokerKind.NONE:
            return None
        port = mqtt.port
        if mqtt.broker is BrokerKind.EMBEDDED:
            port = port or _free_port(mqtt.host)
            self._broker: EmbeddedBroker = brokers.embedded(mqtt, port)
            await self._broker.open()
            self._stack.push_async_callback(self._broker.close)
        return port

    def _make_wires(self, port: int | None) -> None:
        """Make what speaks to the broker; it connects once the service runs."""
        exchange, mqtt = self.exchange, self.settings.mqtt
        self._connecting: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        clients = brokers.clients(mqtt, port or mqtt.port, self._secrets.cursor_keys[0])
        self.ingest = Ingest(
            Community(
                community=exchange.community, key_of=exchange.keys.key_of,
                former_key_of=exchange.keys.former_key_of, accepted=self.reception.accepted,
                refused=self.reception.refused,
            ),
            self.readings, clients["readings"],
        )  # fmt: skip
        self.line = DeviceLine(
            exchange.community, clients["devices"], self.exchange.clock,
            lambda device: device in self.facts.all(), self._said, answers_to(self.hub),
        )  # fmt: skip
        market = Market(
            community=exchange.community, submit=exchange.intake.submit, state=exchange.state,
            clock=exchange.clock, speed=float(exchange.speed), key_of=exchange.keys.key_of,
            pod_of=exchange.keys.pod_of,
        )  # fmt: skip
        where = self.settings.watching
        place = StandardTrends()
        if where.latitude is not None and where.longitude is not None:
            place = StandardTrends(latitude_deg=where.latitude, longitude_deg=where.longitude)
        periods = load_periods(self.settings.agent.model_dump(), Build(market.community))
        self.agent = MarketAgent(market, clients["market"], periods=periods, trends=place)
        if port is not None:
            self._clients = clients
            exchange.readers.joined.append(self.agent)
            for name, wire in (
                ("readings", self.ingest), ("devices", self.line), ("market", self.agent)
            ):  # fmt: skip
                self._connecting.append((name, wire.open))

    def _said(self, device: Any, is_online: bool) -> None:  # noqa: ANN401, FBT001 - a callback
        self.health.said(device, is_online=is_online)
        self.hub.device(device, "status", {"online": is_online}, self.exchange.clock.now())

    def _node(self) -> Node:
        exchange, http = self.exchange, self.settings.http
        return Node(
            community=exchange.community, calendar=exchange.calendar, clock=exchange.clock,
            wall=self.wall, submit=exchange.intake.submit, state=exchange.state,
            history=exchange.history, readings=self.readings, latest=self.reception,
            alerts=self.alerts, health=self.health, people=self.people, door=self.door,
            wire=DeviceWire(self.line), admit_device=admit, is_ready=self.amiss,
            consents=SaleConsents(exchange.keys, exchange.state),
            entry=entries_in(exchange.journal), head=head_of(exchange.journal),
            back_up=self.upkeep.backed_up if self.settings.backup.folder is not None else None,
            limits=Limits(
                requests_per_minute=http.requests_per_minute,
                sign_ins_per_minute=http.sign_ins_per_minute, streams_max=http.streams_max,
            ),
            origins=http.origins, cursor_key=self._secrets.cursor_keys[0],
        )  # fmt: skip

    def tries(self, url: str) -> list[str]:
        """Return commands to try against an address, for whoever looks for the first time."""
        if self._visitor is None:
            return [f"curl {url}/metrics"]
        key = f"curl -H 'X-API-Key: {self._visitor}' '{url}/api/v1"
        return [
            f"{key}/community'",
            f"{key}/auctions?limit=2'",
            f"{key}/receipts?limit=1'",
            f"curl {url}/metrics",
        ]

    def amiss(self) -> Mapping[str, str]:
        """Return what is amiss, by part; empty where all is well."""
        away = {"readings": "the store does not answer"} if self.ingest.is_paused else {}
        return {**away, **brokers.gone(self._clients), **self._amiss}

    # --- at work -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until cancelled, or until something that cannot be done without fails.

        Raises
        ------
        ExceptionGroup
            Bears what failed.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self.exchange.intake.run())
            group.create_task(self.reception.run())
            group.create_task(self.http.run())
            group.create_task(self.upkeep.run())
            group.create_task(self.http.streams.run())
            for name, connect in self._connecting:
                group.create_task(self._connect(name, connect))
            if self.exchange.street is not None:
                group.create_task(self._live_street())

    async def _connect(self, name: str, connect: Callable[[], Awaitable[None]]) -> None:
        """Come to the broker; where it is not there, again and again."""
        pause_s = AGAIN_S
        while True:
            try:
                await connect()
            except AdapterError as error:
                if self._amiss.get(f"mqtt {name}") != str(error):
                    log.warning("the broker is not there", wire=name, error=str(error))
                self._amiss[f"mqtt {name}"] = str(error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, AGAIN_MAX_S)
                continue
            self._amiss.pop(f"mqtt {name}", None)
            log.info("connected", wire=name)
            if name == "market":
                await self.agent.run()
            return

    async def _live_street(self) -> None:
        """Let the made-up street live."""
        street = self.exchange.street
        if street is None:
            return
        from wattbay.simulation.live_street import Ends  # noqa: PLC0415 - nobody else needs it

        clock, speed = self.exchange.clock, self.exchange.speed

        async def pause(until: Instant) -> None:
            while (left := until - clock.now()) > 0:  # noqa: ASYNC110 - a clock has no event
                await asyncio.sleep(min(left / (SECOND * speed), PAUSE_MAX_S))

        client = brokers.client(self.settings.mqtt, self._port or 0, "street")
        ends = Ends(clock, self.exchange.intake.submit, self.exchange.state, client, pause)
        while True:
            try:
                await street.run(ends)
            except AdapterError as error:  # It could not come to the broker: it has not begun.
                log.warning("the street waits for the broker", error=str(error))
                await asyncio.sleep(AGAIN_S)
            else:
                break
        log.warning("the street's data have ended: begin in another folder")

    # --- telling of itself ---------------------------------------------------------------------

    def _gauges(self) -> Gauges:
        exchange = self.exchange
        return Gauges(
            counts={
                "readings": lambda: self.ingest.counts,
                "readings_submitted": lambda: self.reception.counts,
                "device_messages": lambda: self.line.counts,
                "market_messages": lambda: self.agent.counts,
            },
            present={
                "journal_entries": lambda: exchange.journal.last_seq,
                "exchange_clock_seconds": lambda: exchange.clock.now() / SECOND,
                "deliveries_open": lambda: len(exchange.state().deliveries.open),
                "devices": lambda: len(self.facts.all()),
                "parts_amiss": lambda: len(self.amiss()),
            },
        )

    async def close(self) -> None:
        """Let everybody go, and leave everything so that the next start is quick."""
        await self.http.close()
        for wire in (self.ingest, self.line, self.agent):
            with suppress(AdapterError, OSError):
                await wire.close()
        self.upkeep.end()
        await self.abandon()

    async def abandon(self) -> None:
        """Let go of everything that was opened: nobody was let in."""
        try:
            await self._stack.aclose()
        finally:
            self.exchange.close()


def _free_port(host: str) -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind((host, 0))
        return int(one.getsockname()[1])
