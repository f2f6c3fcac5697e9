"""Homes with a water heater: thermostat, player, and what they order."""

from __future__ import annotations

import numpy as np

from tests.builders import MIDNIGHT, a_product, an_order
from wattbay.agents.agent import Desk, Outcome, Sight
from wattbay.agents.quantity import LEVELS, Alternatives
from wattbay.agents.strategies import Allowed, Truthful
from wattbay.agents.water_heater import Player, Thermostat, WaterHeaterHome
from wattbay.clearing.game.good_citizens import Declaration, Kind, Round, Rule
from wattbay.clearing.game.tank import Tank
from wattbay.core.facts import Side
from wattbay.ids import PodId
from wattbay.periods import HOUR, Instant

TANK = Tank()


def a_home() -> WaterHeaterHome:
    product = a_product()
    without = Alternatives(buy=92_000, sell=46_000, fees=42_750, pool=58_000)
    truthful = Truthful(Allowed.of(product))
    desk = Desk(PodId("h01"), product, truthful, without, buy_limit=91_000, sell_limit=50_000)
    return WaterHeaterHome(desk, TANK)


def a_sight(net_wh: float) -> Sight:
    return Sight(Instant(MIDNIGHT - 2 * HOUR), MIDNIGHT, [net_wh] * len(LEVELS), 60_000)


def a_player(peer: str, seed: int = 1) -> Player:
    return Player(peer, TANK, Rule(), seed)


def test_thermostat_heats_from_the_lower_end_to_the_upper_one() -> None:
    thermostat = Thermostat(TANK)
    seen = [thermostat.is_on(c) for c in (60.0, 55.0, 57.0, 63.0, 63.5, 60.0, 54.0)]
    assert seen == [False, True, True, True, False, False, True]


def test_player_tells_what_it_injects_and_whether_its_water_stays_warm() -> None:
    assert a_player("a").declare(55.0, 1.5) == Declaration("a", (1.5, -1.5), (0.0, 1.0))
    assert a_player("a").declare(64.0, 1.5) == Declaration("a", (1.5, -1.5), (1.0, 0.0))


def test_all_players_come_to_the_same_equilibrium() -> None:
    players = [a_player(peer, seed) for seed, peer in enumerate(("a", "b", "c"))]
    declarations = [
        player.declare(60.0, net) for player, net in zip(players, (4.0, 3.0, -1.0), strict=True)
    ]
    # 6 kW over: heating twice balances; of those who could, the first by peer rests.
    assert [player.decide(declarations, 0.0, 9) for player in players] == [False, True, True]


def test_mixed_part_is_drawn_by_the_own_seed() -> None:
    mixed = Round(Kind.MIXED, (np.array([0.5, 0.5]), np.array([0.0, 1.0])), 0)
    first = [a_player("a", 4).follow(mixed, 0) for _ in range(2)]
    assert first[0] == first[1]
    player = a_player("a", 4)
    drawn = [player.follow(mixed, 0) for _ in range(200)]
    assert 60 < sum(drawn) < 140
    assert all(player.follow(mixed, 1) for _ in range(5))


def test_home_that_will_heat_offers_less_or_buys() -> None:
    home = a_home()
    assert home.act(a_sight(2_000.0)) == [an_order(side=Side.SELL, quantity_wh=2_000, limit=50_000)]
    home.switch(is_on=True)
    assert home.act(a_sight(2_000.0)) == [an_order(side=Side.SELL, quantity_wh=500, limit=50_000)]
    assert home.act(a_sight(0.0)) == [an_order(quantity_wh=1_500, limit=91_000)]
    assert home.act(a_sight(1_500.0)) == []
    home.learn(Outcome(MIDNIGHT, None, 0))
