"""Pure equilibria and the rule of selection, on the games that every textbook has."""

from __future__ import annotations

import numpy as np
import pytest

from wattbay.clearing.game.finite import (
    COMBINATIONS_MAX,
    deviations,
    expected,
    pure,
    pure_equilibria,
    regrets,
    select,
)

# Payoffs of both players; the first strategy is to cooperate, heads, to yield.
PRISONERS = np.array([[[-1.0, -3.0], [0.0, -2.0]], [[-1.0, 0.0], [-3.0, -2.0]]])
PENNIES = np.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
CHICKEN = np.array([[[0.0, -1.0], [1.0, -9.0]], [[0.0, 1.0], [-1.0, -9.0]]])


def test_prisoners_both_defect() -> None:
    assert pure_equilibria(PRISONERS).tolist() == [[1, 1]]


def test_matching_pennies_has_no_pure_equilibrium() -> None:
    assert pure_equilibria(PENNIES).shape == (0, 2)


def test_anti_coordination_has_both_asymmetric_equilibria() -> None:
    assert pure_equilibria(CHICKEN).tolist() == [[0, 1], [1, 0]]


def test_indifferent_players_may_stay_anywhere() -> None:
    assert len(pure_equilibria(np.zeros((3, 2, 3, 2)))) == 12


def test_rounding_is_no_reason_to_deviate() -> None:
    assert pure_equilibria(np.array([[0.3, 0.1 + 0.2]])).tolist() == [[0], [1]]


def test_least_exchange_is_selected_either_way() -> None:
    found = pure_equilibria(CHICKEN)
    assert select(found, np.array([[0.0, -2.0], [1.0, 0.0]]), ["a", "b"]) == (1, 0)
    assert select(found, np.array([[0.0, -1.0], [2.0, 0.0]]), ["a", "b"]) == (0, 1)


def test_of_equal_exchange_the_first_by_peer_is_selected() -> None:
    found, exchange = pure_equilibria(CHICKEN), np.array([[0.0, -1.0], [1.0, 0.0]])
    assert select(found, exchange, ["a", "b"]) == (0, 1)
    assert select(found, exchange, ["b", "a"]) == (1, 0)


def test_exchanges_that_differ_by_rounding_alone_are_equal() -> None:
    found = pure_equilibria(CHICKEN)
    exchange = np.array([[0.0, 0.1 + 0.2], [0.3, 0.0]])
    assert select(found, exchange, ["a", "b"]) == (0, 1)


def test_nothing_can_be_selected_from_nothing() -> None:
    with pytest.raises(ValueError, match="no equilibrium"):
        select(pure_equilibria(PENNIES), np.zeros((2, 2)), ["a", "b"])


def test_a_mixture_is_worth_its_average() -> None:
    even = np.array([0.5, 0.5])
    assert expected(PRISONERS, (even, even)).tolist() == [-1.5, -1.5]
    assert [gains.tolist() for gains in deviations(PRISONERS, (even, even))] == [[-2.0, -1.0]] * 2
    assert regrets(PRISONERS, (even, even)).tolist() == [0.5, 0.5]
    assert regrets(PENNIES, (even, even)).tolist() == [0.0, 0.0]


def test_deviations_keep_players_apart_whose_counts_differ() -> None:
    payoffs = np.arange(36.0).reshape(3, 2, 3, 2)
    mixture = (np.array([0.5, 0.5]), np.array([0.2, 0.3, 0.5]), np.array([1.0, 0.0]))
    own = payoffs[1, :, :, 0]
    assert deviations(payoffs, mixture)[1] == pytest.approx((own[0] + own[1]) / 2)


def test_pure_combination_is_a_mixture_without_doubt() -> None:
    assert [chances.tolist() for chances in pure((1, 0), (2, 3))] == [[0.0, 1.0], [1.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("payoffs", "what"),
    [
        (np.zeros((2, 2)), "shape of a game"),
        (np.zeros(()), "shape of a game"),
        (np.zeros((2, 2, 0)), "shape of a game"),
        (np.array([[0.0, np.nan]]), "not finite"),
        (np.zeros((1, COMBINATIONS_MAX + 1)), "at most 65,536"),
    ],
)
def test_what_is_no_game_is_refused(payoffs: np.ndarray, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        pure_equilibria(payoffs)
