from __future__ import annotations

import pytest

from tests.slow_book import CLIPS_MAX, SlowBook
from wattbay.core.facts import SelfTrade
from wattbay.core.market.book import Book
from wattbay.core.market.pools import Pools
from wattbay.core.market.steps import (
    BUY,
    SELL,
    Amend,
    BookPhase,
    BookRules,
    Cancel,
    CancelAll,
    Cancelled,
    Crossed,
    Entered,
    Moved,
    New,
    Outcome,
    Passed,
    Phase,
    Phased,
    Reduced,
    Refusal,
    Refused,
    Release,
    Released,
    Step,
    Terms,
    Time,
    Trade,
)
from wattbay.core.terms import Ended, Kind, TimeInForce
from wattbay.errors import InvariantBroken


def trade(
    *steps: Step, rules: BookRules | None = None, pools: Pools | None = None
) -> tuple[Book, list[Outcome]]:
    """Send steps to a book, and return what trades or ends; the slow book must say the same."""
    rules = rules or BookRules()
    book, slow = Book(rules), SlowBook(rules, pools)
    if pools is not None:
        pools.lay(book)
    outcomes = [one for one in book.enter(steps) if not isinstance(one, Passed)]
    assert [outcome for step in steps for outcome in slow.enter(step)] == outcomes
    assert (book.side(BUY), book.side(SELL)) == (slow.side(BUY), slow.side(SELL))
    assert book.stops() == slow.stops()
    heads = (Entered, Moved, Reduced, Released, Phased)
    return book, [one for one in outcomes if not isinstance(one, heads)]


def a_bid(
    number: int, limit: int | None, quantity: int = 1, party: int = 0, **terms: object
) -> New:
    return New(number, party, BUY, limit, quantity, Terms(**terms))  # type: ignore[arg-type]


def an_offer(
    number: int, limit: int | None, quantity: int = 1, party: int = 0, **terms: object
) -> New:
    return New(number, party, SELL, limit, quantity, Terms(**terms))  # type: ignore[arg-type]


def test_book_begins_empty_without_a_last_price() -> None:
    book, outcomes = trade()
    assert (book.last, book.now, book.is_closed, outcomes) == (None, 0, False, [])
    assert book.side(BUY) == book.side(SELL) == []


def test_order_in_the_middle_of_a_queue_leaves_it_whole() -> None:
    offers = [New(n, 0, SELL, 7, 1) for n in (1, 2, 3)]
    book, _ = trade(*offers, Cancel(2), New(4, 0, BUY, 7, 1))
    assert book.side(SELL) == [(7, [(3, 1)])]


def test_level_that_empties_is_gone_and_comes_back() -> None:
    book, outcomes = trade(
        New(1, 0, SELL, 7, 1), New(2, 0, SELL, 9, 1), Cancel(1), New(3, 0, BUY, 8, 1)
    )
    assert outcomes == [Cancelled(1, 1, Ended.USER)]
    book.enter([Cancel(3), New(4, 0, SELL, 7, 2)])
    assert book.side(SELL) == [(7, [(4, 2)]), (9, [(2, 1)])]


def test_largest_numbers_trade_exactly() -> None:
    most = 2**53 - 1
    _, outcomes = trade(
        New(1, 0, SELL, -most, most),
        New(2, 0, BUY, most, most),
        rules=BookRules(network_fee=most),
    )
    assert outcomes == [Trade(1, 2, -most, most)]


def test_iceberg_of_too_many_clips_is_refused_and_cannot_be_amended_into_one() -> None:
    _, outcomes = trade(
        an_offer(1, 7, CLIPS_MAX + 1, peak=1),
        an_offer(2, 7, CLIPS_MAX, peak=1),
        Amend(2, quantity=CLIPS_MAX + 1),
    )
    assert outcomes == [
        Refused("new", 1, Refusal.BAD_QUANTITY),
        Refused("amend", 2, Refusal.BAD_QUANTITY),
    ]


def test_market_order_cannot_be_given_a_limit() -> None:
    _, outcomes = trade(a_bid(1, None, kind=Kind.STOP, stop=5), Amend(1, limit=6))
    assert outcomes == [Refused("amend", 1, Refusal.BAD_CONDITION)]


def test_waiting_stop_that_is_made_larger_goes_behind_its_equals() -> None:
    _, outcomes = trade(
        an_offer(1, 10, 9),
        a_bid(2, None, 1, kind=Kind.STOP, stop=10),
        a_bid(3, None, 1, kind=Kind.STOP, stop=10),
        Amend(2, quantity=2),
        a_bid(4, 10),
    )
    assert [one.taker for one in outcomes if isinstance(one, Trade)] == [4, 3, 2]


def test_order_not_yet_valid_that_is_repriced_begins_behind_its_equals() -> None:
    book, _ = trade(
        an_offer(1, 8, valid_from=5),
        an_offer(2, 7, valid_from=5),
        Amend(1, limit=7),
        Time(5),
    )
    assert book.side(SELL) == [(7, [(2, 1), (1, 1)])]


def test_order_made_smaller_than_its_minimum_while_it_waits_trades_whole_or_not() -> None:
    _, outcomes = trade(
        a_bid(1, 7, 9, min_quantity=5, valid_from=3),
        Amend(1, quantity=2),
        an_offer(2, 7, 2),
        Time(3),
    )
    assert outcomes == [Trade(2, 1, 7, 2)]


def test_post_only_order_that_is_amended_onto_the_other_side_is_cancelled() -> None:
    _, outcomes = trade(an_offer(1, 9), a_bid(2, 7, post_only=True), Amend(2, limit=9))
    assert outcomes == [Cancelled(2, 1, Ended.POST_ONLY)]


def test_minimum_is_asked_for_on_entry_alone() -> None:
    _, outcomes = trade(
        an_offer(1, 7, 2), a_bid(2, 7, 5, min_quantity=2), an_offer(3, 8), Amend(2, limit=8)
    )
    assert outcomes == [Trade(1, 2, 7, 2), Trade(3, 2, 8, 1)]


def test_order_that_expires_at_an_instant_is_gone_then_and_one_that_begins_finds_it_gone() -> None:
    _, outcomes = trade(
        an_offer(1, 7, time_in_force=TimeInForce.GTD, expires=5),
        a_bid(2, 7, time_in_force=TimeInForce.IOC, valid_from=5),
        Time(9),
    )
    assert outcomes == [Cancelled(1, 1, Ended.EXPIRED), Cancelled(2, 1, Ended.IOC)]


def test_what_falls_due_happens_at_its_own_instant() -> None:
    _, outcomes = trade(
        an_offer(1, 7, time_in_force=TimeInForce.GTD, expires=6),
        a_bid(2, 7, time_in_force=TimeInForce.IOC, valid_from=5),
        Time(9),
    )
    assert outcomes == [Trade(1, 2, 7, 1)]


def test_order_that_ended_falls_due_no_more_though_its_number_lives_again() -> None:
    book, outcomes = trade(
        an_offer(1, 7, time_in_force=TimeInForce.GTD, expires=6), Cancel(1), an_offer(1, 8), Time(9)
    )
    assert outcomes == [Cancelled(1, 1, Ended.USER)]
    assert book.side(SELL) == [(8, [(1, 1)])]


def test_time_never_goes_back() -> None:
    with pytest.raises(InvariantBroken):
        trade(Time(5), Time(4))


def test_last_price_counts_when_the_order_is_complete() -> None:
    # The buyer's first trade, at 8, is below the stop; its last one, at 12, is what counts.
    book, _ = trade(
        an_offer(1, 8),
        an_offer(2, 12),
        an_offer(3, None, kind=Kind.STOP, stop=9),
        a_bid(4, 12, 2),
    )
    assert (book.last, book.stops()) == (12, [3])


def test_fill_or_kill_that_would_meet_its_own_party_first_does_nothing() -> None:
    for rule in (SelfTrade.NEWEST, SelfTrade.BOTH, SelfTrade.DECREMENT):
        book, outcomes = trade(
            an_offer(1, 6, 1, party=1),
            an_offer(2, 7, 9, party=2),
            a_bid(3, 7, 2, party=1, time_in_force=TimeInForce.FOK),
            rules=BookRules(self_trade=rule),
        )
        assert outcomes == [Cancelled(3, 2, Ended.FOK)]
        assert len(book.side(SELL)) == 2


def test_fill_or_kill_passes_over_its_own_party_where_the_oldest_gives_way() -> None:
    _, outcomes = trade(
        an_offer(1, 6, 1, party=1),
        an_offer(2, 7, 9, party=2),
        a_bid(3, 7, 2, party=1, time_in_force=TimeInForce.FOK),
        rules=BookRules(self_trade=SelfTrade.OLDEST),
    )
    assert outcomes == [Cancelled(1, 1, Ended.SELF_TRADE), Trade(2, 3, 7, 2)]


def test_orders_without_a_party_meet_nobody_of_their_own() -> None:
    _, outcomes = trade(
        New(1, 0, SELL, 7, 1), New(2, 0, BUY, 7, 1), rules=BookRules(self_trade=SelfTrade.BOTH)
    )
    assert outcomes == [Trade(1, 2, 7, 1)]


def test_equal_worth_across_zones_goes_to_the_earlier() -> None:
    rules = BookRules(network_fees={(1, 1): 0, (2, 1): 2})
    pools = Pools(rules)
    _, outcomes = trade(
        New(1, 0, pools.of(SELL, zone=2), 5, 1),
        New(2, 0, pools.of(SELL, zone=1), 7, 1),
        New(3, 0, pools.of(BUY, zone=1), 9, 2),
        rules=rules,
        pools=pools,
    )
    assert outcomes == [Trade(1, 3, 5, 1), Trade(2, 3, 7, 1)]


def test_what_is_open_on_a_side_is_bounded() -> None:
    book = Book(BookRules())
    most = 2**53 - 1
    outcomes = book.enter([New(n, 0, SELL, 7, most) for n in range(1, 300)])
    refused = [one.order for one in outcomes if isinstance(one, Refused)]
    assert refused == list(range(257, 300))
    assert book.enter([Amend(1, quantity=1), New(300, 0, SELL, 7, most)])[1:] == [
        Entered(300, 0, SELL, 7, most, Terms(), rests=most, waits=False)
    ]
    assert isinstance(book.plan(Amend(1, quantity=most))[0], Refused)


def test_price_and_quantity_beyond_what_is_exact_are_refused() -> None:
    _, outcomes = trade(
        an_offer(1, 2**53), an_offer(2, 7, 2**53), an_offer(3, 7), Amend(3, quantity=2**53)
    )
    assert outcomes == [
        Refused("new", 1, Refusal.PRICE_LIMIT),
        Refused("new", 2, Refusal.BAD_QUANTITY),
        Refused("amend", 3, Refusal.BAD_QUANTITY),
    ]


def test_named_partners_pass_others_by() -> None:
    _, outcomes = trade(
        an_offer(1, 5, party=1, partner=9),
        an_offer(2, 6, party=2),
        a_bid(3, 9, 2, party=3),
        a_bid(4, 9, party=9, partner=1),
    )
    assert outcomes == [Trade(2, 3, 6, 1), Trade(1, 4, 5, 1)]


def test_orders_before_trading_opens_rest_and_a_crossed_book_is_for_the_auction() -> None:
    book, outcomes = trade(
        Phase(BookPhase.PRE_OPEN),
        an_offer(1, 5, 3),
        a_bid(2, 9, 2),
        a_bid(3, None, kind=Kind.MARKET),
    )
    assert outcomes == [Refused("new", 3, Refusal.BAD_CONDITION)]
    book.fold([Crossed(2, 1, 7, 2), Phased(BookPhase.OPEN)])
    assert (book.side(SELL), book.side(BUY), book.last) == ([(5, [(1, 1)])], [], 7)
    assert book.phase is BookPhase.OPEN


def test_halted_book_lets_orders_end_and_shrink_alone() -> None:
    _, outcomes = trade(
        an_offer(1, 5, 3, time_in_force=TimeInForce.GTD, expires=4),
        an_offer(2, 6, 3),
        a_bid(3, 6, valid_from=2),
        Phase(BookPhase.HALTED),
        a_bid(4, 9),
        Amend(2, quantity=2),
        Amend(2, quantity=9),
        Amend(2, limit=5),
        Time(5),
        Phase(BookPhase.OPEN),
        Time(5),
        Cancel(2),
    )
    assert outcomes == [
        Refused("new", 4, Refusal.HALTED),
        Refused("amend", 2, Refusal.HALTED),
        Refused("amend", 2, Refusal.HALTED),
        Cancelled(1, 3, Ended.EXPIRED),
        Trade(2, 3, 6, 1),
        Cancelled(2, 1, Ended.USER),
    ]


def test_all_orders_of_a_party_end_by_birth() -> None:
    book, outcomes = trade(
        an_offer(1, 5, party=1), an_offer(2, 4, party=2), a_bid(3, 1, party=1), CancelAll(1)
    )
    assert outcomes == [Cancelled(1, 1, Ended.USER), Cancelled(3, 1, Ended.USER)]
    assert book.is_known(2)
    assert not book.is_known(1)
    assert (book.open_of(2), book.open_of(3)) == (1, 0)


def test_order_until_the_end_of_a_day_is_for_the_caller_to_resolve() -> None:
    _, outcomes = trade(an_offer(1, 5, time_in_force=TimeInForce.DAY))
    assert outcomes == [Refused("new", 1, Refusal.BAD_CONDITION)]


def test_pool_that_is_none_is_refused() -> None:
    _, outcomes = trade(New(1, 0, 0, 5, 1))
    assert outcomes == [Refused("new", 1, Refusal.BAD_CONDITION)]
    assert Pools(BookRules()).of(BUY, origin=1) == Pools(BookRules()).of(SELL, wants=1) == 0
    assert isinstance(Book(BookRules()).plan(New(1, 0, 7, 5, 1))[0], Refused)


def test_book_tells_when_something_falls_due() -> None:
    book = Book(BookRules())
    assert book.due() is None
    book.enter([an_offer(1, 5, valid_from=9)])
    assert book.due() == 9
    book.enter([an_offer(2, 5, time_in_force=TimeInForce.GTD, expires=7)])
    assert book.due() == 7
    book.enter([Phase(BookPhase.HALTED), Time(8)])
    assert book.due() is None


def test_stop_acts_as_a_step_of_its_own() -> None:
    book = Book(BookRules())
    book.enter([an_offer(1, 5), an_offer(2, 6, 2), a_bid(3, 5)])
    book.fold(book.plan(a_bid(4, None, kind=Kind.STOP, stop=5)))
    assert (book.released(), book.stops()) == (4, [4])
    assert book.plan(Release(1)) == [Refused("release", 1, Refusal.UNKNOWN_ORDER)]
    book.fold(book.plan(Release(4)))
    assert (book.released(), book.stops(), book.last) == (0, [], 6)


def test_self_trade_after_a_trade_leaves_the_price_of_the_trade_the_last() -> None:
    for rule in SelfTrade:
        book, _ = trade(
            an_offer(1, 5, party=2),
            an_offer(2, 6, party=1),
            a_bid(3, 6, 2, party=1),
            rules=BookRules(self_trade=rule),
        )
        assert book.last == 5
