"""What auctions came to."""

from tests.builders import ISP_US, MIDNIGHT, a_sale, an_entry, an_order
from wattbay.core.commands import CancelTrade, CloseGate, Command
from wattbay.core.events import AuctionCleared, Event, TradeCancelled, Traded
from wattbay.ids import OrderId, PartyId, PodId, ProductId, TradeId
from wattbay.kernel.codec import Entry
from wattbay.periods import DAY, HOUR, Instant
from wattbay.views.market import POSITIONS_KEPT_US, PRICES_KEPT_US, Auctions

PRODUCT = ProductId("halfhour")


def traded(
    quantity_wh: int = 300,
    *,
    buyer: str = "h01",
    seller: str = "h02",
    delivery: Instant = MIDNIGHT,
    product: str = "halfhour",
) -> Traded:
    return Traded(
        trade=TradeId(1),
        product=ProductId(product),
        delivery=delivery,
        buyer=PodId(buyer),
        seller=PodId(seller),
        buy_order=OrderId(1),
        sell_order=OrderId(2),
        quantity_wh=quantity_wh,
        buy_price=60_000,
        sell_price=60_000,
        hold_nano=0,
    )


def cleared(
    price: int | None = 60_000, *, delivery: Instant = MIDNIGHT, product: str = "halfhour"
) -> AuctionCleared:
    return AuctionCleared(
        product=ProductId(product),
        delivery=delivery,
        price=price,
        volume_wh=300,
        surplus_nano=0,
        surplus_maximum_nano=0,
    )


def gate_closed(*events: Event, delivery: Instant = MIDNIGHT) -> Entry:
    command = CloseGate(product=PRODUCT, delivery=delivery)
    return Entry(1, Instant(delivery - HOUR), command, events)


def test_prices_and_positions_are_those_of_the_last_auctions() -> None:
    auctions = Auctions(PRODUCT)
    later = Instant(MIDNIGHT + ISP_US)
    auctions.fold(gate_closed(traded(300), traded(50, buyer="h03"), cleared()))
    auctions.fold(gate_closed(cleared(None, delivery=later), delivery=later))
    assert dict(auctions.prices()) == {MIDNIGHT: 60_000, later: None}
    assert dict(auctions.positions(MIDNIGHT)) == {"h01": -300, "h02": 350, "h03": -50}
    assert dict(auctions.positions(later)) == {}


def test_cancelled_trade_counts_no_longer() -> None:
    auctions = Auctions(PRODUCT)
    auctions.fold(gate_closed(traded(300), cleared()))
    command: Command = CancelTrade(
        operator=PartyId("dso"), delivery=MIDNIGHT, trade=TradeId(1), reason="overload"
    )
    undone = TradeCancelled(traded=traded(300), reason="overload")
    auctions.fold(Entry(2, Instant(MIDNIGHT - HOUR), command, (undone,)))
    assert dict(auctions.positions(MIDNIGHT)) == {"h01": 0, "h02": 0}


def test_other_products_and_other_commands_are_left_alone() -> None:
    auctions = Auctions(PRODUCT)
    auctions.fold(gate_closed(traded(product="hour"), cleared(product="hour")))
    auctions.fold(an_entry(command=an_order()))
    assert dict(auctions.prices()) == {}
    assert dict(auctions.positions(MIDNIGHT)) == {}


def test_what_is_past_is_forgotten() -> None:
    auctions = Auctions(PRODUCT)
    auctions.fold(gate_closed(traded(), cleared()))
    later = Instant(MIDNIGHT + POSITIONS_KEPT_US + 2 * HOUR)
    auctions.fold(gate_closed(traded(delivery=later), cleared(delivery=later), delivery=later))
    assert dict(auctions.positions(MIDNIGHT)) == {}
    assert set(auctions.prices()) == {MIDNIGHT, later}
    latest = Instant(MIDNIGHT + PRICES_KEPT_US + DAY)
    auctions.fold(gate_closed(cleared(delivery=latest), delivery=latest))
    assert set(auctions.prices()) == {later, latest}


def test_sale_that_was_agreed_elsewhere_counts_in_each_delivery() -> None:
    auctions = Auctions(PRODUCT)
    later = Instant(MIDNIGHT + ISP_US)
    sold = (traded(300), traded(50, delivery=later))
    auctions.fold(Entry(1, MIDNIGHT, a_sale(300, 50, seller="h02", buyer="h01"), sold))
    assert dict(auctions.positions(MIDNIGHT)) == {"h01": -300, "h02": 300}
    assert dict(auctions.positions(later)) == {"h01": -50, "h02": 50}
