"""The line to devices: what they say of themselves, what they are told, and what they answer.

Readings come by a connection of their own (`wattbay.adapters.mqtt.ingest`); this one hears status
and events, and sends commands. A command is numbered by the instant at which it is sent, so that
numbers rise through every restart.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from msgspec import structs

from wattbay.adapters.mqtt.broker import BrokerClient, Message
from wattbay.adapters.mqtt.commands import (
    Answer,
    Command,
    Ping,
    SetPoint,
    ShowTariff,
    command_of,
    decode_answer,
    encode_command,
)
from wattbay.adapters.mqtt.topics import (
    Channel,
    channel_filter,
    device_topic,
    parse_device_topic,
)
from wattbay.errors import AdapterError, WireError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.clock import Clock
from wattbay.periods import Instant

ANSWERS_MAX = 20
"""Commands of one device whose answers are kept."""
DEVICES_MAX = 200_000
REASON_CHARACTERS_MAX = 200
"""Of the words of a device that did not carry out a command; the rest is not kept."""
STATUS = MappingProxyType({b"online": True, b"offline": False})


class Told(NamedTuple):
    """A command that a device was sent, and its answer once there is one."""

    command: Command
    sent_at: Instant
    answer: Answer | None = None
    answered_at: Instant | None = None
    """When the answer came, by our clock."""


class DeviceLine:
    """Hears and tells the devices of a community."""

    def __init__(
        self,
        community: CommunityId,
        client: BrokerClient,
        clock: Clock,
        is_known: Callable[[MeterId], bool],
        status: Callable[[MeterId, bool], None],
        answered: Callable[[MeterId, Told], None] | None = None,
    ) -> None:
        """Say and hear nothing before `open`.

        Parameters
        ----------
        is_known
            Tells whether a device is enrolled.
        status
            Hears whether a device is online.
        answered
            Hears each command that a device has answered.
        """
        self._community = community
        self._client = client
        self._clock = clock
        self._is_known = is_known
        self._status = status
        self._answered = answered
        self._number = 0
        self._told: dict[MeterId, deque[Told]] = {}
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many messages there were so far, by what became of them."""
        return MappingProxyType(self._counts)

    async def open(self) -> None:
        """Connect and listen.

        Raises
        ------
        AdapterError
            If the broker does not let us.
        """
        channels = (Channel.STATUS, Channel.EVENTS)
        filters = [channel_filter(self._community, channel) for channel in channels]
        await self._client.open(filters, self._take)

    async def close(self) -> None:
        """Leave."""
        await self._client.close()

    async def tell_device(self, device: MeterId, order: object) -> int:
        """Send a command, numbered; return its number.

        Parameters
        ----------
        order
            A command, or plain values as it is on the wire but for ``number``.

        Raises
        ------
        AdapterError
            If the broker is gone.
        WireError
            If it is no command of ours.
        """
        number = max(self._number + 1, self._clock.now())
        if isinstance(order, Mapping):
            command = command_of(order, number)
        elif isinstance(order, Ping | SetPoint | ShowTariff):
            command = structs.replace(order, number=number)
        else:
            raise WireError(f"wrong form: {type(order).__name__} is no command to a device")
        if not getattr(self._client, "is_connected", True):
            raise AdapterError("the broker is gone: the command was not sent")
        self._number = number
        topic = device_topic(self._community, device, Channel.COMMANDS)
        self._client.publish(topic, encode_command(command), qos=1)
        if device in self._told or len(self._told) < DEVICES_MAX:
            told = self._told.setdefault(device, deque(maxlen=ANSWERS_MAX))
            told.append(Told(command, self._clock.now()))
        self._counts["sent"] += 1
        return self._number

    def told(self, device: MeterId) -> list[Told]:
        """Return the last commands of a device and their answers, oldest first.

        The first answer to a command stands: one that came twice is answered twice.
        """
        return list(self._told.get(device, ()))

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish on a topic that is nobody's here.

        Raises
        ------
        WireError
            If it is one of ours.
        """
        if topic.startswith(("em/", "$")):
            raise WireError(f"wrong topic: {topic}; those below em/ are not for this")
        self._client.publish(topic, payload)

    def _take(self, messages: list[Message]) -> None:
        """Take what devices say of themselves."""
        for message in messages:
            try:
                community, device, channel = parse_device_topic(message.topic)
            except WireError:
                self._counts["wrong topic"] += 1
                continue
            if community != self._community or not self._is_known(device):
                self._counts["unknown device"] += 1
            elif channel is Channel.STATUS:
                self._hear(device, message.payload)
            else:
                self._answer(device, message.payload)
        self._client.acknowledge(messages)

    def _hear(self, device: MeterId, payload: bytes) -> None:
        is_online = STATUS.get(payload)
        if is_online is None:
            self._counts["wrong form"] += 1
            return
        self._counts["status"] += 1
        self._status(device, is_online)

    def _answer(self, device: MeterId, payload: bytes) -> None:
        try:
            answer = decode_answer(payload)
        except WireError:
            self._counts["wrong form"] += 1
            return
        self._counts["answers"] += 1
        told = self._told.get(device, ())
        for place, one in enumerate(told):
            if one.command.number == answer.number and one.answer is None:
                self._keep(device, place, answer)
                return

    def _keep(self, device: MeterId, place: int, answer: Answer) -> None:
        """Keep the answer to a command that had none, and tell of it."""
        told, words = self._told[device], answer.refused[:REASON_CHARACTERS_MAX]
        kept = structs.replace(answer, refused=words)
        told[place] = told[place]._replace(answer=kept, answered_at=self._clock.now())
        if self._answered is not None:
            self._answered(device, told[place])
