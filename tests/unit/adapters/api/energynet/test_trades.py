"""EnergyNet's trades: offered, taken, settled; each party sees its own."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from tests.api_node import Bench
from tests.builders import (
    EVE,
    ISP_US,
    MIDNIGHT,
    a_party,
    a_reading,
    an_order,
    list_deliveries,
    pod_facts,
)
from tests.energynet_calls import (
    AUCTION,
    AVAILABLE,
    BOARD,
    EXECUTE,
    HISTORY,
    OFFER,
    a_board,
    a_market,
    an_offer,
    call,
    offered,
)
from wattbay.core import commands as c
from wattbay.core.facts import Side
from wattbay.ids import OrderId, PartyId, PodId, ProductId
from wattbay.periods import DAY, HOUR, Instant, to_text

# --- the whole way ---------------------------------------------------------------------------


def test_an_offer_that_is_taken_ends_on_receipts() -> None:
    bench = a_market(a_board())
    offer = offered(bench)
    assert (offer["tradeId"], offer["status"], offer["executes"]) == (
        "order-1",
        "open",
        "when_taken",
    )
    assert (offer["seller"], offer["buyer"], offer["product"]) == ("p01", None, BOARD)

    seen = call(bench, "GET", AVAILABLE, "p02").json()
    assert [(one["tradeId"], one["amount"], one["price"]) for one in seen["offers"]] == [
        ("order-1", 1.25, 0.118)
    ]
    assert seen["offers"][0]["timestamp"] == offer["timestamp"] == to_text(EVE)
    taken = call(bench, "PUT", EXECUTE, "p02", json={"tradeId": "order-1", "amount": 0.5})
    assert taken.status_code == 200
    trade = taken.json()
    assert (trade["tradeId"], trade["amount"], trade["buyer"]) == ("trade-1", 0.5, "p02")
    assert trade["entry"] == int(taken.headers["X-Journal-Entry"])

    left = call(bench, "GET", AVAILABLE, "p03").json()["offers"]
    assert [one["amount"] for one in left] == [0.75]

    bench.advance(MIDNIGHT)
    for number in range(1, 7):
        bench.submit(a_reading(f"m-h{number:02d}", measured_at=MIDNIGHT))
    bench.advance(MIDNIGHT + ISP_US)
    for number in range(1, 7):
        meter, out = f"m-h{number:02d}", 500 if number == 1 else 0
        reading = a_reading(
            meter,
            seq=2,
            measured_at=MIDNIGHT + ISP_US,
            import_register=500 - out,
            export_register=out,
        )
        bench.submit(reading)
    before = call(bench, "GET", HISTORY).json()["trades"]
    assert [(one["status"], one["deliveredWh"]) for one in before] == [("open", None)]
    bench.advance(MIDNIGHT + ISP_US + DAY)
    for login, column in (("p01", "sold_wh"), ("p02", "bought_wh")):
        (done,) = call(bench, "GET", HISTORY, login).json()["trades"]
        assert (done["status"], done["deliveredWh"], done["price"]) == ("delivered", 500, 0.118)
        receipt = bench.history.one(
            "receipts", pod=done["pod"], delivery_start=int(MIDNIGHT), newest=True
        )
        assert receipt is not None
        assert receipt[column] == 500


# --- offer -----------------------------------------------------------------------------------


def test_an_offer_goes_to_where_offers_stand_although_an_auction_closes_earlier() -> None:
    late = a_board(closes_before_us=HOUR // 2)
    assert offered(a_market(late))["product"] == BOARD


def test_an_offer_without_a_bilateral_product_is_an_order_of_the_next_gate() -> None:
    told = offered(a_market())
    assert (told["product"], told["executes"]) == (AUCTION, "at_gate_closure")
    assert told["delivery"] == "2013-06-10T00:00Z"
    assert "when its gate has closed" in told["remark"]


def test_numbers_are_rounded_to_ticks_and_the_answer_says_so() -> None:
    told = offered(a_market(a_board(energy_tick=100)), amount=1.2999, price=0.1180041)
    assert told["energyWh"] == 1_200
    assert told["priceNanoPerWh"] == 118_010
    assert told["rounded"] == {
        "amountNamed": 1.2999,
        "amountMade": 1.2,
        "priceNamed": 0.1180041,
        "priceMade": 0.11801,
    }


@pytest.mark.parametrize(
    ("said", "side"),
    [
        ({"isSelling": True}, Side.SELL),
        ({"isSelling": False}, Side.BUY),
        ({"isSelling": None}, Side.SELL),
        ({"isSelling": None, "buyer": "p01"}, Side.BUY),
        ({"isSelling": None, "seller": "p01"}, Side.SELL),
    ],
)
def test_the_side_is_what_is_said_or_follows_from_who_is_named(
    said: dict[str, Any], side: Side
) -> None:
    bench = a_market(a_board())
    told = offered(bench, **said)
    assert told["isSelling"] is (side is Side.SELL)
    order = bench.kernel.exchange.state.market.books[ProductId(BOARD)][MIDNIGHT].orders[OrderId(1)]
    assert order.side is side


def test_an_offer_to_one_party_is_seen_by_that_party_alone() -> None:
    bench = a_market(a_board())
    offered(bench, buyer="p02")
    assert len(call(bench, "GET", AVAILABLE, "p02").json()["offers"]) == 1
    assert call(bench, "GET", AVAILABLE, "p03").json()["offers"] == []
    tried = call(bench, "PUT", EXECUTE, "p03", json={"offerId": 1})
    assert tried.status_code == 404


def test_an_offer_in_another_name_is_forbidden() -> None:
    response = call(a_market(a_board()), "POST", OFFER, json=an_offer(seller="p02"))
    assert response.status_code == 403


def test_an_offer_of_a_foreign_pod_is_not_found() -> None:
    bench = a_market(a_board())
    before = bench.journal.last_seq
    response = call(bench, "POST", OFFER, json=an_offer(pod="h02"))
    assert response.status_code == 404
    assert bench.journal.last_seq == before


def test_who_has_several_pods_names_the_one_that_is_meant() -> None:
    bench = a_market(a_board())
    unnamed = call(bench, "POST", OFFER, "fleet", json=an_offer())
    assert (unnamed.status_code, unnamed.json()["errors"][0]["pointer"]) == (422, "/pod")
    assert offered(bench, "fleet", pod="h02")["seller"] == "p02"


def test_an_offer_of_a_duration_ends_with_it() -> None:
    bench = a_market(a_board())
    offered(bench, duration=60)
    bench.advance(EVE + 61_000_000)
    assert call(bench, "GET", AVAILABLE, "p02").json()["offers"] == []
    row = bench.history.one("orders", order=1)
    assert row is not None
    assert row["state"] == "expired"


def test_an_offer_when_every_gate_is_closed_is_refused() -> None:
    bench = a_market(a_board())
    bench.advance(MIDNIGHT + DAY)
    response = call(bench, "POST", OFFER, json=an_offer())
    assert response.status_code == 409
    assert response.json()["type"].endswith("gate-closed")


def test_a_refusal_of_the_exchange_says_its_reason_and_entry() -> None:
    bench = a_market(a_board())
    response = call(bench, "POST", OFFER, json=an_offer(price=1_000.0))
    assert response.status_code == 409
    assert response.json()["reason"] == "price_limit"
    assert response.json()["entry"] == bench.journal.last_seq


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": -1.0},
        {"amount": 0},
        {"amount": 1e300},
        {"amount": "1"},
        {"amount": True},
        {"amount": 0.0004},
        {"price": 1e300},
        {"price": None},
        {"duration": 0},
        {"duration": 10**12},
        {"delivery": "2013-06-10T00:00"},
        {"delivery": "yesterday"},
        {"pod": "a b"},
        {"pod": "h" * 65},
        {"unknown": 1},
        {"isSelling": "yes"},
    ],
)
def test_an_offer_that_cannot_be_meant_is_refused(wrong: dict[str, object]) -> None:
    bench = a_market(a_board())
    before = bench.journal.last_seq
    response = call(bench, "POST", OFFER, json=an_offer(**wrong))
    assert response.status_code == 422, response.text
    assert bench.journal.last_seq == before


@pytest.mark.parametrize(
    "body",
    [
        b'{"amount": NaN, "price": 0.1}',
        b'{"amount": Infinity, "price": 0.1}',
        b'{"amount": 1, "price": -Infinity}',
        b'{"amount": 1e999, "price": 0.1}',
        b'{"amount": ' + b"9" * 5_000 + b', "price": 0.1}',
        b'{"amount": 1',
        b"[]",
        b"",
        b"\xff",
    ],
)
def test_numbers_that_are_none_are_refused(body: bytes) -> None:
    response = call(a_market(a_board()), "POST", OFFER, content=body)
    assert response.status_code == 422, response.text


def test_an_offer_that_is_sent_twice_stands_once() -> None:
    bench = a_market(a_board())
    first = call(bench, "POST", OFFER, json=an_offer(), key="k1")
    second = call(bench, "POST", OFFER, json=an_offer(), key="k1")
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(call(bench, "GET", AVAILABLE, "p02").json()["offers"]) == 1
    other = call(bench, "POST", OFFER, json=an_offer(amount=2), key="k1")
    assert other.status_code == 422


def test_who_moves_in_is_not_answered_with_the_offer_of_who_had_the_pod_before() -> None:
    bench = a_market(a_board())
    first = call(bench, "POST", OFFER, json=an_offer(), key="k1").json()
    since = MIDNIGHT + DAY
    bench.submit(
        c.ChangePod(facts=pod_facts("h01", party="p02", since=since)),
        list_deliveries(day="2013-06-11", start=since, product=BOARD),
    )
    bench.advance(since)
    mine = call(bench, "POST", OFFER, "p02", json=an_offer(pod="h02"), key="k1")
    assert mine.status_code == 201, mine.text
    assert mine.json()["tradeId"] != first["tradeId"]
    assert mine.json()["seller"] == "p02"


def test_an_offer_that_is_sent_again_after_a_restart_stands_once() -> None:
    bench = a_market(a_board())
    first = call(bench, "POST", OFFER, json=an_offer(), key="k1").json()
    bench.app.state.repeats.kept.clear()
    bench.advance(MIDNIGHT - HOUR)
    again = call(bench, "POST", OFFER, json=an_offer(), key="k1")
    assert (again.json()["tradeId"], again.json()["entry"]) == (first["tradeId"], first["entry"])
    assert again.json()["status"] == "expired"


# --- available -------------------------------------------------------------------------------


def test_own_offers_and_orders_of_auctions_are_nobodys_to_take() -> None:
    bench = a_market(a_board())
    offered(bench)
    bench.submit(an_order("h02", product=AUCTION))
    told = call(bench, "GET", AVAILABLE, "p01").json()
    assert told["offers"] == []
    assert told["auctions"][0] == {
        "product": AUCTION,
        "delivery": "2013-06-10T00:00Z",
        "gateCloses": "2013-06-09T23:00Z",
    }
    assert call(bench, "GET", AVAILABLE, "p03", product=AUCTION).json()["offers"] == []


def test_parties_are_named_only_if_they_consent() -> None:
    bench = a_market(a_board())
    offered(bench)
    (unnamed,) = call(bench, "GET", AVAILABLE, "p02").json()["offers"]
    assert unnamed["seller"] is None
    bench.submit(c.RegisterParty(party=structs.replace(a_party("p01"), named=True)))
    (named,) = call(bench, "GET", AVAILABLE, "p02").json()["offers"]
    assert named["seller"] == "p01"
    assert "p01" not in str(unnamed)
    assert "h01" not in str(unnamed)


def test_offers_are_told_best_first_and_as_who_takes_them_pays() -> None:
    bench = a_market(a_board(network_fee=5_000))
    offered(bench, price=0.12)
    offered(bench, price=0.11)
    offered(bench, isSelling=False, price=0.10)
    offered(bench, isSelling=False, price=0.105)
    told = call(bench, "GET", AVAILABLE, "p02", delivery="2013-06-10T00:00Z").json()["offers"]
    assert [(one["isSelling"], one["price"]) for one in told] == [
        (False, 0.1),
        (False, 0.095),
        (True, 0.115),
        (True, 0.125),
    ]


def test_offers_can_be_narrowed_to_a_product_and_a_delivery() -> None:
    bench = a_market(a_board())
    offered(bench)
    offered(bench, delivery="2013-06-10T00:30Z")
    told = call(bench, "GET", AVAILABLE, "p02", product=BOARD, delivery="2013-06-10T00:30Z")
    assert [one["tradeId"] for one in told.json()["offers"]] == ["order-2"]
    assert call(bench, "GET", AVAILABLE, "p02", delivery="2013-06-10T00:30").status_code == 422


# --- history, and who may what ---------------------------------------------------------------


def a_traded_market() -> Bench:
    bench = a_market(a_board())
    for login in ("p02", "p03"):
        offered(bench)
        number = 1 if login == "p02" else 3
        assert call(bench, "PUT", EXECUTE, login, json={"offerId": number}).status_code == 200
    return bench


def test_each_party_sees_its_own_trades() -> None:
    bench = a_traded_market()
    seen = {
        login: [one["tradeId"] for one in call(bench, "GET", HISTORY, login).json()["trades"]]
        for login in ("p01", "p02", "p03", "p04")
    }
    assert seen == {
        "p01": ["trade-2", "trade-1"],
        "p02": ["trade-1"],
        "p03": ["trade-2"],
        "p04": [],
    }
    assert call(bench, "GET", HISTORY, "p02", pod="h01").status_code == 404


def test_an_aggregator_sees_both_sides_of_a_trade_between_its_homes() -> None:
    bench = a_traded_market()
    told = call(bench, "GET", HISTORY, "fleet").json()["trades"]
    assert [(one["tradeId"], one["isSelling"]) for one in told] == [
        ("trade-2", True),
        ("trade-1", False),
        ("trade-1", True),
    ]
    assert {(told[1]["seller"], told[1]["buyer"])} == {("p01", "p02")}


def test_whose_the_pod_was_in_its_delivery_sees_the_trade() -> None:
    bench = a_traded_market()
    moved = pod_facts("h02", party="p05", since=MIDNIGHT + DAY)
    bench.submit(c.ChangePod(facts=moved))
    bench.advance(MIDNIGHT + 2 * DAY)
    assert call(bench, "GET", HISTORY, "p05").json()["trades"] == []
    assert len(call(bench, "GET", HISTORY, "p02").json()["trades"]) == 1


def test_history_comes_by_the_page() -> None:
    bench = a_traded_market()
    first = call(bench, "GET", HISTORY, limit=1).json()
    assert [one["tradeId"] for one in first["trades"]] == ["trade-2"]
    second = call(bench, "GET", first["next"]).json()
    assert [one["tradeId"] for one in second["trades"]] == ["trade-1"]
    assert second["next"] is None
    assert call(bench, "GET", first["next"], "p02").status_code == 404


def test_history_can_be_narrowed_to_a_span() -> None:
    bench = a_traded_market()
    assert call(bench, "GET", HISTORY, since="2013-06-10T00:30Z").json()["trades"] == []
    assert len(call(bench, "GET", HISTORY, until="2013-06-10T00:30Z").json()["trades"]) == 2


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", OFFER), ("GET", AVAILABLE), ("PUT", EXECUTE), ("GET", HISTORY)],
)
def test_who_says_nothing_is_told_nothing(method: str, path: str) -> None:
    bench = a_market(a_board())
    assert call(bench, method, path, None).status_code == 401


@pytest.mark.parametrize("login", ["analyst", "grid", "boss"])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", OFFER), ("GET", AVAILABLE), ("PUT", EXECUTE)]
)
def test_who_does_not_trade_may_not(login: str, method: str, path: str) -> None:
    bench = a_market(a_board())
    body = an_offer() if method == "POST" else {"offerId": 1}
    assert call(bench, method, path, login, json=body).status_code == 403


def test_the_pod_and_party_types_of_a_book_are_those_that_the_exchange_knows() -> None:
    bench = a_market(a_board())
    offered(bench, buyer="p02")
    order = bench.kernel.exchange.state.market.books[ProductId(BOARD)][Instant(MIDNIGHT)].orders[
        OrderId(1)
    ]
    assert order.pod == PodId("h01")
    assert order.terms is not None
    assert order.terms.partner == PartyId("p02")
