from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.builders import ISP_US, MIDNIGHT, a_kernel, a_reading, a_town, an_order
from wattbay.adapters.stores.history import memory_history
from wattbay.core.facts import Side
from wattbay.ids import PodId
from wattbay.kernel.kernel import Kernel
from wattbay.periods import DAY, WEEK, Instant
from wattbay.views.explained import explained
from wattbay.views.history import History

HOME = PodId("h01")


@pytest.fixture
def history() -> Iterator[History]:
    made = memory_history()
    yield made
    made.close()


def a_purchase(history: History, *pods: str) -> Kernel:
    """Return a town in which the first pod bought more than was delivered to it."""
    kernel = a_kernel(*a_town(3), readers=[history])
    kernel.submit_many(
        [
            an_order("h01", quantity_wh=200),
            an_order("h03", quantity_wh=100),
            an_order("h02", side=Side.SELL, limit=80_000, quantity_wh=300),
        ]
    )
    for seq in (1, 2):
        at = MIDNIGHT + (seq - 1) * ISP_US
        kernel.advance(Instant(at))
        registers = {"h01": (250, 0), "h02": (0, 150), "h03": (90, 0)}
        kernel.submit_many(
            [
                a_reading(
                    f"m-{pod}",
                    seq=seq,
                    measured_at=at,
                    import_register=registers[pod][0] * (seq - 1),
                    export_register=registers[pod][1] * (seq - 1),
                )
                for pod in pods or registers
            ]
        )
    kernel.advance(Instant(MIDNIGHT + ISP_US + DAY))
    return kernel


def test_a_receipt_is_told_energy_by_energy_and_price_by_price(history: History) -> None:
    kernel = a_purchase(history)
    why = explained(history, kernel.exchange.state.registry, HOME, MIDNIGHT)
    assert why is not None
    assert why.disagreements == {}
    told = [(line.component, line.energy_wh, line.price_nano_per_wh) for line in why.lines]
    trade = history.one("trades", buyer_pod="h01")
    assert trade is not None
    delivered = why.receipt["delivered_in_wh"]
    assert told == [
        ("trades", 200, trade["price_nano_per_wh"]),
        ("pool", 3, 90_000),  # The third home drew less than it had bought.
        ("supplier", 47, 140_000),
        ("network", delivered, 30_000),
        ("network", 250 - int(delivered or 0), 30_000),
        ("levy", 250, 10_000),
    ]
    assert [line.energy_wh for line in why.without_market] == [250]
    assert why.metered is not None
    assert (why.metered["import_wh"], why.metered["quality"]) == (250, "measured")


def test_each_version_is_explained_by_what_was_known_then(history: History) -> None:
    kernel = a_purchase(history, "h01", "h03")
    kernel.submit_many(
        [
            a_reading("m-h02", seq=1, measured_at=MIDNIGHT),
            a_reading("m-h02", seq=2, measured_at=MIDNIGHT + ISP_US, export_register=300),
        ]
    )
    kernel.advance(Instant(MIDNIGHT + WEEK))
    registry = kernel.exchange.state.registry
    first = explained(history, registry, PodId("h02"), MIDNIGHT, version=1)
    last = explained(history, registry, PodId("h02"), MIDNIGHT)
    assert first is not None
    assert last is not None
    assert first.versions == last.versions
    assert [row["version"] for row in last.versions] == [1, 2]
    assert (first.receipt, last.receipt) == (last.versions[0], last.versions[1])
    assert first.metered is not None
    assert last.metered is not None
    assert (first.metered["quality"], last.metered["quality"]) == ("estimated", "measured")
    assert first.disagreements == last.disagreements == {}


def test_what_there_is_no_receipt_of_is_not_explained(history: History) -> None:
    kernel = a_purchase(history)
    registry = kernel.exchange.state.registry
    assert explained(history, registry, HOME, Instant(MIDNIGHT + ISP_US)) is None
    assert explained(history, registry, HOME, MIDNIGHT, version=2) is None
    assert explained(history, registry, PodId("nobody"), MIDNIGHT) is None
