"""What stands in a book, and how outcomes change it.

Folding lets outcomes be so: it knows no rule and refuses nothing. A book is the fold of all
outcomes there ever were.
"""

from __future__ import annotations

from wattbay.core.market.codes import (
    ANY_PRICE,
    ARMED,
    ARRIVAL,
    BY_SELF_TRADE,
    CANCELLED,
    CROSSED,
    ENTERED,
    EXPIRES,
    HAS_TERMS,
    IN_HALT,
    IN_OPEN,
    KEY,
    LEAST,
    LEVEL,
    MOVED,
    NONE,
    NUMBER,
    OPEN,
    ORDER_SHIFT,
    PARTNER,
    PASSED,
    PEAK,
    PHASED,
    POOL,
    REDUCED,
    REFUSED,
    RELEASED,
    SHOWN,
    SLEEPS,
    STATE,
    STOP_AT,
    STOPS,
    TOTAL,
    TRADE,
    VALID_FROM,
    WAITS,
)
from wattbay.core.market.columns import Column, Int
from wattbay.core.market.levels import Queues
from wattbay.core.market.waiting import Waiting
from wattbay.errors import ensure


class Standing:
    """All that a book remembers."""

    def __init__(self) -> None:
        """Begin empty: open, at time 0, without a last price."""
        self.queues = Queues()
        self.waiting = Waiting()
        self.requests: set[tuple[int, int]] = set()
        self.now: Int = 0
        self.last: Int = NONE
        """Price of the last trade; `NONE` before there was one."""
        self.phase: Int = IN_OPEN
        self.taker: Int = 0
        """Number of the order that came last: whose step the outcomes are of."""

    def copy(self) -> Standing:
        """Return one of its own that holds the same."""
        other = Standing()
        other.queues = self.queues.copy()
        other.waiting = self.waiting.copy()
        other.requests = set(self.requests)
        other.now, other.last, other.phase = self.now, self.last, self.phase
        other.taker = self.taker
        return other

    def find(self, number: Int) -> Int:
        """Return the row of an order that lives; 0 if none has that number."""
        return self.queues.where.get(number, 0)

    def catch_up(self) -> None:
        """Put stops in line that the last price reaches, now that a step is complete."""
        if self.waiting.count and self.last != NONE:
            self.waiting.reach(self.queues, self.last)

    # --- folding -----------------------------------------------------------------------------

    def fold(self, rows: Column) -> None:
        """Let outcomes be so."""
        at: Int = 0
        end: Int = len(rows)
        while at < end:
            at += self._fold_one(rows, at)

    def _fold_one(self, rows: Column, at: Int) -> Int:
        """Let one outcome be so, and return how many numbers it took."""
        code = rows[at]
        if code == TRADE:
            self.last = rows[at + 3]
            self._reduce(rows[at + 1], rows[at + 4])
            return 5
        if code == ENTERED:
            return self._enter(rows, at)
        if code == CANCELLED:
            self._cancel(rows[at + 1], rows[at + 2], rows[at + 3])
            return 4
        if code == REFUSED:
            if rows[at + 5]:
                self.requests.add((rows[at + 4], rows[at + 5]))
            return 6
        if code == MOVED:
            self._move(rows, at)
            return 5
        if code == REDUCED:
            self._shrink(rows[at + 1], rows[at + 2])
            return 3
        return self._fold_rare(rows, at, code)

    def _fold_rare(self, rows: Column, at: Int, code: Int) -> Int:
        """Let an outcome be so that is none of an order entered, changed or traded."""
        if code == RELEASED:
            self._release(rows[at + 1], rows[at + 2])
            return 3
        if code == ARMED:
            self._begin_step(rows[at + 1])
            order = self.find(rows[at + 1])
            self.queues.orders[order + STATE] = STOPS
            self.queues.arrive(order)
            self.waiting.file(self.queues, order)
            return 2
        if code == PASSED:
            self._begin_step(0)
            self.now = rows[at + 1]
            return 2
        if code == PHASED:
            self._begin_step(0)
            self.phase = rows[at + 1]
            return 2
        ensure(code == CROSSED, "outcomes are rows that begin with a code")
        self._begin_step(0)
        self.last = rows[at + 3]
        self._reduce(rows[at + 1], rows[at + 4])
        self._reduce(rows[at + 2], rows[at + 4])
        return 5

    def _begin_step(self, taker: Int) -> None:
        """Note that what follows is of another step."""
        if self.waiting.count:
            self.catch_up()
        self.taker = taker

    def _reduce(self, number: Int, quantity: Int) -> None:
        """Let an order that rests have traded."""
        self.queues.reduce(self.find(number), quantity)

    def _enter(self, rows: Column, at: Int) -> Int:
        """Let an order be known, and rest or wait if it says so."""
        number, party, flags = rows[at + 1], rows[at + 2], rows[at + 7]
        has_terms = flags & HAS_TERMS
        self._begin_step(number)
        if has_terms and rows[at + 14]:
            self.requests.add((party, rows[at + 14]))
        rests = rows[at + 6]
        if not flags:
            if rests:
                pool = self.queues.pool(rows[at + 3])
                key: Int = rows[at + 4] if pool.side > 0 else -rows[at + 4]
                order = self.queues.rest(number, party, pool, key, rests)
                self.queues.orders[order + TOTAL] = rows[at + 5]
            return 8
        waits = flags & WAITS
        if rests or waits:
            key = key_of(rows[at + 3], rows[at + 4], rows[at + 9] if has_terms else NONE)
            queues = self.queues
            order = queues.add(number, party, rows[at + 3], key, flags & ~WAITS)
            queues.orders[order + TOTAL] = rows[at + 5]
            queues.orders[order + OPEN] = rests or rows[at + 5]
            if has_terms:
                self._note_terms(order, rows, at + 8)
            if rests:
                queues.push(order)
            else:
                is_early = rows[at + 12] != NONE and rows[at + 12] > self.now
                queues.orders[order + STATE] = SLEEPS if is_early else STOPS
                self.waiting.file(queues, order)
        return 16 if has_terms else 8

    def _note_terms(self, order: Int, rows: Column, at: Int) -> None:
        """Keep what an order says besides."""
        queues = self.queues
        orders, extras = queues.orders, queues.extras
        extra = order >> ORDER_SHIFT
        extras[extra + STOP_AT] = rows[at]
        extras[extra + LEAST] = rows[at + 2]
        extras[extra + VALID_FROM] = rows[at + 4]
        extras[extra + EXPIRES] = rows[at + 5]
        orders[order + PEAK] = rows[at + 3] if rows[at + 3] != NONE else 0
        orders[order + PARTNER] = rows[at + 7]
        if rows[at + 7]:
            queues.partnered += 1
        if rows[at + 5] != NONE:
            self.waiting.expire(queues, order)

    def _cancel(self, number: Int, quantity: Int, reason: Int) -> None:
        """Let open quantity have left, if it is of an order that lives."""
        queues = self.queues
        order = self.find(number)
        if not order:
            return
        orders = queues.orders
        if reason != BY_SELF_TRADE:
            queues.remove(order)
        elif number == self.taker:
            # What rests of it was said without this quantity already.
            orders[order + TOTAL] -= quantity
        elif quantity == orders[order + OPEN]:
            queues.remove(order)
        else:
            orders[order + TOTAL] -= quantity
            queues.reduce(order, quantity)

    def _move(self, rows: Column, at: Int) -> None:
        """Let an order have a new limit and total, behind all others."""
        number, limit, quantity, rests = rows[at + 1], rows[at + 2], rows[at + 3], rows[at + 4]
        self._begin_step(number)
        queues = self.queues
        order = self.find(number)
        orders = queues.orders
        if not orders[order + LEVEL]:
            orders[order + OPEN] += quantity - orders[order + TOTAL]
            self._rename(order, limit, quantity)
            queues.arrive(order)
            if orders[order + STATE] == SLEEPS:
                self.waiting.file(queues, order)
        elif rests:
            queues.unlink(order)
            self._rename(order, limit, quantity)
            orders[order + OPEN] = rests
            queues.push(order)
        else:
            queues.remove(order)

    def _rename(self, order: Int, limit: Int, quantity: Int) -> None:
        """Give an order a new limit, if there is one, and a new total."""
        orders = self.queues.orders
        orders[order + TOTAL] = quantity
        if limit != NONE:
            orders[order + KEY] = key_of(orders[order + POOL], limit, NONE)

    def _shrink(self, number: Int, quantity: Int) -> None:
        """Let an order be smaller in its place."""
        queues = self.queues
        order = self.find(number)
        orders = queues.orders
        left = quantity - orders[order + TOTAL] + orders[order + OPEN]
        orders[order + TOTAL] = quantity
        orders[order + OPEN] = left
        orders[order + SHOWN] = min(orders[order + SHOWN], left)

    def _release(self, number: Int, rests: Int) -> None:
        """Let an order that waited have acted."""
        self._begin_step(number)
        queues = self.queues
        order = self.find(number)
        queues.orders[order + STATE] = 0
        if rests:
            queues.orders[order + OPEN] = rests
            queues.push(order)
        else:
            queues.remove(order)

    # --- what waits --------------------------------------------------------------------------

    def released(self) -> Int:
        """Return the row of the next stop order that may act; 0 if there is none."""
        self.catch_up()
        return self.waiting.first(self.queues) if self.phase == IN_OPEN else 0

    def due(self) -> int | None:
        """Return the next instant at which something falls due."""
        queues = self.queues
        begins, early = self.waiting.first_beginning(queues)
        expires, old = self.waiting.first_expiry(queues)
        if not early or self.phase == IN_HALT:
            return expires if old else None
        return min(begins, expires) if old else begins

    def stops(self) -> list[int]:
        """Return the numbers of stop orders that have not acted, by arrival."""
        queues = self.queues
        orders, extras = queues.orders, queues.extras
        found = [
            (orders[order + ARRIVAL], orders[order + NUMBER])
            for order in queues.where.values()
            if orders[order + STATE] and extras[(order >> ORDER_SHIFT) + STOP_AT] != NONE
        ]
        return [number for _, number in sorted(found)]


def key_of(pool: Int, limit: Int, protection: Int) -> Int:
    """Return the key of an order: the higher, the better for the other side."""
    price = limit if limit != NONE else protection
    if price == NONE:
        return ANY_PRICE
    return price if pool > 0 else -price
