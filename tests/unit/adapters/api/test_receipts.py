"""Receipts in words, statements to read, print and take away, and accounts."""

from __future__ import annotations

import csv
import io
import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from tests.api_node import Bench, a_node, live_a_day
from tests.builders import entries_of
from wattbay.adapters.api.forms import MONEY_PATTERN, money_text
from wattbay.adapters.api.receipts import ReceiptExplained
from wattbay.adapters.api.statements import StatementTold
from wattbay.core.events import ReceiptIssued
from wattbay.ids import PartyId

API = "/api/v1"
FIRST = "2013-06-10T00:00Z"


@pytest.fixture(scope="module")
def bench() -> Bench:
    made = a_node()
    live_a_day(made)
    return made


def explained(bench: Bench, pod: str) -> ReceiptExplained:
    answer = bench.call(f"p{pod[1:]}", "GET", f"{API}/receipts/{pod}/{FIRST}")
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=ReceiptExplained)


@pytest.mark.parametrize("pod", ["h01", "h02", "h03", "h04"])
def test_the_lines_of_a_receipt_sum_to_its_total(bench: Bench, pod: str) -> None:
    told = explained(bench, pod)
    assert sum(line.amount_nano for line in told.lines) == told.receipt.total_nano
    assert all(line.energy_wh * line.price_nano_per_wh in {line.amount_nano, -line.amount_nano}
               for line in told.lines)  # fmt: skip
    without = sum(line.amount_nano for line in told.without_market)
    assert without == told.receipt.same_meters_nano
    assert told.disagreements == ()
    assert [one.version for one in told.versions] == [1]


def test_a_receipt_is_told_in_words(bench: Bench) -> None:
    assert explained(bench, "h02").words == (
        "Bought from the community: 100 Wh at 0.08 GBP/kWh costs 0.008 GBP.",
        "Network fee, inside your zone: 100 Wh at 0.03 GBP/kWh costs 0.003 GBP.",
        "Levy: 100 Wh at 0.01 GBP/kWh costs 0.001 GBP.",
        "Together the party pays 0.012 GBP before tax.",
        "Without a market the same meters would have cost 0.006 GBP more.",
    )


def test_a_receipt_stands_in_its_entry_as_its_proof_says(bench: Bench) -> None:
    proof = explained(bench, "h01").proof
    assert sha256(proof.canonical.encode()).hexdigest() == proof.sha256
    entry = entries_of(bench.journal)[proof.entry - 1]
    issued = [event.receipt for event in entry.events if isinstance(event, ReceiptIssued)]
    assert proof.canonical.encode() in [msgspec.json.encode(receipt) for receipt in issued]
    assert bench.call("p01", "GET", proof.readings).json()["items"]


def test_a_receipt_that_is_not_there_is_not_found(bench: Bench) -> None:
    for path in ("h01/2013-06-12T00:00Z", "h99/2013-06-10T00:00Z", "h01/2013-06-10T00:07Z"):
        assert bench.call("p01", "GET", f"{API}/receipts/{path}").status_code == 404


def test_every_version_can_be_listed(bench: Bench) -> None:
    newest = bench.call("p01", "GET", f"{API}/receipts?limit=500").json()["items"]
    every = bench.call("p01", "GET", f"{API}/receipts?limit=500&every_version=true").json()["items"]
    assert {one["delivery"] for one in newest} == {one["delivery"] for one in every}
    assert all(one["newest"] for one in newest)


# --- statements ------------------------------------------------------------------------------


def test_a_statement_runs_from_balance_to_balance(bench: Bench) -> None:
    answer = bench.call("p01", "GET", f"{API}/statements/h01/2013-06")
    told = msgspec.json.decode(answer.content, type=StatementTold)
    assert told.lines[0].component == "opening"
    assert told.lines[-1].component == "closing"
    assert sum(line.amount_nano for line in told.lines[:-1]) == told.lines[-1].amount_nano
    assert told.payable_minor == -63
    assert told.payable_minor * 10**7 + told.carried_nano == told.lines[-1].amount_nano
    listed = bench.call("p01", "GET", f"{API}/statements").json()["items"]
    assert [(one["month"], one["payable_minor"]) for one in listed] == [("2013-06", -63)]


def test_a_statement_as_csv_has_three_columns_an_instant(bench: Bench) -> None:
    answer = bench.call("p01", "GET", f"{API}/statements/h01/2013-06/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="h01-2013-06.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert rows[0]["from_utc"] == "2013-06-10T00:00Z"
    assert rows[0]["from_local"] == "2013-06-10T01:00:00"
    assert rows[0]["from_offset"] == "+01:00"
    assert [row["component"] for row in rows][-1] == "closing"


def test_a_statement_prints_with_nothing_from_elsewhere(bench: Bench) -> None:
    bench.people.set_particulars(PartyId("p01"), {"name": "<b>Ada</b> & Co", "city": "London"})
    answer = bench.call("p01", "GET", f"{API}/statements/h01/2013-06/html")
    assert answer.headers["content-type"].startswith("text/html")
    page = answer.text
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'"
    assert "@media print" in style[1]
    assert "&lt;b&gt;Ada&lt;/b&gt; &amp; Co" in page
    assert not re.search(r"<script|<link|<img|src=|https?:", page)
    assert "In your favour: 0.63 GBP" in page
    other = bench.call("p02", "GET", f"{API}/statements/h02/2013-06/html").text
    assert "To be paid: 0.62 GBP" in other
    assert "Ada" not in other


# --- money -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount_nano", "text"),
    [
        (0, "0.00"),
        (-1, "-0.000000001"),
        (1_000_000_000, "1.00"),
        (-1_500_000_000, "-1.50"),
        (123_456_789, "0.123456789"),
        (2**53 - 1, "9007199.254740991"),
    ],
)
def test_money_is_written_exactly_and_never_as_minus_nothing(amount_nano: int, text: str) -> None:
    assert money_text(amount_nano) == text
    assert re.match(MONEY_PATTERN, text)


def test_money_is_paid_in_and_out() -> None:
    made = a_node()

    def pay(path: str, amount_nano: int) -> tuple[int, dict[str, Any]]:
        body = {"party": "p01", "amount_nano": amount_nano}
        answer = made.call("boss", "POST", f"{API}/pods/h01/{path}", body)
        return answer.status_code, answer.json()

    assert pay("deposits", 5_000_000_000)[1]["amount"] == "5.00"
    assert pay("withdrawals", 2_000_000_000)[0] == 201
    status, told = pay("withdrawals", 4_000_000_000)
    assert (status, told["reason"]) == (409, "no_collateral")
    account = made.call("p01", "GET", f"{API}/accounts").json()["items"]
    assert [(one["pod"], one["balance"]) for one in account] == [("h01", "3.00")]
    body = {"party": "p02", "amount_nano": 1}
    assert made.call("boss", "POST", f"{API}/pods/h01/deposits", body).status_code == 404


def test_what_an_order_can_cost_is_held() -> None:
    made = a_node()
    order = {
        "pod": "h01", "product": "halfhour", "delivery": "2013-06-10T12:00Z", "side": "buy",
        "quantity_wh": 200, "limit_nano_per_wh": 100_000,
    }  # fmt: skip
    made.call("p01", "POST", f"{API}/orders", order)
    account = made.call("p01", "GET", f"{API}/accounts").json()["items"][0]
    assert account["held_nano"] == 20_000_000
    assert account["available"] == "999.98"


# --- the journal -----------------------------------------------------------------------------


def test_entries_are_followed_in_their_order(bench: Bench) -> None:
    after, seen = 0, []
    while True:
        told = bench.call("boss", "GET", f"{API}/journal/entries?after={after}&limit=100").json()
        seen += [one["entry"] for one in told["items"]]
        if told["after"] == told["last"]:
            break
        after = told["after"]
    assert seen == list(range(1, bench.journal.last_seq + 1))


def test_one_follows_what_concerns_ones_own_pods(bench: Bench) -> None:
    told = bench.call("p01", "GET", f"{API}/journal/entries?limit=500").json()
    assert {one["pod"] for one in told["items"]} == {"h01"}
    assert told["after"] == told["last"] == bench.journal.last_seq
    assert {one["command"] for one in told["items"]} >= {"PlaceOrder", "SubmitReading"}
