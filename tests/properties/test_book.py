"""Laws of continuous trading, against a slow book and by themselves."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.slow_book import SlowBook
from wattbay.core.market.book import Book
from wattbay.core.market.steps import (
    BUY,
    SELL,
    Amend,
    BookRules,
    Cancel,
    Cancelled,
    Close,
    Kind,
    New,
    Outcome,
    Refusal,
    Refused,
    SelfTrade,
    Step,
    Terms,
    Time,
    TimeInForce,
    Trade,
    TurnAway,
)

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
def orders(draw: st.DrawFn) -> New:
    """Draw an order: plain, or with terms that mostly go together."""
    side, limit = draw(sides), draw(prices)
    number, party, quantity = draw(numbers), draw(parties), draw(quantities)
    zone = draw(st.integers(1, 2))
    if draw(st.integers(0, 9)) < 5:
        return New(number, party, side, limit, quantity, Terms(zone=zone))
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
        zone=zone,
        origin=draw(st.sampled_from((0, 1, 2, 3))) if side == SELL else 0,
        wants=draw(st.sampled_from((0, 0, 0, 1, 2))) if side == BUY else 0,
        request=draw(st.sampled_from((0, 0, 0, 0, 0, 1, 2))),
    )
    names_limit = has_limit != (special == "wrong")
    return New(number, party, side, limit if names_limit else None, quantity, terms)


amendments = st.builds(
    Amend,
    numbers,
    st.sampled_from((0, 0, 0, 1)),
    st.none() | prices,
    st.none() | st.integers(1, 15) | st.integers(-1, 15),
)
cancellations = st.builds(Cancel, numbers, st.sampled_from((0, 0, 1)))
asked = st.one_of(orders(), orders(), orders(), orders(), amendments, cancellations)


class TradingMachine(RuleBasedStateMachine):
    """Sends steps to a book and to the slow one, and compares them after each."""

    @initialize(rules=rules)
    def open(self, rules: BookRules) -> None:
        self.kept = rules
        self.book, self.slow = Book(rules), SlowBook(rules)
        self.now = 0
        self.count = 0
        self.placed: dict[int, New] = {}
        self.limits: dict[int, int | None] = {}
        self.filled: Counter[int] = Counter()
        self.ended: Counter[int] = Counter()
        self.totals: Counter[int] = Counter()

    def send(self, step: Step) -> list[Outcome]:
        outcomes = self.book.enter([step])
        assert outcomes == self.slow.enter(step)
        return outcomes

    def follow(self, outcomes: list[Outcome]) -> None:
        """Keep the books of each order, and check what holds of every trade."""
        for outcome in outcomes:
            match outcome:
                case Trade(maker, taker, price, quantity):
                    assert quantity > 0
                    pair = (self.placed[maker], self.placed[taker])
                    buy, sell = sorted(pair, key=lambda new: -new.side)
                    fee = fee_between(self.kept, buy, sell)
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

    @rule(new=orders(), again=st.integers(0, 9))
    def place(self, new: New, again: int) -> None:
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
                    fee = fee_between(self.kept, new, self.placed[other_number])
                    assert fee is None or other_limit + fee > limit

    def teardown(self) -> None:
        """Close the gate: nothing stands, and every order is accounted for."""
        if hasattr(self, "book"):
            self.follow(self.send(Close()))
            assert not self.slow.orders
            self.quantity_is_conserved()
            self.send(New(self.count + 1, 0, BUY, 1, 1))


def fee_between(rules: BookRules, buy: New, sell: New) -> int | None:
    """Return the network fee between two orders; None where they may not meet."""
    origin = sell.terms.origin
    if buy.terms.wants and buy.terms.wants not in (origin, rules.parents[origin]):
        return None
    if rules.network_fees is None:
        return rules.network_fee
    return rules.network_fees.get((sell.terms.zone, buy.terms.zone))


TradingMachine.TestCase.settings = settings(stateful_step_count=40, max_examples=120)
test_book_does_what_the_slow_one_does = TradingMachine.TestCase


def a_rule(draw: random.Random) -> BookRules:
    pairs = [(one, other) for one in (1, 2) for other in (1, 2)]
    matrix = {pair: draw.randint(-1, 2) for pair in draw.sample(pairs, 3)}
    return BookRules(
        self_trade=draw.choice((None, *SelfTrade)),
        network_fee=draw.randint(-1, 1),
        network_fees=draw.choice((None, None, matrix)),
        parents=(0, 0, 1, 1),
    )


def an_order(draw: random.Random, number: int, now: int) -> New:
    """Draw an order that the market accepts."""
    side = draw.choice((BUY, SELL))
    kind = draw.choice((Kind.LIMIT,) * 6 + tuple(Kind))
    lasting = draw.choice((TimeInForce.GTC,) * 6 + tuple(TimeInForce))
    has_limit = kind in (Kind.LIMIT, Kind.STOP_LIMIT)
    rests = has_limit and lasting in (TimeInForce.GTC, TimeInForce.GTD)
    special = draw.choice(("", "", "peak", "post_only", "min_quantity"))
    quantity = draw.randint(1, 12)
    valid_from = now + draw.randint(0, 6) if draw.random() < 0.1 else None
    terms = Terms(
        kind=kind,
        time_in_force=lasting,
        stop=draw.randint(-3, 3) if kind in (Kind.STOP, Kind.STOP_LIMIT) else None,
        protection=None if has_limit else draw.choice((None, draw.randint(-3, 3))),
        min_quantity=draw.randint(1, quantity) if special == "min_quantity" else 0,
        post_only=special == "post_only" and rests,
        peak=draw.randint(1, 4) if special == "peak" and rests else None,
        valid_from=valid_from,
        expires=now + draw.randint(7, 20) if lasting is TimeInForce.GTD else None,
        zone=draw.randint(1, 2),
        origin=draw.choice((0, 0, 1, 2, 3)) if side == SELL else 0,
        wants=draw.choice((0, 0, 0, 1, 2)) if side == BUY else 0,
    )
    limit = draw.randint(-3, 3) if has_limit else None
    return New(number, draw.randint(0, 3), side, limit, quantity, terms)


def a_step(draw: random.Random, number: int, slow: SlowBook) -> Step:
    """Draw a step; changes and cancellations are of orders that live, where there are any."""
    what = draw.random()
    if what < 0.65 or not slow.orders:
        return an_order(draw, number, slow.now)
    order = draw.choice(slow.orders)
    if what < 0.75:
        return Cancel(order.new.order, draw.choice((0, order.new.party, 1)))
    if what < 0.8:
        return Time(slow.now + draw.randint(0, 5))
    limit = draw.choice((None, draw.randint(-3, 3)))
    total = draw.choice((None, max(1, order.filled + order.left + draw.randint(-6, 4))))
    return Amend(order.new.order, draw.choice((0, order.new.party)), limit, total)


@pytest.mark.parametrize("seed", range(60))
def test_busy_days_are_those_of_the_slow_book(seed: int) -> None:
    draw = random.Random(seed)
    rules = a_rule(draw)
    book, slow = Book(rules), SlowBook(rules)
    for number in range(1, 251):
        step = a_step(draw, number, slow)
        assert book.enter([step]) == slow.enter(step), step
        for side in (BUY, SELL):
            assert book.side(side) == slow.side(side), step
        assert book.stops() == slow.stops(), step
    assert book.enter([Close()]) == slow.enter(Close())


@given(rules, st.lists(asked, max_size=25), st.integers(1, 5))
def test_splitting_a_batch_changes_nothing(rules: BookRules, steps: list[Step], cut: int) -> None:
    whole, parted = Book(rules), Book(rules)
    outcomes = [
        outcome
        for start in range(0, len(steps), cut)
        for outcome in parted.enter(steps[start : start + cut])
    ]
    assert whole.enter(steps) == outcomes
    assert (whole.side(BUY), whole.side(SELL)) == (parted.side(BUY), parted.side(SELL))


def flipped(step: Step, shift: int, sign: int) -> Step:
    """Return a step with prices shifted, and both sides exchanged where the sign is -1."""

    def price(value: int | None) -> int | None:
        return None if value is None else sign * value + shift

    if isinstance(step, Amend):
        return step._replace(limit=price(step.limit))
    if not isinstance(step, New):
        return step
    terms = step.terms._replace(
        stop=price(step.terms.stop), protection=price(step.terms.protection), origin=0, wants=0
    )
    return step._replace(side=sign * step.side, limit=price(step.limit), terms=terms)


@given(
    st.none() | st.sampled_from(SelfTrade),
    st.lists(asked, max_size=25),
    st.integers(-5, 5),
    sides,
)
def test_shifted_prices_or_exchanged_sides_shift_and_exchange_everything(
    self_trade: SelfTrade | None, steps: list[Step], shift: int, sign: int
) -> None:
    rules = BookRules(self_trade=self_trade)
    plain = [flipped(step, 0, 1) for step in steps]
    ours, theirs = Book(rules), Book(rules)
    found = [
        outcome._replace(price=sign * outcome.price + shift)
        if isinstance(outcome, Trade)
        else outcome
        for outcome in ours.enter(plain)
    ]
    assert theirs.enter([flipped(step, shift, sign) for step in plain]) == found
    for side in (BUY, SELL):
        levels = [(sign * limit + shift, entries) for limit, entries in ours.side(side)]
        assert theirs.side(sign * side) == levels


@given(rules, st.lists(orders(), max_size=15))
def test_repeated_requests_change_nothing(rules: BookRules, steps: list[New]) -> None:
    once, twice = Book(rules), Book(rules)
    steps = [step._replace(terms=step.terms._replace(request=n)) for n, step in enumerate(steps, 1)]
    outcomes = once.enter(steps)
    assert twice.enter([again for step in steps for again in (step, step)]) == outcomes
    assert twice.side(BUY) == once.side(BUY)


@given(st.lists(st.tuples(sides, prices, quantities), max_size=30))
def test_book_is_the_fold_of_what_is_placed_and_what_comes_of_it(
    rows: list[tuple[int, int, int]],
) -> None:
    book = Book(BookRules())
    steps = [New(n, 0, *row) for n, row in enumerate(rows, 1)]
    left: defaultdict[int, int] = defaultdict(int)
    for step in steps:
        left[step.order] += step.quantity
    for outcome in book.enter(steps):
        assert isinstance(outcome, Trade)
        left[outcome.maker] -= outcome.quantity
        left[outcome.taker] -= outcome.quantity
    standing = {
        number: amount for s in (BUY, SELL) for _, own in book.side(s) for number, amount in own
    }
    assert standing == {number: amount for number, amount in left.items() if amount}
