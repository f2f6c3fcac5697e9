"""Lists by the page, versions that are held already, and tables to take away."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterator

import pytest
from starlette.responses import StreamingResponse

from tests.api_node import Bench, a_node, live_a_day
from wattbay.access.records import Login
from wattbay.access.roles import AccessRole
from wattbay.adapters.api.operator_sheets import ROWS_PER_CHUNK, _sent
from wattbay.adapters.api.rows import csv_line
from wattbay.ids import PartyId
from wattbay.views.operator_files import Sheet
from wattbay.views.retail import Cell

API = "/api/v1"
DAY_OF = "since=2013-06-10T00:00Z&until=2013-06-11T00:00Z"


@pytest.fixture(scope="module")
def bench() -> Bench:
    made = a_node()
    live_a_day(made)
    return made


PAGED = {
    "/receipts": "p01",
    "/readings": "p01",
    "/energies": "p01",
    "/orders": "p01",
    f"/devices/m-h01/readings?{DAY_OF}": "p01",
    "/deliveries": "p01",
    "/auctions": "p01",
    "/devices": "boss",
    "/device-health": "boss",
    "/accounts": "boss",
    "/parties": "boss",
    "/pods": "boss",
    "/audit": "boss",
    "/logins": "boss",
}
"""Lists with more than one page of some of each, by who reads them."""


@pytest.mark.parametrize("path", PAGED)
def test_pages_hold_all_there_is_once(bench: Bench, path: str) -> None:
    login = PAGED[path]
    token = {"Authorization": f"Bearer {bench.token(login)}"}
    mark = "&" if "?" in path else "?"

    def pages(limit: int) -> list[list[object]]:
        found, link = [], f"{API}{path}{mark}limit={limit}"
        while link:
            answer = bench.call(None, "GET", link, headers=token)
            assert answer.status_code == 200, answer.text
            found.append(answer.json()["items"])
            link = answer.json()["next"]
        return found

    whole = pages(500)
    few = pages(3)
    assert len(whole) == 1
    assert all(len(page) <= 3 for page in few)
    assert [one for page in few for one in page] == whole[0]
    assert len(whole[0]) > 3


def test_lists_come_newest_first(bench: Bench) -> None:
    items = bench.call("p01", "GET", f"{API}/receipts").json()["items"]
    assert [one["delivery"] for one in items] == sorted(
        (one["delivery"] for one in items), reverse=True
    )


def test_a_list_is_narrowed_to_a_span(bench: Bench) -> None:
    query = "since=2013-06-10T12:00Z&until=2013-06-10T14:00%2B01:00"
    items = bench.call("p01", "GET", f"{API}/receipts?{query}").json()["items"]
    assert [one["delivery"] for one in items] == ["2013-06-10T12:30Z", "2013-06-10T12:00Z"]


def test_a_cursor_is_not_made_up(bench: Bench) -> None:
    path = f"{API}/receipts?limit=3"
    link = bench.call("p01", "GET", path).json()["next"]
    value, _, mark = link.partition("cursor=")[2].rpartition(".")
    for forged in (f"{value}x.{mark}", f"{value}.{mark[::-1]}", "MQ", f"MQ.{mark}", "."):
        answer = bench.call("p01", "GET", f"{path}&cursor={forged}")
        assert answer.status_code == 404
        assert answer.json()["type"].endswith(":bad-cursor")


def test_a_cursor_belongs_to_its_list_and_its_caller(bench: Bench) -> None:
    link = bench.call("p01", "GET", f"{API}/receipts?limit=3").json()["next"]
    cursor = link.partition("cursor=")[2]
    for login, path in (
        ("p02", f"{API}/receipts?limit=3"),
        ("p01", f"{API}/receipts?limit=3&pod=h01"),
        ("p01", f"{API}/energies?limit=3"),
    ):
        answer = bench.call(login, "GET", f"{path}&cursor={cursor}")
        assert answer.status_code == 404


def test_a_cursor_of_other_keys_is_none_of_ours(bench: Bench) -> None:
    link = bench.call("p01", "GET", f"{API}/receipts?limit=3").json()["next"]
    other = a_node(journal=bench.journal, cursor_key=b"another")
    assert other.call("p01", "GET", link).status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/receipts", "/receipts/h01/2013-06-10T00:00Z", "/statements/h01/2013-06", "/products",
     "/tariffs", "/pods/h01", "/parties/p01", "/auctions"],
)  # fmt: skip
def test_what_is_held_already_is_not_sent_again(bench: Bench, path: str) -> None:
    first = bench.call("p01", "GET", API + path)
    tag = first.headers["etag"]
    for held in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = bench.call("p01", "GET", API + path, headers={"If-None-Match": held})
        assert answer.status_code == 304
        assert answer.content == b""
        assert answer.headers["etag"] == tag
    changed = bench.call("p01", "GET", API + path, headers={"If-None-Match": '"other"'})
    assert changed.content == first.content


# --- tables to take away ---------------------------------------------------------------------


def rows_of(bench: Bench, path: str) -> list[dict[str, str]]:
    answer = bench.call("boss", "GET", API + path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_imbalances_are_per_party_and_delivery(bench: Bench) -> None:
    rows = rows_of(bench, f"/files/imbalances?{DAY_OF}")
    assert len(rows) == 48
    assert rows[0] == {
        "delivery_start_utc": "2013-06-10T00:00Z",
        "delivery_start_local": "2013-06-10T01:00:00",
        "delivery_start_offset": "+01:00",
        "brp": "supplier",
        "run": "initial",
        "energy_wh": "300",
        "entry": rows[0]["entry"],
    }
    assert rows_of(bench, f"/files/imbalances?{DAY_OF}&brp=other") == []


def test_a_balance_responsible_party_gets_its_own_imbalances(bench: Bench) -> None:
    known = bench.people.login("supply")
    if known is None:
        bench.people.add_login(
            Login(
                login="supply",
                password_hash=None,
                roles=frozenset({AccessRole.AGGREGATOR}),
                parties=frozenset({PartyId("supplier")}),
                created_at=bench.wall.now(),
            )
        )
    path = f"{API}/files/imbalances?{DAY_OF}&form=json"
    assert len(bench.call("supply", "GET", path).json()) == 48
    assert bench.call("supply", "GET", f"{path}&brp=other").status_code == 403
    assert bench.call("p01", "GET", path).json() == []


def test_a_long_table_comes_in_parts(bench: Bench) -> None:
    path = f"{API}/files/ledger?since=2013-06-09T00:00Z&until=2013-07-01T00:00Z"
    rows = list(csv.DictReader(io.StringIO(bench.call("boss", "GET", path).text)))
    told = bench.call("boss", "GET", f"{path}&form=json").json()
    assert [int(row["number"]) for row in rows] == [one["number"] for one in told]
    assert len(rows) > ROWS_PER_CHUNK


@pytest.mark.parametrize("form", ["csv", "json"])
def test_others_have_their_turn_while_a_table_is_looked_through_in_vain(form: str) -> None:
    rows: Iterator[tuple[Cell, ...]] = iter([()] * (3 * ROWS_PER_CHUNK))
    sent = _sent(a_node().node, Sheet(("brp",), rows), "imbalances", form)
    assert isinstance(sent, StreamingResponse)
    turns = 0

    async def story() -> bytes:
        nonlocal turns

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(others())
        body = b"".join([part async for part in sent.body_iterator if isinstance(part, bytes)])
        task.cancel()
        return body

    assert asyncio.run(story()) == (b"brp\r\n" if form == "csv" else b"[]\n")
    assert turns >= 3


def test_the_grid_operator_gets_its_allocation_and_no_ledger(bench: Bench) -> None:
    path = f"{API}/files/allocation?{DAY_OF}&form=json"
    told = json.loads(bench.call("grid", "GET", path).text)
    assert len(told) == 48 * 6
    assert {one["zone"] for one in told} == {"z1"}
    assert sum(one["import_wh"] for one in told) == 48 * 300
    assert bench.call("grid", "GET", f"{API}/files/ledger").status_code == 403


def test_a_table_may_be_empty_in_either_form(bench: Bench) -> None:
    span = "since=2013-06-20T00:00Z&until=2013-06-21T00:00Z"
    assert rows_of(bench, f"/files/missing-readings?{span}") == []
    told = bench.call("boss", "GET", f"{API}/files/missing-readings?{span}&form=json")
    assert told.json() == []


def test_the_ledger_sums_to_zero_in_each_asset(bench: Bench) -> None:
    path = f"{API}/files/ledger?since=2013-06-09T00:00Z&until=2013-07-01T00:00Z&form=json"
    told = bench.call("boss", "GET", path).json()
    assert len(told) > 500
    balances: dict[tuple[str, str], int] = {}
    for one in told:
        for name, sign in ((one["debit"], 1), (one["credit"], -1)):
            key = (one["asset"], name)
            balances[key] = balances.get(key, 0) + sign * one["amount"]
    assert sum(amount for (asset, _), amount in balances.items() if asset == "GBP") == 0
    assert balances["GBP", "h01/p01"] == 628_000_000


def test_tax_and_exposure_name_every_party(bench: Bench) -> None:
    tax = rows_of(bench, "/files/tax/2013-06")
    assert [row["party"] for row in tax] == [f"p{number:02d}" for number in range(1, 7)]
    exposed = rows_of(bench, "/files/exposure")
    assert [row["party"] for row in exposed] == [row["party"] for row in tax]
    assert exposed[0]["available_nano"] == "1000628000000"


@pytest.mark.parametrize("path", ["imbalances", "allocation", "missing-readings", "ledger"])
def test_more_than_a_year_is_not_taken_away_at_once(bench: Bench, path: str) -> None:
    for span in (
        "since=2010-01-01T00:00Z&until=2013-01-01T00:00Z",
        "since=2013-01-02T00:00Z&until=2013-01-01T00:00Z",
    ):
        answer = bench.call("boss", "GET", f"{API}/files/{path}?{span}")
        assert answer.status_code == 409
        assert answer.json()["errors"][0]["pointer"] == "query/until"


def test_no_text_in_a_table_is_a_formula() -> None:
    cells = ("=1+1", "+1", "-1", "@x", "+01:00", -5, None, True, 'a"b')
    assert csv_line(cells) == b"'=1+1,'+1,'-1,'@x,+01:00,-5,,true,\"a\"\"b\"\r\n"
