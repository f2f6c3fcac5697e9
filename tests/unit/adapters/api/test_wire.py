"""What every request goes through; and that what cannot be answered is a problem, and only that."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api_node import Bench, a_node
from tests.builders import EVE
from wattbay.adapters.api.answers import understood
from wattbay.adapters.api.node import Limits
from wattbay.adapters.api.offered import sections
from wattbay.adapters.api.orders import NewOrder
from wattbay.adapters.api.problems import PROBLEM_JSON, Problem, ProblemTold, refused
from wattbay.core.events import Rejected
from wattbay.core.reasons import Reason
from wattbay.errors import AdapterError, InvariantBroken, JournalError
from wattbay.kernel.intake import NOT_IN_HISTORY
from wattbay.kernel.kernel import Answer
from wattbay.periods import MINUTE, Instant

API = "/api/v1"
ORDER = {
    "pod": "h01", "product": "halfhour", "delivery": "2013-06-10T12:00Z", "side": "buy",
    "quantity_wh": 100, "limit_nano_per_wh": 100_000,
}  # fmt: skip
ELSEWHERE = "https://pages.example.org"


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Return a problem, once it is sure that it is one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM_JSON
    told: dict[str, Any] = answer.json()
    assert told["status"] == status
    assert told["type"].startswith("urn:wattbay:problem:")
    assert told["title"]
    assert told["detail"]
    assert told["request_id"] == answer.headers["x-request-id"]
    assert {*told} <= {*ProblemTold.__struct_fields__} - {"kind"} | {"type"}
    return told


def send(bench: Bench, **what: Any) -> httpx.Response:  # noqa: ANN401 - of httpx
    """Return the answer to an order as it is sent."""
    return bench.call("p01", "POST", f"{API}/orders", **what)


# --- problems everywhere ---------------------------------------------------------------------


def test_what_is_not_offered_is_a_problem() -> None:
    bench = a_node()
    assert problem(bench.call(None, "GET", "/nowhere"), 404)["instance"] == "/nowhere"
    wrong = bench.call(None, "POST", "/healthz")
    assert problem(wrong, 405)["detail"] == "this path hears GET"
    assert wrong.headers["allow"] == "GET"
    problem(bench.call(None, "GET", f"{API}/products/"), 404)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"pod": "\\ud800"}',
        b'{"pod": 1}', b"{}", b'{"pod": NaN}',
    ],
)  # fmt: skip
def test_a_malformed_body_is_a_problem(content: bytes) -> None:
    bench = a_node()
    head = bench.journal.head
    answer = send(bench, content=content, headers={"Content-Type": "application/json"})
    problem(answer, 422)
    assert bench.journal.head == head


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_body_that_says_it_is_no_json_is_a_problem(media: str | None) -> None:
    headers = {} if media is None else {"Content-Type": media}
    problem(send(a_node(), content=b"{}", headers=headers), 415)


def test_json_with_a_charset_is_heard() -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    content = httpx.Request("POST", "http://x", json=ORDER).content
    assert send(a_node(), content=content, headers=headers).status_code == 201


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"quantity_wh": "100"}, "/quantity_wh"),
        ({"quantity_wh": 0}, "/quantity_wh"),
        ({"quantity_wh": 2**53}, "/quantity_wh"),
        ({"quantity_wh": 1.5}, "/quantity_wh"),
        ({"quantity_wh": 1e300}, "/quantity_wh"),
        ({"side": "both"}, "/side"),
        ({"pod": "h 01"}, "/pod"),
        ({"pod": ""}, "/pod"),
        ({"delivery": "2013-06-31T12:00Z"}, "/delivery"),
        ({"delivery": "2013-02-29T12:00Z"}, "/delivery"),
        ({"delivery": "2013-06-10T12:00"}, "/delivery"),
        ({"delivery": "10 June 2013"}, "/delivery"),
        ({"terms": {"legs": [{"side": "buy"}]}}, "/terms/legs/0"),
        ({"terms": {"peak_wh": -1}}, "/terms/peak_wh"),
    ],
)
def test_a_field_that_is_wrong_is_pointed_at(changed: dict[str, object], pointer: str) -> None:
    told = problem(send(a_node(), json={**ORDER, **changed}), 422)
    assert [flaw["pointer"] for flaw in told["errors"]] == [pointer]


def test_an_unknown_field_is_refused() -> None:
    told = problem(send(a_node(), json={**ORDER, "price": 1}), 422)
    assert "price" in told["detail"]


@pytest.mark.parametrize("text", ["100.0", "1e2", "1.00e+2"])
def test_a_whole_number_may_be_written_with_a_point(text: str) -> None:
    content = httpx.Request("POST", "http://x", json=ORDER).content
    content = content.replace(b'"quantity_wh":100', f'"quantity_wh":{text}'.encode())
    bench = a_node()
    answer = send(bench, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201, answer.text
    told = bench.call("p01", "GET", f"{API}/orders/{answer.json()['order']}").json()
    assert told["order"]["quantity_wh"] == 100


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "since=now", "pod=h%2001", "cursor=a b"]
)
def test_a_wrong_query_is_a_problem(query: str) -> None:
    told = problem(a_node().call("p01", "GET", f"{API}/orders?{query}"), 422)
    assert told["errors"][0]["pointer"].startswith("query/")


@pytest.mark.parametrize("reason", Reason)
def test_every_refusal_says_what_would_be_right(reason: Reason) -> None:
    found = refused(Rejected(reason=reason, detail="so it is"), 12)
    assert found.status in {403, 404, 409, 422}
    assert found.detail.startswith("so it is: ")
    assert (found.reason, found.entry) == (reason.value, 12)
    assert refused(Rejected(reason=reason), 12).detail


def test_a_full_queue_says_when_to_come_again() -> None:
    found = refused(Rejected(reason=Reason.TOO_MANY, detail="9 wait"), NOT_IN_HISTORY)
    assert (found.status, found.entry, found.headers) == (503, None, {"Retry-After": "1"})


@pytest.mark.parametrize("error", [JournalError("gone"), AdapterError("gone")])
def test_what_stopped_outside_is_503(error: Exception) -> None:
    async def stopped(command: object) -> Answer:
        del command
        raise error

    answer = send(a_node(submit=stopped), json=ORDER)
    problem(answer, 503)
    assert answer.headers["retry-after"]


def test_a_fault_of_ours_is_told_counted_and_gives_nothing_away() -> None:
    async def broken(command: object) -> Answer:
        raise InvariantBroken(f"a secret about {command}")

    bench = a_node(submit=broken)

    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app=bench.app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {bench.token('p01')}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://town.test") as client:
            return await client.post(f"{API}/orders", json=ORDER, headers=headers)

    told = problem(asyncio.run(once()), 500)
    assert "secret" not in str(told)
    assert "wattbay_http_errors_total 1.0" in bench.call(None, "GET", "/metrics").text


# --- bounds ----------------------------------------------------------------------------------


def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    bench = a_node(limits=Limits(body_bytes_max=1_000))
    problem(send(bench, json={**ORDER, "pod": "h" * 1_000}), 413)
    assert send(bench, json=ORDER).status_code == 201


def test_a_body_that_grows_too_large_is_cut_off() -> None:
    bench = a_node(limits=Limits(body_bytes_max=1_000))
    given = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal given
        for _ in range(1_000):
            given += 100
            yield b"x" * 100

    async def once() -> httpx.Response:
        async with bench.client("p01") as client:
            headers = {"Content-Type": "application/json"}
            return await client.post(f"{API}/orders", content=flood(), headers=headers)

    problem(asyncio.run(once()), 413)
    assert given < 2_000


def test_who_calls_too_often_is_told_when_to_come_again() -> None:
    bench = a_node(limits=Limits(requests_per_minute=5))
    statuses = [bench.call("p01", "GET", f"{API}/products").status_code for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    answer = bench.call("p01", "GET", f"{API}/products")
    problem(answer, 429)
    assert bench.call("p02", "GET", f"{API}/products").status_code == 200
    wait_s = int(answer.headers["retry-after"])
    bench.wall.advance(Instant(EVE + wait_s * 1_000_000))
    assert bench.call("p01", "GET", f"{API}/products").status_code == 200


def test_strangers_are_counted_by_their_address() -> None:
    bench = a_node(limits=Limits(requests_per_minute=3))
    statuses = [bench.call(None, "GET", f"{API}/products").status_code for _ in range(5)]
    assert statuses == [401] * 3 + [429] * 2
    bench.wall.advance(Instant(EVE + 2 * MINUTE))
    assert bench.call(None, "GET", f"{API}/products").status_code == 401


# --- headers, origins, counts ----------------------------------------------------------------


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", f"{API}/products", "/docs"])
def test_every_answer_protects_who_reads_it(path: str) -> None:
    headers = a_node().call("p01", "GET", path).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "cache-control" in headers
    assert "access-control-allow-origin" not in headers


def test_over_https_it_stays_https() -> None:
    bench = a_node()
    name = "strict-transport-security"
    assert name in bench.call(None, "GET", "https://town.test/healthz").headers
    assert name not in bench.call(None, "GET", "/healthz").headers


def test_requests_are_named_in_sequence_and_after_a_restart_otherwise() -> None:
    bench = a_node()
    first, second = (bench.call(None, "GET", "/healthz").headers["x-request-id"] for _ in "ab")
    assert first != second
    assert first.partition("-")[0] == second.partition("-")[0]


def test_a_page_of_elsewhere_may_call_only_where_it_is_allowed() -> None:
    bench = a_node(origins=(ELSEWHERE,))
    asked = {"Origin": ELSEWHERE, "Access-Control-Request-Method": "POST"}
    allowed = bench.call(None, "OPTIONS", f"{API}/orders", headers=asked)
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == ELSEWHERE
    assert "Authorization" in allowed.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in allowed.headers
    foreign = {**asked, "Origin": "https://other.example.org"}
    assert bench.call(None, "OPTIONS", f"{API}/orders", headers=foreign).status_code == 405
    answer = bench.call("p01", "GET", f"{API}/products", headers={"Origin": ELSEWHERE})
    assert answer.headers["access-control-allow-origin"] == ELSEWHERE
    assert "Origin" in answer.headers["vary"]
    other = bench.call("p01", "GET", f"{API}/products", headers={"Origin": foreign["Origin"]})
    assert "access-control-allow-origin" not in other.headers


def test_requests_are_counted_by_the_template_of_their_path() -> None:
    bench = a_node()
    for path in ("/orders/1", "/orders/2", "/orders/3"):
        bench.call("p01", "GET", API + path)
    for path in ("/a", "/b", "/c"):
        bench.call(None, "GET", path)
    text = bench.call(None, "GET", "/metrics").text
    name = "wattbay_http_requests_total"
    assert f'{name}{{method="GET",route="{API}/orders/{{order}}",status="404"}} 3.0' in text
    assert f'{name}{{method="GET",route="(none)",status="404"}} 3.0' in text
    assert f'_seconds_count{{method="GET",route="{API}/orders/{{order}}"}} 3.0' in text


def test_a_method_that_nobody_knows_does_not_make_metrics_grow() -> None:
    bench = a_node()
    for method in ("BREW", "WHEN"):
        assert bench.call(None, method, "/healthz").status_code == 405
    text = bench.call(None, "GET", "/metrics").text
    assert "BREW" not in text
    assert 'method="(other)"' in text


def test_metrics_are_for_this_machine_and_for_who_may_read_them() -> None:
    bench = a_node()
    through = {"X-Forwarded-For": "203.0.113.9"}
    assert bench.call(None, "GET", "/metrics").status_code == 200
    assert bench.call(None, "GET", "/metrics", headers=through).status_code == 401
    assert bench.call("p01", "GET", "/metrics", headers=through).status_code == 403
    assert bench.call("boss", "GET", "/metrics", headers=through).status_code == 200


# --- how it is -------------------------------------------------------------------------------


def test_it_is_alive_even_when_it_is_not_ready() -> None:
    bench = a_node()
    assert bench.call(None, "GET", "/readyz").json() == {"status": "ready"}
    bench.amiss["broker"] = "no connection for 12 s"
    told = problem(bench.call(None, "GET", "/readyz"), 503)
    assert told["errors"] == [{"pointer": "broker", "detail": "no connection for 12 s"}]
    assert bench.call(None, "GET", "/healthz").json() == {"status": "alive"}


def test_what_is_amiss_is_told_in_words_on_this_machine_alone() -> None:
    bench = a_node()
    said = 'connection to server at "10.0.0.5" failed for user "wattbay"'
    bench.amiss["people"] = said
    bench.wire.is_cut = True
    through = {"X-Forwarded-For": "203.0.113.7"}
    told = problem(bench.call(None, "GET", "/readyz", headers=through), 503)
    assert told["errors"][0]["pointer"] == "people"
    assert "10.0.0.5" not in str(told)
    path, ping = "/api/v1/devices/m-h01/commands", {"cmd": "ping"}
    assert "broker" in problem(bench.call("p01", "POST", path, ping), 503)["detail"]
    away = problem(bench.call("p01", "POST", path, ping, headers=through), 503)
    assert "broker" not in away["detail"]


def test_what_is_kept_as_published_is_what_was_published() -> None:
    folder = files("wattbay.adapters.api") / "static" / "vendor"
    readme = (folder / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([\w.-]+)` .* `([0-9a-f]{64})` \|$", readme, re.MULTILINE)
    assert len(listed) == 2
    for name, digest in listed:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_the_document_is_shown_with_nothing_from_elsewhere() -> None:
    bench = a_node()
    page = bench.call(None, "GET", "/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "http" not in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for asset in re.findall(r'(?:src|href)="(/docs/[^"]+)"', page.text):
        answer = bench.call(None, "GET", asset)
        assert answer.status_code == 200
        held = {"If-None-Match": answer.headers["etag"]}
        assert bench.call(None, "GET", asset, headers=held).status_code == 304
    problem(bench.call(None, "GET", "/docs/secrets.txt"), 404)


# --- the decoders, fuzzed --------------------------------------------------------------------

BODIES = sorted(
    {
        one.body
        for section in sections()
        for one in section.operations
        if isinstance(one.body, type)
    },
    key=lambda kind: kind.__name__,
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def is_understood_or_refused(body: bytes, kind: type) -> None:
    """Read a body: whatever it is, it is of the kind, or a problem."""
    outcome: object
    try:
        outcome = understood(body, kind)
    except Problem as refusal:
        outcome = refusal.status
    assert outcome == 422 or isinstance(outcome, kind)


@pytest.mark.parametrize("kind", BODIES, ids=lambda kind: kind.__name__)
@given(body=st.binary(max_size=200))
def test_any_bytes_are_understood_or_refused(kind: type, body: bytes) -> None:
    is_understood_or_refused(body, kind)


@pytest.mark.parametrize("kind", BODIES, ids=lambda kind: kind.__name__)
@given(told=JUNK, chance=st.randoms(use_true_random=False))
def test_a_body_with_junk_in_a_fields_place_is_understood_or_refused(
    kind: type, told: object, chance: random.Random
) -> None:
    names = [field.encode_name for field in msgspec.structs.fields(kind)]
    body = {name: told for name in names if chance.random() < 0.9}
    is_understood_or_refused(json.dumps(body).encode(), kind)


@given(st.data())
def test_an_order_with_one_field_changed_is_understood_or_refused(draw: st.DataObject) -> None:
    name = draw.draw(st.sampled_from(sorted(ORDER)))
    body = {**ORDER, name: draw.draw(JUNK)}
    is_understood_or_refused(json.dumps(body).encode(), NewOrder)


@pytest.mark.parametrize(
    ("login", "path", "body"),
    [
        ("p01", "/api/v1/orders", {"delivery": "2013-06-10T12:00Z\n"}),
        ("p01", "/request", {"type": "BID\n", "message": "x"}),
        ("p01", "/api/v1/devices/challenge", {"device": "m-h01\n"}),
        ("boss", "/api/v1/logins", {"login": "x", "roles": ["prosumer"], "parties": ["p01\n"]}),
    ],
)
def test_nothing_follows_behind_the_end_of_a_text_that_keeps_to_a_pattern(
    login: str, path: str, body: dict[str, object]
) -> None:
    order = {"pod": "h01", "product": "halfhour", "side": "buy", "quantity_wh": 100}
    bench = a_node()
    sent = {**order, **body} if "delivery" in body else body
    answer = bench.call(login, "POST", path, sent)
    assert answer.status_code in {400, 422}, answer.text
    assert "Z'" not in answer.text
    assert r"\\Z" not in bench.call(None, "GET", "/openapi.json").text
