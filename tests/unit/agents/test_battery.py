"""Homes with a battery: what they plan, and what they order."""

import pytest

from tests.builders import ISP_US, MIDNIGHT, a_product, an_order
from wattbay.agents.agent import Ahead, Charge, Desk, Outcome, Sight
from wattbay.agents.battery import (
    LIKELY,
    SELDOM,
    BatteryProsumer,
    Bounds,
    Plan,
    Store,
    bounds_of,
    plan,
)
from wattbay.agents.quantity import LEVELS, Alternatives
from wattbay.agents.strategies import Allowed, Truthful
from wattbay.core.facts import Side
from wattbay.ids import PodId
from wattbay.periods import HOUR, Instant

STORE = Store(
    capacity_wh=5_000,
    reserve_wh=500,
    energy_max_wh=1_000,
    efficiency=0.8,
    wear_nano_per_wh=5_000,
)
WITHOUT = Alternatives(buy=92_750, sell=46_400, fees=42_750, pool=58_200)
NIGHT = [-200.0] * 10
DAYTIME = [900.0] * 10


def an_outlook(*net_wh: float, price: float | None = None) -> Ahead:
    return Ahead(list(net_wh), [price] * len(net_wh))


def a_plan(ahead: Ahead, *, soc_wh: float = 2_500, solar_wh: float = 2_500) -> Plan:
    return plan(STORE, soc_wh, solar_wh, ahead, WITHOUT)


def test_own_surplus_is_stored_first() -> None:
    chosen = a_plan(an_outlook(700, *NIGHT, price=90_000))
    assert (chosen.charge_wh, chosen.discharge_wh) == (700, 0)
    assert (chosen.buy_wh, chosen.sell_wh) == (0, 0)


def test_no_more_is_stored_than_power_and_room_allow() -> None:
    assert a_plan(an_outlook(1_700, *NIGHT)).charge_wh == 1_000
    assert a_plan(an_outlook(700, *NIGHT), soc_wh=4_900).charge_wh == 100


def test_own_demand_is_served_first() -> None:
    assert a_plan(an_outlook(-300, *NIGHT)).discharge_wh == 300
    assert a_plan(an_outlook(-1_300, *NIGHT)).discharge_wh == 1_000


def test_reserve_is_not_planned_with() -> None:
    assert a_plan(an_outlook(-300, *NIGHT), soc_wh=600).discharge_wh == pytest.approx(80)
    assert a_plan(an_outlook(-300, *NIGHT), soc_wh=400).discharge_wh == 0


def test_charge_that_the_next_sun_would_find_in_its_way_is_sold_dear() -> None:
    night = Ahead([-100.0, -50.0, *DAYTIME], [90_000, 80_000, *[50_000] * 10])
    chosen = a_plan(night, soc_wh=4_500, solar_wh=4_500)
    assert chosen.discharge_wh == 100
    assert chosen.sell_wh == 900  # what power is left
    kept = SELDOM * 0.8 * (80_000 + 42_750 - 5_000) + (1 - SELDOM) * 50_000
    assert chosen.sell_worth == pytest.approx(kept / 0.8 + 5_000)
    assert chosen.bounds.give_wh == 900


def test_charge_is_offered_where_no_price_is_known_at_what_it_is_worth() -> None:
    night = Ahead([-100.0, -50.0, *DAYTIME], [None, None, *[50_000] * 10])
    chosen = a_plan(night, soc_wh=4_500, solar_wh=4_500)
    kept = SELDOM * 0.8 * (92_750 + 42_750 - 5_000) + (1 - SELDOM) * 50_000
    assert chosen.sell_wh == 900
    assert chosen.sell_worth == pytest.approx(kept / 0.8 + 5_000)


def test_nothing_is_sold_from_the_store_below_what_it_is_worth() -> None:
    night = Ahead([-100.0, -50.0, *DAYTIME], [67_500, 60_000, *[50_000] * 10])
    assert a_plan(night, soc_wh=4_500, solar_wh=4_500).sell_wh == 0


def test_sale_waits_for_the_dearest_delivery() -> None:
    night = Ahead([-100.0, -50.0, *DAYTIME], [90_000, 95_000, *[50_000] * 10])
    assert a_plan(night, soc_wh=4_500, solar_wh=4_500).sell_wh == 0


def test_bought_energy_is_never_sold() -> None:
    night = Ahead([-100.0, -50.0, *DAYTIME], [90_000, 80_000, *[50_000] * 10])
    assert a_plan(night, soc_wh=4_500, solar_wh=100).sell_wh == pytest.approx(80)
    assert a_plan(night, soc_wh=4_500, solar_wh=0).sell_wh == 0


def test_what_will_be_missing_is_bought_when_cheapest() -> None:
    evening = Ahead([-100.0, *[-400.0] * 10], [50_000, *[None] * 10])
    chosen = a_plan(evening, soc_wh=600, solar_wh=0)
    assert chosen.buy_wh == 1_000
    # Nothing refills it within the hours ahead: what is not needed is worth nothing.
    assert chosen.buy_worth == pytest.approx(LIKELY * 0.8 * (92_750 + 42_750 - 5_000) - 42_750)
    assert chosen.bounds.give_wh == 0
    assert chosen.discharge_wh == 0  # better kept for later


def test_nothing_is_bought_where_losses_and_wear_eat_the_difference() -> None:
    evening = Ahead([-100.0, *[-400.0] * 10], [70_000, *[None] * 10])
    chosen = a_plan(evening, soc_wh=600, solar_wh=0)
    assert chosen.buy_wh == 0
    assert chosen.discharge_wh == pytest.approx(80)


def test_purchase_waits_for_the_cheapest_delivery() -> None:
    evening = Ahead([-100.0, *[-400.0] * 10], [50_000, 49_000, *[None] * 9])
    assert a_plan(evening, soc_wh=600, solar_wh=0).buy_wh == 0


def test_charge_is_kept_for_dearer_times_where_it_suffices_for_them() -> None:
    evening = Ahead([-900.0, *[-400.0] * 4], [50_000, *[None] * 4])
    chosen = a_plan(evening, soc_wh=2_000, solar_wh=0)
    # Likely needed: 4 x 400 / 0.8 x 0.7 = 1,400 above the reserve; 100 more are there.
    assert chosen.buy_wh == 0
    assert chosen.discharge_wh == chosen.stored_wh == pytest.approx(80)


def test_room_is_all_that_is_bought() -> None:
    evening = Ahead([-100.0, *[-900.0] * 20], [50_000, *[None] * 20])
    assert a_plan(evening, soc_wh=4_800, solar_wh=0).buy_wh == pytest.approx(200)


def test_bounds_doubt_demand_and_sun_in_opposite_directions() -> None:
    assert bounds_of(STORE, [-800.0]) == pytest.approx((500 + 1_300, 500 + 700, 0))
    assert bounds_of(STORE, [400.0, -800.0]) == pytest.approx((500 + 1_020, 500 + 180, 0))
    assert bounds_of(STORE, [-800.0] * 20) == Bounds(5_000, 5_000)
    assert bounds_of(STORE, []) == Bounds(500, 500)


def an_agent() -> BatteryProsumer:
    product = a_product()
    truthful = Truthful(Allowed.of(product))
    desk = Desk(PodId("h01"), product, truthful, WITHOUT, buy_limit=90_000, sell_limit=60_000)
    return BatteryProsumer(desk, STORE, WITHOUT)


def a_sight(
    ahead: Ahead,
    *,
    delivery: Instant = MIDNIGHT,
    soc_wh: float = 2_500,
    solar_wh: float = 2_500,
    known_until: Instant | None = None,
) -> Sight:
    known_until = Instant(delivery - 3 * ISP_US) if known_until is None else known_until
    charge = Charge(known_until, soc_wh, solar_wh)
    sure = [ahead.net_wh[0]] * len(LEVELS)
    return Sight(Instant(delivery - 2 * HOUR), delivery, sure, 70_000, ahead, charge)


def test_surplus_beyond_the_battery_is_sold() -> None:
    orders = an_agent().act(a_sight(an_outlook(1_400, *NIGHT)))
    assert orders == [an_order(side=Side.SELL, quantity_wh=400, limit=60_000)]


def test_sale_from_the_store_is_an_order_of_its_own_at_its_worth() -> None:
    night = Ahead([-100.0, -50.0, *DAYTIME], [90_000, 80_000, *[50_000] * 10])
    orders = an_agent().act(a_sight(night, soc_wh=4_500, solar_wh=4_500))
    assert orders == [an_order(side=Side.SELL, quantity_wh=900, limit=70_270)]


def test_purchase_for_the_store_is_an_order_of_its_own_at_its_worth() -> None:
    evening = Ahead([-100.0, *[-400.0] * 10], [50_000, *[None] * 10])
    orders = an_agent().act(a_sight(evening, soc_wh=600, solar_wh=0))
    assert orders == [
        an_order(quantity_wh=100, limit=90_000),
        an_order(quantity_wh=1_000, limit=56_430),
    ]


def test_home_that_sees_no_battery_trades_its_net() -> None:
    sight = Sight(Instant(MIDNIGHT - 2 * HOUR), MIDNIGHT, [1_400.0] * len(LEVELS))
    assert an_agent().act(sight) == [an_order(side=Side.SELL, quantity_wh=1_400, limit=60_000)]


def test_what_is_planned_for_open_deliveries_counts_as_done() -> None:
    agent = an_agent()
    second = Instant(MIDNIGHT + ISP_US)
    agent.act(a_sight(an_outlook(-1_000, *NIGHT)))  # 1,250 of 2,000 above the reserve
    orders = agent.act(
        a_sight(
            an_outlook(-1_000, *NIGHT), delivery=second, known_until=Instant(MIDNIGHT - 2 * ISP_US)
        )
    )
    assert orders == [an_order(quantity_wh=400, limit=90_000, delivery=second)]


def test_measured_charge_replaces_what_was_planned() -> None:
    agent = an_agent()
    second = Instant(MIDNIGHT + 4 * ISP_US)
    agent.act(a_sight(an_outlook(-1_000, *NIGHT)))
    sight = a_sight(an_outlook(-1_000, *NIGHT), delivery=second, known_until=second)
    assert agent.act(sight) == []


def test_plan_becomes_what_was_traded() -> None:
    agent = an_agent()
    second = Instant(MIDNIGHT + ISP_US)
    agent.act(a_sight(an_outlook(1_400, *NIGHT), soc_wh=4_800))  # stores 200, offers 1,200
    agent.learn(Outcome(MIDNIGHT, 70_000, 1_400))  # sold more than that: nothing is left to store
    sight = a_sight(
        an_outlook(700, *NIGHT),
        delivery=second,
        soc_wh=4_800,
        known_until=Instant(MIDNIGHT - 2 * ISP_US),
    )
    assert agent.act(sight) == [
        an_order(side=Side.SELL, quantity_wh=500, limit=60_000, delivery=second)
    ]


def test_deviation_is_no_task_of_the_battery() -> None:
    agent = an_agent()
    second = Instant(MIDNIGHT + ISP_US)
    agent.act(a_sight(an_outlook(-100, *NIGHT), soc_wh=4_500))
    agent.learn(Outcome(MIDNIGHT, 70_000, 900))  # sold what it will not have
    sight = a_sight(
        an_outlook(800, *NIGHT),
        delivery=second,
        soc_wh=4_500,
        known_until=Instant(MIDNIGHT - 2 * ISP_US),
    )
    # 4,500 - 100 / 0.8 leaves room for 625.
    assert agent.act(sight) == [
        an_order(side=Side.SELL, quantity_wh=175, limit=60_000, delivery=second)
    ]


def test_only_what_the_battery_cannot_take_in_doubt_is_ordered() -> None:
    agent = an_agent()
    ahead = an_outlook(-300, *NIGHT)
    doubtful = [-1_400.0, -900.0, -600.0, -450.0, -300.0, -200.0, -150.0, -100.0, -50.0]
    charge = Charge(Instant(MIDNIGHT - 3 * ISP_US), 800, 0)
    sight = Sight(Instant(MIDNIGHT - 2 * HOUR), MIDNIGHT, doubtful, 70_000, ahead, charge)
    # Of 300 that are needed with even odds, 240 are stored above the reserve.
    assert agent.act(sight) == [an_order(quantity_wh=60, limit=90_000)]


def test_battery_works_for_its_home_alone_where_nothing_was_planned() -> None:
    agent = an_agent()
    assert agent.bounds(MIDNIGHT) == Bounds(500, 0, 0)
    agent.act(a_sight(an_outlook(-100, -800)))
    assert agent.bounds(MIDNIGHT) == pytest.approx((1_800, 1_200, 0))
