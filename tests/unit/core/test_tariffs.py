"""Prices published delivery by delivery: who may, when, and what goes by them."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import structs

from tests.builders import (
    EVE,
    ISP_US,
    MIDNIGHT,
    a_meter,
    a_party,
    a_product,
    a_tariff,
    a_town,
    an_order,
    pod_facts,
)
from tests.play import Play, of, reason, receipts, with_runs
from wattbay.core import commands as c
from wattbay.core import tariffs
from wattbay.core.events import (
    DeliveryCorrected,
    OrderPlaced,
    PeriodSettled,
    PricesPublished,
    ReceiptIssued,
    Traded,
)
from wattbay.core.exchange import Exchange, State
from wattbay.core.facts import LocalFee, Product, Receipt, Role, Side, Tariff
from wattbay.core.reasons import Reason
from wattbay.core.registry import EVERYWHERE, Registry, pool_price, tariff_at
from wattbay.core.settlement import archive
from wattbay.ids import PartyId, PodId, ProductId, TariffId, ZoneId
from wattbay.periods import DAY, HOUR, Instant

FLAT, NORTH, SOUTH = TariffId("flat"), ZoneId("z1"), ZoneId("z2")
SUPPLIER, MDR = PartyId("supplier"), PartyId("mdr")
GATE = Instant(MIDNIGHT - HOUR)
SECOND = Instant(MIDNIGHT + ISP_US)
TARIFF = structs.replace(
    a_tariff(),
    network_local=(LocalFee(from_zone=NORTH, to_zone=NORTH, nano_per_wh=10_000),),
)


def a_street(product: Product | None = None) -> Play:
    """Return h01 and h02 in the north, h03 in the south, with two deliveries."""
    commands = with_runs(a_town(2, product=product, deliveries=2), initial=ISP_US, final=3 * ISP_US)
    south = c.RegisterPod(facts=pod_facts("h03", party="p03", zone="z2"), meter=a_meter("m-h03"))
    instead: list[c.Command] = []
    for command in commands:
        match command:
            case c.DefineTariff():
                instead.append(c.DefineTariff(tariff=TARIFF))
            case c.DefineProduct():
                instead += [c.RegisterParty(party=a_party("p03")), south, command]
            case _:
                instead.append(command)
    street = Play(instead)
    street.do(c.RegisterParty(party=a_party(MDR, roles=(Role.METERED_DATA_RESPONSIBLE,))))
    return street


def prices(
    *,
    energy: tuple[int, ...] = (),
    export: tuple[int, ...] = (),
    levy: tuple[int, ...] = (),
    network: tuple[int, ...] = (),
    start: int = MIDNIGHT,
    tariff: str = "flat",
    publisher: str = "supplier",
    zone: str | None = None,
) -> c.PublishPrices:
    return c.PublishPrices(
        publisher=PartyId(publisher),
        tariff=TariffId(tariff),
        start=Instant(start),
        energy=energy,
        export=export,
        levy=levy,
        network=network,
        zone=None if zone is None else ZoneId(zone),
    )


def read_all(street: Play, **import_wh: int) -> None:
    """Let pods draw in each of the two deliveries; h02 injects 100 Wh."""
    for start in (MIDNIGHT, SECOND, SECOND + ISP_US):
        times = (start - MIDNIGHT) // ISP_US
        for pod in ("h01", "h02", "h03"):
            injected = 100 * times if pod == "h02" else 0
            street.read(f"m-{pod}", start, times * import_wh.get(pod, 0), injected)


def settled(street: Play, delivery: int = MIDNIGHT) -> dict[str, Receipt]:
    """Let both deliveries be settled; return the receipts of one."""
    street.until(max(street.at, SECOND + 2 * ISP_US))
    issued = of(ReceiptIssued, street.history)
    return receipts(one for one in issued if one.receipt.delivery == delivery)


# --- who may publish what, when --------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (prices(energy=(1,), publisher="p01"), Reason.NOT_ALLOWED),
        (prices(energy=(1,), publisher="nobody"), Reason.NOT_ALLOWED),
        (prices(energy=(1,), tariff="none"), Reason.UNKNOWN_TARIFF),
        (prices(energy=(1,), zone="a/b"), Reason.BAD_ID),
        (prices(energy=(1,), zone=""), Reason.BAD_ID),
        (prices(), Reason.BAD_VALUE),
        (prices(energy=(1, 2), export=(1,)), Reason.BAD_VALUE),
        (prices(energy=(1,) * 1_441), Reason.BAD_VALUE),
        (prices(energy=(1,), start=MIDNIGHT + 1), Reason.BAD_VALUE),
        (prices(energy=(1,), start=EVE), Reason.NOT_IN_SEQUENCE),
        (prices(energy=(tariffs.PRICE_MOST + 1,)), Reason.OUT_OF_RANGE),
        (prices(export=(-tariffs.PRICE_MOST - 1,)), Reason.OUT_OF_RANGE),
    ],
)
def test_prices_that_cannot_be_are_refused(command: c.PublishPrices, why: Reason) -> None:
    street = a_street()
    assert reason(street.submit(command)) is why
    assert not street.exchange.state.registry.prices


def test_prices_of_a_delivery_that_has_begun_are_refused() -> None:
    street = a_street()
    assert reason(street.submit(prices(energy=(1,)), MIDNIGHT)) is Reason.NOT_IN_SEQUENCE
    assert reason(street.submit(prices(energy=(1,), start=SECOND))) is None


def test_supplier_does_not_publish_prices_of_pods_that_another_supplies() -> None:
    street = a_street()
    street.do(c.RegisterParty(party=a_party("rival", roles=(Role.SUPPLIER,))))
    rivals = structs.replace(prices(energy=(1,)), publisher=PartyId("rival"))
    assert reason(street.submit(rivals)) is Reason.NOT_ALLOWED
    street.do(c.DefineTariff(tariff=a_tariff("unused")))
    street.do(structs.replace(rivals, tariff=TariffId("unused")))
    assert reason(street.submit(prices(energy=(1,)))) is None


def test_market_operator_may_publish_and_what_is_published_is_told() -> None:
    street = a_street()
    street.do(c.RegisterParty(party=a_party("mo", roles=(Role.MARKET_OPERATOR,))))
    (event,) = of(
        PricesPublished, street.do(prices(energy=(1, -2), network=(3, 4), publisher="mo"))
    )
    assert (event.energy, event.network, event.export, event.zone) == ((1, -2), (3, 4), (), None)


@pytest.mark.parametrize(
    ("first", "then"), [(None, None), ("z1", "z1"), (None, "z1"), ("z1", None)]
)
def test_published_prices_never_change(first: str | None, then: str | None) -> None:
    street = a_street()
    street.do(prices(energy=(1, 2), zone=first))
    again = prices(export=(1,), start=SECOND, zone=then)
    assert reason(street.submit(again)) is Reason.ALREADY_KNOWN


def test_another_zone_and_a_later_delivery_may_follow() -> None:
    street = a_street()
    street.do(prices(energy=(1, 2), zone="z1"))
    street.do(prices(energy=(3, 4), zone="z2"))
    street.do(prices(energy=(5,), start=SECOND + ISP_US))
    assert street.exchange.state.registry.priced == 5


def test_prices_may_come_before_their_deliveries_are_listed() -> None:
    street = a_street()
    street.do(prices(energy=(1,) * 48, start=MIDNIGHT + DAY))
    assert len(street.exchange.state.registry.prices) == 48


# --- what holds in a delivery ----------------------------------------------------------------


def held(registry: Registry, delivery: int, zone: str = "z1") -> Tariff:
    return tariff_at(registry, pod_facts(zone=zone), Instant(delivery))


def test_component_without_published_price_keeps_that_of_the_tariff() -> None:
    street = a_street()
    street.do(prices(energy=(-5_000,)))
    registry = street.exchange.state.registry
    assert held(registry, MIDNIGHT) == structs.replace(TARIFF, energy=-5_000)
    assert held(registry, SECOND) is registry.tariffs[FLAT]


def test_network_adder_falls_on_regional_and_local_fees_alike() -> None:
    street = a_street()
    street.do(prices(network=(7_000,), levy=(0,), export=(-1,)))
    found = held(street.exchange.state.registry, MIDNIGHT)
    assert (found.network_regional, found.levy, found.export) == (37_000, 0, -1)
    assert [fee.nano_per_wh for fee in found.network_local] == [17_000]


def test_prices_of_one_zone_leave_the_other_alone() -> None:
    street = a_street()
    street.do(prices(energy=(1,), zone="z1"))
    registry = street.exchange.state.registry
    assert held(registry, MIDNIGHT).energy == 1
    assert held(registry, MIDNIGHT, "z2") is registry.tariffs[FLAT]


# --- settlement, pool and holds go by it -----------------------------------------------------


def test_receipts_are_written_at_the_prices_of_their_delivery() -> None:
    street = a_street(structs.replace(a_product(), pool_price=60_000))
    street.do(prices(energy=(-20_000, 300_000), export=(50_000, 0), levy=(0, 5_000)))
    read_all(street, h01=400, h03=0)
    first, second = settled(street)["h01"], settled(street, SECOND)["h01"]
    # 100 Wh from the pool at 60,000; the rest from the supplier.
    assert (first.pool_nano, first.supplier_nano) == (6_000_000, 300 * -20_000)
    assert (first.network_nano, first.levy_nano) == (400 * 30_000, 0)
    assert first.same_meters_nano == 400 * (-20_000 + 30_000 + 0)
    assert (second.supplier_nano, second.levy_nano) == (300 * 300_000, 400 * 5_000)


def test_local_fee_of_a_strained_zone_differs_from_that_of_another() -> None:
    product = structs.replace(a_product(), pool_price=60_000)
    street = a_street(product)
    street.do(prices(network=(20_000,), zone="z1"))
    street.do(an_order("h01", quantity_wh=60))
    street.do(an_order("h02", side=Side.SELL, quantity_wh=60, limit=100_000))
    read_all(street, h01=100, h03=100)
    found = settled(street)
    assert found["h01"].network_nano == 60 * (10_000 + 20_000) + 40 * (30_000 + 20_000)
    assert found["h03"].network_nano == 100 * 30_000


def test_pool_price_is_the_middle_of_the_prices_that_hold_then() -> None:
    street = a_street()
    street.do(prices(energy=(10_000, 400_000), export=(50_000, 30_000)))
    street.do(prices(energy=(20_000,), zone="z1", start=SECOND + ISP_US))
    registry, product = street.exchange.state.registry, a_product()
    found = [pool_price(registry, product, Instant(MIDNIGHT + i * ISP_US)) for i in range(4)]
    # Then 20,000 in the north and 40,000 in exports of the south; at last both flat.
    assert found == [30_000, 215_000, 30_000, 90_000]
    settled(street)
    assert [one.pool_price for one in of(PeriodSettled, street.history)] == [30_000, 215_000]


def test_seller_holds_what_being_short_costs_in_the_delivery() -> None:
    street = a_street()
    street.do(prices(energy=(400_000, 1_000)))
    sell = an_order("h02", side=Side.SELL, quantity_wh=100, limit=90_000)
    (dear,) = of(OrderPlaced, street.do(sell))
    (cheap,) = of(OrderPlaced, street.do(structs.replace(sell, delivery=SECOND)))
    assert (dear.hold_nano, cheap.hold_nano) == (100 * 310_000, 0)
    street.do(an_order("h01", quantity_wh=100))
    (traded,) = of(Traded, street.clear(MIDNIGHT))
    assert traded.hold_nano == 100 * 400_000


def test_correction_of_a_final_delivery_uses_the_prices_of_then() -> None:
    street = a_street(structs.replace(a_product(), pool_price=60_000))
    street.do(prices(energy=(-20_000,)))
    read_all(street, h01=400)
    street.until(MIDNIGHT + DAY)
    events = street.do(a_correction(street, 500))
    (corrected,) = (one for one in of(ReceiptIssued, events) if one.receipt.pod == "h01")
    assert corrected.receipt.supplier_nano == 400 * -20_000
    assert of(DeliveryCorrected, events)
    assert sum(street.exchange.state.ledger.money.values()) == 0


def a_correction(street: Play, import_wh: int) -> c.CorrectDelivery:
    last = {
        event.receipt.pod: event.receipt
        for event in of(ReceiptIssued, street.history)
        if event.receipt.delivery == MIDNIGHT
    }
    return c.CorrectDelivery(
        responsible=MDR,
        record=archive(MIDNIGHT, [ProductId("halfhour")], last.values(), []),
        pod=PodId("h01"),
        import_wh=import_wh,
        export_wh=0,
        reason="read by hand",
    )


# --- bounds ----------------------------------------------------------------------------------


def test_oldest_prices_are_forgotten_and_their_deliveries_not_corrected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tariffs, "PRICES_MAX", 3)
    street = a_street()
    street.do(prices(energy=(1, 2)))
    read_all(street, h01=400)
    street.until(MIDNIGHT + DAY)
    street.do(prices(energy=(3, 4), start=MIDNIGHT + 2 * DAY))
    registry = street.exchange.state.registry
    assert list(registry.prices) == [SECOND, MIDNIGHT + 2 * DAY, MIDNIGHT + 2 * DAY + ISP_US]
    assert (registry.priced, registry.prices_since) == (3, SECOND)
    assert reason(street.submit(a_correction(street, 500))) is Reason.UNKNOWN_DELIVERY


def test_prices_of_what_is_not_over_are_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tariffs, "PRICES_MAX", 3)
    street = a_street()
    street.do(prices(energy=(1, 2)))
    more = prices(energy=(3, 4), start=MIDNIGHT + DAY)
    assert reason(street.submit(more)) is Reason.TOO_MANY
    assert reason(street.submit(more, SECOND)) is Reason.TOO_MANY  # The first is not settled yet.


def test_snapshot_bears_published_prices() -> None:
    street = a_street()
    street.do(prices(energy=(1, 2), zone="z1"))
    street.do(prices(levy=(1,), start=MIDNIGHT + DAY))
    state = street.exchange.state
    again = Exchange(msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=State)).state
    assert again.registry == state.registry
    assert EVERYWHERE in again.registry.prices[Instant(MIDNIGHT + DAY)][FLAT]
