"""What waits to be sent on a link: the most urgent first, and no more than a bound."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from wattbay.adapters.etp.messages import PRIORITIES, Kind, Message

WAITING_MAX = 20_000
"""Messages that wait on a link, at most."""
SPARE: Final = frozenset({Kind.BESS_STATUS, Kind.REGISTER})
"""What may be dropped where too much waits: the next one says the same."""


class Waiting(NamedTuple):
    """A message, and what it answers."""

    message: Message
    answers: tuple[int, int] | None = None
    """Type of the message that it answers, and when that arrived. [µs]"""


class Outbox:
    """Messages by priority; within one, by arrival."""

    __slots__ = ("_by_priority", "_count", "_order", "_waiting_max", "dropped")

    def __init__(self, waiting_max: int = WAITING_MAX) -> None:
        """Begin empty."""
        self._by_priority: dict[int, deque[Waiting]] = {
            priority: deque() for priority in sorted(set(PRIORITIES))
        }
        self._order = tuple(self._by_priority.values())
        self._count = 0
        self._waiting_max = waiting_max
        self.dropped = 0
        """Messages that gave way."""

    def __len__(self) -> int:
        """Return how many wait."""
        return self._count

    def put(self, waiting: Waiting) -> bool:
        """Let a message wait; where too many do, the oldest that may be dropped gives way.

        Returns
        -------
        bool
            False if nothing could give way: whoever reads this link is too slow to be served.
        """
        if self._count >= self._waiting_max and not self._make_room():
            return False
        self._by_priority[PRIORITIES[waiting.message.message_type]].append(waiting)
        self._count += 1
        return True

    def pop(self) -> Waiting | None:
        """Take the most urgent message; None if none waits."""
        for waiting in self._order:
            if waiting:
                self._count -= 1
                return waiting.popleft()
        return None

    def _make_room(self) -> bool:
        for kind in SPARE:
            waiting = self._by_priority[PRIORITIES[kind]]
            if waiting:
                waiting.popleft()
                self._count -= 1
                self.dropped += 1
                return True
        return False
