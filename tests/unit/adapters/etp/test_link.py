"""One end of a link: what is heard, what is sent first, who is let go. On a wire in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from tests.etp_peers import BATTERY, BUYER, PLAIN, a_clock, a_guard
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.frames import Frames, framed
from wattbay.adapters.etp.link import (
    FIRST_S,
    HALF_FRAME_S,
    STUCK_S,
    UNREAD_MAX,
    Guard,
    Link,
    Timings,
)
from wattbay.adapters.etp.messages import DEADLINES_MS, Kind, Message, decode, encode
from wattbay.kernel.clock import SimulatedClock
from wattbay.periods import SECOND, Instant

MS = 1_000


class Wire(asyncio.Transport):
    """A transport in memory, which takes all until it is told to take no more."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link
        self.written: list[bytes] = []
        self.is_full = self.is_aborted = self.is_over = False
        self.reads = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_over, "nothing is written after the end"
        self.written.append(bytes(data))
        if self.is_full:
            self._link.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_reading(self) -> bool:
        return self.reads

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def abort(self) -> None:
        self.is_aborted = self.is_over = True

    def close(self) -> None:
        self.is_over = True

    def messages(self) -> list[Message]:
        """Return what was written, plain."""
        return [decode(one) for one in Frames().feed(b"".join(self.written))]


class Ends:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.met: list[Message] = []
        self.gone: list[Link] = []
        self.on_message: Callable[[Link, Message, int], None] | None = None

    def opened(self, link: Link) -> None:
        del link

    def heard(self, link: Link, message: Message, raw: bytes, now: int) -> None:
        del raw
        self.met.append(message)
        if self.on_message is not None:
            self.on_message(link, message, now)

    def closed(self, link: Link) -> None:
        self.gone.append(link)


class Bench:
    """A link on a wire, with a clock that is moved."""

    def __init__(self, guard: Guard = PLAIN, *, peer: int | None = None) -> None:
        self.ends, self.clock, self.counts = Ends(), a_clock(), Counter[str]()
        self.timings = Timings()
        self.link = Link(
            self.ends, guard, self.clock, self.counts, self.timings, peer=peer
        )  # fmt: skip
        self.wire = Wire(self.link)
        self.link.connection_made(self.wire)

    def hear(self, *messages: Message) -> None:
        self.link.data_received(b"".join(framed(encode(one)) for one in messages))

    def later(self, seconds: float) -> None:
        later(self.clock, seconds)
        self.link.check(self.clock.now())


def later(clock: SimulatedClock, seconds: float) -> None:
    clock.advance(Instant(clock.now() + round(seconds * SECOND)))


async def turn() -> None:
    """Let everything happen that is to happen at once."""
    for _ in range(3):
        ready = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(ready.set_result, None)
        await ready


QUERY = m.query(456, BUYER)
STATUS = m.bess_status(1, BATTERY, 80, 1, 12.6, 5)
ANSWER = m.query_response(456, BATTERY, 80, 50)


# --- order -----------------------------------------------------------------------------------


def test_what_is_sent_in_one_turn_leaves_in_order_of_urgency() -> None:
    async def scene() -> None:
        bench = Bench()
        kinds = [Kind.BESS_STATUS, Kind.QUERY_RESPONSE, Kind.BID_ACCEPT, Kind.DEVICE_FAILURE]
        for kind in kinds:
            bench.link.send(Message(kind, 1, BATTERY))
        await turn()
        assert len(bench.wire.written) == 1
        assert [one.message_type for one in bench.wire.messages()] == kinds[::-1]
        assert bench.counts["sent"] == 4

    asyncio.run(scene())


def test_failure_overtakes_what_waits_for_a_slow_peer() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.wire.is_full = True
        for number in range(10_000):
            bench.link.send(STATUS._replace(message_id=number))
        await turn()
        before = len(bench.wire.messages())
        assert before < 250
        bench.link.send(m.device_failure(7, BATTERY, 2))
        await turn()
        assert len(bench.wire.messages()) == before
        bench.wire.is_full = False
        bench.link.resume_writing()
        kinds = [one.message_type for one in bench.wire.messages()]
        assert kinds.index(Kind.DEVICE_FAILURE) == before
        assert len(kinds) == 10_001

    asyncio.run(scene())


def test_greeting_goes_before_all_that_waits() -> None:
    async def scene() -> None:
        bench = Bench(peer=BATTERY)
        bench.link.send(m.device_failure(7, BUYER, 2))
        bench.link.greet(m.register(1, BUYER))
        await turn()
        assert [one.message_type for one in bench.wire.messages()] == [0, 8]

    asyncio.run(scene())


# --- frames that stay half --------------------------------------------------------------------


def test_peer_that_leaves_a_frame_half_is_let_go() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.hear(QUERY)
        bench.link.data_received(framed(encode(QUERY))[:50])
        bench.later(HALF_FRAME_S)
        before = bench.wire.is_aborted
        bench.later(0.1)
        assert (before, bench.wire.is_aborted) == (False, True)
        assert not bench.link.is_open
        assert bench.counts["half a frame"] == 1

    asyncio.run(scene())


def test_octet_by_octet_is_not_enough() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.hear(QUERY)
        frame = framed(encode(QUERY))
        for octet in frame[:8]:
            bench.link.data_received(bytes([octet]))
            bench.later(1.0)
        assert bench.wire.is_aborted

    asyncio.run(scene())


def test_busy_stream_that_is_always_cut_in_the_middle_of_a_frame_goes_on() -> None:
    async def scene() -> None:
        bench = Bench()
        stream = framed(encode(QUERY)) * 100
        for at in range(0, 100 * 40, 40):
            bench.link.data_received(stream[at : at + 40])
            bench.later(1.0)
        assert bench.link.is_open
        assert len(bench.ends.met) == 45

    asyncio.run(scene())


def test_frame_is_not_half_because_we_do_not_read() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.wire.is_full = True
        bench.ends.on_message = lambda link, _, now: link.send(ANSWER, (Kind.QUERY, now))
        bench.hear(*[QUERY] * (UNREAD_MAX + 10))
        bench.link.data_received(framed(encode(QUERY))[:50])
        assert not bench.wire.reads
        bench.later(HALF_FRAME_S + 1)
        assert bench.link.is_open
        assert bench.counts["half a frame"] == 0

    asyncio.run(scene())


# --- peers that do not read, or do not speak ---------------------------------------------------


def test_peer_that_asks_and_never_reads_is_not_read_until_it_does() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.wire.is_full = True
        bench.ends.on_message = lambda link, _, now: link.send(ANSWER, (Kind.QUERY, now))
        bench.hear(*[QUERY] * UNREAD_MAX)
        await turn()
        reads = [bench.wire.reads]
        bench.hear(*[QUERY] * 1_000)
        reads.append(bench.wire.reads)
        bench.wire.is_full = False
        bench.link.resume_writing()
        reads.append(bench.wire.reads)
        assert reads == [True, False, True]
        assert bench.link.waiting == 0
        assert len(bench.wire.messages()) == UNREAD_MAX + 1_000

    asyncio.run(scene())


def test_peer_is_heard_however_many_statuses_wait_for_it() -> None:
    """They are ours, and give way: that they wait is no reason to miss its confirmation."""

    async def scene() -> None:
        bench = Bench()
        bench.wire.is_full = True
        for _ in range(10_000):
            bench.link.send(STATUS)
        assert bench.wire.reads

    asyncio.run(scene())


def test_peer_that_takes_nothing_for_long_is_let_go() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.hear(QUERY)
        bench.wire.is_full = True
        bench.link.send(ANSWER)
        await turn()
        bench.later(STUCK_S)
        bench.link.resume_writing()
        bench.link.send(ANSWER)
        await turn()
        bench.later(STUCK_S)
        before = bench.wire.is_aborted
        bench.later(0.1)
        assert (before, bench.wire.is_aborted) == (False, True)
        assert bench.counts["too slow"] == 1

    asyncio.run(scene())


def test_peer_for_whom_too_much_waits_is_let_go() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.wire.is_full = True
        for number in range(30_000):
            bench.link.send(m.bid_reject(number, BATTERY, 1))
        assert bench.wire.is_aborted
        assert bench.counts["too slow"] == 1

    asyncio.run(scene())


def test_caller_that_says_nothing_is_let_go() -> None:
    async def scene() -> None:
        silent, known = Bench(), Bench()
        known.hear(QUERY)
        for bench in (silent, known):
            bench.later(FIRST_S)
            assert not bench.wire.is_aborted
            bench.later(0.1)
        assert silent.wire.is_aborted
        assert silent.counts["silent"] == 1
        assert known.link.is_open

    asyncio.run(scene())


# --- after the end -----------------------------------------------------------------------------


def test_nothing_is_heard_after_the_end_though_it_came_together() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.ends.on_message = lambda link, *_: link.close()
        bench.hear(QUERY, QUERY, QUERY)
        assert len(bench.ends.met) == 1

    asyncio.run(scene())


@pytest.mark.parametrize("end", [Link.close, Link.finish], ids=["close", "finish"])
def test_nothing_is_written_after_the_end(end: Callable[[Link], None]) -> None:
    async def scene() -> None:
        bench = Bench(peer=BATTERY)
        end(bench.link)
        bench.link.send(ANSWER)
        bench.link.greet(ANSWER)
        bench.link.resume_writing()
        await turn()
        assert bench.wire.written == []
        assert bench.counts["sent"] == 0
        bench.link.connection_lost(None)
        assert bench.ends.gone == [bench.link]

    asyncio.run(scene())


def test_what_waits_is_written_before_a_link_is_finished() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.link.send(m.terminate(1, BATTERY))
        bench.link.finish()
        assert [one.message_type for one in bench.wire.messages()] == [Kind.TERMINATE]
        assert bench.wire.is_over
        assert not bench.wire.is_aborted

    asyncio.run(scene())


# --- deadlines ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.QUERY, Kind.BID, Kind.BID_CONFIRM, Kind.REGISTER])
def test_answers_are_late_once_they_take_longer_than_they_may(kind: Kind) -> None:
    async def scene() -> None:
        bench = Bench()
        arrived = bench.clock.now()
        later(bench.clock, DEADLINES_MS[kind] / 1_000)
        bench.link.send(ANSWER, (kind, arrived))
        await turn()
        assert (bench.timings.answered[kind], bench.timings.late[kind]) == (1, 0)
        bench.link.send(ANSWER, (kind, arrived - 1))
        await turn()
        assert (bench.timings.answered[kind], bench.timings.late[kind]) == (2, 1)
        assert bench.timings.slowest_us[kind] == DEADLINES_MS[kind] * MS + 1

    asyncio.run(scene())


def test_time_that_an_answer_waits_for_a_slow_peer_counts() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.ends.on_message = lambda link, _, now: link.send(ANSWER, (Kind.QUERY, now))
        bench.link.pause_writing()
        bench.hear(QUERY)
        later(bench.clock, 1.5)
        bench.link.resume_writing()
        assert bench.timings.table() == {
            "Query": {"answered": 1, "late": 1, "slowest_ms": 1_500.0, "mean_ms": 1_500.0}
        }

    asyncio.run(scene())


def test_what_answers_nothing_is_not_timed() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.link.send(STATUS)
        await turn()
        assert bench.timings.table() == {}

    asyncio.run(scene())


# --- envelopes ----------------------------------------------------------------------------------


def sealed(message: Message) -> bytes:
    sealer = a_guard(BUYER).sealer
    assert sealer
    return framed(sealer.seal(encode(message), BATTERY))


def test_link_in_envelopes_begins_with_a_register() -> None:
    async def scene() -> None:
        bench = Bench(a_guard(BATTERY))
        bench.link.data_received(sealed(QUERY))
        assert bench.ends.met == []
        assert bench.wire.is_aborted
        assert bench.counts["forged"] == 1

    asyncio.run(scene())


@pytest.mark.parametrize("allows_plain", [False, True])
def test_device_with_a_key_is_not_heard_without_an_envelope(allows_plain: bool) -> None:
    """Where strangers may speak plain, they may not say to be somebody whose key is known."""

    async def scene() -> None:
        bench = Bench(a_guard(BATTERY, allows_plain=allows_plain))
        bench.hear(QUERY)
        assert bench.ends.met == []
        assert bench.wire.is_aborted
        assert bench.counts["unsigned"] == 1

    asyncio.run(scene())


def test_stranger_may_speak_plain_where_that_is_allowed() -> None:
    async def scene() -> None:
        bench = Bench(a_guard(BATTERY, allows_plain=True))
        bench.hear(QUERY._replace(device_id=999))
        assert len(bench.ends.met) == 1

    asyncio.run(scene())


def test_plain_message_after_an_envelope_is_not_heard() -> None:
    async def scene() -> None:
        bench = Bench(a_guard(BATTERY, allows_plain=True))
        bench.link.data_received(sealed(m.register(1, BUYER)))
        assert len(bench.ends.met) == 1
        bench.hear(QUERY._replace(device_id=999))
        assert len(bench.ends.met) == 1
        assert bench.wire.is_aborted
        assert bench.counts["unsigned"] == 1

    asyncio.run(scene())


def test_envelope_after_a_plain_message_is_not_heard() -> None:
    async def scene() -> None:
        bench = Bench(a_guard(BATTERY, allows_plain=True))
        bench.hear(QUERY._replace(device_id=999))
        bench.link.data_received(sealed(m.register(1, BUYER)))
        assert len(bench.ends.met) == 1
        assert bench.counts["forged"] == 1

    asyncio.run(scene())
