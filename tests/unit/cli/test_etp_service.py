"""Options of a battery that sells into a community, and the request of its key to be known."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from wattbay.adapters.etp.envelope import Key, Scheme, key_of
from wattbay.adapters.etp.key_file import draw_keys, read_keys
from wattbay.adapters.mqtt import enrolment
from wattbay.adapters.mqtt.keys import Algorithm, write_key
from wattbay.cli import app
from wattbay.cli.device_enrol import Place as Where
from wattbay.cli.device_enrol import Wish, made, register
from wattbay.cli.etp_service import Service, check_options
from wattbay.errors import ConfigError

THERE = Service("http://127.0.0.1:8080", None, None, "h07", "immediate")
UNFIT = {"--bidder": False, "--speed": False}


def some_keys(folder: Path) -> Path:
    path = folder / "battery.toml"
    draw_keys(path, 101)
    return path


def faults(found: pytest.ExceptionInfo[ConfigError]) -> list[str]:
    return [fault.where for fault in found.value.faults]


# --- options ---------------------------------------------------------------------------------


def test_options_that_make_sense_are_taken(tmp_path: Path) -> None:
    keys = read_keys(some_keys(tmp_path))
    assert check_options(keys, 101, THERE, UNFIT) is keys


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    keys = read_keys(some_keys(tmp_path))
    shared = keys._replace(peers={201: Key(Scheme.HMAC, b"s" * 32)})
    with pytest.raises(ConfigError) as found:
        check_options(
            shared, 102, THERE._replace(pod=None, product=None), {**UNFIT, "--speed": True}
        )
    assert faults(found) == ["--speed", "--pod", "--product", "--keys", "peer 201"]


def test_nothing_is_brought_unsigned() -> None:
    with pytest.raises(ConfigError) as found:
        check_options(None, 101, THERE, UNFIT)
    assert faults(found) == ["--plain"]


def test_command_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATTBAY_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    line = ["etp", "bess", "101", "--keys", str(some_keys(tmp_path)), "--no-discovery"]
    line += ["--service", "http://127.0.0.1:9"]
    told = CliRunner().invoke(app, [*line, "--pod", "h07", "--product", "immediate"])
    assert isinstance(told.exception, ConfigError)
    assert [fault.where for fault in told.exception.faults] == ["--api-key-file"]
    assert not (tmp_path / "bess-101").exists()


# --- its key ---------------------------------------------------------------------------------


def test_key_that_was_drawn_for_the_protocol_asks_to_be_known(tmp_path: Path) -> None:
    path, out = some_keys(tmp_path), tmp_path / "request.json"
    register(Wish(path, "town", "etp-101", "battery"), None, Where(), out)
    asked = enrolment.decode(out.read_bytes())
    assert (asked.device, asked.kind, asked.algorithm) == ("etp-101", "battery", "ed25519")
    assert asked.public_key == key_of(read_keys(path).me).key.hex()
    assert b"secret" not in msgspec.json.encode(asked)


def test_key_of_another_device_asks_for_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as found:
        made(Wish(some_keys(tmp_path), "town", "etp-102", "battery"))
    assert found.value.faults[0].remedy == "etp-101"


def test_shared_secret_asks_for_nothing(tmp_path: Path) -> None:
    path = some_keys(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("ed25519", "hmac"), encoding="utf-8")
    with pytest.raises(ConfigError, match="shared secret"):
        made(Wish(path, "town", "etp-101", "battery"))


def test_key_in_pem_asks_as_before(tmp_path: Path) -> None:
    path = tmp_path / "m07.pem"
    signer = write_key(path, Algorithm.ED25519)
    asked = made(Wish(path, "town", "m07", "meter"))
    assert asked.public_key == signer.public_key.hex()
