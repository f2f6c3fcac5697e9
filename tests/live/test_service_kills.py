"""Service, broker and database killed in turn under load: what was answered stands, once.

Meters deliver signed readings through the device kit, traders order over REST and, signed, over
MQTT. The street lives beside them. Afterwards the journal is verified from its first entry on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fleet import (
    Fleet,
    MqttTrader,
    RestTrader,
    Trader,
    administrator,
    fleet_of,
    join,
    trading,
)
from tests.outcomes import check_history, check_readings
from tests.servers import Server, free_port, mosquitto, postgres, until
from tests.serving import Service, serving
from wattbay.adapters.stores.postgres import PostgresReadingStore
from wattbay.adapters.stores.postgres_journal import PostgresJournal
from wattbay.adapters.stores.sqlite import SqliteReadingStore
from wattbay.kernel.evidence import ReadingStore
from wattbay.kernel.journal import Journal, SqliteJournal
from wattbay.periods import MINUTE, Instant

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
                # However quickly the orders were answered: some deliveries are to be measured.
                until(
                    lambda: fleet.turn() and len(fleet.boundaries) > 3,
                    "deliveries end",
                    wait_s=60.0,
                )
                until(lambda: fleet.turn() and not fleet.waiting, "all are acknowledged")
                later = Instant(fleet.at + 20 * MINUTE)
                until(lambda: fleet.turn(is_measuring=False) and fleet.now > later, "all is told")
                assert fleet.acknowledged == sum(len(one.registers) for one in fleet.meters)
                assert service.stop() == 0
                with closing(stores.readings(tmp_path)) as stored:
                    check_readings(stored, fleet)
                with closing(stores.journal(tmp_path)) as journal:
                    check_history(journal, fleet, traders)
