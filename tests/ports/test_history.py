"""What every history promises: rows at once, of whom they concern, after a restart as before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import MIDNIGHT, a_kernel, a_product, a_town, an_order
from wattbay.adapters.stores.history import SqliteHistory, memory_history
from wattbay.core.facts import Side
from wattbay.periods import HOUR, WEEK, Instant
from wattbay.views.history import COLUMNS, History, Want


@pytest.fixture(params=["memory", "file"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    made = memory_history() if request.param == "memory" else SqliteHistory(tmp_path / "h.sqlite")
    yield made
    made.close()


def test_an_order_is_seen_at_once_and_then_changes(history: History) -> None:
    kernel = a_kernel(*a_town(), readers=[history])
    kernel.submit_many(
        [an_order("h01", request="mine"), an_order("h02", side=Side.SELL, limit=80_000)]
    )
    order = history.one("orders", request="mine")
    assert order is not None
    assert (order["order"], order["state"], order["pod"]) == (1, "open", "h01")
    kernel.advance(Instant(MIDNIGHT - HOUR))
    order = history.one("orders", order=1)
    assert order is not None
    assert (order["state"], order["filled_wh"]) == ("filled", 250)


def test_a_trade_is_open_until_its_delivery_is_settled(history: History) -> None:
    kernel = a_kernel(*a_town(), readers=[history])
    kernel.submit_many([an_order("h01"), an_order("h02", side=Side.SELL, limit=80_000)])
    kernel.advance(Instant(MIDNIGHT - HOUR))
    (trade,) = history.find(Want("trades")).rows
    assert (trade["state"], trade["delivered_wh"]) == ("open", None)
    kernel.advance(Instant(MIDNIGHT + WEEK))
    (trade,) = history.find(Want("trades")).rows
    assert trade["state"] == "undelivered"
    assert history.find(Want("trades", pods=frozenset({"h03"}))).rows == []


def test_every_table_can_be_asked_before_anything_happened(history: History) -> None:
    for table in COLUMNS:
        assert history.find(Want(table)).rows == []
        assert list(history.all(Want(table))) == []


def test_what_there_is_not_cannot_be_asked_for(history: History) -> None:
    for want, words in (
        (Want("secrets"), "there is no table 'secrets'"),
        (Want("orders", {"1=1; --": 1}), "orders have no column '1=1; --'"),
        (Want("prices", pods=frozenset({"h01"})), "prices concern no pods"),
        (Want("orders", limit=501), "1 to 500 rows at once, not 501"),
    ):
        with pytest.raises(ValueError, match=words):
            history.find(want)


def test_rows_are_told_page_by_page_from_either_end(history: History) -> None:
    kernel = a_kernel(*a_town(product=a_product(orders_per_pod_max=50)), readers=[history])
    kernel.submit_many([an_order("h01", quantity_wh=100 + i) for i in range(10)])
    for newest_first in (True, False):
        for pods in (None, frozenset({"h01", "h02"})):
            seen: list[object] = []
            want = Want("orders", pods=pods, limit=4, newest_first=newest_first)
            while True:
                found = history.find(want)
                seen += [row["order"] for row in found.rows]
                if found.next is None:
                    break
                want = want._replace(after=found.next)
            assert seen == sorted(range(1, 11), reverse=newest_first)
