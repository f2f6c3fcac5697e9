"""A bot at work: its connection to the broker, its meter's outbox, and its screen.

What it trades goes through one connection, what its meter measures through the device kit, which
keeps each reading until it is acknowledged. Both come back by themselves after a break. Its clock
stands at what the market said last.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from wattbay.adapters.mqtt.broker import Message
from wattbay.adapters.mqtt.device import Device, Link, Registers
from wattbay.adapters.mqtt.keys import Signer
from wattbay.adapters.mqtt.market.signed import SignedOrder, sign_order
from wattbay.adapters.mqtt.market.topics import Subject, answer_topic, order_topic
from wattbay.adapters.mqtt.outbox import Outbox
from wattbay.adapters.mqtt.service import Address, GmqttClient
from wattbay.adapters.mqtt.topics import market_topic
from wattbay.errors import AdapterError, WireError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.clock import SimulatedClock
from wattbay.periods import Instant
from wattbay.simulation.bots.bot import Bot, Deed, Line, Meter, Shown, Traits

PAUSE_FIRST_S, PAUSE_MAX_S = 0.5, 10.0
"""Before a broker that is not there is tried again: twice as long each time. [s]"""
GOODBYE_S = 5.0
"""How long a bot that stops waits for its last readings to be acknowledged. [s]"""
LOOK_EVERY_S = 0.5
"""How often a bot looks whether its broker is there. [s]"""
TURN_S = 0.05
HEARD = (Subject.CLOCK, Subject.STATE, Subject.SOLAR, Subject.CURVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Where a bot works, and who it is there."""

    community: CommunityId
    traits: Traits
    signer: Signer
    link: Link
    folder: Path
    """Where its outbox and its meter are kept."""
    is_metered: bool = True
    """Whether it publishes signed readings of what it made and drew."""

    @property
    def outbox(self) -> Path:
        """What its meter measured and nobody has acknowledged."""
        return self.folder / f"{self.traits.device}.outbox"

    @property
    def meter(self) -> Path:
        """What its meter and battery hold."""
        return self.folder / f"{self.traits.device}.meter"


def read_meter(path: Path) -> Meter:
    """Return what a bot's meter held when its program ended; a new one where there was none.

    Raises
    ------
    AdapterError
        If the file holds something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Meter)
    except FileNotFoundError:
        return Meter()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"{path} holds no meter: {error}"
        raise AdapterError(msg) from error


class AtWork:
    """A bot with its wires."""

    def __init__(self, post: Post, tell: Callable[[Line], None]) -> None:
        """Take a bot up where it ended. Within a running event loop.

        Raises
        ------
        AdapterError
            If its files cannot be read, or another program has them open.
        """
        self._post = post
        self._tell = tell
        self.bot = Bot(post.traits, read_meter(post.meter))
        # What it would say of a broker that went away, the bot says itself.
        logging.getLogger("gmqtt").setLevel(logging.ERROR)
        device, link = post.traits.device, post.link
        self._clock = SimulatedClock(Instant(0))
        self._client = GmqttClient(
            Address(
                host=link.host,
                port=link.port,
                client_id=f"{device}-bot",
                username=link.username,
                password=link.password,
                tls=link.tls,
            )
        )
        self._subjects = {
            market_topic(post.community, subject): str(subject) for subject in HEARD
        } | {answer_topic(post.community, device): str(Subject.ANSWER)}
        self._clears = market_topic(post.community, Subject.CLEAR)
        self._outbox: Outbox | None = None
        self._kit: Device | None = None
        self.wrong = 0
        """Messages of the market so far that could not be read."""

    async def work(self, stop: asyncio.Event) -> None:
        """Trade until told to stop; then say goodbye."""
        filters = [*self._subjects, f"{self._clears}/+"]
        pause_s = PAUSE_FIRST_S
        while not stop.is_set():
            try:
                await self._client.open(filters, self._take)
            except AdapterError as error:
                self._tell(Line(at=self.bot.now, action="wait", outcome=str(error)))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause_s)
                pause_s = min(2 * pause_s, PAUSE_MAX_S)
            else:
                break
        if self._post.is_metered and not stop.is_set():
            self._start_meter()
        is_there = True
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)
            if self._client.is_connected != is_there:
                is_there = not is_there
                outcome = "the broker is there again" if is_there else "the broker is gone"
                self._tell(Line(at=self.bot.now, action="wait", outcome=outcome))
        await self._leave()

    def _start_meter(self) -> None:
        post = self._post
        self._outbox = Outbox(post.outbox)
        self._kit = Device(
            community=post.community, device=MeterId(post.traits.device), signer=post.signer,
            outbox=self._outbox, clock=self._clock, link=post.link,
        )  # fmt: skip
        self._kit.start()

    async def _leave(self) -> None:
        """Wait a moment for what is under way, and disconnect."""
        await self._client.close()
        kit, outbox = self._kit, self._outbox
        if kit is None or outbox is None:
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GOODBYE_S
        while kit.waiting and kit.is_connected and loop.time() < deadline:  # noqa: ASYNC110 - another thread counts
            await asyncio.sleep(TURN_S)
        await asyncio.to_thread(kit.stop)
        outbox.close()

    def _take(self, messages: list[Message]) -> None:
        """Let the bot hear what the broker brought, and do what it says."""
        for message in messages:
            subject = self._subjects.get(message.topic)
            if subject is None and message.topic.startswith(self._clears):
                subject = str(Subject.CLEAR)
            if subject is None:
                continue
            try:
                deeds = self.bot.hear(subject, message.payload)
            except WireError:
                self.wrong += 1
                continue
            if self.bot.now > self._clock.now():
                self._clock.advance(self.bot.now)
            for deed in deeds:
                self._do(deed)
        self._client.acknowledge(messages)

    def _do(self, deed: Deed) -> None:
        """Order, read the meter, or tell."""
        post = self._post
        match deed:
            case SignedOrder():
                device = post.traits.device
                payload = sign_order(deed, post.community, device, post.signer)
                self._client.publish(order_topic(post.community, device), payload, qos=1)
            case Shown():
                self._measure(deed)
            case Line():
                self._tell(deed)

    def _measure(self, shown: Shown) -> None:
        """Keep what the meter shows, then send it: a reading is never less than an earlier one."""
        path = self._post.meter
        beside = path.with_suffix(".new")
        beside.write_bytes(msgspec.json.encode(self.bot.meter))
        beside.replace(path)
        if self._kit is not None:
            self._kit.measured(
                Registers(
                    measured_at=shown.at,
                    import_register=shown.import_register,
                    export_register=shown.export_register,
                )
            )
