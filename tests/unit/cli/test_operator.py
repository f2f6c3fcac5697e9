"""What the operator's commands make of what is typed, of files, and of a service's answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from wattbay.adapters.rest.client import Json, Refused, RestClient, checked_url, path_of
from wattbay.cli import app
from wattbay.cli.operator_access import Entrance, entrance, kept_at, password_of, write_secret
from wattbay.cli.operator_work import Community, nano, next_boundary
from wattbay.errors import AdapterError, ConfigError

Answers = dict[tuple[str, str], tuple[int, dict[str, str], bytes]]
"""By method and path: status, headers and body."""


@contextmanager
def answering(answers: Answers) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Answer on a port of the loopback; yield its address, and what was wanted with which key."""
    wanted: list[tuple[str, str, str]] = []

    class Answering(BaseHTTPRequestHandler):
        def answer(self) -> None:
            wanted.append((self.command, self.path, self.headers.get("X-API-Key", "")))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, body = answers[self.command, self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library has it
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", wanted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def problem(**told: object) -> bytes:
    return json.dumps({"type": "urn:wattbay:problem:wrong", "title": "Wrong", **told}).encode()


# --- what is typed ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "amount_nano"),
    [("50", 50_000_000_000), ("0.01", 10_000_000), ("0.000000001", 1), ("0", 0)],
)
def test_money_is_read_exactly(text: str, amount_nano: int) -> None:
    assert nano(text) == amount_nano


@pytest.mark.parametrize(
    "text", ["", "five", "-1", "nan", "inf", "0.0000000001", "99999999999999", "1,50"]
)
def test_what_is_no_amount_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="is no amount"):
        nano(text)


@pytest.mark.parametrize(
    ("now", "boundary"),
    [("2026-05-01T12:00Z", "2026-05-01T12:30Z"), ("2026-05-01T12:29:59.9Z", "2026-05-01T12:30Z")],
)
def test_next_delivery_begins_after_now(now: str, boundary: str) -> None:
    known = Community(
        community="town", currency="GBP", isp_us=1_800_000_000, zone="Europe/London", now=now,
        now_local=now, entry=1,
    )  # fmt: skip
    assert next_boundary(known) == boundary


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://market.example", id="in the clear"),
        pytest.param("ftp://127.0.0.1", id="another protocol"),
        pytest.param("127.0.0.1:8080", id="no protocol"),
        pytest.param("http://", id="nobody"),
        pytest.param("http://127.0.0.1:80800", id="no port"),
        pytest.param("http://127.0.0.1/api/v1", id="a path"),
    ],
)
def test_address_that_is_none_or_tells_secrets_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="URL"):
        checked_url(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:80/", "http://[::1]:8080", "https://a.example"])
def test_address_of_a_service_is_taken(url: str) -> None:
    assert checked_url(url) == url.rstrip("/")


def test_name_with_a_slash_stays_one_part_of_a_path() -> None:
    assert path_of("pods", "../logins?x=1") == "/api/v1/pods/..%2Flogins%3Fx%3D1"


# --- files -----------------------------------------------------------------------------------


def test_key_is_kept_below_the_users_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere")
    assert kept_at(None) == Path("/somewhere/wattbay/operator.json")
    assert kept_at(Path("other.json")) == Path("other.json")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert kept_at(None) == Path.home() / ".config" / "wattbay" / "operator.json"


def test_who_has_not_signed_in_is_told_how(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nobody has signed in here"):
        entrance(tmp_path / "operator.json")
    (tmp_path / "operator.json").write_text('{"url": 5}', encoding="utf-8")
    with pytest.raises(ConfigError, match="holds no key"):
        entrance(tmp_path / "operator.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        entrance(tmp_path)


def test_secret_is_for_its_owner_alone_and_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "p07.key"
    path.write_text("open to all", encoding="utf-8")
    path.chmod(0o644)
    write_secret(path, b"secret")
    assert path.read_bytes() == b"secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["p07.key"]


def test_password_of_a_file_is_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("a long sentence \nand more\n", encoding="utf-8")
    assert password_of(path, "Password") == "a long sentence "
    path.write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds no password"):
        password_of(path, "Password")
    with pytest.raises(ConfigError, match="cannot be read"):
        password_of(tmp_path / "nowhere", "Password")


# --- answers of a service --------------------------------------------------------------------


def test_refusal_is_told_in_words_with_what_would_be_right() -> None:
    told = problem(
        detail="2 things are wrong", entry=12, request_id="r1",
        errors=[{"pointer": "/pod", "detail": "an identifier"}],
    )  # fmt: skip
    with (
        answering({("POST", "/api/v1/pods"): (409, {}, told)}) as (url, _),
        pytest.raises(Refused) as caught,
    ):
        RestClient(url).post(path_of("pods"), {}, Json)
    assert caught.value.kind == "wrong"
    words = "2 things are wrong\n  /pod: an identifier (HTTP 409, entry 12, request r1)"
    assert str(caught.value) == words


def test_answer_that_is_no_problem_is_told_by_its_status() -> None:
    with (
        answering({("GET", "/api/v1/pods"): (502, {}, b"<html>")}) as (url, _),
        pytest.raises(Refused, match=r"Bad Gateway \(HTTP 502\)"),
    ):
        RestClient(url).get(path_of("pods"), Json)


def test_key_does_not_follow_a_redirection() -> None:
    with answering({("GET", "/api/v1/pods"): (200, {}, b"{}")}) as (elsewhere, wanted):
        away = {"Location": f"{elsewhere}/api/v1/pods"}
        with (
            answering({("GET", "/api/v1/pods"): (302, away, b"")}) as (url, _),
            pytest.raises(Refused, match="HTTP 302"),
        ):
            RestClient(url, key="wb_1_secret").get(path_of("pods"), Json)
        assert wanted == []


def test_lists_are_followed_to_their_end_or_as_far_as_wanted() -> None:
    first = json.dumps({"items": [{"a": 1}, {"a": 2}], "next": "/api/v1/pods?cursor=x"}).encode()
    second = json.dumps({"items": [{"a": 3}], "next": None}).encode()
    answers: Answers = {
        ("GET", "/api/v1/pods"): (200, {}, first),
        ("GET", "/api/v1/pods?cursor=x"): (200, {}, second),
    }
    with answering(answers) as (url, wanted):
        client = RestClient(url, key="k")
        assert [one["a"] for one in client.items(path_of("pods"), Json)] == [1, 2, 3]
        assert [one["a"] for one in client.items(path_of("pods"), Json, most=1)] == [1]
    assert {key for _, _, key in wanted} == {"k"}


def test_service_that_is_not_there_or_says_something_else_is_told(tmp_path: Path) -> None:
    with (
        answering({("GET", "/api/v1/pods"): (200, {}, b"hello")}) as (url, _),
        pytest.raises(AdapterError, match="otherwise than agreed"),
    ):
        RestClient(url).get(path_of("pods"), Json)
    with pytest.raises(AdapterError, match="does not answer"):
        RestClient(url).get(path_of("pods"), Json)
    with pytest.raises(AdapterError, match="does not answer"):
        RestClient(url).save(path_of("pods"), tmp_path / "pods.csv")
    assert list(tmp_path.iterdir()) == []


def test_file_that_broke_off_does_not_come_to_stand(tmp_path: Path) -> None:
    short = {"Content-Length": "100"}
    answers: Answers = {("GET", "/api/v1/files/ledger"): (200, short, b"number,entry")}
    with answering(answers) as (url, _), pytest.raises(AdapterError, match="broke off"):
        RestClient(url, wait_s=1.0).save(path_of("files", "ledger"), tmp_path / "ledger.csv")
    assert list(tmp_path.iterdir()) == []


# --- commands --------------------------------------------------------------------------------


def test_joining_names_everything_that_nothing_here_tells(tmp_path: Path) -> None:
    nothing = json.dumps({"items": [], "next": None}).encode()
    now = {
        "community": "town", "currency": "GBP", "isp_us": 900_000_000, "zone": "Europe/London",
        "now": "2026-05-01T12:00Z", "now_local": "2026-05-01T13:00:00+01:00", "entry": 3,
    }  # fmt: skip
    answers: Answers = {
        ("GET", "/api/v1/community"): (200, {}, json.dumps(now).encode()),
        ("GET", "/api/v1/pods"): (200, {}, nothing),
        ("GET", "/api/v1/parties"): (200, {}, nothing),
        ("GET", "/api/v1/tariffs"): (200, {}, b"[]"),
    }
    request = tmp_path / "m07.json"
    request.write_text("{}", encoding="utf-8")
    with answering(answers) as (url, _):
        kept = Entrance(url=url, login="admin", key="wb_1_secret")
        file = tmp_path / "operator.json"
        file.write_text(
            json.dumps({"url": kept.url, "login": kept.login, "key": kept.key}), encoding="utf-8"
        )
        line = ["operator", "join", "--pod", "h07", "--party", "p07", "--request", str(request)]
        done = CliRunner().invoke(app, [*line, "--file", str(file)])
    assert isinstance(done.exception, ConfigError)
    told = [fault.where for fault in done.exception.faults]
    assert told == ["--zone", "--supplier", "--brp", "--tariff"]


def test_request_that_is_none_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    line = ["operator", "join", "--pod", "h07", "--party", "p07", "--request"]
    done = CliRunner().invoke(app, [*line, str(tmp_path / "nowhere.json")])
    assert isinstance(done.exception, ConfigError)
    assert "wattbay device register writes it" in str(done.exception)
    (tmp_path / "m07.json").write_text("[]", encoding="utf-8")
    done = CliRunner().invoke(app, [*line, str(tmp_path / "m07.json")])
    assert isinstance(done.exception, ConfigError)
    assert "is no request" in str(done.exception)


def test_switching_nothing_and_taxing_no_month_are_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["operator", "switch", "h07"])
    assert isinstance(done.exception, ConfigError)
    assert "nothing is to be switched" in str(done.exception)
    done = CliRunner().invoke(app, ["operator", "files", "tax", "--out", str(tmp_path / "t.csv")])
    assert isinstance(done.exception, ConfigError)
    assert "--month" in str(done.exception)
