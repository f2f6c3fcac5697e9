"""A TCP link between a battery and an aggregator: frames in and out, the most urgent first.

What comes is heard at once. What goes waits in an outbox, so that the news of a failure overtakes
whatever is queued; of what the system has taken already, there is little. A peer that sends more
than it reads is not read until it does.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple, Protocol, cast

from wattbay.adapters.etp.envelope import Opener, Sealer
from wattbay.adapters.etp.frames import Frames, framed
from wattbay.adapters.etp.messages import (
    DEADLINES_MS,
    NAMES,
    SIZE,
    Amiss,
    BadMessage,
    Kind,
    Message,
    decode,
    encode,
)
from wattbay.adapters.etp.outbox import Outbox, Waiting
from wattbay.kernel.clock import Clock
from wattbay.periods import SECOND

HIGH_WATER, LOW_WATER = 16_384, 4_096
"""How much the transport holds before it asks for a pause, and until it goes on. [byte]"""
BATCH_BYTES = 16_384
"""What is given to the transport at once, about. [byte]"""
UNREAD_MAX = 2_000
"""Messages that may wait for a peer before it is not heard any more, until it reads."""
FIRST_S = 10.0
"""How long a caller may say nothing before it is let go: places are few. [s]"""
HALF_FRAME_S = 5.0
"""How long a frame may stay half. [s]"""
STUCK_S = 10.0
"""How long a peer may take nothing of what waits for it. [s]"""
FINISH_S = 1.0
"""How long the last words to a peer may take. [s]"""
OPTIONS = tuple(
    (level, getattr(socket, name), value)
    for level, name, value in (
        # What the system has taken cannot be overtaken: so let it take little.
        (socket.IPPROTO_TCP, "TCP_NOTSENT_LOWAT", HIGH_WATER),
        # A peer whose machine is gone says nothing, not even that.
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 30),
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 10),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    )
    if hasattr(socket, name)
)
"""Of the socket, as far as the system knows them."""
MS = 1_000
"""Microseconds in a millisecond."""


class Guard(NamedTuple):
    """How a node proves who it is, and what it asks of others."""

    opener: Opener | None = None
    sealer: Sealer | None = None
    allows_plain: bool = False
    """Whether peers may speak without envelopes. Anybody can then say to be anybody."""


class Timings:
    """How long answers took, by the type of what they answer, and which were late."""

    __slots__ = ("answered", "late", "slowest_us", "total_us")

    def __init__(self) -> None:
        """Begin with nothing answered."""
        kinds = len(DEADLINES_MS)
        self.answered = [0] * kinds
        self.late = [0] * kinds
        self.slowest_us = [0] * kinds
        self.total_us = [0] * kinds

    def answer(self, kind: int, took_us: int) -> None:
        """Count an answer; one that takes exactly as long as it may is in time."""
        self.answered[kind] += 1
        self.total_us[kind] += took_us
        self.slowest_us[kind] = max(self.slowest_us[kind], took_us)
        if took_us > DEADLINES_MS[kind] * MS:
            self.late[kind] += 1

    def table(self) -> dict[str, dict[str, float]]:
        """Return answers, late ones, the slowest and the mean [ms] by type."""
        return {
            NAMES[kind]: {
                "answered": self.answered[kind],
                "late": self.late[kind],
                "slowest_ms": self.slowest_us[kind] / MS,
                "mean_ms": self.total_us[kind] / self.answered[kind] / MS,
            }
            for kind in Kind
            if self.answered[kind]
        }


class Ends(Protocol):
    """Whoever holds links."""

    def opened(self, link: Link) -> None:
        """Hear that a link stands."""

    def heard(self, link: Link, message: Message, raw: bytes, now: int) -> None:
        """Hear a message, and when it arrived. [µs]"""

    def closed(self, link: Link) -> None:
        """Hear that a link is gone."""


class Link(asyncio.Protocol):
    """One end of a link."""

    def __init__(
        self,
        ends: Ends,
        guard: Guard,
        clock: Clock,
        counts: Counter[str],
        timings: Timings | None = None,
        *,
        peer: int | None = None,
    ) -> None:
        """Make an end; it works once it is connected.

        Parameters
        ----------
        clock
            Never goes back.
        counts
            Is told what came and what was amiss.
        peer
            Whom we called; None where we are called, and the first message tells.
        """
        self._ends, self._guard, self._clock, self._counts = ends, guard, clock, counts
        self._timings = Timings() if timings is None else timings
        self.peer = peer
        self.is_called = peer is None
        self.is_sealed: bool | None = None if self.is_called else guard.sealer is not None
        """None before the first message."""
        self.has_heard = False
        """Whether anything authentic came."""
        self.gone = asyncio.Event()
        """Set once it is no more."""
        self._frames = Frames()
        self._outbox = Outbox()
        self._transport: asyncio.Transport | None = None
        self._is_up = self._is_pumping = self._is_deaf = False
        self._opened_at = 0
        self._half_since: int | None = None
        self._stuck_since: int | None = None

    # --- the transport speaks ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transports speak like asyncio's, and do not descend from them.
        transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=HIGH_WATER, low=LOW_WATER)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            for option in OPTIONS:
                sock.setsockopt(*option)
        self._transport, self._is_up = transport, True
        self._opened_at = self._clock.now()
        self._ends.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End; what waited is gone, and said again on the next link if it matters."""
        del exc
        self._transport, self._is_up = None, False
        self.gone.set()
        self._ends.closed(self)

    def data_received(self, data: bytes) -> None:
        """Hear what has come."""
        now = self._clock.now()
        try:
            for payload in self._frames.feed(data):
                # It began with this at the earliest, if one is half now.
                self._half_since = None
                self._hear(payload, now)
                if not self._is_up:
                    return
        except BadMessage as error:
            self._counts[error.amiss.value] += 1
            self.close()
            return
        if not self._frames.is_amid:
            self._half_since = None
        elif self._half_since is None:
            self._half_since = now

    def pause_writing(self) -> None:
        """Write no more for now."""
        self._stuck_since = self._clock.now()

    def resume_writing(self) -> None:
        """Go on."""
        self._stuck_since = None
        self._pump()

    # --- in ----------------------------------------------------------------------------------

    def _hear(self, payload: bytes, now: int) -> None:
        """Let a message be heard, if it is authentic.

        Raises
        ------
        BadMessage
            If it is not, or is none.
        """
        if len(payload) == SIZE:
            message = decode(payload)
            if self.is_sealed or not self._may_be_plain(message.device_id):
                raise BadMessage(Amiss.UNSIGNED, "a plain message where an envelope is asked for")
            self.is_sealed = False
        else:
            message = self._unsealed(payload)
        self.has_heard = True
        self._counts["heard"] += 1
        if self.is_called:
            self.peer = message.device_id
        self._ends.heard(self, message, payload, now)

    def _may_be_plain(self, device: int) -> bool:
        """Tell whether a device may speak without envelopes: one whose key is known need not."""
        opener = self._guard.opener
        return self._guard.allows_plain and (opener is None or not opener.knows(device))

    def _unsealed(self, payload: bytes) -> Message:
        """Return the message in an envelope."""
        opener = self._guard.opener
        if opener is None or self.is_sealed is False:
            raise BadMessage(Amiss.FORGED, "an envelope where nobody can open one")
        message, sender = opener.open(payload)
        if self.is_sealed is None and message.message_type != Kind.REGISTER:
            raise BadMessage(Amiss.FORGED, "a link in envelopes begins with a Register")
        if self.peer not in {None, sender}:
            raise BadMessage(Amiss.FORGED, f"device {sender} speaks on the link of {self.peer}")
        self.is_sealed = True
        return message

    # --- out ---------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Tell whether it is connected, and has not been let go."""
        return self._is_up

    @property
    def is_stuck(self) -> bool:
        """Tell whether what waits is not taken now."""
        return self._stuck_since is not None

    @property
    def waiting(self) -> int:
        """How many messages wait to be sent."""
        return len(self._outbox)

    def send(self, message: Message, answers: tuple[int, int] | None = None) -> None:
        """Let a message wait its turn, which comes soon; a peer too slow to be served is let go."""
        if not self._is_up or self._transport is None:
            return
        if not self._outbox.put(Waiting(message, answers)):
            self._let_go("too slow")
            return
        if not self._is_deaf and self._outbox.owed > UNREAD_MAX:
            self._is_deaf = True
            self._transport.pause_reading()
        # What is sent within one turn of the loop goes in order of urgency, in one write.
        if not self._is_pumping and self._stuck_since is None:
            self._is_pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def greet(self, message: Message) -> None:
        """Send a message before everything else, whatever its priority: who we are comes first."""
        if self._is_up and self._transport is not None:
            self._transport.write(self._framed(message))
            self._counts["sent"] += 1

    def _framed(self, message: Message) -> bytes:
        sealer, frame = self._guard.sealer if self.is_sealed else None, encode(message)
        return framed(frame if sealer is None else sealer.seal(frame, self.peer or 0))

    def _pump(self) -> None:
        """Write what waits, as long as the transport takes it."""
        self._is_pumping = False
        if not self._is_up or self._transport is None:
            return
        while self._stuck_since is None and self._outbox:
            self._transport.write(self._batch())
        if self._is_deaf and self._outbox.owed < UNREAD_MAX // 2:
            self._is_deaf = False
            if self._half_since is not None:
                self._half_since = self._clock.now()
            self._transport.resume_reading()

    def _batch(self) -> bytes:
        """Return the most urgent frames, some 16 kB of them."""
        now = self._clock.now()
        frames, size = [], 0
        while size < BATCH_BYTES and (waiting := self._outbox.pop()) is not None:
            frames.append(self._framed(waiting.message))
            size += len(frames[-1])
            if waiting.answers is not None:
                kind, arrived = waiting.answers
                self._timings.answer(kind, now - arrived)
        self._counts["sent"] += len(frames)
        return b"".join(frames)

    # --- ends --------------------------------------------------------------------------------

    def check(self, now: int) -> None:
        """Let go of a peer that says nothing, leaves a frame half or takes nothing for too long."""
        is_silent = self.is_called and not self.has_heard
        if is_silent and now - self._opened_at > FIRST_S * SECOND:
            self._let_go("silent")
        elif self._stuck_since is not None and now - self._stuck_since > STUCK_S * SECOND:
            self._let_go("too slow")
        elif (
            self._half_since is not None
            and not self._is_deaf
            and now - self._half_since > HALF_FRAME_S * SECOND
        ):
            self._let_go("half a frame")

    def _let_go(self, why: str) -> None:
        if self._is_up:
            self._counts[why] += 1
        self.close()

    def finish(self) -> None:
        """Send what waits, as far as the transport takes it, and let go of the peer."""
        self._pump()
        self._is_up = False
        if self._transport is not None:
            self._transport.close()

    def close(self) -> None:
        """Let go of the peer at once."""
        self._is_up = False
        if self._transport is not None:
            self._transport.abort()


async def finish_all(links: Iterable[Link]) -> None:
    """Let go of peers; those that do not take the last words in time hear no more."""
    left = list(links)
    for link in left:
        link.finish()
    try:
        async with asyncio.timeout(FINISH_S):
            await _all_gone(left)
    except TimeoutError:
        for link in left:
            link.close()
        await _all_gone(left)


async def _all_gone(links: Iterable[Link]) -> None:
    for link in links:
        await link.gone.wait()
