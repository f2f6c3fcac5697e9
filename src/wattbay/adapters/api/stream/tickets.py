"""One-time tickets: how a page from elsewhere, or a browser without a cookie of ours, gets in.

A browser cannot set a header on a WebSocket, and what stands in an address ends in logs. So a
ticket is asked for over REST, with whatever the caller shows there, and is the first message.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from wattbay.periods import SECOND, Instant

LASTS_US = 30 * SECOND
TICKETS_MAX = 10_000
"""With one more, the oldest is worth nothing."""


class Shown(NamedTuple):
    """What somebody showed to be known by, so that it can be looked at again later."""

    bearer: str | None = None
    api_key: str | None = None
    session: str | None = None

    @property
    def is_nothing(self) -> bool:
        """Tell whether nothing was shown."""
        return self == Shown()


class Tickets:
    """Tickets that were handed out and not used."""

    def __init__(self) -> None:
        """Begin without any."""
        self._waiting: OrderedDict[str, tuple[Instant, Shown]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._waiting)

    def hand_out(self, ticket: str, shown: Shown, now: Instant) -> Instant:
        """Keep what a ticket stands for; return until when it does."""
        until = Instant(now + LASTS_US)
        self._waiting[ticket] = (until, shown)
        while self._waiting and (
            len(self._waiting) > TICKETS_MAX or next(iter(self._waiting.values()))[0] <= now
        ):
            self._waiting.popitem(last=False)
        return until

    def use(self, ticket: str, now: Instant) -> Shown | None:
        """Return what a ticket stands for, once; None where it is none, or is over."""
        until, shown = self._waiting.pop(ticket, (Instant(0), Shown()))
        return shown if now < until else None
