"""Market files of block auctions: what is a fault, what is refused, and what people see."""

from __future__ import annotations

import json
import re
from io import StringIO

import pytest
from rich.console import Console

from wattbay.adapters.market_file import BlockResult, clear_document, tables
from wattbay.adapters.market_file.blocks import BLOCKS_MAX, PERIODS_MAX
from wattbay.errors import ConfigError

CURVE = {"id": "b", "period": 0, "side": "buy", "price": 9, "quantity": 6}
BLOCK = {"id": "k", "side": "sell", "price": 4, "profile": [4, 0]}


def document(**rest: object) -> str:
    plain = {"mechanism": "block_auction", "periods": 2, "curves": [CURVE], "blocks": [BLOCK]}
    return json.dumps({**plain, **rest})


def cleared(text: str) -> BlockResult:
    found = clear_document(text)
    assert isinstance(found, BlockResult)
    return found


def places(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        clear_document(text)
    return [fault.where for fault in caught.value.faults]


def printed(result: BlockResult) -> str:
    console = Console(file=StringIO(), width=100)
    for table in tables(result):
        console.print(table)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_curves_and_blocks_may_be_missing() -> None:
    assert cleared('{"mechanism": "block_auction", "periods": 1}').prices == ["0"]


@pytest.mark.parametrize(
    ("rest", "where"),
    [
        ({"periods": 0}, ["/periods", "/blocks/0/profile"][:1]),
        ({"periods": True}, ["/periods"]),
        ({"periods": "2"}, ["/periods"]),
        ({"periods": PERIODS_MAX + 1}, ["/periods"]),
        ({"curves": {}}, ["/curves"]),
        ({"blocks": 3}, ["/blocks"]),
        ({"blocks": [BLOCK] * (BLOCKS_MAX + 1)}, ["/blocks"]),
        ({"orders": []}, ["/orders"]),
        ({"rules": {"node_limit": 0}}, ["/rules/node_limit"]),
        ({"rules": {"node_limit": None}}, ["/rules/node_limit"]),
        ({"rules": {"pricing": "uniform"}}, ["/rules/pricing"]),
        ({"rules": {"network_fee": 1}}, ["/rules/network_fee"]),
        ({"rules": {"price_min": 3, "price_max": 2}}, ["/rules/price_min"]),
        ({"ticks": {"price": 0}}, ["/ticks/price"]),
        ({"curves": [{**CURVE, "period": 2}]}, ["/curves/0/period"]),
        ({"curves": [{**CURVE, "period": -1}]}, ["/curves/0/period"]),
        ({"curves": [{**CURVE, "period": 0.5}]}, ["/curves/0/period"]),
        ({"curves": [{**CURVE, "side": "ask"}]}, ["/curves/0/side"]),
        ({"curves": [{**CURVE, "price": None}]}, ["/curves/0/price"]),
        ({"curves": [{**CURVE, "limit": 1}]}, ["/curves/0/limit"]),
        ({"curves": [{**CURVE, "id": ""}]}, ["/curves/0/id"]),
        ({"curves": [{}]}, [f"/curves/0/{key}" for key in ("period", "price", "quantity", "side")]),
        ({"blocks": [{**BLOCK, "profile": [4]}]}, ["/blocks/0/profile"]),
        ({"blocks": [{**BLOCK, "profile": 4}]}, ["/blocks/0/profile"]),
        ({"blocks": [{**BLOCK, "profile": [4, "x"]}]}, ["/blocks/0/profile/1"]),
        ({"blocks": [{**BLOCK, "mar": "half"}]}, ["/blocks/0/mar"]),
        ({"blocks": [{**BLOCK, "group": []}]}, ["/blocks/0/group"]),
        ({"blocks": [{**BLOCK, "parent": True}]}, ["/blocks/0/parent"]),
        ({"blocks": [{}]}, [f"/blocks/0/{key}" for key in ("id", "price", "profile", "side")]),
        ({"blocks": [7]}, ["/blocks/0"]),
    ],
)
def test_what_makes_no_sense_is_a_fault(rest: dict[str, object], where: list[str]) -> None:
    assert places(document(**rest)) == where


def test_all_faults_are_told_at_once() -> None:
    bad_curve, bad_block = {**CURVE, "side": 1}, {**BLOCK, "price": []}
    text = document(rules={"x": 1}, curves=[bad_curve], blocks=[bad_block])
    assert places(text) == ["/rules/x", "/curves/0/side", "/blocks/0/price"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price": "4.5"}, "off_tick"),
        ({"profile": [4, "0.5"]}, "off_tick"),
        ({"profile": [0, 0]}, "bad_quantity"),
        ({"profile": [0, -4]}, "bad_quantity"),
        ({"price": 51}, "price_limit"),
        ({"id": "b"}, "duplicate_id"),
        ({"parent": "b"}, "unknown_order"),
        ({"parent": "k"}, "bad_condition"),
        ({"mar": "1.000001"}, "bad_condition"),
        ({"mar": -1}, "bad_condition"),
        ({"mar": "2e1"}, "bad_condition"),
    ],
)
def test_block_that_the_market_refuses_is_no_fault(changes: dict[str, object], reason: str) -> None:
    found = cleared(document(blocks=[{**BLOCK, **changes}], rules={"price_max": 50}))
    assert [order.reason for order in found.rejected] == [reason]
    assert found.acceptance == {}


@pytest.mark.parametrize(
    ("mar", "part"),
    [(0, "0.6"), ("0.6", "0.6"), ("6e-1", "0.6"), ("0.61", "0"), (1, "0"), (None, "0")],
)
def test_least_part_counts_steps_upwards(mar: object, part: str) -> None:
    block = {**BLOCK, "profile": [10, 0], "mar": mar}
    curves = [CURVE, {**CURVE, "id": "low", "price": 2, "quantity": 9}]
    assert cleared(document(curves=curves, blocks=[block])).acceptance == {"k": part}


def test_all_below_a_refused_block_is_refused() -> None:
    chain = [
        {**BLOCK, "id": 3, "parent": 2},
        {**BLOCK, "id": 2, "parent": 1},
        {**BLOCK, "id": 1, "mar": 2},
        {**BLOCK, "id": 4},
    ]
    found = cleared(document(blocks=chain))
    reasons = [(order.id, order.reason) for order in found.rejected]
    assert reasons == [(3, "unknown_order"), (2, "unknown_order"), (1, "bad_condition")]
    assert found.accepted == [4]


def test_tables_tell_periods_and_blocks() -> None:
    shown = printed(cleared(document()))
    assert "1 of 1 blocks accepted" in " ".join(shown.split())
    assert re.search(r"\b0\W+9\W+4\b", shown)
    assert re.search(r"k\W+1\b", shown)
    refused = cleared(document(blocks=[{**BLOCK, "mar": 2}]))
    assert "0 of 0 blocks accepted" in " ".join(printed(refused).split())
    assert "bad_condition" in printed(refused)


def test_table_marks_blocks_that_would_gain() -> None:
    curves = [{**CURVE, "quantity": 1}, {**CURVE, "id": "low", "price": 2, "quantity": 9}]
    curves.append({**CURVE, "id": "s", "side": "sell", "price": 8})
    assert "would gain" in printed(cleared(document(curves=curves)))
