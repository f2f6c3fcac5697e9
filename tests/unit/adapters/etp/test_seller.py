"""A battery's sessions: from a bid to its one end."""

from __future__ import annotations

import pytest

from tests.etp_hearing import (
    BESS,
    BUYER,
    CENT,
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
    settled,
    told,
)
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.auctions import (
    Conclude,
    Rules,
    Send,
    Stage,
)
from wattbay.adapters.etp.bess import judge_as_gateway
from wattbay.adapters.etp.messages import Kind, Message, RejectCode, TerminateCode
from wattbay.adapters.etp.telling import (
    AuctionCompleted,
    BidRejected,
    EnergyDepleted,
)
from wattbay.errors import InvariantBroken
from wattbay.periods import SECOND

# --- from a bid to a sale ----------------------------------------------------------------------


def test_a_bid_that_is_good_is_accepted_confirmed_and_settled() -> None:
    seller = a_seller()
    say(seller, m.register(1, BUYER))
    (answer,) = sent(say(seller, a_bid()))
    assert answer == m.bid_accept(7, BESS, 18.0, 10.0)
    assert bid_of(seller).stage is Stage.ACCEPTED
    assert (seller.reserved_wh, seller.free_wh) == (10_000, 30_000)

    effects = say(seller, a_confirm(), NOON + 100 * MS)
    proof = (m.encode(a_bid()), m.encode(a_confirm()))
    assert effects == [Conclude((BUYER, 7), 18 * CENT, 10_000, proof)]
    assert bid_of(seller).stage is Stage.CONFIRMED
    assert seller.reserved_wh == 10_000

    effects = seller.concluded((BUYER, 7), 41, NOON + 150 * MS)
    assert sent(effects) == [m.bid_confirm(7, BESS, 18.0, 10.0)]
    assert [type(one) for one in told(effects)] == [AuctionCompleted]
    assert bid_of(seller).stage is Stage.SETTLED
    assert bid_of(seller).entry == seller.told_entry == 41
    assert seller.bess.level_wh == 70_000
    assert seller.reserved_wh == 0


def test_answers_say_what_they_answer_and_when_that_came() -> None:
    seller = a_seller()
    say(seller, m.register(1, BUYER), NOON)
    (accept,) = [one for one in say(seller, a_bid(), NOON + 1) if isinstance(one, Send)]
    assert accept.answers == (Kind.BID, NOON + 1)
    say(seller, a_confirm(), NOON + 2)
    (outcome, _) = seller.concluded((BUYER, 7), 41, NOON + 9)
    assert isinstance(outcome, Send)
    assert outcome.answers == (Kind.BID_CONFIRM, NOON + 2)


def test_a_bidder_that_never_registered_is_told_of_its_sale_when_it_confirms_again() -> None:
    seller = a_seller()
    accepted(seller, a_bid())
    say(seller, a_confirm())
    assert sent(seller.concluded((BUYER, 7), 41, NOON)) == []
    assert sent(say(seller, a_confirm())) == [m.bid_confirm(7, BESS, 18.0, 10.0)]


def test_a_price_off_the_tick_is_rounded_down() -> None:
    seller = a_seller()
    (answer,) = sent(say(seller, a_bid(cents=18.123_456)))
    assert answer.sale_price == 18.123
    assert concludes(say(seller, a_confirm(cents=18.123_456)))


def test_the_last_sale_tells_that_the_battery_is_depleted() -> None:
    seller = a_seller(bess=a_bess(level_wh=80_000, percentage=100))
    accepted(seller, a_bid(cents=40, kwh=79.95))
    say(seller, a_confirm(cents=40, kwh=79.95))
    effects = seller.concluded((BUYER, 7), 41, NOON)
    assert [type(one) for one in told(effects)] == [AuctionCompleted, EnergyDepleted]


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (a_bid(cents=13.4999), RejectCode.PRICE_TOO_LOW),
        (a_bid(cents=-1), RejectCode.PRICE_TOO_LOW),
        (a_bid(cents=-1e300), RejectCode.PRICE_TOO_LOW),
        (a_bid(kwh=40.001), RejectCode.INSUFFICIENT_ENERGY),
        (a_bid(kwh=1e300), RejectCode.INSUFFICIENT_ENERGY),
        (a_bid(kwh=0), RejectCode.NOTHING_ASKED),
        (a_bid(kwh=0.000_999), RejectCode.NOTHING_ASKED),
    ],
)
def test_a_bid_that_cannot_be_taken_is_rejected(message: Message, code: RejectCode) -> None:
    seller = a_seller()
    effects = say(seller, message)
    assert sent(effects) == [m.bid_reject(7, BESS, code)]
    assert isinstance(told(effects)[-1], BidRejected)
    assert bid_of(seller).stage is Stage.REJECTED
    assert seller.reserved_wh == 0


def test_a_battery_that_is_offline_rejects() -> None:
    seller = a_seller()
    seller.bess.is_online = False
    assert sent(say(seller, a_bid())) == [m.bid_reject(7, BESS, RejectCode.OFFLINE)]
    assert seller.stage is Stage.IDLE


def test_the_policy_may_be_the_gateways() -> None:
    seller = a_seller(Rules(judge=judge_as_gateway))
    assert sent(say(seller, a_bid(kwh=10.001))) == [
        m.bid_reject(7, BESS, RejectCode.INSUFFICIENT_ENERGY)
    ]


def test_what_the_market_would_not_take_is_not_accepted() -> None:
    def fault(bidder: int, price: int, energy_wh: int) -> RejectCode | None:
        assert (price, energy_wh) == (18 * CENT, 10_000)
        return RejectCode.MARKET_REFUSED if bidder == BUYER else None

    seller = a_seller(market_fault=fault)
    assert sent(say(seller, a_bid())) == [m.bid_reject(7, BESS, RejectCode.MARKET_REFUSED)]
    accepted(seller, a_bid(of=RIVAL))


def test_what_is_promised_to_one_is_not_promised_to_another() -> None:
    seller = a_seller()
    accepted(seller, a_bid(kwh=25))
    effects = say(seller, a_bid(8, kwh=15.001, of=RIVAL))
    assert sent(effects) == [m.bid_reject(8, BESS, RejectCode.INSUFFICIENT_ENERGY)]
    accepted(seller, a_bid(9, kwh=15, of=RIVAL))


def test_beyond_the_most_promises_a_bid_is_not_even_remembered() -> None:
    seller = a_seller(Rules(promised_max=1))
    accepted(seller, a_bid(kwh=1))
    assert sent(say(seller, a_bid(8, kwh=1))) == [m.bid_reject(8, BESS, RejectCode.TOO_MANY)]
    assert [bid.key for bid in seller.bids] == [(BUYER, 7)]
    say(seller, m.terminate(7, BUYER))
    accepted(seller, a_bid(8, kwh=1))


# --- repetitions -------------------------------------------------------------------------------


def test_a_repeated_bid_is_answered_alike_at_every_stage() -> None:
    seller = a_seller()
    first = sent(say(seller, a_bid()))
    assert sent(say(seller, a_bid(), NOON + 1)) == first
    assert seller.reserved_wh == 10_000
    say(seller, a_confirm(), NOON + 2)
    assert say(seller, a_bid(), NOON + 3) == []
    assert say(seller, a_confirm(), NOON + 3) == []
    seller.concluded((BUYER, 7), 41, NOON + 4)
    settlement = [m.bid_confirm(7, BESS, 18.0, 10.0)]
    assert sent(say(seller, a_bid(), NOON + 5)) == settlement
    assert sent(say(seller, a_confirm(), NOON + 5)) == settlement
    assert seller.bess.level_wh == 70_000


def test_a_repeated_bid_does_not_prolong_its_reservation() -> None:
    seller = a_seller()
    accepted(seller, a_bid())
    accepted(seller, a_bid(), NOON + 499 * MS)
    assert seller.due() == NOON + 500 * MS


def test_a_rejected_bid_is_rejected_again_though_it_would_now_do() -> None:
    seller = a_seller(bess=a_bess(level_wh=50_000))
    first = sent(say(seller, a_bid(cents=14)))
    seller.bess.recharge(1_000)
    assert sent(say(seller, a_bid(cents=14))) == first


def test_a_bid_that_ended_without_a_sale_hears_so_again() -> None:
    seller = a_seller()
    accepted(seller, a_bid())
    over = sent(seller.tick(NOON + SECOND))
    assert over == [m.terminate(7, BESS, TerminateCode.EXPIRED)]
    assert sent(say(seller, a_bid(), NOON + SECOND)) == over
    assert sent(say(seller, a_confirm(), NOON + SECOND)) == over


def test_another_bid_with_the_same_id_is_rejected_and_the_first_stands() -> None:
    seller = a_seller()
    accepted(seller, a_bid())
    for other in (a_bid(cents=19), a_bid(kwh=9)):
        assert sent(say(seller, other)) == [m.bid_reject(7, BESS, RejectCode.ID_REUSED)]
    assert bid_of(seller).stage is Stage.ACCEPTED


def test_the_same_id_of_another_device_is_another_bid() -> None:
    seller = a_seller()
    accepted(seller, a_bid())
    accepted(seller, a_bid(cents=19, kwh=5, of=RIVAL))
    assert seller.reserved_wh == 15_000


# --- confirmations -----------------------------------------------------------------------------


@pytest.mark.parametrize("confirm", [a_confirm(cents=17.9), a_confirm(kwh=9.999)])
def test_confirming_anything_else_ends_the_bid(confirm: Message) -> None:
    seller = a_seller()
    accepted(seller, a_bid())
    assert sent(say(seller, confirm)) == [m.terminate(7, BESS, TerminateCode.MISMATCH)]
    assert bid_of(seller).stage is Stage.TERMINATED
    assert seller.reserved_wh == 0
    assert sent(say(seller, a_confirm())) == [m.terminate(7, BESS, TerminateCode.MISMATCH)]


def test_confirming_what_was_never_accepted_ends_it() -> None:
    seller = a_seller(WINDOW)
    say(seller, a_bid())
    assert sent(say(seller, a_confirm())) == [m.terminate(7, BESS, TerminateCode.MISMATCH)]
    assert sent(seller.tick(NOON + SECOND)) == []


def test_a_rejected_bid_that_is_confirmed_hears_an_end() -> None:
    # Its bidder heard an acceptance before the battery restarted, and asks until it ends.
    seller = a_seller()
    say(seller, a_bid(cents=1))
    unknown = [m.terminate(7, BESS, TerminateCode.UNKNOWN_BID)]
    assert sent(say(seller, a_confirm(cents=1))) == unknown
    assert bid_of(seller).stage is Stage.REJECTED


def test_an_unknown_confirmation_hears_that_it_is_unknown() -> None:
    seller = a_seller()
    assert sent(say(seller, a_confirm())) == [m.terminate(7, BESS, TerminateCode.UNKNOWN_BID)]
    assert list(seller.bids) == []


@pytest.mark.parametrize(
    ("later_us", "is_in_time"), [(500 * MS - 1, True), (500 * MS, False), (500 * MS + 1, False)]
)
def test_at_the_end_of_its_time_a_confirmation_is_late(later_us: int, is_in_time: bool) -> None:
    seller = a_seller()
    accepted(seller, a_bid())
    effects = say(seller, a_confirm(), NOON + later_us)
    assert bool(concludes(effects)) is is_in_time
    if not is_in_time:
        assert set(sent(effects)) == {m.terminate(7, BESS, TerminateCode.EXPIRED)}
        assert bid_of(seller).stage is Stage.EXPIRED
        assert seller.reserved_wh == 0


def test_what_the_market_was_told_of_does_not_expire() -> None:
    seller = a_seller()
    accepted(seller, a_bid())
    say(seller, a_confirm())
    assert seller.tick(NOON + 3_600 * SECOND) == []
    assert seller.reserved_wh == 10_000
    assert sent(say(seller, a_bid(8, kwh=30.001, of=RIVAL), NOON + 3_600 * SECOND)) == [
        m.bid_reject(8, BESS, RejectCode.INSUFFICIENT_ENERGY)
    ]


def test_a_battery_is_concluding_until_the_market_answers() -> None:
    seller = a_seller()
    accepted(seller, a_bid())
    before = seller.is_concluding
    say(seller, a_confirm())
    assert (before, seller.is_concluding) == (False, True)
    seller.concluded((BUYER, 7), 41, NOON)
    assert (before, seller.is_concluding) == (False, False)


def test_a_sale_that_the_market_refuses_releases_the_energy() -> None:
    seller = a_seller()
    accepted(seller, a_bid())
    say(seller, a_confirm())
    over = [m.terminate(7, BESS, TerminateCode.MARKET_REFUSED)]
    assert sent(seller.concluded((BUYER, 7), None, NOON)) == over
    assert (seller.bess.level_wh, seller.reserved_wh) == (80_000, 0)
    assert sent(say(seller, a_confirm())) == over


def test_an_answer_of_the_market_that_nobody_waits_for_is_a_bug() -> None:
    seller = a_seller()
    settled(seller)
    for key in ((BUYER, 7), (BUYER, 8)):
        with pytest.raises(InvariantBroken, match="the market answers what it was told"):
            seller.concluded(key, 6, NOON)
