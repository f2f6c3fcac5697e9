"""Laws of agents: nobody trades at a loss, and a battery is never planned beyond what it is."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import MIDNIGHT, a_product
from wattbay.agents.agent import Ahead, Charge, Desk, Outcome, Sight
from wattbay.agents.battery import BatteryProsumer, Store, plan
from wattbay.agents.quantity import LEVELS, Alternatives, quantile, share_to_buy, share_to_sell
from wattbay.agents.strategies import strategy
from wattbay.core.commands import PlaceOrder
from wattbay.core.facts import Side
from wattbay.ids import PodId
from wattbay.periods import HOUR, Instant

PRODUCT = a_product()
WITHOUT = Alternatives(buy=92_750, sell=46_400, fees=42_750, pool=58_200)
NAMES = ("truthful", "zero_intelligence", "adaptive")

prices = st.integers(-50_000, 50_000).map(lambda ticks: 10 * ticks)
auctions = st.lists(st.none() | prices, max_size=12)
energies = st.floats(-3_000, 3_000)
stores = st.builds(
    Store,
    capacity_wh=st.floats(2_000, 15_000),
    reserve_wh=st.floats(0, 2_000),
    energy_max_wh=st.floats(100, 4_000),
    efficiency=st.floats(0.5, 1.0),
    wear_nano_per_wh=st.integers(0, 30_000),
)
outlooks = st.lists(st.tuples(energies, st.none() | st.floats(0, 200_000)), min_size=1, max_size=50)


@given(st.sampled_from(NAMES), prices, auctions, st.integers(0, 1_000))
def test_nobody_trades_at_a_loss(
    name: str, valuation: int, seen: list[int | None], seed: int
) -> None:
    trader = strategy(name, PRODUCT, Random(seed))
    for price in [*seen, None]:
        bid, offer = trader.limit(Side.BUY, valuation), trader.limit(Side.SELL, valuation)
        assert PRODUCT.price_min <= bid <= valuation <= offer <= PRODUCT.price_max
        assert bid % PRODUCT.price_tick == offer % PRODUCT.price_tick == 0
        trader.learn(price)


@given(stores, st.floats(0, 1), st.floats(0, 1), outlooks)
def test_plan_is_within_what_the_battery_can_do(
    store: Store, filled: float, solar: float, outlook: list[tuple[float, float | None]]
) -> None:
    soc_wh = filled * store.capacity_wh
    solar_wh = solar * soc_wh
    ahead = Ahead([net for net, _ in outlook], [price for _, price in outlook])
    chosen = plan(store, soc_wh, solar_wh, ahead, WITHOUT)
    assert min(chosen.charge_wh, chosen.discharge_wh, chosen.buy_wh, chosen.sell_wh) >= 0
    taken, given_ = chosen.charge_wh + chosen.buy_wh, chosen.discharge_wh + chosen.sell_wh
    assert taken == 0 or given_ == 0
    assert max(taken, given_) <= store.energy_max_wh + 1e-6
    assert soc_wh + taken <= max(store.capacity_wh, soc_wh) + 1e-6
    assert soc_wh - given_ / store.efficiency >= min(store.reserve_wh, soc_wh) - 1e-6
    assert chosen.sell_wh / store.efficiency <= solar_wh + 1e-6
    assert chosen.charge_wh <= max(ahead.net_wh[0], 0)
    assert chosen.discharge_wh <= max(-ahead.net_wh[0], 0)
    assert chosen.bounds.give_wh == chosen.sell_wh
    low, high = sorted((chosen.bounds.fill_wh, chosen.bounds.keep_wh))
    assert store.reserve_wh <= low <= high <= store.capacity_wh + 1e-6


@given(stores, st.lists(st.tuples(outlooks, st.none() | prices, st.integers(-3_000, 3_000))))
def test_orders_can_be_placed_whatever_happened_before(
    store: Store, days: list[tuple[list[tuple[float, float | None]], int | None, int]]
) -> None:
    desk = Desk(
        PodId("h01"),
        PRODUCT,
        strategy("adaptive", PRODUCT, Random(1)),
        WITHOUT,
        buy_limit=90_000,
        sell_limit=50_000,
    )
    agent = BatteryProsumer(desk, store, WITHOUT)
    for place, (outlook, price, position) in enumerate(days):
        delivery = Instant(MIDNIGHT + place * HOUR)
        ahead = Ahead([net for net, _ in outlook], [price for _, price in outlook])
        charge = Charge(Instant(delivery - 2 * HOUR), store.capacity_wh / 2, 0)
        nets = [ahead.net_wh[0] + 500 * (level - 0.5) for level in LEVELS]
        orders = agent.act(Sight(delivery, delivery, nets, ahead.price[0], ahead, charge))
        for order in orders:
            assert isinstance(order, PlaceOrder)
            assert 0 < order.quantity_wh <= PRODUCT.quantity_max_wh
            assert order.limit is not None
            assert PRODUCT.price_min <= order.limit <= PRODUCT.price_max
        sides = {order.side for order in orders if isinstance(order, PlaceOrder)}
        assert len(sides) <= 1
        agent.learn(Outcome(delivery, price, position))


@given(st.floats(-100_000, 200_000), st.floats(-100_000, 200_000))
def test_nobody_orders_more_at_a_worse_price(price: float, other: float) -> None:
    low, high = sorted((price, other))
    assert 0.5 >= share_to_buy(low, WITHOUT) >= share_to_buy(high, WITHOUT) >= 0
    assert 0 <= share_to_sell(low, WITHOUT) <= share_to_sell(high, WITHOUT) <= 0.5


@given(st.lists(energies, min_size=9, max_size=9).map(sorted), st.floats(0, 1), st.floats(0, 1))
def test_quantiles_rise_with_their_level(values: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert values[0] <= quantile(values, low) <= quantile(values, high) + 1e-6
    assert quantile(values, high) <= values[-1] + 1e-6
