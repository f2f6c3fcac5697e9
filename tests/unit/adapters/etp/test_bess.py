"""A battery's levels, prices and verdicts.

The first assertions restate what the tests of the protocol's first implementation say of its node
of 100 kWh with a reserve price of 15 ¢/kWh, in our units.
"""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wattbay.adapters.etp.amounts import energy_down, kwh, price_down
from wattbay.adapters.etp.bess import (
    TAKEN,
    Bess,
    EnergyStatus,
    Verdict,
    effective_reserve,
    energy_status,
    judge,
    judge_as_gateway,
)
from wattbay.adapters.etp.messages import Health, RejectCode, query_response

CENT = 10_000
"""1 ¢/kWh. [nano-currency per Wh]"""
KWH = 1_000


def a_bess(
    capacity_wh: int = 100 * KWH,
    reserve_price: int = 15 * CENT,
    level_wh: float = -1.0,
    percentage: float = 50.0,
    is_online: bool = True,
) -> Bess:
    return Bess(
        device_id=123, capacity_wh=capacity_wh, reserve_price=reserve_price, level_wh=level_wh,
        percentage_for_sale=percentage, is_online=is_online,
    )  # fmt: skip


# --- as the first implementation ---------------------------------------------------------------


def test_a_new_battery_is_four_fifths_full_and_online() -> None:
    bess = a_bess()
    assert bess.level_wh == 80 * KWH
    assert bess.is_online
    assert bess.percentage_for_sale == 50
    assert (bess.discharge_w, bess.voltage_v, bess.health) == (5_000, 12.6, Health.GOOD)


@pytest.mark.parametrize(("percentage", "kwh"), [(50, 40), (25, 20), (100, 80)])
def test_a_share_of_the_level_is_for_sale(percentage: float, kwh: float) -> None:
    assert a_bess(percentage=percentage).for_sale_wh == kwh * KWH


@given(st.integers(1, 100_000), st.integers(0, 1_000))
@example(98_125, 408)  # as floats, 40,034.99999999999 Wh
def test_all_that_a_query_is_told_of_can_be_provided(level_wh: int, tenths: int) -> None:
    bess = a_bess(level_wh=float(level_wh), percentage=tenths / 10)
    told = query_response(1, 123, kwh(bess.level_wh), bess.percentage_for_sale)
    share_kwh = told.energy_total * told.percentage_for_sale / 100
    assert bess.can_provide(energy_down(share_kwh))


@pytest.mark.parametrize(
    ("kwh", "can"), [(30, True), (40, True), (50, False), (-10, False), (0, True)]
)
def test_what_is_for_sale_can_be_provided(kwh: float, can: bool) -> None:
    assert a_bess().can_provide(kwh * KWH) is can


@pytest.mark.parametrize(
    ("cents", "kwh", "percentage", "is_online", "code"),
    [
        (20, 10, 50, True, None),
        (15, 10, 50, True, None),
        (20, 0, 50, True, None),
        (10, 10, 50, True, RejectCode.PRICE_TOO_LOW),
        (20, 50, 10, True, RejectCode.INSUFFICIENT_ENERGY),
        (20, -10, 50, True, RejectCode.INSUFFICIENT_ENERGY),
        (20, 10, 50, False, RejectCode.OFFLINE),
    ],
)
def test_bids_are_judged_as_by_the_first_implementation(
    cents: int, kwh: int, percentage: float, is_online: bool, code: RejectCode | None
) -> None:
    bess = a_bess(percentage=percentage, is_online=is_online)
    assert judge(bess, cents * CENT, kwh * KWH).code is code


def test_a_battery_may_say_how_it_is() -> None:
    bess = a_bess()
    bess.level_wh, bess.voltage_v, bess.health = 75.0 * KWH, 12.4, Health.FAIR
    assert (bess.level_wh, bess.voltage_v, bess.health) == (75_000, 12.4, 2)
    assert 0 <= bess.health <= Health.POOR


@pytest.mark.parametrize(("said", "held"), [(-10, 0), (150, 100), (0, 0), (100, 100), (33.3, 33.3)])
def test_the_share_for_sale_is_held_within_0_and_100(said: float, held: float) -> None:
    bess = a_bess(percentage=said)
    assert bess.percentage_for_sale == held
    bess.offer(said)
    assert bess.percentage_for_sale == held


# --- rules of the node -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level_kwh", "status"),
    [
        (0, EnergyStatus.CRITICAL),
        (9.999, EnergyStatus.CRITICAL),
        (10, EnergyStatus.LOW),
        (24.999, EnergyStatus.LOW),
        (25, EnergyStatus.NORMAL),
        (74.999, EnergyStatus.NORMAL),
        (75, EnergyStatus.HIGH),
        (100, EnergyStatus.HIGH),
    ],
)
def test_each_bound_belongs_to_the_status_above_it(level_kwh: float, status: EnergyStatus) -> None:
    assert energy_status(level_kwh * KWH, 100 * KWH) is status
    assert a_bess(level_wh=level_kwh * KWH).status is status


@pytest.mark.parametrize(
    ("status", "cents"),
    [
        (EnergyStatus.CRITICAL, 30.0),
        (EnergyStatus.LOW, 22.5),
        (EnergyStatus.NORMAL, 15.0),
        (EnergyStatus.HIGH, 13.5),
    ],
)
def test_scarce_energy_is_dearer(status: EnergyStatus, cents: float) -> None:
    assert effective_reserve(15 * CENT, status) == price_down(cents)


def test_the_reserve_is_rounded_up() -> None:
    assert effective_reserve(1, EnergyStatus.HIGH) == 1
    assert effective_reserve(11, EnergyStatus.HIGH) == 10
    assert effective_reserve(1, EnergyStatus.LOW) == 2


@pytest.mark.parametrize(
    ("level_kwh", "cents", "words"),
    [
        (5, 29.9999, "Energy critical - only accepting premium bids"),
        (20, 22.4999, "Energy low - bid below adjusted reserve price"),
        (50, 14.9999, "Bid price below reserve price"),
        (80, 13.4999, "Bid price below reserve price"),
    ],
)
def test_a_bid_below_the_reserve_is_told_why(level_kwh: float, cents: float, words: str) -> None:
    bess = a_bess(level_wh=level_kwh * KWH)
    assert judge(bess, price_down(cents), 1_000) == (RejectCode.PRICE_TOO_LOW, words)
    assert judge(bess, price_down(cents) + 1, 1_000) == TAKEN


def test_want_of_energy_comes_before_being_offline_and_that_before_the_price() -> None:
    offline = a_bess(is_online=False)
    assert judge(offline, 0, 41 * KWH) == Verdict(
        RejectCode.INSUFFICIENT_ENERGY, "Insufficient energy available"
    )
    assert judge(offline, 0, 40 * KWH) == Verdict(RejectCode.OFFLINE, "BESS is offline")


def test_what_is_promised_to_others_is_not_for_sale() -> None:
    bess = a_bess()
    assert judge(bess, 15 * CENT, 10 * KWH, 30 * KWH) == TAKEN
    assert judge(bess, 15 * CENT, 10 * KWH, 30 * KWH + 1).code is RejectCode.INSUFFICIENT_ENERGY


def test_a_negative_price_is_too_low() -> None:
    assert judge(a_bess(), -1, 1_000).code is RejectCode.PRICE_TOO_LOW
    assert judge(a_bess(reserve_price=0), -1, 1_000).code is RejectCode.PRICE_TOO_LOW
    assert judge(a_bess(reserve_price=0), 0, 1_000) == TAKEN


def test_energy_that_is_sold_is_gone() -> None:
    bess = a_bess()
    bess.sell(40 * KWH)
    assert bess.level_wh == 40 * KWH
    with pytest.raises(ValueError, match="that are for sale"):
        bess.sell(20 * KWH + 1)
    with pytest.raises(ValueError, match="that are for sale"):
        bess.sell(-1)
    assert bess.level_wh == 40 * KWH


def test_a_battery_recharges_50_wh_a_second_up_to_its_capacity() -> None:
    bess = a_bess()
    assert bess.recharge(10) == 500
    assert bess.level_wh == 80_500
    assert bess.recharge(10_000) == 19_500
    assert bess.level_wh == bess.capacity_wh
    assert bess.recharge(1) == 0


def test_a_battery_above_its_capacity_does_not_lose_by_recharging() -> None:
    bess = a_bess(level_wh=100_001.0)
    assert bess.recharge(1) == 0
    assert bess.level_wh == 100_001


@pytest.mark.parametrize(("level_wh", "is_so"), [(200, True), (201, False), (0, True)])
def test_a_battery_with_a_tenth_of_a_kilowatt_hour_for_sale_is_depleted(
    level_wh: float, is_so: bool
) -> None:
    assert a_bess(level_wh=level_wh).is_depleted is is_so


@given(st.floats(0, 100_000), st.floats(-50, 150), st.integers(0, 10**7), st.integers(0, 120_000))
def test_what_is_taken_can_be_provided_and_pays(
    level_wh: float, percentage: float, price: int, energy_wh: int
) -> None:
    bess = a_bess(level_wh=level_wh, percentage=percentage)
    if judge(bess, price, energy_wh) == TAKEN:
        assert price >= bess.reserve
        bess.sell(energy_wh)
        assert bess.level_wh >= 0


# --- rules of the first gateway ----------------------------------------------------------------

LOW_PRICE = (RejectCode.PRICE_TOO_LOW, "Bid price below reserve price")
BEYOND = (RejectCode.INSUFFICIENT_ENERGY, "BESS node capacity exceeded")
TOO_MUCH = (RejectCode.INSUFFICIENT_ENERGY, "Insufficient energy available")


@pytest.mark.parametrize(
    ("cents", "kwh", "verdict"),
    [
        (7.9999, 99, LOW_PRICE),
        (8.0, 12.001, BEYOND),
        (8.0, 11.501, BEYOND),
        (8.0, 11.5, TOO_MUCH),
        (8.0, 10.001, TOO_MUCH),
        (8.0, 10.0, TAKEN),
    ],
)
def test_the_gateways_rules_have_their_order(
    cents: float, kwh: float, verdict: tuple[RejectCode | None, str]
) -> None:
    bess = a_bess(capacity_wh=15 * KWH, reserve_price=0, level_wh=12.0 * KWH, percentage=100)
    assert judge_as_gateway(bess, price_down(cents), energy_down(kwh)) == verdict


def test_the_gateways_rules_keep_what_is_promised() -> None:
    bess = a_bess(capacity_wh=15 * KWH, reserve_price=0, level_wh=12.0 * KWH, percentage=100)
    assert judge_as_gateway(bess, 8 * CENT, 1_500, 10 * KWH) == TAKEN
    assert judge_as_gateway(bess, 8 * CENT, 1_501, 10 * KWH) == BEYOND


@given(
    st.floats(0, 20_000), st.floats(0, 100), st.integers(-10, 10**6), st.integers(-5, 25_000),
    st.booleans(),
)  # fmt: skip
def test_the_gateway_is_never_looser_than_the_node(
    level_wh: float, percentage: float, price: int, energy_wh: int, is_online: bool
) -> None:
    bess = a_bess(20 * KWH, 5 * CENT, level_wh, percentage, is_online)
    if judge_as_gateway(bess, price, energy_wh) == TAKEN:
        assert judge(bess, price, energy_wh) == TAKEN
