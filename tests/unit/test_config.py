"""Settings: what a file and the environment say, and what cannot be meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattbay.config import BrokerKind, StoreKind, read_settings
from wattbay.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    path = folder / "wattbay.toml"
    path.write_text(text)
    return path


def faults(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_settings(written(folder, text))
    return str(caught.value)


def test_defaults_need_no_file_and_listen_on_this_machine_alone() -> None:
    settings = read_settings()
    assert (settings.http.host, settings.mqtt.host) == ("127.0.0.1", "127.0.0.1")
    assert settings.mqtt.broker is BrokerKind.EMBEDDED
    assert settings.storage.journal is StoreKind.SQLITE


def test_environment_goes_before_the_file_and_a_command_s_options_before_both_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, '[http]\nport = 9000\nhost = "127.0.0.2"\n[log]\nlevel = "debug"\n')
    monkeypatch.setenv("WATTBAY_HTTP__PORT", "9100")
    settings = read_settings(path, log={"level": "error"})
    assert (settings.http.port, settings.http.host) == (9100, "127.0.0.2")
    assert settings.log.level == "error"


def test_settings_cannot_be_changed() -> None:
    settings = read_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.http.port = 1


def test_everything_that_is_wrong_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    told = faults(tmp_path, '[http]\nport = 70_000\nprot = 1\n[mqtt]\nclient_id = "a b"\n')
    assert "http.port: Input should be less than or equal to 65535; got 70000" in told
    assert "http.prot: there is no such setting" in told
    assert "mqtt.client_id" in told


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('[http]\nhost = "0.0.0.0"', "passwords would cross the network in the clear"),
        ('[mqtt]\nhost = "0.0.0.0"', "lets in everybody who reaches 0.0.0.0"),
        ('[storage]\njournal = "postgresql"', "nothing says where it is"),
        ('[mqtt]\nbroker = "aws-iot"\nhost = "a.iot"', "lets in certificates alone"),
        ('[http]\ncertificate = "server.pem"', "a certificate and its key come together"),
        (
            '[backup]\nfolder = "b"\n[storage]\njournal = "postgresql"\ndsn = "host=db"',
            "backed up there, by pg_dump",
        ),
        (
            '[street]\nscenario = "live-street"\n[community]\nfounding = "c.toml"',
            "founds its own community",
        ),
        ("[storage]\nlease_ttl_s = 0.01", "lease_ttl_s"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, what: str) -> None:
    assert what in faults(tmp_path, text)


def test_http_beyond_this_machine_is_allowed_with_tls_or_behind_a_proxy(tmp_path: Path) -> None:
    behind = read_settings(written(tmp_path, '[http]\nhost = "0.0.0.0"\nbehind_proxy = true'))
    assert behind.http.host == "0.0.0.0"  # noqa: S104 - what is tested
    text = '[http]\nhost = "0.0.0.0"\ncertificate = "s.pem"\nkey = "s.key"'
    assert read_settings(written(tmp_path, text)).http.key == Path("s.key")


def test_file_that_cannot_be_read_and_what_is_no_toml_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings(tmp_path / "none.toml")
    assert "is no TOML" in faults(tmp_path, "[http\n")
