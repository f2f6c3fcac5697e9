"""A TCP link between a battery and an aggregator: frames in and out, the most urgent first.

What comes is heard at once. What goes waits in an outbox, so that the news of a failure overtakes
whatever is queued; of what the system has taken already, there is little. A peer that sends more
than it reads is not read until it does.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import NamedTuple, Protocol

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
HALF_FRAME_S = 5.0
"""How long a frame may stay half. [s]"""
NOT_SENT = getattr(socket, "TCP_NOTSENT_LOWAT", None)
"""The option that bounds what the system takes and has not sent, where it knows one."""
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
        self._frames = Frames()
        self._outbox = Outbox()
        self._transport: asyncio.Transport | None = None
        self._is_paused = self._is_pumping = self._is_deaf = False
        self._half_since: int | None = None

    # --- the transport speaks ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        if not isinstance(transport, asyncio.Transport):
            msg = "a link stands on a stream"
            raise TypeError(msg)
        transport.set_write_buffer_limits(high=HIGH_WATER, low=LOW_WATER)
        sock = transport.get_extra_info("socket")
        if sock is not None and NOT_SENT is not None:
            # What the system has taken cannot be overtaken: so let it take little.
            sock.setsockopt(socket.IPPROTO_TCP, NOT_SENT, HIGH_WATER)
        self._transport = transport
        self._ends.opened(self)
        if self._outbox:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; what waited is gone, and said again on the next link if it matters."""
        del exc
        self._transport = None
        self._ends.closed(self)

    def data_received(self, data: bytes) -> None:
        """Hear what has come."""
        now = self._clock.now()
        try:
            for payload in self._frames.feed(data):
                self._hear(payload, now)
                if self._transport is None:
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
        self._is_paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._is_paused = False
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
            if self.is_sealed or not self._guard.allows_plain:
                raise BadMessage(Amiss.UNSIGNED, "a plain message where an envelope is asked for")
            self.is_sealed = False
        else:
            message = self._unsealed(payload)
        self._counts["heard"] += 1
        if self.is_called:
            self.peer = message.device_id
        self._ends.heard(self, message, payload, now)

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
        """Tell whether it is connected."""
        return self._transport is not None

    @property
    def waiting(self) -> int:
        """How many messages wait to be sent."""
        return len(self._outbox)

    def send(self, message: Message, answers: tuple[int, int] | None = None) -> None:
        """Let a message wait its turn, which comes soon; a peer too slow to be served is let go."""
        if not self._outbox.put(Waiting(message, answers)):
            self._counts["too slow"] += 1
            self.close()
            return
        if len(self._outbox) > UNREAD_MAX and not self._is_deaf and self._transport is not None:
            self._is_deaf = True
            self._transport.pause_reading()
        self._wake()

    def greet(self, message: Message) -> None:
        """Send a message before everything else, whatever its priority: who we are comes first."""
        if self._transport is not None:
            self._transport.write(self._framed(message))
            self._counts["sent"] += 1

    def _framed(self, message: Message) -> bytes:
        sealer, frame = self._guard.sealer if self.is_sealed else None, encode(message)
        return framed(frame if sealer is None else sealer.seal(frame, self.peer or 0))

    def _wake(self) -> None:
        # What is sent within one turn of the loop goes in order of urgency, in one write.
        if not self._is_pumping and not self._is_paused and self._transport is not None:
            self._is_pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Write what waits, as long as the transport takes it."""
        self._is_pumping = False
        while not self._is_paused and self._transport is not None and self._outbox:
            self._transport.write(self._batch())
        if self._is_deaf and self._transport is not None and len(self._outbox) < UNREAD_MAX // 2:
            self._is_deaf = False
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

    def check(self, now: int) -> None:
        """Let go of a peer that leaves a frame half for too long."""
        if self._half_since is not None and now - self._half_since > HALF_FRAME_S * SECOND:
            self._counts["half a frame"] += 1
            self.close()

    def finish(self) -> None:
        """Send what waits, as far as the transport takes it, and let go of the peer."""
        self._pump()
        if self._transport is not None:
            self._transport.close()

    def close(self) -> None:
        """Let go of the peer at once."""
        if self._transport is not None:
            self._transport.abort()
