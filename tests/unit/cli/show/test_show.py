from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.unit.cli.show.conftest import Show
from wattbay.errors import AdapterError, ConfigError

COMMANDS = ("receipt", "statement", "order", "pod", "delivery", "entry")


def test_a_run_alone_shows_what_there_is_with_commands_that_work(village: Path, show: Show) -> None:
    said = show(village)
    assert "4 homes: h01, h02, h03, h04." in said.words
    commands = re.findall(r"wattbay show (.*)", said.output)
    assert len(commands) >= 5
    for command in commands:
        answer = show(*command.split())
        assert answer.error is None, command
        assert answer.status == 0, command


def test_a_run_alone_as_json_names_its_pods(village: Path, show: Show) -> None:
    told = json.loads(show("--json", village).output)
    assert told["pods"] == ["h01", "h02", "h03", "h04"]
    assert told["start"] == "2013-06-09T23:00Z"


@pytest.mark.parametrize("page", [("receipt", "h01"), ("order", "h01"), ("delivery",)])
def test_commands_to_go_on_with_work(village: Path, show: Show, page: tuple[str, ...]) -> None:
    said = show(village, *page, "2013-06-10T00:00").output
    commands = re.findall(r"^ +wattbay show (.*)$", said, re.MULTILINE)
    assert commands
    assert all(show(*command.split()).error is None for command in commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_with_examples_even_without_a_run(show: Show, command: str) -> None:
    answer = show("nowhere", command, "--help")
    assert answer.status == 0
    assert "Example" in answer.words
    assert f"wattbay show runs/street {command}" in answer.words


def test_help_names_every_command(show: Show) -> None:
    said = show("--help").words
    assert all(f"wattbay show runs/street {command}" in said for command in COMMANDS)


@pytest.mark.parametrize("command", ["receipt h01 2013-06-10T00:00", "pod h01", "order 16"])
def test_piped_pages_are_plain_and_fit_eighty_columns(
    village: Path, show: Show, command: str
) -> None:
    said = show(village, *command.split()).output
    assert "\x1b" not in said
    lines = [line for line in said.splitlines() if "wattbay show" not in line]
    assert max(map(len, lines)) <= 80
    assert said.encode("cp1252")
    assert not re.search(r"-0\.0+ (p|£)|-£0\.0+\b", said)


def test_a_folder_that_is_missing_is_answered_with_those_that_are_there(
    village: Path, show: Show
) -> None:
    error = show(village.parent / "vilage", "pod", "h01").error
    assert isinstance(error, ConfigError)
    assert f"there is no such run folder (there is {village}" in str(error)


def test_a_folder_that_is_none_is_answered_with_what_to_do(
    tmp_path: Path, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    error = show(tmp_path / "nothing").error
    assert isinstance(error, ConfigError)
    assert "wattbay run street" in str(error)


def test_a_run_that_did_not_end_is_answered_with_how_to_end_it(
    village: Path, show: Show, tmp_path: Path
) -> None:
    shutil.copy(village / "journal.sqlite", tmp_path / "journal.sqlite")
    error = show(tmp_path).error
    assert isinstance(error, ConfigError)
    assert "--resume" in str(error)


@pytest.mark.parametrize("name", ["receipts.parquet", "tariffs.json", "orders.parquet"])
def test_a_file_that_is_torn_is_named(village: Path, show: Show, tmp_path: Path, name: str) -> None:
    torn = tmp_path / "torn"
    shutil.copytree(village, torn)
    content = (torn / name).read_bytes()
    (torn / name).write_bytes(content[: len(content) // 2])
    error = show(torn, "receipt", "h01", "2013-06-10T00:00").error
    assert isinstance(error, AdapterError)
    assert name in str(error)


@pytest.mark.parametrize("name", ["receipts.parquet", "tariffs.json", "trades.parquet"])
def test_a_file_that_is_missing_is_named(
    village: Path, show: Show, tmp_path: Path, name: str
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(village, bare)
    (bare / name).unlink()
    error = show(bare, "receipt", "h01", "2013-06-10T00:00").error
    assert isinstance(error, AdapterError)
    assert name in str(error)


@pytest.mark.parametrize("words", [("receipt", "runs/street", "h01"), ("receipt", "--help")])
def test_a_run_that_does_not_stand_first_is_answered_with_the_order(
    show: Show, words: tuple[str, ...]
) -> None:
    answer = show(*words)
    assert answer.status == 2
    assert "the run folder comes first" in answer.errors
