"""The REST interface over real sockets: uvicorn, a journal and records on disk, a real browser."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from playwright.sync_api import sync_playwright

from tests.api_node import JULY
from tests.servers import (
    Account,
    Server,
    folder_of,
    free_port,
    is_open,
    program,
)
from wattbay.kernel.journal import SqliteJournal
from wattbay.kernel.replay import rebuild
from wattbay.periods import to_text

API = "/api/v1"
ORDER = {
    "pod": "h01", "product": "halfhour", "delivery": to_text(JULY), "side": "buy",
    "quantity_wh": 100, "limit_nano_per_wh": 100_000,
}  # fmt: skip
CALLERS = 8


class Service(NamedTuple):
    """A service that can be killed and started again."""

    server: Server
    folder: Path
    port: int

    def client(self, login: str | None = None) -> httpx.Client:
        headers = {}
        if login is not None:
            token = (self.folder / f"{login}.token").read_text(encoding="utf-8")
            headers["Authorization"] = f"Bearer {token}"
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=30)


@contextmanager
def serving() -> Iterator[Service]:
    port = free_port()
    with folder_of(Account(None, None)) as folder:
        command = [sys.executable, "-m", "tests.live.api_service", str(port), str(folder)]
        server = Server(command, Account(None, None), folder / "out.log", lambda: is_open(port))
        server.start()
        try:
            yield Service(server, folder, port)
        finally:
            server.stop()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serving() as made:
        yield made


def test_an_order_has_one_outcome_across_a_kill() -> None:
    with serving() as service:
        with service.client("p01") as client:
            key = {"Idempotency-Key": "order-1"}
            first = client.post(f"{API}/orders", json=ORDER, headers=key)
            assert first.status_code == 201
            service.server.kill()
        service.server.start()
        with service.client("p01") as client:
            again = client.post(f"{API}/orders", json=ORDER, headers=key)
            assert again.json() == first.json()
            listed = client.get(f"{API}/orders?state=open").json()["items"]
            assert [one["order"] for one in listed] == [first.json()["order"]]
        with service.client("boss") as client:
            party = {"party": "p77", "facts": {"roles": ["prosumer"]}}
            made = client.post(f"{API}/parties", json=party, headers=key)
            service.server.kill()
        service.server.start()
        with service.client("boss") as client:
            again = client.post(f"{API}/parties", json=party, headers=key)
            assert (again.status_code, again.json()) == (201, made.json())
            assert again.headers["idempotency-replayed"] == "true"


def test_many_callers_at_once_have_each_order_once() -> None:
    with serving() as service:

        def place(number: int) -> int:
            pod = number % 6 + 1
            with service.client(f"p{pod:02d}") as client:
                body = {**ORDER, "pod": f"h{pod:02d}", "quantity_wh": 100 + number}
                key = {"Idempotency-Key": f"k-{number}"}
                answers = [client.post(f"{API}/orders", json=body, headers=key) for _ in "ab"]
                assert {answer.status_code for answer in answers} == {201}
                assert answers[0].json() == answers[1].json()
                return int(answers[0].json()["order"])

        with ThreadPoolExecutor(CALLERS) as callers:
            orders = list(callers.map(place, range(40)))
        assert len({*orders}) == 40
        service.server.stop()
        journal = SqliteJournal(service.folder / "journal.sqlite", read_only=True)
        standing = rebuild(journal).state.market.places
        journal.close()
        assert {*orders} <= {*standing}


def raw(service: Service, sent: bytes) -> bytes:
    """Return what is answered to bytes as they are."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as wire:
        wire.sendall(sent)
        wire.shutdown(socket.SHUT_WR)
        found = b""
        while part := wire.recv(65_536):
            found += part
        return found


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(service: Service) -> None:
    head = (
        f"POST {API}/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 99999999\r\n\r\n"
    )
    answer = raw(service, head.encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"GET " + b"/x" * 60_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_bytes_that_are_no_request_change_nothing(service: Service, sent: bytes) -> None:
    raw(service, sent)
    with service.client() as client:
        assert client.get("/healthz").status_code == 200


def test_a_chunked_body_is_heard_and_bounded(service: Service) -> None:
    with service.client("p01") as client:
        headers = {"Content-Type": "application/json"}
        text = json.dumps({**ORDER, "quantity_wh": 101}).encode()
        parts = iter([text[:10], text[10:]])
        assert client.post(f"{API}/orders", content=parts, headers=headers).status_code == 201
        flood = (b" " * 10_000 for _ in range(100))
        try:
            status = client.post(f"{API}/orders", content=flood, headers=headers).status_code
        except httpx.TransportError:  # The answer came while it was still sending.
            status = 413
        assert status == 413


def test_each_request_leaves_a_line_without_any_secret() -> None:
    with serving() as service:
        with service.client("p01") as client:
            answer = client.post(f"{API}/orders", json=ORDER)
            token = client.headers["Authorization"].partition(" ")[2]
            client.post(f"{API}/session", json={"login": "p01", "password": "swordfish-swordfish"})
        service.server.stop()
        text = (service.folder / "service.log").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines()]
        line = next(one for one in lines if one["request_id"] == answer.headers["x-request-id"])
        assert line["login"] == "p01"
        assert line["route"] == f"{API}/orders"
        assert (line["method"], line["status"], line["event"]) == ("POST", 201, "request")
        assert token not in text
        assert "swordfish" not in text


def test_a_browser_shows_the_document_and_loads_nothing_from_elsewhere(service: Service) -> None:
    chromium = program("chromium") or program("chromium-browser") or program("google-chrome")
    assert chromium, "chromium is not installed"
    faults: list[str] = []
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"http://127.0.0.1:{service.port}/docs")
        page.wait_for_selector(".opblock-tag-section", timeout=30_000)
        tags = page.locator(".opblock-tag-section").count()
        page.locator(".opblock-tag", has_text="market").first.click()
        page.wait_for_selector(".opblock", timeout=30_000)
        title = page.title()
        browser.close()
    assert tags > 10
    assert "Wattbay" in title
    here = f"http://127.0.0.1:{service.port}/"
    assert [url for url in asked if not url.startswith((here, "data:"))] == []
    assert faults == []
