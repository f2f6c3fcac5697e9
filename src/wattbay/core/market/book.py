"""Continuous trading: one order book of a delivery, by price, then time.

Steps go in by the batch, outcomes come out. No clock: time is a step. Which orders trade, and at
which price, follows from the steps alone.

Prices are in the sellers' terms: a trade's price is what the seller gets, and the buyer pays the
network fee between the two on top. So a trade is at the limit of the order that rested; where that
is a buy order, whose limit is all-in, at its limit less the fee.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from wattbay.core.market.levels import ANY_PRICE, Order, Pools, best, crossing
from wattbay.core.market.steps import (
    BUY,
    PLAIN,
    Amend,
    BookRules,
    Cancel,
    Cancelled,
    Close,
    Ended,
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
    Triggered,
    TurnAway,
    is_contradictory,
    is_peak,
    is_within,
    refusal_of,
)
from wattbay.core.market.waiting import BEGINS, EXPIRES, Agenda, Stops
from wattbay.errors import ensure


class Book:
    """The book of one delivery."""

    def __init__(self, rules: BookRules) -> None:
        """Begin empty, with the gate open, at time 0."""
        self.now = 0
        self.last: int | None = None
        """Price of the last trade."""
        self.is_closed = False
        self._rules = rules
        self._self_trade = rules.self_trade
        fees = rules.network_fees
        # Else a plain order of some quantity can be refused for its id alone.
        self._is_restricted = (rules.price_min, rules.price_max, fees) != (None, None, None)
        self._zones = None if fees is None else frozenset(zone for pair in fees for zone in pair)
        self._pools = Pools(rules.network_fee, fees, rules.parents)
        self._plain_pools = {side: self._pools.get(side, 0, 0) for side in (BUY, -BUY)}
        self._orders: dict[int, Order] = {}
        self._requests: set[tuple[int, int]] = set()
        self._stops = Stops()
        self._agenda = Agenda()
        self._arrivals = 0
        self._outcomes: list[Outcome] = []

    # --- the door ----------------------------------------------------------------------------

    def enter(self, steps: Iterable[Step]) -> list[Outcome]:
        """Take steps one by one, and return what came of them, in order.

        How steps are cut into batches changes nothing.
        """
        outcomes = self._outcomes = []
        for step in steps:
            if type(step) is New:
                if step.terms is PLAIN:
                    self._place_plain(step)
                else:
                    self._place(step)
            elif type(step) is Cancel:
                order = self._own(step.order, step.party)
                if order is None:
                    outcomes.append(Refused("cancel", step.order, Refusal.UNKNOWN_ORDER))
                else:
                    self._end(order, Ended.USER)
            elif type(step) is Amend:
                self._amend(step)
            elif type(step) is Time:
                self._advance(step.at)
            elif type(step) is Close:
                self._close()
            elif type(step) is TurnAway and self._is_first(step.party, step.request):
                outcomes.append(Refused(step.step, step.order, step.reason))
        return outcomes

    def side(self, side: int) -> list[tuple[int, list[tuple[int, int]]]]:
        """Return what rests on a side: limits, best first; orders with all that is open of each.

        Best is by the orders' own limits, whatever the network fees; equal limits by priority.
        """
        return [
            (limit, [(order.number, order.open) for order in orders])
            for limit, orders in self._pools.side(side)
        ]

    def stops(self) -> list[int]:
        """Return the stop orders that have not acted, by arrival."""
        waiting = [
            order
            for order in self._orders.values()
            if not order.rests and order.terms.stop is not None
        ]
        return [order.number for order in sorted(waiting, key=lambda order: order.arrival)]

    # --- new ---------------------------------------------------------------------------------

    def _place_plain(self, new: New) -> None:
        """Let a limit order until gate closure in: what `_place` does, where nothing is special."""
        number, party, side, limit, quantity, terms = new
        if limit is None or quantity <= 0 or self._is_restricted or number in self._orders:
            self._place(new)
            return
        self._arrivals = arrival = self._arrivals + 1
        pool = self._plain_pools[side]
        key = side * limit
        order = Order(number, party, pool, key, quantity, terms, arrival)
        self._orders[number] = order
        for fee, other in pool.reach:
            if other.keys and key + other.keys[-1] >= fee:
                break
        else:
            order.shown = quantity
            pool.append(order)
            return
        if self._match(order):
            order.shown = order.open
            pool.append(order)
        if self._stops.count:
            self._release()

    def _place(self, new: New) -> None:
        """Let an order in, or say why not."""
        terms = new.terms
        if terms.request and not self._is_first(new.party, terms.request):
            return
        reason = self._refusal(new)
        if reason is not None:
            self._outcomes.append(Refused("new", new.order, reason))
            return
        side, limit = new.side, new.limit
        if limit is None:
            worst = terms.protection
            key = ANY_PRICE if worst is None else side * worst
        else:
            key = side * limit
        pool = self._pools.get(side, terms.zone, terms.origin or terms.wants)
        self._arrivals += 1
        number = new.order
        order = Order(number, new.party, pool, key, new.quantity, terms, self._arrivals)
        self._orders[number] = order
        if terms.expires is not None:
            self._agenda.add(terms.expires, EXPIRES, order)
        if terms.valid_from is not None and terms.valid_from > self.now:
            self._agenda.add(terms.valid_from, BEGINS, order)
            return
        self._begin(order)
        self._release()

    def _refusal(self, new: New) -> Refusal | None:
        """Return why an order is refused; None if it is not."""
        reason = refusal_of(new, self._rules)
        if reason is not None:
            return reason
        if new.order in self._orders:
            return Refusal.DUPLICATE_ID
        expires = new.terms.expires
        if expires is not None and expires <= self.now:
            return Refusal.ALREADY_EXPIRED
        if self.is_closed:
            return Refusal.GATE_CLOSED
        return Refusal.BAD_CONDITION if is_contradictory(new, self._zones) else None

    def _is_first(self, party: int, request: int) -> bool:
        """Tell whether a party makes a request for the first time, and remember it."""
        if not request:
            return True
        name = (party, request)
        if name in self._requests:
            return False
        self._requests.add(name)
        return True

    def _begin(self, order: Order) -> None:
        """Let an order act, or wait for its stop."""
        stop = order.terms.stop
        if stop is None:
            self._act(order)
            return
        side = order.pool.side
        if self.last is not None and side * self.last >= side * stop:
            self._outcomes.append(Triggered(order.number))
            self._act(order)
        else:
            self._stops.add(order)

    def _release(self) -> None:
        """Let stops act that the last price reaches, and those that they cause, until none is.

        Each acts when the one before is complete. It ends: an order is released once.
        """
        line: deque[Order] = deque()
        while True:
            if self.last is not None:
                line.extend(self._stops.reached(self.last))
            if not line:
                return
            order = line.popleft()
            self._outcomes.append(Triggered(order.number))
            self._arrive(order)
            self._act(order)

    def _arrive(self, order: Order) -> None:
        """Put an order behind all others in time."""
        self._arrivals += 1
        order.arrival = self._arrivals

    # --- change and end ----------------------------------------------------------------------

    def _own(self, number: int, party: int) -> Order | None:
        """Return a living order; one of another party is as unknown as one that ended."""
        order = self._orders.get(number)
        return None if order is None or (party and party != order.party) else order

    def _amend(self, amend: Amend) -> None:
        """Change an order, or say why not."""
        reason = self._refusal_to_amend(amend)
        if reason is not None:
            self._outcomes.append(Refused("amend", amend.order, reason))
            return
        order = self._orders[amend.order]
        side = order.pool.side
        left = order.open if amend.quantity is None else amend.quantity - order.filled
        key = order.key if amend.limit is None else side * amend.limit
        rested = order.rests
        if left <= 0:
            self._end(order, Ended.USER)
        elif key == order.key and left <= order.open:
            order.open = left
            if rested:
                order.shown = min(order.shown, left)
        else:
            if rested:
                order.pool.remove(order)
            order.key, order.open = key, left
            self._arrive(order)
            if rested:
                self._act(order, is_entry=False)
                self._release()
            elif not order.stops:
                self._agenda.add(order.terms.valid_from or 0, BEGINS, order)

    def _refusal_to_amend(self, amend: Amend) -> Refusal | None:
        """Return why a change is refused; None if it is not."""
        quantity, limit = amend.quantity, amend.limit
        if quantity is not None and quantity <= 0:
            return Refusal.BAD_QUANTITY
        if limit is not None and not is_within(limit, self._rules):
            return Refusal.PRICE_LIMIT
        order = self._own(amend.order, amend.party)
        if order is None:
            return Refusal.UNKNOWN_ORDER
        peak = order.terms.peak
        if quantity is not None and peak is not None and not is_peak(peak, quantity):
            return Refusal.BAD_QUANTITY
        if limit is not None and order.terms.kind in {Kind.MARKET, Kind.STOP}:
            return Refusal.BAD_CONDITION
        return None

    def _end(self, order: Order, reason: Ended) -> None:
        """Cancel what is open of an order."""
        if order.rests:
            order.pool.remove(order)
        order.stops = False
        del self._orders[order.number]
        self._outcomes.append(Cancelled(order.number, order.open, reason))

    def _advance(self, at: int) -> None:
        """Let time pass: what is due happens at its own instant, then it is `at`."""
        ensure(at >= self.now, "time never goes back")
        while due := self._agenda.take(at):
            instant, what, arrival, order = due
            if self._orders.get(order.number) is not order:
                continue
            self.now = instant
            if what == EXPIRES:
                self._end(order, Ended.EXPIRED)
            elif order.arrival == arrival:
                self._arrive(order)
                self._begin(order)
                self._release()
        self.now = at

    def _close(self) -> None:
        """Close the gate."""
        self.is_closed = self._is_restricted = True
        for order in list(self._orders.values()):
            self._end(order, Ended.GATE_CLOSED)

    # --- trade -------------------------------------------------------------------------------

    def _act(self, order: Order, *, is_entry: bool = True) -> None:
        """Let an order meet the other side, and then rest or end."""
        terms = order.terms
        if terms is not PLAIN:
            reason = self._obstacle(order, terms, is_entry=is_entry)
            if reason is not None:
                self._end(order, reason)
                return
        if not self._match(order):
            return
        if terms.kind is Kind.MARKET or terms.kind is Kind.STOP:
            self._end(order, Ended.NO_LIQUIDITY)
        elif terms.time_in_force is TimeInForce.IOC:
            self._end(order, Ended.IOC)
        else:
            peak = terms.peak
            order.shown = order.open if peak is None else min(peak, order.open)
            order.pool.append(order)

    def _obstacle(self, order: Order, terms: Terms, *, is_entry: bool) -> Ended | None:
        """Return why an order may not trade now; None if it may."""
        if terms.post_only:
            return None if best(order) is None else Ended.POST_ONLY
        if terms.time_in_force is TimeInForce.FOK:
            return None if self._tradable(order, order.open) >= order.open else Ended.FOK
        # One that was made smaller than its minimum, while it waited, trades whole.
        least = min(terms.min_quantity, order.open)
        if is_entry and self._tradable(order, least) < least:
            return Ended.MIN_QUANTITY
        return None

    def _match(self, taker: Order) -> bool:
        """Trade as far as limits cross; tell whether anything is left open."""
        outcomes = self._outcomes
        pool = taker.pool
        reach = pool.reach
        while taker.open:
            if len(reach) == 1:
                # What `best` does, where there is one pool to meet.
                fee, other = reach[0]
                keys = other.keys
                is_met = keys and taker.key + keys[-1] >= fee
                maker = other.levels[keys[-1]].first if is_met else None
                if maker is None:
                    return True
            else:
                found = best(taker)
                if found is None:
                    return True
                maker, fee = found
            if taker.party and taker.party == maker.party and self._self_trade is not None:
                if not self._give_way(taker, maker, self._self_trade):
                    return False
                continue
            quantity = min(taker.open, maker.shown)
            price = -maker.key if pool.side == BUY else maker.key - fee
            self.last = price
            outcomes.append(Trade(maker.number, taker.number, price, quantity))
            taker.open -= quantity
            taker.filled += quantity
            maker.filled += quantity
            self._take(maker, quantity)
        del self._orders[taker.number]
        return False

    def _take(self, maker: Order, quantity: int) -> None:
        """Take a quantity out of what an order shows, and show the next clip behind its price."""
        maker.open -= quantity
        maker.shown -= quantity
        if maker.shown:
            return
        maker.pool.remove(maker)
        if not maker.open:
            del self._orders[maker.number]
            return
        maker.shown = min(maker.terms.peak or maker.open, maker.open)
        self._arrive(maker)
        maker.pool.append(maker)

    def _give_way(self, taker: Order, maker: Order, rule: SelfTrade) -> bool:
        """Keep two orders of one party apart; tell whether the one that came second lives."""
        if rule is SelfTrade.DECREMENT:
            quantity = min(taker.open, maker.shown)
            for order in (maker, taker):
                cancelled = Cancelled(order.number, quantity, Ended.SELF_TRADE)
                self._outcomes.append(cancelled)
            self._take(maker, quantity)
            taker.open -= quantity
            return True
        if rule is not SelfTrade.NEWEST:
            self._end(maker, Ended.SELF_TRADE)
        if rule is not SelfTrade.OLDEST:
            self._end(taker, Ended.SELF_TRADE)
            return False
        return True

    def _tradable(self, taker: Order, wanted: int) -> int:
        """Return how much an order would trade now, or `wanted` if it is more."""
        left, traded = taker.open, 0
        prevents = self._self_trade if taker.party else None
        for orders in crossing(taker) if wanted else ():
            line = deque((order, order.shown, order.open) for order in orders)
            while line and left and traded < wanted:
                order, shown, remains = line.popleft()
                quantity = min(left, shown)
                if prevents is not None and order.party == taker.party:
                    if prevents is SelfTrade.OLDEST:
                        continue
                    if prevents is not SelfTrade.DECREMENT:
                        return traded
                else:
                    traded += quantity
                left -= quantity
                remains -= quantity
                if remains and left:
                    line.append((order, min(order.terms.peak or remains, remains), remains))
            if not left or traded >= wanted:
                break
        return min(traded, wanted)
