"""One client of the stream: what it says is answered, and it is sent what it hears, as it reads.

A session knows no socket and no framework: it is given a wire. One task reads, one writes; neither
waits for another client.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple, Protocol

from wattbay.access.identity import Identity
from wattbay.adapters.api.stream.channel import Channel
from wattbay.adapters.api.stream.hub import Hub
from wattbay.adapters.api.stream.mailbox import REPLIES_MAX, Due, Mailbox
from wattbay.adapters.api.stream.messages import (
    SUBSCRIPTIONS_MAX,
    Ping,
    Subscribe,
    Unsubscribe,
    Wish,
    read,
    written,
)
from wattbay.adapters.api.stream.topics import NotForYouError, parse
from wattbay.errors import WireError
from wattbay.periods import to_text

MESSAGES_PER_S = 20.0
MESSAGES_AT_ONCE = 100
"""What a client may say: so much a second, and so much at once."""
FAULTS_MAX = 20
"""Messages that are none, or come too fast; with one more the connection ends."""
FAULTS_FORGIVEN_PER_S = 0.1
CLOSE_WAIT_S = 2.0
"""How long a client may take to hear that it is over."""
SENT_AT_ONCE_MAX = 64
"""Messages that are sent to one client before others have their turn."""


class Code(IntEnum):
    """Why a connection ends, as a close code."""

    POLICY = 1008
    """Too many faults."""
    TRY_LATER = 1013
    """There are as many clients as there may be."""
    NOT_KNOWN = 4401
    """What was shown is not, or no longer, good."""
    TOO_SLOW = 4408
    """Nothing was read for too long."""


class End(NamedTuple):
    """Why a session is over."""

    code: Code
    reason: str


class GoneError(Exception):
    """The client is gone."""


class Connection(Protocol):
    """The wire to a client, once it is open."""

    async def receive(self) -> str | bytes:
        """Return the next message.

        Raises
        ------
        GoneError
            If there will be none.
        """

    async def send(self, text: str) -> None:
        """Send a message; waits while the client does not read.

        Raises
        ------
        GoneError
            If the client is gone.
        """

    async def close(self, code: int, reason: str) -> None:
        """Say that it is over."""

    def abort(self) -> None:
        """Let go at once, of whatever still waits to be sent, too."""


class Allowance:
    """Lets so much pass a second, and so much at once."""

    def __init__(self, per_s: float, at_once: float, now_s: float) -> None:
        """Begin with all that may pass at once."""
        self._per_s = per_s
        self._at_once = at_once
        self._left = at_once
        self._then_s = now_s

    def take(self, now_s: float) -> bool:
        """Tell whether one more may pass."""
        self._left = min(self._at_once, self._left + (now_s - self._then_s) * self._per_s)
        self._then_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Session:
    """What one client hears."""

    def __init__(
        self,
        hub: Hub,
        who: Identity,
        connection: Connection,
        mailbox: Callable[[Callable[[], None]], Mailbox] = Mailbox,
    ) -> None:
        """Begin with a client that is known and hears nothing yet.

        Parameters
        ----------
        mailbox
            Makes its mailbox, from what is to be called when something waits.
        """
        loop = asyncio.get_running_loop()
        self.who = who
        self.mailbox = mailbox(self._awake)
        self.sending_since_s: float | None = None
        """Since when the client has been reading one message; None while nothing is sent."""
        self._hub = hub
        self._connection = connection
        self._heard: dict[str, Channel] = {}
        self._loop = loop
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._over: asyncio.Future[End] = loop.create_future()
        self._messages = Allowance(MESSAGES_PER_S, MESSAGES_AT_ONCE, loop.time())
        self._faults = Allowance(FAULTS_FORGIVEN_PER_S, FAULTS_MAX, loop.time())

    @property
    def topics(self) -> tuple[str, ...]:
        """What the client hears."""
        return tuple(self._heard)

    def end(self, code: Code, reason: str) -> None:
        """Let it be over; whoever runs it closes."""
        if not self._over.done():
            self._over.set_result(End(code, reason))

    def greet(self, *, heartbeat_s: float) -> None:
        """Say hello: who the client is here, and in which epoch numbers count."""
        self.mailbox.reply(
            written(
                {
                    "type": "hello",
                    "epoch": self._hub.epoch,
                    "ts": to_text(self._hub.memory.at),
                    "login": self.who.login,
                    "parties": sorted(self.who.parties),
                    "heartbeat_s": heartbeat_s,
                }
            )
        )

    async def run(self) -> End | None:
        """Serve until it is over; return why, or None where the client went away by itself."""
        reading = self._loop.create_task(self._read())
        writing = self._loop.create_task(self._write())
        try:
            await asyncio.wait((reading, writing, self._over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for channel in self._heard.values():
                self._hub.board.leave(self.mailbox, channel)
            self._heard.clear()
            for task in (reading, writing):
                task.cancel()
            ends = await asyncio.gather(reading, writing, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, GoneError):
                raise end
        if not self._over.done():
            return None
        end_ = self._over.result()
        await self._close(end_)
        return end_

    async def _close(self, end: End) -> None:
        """Say that it is over; a client that does not even read that is cut off."""
        try:
            async with asyncio.timeout(CLOSE_WAIT_S):
                await self._connection.close(end.code, end.reason)
        except TimeoutError:
            self._connection.abort()
        except GoneError:
            pass

    # --- out ---------------------------------------------------------------------------------

    def _awake(self) -> None:
        self._wake.set()

    async def _write(self) -> None:
        mailbox, send, now_s = self.mailbox, self._connection.send, self._loop.time
        sent = 0
        while True:
            waiting = mailbox.take()
            if waiting is None:
                self._room.set()
                self._wake.clear()
                await self._wake.wait()
                sent = 0
                continue
            if isinstance(waiting, Due):
                text = self._hub.snapshot(waiting.channel, waiting.because)
            else:
                text = waiting.text
            self.sending_since_s = now_s()
            await send(text)
            self.sending_since_s = None
            sent += 1
            if sent >= SENT_AT_ONCE_MAX:
                sent = 0
                await asyncio.sleep(0)

    # --- in ----------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            text = await self._connection.receive()
            if not self._messages.take(self._loop.time()):
                self._fault(f"{MESSAGES_PER_S:.0f} messages a second are the most")
            else:
                try:
                    said = read(text)
                except WireError as error:
                    self._fault(str(error))
                else:
                    self._hear(said)
            if self._over.done():
                return
            if self.mailbox.replies >= REPLIES_MAX:
                self._room.clear()
                await self._room.wait()

    def _fault(self, detail: str) -> None:
        self._refuse("bad-message", detail)
        if not self._faults.take(self._loop.time()):
            self.end(Code.POLICY, "too many messages that are none, or too fast")

    def _refuse(self, code: str, detail: str, topic: str | None = None) -> None:
        told = {"type": "error", "code": code, "detail": detail}
        self.mailbox.reply(written(told if topic is None else {**told, "topic": topic}))

    def _hear(self, said: Subscribe | Unsubscribe | Ping) -> None:
        match said:
            case Ping():
                told = {"type": "pong", "ts": to_text(self._hub.memory.at)}
                self.mailbox.reply(written(told))
            case Unsubscribe():
                for name in said.topics[:SUBSCRIPTIONS_MAX]:
                    self._leave(name)
            case Subscribe():
                goes_on = said.epoch == self._hub.epoch
                for wish in said.topics[: SUBSCRIPTIONS_MAX + 1]:
                    self._join(wish, goes_on=goes_on)

    def _leave(self, name: str) -> None:
        channel = self._heard.pop(_canonical(name), None)
        if channel is not None:
            self._hub.board.leave(self.mailbox, channel)
            self.mailbox.reply(written({"type": "unsubscribed", "topic": channel.topic}))

    def _join(self, wish: Wish, *, goes_on: bool) -> None:
        try:
            topic = parse(wish.topic)
            channel = self._hub.channel(topic, self.who)
        except NotForYouError as error:
            self._refuse("not-for-you", str(error), wish.topic)
            return
        except WireError as error:
            self._refuse("no-topic", str(error), wish.topic)
            return
        before = self._heard.get(channel.topic)
        if before is None and len(self._heard) >= SUBSCRIPTIONS_MAX:
            self._hub.board.leave(self.mailbox, channel)
            self._refuse("too-many", f"{SUBSCRIPTIONS_MAX} topics are the most", wish.topic)
            return
        if before is not None and before is not channel:
            self._hub.board.leave(self.mailbox, before)
        self._heard[channel.topic] = channel
        last_seq = wish.last_seq if goes_on else None
        # The answer goes before whatever it announces.
        is_resumed = last_seq is not None and channel.after(last_seq) is not None
        self.mailbox.forget(channel)
        self.mailbox.reply(
            written(
                {
                    "type": "subscribed",
                    "topic": channel.topic,
                    "form": channel.form,
                    "seq": channel.seq,
                    "resumed": is_resumed,
                }
            )
        )
        self._hub.board.join(self.mailbox, channel, last_seq)

    def look_again(self, who: Identity) -> None:
        """Take what a client may do now; topics that are not for it any more end."""
        if who == self.who:
            return
        self.who = who
        for name, channel in list(self._heard.items()):
            try:
                now = self._hub.channel(parse(name), who)
            except WireError as error:
                self._leave(name)
                self._refuse("not-for-you", str(error), name)
                continue
            if now is not channel:
                self._join(Wish(name), goes_on=False)


def _canonical(name: str) -> str:
    """Return how a topic is written here; as it came, where it is none."""
    with contextlib.suppress(WireError):
        return parse(name).name
    return name
