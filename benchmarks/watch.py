"""What it costs to watch a reading: between the steps of a day, and at their ends."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.machine import cpu_s
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Reading
from wattbay.periods import MINUTE, SECOND, Instant, instant
from wattbay.watch.anomalies import DeviceFacts, Watch

READINGS = 20_000
DEVICES = 10
ATTEMPTS = 5
MICRO = 1e6


def cost_us(every_us: int) -> float:
    """Return the CPU time of a reading of devices that tell so often, the best of five. [µs]"""
    start = instant("2026-05-01T00:00Z")
    facts = [DeviceFacts(MeterId(f"m{number}"), power_max_w=23_000) for number in range(DEVICES)]
    told = [
        Reading(
            CommunityId("london"), one.device, 1, seq, Instant(start + seq * every_us),
            48_000 + 40 * seq + seq * 7 % 13, 9_120, 0, None, None, b"",
        )
        for seq in range(1, READINGS // DEVICES + 1)
        for one in facts
    ]  # fmt: skip
    known = {one.device: one for one in facts}

    def work() -> int:
        watch = Watch()
        return sum(
            len(watch.judge(one, Instant(one.measured_at + SECOND), known[one.device]))
            for one in told
        )

    found = [cpu_s(work) for _ in range(ATTEMPTS)]
    if any(odd for _, odd in found):
        raise RuntimeError(f"{found[0][1]} of {READINGS} readings were odd")
    return MICRO * min(took_s for took_s, _ in found) / READINGS


def costs() -> Iterator[tuple[str, float]]:
    """Yield what a reading costs between steps, and at the end of one. [CPU µs]"""
    yield "watch a reading, one every minute", cost_us(MINUTE)
    yield "watch a reading, one every half-hour", cost_us(30 * MINUTE)
