"""The payoff of the bidding game, its round, and the tank that it moves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wattbay.clearing.game.good_citizens import (
    OFF,
    ON,
    Declaration,
    Kind,
    Round,
    Rule,
    exchange_kw,
    floor_kw,
    payoffs,
    play,
)
from wattbay.clearing.game.tank import Tank

TANK = Tank()


def a_home(peer: str, net_kw: float, *, off: float = 1.0, on: float = 1.0) -> Declaration:
    """A home with a heater of 3 kW."""
    return Declaration(peer, (net_kw, net_kw - 3.0), (off, on))


def strategies(found: Round) -> list[int]:
    return [int(chances.argmax()) for chances in found.mixture]


def test_payoff_is_what_is_printed() -> None:
    declarations = [a_home("a", -1.0), a_home("b", 4.0)]
    found = payoffs(declarations, 2.0, Rule(floor_kw=26.0, epsilon_kw=0.01))
    # Exchange -1 + 4 + 2 = 5 kW; less 3 kW for each who heats.
    assert exchange_kw(declarations, 2.0).tolist() == [[5.0, 2.0], [2.0, -1.0]]
    assert found[0, OFF, OFF] == pytest.approx((26 - 1) / 5.01)
    assert found[0, ON, OFF] == pytest.approx((26 - 4) / 2.01)
    assert found[1, ON, ON] == pytest.approx((26 + 1) / 1.01)


def test_payoff_of_discomfort_is_zero() -> None:
    found = payoffs([a_home("a", 1.0, off=0.0)], 0.0, Rule())
    assert found.tolist() == [[0.0, pytest.approx(24 / 2.01)]]


def test_balance_is_worth_much_but_not_without_bound() -> None:
    assert payoffs([a_home("a", 3.0)], 0.0, Rule())[0, ON] == pytest.approx(26 / 0.01)


def test_surplus_is_heated_with_and_shortage_is_not() -> None:
    assert strategies(play([a_home("a", 5.0), a_home("b", 5.0)], 0.0, Rule(), 1)) == [
        ON,
        ON,
    ]
    assert strategies(play([a_home("a", -1.0), a_home("b", -1.0)], 0.0, Rule(), 1)) == [OFF, OFF]


def test_cold_home_heats_in_a_shortage_and_warm_home_rests_in_a_surplus() -> None:
    cold, warm = a_home("a", -5.0, off=0.0), a_home("b", 9.0, on=0.0)
    assert strategies(play([cold], 0.0, Rule(), 1)) == [ON]
    assert strategies(play([warm], 0.0, Rule(), 1)) == [OFF]


def test_where_there_is_surplus_for_one_the_first_by_peer_rests() -> None:
    # 3 kW over, two equal homes: either heats, and the rule says who.
    declarations = [a_home("b", 0.0), a_home("a", 0.0)]
    found = play(declarations, 3.0, Rule(), 1)
    assert (found.kind, found.equilibria) == (Kind.PURE, 2)
    assert strategies(found) == [ON, OFF]


def test_least_floor_leaves_the_largest_absorber_indifferent_at_best() -> None:
    declarations = [a_home("a", -6.0), a_home("b", 20.0)]
    assert floor_kw(declarations) == 9.0
    assert payoffs(declarations, 0.0, Rule(floor_kw=9.0))[0, ON].tolist() == [0.0, 0.0]
    assert floor_kw([a_home("b", 20.0)]) == 0.0


def test_round_of_nobody_is_over_at_once() -> None:
    assert play([], 4.0, Rule(), 1) == Round(Kind.PURE, (), 1)


def test_constants_that_make_payoffs_negative_or_infinite_are_refused() -> None:
    with pytest.raises(ValueError, match="may draw 30 kW"):
        payoffs([a_home("a", -27.0)], 0.0, Rule())
    with pytest.raises(ValueError, match="epsilon is above zero"):
        payoffs([a_home("a", 0.0)], 0.0, Rule(epsilon_kw=0.0))


def test_more_players_than_can_be_enumerated_are_refused() -> None:
    with pytest.raises(ValueError, match="131,072 combinations"):
        play([a_home(f"p{n:02}", 0.0) for n in range(17)], 0.0, Rule(), 1)


def test_half_an_hour_of_heating_gives_1_72_degrees() -> None:
    assert TANK.warmed(60.0, is_on=True) - 60.0 == pytest.approx(1.72, abs=0.005)
    assert TANK.warmed(60.0, is_on=False) - 60.0 == pytest.approx(-0.015, abs=0.0005)


def test_printed_units_cannot_warm_a_tank() -> None:
    printed = Tank(resistance_c_per_kw=1.52, capacity_kwh_per_c=863.4)
    at_c = 20.0
    for _ in range(100):
        at_c = printed.warmed(at_c, is_on=True, hours=1_000)
    assert at_c == pytest.approx(24.56)
    # The time constant is the same in both readings, so the defect is in the units of R alone.
    constant = printed.resistance_c_per_kw * printed.capacity_kwh_per_c
    assert constant == pytest.approx(TANK.resistance_c_per_kw * TANK.capacity_kwh_per_c)
    assert constant == pytest.approx(1312, abs=0.5)


def test_time_in_a_tank_adds_up() -> None:
    twice = TANK.warmed(TANK.warmed(50.0, is_on=True), is_on=True)
    assert TANK.warmed(50.0, is_on=True, hours=1.0) == pytest.approx(twice)


def test_hot_water_is_replaced_by_cold() -> None:
    assert TANK.drawn(60.0, TANK.volume_l / 4) == pytest.approx(50.0)
    assert TANK.drawn(60.0, 0.0) == pytest.approx(60.0)
    assert TANK.drawn(60.0, TANK.volume_l) == pytest.approx(20.0)
    with pytest.raises(ValueError, match="190 l drawn"):
        TANK.drawn(60.0, 190)
    with pytest.raises(ValueError, match="-1 l drawn"):
        TANK.drawn(60.0, -1)


@pytest.mark.parametrize(
    ("at_c", "off", "on"),
    [(60.0, 1.0, 1.0), (55.0, 0.0, 1.0), (64.0, 1.0, 0.0), (40.0, 0.0, 1.0), (70.0, 1.0, 0.0)],
)
def test_comfort_forbids_what_leads_out_of_the_band(at_c: float, off: float, on: float) -> None:
    assert TANK.comfort(at_c, is_on=False) == off
    assert TANK.comfort(at_c, is_on=True) == on


def test_band_includes_its_ends() -> None:
    assert [TANK.is_comfortable(c) for c in (54.9, 55.0, 65.0, 65.1)] == [False, True, True, False]


def test_tank_alone_cools_by_its_time_constant() -> None:
    cooled = TANK.warmed(60.0, is_on=False, hours=1520.0 * 0.8634)
    assert (cooled - 20.0) / 40.0 == pytest.approx(math.exp(-1))
    assert np.isfinite(cooled)
