"""Readings come in: verified, stored, and only then acknowledged, to the broker and to the device.

What comes in one go is one batch: each message is verified, what is authentic is stored with one
durable write, then the broker is told, and soon after each device hears what is stored of it. A
message that is no authentic reading of a known device of this community is counted by what is wrong
with it, told to the device where there is one to tell, and stored nowhere. All that is kept in
memory of a message that is refused is a number.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from wattbay.adapters.mqtt.broker import BrokerClient, Message
from wattbay.adapters.mqtt.readings import kind, read
from wattbay.adapters.mqtt.topics import (
    Channel,
    channel_filter,
    device_topic,
    parse_device_topic,
)
from wattbay.core.facts import FormerKey
from wattbay.errors import AdapterError, WireError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Outcome, Reading, ReadingStore, Source

BATCH_MAX = 1_000
"""Readings that share one durable write, at most."""
WAITING_MAX = 20_000
"""Messages that wait while the store does not answer; more are left to the broker."""
PAUSE_FIRST_S, PAUSE_MAX_S = 0.1, 5.0
"""How long the store is left alone after a fault: twice as long each time. [s]"""
RUNS_TOLD_MAX = 16
"""Stretches beyond the first gap that a device is told of."""

NOBODY = MeterId("")
"""In whose name messages come that name no device of ours."""

_STORED = Outcome.STORED

WORDS = MappingProxyType(
    {
        Outcome.STORED: "stored",
        Outcome.REPEATED: "repeated",
        Outcome.ALTERED: "altered",
        Outcome.TOO_MANY_GAPS: "too many gaps",
    }
)
"""How outcomes are counted."""


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a device is told on its `ack` topic, as JSON."""

    boot: int | None = None
    """Which start of the device the numbers are of."""
    seq: int | None = None
    """Everything up to this number is stored for good."""
    above: list[tuple[int, int]] = []
    """What else is: stretches, the first and last number of each."""
    refused: dict[str, int] = {}
    """What was not taken since the last time, and how often: it is not worth sending again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Community:
    """Whose readings come in, and who hears of them."""

    community: CommunityId
    key_of: Callable[[MeterId], bytes | None]
    """Public key of a device; None for an unknown or revoked one."""
    former_key_of: Callable[[MeterId], FormerKey | None] = lambda _: None
    """The key before it, of a device whose key was rotated."""
    accepted: Callable[[Sequence[Reading]], None] = lambda _: None
    """Hears of every reading that was stored, once it is."""
    alarmed: Callable[[Reading], None] = lambda _: None
    """Hears of a reading with other bytes than those that are stored under its counters."""
    refused: Callable[[MeterId, str, int], None] = lambda _device, _what, _count: None
    """Hears what was wrong with messages, and how many there were: of a device, or of nobody."""
    acknowledge_every_s: float = 0.25
    """Devices hear of what is stored so often: one message then stands for many readings. [s]"""


class Ingest:
    """The way of a community's readings from the broker into the store."""

    def __init__(self, community: Community, store: ReadingStore, client: BrokerClient) -> None:
        """Be ready; nothing comes in before `open`."""
        self._of = community
        self._store = store
        self._client = client
        self._waiting: list[Message] = []
        self._pause_s = PAUSE_FIRST_S
        self._is_paused = False
        self._retry: asyncio.Handle | None = None
        self._telling: asyncio.TimerHandle | None = None
        self._told: set[tuple[CommunityId, MeterId, int]] = set()
        self._refused: dict[MeterId, Counter[str]] = {}
        self._strangers: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many messages there were so far, by what became of them."""
        return MappingProxyType(self._counts)

    @property
    def is_paused(self) -> bool:
        """Tell whether the store does not answer and is being left alone."""
        return self._is_paused

    async def open(self) -> None:
        """Subscribe to the readings of all devices.

        Raises
        ------
        AdapterError
            If the broker does not let us.
        """
        await self._client.open([channel_filter(self._of.community, Channel.READINGS)], self.take)

    async def close(self) -> None:
        """Take no more; what was not stored is not acknowledged."""
        for timer in (self._retry, self._telling):
            if timer is not None:
                timer.cancel()
        self.tell()
        await self._client.close()

    def take(self, messages: list[Message]) -> None:
        """Take what came in one go, and store it unless the store is being left alone."""
        if len(self._waiting) + len(messages) > WAITING_MAX:
            # Not acknowledged: broker and device still have them.
            self._counts["left to the broker"] += len(messages)
            return
        self._waiting += messages
        if not self._is_paused:
            self._work()

    def _work(self) -> None:
        """Store a batch of what waits, and others in turn; after a fault of the store, later."""
        self._is_paused, self._retry = False, None
        if not self._waiting:
            return
        batch = self._waiting[:BATCH_MAX]
        readings, refused = self._verified(batch)
        try:
            outcomes = self._store.add(readings) if readings else []
        except AdapterError:
            self._counts["store does not answer"] += 1
            self._is_paused = True
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(self._pause_s, self._work)
            self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)
            return
        self._pause_s = PAUSE_FIRST_S
        del self._waiting[: len(batch)]
        if self._waiting:
            self._is_paused = True  # What comes meanwhile waits behind.
            self._retry = asyncio.get_running_loop().call_soon(self._work)
        # It stands: whoever hears of it and fails cannot bring it in again.
        self._client.acknowledge(batch)
        for message, what in refused:
            self._refuse(message, what)
        self._account(readings, outcomes)

    def _verified(self, batch: list[Message]) -> tuple[list[Reading], list[tuple[Message, str]]]:
        """Return the authentic readings of a batch, and what is wrong with the other messages."""
        readings: list[Reading] = []
        refused: list[tuple[Message, str]] = []
        key_of, former_key_of = self._of.key_of, self._of.former_key_of
        community = self._of.community
        for message in batch:
            try:
                reading = read(message.payload, message.topic, key_of, former_key_of)
            except WireError as error:
                refused.append((message, kind(error)))
                continue
            if reading.community == community:
                readings.append(reading)
            else:
                refused.append((message, "wrong topic"))
        return readings, refused

    def _account(self, readings: list[Reading], outcomes: list[Outcome]) -> None:
        """Count what became of readings, and tell whoever is to hear of it."""
        for outcome, count in Counter(outcomes).items():
            self._counts[WORDS[outcome]] += count
        self._told.update((one.community, one.device, one.boot) for one in readings)
        stored = []
        for reading, outcome in zip(readings, outcomes, strict=True):
            if outcome is _STORED:
                stored.append(reading)
            elif outcome is not Outcome.REPEATED:
                self._count_refusal(reading.device, WORDS[outcome])
                if outcome is Outcome.ALTERED:
                    self._of.alarmed(reading)
        if self._telling is None and (self._told or self._refused or self._strangers):
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(self._of.acknowledge_every_s, self.tell)
        if stored:
            self._of.accepted(stored)

    def _refuse(self, message: Message, what: str) -> None:
        """Count a message that is no reading; tell its device, if it is one of ours."""
        self._counts[what] += 1
        try:
            community, device, _ = parse_device_topic(message.topic)
        except WireError:
            self._strangers[what] += 1
            return
        if community == self._of.community and self._of.key_of(device) is not None:
            self._count_refusal(device, what)
        else:
            self._strangers[what] += 1

    def _count_refusal(self, device: MeterId, what: str) -> None:
        self._refused.setdefault(device, Counter())[what] += 1

    def tell(self) -> None:
        """Tell each device what is stored of it, and what was refused since the last time."""
        self._telling = None
        told, self._told = sorted(self._told), set()
        refused, self._refused = self._refused, {}
        self._tell_of_refusals(refused)
        for source in map(Source._make, told):
            try:
                runs = list(self._store.runs(source))
            except AdapterError:
                # They hear of it with their next reading, or the one that they send again.
                self._counts["store does not answer"] += 1
                return
            first = runs[0] if runs and runs[0][0] <= 1 else None
            rest = runs[1:] if first else runs
            self._publish(
                source.device,
                Acknowledgement(
                    boot=source.boot,
                    seq=first[1] if first else 0,
                    above=rest[:RUNS_TOLD_MAX],
                    refused=dict(refused.pop(source.device, {})),
                ),
            )
        for device in sorted(refused):
            self._publish(device, Acknowledgement(refused=dict(refused[device])))

    def _tell_of_refusals(self, refused: Mapping[MeterId, Counter[str]]) -> None:
        """Tell whoever watches what was refused since the last time."""
        strangers, self._strangers = self._strangers, Counter()
        for device, kinds in (*refused.items(), (NOBODY, strangers)):
            for what, count in kinds.items():
                self._of.refused(device, what, count)

    def _publish(self, device: MeterId, said: Acknowledgement) -> None:
        topic = device_topic(self._of.community, device, Channel.ACKNOWLEDGED)
        self._client.publish(topic, msgspec.json.encode(said))
