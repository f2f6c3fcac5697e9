"""Batteries on real sockets: what other implementations rely on, and what none may break."""

from __future__ import annotations

import asyncio
import math
import resource
import struct
import sys

import pytest

from tests.etp_peers import (
    BATTERY,
    BID,
    CONFIRM,
    OTHER,
    QUERY,
    Peer,
    Run,
    a_clock,
    a_node,
    links_of,
    on_both_loops,
)
from tests.servers import until_async
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.frames import framed
from wattbay.adapters.etp.link import HALF_FRAME_S
from wattbay.adapters.etp.messages import LAYOUT, Kind, encode
from wattbay.adapters.etp.node import BessNode, NoDesk
from wattbay.periods import SECOND, Instant

FLOOD = 200_000
FLOOD_BYTES = 60_000_000
"""What a flood may cost; all its answers would take more."""


async def is_serving(node: BessNode, peer: Peer) -> None:
    """Assert that somebody who did nothing wrong is answered, and that nothing was sold."""
    answer = await peer.asked(QUERY)
    assert (answer.message_type, answer.message_id, answer.device_id) == (2, 456, BATTERY)
    assert node.seller.bess.level_wh == 80_000
    assert node.seller.reserved_wh == 0


# --- what the first implementation's tests assert ----------------------------------------------


@on_both_loops
def test_query_is_answered_with_what_is_for_sale(run: Run) -> None:
    async def scene() -> None:
        node = a_node()
        peer = await Peer.at(await node.open("127.0.0.1"))
        answer = await peer.asked(QUERY)
        assert answer == m.query_response(456, BATTERY, 80, 50)
        await node.close()

    run(scene())


@on_both_loops
@pytest.mark.parametrize(("price", "kind"), [(18, 4), (10, 6)])
def test_bid_is_accepted_or_rejected(run: Run, price: float, kind: int) -> None:
    async def scene() -> None:
        node = a_node()
        peer = await Peer.at(await node.open("127.0.0.1"))
        answer = await peer.asked(BID._replace(bid_price=price))
        assert (answer.message_type, answer.message_id, answer.device_id) == (kind, 457, BATTERY)
        if kind == Kind.BID_ACCEPT:
            assert (answer.sale_price, answer.required_energy_amount) == (18, 10)
        await node.close()

    run(scene())


@on_both_loops
def test_query_after_the_failure_of_a_device_is_answered(run: Run) -> None:
    async def scene() -> None:
        node = a_node()
        peer = await Peer.at(await node.open("127.0.0.1"))
        peer.say(m.device_failure(455, 789, 2))
        assert (await peer.asked(QUERY)).message_type == Kind.QUERY_RESPONSE
        await node.close()

    run(scene())


@on_both_loops
def test_three_callers_are_served_at_once(run: Run) -> None:
    async def scene() -> None:
        node = a_node()
        address = await node.open("127.0.0.1")
        peers = [await Peer.at(address) for _ in range(3)]
        for number, peer in enumerate(peers):
            peer.say(m.query(number, 700 + number))
        for number, peer in enumerate(peers):
            assert (await peer.hear()).message_id == number
        assert sorted(node.linked) == [700, 701, 702]
        await node.close()

    run(scene())


@on_both_loops
def test_node_that_was_never_opened_can_be_closed_and_closed_again(run: Run) -> None:
    async def scene() -> None:
        never, once = a_node(), a_node()
        await never.close()
        await never.close()
        await once.open("127.0.0.1")
        await once.close()
        await once.close()

    run(scene())


@on_both_loops
def test_words_kill_nobody(run: Run) -> None:
    async def scene() -> None:
        node = a_node()
        address = await node.open("127.0.0.1")
        other, peer = await Peer.at(address), await Peer.at(address)
        peer.say(b"invalid data")
        assert await peer.is_let_go()
        assert node.counts["size"] == 1
        await is_serving(node, other)
        await is_serving(node, await Peer.at(address))
        await node.close()

    run(scene())


@on_both_loops
@pytest.mark.parametrize("registers", [False, True])
def test_only_who_registers_is_told_of_the_outcome(run: Run, registers: bool) -> None:
    async def scene() -> None:
        desk = NoDesk()
        node = a_node(desk=desk)
        peer = await Peer.at(await node.open("127.0.0.1"))
        if registers:
            assert await peer.asked(m.register(9, 789)) == m.register(9, BATTERY)
        assert (await peer.asked(BID)).message_type == Kind.BID_ACCEPT
        peer.say(CONFIRM)
        await until_async(lambda: node.seller.counts["settled"] == 1, "it is sold")
        answer = await peer.asked(QUERY)
        if registers:
            assert answer == m.bid_confirm(457, BATTERY, 18, 10)
            answer = await peer.hear()
        assert answer == m.query_response(456, BATTERY, 70, 50)
        assert [(bess, sale.price, sale.energy_wh) for bess, sale in desk.sold] == [
            (BATTERY, 180_000, 10_000)
        ]
        await node.close()

    run(scene())


# --- bytes that are none of ours ----------------------------------------------------------------


def amiss(**fields: float) -> bytes:
    """Return a frame with a message that cannot be."""
    return framed(LAYOUT.pack(*BID._replace(**fields)))  # type: ignore[arg-type] # on purpose


BAD = {
    "a short message": (framed(encode(BID)[:83]), "size"),
    "a long message": (framed(encode(BID) + b"\0"), "size"),
    "no message at all": (struct.pack("<I", 0), "size"),
    "gigabytes announced": (struct.pack("<I", 0xFFFF_FFFF) + bytes(100), "size"),
    "an unknown type": (amiss(message_type=10), "type"),
    "the highest type": (amiss(message_type=255), "type"),
    "a price that is no number": (amiss(bid_price=math.nan), "not_finite"),
    "an infinite price": (amiss(bid_price=math.inf), "not_finite"),
    "an infinite voltage": (amiss(battery_voltage=-math.inf), "not_finite"),
    "less than nothing": (amiss(required_energy_amount=-10), "negative"),
    "a negative level": (amiss(energy_total=-1), "negative"),
    "a negative share": (amiss(percentage_for_sale=-0.1), "negative"),
    "more than all": (amiss(percentage_for_sale=100.5), "percentage"),
    "a message past its time": (amiss(ttl=0), "ttl"),
    "an envelope that nobody can open": (framed(bytes(150)), "forged"),
}


@on_both_loops
@pytest.mark.parametrize(("octets", "why"), BAD.values(), ids=BAD)
def test_bad_bytes_close_their_link_and_no_other(run: Run, octets: bytes, why: str) -> None:
    async def scene() -> None:
        node = a_node()
        address = await node.open("127.0.0.1")
        other, peer = await Peer.at(address), await Peer.at(address)
        assert (await peer.asked(QUERY)).message_type == Kind.QUERY_RESPONSE
        peer.say(octets, BID)
        assert await peer.is_let_go()
        assert node.counts[why] == 1
        assert node.seller.counts["bids"] == 0
        await is_serving(node, other)
        await node.close()

    run(scene())


@on_both_loops
def test_half_a_frame_and_silence_is_let_go_once_its_time_is_over(run: Run) -> None:
    async def scene() -> None:
        clock = a_clock()
        node = a_node(clock=clock)
        address = await node.open("127.0.0.1")
        other, peer = await Peer.at(address), await Peer.at(address)
        for one in (other, peer):
            assert (await one.asked(QUERY)).message_type == Kind.QUERY_RESPONSE
        peer.say(QUERY, framed(encode(BID))[:50])
        assert (await peer.hear()).message_type == Kind.QUERY_RESPONSE
        clock.advance(Instant(clock.now() + round((HALF_FRAME_S + 1) * SECOND)))
        assert await peer.is_let_go()
        assert node.counts["half a frame"] == 1
        await is_serving(node, other)
        await node.close()

    run(scene())


def resident_bytes() -> int:
    """Return the most that this program ever held."""
    unit = 1 if sys.platform == "darwin" else 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@on_both_loops
def test_flood_of_a_peer_that_never_reads_is_held_and_others_are_answered(run: Run) -> None:
    async def flooding(peer: Peer) -> None:
        for _ in range(FLOOD // 1_000):
            peer.say(*[QUERY] * 1_000)
            await peer.drained()

    async def scene() -> None:
        node = a_node()
        address = await node.open("127.0.0.1")
        peer, other = await Peer.at(address, takes_bytes=4_096), await Peer.at(address)
        before = resident_bytes()
        flood = asyncio.create_task(flooding(peer))
        await until_async(lambda: node.counts["heard"] > 2_000, "the flood has come")
        for _ in range(20):
            assert (await other.asked(m.query(1, OTHER))).message_id == 1
        link = next(one for one in links_of(node) if one.peer == 789)
        await until_async(lambda: link.waiting > 2_000, "answers wait")
        heard = node.counts["heard"]
        assert link.waiting < 10_000
        assert heard < FLOOD / 4
        assert not flood.done()
        assert resident_bytes() - before < FLOOD_BYTES
        # One that reads after all has every answer.
        answers = 0
        while answers < FLOOD:
            answers += (await peer.hear()).message_type == Kind.QUERY_RESPONSE
        await flood
        assert node.counts["too slow"] == 0
        await node.close()

    run(scene())


@on_both_loops
def test_peer_that_says_to_be_too_many_devices_is_let_go_and_others_come_in(run: Run) -> None:
    async def scene() -> None:
        node = a_node()
        address = await node.open("127.0.0.1")
        peer = await Peer.at(address)
        peer.say(*(m.query(number, 10_000 + number) for number in range(20_000)))
        assert await peer.is_let_go()
        assert node.counts["too many devices"] == 1
        await until_async(lambda: not list(node.linked), "its devices are forgotten")
        await is_serving(node, await Peer.at(address))
        await node.close()

    run(scene())
