"""Service, broker and database killed in turn under load: what was answered stands, once.

Meters deliver signed readings through the device kit, traders order over REST and, signed, over
MQTT. The street lives beside them. Afterwards the journal is verified from its first entry on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fleet import (
    STREET,
    Fleet,
    MqttTrader,
    RestTrader,
    Trader,
    administrator,
    fleet_of,
    join,
    trading,
)
from tests.servers import Server, free_port, mosquitto, postgres, until
from tests.serving import Service, serving
from wattbay.adapters.mqtt import readings
from wattbay.adapters.stores.postgres import PostgresReadingStore
from wattbay.adapters.stores.postgres_journal import PostgresJournal
from wattbay.adapters.stores.sqlite import SqliteReadingStore
from wattbay.core.commands import PlaceOrder, SubmitReading
from wattbay.core.events import OrderPlaced, ReadingAccepted, Rejected
from wattbay.kernel.codec import Entry, decode
from wattbay.kernel.evidence import ReadingStore
from wattbay.kernel.journal import Journal, SqliteJournal
from wattbay.kernel.replay import verify
from wattbay.periods import DAY, MINUTE, Instant, Period
from wattbay.views.meters import MeterKeys

SPEED = "1200"
NAMES = ("anna", "ben", "cleo")
PLAIN = """
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 100000
"""
MORE = 8
"""So many readings of each meter, and orders of each trader, are answered before a kill."""


class Stores(NamedTuple):
    """Where a service keeps what it is told."""

    settings: Mapping[str, str]
    database: Server | None
    conninfo: str = ""

    def journal(self, folder: Path) -> Journal:
        """Open the journal of a service that has stopped, to read."""
        if self.database is None:
            return SqliteJournal(folder / "kept" / "journal.sqlite", read_only=True)
        return PostgresJournal(self.conninfo, read_only=True)

    def readings(self, folder: Path) -> ReadingStore:
        """Open the readings."""
        if self.database is None:
            return SqliteReadingStore(folder / "kept" / "readings.sqlite")
        return PostgresReadingStore(self.conninfo)


@contextmanager
def files() -> Iterator[Stores]:
    """Keep everything in files."""
    yield Stores({}, None)


@contextmanager
def a_database() -> Iterator[Stores]:
    """Keep journal, readings and people in PostgreSQL."""
    with postgres() as (database, conninfo):
        names = ("JOURNAL", "READINGS", "PEOPLE")
        settings = {f"WATTBAY_STORAGE__{name}": "postgresql" for name in names}
        yield Stores({**settings, "WATTBAY_STORAGE__DSN": conninfo}, database, conninfo)


def work_on(fleet: Fleet, traders: list[Trader]) -> None:
    """Let everybody get some more answers."""
    before = [one.device.acknowledged for one in fleet.meters]
    answered = [one.answered for one in traders]

    def is_enough() -> bool:
        fleet.turn()
        return all(
            now - then >= MORE
            for now, then in (
                *zip((one.device.acknowledged for one in fleet.meters), before, strict=True),
                *zip((one.answered for one in traders), answered, strict=True),
            )
        )

    until(is_enough, "readings and orders are answered", wait_s=60.0)


def kill(victim: Service | Server, service: Service, stores: Stores) -> None:
    """Kill one of them under load, and start it again as whoever runs it does."""
    victim.kill()
    if victim is stores.database:
        # Without its journal it can promise nothing: it stops, and says so.
        assert service.ended() == 1
        assert "stopped" in service.log
    victim.start()
    if victim is stores.database:
        service.start()


def check_history(journal: Journal, fleet: Fleet, traders: list[Trader]) -> None:
    """Verify a journal, and that in it is what was answered, once."""
    keys = MeterKeys()

    def check(command: SubmitReading) -> None:
        key = keys.key_of(command.meter)
        assert key is not None
        readings.check(command, STREET, key)

    assert verify(journal, check_reading=check, readers=[keys]).readings > 0
    entries = [decode(data, seq=seq) for seq, data, _ in journal.rows()]
    _check_orders(entries, traders)
    told = Counter(
        (one.command.meter, one.command.boot, one.command.seq)
        for one in entries
        if isinstance(one.command, SubmitReading)
    )
    assert set(told.values()) == {1}
    for meter in fleet.meters:
        known = {
            event.boundary: event
            for one in entries
            for event in one.events
            if isinstance(event, ReadingAccepted) and event.meter == meter.member.device
        }
        # What a broker lost is sent again: another reading may tell of the boundary by then.
        assert set(fleet.boundaries) <= set(known)
        for event in known.values():
            assert event.import_register == meter.registers[event.measured_at]


def _check_orders(entries: list[Entry], traders: list[Trader]) -> None:
    requests = Counter(
        (one.command.pod, one.command.request)
        for one in entries
        if isinstance(one.command, PlaceOrder) and one.command.request
    )
    assert set(requests.values()) == {1}
    for trader in traders:
        for request, outcomes in trader.outcomes.items():
            assert len(outcomes) == 1, (request, outcomes)
            (outcome,) = outcomes
            entry = entries[outcome.entry - 1]
            assert isinstance(entry.command, PlaceOrder)
            assert (entry.command.pod, entry.command.request) == (trader.member.pod, request)
            match entry.events[0]:
                case OrderPlaced(order=order):
                    assert order == outcome.order
                case Rejected():
                    assert outcome.order is None
                case other:
                    raise AssertionError(other)


def check_readings(store: ReadingStore, fleet: Fleet) -> None:
    """Make sure that every reading is stored once, as it was signed."""
    for meter in fleet.meters:
        device, key = meter.member.device, meter.member.signer.public_key
        span = Period(Instant(fleet.first - DAY), Instant(fleet.at + DAY))
        found = Counter[int]()
        for reading in store.of_device(STREET, device, span):
            topic = f"em/v1/street/{device}/data"
            assert readings.read(reading.proof, topic, {device: key}.get) == reading
            found[reading.seq] += 1
        assert found == Counter(range(1, len(meter.registers) + 1))
    assert list(store.alarms(STREET)) == []


@pytest.mark.mosquitto
@pytest.mark.parametrize("keeping", [files, pytest.param(a_database, marks=pytest.mark.postgres)])
def test_what_was_answered_stands_once_whatever_is_killed(
    keeping: Callable[[], AbstractContextManager[Stores]], tmp_path: Path
) -> None:
    with keeping() as stores, mosquitto(lambda _, port: PLAIN.format(port=port)) as served:
        broker, port, _ = served
        settings = {
            "WATTBAY_MQTT__BROKER": "outside", "WATTBAY_MQTT__PORT": str(port),
            "WATTBAY_HTTP__PORT": str(free_port()),
            "WATTBAY_HTTP__REQUESTS_PER_MINUTE": "1000000", **stores.settings,
        }  # fmt: skip
        arguments = ("--folder", "kept", "--speed", SPEED, "--wait")
        with serving(tmp_path, *arguments, **settings) as service:
            admin = administrator(service)
            members = [join(service, admin, name) for name in NAMES]
            with fleet_of(service, members, tmp_path, port) as fleet:
                until(fleet.turn, "the exchange says what time it is")
                traders: list[Trader] = [
                    RestTrader(members[0], service, fleet.clock),
                    RestTrader(members[1], service, fleet.clock),
                    MqttTrader(members[2], service, fleet.clock, port),
                ]
                with trading(traders):
                    for victim in (service, broker, stores.database or service):
                        work_on(fleet, traders)
                        kill(victim, service, stores)
                    work_on(fleet, traders)
                until(lambda: fleet.turn() and not fleet.waiting, "all are acknowledged")
                later = Instant(fleet.at + 20 * MINUTE)
                until(lambda: fleet.turn(is_measuring=False) and fleet.now > later, "all is told")
                assert len(fleet.boundaries) > 3
                assert fleet.acknowledged == sum(len(one.registers) for one in fleet.meters)
                assert service.stop() == 0
                with closing(stores.readings(tmp_path)) as stored:
                    check_readings(stored, fleet)
                with closing(stores.journal(tmp_path)) as journal:
                    check_history(journal, fleet, traders)
