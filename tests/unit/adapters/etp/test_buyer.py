"""An aggregator's sessions: from a bid to its one end."""

from __future__ import annotations

from itertools import count

import pytest

from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.amounts import price_down
from wattbay.adapters.etp.auctions import Broadcast, Effect, Ended, Keep, Send, Stage
from wattbay.adapters.etp.buyer import Buyer, Patience
from wattbay.adapters.etp.messages import Message, TerminateCode
from wattbay.periods import SECOND

BESS, OTHER, BUYER = 101, 102, 201
NOON = 1_000_000_000
CENT = 10_000
PRICE, ENERGY_WH = 18 * CENT, 10_000
ACCEPT = m.bid_accept(1, BESS, 18.0, 10.0)
CONFIRM = Send(BESS, m.bid_confirm(1, BUYER, 18.0, 10.0))
SETTLED = m.bid_confirm(1, BESS, 18.0, 10.0)


def a_buyer(patience: Patience | None = None, *, bess_registers: bool = True) -> Buyer:
    """Return an aggregator whose message ids count from 1."""
    ids = count(1)
    buyer = Buyer(BUYER, lambda: next(ids), patience)
    if bess_registers:
        assert buyer.hear(BESS, m.register(99, BESS), NOON) == []
    return buyer


def a_bidder(patience: Patience | None = None, *, bess_registers: bool = True) -> Buyer:
    """Return an aggregator that bid 18 ¢/kWh for 10 kWh, with id 1."""
    buyer = a_buyer(patience, bess_registers=bess_registers)
    assert buyer.bid(BESS, PRICE, ENERGY_WH, NOON) == Send(BESS, m.bid(1, BUYER, 18.0, 10.0))
    return buyer


def a_confirmer() -> Buyer:
    """Return one whose bid was accepted, and that confirmed it."""
    buyer = a_bidder()
    buyer.hear(BESS, ACCEPT, NOON)
    return buyer


def stages(buyer: Buyer) -> list[Stage]:
    return [bid.stage for bid in (*buyer.live, *buyer.ended)]


def end(stage: Stage, code: int = 0, number: int = 1, price: int = PRICE) -> Ended:
    return Ended(BESS, number, stage, code, price, ENERGY_WH)


def over(number: int = 1, code: int = TerminateCode.EXPIRED) -> Send:
    return Send(BESS, m.terminate(number, BUYER, code))


# --- from a bid to a sale ----------------------------------------------------------------------


def test_a_bid_that_is_accepted_is_written_down_then_confirmed_then_settled() -> None:
    buyer = a_bidder()
    assert buyer.at_stake_nano == PRICE * ENERGY_WH
    kept = Keep(BESS, 1, PRICE, ENERGY_WH)
    assert buyer.hear(BESS, ACCEPT, NOON + 1) == [kept, CONFIRM]
    assert stages(buyer) == [Stage.CONFIRMED]
    assert buyer.hear(BESS, SETTLED, NOON + 2) == [end(Stage.SETTLED)]
    assert buyer.at_stake_nano == 0
    assert buyer.due() is None
    assert buyer.counts == {"bids": 1, "settled": 1}


def test_with_a_battery_that_never_registers_back_the_confirmation_is_the_end() -> None:
    buyer = a_bidder(bess_registers=False)
    assert buyer.hear(BESS, ACCEPT, NOON) == [end(Stage.SETTLED), CONFIRM]
    assert list(buyer.live) == []


def test_a_lower_price_than_was_bid_is_taken() -> None:
    buyer = a_bidder()
    kept, confirmation = buyer.hear(BESS, m.bid_accept(1, BESS, 17.5, 10.0), NOON)
    assert kept == Keep(BESS, 1, 175_000, ENERGY_WH)
    assert confirmation == Send(BESS, m.bid_confirm(1, BUYER, 17.5, 10.0))
    assert buyer.at_stake_nano == 175_000 * ENERGY_WH


@pytest.mark.parametrize(
    "accept",
    [
        m.bid_accept(1, BESS, 18.0001, 10.0),
        m.bid_accept(1, BESS, 18.000_000_1, 10.0),
        m.bid_accept(1, BESS, 18.0, 9.999),
        m.bid_accept(1, BESS, 18.0, 10.001),
        m.bid_accept(1, BESS, 1e300, 10.0),
    ],
)
def test_what_is_accepted_dearer_or_in_part_is_given_up(accept: Message) -> None:
    buyer = a_bidder()
    assert buyer.hear(BESS, accept, NOON) == [
        over(code=TerminateCode.MISMATCH),
        end(Stage.TERMINATED, TerminateCode.MISMATCH),
    ]


def test_what_is_said_goes_to_whom_it_is_said() -> None:
    buyer = a_buyer()
    assert buyer.register(OTHER) == Send(OTHER, m.register(1, BUYER))
    assert buyer.query(OTHER) == Send(OTHER, m.query(2, BUYER))


def test_beyond_the_most_bids_none_is_made() -> None:
    buyer = a_bidder(Patience(bids_max=1))
    assert buyer.bid(BESS, PRICE, ENERGY_WH, NOON) is None
    buyer.hear(BESS, m.bid_reject(1, BESS, 1), NOON)
    assert buyer.bid(BESS, PRICE, ENERGY_WH, NOON) is not None


# --- other ends --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "stage", "code"),
    [
        (m.bid_reject(1, BESS, 1), Stage.REJECTED, 1),
        (m.terminate(1, BESS, TerminateCode.SHUTDOWN), Stage.TERMINATED, 5),
        (m.terminate(1, BESS, TerminateCode.EXPIRED), Stage.EXPIRED, 1),
        (m.device_failure(0, BESS, 3), Stage.FAILED, 3),
    ],
)
def test_a_bid_that_was_not_confirmed_ends_by_what_the_battery_says(
    message: Message, stage: Stage, code: int
) -> None:
    buyer = a_bidder()
    assert buyer.hear(BESS, message, NOON) == [end(stage, code)]
    assert buyer.hear(BESS, message, NOON) == []
    assert stages(buyer) == [stage]


@pytest.mark.parametrize(
    ("code", "stage"),
    [
        (TerminateCode.EXPIRED, Stage.EXPIRED),
        (TerminateCode.UNKNOWN_BID, Stage.TERMINATED),
        (TerminateCode.MARKET_REFUSED, Stage.TERMINATED),
    ],
)
def test_a_confirmed_bid_ends_by_the_batterys_word(code: int, stage: Stage) -> None:
    buyer = a_confirmer()
    assert buyer.hear(BESS, m.terminate(1, BESS, code), NOON) == [end(stage, code)]


def test_a_confirmed_bid_is_neither_rejected_nor_failed() -> None:
    buyer = a_confirmer()
    assert buyer.hear(BESS, m.bid_reject(1, BESS, 1), NOON) == []
    assert buyer.hear(BESS, m.device_failure(0, BESS, 2), NOON) == []
    assert stages(buyer) == [Stage.CONFIRMED]


def test_a_battery_speaks_of_its_own_bids_alone() -> None:
    buyer = a_bidder()
    for message in (
        m.bid_reject(1, OTHER, 1),
        m.terminate(1, OTHER),
        m.device_failure(0, OTHER, 2),
    ):
        assert buyer.hear(OTHER, message, NOON) == []
    assert stages(buyer) == [Stage.OPEN]


def test_an_outcome_before_a_confirmation_is_none() -> None:
    buyer = a_bidder()
    assert buyer.hear(BESS, SETTLED, NOON) == []
    assert stages(buyer) == [Stage.OPEN]


def test_what_a_battery_has_and_how_it_is_changes_nothing() -> None:
    buyer = a_bidder()
    for message in (m.query_response(1, BESS, 80, 50), m.bess_status(1, BESS, 80, 1, 12.6, 5)):
        assert buyer.hear(BESS, message, NOON) == []


# --- time --------------------------------------------------------------------------------------


def test_a_bid_that_nobody_answers_is_given_up_and_never_confirmed() -> None:
    buyer = a_bidder()
    assert buyer.due() == NOON + 2 * SECOND
    assert buyer.tick(NOON + 2 * SECOND - 1) == []
    assert buyer.tick(NOON + 2 * SECOND) == [end(Stage.EXPIRED, TerminateCode.EXPIRED), over()]
    assert buyer.hear(BESS, ACCEPT, NOON + 2 * SECOND) == [over()]
    assert stages(buyer) == [Stage.EXPIRED]


def test_an_answer_at_the_instant_when_patience_ends_is_late() -> None:
    buyer = a_bidder()
    effects = buyer.hear(BESS, ACCEPT, NOON + 2 * SECOND)
    assert effects == [end(Stage.EXPIRED, TerminateCode.EXPIRED), over(), over()]


def test_a_confirmed_bid_is_asked_after_ever_more_seldom_and_never_given_up() -> None:
    buyer = a_confirmer()
    waits, now = [], NOON
    for _ in range(40):
        due = buyer.due()
        assert due is not None
        assert buyer.tick(due - 1) == []
        assert buyer.tick(due) == [CONFIRM]
        waits.append((due - now) // SECOND)
        now = due
    assert waits[:7] == [1, 2, 4, 8, 16, 30, 30]
    assert set(waits[7:]) == {30}
    assert buyer.hear(BESS, SETTLED, now) == [end(Stage.SETTLED)]


def test_the_next_thing_due_is_that_of_a_bid_without_an_outcome() -> None:
    buyer = a_bidder()
    buyer.bid(BESS, PRICE, ENERGY_WH, NOON + 5)
    assert buyer.due() == NOON + 2 * SECOND
    buyer.hear(BESS, m.bid_reject(1, BESS, 1), NOON + 6)
    assert buyer.due() == NOON + 5 + 2 * SECOND


# --- repetitions -------------------------------------------------------------------------------


def test_a_repeated_acceptance_is_confirmed_again_until_the_outcome_is_known() -> None:
    buyer = a_confirmer()
    assert buyer.hear(BESS, ACCEPT, NOON) == [CONFIRM]
    buyer.hear(BESS, SETTLED, NOON)
    assert buyer.hear(BESS, ACCEPT, NOON) == []
    assert buyer.hear(BESS, SETTLED, NOON) == []
    assert buyer.counts["settled"] == 1


def test_an_acceptance_of_a_bid_that_nobody_knows_is_given_up_and_ends_no_other() -> None:
    buyer = a_buyer()
    assert buyer.hear(BESS, m.bid_accept(77, BESS, 18.0, 10.0), NOON) == [over(77)]
    assert over(77).message.termination_code != TerminateCode.NORMAL


# --- links and restarts ------------------------------------------------------------------------


def test_on_a_new_link_what_was_not_answered_is_said_again() -> None:
    buyer = a_confirmer()
    second = buyer.bid(BESS, PRICE, ENERGY_WH, NOON)
    buyer.bid(OTHER, PRICE, ENERGY_WH, NOON)
    assert buyer.linked(BESS, NOON + 1) == [CONFIRM, second]
    assert buyer.linked(BESS, NOON + 2 * SECOND) == [CONFIRM]


def test_a_bid_that_was_written_down_is_asked_after_at_once_after_a_restart() -> None:
    buyer = a_buyer(bess_registers=False)
    buyer.restore(Keep(BESS, 1, PRICE, ENERGY_WH), NOON)
    assert buyer.due() == NOON
    assert buyer.tick(NOON) == [CONFIRM]
    assert buyer.linked(BESS, NOON) == [CONFIRM]
    assert buyer.hear(BESS, SETTLED, NOON) == [end(Stage.SETTLED)]


def test_a_bid_that_was_written_down_ends_where_the_battery_knows_nothing_of_it() -> None:
    buyer = a_buyer()
    buyer.restore(Keep(BESS, 1, PRICE, ENERGY_WH), NOON)
    unknown = m.terminate(1, BESS, TerminateCode.UNKNOWN_BID)
    assert buyer.hear(BESS, unknown, NOON - 1) == [end(Stage.TERMINATED, TerminateCode.UNKNOWN_BID)]


# --- failing and stopping ----------------------------------------------------------------------


def a_buyer_of_two() -> Buyer:
    """Return one with a confirmed bid of id 1, and an open one of id 2."""
    buyer = a_confirmer()
    buyer.bid(BESS, PRICE, ENERGY_WH, NOON)
    return buyer


def test_an_aggregator_that_fails_tells_everybody_and_asks_after_what_it_confirmed() -> None:
    buyer = a_buyer_of_two()
    effects: list[Effect] = [
        end(Stage.FAILED, 6, number=2), Broadcast(m.device_failure(0, BUYER, 6)),
    ]  # fmt: skip
    assert buyer.fail(6) == effects
    assert stages(buyer) == [Stage.CONFIRMED, Stage.FAILED]


def test_an_aggregator_that_stops_gives_up_what_it_did_not_confirm() -> None:
    buyer = a_buyer_of_two()
    code = TerminateCode.SHUTDOWN
    assert buyer.stop() == [end(Stage.TERMINATED, code, number=2), over(2, code)]
    assert stages(buyer) == [Stage.CONFIRMED, Stage.TERMINATED]
    assert buyer.stop() == []


# --- memory ------------------------------------------------------------------------------------


def test_only_so_many_ends_are_remembered() -> None:
    buyer = a_buyer(Patience(remembered_max=3))
    for number in range(1, 11):
        buyer.bid(BESS, PRICE, ENERGY_WH, NOON)
        buyer.hear(BESS, m.bid_reject(number, BESS, 1), NOON)
    assert [bid.message_id for bid in buyer.ended] == [8, 9, 10]
    assert buyer.counts["rejected"] == 10
    assert buyer.due() is None


def test_ten_thousand_bids_at_a_time_each_end_once() -> None:
    buyer = a_buyer()
    for number in range(10_000):
        buyer.bid(BESS, PRICE, ENERGY_WH, NOON + number)
    ended = [one for one in buyer.tick(NOON + 3 * SECOND) if isinstance(one, Ended)]
    assert len({one.message_id for one in ended}) == len(ended) == 10_000
    assert list(buyer.live) == []


def test_a_price_has_four_decimals_on_the_wire() -> None:
    sent = a_buyer().bid(BESS, 180_003, 1, NOON)
    assert sent is not None
    assert (sent.message.bid_price, sent.message.required_energy_amount) == (18.0003, 0.001)
    assert price_down(sent.message.bid_price) == 180_003
