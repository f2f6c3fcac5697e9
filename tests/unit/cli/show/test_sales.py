"""What is told of a sale that was agreed elsewhere: it is shown like any other trade."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.cli.show.conftest import Show

THIRD = "2013-06-10T01:00"
SALE = 14
"""The entry."""


def test_both_orders_of_each_part_are_told_with_their_home_and_delivery(
    board: Path, show: Show
) -> None:
    said = show(board, "order", SALE).words
    assert f"4 orders of entry {SALE}" in said
    for home, side in (("h02", "an offer"), ("h01", "a bid")):
        assert f"{home}, {side}: Mon 10 June 2013, 00:00 to 00:30 BST" in said
        assert f"{home}, {side}: Mon 10 June 2013, 01:00 to 01:30 BST" in said
    for energy in (300, 100):
        assert f"It was filled whole: {energy} Wh sold." in said
        assert f"It was filled whole: {energy} Wh bought." in said
    assert "or agreed on sales elsewhere" in said
    assert said.count(f"entry {SALE}") == 2  # In the title, and as where to look further.


def test_part_of_a_sale_is_an_order_of_its_home(board: Path, show: Show) -> None:
    said = show(board, "order", "h01", THIRD).words
    assert f"Order {SALE} of h01, a bid" in said
    (told,) = json.loads(show(board, "order", "h02", THIRD, "--json").output)
    assert (told["order"]["state"], told["order"]["filled_wh"]) == ("filled", 100)


def test_receipt_and_delivery_tell_of_it_as_of_any_trade(board: Path, show: Show) -> None:
    said = show(board, "receipt", "h02", THIRD).words
    assert "You had sold 100 Wh to the community at 6.000 p/kWh, in 1 trade" in said
    assert "100 Wh were traded at 6.000 p/kWh." in show(board, "delivery", THIRD).words


def test_entry_tells_command_proof_and_events(board: Path, show: Show) -> None:
    told = json.loads(show(board, "entry", SALE, "--json").output)
    command = told["command"]
    assert (command["is"], command["seller"], command["buyer"]) == ("ConcludeSale", "h02", "h01")
    assert command["parts"][1] == {"delivery": "2013-06-10T00:00Z", "quantity_wh": 100}
    assert command["proof"] == [b"bid".hex(), b"accept".hex()]
    kinds = ["OrderPlaced", "OrderPlaced", "Traded"]
    assert [event["is"] for event in told["events"]] == kinds * 2


def test_refused_sale_is_told_of_its_seller(board: Path, show: Show) -> None:
    said = show(board, "pod", "h02").words
    assert "Refused: the quantity is none that can be traded (1 time)" in said
    assert "the quantity is none that can be traded" not in show(board, "pod", "h01").words
