"""What a deployment begins with is of one piece, as far as that can be seen without running it."""

from __future__ import annotations

import json
import re
from configparser import ConfigParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import typer
import yaml  # type: ignore[import-untyped] # brings no types

from wattbay.cli import app
from wattbay.config import BrokerKind, StoreKind, read_settings
from wattbay.simulation.founding_file import read_founding

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MADE_BY_THE_OPERATOR = ("pki", "secrets")
"""What how-to/deploy has made before anything is started."""
VARIABLE = "${iot:Connection.Thing.ThingName}"


def composed() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


def mounts(service: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what is mounted from where to where."""
    return [(one.split(":")[0], one.split(":")[1]) for one in service.get("volumes", [])]


def test_settings_of_the_deployment_can_be_used() -> None:
    settings = read_settings(DEPLOY / "wattbay.toml")
    assert settings.mqtt.broker is BrokerKind.OUTSIDE
    assert settings.storage.journal is StoreKind.POSTGRESQL
    assert settings.http.behind_proxy


def test_founding_file_of_the_deployment_can_be_read() -> None:
    assert read_founding(DEPLOY / "community.toml").commands


def test_containers_name_what_there_is() -> None:
    told = composed()
    for name, service in told["services"].items():
        assert "build" in service or "image" in service, name
        for other in service.get("depends_on", {}):
            assert other in told["services"]
        for secret in service.get("secrets", []):
            assert secret in told["secrets"], secret
        for source, _ in mounts(service):
            if not source.startswith("."):
                assert source in told["volumes"], source
            elif not source.removeprefix("./").startswith(MADE_BY_THE_OPERATOR):
                assert (DEPLOY / source).exists(), source
    build = told["services"]["wattbay"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).exists()


def test_containers_hold_what_the_settings_name() -> None:
    told = composed()
    settings = read_settings(DEPLOY / "wattbay.toml")
    service = told["services"]["wattbay"]
    targets = {target for _, target in mounts(service)}
    mqtt, storage = settings.mqtt, settings.storage
    for path in (settings.community.founding, mqtt.authority, mqtt.certificate, mqtt.key):
        assert str(path) in targets
    assert str(storage.folder) in targets
    assert storage.dsn_file is not None
    assert storage.dsn_file.parent == Path("/run/secrets")
    assert storage.dsn_file.name in service["secrets"]
    assert mqtt.host in told["services"]
    assert f"127.0.0.1:{settings.http.port}:{settings.http.port}" in service["ports"]


def test_brokers_container_holds_what_its_configuration_names() -> None:
    broker = composed()["services"]["mosquitto"]
    targets = {target for _, target in mounts(broker)}
    shipped = (files("wattbay.adapters.mqtt") / "mosquitto" / "wattbay.conf").read_text()
    named = re.findall(r"^(?:\w*file|persistence_location) (\S+)$", shipped, re.MULTILINE)
    assert len(named) == 6
    for path in named:
        assert path.rstrip("/") in targets


def test_unit_of_systemd_starts_what_there_is() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # names of systemd are in camel case
    unit.read(DEPLOY / "wattbay.service")
    commands = getattr(typer.main.get_command(app), "commands", {})
    for key in ("ExecStartPre", "ExecStart"):
        words = unit["Service"][key].split()
        assert words[0] == "/opt/wattbay/bin/wattbay"
        assert words[1] in commands
    options = {one for given in commands["serve"].params for one in given.opts}
    started = unit["Service"]["ExecStart"].split()
    assert {one for one in started if one.startswith("--")} <= options
    assert "2" in unit["Service"]["RestartPreventExitStatus"]


def policies() -> list[dict[str, Any]]:
    """Return the policy documents of how-to/aws-iot-core: of devices, and of the service."""
    page = (ROOT / "docs" / "how-to" / "aws-iot-core.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```text\n(\{.*?\n\})\n```", page, re.DOTALL)
    return [json.loads(block) for block in blocks]


def allowed(policy: dict[str, Any], *acts: str) -> set[str]:
    """Return what a policy lets somebody do, by the end of the names that it lists."""
    found = set()
    for statement in policy["Statement"]:
        names, resources = statement["Action"], statement["Resource"]
        named = {names} if isinstance(names, str) else set(names)
        listed = [resources] if isinstance(resources, str) else resources
        if named & set(acts):
            found |= {one.split(":", 5)[5].partition("/")[2] for one in listed}
    return found


def access_rules(kind: str) -> set[str]:
    """Return the topics of Mosquitto's rules for devices, as a policy would name them."""
    rules = (files("wattbay.adapters.mqtt") / "mosquitto" / "wattbay.acl").read_text()
    named = re.findall(rf"^pattern {kind} (\S+)$", rules, re.MULTILINE)
    return {
        one.replace("em/v1/+", "em/v1/london").replace("%u", VARIABLE).replace("#", "*")
        for one in named
    }


def test_policy_for_aws_allows_devices_what_mosquitto_does() -> None:
    devices, service = policies()
    assert allowed(devices, "iot:Publish") == access_rules("write")
    assert allowed(devices, "iot:Receive") == access_rules("read")
    assert allowed(devices, "iot:Subscribe") == access_rules("read")
    assert allowed(devices, "iot:Connect") == {VARIABLE}
    assert allowed(devices, "iot:RetainPublish") == {f"em/v1/london/{VARIABLE}/status"}
    assert "em/v1/london/*" in allowed(service, "iot:Publish")
    assert "em/v1/london/*" in allowed(service, "iot:Subscribe")
