from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console

from wattbay.adapters import market_file
from wattbay.adapters.market_file import Result, clear_file, document, render, source, tables
from wattbay.errors import AdapterError, ConfigError, Fault

BUY = {"id": 1, "side": "buy", "limit": 9, "quantity": 2}
SELL = {"id": 2, "side": "sell", "limit": 5, "quantity": 3}


def clear_document(text: bytes | str) -> Result:
    result = market_file.clear_document(text)
    assert isinstance(result, Result)
    return result


def a_document(*orders: object, **rest: object) -> str:
    return json.dumps({"mechanism": "call_auction", **rest, "orders": orders or [BUY, SELL]})


def faults_of(text: bytes | str) -> tuple[Fault, ...]:
    with pytest.raises(ConfigError) as caught:
        clear_document(text)
    return caught.value.faults


def places(text: bytes | str) -> list[str]:
    return [fault.where for fault in faults_of(text)]


def an_order(literal: str, key: str) -> str:
    """Return a document whose second order has `literal` in place of a value, as written."""
    changed = json.dumps({**SELL, key: "HERE"}).replace('"HERE"', literal)
    return a_document(BUY, "ORDER").replace('"ORDER"', changed)


# --- what is cleared -------------------------------------------------------------------------


def test_document_without_ticks_and_rules_has_whole_steps_and_the_first_of_each_rule() -> None:
    result = clear_document(a_document())
    assert (result.price, result.volume) == ("5", "2")
    assert result.fills == {"1": "2", "2": "2"}


def test_text_and_bytes_are_read_alike() -> None:
    text = a_document()
    assert clear_document(text.encode()) == clear_document(text)
    assert clear_document(b"\xef\xbb\xbf" + text.encode()) == clear_document(text)


@pytest.mark.parametrize("literal", ["0.3", '"0.3"', "3e-1", '"0.30"', "0.03E+1", "30.0e-2"])
def test_numbers_are_exact_however_they_are_written(literal: str) -> None:
    # As binary floats 0.3 is not 3 times 0.1.
    text = a_document({**BUY, "limit": "HERE"}, {**SELL, "limit": 0.1}, ticks={"price": 0.1})
    assert clear_document(text.replace('"HERE"', literal)).price == "0.1"


def test_ids_come_back_as_they_were_given_and_as_text_where_they_are_keys() -> None:
    result = clear_document(a_document(BUY, {**SELL, "id": "Müller 2"}))
    assert (result.trades[0].buy, result.trades[0].sell) == (1, "Müller 2")
    assert result.fills == {"1": "2", "Müller 2": "2"}
    assert result.order_price == {"1": "5", "Müller 2": "5"}


def test_amounts_are_in_price_times_quantity() -> None:
    ticks = {"price": "0.01", "quantity": "0.001"}
    orders = ({**BUY, "limit": "0.26", "quantity": "0.003"}, {**SELL, "limit": 0.25})
    result = clear_document(a_document(*orders, ticks=ticks))
    assert (result.price, result.volume) == ("0.25", "0.003")
    assert (result.surplus.buyers, result.surplus.maximum) == ("0.00003", "0.00003")


def test_ticks_larger_than_one_keep_their_zeros() -> None:
    orders = ({**BUY, "limit": 30, "quantity": 1500}, {**SELL, "limit": 20, "quantity": "1.5e3"})
    result = clear_document(a_document(*orders, ticks={"price": 10, "quantity": 500}))
    assert (result.price, result.volume, result.surplus.maximum) == ("20", "1500", "15000")


def test_refused_order_is_no_fault() -> None:
    result = clear_document(a_document(BUY, SELL, {**SELL, "id": 3, "quantity": 0}))
    assert [(order.id, order.reason) for order in result.rejected] == [(3, "bad_quantity")]
    assert "3" not in result.fills


@pytest.mark.parametrize("quantity", ["1" * 15 + ".5", "1e-30", "-0.5"])
def test_value_off_the_tick_is_refused_not_rounded(quantity: str) -> None:
    result = clear_document(a_document(BUY, {**SELL, "quantity": quantity}))
    assert [(order.id, order.reason) for order in result.rejected] == [(2, "off_tick")]
    assert result.price is None


def test_price_bounds_hold_for_limits_and_not_for_market_orders() -> None:
    orders = (BUY, SELL, {**BUY, "id": 3, "limit": None}, {**BUY, "id": 4, "limit": 9.5})
    result = clear_document(
        a_document(*orders, rules={"price_min": "6", "price_max": 9}, ticks={"price": "0.5"})
    )
    rejected = [(order.id, order.reason) for order in result.rejected]
    assert rejected == [(2, "price_limit"), (4, "price_limit")]
    assert result.fills == {"1": "0", "3": "0"}


def test_ends_of_price_bounds_are_allowed() -> None:
    result = clear_document(a_document(rules={"price_min": 5, "price_max": 9}))
    assert result.rejected == []


# --- what is malformed -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"mechanism": }', "line 1, column 15"),
        ('{\n  "mechanism": "call_auction"\n  "rules": {}}', "line 3, column 3"),
        ("", "line 1, column 1"),
        ("{} {}", "line 1, column 4"),
    ],
)
def test_text_that_is_not_json_is_one_fault_with_line_and_column(text: str, where: str) -> None:
    assert places(text) == [where]


@pytest.mark.parametrize("text", ["[" * 100_000, b"\xff", "[]", "3", "null", '"call_auction"'])
def test_document_that_is_no_object_is_one_fault(text: bytes | str) -> None:
    assert places(text) == [""]


def test_empty_object_lacks_two_keys() -> None:
    assert places("{}") == ["/mechanism", "/orders"]


def test_misspelt_mechanism_hides_no_other_fault() -> None:
    text = a_document({**BUY, "side": "bid"}).replace("call_auction", "call_action")
    assert places(text) == ["/mechanism", "/orders/0/side"]


@pytest.mark.parametrize("key", ["limit", "quantity"])
@pytest.mark.parametrize(
    "literal",
    [
        "NaN",
        "-Infinity",
        '"NaN"',
        "true",
        "[]",
        "{}",
        '""',
        '" 5"',
        '"5 "',
        '"05"',
        '"+5"',
        '".5"',
        '"5."',
        '"1_000"',
        '"٣"',
        '"0x10"',
        "1e999",
        "1e31",
        "1" * 41,
        "0." + "1" * 40,
        "9007199254740992",
        "-1e20",
    ],
)
def test_value_that_is_no_number_within_bounds_is_a_fault(key: str, literal: str) -> None:
    assert places(an_order(literal, key)) == [f"/orders/1/{key}"]


@pytest.mark.parametrize(
    ("key", "literal"),
    [
        ("id", "1.0"),
        ("id", "1e3"),
        ("id", "true"),
        ("id", "null"),
        ("id", '""'),
        ("id", '"\\n"'),
        ("id", '"\\ud800"'),
        ("id", json.dumps("x" * 129)),
        ("id", "9007199254740992"),
        ("side", '"BUY"'),
        ("side", "null"),
        ("quantity", "null"),
        ("party", "[]"),
        ("zone", "false"),
        ("colour", "1"),
        ("type", '"limit"'),
    ],
)
def test_other_value_of_an_order_that_is_wrong_is_a_fault(key: str, literal: str) -> None:
    assert places(an_order(literal, key)) == [f"/orders/1/{key}"]


@pytest.mark.parametrize("key", ["id", "side", "limit", "quantity"])
def test_key_that_an_order_lacks_is_a_fault(key: str) -> None:
    lacking = {name: value for name, value in BUY.items() if name != key}
    assert places(a_document(lacking)) == [f"/orders/0/{key}"]


@pytest.mark.parametrize(
    ("rules", "where"),
    [
        ({"pricing": "pay-as-bid"}, "/rules/pricing"),
        ({"pricing": None}, "/rules/pricing"),
        ({"margin": 1}, "/rules/margin"),
        ({"reference": "x"}, "/rules/reference"),
        ({"reference": 0.5}, "/rules/reference"),
        ({"network_fee": None}, "/rules/network_fee"),
        ({"network_fee": 0.5}, "/rules/network_fee"),
        ({"price_min": 2, "price_max": 1}, "/rules/price_min"),
        ({"price_min": 2, "reference": 1}, "/rules/reference"),
        ({"network_fees": {}}, "/rules/network_fees"),
        ({"self_trade_prevention": None}, "/rules/self_trade_prevention"),
        ({"node_limit": 5}, "/rules/node_limit"),
        ({"tick": 5}, "/rules/tick"),
    ],
)
def test_rule_that_is_wrong_is_a_fault(rules: dict[str, object], where: str) -> None:
    assert places(a_document(rules=rules)) == [where]


@pytest.mark.parametrize(
    ("ticks", "where"),
    [
        ({"price": 0}, "/ticks/price"),
        ({"quantity": "-1"}, "/ticks/quantity"),
        ({"price": None}, "/ticks/price"),
        ({"energy": 1}, "/ticks/energy"),
        (None, "/ticks"),
        ([1, 1], "/ticks"),
    ],
)
def test_tick_that_is_wrong_is_the_only_fault(ticks: object, where: str) -> None:
    assert places(a_document(ticks=ticks)) == [where]


def test_orders_that_are_no_list_are_a_fault() -> None:
    assert places('{"mechanism": "call_auction", "orders": {}}') == ["/orders"]


def test_every_fault_is_listed_at_once_in_the_order_of_the_document() -> None:
    text = """{"mechanism": "call_auction", "a/b~c": 1, "ticks": {"price": 0},
               "rules": {"margin": "fair", "node_limit": 1},
               "orders": [7, {"id": 1, "side": "up", "limit": NaN, "quantity": 1, "quantity": 2},
                          {"id": 2, "side": "buy", "limit": 1, "quantity": 1}, {}]}"""
    assert places(text) == [
        "/a~1b~0c",
        "/ticks/price",
        "/rules/node_limit",
        "/rules/margin",
        "/orders/0",
        "/orders/1/quantity",
        "/orders/1/side",
        "/orders/1/limit",
        "/orders/3/id",
        "/orders/3/limit",
        "/orders/3/quantity",
        "/orders/3/side",
    ]


def test_key_given_twice_is_a_fault_even_at_the_top() -> None:
    text = a_document()
    assert places(text[:-1] + ', "mechanism": "continuous"}') == ["/mechanism"]
    assert places(text[:-1] + ', "rules": {"margin": "time", "margin": "time"}}') == [
        "/rules/margin"
    ]


def test_what_was_written_reaches_the_screen_short_and_printable() -> None:
    (fault,) = faults_of(a_document({**BUY, "side": "\x1b[31m" + "x" * 500}))
    assert str(fault).isprintable()
    assert len(str(fault)) < 200
    assert places(a_document({**BUY, "\x1b]0;": 1})) == ["/orders/0/\\x1b]0;"]


def test_document_beyond_a_bound_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "ORDERS_MAX", 1)
    assert places(a_document()) == ["/orders"]
    monkeypatch.setattr(source, "DOCUMENT_CHARACTERS_MAX", 20)
    assert places(a_document()) == [""]


def test_largest_numbers_come_back_exactly() -> None:
    most = 2**53 - 1
    result = clear_document(
        a_document(
            {**BUY, "limit": most, "quantity": most}, {**SELL, "limit": -most, "quantity": most}
        )
    )
    assert (result.price, result.volume) == ("0", str(most))
    assert result.surplus.maximum == str(2 * most * most)


# --- what is shown and written ---------------------------------------------------------------


def test_result_is_written_as_json_with_its_keys_in_order() -> None:
    text = render(clear_document(a_document()))
    assert text.endswith("}\n")
    assert list(json.loads(text)) == [
        "price",
        "volume",
        "fills",
        "order_price",
        "trades",
        "market_keeps",
        "surplus",
        "rejected",
    ]


def printed(text: str) -> str:
    console = Console(file=io.StringIO(), width=100)
    for table in tables(clear_document(text)):
        console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_tables_say_what_the_result_says() -> None:
    shown = printed(a_document(BUY, SELL, {**SELL, "id": "[red]x", "quantity": 0}))
    for words in ("price 5", "buyer pays", "largest surplus possible", "[red]x", "bad_quantity"):
        assert words in shown


def test_tables_of_a_book_that_does_not_cross_say_so() -> None:
    shown = printed(a_document(BUY))
    assert "nothing trades" in shown
    assert "Trades" not in shown


def test_long_tables_are_cut_and_say_so() -> None:
    assert "and 50 more" in printed(a_document(*({**BUY, "id": n} for n in range(250))))


def test_file_is_cleared_to_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "book.json"
    file.write_text(a_document(), encoding="utf-8")
    clear_file(str(file))
    assert capsys.readouterr().out == render(clear_document(a_document()))


def test_standard_input_is_cleared_to_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(a_document().encode())))
    out = tmp_path / "result.json"
    clear_file("-", out)
    assert out.read_text(encoding="utf-8") == render(clear_document(a_document()))
    assert not capsys.readouterr().out


def test_pretty_prints_tables_and_still_writes_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "book.json", tmp_path / "result.json"
    file.write_text(a_document(), encoding="utf-8")
    clear_file(str(file), out, pretty=True)
    assert "Call auction: price 5" in capsys.readouterr().out
    assert json.loads(out.read_text(encoding="utf-8"))["price"] == "5"


def test_malformed_file_writes_nothing(tmp_path: Path) -> None:
    file, out = tmp_path / "book.json", tmp_path / "result.json"
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError):
        clear_file(str(file), out)
    assert not out.exists()


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        clear_file(str(tmp_path / "none.json"))
    assert caught.value.faults[0].where == str(tmp_path / "none.json")


def test_result_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    file = tmp_path / "book.json"
    file.write_text(a_document(), encoding="utf-8")
    with pytest.raises(AdapterError):
        clear_file(str(file), tmp_path / "none" / "result.json")


def test_example_of_the_reference_clears_as_printed() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "market-file.md"
    found = re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert len(found) % 2 == 0
    for book, result in zip(found[::2], found[1::2], strict=True):
        assert json.loads(render(market_file.clear_document(book))) == json.loads(result)
