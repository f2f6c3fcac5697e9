"""What ends a battery's bids before a sale, and what it remembers of them."""

from __future__ import annotations

from tests.etp_hearing import (
    BESS,
    BUYER,
    CENT,
    NOON,
    RIVAL,
    WINDOW,
    a_bess,
    a_bid,
    a_confirm,
    a_seller,
    accepted,
    bid_of,
    say,
    sent,
    settled,
    told,
)
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.auctions import (
    Broadcast,
    Rules,
    Stage,
)
from wattbay.adapters.etp.messages import RejectCode, TerminateCode
from wattbay.adapters.etp.telling import (
    BidPlaced,
)
from wattbay.periods import SECOND

# --- giving up ---------------------------------------------------------------------------------


def test_a_bidder_gives_up_the_bid_that_it_names() -> None:
    seller = a_seller()
    accepted(seller, a_bid(7, kwh=10))
    accepted(seller, a_bid(8, kwh=5))
    assert say(seller, m.terminate(7, BUYER)) == []
    assert bid_of(seller, 7).stage is Stage.TERMINATED
    assert bid_of(seller, 8).stage is Stage.ACCEPTED
    assert seller.reserved_wh == 5_000


def test_a_bidder_that_names_no_bid_gives_up_all_of_its_own() -> None:
    seller = a_seller()
    accepted(seller, a_bid(7, kwh=10))
    accepted(seller, a_bid(8, kwh=5))
    accepted(seller, a_bid(8, kwh=2, of=RIVAL))
    say(seller, m.terminate(99, BUYER))
    assert seller.reserved_wh == 2_000


def test_giving_up_a_bid_that_never_came_ends_no_other() -> None:
    seller = a_seller()
    accepted(seller, a_bid(7))
    say(seller, m.terminate(99, BUYER, TerminateCode.EXPIRED))
    assert bid_of(seller, 7).stage is Stage.ACCEPTED


def test_nobody_gives_up_what_the_market_was_told_of() -> None:
    seller = a_seller()
    accepted(seller, a_bid())
    say(seller, a_confirm())
    for message in (m.terminate(7, BUYER), m.terminate(99, BUYER), m.device_failure(1, BUYER, 2)):
        assert say(seller, message) == []
    assert seller.fail(2) == [Broadcast(m.device_failure(0, BESS, 2))]
    assert seller.stop() == []
    assert bid_of(seller).stage is Stage.CONFIRMED
    seller.concluded((BUYER, 7), 41, NOON)
    assert bid_of(seller).stage is Stage.SETTLED


def test_a_bidder_that_fails_releases_what_it_was_promised() -> None:
    seller = a_seller()
    accepted(seller, a_bid(7))
    accepted(seller, a_bid(7, of=RIVAL))
    say(seller, m.device_failure(1, BUYER, 2))
    assert bid_of(seller).stage is Stage.FAILED
    assert bid_of(seller, of=RIVAL).stage is Stage.ACCEPTED
    assert sent(say(seller, a_confirm())) == [m.terminate(7, BESS, TerminateCode.NORMAL)]


def test_a_battery_that_fails_releases_what_it_promised_and_tells_everybody() -> None:
    seller = a_seller()
    accepted(seller, a_bid())
    assert seller.fail(3) == [Broadcast(m.device_failure(0, BESS, 3))]
    assert bid_of(seller).stage is Stage.FAILED
    assert seller.reserved_wh == 0
    assert sent(say(seller, a_bid(8))) == [m.bid_reject(8, BESS, RejectCode.OFFLINE)]


def test_a_battery_that_stops_tells_those_that_wait() -> None:
    seller = a_seller(WINDOW)
    say(seller, a_bid(7))
    say(seller, a_bid(8, of=RIVAL))
    assert sent(seller.stop()) == [
        m.terminate(7, BESS, TerminateCode.SHUTDOWN),
        m.terminate(8, BESS, TerminateCode.SHUTDOWN),
    ]
    assert sent(seller.tick(NOON + SECOND)) == []


# --- restarts and memory -----------------------------------------------------------------------


def test_a_sale_of_the_journal_is_known_after_a_restart() -> None:
    seller = a_seller(bess=a_bess(level_wh=70_000))
    seller.restore((BUYER, 7), 18 * CENT, 10_000, 41)
    settlement = [m.bid_confirm(7, BESS, 18.0, 10.0)]
    assert sent(say(seller, a_confirm())) == settlement
    assert sent(say(seller, a_bid())) == settlement
    assert sent(say(seller, a_bid(cents=19))) == [m.bid_reject(7, BESS, RejectCode.ID_REUSED)]
    assert (seller.bess.level_wh, seller.told_entry) == (70_000, 41)


def test_the_entry_that_tells_of_the_level_never_goes_back() -> None:
    seller = a_seller()
    for number in (7, 8):
        accepted(seller, a_bid(number, kwh=1))
        say(seller, a_confirm(number, kwh=1))
    seller.concluded((BUYER, 8), 42, NOON)
    seller.concluded((BUYER, 7), 41, NOON)
    assert seller.told_entry == 42
    assert seller.bess.level_wh == 78_000
    placed = told(say(seller, a_bid(9, kwh=1)))
    assert {one.entry for one in placed if isinstance(one, BidPlaced)} == {42}


def test_an_old_sale_that_the_market_tells_again_is_not_taken_from_the_level_twice() -> None:
    seller = a_seller(Rules(settled_max=1))
    settled(seller, 7, entry=5)
    settled(seller, 8, entry=6)
    assert [bid.key for bid in seller.bids] == [(BUYER, 8)]
    settled(seller, 7, entry=5)
    assert seller.bess.level_wh == 78_000
    assert (bid_of(seller).entry, seller.told_entry) == (5, 6)


def test_a_level_that_was_measured_lower_than_what_was_promised_ends_at_nothing() -> None:
    seller = a_seller()
    accepted(seller, a_bid(kwh=10))
    say(seller, a_confirm(kwh=10))
    seller.bess.level_wh = 4_000
    seller.concluded((BUYER, 7), 41, NOON)
    assert seller.bess.level_wh == 0


def test_a_flood_of_bids_from_devices_that_nobody_knows_is_held_within_bounds() -> None:
    rules = Rules(remembered_max=50, promised_max=20, bids_max=10)
    seller = a_seller(rules)
    settled(seller, 7)
    accepted(seller, a_bid(8, kwh=1))
    say(seller, m.terminate(8, BUYER))
    for number in range(2_000):
        # Good ones, cheap ones, and those that want nothing.
        say(seller, a_bid(1, cents=20 * (number % 2), kwh=0.1 * (number % 3), of=10**6 + number))
    assert len(list(seller.bids)) <= 1 + 2 * 50 + 20 + 10
    assert bid_of(seller, 7).stage is Stage.SETTLED
    assert bid_of(seller, 8).stage is Stage.TERMINATED
    seller.tick(NOON + SECOND)
    assert seller.due() is None
    assert seller.reserved_wh == 0


def test_who_registers_beyond_the_most_is_told_of_outcomes_when_it_asks() -> None:
    seller = a_seller(Rules(bidders_max=1))
    say(seller, m.register(1, RIVAL))
    assert sent(say(seller, m.register(1, BUYER))) == [m.register(1, BESS)]
    accepted(seller, a_bid())
    say(seller, a_confirm())
    assert sent(seller.concluded((BUYER, 7), 41, NOON)) == []
    assert sent(say(seller, a_confirm())) == [m.bid_confirm(7, BESS, 18.0, 10.0)]
