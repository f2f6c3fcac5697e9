"""Who owes what, worked by hand; London prices in nano-pounds per Wh."""

from __future__ import annotations

import pytest
from msgspec import json, structs

from tests.builders import MIDNIGHT, a_product, pod_facts
from wattbay.core.events import EnergyMetered
from wattbay.core.facts import (
    ArchivedTrade,
    Deviations,
    LocalFee,
    Netting,
    Product,
    Quality,
    Receipt,
    Tariff,
)
from wattbay.core.settlement import (
    Seat,
    Settlement,
    archive,
    issue,
    pool,
    receipt_bytes,
    record_hash,
    settle,
    terms_of,
)
from wattbay.ids import PodId, RunName, TariffId, ZoneId

NORTH, SOUTH = ZoneId("north"), ZoneId("south")
POOL_PRICE = 58_200
"""The middle of 70,000 and 46,400."""
LONDON = Tariff(
    tariff=TariffId("flat"),
    energy=70_000,
    network_regional=45_500,
    network_local=(
        LocalFee(from_zone=NORTH, to_zone=NORTH, nano_per_wh=22_750),
        LocalFee(from_zone=NORTH, to_zone=SOUTH, nano_per_wh=34_000),
    ),
    levy=20_000,
    export=46_400,
)


def a_seat(
    pod: str,
    import_wh: int = 0,
    export_wh: int = 0,
    *,
    brp: str = "brp-a",
    zone: str = "north",
    tariff: Tariff = LONDON,
    activated_wh: int = 0,
    sales_taxed: bool = False,
    quality: Quality = Quality.MEASURED,
) -> Seat:
    energy = EnergyMetered(
        pod=PodId(pod),
        delivery=MIDNIGHT,
        import_wh=import_wh,
        export_wh=export_wh,
        quality=quality,
    )
    facts = pod_facts(pod, party=f"p-{pod}", brp=brp, zone=zone)
    return Seat(facts, tariff, energy, activated_wh, sales_taxed, 1)


def a_trade(
    buyer: str, seller: str, quantity_wh: int, price: int, *, sell_price: int | None = None
) -> ArchivedTrade:
    return ArchivedTrade(
        trade=1,
        buyer=PodId(buyer),
        seller=PodId(seller),
        quantity_wh=quantity_wh,
        buy_price=price,
        sell_price=price if sell_price is None else sell_price,
    )


def settled(
    seats: list[Seat], trades: list[ArchivedTrade], product: Product | None = None
) -> Settlement:
    chosen = a_product() if product is None else product
    terms = terms_of(chosen, MIDNIGHT, RunName("initial"), POOL_PRICE)
    return settle(terms, seats, trades)


def by_pod(settlement: Settlement) -> dict[str, Receipt]:
    return {receipt.pod: receipt for receipt in settlement.receipts}


def street() -> list[Seat]:
    """Return four homes: h01 uses more than it bought, h02 makes less than it sold."""
    return [
        a_seat("h01", 400),
        a_seat("h02", 0, 250),
        a_seat("h03", 0, 30, brp="brp-b"),
        a_seat("h04", 20, brp="brp-b"),
    ]


TRADES = [a_trade("h01", "h02", 300, 60_000)]


# --- deviations ------------------------------------------------------------------------------


def test_pooled_the_community_nets_first_and_the_longer_side_is_shared() -> None:
    settlement = settled(street(), TRADES)
    h01, h02, h03, h04 = settlement.receipts
    assert [one.deviation_wh for one in settlement.receipts] == [-100, -50, 30, -20]
    # 30 long meet 170 short: 17.65, 8.82 and 3.53 of them, by largest remainder.
    assert [one.pooled_wh for one in settlement.receipts] == [-18, -9, 30, -3]
    assert [one.residual_wh for one in settlement.receipts] == [-82, -41, 0, -17]
    assert settlement.imbalances == {"brp-a": -123, "brp-b": -17}
    assert settlement.delivered == [250]
    assert (h01.trades_nano, h01.pool_nano) == (18_000_000, 18 * 58_200)
    assert h01.supplier_nano == 82 * 70_000
    assert h01.network_nano == 250 * 22_750 + 150 * 45_500
    assert h01.levy_nano == 400 * 20_000
    assert h01.total_nano == 45_300_100
    assert h01.same_meters_nano == 400 * 135_500
    assert (h02.trades_nano, h02.total_nano) == (-18_000_000, -14_606_200)
    assert h02.same_meters_nano == -250 * 46_400
    assert (h03.pool_nano, h03.total_nano) == (-30 * 58_200, -30 * 58_200)
    assert (h04.total_nano, h04.same_meters_nano) == (2_674_600, 2_710_000)


@pytest.mark.parametrize(
    ("changed", "money"),
    [
        (
            {"deviations": Deviations.INDIVIDUAL},
            [100 * 70_000, 50 * 70_000, -30 * 46_400, 20 * 70_000],
        ),
        (
            {"deviations": Deviations.SINGLE, "single_price": 65_000},
            [100 * 65_000, 50 * 65_000, -30 * 65_000, 20 * 65_000],
        ),
        (
            {"deviations": Deviations.SINGLE},  # no price named: that of the pool
            [100 * 58_200, 50 * 58_200, -30 * 58_200, 20 * 58_200],
        ),
        (
            {"deviations": Deviations.DUAL, "short_price": 90_000, "long_price": 0},
            [100 * 90_000, 50 * 90_000, 0, 20 * 90_000],
        ),
        (
            {"deviations": Deviations.DUAL},
            [100 * 58_200, 50 * 58_200, -30 * 58_200, 20 * 58_200],
        ),
    ],
)
def test_unpooled_each_pod_meets_its_own_price(
    changed: dict[str, object], money: list[int]
) -> None:
    settlement = settled(street(), TRADES, structs.replace(a_product(), **changed))
    assert [one.supplier_nano for one in settlement.receipts] == money
    assert [one.pooled_wh for one in settlement.receipts] == [0, 0, 0, 0]
    assert [one.residual_wh for one in settlement.receipts] == [-100, -50, 30, -20]
    assert settlement.imbalances == {"brp-a": -150, "brp-b": 10}


@pytest.mark.parametrize(
    ("deviations", "pooled"),
    [
        ([5, -3, -2], [5, -3, -2]),
        ([10, 10, -5], [3, 2, -5]),
        ([7, 3], [0, 0]),
        ([-7, 0], [0, 0]),
        ([], []),
    ],
)
def test_what_is_pooled_sums_to_zero(deviations: list[int], pooled: list[int]) -> None:
    assert pool(deviations) == pooled


def test_obeying_the_grid_operator_costs_nothing() -> None:
    # h02 sold 300, was told to feed 120 less, and did.
    seats = [a_seat("h01", 300), a_seat("h02", 0, 180, activated_wh=-120)]
    receipts = by_pod(settled(seats, TRADES))
    assert receipts["h02"].deviation_wh == 0
    assert receipts["h02"].total_nano == -18_000_000
    # Nor does it pay to be told: who was told and did nothing is long by it.
    lazy = [a_seat("h01", 300), a_seat("h02", 0, 300, activated_wh=-120)]
    assert by_pod(settled(lazy, TRADES))["h02"].residual_wh == 120


# --- delivered energy and fees ---------------------------------------------------------------


def test_delivered_energy_is_allocated_in_order_of_trade() -> None:
    seats = [a_seat("h01", 150), a_seat("h02", 0, 50), a_seat("h03", 0, 100)]
    trades = [a_trade("h01", "h02", 100, 60_000), a_trade("h01", "h03", 100, 60_000)]
    settlement = settled(seats, trades)
    # h01 draws 100 for the first and 50 for the second; h02 injects only 50 for the first.
    assert settlement.delivered == [50, 50]
    receipts = by_pod(settlement)
    assert receipts["h01"].delivered_in_wh == 100
    assert receipts["h03"].delivered_out_wh == 50
    # The other way round the second seller comes first.
    assert settled(seats, trades[::-1]).delivered == [100, 50]


def test_the_local_fee_is_that_of_the_zone_pair_and_else_the_regional_one() -> None:
    seats = [
        a_seat("h01", 100, zone="south"),
        a_seat("h02", 0, 100),
        a_seat("h03", 100),
        a_seat("h04", 0, 100, zone="south"),
    ]
    trades = [
        a_trade("h01", "h02", 60, 60_000),  # north to south
        a_trade("h03", "h02", 40, 60_000),  # north to north
        a_trade("h03", "h04", 50, 60_000),  # south to north is not listed
    ]
    receipts = by_pod(settled(seats, trades))
    assert receipts["h01"].network_nano == 60 * 34_000 + 40 * 45_500
    assert receipts["h03"].network_nano == 40 * 22_750 + 60 * 45_500
    assert receipts["h02"].network_nano == 0


def test_who_trades_with_itself_delivers_nothing_and_pays_the_regional_fee() -> None:
    seats = [a_seat("h01", 100, 80), a_seat("h02", 0, 50)]
    trades = [a_trade("h01", "h01", 80, 60_000), a_trade("h01", "h02", 50, 60_000)]
    settlement = settled(seats, trades)
    assert settlement.delivered == [0, 50]
    assert by_pod(settlement)["h01"].network_nano == 50 * 22_750 + 50 * 45_500


def test_fees_fall_on_what_was_drawn_never_on_what_was_bought() -> None:
    idle = by_pod(settled([a_seat("h01"), a_seat("h02", 0, 300)], TRADES))["h01"]
    assert (idle.network_nano, idle.levy_nano) == (0, 0)
    assert idle.residual_wh == 300  # it sells back what it bought
    assert idle.total_nano == 300 * 60_000 - 300 * 46_400


def test_the_service_charge_falls_on_energy_traded_by_either_side() -> None:
    serving = structs.replace(LONDON, service=500)
    seats = [a_seat("h01", 300, tariff=serving), a_seat("h02", 0, 300, tariff=serving)]
    receipts = by_pod(settled(seats, TRADES))
    assert [receipts[pod].service_nano for pod in ("h01", "h02")] == [150_000, 150_000]
    assert receipts["h02"].total_nano == -18_000_000 + 150_000


def test_buyers_and_sellers_may_pay_and_get_different_prices() -> None:
    trade = a_trade("h01", "h02", 300, 62_000, sell_price=60_000)
    receipts = by_pod(settled([a_seat("h01", 300), a_seat("h02", 0, 300)], [trade]))
    assert receipts["h01"].trades_nano == 300 * 62_000
    assert receipts["h02"].trades_nano == -300 * 60_000


def test_import_and_export_of_a_period_are_settled_apart_unless_the_product_nets_them() -> None:
    seats = [a_seat("h01", 300, 100), a_seat("h02", 20, 90)]
    apart = by_pod(settled(seats, []))
    assert apart["h01"].levy_nano == 300 * 20_000
    assert apart["h01"].same_meters_nano == 300 * 135_500 - 100 * 46_400
    netted = by_pod(settled(seats, [], structs.replace(a_product(), netting=Netting.PERIOD)))
    assert (netted["h01"].import_wh, netted["h01"].export_wh) == (200, 0)
    assert (netted["h02"].import_wh, netted["h02"].export_wh) == (0, 70)
    assert netted["h01"].levy_nano == 200 * 20_000
    # Deviations are the same either way.
    assert apart["h01"].deviation_wh == netted["h01"].deviation_wh == -200


def test_an_energy_below_zero_delivers_nothing_and_gets_its_fees_back() -> None:
    seats = [a_seat("h01", -50), a_seat("h02", 0, 300)]
    receipt = by_pod(settled(seats, TRADES))["h01"]
    assert receipt.delivered_in_wh == 0
    assert receipt.network_nano == -50 * 45_500
    assert receipt.deviation_wh == 350


# --- tax -------------------------------------------------------------------------------------


def test_what_a_pod_buys_bears_tax_and_what_it_sells_once_its_party_is_taxed() -> None:
    seats = [
        a_seat("h01", 400),
        a_seat("h02", 0, 330, sales_taxed=True),
        a_seat("h03", 0, 330),
    ]
    trades = [a_trade("h01", "h02", 300, 60_000), a_trade("h01", "h03", 50, 60_000)]
    receipts = by_pod(settled(seats, trades))
    assert receipts["h01"].taxable_nano == receipts["h01"].total_nano
    assert receipts["h02"].taxable_nano == receipts["h02"].total_nano < 0
    assert receipts["h03"].taxable_nano == 0
    assert receipts["h03"].total_nano < 0


# --- versions and archives -------------------------------------------------------------------


def test_a_receipt_that_says_nothing_new_is_not_issued_again() -> None:
    first = settled(street(), TRADES).receipts
    known = {receipt.pod: receipt for receipt in first}
    assert [event.corrects for event in issue(first, {})] == [None] * 4
    again = [structs.replace(one, run=RunName("r1"), version=2) for one in first]
    assert issue(again, known) == []
    # That an estimate turned out right is something new.
    measured = structs.replace(again[1], quality=Quality.SUBSTITUTED)
    (event,) = issue([again[0], measured], known)
    assert (event.receipt, event.corrects) == (measured, first[1])


def test_a_record_is_known_by_its_hash_and_a_receipt_has_one_form() -> None:
    receipts = settled(street(), TRADES).receipts
    record = archive(MIDNIGHT, [a_product().product], receipts, TRADES)
    assert record.trades == tuple(TRADES)
    assert record_hash(record) == record_hash(structs.replace(record))
    altered = structs.replace(receipts[0], levy_nano=receipts[0].levy_nano + 1)
    other = archive(MIDNIGHT, [a_product().product], [altered, *receipts[1:]], TRADES)
    assert record_hash(record) != record_hash(other)
    assert json.decode(receipt_bytes(receipts[0]), type=Receipt) == receipts[0]
