"""What is sent twice happens once, also where the service was started again in between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.api_node import Bench, a_node
from tests.builders import EVE
from wattbay.core.commands import Command
from wattbay.errors import JournalError
from wattbay.kernel.kernel import Answer
from wattbay.periods import DAY, Instant

API = "/api/v1"
KEY = {"Idempotency-Key": "order-1"}
ORDER = {
    "pod": "h01", "product": "halfhour", "delivery": "2013-06-10T12:00Z", "side": "buy",
    "quantity_wh": 100, "limit_nano_per_wh": 100_000,
}  # fmt: skip
PARTY = {"party": "p77", "facts": {"roles": ["prosumer"]}}


def again(bench: Bench) -> Bench:
    """Return the node as it is after a restart: journal and people are what is left."""
    return a_node(journal=bench.journal, people=bench.people)


def test_an_order_that_is_sent_twice_is_one() -> None:
    bench = a_node()
    first = bench.call("p01", "POST", f"{API}/orders", ORDER, headers=KEY)
    second = bench.call("p01", "POST", f"{API}/orders", ORDER, headers=KEY)
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["x-journal-entry"] == first.headers["x-journal-entry"]
    assert bench.node.state().market.next_order == 2


def test_an_order_that_is_sent_again_after_a_restart_gets_its_first_answer() -> None:
    bench = a_node()
    first = bench.call("p01", "POST", f"{API}/orders", ORDER, headers=KEY)
    later = again(bench)
    second = later.call("p01", "POST", f"{API}/orders", ORDER, headers=KEY)
    assert second.json() == first.json()
    assert later.node.state().market.next_order == 2
    other = later.call("p01", "POST", f"{API}/orders", {**ORDER, "side": "sell"}, headers=KEY)
    assert other.status_code == 422


@pytest.mark.parametrize("verb", ["PATCH", "DELETE"])
def test_a_change_of_an_order_that_is_over_by_now_gets_its_first_answer(verb: str) -> None:
    bench = a_node()
    bench.call("p01", "POST", f"{API}/orders", ORDER)
    body = {"quantity_wh": 50, "limit_nano_per_wh": 90_000} if verb == "PATCH" else None
    key = {"Idempotency-Key": "change-1"}
    first = bench.call("p01", verb, f"{API}/orders/1", body, headers=key)
    assert first.status_code == 200
    if verb == "PATCH":
        bench.call("p01", "DELETE", f"{API}/orders/1")
    second = again(bench).call("p01", verb, f"{API}/orders/1", body, headers=key)
    assert second.json() == first.json()


def test_another_body_under_a_key_is_a_fault() -> None:
    bench = a_node()
    bench.call("p01", "POST", f"{API}/orders", ORDER, headers=KEY)
    other = bench.call("p01", "POST", f"{API}/orders", {**ORDER, "side": "sell"}, headers=KEY)
    assert other.status_code == 422
    assert other.json()["reason"] == "request_reused"
    path = bench.call("p01", "DELETE", f"{API}/orders/1", headers=KEY)
    assert path.status_code == 422


def test_two_callers_may_use_the_same_key() -> None:
    bench = a_node()
    for login, pod in (("p01", "h01"), ("p02", "h02")):
        answer = bench.call(login, "POST", f"{API}/orders", {**ORDER, "pod": pod}, headers=KEY)
        assert answer.status_code == 201
    assert bench.node.state().market.next_order == 3


def test_a_refusal_that_is_history_is_given_again() -> None:
    bench = a_node()
    body = {**ORDER, "limit_nano_per_wh": 7}
    first = bench.call("p01", "POST", f"{API}/orders", body, headers=KEY)
    second = bench.call("p01", "POST", f"{API}/orders", body, headers=KEY)
    assert first.status_code == second.status_code == 409
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"


def test_what_did_not_reach_the_exchange_may_be_tried_again_under_its_key() -> None:
    bench = a_node()
    wrong = bench.call("p01", "POST", f"{API}/orders", {**ORDER, "pod": "h02"}, headers=KEY)
    assert wrong.status_code == 404
    right = bench.call("p01", "POST", f"{API}/orders", ORDER, headers=KEY)
    assert right.status_code == 201


def test_what_failed_may_be_tried_again_under_its_key() -> None:
    bench = a_node()
    is_broken = True

    async def submit(command: Command) -> Answer:
        if is_broken:
            raise JournalError("gone")
        return bench.kernel.submit(command)

    made = a_node(submit=submit, journal=bench.journal, people=bench.people)
    for path, login, body in (("/orders", "p01", ORDER), ("/parties", "boss", PARTY)):
        is_broken = True
        assert made.call(login, "POST", API + path, body, headers=KEY).status_code == 503
        is_broken = False
        assert made.call(login, "POST", API + path, body, headers=KEY).status_code == 201


@pytest.mark.parametrize(
    ("login", "path", "body"), [("p01", "/orders", ORDER), ("boss", "/parties", PARTY)]
)
def test_a_request_that_is_being_answered_is_not_begun_again(
    login: str, path: str, body: dict[str, Any]
) -> None:
    bench = a_node()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def submit(command: Command) -> Answer:
        begun.set()
        await go_on.wait()
        return bench.kernel.submit(command)

    made = a_node(submit=submit, journal=bench.journal, people=bench.people)

    async def both() -> tuple[int, ...]:
        async with made.client(login, **KEY) as client:
            first = asyncio.create_task(client.post(API + path, json=body))
            await begun.wait()
            second = await client.post(API + path, json=body)
            go_on.set()
            answers = [await first, second, await client.post(API + path, json=body)]
            return tuple(answer.status_code for answer in answers)

    assert asyncio.run(both()) == (201, 409, 201)


@pytest.mark.parametrize("key", ["", "a b", "x" * 65, "a/b"])
def test_what_cannot_be_a_key_is_a_fault(key: str) -> None:
    headers = {"Idempotency-Key": key}
    answer = a_node().call("p01", "POST", f"{API}/orders", ORDER, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "header/Idempotency-Key"


def test_what_an_operator_does_twice_happens_once_and_is_remembered_for_a_day() -> None:
    bench = a_node()
    first = bench.call("boss", "POST", f"{API}/parties", PARTY, headers=KEY)
    later = again(bench)
    second = later.call("boss", "POST", f"{API}/parties", PARTY, headers=KEY)
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    other = {**PARTY, "party": "p78"}
    assert later.call("boss", "POST", f"{API}/parties", other, headers=KEY).status_code == 422
    later.wall.advance(Instant(EVE + DAY))
    assert later.call("boss", "POST", f"{API}/parties", other, headers=KEY).status_code == 201


def test_a_deposit_is_booked_once() -> None:
    bench = a_node()
    body = {"party": "p01", "amount_nano": 5_000_000_000}
    first = bench.call("boss", "POST", f"{API}/pods/h01/deposits", body, headers=KEY)
    second = bench.call("boss", "POST", f"{API}/pods/h01/deposits", body, headers=KEY)
    third = again(bench).call("boss", "POST", f"{API}/pods/h01/deposits", body, headers=KEY)
    assert first.json() == second.json() == third.json()
    account = again(bench).call("p01", "GET", f"{API}/accounts").json()["items"][0]
    assert account["balance"] == "5.00"
