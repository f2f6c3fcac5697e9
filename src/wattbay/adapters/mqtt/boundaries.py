"""Which readings become history: of each meter one at each delivery boundary.

Meters may publish every few seconds; a delivery needs one register at its start and one at its
end. Chosen is the reading that stands nearest to the boundary: one stamped at it goes at once; one
stamped a little early waits until it is clear that none comes that is nearer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from wattbay.core.metering import DRIFT_MAX_US
from wattbay.ids import MeterId
from wattbay.kernel.evidence import Reading
from wattbay.periods import Instant, Period

METERS_MAX = 200_000
BOUNDARIES_REMEMBERED = 4
"""Of each meter: at which boundaries a reading was chosen. What is older the exchange knows."""


class Chosen(NamedTuple):
    """A reading that is to be submitted, and what is odd about it."""

    reading: Reading
    suspicion: str


class Boundaries:
    """Chooses, of each meter, the readings that deliveries need."""

    def __init__(self, isp_us: int, is_known: Callable[[MeterId, Instant], bool]) -> None:
        """Choose for deliveries of a length.

        Parameters
        ----------
        is_known
            Tells whether the exchange has a register of a meter at a boundary, or needs none.
        """
        self._isp_us = isp_us
        self._early_us = min(DRIFT_MAX_US, isp_us // 2)
        self._is_known = is_known
        self._waiting: dict[MeterId, Chosen] = {}
        self._done: dict[MeterId, list[Instant]] = {}

    def boundary(self, stamp: Instant) -> Instant:
        """Return the boundary that a reading tells of, as the exchange has it."""
        return Instant((stamp + self._early_us) // self._isp_us * self._isp_us)

    def window(self, boundary: Instant) -> Period:
        """Return when readings are stamped that tell of a boundary."""
        first = boundary - self._early_us
        return Period(Instant(first), Instant(first + self._isp_us))

    def forget(self) -> None:
        """Forget what was chosen: what of it the exchange knows, it knows by now."""
        self._done.clear()

    def take(self, reading: Reading, suspicion: str = "") -> list[Chosen]:
        """Take a reading that is stored; return what is to be submitted now, in order."""
        found = []
        stamp, meter = reading.measured_at, reading.device
        boundary = self.boundary(stamp)
        waiting = self._waiting.get(meter)
        if waiting is not None:
            due = self.boundary(waiting.reading.measured_at)
            if due < boundary:
                found.append(self._chosen(waiting, due))
                del self._waiting[meter]
            elif due == boundary:
                if abs(stamp - boundary) >= abs(waiting.reading.measured_at - boundary):
                    return found if stamp < boundary else [self._release(meter, due)]
                del self._waiting[meter]
        if self.is_done(meter, boundary):
            return found
        # One that comes behind a later boundary's does not wait, for that one does.
        if stamp < boundary and meter not in self._waiting and len(self._waiting) < METERS_MAX:
            self._waiting[meter] = Chosen(reading, suspicion)
            return found
        return [*found, self._chosen(Chosen(reading, suspicion), boundary)]

    def overdue(self, now: Instant) -> list[Chosen]:
        """Return those that waited long enough for one that is nearer to their boundary."""
        late = [
            meter
            for meter, one in self._waiting.items()
            if self.boundary(one.reading.measured_at) + self._early_us <= now
        ]
        return [
            self._release(meter, self.boundary(self._waiting[meter].reading.measured_at))
            for meter in sorted(late)
        ]

    def _release(self, meter: MeterId, boundary: Instant) -> Chosen:
        return self._chosen(self._waiting.pop(meter), boundary)

    def _chosen(self, one: Chosen, boundary: Instant) -> Chosen:
        done = self._done.setdefault(one.reading.device, [])
        done.append(boundary)
        del done[:-BOUNDARIES_REMEMBERED]
        return one

    def is_done(self, meter: MeterId, boundary: Instant) -> bool:
        """Tell whether a reading was chosen at a boundary, or none is needed."""
        return boundary in self._done.get(meter, ()) or self._is_known(meter, boundary)
