"""Homes without a battery, and where orders are written."""

from msgspec.structs import replace

from tests.builders import MIDNIGHT, a_product, an_order
from wattbay.agents.agent import Desk, Outcome, Sight
from wattbay.agents.prosumer import Prosumer
from wattbay.agents.quantity import LEVELS, Alternatives
from wattbay.agents.strategies import Allowed, Truthful
from wattbay.core.facts import Product, Side
from wattbay.ids import PodId
from wattbay.periods import HOUR, Instant

WITHOUT = Alternatives(buy=92_000, sell=46_000, fees=42_750, pool=58_000)


def a_desk(product: Product | None = None, *, buy_limit: int = 91_000) -> Desk:
    product = a_product() if product is None else product
    truthful = Truthful(Allowed.of(product))
    return Desk(PodId("h01"), product, truthful, WITHOUT, buy_limit=buy_limit, sell_limit=50_000)


def sure(net_wh: float) -> list[float]:
    """A forecast that leaves no doubt."""
    return [net_wh] * len(LEVELS)


def spread(middle_wh: float) -> list[float]:
    """A forecast whose quantiles lie 10 Wh a tenth apart."""
    return [middle_wh + 100 * (level - 0.5) for level in LEVELS]


def a_sight(net_wh: list[float], price: float | None = 60_000) -> Sight:
    return Sight(Instant(MIDNIGHT - 2 * HOUR), MIDNIGHT, net_wh, price)


def test_home_that_expects_a_surplus_offers_it() -> None:
    agent = Prosumer(a_desk())
    order = an_order(side=Side.SELL, quantity_wh=312, limit=50_000)
    assert agent.act(a_sight(sure(312.4))) == [order]


def test_home_that_lacks_energy_bids_for_it() -> None:
    agent = Prosumer(a_desk())
    assert agent.act(a_sight(sure(-99.6))) == [an_order(quantity_wh=100, limit=91_000)]


def test_less_than_half_a_watt_hour_is_no_order() -> None:
    agent = Prosumer(a_desk())
    assert agent.act(a_sight(sure(0.4))) == agent.act(a_sight(sure(-0.4))) == []
    assert agent.act(a_sight(sure(0.0))) == []
    agent.learn(Outcome(MIDNIGHT, None, 0))


def test_dearer_energy_is_bought_in_a_quantity_that_is_surer_to_be_used() -> None:
    agent = Prosumer(a_desk())
    # Even odds at 75,000, the middle between the pool and the alternative; then fewer.
    for price, quantity in ((60_000, 300), (75_000, 300), (81_800, 280), (88_600, 260)):
        assert agent.act(a_sight(spread(-300), price)) == [
            an_order(quantity_wh=quantity, limit=91_000)
        ]


def test_nothing_is_bought_where_the_supplier_is_as_cheap() -> None:
    agent = Prosumer(a_desk(buy_limit=96_000))
    assert agent.act(a_sight(spread(-300), 92_000)) == []
    assert agent.act(a_sight(spread(-300), 95_000)) == []


def test_cheaper_sales_are_of_a_quantity_that_is_surer_to_be_there() -> None:
    agent = Prosumer(a_desk())
    # Even odds at 52,000, the middle between the export price and the pool.
    for price, quantity in ((80_000, 300), (52_000, 300), (50_000, 283)):
        assert agent.act(a_sight(spread(300), price)) == [
            an_order(side=Side.SELL, quantity_wh=quantity, limit=50_000)
        ]


def test_price_beyond_the_limit_counts_as_the_limit() -> None:
    agent = Prosumer(a_desk(buy_limit=81_800))
    for price in (81_800, 99_000, None):
        assert agent.act(a_sight(spread(-300), price)) == [an_order(quantity_wh=280, limit=81_800)]
    assert agent.act(a_sight(spread(300), 10_000)) == agent.act(a_sight(spread(300), 50_000))


def test_zero_and_negative_prices_are_prices() -> None:
    agent = Prosumer(a_desk())
    for price in (0, -5_000):
        assert agent.act(a_sight(spread(-300), price)) == [an_order(quantity_wh=300, limit=91_000)]


def test_home_on_the_edge_orders_what_is_more_likely() -> None:
    agent = Prosumer(a_desk())
    (order,) = agent.act(a_sight(spread(5)))
    assert order == an_order(side=Side.SELL, quantity_wh=5, limit=50_000)
    (order,) = agent.act(a_sight(spread(-5)))
    assert order == an_order(quantity_wh=5, limit=91_000)


def test_quantity_is_on_the_tick_and_within_what_the_product_takes() -> None:
    agent = Prosumer(a_desk(replace(a_product(), energy_tick=100, quantity_max_wh=500)))
    assert agent.act(a_sight(sure(260.0))) == [
        an_order(side=Side.SELL, quantity_wh=300, limit=50_000)
    ]
    assert agent.act(a_sight(sure(-9_999.0))) == [an_order(quantity_wh=500, limit=91_000)]


def test_nothing_is_sold_for_less_than_the_home_asks() -> None:
    assert a_desk().at_least(12.1) == 50_000
    assert a_desk().at_least(50_000.1) == 50_001
