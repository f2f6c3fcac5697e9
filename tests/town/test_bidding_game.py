"""Homes that play the bidding game trade what came of it through the exchange, like anybody."""

from __future__ import annotations

from tests.builders import MIDNIGHT, a_product, a_town
from tests.play import Play, of
from wattbay.agents.agent import Desk, Sight
from wattbay.agents.quantity import LEVELS, Alternatives
from wattbay.agents.strategies import Allowed, Truthful
from wattbay.agents.water_heater import Player, WaterHeaterHome
from wattbay.clearing.game.good_citizens import Rule
from wattbay.clearing.game.tank import Tank
from wattbay.core.events import AuctionCleared
from wattbay.ids import PodId
from wattbay.periods import HOUR, Instant

TANK = Tank()
NETS_KW = {"h01": 4.0, "h02": 3.0, "h03": -1.0}
"""Own generation minus own demand. Together 6 kW over: two heaters of 3 kW balance."""


def a_home(pod: str) -> WaterHeaterHome:
    product = a_product()
    without = Alternatives(buy=92_000, sell=46_000, fees=42_750, pool=58_000)
    truthful = Truthful(Allowed.of(product))
    desk = Desk(PodId(pod), product, truthful, without, buy_limit=91_000, sell_limit=50_000)
    return WaterHeaterHome(desk, TANK)


def orders_and_trades(*, have_played: bool) -> tuple[int, list[tuple[PodId, PodId, int]]]:
    play = Play(a_town(pods=3))
    players = [Player(pod, TANK, Rule(), seed) for seed, pod in enumerate(NETS_KW)]
    declarations = [
        player.declare(60.0, net) for player, net in zip(players, NETS_KW.values(), strict=True)
    ]
    placed = 0
    for player, net_kw in zip(players, NETS_KW.values(), strict=True):
        home = a_home(player.peer)
        home.switch(is_on=have_played and player.decide(declarations, 0.0, seed=1))
        sure_wh = [net_kw * 500.0] * len(LEVELS)
        sight = Sight(Instant(MIDNIGHT - 2 * HOUR), MIDNIGHT, sure_wh, 60_000)
        for command in home.act(sight):
            play.do(command, at=MIDNIGHT - 2 * HOUR)
            placed += 1
    (cleared,) = of(AuctionCleared, play.clear(MIDNIGHT))
    trades = [(trade.seller, trade.buyer, trade.quantity_wh) for trade in play.trades()]
    assert cleared.volume_wh == sum(quantity for _, _, quantity in trades)
    return placed, trades


def test_neighbour_who_plays_heats_with_what_another_has_over() -> None:
    # The first rests and sells all; the second heats with its own; the third buys what it heats.
    assert orders_and_trades(have_played=True) == (
        2,
        [(PodId("h01"), PodId("h03"), 2_000)],
    )


def test_without_the_game_most_of_the_surplus_finds_no_buyer() -> None:
    placed, trades = orders_and_trades(have_played=False)
    assert placed == 3
    assert sum(quantity for _, _, quantity in trades) == 500
