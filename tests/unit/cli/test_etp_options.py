"""Options of nodes that make no sense: told in words, before anything is opened or written."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from wattbay.adapters.etp.key_file import draw_keys
from wattbay.cli import app
from wattbay.errors import ConfigError

CALLED = ("--battery", "101@127.0.0.1:9", "--no-discovery")


def told(*words: str) -> list[str]:
    """Return what is said of a command; nothing is to have come of it."""
    done = CliRunner().invoke(app, ["etp", *words])
    assert isinstance(done.exception, ConfigError), done.output
    return [str(fault) for fault in done.exception.faults]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


NONSENSE: dict[str, tuple[str, ...]] = {
    "--seconds: is nan": ("demo", "--seconds", "nan"),
    "--seconds: is 0.0": ("demo", "--seconds", "0"),
    "--seconds: is -3.0": ("demo", "--seconds", "-3"),
    "--seconds: is inf": ("demo", "--seconds", "inf"),
    "--gateway-port: is 70,000": ("demo", "--gateway-port", "70000"),
    "--port: is 65,536": ("bess", "101", "--plain", "--port", "65536"),
    "--port: is -1": ("gateway", "--bidders", "--port", "-1"),
    "DEVICE: is 0": ("bess", "0", "--plain"),
    "DEVICE: is -1": ("aggregator", "--plain", *CALLED, "--", "-1"),
    "--battery-port: is 65,534 (0 to 65,533)": (
        "gateway", "--plain", "--battery-port", "65534"
    ),
    "--pause-s: is nan": ("aggregator", "201", "--plain", *CALLED, "--pause-s", "nan"),
    "--pause-s: is -1.0": ("aggregator", "201", "--plain", *CALLED, "--pause-s", "-1"),
    "--rounds: is 0": ("aggregator", "201", "--plain", *CALLED, "--rounds", "0"),
    "--need-kwh: is nan": ("aggregator", "201", "--plain", *CALLED, "--need-kwh", "nan"),
    "--strategy: bold is not known": ("aggregator", "201", "--plain", "--strategy", "bold"),
    "--battery: 'x' is no battery": ("aggregator", "201", "--plain", "--battery", "x"),
    "--no-discovery: it looks for no batteries": ("aggregator", "201", "--plain", CALLED[-1]),
    "--keys: means nothing with --bidders": ("gateway", "--bidders", "--keys", "keys"),
    "--plain: means nothing with --bidders": ("gateway", "--bidders", "--plain"),
    "--plain: and --keys exclude each other": ("bess", "101", "--plain", "--keys", "some.toml"),
    "some.toml: cannot be read": ("bess", "101", "--keys", "some.toml"),
    "101.toml: cannot be read": ("gateway", "--keys", "."),
    "fleet.toml: cannot be read": ("demo", "--fleet", "fleet.toml"),
}  # fmt: skip


@pytest.mark.parametrize("words", NONSENSE)
def test_option_that_makes_no_sense_is_named_and_nothing_is_written(
    folder: Path, words: str
) -> None:
    (fault,) = told(*NONSENSE[words])
    assert fault.startswith(words)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", [("bess", "101"), ("aggregator", "201"), ("gateway",)])
def test_who_says_neither_keys_nor_plain_is_told_what_to_do(command: tuple[str, ...]) -> None:
    (fault,) = told(*command)
    assert "wattbay etp keys draws one" in fault
    assert "--plain" in fault


@pytest.mark.parametrize("command", [("bess", "102"), ("aggregator", "201", *CALLED)])
def test_keys_of_another_device_are_not_spoken_with(folder: Path, command: tuple[str, ...]) -> None:
    draw_keys(folder / "mine.toml", 101)
    (fault,) = told(*command, "--keys", "mine.toml")
    assert fault == f"--keys: they are of device 101, and not of {command[1]}"


def test_keys_of_another_battery_in_a_folder_of_them_are_named(folder: Path) -> None:
    for device in (101, 102, 103):
        draw_keys(folder / f"{device}.toml", 103)
    assert [fault.partition(":")[0] for fault in told("gateway", "--keys", str(folder))] == [
        str(folder / "101.toml"), str(folder / "102.toml"),
    ]  # fmt: skip
