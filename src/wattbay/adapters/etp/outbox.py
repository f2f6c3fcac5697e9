"""What waits to be sent on a link: the most urgent first, and no more than a bound."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from wattbay.adapters.etp.messages import PRIORITIES, Kind, Message

WAITING_MAX = 20_000
"""Messages that wait on a link, at most."""
SPARE: Final = Kind.BESS_STATUS
"""What may be dropped where too much waits: the next one says the same."""
URGENCIES: Final = tuple(
    PRIORITIES[Kind.BID_ACCEPT] if kind is Kind.REGISTER else PRIORITIES[kind] for kind in Kind
)
"""By type: the lower goes first. The answer to a Register is not overtaken by an acceptance, for
whoever hears that first believes that outcomes are never told."""


class Waiting(NamedTuple):
    """A message, and what it answers."""

    message: Message
    answers: tuple[int, int] | None = None
    """Type of the message that it answers, and when that arrived. [µs]"""


class Outbox:
    """Messages by priority; within one, by arrival."""

    __slots__ = ("_by_kind", "_count", "_order", "_spare", "_waiting_max", "dropped")

    def __init__(self, waiting_max: int = WAITING_MAX) -> None:
        """Begin empty."""
        by_urgency: dict[int, deque[Waiting]] = {
            urgency: deque() for urgency in sorted(set(URGENCIES))
        }
        self._order = tuple(by_urgency.values())
        self._by_kind = tuple(by_urgency[urgency] for urgency in URGENCIES)
        self._spare = self._by_kind[SPARE]
        self._count = 0
        self._waiting_max = waiting_max
        self.dropped = 0
        """Messages that gave way."""

    def __len__(self) -> int:
        """Return how many wait."""
        return self._count

    @property
    def owed(self) -> int:
        """How many wait that may not be dropped: what the other end caused, mostly."""
        return self._count - len(self._spare)

    def put(self, waiting: Waiting) -> bool:
        """Let a message wait; where too many do, the oldest that may be dropped gives way.

        Returns
        -------
        bool
            False if nothing could give way: whoever reads this link is too slow to be served.
        """
        if self._count >= self._waiting_max:
            if not self._spare:
                return False
            self._spare.popleft()
            self._count -= 1
            self.dropped += 1
        self._by_kind[waiting.message.message_type].append(waiting)
        self._count += 1
        return True

    def pop(self) -> Waiting | None:
        """Take the most urgent message; None if none waits."""
        for waiting in self._order:
            if waiting:
                self._count -= 1
                return waiting.popleft()
        return None
