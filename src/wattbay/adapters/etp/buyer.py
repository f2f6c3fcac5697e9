"""An aggregator's side of every auction: bids out, one outcome each. No socket, no clock.

A bid that is not answered in time is given up, and never confirmed after that. One that is
confirmed is asked after until the battery tells what became of it: the battery's journal decides.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from types import MappingProxyType
from typing import NamedTuple

from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.amounts import cents, energy_down, kwh, price_up
from wattbay.adapters.etp.auctions import Broadcast, Effect, Ended, Keep, Key, Send, Stage
from wattbay.adapters.etp.messages import Kind, Message, TerminateCode
from wattbay.errors import ensure
from wattbay.periods import SECOND

NEXT = MappingProxyType(
    {
        Stage.OPEN: frozenset(
            {Stage.CONFIRMED, Stage.REJECTED, Stage.EXPIRED, Stage.TERMINATED, Stage.FAILED}
        ),
        Stage.CONFIRMED: frozenset({Stage.SETTLED, Stage.EXPIRED, Stage.TERMINATED}),
    }
)
"""Where a bid of ours may go. What was confirmed ends by the battery's word alone."""


class Patience(NamedTuple):
    """How long an aggregator waits."""

    answer_us: int = 2 * SECOND
    """For the answer to a bid, before it is given up. [µs]"""
    outcome_us: int = SECOND
    """For the outcome of a confirmation, before it is sent again. [µs]"""
    again_max_us: int = 30 * SECOND
    """Between two repetitions, which come twice as late each time, at most. [µs]"""
    bids_max: int = 10_000
    """Bids without an outcome at a time."""
    remembered_max: int = 10_000
    """Ended bids that are remembered."""


@dataclass(slots=True)
class Placed:
    """A bid of ours."""

    bess: int
    message_id: int
    price: int
    """[nano-currency per Wh]"""
    energy_wh: int
    due_us: int = 0
    """When something is to be done unless an answer comes. [µs]"""
    stage: Stage = Stage.OPEN
    code: int = 0
    repeats: int = 0


class Buyer:
    """All bids of one aggregator."""

    def __init__(
        self, device_id: int, ids: Callable[[], int], patience: Patience | None = None
    ) -> None:
        """Bid as a device.

        Parameters
        ----------
        ids
            Gives each message its id, none of them twice.
        """
        self.device_id = device_id
        self._ids = ids
        self._patience = Patience() if patience is None else patience
        self._live: dict[Key, Placed] = {}
        self._dues: list[tuple[int, Key]] = []
        self._ended: dict[Key, Placed] = {}
        self._order: deque[Key] = deque()
        self._echoes: set[int] = set()
        self.counts: Counter[str] = Counter()

    # --- looking -----------------------------------------------------------------------------

    @property
    def live(self) -> Iterator[Placed]:
        """Bids without an outcome."""
        yield from self._live.values()

    @property
    def ended(self) -> Iterator[Placed]:
        """Bids that are remembered with their outcomes."""
        yield from self._ended.values()

    @property
    def at_stake_nano(self) -> int:
        """What the bids without an outcome can cost. [nano-currency]"""
        return sum(bid.price * bid.energy_wh for bid in self._live.values())

    def due(self) -> int | None:
        """Return when `tick` has something to do; None if nothing waits. [µs]"""
        while self._dues:
            due_us, key = self._dues[0]
            placed = self._live.get(key)
            if placed is not None and placed.due_us == due_us:
                return due_us
            heappop(self._dues)  # It ended, or is due later: that has an entry of its own.
        return None

    # --- saying ------------------------------------------------------------------------------

    def register(self, bess: int) -> Send:
        """Return what is said first on a link."""
        return Send(bess, m.register(self._ids(), self.device_id))

    def query(self, bess: int) -> Send:
        """Return the question what a battery has for sale."""
        return Send(bess, m.query(self._ids(), self.device_id))

    def bid(self, bess: int, price: int, energy_wh: int, now: int) -> Send | None:
        """Return a bid; None where as many as may be are without an outcome."""
        if len(self._live) >= self._patience.bids_max:
            return None
        placed = Placed(bess, self._ids(), price, energy_wh)
        self._live[bess, placed.message_id] = placed
        self._wait(placed, now + self._patience.answer_us)
        self.counts["bids"] += 1
        return self._bid(placed)

    def _wait(self, placed: Placed, due_us: int) -> None:
        placed.due_us = due_us
        heappush(self._dues, (due_us, (placed.bess, placed.message_id)))

    def _bid(self, placed: Placed) -> Send:
        message = m.bid(
            placed.message_id, self.device_id, cents(placed.price), kwh(placed.energy_wh)
        )
        return Send(placed.bess, message)

    def _confirmation(self, placed: Placed) -> Send:
        message = m.bid_confirm(
            placed.message_id, self.device_id, cents(placed.price), kwh(placed.energy_wh)
        )
        return Send(placed.bess, message)

    # --- hearing -----------------------------------------------------------------------------

    def hear(self, bess: int, message: Message, now: int) -> list[Effect]:
        """Return what is to be done about a message of a battery."""
        effects = self.tick(now)
        key = bess, message.message_id
        placed = self._live.get(key)
        match message.message_type:
            case Kind.REGISTER:
                self._echoes.add(bess)
            case Kind.BID_ACCEPT:
                effects += self._accepted(key, placed, message, now)
            case Kind.BID_REJECT:
                if placed is not None and placed.stage is Stage.OPEN:
                    effects += self._end(placed, Stage.REJECTED, message.termination_code)
            case Kind.BID_CONFIRM:
                if placed is not None and placed.stage is Stage.CONFIRMED:
                    effects += self._end(placed, Stage.SETTLED, 0)
            case Kind.TERMINATE:
                if placed is not None:
                    is_late = message.termination_code == TerminateCode.EXPIRED
                    stage = Stage.EXPIRED if is_late else Stage.TERMINATED
                    effects += self._end(placed, stage, message.termination_code)
            case Kind.DEVICE_FAILURE:
                bids = [bid for bid in self._open() if bid.bess == bess]
                effects += self._end_all(bids, Stage.FAILED, message.termination_code)
            case _:
                pass  # What it has for sale, and how it is: whoever decides on bids hears that.
        return effects

    def _accepted(
        self, key: Key, placed: Placed | None, message: Message, now: int
    ) -> list[Effect]:
        """Confirm what is accepted as it was bid; let go of anything else."""
        if placed is None:
            past = self._ended.get(key)
            if past is not None and past.stage is Stage.SETTLED:
                return []
            self.counts["accepted too late"] += 1
            return [self._over(key, TerminateCode.EXPIRED)]
        if placed.stage is Stage.CONFIRMED:
            return [self._confirmation(placed)]
        is_same = energy_down(message.required_energy_amount) == placed.energy_wh
        price = price_up(message.sale_price)
        if not is_same or price > placed.price:
            # Dearer, or another amount: a battery takes a bid as it is, or not at all.
            ended = self._end(placed, Stage.TERMINATED, TerminateCode.MISMATCH)
            return [self._over(key, TerminateCode.MISMATCH), *ended]
        placed.stage, placed.price = Stage.CONFIRMED, price
        if placed.bess not in self._echoes:
            # It never tells of outcomes, as the first implementation does not: so our word ends it,
            # and there is nothing to ask after, whenever we restart.
            return [*self._end(placed, Stage.SETTLED, 0), self._confirmation(placed)]
        self._wait(placed, now + self._patience.outcome_us)
        kept = Keep(placed.bess, placed.message_id, placed.price, placed.energy_wh)
        return [kept, self._confirmation(placed)]

    def _over(self, key: Key, code: TerminateCode) -> Send:
        """Return that we give up a bid, and why: one that never came ends no other."""
        return Send(key[0], m.terminate(key[1], self.device_id, code))

    def restore(self, kept: Keep, now: int) -> None:
        """Know a bid again that was about to be confirmed before a restart: it is asked after."""
        placed = Placed(kept.bess, kept.message_id, kept.price, kept.energy_wh)
        placed.stage = Stage.CONFIRMED
        self._live[kept.bess, kept.message_id] = placed
        self._wait(placed, now)

    def linked(self, bess: int, now: int) -> list[Effect]:
        """Say again on a new link what was not answered on the one before."""
        effects: list[Effect] = []
        for placed in self._live.values():
            if placed.bess == bess:
                if placed.stage is Stage.OPEN and placed.due_us > now:
                    effects.append(self._bid(placed))
                elif placed.stage is Stage.CONFIRMED:
                    effects.append(self._confirmation(placed))
        return effects

    def tick(self, now: int) -> list[Effect]:
        """Do what fell due: give up bids that nobody answers, ask after confirmed ones again."""
        effects: list[Effect] = []
        while (due_us := self.due()) is not None and due_us <= now:
            _, key = heappop(self._dues)
            placed = self._live[key]
            if placed.stage is Stage.OPEN:
                # It may have been accepted, and the answer lost: so the battery is told.
                effects += self._end(placed, Stage.EXPIRED, TerminateCode.EXPIRED)
                effects.append(self._over(key, TerminateCode.EXPIRED))
            else:
                placed.repeats += 1
                wait_us = self._patience.outcome_us << min(placed.repeats, 20)
                self._wait(placed, now + min(wait_us, self._patience.again_max_us))
                effects.append(self._confirmation(placed))
        return effects

    # --- ends --------------------------------------------------------------------------------

    def fail(self, code: int) -> list[Effect]:
        """Let the aggregator fail: every battery is told; what was confirmed is asked after."""
        failure = m.device_failure(0, self.device_id, code)
        return [*self._end_all(self._open(), Stage.FAILED, code), Broadcast(failure)]

    def stop(self) -> list[Effect]:
        """Give up what is not confirmed, and tell the batteries."""
        bids, code = self._open(), TerminateCode.SHUTDOWN
        ended = self._end_all(bids, Stage.TERMINATED, code)
        return [*ended, *(self._over((bid.bess, bid.message_id), code) for bid in bids)]

    def _open(self) -> list[Placed]:
        return [bid for bid in self._live.values() if bid.stage is Stage.OPEN]

    def _end_all(self, bids: Iterable[Placed], stage: Stage, code: int) -> list[Effect]:
        return [effect for bid in bids for effect in self._end(bid, stage, code)]

    def _end(self, placed: Placed, stage: Stage, code: int) -> list[Effect]:
        """Let a bid come to its end, which is for good."""
        ensure(
            stage in NEXT.get(placed.stage, ()), f"a bid does not go from {placed.stage} to {stage}"
        )
        placed.stage, placed.code = stage, code
        key = placed.bess, placed.message_id
        self._live.pop(key, None)
        self._ended[key] = placed
        self._order.append(key)
        if len(self._order) > self._patience.remembered_max:
            self._ended.pop(self._order.popleft(), None)
        self.counts[stage.value] += 1
        return [Ended(placed.bess, placed.message_id, stage, code, placed.price, placed.energy_wh)]
