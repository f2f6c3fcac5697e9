"""An aggregator on the network: links to many batteries, kept up, and rounds of bids over them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import NamedTuple

from wattbay.adapters.etp.auctions import Effect, Ended, Keep, Send
from wattbay.adapters.etp.bid_log import BidLog
from wattbay.adapters.etp.buyer import Buyer, Patience
from wattbay.adapters.etp.link import Guard, Link, Timings, finish_all
from wattbay.adapters.etp.messages import Kind, Message
from wattbay.adapters.etp.node import Address
from wattbay.adapters.etp.trader import Trader
from wattbay.errors import AdapterError
from wattbay.kernel.clock import Clock, MonotonicClock
from wattbay.periods import SECOND

AGAIN_S, AGAIN_MAX_S = 0.1, 10.0
"""How long after a battery that is gone is called again: twice as long each time. [s]"""
ANSWERS_S = 0.6
"""How long a round waits for batteries to tell what they have. [s]"""
OUTCOMES_S = 5.0
"""How long a round waits for outcomes; later ones are heard all the same. [s]"""
SWEEP_S = 1.0
CONNECT_S = 5.0
"""How long a battery may take to answer a call. [s]"""
SILENT_S = 5.0
"""How long a link may say nothing whose battery has another address by now. [s]"""
BATTERIES_MAX = 10_000


class Pace(NamedTuple):
    """How fast an aggregator bids."""

    pause_s: tuple[float, float] = (2.0, 5.0)
    """Between two rounds, drawn by the seed. [s]"""


class AggregatorNode:
    """An aggregator that bids over TCP, from `open` to `close`."""

    def __init__(
        self,
        trader: Trader,
        guard: Guard,
        ids: Callable[[], int],
        *,
        pace: Pace | None = None,
        log: BidLog | None = None,
        clock: Clock | None = None,
        patience: Patience | None = None,
    ) -> None:
        """Put a node together; nobody is called yet.

        Parameters
        ----------
        ids
            Gives each message its id: none twice, restarts included.
        log
            Keeps what is about to be confirmed; without one a restart forgets it.
        """
        self.trader = trader
        self.buyer = Buyer(trader.plan.device_id, ids, patience)
        self._guard, self._log = guard, log
        self._pace = Pace() if pace is None else pace
        self._clock = MonotonicClock() if clock is None else clock
        self._rng = Random(trader.rng.getrandbits(64))
        self._links: dict[int, Link] = {}
        self._addresses: dict[int, Address] = {}
        self._callers: dict[int, asyncio.Task[None]] = {}
        self._dialled: dict[int, tuple[Address, int]] = {}  # Where, and when it spoke last.
        self._bid_prices: dict[tuple[int, int], int] = {}
        self._asked: set[int] = set()
        self._news = asyncio.Event()
        self._is_over = False
        self._alarm: asyncio.TimerHandle | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._kept_back: list[Effect] = []
        self._is_unkept = False
        self.counts: Counter[str] = Counter()
        self.timings = Timings()
        self.fault: Exception | None = None
        """Why it stopped, if it did by itself."""
        if log is not None:
            for kept in log.open_bids:
                self.buyer.restore(kept, self._clock.now())
                self.trader.restored(kept.energy_wh, kept.price)
                self._bid_prices[kept.bess, kept.message_id] = kept.price

    @property
    def device_id(self) -> int:
        """Which aggregator it is."""
        return self.trader.plan.device_id

    @property
    def linked(self) -> Iterable[int]:
        """The batteries that it speaks with now."""
        return self._links.keys()

    # --- links -------------------------------------------------------------------------------

    def call(self, bess: int, address: Address) -> None:
        """Keep up a link to a battery at an address, from now on.

        A link that stands to another address is left for it once it says nothing any more: it may
        be the right one, or lead where the battery was before.
        """
        is_known = bess in self._addresses
        if not is_known and len(self._addresses) >= BATTERIES_MAX:
            self.counts["too many batteries"] += 1
            return
        self._addresses[bess] = address
        if not is_known:
            loop = asyncio.get_running_loop()
            self._callers[bess] = loop.create_task(self._keep_up(bess))
            if self._alarm is None:
                self._alarm = loop.call_later(SWEEP_S, self._sweep)

    async def _keep_up(self, bess: int) -> None:
        """Call a battery whenever there is no link to it."""
        loop, pause_s = asyncio.get_running_loop(), AGAIN_S
        while not self._is_over:
            address = self._addresses[bess]
            self._dialled[bess] = address, self._clock.now()
            link = Link(self, self._guard, self._clock, self.counts, self.timings, peer=bess)
            try:
                # A battery that moved leaves an address behind where nobody even refuses.
                async with asyncio.timeout(CONNECT_S):
                    await loop.create_connection(partial(_itself, link), *address)
            except asyncio.CancelledError:
                # uvloop lets go of a link that has just come up, and does not tell it.
                link.connection_lost(None)
                raise
            except (OSError, OverflowError, UnicodeError):
                # The latter two are what Python says of ports and names that are none.
                self.counts["not reached"] += 1
                link.connection_lost(None)  # Its time may have been over as it came up.
            else:
                await link.gone.wait()
                if link.has_heard:
                    # It was no battery that lets go of us as soon as we come.
                    pause_s = AGAIN_S
            # With some chance, or all who lost the same battery would call it at once.
            await asyncio.sleep(pause_s * self._rng.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, AGAIN_MAX_S)

    def opened(self, link: Link) -> None:
        """Say who we are, and again what was not answered before."""
        if link.peer is None or self._is_over:
            link.close()
            return
        self._links[link.peer] = link
        self.counts["links"] += 1
        link.greet(self.buyer.register(link.peer).message)
        self._do_all(self.buyer.linked(link.peer, self._clock.now()))
        self._news.set()

    def closed(self, link: Link) -> None:
        """Forget a link; it is called again."""
        if link.peer is not None and self._links.get(link.peer) is link:
            del self._links[link.peer]
            self._asked.discard(link.peer)
        self._news.set()

    def heard(self, link: Link, message: Message, raw: bytes, now: int) -> None:
        """Hear a battery."""
        del raw
        bess = link.peer
        if bess is None or message.device_id != bess:
            self.counts["another battery"] += 1
            return
        self._dialled[bess] = self._dialled[bess][0], now
        with self._stopping_at_faults():
            if message.message_type == Kind.QUERY_RESPONSE:
                self.trader.told(bess, message)
                self._asked.discard(bess)
            self._do_all(self.buyer.hear(bess, message, now))
        self._news.set()

    def _sweep(self) -> None:
        now = self._clock.now()
        for link in list(self._links.values()):
            link.check(now)
        for bess, link in list(self._links.items()):
            address, heard_us = self._dialled[bess]
            if address != self._addresses[bess] and now - heard_us > SILENT_S * SECOND:
                self.counts["moved"] += 1
                link.close()
        self._alarm = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)
        with self._stopping_at_faults():
            self._do_all(self.buyer.tick(now))

    @contextmanager
    def _stopping_at_faults(self) -> Iterator[None]:
        """Stop at a fault: what cannot be kept must not be confirmed, not even later."""
        try:
            yield
        except AdapterError as error:
            self._stop(error)
        except Exception as error:
            self._stop(error)
            raise

    def _stop(self, fault: Exception | None = None) -> None:
        """Bid no more, and call nobody."""
        self._is_over = True
        self.fault = self.fault or fault
        for caller in self._callers.values():
            caller.cancel()
        if self._alarm is not None:
            self._alarm.cancel()
        if self.fault is not None:
            for link in self._links.values():
                link.close()
        self._news.set()

    # --- effects -------------------------------------------------------------------------------

    def _do_all(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        """Do what follows; after something that is to be kept, once it is."""
        if isinstance(effect, Keep):
            if self._log is not None:
                self._log.keep(effect)
                self._is_unkept = True
                if self._keeping is None:
                    self._keeping = asyncio.get_running_loop().create_task(self._keep(self._log))
        elif self._keeping is not None:
            self._kept_back.append(effect)
        else:
            self._do_now(effect)

    async def _keep(self, log: BidLog) -> None:
        """Make durable what is to be kept, much at a time, and do what follows from it.

        Disks are slow, and batteries do not wait: so this is done beside everything else.
        """
        with self._stopping_at_faults():
            while self._is_unkept:
                effects, self._kept_back, self._is_unkept = self._kept_back, [], False
                await asyncio.to_thread(log.sync)
                for effect in effects:
                    self._do_now(effect)
            effects, self._kept_back, self._keeping = self._kept_back, [], None
            for effect in effects:
                self._do_now(effect)

    def _do_now(self, effect: Effect) -> None:
        match effect:
            case Send(to=to, message=message, answers=answers):
                link = self._links.get(to)
                if link is None:
                    self.counts["nobody there"] += 1
                else:
                    link.send(message, answers)
            case Ended():
                if self._log is not None:
                    self._log.end(effect)
                key = effect.bess, effect.message_id
                self.trader.ended(effect, self._bid_prices.pop(key, effect.price))
                self._news.set()
            case _:
                pass

    # --- rounds --------------------------------------------------------------------------------

    async def run(self, rounds: int | None = None) -> None:
        """Bid round by round, until there is nothing left to buy, or it is closed.

        Parameters
        ----------
        rounds
            So many at most.

        Raises
        ------
        AdapterError
            If what is about to be confirmed cannot be kept.
        """
        done = 0
        while not self._is_over and not self.trader.is_done and done != rounds:
            await self._round()
            done += 1
            pause_s = self._rng.uniform(*self._pace.pause_s)
            await self._until(lambda: False, pause_s)
        if self.fault is not None:
            raise self.fault

    async def _round(self) -> None:
        """Ask all batteries, bid, and wait for what comes of it."""
        await self._until(lambda: bool(self._links), OUTCOMES_S)
        self.trader.forget_supplies()
        self._asked = set(self._links)
        for bess in sorted(self._links):
            self._do(self.buyer.query(bess))
        await self._until(lambda: not self._asked, ANSWERS_S)
        if self._is_over:
            return
        now = self._clock.now()
        for wanted in self.trader.bids():
            bid = self.buyer.bid(wanted.bess, wanted.price, wanted.energy_wh, now)
            if bid is None:
                self.trader.take_back(wanted)
                continue
            self._bid_prices[wanted.bess, bid.message.message_id] = wanted.price
            self._do(bid)
        await self._until(lambda: not self.trader.is_waiting, OUTCOMES_S)

    async def _until(self, is_so: Callable[[], bool], at_most_s: float) -> None:
        """Return once something is so, or after some time."""
        until = self._clock.now() + round(at_most_s * SECOND)
        while not self._is_over and not is_so() and (left := until - self._clock.now()) > 0:
            self._news.clear()
            try:
                async with asyncio.timeout(left / SECOND):
                    await self._news.wait()
            except TimeoutError:
                return

    async def close(self) -> None:
        """Stop bidding, and let go of everybody."""
        self._stop()
        await asyncio.gather(*self._callers.values(), return_exceptions=True)
        if self._keeping is not None:
            await asyncio.wait([self._keeping])
        await finish_all(self._links.values())
        if self._log is not None:
            self._log.close()


def _itself(link: Link) -> Link:
    return link
