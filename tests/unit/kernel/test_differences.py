from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import an_entry, an_order, an_order_placed, list_deliveries
from wattbay.kernel.codec import Entry, encode
from wattbay.kernel.differences import Difference, difference, difference_of_bytes


def test_equal_records_have_no_difference() -> None:
    assert difference(an_entry(), an_entry()) is None


def test_a_field_is_named_with_its_place() -> None:
    other = an_entry(command=an_order(quantity_wh=251))
    assert difference(an_entry(), other) == Difference(
        "Entry.command PlaceOrder.quantity_wh", "250", "251"
    )


@pytest.mark.parametrize(
    ("other", "where", "what"),
    [
        ((), "events[0]", "nothing"),
        ((an_order_placed(order=2),), "events[0] OrderPlaced.order", "2"),
        ((an_order_placed(), an_order_placed(order=2)), "events[1]", "OrderPlaced"),
    ],
)
def test_events_differ_by_place(other: tuple[object, ...], where: str, what: str) -> None:
    found = difference((an_order_placed(),), other, "events")
    assert found is not None
    assert found.where == where
    assert found.second.startswith(what)


def test_records_of_two_kinds_differ_as_a_whole_and_are_told_shortly() -> None:
    entry = structs.replace(an_entry(), command=list_deliveries())
    found = difference_of_bytes(encode(an_entry()), encode(entry))
    assert found.where == "command"
    assert found.first.startswith("PlaceOrder(")
    assert found.second.startswith("ListDeliveries(")
    assert len(found.first) == 120


def test_bytes_that_cannot_be_read_differ_by_place() -> None:
    data = encode(an_entry())
    found = difference_of_bytes(data, data[:10] + b"x" + data[11:])
    assert found.where == "byte 10"
    assert difference_of_bytes(data, data[:-1]).second == "nothing"


def test_bytes_that_mean_the_same_differ_by_place() -> None:
    data = encode(an_entry())
    assert difference_of_bytes(data, data.replace(b",", b", ", 1)).where == "byte 3"


def test_numbers_and_truths_that_python_holds_equal_differ() -> None:
    assert difference(1, True) == Difference("", "1", "True")
    assert isinstance(an_entry(), Entry)
