"""`wattbay device` as people type it, with a real broker."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers import free_port, mosquitto, until_async
from wattbay.adapters.mqtt import enrolment
from wattbay.adapters.mqtt.ingest import Community, Ingest
from wattbay.adapters.mqtt.service import Address, GmqttClient
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import MemoryReadingStore, Reading

WATTBAY = str(Path(sys.executable).with_name("wattbay"))
PLAIN = """
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
"""


def wattbay(folder: Path, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [WATTBAY, "device", *arguments], cwd=folder, input=said, text=True,
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def port() -> Iterator[int]:
    with mosquitto(lambda _, port: PLAIN.format(port=port)) as (_, found, _):
        yield found


@pytest.fixture
def enrolled(tmp_path: Path) -> Path:
    """Return a folder with the key and the request of a meter."""
    assert wattbay(tmp_path, "keys", "m07.pem").returncode == 0
    made = wattbay(tmp_path, "register", "m07.pem", "london", "m07")
    assert made.returncode == 0, made.stderr
    return tmp_path


def served(port: int, folder: Path, work: Callable[[], None]) -> list[Reading]:
    """Do something while a service is at work that knows the folder's meter; return what came."""
    request = enrolment.decode((folder / "m07.json").read_bytes())
    keys = {MeterId("m07"): bytes.fromhex(request.public_key)}
    accepted: list[Reading] = []

    async def story() -> None:
        community = Community(
            community=CommunityId("london"), key_of=keys.get, accepted=accepted.extend,
            acknowledge_every_s=0.02,
        )  # fmt: skip
        client = GmqttClient(Address(port=port))
        ingest = Ingest(community, MemoryReadingStore(), client)
        await ingest.open()
        done = asyncio.get_running_loop().run_in_executor(None, work)
        await until_async(done.done, "it is done")
        await done
        await ingest.close()

    asyncio.run(story())
    return accepted


def test_key_that_is_there_is_not_overwritten(enrolled: Path) -> None:
    again = wattbay(enrolled, "keys", "m07.pem")
    assert again.returncode == 1
    assert "is there already" in again.stderr


def test_request_is_signed_by_the_key_that_it_brings(enrolled: Path) -> None:
    found = enrolment.decode((enrolled / "m07.json").read_bytes())
    assert (found.community, found.device, found.kind) == ("london", "m07", "meter")


def test_what_cannot_stand_in_a_topic_is_told_at_once(enrolled: Path) -> None:
    wrong = wattbay(enrolled, "register", "m07.pem", "lon/don", "market")
    assert wrong.returncode == 2
    assert "COMMUNITY" in wrong.stderr
    assert "NAME" in wrong.stderr


@pytest.mark.mosquitto
def test_reading_from_standard_input_is_stored(enrolled: Path, port: int) -> None:
    broker = f"127.0.0.1:{port}"
    lines = (
        '{"at": "2026-05-01T12:00Z", "import": 48213, "export": 9120}\n'
        '{"import": 48219, "export": 9120, "power_w": -250, "flags": 1}\n'
    )

    def work() -> None:
        for options in ((), ("--jws",)):
            run = wattbay(
                enrolled, "run", "m07.pem", "london", "m07", "--broker", broker, *options,
                said=lines,
            )  # fmt: skip
            assert run.returncode == 0, run.stdout + run.stderr
            assert run.stdout.startswith("2 readings are acknowledged, 0 wait\n")
        assert "1 were refused: altered" in run.stdout
        tried = wattbay(
            enrolled, "test", "m07.pem", "london", "m07", "--broker", broker,
            "--registers", "48220,9120",
        )  # fmt: skip
        assert tried.returncode == 0, tried.stdout + tried.stderr
        assert "reading 3/1 of" in tried.stdout

    accepted = served(port, enrolled, work)
    # The first line of the second time is another reading of the same instant: an alarm.
    assert [(one.boot, one.seq) for one in accepted] == [(1, 1), (1, 2), (2, 2), (3, 1)]


@pytest.mark.mosquitto
def test_without_a_service_readings_wait(enrolled: Path, port: int) -> None:
    broker = f"127.0.0.1:{port}"
    line = '{"import": 48213, "export": 9120}\n'
    run = wattbay(
        enrolled, "run", "m07.pem", "london", "m07", "--broker", broker, "--wait", "0.5", said=line
    )
    assert run.returncode == 1
    assert "0 readings are acknowledged, 1 wait" in run.stdout
    assert "is the service at work?" in run.stdout


def test_without_a_broker_the_test_says_so(enrolled: Path) -> None:
    tried = wattbay(
        enrolled, "test", "m07.pem", "london", "m07", "--broker", f"127.0.0.1:{free_port()}",
        "--wait", "0.5",
    )  # fmt: skip
    assert tried.returncode == 1
    assert tried.stdout.startswith("no ")


@pytest.mark.mosquitto
def test_simulated_homes_are_verified_at_the_broker(tmp_path: Path, port: int) -> None:
    broker = f"127.0.0.1:{port}"
    options = ("--broker", broker, "--homes", "2", "--readings", "3", "--every", "0")
    # Nobody is there yet: what they measure waits.
    first = wattbay(tmp_path, "simulate", "london", *options, "--wait", "0.5")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "6 readings of 2 homes; 0 are acknowledged, 6 wait" in first.stdout
    listening = [
        WATTBAY, "device", "verify", "--live", "london", "--broker", broker, "--count", "12",
        "--enrolled", "devices/h01.json", "--enrolled", "devices/h02.json", "--json",
    ]  # fmt: skip
    with subprocess.Popen(listening, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as verify:
        said = ""
        while verify.poll() is None:
            # Sent again and again until the listener is there.
            wattbay(tmp_path, "simulate", "london", *options, "--wait", "0.5")
        if verify.stdout:
            said = verify.stdout.read()
    found = json.loads(said)
    assert len(found) == 12
    assert {one["device"] for one in found} == {"h01", "h02"}
    assert all(one["fault"] is None for one in found)


def test_readings_of_a_file_are_verified(enrolled: Path) -> None:
    from wattbay.adapters.mqtt.keys import read_key  # noqa: PLC0415
    from wattbay.adapters.mqtt.readings import sign  # noqa: PLC0415
    from wattbay.periods import instant  # noqa: PLC0415

    reading = Reading(
        CommunityId("london"), MeterId("m07"), 1, 1, instant("2026-05-01T12:00Z"), 48_213, 9_120,
        1, -250, None, b"",
    )  # fmt: skip
    payload = sign(reading, read_key(enrolled / "m07.pem")).hex()
    topic = "em/v1/london/m07/data"
    (enrolled / "good.txt").write_text(f"{topic} {payload}\n", encoding="utf-8")
    (enrolled / "bad.txt").write_text(f"{topic} {payload[:-2]}00\n", encoding="utf-8")
    good = wattbay(enrolled, "verify", "good.txt", "--enrolled", "m07.json")
    assert good.returncode == 0, good.stdout + good.stderr
    assert "48,213" in good.stdout
    assert "tamper" in good.stdout
    assert "1 of 1 are authentic" in good.stdout
    bad = wattbay(enrolled, "verify", "bad.txt", "--enrolled", "m07.json")
    assert bad.returncode == 1
    assert "bad signature" in bad.stdout
    unknown = wattbay(enrolled, "verify", "good.txt")
    assert unknown.returncode == 1
    assert "unknown meter" in unknown.stdout
