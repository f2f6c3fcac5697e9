"""Laws of continuous trading, against a slow book and by themselves."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.book_flows import (
    Wanted,
    a_book,
    a_rule,
    a_step,
    placed,
    plan_and_fold,
    together,
)
from tests.slow_book import SlowBook
from wattbay.core.facts import SelfTrade
from wattbay.core.market.book import Book
from wattbay.core.market.packed import pack_outcomes
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
    Close,
    Entered,
    Moved,
    New,
    Outcome,
    Phase,
    Refusal,
    Refused,
    Step,
    Terms,
    Time,
    Trade,
    TurnAway,
)
from wattbay.core.terms import Kind, TimeInForce

# Few of each, so that orders meet.
numbers = st.integers(1, 12)
parties = st.integers(0, 3)
sides = st.sampled_from((BUY, SELL))
prices = st.integers(-2, 3)
quantities = st.integers(1, 9)
fees = st.one_of(
    st.none(),
    st.none(),
    st.fixed_dictionaries({(1, 1): st.just(0), (1, 2): st.integers(-1, 2), (2, 1): st.just(1)}),
)
rules = st.builds(
    BookRules,
    self_trade=st.sampled_from((None, *SelfTrade)),
    price_min=st.sampled_from((None, None, None, -1)),
    price_max=st.sampled_from((None, None, None, 2)),
    network_fee=st.integers(-1, 1),
    network_fees=fees,
    parents=st.just((0, 0, 1, 1)),
)


@st.composite
def wanted(draw: st.DrawFn) -> Wanted:
    """Draw an order: plain, or with terms that mostly go together."""
    side, limit = draw(sides), draw(prices)
    number, party, quantity = draw(numbers), draw(parties), draw(quantities)
    zone = draw(st.integers(1, 2))
    if draw(st.integers(0, 9)) < 5:
        return Wanted(New(number, party, side, limit, quantity), zone)
    kind = draw(st.sampled_from(Kind))
    lasting = draw(st.sampled_from(TimeInForce))
    has_limit = kind in (Kind.LIMIT, Kind.STOP_LIMIT)
    may_rest = has_limit and lasting in (TimeInForce.GTC, TimeInForce.GTD)
    special = draw(st.sampled_from(("", "", "peak", "peak", "post_only", "min_quantity", "wrong")))
    terms = Terms(
        kind=kind,
        time_in_force=lasting,
        stop=draw(prices) if kind in (Kind.STOP, Kind.STOP_LIMIT) else None,
        protection=None if has_limit else draw(st.none() | prices),
        min_quantity=draw(st.integers(0, quantity)) if special == "min_quantity" else 0,
        post_only=special == "post_only" and (may_rest or draw(st.booleans())),
        peak=draw(st.integers(0, 4)) if special == "peak" and may_rest else None,
        valid_from=draw(st.sampled_from((None, None, None, 2, 5, 9, 14))),
        expires=draw(st.integers(3, 25)) if lasting is TimeInForce.GTD else None,
        request=draw(st.sampled_from((0, 0, 0, 0, 0, 1, 2))),
        partner=draw(st.sampled_from((0, 0, 0, 0, 1, 2))),
    )
    origin = draw(st.sampled_from((0, 1, 2, 3))) if side == SELL else 0
    wants = draw(st.sampled_from((0, 0, 0, 1, 2))) if side == BUY else 0
    names_limit = has_limit != (special == "wrong")
    new = New(number, party, side, limit if names_limit else None, quantity, terms)
    return Wanted(new, zone, origin, wants)


amendments = st.builds(
    Amend,
    numbers,
    st.sampled_from((0, 0, 0, 1)),
    st.none() | prices,
    st.none() | st.integers(1, 15) | st.integers(-1, 15),
)
cancellations = st.builds(Cancel, numbers, st.sampled_from((0, 0, 1)))
asked = st.one_of(wanted(), wanted(), wanted(), wanted(), amendments, cancellations)


class TradingMachine(RuleBasedStateMachine):
    """Sends steps to a book and to the slow one, and compares them after each."""

    @initialize(rules=rules)
    def open(self, rules: BookRules) -> None:
        self.kept = rules
        self.pools = Pools(rules)
        self.book, self.slow = Book(rules), SlowBook(rules, self.pools)
        self.planned, self.folded = Book(rules), Book(rules)
        self.now = 0
        self.count = 0
        self.placed: dict[int, New] = {}
        self.limits: dict[int, int | None] = {}
        self.filled: Counter[int] = Counter()
        self.ended: Counter[int] = Counter()
        self.totals: Counter[int] = Counter()

    def send(self, step: Step) -> list[Outcome]:
        outcomes = self.book.enter([step])
        assert together(outcomes) == self.slow.enter(step)
        assert plan_and_fold(self.planned, self.folded, step) == outcomes
        numbers = self.book.dump()
        assert self.planned.dump() == numbers
        assert self.folded.dump() == numbers
        return outcomes

    def follow(self, outcomes: list[Outcome]) -> None:
        """Keep the books of each order, and check what holds of every trade."""
        for outcome in outcomes:
            match outcome:
                case Trade(maker, taker, price, quantity):
                    assert quantity > 0
                    pair = (self.placed[maker], self.placed[taker])
                    buy, sell = sorted(pair, key=lambda new: -new.pool)
                    fee = fee_between(self.pools, buy, sell)
                    assert fee is not None
                    low, high = self.limits[sell.order], self.limits[buy.order]
                    assert low is None or price >= low
                    assert high is None or price + fee <= high
                    if self.kept.self_trade is not None and buy.party:
                        assert buy.party != sell.party
                    self.filled[maker] += quantity
                    self.filled[taker] += quantity
                case Cancelled(number, quantity, _):
                    assert quantity > 0
                    self.ended[number] += quantity
                case _:
                    pass

    @rule(asked=wanted(), again=st.integers(0, 9))
    def place(self, asked: Wanted, again: int) -> None:
        new = placed(asked, self.pools)
        assert isinstance(new, New)
        for book in (self.book, self.planned, self.folded):
            self.pools.lay(book)
        if again:
            self.count += 1
            new = new._replace(order=self.count)
        before = new.terms.request and (new.party, new.terms.request) in self.slow.requests
        living = any(order.new.order == new.order for order in self.slow.orders)
        refused = self.slow.reason(new)
        if not before and refused is None:
            assert not living
            number = new.order
            self.placed[number] = new
            self.limits[number] = new.terms.protection if new.limit is None else new.limit
            self.totals[number] = new.quantity
            self.filled[number] = self.ended[number] = 0
        outcomes = self.send(new)
        assert not before or not outcomes
        self.follow(outcomes)
        if not before and refused is None:
            got = self.filled[new.order]
            if new.terms.time_in_force is TimeInForce.FOK and new.terms.kind in (
                Kind.LIMIT,
                Kind.MARKET,
            ):
                assert got in (0, new.quantity)
            assert got == 0 or got >= new.terms.min_quantity
            assert got == 0 or not new.terms.post_only

    def aimed(self, number: int) -> int:
        """Return the number of an order that lives, or else the number itself."""
        living = [order.new.order for order in self.slow.orders]
        return living[number % len(living)] if living else number

    @rule(amend=amendments)
    def change(self, amend: Amend) -> None:
        amend = amend._replace(order=self.aimed(amend.order))
        order = next((o for o in self.slow.orders if o.new.order == amend.order), None)
        shrinks_away = False
        if order is not None and amend.quantity is not None:
            shrinks_away = amend.quantity <= order.filled
        saved = dict(self.limits)
        if amend.limit is not None and order is not None and order.new.limit is not None:
            self.limits[amend.order] = amend.limit
        outcomes = self.send(amend)
        if any(isinstance(outcome, Refused) for outcome in outcomes):
            self.limits = saved
        elif amend.quantity is not None and not shrinks_away:
            # A total is what is filled, ended since by a self-trade, and open.
            self.totals[amend.order] = amend.quantity + self.ended[amend.order]
        self.follow(outcomes)

    @rule(cancel=cancellations)
    def cancel(self, cancel: Cancel) -> None:
        self.follow(self.send(cancel._replace(order=self.aimed(cancel.order))))

    @rule(away=st.integers(0, 4))
    def wait(self, away: int) -> None:
        self.now += away
        self.follow(self.send(Time(self.now)))

    @rule(number=numbers, request=st.sampled_from((0, 1)))
    def turn_away(self, number: int, request: int) -> None:
        self.send(TurnAway("new", number, Refusal.OFF_TICK, 1, request))

    @rule(party=parties)
    def cancel_all(self, party: int) -> None:
        self.follow(self.send(CancelAll(party)))

    @rule(is_halted=st.booleans())
    def halt_or_go_on(self, *, is_halted: bool) -> None:
        self.follow(self.send(Phase(BookPhase.HALTED if is_halted else BookPhase.OPEN)))

    @rule()
    def keep(self) -> None:
        """Go on with a book that was kept and read again, and with a copy."""
        numbers = self.book.dump()
        self.book = self.book.copy()
        self.planned = Book(self.kept)
        self.planned.load(numbers)
        assert self.planned.dump() == self.book.dump() == numbers

    @invariant()
    def books_are_alike(self) -> None:
        for side in (BUY, SELL):
            assert self.book.side(side) == self.slow.side(side)
        assert self.book.stops() == self.slow.stops()
        assert (self.book.last, self.book.now) == (self.slow.last, self.slow.now)

    @invariant()
    def quantity_is_conserved(self) -> None:
        standing = {order.new.order: order.left for order in self.slow.orders}
        for number, total in self.totals.items():
            assert self.filled[number] + self.ended[number] + standing.get(number, 0) == total

    @invariant()
    def no_book_is_crossed_and_nothing_rests_that_may_not(self) -> None:
        resting = [
            (s, limit, n) for s in (BUY, SELL) for limit, ns in self.book.side(s) for n in ns
        ]
        for side, limit, (number, left) in resting:
            new = self.placed[number]
            assert left > 0
            assert new.limit is not None
            assert new.terms.time_in_force in (TimeInForce.GTC, TimeInForce.GTD)
            for other_side, other_limit, (other_number, _) in resting:
                if (side, other_side) == (BUY, SELL):
                    fee = fee_between(self.pools, new, self.placed[other_number])
                    assert fee is None or other_limit + fee > limit

    def teardown(self) -> None:
        """Close the gate: nothing stands, and every order is accounted for."""
        if hasattr(self, "book"):
            self.follow(self.send(Close()))
            assert not self.slow.orders
            self.quantity_is_conserved()
            self.send(New(self.count + 1, 0, BUY, 1, 1))


def fee_between(pools: Pools, buy: New, sell: New) -> int | None:
    """Return the network fee between two orders; None where they may not meet."""
    for one, other in ((buy, sell), (sell, buy)):
        if one.terms.partner not in (0, other.party):
            return None
    rules = pools.rules
    (buy_zone, wants), (sell_zone, origin) = pools.name(buy.pool), pools.name(sell.pool)
    if wants and wants not in (origin, rules.parents[origin]):
        return None
    if rules.network_fees is None:
        return rules.network_fee
    return rules.network_fees.get((sell_zone, buy_zone))


TradingMachine.TestCase.settings = settings(stateful_step_count=40, max_examples=120)
test_book_does_what_the_slow_one_does = TradingMachine.TestCase


@pytest.mark.parametrize("seed", range(60))
def test_busy_days_are_those_of_the_slow_book(seed: int) -> None:
    draw = random.Random(seed)
    rules = a_rule(draw)
    pools = Pools(rules)
    book, slow = Book(rules), SlowBook(rules, pools)
    for number in range(1, 251):
        step = placed(a_step(draw, number, slow), pools)
        pools.lay(book)
        assert together(book.enter([step])) == slow.enter(step), step
        for side in (BUY, SELL):
            assert book.side(side) == slow.side(side), step
        assert book.stops() == slow.stops(), step
    assert book.enter([Close()]) == slow.enter(Close())


@given(rules, st.lists(asked, max_size=25), st.integers(1, 5))
def test_splitting_a_batch_changes_nothing(
    rules: BookRules, asked: list[Step | Wanted], cut: int
) -> None:
    whole, steps = a_book(rules, asked)
    parted, _ = a_book(rules, asked)
    outcomes = [
        outcome
        for start in range(0, len(steps), cut)
        for outcome in parted.enter(steps[start : start + cut])
    ]
    assert whole.enter(steps) == outcomes
    assert whole.dump() == parted.dump()


def flipped(asked: Step | Wanted, shift: int, sign: int) -> Step:
    """Return a step with prices shifted, and both sides exchanged where the sign is -1."""

    def price(value: int | None) -> int | None:
        return None if value is None else sign * value + shift

    step = asked.new if isinstance(asked, Wanted) else asked
    if isinstance(step, Amend):
        return step._replace(limit=price(step.limit))
    if not isinstance(step, New):
        return step
    terms = step.terms._replace(
        stop=price(step.terms.stop), protection=price(step.terms.protection)
    )
    return step._replace(pool=sign * step.pool, limit=price(step.limit), terms=terms)


def seen(outcome: Outcome, shift: int, sign: int) -> Outcome:
    """Return an outcome of steps so changed."""
    match outcome:
        case Trade():
            return outcome._replace(price=sign * outcome.price + shift)
        case Entered(limit=limit, terms=terms):
            asked = flipped(New(1, 0, BUY, limit, 1, terms), shift, sign)
            assert isinstance(asked, New)
            pool = sign * outcome.pool
            return outcome._replace(pool=pool, limit=asked.limit, terms=asked.terms)
        case Moved(limit=int(limit)):
            return outcome._replace(limit=sign * limit + shift)
        case _:
            return outcome


@given(
    st.none() | st.sampled_from(SelfTrade),
    st.lists(asked, max_size=25),
    st.integers(-5, 5),
    sides,
)
def test_shifted_prices_or_exchanged_sides_shift_and_exchange_everything(
    self_trade: SelfTrade | None, steps: list[Step | Wanted], shift: int, sign: int
) -> None:
    rules = BookRules(self_trade=self_trade)
    plain = [flipped(step, 0, 1) for step in steps]
    ours, theirs = Book(rules), Book(rules)
    found = [seen(outcome, shift, sign) for outcome in ours.enter(plain)]
    assert theirs.enter([flipped(step, shift, sign) for step in plain]) == found
    for side in (BUY, SELL):
        levels = [(sign * limit + shift, entries) for limit, entries in ours.side(side)]
        assert theirs.side(sign * side) == levels


@given(rules, st.lists(wanted(), max_size=15))
def test_repeated_requests_change_nothing(rules: BookRules, asked: list[Wanted]) -> None:
    numbered = [
        each._replace(new=each.new._replace(terms=each.new.terms._replace(request=number)))
        for number, each in enumerate(asked, 1)
    ]
    once, steps = a_book(rules, numbered)
    twice, _ = a_book(rules, numbered)
    outcomes = once.enter(steps)
    assert twice.enter([again for step in steps for again in (step, step)]) == outcomes
    assert twice.dump() == once.dump()


@given(rules, st.lists(asked, max_size=25))
def test_book_is_the_fold_of_all_its_outcomes_at_once(
    rules: BookRules, asked: list[Step | Wanted]
) -> None:
    book, steps = a_book(rules, asked)
    folded, _ = a_book(rules, asked)
    packed, _ = a_book(rules, asked)
    outcomes = book.enter(steps)
    folded.fold(outcomes)
    packed.fold_packed(pack_outcomes(outcomes))
    assert folded.dump() == packed.dump() == book.dump()


@given(st.lists(asked, max_size=10))
def test_steps_before_trading_opens_rest_and_do_not_meet(asked: list[Step | Wanted]) -> None:
    rules = BookRules(parents=(0, 0, 1, 1))
    book, steps = a_book(rules, asked)
    pools = Pools(rules)
    for step in asked:
        placed(step, pools)
    slow = SlowBook(rules, pools)
    for step in (Phase(BookPhase.PRE_OPEN), *steps):
        outcomes = book.enter([step])
        assert together(outcomes) == slow.enter(step)
        assert not any(isinstance(one, Trade) for one in outcomes)
    for side in (BUY, SELL):
        assert book.side(side) == slow.side(side)
