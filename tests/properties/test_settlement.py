"""Laws of settlement: nothing is lost, nobody pays for energy that did not flow."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.builders import MIDNIGHT, pod_facts
from wattbay.core.events import EnergyMetered
from wattbay.core.facts import (
    ArchivedTrade,
    Deviations,
    LocalFee,
    Netting,
    Quality,
    Receipt,
    Tariff,
)
from wattbay.core.settlement import Seat, Settlement, Terms, pool, settle
from wattbay.ids import PodId, RunName, TariffId, ZoneId
from wattbay.units import share

ZONES = (ZoneId("north"), ZoneId("south"))
brps = st.sampled_from(["a", "b"])
energies = st.integers(0, 2_000)
prices = st.integers(-50_000, 200_000)
deviations = st.lists(st.integers(-5_000, 5_000), max_size=12)


class Town(NamedTuple):
    """A delivery as it is settled."""

    terms: Terms
    seats: list[Seat]
    trades: list[ArchivedTrade]

    def settled(self, **changed: object) -> Settlement:
        return settle(self.terms._replace(**changed), self.seats, self.trades)  # type: ignore[arg-type]


@st.composite
def tariffs(draw: st.DrawFn, name: str) -> Tariff:
    export = draw(st.integers(0, 60_000))
    return Tariff(
        tariff=TariffId(name),
        energy=export + draw(st.integers(0, 60_000)),
        network_regional=draw(st.integers(0, 60_000)),
        network_local=tuple(
            LocalFee(from_zone=one, to_zone=other, nano_per_wh=draw(st.integers(0, 60_000)))
            for one in ZONES
            for other in ZONES
            if draw(st.booleans())
        ),
        levy=draw(st.integers(0, 30_000)),
        export=export,
        service=draw(st.sampled_from([0, 500])),
    )


@st.composite
def towns(draw: st.DrawFn) -> Town:
    choices = [draw(tariffs("one")), draw(tariffs("other"))]
    pods = [PodId(f"h{i}") for i in range(draw(st.integers(1, 6)))]
    seats = [
        Seat(
            pod_facts(pod, brp=draw(brps), zone=draw(st.sampled_from(ZONES))),
            draw(st.sampled_from(choices)),
            EnergyMetered(
                pod=pod,
                delivery=MIDNIGHT,
                import_wh=draw(energies),
                export_wh=draw(energies),
                quality=Quality.MEASURED,
            ),
            draw(st.sampled_from([0, 0, -120, 80])),
            draw(st.booleans()),
            1,
        )
        for pod in pods
    ]
    trades = [
        ArchivedTrade(
            trade=number,
            buyer=draw(st.sampled_from(pods)),
            seller=draw(st.sampled_from(pods)),
            quantity_wh=draw(st.integers(1, 800)),
            buy_price=draw(prices),
            sell_price=draw(prices),
        )
        for number in range(draw(st.integers(0, 8)))
    ]
    low = max(one.export for one in choices)
    terms = Terms(
        MIDNIGHT,
        RunName("initial"),
        draw(st.sampled_from(list(Deviations))),
        draw(st.integers(low, max(low, *(one.energy for one in choices)))),
        draw(prices),
        draw(prices),
        draw(prices),
        draw(st.sampled_from(list(Netting))),
    )
    return Town(terms, seats, trades)


def total(receipts: list[Receipt], column: str) -> int:
    return sum(getattr(receipt, column) for receipt in receipts)


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=12))
def test_sharing_loses_nothing_and_is_off_by_less_than_one(whole: int, weights: list[int]) -> None:
    parts = share(whole, weights)
    assert sum(parts) == whole
    among = sum(weights) or len(weights)
    shares = weights if sum(weights) else [1] * len(weights)
    for part, weight in zip(parts, shares, strict=True):
        assert abs(part * among - whole * weight) < among


@given(deviations)
def test_the_pool_sums_to_zero_and_takes_all_of_the_shorter_side(positions: list[int]) -> None:
    pooled = pool(positions)
    assert sum(pooled) == 0
    rest = [whole - part for whole, part in zip(positions, pooled, strict=True)]
    # Nobody is pooled for more than its deviation, and not both sides have something left.
    assert all(0 <= part * sign <= whole * sign for part, whole, sign in _signed(pooled, positions))
    assert not (any(one > 0 for one in rest) and any(one < 0 for one in rest))


def _signed(pooled: list[int], positions: list[int]) -> list[tuple[int, int, int]]:
    return [
        (part, whole, 1 if whole >= 0 else -1)
        for part, whole in zip(pooled, positions, strict=True)
    ]


@given(towns())
def test_what_the_community_pays_is_what_others_get(town: Town) -> None:
    settlement = town.settled()
    receipts = settlement.receipts
    gaps = sum(one.quantity_wh * (one.buy_price - one.sell_price) for one in town.trades)
    assert total(receipts, "pool_nano") == 0
    assert total(receipts, "trades_nano") == gaps
    others = ("supplier_nano", "network_nano", "levy_nano", "service_nano")
    assert total(receipts, "total_nano") == gaps + sum(total(receipts, one) for one in others)
    assert sum(settlement.imbalances.values()) == total(receipts, "residual_wh")
    assert total(receipts, "residual_wh") == total(receipts, "deviation_wh")


@given(towns())
def test_nobody_pays_fees_on_energy_that_was_not_drawn(town: Town) -> None:
    for seat, receipt in zip(town.seats, town.settled().receipts, strict=True):
        fees = [fee.nano_per_wh for fee in seat.tariff.network_local]
        regional = seat.tariff.network_regional
        assert receipt.levy_nano == receipt.import_wh * seat.tariff.levy
        assert receipt.network_nano <= receipt.import_wh * max([regional, *fees])
        assert receipt.network_nano >= receipt.import_wh * min([regional, *fees])


@given(towns())
def test_delivered_energy_was_traded_drawn_and_injected(town: Town) -> None:
    settlement = town.settled()
    receipts = settlement.receipts
    assert sum(settlement.delivered) == total(receipts, "delivered_in_wh")
    assert sum(settlement.delivered) == total(receipts, "delivered_out_wh")
    for trade, delivered in zip(town.trades, settlement.delivered, strict=True):
        assert 0 <= delivered <= trade.quantity_wh
    for receipt in receipts:
        assert receipt.delivered_in_wh <= min(receipt.bought_wh, receipt.import_wh)
        assert receipt.delivered_out_wh <= min(receipt.sold_wh, receipt.export_wh)


@given(towns(), st.data())
def test_pooling_makes_nobody_worse_off_than_being_alone(town: Town, data: st.DataObject) -> None:
    """Where the pool price lies between the export and the energy price of everybody."""
    low = max(seat.tariff.export for seat in town.seats)
    high = min(seat.tariff.energy for seat in town.seats)
    assume(low <= high)
    price = data.draw(st.integers(low, high))
    pooled = town.settled(deviations=Deviations.POOLED, pool_price=price).receipts
    alone = town.settled(deviations=Deviations.INDIVIDUAL).receipts
    for together, single in zip(pooled, alone, strict=True):
        assert together.total_nano <= single.total_nano
        assert together.deviation_wh == single.deviation_wh


@given(towns())
def test_netting_changes_no_deviation(town: Town) -> None:
    netted = town.settled(netting=Netting.PERIOD).receipts
    apart = town.settled(netting=Netting.NONE).receipts
    for one, other in zip(netted, apart, strict=True):
        assert one.deviation_wh == other.deviation_wh
        assert min(one.import_wh, one.export_wh) == 0
        assert one.export_wh - one.import_wh == other.export_wh - other.import_wh
