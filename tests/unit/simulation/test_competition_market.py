"""Whose bid wins, and what a rational bidder bids."""

from __future__ import annotations

from wattbay.simulation.competition.market import best, equilibrium_bid

RESERVE, CAP = 150_000, 200_000
"""15 and 20 cents per kWh."""


def test_highest_bid_wins_and_ties_go_to_the_earlier() -> None:
    assert best([None, 5, 7, 7, 6]) == 2
    assert best([None, None]) is None
    assert best([]) is None
    assert best([0]) == 0


def test_rational_bidder_alone_pays_the_reserve_and_rivals_pay_more_the_more_they_are() -> None:
    # Worth 20 c: 16 c at wholesale, and 4 c of at most 5 besides.
    found = [equilibrium_bid(RESERVE, CAP, 160_000, 50_000, rivals) for rivals in (1, 2, 3, 10)]
    assert found[0] == RESERVE
    # Two whose worths are uniform shade half of what they are above the least worth.
    assert found[1] == 180_000
    assert found == sorted(found, key=lambda price: price or 0)
    assert equilibrium_bid(CAP + 1, CAP, 160_000, 50_000, 3) is None


def test_rational_bidders_shade_less_where_the_reserve_cuts_low_worths_off() -> None:
    # Nobody below 18 c bids: v - ((v - a)^2 - (r - a)^2) / (2 (v - a)), a = 16, r = 18, v = 20.
    assert equilibrium_bid(180_000, CAP, 160_000, 50_000, 2) == 185_000


def test_rivals_of_one_known_worth_leave_nothing_to_themselves() -> None:
    assert equilibrium_bid(RESERVE, CAP, CAP, 0, 2) == CAP
    assert equilibrium_bid(RESERVE, CAP, CAP, 0, 1) == RESERVE
