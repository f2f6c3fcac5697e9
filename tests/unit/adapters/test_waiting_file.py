"""Orders of a market file that wait: what is malformed, and how it is shown."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from wattbay.adapters.market_file import TradingResult, clear_document, tables
from wattbay.errors import ConfigError

ORDER = {"op": "new", "id": 1, "side": "buy", "limit": 9, "quantity": 2}
SUN = {"on": "sun", "at_least": 1}


def a_document(*steps: object) -> str:
    return json.dumps({"mechanism": "continuous", "steps": steps})


def traded(*steps: object) -> TradingResult:
    result = clear_document(a_document(*steps))
    assert isinstance(result, TradingResult)
    return result


@pytest.mark.parametrize(
    ("step", "where"),
    [
        ({**ORDER, "condition": 3}, "/steps/0/condition"),
        ({**ORDER, "condition": {"on": "sun"}}, "/steps/0/condition"),
        ({**ORDER, "condition": {**SUN, "at_most": 1}}, "/steps/0/condition"),
        ({**ORDER, "condition": {**SUN, "on": 3}}, "/steps/0/condition/on"),
        ({**ORDER, "condition": {**SUN, "on": ""}}, "/steps/0/condition/on"),
        ({**ORDER, "condition": {"on": "sun", "at_most": 0.5}}, "/steps/0/condition/at_most"),
        ({**ORDER, "condition": {**SUN, "unheard": 1}}, "/steps/0/condition/unheard"),
        ({**ORDER, "grid": "worsens"}, "/steps/0/grid"),
        ({**ORDER, "condition": SUN, "request_id": "r"}, "/steps/0/request_id"),
        ({"op": "signal", "name": "sun"}, "/steps/0/value"),
        ({"op": "signal", "name": 7, "value": 1}, "/steps/0/name"),
        ({"op": "signal", "name": "sun", "value": True}, "/steps/0/value"),
        ({**ORDER, "local": True}, "/steps/0/local"),
        ({**ORDER, "local": 1, "zone": "north"}, "/steps/0/local"),
        ({"op": "limit"}, "/steps/0"),
        ({"op": "limit", "parties": {}}, "/steps/0"),
        ({"op": "limit", "zones": []}, "/steps/0/zones"),
        ({"op": "limit", "parties": {"h01": "1"}}, "/steps/0/parties/h01"),
    ],
)
def test_what_is_malformed_is_a_fault_with_its_pointer(step: object, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        clear_document(a_document(step))
    assert where in [fault.where for fault in caught.value.faults]


def test_keys_of_what_waits_are_left_out_where_nothing_does() -> None:
    assert traded(ORDER) == TradingResult([], [("9", [(1, "2")])], [], [], [], [], [])


def test_order_off_the_tick_is_refused_before_it_could_wait() -> None:
    result = traded({**ORDER, "limit": 9.5, "condition": SUN})
    assert [step.reason for step in result.rejected] == ["off_tick"]
    assert result.waiting == []


def test_order_that_waits_is_refused_for_what_any_other_is() -> None:
    closed = traded({"op": "close"}, {**ORDER, "condition": SUN})
    assert [step.reason for step in closed.rejected] == ["gate_closed"]
    late = {**ORDER, "condition": SUN, "time_in_force": "GTD", "expires": 4}
    expired = traded({"op": "time", "at": 4}, late)
    assert [step.reason for step in expired.rejected] == ["already_expired"]
    twice = traded({**ORDER, "condition": SUN}, {**ORDER, "condition": SUN})
    assert [step.reason for step in twice.rejected] == ["duplicate_id"]


def test_suspended_order_made_no_larger_than_what_is_filled_ends() -> None:
    limit = {"op": "limit", "parties": {"h02": 1}}
    sell = {"op": "new", "id": 2, "side": "sell", "limit": 9, "quantity": 1}
    result = traded(
        {**ORDER, "party": "h01", "grid": "relieves"},
        sell,
        limit,
        {"op": "amend", "id": 1, "quantity": 1},
    )
    assert [(end.id, end.quantity, end.reason) for end in result.cancelled] == [(1, "1", "user")]
    assert result.suspended == []


def test_order_that_was_filled_is_not_suspended() -> None:
    sell = {"op": "new", "id": 2, "side": "sell", "limit": 9, "quantity": 2}
    limit = {"op": "limit", "parties": {"h02": 1}}
    result = traded({**ORDER, "party": "h01", "grid": "relieves"}, sell, limit)
    assert (len(result.trades), result.suspended) == (1, [])


def test_orders_that_waited_have_a_table_of_their_own() -> None:
    result = traded(
        {**ORDER, "condition": SUN},
        {**ORDER, "id": 2, "condition": {**SUN, "on": "moon"}},
        {"op": "signal", "name": "sun", "value": 1},
    )
    console = Console(file=io.StringIO(), width=80)
    for table in tables(result):
        console.print(table)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "released" in shown
    assert "waits" in shown
