"""Steps of every kind for order books, drawn by a seed; and days that every form of book lives."""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.slow_book import SlowBook
from wattbay.core.facts import SelfTrade
from wattbay.core.market.book import Book
from wattbay.core.market.columns import IS_COMPILED
from wattbay.core.market.packed import pack, pack_outcomes, unpack
from wattbay.core.market.pools import Pools
from wattbay.core.market.steps import (
    BUY,
    SELL,
    Amend,
    BookPhase,
    BookRules,
    Cancel,
    CancelAll,
    Close,
    New,
    Outcome,
    Passed,
    Phase,
    Release,
    Released,
    Step,
    Terms,
    Time,
)
from wattbay.core.terms import Kind, TimeInForce


class Wanted(NamedTuple):
    """An order before its pool is known."""

    new: New
    zone: int = 0
    origin: int = 0
    wants: int = 0


def placed(step: Step | Wanted, pools: Pools) -> Step:
    """Return a step whose order is in its pool."""
    if not isinstance(step, Wanted):
        return step
    new, zone, origin, wants = step
    return new._replace(pool=pools.of(new.pool, zone, origin, wants))


def a_book(rules: BookRules, steps: Sequence[Step | Wanted]) -> tuple[Book, list[Step]]:
    """Return a book with the pools that steps need, and the steps."""
    pools, book = Pools(rules), Book(rules)
    found = [placed(step, pools) for step in steps]
    pools.lay(book)
    return book, found


def together(found: list[Outcome]) -> list[Outcome]:
    """Leave out that time passed, which the slow book does not say."""
    return [outcome for outcome in found if not isinstance(outcome, Passed)]


def plan_and_fold(book: Book, other: Book, step: Step) -> list[Outcome]:
    """Enter a step as an exchange does: plan it, and fold what it comes to onto another book."""
    found: list[Outcome] = []
    while True:
        before = book.dump()
        outcomes = book.plan(step)
        assert book.dump() == before
        assert unpack(pack_outcomes(outcomes)) == outcomes
        found += outcomes
        book.fold(outcomes)
        other.fold(outcomes)
        while number := book.released():
            again = book.plan(Release(number))
            assert isinstance(again[0], Released)
            found += again
            book.fold(again)
            other.fold(again)
        if not isinstance(step, Time) or outcomes == [Passed(step.at)]:
            return found


def a_rule(draw: random.Random) -> BookRules:
    pairs = [(one, other) for one in (1, 2) for other in (1, 2)]
    matrix = {pair: draw.randint(-1, 2) for pair in draw.sample(pairs, 3)}
    return BookRules(
        self_trade=draw.choice((None, *SelfTrade)),
        network_fee=draw.randint(-1, 1),
        network_fees=draw.choice((None, None, matrix)),
        parents=(0, 0, 1, 1),
    )


def an_order(draw: random.Random, number: int, now: int) -> Wanted:
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
        partner=draw.randint(1, 3) if draw.random() < 0.05 else 0,
    )
    limit = draw.randint(-3, 3) if has_limit else None
    new = New(number, draw.randint(0, 3), side, limit, quantity, terms)
    origin = draw.choice((0, 0, 1, 2, 3)) if side == SELL else 0
    wants = draw.choice((0, 0, 0, 1, 2)) if side == BUY else 0
    return Wanted(new, draw.randint(1, 2), origin, wants)


def a_step(draw: random.Random, number: int, slow: SlowBook) -> Step | Wanted:
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


def a_day(draw: random.Random, count: int, pools: Pools) -> Iterator[Step]:
    """Draw steps without looking at a book: some name orders that are gone."""
    now = 0
    for number in range(1, count + 1):
        what = draw.random()
        recent = max(1, number - draw.randint(1, 60))
        if what < 0.3:
            side = draw.choice((BUY, SELL))
            pool = pools.of(side, draw.randint(1, 2))
            party = draw.randint(0, 4)
            yield New(number, party, pool, draw.randint(-6, 6), draw.randint(1, 20))
        elif what < 0.6:
            yield placed(an_order(draw, number, now), pools)
        elif what < 0.8:
            yield Cancel(recent, draw.choice((0, 0, 1)))
        elif what < 0.9:
            limit = draw.choice((None, draw.randint(-6, 6)))
            yield Amend(recent, 0, limit, draw.choice((None, draw.randint(1, 25))))
        elif what < 0.98:
            now += draw.randint(0, 4)
            yield Time(now)
        else:
            phase = draw.choice((BookPhase.HALTED, BookPhase.PRE_OPEN, BookPhase.OPEN))
            yield draw.choice((Phase(phase), CancelAll(draw.randint(1, 4)), Phase(BookPhase.OPEN)))
    yield Close()


def whole_day(seed: int, count: int) -> str:
    """Return the fingerprint of what a book says and remembers in a day, entered by batches."""
    draw = random.Random(seed)
    rules = a_rule(draw)
    pools = Pools(rules)
    steps = list(a_day(draw, count, pools))
    book, folded = Book(rules), Book(rules)
    pools.lay(book)
    pools.lay(folded)
    print_of = hashlib.sha256()
    at = 0
    while at < len(steps):
        batch = steps[at : at + draw.randint(1, 50)]
        at += len(batch)
        rows = book.enter_packed(pack(batch))
        folded.fold_packed(rows)
        print_of.update(repr(list(rows)).encode())
        print_of.update(repr(book.dump()).encode())
        if folded.dump() != book.dump():
            raise AssertionError(f"seed {seed}: folded otherwise before step {at}")
        if draw.random() < 0.05:
            folded.load(book.dump())
    return print_of.hexdigest()


def small_day(seed: int, count: int) -> None:
    """Send steps to a book and to the slow one, which must say the same."""
    draw = random.Random(seed)
    rules = a_rule(draw)
    pools = Pools(rules)
    book, slow = Book(rules), SlowBook(rules, pools)
    for number in range(1, count + 1):
        step = placed(a_step(draw, number, slow), pools)
        pools.lay(book)
        if together(book.enter([step])) != slow.enter(step):
            raise AssertionError(f"seed {seed}: {step}")


def main() -> None:
    """Print whether the book is compiled, and fingerprints: `days count small-days`."""
    days, count, small_days = map(int, sys.argv[1:])
    for seed in range(small_days):
        small_day(seed, 150)
    prints = [whole_day(seed, count) for seed in range(days)]
    json.dump({"compiled": IS_COMPILED, "prints": prints}, sys.stdout)
