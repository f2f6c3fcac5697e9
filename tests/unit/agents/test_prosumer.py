"""Homes without a battery, and where orders are written."""

from msgspec.structs import replace

from tests.builders import MIDNIGHT, a_product, an_order
from wattbay.agents.agent import Desk, Outcome, Sight
from wattbay.agents.prosumer import Prosumer
from wattbay.agents.strategies import Allowed, Truthful
from wattbay.core.facts import Product, Side
from wattbay.ids import PodId
from wattbay.periods import HOUR, Instant


def a_desk(product: Product | None = None) -> Desk:
    product = a_product() if product is None else product
    return Desk(
        PodId("h01"), product, Truthful(Allowed.of(product)), buy_limit=92_750, sell_limit=46_400
    )


def a_sight(net_wh: float) -> Sight:
    return Sight(Instant(MIDNIGHT - 2 * HOUR), MIDNIGHT, net_wh)


def test_home_that_expects_a_surplus_offers_it() -> None:
    agent = Prosumer(a_desk())
    assert agent.act(a_sight(312.4)) == [an_order(side=Side.SELL, quantity_wh=312, limit=46_400)]


def test_home_that_lacks_energy_bids_for_it() -> None:
    agent = Prosumer(a_desk())
    assert agent.act(a_sight(-99.6)) == [an_order(side=Side.BUY, quantity_wh=100, limit=92_750)]


def test_less_than_half_a_watt_hour_is_no_order() -> None:
    agent = Prosumer(a_desk())
    assert agent.act(a_sight(0.4)) == agent.act(a_sight(-0.4)) == agent.act(a_sight(0.0)) == []
    agent.learn(Outcome(MIDNIGHT, None, 0))


def test_quantity_is_on_the_tick_and_within_what_the_product_takes() -> None:
    desk = a_desk(replace(a_product(), energy_tick=100, quantity_max_wh=500))
    assert desk.orders(MIDNIGHT, 260.0) == [an_order(side=Side.SELL, quantity_wh=300, limit=46_400)]
    assert desk.orders(MIDNIGHT, -9_999.0) == [
        an_order(side=Side.BUY, quantity_wh=500, limit=92_750)
    ]


def test_nothing_is_sold_for_less_than_the_home_asks() -> None:
    assert a_desk().at_least(12.1) == 46_400
    assert a_desk().at_least(50_000.1) == 50_001
