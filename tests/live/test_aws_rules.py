"""A broker that keeps the rules which how-to/aws-iot-core gives AWS IoT Core: Mosquitto, alike.

Certificates alone, access by the two policies of that page, AWS's limits of size and of what is
under way; the service with `broker = "aws-iot"`. What AWS does besides is not tried.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deployment import certificates, tls_settings
from tests.servers import mosquitto, until
from tests.serving import Service

pytestmark = pytest.mark.mosquitto

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "aws-iot-core.md"
VARIABLE = "${iot:Connection.Thing.ThingName}"
WATTBAY = str(Path(sys.executable).with_name("wattbay"))
RULES = """
listener {port} 127.0.0.1
cafile {folder}/authority.pem
certfile {folder}/server.pem
keyfile {folder}/server.key
require_certificate true
use_identity_as_username true
allow_anonymous false
acl_file {folder}/rules.acl
set_tcp_nodelay true
max_inflight_messages 100
message_size_limit 131072
persistent_client_expiration 1h
"""
ACTS = {"iot:Publish": "write", "iot:Receive": "read"}


def policies() -> list[list[dict[str, object]]]:
    """Return the statements of the page's two policies, for the street."""
    text = PAGE.read_text(encoding="utf-8").replace("/london/", "/street/")
    blocks = re.findall(r"```text\n(\{.*?\n\})\n```", text, re.DOTALL)
    return [json.loads(block)["Statement"] for block in blocks]


def lines(statements: list[dict[str, object]]) -> list[tuple[str, str]]:
    """Return what a policy allows as Mosquitto has it: an act, and a topic."""
    found = []
    for statement in statements:
        acts, resources = statement["Action"], statement["Resource"]
        for act in [acts] if isinstance(acts, str) else list(acts):  # type: ignore[call-overload] # JSON
            for one in [resources] if isinstance(resources, str) else list(resources):  # type: ignore[call-overload] # JSON
                if act in ACTS:
                    topic = one.split(":", 5)[5].partition("/")[2]
                    found.append((ACTS[act], topic.replace("*", "#").replace(VARIABLE, "%u")))
    return found


def rules() -> str:
    """Return both policies as one file of access rules."""
    devices, service = policies()
    told = [f"pattern {act} {topic}" for act, topic in lines(devices)]
    told += ["user wattbay-service", *(f"topic {act} {topic}" for act, topic in lines(service))]
    return "\n".join(told) + "\n"


def alike(pki: Path) -> Callable[[Path, int], str]:
    def configuration(folder: Path, port: int) -> str:
        for name in ("authority.pem", "server.pem", "server.key"):
            (folder / name).write_bytes((pki / name).read_bytes())
        (folder / "rules.acl").write_text(rules(), encoding="utf-8")
        return RULES.format(folder=folder, port=port)

    return configuration


def device(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [WATTBAY, "device", *arguments], cwd=folder, text=True, capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip


def measured(service: Service) -> float:
    """Return how many readings are stored."""
    found = re.search(
        r'^wattbay_readings_total\{outcome="stored"\} (\S+)',
        str(service.call("/metrics")[1]),
        re.MULTILINE,
    )
    return 0.0 if found is None else float(found.group(1))


def test_street_trades_and_a_device_is_let_in_under_the_policies_of_the_page(
    tmp_path: Path,
) -> None:
    pki = tmp_path / "pki"
    certificates(pki, "m99", "n99")
    with mosquitto(alike(pki)) as (_, port, _):
        own = {
            "WATTBAY_MQTT__BROKER": "aws-iot",
            "WATTBAY_MQTT__PORT": str(port),
            **tls_settings(pki),
        }
        service = Service(["--folder", "kept", "--speed", "600"], tmp_path, own)
        service.start()
        try:
            until(lambda: service.call("/readyz")[0] == 200, "it is let in")
            until(lambda: measured(service) > 100, "readings come through the broker")
            assert device(tmp_path, "keys", "m99.pem").returncode == 0
            way = ("m99.pem", "street", "m99", "--broker", f"127.0.0.1:{port}")
            bearing = ("--authority", "pki/authority.pem", "--certificate", "pki/m99.pem",
                       "--certificate-key", "pki/m99.key")  # fmt: skip
            tried = device(tmp_path, "test", *way, *bearing)
            assert tried.returncode == 0, tried.stdout + tried.stderr
            assert tried.stdout.count("yes  ") == 2
            # Nobody without a certificate, and nobody on another one's topics.
            stranger = device(tmp_path, "test", *way, "--wait", "1", *bearing[:2])
            assert stranger.returncode == 1
            other = [one.replace("m99", "n99") for one in bearing]
            tried = device(tmp_path, "test", *way, "--wait", "1", *other, "--registers", "1,1")
            assert tried.returncode == 1
            assert "no service is at work, or it knows no key" in tried.stdout
        finally:
            service.kill()
