"""The study of the bidding game: its arithmetic on the published figures, its draws, its days."""

from __future__ import annotations

import numpy as np
import pytest

from wattbay.clearing.game.good_citizens import Rule
from wattbay.clearing.game.tank import Tank
from wattbay.simulation.study_game import (
    DAYS_COUNTED,
    Drawn,
    Game,
    Plan,
    Thermostats,
    estimate,
    exchanged_kwh,
    live,
    reduction,
    study,
)
from wattbay.simulation.study_profiles import (
    DRAW_L_MAX,
    HEATER_KW,
    PEERS,
    PERIODS,
    SUMMER,
    YEAR,
    London,
    draw_day,
    wind,
)

TANK = Tank()


def no_time() -> float:
    return 0.0


@pytest.fixture(scope="module")
def london() -> London:
    return London.read()


@pytest.fixture(scope="module")
def drawn() -> list[Drawn]:
    return list(study(Plan(seeds=3), no_time))


@pytest.mark.parametrize(
    ("without", "played", "percent"),
    [
        (339.34, 308.15, 9.19),  # case 1, exchange
        (40.51, 38.73, 4.39),  # case 1, peak; 4.41 is printed
        (204.31, 117.49, 42.49),  # case 2, exchange
        (31.87, 26.26, 17.60),  # case 2, peak
    ],
)
def test_published_reductions_are_found_again(
    without: float, played: float, percent: float
) -> None:
    assert round(100 * reduction(without, played), 2) == percent


def test_nothing_cannot_be_reduced() -> None:
    with pytest.raises(ValueError, match="cannot be reduced"):
        reduction(0.0, 0.0)


def test_exchange_counts_either_way() -> None:
    assert exchanged_kwh(np.array([2.0, -3.0, 0.0])) == 2.5


def test_interval_of_a_mean_is_students() -> None:
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.half_width == pytest.approx(4.303 / 3**0.5)
    assert estimate([7.0]) == (7.0, None)
    assert estimate([5.0] * 100) == (5.0, 0.0)
    with pytest.raises(ValueError, match="no values"):
        estimate([])


def test_peers_are_the_published_ones() -> None:
    assert sum(peer.load_kw for peer in PEERS) == 21 + 7 + 5 + 26 + 52
    assert sum(peer.source_kw for peer in PEERS) == 15 + 3 + 25 + 20
    turbines = [peer.peer for peer in PEERS if peer.has_wind_in_case_2]
    assert turbines == ["peer-03", "peer-08", "peer-10"]


def test_same_seed_draws_the_same_day_and_another_one_another(london: London) -> None:
    first, again, other = draw_day(london, 4), draw_day(london, 4), draw_day(london, 5)
    assert first.start == again.start
    assert np.array_equal(first.load_kw, again.load_kw)
    assert np.array_equal(first.draws_l, again.draws_l)
    assert not np.array_equal(first.load_kw, other.load_kw)


@pytest.mark.parametrize("seed", range(5))
def test_day_keeps_to_the_ratings(london: London, seed: int) -> None:
    day = draw_day(london, seed, SUMMER)
    assert day.start in SUMMER
    assert day.load_kw.shape == (PERIODS, len(PEERS))
    assert (day.load_kw <= [peer.load_kw - HEATER_KW + 1e-9 for peer in PEERS]).all()
    for made in (day.panels_kw, day.wind_kw):
        assert (made >= 0).all()
        assert (made <= [1.05 * peer.source_kw for peer in PEERS]).all()
    assert (day.draws_l >= 0).all()
    assert day.draws_l.max() <= DRAW_L_MAX
    swapped = (day.net_kw(has_wind=True) != day.net_kw(has_wind=False)).any(axis=0)
    assert set(np.flatnonzero(swapped)) <= {2, 7, 9}


def test_wind_gives_about_a_quarter_of_its_size() -> None:
    shares = np.concatenate([wind(np.random.default_rng(seed)) for seed in range(200)])
    assert 0.18 < shares.mean() < 0.32
    assert (shares.min(), shares.max()) == (0.0, 1.0)


def test_study_repeats_by_its_seeds(drawn: list[Drawn]) -> None:
    again = list(study(Plan(seeds=2, first_seed=2), no_time))
    assert again == drawn[1:]


def test_case_2_differs_by_what_is_made_alone(drawn: list[Drawn]) -> None:
    for one in drawn:
        assert one.panels.without.heating_kwh == one.wind.without.heating_kwh
        assert one.panels.without.exchange_kwh != one.wind.without.exchange_kwh


def test_every_half_hour_has_a_pure_equilibrium(drawn: list[Drawn]) -> None:
    for one in drawn:
        for pair in (one.panels, one.wind):
            found = pair.played.found
            assert (found.mixed, found.none) == (0, 0)
            assert found.single + found.several == DAYS_COUNTED * PERIODS
            assert sum(pair.without.found) == 0


def test_nobody_overheats_and_game_exchanges_no_more(drawn: list[Drawn]) -> None:
    for one in drawn:
        for pair in (one.panels, one.wind):
            assert pair.without.hot == pair.played.hot == 0
            assert pair.played.exchange_kwh < pair.without.exchange_kwh


def test_season_is_kept_to_and_seeds_are_bounded() -> None:
    (one,) = study(Plan(seeds=1, season=SUMMER), no_time)
    assert "2013-05" <= one.day < "2013-09"
    with pytest.raises(ValueError, match="0 seeds"):
        next(study(Plan(seeds=0), no_time))


def test_heat_that_is_used_is_heat_that_was_bought(london: London) -> None:
    # A tank in balance buys what leaves it: draws, and what its insulation lets through.
    day = draw_day(london, 1, YEAR)
    lived = live(day, day.net_kw(has_wind=False), Thermostats(TANK), TANK, no_time)
    lost = (lived.mean_c - TANK.room_c) * len(PEERS) * 24 / TANK.resistance_c_per_kw
    drawn_kwh = day.draws_l.sum() / TANK.volume_l * (lived.mean_c - TANK.room_c) * 0.8634
    assert lived.heating_kwh == pytest.approx(lost + drawn_kwh, rel=0.1)


def test_game_switches_each_home_by_its_own_part(london: London) -> None:
    day = draw_day(london, 1, SUMMER)
    game = Game(TANK, Rule(), seed=1)
    cold, warm = np.full(len(PEERS), 40.0), np.full(len(PEERS), 70.0)
    net = day.net_kw(has_wind=False)[24]
    assert game.switch(cold, net).all()
    assert not game.switch(warm, net).any()
    assert game.found.single == 2
