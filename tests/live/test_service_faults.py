"""A running service whose broker, network, disk, clock or machine fails: nothing is lost."""

from __future__ import annotations

import resource
import subprocess
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import chaos
from tests.fleet import (
    ISP_US,
    STEP_US,
    STREET,
    Fleet,
    Keyed,
    Member,
    RestTrader,
    administrator,
    fleet_of,
    join,
    trading,
)
from tests.outcomes import check_history, check_readings
from tests.servers import free_port, mosquitto, postgres, until
from tests.serving import Service, serving
from wattbay.adapters.stores.sqlite import SqliteReadingStore
from wattbay.ids import PodId
from wattbay.kernel.clock import MonotonicClock
from wattbay.kernel.journal import SqliteJournal
from wattbay.periods import DAY, HOUR, MINUTE, SECOND, Instant, Period, instant

PLAIN = """
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 100000
"""
FAST = "3600"
"""At this speed half an hour passes in half a second."""
BRISK = "1800"
PACES = {
    "WATTBAY_HTTP__REQUESTS_PER_MINUTE": "1000000",
    "WATTBAY_HTTP__SIGN_INS_PER_MINUTE": "1000",
}


def outside(port: int) -> dict[str, str]:
    """Return settings that bring a service to a broker on a port of the loopback."""
    return {**PACES, "WATTBAY_MQTT__BROKER": "outside", "WATTBAY_MQTT__PORT": str(port)}


def receipts_of(service: Service, who: Keyed, pod: PodId) -> dict[Instant, dict[str, Any]]:
    """Return the newest receipt of each delivery of a pod."""
    found: dict[Instant, dict[str, Any]] = {}
    path = f"/api/v1/receipts?pod={pod}&limit=500"
    while path:
        status, told = service.call(path, headers=who.headers)
        assert status == 200, told
        found |= {instant(one["delivery"]): one for one in told["items"]}
        path = told["next"]
    return found


@pytest.mark.mosquitto
def test_reading_ends_on_a_receipt_and_none_is_lost_while_the_broker_is_stopped(
    tmp_path: Path,
) -> None:
    """A device is enrolled by hand; the broker stops for some deliveries and comes back."""
    with (
        mosquitto(lambda _, port: PLAIN.format(port=port)) as (broker, port, _),
        serving(tmp_path, "--folder", "kept", "--speed", FAST, **outside(port)) as service,
    ):
        member = join(service, administrator(service), "anna")
        with fleet_of(service, [member], tmp_path, port) as fleet:
            meter = fleet.meters[0]
            until(
                lambda: fleet.turn() and meter.device.acknowledged > 5 and fleet.boundaries,
                "readings are acknowledged",
            )
            broker.stop()
            stopped = len(fleet.boundaries)
            sent = meter.device.acknowledged
            until(lambda: fleet.turn() and len(fleet.boundaries) > stopped + 3, "time passes")
            assert meter.device.waiting >= 3 * ISP_US // STEP_US
            assert meter.device.acknowledged == sent
            broker.start()
            until(lambda: fleet.turn() and not meter.device.waiting, "all are acknowledged")
            deliveries = [Instant(end - ISP_US) for end in fleet.boundaries]
            end = Instant(fleet.at + 13 * HOUR)
            until(lambda: fleet.turn(is_measuring=False) and fleet.now > end, "r1 is due")

            def settled() -> bool:
                told = receipts_of(service, member.keyed, member.pod)
                return all(told.get(one, {}).get("quality") == "measured" for one in deliveries)

            until(settled, "receipts tell what was measured")
            told = receipts_of(service, member.keyed, member.pod)
            measured_wh = sum(told[one]["import_wh"] for one in deliveries)
            # The first register stands where the pod was connected: at zero.
            assert measured_wh == meter.registers[fleet.boundaries[-1]] > 0


@pytest.mark.mosquitto
def test_service_begins_without_its_broker_and_works_once_it_is_there(tmp_path: Path) -> None:
    with mosquitto(lambda _, port: PLAIN.format(port=port)) as (broker, port, _):
        broker.stop()
        with serving(tmp_path, "--folder", "kept", "--speed", FAST, **outside(port)) as service:
            until(lambda: service.call("/readyz")[0] == 503, "it says that it is not ready")
            assert "does not let us in" in str(service.call("/readyz")[1])
            broker.start()
            until(lambda: service.call("/readyz")[0] == 200, "it is ready")
            stored = 'wattbay_readings_total{outcome="stored"}'
            until(lambda: service.metric(stored) > 100, "the street's readings are stored")
            broker.kill()
            until(lambda: service.call("/readyz")[0] == 503, "it says that the broker is gone")
            until(lambda: service.metric("wattbay_parts_amiss") == 3, "each connection is gone")
            assert "mqtt readings: the broker is gone" in str(service.call("/readyz")[1])
            broker.start()
            until(lambda: service.call("/readyz")[0] == 200, "it is ready again")
            assert service.stop() == 0


@pytest.mark.mosquitto
@pytest.mark.postgres
def test_service_whose_store_of_readings_is_gone_says_so_and_devices_keep_them(
    tmp_path: Path,
) -> None:
    with (
        mosquitto(lambda _, port: PLAIN.format(port=port)) as (_, port, _),
        postgres() as (database, conninfo),
        serving(
            tmp_path, "--folder", "kept", "--speed", BRISK,
            WATTBAY_STORAGE__READINGS="postgresql", WATTBAY_STORAGE__DSN=conninfo,
            **outside(port),
        ) as service,
    ):  # fmt: skip
        member = join(service, administrator(service), "anna")
        with fleet_of(service, [member], tmp_path, port) as fleet:
            device = fleet.meters[0].device
            until(lambda: fleet.turn() and device.acknowledged > 3, "readings are acknowledged")
            database.kill()
            until(lambda: fleet.turn() and device.waiting > 8, "readings wait")
            status, told = service.call("/readyz")
            assert status == 503
            assert "readings: the store does not answer" in str(told)
            database.start()
            until(lambda: not device.waiting, "all are acknowledged")
            until(lambda: service.call("/readyz")[0] == 200, "it is ready again")
            assert device.acknowledged == len(fleet.meters[0].registers)
        assert service.stop() == 0


# --- the network -----------------------------------------------------------------------------

CUT_S = 6.0


def pass_time(fleet: Fleet, seconds: float) -> None:
    """Let meters measure for some seconds of real time."""
    begun = MonotonicClock().now()
    until(
        lambda: (fleet.turn(), MonotonicClock().now() - begun > seconds * SECOND)[1],
        "time passes",
    )


@pytest.mark.mosquitto
def test_nothing_is_lost_while_devices_and_service_are_cut_off(tmp_path: Path) -> None:
    """The network before the broker is slow, then cut, then stands still, then is well again."""
    with (
        mosquitto(lambda _, port: PLAIN.format(port=port)) as (_, port, _),
        chaos(port) as before_devices,
        chaos(port) as before_service,
        serving(
            tmp_path, "--folder", "kept", "--speed", BRISK, **outside(before_service.port)
        ) as service,
    ):  # fmt: skip
        member = join(service, administrator(service), "anna")
        with fleet_of(service, [member], tmp_path, before_devices.port) as fleet:
            device = fleet.meters[0].device
            before_devices.delay_s = before_service.delay_s = 0.05
            until(lambda: fleet.turn() and device.acknowledged > 3, "readings are acknowledged")
            before_devices.delay_s = before_service.delay_s = 0.0
            before_devices.cut()
            before_service.stall()
            known = device.acknowledged
            pass_time(fleet, CUT_S)
            assert device.acknowledged == known
            assert device.waiting >= CUT_S * int(BRISK) * SECOND // STEP_US - 1
            before_devices.heal()
            before_service.heal()
            until(lambda: not device.waiting, "all are acknowledged")
            # Whoever comes back meets a broker that takes the call and says nothing.
            for one in (before_devices, before_service):
                one.stall()
                one.cut()
                one.answer()
            pass_time(fleet, 2.0)
            for one in (before_devices, before_service):
                one.cut()
                one.heal()
            until(lambda: not device.waiting, "all are acknowledged")
            assert device.acknowledged == len(fleet.meters[0].registers)
        assert service.stop() == 0
    assert stored_numbers(tmp_path, member) == list(range(1, device.acknowledged + 1))


def stored_numbers(folder: Path, member: Member) -> list[int]:
    """Return the numbers of the readings that a service stored of a device, by instant."""
    with closing(SqliteReadingStore(folder / "kept" / "readings.sqlite")) as store:
        span = Period(Instant(member.since - DAY), Instant(member.since + 1_000 * DAY))
        assert list(store.alarms(STREET)) == []
        return [one.seq for one in store.of_device(STREET, member.device, span)]


@pytest.mark.mosquitto
def test_devices_keep_what_a_full_broker_does_not(tmp_path: Path) -> None:
    """A broker that keeps five messages, and throws the others away, while nobody fetches them."""
    full = PLAIN.replace("max_queued_messages 100000", "max_queued_messages 5")
    with (
        mosquitto(lambda _, port: full.format(port=port)) as (_, port, _),
        chaos(port) as before_service,
        serving(
            tmp_path, "--folder", "kept", "--speed", BRISK, **outside(before_service.port)
        ) as service,
    ):  # fmt: skip
        member = join(service, administrator(service), "anna")
        with fleet_of(service, [member], tmp_path, port) as fleet:
            device = fleet.meters[0].device
            until(lambda: fleet.turn() and device.acknowledged > 3, "readings are acknowledged")
            before_service.cut()
            until(lambda: fleet.turn() and device.waiting > 15, "the broker is full")
            before_service.heal()
            until(lambda: not device.waiting, "all are acknowledged")
        assert service.stop() == 0
    assert stored_numbers(tmp_path, member) == list(range(1, device.acknowledged + 1))


# --- the disk --------------------------------------------------------------------------------

DISK_BYTES = 24_000_000
LOG_BYTES = 100_000


class Disk:
    """A small disk, where one can be mounted; elsewhere files that may not grow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        options = ("-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(folder))
        done = subprocess.run(["mount", *options], capture_output=True, check=False)
        self.is_mounted = done.returncode == 0
        self._filler = folder / "filler"

    def fill(self, service: Service) -> None:
        """Leave no room."""
        if not self.is_mounted:
            _, hard = resource.prlimit(service.pid, resource.RLIMIT_FSIZE)
            most = len(service.log) + LOG_BYTES  # What it says of that is a file, too.
            resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (most, hard))
            return
        with self._filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4_096))

    def empty(self) -> None:
        """Make room again; of a service that is started anew, files may grow."""
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        """Take it away."""
        if self.is_mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@pytest.mark.mosquitto
def test_service_on_a_full_disk_stops_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with ExitStack() as stack:
        disk = Disk(tmp_path / "disk")
        stack.callback(disk.close)
        _, port, _ = stack.enter_context(mosquitto(lambda _, port: PLAIN.format(port=port)))
        settings = {**outside(port), "WATTBAY_HTTP__PORT": str(free_port())}
        kept = disk.folder / "kept"
        service = stack.enter_context(
            serving(tmp_path, "--folder", str(kept), "--speed", BRISK, **settings)
        )
        admin = administrator(service)
        members = [join(service, admin, name) for name in ("anna", "ben")]
        fleet = stack.enter_context(fleet_of(service, members, tmp_path, port))
        until(fleet.turn, "the exchange says what time it is")
        trader = RestTrader(members[1], service, fleet.clock)
        with trading([trader]):
            until(
                lambda: fleet.turn() and fleet.acknowledged > 20 and trader.answered > 20,
                "readings and orders are answered",
            )
            disk.fill(service)
            until(lambda: (fleet.turn(), service.is_over)[1], "it stops")
            assert service.ended() == 1
            assert "stopped" in service.log
            disk.empty()
            service.start()
            answered, known = trader.answered, fleet.acknowledged
            until(
                lambda: (
                    fleet.turn() and fleet.acknowledged > known and trader.answered > answered + 20
                ),
                "it goes on",
            )
        until(lambda: fleet.turn(is_measuring=False) and not fleet.waiting, "all is stored")
        later = Instant(fleet.at + 20 * MINUTE)
        until(lambda: fleet.turn(is_measuring=False) and fleet.now > later, "all is told")
        assert service.stop() == 0
        with closing(SqliteReadingStore(kept / "readings.sqlite")) as store:
            check_readings(store, fleet)
        with closing(SqliteJournal(kept / "journal.sqlite", read_only=True)) as journal:
            check_history(journal, fleet, [trader])
