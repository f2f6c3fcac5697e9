"""A battery's side of every auction: bids in, one outcome each. No socket, no clock.

What is accepted is reserved until it is confirmed or its time is over, so that the same energy is
never promised twice. What the market was told of ends by the market's answer alone.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from random import Random

from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp import replies
from wattbay.adapters.etp.amounts import energy_down, kwh, price_down
from wattbay.adapters.etp.auctions import (
    ENDS,
    NEXT,
    Auction,
    Bid,
    Broadcast,
    Conclude,
    Effect,
    Key,
    MarketFault,
    Rules,
    Send,
    Stage,
    Told,
)
from wattbay.adapters.etp.bess import Bess
from wattbay.adapters.etp.messages import Kind, Message, RejectCode, TerminateCode
from wattbay.adapters.etp.telling import QueryResponse, QuerySent
from wattbay.errors import ensure

WINDOW: Key = (1 << 64, 0)
"""In place of a bid's key: the window of the present auction, after all keys.

So a promise that ends when a window does is released before bids are judged.
"""
WAITING = frozenset({Stage.OPEN, Stage.ACCEPTED})
"""Where either side can still give a bid up."""


def no_fault(bidder: int, price: int, energy_wh: int) -> RejectCode | None:
    """Take whatever comes: there is no market."""
    del bidder, price, energy_wh
    return None


class Seller:
    """All auctions of one battery."""

    def __init__(
        self,
        bess: Bess,
        rules: Rules,
        rng: Random,
        numbers: Callable[[], int],
        market_fault: MarketFault = no_fault,
    ) -> None:
        """Sell for a battery.

        Parameters
        ----------
        rng
            Draws the pauses between auctions.
        numbers
            Gives each auction its number.
        """
        self.bess = bess
        self.rules = rules
        self._rng = rng
        self._numbers = numbers
        self._market_fault = market_fault
        self._auction: Auction | None = None
        self._paused_until = -1
        self._known: dict[Key, Bid] = {}
        self._live: dict[Key, Bid] = {}
        self._rejected: deque[Bid] = deque()
        self._released: deque[Bid] = deque()
        self._settled: dict[int, deque[Bid]] = {}
        self._opened: dict[int, int] = {}
        self._dues: list[tuple[int, Key]] = []
        self._registered: set[int] = set()
        self.told_entry = 0
        """The highest entry that is known to say how full the battery is."""
        self.counts: Counter[str] = Counter()

    # --- looking -----------------------------------------------------------------------------

    @property
    def stage(self) -> Stage:
        """Where the present auction is."""
        return Stage.IDLE if self._auction is None else self._auction.stage

    @property
    def bids(self) -> Iterator[Bid]:
        """All bids that are remembered, ended ones too."""
        yield from self._known.values()

    @property
    def reserved_wh(self) -> int:
        """What is promised, and neither sold nor released. [Wh]"""
        return sum(bid.energy_wh for bid in self._live.values() if bid.stage is not Stage.OPEN)

    @property
    def is_concluding(self) -> bool:
        """Tell whether the market was told of a sale, and has not answered."""
        return any(bid.stage is Stage.CONFIRMED for bid in self._live.values())

    @property
    def free_wh(self) -> float:
        """What is for sale and promised to nobody. [Wh]"""
        return max(0.0, self.bess.for_sale_wh - self.reserved_wh)

    def due(self) -> int | None:
        """Return when `tick` has something to do; None if nothing waits. [µs]"""
        return self._dues[0][0] if self._dues else None

    @property
    def _id(self) -> int:
        return self.bess.device_id

    # --- hearing -----------------------------------------------------------------------------

    def hear(self, message: Message, raw: bytes, now: int) -> list[Effect]:
        """Return what is to be done about a message.

        Parameters
        ----------
        raw
            As it came, envelope and all: the proof of what was agreed.
        now
            When it arrived, by a clock that never goes back. [µs]
        """
        effects = self.tick(now)
        match message.message_type:
            case Kind.QUERY:
                effects += self._query(message, now)
            case Kind.BID:
                effects += self._bid(message, raw, now)
            case Kind.BID_CONFIRM:
                effects += self._confirm(message, raw, now)
            case Kind.TERMINATE:
                self._terminate(message)
            case Kind.DEVICE_FAILURE:
                bids = self._live_of(message.device_id)
                self._give_up(bids, Stage.FAILED, message.termination_code)
            case Kind.REGISTER:
                if len(self._registered) < self.rules.bidders_max:
                    self._registered.add(message.device_id)
                effects.append(_answer(m.register(message.message_id, self._id), message, now))
            case _:
                # An answer to a question that a battery never asks, or another battery's status.
                self.counts["unexpected"] += 1
        return effects

    def _query(self, message: Message, now: int) -> list[Effect]:
        """Tell what is for sale; the first question opens an auction."""
        asked = QuerySent(entry=self.told_entry, aggregator_id=message.device_id, bess_id=self._id)
        effects: list[Effect] = [Told(asked)]
        is_open = self.bess.is_online and self._open(now, effects) is not None
        level, percent = self.bess.level_wh, 0.0
        if is_open and level > 0:
            percent = self.bess.percentage_for_sale
            if self._live and self.reserved_wh:
                # What is promised is not for sale.
                percent = 100.0 * self.free_wh / level
        answer = m.query_response(message.message_id, self._id, kwh(level), percent)
        told = QueryResponse(
            entry=self.told_entry, bess_id=self._id, percentage_for_sale=percent,
            energy_available=kwh(level * percent / 100),
        )  # fmt: skip
        return [*effects, _answer(answer, message, now), Told(told)]

    def _open(self, now: int, effects: list[Effect]) -> Auction | None:
        """Return the auction that runs, opening one if the pause is over; None in a pause."""
        if self._auction is None and now >= self._paused_until:
            self._auction = Auction(self._numbers(), now)
            self.counts["auctions"] += 1
            told = replies.started(self._auction, self.bess, self.free_wh, self.told_entry)
            effects.append(Told(told))
        return self._auction

    # --- bids --------------------------------------------------------------------------------

    def _bid(self, message: Message, raw: bytes, now: int) -> list[Effect]:
        """Take a bid into the auction, or say why not."""
        key = message.device_id, message.message_id
        price = price_down(message.bid_price, self.rules.price_tick)
        energy_wh = energy_down(message.required_energy_amount)
        known = self._known.get(key)
        if known is not None:
            if (known.price, known.energy_wh) != (price, energy_wh):
                self.counts["id reused"] += 1
                return [_answer(m.bid_reject(key[1], self._id, RejectCode.ID_REUSED), message, now)]
            self.counts["repeated"] += 1
            return [*replies.again(self._id, known, (Kind.BID, now))]
        self.counts["bids"] += 1
        bid = Bid(key, price, energy_wh, raw, now)
        effects: list[Effect] = []
        auction = self._open(now, effects) if self.bess.is_online else None
        if auction is not None:
            bid.auction = auction.number
            effects.append(Told(replies.placed(self._id, bid, self.told_entry)))
        code = self._unfit(bid, auction)
        if code is RejectCode.TOO_MANY:
            # Nothing is remembered of it, or whoever sends enough would make us forget others.
            self.counts["too many"] += 1
            return [*effects, _answer(m.bid_reject(key[1], self._id, code), message, now)]
        if code is not None or auction is None:
            return effects + self._reject(bid, code or RejectCode.NO_AUCTION)
        self._known[key] = self._live[key] = bid
        auction.bids.append(bid)
        if not self.rules.window_us:
            return effects + self._evaluate(auction, now)
        if auction.closes_us is None:
            auction.stage = Stage.OPEN
            auction.closes_us = now + self.rules.window_us
            heappush(self._dues, (auction.closes_us, WINDOW))
        return effects

    def _unfit(self, bid: Bid, auction: Auction | None) -> RejectCode | None:
        """Return why a bid cannot wait to be judged; None if it can."""
        rules = self.rules
        if not self.bess.is_online:
            return RejectCode.OFFLINE
        if bid.energy_wh < 1:
            return RejectCode.NOTHING_ASKED
        if auction is None:
            return RejectCode.NO_AUCTION
        promised = len(self._live) - len(auction.bids)
        if len(auction.bids) >= rules.bids_max or promised >= rules.promised_max:
            return RejectCode.TOO_MANY
        # Whoever waits in a window takes a place there: nobody does that the market does not know.
        return self._market_fault(bid.bidder, bid.price, bid.energy_wh) if rules.window_us else None

    def _evaluate(self, auction: Auction, now: int) -> list[Effect]:
        """Let the best bid win that can: by price, then by arrival."""
        auction.stage = Stage.EVALUATING
        bids, auction.bids, auction.closes_us = auction.bids, [], None
        ranked = sorted(bids, key=lambda bid: -bid.price)
        winner: Bid | None = None
        verdicts = []
        promised_wh = self.reserved_wh
        for bid in ranked:
            code, words = self._verdict(bid, promised_wh)
            if code is None and winner is None:
                winner = bid
            verdicts.append((code, words))
        effects: list[Effect] = []
        for bid, (code, words) in zip(ranked, verdicts, strict=True):
            if bid is winner:
                bid.others = tuple(one.raw for one in ranked if one is not winner)
                effects += self._accept(bid, now)
            else:
                effects += self._reject(bid, code or RejectCode.OUTBID, words)
        if winner is None:
            auction.stage = Stage.QUERIED
        else:
            # What is left is for the next auction; this one is about its winner alone.
            self._auction = None
            self._opened[auction.number] = auction.opened_us
            low, high = self.rules.pause_us
            self._paused_until = now + self._rng.randint(low, high) if high else -1
        return effects

    def _verdict(self, bid: Bid, promised_wh: int) -> tuple[RejectCode | None, str]:
        code, words = self.rules.judge(self.bess, bid.price, bid.energy_wh, promised_wh)
        if code is None:
            code = self._market_fault(bid.bidder, bid.price, bid.energy_wh)
        return code, words

    def _accept(self, bid: Bid, now: int) -> list[Effect]:
        """Promise the energy of a bid until it is confirmed, or its time is over."""
        self._move(bid, Stage.EVALUATING)
        self._move(bid, Stage.ACCEPTED)
        bid.until_us = now + self.rules.confirm_us
        heappush(self._dues, (bid.until_us, bid.key))
        return [
            replies.acceptance(self._id, bid, replies.arrived(bid)),
            Told(replies.accepted(self._id, bid, self.told_entry)),
        ]

    def _reject(self, bid: Bid, code: RejectCode, words: str = "") -> list[Effect]:
        """Refuse a bid, and say why."""
        self._move(bid, Stage.EVALUATING)
        self._end(bid, Stage.REJECTED, code)
        return [
            replies.rejection(self._id, bid, replies.arrived(bid)),
            Told(replies.rejected(self._id, bid, words, self.told_entry)),
        ]

    # --- confirmations -----------------------------------------------------------------------

    def _confirm(self, message: Message, raw: bytes, now: int) -> list[Effect]:
        """Tell the market of a sale that is confirmed, or the bidder why it is none."""
        key = message.device_id, message.message_id
        bid = self._known.get(key)
        if bid is None or bid.stage is Stage.REJECTED:
            # A bidder that confirms heard an acceptance, maybe before a restart: it must hear an
            # end, and a rejection is none to it.
            self.counts["unknown confirmations"] += 1
            unknown = m.terminate(key[1], self._id, TerminateCode.UNKNOWN_BID)
            return [_answer(unknown, message, now)]
        answers = (Kind.BID_CONFIRM, now)
        if bid.stage is Stage.CONFIRMED:
            return []  # The market's answer will come.
        if bid.stage in ENDS:
            return [*replies.again(self._id, bid, answers)]
        price = price_down(message.sale_price, self.rules.price_tick)
        is_same = (price, energy_down(message.required_energy_amount)) == (
            bid.price, bid.energy_wh,
        )  # fmt: skip
        if bid.stage is not Stage.ACCEPTED or not is_same:
            # What is confirmed was never accepted.
            self._give_up([bid], Stage.TERMINATED, TerminateCode.MISMATCH)
            return [replies.termination(self._id, bid, answers)]
        self._move(bid, Stage.CONFIRMED)
        bid.arrived_us, bid.after_entry = now, self.told_entry
        return [Conclude(key, bid.price, bid.energy_wh, (bid.raw, raw, *bid.others))]

    def concluded(self, key: Key, entry: int | None, now: int) -> list[Effect]:
        """Hear what the market said to a confirmed sale: its entry, or None for a refusal.

        Raises
        ------
        InvariantBroken
            If the market was not told of that bid.
        """
        bid = self._known.get(key)
        if bid is None or bid.stage is not Stage.CONFIRMED:
            ensure(holds=False, claim=f"the market answers what it was told, not bid {key}")
            return []
        answers = replies.arrived(bid, Kind.BID_CONFIRM)
        if entry is None:
            self._end(bid, Stage.TERMINATED, TerminateCode.MARKET_REFUSED)
            return [replies.termination(self._id, bid, answers)]
        was_depleted = self.bess.is_depleted
        if entry > bid.after_entry:
            # An entry from before the confirmation is an old sale, told again: it is in the level.
            # A level that was measured since may be lower than what was promised.
            self.bess.level_wh = max(0.0, self.bess.level_wh - bid.energy_wh)
        bid.entry, self.told_entry = entry, max(self.told_entry, entry)
        opened_us = self._opened.get(bid.auction, now)
        self._end(bid, Stage.SETTLED, 0)
        effects: list[Effect] = []
        if bid.bidder in self._registered:
            effects.append(replies.settlement(self._id, bid, answers))
        effects.append(Told(replies.completed(self._id, bid, opened_us, now)))
        if self.bess.is_depleted and not was_depleted:
            effects.append(Told(replies.depleted(self.bess, entry)))
        return effects

    def restore(self, key: Key, price: int, energy_wh: int, entry: int) -> None:
        """Know a sale of the journal again, after a restart: its bid and confirmation repeat it.

        The battery's level is one that knows of the sale.
        """
        bid = Bid(key, price, energy_wh, b"", 0, stage=Stage.SETTLED, entry=entry)
        self.told_entry = max(self.told_entry, entry)
        self._known[key] = bid
        self._remember(bid)

    # --- ends --------------------------------------------------------------------------------

    def _live_of(self, device: int) -> list[Bid]:
        return [bid for bid in self._live.values() if bid.bidder == device]

    def _terminate(self, message: Message) -> None:
        """Let a bidder give up the bid that it names; all of its bids where it names none.

        A bidder that gives up one bid, and says why, may speak of one that never came.
        """
        named = self._known.get((message.device_id, message.message_id))
        if named is not None:
            bids = [named]
        elif message.termination_code == TerminateCode.NORMAL:
            bids = self._live_of(message.device_id)
        else:
            bids = []
        self._give_up(bids, Stage.TERMINATED, message.termination_code)

    def _give_up(self, bids: Iterable[Bid], stage: Stage, code: int) -> None:
        """End bids that wait for their bidder; those that the market was told of go on."""
        for bid in bids:
            if bid.stage in WAITING:
                if self._auction is not None and bid in self._auction.bids:
                    self._auction.bids.remove(bid)
                self._end(bid, stage, code)

    def fail(self, code: int) -> list[Effect]:
        """Let the battery fail: what it promised is released, and everybody is told."""
        self.bess.is_online = False
        self._give_up(list(self._live.values()), Stage.FAILED, code)
        self._auction = None
        return [Broadcast(m.device_failure(0, self._id, code))]

    def stop(self) -> list[Effect]:
        """Sell no more: what waits for a bidder ends, what the market was told of goes on."""
        self.bess.is_online = False
        waiting = [bid for bid in self._live.values() if bid.stage in WAITING]
        self._give_up(waiting, Stage.TERMINATED, TerminateCode.SHUTDOWN)
        self._auction = None
        return [replies.termination(self._id, bid, None) for bid in waiting]

    def tick(self, now: int) -> list[Effect]:
        """Do what fell due: windows close, and promises that nobody confirmed end."""
        effects: list[Effect] = []
        while self._dues and self._dues[0][0] <= now:
            _, key = heappop(self._dues)
            if key == WINDOW:
                auction = self._auction
                closes = None if auction is None else auction.closes_us
                if auction is not None and closes is not None and closes <= now:
                    effects += self._evaluate(auction, now)
                continue
            bid = self._live.get(key)
            if bid is not None and bid.stage is Stage.ACCEPTED and bid.until_us <= now:
                self._end(bid, Stage.EXPIRED, TerminateCode.EXPIRED)
                effects.append(replies.termination(self._id, bid, None))
        return effects

    def _move(self, bid: Bid, stage: Stage) -> None:
        """Let a bid be at another stage."""
        ensure(stage in NEXT.get(bid.stage, ()), f"a bid does not go from {bid.stage} to {stage}")
        bid.stage = stage

    def _end(self, bid: Bid, stage: Stage, code: int) -> None:
        """Let a bid come to its end, which is for good."""
        self._move(bid, stage)
        bid.code, bid.others, bid.raw = code, (), b""
        self._live.pop(bid.key, None)
        self._opened.pop(bid.auction, None)
        self._known[bid.key] = bid
        self.counts[stage.value] += 1
        self._remember(bid)

    def _remember(self, bid: Bid) -> None:
        """Remember an ended bid in place of the oldest.

        What was not sold may be forgotten: whoever confirms it hears that no such bid was accepted,
        which is as true. Sales are remembered for each bidder, so that none can push out another's;
        and what was accepted apart from what was rejected, which anybody can have as often as he
        likes.
        """
        most = self.rules.remembered_max
        if bid.stage is Stage.SETTLED:
            ended, most = self._settled.setdefault(bid.bidder, deque()), self.rules.settled_max
        else:
            ended = self._rejected if bid.stage is Stage.REJECTED else self._released
        ended.append(bid)
        if len(ended) > most:
            self._known.pop(ended.popleft().key, None)


def _answer(answer: Message, asked: Message, now: int) -> Send:
    return Send(asked.device_id, answer, (asked.message_type, now))
