"""open-elecbay's REST: drafts of one's own, submitted to the topic of their type."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api_node import Bench, MemoryWire, a_node
from tests.builders import EVE
from tests.energynet_calls import call
from wattbay.adapters.api.elecbay import MESSAGE_BYTES_MAX, RECORDS_PER_LOGIN_MAX
from wattbay.adapters.api.node import Limits
from wattbay.errors import AdapterError
from wattbay.periods import DAY, HOUR, SECOND

A_BID = {"type": "BID", "message": '{"customerID": "h01", "kW": 1.5}'}


class CutWire(MemoryWire):
    """A wire whose broker may be gone."""

    def publish(self, topic: str, payload: bytes) -> None:
        if self.is_cut:
            raise AdapterError("the broker is gone")
        super().publish(topic, payload)


def drafted(bench: Bench, login: str = "p01", **changed: object) -> str:
    response = call(bench, "POST", "/request", login, json={**A_BID, **changed})
    assert response.status_code == 201, response.text
    name: str = response.json()["id"]
    return name


def error_of(bench: Bench, method: str, path: str, **how: Any) -> tuple[int, str]:  # noqa: ANN401 - as `call`
    response = call(bench, method, path, **how)
    assert response.headers["content-type"] == "application/json"
    return response.status_code, response.json()["error"]


def test_a_request_is_drafted_read_changed_and_listed() -> None:
    bench = a_node()
    name = drafted(bench)
    record = {**A_BID, "timestamp": EVE / SECOND}
    assert call(bench, "GET", f"/request/{name}").json() == record
    assert call(bench, "GET", "/request").json() == {name: record}
    bench.advance(EVE + HOUR)
    changed = call(bench, "PUT", f"/request/{name}", json={**A_BID, "type": "OFFER"})
    assert changed.status_code == 200
    assert changed.json() == {**A_BID, "type": "OFFER", "timestamp": (EVE + HOUR) / SECOND}
    assert call(bench, "GET", f"/request/{name}").json() == changed.json()


def test_a_request_that_is_submitted_goes_to_the_topic_of_its_type_and_is_gone() -> None:
    bench = a_node()
    name = drafted(bench, message={"customerID": "h01", "kW": 1.5})
    told = call(bench, "POST", f"/submit/{name}")
    assert (told.status_code, told.json()["message"]) == (200, {"customerID": "h01", "kW": 1.5})
    ((topic, payload),) = bench.wire.published
    assert (topic, json.loads(payload)) == ("BID", told.json())
    assert call(bench, "GET", "/request").json() == {}
    assert error_of(bench, "POST", f"/submit/{name}") == (404, "Not found")


def test_a_request_stays_while_the_broker_is_gone() -> None:
    wire = CutWire()
    bench = a_node(wire=wire)
    name = drafted(bench)
    wire.is_cut = True
    assert error_of(bench, "POST", f"/submit/{name}") == (503, "Not reachable")
    wire.is_cut = False
    assert call(bench, "POST", f"/submit/{name}").status_code == 200


def test_a_request_that_is_deleted_is_gone() -> None:
    bench = a_node()
    name = drafted(bench)
    deleted = call(bench, "DELETE", f"/request/{name}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert error_of(bench, "DELETE", f"/request/{name}") == (404, "Not found")
    assert error_of(bench, "GET", f"/request/{name}") == (404, "Not found")
    assert error_of(bench, "PUT", f"/request/{name}", json=A_BID) == (404, "Not found")


@pytest.mark.parametrize(
    "body",
    [
        {"type": "BID"},
        {"message": "hello"},
        {},
        {"type": None, "message": "hello"},
        {"type": "BID", "message": 5},
        {"type": "", "message": "hello"},
        {"type": "em/v1/town/m-h01/cmd", "message": "hello"},
        {"type": "em/v1", "message": "hello"},
        {"type": "+", "message": "hello"},
        {"type": "#", "message": "hello"},
        {"type": "$SYS", "message": "hello"},
        {"type": "a" * 65, "message": "hello"},
        [],
    ],
)
def test_what_is_missing_or_no_topic_is_misunderstood(body: object) -> None:
    bench = a_node()
    name = drafted(bench)
    assert error_of(bench, "POST", "/request", json=body) == (400, "Misunderstood")
    assert error_of(bench, "PUT", f"/request/{name}", json=body) == (400, "Misunderstood")
    assert call(bench, "GET", f"/request/{name}").json()["type"] == "BID"


@pytest.mark.parametrize("content", [b"", b"{", b'{"type": NaN}', b"\xff", b"[" * 10_000])
def test_what_is_no_json_is_misunderstood(content: bytes) -> None:
    assert error_of(a_node(), "POST", "/request", content=content) == (400, "Misunderstood")


def test_a_message_has_a_bound_and_so_has_a_body() -> None:
    bench = a_node(limits=Limits(body_bytes_max=20_000))
    drafted(bench, message="m" * (MESSAGE_BYTES_MAX - 2))
    for size in (MESSAGE_BYTES_MAX - 1, 30_000):
        body = {"type": "BID", "message": "m" * size}
        response = call(bench, "POST", "/request", json=body)
        assert response.status_code == 413


def test_a_login_keeps_so_many_requests_and_no_more() -> None:
    bench = a_node()
    names = [drafted(bench) for _ in range(RECORDS_PER_LOGIN_MAX)]
    assert error_of(bench, "POST", "/request", json=A_BID) == (409, "Full")
    drafted(bench, "p02")
    assert call(bench, "DELETE", f"/request/{names[0]}").status_code == 204
    drafted(bench)


def test_a_request_lasts_a_day_after_its_last_change() -> None:
    bench = a_node()
    first, second = drafted(bench), drafted(bench)
    bench.advance(EVE + DAY - 1)
    assert call(bench, "PUT", f"/request/{first}", json=A_BID).status_code == 200
    bench.advance(EVE + DAY)
    assert list(call(bench, "GET", "/request").json()) == [first]
    assert error_of(bench, "GET", f"/request/{second}") == (404, "Not found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/request/{}"),
        ("PUT", "/request/{}"),
        ("DELETE", "/request/{}"),
        ("POST", "/submit/{}"),
    ],
)
def test_anothers_request_is_as_if_not_there(method: str, path: str) -> None:
    bench = a_node()
    name = drafted(bench)
    body = A_BID if method == "PUT" else None
    for login in ("p02", "fleet"):
        assert error_of(bench, method, path.format(name), login=login, json=body) == (
            404,
            "Not found",
        )
    assert call(bench, "GET", "/request", "p02").json() == {}
    assert call(bench, "GET", f"/request/{name}").status_code == 200
    assert bench.wire.published == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/request"),
        ("POST", "/request"),
        ("GET", "/request/1"),
        ("PUT", "/request/1"),
        ("DELETE", "/request/1"),
        ("POST", "/submit/1"),
    ],
)
def test_strangers_are_unauthorised_and_who_does_not_trade_is_forbidden(
    method: str, path: str
) -> None:
    bench = a_node()
    assert error_of(bench, method, path, login=None, json=A_BID) == (401, "Unauthorised")
    assert error_of(bench, method, path, login="analyst", json=A_BID) == (403, "Forbidden")


@pytest.mark.parametrize("path", ["/swagger", "/swagger/"])
def test_swagger_leads_to_the_page_of_the_document(path: str) -> None:
    bench = a_node()
    led = call(bench, "GET", path, None)
    assert (led.status_code, led.headers["location"]) == (307, "/docs")
    assert call(bench, "GET", led.headers["location"], None).status_code == 200


def test_the_document_tells_faults_as_they_are() -> None:
    document = call(a_node(), "GET", "/openapi.json", None).json()
    answers = document["paths"]["/request/{record}"]["get"]["responses"]
    assert answers["404"]["content"]["application/json"]["schema"]["$ref"].endswith("FaultTold")
