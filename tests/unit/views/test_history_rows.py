from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec import structs

from tests.builders import (
    ISP_US,
    MIDNIGHT,
    a_kernel,
    a_meter,
    a_party,
    a_product,
    a_reading,
    a_sale,
    a_town,
    an_order,
    list_deliveries,
    pod_facts,
)
from wattbay.adapters.stores.history import memory_history
from wattbay.core import commands as c
from wattbay.core.devices import DisconnectPod, RevokeDevice
from wattbay.core.exchange import Exchange
from wattbay.core.facts import ArchivedDelivery, Mechanism, Role, Side
from wattbay.core.settlement import archive
from wattbay.ids import MeterId, PartyId, PodId
from wattbay.kernel.kernel import Kernel
from wattbay.periods import DAY, HOUR, WEEK, Instant
from wattbay.views.history import Answered, History, Want
from wattbay.views.operator_files import missing_readings

RESPONSIBLE = PartyId("metering")


@pytest.fixture
def history() -> Iterator[History]:
    made = memory_history()
    yield made
    made.close()


def the_one(history: History, table: str, **key: str | int | None) -> Answered:
    found = history.one(table, **key)
    assert found is not None
    return found


def traded(history: History, *, energy_wh: int = 250) -> Kernel:
    """Return a town in which the second pod sold to the first, and both were read."""
    kernel = a_kernel(*a_town(deliveries=2), readers=[history])
    kernel.submit_many([an_order("h01"), an_order("h02", side=Side.SELL, limit=80_000)])
    for seq, at in enumerate((MIDNIGHT, MIDNIGHT + ISP_US), 1):
        kernel.advance(Instant(at))
        used = energy_wh * (seq - 1)
        kernel.submit_many(
            [
                a_reading("m-h01", seq=seq, measured_at=at, import_register=used),
                a_reading("m-h02", seq=seq, measured_at=at, export_register=used),
            ]
        )
    return kernel


def test_a_delivery_goes_through_its_phases_by_the_clock(history: History) -> None:
    kernel = a_kernel(*a_town(deliveries=2)[:-1], readers=[history])
    later = MIDNIGHT + 2 * DAY
    kernel.submit(list_deliveries(day="2013-06-12", start=later, count=2))

    def state() -> tuple[object, object]:
        row = the_one(history, "deliveries", delivery_start=later)
        return row["state"], row["run"]

    assert state() == ("listed", None)
    kernel.advance(Instant(later - 2 * DAY))
    kernel.submit(an_order(delivery=later + ISP_US))
    assert state() == ("open", None)
    for at, expected in (
        (later - HOUR, ("cleared", None)),
        (later + ISP_US + DAY, ("settled", "initial")),
        (later + ISP_US + 6 * DAY, ("final", "final")),
    ):
        kernel.advance(Instant(at))
        assert state() == expected
    row = the_one(history, "deliveries", delivery_start=later)
    assert (row["gate_opens"], row["gate_closes"]) == (later - 2 * DAY, later - HOUR)
    assert (row["day"], row["volume_wh"], row["delivery_end"]) == ("2013-06-12", 0, later + ISP_US)
    assert row["pool_price_nano_per_wh"] == 90_000


def test_a_delivery_that_can_be_traded_at_once_is_listed_as_open(history: History) -> None:
    a_kernel(*a_town(deliveries=1), readers=[history])
    assert the_one(history, "deliveries")["state"] == "open"


def test_a_trade_is_delivered_with_the_first_run(history: History) -> None:
    kernel = traded(history, energy_wh=100)
    assert the_one(history, "trades")["state"] == "open"
    kernel.advance(Instant(MIDNIGHT + ISP_US + DAY))
    trade = the_one(history, "trades")
    assert (trade["state"], trade["delivered_wh"]) == ("partly_delivered", 100)
    assert (trade["trade"], trade["seq"], trade["entry"]) == (1, trade["entry"], trade["seq"])
    price = the_one(history, "prices", delivery_start=MIDNIGHT)
    assert price["pool_price_nano_per_wh"] == 90_000


def test_a_correction_after_the_end_is_seen_in_every_table(history: History) -> None:
    kernel = traded(history)
    responsible = a_party(RESPONSIBLE, roles=(Role.METERED_DATA_RESPONSIBLE,))
    kernel.submit(c.RegisterParty(party=responsible))
    kernel.advance(Instant(MIDNIGHT + ISP_US + 6 * DAY - 1))
    record = record_of(kernel.exchange)
    kernel.advance(Instant(MIDNIGHT + WEEK))
    assert the_one(history, "trades")["state"] == "delivered"
    correction = c.CorrectDelivery(
        responsible=RESPONSIBLE,
        record=record,
        pod=PodId("h02"),
        import_wh=0,
        export_wh=150,
        reason="read wrongly",
    )
    answer = kernel.submit(correction)
    trade = the_one(history, "trades")
    assert (trade["state"], trade["delivered_wh"]) == ("partly_delivered", 150)
    first, second = history.find(
        Want("receipts", {"pod": "h02", "delivery_start": MIDNIGHT}, newest_first=False)
    ).rows
    assert (first["version"], first["newest"], first["corrects"]) == (1, False, None)
    assert (second["version"], second["newest"], second["corrects"]) == (2, True, 1)
    assert (second["run"], second["entry"]) == ("correction", answer.seq)
    known = history.find(Want("meters", {"pod": "h02", "delivery_start": MIDNIGHT})).rows
    assert [(row["export_wh"], row["newest"]) for row in known] == [(150, True), (250, False)]
    imbalances = history.find(Want("imbalances", {"delivery_start": MIDNIGHT})).rows
    assert [row["run"] for row in imbalances if row["newest"]] == ["correction"]
    assert the_one(history, "deliveries", delivery_start=MIDNIGHT)["state"] == "final"


def record_of(exchange: Exchange) -> ArchivedDelivery:
    found = exchange.state.deliveries.open[MIDNIGHT]
    trades = found.trades.values()
    return archive(MIDNIGHT, found.products, found.receipts.values(), trades)


def test_readings_stand_with_their_registers_and_their_entry(history: History) -> None:
    traded(history)
    reading = the_one(history, "readings", pod="h02")
    assert (reading["meter"], reading["boundary"], reading["seq"]) == (
        "m-h02",
        MIDNIGHT + ISP_US,
        2,
    )
    assert (reading["export_register"], reading["quality"]) == (250, "measured")
    entry = the_one(history, "entries", seq=reading["entry"])  # type: ignore[arg-type]  # a number
    assert (entry["command"], entry["pod"], entry["reason"]) == ("SubmitReading", "h02", None)


def test_a_refusal_names_the_pod_that_it_concerns(history: History) -> None:
    kernel = traded(history)
    kernel.submit(a_reading("m-h02", seq=2, measured_at=MIDNIGHT + ISP_US, export_register=250))
    kernel.submit(a_reading("nobody", measured_at=MIDNIGHT + ISP_US))
    kernel.submit(an_order("h01", quantity_wh=-1, delivery=MIDNIGHT + 9 * WEEK))
    kernel.submit(c.RegisterPod(facts=pod_facts("h01"), meter=a_meter("m-9")))
    rows = history.find(Want("refusals", newest_first=False)).rows
    assert [(row["pod"], row["subject"]) for row in rows] == [
        ("h02", "m-h02"),
        (None, "nobody"),
        ("h01", "h01"),
        ("h01", "h01"),
    ]
    mine = history.find(Want("refusals", pods=frozenset({"h02"}))).rows
    assert [row["reason"] for row in mine] == ["duplicate_reading"]
    assert the_one(history, "orders", state="rejected")["order"] is None


def test_a_party_stands_once_as_it_is_now(history: History) -> None:
    kernel = a_kernel(*a_town(), readers=[history])
    before = the_one(history, "parties", party="p01")
    kernel.submit(c.RegisterParty(party=a_party("p01", roles=(Role.PROSUMER, Role.AGGREGATOR))))
    after = the_one(history, "parties", party="p01")
    assert (before["roles"], after["roles"]) == ("prosumer", "prosumer,aggregator")
    assert before["number"] == after["number"]
    assert len(history.find(Want("parties")).rows) == 3


def test_facts_of_a_pod_hold_until_the_next_and_tell_its_meter(history: History) -> None:
    kernel = a_kernel(*a_town()[:-1], readers=[history])
    kernel.submit(c.ChangePod(facts=pod_facts("h01", party="p02", since=MIDNIGHT)))
    kernel.advance(MIDNIGHT)
    kernel.submit(
        c.ExchangeMeter(
            pod=PodId("h01"), at=MIDNIGHT, final_import=0, final_export=0, meter=a_meter("new")
        )
    )
    last, first = history.find(Want("pods", {"pod": "h01"})).rows
    assert (first["party"], first["until"], first["meter"]) == ("p01", MIDNIGHT, "new")
    assert (last["party"], last["until"], last["meter"]) == ("p02", None, "new")
    kernel.submit(c.ChangePod(facts=pod_facts("h01", party="p01", since=MIDNIGHT + DAY)))
    assert the_one(history, "pods", pod="h01")["meter"] == MeterId("new")
    assert the_one(history, "pods", pod="h02")["until"] is None


def test_a_pod_that_leaves_has_no_facts_from_then_on(history: History) -> None:
    kernel = a_kernel(*a_town(deliveries=1), readers=[history])
    kernel.submit(c.ChangePod(facts=pod_facts("h02", party="p01", since=MIDNIGHT + DAY)))
    kernel.submit(DisconnectPod(pod=PodId("h02"), until=Instant(MIDNIGHT + 2 * DAY)))
    kernel.advance(Instant(MIDNIGHT + DAY))
    kernel.submit(list_deliveries(day="2013-06-13", start=MIDNIGHT + 3 * DAY, count=1))
    kernel.advance(Instant(MIDNIGHT + 5 * DAY))
    assert [row["until"] for row in history.find(Want("pods", {"pod": "h02"})).rows] == [
        MIDNIGHT + 2 * DAY,
        MIDNIGHT + DAY,
    ]
    assert the_one(history, "pods", pod="h01")["until"] is None
    span = Instant(MIDNIGHT + 3 * DAY), Instant(MIDNIGHT + 4 * DAY)
    missing = [row[2] for row in missing_readings(history, *span).rows]
    assert missing == ["h01"]


def test_commands_about_devices_tell_of_which_and_of_whose(history: History) -> None:
    kernel = a_kernel(*a_town(), readers=[history])
    kernel.submit(RevokeDevice(device=MeterId("m-h02"), reason="stolen"))
    entry = the_one(history, "entries", command="RevokeDevice")
    assert (entry["subject"], entry["pod"]) == ("m-h02", "h02")


def test_sale_agreed_elsewhere_is_an_entry_of_its_seller_and_an_order_of_each(
    history: History,
) -> None:
    board = structs.replace(a_product(), mechanism=Mechanism.BILATERAL)
    kernel = a_kernel(*a_town(product=board, deliveries=2), readers=[history])
    kernel.submit(a_sale(300, 100, request="s1"))
    kernel.submit(a_sale(-1))
    entry = the_one(history, "entries", command="ConcludeSale", reason=None)
    assert (entry["pod"], entry["subject"], entry["events"]) == ("h01", "h01", 6)
    refused = the_one(history, "refusals", command="ConcludeSale")
    assert (refused["pod"], refused["reason"]) == ("h01", "bad_quantity")
    rows = history.find(Want("orders", newest_first=False)).rows
    told = [(row["pod"], row["side"], row["state"], row["request"]) for row in rows]
    # Its request is one of the seller's; the buyer may use the same for something else.
    assert told == [("h01", "sell", "filled", "s1"), ("h02", "buy", "filled", None)] * 2
    trades = history.find(Want("trades", newest_first=False)).rows
    assert [(row["buyer_pod"], row["quantity_wh"]) for row in trades] == [
        ("h02", 300),
        ("h02", 100),
    ]


def test_postings_concern_the_pods_whose_accounts_they_are_on(history: History) -> None:
    kernel = traded(history)
    kernel.advance(Instant(MIDNIGHT + WEEK))
    everybody = history.find(Want("postings", limit=500)).rows
    first = history.find(Want("postings", pods=frozenset({"h01"}), limit=500)).rows
    assert first == [
        row
        for row in everybody
        if "h01" in {str(row["debit"]).split("/")[0], str(row["credit"]).split("/")[0]}
    ]
    kinds = {row["kind"] for row in first}
    assert {"import", "trade", "network", "levy"} <= kinds
    assert "export" not in kinds


def test_statements_and_published_prices_are_told(history: History) -> None:
    kernel = traded(history)
    kernel.submit(
        c.PublishPrices(
            publisher=PartyId("supplier"),
            tariff=a_town()[4].tariff.tariff,  # type: ignore[union-attr]  # it defines the tariff
            start=Instant(MIDNIGHT + DAY),
            energy=(150_000, 160_000),
        )
    )
    kernel.advance(Instant(MIDNIGHT + WEEK))
    kernel.submit(c.IssueStatements(month="2013-06"))
    lines = history.find(Want("statements", pods=frozenset({"h01"}), newest_first=False)).rows
    assert [row["component"] for row in lines][::11] == ["opening", "closing"]
    assert {row["month"] for row in lines} == {"2013-06"}
    assert {(row["from"], row["to"]) for row in lines} == {(MIDNIGHT, MIDNIGHT + 2 * ISP_US)}
    prices = history.find(Want("retail_prices", newest_first=False)).rows
    assert [row["energy_nano_per_wh"] for row in prices] == [150_000, 160_000]
