"""Orders over REST: placed, changed, taken, withdrawn; what stands, and what came of it."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from tests.api_node import JULY, Bench, a_node, live_a_day
from tests.builders import MIDNIGHT, a_product, list_deliveries
from wattbay.adapters.api.order_lists import OrderLife
from wattbay.adapters.api.orders import Outcome, Withdrawn
from wattbay.adapters.api.stream.sources import Sources, alerts
from wattbay.core.facts import Mechanism, Product
from wattbay.ids import MeterId
from wattbay.periods import HOUR, Instant, to_text
from wattbay.watch.anomalies import SEVERITY, Anomaly, Finding

API = "/api/v1"
NOON = "2013-06-10T12:00Z"


def an_order(pod: str = "h01", **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of an order
    return {
        "pod": pod,
        "product": "halfhour",
        "delivery": NOON,
        "side": "buy",
        "quantity_wh": 200,
        "limit_nano_per_wh": 100_000,
        **changed,
    }


def place(bench: Bench, login: str = "p01", **changed: Any) -> httpx.Response:  # noqa: ANN401 - likewise
    return bench.call(login, "POST", f"{API}/orders", an_order(f"h{login[1:]}", **changed))


def traded_by(mechanism: Mechanism) -> Product:
    return msgspec.structs.replace(a_product(), mechanism=mechanism)


def order_of(bench: Bench, number: int, login: str = "p01") -> dict[str, Any]:
    found: dict[str, Any] = bench.call(login, "GET", f"{API}/orders/{number}").json()
    return found


def test_an_order_waits_for_its_auction_and_trades_in_it() -> None:
    bench = a_node()
    placed = place(bench)
    assert placed.status_code == 201
    told = msgspec.json.decode(placed.content, type=Outcome)
    assert (told.order, told.state, told.filled_wh, told.hold_nano) == (1, "open", 0, 20_000_000)
    assert placed.headers["x-journal-entry"] == str(told.entry)
    place(bench, "p02", side="sell", limit_nano_per_wh=60_000, quantity_wh=150)
    bench.advance(MIDNIGHT + 11 * HOUR)
    life = msgspec.convert(order_of(bench, 1), OrderLife)
    assert (life.order.state, life.order.filled_wh) == ("partly_filled", 150)
    assert [(fill.quantity_wh, fill.delivery) for fill in life.fills] == [(150, NOON)]
    late = place(bench)
    assert late.status_code == 409
    assert late.json()["reason"] == "gate_closed"


def test_in_continuous_trading_an_order_meets_what_rests() -> None:
    bench = a_node(product=traded_by(Mechanism.CONTINUOUS))
    place(bench, "p02", side="sell", limit_nano_per_wh=60_000, quantity_wh=150)
    told = msgspec.json.decode(place(bench).content, type=Outcome)
    assert (told.state, told.filled_wh, told.hold_nano) == ("open", 150, 50 * 100_000)
    assert [(fill.quantity_wh, fill.price_nano_per_wh) for fill in told.fills] == [(150, 60_000)]
    whole = msgspec.json.decode(
        place(bench, "p03", side="sell", limit_nano_per_wh=90_000, quantity_wh=50).content,
        type=Outcome,
    )
    assert (whole.state, whole.filled_wh) == ("filled", 50)
    assert whole.fills[0].price_nano_per_wh == 100_000
    none = msgspec.json.decode(
        place(bench, "p04", terms={"time_in_force": "IOC"}).content, type=Outcome
    )
    assert (none.state, none.reason, none.filled_wh) == ("cancelled", "ioc", 0)


def test_a_change_may_fill_an_order_or_end_it() -> None:
    bench = a_node(product=traded_by(Mechanism.CONTINUOUS))
    place(bench, "p02", side="sell", limit_nano_per_wh=110_000, quantity_wh=150)

    def change(quantity_wh: int, limit: int) -> Outcome:
        body = {"quantity_wh": quantity_wh, "limit_nano_per_wh": limit}
        answer = bench.call("p01", "PATCH", f"{API}/orders/2", body)
        return msgspec.json.decode(answer.content, type=Outcome)

    assert place(bench, quantity_wh=100).json()["state"] == "open"
    told = change(300, 110_000)
    assert (told.state, told.filled_wh, told.hold_nano) == ("open", 150, 150 * 110_000)
    over = change(150, 110_000)
    assert (over.state, over.filled_wh, over.hold_nano) == ("cancelled", 0, 0)
    place(bench, "p02", side="sell", limit_nano_per_wh=120_000, quantity_wh=100)
    assert place(bench, quantity_wh=100).json()["order"] == 4
    body = {"quantity_wh": 100, "limit_nano_per_wh": 120_000}
    full = bench.call("p01", "PATCH", f"{API}/orders/4", body).json()
    assert (full["state"], full["filled_wh"], full["hold_nano"]) == ("filled", 100, 0)


def test_a_stop_waits_and_is_not_shown() -> None:
    bench = a_node(product=traded_by(Mechanism.CONTINUOUS))
    terms = {"kind": "stop_limit", "stop_nano_per_wh": 110_000}
    told = msgspec.json.decode(place(bench, terms=terms).content, type=Outcome)
    assert told.state == "waiting"
    book = bench.call("p02", "GET", f"{API}/book/halfhour/{NOON}").json()
    assert book["bids"] == []
    assert book["phase"] == "continuous"


def test_a_book_shows_levels_best_first_and_no_names() -> None:
    bench = a_node(product=traded_by(Mechanism.CONTINUOUS))
    for login, limit in (("p01", 90_000), ("p02", 95_000), ("p03", 90_000)):
        place(bench, login, limit_nano_per_wh=limit)
    place(bench, "p04", side="sell", quantity_wh=1_000, limit_nano_per_wh=120_000,
          terms={"peak_wh": 100})  # fmt: skip
    book = bench.call("p05", "GET", f"{API}/book/halfhour/{NOON}").json()
    assert book["bids"] == [
        {"limit_nano_per_wh": 95_000, "quantity_wh": 200, "orders": 1},
        {"limit_nano_per_wh": 90_000, "quantity_wh": 400, "orders": 2},
    ]
    assert book["offers"] == [{"limit_nano_per_wh": 120_000, "quantity_wh": 100, "orders": 1}]
    assert book["takeable"] == []


def test_an_auctions_book_shows_market_orders_first() -> None:
    bench = a_node()
    place(bench)
    place(bench, "p02", limit_nano_per_wh=None)
    book = bench.call("p05", "GET", f"{API}/book/halfhour/{NOON}").json()
    assert [level["limit_nano_per_wh"] for level in book["bids"]] == [None, 100_000]
    assert book["phase"] == "auction"


def test_a_delivery_that_is_not_listed_has_no_book() -> None:
    bench = a_node()
    for path in (f"halfhour/{to_text(JULY)}", f"other/{NOON}"):
        assert bench.call("p01", "GET", f"{API}/book/{path}").status_code == 404


def test_a_bilateral_offer_is_taken_by_its_number() -> None:
    bench = a_node(product=traded_by(Mechanism.BILATERAL))
    place(bench, side="sell", limit_nano_per_wh=80_000)
    book = bench.call("p02", "GET", f"{API}/book/halfhour/{NOON}").json()
    assert book["takeable"] == [
        {"order": 1, "side": "sell", "limit_nano_per_wh": 80_000, "quantity_wh": 200}
    ]
    body = {"pod": "h02", "quantity_wh": 50}
    taken = bench.call("p02", "POST", f"{API}/orders/1/take", body)
    assert taken.status_code == 201, taken.text
    told = msgspec.json.decode(taken.content, type=Outcome)
    assert told.filled_wh == 50
    assert told.fills[0].price_nano_per_wh == 80_000
    assert order_of(bench, 1)["order"]["filled_wh"] == 50
    gone = bench.call("p02", "POST", f"{API}/orders/99/take", body)
    assert gone.status_code == 404


def test_an_order_is_changed_and_withdrawn() -> None:
    bench = a_node()
    place(bench)
    body = {"quantity_wh": 120, "limit_nano_per_wh": 90_000}
    changed = bench.call("p01", "PATCH", f"{API}/orders/1", body)
    told = msgspec.json.decode(changed.content, type=Outcome)
    assert (told.order, told.state, told.hold_nano) == (1, "open", 120 * 90_000)
    gone = bench.call("p01", "DELETE", f"{API}/orders/1")
    assert msgspec.json.decode(gone.content, type=Withdrawn).orders == (1,)
    assert order_of(bench, 1)["order"]["state"] == "cancelled"
    again = bench.call("p01", "DELETE", f"{API}/orders/1")
    assert again.status_code == 404
    assert again.json()["reason"] == "unknown_order"
    assert bench.call("p01", "PATCH", f"{API}/orders/1", body).status_code == 404


def test_all_orders_of_a_pod_are_withdrawn_at_once() -> None:
    bench = a_node()
    for delivery in (NOON, NOON, "2013-06-10T13:00Z"):
        place(bench, delivery=delivery)
    path = f"{API}/orders?pod=h01&product=halfhour"
    one = bench.call("p01", "DELETE", f"{path}&delivery=2013-06-10T13:00Z").json()
    assert one["orders"] == [3]
    assert bench.call("p01", "DELETE", path).json()["orders"] == [1, 2]
    assert bench.call("p01", "DELETE", f"{API}/orders?pod=h01").status_code == 422


@pytest.mark.parametrize(
    ("changed", "status", "reason"),
    [
        ({"limit_nano_per_wh": 7}, 409, "off_tick"),
        ({"limit_nano_per_wh": 10_000_000}, 409, "price_limit"),
        ({"quantity_wh": 100_001}, 409, "bad_quantity"),
        ({"product": "other"}, 404, "unknown_product"),
        ({"delivery": "2013-06-20T12:00Z"}, 404, "unknown_delivery"),
        ({"delivery": "2013-06-10T12:07Z"}, 404, "unknown_delivery"),
        ({"terms": {"post_only": True}}, 409, "bad_condition"),
        ({"terms": {"partner": "nobody"}}, 409, "bad_condition"),
    ],
)
def test_a_refusal_bears_its_reason_and_entry(
    changed: dict[str, Any], status: int, reason: str
) -> None:
    bench = a_node()
    answer = place(bench, **changed)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text
    row = bench.history.one("refusals", reason=reason)
    assert row is not None
    assert row["entry"] == answer.json()["entry"]


def test_a_basket_and_a_block_of_anothers_delivery_are_not_taken() -> None:
    bench = a_node()
    for terms in (
        {"legs": [{"delivery": NOON, "side": "buy", "quantity_wh": 1, "limit_nano_per_wh": 0}]},
        {"block": {"profile_wh": [10, 10]}},
    ):
        body = an_order("h01", terms=terms)
        assert bench.call("p02", "POST", f"{API}/orders", body).status_code == 404
        assert bench.call("p01", "POST", f"{API}/orders", body).status_code == 409


def test_orders_are_listed_by_state_pod_and_span() -> None:
    bench = a_node()
    live_a_day(bench)
    place(bench, delivery=to_text(JULY))

    def listed(query: str) -> list[str]:
        items = bench.call("p01", "GET", f"{API}/orders?{query}").json()["items"]
        return [one["delivery"] for one in items]

    assert listed("state=open") == [to_text(JULY)]
    assert len(listed("state=partly_filled&pod=h01")) == 4
    assert listed("until=2013-06-10T00:30Z") == ["2013-06-10T00:00Z"]
    assert listed("product=other") == []


def test_who_moves_out_sees_what_was_theirs_and_nothing_after() -> None:
    bench = a_node()
    place(bench)
    since = Instant(MIDNIGHT + 24 * HOUR)
    body = {"party": "p02", "since": to_text(since)}
    assert bench.call("boss", "POST", f"{API}/pods/h01/move", body).status_code == 200
    assert order_of(bench, 1)["order"]["pod"] == "h01"
    assert bench.call("p02", "GET", f"{API}/orders/1").status_code == 404
    live_a_day(bench)
    path = f"{API}/receipts/h01/2013-06-10T00:00Z"
    assert bench.call("p01", "GET", path).status_code == 200
    assert bench.call("p02", "GET", path).status_code == 404
    assert place(bench, delivery=to_text(JULY)).status_code == 404
    answer = bench.call("p02", "POST", f"{API}/orders", an_order(delivery=to_text(JULY)))
    assert answer.status_code == 201
    number = answer.json()["order"]
    assert bench.call("p02", "GET", f"{API}/orders/{number}").status_code == 200
    assert bench.call("p01", "GET", f"{API}/orders/{number}").status_code == 404
    assert bench.call("p01", "GET", f"{API}/devices/m-h01").status_code == 404
    assert bench.call("p02", "GET", f"{API}/devices/m-h01").status_code == 200
    evidence = f"{API}/devices/m-h01/readings?since=2013-06-10T00:00Z"
    assert bench.call("p01", "GET", evidence).json()["items"]
    assert bench.call("p02", "GET", evidence).json()["items"] == []


def test_who_moves_out_withdraws_no_order_of_who_moves_in() -> None:
    bench = a_node()
    live_a_day(bench)
    body = {"party": "p02", "since": to_text(Instant(JULY + 24 * HOUR))}
    assert bench.call("boss", "POST", f"{API}/pods/h01/move", body).status_code == 200
    bench.submit(list_deliveries(day="2013-07-02", start=Instant(JULY + 24 * HOUR)))
    assert place(bench, delivery=to_text(JULY)).status_code == 201
    late = an_order(delivery=to_text(Instant(JULY + 24 * HOUR)))
    answer = bench.call("p02", "POST", f"{API}/orders", late)
    assert answer.status_code == 201, answer.text
    path = f"{API}/orders?pod=h01&product=halfhour"
    refused = bench.call("p01", "DELETE", path)
    assert (refused.status_code, refused.json()["type"][-11:]) == (409, "not-all-own")
    assert len(bench.node.state().market.places) == 2
    one = bench.call("p01", "DELETE", f"{path}&delivery={to_text(JULY)}")
    assert len(one.json()["orders"]) == 1
    assert bench.call("p02", "GET", f"{API}/orders/{answer.json()['order']}").status_code == 200
    assert bench.call("p01", "DELETE", path).status_code == 409


def test_who_moves_in_sees_no_alert_of_the_time_before() -> None:
    bench = a_node()

    def found(at: Instant, words: str) -> int:
        finding = Finding(
            Anomaly.SILENT, SEVERITY[Anomaly.SILENT], MeterId("m-h01"), None, None, None, at, words
        )
        return bench.alerts.add(finding).number

    before = found(MIDNIGHT, "no reading for 9 days")
    bench.alerts.end(MeterId("m-h01"), Anomaly.SILENT, MIDNIGHT)
    body = {"party": "p02", "since": to_text(Instant(MIDNIGHT + 24 * HOUR))}
    assert bench.call("boss", "POST", f"{API}/pods/h01/move", body).status_code == 200
    bench.advance(MIDNIGHT + 30 * HOUR)
    after = found(Instant(MIDNIGHT + 30 * HOUR), "no reading for 2 h")
    for login, numbers in (("p01", [before]), ("p02", [after]), ("boss", [after, before])):
        listed = bench.call(login, "GET", f"{API}/alerts?device=m-h01").json()["items"]
        assert [one["number"] for one in listed] == numbers
        for number in (before, after):
            status = 200 if number in numbers else 404
            assert bench.call(login, "GET", f"{API}/alerts/{number}").status_code == status
    sources = Sources(state=bench.node.state, alerts=bench.alerts)
    again = found(Instant(MIDNIGHT + 31 * HOUR), "no reading for 3 h")
    assert list(alerts(sources, "p02", Instant(MIDNIGHT + 31 * HOUR))) == [str(again)]
