"""Continuous trading: one order book of a delivery, by price, then time.

Steps go in, outcomes come out. `plan` reads the book and says what a step comes to; `fold` lets
outcomes be so. `enter` does both, step by step, with what follows from each. No clock: time is a
step. Which orders trade, and at which price, follows from the steps alone.

Prices are in the sellers' terms: a trade's price is what the seller gets, and the buyer pays the
network fee between the two on top. So a trade is at the limit of the order that rested; where that
is a buy order, whose limit is all-in, at its limit less the fee.
"""

from __future__ import annotations

from collections.abc import Iterable

from wattbay.core.market.batch import Batch
from wattbay.core.market.codes import (
    ARRIVAL,
    IN_CLOSED,
    KEY,
    NONE,
    NUMBER,
    OPEN,
    TOTAL,
    VALUE_MAX,
)
from wattbay.core.market.columns import Column, column_of
from wattbay.core.market.dumping import dump, load
from wattbay.core.market.packed import PHASES, RULES, pack, pack_outcomes, unpack
from wattbay.core.market.planning import Plan
from wattbay.core.market.standing import Standing
from wattbay.core.market.steps import BUY, SELL, BookPhase, BookRules, Outcome, Step


class Book:
    """The book of one delivery."""

    def __init__(self, rules: BookRules) -> None:
        """Begin empty and open, at time 0, with a pool on each side."""
        self._rules = rules
        low, high = rules.price_min, rules.price_max
        self._price_min = -VALUE_MAX if low is None else max(low, -VALUE_MAX)
        self._price_max = VALUE_MAX if high is None else min(high, VALUE_MAX)
        self._self_trade = RULES.index(rules.self_trade)
        self._take(Standing())
        if rules.network_fees is None:
            self.link(BUY, SELL, rules.network_fee)

    def _take(self, standing: Standing) -> None:
        """Have another state."""
        self._standing = standing
        self._plan = Plan(standing, self._self_trade, self._price_min, self._price_max)
        self._batch = Batch(standing, self._plan)

    @property
    def rules(self) -> BookRules:
        """Return what it keeps to."""
        return self._rules

    # --- pools -------------------------------------------------------------------------------

    def open_pool(self, side: int) -> int:
        """Make a pool of orders that may meet the same others, and return its number.

        Buy pools are 1, 2, 3…, sell pools -1, -2, -3…; a new book has `BUY` and `SELL`.
        """
        return self._standing.queues.open_pool(side)

    def link(self, buy_pool: int, sell_pool: int, fee: int) -> None:
        """Let two pools meet, with a network fee between them."""
        self._standing.queues.link(buy_pool, sell_pool, fee)

    def pools_count(self, side: int) -> int:
        """Return how many pools a side has."""
        queues = self._standing.queues
        return len(queues.buys) if side > 0 else len(queues.sells)

    # --- the door ----------------------------------------------------------------------------

    def plan(self, step: Step) -> list[Outcome]:
        """Return what a step comes to. It changes nothing.

        Of a step of time it is what falls due first: fold it, let act what is `released`, and plan
        the step again until nothing comes of it but that time passed until then.
        """
        return unpack(self.plan_packed(pack((step,))))

    def fold(self, outcomes: Iterable[Outcome]) -> None:
        """Let outcomes be so. It refuses nothing."""
        self._standing.fold(pack_outcomes(outcomes))

    def enter(self, steps: Iterable[Step]) -> list[Outcome]:
        """Take steps one by one, and return what came of them, in order.

        How steps are cut into batches changes nothing.
        """
        return unpack(self.enter_packed(pack(steps)))

    def plan_packed(self, step: Column) -> Column:
        """Return what the step of one row comes to, in rows. It changes nothing."""
        return column_of(self._plan.plan(step, 0))

    def fold_packed(self, outcomes: Column) -> None:
        """Let outcomes be so, given in rows."""
        self._standing.fold(outcomes)

    def enter_packed(self, steps: Column) -> Column:
        """Take steps in rows one by one, and return what came of them, in rows and in order."""
        return self._batch.enter(steps)

    # --- what stands -------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Return the time."""
        return self._standing.now

    @property
    def last(self) -> int | None:
        """Return the price of the last trade."""
        return None if self._standing.last == NONE else self._standing.last

    @property
    def phase(self) -> BookPhase:
        """Return what the book lets happen."""
        return PHASES[self._standing.phase - 1]

    @property
    def is_closed(self) -> bool:
        """Tell whether the gate is closed."""
        return self._standing.phase == IN_CLOSED

    def released(self) -> int:
        """Return the next stop order that the last price has reached and that has not acted.

        By arrival; those that an order causes as it acts come behind those that were reached
        before. 0 if there is none, or if the book is not open.
        """
        order = self._standing.released()
        return self._standing.queues.orders[order + NUMBER] if order else 0

    def due(self) -> int | None:
        """Return the next instant at which something falls due."""
        return self._standing.due()

    def is_known(self, order: int) -> bool:
        """Tell whether an order lives: it rests or waits."""
        return self._standing.find(order) != 0

    def open_of(self, order: int) -> int:
        """Return what is open of an order; 0 of one that does not live."""
        row = self._standing.find(order)
        return self._standing.queues.orders[row + OPEN] if row else 0

    def side(self, side: int) -> list[tuple[int, list[tuple[int, int]]]]:
        """Return what rests on a side: limits, best first; orders with all that is open of each.

        Best is by the orders' own limits, whatever the network fees; equal limits by priority.
        """
        queues = self._standing.queues
        orders = queues.orders
        found: list[tuple[int, list[tuple[int, int]]]] = []
        last_key = 0
        for order in queues.resting(side):
            key = orders[order + KEY]
            if not found or key != last_key:
                found.append((side * key, []))
                last_key = key
            found[-1][1].append((orders[order + NUMBER], orders[order + OPEN]))
        return found

    def lines(self) -> list[tuple[int, int, int, int, int]]:
        """Return what rests, by arrival: order, side, limit, total, and what is open of it."""
        queues = self._standing.queues
        orders = queues.orders
        found = [
            (orders[order + ARRIVAL], order, side)
            for side in (BUY, SELL)
            for order in queues.resting(side)
        ]
        return [
            (
                orders[order + NUMBER],
                side,
                side * orders[order + KEY],
                orders[order + TOTAL],
                orders[order + OPEN],
            )
            for _, order, side in sorted(found)
        ]

    def stops(self) -> list[int]:
        """Return the stop orders that have not acted, by arrival."""
        return self._standing.stops()

    # --- keeping -----------------------------------------------------------------------------

    def copy(self) -> Book:
        """Return a book of its own that holds the same."""
        other = Book(self._rules)
        other._take(self._standing.copy())
        return other

    def dump(self) -> list[int]:
        """Return all that the book remembers. Equal books say it equally, however they came so."""
        return dump(self._standing)

    def load(self, numbers: list[int]) -> None:
        """Remember what a book under the same rules said in `dump`, and nothing else."""
        self._take(load(numbers))
