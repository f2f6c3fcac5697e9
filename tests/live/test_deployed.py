"""What how-to/deploy says, done: our files with other paths, a real broker and database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.deployment import DEPLOY, certificates, run, shipped, tls_of
from tests.fleet import Home, Keyed, administrator, fleet_of, join, now_of
from tests.servers import mosquitto, postgres, until
from tests.serving import Service
from wattbay.adapters.mqtt.keys import read_key
from wattbay.ids import CommunityId
from wattbay.periods import MINUTE, Instant, to_text

pytestmark = [pytest.mark.mosquitto, pytest.mark.postgres]

ELM = Home(supplier="supplier", community=CommunityId("elm-street"))
QUARTER_US = 15 * MINUTE


def settings_file(folder: Path, port: int, conninfo: str) -> Path:
    """Write deploy/wattbay.toml with the addresses and paths of this machine."""
    (folder / "dsn").write_text(conninfo, encoding="utf-8")
    told = (DEPLOY / "wattbay.toml").read_text(encoding="utf-8")
    for shipped_text, ours in {
        "/etc/wattbay/community.toml": str(DEPLOY / "community.toml"),
        "/var/lib/wattbay": str(folder / "kept"),
        "/run/secrets/wattbay-dsn": str(folder / "dsn"),
        '"mosquitto"': '"127.0.0.1"',
        "port = 8883": f"port = {port}",
        "/etc/wattbay/pki": str(folder / "pki"),
        '"0.0.0.0"': '"127.0.0.1"',
    }.items():
        assert shipped_text in told, shipped_text
        told = told.replace(shipped_text, ours)
    path = folder / "wattbay.toml"
    path.write_text(told, encoding="utf-8")
    return path


def stored(service: Service, who: Keyed, device: str) -> list[str]:
    """Return when the readings of a device were measured."""
    now = now_of(service, who)
    path = (
        f"/api/v1/devices/{device}/readings"
        f"?since={to_text(Instant(now - 30 * MINUTE))}&until={to_text(now)}"
    )
    status, told = service.call(path, headers=who.headers)
    assert status == 200, told
    return [one["measured_at"] for one in told["items"]]


def test_deployed_service_stores_what_a_device_enrolled_by_hand_measured(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    certificates(pki, "m-anna")
    run("device", "keys", str(tmp_path / "m-anna.pem"))
    request = tmp_path / "m-anna.json"
    key = str(tmp_path / "m-anna.pem")
    run("device", "register", key, "elm-street", "m-anna", "--out", str(request))
    with mosquitto(shipped(pki)) as (_, port, _), postgres() as (_, conninfo):
        config = settings_file(tmp_path, port, conninfo)
        run("config", "check", str(config))
        own = {"WATTBAY_MQTT__PORT": str(port)}
        service = Service(["--config", str(config), "--wait"], tmp_path, own)
        service.start()
        try:
            admin = administrator(service)
            status, _ = service.call(
                "/api/v1/session", {"login": "admin", "password": service.admin_password}
            )
            assert status == 401
            member = join(
                service, admin, "anna", home=ELM, isp_us=QUARTER_US,
                request=json.loads(request.read_bytes()), signer=read_key(tmp_path / "m-anna.pem"),
            )  # fmt: skip
            until(lambda: service.call("/readyz")[0] == 200, "it is ready")
            with fleet_of(
                service, [member], tmp_path, port, tls=tls_of(pki, "m-anna"),
                community=ELM.community,
            ) as fleet:  # fmt: skip
                measured = Instant(now_of(service, admin) // MINUTE * MINUTE)
                fleet.meters[0].measure(measured)
                until(lambda: not fleet.waiting, "it is acknowledged")
                # Its pod begins with the next quarter-hour: till then the operator sees it.
                assert stored(service, admin, "m-anna") == [to_text(measured)]
                assert service.stop() == 0
                service.start()
                assert stored(service, admin, "m-anna") == [to_text(measured)]
                fleet.meters[0].measure(Instant(measured + 1_000_000))
                until(lambda: not fleet.waiting, "the next is acknowledged")
                assert len(stored(service, admin, "m-anna")) == 2
            assert not (tmp_path / "kept" / "journal.sqlite").exists()
        finally:
            service.kill()
