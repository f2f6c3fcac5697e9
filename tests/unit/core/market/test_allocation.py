"""Allocations of metered energy, after the fact: what is verified, and what follows."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import ISP_US, MIDNIGHT, a_product, a_tariff, an_order, list_deliveries
from tests.play import Play, of, reason, receipts
from tests.submitting import (
    OVER,
    PRODUCT,
    a_community_product,
    a_market,
    a_share,
    an_allocation,
    metered,
)
from wattbay.core import commands as c
from wattbay.core.events import AllocationAccepted, GateClosed, Rejected, Traded
from wattbay.core.facts import LocalFee, Netting, Side
from wattbay.core.market.allocation import least_to_get, most_to_pay
from wattbay.core.reasons import Reason
from wattbay.ids import PartyId, PodId, ProductId, ZoneId
from wattbay.periods import HOUR, Instant

SETTLED = Instant(OVER + HOUR)


def a_community(*, netting: Netting = Netting.NONE, fee: int = 0) -> Play:
    """Return a community after a delivery: h01 and h03 drew, h02 injected, h04 did both."""
    product = structs.replace(a_community_product(), netting=netting, network_fee=fee)
    return metered(a_market(product), [(400, 0), (0, 300), (200, 0), (50, 80)])


def refused(play: Play, command: c.SubmitAllocation) -> Rejected:
    match play.submit(command):
        case [Rejected() as refusal]:
            return refusal
        case other:
            raise AssertionError(other)


def test_a_community_product_has_no_gate_and_no_orders() -> None:
    community = a_community()
    assert not of(GateClosed, community.history)
    order = an_order(delivery=MIDNIGHT + ISP_US)
    assert reason(community.submit(order)) is Reason.NOT_ALLOWED


def test_an_allocation_that_holds_is_traded_without_orders() -> None:
    community = a_community()
    shares = a_share("h01", "h02", 200), a_share("h03", "h02", 100, 80_001, 70_001)
    accepted, *traded = community.do(an_allocation(*shares))
    assert accepted == AllocationAccepted(
        product=PRODUCT,
        delivery=MIDNIGHT,
        rule="mid_market",
        price=(200 * 90_000 + 100 * 70_001) // 300,
        volume_wh=300,
    )
    assert [
        (one.trade, one.buyer, one.seller, one.buy_order, one.sell_order, one.hold_nano)
        for one in of(Traded, traded)
    ] == [(1, "h01", "h02", 0, 0, 0), (2, "h03", "h02", 0, 0, 0)]
    assert community.balance("market") == 100 * 10_000


def test_what_is_not_allocated_meets_the_supplier() -> None:
    community = a_community()
    community.do(an_allocation(a_share("h01", "h02", 200)))
    issued = receipts(community.settle(MIDNIGHT, "first"))
    buyer, seller = issued["h01"], issued["h02"]
    assert (buyer.delivered_in_wh, buyer.residual_wh) == (200, -200)
    assert buyer.total_nano == 200 * 90_000 + 200 * 140_000 + 400 * 40_000
    assert buyer.total_nano == buyer.same_meters_nano - 200 * 50_000
    assert seller.total_nano == seller.same_meters_nano - 200 * 50_000
    assert sum(community.exchange.state.ledger.money.values()) == 0


def test_an_allocation_in_which_nobody_has_anything_is_one() -> None:
    (accepted,) = a_community().do(an_allocation())
    assert isinstance(accepted, AllocationAccepted)
    assert (accepted.price, accepted.volume_wh) == (None, 0)


@pytest.mark.parametrize(
    ("shares", "fault"),
    [
        ([a_share("h03", "h02", 201)], "pod h03 would have 201 Wh; it drew 200 Wh"),
        (
            [a_share("h01", "h02", 300), a_share("h03", "h02", 1)],
            "pod h02 would give 301 Wh; it injected 300 Wh",
        ),
        ([a_share("h02", "h04", 1)], "pod h02 would have 1 Wh; it drew 0 Wh"),
        ([a_share("h01", "h02", 0)], "trade 1: 0 Wh"),
        ([a_share("h01", "h02", -1)], "trade 1: -1 Wh"),
        ([a_share("h04", "h04", 1)], "trade 1: pod h04 with itself"),
        ([a_share("h01", "h09", 1)], "trade 1: the energy of pod h09 is not known"),
        ([a_share("h01", "h02", 1, 140_001)], "trade 1: pod h01 would pay 140001; with"),
        ([a_share("h01", "h02", 1, 39_999)], "trade 1: pod h02 would get 39999; its supplier"),
        ([a_share("h01", "h02", 1, 80_000, 80_001)], "trade 1: prices rise"),
        ([a_share("h01", "h02", 1, 500_001)], "trade 1: prices rise"),
        ([a_share("h01", "h02", 1)] * 9, "9 trades; with both sides of each pod 8 are enough"),
    ],
)
def test_an_allocation_by_which_somebody_loses_is_refused_and_another_may_follow(
    shares: list[c.AllocatedTrade], fault: str
) -> None:
    community = a_community()
    refusal = refused(community, an_allocation(*shares))
    assert refusal.reason is Reason.NOT_VERIFIED
    assert refusal.detail.startswith(fault)
    community.do(an_allocation(a_share()))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"operator": PartyId("p01")}, Reason.NOT_ALLOWED),
        ({"product": ProductId("other")}, Reason.UNKNOWN_PRODUCT),
        ({"delivery": Instant(MIDNIGHT + 1)}, Reason.UNKNOWN_DELIVERY),
        ({"delivery": Instant(MIDNIGHT + ISP_US)}, Reason.NOT_DUE),
        ({"rule": "dynamic_key"}, Reason.NOT_VERIFIED),
    ],
)
def test_an_allocation_by_the_wrong_party_or_of_the_wrong_delivery_is_refused(
    changes: dict[str, object], why: Reason
) -> None:
    assert refused(a_community(), structs.replace(an_allocation(), **changes)).reason is why


def test_an_allocation_of_a_product_with_orders_is_refused() -> None:
    assert refused(a_market(a_product()), an_allocation()).reason is Reason.NOT_ALLOWED


def test_an_allocation_that_comes_early_twice_or_late_is_refused() -> None:
    early = a_market(a_community_product())
    early.until(OVER - 1)
    assert refused(early, an_allocation()).reason is Reason.NOT_DUE
    twice = a_community()
    twice.do(an_allocation())
    assert refused(twice, an_allocation()).reason is Reason.ALREADY_KNOWN
    late = a_community()
    late.until(SETTLED)
    assert refused(late, an_allocation()).reason is Reason.GATE_CLOSED


def test_energy_that_is_not_known_cannot_be_allocated() -> None:
    community = metered(a_market(a_community_product()), [(400, 0)])
    assert "h02 is not known" in refused(community, an_allocation(a_share())).detail


def test_energy_that_was_traded_before_is_not_allocated_again() -> None:
    community = a_market(a_community_product())
    community.do(c.DefineProduct(product=a_product("ahead")))
    community.do(list_deliveries(product="ahead", count=2))
    community.do(an_order("h01", product="ahead", quantity_wh=250))
    community.do(an_order("h02", product="ahead", side=Side.SELL, quantity_wh=250, limit=80_000))
    metered(community, [(400, 0), (0, 300)])
    assert refused(community, an_allocation(a_share(wh=51))).detail.startswith("pod h02 would give")
    community.do(an_allocation(a_share(wh=50)))


def test_netted_energy_is_allocated_net() -> None:
    community = a_community(netting=Netting.PERIOD)
    assert "it drew 0 Wh" in refused(community, an_allocation(a_share("h04", "h02", 1))).detail
    assert (
        "it injected 30 Wh" in refused(community, an_allocation(a_share("h01", "h04", 31))).detail
    )
    community.do(an_allocation(a_share("h01", "h04", 30)))


def test_the_network_fee_of_the_product_is_the_buyers_on_top() -> None:
    community = a_community(fee=5_000)
    low = an_allocation(a_share("h01", "h02", 1, 84_990, 80_000))
    assert "less than seller and network" in refused(community, low).detail
    community.do(an_allocation(a_share("h01", "h02", 1, 85_000, 80_000)))


def test_nobody_loses_counts_network_fees_and_the_service_charge() -> None:
    home, away = ZoneId("z1"), ZoneId("z2")
    tariff = structs.replace(
        a_tariff(),
        network_local=(LocalFee(from_zone=home, to_zone=home, nano_per_wh=10_000),),
        service=1_000,
    )
    market = a_market(a_community_product())
    facts = market.exchange.state.registry.pods[PodId("h01")][0]
    far = structs.replace(facts, zone=away)
    assert most_to_pay(tariff, facts, facts) == 140_000 + 20_000 - 1_000
    assert most_to_pay(tariff, facts, far) == 140_000 - 1_000
    assert least_to_get(tariff) == 40_000 + 1_000
