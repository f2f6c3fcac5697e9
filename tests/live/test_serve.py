"""`wattbay serve` as a newcomer meets it: it trades, what it prints works, it stops and goes on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.servers import until
from tests.serving import Service, serving
from wattbay.adapters.mqtt import readings
from wattbay.core.commands import SubmitReading
from wattbay.core.events import ReceiptIssued, Traded
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.codec import Entry, decode
from wattbay.kernel.journal import MemoryJournal, SqliteJournal
from wattbay.kernel.kernel import EARLIEST, Kernel
from wattbay.kernel.replay import verify
from wattbay.views.meters import MeterKeys

SPEED = "600"


def entries(service: Service) -> list[Entry]:
    """Return what is in the journal of a service that has stopped."""
    journal = SqliteJournal(service.folder / "kept" / "journal.sqlite", read_only=True)
    found = [decode(data, seq=seq) for seq, data, _ in journal.rows()]
    journal.close()
    return found


def metric(service: Service, name: str) -> float:
    """Return a number that it tells of itself; 0 before it is told."""
    _, told = service.call("/metrics")
    for line in str(told).splitlines():
        if line.startswith(name):
            return float(line.rpartition(" ")[2])
    return 0.0


def run_line(line: str, seconds: int) -> str:
    """Run a line as somebody would who copies it from the terminal; return what it prints."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"timeout {seconds} {line} | head -c 2000"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.stdout


def test_street_trades_settles_stops_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with serving(tmp_path, "--folder", "kept", "--speed", SPEED) as service:
        until(lambda: metric(service, "wattbay_journal_entries") > 150, "much has happened")
        assert service.call("/readyz") == (200, {"status": "ready"})
        assert service.stop() == 0
        first = entries(service)
        service.start()
        until(lambda: metric(service, "wattbay_journal_entries") > len(first) + 100, "it goes on")
        assert service.stop() == 0
    history = entries(service)
    assert history[: len(first)] == first
    happened = [event for entry in history for event in entry.events]
    assert any(isinstance(event, Traded) for event in happened)
    assert any(isinstance(event, ReceiptIssued) for event in happened)
    assert sum(type(entry.command).__name__ == "OpenCommunity" for entry in history) == 1


def test_commands_of_a_live_run_give_a_simulated_kernel_the_same_head(tmp_path: Path) -> None:
    with serving(tmp_path, "--folder", "kept", "--speed", SPEED) as service:
        until(lambda: metric(service, "wattbay_journal_entries") > 150, "much has happened")
        service.kill()
    live = SqliteJournal(tmp_path / "kept" / "journal.sqlite", read_only=True)
    journal = MemoryJournal()
    clock = SimulatedClock(EARLIEST)
    kernel = Kernel(journal, clock)
    while journal.last_seq < live.last_seq:
        _, data, _ = next(live.rows(journal.last_seq + 1))
        entry = decode(data)
        kernel.advance(entry.at)
        if journal.last_seq < entry.seq:  # What falls due is done by the clock alone.
            kernel.submit(entry.command)
    assert journal.head == live.head
    keys = MeterKeys()

    def check(command: SubmitReading) -> None:
        key = keys.key_of(command.meter)
        assert key is not None
        assert keys.community is not None
        readings.check(command, keys.community, key)

    assert verify(live, check_reading=check, readers=[keys]).readings > 0
    live.close()


@pytest.mark.mosquitto_sub
def test_lines_that_it_prints_work(tmp_path: Path) -> None:
    with serving(tmp_path, "--folder", "kept", "--speed", SPEED) as service:
        until(lambda: metric(service, "wattbay_journal_entries") > 80, "something has happened")
        curls = service.lines("curl")
        assert len(curls) >= 2
        for line in curls:
            told = run_line(line, 10)
            assert told.strip(), line
            assert "urn:wattbay:problem" not in told, told
        subscriptions = service.lines("mosquitto_sub")
        assert len(subscriptions) >= 2
        for line in subscriptions:
            assert "em/v1/street/" in run_line(line, 5), line


@pytest.mark.parametrize("setting", ["WATTBAY_HTTP__PORT", "WATTBAY_MQTT__PORT"])
def test_address_that_is_taken_is_told_and_nothing_is_left_running(
    tmp_path: Path, setting: str
) -> None:
    with serving(tmp_path, "--folder", "kept", "--speed", SPEED) as service:
        taken = service.mqtt_port if "MQTT" in setting else int(service.url.rpartition(":")[2])
        other = Service(
            ["--folder", "other", "--speed", SPEED], tmp_path / "second", {setting: str(taken)}
        )
        other.folder.mkdir()
        with pytest.raises(AssertionError, match=f":{taken}"):
            other.start()


def test_second_service_on_the_same_folder_is_told_to_wait(tmp_path: Path) -> None:
    with serving(tmp_path, "--folder", "kept", "--speed", SPEED):
        other = Service(["--folder", str(tmp_path / "kept")], tmp_path / "second", {})
        other.folder.mkdir()
        with pytest.raises(AssertionError, match="in use by another program"):
            other.start()
