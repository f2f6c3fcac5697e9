"""`wattbay operator` and `device` as people type them, against a street that is at work."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients import Client
from tests.deployment import certificates
from tests.servers import until
from tests.serving import Service, serving

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "add-a-device.md"
SECTION = "## On the street, from a key to a receipt"
WATTBAY = str(Path(sys.executable).with_name("wattbay"))
NEW_PASSWORD = "a long sentence that nobody guesses"  # noqa: S105 - of a test


def environment(folder: Path) -> dict[str, str]:
    found = {**os.environ, "XDG_CONFIG_HOME": str(folder / "config"), "NO_COLOR": "1"}
    return {**found, "COLUMNS": "100", "TERM": "dumb"}


def wattbay(folder: Path, line: str, said: str = "") -> str:
    """Return what a command prints; it must succeed."""
    done = run(folder, line, said)
    assert done.returncode == 0, f"$ wattbay {line}\n{done.stdout}{done.stderr}"
    return done.stdout


def refused(folder: Path, line: str) -> str:
    """Return what a command that must not succeed says is wrong."""
    done = run(folder, line)
    assert done.returncode == 1, f"$ wattbay {line}\n{done.stdout}{done.stderr}"
    return done.stderr


def run(folder: Path, line: str, said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [WATTBAY, *shlex.split(line)], cwd=folder, env=environment(folder), input=said, text=True,
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip


@contextmanager
def at_work(folder: Path, line: str) -> Iterator[None]:
    """Let a command work until the end of the block; it ends well when it is told to."""
    with (folder / "work.txt").open("w") as out:
        working = subprocess.Popen(
            [WATTBAY, *shlex.split(line)], cwd=folder, env=environment(folder), stdout=out,
            stderr=out,
        )  # fmt: skip
        try:
            yield
        finally:
            working.send_signal(signal.SIGINT)
            assert working.wait(30) == 0, (folder / "work.txt").read_text()


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("street")
    backups = {"WATTBAY_BACKUP__FOLDER": str(folder / "backups")}
    with serving(folder, "--folder", "kept", "--speed", "600", **backups) as service:
        (folder / "password").write_text(service.admin_password, encoding="utf-8")
        (folder / "new-password").write_text(NEW_PASSWORD, encoding="utf-8")
        passwords = "--password-file password --new-password-file new-password"
        said = wattbay(folder, f"operator sign-in {service.url} {passwords}")
        assert "signed in as admin" in said
        yield service


def lines_of_the_page() -> list[str]:
    """Return the commands of the how-to's own way from a key to a receipt."""
    text = PAGE.read_text(encoding="utf-8").partition(SECTION)[2].partition("\n## ")[0]
    blocks = [block.partition("```")[0] for block in text.split("```sh\n")[1:]]
    return [line.removeprefix("wattbay ") for block in blocks for line in block.splitlines()]


def test_way_of_the_how_to_leads_from_a_key_to_a_receipt(street: Service) -> None:
    folder = street.folder
    serve, sign_in, *lines = lines_of_the_page()
    assert serve == "serve --speed 600"
    passwords = "--password-file new-password"
    address = sign_in.replace("http://127.0.0.1:8080", street.url)
    assert "signed in as admin" in wattbay(folder, f"{address} {passwords}")
    kept = folder / "config" / "wattbay" / "operator.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    bot = next(line for line in lines if line.startswith("bot"))
    before, after = lines[: lines.index(bot)], lines[lines.index(bot) + 1 :]
    told = [wattbay(folder, line) for line in before]
    assert "ready" in told[0]
    assert "h99 joins at" in told[3]
    assert "one-time password" in told[4]
    with at_work(folder, f"{bot} --broker 127.0.0.1:{street.mqtt_port}"):
        until(
            lambda: "measured" in wattbay(folder, after[-1]), "a receipt says that it is measured"
        )
        told = [wattbay(folder, line) for line in after]
    assert "m99" in told[0]
    receipts = json.loads(wattbay(folder, "operator receipts h99 --json"))
    delivery = next(one["delivery"] for one in receipts if one["quality"] == "measured")
    assert "Together the party" in wattbay(folder, f"operator receipts h99 {delivery}")


def test_devices_are_enrolled_rotated_exchanged_and_revoked(street: Service) -> None:
    folder = street.folder
    to = f"--to {street.url} --key-file config/wattbay/operator.json"
    broker = f"--broker 127.0.0.1:{street.mqtt_port}"
    for name in ("m98", "n98", "b98"):
        wattbay(folder, f"device keys {name}.pem")
    said = wattbay(folder, f"device register m98.pem street m98 --to {street.url}")
    assert "wattbay operator join --pod POD --party PARTY --request m98.json" in said
    wattbay(folder, "operator join --pod h98 --party p98 --request m98.json --credit-limit 80")
    battery = f"device register b98.pem street b98 --kind battery --pod h98 {to}"
    assert "b98 is known as a battery behind h98" in wattbay(folder, battery)
    assert "b98" in refused(folder, battery)

    lines = "".join(f'{{"import": {at}, "export": 0}}\n' for at in range(3))
    send = f"device run %s street m98 {broker} --market-clock"
    assert "3 readings are acknowledged, 0 wait" in wattbay(folder, send % "m98.pem", lines)
    rotate = f"device rotate m98.pem street m98 --new m98-2.pem {to}"
    assert "m98 signs with m98-2.pem from now on" in wattbay(folder, rotate)
    assert "another key is known" in refused(folder, rotate)
    line = '{"import": 3, "export": 0}\n'
    assert "1 readings are acknowledged, 0 wait" in wattbay(folder, send % "m98-2.pem", line)

    exchange = f"device register n98.pem street n98 --pod h98 --final-registers 3,0 {to}"
    assert "n98 is the meter of h98 from" in wattbay(folder, exchange)
    revoke = f"device revoke b98 --reason 'its key was lost' {to}"
    assert "b98 is believed nothing more" in wattbay(folder, revoke)
    assert "revoked" in refused(folder, f"device rotate b98.pem street b98 {to}")
    health = {one["device"]: one for one in json.loads(wattbay(folder, "operator devices --json"))}
    assert health["n98"]["pod"] == "h98"
    assert "b98" not in health or health["b98"]["status"] != "ok"


def test_household_enrols_its_own_device_and_no_other(street: Service) -> None:
    folder = street.folder
    wattbay(folder, "device keys m97.pem")
    wattbay(folder, "device register m97.pem street m97")
    wattbay(folder, "operator join --pod h97 --party p97 --request m97.json")
    made = json.loads(wattbay(folder, "operator login add p97 --party p97 --json"))
    (folder / "once").write_text(made["one_time_password"], encoding="utf-8")
    passwords = "--password-file once --new-password-file new-password"
    wattbay(folder, f"operator key p97 {passwords}")
    assert (folder / "p97.key").stat().st_mode & 0o777 == 0o600
    assert "is there already" in refused(folder, f"operator key p97 {passwords}")
    wattbay(folder, "device keys d97.pem")
    enrol = f"device register d97.pem street d97 --kind home-display --to {street.url}"
    assert "d97 is known" in wattbay(folder, f"{enrol} --pod h97 --key-file p97.key")
    wattbay(folder, "device keys e97.pem")
    other = enrol.replace("d97", "e97")
    assert "h01" in refused(folder, f"{other} --pod h01 --key-file p97.key")


def test_members_move_switch_leave_and_their_money_is_booked_once(street: Service) -> None:
    folder = street.folder
    wattbay(folder, "device keys m96.pem")
    wattbay(folder, "device register m96.pem street m96")
    wattbay(folder, "operator join --pod h96 --party p96 --request m96.json")
    deposit = "operator deposit h96 50.00 --once bank-1"
    assert wattbay(folder, deposit) == wattbay(folder, deposit)
    assert "another request" in refused(folder, "operator deposit h96 60.00 --once bank-1")
    assert "2.50 paid out" in wattbay(folder, "operator withdraw h96 2.50")
    assert "80.00" in wattbay(folder, "operator credit p96 80")
    assert "tariff flat from" in wattbay(folder, "operator switch h96 --tariff flat")
    early = refused(folder, "operator switch h96 --tariff flat --since 2013-06-14T00:00Z")
    assert "the earliest is" in early
    keep = "operator person p96 --keep name='A. Household'"
    assert "A. Household" in wattbay(folder, keep)
    assert "Elm Street" in wattbay(folder, "operator person p96 --keep street='Elm Street 7'")
    kept = json.loads(wattbay(folder, "operator person p96 --json"))
    assert kept == {"name": "A. Household", "street": "Elm Street 7"}
    assert "nothing is kept" in wattbay(folder, "operator person p96 --erase")
    assert "nothing is kept" in wattbay(folder, "operator person p96")
    assert "p95 has h96 from" in wattbay(folder, "operator move h96 --party p95")
    assert "no part in deliveries" in wattbay(folder, "operator leave h96")
    assert "leaves already" in refused(folder, "operator leave h96")
    tariffs = json.loads(wattbay(folder, "operator tariff --json"))
    tax = [{"since": "2010-12-31T23:00Z", "ppm": 50_000}]
    green = {**tariffs[0], "tariff": "green", "energy_nano_per_wh": 80_000, "tax": tax}
    (folder / "green.json").write_text(json.dumps(green), encoding="utf-8")
    assert "tariff green is published" in wattbay(folder, "operator tariff green.json")
    assert "green" in refused(folder, "operator tariff green.json")
    assert "green" in wattbay(folder, "operator tariff")


def test_files_are_whole_and_not_overwritten(street: Service) -> None:
    folder = street.folder
    for sheet in ("allocation", "imbalances", "exposure", "missing", "ledger", "tax"):
        month = "--month 2013-06" if sheet == "tax" else ""
        assert "bytes" in wattbay(folder, f"operator files {sheet} {month}")
        assert (folder / f"{sheet}.csv").read_text(encoding="utf-8").count(",") > 3
    assert "is there already" in refused(folder, "operator files exposure")
    wattbay(folder, "operator files exposure --json --out now.json")
    assert json.loads((folder / "now.json").read_text(encoding="utf-8"))


def test_backup_made_at_work_is_restored_with_its_keys_and_goes_on(
    street: Service, tmp_path: Path
) -> None:
    folder = street.folder
    made = json.loads(wattbay(folder, "operator backup --json"))
    said = wattbay(folder, f"backup check backups/{made['name']}")
    assert "every hash and decision holds" in said
    wattbay(folder, f"backup restore backups/{made['name']} {tmp_path / 'restored'}")
    with serving(tmp_path, "--folder", "restored", "--speed", "600") as service:
        kept = json.loads((folder / "config/wattbay/operator.json").read_text(encoding="utf-8"))
        again = {**kept, "url": service.url}
        (tmp_path / "operator.json").write_text(json.dumps(again), encoding="utf-8")

        def told() -> int:
            line = "operator status --file operator.json --json"
            return int(json.loads(run(tmp_path, line).stdout)["entry"])

        until(lambda: told() > made["entries"], "it goes on after the backup's last entry")


def test_signing_out_ends_the_key(street: Service) -> None:
    folder = street.folder
    passwords = "--password-file new-password"
    wattbay(folder, f"operator sign-in {street.url} {passwords} --file second.json")
    wattbay(folder, "operator status --file second.json")
    key = (folder / "second.json").read_text(encoding="utf-8")
    wattbay(folder, "operator sign-out --file second.json")
    assert not (folder / "second.json").exists()
    (folder / "second.json").write_text(key, encoding="utf-8")
    assert "HTTP 401" in refused(folder, "operator status --file second.json")


def test_key_of_an_earlier_service_is_no_hindrance_to_signing_in(street: Service) -> None:
    folder = street.folder
    sign_in = f"operator sign-in {street.url} --password-file new-password --file earlier.json"
    wattbay(folder, sign_in)
    kept = json.loads((folder / "earlier.json").read_text(encoding="utf-8"))
    kept["key"] = "wb_000000000000_of-another-service"
    (folder / "earlier.json").write_text(json.dumps(kept), encoding="utf-8")
    assert "signed in" in wattbay(folder, sign_in)


def test_alerts_are_closed_with_a_note(street: Service) -> None:
    folder = street.folder
    # Another device under a meter's name: what it signs is not believed, and told.
    wattbay(folder, "device keys stranger.pem")
    neighbour = Client(street.mqtt_port, None, "em/v1/street/market/#")
    broker = f"--broker 127.0.0.1:{street.mqtt_port} --market-clock --wait 2"
    run(folder, f"device run stranger.pem street h02-m1 {broker}", '{"import":1,"export":1}')
    until(
        lambda: "bad-signature" in wattbay(folder, "operator alerts --device h02-m1"), "it is told"
    )
    # What is odd in a household is not for its neighbours.
    said = len(neighbour.heard)
    until(lambda: len(neighbour.heard) > said, "the market goes on")
    neighbour.close()
    assert [topic for topic, _ in neighbour.heard if topic.endswith("/alert")] == []
    (alert,) = json.loads(wattbay(folder, "operator alerts --device h02-m1 --json"))
    number = alert["number"]
    assert "is acknowledged" in wattbay(folder, f"operator alerts --acknowledge {number}")
    assert "is closed" in wattbay(folder, f"operator alerts --close {number} --note 'a stranger'")
    assert "nothing is odd" in wattbay(folder, "operator alerts --device h02-m1")
    assert "closed" in wattbay(folder, "operator alerts --device h02-m1 --all")


def test_operator_comes_in_by_tls_and_trusts_the_named_authority_alone(tmp_path: Path) -> None:
    certificates(tmp_path / "pki")
    own = {
        "WATTBAY_HTTP__CERTIFICATE": str(tmp_path / "pki" / "server.pem"),
        "WATTBAY_HTTP__KEY": str(tmp_path / "pki" / "server.key"),
    }
    with serving(tmp_path, "--folder", "kept", "--speed", "600", **own) as service:
        assert service.url.startswith("https://")
        (tmp_path / "password").write_text(service.admin_password, encoding="utf-8")
        (tmp_path / "new-password").write_text(NEW_PASSWORD, encoding="utf-8")
        passwords = "--password-file password --new-password-file new-password"
        sign_in = f"operator sign-in {service.url} {passwords}"
        assert "certificate" in refused(tmp_path, sign_in)
        wattbay(tmp_path, f"{sign_in} --authority pki/authority.pem")
        assert "street at https://" in wattbay(tmp_path, "operator status")
        device = "register b1.pem street b1 --kind battery --pod h01"
        wattbay(tmp_path, "device keys b1.pem")
        to = f"--to {service.url} --key-file config/wattbay/operator.json"
        assert "certificate" in refused(tmp_path, f"device {device} {to}")
        trusting = "--service-authority pki/authority.pem"
        assert "b1 is known" in wattbay(tmp_path, f"device {device} {to} {trusting}")
