"""EnergyNet's executions: an offer is taken, or an order crosses in the next auction."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import (
    MIDNIGHT,
    a_product,
    an_order,
)
from tests.energynet_calls import (
    AVAILABLE,
    BOARD,
    BOOK,
    EXECUTE,
    HISTORY,
    a_board,
    a_market,
    call,
    offered,
)
from wattbay.core.facts import Mechanism, Side
from wattbay.core.terms import OrderTerms
from wattbay.periods import HOUR


def test_an_offer_is_taken_whole_where_no_amount_is_named() -> None:
    bench = a_market(a_board())
    offered(bench)
    told = call(bench, "PUT", EXECUTE, "p02", json={"offerId": 1}).json()
    assert (told["energyWh"], told["rounded"]["amountNamed"]) == (1_250, None)
    row = bench.history.one("orders", order=1)
    assert row is not None
    assert row["state"] == "filled"


def test_an_offer_to_buy_is_sold_to() -> None:
    bench = a_market(a_board())
    offered(bench, isSelling=False)
    told = call(bench, "PUT", EXECUTE, "p02", json={"offerId": 1}).json()
    assert (told["isSelling"], told["seller"], told["buyer"]) == (True, "p02", None)


def test_more_than_is_open_of_an_offer_is_refused() -> None:
    bench = a_market(a_board())
    offered(bench)
    response = call(bench, "PUT", EXECUTE, "p02", json={"offerId": 1, "amount": 1.3})
    assert (response.status_code, response.json()["reason"]) == (409, "bad_quantity")


def test_ones_own_offer_is_not_taken() -> None:
    bench = a_market(a_board())
    offered(bench)
    response = call(bench, "PUT", EXECUTE, "p01", json={"offerId": 1})
    assert (response.status_code, response.json()["type"]) == (409, "urn:wattbay:problem:own-offer")


def test_a_foreign_order_of_an_auction_looks_like_none() -> None:
    bench = a_market()
    bench.submit(an_order("h02"))
    there = call(bench, "PUT", EXECUTE, "p01", json={"tradeId": "order-1"})
    none = call(bench, "PUT", EXECUTE, "p01", json={"tradeId": "order-99"})
    assert there.status_code == none.status_code == 404
    assert there.json()["detail"] == none.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"tradeId": "trade-1"}, 409),
        ({"tradeId": "order-0"}, 422),
        ({"tradeId": "nonsense"}, 422),
        ({"tradeId": "order-1", "offerId": 2}, 422),
        ({"tradeId": "order-1", "price": 0.1}, 422),
        ({"offerId": -1}, 422),
        ({"offerId": 10**30}, 422),
        ({"offerId": 1.5}, 422),
        ({}, 422),
        ({"amount": 1, "product": "none"}, 409),
        ({"amount": 1, "product": BOARD}, 409),
        ({"tradeId": "order-1", "pod": "h03"}, 404),
    ],
)
def test_an_execution_that_cannot_be_is_refused(body: dict[str, object], status: int) -> None:
    bench = a_market(a_board())
    offered(bench)
    before = bench.journal.last_seq
    response = call(bench, "PUT", EXECUTE, "p02", json=body)
    assert response.status_code == status, response.text
    assert bench.journal.last_seq == before


def test_in_an_auction_a_crossing_order_waits_for_the_gate() -> None:
    bench = a_market()
    offered(bench, price=0.1)
    told = call(bench, "PUT", EXECUTE, "p02", json={"amount": 1.0}).json()
    assert (told["tradeId"], told["status"], told["executes"], told["price"]) == (
        "order-2",
        "open",
        "at_gate_closure",
        None,
    )
    assert call(bench, "GET", HISTORY, "p02").json()["trades"] == []
    bench.advance(MIDNIGHT - HOUR)
    (trade,) = call(bench, "GET", HISTORY, "p02").json()["trades"]
    assert (trade["energyWh"], trade["offerId"]) == (1_000, 2)


def test_in_an_order_book_the_best_orders_are_met_and_the_rest_is_cancelled() -> None:
    book = structs.replace(a_product(BOOK), mechanism=Mechanism.CONTINUOUS)
    bench = a_market(book)
    for pod, limit in (("h02", 110_000), ("h03", 120_000)):
        bench.submit(an_order(pod, side=Side.SELL, limit=limit, product=BOOK))
    seen = call(bench, "GET", AVAILABLE).json()["offers"]
    assert [one["tradeId"] for one in seen] == ["order-1", "order-2"]
    told = call(bench, "PUT", EXECUTE, json={"tradeId": "order-2", "amount": 0.25}).json()
    assert (told["tradeId"], told["price"], told["status"]) == ("trade-1", 0.11, "open")
    assert call(bench, "PUT", EXECUTE, json={"tradeId": "order-1"}).status_code == 404


def test_an_iceberg_shows_its_peak_alone() -> None:
    book = structs.replace(a_product(BOOK), mechanism=Mechanism.CONTINUOUS)
    bench = a_market(book)
    iceberg = an_order("h02", side=Side.SELL, quantity_wh=900, product=BOOK)
    bench.submit(structs.replace(iceberg, terms=OrderTerms(peak_wh=100)))
    (seen,) = call(bench, "GET", AVAILABLE).json()["offers"]
    assert seen["energyWh"] == 100
    assert "900" not in str(seen)


def test_an_execution_that_is_sent_twice_happens_once() -> None:
    bench = a_market(a_board())
    offered(bench)
    body = {"offerId": 1, "amount": 0.5}
    first = call(bench, "PUT", EXECUTE, "p02", json=body, key="e1")
    bench.app.state.repeats.kept.clear()
    again = call(bench, "PUT", EXECUTE, "p02", json=body, key="e1")
    assert again.json()["entry"] == first.json()["entry"]
    assert len(call(bench, "GET", HISTORY, "p02").json()["trades"]) == 1
