"""An order book as it would be explained: one list of orders, looked through from the start.

Slow on purpose. What the book of the core does is compared with it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from wattbay.core.facts import SelfTrade
from wattbay.core.market.pools import Pools
from wattbay.core.market.steps import (
    BUY,
    Amend,
    Armed,
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
    Phased,
    Reduced,
    Refusal,
    Refused,
    Released,
    Step,
    Time,
    Trade,
    TurnAway,
)
from wattbay.core.terms import Ended, Kind, TimeInForce

CLIPS_MAX = 10_000
MOST = 2**53 - 1


@dataclass
class Order:
    new: New
    limit: int | None
    left: int
    place: int
    """In time: who came first."""
    born: int
    state: str = "acts"
    """It `rests`, or `sleeps` until it is valid, or waits for its `stop`; else it acts now."""
    shown: int = 0
    filled: int = 0

    @property
    def buys(self) -> bool:
        return self.new.pool > 0


class SlowBook:
    def __init__(self, rules: BookRules, pools: Pools | None = None) -> None:
        self.pools = pools or Pools(rules)
        self.rules = self.pools.rules
        self.phase = BookPhase.OPEN
        self.orders: list[Order] = []
        self.requests: list[tuple[int, int]] = []
        self.now = 0
        self.last: int | None = None
        self.count = 0
        self.said: list[Outcome] = []
        self.line: list[Order] = []

    def enter(self, step: Step) -> list[Outcome]:
        self.said = []
        match step:
            case New():
                self.new(step)
            case Amend():
                self.amend(step)
            case Cancel(number, party):
                order = self.find(number, party)
                if order is None:
                    self.said.append(Refused("cancel", number, Refusal.UNKNOWN_ORDER))
                else:
                    self.end(order, Ended.USER)
            case Time(at):
                self.pass_until(at)
            case Close():
                self.change_phase(BookPhase.CLOSED)
            case Phase(to):
                self.change_phase(to)
            case CancelAll(party):
                self.end_all(Ended.USER, party)
            case TurnAway(op, number, reason, party, request):
                if self.is_new_request(party, request):
                    self.said.append(Refused(op, number, reason, party if request else 0, request))
            case _:
                raise AssertionError(step)
        self.release_stops()
        return self.said

    def change_phase(self, to: BookPhase) -> None:
        self.phase = to
        self.said.append(Phased(to))
        if to is BookPhase.CLOSED:
            self.end_all(Ended.GATE_CLOSED, 0)

    def end_all(self, reason: Ended, party: int) -> None:
        for order in sorted(self.orders, key=lambda order: order.born):
            if party in (0, order.new.party):
                self.end(order, reason)

    def next_place(self) -> int:
        self.count += 1
        return self.count

    def find(self, number: int, party: int) -> Order | None:
        for order in self.orders:
            if order.new.order == number and party in (0, order.new.party):
                return order
        return None

    def end(self, order: Order, reason: Ended) -> None:
        self.orders.remove(order)
        self.said.append(Cancelled(order.new.order, order.left, reason))

    def is_new_request(self, party: int, request: int) -> bool:
        if request == 0:
            return True
        if (party, request) in self.requests:
            return False
        self.requests.append((party, request))
        return True

    # --- what is asked -----------------------------------------------------------------------

    def new(self, new: New) -> None:
        terms = new.terms
        if not self.is_new_request(new.party, terms.request):
            return
        reason = self.reason(new)
        if reason is not None:
            self.said.append(Refused("new", new.order, reason, *self.asked(new)))
            return
        place = self.next_place()
        limit = terms.protection if new.limit is None else new.limit
        order = Order(new, limit, new.quantity, place, place)
        self.orders.append(order)
        said = len(self.said)
        if terms.valid_from is not None and terms.valid_from > self.now:
            order.state = "sleeps"
        elif terms.stop is not None:
            order.state = "stop"
        else:
            self.act(order)
        waits = order.state in ("sleeps", "stop")
        party, pool, quantity = new.party, new.pool, new.quantity
        entered = Entered(
            new.order, party, pool, new.limit, quantity, terms, self.rests(order), waits
        )
        self.said.insert(said, entered)

    @staticmethod
    def asked(new: New) -> tuple[int, int]:
        return new.party if new.terms.request else 0, new.terms.request

    def rests(self, order: Order) -> int:
        return order.left if order in self.orders and order.state == "rests" else 0

    def outside(self, price: int | None) -> bool:
        low, high = self.rules.price_min, self.rules.price_max
        return price is not None and (
            abs(price) > MOST
            or (low is not None and price < low)
            or (high is not None and price > high)
        )

    def reason(self, new: New) -> Refusal | None:
        t = new.terms
        peak_fits = t.peak is None or (t.peak > 0 and new.quantity <= t.peak * CLIPS_MAX)
        if (
            new.quantity > MOST
            or new.quantity <= 0
            or t.min_quantity < 0
            or t.min_quantity > new.quantity
        ):
            return Refusal.BAD_QUANTITY
        if not peak_fits:
            return Refusal.BAD_QUANTITY
        if self.outside(new.limit) or self.outside(t.stop) or self.outside(t.protection):
            return Refusal.PRICE_LIMIT
        if self.find(new.order, 0) is not None:
            return Refusal.DUPLICATE_ID
        if t.expires is not None and t.expires <= self.now:
            return Refusal.ALREADY_EXPIRED
        if self.phase is BookPhase.CLOSED:
            return Refusal.GATE_CLOSED
        if self.phase is BookPhase.HALTED:
            return Refusal.HALTED
        names_limit = t.kind in (Kind.LIMIT, Kind.STOP_LIMIT)
        rests = names_limit and t.time_in_force in (TimeInForce.GTC, TimeInForce.GTD)
        faults = [
            new.pool == 0,
            t.time_in_force is TimeInForce.DAY,
            self.phase is BookPhase.PRE_OPEN
            and t.stop is None
            and (not rests or t.min_quantity > 0),
            names_limit and new.limit is None,
            not names_limit and new.limit is not None,
            names_limit and t.protection is not None,
            t.kind in (Kind.STOP, Kind.STOP_LIMIT) and t.stop is None,
            t.kind in (Kind.LIMIT, Kind.MARKET) and t.stop is not None,
            t.time_in_force is TimeInForce.GTD and t.expires is None,
            t.time_in_force is not TimeInForce.GTD and t.expires is not None,
            t.post_only and not rests,
            t.post_only and t.min_quantity > 0,
            t.peak is not None and not rests,
            t.valid_from is not None and t.expires is not None and t.expires <= t.valid_from,
        ]
        return Refusal.BAD_CONDITION if any(faults) else None

    def amend(self, amend: Amend) -> None:
        order = self.find(amend.order, amend.party)
        reason = None
        if amend.quantity is not None and not 0 < amend.quantity <= MOST:
            reason = Refusal.BAD_QUANTITY
        elif self.outside(amend.limit):
            reason = Refusal.PRICE_LIMIT
        elif order is None:
            reason = Refusal.UNKNOWN_ORDER
        elif (
            amend.quantity is not None
            and order.new.terms.peak is not None
            and amend.quantity > order.new.terms.peak * CLIPS_MAX
        ):
            reason = Refusal.BAD_QUANTITY
        elif amend.limit is not None and order.new.limit is None:
            reason = Refusal.BAD_CONDITION
        if reason is not None or order is None:
            assert reason is not None
            self.said.append(Refused("amend", amend.order, reason))
            return
        left = order.left if amend.quantity is None else amend.quantity - order.filled
        limit = order.limit if amend.limit is None else amend.limit
        if left <= 0:
            self.end(order, Ended.USER)
        elif limit == order.limit and left <= order.left:
            order.left = left
            order.shown = min(order.shown, left)
            self.said.append(Reduced(amend.order, order.filled + left))
        elif self.phase is BookPhase.HALTED:
            self.said.append(Refused("amend", amend.order, Refusal.HALTED))
        else:
            order.left, order.limit, order.place = left, limit, self.next_place()
            total, said = order.filled + left, len(self.said)
            if order.state == "rests":
                self.act(order, is_entry=False)
            named = None if order.new.limit is None else limit
            self.said.insert(said, Moved(amend.order, named, total, self.rests(order)))

    def pass_until(self, at: int) -> None:
        while True:
            due = []
            for order in self.orders:
                expires, valid_from = order.new.terms.expires, order.new.terms.valid_from
                if expires is not None and expires <= at:
                    due.append((expires, 0, order.born, order))
                halted = self.phase is BookPhase.HALTED
                if (
                    not halted
                    and order.state == "sleeps"
                    and valid_from is not None
                    and valid_from <= at
                ):
                    due.append((valid_from, 1, order.place, order))
            if not due:
                break
            instant, what, _, order = min(due, key=lambda entry: entry[:3])
            self.now = max(self.now, instant)
            if what == 0:
                self.end(order, Ended.EXPIRED)
            elif order.new.terms.stop is not None:
                order.place, order.state = self.next_place(), "stop"
                self.said.append(Armed(order.new.order))
            else:
                order.place = self.next_place()
                self.let_act(order)
            self.release_stops()
        self.now = at

    # --- acting ------------------------------------------------------------------------------

    def is_reached(self, order: Order) -> bool:
        stop = order.new.terms.stop
        if stop is None or self.last is None:
            return False
        return self.last >= stop if order.buys else self.last <= stop

    def let_act(self, order: Order) -> None:
        said = len(self.said)
        self.act(order)
        self.said.insert(said, Released(order.new.order, self.rests(order)))

    def release_stops(self) -> None:
        while True:
            reached = [o for o in self.orders if o.state == "stop" and self.is_reached(o)]
            for order in sorted(reached, key=lambda order: order.place):
                order.state = "lined"
                self.line.append(order)
            if not self.line or self.phase is not BookPhase.OPEN:
                return
            order = self.line.pop(0)
            if order in self.orders:
                order.place = self.next_place()
                self.let_act(order)

    def act(self, order: Order, *, is_entry: bool = True) -> None:
        terms = order.new.terms
        order.state = "acts"
        is_open = self.phase is not BookPhase.PRE_OPEN
        if terms.post_only and is_open and self.meets(order):
            return self.end(order, Ended.POST_ONLY)
        needs = order.left if terms.time_in_force is TimeInForce.FOK else terms.min_quantity
        would_trade = self.would_trade(order) if needs else 0
        if terms.time_in_force is TimeInForce.FOK and would_trade < order.left:
            return self.end(order, Ended.FOK)
        if is_entry and would_trade < min(terms.min_quantity, order.left):
            return self.end(order, Ended.MIN_QUANTITY)
        self.match(order)
        if order not in self.orders:
            return None
        if terms.kind in (Kind.MARKET, Kind.STOP):
            self.end(order, Ended.NO_LIQUIDITY)
        elif terms.time_in_force is TimeInForce.IOC:
            self.end(order, Ended.IOC)
        else:
            order.state = "rests"
            order.shown = min(terms.peak or order.left, order.left)
        return None

    def would_trade(self, order: Order) -> int:
        """Try it on a copy of the whole book."""
        tried = copy.deepcopy(self)
        tried.said = []
        tried.match(next(o for o in tried.orders if o.new.order == order.new.order))
        return sum(one.quantity for one in tried.said if isinstance(one, Trade))

    def fee(self, buy: Order, sell: Order) -> int | None:
        for one, other in ((buy, sell), (sell, buy)):
            if one.new.terms.partner not in (0, other.new.party):
                return None
        buy_zone, wanted = self.pools.name(buy.new.pool)
        sell_zone, origin = self.pools.name(sell.new.pool)
        is_local = self.pools.is_local(buy.new.pool) or self.pools.is_local(sell.new.pool)
        if is_local and buy_zone != sell_zone:
            return None
        if wanted:
            line = [origin]
            while line[-1]:
                line.append(self.rules.parents[line[-1]])
            if wanted not in line:
                return None
        if self.rules.network_fees is None:
            return self.rules.network_fee
        return self.rules.network_fees.get((sell_zone, buy_zone))

    def meets(self, taker: Order) -> list[tuple[Order, int]]:
        """List whom an order crosses, best first, each with the price of a trade."""
        found = []
        for maker in self.orders:
            if maker.state != "rests" or maker.buys == taker.buys or maker is taker:
                continue
            buy, sell = (taker, maker) if taker.buys else (maker, taker)
            fee = self.fee(buy, sell)
            assert maker.limit is not None
            if fee is None:
                continue
            crosses = buy.limit is None or sell.limit is None or sell.limit + fee <= buy.limit
            if crosses and taker.buys:
                found.append((maker.limit + fee, maker.place, maker, maker.limit))
            elif crosses:
                found.append((fee - maker.limit, maker.place, maker, maker.limit - fee))
        found.sort(key=lambda entry: entry[:2])
        return [(maker, price) for _, _, maker, price in found]

    def match(self, taker: Order) -> None:
        rule = self.rules.self_trade
        while taker.left and self.phase is not BookPhase.PRE_OPEN:
            found = self.meets(taker)
            if not found:
                return
            maker, price = found[0]
            quantity = min(taker.left, maker.shown)
            if rule is not None and taker.new.party and taker.new.party == maker.new.party:
                if rule is SelfTrade.DECREMENT:
                    for order in (maker, taker):
                        self.said.append(Cancelled(order.new.order, quantity, Ended.SELF_TRADE))
                        self.take(order, quantity)
                    continue
                if rule in (SelfTrade.OLDEST, SelfTrade.BOTH):
                    self.end(maker, Ended.SELF_TRADE)
                if rule in (SelfTrade.NEWEST, SelfTrade.BOTH):
                    self.end(taker, Ended.SELF_TRADE)
                    return
                continue
            self.said.append(Trade(maker.new.order, taker.new.order, price, quantity))
            self.last = price
            for order in (maker, taker):
                order.filled += quantity
                self.take(order, quantity)

    def take(self, order: Order, quantity: int) -> None:
        order.left -= quantity
        order.shown -= quantity
        if order.left == 0:
            self.orders.remove(order)
        elif order.state == "rests" and order.shown == 0:
            order.shown = min(order.new.terms.peak or order.left, order.left)
            order.place = self.next_place()

    # --- what stands -------------------------------------------------------------------------

    def side(self, side: int) -> list[tuple[int, list[tuple[int, int]]]]:
        resting = [o for o in self.orders if o.state == "rests" and o.new.pool * side > 0]
        limits = sorted({o.limit for o in resting if o.limit is not None}, reverse=side == BUY)
        return [
            (
                limit,
                [
                    (o.new.order, o.left)
                    for o in sorted(resting, key=lambda order: order.place)
                    if o.limit == limit
                ],
            )
            for limit in limits
        ]

    def stops(self) -> list[int]:
        waiting = [
            o
            for o in self.orders
            if o.state in ("stop", "lined")
            or (o.state == "sleeps" and o.new.terms.stop is not None)
        ]
        return [o.new.order for o in sorted(waiting, key=lambda order: order.place)]
