"""A battery's auctions: windows, pauses, and what it says is for sale."""

from __future__ import annotations

import pytest

from tests.etp_hearing import (
    BESS,
    BUYER,
    MS,
    NOON,
    RIVAL,
    WINDOW,
    a_bess,
    a_bid,
    a_confirm,
    a_seller,
    accepted,
    bid_of,
    concludes,
    say,
    sent,
    told,
)
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.auctions import (
    Rules,
    Stage,
)
from wattbay.adapters.etp.messages import RejectCode, TerminateCode
from wattbay.adapters.etp.telling import (
    AuctionStarted,
)
from wattbay.periods import SECOND

# --- windows -----------------------------------------------------------------------------------


def test_in_a_window_the_highest_bid_wins_and_pays_what_it_bid() -> None:
    # Reserve 15, bids of 16, 18 and 20: as the first implementation's documents tell it.
    seller = a_seller(WINDOW, a_bess(level_wh=70_000))
    for number, cents in enumerate((16, 20, 18)):
        assert sent(say(seller, a_bid(number, cents), NOON + number)) == []
    assert seller.stage is Stage.OPEN
    assert seller.due() == NOON + 200 * MS
    assert seller.tick(NOON + 200 * MS - 1) == []
    effects = seller.tick(NOON + 200 * MS)
    assert sent(effects) == [
        m.bid_accept(1, BESS, 20.0, 10.0),
        m.bid_reject(2, BESS, RejectCode.OUTBID),
        m.bid_reject(0, BESS, RejectCode.OUTBID),
    ]
    (told_market,) = concludes(say(seller, a_confirm(1, 20), NOON + 201 * MS))
    assert told_market.proof == (
        m.encode(a_bid(1, 20)), m.encode(a_confirm(1, 20)),
        m.encode(a_bid(2, 18)), m.encode(a_bid(0, 16)),
    )  # fmt: skip


def test_of_two_equal_bids_the_earlier_wins() -> None:
    seller = a_seller(WINDOW)
    say(seller, a_bid(9, of=RIVAL))
    say(seller, a_bid(3))
    assert sent(seller.tick(NOON + SECOND)) == [
        m.bid_accept(9, BESS, 18.0, 10.0),
        m.bid_reject(3, BESS, RejectCode.OUTBID),
    ]


def test_bids_a_tick_below_each_other_are_equal() -> None:
    seller = a_seller(WINDOW)
    say(seller, a_bid(1, 18.000_1))
    say(seller, a_bid(2, 18.000_9))
    assert sent(seller.tick(NOON + SECOND))[0] == m.bid_accept(1, BESS, 18.0, 10.0)


def test_the_best_bid_that_can_be_served_wins() -> None:
    seller = a_seller(WINDOW)
    say(seller, a_bid(1, 30, 41))
    say(seller, a_bid(2, 20, 40))
    say(seller, a_bid(3, 10, 1))
    assert sent(seller.tick(NOON + SECOND)) == [
        m.bid_reject(1, BESS, RejectCode.INSUFFICIENT_ENERGY),
        m.bid_accept(2, BESS, 20.0, 40.0),
        m.bid_reject(3, BESS, RejectCode.PRICE_TOO_LOW),
    ]


def test_without_a_winner_the_auction_goes_on() -> None:
    seller = a_seller(WINDOW)
    say(seller, a_bid(1, 1))
    assert sent(seller.tick(NOON + SECOND)) == [m.bid_reject(1, BESS, RejectCode.PRICE_TOO_LOW)]
    assert seller.stage is Stage.QUERIED
    say(seller, a_bid(2), NOON + SECOND)
    assert seller.due() == NOON + SECOND + 200 * MS
    assert seller.counts["auctions"] == 1


def test_a_bid_at_the_instant_when_a_window_closes_is_late() -> None:
    seller = a_seller(WINDOW)
    say(seller, a_bid(1))
    effects = say(seller, a_bid(2, 30), NOON + 200 * MS)
    assert sent(effects) == [m.bid_accept(1, BESS, 18.0, 10.0)]
    assert bid_of(seller, 2).stage is Stage.OPEN
    assert bid_of(seller, 2).auction == bid_of(seller, 1).auction + 1


def test_a_promise_that_ends_when_a_window_does_is_released_before_bids_are_judged() -> None:
    seller = a_seller(WINDOW._replace(confirm_us=200 * MS))
    say(seller, a_bid(1, kwh=40))
    seller.tick(NOON + 200 * MS)
    say(seller, a_bid(2, kwh=40), NOON + 200 * MS)
    assert sent(seller.tick(NOON + 400 * MS)) == [
        m.terminate(1, BESS, TerminateCode.EXPIRED),
        m.bid_accept(2, BESS, 18.0, 40.0),
    ]


def test_beyond_the_most_bids_of_a_window_none_waits() -> None:
    seller = a_seller(WINDOW._replace(bids_max=2))
    say(seller, a_bid(1))
    say(seller, a_bid(2))
    assert sent(say(seller, a_bid(3))) == [m.bid_reject(3, BESS, RejectCode.TOO_MANY)]
    assert len(list(seller.bids)) == 2


def test_whom_the_market_does_not_know_takes_no_place_in_a_window() -> None:
    def fault(bidder: int, price: int, energy_wh: int) -> RejectCode | None:
        del price, energy_wh
        return None if bidder == BUYER else RejectCode.MARKET_REFUSED

    seller = a_seller(WINDOW._replace(bids_max=2), market_fault=fault)
    for stranger in range(900, 910):
        effects = say(seller, a_bid(1, 100, of=stranger))
        assert sent(effects) == [m.bid_reject(1, BESS, RejectCode.MARKET_REFUSED)]
    assert sent(say(seller, a_bid(1))) == []
    assert sent(seller.tick(NOON + SECOND)) == [m.bid_accept(1, BESS, 18.0, 10.0)]


def test_a_bid_that_is_given_up_in_a_window_does_not_win() -> None:
    seller = a_seller(WINDOW)
    say(seller, a_bid(1, 30))
    say(seller, a_bid(2, 20))
    say(seller, m.terminate(1, BUYER))
    assert sent(seller.tick(NOON + SECOND)) == [m.bid_accept(2, BESS, 20.0, 10.0)]


def test_a_window_of_an_auction_that_ended_does_not_close_the_next_one_early() -> None:
    seller = a_seller(WINDOW)
    say(seller, a_bid(1))
    seller.fail(2)
    seller.bess.is_online = True
    say(seller, a_bid(2), NOON + 100 * MS)
    assert seller.tick(NOON + 200 * MS) == []
    assert sent(seller.tick(NOON + 300 * MS)) == [m.bid_accept(2, BESS, 18.0, 10.0)]


# --- pauses and queries ------------------------------------------------------------------------


QUERY = m.query(5, BUYER)


def pause_end(seed: int) -> int:
    """Return the first tenth of a second at which a battery sells again."""
    seller = a_seller(Rules(pause_us=(2 * SECOND, 10 * SECOND)), seed=seed)
    accepted(seller, a_bid())
    for at in range(NOON, NOON + 11 * SECOND, SECOND // 10):
        is_over = any(isinstance(one, AuctionStarted) for one in told(say(seller, QUERY, at)))
        if is_over:
            return at - NOON
    raise AssertionError("the pause does not end")


def test_between_two_auctions_the_battery_pauses_as_the_seed_says() -> None:
    ends = [pause_end(seed) for seed in range(5)]
    assert ends == [pause_end(seed) for seed in range(5)]
    assert len(set(ends)) > 1
    assert all(2 * SECOND <= end <= 10.1 * SECOND for end in ends)


def test_in_a_pause_nothing_is_for_sale() -> None:
    seller = a_seller(Rules(pause_us=(SECOND, SECOND)))
    accepted(seller, a_bid(kwh=1))
    seller.tick(NOON + SECOND - 1)
    effects = say(seller, a_bid(8), NOON + SECOND - 1)
    assert sent(effects) == [m.bid_reject(8, BESS, RejectCode.NO_AUCTION)]
    (answer,) = sent(say(seller, m.query(5, BUYER), NOON + SECOND - 1))
    assert answer.percentage_for_sale == 0
    accepted(seller, a_bid(9, kwh=1), NOON + SECOND)


def test_the_first_query_opens_an_auction() -> None:
    seller = a_seller()
    effects = say(seller, m.query(789, BUYER))
    assert sent(effects) == [m.query_response(789, BESS, 80.0, 50.0)]
    assert [type(one).__name__ for one in told(effects)] == [
        "QuerySent", "AuctionStarted", "QueryResponse",
    ]  # fmt: skip
    assert seller.stage is Stage.QUERIED
    effects = say(seller, m.query(790, BUYER))
    assert not any(isinstance(one, AuctionStarted) for one in told(effects))


def test_what_is_promised_is_not_told_to_be_for_sale() -> None:
    seller = a_seller()
    accepted(seller, a_bid(kwh=30))
    (answer,) = sent(say(seller, m.query(5, BUYER)))
    assert answer == m.query_response(5, BESS, 80.0, 12.5)


@pytest.mark.parametrize(("level_wh", "is_online"), [(0.0, True), (80_000.0, False)])
def test_an_empty_or_offline_battery_has_nothing_for_sale(level_wh: float, is_online: bool) -> None:
    seller = a_seller(bess=a_bess(level_wh))
    seller.bess.is_online = is_online
    (answer,) = sent(say(seller, m.query(5, BUYER)))
    assert answer == m.query_response(5, BESS, level_wh / 1_000, 0.0)


def test_a_registration_comes_back() -> None:
    assert sent(say(a_seller(), m.register(9, BUYER))) == [m.register(9, BESS)]


def test_messages_of_a_battery_are_counted_and_not_answered() -> None:
    seller = a_seller()
    for message in (m.bid_accept(1, 102, 1, 1), m.bess_status(1, 102, 1, 1, 12, 1)):
        assert say(seller, message) == []
    assert seller.counts["unexpected"] == 2
