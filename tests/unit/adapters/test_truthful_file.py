"""Market files of truthful auctions: what is a fault, and what people see."""

from __future__ import annotations

import json
import re
from io import StringIO

import pytest
from rich.console import Console

from wattbay.adapters.market_file import TruthfulResult, clear_document, tables
from wattbay.errors import ConfigError

BUYS = [
    {"id": 1, "side": "buy", "limit": 9, "quantity": 2},
    {"id": 2, "side": "buy", "limit": 7, "quantity": 2},
]
SELLS = [
    {"id": 3, "side": "sell", "limit": 1, "quantity": 2},
    {"id": 4, "side": "sell", "limit": 3, "quantity": 2},
]


def document(*orders: dict[str, object], **rest: object) -> str:
    return json.dumps({"mechanism": "truthful", **rest, "orders": orders or [*BUYS, *SELLS]})


def cleared(text: str) -> TruthfulResult:
    found = clear_document(text)
    assert isinstance(found, TruthfulResult)
    return found


def places(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        clear_document(text)
    return [fault.where for fault in caught.value.faults]


def printed(result: TruthfulResult) -> str:
    console = Console(file=StringIO(), width=100)
    for table in tables(result):
        console.print(table)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_rule_and_seed_stand_at_the_top_or_among_the_rules() -> None:
    at_the_top = cleared(document(rule="muda", seed=5))
    assert cleared(document(rules={"rule": "muda", "seed": 5})) == at_the_top
    assert at_the_top.halves


def test_same_seed_clears_alike_and_some_other_does_not() -> None:
    found = [cleared(document(rule="muda", seed=seed)) for seed in range(20)]
    assert found == [cleared(document(rule="muda", seed=seed)) for seed in range(20)]
    assert any(one != found[0] for one in found)


def test_seed_changes_nothing_where_no_lots_are_drawn() -> None:
    assert cleared(document(rule="huang", seed=5)) == cleared(document())


@pytest.mark.parametrize(
    ("rest", "where"),
    [
        ({"rule": "vickrey"}, ["/rule"]),
        ({"rule": 1}, ["/rule"]),
        ({"rule": []}, ["/rule"]),
        ({"rules": {"rule": None}}, ["/rules/rule"]),
        ({"rule": "muda", "rules": {"rule": "muda"}}, ["/rules/rule"]),
        ({"rule": "muda", "seed": "7"}, ["/seed"]),
        ({"rule": "muda", "seed": 1.5}, ["/seed"]),
        ({"rule": "muda", "seed": True}, ["/seed"]),
        ({"rule": "muda", "seed": 2**53}, ["/seed"]),
        ({"rules": {"seed": -(2**53)}}, ["/rules/seed"]),
        ({"rules": {"network_fee": 1}}, ["/rules/network_fee"]),
        ({"rules": {"pricing": "uniform"}}, ["/rules/pricing"]),
        ({"rules": {"price_min": 3, "price_max": 2}}, ["/rules/price_min"]),
        ({"steps": []}, ["/steps"]),
    ],
)
def test_what_makes_no_sense_is_a_fault(rest: dict[str, object], where: list[str]) -> None:
    assert places(document(**rest)) == where


def test_market_order_and_missing_limit_are_faults_among_all_others() -> None:
    market = {"id": 5, "side": "buy", "limit": None, "quantity": 1}
    without = {"id": 6, "side": "sell", "quantity": 1}
    text = document(market, without, rule="x")
    assert places(text) == ["/rule", "/orders/0/limit", "/orders/1/limit"]
    assert places('{"mechanism": "truthful"}') == ["/orders"]
    assert places('{"mechanism": "truthful", "orders": {}}') == ["/orders"]
    doubled = '{"id": 1, "side": "buy", "limit": 1, "limit": null, "quantity": 1}'
    assert places(f'{{"mechanism": "truthful", "orders": [{doubled}]}}') == ["/orders/0/limit"] * 2


def test_tables_tell_both_prices() -> None:
    shown = printed(cleared(document()))
    assert re.search(r"buyers pay\W+7\W+sellers get\W+3\W", shown)
    assert "nothing trades" in printed(cleared(document(BUYS[0])))
