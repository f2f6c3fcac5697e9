"""What a step comes to, by the rules of continuous trading. It reads a book and changes nothing."""

from __future__ import annotations

from typing import Final

from wattbay.core.market.codes import (
    ALREADY_EXPIRED,
    AMEND,
    ANY_PRICE,
    ARMED,
    BAD_CONDITION,
    BAD_QUANTITY,
    BOTH,
    BY_EXPIRY,
    BY_FOK,
    BY_GATE_CLOSURE,
    BY_IOC,
    BY_MIN_QUANTITY,
    BY_NO_LIQUIDITY,
    BY_POST_ONLY,
    BY_SELF_TRADE,
    BY_USER,
    CANCEL,
    CANCEL_ALL,
    CANCELLED,
    DAY,
    DECREMENT,
    DUPLICATE_ID,
    ENTERED,
    FLAGS,
    FOK,
    GATE_CLOSED,
    GTD,
    HALTED,
    HAS_TERMS,
    IN_CLOSED,
    IN_HALT,
    IN_OPEN,
    IN_PRE_OPEN,
    IOC,
    KEY,
    KIND,
    LARGE,
    LASTING,
    LEAST,
    LEVEL,
    LIMIT,
    MARKET,
    MOVED,
    NEW,
    NEWEST,
    NOBODY,
    NONE,
    NUMBER,
    OLDEST,
    OPEN,
    OPEN_MAX,
    ORDER_SHIFT,
    PARTNER,
    PARTY,
    PASSED,
    PEAK,
    PHASE,
    PHASED,
    POOL,
    POST_ONLY,
    PRICE_LIMIT,
    REDUCED,
    REFUSED,
    RELEASE,
    RELEASED,
    STOP,
    STOP_AT,
    STOP_LIMIT,
    TIME,
    TOTAL,
    TRADE,
    TURN_AWAY,
    UNKNOWN_ORDER,
    VALUE_MAX,
    WAITS,
)
from wattbay.core.market.columns import Column, Int
from wattbay.core.market.standing import Standing, key_of
from wattbay.core.market.walk import Walk
from wattbay.errors import ensure

CLIPS_MAX: Final = 10_000
"""Of one iceberg order: its quantity is at most so many times its peak."""
PEAK_ENOUGH: Final = 2**40


class Wish:
    """What an order wants as it comes to act."""

    def __init__(self) -> None:
        """Begin as an order that says nothing."""
        self.number: Int = 0
        self.party: Int = 0
        self.pool: Int = 0
        self.key: Int = 0
        self.left: Int = 0
        self.flags: Int = 0
        self.least: Int = 0
        self.partner: Int = 0


class Plan:
    """Plans steps for one book under its rules."""

    def __init__(self, standing: Standing, self_trade: Int, price_min: Int, price_max: Int) -> None:
        """Plan for what stands; self-trade by its code, and prices within two bounds."""
        self.standing = standing
        self.self_trade: Int = self_trade
        self.price_min: Int = price_min
        self.price_max: Int = price_max
        self.rows: list[int] = []

    def plan(self, steps: Column, at: Int) -> list[int]:
        """Return the rows of outcomes that the step beginning at a place comes to."""
        rows: list[int] = []
        self.rows = rows
        code = steps[at]
        if code == NEW:
            self._new(steps, at)
        elif code == CANCEL:
            self._cancel(steps[at + 1], steps[at + 2])
        elif code == AMEND:
            self._amend(steps, at)
        elif code == TIME:
            self._time(steps[at + 1])
        elif code == RELEASE:
            self._release(steps[at + 1])
        elif code == PHASE:
            self._phase(steps[at + 1])
        elif code == CANCEL_ALL:
            self._cancel_all(steps[at + 1], BY_USER)
        else:
            ensure(code == TURN_AWAY, "steps are rows that begin with a code")
            self._turn_away(steps, at)
        return rows

    # --- new ---------------------------------------------------------------------------------

    def _new(self, steps: Column, at: Int) -> None:
        """Plan an order that comes in."""
        number, party, pool, limit = steps[at + 1], steps[at + 2], steps[at + 3], steps[at + 4]
        quantity, flags = steps[at + 5], steps[at + 7]
        has_terms = flags & HAS_TERMS
        request: Int = steps[at + 14] if has_terms else 0
        if request and (party, request) in self.standing.requests:
            return
        reason = self._refusal(steps, at)
        if reason:
            self._refuse(NEW, number, reason, party, request)
            return
        protection: Int = steps[at + 9] if has_terms else NONE
        early: Int = steps[at + 12] if has_terms else NONE
        waits = early > self.standing.now or kind_has_stop(flags)
        self.rows += [ENTERED, number, party, pool, limit, quantity, 0, flags]
        if has_terms:
            for place in range(at + 8, at + 16):
                self.rows.append(steps[place])
        if waits:
            self.rows[7] = flags | WAITS
            return
        wish = Wish()
        wish.number, wish.party, wish.pool = number, party, pool
        wish.key, wish.left, wish.flags = key_of(pool, limit, protection), quantity, flags
        if has_terms:
            wish.least, wish.partner = steps[at + 10], steps[at + 15]
        self.rows[6] = self._act(wish)

    def _refusal(self, steps: Column, at: Int) -> Int:
        """Return why an order is refused; 0 if it is not."""
        flags = steps[at + 7]
        reason = self._refusal_of_amounts(steps, at)
        if reason:
            return reason
        standing = self.standing
        if standing.find(steps[at + 1]):
            return DUPLICATE_ID
        if flags & HAS_TERMS and steps[at + 13] != NONE and steps[at + 13] <= standing.now:
            return ALREADY_EXPIRED
        if standing.phase == IN_CLOSED:
            return GATE_CLOSED
        if standing.phase == IN_HALT:
            return HALTED
        if not standing.queues.has_pool(steps[at + 3]) or self._is_contradictory(steps, at):
            return BAD_CONDITION
        return 0

    def _refusal_of_amounts(self, steps: Column, at: Int) -> Int:
        """Return what is wrong with an order in itself, in quantity and price; 0 if nothing."""
        limit, quantity, flags = steps[at + 4], steps[at + 5], steps[at + 7]
        if quantity <= 0 or quantity > VALUE_MAX:
            return BAD_QUANTITY
        if self._is_full() or self._is_too_much(steps[at + 3], quantity):
            return BAD_QUANTITY
        if flags & HAS_TERMS:
            least, peak = steps[at + 10], steps[at + 11]
            if least < 0 or least > quantity or (peak != NONE and not is_peak(peak, quantity)):
                return BAD_QUANTITY
            if not (self._is_within(steps[at + 8]) and self._is_within(steps[at + 9])):
                return PRICE_LIMIT
        return 0 if self._is_within(limit) else PRICE_LIMIT

    def _is_within(self, price: Int) -> bool:
        """Tell whether a price is within the bounds of the market, or none."""
        return price == NONE or self.price_min <= price <= self.price_max

    def _is_contradictory(self, steps: Column, at: Int) -> bool:
        """Tell whether an order says what cannot be meant."""
        limit, flags = steps[at + 4], steps[at + 7]
        if not flags & HAS_TERMS:
            # An order without terms is a limit order until gate closure.
            return flags != 0 or limit == NONE
        kind, lasting = flags & KIND, flags & LASTING
        has_limit = kind in (LIMIT, STOP_LIMIT)
        has_stop = kind_has_stop(flags)
        never_rests = not has_limit or lasting in (IOC, FOK)
        if has_limit != (limit != NONE) or flags & DAY:
            return True
        stop, protection = steps[at + 8], steps[at + 9]
        least, peak = steps[at + 10], steps[at + 11]
        early, expires = steps[at + 12], steps[at + 13]
        is_early_open = self.standing.phase == IN_PRE_OPEN and not has_stop
        return (
            has_stop != (stop != NONE)
            or (has_limit and protection != NONE)
            or (lasting == GTD) != (expires != NONE)
            or (flags & POST_ONLY != 0 and (never_rests or least > 0))
            or (peak != NONE and never_rests)
            or (NONE not in (early, expires) and expires <= early)
            or (is_early_open and (never_rests or least > 0))
        )

    # --- change and end ----------------------------------------------------------------------

    def _own(self, number: Int, party: Int) -> Int:
        """Return a living order; one of another party is as unknown as one that ended."""
        standing = self.standing
        order = standing.find(number)
        if order and party and standing.queues.orders[order + PARTY] != party:
            return 0
        return order

    def _cancel(self, number: Int, party: Int) -> None:
        """Plan the end of an order."""
        order = self._own(number, party)
        if order:
            self._end(order, BY_USER)
        else:
            self._refuse(CANCEL, number, UNKNOWN_ORDER, 0, 0)

    def _end(self, order: Int, reason: Int) -> None:
        """Plan that what is open of an order is cancelled."""
        orders = self.standing.queues.orders
        self.rows += [CANCELLED, orders[order + NUMBER], orders[order + OPEN], reason]

    def _cancel_all(self, party: Int, reason: Int) -> None:
        """Plan the end of all orders of a party, by birth; 0 is every party."""
        queues = self.standing.queues
        for order in queues.living():
            if not party or queues.orders[order + PARTY] == party:
                self._end(order, reason)

    def _amend(self, steps: Column, at: Int) -> None:
        """Plan a change."""
        number, limit, quantity = steps[at + 1], steps[at + 3], steps[at + 4]
        order = self._own(number, steps[at + 2])
        reason = self._refusal_to_amend(order, limit, quantity)
        if reason:
            self._refuse(AMEND, number, reason, 0, 0)
            return
        orders = self.standing.queues.orders
        filled = orders[order + TOTAL] - orders[order + OPEN]
        total = orders[order + TOTAL] if quantity == NONE else quantity
        left = total - filled
        old = orders[order + KEY]
        key = old if limit == NONE else key_of(orders[order + POOL], limit, NONE)
        is_smaller = key == old and left <= orders[order + OPEN]
        if left <= 0:
            self._end(order, BY_USER)
        elif is_smaller:
            self.rows += [REDUCED, number, total]
        elif self.standing.phase == IN_HALT:
            self._refuse(AMEND, number, HALTED, 0, 0)
        elif self._is_too_much(orders[order + POOL], left):
            self._refuse(AMEND, number, BAD_QUANTITY, 0, 0)
        else:
            self.rows += [MOVED, number, limit_of(orders, order, key), total, 0]
            if orders[order + LEVEL]:
                wish = self._wish(order)
                wish.key, wish.left, wish.least = key, left, 0
                self.rows[4] = self._act(wish)

    def _is_full(self) -> bool:
        """Tell whether there is no room for one more order."""
        queues = self.standing.queues
        return not queues.free_order and queues.is_full(1)

    def _is_too_much(self, pool: Int, more: Int) -> bool:
        """Tell whether so much more is beyond what can be open on a side."""
        if more <= LARGE:
            return False
        return self.standing.queues.open_sum(1 if pool > 0 else -1) + more > OPEN_MAX

    def _refusal_to_amend(self, order: Int, limit: Int, quantity: Int) -> Int:
        """Return why a change is refused; 0 if it is not."""
        if quantity != NONE and (quantity <= 0 or quantity > VALUE_MAX):
            return BAD_QUANTITY
        if not self._is_within(limit):
            return PRICE_LIMIT
        if not order:
            return UNKNOWN_ORDER
        orders = self.standing.queues.orders
        peak = orders[order + PEAK]
        if quantity != NONE and peak and not is_peak(peak, quantity):
            return BAD_QUANTITY
        kind = orders[order + FLAGS] & KIND
        if limit != NONE and kind in (MARKET, STOP):
            return BAD_CONDITION
        return 0

    def _refuse(self, step: Int, number: Int, reason: Int, party: Int, request: Int) -> None:
        """Plan that nothing changes, but that a request of a party is known."""
        self.rows += [REFUSED, step, number, reason, party if request else 0, request]

    def _turn_away(self, steps: Column, at: Int) -> None:
        """Plan that a step is refused that was refused at the door."""
        party, request = steps[at + 4], steps[at + 5]
        if request and (party, request) in self.standing.requests:
            return
        self._refuse(steps[at + 1], steps[at + 2], steps[at + 3], party, request)

    # --- time and phases ---------------------------------------------------------------------

    def _phase(self, to: Int) -> None:
        """Plan another phase. With the last one all orders end."""
        self.rows += [PHASED, to]
        if to == IN_CLOSED:
            self._cancel_all(0, BY_GATE_CLOSURE)

    def _time(self, at: Int) -> None:
        """Plan what falls due first: orders that expire up to an instant, or one that begins.

        At one instant orders expire before others begin. While trading is halted none begins.
        """
        standing = self.standing
        ensure(at >= standing.now, "time never goes back")
        queues, waiting = standing.queues, standing.waiting
        begins, order = waiting.first_beginning(queues)
        if not order or begins > at or standing.phase == IN_HALT:
            order = 0
            begins = at
        expires, old = waiting.first_expiry(queues)
        if old and expires <= begins:
            found = waiting.expiring(queues, begins + 1)
            self.rows += [PASSED, max(found[-1][0], standing.now)]
            for _, _, which in found:
                self._end(which, BY_EXPIRY)
        elif order:
            self.rows += [PASSED, max(begins, standing.now)]
            orders = queues.orders
            if queues.extras[(order >> ORDER_SHIFT) + STOP_AT] != NONE:
                self.rows += [ARMED, orders[order + NUMBER]]
            else:
                self._let_act(order)
        else:
            self.rows += [PASSED, at]

    def _release(self, number: Int) -> None:
        """Plan that an order acts that waited for its stop."""
        standing = self.standing
        order = standing.find(number)
        if order and standing.released() == order:
            self._let_act(order)
        else:
            self._refuse(RELEASE, number, UNKNOWN_ORDER, 0, 0)

    def _let_act(self, order: Int) -> None:
        """Plan that an order acts that waited."""
        place = len(self.rows)
        self.rows += [RELEASED, self.standing.queues.orders[order + NUMBER], 0]
        self.rows[place + 2] = self._act(self._wish(order))

    def _wish(self, order: Int) -> Wish:
        """Return what an order that lives wants."""
        queues = self.standing.queues
        orders = queues.orders
        wish = Wish()
        wish.number = orders[order + NUMBER]
        wish.party = orders[order + PARTY]
        wish.pool = orders[order + POOL]
        wish.key = orders[order + KEY]
        wish.left = orders[order + OPEN]
        wish.flags = orders[order + FLAGS]
        if wish.flags & HAS_TERMS:
            wish.least = queues.extras[(order >> ORDER_SHIFT) + LEAST]
        wish.partner = orders[order + PARTNER]
        return wish

    # --- trade -------------------------------------------------------------------------------

    def _act(self, wish: Wish) -> Int:
        """Plan how an order meets the other side, and return what of it rests then."""
        flags = wish.flags
        rows = self.rows
        queues = self.standing.queues
        pool = queues.pool(wish.pool)
        # Before trading opens nobody meets anybody; and most orders cross with nobody.
        meets = self.standing.phase == IN_OPEN and queues.crosses(pool, wish.key)
        if not meets and not flags:
            return wish.left
        walk = Walk(queues, pool, wish.key, wish.party, wish.partner)
        if flags & POST_ONLY:
            if meets and walk.advance():
                rows += [CANCELLED, wish.number, wish.left, BY_POST_ONLY]
                return 0
            return wish.left
        before = len(rows)
        wanted = wish.left
        is_whole = flags & LASTING == FOK
        # One that was made smaller than its minimum, while it waited, trades whole.
        least = wanted if is_whole else min(wish.least, wanted)
        traded: Int = self._match(wish, walk) if meets else 0
        if traded < least:
            del rows[before:]
            reason = BY_FOK if is_whole else BY_MIN_QUANTITY
            rows += [CANCELLED, wish.number, wanted, reason]
            return 0
        if not wish.left:
            return 0
        kind = flags & KIND
        if kind in (MARKET, STOP):
            rows += [CANCELLED, wish.number, wish.left, BY_NO_LIQUIDITY]
            return 0
        if flags & LASTING == IOC:
            rows += [CANCELLED, wish.number, wish.left, BY_IOC]
            return 0
        return wish.left

    def _match(self, wish: Wish, walk: Walk) -> Int:
        """Plan trades as far as limits cross, until nothing is left; return how much trades."""
        rows = self.rows
        orders = self.standing.queues.orders
        rule: Int = self.self_trade if wish.party else NOBODY
        traded: Int = 0
        is_buy = wish.pool > 0
        while wish.left and walk.advance():
            maker = walk.order
            quantity = min(wish.left, walk.shown)
            if rule and orders[maker + PARTY] == wish.party:
                self._give_way(wish, walk, quantity)
                continue
            price = -orders[maker + KEY] if is_buy else orders[maker + KEY] - walk.fee
            rows += [TRADE, orders[maker + NUMBER], wish.number, price, quantity]
            walk.take(quantity)
            wish.left -= quantity
            traded += quantity
        return traded

    def _give_way(self, wish: Wish, walk: Walk, quantity: Int) -> None:
        """Plan how two orders of one party are kept apart."""
        rule = self.self_trade
        maker = self.standing.queues.orders[walk.order + NUMBER]
        if rule == DECREMENT:
            self.rows += [CANCELLED, maker, quantity, BY_SELF_TRADE]
            self.rows += [CANCELLED, wish.number, quantity, BY_SELF_TRADE]
            walk.take(quantity)
            wish.left -= quantity
            return
        if rule in (OLDEST, BOTH):
            self.rows += [CANCELLED, maker, walk.left, BY_SELF_TRADE]
        if rule in (NEWEST, BOTH):
            self.rows += [CANCELLED, wish.number, wish.left, BY_SELF_TRADE]
            wish.left = 0


def kind_has_stop(flags: Int) -> bool:
    """Tell whether an order waits for a stop."""
    return flags & KIND >= STOP


def is_peak(peak: Int, quantity: Int) -> bool:
    """Tell whether a quantity can be shown in clips of a peak."""
    # Clips of so much hold any quantity, and their product might leave 64 bits.
    return peak > PEAK_ENOUGH or (peak > 0 and quantity <= peak * CLIPS_MAX)


def limit_of(orders: Column, order: Int, key: Int) -> Int:
    """Return the limit that a key says; `NONE` of an order that names none."""
    kind = orders[order + FLAGS] & KIND
    if kind in (MARKET, STOP) or key == ANY_PRICE:
        return NONE
    return key if orders[order + POOL] > 0 else -key
