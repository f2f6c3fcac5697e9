"""What goes wrong between the meters and the exchange, by a plan and a seed.

Each reading meets at most one fault, drawn from the seed and its own name (meter, boot, seq): not
from the order in which readings are made. What arrives comes out in order of arrival.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

from wattbay.ids import PodId
from wattbay.periods import HOUR, SECOND, Instant, Period
from wattbay.simulation.meters import Publication
from wattbay.simulation.scenario_facts import FaultPlan
from wattbay.units import PPM

KINDS = ("lost", "late", "doubled", "reordered", "flipped", "silent")
"""What can happen to a reading: never arrives; arrives hours later; arrives twice; arrives after
the next one of its meter; arrives with one bit flipped, and whole after `RESEND_US`; never
arrives because its meter is silent for a while."""
LATENCY_US = 2 * SECOND
"""From the meter to the exchange, where nothing is wrong. [µs]"""
RESEND_US = 6 * HOUR
"""How long a device waits for the exchange to acknowledge a reading before it sends it again."""
LATE_HOURS_MAX = 24
"""A late reading is so many hours late at most; one at least."""


class Wire:
    """Everything that is on its way from the meters to the exchange."""

    __slots__ = ("_count", "_isp_us", "_plan", "_seed", "_silences", "_under_way", "injected")

    def __init__(self, plan: FaultPlan, seed: int, isp_us: int) -> None:
        """Make a wire with nothing on it."""
        self._plan = plan
        self._seed = seed
        self._isp_us = isp_us
        self._silences = _by_pod(plan.silences)
        self._count = 0
        self._under_way: list[tuple[Instant, bool, int, str, bytes]] = []
        """A heap: arrival, whether it was overtaken, number, topic, payload."""
        self.injected = dict.fromkeys(KINDS, 0)
        """How many readings met each kind of fault so far."""

    @property
    def next_arrival(self) -> Instant | None:
        """When something arrives next; None while nothing is under way."""
        return self._under_way[0][0] if self._under_way else None

    def send(self, at: Instant, published: Iterable[Publication]) -> None:
        """Put on the wire what meters publish at an instant."""
        for publication in published:
            kind, detail = self._fault(publication, at)
            if kind:
                self.injected[kind] += 1
            self._carry(publication, at, kind, detail)

    def arrivals(self, at: Instant) -> list[tuple[str, bytes]]:
        """Take what has arrived until an instant, itself included: topics and payloads."""
        found: list[tuple[str, bytes]] = []
        while self._under_way and self._under_way[0][0] <= at:
            _, _, _, topic, payload = heapq.heappop(self._under_way)
            found.append((topic, payload))
        return found

    def _fault(self, publication: Publication, at: Instant) -> tuple[str, int]:
        """Return the kind of fault that a reading meets, or none, and a number to shape it."""
        for silence in self._silences.get(publication.pod, ()):
            if at in silence:
                return "silent", 0
        name = f"{self._seed}/{publication.meter}/{publication.boot}/{publication.seq}"
        drawn = int.from_bytes(blake2b(name.encode(), digest_size=16).digest(), "big")
        detail, chance = divmod(drawn, PPM)
        plan = self._plan
        for kind, ppm in (
            ("lost", plan.lost_ppm),
            ("late", plan.late_ppm),
            ("doubled", plan.doubled_ppm),
            ("reordered", plan.reordered_ppm),
            ("flipped", plan.flipped_ppm),
        ):
            if chance < ppm:
                return kind, detail
            chance -= ppm
        return "", 0

    def _carry(self, publication: Publication, at: Instant, kind: str, detail: int) -> None:
        """Let a reading arrive as its fault has it."""
        payload = publication.payload
        arrival = Instant(at + LATENCY_US)
        match kind:
            case "lost" | "silent":
                return
            case "late":
                hours = 1 + detail % LATE_HOURS_MAX
                self._push(publication, Instant(arrival + hours * HOUR), payload)
            case "doubled":
                self._push(publication, arrival, payload)
                self._push(publication, arrival, payload)
            case "reordered":
                after_next = Instant(arrival + self._isp_us)
                self._push(publication, after_next, payload, is_overtaken=True)
            case "flipped":
                self._push(publication, arrival, flip(payload, detail % (8 * len(payload))))
                self._push(publication, Instant(arrival + RESEND_US), payload)
            case _:
                self._push(publication, arrival, payload)

    def _push(
        self,
        publication: Publication,
        arrival: Instant,
        payload: bytes,
        *,
        is_overtaken: bool = False,
    ) -> None:
        """Let bytes arrive; what would come during a silence comes after it."""
        for silence in self._silences.get(publication.pod, ()):
            if arrival in silence:
                arrival = Instant(silence.end + LATENCY_US)
        self._count += 1
        entry = (arrival, is_overtaken, self._count, publication.topic, payload)
        heapq.heappush(self._under_way, entry)


def flip(payload: bytes, bit: int) -> bytes:
    """Return bytes with one bit flipped, counted from the first byte's lowest."""
    flipped = bytearray(payload)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def _by_pod(
    silences: Sequence[tuple[PodId, Period]],
) -> Mapping[PodId, tuple[Period, ...]]:
    """Return the silences of each pod, earliest first."""
    found: dict[PodId, tuple[Period, ...]] = {}
    for pod, period in sorted(silences, key=lambda silence: (silence[0], silence[1])):
        found[pod] = (*found.get(pod, ()), period)
    return found
