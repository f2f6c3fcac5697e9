"""One party cannot read or change another's things: a case for every operation of the document.

The second home tries everything on the first one's things. An operation that is offered and stands
in no table here fails the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.api_node import JULY, Bench, a_node, live_a_day
from tests.builders import an_order
from wattbay.access.identity import Identity, Means
from wattbay.access.roles import AccessRole
from wattbay.core.facts import Side
from wattbay.ids import MeterId, PartyId
from wattbay.periods import to_text
from wattbay.watch.findings import Anomaly, Finding, Severity

HOME = ("h01", "m-h01", "p01")
"""The first home's names: none of them may be read by the second one."""
DELIVERY = "2013-06-10T00:00Z"
API = "/api/v1"


class Case(NamedTuple):
    """What is tried, and with what."""

    path: str
    body: object = None
    headers: Mapping[str, str] = {}


ENROLMENT = {
    "form": "wattbay-enrolment/1",
    "community": "town",
    "device": "m-h01",
    "kind": "battery",
    "algorithm": "ed25519",
    "public_key": "3b" * 32,
    "made_at": 1,
    "challenge": "",
    "proof": "7f" * 64,
}
POD = {
    "pod": "h99", "since": "2013-07-03T00:00Z", "party": "p02", "zone": "z1",
    "supplier": "supplier", "brp": "supplier", "tariff": "flat",
    "meter": {"request": {**ENROLMENT, "device": "m-h99", "kind": "meter"}},
}  # fmt: skip
ORDER = {
    "pod": "h01", "product": "halfhour", "delivery": to_text(JULY), "side": "buy",
    "quantity_wh": 100, "limit_nano_per_wh": 100_000,
}  # fmt: skip
SALE = {
    "product": "halfhour", "seller": "h01", "buyer": "h03", "price_nano_per_wh": 90_000,
    "parts": [{"delivery": to_text(JULY), "quantity_wh": 100}], "proof": ["00" * 182, "00" * 182],
}  # fmt: skip
MATCH = {"If-Match": "*"}

OTHERS: dict[str, Case] = {
    "place_order": Case("/orders", ORDER),
    "amend_order": Case("/orders/{order}", {"quantity_wh": 50, "limit_nano_per_wh": 90_000}),
    "cancel_order": Case("/orders/{order}"),
    "cancel_orders": Case("/orders?pod=h01&product=halfhour"),
    "take_offer": Case("/orders/{order}/take", {"pod": "h01", "quantity_wh": 10}),
    "get_order": Case("/orders/{order}"),
    "conclude_sale": Case("/sales", SALE),
    "tell_charge": Case("/pods/h01/charge", {"charge_wh": 100}),
    "explain_receipt": Case(f"/receipts/h01/{DELIVERY}"),
    "get_statement": Case("/statements/h01/2013-06"),
    "get_statement_csv": Case("/statements/h01/2013-06/csv"),
    "get_statement_html": Case("/statements/h01/2013-06/html"),
    "get_device": Case("/devices/m-h01"),
    "enrol_device": Case(
        "/devices",
        {"request": {**ENROLMENT, "device": "b-h01"}, "pod": "h01", "power_max_w": 5_000},
    ),
    "revoke_device": Case("/devices/m-h01?reason=mine"),
    "rotate_key": Case("/devices/m-h01/key", {"request": ENROLMENT}),
    "get_health": Case("/devices/m-h01/health"),
    "get_last_reading": Case("/devices/m-h01/reading"),
    "list_commands": Case("/devices/m-h01/commands"),
    "command_device": Case("/devices/m-h01/commands", {"cmd": "ping"}),
    "get_alert": Case("/alerts/1"),
    "acknowledge_alert": Case("/alerts/1/acknowledge", {"note": "mine"}),
    "get_pod": Case("/pods/h01"),
    "switch": Case("/pods/h01/supplier", {"since": "2013-07-03T00:00Z", "tariff": "green"}),
    "leave": Case("/pods/h01/leave", {"until": "2013-07-03T00:00Z"}),
    "get_party": Case("/parties/p01"),
    "get_particulars": Case("/parties/p01/particulars"),
    "set_particulars": Case("/parties/p01/particulars", {"particulars": {"name": "me"}}),
    "revoke_key": Case("/keys/{key}"),
}
"""What is another's: it is as if not there."""

STAFF: dict[str, Case] = {
    "close_alert": Case("/alerts/1/close", {"note": "mine"}),
    "deposit": Case("/pods/h01/deposits", {"party": "p01", "amount_nano": 1}),
    "withdraw": Case("/pods/h01/withdrawals", {"party": "p01", "amount_nano": 1}),
    "connect_pod": Case("/pods", POD),
    "join": Case(
        "/members", {"party": {"party": "p99", "facts": {"roles": ["prosumer"]}}, "pod": POD}
    ),
    "move": Case("/pods/h01/move", {"party": "p02", "since": "2013-07-03T00:00Z"}),
    "exchange_meter": Case(
        "/pods/h01/meter",
        {
            "at": "2013-07-03T00:00Z",
            "final_import": 0,
            "final_export": 0,
            "meter": POD["meter"],
        },
    ),
    "register_party": Case("/parties", {"party": "p98", "facts": {"roles": ["prosumer"]}}),
    "change_party": Case("/parties/p02", {"roles": ["prosumer"]}, MATCH),
    "set_credit_limit": Case("/parties/p02/credit-limit", {"credit_limit_nano": 10**15}, MATCH),
    "erase_particulars": Case("/parties/p01/particulars"),
    "define_tariff": Case(
        "/tariffs",
        {
            "tariff": "mine",
            "energy_nano_per_wh": 0,
            "export_nano_per_wh": 10**9,
            "network_regional_nano_per_wh": 0,
        },
    ),
    "define_product": Case(
        "/products",
        {
            "product": "mine",
            "price_min_nano_per_wh": 0,
            "price_max_nano_per_wh": 1,
            "opens_before_us": 2,
            "closes_before_us": 1,
        },
    ),
    "get_entry": Case("/journal/entries/1"),
    "list_aggregates": Case(f"/aggregates?since={DELIVERY}&until=2013-06-11T00:00Z"),
    "get_allocation": Case(f"/files/allocation?since={DELIVERY}"),
    "get_missing_readings": Case(f"/files/missing-readings?since={DELIVERY}"),
    "get_tax_summary": Case("/files/tax/2013-06"),
    "get_exposure": Case("/files/exposure"),
    "get_ledger": Case(f"/files/ledger?since={DELIVERY}"),
    "list_logins": Case("/logins"),
    "add_login": Case("/logins", {"login": "p97", "roles": ["administrator"]}),
    "get_login": Case("/logins/p01"),
    "change_login": Case("/logins/p02", {"roles": ["administrator"]}, MATCH),
    "reset_password": Case("/logins/p01/password"),
    "remove_login": Case("/logins/p01"),
    "list_keys_of": Case("/logins/p01/keys"),
    "list_audit": Case("/audit"),
    "check_audit": Case("/audit/check"),
    "make_backup": Case("/backups"),
}
"""What a household may not do at all."""

LISTS: dict[str, Case] = {
    "list_orders": Case("/orders?pod=h01"),
    "list_receipts": Case("/receipts?pod=h01"),
    "list_statements": Case("/statements?pod=h01"),
    "list_readings": Case("/readings?pod=h01"),
    "list_energies": Case("/energies?pod=h01"),
    "list_devices": Case("/devices"),
    "list_health": Case("/device-health"),
    "list_evidence": Case(f"/devices/m-h01/readings?since={DELIVERY}"),
    "list_alerts": Case("/alerts?device=m-h01"),
    "list_accounts": Case("/accounts"),
    "list_pods": Case("/pods"),
    "list_parties": Case("/parties"),
    "list_entries": Case("/journal/entries?pod=h01"),
    "list_keys": Case("/keys"),
    "get_imbalances": Case(f"/files/imbalances?since={DELIVERY}&form=json"),
}
"""What everybody has of their own: another's is not in it."""

SAME: dict[str, Case] = {
    "get_community": Case("/community"),
    "list_products": Case("/products"),
    "list_deliveries": Case("/deliveries"),
    "list_auctions": Case("/auctions"),
    "get_auction": Case(f"/auctions/halfhour/{DELIVERY}"),
    "get_book": Case(f"/book/halfhour/{to_text(JULY)}"),
    "list_tariffs": Case("/tariffs"),
    "get_tariff": Case("/tariffs/flat"),
    "list_retail_prices": Case("/retail-prices"),
    "get_head": Case("/journal/head"),
}
"""What is the same for everybody: nobody's name is in it."""

ONESELF = frozenset(
    {
        "sign_in", "who_am_i", "sign_out", "sign_out_everywhere", "change_password",
        "issue_token", "make_key", "challenge_device", "stream_ticket",
    }
)  # fmt: skip
"""What is about the caller alone: nobody else can be named."""
PUBLIC = frozenset(
    {"healthz", "readyz", "metrics", "openapi", "docs", "docs_asset", "swagger", "swagger_page"}
)
"""What is nobody's."""
ELSEWHERE: dict[str, str] = {
    **dict.fromkeys(
        ("offer_energy", "available_offers", "execute_trade", "trade_history"),
        "energynet/test_trades.py",
    ),
    **dict.fromkeys(
        (
            "current_production",
            "forecast_production",
            "production_history",
            "production_analytics",
        ),
        "energynet/test_production.py",
    ),
    **dict.fromkeys(
        ("grid_status", "balance_grid", "grid_stability", "demand_response"),
        "energynet/test_grid.py",
    ),
    **dict.fromkeys(
        (
            "list_requests",
            "draft_request",
            "read_request",
            "change_request",
            "delete_request",
            "submit_request",
        ),
        "test_elecbay.py",
    ),
}
"""Other contracts, and the tests beside this one in which others try what is not theirs."""


@pytest.fixture(scope="module")
def bench() -> Bench:
    """A node on which a day was lived, with something of the first home's in every room."""
    made = a_node()
    live_a_day(made)
    placed = an_order("h01", side=Side.SELL, quantity_wh=100, delivery=JULY)
    made.submit(placed)
    found = Finding(
        Anomaly.NIGHT_SOLAR, Severity.SOFT, MeterId("m-h01"), 1, 1, made.clock.now(),
        made.clock.now(), "made 120 Wh at night",
    )  # fmt: skip
    made.alerts.add(found)
    made.people.set_particulars(PartyId("p01"), {"name": "The first home"})
    prosumer = frozenset({AccessRole.PROSUMER})
    first = Identity("p01", frozenset({PartyId("p01")}), prosumer, Means.SESSION)
    made.door.make_key(first, "mine")
    return made


@lru_cache(maxsize=1)
def methods(bench: Bench) -> dict[str, tuple[str, str, str]]:
    """Return method, path and tag of every operation, by name."""
    paths = bench.call(None, "GET", "/openapi.json").json()["paths"]
    return {
        told["operationId"]: (method.upper(), path, told["tags"][0])
        for path, operations in paths.items()
        for method, told in operations.items()
    }


def attempt(bench: Bench, name: str, case: Case, login: str | None = "p02") -> httpx.Response:
    order = next(iter(bench.node.state().market.places))
    key = bench.people.keys("p01")[0].key
    path = case.path.replace("{order}", str(order)).replace("{key}", key)
    method = methods(bench)[name][0]
    return bench.call(login, method, API + path, case.body, headers=case.headers)


def what_stands(bench: Bench) -> tuple[object, ...]:
    """Return everything that an attempt could have changed."""
    people, party = bench.people, PartyId("p01")
    return (
        bench.journal.head,
        people.particulars(party),
        people.logins(),
        people.keys("p01"),
        bench.alerts.find(),
        tuple(bench.wire.sent),
    )


def test_every_operation_has_its_case(bench: Bench) -> None:
    tried = {*OTHERS, *STAFF, *LISTS, *SAME, *ONESELF, *PUBLIC, *ELSEWHERE}
    offered = {*methods(bench)}
    assert offered - tried == set()
    assert tried - offered == set()


@pytest.mark.parametrize("file", sorted({*ELSEWHERE.values()}))
def test_other_contracts_are_tried_by_others_in_tests_of_their_own(file: str) -> None:
    text = (Path(__file__).parent / file).read_text(encoding="utf-8")
    assert "401" in text
    assert "another" in text or "others" in text


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_stranger_is_not_let_in_by_another_contract(bench: Bench, name: str) -> None:
    method, path, _ = methods(bench)[name]
    assert bench.call(None, method, path.replace("{record}", "1"), {}).status_code == 401


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_anothers_is_as_if_not_there(bench: Bench, name: str) -> None:
    before = what_stands(bench)
    answer = attempt(bench, name, OTHERS[name])
    assert answer.status_code in {403, 404}, answer.text
    assert "The first home" not in answer.text
    assert what_stands(bench) == before


@pytest.mark.parametrize("name", [name for name in OTHERS if name.startswith(("get", "explain"))])
def test_what_is_ones_own_can_be_read(bench: Bench, name: str) -> None:
    assert attempt(bench, name, OTHERS[name], "p01").status_code == 200


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("login", [None, "analyst", "grid"])
def test_who_is_no_member_reads_and_changes_nothing_of_a_home(
    bench: Bench, name: str, login: str | None
) -> None:
    before = what_stands(bench)
    answer = attempt(bench, name, OTHERS[name], login)
    assert answer.status_code == 401 if login is None else answer.status_code in {403, 404}
    assert what_stands(bench) == before


@pytest.mark.parametrize("name", STAFF)
def test_a_household_may_not_do_what_is_the_operators(bench: Bench, name: str) -> None:
    before = what_stands(bench)
    answer = attempt(bench, name, STAFF[name])
    assert answer.status_code == 403, answer.text
    assert answer.json()["type"] == "urn:wattbay:problem:not-permitted"
    assert what_stands(bench) == before


@pytest.mark.parametrize("name", LISTS)
def test_a_list_holds_nothing_of_anothers(bench: Bench, name: str) -> None:
    answer = attempt(bench, name, LISTS[name])
    assert answer.status_code in {200, 404}, answer.text
    if answer.status_code == 200:
        assert not [one for one in HOME if f'"{one}"' in answer.text]


@pytest.mark.parametrize("name", [name for name in LISTS if name != "get_imbalances"])
def test_a_list_holds_what_is_ones_own(bench: Bench, name: str) -> None:
    answer = attempt(bench, name, LISTS[name], "p01")
    assert answer.status_code == 200, answer.text
    items = answer.json()
    assert items if name == "list_keys" else items["items"]


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("login", ["p02", "analyst", "grid", "boss"])
def test_what_is_the_same_for_everybody_names_nobody(bench: Bench, name: str, login: str) -> None:
    answer = attempt(bench, name, SAME[name], login)
    assert answer.status_code == 200, answer.text
    assert not [one for one in HOME if f'"{one}"' in answer.text]


@pytest.mark.parametrize("name", SAME)
def test_a_stranger_reads_nothing(bench: Bench, name: str) -> None:
    assert bench.call(None, "GET", API + SAME[name].path).status_code == 401


def test_an_aggregator_acts_for_all_its_parties_and_for_no_other(bench: Bench) -> None:
    for pod, status in (("h01", 201), ("h02", 201), ("h03", 404)):
        answer = bench.call("fleet", "POST", f"{API}/orders", {**ORDER, "pod": pod})
        assert answer.status_code == status, answer.text


def test_an_administrator_reads_everything_and_trades_for_nobody(bench: Bench) -> None:
    for name, case in {**OTHERS, **LISTS}.items():
        if name.startswith(("get", "list", "explain")) and name not in {"list_keys", "get_order"}:
            assert attempt(bench, name, case, "boss").status_code == 200, name
    answer = bench.call("boss", "POST", f"{API}/orders", ORDER)
    assert answer.status_code == 403


def test_sums_of_fewer_than_five_homes_are_left_out() -> None:
    few = a_node(homes=4)
    live_a_day(few)
    path = f"{API}/aggregates?since={DELIVERY}&until=2013-06-11T00:00Z"
    assert few.call("analyst", "GET", path).json() == []


def test_sums_of_five_homes_or_more_are_told(bench: Bench) -> None:
    path = f"{API}/aggregates?since={DELIVERY}&until=2013-06-11T00:00Z"
    told = bench.call("analyst", "GET", path).json()
    assert len(told) == 48
    assert told[-1]["homes"] == 6
    assert told[-1]["import_wh"] == 300
    assert told[-1]["export_wh"] == 600


def test_others_have_their_turn_while_sums_are_made(bench: Bench) -> None:
    path = f"{API}/aggregates?since={DELIVERY}&until=2013-06-11T00:00Z"

    async def story() -> int:
        turns = 0
        async with bench.client("analyst") as client:
            asked = asyncio.create_task(client.get(path))
            while not asked.done():
                turns += 1
                await asyncio.sleep(0)
            assert len((await asked).json()) == 48
        return turns

    assert asyncio.run(story()) > 48


def test_a_denial_leaves_a_line_in_the_audit_log() -> None:
    made = a_node()
    made.call("p02", "GET", f"{API}/logins")
    line = made.people.audit(limit=1)[0]
    assert (line.login, line.act, line.subject, line.outcome) == (
        "p02", "manage_logins", f"{API}/logins", "not_permitted",
    )  # fmt: skip
    assert line.request_id
