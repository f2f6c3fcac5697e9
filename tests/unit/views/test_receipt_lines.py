from __future__ import annotations

import re
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.builders import MIDNIGHT, a_product, pod_facts
from wattbay.cli.show import folder as documents
from wattbay.cli.show.figures import Purse
from wattbay.cli.show.receipts import Story, Version, paragraphs
from wattbay.cli.show.words import QUALITIES
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
from wattbay.core.settlement import Seat, Terms, settle, terms_of
from wattbay.ids import PodId, RunName, TariffId, ZoneId
from wattbay.views import receipt_lines
from wattbay.views.receipt_lines import ReceiptRow, TradeRow

PODS = ("h01", "h02", "h03", "h04")
ZONES = {"h01": "north", "h02": "north", "h03": "south", "h04": "south"}
TARIFF = Tariff(
    tariff=TariffId("flat"),
    energy=70_000,
    network_regional=45_500,
    # Not every way has a fee of its own: south to north pays the regional one.
    network_local=tuple(
        LocalFee(from_zone=ZoneId(seller), to_zone=ZoneId(buyer), nano_per_wh=fee)
        for seller, buyer, fee in (("north", "north", 22_750), ("north", "south", 34_000))
    ),
    levy=20_000,
    export=46_400,
    service=1_500,
)
energies = st.integers(0, 900)
prices = st.integers(-20, 100).map(lambda n: n * 1_000)


@dataclass(frozen=True)
class Settled:
    """A delivery that the core settled."""

    terms: Terms
    receipts: list[Receipt]
    trades: list[ArchivedTrade]


def a_seat(pod: str = "h01", import_wh: int = 0, export_wh: int = 0, activated_wh: int = 0) -> Seat:
    energy = EnergyMetered(
        pod=PodId(pod),
        delivery=MIDNIGHT,
        import_wh=import_wh,
        export_wh=export_wh,
        quality=Quality.MEASURED,
    )
    facts = pod_facts(pod, zone=ZONES[pod])
    return Seat(facts, TARIFF, energy, activated_wh, sales_taxed=False, version=1)


@st.composite
def deliveries(draw: st.DrawFn) -> Settled:
    """Return any small delivery, settled by the core in any of its ways."""
    product = a_product()
    terms = terms_of(product, MIDNIGHT, RunName("initial"), 58_200)._replace(
        deviations=draw(st.sampled_from(list(Deviations))),
        netting=draw(st.sampled_from(list(Netting))),
        single_price=draw(prices),
        short_price=draw(prices),
        long_price=draw(prices),
    )
    instructed = st.sampled_from([0, 0, 50, -50])
    seats = [a_seat(pod, draw(energies), draw(energies), draw(instructed)) for pod in PODS]
    pairs = st.tuples(st.sampled_from(PODS), st.sampled_from(PODS))
    trades = [
        ArchivedTrade(
            trade=number,
            buyer=PodId(buyer),
            seller=PodId(seller),
            quantity_wh=draw(st.integers(1, 500)),
            buy_price=draw(prices),
            sell_price=draw(prices),
        )
        for number, (buyer, seller) in enumerate(draw(st.lists(pairs, max_size=6)), 1)
    ]
    return Settled(terms, settle(terms, seats, trades).receipts, trades)


def row_of(receipt: Receipt) -> ReceiptRow:
    """Return a receipt as the run folder tells it."""
    return ReceiptRow(
        receipt.delivery,
        receipt.pod,
        receipt.party,
        receipt.run,
        receipt.version,
        receipt.bought_wh,
        receipt.sold_wh,
        receipt.delivered_in_wh,
        receipt.delivered_out_wh,
        receipt.import_wh,
        receipt.export_wh,
        receipt.deviation_wh,
        receipt.pooled_wh,
        receipt.residual_wh,
        receipt.trades_nano,
        receipt.pool_nano,
        receipt.supplier_nano,
        receipt.network_nano,
        receipt.levy_nano,
        receipt.service_nano,
        receipt.total_nano,
        receipt.same_meters_nano,
    )


def told_of(settled: Settled, pod: str, quality: str) -> str:
    """Return the sentences of a receipt, as its page says them."""
    row = next(row_of(receipt) for receipt in settled.receipts if receipt.pod == pod)
    version = Version(1, "initial", quality, row.import_wh, row.export_wh, row)
    trades = [
        TradeRow(t.buyer, t.seller, t.quantity_wh, t.buy_price, "open") for t in settled.trades
    ]
    story = Story(
        format=1,
        delivery="2013-06-10T00:00Z",
        delivery_end="2013-06-10T00:30Z",
        pod=pod,
        facts=documents.Facts("2013-06-09T00:00Z", "p", "north", "supplier", "supplier", "flat"),
        tax_ppm=0,
        purchases=1,
        sales=1,
        lines=tuple(receipt_lines.trade_lines(pod, trades)),
        total_nano=row.total_nano,
        without_market=(),
        same_meters_nano=row.same_meters_nano,
        saved_nano=row.saved_nano,
        deviations=settled.terms.deviations.value,
        shown=version,
        versions=(version,),
        orders=(),
        disagreements={},
    )
    return " ".join(" ".join(said) for said in paragraphs(Purse("GBP", 2), story))


@given(deliveries())
def test_lines_come_to_whatever_the_core_settled(settled: Settled) -> None:
    rules = receipt_lines.Rules(
        deviations=settled.terms.deviations.value,
        single_price=settled.terms.single_price,
        short_price=settled.terms.short_price,
        long_price=settled.terms.long_price,
    )
    rows = {str(receipt.pod): row_of(receipt) for receipt in settled.receipts}
    trades = [
        TradeRow(t.buyer, t.seller, t.quantity_wh, t.buy_price, "open", None, t.sell_price)
        for t in settled.trades
    ]
    trades.append(TradeRow("h01", "h02", 900, 1, "cancelled"))
    tariff = receipt_lines.parts_of(TARIFF)
    ground = receipt_lines.Ground(tariff, rules, settled.terms.pool_price, "supplier", rows, ZONES)
    for pod, row in rows.items():
        local = receipt_lines.delivered_by_zones(pod, trades[:-1], rows, ZONES)
        assert sum(local.values()) == row.delivered_in_wh
        lines = receipt_lines.explain(row, trades, ground)
        without = receipt_lines.without_market(row, tariff)
        assert receipt_lines.disagreements(row, lines, without) == {}
        for line in lines:
            assert abs(line.amount_nano) == abs(line.energy_wh * line.price_nano_per_wh)


@given(deliveries())
def test_activated_energy_is_what_explains_the_rest_of_a_deviation(settled: Settled) -> None:
    for receipt in settled.receipts:
        assert row_of(receipt).activated_wh == receipt.activated_wh


@given(deliveries(), st.sampled_from(PODS), st.sampled_from(list(QUALITIES)))
def test_every_receipt_is_told_in_sentences_that_add_up(
    settled: Settled, pod: str, quality: str
) -> None:
    said = " ".join(told_of(settled, pod, quality).split())
    receipt = next(row_of(each) for each in settled.receipts if each.pod == pod)
    assert not re.search(r"-0\.0+ |-0 Wh|None", said)
    for energy in (
        receipt.bought_wh, receipt.sold_wh, receipt.activated_wh, receipt.deviation_wh
    ):  # fmt: skip
        assert not energy or f"{abs(energy):,} Wh" in said
    if receipt.deviation_wh and not receipt.pooled_wh:
        assert "your supplier" in said


def test_a_receipt_whose_parts_do_not_sum_is_found_by_its_total() -> None:
    settled = settle(terms_of(a_product(), MIDNIGHT, RunName("initial"), 58_200), [a_seat()], [])
    row = structs.replace(row_of(settled.receipts[0]), total_nano=7)
    assert receipt_lines.disagreements(row, [], []) == {"total": (0, 7)}
