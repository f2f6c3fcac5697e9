"""Laws of games: equilibria by their definition, and the potential of the bidding game."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wattbay.clearing.game.finite import expected, pure, pure_equilibria, regrets, select
from wattbay.clearing.game.good_citizens import Declaration, Kind, Rule, exchange_kw, payoffs, play
from wattbay.clearing.game.mixed import REGRET_MAX, by_program, of_two
from wattbay.clearing.game.payments import shapley

powers = st.floats(-20.0, 20.0).map(lambda value: round(value, 3))
comforts = st.sampled_from([(1.0, 1.0), (0.0, 1.0), (1.0, 0.0)])


@st.composite
def games(draw: st.DrawFn, players_max: int = 4, *, whole: bool = True) -> np.ndarray:
    """Whole payoffs tie often; drawn ones almost never."""
    counts = draw(st.lists(st.integers(1, 3), min_size=1, max_size=players_max))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    shape = (len(counts), *counts)
    return rng.integers(-2, 3, shape).astype(float) if whole else rng.normal(size=shape)


@st.composite
def declarations(draw: st.DrawFn) -> list[Declaration]:
    nets = draw(st.lists(powers, min_size=1, max_size=5))
    return [
        Declaration(f"peer-{place}", (net, net - draw(st.floats(0.5, 4.0))), draw(comforts))
        for place, net in enumerate(nets)
    ]


def is_equilibrium(game: np.ndarray, at: tuple[int, ...]) -> bool:
    """By the definition: nobody gains by any other strategy of its own."""
    for player in range(len(at)):
        for other in range(game.shape[1 + player]):
            moved = (*at[:player], other, *at[player + 1 :])
            if game[(player, *moved)] > game[(player, *at)]:
                return False
    return True


@given(games())
def test_pure_equilibria_are_those_by_definition(game: np.ndarray) -> None:
    wanted = [at for at in product(*map(range, game.shape[1:])) if is_equilibrium(game, at)]
    assert [tuple(row) for row in pure_equilibria(game).tolist()] == wanted


@given(games())
def test_pure_equilibria_are_mixtures_that_nobody_regrets(game: np.ndarray) -> None:
    for row in pure_equilibria(game).tolist():
        mixture = pure(row, game.shape[1:])
        assert regrets(game, mixture).max() == 0.0
        assert expected(game, mixture).tolist() == [own[tuple(row)] for own in game]


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 3))
def test_two_players_always_have_an_odd_number_of_equilibria(
    seed: int, rows: int, columns: int
) -> None:
    game = np.random.default_rng(seed).normal(size=(2, rows, columns))
    found = of_two(game)
    assert len(found) % 2 == 1
    for mixture in found:
        assert regrets(game, mixture).max() < 1e-6


@settings(max_examples=25)
@given(games(players_max=3, whole=False))
def test_program_finds_a_mixture_that_nobody_regrets(game: np.ndarray) -> None:
    found = by_program(game, seed=1)
    axes = tuple(range(1, game.ndim))
    span = game.max(axis=axes) - game.min(axis=axes)
    assert (regrets(game, found) <= 2 * REGRET_MAX * np.maximum(span, 1e-9)).all()
    for chances in found:
        assert chances.min() >= 0
        assert abs(chances.sum() - 1) < 1e-12


@given(declarations(), powers)
def test_bidding_game_always_has_a_pure_equilibrium(
    players: list[Declaration], passive_kw: float
) -> None:
    found = play(players, passive_kw, Rule(), seed=1)
    assert found.kind is Kind.PURE
    assert found.equilibria >= 1


@given(declarations(), powers)
def test_where_the_potential_is_greatest_nobody_deviates(
    players: list[Declaration], passive_kw: float
) -> None:
    # The sum of the logarithms of own parts and of the shared one; -inf where somebody freezes.
    game = payoffs(players, passive_kw, Rule())
    shared = 1 / (np.abs(exchange_kw(players, passive_kw)) + Rule().epsilon_kw)
    with np.errstate(divide="ignore"):
        potential = np.log(game / shared).sum(axis=0) + np.log(shared)
    at = np.unravel_index(int(potential.argmax()), potential.shape)
    assert np.isfinite(potential[at])
    assert list(at) in pure_equilibria(game).tolist()


@given(declarations(), powers)
def test_selected_equilibrium_has_the_least_exchange(
    players: list[Declaration], passive_kw: float
) -> None:
    found = pure_equilibria(payoffs(players, passive_kw, Rule()))
    exchange = exchange_kw(players, passive_kw)
    peers = [declared.peer for declared in players]
    chosen = select(found, exchange, peers)
    assert list(chosen) in found.tolist()
    amounts = np.abs([exchange[tuple(row)] for row in found])
    assert abs(exchange[chosen]) <= amounts.min() + 1e-8


@given(declarations(), powers, st.randoms(use_true_random=False))
def test_equilibrium_does_not_depend_on_the_order_of_the_bids(
    players: list[Declaration], passive_kw: float, chance: object
) -> None:
    turned = list(players)
    chance.shuffle(turned)  # type: ignore[attr-defined]
    parts = []
    for order in (players, turned):
        found = play(order, passive_kw, Rule(), seed=1)
        parts.append(
            {
                declared.peer: int(own.argmax())
                for declared, own in zip(order, found.mixture, strict=True)
            }
        )
    assert parts[0] == parts[1]


@given(st.integers(1, 5).flatmap(lambda n: st.lists(powers, min_size=2**n, max_size=2**n)))
def test_shapley_values_share_all_that_there_is(worth: list[float]) -> None:
    worth[0] = 0.0
    assert abs(sum(shapley(worth)) - worth[-1]) < 1e-9
