"""All clients of the stream: how many there may be, who is still known, and what time it is.

One task, `Streams.run`, does everything that follows from the passing of time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import structlog

from wattbay.access.denial import AccessDenied
from wattbay.access.identity import Identity
from wattbay.adapters.api.stream.hub import Hub
from wattbay.adapters.api.stream.session import Code, Session
from wattbay.adapters.api.stream.tickets import Tickets
from wattbay.errors import AdapterError
from wattbay.kernel.clock import Clock

BOOKS_EVERY_S = 0.1
"""How often books are told that change."""
HEARTBEAT_S = 5.0
KNOWN_EVERY_S = 15.0
"""How often it is made sure that a client is still known."""
SLOW_S = 30.0
"""How long a client may take to read one message."""
PER_LOGIN_MAX = 100
STRANGERS_MAX = 200
"""Clients that have shown nothing yet."""

Look = Callable[[], Identity]
"""Returns who a client is, by what it showed; raises `AccessDenied` where it is nobody any more."""


class Streams:
    """All clients."""

    def __init__(
        self, hub: Hub, clock: Clock, *, speed: float, streams_max: int, slow_s: float = SLOW_S
    ) -> None:
        """Begin without clients.

        Parameters
        ----------
        clock
            The exchange's.
        speed
            How many times as fast as the day it goes.
        streams_max
            Clients at once.
        slow_s
            How long a client may take to read one message. [s]
        """
        self.hub = hub
        self.tickets = Tickets()
        self._clock = clock
        self._speed = speed
        self._streams_max = streams_max
        self.slow_s = slow_s
        self._sessions: dict[Session, Look] = {}
        self._of: Counter[str] = Counter()
        self._strangers = 0
        self._log = structlog.get_logger("wattbay.stream")

    def __len__(self) -> int:
        """Return how many clients there are."""
        return len(self._sessions)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Return the clients, those that came first first."""
        return tuple(self._sessions)

    def has_room(self, login: str) -> bool:
        """Tell whether one more client of a login may come."""
        return len(self._sessions) < self._streams_max and self._of[login] < PER_LOGIN_MAX

    def let_stranger_in(self) -> bool:
        """Tell whether one more may come who has shown nothing yet, and count it."""
        if self._strangers >= STRANGERS_MAX or len(self._sessions) >= self._streams_max:
            return False
        self._strangers += 1
        return True

    def stranger_is_over(self) -> None:
        """Count one less: it is known, or gone."""
        self._strangers -= 1

    async def serve(self, session: Session, look: Look) -> None:
        """Serve a client until it is over."""
        login = session.who.login
        self._sessions[session] = look
        self._of[login] += 1
        session.greet(heartbeat_s=HEARTBEAT_S)
        try:
            end = await session.run()
        finally:
            del self._sessions[session]
            self._of[login] -= 1
            if not self._of[login]:
                del self._of[login]
        if end is not None:
            overflows = session.mailbox.overflows
            self._log.info("stream over", login=login, code=int(end.code), overflows=overflows)

    async def run(self) -> None:
        """Do what time asks for, until cancelled."""
        loop = asyncio.get_running_loop()
        beat_s = known_s = loop.time()
        while True:
            now_s = loop.time()
            now = self._clock.now()
            if now_s >= beat_s:
                self.hub.beat(now, self._speed)
                beat_s = now_s + HEARTBEAT_S
            else:
                self.hub.turn(now)
            if now_s >= known_s:
                await self.look_again()
                known_s = now_s + KNOWN_EVERY_S
            self.cut_off(now_s)
            self.hub.flush()
            await asyncio.sleep(BOOKS_EVERY_S)

    def cut_off(self, now_s: float) -> None:
        """End the clients that do not read."""
        for session in self._sessions:
            since_s = session.sending_since_s
            if since_s is not None and now_s - since_s > self.slow_s:
                session.end(Code.TOO_SLOW, f"nothing was read for {self.slow_s:.0f} s")

    async def look_again(self) -> None:
        """Make sure that all clients are still known, and may hear what they hear."""
        for session, look in list(self._sessions.items()):
            try:
                who = look()
            except AccessDenied as denial:
                session.end(Code.NOT_KNOWN, denial.what)
            except AdapterError:  # Nobody is known now: it is asked again in a while.
                continue
            else:
                session.look_again(who)
            await asyncio.sleep(0)
