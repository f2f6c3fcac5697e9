"""What links of the Energy Trading Protocol carry: a battery's answers, and a hundred batteries.

What is measured is this process; whoever it speaks with is another one. Times between processes are
by the clock that both share, so they hold on one machine, and what else it does makes them longer.
CPU time is what counts.

``python -m benchmarks.etp_links`` prints more; ``WATTBAY_BENCH_LINKS_S`` says for how long a
hundred batteries trade.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import uvloop

from benchmarks.etp_load import BATTERY, BUYERS, a_guard
from benchmarks.machine import description
from tests.servers import until_async
from wattbay.adapters.etp.aggregator import AggregatorNode, Pace
from wattbay.adapters.etp.auctions import Effect, Rules, Send
from wattbay.adapters.etp.bess import Bess
from wattbay.adapters.etp.bid_log import BidLog
from wattbay.adapters.etp.envelope import Scheme
from wattbay.adapters.etp.link import Link
from wattbay.adapters.etp.messages import DEADLINES_MS, Kind, Message
from wattbay.adapters.etp.node import Address, BessNode, NoDesk
from wattbay.adapters.etp.seller import Seller
from wattbay.adapters.etp.strategies import Strategy
from wattbay.adapters.etp.trader import Plan, Trader
from wattbay.kernel.clock import SystemClock

NO_PIPE = "the program was started without a pipe"
MESSAGES = 60_000
SEALED_MESSAGES = 20_000
LINKS = 100
PIPELINED = 64
"""Messages on their way on each link, where they do not wait for each other."""
ATTEMPTS = 3
STATUSES = 10_000
BATTERIES = 100
HELD_S = float(os.environ.get("WATTBAY_BENCH_LINKS_S", "60"))
SETTLING_S = 1.0
"""Before anything counts. [s]"""
PAUSE_S = 0.4
"""Between two rounds of bids: so there are a good thousand messages a second. [s]"""
MILLI = 1e3
LOT_WH, CAP = 200_000, 300_000


class Answered(NamedTuple):
    """What a battery's node answered."""

    per_cpu_s: float
    messages: int
    clock_s: float


class Held(NamedTuple):
    """What came of some time of trading with many batteries."""

    per_s: float
    p50_ms: float
    p99_ms: float
    slowest_ms: float
    critical: int
    lost: int
    late: int
    cpu_share: float


class Left(NamedTuple):
    """How soon a failure left that statuses were queued before."""

    clock_ms: float
    cpu_ms: float
    before: int
    """Statuses that had left already."""


@contextlib.contextmanager
def program(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a part of the load as a program of its own."""
    command = [sys.executable, "-m", "benchmarks.etp_load", *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        try:
            yield started
        finally:
            started.kill()


def _tell(one: subprocess.Popen[bytes]) -> None:
    """Let a program go on."""
    if one.stdin is None:
        raise RuntimeError(NO_PIPE)
    one.stdin.write(b"\n")
    one.stdin.flush()


async def _said(one: subprocess.Popen[bytes]) -> Any:  # noqa: ANN401 - what it says is its own
    """Return what a program says next."""
    if one.stdout is None:
        raise RuntimeError(NO_PIPE)
    line = await asyncio.to_thread(one.stdout.readline)
    return json.loads(line)


def percentile(values: list[float], share: float) -> float:
    """Return the value below which a share of all is."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


# --- a battery that answers ----------------------------------------------------------------------


def a_node() -> Seller:
    """Return a battery that has enough, at a price."""
    bess = Bess(device_id=BATTERY, capacity_wh=10**9, reserve_price=150_000)
    return Seller(bess, Rules(), Random(1), count(1).__next__)


async def _answers(scheme: Scheme | None, window: int) -> Answered:
    node = BessNode(a_node(), NoDesk(), a_guard(BATTERY, scheme))
    address = await node.open("127.0.0.1")
    messages = MESSAGES if scheme is None else SEALED_MESSAGES
    name = "plain" if scheme is None else scheme.name
    with program("question", address.port, name, messages // LINKS, LINKS, window) as asker:
        await _said(asker)
        start_s, start_cpu_s = time.perf_counter(), time.process_time()
        _tell(asker)
        answers = (await _said(asker))["answers"]
        took_s, took_cpu_s = time.perf_counter() - start_s, time.process_time() - start_cpu_s
    await node.close()
    if answers != messages:
        raise RuntimeError(f"{answers} of {messages} messages were answered")
    return Answered(answers / took_cpu_s, answers, took_s)


def answered(scheme: Scheme | None, *, is_pipelined: bool) -> Answered:
    """Return how many messages a node answers: the best of some attempts."""
    window = PIPELINED if is_pipelined else 1
    return max(uvloop.run(_answers(scheme, window)) for _ in range(ATTEMPTS))


# --- a failure that is told first -----------------------------------------------------------------


async def _failure() -> Left:
    node = BessNode(a_node(), NoDesk(), a_guard(BATTERY, None))
    address = await node.open("127.0.0.1")
    with program("listen", address.port) as listener:
        await _said(listener)
        await until_async(lambda: node.counts["heard"] == 1, "the listener is there")
        for _ in range(STATUSES):
            node.tell_status()
        await asyncio.sleep(SETTLING_S)
        left = node.counts["sent"]
        _tell(listener)
        began_us, start_cpu_s = time.monotonic_ns() // 1_000, time.process_time()
        node.fail(2)
        said = await _said(listener)
        took_cpu_s = time.process_time() - start_cpu_s
    await node.close()
    if not said["before"] <= left < STATUSES // 2:
        raise RuntimeError(f"{left} statuses had left, and {said['before']} were heard before")
    return Left((said["heard_us"] - began_us) / MILLI, took_cpu_s * MILLI, said["before"])


def failure() -> Left:
    """Return how soon a failure is heard behind many statuses: the best of some attempts."""
    return min(uvloop.run(_failure()) for _ in range(ATTEMPTS))


# --- a hundred batteries --------------------------------------------------------------------------


class Watched(AggregatorNode):
    """An aggregator that notes when something was said, and when it was answered."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - the other's
        """Begin with nothing said."""
        super().__init__(*arguments, **options)
        self.said_us: dict[tuple[int, int], int] = {}
        self.took_us: dict[int, list[int]] = {kind: [] for kind in Kind}
        self.failures: dict[int, list[int]] = {}

    def _do(self, effect: Effect) -> None:
        if isinstance(effect, Send) and effect.message.message_type in {
            Kind.BID, Kind.BID_CONFIRM,
        }:  # fmt: skip
            self.said_us[effect.to, effect.message.message_id] = self._clock.now()
        super()._do(effect)

    def heard(self, link: Link, message: Message, raw: bytes, now: int) -> None:
        """Note when an answer came, or news of a failure."""
        kind, bess = message.message_type, message.device_id
        if kind == Kind.DEVICE_FAILURE:
            self.failures.setdefault(bess, []).append(now)
        elif kind in {Kind.BID_ACCEPT, Kind.BID_REJECT, Kind.BID_CONFIRM, Kind.TERMINATE}:
            said_us = self.said_us.pop((bess, message.message_id), None)
            if said_us is not None:
                self.took_us[kind].append(now - said_us)
        super().heard(link, message, raw, now)


async def _held(seconds: float, *, scheme: Scheme | None, folder: Path | None) -> Held:
    plan = Plan(BUYERS, Strategy.RANDOM, CAP, need_wh=10**12, lot_wh=LOT_WH)
    node = Watched(
        Trader(plan, Random(7)),
        a_guard(BUYERS, scheme),
        count(SystemClock().now()).__next__,
        pace=Pace((PAUSE_S, PAUSE_S)),
        log=None if folder is None else BidLog(folder / "bids"),
    )
    with program("batteries", BATTERIES, "plain" if scheme is None else scheme.name) as fleet:
        for bess, port in await _said(fleet):
            node.call(bess, Address("127.0.0.1", port))
        bidding = asyncio.create_task(node.run())
        await asyncio.sleep(SETTLING_S)
        for took_us in node.took_us.values():
            took_us.clear()
        messages, start_s = sum(_moved(node)), time.perf_counter()
        start_cpu_s = time.process_time()
        await asyncio.sleep(seconds)
        per_s = (sum(_moved(node)) - messages) / (time.perf_counter() - start_s)
        cpu_share = (time.process_time() - start_cpu_s) / (time.perf_counter() - start_s)
        bidding.cancel()
        await asyncio.gather(bidding, return_exceptions=True)
        _tell(fleet)
        said = await _said(fleet)
        await asyncio.sleep(0.5)
    await node.close()
    return _summed(node, said, per_s, cpu_share)


def _moved(node: AggregatorNode) -> tuple[int, int]:
    return node.counts["heard"], node.counts["sent"]


def _summed(node: Watched, said: dict[str, Any], per_s: float, cpu_share: float) -> Held:
    """Return what came of it: by when each critical message was heard, and which never was."""
    took_ms = [us / MILLI for kind in node.took_us.values() for us in kind]
    lost, late = len(node.said_us) + len(list(node.buyer.live)), said["late"]
    late += sum(node.timings.late)
    for bess, failed_us in said["failed_us"].items():
        heard_us = node.failures.get(int(bess), [])
        lost += abs(len(failed_us) - len(heard_us))
        took_ms += [(b - a) / MILLI for a, b in zip(failed_us, heard_us, strict=False)]
    for kind, took_us in node.took_us.items():
        late += sum(us > DEADLINES_MS[kind] * MILLI for us in took_us)
    return Held(
        per_s,
        percentile(took_ms, 0.5),
        percentile(took_ms, 0.99),
        max(took_ms),
        len(took_ms),
        lost,
        late,
        cpu_share,
    )


def held(seconds: float = HELD_S, scheme: Scheme | None = None, *, is_kept: bool = True) -> Held:
    """Let an aggregator trade with a hundred batteries for some time.

    Parameters
    ----------
    is_kept
        Whether it writes down what it is about to confirm, durably.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if is_kept else None
        return uvloop.run(_held(seconds, scheme=scheme, folder=folder))


def main() -> None:
    """Print all of it."""
    print(description())
    for scheme in (None, *Scheme):
        name = "plain" if scheme is None else scheme.name
        for is_pipelined in (True, False):
            how = "pipelined" if is_pipelined else "one at a time"
            print(f"{name}, {how}: {answered(scheme, is_pipelined=is_pipelined)}")
    print(f"a failure behind {STATUSES:,} statuses: {failure()}")
    for scheme in (None, *Scheme):
        name = "plain" if scheme is None else scheme.name
        print(f"{BATTERIES} batteries for {HELD_S:.0f} s, {name}: {held(scheme=scheme)}")
    print(f"nothing written down: {held(is_kept=False)}")


if __name__ == "__main__":
    main()
