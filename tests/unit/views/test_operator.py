"""What the market operator sees: orders that stand, and energy that is known."""

from __future__ import annotations

from msgspec import structs

from tests.builders import ISP_US, MIDNIGHT, an_order
from tests.play import Play
from tests.submitting import (
    GATE,
    PRODUCT,
    a_community_product,
    a_market,
    a_submitted_product,
    metered,
)
from wattbay.agents.operator import MarketOperator, RuleTerms
from wattbay.core import commands as c
from wattbay.core.facts import Product, Side
from wattbay.core.terms import Block, OrderTerms
from wattbay.ids import OrderId, PartyId, PodId, TariffId
from wattbay.periods import HOUR, Instant
from wattbay.views.operator import OperatorDesk
from wattbay.views.tables import Row, Tables

NEXT = Instant(MIDNIGHT + ISP_US)


def seen(play: Play) -> OperatorDesk:
    """Return what the operator sees of everything so far."""
    desk = OperatorDesk(PRODUCT)
    for entry in play.entries:
        desk.fold(entry)
    return desk


def test_orders_stand_by_place_in_time_and_those_that_wait_do_not() -> None:
    market = a_market(a_submitted_product())
    for quantity in (100, 200, 300, 400):
        market.do(an_order("h01", quantity_wh=quantity))
    waits = OrderTerms(valid_from=Instant(MIDNIGHT - 2 * HOUR))
    market.do(structs.replace(an_order("h02"), terms=waits))
    pod = PodId("h01")
    market.do(c.AmendOrder(order=OrderId(1), pod=pod, quantity_wh=150, limit=120_000))
    market.do(c.AmendOrder(order=OrderId(2), pod=pod, quantity_wh=50, limit=120_000))
    market.do(c.CancelOrder(order=OrderId(3), pod=pod))
    told = [(one.order, one.quantity_wh, one.party) for one in seen(market).orders(MIDNIGHT)]
    assert told == [(2, 50, "p01"), (4, 400, "p01"), (1, 150, "p01")]
    market.until(MIDNIGHT - 2 * HOUR)
    assert [one.order for one in seen(market).orders(MIDNIGHT)] == [2, 4, 1, 5]
    market.until(GATE)
    dso = PartyId("dso")
    market.do(c.CurtailOrder(operator=dso, order=OrderId(4), quantity_wh=10, reason="fuse"))
    market.do(c.CurtailOrder(operator=dso, order=OrderId(2), quantity_wh=0, reason="fuse"))
    told = [(one.order, one.quantity_wh, one.party) for one in seen(market).orders(MIDNIGHT)]
    assert told == [(4, 10, "p01"), (1, 150, "p01"), (5, 250, "p02")]
    market.until(MIDNIGHT)
    assert seen(market).orders(MIDNIGHT) == []


def test_other_products_are_not_seen() -> None:
    market = a_market(a_submitted_product())
    market.do(an_order("h01"))
    other = OperatorDesk(structs.replace(a_submitted_product(), product="other").product)
    for entry in market.entries:
        other.fold(entry)
    assert other.orders(MIDNIGHT) == []
    assert other.day(MIDNIGHT) == {}


def test_energy_is_seen_with_the_tariff_as_it_holds_until_it_is_settled() -> None:
    community = a_market(a_community_product())
    community.do(
        c.PublishPrices(
            publisher=PartyId("operator"),
            tariff=TariffId("flat"),
            start=MIDNIGHT,
            energy=(150_000,),
        )
    )
    metered(community, [(400, 0), (0, 300)])
    desk = seen(community)
    assert [
        (one.facts.pod, one.tariff.energy, one.import_wh, one.export_wh)
        for one in desk.metered(MIDNIGHT)
    ] == [("h01", 150_000, 400, 0), ("h02", 150_000, 0, 300)]
    community.settle(MIDNIGHT, "first")
    assert seen(community).metered(MIDNIGHT) == []


def a_day(product: Product) -> Play:
    """Return a day on which h02 offers a block and h01 buys in both of its deliveries."""
    market = a_market(product)
    block = OrderTerms(block=Block(profile=(100, 50)))
    offer = an_order("h02", side=Side.SELL, quantity_wh=150, limit=60_000)
    market.do(structs.replace(offer, terms=block))
    market.do(structs.replace(offer, terms=block, limit=90_000))
    market.do(an_order("h01", quantity_wh=100, limit=100_000))
    market.do(an_order("h01", quantity_wh=80, limit=80_000, delivery=NEXT))
    return market


def test_a_block_stands_with_its_first_delivery_and_fills_in_all() -> None:
    market = a_day(a_submitted_product("block"))
    market.do(c.CancelOrder(order=OrderId(2), pod=PodId("h02")))
    market.until(GATE)
    desk = seen(market)
    day = desk.day(MIDNIGHT)
    assert [(start, [one.order for one in standing]) for start, standing in day.items()] == [
        (MIDNIGHT, [1, 3]),
        (NEXT, [4]),
    ]
    operator = MarketOperator(PartyId("operator"), desk.product, RuleTerms())
    for command in operator.clear_day(day):
        market.do(command)
    assert seen(market).day(MIDNIGHT) == {}
    tables = Tables()
    for entry in market.entries:
        tables.fold(entry)
    rows = tables.take()["orders"]
    assert [_told(row) for row in rows] == [
        ("h02", "block", "cancelled", 0),
        ("h02", "block", "filled", 150),
        ("h01", "limit", "filled", 100),
        ("h01", "limit", "partly_filled", 50),
    ]


def _told(row: Row) -> tuple[object, ...]:
    return row[3], row[7], row[8], row[9]
