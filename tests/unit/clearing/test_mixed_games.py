"""Mixed equilibria: of two by their supports, of more by the program."""

from __future__ import annotations

import numpy as np
import pytest

from wattbay.clearing.game import mixed
from wattbay.clearing.game.finite import pure_equilibria, regrets
from wattbay.clearing.game.mixed import by_program, draw, of_two
from wattbay.errors import NotConverged

PENNIES = np.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
PRISONERS = np.array([[[-1.0, -3.0], [0.0, -2.0]], [[-1.0, 0.0], [-3.0, -2.0]]])
CHICKEN = np.array([[[0.0, -1.0], [1.0, -9.0]], [[0.0, 1.0], [-1.0, -9.0]]])
_FIRST = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
ROCK_PAPER_SCISSORS = np.array([_FIRST, -_FIRST])


def three_pennies() -> np.ndarray:
    """Each wants to match the next one, the last to differ from the first. No pure equilibrium."""
    payoffs = np.zeros((3, 2, 2, 2))
    for a, b, c in np.ndindex(2, 2, 2):
        payoffs[:, a, b, c] = [a == b, b == c, c != a]
    return payoffs


def test_pennies_are_tossed() -> None:
    (only,) = of_two(PENNIES)
    assert [chances.tolist() for chances in only] == [[0.5, 0.5], [0.5, 0.5]]


def test_rock_paper_scissors_are_even() -> None:
    (only,) = of_two(ROCK_PAPER_SCISSORS)
    assert np.concatenate(only) == pytest.approx(np.full(6, 1 / 3))


def test_anti_coordination_has_two_pure_equilibria_and_one_mixed() -> None:
    found = of_two(CHICKEN)
    # Who yields with chance p makes the other indifferent at p = 8/9: -(1 - p) = p - 9 (1 - p).
    assert [chances.round(9).tolist() for chances in found[2]] == [[0.888888889, 0.111111111]] * 2
    assert [[int(chances.argmax()) for chances in one] for one in found[:2]] == [[0, 1], [1, 0]]
    assert len(found) == 3


def test_prisoners_have_but_one_equilibrium() -> None:
    (only,) = of_two(PRISONERS)
    assert [chances.tolist() for chances in only] == [[0.0, 1.0], [0.0, 1.0]]


@pytest.mark.parametrize("game", [PENNIES, PRISONERS, CHICKEN, ROCK_PAPER_SCISSORS])
def test_program_finds_one_of_those_found_by_supports(game: np.ndarray) -> None:
    found = np.concatenate(by_program(game, seed=1))
    others = [np.concatenate(one) for one in of_two(game)]
    assert any(np.allclose(found, other, atol=1e-6) for other in others)


def test_three_players_without_pure_equilibrium_mix() -> None:
    game = three_pennies()
    assert not len(pure_equilibria(game))
    found = by_program(game, seed=1)
    assert np.concatenate(found) == pytest.approx(np.full(6, 0.5), abs=1e-6)
    assert regrets(game, found).max() < 1e-8


def test_program_repeats_by_its_seed() -> None:
    game = np.random.default_rng(75).normal(size=(3, 2, 2, 2))
    first, again = by_program(game, seed=3), by_program(game, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_equilibria_stay_where_payoffs_are_shifted_and_stretched() -> None:
    (only,) = of_two(CHICKEN * 1e6 + 5.0)[2:]
    assert np.concatenate(only) == pytest.approx(np.concatenate(of_two(CHICKEN)[2]))


def test_program_that_may_take_no_step_says_how_far_off_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mixed, "STEPS_MAX", 0)
    monkeypatch.setattr(mixed, "STARTS", 1)
    with pytest.raises(
        NotConverged, match=r"no equilibrium from 1 starts; off by .* at best"
    ) as no:
        by_program(PRISONERS, seed=1)
    assert no.value.mismatch == pytest.approx(1 / 6)


def test_supports_are_for_two_players_of_few_strategies() -> None:
    with pytest.raises(ValueError, match="3 players"):
        of_two(three_pennies())
    with pytest.raises(ValueError, match="too many supports"):
        of_two(np.zeros((2, 9, 9)))


def test_mixed_parts_are_drawn_with_their_chances() -> None:
    rng = np.random.default_rng(7)
    rows = [draw((np.array([0.25, 0.75]), np.array([1.0, 0.0])), rng) for _ in range(400)]
    assert 0.65 < np.mean([row[0] for row in rows]) < 0.85
    assert {row[1] for row in rows} == {0}
