"""Products, defined over REST."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api_node import a_node
from wattbay.agents.keeper import Keeper
from wattbay.core.facts import (
    Deviations,
    LocalFee,
    Margin,
    Mechanism,
    Netting,
    Pricing,
    Product,
    SelfTrade,
)
from wattbay.ids import ProductId, ZoneId
from wattbay.periods import HOUR, MINUTE

PATH = "/api/v1/products"
LEAST: dict[str, Any] = {
    "product": "night",
    "price_min_nano_per_wh": -500_000,
    "price_max_nano_per_wh": 500_000,
    "opens_before_us": 48 * HOUR,
    "closes_before_us": HOUR,
}
AUCTION: dict[str, Any] = {
    **LEAST,
    "pricing": "pay_as_bid",
    "margin": "time",
    "price_tick_nano_per_wh": 100,
    "energy_tick_wh": 10,
    "reference_nano_per_wh": 90_000,
    "quantity_max_wh": 50_000,
    "orders_per_pod_max": 4,
    "network_check_us": MINUTE,
    "network_fee_nano_per_wh": 1_000,
    "deviations": "dual",
    "short_price_nano_per_wh": 200_000,
    "long_price_nano_per_wh": 20_000,
    "netting": "period",
}
CONTINUOUS: dict[str, Any] = {
    **LEAST,
    "product": "all-day",
    "mechanism": "continuous",
    "self_trade": "oldest",
    "position_max_wh": 9_000,
    "opening_before_us": 24 * HOUR,
    "network_fees": [{"from_zone": "z1", "to_zone": "z1", "nano_per_wh": 500}],
}


def test_product_is_what_was_asked_for_and_is_listed() -> None:
    bench = a_node()
    made = bench.call("boss", "POST", PATH, AUCTION)
    assert made.status_code == 201, made.text
    assert made.json() == {"entry": bench.journal.last_seq, "product": "night"}
    assert made.headers["X-Journal-Entry"] == str(bench.journal.last_seq)
    assert bench.node.state().registry.products[ProductId("night")] == Product(
        product=ProductId("night"),
        price_tick=100,
        energy_tick=10,
        price_min=-500_000,
        price_max=500_000,
        quantity_max_wh=50_000,
        opens_before_us=48 * HOUR,
        closes_before_us=HOUR,
        network_check_us=MINUTE,
        orders_per_pod_max=4,
        pricing=Pricing.PAY_AS_BID,
        margin=Margin.TIME,
        reference=90_000,
        network_fee=1_000,
        deviations=Deviations.DUAL,
        short_price=200_000,
        long_price=20_000,
        netting=Netting.PERIOD,
    )
    listed = bench.call("p01", "GET", PATH).json()
    assert [one["product"] for one in listed] == ["halfhour", "night"]
    assert {name: listed[1][name] for name in AUCTION} == AUCTION


def test_continuous_product_is_what_was_asked_for() -> None:
    bench = a_node()
    made = bench.call("boss", "POST", PATH, CONTINUOUS)
    assert made.status_code == 201, made.text
    known = bench.node.state().registry.products[ProductId("all-day")]
    assert (known.mechanism, known.self_trade) == (Mechanism.CONTINUOUS, SelfTrade.OLDEST)
    assert (known.position_max_wh, known.opening_before_us) == (9_000, 24 * HOUR)
    zone = ZoneId("z1")
    assert known.network_fees == (LocalFee(from_zone=zone, to_zone=zone, nano_per_wh=500),)
    listed = bench.call("p01", "GET", PATH).json()[1]
    assert {name: listed[name] for name in CONTINUOUS} == CONTINUOUS


def test_every_field_of_a_product_can_be_set_over_rest() -> None:
    told = a_node().call("p01", "GET", PATH).json()[0]
    renamed = {field.removesuffix("_nano_per_wh").removesuffix("_wh") for field in told}
    ours = {field.removesuffix("_wh") for field in Product.__struct_fields__}
    assert renamed == ours


def test_days_of_a_product_are_listed_by_the_keeper() -> None:
    bench = a_node()
    bench.call("boss", "POST", PATH, LEAST)
    found = Keeper(bench.node.calendar).act(bench.node.state(), bench.clock.now())
    bench.submit(*found)
    listed = bench.call("p01", "GET", "/api/v1/deliveries?product=night&limit=1").json()["items"]
    assert listed[0]["gate_closes"] == "2013-06-10T21:30Z"


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"product": "halfhour"}, 409, "already_known"),
        ({"closes_before_us": 48 * HOUR}, 409, "bad_value"),
        ({"reference_nano_per_wh": 600_000}, 409, "price_limit"),
        ({"rule": "huang"}, 409, "bad_value"),
        ({"mechanism": "submitted"}, 422, "bad_id"),
        ({"price_tick_nano_per_wh": 0}, 422, None),
        ({"mechanism": "lottery"}, 422, None),
        ({"rule": "no such rule"}, 422, None),
        ({"opens_before_us": 2**53}, 422, None),
        ({"price": 1}, 422, None),
    ],
)
def test_product_that_cannot_be_is_refused(
    change: dict[str, object], status: int, reason: str | None
) -> None:
    bench = a_node()
    answer = bench.call("boss", "POST", PATH, {**LEAST, **change})
    assert (answer.status_code, answer.json().get("reason")) == (status, reason), answer.text
    assert [*bench.node.state().registry.products] == ["halfhour"]


def test_product_that_is_sent_twice_is_defined_once() -> None:
    bench = a_node()
    key = {"Idempotency-Key": "night-1"}
    first = bench.call("boss", "POST", PATH, LEAST, headers=key)
    again = bench.call("boss", "POST", PATH, LEAST, headers=key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
