"""A made-up world of batteries, aggregators and a market, whose links and members fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from random import Random

from tests.etp_members import (
    AFTER,
    AFTER_OF_BUYER,
    STRANGER,
    Aggregator,
    Battery,
    BatteryPlan,
    Conclusion,
    Line,
    Market,
    fault_of,
)
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.amounts import price_down
from wattbay.adapters.etp.auctions import (
    ENDS,
    Broadcast,
    Conclude,
    Effect,
    Ended,
    Keep,
    Key,
    Rules,
    Send,
    Stage,
)
from wattbay.adapters.etp.bess import Bess
from wattbay.adapters.etp.buyer import Buyer
from wattbay.adapters.etp.messages import Kind, Message
from wattbay.adapters.etp.seller import Seller

QUIET_MAX = 2_000
"""Rounds in which a world without faults must have come to rest."""
PlacedKey = tuple[int, int, int]
"""Of a bid, everywhere: aggregator, battery, and message id."""


class World:
    """All of them."""

    def __init__(self, batteries: Sequence[BatteryPlan], registers: Sequence[bool]) -> None:
        self.now = 1_000_000
        self.market = Market()
        self.lines: list[Line] = []
        self.kept: dict[PlacedKey, Keep] = {}
        self.ends: dict[PlacedKey, Ended] = {}
        self.placed: dict[PlacedKey, tuple[int, int]] = {}
        """Price and energy of every bid."""
        self.lost: set[PlacedKey] = set()
        """Bids that their aggregator forgot in a crash."""
        self.sent_prices: dict[tuple[int, Key], set[int]] = {}
        self._ids = count(1)
        self._numbers = count(1)
        self._lives = count(1)
        self.batteries: dict[int, Battery] = {}
        for number, plan in enumerate(batteries, 101):
            bess = Bess(
                device_id=number, capacity_wh=plan.capacity_wh, reserve_price=plan.reserve_price,
                percentage_for_sale=plan.percentage,
            )  # fmt: skip
            self.batteries[number] = Battery(
                bess, plan.rules, bess.level_wh, self._seller(bess, plan.rules)
            )
        self.aggregators = {
            number: Aggregator(self._buyer(number), does_register)
            for number, does_register in enumerate(registers, 201)
        }
        for buyer in self.aggregators:
            for number in self.batteries:
                self.link(buyer, number)

    def _seller(self, bess: Bess, rules: Rules) -> Seller:
        rng = Random(next(self._lives))
        return Seller(bess, rules, rng, lambda: next(self._numbers), fault_of)

    def _buyer(self, number: int) -> Buyer:
        return Buyer(number, lambda: next(self._ids))

    # --- doing -------------------------------------------------------------------------------

    def seller_does(self, number: int, call: Callable[[Seller], list[Effect]]) -> None:
        """Let a battery do something, and do what it wants done, as far as it lives."""
        battery = self.batteries[number]
        effects = call(battery.seller)
        cut = battery.crash_after
        if cut is not None and cut < len(effects):
            battery.crash_after = None
        else:
            cut = None
        self._see(number)
        for effect in effects if cut is None else effects[:cut]:
            match effect:
                case Send(to=to, message=message):
                    if message.message_type == Kind.BID_ACCEPT:
                        self._see_promise(number, to, message)
                    self._send_down(number, to, message)
                case Broadcast(message=message):
                    for to in self.aggregators:
                        self._send_down(number, to, message)
                case Conclude():
                    self._conclude(number, effect)
                case _:
                    pass
        if cut is not None:
            self.crash_battery(number)
        elif not self.market.is_slow:
            self.answer_all(number)

    def _conclude(self, number: int, told: Conclude) -> None:
        self.market.waiting.append(Conclusion(number, told))

    def answer_all(self, number: int | None = None) -> None:
        """Let the market answer what it was told."""
        while self.answer(0, number):
            pass

    def answer(self, place: int = 0, number: int | None = None) -> bool:
        """Let the market answer one thing that it was told; tell whether there was any."""
        of = [one for one in self.market.waiting if number in {None, one.bess}]
        if not of:
            return False
        one = of[place % len(of)]
        self.market.decide(one)
        self.market.waiting.remove(one)
        key, entry = one.told.key, one.entry
        if entry is not None:
            self.batteries[one.bess].known_wh += one.told.energy_wh
        self.seller_does(one.bess, lambda seller: seller.concluded(key, entry, self.now))
        return True

    def buyer_does(self, number: int, call: Callable[[Buyer], list[Effect]]) -> None:
        """Let an aggregator do something, and do what it wants done, as far as it lives."""
        aggregator = self.aggregators[number]
        effects = call(aggregator.buyer)
        cut = aggregator.crash_after
        if cut is not None and cut < len(effects):
            aggregator.crash_after = None
        else:
            cut = None
        self._see_buyer(number)
        for effect in effects if cut is None else effects[:cut]:
            match effect:
                case Send(to=to, message=message):
                    self._send_up(number, to, message)
                case Broadcast(message=message):
                    for to in self.batteries:
                        self._send_up(number, to, message)
                case Keep(bess=bess, message_id=message_id):
                    assert effect.price <= self.placed[number, bess, message_id][0]
                    self.kept[number, bess, message_id] = effect
                case Ended(bess=bess, message_id=message_id):
                    key = number, bess, message_id
                    assert key not in self.ends, f"{key} ends twice"
                    assert key not in self.lost, f"{key} was forgotten"
                    self.ends[key] = effect
                case _:
                    pass
        if cut is not None:
            self.crash_aggregator(number)

    def bid(self, number: int, bess: int, price: int, energy_wh: int) -> None:
        def place(buyer: Buyer) -> list[Effect]:
            sent = buyer.bid(bess, price, energy_wh, self.now)
            assert sent is not None
            self.placed[number, bess, sent.message.message_id] = price, energy_wh
            return [sent]

        self.buyer_does(number, place)

    def tick(self) -> None:
        """Let everybody do what fell due."""
        for number in self.batteries:
            self.seller_does(number, lambda seller: seller.tick(self.now))
        for number in self.aggregators:
            self.buyer_does(number, lambda buyer: buyer.tick(self.now))

    # --- links -------------------------------------------------------------------------------

    def line_of(self, buyer: int, bess: int) -> Line | None:
        """Return the last link of two, if it stands."""
        for line in reversed(self.lines):
            if (line.buyer, line.bess) == (buyer, bess):
                return line if line.is_up else None
        return None

    def _send_up(self, number: int, to: int, message: Message) -> None:
        line = self.line_of(number, to)
        if message.message_type == Kind.BID:
            prices = self.sent_prices.setdefault((to, (number, message.message_id)), set())
            prices.add(price_down(message.bid_price))
        if line is not None:
            line.up.append(m.encode(message))

    def _send_down(self, number: int, to: int, message: Message) -> None:
        line = self.line_of(to, number)
        if line is not None:
            line.down.append(m.encode(message))

    def link(self, number: int, bess: int) -> None:
        """Let an aggregator link to a battery anew: it hears the old link no more.

        What it sent on the old one may still come to the battery, at any time.
        """
        self.cut(number, bess)
        for old in self.lines:
            if (old.buyer, old.bess) == (number, bess):
                old.down.clear()
        self.lines = [line for line in self.lines if line.up or line.down or line.is_up]
        self.lines.append(Line(number, bess))
        if self.aggregators[number].does_register:
            self.buyer_does(number, lambda buyer: [buyer.register(bess)])
        self.buyer_does(number, lambda buyer: buyer.linked(bess, self.now))

    def cut(self, number: int, bess: int) -> None:
        """Break a link: what is on its way may come yet."""
        line = self.line_of(number, bess)
        if line is not None:
            line.is_up = False

    def deliver_up(self, line: Line) -> None:
        raw = line.up.popleft()
        battery = self.batteries[line.bess]
        battery.heard.append(raw)
        self.seller_does(line.bess, lambda seller: seller.hear(m.decode(raw), raw, self.now))

    def deliver_down(self, line: Line) -> None:
        raw, bess = line.down.popleft(), line.bess
        self.aggregators[line.buyer].heard.append((bess, raw))
        self.buyer_does(line.buyer, lambda buyer: buyer.hear(bess, m.decode(raw), self.now))

    def deliver_all(self) -> bool:
        """Deliver what is on its way, once; tell whether there was anything."""
        was_any = False
        for line in list(self.lines):
            for _ in range(len(line.up)):
                if line.up:  # A crash on the way takes what is left.
                    self.deliver_up(line)
                    was_any = True
            for _ in range(len(line.down)):
                if line.down:
                    self.deliver_down(line)
                    was_any = True
        return was_any

    def say(self, message: Message, bess: int) -> None:
        """Let a battery hear something from nowhere."""
        raw = m.encode(message)
        if message.message_type == Kind.BID:
            key = message.device_id, message.message_id
            self.sent_prices.setdefault((bess, key), set()).add(price_down(message.bid_price))
        self.batteries[bess].heard.append(raw)
        self.seller_does(bess, lambda seller: seller.hear(message, raw, self.now))

    # --- crashes -----------------------------------------------------------------------------

    def crash_battery(self, number: int) -> None:
        """Let a battery's node die and come again, with what the market knows."""
        for line in self.lines:
            if line.bess == number:
                line.up.clear()
                line.is_up = False
        self.market.forget(number)
        battery = self.batteries[number]
        sales = self.market.sales_of(number)
        sold_wh = sum(sale.energy_wh for sale in sales.values())
        old = battery.bess
        battery.bess = Bess(
            device_id=number, capacity_wh=old.capacity_wh, reserve_price=old.reserve_price,
            level_wh=battery.start_wh + battery.recharged_wh - sold_wh,
            percentage_for_sale=old.percentage_for_sale,
        )  # fmt: skip
        battery.seller = self._seller(battery.bess, battery.rules)
        for key, sale in sales.items():
            battery.seller.restore(key, sale.price, sale.energy_wh, sale.entry)
        battery.known_wh = sold_wh
        battery.stages.clear()
        battery.heard_before += battery.heard
        battery.heard = []

    def crash_aggregator(self, number: int) -> None:
        """Let an aggregator die and come again, with what it wrote down."""
        for line in self.lines:
            if line.buyer == number:
                line.down.clear()
                line.is_up = False
        aggregator = self.aggregators[number]
        aggregator.buyer = self._buyer(number)
        aggregator.stages.clear()
        for key in self.placed:
            if key[0] == number and key not in self.ends:
                if key in self.kept:
                    aggregator.buyer.restore(self.kept[key], self.now)
                else:
                    self.lost.add(key)

    # --- what must hold ----------------------------------------------------------------------

    def _see_promise(self, number: int, to: int, message: Message) -> None:
        """Look at an acceptance as it is sent."""
        bess = self.batteries[number].bess
        key = to, message.message_id
        price = price_down(message.sale_price)
        bid = next(bid for bid in self.batteries[number].seller.bids if bid.key == key)
        assert bid.price == price
        assert price <= max(self.sent_prices[number, key])
        if bid.until_us == self.now + self.batteries[number].rules.confirm_us:
            # Just promised, and not repeated.
            assert price >= bess.reserve
            assert self.batteries[number].seller.reserved_wh <= bess.for_sale_wh

    def _see(self, number: int) -> None:
        """Look at what a battery's bids became."""
        battery = self.batteries[number]
        for bid in battery.seller.bids:
            before = battery.stages.get(bid.key, Stage.OPEN)
            assert bid.stage in AFTER[before], f"{bid.key} went from {before} to {bid.stage}"
            battery.stages[bid.key] = bid.stage

    def _see_buyer(self, number: int) -> None:
        """Look at what an aggregator's bids became."""
        aggregator = self.aggregators[number]
        for bids in (aggregator.buyer.live, aggregator.buyer.ended):
            for bid in bids:
                key = bid.bess, bid.message_id
                before = aggregator.stages.get(key, Stage.OPEN)
                assert bid.stage in AFTER_OF_BUYER[before], f"{key}: {before} to {bid.stage}"
                aggregator.stages[key] = bid.stage
                assert bid.price <= self.placed[number, *key][0]

    def check(self) -> None:
        """Look at what holds at any time."""
        for number, battery in self.batteries.items():
            seller, bess = battery.seller, battery.bess
            promised = [
                bid for bid in seller.bids if bid.stage in {Stage.ACCEPTED, Stage.CONFIRMED}
            ]
            assert seller.reserved_wh == sum(bid.energy_wh for bid in promised)
            sold_wh = sum(sale.energy_wh for sale in self.market.sales_of(number).values())
            assert bess.level_wh == battery.start_wh + battery.recharged_wh - battery.known_wh
            # Nothing is promised twice, whatever the market has not told yet.
            assert seller.reserved_wh <= bess.level_wh
            assert battery.start_wh + battery.recharged_wh >= sold_wh
            assert seller.free_wh + seller.reserved_wh <= max(bess.for_sale_wh, seller.reserved_wh)
        assert not any(key[0] == STRANGER for _, key in self.market.sales)
        for number, bess_number, message_id in self.lost:
            assert (bess_number, (number, message_id)) not in self.market.sales

    # --- the end -----------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """Let everything end: each bid has one outcome, and no repetition changes it."""
        self.quieten()
        self.check_ends()
        before = self.outcome()
        self.repeat_all()
        self.quieten()
        self.check_ends()
        assert self.outcome() == before

    def quieten(self) -> None:
        """Let all faults end and time pass, until nothing is left to be done."""
        self.market.is_slow = False
        for battery in self.batteries.values():
            battery.crash_after = None
        for number, aggregator in self.aggregators.items():
            aggregator.crash_after = None
            for bess in self.batteries:
                self.link(number, bess)
        for _ in range(QUIET_MAX):
            self.answer_all()
            if self.deliver_all():
                continue
            dues = [due for due in self._dues() if due is not None]
            if not dues:
                return
            self.now = max(self.now, min(dues))
            self.tick()
        raise AssertionError("the world does not come to rest")

    def _dues(self) -> Iterator[int | None]:
        for battery in self.batteries.values():
            yield battery.seller.due()
        for aggregator in self.aggregators.values():
            yield aggregator.buyer.due()

    def check_ends(self) -> None:
        """Look at what holds when everything is over."""
        self.check()
        for battery in self.batteries.values():
            assert battery.seller.reserved_wh == 0
            assert all(bid.stage in ENDS for bid in battery.seller.bids)
            assert battery.bess.level_wh >= 0
        for number, aggregator in self.aggregators.items():
            assert not list(aggregator.buyer.live)
            places = {key for key in self.placed if key[0] == number}
            ended = {key for key in self.ends if key[0] == number}
            lost = {key for key in self.lost if key[0] == number}
            assert ended | lost == places
            assert not ended & lost
            self._check_money(number, does_register=aggregator.does_register)

    def _check_money(self, number: int, *, does_register: bool) -> None:
        sales = {
            (number, bess, key[1]): sale
            for (bess, key), sale in self.market.sales.items()
            if key[0] == number and (number, bess, key[1]) in self.placed
        }
        settled = {
            key: end
            for key, end in self.ends.items()
            if key[0] == number and end.stage is Stage.SETTLED
        }
        if does_register:
            assert settled.keys() == sales.keys()
            paid = sum(end.price * end.energy_wh for end in settled.values())
            assert paid == sum(sale.money for sale in sales.values())
        else:
            # Its own word ends a bid, so it may think that it bought; never that it did not.
            assert sales.keys() <= settled.keys()
        for key, sale in sales.items():
            assert (settled[key].price, settled[key].energy_wh) == (sale.price, sale.energy_wh)
            assert sale.price <= self.placed[key][0]

    def outcome(self) -> tuple[object, ...]:
        """Return what must not change any more."""
        levels = {number: one.bess.level_wh for number, one in self.batteries.items()}
        return levels, dict(self.market.sales), dict(self.ends)

    def repeat_all(self) -> None:
        """Let everybody hear again what was ever sent to them.

        A battery that restarted hears of its earlier lives what was sold: of what was not, it
        knows nothing, and only an envelope tells a repetition from a new bid.
        """
        for number, battery in self.batteries.items():
            sold = self.market.sales_of(number)
            for raw in [*battery.heard_before, *battery.heard[:]]:
                message = m.decode(raw)
                if (message.device_id, message.message_id) in sold:
                    self.seller_does(number, partial(_hear, message=message, raw=raw, now=self.now))
        for number, battery in self.batteries.items():
            for raw in battery.heard[:]:
                message = m.decode(raw)
                self.seller_does(number, partial(_hear, message=message, raw=raw, now=self.now))
        for number, aggregator in self.aggregators.items():
            for bess, raw in aggregator.heard[:]:
                message = m.decode(raw)
                self.buyer_does(number, partial(_listen, bess=bess, message=message, now=self.now))


def _hear(seller: Seller, *, message: Message, raw: bytes, now: int) -> list[Effect]:
    return seller.hear(message, raw, now)


def _listen(buyer: Buyer, *, bess: int, message: Message, now: int) -> list[Effect]:
    return buyer.hear(bess, message, now)
