from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from wattbay.adapters.market_file import TradingResult, clear_document, render, steps, tables
from wattbay.errors import ConfigError

BUY = {"op": "new", "id": 1, "side": "buy", "limit": 9, "quantity": 2}
SELL = {"op": "new", "id": 2, "side": "sell", "limit": 5, "quantity": 3}


def a_document(*taken: object, **rest: object) -> str:
    return json.dumps({"mechanism": "continuous", **rest, "steps": taken or [BUY, SELL]})


def traded(text: str) -> TradingResult:
    result = clear_document(text)
    assert isinstance(result, TradingResult)
    return result


def places(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        clear_document(text)
    return [fault.where for fault in caught.value.faults]


def test_result_is_written_as_json_with_its_keys_in_order() -> None:
    written = json.loads(render(traded(a_document())))
    assert list(written) == [
        "trades",
        "bids",
        "asks",
        "cancelled",
        "rejected",
        "stops",
        "triggered",
    ]
    assert written["trades"] == [{"maker": 1, "taker": 2, "price": "9", "quantity": "2"}]
    assert written["asks"] == [["5", [[2, "1"]]]]


def test_document_without_steps_has_an_empty_result() -> None:
    result = traded('{"mechanism": "continuous", "steps": []}')
    assert result == TradingResult([], [], [], [], [], [], [])


def test_ids_come_back_as_they_were_given_and_1_and_text_1_are_one() -> None:
    result = traded(a_document(BUY, {**SELL, "id": "roof"}, {**SELL, "id": "1"}))
    assert (result.trades[0].maker, result.trades[0].taker) == (1, "roof")
    assert result.rejected == []
    again = traded(a_document({**BUY, "limit": 1}, {**SELL, "id": "1"}))
    assert [(step.op, step.id, step.reason) for step in again.rejected] == [
        ("new", 1, "duplicate_id")
    ]


def test_null_is_as_good_as_nothing_where_a_key_is_optional() -> None:
    plain = dict.fromkeys(
        ("party", "type", "stop", "expires", "peak", "zone", "wants", "post_only")
    )
    assert traded(a_document({**BUY, **plain}, SELL)) == traded(a_document())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("op", "buy"),
        ("op", None),
        ("id", 1.5),
        ("side", "up"),
        ("quantity", None),
        ("quantity", "x"),
        ("limit", "1e99"),
        ("stop", []),
        ("type", "Limit"),
        ("type", 3),
        ("time_in_force", "gtc"),
        ("post_only", 1),
        ("expires", "5"),
        ("expires", 1.5),
        ("valid_from", True),
        ("request_id", ""),
        ("party", {}),
        ("zone", []),
        ("origin", "solar//pv"),
        ("wants", "/"),
        ("colour", 1),
    ],
)
def test_value_of_an_order_that_is_wrong_is_a_fault(key: str, value: object) -> None:
    assert places(a_document(BUY, {**SELL, key: value})) == [f"/steps/1/{key}"]


@pytest.mark.parametrize(
    ("step", "where"),
    [
        (7, ""),
        ({}, "/id"),
        ({"op": "amend"}, "/id"),
        ({"op": "amend", "id": 1, "side": "buy"}, "/side"),
        ({"op": "amend", "id": 1, "quantity": "x"}, "/quantity"),
        ({"op": "cancel", "id": 1, "quantity": 1}, "/quantity"),
        ({"op": "time"}, "/at"),
        ({"op": "time", "at": -1}, "/at"),
        ({"op": "time", "at": None}, "/at"),
        ({"op": "time", "at": "12:00"}, "/at"),
        ({"op": "close", "at": 1}, "/at"),
    ],
)
def test_step_that_is_wrong_is_a_fault(step: object, where: str) -> None:
    assert places(a_document(BUY, step))[0] == "/steps/1" + where


def test_key_of_a_step_given_twice_is_a_fault() -> None:
    text = a_document({"op": "cancel", "id": 1}).replace('"id": 1', '"id": 1, "id": 2')
    assert places(text) == ["/steps/0/id"]


def test_time_that_goes_back_is_a_fault() -> None:
    text = a_document({"op": "time", "at": 5}, {"op": "time", "at": 5}, {"op": "time", "at": 4})
    assert places(text) == ["/steps/2/at"]


@pytest.mark.parametrize(
    ("rules", "where"),
    [
        ({"self_trade_prevention": "none"}, "/rules/self_trade_prevention"),
        ({"price_min": 2, "price_max": 1}, "/rules/price_min"),
        ({"network_fee": 0.5}, "/rules/network_fee"),
        ({"network_fee": 0, "network_fees": {"a": {"a": 0}}}, "/rules/network_fees"),
        ({"network_fees": {}}, "/rules/network_fees"),
        ({"network_fees": []}, "/rules/network_fees"),
        ({"network_fees": {"a": 1}}, "/rules/network_fees/a"),
        ({"network_fees": {"a": {"b": 0.5}}}, "/rules/network_fees/a/b"),
        ({"network_fees": {"a": {"": 1}}}, "/rules/network_fees/a/"),
        ({"pricing": "uniform"}, "/rules/pricing"),
        ({"margin": "time"}, "/rules/margin"),
        ({"reference": 1}, "/rules/reference"),
        ({"node_limit": 1}, "/rules/node_limit"),
        ({"tick": 1}, "/rules/tick"),
    ],
)
def test_rule_that_is_wrong_is_a_fault(rules: dict[str, object], where: str) -> None:
    assert places(a_document(rules=rules)) == [where]


def test_every_fault_is_listed_at_once() -> None:
    text = a_document({**BUY, "side": "up"}, {"op": "time"}, rules={"x": 1}, ticks={"price": 0})
    assert places(text) == ["/ticks/price", "/rules/x", "/steps/0/side", "/steps/1/at"]
    assert places('{"mechanism": "continuous", "orders": []}') == ["/steps", "/orders"]
    assert places('{"mechanism": "continuous", "steps": {}}') == ["/steps"]


def test_document_beyond_a_bound_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    zoned = a_document(BUY, {**SELL, "origin": "a"}, rules={"network_fees": {"a": {"b": 0}}})
    monkeypatch.setattr(steps, "POOLS_MAX", 1)
    assert places(zoned) == ["/steps"]
    monkeypatch.setattr(steps, "ZONES_MAX", 1)
    assert places(zoned) == ["/rules/network_fees", "/steps"]
    monkeypatch.setattr(steps, "STEPS_MAX", 1)
    assert places(a_document()) == ["/steps"]


def test_zones_without_a_matrix_change_nothing() -> None:
    apart = traded(a_document({**BUY, "zone": "n"}, {**SELL, "zone": "s"}))
    assert apart == traded(a_document())


def printed(text: str) -> str:
    console = Console(file=io.StringIO(), width=100)
    for table in tables(clear_document(text)):
        console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_tables_say_what_the_result_says() -> None:
    shown = printed(
        a_document(
            BUY,
            {**SELL, "id": "[red]x"},
            {**SELL, "id": 3, "limit": None, "type": "stop", "stop": 20},
            {**SELL, "id": 4, "limit": None, "type": "stop", "stop": 1},
            {**BUY, "id": 5, "quantity": 0},
        )
    )
    for words in (
        "trading: 1 trade",
        "[red]x",
        "no_liquidity",
        "bad_quantity",
        "triggered",
        "waits",
    ):
        assert words in shown


def test_tables_of_a_book_that_does_not_cross_say_so() -> None:
    shown = printed(a_document(BUY))
    assert "nothing trades" in shown
    assert "Cancelled" not in shown
