"""What a battery's node says first, what it counts as late, and how it ends. On real sockets."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from tests.etp_peers import (
    BATTERY,
    BID,
    CONFIRM,
    QUERY,
    Peer,
    Run,
    SlowDesk,
    a_clock,
    a_node,
    a_seller,
    links_of,
    on_both_loops,
)
from tests.servers import until_async
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.auctions import Rules
from wattbay.adapters.etp.frames import framed
from wattbay.adapters.etp.link import Guard
from wattbay.adapters.etp.messages import Kind, RejectCode, TerminateCode, encode
from wattbay.errors import AdapterError
from wattbay.periods import Instant


def has_told(desk: SlowDesk, sales: int) -> bool:
    return len(desk.told) == sales


# --- urgency --------------------------------------------------------------------------------------


@on_both_loops
def test_failure_overtakes_ten_thousand_statuses_that_a_slow_peer_has_not_read(run: Run) -> None:
    async def scene() -> None:
        node = a_node()
        address = await node.open("127.0.0.1")
        peer = await Peer.at(address, takes_bytes=4_096)
        assert (await peer.asked(QUERY)).message_type == Kind.QUERY_RESPONSE
        link = links_of(node)[0]
        for _ in range(2_000):
            node.tell_status()
        await until_async(lambda: link.is_stuck, "the system takes no more")
        for _ in range(8_000):
            node.tell_status()
        sent = node.counts["sent"]
        assert link.waiting > 8_000
        node.fail(2)
        kinds: list[int] = []
        while len(kinds) < 10_001:
            kinds.append((await peer.hear()).message_type)
        assert kinds.count(Kind.BESS_STATUS) == 10_000
        # Only what the system had taken already goes before it.
        assert 100 < kinds.index(Kind.DEVICE_FAILURE) <= sent
        await node.close()

    run(scene())


@on_both_loops
def test_answers_go_by_urgency_whatever_was_asked_first(run: Run) -> None:
    async def scene() -> None:
        node = a_node()
        peer = await Peer.at(await node.open("127.0.0.1"))
        for _ in range(3):
            node.tell_status()
        peer.say(b"".join(framed(encode(one)) for one in (QUERY, BID)))
        first = [(await peer.hear()).message_type for _ in range(2)]
        assert first == [Kind.BID_ACCEPT, Kind.QUERY_RESPONSE]
        await node.close()

    run(scene())


# --- deadlines ------------------------------------------------------------------------------------


@on_both_loops
def test_answer_that_the_market_delays_beyond_its_deadline_is_counted_late(run: Run) -> None:
    async def scene() -> None:
        clock, desk = a_clock(), SlowDesk()
        node = a_node(clock=clock, desk=desk)
        peer = await Peer.at(await node.open("127.0.0.1"))
        await peer.asked(m.register(1, 789))
        for number, late_us in ((1, 0), (2, 1)):
            desk.may_answer.clear()
            bid = m.bid(number, 789, 18, 1)
            assert (await peer.asked(bid)).message_type == Kind.BID_ACCEPT
            peer.say(m.bid_confirm(number, 789, 18, 1))
            await until_async(partial(has_told, desk, number), "the market is told")
            clock.advance(Instant(clock.now() + 500_000 + late_us))
            desk.may_answer.set()
            assert (await peer.hear()).message_type == Kind.BID_CONFIRM
        assert node.timings.answered[Kind.BID_CONFIRM] == 2
        assert node.timings.late[Kind.BID_CONFIRM] == 1
        assert node.timings.slowest_us[Kind.BID_CONFIRM] == 500_001
        assert node.timings.late[Kind.BID] == 0
        await node.close()

    run(scene())


# --- ends, and faults ----------------------------------------------------------------------------


@on_both_loops
def test_closing_waits_for_the_market_and_tells_what_it_said(run: Run) -> None:
    async def scene() -> None:
        desk = SlowDesk()
        node = a_node(desk=desk)
        peer = await Peer.at(await node.open("127.0.0.1"))
        await peer.asked(m.register(1, 789))
        await peer.asked(BID)
        peer.say(CONFIRM)
        await until_async(lambda: desk.told, "the market is told")
        closing = asyncio.create_task(node.close())
        await until_async(lambda: not node.seller.bess.is_online, "it closes")
        # Who asks meanwhile hears that nothing is for sale.
        assert (await peer.asked(QUERY)).percentage_for_sale == 0
        assert (await peer.asked(m.bid(9, 789, 30, 1))).termination_code == RejectCode.OFFLINE
        assert not closing.done()
        desk.may_answer.set()
        await closing
        assert await peer.hear() == m.bid_confirm(457, BATTERY, 18, 10)
        assert await peer.is_let_go()

    run(scene())


@on_both_loops
def test_closing_ends_what_waits_for_its_bidder(run: Run) -> None:
    async def scene() -> None:
        node = a_node()
        peer = await Peer.at(await node.open("127.0.0.1"))
        await peer.asked(BID)
        await node.close()
        assert await peer.hear() == m.terminate(457, BATTERY, TerminateCode.SHUTDOWN)
        assert await peer.is_let_go()

    run(scene())


@on_both_loops
def test_closing_does_not_wait_for_a_peer_that_never_reads(run: Run) -> None:
    async def scene() -> None:
        node = a_node()
        peer = await Peer.at(await node.open("127.0.0.1"), takes_bytes=4_096)
        await peer.asked(QUERY)
        for _ in range(10_000):
            node.tell_status()
        await until_async(lambda: node.counts["sent"] > 10, "some have left")
        await node.close()
        assert links_of(node) == []

    run(scene())


@on_both_loops
def test_market_that_fails_ends_the_node_and_its_bid_stays_open(run: Run) -> None:
    async def scene() -> None:
        desk = SlowDesk()
        node = a_node(desk=desk)
        peer = await Peer.at(await node.open("127.0.0.1"))
        running = asyncio.create_task(node.run())
        await peer.asked(BID)
        peer.say(CONFIRM)
        await until_async(lambda: desk.told, "the market is told")
        desk.fault = AdapterError("the market does not answer")
        desk.may_answer.set()
        with pytest.raises(AdapterError, match="does not answer"):
            await running
        assert node.seller.reserved_wh == 10_000
        await node.close()

    run(scene())


@on_both_loops
@pytest.mark.parametrize("where", ["a message", "the alarm"])
def test_fault_of_who_watches_ends_the_node(run: Run, where: str) -> None:
    class WatcherFault(Exception):
        pass

    async def scene() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        seen: list[object] = []

        def tell(happening: object) -> None:
            seen.append(happening)
            if where == "a message" or type(happening).__name__ == "BidAccepted":
                raise WatcherFault

        node = a_node(seller=a_seller(rules=Rules(window_us=1)), tell=tell)
        peer = await Peer.at(await node.open("127.0.0.1"))
        running = asyncio.create_task(node.run())
        peer.say(BID)
        with pytest.raises(WatcherFault):
            await running
        await node.close()

    run(scene())


@on_both_loops
def test_caller_who_comes_while_a_node_closes_is_let_go(run: Run) -> None:
    async def scene() -> None:
        desk = SlowDesk()
        node = a_node(desk=desk)
        address = await node.open("127.0.0.1")
        peer = await Peer.at(address)
        await peer.asked(BID)
        peer.say(CONFIRM)
        await until_async(lambda: desk.told, "the market is told")
        late = await Peer.at(address)
        closing = asyncio.create_task(node.close())
        late.say(QUERY)
        desk.may_answer.set()
        await closing
        assert await late.is_let_go()
        assert links_of(node) == []

    run(scene())


@on_both_loops
def test_guard_of_nobody_hears_nobody(run: Run) -> None:
    async def scene() -> None:
        node = a_node(guard=Guard())
        address = await node.open("127.0.0.1")
        for octets in (framed(encode(QUERY)), framed(bytes(182))):
            peer = await Peer.at(address)
            peer.say(octets)
            assert await peer.is_let_go()
        assert node.counts == {"unsigned": 1, "forged": 1}
        await node.close()

    run(scene())
