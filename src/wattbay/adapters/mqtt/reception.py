"""From a stored reading to history: judged, kept as the latest, and submitted where one is needed.

A reading with a hard finding stays evidence: it is stored, told of, and never submitted. One with a
soft finding is submitted with what is odd about it, and settles as suspect. What was stored and not
submitted when the service stopped is found again when it starts.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from wattbay.adapters.mqtt.boundaries import Boundaries, Chosen
from wattbay.adapters.mqtt.readings import to_command
from wattbay.core.commands import Command
from wattbay.core.events import Rejected
from wattbay.core.exchange import State
from wattbay.core.metering import DRIFT_MAX_US
from wattbay.core.reasons import Reason
from wattbay.errors import AdapterError, WireError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.clock import Clock
from wattbay.kernel.evidence import Reading, ReadingStore
from wattbay.kernel.intake import NOT_IN_HISTORY
from wattbay.kernel.kernel import Answer
from wattbay.periods import DAY, HOUR, MINUTE, Instant, Period
from wattbay.watch.alerts import Alert, AlertStore
from wattbay.watch.anomalies import Watch
from wattbay.watch.findings import DeviceFacts, Finding, is_hard, suspicion
from wattbay.watch.health import Healths

WAITING_MAX = 100_000
"""Readings that wait to be submitted; what is more is found again in the store."""
AT_ONCE_MAX = 500
"""Submitted together: one durable write is for all of them."""
AGAIN_S = 0.2
"""Pause before readings that the exchange had no room for are submitted again. [s]"""
TICK_S = 1.0
SHARED_US = 2 * HOUR
"""How far apart meters may have fallen silent to be caught up with together. [µs]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who else hears what: all of them must be quick."""

    readings: Callable[[Sequence[Reading]], None] = lambda _: None
    alert: Callable[[Alert], None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the reception of a community works with."""

    community: CommunityId
    clock: Clock
    state: Callable[[], State]
    submit: Callable[[Command], Awaitable[Answer]]
    store: ReadingStore
    watch: Watch
    health: Healths
    alerts: AlertStore
    facts: Callable[[], Mapping[MeterId, DeviceFacts]]
    waiting_max: int = WAITING_MAX


class Reception:
    """Takes readings that are stored, and brings to the exchange what it needs of them."""

    def __init__(self, parts: Parts, readers: Iterable[Reader] = ()) -> None:
        """Take nothing before readings come."""
        self._of = parts
        self._readers = list(readers)
        self._boundaries = Boundaries(parts.state().registry.isp_us, self._is_known)
        self._waiting: deque[Chosen] = deque()
        self._is_submitting = False
        self._wake = asyncio.Event()
        self._latest: dict[MeterId, Reading] = {}
        self._counts: Counter[str] = Counter()
        self._is_behind = True
        """Whether something in the store may have to be submitted still."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many readings there were so far, by what became of them."""
        return MappingProxyType(self._counts)

    def of(self, device: MeterId) -> Reading | None:
        """Return the last reading of a device by its stamp."""
        return self._latest.get(device)

    def all(self) -> Mapping[MeterId, Reading]:
        """Return the last reading of every device."""
        return MappingProxyType(self._latest)

    def listen(self, reader: Reader) -> None:
        """Let somebody else hear."""
        self._readers.append(reader)

    # --- what comes in -----------------------------------------------------------------------

    def accepted(self, readings: Sequence[Reading]) -> None:
        """Take readings that were stored."""
        now, facts = self._of.clock.now(), self._of.facts()
        found: list[Finding] = []
        for reading in readings:
            known = facts.get(reading.device)
            if known is None:  # Revoked meanwhile.
                continue
            odd = self._of.watch.judge(reading, now, known)
            self._note(reading, now)
            if odd:
                found += odd
                if is_hard(odd):
                    self._counts["never settle"] += 1
                    continue
            self._choose(reading, suspicion(odd) if odd else "")
        for reader in self._readers:
            reader.readings(readings)
        if found:
            self._tell(found)
        self._end()

    def refused(self, device: MeterId, kind: str, count: int) -> None:
        """Take note of messages that the wire refused."""
        self._of.health.refused(device, kind, count)
        found = self._of.watch.refused(device, kind, count, self._of.clock.now())
        if found:
            self._tell(found)

    def _note(self, reading: Reading, now: Instant) -> None:
        before = self._latest.get(reading.device)
        # A stamp of tomorrow would be the latest until then.
        is_past = reading.measured_at <= now + DRIFT_MAX_US
        if is_past and (before is None or before.measured_at <= reading.measured_at):
            self._latest[reading.device] = reading
        self._of.health.heard(reading)

    def _choose(self, reading: Reading, odd: str) -> None:
        if reading.device not in self._of.state().metering.meters:
            return  # Of an inverter or a sensor the exchange needs nothing.
        for chosen in self._boundaries.take(reading, odd):
            self._queue(chosen)

    def _queue(self, chosen: Chosen) -> None:
        if len(self._waiting) >= self._of.waiting_max:
            self._counts["left in the store"] += 1
            self._is_behind = True
            return
        self._waiting.append(chosen)
        self._wake.set()

    def _tell(self, findings: Sequence[Finding]) -> None:
        """Keep findings as alerts, and announce them."""
        self._of.health.found(findings)
        try:
            alerts = self._of.alerts.add_all(findings)
        except AdapterError:
            self._counts["alerts not stored"] += len(findings)
            return
        for alert in alerts:
            for reader in self._readers:
                reader.alert(alert)

    def _end(self) -> None:
        """Close the alerts of what is over by itself."""
        for device, anomaly in self._of.watch.ended():
            self._of.health.closed(device, anomaly)
            try:
                ended = self._of.alerts.end(device, anomaly, self._of.clock.now())
            except AdapterError:
                self._counts["alerts not stored"] += 1
                continue
            if ended is not None:
                for reader in self._readers:
                    reader.alert(ended)

    # --- at work -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Submit what waits, look at the clock and through the store, until cancelled.

        Raises
        ------
        JournalError
            If the exchange stopped.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work())
            group.create_task(self._look())
            group.create_task(self._find())

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                count = min(len(self._waiting), AT_ONCE_MAX)
                batch = [self._waiting.popleft() for _ in range(count)]
                self._is_submitting = True
                late = await self._submit(batch)
                self._is_submitting = False
                if late:
                    self._waiting.extendleft(reversed(late))
                    await asyncio.sleep(AGAIN_S)

    async def _submit(self, batch: Sequence[Chosen]) -> list[Chosen]:
        """Submit readings together; return those for which there was no room."""
        answers = await asyncio.gather(
            *(self._of.submit(to_command(*one)) for one in batch), return_exceptions=True
        )
        late = []
        for one, answer in zip(batch, answers, strict=True):
            if isinstance(answer, WireError):
                self._counts["cannot be written down"] += 1
            elif isinstance(answer, BaseException):
                raise answer
            elif isinstance(first := answer.events[0], Rejected):
                if first.reason is Reason.TOO_MANY and answer.seq == NOT_IN_HISTORY:
                    late.append(one)
                else:
                    self._counts[first.reason.value] += 1
            else:
                self._counts["submitted"] += 1
        return late

    async def _look(self) -> None:
        """Submit what waited for a nearer one in vain, and tell who fell silent."""
        while True:
            await asyncio.sleep(TICK_S)
            now = self._of.clock.now()
            for chosen in self._boundaries.overdue(now):
                self._queue(chosen)
            if found := self._of.watch.silent(now):
                self._tell(found)

    # --- after a stop, or where there was no room ----------------------------------------------

    async def _find(self) -> None:
        """Look through the store at the start, and where there was no room, once there is."""
        while True:
            if self._is_behind and not self._waiting and not self._is_submitting:
                await self._find_again()
            await asyncio.sleep(TICK_S)

    async def _find_again(self) -> None:
        """Find what the store holds and the exchange lacks; where the store is gone, later."""
        self._is_behind = False
        self._boundaries.forget()
        try:
            for meter, boundary in self._lacking():
                if not self._boundaries.is_done(meter, boundary):
                    self._look_for(meter, boundary)
                    await asyncio.sleep(0)
        except AdapterError:
            self._counts["store does not answer"] += 1
            self._is_behind = True

    def _lacking(self) -> list[tuple[MeterId, Instant]]:
        """Return at which boundaries, of deliveries that are not final, no register is known."""
        state, now = self._of.state(), self._of.clock.now()
        isp_us, metering = state.registry.isp_us, state.metering
        found: list[tuple[MeterId, Instant]] = []
        for meter, use in sorted(metering.meters.items()):
            known = {total.at for total in metering.pods[use.pod].totals}
            since = max(use.since, metering.final_until + 1)
            until = now if use.until is None else min(now, use.until)
            boundaries = range(-(-since // isp_us) * isp_us, until + 1, isp_us)
            found += [(meter, Instant(one)) for one in boundaries if one not in known]
        return found

    def _look_for(self, meter: MeterId, boundary: Instant) -> None:
        """Submit what the store holds of a meter at a boundary.

        It is judged anew, by those that it stands among; told of it was when it came.
        """
        facts = self._of.facts().get(meter)
        if facts is None:
            return
        window, watch = self._boundaries.window(boundary), Watch()
        before = Instant(window.start - window.length_us)
        among = Period(before, window.end)
        for reading in self._of.store.of_device(self._of.community, meter, among):
            odd = watch.judge(reading, reading.measured_at, facts)
            if reading.measured_at >= window.start and not is_hard(odd):
                self._choose(reading, suspicion(odd))

    def catch_up(self) -> int:
        """Submit what the store holds and the exchange lacks; return how many readings it read.

        From the last register of each meter on that the exchange knows, a day back at most. What
        it lacks before that, `run` looks for. A revoked meter is believed nothing more.
        """
        now = Instant(self._of.clock.now() + MINUTE)
        behind = self._behind(now)
        begin = max(behind.values(), default=now) - SHARED_US
        near, count = {}, 0
        for meter, since in behind.items():
            if since >= begin:
                near[meter] = since
                continue
            # One that was silent for longer than the others is rare: it may walk alone.
            for reading in self._of.store.of_device(self._of.community, meter, Period(since, now)):
                count += self._catch_up_with(reading, now)
        if near:
            # A store walks through all that was measured in a span: one walk is for all.
            for reading in self._of.store.within(Period(min(near.values()), now)):
                is_lacking = near.get(reading.device, now) <= reading.measured_at
                if is_lacking and reading.community == self._of.community:
                    count += self._catch_up_with(reading, now)
        return count

    def _behind(self, now: Instant) -> dict[MeterId, Instant]:
        """Return the meters that are believed, and since when nothing of them is known."""
        pods, facts, found = self._of.state().metering.pods, self._of.facts(), {}
        for name in sorted(pods):
            since = max(Instant(pods[name].totals[-1].at + 1), Instant(now - DAY))
            if since < now and pods[name].meter in facts:
                found[pods[name].meter] = since
        return found

    def _catch_up_with(self, reading: Reading, now: Instant) -> int:
        """Take a reading that was stored before; return how many that is."""
        self._note(reading, now)
        odd = self._of.watch.judge(reading, now, self._of.facts()[reading.device])
        if odd:
            self._tell(odd)
        if not is_hard(odd):
            self._choose(reading, suspicion(odd))
        return 1

    def _is_known(self, meter: MeterId, boundary: Instant) -> bool:
        """Tell whether the exchange has a register at a boundary, or has no use for one."""
        metering = self._of.state().metering
        use = metering.meters.get(meter)
        if use is None or boundary <= metering.final_until or boundary < use.since:
            return True
        if use.until is not None and boundary > use.until:
            return True
        totals = metering.pods[use.pod].totals
        return any(total.at == boundary for total in reversed(totals))
