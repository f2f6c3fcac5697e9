"""The life of a delivery: listing, instructions, settlement runs, the archive, corrections."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import (
    ISP_US,
    MIDNIGHT,
    a_meter,
    a_party,
    a_product,
    a_town,
    an_order,
    list_deliveries,
    pod_facts,
)
from tests.play import Play, energies, of, reason, receipts, with_runs
from wattbay.core import commands as c
from wattbay.core import deliveries as dl
from wattbay.core.deliveries import Deliveries, Delivery, FinalDelivery
from wattbay.core.events import (
    DeliveriesListed,
    DeliveryCorrected,
    DeliveryFinal,
    EnergyMetered,
    PeriodSettled,
    ReceiptIssued,
    Traded,
)
from wattbay.core.facts import ArchivedDelivery, Netting, Product, Role, Side
from wattbay.core.reasons import Reason
from wattbay.core.settlement import archive, record_hash
from wattbay.ids import PartyId, PodId, ProductId, RunName, TradeId
from wattbay.periods import DAY, HOUR, Instant

GATE = Instant(MIDNIGHT - HOUR)
DSO, MDR = PartyId("dso"), PartyId("mdr")
H01, H02 = PodId("h01"), PodId("h02")


def a_street(product: Product | None = None, *, deliveries: int = 2) -> Play:
    """Return two pods whose runs come one, three and six half-hours after a delivery's end."""
    commands = with_runs(
        a_town(2, product=product, deliveries=deliveries),
        initial=ISP_US,
        r1=3 * ISP_US,
        final=6 * ISP_US,
    )
    street = Play(commands)
    street.do(c.RegisterParty(party=a_party(DSO, roles=(Role.GRID_OPERATOR,))))
    street.do(c.RegisterParty(party=a_party(MDR, roles=(Role.METERED_DATA_RESPONSIBLE,))))
    return street


def trade(street: Play, quantity_wh: int = 250) -> Traded:
    """Let h01 buy from h02 for the first delivery, at 110,000."""
    street.do(an_order("h01", quantity_wh=quantity_wh))
    street.do(an_order("h02", side=Side.SELL, quantity_wh=quantity_wh, limit=100_000))
    street.until(GATE)
    return street.trades()[-1]


def read_all(street: Play, import_wh: int, export_wh: int) -> None:
    """Let h01 draw and h02 inject in the first delivery."""
    for meter in ("m-h01", "m-h02"):
        street.read(meter, MIDNIGHT, 0)
    street.read("m-h01", MIDNIGHT + ISP_US, import_wh)
    street.read("m-h02", MIDNIGHT + ISP_US, 0, export_wh)


def the_record(street: Play, delivery: int = MIDNIGHT) -> ArchivedDelivery:
    """Return the archive of a delivery, as a reader of the journal would keep it."""
    issued = [
        event.receipt
        for event in of(ReceiptIssued, street.history)
        if event.receipt.delivery == delivery
    ]
    last = {one.pod: one for one in issued}
    trades = [one for one in street.trades() if one.delivery == delivery]
    return archive(Instant(delivery), [ProductId("halfhour")], last.values(), trades)


# --- listing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [46, 48, 50])
def test_a_day_has_as_many_deliveries_as_it_has(count: int) -> None:
    street = a_street(deliveries=count)
    listed = of(DeliveriesListed, street.history)[0]
    assert listed.count == count
    state = street.exchange.state
    assert len(state.deliveries.open) == count
    assert state.deliveries.listed_until == MIDNIGHT + count * ISP_US
    assert state.statements.days == {"2013-06": {"2013-06-10": MIDNIGHT}}


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (list_deliveries(product="none"), Reason.UNKNOWN_PRODUCT),
        (list_deliveries(start=MIDNIGHT + DAY + 1), Reason.BAD_VALUE),
        (list_deliveries(start=MIDNIGHT + DAY, count=0), Reason.BAD_VALUE),
        (list_deliveries(start=MIDNIGHT + DAY, count=1_441), Reason.BAD_VALUE),
        (list_deliveries(day="2013-6-11", start=MIDNIGHT + DAY), Reason.BAD_VALUE),
        (list_deliveries(day="2013-W24-2", start=MIDNIGHT + DAY), Reason.BAD_VALUE),
        (list_deliveries(day="2013-06-31", start=MIDNIGHT + DAY), Reason.BAD_VALUE),
        (list_deliveries(start=MIDNIGHT - DAY), Reason.GATE_CLOSED),
        (list_deliveries(count=3), Reason.ALREADY_KNOWN),
        (list_deliveries(day="2013-06-11", start=MIDNIGHT + ISP_US), Reason.ALREADY_KNOWN),
    ],
)
def test_a_listing_that_cannot_be_is_refused(command: c.ListDeliveries, why: Reason) -> None:
    assert reason(a_street().submit(command)) is why


def test_another_product_may_list_the_same_deliveries_under_the_same_day_alone() -> None:
    street = a_street()
    street.do(c.DefineProduct(product=a_product("other")))
    wrong = list_deliveries(product="other", day="2013-06-09", count=2)
    assert reason(street.submit(wrong)) is Reason.ALREADY_KNOWN
    street.do(list_deliveries(product="other", count=2))
    assert street.exchange.state.deliveries.open[MIDNIGHT].products == ["halfhour", "other"]


def test_a_day_listed_in_pieces_starts_with_its_first() -> None:
    street = a_street()
    street.do(list_deliveries(start=MIDNIGHT + 4 * ISP_US, count=2))
    street.do(list_deliveries(start=MIDNIGHT + 2 * ISP_US, count=2))
    assert street.exchange.state.statements.days == {"2013-06": {"2013-06-10": MIDNIGHT}}


def test_open_deliveries_are_bounded() -> None:
    state = a_street().exchange.state
    one = Delivery(day="2013-06-10")
    many = Deliveries(open=dict.fromkeys(map(Instant, range(dl.OPEN_MAX)), one))
    command = list_deliveries(start=MIDNIGHT + DAY, day="2013-06-11", count=1)
    refused = dl.list_deliveries(state.registry, many, state.statements, command, MIDNIGHT)
    assert reason(refused) is Reason.TOO_MANY


# --- the grid operator -----------------------------------------------------------------------


def activation(energy_wh: int = -120, **changed: object) -> c.ActivateEnergy:
    command = c.ActivateEnergy(
        operator=DSO, pod=H02, delivery=MIDNIGHT, energy_wh=energy_wh, reason="transformer T1"
    )
    return structs.replace(command, **changed)


def cancellation(number: int = 1, **changed: object) -> c.CancelTrade:
    command = c.CancelTrade(
        operator=DSO, delivery=MIDNIGHT, trade=TradeId(number), reason="cable N4"
    )
    return structs.replace(command, **changed)


def test_instructed_energy_is_added_up_and_is_no_deviation() -> None:
    street = a_street()
    trade(street)
    street.do(activation(-100))
    street.do(activation(-20))
    read_all(street, 250, 130)
    told = receipts(street.settle(MIDNIGHT, "initial"))
    assert (told["h02"].activated_wh, told["h02"].deviation_wh) == (-120, 0)
    assert told["h02"].total_nano == -250 * 110_000


def test_an_instruction_that_is_told_late_counts_in_the_next_run() -> None:
    street = a_street()
    trade(street)
    read_all(street, 250, 130)
    assert receipts(street.settle(MIDNIGHT, "initial"))["h02"].deviation_wh == -120
    street.do(activation(-120))
    told = receipts(street.settle(MIDNIGHT, "r1"))["h02"]
    assert (told.version, told.deviation_wh) == (2, 0)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (activation(operator=PartyId("p01")), Reason.NOT_ALLOWED),
        (activation(delivery=Instant(MIDNIGHT + DAY)), Reason.UNKNOWN_DELIVERY),
        (activation(pod=PodId("nobody")), Reason.UNKNOWN_POD),
        (cancellation(operator=PartyId("p01")), Reason.NOT_ALLOWED),
        (cancellation(delivery=Instant(MIDNIGHT + DAY)), Reason.UNKNOWN_TRADE),
        (cancellation(2), Reason.UNKNOWN_TRADE),
    ],
)
def test_an_instruction_that_cannot_be_is_refused(
    command: c.ActivateEnergy | c.CancelTrade, why: Reason
) -> None:
    street = a_street()
    trade(street)
    assert reason(street.submit(command)) is why


def test_a_trade_cancelled_by_the_grid_operator_leaves_nobody_a_penalty() -> None:
    street = a_street()
    trade(street)
    assert street.balance("h01/p01") == -250 * 110_000
    assert street.held("h02/p02") == 250 * 140_000
    street.do(cancellation())
    assert street.balance("h01/p01") == street.balance("h02/p02") == 0
    assert street.exchange.state.ledger.held == {}
    assert reason(street.submit(cancellation())) is Reason.UNKNOWN_TRADE
    read_all(street, 0, 0)
    told = receipts(street.settle(MIDNIGHT, "initial"))
    assert [(one.deviation_wh, one.total_nano) for one in told.values()] == [(0, 0), (0, 0)]


def test_a_trade_is_cancelled_before_its_delivery_begins_or_never() -> None:
    street = a_street()
    trade(street)
    assert reason(street.submit(cancellation(), MIDNIGHT)) is Reason.GATE_CLOSED


# --- settlement runs -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delivery", "run", "why"),
    [
        (MIDNIGHT + DAY, "initial", Reason.UNKNOWN_DELIVERY),
        (MIDNIGHT, "r1", Reason.UNKNOWN_RUN),
        (MIDNIGHT, "initial", Reason.NOT_DUE),
    ],
)
def test_runs_come_by_the_clock(delivery: int, run: str, why: Reason) -> None:
    command = c.SettlePeriod(delivery=Instant(delivery), run=RunName(run))
    assert reason(a_street().submit(command, MIDNIGHT)) is why


def test_who_has_no_reading_is_estimated_and_blocks_nobody() -> None:
    street = a_street()
    street.read("m-h01", MIDNIGHT, 0)
    street.read("m-h01", MIDNIGHT + ISP_US, 300)
    events = street.settle(MIDNIGHT, "initial")
    assert [told.pod for told in of(EnergyMetered, events)] == [H02]
    assert {one.pod: one.quality.value for one in receipts(events).values()} == {
        "h01": "measured",
        "h02": "estimated",
    }


def test_a_run_in_which_nothing_was_learnt_tells_nothing() -> None:
    street = a_street()
    trade(street)
    read_all(street, 250, 250)
    first = of(PeriodSettled, street.settle(MIDNIGHT, "initial"))[0]
    assert len(first.delivered) == len(first.imbalances) == 1
    (settled,) = street.settle(MIDNIGHT, "r1")
    assert isinstance(settled, PeriodSettled)
    assert (settled.delivered, settled.imbalances) == ((), ())


def test_a_correction_before_the_final_run_posts_differences_and_keeps_versions() -> None:
    street = a_street()
    trade(street)
    read_all(street, 250, 250)
    street.settle(MIDNIGHT, "initial")
    substituted = c.SubstituteEnergy(
        responsible=MDR, pod=H01, delivery=MIDNIGHT, import_wh=280, export_wh=0, reason="by hand"
    )
    street.do(substituted, MIDNIGHT + 4 * ISP_US - 1)
    before = street.balance("h01/p01")
    told = receipts(street.settle(MIDNIGHT, "r1"))
    # h02 delivered as before: nothing new is said to it.
    assert set(told) == {"h01"}
    assert (told["h01"].version, told["h01"].run) == (2, "r1")
    # 30 Wh more, short and unpooled: energy, regional network and levy.
    assert street.balance("h01/p01") - before == -30 * (140_000 + 30_000 + 10_000)


def test_a_pod_that_is_connected_later_has_no_receipt_for_before() -> None:
    street = a_street()
    facts = pod_facts("h03", party="p01", since=MIDNIGHT + ISP_US)
    street.do(c.RegisterPod(facts=facts, meter=a_meter("m-h03")))
    assert set(receipts(street.settle(MIDNIGHT, "initial"))) == {"h01", "h02"}
    assert set(receipts(street.settle(MIDNIGHT + ISP_US, "initial"))) == {"h01", "h02", "h03"}


def test_what_sellers_had_at_risk_is_released_with_the_first_run() -> None:
    street = a_street()
    trade(street)
    street.until(MIDNIGHT + ISP_US)
    assert street.held("h02/p02") == 250 * 140_000
    street.settle(MIDNIGHT, "initial")
    assert street.exchange.state.ledger.held == {}


def test_a_delivery_leaves_the_state_with_its_final_run_and_its_hash_stays() -> None:
    street = a_street()
    trade(street)
    read_all(street, 250, 250)
    (final,) = of(DeliveryFinal, street.settle(MIDNIGHT, "final"))
    state = street.exchange.state
    assert MIDNIGHT not in state.deliveries.open
    assert MIDNIGHT not in state.ledger.energy
    assert final.record_hash == record_hash(the_record(street))
    assert state.deliveries.final[MIDNIGHT] == FinalDelivery("2013-06-10", final.record_hash)


def test_only_so_many_final_deliveries_are_remembered_the_oldest_go_first() -> None:
    old = FinalDelivery("2013-06-09", b"")
    many = Deliveries(
        open={MIDNIGHT: Delivery(day="2013-06-10")},
        final=dict.fromkeys(map(Instant, range(dl.FINAL_MAX)), old),
    )
    dl.closed(many, DeliveryFinal(delivery=MIDNIGHT, record_hash=b"new"))
    assert len(many.final) == dl.FINAL_MAX
    assert Instant(0) not in many.final
    assert many.final[MIDNIGHT].record_hash == b"new"


def test_what_is_learnt_of_a_final_delivery_makes_nothing_due() -> None:
    deliveries = Deliveries()
    dl.learnt(deliveries, MIDNIGHT)
    assert deliveries.open == {}


# --- corrections after the final run ---------------------------------------------------------


def correction(street: Play, import_wh: int = 280, export_wh: int = 0) -> c.CorrectDelivery:
    return c.CorrectDelivery(
        responsible=MDR,
        record=the_record(street),
        pod=H01,
        import_wh=import_wh,
        export_wh=export_wh,
        reason="meter was found to be slow",
    )


def a_final_street(product: Product | None = None) -> Play:
    street = a_street(product)
    trade(street)
    read_all(street, 250, 250)
    street.settle(MIDNIGHT, "final")
    return street


def test_a_final_delivery_is_corrected_at_its_own_prices() -> None:
    street = a_final_street()
    before = street.balance("h01/p01")
    events = street.do(correction(street))
    assert energies(events) == [(280, 0, "substituted")]
    (told,) = of(DeliveryCorrected, events)
    assert [one.delivered_wh for one in told.delivered] == [250]
    assert [one.energy_wh for one in told.imbalances] == [-30]
    receipt = receipts(events)["h01"]
    assert (receipt.run, receipt.version, receipt.trades_nano) == (
        "correction",
        2,
        250 * 110_000,
    )
    assert street.balance("h01/p01") - before == -30 * 180_000
    assert MIDNIGHT not in street.exchange.state.ledger.energy


def test_a_corrected_delivery_can_be_corrected_again_with_its_new_record_alone() -> None:
    street = a_final_street()
    old = correction(street)
    street.do(old)
    assert reason(street.submit(old)) is Reason.RECORD_ALTERED
    before = street.balance("h01/p01")
    events = street.do(correction(street, 250))
    assert receipts(events)["h01"].version == 3
    assert street.balance("h01/p01") - before == 30 * 180_000


def test_another_pod_may_be_touched_by_a_correction() -> None:
    street = a_final_street()
    # Who bought 250 and drew only 200 delivers less, and so does the seller of it.
    told = receipts(street.do(correction(street, 200)))
    assert told["h02"].delivered_out_wh == 200
    assert told["h02"].version == 2


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"responsible": PartyId("p01")}, Reason.NOT_ALLOWED),
        ({"pod": PodId("nobody")}, Reason.UNKNOWN_POD),
        ({"import_wh": -1}, Reason.IMPOSSIBLE_ENERGY),
    ],
)
def test_a_correction_that_cannot_be_is_refused(changed: dict[str, object], why: Reason) -> None:
    street = a_final_street()
    assert reason(street.submit(structs.replace(correction(street), **changed))) is why


def test_an_altered_record_is_refused() -> None:
    street = a_final_street()
    command = correction(street)
    cheaper = structs.replace(command.record.trades[0], buy_price=1)
    record = structs.replace(command.record, trades=(cheaper,))
    assert reason(street.submit(structs.replace(command, record=record))) is Reason.RECORD_ALTERED


def test_a_delivery_that_is_not_final_is_not_corrected() -> None:
    street = a_final_street()
    later = Instant(MIDNIGHT + ISP_US)
    record = structs.replace(the_record(street), delivery=later)
    command = structs.replace(correction(street), record=record)
    assert reason(street.submit(command)) is Reason.UNKNOWN_DELIVERY


def test_a_netted_delivery_is_corrected_by_its_net() -> None:
    street = a_street(structs.replace(a_product(), netting=Netting.PERIOD))
    read_all(street, 300, 0)
    street.read("m-h01", MIDNIGHT + 2 * ISP_US, 300, 100)
    street.settle(MIDNIGHT, "final")
    told = receipts(street.do(correction(street, 350, export_wh=100)))["h01"]
    assert (told.import_wh, told.export_wh) == (250, 0)


def test_a_correction_within_a_gap_that_is_still_open_keeps_the_sum() -> None:
    street = a_street(deliveries=24)
    street.read("m-h01", MIDNIGHT, 0)
    street.settle(MIDNIGHT, "final")
    street.do(correction(street, 500, 40))
    street.read("m-h01", MIDNIGHT + 9 * ISP_US, 2_000, 300, at=MIDNIGHT + 9 * ISP_US)
    last = {told.delivery: told for told in of(EnergyMetered, street.history) if told.pod == H01}
    assert sum(told.import_wh for told in last.values()) == 2_000
    assert sum(told.export_wh for told in last.values()) == 300


def test_the_tax_status_of_a_seller_is_dated() -> None:
    street = a_street()
    taxed = structs.replace(a_party("p02"), tax_from=Instant(MIDNIGHT + ISP_US))
    street.do(c.RegisterParty(party=taxed))
    for delivery in (MIDNIGHT, MIDNIGHT + ISP_US):
        street.do(an_order("h01", delivery=delivery))
        street.do(an_order("h02", side=Side.SELL, limit=100_000, delivery=delivery))
    read_all(street, 250, 250)
    street.read("m-h02", MIDNIGHT + 2 * ISP_US, 0, 500)
    street.settle(MIDNIGHT + ISP_US, "initial")
    first, second = (
        event.receipt for event in of(ReceiptIssued, street.history) if event.receipt.pod == H02
    )
    assert (first.taxable_nano, first.total_nano) == (0, -250 * 110_000)
    assert (second.taxable_nano, second.total_nano) == (-250 * 110_000, -250 * 110_000)


def test_the_rules_of_the_first_product_that_listed_a_delivery_settle_it() -> None:
    street = a_street(structs.replace(a_product(), pool_price=77_000))
    street.do(c.DefineProduct(product=structs.replace(a_product("other"), pool_price=1)))
    street.do(list_deliveries(product="other", count=2))
    (settled,) = of(PeriodSettled, street.settle(MIDNIGHT, "initial"))
    assert settled.pool_price == 77_000
